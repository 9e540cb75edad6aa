//! Visiting everything in a file, also what is damaged.

use super::error::from_sqlite;
use super::item::{Contents, DamagedItem, DamagedPlace, LogContents, StoreItem};
use super::operations::{self, LastRecord};
use super::statements::Statements;
use crate::storage::{Bounds, JournalRecord, Key, Log, StorageError};
use rusqlite::{Connection, OptionalExtension, Row};
use std::collections::BTreeMap;

/// How many missing records in a row are told one by one. More than that is a position that is wrong,
/// not records that were lost.
const MAX_GAP: u64 = 1_000_000;

/// Visits values, records, lanes and cursors. What was visited may be changed.
pub(super) fn walk<E: From<StorageError>>(
    connection: &Connection,
    contents: Contents,
    mut visit: impl FnMut(StoreItem) -> Result<(), E>,
) -> Result<(), E> {
    // Their numbers first, and each by itself: no statement is open while rows change, memory holds
    // one value, and a page that cannot be read costs the rows on it only.
    for row in numbers(connection, "SELECT rowid FROM entry ORDER BY key")? {
        if let Some(item) = entry(connection, row)? {
            visit(item)?;
        }
    }
    for log in Log::ALL {
        walk_log(connection, log, *contents.log(log), &mut visit)?;
    }
    Ok(())
}

fn walk_log<E: From<StorageError>>(
    connection: &Connection,
    log: Log,
    LogContents { bounds, .. }: LogContents,
    mut visit: impl FnMut(StoreItem) -> Result<(), E>,
) -> Result<(), E> {
    // From the bounds of the same moment: an append that came later belongs to the next dump.
    let mut expected = bounds.first;
    let mut lanes = LastRecords::new();
    let sql = Statements::of(log).positions;
    for position in numbers(connection, sql)?.into_iter().map(i64::cast_unsigned) {
        // Left behind by a trim that was damaged; readers do not see them either.
        if position < expected {
            continue;
        }
        if position - expected > MAX_GAP {
            let detail = format!("records from {expected} to {} are missing", position - 1);
            return Err(StorageError::corrupt(detail).into());
        }
        for missing in expected..position {
            let reason = "it is missing".to_owned();
            let place = DamagedPlace::Record(log, missing);
            visit(StoreItem::Damaged(DamagedItem { place, reason, data: None, row: None }))?;
        }
        let item = record(connection, log, position)?;
        if let StoreItem::Record(_, JournalRecord { lane: Some(lane), ends_lane, .. }) = &item {
            lanes.insert(lane.clone(), (position, *ends_lane));
        }
        visit(item)?;
        expected = position + 1;
    }
    for item in self::lanes(connection, log, bounds, lanes)? {
        visit(item)?;
    }
    for item in cursors(connection, log)? {
        visit(item)?;
    }
    Ok(())
}

fn numbers(connection: &Connection, sql: &str) -> Result<Vec<i64>, StorageError> {
    let mut statement = connection.prepare(sql).map_err(from_sqlite)?;
    let rows = statement.query_map([], |row| row.get(0)).map_err(from_sqlite)?;
    rows.collect::<Result<_, _>>().map_err(from_sqlite)
}

/// What an error of reading one row says of it; what is in the way of the file stays an error.
fn reason(error: StorageError) -> Result<String, StorageError> {
    match error {
        StorageError::Damaged { reason, .. } | StorageError::DamagedRecord { reason, .. } => {
            Ok(reason)
        }
        StorageError::Corrupt { detail, .. } => Ok(detail),
        other => Err(other),
    }
}

/// Why a row cannot be read, with its name and bytes as far as they can.
type Unreadable = (StorageError, String, Option<Vec<u8>>);

