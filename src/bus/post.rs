//! Messages on their way to a bus.

use super::BusError;
use crate::event::EventRef;
use crate::message::Envelope;
use crate::route::RouteKey;
use crate::storage::{Key, NewRecord, published};
use crate::transport::Address;
use std::sync::Arc;

/// A message that is to be published, or sent to an address.
///
/// Published messages form one lane a workflow, those to an address one an address. Within a lane order is
/// kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Post {
    pub(super) record: NewRecord,
}

impl Post {
    /// Publishes a message of a kind that has a routing key.
    ///
    /// # Errors
    /// [`NoKey`](BusError::NoKey) if patterns have no name for it.
    pub fn publish(envelope: &Envelope) -> Result<Self, BusError> {
        Post::written(envelope, envelope.to_string())
    }

    /// Publishes a message as it is written, such as with a signature.
    ///
    /// # Errors
    /// [`NoKey`](BusError::NoKey) if patterns have no name for it.
    pub fn written(envelope: &Envelope, text: String) -> Result<Self, BusError> {
        let key = RouteKey::of(envelope).ok_or(BusError::NoKey(envelope.kind()))?;
        Ok(Post::raw(&key, text.into_bytes())?.identified_by(envelope))
    }

    /// Sends a message, as it is written, to whoever listens at an address.
    ///
    /// # Errors
    /// [`Storage`](BusError::Storage) if no lane can be named after the address.
    pub fn written_to(
        address: &Address,
        envelope: &Envelope,
        text: String,
    ) -> Result<Self, BusError> {
        Ok(Post::raw_to(address, text.into_bytes())?.identified_by(envelope))
    }

    fn identified_by(self, envelope: &Envelope) -> Self {
        match &envelope.header.message_id {
            Some(id) => self.with_id(id.as_str()),
            None => self,
        }
    }

    /// Publishes an event line as it is written. A line has no identifier of its own.
    ///
    /// # Errors
    /// [`Storage`](BusError::Storage) if no lane can be named after its workflow.
    pub fn line(event: &EventRef<'_>) -> Result<Self, BusError> {
        Post::raw(&RouteKey::from(event), event.to_string().into_bytes())
    }

    /// Publishes any text under a key.
    ///
    /// # Errors
    /// [`Storage`](BusError::Storage) if no lane can be named after its workflow.
    pub fn raw(key: &RouteKey<'_>, text: impl Into<Arc<[u8]>>) -> Result<Self, BusError> {
        Ok(Post { record: published(key, text)? })
    }

    /// Sends a message to whoever listens at an address.
    ///
    /// # Errors
    /// [`Storage`](BusError::Storage) if no lane can be named after the address.
    pub fn to(address: &Address, envelope: &Envelope) -> Result<Self, BusError> {
        Post::written_to(address, envelope, envelope.to_string())
    }

    /// Sends any text to whoever listens at an address.
    ///
    /// # Errors
    /// [`Storage`](BusError::Storage) if no lane can be named after the address.
    pub fn raw_to(address: &Address, text: impl Into<Arc<[u8]>>) -> Result<Self, BusError> {
        Ok(Post { record: NewRecord::new(text).in_lane(address_lane(address)?) })
    }

    /// Sets what tells it from others of its lane: a message whose identifier stands there already is
    /// not appended again.
    pub fn with_id(mut self, id: impl Into<Arc<str>>) -> Self {
        self.record = self.record.with_id(id);
        self
    }

    /// The record that it becomes.
    pub fn into_record(self) -> NewRecord {
        self.record
    }
}

/// Below this each address has its lane.
pub(super) const ADDRESS: &str = "address";

/// The lane of what is sent to an address.
pub(super) fn address_lane(address: &Address) -> Result<Key, BusError> {
    Ok(Key::of([ADDRESS, address.as_str()])?)
}
