//! Opening a file: checks, settings, migrations; and waiting for the lock.

#![allow(clippy::disallowed_methods, reason = "an adapter may read the clock and wait")]

use super::error::{at, from_sqlite, is_busy};
use super::{SqliteOptions, Synchronous, operations};
use crate::storage::StorageError;
use rusqlite::{Connection, OpenFlags};
use std::path::Path;
use std::time::{Duration, Instant};

/// Marks our files: `coor` in ASCII.
const APPLICATION_ID: i64 = 0x636f_6f72;

/// What brings a file from each schema version to the next. Steps are only ever added.
const MIGRATIONS: &[&str] = &[
    // 1: the store.
    "CREATE TABLE state (
       id INTEGER PRIMARY KEY CHECK (id = 0), revision INTEGER NOT NULL, writer TEXT NOT NULL
     ) STRICT;
     INSERT INTO state VALUES (0, 0, '');
     CREATE TABLE entry (
       key TEXT PRIMARY KEY, revision INTEGER NOT NULL, checksum INTEGER NOT NULL, value BLOB NOT NULL
     ) STRICT;",
    // 2: the journal.
    "ALTER TABLE state ADD COLUMN first INTEGER NOT NULL DEFAULT 1;
     CREATE TABLE record (
       position INTEGER PRIMARY KEY, checksum INTEGER NOT NULL, data BLOB NOT NULL
     ) STRICT;
     CREATE TABLE cursor (
       name TEXT PRIMARY KEY, position INTEGER NOT NULL, checksum INTEGER NOT NULL
     ) STRICT, WITHOUT ROWID;",
];

/// A connection that is ready to use; waits for others that open or recover the file.
pub(super) fn connect(path: &Path, options: &SqliteOptions) -> Result<Connection, StorageError> {
    if options.create
        && let Some(folder) = path.parent()
        && let Err(error) = std::fs::create_dir_all(folder)
    {
        let detail = format!("cannot make {}: {error}", folder.display());
        return Err(StorageError::unavailable(detail).with_source(error));
    }
    patiently(options.lock_timeout, || open(path, options)).map_err(|failed| match failed {
        Failed::Busy(waited) => StorageError::Busy { waited, writer: None },
        Failed::Sqlite(error) => at(path, from_sqlite(error)),
        Failed::Storage(error) => at(path, error),
    })
}

pub(super) enum Failed {
    Busy(Duration),
    Sqlite(rusqlite::Error),
    Storage(StorageError),
}

impl From<rusqlite::Error> for Failed {
    fn from(error: rusqlite::Error) -> Self {
        Failed::Sqlite(error)
    }
}

/// Tries until it works or the time is over, as long as others are in the way. The pauses grow
/// from 0.1 to 5 ms, so that a lock that is free is taken soon.
pub(super) fn patiently<T>(
    timeout: Duration,
    mut attempt: impl FnMut() -> Result<T, Failed>,
) -> Result<T, Failed> {
    let start = Instant::now();
    let mut pause = Duration::from_micros(100);
    loop {
        match attempt() {
            Err(Failed::Sqlite(error)) if is_busy(&error) => {}
            other => return other,
        }
        let waited = start.elapsed();
        let left = timeout.saturating_sub(waited);
        if left.is_zero() {
            return Err(Failed::Busy(waited));
        }
        std::thread::sleep(pause.min(left));
        pause = (pause * 2).min(Duration::from_millis(5));
    }
}

/// Starts a transaction that writes; waits for others that do.
pub(super) fn begin(connection: &Connection, timeout: Duration) -> Result<(), StorageError> {
    let begin = || {
        let mut statement = connection.prepare_cached("BEGIN IMMEDIATE")?;
        statement.execute([]).map_err(Failed::from)
    };
    patiently(timeout, begin).map(drop).map_err(|failed| match failed {
        Failed::Busy(waited) => {
            StorageError::Busy { waited, writer: operations::writer(connection) }
        }
        Failed::Sqlite(error) => from_sqlite(error),
        Failed::Storage(error) => error,
    })
}

fn open(path: &Path, options: &SqliteOptions) -> Result<Connection, Failed> {
    let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    if options.create {
        flags |= OpenFlags::SQLITE_OPEN_CREATE;
    }
    let connection = Connection::open_with_flags(path, flags)?;
    // Waiting is ours, so that its length is known.
    connection.busy_timeout(Duration::ZERO)?;
    // One moment for all questions: another process may be making the file.
    let moment = connection.unchecked_transaction()?;
    let version = recognize(&moment)?;
    moment.finish()?;
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if mode != "wal" {
        let detail = format!("the file system has no shared memory (journal mode {mode})");
        return Err(Failed::Storage(StorageError::unavailable(detail)));
    }
    connection.pragma_update(
        None,
        "synchronous",
        match options.synchronous {
            Synchronous::Full => "FULL",
            Synchronous::Normal => "NORMAL",
        },
    )?;
    connection.pragma_update(None, "cell_size_check", true)?;
    if let Some(bytes) = options.max_bytes {
        let page: i64 = connection.query_row("PRAGMA page_size", [], |row| row.get(0))?;
        let pages = (bytes / page.unsigned_abs().max(1)).clamp(1, u64::from(u32::MAX) - 1);
        connection.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))?;
    }
    if version < MIGRATIONS.len() {
        migrate(&connection)?;
    }
    Ok(connection)
}

/// The schema version of a file that is ours or new. Inside a transaction.
fn recognize(connection: &Connection) -> Result<usize, Failed> {
    let number = |pragma: &str| connection.query_row(pragma, [], |row| row.get::<_, i64>(0));
    let unsupported = |detail: String| Failed::Storage(StorageError::unsupported(detail));
    let id = number("PRAGMA application_id")?;
    let version = number("PRAGMA user_version")?;
    if id != APPLICATION_ID {
        let tables = number("SELECT count(*) FROM sqlite_schema")?;
        if id != 0 || version != 0 || tables != 0 {
            return Err(unsupported("it is the database of another program".to_owned()));
        }
    }
    let known = MIGRATIONS.len();
    match usize::try_from(version) {
        Ok(version) if version <= known => Ok(version),
        _ => {
            Err(unsupported(format!("its schema version is {version}, this program knows {known}")))
        }
    }
}

fn migrate(connection: &Connection) -> Result<(), Failed> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let result = (|| {
        // Another process may have been faster.
        let version = recognize(connection)?;
        for step in &MIGRATIONS[version..] {
            connection.execute_batch(step)?;
        }
        connection.pragma_update(None, "application_id", APPLICATION_ID)?;
        connection.pragma_update(None, "user_version", MIGRATIONS.len().cast_signed())?;
        connection.execute_batch("COMMIT")?;
        Ok(())
    })();
    if !connection.is_autocommit() {
        connection.execute_batch("ROLLBACK")?;
    }
    result
}
