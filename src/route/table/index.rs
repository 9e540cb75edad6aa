//! An open-addressed set of positions, found by hash.
//!
//! It holds no keys: whoever asks compares them. So one table serves texts, triples and whatever
//! else stands in a list, and a slot is eight bytes.

/// A slot that holds nothing.
// Positions are counted from 0 and never get so far: four thousand million entries do not fit.
const EMPTY: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    /// The low half of the hash; its low bits choose the slot.
    // The tag is compared before the entry is looked at, so a walk over other entries touches no
    // memory but the table. Half of the hash is enough for that and keeps the slot at eight bytes:
    // eight slots to a cache line.
    tag: u32,
    at: u32,
}

#[derive(Clone, Debug)]
pub(super) struct Index {
    // Open addressing instead of a `HashMap`: the standard map would own the keys, which stand in
    // the list already, and cannot read the first slots of several keys before it compares any of
    // them.
    slots: Vec<Slot>,
    used: usize,
}

impl Slot {
    pub(super) const NONE: Slot = Slot { tag: 0, at: EMPTY };
}

impl Index {
    const LEAST: usize = 8;

    pub(super) fn new() -> Self {
        Index { slots: vec![Slot::NONE; Self::LEAST], used: 0 }
    }

    /// Where the walk for a tag starts. The length is a power of two.
    #[inline]
    // The low bits choose the slot and the table is at most 2^32 long, so a slot of a wider table
    // is found from the tag alone when the table grows.
    fn home(&self, tag: u32) -> usize {
        tag as usize & (self.slots.len() - 1)
    }

    #[inline]
    fn after(&self, slot: usize) -> usize {
        // The next slot is nearly always in the same cache line, which is why collisions walk and
        // do not jump.
        (slot + 1) & (self.slots.len() - 1)
    }

    /// The position with this hash that is the wanted one.
    #[inline]
    pub(super) fn find(&self, hash: u64, wanted: impl FnMut(u32) -> bool) -> Option<u32> {
        self.find_from(self.first(hash), hash, wanted)
    }

    /// The slot where the search for a hash starts. Who looks for several things reads their first
    /// slots before anything else, so that the memory is asked for all of them at once.
    #[inline]
    pub(super) fn first(&self, hash: u64) -> Slot {
        self.slots[self.home(hash as u32)]
    }

    /// As [`find`](Self::find), from the first slot on.
    #[inline]
    pub(super) fn find_from(
        &self,
        first: Slot,
        hash: u64,
        mut wanted: impl FnMut(u32) -> bool,
    ) -> Option<u32> {
        let tag = hash as u32;
        let (mut slot, mut found) = (self.home(tag), first);
        loop {
            // A walk may end at the first empty slot, because removing closes gaps and never leaves
            // a mark.
            if found.at == EMPTY {
                return None;
            }
            if found.tag == tag && wanted(found.at) {
                return Some(found.at);
            }
            slot = self.after(slot);
            found = self.slots[slot];
        }
    }

    /// Adds a position that is not in the set.
    pub(super) fn add(&mut self, hash: u64, at: u32) {
        // At least a quarter stays empty, so every walk ends, and soon.
        if (self.used + 1) * 4 > self.slots.len() * 3 {
            // Doubling keeps the length a power of two, and an insertion constant on average. The
            // table never shrinks: a table that was large once is likely to be so again.
            let wider = vec![Slot::NONE; self.slots.len() * 2];
            for slot in std::mem::replace(&mut self.slots, wider) {
                if slot.at != EMPTY {
                    self.insert_slot(slot);
                }
            }
        }
        self.insert_slot(Slot { tag: hash as u32, at });
        self.used += 1;
    }

    fn insert_slot(&mut self, new: Slot) {
        let mut slot = self.home(new.tag);
        while self.slots[slot].at != EMPTY {
            slot = self.after(slot);
        }
        self.slots[slot] = new;
    }

