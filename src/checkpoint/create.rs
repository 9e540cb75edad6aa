//! Making a checkpoint: collected, digested, validated, stored, confirmed.

use super::Checkpoints;
use super::checks::unsound;
use super::delta::Delta;
use super::entry::{Entry, Place, Stage, StoredPart, seal};
use super::error::CheckpointError;
use super::pack::pack;
use super::part_name::PartName;
use super::parts::Parts;
use crate::json::Json;
use crate::message::{CheckpointSync, StateSnapshot, StorageMetadata, ValidationResults};
use crate::scalar::{
    CheckResult, CheckpointId, CheckpointMessage, CheckpointTrigger, CheckpointType, Count, Digest,
    Now, Ratio,
};
use crate::storage::{Expect, Key, StorageError, Store};
use std::collections::BTreeMap;
use std::fmt;

/// What a checkpoint is made with besides its parts: time, identity and cause.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewCheckpoint {
    /// When it is made.
    pub now: Now,
    /// Its identifier.
    pub id: CheckpointId,
    /// Its type; `manual` unless set.
    pub checkpoint_type: CheckpointType,
    /// What caused it; `manual` unless set.
    pub trigger: CheckpointTrigger,
}

impl NewCheckpoint {
    /// A manual checkpoint, its identifier made of the time and ten random bytes.
    pub fn new(now: Now, random: [u8; 10]) -> Self {
        NewCheckpoint {
            now,
            id: CheckpointId::generate(now.id_millis(), random),
            checkpoint_type: CheckpointType::Manual,
            trigger: CheckpointTrigger::Manual,
        }
    }

    /// Sets the identifier.
    pub fn with_id(mut self, id: CheckpointId) -> Self {
        self.id = id;
        self
    }

    /// Sets the type.
    ///
    /// `incremental` stores only what differs from the last full checkpoint, where that is less.
    /// `emergency` takes a state that fails its validation, too.
    pub fn with_type(mut self, checkpoint_type: CheckpointType) -> Self {
        self.checkpoint_type = checkpoint_type;
        self
    }

    /// Sets what caused it.
    pub fn with_trigger(mut self, trigger: CheckpointTrigger) -> Self {
        self.trigger = trigger;
        self
    }
}

/// How a checkpoint is stored, whatever its type says of its cause.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CheckpointForm {
    /// By itself.
    Full,
    /// As what differs from a full one.
    Delta {
        /// The full one.
        base: CheckpointId,
    },
}

impl fmt::Display for CheckpointForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CheckpointForm::Full => f.write_str("full"),
            CheckpointForm::Delta { base } => write!(f, "delta of {base}"),
        }
    }
}

/// Why an incremental checkpoint was stored in full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FullCheckpointReason {
    /// There is no full one yet.
    NoBase,
    /// The last full one is damaged, or is being pruned.
    BaseUnusable,
    /// The last full one has as many deltas as the options allow.
    ChainLength,
    /// The deltas on the last full one take as many bytes as the options allow.
    ChainBytes,
    /// No part gets smaller as a delta, or none can be told as one.
    NotSmaller,
}

impl fmt::Display for FullCheckpointReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FullCheckpointReason::NoBase => "there is no full one yet",
            FullCheckpointReason::BaseUnusable => "the last full one cannot be used",
            FullCheckpointReason::ChainLength => "the last full one has enough deltas",
            FullCheckpointReason::ChainBytes => "the deltas on the last full one are large enough",
            FullCheckpointReason::NotSmaller => "a delta would not be smaller",
        })
    }
}

/// A checkpoint that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Created {
    /// The confirmation, a strictly valid message.
    pub sync: CheckpointSync,
    /// How it is stored.
    pub form: CheckpointForm,
    /// Why it is stored in full although it is incremental.
    pub why_full: Option<FullCheckpointReason>,
}

/// The parts of a base that deltas are made of.
type Base = (CheckpointId, BTreeMap<PartName, Json>);

