//! Streams and pipes: each record comes when it is complete, and a closed pipe is no failure.

use crate::coord::{err, run, spawn};
use crate::support::Folder;
use std::io::{BufRead, BufReader, Read, Write};

const EVENT: &str = "TASK_FAILED:wf_1:build:{\"task_id\":\"t1\",\"agent_id\":\"a1\",\"failure_reason\":\"x\",\"retry_count\":3}\n";
const MESSAGE: &str = "{\"source\":\"hub\",\"heartbeat\":{\"component_id\":\"hub\",\"sequence\":1,\"timestamp\":\"2025-01-15T12:00:00Z\"}}\n";

#[test]
fn a_record_is_printed_before_the_next_one_is_read() {
    let folder = Folder::new();
    let seed = folder.path("seed");
    assert_eq!(
        run(&["keygen", "--id", "k", "--owner", "hub", "--seed", &seed], b"").status.code(),
        Some(0)
    );
    for (args, record) in [
        (&["check", "--format", "json"][..], EVENT),
        (&["check", "--verbose"], EVENT),
        (&["convert", "--to", "json"], EVENT),
        (&["convert", "--to", "line"], EVENT),
        (&["filter", "test", "workflow = wf_1"], EVENT),
        (&["filter", "test", "workflow = wf_1", "--format", "json"], EVENT),
        (&["filter", "test", "workflow = wf_1", "--format", "records"], EVENT),
        (&["route", "match", "*.failed"], EVENT),
        (&["route", "match", "*.failed", "--format", "json"], EVENT),
        (&["migrate", "--from", "1.0.0", "--to", "1.1.0"], EVENT),
        (&["sign", "--id", "k", "--seed", &seed], MESSAGE),
    ] {
        let mut child = spawn(args);
        let mut stdin = child.stdin.take().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        // Two records in front: a reader may look ahead to the second one.
        stdin.write_all(record.as_bytes()).unwrap();
        stdin.write_all(record.as_bytes()).unwrap();
        let (sender, receiver) = std::sync::mpsc::channel();
        let reader = std::thread::spawn(move || {
            let mut line = String::new();
            stdout.read_line(&mut line).unwrap();
            sender.send(line).unwrap();
            let mut rest = String::new();
            stdout.read_to_string(&mut rest).unwrap();
        });
        // Standard input stays open meanwhile.
        let first = receiver.recv_timeout(std::time::Duration::from_secs(30));
        assert!(first.is_ok_and(|line| !line.is_empty()), "{args:?} prints nothing");
        drop(stdin);
        reader.join().unwrap();
        assert!(child.wait().unwrap().code().is_some(), "{args:?}");
    }
}

#[test]
fn a_closed_output_ends_every_verb_quietly() {
    let folder = Folder::new();
    let root = &folder.path("data");
    let state = r#"{"workflow_state":{"workflow_id":"wf_1","state_version":1,"timestamp":"2025-01-15T12:00:00Z"}}"#;
    let put = run(&["state", "put", "--root", root], state.as_bytes());
    assert_eq!(put.status.code(), Some(0), "{}", err(&put));
    let made =
        run(&["checkpoint", "create", "--workflow", "wf_1", "--id", "c1", "--root", root], b"");
    assert_eq!(made.status.code(), Some(0), "{}", err(&made));
    let (one, log) = (&folder.write("one.json", state), &folder.write("events.log", EVENT));
    let pages = &folder.path("pages");
    for (at, args) in [
        &["check", "--verbose", log][..],
        &["check", "--format", "json", log],
        &["check", "--format", "sarif", log],
        &["convert", "--to", "json", log],
        &["registry"],
        &["explain"],
        &["explain", "TASK_FAILED"],
        &["schema", "envelope"],
        &["schema"],
        &["route", "match", "*.failed", log],
        &["route", "explain", "*.failed"],
        &["filter", "test", "workflow = wf_1", log],
        &["negotiate", "current", "current"],
        &["compat"],
        &["deprecations"],
        &["migrate", "--from", "1.0.0", "--to", "1.1.0", "--dry-run", log],
        &["state", "show", "--root", root],
        &["state", "diff", one, one],
        &["state", "merge", one, one, one],
        &["state", "policy"],
        &["checkpoint", "list", "--root", root],
        &["checkpoint", "verify", "--root", root],
        &["checkpoint", "prune", "--root", root],
        &["store", "check", "--root", root],
        &["store", "export", "--root", root],
        &["completions", "bash"],
        &["man"],
        &["man", "--out", pages],
        &["help"],
        &["--help"],
        &["--version"],
    ]
    .into_iter()
    .enumerate()
    {
        let mut child = spawn(args);
        // Closed before the first byte is read.
        drop(child.stdout.take());
        drop(child.stdin.take());
        let status = child.wait().unwrap();
        let mut errors = String::new();
        child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
        assert_eq!((status.code(), errors.as_str()), (Some(0), ""), "{at}: {args:?}");

        // Closed standard error changes no exit status.
        let mut child = spawn(args);
        drop(child.stderr.take());
        drop(child.stdin.take());
        let mut text = Vec::new();
        child.stdout.take().unwrap().read_to_end(&mut text).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0), "{args:?}");
    }
    let mut child = spawn(&["check", "no/such/file"]);
    drop((child.stderr.take(), child.stdin.take()));
    assert_eq!(
        child.wait().unwrap().code(),
        Some(4),
        "what went wrong is still told by the status"
    );
}