    /// Takes a position out, if it is there.
    pub(super) fn remove(&mut self, hash: u64, at: u32) {
        // Searched by position, not by key: two entries may have equal tags.
        let mut gap = self.home(hash as u32);
        while self.slots[gap].at != at {
            if self.slots[gap].at == EMPTY {
                return;
            }
            gap = self.after(gap);
        }
        self.used -= 1;
        // What follows moves up, unless that would put it before its home.
        // Tombstones would be simpler, but each one lengthens every walk over it, and tables where
        // subscriptions come and go would fill up with them.
        let mask = self.slots.len() - 1;
        let mut next = self.after(gap);
        while self.slots[next].at != EMPTY {
            let home = self.home(self.slots[next].tag);
            if next.wrapping_sub(home) & mask >= next.wrapping_sub(gap) & mask {
                self.slots[gap] = self.slots[next];
                gap = next;
            }
            next = self.after(next);
        }
        self.slots[gap].at = EMPTY;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn find(index: &Index, hash: u64, at: u32) -> Option<u32> {
        index.find(hash, |found| found == at)
    }

    #[test]
    fn entries_with_one_hash_are_told_apart_by_whoever_asks() {
        let mut index = Index::new();
        for at in 0..5 {
            index.add(7, at);
        }
        let mut asked = Vec::new();
        let found = index.find(7, |at| {
            asked.push(at);
            at == 3
        });
        assert_eq!((found, asked), (Some(3), vec![0, 1, 2, 3]));
        assert_eq!(index.find(8, |_| true), None);
    }

    #[test]
    fn a_walk_that_wraps_around_the_end_closes_its_gaps() {
        let mut index = Index::new();
        // All want the last slot of eight, so they go on at the first.
        for at in 0..4 {
            index.add(Index::LEAST as u64 - 1, at);
        }
        index.add(0, 9);
        index.remove(Index::LEAST as u64 - 1, 1);
        for at in [0, 2, 3] {
            assert_eq!(find(&index, Index::LEAST as u64 - 1, at), Some(at));
        }
        // It was pushed behind them and has moved up, never before its home.
        assert_eq!(find(&index, 0, 9), Some(9));
        assert_eq!(find(&index, Index::LEAST as u64 - 1, 1), None);
    }

    #[test]
    fn removing_what_is_not_there_changes_nothing() {
        let mut index = Index::new();
        index.remove(1, 1);
        index.add(1, 1);
        index.remove(1, 2);
        index.remove(2, 1);
        assert_eq!((find(&index, 1, 1), index.used), (Some(1), 1));
    }

    #[test]
    fn growth_keeps_everything_and_a_quarter_stays_empty() {
        let mut index = Index::new();
        for at in 0..1_000 {
            // Half of the hashes are equal in the bits that choose the slot.
            index.add(u64::from(at) << 16 | u64::from(at % 2), at);
            assert!(index.used * 4 <= index.slots.len() * 3, "{at}");
        }
        for at in 0..1_000 {
            let hash = u64::from(at) << 16 | u64::from(at % 2);
            assert_eq!(find(&index, hash, at), Some(at));
        }
    }

    #[test]
    fn random_changes_agree_with_a_map() {
        let mut index = Index::new();
        let mut model = BTreeMap::new();
        let mut state = 1_u64;
        for step in 0..20_000_u32 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let at = (state >> 40) as u32 % 64;
            // Few hashes, so that walks are long and overlap.
            let hash = u64::from(at) % 7;
            if state >> 63 == 0 {
                if model.insert(at, hash).is_none() {
                    index.add(hash, at);
                }
            } else if model.remove(&at).is_some() {
                index.remove(hash, at);
            }
            if step % 50 == 0 {
                for at in 0..64 {
                    let known = model.contains_key(&at).then_some(at);
                    assert_eq!(find(&index, u64::from(at) % 7, at), known, "step {step}");
                }
                assert_eq!(index.used, model.len());
            }
        }
    }
}
