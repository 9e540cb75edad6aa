//! The write-ahead log, kept within a bound whatever readers do.
//!
//! A commit appends to the log, and a checkpoint of `SQLite` moves its pages into the file. It can start
//! the log anew only while no reader looks at an older moment, and never makes the log's file smaller
//! by itself. So a reader that stays, or readers that follow each other closely, let it grow without
//! end, and it stays at its peak. Here it is emptied as soon as readers allow it, and writes are
//! refused where they do not.

#![allow(clippy::disallowed_methods, reason = "an adapter may look at its file")]

use super::SqliteOptions;
use super::connect::{Failed, patiently};
use super::error::{from_sqlite, is_busy};
use crate::storage::StorageError;
use rusqlite::Connection;
use rusqlite::ffi::{self, SQLITE_BUSY};
use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// From this size on the log is emptied; about what `SQLite` lets it grow to without readers.
const EMPTIED_BYTES: u64 = 8 << 20;

/// How much of a quota the log may use.
const QUOTA_SHARE: u64 = 4;

pub(super) struct WriteAheadLog {
    path: PathBuf,
    /// Beyond this nothing is written.
    max_bytes: u64,
    /// From this on it is emptied.
    emptied_bytes: u64,
    /// How long a write waits for readers.
    patience: Duration,
    /// How long the log was when a reader kept it from being emptied.
    kept: Cell<Option<u64>>,
}

impl SqliteOptions {
    /// The maximum number of bytes of the log.
    pub(super) fn log_bytes(&self) -> u64 {
        match self.max_bytes {
            Some(bytes) => self.max_log_bytes.min(bytes / QUOTA_SHARE),
            None => self.max_log_bytes,
        }
    }

    /// From how many bytes on the log is emptied.
    pub(super) fn emptied_bytes(&self) -> u64 {
        EMPTIED_BYTES.min(self.log_bytes() / 2)
    }
}

impl WriteAheadLog {
    pub(super) fn new(path: &Path, options: &SqliteOptions) -> Self {
        let mut log = path.as_os_str().to_owned();
        log.push("-wal");
        WriteAheadLog {
            path: log.into(),
            max_bytes: options.log_bytes(),
            emptied_bytes: options.emptied_bytes(),
            patience: options.lock_timeout,
            kept: Cell::new(None),
        }
    }

    fn len(&self) -> u64 {
        std::fs::metadata(&self.path).map_or(0, |meta| meta.len())
    }

    /// Whether a reader kept the log from being emptied, so that it has to be tried again.
    pub(super) fn is_kept(&self) -> bool {
        self.kept.get().is_some()
    }

    /// Makes sure that there is room for a write. One write may take the log beyond its bound; the next
    /// one waits until it is emptied.
    pub(super) fn make_room(&self, connection: &Connection) -> Result<(), StorageError> {
        if self.len() < self.max_bytes {
            return Ok(());
        }
        let emptied = patiently(self.patience, || {
            if empty(connection)? { Ok(()) } else { Err(Failed::Sqlite(busy())) }
        });
        match emptied {
            Ok(()) => self.kept.set(None),
            Err(Failed::Busy(waited)) => {
                let (bytes, limit) = (self.len(), self.max_bytes);
                self.kept.set(Some(bytes));
                return Err(StorageError::LogFull { bytes, limit, waited });
            }
            Err(Failed::Sqlite(error)) => return Err(from_sqlite(error)),
            Err(Failed::Storage(error)) => return Err(error),
        }
        Ok(())
    }

    /// Empties the log if it is long and readers allow it. What does not work now is tried again later,
    /// when the log has grown by as much again or nothing else is to be done.
    pub(super) fn tidy(&self, connection: &Connection, idle: bool) {
        let (length, from) = (self.len(), self.emptied_bytes);
        if length < from {
            self.kept.set(None);
            return;
        }
        let due = self.kept.get().is_none_or(|kept| length >= kept.saturating_add(from));
        if idle || due {
            // It is housekeeping: what keeps it from being done shows when something is written.
            let emptied = empty(connection).unwrap_or(false);
            self.kept.set((!emptied).then_some(length));
        }
    }
}

/// Moves the log into the file and cuts it to nothing; false if a reader or a writer is in the way.
fn empty(connection: &Connection) -> Result<bool, Failed> {
    let asked =
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0));
    match asked {
        Ok(busy) => Ok(busy == 0),
        Err(error) if is_busy(&error) => Ok(false),
        Err(error) => Err(Failed::Sqlite(error)),
    }
}

fn busy() -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(ffi::Error::new(SQLITE_BUSY), None)
}
