//! What goes into a proposer and comes out of it.

use super::quorum::{Quorum, VoterSet};
use super::record::{BallotRecord, BallotSlot, Commit, RecordError, Tally};
use crate::error::{IntoReport, Problem};
use crate::json::{CanonicalError, Json};
use crate::machine::IgnoreReason;
use crate::message::{Envelope, Message, MessageKind};
use crate::scalar::{
    Ballot, BallotOutcome, ComponentId, ErrorCategory, ErrorType, Now, ProposalId,
};
use crate::storage::{Entry, StorageError};
use crate::validate::Checked;
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

/// What goes into a [`Proposer`](super::Proposer).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ProposeInput {
    /// Put this to the vote.
    Propose(Box<NewProposal>),
    /// A vote came, or a decision.
    Received(Box<Checked<Envelope>>),
    /// A snapshot is stored that was taken after this wish to persist was fetched.
    Persisted(u64),
    /// What [`Commit::put`] returned.
    Put(ProposalId, Result<u64, StorageError>),
    /// What [`BallotSlot::get`] returned.
    Got(ProposalId, Result<Option<Entry>, StorageError>),
    /// The machine was restored from a stored snapshot: wishes that were fetched may not have been
    /// done. They are wished again.
    Restarted,
}

/// Why a [`Proposer`](super::Proposer) refuses an input.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProposeRefused {
    /// As many ballots are open as may be.
    #[error("{0} ballots are open, which is the limit")]
    Busy(usize),
    /// The identifier is in use, or was a short while ago.
    #[error("`{0}` was proposed before; each proposal needs an identifier of its own")]
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
    /// The state has no digest.
    #[error("the proposed state has no digest: {0}")]
    NoDigest(#[from] CanonicalError),
    /// The decision could not be stored under any key.
    #[error("the decision would have no key: {0}")]
    NoKey(#[from] StorageError),
    /// The message is neither a vote nor a decision.
    #[error("`{0}` is neither a vote nor a decision")]
    NotForProposers(MessageKind),
    /// Nobody proposed it here, or it is so long ago that it is forgotten.
    #[error("`{0}` was not proposed here")]
    NotProposed(ProposalId),
    /// Another component sent the vote.
    #[error("`{source_id}` sent a vote of `{voter}`")]
    VoteOfAnother {
        /// Who sent it.
        source_id: ComponentId,
        /// Whose vote it says it is.
        voter: ComponentId,
    },
    /// The voter is not in the voters.
    #[error("`{voter}` may not vote on `{proposal_id}`")]
    Stranger {
        /// The proposal.
        proposal_id: ProposalId,
        /// Who voted.
        voter: ComponentId,
    },
    /// The first vote counts.
    #[error("`{voter}` voted {first} on `{proposal_id}` before, now {now}; the first vote counts")]
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
    /// The vote says what nobody knows.
    #[error("`{0}` is no vote; expected `accept`, `reject` or `abstain`")]
    UnknownVote(Ballot),
    /// No open ballot is about the version of this decision.
    #[error("no open ballot is about the decision on `{0}`")]
    Unrelated(ProposalId),
    /// It was not wished.
    #[error("nothing was to be stored as {0}")]
    NothingToPersist(u64),
    /// It was not wished.
    #[error("`{0}` was not to be committed")]
    NothingToCommit(ProposalId),
    /// What the store holds is no decision. Nobody can go on until it is mended.
    #[error("the store holds no decision of {slot}: {error}")]
    BadRecord {
        /// The version.
        slot: BallotSlot,
        /// What is wrong.
        error: RecordError,
    },
}

impl IntoReport for ProposeRefused {
    fn problem(&self) -> Problem {
        let (category, error_type, strategy, advice) = match self {
            ProposeRefused::BadRecord { error, .. } => {
                return Problem { message: self.to_string(), ..error.problem() };
            }
            ProposeRefused::Busy(_) => (
                ErrorCategory::Resource,
                ErrorType::LimitExceeded,
                "retry",
                "Propose again when open ballots have ended.",
            ),
            _ => (
                ErrorCategory::State,
                ErrorType::Conflict,
                "correct_and_retry",
                "Propose under a fresh identifier to voters that can decide, and hand on what belongs to the ballot only.",
            ),
        };
        Problem::new(category, error_type, self.to_string()).with_suggestion(strategy, advice)
    }
}

/// How a ballot ended for its proposer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum BallotEnd {
    /// The store holds the proposed state. The record may be of another proposal of the same state.
    Committed(Box<BallotRecord>),
    /// The store holds another state for the version.
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

/// What a [`Proposer`](super::Proposer) wishes. `Display` is one line for logs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ProposeOutput {
    /// Send this to each of these: a proposal or a decision.
    Send {
        /// To whom.
        to: Vec<ComponentId>,
        /// What to send.
        envelope: Box<Envelope>,
    },
    /// Store a [`snapshot`](crate::machine::Machine::snapshot), then hand in
    /// [`Persisted`](ProposeInput::Persisted) with this number.
    Persist(u64),
    /// Do [`Commit::put`] and hand in what it returns as [`Put`](ProposeInput::Put).
    Put(Box<Commit>),
    /// Do [`BallotSlot::get`] and hand in what it returns as [`Got`](ProposeInput::Got).
    Get(ProposalId, BallotSlot),
    /// A vote came that changes nothing.
    Ignored {
        /// The proposal.
        proposal_id: ProposalId,
        /// Who voted.
        voter: ComponentId,
        /// Why it changes nothing.
        reason: IgnoreReason,
    },
    /// The ballot ended. There is exactly one for each, unless a restart repeats it.
    Ended {
        /// The proposal.
        proposal_id: ProposalId,
        /// How it ended.
        end: BallotEnd,
    },
}

impl fmt::Display for ProposeOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProposeOutput::Send { to, envelope } => {
                f.write_str("send ")?;
                said(&envelope.message, f)?;
                for (index, component) in to.iter().enumerate() {
                    write!(f, "{} {component}", if index == 0 { " to" } else { "," })?;
                }
                Ok(())
            }
            ProposeOutput::Persist(number) => write!(f, "persist {number}"),
            ProposeOutput::Put(commit) => {
                write!(f, "put {} for {}", commit.record.proposal.proposal_id, commit.record.slot())
            }
            ProposeOutput::Get(proposal_id, slot) => write!(f, "get {slot} for {proposal_id}"),
            ProposeOutput::Ignored { proposal_id, voter, reason } => {
                write!(f, "ignore {proposal_id} vote of {voter}: {reason}")
            }
            ProposeOutput::Ended { proposal_id, end } => write!(f, "end {proposal_id} {end}"),
        }
    }
}

/// What a message of a ballot says.
pub(super) fn said(message: &Message, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match message {
        Message::Proposal(body) => write!(f, "{} proposal", body.proposal_id),
        Message::Vote(body) => {
            write!(f, "{} {}", body.proposal_id, body.vote)?;
            match &body.reason {
                Some(reason) => write!(f, " ({reason})"),
                None => Ok(()),
            }
        }
        Message::Decision(body) => write!(f, "{} {}", body.proposal_id, body.outcome),
        other => write!(f, "{}", other.kind()),
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