impl<S: Store> Checkpoints<S> {
    /// Makes a checkpoint of the parts and confirms it.
    ///
    /// The confirmation's `size_bytes` is what is stored, `compression_ratio` that by the size of
    /// the parts; for a delta it tells how much the delta saves, too.
    ///
    /// # Errors
    /// [`CheckpointError`]. Nothing is left of the checkpoint then, or what the next
    /// [`prune`](Self::prune) sweeps if the store failed, too.
    pub async fn create(
        &self,
        parts: &Parts,
        new: &NewCheckpoint,
    ) -> Result<Created, CheckpointError> {
        let place = Place::of(parts.workflow_id())?;
        let key = place.entry(&new.id)?;
        for (known, word) in [
            (new.checkpoint_type.is_known(), new.checkpoint_type.as_str()),
            (new.trigger.is_known(), new.trigger.as_str()),
        ] {
            if !known {
                return Err(CheckpointError::Word { word: word.to_owned() });
            }
        }
        let snapshot = parts.digests()?;
        // Every key is made before the first write, so that a bad one leaves nothing behind.
        for (name, _) in parts.given() {
            place.part(&new.id, name)?;
        }
        let results = self.checks.run(parts);
        // An emergency checkpoint is the last chance to keep anything, so it takes any state.
        if results.integrity_check == Some(CheckResult::Failed)
            && new.checkpoint_type != CheckpointType::Emergency
        {
            let detail = unsound(parts).unwrap_or_else(|| "state_integrity failed".to_owned());
            return Err(CheckpointError::Unsound { detail });
        }

        let (mut base, mut why_full) = match new.checkpoint_type {
            CheckpointType::Incremental => match self.base(parts).await? {
                Ok(base) => (Some(base), None),
                Err(why) => (None, Some(why)),
            },
            _ => (None, None),
        };
        // The entry is written before the parts and completed after them: whoever finds parts finds
        // an entry that tells whether they are whole. `Absent` makes sure that no other writer has
        // the identifier.
        let pending =
            Entry::pending(new.now.wall.unix_millis(), base.as_ref().map(|(id, _)| id.clone()));
        let revision = match self.store.put(&key, &seal(&pending), Expect::Absent).await {
            Err(StorageError::Conflict { .. }) => {
                return Err(CheckpointError::Exists(new.id.clone()));
            }
            revision => revision?,
        };
        // From here on the base cannot be condemned without notice; it must not have been before.
        if let Some((id, _)) = &base
            && !self.is_ready(&place, id).await?
        {
            (base, why_full) = (None, Some(FullCheckpointReason::BaseUnusable));
        }
        match self.store_parts(parts, new, &place, base.as_ref()).await {
            Ok(stored) => {
                let delta = stored.iter().any(|part| part.delta);
                if base.is_some() && !delta {
                    (base, why_full) = (None, Some(FullCheckpointReason::NotSmaller));
                }
                let sync = self.confirmation(parts, new, &key, &stored, snapshot, results);
                let base = base.map(|(id, _)| id);
                let mut entry = Entry::pending(new.now.wall.unix_millis(), base.clone());
                entry.stage = Stage::Ready;
                entry.parts = stored;
                entry.sync = Some(sync.clone());
                // Only over our own entry: if it was swept meanwhile, the parts go, too.
                match self.store.put(&key, &seal(&entry), Expect::Revision(revision)).await {
                    Ok(_) => {}
                    Err(StorageError::Conflict { .. }) => {
                        self.remove_parts(&place, &new.id).await?;
                        return Err(CheckpointError::Swept(new.id.clone()));
                    }
                    Err(error) => return Err(self.abandon(&place, new, revision, error).await),
                }
                let form = base.map_or(CheckpointForm::Full, |base| CheckpointForm::Delta { base });
                Ok(Created { sync, form, why_full })
            }
            Err(CheckpointError::Storage(error)) => {
                Err(self.abandon(&place, new, revision, error).await)
            }
            Err(error) => Err(error),
        }
    }

    fn confirmation(
        &self,
        parts: &Parts,
        new: &NewCheckpoint,
        key: &Key,
        stored: &[StoredPart],
        snapshot: StateSnapshot,
        results: ValidationResults,
    ) -> CheckpointSync {
        let size: u64 = stored.iter().map(|part| part.stored_bytes).sum();
        let whole: u64 = stored.iter().map(|part| part.text_bytes).sum();
        // Compression and deltas are only used where they make a part smaller.
        let ratio = Ratio::new(size as f64 / whole.max(1) as f64).unwrap_or(Ratio::MAX);
        let storage = StorageMetadata::new()
            .with_size_bytes(Count::new(size))
            .with_compression_ratio(ratio)
            .with_storage_location(format!("{}/{key}", self.options.root));
        CheckpointSync::new(
            parts.workflow_id().clone(),
            new.id.clone(),
            new.checkpoint_type.clone(),
            new.now.timestamp(),
            parts.state().state_version.clone(),
        )
        .with_message_type(CheckpointMessage::CheckpointUpdate)
        .with_trigger(new.trigger.clone())
        .with_state_snapshot(snapshot)
        .with_validation_results(results)
        .with_storage_metadata(storage)
    }

