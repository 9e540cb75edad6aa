//! Hostile values in every place that `coord` prints: nothing acts on a terminal, nothing pretends to be
//! a line of a log.

use crate::coord::{coord, err, out, run};
use crate::support::{Folder, Rng, scaled};
use std::process::Output;

/// What acts on terminals, logs and readers. Each stands beside something that shows where it went.
const PIECES: &[&str] = &[
    "\u{1b}[2J",
    "\u{1b}]0;title\u{7}",
    "\u{9b}31m",
    "\u{85}",
    "\r",
    "\n",
    "\n::error file=a,line=1::forged\n",
    "\r\n##[error]forged",
    "\u{202e}",
    "\u{2066}",
    "\u{61c}",
    "\u{2028}",
    "\u{2029}",
    "\u{200b}",
    "\u{feff}",
    "\u{e0041}",
    "\u{8}\u{8}",
    "\u{7f}",
    "\t",
    "plain",
    "größer",
];

/// A hostile text, with marks by which a test could find it again.
fn hostile(rng: &mut Rng) -> String {
    (0..=rng.below(4)).map(|_| rng.pick(PIECES)).fold(String::from("h"), |text, piece| text + piece)
}

/// How a text is written in JSON: with raw characters wherever JSON lets them stand.
fn json(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

/// What may not be printed, by Unicode's own word for it.
fn acts(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
                | '\u{feff}' | '\u{e0000}'..='\u{e007f}'
        )
}

