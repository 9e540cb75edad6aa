//! Looking at everything, and copying it.

use super::connect::literal;
use super::error::from_sqlite;
use super::item::{DamagedItem, DamagedPlace, StoreItem};
use super::operations;
use super::statements::Statements;
use super::walk::{self, LastRecords};
use crate::storage::{Log, StorageError};
use rusqlite::{Connection, Row};
use std::fs::{self, File};
use std::path::Path;

/// The maximum number of problems that are listed.
const MAX_PROBLEMS: usize = 100;

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckReport {
    /// How many values are sound.
    pub entries: u64,
    /// How many records of the history are sound.
    pub records: u64,
    /// How many records of the decisions are sound.
    pub decisions: u64,
    /// What is damaged, at most 100 sentences; empty if nothing is.
    pub problems: Vec<String>,
}

pub(super) fn check(connection: &Connection) -> Result<CheckReport, StorageError> {
    let mut report = CheckReport::default();
    // One moment for all questions: a write in between would look like damage.
    let moment = connection.unchecked_transaction().map_err(from_sqlite)?;
    let mut problems = Vec::new();
    let listed = each(&moment, &format!("PRAGMA integrity_check({MAX_PROBLEMS})"), |row| {
        let text: String = row.get(0).map_err(from_sqlite)?;
        if text != "ok" {
            problems.push(text);
        }
        Ok(())
    });
    let mut revision = 0;
    // Each table is read to its end although a row is damaged: one report has to name all damage,
    // and a checksum cannot be checked without reading.
    let entries = each(&moment, "SELECT key, revision, checksum, value FROM entry", |row| {
        let entry = operations::entry(row)?;
        revision = revision.max(entry.revision);
        report.entries += 1;
        Ok(())
    });
    let last = moment.query_row("SELECT revision FROM state", [], |row| row.get::<_, i64>(0));
    match last {
        // The counter has to be at least as high as every revision, or one would be given twice.
        Ok(last) if last.cast_unsigned() < revision => {
            problems.push(format!("revision {revision} is higher than the last one, {last}"));
        }
        Ok(_) => {}
        Err(error) => problems.push(sentence(from_sqlite(error))),
    }
    for found in [listed, entries] {
        problems.extend(found.into_iter().map(sentence));
    }
    for log in Log::ALL {
        let records = match log {
            Log::History => &mut report.records,
            Log::Decisions => &mut report.decisions,
        };
        check_log(&moment, log, records, &mut problems);
    }
    // A file that is damaged all over would list every row.
    problems.truncate(MAX_PROBLEMS);
    report.problems = problems;
    Ok(report)
}

/// Looks at a log, counts its sound records and says what is wrong.
fn check_log(moment: &Connection, log: Log, records: &mut u64, problems: &mut Vec<String>) {
    let bounds = operations::bounds(moment, log);
    let statements = Statements::of(log);
    let mut last_records = LastRecords::new();
    let mut expected = bounds.as_ref().map_or(1, |bounds| bounds.first);
    let damaged = each(moment, statements.read_all, |row| {
        let record = operations::record(row)?;
        // A row that was lost with its page leaves no wrong checksum behind, only a gap.
        let missing = record.position != expected;
        let place = std::mem::replace(&mut expected, record.position + 1);
        *records += 1;
        if let Some(lane) = record.lane {
            last_records.insert(lane, (record.position, record.ends_lane));
        }
        if missing && place + 1 == record.position {
            let reason = "it is missing".to_owned();
            return Err(StorageError::DamagedRecord { position: place, reason });
        }
        if missing {
            let detail = format!("records from {place} to {} are missing", record.position - 1);
            return Err(StorageError::corrupt(detail));
        }
        Ok(())
    });
    let place = |error: StorageError| match error {
        StorageError::DamagedRecord { position, reason } => {
            DamagedItem::new(DamagedPlace::Record(log, position), reason).to_string()
        }
        other => sentence(other),
    };
    problems.extend(damaged.into_iter().map(place));
    match bounds.and_then(|bounds| walk::lanes(moment, log, bounds, last_records)) {
        Ok(items) => problems.extend(items.into_iter().filter_map(|item| match item {
            StoreItem::Damaged(damaged) => Some(damaged.to_string()),
            _ => None,
        })),
        Err(error) => problems.push(sentence(error)),
    }
    let cursors = each(moment, statements.cursors, |row| operations::cursor_of(row).map(drop));
    problems.extend(cursors.into_iter().map(sentence));
}

/// What is damaged, without saying for each that it is.
fn sentence(error: StorageError) -> String {
    match error {
        StorageError::Damaged { key, reason } => format!("`{key}`: {reason}"),
        StorageError::Corrupt { detail, .. } => detail,
        other => other.to_string(),
    }
}

/// Visits each row; an error of a row is kept and the next one visited.
fn each(
    connection: &Connection,
    sql: &str,
    mut visit: impl FnMut(&Row<'_>) -> Result<(), StorageError>,
) -> Vec<StorageError> {
    let mut errors = Vec::new();
    let mut all = || -> Result<(), rusqlite::Error> {
        let mut statement = connection.prepare(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            if let Err(error) = visit(row)
                && errors.len() < MAX_PROBLEMS
            {
                errors.push(error);
            }
        }
        Ok(())
    };
    let end = all();
    errors.extend(end.err().map(from_sqlite));
    errors
}

/// Copies beside the target first, so that the target is complete or not there.
pub(super) fn backup(connection: &Connection, to: &Path) -> Result<(), StorageError> {
    let unavailable = |error: &dyn std::fmt::Display| {
        StorageError::unavailable(format!("cannot back up to {}: {error}", to.display()))
    };
    let mut part = to.as_os_str().to_owned();
    part.push(format!(".{}.part", std::process::id()));
    let part = &literal(Path::new(&part));
    let Some(text) = part.to_str() else {
        return Err(unavailable(&"the path is not UTF-8"));
    };
    // Said early, for a better sentence; the link below is what really keeps an existing file.
    if to.exists() {
        return Err(unavailable(&"there is a file already"));
    }
    let copy = || {
        let _ = fs::remove_file(part);
        // `VACUUM INTO` copies one moment while others write, and leaves the log and free pages
        // out. A copy of the file with its log would need all writers to stop.
        connection.execute("VACUUM INTO ?1", [text]).map_err(from_sqlite)?;
        let synced = File::open(part).and_then(|file| file.sync_all());
        // A link, unlike a rename, replaces nothing.
        let placed = synced.and_then(|()| fs::hard_link(part, to));
        placed.map_err(|error| unavailable(&error).with_source(error))
    };
    let result = copy();
    let _ = fs::remove_file(part);
    if let (Ok(()), Some(folder)) = (&result, to.parent()) {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        // Not every system lets a folder be synced; the file itself is.
        let _ = File::open(folder).and_then(|folder| folder.sync_all());
    }
    result
}
