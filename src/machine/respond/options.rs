//! How requests are answered.

use crate::machine::request::REMEMBERED;
use crate::machine::settings::from_settings;
use crate::machine::{RequestOptions, Settings};
use crate::scalar::ComponentId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::time::Duration;

/// How a [`Responder`](super::Responder) answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RespondOptions {
    /// How many requests may be under way, those in a queue not counted. Default 50.
    pub concurrent: usize,
    /// How many requests may wait in a queue before they take the places of others. Default 1000.
    pub capacity: usize,
    /// How many requests are known at once: those under way, and those whose answers are remembered.
    /// One more is turned away for now, since an answer that is forgotten before its time makes its
    /// request be performed twice. Default 10,000, which is 33 requests a second for 5 min.
    pub remembered: usize,
    /// How long an answer is remembered: as long as an attempt of its request may still arrive, or the
    /// request would be performed twice. Default [`RequestOptions::remembering`], which is attempts
    /// times timeout and longest pause, and at least 5 min.
    pub remember: Duration,
    /// How long a request may be under way: as long as its requester waits and asks again. Default
    /// [`RequestOptions::longest`], 102 s.
    pub execution_timeout: Duration,
    /// How long a queued request may wait that has no `max_wait_time`. Default 10 min.
    pub queue_wait: Duration,
    /// The components whose invalid requests are answered. Default none.
    pub accepted: BTreeSet<ComponentId>,
}

impl RespondOptions {
    /// The specification's figures.
    pub fn new() -> Self {
        RespondOptions::default()
    }

    /// Sets how many requests may be under way.
    pub fn with_concurrent(mut self, requests: usize) -> Self {
        self.concurrent = requests;
        self
    }

    /// Sets how many requests may wait in a queue.
    pub fn with_capacity(mut self, capacity: usize) -> Self {
        self.capacity = capacity;
        self
    }

    /// Sets how many requests are known at once.
    pub fn with_remembered(mut self, requests: usize) -> Self {
        self.remembered = requests;
        self
    }

    /// Sets how long an answer is remembered.
    pub fn with_remember(mut self, duration: Duration) -> Self {
        self.remember = duration;
        self
    }

    /// Sets how long a request may be under way.
    pub fn with_execution_timeout(mut self, duration: Duration) -> Self {
        self.execution_timeout = duration;
        self
    }

    /// Sets how long a queued request may wait that has no `max_wait_time`.
    pub fn with_queue_wait(mut self, duration: Duration) -> Self {
        self.queue_wait = duration;
        self
    }

    /// Answers invalid requests of a component.
    pub fn with_accepted(mut self, component: ComponentId) -> Self {
        self.accepted.insert(component);
        self
    }
}

impl From<&Settings> for RespondOptions {
    fn from(settings: &Settings) -> Self {
        let requests = RequestOptions::from(settings);
        RespondOptions {
            concurrent: settings.max_concurrent_operations,
            capacity: settings.event_queue_size,
            remembered: REMEMBERED,
            remember: requests.remembering(),
            execution_timeout: requests.longest(),
            queue_wait: Duration::from_secs(600),
            accepted: BTreeSet::new(),
        }
    }
}
from_settings!(RespondOptions);
