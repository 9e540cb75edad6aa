//! Random schedules over a real store: messages are lost, doubled and reordered,
//! writes happen late or unseen, clocks run apart, components restart.

use super::{proposal_id, slot};
use crate::machine::{checked, name, now};
use crate::support::{Rng, scaled};
use coordination_protocol::Envelope;
use coordination_protocol::json::Json;
use coordination_protocol::machine::{
    BallotEnd, BallotRecord, Commit, Machine, NewProposal, Outbound, ProposeInput, ProposeOutput,
    Proposer, Quorum, VoteInput, VoteOutput, Voter, VoterSet,
};
use coordination_protocol::scalar::{Ballot, ProposalId};
use coordination_protocol::storage::{MemoryStore, block_on};
use std::collections::BTreeMap;

/// A component: its machine, its own clock, and what it stored.
struct Node<M> {
    machine: M,
    millis: u64,
    stored: Option<Json>,
}

impl<M: Machine> Node<M> {
    fn new(machine: M) -> Self {
        Node { machine, millis: 0, stored: None }
    }

    fn persist(&mut self) {
        self.stored = Some(self.machine.snapshot().unwrap());
    }
}

/// How often something goes wrong, as one in this number; 0 for never.
#[derive(Clone, Copy)]
struct Faults {
    lost: usize,
    doubled: usize,
    store: usize,
    crash: usize,
}

struct World {
    rng: Rng,
    faults: Faults,
    store: MemoryStore,
    voters: Vec<Node<Voter>>,
    proposers: Vec<Node<Proposer>>,
    weights: Vec<u32>,
    quorum: Quorum,
    /// Addressee and text.
    wire: Vec<(String, String)>,
    /// Writes that may happen at any time.
    writes: Vec<Commit>,
    /// Proposals that a voter is considering.
    thoughts: Vec<(usize, ProposalId)>,
    /// What each voter's host thinks of proposals: one in this number is rejected.
    objections: usize,
    ends: Vec<(ProposalId, BallotEnd)>,
    rounds: usize,
}

impl World {
    fn new(seed: u64, proposers: usize, faults: Faults, objections: usize) -> Self {
        let mut rng = Rng::new(seed);
        let voters = 3 + rng.below(5);
        let weights: Vec<u32> = (0..voters).map(|_| 1 + rng.below(3) as u32).collect();
        let quorum = [Quorum::MAJORITY, Quorum::ALL, Quorum::fraction(2, 3).unwrap()][rng.below(3)];
        World {
            voters: (0..voters)
                .map(|at| Voter::new(name(&format!("v{at}")), seed).with_weight(weights[at]))
                .map(Node::new)
                .collect(),
            proposers: (0..proposers)
                .map(|at| Node::new(Proposer::new(name(&format!("p{at}")), seed)))
                .collect(),
            rng,
            faults,
            store: MemoryStore::new(),
            weights,
            quorum,
            wire: Vec::new(),
            writes: Vec::new(),
            thoughts: Vec::new(),
            objections,
            ends: Vec::new(),
            rounds: 0,
        }
    }

    fn happens(&mut self, odds: usize) -> bool {
        odds > 0 && self.rng.one_in(odds)
    }

    fn send(&mut self, to: &str, envelope: &Envelope) {
        let copies = usize::from(!self.happens(self.faults.lost))
            + usize::from(self.happens(self.faults.doubled));
        for _ in 0..copies {
            self.wire.push((to.to_owned(), envelope.to_string()));
        }
    }

    /// Proposes a new state, or now and then the same as somebody else.
    fn propose(&mut self, at: usize) {
        self.rounds += 1;
        let weights = self.weights.iter().enumerate();
        let electorate = weights.fold(VoterSet::default(), |electorate, (at, weight)| {
            electorate.with(name(&format!("v{at}")), *weight)
        });
        let state = format!("{{\"n\":{}}}", self.rng.below(3)).parse().unwrap();
        let motion = NewProposal::new(slot(1), state, electorate, now(0), [0; 10])
            .with_id(proposal_id(&format!("prop_{}", self.rounds)))
            .with_quorum(self.quorum);
        self.proposer(at, ProposeInput::Propose(Box::new(motion)));
    }

    fn put(&mut self, at: usize, commit: Commit) {
        let id = commit.record.proposal.proposal_id.clone();
        let lost = self.happens(self.faults.store);
        if lost && self.rng.one_in(2) {
            self.writes.push(commit);
        } else {
            let result = block_on(commit.put(&self.store));
            if !lost {
                return self.proposer(at, ProposeInput::Put(id, result));
            }
        }
        self.proposer(at, ProposeInput::Put(id, Err(super::unavailable())));
    }

    fn get(&mut self, slot: &coordination_protocol::machine::BallotSlot) -> super::Got {
        if self.happens(self.faults.store) {
            return Err(super::unavailable());
        }
        block_on(slot.get(&self.store))
    }

