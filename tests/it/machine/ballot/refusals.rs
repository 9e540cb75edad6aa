//! The sentences of refusals that no transcript shows, and options that no key sets.

use super::{
    decision, entry, motion, proposal, proposal_id, proposed, slot, stored, version, vote,
};
use crate::machine::{checked, error, ignored, name, now, outputs};
use coordination_protocol::error::{IntoReport, Occurrence};
use coordination_protocol::machine::{
    BallotError, BallotOptions, BallotRecord, BallotSlot, Machine, NewProposal, ProposeInput,
    Proposer, Quorum, VoteInput, Voter, VoterSet,
};
use coordination_protocol::scalar::{Ballot, ErrorId, ErrorType, WorkflowId};
use coordination_protocol::{Checked, Envelope};
use std::time::Duration;

/// A legal identifier whose key gets too long.
fn long() -> WorkflowId {
    WorkflowId::new("é".repeat(128)).unwrap()
}

#[test]
fn proposer() {
    let options = BallotOptions::new().with_capacity(2).with_state_bytes(64);
    let mut machine = Proposer::new(name("p1"), 1).with_options(options);
    let mut refused = |input| machine.handle(now(0), input).unwrap_err().to_string();
    let propose = |motion: NewProposal| ProposeInput::Propose(Box::new(motion));
    let plain = |id: &str| motion(now(0), id, 16, "x", "a,b");

    assert_eq!(
        refused(propose(motion(now(0), "prop_1", 16, "x", "a,b,c"))),
        "the proposal has 3 voters, at most 2 are allowed"
    );
    assert_eq!(
        refused(propose(plain("prop_1").with_quorum(Quorum::weight(3)))),
        "a weight of 3 has to accept, but all voters together have 2"
    );
    let of = |state: &str, voters: VoterSet, slot: BallotSlot| {
        propose(NewProposal::new(slot, state.parse().unwrap(), voters, now(0), [7; 10]))
    };
    let voters = || VoterSet::new([name("a")]);
    assert_eq!(
        refused(of("1", VoterSet::default(), slot(1))),
        "a weight of 1 has to accept, but all voters together have 0"
    );
    assert_eq!(
        refused(of(&format!("\"{}\"", "x".repeat(63)), voters(), slot(1))),
        "the proposed state has 65 bytes, at most 64 are allowed"
    );
    assert_eq!(
        refused(of("9007199254740993", voters(), slot(1))),
        "the proposed state has no digest: the number 9007199254740993 at byte 0 has no exact canonical form; write it as a string"
    );
    assert_eq!(
        refused(of("1", voters(), BallotSlot::new(long(), 1))),
        "the decision would have no key: a key has at most 512 bytes, this one has 796"
    );
    assert_eq!(refused(ProposeInput::Persisted(1)), "nothing was to be stored as 1");
    assert_eq!(refused(ProposeInput::Persisted(0)), "nothing was to be stored as 0");
    let put = || ProposeInput::Put(proposal_id("prop_1"), Ok(1));
    assert_eq!(refused(put()), "`prop_1` was not proposed here");
    assert_eq!(
        refused(ProposeInput::Got(proposal_id("prop_1"), Ok(None))),
        "`prop_1` was not proposed here"
    );

    machine.handle(now(0), propose(plain("prop_1"))).unwrap();
    machine.handle(now(0), propose(plain("prop_2"))).unwrap();
    let mut refused = |input| machine.handle(now(0), input).unwrap_err().to_string();
    assert_eq!(
        refused(propose(plain("prop_1"))),
        "`prop_1` was proposed before; each proposal needs an identifier of its own"
    );
    assert_eq!(refused(propose(plain("prop_3"))), "2 ballots are open, which is the limit");
    assert_eq!(refused(put()), "`prop_1` was not to be committed");
    let foreign = r#"{"source":"b","vote":{"proposal_id":"prop_1","voter":"a","vote":"accept"}}"#;
    let bad = entry(&slot(16), b"[]".to_vec());
    let said = refused(ProposeInput::Got(proposal_id("prop_1"), Ok(Some(bad))));
    assert!(
        said.starts_with("the store holds no decision of wf_001 version 16: this is no decision: "),
        "{said}"
    );
    assert_eq!(ignored(&mut machine, checked(foreign)), "wrong-sender, it is a vote of `a`");
    assert_eq!(ignored(&mut machine, error("req_1", "")), "unwanted");
    assert_eq!(machine.open().map(|(_, tally)| tally.needed).collect::<Vec<_>>(), [2, 2]);

    // An end is remembered, and late answers of the store are no news.
    let vote = vote("prop_1", "a", "reject", "");
    machine.receive(now(0), *vote);
    machine.handle(now(0), ProposeInput::Got(proposal_id("prop_1"), Ok(None))).unwrap();
    machine.handle(now(0), ProposeInput::Persisted(1)).unwrap();
    machine.handle(now(0), put()).unwrap();
    let again = machine.handle(now(0), propose(plain("prop_1"))).unwrap_err();
    assert_eq!(again, BallotError::ProposedBefore(proposal_id("prop_1")));
}

