//! `coord check --fix` and `--diff`: what is rewritten, and what never is.

use crate::coord::{err, out};
use crate::support::Folder;
use std::process::{Command, Output, Stdio};

fn coord(folder: &Folder, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_coord"));
    command.args(args).current_dir(&folder.0).stdin(Stdio::null()).env_remove("NO_COLOR");
    command.output().unwrap()
}

fn read(folder: &Folder, name: &str) -> String {
    std::fs::read_to_string(folder.0.join(name)).unwrap()
}

/// A file after `--fix`, which a second run leaves as it is.
fn fixed(name: &str, text: &str, options: &[&str]) -> String {
    let folder = Folder::new();
    folder.write(name, text);
    let args = [&["check", "--fix"], options, &[name]].concat();
    assert_ne!(coord(&folder, &args).status.code(), Some(2));
    let once = read(&folder, name);
    let again = coord(&folder, &args);
    assert_eq!(read(&folder, name), once, "a second run changes nothing");
    assert!(!err(&again).contains(": fixed"), "{}", err(&again));
    let names: Vec<_> = std::fs::read_dir(&folder.0).unwrap().collect();
    assert_eq!(names.len(), 1, "nothing is left beside the file");
    once
}

const TIMEOUT: &str =
    r#"TASK_TIMEOUT:wf:b:{"task_id":"t1","agent_id":"a1","timeout_duration":"15m"}"#;

/// What stands in a file, and what stands there afterwards; `None` if nothing changes.
#[test]
fn what_has_one_reading_is_rewritten_in_the_spelling_of_its_place() {
    let error = |level: &str| {
        format!(
            r#"SYSTEM_ERROR:global:global:{{"error_type":"timeout","affected_components":["hub"],"severity":"{level}"}}"#
        )
    };
    let heartbeat = |key: &str, more: &str| {
        format!(
            r#"{{"{key}":"hub","heartbeat":{{"component_id":"hub","sequence":1,"timestamp":"2025-01-15T12:00:00Z"}}{more}}}"#
        )
    };
    let single = TIMEOUT.replace('"', "'");
    let in_double = |text: &str| text.replace('"', "\\\"");
    let fence = |language: &str, text: &str| format!("# T\n\n```{language}\n{text}\n```\n");
    let cases: &[(&str, String, Option<String>)] = &[
        // Single quotes, where a shell does not see them, and where it does.
        ("a.md", fence("text", &single), Some(fence("text", TIMEOUT))),
        ("a.sh", format!("p \"{single}\"\n"), Some(format!("p \"{}\"\n", in_double(TIMEOUT)))),
        ("a.sh", format!("cat <<E\n{single}\nE\n"), Some(format!("cat <<E\n{TIMEOUT}\nE\n"))),
        ("a.sh", format!("cat <<'E'\n{single}\nE\n"), Some(format!("cat <<'E'\n{TIMEOUT}\nE\n"))),
        ("a.sh", format!("p '{}'\n", single.replace('\'', "'\\''")), Some(format!("p '{TIMEOUT}'\n"))),
        (
            "a.md",
            "# T\n\n- ```sh\n  p \"TASK_TIMEOUT:$w:b:{'task_id':'say \\\"x\\\"','agent_id':'a1','timeout_duration':'15m'}\"\n".to_owned(),
            Some("# T\n\n- ```sh\n  p \"TASK_TIMEOUT:$w:b:{\\\"task_id\\\":\\\"say \\\\\\\"x\\\\\\\"\\\",\\\"agent_id\\\":\\\"a1\\\",\\\"timeout_duration\\\":\\\"15m\\\"}\"\n".to_owned()),
        ),
        ("a.yml", format!("run: |\n  p \"{single}\"\n"), Some(format!("run: |\n  p \"{}\"\n", in_double(TIMEOUT)))),
        // No spelling that is tried reads the same between the double quotes of YAML.
        ("a.yml", format!("run: \"p \\\"{single}\\\"\"\n"), None),
        // Words of closed lists, one letter off.
        ("a.sh", format!("p '{}'\n", error("hihg")), Some(format!("p '{}'\n", error("high")))),
        ("a.sh", format!("p \"{}\"\n", in_double(&error("High"))), Some(format!("p \"{}\"\n", in_double(&error("high"))))),
        ("a.sh", format!("p '{}'\n", error("severe")), None),
        // Names that anybody may choose are what they are.
        ("a.sh", format!("p '{}'\n", TIMEOUT.replace("TIMEOUT", "TIMEOUTS")), None),
        ("a.sh", format!("p '{}'\n", TIMEOUT.replace("agent_id", "agent_ids")), None),
        // Other names of fields, unless the field is there as well; never in what is signed.
        ("a.json", heartbeat("source_component", ""), Some(heartbeat("source", ""))),
        ("a.json", heartbeat("source_component", ",\"source\":\"hub\""), None),
        ("a.json", heartbeat("source_component", ",\"signature\":\"x\""), None),
        // Whoever excused a finding wants the text as it is.
        ("a.sh", format!("# coord: ignore unknown-word\np '{}'\n", error("hihg")), None),
        // Quotes of a shell belong to it.
        ("a.md", fence("text", &format!("\"{TIMEOUT}\"")), None),
        // What is broken anyway has no sure reading.
        ("a.sh", format!("p \"{}\"\n", single.replace("15m'", "15m',,")), None),
        ("a.sh", "p '{\"a\":1}'\n".to_owned(), None),
    ];
    for (name, before, after) in cases {
        let after = after.as_ref().unwrap_or(before);
        assert_eq!(&fixed(name, before, &[]), after, "{before}");
    }
}

