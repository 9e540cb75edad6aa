//! Rules of one's own: functions of both sides and what they started from.

use super::WIDE;
use coordination_protocol::json::Json;
use coordination_protocol::machine::{Machine, StateSync, SyncInput, SyncOutput};
use coordination_protocol::merge::{
    ConflictChoice, MergePolicy, MergeRule, Merged, Row, Strategy, content_digest, merge,
    merge_json,
};
use coordination_protocol::message::WorkflowState;
use coordination_protocol::scalar::{ComponentId, Instant, Now, WorkflowId};
use coordination_protocol::validate::{Context, Validator};
use coordination_protocol::{Envelope, Mode};

fn number(json: Option<&Json>) -> Option<i64> {
    json?.as_str().parse().ok()
}

/// A budget that both sides spend of; where it is overdrawn, the row's rule is asked.
fn budget(pointer: &str) -> Row {
    Row::new(pointer, MergeRule::Manual).unwrap().with_function(|base, ours, theirs| {
        let left = number(ours)? + number(theirs)? - number(base)?;
        (left >= 0).then(|| ConflictChoice::Value(Json::from(left)))
    })
}

fn state(more: &str) -> WorkflowState {
    serde_json::from_str(&format!(
        r#"{{"workflow_id":"wf_001","state_version":3,"timestamp":"2025-01-15T12:00:00Z"{more}}}"#
    ))
    .unwrap()
}

fn typed(policy: &MergePolicy, base: &str, ours: &str, theirs: &str) -> Merged<WorkflowState> {
    merge(&state(base), state(ours), &state(theirs), policy)
}

