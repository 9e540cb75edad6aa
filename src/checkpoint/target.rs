//! Where a state is put back.

use super::error::CheckpointError;
use super::options::CheckpointOptions;
use super::part_name::PartName;
use super::parts::{Parts, content};
use crate::json::{self, Json, ObjectEdit};
use crate::scalar::Digest;
use crate::storage::view;
use crate::storage::{Entry, Expect, Key, Store};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The current state of a workflow, which a checkpoint is put back into: the host's business.
///
/// A restore reads once, then writes the parts that differ and verifies each. Files are never written: a checkpoint has only their digests. [`StateTarget`] is the
/// target for states in a store.
pub trait Target: Send {
    /// The current parts; `None` if there is no state.
    fn read(&mut self) -> impl Future<Output = Result<Option<Parts>, CheckpointError>> + Send;

    /// Puts a part in the place of the current one, or removes it.
    fn write(
        &mut self,
        part: &PartName,
        value: Option<&Json>,
    ) -> impl Future<Output = Result<(), CheckpointError>> + Send;

    /// Makes sure that a part is what was written. Reads everything and compares digests unless
    /// the target knows better; those of a state without `state_version`, `epoch`, `restored_version`,
    /// `checkpoint_id`, `timestamp` and `metadata`, which a target may set itself.
    fn verify(
        &mut self,
        part: &PartName,
        value: Option<&Json>,
    ) -> impl Future<Output = Result<(), CheckpointError>> + Send {
        async move {
            let found = self.read().await?;
            let found = found.as_ref().filter(|parts| parts.has(part));
            let same = match (found, value) {
                (Some(parts), Some(value)) => {
                    let found = parts.stored(part).map(|found| content(part, found));
                    let wanted = content(part, value);
                    found.as_ref() == Some(&wanted)
                        || found.is_some_and(|found| json::same(&found, &wanted))
                }
                (found, value) => found.is_none() && value.is_none(),
            };
            if same {
                Ok(())
            } else {
                Err(CheckpointError::target("it reads otherwise than it was written"))
            }
        }
    }
}

/// A state in a store, under keys that the host chooses.
///
/// The value of the state's key is the body `{"workflow_id": ...}` or a message around it, which is
/// kept; under a key of [`States`](crate::storage::view::States) it is what that view stores. Every
/// write is a compare-and-set against what was read: what another process writes
/// meanwhile is never overwritten.
#[derive(Debug)]
pub struct StateTarget<S> {
    store: S,
    keys: BTreeMap<PartName, Key>,
    files: Option<Vec<(String, Digest)>>,
    options: CheckpointOptions,
    seen: BTreeMap<PartName, Seen>,
}

/// What is known of a key.
#[derive(Debug, Default)]
struct Seen {
    revision: Option<u64>,
    /// The bytes that were read.
    value: Option<Arc<[u8]>>,
    /// The message around a state.
    around: Option<Json>,
    /// A value that may or may not have been written.
    tried: Option<Vec<u8>>,
}

impl<S: Store> StateTarget<S> {
    /// The state under a key.
    pub fn new(store: S, key: Key) -> Self {
        StateTarget {
            store,
            keys: BTreeMap::from([(PartName::WORKFLOW_STATE, key)]),
            files: None,
            options: CheckpointOptions::default(),
            seen: BTreeMap::new(),
        }
    }

    /// Adds a part under a key of its own.
    pub fn with_part(mut self, part: PartName, key: Key) -> Self {
        self.keys.insert(part, key);
        self
    }

    /// Sets the files as they are now, so that a restore can tell which ones differ.
    pub fn with_files(mut self, files: impl IntoIterator<Item = (String, Digest)>) -> Self {
        self.files = Some(files.into_iter().collect());
        self
    }

    /// Sets the options whose limits hold for what is read.
    pub fn with_options(mut self, options: CheckpointOptions) -> Self {
        self.options = options;
        self
    }

    async fn get(&mut self, part: &PartName) -> Result<Option<String>, CheckpointError> {
        let Some(key) = self.keys.get(part) else { return Ok(None) };
        let found = self.store.get(key).await?;
        let revision = found.as_ref().map(|entry| entry.revision);
        let value = found.map(|entry| entry.value);
        let text = match &value {
            None => None,
            Some(value) => Some(match view::message(key, value)? {
                Some(text) => text.to_owned(),
                None => String::from_utf8(value.to_vec()).map_err(|_| {
                    CheckpointError::target_refused(format!("`{key}` is not UTF-8"))
                })?,
            }),
        };
        self.seen.insert(part.clone(), Seen { revision, value, around: None, tried: None });
        Ok(text)
    }

