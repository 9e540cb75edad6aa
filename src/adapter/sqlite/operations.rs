//! What is asked of the file, in SQL, and how what is read is told from damage. Nothing here waits.

use super::error::from_sqlite;
use super::item::{Contents, DamagedItem, DamagedPlace, KeptLane, LogContents};
use super::statements::Statements;
use crate::storage::{
    Bounds, Cursor, Entry, JournalRecord, Key, KeyPage, KeyRevision, LaneEnd, LaneForm, Log,
    NewRecord, Page, StorageError, StorageLimits, StoreScan,
};
use rusqlite::{Connection, OptionalExtension, Row, params};

pub(super) type Result<T, E = StorageError> = std::result::Result<T, E>;

/// Words folded into four lanes, so that a processor works on them side by side, and the lanes into
/// one. Each step is a bijection of either side: whatever changes within one word, and any single
/// bit, changes the sum. Not against forgers.
#[allow(clippy::inline_always, reason = "otherwise reading back takes a third longer")]
#[inline(always)]
pub(super) fn checksum(name: &[u8], number: u64, data: &[u8]) -> i64 {
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

pub(super) fn number(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
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

/// What a record is called: lane, id and subject, as their columns have them.
type Names<'a> = [Option<&'a [u8]>; 3];

/// The sum of a record. Without names it is that of its position and its bytes, as in files from before
/// records had names; one that ends no lane has the sum from before lanes could end. `text` is room for the
/// names, so that a batch needs it once.
pub(super) fn record_sum(
    text: &mut Vec<u8>,
    names: Names<'_>,
    ends: bool,
    position: u64,
    data: &[u8],
) -> i64 {
    text.clear();
    if names == [None; 3] && !ends {
        return checksum(&[], position, data);
    }
    for name in names {
        text.push(u8::from(name.is_some()));
        // With their lengths, so that no byte can pass from one name to the next.
        let name = name.unwrap_or_default();
        text.extend_from_slice(&(name.len() as u64).to_le_bytes());
        text.extend_from_slice(name);
    }
    if ends {
        text.push(1);
    }
    checksum(text, position, data)
}

/// What a record that is to be written is called.
pub(super) fn names(record: &NewRecord) -> [Option<&str>; 3] {
    let NewRecord { lane, id, subject, .. } = record;
    [lane.as_ref().map(Key::as_str), id.as_deref(), subject.as_deref()]
}

/// A record from the columns position, checksum, data, lane, id, subject, ends.
pub(super) fn record(row: &Row<'_>) -> Result<JournalRecord> {
    let position = number(row, 0).map_err(from_sqlite)?;
    let damaged = |reason: &str| {
        let reason = reason.to_owned();
        StorageError::DamagedRecord { position, reason }
    };
    let sum: i64 = row.get(1).map_err(from_sqlite)?;
    let data = row.get_ref(2).map_err(from_sqlite)?.as_blob().unwrap_or_default();
    let mut found: Names<'_> = [None; 3];
    for (column, name) in (3..).zip(&mut found) {
        // What is no text is told by the sum.
        *name = row.get_ref(column).map_err(from_sqlite)?.as_bytes_or_null().unwrap_or(Some(b"?"));
    }
    let ends = row.get_ref(6).and_then(|ends| Ok(ends.as_i64()? != 0)).map_err(from_sqlite)?;
    if record_sum(&mut Vec::new(), found, ends, position, data) != sum {
        return Err(damaged("it does not match its checksum"));
    }
    let mut read = NewRecord::new(data);
    read.ends_lane = ends;
    if found != [None; 3] {
        let text = |name: Option<&[u8]>| {
            let text = name.map(std::str::from_utf8).transpose();
            text.map(|text| text.map(ToOwned::to_owned))
                .map_err(|_| damaged("its names are no text"))
        };
        let [lane, id, subject] = found;
        let lane = text(lane)?.map(|lane| Key::parse(&lane)).transpose();
        read.lane = lane.map_err(|error| damaged(&format!("its lane: {error}")))?;
        read.id = text(id)?.map(Into::into);
        read.subject = text(subject)?.map(Into::into);
    }
    Ok(read.at(position))
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

pub(super) fn bounds(connection: &Connection, log: Log) -> Result<Bounds> {
    let sql = Statements::of(log).bounds;
    let mut statement = connection.prepare_cached(sql).map_err(from_sqlite)?;
    let bounds = |row: &Row<'_>| Ok(Bounds::new(number(row, 0)?, number(row, 1)?));
    statement.query_row([], bounds).map_err(from_sqlite)
}

pub(super) fn read(
    connection: &Connection,
    log: Log,
    from: u64,
    limit: usize,
    limits: StorageLimits,
) -> Result<Vec<JournalRecord>> {
    // One moment for both questions.
    let moment = connection.unchecked_transaction().map_err(from_sqlite)?;
    records(&moment, log, from, limit, limits)
}

/// The same, inside a transaction.
pub(super) fn records(
    moment: &Connection,
    log: Log,
    from: u64,
    limit: usize,
    limits: StorageLimits,
) -> Result<Vec<JournalRecord>> {
    let bounds = bounds(moment, log)?;
    let start = bounds.start(from)?;
    // Bounded before the vector is made: a caller may ask for `usize::MAX`.
    let limit = limit.min(limits.page_items).min(usize::try_from(bounds.len()).unwrap_or(limit));
    let mut found = Vec::with_capacity(limit);
    // Behind the end there is nothing, which is no error: readers come back later.
    if start >= bounds.next || limit == 0 {
        return Ok(found);
    }
    let mut statement = moment.prepare_cached(Statements::of(log).read).map_err(from_sqlite)?;
    let mut rows =
        statement.query(params![start.cast_signed(), sql_limit(limit)]).map_err(from_sqlite)?;
    let mut bytes = 0;
    let mut expected = start;
    while bytes <= limits.page_bytes
        && let Some(row) = rows.next().map_err(from_sqlite)?
    {
        let record = record(row)?;
        if record.position != expected {
            let reason = format!("it is missing, {} follows", record.position);
            return Err(StorageError::DamagedRecord { position: expected, reason });
        }
        bytes += record.size();
        found.push(record);
        expected += 1;
    }
    Ok(found)
}

/// Where a record with an id stands, if it is there.
pub(super) fn position_of(
    connection: &Connection,
    log: Log,
    lane: &Key,
    id: &str,
) -> Result<Option<u64>> {
    let sql = Statements::of(log).position_of;
    let mut statement = connection.prepare_cached(sql).map_err(from_sqlite)?;
    let found = statement.query_row(params![lane.as_str(), id], |row| number(row, 0));
    found.optional().map_err(from_sqlite)
}

/// The sum of a lane. That of an open one is as in files from before lanes could end.
pub(super) fn lane_sum(name: &str, last: u64, ended: bool) -> i64 {
    checksum(name.as_bytes(), last, if ended { b"ended" } else { b"" })
}

/// Where a lane ends, from the columns name, last, checksum, ended; or what is wrong with them.
pub(super) fn lane_of(row: &Row<'_>, log: Log) -> Result<KeptLane, DamagedItem> {
    let name = row.get_ref(0).ok().and_then(|name| name.as_bytes().ok()).unwrap_or_default();
    let name = String::from_utf8_lossy(name);
    let damaged = |reason: String| {
        DamagedItem::new(DamagedPlace::Lane(log, name.clone().into_owned()), reason)
    };
    let lane = Key::parse(&name).map_err(|error| damaged(error.to_string()))?;
    let read = number(row, 1)
        .and_then(|last| Ok((last, row.get::<_, i64>(2)?, row.get::<_, i64>(3)? != 0)));
    let (last, sum, ended) = read.map_err(|error| damaged(error.to_string()))?;
    if lane_sum(&name, last, ended) != sum {
        return Err(damaged("it does not match its checksum".to_owned()));
    }
    Ok(KeptLane::new(lane, last).with_ended(ended))
}

pub(super) fn lane(connection: &Connection, log: Log, lane: &Key) -> Result<Option<KeptLane>> {
    let sql = Statements::of(log).lane;
    let mut statement = connection.prepare_cached(sql).map_err(from_sqlite)?;
    let mut rows = statement.query([lane.as_str()]).map_err(from_sqlite)?;
    let found = rows.next().map_err(from_sqlite)?.map(|row| lane_of(row, log)).transpose();
    found.map_err(|damaged| StorageError::corrupt(damaged.to_string()))
}

/// The open lanes that end before a position, by name.
pub(super) fn open_lanes_before(
    connection: &Connection,
    log: Log,
    before: u64,
) -> Result<Vec<LaneEnd>> {
    let sql = Statements::of(log).open_lanes_before;
    let mut statement = connection.prepare_cached(sql).map_err(from_sqlite)?;
    let mut rows = statement.query([before.cast_signed()]).map_err(from_sqlite)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(from_sqlite)? {
        let lane = lane_of(row, log);
        let KeptLane { lane, last, .. } =
            lane.map_err(|damaged| StorageError::corrupt(damaged.to_string()))?;
        found.push(LaneEnd::new(lane, Some(last)));
    }
    Ok(found)
}

/// The position of the last record of a lane, and whether the lane ends with it.
pub(super) type LastRecord = (u64, bool);

/// What is wrong with where a lane ends, given the last record that it has.
pub(super) fn lane_fault(
    moment: &Connection,
    log: Log,
    kept: &KeptLane,
    last_record: Option<LastRecord>,
    bounds: Bounds,
) -> Result<Option<String>> {
    let last = kept.last;
    if last >= bounds.next {
        return Ok(Some(format!("it ends at {last}, behind the journal")));
    }
    if let Some((record, _)) = last_record
        && last < record
    {
        return Ok(Some(format!("it ends at {last}, but record {record} is its own")));
    }
    if let Some((record, ends)) = last_record
        && last == record
    {
        let fault = match (kept.ended, ends) {
            (true, false) => format!("it ended, but record {record} did not end it"),
            (false, true) => format!("it is open, but record {record} ended it"),
            _ => return Ok(None),
        };
        return Ok(Some(fault));
    }
    if last < bounds.first {
        // The last record of an open lane is never trimmed where lanes end.
        let open = log.lanes() == LaneForm::Ended && !kept.ended;
        return Ok(open.then(|| format!("it is open, but its last record, {last}, was trimmed")));
    }
    // Its last record may have been emptied since: that one is of no lane.
    let sql = Statements::of(log).lane_at;
    let mut statement = moment.prepare_cached(sql).map_err(from_sqlite)?;
    let other = statement.query_row([last.cast_signed()], |row| row.get::<_, Option<String>>(0));
    let other = other.optional().map_err(from_sqlite)?.flatten();
    Ok(other.map(|other| format!("it ends at {last}, which is a record of `{other}`")))
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

pub(super) fn cursor(connection: &Connection, log: Log, name: &Key) -> Result<Option<u64>> {
    let sql = Statements::of(log).cursor;
    let mut statement = connection.prepare_cached(sql).map_err(from_sqlite)?;
    let mut rows = statement.query([name.as_str()]).map_err(from_sqlite)?;
    let found = rows.next().map_err(from_sqlite)?.map(cursor_of).transpose()?;
    Ok(found.map(|cursor| cursor.position))
}

pub(super) fn cursors(connection: &Connection, log: Log) -> Result<Vec<Cursor>> {
    let sql = Statements::of(log).cursors;
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
    let sql = "SELECT revision, (SELECT count(*) FROM entry) FROM state";
    let read = |row: &Row<'_>| Ok((number(row, 0)?, number(row, 1)?));
    let (revision, entries) = moment.query_row(sql, [], read).map_err(from_sqlite)?;
    let count = |sql| moment.query_row(sql, [], |row| number(row, 0)).map_err(from_sqlite);
    let in_log = |log| {
        let Statements { count_cursors, count_lanes, .. } = Statements::of(log);
        Ok::<_, StorageError>(LogContents::new(
            bounds(moment, log)?,
            count(count_cursors)?,
            count(count_lanes)?,
        ))
    };
    let contents = Contents::new(revision, entries, in_log(Log::History)?);
    Ok(contents.with_decisions(in_log(Log::Decisions)?))
}

/// Who wrote last, if it can be told.
pub(super) fn writer(connection: &Connection) -> Option<String> {
    let found = connection.query_row("SELECT writer FROM state", [], |row| row.get(0));
    found.ok().filter(|writer: &String| !writer.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(names: Names<'_>, ends: bool, position: u64, data: &[u8]) -> i64 {
        record_sum(&mut b"left".to_vec(), names, ends, position, data)
    }

    #[test]
    fn a_record_without_names_has_the_sum_that_it_had_before_names() {
        for (position, data) in [(1, &b""[..]), (9, b"TASK_COMPLETED:wf:x:{}")] {
            assert_eq!(sum([None; 3], false, position, data), checksum(&[], position, data));
        }
        // As such files have it.
        assert_eq!(sum([None; 3], false, 1, b"one"), 105_199_297_566_791_777);
    }

    #[test]
    fn what_stands_in_which_name_changes_the_sum() {
        let names: [Names<'_>; 9] = [
            [None; 3],
            [Some(b""), None, None],
            [None, Some(b""), None],
            [None, None, Some(b"")],
            [Some(b"ab"), Some(b""), None],
            [Some(b"a"), Some(b"b"), None],
            [Some(b""), Some(b"ab"), None],
            [Some(b"a"), None, Some(b"b")],
            [Some(b"a\x01\x01"), None, Some(b"b")],
        ];
        let sums: std::collections::HashSet<i64> = names
            .iter()
            .flat_map(|names| [false, true].map(|ends| sum(*names, ends, 1, b"x")))
            .collect();
        assert_eq!(sums.len(), 2 * names.len());
    }
}
