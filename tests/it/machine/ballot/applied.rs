//! What was decided becomes the state, once; and ballots go on when a workflow was taken back.

use super::{electorate, proposal_id, vote};
use crate::machine::{name, now};
use coordination_protocol::checkpoint::{Checkpoints, NewCheckpoint, Parts, StateTarget};
use coordination_protocol::json::Json;
use coordination_protocol::machine::{
    AppliedBallot, BallotEnd, BallotRecord, BallotSlot, Machine, NewProposal, ProposeInput,
    ProposeOutput, Proposer,
};
use coordination_protocol::message::{AgentState, WorkflowState};
use coordination_protocol::scalar::WorkflowId;
use coordination_protocol::storage::view::States;
use coordination_protocol::storage::{MemoryStore, block_on};

fn workflow() -> WorkflowId {
    WorkflowId::new("wf_001").unwrap()
}

fn state(version: u64, agent: &str) -> WorkflowState {
    let mut state = WorkflowState::new(workflow(), version, now(0).timestamp());
    state.agent_states.get_or_insert_default().insert(agent, AgentState::new("active"));
    state
}

/// A ballot of one voter, to its end.
fn ballot(store: &MemoryStore, id: &str, slot: BallotSlot, state: &WorkflowState) -> BallotEnd {
    let mut machine = Proposer::new(name("p1"), 1);
    let value = Json::of(state).unwrap();
    let offered =
        NewProposal::new(slot, value, electorate("a"), now(0), [7; 10]).with_id(proposal_id(id));
    machine.handle(now(0), ProposeInput::Propose(Box::new(offered))).unwrap();
    machine.receive(now(0), *vote(id, "a", "accept", ""));
    loop {
        let input = match machine.poll().expect("the ballot ends") {
            ProposeOutput::Persist(number) => ProposeInput::Persisted(number),
            ProposeOutput::Put(commit) => {
                ProposeInput::Put(proposal_id(id), block_on(commit.put(store)))
            }
            ProposeOutput::Get(id, slot) => ProposeInput::Got(id, block_on(slot.get(store))),
            ProposeOutput::Ended { end, .. } => return end,
            _ => continue,
        };
        machine.handle(now(0), input).unwrap();
    }
}

fn committed(end: BallotEnd) -> BallotRecord {
    match end {
        BallotEnd::Committed(record) => *record,
        other => panic!("{other}"),
    }
}

fn apply(record: &BallotRecord, states: &States<MemoryStore>) -> AppliedBallot {
    block_on(record.apply(states)).unwrap()
}

/// Restored to version 2, the workflow goes on under ballots, though the old line had decided the
/// versions that come.
#[test]
fn a_ballot_succeeds_after_a_restore() {
    let store = MemoryStore::new();
    let states = States::new(store.clone());
    block_on(states.put_state(state(1, "a1"), None, None)).unwrap();
    let second = block_on(states.put_state(state(2, "a2"), None, Some(1))).unwrap();
    let checkpoints = Checkpoints::new(store.clone());
    let new = |random| NewCheckpoint::new(now(0), [random; 10]);
    let made = block_on(checkpoints.create(&Parts::new(&second.state).unwrap(), &new(1))).unwrap();

    let mut last = second.state.clone();
    let mut old = Vec::new();
    for (id, agent) in [("prop_3", "a3"), ("prop_4", "a4"), ("prop_5", "a5")] {
        let slot = BallotSlot::after(&last);
        let record = committed(ballot(&store, id, slot, &state(0, agent)));
        if id != "prop_5" {
            let AppliedBallot::Written(stored) = apply(&record, &states) else { panic!() };
            last = stored.state;
        }
        old.push(record);
    }
    // The ballot on version 5 is committed; before it is applied, the workflow is taken back.
    let mut target = StateTarget::new(store.clone(), States::key(&workflow()).unwrap());
    let id = &made.sync.checkpoint_id;
    block_on(checkpoints.restore(&workflow(), id, &mut target, &new(2))).unwrap();
    let back = block_on(states.get(&workflow())).unwrap().unwrap();
    assert_eq!((back.version(), back.state.agent_states), (5, second.state.agent_states));
    for record in &old {
        assert_eq!(apply(record, &states), AppliedBallot::Abandoned { epoch: 1 });
    }
    // The next one, and one of a number that the old line has decided.
    let next = state(0, "b6");
    let slot = BallotSlot::new(workflow(), 3);
    assert!(matches!(ballot(&store, "p3", slot.clone(), &next), BallotEnd::Conflict(_)));
    committed(ballot(&store, "p3", slot.with_epoch(1), &next));
    let slot = BallotSlot::after(&block_on(states.get(&workflow())).unwrap().unwrap().state);
    assert_eq!(slot.to_string(), "wf_001 version 6 of epoch 1");
    let record = committed(ballot(&store, "p6", slot, &next));
    let AppliedBallot::Written(stored) = apply(&record, &states) else { panic!() };
    assert_eq!((stored.version(), stored.state.epoch), (6, Some(1_u64.into())));
    assert_eq!(stored.state.agent_states, next.agent_states);
}

/// Whoever learns of a decision applies it, as often as it likes.
#[test]
fn a_decision_is_applied_once() {
    let store = MemoryStore::new();
    let states = States::new(store.clone());
    let first = committed(ballot(&store, "p1", BallotSlot::new(workflow(), 1), &state(1, "a")));
    let AppliedBallot::Written(stored) = apply(&first, &states) else { panic!() };
    assert_eq!(stored.version(), 1);
    assert_eq!(apply(&first, &states), AppliedBallot::Already);
    let slot = BallotSlot::after(&stored.state);
    let second = committed(ballot(&store, "p2", slot, &state(0, "b")));
    assert!(matches!(apply(&second, &states), AppliedBallot::Written(_)));
    assert_eq!(apply(&first, &states), AppliedBallot::Superseded { version: 2 });
    assert_eq!(apply(&second, &states), AppliedBallot::Already);
    assert_eq!(block_on(states.versions(&workflow())).unwrap(), [1, 2]);

    // Somebody writes a version without a ballot: the decision does not go over it.
    let slot = BallotSlot::new(workflow(), 3);
    let third = committed(ballot(&store, "p3", slot, &state(3, "c")));
    block_on(states.put_state(state(3, "x"), None, Some(2))).unwrap();
    let error = block_on(third.apply(&states)).unwrap_err().to_string();
    assert_eq!(error, "`state/wf_001` is at version 3, expected version 2");

    // What is no state cannot become one.
    let mut other = state(1, "a");
    other.workflow_id = WorkflowId::new("wf_2").unwrap();
    let odd = committed(ballot(&store, "p4", BallotSlot::new(workflow(), 4), &other));
    let error = block_on(odd.apply(&states)).unwrap_err().to_string();
    assert_eq!(error, "what was decided as wf_001 version 4 is no state: it is that of `wf_2`");
}
