//! `coord check` over files as they lie in folders: names, kinds, encodings, ignore rules.

use crate::coord::{err, out};
use crate::support::Folder;
use std::ffi::OsStr;
use std::process::{Child, Command, Output, Stdio};

const GOOD: &str = "TASK_TIMEOUT:wf_001:build:{\"task_id\":\"t1\",\"agent_id\":\"a1\",\"timeout_duration\":\"15m\"}\n";

/// Runs `coord` in a folder, with nothing on standard input.
fn coord_in(folder: &Folder, args: &[impl AsRef<OsStr>]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_coord"));
    command.args(args).current_dir(&folder.0).stdin(Stdio::null()).env_remove("NO_COLOR");
    command.output().unwrap()
}

/// A name need not be text, and shows nothing raw.
#[cfg(target_os = "linux")]
#[test]
fn a_file_may_have_any_name() {
    use std::os::unix::ffi::OsStrExt as _;
    let folder = Folder::new();
    let odd = OsStr::from_bytes(b"odd\xff\x1b[31m.log");
    std::fs::write(folder.0.join(odd), GOOD).unwrap();
    folder.write("good.log", GOOD);
    let args = [
        OsStr::new("check"),
        OsStr::new("--format"),
        OsStr::new("json"),
        odd,
        OsStr::new("no\u{202e}ne.log"),
        OsStr::new("good.log"),
    ];
    let output = coord_in(&folder, &args);
    assert_eq!(output.status.code(), Some(4), "one of them is not there");
    let sources: Vec<String> = out(&output)
        .lines()
        .map(|row| serde_json::from_str::<serde_json::Value>(row).unwrap())
        .map(|row| row["source"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(sources, [r"odd\xff\u{1b}[31m.log", "good.log"]);
    assert_eq!(
        err(&output),
        "coord: cannot read no\\u{202e}ne.log: No such file or directory (os error 2)\n"
    );
}

/// A note with a good event in it, on its third line.
fn note() -> String {
    format!("# Report\n```\n{GOOD}```\n")
}

fn fill(folder: &Folder, files: &[(&str, &str)]) {
    for (name, text) in files {
        let path = folder.0.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}

/// The sources of the records that a check of the folder finds.
fn sources(folder: &Folder, args: &[&str]) -> Vec<String> {
    let output = coord_in(folder, &[&["check", "--format", "json"], args].concat());
    let none = "coord: no record was found in 0 inputs\n";
    assert_eq!(err(&output), if output.stdout.is_empty() { none } else { "" }, "{args:?}");
    rows(&output).iter().map(|row| row["source"].as_str().unwrap().to_owned()).collect()
}

fn rows(output: &Output) -> Vec<serde_json::Value> {
    out(output).lines().map(|row| serde_json::from_str(row).unwrap()).collect()
}

/// Every kind of file that is read, in a repository with ignore rules.
fn repository() -> Folder {
    let folder = Folder::new();
    let note = note();
    let script = format!("#!/usr/bin/env bash\npublish '{}'\n", GOOD.trim_end());
    let document = format!(
        "{}\n",
        r#"{"heartbeat":{"component_id":"hub","sequence":1,"timestamp":"2025-01-15T12:00:00Z"}}"#
    );
    fill(
        &folder,
        &[
            (".git/config.md", &note),
            (".claude/commands/deploy.md", &note),
            (".gitignore", "ignored.md\n/target/\n"),
            ("ignored.md", &note),
            ("target/made.md", &note),
            ("a/x.md", &note),
            ("a-b/x.mdx", &note),
            ("a.sh", &script),
            ("b.bash", &script),
            ("c.zsh", &script),
            ("d.json", &document),
            ("e.jsonl", &document),
            ("f.log", GOOD),
            ("g.txt", GOOD),
            ("hook", &script),
            ("main.rs", &script),
            ("README", &note),
            ("vendor/lib/v.md", &note),
        ],
    );
    folder
}

const ALL: [&str; 12] = [
    ".claude/commands/deploy.md",
    "a/x.md",
    "a-b/x.mdx",
    "a.sh",
    "b.bash",
    "c.zsh",
    "d.json",
    "e.jsonl",
    "f.log",
    "g.txt",
    "hook",
    "vendor/lib/v.md",
];

#[test]
fn a_folder_is_walked_in_the_order_of_its_paths() {
    let folder = repository();
    assert_eq!(sources(&folder, &["."]), ALL);
    let seen = |args: &[&str]| sources(&folder, args);
    // Folders and files that are named come in the order of the arguments.
    assert_eq!(seen(&["vendor", "a.sh", "a"]), ["vendor/lib/v.md", "a.sh", "a/x.md"]);
    let no_hidden = seen(&[".", "--no-hidden"]);
    assert_eq!(no_hidden, ALL[1..]);
    let no_ignore = seen(&[".", "--no-ignore"]);
    assert!(no_ignore.contains(&"ignored.md".to_owned()), "{no_ignore:?}");
    assert!(no_ignore.contains(&"target/made.md".to_owned()), "{no_ignore:?}");
    assert_eq!(no_ignore.len(), ALL.len() + 2, "{no_ignore:?}");
}

#[test]
fn globs_leave_out_and_choose() {
    let folder = repository();
    let seen = |args: &[&str]| sources(&folder, args);
    assert_eq!(seen(&[".", "--glob", "!vendor/**"]), ALL[..11]);
    assert_eq!(
        seen(&[".", "-g", "*.md", "-g", "!vendor"]),
        [".claude/commands/deploy.md", "a/x.md", "ignored.md"],
        "they win over ignore rules"
    );
    // What is asked for by its name is read although its extension says nothing.
    assert_eq!(seen(&[".", "--glob", "README"]), ["README"]);
    // A glob with a folder in it holds from the folder that is walked, too, wherever that lies.
    assert_eq!(seen(&["vendor", "--glob", "!lib/**"]), [""; 0]);
    assert_eq!(seen(&["vendor", "--glob", "!vendor/lib/**"]), [""; 0]);
    let whole = folder.0.to_str().unwrap().to_owned();
    let elsewhere = Folder::new();
    let found = sources(&elsewhere, &[&whole, "--glob", "!vendor/**"]);
    assert_eq!(found, ALL[..11].iter().map(|name| format!("{whole}/{name}")).collect::<Vec<_>>());
    let bad = coord_in(&folder, &["check", ".", "--glob", "{"]);
    assert_eq!(bad.status.code(), Some(2));
    assert!(err(&bad).starts_with("coord: --glob {: "), "{}", err(&bad));
}

/// Links, pipes, binary files: nothing waits for them or goes round in circles, and all are told.
#[cfg(unix)]
#[test]
fn what_is_no_text_file_is_passed_over_and_told() {
    let folder = Folder::new();
    fill(&folder, &[("x.md", &note())]);
    folder.write("data.log", b"PK\x03\x04\0\0\0\0");
    std::os::unix::fs::symlink(".", folder.0.join("loop")).unwrap();
    std::os::unix::fs::symlink("x.md", folder.0.join("link.md")).unwrap();
    let made = Command::new("mkfifo").arg(folder.0.join("pipe.md")).status().unwrap();
    assert!(made.success());
    let socket = std::os::unix::net::UnixListener::bind(folder.0.join("socket.md")).unwrap();

    let output = coord_in(&folder, &["check", ".", "--verbose"]);
    drop(socket);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(
        err(&output),
        "coord: data.log: 0 records; skipped: it is binary\n\
         coord: link.md: skipped: it is a symbolic link\n\
         coord: loop: skipped: it is a symbolic link\n\
         coord: pipe.md: skipped: it is a named pipe\n\
         coord: socket.md: skipped: it is a socket\n\
         coord: x.md: 1 record; taken for Markdown by its name\n"
    );
    let quiet = coord_in(&folder, &["check", "."]);
    assert_eq!(err(&quiet), "");
    assert!(
        out(&quiet).ends_with(
            "  read: 1 input (Markdown: 1), 1 binary input skipped, 4 special files skipped\n"
        ),
        "{}",
        out(&quiet)
    );
    // What is named is read whatever it is.
    let named = coord_in(&folder, &["check", "link.md"]);
    assert!(out(&named).starts_with("1 record: 1 valid"), "{}", out(&named));
}

#[test]
fn the_extension_decides_first() {
    let folder = Folder::new();
    let stop = folder.write("p.md", "Then stop.\n");
    let output = coord_in(&folder, &["check", &stop, "-v"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(
        out(&output),
        "0 records: 0 valid, 0 deviating, 0 invalid (interop mode, protocol 1.1.0, security not checked)\n\
         \x20 no record was found in 1 input (Markdown: 1)\n"
    );
    assert_eq!(err(&output), format!("coord: {stop}: 0 records; taken for Markdown by its name\n"));
    let ci = coord_in(&folder, &["check", &stop, "--require-records", "--format", "json"]);
    assert_eq!(ci.status.code(), Some(1));
    assert_eq!(err(&ci), "coord: no record was found in 1 input (Markdown: 1)\n");
    let mixed = format!("no message\n{GOOD}");
    let records = format!("{{\"a\":1}}\n{GOOD}");
    for (name, text, taken, records) in [
        ("x.json", &mixed, "messages by its name", 2),
        ("x.sh", &mixed, "a shell script by its name", 1),
        ("x.log", &mixed, "a log by its name", 1),
        ("x", &records, "messages by its content", 2),
        ("x.data", &records, "messages by its content", 2),
    ] {
        let path = folder.write(name, text);
        let output = coord_in(&folder, &["check", &path, "-v"]);
        let expected =
            format!("{records} record{}; taken for {taken}", if records == 1 { "" } else { "s" });
        assert!(err(&output).contains(&expected), "{name}: {}", err(&output));
        // The same says `--as`.
        let given = coord_in(&folder, &["check", &path, "-v", "--as", "messages"]);
        assert!(
            err(&given).contains("2 records; taken for messages as --as says"),
            "{}",
            err(&given)
        );
    }
}

#[test]
fn what_is_not_utf8_or_no_text_is_one_sentence() {
    let folder = Folder::new();
    let utf16 = |wide: fn(u16) -> [u8; 2]| {
        format!("\u{feff}{GOOD}{GOOD}").encode_utf16().flat_map(wide).collect::<Vec<u8>>()
    };
    let utf32: Vec<u8> =
        format!("\u{feff}{GOOD}").chars().flat_map(|c| u32::from(c).to_le_bytes()).collect();
    for (name, bytes, encoding, iconv) in [
        ("le.log", utf16(u16::to_le_bytes), "UTF-16, little endian", "UTF-16"),
        ("be.md", utf16(u16::to_be_bytes), "UTF-16, big endian", "UTF-16"),
        ("le.json", utf32, "UTF-32, little endian", "UTF-32"),
    ] {
        folder.write(name, &bytes);
        let output = coord_in(&folder, &["check", "--format", "json", name]);
        assert_eq!(output.status.code(), Some(4), "{name}");
        assert_eq!(
            err(&output).lines().next().unwrap(),
            format!(
                "coord: cannot read {name}: it is {encoding}, not UTF-8; \
                 convert it with `iconv -f {iconv} -t UTF-8`"
            )
        );
        assert_eq!(out(&output), "");
    }
    // Noise, with and without null bytes.
    let mut state = 7_u32;
    let mut noise = |with: bool| -> Vec<u8> {
        let mut byte = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        (0..2_000).map(|_| byte()).filter(|byte| with || *byte != 0).collect()
    };
    for with in [true, false] {
        let output = crate::coord::run(&["check"], &noise(with));
        assert_eq!(output.status.code(), Some(0));
        assert!(
            out(&output).ends_with("no record was found in 0 inputs, 1 binary input skipped\n")
        );
    }
    // A null byte behind the start of a record hides nothing.
    let hidden = format!("{GOOD}TASK_FAILED:wf:b:{{\"x\":\"\0\"}}\n");
    let output = crate::coord::run(&["check"], hidden.as_bytes());
    assert_eq!(output.status.code(), Some(1), "{}", out(&output));
    for line in ["<a>\n", "> quoted\n"] {
        let output = crate::coord::run(&["check"], line.as_bytes());
        assert!(out(&output).ends_with("no record was found in 1 input (Markdown: 1)\n"));
    }
}

#[test]
fn the_limit_of_a_whole_file_is_named() {
    let folder = Folder::new();
    let name = folder.write("x.md", note());
    let size = note().len();
    let fits = coord_in(&folder, &["check", &name, "--max-file-bytes", &size.to_string()]);
    assert_eq!(fits.status.code(), Some(0));
    let less = (size - 1).to_string();
    let over = coord_in(&folder, &["check", &name, "--max-file-bytes", &less]);
    assert_eq!(over.status.code(), Some(4));
    assert_eq!(
        err(&over),
        format!(
            "coord: cannot read {name}: it has more than {less} bytes, the limit that --max-file-bytes sets\n"
        )
    );
}

/// A folder with many files, some of them with findings and some that cannot be read.
fn many(folder: &Folder, count: usize) {
    for number in 0..count {
        let name = format!("{}/{number}.md", number % 17);
        let bad = "TASK_FAILED:wf:b:{\"retry_count\":-1}\n".repeat(number % 5);
        fill(folder, &[(&name, &format!("{}```\n{bad}```\n", note()))]);
    }
    folder.write("3/wide.md", b"\xff\xfea\0");
    // More output than may wait for its turn.
    folder.write("4/long.md", format!("```\n{}```\n", "TASK_FAILED:wf:b:{,}\n".repeat(3_000)));
}

#[test]
fn the_output_does_not_depend_on_the_threads() {
    let folder = Folder::new();
    many(&folder, 120);
    for format in ["human", "json", "sarif"] {
        let check = |threads: &str| {
            coord_in(&folder, &["check", ".", "-v", "--format", format, "--threads", threads])
        };
        let one = check("1");
        assert_eq!(one.status.code(), Some(4), "one file cannot be read");
        assert!(one.stdout.len() > 10_000);
        for threads in ["2", "7"] {
            assert!(check(threads) == one, "{format} {threads}");
        }
    }
}

fn start(folder: &Folder, args: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_coord"));
    command.args(args).current_dir(&folder.0).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn a_walk_ends_when_its_output_is_not_read() {
    use std::io::{BufRead as _, BufReader};
    let folder = Folder::new();
    many(&folder, 100);
    let mut child = start(&folder, &["check", ".", "--format", "json"]);
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("{\"source\":\"0/0.md\""), "{line}");
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), err(&output).as_str()), (Some(0), ""));
}

#[test]
fn two_processes_walk_one_folder() {
    let folder = Folder::new();
    many(&folder, 50);
    let both = [0, 1].map(|_| start(&folder, &["check", "."]));
    let [one, other] = both.map(|child| child.wait_with_output().unwrap());
    assert!(one == other && !one.stdout.is_empty());
}

/// An interrupt leaves whole lines in the output and nothing in the folder.
#[cfg(unix)]
#[test]
fn an_interrupt_leaves_nothing_behind() {
    let folder = Folder::new();
    many(&folder, 100);
    let names = |folder: &Folder| {
        let mut names: Vec<_> =
            std::fs::read_dir(&folder.0).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = names(&folder);
    let elsewhere = Folder::new();
    for wait in [5, 50, 200] {
        let printed = elsewhere.path("out.jsonl");
        let file = std::fs::File::create(&printed).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_coord"));
        command.args(["check", ".", "--format", "json"]).current_dir(&folder.0);
        let mut child =
            command.stdin(Stdio::null()).stdout(file).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(wait));
        let id = child.id().to_string();
        let _ = Command::new("kill").args(["-INT", &id]).status();
        child.wait().unwrap();
        let text = std::fs::read_to_string(&printed).unwrap();
        assert!(text.is_empty() || text.ends_with("}\n"), "{wait}");
        assert_eq!(names(&folder), before);
    }
}

const LOG: &str = concat!(
    "[2026-03-13T11:05:31-07:00] hub started\n",
    "[2026-03-13T11:05:32-07:00] TASK_FAILED:wf:b:{\"retry_count\":-1}\n",
    "[2026-03-13T11:05:33-07:00] INFO {\n",
    "  \"heartbeat\": {\"component_id\":\"hub\",\"sequence\":1,\"timestamp\":\"2025-01-15T12:00:00Z\"}\n",
    "}\n",
    "[2026-03-13T11:05:34-07:00] INFO {\"level\":\"info\"}\n",
);

#[test]
fn a_log_is_read_for_its_messages() {
    let folder = Folder::new();
    folder.write("hub.log", LOG);
    let brief = |row: &serde_json::Value| {
        format!(
            "{}:{} {} {}",
            row["line"],
            row["column"],
            row["type"].as_str().unwrap(),
            row["verdict"]
        )
    };
    let expected =
        ["2:29 TASK_FAILED \"invalid\"", "3:34 heartbeat \"valid\""].map(str::to_owned).to_vec();
    for args in [&["hub.log"][..], &["hub.log", "--as", "log"], &["."]] {
        let output = coord_in(&folder, &[&["check", "-v", "--format", "json"], args].concat());
        assert_eq!(rows(&output).iter().map(brief).collect::<Vec<_>>(), expected, "{args:?}");
        assert_eq!(rows(&output)[0]["findings"][0]["line"], 2);
        let by = if args.len() == 1 { "by its name" } else { "as --as says" };
        assert_eq!(
            err(&output),
            format!("coord: hub.log: 2 records; taken for a log {by}, 2 lines without a message\n")
        );
    }
    let output = crate::coord::run(&["check", "-v", "--format", "json"], LOG.as_bytes());
    assert_eq!(rows(&output).iter().map(brief).collect::<Vec<_>>(), expected);
    assert!(err(&output).contains("taken for a log by its content"), "{}", err(&output));
    // Records of their own, one a line, are a stream whatever the file is called.
    let events = folder.write("events.log", format!("{GOOD}TASK_FAILED wf b\n"));
    let output = coord_in(&folder, &["check", "--format", "json", &events]);
    assert_eq!(rows(&output).len(), 2, "{}", out(&output));
    // Without a single prefix it is a log where most lines are neither an event nor a message.
    let words = format!("some words\nmore words\n{GOOD}and more\n");
    let output = crate::coord::run(&["check", "-v", "--format", "json"], words.as_bytes());
    assert_eq!(rows(&output).len(), 1);
    assert!(err(&output).contains("taken for a log by its content, 3 lines"), "{}", err(&output));
}

/// Whoever follows a stream sees each record when it is complete, although more may come.
#[test]
fn records_come_when_they_are_complete() {
    use std::io::{BufRead as _, BufReader, Write as _};
    let logged = format!("12:00:01 INFO {GOOD}");
    for (args, line) in [
        (&["check", "--format", "json", "-"][..], GOOD),
        (&["check", "--format", "json"], &logged),
        (&["check", "--as", "log", "--format", "json"], &logged),
        (
            &["check", "--format", "line", "--mode", "strict"],
            "SYSTEM_SHUTDOWN:wf:b:{\"component_name\":\"hub\"}\n",
        ),
        (&["filter", "test", "kind = event", "--format", "records"], GOOD),
        (&["convert", "--to", "json"], GOOD),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_coord"));
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        for _ in 0..3 {
            input.write_all(line.as_bytes()).unwrap();
            // Standard input stays open: without an answer now this waits for ever.
            let mut answer = String::new();
            output.read_line(&mut answer).unwrap();
            let shown = answer.contains("TASK_") || answer.starts_with("<stdin>:");
            assert!(shown, "{args:?}: {answer}");
        }
        drop(input);
        child.wait().unwrap();
    }
}

#[test]
fn one_input_that_cannot_be_read_does_not_hide_the_others() {
    let folder = Folder::new();
    folder.write("good.log", GOOD);
    for args in [
        &["check"][..],
        &["convert", "--to", "line"],
        &["filter", "test", "kind = event", "--format", "records"],
    ] {
        let output = coord_in(&folder, &[args, &["none.log", "good.log"]].concat());
        assert_eq!(output.status.code(), Some(4), "{args:?}");
        assert_eq!(
            err(&output),
            "coord: cannot read none.log: No such file or directory (os error 2)\n"
        );
        assert!(!out(&output).is_empty(), "{args:?}");
    }
}
