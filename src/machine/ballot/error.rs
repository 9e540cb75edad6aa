//! Why an input of a ballot is refused.

use super::record::{BallotSlot, Tally};
use crate::error::leaf_errors;
use crate::json::JsonError;
use crate::message::MessageKind;
use crate::scalar::{Ballot, BallotOutcome, ComponentId, ProposalId, printable};
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
    /// The message is neither a vote nor a decision.
    #[error("`{0}` is neither a vote nor a decision")]
    NotForProposers(MessageKind),
    /// It was not proposed here, or it is so long ago that it is forgotten.
    #[error("`{}` was not proposed here", printable(.0))]
    NotProposed(ProposalId),
    /// Another component sent the vote.
    #[error("`{source_id}` sent a vote of `{voter}`", source_id = printable(.source_id), voter = printable(.voter))]
    VoteOfAnother {
        /// Who sent it.
        source_id: ComponentId,
        /// Whose vote it says it is.
        voter: ComponentId,
    },
    /// The component is not among the voters.
    #[error("`{voter}` may not vote on `{proposal_id}`", voter = printable(.voter), proposal_id = printable(.proposal_id))]
    NotAVoter {
        /// The proposal.
        proposal_id: ProposalId,
        /// Who voted.
        voter: ComponentId,
    },
    /// The first vote counts.
    #[error("`{voter}` voted {first} on `{proposal_id}` before, now {now}; the first vote counts", voter = printable(.voter), first = printable(.first), proposal_id = printable(.proposal_id), now = printable(.now))]
    ChangedVote {
        /// The proposal.
        proposal_id: ProposalId,
        /// Who voted.
        voter: ComponentId,
        /// What it voted first.
        first: Ballot,
        /// What it votes now.
        now: Ballot,
    },
    /// The vote is a word that the protocol does not know.
    #[error("`{}` is no vote; expected `accept`, `reject` or `abstain`", printable(.0))]
    UnknownVote(Ballot),
    /// No open ballot is about the version of this decision.
    #[error("no open ballot is about the decision on `{}`", printable(.0))]
    Unrelated(ProposalId),
    /// No output asked for it.
    #[error("nothing was to be stored as {0}")]
    NothingToPersist(u64),
    /// No output asked for it.
    #[error("`{}` was not to be committed", printable(.0))]
    NothingToCommit(ProposalId),
    /// The message is neither a proposal nor a decision.
    #[error("`{0}` is neither a proposal nor a decision")]
    NotForVoters(MessageKind),
    /// Another component sent it.
    #[error("`{source_id}` speaks for the proposer of `{proposal_id}`", source_id = printable(.source_id), proposal_id = printable(.proposal_id))]
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
    #[error("the ballot on `{}` is over", printable(.0))]
    TooLate(ProposalId),
    /// The identifier stands for another proposal.
    #[error("`{}` was proposed with other content before", printable(.0))]
    ChangedProposal(ProposalId),
    /// The proposal contradicts itself.
    #[error("`{proposal_id}` cannot be voted on: {error}", proposal_id = printable(.proposal_id), error = printable(.error))]
    BadProposal {
        /// The proposal.
        proposal_id: ProposalId,
        /// What is wrong.
        error: Box<BallotError>,
    },
    /// The proposal is not before the voter: it never came, or it is settled.
    #[error("`{}` is not before this voter", printable(.0))]
    NotBefore(ProposalId),
    /// There is a vote, and a vote is final.
    #[error("the vote on `{}` is cast", printable(.0))]
    VotedBefore(ProposalId),
    /// The outcome is a word that the protocol does not know.
    #[error("`{}` is no outcome; expected `committed`, `rejected` or `expired`", printable(.0))]
    UnknownOutcome(BallotOutcome),
    /// The decision does not say what it decides.
    #[error("the decision on `{}` names no workflow or no version", printable(.0))]
    Incomplete(ProposalId),
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
        Self::Full(_) => ["full", Resource, LimitExceeded, transient, "retry", "Propose again when open ballots have ended."],
        Self::ProposedBefore(_) => ["proposed-before", State, Conflict, lasting, "correct_and_retry", "Propose under a fresh identifier."],
        Self::TooManyVoters { .. } => ["too-many-voters", State, Conflict, lasting, "correct_and_retry", "Propose to fewer voters, or raise the capacity."],
        Self::Unreachable { .. } => ["unreachable-quorum", State, Conflict, lasting, "correct_and_retry", "Propose to voters that can decide together."],
        Self::TooLarge { .. } => ["too-large", State, Conflict, lasting, "correct_and_retry", "Propose a smaller state, or raise the limit."],
        Self::Unhashable(_) => ["unhashable", State, Conflict, lasting, "correct_and_retry", "Write numbers that a double cannot hold as strings."],
        Self::NoKey(_) => ["key", State, Conflict, lasting, "correct_and_retry", "Use a shorter identifier of the workflow."],
        Self::NotForProposers(_) => ["not-for-proposers", State, Conflict, lasting, "correct_and_retry", "Hand on votes and decisions only."],
        Self::NotProposed(_) => ["not-proposed", State, Conflict, lasting, "correct_and_retry", "Hand on what belongs to the ballots of this proposer only."],
        Self::VoteOfAnother { .. } => ["vote-of-another", State, Conflict, lasting, "correct_and_retry", "Send votes of your own only."],
        Self::NotAVoter { .. } => ["not-a-voter", State, Conflict, lasting, "correct_and_retry", "Vote on what you were asked about only."],
        Self::ChangedVote { .. } => ["changed-vote", State, Conflict, lasting, "correct_and_retry", "Vote once on each proposal."],
        Self::UnknownVote(_) => ["unknown-vote", State, Conflict, lasting, "correct_and_retry", "Vote `accept`, `reject` or `abstain`."],
        Self::Unrelated(_) => ["unrelated", State, Conflict, lasting, "correct_and_retry", "Hand on what belongs to an open ballot only."],
        Self::NothingToPersist(_) => ["nothing-to-persist", State, Conflict, lasting, "correct_and_retry", "Confirm only what an output asked to be stored."],
        Self::NothingToCommit(_) => ["nothing-to-commit", State, Conflict, lasting, "correct_and_retry", "Hand in results only of writes that an output asked for."],
        Self::NotForVoters(_) => ["not-for-voters", State, Conflict, lasting, "correct_and_retry", "Hand on proposals and decisions only."],
        Self::NotTheProposer { .. } => ["not-the-proposer", State, Conflict, lasting, "correct_and_retry", "Send proposals of your own only."],
        Self::TooLate(_) => ["too-late", State, Conflict, lasting, "correct_and_retry", "Propose again under a fresh identifier."],
        Self::ChangedProposal(_) => ["changed-proposal", State, Conflict, lasting, "correct_and_retry", "Propose other content under a fresh identifier."],
        Self::BadProposal { .. } => ["bad-proposal", State, Conflict, lasting, "correct_and_retry", "Propose a state together with its digest."],
        Self::NotBefore(_) => ["not-before", State, Conflict, lasting, "correct_and_retry", "Vote on proposals that the voter has before it."],
        Self::VotedBefore(_) => ["voted-before", State, Conflict, lasting, "correct_and_retry", "Vote once on each proposal."],
        Self::UnknownOutcome(_) => ["unknown-outcome", State, Conflict, lasting, "correct_and_retry", "Announce `committed`, `rejected` or `expired`."],
        Self::Incomplete(_) => ["incomplete", State, Conflict, lasting, "correct_and_retry", "Name workflow and version in the decision."],
        Self::TwoDecisions { .. } => ["two-decisions", State, Corruption, lasting, "restore_backup", "Compare the store with a backup, and find out who wrote or announced the second decision."],
        Self::BadRecord { .. } => ["bad-record", State, Corruption, lasting, "restore_backup", "Keep what is stored for analysis, and restore the decision from a backup."],
        Self::Unreadable(_) => ["unreadable", State, Corruption, lasting, "restore_backup", "Keep what is stored for analysis, and restore the decision from a backup."],
        Self::OtherVersion(_) => ["other-version", State, Corruption, lasting, "restore_backup", "Keep what is stored for analysis, and restore the decision from a backup."],
        Self::NoDigest => ["no-digest", State, Corruption, lasting, "restore_backup", "Keep what is stored for analysis, and restore the decision from a backup."],
        Self::NotCanonical(_) => ["not-canonical", State, Corruption, lasting, "restore_backup", "Keep what is stored for analysis, and restore the decision from a backup."],
        Self::DigestDiffers => ["digest-differs", State, Corruption, lasting, "restore_backup", "Keep what is stored for analysis, and restore the decision from a backup."],
        Self::CountedTwice(_) => ["counted-twice", State, Corruption, lasting, "restore_backup", "Keep what is stored for analysis, and restore the decision from a backup."],
        Self::NotCarried(_) => ["not-carried", State, Corruption, lasting, "restore_backup", "Keep what is stored for analysis, and restore the decision from a backup."],
    }
}
