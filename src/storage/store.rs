//! The key/value store.

use super::StorageLimits;
use super::error::StorageError;
use super::key::Key;
use std::fmt;
use std::sync::Arc;

/// Bytes under keys, with revisions.
///
/// [The module](super) has an example. What every implementation promises:
///
/// - **Values are bytes.** Any bytes are read as they were written, none and many, at the revision of the
///   write that left them. A key that is not there is absent, and not empty.
/// - **Keys stay apart**, whatever they are made of, up to the longest.
/// - **Limits.** A value at the limit is taken. A larger one is refused. A page has no more than the
///   [limits](Self::limits) say, and tells whether more follow.
/// - **Revisions grow.** Each write and each delete takes a revision higher than all before it in
///   the store. None is given twice, not even after a delete, so an old revision never matches
///   again. Between two revisions of one key there may be others.
/// - **Expectations hold.** A write or a delete happens only if the key is as [expected](Expect);
///   otherwise the error says what it is.
/// - **Compare and set is atomic.** Of several writers that expect the same revision, or that there is
///   none, at most one succeeds, and one that deletes is a writer, too.
/// - **Whole or not at all.** What is refused changes nothing. What is dropped before it is done is done
///   as a whole or not, and stops nothing that comes after it.
/// - **Reads see acknowledged writes**, whoever made them.
/// - **Scans are ordered** by the bytes of the key, and have exactly the keys that they ask for.
/// - **A page is one moment**; two pages may be two.
/// - **Keys can be listed alone**: [`keys`](Self::keys) reads no value, so its cost does not depend on
///   their sizes, and a damaged value does not stop it.
/// - **Damage stays local.** A value that is not what was written is
///   [`Damaged`](StorageError::Damaged) when it is read, and a scan over it fails; other keys can be
///   read, and the damaged one can be deleted or replaced.
///
/// The kit of `conformance` has cases for each (feature `conformance`).
#[doc(alias = "key-value store")]
#[doc(alias = "KV")]
#[doc(alias = "bucket")]
pub trait Store: Send + Sync {
    /// How much one operation may carry.
    fn limits(&self) -> StorageLimits {
        StorageLimits::default()
    }

    /// The value of a key, if it is there.
    fn get(&self, key: &Key) -> impl Future<Output = Result<Option<Entry>, StorageError>> + Send;

    /// Writes a value and returns its revision.
    ///
    /// # Errors
    /// [`Conflict`](StorageError::Conflict) if the key is not as expected;
    /// [`TooLarge`](StorageError::TooLarge).
    fn put(
        &self,
        key: &Key,
        value: &[u8],
        expect: Expect,
    ) -> impl Future<Output = Result<u64, StorageError>> + Send;

    /// Removes a key and tells whether it was there.
    ///
    /// # Errors
    /// [`Conflict`](StorageError::Conflict) if the key is not as expected.
    fn delete(
        &self,
        key: &Key,
        expect: Expect,
    ) -> impl Future<Output = Result<bool, StorageError>> + Send;

    /// The entries whose keys start with a text, a page at a time.
    ///
    /// # Errors
    /// [`Damaged`](StorageError::Damaged) if one of them is not what was written. To go on past it,
    /// list the [`keys`](Self::keys) and get each.
    fn scan(&self, scan: &StoreScan) -> impl Future<Output = Result<Page, StorageError>> + Send;

    /// The same without the values, which are not read: for counts, lists and removals. Only the
    /// number of keys ends a page, not their size.
    fn keys(&self, scan: &StoreScan) -> impl Future<Output = Result<KeyPage, StorageError>> + Send;
}

/// A value with its key and revision.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// The key.
    pub key: Key,
    /// The bytes, shared.
    pub value: Arc<[u8]>,
    /// The revision of the write that left this value.
    pub revision: u64,
}

impl Entry {
    /// A value under a key, at a revision.
    pub fn new(key: Key, value: impl Into<Arc<[u8]>>, revision: u64) -> Self {
        Entry { key, value: value.into(), revision }
    }
}

/// What a writer expects of a key.
///
/// ```
/// use coordination_protocol::storage::Expect;
///
/// assert!(Expect::Absent.holds(None));
/// assert!(!Expect::Revision(3).holds(Some(4)));
/// assert_eq!(Expect::Revision(3).to_string(), "revision 3");
/// ```
#[doc(alias = "compare-and-set")]
#[doc(alias = "CAS")]
#[doc(alias = "optimistic concurrency")]
#[doc(alias = "precondition")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Expect {
    /// Anything: the last writer wins.
    Any,
    /// That the key is not there.
    Absent,
    /// That the key has this revision.
    Revision(u64),
}

