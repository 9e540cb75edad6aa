//! Opening a file: checks, settings, migrations; and waiting for the lock.

#![allow(clippy::disallowed_methods, reason = "an adapter may read the clock and wait")]

use super::error::{at, from_sqlite, is_busy};
use super::{SqliteOptions, Synchronous, operations, place};
use crate::storage::StorageError;
use rusqlite::{Connection, OpenFlags};
use std::path::{Path, PathBuf};
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
    // 3: lanes.
    "ALTER TABLE record ADD COLUMN lane TEXT;
     ALTER TABLE record ADD COLUMN id TEXT;
     ALTER TABLE record ADD COLUMN subject TEXT;
     CREATE UNIQUE INDEX record_id ON record (lane, id) WHERE id IS NOT NULL;
     CREATE TABLE lane (
       name TEXT PRIMARY KEY, last INTEGER NOT NULL, checksum INTEGER NOT NULL
     ) STRICT, WITHOUT ROWID;",
    // 4: the log of decisions, and lanes that end. Tables of its own: each log is appended to at the end
    // of its tree, and trimmed from the front of it.
    "ALTER TABLE state ADD COLUMN first_decision INTEGER NOT NULL DEFAULT 1;
     ALTER TABLE record ADD COLUMN ends INTEGER NOT NULL DEFAULT 0;
     ALTER TABLE lane ADD COLUMN ended INTEGER NOT NULL DEFAULT 0;
     CREATE TABLE decision (
       position INTEGER PRIMARY KEY, checksum INTEGER NOT NULL, data BLOB NOT NULL,
       lane TEXT, id TEXT, subject TEXT, ends INTEGER NOT NULL DEFAULT 0
     ) STRICT;
     CREATE UNIQUE INDEX decision_id ON decision (lane, id) WHERE id IS NOT NULL;
     CREATE TABLE decision_lane (
       name TEXT PRIMARY KEY, last INTEGER NOT NULL, checksum INTEGER NOT NULL, ended INTEGER NOT NULL
     ) STRICT, WITHOUT ROWID;
     CREATE TABLE decision_cursor (
       name TEXT PRIMARY KEY, position INTEGER NOT NULL, checksum INTEGER NOT NULL
     ) STRICT, WITHOUT ROWID;",
];

/// A connection that is ready to use; waits for others that open or recover the file.
pub(super) fn connect(path: &Path, options: &SqliteOptions) -> Result<Connection, StorageError> {
    if options.create
        // The folder is made as well, because a project that is new has no `.claude/data`.
        && let Some(folder) = path.parent()
        && let Err(error) = std::fs::create_dir_all(folder)
    {
        let detail = format!("cannot make {}: {error}", folder.display());
        return Err(StorageError::unavailable(detail).with_source(error));
    }
    place::check(path, options).map_err(|error| at(path, error))?;
    // A process that was killed leaves a log that the next one recovers under an exclusive lock;
    // others that open meanwhile are busy, not broken. So opening is tried again as a whole, with a
    // new connection: the settings of one that failed half-way are not known.
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
    // A commit takes well under a millisecond without a sync and some milliseconds with one, so the
    // first looks are early. `SQLite`'s own busy handler starts at 1 ms and grows to 100 ms, which
    // is longer than the lock is ever held here.
    let mut pause = Duration::from_micros(100);
    loop {
        match attempt() {
            Err(Failed::Sqlite(error)) if is_busy(&error) => {}
            other => return other,
        }
        let waited = start.elapsed();
        // Checked after the attempt, so a timeout of zero still tries once.
        let left = timeout.saturating_sub(waited);
        if left.is_zero() {
            return Err(Failed::Busy(waited));
        }
        std::thread::sleep(pause.min(left));
        pause = (pause * 2).min(Duration::from_millis(5));
    }
}

/// Starts a transaction that writes; waits for others that do. Refused if the file has another schema
/// by now.
pub(super) fn begin(connection: &Connection, timeout: Duration) -> Result<(), StorageError> {
    lock(connection, timeout)?;
    // A newer program may have migrated the file since it was opened, and what this one writes would
    // not be what the new schema means. Asked inside the transaction, where it cannot change.
    let version = connection
        .prepare_cached("PRAGMA user_version")
        .and_then(|mut statement| statement.query_row([], |row| row.get::<_, i64>(0)))
        .map_err(from_sqlite);
    let known = MIGRATIONS.len();
    let refused = match version {
        Ok(version) if usize::try_from(version) == Ok(known) => return Ok(()),
        Ok(version) => StorageError::unsupported(format!(
            "another program migrated the file to schema version {version} since it was opened, this \
             one knows {known}; restart with the program that migrated it"
        )),
        Err(error) => error,
    };
    // The error that refuses is the one to tell.
    let _ = connection.execute_batch("ROLLBACK");
    Err(refused)
}

