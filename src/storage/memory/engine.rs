//! Store and journals in memory, changed together.

use super::{MemoryJournal, MemoryStore};
use crate::storage::{
    Commit, Committed, Engine, Entry, Expect, Journal as _, Key, KeyPage, Log, Page, StorageError,
    StorageLimits, Store, StoreScan,
};
use std::sync::Arc;

/// An [`Engine`] in memory. A clone is another handle on it.
#[derive(Clone, Debug)]
pub struct MemoryEngine {
    store: MemoryStore,
    history: MemoryJournal,
    decisions: MemoryJournal,
}

impl Default for MemoryEngine {
    fn default() -> Self {
        MemoryEngine::of(MemoryStore::new(), MemoryJournal::new(), MemoryJournal::new())
    }
}

impl MemoryEngine {
    /// An empty engine, for at most 1 GiB of values and as much of records in each log.
    pub fn new() -> Self {
        MemoryEngine::default()
    }

    /// A store, and empty journals for history and decisions, that are changed together from now on.
    pub const fn of(store: MemoryStore, history: MemoryJournal, decisions: MemoryJournal) -> Self {
        let history = history.with_lanes(Log::History.lanes());
        MemoryEngine { store, history, decisions: decisions.with_lanes(Log::Decisions.lanes()) }
    }

    const fn of_log(&self, log: Log) -> &MemoryJournal {
        match log {
            Log::History => &self.history,
            Log::Decisions => &self.decisions,
        }
    }
}

impl Engine for MemoryEngine {
    type Journal = MemoryJournal;

    fn log(&self, log: Log) -> MemoryJournal {
        self.of_log(log).clone()
    }

    async fn commit(&self, commit: &Commit) -> Result<Committed, StorageError> {
        for log in Log::ALL {
            commit.check(&self.store.limits(), &self.of_log(log).limits())?;
        }
        // All locks, always in this order, are held until all is done: no reader sees a part of it.
        let journals = Log::ALL.map(|log| (self.of_log(log).writing(), commit.batch(log)));
        let mut store = self.store.lock();
        // Values before lanes, as a file does it: who lost both learns the same everywhere.
        let mut used = store.used();
        for put in &commit.puts {
            store.check(&put.key, put.value.as_deref(), put.expect, &mut used)?;
        }
        let mut repeated = [None, None];
        for ((journal, batch), repeated) in journals.iter().zip(&mut repeated) {
            *repeated = journal.check(&batch.records, &batch.expected)?;
        }
        let mut revisions = Vec::with_capacity(commit.puts.len());
        for put in &commit.puts {
            store.apply(&put.key, put.value.as_ref().map(Arc::clone));
            revisions.push(store.revision());
        }
        // Who waits is woken when all locks are let go.
        let mut woken = Vec::new();
        let [appended, decided] = {
            let mut repeated = repeated.into_iter();
            journals.map(|(journal, batch)| {
                repeated.next().flatten().unwrap_or_else(|| {
                    let (appended, waiting) = journal.apply(&batch.records);
                    woken.push(waiting);
                    appended
                })
            })
        };
        drop(store);
        drop(woken);
        Ok(Committed::new(appended, decided, revisions))
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
