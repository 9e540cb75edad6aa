//! Store and journal in one `SQLite` file, shared by all processes of a machine.
//!
//! ```
//! use coordination_protocol::adapter::sqlite::{Sqlite, SqliteOptions};
//! use coordination_protocol::storage::{Expect, Journal, Key, Store, StorageError, block_on};
//!
//! # let root = std::env::temp_dir().join(format!("coord-doc-{}", std::process::id()));
//! // Below a project this is `.claude/data`; the file in it is `coord.sqlite`.
//! let file = Sqlite::open_in(&root, &SqliteOptions::new("deploy"))?;
//! block_on(async {
//!     let key = Key::of(["state", "wf_001"])?;
//!     file.put(&key, b"{\"state_version\":1}", Expect::Absent).await?;
//!     file.append(&["TASK_COMPLETED:wf_001:build:{}"]).await?;
//!     assert_eq!(file.wait(1).await?, 2);
//!     assert!(file.check().await?.problems.is_empty());
//!     Ok::<(), StorageError>(())
//! })?;
//! # drop(file);
//! # std::fs::remove_dir_all(root).unwrap();
//! # Ok::<(), StorageError>(())
//! ```
//!
//! # What it survives
//!
//! | what | with [`Synchronous::Full`], the default | with [`Synchronous::Normal`] |
//! |---|---|---|
//! | a process is killed at any moment | all that was acknowledged is there | all that was acknowledged is there |
//! | power fails | all that was acknowledged is there | the last moments may be lost; the file is sound |
//! | a bit of the file flips | a damaged value or record is an error, never returned | the same |
//! | the disk is full | writes are refused, nothing is lost | the same |
//!
//! Every value, record, lane and cursor has a checksum, which each read verifies. [`Sqlite::check`] looks
//! at everything, indexes included. Two kinds of damage look like something that never happened: a
//! file that was cut to nothing is a new one, and a write-ahead log ends where it is damaged.
//!
//! # All of a file
//!
//! [`Sqlite::dump`] visits everything at one moment, [`Sqlite::load`] takes it in elsewhere, and
//! [`Sqlite::rewrite`] changes everything at once, as a migration does. [`Sqlite::repair`] removes what
//! is damaged. Each is one transaction: whoever is killed half-way did nothing.
//!
//! # Where the work is done
//!
//! Two threads belong to an open file: one writes, one reads. Futures hand them the work and wait;
//! polling one never touches the file, so any runtime will do, or none
//! ([`block_on`](crate::storage::block_on)). Only [`Sqlite::open`], dropping the last handle, and
//! what goes over all of a file block the calling thread.
//!
//! Writes that wait at the same time share one commit, so many tasks with one durable write each
//! cost hardly more than one. A write whose future is dropped is done nevertheless, unless it was
//! never polled.
//!
//! [`Journal::wait`] sees appends of this process at once, and those of others by a hint: whoever
//! appended opens a file beside the store, which a third thread watches while a task waits (Linux). As a
//! net, and where there are no hints, `PRAGMA data_version` is asked now and then
//! ([`SqliteOptions::with_poll`]). Either takes a small part of a percent of a core; while no task
//! waits, the threads sleep.
//!
//! # Rules of the house
//!
//! - The file and its neighbours `-wal` and `-shm` belong together, on a local file system: network file
//!   systems are refused. A neighbour `-hint` is empty and may go.
//! - A process that has it open must not open the file by other means: closing that handle would
//!   release the locks. To copy it, use [`Sqlite::backup`].
//! - The write-ahead log is emptied when it gets long and no reader needs it, and bounded in any case
//!   ([`SqliteOptions::max_log_bytes`]).
//! - Trimming frees room for new records; the file does not shrink.

mod bulk;
mod changes;
mod check;
mod connect;
mod error;
mod hint;
mod identity;
mod item;
mod locate;
mod log;
mod log_changes;
mod machine;
mod operations;
mod place;
mod reader;
mod repair;
#[cfg(test)]
mod scratch;
mod slot;
mod statements;
mod waiters;
mod walk;
mod worker;
mod writer;

pub use bulk::{LoadMode, LoadSummary};
pub use check::CheckReport;
pub use item::{Contents, DamagedItem, DamagedPlace, ItemChange, KeptLane, LogContents, StoreItem};
pub use locate::{PROJECT_FOLDER, locate};
pub use machine::{MachineClock, ProcessIdentity, ProcessIdentityError};

