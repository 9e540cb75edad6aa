//! What is done with the file, in SQL. Nothing here waits.

use super::error::from_sqlite;
use super::item::{Contents, DamagedItem, DamagedPlace, ItemChange, StoreItem};
use crate::message::MessageKind;
use crate::storage::view;
use crate::storage::{
    Bounds, Cursor, Entry, Expect, JournalRecord, Key, KeyPage, KeyRevision, Page, StorageError,
    StorageLimits, StoreScan,
};
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::ops::Range;
use std::sync::Arc;

type Result<T, E = StorageError> = std::result::Result<T, E>;

/// A change. It can be carried out again if the transaction that held it failed.
#[derive(Debug)]
pub(super) enum Write {
    // Owned, so that it can cross to the writer's thread and be carried out again.
    Put { key: Key, value: Arc<[u8]>, expect: Expect },
    Delete { key: Key, expect: Expect },
    Append { data: Vec<u8>, ends: Vec<usize> },
    Trim { before: u64 },
    MoveCursor { name: Key, expected: Option<u64>, to: u64 },
    RemoveCursor { name: Key },
}

impl Write {
    /// About how many bytes it carries.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Write::Put { value, .. } => value.len(),
            Write::Append { data, .. } => data.len(),
            _ => 0,
        }
    }
}

/// Words folded into four lanes, so that a processor works on them side by side, and the lanes into
/// one. Each step is a bijection of either side: whatever changes within one word, and any single
/// bit, changes the sum. Not against forgers.
#[allow(clippy::inline_always, reason = "otherwise reading back takes a third longer")]
#[inline(always)]
fn checksum(name: &[u8], number: u64, data: &[u8]) -> i64 {
    // `PRAGMA integrity_check` finds broken pages, not a flipped bit inside a value. A
    // cryptographic digest would cost more than the write itself and protect against forgers, who
    // can write the file anyway.
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    const BLOCK: usize = 32;
    fn fold(sum: u64, word: u64) -> u64 {
        (sum ^ word).wrapping_mul(ODD).rotate_left(29)
    }
    fn add(lanes: &mut [u64; 4], block: &[u8; BLOCK]) {
        for (lane, word) in lanes.iter_mut().zip(block.as_chunks::<8>().0) {
            *lane = fold(*lane, u64::from_le_bytes(*word));
        }
    }
    // The number and the lengths go in first, so a value that was moved to another key or revision,
    // or whose end moved from name to data, is found as well.
    let start = fold(fold(number, name.len() as u64), data.len() as u64);
    let mut lanes = [1, 2, 3, 4].map(|lane| fold(start, lane));
    for part in [name, data] {
        let (blocks, rest) = part.as_chunks::<BLOCK>();
        for block in blocks {
            add(&mut lanes, block);
        }
        if !rest.is_empty() {
            let mut last = [0; BLOCK];
            last[..rest.len()].copy_from_slice(rest);
            add(&mut lanes, &last);
        }
    }
    lanes.into_iter().fold(start, fold).cast_signed()
}

/// A limit as `SQLite` takes it.
fn sql_limit(limit: usize) -> i64 {
    // A negative limit would mean no limit to `SQLite`.
    i64::try_from(limit).unwrap_or(i64::MAX)
}

fn number(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(i64::cast_unsigned)
}

/// A text column as a key; what is no key was not written by us.
fn key_of(row: &Row<'_>, column: usize) -> Result<Key> {
    // Text that is no UTF-8 becomes empty, which no key is, so it is reported as damage with the
    // rest.
    let text = row.get_ref(column).map_err(from_sqlite)?.as_str().unwrap_or_default();
    Key::parse(text).map_err(|error| StorageError::corrupt(format!("`{text}`: {error}")))
}

/// An entry from the columns key, revision, checksum, value.
pub(super) fn entry(row: &Row<'_>) -> Result<Entry> {
    let key = key_of(row, 0)?;
    let revision = number(row, 1).map_err(from_sqlite)?;
    let sum: i64 = row.get(2).map_err(from_sqlite)?;
    let value = row.get_ref(3).map_err(from_sqlite)?.as_blob().unwrap_or_default();
    if checksum(key.as_str().as_bytes(), revision, value) != sum {
        let reason = "the value does not match its checksum".to_owned();
        return Err(StorageError::Damaged { key, reason });
    }
    Ok(Entry::new(key, value, revision))
}

