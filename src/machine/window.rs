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

    pub(super) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.values.get_mut(key)
    }

    /// Forgets a key before its time.
    pub(super) fn remove(&mut self, key: &K) -> Option<V> {
        let value = self.values.remove(key)?;
        self.order.retain(|(_, known)| known != key);
        Some(value)
    }

    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    /// How many have time left.
    pub(super) fn len_at(&self, now: Instant) -> usize {
        let over = |(until, _): &(Option<Instant>, K)| until.is_some_and(|until| until <= now);
        self.order.len() - self.order.partition_point(over)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Remembers a value, until a moment if one is given, among a limited number of others.
    pub(super) fn put(&mut self, key: K, value: V, until: Option<Instant>, capacity: usize) {
        // A key that is put again is the youngest now; in its old place it would be forgotten too
        // early.
        if self.values.insert(key.clone(), value).is_some() {
            self.order.retain(|(_, known)| *known != key);
        }
        self.order.push_back((until, key));
        // A capacity of 0 would forget what was just put in, and with it the answer to the next
        // repetition.
        self.shrink(capacity.max(1));
    }

    /// Forgets the oldest beyond a number.
    pub(super) fn shrink(&mut self, capacity: usize) {
        while self.order.len() > capacity {
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

#[cfg(test)]
mod tests {
    use super::Window;
    use crate::scalar::Instant;

    const fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    #[test]
    fn the_oldest_makes_room() {
        let mut window = Window::new();
        (1..=3).for_each(|key| window.put(key, key, None, 2));
        assert_eq!([window.get(&1), window.get(&2), window.get(&3)], [None, Some(&2), Some(&3)]);
        // Put again, it is the youngest.
        window.put(2, 20, None, 2);
        window.put(4, 4, None, 2);
        assert_eq!([window.get(&2), window.get(&3), window.get(&4)], [Some(&20), None, Some(&4)]);
    }

    #[test]
    fn no_capacity_is_one() {
        let mut window = Window::new();
        window.put("a", 1, None, 0);
        assert_eq!(window.get(&"a"), Some(&1));
        window.put("b", 2, None, 0);
        assert_eq!((window.get(&"a"), window.get(&"b")), (None, Some(&2)));
    }

    #[test]
    fn time_is_over_at_its_instant() {
        let mut window = Window::new();
        window.put("a", 1, Some(at(5)), 9);
        window.put("b", 2, Some(at(6)), 9);
        window.expire(at(4));
        assert_eq!(window.deadline(), Some(at(5)));
        window.expire(at(5));
        assert_eq!((window.get(&"a"), window.deadline()), (None, Some(at(6))));
    }
}
