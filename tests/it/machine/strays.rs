//! Whatever comes from outside: no machine fails, stops, or keeps outputs without end.

use super::dispatcher::Hosted;
use super::laws::Scripted;
use super::{checked, hand_in, name, now, outputs};
use crate::support::{Rng, every_kind, scaled};
use coordination_protocol::machine::{
    Breaker, Caller, Handshake, IgnoreReason, Machine, MachineOutput, Presence, Proposer,
    RequestInput, RequestOutput, Requester, RequesterError, Responder, StateSync, Voter,
};
use coordination_protocol::{Checked, Envelope, MessageKind};
use std::collections::BTreeSet;
use std::fmt::Debug;

/// One message of every kind.
#[allow(clippy::vec_box, reason = "machines take them boxed")]
fn messages() -> Vec<Box<Checked<Envelope>>> {
    every_kind().into_iter().map(checked).collect()
}

#[test]
fn every_kind_is_there() {
    let kinds: BTreeSet<MessageKind> = messages().iter().map(|message| message.kind()).collect();
    // The eight documents, the event, and what the protocol adds for components.
    let missing: Vec<_> = MessageKind::KNOWN.iter().filter(|kind| !kinds.contains(*kind)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// How many outputs may wait in these tests, and how many more one step may add.
const LIMIT: usize = 20;
const STEP: usize = 10;
/// How many things happen to a machine.
const STEPS: u64 = 300;

/// A machine in the middle of its work, with room for few outputs.
fn busy<M: Scripted>(seed: u64, bound: impl Fn(M) -> M) -> M {
    let mut rng = Rng::new(seed);
    let mut machine = bound(M::fresh(seed));
    for step in 0..rng.below(30) as u64 {
        let at = now(step * 1_000);
        let step = M::draw(&mut rng, at);
        let _ = hand_in(&mut machine, at, step);
        while machine.poll().is_some() {}
    }
    machine
}

/// Feeds a machine every kind of message, and what its own scripts draw, and never polls.
fn survives<M: Scripted<Output: MachineOutput>>(bound: impl Fn(M) -> M) {
    let strays = messages();
    for seed in 0..scaled(40) as u64 {
        let mut machine = busy(seed, &bound);
        let mut rng = Rng::new(seed + 1_000);
        let mut millis = 30_000;
        for _ in 0..STEPS {
            let at = now(millis);
            match rng.below(4) {
                0 => {
                    let stray = &strays[rng.below(strays.len())];
                    machine.receive(at, (**stray).clone());
                }
                1 => {
                    // With the deadline or beyond it.
                    millis += 7_000;
                    machine.handle_timeout(now(millis));
                    let due = machine.deadline();
                    assert!(due.is_none_or(|due| due > now(millis).at));
                }
                _ => {
                    let step = M::draw(&mut rng, at);
                    let _ = hand_in(&mut machine, at, step);
                }
            }
        }
        let mut told = Vec::new();
        while let Some(output) = machine.poll() {
            told.push(output);
        }
        assert!(told.len() <= LIMIT + STEP, "seed {seed}: {} outputs wait", told.len());
        // What came while it stood still is counted, all in one.
        let last = told.last().and_then(MachineOutput::as_ignored);
        if told.len() > LIMIT {
            let last = last.unwrap_or_else(|| panic!("seed {seed}: nothing is counted"));
            assert_eq!(last.reason, IgnoreReason::Unpolled);
            assert!(last.count > 1 && last.count <= STEPS, "{last}");
        }
        // It goes on once its outputs are fetched.
        let before = machine.snapshot().unwrap();
        let Some(stray) = strays.iter().find(|stray| !machine.wants(stray)) else { continue };
        machine.receive(now(millis), (**stray).clone());
        let told = machine.poll().expect("what is not applied is told");
        assert!(told.as_ignored().is_some_and(|ignored| ignored.reason != IgnoreReason::Unpolled));
        assert!(machine.poll().is_none());
        assert_eq!(before, machine.snapshot().unwrap(), "what is not wanted changes nothing");
    }
}

/// A fresh machine takes each kind of message alone: it applies it, or says which one it ignored.
fn tells<M: Scripted<Output: MachineOutput + Debug>>(wanted: &[&str]) {
    let mut kinds = BTreeSet::new();
    for stray in messages() {
        let mut machine = M::fresh(7);
        while machine.poll().is_some() {}
        if machine.wants(&stray) {
            kinds.insert(stray.kind().as_str());
            continue;
        }
        machine.receive(now(0), (*stray).clone());
        let told = machine.poll().expect("what is not applied is told");
        let ignored = told.as_ignored().unwrap_or_else(|| panic!("{told:?}"));
        assert_eq!(ignored.message.kind, stray.kind());
        assert_eq!(ignored.message.source, stray.header.source);
        assert_eq!(ignored.message.message_id, stray.header.message_id);
    }
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), wanted);
}