/// Fails if a text would act on a terminal, or has a line that another program takes for a command.
fn harmless(text: &[u8], colours: bool, what: &str) {
    let text = std::str::from_utf8(text).unwrap_or_else(|_| panic!("{what}: no UTF-8: {text:?}"));
    let mut rest = text;
    while let Some(at) = rest.find(|c| acts(c) && c != '\n') {
        let tail = &rest[at..];
        let own = tail.strip_prefix("\u{1b}[").and_then(|numbers| {
            let end = numbers.find(|c: char| !c.is_ascii_digit() && c != ';')?;
            numbers[end..].starts_with('m').then_some("\u{1b}[".len() + end + 1)
        });
        match own {
            Some(length) if colours => rest = &tail[length..],
            _ => panic!("{what}: {:?} in {text:?}", tail.chars().next()),
        }
    }
    for line in text.lines() {
        assert!(!line.starts_with("::error file=a"), "{what}: {text:?}");
        assert!(!line.starts_with("##[error]forged"), "{what}: {text:?}");
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Prints {
    /// Words of our own, with values in them.
    Words,
    /// Records, which go out unchanged but on a terminal.
    Records,
    /// Records that go out unchanged everywhere.
    Product,
}

struct Case {
    args: Vec<String>,
    input: String,
    prints: Prints,
}

fn case(args: &[&str], input: &str, prints: Prints) -> Case {
    let args = args.iter().map(|arg| (*arg).to_owned()).collect();
    Case { args, input: input.to_owned(), prints }
}

/// Every verb, with a hostile text wherever it takes one.
#[allow(clippy::too_many_lines, reason = "a table of command lines")]
fn cases(folder: &Folder, h: &str) -> Vec<Case> {
    use Prints::{Product, Records, Words};
    // Arguments and file names hold all but NUL and the separator.
    let word = &h.replace('\0', "").replace('/', "_");
    let q = &json(h);
    let line = format!(
        "TASK_TIMEOUT:wf_1:build:{{\"task_id\":\"t\",\"agent_id\":\"a\",\"timeout_duration\":{q},{q}:1}}\n"
    );
    let sound = format!(
        "TASK_FAILED:wf_1:build:{{\"task_id\":{q},\"agent_id\":\"a\",\"failure_reason\":{q},\"retry_count\":1}}\n\
         {{\"source\":\"hub\",\"x\":{q},\"heartbeat\":{{\"component_id\":\"hub\",\"sequence\":1,\"timestamp\":\"2025-01-15T12:00:00Z\",{q}:{q}}}}}\n"
    );
    let raw = format!("{h}:{h}:{h}:{{\"a\":{h}}}\nTASK_FAILED:wf_1:{h}:{{,}}\n");
    let state = |version: u32, note: &str| {
        format!(
            "{{\"workflow_state\":{{\"workflow_id\":\"wf_1\",\"state_version\":{version},\"timestamp\":\"2025-01-15T12:00:00Z\",\"current_phase\":{{\"phase_id\":1,\"name\":{q}}},{q}:{}}}}}",
            json(note)
        )
    };
    let named = &folder.write(word, &line);
    let sounds = &folder.write("sound.log", &sound);
    let broken = &folder.write("broken.log", &raw);
    let markdown = &folder.write(
        "page.md",
        format!("# {h}\n\n```json\n{sound}```\n\n```sh\npublish '{line}'\n```\n"),
    );
    let (one, two) =
        (&folder.write("one.json", state(1, "a")), &folder.write("two.json", state(2, h)));
    let three = &folder.write("three.json", state(2, "c"));
    let calendar = &folder.write(
        "notices.json",
        format!(
            "{{\"notices\":[{{\"subject\":{{\"field\":\"TASK_FAILED/retries\"}},\"since\":\"1.1.0\",\"announced\":\"2025-01-15\",\"sunset\":\"2025-06-01\",\"replacement\":{q}}}]}}"
        ),
    );
    let broken_calendar = &folder.write("broken.json", format!("{{{q}:{q}}}"));
    let root = &folder.path(&format!("root{word}"));
    let seed = &folder.path(&format!("seed{word}"));
    let missing = &folder.path(&format!("missing{word}"));
    let backup = &folder.path(&format!("backup{word}"));
    let (merged, export) = (&folder.path(&format!("merged{word}")), &folder.path("export.jsonl"));
    let pages = &folder.path(&format!("pages{word}"));
    let settings =
        ["{q} = {q}", "ignore = [{q}]", "exclude = [{q}]\n[ignore-in]\n{q} = [\"missing-data\"]"];
    let settings = settings.map(|text| text.replace("{q}", q));
    let [unknown_key, unknown_code, paths] =
        &[0, 1, 2].map(|n| folder.write(&format!("settings{n}.toml"), &settings[n]));
    let fixable = &folder
        .write(&format!("fixable{word}.sh"), format!("cat <<E\n{}E\n", line.replace('"', "'")));
    let diffable = &folder.write("diffable.sh", format!("cat <<E\n{}E\n", line.replace('"', "'")));
    let schemas = &folder.path(&format!("schemas{word}"));
    let digested = &folder.write(&format!("digested{word}"), "x");
    let named_seed = &format!("named{word}");

    let mut cases = Vec::new();
    for format in ["human", "json", "sarif", "line", "github", "summary"] {
        for file in [named, sounds, broken, markdown, missing] {
            cases.push(case(&["check", "--verbose", "--format", format, file], "", Words));
        }
    }
    for (form, file) in [("line", sounds), ("json", sounds), ("json", named), ("line", broken)] {
        cases.push(case(&["convert", "--to", form, file], "", Records));
    }
    for verb in ["registry", "explain", "schema", "help", "man", "completions"] {
        cases.push(case(&[verb, word], "", Words));
    }
    for args in [
        &[word.as_str()][..],
        &[&format!("--{word}")],
        &["check", &format!("--{word}=1")],
        &["check", "--mode", word],
        &["check", "--max-bytes", word],
        &["check", "--format", word],
        &["check", "--at", word],
        &["check", "--source", word, sounds],
        &["check", "--permissions", broken, sounds],
        &["check", "--permissions", sounds, sounds],
        &["check", "--keys", broken_calendar, sounds],
        &["check", "--keys", missing, sounds],
        &["check", "--calendar", broken_calendar, sounds],
        &["check", "--calendar", calendar, sounds],
        &["check", "--config", unknown_key, sounds],
        &["check", "--config", unknown_code, sounds],
        &["check", "--config", paths, sounds],
        &["check", "--fix", fixable],
        &["check", "--select", word, sounds],
        &["check", "--baseline", broken_calendar, sounds],
        &["config", "--config", unknown_key],
        &["config", "--config", unknown_code],
        &["config", "--config", paths],
        &["config", "--config", missing],
        &["schema", "--all", "--out", schemas],
        &["schema", "--all", "--out", named],
        &["--color", word],
        &["verify", "--keys", broken_calendar, sounds],
        &["verify", "--keys", missing, sounds],
        &["keygen", "--id", word, "--owner", "hub", "--seed", seed],
        &["keygen", "--id", "k", "--owner", word, "--seed", seed],
        &["keygen", "--id", "k", "--owner", "hub", "--seed", &format!("{missing}/x")],
        &["sign", "--id", "k", "--seed", missing, sounds],
        &["sign", "--id", "k", "--seed", broken, sounds],
        &["route", "explain", word],
        &["route", "explain", &format!("*.{word}")],
        &["route", "match", word, "task.wf_1.failed"],
        &["route", "match", "*.failed", word],
        &["route", "match", "*.failed", sounds],
        &["route", "match", "*.failed", broken],
        &["route", "match", "*.failed", "--format", "json", sounds],
        &["filter", "test", word, sounds],
        &["filter", "test", &format!("{{{q}:1}}"), sounds],
        &["filter", "test", "workflow = wf_1", sounds],
        &["filter", "test", "workflow = wf_1", broken],
        &["filter", "test", "workflow = wf_1", "--format", "json", sounds],
        &["negotiate", word, "current"],
        &["negotiate", "current", &format!("{{\"hello\":{{{q}:{q}}}}}")],
        &["negotiate", "current", &format!("@{missing}")],
        &["compat", "--format", word],
        &["deprecations", "--calendar", calendar, "--at", "2025-05-01"],
        &["deprecations", "--calendar", broken_calendar],
        &["deprecations", "--calendar", missing],
        &["migrate", "--from", "1.0.0", "--to", word, sounds],
        &["migrate", "--from", "1.0.0", "--to", "1.1.0", "--dry-run", broken],
        &["migrate", "--from", "1.1.0", "--to", "1.0.0", "--verbose", "--dry-run", sounds],
        &["migrate", "--from", "1.0.0", "--to", "1.1.0", missing],
        &["man", "--out", pages],
        &["state", "put", one, "--root", root],
        &["state", "put", two, "--replaces", "1", "--root", root],
        &["state", "put", broken, "--root", root],
        &["state", "show", "--root", root],
        &["state", "show", "wf_1", "--root", root],
        &["state", "show", "wf_1", "--format", "json", "--root", root],
        &["state", "show", word, "--root", root],
        &["state", "diff", one, two],
        &["state", "diff", "--format", "json", one, two],
        &["state", "diff", one, broken],
        &["state", "merge", one, two, three, "--format", "json"],
        &["state", "merge", one, two, three, "-o", merged],
        &["state", "merge", one, two, three, "-o", merged],
        &["state", "merge", one, two, three, "--clock", word],
        &["state", "merge", one, two, three, "--policy", broken_calendar],
        &["state", "merge", one, two, broken],
        &["checkpoint", "create", "--workflow", "wf_1", "--id", "c1", "--root", root],
        &["checkpoint", "create", "--state", two, "--id", word, "--root", root],
        &[
            "checkpoint",
            "create",
            "--state",
            two,
            "--id",
            "c2",
            "--files",
            digested,
            "--root",
            root,
        ],
        &["checkpoint", "create", "--state", broken, "--root", root],
        &["checkpoint", "create", "--state", two, "--files", missing, "--root", root],
        &["checkpoint", "list", "--root", root],
        &["checkpoint", "list", "--format", "json", "--root", root],
        &["checkpoint", "list", "--workflow", word, "--root", root],
        &["checkpoint", "verify", word, "--root", root],
        &["checkpoint", "verify", "--root", root],
        &["checkpoint", "restore", "c2", "--files", digested, "--root", root],
        &["checkpoint", "restore", word, "--root", root],
        &["checkpoint", "rollback", "c2", "--mode", word, "--root", root],
        &["checkpoint", "rollback", "c2", "--mode", "partial", "--parts", word, "--root", root],
        &["checkpoint", "rollback", "c2", "--mode", "selective", "--agents", word, "--root", root],
        &["checkpoint", "prune", "--keep", "1", "--root", root],
        &["store", "check", "--root", root],
        &["store", "check", "--root", missing],
        &["store", "backup", backup, "--root", root],
        &["store", "backup", backup, "--root", root],
        &["store", "export", export, "--root", root],
        &["store", "export", &format!("{missing}/x"), "--root", root],
        &["store", "import", export, "--root", &format!("{missing}new")],
        &["store", "import", broken, "--root", &format!("{missing}new")],
        &[
            "migrate",
            "--store",
            "--from",
            "1.1.0",
            "--to",
            "1.0.0",
            "--root",
            root,
            "--dry-run",
            "-v",
        ],
    ] {
        cases.push(case(args, "", Words));
    }
    for args in [
        &["migrate", "--from", "1.0.0", "--to", "1.1.0", "-"][..],
        &["filter", "test", "workflow = wf_1", "--format", "records"],
        &["route", "match", "*.failed", "--format", "records"],
    ] {
        cases.push(case(args, &sound, Records));
        cases.push(case(args, &raw, Records));
    }
    for args in [
        &["state", "show", "--format", "records", "--root", root][..],
        &["state", "merge", one, two, three],
        &["store", "export", "--root", root],
        // A difference is for `patch`, which needs the bytes as they are.
        &["check", "--diff", diffable],
    ] {
        cases.push(case(args, "", Records));
    }
    cases.push(case(
        &["keygen", "--id", "k", "--owner", "hub", "--seed", &folder.path(named_seed)],
        "",
        Words,
    ));
    cases.push(case(
        &["sign", "--id", "k", "--seed", &folder.path(named_seed), sounds],
        "",
        Product,
    ));
    cases
}

fn judge(case: &Case, output: &Output, terminal: bool) {
    let what = format!("{:?} (terminal: {terminal})", case.args);
    let code = output.status.code();
    assert!(matches!(code, Some(0..=5)), "{what} ended with {code:?}: {}", err(output));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!errors.contains("panicked"), "{what}: {errors}");
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(!terminal || !shown.contains("panicked"), "{what}: {shown}");
    harmless(&output.stderr, false, &what);
    match case.prints {
        Prints::Words => harmless(&output.stdout, terminal, &what),
        Prints::Records if terminal => harmless(&output.stdout, true, &what),
        // Bytes are what they were.
        Prints::Records | Prints::Product => {}
    }
}

#[test]
fn nothing_hostile_reaches_a_log() {
    for seed in 0..scaled(3) as u64 {
        let folder = Folder::new();
        let h = hostile(&mut Rng::new(seed + 1));
        for case in cases(&folder, &h) {
            let args: Vec<&str> = case.args.iter().map(String::as_str).collect();
            judge(&case, &run(&args, case.input.as_bytes()), false);
        }
    }
}

/// Runs the program with a terminal as its output, once for each list of arguments and its input. What
/// was shown is in `stdout`.
#[cfg(unix)]
fn all_on_a_terminal(jobs: &[(Vec<&str>, &str)]) -> Vec<Output> {
    use std::io::Write as _;
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::{Command, ExitStatus, Stdio};
    let list: Vec<serde_json::Value> = jobs
        .iter()
        .map(|(args, input)| {
            let args = [&[env!("CARGO_BIN_EXE_coord")][..], args].concat();
            serde_json::json!({ "args": args, "input": input })
        })
        .collect();
    let mut child = Command::new("python3")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/on_a_terminal.py"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_remove("NO_COLOR")
        .env("TERM", "xterm")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3, which runs the tests, is there");
    let text = serde_json::to_vec(&list).unwrap();
    child.stdin.take().unwrap().write_all(&text).unwrap();
    let output = child.wait_with_output().unwrap();
    let shown: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).unwrap();
    let output = |job: &serde_json::Value| Output {
        status: ExitStatus::from_raw(i32::try_from(job["code"].as_i64().unwrap()).unwrap() << 8),
        stdout: job["shown"].as_str().unwrap().chars().map(|c| c as u8).collect(),
        stderr: Vec::new(),
    };
    shown.iter().map(output).collect()
}

