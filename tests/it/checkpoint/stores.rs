//! Stores that fail, die, or let somebody else in at a chosen operation.

use coordination_protocol::storage::{
    Entry, Expect, Key, KeyPage, Page, StorageError, StorageLimits, Store, StoreScan,
};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// One operation is not done, and says so.
    Refused,
    /// One operation is done, but no one hears of it.
    Silent,
    /// From this operation on nothing is done: the process is dead.
    Dead,
    /// The same, but the last operation still got through.
    DeadAfter,
}

type Hook = Arc<Mutex<Option<Box<dyn FnOnce() + Send>>>>;

/// A store around another one.
#[derive(Clone)]
pub(super) struct Faulty<S> {
    inner: S,
    fault: Option<(Fault, usize)>,
    hook: Option<(Hook, usize)>,
    count: Arc<AtomicUsize>,
}

impl<S: Store> Faulty<S> {
    /// A fault at the operation of this number, from 0.
    pub(super) fn new(inner: S, fault: Fault, at: usize) -> Self {
        Faulty { inner, fault: Some((fault, at)), hook: None, count: Arc::default() }
    }

    /// Calls somebody before the operation of this number.
    pub(super) fn hooked(inner: S, at: usize, hook: impl FnOnce() + Send + 'static) -> Self {
        let hook: Hook = Arc::new(Mutex::new(Some(Box::new(hook))));
        Faulty { inner, fault: None, hook: Some((hook, at)), count: Arc::default() }
    }

    /// Whether the operation was reached.
    pub(super) fn reached(&self) -> bool {
        let at = self.fault.map(|(_, at)| at).or(self.hook.as_ref().map(|(_, at)| *at));
        self.count.load(Ordering::Relaxed) > at.unwrap()
    }

    /// Whether to do the operation, and whether to tell.
    fn next(&self) -> (bool, bool) {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        if let Some((hook, at)) = &self.hook
            && number == *at
            && let Some(hook) = hook.lock().unwrap().take()
        {
            hook();
        }
        match self.fault {
            Some((Fault::Refused, at)) if number == at => (false, false),
            Some((Fault::Silent, at)) if number == at => (true, false),
            Some((Fault::Dead, at)) if number >= at => (false, false),
            Some((Fault::DeadAfter, at)) if number >= at => (number == at, false),
            _ => (true, true),
        }
    }

    fn gone<T>() -> Result<T, StorageError> {
        Err(StorageError::unavailable("planted"))
    }
}

macro_rules! faulty {
    ($self:ident, $operation:expr) => {{
        let (done, told) = $self.next();
        if !done {
            return Self::gone();
        }
        let result = $operation.await;
        if told { result } else { Self::gone() }
    }};
}

impl<S: Store> Store for Faulty<S> {
    fn limits(&self) -> StorageLimits {
        self.inner.limits()
    }

    async fn get(&self, key: &Key) -> Result<Option<Entry>, StorageError> {
        faulty!(self, self.inner.get(key))
    }

    async fn put(&self, key: &Key, value: &[u8], expect: Expect) -> Result<u64, StorageError> {
        faulty!(self, self.inner.put(key, value, expect))
    }

    async fn delete(&self, key: &Key, expect: Expect) -> Result<bool, StorageError> {
        faulty!(self, self.inner.delete(key, expect))
    }

    async fn scan(&self, scan: &StoreScan) -> Result<Page, StorageError> {
        faulty!(self, self.inner.scan(scan))
    }

    async fn keys(&self, scan: &StoreScan) -> Result<KeyPage, StorageError> {
        faulty!(self, self.inner.keys(scan))
    }
}
