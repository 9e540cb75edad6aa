//! Replay: whether a message was seen before.
//!
//! See [`freshness`](super::freshness) for why the two are needed together.

use super::freshness::Freshness;
use crate::scalar::ComponentId;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

/// What a [`ReplayCache`] does when it is full of entries that it should still remember.
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
    pub const fn with_floor(mut self, floor: i64) -> Self {
        self.floor = Some(floor);
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
        at: i64,
        now: i64,
    ) -> Result<(), ReplayError> {
        if now.abs_diff(at) > self.window.unsigned_abs() {
            return Err(ReplayError::OutsideWindow);
        }
        self.forget_passed(now);
        let key = key(source, message_id);
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
            // Forgetting an entry refuses all that are not later.
            if self.entries.first_key_value().is_some_and(|(_, first)| at <= *first) {
                return Err(ReplayError::Forgotten);
            }
            self.forget_first();
        }
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

impl ReplayError {
    /// The stable name of the reason.
    pub const fn reason(&self) -> &'static str {
        match self {
            ReplayError::Replayed => "replayed",
            ReplayError::OutsideWindow => "outside-replay-window",
            ReplayError::Forgotten => "no-longer-remembered",
            ReplayError::Full => "replay-cache-full",
        }
    }
}
