//! Voting on states, and learning what was decided.

use super::error::BallotError;
use super::options::BallotOptions;
use super::record::{self, BallotRecord, BallotSlot};
use super::vote::{VoteInput, VoteOutput};
use crate::error::Error;
use crate::json::Json;
use crate::machine::effect::NotApplied;
use crate::machine::outbox::{Outbox, bounded_outputs};
use crate::machine::settings::at_least;
use crate::machine::window::Window;
use crate::machine::{IgnoreReason, Machine, Outbound, Purpose, SplitMix64, Timers, snapshot_of};
use crate::message::{Decision, Envelope, EnvelopeHeader, Message, Proposal, Vote};
use crate::scalar::{
    Ballot, BallotOutcome, ComponentId, Count, Digest, Instant, MessageId, Now, ProposalId,
    Timestamp,
};
use crate::storage::{Entry, StorageError};
use crate::validate::Checked;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A proposal that is before the voter.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Seen {
    slot: BallotSlot,
    digest: Digest,
    proposer: Option<ComponentId>,
    /// When its deadline has passed, by our clock; `None` if the clock ends before.
    until: Option<Instant>,
    /// Whether it may still be committed, as far as we know.
    alive: bool,
    state: State,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum State {
    Considering(Box<Proposal>),
    Voted(Voted),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Voted {
    vote: Ballot,
    reason: Option<String>,
    /// The number of the output to persist it.
    seal: u64,
    stored: bool,
}

/// A version with proposals before the voter.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Version {
    proposals: BTreeSet<ProposalId>,
    look: Look,
    /// How often in a row the store held no decision, or did not answer.
    absent: u32,
    unanswered: u32,
    /// A proposal was given up while others were open: whether it was committed is not known.
    unsure: bool,
}

/// Whether the store is asked for a decision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Look {
    #[default]
    No,
    Asked,
    Pause,
}

impl Seen {
    fn passed(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| until <= now)
    }

    /// Whether the voter is bound to this state.
    fn binds(&self) -> bool {
        let accepted = matches!(&self.state, State::Voted(Voted { vote: Ballot::Accept, .. }));
        self.alive && accepted
    }
}

/// The version that a decision is about, if it names it.
fn slot_of(decision: &Decision) -> Option<BallotSlot> {
    let version = decision.state_version.as_ref()?.get();
    let epoch = decision.epoch.as_ref().map_or(0, Count::get);
    Some(BallotSlot::new(decision.workflow_id.clone()?, version).with_epoch(epoch))
}

/// Two decisions of a version are of one state.
fn agree(slot: &BallotSlot, known: &Decision, other: &Decision) -> Result<(), BallotError> {
    let differ = known.digest.as_ref().zip(other.digest.as_ref()).is_some_and(|(a, b)| a != b);
    if differ {
        return Err(BallotError::TwoDecisions {
            slot: slot.clone(),
            known: known.proposal_id.clone(),
            other: other.proposal_id.clone(),
        });
    }
    Ok(())
}

/// Votes on proposals and learns decisions; see [the module](super) for an example.
///
/// A proposal is voted on once. Until its deadline has passed by the voter's clock, a copy of it gets the same
/// vote again, for the vote may have been lost. Afterwards a copy is late, and stays so when the voter has given
/// the proposal up, as long as [`BallotOptions::capacity`] lets it remember that: a vote on the copy would bind
/// the voter once more, and copies that a transport delivers hours later could keep it from all other states
/// of the version. What this costs falls on voters whose clock is ahead: they repeat a lost vote for as much less
/// time as it is ahead, or for [`BallotOptions::open`] if the deadline had passed when the proposal came.
#[doc(alias = "consensus")]
#[doc(alias = "vote")]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Voter {
    own: ComponentId,
    weight: u32,
    options: BallotOptions,
    rng: SplitMix64,
    /// The number of the last output to persist.
    seals: u64,
    #[serde(with = "crate::machine::pairs")]
    seen: BTreeMap<ProposalId, Seen>,
    #[serde(with = "crate::machine::pairs")]
    versions: BTreeMap<BallotSlot, Version>,
    timers: Timers<BallotSlot>,
    decided: Window<BallotSlot, Decision>,
    /// The proposals that were given up. Copies of them may still be on their way.
    over: Window<ProposalId, ()>,
    out: Outbox<VoteOutput>,
}

