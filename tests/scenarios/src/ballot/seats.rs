//! Who proposes, who votes, and what stores.

use super::super::component;
use super::super::hosts::admit;
use super::{ALONE, RIVALS, STORE, voters};
use coordination_protocol::finding::Mode;
use coordination_protocol::json::Json;
use coordination_protocol::machine::{
    BallotEnd, BallotSlot, Commit, Machine, NewProposal, ProposeInput, ProposeOutput, Proposer,
    SplitMix64, Timers, VoteInput, VoteOutput, Voter,
};
use coordination_protocol::message::Message;
use coordination_protocol::scalar::{Ballot, Instant, Now, ProposalId, WorkflowId};
use coordination_protocol::sim::{Actor, Effects, Host};
use coordination_protocol::storage::{Entry, Expect, StorageError};
use coordination_protocol::validate::{Gate, Validator};
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// The version that is proposed when it is calm.
pub(super) const LAST: u64 = 1_000;

/// A machine whose snapshots take a while to be stored.
struct Stored<M> {
    machine: M,
    disk: Option<Json>,
    /// What is being written: when that is done, the number of the request to store, and the snapshot.
    writing: VecDeque<(Instant, u64, Json)>,
}

impl<M: Machine + DeserializeOwned> Stored<M> {
    fn new(host: &Host<'_>, fresh: M) -> Self {
        let restored = host.disk.and_then(|disk| M::restore(disk).ok());
        let machine = restored.unwrap_or(fresh);
        Stored { machine, disk: host.disk.cloned(), writing: VecDeque::new() }
    }

    fn persist(&mut self, now: Now, number: u64, draws: &mut SplitMix64) {
        let done = now.at.after(Duration::from_millis(1 + draws.below(400))).unwrap_or(now.at);
        // One after another.
        let done = self.writing.back().map_or(done, |(last, ..)| done.max(*last));
        if let Ok(snapshot) = self.machine.snapshot() {
            self.writing.push_back((done, number, snapshot));
        }
    }

    /// The number of a request to store that is done now.
    fn persisted(&mut self, now: Now) -> Option<u64> {
        self.writing.front().filter(|(done, ..)| *done <= now.at)?;
        let (_, number, snapshot) = self.writing.pop_front()?;
        self.disk = Some(snapshot);
        Some(number)
    }

    fn deadline(&self) -> Option<Instant> {
        let done = self.writing.front().map(|(done, ..)| *done);
        self.machine.deadline().into_iter().chain(done).min()
    }
}

/// What the store said of a key.
fn found(slot: &BallotSlot, text: &str) -> Result<Option<Entry>, StorageError> {
    let key = slot.key()?;
    Ok((text != "nothing").then(|| Entry::new(key, text.as_bytes(), 1)))
}

/// The version that the store speaks of.
fn slot(version: &str) -> Option<BallotSlot> {
    Some(BallotSlot::new(workflow(), version.parse().ok()?))
}

fn workflow() -> WorkflowId {
    WorkflowId::new("wf_1").expect("it is an identifier")
}

/// Proposes. A stimulus is a proposal of one of the rivals for a version.
pub(super) struct Proposing {
    seat: Stored<Proposer>,
    gate: Gate,
    draws: SplitMix64,
    fresh: bool,
}

impl Proposing {
    pub(super) fn new(host: &Host<'_>) -> Self {
        let mut draws = SplitMix64::new(host.seed);
        let proposer = Proposer::new(component(host.name), draws.next_u64());
        let gate = Gate::new(Validator::new(Mode::Strict));
        Proposing { seat: Stored::new(host, proposer), gate, draws, fresh: true }
    }

    fn tell(&mut self, now: Now, input: ProposeInput, effects: &mut Effects) {
        if let Err(refused) = self.seat.machine.handle(now, input) {
            effects.mark("not-taken", refused.to_string());
        }
    }

