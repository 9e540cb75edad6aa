//! `coord wait`, `coord report-error`, `coord dead-letters`.

use crate::coord_bus::{Place, told};
use serde_json::Value;
use std::time::{Duration, Instant};

fn event(place: &Place, word: &str, data: &[&str]) {
    let head = ["publish", word, "wf_1", "global"];
    let (code, _, errors) = place.all(&[&head[..], data].concat());
    assert_eq!((code, errors.as_str()), (0, ""));
}

#[test]
fn the_present_is_looked_at_first() {
    let place = Place::new();
    let wait = |state: &str| {
        let args = ["wait", "--workflow", "wf_1", "--state", state, "--timeout", "300ms"];
        let (code, text, errors) = place.all(&args);
        (code, text, errors)
    };
    let late = (3, String::new(), "coord: what was waited for did not come in time\n".to_owned());
    assert_eq!(wait("paused"), late);
    event(&place, "WORKFLOW_PAUSED", &["pause_reason=lunch", "current_state={}"]);
    place.publish("wf_1", "a task of it says nothing of the workflow");
    place.publish("wf_2", "nor does another workflow");
    let (code, text, errors) = wait("paused");
    assert_eq!((code, errors.as_str()), (0, ""));
    assert!(text.contains("lunch") && text.lines().count() == 1, "{text}");
    event(&place, "WORKFLOW_RESUMED", &["resume_time=2025-01-15T12:00:00Z", "state_validation={}"]);
    assert_eq!(wait("paused"), late, "it was, and is no more");
    assert_eq!(wait("resumed").0, 0);
    // The state in the store names the phase.
    let state = r#"{"workflow_state":{"workflow_id":"wf_1","state_version":1,"timestamp":"2025-01-15T12:00:00Z","current_phase":{"phase_id":4,"name":"testing"}}}"#;
    let root = place.0.path("data");
    let bus = format!("sqlite:{root}/coord.sqlite");
    assert_eq!(
        place.run(&["state", "put", "--root", &root], state.as_bytes()).status.code(),
        Some(0)
    );
    for word in ["4", "testing"] {
        let output = place.all(&["wait", "--workflow", "wf_1", "--state", word, "--bus", &bus]);
        assert_eq!(output, (0, format!("{state}\n"), String::new()));
    }
}

#[test]
fn what_comes_later_ends_the_wait() {
    let place = Place::new();
    place.publish("wf_1", "before");
    let waits: [&[&str]; 3] = [
        &["wait", "--workflow", "wf_1", "--state", "paused"],
        &["wait", "--event", "workflow.*.paused"],
        &["wait", "--event", ">", "--filter", "/pause_reason = lunch", "--format", "json"],
    ];
    let children: Vec<_> =
        waits.iter().map(|args| place.spawn(&[args, &["--timeout", "60s"][..]].concat())).collect();
    // They need a moment to open the bus; what comes before they look is not waited for.
    std::thread::sleep(Duration::from_secs(1));
    let begun = Instant::now();
    event(&place, "WORKFLOW_PAUSED", &["pause_reason=lunch", "current_state={}"]);
    for (args, child) in waits.iter().zip(children) {
        let (code, text, errors) = told(&child.wait_with_output().unwrap());
        assert_eq!((code, errors.as_str()), (0, ""), "{args:?}");
        assert!(text.contains("lunch") && text.lines().count() == 1, "{args:?}: {text}");
    }
    assert!(begun.elapsed() < Duration::from_secs(30), "they did not wait for the end");
    let since = place.all(&["wait", "--event", "*.failed", "--since", "0:1"]);
    assert!(since.0 == 0 && since.1.contains("before"), "{since:?}");
    for args in [
        &["wait"][..],
        &["wait", "--workflow", "wf_1"],
        &["wait", "--event", "a..b"],
        &["wait", "--event", ">", "--workflow", "wf_1"],
    ] {
        assert_eq!(place.all(args).0, 2, "{args:?}");
    }
}

