//! Lists of matches as one, in the order of subscription.

use super::SubscriptionId;
use super::trie::{GONE, Hit, REACH};
use std::fmt;

/// The lists that a key reaches, merged by number. Holds no memory of its own.
#[derive(Clone)]
pub(super) struct Merge<'t> {
    /// What is handed out next: a list, as long as its numbers are below the limit.
    run: &'t [Hit],
    limit: u64,
    /// What waits. None of the first `count` is empty.
    lists: [&'t [Hit]; REACH],
    count: usize,
}

impl<'t> Merge<'t> {
    #[inline]
    pub(super) fn new() -> Self {
        Merge { run: &[], limit: u64::MAX, lists: [&[]; REACH], count: 0 }
    }

    #[inline]
    pub(super) fn push(&mut self, list: &'t [Hit]) {
        if let (Some(slot), false) = (self.lists.get_mut(self.count), list.is_empty()) {
            *slot = list;
            self.count += 1;
        }
    }

    /// Takes up the list with the least number; the limit is the least of the others.
    fn turn(&mut self) {
        let run = std::mem::take(&mut self.run);
        self.push(run);
        self.limit = u64::MAX;
        let lists = &mut self.lists[..self.count];
        let (mut least, mut at_least) = (u64::MAX, 0);
        for (at, list) in lists.iter().enumerate() {
            let number = list.first().map_or(u64::MAX, |hit| hit.number);
            if number < least {
                self.limit = least;
                (least, at_least) = (number, at);
            } else {
                self.limit = self.limit.min(number);
            }
        }
        if let Some(last) = self.count.checked_sub(1) {
            self.run = lists[at_least];
            lists.swap(at_least, last);
            self.count = last;
        }
    }
}

impl Iterator for Merge<'_> {
    type Item = Hit;

    #[inline]
    fn next(&mut self) -> Option<Hit> {
        loop {
            if self.run.first().is_none_or(|hit| hit.number > self.limit) {
                if self.run.is_empty() && self.count == 0 {
                    return None;
                }
                self.turn();
            }
            let (hit, rest) = self.run.split_first()?;
            self.run = rest;
            if hit.slot != GONE {
                return Some(*hit);
            }
        }
    }
}

/// Iterator of [`RouteTable::matches`](super::RouteTable::matches).
#[derive(Clone)]
pub struct Matches<'t, T> {
    pub(super) hits: Merge<'t>,
    pub(super) values: &'t [T],
}

impl<'t, T> Iterator for Matches<'t, T> {
    type Item = (SubscriptionId, &'t T);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let hit = self.hits.next()?;
        Some((SubscriptionId(hit.number), self.values.get(hit.slot as usize)?))
    }
}

impl<T> fmt::Debug for Matches<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone_ids()).finish()
    }
}

impl<T> Matches<'_, T> {
    fn clone_ids(&self) -> impl Iterator<Item = SubscriptionId> {
        self.hits.clone().map(|hit| SubscriptionId(hit.number))
    }
}

/// Iterator of [`RouteTable::receivers`](super::RouteTable::receivers).
#[derive(Clone)]
pub struct Receivers<'t, T> {
    pub(super) hits: std::slice::Iter<'t, Hit>,
    pub(super) values: &'t [T],
}

impl<'t, T> Iterator for Receivers<'t, T> {
    type Item = (SubscriptionId, &'t T);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let hit = self.hits.next()?;
        Some((SubscriptionId(hit.number), self.values.get(hit.slot as usize)?))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.hits.size_hint()
    }
}

impl<T> ExactSizeIterator for Receivers<'_, T> {}

impl<T> fmt::Debug for Receivers<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.hits.clone().map(|hit| SubscriptionId(hit.number))).finish()
    }
}
