//! `coord` on versions: negotiating, compatibility, deprecations, and migrations that are killed.

use crate::support::{Drawn, Folder, Rng, scaled};
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

fn coord(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_coord"));
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(args: &[&str], input: &str) -> Output {
    let mut child = coord(args).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let writer = std::thread::spawn(move || {
        let _ = stdin.write_all(input.as_bytes());
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn write(folder: &Folder, name: &str, text: &str) -> PathBuf {
    PathBuf::from(folder.write(name, text))
}

/// The names in a folder, in order.
fn names(folder: &Folder) -> Vec<String> {
    let entries = fs::read_dir(&folder.0).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn negotiate_agrees_or_says_what_would_help() {
    let agreed = run(&["negotiate", "1.0.0..=1.1.0,capabilities=a+b", "1.1.0,capabilities=b"], "");
    assert_eq!((agreed.status.code(), out(&agreed).as_str()), (Some(0), "1.1.0 with b\n"));
    let refused = run(&["negotiate", "current,x", "1.0.0"], "");
    assert_eq!(refused.status.code(), Some(2));
    let refused = run(&["negotiate", "1.1.0", "1.0.0"], "");
    assert_eq!(refused.status.code(), Some(1));
    assert_eq!(
        out(&refused),
        "no version is common to 1.1.0 (ours) and 1.0.0 (theirs); upgrade the peer to at least \
         1.1.0, or let our side speak 1.0.0 as well\n"
    );
    let refused = run(&["negotiate", "--format", "json", "1.1.0", "1.0.0"], "");
    let value: Value = serde_json::from_slice(&refused.stdout).unwrap();
    assert_eq!(
        value["refusal"]["remedies"][0],
        json!({"do": "upgrade", "side": "theirs", "version": "1.1.0"})
    );
    let agreed = run(&["negotiate", "--format", "json", "current", "1.0.0"], "");
    assert_eq!(out(&agreed), "{\"agreement\":{\"version\":\"1.0.0\"}}\n");

    let folder = Folder::new();
    let hello = r#"{"component_id":"hub","versions":[{"min":"1.0.0","max":"1.0.9"}]}"#;
    let path = write(&folder, "hello.json", hello);
    let from_file = run(&["negotiate", &format!("@{}", path.display()), hello], "");
    assert_eq!(out(&from_file), "1.0.9\n");
    let bad = run(&["negotiate", "current", "1.0.0..=1.x"], "");
    assert_eq!(bad.status.code(), Some(2));
    assert_eq!(
        err(&bad),
        "coord: `1.x` is not a protocol version; write MAJOR.MINOR.PATCH like `1.1.0` (byte 8)\n  \
         1.0.0..=1.x\n          ^\n"
    );
    let missing = run(&["negotiate", "current", "@no/such/file"], "");
    assert_eq!(missing.status.code(), Some(4));
}

#[test]
fn compat_prints_the_matrix() {
    let markdown = run(&["compat", "--format", "markdown"], "");
    assert_eq!(markdown.status.code(), Some(0));
    assert!(out(&markdown).starts_with("| reader \\ writer | 1.0.0 | 1.1.0 |\n"));
    assert!(out(&markdown).contains("| 1.0.0 | all | down-level |"));
    let json: Value =
        serde_json::from_slice(&run(&["compat", "--format", "json"], "").stdout).unwrap();
    assert_eq!(json["cells"].as_array().unwrap().len(), 4);
}

#[test]
fn deprecations_depend_on_the_day() {
    let none = run(&["deprecations"], "");
    assert_eq!((none.status.code(), out(&none).as_str()), (Some(0), "no deprecations\n"));
    let folder = Folder::new();
    let calendar = write(
        &folder,
        "notices.json",
        r#"{"notices":[{"subject":{"field":"TASK_FAILED/retries"},"since":"1.1.0","announced":"2025-01-15","sunset":"2025-06-01","replacement":"retry_count"}]}"#,
    );
    let calendar = calendar.to_str().unwrap();
    let head = "the field `TASK_FAILED/retries`, deprecated since 1.1.0: ";
    for (on, code, rest) in [
        ("2025-01-14", 0, "will be announced on 2025-01-15, ends on 2025-06-01; use `retry_count`"),
        ("2025-01-15", 0, "warning: ends on 2025-06-01, in 137 days; use `retry_count`"),
        ("2025-05-31", 0, "warning: ends on 2025-06-01, in 1 day; use `retry_count`"),
        ("2025-06-01", 1, "error: gone since 2025-06-01; use `retry_count`"),
    ] {
        let shown = run(&["deprecations", "--calendar", calendar, "--at", on], "");
        assert_eq!(
            (shown.status.code(), out(&shown)),
            (Some(code), format!("{head}{rest}\n")),
            "{on}"
        );
    }
    // Without a day it is today, which is long after.
    assert_eq!(run(&["deprecations", "--calendar", calendar], "").status.code(), Some(1));
    let json = run(
        &["deprecations", "--calendar", calendar, "--at", "2025-01-15", "--format", "json"],
        "",
    );
    let rows: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!((&rows[0]["severity"], &rows[0]["days_left"]), (&json!("warning"), &json!(137)));
    assert_eq!(rows[0]["subject"], json!({"field": "TASK_FAILED/retries"}));

    // `check` finds the uses, in streams and in files, on that day or on the day of `--at`.
    let line = r#"TASK_FAILED:wf_001:build:{"task_id":"t7","agent_id":"a3","failure_reason":"exit 1","retry_count":2,"retries":2}"#;
    let script = format!("#!/bin/sh\npublish '{line}'\n");
    for input in [
        line,
        &format!(
            "[{}]",
            r#"{"event":{"event_type":"TASK_FAILED","workflow_id":"w","phase":"p","data":{"task_id":"t7","agent_id":"a3","failure_reason":"exit 1","retry_count":2,"retries":2}}}"#
        ),
        &script,
    ] {
        for (day, code, found) in [
            (["--at", "2025-01-14"], 0, None),
            (["--at", "2025-05-31"], 0, Some("deprecated")),
            (["--at", "2025-05-31T23:59:59Z"], 0, Some("deprecated")),
            (["--at", "2025-06-01"], 1, Some("sunset-passed")),
            (["--at", "2025-06-01T00:00:00Z"], 1, Some("sunset-passed")),
        ] {
            let args = [&["check", "--format", "json", "--calendar", calendar][..], &day].concat();
            let shown = run(&args, input);
            let text = out(&shown);
            assert_eq!(shown.status.code(), Some(code), "{day:?} {input}: {text}");
            let codes = ["deprecated", "sunset-passed"];
            let told = codes.into_iter().find(|code| text.contains(&format!("\"{code}\"")));
            assert_eq!(told, found, "{day:?} {input}: {text}");
        }
    }
    // One moment has one name in all verbs.
    for other in ["--on", "--now"] {
        assert_eq!(run(&["check", other, "2025-01-14"], line).status.code(), Some(2));
    }

    let short = fs::read_to_string(calendar).unwrap().replace("2025-06-01", "2025-02-01");
    let short = write(&folder, "short.json", &short);
    let refused = run(&["deprecations", "--calendar", short.to_str().unwrap()], "");
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        err(&refused).contains("are 17 days; a notice runs at least 90 at /notices/0"),
        "{}",
        err(&refused)
    );
    assert_eq!(run(&["deprecations", "--at", "2025-02-30"], "").status.code(), Some(2));
}

const UP: &[&str] = &["migrate", "--from", "1.0.0", "--to", "1.1.0"];
const DOWN: &[&str] = &["migrate", "--from", "1.1.0", "--to", "1.0.0"];

fn with<'a>(args: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    [args, more].concat()
}

#[test]
fn migrate_streams_and_leaves_out_what_it_cannot_say() {
    let input = "phase.failed:w:p:{'a': 1}\n\n{\"source\":\"hub\",\"health_status\":{}}\nCHECKPOINT_CREATED:w:p:{}\nbroken\n";
    let streamed = run(&with(DOWN, &["--adapter", "event-names,flat-envelope"]), input);
    assert_eq!(streamed.status.code(), Some(1));
    assert_eq!(out(&streamed), "PHASE_FAILED:w:p:{'a': 1}\n{\"health_status\":{}}\n");
    assert_eq!(
        err(&streamed),
        "coord: <stdin>:4: required data would be lost: the event type `CHECKPOINT_CREATED` is \
         lost: protocol 1.0.0 does not have it\n\
         coord: <stdin>:5: neither a JSON object nor an event line: this is not an event line: it \
         has 0 of the 3 colons (`not-an-event` at byte 0)\n\
         <stdin>: 4 records: 2 changed, 0 dropped, 2 not migrated\n  \
         once, in line 3: the header key `source` is lost: protocol 1.0.0 does not have \
         it\n"
    );
    let dry = run(&with(DOWN, &["--dry-run", "--allow-loss", "--verbose", "-"]), input);
    assert_eq!(dry.status.code(), Some(1));
    assert!(
        out(&dry).starts_with("<stdin>: 4 records: 1 changed, 1 dropped, 1 not migrated\n"),
        "{}",
        out(&dry)
    );
    assert!(
        err(&dry).contains("<stdin>:3: /source: the header key `source` is lost"),
        "{}",
        err(&dry)
    );
    for (args, message) in [
        (
            with(UP, &["--adapter", "flat"]),
            "`flat` is none of event-names, flat-envelope, error-reports",
        ),
        (vec!["migrate", "--from", "1.0.0"], "--to <VERSION>"),
        (vec!["migrate", "--from", "1.0.0", "--to", "3.0.0"], "3.0.0 is not supported"),
    ] {
        let refused = run(&args, "");
        assert_eq!(refused.status.code(), Some(2), "{args:?}");
        assert!(err(&refused).contains(message), "{}", err(&refused));
    }
}

#[test]
fn a_file_is_replaced_and_what_is_between_records_stays() {
    let folder = Folder::new();
    let text = "\u{feff}A_B:w:p:{}\r\n\n  \n{\n  \"source\": \"hub\",\n  \"health_status\": { \"a\": 1.0 }\n}\nCHECKPOINT_CREATED:w:p:{}\n\nC_D:w:p:{}";
    let path = write(&folder, "log", text);
    let name = path.to_str().unwrap();
    let shown = run(&with(DOWN, &["--dry-run", "--allow-loss", name]), "");
    assert_eq!(shown.status.code(), Some(0));
    assert_eq!(fs::read_to_string(&path).unwrap(), text, "a dry run writes nothing");
    assert_eq!(names(&folder), ["log"]);

    let refused = run(&with(DOWN, &[name]), "");
    assert_eq!(refused.status.code(), Some(1));
    assert!(out(&refused).ends_with("was left as it is\n"), "{}", out(&refused));
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
    assert_eq!(names(&folder), ["log"]);

    let done = run(&with(DOWN, &["--allow-loss", name]), "");
    assert_eq!(done.status.code(), Some(0), "{}", err(&done));
    assert_eq!(out(&done), out(&shown), "what the dry run told");
    assert_eq!(
        fs::read_to_string(&path).unwrap(),
        "\u{feff}A_B:w:p:{}\r\n\n  \n{\n  \"health_status\": { \"a\": 1.0 }\n}\n\nC_D:w:p:{}"
    );
    assert_eq!(names(&folder), ["log"]);

    for (missing, message, status) in
        [("nothing", "No such file or directory", 4), (".", "it is no regular file", 2)]
    {
        let path = folder.0.join(missing);
        let failed = run(&with(DOWN, &[path.to_str().unwrap()]), "");
        assert_eq!(failed.status.code(), Some(status));
        assert!(err(&failed).contains(message), "{}", err(&failed));
    }
}

#[cfg(unix)]
#[test]
fn the_place_of_a_link_and_the_permissions_stay() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let folder = Folder::new();
    let path = write(&folder, "log", "{\"source\":\"hub\",\"health_status\":{}}\n");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let link = folder.0.join("link");
    symlink(&path, &link).unwrap();
    // Somebody's link in the place of the output is not followed.
    let other = write(&folder, "other", "precious");
    symlink(&other, folder.0.join(".log.migrating")).unwrap();
    let done = run(&with(DOWN, &[link.to_str().unwrap()]), "");
    assert_eq!(done.status.code(), Some(0), "{}", err(&done));
    assert_eq!(fs::read_to_string(&path).unwrap(), "{\"health_status\":{}}\n");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::read_to_string(&other).unwrap(), "precious");
    assert_eq!(names(&folder), ["link", "log", "other"]);
}

/// Records of all sorts, some of which are dropped or changed.
fn log(lines: usize) -> String {
    let rng = &mut Rng::new(8);
    let mut text = String::new();
    for number in 0..lines {
        match rng.below(8) {
            0 => text.push_str(&format!(
                "{{\"source\":\"hub\", \"health_status\":{{\"n\":{number}}}}}\n"
            )),
            1 => text.push_str(&format!("CHECKPOINT_CREATED:w:p:{{\"n\":{number}}}\n")),
            2 => text.push_str(&format!(
                "{{\n \"checkpoint_sync\": {{\"state_version\": {number}}}\n}}\n\n"
            )),
            3 => text.push_str(&format!("phase.failed:w:p:{{'n':{number}}}\n")),
            _ => text.push_str(&(Drawn::new(rng.below(8) * 38 + rng.below(33)).line() + "\n")),
        }
    }
    text
}

const KILLED: &[&str] = &[
    "migrate",
    "--from",
    "1.1.0",
    "--to",
    "1.0.0",
    "--allow-loss",
    "--adapter",
    "event-names",
    "--journal-every",
    "60000",
];

/// What an undisturbed run makes of a text, and what it says.
fn reference(folder: &Folder, text: &str) -> (String, String) {
    let path = write(folder, "reference", text);
    let done = run(&with(KILLED, &[path.to_str().unwrap()]), "");
    assert_eq!(done.status.code(), Some(0), "{}", err(&done));
    let report = out(&done).replace("reference", "log");
    (fs::read_to_string(&path).unwrap(), report)
}

fn leftovers(folder: &Folder) -> Vec<String> {
    names(folder).into_iter().filter(|name| name.starts_with('.')).collect()
}

#[test]
fn a_run_that_is_killed_at_any_moment_is_taken_up() {
    let folder = Folder::new();
    let text = log(scaled(20_000));
    let started = Instant::now();
    let (expected, report) = reference(&folder, &text);
    let whole = started.elapsed();
    assert_ne!(expected, text);
    let rng = &mut Rng::new(started.elapsed().subsec_nanos().into());
    let (mut kills, mut resumed) = (0, 0);
    for round in 0..3 {
        let path = write(&folder, "log", &text);
        let args = with(KILLED, &[path.to_str().unwrap()]);
        for attempt in 0_u32.. {
            let mut child = coord(&args).spawn().unwrap();
            // Later attempts live longer, so that it ends on a busy machine, too.
            let share = rng.below(40) as u32 + attempt;
            std::thread::sleep(whole * share / 100);
            // The file is whole whenever somebody looks.
            let now = fs::read_to_string(&path).unwrap();
            assert!(now == text || now == expected, "round {round}");
            let running = child.try_wait().unwrap().is_none();
            child.kill().unwrap();
            let output = child.wait_with_output().unwrap();
            resumed += usize::from(err(&output).contains("going on at byte"));
            if output.status.code() == Some(0) {
                break;
            }
            kills += usize::from(running);
            let now = fs::read_to_string(&path).unwrap();
            assert!(now == text || now == expected, "round {round}");
        }
        assert!(fs::read_to_string(&path).unwrap() == expected, "round {round}");
        assert_eq!(leftovers(&folder), Vec::<String>::new());
        // Once more changes nothing.
        let again = run(&args, "");
        assert_eq!(again.status.code(), Some(0), "{}", err(&again));
        assert!(fs::read_to_string(&path).unwrap() == expected, "round {round}");
    }
    println!("{kills} kills, {resumed} resumed, {whole:?} undisturbed; {report}");
    assert!(kills > 0);
}

/// Starts a run and kills it as soon as its journal is there.
fn interrupted(folder: &Folder, args: &[&str]) {
    let journal = folder.0.join(".log.migrating.journal");
    for _ in 0..50 {
        let mut child = coord(args).spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(30);
        while !journal.exists() && child.try_wait().unwrap().is_none() {
            assert!(Instant::now() < deadline, "no journal");
            std::thread::yield_now();
        }
        child.kill().unwrap();
        if child.wait().unwrap().code().is_none() && journal.exists() {
            return;
        }
    }
    panic!("the run is always faster");
}

fn journal(folder: &Folder) -> Value {
    let text = fs::read(folder.0.join(".log.migrating.journal")).unwrap();
    serde_json::from_slice(&text).unwrap()
}

#[test]
fn a_run_goes_on_only_where_it_fits() {
    let folder = Folder::new();
    let text = log(20_000);
    let (expected, report) = reference(&folder, &text);
    let path = write(&folder, "log", &text);
    let name = path.to_str().unwrap();
    let args = with(KILLED, &[name]);

    interrupted(&folder, &args);
    assert!(journal(&folder)["offset"].as_u64().unwrap() > 0);
    let output = run(&args, "");
    assert!(err(&output).contains("coord: going on at byte "), "{}", err(&output));
    assert_eq!(out(&output), report, "the counts go on, too");
    assert!(fs::read_to_string(&path).unwrap() == expected);
    assert_eq!(leftovers(&folder), Vec::<String>::new());

    // Another command, a changed file, a cut output and a broken journal start anew.
    for spoil in 0..4 {
        let path = write(&folder, "log", &text);
        interrupted(&folder, &args);
        let mut other = args.clone();
        let mut wanted = expected.clone();
        match spoil {
            0 => {
                other.retain(|arg| !["--adapter", "event-names"].contains(arg));
                wanted = wanted.replace("PHASE_FAILED:w:p:{'", "phase.failed:w:p:{'");
            }
            1 => {
                write(&folder, "log", &format!("A:b:c:{{}}\n{text}"));
                wanted = format!("A:b:c:{{}}\n{expected}");
            }
            2 => {
                write(&folder, ".log.migrating", "x");
            }
            _ => {
                write(&folder, ".log.migrating.journal", "{");
            }
        }
        let output = run(&other, "");
        assert_eq!(output.status.code(), Some(0), "{spoil}: {}", err(&output));
        assert!(!err(&output).contains("going on"), "{spoil}");
        assert!(fs::read_to_string(&path).unwrap() == wanted, "{spoil}");
        assert_eq!(leftovers(&folder), Vec::<String>::new());
    }
}

/// The two moments that a kill hardly ever meets: before and behind the replacement.
#[test]
fn a_complete_output_only_takes_its_place() {
    let folder = Folder::new();
    let text = log(6_000);
    let (expected, _) = reference(&folder, &text);
    let path = write(&folder, "log", &text);
    let args = with(KILLED, &[path.to_str().unwrap()]);
    interrupted(&folder, &args);
    let before = journal(&folder);

    let mut complete = before.clone();
    let temp = write(&folder, ".log.migrating", &expected);
    complete["finished"] = fingerprint(&temp);
    complete["input"] = fingerprint(&path);
    write(&folder, ".log.migrating.journal", &complete.to_string());
    let output = run(&args, "");
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert_eq!(out(&output).lines().next(), Some(summary(&path, &before).as_str()));
    assert!(fs::read_to_string(&path).unwrap() == expected);
    assert_eq!(leftovers(&folder), Vec::<String>::new());

    // The output is in its place, the journal is not yet gone.
    complete["finished"] = fingerprint(&path);
    write(&folder, ".log.migrating.journal", &complete.to_string());
    let output = run(&args, "");
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert_eq!(out(&output).lines().next(), Some(summary(&path, &before).as_str()));
    assert!(fs::read_to_string(&path).unwrap() == expected);
    assert_eq!(leftovers(&folder), Vec::<String>::new());
}

/// The first line of the report: the counts of the journal, not of a run from the start.
fn summary(path: &Path, journal: &Value) -> String {
    let count = |key: &str| journal["tally"][key].as_u64().unwrap();
    format!(
        "{}: {} records: {} changed, {} dropped, 0 not migrated",
        path.display(),
        count("records"),
        count("changed"),
        count("dropped")
    )
}

fn fingerprint(path: &Path) -> Value {
    use sha2::{Digest, Sha256};
    let (bytes, meta) = (fs::read(path).unwrap(), fs::metadata(path).unwrap());
    let written = meta.modified().unwrap().duration_since(std::time::UNIX_EPOCH).unwrap();
    let end = 64 << 10;
    let mut digest = Sha256::new();
    digest.update(&bytes[..bytes.len().min(end)]);
    digest.update(&bytes[bytes.len().saturating_sub(end)..]);
    let ends: String = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    json!({
        "length": bytes.len(),
        "modified": [written.as_secs(), written.subsec_nanos()],
        "ends": ends,
    })
}

#[test]
fn two_runs_on_one_file_do_not_meet() {
    let folder = Folder::new();
    let path = write(&folder, "log", &log(100));
    let held = fs::File::open(&path).unwrap();
    held.lock().unwrap();
    let args = with(KILLED, &[path.to_str().unwrap()]);
    let refused = run(&args, "");
    assert_eq!(refused.status.code(), Some(5));
    assert!(err(&refused).ends_with("is being migrated by another process\n"), "{}", err(&refused));
    assert_eq!(names(&folder), ["log"]);
    drop(held);
    assert_eq!(run(&args, "").status.code(), Some(0));
}

/// Many refused records are told in part and counted.
#[test]
fn refused_records_are_told_and_counted() {
    let folder = Folder::new();
    let path = write(&folder, "log", &"nothing\n".repeat(25));
    let refused = run(&with(UP, &[path.to_str().unwrap()]), "");
    assert_eq!(refused.status.code(), Some(1));
    let errors = err(&refused);
    assert_eq!(errors.lines().count(), 21, "{errors}");
    assert!(errors.ends_with(": 5 more were not migrated\n"), "{errors}");
    let long =
        write(&folder, "long", &format!("A:b:c:{{\"x\":\"{}\"}}\nA:b:c:{{}}\n", "y".repeat(200)));
    let args = with(UP, &["--max-bytes", "100", long.to_str().unwrap()]);
    let refused = run(&args, "");
    assert!(
        err(&refused).ends_with(":1: the record is longer than 100 bytes\n"),
        "{}",
        err(&refused)
    );
    assert!(out(&refused).contains("2 records: 0 changed, 0 dropped, 1 not migrated"));
    let bytes = folder.0.join("bytes");
    fs::write(&bytes, b"A:b:c:{\"x\":\"\xff\"}\n").unwrap();
    let refused = run(&with(UP, &[bytes.to_str().unwrap()]), "");
    assert!(err(&refused).contains("invalid utf-8"), "{}", err(&refused));
}

/// 32 MiB in place, in a few MiB of memory.
#[cfg(target_os = "linux")]
#[test]
fn memory_stays_constant() {
    let folder = Folder::new();
    let block = log(500);
    let path = write(&folder, "log", &block.repeat((32 << 20) / block.len()));
    let mut child = coord(&KILLED[..KILLED.len() - 2]).arg(path.to_str().unwrap()).spawn().unwrap();
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let now = status
            .lines()
            .find_map(|row| row.strip_prefix("VmHWM:"))
            .and_then(|row| row.trim().trim_end_matches(" kB").trim().parse().ok());
        peak = peak.max(now.unwrap_or(0));
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(peak > 0 && peak < 32 * 1024, "peak memory {peak} kB");
    println!("peak memory {peak} kB");
}