macro_rules! machines {
    ($($test:ident $machine:ty: $($kind:literal)*;)+) => { $(
        #[test]
        fn $test() {
            survives::<$machine>(|machine| machine.with_max_outputs(LIMIT));
            tells::<$machine>(&[$($kind),*]);
        }
    )+ };
}

machines! {
    requester_survives Requester:;
    responder_survives Responder: "allocation_request" "conflict_check";
    breaker_survives Breaker:;
    caller_survives Caller:;
    handshake_survives Handshake: "hello";
    presence_survives Presence: "component_registration" "deregistration" "health_status" "heartbeat";
    dispatcher_survives Hosted: "allocation_request" "allocation_response" "checkpoint_sync" "component_config" "component_registration" "conflict_check" "dead_letter" "decision" "deregistration" "error_report" "event" "health_status" "heartbeat" "hello" "proposal" "release" "rollback" "subscription" "vote" "welcome" "workflow_state";
    sync_survives StateSync:;
    proposer_survives Proposer:;
    voter_survives Voter: "decision" "proposal";
}

/// What a command meets that was given while too many outputs wait: refused, and nothing has changed.
#[test]
fn a_full_machine_refuses_commands_and_sleeps() {
    let mut machine = Requester::new(name("hub"), 1).with_max_outputs(2);
    for which in ["req_1", "req_2"] {
        machine.handle(now(0), super::asked(which)).unwrap();
    }
    let refused = machine.handle(now(0), super::asked("req_3")).unwrap_err();
    assert_eq!(refused, RequesterError::Unpolled(2));
    assert_eq!(refused.to_string(), "2 outputs wait to be fetched, which is the limit");
    assert_eq!(machine.deadline(), None);
    machine.handle_timeout(now(40_000));
    assert_eq!(outputs(&mut machine).len(), 2);
    // What was due in the meantime is due now.
    assert_eq!(machine.deadline(), Some(now(30_000).at));
    machine.handle(now(40_000), super::asked("req_3")).unwrap();
}

/// A machine behind each kind of pointer is one.
#[test]
fn machines_work_behind_pointers() {
    type Any = dyn Machine<Input = RequestInput, Output = RequestOutput, Error = RequesterError>;
    fn ask<M: Machine<Input = RequestInput, Output = RequestOutput>>(mut machine: M) -> String {
        assert!(machine.handle(now(0), super::asked("req_1")).is_ok());
        machine.receive(now(1), *super::answer("req_1", "", "approved"));
        machine.handle_timeout(now(2));
        assert!(machine.deadline().is_none() && !machine.wants(&messages()[0]));
        assert!(machine.snapshot().unwrap().as_str().starts_with('{'));
        outputs(&mut machine).join(", ")
    }
    let said = "send allocation_request req_1 attempt=1, end req_1 answered attempts=1";
    let fresh = || Requester::new(name("hub"), 1);
    assert_eq!(ask(fresh()), said);
    assert_eq!(ask(&mut fresh()), said);
    assert_eq!(ask(Box::new(fresh())), said);
    let any: Box<Any> = Box::new(fresh());
    assert_eq!(ask(any), said);
    assert_eq!(ask(&mut fresh() as &mut Any), said);
    let snapshot = Box::new(fresh()).snapshot().unwrap();
    assert!(Box::<Requester>::restore(&snapshot).is_ok());
}
