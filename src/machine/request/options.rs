//! How requests are made.

use crate::machine::settings::{at_least, from_settings};
use crate::machine::{Backoff, Settings};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long answers and ends are remembered at least: networks repeat messages late, too.
const LEAST_REMEMBERED: Duration = Duration::from_secs(300);

/// How many requests are known at once.
pub(in crate::machine) const REMEMBERED: usize = 10_000;

/// How a [`Requester`](super::Requester) asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RequestOptions {
    /// How long one attempt waits for an answer. Default 30 s.
    pub timeout: Duration,
    /// The attempts and the pauses between them.
    pub backoff: Backoff,
    /// How long a queued request waits that has no `max_wait_time`. Default 10 min.
    pub queue_wait: Duration,
    /// How many requests may be open at a time. Default 1000.
    pub max_open: usize,
    /// How many requests are known at once: those that are open, and those that ended within
    /// [`remembering`](Self::remembering). Beyond it the oldest that were answered are forgotten; if all others
    /// ended without an answer, one more has to wait, since what was granted late is told only while its
    /// request is known. Default 10,000.
    pub remembered: usize,
}

impl RequestOptions {
    /// The specification's figures.
    pub fn new() -> Self {
        RequestOptions::default()
    }

    /// Sets how long one attempt waits for an answer.
    pub const fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets the attempts and the pauses between them.
    pub const fn with_backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// Sets how long a queued request waits that has no `max_wait_time`.
    pub const fn with_queue_wait(mut self, wait: Duration) -> Self {
        self.queue_wait = wait;
        self
    }

    /// The longest time from the first attempt of a request to the end of its last, pauses included,
    /// unless it waits in a queue. Who answers has to remember its answers for that long, and so does
    /// who keeps out repeated messages.
    pub fn longest(&self) -> Duration {
        let attempts = self.backoff.attempts.max(1);
        // The pause after the last one, too: what is on its way then may still arrive.
        let pause = self.backoff.ceiling(attempts);
        at_least(self.timeout).saturating_add(pause).saturating_mul(attempts)
    }

    /// How long the end of a request, or its answer, has to be remembered: [`longest`](Self::longest),
    /// and at least 5 min.
    pub fn remembering(&self) -> Duration {
        self.longest().max(LEAST_REMEMBERED)
    }

    /// Sets how many requests are known at once.
    pub const fn with_remembered(mut self, requests: usize) -> Self {
        self.remembered = requests;
        self
    }

    /// Sets how many requests may be open at a time.
    pub const fn with_max_open(mut self, max_open: usize) -> Self {
        self.max_open = max_open;
        self
    }
}

impl From<&Settings> for RequestOptions {
    fn from(settings: &Settings) -> Self {
        RequestOptions {
            timeout: settings.timeout_default,
            backoff: Backoff::from(settings),
            queue_wait: Duration::from_secs(600),
            max_open: settings.event_queue_size,
            remembered: REMEMBERED,
        }
    }
}
from_settings!(RequestOptions);
