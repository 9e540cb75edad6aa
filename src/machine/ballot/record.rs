//! What the store holds of a decision, and where.

use super::error::BallotError;
use crate::error::Error;
use crate::json::{self, Json, JsonError, Limits};
use crate::merge::content_digest;
use crate::message::{Decision, Proposal, WorkflowState};
use crate::scalar::{Ballot, BallotOutcome, ComponentId, Count, Digest, WorkflowId};
use crate::storage::view::{States, StoredState};
use crate::storage::{Entry, Expect, Key, StorageError, Store};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// One version of a workflow's state: what a ballot decides on. When a workflow is taken back, an epoch
/// begins, and its versions are others than those of the same number before.
///
/// ```
/// use coordination_protocol::machine::BallotSlot;
/// use coordination_protocol::scalar::WorkflowId;
///
/// let slot = BallotSlot::new(WorkflowId::new("wf_001")?, 16);
/// assert_eq!(slot.key()?.as_str(), "ballot/wf_001/00000000000000000016");
/// let slot = slot.with_epoch(1);
/// assert_eq!(slot.key()?.as_str(), "ballot/wf_001/00000000000000000016/00000000000000000001");
/// assert_eq!(slot.to_string(), "wf_001 version 16 of epoch 1");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BallotSlot {
    /// The workflow.
    pub workflow_id: WorkflowId,
    /// The version.
    pub state_version: u64,
    /// The epoch; 0 before the workflow was taken back for the first time.
    #[serde(default)]
    pub epoch: u64,
}

impl BallotSlot {
    /// A version of a workflow's state, in epoch 0.
    pub const fn new(workflow_id: WorkflowId, state_version: u64) -> Self {
        BallotSlot { workflow_id, state_version, epoch: 0 }
    }

    /// The version after a state, in its epoch.
    pub fn after(state: &WorkflowState) -> Self {
        let version = state.state_version.get().saturating_add(1);
        let epoch = state.epoch.as_ref().map_or(0, Count::get);
        BallotSlot::new(state.workflow_id.clone(), version).with_epoch(epoch)
    }

    /// Sets the epoch.
    pub const fn with_epoch(mut self, epoch: u64) -> Self {
        self.epoch = epoch;
        self
    }

    /// The key of its decision: `ballot/<workflow>/<version>`, behind the first epoch with another
    /// segment for that; both numbers have 20 digits, so that scans list versions in order.
    ///
    /// The key is written once. Deleting it while a proposer may still be at work on the version
    /// allows a second decision: delete old versions only.
    ///
    /// # Errors
    /// [`StorageError`] if a workflow with many unusual characters makes the key too long.
    pub fn key(&self) -> Result<Key, StorageError> {
        // 20 digits hold every 64-bit version, so keys sort as their numbers do.
        let version = format!("{:020}", self.state_version);
        let epoch = (self.epoch > 0).then(|| format!("{:020}", self.epoch));
        let segments = ["ballot", self.workflow_id.as_str(), &version];
        Key::of(segments.into_iter().chain(epoch.as_deref()))
    }

    /// Reads what was decided: what a machine asks for with `Get`.
    pub async fn get<S: Store>(&self, store: &S) -> Result<Option<Entry>, StorageError> {
        store.get(&self.key()?).await
    }
}

