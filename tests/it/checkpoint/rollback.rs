//! Rollbacks: full, partial, selective.

use super::*;
use coordination_protocol::checkpoint::{CheckpointError, PartName, StateTarget};
use coordination_protocol::error::IntoReport;
use coordination_protocol::message::Rollback;
use coordination_protocol::scalar::RollbackMode;

const THEN: &str = r#"{"workflow_id":"wf_001","state_version":10,"timestamp":"2025-01-15T12:00:00Z","current_phase":{"phase_id":1},"agent_states":{"a1":{"status":"active","current_task":"t1","progress":10.0},"a2":{"status":"idle"},"a3":{"status":"active","current_task":"t3"}},"resource_usage":{"memory_current":1.50},"x":18446744073709552000}"#;
const NOW: &str = r#"{"workflow_id":"wf_001","state_version":20,"timestamp":"2025-01-15T13:00:00Z","current_phase":{"phase_id":2},"agent_states":{"a1":{"status":"failed","progress":20},"a2":{"status":"active","current_task":"t2"},"a4":{"status":"idle"}},"resource_usage":{"memory_current":9},"y":[1.0]}"#;

fn request(mode: &str) -> Rollback {
    Rollback::new(workflow(), id("ckpt_1"), RollbackMode::from_lenient(mode))
}