/// A record from the columns position, checksum, data.
pub(super) fn record(row: &Row<'_>) -> Result<JournalRecord> {
    let position = number(row, 0).map_err(from_sqlite)?;
    let sum: i64 = row.get(1).map_err(from_sqlite)?;
    let data = row.get_ref(2).map_err(from_sqlite)?.as_blob().unwrap_or_default();
    if checksum(&[], position, data) != sum {
        let reason = "it does not match its checksum".to_owned();
        return Err(StorageError::DamagedRecord { position, reason });
    }
    Ok(JournalRecord::new(position, data))
}

pub(super) fn get(connection: &Connection, key: &Key) -> Result<Option<Entry>> {
    let sql = "SELECT key, revision, checksum, value FROM entry WHERE key = ?1";
    let mut statement = connection.prepare_cached(sql).map_err(from_sqlite)?;
    let mut rows = statement.query([key.as_str()]).map_err(from_sqlite)?;
    rows.next().map_err(from_sqlite)?.map(entry).transpose()
}

pub(super) fn scan(
    connection: &Connection,
    scan: &StoreScan,
    limits: StorageLimits,
) -> Result<Page> {
    let limit = scan.limit.min(limits.page_items);
    let sql = "SELECT key, revision, checksum, value FROM entry
               WHERE key >= ?1 AND key < ?2 AND key > ?3 ORDER BY key LIMIT ?4";
    let mut statement = connection.prepare_cached(sql).map_err(from_sqlite)?;
    let (end, after) = range(scan);
    let mut rows = statement
        // One more than asked for tells whether there is another page without counting.
        .query(params![scan.prefix, end, after, sql_limit(limit.saturating_add(1))])
        .map_err(from_sqlite)?;
    let mut page = Page::default();
    let mut bytes = 0;
    while let Some(row) = rows.next().map_err(from_sqlite)? {
        // Checked before the row is taken: a page ends behind the entry that takes it past the
        // bytes, so a large value still comes, alone.
        if page.entries.len() == limit || bytes > limits.page_bytes {
            page.more = true;
            break;
        }
        let entry = entry(row)?;
        bytes += entry.value.len();
        page.entries.push(entry);
    }
    Ok(page)
}

/// Keys and revisions, which stand before the values in a row: no page of a value is read.
pub(super) fn keys(
    connection: &Connection,
    scan: &StoreScan,
    limits: StorageLimits,
) -> Result<KeyPage> {
    let limit = scan.limit.min(limits.page_items);
    // Rows come one by one, so no limit is needed, and what is passed over does not count.
    let sql = "SELECT key, revision FROM entry
               WHERE key >= ?1 AND key < ?2 AND key > ?3 ORDER BY key";
    let mut statement = connection.prepare_cached(sql).map_err(from_sqlite)?;
    let (end, after) = range(scan);
    let mut rows = statement.query(params![scan.prefix, end, after]).map_err(from_sqlite)?;
    let mut page = KeyPage::default();
    while let Some(row) = rows.next().map_err(from_sqlite)? {
        if page.keys.len() == limit {
            page.more = true;
            break;
        }
        // A text that is no key has no name to be read or removed by; the check and the repair of
        // the file tell of it.
        let Ok(key) = key_of(row, 0) else { continue };
        page.keys.push(KeyRevision::new(key, number(row, 1).map_err(from_sqlite)?));
    }
    Ok(page)
}

/// Where a scan ends, and behind what it starts.
fn range(scan: &StoreScan) -> (String, &str) {
    // Keys are ASCII and compared by their bytes, so nothing with the prefix lies behind this.
    // A range of the primary key, and not `LIKE`: it walks the index from the first match and needs
    // no escapes.
    let end = format!("{}\u{7f}", scan.prefix);
    let end = match &scan.before {
        Some(before) if before.as_str() < end.as_str() => before.to_string(),
        _ => end,
    };
    (end, scan.after.as_ref().map_or("", |key| key.as_str()))
}

pub(super) fn bounds(connection: &Connection) -> Result<Bounds> {
    let sql =
        // `max(position)` is a look at the end of the table's tree. A trimmed journal has no
        // record, so `first` remembers where it goes on.
        "SELECT first, max(first, coalesce((SELECT max(position) + 1 FROM record), 1)) FROM state";
    let mut statement = connection.prepare_cached(sql).map_err(from_sqlite)?;
    let bounds = |row: &Row<'_>| Ok(Bounds::new(number(row, 0)?, number(row, 1)?));
    statement.query_row([], bounds).map_err(from_sqlite)
}

pub(super) fn read(
    connection: &Connection,
    from: u64,
    limit: usize,
    limits: StorageLimits,
) -> Result<Vec<JournalRecord>> {
    // One moment for both questions.
    let moment = connection.unchecked_transaction().map_err(from_sqlite)?;
    records(&moment, from, limit, limits)
}

