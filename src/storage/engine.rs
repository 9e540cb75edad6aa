//! Changes of a store and of journals that belong together.

use super::StorageLimits;
use super::error::StorageError;
use super::journal::Journal;
use super::key::Key;
use super::log::{Log, Partition};
use super::record::{Appended, LaneEnd, NewRecord};
use super::store::{Expect, Store};
use std::collections::HashSet;
use std::sync::Arc;

/// A store and journals in one place, whose changes can be made together. There is a journal for each
/// [`Partition`] of each [`Log`].
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
///     Commit, Engine, Expect, Journal, Key, Log, MemoryEngine, NewRecord, StorageError, Store, block_on,
/// };
///
/// block_on(async {
///     let engine = MemoryEngine::new();
///     let decisions = engine.log(Log::Decisions);
///     let lane = Key::of(["workflow", "wf_001"])?;
///     let place = Key::of(["cursor", "monitor"])?;
///     let commit = Commit::new()
///         .append(NewRecord::new("done".as_bytes()).in_lane(lane.clone()).with_id("m7"))
///         .append_to(Log::Decisions, NewRecord::new("phase 2".as_bytes()).in_lane(lane))
///         .put(place.clone(), "8".as_bytes(), Expect::Absent);
///     let done = engine.commit(&commit).await?;
///     assert_eq!((done.appended.positions, done.decided.positions), (1..2, 1..2));
///
///     // Refused as a whole: the cursor is there already.
///     let error = engine.commit(&commit).await.unwrap_err();
///     assert_eq!(error.code(), "conflict");
///     assert_eq!(decisions.bounds().await?.next, 2);
///     Ok::<(), StorageError>(())
/// })?;
/// # Ok::<(), StorageError>(())
/// ```
pub trait Engine: Store {
    /// A handle on one of its journals.
    type Journal: Journal + 'static;

    /// The journal of the first partition of a log.
    fn log(&self, log: Log) -> Self::Journal;

    /// The journal of a partition.
    ///
    /// # Errors
    /// [`NoPartition`](StorageError::NoPartition).
    fn journal(&self, partition: Partition) -> Result<Self::Journal, StorageError> {
        Ok(self.log(partition.only()?))
    }

    /// The partitions of a log: at least the first one, which is the only one unless an implementation says
    /// otherwise. Who reads all of a log reads each.
    fn partitions(&self, log: Log) -> Vec<Partition> {
        vec![log.into()]
    }

    /// The partition of a log in which a lane lies, always the same one.
    fn partition_of(&self, log: Log, lane: &Key) -> Partition {
        let _ = lane;
        log.into()
    }

    /// Makes all changes of a commit, or none. What it appends to one log lies in one partition.
    ///
    /// # Errors
    /// [`Conflict`](StorageError::Conflict) if a key is not as expected;
    /// [`LaneMoved`](StorageError::LaneMoved); [`LaneEnded`](StorageError::LaneEnded);
    /// [`LaneCannotEnd`](StorageError::LaneCannotEnd); [`DuplicateId`](StorageError::DuplicateId);
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
    /// What is appended to the history.
    pub history: Batch,
    /// What is appended to the decisions.
    pub decisions: Batch,
    /// What is written and removed, in order. Each key once.
    pub puts: Vec<Put>,
}

/// Records that are appended together to one log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Batch {
    /// What is appended, in order.
    pub records: Vec<NewRecord>,
    /// Where lanes must end before.
    pub expected: Vec<LaneEnd>,
}

impl Batch {
    /// Records, and what is expected of lanes.
    pub const fn new(records: Vec<NewRecord>, expected: Vec<LaneEnd>) -> Self {
        Batch { records, expected }
    }

    /// How many bytes its records have, names included.
    pub fn size(&self) -> usize {
        self.records.iter().map(NewRecord::size).sum()
    }

    /// Whether it appends and expects nothing.
    pub const fn is_empty(&self) -> bool {
        self.records.is_empty() && self.expected.is_empty()
    }
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

    /// What it appends to a log.
    pub const fn batch(&self, log: Log) -> &Batch {
        match log {
            Log::History => &self.history,
            Log::Decisions => &self.decisions,
        }
    }

    /// What it appends to a log, to be changed.
    pub const fn batch_mut(&mut self, log: Log) -> &mut Batch {
        match log {
            Log::History => &mut self.history,
            Log::Decisions => &mut self.decisions,
        }
    }

    /// Appends a record to the history.
    pub fn append(self, record: NewRecord) -> Self {
        self.append_to(Log::History, record)
    }

    /// Appends a record to a log.
    pub fn append_to(mut self, log: Log, record: NewRecord) -> Self {
        self.batch_mut(log).records.push(record);
        self
    }

    /// Demands that a lane of the history ends at a position, or has no record.
    pub fn expecting(self, lane: LaneEnd) -> Self {
        self.expecting_in(Log::History, lane)
    }

    /// Demands that a lane of a log ends at a position, or has no record.
    pub fn expecting_in(mut self, log: Log, lane: LaneEnd) -> Self {
        self.batch_mut(log).expected.push(lane);
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
        let batches = Log::ALL.map(|log| self.batch(log).size());
        batches.into_iter().chain(self.puts.iter().map(put)).sum()
    }

    /// Refuses what no store and journals with these limits take, whatever they hold. Its changes of
    /// values may be as many, and have as many bytes together, as a batch of records in the store.
    ///
    /// # Errors
    /// [`TooLarge`](StorageError::TooLarge); [`LaneCannotEnd`](StorageError::LaneCannotEnd);
    /// [`DuplicateKey`](StorageError::DuplicateKey).
    pub fn check(
        &self,
        store: &StorageLimits,
        journal: &StorageLimits,
    ) -> Result<(), StorageError> {
        for log in Log::ALL {
            let records = &self.batch(log).records;
            journal.check_batch(records.iter().map(NewRecord::size))?;
            log.lanes().check(records)?;
        }
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
        self.history.is_empty() && self.decisions.is_empty() && self.puts.is_empty()
    }
}

/// What a commit did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Committed {
    /// Where its records stand in the history.
    pub appended: Appended,
    /// Where its records stand in the decisions.
    pub decided: Appended,
    /// The revision of each put, in order; for a removal whatever the store took for it.
    pub revisions: Vec<u64>,
}

impl Committed {
    /// Positions in history and decisions, and revisions.
    pub const fn new(appended: Appended, decided: Appended, revisions: Vec<u64>) -> Self {
        Committed { appended, decided, revisions }
    }
}