#[cfg(unix)]
fn on_a_terminal(args: &[&str], input: &str) -> Output {
    all_on_a_terminal(&[(args.to_vec(), input)]).remove(0)
}

#[cfg(unix)]
#[test]
fn nothing_hostile_reaches_a_terminal() {
    for seed in 0..scaled(1) as u64 {
        let folder = Folder::new();
        // All of them at once.
        let h = if seed == 0 { PIECES.concat() } else { hostile(&mut Rng::new(seed + 100)) };
        let cases = cases(&folder, &h);
        let jobs: Vec<(Vec<&str>, &str)> = cases
            .iter()
            .map(|case| (case.args.iter().map(String::as_str).collect(), case.input.as_str()))
            .collect();
        for (case, output) in cases.iter().zip(all_on_a_terminal(&jobs)) {
            judge(case, &output, true);
        }
    }
}

#[cfg(unix)]
#[test]
fn on_a_terminal_records_are_the_same_json_and_elsewhere_the_same_bytes() {
    let folder = Folder::new();
    let message = "{\"source\":\"hub\",\"x\":\"a\u{202e}b\u{9b}c\u{2028}\",\"heartbeat\":{\"component_id\":\"hub\",\"sequence\":1,\"timestamp\":\"2025-01-15T12:00:00Z\"}}";
    let safe = message
        .replace('\u{202e}', "\\u202e")
        .replace('\u{9b}', "\\u009b")
        .replace('\u{2028}', "\\u2028");
    let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    assert_eq!(value(message), value(&safe));
    let input = format!("{message}\n");
    for args in [
        &["filter", "test", "source = hub", "--format", "records"][..],
        &["migrate", "--from", "1.1.0", "--to", "1.1.0"],
        &["convert", "--to", "json"],
    ] {
        let piped = run(args, input.as_bytes());
        let shown = on_a_terminal(args, &input);
        assert!(out(&piped).contains('\u{202e}'), "{args:?}: {}", out(&piped));
        assert!(out(&shown).contains("a\\u202eb\\u009bc\\u2028"), "{args:?}: {}", out(&shown));
        let first = |text: String| value(text.lines().find(|line| line.starts_with('{')).unwrap());
        assert_eq!(first(out(&piped)), first(out(&shown)), "{args:?}");
    }

    // What is signed is what is written, everywhere; but a terminal would obey control characters.
    let seed = folder.path("seed");
    let made = run(&["keygen", "--id", "k", "--owner", "hub", "--seed", &seed], b"");
    assert_eq!(made.status.code(), Some(0), "{}", err(&made));
    let sign = ["sign", "--id", "k", "--seed", &seed];
    let marked = input.replace('\u{9b}', "");
    let shown = on_a_terminal(&sign, &marked);
    assert_eq!(out(&shown), out(&run(&sign, marked.as_bytes())));
    assert!(out(&shown).contains('\u{202e}'));
    let refused = on_a_terminal(&sign, &input);
    assert_eq!(refused.status.code(), Some(1));
    assert!(out(&refused).contains("send the output to a file"), "{}", out(&refused));
    assert!(out(&run(&sign, input.as_bytes())).contains('\u{9b}'));
}

