//! Changes of the file, inside a transaction that others may share.

use super::error::from_sqlite;
use super::item::{DamagedItem, DamagedPlace, ItemChange, StoreItem};
use super::operations::{
    self, Result, bounds, checksum, cursor, names, number, position_of, record_sum,
};
use crate::message::MessageKind;
use crate::storage::view;
use crate::storage::{
    Appended, Bounds, Commit, Committed, Expect, Key, LaneEnd, NewRecord, Put, StorageError,
};
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// A change. It can be carried out again if the transaction that held it failed.
#[derive(Debug)]
pub(super) enum Write {
    // Owned, so that it can cross to the writer's thread and be carried out again.
    Put { key: Key, value: Arc<[u8]>, expect: Expect },
    Delete { key: Key, expect: Expect },
    Append { records: Vec<NewRecord>, expected: Vec<LaneEnd> },
    Commit(Commit),
    ForgetLanes,
    Trim { before: u64 },
    MoveCursor { name: Key, expected: Option<u64>, to: u64 },
    RemoveCursor { name: Key },
}

impl Write {
    /// About how many bytes it carries.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Write::Put { value, .. } => value.len(),
            Write::Append { records, .. } => records.iter().map(NewRecord::size).sum(),
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
    /// Records were appended, and values changed.
    Committed(Committed),
}

impl Done {
    pub(super) fn number(&self) -> u64 {
        match self {
            Done::Number(number) => *number,
            Done::Committed(done) => done.appended.positions.end,
        }
    }

    pub(super) fn committed(self) -> Committed {
        match self {
            Done::Number(number) => Committed::new(Appended::new(number..number), Vec::new()),
            Done::Committed(done) => done,
        }
    }
}

/// How many ends of lanes are kept in memory at most.
// More are written before the end: a load of any size needs little memory.
const LANES_KEPT: usize = 4_096;

/// Where a lane ends inside a transaction.
struct Kept {
    last: Option<u64>,
    /// Whether the file does not know it yet.
    moved: bool,
}

/// The state of an open write transaction.
pub(super) struct Changes<'c> {
    connection: &'c Connection,
    revision: u64,
    bounds: Bounds,
    changed: bool,
    /// Dead letters came or went without the view that counts them.
    letters: bool,
    pub(super) appended: bool,
    /// The ends of lanes that were asked for or moved: a transaction writes each once, however many
    /// batches it holds.
    lanes: HashMap<Key, Kept>,
    /// Lanes whose ends are lost, so that they are found anew from their records.
    lost: BTreeSet<String>,
    /// How the index of ids is made that was dropped.
    index: Option<String>,
}

impl<'c> Changes<'c> {
    /// Reads what the changes start from.
    pub(super) fn start(connection: &'c Connection, writer: &str) -> Result<Self> {
        let bounds = bounds(connection)?;
        let sql = "SELECT revision, writer FROM state";
        let mut statement = connection.prepare_cached(sql).map_err(from_sqlite)?;
        let (revision, changed) = statement
            .query_row([], |row| Ok((number(row, 0)?, row.get_ref(1)?.as_str()? != writer)))
            .map_err(from_sqlite)?;
        // A new writer has to leave its name, even if it only appends: the row is then written
        // although revision and first stay.
        let letters = false;
        Ok(Changes {
            connection,
            revision,
            bounds,
            changed,
            letters,
            appended: false,
            lanes: HashMap::new(),
            lost: BTreeSet::new(),
            index: None,
        })
    }

    /// Carries out one change. A refusal changes nothing.
    pub(super) fn apply(&mut self, write: &Write) -> Result<Done> {
        let number = match write {
            Write::Put { key, value, expect } => self.put(key, value, *expect)?,
            Write::Delete { key, expect } => u64::from(self.delete(key, *expect)?),
            Write::Append { records, expected } => {
                let appended = self.append(records, expected)?;
                return Ok(Done::Committed(Committed::new(appended, Vec::new())));
            }
            Write::Commit(commit) => return self.commit(commit).map(Done::Committed),
            Write::ForgetLanes => self.forget_lanes()?,
            Write::Trim { before } => self.trim(*before)?,
            Write::MoveCursor { name, expected, to } => {
                self.move_cursor(name, *expected, *to)?;
                0
            }
            Write::RemoveCursor { name } => {
                self.execute("DELETE FROM cursor WHERE name = ?1", [name.as_str()])? as u64
            }
        };
        Ok(Done::Number(number))
    }

