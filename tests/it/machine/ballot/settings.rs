//! What a configuration asks of ballots.

use super::{motion, proposed};
use crate::machine::{name, now};
use coordination_protocol::machine::{
    BallotOptions, Machine, ProposeInput, Proposer, VoteOutput, Voter,
};
use coordination_protocol::message::ComponentConfig;
use std::time::Duration;

fn options(coordination: &str) -> BallotOptions {
    let text = format!(r#"{{"component_id":"hub","coordination":{{{coordination}}}}}"#);
    BallotOptions::from(&serde_json::from_str::<ComponentConfig>(&text).unwrap())
}

fn proposer(options: BallotOptions) -> Proposer {
    Proposer::new(name("p1"), 1).with_options(options)
}

fn propose(machine: &mut Proposer, id: &str) -> bool {
    let motion = motion(now(0), id, 16, "x", "a,b");
    machine.handle(now(0), ProposeInput::Propose(Box::new(motion))).is_ok()
}

/// When the proposal is sent again, and how often in all.
fn sent(options: BallotOptions) -> (u64, usize) {
    let mut machine = proposer(options);
    assert!(propose(&mut machine, "prop_1"));
    let mut at = machine.deadline().unwrap();
    let first = at.as_nanos() / 1_000_000;
    let mut sent = 0;
    loop {
        sent += std::iter::from_fn(|| machine.poll())
            .filter(|output| output.to_string().starts_with("send"))
            .count();
        if machine.deadline() > Some(now(3_600_000).at) || sent > 20 {
            return (first, sent);
        }
        machine.handle_timeout(now(at.as_nanos() / 1_000_000));
        let Some(next) = machine.deadline() else { return (first, sent) };
        if next.since(at) == Duration::from_secs(3_600) {
            return (first, sent);
        }
        at = next;
    }
}

#[test]
fn keys_of_the_configuration() {
    let plain = options("").with_store(Duration::from_secs(3_600));
    assert_eq!(sent(plain), (10_000, 3));
    let patient = options(r#""timeout_default":"60s","max_retry_attempts":6"#);
    assert_eq!(sent(patient.with_store(Duration::from_secs(3_600))), (10_000, 6));
    assert_eq!(patient.store, Duration::from_secs(60));

    let mut few = proposer(options(r#""event_queue_size":2"#));
    let full = (0..10).find(|at| !propose(&mut few, &format!("prop_{at}")));
    assert_eq!(full, Some(2));

    let mut voter = Voter::new(name("a"), 1).with_options(options(r#""event_queue_size":2"#));
    let mut ask = |at: u64| {
        let proposal = proposed(&format!("prop_{at}"), "p1", at, "x", 30_000);
        voter.receive(now(0), *proposal);
        std::iter::from_fn(|| voter.poll()).any(|output| matches!(output, VoteOutput::Consider(_)))
    };
    assert_eq!((0..10).find(|at| !ask(*at)), Some(2));
}
