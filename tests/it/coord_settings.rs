//! What decides which findings of `coord check` count: `coord.toml`, options, comments, a baseline.

use crate::coord::{err, out};
use crate::support::Folder;
use serde_json::Value;
use std::process::{Command, Output, Stdio};

/// A repository with these files in it.
fn repository(files: &[(&str, &str)]) -> Folder {
    let folder = Folder::new();
    std::fs::create_dir(folder.0.join(".git")).unwrap();
    fill(&folder, files);
    folder
}

fn fill(folder: &Folder, files: &[(&str, &str)]) {
    for (name, text) in files {
        let path = folder.0.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}

fn coord(folder: &Folder, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_coord"));
    command.args(args).current_dir(&folder.0).stdin(Stdio::null()).env_remove("NO_COLOR");
    command.output().unwrap()
}

/// The exit status, and what `--format line` prints, each line without its sentence.
fn lines(folder: &Folder, args: &[&str]) -> (i32, Vec<String>) {
    let output = coord(folder, &[&["check", "--format", "line"], args].concat());
    let line = |line: &str| line.split(' ').take(2).collect::<Vec<_>>().join(" ");
    (output.status.code().unwrap(), out(&output).lines().map(line).collect())
}

/// The lines of the summary below the counts.
fn summary(folder: &Folder, args: &[&str]) -> Vec<String> {
    let text = out(&coord(folder, &[&["check", "--format", "summary"], args].concat()));
    let lines = text.lines().skip_while(|line| !line.contains(" valid, "));
    lines.skip(1).map(|line| line.trim_start().to_owned()).collect()
}

/// Lacks one datum: a warning.
const LACKING: &str =
    "TASK_FAILED:wf_1:p:{\"task_id\":\"t\",\"agent_id\":\"a\",\"failure_reason\":\"x\"}\n";
/// Has a wrong one: an error.
const WRONG: &str = "TASK_FAILED:wf_1:p:{\"task_id\":\"t\",\"agent_id\":\"a\",\"failure_reason\":\"x\",\"retry_count\":-1}\n";

fn fenced(records: &[&str]) -> String {
    format!("```\n{}```\n", records.concat())
}

#[test]
fn the_nearest_file_of_the_repository_counts_and_none_above() {
    let folder = Folder::new();
    fill(
        &folder,
        &[
            ("coord.toml", "[severity]\nmissing-data = \"error\"\n"),
            ("repo/.git/HEAD", ""),
            ("repo/a.log", LACKING),
            ("repo/sub/coord.toml", "ignore = [\"missing-data\"]\n"),
            ("repo/sub/deep/b.log", LACKING),
            ("elsewhere/c.log", LACKING),
        ],
    );
    // Nothing above the root is read, whatever the working folder is.
    let (status, found) = lines(&folder, &["repo/a.log"]);
    assert_eq!((status, found.len()), (0, 1), "{found:?}");
    assert!(found[0].ends_with("warning[missing-data]"), "{found:?}");
    assert_eq!(lines(&folder, &["repo/sub/deep/b.log"]), (0, vec![]));
    // A walk and a name see the same file.
    assert_eq!(lines(&folder, &["repo"]).1, found);
    // Outside of a repository nothing above the working folder counts.
    let (status, found) = lines(&folder, &["elsewhere/c.log"]);
    assert_eq!((status, found[0].ends_with("error[missing-data]")), (1, true), "{found:?}");
    let (status, found) = lines(&folder, &["--no-config", "elsewhere/c.log"]);
    assert_eq!((status, found[0].ends_with("warning[missing-data]")), (0, true), "{found:?}");
    let other = &["--config", "coord.toml", "repo/sub/deep/b.log"];
    let (status, found) = lines(&folder, other);
    assert_eq!((status, found[0].ends_with("error[missing-data]")), (1, true), "{found:?}");
}

#[test]
fn options_are_stronger_than_the_file() {
    let settings = "\
mode = \"strict\"
protocol = \"1.0.0\"
fail-on = \"note\"
max-findings = 1
ignore = [\"unknown-field\"]

[severity]
missing-data = \"note\"
";
    let folder = repository(&[("coord.toml", settings), ("a.log", LACKING)]);
    let shown = |args: &[&str]| {
        let rows = out(&coord(&folder, &[&["config", "--format", "json"], args].concat()));
        rows.lines()
            .map(|row| serde_json::from_str::<Value>(row).unwrap())
            .map(|row| format!("{} {} {}", row["setting"], row["value"], row["from"]))
            .map(|row| row.replace('"', ""))
            .collect::<Vec<String>>()
    };
    let at = |line: u8| format!("{{file:{{line:{line},path:coord.toml}}}}");
    assert_eq!(
        shown(&[]),
        [
            format!("mode strict {}", at(1)),
            format!("protocol 1.0.0 {}", at(2)),
            "max-bytes 65536 default".to_owned(),
            "max-depth 128 default".to_owned(),
            "max-keys 1024 default".to_owned(),
            format!("max-findings 1 {}", at(4)),
            format!("ignore unknown-field {}", at(5)),
            format!("severity.missing-data note {}", at(8)),
            format!("fail-on note {}", at(3)),
        ]
    );
    let given = shown(&[
        "--mode",
        "interop",
        "--protocol",
        "1.1.0",
        "--max-bytes",
        "9",
        "--ignore",
        "wrong-kind",
        "--severity",
        "missing-data=error",
        "--fail-on",
        "warning",
        "--select",
        "missing-data,broken-json",
        "--exclude",
        "*.x",
        "--ignore-in",
        "docs/=missing-data",
        "--type",
        "BUILD_DONE:build:target=text",
    ]);
    for row in [
        "mode interop option",
        "protocol 1.1.0 option",
        "max-bytes 9 option",
        "ignore wrong-kind option",
        "severity.missing-data error option",
        "fail-on warning option",
        "select [missing-data,broken-json] option",
        "exclude *.x option",
        "ignore-in.docs/ [missing-data] option",
        "types.BUILD_DONE {category:build,required:{target:text}} option",
    ] {
        assert!(given.iter().any(|found| found == row), "{row} is not in {given:#?}");
    }
    assert!(given.contains(&format!("ignore unknown-field {}", at(5))), "lists add up");
    let people = out(&coord(&folder, &["config", "--mode", "interop"]));
    assert!(people.contains("mode = interop (option)\n"), "{people}");
    assert!(people.contains("protocol = 1.0.0 (coord.toml:2)\n"), "{people}");
    // What is shown is what happens.
    assert_eq!(lines(&folder, &["a.log"]), (1, vec![]), "a note fails, and is not shown");
    assert_eq!(lines(&folder, &["--fail-on", "warning", "a.log"]), (0, vec![]));
    let (status, found) = lines(&folder, &["--severity", "missing-data=error", "a.log"]);
    assert_eq!((status, found.len()), (1, 1));
}

#[test]
fn what_a_file_of_settings_weakens_is_told() {
    let settings = "\
select = [\"missing-data\", \"unknown-event-type\", \"wrong-kind\"]
ignore = [\"wrong-kind\"]
exclude = [\"vendor/\"]
max-keys = 2000
permissions = \"who.json\"
[severity]
missing-data = \"note\"
unknown-field = \"error\"
[ignore-in]
\"docs/**\" = [\"unknown-event-type\"]
[types.BUILD_DONE]
category = \"build\"
required = { target = \"text\" }
";
    let who = r#"{"component_registration":{"component_id":"hub","component_type":"coordination","capabilities":[],"event_subscriptions":[],"event_publications":["task.*.failed"],"health_check_endpoint":"x"}}"#;
    let folder = repository(&[
        ("coord.toml", settings),
        ("who.json", who),
        ("a.log", LACKING),
        ("vendor/b.log", WRONG),
    ]);
    let told = "coord.toml: raises max-keys to 2000; knows `BUILD_DONE`; looks for `missing-data`, `unknown-event-type`, \
                `wrong-kind` only; ignores `wrong-kind`; makes `missing-data` a note, not a warning; \
                ignores `unknown-event-type` in docs/**; leaves out vendor/; takes permissions from \
                who.json";
    let found = summary(&folder, &["a.log", "vendor/b.log"]);
    assert!(found.contains(&"left out by patterns: 1 file".to_owned()), "{found:#?}");
    assert_eq!(found.last().map(String::as_str), Some(told), "{found:#?}");
    // Formats without a summary tell it on standard error, and SARIF in its own place.
    for format in ["json", "line"] {
        let output = coord(&folder, &["check", "--format", format, "a.log"]);
        assert!(err(&output).contains(&format!("coord: {told}\n")), "{format}: {}", err(&output));
    }
    let log = coord(&folder, &["check", "--format", "sarif", "a.log"]);
    let log: Value = serde_json::from_slice(&log.stdout).unwrap();
    let notice = &log["runs"][0]["invocations"][0]["toolConfigurationNotifications"][0];
    assert_eq!((&notice["level"], &notice["message"]["text"]), (&"note".into(), &told.into()));
    // What is said on the command line needs no telling.
    let found = summary(&folder, &["--no-config", "--ignore", "missing-data", "a.log"]);
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn what_is_wrong_in_a_file_of_settings_is_pointed_at() {
    let folder = repository(&[("a.log", LACKING)]);
    for (settings, problem) in [
        ("modes = \"strict\"", "1:1: unknown field `modes`, expected one of `mode`, "),
        ("mode = \"strct\"", "1:8: "),
        ("a = [", "1:6: "),
        (
            "\nignore = [\"missing-date\"]",
            "2:11: `missing-date` is no finding code; did you mean `missing-data`?",
        ),
        (
            "ignore = [\"broken-json\"]",
            "1:11: `broken-json` stays an error: a record with it has no sound reading",
        ),
        (
            "[severity]\nbroken-json = \"note\"",
            "2:15: `broken-json` stays an error: a record with it has no sound reading",
        ),
        ("[severity]\nmissing-data = \"fatal\"", "2:16: "),
        ("keys = \"/etc/hostname\"", "1:8: the path leads out of the repository"),
        ("keys = \"none.json\"", "1:8: cannot read none.json: "),
        ("protocol = \"3.0.0\"", "1:12: 3.0.0 is not supported; 1.0.0 and 1.1.0 are"),
        ("max-bytes = -1", "1:13: "),
        ("max-bytes = 67108865", "1:13: a file may set at most 67108864; --max-bytes more"),
        (
            "[types.TASK_FAILED]\ncategory = \"x\"",
            "1:1: event type `TASK_FAILED` is already registered",
        ),
        (
            "[types.X_Y]\ncategory = \"x\"\nrequired = { a = \"texd\" }",
            "3:18: `texd` is no type of a field; did you mean `text`?",
        ),
        ("[types.X_Y]\nkind = \"x\"", "2:1: unknown field `kind`"),
    ] {
        fill(&folder, &[("coord.toml", settings)]);
        for verb in [&["check", "a.log"][..], &["config", "a.log"]] {
            let output = coord(&folder, verb);
            assert_eq!(output.status.code(), Some(2), "{settings}");
            let text = err(&output);
            let expected = format!("coord: coord.toml:{problem}");
            assert!(text.starts_with(&expected), "{settings}: {text}");
            assert!(text.contains("\n  |\n") && text.contains('^'), "{settings}: {text}");
        }
    }
    // It is told once, however many files it is for, and shows nothing raw.
    fill(&folder, &[("coord.toml", "\"\\u202e\\u001b[31m\" = 1"), ("b.log", LACKING)]);
    let text = err(&coord(&folder, &["check", "."]));
    assert_eq!(text.matches("coord: coord.toml:1:1: ").count(), 1, "{text}");
    assert!(!text.contains(['\u{202e}', '\u{1b}']), "{text:?}");
}

#[cfg(unix)]
#[test]
fn a_file_of_settings_that_leads_out_of_the_repository_shows_nothing() {
    let folder = repository(&[("a.log", LACKING)]);
    let outside = Folder::new();
    let secret = outside.write("secret", b"-----BEGIN KEY");
    std::os::unix::fs::symlink(&secret, folder.0.join("coord.toml")).unwrap();
    let output = coord(&folder, &["check", "a.log"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(err(&output), "coord: cannot read coord.toml: it leads out of the repository\n");
}

#[test]
fn other_verbs_read_no_file_of_settings() {
    let folder = repository(&[("coord.toml", "nonsense"), ("a.log", LACKING)]);
    assert_eq!(coord(&folder, &["check", "a.log"]).status.code(), Some(2));
    for verb in [&["convert", "--to", "json", "a.log"][..], &["filter", "test", "all()", "a.log"]] {
        assert_eq!(coord(&folder, verb).status.code(), Some(0), "{verb:?}");
    }
    let keygen = coord(&folder, &["keygen", "--id", "k", "--owner", "hub", "--seed", "seed"]);
    assert_eq!(keygen.status.code(), Some(0));
    fill(
        &folder,
        &[
            ("keys.json", &out(&keygen)),
            ("m.json", r#"{"source":"hub","release":{"allocation_id":"a"}}"#),
        ],
    );
    let signed = coord(&folder, &["sign", "--id", "k", "--seed", "seed", "m.json"]);
    assert_eq!(signed.status.code(), Some(0), "{}", err(&signed));
    fill(&folder, &[("s.json", &out(&signed))]);
    let verified = coord(&folder, &["verify", "--keys", "keys.json", "s.json"]);
    assert_eq!(verified.status.code(), Some(0), "{}", err(&verified));
}

#[test]
fn own_event_types_are_known_by_file_and_by_option() {
    let record = "BUILD_DONE:wf_1:p:{\"target\":7}\n";
    let folder = repository(&[("a.log", record)]);
    assert_eq!(lines(&folder, &["a.log"]).1, ["a.log:1:1: warning[unknown-event-type]"]);
    let own = ["--type", "BUILD_DONE:build:target=text,size=byte_size"];
    let found = ["a.log:1:29: error[wrong-kind]", "a.log:1:30: warning[missing-data]"];
    assert_eq!(lines(&folder, &[&own[..], &["a.log"]].concat()).1, found);
    let settings = "[types.BUILD_DONE]\ncategory = \"build\"\nrequired = { target = \"text\", size = \"byte_size\" }\n";
    fill(&folder, &[("coord.toml", settings)]);
    assert_eq!(lines(&folder, &["a.log"]).1, found);
    for (wrong, problem) in [
        ("BUILD_DONE", "write NAME:CATEGORY"),
        ("TASK_FAILED:task", "already registered"),
        ("X_Y:x:a=texd", "did you mean `text`?"),
        ("X_Y:x:a", "`a` has no type"),
    ] {
        let output = coord(&folder, &["check", "--type", wrong]);
        assert_eq!(output.status.code(), Some(2));
        assert!(err(&output).contains(problem), "{}", err(&output));
    }
}

#[test]
fn comments_excuse_the_record_that_they_are_about() {
    let twice = LACKING.trim_end();
    let text = format!(
        "<!-- coord: ignore missing-data -- shown in part -->\n{}`{twice}` <!-- coord: ignore missing-data -->\n",
        fenced(&[LACKING, LACKING])
    );
    let script = format!(
        "publish '{twice}' # coord: ignore missing-data\n# coord: ignore missing-data, wrong-kind\n\npublish '{twice}'\n"
    );
    let yaml = "# coord: ignore missing-data\non: push\n";
    let folder = repository(&[("a.md", &text), ("b.sh", &script), ("c.yml", yaml)]);
    let (status, found) = lines(&folder, &["a.md", "b.sh", "c.yml"]);
    assert_eq!(status, 0);
    assert_eq!(
        found,
        [
            "a.md:4:70: warning[missing-data]",
            "b.sh:2:31: warning[unused-suppression]",
            "c.yml:1:17: warning[unused-suppression]",
        ]
    );
    assert_eq!(summary(&folder, &["a.md"])[1], "not reported: 2 by comments in the files");
    let rows = out(&coord(&folder, &["check", "--format", "json", "a.md"]));
    let first: Value = serde_json::from_str(rows.lines().next().unwrap()).unwrap();
    assert_eq!((&first["verdict"], &first["findings"]), (&"valid".into(), &serde_json::json!([])));
    let excused = &first["suppressed"][0];
    assert_eq!((&excused["by"], &excused["reason"]), (&"comment".into(), &"shown in part".into()));
    let log = coord(&folder, &["check", "--format", "sarif", "a.md"]);
    let log: Value = serde_json::from_slice(&log.stdout).unwrap();
    assert_eq!(
        log["runs"][0]["results"][0]["suppressions"],
        serde_json::json!([{ "kind": "inSource", "justification": "shown in part" }])
    );
    // What is wrong with comments can be weighed and left out like any finding.
    let strict = ["--severity", "unused-suppression=error"];
    assert_eq!(lines(&folder, &[&strict[..], &["b.sh"]].concat()).0, 1);
    let without = ["--ignore", "unused-suppression"];
    assert_eq!(lines(&folder, &[&without[..], &["b.sh"]].concat()).1, Vec::<String>::new());
}

#[test]
fn no_comment_excuses_what_must_be_seen() {
    let inside = "TASK_FAILED:wf_1:p:{\"task_id\":\"t\",\"agent_id\":\"a\",\"note\":\"<!-- coord: ignore missing-data -->\"}\n";
    let broken = "TASK_FAILED:wf_1:p:{\"task_id\":\"t\",,}\n";
    let text = format!(
        "{}<!-- coord: ignore broken-json -->\n{}<!-- coord: ignore publication-denied -->\n<!-- coord: ignore -->\n<!-- coord: ignore missing-date -->\n",
        fenced(&[inside]),
        fenced(&[broken]),
    );
    let folder = repository(&[
        ("a.md", &text),
        ("a.log", &format!("# coord: ignore missing-data\n{LACKING}")),
    ]);
    let (status, found) =
        lines(&folder, &["--select", "missing-data,bad-suppression,unused-suppression", "a.md"]);
    assert_eq!(status, 1);
    let codes: Vec<&str> = found.iter().map(|line| line.split_once(": ").unwrap().1).collect();
    assert_eq!(
        codes,
        [
            "warning[missing-data]",
            "warning[missing-data]",
            "error[broken-json]",
            "warning[bad-suppression]",
            "warning[bad-suppression]",
            "warning[bad-suppression]",
            "warning[bad-suppression]",
        ]
    );
    // In a log, what looks like a comment may come from anybody.
    let (_, found) = lines(&folder, &["--as", "log", "a.log"]);
    assert_eq!(found, ["a.log:2:70: warning[missing-data]"]);
}

#[test]
fn a_baseline_holds_what_is_known_and_tells_what_is_gone() {
    let folder = repository(&[("docs/a.md", &fenced(&[LACKING, LACKING])), ("b.log", WRONG)]);
    let files = ["docs/a.md", "b.log"];
    let check = |args: &[&str]| lines(&folder, &[args, &files[..]].concat());
    assert_eq!(check(&[]).0, 1);
    assert_eq!(check(&["--write-baseline", "known.json"]), (0, vec![]));
    let known = std::fs::read_to_string(folder.0.join("known.json")).unwrap();
    assert_eq!(known.lines().count(), 4, "{known}");
    assert!(known.contains("{\"path\":\"docs/a.md\",\"code\":\"missing-data\",\"pointer\":\"/retry_count\",\"digest\":\""));
    assert!(known.contains("\"count\":2}"), "equal ones are counted: {known}");
    let with = |rest: &[&str]| {
        check(&[&["--baseline", "known.json", "--fail-on", "warning"], rest].concat())
    };
    assert_eq!(with(&[]), (0, vec![]));
    // Lines may move, and who asks may stand elsewhere.
    fill(&folder, &[("docs/a.md", &format!("# A\n\n{}", fenced(&[LACKING, LACKING])))]);
    assert_eq!(with(&[]), (0, vec![]));
    let mut inside = Command::new(env!("CARGO_BIN_EXE_coord"));
    inside.args(["check", "-q", "--fail-on", "warning", "--baseline", "../known.json", "a.md"]);
    let status = inside.current_dir(folder.0.join("docs")).stdin(Stdio::null()).status().unwrap();
    assert_eq!(status.code(), Some(0));
    // One more of the same is new, and so is another record.
    fill(&folder, &[("docs/a.md", &fenced(&[LACKING, LACKING, LACKING]))]);
    assert_eq!(with(&[]), (1, vec!["docs/a.md:4:70: warning[missing-data]".to_owned()]));
    fill(&folder, &[("docs/a.md", &fenced(&[LACKING, &LACKING.replace("\"t\"", "\"u\"")]))]);
    assert_eq!(with(&[]), (1, vec!["docs/a.md:3:70: warning[missing-data]".to_owned()]));
    let told = summary(&folder, &[&["--baseline", "known.json"], &files[..]].concat());
    assert_eq!(told[1], "not reported: 2 by the baseline");
    assert_eq!(told[2], "baseline: 1 finding of it no longer there; write it anew");
    // What was not read is not gone; what does not exist is.
    let one = &["--baseline", "known.json", "docs/a.md"];
    assert_eq!(
        summary(&folder, one)[2],
        "baseline: 1 finding of it no longer there; write it anew"
    );
    std::fs::remove_file(folder.0.join("b.log")).unwrap();
    assert_eq!(
        summary(&folder, one)[2],
        "baseline: 2 findings of it no longer there; write it anew"
    );
}

#[test]
fn fingerprints_are_shared_and_do_not_move_with_lines() {
    let folder = repository(&[("a.md", &fenced(&[LACKING]))]);
    let seen = || {
        let rows = out(&coord(&folder, &["check", "--format", "json", "a.md"]));
        let row: Value = serde_json::from_str(&rows).unwrap();
        let log = coord(&folder, &["check", "--format", "sarif", "a.md"]);
        let log: Value = serde_json::from_slice(&log.stdout).unwrap();
        let shared = log["runs"][0]["results"][0]["partialFingerprints"]["coordFinding/v1"].clone();
        assert_eq!(row["findings"][0]["fingerprint"], shared);
        shared
    };
    let before = seen();
    assert_eq!(before.as_str().unwrap().len(), 32);
    fill(&folder, &[("a.md", &format!("# A\n\n{}", fenced(&[LACKING])))]);
    assert_eq!(seen(), before);
    fill(&folder, &[("a.md", &fenced(&[&LACKING.replace("\"t\"", "\"u\"")]))]);
    assert_ne!(seen(), before);
}

#[test]
fn a_baseline_that_is_none_is_told() {
    let folder = repository(&[("a.log", LACKING)]);
    for (text, problem) in [
        ("{}", "this is no baseline: missing field `version`"),
        ("{\"version\":2,\"findings\":[]}", "a baseline of version 2; this program reads 1"),
        ("{\"version\":1,\"findings\":[{\"path\":\"a\"}]}", "this is no baseline: missing field"),
        ("{\"version\":1,\"findings\":[],\"x\":1}", "this is no baseline: unknown field `x`"),
    ] {
        fill(&folder, &[("known.json", text)]);
        let output = coord(&folder, &["check", "--baseline", "known.json", "a.log"]);
        assert_eq!(output.status.code(), Some(2));
        assert!(
            err(&output).starts_with(&format!("coord: known.json: {problem}")),
            "{}",
            err(&output)
        );
    }
}

#[test]
fn findings_that_are_left_out_leave_their_verdict() {
    let folder = repository(&[("a.log", WRONG)]);
    assert_eq!(lines(&folder, &["a.log"]).0, 1);
    assert_eq!(lines(&folder, &["--ignore", "out-of-range", "a.log"]), (0, vec![]));
    assert_eq!(lines(&folder, &["--ignore-in", "*.log=out-of-range", "a.log"]), (0, vec![]));
    assert_eq!(lines(&folder, &["--ignore-in", "*.md=out-of-range", "a.log"]).0, 1);
    assert_eq!(lines(&folder, &["--select", "missing-data", "a.log"]), (0, vec![]));
    assert_eq!(lines(&folder, &["--severity", "out-of-range=warning", "a.log"]).0, 0);
    let fatal = coord(&folder, &["check", "--ignore", "broken-json", "a.log"]);
    assert_eq!(fatal.status.code(), Some(2));
    assert!(err(&fatal).contains("stays an error: a record with it has no sound reading"));
    // What a limit left out counts as what it is, and what is ignored does not count.
    let hidden = ["--max-findings", "0"];
    assert_eq!(lines(&folder, &[&hidden[..], &["a.log"]].concat()).0, 1);
    let ignored = ["--max-findings", "0", "--ignore-in", "*.log=out-of-range", "a.log"];
    assert_eq!(lines(&folder, &ignored).0, 0);
}

#[test]
fn event_lines_have_no_age_and_that_is_told() {
    let folder = repository(&[("a.log", LACKING)]);
    assert_eq!(
        summary(&folder, &["--fresh", "a.log"])[1],
        "freshness: 1 event line: no header, so neither age nor replay is judged"
    );
}

#[test]
fn codes_of_the_program_are_explained_and_set_like_any() {
    let folder = repository(&[("a.sh", "# coord: ignore missing-data\n")]);
    for code in ["unused-suppression", "bad-suppression"] {
        let page = out(&coord(&folder, &["explain", code]));
        assert!(page.contains("coord: ignore CODE"), "{page}");
        let set = format!("{code}=note");
        let shown = out(&coord(&folder, &["config", "--severity", &set]));
        assert!(shown.contains(&format!("severity.{code} = note (option)\n")), "{shown}");
    }
    let (_, found) = lines(&folder, &["--severity", "unused-suppression=note", "a.sh"]);
    assert_eq!(found, Vec::<String>::new());
}

/// The time grows with the length of a hostile file, and no faster.
#[test]
fn many_comments_are_read_in_linear_time() {
    let good = "`TASK_TIMEOUT:wf_001:build:{\"task_id\":\"t1\",\"agent_id\":\"a1\",\"timeout_duration\":\"15m\"}` ";
    let unclosed = "<!--coord:ignore ".repeat(4_000);
    let beside = format!("{good}<!--coord:ignore missing-data-->").repeat(1_000);
    let above = "<!-- coord: ignore missing-data -->\n".repeat(4_000)
        + &format!("{good}\n\n").repeat(1_000);
    let hashes = "# coord: ignore x\n".repeat(4_000);
    let folder =
        repository(&[("a.md", &unclosed), ("b.md", &beside), ("c.md", &above), ("d.md", &hashes)]);
    let start = std::time::Instant::now();
    assert_eq!(coord(&folder, &["check", "-q", "."]).status.code(), Some(0));
    assert!(start.elapsed().as_secs() < 60, "{:?}", start.elapsed());
}