    fn proposer(&mut self, at: usize, input: ProposeInput) {
        let time = now(self.proposers[at].millis);
        let _ = self.proposers[at].machine.handle(time, input);
        self.grant_proposer(at);
    }

    fn grant_proposer(&mut self, at: usize) {
        while let Some(output) = self.proposers[at].machine.poll() {
            match output {
                ProposeOutput::Send(Outbound { to, envelope, .. }) => {
                    for to in to {
                        self.send(to.as_str(), &envelope);
                    }
                }
                ProposeOutput::Persist(number) => {
                    self.proposers[at].persist();
                    // The crash between storing and going on.
                    if self.happens(self.faults.crash) {
                        return self.crash_proposer(at);
                    }
                    self.proposer(at, ProposeInput::Persisted(number));
                }
                ProposeOutput::Put(commit) => self.put(at, *commit),
                ProposeOutput::Get(id, slot) => {
                    let found = self.get(&slot);
                    self.proposer(at, ProposeInput::Got(id, found));
                }
                ProposeOutput::Ended { proposal_id, end } => self.ends.push((proposal_id, end)),
                _ => {}
            }
        }
    }

    fn voter(&mut self, at: usize, input: VoteInput) {
        let time = now(self.voters[at].millis);
        let _ = self.voters[at].machine.handle(time, input);
        self.grant_voter(at);
    }

    fn grant_voter(&mut self, at: usize) {
        while let Some(output) = self.voters[at].machine.poll() {
            match output {
                VoteOutput::Consider(proposal) => self.thoughts.push((at, proposal.proposal_id)),
                VoteOutput::Persist(number) => {
                    if self.happens(self.faults.crash) {
                        return self.crash_voter(at);
                    }
                    self.voters[at].persist();
                    self.voter(at, VoteInput::Persisted(number));
                }
                VoteOutput::Send(Outbound { to, envelope, .. }) => {
                    self.send(to[0].as_str(), &envelope);
                }
                VoteOutput::Get(slot) => {
                    let found = self.get(&slot);
                    self.voter(at, VoteInput::Got(slot, found));
                }
                _ => {}
            }
        }
    }

    fn crash_proposer(&mut self, at: usize) {
        let node = &mut self.proposers[at];
        node.machine = match &node.stored {
            Some(snapshot) => Proposer::restore(snapshot).unwrap(),
            None => Proposer::new(name(&format!("p{at}")), self.rounds as u64),
        };
        self.proposer(at, ProposeInput::Restarted);
    }

    fn crash_voter(&mut self, at: usize) {
        let node = &mut self.voters[at];
        node.machine = match &node.stored {
            Some(snapshot) => Voter::restore(snapshot).unwrap(),
            None => Voter::new(name(&format!("v{at}")), 1).with_weight(self.weights[at]),
        };
        self.thoughts.retain(|(voter, _)| *voter != at);
        self.voter(at, VoteInput::Restarted);
    }

    fn deliver(&mut self, at: usize) {
        let (to, text) = self.wire.swap_remove(at);
        let which: usize = to[1..].parse().unwrap();
        if to.starts_with('p') {
            let time = now(self.proposers[which].millis);
            self.proposers[which].machine.receive(time, *checked(&text));
            self.grant_proposer(which);
        } else {
            let time = now(self.voters[which].millis);
            self.voters[which].machine.receive(time, *checked(&text));
            self.grant_voter(which);
        }
    }

    fn cast(&mut self) {
        let (at, proposal_id) = self.thoughts.swap_remove(self.rng.below(self.thoughts.len()));
        let vote = if self.happens(self.objections) { Ballot::Reject } else { Ballot::Accept };
        self.voter(at, VoteInput::Cast { proposal_id, vote, reason: None });
    }

    /// The next timer of a component, by its own clock. Tells whether there was one.
    fn timer(&mut self, at: usize) -> bool {
        let millis = |deadline: coordination_protocol::scalar::Instant| {
            deadline.as_nanos().div_ceil(1_000_000)
        };
        if let Some(at) = at.checked_sub(self.voters.len()) {
            let node = &mut self.proposers[at];
            let Some(deadline) = node.machine.deadline() else { return false };
            node.millis = node.millis.max(millis(deadline));
            node.machine.handle_timeout(now(node.millis));
            self.grant_proposer(at);
        } else {
            let node = &mut self.voters[at];
            let Some(deadline) = node.machine.deadline() else { return false };
            node.millis = node.millis.max(millis(deadline));
            node.machine.handle_timeout(now(node.millis));
            self.grant_voter(at);
        }
        true
    }

