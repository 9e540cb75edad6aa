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

#[cfg(test)]
mod tests {
    use super::Timers;
    use crate::json::Json;
    use crate::scalar::Instant;

    const fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    fn all_due(timers: &mut Timers<&'static str>, now: u64) -> Vec<&'static str> {
        std::iter::from_fn(|| timers.due(at(now))).collect()
    }

    /// In whatever order they were set.
    #[test]
    fn ties_go_by_key() {
        for keys in [["a", "b", "c"], ["c", "a", "b"], ["b", "c", "a"]] {
            let mut timers = Timers::new();
            for key in keys {
                timers.set(key, Some(at(5)));
            }
            timers.set("z", Some(at(4)));
            assert_eq!(all_due(&mut timers, 5), ["z", "a", "b", "c"]);
        }
    }

    #[test]
    fn a_deadline_that_is_put_off_does_not_fire_twice() {
        let mut timers = Timers::new();
        timers.set("a", Some(at(1)));
        timers.set("a", Some(at(9)));
        assert_eq!(all_due(&mut timers, 8), [""; 0]);
        assert_eq!(all_due(&mut timers, 9), ["a"]);
        assert!(timers.is_empty() && !timers.has(&"a"));
    }

    /// What is due at `now` fires at `now`, so the earliest is later afterwards.
    #[test]
    fn nothing_due_is_left() {
        let mut timers = Timers::new();
        (0..10).for_each(|key| timers.set(key, Some(at(key))));
        while timers.due(at(4)).is_some() {}
        assert_eq!(timers.earliest(), Some(at(5)));
    }

    /// The index by key is rebuilt, and holds one deadline a key whatever the text says.
    #[test]
    fn stored_and_restored() {
        let mut timers = Timers::new();
        timers.set("b".to_owned(), Some(at(2)));
        timers.set("a".to_owned(), Some(at(2)));
        let text = Json::of(&timers).unwrap();
        assert_eq!(text.decode::<Timers<String>>().unwrap(), timers);
        let twice = text.as_str().replace('b', "a");
        let twice: Timers<String> = serde_json::from_str(&twice).unwrap();
        assert_eq!((twice.order.len(), twice.at.len()), (1, 1));
    }
}
