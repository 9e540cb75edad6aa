//! Changes of the file, inside a transaction that others may share.

use super::error::from_sqlite;
use super::item::{DamagedItem, DamagedPlace, ItemChange, StoreItem};
use super::log_changes::LogState;
use super::operations::{Result, checksum, number};
use super::statements::{STATE, Statements};
use crate::message::MessageKind;
use crate::storage::view;
use crate::storage::{
    Appended, Batch, Bounds, Commit, Committed, Expect, Key, Log, NewRecord, Put, StorageError,
};
use rusqlite::{Connection, OptionalExtension, params};
use std::sync::Arc;

/// A change. It can be carried out again if the transaction that held it failed.
#[derive(Debug)]
pub(super) enum Write {
    // Owned, so that it can cross to the writer's thread and be carried out again.
    Put {
        key: Key,
        value: Arc<[u8]>,
        expect: Expect,
    },
    Delete {
        key: Key,
        expect: Expect,
    },
    Append {
        log: Log,
        batch: Batch,
    },
    Commit(Commit),
    ForgetLanes {
        log: Log,
    },
    /// At most `named` lanes are named by a refusal.
    Trim {
        log: Log,
        before: u64,
        named: usize,
    },
    MoveCursor {
        log: Log,
        name: Key,
        expected: Option<u64>,
        to: u64,
    },
    RemoveCursor {
        log: Log,
        name: Key,
    },
}

impl Write {
    /// About how many bytes it carries.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Write::Put { value, .. } => value.len(),
            Write::Append { batch, .. } => batch.size(),
            Write::Commit(commit) => commit.size(),
            _ => 0,
        }
    }
}

/// What a change did.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Done {
    /// A revision, or how much went.
    Number(u64),
    /// Records were appended to one log.
    Appended(Appended),
    /// Records were appended, and values changed.
    Committed(Committed),
}

impl Done {
    pub(super) fn number(&self) -> u64 {
        match self {
            Done::Number(number) => *number,
            Done::Appended(appended) => appended.positions.end,
            Done::Committed(done) => done.appended.positions.end,
        }
    }

    pub(super) fn appended(self) -> Appended {
        match self {
            Done::Number(number) => Appended::new(number..number),
            Done::Appended(appended) => appended,
            Done::Committed(done) => done.appended,
        }
    }

    pub(super) fn committed(self) -> Committed {
        match self {
            Done::Committed(done) => done,
            other => Committed::new(other.appended(), Appended::new(0..0), Vec::new()),
        }
    }
}

/// The state of an open write transaction.
pub(super) struct Changes<'c> {
    pub(super) connection: &'c Connection,
    revision: u64,
    /// The logs, in the order of [`Log::ALL`].
    pub(super) logs: [LogState; Log::ALL.len()],
    pub(super) changed: bool,
    /// Dead letters came or went without the view that counts them.
    letters: bool,
    pub(super) appended: bool,
}

impl<'c> Changes<'c> {
    /// Reads what the changes start from.
    pub(super) fn start(connection: &'c Connection, writer: &str) -> Result<Self> {
        let mut statement = connection.prepare_cached(STATE).map_err(from_sqlite)?;
        let (revision, changed, [history, decisions]) = statement
            .query_row([], |row| {
                let bounds = |at| {
                    Ok::<_, rusqlite::Error>(Bounds::new(number(row, at)?, number(row, at + 1)?))
                };
                Ok((number(row, 0)?, row.get_ref(1)?.as_str()? != writer, [bounds(2)?, bounds(4)?]))
            })
            .map_err(from_sqlite)?;
        // A new writer has to leave its name, even if it only appends: the row is then written
        // although revision and first stay.
        let letters = false;
        Ok(Changes {
            connection,
            revision,
            logs: [LogState::new(history), LogState::new(decisions)],
            changed,
            letters,
            appended: false,
        })
    }

    /// Carries out one change. A refusal changes nothing.
    pub(super) fn apply(&mut self, write: &Write) -> Result<Done> {
        let number = match write {
            Write::Put { key, value, expect } => self.put(key, value, *expect)?,
            Write::Delete { key, expect } => u64::from(self.delete(key, *expect)?),
            Write::Append { log, batch } => {
                return self.append(*log, &batch.records, &batch.expected).map(Done::Appended);
            }
            Write::Commit(commit) => return self.commit(commit).map(Done::Committed),
            Write::ForgetLanes { log } => self.forget_lanes(*log)?,
            Write::Trim { log, before, named } => self.trim(*log, *before, *named)?,
            Write::MoveCursor { log, name, expected, to } => {
                self.move_cursor(*log, name, *expected, *to)?;
                0
            }
            Write::RemoveCursor { log, name } => self.remove_cursor(*log, name.as_str())?,
        };
        Ok(Done::Number(number))
    }

