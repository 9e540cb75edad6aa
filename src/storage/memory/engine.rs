//! Store and journal in memory, changed together.

use super::{MemoryJournal, MemoryStore};
use crate::storage::{
    Appended, Bounds, Commit, Committed, Cursor, Engine, Entry, Expect, Journal, JournalRecord,
    Key, KeyPage, LaneEnd, NewRecord, Page, StorageError, StorageLimits, Store, StoreScan,
};
use std::sync::Arc;

/// An [`Engine`] in memory. A clone is another handle on it.
#[derive(Clone, Debug, Default)]
pub struct MemoryEngine {
    store: MemoryStore,
    journal: MemoryJournal,
}

impl MemoryEngine {
    /// An empty engine, for at most 1 GiB of values and as much of records.
    pub fn new() -> Self {
        MemoryEngine::default()
    }

    /// A store and a journal that are changed together from now on.
    pub const fn of(store: MemoryStore, journal: MemoryJournal) -> Self {
        MemoryEngine { store, journal }
    }
}

impl Engine for MemoryEngine {
    async fn commit(&self, commit: &Commit) -> Result<Committed, StorageError> {
        commit.check(&self.store.limits(), &self.journal.limits())?;
        // Both locks, always in this order, are held until all is done: nobody sees a part of it.
        let journal = self.journal.writing();
        let mut store = self.store.lock();
        // Values before lanes, as a file does it: who lost both learns the same everywhere.
        let mut used = store.used();
        for put in &commit.puts {
            store.check(&put.key, put.value.as_deref(), put.expect, &mut used)?;
        }
        let repeated = journal.check(&commit.records, &commit.expected)?;
        let mut revisions = Vec::with_capacity(commit.puts.len());
        for put in &commit.puts {
            store.apply(&put.key, put.value.as_ref().map(Arc::clone));
            revisions.push(store.revision());
        }
        drop(store);
        let appended = match repeated {
            Some(repeated) => repeated,
            None => journal.apply(&commit.records).0,
        };
        Ok(Committed::new(appended, revisions))
    }
}

impl Store for MemoryEngine {
    fn limits(&self) -> StorageLimits {
        self.store.limits()
    }

    async fn get(&self, key: &Key) -> Result<Option<Entry>, StorageError> {
        self.store.get(key).await
    }

    async fn put(&self, key: &Key, value: &[u8], expect: Expect) -> Result<u64, StorageError> {
        self.store.put(key, value, expect).await
    }

    async fn delete(&self, key: &Key, expect: Expect) -> Result<bool, StorageError> {
        self.store.delete(key, expect).await
    }

    async fn scan(&self, scan: &StoreScan) -> Result<Page, StorageError> {
        self.store.scan(scan).await
    }

    async fn keys(&self, scan: &StoreScan) -> Result<KeyPage, StorageError> {
        self.store.keys(scan).await
    }
}

impl Journal for MemoryEngine {
    fn limits(&self) -> StorageLimits {
        self.journal.limits()
    }

    async fn append_records(
        &self,
        records: &[NewRecord],
        expected: &[LaneEnd],
    ) -> Result<Appended, StorageError> {
        self.journal.append_records(records, expected).await
    }

    async fn lane_end(&self, lane: &Key) -> Result<Option<u64>, StorageError> {
        self.journal.lane_end(lane).await
    }

    async fn forget_lanes(&self) -> Result<u64, StorageError> {
        self.journal.forget_lanes().await
    }

    async fn read(&self, from: u64, limit: usize) -> Result<Vec<JournalRecord>, StorageError> {
        self.journal.read(from, limit).await
    }

    async fn bounds(&self) -> Result<Bounds, StorageError> {
        self.journal.bounds().await
    }

    async fn wait(&self, from: u64) -> Result<u64, StorageError> {
        self.journal.wait(from).await
    }

    async fn trim(&self, before: u64) -> Result<u64, StorageError> {
        self.journal.trim(before).await
    }

    async fn cursor(&self, name: &Key) -> Result<Option<u64>, StorageError> {
        self.journal.cursor(name).await
    }

    async fn move_cursor(
        &self,
        name: &Key,
        expected: Option<u64>,
        to: u64,
    ) -> Result<(), StorageError> {
        self.journal.move_cursor(name, expected, to).await
    }

    async fn remove_cursor(&self, name: &Key) -> Result<bool, StorageError> {
        self.journal.remove_cursor(name).await
    }

    async fn cursors(&self) -> Result<Vec<Cursor>, StorageError> {
        self.journal.cursors().await
    }
}
