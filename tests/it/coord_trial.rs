//! Verbs that try something on records: what is broken is told and never passed.

use crate::coord::{err, out, run};
use crate::support::Folder;
use serde_json::{Value, json};

const FAILED: &str = r#"TASK_FAILED:wf_1:build:{"task_id":"t1","agent_id":"a1","failure_reason":"x","retry_count":3}"#;
const STARTED: &str = r#"TASK_STARTED:wf_1:build:{"task_id":"t1","agent_id":"a1","start_time":"2025-01-15T12:00:00Z"}"#;
const ENVELOPE: &str = r#"{"event":{"event_type":"TASK_FAILED","workflow_id":"wf_2","phase":"build","data":{"task_id":"t2","agent_id":"a1","failure_reason":"x","retry_count":0}}}"#;
const REQUEST: &str = r#"{"allocation_request":{"request_id":"r1","workflow_id":"wf_1","requester_id":"c","resource_requirements":{}}}"#;

#[test]
fn migrate_passes_nothing_that_is_broken() {
    let broken = [
        "TASK_FAILED:wf:b:{,}",
        "TASK_FAILED:wf:b:{\"a\":1",
        "TASK_FAILED:wf:b:",
        "TASK_FAILED:wf:b:[1]",
        "TASK_FAILED:wf:b:{\"a\":1} and more",
        "TASK_FAILED:wf:b:{\"a\":1,\"a\":2}",
        "12:30:00 ERROR: out of memory: {not json}",
        "{\"heartbeat\":{,}}",
        "{\"heartbeat\":",
        "just a line",
    ];
    let folder = Folder::new();
    for (from, to) in [("1.0.0", "1.1.0"), ("1.1.0", "1.0.0"), ("1.1.0", "1.1.0")] {
        for bad in broken {
            let input = format!("{FAILED}\n{bad}\n");
            for more in [&[][..], &["--adapter", "event-names"], &["--allow-loss"], &["--dry-run"]]
            {
                let args = [&["migrate", "--from", from, "--to", to][..], more].concat();
                let piped = run(&args, input.as_bytes());
                assert_eq!(piped.status.code(), Some(1), "{args:?} {bad}: {}", err(&piped));
                assert!(err(&piped).starts_with("coord: <stdin>:2: "), "{bad}: {}", err(&piped));
                let written = if more == ["--dry-run"] { "" } else { FAILED };
                assert_eq!(
                    out(&piped).lines().find(|line| !line.contains("record")).unwrap_or(""),
                    written
                );
                let file = folder.write("records.log", &input);
                let replaced = run(&[&args[..], &[&file]].concat(), b"");
                assert_eq!(replaced.status.code(), Some(1), "{args:?} {bad}");
                assert_eq!(std::fs::read_to_string(&file).unwrap(), input);
            }
        }
    }
    // What readers accept is moved as it stands.
    for sound in [
        FAILED,
        "TASK_FAILED:wf:b:{'task_id':'t'}",
        "'TASK_FAILED:wf:b:{\"task_id\":\"t\"}'",
        "TASK_FAILED:wf:b: {}",
        "custom.type:wf:b:{}",
    ] {
        let moved = run(&["migrate", "--from", "1.0.0", "--to", "1.1.0"], sound.as_bytes());
        assert_eq!(
            (moved.status.code(), out(&moved)),
            (Some(0), format!("{sound}\n")),
            "{}",
            err(&moved)
        );
    }
}

#[test]
fn route_match_tries_records_and_passes_over_what_is_none() {
    let folder = Folder::new();
    let broken = FAILED.replace("\"retry_count\":3", "\"retry_count\":-1");
    let text = format!(
        "{STARTED}\n2025-01-15 a foreign line\n{broken}\n{FAILED}\n{ENVELOPE}\n{REQUEST}\n"
    );
    let log = folder.write("events.log", &text);
    let matched =
        |args: &[&str], input: &str| run(&[&["route", "match"], args].concat(), input.as_bytes());

    let output = matched(&["*.failed", "--format", "records", "--as", "messages", &log], "");
    assert_eq!(out(&output), format!("{FAILED}\n{ENVELOPE}\n"));
    assert!(err(&output).contains("retry_count"), "{}", err(&output));
    assert_eq!(output.status.code(), Some(2), "a record is broken");
    // The same from standard input.
    let piped = matched(&["*.failed", "--format", "records", "--as", "messages", "-"], &text);
    assert_eq!(out(&piped), out(&output));

    let sound = format!("{STARTED}\n{FAILED}\n{REQUEST}\n");
    let people = matched(&["task.*.failed"], &sound);
    assert_eq!(
        out(&people),
        format!("no match {STARTED}\nmatch    {FAILED}\nno match {REQUEST}\n")
    );
    assert_eq!((people.status.code(), err(&people).as_str()), (Some(0), ""));
    assert_eq!(matched(&["agent.*.failed"], &sound).status.code(), Some(1));
    let rows: Vec<Value> = out(&matched(&["*.resource_request", "--format", "json"], &sound))
        .lines()
        .map(|row| serde_json::from_str(row).unwrap())
        .collect();
    assert_eq!(
        rows[2],
        json!({"source": "<stdin>", "line": 3, "key": "resource.wf_1.request", "matches": true})
    );

    // Keys are tried as they are; what is neither is told.
    let keys = matched(&["task.*.failed", "task.wf_1.failed", "TASK_FAILED:w:p:{}"], "");
    assert_eq!(out(&keys), "match    task.wf_1.failed\nmatch    TASK_FAILED:w:p:{}\n");
    let neither = matched(&["task.*.failed", "no/such.log"], "");
    assert_eq!(neither.status.code(), Some(2));
    assert!(err(&neither).starts_with("coord: `no/such.log` is neither a file nor a key: "));
}

#[test]
fn filter_test_says_what_is_wrong_with_a_record() {
    let broken = r#"PHASE_PROGRESS:wf_1:build:{"phase_id":1,"progress_percentage":140}"#;
    let output =
        run(&["filter", "test", "workflow = wf_1"], format!("{broken}\n{FAILED}\n").as_bytes());
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(out(&output), format!("match    {FAILED}\n"), "the broken one is not tried");
    assert!(err(&output).contains("140 is not a percentage from 0 to 100"), "{}", err(&output));
    assert!(!err(&output).contains("neither"), "{}", err(&output));
    // A message over several lines is one record, on one line for people.
    let spread = "{\n  \"source\": \"hub\",\n  \"release\": {\"allocation_id\": \"a\"}\n}\n";
    let shown = run(&["filter", "test", "kind = release"], spread.as_bytes());
    assert_eq!(
        out(&shown),
        "match    { \"source\": \"hub\", \"release\": {\"allocation_id\": \"a\"} }\n"
    );
}
