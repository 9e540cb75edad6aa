//! Stores and journals whose type is only known when the program runs, and those behind pointers.

use super::{
    Bounds, Cursor, Entry, Expect, Journal, JournalRecord, Key, KeyPage, Page, StorageError,
    StorageLimits, Store, StoreScan,
};
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;

type Boxed<'a, T> = Pin<Box<dyn Future<Output = Result<T, StorageError>> + Send + 'a>>;

/// A [`Store`] whose type is only known when the program runs: `Arc<dyn DynStore>` and
/// `Box<dyn DynStore>` are stores. Every store is one; each operation costs one allocation more.
///
/// ```
/// use coordination_protocol::storage::{DynStore, Expect, Key, MemoryStore, StorageError, Store, block_on};
/// use std::sync::Arc;
///
/// async fn keep(store: &impl Store) -> Result<u64, StorageError> {
///     store.put(&Key::of(["a"])?, b"1", Expect::Absent).await
/// }
///
/// let store: Arc<dyn DynStore> = Arc::new(MemoryStore::new());
/// block_on(async {
///     keep(&store).await?;
///     assert!(store.get(&Key::of(["a"])?).await?.is_some());
///     Ok::<(), StorageError>(())
/// })?;
/// # Ok::<(), StorageError>(())
/// ```
pub trait DynStore: Send + Sync {
    /// [`Store::limits`].
    fn boxed_limits(&self) -> StorageLimits;

    /// [`Store::get`].
    fn boxed_get<'a>(&'a self, key: &'a Key) -> Boxed<'a, Option<Entry>>;

    /// [`Store::put`].
    fn boxed_put<'a>(&'a self, key: &'a Key, value: &'a [u8], expect: Expect) -> Boxed<'a, u64>;

    /// [`Store::delete`].
    fn boxed_delete<'a>(&'a self, key: &'a Key, expect: Expect) -> Boxed<'a, bool>;

    /// [`Store::scan`].
    fn boxed_scan<'a>(&'a self, scan: &'a StoreScan) -> Boxed<'a, Page>;

    /// [`Store::keys`].
    fn boxed_keys<'a>(&'a self, scan: &'a StoreScan) -> Boxed<'a, KeyPage>;
}

impl<S: Store> DynStore for S {
    fn boxed_limits(&self) -> StorageLimits {
        self.limits()
    }

    fn boxed_get<'a>(&'a self, key: &'a Key) -> Boxed<'a, Option<Entry>> {
        Box::pin(self.get(key))
    }

    fn boxed_put<'a>(&'a self, key: &'a Key, value: &'a [u8], expect: Expect) -> Boxed<'a, u64> {
        Box::pin(self.put(key, value, expect))
    }

    fn boxed_delete<'a>(&'a self, key: &'a Key, expect: Expect) -> Boxed<'a, bool> {
        Box::pin(self.delete(key, expect))
    }

    fn boxed_scan<'a>(&'a self, scan: &'a StoreScan) -> Boxed<'a, Page> {
        Box::pin(self.scan(scan))
    }

    fn boxed_keys<'a>(&'a self, scan: &'a StoreScan) -> Boxed<'a, KeyPage> {
        Box::pin(self.keys(scan))
    }
}

impl Store for dyn DynStore + '_ {
    fn limits(&self) -> StorageLimits {
        self.boxed_limits()
    }

    async fn get(&self, key: &Key) -> Result<Option<Entry>, StorageError> {
        self.boxed_get(key).await
    }

    async fn put(&self, key: &Key, value: &[u8], expect: Expect) -> Result<u64, StorageError> {
        self.boxed_put(key, value, expect).await
    }

    async fn delete(&self, key: &Key, expect: Expect) -> Result<bool, StorageError> {
        self.boxed_delete(key, expect).await
    }

    async fn scan(&self, scan: &StoreScan) -> Result<Page, StorageError> {
        self.boxed_scan(scan).await
    }

    async fn keys(&self, scan: &StoreScan) -> Result<KeyPage, StorageError> {
        self.boxed_keys(scan).await
    }
}

