//! Lists of matches as one, in the order of subscription.

use super::SubscriptionId;
use super::trie::{GONE, Hit, REACH};
use std::fmt;

/// The lists that a key reaches, merged by number. Holds no memory of its own.
#[derive(Clone)]
pub(super) struct Merge<'t> {
    /// None of the first `count` is empty.
    lists: [&'t [Hit]; REACH],
    count: usize,
}

impl<'t> Merge<'t> {
    #[inline]
    pub(super) fn new() -> Self {
        Merge { lists: [&[]; REACH], count: 0 }
    }

    #[inline]
    pub(super) fn push(&mut self, list: &'t [Hit]) {
        if let (Some(slot), false) = (self.lists.get_mut(self.count), list.is_empty()) {
            *slot = list;
            self.count += 1;
        }
    }

    #[inline]
    fn next_any(&mut self) -> Option<Hit> {
        let lists = &mut self.lists[..self.count];
        let number = |list: &[Hit]| list.first().map_or(u64::MAX, |hit| hit.number);
        let least = match lists.len() {
            0 => return None,
            1 => 0,
            _ => (1..lists.len()).fold(0, |least, at| {
                if number(lists[at]) < number(lists[least]) { at } else { least }
            }),
        };
        let (hit, rest) = lists[least].split_first()?;
        lists[least] = rest;
        if rest.is_empty() {
            self.count -= 1;
            self.lists.swap(least, self.count);
        }
        Some(*hit)
    }
}

impl Iterator for Merge<'_> {
    type Item = Hit;

    #[inline]
    fn next(&mut self) -> Option<Hit> {
        loop {
            let hit = self.next_any()?;
            if hit.slot != GONE {
                return Some(hit);
            }
        }
    }
}

/// Iterator of [`RouteTable::matches`](super::RouteTable::matches).
#[derive(Clone)]
pub struct Matches<'t, T> {
    pub(super) hits: Merge<'t>,
    pub(super) values: &'t [Option<T>],
}

impl<'t, T> Iterator for Matches<'t, T> {
    type Item = (SubscriptionId, &'t T);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let hit = self.hits.next()?;
        Some((hit.id(), self.values.get(hit.slot as usize)?.as_ref()?))
    }
}

impl<T> fmt::Debug for Matches<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone_ids()).finish()
    }
}

impl<T> Matches<'_, T> {
    fn clone_ids(&self) -> impl Iterator<Item = SubscriptionId> {
        self.hits.clone().map(|hit| hit.id())
    }
}

/// Iterator of [`RouteTable::receivers`](super::RouteTable::receivers).
#[derive(Clone)]
pub struct Receivers<'t, T> {
    pub(super) hits: std::slice::Iter<'t, Hit>,
    pub(super) values: &'t [Option<T>],
}

impl<'t, T> Iterator for Receivers<'t, T> {
    type Item = (SubscriptionId, &'t T);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let hit = self.hits.next()?;
        Some((hit.id(), self.values.get(hit.slot as usize)?.as_ref()?))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.hits.size_hint()
    }
}

impl<T> ExactSizeIterator for Receivers<'_, T> {}

impl<T> fmt::Debug for Receivers<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.hits.clone().map(|hit| hit.id())).finish()
    }
}
