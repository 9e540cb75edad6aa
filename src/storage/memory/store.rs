//! A store in memory.

use crate::storage::StorageLimits;
use crate::storage::error::StorageError;
use crate::storage::key::Key;
use crate::storage::store::{Entry, Expect, KeyPage, KeyRevision, Page, Store, StoreScan};
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};

/// What a value or record costs beside its bytes, so that small ones are counted, too.
// Empty values would be free otherwise, and a store of them would grow without bound.
pub(super) const OVERHEAD: usize = 64;

pub(super) fn room(used: usize, more: usize, capacity: usize) -> Result<usize, StorageError> {
    // Checked: sizes come from callers, and a sum that wraps would let anything in.
    match used.checked_add(more) {
        Some(total) if total <= capacity => Ok(total),
        _ => Err(StorageError::full(format!("at most {capacity} bytes may be kept"))),
    }
}

/// A [`Store`] in memory. A clone is another handle on the same store.
///
/// Its futures are ready at once. Values are shared, not copied, when they are read.
#[derive(Clone, Debug)]
pub struct MemoryStore {
    inner: Arc<RwLock<Entries>>,
    capacity: usize,
    limits: StorageLimits,
}

#[derive(Debug, Default)]
struct Entries {
    // Ordered by key, because scans are. A hash map would have to sort for each page.
    map: BTreeMap<Key, (u64, Arc<[u8]>)>,
    revision: u64,
    bytes: usize,
}

impl Entries {
    fn selected(&self, scan: &StoreScan) -> impl Iterator<Item = (&Key, &(u64, Arc<[u8]>))> {
        // Keys sort like their texts, so those with the prefix stand side by side.
        let start = match &scan.after {
            Some(after) if after.as_str() >= scan.prefix.as_str() => {
                Bound::Excluded(after.as_str())
            }
            _ => Bound::Included(scan.prefix.as_str()),
        };
        // Bounds are compared inside of the walk: a range whose end is before its start would panic.
        let in_range = |key: &Key| {
            key.as_str().starts_with(&scan.prefix)
                && scan.before.as_ref().is_none_or(|before| key < before)
        };
        self.map
            .range::<str, _>((start, Bound::Unbounded))
            .take_while(move |(key, _)| in_range(key))
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        MemoryStore::new()
    }
}

impl MemoryStore {
    /// An empty store for at most 1 GiB.
    pub fn new() -> Self {
        MemoryStore::with_capacity(1 << 30)
    }

    /// An empty store for at most a number of bytes of keys and values, and 64 more for each.
    pub fn with_capacity(bytes: usize) -> Self {
        MemoryStore { inner: Arc::default(), capacity: bytes, limits: StorageLimits::default() }
    }

    /// Sets how much one operation may carry.
    pub const fn with_limits(mut self, limits: StorageLimits) -> Self {
        self.limits = limits;
        self
    }

    pub(super) fn lock(&self) -> Writing<'_> {
        let entries = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        Writing { entries, capacity: self.capacity, limits: self.limits }
    }

    fn scan_now(&self, scan: &StoreScan) -> Page {
        let limit = scan.limit.min(self.limits.page_items);
        let entries = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        let mut page = Page::default();
        let mut bytes = 0;
        for (key, (revision, value)) in entries.selected(scan) {
            // Checked before an entry is taken, so a page has at least one, however large.
            if page.entries.len() == limit || bytes > self.limits.page_bytes {
                page.more = true;
                break;
            }
            bytes += value.len();
            page.entries.push(Entry::new(key.clone(), Arc::clone(value), *revision));
        }
        page
    }

    fn keys_now(&self, scan: &StoreScan) -> KeyPage {
        let limit = scan.limit.min(self.limits.page_items);
        let entries = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        let mut found = entries.selected(scan);
        let keys = found.by_ref().take(limit);
        let keys = keys.map(|(key, (revision, _))| KeyRevision::new(key.clone(), *revision));
        KeyPage::new(keys.collect(), found.next().is_some())
    }
}

/// The store while nothing else changes it: this is what makes compare-and-set atomic.
pub(super) struct Writing<'a> {
    entries: RwLockWriteGuard<'a, Entries>,
    capacity: usize,
    limits: StorageLimits,
}

impl Writing<'_> {
    /// Whether a change would be made, given how many bytes it and those before it free and take.
    pub(super) fn check(
        &self,
        key: &Key,
        value: Option<&[u8]>,
        expect: Expect,
        used: &mut usize,
    ) -> Result<(), StorageError> {
        let old = self.entries.map.get(key);
        self.limits.check_value(value.map_or(0, <[u8]>::len))?;
        expect.check(key, old.map(|(revision, _)| *revision))?;
        // The old value is given back before the new one is counted, so a full store still takes
        // replacements that are not larger.
        let freed = old.map_or(0, |(_, value)| cost(key, value));
        let more = value.map_or(0, |value| cost(key, value));
        *used = room(used.saturating_sub(freed), more, self.capacity)?;
        Ok(())
    }

    pub(super) fn used(&self) -> usize {
        self.entries.bytes
    }

    /// Makes a change that was checked, and gives its revision; none if there was nothing to remove.
    pub(super) fn apply(&mut self, key: &Key, value: Option<Arc<[u8]>>) -> Option<u64> {
        let entries = &mut *self.entries;
        if let Some((_, old)) = entries.map.remove(key) {
            entries.bytes -= cost(key, &old);
        } else if value.is_none() {
            return None;
        }
        // One counter for the whole store, so a revision is never given again, not even after a
        // delete.
        entries.revision += 1;
        let revision = entries.revision;
        if let Some(value) = value {
            entries.bytes += cost(key, &value);
            entries.map.insert(key.clone(), (revision, value));
        }
        Some(revision)
    }

    pub(super) fn revision(&self) -> u64 {
        self.entries.revision
    }
}

fn cost(key: &Key, value: &[u8]) -> usize {
    key.as_str().len() + value.len() + OVERHEAD
}

impl Store for MemoryStore {
    fn limits(&self) -> StorageLimits {
        self.limits
    }

    async fn get(&self, key: &Key) -> Result<Option<Entry>, StorageError> {
        let entries = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        let found = entries.map.get(key);
        Ok(found.map(|(revision, value)| Entry::new(key.clone(), Arc::clone(value), *revision)))
    }

    async fn put(&self, key: &Key, value: &[u8], expect: Expect) -> Result<u64, StorageError> {
        let mut store = self.lock();
        let mut used = store.used();
        store.check(key, Some(value), expect, &mut used)?;
        store.apply(key, Some(value.into()));
        Ok(store.revision())
    }

    async fn delete(&self, key: &Key, expect: Expect) -> Result<bool, StorageError> {
        let mut store = self.lock();
        let mut used = store.used();
        store.check(key, None, expect, &mut used)?;
        Ok(store.apply(key, None).is_some())
    }

    async fn scan(&self, scan: &StoreScan) -> Result<Page, StorageError> {
        Ok(self.scan_now(scan))
    }

    async fn keys(&self, scan: &StoreScan) -> Result<KeyPage, StorageError> {
        Ok(self.keys_now(scan))
    }
}
