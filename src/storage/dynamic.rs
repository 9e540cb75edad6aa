//! Stores, journals and engines whose type is only known when the program runs, and those behind pointers.

use super::{
    Appended, Bounds, Commit, Committed, Cursor, Engine, Entry, Expect, Journal, JournalRecord,
    Key, KeyPage, LaneEnd, LaneForm, Log, NewRecord, Page, Partition, StorageError, StorageLimits,
    Store, StoreScan,
};
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

/// A [`Journal`] whose type is only known when the program runs: `Arc<dyn DynJournal>` and
/// `Box<dyn DynJournal>` are journals. Every journal is one; each operation costs one allocation more.
pub trait DynJournal: Send + Sync {
    /// [`Journal::limits`].
    fn boxed_limits(&self) -> StorageLimits;

    /// [`Journal::lanes`].
    fn boxed_lanes(&self) -> LaneForm;

    /// [`Journal::append_records`].
    fn boxed_append_records<'a>(
        &'a self,
        records: &'a [NewRecord],
        expected: &'a [LaneEnd],
    ) -> Boxed<'a, Appended>;

    /// [`Journal::lane_end`].
    fn boxed_lane_end<'a>(&'a self, lane: &'a Key) -> Boxed<'a, Option<u64>>;

    /// [`Journal::forget_lanes`].
    fn boxed_forget_lanes(&self) -> Boxed<'_, u64>;

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

    fn boxed_lanes(&self) -> LaneForm {
        self.lanes()
    }

    fn boxed_append_records<'a>(
        &'a self,
        records: &'a [NewRecord],
        expected: &'a [LaneEnd],
    ) -> Boxed<'a, Appended> {
        Box::pin(self.append_records(records, expected))
    }

    fn boxed_lane_end<'a>(&'a self, lane: &'a Key) -> Boxed<'a, Option<u64>> {
        Box::pin(self.lane_end(lane))
    }

    fn boxed_forget_lanes(&self) -> Boxed<'_, u64> {
        Box::pin(self.forget_lanes())
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

/// An [`Engine`] whose type is only known when the program runs: `Arc<dyn DynEngine>` and
/// `Box<dyn DynEngine>` are engines. Every engine is one; each operation costs one allocation more.
pub trait DynEngine: DynStore {
    /// [`Engine::log`].
    fn boxed_log(&self, log: Log) -> Arc<dyn DynJournal>;

    /// [`Engine::journal`].
    ///
    /// # Errors
    /// [`NoPartition`](StorageError::NoPartition).
    fn boxed_journal(&self, partition: Partition) -> Result<Arc<dyn DynJournal>, StorageError>;

    /// [`Engine::partitions`].
    fn boxed_partitions(&self, log: Log) -> Vec<Partition>;

    /// [`Engine::partition_of`].
    fn boxed_partition_of(&self, log: Log, lane: &Key) -> Partition;

    /// [`Engine::commit`].
    fn boxed_commit<'a>(&'a self, commit: &'a Commit) -> Boxed<'a, Committed>;
}

impl<E: Engine> DynEngine for E {
    fn boxed_log(&self, log: Log) -> Arc<dyn DynJournal> {
        Arc::new(self.log(log))
    }

    fn boxed_journal(&self, partition: Partition) -> Result<Arc<dyn DynJournal>, StorageError> {
        Ok(Arc::new(self.journal(partition)?))
    }

    fn boxed_partitions(&self, log: Log) -> Vec<Partition> {
        self.partitions(log)
    }

    fn boxed_partition_of(&self, log: Log, lane: &Key) -> Partition {
        self.partition_of(log, lane)
    }

    fn boxed_commit<'a>(&'a self, commit: &'a Commit) -> Boxed<'a, Committed> {
        Box::pin(self.commit(commit))
    }
}

impl Engine for dyn DynEngine + '_ {
    type Journal = Arc<dyn DynJournal>;

    fn log(&self, log: Log) -> Arc<dyn DynJournal> {
        self.boxed_log(log)
    }

    fn journal(&self, partition: Partition) -> Result<Arc<dyn DynJournal>, StorageError> {
        self.boxed_journal(partition)
    }

    fn partitions(&self, log: Log) -> Vec<Partition> {
        self.boxed_partitions(log)
    }

    fn partition_of(&self, log: Log, lane: &Key) -> Partition {
        self.boxed_partition_of(log, lane)
    }

    async fn commit(&self, commit: &Commit) -> Result<Committed, StorageError> {
        self.boxed_commit(commit).await
    }
}

/// What goes by the boxed forms is a store, and a journal.
macro_rules! store_by_boxes {
    ($($form:ty),+) => { $(
        impl Store for $form {
            fn limits(&self) -> StorageLimits {
                DynStore::boxed_limits(self)
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
    )+ };
}
store_by_boxes!(dyn DynStore + '_, dyn DynEngine + '_);

macro_rules! journal_by_boxes {
    ($($form:ty),+) => { $(
        impl Journal for $form {
            fn limits(&self) -> StorageLimits {
                DynJournal::boxed_limits(self)
            }

            fn lanes(&self) -> LaneForm {
                self.boxed_lanes()
            }

            async fn append_records(
                &self,
                records: &[NewRecord],
                expected: &[LaneEnd],
            ) -> Result<Appended, StorageError> {
                self.boxed_append_records(records, expected).await
            }

            async fn lane_end(&self, lane: &Key) -> Result<Option<u64>, StorageError> {
                self.boxed_lane_end(lane).await
            }

            async fn forget_lanes(&self) -> Result<u64, StorageError> {
                self.boxed_forget_lanes().await
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
    )+ };
}
journal_by_boxes!(dyn DynJournal + '_);

/// A pointer to a store, a journal or an engine is one.
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

            fn lanes(&self) -> LaneForm {
                (**self).lanes()
            }

            fn append_records(
                &self,
                records: &[NewRecord],
                expected: &[LaneEnd],
            ) -> impl Future<Output = Result<Appended, StorageError>> + Send {
                (**self).append_records(records, expected)
            }

            fn lane_end(
                &self,
                lane: &Key,
            ) -> impl Future<Output = Result<Option<u64>, StorageError>> + Send {
                (**self).lane_end(lane)
            }

            fn forget_lanes(&self) -> impl Future<Output = Result<u64, StorageError>> + Send {
                (**self).forget_lanes()
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

        impl<T: Engine + ?Sized> Engine for $pointer {
            type Journal = T::Journal;

            fn log(&self, log: Log) -> T::Journal {
                (**self).log(log)
            }

            fn journal(&self, partition: Partition) -> Result<T::Journal, StorageError> {
                (**self).journal(partition)
            }

            fn partitions(&self, log: Log) -> Vec<Partition> {
                (**self).partitions(log)
            }

            fn partition_of(&self, log: Log, lane: &Key) -> Partition {
                (**self).partition_of(log, lane)
            }

            fn commit(
                &self,
                commit: &Commit,
            ) -> impl Future<Output = Result<Committed, StorageError>> + Send {
                (**self).commit(commit)
            }
        }
    )+ };
}
behind!(&T, Box<T>, Arc<T>);
