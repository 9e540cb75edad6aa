//! What the store holds of a decision, and where.

use super::error::BallotError;
use crate::json::{self, Json, JsonError, Limits};
use crate::message::{Decision, Proposal};
use crate::scalar::{Ballot, BallotOutcome, ComponentId, Count, Digest, WorkflowId};
use crate::storage::{Entry, Expect, Key, StorageError, Store};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// One version of a workflow's state: what a ballot decides on.
///
/// ```
/// use coordination_protocol::machine::BallotSlot;
/// use coordination_protocol::scalar::WorkflowId;
///
/// let slot = BallotSlot::new(WorkflowId::new("wf_001")?, 16);
/// assert_eq!(slot.key()?.as_str(), "ballot/wf_001/00000000000000000016");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BallotSlot {
    /// The workflow.
    pub workflow_id: WorkflowId,
    /// The version.
    pub state_version: u64,
}

impl BallotSlot {
    /// A version of a workflow's state.
    pub const fn new(workflow_id: WorkflowId, state_version: u64) -> Self {
        BallotSlot { workflow_id, state_version }
    }

    /// The key of its decision: `ballot/<workflow>/<version>`, the version with 20 digits, so that
    /// scans list versions in order.
    ///
    /// The key is written once. Deleting it while a proposer may still be at work on the version
    /// allows a second decision: delete old versions only.
    ///
    /// # Errors
    /// [`StorageError`] if a workflow with many unusual characters makes the key too long.
    pub fn key(&self) -> Result<Key, StorageError> {
        // 20 digits hold every 64-bit version, so keys sort as their numbers do.
        Key::of(["ballot", self.workflow_id.as_str(), &format!("{:020}", self.state_version)])
    }

    /// Reads what was decided: what a machine asks for with `Get`.
    pub async fn get<S: Store>(&self, store: &S) -> Result<Option<Entry>, StorageError> {
        store.get(&self.key()?).await
    }
}

impl fmt::Display for BallotSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} version {}", self.workflow_id, self.state_version)
    }
}

/// A vote as it was counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CountedVote {
    /// Who voted.
    pub voter: ComponentId,
    /// What for.
    pub vote: Ballot,
    /// How much it counted for.
    pub weight: u64,
}

impl CountedVote {
    /// A vote that counts for so much.
    pub const fn new(voter: ComponentId, vote: Ballot, weight: u64) -> Self {
        CountedVote { voter, vote, weight }
    }
}

/// How the votes stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Tally {
    /// The weight that accepts.
    pub accepted: u64,
    /// The weight that rejects.
    pub rejected: u64,
    /// The weight that has to accept.
    pub needed: u64,
}

impl Tally {
    pub(super) fn of<'v>(votes: impl IntoIterator<Item = &'v CountedVote>, needed: u64) -> Self {
        let mut tally = Tally { accepted: 0, rejected: 0, needed };
        for vote in votes {
            match vote.vote {
                Ballot::Accept => tally.accepted = tally.accepted.saturating_add(vote.weight),
                Ballot::Reject => tally.rejected = tally.rejected.saturating_add(vote.weight),
                // Who abstains leaves less weight that could still accept, and that is all.
                _ => {}
            }
        }
        tally
    }

    /// Whether enough accept.
    pub const fn carried(&self) -> bool {
        self.accepted >= self.needed
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "accepted={} rejected={} needed={}", self.accepted, self.rejected, self.needed)
    }
}

/// The decision of one version as it is stored: the proposal with its state, and the votes that
/// carried it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BallotRecord {
    /// What was proposed, the state included.
    pub proposal: Proposal,
    /// The weight that had to accept.
    pub needed: u64,
    /// The votes, by voter.
    pub votes: Vec<CountedVote>,
}

impl BallotRecord {
    pub(super) fn new(proposal: Proposal, needed: u64, votes: Vec<CountedVote>) -> Self {
        BallotRecord { proposal, needed, votes }
    }

    /// Reads what is stored under the key of a version.
    ///
    /// # Errors
    /// [`BallotError`] if this is no decision of that version, its state is not that of its digest,
    /// a voter is counted twice, or too few accepted it.
    pub fn read(slot: &BallotSlot, bytes: &[u8]) -> Result<Self, BallotError> {
        let record: BallotRecord = serde_json::from_slice(bytes)
            .map_err(|error| BallotError::Unreadable(error.to_string()))?;
        // A record is checked as if it came from a stranger: a store can be restored from the wrong
        // backup or be edited, and voters will be bound by what it says.
        if record.slot() != *slot {
            return Err(BallotError::OtherVersion(record.slot()));
        }
        check_digest(&record.proposal)?;
        // A voter that is counted twice could carry a decision that no quorum made.
        let mut voters = BTreeSet::new();
        if let Some(vote) = record.votes.iter().find(|vote| !voters.insert(&vote.voter)) {
            return Err(BallotError::CountedTwice(vote.voter.clone()));
        }
        // A quorum of nothing would be reached without a vote.
        if record.needed == 0 || !record.tally().carried() {
            return Err(BallotError::NotCarried(record.tally()));
        }
        Ok(record)
    }

    /// The bytes to be stored.
    pub fn to_bytes(&self) -> Vec<u8> {
        Json::of(self).map(|json| json.as_str().as_bytes().to_vec()).unwrap_or_default()
    }

    /// Which version it decides.
    pub fn slot(&self) -> BallotSlot {
        slot(&self.proposal)
    }

    /// How the votes stood.
    pub fn tally(&self) -> Tally {
        Tally::of(&self.votes, self.needed)
    }

    /// The announcement of it.
    pub fn decision(&self) -> Decision {
        let proposal = &self.proposal;
        let tally = self.tally();
        let mut decision = Decision::new(proposal.proposal_id.clone(), BallotOutcome::Committed)
            .with_workflow_id(proposal.workflow_id.clone())
            .with_state_version(proposal.state_version.clone())
            .with_accepted(Count::new(tally.accepted))
            .with_rejected(Count::new(tally.rejected));
        decision.digest.clone_from(&proposal.digest);
        decision
    }
}

/// The version that a proposal is for.
pub(super) fn slot(proposal: &Proposal) -> BallotSlot {
    BallotSlot::new(proposal.workflow_id.clone(), proposal.state_version.get())
}

/// The digest of a state: SHA-256 over its RFC 8785 form.
pub(super) fn digest(state: &Json) -> Result<Digest, JsonError> {
    json::canonical(state.as_str(), &Limits::default()).map(|text| Digest::of(text.as_bytes()))
}

/// The digest of a proposal, which is that of its state, if it brings that along.
pub(super) fn check_digest(proposal: &Proposal) -> Result<&Digest, BallotError> {
    // In a form that cannot be read, it could be compared with nothing.
    let stated = proposal.digest.as_ref().filter(|digest| digest.bytes().is_some());
    let stated = stated.ok_or(BallotError::NoDigest)?;
    match &proposal.value {
        Some(state) if digest(state)? != *stated => Err(BallotError::DigestDiffers),
        _ => Ok(stated),
    }
}

/// The write that commits a proposal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Commit {
    /// What is written.
    pub record: BallotRecord,
}

impl Commit {
    /// What the store must expect of the key: nothing. Safety rests on it.
    pub const EXPECT: Expect = Expect::Absent;

    pub(super) const fn new(record: BallotRecord) -> Self {
        Commit { record }
    }

    /// Writes the decision by compare-and-set.
    pub async fn put<S: Store>(&self, store: &S) -> Result<u64, StorageError> {
        store.put(&self.record.slot().key()?, &self.record.to_bytes(), Commit::EXPECT).await
    }
}
