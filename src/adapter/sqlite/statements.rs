//! What is said to the tables of each log, which differ by their names only.

use crate::storage::Log;

/// The statements of one log.
pub(super) struct Statements {
    /// The first position that is still there, and the one that comes next.
    pub(super) bounds: &'static str,
    /// Adds a record: the columns of [`record`](super::operations::record).
    pub(super) insert: &'static str,
    /// Adds a record without names: position, checksum and data.
    pub(super) insert_plain: &'static str,
    pub(super) delete_at: &'static str,
    pub(super) delete_from: &'static str,
    pub(super) delete_before: &'static str,
    /// Records from a position on, as many as a limit.
    pub(super) read: &'static str,
    pub(super) read_one: &'static str,
    pub(super) read_all: &'static str,
    pub(super) positions: &'static str,
    /// Where the record with a lane and an id stands.
    pub(super) position_of: &'static str,
    /// The lane of the record at a position.
    pub(super) lane_at: &'static str,
    /// The last record of each lane, and whether the lane ends with it.
    pub(super) last_records: &'static str,
    /// Writes a lane: the columns of [`lane_of`](super::operations::lane_of).
    pub(super) set_lane: &'static str,
    pub(super) delete_lane: &'static str,
    pub(super) forget_lanes: &'static str,
    pub(super) lane: &'static str,
    pub(super) lanes: &'static str,
    pub(super) open_lanes_before: &'static str,
    pub(super) count_lanes: &'static str,
    /// Writes a cursor: the columns of [`cursor_of`](super::operations::cursor_of).
    pub(super) set_cursor: &'static str,
    pub(super) delete_cursor: &'static str,
    pub(super) cursor: &'static str,
    pub(super) cursors: &'static str,
    pub(super) count_cursors: &'static str,
    /// The index of ids.
    pub(super) index: &'static str,
}

impl Statements {
    pub(super) const fn of(log: Log) -> &'static Self {
        match log {
            Log::Decisions => &DECISIONS,
            Log::History => &HISTORY,
        }
    }
}

/// The first position of a log, and the one that comes next. `max(position)` is a look at the end of the
/// table's tree. A trimmed log has no record, so the first position is remembered where it goes on.
macro_rules! bounds {
    ($record:literal, $first:literal) => {
        concat!(
            $first,
            ", max(",
            $first,
            ", coalesce((SELECT max(position) + 1 FROM ",
            $record,
            "), 1))"
        )
    };
}

/// What a transaction starts from: the last revision, who wrote last, and the bounds of each log.
pub(super) const STATE: &str = concat!(
    "SELECT revision, writer, ",
    bounds!("record", "first"),
    ", ",
    bounds!("decision", "first_decision"),
    " FROM state"
);

macro_rules! statements {
    ($name:ident: $record:literal, $lane:literal, $cursor:literal, $index:literal, $first:literal) => {
        const $name: Statements = Statements {
            bounds: concat!("SELECT ", bounds!($record, $first), " FROM state"),
            insert: concat!(
                "INSERT INTO ", $record, " (position, checksum, data, lane, id, subject, ends)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"
            ),
            insert_plain: concat!(
                "INSERT INTO ",
                $record,
                " (position, checksum, data) VALUES (?1, ?2, ?3)"
            ),
            delete_at: concat!("DELETE FROM ", $record, " WHERE position = ?1"),
            delete_from: concat!("DELETE FROM ", $record, " WHERE position >= ?1"),
            delete_before: concat!("DELETE FROM ", $record, " WHERE position < ?1"),
            read: concat!(
                "SELECT position, checksum, data, lane, id, subject, ends FROM ", $record,
                " WHERE position >= ?1 ORDER BY position LIMIT ?2"
            ),
            read_one: concat!(
                "SELECT position, checksum, data, lane, id, subject, ends FROM ", $record,
                " WHERE position = ?1"
            ),
            read_all: concat!(
                "SELECT position, checksum, data, lane, id, subject, ends FROM ", $record,
                " ORDER BY position"
            ),
            positions: concat!("SELECT position FROM ", $record, " ORDER BY position"),
            position_of: concat!("SELECT position FROM ", $record, " WHERE lane = ?1 AND id = ?2"),
            lane_at: concat!("SELECT lane FROM ", $record, " WHERE position = ?1"),
            // A bare column beside `max` is that of the row with the maximum.
            last_records: concat!(
                "SELECT lane, max(position), ends FROM ", $record, " WHERE lane IS NOT NULL GROUP BY lane"
            ),
            set_lane: concat!(
                "INSERT INTO ", $lane, " (name, last, checksum, ended) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (name) DO UPDATE SET
                 last = excluded.last, checksum = excluded.checksum, ended = excluded.ended"
            ),
            delete_lane: concat!("DELETE FROM ", $lane, " WHERE name = ?1"),
            forget_lanes: concat!("DELETE FROM ", $lane, " WHERE last < ?1"),
            lane: concat!("SELECT name, last, checksum, ended FROM ", $lane, " WHERE name = ?1"),
            lanes: concat!("SELECT name, last, checksum, ended FROM ", $lane, " ORDER BY name"),
            open_lanes_before: concat!(
                "SELECT name, last, checksum, ended FROM ", $lane,
                " WHERE last < ?1 AND NOT ended ORDER BY name"
            ),
            count_lanes: concat!("SELECT count(*) FROM ", $lane),
            set_cursor: concat!(
                "INSERT INTO ", $cursor, " (name, position, checksum) VALUES (?1, ?2, ?3)
                 ON CONFLICT (name) DO UPDATE SET
                 position = excluded.position, checksum = excluded.checksum"
            ),
            delete_cursor: concat!("DELETE FROM ", $cursor, " WHERE name = ?1"),
            cursor: concat!("SELECT name, position, checksum FROM ", $cursor, " WHERE name = ?1"),
            cursors: concat!("SELECT name, position, checksum FROM ", $cursor, " ORDER BY name"),
            count_cursors: concat!("SELECT count(*) FROM ", $cursor),
            index: $index,
        };
    };
}
statements!(HISTORY: "record", "lane", "cursor", "record_id", "first");
statements!(DECISIONS: "decision", "decision_lane", "decision_cursor", "decision_id", "first_decision");
