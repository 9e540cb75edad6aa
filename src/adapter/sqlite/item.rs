//! What a file holds, item by item, for those who go over all of it.

use crate::scalar::printable;
use crate::storage::{Bounds, Cursor, Entry, JournalRecord, Key, Log};
use std::fmt;
use std::sync::Arc;

/// Something that is in a file. They come in this order, records, lanes and cursors log by log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreItem {
    /// What follows, always once and first.
    Contents(Contents),
    /// A value, ordered by key.
    Entry(Entry),
    /// A record of a log, ordered by position.
    Record(Log, JournalRecord),
    /// Where a lane of a log ends, ordered by lane.
    Lane(Log, KeptLane),
    /// A cursor of a log, ordered by name.
    Cursor(Log, Cursor),
    /// One of these that cannot be read, in the place where it would stand.
    Damaged(DamagedItem),
}

/// What a file keeps of a lane.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeptLane {
    /// The lane.
    pub lane: Key,
    /// The position of its last record, which may be trimmed.
    pub last: u64,
    /// Whether that record ended it.
    pub ended: bool,
}

impl KeptLane {
    /// A lane that is open.
    pub const fn new(lane: Key, last: u64) -> Self {
        KeptLane { lane, last, ended: false }
    }

    /// Says whether it ended.
    pub const fn with_ended(mut self, ended: bool) -> Self {
        self.ended = ended;
        self
    }
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
    /// A record of a log, by its position.
    Record(Log, u64),
    /// The end of a lane of a log, by the text of its name.
    Lane(Log, String),
    /// A cursor of a log, by the text of its name.
    Cursor(Log, String),
}

/// What the history has is told without its name, what another log has is told with it.
struct Of(Log);

impl fmt::Display for Of {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Log::History => Ok(()),
            log => write!(f, " of the {log}"),
        }
    }
}

impl fmt::Display for DamagedPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DamagedPlace::Entry(key) => write!(f, "`{}`", printable(key)),
            DamagedPlace::Record(log, position) => write!(f, "record {position}{}", Of(*log)),
            DamagedPlace::Lane(log, name) => write!(f, "lane `{}`{}", printable(name), Of(*log)),
            DamagedPlace::Cursor(log, name) => {
                write!(f, "cursor `{}`{}", printable(name), Of(*log))
            }
        }
    }
}

/// How much is in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Contents {
    /// The last revision that was given.
    pub revision: u64,
    /// How many values there are.
    pub entries: u64,
    /// What the history has.
    pub history: LogContents,
    /// What the decisions have.
    pub decisions: LogContents,
}

/// How much is in a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogContents {
    /// What it spans.
    pub bounds: Bounds,
    /// How many cursors there are.
    pub cursors: u64,
    /// How many lanes have an end.
    pub lanes: u64,
}

impl LogContents {
    /// A log that never had a record.
    pub const NONE: Self = LogContents::new(Bounds::new(1, 1), 0, 0);

    /// A log that spans this, with these numbers of cursors and lanes.
    pub const fn new(bounds: Bounds, cursors: u64, lanes: u64) -> Self {
        LogContents { bounds, cursors, lanes }
    }

    /// Whether it never had a record or a reader.
    pub const fn is_untouched(&self) -> bool {
        self.bounds.next == 1 && self.cursors == 0
    }
}

impl Contents {
    /// What a file should have, without decisions.
    pub const fn new(revision: u64, entries: u64, history: LogContents) -> Self {
        Contents { revision, entries, history, decisions: LogContents::NONE }
    }

    /// Sets what the decisions have.
    pub const fn with_decisions(mut self, decisions: LogContents) -> Self {
        self.decisions = decisions;
        self
    }

    /// What a log has.
    pub const fn log(&self, log: Log) -> &LogContents {
        match log {
            Log::History => &self.history,
            Log::Decisions => &self.decisions,
        }
    }

    pub(super) const fn log_mut(&mut self, log: Log) -> &mut LogContents {
        match log {
            Log::History => &mut self.history,
            Log::Decisions => &mut self.decisions,
        }
    }

    /// Values, records and cursors together.
    pub fn items(&self) -> u64 {
        let log = |log: &LogContents| log.bounds.len() + log.cursors;
        self.entries + log(&self.history) + log(&self.decisions)
    }

    /// Whether there is nothing, and never was a record.
    pub const fn is_empty(&self) -> bool {
        self.entries == 0 && self.history.is_untouched() && self.decisions.is_untouched()
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