use crate::storage::{
    Appended, Batch, Bounds, Commit, Committed, Cursor, Engine, Entry, Expect, Journal,
    JournalRecord, Key, KeyPage, LaneEnd, LaneForm, Log, NewRecord, Page, StorageError,
    StorageLimits, Store, StoreScan,
};
use changes::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use worker::Workers;

/// The name of the file below a root.
pub const FILE_NAME: &str = "coord.sqlite";

/// How a file is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SqliteOptions {
    /// Who writes, for the errors of others; the process number is added.
    pub writer: String,
    /// What an acknowledged write survives.
    pub synchronous: Synchronous,
    /// How long to wait for the lock of other processes. 5 s unless set.
    #[doc(alias = "busy_timeout")]
    pub lock_timeout: Duration,
    /// How often to look for appends of other processes while a task waits, and no hint comes from them:
    /// in the second after one was seen or a wait began. 8 ms unless set.
    pub poll: Duration,
    /// The same, later. 20 ms unless set.
    pub idle_poll: Duration,
    /// The same, while hints come: how late a record is noticed at most whose hint was lost. 250 ms unless
    /// set.
    pub hinted_poll: Duration,
    /// Whether to listen to the hints of other processes, where the system has them (Linux). True unless
    /// set. They need a file beside the store, `-hint` behind its name, a thread, and one of the instances
    /// of `inotify` that the system allows each user (128 on many).
    pub hints: bool,
    /// Whether the file may lie on a file system of which it is not known whether it is local, such as
    /// FUSE or 9p. False unless set.
    pub any_file_system: bool,
    /// The maximum number of bytes of the file and its write-ahead log together; no limit unless set.
    /// A quarter of it is for the log.
    pub max_bytes: Option<u64>,
    /// The maximum number of bytes of the write-ahead log, which one write may exceed by what it
    /// carries. 64 MiB unless set. A reader that looks at one moment for long keeps the log from being
    /// emptied; at the maximum, writes wait for it as for a lock, and then are refused
    /// ([`LogFull`](StorageError::LogFull)).
    #[doc(alias = "WAL")]
    pub max_log_bytes: u64,
    /// Whether to make the file and its folder if they are not there. True unless set.
    pub create: bool,
    /// The maximum number of operations of each kind, reads and writes, that wait. 4,096 unless set.
    #[doc(alias = "capacity")]
    #[doc(alias = "backpressure")]
    pub max_waiting: usize,
    /// How much one operation may carry.
    pub limits: StorageLimits,
}

impl SqliteOptions {
    /// The defaults, for a writer of this name.
    pub fn new(writer: impl Into<String>) -> Self {
        SqliteOptions {
            writer: writer.into(),
            synchronous: Synchronous::Full,
            // Longer than a commit should take, shorter than a person waits for a command.
            lock_timeout: Duration::from_secs(5),
            poll: Duration::from_millis(8),
            idle_poll: Duration::from_millis(20),
            hinted_poll: Duration::from_millis(250),
            hints: true,
            any_file_system: false,
            max_bytes: None,
            max_log_bytes: 64 << 20,
            // Short commands start on machines where nothing has been written yet.
            create: true,
            max_waiting: 4_096,
            limits: StorageLimits::default(),
        }
    }

    /// Sets what an acknowledged write survives.
    pub const fn with_synchronous(mut self, synchronous: Synchronous) -> Self {
        self.synchronous = synchronous;
        self
    }

    /// Sets how long to wait for the lock of other processes.
    pub const fn with_lock_timeout(mut self, timeout: Duration) -> Self {
        self.lock_timeout = timeout;
        self
    }

    /// Sets how often to look for appends of other processes: in the second after one was seen, later,
    /// and while hints come.
    pub const fn with_poll(mut self, poll: Duration, idle: Duration, hinted: Duration) -> Self {
        self.poll = poll;
        self.idle_poll = idle;
        self.hinted_poll = hinted;
        self
    }

    /// Sets whether to listen to the hints of other processes.
    pub const fn with_hints(mut self, hints: bool) -> Self {
        self.hints = hints;
        self
    }

    /// Sets whether the file may lie on a file system of which it is not known whether it is local. Network
    /// file systems stay refused.
    pub const fn with_any_file_system(mut self, any: bool) -> Self {
        self.any_file_system = any;
        self
    }

