//! What a component counts of itself.

use crate::scalar::{Instant, Now, Timestamp};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Counted by every handler.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) succeeded: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) active: AtomicU64,
    pub(super) dead_lettered: AtomicU64,
    pub(super) missed: AtomicU64,
    busy_micros: AtomicU64,
    last: Mutex<Option<Timestamp>>,
}

/// One handling that is under way; counted off when it is dropped, whatever ended it.
pub(super) struct Active<'a> {
    counts: &'a Counts,
    since: Instant,
}

impl Counts {
    pub(super) fn begin(&self, now: Now) -> Active<'_> {
        self.active.fetch_add(1, Ordering::Relaxed);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(now.timestamp());
        Active { counts: self, since: now.at }
    }

    pub(super) fn add(counter: &AtomicU64, more: u64) {
        counter.fetch_add(more, Ordering::Relaxed);
    }

    pub(super) fn get(counter: &AtomicU64) -> u64 {
        counter.load(Ordering::Relaxed)
    }

    pub(super) fn last_activity(&self) -> Option<Timestamp> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The mean time of what ended.
    pub(super) fn mean(&self) -> Option<Duration> {
        let ended = Counts::get(&self.succeeded) + Counts::get(&self.failed);
        let micros = Counts::get(&self.busy_micros).checked_div(ended)?;
        Some(Duration::from_micros(micros))
    }
}

impl Active<'_> {
    /// Ends well or badly; how long it took.
    pub(super) fn end(self, now: Now, well: bool) -> Duration {
        let took = now.at.since(self.since);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        Counts::add(&self.counts.busy_micros, micros);
        Counts::add(if well { &self.counts.succeeded } else { &self.counts.failed }, 1);
        took
    }
}

impl Drop for Active<'_> {
    fn drop(&mut self) {
        self.counts.active.fetch_sub(1, Ordering::Relaxed);
    }
}