fn lock(connection: &Connection, timeout: Duration) -> Result<(), StorageError> {
    let begin = || {
        // `IMMEDIATE` takes the write lock at once. A transaction that starts as a reader and
        // writes later fails with busy when another one wrote in between, and waiting cannot help
        // it then.
        let mut statement = connection.prepare_cached("BEGIN IMMEDIATE")?;
        statement.execute([]).map_err(Failed::from)
    };
    patiently(timeout, begin).map(drop).map_err(|failed| match failed {
        Failed::Busy(waited) => {
            // Read after the wait was given up: a reader needs no lock in WAL mode, and the name is
            // a hint at who may hold it.
            StorageError::Busy { waited, writer: operations::writer(connection) }
        }
        Failed::Sqlite(error) => from_sqlite(error),
        Failed::Storage(error) => error,
    })
}

/// A path that `SQLite` takes for the name of a file, whatever it looks like: a relative one could be
/// read as a URI (`file:...?mode=ro`) or mean no file at all (`:memory:`, an empty name).
pub(super) fn literal(path: &Path) -> PathBuf {
    if path.is_absolute() { path.to_owned() } else { Path::new(".").join(path) }
}

fn open(path: &Path, options: &SqliteOptions) -> Result<Connection, Failed> {
    // No mutex inside `SQLite`: each connection belongs to one thread here.
    let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    if options.create {
        flags |= OpenFlags::SQLITE_OPEN_CREATE;
    }
    let connection = Connection::open_with_flags(literal(path), flags)?;
    // More kinds of statements than its cache has places for unless told.
    connection.set_prepared_statement_cache_capacity(64);
    // Waiting is ours, so that its length is known.
    connection.busy_timeout(Duration::ZERO)?;
    // One moment for all questions: another process may be making the file.
    let moment = connection.unchecked_transaction()?;
    let version = recognize(&moment)?;
    moment.finish()?;
    // WAL lets readers and one writer of several processes work at the same time, and a commit
    // append to one file. `SQLite` answers with the mode that it has, and stays in another one
    // where it cannot share memory, for example on a network drive.
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if mode != "wal" {
        let detail = format!("the file system has no shared memory (journal mode {mode})");
        return Err(Failed::Storage(StorageError::unavailable(detail)));
    }
    connection.pragma_update(
        None,
        // FULL syncs the log at each commit, which is what makes an acknowledged write survive a
        // power failure. NORMAL syncs at checkpoints only. Either keeps the file sound, because the
        // log's frames have checksums.
        "synchronous",
        match options.synchronous {
            Synchronous::Full => "FULL",
            Synchronous::Normal => "NORMAL",
        },
    )?;
    // Damage to a page is found when the page is read, instead of spreading with the next write.
    connection.pragma_update(None, "cell_size_check", true)?;
    // Where `SQLite` starts the log anew by itself, its file gets smaller as well.
    let limit = i64::try_from(options.emptied_bytes()).unwrap_or(i64::MAX);
    connection.query_row(&format!("PRAGMA journal_size_limit = {limit}"), [], |_| Ok(()))?;
    if let Some(bytes) = options.max_bytes {
        // A quota in bytes, which `SQLite` counts in pages. It fails a write like a full disk does,
        // so one path handles both.
        let page: i64 = connection.query_row("PRAGMA page_size", [], |row| row.get(0))?;
        // The log has its own part of it.
        let bytes = bytes - options.log_bytes();
        let pages = (bytes / page.unsigned_abs().max(1)).clamp(1, u64::from(u32::MAX) - 1);
        connection.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))?;
    }
    // Looked up before the write lock is taken: an up-to-date file is opened without any writer
    // waiting.
    if version < MIGRATIONS.len() {
        migrate(&connection)?;
    }
    Ok(connection)
}

/// The schema version of a file that is ours or new. Inside a transaction.
fn recognize(connection: &Connection) -> Result<usize, Failed> {
    let number = |pragma: &str| connection.query_row(pragma, [], |row| row.get::<_, i64>(0));
    let unsupported = |detail: String| Failed::Storage(StorageError::unsupported(detail));
    // The application id is checked first, so that a database of another program is never written
    // to, whatever its version is.
    let id = number("PRAGMA application_id")?;
    let version = number("PRAGMA user_version")?;
    if id != APPLICATION_ID {
        let tables = number("SELECT count(*) FROM sqlite_schema")?;
        // A file without tables may become ours: a crash between making the file and the first
        // commit leaves just that.
        if id != 0 || version != 0 || tables != 0 {
            return Err(unsupported("it is the database of another program".to_owned()));
        }
    }
    let known = MIGRATIONS.len();
    match usize::try_from(version) {
        // A later version may give columns another meaning, so it is refused rather than read as
        // far as it goes.
        Ok(version) if version <= known => Ok(version),
        _ => {
            Err(unsupported(format!("its schema version is {version}, this program knows {known}")))
        }
    }
}

