//! Putting a state to the vote, and committing it.

use super::BallotEnd;
use super::error::BallotError;
use super::options::BallotOptions;
use super::propose::{Failure, NewProposal, ProposeInput, ProposeOutput};
use super::quorum::VoterSet;
use super::record::{self, BallotRecord, BallotSlot, Commit, CountedVote, Tally};
use crate::error::Error;
use crate::json::Json;
use crate::machine::effect::NotApplied;
use crate::machine::outbox::{Outbox, bounded_outputs};
use crate::machine::settings::at_least;
use crate::machine::window::Window;
use crate::machine::{IgnoreReason, Machine, Outbound, Purpose, SplitMix64, Timers, snapshot_of};
use crate::message::{Decision, Envelope, EnvelopeHeader, Message, Proposal, Vote};
use crate::scalar::{
    Ballot, BallotOutcome, ComponentId, Count, Instant, MessageId, Now, ProposalId, Timestamp,
};
use crate::storage::{Entry, StorageError};
use crate::validate::Checked;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// A ballot that has not ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Open {
    proposal: Proposal,
    voters: VoterSet,
    needed: u64,
    votes: Vec<CountedVote>,
    state: State,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum State {
    Collecting(Collecting),
    Settling(Settling),
}

/// Votes are counted.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Collecting {
    /// When it is over; `None` if the clock ends before.
    until: Option<Instant>,
    /// How often the proposal was sent.
    sent: u32,
    /// The time between two sendings.
    interval: Duration,
}

/// No more votes are counted; host and store are at work.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Settling {
    /// How it is to end, unless the store holds a decision: `None` to be committed.
    failure: Option<Failure>,
    step: Step,
    /// The number of the output to persist.
    seal: u64,
    /// How often in a row the store did not answer.
    unanswered: u32,
}

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Step {
    Persist,
    Put,
    Get,
    Pause,
}

impl Open {
    fn tally(&self) -> Tally {
        Tally::of(&self.votes, self.needed)
    }

    /// The voters that have not voted.
    fn missing(&self) -> impl Iterator<Item = (&ComponentId, u32)> {
        let voted = |voter: &ComponentId| self.votes.iter().any(|vote| vote.voter == *voter);
        self.voters.voters().filter(move |(voter, _)| !voted(voter))
    }

    /// Whether the votes that are missing could still make a quorum.
    fn reachable(&self) -> bool {
        let missing = self.missing().map(|(_, weight)| u64::from(weight)).sum();
        self.tally().accepted.saturating_add(missing) >= self.needed
    }

    /// Whether it is about the version that somebody says is decided.
    fn is_about(&self, decision: &Decision) -> bool {
        let number = |count: &Option<Count>| count.as_ref().map(Count::get);
        decision.outcome == BallotOutcome::Committed
            && decision.workflow_id.as_ref() == Some(&self.proposal.workflow_id)
            && number(&decision.state_version) == Some(self.proposal.state_version.get())
            && number(&decision.epoch).unwrap_or(0) == number(&self.proposal.epoch).unwrap_or(0)
    }

    fn record(&self) -> BallotRecord {
        BallotRecord::new(self.proposal.clone(), self.needed, self.votes.clone())
    }
}

/// Puts states to the vote and commits what a quorum accepts; see [the module](super) for an
/// example.
#[doc(alias = "consensus")]
#[doc(alias = "quorum")]
#[doc(alias = "vote")]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Proposer {
    own: ComponentId,
    options: BallotOptions,
    rng: SplitMix64,
    /// The number of the last output to persist.
    seals: u64,
    #[serde(with = "crate::machine::pairs")]
    open: BTreeMap<ProposalId, Open>,
    timers: Timers<ProposalId>,
    ended: Window<ProposalId, ()>,
    out: Outbox<ProposeOutput>,
}

bounded_outputs!(Proposer);

impl Proposer {
    /// A proposer of a component. The seed decides on identifiers and pauses: give each start of a
    /// component a random one.
    pub fn new(own: ComponentId, seed: u64) -> Self {
        Proposer {
            own,
            options: BallotOptions::default(),
            rng: SplitMix64::new(seed),
            seals: 0,
            open: BTreeMap::new(),
            timers: Timers::new(),
            ended: Window::new(),
            out: Outbox::new(),
        }
    }

    /// Sets how long ballots are open, and how much is remembered.
    pub fn with_options(mut self, options: BallotOptions) -> Self {
        self.options = options;
        self
    }

