//! The thread that answers questions, and looks for what others append.

#![allow(clippy::disallowed_methods, reason = "an adapter may read the clock")]

use super::SqliteOptions;
use super::connect::{Failed, patiently};
use super::error::from_sqlite;
use super::identity::Identity;
use super::operations;
use super::waiters::Waiters;
use crate::storage::{Log, StorageError};
use rusqlite::Connection;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// A question. It is asked once, so it may be a closure.
pub(super) type ReadJob = Box<dyn FnOnce(&Connection) + Send>;

/// For how long after something happened the reader looks often.
const ACTIVE: Duration = Duration::from_secs(1);

/// How often the reader looks for appends of other processes.
pub(super) struct Polls {
    active: Duration,
    idle: Duration,
    hinted: Duration,
    /// When something happened last.
    last: Instant,
}

impl Polls {
    pub(super) fn new(options: &SqliteOptions) -> Self {
        let SqliteOptions { poll, idle_poll, hinted_poll, .. } = *options;
        Polls { active: poll, idle: idle_poll, hinted: hinted_poll, last: Instant::now() }
    }

    fn active(&mut self) {
        self.last = Instant::now();
    }

    fn next(&self, hinted: bool) -> Duration {
        if hinted {
            self.hinted
        } else if self.last.elapsed() < ACTIVE {
            self.active
        } else {
            self.idle
        }
    }
}

/// Answers questions, and looks for new records while a task waits for them.
pub(super) fn read_all(
    connection: &Connection,
    identity: &Identity,
    jobs: &Receiver<ReadJob>,
    waiters: &Waiters,
    mut polls: Polls,
    lock_timeout: Duration,
) {
    // `data_version` tells for less than a query whether another connection committed since the
    // last look. `stale` covers what it cannot tell: a waiter that came after that look.
    let mut seen = None;
    loop {
        // Without a waiter the thread sleeps until there is work: asking for appends of other
        // processes costs processor time, so it is done only while a task waits for one.
        let job = if waiters.lock().waiting.is_empty() {
            jobs.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            jobs.recv_timeout(polls.next(waiters.hinted.load(Ordering::Acquire)))
        };
        match job {
            Ok(job) => job(connection),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        // All questions come before the look for records: they are answered at once, and one look
        // serves all waiters.
        while let Ok(job) = jobs.try_recv() {
            job(connection);
        }
        if waiters.lock().waiting.is_empty() {
            continue;
        }
        if let Err(error) = identity.check() {
            // What is appended under the name now would never be seen here.
            waiters.tell(&Err(error));
            continue;
        }
        let version = patiently(lock_timeout, || {
            let mut statement = connection.prepare_cached("PRAGMA data_version")?;
            Ok(statement.query_row([], |row| row.get::<_, i64>(0))?)
        });
        // Taken after `data_version` was read and before the bounds are. An append that comes later
        // sets it again, and the next round finds it.
        let stale = waiters.stale.swap(false, Ordering::Acquire);
        match version {
            // Nothing changed, so the table is not asked.
            Ok(version) if !stale && seen == Some(version) => {}
            Ok(version) => {
                seen = Some(version);
                polls.active();
                let next = |log| operations::bounds(connection, log).map(|bounds| bounds.next);
                let ends =
                    next(Log::History).and_then(|history| Ok([history, next(Log::Decisions)?]));
                waiters.tell(&ends);
            }
            Err(Failed::Busy(waited)) => {
                // A wait that cannot see the file must end with an error: it would never end
                // otherwise.
                waiters.tell(&Err(StorageError::Busy { waited, writer: None }));
            }
            Err(Failed::Sqlite(error)) => waiters.tell(&Err(from_sqlite(error))),
            Err(Failed::Storage(error)) => waiters.tell(&Err(error)),
        }
    }
}
