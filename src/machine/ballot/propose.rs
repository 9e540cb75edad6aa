//! What goes into a proposer and comes out of it.

use super::quorum::{Quorum, VoterSet};
use super::record::{BallotRecord, BallotSlot, Commit, Tally};
use crate::json::Json;
use crate::machine::effect::machine_output;
use crate::machine::{Ignored, Outbound};
use crate::scalar::{BallotOutcome, Now, ProposalId};
use crate::storage::{Entry, StorageError};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// A state to be put to the vote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewProposal {
    pub(super) proposal_id: ProposalId,
    pub(super) slot: BallotSlot,
    pub(super) state: Json,
    pub(super) voters: VoterSet,
    pub(super) quorum: Quorum,
    pub(super) open: Option<Duration>,
}

impl NewProposal {
    /// A state for a version, to be accepted by a majority of the voters. The identifier of the
    /// proposal is made from the time and ten random bytes.
    ///
    /// ```
    /// use coordination_protocol::machine::{BallotSlot, VoterSet, NewProposal, Quorum};
    /// use coordination_protocol::scalar::{ComponentId, Instant, Now, WorkflowId};
    ///
    /// let slot = BallotSlot::new(WorkflowId::new("wf_001")?, 16);
    /// let voters = VoterSet::new([ComponentId::new("hub")?, ComponentId::new("worker")?]);
    /// let now = Now::new(Instant::START, 1_736_942_400_000);
    /// let motion = NewProposal::new(slot, r#"{"progress":70}"#.parse()?, voters, now, [7; 10])
    ///     .with_quorum(Quorum::ALL);
    /// assert!(motion.proposal_id().as_str().starts_with("prop_"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(
        slot: BallotSlot,
        state: Json,
        voters: VoterSet,
        now: Now,
        random: [u8; 10],
    ) -> Self {
        NewProposal {
            proposal_id: ProposalId::generate(now.id_millis(), random),
            slot,
            state,
            voters,
            quorum: Quorum::default(),
            open: None,
        }
    }

    /// Sets the identifier of the proposal. It must never stand for another one.
    pub fn with_id(mut self, proposal_id: ProposalId) -> Self {
        self.proposal_id = proposal_id;
        self
    }

    /// Sets how much weight has to accept.
    pub fn with_quorum(mut self, quorum: Quorum) -> Self {
        self.quorum = quorum;
        self
    }

    /// Sets how long the ballot is open, instead of [`BallotOptions::open`](super::BallotOptions).
    pub fn with_open(mut self, open: Duration) -> Self {
        self.open = Some(open);
        self
    }

    /// The identifier that votes repeat.
    pub const fn proposal_id(&self) -> &ProposalId {
        &self.proposal_id
    }
}

/// What a host wants of a [`Proposer`](super::Proposer), and what came of what it was asked. Votes
/// and decisions are [received](crate::machine::Machine::receive).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ProposeInput {
    /// Put this to the vote.
    Propose(Box<NewProposal>),
    /// A snapshot is stored that was taken after this output was fetched.
    Persisted(u64),
    /// What [`Commit::put`] returned.
    Put(ProposalId, Result<u64, StorageError>),
    /// What [`BallotSlot::get`] returned.
    Got(ProposalId, Result<Option<Entry>, StorageError>),
    /// The machine was restored from a stored snapshot: outputs that were fetched may not have been
    /// carried out. They come again.
    Restarted,
}