/// The same, inside a transaction.
pub(super) fn records(
    moment: &Connection,
    from: u64,
    limit: usize,
    limits: StorageLimits,
) -> Result<Vec<JournalRecord>> {
    let bounds = bounds(moment)?;
    let start = bounds.start(from)?;
    // Bounded before the vector is made: a caller may ask for `usize::MAX`.
    let limit = limit.min(limits.page_items).min(usize::try_from(bounds.len()).unwrap_or(limit));
    let mut found = Vec::with_capacity(limit);
    // Behind the end there is nothing, which is no error: readers come back later.
    if start >= bounds.next || limit == 0 {
        return Ok(found);
    }
    let sql = "SELECT position, checksum, data FROM record WHERE position >= ?1 ORDER BY position LIMIT ?2";
    let mut statement = moment.prepare_cached(sql).map_err(from_sqlite)?;
    let mut rows =
        statement.query(params![start.cast_signed(), sql_limit(limit)]).map_err(from_sqlite)?;
    let mut bytes = 0;
    let mut expected = start;
    while bytes <= limits.page_bytes
        && let Some(row) = rows.next().map_err(from_sqlite)?
    {
        // The sum covers the position; if both are as expected there is no need to read it.
        let sum: i64 = row.get(1).map_err(from_sqlite)?;
        let data = row.get_ref(2).map_err(from_sqlite)?.as_blob().unwrap_or_default();
        if checksum(&[], expected, data) != sum {
            let record = record(row)?;
            let reason = format!("it is missing, {} follows", record.position);
            return Err(StorageError::DamagedRecord { position: expected, reason });
        }
        bytes += data.len();
        found.push(JournalRecord::new(expected, data));
        expected += 1;
    }
    Ok(found)
}

/// A cursor from the columns name, position, checksum.
pub(super) fn cursor_of(row: &Row<'_>) -> Result<Cursor> {
    let name = key_of(row, 0)?;
    let position = number(row, 1).map_err(from_sqlite)?;
    let sum: i64 = row.get(2).map_err(from_sqlite)?;
    if checksum(name.as_str().as_bytes(), position, &[]) != sum {
        let detail = format!("cursor `{name}` does not match its checksum");
        return Err(StorageError::corrupt(detail));
    }
    Ok(Cursor::new(name, position))
}

pub(super) fn cursor(connection: &Connection, name: &Key) -> Result<Option<u64>> {
    let sql = "SELECT name, position, checksum FROM cursor WHERE name = ?1";
    let mut statement = connection.prepare_cached(sql).map_err(from_sqlite)?;
    let mut rows = statement.query([name.as_str()]).map_err(from_sqlite)?;
    let found = rows.next().map_err(from_sqlite)?.map(cursor_of).transpose()?;
    Ok(found.map(|cursor| cursor.position))
}

pub(super) fn cursors(connection: &Connection) -> Result<Vec<Cursor>> {
    let sql = "SELECT name, position, checksum FROM cursor ORDER BY name";
    let mut statement = connection.prepare_cached(sql).map_err(from_sqlite)?;
    let mut rows = statement.query([]).map_err(from_sqlite)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(from_sqlite)? {
        found.push(cursor_of(row)?);
    }
    Ok(found)
}

/// How much there is. Inside a transaction.
pub(super) fn contents(moment: &Connection) -> Result<Contents> {
    let sql =
        "SELECT revision, (SELECT count(*) FROM entry), (SELECT count(*) FROM cursor) FROM state";
    let bounds = bounds(moment)?;
    let contents = |row: &Row<'_>| {
        Ok(Contents::new(number(row, 0)?, bounds, number(row, 1)?, number(row, 2)?))
    };
    moment.query_row(sql, [], contents).map_err(from_sqlite)
}

