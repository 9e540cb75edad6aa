//! A map of bounded size.

use smol_str::SmolStr;
use std::collections::{HashMap, VecDeque};

/// A map that forgets what was inserted first: who floods it with new keys pushes out the oldest,
/// and a key that is written again keeps its place, so that it cannot be kept alive by repetition.
#[derive(Clone, Debug)]
pub(super) struct Bounded<T> {
    most: usize,
    values: HashMap<SmolStr, T>,
    pub(super) order: VecDeque<SmolStr>,
}

impl<T> Bounded<T> {
    pub(super) fn new(most: usize) -> Self {
        Bounded { most, values: HashMap::new(), order: VecDeque::new() }
    }

    pub(super) fn get(&self, key: &str) -> Option<&T> {
        self.values.get(key)
    }

    pub(super) fn get_mut(&mut self, key: &str) -> Option<&mut T> {
        self.values.get_mut(key)
    }

    /// Inserts a value; what had to make room for it.
    pub(super) fn insert(&mut self, key: &str, value: T) -> Option<T> {
        let key = SmolStr::new(key);
        if let Some(old) = self.values.insert(key.clone(), value) {
            return Some(old);
        }
        self.order.push_back(key);
        if self.values.len() <= self.most {
            return None;
        }
        let oldest = self.order.pop_front()?;
        self.values.remove(&oldest)
    }

    /// The value of a key, made if it is not there; none if there is no room at all.
    pub(super) fn entry(&mut self, key: &str) -> Option<&mut T>
    where
        T: Default,
    {
        if !self.values.contains_key(key) {
            self.insert(key, T::default());
        }
        self.values.get_mut(key)
    }

    pub(super) fn remove(&mut self, key: &str) {
        if self.values.remove(key).is_some() {
            self.order.retain(|known| known != key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_came_is_the_first_to_go() {
        let mut map = Bounded::new(2);
        for (key, value) in [("a", 1), ("b", 2), ("a", 3)] {
            map.insert(key, value);
        }
        // Written again, `a` is still the older one.
        assert_eq!(map.insert("c", 4), Some(3));
        assert_eq!((map.get("a"), map.get("b"), map.get("c")), (None, Some(&2), Some(&4)));
        // What was removed leaves its room, and no place in the order.
        map.remove("b");
        map.insert("d", 5);
        map.insert("e", 6);
        assert_eq!((map.get("c"), map.get("d"), map.get("e")), (None, Some(&5), Some(&6)));
        assert_eq!(map.order, ["d", "e"]);
        let mut none = Bounded::new(0);
        assert_eq!(none.insert("a", 1), Some(1));
        assert_eq!((none.get("a"), none.order.len()), (None, 0));
        assert_eq!(none.entry("a"), None);
    }
}
