//! Changes of a store and a journal that belong together.

use super::StorageLimits;
use super::error::StorageError;
use super::journal::Journal;
use super::key::Key;
use super::record::{Appended, LaneEnd, NewRecord};
use super::store::{Expect, Store};
use std::collections::HashSet;
use std::sync::Arc;

/// A store and a journal in one place, whose changes can be made together.
///
/// What every implementation promises beside the promises of its parts:
///
/// - **A commit is atomic**: all of it is there, or none of it, whatever dies when.
/// - **A commit may be repeated.** Records that stand there already ([`Appended::repeated`]) are left
///   alone; the changes of values are tried, so that the second one of a pair of equal commits is
///   refused by what its puts expect.
///
/// ```
/// use coordination_protocol::storage::{
///     Commit, Engine, Expect, Journal, Key, MemoryEngine, NewRecord, Store, StorageError, block_on,
/// };
///
/// block_on(async {
///     let engine = MemoryEngine::new();
///     let lane = Key::of(["workflow", "wf_001"])?;
///     let place = Key::of(["cursor", "monitor"])?;
///     let commit = Commit::new()
///         .append(NewRecord::new("done".as_bytes()).in_lane(lane).with_id("m7"))
///         .put(place.clone(), "8".as_bytes(), Expect::Absent);
///     let done = engine.commit(&commit).await?;
///     assert_eq!(done.appended.positions, 1..2);
///
///     // Refused as a whole: the cursor is there already.
///     let error = engine.commit(&commit).await.unwrap_err();
///     assert_eq!(error.code(), "conflict");
///     assert_eq!(engine.bounds().await?.next, 2);
///     Ok::<(), StorageError>(())
/// })?;
/// # Ok::<(), StorageError>(())
/// ```
pub trait Engine: Store + Journal {
    /// Makes all changes of a commit, or none.
    ///
    /// # Errors
    /// [`Conflict`](StorageError::Conflict) if a key is not as expected;
    /// [`LaneMoved`](StorageError::LaneMoved); [`DuplicateId`](StorageError::DuplicateId);
    /// [`DuplicateKey`](StorageError::DuplicateKey); [`TooLarge`](StorageError::TooLarge).
    #[doc(alias = "transaction")]
    fn commit(
        &self,
        commit: &Commit,
    ) -> impl Future<Output = Result<Committed, StorageError>> + Send;
}

/// Changes that are made together.
#[doc(alias = "transaction")]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Commit {
    /// What is appended, in order.
    pub records: Vec<NewRecord>,
    /// Where lanes must end before.
    pub expected: Vec<LaneEnd>,
    /// What is written and removed, in order. Each key once.
    pub puts: Vec<Put>,
}

/// A change of one value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Put {
    /// The key.
    pub key: Key,
    /// The new value; none removes it.
    pub value: Option<Arc<[u8]>>,
    /// What the key must be before.
    pub expect: Expect,
}

impl Commit {
    /// No change.
    pub fn new() -> Self {
        Commit::default()
    }

    /// Appends a record.
    pub fn append(mut self, record: NewRecord) -> Self {
        self.records.push(record);
        self
    }

    /// Demands that a lane ends at a position, or has no record.
    pub fn expecting(mut self, lane: LaneEnd) -> Self {
        self.expected.push(lane);
        self
    }

    /// Writes a value.
    pub fn put(mut self, key: Key, value: impl Into<Arc<[u8]>>, expect: Expect) -> Self {
        self.puts.push(Put { key, value: Some(value.into()), expect });
        self
    }

    /// Removes a value.
    pub fn delete(mut self, key: Key, expect: Expect) -> Self {
        self.puts.push(Put { key, value: None, expect });
        self
    }

    /// How many bytes it carries, names included.
    pub fn size(&self) -> usize {
        let put = |put: &Put| put.key.as_str().len() + put.value.as_ref().map_or(0, |v| v.len());
        let records = self.records.iter().map(NewRecord::size);
        records.chain(self.puts.iter().map(put)).sum()
    }

    /// Refuses what no store and journal with these limits take, whatever they hold. Its changes of
    /// values may be as many, and have as many bytes together, as a batch of records in the store.
    ///
    /// # Errors
    /// [`TooLarge`](StorageError::TooLarge); [`DuplicateKey`](StorageError::DuplicateKey).
    pub fn check(
        &self,
        store: &StorageLimits,
        journal: &StorageLimits,
    ) -> Result<(), StorageError> {
        journal.check_batch(self.records.iter().map(NewRecord::size))?;
        store.check_puts(self.puts.iter().map(|put| put.value.as_ref().map_or(0, |v| v.len())))?;
        let mut keys = HashSet::with_capacity(self.puts.len());
        // What the second change would expect could not be said: the state before, or after the first.
        match self.puts.iter().find(|put| !keys.insert(&put.key)) {
            Some(put) => Err(StorageError::DuplicateKey { key: put.key.clone() }),
            None => Ok(()),
        }
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty() && self.expected.is_empty() && self.puts.is_empty()
    }
}

/// What a commit did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Committed {
    /// Where its records stand.
    pub appended: Appended,
    /// The revision of each put, in order; for a removal whatever the store took for it.
    pub revisions: Vec<u64>,
}

impl Committed {
    /// Records and revisions.
    pub const fn new(appended: Appended, revisions: Vec<u64>) -> Self {
        Committed { appended, revisions }
    }
}