fn migrate(connection: &Connection) -> Result<(), Failed> {
    // All steps are one transaction: a process that is killed in between leaves the old schema,
    // never half a new one.
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
        // Some errors end the transaction by themselves; rolling back twice would be an error that
        // hides the first one.
        connection.execute_batch("ROLLBACK")?;
    }
    result
}

#[cfg(test)]
mod tests {
    use super::super::scratch::Folder;
    use super::*;
    use rusqlite::ffi;

    fn number(connection: &Connection, pragma: &str) -> i64 {
        connection.query_row(pragma, [], |row| row.get(0)).unwrap()
    }

    fn busy() -> Failed {
        Failed::Sqlite(rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_BUSY), None))
    }

    #[test]
    fn a_connection_has_the_settings_that_durability_rests_on() {
        let folder = Folder::new("connect-settings");
        let options = SqliteOptions::new("test").with_max_bytes(1 << 20);
        let connection = connect(&folder.file(), &options).unwrap();
        let mode: String =
            connection.query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap();
        assert_eq!(mode, "wal");
        assert_eq!(number(&connection, "PRAGMA synchronous"), 2);
        assert_eq!(number(&connection, "PRAGMA cell_size_check"), 1);
        assert_eq!(number(&connection, "PRAGMA busy_timeout"), 0);
        let page = number(&connection, "PRAGMA page_size");
        assert_eq!(number(&connection, "PRAGMA max_page_count"), (3 << 18) / page);
        assert_eq!(number(&connection, "PRAGMA journal_size_limit"), 1 << 17);
        assert_eq!(number(&connection, "PRAGMA application_id"), APPLICATION_ID);
        assert_eq!(
            number(&connection, "PRAGMA user_version"),
            i64::try_from(MIGRATIONS.len()).unwrap()
        );
        drop(connection);
        let options = options.with_synchronous(Synchronous::Normal);
        let connection = connect(&folder.file(), &options).unwrap();
        assert_eq!(number(&connection, "PRAGMA synchronous"), 1);
    }

    #[test]
    fn a_file_of_the_first_schema_keeps_its_values() {
        let folder = Folder::new("connect-migrate");
        std::fs::create_dir_all(&folder.0).unwrap();
        let old = Connection::open(folder.file()).unwrap();
        old.execute_batch(MIGRATIONS[0]).unwrap();
        old.execute_batch("UPDATE state SET revision = 7, writer = 'old'").unwrap();
        old.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
        old.pragma_update(None, "user_version", 1).unwrap();
        drop(old);
        let connection = connect(&folder.file(), &SqliteOptions::new("test")).unwrap();
        assert_eq!(number(&connection, "SELECT revision FROM state"), 7);
        for log in crate::storage::Log::ALL {
            let none = crate::storage::Bounds::new(1, 1);
            assert_eq!(operations::bounds(&connection, log), Ok(none));
        }
        assert_eq!(
            number(&connection, "PRAGMA user_version"),
            i64::try_from(MIGRATIONS.len()).unwrap()
        );
    }

    #[test]
    fn waiting_ends_with_success_another_error_or_the_time() {
        let mut left = 3;
        let done = patiently(Duration::from_secs(60), || {
            left -= 1;
            if left > 0 { Err(busy()) } else { Ok(left) }
        });
        assert!(matches!(done, Ok(0)));
        let mut tries = 0;
        let over = patiently(Duration::ZERO, || {
            tries += 1;
            Err::<(), _>(busy())
        });
        // A timeout of nothing still tries once.
        assert!(matches!(over, Err(Failed::Busy(_))) && tries == 1);
        let full = rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_FULL), None);
        let other = patiently(Duration::from_secs(60), || {
            Err::<(), _>(Failed::Sqlite(rusqlite::Error::SqliteFailure(
                ffi::Error::new(ffi::SQLITE_FULL),
                None,
            )))
        });
        assert!(matches!(other, Err(Failed::Sqlite(error)) if error == full));
    }

    #[test]
    fn a_lock_that_another_holds_is_told_with_the_last_writer() {
        let folder = Folder::new("connect-lock");
        let options = SqliteOptions::new("test");
        let holder = connect(&folder.file(), &options).unwrap();
        holder.execute_batch("UPDATE state SET writer = 'holder'; BEGIN IMMEDIATE").unwrap();
        let connection = connect(&folder.file(), &options).unwrap();
        let error = begin(&connection, Duration::from_millis(1)).unwrap_err();
        let StorageError::Busy { waited, writer } = error else { panic!("{error:?}") };
        assert!(waited >= Duration::from_millis(1));
        assert_eq!(writer.as_deref(), Some("holder"));
        holder.execute_batch("ROLLBACK").unwrap();
        begin(&connection, Duration::from_millis(1)).unwrap();
    }
}