bounded_outputs!(Voter);

impl Voter {
    /// A voter of a component. The seed decides on identifiers and pauses: give each start of a
    /// component a random one.
    pub fn new(own: ComponentId, seed: u64) -> Self {
        Voter {
            own,
            weight: 1,
            options: BallotOptions::default(),
            rng: SplitMix64::new(seed),
            seals: 0,
            seen: BTreeMap::new(),
            versions: BTreeMap::new(),
            timers: Timers::new(),
            decided: Window::new(),
            over: Window::new(),
            out: Outbox::new(),
        }
    }

    /// Sets how long votes bind, and how much is remembered.
    pub fn with_options(mut self, options: BallotOptions) -> Self {
        self.options = options;
        self
    }

    /// Sets what its votes count for, 1 unless set. The proposer's voter set has the last word.
    pub const fn with_weight(mut self, weight: u32) -> Self {
        self.weight = weight;
        self
    }

    /// The proposals before this voter, and what it votes; `None` while the host considers it.
    pub fn proposals(&self) -> impl Iterator<Item = (&ProposalId, Option<&Ballot>)> {
        self.seen.iter().map(|(id, seen)| match &seen.state {
            State::Considering(_) => (id, None),
            State::Voted(voted) => (id, Some(&voted.vote)),
        })
    }

    /// The decision of a version, while it is remembered.
    pub fn decision(&self, slot: &BallotSlot) -> Option<&Decision> {
        self.decided.get(slot)
    }

    /// Answers a proposer.
    fn send(&mut self, now: Now, to: Option<ComponentId>, message: impl Into<Message>) {
        let header = EnvelopeHeader::new()
            .with_message_id(MessageId::generate(now.id_millis(), self.rng.id_bytes()))
            .with_timestamp(now.timestamp())
            .with_source(self.own.clone());
        let to = to.into_iter().collect();
        self.out.push(Outbound::new(to, Envelope::new(header, message), Purpose::Answer));
    }