#[test]
fn an_error_report_is_published_whole() {
    let place = Place::new();
    let args = [
        "report-error",
        "it's \"full\"",
        "--workflow",
        "wf_1",
        "--severity",
        "high",
        "--type",
        "limit_exceeded",
        "--task",
        "t1",
        "--details",
        "disk",
        "--suggest",
        "retry",
        "--recoverable",
        "--as",
        "builder",
    ];
    assert_eq!(place.all(&args), (0, "0:1\n".to_owned(), String::new()));
    let (_, text, _) = place.all(&["subscribe", ">"]);
    let message: Value = serde_json::from_str(&text).unwrap();
    let report = &message["error_report"];
    assert_eq!((&message["source"], &report["workflow_id"]), (&"builder".into(), &"wf_1".into()));
    assert_eq!(
        report["classification"],
        serde_json::json!({"category":"execution","severity":"high","type":"limit_exceeded","scope":"workflow","recoverable":true})
    );
    assert_eq!(report["details"]["error_message"], "it's \"full\"");
    assert_eq!(report["context"], serde_json::json!({"component":"builder","task":"t1"}));
    assert_eq!(report["recovery_suggestions"][0]["strategy"], "retry");
    let checked = place.run(&["check", "--mode", "strict", "-"], text.as_bytes());
    assert_eq!(checked.status.code(), Some(0), "{checked:?}");
    let (code, printed, errors) = place.all(&["report-error", "x", "--severity", "awful"]);
    assert!(code != 0 && printed.is_empty() && errors.contains("awful"), "{code} {errors}");
}

#[test]
fn dead_letters_are_listed_published_again_and_removed() {
    let place = Place::new();
    for reason in ["one", "two", "three"] {
        place.publish(&format!("wf_{reason}"), reason);
    }
    let failing =
        ["subscribe", "*.failed", "--durable", "worker", "--attempts", "1", "--exec", "sh", "-c"];
    let (code, _, errors) = place.all(&[&failing[..], &["exit 3"]].concat());
    assert_eq!(code, 1, "{errors}");
    let list = |args: &[&str]| {
        let (code, text, errors) =
            place.all(&[&["dead-letters", "list", "--format", "json"], args].concat());
        assert_eq!((code, errors.as_str()), (0, ""));
        text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect::<Vec<_>>()
    };
    let letters = list(&[]);
    assert_eq!(letters.len(), 3);
    assert_eq!(
        (&letters[0]["reason"], &letters[0]["attempts"]),
        (&"`sh` ended with 3".into(), &1.into())
    );
    assert_eq!((list(&["--reason", "ended"]).len(), list(&["--reason", "nowhere"]).len()), (3, 0));
    assert_eq!((list(&["--older-than", "1h"]).len(), list(&["--newer-than", "1h"]).len()), (0, 3));
    let key = letters[0]["key"].as_str().unwrap();
    let original = place.all(&["dead-letters", "show", key, "--original"]).1;
    assert!(original.starts_with(r#"{"message_id":"#) && original.contains("one"), "{original}");
    assert!(place.all(&["dead-letters", "show", key]).1.contains("\"dead_letter\""));
    let missing = "dead-letter/000000000000001-0";
    let told = format!("coord: there is no dead letter {missing}\n");
    for verb in ["show", "redrive", "purge"] {
        assert_eq!(
            (
                place.all(&["dead-letters", verb, missing]).0,
                place.all(&["dead-letters", verb, missing]).2
            ),
            (1, told.clone()),
            "{verb}"
        );
    }
    for verb in ["redrive", "purge"] {
        let (code, _, errors) = place.all(&["dead-letters", verb]);
        assert_eq!(
            (code, errors.as_str()),
            (2, "coord: name letters, or a --reason or an age, or say --all\n")
        );
    }
    assert_eq!(
        place.all(&["dead-letters", "redrive", key]),
        (0, format!("{key}: published again at 0:4\n"), String::new())
    );
    assert_eq!(list(&[]).len(), 2);
    let (_, rows, _) =
        place.all(&["subscribe", "*.failed", "--durable", "worker", "--format", "json"]);
    assert!(
        rows.starts_with(r#"{"position":"0:4","attempt":1,"#) && rows.contains("one"),
        "{rows}"
    );
    assert_eq!(place.all(&["dead-letters", "purge", "--all"]).1, "2 dead letters were removed\n");
    assert_eq!(list(&[]), Vec::<Value>::new());
}