#[cfg(unix)]
#[test]
fn colours_are_for_terminals_and_for_whoever_asks() {
    let shown = on_a_terminal(&["check", "examples/events.log"], "");
    assert!(out(&shown).contains("\u{1b}["), "{}", out(&shown));
    let plain = on_a_terminal(&["--color", "never", "check", "examples/events.log"], "");
    assert!(!out(&plain).contains('\u{1b}'));
    for (args, coloured) in [
        (&["--help"][..], true),
        (&["--color", "never", "--help"], false),
        (&["--color=never", "check", "--no-such"], false),
        (&["check", "--no-such"], true),
        (&["--color", "never", "help", "check"], false),
    ] {
        assert_eq!(out(&on_a_terminal(args, "")).contains('\u{1b}'), coloured, "{args:?}");
        assert!(!out(&run(args, b"")).contains('\u{1b}'), "{args:?}");
    }
    let forced = |name: &str, value: &str| {
        let mut command = coord(&["check", "examples/events.log"]);
        let output = command.env(name, value).output().unwrap();
        out(&output).contains('\u{1b}')
    };
    assert!(forced("CLICOLOR_FORCE", "1"));
    // Set to nothing is not set.
    assert!(!forced("CLICOLOR_FORCE", ""));
    assert!(!forced("CLICOLOR_FORCE", "0"));
}

/// The rule that makes the other tests of this module hold for verbs that are yet to come.
#[test]
fn only_one_place_writes_to_the_terminal() {
    fn visit(folder: &std::path::Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                if !path.ends_with("output") || !path.parent().unwrap().ends_with("coord") {
                    visit(&path, found);
                }
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let writes = ["stdout()", "stderr()", "print!(", "println!(", "eprint!(", "eprintln!("];
            // To ask what it is, and to draw a bar, is not to write a value to it.
            let asks = ["is_terminal()", "ProgressDrawTarget::stderr()"];
            let lines = text.lines().filter(|line| {
                writes.iter().any(|write| line.contains(write))
                    && !asks.iter().any(|ask| line.contains(ask))
            });
            found.extend(lines.map(|line| format!("{}: {}", path.display(), line.trim())));
        }
    }
    let mut found = Vec::new();
    let program = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bin/coord");
    visit(&program, &mut found);
    assert_eq!(found, Vec::<String>::new());
}
