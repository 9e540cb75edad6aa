//! What goes into a voter and comes out of it.

use super::record::{BallotRecord, BallotSlot};
use crate::machine::effect::machine_output;
use crate::machine::{Ignored, Outbound};
use crate::message::Proposal;
use crate::scalar::{Ballot, ProposalId};
use crate::storage::{Entry, StorageError};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a host wants of a [`Voter`](super::Voter), and what came of what it was asked. Proposals and
/// decisions are [received](crate::machine::Machine::receive).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum VoteInput {
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
    /// Send this: a vote, or the decision of a version that is settled. It has no recipient if the
    /// proposal does not say who proposes.
    Send(Outbound),
    /// Do [`BallotSlot::get`] and hand in what it returns as [`Got`](VoteInput::Got).
    Get(BallotSlot),
    /// A version is decided. There is exactly one for each that is remembered.
    Learned(Box<BallotRecord>),
    /// All proposals of a version are over and the store holds no decision. The voter stops looking.
    Undecided(BallotSlot),
    /// A message was not applied.
    Ignored(Ignored),
}

machine_output!(VoteOutput);

impl fmt::Display for VoteOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            VoteOutput::Consider(proposal) => write!(f, "consider {}", proposal.proposal_id),
            VoteOutput::Persist(number) => write!(f, "persist {number}"),
            VoteOutput::Send(outbound) => outbound.fmt(f),
            VoteOutput::Ignored(ignored) => write!(f, "ignore {ignored}"),
            VoteOutput::Get(slot) => write!(f, "get {slot}"),
            VoteOutput::Learned(record) => {
                write!(f, "learned {}: {}", record.slot(), record.proposal.proposal_id)
            }
            VoteOutput::Undecided(slot) => write!(f, "undecided {slot}"),
        }
    }
}
