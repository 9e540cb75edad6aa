//! What is sent: its signature, and its way.

use super::error::DriverError;
use crate::bus::{Bus, BusError, Post};
use crate::json::Limits;
use crate::message::Envelope;
use crate::security::signature::{Signer, sign};
use crate::transport::Address;
use std::fmt;
use std::sync::Arc;

/// Signs what is sent, if there is a key.
#[derive(Clone, Default)]
pub(super) struct Seal(pub(super) Option<Arc<dyn Signer>>);

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Seal").field(&self.0.as_ref().map(|signer| signer.key_id())).finish()
    }
}

impl Seal {
    /// The text of a message. One that has a signature keeps it.
    pub(super) fn text(&self, envelope: &Envelope) -> Result<String, DriverError> {
        let text = envelope.to_string();
        match &self.0 {
            Some(signer) if envelope.header.signature.is_none() => {
                Ok(sign(&text, &**signer, &Limits::DEFAULT)?)
            }
            _ => Ok(text),
        }
    }

    /// A message on its way to those who subscribed.
    pub(super) fn publish(&self, envelope: &Envelope) -> Result<Post, DriverError> {
        Ok(Post::written(envelope, self.text(envelope)?)?)
    }

    /// A message on its way to an address.
    pub(super) fn to(&self, address: &Address, envelope: &Envelope) -> Result<Post, DriverError> {
        Ok(Post::written_to(address, envelope, self.text(envelope)?)?)
    }
}

/// A random seed.
pub(super) fn seed(bus: &Bus) -> u64 {
    let bytes = bus.host().random();
    bytes.iter().take(8).fold(0, |seed, byte| seed << 8 | u64::from(*byte))
}

/// The address of a component.
pub(super) fn address(name: &str) -> Result<Address, DriverError> {
    Ok(Address::new(name).map_err(BusError::from)?)
}