/// A [`Journal`] whose type is only known when the program runs: `Arc<dyn DynJournal>` and
/// `Box<dyn DynJournal>` are journals. Every journal is one; each operation costs one allocation more.
pub trait DynJournal: Send + Sync {
    /// [`Journal::limits`].
    fn boxed_limits(&self) -> StorageLimits;

    /// [`Journal::append`].
    fn boxed_append<'a>(&'a self, batch: &'a [&'a [u8]]) -> Boxed<'a, Range<u64>>;

    /// [`Journal::read`].
    fn boxed_read(&self, from: u64, limit: usize) -> Boxed<'_, Vec<JournalRecord>>;

    /// [`Journal::bounds`].
    fn boxed_bounds(&self) -> Boxed<'_, Bounds>;

    /// [`Journal::wait`].
    fn boxed_wait(&self, from: u64) -> Boxed<'_, u64>;

    /// [`Journal::trim`].
    fn boxed_trim(&self, before: u64) -> Boxed<'_, u64>;

    /// [`Journal::cursor`].
    fn boxed_cursor<'a>(&'a self, name: &'a Key) -> Boxed<'a, Option<u64>>;

    /// [`Journal::move_cursor`].
    fn boxed_move_cursor<'a>(
        &'a self,
        name: &'a Key,
        expected: Option<u64>,
        to: u64,
    ) -> Boxed<'a, ()>;

    /// [`Journal::remove_cursor`].
    fn boxed_remove_cursor<'a>(&'a self, name: &'a Key) -> Boxed<'a, bool>;

    /// [`Journal::cursors`].
    fn boxed_cursors(&self) -> Boxed<'_, Vec<Cursor>>;
}

impl<J: Journal> DynJournal for J {
    fn boxed_limits(&self) -> StorageLimits {
        self.limits()
    }

    fn boxed_append<'a>(&'a self, batch: &'a [&'a [u8]]) -> Boxed<'a, Range<u64>> {
        Box::pin(self.append(batch))
    }

    fn boxed_read(&self, from: u64, limit: usize) -> Boxed<'_, Vec<JournalRecord>> {
        Box::pin(self.read(from, limit))
    }

    fn boxed_bounds(&self) -> Boxed<'_, Bounds> {
        Box::pin(self.bounds())
    }

    fn boxed_wait(&self, from: u64) -> Boxed<'_, u64> {
        Box::pin(self.wait(from))
    }

    fn boxed_trim(&self, before: u64) -> Boxed<'_, u64> {
        Box::pin(self.trim(before))
    }

    fn boxed_cursor<'a>(&'a self, name: &'a Key) -> Boxed<'a, Option<u64>> {
        Box::pin(self.cursor(name))
    }

    fn boxed_move_cursor<'a>(
        &'a self,
        name: &'a Key,
        expected: Option<u64>,
        to: u64,
    ) -> Boxed<'a, ()> {
        Box::pin(self.move_cursor(name, expected, to))
    }

    fn boxed_remove_cursor<'a>(&'a self, name: &'a Key) -> Boxed<'a, bool> {
        Box::pin(self.remove_cursor(name))
    }

    fn boxed_cursors(&self) -> Boxed<'_, Vec<Cursor>> {
        Box::pin(self.cursors())
    }
}