impl fmt::Display for BallotSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} version {}", self.workflow_id, self.state_version)?;
        if self.epoch == 0 { Ok(()) } else { write!(f, " of epoch {}", self.epoch) }
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
        decision.epoch.clone_from(&proposal.epoch);
        decision.digest.clone_from(&proposal.digest);
        decision
    }

    /// The decided state, with the version and the epoch that it was decided for.
    ///
    /// # Errors
    /// [`BallotError::NoState`] if something else was decided than a state of the workflow.
    pub fn state(&self) -> Result<WorkflowState, BallotError> {
        let slot = self.slot();
        let none = |detail: String| BallotError::NoState { slot: slot.clone(), detail };
        let value = self.proposal.value.as_ref();
        let value = value.ok_or_else(|| none("the proposal brings none".to_owned()))?;
        let mut state: WorkflowState = value.decode().map_err(|error| none(error.to_string()))?;
        if state.workflow_id != slot.workflow_id {
            return Err(none(format!("it is that of `{}`", state.workflow_id)));
        }
        state.state_version = slot.state_version.into();
        if slot.epoch > 0 {
            state.epoch = Some(slot.epoch.into());
        }
        Ok(state)
    }

    /// Makes the decided state the current one. Whoever learns of a decision may do it, any number of times:
    /// it is written once, and never over what came after it.
    ///
    /// ```
    /// use coordination_protocol::machine::{AppliedBallot, BallotRecord};
    /// use coordination_protocol::storage::view::States;
    /// use coordination_protocol::storage::Store;
    ///
    /// async fn on_learned<S: Store>(
    ///     record: &BallotRecord,
    ///     states: &States<S>,
    /// ) -> Result<(), coordination_protocol::Error> {
    ///     match record.apply(states).await? {
    ///         AppliedBallot::Written(stored) => println!("version {} is current", stored.version()),
    ///         other => println!("nothing to do: {other:?}"),
    ///     }
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// [`BallotError::NoState`]; those of [`States`]: a
    /// [`VersionConflict`](StorageError::VersionConflict) if another state was written as this version without a
    /// ballot. [Merge](crate::merge) it, and propose the result for the next version.
    pub async fn apply<S: Store>(&self, states: &States<S>) -> Result<AppliedBallot, Error> {
        let (slot, state) = (self.slot(), self.state()?);
        for _ in 0..APPLY_ATTEMPTS {
            let current = states.get(&slot.workflow_id).await?;
            let mut replaces = None;
            if let Some(current) = current {
                let epoch = current.state.epoch.as_ref().map_or(0, Count::get);
                if epoch > slot.epoch {
                    return Ok(AppliedBallot::Abandoned { epoch });
                }
                let version = current.version();
                if epoch == slot.epoch && version > slot.state_version {
                    return Ok(AppliedBallot::Superseded { version });
                }
                if epoch == slot.epoch && version == slot.state_version {
                    if content_digest(&state).as_ref() == Some(&current.digest) {
                        return Ok(AppliedBallot::Already);
                    }
                    let key = States::key(&slot.workflow_id)?;
                    let expected = slot.state_version.checked_sub(1);
                    let found = Some(version);
                    return Err(StorageError::VersionConflict { key, expected, found }.into());
                }
                replaces = Some(version);
            }
            match states.put_state(state.clone(), None, replaces).await {
                Ok(stored) => return Ok(AppliedBallot::Written(Box::new(stored))),
                // Somebody was faster, perhaps with the same decision.
                Err(
                    StorageError::VersionConflict { .. }
                    | StorageError::NotNewer { .. }
                    | StorageError::Abandoned { .. },
                ) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let key = States::key(&slot.workflow_id)?;
        Err(StorageError::Contended { key, attempts: APPLY_ATTEMPTS }.into())
    }
}

/// How often a decision is tried to be applied while others write.
const APPLY_ATTEMPTS: u32 = 16;

/// What came of [applying](BallotRecord::apply) a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AppliedBallot {
    /// It is the current state now.
    Written(Box<StoredState>),
    /// It was the current state already.
    Already,
    /// A later version is current, so this one was applied before, or is not needed any more.
    Superseded {
        /// The version.
        version: u64,
    },
    /// The workflow was taken back after the ballot: it decided on a line that was given up.
    Abandoned {
        /// The epoch that has begun.
        epoch: u64,
    },
}

/// The version that a proposal is for.
pub(super) fn slot(proposal: &Proposal) -> BallotSlot {
    BallotSlot::new(proposal.workflow_id.clone(), proposal.state_version.get())
        .with_epoch(proposal.epoch.as_ref().map_or(0, Count::get))
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
