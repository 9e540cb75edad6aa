//! What a file holds, item by item, for those who go over all of it.

use crate::scalar::printable;
use crate::storage::{Bounds, Cursor, Entry, JournalRecord, LaneEnd};
use std::fmt;
use std::sync::Arc;

/// Something that is in a file. They come in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreItem {
    /// What follows, always once and first.
    Contents(Contents),
    /// A value, ordered by key.
    Entry(Entry),
    /// A record, ordered by position.
    Record(JournalRecord),
    /// Where a lane ends, ordered by lane.
    Lane(LaneEnd),
    /// A cursor, ordered by name.
    Cursor(Cursor),
    /// One of these that cannot be read, in the place where it would stand.
    Damaged(DamagedItem),
}

/// A value, record, lane or cursor that is not what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DamagedItem {
    /// What it should be.
    pub place: DamagedPlace,
    /// What is wrong with it.
    pub reason: String,
    /// The bytes that stand there, as far as they can be read.
    pub data: Option<Arc<[u8]>>,
    /// The row of a value, whose key may not name it.
    pub(super) row: Option<i64>,
}

impl DamagedItem {
    /// Says what is wrong in a place.
    pub fn new(place: DamagedPlace, reason: impl Into<String>) -> Self {
        DamagedItem { place, reason: reason.into(), data: None, row: None }
    }
}

impl fmt::Display for DamagedItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, printable(&self.reason))
    }
}

/// Where damage is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum DamagedPlace {
    /// A value, by the text of its key, which may itself be damaged.
    Entry(String),
    /// A record, by its position.
    Record(u64),
    /// The end of a lane, by the text of its name.
    Lane(String),
    /// A cursor, by the text of its name.
    Cursor(String),
}

impl fmt::Display for DamagedPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DamagedPlace::Entry(key) => write!(f, "`{}`", printable(key)),
            DamagedPlace::Record(position) => write!(f, "record {position}"),
            DamagedPlace::Lane(name) => write!(f, "lane `{}`", printable(name)),
            DamagedPlace::Cursor(name) => write!(f, "cursor `{}`", printable(name)),
        }
    }
}

/// How much is in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Contents {
    /// The last revision that was given.
    pub revision: u64,
    /// What the journal spans.
    pub bounds: Bounds,
    /// How many values there are.
    pub entries: u64,
    /// How many cursors there are.
    pub cursors: u64,
    /// How many lanes have an end.
    pub lanes: u64,
}

impl Contents {
    /// What a file should have, without lanes.
    pub const fn new(revision: u64, bounds: Bounds, entries: u64, cursors: u64) -> Self {
        Contents { revision, bounds, entries, cursors, lanes: 0 }
    }

    /// Sets how many lanes have an end.
    pub const fn with_lanes(mut self, lanes: u64) -> Self {
        self.lanes = lanes;
        self
    }

    /// Values, records and cursors together.
    pub const fn items(&self) -> u64 {
        self.entries + self.bounds.len() + self.cursors
    }

    /// Whether there is nothing, and never was a record.
    pub const fn is_empty(&self) -> bool {
        self.entries == 0 && self.cursors == 0 && self.bounds.next == 1
    }
}

/// What becomes of an item.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ItemChange {
    /// It stays.
    Keep,
    /// It gets this value. A value gets a new revision; a record keeps its position.
    Replace(Vec<u8>),
    /// It goes. A record becomes empty, so that the others keep their positions; the end of a lane is
    /// found anew from its records.
    Remove,
}