    /// Sets the maximum number of bytes of the file and its write-ahead log together.
    pub const fn with_max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = Some(bytes);
        self
    }

    /// Sets the maximum number of bytes of the write-ahead log.
    pub const fn with_max_log_bytes(mut self, bytes: u64) -> Self {
        self.max_log_bytes = bytes;
        self
    }

    /// Sets whether to make the file.
    pub const fn with_create(mut self, create: bool) -> Self {
        self.create = create;
        self
    }

    /// Sets the maximum number of operations that wait.
    pub const fn with_max_waiting(mut self, operations: usize) -> Self {
        self.max_waiting = operations;
        self
    }

    /// Sets how much one operation may carry.
    pub const fn with_limits(mut self, limits: StorageLimits) -> Self {
        self.limits = limits;
        self
    }
}

/// What an acknowledged write survives.
#[doc(alias = "durability")]
#[doc(alias = "fsync")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Synchronous {
    /// Killed processes and power failures: each commit waits for the disk.
    #[default]
    Full,
    /// Killed processes. Many times faster; after a power failure the last commits may be gone.
    Normal,
}

/// An open file: a [`Store`] and an [`Engine`], with one partition of each log. A clone is another handle on
/// it. A handle is the [`Journal`] of a log as well: of the history, unless it was made by
/// [`Engine::log`] for another one.
///
/// [The module](self) has an example.
#[derive(Clone, Debug)]
pub struct Sqlite {
    workers: Arc<Workers>,
    path: Arc<Path>,
    options: Arc<SqliteOptions>,
    /// The log that the handle is the journal of.
    log: Log,
}

impl Sqlite {
    /// Opens a file, and makes or migrates it where needed. Blocks.
    ///
    /// # Errors
    /// [`Unsupported`](StorageError::Unsupported) if the file belongs to another program or to a
    /// later version, or would lie on a network file system; [`Corrupt`](StorageError::Corrupt); [`Busy`](StorageError::Busy);
    /// [`Unavailable`](StorageError::Unavailable) if it cannot be opened.
    pub fn open(path: impl Into<PathBuf>, options: &SqliteOptions) -> Result<Self, StorageError> {
        let path: PathBuf = path.into();
        let workers = Workers::start(&path, options)?;
        let options = Arc::new(options.clone());
        let log = Log::History;
        Ok(Sqlite { workers: Arc::new(workers), path: path.into(), options, log })
    }

    /// Opens the file of a root, [`FILE_NAME`] in it. Blocks.
    ///
    /// # Errors
    /// Those of [`open`](Self::open).
    pub fn open_in(root: impl AsRef<Path>, options: &SqliteOptions) -> Result<Self, StorageError> {
        Sqlite::open(root.as_ref().join(FILE_NAME), options)
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Looks at everything in the file: `SQLite`'s own integrity check, every checksum, positions
    /// and revisions.
    ///
    /// # Errors
    /// Only if nothing can be looked at; damage is in the report.
    pub async fn check(&self) -> Result<CheckReport, StorageError> {
        self.workers.read(check::check).await
    }

    /// Writes a copy of this moment to a new file, which others may use while this goes on. It is
    /// complete or not there.
    ///
    /// # Errors
    /// [`Unavailable`](StorageError::Unavailable) if there is a file already, or it cannot be
    /// written; [`Full`](StorageError::Full).
    pub async fn backup(&self, to: impl Into<PathBuf>) -> Result<(), StorageError> {
        let to = to.into();
        self.workers.read(move |connection| check::backup(connection, &to)).await
    }
}

impl Store for Sqlite {
    fn limits(&self) -> StorageLimits {
        self.options.limits
    }

    async fn get(&self, key: &Key) -> Result<Option<Entry>, StorageError> {
        let key = key.clone();
        self.workers.read(move |connection| operations::get(connection, &key)).await
    }

    async fn put(&self, key: &Key, value: &[u8], expect: Expect) -> Result<u64, StorageError> {
        // Refused here, before the value is copied and queued.
        self.options.limits.check_value(value.len())?;
        // Copied once: the writer's thread may outlive the caller's future.
        let write = Write::Put { key: key.clone(), value: value.into(), expect };
        Ok(self.workers.write(write).await?.number())
    }

    async fn delete(&self, key: &Key, expect: Expect) -> Result<bool, StorageError> {
        Ok(self.workers.write(Write::Delete { key: key.clone(), expect }).await?.number() > 0)
    }