    /// Writes what all changes share, before the commit.
    pub(super) fn finish(&mut self, writer: &str) -> Result<()> {
        if self.letters {
            self.delete(&view::letters_tally()?, Expect::Any)?;
        }
        for log in Log::ALL {
            self.finish_log(log)?;
        }
        // Appends alone leave the row alone: their position is in the table of records, and one
        // page less is written.
        if self.changed {
            let sql =
                "UPDATE state SET revision = ?1, first = ?2, first_decision = ?3, writer = ?4";
            let [history, decisions] = Log::ALL.map(|log| self.bounds(log).first.cast_signed());
            self.execute(sql, params![self.revision.cast_signed(), history, decisions, writer])?;
        }
        Ok(())
    }

    pub(super) fn execute(&self, sql: &str, params: impl rusqlite::Params) -> Result<usize> {
        self.connection.prepare_cached(sql).and_then(|mut s| s.execute(params)).map_err(from_sqlite)
    }

    fn found(&self, key: &Key) -> Result<Option<u64>> {
        let sql = "SELECT revision FROM entry WHERE key = ?1";
        let mut statement = self.connection.prepare_cached(sql).map_err(from_sqlite)?;
        statement.query_row([key.as_str()], |row| number(row, 0)).optional().map_err(from_sqlite)
    }

    pub(super) fn put(&mut self, key: &Key, value: &[u8], expect: Expect) -> Result<u64> {
        let found = self.found(key)?;
        expect.check(key, found)?;
        // Revisions must never repeat. A key that is ahead of the counter says that the counter was
        // damaged, and going on would give a revision twice.
        if found.is_some_and(|found| found > self.revision) {
            let detail = format!("`{key}` is newer than the last revision, {}", self.revision);
            return Err(StorageError::corrupt(detail));
        }
        // Taken only when the row is written, so a refused write uses no revision.
        let revision = self.revision + 1;
        self.insert(key, revision, value)?;
        self.revision = revision;
        self.changed = true;
        Ok(revision)
    }

    /// Writes a value at a revision.
    pub(super) fn insert(&self, key: &Key, revision: u64, value: &[u8]) -> Result<()> {
        let sum = checksum(key.as_str().as_bytes(), revision, value);
        let sql = "INSERT INTO entry (key, revision, checksum, value) VALUES (?1, ?2, ?3, ?4)
                   ON CONFLICT (key) DO UPDATE SET
                   revision = excluded.revision, checksum = excluded.checksum, value = excluded.value";
        self.execute(sql, params![key.as_str(), revision.cast_signed(), sum, value]).map(drop)
    }

    /// Makes an empty file go on behind a revision.
    pub(super) fn start_behind(&mut self, revision: u64) {
        self.revision = revision;
        self.changed = true;
    }

    /// Notes that a value came or went without its view.
    pub(super) fn touch(&mut self, key: &Key) {
        self.letters |= view::kind(key) == Some(MessageKind::DeadLetter);
    }

    /// Makes sure that no revision that is there is given again.
    pub(super) fn count_on(&mut self) -> Result<()> {
        let sql = "SELECT coalesce(max(revision), 0) FROM entry";
        let highest = self.connection.query_row(sql, [], |row| number(row, 0));
        let highest = highest.map_err(from_sqlite)?;
        if highest > self.revision {
            self.revision = highest;
            self.changed = true;
        }
        Ok(())
    }

    /// Changes an item in its place.
    pub(super) fn rewrite(&mut self, item: &StoreItem, change: ItemChange) -> Result<()> {
        match (item, change) {
            // A cursor has no value; it can only go.
            (_, ItemChange::Keep)
            | (StoreItem::Contents(_), _)
            | (
                StoreItem::Cursor(..) | StoreItem::Lane(..) | StoreItem::Damaged(_),
                ItemChange::Replace(_),
            ) => Ok(()),
            (StoreItem::Entry(entry), ItemChange::Replace(value)) => {
                self.put(&entry.key, &value, Expect::Any).map(drop)
            }
            (StoreItem::Entry(entry), ItemChange::Remove) => {
                self.touch(&entry.key);
                self.delete(&entry.key, Expect::Any).map(drop)
            }
            (StoreItem::Damaged(item), ItemChange::Remove) => self.remove(item),
            (StoreItem::Record(log, record), ItemChange::Replace(data)) => {
                let mut new = NewRecord::from(record.clone());
                new.data = data.into();
                self.replace(*log, record.position, &new)
            }
            (StoreItem::Record(log, record), ItemChange::Remove) => {
                self.empty(*log, record.position)
            }
            (StoreItem::Lane(log, kept), ItemChange::Remove) => {
                self.lose_lane(*log, kept.lane.as_str())
            }
            (StoreItem::Cursor(log, cursor), ItemChange::Remove) => {
                self.remove_cursor(*log, cursor.name.as_str()).map(drop)
            }
        }
    }

    // A record keeps its position, and its checksum covers it, so both are written anew.
    fn replace(&self, log: Log, position: u64, record: &NewRecord) -> Result<()> {
        // One that is missing gets its place back.
        self.execute(Statements::of(log).delete_at, [position.cast_signed()])?;
        self.insert_record(log, position, record)
    }