    fn proposed(
        &mut self,
        now: Now,
        source: Option<&ComponentId>,
        proposal: Box<Proposal>,
    ) -> Result<(), NotApplied> {
        let id = &proposal.proposal_id.clone();
        let not = |reason, detail: std::fmt::Arguments<'_>| Err(NotApplied::new(reason, detail));
        // The proposer frees its voters later on, so who it is must be beyond doubt from the start.
        let proposer = proposal.proposer.as_ref().or(source).cloned();
        if source.is_some_and(|source| Some(source) != proposer.as_ref()) {
            let detail = format_args!("it is not the proposer of `{id}`");
            return not(IgnoreReason::WrongSender, detail);
        }
        // What a vote binds to is the digest. A state that does not fit it could be anything.
        let digest = match record::check_digest(&proposal) {
            Ok(digest) => digest.clone(),
            Err(error) => {
                let detail = format_args!("`{id}` cannot be voted on: {error}");
                return not(IgnoreReason::Invalid, detail);
            }
        };
        let slot = record::slot(&proposal);
        // The vote would bind to a version that can never be looked up.
        slot.key()
            .map_err(|error| NotApplied::new(IgnoreReason::Invalid, BallotError::from(error)))?;
        // The decision instead of a vote: it ends the ballot of a proposer that does not know it
        // yet.
        if let Some(decision) = self.decided.get(&slot) {
            let decision = decision.clone();
            self.send(now, proposer, decision);
            return Ok(());
        }
        if let Some(seen) = self.seen.get(id) {
            // One identifier, two contents: a vote would count for whichever its proposer meant.
            if (&seen.slot, &seen.digest, &seen.proposer) != (&slot, &digest, &proposer) {
                let detail = format_args!("`{id}` was proposed with other content before");
                return not(IgnoreReason::Mismatch, detail);
            }
            if seen.passed(now.at) {
                return Err(NotApplied::new(IgnoreReason::Late, BallotError::TooLate(id.clone())));
            }
            // The proposal comes again because the vote was lost, or is still being stored.
            self.repeat(now, id);
            return Ok(());
        }
        // Voted on once. Each copy that comes late would bind this voter anew, for as long as copies come.
        if self.over.get(id).is_some() {
            return Err(NotApplied::new(IgnoreReason::Late, BallotError::TooLate(id.clone())));
        }
        let deadline = proposal.deadline.as_ref().and_then(Timestamp::unix_millis);
        // By the wall clock, which is all that both sides share. It decides only how long a vote
        // binds, never whether there is one and what is committed: by a clock that is ahead each
        // deadline has passed already, and whether the ballot is over is for its proposer to say.
        let left = deadline.and_then(|deadline| {
            let left = u64::try_from(deadline.saturating_sub(now.wall.unix_millis())).ok()?;
            (left > 0).then(|| Duration::from_millis(left))
        });
        // A bound refuses what is new. To drop a proposal that was accepted would free the voter
        // for another state.
        if self.seen.len() >= self.options.capacity.max(1) {
            let count = self.seen.len();
            let detail =
                format_args!("{count} proposals are before this voter, which is the limit");
            return not(IgnoreReason::Full, detail);
        }
        // A proposer whose clock is years ahead must not bind this voter for years.
        let bound = left.unwrap_or(at_least(self.options.open)).min(at_least(self.options.longest));
        let others = self.bound_to(&slot);
        let consider = others.is_none().then(|| proposal.clone());
        let seen = Seen {
            slot: slot.clone(),
            digest: digest.clone(),
            proposer,
            until: now.at.after(bound),
            alive: true,
            state: State::Considering(proposal),
        };
        self.seen.insert(id.clone(), seen);
        self.versions.entry(slot.clone()).or_default().proposals.insert(id.clone());
        self.arm(&slot);
        match others {
            // The same state again, by whomever: that was considered.
            Some((_, same)) if same == digest => self.decide(id, Ballot::Accept, None),
            // Decided without the host: whatever it thinks of this state, it has accepted another
            // one for the version.
            Some((other, _)) => self.refuse(id, &other),
            None => self.out.extend(consider.map(VoteOutput::Consider)),
        }
        Ok(())
    }

    /// The proposal and state that the voter is bound to.
    fn bound_to(&self, slot: &BallotSlot) -> Option<(ProposalId, Digest)> {
        let ids = &self.versions.get(slot)?.proposals;
        ids.iter().find_map(|id| {
            let seen = self.seen.get(id).filter(|seen| seen.binds())?;
            Some((id.clone(), seen.digest.clone()))
        })
    }

    /// Votes against what contradicts a vote that binds.
    fn refuse(&mut self, id: &ProposalId, bound: &ProposalId) {
        self.decide(id, Ballot::Reject, Some(format!("bound to {bound}")));
    }

    /// Notes a vote. It is sent once it is stored.
    fn decide(&mut self, id: &ProposalId, vote: Ballot, reason: Option<String>) {
        let Some(seen) = self.seen.get_mut(id) else { return };
        self.seals += 1;
        let seal = self.seals;
        // Noted, not sent. A vote that is sent and then forgotten in a restart could be cast a
        // second time, for another state, and two quorums could meet in this voter.
        seen.state = State::Voted(Voted { vote, reason, seal, stored: false });
        self.out.push(VoteOutput::Persist(seal));
    }

    /// Says again what was said.
    fn repeat(&mut self, now: Now, id: &ProposalId) {
        let Some(seen) = self.seen.get(id) else { return };
        let State::Voted(voted) = &seen.state else { return };
        // Asked for again, because the host may have lost it. Sent it is only when it is stored.
        if !voted.stored {
            self.out.push(VoteOutput::Persist(voted.seal));
            return;
        }
        let mut vote = Vote::new(id.clone(), self.own.clone(), voted.vote.clone());
        vote.reason.clone_from(&voted.reason);
        if self.weight != 1 {
            vote = vote.with_weight(Count::from(self.weight));
        }
        let to = seen.proposer.clone();
        self.send(now, to, vote);
    }

