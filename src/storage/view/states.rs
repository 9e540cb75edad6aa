//! States of workflows.

use super::{
    ATTEMPTS, Head, Kept, LIMITS, Listed, given, join, key, keys_below, list, other_kind, stored,
};
use crate::json::{Json, with_value_at};
use crate::merge::content_digest;
use crate::message::{Envelope, MessageKind, WorkflowState};
use crate::scalar::{Count, Digest, WorkflowId};
use crate::storage::{Entry, Expect, Key, KeyRevision, StorageError, Store};

pub(super) const LATEST: &str = "state";
pub(super) const OLDER: &str = "state-version";

/// The latest state of each workflow, and a number of versions before it (specification, State
/// Synchronization Pattern).
///
/// A state replaces the one that its writer has seen, by compare-and-set on the version. Of two
/// writers that start from the same version, one learns that it was too late.
///
/// ```
/// use coordination_protocol::WorkflowId;
/// use coordination_protocol::storage::view::States;
/// use coordination_protocol::storage::{MemoryStore, StorageError, block_on};
///
/// let state = |version: u64| {
///     format!(r#"{{"workflow_state":{{"workflow_id":"wf_001","state_version":{version}}}}}"#)
/// };
/// block_on(async {
///     let states = States::new(MemoryStore::new()).with_keep(10);
///     states.put(&state(1), None).await?;
///     states.put(&state(2), Some(1)).await?;
///     let late = states.put(&state(2), Some(1)).await.unwrap_err();
///     assert_eq!(late.to_string(), "`state/wf_001` is at version 2, expected version 1");
///
///     let workflow = WorkflowId::new("wf_001").unwrap();
///     assert_eq!(states.get(&workflow).await?.unwrap().text, state(2));
///     assert_eq!(states.versions(&workflow).await?, [1, 2]);
///     Ok::<(), StorageError>(())
/// })?;
/// # Ok::<(), StorageError>(())
/// ```
#[derive(Clone, Debug)]
pub struct States<S> {
    store: S,
    keep: usize,
}

/// A state as it stands in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredState {
    /// The message as it was written.
    pub text: String,
    /// Its [`content_digest`]: equal for states that say the same.
    pub digest: Digest,
    /// The state, typed.
    pub state: WorkflowState,
}

impl StoredState {
    /// The version of the state.
    pub fn version(&self) -> u64 {
        self.state.state_version.get()
    }

    fn read(entry: &Entry) -> Result<Self, StorageError> {
        let (line, text, state) = stored::<WorkflowState>(entry, Head::Digest)?;
        let damaged = |reason: String| Err(StorageError::damaged(&entry.key, reason));
        // The digest was computed when it was written, so damage is found even where it makes
        // another sound state.
        let Some(digest) = content_digest(&state).filter(|digest| digest.as_str() == line) else {
            return damaged("the state does not match its digest".to_owned());
        };
        // A state under another workflow's key would be merged into it.
        if entry.key.segments().nth(1).as_deref() != Some(state.workflow_id.as_str()) {
            return damaged(format!("it holds the state of `{}`", state.workflow_id));
        }
        Ok(StoredState { text: text.to_owned(), digest, state })
    }
}

/// A version of a state that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeptVersion {
    /// The version.
    pub version: u64,
    /// Its epoch; 0 before the workflow was taken back for the first time.
    pub epoch: u64,
    /// Whether the workflow was taken back to before it: what is current did not come from it.
    pub abandoned: bool,
}

impl States<()> {
    /// The key of the latest state of a workflow, for what reads or writes it without the view; see
    /// [`message`](super::message) and [`replace`](super::replace).
    ///
    /// # Errors
    /// [`StorageError::Key`] if the identifier is too long for a key.
    pub fn key(workflow: &WorkflowId) -> Result<Key, StorageError> {
        latest(workflow.as_str())
    }
}

impl<S: Store> States<S> {
    /// States in a store, with up to 16 older versions of each.
    pub const fn new(store: S) -> Self {
        States { store, keep: 16 }
    }

    /// Sets how many versions before the latest are kept.
    pub const fn with_keep(mut self, versions: usize) -> Self {
        self.keep = versions;
        self
    }

    /// The latest state of a workflow.
    pub async fn get(&self, workflow: &WorkflowId) -> Result<Option<StoredState>, StorageError> {
        let found = self.store.get(&latest(workflow.as_str())?).await?;
        found.as_ref().map(StoredState::read).transpose()
    }

