//! What goes wrong between machines, clocks and stores that work well each by itself.

use super::{decision, entry, motion, proposal_id, proposed, slot, stored, vote};
use crate::machine::{ignored, name, now, outputs};
use coordination_protocol::json::Json;
use coordination_protocol::machine::{
    BallotEnd, BallotRecord, Commit, Machine, ProposeInput, ProposeOutput, Proposer, VoteInput,
    Voter,
};
use coordination_protocol::scalar::{Ballot, Now};
use coordination_protocol::storage::{Expect, Key, MemoryStore, StorageError, Store, block_on};

const ABOUT: &str = r#","workflow_id":"wf_001","state_version":16"#;

fn propose(machine: &mut Proposer, id: &str, of: &str, voters: &str) {
    let motion = motion(now(0), id, 16, of, voters);
    machine.handle(now(0), ProposeInput::Propose(Box::new(motion))).unwrap();
    outputs(machine);
}

/// A proposer and the revision of its snapshot.
struct Fenced {
    machine: Proposer,
    revision: u64,
}

impl Fenced {
    fn key() -> Key {
        Key::of(["machine", "p1"]).unwrap()
    }

    fn restore(store: &MemoryStore) -> Self {
        let entry = block_on(store.get(&Fenced::key())).unwrap().unwrap();
        let text = String::from_utf8(entry.value.to_vec()).unwrap();
        let snapshot: Json = text.parse().unwrap();
        Fenced { machine: Proposer::restore(&snapshot).unwrap(), revision: entry.revision }
    }

    /// Stores a snapshot in place of the one it knows.
    fn persist(&mut self, store: &MemoryStore, expect: Expect) -> Result<(), StorageError> {
        let (key, snapshot) = (Fenced::key(), self.machine.snapshot().unwrap());
        self.revision = block_on(store.put(&key, snapshot.as_str().as_bytes(), expect))?;
        Ok(())
    }
}

/// Two proposers go on from one snapshot: one is accepted, the other hears nothing and expires.
/// With snapshots stored by compare-and-set, only one of them can say how its ballot ends.
#[test]
fn a_proposer_is_restored_twice() {
    for fenced in [false, true] {
        let store = MemoryStore::new();
        let mut machine = Proposer::new(name("p1"), 1);
        propose(&mut machine, "prop_1", "x", "a,b,c");
        Fenced { machine, revision: 0 }.persist(&store, Expect::Absent).unwrap();
        let (mut first, mut second) = (Fenced::restore(&store), Fenced::restore(&store));
        let expect = |of: &Fenced| if fenced { Expect::Revision(of.revision) } else { Expect::Any };

        for voter in ["a", "b"] {
            let vote = vote("prop_1", voter, "accept", "");
            first.machine.receive(now(1_000), *vote);
        }
        let persist = expect(&first);
        first.persist(&store, persist).unwrap();
        assert_eq!(outputs(&mut first.machine), ["persist 1"]);
        first.machine.handle(now(1_000), ProposeInput::Persisted(1)).unwrap();
        let Some(ProposeOutput::Put(commit)) = first.machine.poll() else { panic!("no write") };

        // The write is on its way, and the store still empty.
        second.machine.handle_timeout(now(30_000));
        outputs(&mut second.machine);
        second
            .machine
            .handle(now(30_000), ProposeInput::Got(proposal_id("prop_1"), Ok(None)))
            .unwrap();
        assert_eq!(outputs(&mut second.machine), ["persist 1"]);
        let persist = expect(&second);
        let stored = second.persist(&store, persist);
        assert_eq!(stored.is_err(), fenced);
        if stored.is_ok() {
            second.machine.handle(now(30_000), ProposeInput::Persisted(1)).unwrap();
            assert_eq!(
                outputs(&mut second.machine).last().unwrap(),
                "end prop_1 expired accepted=0 rejected=0 needed=2"
            );
        }

        let written = block_on(commit.put(&store));
        first
            .machine
            .handle(now(31_000), ProposeInput::Put(proposal_id("prop_1"), written))
            .unwrap();
        let ended = outputs(&mut first.machine).pop().unwrap();
        assert_eq!(ended, "end prop_1 committed as prop_1 accepted=2 rejected=0 needed=2");
    }
}