    fn cast(
        &mut self,
        now: Now,
        id: &ProposalId,
        vote: Ballot,
        reason: Option<String>,
    ) -> Result<(), BallotError> {
        let seen = self.seen.get(id).ok_or_else(|| BallotError::NotBefore(id.clone()))?;
        if let State::Voted(_) = seen.state {
            return Err(BallotError::VotedBefore(id.clone()));
        }
        if !matches!(vote, Ballot::Accept | Ballot::Reject | Ballot::Abstain) {
            return Err(BallotError::UnknownVote(vote));
        }
        // It could not be counted any more, but would bind.
        if !seen.alive || seen.passed(now.at) {
            return Err(BallotError::TooLate(id.clone()));
        }
        match self.bound_to(&seen.slot) {
            // The host may have been asked about two states before it answered on either. The first
            // yes binds.
            Some((other, digest)) if vote == Ballot::Accept && digest != seen.digest => {
                self.refuse(id, &other);
            }
            _ => self.decide(id, vote, reason),
        }
        Ok(())
    }

    fn persisted(&mut self, now: Now, number: u64) -> Result<(), BallotError> {
        if number == 0 || number > self.seals {
            return Err(BallotError::NothingToPersist(number));
        }
        let mut stored = Vec::new();
        for (id, seen) in &mut self.seen {
            if let State::Voted(voted) = &mut seen.state
                && !voted.stored
                // A snapshot holds all that was noted before it, so a higher number covers the
                // lower ones.
                && voted.seal <= number
            {
                voted.stored = true;
                stored.push(id.clone());
            }
        }
        for id in stored {
            self.repeat(now, &id);
        }
        Ok(())
    }

    fn announced(
        &mut self,
        now: Now,
        source: Option<&ComponentId>,
        decision: &Decision,
    ) -> Result<(), NotApplied> {
        let id = &decision.proposal_id;
        let not = |reason, detail: std::fmt::Arguments<'_>| Err(NotApplied::new(reason, detail));
        match decision.outcome {
            BallotOutcome::Committed => {
                let Some(slot) = slot_of(decision) else {
                    let detail =
                        format_args!("the decision on `{id}` names no workflow or no version");
                    return not(IgnoreReason::Incomplete, detail);
                };
                slot.key().map_err(|error| {
                    NotApplied::new(IgnoreReason::Invalid, BallotError::from(error))
                })?;
                // An announcement says where to look; the store says what is true.
                let Some(known) = self.decided.get(&slot) else {
                    self.look(now, slot);
                    return Ok(());
                };
                match agree(&slot, known, decision) {
                    Ok(()) => not(IgnoreReason::Duplicate, format_args!("{slot} is decided")),
                    Err(error) => Err(NotApplied::new(IgnoreReason::Mismatch, error)),
                }
            }
            BallotOutcome::Rejected | BallotOutcome::Expired => {
                let Some(seen) = self.seen.get_mut(id) else {
                    let error = BallotError::NotBefore(id.clone());
                    return Err(NotApplied::new(IgnoreReason::Unknown, error));
                };
                // Only its proposer knows that it will not commit. If anybody could say so, a voter
                // could be freed while the write is on its way.
                if let (Some(source), Some(proposer)) = (source, &seen.proposer)
                    && source != proposer
                {
                    let detail = format_args!("it is not the proposer of `{id}`");
                    return not(IgnoreReason::WrongSender, detail);
                }
                // Free, but not forgotten: a late copy of the proposal gets the same vote until its
                // deadline.
                seen.alive = false;
                Ok(())
            }
            _ => {
                let outcome = &decision.outcome;
                let detail = format_args!(
                    "`{outcome}` is no outcome; expected `committed`, `rejected` or `expired`"
                );
                not(IgnoreReason::Invalid, detail)
            }
        }
    }

    /// Asks the store for the decision of a version.
    fn look(&mut self, now: Now, slot: BallotSlot) {
        if let Some(version) = self.versions.get_mut(&slot) {
            version.look = Look::Asked;
            // The host or the store may never answer; then it is asked again.
            self.timers.set(slot.clone(), now.at.after(at_least(self.options.store)));
        }
        self.out.push(VoteOutput::Get(slot));
    }