    /// The bytes of a part, a state in the message that was around it.
    fn framed(&self, part: &PartName, key: &Key, value: &Json) -> Result<Vec<u8>, CheckpointError> {
        let seen = self.seen.get(part);
        let around = match seen.and_then(|seen| seen.around.clone()) {
            None if view::kind(key).is_some() => Some(Json::from_valid("{}")),
            around => around,
        };
        let text = match &around {
            None => value.clone(),
            Some(around) => {
                let mut message = ObjectEdit::of(around);
                message.set(PartName::WORKFLOW_STATE.as_str(), Some(value));
                message.into_json()
            }
        };
        let old = seen.and_then(|seen| seen.value.as_deref());
        Ok(view::replace(key, old, text.as_str())?)
    }
}

impl<S: Store> Target for StateTarget<S> {
    async fn read(&mut self) -> Result<Option<Parts>, CheckpointError> {
        let state = self.get(&PartName::WORKFLOW_STATE).await?;
        let mut parts = match &state {
            None => None,
            Some(text) => Some(Parts::parse_with(text, &self.options)?),
        };
        if let (Some(text), Some(seen)) = (&state, self.seen.get_mut(&PartName::WORKFLOW_STATE)) {
            let whole = Json::from_valid(text.trim());
            seen.around = whole.get("workflow_id").is_none().then_some(whole);
        }
        let names: Vec<PartName> = self.keys.keys().cloned().collect();
        for name in names.into_iter().filter(|name| *name != PartName::WORKFLOW_STATE) {
            let Some(text) = self.get(&name).await? else { continue };
            let Some(known) = parts.take() else {
                return Err(CheckpointError::target_refused(format!(
                    "there is a `{name}` without a state"
                )));
            };
            parts = Some(known.with_part(name, &text)?);
        }
        match (parts, &self.files) {
            (Some(parts), Some(files)) => Ok(Some(parts.with_files(files.iter().cloned())?)),
            (parts, _) => Ok(parts),
        }
    }

    async fn write(
        &mut self,
        part: &PartName,
        value: Option<&Json>,
    ) -> Result<(), CheckpointError> {
        let Some(key) = self.keys.get(part).cloned() else {
            return Err(CheckpointError::target_refused(format!("no key is known for `{part}`")));
        };
        let bytes = value.map(|value| self.framed(part, &key, value)).transpose()?;
        let seen = self.seen.entry(part.clone()).or_default();
        // It is not known how the last write ended: look whether it was done.
        if let Some(tried) = seen.tried.take()
            && let Some(found) = self.store.get(&key).await?
            && *found.value == *tried
        {
            seen.revision = Some(found.revision);
        }
        if let (Some(revision), Some(value)) = (seen.revision, &seen.value) {
            // What is replaced stays among the older versions, as when a state is put.
            let (key, value) = (key.clone(), value.clone());
            view::keep_older(&self.store, &Entry { key, value, revision }).await?;
        }
        let seen = self.seen.entry(part.clone()).or_default();
        let expect = seen.revision.map_or(Expect::Absent, Expect::Revision);
        let result = match &bytes {
            Some(bytes) => self.store.put(&key, bytes, expect).await.map(Some),
            None if seen.revision.is_none() => return Ok(()),
            None => self.store.delete(&key, expect).await.map(|_| None),
        };
        match result {
            Ok(revision) => seen.revision = revision,
            Err(error) => {
                seen.tried = bytes;
                return Err(error.into());
            }
        }
        Ok(())
    }

    /// The value under the revision that was written. A later one is somebody else's, who has
    /// gone on from it.
    async fn verify(
        &mut self,
        part: &PartName,
        value: Option<&Json>,
    ) -> Result<(), CheckpointError> {
        let Some(key) = self.keys.get(part) else { return Ok(()) };
        let written = self.seen.get(part).and_then(|seen| seen.revision);
        let found = self.store.get(key).await?;
        let bytes = value.map(|value| self.framed(part, key, value)).transpose()?;
        let wrong = match (&found, written) {
            (Some(found), Some(revision)) if found.revision == revision => {
                bytes.is_none_or(|bytes| *found.value != *bytes)
            }
            _ => false,
        };
        if wrong {
            Err(CheckpointError::target("it reads otherwise than it was written"))
        } else {
            Ok(())
        }
    }
}
