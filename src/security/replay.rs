//! Replay: whether a message was seen before.
//!
//! See [`freshness`](super::freshness) for why the two are needed together.

use super::freshness::Freshness;
use crate::scalar::{ComponentId, WallTime};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

/// What a [`ReplayCache`] does when it is full of entries that it should still remember.
#[doc(alias = "eviction")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReplayCapacity {
    /// Forget the entry that was nearest to its end, and from then on refuse every message with
    /// a timestamp not later than that entry's: the window shrinks to what fits. Suits many
    /// messages that arrive about in order.
    #[default]
    ShrinkWindow,
    /// Refuse new messages until the window has moved on. Suits few messages that arrive late.
    Refuse,
}

/// Remembers which messages were admitted.
///
/// A message is known by its source and its identifier; both and its timestamp must be what the
/// source signed. Two things hold:
///
/// * An identifier that was admitted is not admitted again within the window, unless the cache
///   was full or the clock was set.
/// * A message that was admitted is never admitted again with the same timestamp, however full
///   the cache is and however the clock moves. What the cache cannot vouch for, it refuses.
///
/// An entry takes some 100 bytes, however long the identifiers are. Admission takes a time that
/// grows with the logarithm of the capacity.
///
/// A new cache knows nothing of what was admitted before a restart; see
/// [`with_floor`](Self::with_floor).
#[doc(alias = "deduplication")]
#[doc(alias = "nonce")]
#[derive(Clone, Debug)]
pub struct ReplayCache {
    window: i64,
    capacity: usize,
    when_full: ReplayCapacity,
    /// Timestamps up to this one are not admitted, since entries were forgotten.
    floor: Option<i64>,
    seen: HashSet<Key>,
    /// The timestamps of the entries, in the order in which they may be forgotten: each stays
    /// for a window after its timestamp or its admission, whichever is later.
    entries: BTreeMap<(i64, Key), i64>,
}

/// Half a SHA-256: two messages with one key are out of reach, and would only be refused.
type Key = [u8; 16];

impl ReplayCache {
    /// How many messages a cache remembers unless set otherwise.
    pub const DEFAULT_CAPACITY: usize = 65_536;

    /// A cache whose window is as wide as that of a [`Freshness`] to both sides.
    pub fn new(freshness: &Freshness) -> Self {
        ReplayCache::with_window(freshness.ahead.max(freshness.behind))
    }

    /// A cache that admits timestamps up to `window` away from the clock, to either side, and
    /// remembers messages as long as needed for that.
    pub fn with_window(window: Duration) -> Self {
        ReplayCache {
            window: i64::try_from(window.as_millis()).unwrap_or(i64::MAX),
            capacity: Self::DEFAULT_CAPACITY,
            when_full: ReplayCapacity::default(),
            floor: None,
            seen: HashSet::new(),
            entries: BTreeMap::new(),
        }
    }

    /// Sets how many messages are remembered, at least one.
    pub fn with_capacity(mut self, capacity: usize) -> Self {
        self.capacity = capacity.max(1);
        self
    }

    /// Sets what happens when the cache is full.
    pub const fn with_when_full(mut self, when_full: ReplayCapacity) -> Self {
        self.when_full = when_full;
        self
    }

    /// Refuses messages with a timestamp up to `floor`. Give it the moment of a restart: what was
    /// sent before may have been admitted before.
    pub fn with_floor(mut self, floor: impl Into<WallTime>) -> Self {
        self.floor = Some(floor.into().unix_millis());
        self
    }

    /// How many messages are remembered.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no message is remembered.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Admits a message and remembers it. `at` is its timestamp and `now` the reader's clock.
    ///
    /// # Errors
    /// [`ReplayError`].
    pub fn admit(
        &mut self,
        source: &ComponentId,
        message_id: &str,
        at: impl Into<WallTime>,
        now: impl Into<WallTime>,
    ) -> Result<(), ReplayError> {
        let (at, now) = (at.into().unix_millis(), now.into().unix_millis());
        // First of all: outside the window nothing is remembered, so nothing can be known.
        if now.abs_diff(at) > self.window.unsigned_abs() {
            return Err(ReplayError::OutsideWindow);
        }
        // What has passed makes room before room is counted.
        self.forget_passed(now);
        let key = key(source, message_id);
        // Before the floor: who sends again should hear that it is a repetition, and not be asked to
        // send it under a new identifier.
        if self.seen.contains(&key) {
            return Err(ReplayError::Replayed);
        }
        if self.floor.is_some_and(|floor| at <= floor) {
            return Err(ReplayError::Forgotten);
        }
        if self.entries.len() >= self.capacity {
            if self.when_full == ReplayCapacity::Refuse {
                return Err(ReplayError::Full);
            }
            // Forgetting the first entry raises the floor to its timestamp, so the new message would
            // be refused by the floor that it makes: better to keep the entry.
            if self.entries.first_key_value().is_some_and(|(_, first)| at <= *first) {
                return Err(ReplayError::Forgotten);
            }
            self.forget_first();
        }
        // A window after its timestamp, for a repetition is admitted no later; and a window after
        // now, should the clock be set back to where the timestamp is good again.
        let until = at.max(now).saturating_add(self.window);
        self.seen.insert(key);
        self.entries.insert((until, key), at);
        Ok(())
    }

