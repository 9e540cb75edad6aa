//! `coord state merge`, `diff` and `policy`.

use crate::coord::{err, out, run};
use crate::support::Folder;
use serde_json::Value;

fn state(version: u64, second: u32, members: &str) -> String {
    format!(
        r#"{{"workflow_state":{{"workflow_id":"wf_1","state_version":{version},"timestamp":"2025-01-15T12:00:0{second}Z",{members}}}}}"#
    )
}

const ONE: &str = r#""agent_states":{"a1":{"status":"idle","progress":1}}"#;
const TWO: &str = r#""agent_states":{"a1":{"status":"active","progress":5}}"#;
const THREE: &str = r#""agent_states":{"a1":{"status":"failed","progress":9}}"#;

#[test]
fn states_merge_by_the_table() {
    let folder = Folder::new();
    let base = folder.write("base.json", state(1, 0, ONE));
    let ours = folder.write("ours.json", state(2, 4, TWO));
    let theirs = folder.write("theirs.json", state(2, 3, THREE));
    let output = run(&["state", "merge", &base, &ours, &theirs], b"");
    assert_eq!((output.status.code(), err(&output).as_str()), (Some(0), ""));
    let merged = state(3, 4, r#""agent_states":{"a1":{"status":"active","progress":9}}"#);
    assert_eq!(out(&output), format!("{merged}\n"));
    // What comes out is a message as a writer must write it.
    let output = run(&["check", "--mode", "strict", "-"], merged.as_bytes());
    assert_eq!(output.status.code(), Some(0), "{}", out(&output));
    // Into a file, from standard input.
    let target = folder.0.join("merged.json");
    let target = target.to_str().unwrap();
    let output =
        run(&["state", "merge", &base, "-", &theirs, "-o", target], state(2, 4, TWO).as_bytes());
    assert_eq!((output.status.code(), out(&output).as_str()), (Some(0), ""));
    assert_eq!(std::fs::read_to_string(target).unwrap(), format!("{merged}\n"));
    // Headers belong to their messages.
    let headed = state(2, 3, THREE).replacen('{', r#"{"source":"hub","#, 1);
    let output = run(&["state", "merge", &base, &ours, "-"], headed.as_bytes());
    assert_eq!(out(&output), format!("{merged}\n"));
    assert_eq!(err(&output), "coord: the headers of the messages are left out\n");
}

#[test]
fn conflicts_are_told_with_their_sides() {
    let folder = Folder::new();
    let base = folder.write("base.json", state(1, 0, ONE));
    let ours = folder.write("ours.json", state(2, 3, TWO));
    let theirs = folder.write("theirs.json", state(2, 3, THREE));
    let files = ["state", "merge", &base, &ours, &theirs];
    let output = run(&files, b"");
    assert_eq!(output.status.code(), Some(1));
    assert!(out(&output).contains(r#""status":"active","progress":9"#));
    assert_eq!(
        err(&output),
        "conflict at /workflow_state/agent_states/a1/status
  base   \"idle\"
  ours   \"active\"
  theirs \"failed\"
  rule   newer: neither side has the later timestamp
1 conflict; the document holds ours there
"
    );
    let output = run(&[&files[..], &["--format", "json"]].concat(), b"");
    let row: Value = serde_json::from_str(&out(&output)).unwrap();
    assert_eq!((output.status.code(), err(&output).as_str()), (Some(1), ""));
    assert_eq!(row["conflicts"][0]["pointer"], "/workflow_state/agent_states/a1/status");
    assert_eq!(row["conflicts"][0]["theirs"], "failed");
    assert_eq!(row["value"]["workflow_state"]["state_version"], 3);
    for (strategy, status, code) in [
        ("ours", "active", 0),
        ("theirs", "failed", 0),
        ("merge", "active", 1),
        ("manual", "active", 1),
    ] {
        let output = run(&[&files[..], &["--strategy", strategy]].concat(), b"");
        assert_eq!(output.status.code(), Some(code), "{strategy}");
        assert!(out(&output).contains(status), "{strategy}");
    }
    let manual = run(&[&files[..], &["--strategy", "manual"]].concat(), b"");
    assert!(err(&manual).ends_with("2 conflicts; the document holds ours there\n"));
    let output = run(&[&files[..], &["--strategy", "mine"]].concat(), b"");
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("`mine` is no strategy of merging"));
}

#[test]
fn policies_come_from_files() {
    let folder = Folder::new();
    let rows = folder.write(
        "rows.json",
        r#"[{"pointer":"/tags","rule":"union"},{"pointer":"/owner","rule":"newer"}]"#,
    );
    let base = folder.write(
        "base.json",
        r#"{ "at": {"t":"2025-01-15T12:00:00Z"}, "tags": ["a"], "owner": "x" }"#,
    );
    let ours = folder
        .write("ours.json", r#"{"at":{"t":"2025-01-15T12:00:00Z"},"tags":["a","b"],"owner":"y"}"#);
    let theirs = folder
        .write("theirs.json", r#"{"at":{"t":"2025-01-15T12:00:01Z"},"tags":["c"],"owner":"z"}"#);
    let files = ["state", "merge", &base, &ours, &theirs];
    let output = run(&files, b"");
    assert_eq!(output.status.code(), Some(1));
    let output = run(&[&files[..], &["--policy", &rows, "--clock", "/at/t"]].concat(), b"");
    assert_eq!((output.status.code(), err(&output).as_str()), (Some(0), ""));
    assert_eq!(
        out(&output),
        "{\"at\":{\"t\":\"2025-01-15T12:00:01Z\"},\"tags\":[\"b\",\"c\"],\"owner\":\"z\"}\n"
    );
    // The built-in rows are a policy file.
    let printed = run(&["state", "policy", "--format", "json"], b"");
    let all = folder.write("all.json", out(&printed));
    let output = run(&[&files[..], &["--policy", &all]].concat(), b"");
    assert_eq!(output.status.code(), Some(1));
    let human = out(&run(&["state", "policy"], b""));
    assert!(human.contains("/agent_states/*/progress"), "{human}");
    assert!(human.contains("highest of current_task"), "{human}");
    assert!(human.contains("remove-wins  join"), "{human}");
    let bad = folder.write("bad.json", r#"[{"pointer":"/a","rule":"best"}]"#);
    let output = run(&[&files[..], &["--policy", &bad]].concat(), b"");
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).ends_with("row 1: `best` is no rule of merging\n"), "{}", err(&output));
}

#[test]
fn differences_are_listed() {
    let folder = Folder::new();
    let one = folder.write("one.json", state(1, 0, ONE));
    let two = folder.write(
        "two.json",
        state(4, 0, r#""agent_states":{"a1":{"progress":1.0,"status":"active"}},"x":[1]"#),
    );
    let output = run(&["state", "diff", &one, &two], b"");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        out(&output),
        "~ /workflow_state/state_version: 1 -> 4
~ /workflow_state/agent_states/a1/status: \"idle\" -> \"active\"
+ /workflow_state/x: [1]
the second state is newer, 2 missing between
"
    );
    let output = run(&["state", "diff", &two, &one, "--format", "json"], b"");
    let row: Value = serde_json::from_str(&out(&output)).unwrap();
    assert_eq!(row["relation"], "older");
    assert_eq!(row["changes"][2]["pointer"], "/workflow_state/x");
    assert!(row["changes"][2].get("after").is_none());
    let output = run(&["state", "diff", &one, "-"], state(1, 0, ONE).as_bytes());
    assert_eq!(
        (output.status.code(), out(&output).as_str()),
        (Some(0), "the second state is a duplicate\n")
    );
    let output =
        run(&["state", "diff", &folder.write("a", "[1]"), &folder.write("b", "[1.0]")], b"");
    assert_eq!((output.status.code(), out(&output).as_str()), (Some(0), ""));
}

#[test]
fn unreadable_documents_end_it() {
    let folder = Folder::new();
    let good = folder.write("good.json", "{}");
    let broken = folder.write("broken.json", "{\"a\":");
    for (args, message) in [
        (
            vec!["state", "merge", &good, &broken, &good],
            "coord: BROKEN: ours is no JSON within the limits: the text ends inside a value at byte 5\n",
        ),
        (
            vec!["state", "diff", &good, &broken],
            "coord: BROKEN: after is no JSON within the limits: the text ends inside a value at byte 5\n",
        ),
        (
            vec!["state", "diff", "-", "-"],
            "coord: only one document can be read from standard input\n",
        ),
        (
            vec!["state", "merge", "-", &good, "-"],
            "coord: only one document can be read from standard input\n",
        ),
        (
            vec!["state", "diff", &good, &good, "--max-bytes", "1"],
            "coord: GOOD: before is no JSON within the limits: longer than the limit at byte 1\n",
        ),
        (
            vec!["state", "merge", &good, &good, &good, "--clock", "at"],
            "coord: `at` is no JSON pointer; write it like `/agent_states/*/progress`\n",
        ),
    ] {
        let output = run(&args, b"");
        let message = message.replace("GOOD", &good).replace("BROKEN", &broken);
        assert_eq!((output.status.code(), err(&output)), (Some(2), message));
    }
    let output = run(&["state", "diff", &good, "/no/such/file"], b"");
    assert_eq!(output.status.code(), Some(4));
    // A state that cannot be read is no plain document.
    let bad =
        folder.write("bad.json", r#"{"workflow_state":{"workflow_id":"wf_1","state_version":-1}}"#);
    let output = run(&["state", "diff", &bad, &bad], b"");
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("out-of-range"), "{}", err(&output));
}