/// A write of before the restart is answered while the machine persists again.
#[test]
fn a_write_is_answered_after_the_restart() {
    let mut machine = Proposer::new(name("p1"), 1);
    propose(&mut machine, "prop_1", "x", "a");
    let accept = vote("prop_1", "a", "accept", "");
    machine.receive(now(0), *accept);
    assert_eq!(outputs(&mut machine), ["persist 1"]);
    let snapshot = machine.snapshot().unwrap();
    let answered = |answer: Result<u64, StorageError>| {
        let mut machine = Proposer::restore(&snapshot).unwrap();
        machine.handle(now(1_000), ProposeInput::Restarted).unwrap();
        assert_eq!(outputs(&mut machine), ["persist 1"]);
        machine.handle(now(1_000), ProposeInput::Put(proposal_id("prop_1"), answer)).unwrap();
        outputs(&mut machine)
    };
    assert_eq!(
        answered(Ok(1)),
        [
            "send decision prop_1 committed to a",
            "end prop_1 committed as prop_1 accepted=1 rejected=0 needed=1"
        ]
    );
    // Nothing else is a reason to skip persisting.
    assert!(answered(Err(super::conflict())).is_empty());
    assert!(answered(Err(super::unavailable())).is_empty());
}

/// Votes that came after the snapshot are lost: whoever is missing is asked again, also when the
/// proposal was sent as often as it may be.
#[test]
fn a_restart_asks_again() {
    let mut machine = Proposer::new(name("p1"), 1);
    propose(&mut machine, "prop_1", "x", "a,b,c");
    let accept = vote("prop_1", "a", "accept", "");
    machine.receive(now(0), *accept);
    machine.handle_timeout(now(10_000));
    machine.handle_timeout(now(20_000));
    outputs(&mut machine);
    let mut again = Proposer::restore(&machine.snapshot().unwrap()).unwrap();
    again.handle(now(21_000), ProposeInput::Restarted).unwrap();
    assert_eq!(outputs(&mut again), ["send proposal prop_1 attempt=4 to b, c"]);
    assert_eq!(again.deadline(), Some(now(30_000).at));
}

/// Electorates that share no voter approve of two states; the store takes one.
#[test]
fn an_electorate_is_replaced() {
    let store = MemoryStore::new();
    let mut ends = Vec::new();
    let mut proposers = [("prop_1", "x", "a,b"), ("prop_2", "y", "c,d")].map(|(id, of, voters)| {
        let mut machine = Proposer::new(name("p1"), 1);
        propose(&mut machine, id, of, voters);
        for voter in voters.split(',') {
            let accept = vote(id, voter, "accept", "");
            machine.receive(now(0), *accept);
        }
        machine.handle(now(0), ProposeInput::Persisted(1)).unwrap();
        machine
    });
    for machine in &mut proposers {
        while let Some(output) = machine.poll() {
            let input = match output {
                ProposeOutput::Put(commit) => {
                    let id = commit.record.proposal.proposal_id.clone();
                    ProposeInput::Put(id, block_on(commit.put(&store)))
                }
                ProposeOutput::Get(id, slot) => ProposeInput::Got(id, block_on(slot.get(&store))),
                ProposeOutput::Ended { end, .. } => {
                    ends.push(end);
                    continue;
                }
                _ => continue,
            };
            machine.handle(now(0), input).unwrap();
        }
    }
    let [BallotEnd::Committed(first), BallotEnd::Conflict(found)] = &ends[..] else {
        panic!("{ends:?}")
    };
    assert_eq!(first, found);
}

/// A voter that accepted, by a wall clock this number of milliseconds off.
fn accepted(skew: i64) -> Result<Voter, String> {
    let at = Now::new(now(0).at, now(0).wall.unix_millis() + skew);
    let mut voter = Voter::new(name("a"), 1);
    let proposal = proposed("prop_1", "p1", 16, "x", 30_000);
    voter.receive(at, *proposal);
    let first = voter.poll().expect("it is considered, or ignored").to_string();
    if first.starts_with("ignore") {
        return Err(first);
    }
    let cast =
        VoteInput::Cast { proposal_id: proposal_id("prop_1"), vote: Ballot::Accept, reason: None };
    voter.handle(at, cast).unwrap();
    voter.handle(at, VoteInput::Persisted(1)).unwrap();
    outputs(&mut voter);
    Ok(voter)
}

