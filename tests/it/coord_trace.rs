//! `coord trace`: a log, the bus, the views.

use crate::coord_bus::Place;
use serde_json::Value;

const LOG: &str = r#"# a build
{"timestamp":"2025-01-15T12:00:00Z","source":"hub","event":{"event_type":"WORKFLOW_STARTED","workflow_id":"wf_1","phase":"global","data":{"start_time":"2025-01-15T12:00:00Z","resource_allocation":{}}}}
{"timestamp":"2025-01-15T12:00:01Z","source":"hub","event":{"event_type":"TASK_ASSIGNED","workflow_id":"wf_1","phase":"build","data":{"task_id":"t1","agent_id":"a1","estimated_duration":"5m"}}}
{"timestamp":"2025-01-15T12:00:03Z","source":"a1","event":{"event_type":"TASK_STARTED","workflow_id":"wf_1","phase":"build","data":{"task_id":"t1","agent_id":"a1","start_time":"2025-01-15T12:00:03Z"}}}
{"timestamp":"2025-01-15T12:00:04Z","source":"a2","event":{"event_type":"TASK_COMPLETED","workflow_id":"wf_1","phase":"build","data":{"task_id":"t1","agent_id":"a2","duration":"1s","results":{}}}}
not a message
{"timestamp":"2025-01-15T12:00:10Z","source":"a1","event":{"event_type":"TASK_COMPLETED","workflow_id":"wf_1","phase":"build","data":{"task_id":"t1","agent_id":"a1","duration":"7s","results":{}}}}
"#;

#[test]
fn a_log_is_judged_and_drawn() {
    let place = Place::new();
    std::fs::write(place.0.path("log"), LOG).unwrap();
    let (code, text, errors) = place.all(&["trace", "log"]);
    assert_eq!((code, errors.as_str()), (1, ""));
    assert_eq!(
        text,
        "5: error[other-agent]: TASK_COMPLETED of task t1 comes from a2, and a1 has it (see 3)\n\
         workflow wf_1\n\
         -            workflow   wf_1             |----------------------------------------| open\n\
         a1           waiting    t1               |    ........                            | running\n\
         a1           task       t1               |            ############################| completed\n\
         6 records, 1 that are no messages: 1 violations\n"
    );
    let (code, text, _) = place.all(&["trace", "log", "--format", "json", "--workflow", "wf_1"]);
    let rows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((code, rows.len()), (1, 5));
    assert_eq!(rows[0]["span"]["agent"], "a1");
    assert_eq!(rows[1]["violation"]["rule"], "other-agent");
    assert_eq!(rows[4]["summary"]["records"], 6);
    let (code, text, errors) = place.all(&["trace", "log", "--format", "perfetto"]);
    assert_eq!(code, 1);
    assert!(errors.starts_with("coord: other-agent: "), "{errors}");
    let trace: Value = serde_json::from_str(&text).unwrap();
    assert!(trace["traceEvents"].as_array().unwrap().len() > 5);
    let (_, text, _) = place.all(&["trace", "log", "--format", "mermaid"]);
    assert!(text.starts_with("gantt\n") && text.contains("section a1"), "{text}");
    let output = place.run(&["trace", "-", "--workflow", "other"], LOG.as_bytes());
    assert_eq!(output.status.code(), Some(0), "nothing of another workflow is wrong");
    let (code, text, _) = place.all(&["trace", "--lifecycle", "task"]);
    assert!(code == 0 && text.contains("assigned --> running: TASK_STARTED"), "{text}");
    let (code, _, errors) = place.all(&["trace", "--lifecycle", "thing"]);
    assert!(code == 2 && errors.contains("it is none of workflow, phase, task,"), "{errors}");
    let (code, _, errors) = place.all(&["trace", "nowhere"]);
    assert!(code != 0 && errors.contains("nowhere"), "{code} {errors}");
}

#[test]
fn what_the_resource_manager_does_fits_together() {
    let place = Place::new();
    for args in [
        &["inventory", "set", "agents=2"][..],
        &["allocate", "--need", "agents=1", "--file", "src", "--workflow", "wf_1"],
        &["allocate", "--need", "agents=1", "--workflow", "wf_2"],
        &["release", "alloc_1-1"],
        &["allocate", "--file", "src/a", "--workflow", "wf_1"],
        &["release", "alloc_1-3"],
    ] {
        let (code, _, errors) = place.all(args);
        assert_eq!((code, errors.as_str()), (0, ""), "{args:?}");
    }
    let (code, text, errors) = place.all(&["trace"]);
    assert_eq!((code, errors.as_str()), (0, ""), "{text}");
    assert!(text.contains("allocation alloc_1-2"), "{text}");
    assert!(text.ends_with(": 0 violations\n"), "{text}");
    // A publisher that forges a grant is seen.
    let details = r#"resource_details:={"exclusive_files":["src"]}"#;
    for id in ["x1", "x2"] {
        let id = format!("allocation_id={id}");
        let (code, _, errors) = place.all(&[
            "publish",
            "RESOURCE_ALLOCATED",
            "wf_9",
            "global",
            &id,
            details,
            "requester=me",
        ]);
        assert_eq!((code, errors.as_str()), (0, ""));
    }
    let (code, text, _) = place.all(&["trace"]);
    assert!(
        code == 1 && text.contains("error[overlap]: x2 holds src, and x1 holds what it overlaps"),
        "{text}"
    );
}
