//! How states are kept in step.

use crate::machine::settings::from_settings;
use crate::machine::{Backoff, Settings};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How a [`StateSync`](super::StateSync) keeps in step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SyncOptions {
    /// How long a peer may take to answer, and the host to validate. Default 30 s.
    pub timeout: Duration,
    /// The attempts to reach a peer, and the pauses between them. The pauses also come before a state
    /// of one peer is passed on to the others, in case they get it anyway.
    pub backoff: Backoff,
    /// The time until a peer that did not answer is tried again. Default 60 s.
    pub interval: Duration,
    /// How many of its latest ancestors a state names, and how many of them are kept to merge with: replicas
    /// that both made more versions apart find no common one. As many others are named, so that peers
    /// follow that missed more. Default 32.
    pub history: usize,
    /// How many versions a peer's state may be ahead of ours, and how many epochs, and be adopted on its
    /// word; for one that is further ahead the host is asked for consensus. A component that counts
    /// wrongly, or that lies, could use up all versions at once. Default 1,000,000.
    pub max_jump: u64,
    /// How many peers may take part, and how many states may wait for validation, one of each peer.
    /// Default 1000.
    pub max_peers: usize,
}

impl SyncOptions {
    /// The specification's figures.
    pub fn new() -> Self {
        SyncOptions::default()
    }

    /// Sets how long a peer may take to answer.
    pub const fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets the attempts to reach a peer, and the pauses between them.
    pub const fn with_backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// Sets the time until a peer that did not answer is tried again.
    pub const fn with_interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Sets how many ancestors are kept, at least 1.
    pub const fn with_history(mut self, states: usize) -> Self {
        self.history = states;
        self
    }

    /// Sets how far ahead of ours a peer's state may be.
    pub const fn with_max_jump(mut self, versions: u64) -> Self {
        self.max_jump = versions;
        self
    }

    /// Sets how many peers may take part.
    pub const fn with_max_peers(mut self, max_peers: usize) -> Self {
        self.max_peers = max_peers;
        self
    }
}

impl From<&Settings> for SyncOptions {
    fn from(settings: &Settings) -> Self {
        SyncOptions {
            timeout: settings.timeout_default,
            backoff: Backoff::from(settings),
            interval: settings.health_check_interval,
            history: 32,
            max_jump: 1_000_000,
            max_peers: settings.event_queue_size,
        }
    }
}
from_settings!(SyncOptions);
