//! Many deadlines, the next one at hand.

use crate::scalar::Instant;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::{BTreeMap, BTreeSet};

/// At most one deadline a key; the earliest is found at once. Equal deadlines go by key, so the
/// order never depends on chance.
///
/// ```
/// use coordination_protocol::machine::Timers;
/// use coordination_protocol::scalar::Instant;
///
/// let mut timers = Timers::new();
/// timers.set("probe", Some(Instant::from_millis(20)));
/// timers.set("heartbeat", Some(Instant::from_millis(10)));
/// assert_eq!(timers.earliest(), Some(Instant::from_millis(10)));
/// assert_eq!(timers.due(Instant::from_millis(10)), Some("heartbeat"));
/// assert_eq!(timers.due(Instant::from_millis(10)), None);
/// timers.set("probe", None);
/// assert!(timers.is_empty());
/// ```
#[doc(alias = "timeout")]
#[doc(alias = "deadline")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timers<K: Ord> {
    // By time, then by key. A tie that went by the order of setting would differ between a machine
    // and its restored copy, and between two runs of one seed.
    order: BTreeSet<(Instant, K)>,
    at: BTreeMap<K, Instant>,
}

impl<K: Ord + Clone> Timers<K> {
    /// No deadlines.
    pub const fn new() -> Self {
        Timers { order: BTreeSet::new(), at: BTreeMap::new() }
    }

    /// Sets the deadline of a key, or takes it away.
    pub fn set(&mut self, key: K, at: Option<Instant>) {
        // The old place must go, or a timer that was put off would fire at its old time, too.
        if let Some(old) = self.at.remove(&key) {
            self.order.remove(&(old, key.clone()));
        }
        if let Some(at) = at {
            self.order.insert((at, key.clone()));
            self.at.insert(key, at);
        }
    }

    /// The earliest deadline.
    pub fn earliest(&self) -> Option<Instant> {
        self.order.first().map(|(at, _)| *at)
    }

    /// Takes the key whose deadline is the earliest, if it is not later than `now`.
    pub fn due(&mut self, now: Instant) -> Option<K> {
        // What is due at `now` fires: afterwards the earliest is later than `now`, which the
        // contract of machines promises.
        if self.earliest()? > now {
            return None;
        }
        let (_, key) = self.order.pop_first()?;
        self.at.remove(&key);
        Some(key)
    }

    /// Whether a key has a deadline.
    pub fn has(&self, key: &K) -> bool {
        self.at.contains_key(key)
    }

    /// Whether there is no deadline.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }
}

impl<K: Ord + Clone> Default for Timers<K> {
    fn default() -> Self {
        Timers::new()
    }
}

impl<K: Ord + Serialize> Serialize for Timers<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // The index by key follows from the order; stored twice, the two could contradict each
        // other.
        serializer.collect_seq(&self.order)
    }
}

impl<'de, K: Ord + Clone + Deserialize<'de>> Deserialize<'de> for Timers<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut timers = Timers::new();
        for (at, key) in Vec::<(Instant, K)>::deserialize(deserializer)? {
            timers.set(key, Some(at));
        }
        Ok(timers)
    }
}
