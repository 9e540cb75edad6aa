//! The append-only journal.

use super::StorageLimits;
use super::error::StorageError;
use super::key::Key;
use super::log::LaneForm;
use super::record::{Appended, JournalRecord, LaneEnd, NewRecord};
use std::ops::Range;

/// Records at positions, and named cursors: one sequence. An [`Engine`](super::Engine) has one for each
/// [partition](super::Partition) of its logs; a reader that goes by one name has a cursor in each.
///
/// What every implementation promises:
///
/// - **Positions are 1, 2, 3, ...** without gap or duplicate, in the order of the appends,
///   whoever appends. A position is never given again, not even when all records were trimmed.
/// - **A batch is atomic**: all of its records become visible, side by side, or none.
/// - **Lanes are compared and appended to at once**: of several writers that expect the same last
///   record of a lane, at most one succeeds. The last position of a lane is known after a trim as well, and
///   still what writers have to expect. What becomes of lanes in the end is told by [`lanes`](Self::lanes).
/// - **An id stands once in its lane.** A batch whose first id stands there already, and whose other
///   ids follow it, is not appended again, and gets the positions that it has; what it carries is not
///   compared. Any other batch with an id that stands there, or with an id twice, is refused. So a writer that did not learn what came of an append
///   repeats it. The horizon of this is the journal: what was trimmed is not remembered.
/// - **Reading never skips**: what was trimmed is an error, not a silence.
/// - **Damage stays local**: a record that is not what was written is a
///   [`DamagedRecord`](StorageError::DamagedRecord) when it is read; the ones before and behind it
///   can be read.
///
/// ```
/// use coordination_protocol::storage::{Journal, Key, MemoryJournal, StorageError, block_on};
///
/// block_on(async {
///     let journal = MemoryJournal::new();
///     let positions = journal.append(&["one", "two", "three"]).await?;
///     assert_eq!(positions, 1..4);
///
///     // A reader that picks up where it left off, even after a restart.
///     let name = Key::of(["monitor"])?;
///     let at = journal.cursor(&name).await?;
///     let records = journal.read(at.unwrap_or(1), 2).await?;
///     assert_eq!(&*records[1].data, b"two");
///     journal.move_cursor(&name, at, records[1].position + 1).await?;
///     assert_eq!(journal.cursor(&name).await?, Some(3));
///     Ok::<(), StorageError>(())
/// })?;
/// # Ok::<(), StorageError>(())
/// ```
#[doc(alias = "append-only log")]
#[doc(alias = "event store")]
#[doc(alias = "stream")]
#[doc(alias = "WAL")]
pub trait Journal: Send + Sync {
    /// How much one operation may carry.
    fn limits(&self) -> StorageLimits {
        StorageLimits::default()
    }

    /// What becomes of its lanes.
    fn lanes(&self) -> LaneForm {
        LaneForm::default()
    }

    /// Appends a batch of records that belong to no lane, and returns their positions. An empty batch
    /// changes nothing.
    ///
    /// # Errors
    /// [`TooLarge`](StorageError::TooLarge).
    fn append<B: AsRef<[u8]> + Sync>(
        &self,
        batch: &[B],
    ) -> impl Future<Output = Result<Range<u64>, StorageError>> + Send {
        async move {
            // Looked at before anything is copied.
            self.limits().check_batch(batch.iter().map(|data| data.as_ref().len()))?;
            let records: Vec<_> = batch.iter().map(|data| NewRecord::new(data.as_ref())).collect();
            Ok(self.append_records(&records, &[]).await?.positions)
        }
    }

    /// Appends a batch if its lanes are as expected. An expectation is checked against the state before
    /// the batch. A batch may hold records of several lanes.
    ///
    /// ```
    /// use coordination_protocol::storage::{
    ///     Journal, Key, LaneEnd, MemoryJournal, NewRecord, StorageError, block_on,
    /// };
    ///
    /// block_on(async {
    ///     let journal = MemoryJournal::new();
    ///     let lane = Key::of(["workflow", "wf_001"])?;
    ///     let record = |id, text: &str| NewRecord::new(text.as_bytes()).in_lane(lane.clone()).with_id(id);
    ///
    ///     let first = record("m1", "started");
    ///     journal.append_records(&[first.clone()], &[LaneEnd::new(lane.clone(), None)]).await?;
    ///     // Repeated by a writer that did not hear of its success: nothing is appended.
    ///     let again = journal.append_records(&[first], &[LaneEnd::new(lane.clone(), None)]).await?;
    ///     assert!(again.repeated && again.positions == (1..2));
    ///     // Another writer, which does not know the first record, is refused.
    ///     let late = record("m2", "started, too");
    ///     let refused = journal.append_records(&[late], &[LaneEnd::new(lane.clone(), None)]).await;
    ///     assert_eq!(
    ///         refused.unwrap_err().to_string(),
    ///         "lane `workflow/wf_001` ends at position 1, expected no record",
    ///     );
    ///     assert_eq!(journal.lane_end(&lane).await?, Some(1));
    ///     Ok::<(), StorageError>(())
    /// })?;
    /// # Ok::<(), StorageError>(())
    /// ```
    ///
    /// # Errors
    /// [`LaneMoved`](StorageError::LaneMoved) if a lane is not as expected, and the batch does not stand
    /// there already; [`LaneEnded`](StorageError::LaneEnded) if one that it has a record of is closed;
    /// [`LaneCannotEnd`](StorageError::LaneCannotEnd); [`DuplicateId`](StorageError::DuplicateId) if another record has the id of one of
    /// the batch; [`TooLarge`](StorageError::TooLarge).
    #[doc(alias = "compare-and-append")]
    #[doc(alias = "optimistic concurrency")]
    fn append_records(
        &self,
        records: &[NewRecord],
        expected: &[LaneEnd],
    ) -> impl Future<Output = Result<Appended, StorageError>> + Send;

