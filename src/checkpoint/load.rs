//! Listing checkpoints and reading them, verified.

use super::Checkpoints;
use super::create::CheckpointForm;
use super::damage::Damage;
use super::delta::Delta;
use super::entry::{self, ENTRIES, Entry, PARTS, Place, Stage, StoredPart};
use super::error::CheckpointError;
use super::pack::unpack;
use super::part_name::PartName;
use super::parts::Parts;
use crate::json::{Dialect, Json, check};
use crate::message::{CheckpointSync, StateSnapshot};
use crate::scalar::{CheckpointId, Digest, WallTime, WorkflowId};
use crate::storage::{
    self, DamagedValue, Expect, Key, KeyRevision, StorageError, Store, StoreScan, scan_past_damage,
};

/// A checkpoint in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckpointSummary {
    /// The confirmation that was given for it.
    pub sync: CheckpointSync,
    /// How it is stored.
    pub form: CheckpointForm,
    /// When it was made.
    pub created: WallTime,
}

/// The checkpoints of a workflow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Listing {
    /// Those that are there, oldest first.
    pub checkpoints: Vec<CheckpointSummary>,
    /// Those whose entry cannot be read.
    pub damaged: Vec<Damage>,
    /// Those that are being made, or were left behind.
    pub pending: Vec<CheckpointId>,
}

/// A checkpoint that was read and verified.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoadedCheckpoint {
    /// The confirmation that was given for it.
    pub sync: CheckpointSync,
    /// How it is stored.
    pub form: CheckpointForm,
    /// Its parts, as they were given.
    pub parts: Parts,
}

/// An entry as it was found.
pub(super) struct Found {
    pub(super) key: Key,
    pub(super) id: CheckpointId,
    pub(super) revision: u64,
    pub(super) entry: Result<Entry, Damage>,
}

impl Found {
    pub(super) fn read(entry: &storage::Entry) -> Option<Self> {
        let id = id_of(&entry.key)?;
        Some(Found {
            key: entry.key.clone(),
            revision: entry.revision,
            entry: entry::read(&id, &entry.value),
            id,
        })
    }

    /// An entry whose bytes the store itself finds damaged.
    fn damaged(damage: DamagedValue) -> Option<Self> {
        let id = id_of(&damage.key)?;
        let entry = Err(Damage::new(id.clone(), damage.reason));
        Some(Found { key: damage.key, revision: damage.revision.unwrap_or(0), entry, id })
    }
}

/// The checkpoint that a key of an entry or of a part names.
pub(super) fn id_of(key: &Key) -> Option<CheckpointId> {
    CheckpointId::new(key.segments().nth(2)?).ok()
}

/// The workflow in a key.
pub(super) fn workflow_of(key: &Key) -> Option<WorkflowId> {
    WorkflowId::new(key.segments().nth(1)?).ok()
}

fn form(entry: &Entry) -> CheckpointForm {
    entry.base.clone().map_or(CheckpointForm::Full, |base| CheckpointForm::Delta { base })
}

impl<S: Store> Checkpoints<S> {
    /// The checkpoints of a workflow.
    ///
    /// # Errors
    /// [`CheckpointError::Escapes`] and [`CheckpointError::Storage`].
    pub async fn list(&self, workflow: &WorkflowId) -> Result<Listing, CheckpointError> {
        let mut listing = Listing::default();
        for found in self.entries(&Place::of(workflow)?).await? {
            match found.entry {
                Err(damage) => listing.damaged.push(damage),
                Ok(Entry { stage: Stage::Pending, .. }) => listing.pending.push(found.id),
                Ok(entry) => {
                    let form = form(&entry);
                    // An entry that is ready has one, or it was found damaged.
                    if let Some(sync) = entry.sync {
                        listing.checkpoints.push(CheckpointSummary {
                            sync,
                            form,
                            created: entry.created.into(),
                        });
                    }
                }
            }
        }
        listing.checkpoints.sort_by(|a, b| {
            (a.created, &a.sync.checkpoint_id).cmp(&(b.created, &b.sync.checkpoint_id))
        });
        Ok(listing)
    }