    /// Takes back what an unfinished checkpoint has written, as far as the store lets it; the rest
    /// is swept by the next [`prune`](Self::prune).
    async fn abandon(
        &self,
        place: &Place<'_>,
        new: &NewCheckpoint,
        revision: u64,
        error: StorageError,
    ) -> CheckpointError {
        if let Ok(key) = place.entry(&new.id)
            && self.store.delete(&key, Expect::Revision(revision)).await.is_ok()
        {
            let _ = self.remove_parts(place, &new.id).await;
        }
        error.into()
    }

    async fn store_parts(
        &self,
        parts: &Parts,
        new: &NewCheckpoint,
        place: &Place<'_>,
        base: Option<&Base>,
    ) -> Result<Vec<StoredPart>, CheckpointError> {
        let mut stored = Vec::new();
        for (name, value) in parts.given() {
            let delta = base
                .and_then(|(_, texts)| Delta::between(texts.get(name)?, value, parts.limits()))
                .filter(|delta| delta.as_str().len() < value.as_str().len());
            let text = delta.as_ref().map_or(value.as_str(), Delta::as_str);
            let (packing, bytes) = pack(text, self.options.compress_above);
            self.store.put(&place.part(&new.id, name)?, &bytes, Expect::Any).await?;
            stored.push(StoredPart {
                name: name.clone(),
                delta: delta.is_some(),
                packing,
                stored_digest: Digest::of(&bytes),
                stored_bytes: bytes.len() as u64,
                unpacked_bytes: text.len() as u64,
                text_digest: Digest::of(value.as_str().as_bytes()),
                text_bytes: value.as_str().len() as u64,
            });
        }
        Ok(stored)
    }

    /// The last full checkpoint, if one more delta may refer to it.
    async fn base(
        &self,
        parts: &Parts,
    ) -> Result<Result<Base, FullCheckpointReason>, CheckpointError> {
        let place = Place::of(parts.workflow_id())?;
        let all = self.entries(&place).await?;
        let sound = all.iter().filter_map(|found| Some((&found.id, found.entry.as_ref().ok()?)));
        let full = sound
            .clone()
            .filter(|(_, entry)| entry.stage == Stage::Ready && entry.base.is_none())
            .max_by_key(|(id, entry)| (entry.created, (*id).clone()));
        let Some((id, _)) = full else { return Ok(Err(FullCheckpointReason::NoBase)) };
        let deltas: Vec<u64> = sound
            .filter(|(_, entry)| entry.base.as_ref() == Some(id))
            .map(|(_, entry)| entry.stored_bytes())
            .collect();
        // All deltas refer to the full checkpoint, never to each other, so loading reads two at most.
        // But they hold its place when others are pruned, and grow with the distance from it:
        // hence a bound on their number and on their size.
        if deltas.len() >= self.options.chain_length {
            return Ok(Err(FullCheckpointReason::ChainLength));
        }
        if deltas.iter().sum::<u64>() >= self.options.chain_bytes {
            return Ok(Err(FullCheckpointReason::ChainBytes));
        }
        match self.load(parts.workflow_id(), id).await {
            Ok(loaded) => {
                let texts = loaded.parts.given().map(|(name, text)| (name.clone(), text.clone()));
                Ok(Ok((id.clone(), texts.collect())))
            }
            Err(CheckpointError::Storage(error)) => Err(error.into()),
            Err(_) => Ok(Err(FullCheckpointReason::BaseUnusable)),
        }
    }

    async fn is_ready(
        &self,
        place: &Place<'_>,
        id: &CheckpointId,
    ) -> Result<bool, CheckpointError> {
        let found = self.store.get(&place.entry(id)?).await?;
        let entry = found.and_then(|found| super::entry::read(id, &found.value).ok());
        Ok(entry.is_some_and(|entry| entry.stage == Stage::Ready))
    }
}
