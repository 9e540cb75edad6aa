//! A store of one's own, over a map behind a lock, and the proof that it keeps what the trait promises.
//!
//! Run it with `cargo run --example store --features conformance`.

use coordination_protocol::conformance;
use coordination_protocol::storage::{
    Entry, Expect, Key, KeyPage, KeyRevision, Page, StorageError, Store, StoreScan, block_on,
};
use std::collections::BTreeMap;
use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Values with their revisions, and the last revision that was given.
#[derive(Default)]
struct Held {
    values: BTreeMap<Key, (u64, Arc<[u8]>)>,
    last: u64,
}

impl Held {
    /// Deletes take a revision, too, so that none is given twice.
    fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    fn expected(&self, key: &Key, expect: Expect) -> Result<(), StorageError> {
        expect.check(key, self.values.get(key).map(|(revision, _)| *revision))
    }

    /// The entries that a scan is about, in order. A map is ordered by its keys, and keys by their bytes.
    fn matching<'s>(
        &'s self,
        scan: &'s StoreScan,
    ) -> impl Iterator<Item = (&'s Key, &'s (u64, Arc<[u8]>))> {
        self.values.iter().filter(|(key, _)| {
            key.as_str().starts_with(&scan.prefix)
                && scan.after.as_ref().is_none_or(|after| *key > after)
                && scan.before.as_ref().is_none_or(|before| *key < before)
        })
    }
}

/// The store. Every operation is one turn under the lock, which makes compare and set one step.
#[derive(Default)]
struct OwnStore(Mutex<Held>);

impl OwnStore {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for OwnStore {
    async fn get(&self, key: &Key) -> Result<Option<Entry>, StorageError> {
        let held = self.held();
        let found = held.values.get(key);
        Ok(found.map(|(revision, value)| Entry::new(key.clone(), Arc::clone(value), *revision)))
    }

    async fn put(&self, key: &Key, value: &[u8], expect: Expect) -> Result<u64, StorageError> {
        self.limits().check_value(value.len())?;
        let mut held = self.held();
        held.expected(key, expect)?;
        let revision = held.next();
        held.values.insert(key.clone(), (revision, value.into()));
        Ok(revision)
    }

    async fn delete(&self, key: &Key, expect: Expect) -> Result<bool, StorageError> {
        let mut held = self.held();
        held.expected(key, expect)?;
        let was_there = held.values.remove(key).is_some();
        if was_there {
            held.next();
        }
        Ok(was_there)
    }

    async fn scan(&self, scan: &StoreScan) -> Result<Page, StorageError> {
        let limits = self.limits();
        let held = self.held();
        let (mut page, mut bytes) = (Page::default(), 0);
        for (key, (revision, value)) in held.matching(scan) {
            let full = page.entries.len() >= scan.limit.min(limits.page_items);
            if full || bytes > limits.page_bytes {
                page.more = true;
                break;
            }
            bytes += value.len();
            page.entries.push(Entry::new(key.clone(), Arc::clone(value), *revision));
        }
        Ok(page)
    }

    async fn keys(&self, scan: &StoreScan) -> Result<KeyPage, StorageError> {
        let most = scan.limit.min(self.limits().page_items);
        let held = self.held();
        let mut found = held.matching(scan);
        let some = found.by_ref().take(most);
        let keys = some.map(|(key, (revision, _))| KeyRevision::new(key.clone(), *revision));
        let keys = keys.collect();
        Ok(KeyPage::new(keys, found.next().is_some()))
    }
}

/// Runs the cases of the kit, and returns how many passed.
pub(crate) fn run() -> Result<usize, Box<dyn Error>> {
    let summary = block_on(conformance::run(&conformance::store::cases(), OwnStore::default));
    let passed = summary.passed.len();
    summary.into_result()?;
    Ok(passed)
}

#[allow(dead_code, reason = "tests call `run`")]
pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    println!("{} promises kept", run()?);
    Ok(())
}