#[test]
fn logs_are_rewritten_only_if_that_is_asked_for() {
    let single = TIMEOUT.replace('"', "'");
    let log = format!("\u{feff}{TIMEOUT}\r\n\"{single}\"\r\n{TIMEOUT}\n");
    assert_eq!(fixed("a.log", &log, &[]), log);
    let clean = format!("{TIMEOUT}\n").repeat(3);
    assert_eq!(fixed("a.log", &log, &["--fix-logs"]), clean);
    let folder = Folder::new();
    folder.write("a.log", &log);
    let output = coord(&folder, &["check", "--fix-logs", "a.log"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("--fix-logs goes with --fix or --diff"), "{}", err(&output));
}

#[test]
fn a_code_that_is_left_out_is_not_fixed() {
    let script = format!("cat <<E\n{}\nE\n", TIMEOUT.replace('"', "'"));
    assert_eq!(fixed("a.sh", &script, &["--ignore", "single-quotes"]), script);
    assert_ne!(fixed("a.sh", &script, &["--ignore", "unknown-word"]), script);
}

#[test]
fn a_difference_is_shown_and_nothing_changed() {
    let folder = Folder::new();
    let single = TIMEOUT.replace('"', "'");
    let file = format!("1\n2\n3\n4\n```\n{single}\n```\n8\n9\n10\n11\n```\n{single}\n```");
    std::fs::create_dir(folder.0.join("notes")).unwrap();
    folder.write("notes/a.md", &file);
    folder.write("notes/b.md", "# T\n");
    let output = coord(&folder, &["check", "--diff", "notes"]);
    assert_eq!(output.status.code(), Some(0));
    let expected = format!(
        "--- a/notes/a.md\n+++ b/notes/a.md\n@@ -3,12 +3,12 @@\n 3\n 4\n ```\n-{single}\n+{TIMEOUT}\n \
         ```\n 8\n 9\n 10\n 11\n ```\n-{single}\n+{TIMEOUT}\n ```\n\\ No newline at end of file\n"
    );
    assert_eq!(out(&output), expected);
    assert_eq!(err(&output), "coord: notes/a.md: would fix 2 single-quotes\n");
    assert_eq!(read(&folder, "notes/a.md"), file);
    // `patch` reads it, and makes of it what --fix does.
    let output = coord(&folder, &["check", "--fix", "--quiet", "notes"]);
    assert_eq!(err(&output), "coord: notes/a.md: fixed 2 single-quotes\n");
    assert_eq!(read(&folder, "notes/a.md"), file.replace(&single, TIMEOUT));
    assert_eq!(out(&coord(&folder, &["check", "--diff", "notes"])), "");
}

#[cfg(unix)]
#[test]
fn a_link_is_left_alone_and_a_file_keeps_its_mode() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let folder = Folder::new();
    let script = format!("p \"{}\"\n", TIMEOUT.replace('"', "'"));
    folder.write("a.sh", &script);
    symlink("a.sh", folder.0.join("link.sh")).unwrap();
    let output = coord(&folder, &["check", "--fix", "link.sh"]);
    assert!(err(&output).contains("link.sh: not fixed: it is a symbolic link"), "{}", err(&output));
    assert_eq!(read(&folder, "a.sh"), script);
    let path = folder.0.join("a.sh");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o751)).unwrap();
    coord(&folder, &["check", "--fix", "a.sh"]);
    assert_ne!(read(&folder, "a.sh"), script);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o751);
}

#[test]
fn sarif_carries_what_is_sure_without_a_second_look() {
    let folder = Folder::new();
    let single = TIMEOUT.replace('"', "'");
    folder.write("a.md", format!("```text\n{single}\n```\n```sh\np \"{single}\"\n```\n"));
    let output = coord(&folder, &["check", "--format", "sarif", "a.md"]);
    let log: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let results = log["runs"][0]["results"].as_array().unwrap();
    assert_eq!(results.len(), 2);
    let change = &results[0]["fixes"][0]["artifactChanges"][0];
    assert_eq!(change["artifactLocation"]["uri"], "a.md");
    let replacements = change["replacements"].as_array().unwrap();
    assert_eq!(replacements.len(), 12);
    let first = serde_json::json!({
        "deletedRegion": { "startLine": 2, "startColumn": 20, "endLine": 2, "endColumn": 21 },
        "insertedContent": { "text": "\"" },
    });
    assert_eq!(replacements[0], first);
    // What a shell makes of it is not sure.
    assert!(results[1].get("fixes").is_none());
}