    /// Writes a state in the place of the version that it was made from; none if there was none.
    /// Versions may be left out, but never go back. Nor do epochs: a state that names an earlier one is of
    /// a line that was given up, and one that names none gets the stored one's, unless it is signed.
    ///
    /// # Errors
    /// [`Version`](StorageError::VersionConflict) if the stored one is not as expected;
    /// [`NotNewer`](StorageError::NotNewer); [`Abandoned`](StorageError::Abandoned);
    /// [`Refused`](StorageError::Refused).
    pub async fn put(
        &self,
        text: &str,
        replaces: Option<u64>,
    ) -> Result<StoredState, StorageError> {
        let state = given::<WorkflowState>(text)?;
        let digest = digest(&state)?;
        self.write(StoredState { text: text.to_owned(), digest, state }, replaces).await
    }

    /// As [`put`](Self::put), for a state that is typed already, such as the one that
    /// [`StateSync`](crate::machine::StateSync) adopted: it is printed once and not parsed again.
    ///
    /// Give its [`content_digest`] if it is known, as that of a
    /// [checked message](crate::validate::Checked::content_digest) is, so that it is not computed
    /// again; a wrong one makes the state read as damaged. Only the size is checked against [`LIMITS`](super::LIMITS):
    /// the state itself was checked by whoever read it.
    ///
    /// ```
    /// use coordination_protocol::WorkflowId;
    /// use coordination_protocol::message::WorkflowState;
    /// use coordination_protocol::scalar::Timestamp;
    /// use coordination_protocol::storage::view::States;
    /// use coordination_protocol::storage::{MemoryStore, StorageError, block_on};
    ///
    /// let workflow = WorkflowId::new("wf_001").unwrap();
    /// let at: Timestamp = "2025-01-15T12:00:00Z".parse().unwrap();
    /// let state = WorkflowState::new(workflow.clone(), 1_u64, at);
    /// block_on(async {
    ///     let states = States::new(MemoryStore::new());
    ///     let stored = states.put_state(state, None, None).await?;
    ///     assert_eq!(states.get(&workflow).await?, Some(stored));
    ///     Ok::<(), StorageError>(())
    /// })?;
    /// # Ok::<(), StorageError>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`put`](Self::put).
    pub async fn put_state(
        &self,
        state: WorkflowState,
        known: Option<Digest>,
        replaces: Option<u64>,
    ) -> Result<StoredState, StorageError> {
        let kind = MessageKind::WorkflowState;
        // Printed by the envelope, which is how every other message of it is written.
        let envelope = Envelope::from(state);
        let text = envelope.to_string();
        if text.len() > LIMITS.bytes {
            // What is too large for the reader of this view could be written and never read.
            let reason = format!("it has {} bytes, at most {} are kept", text.len(), LIMITS.bytes);
            return Err(StorageError::Refused { kind, reason });
        }
        let Some(state) = WorkflowState::of(envelope.message) else {
            return Err(StorageError::Refused { kind, reason: other_kind(kind) });
        };
        let digest = match known {
            Some(digest) => digest,
            None => digest(&state)?,
        };
        self.write(StoredState { text, digest, state }, replaces).await
    }

