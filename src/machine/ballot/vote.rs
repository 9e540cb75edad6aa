//! What goes into a voter and comes out of it.

use super::propose::said;
use super::record::{BallotRecord, BallotSlot};
use crate::message::{Envelope, Proposal};
use crate::scalar::{Ballot, ComponentId, ProposalId};
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
    /// A snapshot is stored that was taken after this output was fetched.
    Persisted(u64),
    /// What [`BallotSlot::get`] returned.
    Got(BallotSlot, Result<Option<Entry>, StorageError>),
    /// The machine was restored from a stored snapshot: outputs that were fetched may not have been
    /// carried out. They come again.
    Restarted,
}

/// What a [`Voter`](super::Voter) asks its host to do or to know: its effects. `Display` is one line for logs.
#[doc(alias = "effect")]
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
