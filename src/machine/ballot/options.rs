//! How long ballots are open, and how much is remembered.

use crate::machine::settings::from_settings;
use crate::machine::{Backoff, Settings};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How a [`Proposer`](super::Proposer) and a [`Voter`](super::Voter) work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BallotOptions {
    /// How long a ballot is open. Default 30 s.
    pub open: Duration,
    /// The longest that a vote binds, however late the deadline of its proposal is. Default 10 min.
    pub longest: Duration,
    /// How long the host may take to store something or to ask the store, before it is asked
    /// again. Default 30 s.
    pub store: Duration,
    /// The pauses before the store is asked again. Its attempts are also how often a proposal is
    /// sent to those who have not voted, and how often a voter looks for a decision that is not
    /// there. Default 3 attempts.
    pub retry: Backoff,
    /// The limit of everything that is kept: open ballots of a proposer and voters in one, proposals that a voter
    /// has before it, ended ballots and decisions that are remembered. Default 1000.
    pub capacity: usize,
    /// The largest proposed state, in bytes. Default 1 MiB.
    pub state_bytes: usize,
}

impl BallotOptions {
    /// The specification's figures.
    pub fn new() -> Self {
        BallotOptions::default()
    }

    /// Sets how long a ballot is open.
    pub const fn with_open(mut self, open: Duration) -> Self {
        self.open = open;
        self
    }

    /// Sets the longest that a vote binds.
    pub const fn with_longest(mut self, longest: Duration) -> Self {
        self.longest = longest;
        self
    }

    /// Sets how long the host may take to store something or to ask the store.
    pub const fn with_store(mut self, store: Duration) -> Self {
        self.store = store;
        self
    }

    /// Sets the attempts and the pauses between them.
    pub const fn with_retry(mut self, retry: Backoff) -> Self {
        self.retry = retry;
        self
    }

    /// Sets the limit of everything that is kept.
    pub const fn with_capacity(mut self, capacity: usize) -> Self {
        self.capacity = capacity;
        self
    }

    /// Sets the largest proposed state, in bytes.
    pub const fn with_state_bytes(mut self, bytes: usize) -> Self {
        self.state_bytes = bytes;
        self
    }
}

impl From<&Settings> for BallotOptions {
    fn from(settings: &Settings) -> Self {
        BallotOptions {
            open: settings.timeout_default,
            longest: Duration::from_secs(600),
            store: settings.timeout_default,
            retry: Backoff::from(settings),
            capacity: settings.event_queue_size,
            state_bytes: 1 << 20,
        }
    }
}
from_settings!(BallotOptions);