    /// Leaves a record that says nothing, and is of no lane: its names may be damaged as well.
    fn empty(&self, log: Log, position: u64) -> Result<()> {
        self.replace(log, position, &NewRecord::new([]))
    }

    /// Removes what is damaged, by what names it for certain.
    fn remove(&mut self, item: &DamagedItem) -> Result<()> {
        match &item.place {
            DamagedPlace::Entry(key) => {
                if let Ok(key) = Key::parse(key) {
                    self.touch(&key);
                }
                self.execute("DELETE FROM entry WHERE rowid = ?1", [item.row])?;
                // The index may name the row by another key than the row itself.
                self.connection.execute_batch("REINDEX entry").map_err(from_sqlite)?;
                self.revision += 1;
                self.changed = true;
                Ok(())
            }
            DamagedPlace::Record(log, position) => {
                self.drop_record_index(*log)?;
                self.empty(*log, *position)
            }
            DamagedPlace::Lane(log, name) => self.lose_lane(*log, name),
            DamagedPlace::Cursor(log, name) => self.remove_cursor(*log, name).map(drop),
        }
    }

    fn delete(&mut self, key: &Key, expect: Expect) -> Result<bool> {
        let found = self.found(key)?;
        expect.check(key, found)?;
        if found.is_none() {
            return Ok(false);
        }
        self.execute("DELETE FROM entry WHERE key = ?1", [key.as_str()])?;
        self.revision += 1;
        self.changed = true;
        Ok(true)
    }

    fn commit(&mut self, commit: &Commit) -> Result<Committed> {
        // All that can be refused comes before all that changes, but for the records, which the
        // refusal takes back itself.
        for Put { key, expect, .. } in &commit.puts {
            expect.check(key, self.found(key)?)?;
        }
        let Commit { history, decisions, .. } = commit;
        let appended = self.admit(Log::History, &history.records, &history.expected)?;
        let decided = match self.admit(Log::Decisions, &decisions.records, &decisions.expected) {
            Ok(decided) => decided,
            Err(refused) => {
                self.withdraw(Log::History, &appended)?;
                return Err(refused);
            }
        };
        self.advance(Log::History, &history.records, &appended)?;
        self.advance(Log::Decisions, &decisions.records, &decided)?;
        let mut revisions = Vec::with_capacity(commit.puts.len());
        for Put { key, value, .. } in &commit.puts {
            match value {
                Some(value) => self.put(key, value, Expect::Any).map(drop)?,
                None => self.delete(key, Expect::Any).map(drop)?,
            }
            revisions.push(self.revision);
        }
        Ok(Committed::new(appended, decided, revisions))
    }
}

#[cfg(test)]
mod tests {
    use super::super::connect::{begin, connect};
    use super::super::log_changes::LANES_KEPT;
    use super::super::scratch::Folder;
    use super::super::{Sqlite, SqliteOptions};
    use super::*;
    use std::time::Duration;

    fn record(lane: &str) -> NewRecord {
        NewRecord::new(*b"x").in_lane(Key::parse(lane).unwrap())
    }

    /// However many batches a transaction holds, it writes each lane once.
    #[test]
    fn a_lane_costs_one_row_a_transaction() {
        let folder = Folder::new("changes-lanes");
        let options = SqliteOptions::new("test");
        let connection = connect(&folder.file(), &options).unwrap();
        let written = |records: u64| {
            begin(&connection, Duration::ZERO).unwrap();
            let before = connection.total_changes();
            let mut changes = Changes::start(&connection, "test").unwrap();
            for _ in 0..records {
                changes.append(Log::History, &[record("a"), record("b")], &[]).unwrap();
            }
            changes.finish("test").unwrap();
            connection.execute_batch("COMMIT").unwrap();
            connection.total_changes() - before
        };
        // The name of a new writer is a row as well.
        assert_eq!(written(1), 2 + 2 + 1);
        assert_eq!(written(50), 2 * 50 + 2);
    }

    /// More lanes than are kept in memory are written on the way, and stay right.
    #[test]
    fn more_lanes_than_memory_keeps_stay_right() {
        let folder = Folder::new("changes-many-lanes");
        let options = SqliteOptions::new("test");
        let file = Sqlite::open(folder.file(), &options).unwrap();
        let records: Vec<NewRecord> =
            (0..=2 * LANES_KEPT).map(|number| record(&format!("l/{number}"))).collect();
        let connection = connect(&folder.file(), &options).unwrap();
        begin(&connection, Duration::ZERO).unwrap();
        let mut changes = Changes::start(&connection, "test").unwrap();
        for round in 0..2 {
            changes.append(Log::History, &records, &[]).unwrap();
            assert!(changes.logs[0].lanes.len() <= LANES_KEPT);
            let first = Key::parse("l/0").unwrap();
            let expected = round * records.len() as u64 + 1;
            assert_eq!(changes.lane(Log::History, &first).unwrap().last, Some(expected));
        }
        changes.finish("test").unwrap();
        connection.execute_batch("COMMIT").unwrap();
        let report = crate::storage::block_on(file.check()).unwrap();
        assert_eq!(report.problems, [""; 0]);
    }
}