    fn follow(&mut self, now: Now, effects: &mut Effects) {
        while let Some(output) = self.seat.machine.poll() {
            match output {
                ProposeOutput::Send(message) => {
                    let text = message.envelope.to_string();
                    for to in &message.to {
                        effects.send(to.as_str(), text.as_str());
                    }
                }
                ProposeOutput::Persist(number) => {
                    self.seat.persist(now, number, &mut self.draws);
                }
                ProposeOutput::Put(commit) => {
                    let record = &commit.record;
                    let (id, slot) = (&record.proposal.proposal_id, record.slot());
                    let value = String::from_utf8_lossy(&record.to_bytes()).into_owned();
                    let expect = if Commit::EXPECT == Expect::Absent { "absent" } else { "any" };
                    effects.mark("puts", id.as_str());
                    effects
                        .send(STORE, format!("put {expect} {id} {} {value}", slot.state_version));
                }
                ProposeOutput::Get(id, slot) => {
                    effects.send(STORE, format!("get {id} {}", slot.state_version));
                }
                ProposeOutput::Ended { proposal_id, end } => {
                    let (word, record) = match &end {
                        BallotEnd::Committed(record) => ("committed", Some(record)),
                        BallotEnd::Conflict(record) => ("conflict", Some(record)),
                        BallotEnd::Rejected(_) => ("rejected", None),
                        BallotEnd::Expired(_) => ("expired", None),
                        other => panic!("no host knows {other:?}"),
                    };
                    let said = record.map(|record| {
                        format!("{} {}", record.slot().state_version, record.proposal.proposal_id)
                    });
                    let said = said.unwrap_or_default();
                    effects.mark("ended", format!("{proposal_id} {word} {said}"));
                    effects.mark(word, proposal_id.as_str());
                }
                ProposeOutput::Ignored(ignored) => effects.mark("not-taken", ignored.to_string()),
                other => panic!("no host knows {other:?}"),
            }
        }
    }

    /// What the store says.
    fn answer(&mut self, now: Now, text: &str, effects: &mut Effects) {
        let parts: Vec<&str> = text.splitn(4, ' ').collect();
        let [word, id, version, said] = parts[..] else { return };
        let (Ok(id), Some(slot)) = (ProposalId::new(id), slot(version)) else { return };
        let input = match (word, said) {
            ("put", "done") => ProposeInput::Put(id, Ok(1)),
            ("put", _) => {
                let Ok(key) = slot.key() else { return };
                let (expected, found) = (Commit::EXPECT, Some(1));
                ProposeInput::Put(id, Err(StorageError::Conflict { key, expected, found }))
            }
            _ => ProposeInput::Got(id, found(&slot, said)),
        };
        self.tell(now, input, effects);
    }
}

impl Actor for Proposing {
    fn receive(&mut self, now: Now, from: &str, bytes: &[u8], effects: &mut Effects) {
        if from == STORE {
            self.answer(now, &String::from_utf8_lossy(bytes), effects);
        } else if let Ok(envelope) = admit(&mut self.gate, now, from, bytes) {
            self.seat.machine.receive(now, envelope);
        }
        self.follow(now, effects);
    }

    fn wake(&mut self, now: Now, effects: &mut Effects) {
        if std::mem::take(&mut self.fresh) {
            self.tell(now, ProposeInput::Restarted, effects);
        }
        while let Some(number) = self.seat.persisted(now) {
            self.tell(now, ProposeInput::Persisted(number), effects);
        }
        self.seat.machine.handle_timeout(now);
        self.follow(now, effects);
    }

    fn stimulus(&mut self, now: Now, number: u64, effects: &mut Effects) {
        let version = if number == ALONE { LAST } else { number.div_ceil(RIVALS) };
        // Two of three rivals may propose the same.
        let state = format!(r#"{{"n":{}}}"#, self.draws.below(3));
        let said = state.clone();
        let Ok(state) = state.parse() else { return };
        let slot = BallotSlot::new(workflow(), version);
        let proposal = NewProposal::new(slot, state, voters(), now, self.draws.id_bytes());
        effects.mark("proposes", format!("{} {version} {said}", proposal.proposal_id()));
        self.tell(now, ProposeInput::Propose(Box::new(proposal)), effects);
        self.follow(now, effects);
    }

    fn deadline(&self) -> Option<Instant> {
        self.seat.deadline()
    }

    fn disk(&self) -> Option<Json> {
        self.seat.disk.clone()
    }
}

/// Votes, after some thought.
pub(super) struct Voting {
    seat: Stored<Voter>,
    gate: Gate,
    thoughts: Timers<ProposalId>,
    versions: BTreeMap<ProposalId, u64>,
    draws: SplitMix64,
    fresh: bool,
}

impl Voting {
    pub(super) fn new(host: &Host<'_>, weight: u32) -> Self {
        let mut draws = SplitMix64::new(host.seed);
        let voter = Voter::new(component(host.name), draws.next_u64()).with_weight(weight);
        Voting {
            seat: Stored::new(host, voter),
            gate: Gate::new(Validator::new(Mode::Strict)),
            thoughts: Timers::new(),
            versions: BTreeMap::new(),
            draws,
            fresh: true,
        }
    }

    fn tell(&mut self, now: Now, input: VoteInput, effects: &mut Effects) {
        if let Err(refused) = self.seat.machine.handle(now, input) {
            effects.mark("not-taken", refused.to_string());
        }
    }

