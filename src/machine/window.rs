//! What is remembered for a while: bounded in count, and in time where one is given.

use crate::scalar::Instant;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// A map that forgets what was put in first: when there is too much, or when its time is over.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound(
    serialize = "K: Serialize, V: Serialize",
    deserialize = "K: Deserialize<'de>, V: Deserialize<'de>"
))]
pub(super) struct Window<K: Ord, V> {
    // In order of entry, which is the order of expiry, too: all entries of a window live equally
    // long.
    order: VecDeque<(Option<Instant>, K)>,
    #[serde(with = "super::pairs")]
    values: BTreeMap<K, V>,
}

impl<K: Ord + Clone, V> Window<K, V> {
    pub(super) const fn new() -> Self {
        Window { order: VecDeque::new(), values: BTreeMap::new() }
    }

    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.values.get(key)
    }

    /// Remembers a value, until a moment if one is given, among at most so many others.
    pub(super) fn put(&mut self, key: K, value: V, until: Option<Instant>, capacity: usize) {
        // A key that is put again is the youngest now; in its old place it would be forgotten too
        // early.
        if self.values.insert(key.clone(), value).is_some() {
            self.order.retain(|(_, known)| *known != key);
        }
        self.order.push_back((until, key));
        // A capacity of 0 would forget what was just put in, and with it the answer to the next
        // repetition.
        while self.order.len() > capacity.max(1) {
            self.forget_first();
        }
    }

    fn forget_first(&mut self) {
        if let Some((_, key)) = self.order.pop_front() {
            self.values.remove(&key);
        }
    }

    /// When the first one's time is over.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.order.front().and_then(|(until, _)| *until)
    }

    /// Forgets what has had its time.
    pub(super) fn expire(&mut self, now: Instant) {
        // A bound of time is over at its instant, as a timer is, so that nothing is due after
        // `expire`.
        while self.deadline().is_some_and(|until| until <= now) {
            self.forget_first();
        }
    }
}