    fn forget_passed(&mut self, now: i64) {
        while self.entries.first_key_value().is_some_and(|((until, _), _)| *until < now) {
            self.forget_first();
        }
    }

    /// The floor rises even if the entry's time has passed: the clock may be set back.
    fn forget_first(&mut self) {
        if let Some(((_, key), at)) = self.entries.pop_first() {
            self.seen.remove(&key);
            self.floor = self.floor.max(Some(at));
        }
    }
}

fn key(source: &ComponentId, message_id: &str) -> Key {
    let source = source.as_str();
    // The length keeps the two apart.
    let digest = Sha256::new()
        .chain_update((source.len() as u64).to_be_bytes())
        .chain_update(source)
        .chain_update(message_id)
        .finalize();
    let mut key = Key::default();
    for (to, from) in key.iter_mut().zip(digest) {
        *to = from;
    }
    key
}

/// Why a message is not admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// The message was admitted before.
    #[error("a message of this source with this identifier was admitted before")]
    Replayed,
    /// The timestamp is too far from the clock to know.
    #[error("the timestamp is outside the window in which replays are recognized")]
    OutsideWindow,
    /// Messages of that time were forgotten, or the timestamp is not above the floor.
    #[error("messages as old as this one are no longer remembered")]
    Forgotten,
    /// The cache is full, and told to refuse then.
    #[error("too many messages are remembered to admit another one")]
    Full,
}

crate::error::leaf_errors! {
    ReplayError, Security {
        Self::Replayed => ["replayed", System, Conflict, lasting,
            "drop", "Drop it if it is a repetition; else send it anew under a new `message_id`."],
        Self::OutsideWindow => ["outside-replay-window", System, Conflict, lasting,
            "drop", "Drop it if it is a repetition; else send it anew under a new `message_id`."],
        Self::Forgotten => ["no-longer-remembered", System, Conflict, lasting,
            "drop", "Drop it if it is a repetition; else send it anew under a new `message_id`."],
        // Entries leave with their windows.
        Self::Full => ["replay-cache-full", System, Conflict, transient,
            "drop", "Drop it if it is a repetition; else send it anew under a new `message_id`."],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(capacity: usize) -> (ReplayCache, ComponentId) {
        let cache = ReplayCache::with_window(Duration::from_millis(10)).with_capacity(capacity);
        (cache, ComponentId::new("hub").expect("a name"))
    }

    /// The timestamps in the order in which they are forgotten.
    fn order(cache: &ReplayCache) -> Vec<i64> {
        cache.entries.values().copied().collect()
    }

    #[test]
    fn entries_go_in_the_order_in_which_their_windows_pass() {
        let (mut cache, hub) = cache(8);
        // A message that is dated ahead stays longest, one that came late as long as it came late.
        for (id, at, now) in [("ahead", 105, 100), ("late", 95, 101), ("even", 102, 102)] {
            assert_eq!(cache.admit(&hub, id, at, now), Ok(()));
        }
        assert_eq!(order(&cache), [95, 102, 105]);
        cache.forget_passed(111);
        assert_eq!(order(&cache), [95, 102, 105], "the last moment of a window belongs to it");
        cache.forget_passed(112);
        assert_eq!((order(&cache), cache.floor), (vec![102, 105], Some(95)));
        cache.forget_passed(200);
        assert_eq!((cache.len(), cache.seen.len(), cache.floor), (0, 0, Some(105)));
    }

    #[test]
    fn the_floor_never_falls() {
        let (mut cache, hub) = cache(1);
        assert_eq!(cache.admit(&hub, "a", 109, 100), Ok(()));
        // It would be refused by the floor that its own admission makes, so nothing is forgotten.
        assert_eq!(cache.admit(&hub, "b", 109, 101), Err(ReplayError::Forgotten));
        assert_eq!((order(&cache), cache.floor), (vec![109], None));
        assert_eq!(cache.admit(&hub, "c", 110, 101), Ok(()));
        assert_eq!((order(&cache), cache.floor), (vec![110], Some(109)));
        cache.floor = Some(500);
        cache.forget_first();
        assert_eq!(cache.floor, Some(500));
    }

    #[test]
    fn source_and_identifier_do_not_run_together() {
        let name = |text| ComponentId::new(text).expect("a name");
        assert_ne!(key(&name("a"), "bc"), key(&name("ab"), "c"));
        assert_eq!(key(&name("a"), "bc"), key(&name("a"), "bc"));
    }
}