/// Who wrote last, if it can be told.
pub(super) fn writer(connection: &Connection) -> Option<String> {
    let found = connection.query_row("SELECT writer FROM state", [], |row| row.get(0));
    found.ok().filter(|writer: &String| !writer.is_empty())
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
        Ok(Changes { connection, revision, bounds, changed, letters, appended: false })
    }

    /// Carries out one change. What it returns depends on the change; a refusal changes nothing.
    pub(super) fn apply(&mut self, write: &Write) -> Result<Range<u64>> {
        match write {
            Write::Put { key, value, expect } => self.put(key, value, *expect),
            Write::Delete { key, expect } => self.delete(key, *expect),
            Write::Append { data, ends } => self.append(data, ends),
            Write::Trim { before } => self.trim(*before),
            Write::MoveCursor { name, expected, to } => self.move_cursor(name, *expected, *to),
            Write::RemoveCursor { name } => {
                let gone = self.execute("DELETE FROM cursor WHERE name = ?1", [name.as_str()])?;
                Ok(0..gone as u64)
            }
        }
    }

    /// Writes what all changes share, before the commit.
    pub(super) fn finish(&mut self, writer: &str) -> Result<()> {
        if self.letters {
            self.delete(&view::letters_tally()?, Expect::Any)?;
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

    pub(super) fn put(&mut self, key: &Key, value: &[u8], expect: Expect) -> Result<Range<u64>> {
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
        Ok(0..revision)
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
        let done = match (item, change) {
            // A cursor has no value; it can only go.
            (_, ItemChange::Keep)
            | (StoreItem::Contents(_), _)
            | (StoreItem::Cursor(_) | StoreItem::Damaged(_), ItemChange::Replace(_)) => {
                return Ok(());
            }
            (StoreItem::Entry(entry), ItemChange::Replace(value)) => {
                self.put(&entry.key, &value, Expect::Any)
            }
            (StoreItem::Entry(entry), ItemChange::Remove) => {
                self.touch(&entry.key);
                self.delete(&entry.key, Expect::Any)
            }
            (StoreItem::Damaged(item), ItemChange::Remove) => self.remove(item),
            (StoreItem::Record(record), ItemChange::Replace(data)) => {
                self.replace(record.position, &data)
            }
            (StoreItem::Record(record), ItemChange::Remove) => self.replace(record.position, &[]),
            (StoreItem::Cursor(cursor), ItemChange::Remove) => {
                self.apply(&Write::RemoveCursor { name: cursor.name.clone() })
            }
        };
        done.map(drop)
    }

    // A record keeps its position, and its checksum covers it, so both are written anew.
    fn replace(&self, position: u64, data: &[u8]) -> Result<Range<u64>> {
        // One that is missing gets its place back.
        let sql = "INSERT OR REPLACE INTO record (position, checksum, data) VALUES (?1, ?2, ?3)";
        let sum = checksum(&[], position, data);
        self.execute(sql, params![position.cast_signed(), sum, data])?;
        Ok(position..position + 1)
    }

    /// Removes what is damaged, by what names it for certain.
    fn remove(&mut self, item: &DamagedItem) -> Result<Range<u64>> {
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
                Ok(0..1)
            }
            DamagedPlace::Record(position) => self.replace(*position, &[]),
            DamagedPlace::Cursor(name) => {
                self.execute("DELETE FROM cursor WHERE name = ?1", [name])?;
                Ok(0..1)
            }
        }
    }

    fn delete(&mut self, key: &Key, expect: Expect) -> Result<Range<u64>> {
        let found = self.found(key)?;
        expect.check(key, found)?;
        if found.is_none() {
            return Ok(0..0);
        }
        self.execute("DELETE FROM entry WHERE key = ?1", [key.as_str()])?;
        self.revision += 1;
        self.changed = true;
        Ok(0..1)
    }

    pub(super) fn append(&mut self, data: &[u8], ends: &[usize]) -> Result<Range<u64>> {
        // Positions are counted here and not by an autoincrement column: they must have no gap, not
        // even after a rollback.
        let first = self.bounds.next;
        let mut start = 0;
        let sql = "INSERT INTO record (position, checksum, data) VALUES (?1, ?2, ?3)";
        let mut statement = self.connection.prepare_cached(sql).map_err(from_sqlite)?;
        for (position, end) in (first..).zip(ends.iter().copied()) {
            let data = &data[start..end];
            let sum = checksum(&[], position, data);
            statement.execute(params![position.cast_signed(), sum, data]).map_err(from_sqlite)?;
            start = end;
        }
        self.bounds.next += ends.len() as u64;
        self.appended |= !ends.is_empty();
        Ok(first..self.bounds.next)
    }

    fn trim(&mut self, before: u64) -> Result<Range<u64>> {
        if before <= self.bounds.first {
            return Ok(0..0);
        }
        self.bounds.check(before)?;
        let gone =
            self.execute("DELETE FROM record WHERE position < ?1", [before.cast_signed()])?;
        // Remembered in the file, because an empty table would start again at 1.
        self.bounds.first = before;
        self.changed = true;
        Ok(0..gone as u64)
    }

    fn move_cursor(&self, name: &Key, expected: Option<u64>, to: u64) -> Result<Range<u64>> {
        let found = cursor(self.connection, name)?;
        if found != expected {
            return Err(StorageError::CursorMoved { name: name.clone(), expected, found });
        }
        // A cursor outside the journal would skip records without anyone noticing.
        self.bounds.check(to)?;
        self.set_cursor(name, to)?;
        Ok(0..0)
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
