//! The laws of all machines, held by these two.

use super::super::laws::{Scripted, all};
use super::{
    conflict, decision, entry, motion, proposal_id, proposed, slot, stored, unavailable, version,
    vote,
};
use crate::machine::{Step, error, name};
use crate::support::Rng;
use coordination_protocol::machine::{
    Backoff, BallotOptions, ProposeInput, Proposer, Quorum, VoteInput, Voter,
};
use coordination_protocol::scalar::{Ballot, Now};
use std::time::Duration;

fn options() -> BallotOptions {
    BallotOptions::new()
        .with_open(Duration::from_secs(300))
        .with_capacity(2)
        .with_retry(Backoff::new().with_attempts(1))
}

/// Few proposals, so that inputs meet.
fn which(rng: &mut Rng) -> String {
    format!("prop_{}", [0, 0, 1, 2][rng.below(4)])
}

fn got(rng: &mut Rng, version: u64) -> super::Got {
    let slot = slot(version);
    match rng.below(8) {
        0 => Err(unavailable()),
        1 | 2 => Ok(Some(entry(&slot, stored(&which(rng), version, rng.pick(&["x", "y"]))))),
        3 if rng.one_in(2) => Ok(Some(entry(&slot, b"{}".to_vec()))),
        _ => Ok(None),
    }
}

impl Scripted for Proposer {
    fn fresh(seed: u64) -> Self {
        Proposer::new(name("p1"), seed).with_options(options())
    }

    fn draw(rng: &mut Rng, now: Now) -> Step<ProposeInput> {
        let id = which(rng);
        Step::Input(match rng.below(22) {
            0..=3 => {
                let voters = rng.pick(&["a,b", "a", "a,b", "a,b,c"]);
                let quorum = [Quorum::MAJORITY, Quorum::weight(1), Quorum::weight(9)][rng.below(3)];
                let of = rng.pick(&["x", "y"]);
                let motion = motion(now, &id, 16, of, voters);
                ProposeInput::Propose(Box::new(motion.with_quorum(quorum)))
            }
            4..=11 => {
                let more = rng.pick(&["", r#","weight":2"#]);
                let word = rng.pick(&["accept", "accept", "accept", "reject", "reject", "maybe"]);
                return Step::Message(vote(&id, rng.pick(&["a", "a", "a", "b", "z"]), word, more));
            }
            12 => {
                return Step::Message(match rng.below(3) {
                    0 => error("req_1", ""),
                    1 => decision(&id, "rejected", "a", ""),
                    _ => decision(&id, "committed", "a", &version(16)),
                });
            }
            13..=17 => ProposeInput::Persisted([1, 1, 1, 2, 3, 0][rng.below(6)]),
            18 => {
                let result = [Ok(1), Err(conflict()), Err(unavailable())][rng.below(3)].clone();
                ProposeInput::Put(proposal_id(&id), result)
            }
            19 | 20 => {
                let version = 16 + u64::from(rng.one_in(8));
                ProposeInput::Got(proposal_id(&id), got(rng, version))
            }
            _ => ProposeInput::Restarted,
        })
    }
}

impl Scripted for Voter {
    fn fresh(seed: u64) -> Self {
        Voter::new(name("a"), seed).with_options(options())
    }

    fn draw(rng: &mut Rng, now: Now) -> Step<VoteInput> {
        let id = which(rng);
        let version = 16 + u64::from(rng.one_in(4));
        Step::Input(match rng.below(16) {
            0..=5 => {
                let left = [0, 60_000, 3_600_000, 3_600_000][rng.below(4)];
                let deadline = now.wall.unix_millis() - super::START + left;
                let (by, of) = match id.as_str() {
                    "prop_0" => ("p1", rng.pick(&["x", "x", "y"])),
                    _ => ("p2", "y"),
                };
                return Step::Message(proposed(&id, by, version, of, deadline));
            }
            6..=9 => VoteInput::Cast {
                proposal_id: proposal_id(&id),
                vote: Ballot::from_lenient(rng.pick(&["accept", "accept", "reject", "maybe"])),
                reason: rng.one_in(3).then(|| "so".to_owned()),
            },
            10 | 11 => VoteInput::Persisted([1, 1, 1, 2, 3, 0][rng.below(6)]),
            12 => {
                return Step::Message(match rng.below(3) {
                    0 => error("req_1", ""),
                    1 => decision(&id, rng.pick(&["rejected", "expired", "lost"]), "p1", ""),
                    _ => {
                        decision(&id, "committed", "p1", rng.pick(&["", &super::version(version)]))
                    }
                });
            }
            13 | 14 => {
                let slot = slot(version);
                VoteInput::Got(slot, got(rng, version))
            }
            _ => VoteInput::Restarted,
        })
    }
}

#[test]
fn proposer_keeps_the_laws() {
    all::<Proposer>(&[
        "Proposal",
        "Persist(",
        "Put(",
        "Get(",
        "Duplicate",
        "Late",
        "Committed(",
        "Conflict(",
        "Expired(",
        "which is the limit",
        "proposed before",
        "at most 2 are allowed",
        "all voters together",
        "was not proposed here",
        "may not vote",
        "first vote counts",
        "is no vote",
        "no open ballot",
        "nothing was to be stored",
        "was not to be committed",
        "holds no decision",
        "Unwanted",
    ]);
}

#[test]
fn voter_keeps_the_laws() {
    all::<Voter>(&[
        "Consider(",
        "Persist(",
        "vote: Accept",
        "Get(",
        "Learned(",
        "Undecided(",
        "Decision",
        "which is the limit",
        "is over",
        "with other content",
        "not before this voter",
        "is cast",
        "is no vote",
        "is no outcome",
        "not the proposer",
        "names no workflow",
        "nothing was to be stored",
        "holds no decision",
        "Unwanted",
    ]);
}
