//! The entry of a checkpoint, its keys, and the seal that shows damage.

use super::damage::Damage;
use super::error::CheckpointError;
use super::pack::Packing;
use super::part_name::PartName;
use crate::message::CheckpointSync;
use crate::scalar::{CheckpointId, CheckpointTrigger, CheckpointType, Digest, WorkflowId};
use crate::storage::{Key, StorageError};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The form that this version writes, and the only one that it reads.
const FORMAT: u32 = 1;

pub(super) const ENTRIES: &str = "checkpoints";
pub(super) const PARTS: &str = "checkpoint-parts";
pub(super) const MARKS: &str = "checkpoint-restores";

/// How far a checkpoint has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Stage {
    /// It is being made.
    Pending,
    /// It is there.
    Ready,
    /// It is there, and about to go unless somebody turns out to need it.
    Condemned,
}

/// What is written about a checkpoint.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Entry {
    format: u32,
    pub(super) stage: Stage,
    /// Milliseconds since 1970.
    pub(super) created: i64,
    /// The full checkpoint that deltas refer to.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) base: Option<CheckpointId>,
    pub(super) parts: Vec<StoredPart>,
    /// The confirmation; not before it is ready.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) sync: Option<CheckpointSync>,
}

impl Entry {
    pub(super) fn pending(created: i64, base: Option<CheckpointId>) -> Self {
        Entry {
            format: FORMAT,
            stage: Stage::Pending,
            created,
            base,
            parts: Vec::new(),
            sync: None,
        }
    }

    /// Whether a restore made it of the state before.
    pub(super) fn is_backup(&self) -> bool {
        self.sync.as_ref().is_some_and(|sync| {
            sync.checkpoint_type == CheckpointType::Emergency
                && sync.trigger == Some(CheckpointTrigger::FailurePrevention)
        })
    }

    pub(super) fn stored_bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.stored_bytes).sum()
    }
}

/// A part as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct StoredPart {
    pub(super) name: PartName,
    /// Whether it is an RFC 6902 patch of the same part of the base.
    pub(super) delta: bool,
    pub(super) packing: Packing,
    /// Of what is stored.
    pub(super) stored_digest: Digest,
    pub(super) stored_bytes: u64,
    /// Of what is unpacked: the part's text, or the patch.
    pub(super) unpacked_bytes: u64,
    /// Of the part's text, as spelled.
    pub(super) text_digest: Digest,
    pub(super) text_bytes: u64,
}

/// The mark of a restore under way.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Mark {
    pub(super) since: String,
    pub(super) checkpoint: CheckpointId,
    /// The state before; none if there was none.
    pub(super) backup: Option<CheckpointId>,
    /// What may have been changed.
    pub(super) parts: Vec<PartName>,
    /// The digest of each as it was to be written; `None` if it was to be removed. By these what others
    /// wrote after the restore died is told from what it wrote itself.
    #[serde(default)]
    pub(super) written: BTreeMap<PartName, Option<Digest>>,
}

/// Refuses an identifier that is a path to somewhere else.
pub(super) fn checked(id: &str) -> Result<&str, CheckpointError> {
    if id.contains(['/', '\\']) || id.bytes().all(|byte| byte == b'.') {
        return Err(CheckpointError::Escapes { id: id.to_owned() });
    }
    Ok(id)
}

/// Where everything about a workflow's checkpoints is.
#[derive(Clone, Debug)]
pub(super) struct Place<'a> {
    workflow: &'a str,
}

impl<'a> Place<'a> {
    pub(super) fn of(workflow: &'a WorkflowId) -> Result<Self, CheckpointError> {
        let place = Place { workflow: checked(workflow.as_str())? };
        Key::of([ENTRIES, place.workflow])?;
        Ok(place)
    }

    pub(super) fn entry(&self, id: &CheckpointId) -> Result<Key, CheckpointError> {
        Ok(Key::of([ENTRIES, self.workflow, checked(id.as_str())?])?)
    }

    pub(super) fn part(&self, id: &CheckpointId, part: &PartName) -> Result<Key, CheckpointError> {
        Ok(Key::of([PARTS, self.workflow, checked(id.as_str())?, part.as_str()])?)
    }

    pub(super) fn mark(&self) -> Result<Key, CheckpointError> {
        Ok(Key::of([MARKS, self.workflow])?)
    }

    /// What all keys of a kind start with.
    pub(super) fn prefix(&self, kind: &str) -> Result<String, StorageError> {
        Ok(format!("{}/", Key::of([kind, self.workflow])?))
    }
}

/// The digest of a text, a line break, and the text: damage anywhere shows.
pub(super) fn seal<T: Serialize>(value: &T) -> Vec<u8> {
    let text = serde_json::to_string(value).unwrap_or_default();
    format!("{}\n{text}", Digest::of(text.as_bytes())).into_bytes()
}

pub(super) fn unseal<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    let text = std::str::from_utf8(bytes).ok().and_then(|text| text.split_once('\n'));
    let (digest, text) = text.ok_or("it is not sealed")?;
    if Digest::of(text.as_bytes()).as_str() != digest {
        return Err("it is not what was written".to_owned());
    }
    serde_json::from_str(text).map_err(|error| error.to_string())
}

/// The entry of a checkpoint from what is stored.
pub(super) fn read(id: &CheckpointId, bytes: &[u8]) -> Result<Entry, Damage> {
    let entry: Entry = unseal(bytes).map_err(|detail| Damage::new(id.clone(), detail))?;
    let fault = if entry.format != FORMAT {
        Some(format!("it is of form {}, this version reads {FORMAT}", entry.format))
    } else if entry.base.as_ref() == Some(id) {
        Some("it is a delta of itself".to_owned())
    } else if entry.stage != Stage::Pending && entry.sync.is_none() {
        Some("it has no confirmation".to_owned())
    } else {
        None
    };
    match fault {
        Some(detail) => Err(Damage::new(id.clone(), detail)),
        None => Ok(entry),
    }
}
