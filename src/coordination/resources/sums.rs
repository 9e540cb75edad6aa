//! How much of one resource is still held at a moment.

use super::units::Units;
use crate::scalar::Instant;

/// How many ends one chunk holds before it is split.
const CHUNK: usize = 128;

/// Amounts by when they are given back. It answers how much is held at a moment, and from when on at most so
/// much is, in about the square root of the number of ends.
#[derive(Clone, Debug, Default)]
pub(super) struct EndSums {
    /// In the order of their ends; none is empty.
    chunks: Vec<Chunk>,
    total: Units,
}

#[derive(Clone, Debug)]
struct Chunk {
    ends: Vec<(Instant, Units)>,
    sum: Units,
}

impl EndSums {
    pub(super) fn insert(&mut self, end: Instant, amount: Units) {
        if amount.is_zero() {
            return;
        }
        self.total = self.total.plus(amount);
        let at = self.chunk_of(end).min(self.chunks.len().saturating_sub(1));
        let Some(chunk) = self.chunks.get_mut(at) else {
            self.chunks.push(Chunk { ends: vec![(end, amount)], sum: amount });
            return;
        };
        chunk.sum = chunk.sum.plus(amount);
        match chunk.ends.binary_search_by_key(&end, |entry| entry.0) {
            Ok(found) => chunk.ends[found].1 = chunk.ends[found].1.plus(amount),
            Err(place) => chunk.ends.insert(place, (end, amount)),
        }
        if chunk.ends.len() > CHUNK {
            let behind = chunk.ends.split_off(CHUNK / 2);
            let sum = behind.iter().fold(Units::ZERO, |sum, entry| sum.plus(entry.1));
            chunk.sum = chunk.sum.minus(sum);
            self.chunks.insert(at + 1, Chunk { ends: behind, sum });
        }
    }

    pub(super) fn remove(&mut self, end: Instant, amount: Units) {
        if amount.is_zero() {
            return;
        }
        let at = self.chunk_of(end);
        let Some(chunk) = self.chunks.get_mut(at) else { return };
        let Ok(found) = chunk.ends.binary_search_by_key(&end, |entry| entry.0) else { return };
        chunk.ends[found].1 = chunk.ends[found].1.minus(amount);
        chunk.sum = chunk.sum.minus(amount);
        self.total = self.total.minus(amount);
        if chunk.ends[found].1.is_zero() {
            chunk.ends.remove(found);
        }
        if chunk.ends.is_empty() {
            self.chunks.remove(at);
        }
    }

    /// The first chunk whose last end is not before `end`.
    fn chunk_of(&self, end: Instant) -> usize {
        self.chunks.partition_point(|chunk| chunk.ends.last().is_some_and(|last| last.0 < end))
    }

    /// All that is held.
    pub(super) const fn total(&self) -> Units {
        self.total
    }

    /// How much is held at a moment: what ends later.
    pub(super) fn at(&self, moment: Instant) -> Units {
        let first = self
            .chunks
            .partition_point(|chunk| chunk.ends.last().is_some_and(|last| last.0 <= moment));
        let Some(chunk) = self.chunks.get(first) else { return Units::ZERO };
        let behind = chunk.ends.partition_point(|entry| entry.0 <= moment);
        let partly = chunk.ends[behind..].iter().fold(Units::ZERO, |sum, end| sum.plus(end.1));
        self.chunks[first + 1..].iter().fold(partly, |sum, chunk| sum.plus(chunk.sum))
    }

    /// From when on no more than an amount is held.
    pub(super) fn at_most_from(&self, amount: Units) -> Instant {
        let mut left = self.total;
        if left <= amount {
            return Instant::START;
        }
        for chunk in &self.chunks {
            if left.minus(chunk.sum) > amount {
                left = left.minus(chunk.sum);
                continue;
            }
            for (end, given_back) in &chunk.ends {
                left = left.minus(*given_back);
                if left <= amount {
                    return *end;
                }
            }
        }
        // Not reached: the chunks hold the total.
        Instant::START
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn sums_agree_with_a_list(
            changes in prop::collection::vec((any::<bool>(), 0_u64..60, 1_u64..5), 1..600),
            moment in 0_u64..70,
            amount in 0_u64..40,
        ) {
            let (mut sums, mut list) = (EndSums::default(), Vec::new());
            for (adds, end, amount) in changes {
                let (end, amount) = (Instant::from_millis(end), Units::whole(amount));
                if adds {
                    sums.insert(end, amount);
                    list.push((end, amount));
                } else if let Some((end, amount)) = list.pop() {
                    sums.remove(end, amount);
                }
            }
            let held = |at: Instant| {
                let later = list.iter().filter(|entry| entry.0 > at);
                later.fold(Units::ZERO, |sum, entry| sum.plus(entry.1))
            };
            let (at, amount) = (Instant::from_millis(moment), Units::whole(amount));
            prop_assert_eq!(sums.at(at), held(at));
            let total = list.iter().fold(Units::ZERO, |sum, entry| sum.plus(entry.1));
            prop_assert_eq!(sums.total(), total);
            let mut moments: Vec<Instant> = list.iter().map(|entry| entry.0).collect();
            moments.push(Instant::START);
            moments.sort_unstable();
            let from = moments.into_iter().find(|at| held(*at) <= amount).unwrap();
            prop_assert_eq!(sums.at_most_from(amount), if total <= amount { Instant::START } else { from });
        }
    }
}
