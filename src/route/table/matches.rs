//! Lists of matches as one, in the order of subscription.

use super::SubscriptionId;
use super::trie::{GONE, Hit, REACH};
use std::fmt;
use std::slice;

/// The lists that a key reaches, merged by number. Holds no memory of its own.
#[derive(Clone)]
pub(super) struct Merge<'t> {
    /// What is handed out next: the head of a list, as far as its numbers are below those of all
    /// others.
    run: slice::Iter<'t, Hit>,
    /// What waits. None of the first `count` is empty.
    // Merged while they are handed out: collecting and sorting would need memory, and who wants
    // only the first receiver would pay for all.
    lists: [&'t [Hit]; REACH],
    count: usize,
}

impl<'t> Merge<'t> {
    #[inline]
    pub(super) fn new() -> Self {
        Merge { run: [].iter(), lists: [&[]; REACH], count: 0 }
    }

    #[inline]
    pub(super) fn push(&mut self, list: &'t [Hit]) {
        if let (Some(slot), false) = (self.lists.get_mut(self.count), list.is_empty()) {
            *slot = list;
            self.count += 1;
        }
    }

    /// Takes up the list with the least number, up to the least of the others; whether there is one.
    fn turn(&mut self) -> bool {
        let lists = &mut self.lists[..self.count];
        // A linear look at the heads: a key reaches two or three lists as a rule, too few for a
        // heap.
        let (mut least, mut limit, mut at_least) = (u64::MAX, u64::MAX, 0);
        for (at, list) in lists.iter().enumerate() {
            let number = list.first().map_or(u64::MAX, |hit| hit.number);
            if number < least {
                limit = least;
                (least, at_least) = (number, at);
            } else {
                limit = limit.min(number);
            }
        }
        let Some(others) = self.count.checked_sub(1) else { return false };
        let list = lists[at_least];
        // Lists interleave, so runs are short: a binary search was slower.
        let end = if others == 0 {
            list.len()
        } else {
            list.iter().position(|hit| hit.number > limit).unwrap_or(list.len())
        };
        let (head, rest) = list.split_at(end);
        self.run = head.iter();
        if rest.is_empty() {
            // Order among the waiting lists does not matter, so the last one fills the gap.
            lists[at_least] = lists[others];
            self.count = others;
        } else {
            lists[at_least] = rest;
        }
        true
    }
}

impl Iterator for Merge<'_> {
    type Item = Hit;

    #[inline]
    fn next(&mut self) -> Option<Hit> {
        loop {
            match self.run.next() {
                // Marks of removed subscriptions are passed over here, where every hit is looked at
                // anyway.
                Some(hit) if hit.slot != GONE => return Some(*hit),
                Some(_) => {}
                None if self.turn() => {}
                None => return None,
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