    fn step(&mut self) {
        let nodes = self.voters.len() + self.proposers.len();
        match self.rng.below(20) {
            0 => {
                let at = self.rng.below(nodes);
                self.timer(at);
            }
            1 if self.happens(self.faults.crash) => {
                let at = self.rng.below(nodes);
                match at.checked_sub(self.voters.len()) {
                    Some(at) => self.crash_proposer(at),
                    None => self.crash_voter(at),
                }
            }
            2 if !self.writes.is_empty() => {
                let at = self.rng.below(self.writes.len());
                let _ = block_on(self.writes.swap_remove(at).put(&self.store));
            }
            3 if self.rounds < 6 => {
                let at = self.rng.below(self.proposers.len());
                self.propose(at);
            }
            4..=8 if !self.thoughts.is_empty() => self.cast(),
            _ if !self.wire.is_empty() => {
                let at = self.rng.below(self.wire.len());
                self.deliver(at);
            }
            _ => {}
        }
    }

    /// Nothing goes wrong any more, and everything that is under way gets done.
    fn calm(&mut self) {
        self.faults = Faults { lost: 0, doubled: 0, store: 0, crash: 0 };
        for commit in std::mem::take(&mut self.writes) {
            let _ = block_on(commit.put(&self.store));
        }
        for _ in 0..10_000 {
            if !self.thoughts.is_empty() {
                self.cast();
            } else if !self.wire.is_empty() {
                self.deliver(0);
            } else {
                let nodes = self.voters.len() + self.proposers.len();
                if !(0..nodes).any(|at| self.timer(at)) {
                    return;
                }
            }
        }
        panic!("they never come to rest");
    }

    fn stored(&self) -> Option<BallotRecord> {
        let entry = block_on(slot(1).get(&self.store)).unwrap()?;
        Some(BallotRecord::read(&slot(1), &entry.value).unwrap())
    }
}

#[test]
fn no_schedule_breaks_a_promise() {
    let mut ends = BTreeMap::new();
    for seed in 0..scaled(600) as u64 {
        let mut rng = Rng::new(seed ^ 0xB411);
        let mut odds = || [0, 3, 10][rng.below(3)];
        let (lost, doubled) = (odds(), odds());
        let faults = Faults { lost, doubled, store: odds(), crash: odds() };
        let mut world = World::new(seed, 2 + rng.below(3), faults, [0, 4][rng.below(2)]);
        for at in 0..world.proposers.len() {
            world.propose(at);
        }
        let mut first = None;
        for step in 0..=120 {
            if step < 120 {
                world.step();
            } else {
                world.calm();
            }
            let now = block_on(slot(1).get(&world.store)).unwrap();
            assert!(first.is_none() || first == now, "seed {seed}: the decision changed");
            first = now;
        }
        let stored = world.stored();

        // Whoever ended said what the store says.
        for (id, end) in &world.ends {
            let stored = stored.as_ref();
            match end {
                BallotEnd::Committed(record) | BallotEnd::Conflict(record) => {
                    assert_eq!(Some(&**record), stored, "seed {seed}: {id} {end}");
                }
                _ => assert!(
                    stored.is_none_or(|stored| stored.proposal.proposal_id != *id),
                    "seed {seed}: {id} {end}, and then it was committed",
                ),
            }
            *ends.entry(end.to_string().split(' ').next().unwrap().to_owned()).or_insert(0) += 1;
        }
        // No one is left waiting, and who voted for it and was told or looked in time knows it.
        assert!(world.proposers.iter().all(|node| node.machine.open().next().is_none()));
        for node in &world.voters {
            assert!(node.machine.proposals().next().is_none(), "seed {seed}");
            if let (Some(said), Some(stored)) = (node.machine.decision(&slot(1)), &stored) {
                assert_eq!(*said, stored.decision(), "seed {seed}");
            }
        }
        if let Some(stored) = &stored {
            let total = world.weights.iter().map(|weight| u64::from(*weight)).sum();
            assert!(stored.tally().accepted >= world.quorum.needed(total), "seed {seed}");
            for vote in &stored.votes {
                let at: usize = vote.voter.as_str()[1..].parse().unwrap();
                assert_eq!(vote.weight, u64::from(world.weights[at]), "seed {seed}");
            }
        }
    }
    for end in ["committed", "conflict", "rejected", "expired"] {
        assert!(ends.get(end).is_some_and(|count| *count >= 15), "{end}: {ends:?}");
    }
}

#[test]
fn a_calm_network_commits_at_once() {
    for seed in 0..scaled(300) as u64 {
        let faults = Faults { lost: 0, doubled: 0, store: 0, crash: 0 };
        let mut world = World::new(seed, 1, faults, 0);
        world.propose(0);
        while !(world.wire.is_empty() && world.thoughts.is_empty()) {
            if world.thoughts.is_empty() {
                let at = world.rng.below(world.wire.len());
                world.deliver(at);
            } else {
                world.cast();
            }
        }
        let [(id, BallotEnd::Committed(record))] = &world.ends[..] else {
            panic!("seed {seed}: {:?}", world.ends)
        };
        assert_eq!((id, Some(&**record)), (&record.proposal.proposal_id, world.stored().as_ref()));
        // All know it, without any timer.
        for node in &world.voters {
            assert_eq!(node.machine.decision(&slot(1)), Some(&record.decision()), "seed {seed}");
            assert_eq!(node.millis, 0);
        }
    }
}