/// Wall clocks that differ shift how long a vote binds, within limits; what is committed they do
/// not change.
#[test]
fn wall_clocks_differ() {
    let bound = |skew| accepted(skew).map(|voter| voter.deadline());
    assert_eq!(bound(0), Ok(Some(now(30_000).at)));
    assert_eq!(bound(29_999), Ok(Some(now(1).at)));
    // Past the deadline by its clock, it votes all the same: whether the ballot is over is for the
    // proposer to say.
    for ahead in [30_000, 31_000, 3_600_000] {
        assert_eq!(bound(ahead), Ok(Some(now(30_000).at)));
    }
    assert_eq!(bound(-86_400_000), Ok(Some(now(600_000).at)));

    // One that is ahead accepts a second state while the first is still open: of two writes, one
    // succeeds.
    let mut voter = accepted(29_999).unwrap();
    let mut instant = 1;
    while voter.proposals().next().is_some() {
        voter.handle_timeout(now(instant));
        outputs(&mut voter);
        voter.handle(now(instant), VoteInput::Got(slot(16), Ok(None))).unwrap();
        instant += 60_000;
    }
    let second = proposed("prop_2", "p2", 16, "y", 900_000);
    voter.receive(now(instant), *second);
    assert!(outputs(&mut voter).contains(&"consider prop_2".to_owned()));
    let store = MemoryStore::new();
    let put = |id, of| {
        let key = slot(16).key().unwrap();
        block_on(store.put(&key, &stored(id, 16, of), Commit::EXPECT))
    };
    assert!(put("prop_1", "x").is_ok() && put("prop_2", "y").is_err());
}

/// A proposal is voted on once, whether its deadline passed before it came or after it: a copy that comes when it
/// was given up binds no more, and the voter is free for another.
#[test]
fn a_copy_of_what_was_given_up_is_late() {
    for skew in [0, 20_000, 31_000] {
        let mut voter = accepted(skew).unwrap();
        let at = |instant| Now::new(now(instant).at, now(instant).wall.unix_millis() + skew);
        let copy = || proposed("prop_1", "p1", 16, "x", 30_000);
        // Its vote may have been lost, so it is sent again while it binds.
        voter.receive(at(1_000), *copy());
        assert_eq!(outputs(&mut voter), ["send vote prop_1 accept to p1"], "{skew}");
        while let Some(due) = voter.deadline() {
            let due = due.as_nanos().div_ceil(1_000_000);
            voter.handle_timeout(at(due));
            outputs(&mut voter);
            voter.handle(at(due), VoteInput::Got(slot(16), Ok(None))).unwrap();
            outputs(&mut voter);
        }
        // Not even after a restart: that it was given up is in the snapshot.
        let mut voter = Voter::restore(&voter.snapshot().unwrap()).unwrap();
        let said = "ignore proposal from p1: late, the ballot on `prop_1` is over";
        voter.receive(at(100_000), *copy());
        assert_eq!(outputs(&mut voter), [said], "{skew}");
        assert_eq!((voter.proposals().count(), voter.deadline()), (0, None), "{skew}");
        voter.receive(at(100_000), *proposed("prop_2", "p2", 16, "y", 900_000));
        assert_eq!(outputs(&mut voter), ["consider prop_2"], "{skew}");
    }
}

/// The store loses a decision, and another is made: who remembers the first one says so.
#[test]
fn the_store_loses_a_decision() {
    let mut voter = accepted(0).unwrap();
    let found = |id, of| VoteInput::Got(slot(16), Ok(Some(entry(&slot(16), stored(id, 16, of)))));
    let told =
        |id: &str, digest: &str| decision(id, "committed", "p2", &format!("{ABOUT}{digest}"));
    voter.handle(now(0), found("prop_1", "x")).unwrap();
    let first = voter.decision(&slot(16)).unwrap().clone();
    let digest = |of| {
        let record = BallotRecord::read(&slot(16), &stored("prop_2", 16, of));
        format!(r#","digest":"{}""#, record.unwrap().decision().digest.unwrap())
    };
    let twice = "wf_001 version 16 is decided by `prop_1`, but another state by `prop_2`";
    assert_eq!(voter.handle(now(0), found("prop_2", "y")).unwrap_err().to_string(), twice);
    let said = ignored(&mut voter, told("prop_2", &digest("y")));
    assert_eq!(said, format!("mismatch, {twice}"));
    // The same state by another proposal is no second decision, nor is one that does not say.
    voter.handle(now(0), found("prop_2", "x")).unwrap();
    for message in [told("prop_2", &digest("x")), told("prop_2", "")] {
        assert_eq!(ignored(&mut voter, message), "duplicate, wf_001 version 16 is decided");
    }
    assert_eq!(voter.decision(&slot(16)), Some(&first));
}