    /// The ballots that have not ended, and how their votes stand.
    pub fn open(&self) -> impl Iterator<Item = (&ProposalId, Tally)> {
        self.open.iter().map(|(id, open)| (id, open.tally()))
    }

    fn propose(&mut self, now: Now, offered: NewProposal) -> Result<(), BallotError> {
        let (id, limit) = (offered.proposal_id, self.options.capacity.max(1));
        // Votes name a proposal by its identifier alone: late votes on the first would count for
        // the second.
        if self.open.contains_key(&id) || self.ended.get(&id).is_some() {
            return Err(BallotError::ProposedBefore(id));
        }
        if self.open.len() >= limit {
            return Err(BallotError::Busy(self.open.len()));
        }
        if offered.voters.len() > limit {
            return Err(BallotError::TooManyVoters { found: offered.voters.len(), limit });
        }
        let total = offered.voters.total();
        let needed = offered.quorum.needed(total);
        // It could only expire, and would keep its voters bound until then.
        if needed > total {
            return Err(BallotError::Unreachable { needed, total });
        }
        let (found, limit) = (offered.state.as_str().len(), self.options.state_bytes);
        if found > limit {
            return Err(BallotError::TooLarge { found, limit });
        }
        // Found out now, and not when a quorum has accepted what cannot be stored.
        offered.slot.key()?;
        let digest = record::digest(&offered.state).map_err(BallotError::Unhashable)?;
        let open = at_least(offered.open.unwrap_or(self.options.open));
        // On the wall clock, the only one that voters share with us. We go by our own clock.
        let deadline = Timestamp::from(now.wall.after(open));
        let BallotSlot { workflow_id, state_version, epoch } = offered.slot;
        let mut proposal =
            Proposal::new(id.clone(), workflow_id, state_version, self.own.clone(), digest)
                .with_value(offered.state)
                .with_deadline(deadline);
        proposal.epoch = (epoch > 0).then(|| epoch.into());
        // The attempts are spread over the time that the ballot is open: one that comes near its
        // end still finds voters that can be heard.
        let interval = at_least(open / self.options.retry.attempts.max(1));
        let state = State::Collecting(Collecting { until: now.at.after(open), sent: 0, interval });
        let voters = offered.voters;
        self.open.insert(id.clone(), Open { proposal, voters, needed, votes: Vec::new(), state });
        self.ask(now, &id);
        Ok(())
    }

    fn send(
        &mut self,
        now: Now,
        to: Vec<ComponentId>,
        message: impl Into<Message>,
        purpose: Purpose,
    ) {
        let header = EnvelopeHeader::new()
            .with_message_id(MessageId::generate(now.id_millis(), self.rng.id_bytes()))
            .with_timestamp(now.timestamp())
            .with_source(self.own.clone());
        self.out.push(Outbound::new(to, Envelope::new(header, message), purpose));
    }

    /// Sends the proposal to those who have not voted.
    fn ask(&mut self, now: Now, id: &ProposalId) {
        let Some(open) = self.open.get_mut(id) else { return };
        // A vote is final, so whoever has voted is not asked again.
        let to = open.missing().map(|(voter, _)| voter.clone()).collect();
        let State::Collecting(collecting) = &mut open.state else { return };
        collecting.sent += 1;
        let again = (collecting.sent < self.options.retry.attempts)
            .then(|| now.at.after(collecting.interval))
            .flatten();
        let next = [again, collecting.until].into_iter().flatten().min();
        let purpose = Purpose::Request { attempt: collecting.sent };
        let proposal = open.proposal.clone();
        self.timers.set(id.clone(), next);
        self.send(now, to, proposal, purpose);
    }

