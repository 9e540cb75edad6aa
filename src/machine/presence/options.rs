//! How one shows oneself and watches others.

use crate::machine::Settings;
use crate::machine::settings::{at_least, from_settings};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How a [`Presence`](super::Presence) shows itself and watches others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PresenceOptions {
    /// The time between heartbeats, one's own and expected ones. Default 30 s.
    pub heartbeat: Duration,
    /// How late a heartbeat may be before it is missing, for the way takes time. Default a tenth of
    /// the interval.
    pub grace: Duration,
    /// The time between reports of one's own health. Default 60 s.
    pub health_check: Duration,
    /// How many missing heartbeats make a component degraded. Default 1.
    pub degraded: u32,
    /// How many missing heartbeats make a component unhealthy. Default 3.
    pub unhealthy: u32,
    /// Every how many heartbeats it registers again, for who came later or missed it. Default 10.
    pub announce: u32,
    /// How far ahead of one's own wall clock the times of others count. What is later counts as this
    /// much later, so that a clock that was wrong does no harm for longer. Default a heartbeat.
    pub max_ahead: Duration,
    /// How many components are watched, and how many are remembered to have left. Default
    /// 1000.
    pub max_peers: usize,
}

impl PresenceOptions {
    /// The specification's figures.
    pub fn new() -> Self {
        PresenceOptions::default()
    }

    /// Sets the time between heartbeats, and the grace to a tenth of it.
    pub fn with_heartbeat(mut self, interval: Duration) -> Self {
        self.heartbeat = interval;
        self.grace = interval / 10;
        self
    }

    /// Sets how late a heartbeat may be before it is missing.
    pub const fn with_grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Sets the time between reports of one's own health.
    pub const fn with_health_check(mut self, interval: Duration) -> Self {
        self.health_check = interval;
        self
    }

    /// Sets how many missing heartbeats make a component degraded, and how many unhealthy.
    pub const fn with_missing(mut self, degraded: u32, unhealthy: u32) -> Self {
        self.degraded = degraded;
        self.unhealthy = unhealthy;
        self
    }

    /// Sets every how many heartbeats it registers again, at least 1.
    pub const fn with_announce(mut self, heartbeats: u32) -> Self {
        self.announce = heartbeats;
        self
    }

    /// Sets how far ahead of one's own wall clock the times of others count.
    pub const fn with_max_ahead(mut self, ahead: Duration) -> Self {
        self.max_ahead = ahead;
        self
    }

    /// Sets how many components are watched.
    pub const fn with_max_peers(mut self, max_peers: usize) -> Self {
        self.max_peers = max_peers;
        self
    }

    /// How long who registers is not asked to do so again, and does not do so again when asked. Less than
    /// an interval, for the way takes now more, now less time.
    pub(super) fn ask_pause(&self) -> Duration {
        at_least(self.heartbeat / 2)
    }

    /// How long a component is silent when a number of heartbeats is missing.
    pub(super) fn silence(&self, missing: u32) -> Option<Duration> {
        // The grace is added once, not for each interval: it stands for the way, and the last
        // heartbeat went it once.
        let intervals = at_least(self.heartbeat).checked_mul(missing.max(1))?;
        intervals.checked_add(self.grace)
    }
}

impl From<&Settings> for PresenceOptions {
    fn from(settings: &Settings) -> Self {
        PresenceOptions {
            heartbeat: settings.heartbeat_interval,
            grace: settings.heartbeat_interval / 10,
            health_check: settings.health_check_interval,
            degraded: 1,
            unhealthy: 3,
            announce: 10,
            max_ahead: settings.heartbeat_interval,
            max_peers: settings.event_queue_size,
        }
    }
}
from_settings!(PresenceOptions);
