//! `coord check` with a policy: who may send which kind of message, by file, option and `coord.toml`.

use crate::coord::{err, out, run};
use crate::support::Folder;
use serde_json::Value;

const WORKER: &str = r#"{"component_registration":{"component_id":"worker","component_type":"x","version":"1.0.0","capabilities":["compiling"]}}
{"component_registration":{"component_id":"hub","component_type":"x","version":"1.0.0","capabilities":["coordination"]}}"#;

const DECISION: &str = r#"{"source":"worker","decision":{"proposal_id":"p","outcome":"rejected"}}"#;

fn codes(args: &[&str], input: &str) -> Vec<String> {
    let output = run(&[&["check", "--format", "json"], args].concat(), input.as_bytes());
    let text = out(&output);
    assert!(!text.is_empty(), "{}", err(&output));
    let rows = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let found = rows.flat_map(|row| row["findings"].as_array().unwrap().clone());
    found.map(|finding| finding["code"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn rows_come_from_registrations_a_file_options_and_settings() {
    let folder = Folder::new();
    let registrations = folder.write("who.jsonl", WORKER.as_bytes());
    let listed = ["--permissions", registrations.as_str()];
    let judge = |more: &[&str], input: &str| codes(&[&listed, more].concat(), input);
    assert_eq!(judge(&[], DECISION), ["sender-denied"]);
    // What a registration in the file claims is what the host lists.
    assert_eq!(judge(&[], &DECISION.replace("worker", "hub")), [""; 0]);
    assert_eq!(judge(&["--senders", "decision=component:worker"], DECISION), [""; 0]);
    let policy =
        folder.write("policy.json", br#"{"senders":{"decision":["registered"]},"open":true}"#);
    assert_eq!(judge(&["--policy", &policy], DECISION), [""; 0]);
    // An option is stronger than the file.
    let both = ["--policy", policy.as_str(), "--senders", "decision="];
    assert_eq!(judge(&both, DECISION), ["sender-denied"]);
    // An open policy takes the registration of a newcomer, and its events from then on.
    let newcomer = r#"{"source":"new","component_registration":{"component_id":"new","component_type":"x","version":"1.0.0","event_publications":["system.>"]}}
{"source":"new","event":{"event_type":"SYSTEM_SHUTDOWN","workflow_id":"global","phase":"global","data":{"component_name":"new","shutdown_reason":"x"}}}"#;
    assert_eq!(judge(&["--policy", &policy], newcomer), [""; 0]);
    assert_eq!(judge(&[], newcomer), ["registration-denied", "unknown-source"]);

    let settings = folder.write("coord.toml", b"[senders]\ndecision = [\"registered\"]\n");
    assert_eq!(judge(&["--config", &settings], DECISION), [""; 0]);
    let shown = out(&run(&["config", "--config", &settings], b""));
    assert!(shown.contains("senders.decision"), "{shown}");
    for (text, problem) in [
        ("[senders]\ndecison = []\n", "`decison` is no kind of message"),
        ("[senders]\ndecision = [\"hub\"]\n", "`hub` is none of anyone"),
    ] {
        let wrong = folder.write("wrong.toml", text.as_bytes());
        let output = run(&["check", "--config", &wrong], b"");
        assert_eq!(output.status.code(), Some(2));
        assert!(err(&output).contains(problem), "{}", err(&output));
    }
    for (args, problem) in [
        (["--senders", "decision"], "write KIND=SENDER"),
        (["--senders", "decison=hub"], "`decison` is no kind of message"),
        (["--policy", &folder.write("p.json", b"{\"voter\":[]}")], "unknown field `voter`"),
    ] {
        let output = run(&[&["check"], &args[..]].concat(), b"");
        assert_eq!(output.status.code(), Some(2));
        assert!(err(&output).contains(problem), "{}", err(&output));
    }
}

/// A source that `--source` assumes contradicts no record that names its own.
#[test]
fn an_assumed_source_contradicts_none() {
    let beat = r#"{"source":"rm","heartbeat":{"component_id":"rm","sequence":1,"timestamp":"2025-01-15T12:00:00Z"}}"#;
    assert_eq!(codes(&["--source", "hub"], beat), [""; 0]);
}

/// The findings over what came before come out of a check of a log.
#[test]
fn a_log_is_judged_by_what_came_before() {
    let log = r#"{"allocation_response":{"response_id":"a","request_id":"r","status":"approved","timestamp":"2025-01-15T12:00:00Z","allocated_resources":{"allocation_id":"x","agents":1}}}
{"allocation_response":{"response_id":"b","request_id":"r","status":"denied","timestamp":"2025-01-15T12:00:01Z"}}
TASK_REASSIGNED:wf:build:{"task_id":"t","old_agent":"a","new_agent":"a","reason":"x"}
RESOURCE_THRESHOLD:global:global:{"resource_type":"memory","current_usage":1,"threshold":2}"#;
    let found = codes(&["--mode", "strict"], log);
    assert_eq!(
        found,
        [
            "answer-without-request",
            "answer-without-request",
            "contradicting-answer",
            "same-agent",
            "threshold-not-reached"
        ]
    );
}