    fn vote(
        &mut self,
        now: Now,
        source: Option<&ComponentId>,
        vote: &Vote,
    ) -> Result<(), NotApplied> {
        let (id, voter) = (&vote.proposal_id, &vote.voter);
        let not = |reason, detail: std::fmt::Arguments<'_>| Err(NotApplied::new(reason, detail));
        // A component votes for itself only, or one could make up a quorum.
        if source.is_some_and(|source| source != voter) {
            return not(IgnoreReason::WrongSender, format_args!("it is a vote of `{voter}`"));
        }
        let Some(open) = self.open.get_mut(id) else {
            // The ballot has ended, and a vote that was on its way is no fault of its sender.
            let (reason, what) = match self.ended.get(id) {
                Some(()) => (IgnoreReason::Late, "is over"),
                None => (IgnoreReason::Unknown, "was not proposed here"),
            };
            return not(reason, format_args!("`{id}` {what}"));
        };
        let Some(most) = open.voters.weight(voter) else {
            let detail = format_args!("`{voter}` may not vote on `{id}`");
            return not(IgnoreReason::WrongSender, detail);
        };
        if !matches!(vote.vote, Ballot::Accept | Ballot::Reject | Ballot::Abstain) {
            return Err(NotApplied::new(
                IgnoreReason::Invalid,
                BallotError::UnknownVote(vote.vote.clone()),
            ));
        }
        // The first vote counts. If a later one could replace it, a tally that has carried could be
        // undone.
        if let Some(first) = open.votes.iter().find(|counted| counted.voter == *voter) {
            if first.vote != vote.vote {
                let (first, last) = (&first.vote, &vote.vote);
                let detail = format_args!(
                    "`{voter}` voted {first} on `{id}` before, now {last}; the first vote counts"
                );
                return not(IgnoreReason::Mismatch, detail);
            }
            return not(IgnoreReason::Duplicate, format_args!("`{voter}` has voted on `{id}`"));
        }
        let State::Collecting(collecting) = &open.state else {
            return not(IgnoreReason::Late, format_args!("`{id}` is settled"));
        };
        // By the time, not by whether the host has called `handle_timeout`: voters are free after
        // the deadline, so a later vote may contradict what they do by then.
        if collecting.until.is_some_and(|until| until <= now.at) {
            return not(IgnoreReason::Late, format_args!("`{id}` is over"));
        }
        // The voter set has the last word: a vote cannot make itself heavier.
        let weight = vote.weight.as_ref().map_or(1, Count::get).min(u64::from(most));
        let counted = CountedVote::new(voter.clone(), vote.vote.clone(), weight);
        // In the order of voters, so that equal votes make equal records whichever came first.
        let at = open.votes.partition_point(|other| other.voter < counted.voter);
        open.votes.insert(at, counted);
        // At once when the outcome is certain, either way: further votes cannot change it.
        if open.tally().carried() {
            self.settle(now, id, None);
        } else if !open.reachable() {
            self.settle(now, id, Some(Failure::Rejected));
        }
        Ok(())
    }

    /// Stops counting. What is to be committed is persisted first: a restart must not let another
    /// end be announced while the write may still be on its way. What failed is announced only if
    /// the store holds nothing.
    fn settle(&mut self, now: Now, id: &ProposalId, failure: Option<Failure>) {
        // The order differs. What is to be committed is persisted before the write, what failed is
        // looked up in the store before it is persisted: another proposer may have committed.
        let step = if failure.is_none() { Step::Persist } else { Step::Get };
        let Some(open) = self.open.get_mut(id) else { return };
        open.state = State::Settling(Settling { failure, step, seal: 0, unanswered: 0 });
        if step == Step::Persist {
            self.seal(now, id);
        } else {
            self.step(now, id, step);
        }
    }

    /// Asks the host to persist, under a new number.
    fn seal(&mut self, now: Now, id: &ProposalId) {
        let Some(Open { state: State::Settling(settling), .. }) = self.open.get_mut(id) else {
            return;
        };
        self.seals += 1;
        settling.seal = self.seals;
        self.step(now, id, Step::Persist);
    }

    /// Takes a step, and asks for what it waits for.
    fn step(&mut self, now: Now, id: &ProposalId, step: Step) {
        let Some(open) = self.open.get_mut(id) else { return };
        let (record, slot) = (open.record(), record::slot(&open.proposal));
        let State::Settling(settling) = &mut open.state else { return };
        settling.step = step;
        // A host or store that says nothing is asked again: the ballot is past its deadline, so
        // nothing else would wake it.
        let mut wait = at_least(self.options.store);
        match step {
            Step::Persist => self.out.push(ProposeOutput::Persist(settling.seal)),
            Step::Put => self.out.push(ProposeOutput::Put(Box::new(Commit::new(record)))),
            Step::Get => self.out.push(ProposeOutput::Get(id.clone(), slot)),
            Step::Pause => {
                settling.unanswered = settling.unanswered.saturating_add(1);
                wait = self.options.retry.pause(settling.unanswered, &mut self.rng);
            }
        }
        self.timers.set(id.clone(), now.at.after(wait));
    }