    /// The workflows that have checkpoints, in the order of their identifiers.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn workflows(&self) -> Result<Vec<WorkflowId>, StorageError> {
        let found = self.keys(&format!("{ENTRIES}/")).await?;
        let mut workflows: Vec<WorkflowId> =
            found.iter().filter_map(|found| workflow_of(&found.key)).collect();
        workflows.sort();
        workflows.dedup();
        Ok(workflows)
    }

    /// The workflows that have a checkpoint of this identifier, complete or not.
    ///
    /// # Errors
    /// [`CheckpointError::Escapes`] and [`CheckpointError::Storage`].
    pub async fn find(&self, id: &CheckpointId) -> Result<Vec<WorkflowId>, CheckpointError> {
        entry::checked(id.as_str())?;
        let mut found = self.keys(&format!("{ENTRIES}/")).await?;
        found.retain(|found| id_of(&found.key).as_ref() == Some(id));
        Ok(found.iter().filter_map(|found| workflow_of(&found.key)).collect())
    }

    /// A checkpoint, once all its digests are verified.
    ///
    /// # Errors
    /// [`CheckpointError`]; damage names the checkpoint and the part.
    pub async fn load(
        &self,
        workflow: &WorkflowId,
        id: &CheckpointId,
    ) -> Result<LoadedCheckpoint, CheckpointError> {
        let place = Place::of(workflow)?;
        let entry = self.entry(&place, workflow, id).await?;
        let base = match &entry.base {
            None => None,
            Some(base) => {
                let missing = |detail: &str| Damage::new(base.clone(), detail);
                let entry = match self.entry(&place, workflow, base).await {
                    Err(CheckpointError::NotFound { .. }) => {
                        return Err(missing(&format!(
                            "{id} is a delta of it, and it is not there"
                        ))
                        .into());
                    }
                    entry => entry?,
                };
                // So no chain is longer than two, and none is a circle.
                if entry.base.is_some() {
                    return Err(
                        missing(&format!("{id} is a delta of it, and it is one itself")).into()
                    );
                }
                Some((base, entry))
            }
        };
        let mut texts: Vec<(PartName, Json)> = Vec::new();
        for part in &entry.parts {
            let own = |detail: String| Damage::new(id.clone(), detail).with_part(part.name.clone());
            let text = self.part(&place, id, part).await?;
            if !part.delta {
                texts.push((part.name.clone(), text));
                continue;
            }
            let whole = base.as_ref().and_then(|(base, entry)| {
                let whole =
                    entry.parts.iter().find(|whole| whole.name == part.name && !whole.delta)?;
                Some((*base, whole))
            });
            let (base, whole) = whole
                .ok_or_else(|| own("it is a delta of what its base does not have".to_owned()))?;
            let from = self.part(&place, base, whole).await?;
            let limits = self.options.limits();
            let made = Delta::parse(text.as_str(), &limits)
                .and_then(|delta| delta.apply(&from, &limits))
                .map_err(|error| own(error.to_string()))?;
            // A sound delta on a base that was made anew under its name would give another state.
            if Digest::of(made.as_str().as_bytes()) != part.text_digest {
                return Err(own("its delta makes another text".to_owned()).into());
            }
            texts.push((part.name.clone(), made));
        }
        let parts = self.assemble(workflow, id, texts)?;
        let sync = entry.sync.clone();
        let sync = sync.ok_or_else(|| Damage::new(id.clone(), "it has no confirmation"))?;
        compare(&parts, &sync)?;
        Ok(LoadedCheckpoint { form: form(&entry), sync, parts })
    }

    /// Looks at every checkpoint of a workflow, and tells all that are damaged. A delta is damaged
    /// with its base.
    ///
    /// # Errors
    /// Only if nothing can be looked at.
    pub async fn verify(&self, workflow: &WorkflowId) -> Result<Vec<Damage>, CheckpointError> {
        let listing = self.list(workflow).await?;
        let mut damaged = listing.damaged;
        for summary in &listing.checkpoints {
            match self.load(workflow, &summary.sync.checkpoint_id).await {
                Err(CheckpointError::Damaged(damage)) => {
                    if !damaged.contains(&damage) {
                        damaged.push(damage);
                    }
                }
                // It was pruned meanwhile.
                Ok(_) | Err(CheckpointError::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(damaged)
    }

    fn assemble(
        &self,
        workflow: &WorkflowId,
        id: &CheckpointId,
        texts: Vec<(PartName, Json)>,
    ) -> Result<Parts, Damage> {
        let own = |detail: String, part| Damage::new(id.clone(), detail).with_part(part);
        let state = texts.iter().find(|(name, _)| *name == PartName::WORKFLOW_STATE);
        let (_, state) = state.ok_or_else(|| Damage::new(id.clone(), "it has no state"))?;
        let mut parts = Parts::parse_with(state.as_str(), &self.options)
            .map_err(|error| own(error.to_string(), PartName::WORKFLOW_STATE))?;
        if parts.workflow_id() != workflow {
            let detail = format!("it is the state of {}", parts.workflow_id());
            return Err(own(detail, PartName::WORKFLOW_STATE));
        }
        let others = texts.into_iter().filter(|(name, _)| *name != PartName::WORKFLOW_STATE);
        for (name, text) in others {
            parts = parts
                .with_part(name.clone(), text.as_str())
                .map_err(|error| own(error.to_string(), name))?;
        }
        Ok(parts)
    }

    /// The entry of a checkpoint that is there.
    async fn entry(
        &self,
        place: &Place<'_>,
        workflow: &WorkflowId,
        id: &CheckpointId,
    ) -> Result<Entry, CheckpointError> {
        let found = self.stored(&place.entry(id)?).await?;
        let found = found.map_err(|detail| Damage::new(id.clone(), detail))?;
        let entry = found.map(|found| entry::read(id, &found.value)).transpose()?;
        entry.filter(|entry| entry.stage != Stage::Pending).ok_or_else(|| {
            CheckpointError::NotFound { workflow: workflow.clone(), checkpoint: id.clone() }
        })
    }

    /// A value, or what the store says of one that it finds damaged itself.
    pub(super) async fn stored(
        &self,
        key: &Key,
    ) -> Result<Result<Option<storage::Entry>, String>, StorageError> {
        match self.store.get(key).await {
            Ok(found) => Ok(Ok(found)),
            Err(error) => Ok(Err(DamagedValue::from_error(key, error)?.reason)),
        }
    }

    /// What is stored of a part, verified and unpacked: its text, or its delta.
    async fn part(
        &self,
        place: &Place<'_>,
        id: &CheckpointId,
        part: &StoredPart,
    ) -> Result<Json, CheckpointError> {
        let own = |detail: &str| Damage::new(id.clone(), detail).with_part(part.name.clone());
        let found = self.stored(&place.part(id, &part.name)?).await?;
        let found = found.map_err(|detail| own(&detail))?;
        let found = found.ok_or_else(|| own("it is not there"))?;
        // Before unpacking: bytes that are not ours are not worth a decompressor's trust.
        if Digest::of(&found.value) != part.stored_digest {
            return Err(own("its bytes are not those that were written").into());
        }
        let limit = self.options.part_bytes;
        let bytes = usize::try_from(part.unpacked_bytes).unwrap_or(usize::MAX);
        // The recorded size bounds what is unpacked, and the limit bounds the recorded size, so that
        // a small damaged entry cannot ask for all memory.
        if bytes > limit {
            let detail = format!("it has {bytes} bytes, at most {limit} are allowed");
            return Err(own(&detail).into());
        }
        let text = unpack(part.packing, &found.value, bytes).map_err(own)?;
        if !part.delta && Digest::of(text.as_bytes()) != part.text_digest {
            return Err(own("its text is not the one that was written").into());
        }
        let limits = self.options.limits();
        // A delta is nested two levels deeper than what it makes; it is checked when it is read.
        check(&text, Dialect::Strict, &limits.with_depth(limits.depth + 2))
            .map_err(|error| own(&error.to_string()))?;
        Ok(Json::from_valid(&text))
    }

    /// All entries of a workflow, in the order of their keys; also those that cannot be read.
    pub(super) async fn entries(&self, place: &Place<'_>) -> Result<Vec<Found>, StorageError> {
        let mut scan = StoreScan::new(place.prefix(ENTRIES)?).with_limit(1_000);
        let mut all = Vec::new();
        loop {
            let page = scan_past_damage(&self.store, &scan).await?;
            all.extend(page.entries.iter().filter_map(Found::read));
            all.extend(page.damaged.into_iter().filter_map(Found::damaged));
            if page.next.is_none() {
                break;
            }
            scan.after = page.next;
        }
        all.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(all)
    }

    /// All keys with a prefix. No value is read.
    pub(super) async fn keys(&self, prefix: &str) -> Result<Vec<KeyRevision>, StorageError> {
        let mut scan = StoreScan::new(prefix).with_limit(4_096);
        let mut all = Vec::new();
        loop {
            let page = self.store.keys(&scan).await?;
            scan.after = page.keys.last().map(|last| last.key.clone());
            let more = page.more && !page.keys.is_empty();
            all.extend(page.keys);
            if !more {
                return Ok(all);
            }
        }
    }

    /// Removes what is stored of the parts of a checkpoint whose entry is gone.
    pub(super) async fn remove_parts(
        &self,
        place: &Place<'_>,
        id: &CheckpointId,
    ) -> Result<(), StorageError> {
        let prefix = format!("{}{}/", place.prefix(PARTS)?, Key::of([id.as_str()])?);
        for KeyRevision { key, revision } in self.keys(&prefix).await? {
            self.remove_part(&key, revision).await?;
        }
        Ok(())
    }

    /// Removes what is stored of a part unless it was written anew; tells whether it did.
    pub(super) async fn remove_part(&self, key: &Key, revision: u64) -> Result<bool, StorageError> {
        match self.store.delete(key, Expect::Revision(revision)).await {
            Err(StorageError::Conflict { .. }) => Ok(false),
            deleted => deleted,
        }
    }
}

/// Compares the digests of the parts with those that were confirmed.
fn compare(parts: &Parts, sync: &CheckpointSync) -> Result<(), Damage> {
    let id = &sync.checkpoint_id;
    let snapshot = sync.state_snapshot.clone().unwrap_or_else(StateSnapshot::new);
    for (name, confirmed) in [
        (PartName::WORKFLOW_STATE, snapshot.workflow_state_hash),
        (PartName::FILE_SYSTEM, snapshot.file_system_hash),
        (PartName::AGENT_STATES, snapshot.agent_state_hash),
        (PartName::RESOURCE_STATE, snapshot.resource_state_hash),
    ] {
        let digest = parts.digest(&name);
        let own = |detail: String| Damage::new(id.clone(), detail).with_part(name.clone());
        if digest.map_err(|error| own(error.to_string()))? != confirmed {
            return Err(own("its digest is not the one that was confirmed".to_owned()));
        }
    }
    Ok(())
}