/// How a ballot ended for its proposer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum BallotEnd {
    /// The store holds the proposed state. The record may be of another proposal of the same state.
    Committed(Box<BallotRecord>),
    /// The store holds another state for the version. Merge that with what was proposed, and propose
    /// the result for the version after it:
    ///
    /// ```
    /// use coordination_protocol::json::Json;
    /// use coordination_protocol::machine::{BallotRecord, BallotSlot, NewProposal, VoterSet};
    /// use coordination_protocol::merge::{MergePolicy, merge};
    /// use coordination_protocol::message::WorkflowState;
    /// use coordination_protocol::scalar::Now;
    ///
    /// /// `base` is the version that both were made from, `ours` what we proposed.
    /// fn propose_again(
    ///     record: &BallotRecord, base: &WorkflowState, ours: WorkflowState, policy: &MergePolicy,
    ///     voters: VoterSet, now: Now, random: [u8; 10],
    /// ) -> Result<Option<NewProposal>, Box<dyn std::error::Error>> {
    ///     let theirs = record.state()?;
    ///     let merged = merge(base, ours, &theirs, policy);
    ///     if !merged.is_clean() {
    ///         return Ok(None); // For a person to settle.
    ///     }
    ///     let slot = BallotSlot::after(&theirs);
    ///     Ok(Some(NewProposal::new(slot, Json::of(&merged.value)?, voters, now, random)))
    /// }
    /// ```
    Conflict(Box<BallotRecord>),
    /// Enough accept no more, whoever still votes. The store held nothing.
    Rejected(Tally),
    /// The time was over before enough had accepted. The store held nothing.
    Expired(Tally),
}

impl fmt::Display for BallotEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BallotEnd::Committed(record) => {
                write!(f, "committed as {} {}", record.proposal.proposal_id, record.tally())
            }
            BallotEnd::Conflict(record) => {
                write!(f, "conflict with {} {}", record.proposal.proposal_id, record.tally())
            }
            BallotEnd::Rejected(tally) => write!(f, "rejected {tally}"),
            BallotEnd::Expired(tally) => write!(f, "expired {tally}"),
        }
    }
}

/// What a [`Proposer`](super::Proposer) asks its host to do or to know: its effects. `Display` is one line for logs.
#[doc(alias = "effect")]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ProposeOutput {
    /// Send this to each of its voters: a proposal or a decision.
    Send(Outbound),
    /// Store a [`snapshot`](crate::machine::Machine::snapshot), then hand in
    /// [`Persisted`](ProposeInput::Persisted) with this number.
    Persist(u64),
    /// Do [`Commit::put`] and hand in what it returns as [`Put`](ProposeInput::Put).
    Put(Box<Commit>),
    /// Do [`BallotSlot::get`] and hand in what it returns as [`Got`](ProposeInput::Got).
    Get(ProposalId, BallotSlot),
    /// A message was not applied.
    Ignored(Ignored),
    /// The ballot ended. There is exactly one for each, unless a restart repeats it.
    Ended {
        /// The proposal.
        proposal_id: ProposalId,
        /// How it ended.
        end: BallotEnd,
    },
}

machine_output!(ProposeOutput);

impl fmt::Display for ProposeOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProposeOutput::Send(outbound) => outbound.fmt(f),
            ProposeOutput::Persist(number) => write!(f, "persist {number}"),
            ProposeOutput::Put(commit) => {
                write!(f, "put {} for {}", commit.record.proposal.proposal_id, commit.record.slot())
            }
            ProposeOutput::Get(proposal_id, slot) => write!(f, "get {slot} for {proposal_id}"),
            ProposeOutput::Ignored(ignored) => write!(f, "ignore {ignored}"),
            ProposeOutput::Ended { proposal_id, end } => write!(f, "end {proposal_id} {end}"),
        }
    }
}

/// How a ballot ends that commits nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Failure {
    Rejected,
    Expired,
}

impl Failure {
    pub(super) const fn outcome(self) -> BallotOutcome {
        match self {
            Failure::Rejected => BallotOutcome::Rejected,
            Failure::Expired => BallotOutcome::Expired,
        }
    }

    pub(super) const fn end(self, tally: Tally) -> BallotEnd {
        match self {
            Failure::Rejected => BallotEnd::Rejected(tally),
            Failure::Expired => BallotEnd::Expired(tally),
        }
    }
}
