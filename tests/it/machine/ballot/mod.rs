//! Ballots: their messages, records and commands for transcripts.

mod adversary;
#[cfg(feature = "checkpoint")]
mod applied;
mod laws;
mod refusals;
mod schedules;
mod settings;

use super::transcripts::{Command, Told};
use super::{START, Step, checked, name};
use coordination_protocol::machine::{
    BallotSlot, Commit, NewProposal, ProposeInput, Proposer, Quorum, VoteInput, Voter, VoterSet,
};
use coordination_protocol::scalar::{Ballot, Digest, Now, ProposalId, Timestamp, WorkflowId};
use coordination_protocol::storage::{Entry, StorageError};
use coordination_protocol::{Checked, Envelope};

type Got = Result<Option<Entry>, StorageError>;

fn proposal_id(text: &str) -> ProposalId {
    ProposalId::new(text).unwrap()
}

fn slot(version: u64) -> BallotSlot {
    BallotSlot::new(WorkflowId::new("wf_001").unwrap(), version)
}

/// A state, in its canonical form.
fn state(name: &str) -> String {
    format!(r#"{{"is":"{name}"}}"#)
}

/// The body of a proposal whose deadline is this number of milliseconds after the start.
fn proposal(id: &str, by: &str, version: u64, of: &str, deadline: i64) -> String {
    let digest = Digest::of(state(of).as_bytes());
    let deadline = Timestamp::from_unix_millis(START + deadline);
    format!(
        r#"{{"proposal_id":"{id}","workflow_id":"wf_001","state_version":{version},"proposer":"{by}",
            "digest":"{digest}","value":{},"deadline":"{deadline}"}}"#,
        state(of),
    )
}

fn proposed(id: &str, by: &str, version: u64, of: &str, deadline: i64) -> Box<Checked<Envelope>> {
    let body = proposal(id, by, version, of, deadline);
    checked(&format!(r#"{{"source":"{by}","proposal":{body}}}"#))
}

fn vote(id: &str, voter: &str, vote: &str, more: &str) -> Box<Checked<Envelope>> {
    checked(&format!(
        r#"{{"source":"{voter}","vote":{{"proposal_id":"{id}","voter":"{voter}","vote":"{vote}"{more}}}}}"#,
    ))
}

fn decision(id: &str, outcome: &str, source: &str, more: &str) -> Box<Checked<Envelope>> {
    checked(&format!(
        r#"{{"source":"{source}","decision":{{"proposal_id":"{id}","outcome":"{outcome}"{more}}}}}"#,
    ))
}

fn version(version: u64) -> String {
    format!(r#","workflow_id":"wf_001","state_version":{version}"#)
}

/// What is stored when `a` and `b` have accepted.
fn stored(id: &str, version: u64, of: &str) -> Vec<u8> {
    let vote = |voter| format!(r#"{{"voter":"{voter}","vote":"accept","weight":1}}"#);
    let body = proposal(id, "p9", version, of, 30_000);
    let (a, b) = (vote("a"), vote("b"));
    format!(r#"{{"proposal":{body},"needed":2,"votes":[{a},{b}]}}"#).into_bytes()
}

fn entry(slot: &BallotSlot, value: Vec<u8>) -> Entry {
    Entry::new(slot.key().unwrap(), value, 1)
}

fn unavailable() -> StorageError {
    StorageError::unavailable("no route")
}

fn conflict() -> StorageError {
    let key = slot(16).key().unwrap();
    StorageError::Conflict { key, expected: Commit::EXPECT, found: Some(1) }
}

/// `a,b:2`: components with their weights.
fn electorate(text: &str) -> VoterSet {
    text.split(',').fold(VoterSet::default(), |electorate, voter| {
        let (voter, weight) = voter.split_once(':').unwrap_or((voter, "1"));
        electorate.with(name(voter), weight.parse().unwrap())
    })
}

fn motion(now: Now, id: &str, version: u64, of: &str, voters: &str) -> NewProposal {
    NewProposal::new(slot(version), state(of).parse().unwrap(), electorate(voters), now, [7; 10])
        .with_id(proposal_id(id))
}

/// `nothing`, `unavailable`, or `prop_9 state=y`.
fn got(command: &Command<'_>, slot: &BallotSlot) -> Got {
    match command.words[2] {
        "nothing" => Ok(None),
        "unavailable" => Err(unavailable()),
        id => {
            let value = stored(id, slot.state_version, command.get("state", "x"));
            Ok(Some(entry(slot, value)))
        }
    }
}

impl Told for Proposer {
    fn input(&self, now: Now, command: &Command<'_>) -> Step<ProposeInput> {
        let which = command.words.get(1).copied().unwrap_or_default();
        Step::Input(match command.words[0] {
            "propose" => {
                let quorum = match command.get("quorum", "majority") {
                    "majority" => Quorum::MAJORITY,
                    "all" => Quorum::ALL,
                    weight => Quorum::weight(weight.parse().unwrap()),
                };
                let of = command.get("state", "x");
                let motion = motion(now, which, 16, of, command.get("voters", "a,b,c"));
                ProposeInput::Propose(Box::new(motion.with_quorum(quorum)))
            }
            "vote" => {
                let more = match command.get("weight", "") {
                    "" => String::new(),
                    weight => format!(r#","weight":{weight}"#),
                };
                return Step::Message(vote(which, command.words[2], command.words[3], &more));
            }
            "decision" => {
                let about = version(command.count("version", "16"));
                return Step::Message(decision(which, command.words[2], "a", &about));
            }
            "persisted" => ProposeInput::Persisted(which.parse().unwrap()),
            "put" => {
                let result = match command.words[2] {
                    "ok" => Ok(1),
                    "conflict" => Err(conflict()),
                    _ => Err(unavailable()),
                };
                ProposeInput::Put(proposal_id(which), result)
            }
            "got" => ProposeInput::Got(proposal_id(which), got(command, &slot(16))),
            "restarted" => ProposeInput::Restarted,
            other => panic!("unknown command `{other}`"),
        })
    }
}

impl Told for Voter {
    fn input(&self, _: Now, command: &Command<'_>) -> Step<VoteInput> {
        let which = command.words.get(1).copied().unwrap_or_default();
        Step::Input(match command.words[0] {
            "proposal" => {
                let deadline = command.span("deadline", "30s").as_millis();
                return Step::Message(proposed(
                    which,
                    command.get("from", "p1"),
                    command.count("version", "16"),
                    command.get("state", "x"),
                    i64::try_from(deadline).unwrap(),
                ));
            }
            "decision" => {
                let about = version(command.count("version", "16"));
                let from = command.get("from", "p1");
                return Step::Message(decision(which, command.words[2], from, &about));
            }
            "cast" => VoteInput::Cast {
                proposal_id: proposal_id(which),
                vote: Ballot::from_lenient(command.words[2]),
                reason: command.pairs.get("reason").map(|text| (*text).to_owned()),
            },
            "persisted" => VoteInput::Persisted(which.parse().unwrap()),
            "got" => {
                let slot = slot(which.parse().unwrap());
                let got = got(command, &slot);
                VoteInput::Got(slot, got)
            }
            "restarted" => VoteInput::Restarted,
            other => panic!("unknown command `{other}`"),
        })
    }
}