    fn pause(&mut self, now: Now, slot: &BallotSlot, attempt: u32) {
        if let Some(version) = self.versions.get_mut(slot) {
            version.look = Look::Pause;
            let pause = self.options.retry.pause(attempt, &mut self.rng);
            self.timers.set(slot.clone(), now.at.after(pause));
        }
    }

    /// Waits for the next deadline of a proposal that may be committed.
    fn arm(&mut self, slot: &BallotSlot) {
        let Some(version) = self.versions.get(slot) else { return };
        // While the store is asked, the timer is that of the answer. Deadlines are looked at after
        // it.
        if version.look == Look::No {
            let seen = version.proposals.iter().filter_map(|id| self.seen.get(id)?.until);
            self.timers.set(slot.clone(), seen.min());
        }
    }

    fn got(
        &mut self,
        now: Now,
        slot: BallotSlot,
        result: &Result<Option<Entry>, StorageError>,
    ) -> Result<(), BallotError> {
        if let Ok(Some(entry)) = result {
            let record = BallotRecord::read(&slot, &entry.value).map_err(|error| {
                BallotError::BadRecord { slot: slot.clone(), error: Box::new(error) }
            })?;
            if let Some(known) = self.decided.get(&slot) {
                return agree(&slot, known, &record.decision());
            }
            // Checked by `read`, and believed because it comes from the store, whoever announced
            // it.
            self.learn(slot, record);
            return Ok(());
        }
        let Some(version) = self.versions.get_mut(&slot) else { return Ok(()) };
        // An answer to a question that is settled by now.
        if version.look != Look::Asked {
            return Ok(());
        }
        // No answer says nothing about the decision: neither free nor bound changes until there is
        // one.
        if result.is_err() {
            version.unanswered = version.unanswered.saturating_add(1);
            let attempt = version.unanswered;
            self.pause(now, &slot, attempt);
            return Ok(());
        }
        version.unanswered = 0;
        self.absent(now, &slot);
        Ok(())
    }

    /// The store holds no decision: what has passed its deadline binds no more. The decision may
    /// still be on its way, so that is looked for a few times before it is given up.
    fn absent(&mut self, now: Now, slot: &BallotSlot) {
        let over = self.passed(now, slot);
        let Some(version) = self.versions.get_mut(slot) else { return };
        version.absent += 1;
        // Past the deadline and nothing stored: free. But a write that was begun before may still
        // arrive, so it is looked for a few times more.
        if !over.is_empty() && self.options.retry.allows_after(version.absent) {
            let attempt = version.absent;
            for id in over {
                if let Some(seen) = self.seen.get_mut(&id) {
                    seen.alive = false;
                }
            }
            return self.pause(now, slot, attempt);
        }
        (version.absent, version.look) = (0, Look::No);
        // Given up while others are open: it may have been committed after the last look, so there
        // is one more at the end.
        version.unsure |= !over.is_empty();
        for id in over {
            self.give_up(slot, &id);
        }
        if self.versions.get(slot).is_some_and(|version| version.proposals.is_empty()) {
            self.versions.remove(slot);
            self.timers.set(slot.clone(), None);
            self.out.push(VoteOutput::Undecided(slot.clone()));
        } else {
            self.arm(slot);
        }
    }

    /// The proposals of a version that are past their deadline.
    fn passed(&self, now: Now, slot: &BallotSlot) -> Vec<ProposalId> {
        let ids = self.versions.get(slot).into_iter().flat_map(|version| &version.proposals);
        let passed = |id: &&ProposalId| self.seen.get(*id).is_some_and(|seen| seen.passed(now.at));
        ids.filter(passed).cloned().collect()
    }

    fn give_up(&mut self, slot: &BallotSlot, id: &ProposalId) {
        self.seen.remove(id);
        self.over.put(id.clone(), (), None, self.options.capacity);
        if let Some(version) = self.versions.get_mut(slot) {
            version.proposals.remove(id);
        }
    }

