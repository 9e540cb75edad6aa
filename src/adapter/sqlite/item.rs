//! What a file holds, item by item, for those who go over all of it.

use crate::storage::{Bounds, Cursor, Entry, JournalRecord};

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
    /// A cursor, ordered by name.
    Cursor(Cursor),
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
}

impl Contents {
    /// What a file should have.
    pub const fn new(revision: u64, bounds: Bounds, entries: u64, cursors: u64) -> Self {
        Contents { revision, bounds, entries, cursors }
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
    /// It goes. A record becomes empty, so that the others keep their positions.
    Remove,
}