    /// Asks again for what may not have been done.
    fn again(&mut self, now: Now, id: &ProposalId) {
        let Some(open) = self.open.get(id) else { return };
        let State::Settling(settling) = &open.state else { return self.ask(now, id) };
        let step = match settling.step {
            Step::Persist => Step::Persist,
            // Whether it was written is not known: the store says.
            Step::Put | Step::Get | Step::Pause => Step::Get,
        };
        self.step(now, id, step);
    }

    fn persisted(&mut self, now: Now, number: u64) -> Result<(), BallotError> {
        if number == 0 || number > self.seals {
            return Err(BallotError::NothingToPersist(number));
        }
        let waiting = |open: &Open| match &open.state {
            State::Settling(Settling { step: Step::Persist, seal, failure, .. }) => {
                // A snapshot holds all that was noted before it, so a higher number covers the
                // lower ones.
                (*seal <= number).then_some(*failure)
            }
            _ => None,
        };
        let stored: Vec<_> =
            self.open.iter().filter_map(|(id, open)| Some((id.clone(), waiting(open)?))).collect();
        for (id, failure) in stored {
            match failure {
                None => self.step(now, &id, Step::Put),
                Some(failure) => self.fail(now, id, failure),
            }
        }
        Ok(())
    }

    fn put(
        &mut self,
        now: Now,
        id: ProposalId,
        result: &Result<u64, StorageError>,
    ) -> Result<(), BallotError> {
        let Some(open) = self.open.get(&id) else { return self.stale(id) };
        let step = match &open.state {
            // While it is persisted again after a restart, a write of before may be answered.
            State::Settling(Settling { failure: None, step, .. }) => *step,
            _ => return Err(BallotError::NothingToCommit(id)),
        };
        match result {
            Ok(_) => {
                let record = open.record();
                self.decided(now, id, record);
            }
            // Stale: the store was asked something else since, and that answer decides.
            Err(_) if step != Step::Put => {}
            // Something is there. Whether it is our own write of before, only the store can tell.
            Err(StorageError::Conflict { .. }) => self.step(now, &id, Step::Get),
            // The write may have happened. It is looked up after a pause, and never taken for
            // failed.
            Err(_) => self.step(now, &id, Step::Pause),
        }
        Ok(())
    }

    fn got(
        &mut self,
        now: Now,
        id: ProposalId,
        result: &Result<Option<Entry>, StorageError>,
    ) -> Result<(), BallotError> {
        let Some(open) = self.open.get_mut(&id) else { return self.stale(id) };
        if let Ok(Some(entry)) = result {
            let slot = record::slot(&open.proposal);
            let record = BallotRecord::read(&slot, &entry.value)
                .map_err(|error| BallotError::BadRecord { slot, error: Box::new(error) })?;
            self.decided(now, id, record);
            return Ok(());
        }
        let State::Settling(settling) = &mut open.state else { return Ok(()) };
        // Not what is waited for, such as the answer to a hint.
        if settling.step != Step::Get {
            return Ok(());
        }
        match (result, settling.failure) {
            (Err(_), _) => self.step(now, &id, Step::Pause),
            (Ok(_), None) => {
                // The store answers again, so the pauses begin anew.
                settling.unanswered = 0;
                self.step(now, &id, Step::Put);
            }
            // Nothing is stored. That is persisted before it is told: after a restart from an older
            // snapshot, this proposer could commit what its voters were told had failed.
            (Ok(_), Some(_)) => self.seal(now, &id),
        }
        Ok(())
    }

    /// An answer of the store for a ballot that has ended.
    fn stale(&self, id: ProposalId) -> Result<(), BallotError> {
        let known = self.ended.get(&id).copied();
        known.ok_or(BallotError::NotProposed(id))
    }

    /// Somebody says that a version is decided. The store is asked, since only it knows.
    fn hint(&mut self, decision: &Decision) -> Result<(), NotApplied> {
        let outputs: Vec<_> = self
            .open
            .iter()
            .filter(|(_, open)| open.is_about(decision))
            .map(|(id, open)| ProposeOutput::Get(id.clone(), record::slot(&open.proposal)))
            .collect();
        if outputs.is_empty() {
            let detail = format!("no open ballot is about `{}`", decision.proposal_id);
            return Err(NotApplied::new(IgnoreReason::Unknown, detail));
        }
        self.out.extend(outputs);
        Ok(())
    }

