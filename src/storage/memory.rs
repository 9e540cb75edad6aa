//! Store and journal in memory.

use super::StorageLimits;
use super::error::StorageError;
use super::journal::{Bounds, Cursor, Journal, JournalRecord};
use super::key::Key;
use super::store::{Entry, Expect, KeyPage, KeyRevision, Page, Store, StoreScan};
use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::ops::{Bound, Range};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::task::{Poll, Waker};

/// What a value or record costs beside its bytes, so that small ones are counted, too.
// Empty values would be free otherwise, and a store of them would grow without bound.
const OVERHEAD: usize = 64;

fn room(used: usize, more: usize, capacity: usize) -> Result<usize, StorageError> {
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

    fn put_now(&self, key: &Key, value: &[u8], expect: Expect) -> Result<u64, StorageError> {
        self.limits.check_value(value.len())?;
        let mut entries = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        let old = entries.map.get(key);
        // Look and write under one lock: this is what makes compare-and-set atomic.
        expect.check(key, old.map(|(revision, _)| *revision))?;
        // The old value is given back before the new one is counted, so a full store still takes
        // replacements that are not larger.
        let freed = old.map_or(0, |(_, value)| cost(key, value));
        let bytes = room(entries.bytes - freed, cost(key, value), self.capacity)?;
        entries.bytes = bytes;
        entries.revision += 1;
        // One counter for the whole store, so a revision is never given again, not even after a
        // delete.
        let revision = entries.revision;
        entries.map.insert(key.clone(), (revision, Arc::from(value)));
        Ok(revision)
    }

    fn delete_now(&self, key: &Key, expect: Expect) -> Result<bool, StorageError> {
        let mut entries = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        expect.check(key, entries.map.get(key).map(|(revision, _)| *revision))?;
        let Some((_, value)) = entries.map.remove(key) else {
            return Ok(false);
        };
        entries.bytes -= cost(key, &value);
        entries.revision += 1;
        Ok(true)
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
        self.put_now(key, value, expect)
    }

    async fn delete(&self, key: &Key, expect: Expect) -> Result<bool, StorageError> {
        self.delete_now(key, expect)
    }

    async fn scan(&self, scan: &StoreScan) -> Result<Page, StorageError> {
        Ok(self.scan_now(scan))
    }

    async fn keys(&self, scan: &StoreScan) -> Result<KeyPage, StorageError> {
        Ok(self.keys_now(scan))
    }
}

/// A [`Journal`] in memory. A clone is another handle on the same journal.
///
/// All futures but [`wait`](Journal::wait) are ready at once.
#[derive(Clone, Debug)]
pub struct MemoryJournal {
    inner: Arc<Mutex<Records>>,
    capacity: usize,
    limits: StorageLimits,
}

#[derive(Debug)]
struct Records {
    // Positions are consecutive, so a record is found by subtraction, and trimming takes from the
    // front.
    data: VecDeque<Arc<[u8]>>,
    first: u64,
    bytes: usize,
    cursors: BTreeMap<Key, u64>,
    waiting: BTreeMap<u64, Waker>,
    tickets: u64,
}

impl Records {
    fn bounds(&self) -> Bounds {
        Bounds::new(self.first, self.first + self.data.len() as u64)
    }
}

impl Default for MemoryJournal {
    fn default() -> Self {
        MemoryJournal::new()
    }
}

impl MemoryJournal {
    /// An empty journal for at most 1 GiB.
    pub fn new() -> Self {
        MemoryJournal::with_capacity(1 << 30)
    }

    /// An empty journal for at most a number of bytes of records, and 64 more for each.
    pub fn with_capacity(bytes: usize) -> Self {
        MemoryJournal {
            inner: Arc::new(Mutex::new(Records {
                data: VecDeque::new(),
                first: 1,
                bytes: 0,
                cursors: BTreeMap::new(),
                waiting: BTreeMap::new(),
                tickets: 0,
            })),
            capacity: bytes,
            limits: StorageLimits::default(),
        }
    }

    /// Sets how much one operation may carry.
    pub const fn with_limits(mut self, limits: StorageLimits) -> Self {
        self.limits = limits;
        self
    }