fn some(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// What a rollback makes of `NOW`.
fn rolled(
    request: &Rollback,
    now: Option<&str>,
    then: &str,
) -> Result<(MemoryStore, String), CheckpointError> {
    let store = MemoryStore::new();
    let checkpoints = Checkpoints::new(store.clone());
    create(&checkpoints, then, &new(1));
    let key = key(&["current", "wf_001"]);
    if let Some(now) = now {
        put(&store, &key, now);
    }
    let before = all(&store, "");
    let mut target = StateTarget::new(store.clone(), key.clone());
    let result = block_on(checkpoints.rollback(request, &mut target, &new(9)));
    if result.is_err() {
        assert_eq!(all(&store, ""), before, "nothing was touched");
    }
    let done = result?;
    let text = String::from_utf8(get(&store, &key).unwrap()).unwrap();
    assert_eq!(parts(&text).state().state_version.get(), done.state_version);
    Ok((store, text))
}

/// `NOW` or `THEN` with the marks of a rollback and some changes.
fn marked(text: &str, version: u64, changes: &[(&str, &str)]) -> String {
    let own = parts(text).state().state_version.as_str().to_owned();
    let mut text = text
        .replace(&format!("\"state_version\":{own}"), &format!("\"state_version\":{version}"))
        .replace("2025-01-15T12:00:00Z", "2025-01-15T12:00:09Z")
        .replace("2025-01-15T13:00:00Z", "2025-01-15T12:00:09Z");
    for (from, to) in changes {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    let back = if changes.is_empty() { own } else { (version - 1).to_string() };
    format!(
        r#"{},"epoch":1,"restored_version":{back},"checkpoint_id":"ckpt_1"}}"#,
        text.strip_suffix('}').unwrap()
    )
}

const A1: (&str, &str) = (
    r#""a1":{"status":"failed","progress":20}"#,
    r#""a1":{"status":"active","current_task":"t1","progress":10.0}"#,
);
const A2: (&str, &str) =
    (r#""a2":{"status":"active","current_task":"t2"}"#, r#""a2":{"status":"idle"}"#);
const WITHOUT_A4: (&str, &str) = (r#","a4":{"status":"idle"}"#, "");
const WITH_A3: (&str, &str) = (
    r#""a4":{"status":"idle"}"#,
    r#""a4":{"status":"idle"},"a3":{"status":"active","current_task":"t3"}"#,
);

/// Whether the request is to blame.
fn is_rollback(error: &CheckpointError) -> bool {
    matches!(
        error,
        CheckpointError::RollbackMode(_)
            | CheckpointError::RollbackOfNothing { .. }
            | CheckpointError::UnknownPart(_)
            | CheckpointError::FixedPart(_)
            | CheckpointError::UnknownAgent(_)
            | CheckpointError::UnknownTask(_)
            | CheckpointError::NoState
    )
}

#[test]
fn full_takes_all_and_counts_on() {
    let (store, text) = rolled(&request("full"), Some(NOW), THEN).unwrap();
    assert_eq!(text, marked(THEN, 21, &[]));
    let backup = loaded(&Checkpoints::new(store), "ckpt_9");
    assert_eq!(backup.state_text().as_str(), NOW);
    // The version never goes back, whichever is higher.
    let (_, text) = rolled(&request("full"), Some(THEN), NOW).unwrap();
    assert_eq!(text, marked(NOW, 21, &[]));
    let (_, text) = rolled(&request("full"), None, THEN).unwrap();
    assert_eq!(text, marked(THEN, 11, &[]));
}

#[test]
fn partial_takes_what_is_named() {
    let phase = (r#"{"phase_id":2}"#, r#"{"phase_id":1}"#);
    let usage = (r#"{"memory_current":9}"#, r#"{"memory_current":1.50}"#);
    for (names, expected) in [
        (&["current_phase"][..], marked(NOW, 21, &[phase])),
        (&["resource_usage"], marked(NOW, 21, &[usage])),
        (&["resource_state", "current_phase"], marked(NOW, 21, &[usage, phase])),
        (
            &["agent_states"],
            marked(
                NOW,
                21,
                &[
                    A1,
                    A2,
                    (
                        r#","a4":{"status":"idle"}"#,
                        r#","a3":{"status":"active","current_task":"t3"}"#,
                    ),
                ],
            ),
        ),
        // What the checkpoint does not have goes.
        (&["y"], marked(NOW, 21, &[(r#","y":[1.0]"#, "")])),
        (&["x"], marked(NOW, 21, &[(r#""y":[1.0]"#, r#""y":[1.0],"x":18446744073709552000"#)])),
        (&["workflow_state"], marked(THEN, 21, &[])),
        (&["current_phase", "workflow_state"], marked(THEN, 21, &[])),
    ] {
        let request = request("partial").with_parts(some(names));
        let (_, text) = rolled(&request, Some(NOW), THEN).unwrap();
        assert_eq!(text, expected, "{names:?}");
    }
}

#[test]
fn selective_takes_single_agents() {
    for (agents, tasks, expected) in [
        (&["a1"][..], &[][..], marked(NOW, 21, &[A1])),
        (&["a1", "a2"], &[], marked(NOW, 21, &[A1, A2])),
        (&["a3"], &[], marked(NOW, 21, &[WITH_A3])),
        (&["a4"], &[], marked(NOW, 21, &[WITHOUT_A4])),
        // A task's agent then, and a task's agent now.
        (&[], &["t1"], marked(NOW, 21, &[A1])),
        (&[], &["t2"], marked(NOW, 21, &[A2])),
        (&["a2"], &["t1", "t2"], marked(NOW, 21, &[A1, A2])),
    ] {
        let mut request = request("selective");
        request.agents = Some(some(agents));
        request.tasks = Some(some(tasks));
        let (_, text) = rolled(&request, Some(NOW), THEN).unwrap();
        assert_eq!(text, expected, "{agents:?} {tasks:?}");
    }
}

#[test]
fn agents_in_a_part_of_their_own_are_taken_there_too() {
    let store = MemoryStore::new();
    let checkpoints = Checkpoints::new(store.clone());
    let then = r#"{"a1":{"status":"then","current_task":"t9"}}"#;
    let whole = parts(THEN).with_part(PartName::AGENT_STATES, then).unwrap();
    block_on(checkpoints.create(&whole, &new(1))).unwrap();
    let (state, agents) = (key(&["current", "wf_001"]), key(&["agents", "wf_001"]));
    put(&store, &state, NOW);
    put(&store, &agents, r#"{"a0":{"n":1.0},"a1":{"status":"now"}}"#);
    let mut target = StateTarget::new(store.clone(), state.clone())
        .with_part(PartName::AGENT_STATES, agents.clone());
    let request = request("selective").with_tasks(some(&["t9"]));
    let done = block_on(checkpoints.rollback(&request, &mut target, &new(9))).unwrap();
    assert_eq!(done.written, [PartName::AGENT_STATES, PartName::WORKFLOW_STATE]);
    assert_eq!(
        String::from_utf8(get(&store, &agents).unwrap()).unwrap(),
        r#"{"a0":{"n":1.0},"a1":{"status":"then","current_task":"t9"}}"#
    );
    assert_eq!(String::from_utf8(get(&store, &state).unwrap()).unwrap(), marked(NOW, 21, &[A1]));
}

#[test]
fn requests_that_make_no_sense_touch_nothing() {
    let partial = |names: &[&str]| request("partial").with_parts(some(names));
    let selective = |agents: &[&str], tasks: &[&str]| {
        request("selective").with_agents(some(agents)).with_tasks(some(tasks))
    };
    for (request, message) in [
        (request("sideways"), "a rollback is full, partial or selective, not `sideways`"),
        (request("partial"), "a partial rollback must name parts"),
        (partial(&[]), "a partial rollback must name parts"),
        (partial(&["nowhere"]), "neither state has a part `nowhere`"),
        (partial(&["../x"]), "neither state has a part `../x`"),
        (partial(&["file_system"]), "`file_system` cannot be rolled back"),
        (partial(&["workflow_id"]), "`workflow_id` cannot be rolled back"),
        (partial(&["current_phase", "state_version"]), "`state_version` cannot be rolled back"),
        (request("selective"), "a selective rollback must name agents or tasks"),
        (selective(&[], &[]), "a selective rollback must name agents or tasks"),
        (selective(&["a1", "a9"], &[]), "neither state has an agent `a9`"),
        (selective(&["a1"], &["t9"]), "no agent works on the task `t9` in either state"),
    ] {
        let error = rolled(&request, Some(NOW), THEN).unwrap_err();
        assert!(is_rollback(&error), "{message}");
        assert_eq!(error.to_string(), message);
        assert!(!error.problem().suggestions.is_empty());
    }
    let mut nothing = request("full");
    nothing.mode = None;
    let error = rolled(&nothing, Some(NOW), THEN).unwrap_err();
    assert_eq!(error.to_string(), "a rollback is full, partial or selective, not ``");
    for request in [partial(&["current_phase"]), selective(&["a1"], &[])] {
        let error = rolled(&request, None, THEN).unwrap_err();
        assert!(matches!(error, CheckpointError::NoState));
        assert_eq!(
            error.to_string(),
            "there is no current state; only a full rollback can make one"
        );
    }
    let mut elsewhere = request("full");
    elsewhere.checkpoint_id = id("../x");
    assert!(rolled(&elsewhere, Some(NOW), THEN).is_err());
}