    /// Writes what all changes share, before the commit.
    pub(super) fn finish(&mut self, writer: &str) -> Result<()> {
        if self.letters {
            self.delete(&view::letters_tally()?, Expect::Any)?;
        }
        self.write_lanes()?;
        self.find_lost_lanes()?;
        if let Some(sql) = self.index.take() {
            self.connection.execute_batch(&sql).map_err(from_sqlite)?;
        }
        // Appends alone leave the row alone: their position is in the table of records, and one
        // page less is written.
        if self.changed {
            let sql = "UPDATE state SET revision = ?1, first = ?2, writer = ?3";
            let first = self.bounds.first.cast_signed();
            self.execute(sql, params![self.revision.cast_signed(), first, writer])?;
        }
        Ok(())
    }

    fn execute(&self, sql: &str, params: impl rusqlite::Params) -> Result<usize> {
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

    /// Makes an empty file go on behind a revision and at a position.
    pub(super) fn start_at(&mut self, revision: u64, first: u64) {
        self.revision = revision;
        self.bounds = Bounds::new(first, first);
        self.changed = true;
    }

    /// Starts a journal that has no records at a position.
    pub(super) fn go_on_at(&mut self, first: u64) {
        self.bounds = Bounds::new(first, first);
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
                StoreItem::Cursor(_) | StoreItem::Lane(_) | StoreItem::Damaged(_),
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
            (StoreItem::Record(record), ItemChange::Replace(data)) => {
                let mut new = NewRecord::from(record.clone());
                new.data = data.into();
                self.replace(record.position, &new)
            }
            (StoreItem::Record(record), ItemChange::Remove) => self.empty(record.position),
            (StoreItem::Lane(end), ItemChange::Remove) => self.lose_lane(end.lane.as_str()),
            (StoreItem::Cursor(cursor), ItemChange::Remove) => {
                self.apply(&Write::RemoveCursor { name: cursor.name.clone() }).map(drop)
            }
        }
    }

    // A record keeps its position, and its checksum covers it, so both are written anew.
    fn replace(&self, position: u64, record: &NewRecord) -> Result<()> {
        // One that is missing gets its place back.
        self.execute("DELETE FROM record WHERE position = ?1", [position.cast_signed()])?;
        self.insert_record(position, record).map_err(from_sqlite)
    }

    /// Leaves a record that says nothing, and is of no lane: its names may be damaged as well.
    fn empty(&self, position: u64) -> Result<()> {
        self.replace(position, &NewRecord::new([]))
    }

    fn insert_record(&self, position: u64, record: &NewRecord) -> rusqlite::Result<()> {
        let names = names(record);
        let sum = record_sum(names.map(|name| name.map(str::as_bytes)), position, &record.data);
        let [lane, id, subject] = names;
        let sql = "INSERT INTO record (position, checksum, data, lane, id, subject)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let params = params![position.cast_signed(), sum, &*record.data, lane, id, subject];
        self.connection.prepare_cached(sql)?.execute(params).map(drop)
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
            DamagedPlace::Record(position) => {
                self.drop_record_index()?;
                self.empty(*position)
            }
            DamagedPlace::Lane(name) => self.lose_lane(name),
            DamagedPlace::Cursor(name) => {
                self.execute("DELETE FROM cursor WHERE name = ?1", [name]).map(drop)
            }
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
        let appended = self.append(&commit.records, &commit.expected)?;
        let mut revisions = Vec::with_capacity(commit.puts.len());
        for Put { key, value, .. } in &commit.puts {
            match value {
                Some(value) => self.put(key, value, Expect::Any).map(drop)?,
                None => self.delete(key, Expect::Any).map(drop)?,
            }
            revisions.push(self.revision);
        }
        Ok(Committed::new(appended, revisions))
    }