    async fn scan(&self, scan: &StoreScan) -> Result<Page, StorageError> {
        let (scan, limits) = (scan.clone(), self.options.limits);
        self.workers.read(move |connection| operations::scan(connection, &scan, limits)).await
    }

    async fn keys(&self, scan: &StoreScan) -> Result<KeyPage, StorageError> {
        let (scan, limits) = (scan.clone(), self.options.limits);
        self.workers.read(move |connection| operations::keys(connection, &scan, limits)).await
    }
}

impl Engine for Sqlite {
    type Journal = Sqlite;

    fn log(&self, log: Log) -> Sqlite {
        Sqlite { log, ..self.clone() }
    }

    async fn commit(&self, commit: &Commit) -> Result<Committed, StorageError> {
        // Refused here, before anything is copied and queued.
        commit.check(&self.options.limits, &self.options.limits)?;
        Ok(self.workers.write(Write::Commit(commit.clone())).await?.committed())
    }
}

impl Journal for Sqlite {
    fn limits(&self) -> StorageLimits {
        self.options.limits
    }

    fn lanes(&self) -> LaneForm {
        self.log.lanes()
    }

    async fn append<B: AsRef<[u8]> + Sync>(&self, batch: &[B]) -> Result<Range<u64>, StorageError> {
        self.options.limits.check_batch(batch.iter().map(|data| data.as_ref().len()))?;
        // Copied once: the writer's thread may outlive the caller's future.
        let records = batch.iter().map(|data| NewRecord::new(data.as_ref())).collect();
        let write = Write::Append { log: self.log, batch: Batch::new(records, Vec::new()) };
        Ok(self.workers.write(write).await?.appended().positions)
    }

    async fn append_records(
        &self,
        records: &[NewRecord],
        expected: &[LaneEnd],
    ) -> Result<Appended, StorageError> {
        self.options.limits.check_batch(records.iter().map(NewRecord::size))?;
        self.log.lanes().check(records)?;
        let batch = Batch::new(records.to_vec(), expected.to_vec());
        let done = self.workers.write(Write::Append { log: self.log, batch }).await?;
        Ok(done.appended())
    }

    async fn lane_end(&self, lane: &Key) -> Result<Option<u64>, StorageError> {
        let (log, lane) = (self.log, lane.clone());
        let found =
            self.workers.read(move |connection| operations::lane(connection, log, &lane)).await?;
        Ok(found.map(|kept| kept.last))
    }

    async fn forget_lanes(&self) -> Result<u64, StorageError> {
        if self.log.lanes() == LaneForm::Ended {
            return Ok(0);
        }
        Ok(self.workers.write(Write::ForgetLanes { log: self.log }).await?.number())
    }

    async fn read(&self, from: u64, limit: usize) -> Result<Vec<JournalRecord>, StorageError> {
        let (log, limits) = (self.log, self.options.limits);
        let read = move |connection: &_| operations::read(connection, log, from, limit, limits);
        self.workers.read(read).await
    }

    async fn bounds(&self) -> Result<Bounds, StorageError> {
        let log = self.log;
        self.workers.read(move |connection| operations::bounds(connection, log)).await
    }

    async fn wait(&self, from: u64) -> Result<u64, StorageError> {
        self.workers.wait(self.log, from.max(1)).await
    }

    async fn trim(&self, before: u64) -> Result<u64, StorageError> {
        let named = self.options.limits.page_items;
        Ok(self.workers.write(Write::Trim { log: self.log, before, named }).await?.number())
    }

    async fn cursor(&self, name: &Key) -> Result<Option<u64>, StorageError> {
        let (log, name) = (self.log, name.clone());
        self.workers.read(move |connection| operations::cursor(connection, log, &name)).await
    }

    async fn move_cursor(
        &self,
        name: &Key,
        expected: Option<u64>,
        to: u64,
    ) -> Result<(), StorageError> {
        let (log, name) = (self.log, name.clone());
        self.workers.write(Write::MoveCursor { log, name, expected, to }).await.map(drop)
    }

    async fn remove_cursor(&self, name: &Key) -> Result<bool, StorageError> {
        let write = Write::RemoveCursor { log: self.log, name: name.clone() };
        Ok(self.workers.write(write).await?.number() > 0)
    }

    async fn cursors(&self) -> Result<Vec<Cursor>, StorageError> {
        let log = self.log;
        self.workers.read(move |connection| operations::cursors(connection, log)).await
    }
}
