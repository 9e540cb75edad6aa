//! How a message becomes a record of the history.

use super::error::StorageError;
use super::key::Key;
use super::record::NewRecord;
use crate::message::Envelope;
use crate::route::RouteKey;
use crate::scalar::id::GLOBAL;
use std::sync::Arc;

/// The lane of what belongs to a workflow.
///
/// ```
/// use coordination_protocol::storage::workflow_lane;
///
/// assert_eq!(workflow_lane("wf_001")?.as_str(), "workflow/wf_001");
/// # Ok::<(), coordination_protocol::storage::StorageError>(())
/// ```
///
/// # Errors
/// [`Key`](StorageError::Key) if the key gets too long.
pub fn workflow_lane(workflow: &str) -> Result<Key, StorageError> {
    Key::of(["workflow", workflow])
}

/// The record of a text that is published under a key: in the lane of its workflow, selected by its type.
///
/// # Errors
/// [`Key`](StorageError::Key) if no lane can be named after its workflow.
pub fn published(
    key: &RouteKey<'_>,
    text: impl Into<Arc<[u8]>>,
) -> Result<NewRecord, StorageError> {
    let subject = key.type_key().unwrap_or_else(|| key.to_string());
    // A key may have an empty workflow; its lane is the one that everything belongs to.
    let workflow = if key.workflow().is_empty() { GLOBAL } else { key.workflow() };
    Ok(NewRecord::new(text).in_lane(workflow_lane(workflow)?).with_subject(subject))
}

/// The record of a message that is published, told from others by its identifier; `None` for a kind that
/// patterns have no name for.
///
/// # Errors
/// [`Key`](StorageError::Key) if no lane can be named after its workflow.
pub fn published_envelope(envelope: &Envelope) -> Result<Option<NewRecord>, StorageError> {
    let Some(key) = RouteKey::of(envelope) else { return Ok(None) };
    let record = published(&key, envelope.to_string().into_bytes())?;
    Ok(Some(match &envelope.header.message_id {
        Some(id) => record.with_id(id.as_str()),
        None => record,
    }))
}
