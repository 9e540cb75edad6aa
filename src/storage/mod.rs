//! Storage: a versioned key/value store and an append-only journal, as traits and in memory.
//!
//! Components that share state need two things of a store. Either both offer is what a `SQLite`
//! transaction and a NATS `JetStream` bucket or stream can do, so an implementation is thin.
//!
//! | trait | holds | guarantees |
//! |---|---|---|
//! | [`Store`] | bytes under a [`Key`] | each write gets a revision that is never given again; a write with an [`Expect`] happens only if the key is as expected |
//! | [`Journal`] | records at positions 1, 2, 3, ... | a batch is appended as a whole or not at all, and only if its lanes end where the writer expects; positions have no gap; named cursors remember how far a reader got |
//! | [`Engine`] | a store and a journal for each [log](Log) | a [`Commit`] of records and values is made as a whole or not at all |
//!
//! An operation that returned `Ok` is acknowledged: it survives what the implementation says it
//! survives. An operation that returned an error changed nothing, but for
//! [`Unavailable`](StorageError::Unavailable), where it is not known. The same goes for a future
//! that is dropped before it is done.
//!
//! Futures are native (`impl Future + Send`), so the traits need no runtime. [`block_on`] drives
//! one where there is none. [`MemoryStore`] and [`MemoryJournal`] are bounded and safe to share
//! between threads; their contents end with the process.
//!
//! ```
//! use coordination_protocol::storage::{Expect, Key, MemoryStore, Store, StorageError, block_on};
//!
//! block_on(async {
//!     let store = MemoryStore::new();
//!     let key = Key::of(["state", "wf_001"])?;
//!     let first = store.put(&key, b"{\"state_version\":1}", Expect::Absent).await?;
//!
//!     // Two writers read the same revision; only one of them can replace it.
//!     store.put(&key, b"{\"state_version\":2}", Expect::Revision(first)).await?;
//!     let late = store.put(&key, b"{\"state_version\":2}", Expect::Revision(first)).await;
//!     assert_eq!(late.unwrap_err().to_string(), "`state/wf_001` has revision 2, expected revision 1");
//!     Ok::<(), StorageError>(())
//! })?;
//! # Ok::<(), StorageError>(())
//! ```
//!
//! What the protocol keeps in either, and under which keys, is a matter of [views](view): states,
//! dead letters, registrations, grants and events.
//!
//! An implementation shows that it keeps these promises with the module `conformance` (feature
//! `conformance`).

mod block;
mod damage;
mod dynamic;
mod engine;
mod error;
mod journal;
mod key;
mod log;
mod memory;
mod published;
mod record;
mod store;
pub mod view;

pub use block::block_on;
pub use damage::{
    DamagedRecord, DamagedValue, SoundPage, SoundRecords, read_past_damage, scan_past_damage,
};
pub use dynamic::{DynEngine, DynJournal, DynStore};
pub use engine::{Batch, Commit, Committed, Engine, Put};
pub use error::{ImportFault, KeyFault, StorageError};
pub use journal::{Bounds, Cursor, Journal};
pub use key::Key;
#[cfg(feature = "sqlite")]
pub(crate) use log::lanes_open;
pub use log::{LaneForm, Log, Partition};
pub use memory::{MemoryEngine, MemoryJournal, MemoryStore};
pub use published::{published, published_envelope, workflow_lane};
pub use record::{Appended, JournalRecord, LaneEnd, NewRecord};
pub use store::{Entry, Expect, KeyPage, KeyRevision, Page, Store, StoreScan};

/// How much one operation may carry. An implementation states its own.
///
/// ```
/// use coordination_protocol::storage::StorageLimits;
///
/// let limits = StorageLimits::default().with_value_bytes(1 << 20);
/// assert!(limits.check_value(1 << 20).is_ok());
/// assert_eq!(
///     limits.check_value((1 << 20) + 1).unwrap_err().to_string(),
///     "a value has 1048577 bytes, at most 1048576 are allowed",
/// );
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StorageLimits {
    /// The maximum number of bytes of a value or of a record. 16 MiB unless set.
    pub value_bytes: usize,
    /// The maximum number of records of a batch that is appended. 10,000 unless set.
    pub batch_records: usize,
    /// The maximum number of bytes of such a batch. 64 MiB unless set.
    pub batch_bytes: usize,
    /// The maximum number of entries or records that one scan or read returns. 10,000 unless set.
    pub page_items: usize,
    /// A scan or read ends behind the item that takes it past this many bytes. 16 MiB unless set.
    pub page_bytes: usize,
}

impl Default for StorageLimits {
    fn default() -> Self {
        StorageLimits {
            // What a view reads as well, so nothing can be stored that cannot be read back.
            value_bytes: 16 << 20,
            batch_records: 10_000,
            batch_bytes: 64 << 20,
            page_items: 10_000,
            page_bytes: 16 << 20,
        }
    }
}

impl StorageLimits {
    /// Sets the maximum number of bytes of a value or of a record.
    pub const fn with_value_bytes(mut self, bytes: usize) -> Self {
        self.value_bytes = bytes;
        self
    }

    /// Sets the maximum number of records and bytes of a batch.
    pub const fn with_batch(mut self, records: usize, bytes: usize) -> Self {
        self.batch_records = records;
        self.batch_bytes = bytes;
        self
    }

    /// Sets the maximum number of items of a page, and the bytes that end one.
    pub const fn with_page(mut self, items: usize, bytes: usize) -> Self {
        self.page_items = items;
        self.page_bytes = bytes;
        self
    }

    /// Refuses a value that is too large.
    pub const fn check_value(&self, bytes: usize) -> Result<(), StorageError> {
        within("a value", "bytes", bytes, self.value_bytes)
    }

    /// Refuses a batch that has too many or too large records.
    pub fn check_batch(&self, sizes: impl Iterator<Item = usize>) -> Result<(), StorageError> {
        self.check_sizes("a batch", "a record", "records", sizes)
    }

    /// Refuses a commit that changes too many or too large values: as many as a batch may have records.
    pub(crate) fn check_puts(
        &self,
        sizes: impl Iterator<Item = usize>,
    ) -> Result<(), StorageError> {
        self.check_sizes("a commit", "a value", "changes of values", sizes)
    }

    fn check_sizes(
        &self,
        whole: &'static str,
        part: &'static str,
        parts: &'static str,
        sizes: impl Iterator<Item = usize>,
    ) -> Result<(), StorageError> {
        let (mut count, mut bytes) = (0, 0_usize);
        for size in sizes {
            within(part, "bytes", size, self.value_bytes)?;
            count += 1;
            // Saturated, because sizes come from the caller; the bound below refuses it then.
            bytes = bytes.saturating_add(size);
        }
        within(whole, parts, count, self.batch_records)?;
        within(whole, "bytes", bytes, self.batch_bytes)
    }
}

const fn within(
    what: &'static str,
    unit: &'static str,
    size: usize,
    limit: usize,
) -> Result<(), StorageError> {
    if size > limit {
        return Err(StorageError::TooLarge { what, unit, size, limit });
    }
    Ok(())
}
