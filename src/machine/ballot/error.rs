//! Why an input of a ballot is refused.

use super::record::{BallotSlot, Tally};
use crate::error::leaf_errors;
use crate::json::JsonError;
use crate::scalar::{Ballot, ComponentId, ProposalId, printable};
use crate::storage::StorageError;

/// Why a [`Proposer`](super::Proposer) or a [`Voter`](super::Voter) refuses an input, or what is
/// wrong with a [stored decision](super::BallotRecord).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BallotError {
    /// As many ballots are open as may be.
    #[error("{0} ballots are open, which is the limit")]
    Busy(usize),
    /// The identifier is in use, or was a short while ago.
    #[error("`{}` was proposed before; each proposal needs an identifier of its own", printable(.0))]
    ProposedBefore(ProposalId),
    /// There are too many voters.
    #[error("the proposal has {found} voters, at most {limit} are allowed")]
    TooManyVoters {
        /// How many there are.
        found: usize,
        /// How many may be.
        limit: usize,
    },
    /// All together cannot reach the quorum.
    #[error("a weight of {needed} has to accept, but all voters together have {total}")]
    Unreachable {
        /// The weight that has to accept.
        needed: u64,
        /// The weight of all.
        total: u64,
    },
    /// The state is too large.
    #[error("the proposed state has {found} bytes, at most {limit} are allowed")]
    TooLarge {
        /// How many there are.
        found: usize,
        /// How many may be.
        limit: usize,
    },
    /// The state to be proposed has no digest.
    #[error("the proposed state has no digest: {}", printable(.0))]
    Unhashable(JsonError),
    /// The decision could not be stored under any key.
    #[error("the decision would have no key: {}", printable(.0))]
    NoKey(#[from] StorageError),
    /// It was not proposed here, or it is so long ago that it is forgotten.
    #[error("`{}` was not proposed here", printable(.0))]
    NotProposed(ProposalId),
    /// The vote is a word that the protocol does not know.
    #[error("`{}` is no vote; expected `accept`, `reject` or `abstain`", printable(.0))]
    UnknownVote(Ballot),
    /// No output asked for it.
    #[error("nothing was to be stored as {0}")]
    NothingToPersist(u64),
    /// No output asked for it.
    #[error("`{}` was not to be committed", printable(.0))]
    NothingToCommit(ProposalId),
    /// The deadline has passed.
    #[error("the ballot on `{}` is over", printable(.0))]
    TooLate(ProposalId),
    /// The proposal is not before the voter: it never came, or it is settled.
    #[error("`{}` is not before this voter", printable(.0))]
    NotBefore(ProposalId),
    /// There is a vote, and a vote is final.
    #[error("the vote on `{}` is cast", printable(.0))]
    VotedBefore(ProposalId),
    /// As many outputs wait to be fetched as may.
    #[error("{0} outputs wait to be fetched, which is the limit")]
    Unpolled(usize),
    /// A version has two decisions: the store lost the first one, or somebody lies.
    #[error("{slot} is decided by `{known}`, but another state by `{other}`", slot = printable(.slot), known = printable(.known), other = printable(.other))]
    TwoDecisions {
        /// The version.
        slot: BallotSlot,
        /// The proposal whose decision was learned first, which is kept.
        known: ProposalId,
        /// The proposal that brings another state.
        other: ProposalId,
    },
    /// What the store holds is no decision. The version stays undecided until it is mended.
    #[error("the store holds no decision of {slot}: {error}", slot = printable(.slot), error = printable(.error))]
    BadRecord {
        /// The version.
        slot: BallotSlot,
        /// What is wrong.
        error: Box<BallotError>,
    },
    /// What is stored is no decision at all.
    #[error("this is no decision: {}", printable(.0))]
    Unreadable(String),
    /// It decides another version.
    #[error("this is the decision of {}", printable(.0))]
    OtherVersion(BallotSlot),
    /// There is no digest that can be read.
    #[error("the proposal has no digest that can be read")]
    NoDigest,
    /// The state that is stored or proposed has no digest.
    #[error(transparent)]
    NotCanonical(#[from] JsonError),
    /// The digest is that of another state.
    #[error("the digest is not that of the proposed state")]
    DigestDiffers,
    /// What was decided is no state of the workflow, so it cannot be applied.
    #[error("what was decided as {slot} is no state: {detail}", slot = printable(.slot), detail = printable(.detail))]
    NoState {
        /// The version.
        slot: BallotSlot,
        /// What it is instead, or what is wrong with it.
        detail: String,
    },
    /// A voter's vote is counted more than once.
    #[error("the vote of `{}` is counted twice", printable(.0))]
    CountedTwice(ComponentId),
    /// Too few accepted it.
    #[error("too few accepted this decision: {}", printable(.0))]
    NotCarried(Tally),
}

leaf_errors! {
    BallotError, Machine {
        Self::Busy(_) => ["busy", Resource, LimitExceeded, transient, "retry", "Propose again when open ballots have ended."],
        Self::ProposedBefore(_) => ["proposed-before", State, Conflict, lasting, "correct_and_retry", "Propose under a fresh identifier."],
        Self::TooManyVoters { .. } => ["too-many-voters", State, Conflict, lasting, "correct_and_retry", "Propose to fewer voters, or raise the capacity."],
        Self::Unreachable { .. } => ["unreachable-quorum", State, Conflict, lasting, "correct_and_retry", "Propose to voters that can decide together."],
        Self::TooLarge { .. } => ["too-large", State, Conflict, lasting, "correct_and_retry", "Propose a smaller state, or raise the limit."],
        Self::Unhashable(_) => ["unhashable", State, Conflict, lasting, "correct_and_retry", "Write numbers that a double cannot hold as strings."],
        Self::NoKey(_) => ["key", State, Conflict, lasting, "correct_and_retry", "Use a shorter identifier of the workflow."],
        Self::NotProposed(_) => ["not-proposed", State, Conflict, lasting, "correct_and_retry", "Hand on what belongs to the ballots of this proposer only."],
        Self::UnknownVote(_) => ["unknown-vote", State, Conflict, lasting, "correct_and_retry", "Vote `accept`, `reject` or `abstain`."],
        Self::NothingToPersist(_) => ["nothing-to-persist", State, Conflict, lasting, "correct_and_retry", "Confirm only what an output asked to be stored."],
        Self::NothingToCommit(_) => ["nothing-to-commit", State, Conflict, lasting, "correct_and_retry", "Hand in results only of writes that an output asked for."],
        Self::TooLate(_) => ["too-late", State, Conflict, lasting, "correct_and_retry", "Propose again under a fresh identifier."],
        Self::NotBefore(_) => ["not-before", State, Conflict, lasting, "correct_and_retry", "Vote on proposals that the voter has before it."],
        Self::VotedBefore(_) => ["voted-before", State, Conflict, lasting, "correct_and_retry", "Vote once on each proposal."],
        Self::Unpolled(_) => ["unpolled", Execution, LimitExceeded, transient, "retry", "Fetch the outputs, then hand in the same input."],
        Self::TwoDecisions { .. } => ["two-decisions", State, Corruption, lasting, "restore_backup", "Compare the store with a backup, and find out who wrote or announced the second decision."],
        Self::BadRecord { .. } => ["bad-record", State, Corruption, lasting, "restore_backup", "Keep what is stored for analysis, and restore the decision from a backup."],
        Self::Unreadable(_) => ["unreadable", State, Corruption, lasting, "restore_backup", "Keep what is stored for analysis, and restore the decision from a backup."],
        Self::OtherVersion(_) => ["other-version", State, Corruption, lasting, "restore_backup", "Keep what is stored for analysis, and restore the decision from a backup."],
        Self::NoDigest => ["no-digest", State, Corruption, lasting, "restore_backup", "Keep what is stored for analysis, and restore the decision from a backup."],
        Self::NotCanonical(_) => ["not-canonical", State, Corruption, lasting, "restore_backup", "Keep what is stored for analysis, and restore the decision from a backup."],
        Self::DigestDiffers => ["digest-differs", State, Corruption, lasting, "restore_backup", "Keep what is stored for analysis, and restore the decision from a backup."],
        Self::NoState { .. } => ["no-state", State, Conflict, lasting, "correct_and_retry", "Propose whole states of the workflow, as `workflow_state` holds them."],
        Self::CountedTwice(_) => ["counted-twice", State, Corruption, lasting, "restore_backup", "Keep what is stored for analysis, and restore the decision from a backup."],
        Self::NotCarried(_) => ["not-carried", State, Corruption, lasting, "restore_backup", "Keep what is stored for analysis, and restore the decision from a backup."],
    }
}