    /// The position of the last record of a lane, trimmed or not; none if it never had one. 0 is what a
    /// merge of two journals leaves for a lane whose records were trimmed in the one it read.
    fn lane_end(
        &self,
        lane: &Key,
    ) -> impl Future<Output = Result<Option<u64>, StorageError>> + Send;

    /// Forgets the ends of lanes whose records were all trimmed, and returns how many there were: such a
    /// lane begins anew. For journals whose writers expect nothing, so that lanes do not add up. Where lanes
    /// [end](LaneForm::Ended) there is nothing to forget.
    fn forget_lanes(&self) -> impl Future<Output = Result<u64, StorageError>> + Send;

    /// Up to `limit` records from a position on, in order, without a gap. Fewer come if the
    /// journal ends or the page is full, none only if there are none. 0 reads like 1.
    ///
    /// # Errors
    /// [`Trimmed`](StorageError::Trimmed) if the record at `from` is no longer there;
    /// [`DamagedRecord`](StorageError::DamagedRecord) if one that would be returned is damaged, so
    /// that a read of it alone, with a limit of 1, tells whether it is.
    fn read(
        &self,
        from: u64,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<JournalRecord>, StorageError>> + Send;

    /// The first position still there and the one that the next record gets.
    fn bounds(&self) -> impl Future<Output = Result<Bounds, StorageError>> + Send;

    /// Waits until there is a record at `from` or behind it, whoever appends it, and returns the
    /// position behind the last one. It may be dropped at any time.
    fn wait(&self, from: u64) -> impl Future<Output = Result<u64, StorageError>> + Send;

    /// Removes the records before a position and returns how many there were. Cursors stay where
    /// they are, so a reader that was left behind learns it.
    ///
    /// # Errors
    /// [`OutOfRange`](StorageError::OutOfRange) if there is no such position yet;
    /// [`LanesOpen`](StorageError::LanesOpen) if an open lane would lose its last record, where lanes
    /// [end](LaneForm::Ended): nothing is removed then.
    fn trim(&self, before: u64) -> impl Future<Output = Result<u64, StorageError>> + Send;

    /// Where a cursor stands: the next position that its reader wants. None if it is not there. 0 is
    /// what a merge of two journals leaves for a reader that had missed records in the one it read.
    fn cursor(&self, name: &Key) -> impl Future<Output = Result<Option<u64>, StorageError>> + Send;

    /// Moves a cursor, or makes one if `expected` is none. It may move back.
    ///
    /// # Errors
    /// [`CursorMoved`](StorageError::CursorMoved) if it is not where it is expected;
    /// [`OutOfRange`](StorageError::OutOfRange) if `to` lies outside of the [`Bounds`].
    fn move_cursor(
        &self,
        name: &Key,
        expected: Option<u64>,
        to: u64,
    ) -> impl Future<Output = Result<(), StorageError>> + Send;

    /// Removes a cursor and tells whether it was there.
    fn remove_cursor(&self, name: &Key) -> impl Future<Output = Result<bool, StorageError>> + Send;

    /// All cursors, ordered by name.
    fn cursors(&self) -> impl Future<Output = Result<Vec<Cursor>, StorageError>> + Send;
}

/// A named place in a journal.
#[doc(alias = "offset")]
#[doc(alias = "consumer position")]
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cursor {
    /// Its name.
    pub name: Key,
    /// The next position that its reader wants.
    pub position: u64,
}

impl Cursor {
    /// A cursor at a position.
    pub const fn new(name: Key, position: u64) -> Self {
        Cursor { name, position }
    }
}

/// What a journal spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bounds {
    /// The first position that is still there; `next` if there is no record.
    pub first: u64,
    /// The position that the next record gets.
    pub next: u64,
}

impl Bounds {
    /// From the first position to the one behind the last.
    pub const fn new(first: u64, next: u64) -> Self {
        Bounds { first, next }
    }

    /// How many records there are.
    pub const fn len(self) -> u64 {
        self.next - self.first
    }

    /// Whether there is no record.
    pub const fn is_empty(self) -> bool {
        self.next == self.first
    }

    /// Where reading `from` starts.
    ///
    /// # Errors
    /// [`Trimmed`](StorageError::Trimmed).
    pub const fn start(self, from: u64) -> Result<u64, StorageError> {
        // 0 is what a reader has that never read; positions start at 1.
        let from = if from == 0 { 1 } else { from };
        // Said before the end is looked at: a reader that was left behind must not take the silence
        // for the end.
        if from < self.first {
            return Err(StorageError::Trimmed { from, first: self.first });
        }
        Ok(from)
    }

    /// Refuses a position that a cursor cannot have.
    ///
    /// # Errors
    /// [`OutOfRange`](StorageError::OutOfRange).
    pub const fn check(self, position: u64) -> Result<(), StorageError> {
        // `next` itself is allowed: the reader has read everything.
        if position < self.first || position > self.next {
            let Bounds { first, next } = self;
            return Err(StorageError::OutOfRange { position, first, next });
        }
        Ok(())
    }
}