    fn learn(&mut self, slot: BallotSlot, record: BallotRecord) {
        let version = self.versions.remove(&slot).unwrap_or_default();
        // Settled all at once: a version has one decision, whoever proposed it.
        for id in &version.proposals {
            self.seen.remove(id);
        }
        self.timers.set(slot.clone(), None);
        self.decided.put(slot, record.decision(), None, self.options.capacity);
        self.out.push(VoteOutput::Learned(Box::new(record)));
    }

    /// Something of a version is due: a deadline has passed, a pause is over, or the host has not
    /// said what the store holds.
    fn due(&mut self, now: Now, slot: BallotSlot) {
        let Some(version) = self.versions.get(&slot) else { return };
        // The host did not answer in time, or the pause is over.
        if version.look != Look::No {
            return self.look(now, slot);
        }
        let over = self.passed(now, &slot);
        if over.iter().any(|id| self.seen.get(id).is_some_and(|seen| seen.alive)) {
            return self.look(now, slot);
        }
        // Their proposers said that they commit nothing.
        for id in over {
            self.give_up(&slot, &id);
        }
        let last = self.versions.get(&slot).filter(|version| version.proposals.is_empty());
        match last.map(|version| version.unsure) {
            // One that was given up before may have been committed meanwhile.
            Some(true) => return self.look(now, slot),
            Some(false) => drop(self.versions.remove(&slot)),
            None => {}
        }
        self.arm(&slot);
    }

    fn restarted(&mut self, now: Now) {
        let mut seal = 0;
        for seen in self.seen.values() {
            match &seen.state {
                State::Considering(proposal) => {
                    self.out.push(VoteOutput::Consider(proposal.clone()));
                }
                // The highest number is enough: one snapshot stores all votes.
                State::Voted(voted) if !voted.stored => seal = seal.max(voted.seal),
                State::Voted(_) => {}
            }
        }
        if seal > 0 {
            self.out.push(VoteOutput::Persist(seal));
        }
        let asked = |(slot, version): (&BallotSlot, &Version)| {
            (version.look == Look::Asked).then(|| slot.clone())
        };
        // The question may have died with the process; the timers of the others are in the
        // snapshot.
        let slots: Vec<_> = self.versions.iter().filter_map(asked).collect();
        for slot in slots {
            self.look(now, slot);
        }
    }
}

impl Machine for Voter {
    type Input = VoteInput;
    type Output = VoteOutput;
    type Error = BallotError;

    fn handle(&mut self, now: Now, input: VoteInput) -> Result<(), BallotError> {
        match input {
            VoteInput::Cast { proposal_id, vote, reason } => {
                self.cast(now, &proposal_id, vote, reason)
            }
            VoteInput::Persisted(number) => self.persisted(now, number),
            VoteInput::Got(slot, result) => self.got(now, slot, &result),
            VoteInput::Restarted => {
                self.out.command(BallotError::Unpolled)?;
                self.restarted(now);
                Ok(())
            }
        }
    }

    fn wants(&self, message: &Envelope) -> bool {
        matches!(message.message, Message::Proposal(_) | Message::Decision(_))
    }

    fn receive(&mut self, now: Now, message: Checked<Envelope>) {
        let Some(identity) = self.out.room_for(&message) else { return };
        let Envelope { header, message } = message.into_inner();
        let source = header.source.as_ref();
        let applied = match message {
            Message::Proposal(proposal) => self.proposed(now, source, proposal),
            Message::Decision(decision) => self.announced(now, source, &decision),
            _ => Err(IgnoreReason::Unwanted.into()),
        };
        if let Err(why) = applied {
            self.out.ignore(identity, why);
        }
    }

    fn handle_timeout(&mut self, now: Now) {
        while !self.out.is_full()
            && let Some(slot) = self.timers.due(now.at)
        {
            self.due(now, slot);
        }
    }

    fn poll(&mut self) -> Option<VoteOutput> {
        self.out.pop()
    }

    fn deadline(&self) -> Option<Instant> {
        if self.out.is_full() { None } else { self.timers.earliest() }
    }

    fn snapshot(&self) -> Result<Json, Error> {
        snapshot_of(self)
    }
}