    fn lock(&self) -> MutexGuard<'_, Records> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn append_now<B: AsRef<[u8]>>(&self, batch: &[B]) -> Result<Range<u64>, StorageError> {
        let sizes = || batch.iter().map(|data| data.as_ref().len());
        self.limits.check_batch(sizes())?;
        // Copied before the lock is taken: other appenders do not wait for a large batch.
        let new: Vec<Arc<[u8]>> = batch.iter().map(|data| Arc::from(data.as_ref())).collect();
        let mut state = self.lock();
        let start = state.bounds().next;
        state.bytes = room(state.bytes, sizes().map(|size| size + OVERHEAD).sum(), self.capacity)?;
        state.data.extend(new);
        let range = start..state.bounds().next;
        let wakers =
            // All waiters are woken and look again. Waking only those whose position was reached
            // would need an order by position for a list that is short.
            if range.is_empty() { BTreeMap::new() } else { std::mem::take(&mut state.waiting) };
        drop(state);
        wakers.into_values().for_each(Waker::wake);
        Ok(range)
    }

    fn read_now(&self, from: u64, limit: usize) -> Result<Vec<JournalRecord>, StorageError> {
        let state = self.lock();
        let bounds = state.bounds();
        let start = bounds.start(from)?;
        let mut bytes = 0;
        let mut found = Vec::new();
        for position in start..bounds.next {
            if found.len() == limit.min(self.limits.page_items) || bytes > self.limits.page_bytes {
                break;
            }
            let data = &state.data[(position - bounds.first) as usize];
            bytes += data.len();
            found.push(JournalRecord::new(position, Arc::clone(data)));
        }
        Ok(found)
    }

    fn trim_now(&self, before: u64) -> Result<u64, StorageError> {
        let mut state = self.lock();
        let bounds = state.bounds();
        // Trimming twice is no error: two processes may do the same housekeeping.
        if before <= bounds.first {
            return Ok(0);
        }
        bounds.check(before)?;
        let count = before - bounds.first;
        let freed: usize =
            state.data.drain(..count as usize).map(|data| data.len() + OVERHEAD).sum();
        state.bytes -= freed;
        state.first = before;
        Ok(count)
    }

    fn move_now(&self, name: &Key, expected: Option<u64>, to: u64) -> Result<(), StorageError> {
        let mut state = self.lock();
        let found = state.cursors.get(name).copied();
        // Of two readers with one name, the slower one must not move the cursor back over what was
        // acknowledged.
        if found != expected {
            return Err(StorageError::CursorMoved { name: name.clone(), expected, found });
        }
        state.bounds().check(to)?;
        state.cursors.insert(name.clone(), to);
        Ok(())
    }
}

/// Forgets the waker of a wait that is over or dropped.
struct Ticket<'a> {
    journal: &'a MemoryJournal,
    number: u64,
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        self.journal.lock().waiting.remove(&self.number);
    }
}

impl Journal for MemoryJournal {
    fn limits(&self) -> StorageLimits {
        self.limits
    }

    async fn append<B: AsRef<[u8]> + Sync>(&self, batch: &[B]) -> Result<Range<u64>, StorageError> {
        self.append_now(batch)
    }

    async fn read(&self, from: u64, limit: usize) -> Result<Vec<JournalRecord>, StorageError> {
        self.read_now(from, limit)
    }

    async fn bounds(&self) -> Result<Bounds, StorageError> {
        Ok(self.lock().bounds())
    }

    async fn wait(&self, from: u64) -> Result<u64, StorageError> {
        let number = {
            let mut state = self.lock();
            // A number of its own for each wait, so that dropping one cannot remove another's
            // waker.
            state.tickets += 1;
            state.tickets
        };
        let ticket = Ticket { journal: self, number };
        poll_fn(|context| {
            let mut state = ticket.journal.lock();
            let next = state.bounds().next;
            // Looked at and entered under one lock, so no append falls in between.
            if next > from.max(1) {
                return Poll::Ready(Ok(next));
            }
            state.waiting.insert(ticket.number, context.waker().clone());
            Poll::Pending
        })
        .await
    }

    async fn trim(&self, before: u64) -> Result<u64, StorageError> {
        self.trim_now(before)
    }

    async fn cursor(&self, name: &Key) -> Result<Option<u64>, StorageError> {
        Ok(self.lock().cursors.get(name).copied())
    }

    async fn move_cursor(
        &self,
        name: &Key,
        expected: Option<u64>,
        to: u64,
    ) -> Result<(), StorageError> {
        self.move_now(name, expected, to)
    }

    async fn remove_cursor(&self, name: &Key) -> Result<bool, StorageError> {
        Ok(self.lock().cursors.remove(name).is_some())
    }

    async fn cursors(&self) -> Result<Vec<Cursor>, StorageError> {
        let state = self.lock();
        let all = state.cursors.iter();
        Ok(all.map(|(name, position)| Cursor::new(name.clone(), *position)).collect())
    }
}
