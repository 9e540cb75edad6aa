//! How messages are delivered.

use crate::machine::settings::{at_least, from_settings};
use crate::machine::{Backoff, Settings};
use crate::route::Field;
use crate::scalar::{ComponentId, Instant, Now};
use crate::transport::Overflow;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// How a [`Dispatcher`](super::Dispatcher) delivers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DispatcherOptions {
    /// How long an acknowledgement may take. Default 30 s.
    pub timeout: Duration,
    /// How long a message may stay with its subscriber in all, however often the subscriber extends its
    /// time. Default 20 time-outs, which is 10 min.
    pub longest: Duration,
    /// How often a message is handed over, and the pauses between. All hand-overs count.
    pub backoff: Backoff,
    /// How many hand-overs of a message do not count against the attempts, because a lost link cut
    /// them off. Default 0.
    pub disconnections: u32,
    /// The queue of a subscriber that has none of its own in `queues`.
    pub queue: QueueOptions,
    /// Queues of single subscribers.
    pub queues: BTreeMap<ComponentId, QueueOptions>,
    /// Messages in which this field has one value reach a subscriber in the order in which they were
    /// published; those without the field, in any order. `None` keeps no order. Default `workflow`.
    pub order: Option<Field>,
    /// How many published messages are remembered, so that none is delivered twice. Default 1000.
    pub remember: usize,
    /// How long they are. Default 5 min.
    pub remember_for: Duration,
    /// How many subscriptions there may be, a pattern each. Default 1000.
    pub subscriptions: usize,
}

impl DispatcherOptions {
    /// The specification's figures.
    pub fn new() -> Self {
        DispatcherOptions::default()
    }

    /// Sets how long an acknowledgement may take.
    pub const fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets how long a message may stay with its subscriber in all, at least the time-out.
    pub const fn with_longest(mut self, longest: Duration) -> Self {
        self.longest = longest;
        self
    }

    /// Sets how many hand-overs of a message that a lost link cut off do not count against the
    /// attempts.
    pub const fn with_disconnections(mut self, disconnections: u32) -> Self {
        self.disconnections = disconnections;
        self
    }

    /// Sets how often a message is handed over, and the pauses between.
    pub const fn with_backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// Sets the queue of all subscribers that have none of their own.
    pub const fn with_queue(mut self, queue: QueueOptions) -> Self {
        self.queue = queue;
        self
    }

    /// Sets the queue of one subscriber.
    pub fn with_queue_of(mut self, subscriber: ComponentId, queue: QueueOptions) -> Self {
        self.queues.insert(subscriber, queue);
        self
    }

    /// Sets the field whose values each keep their order.
    pub fn with_order(mut self, field: impl Into<Option<Field>>) -> Self {
        self.order = field.into();
        self
    }

    /// Sets how many published messages are remembered, and how long.
    pub const fn with_remember(mut self, most: usize, duration: Duration) -> Self {
        self.remember = most;
        self.remember_for = duration;
        self
    }

    /// Sets how many subscriptions there may be.
    pub const fn with_subscriptions(mut self, most: usize) -> Self {
        self.subscriptions = most;
        self
    }

    pub(super) fn limits(&self) -> HandOverLimits {
        let (attempts, disconnections) = (self.backoff.attempts, self.disconnections);
        HandOverLimits { attempts, disconnections }
    }

    /// Until when something that begins now must be acknowledged; `None` is never.
    pub(super) fn until(&self, now: Now) -> Option<Instant> {
        now.at.after(at_least(self.timeout))
    }
}

impl From<&Settings> for DispatcherOptions {
    fn from(settings: &Settings) -> Self {
        DispatcherOptions {
            timeout: settings.timeout_default,
            longest: settings.timeout_default.saturating_mul(20),
            backoff: Backoff::from(settings),
            disconnections: 0,
            queue: QueueOptions::new().with_limit(settings.event_queue_size),
            queues: BTreeMap::new(),
            order: Some(Field::workflow()),
            remember: settings.event_queue_size,
            remember_for: Duration::from_secs(300),
            subscriptions: settings.event_queue_size,
        }
    }
}
from_settings!(DispatcherOptions);

/// How often a message is handed over.
#[derive(Clone, Copy)]
pub(super) struct HandOverLimits {
    pub(super) attempts: u32,
    pub(super) disconnections: u32,
}

/// The queue of one subscriber.
#[doc(alias = "capacity")]
#[doc(alias = "backpressure")]
#[doc(alias = "prefetch")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct QueueOptions {
    /// How many messages may be unacknowledged, waiting ones and those under way. Default 1000.
    pub limit: usize,
    /// What happens when more come.
    pub overflow: Overflow,
    /// How many messages are handed over at once. Default 64.
    pub batch: usize,
    /// How long a message may wait for others to make up a batch. Default no time.
    pub linger: Duration,
    /// How many messages may be under way. Default 256.
    pub window: usize,
}

impl QueueOptions {
    /// 1000 messages; a full queue refuses the publisher.
    pub const fn new() -> Self {
        QueueOptions {
            limit: 1_000,
            overflow: Overflow::Refuse,
            batch: 64,
            linger: Duration::ZERO,
            window: 256,
        }
    }

    /// Sets how many messages may be unacknowledged, at least 1.
    pub const fn with_limit(mut self, messages: usize) -> Self {
        self.limit = messages;
        self
    }

    /// Sets what happens when more come.
    pub const fn with_overflow(mut self, overflow: Overflow) -> Self {
        self.overflow = overflow;
        self
    }

    /// Sets how many messages make a batch, at least 1, and how long one may wait for it to fill.
    pub const fn with_batch(mut self, messages: usize, linger: Duration) -> Self {
        self.batch = messages;
        self.linger = linger;
        self
    }

    /// Sets how many messages may be under way, at least 1.
    pub const fn with_window(mut self, messages: usize) -> Self {
        self.window = messages;
        self
    }

    /// How long a message waits for others; `None` if it does not.
    pub(super) fn patience(&self) -> Option<Duration> {
        (!self.linger.is_zero()).then(|| at_least(self.linger))
    }
}

impl Default for QueueOptions {
    fn default() -> Self {
        QueueOptions::new()
    }
}
