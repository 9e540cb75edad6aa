//! `coord request`, `coord respond`, `coord components`: two shells that ask and answer.

use crate::coord_bus::{Place, told};
use serde_json::Value;
use std::process::Child;
use std::time::Duration;

pub(crate) const ASK: &str = r#"{"conflict_check":{"request_id":"req_1"}}"#;

/// Waits until a component is there.
pub(crate) fn present(place: &Place, name: &str) -> Value {
    for _ in 0..300 {
        let (_, text, _) = place.all(&["components", "--format", "json"]);
        let mut rows = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let found = rows.find(|row| row["component"] == name && row["present"] == true);
        if let Some(row) = found.filter(|row| !row["health"].is_null()) {
            return row;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("{name} is not there");
}

fn respond(place: &Place, args: &[&str], script: &str) -> Child {
    let head = ["respond", "conflict_check", "--as", "checker"];
    let child = place.spawn(&[&head[..], args, &["--", "sh", "-c", script]].concat());
    present(place, "checker");
    child
}

pub(crate) fn end(child: &Child) {
    let ended = std::process::Command::new("kill").arg(child.id().to_string()).status().unwrap();
    assert!(ended.success());
}

#[test]
fn two_shells_ask_and_answer() {
    let place = Place::new();
    let script = r#"read -r line; echo "$line" >> seen
        echo '{"recommended_action": "it'\''s \"fine\"", "conflicts": []}'"#;
    let child = respond(&place, &[], script);
    let row = present(&place, "checker");
    assert_eq!(
        (&row["type"], &row["lag"], &row["health"]),
        (&"utility".into(), &0.into(), &"healthy".into())
    );
    for number in 1..=3 {
        let ask = ASK.replace("req_1", &format!("req_{number}"));
        let (code, text, errors) = place.all(&["request", "checker", &ask, "--as", "deploy"]);
        assert_eq!((code, errors.as_str()), (0, ""), "{text}");
        let answer: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (&answer["source"], &answer["correlation_id"].is_null()),
            (&"checker".into(), &answer["correlation_id"].is_null())
        );
        assert_eq!(answer["conflict_check"]["request_id"], format!("req_{number}"));
        assert_eq!(answer["conflict_check"]["conflicts"], serde_json::json!([]));
        assert_eq!(text.lines().count(), 1);
    }
    let seen = std::fs::read_to_string(place.0.path("seen")).unwrap();
    let requests: Vec<Value> =
        seen.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(requests.len(), 3);
    assert_eq!(
        (&requests[0]["source"], &requests[0]["conflict_check"]["request_id"]),
        (&"deploy".into(), &"req_1".into())
    );
    // A second process cannot be the same component.
    let (code, _, errors) =
        place.all(&["respond", "conflict_check", "--as", "checker", "--", "true"]);
    assert_eq!((code, errors.as_str()), (5, "coord: `checker` has a listener already\n"));
    end(&child);
    use std::os::unix::process::ExitStatusExt as _;
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.signal(), Some(15), "{output:?}");
    let (code, text, _) = place.all(&["components", "--format", "json"]);
    assert!(code == 1 || text.contains(r#""present":false"#), "{code} {text}");
}

#[test]
fn a_command_that_fails_answers_with_an_error_report() {
    let place = Place::new();
    for (script, message) in [
        ("exit 3", "`sh` ended with 3"),
        ("echo oops", "`sh` printed no conflict_check: "),
        ("echo '[]'", "`sh` printed no conflict_check: it is no object"),
    ] {
        let child = respond(&place, &["--once"], script);
        let (code, text, errors) = place.all(&["request", "checker", ASK]);
        assert_eq!(code, 1, "{script}: {errors}");
        assert!(
            errors.contains("the request was refused: ") && errors.contains(message),
            "{errors}"
        );
        let answer: Value = serde_json::from_str(&text).unwrap();
        assert!(
            answer["error_report"]["details"]["error_message"].as_str().unwrap().contains(message),
            "{text}"
        );
        let (code, _, errors) = told(&child.wait_with_output().unwrap());
        assert_eq!((code, errors.as_str()), (0, ""), "--once ends by itself");
        // The next one asks under its own identifier.
        std::fs::remove_file(place.0.path("coord.sqlite")).unwrap();
        for suffix in ["-wal", "-shm"] {
            let _ = std::fs::remove_file(place.0.path(&format!("coord.sqlite{suffix}")));
        }
    }
}

#[test]
fn where_nobody_listens_it_is_told_and_how_it_ends() {
    let place = Place::new();
    let (code, text, errors) = place.all(&["request", "nobody", ASK, "--now"]);
    assert_eq!(
        (code, text.as_str(), errors.as_str()),
        (4, "", "coord: nobody listens at `nobody`\n")
    );
    let (code, text, errors) = place.all(&["request", "nobody", ASK, "--timeout", "300ms"]);
    assert_eq!(
        (code, text.as_str(), errors.as_str()),
        (3, "", "coord: `nobody` did not answer `req_1`; nobody listens there\n")
    );
    let cases: [(&[&str], i32, &str); 10] = [
        (
            &["respond", "release", "--as", "x", "--jobs", "0", "--", "true"],
            2,
            "no number from 1 on",
        ),
        (&["wait", "--workflow", "wf_1", "--state", ""], 2, "--state <WORD>"),
        (&["report-error", ""], 2, "<MESSAGE>"),
        (&["dead-letters", "show", "state/wf_1"], 2, "it is no letter such as `coord dead-letters"),
        (&["request", "nobody"], 2, "<BODY|-|@FILE>"),
        (&["request", "nobody", "@"], 2, "coord: `@` names no file\n"),
        (&["request", "nobody", "@nowhere"], 4, "coord: cannot read nowhere"),
        (&["request", "nobody", "{"], 1, "error[broken-json]"),
        (
            &[
                "request",
                "nobody",
                r#"{"heartbeat":{"component_id":"hub","sequence":1,"timestamp":"2025-01-15T12:00:00Z"}}"#,
            ],
            2,
            "a message of kind `heartbeat` asks for no answer; these do: allocation_request",
        ),
        (&["respond", "hello", "--as", "x", "--", "true"], 2, "coord: no command answers a hello"),
    ];
    for (args, status, message) in cases {
        let (code, printed, errors) = place.all(args);
        assert_eq!((code, printed.as_str()), (status, ""), "{args:?}: {errors}");
        assert!(errors.contains(message), "{args:?}: {errors}");
    }
    assert_eq!(
        place.all(&["components"]),
        (1, String::new(), "coord: no component is registered on this bus\n".to_owned())
    );
}

#[test]
fn a_request_that_waits_is_answered_by_whoever_comes() {
    let place = Place::new();
    let asking = place.spawn(&["request", "checker", ASK, "--timeout", "60s"]);
    let mut child = None;
    for _ in 0..300 {
        if std::path::Path::new(&place.0.path("coord.sqlite")).is_file()
            && place.info()["records"] != 0
        {
            let args =
                ["respond", "conflict_check", "--as", "checker", "--once", "--", "echo", "{}"];
            child = Some(place.spawn(&args));
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let (code, text, errors) = told(&asking.wait_with_output().unwrap());
    assert_eq!((code, errors.as_str()), (0, ""));
    assert!(text.contains(r#""conflict_check":{"request_id":"req_1""#), "{text}");
    assert_eq!(child.unwrap().wait_with_output().unwrap().status.code(), Some(0));
}

/// The command kills the program that runs it: the third time was the last, and the next program says so.
#[test]
fn a_request_that_kills_whoever_handles_it_is_answered_by_the_next_process() {
    let place = Place::new();
    let asking = place.spawn(&["request", "checker", ASK, "--timeout", "120s"]);
    let kill = ["respond", "conflict_check", "--as", "checker", "--", "sh", "-c"];
    for _ in 0..3 {
        use std::os::unix::process::ExitStatusExt as _;
        let killed = place.spawn(&[&kill[..], &["echo >> ran; kill -9 $PPID"]].concat());
        assert_eq!(killed.wait_with_output().unwrap().status.signal(), Some(9));
    }
    let args = ["respond", "conflict_check", "--as", "checker", "--", "sh", "-c", "echo >> ran"];
    let next = place.spawn(&args);
    let (code, text, errors) = told(&asking.wait_with_output().unwrap());
    let reason = "the component ended while it handled the message, 3 times";
    assert_eq!((code, errors), (1, format!("coord: the request was refused: {reason}\n")));
    let answer: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(answer["error_report"]["details"]["error_message"], reason);
    assert_eq!(std::fs::read_to_string(place.0.path("ran")).unwrap().len(), 3);
    let (code, letters, _) = place.all(&["dead-letters", "list", "--format", "json"]);
    assert_eq!((code, letters.lines().count()), (0, 1), "{letters}");
    let letter: Value = serde_json::from_str(&letters).unwrap();
    assert_eq!((&letter["reason"], &letter["attempts"]), (&reason.into(), &3.into()), "{letter}");
    end(&next);
    next.wait_with_output().unwrap();
}

/// Whoever has the file open learns that it is gone, also if there is another one under its name.
#[test]
fn a_file_that_is_removed_or_replaced_ends_those_who_have_it_open() {
    for replaced in [false, true] {
        let place = Place::new();
        let child = respond(&place, &[], "echo '{}'");
        let reader = place.spawn(&["subscribe", "--follow", ">", "--since", "0:1"]);
        std::thread::sleep(Duration::from_millis(300));
        for suffix in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(place.0.path(&format!("coord.sqlite{suffix}")));
        }
        if replaced {
            place.publish("wf_1", "one");
        }
        let what = if replaced { "replaced" } else { "removed" };
        for (child, start) in [(child, "coord: "), (reader, "coord: the stream is cut: ")] {
            let (code, _, errors) = told(&child.wait_with_output().unwrap());
            assert_eq!(code, 4, "{errors}");
            assert!(errors.starts_with(start), "{errors}");
            assert!(
                errors.contains(&format!("coord.sqlite was {what} while it was open")),
                "{errors}"
            );
        }
    }
}
