//! How far a durable subscription got: pure data, kept as one value of the store.

use crate::scalar::Instant;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Below this each durable subscription has its place. Those of addresses have the key of their lane.
pub(super) const SUBSCRIPTION: &str = "subscription";

/// How many positions may be settled above the first that is not. When there are as many, only that
/// first one is handed out, so that the value stays small.
pub(super) const MAX_SETTLED: usize = 1_000;

/// How far a subscription got in one partition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Progress {
    /// Everything before this position is settled, or not selected.
    pub(super) low: u64,
    /// What is settled at or above it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) settled: BTreeSet<u64>,
    /// What was tried and is not settled.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) tries: BTreeMap<u64, Try>,
    /// Which member listens, at an address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) owner: Option<String>,
    /// When it moved last, in milliseconds since 1970.
    #[serde(default)]
    pub(super) moved: i64,
    /// What it selects: positions below the mark were looked at with this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) pattern: Option<String>,
    /// Which of these it takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) filter: Option<String>,
}

/// The attempts at one message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Try {
    /// How many there were.
    pub(super) attempt: u32,
    /// Who works on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) by: Option<String>,
    /// Not before this time of the bus's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) after: Option<Instant>,
}

/// Whether a message may be worked on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Free {
    /// By whoever claims it, with this attempt.
    Now(u32),
    /// After a pause.
    At(Instant),
    /// Another member works on it.
    Claimed(String),
    /// It is done.
    Settled,
}

/// The longest pause between two attempts that is believed. The clock starts anew with the machine, and a
/// pause of the last start must not last for days.
const LONGEST_PAUSE: Duration = Duration::from_secs(24 * 3_600);

impl Progress {
    pub(super) fn is_settled(&self, position: u64) -> bool {
        position < self.low || self.settled.contains(&position)
    }

    /// Whether a member may work on a message.
    pub(super) fn free(&self, position: u64, member: &str, now: Instant) -> Free {
        if self.is_settled(position) {
            return Free::Settled;
        }
        let Some(tried) = self.tries.get(&position) else { return Free::Now(1) };
        match (&tried.by, tried.after) {
            // Its own claim, whose outcome it did not hear: the same attempt.
            (Some(by), _) if by == member => Free::Now(tried.attempt),
            (Some(by), _) => Free::Claimed(by.clone()),
            (None, Some(after)) if after > now && after.since(now) < LONGEST_PAUSE => {
                Free::At(after)
            }
            (None, _) => Free::Now(tried.attempt + 1),
        }
    }

    pub(super) fn claim(&mut self, position: u64, attempt: u32, member: &str) {
        let by = Some(member.to_owned());
        self.tries.insert(position, Try { attempt, by, after: None });
    }

    /// Gives up the claims of a member that is gone: what it worked on is tried again.
    pub(super) fn release(&mut self, member: &str) {
        for tried in self.tries.values_mut() {
            if tried.by.as_deref() == Some(member) {
                tried.by = None;
            }
        }
        if self.owner.as_deref() == Some(member) {
            self.owner = None;
        }
    }

    /// Whether a member's attempt is the one that counts.
    pub(super) fn holds(&self, position: u64, attempt: u32, member: &str) -> bool {
        self.tries
            .get(&position)
            .is_some_and(|tried| tried.attempt == attempt && tried.by.as_deref() == Some(member))
    }

    /// Marks a message as done. `low` is the first position that may still have something to do.
    pub(super) fn settle(&mut self, position: u64, low: u64) {
        self.tries.remove(&position);
        self.settled.insert(position);
        self.raise(low);
    }

    /// Forgets what lies below a position.
    pub(super) fn raise(&mut self, low: u64) {
        self.low = self.low.max(low);
        self.settled = self.settled.split_off(&self.low);
        self.tries = self.tries.split_off(&self.low);
    }

    /// Lets a message be tried again after a time.
    pub(super) fn put_back(&mut self, position: u64, after: Option<Instant>) {
        if let Some(tried) = self.tries.get_mut(&position) {
            (tried.by, tried.after) = (None, after);
        }
    }

    /// Gives a claim back unused, so that it counts as no attempt.
    pub(super) fn unclaim(&mut self, position: u64, attempt: u32) {
        match attempt {
            0 | 1 => drop(self.tries.remove(&position)),
            _ => {
                self.tries.insert(position, Try { attempt: attempt - 1, by: None, after: None });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant::from_millis(1_000);

    #[test]
    fn an_attempt_that_was_interrupted_counts() {
        let mut progress = Progress::default();
        assert_eq!(progress.free(3, "a", NOW), Free::Now(1));
        progress.claim(3, 1, "a");
        assert_eq!(progress.free(3, "a", NOW), Free::Now(1));
        assert_eq!(progress.free(3, "b", NOW), Free::Claimed("a".to_owned()));
        progress.release("a");
        assert_eq!(progress.free(3, "b", NOW), Free::Now(2));
        progress.claim(3, 2, "b");
        assert!(progress.holds(3, 2, "b"));
        assert!(!progress.holds(3, 1, "a"));
    }

    #[test]
    fn a_claim_that_is_given_back_unused_does_not_count() {
        let mut progress = Progress::default();
        progress.claim(3, 1, "a");
        progress.unclaim(3, 1);
        assert_eq!(progress.free(3, "b", NOW), Free::Now(1));
        progress.claim(3, 2, "a");
        progress.unclaim(3, 2);
        assert_eq!(progress.free(3, "b", NOW), Free::Now(2));
    }

    #[test]
    fn a_pause_holds_and_one_of_another_start_of_the_machine_does_not() {
        let mut progress = Progress::default();
        progress.claim(3, 1, "a");
        let later = Instant::from_millis(1_500);
        progress.put_back(3, Some(later));
        assert_eq!(progress.free(3, "a", NOW), Free::At(later));
        assert_eq!(progress.free(3, "a", later), Free::Now(2));
        progress.put_back(3, Some(Instant::from_millis(1_000_000_000_000)));
        assert_eq!(progress.free(3, "a", NOW), Free::Now(2));
    }

    #[test]
    fn what_is_settled_below_the_mark_is_forgotten() {
        let mut progress = Progress::default();
        progress.settle(5, 3);
        assert!(progress.is_settled(2) && progress.is_settled(5) && !progress.is_settled(3));
        progress.claim(3, 1, "a");
        progress.settle(3, 6);
        assert_eq!(progress, Progress { low: 6, ..Progress::default() });
        // A reader that lags behind cannot lower the mark.
        progress.raise(2);
        assert_eq!(progress.low, 6);
    }
}