    fn follow(&mut self, now: Now, effects: &mut Effects) {
        while let Some(output) = self.seat.machine.poll() {
            match output {
                VoteOutput::Consider(proposal) => {
                    let thought = Duration::from_millis(1 + self.draws.below(4_000));
                    let id = proposal.proposal_id;
                    self.versions.insert(id.clone(), proposal.state_version.get());
                    self.thoughts.set(id, now.at.after(thought));
                }
                VoteOutput::Persist(number) => self.seat.persist(now, number, &mut self.draws),
                VoteOutput::Send(message) => {
                    if let Message::Vote(vote) = &message.envelope.message {
                        effects.mark("votes", format!("{} {}", vote.proposal_id, vote.vote));
                    }
                    for to in &message.to {
                        effects.send(to.as_str(), message.envelope.to_string());
                    }
                }
                VoteOutput::Ignored(ignored) => effects.mark("not-taken", ignored.to_string()),
                VoteOutput::Get(slot) => {
                    effects.send(STORE, format!("get - {}", slot.state_version));
                }
                VoteOutput::Learned(record) => {
                    let (version, id) = (record.slot().state_version, &record.proposal.proposal_id);
                    effects.mark("learns", format!("{version} {id}"));
                }
                VoteOutput::Undecided(slot) => {
                    effects.mark("gives-up", slot.state_version.to_string());
                }
                other => panic!("no host knows {other:?}"),
            }
        }
    }

    /// Votes for the larger part of what is proposed, and for all that has no rival.
    fn cast(&mut self, now: Now, proposal_id: ProposalId, effects: &mut Effects) {
        let alone = self.versions.remove(&proposal_id) == Some(LAST);
        let vote = if alone || self.draws.below(6) > 0 { Ballot::Accept } else { Ballot::Reject };
        self.tell(now, VoteInput::Cast { proposal_id, vote, reason: None }, effects);
    }
}

impl Actor for Voting {
    fn receive(&mut self, now: Now, from: &str, bytes: &[u8], effects: &mut Effects) {
        if from == STORE {
            let text = String::from_utf8_lossy(bytes);
            let parts: Vec<&str> = text.splitn(4, ' ').collect();
            if let ["got", _, version, said] = parts[..]
                && let Some(slot) = slot(version)
            {
                let found = found(&slot, said);
                self.tell(now, VoteInput::Got(slot, found), effects);
            }
        } else if let Ok(envelope) = admit(&mut self.gate, now, from, bytes) {
            self.seat.machine.receive(now, envelope);
        }
        self.follow(now, effects);
    }

    fn wake(&mut self, now: Now, effects: &mut Effects) {
        if std::mem::take(&mut self.fresh) {
            self.tell(now, VoteInput::Restarted, effects);
        }
        while let Some(number) = self.seat.persisted(now) {
            self.tell(now, VoteInput::Persisted(number), effects);
        }
        while let Some(id) = self.thoughts.due(now.at) {
            self.cast(now, id, effects);
        }
        self.seat.machine.handle_timeout(now);
        self.follow(now, effects);
    }

    fn deadline(&self) -> Option<Instant> {
        self.seat.deadline().into_iter().chain(self.thoughts.earliest()).min()
    }

    fn disk(&self) -> Option<Json> {
        self.seat.disk.clone()
    }
}

/// Stores by compare-and-set: `put absent ID VERSION VALUE`, `get ID VERSION`.
pub(super) struct Storing {
    values: BTreeMap<String, String>,
}

impl Storing {
    pub(super) fn new(host: &Host<'_>) -> Self {
        Storing { values: host.disk.and_then(|disk| disk.decode().ok()).unwrap_or_default() }
    }
}

impl Actor for Storing {
    fn receive(&mut self, _: Now, from: &str, bytes: &[u8], effects: &mut Effects) {
        let text = String::from_utf8_lossy(bytes);
        let parts: Vec<&str> = text.splitn(5, ' ').collect();
        match parts[..] {
            ["put", "absent", id, version, _] if self.values.contains_key(version) => {
                effects.send(from, format!("put {id} {version} conflict"));
            }
            ["put", _, id, version, value] => {
                self.values.insert(version.to_owned(), value.to_owned());
                effects.mark("stores", format!("{version} {value}"));
                effects.send(from, format!("put {id} {version} done"));
            }
            ["get", id, version] => {
                let value = self.values.get(version).map_or("nothing", String::as_str);
                effects.send(from, format!("got {id} {version} {value}"));
            }
            _ => {}
        }
    }

    fn disk(&self) -> Option<Json> {
        Json::of(&self.values).ok()
    }
}
