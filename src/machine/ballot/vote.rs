//! What goes into a voter and comes out of it.

use super::propose::said;
use super::record::{BallotRecord, BallotSlot, RecordError};
use crate::error::{IntoReport, Problem};
use crate::message::{Envelope, MessageKind, Proposal};
use crate::scalar::{Ballot, BallotOutcome, ComponentId, ErrorCategory, ErrorType, ProposalId};
use crate::storage::{Entry, StorageError};
use crate::validate::Checked;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What goes into a [`Voter`](super::Voter).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum VoteInput {
    /// A proposal came, or a decision.
    Received(Box<Checked<Envelope>>),
    /// The host has made up its mind on a proposal.
    Cast {
        /// The proposal.
        proposal_id: ProposalId,
        /// What to vote.
        vote: Ballot,
        /// Why, for people.
        reason: Option<String>,
    },
    /// A snapshot is stored that was taken after this wish to persist was fetched.
    Persisted(u64),
    /// What [`BallotSlot::get`] returned.
    Got(BallotSlot, Result<Option<Entry>, StorageError>),
    /// The machine was restored from a stored snapshot: wishes that were fetched may not have been
    /// done. They are wished again.
    Restarted,
}

/// Why a [`Voter`](super::Voter) refuses an input.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VoteRefused {
    /// The message is neither a proposal nor a decision.
    #[error("`{0}` is neither a proposal nor a decision")]
    NotForVoters(MessageKind),
    /// Another component sent it.
    #[error("`{source_id}` speaks for the proposer of `{proposal_id}`")]
    NotTheProposer {
        /// The proposal.
        proposal_id: ProposalId,
        /// Who sent the message.
        source_id: ComponentId,
    },
    /// As many proposals are before the voter as may be.
    #[error("{0} proposals are before this voter, which is the limit")]
    Full(usize),
    /// The deadline has passed.
    #[error("the ballot on `{0}` is over")]
    TooLate(ProposalId),
    /// The identifier stands for another proposal.
    #[error("`{0}` was proposed with other content before")]
    Changed(ProposalId),
    /// The proposal contradicts itself.
    #[error("`{proposal_id}` cannot be voted on: {error}")]
    BadProposal {
        /// The proposal.
        proposal_id: ProposalId,
        /// What is wrong.
        error: RecordError,
    },
    /// The decision could not be stored under any key.
    #[error("the decision would have no key: {0}")]
    NoKey(#[from] StorageError),
    /// The proposal is not before the voter: it never came, or it is settled.
    #[error("`{0}` is not before this voter")]
    NotBefore(ProposalId),
    /// There is a vote, and a vote is final.
    #[error("the vote on `{0}` is cast")]
    VotedBefore(ProposalId),
    /// This cannot be voted.
    #[error("`{0}` is no vote; expected `accept`, `reject` or `abstain`")]
    UnknownVote(Ballot),
    /// The decision says what nobody knows.
    #[error("`{0}` is no outcome; expected `committed`, `rejected` or `expired`")]
    UnknownOutcome(BallotOutcome),
    /// The decision does not say what it decides.
    #[error("the decision on `{0}` names no workflow or no version")]
    Incomplete(ProposalId),
    /// It was not wished.
    #[error("nothing was to be stored as {0}")]
    NothingToPersist(u64),
    /// What the store holds is no decision. Nobody can go on until it is mended.
    #[error("the store holds no decision of {slot}: {error}")]
    BadRecord {
        /// The version.
        slot: BallotSlot,
        /// What is wrong.
        error: RecordError,
    },
    /// A version has two decisions: the store lost the first one, or somebody lies.
    #[error("{slot} is decided by `{known}`, but another state by `{other}`")]
    TwoDecisions {
        /// The version.
        slot: BallotSlot,
        /// The proposal whose decision was learned first, which is kept.
        known: ProposalId,
        /// The proposal that brings another state.
        other: ProposalId,
    },
}

impl IntoReport for VoteRefused {
    fn problem(&self) -> Problem {
        let (category, error_type, strategy, advice) = match self {
            VoteRefused::BadRecord { error, .. } => {
                return Problem { message: self.to_string(), ..error.problem() };
            }
            VoteRefused::TwoDecisions { .. } => (
                ErrorCategory::State,
                ErrorType::Corruption,
                "restore_backup",
                "Compare the store with a backup, and find out who wrote or announced the second decision.",
            ),
            VoteRefused::Full(_) => (
                ErrorCategory::Resource,
                ErrorType::LimitExceeded,
                "retry",
                "Propose again when open ballots have ended.",
            ),
            _ => (
                ErrorCategory::State,
                ErrorType::Conflict,
                "correct_and_retry",
                "Hand on proposals that can be voted on, and vote once on each.",
            ),
        };
        Problem::new(category, error_type, self.to_string()).with_suggestion(strategy, advice)
    }
}

/// What a [`Voter`](super::Voter) wishes. `Display` is one line for logs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum VoteOutput {
    /// Make up your mind on this and hand in a [`Cast`](VoteInput::Cast).
    Consider(Box<Proposal>),
    /// Store a [`snapshot`](crate::machine::Machine::snapshot), then hand in
    /// [`Persisted`](VoteInput::Persisted) with this number.
    Persist(u64),
    /// Send this: a vote, or the decision of a version that is settled.
    Send {
        /// To whom; `None` if the proposal does not say who proposes.
        to: Option<ComponentId>,
        /// What to send.
        envelope: Box<Envelope>,
    },
    /// Do [`BallotSlot::get`] and hand in what it returns as [`Got`](VoteInput::Got).
    Get(BallotSlot),
    /// A version is decided. There is exactly one for each that is remembered.
    Learned(Box<BallotRecord>),
    /// All proposals of a version are over and the store holds no decision. The voter stops looking.
    Undecided(BallotSlot),
}

impl fmt::Display for VoteOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            VoteOutput::Consider(proposal) => write!(f, "consider {}", proposal.proposal_id),
            VoteOutput::Persist(number) => write!(f, "persist {number}"),
            VoteOutput::Send { to, envelope } => {
                f.write_str("send ")?;
                said(&envelope.message, f)?;
                to.as_ref().map_or(Ok(()), |to| write!(f, " to {to}"))
            }
            VoteOutput::Get(slot) => write!(f, "get {slot}"),
            VoteOutput::Learned(record) => {
                write!(f, "learned {}: {}", record.slot(), record.proposal.proposal_id)
            }
            VoteOutput::Undecided(slot) => write!(f, "undecided {slot}"),
        }
    }
}