#[test]
fn fields_of_ones_own_are_merged_by_functions() {
    let policy = MergePolicy::state().with_row(budget("/budget"));
    let merged = typed(&policy, r#","budget":100"#, r#","budget":70"#, r#","budget":60"#);
    assert!(merged.is_clean());
    assert_eq!(merged.value.extra().get("budget").unwrap().as_str(), "30");
    assert_eq!(merged.value.state_version.get(), 4);
    let overdrawn = typed(&policy, r#","budget":100"#, r#","budget":20"#, r#","budget":60"#);
    assert_eq!(overdrawn.conflicts[0].pointer, "/budget");
    // What one side changed is not asked for, nor what both left.
    let one = typed(&policy, r#","budget":100"#, r#","budget":20"#, r#","budget":100"#);
    assert_eq!(one.value.extra().get("budget").unwrap().as_str(), "20");

    // Nor is it asked under `manual`, where no rule is.
    let manual = policy.with_strategy(Strategy::Manual);
    assert!(!typed(&manual, r#","budget":100"#, r#","budget":70"#, r#","budget":60"#).is_clean());
}

/// The two engines ask the same functions, also for fields of the protocol, objects and removals.
#[test]
fn functions_choose_sides_and_removals() {
    let rows = [
        ("/agent_states/*", ConflictChoice::Nothing),
        ("/current_phase", ConflictChoice::Base),
        ("/checkpoint_id", ConflictChoice::Theirs),
        ("/x", ConflictChoice::Ours),
        ("/resource_usage", ConflictChoice::Value(r#"{"memory_current":1.5}"#.parse().unwrap())),
    ];
    let policy = rows.into_iter().fold(MergePolicy::state(), |policy, (pointer, choice)| {
        let row = Row::new(pointer, MergeRule::Manual).unwrap();
        policy.with_row(row.with_function(move |_, _, _| Some(choice.clone())))
    });
    let sides = [
        r#","agent_states":{"a":{"status":"s0"},"b":{"status":"s0"}},"current_phase":{"phase_id":1},"checkpoint_id":"c0","x":[0],"resource_usage":{"memory_current":0}"#,
        r#","agent_states":{"a":{"status":"s1"},"b":{"status":"s0"}},"current_phase":{"phase_id":2},"checkpoint_id":"c1","x":[1],"resource_usage":{"memory_current":1}"#,
        r#","agent_states":{"b":{"status":"s2"}},"current_phase":{"phase_id":3},"checkpoint_id":"c2","resource_usage":{"memory_current":2}"#,
    ];
    let merged = typed(&policy, sides[0], sides[1], sides[2]);
    assert!(merged.is_clean(), "{:?}", merged.conflicts);
    let text = Json::of(&merged.value).unwrap();
    let texts = sides.map(|side| Json::of(&state(side)).unwrap());
    let json = merge_json(texts[0].as_str(), texts[1].as_str(), texts[2].as_str(), &policy, &WIDE);
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(text.as_str()).unwrap(),
        serde_json::from_str::<serde_json::Value>(json.unwrap().value.as_str()).unwrap(),
    );
    let body: serde_json::Value = serde_json::from_str(text.as_str()).unwrap();
    assert_eq!(body["agent_states"], serde_json::json!({"b": {"status": "s2"}}));
    assert_eq!(body["current_phase"], serde_json::json!({"phase_id": 1}));
    assert_eq!((&body["checkpoint_id"], &body["x"][0]), (&"c2".into(), &1.into()));
    assert_eq!(body["resource_usage"], serde_json::json!({"memory_current": 1.5}));
}

/// Replicas that use one policy come to the same, also after a restart that sets it again.
#[test]
fn replicas_merge_by_functions() {
    let policy = || MergePolicy::state().with_row(budget("/budget"));
    let names = ["hub", "worker"].map(|name| ComponentId::new(name).unwrap());
    let now = |second: u64| {
        Now::new(
            Instant::from_millis(second * 1_000),
            1_736_942_400_000 + second.cast_signed() * 1_000,
        )
    };
    let workflow = WorkflowId::new("wf_001").unwrap();
    let mut replicas = [0, 1].map(|which| {
        let own = StateSync::new(names[which].clone(), workflow.clone(), which as u64);
        let mut own = own.with_policy(policy());
        own.handle(now(0), SyncInput::Join(names[1 - which].clone())).unwrap();
        own
    });
    let exchange = |replicas: &mut [StateSync; 2], second: u64| {
        loop {
            let mut sent = Vec::new();
            for (who, replica) in replicas.iter_mut().enumerate() {
                while let Some(output) = replica.poll() {
                    assert!(!matches!(output, SyncOutput::Consensus { .. }), "{output}");
                    if let SyncOutput::Send(message) = output {
                        sent.push((1 - who, message.envelope.to_string()));
                    }
                }
            }
            if sent.is_empty() {
                return;
            }
            for (to, text) in sent {
                let outcome = Validator::new(Mode::Strict).check(&text, &Context::new());
                replicas[to].receive(now(second), outcome.accept().expect("it is valid"));
            }
        }
    };
    let change = |replica: &mut StateSync, budget: i64, second: u64| {
        let own = replica.state().cloned();
        let own = Json::of(&own.unwrap_or_else(|| state(""))).unwrap();
        let mut made: serde_json::Value = serde_json::from_str(own.as_str()).unwrap();
        made["budget"] = budget.into();
        let made: WorkflowState = serde_json::from_str(&made.to_string()).unwrap();
        replica.handle(now(second), SyncInput::Changed(Box::new(made))).unwrap();
    };
    change(&mut replicas[0], 100, 0);
    exchange(&mut replicas, 0);
    replicas[1] = StateSync::restore(&replicas[1].snapshot().unwrap()).unwrap();
    replicas[1] = replicas[1].clone().with_policy(policy());
    change(&mut replicas[0], 70, 1);
    change(&mut replicas[1], 60, 2);
    exchange(&mut replicas, 3);
    let [hub, worker] = replicas.each_ref().map(|replica| replica.state().unwrap());
    assert_eq!(hub.extra().get("budget").unwrap().as_str(), "30");
    assert_eq!(content_digest(hub), content_digest(worker));
    assert!(Envelope::from(hub.clone()).to_string().contains("\"budget\":30"));
}