    fn close(&mut self, id: &ProposalId) -> Option<Open> {
        self.timers.set(id.clone(), None);
        // Remembered, for votes and answers of the store are still on their way.
        self.ended.put(id.clone(), (), None, self.options.capacity);
        self.open.remove(id)
    }

    /// The version is decided: says so, whatever the decision.
    fn decided(&mut self, now: Now, id: ProposalId, record: BallotRecord) {
        let Some(open) = self.close(&id) else { return };
        let to = open.voters.voters().map(|(voter, _)| voter.clone()).collect();
        self.send(now, to, record.decision(), Purpose::Notice);
        // By the state, not by the identifier: who commits the same state for another proposal
        // commits ours.
        let end = if record.proposal.digest == open.proposal.digest {
            BallotEnd::Committed(Box::new(record))
        } else {
            BallotEnd::Conflict(Box::new(record))
        };
        self.out.push(ProposeOutput::Ended { proposal_id: id, end });
    }

    /// The ballot commits nothing, and never will: says so, which frees its voters.
    fn fail(&mut self, now: Now, id: ProposalId, failure: Failure) {
        let Some(open) = self.close(&id) else { return };
        let tally = open.tally();
        let to = open.voters.voters().map(|(voter, _)| voter.clone()).collect();
        let decision = Decision::new(id.clone(), failure.outcome())
            .with_workflow_id(open.proposal.workflow_id)
            .with_accepted(Count::new(tally.accepted))
            .with_rejected(Count::new(tally.rejected));
        // Told first: its voters are bound until they hear it.
        self.send(now, to, decision, Purpose::Notice);
        self.out.push(ProposeOutput::Ended { proposal_id: id, end: failure.end(tally) });
    }

    fn received(&mut self, now: Now, envelope: &Checked<Envelope>) -> Result<(), NotApplied> {
        match &envelope.message {
            Message::Vote(vote) => self.vote(now, envelope.header.source.as_ref(), vote),
            Message::Decision(decision) => self.hint(decision),
            _ => Err(IgnoreReason::Unwanted.into()),
        }
    }
}

impl Machine for Proposer {
    type Input = ProposeInput;
    type Output = ProposeOutput;
    type Error = BallotError;

    fn handle(&mut self, now: Now, input: ProposeInput) -> Result<(), BallotError> {
        match input {
            ProposeInput::Propose(proposal) => {
                self.out.command(BallotError::Unpolled)?;
                self.propose(now, *proposal)
            }
            ProposeInput::Persisted(number) => self.persisted(now, number),
            ProposeInput::Put(id, result) => self.put(now, id, &result),
            ProposeInput::Got(id, result) => self.got(now, id, &result),
            ProposeInput::Restarted => {
                self.out.command(BallotError::Unpolled)?;
                let ids: Vec<_> = self.open.keys().cloned().collect();
                for id in ids {
                    self.again(now, &id);
                }
                Ok(())
            }
        }
    }

    fn wants(&self, message: &Envelope) -> bool {
        match &message.message {
            Message::Vote(vote) => {
                let id = &vote.proposal_id;
                self.open.contains_key(id) || self.ended.get(id).is_some()
            }
            Message::Decision(decision) => self.open.values().any(|open| open.is_about(decision)),
            _ => false,
        }
    }

    fn receive(&mut self, now: Now, message: Checked<Envelope>) {
        let Some(identity) = self.out.room_for(&message) else { return };
        if let Err(why) = self.received(now, &message) {
            self.out.ignore(identity, why);
        }
    }

    fn handle_timeout(&mut self, now: Now) {
        while !self.out.is_full()
            && let Some(id) = self.timers.due(now.at)
        {
            match self.open.get(&id).map(|open| &open.state) {
                Some(State::Collecting(collecting))
                    if collecting.until.is_some_and(|until| until <= now.at) =>
                {
                    self.settle(now, &id, Some(Failure::Expired));
                }
                Some(State::Collecting(_)) => self.ask(now, &id),
                Some(State::Settling(_)) => self.again(now, &id),
                None => {}
            }
        }
    }

    fn poll(&mut self) -> Option<ProposeOutput> {
        self.out.pop()
    }

    fn deadline(&self) -> Option<Instant> {
        if self.out.is_full() { None } else { self.timers.earliest() }
    }

    fn snapshot(&self) -> Result<Json, Error> {
        snapshot_of(self)
    }
}
