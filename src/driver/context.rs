//! What a handler knows of its message, and what it can do that is stored with its outcome.

use super::client::Client;
use super::error::DriverError;
use crate::bus::{Delivery, Position};
use crate::message::Envelope;
use crate::scalar::Instant;
use crate::storage::{Commit, Expect, Key};
use crate::validate::Checked;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// What a handler knows of its message.
///
/// What it does by this context ([`publish`](Self::publish), [`put`](Self::put)) is stored together with the
/// outcome of the message, so it happens once: all of it, or nothing if the handler fails. What it does
/// otherwise may happen again when it is interrupted; [`id`](Self::id) and [`attempt`](Self::attempt) are
/// there to tell.
#[derive(Clone, Debug)]
pub struct Context {
    message: Checked<Envelope>,
    delivery: Arc<Delivery>,
    client: Client,
    deadline: Option<Instant>,
    cancelled: watch::Receiver<bool>,
    effects: Arc<Mutex<Effects>>,
}

/// What is to be stored with the outcome.
#[derive(Debug, Default)]
pub(super) struct Effects {
    pub(super) commit: Commit,
    published: usize,
}

impl Context {
    pub(super) fn new(
        message: Checked<Envelope>,
        delivery: Delivery,
        client: Client,
        deadline: Option<Instant>,
        cancelled: watch::Receiver<bool>,
    ) -> Self {
        let (delivery, effects) = (Arc::new(delivery), Arc::default());
        Context { message, delivery, client, deadline, cancelled, effects }
    }

    /// The whole message, checked.
    pub fn message(&self) -> &Envelope {
        &self.message
    }

    /// Which attempt this is, from 1 on. From 2 on an earlier one was interrupted or failed, and what it did
    /// by other means than this context may be done already.
    pub fn attempt(&self) -> u32 {
        self.delivery.attempt
    }

    /// A number that only grows within the lane of the message: a resource that remembers the highest one
    /// it has seen can refuse who comes late.
    #[doc(alias = "fencing token")]
    pub fn fence(&self) -> u64 {
        self.delivery.position.offset
    }

    /// Where the message stands.
    pub fn position(&self) -> Position {
        self.delivery.position
    }

    /// What is the same in every attempt, and in no other message.
    #[doc(alias = "idempotency key")]
    pub fn id(&self) -> String {
        match &self.message.header.message_id {
            Some(id) => id.to_string(),
            None => format!("{}/{}", self.client.id(), self.delivery.position),
        }
    }

    /// How long there is time, if there is an end.
    pub fn time_left(&self) -> Option<Duration> {
        let now = self.client.bus().host().now().at;
        self.deadline.map(|deadline| deadline.since(now))
    }

    /// Ends when the outcome is not wanted any more: the time is over, or the component stops and has waited
    /// long enough. Soon after that the handler is dropped where it stands.
    pub async fn cancelled(&self) {
        let mut cancelled = self.cancelled.clone();
        // Who would say so is gone: it is not wanted.
        let _ = cancelled.wait_for(|cancelled| *cancelled).await;
    }

    /// Whether the outcome is not wanted any more.
    pub fn is_cancelled(&self) -> bool {
        *self.cancelled.borrow()
    }

    /// Asks others, and tells them at once.
    pub fn client(&self) -> &Client {
        &self.client
    }

    fn effects(&self) -> MutexGuard<'_, Effects> {
        self.effects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Publishes a message together with the outcome.
    ///
    /// # Errors
    /// [`Bus`](DriverError::Bus) if messages of its kind are not published.
    pub fn publish(&self, message: impl Into<Envelope>) -> Result<(), DriverError> {
        let mut envelope = message.into();
        let (header, own) = (&mut envelope.header, &self.message.header);
        // What is signed stays as it is.
        if header.signature.is_none() {
            if let Some(cause) = &own.message_id {
                header.causation_id.get_or_insert_with(|| cause.clone());
            }
            if let Some(correlation) = &own.correlation_id {
                header.correlation_id.get_or_insert_with(|| correlation.clone());
            }
        }
        self.client.stamp(&mut envelope);
        let mut effects = self.effects();
        // Derived from what caused it, so that a repeated outcome is a duplicate and no second message.
        let id = format!("{}/{}/{}", self.client.id(), self.position(), effects.published);
        effects.published += 1;
        let record = self.client.seal().publish(&envelope)?.with_id(id).into_record();
        effects.commit.history.records.push(record);
        Ok(())
    }

    /// Writes a value together with the outcome. If the key is not as expected then, the attempt fails, and
    /// the message comes again.
    pub fn put(&self, key: Key, value: impl Into<Arc<[u8]>>, expect: Expect) {
        let mut effects = self.effects();
        let commit = std::mem::take(&mut effects.commit);
        effects.commit = commit.put(key, value, expect);
    }

    /// What the handler wants stored.
    pub(super) fn take_effects(&self) -> Commit {
        std::mem::take(&mut self.effects().commit)
    }
}
