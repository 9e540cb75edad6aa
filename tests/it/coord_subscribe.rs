//! `coord subscribe`: what comes, how often, and how it ends.

use crate::coord_bus::{Place, told};
use coordination_protocol::adapter::sqlite::{Sqlite, SqliteOptions};
use coordination_protocol::storage::{Journal as _, block_on};
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStdout, Command};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// The reasons in what was printed.
fn reasons(text: &str) -> Vec<String> {
    let message = |line: &str| {
        let value: Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        let message = value.get("message").unwrap_or(&value);
        message["event"]["data"]["failure_reason"].as_str().unwrap().to_owned()
    };
    text.lines().map(message).collect()
}

/// The lines of a process, as they come.
struct Lines(Receiver<String>);

impl Lines {
    fn of(stdout: ChildStdout) -> Self {
        let (sender, receiver) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Lines(receiver)
    }

    fn next(&self) -> String {
        self.0.recv_timeout(Duration::from_secs(30)).expect("a line within 30 s")
    }
}

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args([name, &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

/// Waits until a durable name is on the bus.
fn subscribed(place: &Place, name: &str) {
    for _ in 0..300 {
        let known = std::path::Path::new(&place.0.path("coord.sqlite")).is_file()
            && place.info()["subscriptions"]
                .as_array()
                .unwrap()
                .iter()
                .any(|one| one["name"] == name);
        if known {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("{name} does not subscribe");
}

#[test]
fn without_following_it_prints_what_there_is_and_ends() {
    let place = Place::new();
    assert_eq!(place.all(&["subscribe", ">"]), (0, String::new(), String::new()));
    for (workflow, reason) in [("wf_1", "one"), ("wf_2", "two"), ("wf_1", "three")] {
        place.publish(workflow, reason);
    }
    place.all(&[
        "publish",
        "WORKFLOW_PAUSED",
        "wf_1",
        "global",
        "pause_reason=x",
        "current_state={}",
    ]);
    let (code, text, errors) = place.all(&["subscribe", "*.failed"]);
    assert_eq!((code, errors.as_str()), (0, ""));
    assert_eq!(reasons(&text), ["one", "two", "three"]);
    let read = |args: &[&str]| {
        let (code, text, errors) = place.all(&[&["subscribe", "*.failed"], args].concat());
        assert_eq!((code, errors.as_str()), (0, ""), "{args:?}");
        reasons(&text)
    };
    assert_eq!(read(&["--filter", "workflow = wf_1"]), ["one", "three"]);
    assert_eq!(read(&["--since", "0:2"]), ["two", "three"]);
    assert_eq!(read(&["--since", "1h"]), ["one", "two", "three"]);
    assert_eq!(read(&["--since", "2999-01-01T00:00:00Z"]), Vec::<String>::new());
    assert_eq!(read(&["--since", "0:1", "--count", "2"]), ["one", "two"]);
    // A message that is due twice is one too many.
    assert_eq!(read(&["--durable", "alarms", "--count", "1", "--since", "0:1"]), ["one"]);
    assert_eq!(read(&["--durable", "alarms"]), ["two", "three"]);
    assert_eq!(read(&["--durable", "alarms"]), Vec::<String>::new());
    assert_eq!(place.info()["subscriptions"][0]["lag"], 0);
    let (_, rows, _) = place.all(&["subscribe", "*.failed", "--format", "json"]);
    let first: Value = serde_json::from_str(rows.lines().next().unwrap()).unwrap();
    assert_eq!((&first["position"], &first["attempt"]), (&"0:1".into(), &1.into()));
    assert_eq!(reasons(&rows), ["one", "two", "three"]);
}

#[test]
fn what_is_asked_for_wrongly_is_told() {
    let place = Place::new();
    place.publish("wf_1", "one");
    let cases: [(&[&str], &str); 7] = [
        (&["a..b"], "coord: the token at byte 2 is empty\n  a..b\n    ^\n"),
        (&[">", "--filter", "=="], "=="),
        (&[">", "--since", "soon"], "it is no position like 0:17, no time like"),
        (&[">", "--since", "0:99"], "coord: 0:99 is behind the end of the log, 0:2\n"),
        (&[">", "--count", "0"], "invalid value '0'"),
        (&[">", "--exec", "true"], "--durable"),
        (&[">", "--count", "1", "--follow"], "cannot be used with"),
    ];
    for (args, message) in cases {
        let (code, printed, errors) = place.all(&[&["subscribe"], args].concat());
        assert_eq!((code, printed.as_str()), (2, ""), "{args:?}: {errors}");
        assert!(errors.contains(message), "{args:?}: {errors}");
    }
    place.all(&["subscribe", ">", "--durable", "alarms"]);
    let (_, _, errors) = place.all(&["subscribe", ">", "--durable", "alarms", "--since", "0:1"]);
    assert_eq!(errors, "coord: `alarms` goes on where it was; --since is for a new name\n");
}

#[test]
fn a_follower_prints_each_message_when_it_comes_and_a_signal_ends_it_as_a_signal() {
    use std::os::unix::process::ExitStatusExt as _;
    let place = Place::new();
    for (name, number) in [("-INT", 2), ("-TERM", 15)] {
        let mut child = place.spawn(&["subscribe", "--follow", "*.failed", "--durable", "alarms"]);
        let lines = Lines::of(child.stdout.take().unwrap());
        subscribed(&place, "alarms");
        for reason in ["one", "two", "three"] {
            place.publish("wf_1", reason);
            assert_eq!(reasons(&lines.next()), [reason]);
        }
        signal(&child, name);
        let status = child.wait().unwrap();
        assert_eq!(status.signal(), Some(number), "a cut stream does not look like the end");
        let mut errors = String::new();
        child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
        assert_eq!(errors, "");
        // It left in order: nothing is claimed, and nothing comes again.
        let info = place.info();
        assert_eq!(
            (&info["subscriptions"][0]["in_flight"], &info["members"]),
            (&0.into(), &Value::Array(vec![]))
        );
        assert_eq!(place.all(&["subscribe", "*.failed", "--durable", "alarms"]).1, "");
    }
}

#[test]
fn a_reader_that_stops_reading_is_no_failure_and_loses_nothing() {
    let place = Place::new();
    for number in 0..5 {
        place.publish("wf_1", &number.to_string());
    }
    let mut child = place.spawn(&["subscribe", ">", "--durable", "head"]);
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let mut errors = String::new();
    child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
    assert_eq!(errors, "");
    let (_, rows, _) = place.all(&["subscribe", ">", "--durable", "head", "--format", "json"]);
    assert_eq!(reasons(&rows), ["0", "1", "2", "3", "4"]);
    assert!(rows.lines().all(|row| row.contains(r#""attempt":1,"#)), "{rows}");
}

#[test]
fn a_gap_is_told_and_the_rest_comes() {
    let place = Place::new();
    place.publish("wf_1", "one");
    place.all(&["subscribe", ">", "--durable", "slow"]);
    for reason in ["two", "three", "four"] {
        place.publish("wf_1", reason);
    }
    let file = Sqlite::open(place.0.path("coord.sqlite"), &SqliteOptions::new("test")).unwrap();
    block_on(file.trim(4)).unwrap();
    drop(file);
    let (code, rows, errors) =
        place.all(&["subscribe", ">", "--durable", "slow", "--format", "json"]);
    assert_eq!(
        (code, errors.as_str()),
        (0, "coord: the messages from 0:2 to before 0:4 are gone\n")
    );
    let (gap, rest) = rows.split_once('\n').unwrap();
    assert_eq!(gap, r#"{"gap":{"from":"0:2","to":"0:4"}}"#);
    assert_eq!(reasons(rest), ["four"]);
}

#[test]
fn a_command_gets_each_message_until_it_ends_well_or_too_often_badly() {
    let place = Place::new();
    for reason in ["good", "bad", "late"] {
        place.publish("wf_1", reason);
    }
    let script = r#"read -r line; echo "$COORD_POSITION $COORD_ATTEMPT $1" >> seen
        case "$line" in *bad*) exit 7;; *late*) [ "$COORD_ATTEMPT" = 2 ];; esac"#;
    let args = [
        "subscribe",
        "*.failed",
        "--durable",
        "worker",
        "--attempts",
        "2",
        "--pause",
        "10ms",
        "--exec",
        "sh",
        "-c",
        script,
        "sh",
        "--flag 'x'",
    ];
    let (code, printed, errors) = place.all(&args);
    assert_eq!((code, printed.as_str()), (1, ""), "{errors}");
    let seen = std::fs::read_to_string(place.0.path("seen")).unwrap();
    let all = ["0:1 1", "0:2 1", "0:2 2", "0:3 1", "0:3 2"];
    assert_eq!(seen, all.map(|line| format!("{line} --flag 'x'\n")).concat());
    assert!(
        errors.starts_with("coord: 0:2: attempt 1 of 2: `sh` ended with 7; again in "),
        "{errors}"
    );
    assert!(
        errors.contains("coord: 0:2: `sh` ended with 7; it is the dead letter dead-letter/"),
        "{errors}"
    );
    let (code, _, errors) =
        place.all(&["subscribe", ">", "--durable", "other", "--exec", "./nowhere"]);
    assert_eq!(
        (code, errors.as_str()),
        (4, "coord: cannot run ./nowhere: No such file or directory (os error 2)\n")
    );
    // It was not tried, and comes again.
    let (_, rows, _) =
        place.all(&["subscribe", ">", "--durable", "other", "--format", "json", "--count", "1"]);
    assert!(rows.contains(r#""attempt":1,"#), "{rows}");
}

#[test]
fn what_a_killed_reader_claimed_comes_to_another() {
    let place = Place::new();
    place.publish("wf_1", "one");
    let mut child =
        place.spawn(&["subscribe", ">", "--durable", "worker", "--exec", "sleep", "20"]);
    for _ in 0..300 {
        if place.info()["subscriptions"][0]["in_flight"] == 1 {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let output = place
        .run(&["subscribe", ">", "--durable", "worker", "--format", "json", "--count", "1"], b"");
    let (code, rows, errors) = told(&output);
    assert_eq!((code, errors.as_str()), (0, ""));
    assert_eq!(reasons(&rows), ["one"]);
    assert!(rows.contains(r#""attempt":2,"#), "{rows}");
}