    async fn write(
        &self,
        mut new: StoredState,
        replaces: Option<u64>,
    ) -> Result<StoredState, StorageError> {
        let workflow = new.state.workflow_id.clone();
        let workflow = workflow.as_str();
        let (key, given) = (latest(workflow)?, new.version());
        for _ in 0..ATTEMPTS {
            let entry = self.store.get(&key).await?;
            let old = entry.as_ref().map(StoredState::read).transpose()?;
            let found = old.as_ref().map(StoredState::version);
            // The caller names a version and not a revision, because a version is what it knows
            // from the protocol; the revision guards the write below.
            if found != replaces {
                return Err(StorageError::VersionConflict { key, expected: replaces, found });
            }
            // A version that goes back or repeats would make two states look like one to every
            // reader that compares versions.
            if let Some(stored) = found.filter(|stored| *stored >= given) {
                return Err(StorageError::NotNewer { key, stored, given });
            }
            if let Some(old) = &old {
                go_on(&key, &mut new, &old.state)?;
            }
            let value = join(new.digest.as_str(), &new.text);
            // The old one is kept first: if this ends in between, it is there twice, not lost.
            if let (Some(entry), Some(version)) = (&entry, found)
                && self.keep > 0
            {
                let older = older(workflow, version)?;
                self.store.put(&older, &entry.value, Expect::Any).await?;
            }
            // By the revision that was read: if another writer came in between, the loop looks
            // again and says which version is there now.
            let expect = entry.map_or(Expect::Absent, |entry| Expect::Revision(entry.revision));
            match self.store.put(&key, &value, expect).await {
                Ok(_) => {
                    // It is written, whatever comes now; the next one thins out again.
                    let _ = self.prune(workflow).await;
                    return Ok(new);
                }
                Err(StorageError::Conflict { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Err(StorageError::Contended { key, attempts: ATTEMPTS })
    }

    /// Removes the oldest versions that are too many.
    async fn prune(&self, workflow: &str) -> Result<(), StorageError> {
        let kept = self.kept(workflow).await?;
        // Keys have 20 digits, so their order is that of the versions.
        let surplus = kept.len().saturating_sub(self.keep);
        for found in &kept[..surplus] {
            self.store.delete(&found.key, Expect::Any).await?;
        }
        Ok(())
    }

    /// The keys of older versions. Their values may be damaged.
    async fn kept(&self, workflow: &str) -> Result<Vec<KeyRevision>, StorageError> {
        keys_below(&self.store, key([OLDER, workflow])?.as_str()).await
    }

    /// A version of a state, the latest or an older one that is still kept.
    pub async fn version(
        &self,
        workflow: &WorkflowId,
        version: u64,
    ) -> Result<Option<StoredState>, StorageError> {
        let current = self.get(workflow).await;
        match current {
            // The latest is asked first: it is what is usually wanted.
            Ok(Some(state)) if state.version() == version => return Ok(Some(state)),
            // The version of one that is damaged is not known; those before it are still there.
            Ok(_) | Err(StorageError::Damaged { .. } | StorageError::Corrupt { .. }) => {}
            Err(error) => return Err(error),
        }
        let found = self.store.get(&older(workflow.as_str(), version)?).await?;
        found.as_ref().map(StoredState::read).transpose()
    }

    /// The versions that are kept, in order; the last one is the latest, unless that is damaged.
    ///
    /// They are told by their keys: each may still be damaged when it is read.
    pub async fn versions(&self, workflow: &WorkflowId) -> Result<Vec<u64>, StorageError> {
        let current = match self.get(workflow).await {
            Err(StorageError::Damaged { .. } | StorageError::Corrupt { .. }) => None,
            found => found?.map(|state| state.version()),
        };
        let mut versions = Vec::new();
        for found in self.kept(workflow.as_str()).await? {
            // What has no number is no version of this view.
            let digits = found.key.segments().last().unwrap_or_default().into_owned();
            versions.extend(digits.parse::<u64>());
        }
        // A writer that ended half-way leaves the latest there, too.
        versions.retain(|version| current.is_none_or(|current| *version < current));
        versions.extend(current);
        Ok(versions)
    }

    /// The versions that are kept with their epochs, in order, and which of them were abandoned when the
    /// workflow was taken back. Of one that cannot be read the epoch counts as 0.
    ///
    /// # Errors
    /// Those of [`get`](Self::get).
    pub async fn kept_versions(
        &self,
        workflow: &WorkflowId,
    ) -> Result<Vec<KeptVersion>, StorageError> {
        let Some(current) = self.get(workflow).await? else { return Ok(Vec::new()) };
        let mut kept: Vec<(u64, u64)> = Vec::new();
        // To which version each epoch went back. All versions of an epoch say so.
        let mut backs: Vec<(u64, u64)> = Vec::new();
        for version in self.versions(workflow).await? {
            let state = if version == current.version() {
                Some(current.state.clone())
            } else {
                let found = match self.store.get(&older(workflow.as_str(), version)?).await {
                    // Found damaged by the store itself.
                    Err(StorageError::Damaged { .. } | StorageError::Corrupt { .. }) => None,
                    found => found?,
                };
                found.and_then(|entry| StoredState::read(&entry).ok()).map(|stored| stored.state)
            };
            let epoch = state.as_ref().map_or(0, epoch_of);
            let back = state.and_then(|state| state.restored_version);
            backs.extend(back.map(|back| (epoch, back.get())));
            kept.push((version, epoch));
        }
        let abandoned = |version: u64, epoch: u64| {
            backs.iter().any(|(later, back)| *later > epoch && *back < version)
        };
        let row = |(version, epoch)| {
            let abandoned = abandoned(version, epoch);
            KeptVersion { version, epoch, abandoned }
        };
        Ok(kept.into_iter().map(row).collect())
    }

    /// Up to `limit` latest states, ordered by workflow, behind a key.
    pub async fn list(
        &self,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Listed<StoredState>, StorageError> {
        list(&self.store, LATEST, after, limit, StoredState::read).await
    }

    /// Removes the state of a workflow with all its versions, and tells whether it was there.
    ///
    /// If it fails half-way, the state is gone and calling it again removes the rest.
    ///
    /// # Errors
    /// [`Version`](StorageError::VersionConflict) if it is not at the version that is given.
    pub async fn remove(&self, workflow: &WorkflowId, version: u64) -> Result<bool, StorageError> {
        let key = latest(workflow.as_str())?;
        let Some(entry) = self.store.get(&key).await? else {
            // An earlier call may have ended half-way.
            self.remove_older(workflow).await?;
            return Ok(false);
        };
        let found = StoredState::read(&entry)?.version();
        let moved = |found| StorageError::VersionConflict {
            key: key.clone(),
            expected: Some(version),
            found,
        };
        if found != version {
            return Err(moved(Some(found)));
        }
        // The latest goes first: a removal that ends half-way can be repeated, and no version is
        // taken for the latest that is not.
        match self.store.delete(&key, Expect::Revision(entry.revision)).await {
            Ok(gone) => {
                self.remove_older(workflow).await?;
                Ok(gone)
            }
            Err(StorageError::Conflict { .. }) => {
                let found = self.get(workflow).await?.map(|state| state.version());
                Err(moved(found))
            }
            Err(error) => Err(error),
        }
    }

    async fn remove_older(&self, workflow: &WorkflowId) -> Result<(), StorageError> {
        for entry in self.kept(workflow.as_str()).await? {
            self.store.delete(&entry.key, Expect::Any).await?;
        }
        Ok(())
    }
}

fn epoch_of(state: &WorkflowState) -> u64 {
    state.epoch.as_ref().map_or(0, Count::get)
}

/// Has a state that names no epoch go on in the stored one's; refuses one of an earlier epoch.
fn go_on(key: &Key, new: &mut StoredState, old: &WorkflowState) -> Result<(), StorageError> {
    let (given, stored) = (epoch_of(&new.state), epoch_of(old));
    if given >= stored {
        return Ok(());
    }
    if new.state.epoch.is_some() {
        return Err(StorageError::Abandoned { key: key.clone(), stored, given });
    }
    new.state.epoch.clone_from(&old.epoch);
    new.state.restored_version.clone_from(&old.restored_version);
    // The rest stays as it is spelled. What is signed stays whole: a signature covers every byte.
    let whole = Json::from_valid(new.text.trim());
    if whole.get("signature").is_some() {
        return Ok(());
    }
    let body = if whole.get("workflow_id").is_some() { "" } else { "/workflow_state" };
    let fields = [("epoch", &old.epoch), ("restored_version", &old.restored_version)];
    let mut text = whole;
    for (name, value) in fields {
        let Some(value) = value else { continue };
        let edited =
            with_value_at(&text, &format!("{body}/{name}"), Some(&Json::from(value.get())));
        text = edited.unwrap_or(text);
    }
    text.as_str().clone_into(&mut new.text);
    Ok(())
}

/// Keeps what stands under the key of a latest state among the older versions, before something else
/// than [`States`] replaces it. What cannot be read is left alone.
#[cfg(feature = "checkpoint")]
pub(crate) async fn keep_older<S: Store>(store: &S, entry: &Entry) -> Result<(), StorageError> {
    if entry.key.segments().next().as_deref() != Some(LATEST) {
        return Ok(());
    }
    let Ok(old) = StoredState::read(entry) else { return Ok(()) };
    let older = older(old.state.workflow_id.as_str(), old.version())?;
    store.put(&older, &entry.value, Expect::Any).await.map(drop)
}

pub(super) fn check(entry: &Entry) -> Result<(), StorageError> {
    StoredState::read(entry).map(drop)
}

fn latest(workflow: &str) -> Result<Key, StorageError> {
    key([LATEST, workflow])
}

fn older(workflow: &str, version: u64) -> Result<Key, StorageError> {
    key([OLDER, workflow, &format!("{version:020}")])
}

/// The [`content_digest`] of a state that is to be stored.
pub(super) fn digest(state: &WorkflowState) -> Result<Digest, StorageError> {
    content_digest(state).ok_or_else(|| StorageError::Refused {
        kind: MessageKind::WorkflowState,
        reason: "it holds a number without an exact canonical form, so it has no digest".to_owned(),
    })
}