#[test]
fn voter() {
    let options = BallotOptions::new().with_capacity(1);
    let mut machine = Voter::new(name("a"), 1).with_options(options);
    let mut ignores = |text: &str| ignored(&mut machine, checked(text));

    let body = proposal("prop_1", "p1", 16, "x", 30_000);
    assert_eq!(
        ignores(&format!(r#"{{"source":"p2","proposal":{body}}}"#)),
        "wrong-sender, it is not the proposer of `prop_1`"
    );
    let other = body.replace(r#"{"is":"x"}"#, r#"{"is":"z"}"#);
    assert_eq!(
        ignores(&format!(r#"{{"proposal":{other}}}"#)),
        "invalid, `prop_1` cannot be voted on: the digest is not that of the proposed state"
    );
    let inexact = body.replace(r#"{"is":"x"}"#, "9007199254740993");
    assert_eq!(
        ignores(&format!(r#"{{"proposal":{inexact}}}"#)),
        "invalid, `prop_1` cannot be voted on: the number 9007199254740993 at byte 0 has no exact canonical form; write it as a string"
    );
    let mut none = proposed("prop_1", "p1", 16, "x", 30_000).into_inner().to_string();
    let at = none.find(r#","digest""#).unwrap();
    none.replace_range(at..=none[at + 1..].find(',').unwrap() + at, "");
    assert_eq!(
        ignores(&none),
        "invalid, `prop_1` cannot be voted on: the proposal has no digest that can be read"
    );
    let long = body.replace("wf_001", long().as_str());
    assert_eq!(
        ignores(&format!(r#"{{"proposal":{long}}}"#)),
        "invalid, the decision would have no key: a key has at most 512 bytes, this one has 796"
    );
    let decided = |outcome: &str| decision("prop_1", outcome, "p1", "");
    assert_eq!(
        ignored(&mut machine, decided("committed")),
        "incomplete, the decision on `prop_1` names no workflow or no version"
    );
    assert_eq!(
        ignored(&mut machine, decided("lost")),
        "invalid, `lost` is no outcome; expected `committed`, `rejected` or `expired`"
    );
    assert_eq!(
        ignored(&mut machine, decided("expired")),
        "unknown, `prop_1` is not before this voter"
    );
    assert_eq!(ignored(&mut machine, error("req_1", "")), "unwanted");
    let mut refused = |input| machine.handle(now(0), input).unwrap_err().to_string();
    let cast = |id: &str, word: &str| VoteInput::Cast {
        proposal_id: proposal_id(id),
        vote: Ballot::from_lenient(word),
        reason: None,
    };
    assert_eq!(refused(cast("prop_1", "accept")), "`prop_1` is not before this voter");
    assert_eq!(refused(VoteInput::Persisted(1)), "nothing was to be stored as 1");

    machine.receive(now(0), *proposed("prop_1", "p1", 16, "x", 30_000));
    assert_eq!(
        ignored(&mut machine, proposed("prop_2", "p2", 16, "x", 30_000)),
        "full, 1 proposals are before this voter, which is the limit"
    );
    let mut refused = |input| machine.handle(now(0), input).unwrap_err().to_string();
    assert_eq!(
        refused(cast("prop_1", "maybe")),
        "`maybe` is no vote; expected `accept`, `reject` or `abstain`"
    );
    let bad = entry(&slot(16), stored("prop_1", 17, "x"));
    assert_eq!(
        refused(VoteInput::Got(slot(16), Ok(Some(bad)))),
        "the store holds no decision of wf_001 version 16: this is the decision of wf_001 version 17"
    );
    assert_eq!(machine.proposals().collect::<Vec<_>>(), [(&proposal_id("prop_1"), None)]);
    // What a proposal brings without a deadline is open for as long as ballots are.
    let mut machine = Voter::new(name("a"), 1)
        .with_options(BallotOptions::new().with_open(Duration::from_secs(7)))
        .with_weight(3);
    let body = proposal("prop_1", "p1", 16, "x", 0);
    let at = body.find(r#","deadline""#).unwrap();
    let body = format!(r#"{{"proposal":{}}}}}"#, &body[..at]);
    machine.receive(now(0), *checked(&body));
    assert_eq!(machine.deadline(), Some(now(7_000).at));
    machine.handle(now(0), cast("prop_1", "accept")).unwrap();
    outputs(&mut machine);
    machine.handle(now(0), VoteInput::Persisted(1)).unwrap();
    let Some(coordination_protocol::machine::VoteOutput::Send(vote)) = machine.poll() else {
        panic!("no vote")
    };
    assert!(vote.envelope.to_string().contains(r#""weight":3"#));
}

#[test]
fn records() {
    let read = |text: String| BallotRecord::read(&slot(16), text.as_bytes());
    let good = String::from_utf8(stored("prop_1", 16, "x")).unwrap();
    let record = read(good.clone()).unwrap();
    assert_eq!(BallotRecord::read(&slot(16), &record.to_bytes()), Ok(record.clone()));
    assert_eq!(record.tally().to_string(), "accepted=2 rejected=0 needed=2");
    assert_eq!(
        read(good.replace(r#""needed":2"#, r#""needed":3"#)).unwrap_err().to_string(),
        "too few accepted this decision: accepted=2 rejected=0 needed=3"
    );
    assert_eq!(
        read(good.replace(r#""voter":"b""#, r#""voter":"a""#)).unwrap_err().to_string(),
        "the vote of `a` is counted twice"
    );
    assert_eq!(
        read(good.replace(r#""needed":2"#, r#""needed":0"#)).unwrap_err().to_string(),
        "too few accepted this decision: accepted=2 rejected=0 needed=0"
    );
    assert_eq!(read(good.replace(r#"{"is":"x"}"#, "0")).unwrap_err(), BallotError::DigestDiffers);
    assert_eq!(read(good.replace("sha256:", "md5:")).unwrap_err(), BallotError::NoDigest);
    // It is announced as it is stored, and the announcement is a valid message.
    let announced: Box<Checked<Envelope>> = checked(&Envelope::from(record.decision()).to_string());
    assert!(announced.report().findings().is_empty());
    assert_eq!(record.decision().state_version.unwrap().get(), 16);
    assert!(version(16).contains("16"));
}

#[test]
fn refusals_become_reports() {
    let occurrence =
        Occurrence::new(ErrorId::new("err_1").unwrap(), WorkflowId::global(), now(0).timestamp());
    let (slot, error) = (slot(16), Box::new(BallotError::NoDigest));
    let of_proposer = BallotError::BadRecord { slot: slot.clone(), error: error.clone() };
    let of_voter = BallotError::BadRecord { slot: slot.clone(), error };
    let (known, other) = (proposal_id("prop_1"), proposal_id("prop_2"));
    let two = BallotError::TwoDecisions { slot, known, other };
    let errors: [(&dyn IntoReport, &str); 8] = [
        (&BallotError::Busy(3), "limit_exceeded"),
        (&BallotError::NothingToPersist(3), "conflict"),
        (&BallotError::Unpolled(3), "limit_exceeded"),
        (&BallotError::NothingToPersist(3), "conflict"),
        (&BallotError::NoDigest, "corruption"),
        (&of_proposer, "corruption"),
        (&of_voter, "corruption"),
        (&two, "corruption"),
    ];
    for (error, class) in errors {
        let report = error.to_report(&occurrence);
        assert_eq!(report.classification.error_type.as_ref().map(ErrorType::as_str), Some(class));
        let suggestions = report.recovery_suggestions.unwrap();
        assert!(suggestions[0].description.as_ref().is_some_and(|text| text.ends_with('.')));
    }
    assert_eq!(
        of_proposer.problem().message,
        "the store holds no decision of wf_001 version 16: the proposal has no digest that can be read"
    );
}