impl Expect {
    /// Whether a key with this revision, or none if it is not there, is as expected.
    pub fn holds(self, found: Option<u64>) -> bool {
        match self {
            // For values that are their own truth, such as a registration: the last writer wins.
            Expect::Any => true,
            Expect::Absent => found.is_none(),
            Expect::Revision(revision) => found == Some(revision),
        }
    }

    /// The same as a result, with the error that a store returns.
    pub fn check(self, key: &Key, found: Option<u64>) -> Result<(), StorageError> {
        if self.holds(found) {
            return Ok(());
        }
        Err(StorageError::Conflict { key: key.clone(), expected: self, found })
    }
}

impl fmt::Display for Expect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expect::Any => f.write_str("anything"),
            Expect::Absent => f.write_str("no value"),
            Expect::Revision(revision) => write!(f, "revision {revision}"),
        }
    }
}

/// Which entries to list.
///
/// ```
/// use coordination_protocol::storage::{Key, MemoryStore, StoreScan, Store, Expect, StorageError, block_on};
///
/// block_on(async {
///     let store = MemoryStore::new();
///     for id in ["a", "b", "c"] {
///         store.put(&Key::of(["state", id])?, b"", Expect::Absent).await?;
///     }
///     let mut scan = StoreScan::new("state/").with_limit(2);
///     let page = store.scan(&scan).await?;
///     assert_eq!((page.entries.len(), page.more), (2, true));
///     scan = scan.after(page.entries[1].key.clone());
///     let page = store.scan(&scan).await?;
///     assert_eq!((page.entries[0].key.as_str(), page.more), ("state/c", false));
///     Ok::<(), StorageError>(())
/// })?;
/// # Ok::<(), StorageError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreScan {
    /// What the keys start with, as they print. Empty selects all. End it with `/` to select what
    /// lies below a key.
    pub prefix: String,
    /// Only keys behind this one.
    pub after: Option<Key>,
    /// Only keys before this one.
    pub before: Option<Key>,
    /// The maximum number of entries of a page, 100 unless set; the store's own limit holds, too.
    pub limit: usize,
}

impl StoreScan {
    /// All keys that start with a text.
    pub fn new(prefix: impl Into<String>) -> Self {
        StoreScan { prefix: prefix.into(), after: None, before: None, limit: 100 }
    }

    /// Starts behind a key: the last one of the page before.
    pub fn after(mut self, key: Key) -> Self {
        self.after = Some(key);
        self
    }

    /// Ends before a key.
    pub fn before(mut self, key: Key) -> Self {
        self.before = Some(key);
        self
    }

    /// Sets the maximum number of entries of a page. A page of 0 only tells whether there are any.
    pub const fn with_limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }
}

/// Some of the entries of a scan, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Page {
    /// The entries.
    pub entries: Vec<Entry>,
    /// Whether more follow.
    pub more: bool,
}

impl Page {
    /// A page.
    pub const fn new(entries: Vec<Entry>, more: bool) -> Self {
        Page { entries, more }
    }
}

/// A key that is there, with the revision of its value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyRevision {
    /// The key.
    pub key: Key,
    /// The revision of the write that left its value.
    pub revision: u64,
}

impl KeyRevision {
    /// A key at a revision.
    pub const fn new(key: Key, revision: u64) -> Self {
        KeyRevision { key, revision }
    }
}

/// Some of the keys of a scan, in order.
///
/// ```
/// use coordination_protocol::storage::{Expect, Key, MemoryStore, StorageError, Store, StoreScan, block_on};
///
/// block_on(async {
///     let store = MemoryStore::new();
///     for id in ["a", "b", "c"] {
///         store.put(&Key::of(["state", id])?, b"", Expect::Absent).await?;
///     }
///     let scan = StoreScan::new("state/").before(Key::of(["state", "c"])?);
///     let page = store.keys(&scan).await?;
///     let keys: Vec<&str> = page.keys.iter().map(|found| found.key.as_str()).collect();
///     assert_eq!((keys, page.more), (vec!["state/a", "state/b"], false));
///     Ok::<(), StorageError>(())
/// })?;
/// # Ok::<(), StorageError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyPage {
    /// The keys.
    pub keys: Vec<KeyRevision>,
    /// Whether more follow.
    pub more: bool,
}

impl KeyPage {
    /// A page.
    pub const fn new(keys: Vec<KeyRevision>, more: bool) -> Self {
        KeyPage { keys, more }
    }
}