    /// Appends records if their lanes are as expected, and they do not stand there already.
    pub(super) fn append(
        &mut self,
        records: &[NewRecord],
        expected: &[LaneEnd],
    ) -> Result<Appended> {
        // Positions are counted here and not by an autoincrement column: they must have no gap, not
        // even after a rollback.
        let first = self.bounds.next;
        for end in expected {
            let found = self.lane_end(&end.lane)?;
            if let Err(moved) = end.check(found) {
                // By the writer itself, which did not learn of it?
                return self.repeated(records)?.ok_or(moved);
            }
        }
        for (position, record) in (first..).zip(records) {
            // The index of ids finds what stands there already, so a new record costs no look-up.
            let error = match self.insert_record(position, record) {
                Ok(()) => continue,
                Err(error) => error,
            };
            self.execute("DELETE FROM record WHERE position >= ?1", [first.cast_signed()])?;
            let Some((lane, id)) = record.identity().filter(|_| is_unique_violation(&error)) else {
                return Err(from_sqlite(error));
            };
            if position == first
                && let Some(repeated) = self.repeated(records)?
            {
                return Ok(repeated);
            }
            let found = position_of(self.connection, lane, id)?;
            return Err(StorageError::duplicate_id(lane, id, found));
        }
        self.bounds.next += records.len() as u64;
        self.appended |= !records.is_empty();
        for (position, record) in (first..).zip(records) {
            if let Some(lane) = &record.lane {
                self.move_lane(lane, position)?;
            }
        }
        Ok(Appended::new(first..self.bounds.next))
    }

    /// Where a batch stands already, if its first record does.
    fn repeated(&self, records: &[NewRecord]) -> Result<Option<Appended>> {
        let Some((lane, id)) = records.first().and_then(NewRecord::identity) else {
            return Ok(None);
        };
        let Some(first) = position_of(self.connection, lane, id)? else { return Ok(None) };
        for (position, record) in (first..).zip(records) {
            let stands = match record.identity() {
                Some((lane, id)) => position_of(self.connection, lane, id)? == Some(position),
                None => position < self.bounds.next,
            };
            // Another batch that has the id of this one.
            if !stands {
                return Err(StorageError::duplicate_id(lane, id, Some(first)));
            }
        }
        Ok(Some(Appended::repeated(first, records.len())))
    }

    /// Where a lane ends now.
    pub(super) fn lane_end(&mut self, lane: &Key) -> Result<Option<u64>> {
        if let Some(kept) = self.lanes.get(lane) {
            return Ok(kept.last);
        }
        let last = operations::lane_end(self.connection, lane)?;
        self.keep_lane(lane, Kept { last, moved: false })?;
        Ok(last)
    }

    /// Notes where a lane ends now.
    pub(super) fn move_lane(&mut self, lane: &Key, last: u64) -> Result<()> {
        match self.lanes.get_mut(lane) {
            Some(kept) => *kept = Kept { last: Some(last), moved: true },
            None => self.keep_lane(lane, Kept { last: Some(last), moved: true })?,
        }
        Ok(())
    }

    fn keep_lane(&mut self, lane: &Key, kept: Kept) -> Result<()> {
        if self.lanes.len() >= LANES_KEPT {
            self.write_lanes()?;
        }
        self.lanes.insert(lane.clone(), kept);
        Ok(())
    }

    fn write_lanes(&mut self) -> Result<()> {
        for (lane, kept) in std::mem::take(&mut self.lanes) {
            if let Kept { last: Some(last), moved: true } = kept {
                self.set_lane(lane.as_str(), last)?;
            }
        }
        Ok(())
    }

    fn set_lane(&self, lane: &str, last: u64) -> Result<()> {
        let sql = "INSERT INTO lane (name, last, checksum) VALUES (?1, ?2, ?3)
                   ON CONFLICT (name) DO UPDATE SET
                   last = excluded.last, checksum = excluded.checksum";
        let sum = checksum(lane.as_bytes(), last, &[]);
        self.execute(sql, params![lane, last.cast_signed(), sum]).map(drop)
    }