impl Journal for dyn DynJournal + '_ {
    fn limits(&self) -> StorageLimits {
        self.boxed_limits()
    }

    async fn append<B: AsRef<[u8]> + Sync>(&self, batch: &[B]) -> Result<Range<u64>, StorageError> {
        let batch: Vec<&[u8]> = batch.iter().map(AsRef::as_ref).collect();
        self.boxed_append(&batch).await
    }

    async fn read(&self, from: u64, limit: usize) -> Result<Vec<JournalRecord>, StorageError> {
        self.boxed_read(from, limit).await
    }

    async fn bounds(&self) -> Result<Bounds, StorageError> {
        self.boxed_bounds().await
    }

    async fn wait(&self, from: u64) -> Result<u64, StorageError> {
        self.boxed_wait(from).await
    }

    async fn trim(&self, before: u64) -> Result<u64, StorageError> {
        self.boxed_trim(before).await
    }

    async fn cursor(&self, name: &Key) -> Result<Option<u64>, StorageError> {
        self.boxed_cursor(name).await
    }

    async fn move_cursor(
        &self,
        name: &Key,
        expected: Option<u64>,
        to: u64,
    ) -> Result<(), StorageError> {
        self.boxed_move_cursor(name, expected, to).await
    }

    async fn remove_cursor(&self, name: &Key) -> Result<bool, StorageError> {
        self.boxed_remove_cursor(name).await
    }

    async fn cursors(&self) -> Result<Vec<Cursor>, StorageError> {
        self.boxed_cursors().await
    }
}

/// A pointer to a store or a journal is one.
macro_rules! behind {
    ($($pointer:ty),+) => { $(
        impl<T: Store + ?Sized> Store for $pointer {
            fn limits(&self) -> StorageLimits {
                (**self).limits()
            }

            fn get(&self, key: &Key) -> impl Future<Output = Result<Option<Entry>, StorageError>> + Send {
                (**self).get(key)
            }

            fn put(
                &self,
                key: &Key,
                value: &[u8],
                expect: Expect,
            ) -> impl Future<Output = Result<u64, StorageError>> + Send {
                (**self).put(key, value, expect)
            }

            fn delete(
                &self,
                key: &Key,
                expect: Expect,
            ) -> impl Future<Output = Result<bool, StorageError>> + Send {
                (**self).delete(key, expect)
            }

            fn scan(&self, scan: &StoreScan) -> impl Future<Output = Result<Page, StorageError>> + Send {
                (**self).scan(scan)
            }

            fn keys(&self, scan: &StoreScan) -> impl Future<Output = Result<KeyPage, StorageError>> + Send {
                (**self).keys(scan)
            }
        }

        impl<T: Journal + ?Sized> Journal for $pointer {
            fn limits(&self) -> StorageLimits {
                (**self).limits()
            }

            fn append<B: AsRef<[u8]> + Sync>(
                &self,
                batch: &[B],
            ) -> impl Future<Output = Result<Range<u64>, StorageError>> + Send {
                (**self).append(batch)
            }

            fn read(
                &self,
                from: u64,
                limit: usize,
            ) -> impl Future<Output = Result<Vec<JournalRecord>, StorageError>> + Send {
                (**self).read(from, limit)
            }

            fn bounds(&self) -> impl Future<Output = Result<Bounds, StorageError>> + Send {
                (**self).bounds()
            }

            fn wait(&self, from: u64) -> impl Future<Output = Result<u64, StorageError>> + Send {
                (**self).wait(from)
            }

            fn trim(&self, before: u64) -> impl Future<Output = Result<u64, StorageError>> + Send {
                (**self).trim(before)
            }

            fn cursor(&self, name: &Key) -> impl Future<Output = Result<Option<u64>, StorageError>> + Send {
                (**self).cursor(name)
            }

            fn move_cursor(
                &self,
                name: &Key,
                expected: Option<u64>,
                to: u64,
            ) -> impl Future<Output = Result<(), StorageError>> + Send {
                (**self).move_cursor(name, expected, to)
            }

            fn remove_cursor(&self, name: &Key) -> impl Future<Output = Result<bool, StorageError>> + Send {
                (**self).remove_cursor(name)
            }

            fn cursors(&self) -> impl Future<Output = Result<Vec<Cursor>, StorageError>> + Send {
                (**self).cursors()
            }
        }
    )+ };
}
behind!(&T, Box<T>, Arc<T>);