/// One row of a table: what it is, or the error of reading it with its name and bytes, which stand in
/// a column.
fn one<T>(
    connection: &Connection,
    sql: &str,
    row: i64,
    bytes: usize,
    read: impl FnOnce(&Row<'_>) -> Result<T, StorageError>,
) -> Result<Option<Result<T, Unreadable>>, StorageError> {
    let mut statement = connection.prepare_cached(sql).map_err(from_sqlite)?;
    let found = statement.query_row([row], |row| {
        Ok(read(row).map_err(|error| {
            let name = row.get_ref(0).ok().and_then(|name| name.as_bytes().ok());
            let name = name.map(|name| String::from_utf8_lossy(name).into_owned());
            let bytes = row.get_ref(bytes).ok().and_then(|bytes| bytes.as_bytes().ok());
            (error, name.unwrap_or_default(), bytes.map(<[u8]>::to_vec))
        }))
    });
    match found.optional() {
        Ok(found) => Ok(found),
        // The row stands on a page that is broken.
        Err(error) => Ok(Some(Err((from_sqlite(error), String::new(), None)))),
    }
}

fn entry(connection: &Connection, row: i64) -> Result<Option<StoreItem>, StorageError> {
    let sql = "SELECT key, revision, checksum, value FROM entry WHERE rowid = ?1";
    Ok(match one(connection, sql, row, 3, operations::entry)? {
        None => None,
        Some(Ok(entry)) => Some(StoreItem::Entry(entry)),
        Some(Err((error, key, data))) => Some(StoreItem::Damaged(DamagedItem {
            place: DamagedPlace::Entry(key),
            reason: reason(error)?,
            data: data.map(Into::into),
            row: Some(row),
        })),
    })
}

fn record(connection: &Connection, log: Log, position: u64) -> Result<StoreItem, StorageError> {
    let sql = Statements::of(log).read_one;
    let place = DamagedPlace::Record(log, position);
    Ok(match one(connection, sql, position.cast_signed(), 2, operations::record)? {
        Some(Ok(record)) => StoreItem::Record(log, record),
        Some(Err((error, _, data))) => {
            let (reason, data) = (reason(error)?, data.map(Into::into));
            StoreItem::Damaged(DamagedItem { place, reason, data, row: None })
        }
        None => {
            let reason = "it is missing".to_owned();
            StoreItem::Damaged(DamagedItem { place, reason, data: None, row: None })
        }
    })
}

/// The last record of each lane.
pub(super) type LastRecords = BTreeMap<Key, LastRecord>;

/// Where lanes end, given their last records: those that are said, and those that should be.
pub(super) fn lanes(
    connection: &Connection,
    log: Log,
    bounds: Bounds,
    mut last_records: LastRecords,
) -> Result<Vec<StoreItem>, StorageError> {
    let mut statement = connection.prepare(Statements::of(log).lanes).map_err(from_sqlite)?;
    let mut rows = statement.query([]).map_err(from_sqlite)?;
    let mut found = Vec::new();
    let damaged = |name: String, reason| {
        let place = DamagedPlace::Lane(log, name);
        StoreItem::Damaged(DamagedItem { place, reason, data: None, row: None })
    };
    while let Some(row) = rows.next().map_err(from_sqlite)? {
        found.push(match operations::lane_of(row, log) {
            Ok(kept) => {
                let last_record = last_records.remove(&kept.lane);
                match operations::lane_fault(connection, log, &kept, last_record, bounds)? {
                    None => StoreItem::Lane(log, kept),
                    Some(reason) => damaged(kept.lane.to_string(), reason),
                }
            }
            Err(item) => {
                if let DamagedPlace::Lane(_, name) = &item.place
                    && let Ok(lane) = Key::parse(name)
                {
                    last_records.remove(&lane);
                }
                StoreItem::Damaged(item)
            }
        });
    }
    let missing = last_records.into_iter();
    found.extend(missing.map(|(lane, (position, _))| {
        damaged(lane.to_string(), format!("its end is missing, its last record is {position}"))
    }));
    Ok(found)
}

fn cursors(connection: &Connection, log: Log) -> Result<Vec<StoreItem>, StorageError> {
    let sql = Statements::of(log).cursors;
    let mut statement = connection.prepare_cached(sql).map_err(from_sqlite)?;
    let mut rows = statement.query([]).map_err(from_sqlite)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(from_sqlite)? {
        found.push(match operations::cursor_of(row) {
            Ok(cursor) => StoreItem::Cursor(log, cursor),
            Err(error) => {
                let name = row.get_ref(0).ok().and_then(|name| name.as_bytes().ok());
                let name = String::from_utf8_lossy(name.unwrap_or_default()).into_owned();
                StoreItem::Damaged(DamagedItem {
                    place: DamagedPlace::Cursor(log, name),
                    reason: reason(error)?,
                    data: None,
                    row: None,
                })
            }
        });
    }
    Ok(found)
}