    fn forget_lanes(&mut self) -> Result<u64> {
        self.write_lanes()?;
        let first = self.bounds.first.cast_signed();
        Ok(self.execute("DELETE FROM lane WHERE last < ?1", [first])? as u64)
    }

    /// Removes the end of a lane, which is found again from its records.
    fn lose_lane(&mut self, name: &str) -> Result<()> {
        self.execute("DELETE FROM lane WHERE name = ?1", [name])?;
        self.lost.insert(name.to_owned());
        Ok(())
    }

    /// One look at all records, and only after damage.
    fn find_lost_lanes(&mut self) -> Result<()> {
        let lost = std::mem::take(&mut self.lost);
        if lost.is_empty() {
            return Ok(());
        }
        let sql = "SELECT lane, max(position) FROM record WHERE lane IS NOT NULL GROUP BY lane";
        let mut statement = self.connection.prepare(sql).map_err(from_sqlite)?;
        let mut rows = statement.query([]).map_err(from_sqlite)?;
        while let Some(row) = rows.next().map_err(from_sqlite)? {
            let lane = row.get_ref(0).map_err(from_sqlite)?.as_str().unwrap_or_default();
            if lost.contains(lane) {
                self.set_lane(lane, number(row, 1).map_err(from_sqlite)?)?;
            }
        }
        Ok(())
    }

    /// The index may name a damaged row by other names than the row itself, so it is in the way of the
    /// removal. It is made anew before the commit.
    fn drop_record_index(&mut self) -> Result<()> {
        if self.index.is_none() {
            let sql = "SELECT sql FROM sqlite_schema WHERE name = 'record_id'";
            let found =
                self.connection.query_row(sql, [], |row| row.get(0)).map_err(from_sqlite)?;
            self.connection.execute_batch("DROP INDEX record_id").map_err(from_sqlite)?;
            self.index = Some(found);
        }
        Ok(())
    }

    fn trim(&mut self, before: u64) -> Result<u64> {
        if before <= self.bounds.first {
            return Ok(0);
        }
        self.bounds.check(before)?;
        let gone =
            self.execute("DELETE FROM record WHERE position < ?1", [before.cast_signed()])?;
        // Remembered in the file, because an empty table would start again at 1.
        self.bounds.first = before;
        self.changed = true;
        Ok(gone as u64)
    }

    fn move_cursor(&self, name: &Key, expected: Option<u64>, to: u64) -> Result<()> {
        let found = cursor(self.connection, name)?;
        if found != expected {
            return Err(StorageError::CursorMoved { name: name.clone(), expected, found });
        }
        // A cursor outside the journal would skip records without anyone noticing.
        self.bounds.check(to)?;
        self.set_cursor(name, to)
    }

    /// Puts a cursor anywhere: trimming may have left it behind.
    pub(super) fn set_cursor(&self, name: &Key, position: u64) -> Result<()> {
        let sql = "INSERT INTO cursor (name, position, checksum) VALUES (?1, ?2, ?3)
                   ON CONFLICT (name) DO UPDATE SET
                   position = excluded.position, checksum = excluded.checksum";
        let sum = checksum(name.as_str().as_bytes(), position, &[]);
        self.execute(sql, params![name.as_str(), position.cast_signed(), sum]).map(drop)
    }
}

/// Whether a row has the lane and the id of another one.
fn is_unique_violation(error: &rusqlite::Error) -> bool {
    matches!(error, rusqlite::Error::SqliteFailure(error, _)
        if error.extended_code == rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE)
}

#[cfg(test)]
mod tests {
    use super::super::connect::{begin, connect};
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
                changes.append(&[record("a"), record("b")], &[]).unwrap();
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
            changes.append(&records, &[]).unwrap();
            assert!(changes.lanes.len() <= LANES_KEPT);
            let first = Key::parse("l/0").unwrap();
            let expected = round * records.len() as u64 + 1;
            assert_eq!(changes.lane_end(&first), Ok(Some(expected)));
        }
        changes.finish("test").unwrap();
        connection.execute_batch("COMMIT").unwrap();
        let report = crate::storage::block_on(file.check()).unwrap();
        assert_eq!(report.problems, [""; 0]);
    }
}
