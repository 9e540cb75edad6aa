//! Going over all of a file at one moment: out of it, into it, and rewriting it.

use super::changes::Changes;
use super::connect::{begin, connect};
use super::error::from_sqlite;
use super::hint::Hint;
use super::item::{
    Contents, DamagedItem, DamagedPlace, ItemChange, KeptLane, LogContents, StoreItem,
};
use super::log::WriteAheadLog;
use super::operations;
use super::walk::walk;
use super::{Sqlite, SqliteOptions};
use crate::storage::{
    Bounds, Cursor, Entry, Expect, ImportFault, JournalRecord, Log, NewRecord, StorageError,
    StorageLimits,
};
use rusqlite::Connection;

/// How [`Sqlite::load`] treats what is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LoadMode {
    /// The file has to be empty, and becomes what was dumped: revisions, positions, cursors.
    Restore,
    /// What the file lacks is added. Values that are there stay, and so do cursors. Records are
    /// appended, and the cursors that are added move with them. One whose lane and id stand there
    /// already becomes an empty one, so that nothing is done twice. Decisions are taken in only where
    /// there are none yet: two lines of decisions cannot be made one.
    Merge,
}

/// What a [`Sqlite::load`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoadSummary {
    /// Values that were added.
    pub entries: u64,
    /// Records that were added.
    pub records: u64,
    /// Cursors that were added.
    pub cursors: u64,
    /// Values and cursors that were there already and stayed.
    pub kept: u64,
    /// Of these, how many had another content.
    pub differing: u64,
    /// Of the records, how many stood there already by lane and id, and were taken in as empty ones.
    pub repeated: u64,
    /// Of the ends of lanes, how many came for lanes without records.
    pub lanes: u64,
    /// What was damaged where the items come from: values and cursors that were left out, records
    /// that were taken in as empty ones.
    pub damaged: u64,
}

impl Sqlite {
    /// Visits everything at one moment, while others read and write. Blocks. What is damaged is
    /// visited as such ([`StoreItem::Damaged`]), and the visit goes on.
    ///
    /// ```
    /// use coordination_protocol::adapter::sqlite::{StoreItem, Sqlite, SqliteOptions};
    /// use coordination_protocol::storage::{Journal, StorageError, block_on};
    ///
    /// # let root = std::env::temp_dir().join(format!("coord-doc-dump-{}", std::process::id()));
    /// let file = Sqlite::open_in(&root, &SqliteOptions::new("dump"))?;
    /// block_on(file.append(&["a", "b"]))?;
    /// let mut records = 0;
    /// file.dump(|item| {
    ///     records += usize::from(matches!(item, StoreItem::Record(..)));
    ///     Ok::<(), StorageError>(())
    /// })?;
    /// assert_eq!(records, 2);
    /// # drop(file);
    /// # std::fs::remove_dir_all(root).unwrap();
    /// # Ok::<(), StorageError>(())
    /// ```
    ///
    /// # Errors
    /// Those of the visitor, and [`StorageError`]s.
    #[doc(alias = "export")]
    #[doc(alias = "snapshot")]
    pub fn dump<E: From<StorageError>>(
        &self,
        mut visit: impl FnMut(StoreItem) -> Result<(), E>,
    ) -> Result<(), E> {
        let connection = connect(self.path(), &self.options)?;
        // A connection of its own: on the reader's thread all other questions would wait. One read
        // transaction sees one moment, however long it takes.
        let moment = connection.unchecked_transaction().map_err(from_sqlite)?;
        let contents = operations::contents(&moment)?;
        visit(StoreItem::Contents(contents))?;
        walk(&moment, contents, visit)
    }

    /// Takes in what [`dump`](Self::dump) gave: all of it, or nothing if there is an error. Blocks,
    /// and keeps other writers waiting.
    ///
    /// # Errors
    /// Those of the items; [`NotEmpty`](StorageError::NotEmpty) if the file should be empty;
    /// [`Import`](StorageError::Import) if the items do not belong together.
    #[doc(alias = "import")]
    #[doc(alias = "restore")]
    pub fn load<E: From<StorageError>>(
        &self,
        how: LoadMode,
        items: impl IntoIterator<Item = Result<StoreItem, E>>,
    ) -> Result<LoadSummary, E> {
        let connection = connect(self.path(), &self.options)?;
        self.changing(&connection, |changes| {
            // Looked at inside the write transaction: no other process can add something between
            // the look and the load.
            let there = operations::contents(&connection)?;
            // Restored revisions and positions are those of the copy; beside others of the file's
            // own they would repeat.
            if how == LoadMode::Restore && !there.is_empty() {
                let Contents { entries, history, decisions, .. } = there;
                let records = history.bounds.next + decisions.bounds.next - 2;
                let cursors = history.cursors + decisions.cursors;
                return Err(StorageError::NotEmpty { entries, records, cursors }.into());
            }
            let mut loading = Loading {
                connection: &connection,
                limits: self.options.limits,
                changes,
                there,
                given: None,
                last: [None; Log::ALL.len()],
                lanes: [0; Log::ALL.len()],
                done: LoadSummary::default(),
                left_out: 0,
            };
            // Taken in as they come, so an export of any size needs the memory of one item. The
            // transaction makes it all or nothing.
            for item in items {
                loading.take(item?, how)?;
            }
            Ok(loading.finish()?)
        })
    }

    /// Changes everything in one transaction: all of it, or nothing if there is an error. Blocks,
    /// and keeps other writers waiting; readers see what was there before, until the end.
    ///
    /// A dry run visits the same items and changes nothing.
    ///
    /// # Errors
    /// Those of the visitor, and [`StorageError`]s.
    pub fn rewrite<E: From<StorageError>>(
        &self,
        dry_run: bool,
        mut each: impl FnMut(&StoreItem) -> Result<ItemChange, E>,
    ) -> Result<(), E> {
        // The same walk without a write lock, so that a rehearsal stops no writer.
        if dry_run {
            return self.dump(|item| each(&item).map(drop));
        }
        let connection = connect(self.path(), &self.options)?;
        self.changing(&connection, |changes| {
            let contents = operations::contents(&connection)?;
            each(&StoreItem::Contents(contents))?;
            walk(&connection, contents, |item| -> Result<(), E> {
                let change = each(&item)?;
                Ok(changes.rewrite(&item, change)?)
            })?;
            // What is left has sound revisions; none of them may be given again.
            changes.count_on()?;
            Ok(())
        })
    }

    /// One transaction that may be long.
    fn changing<'c, T, E: From<StorageError>>(
        &self,
        connection: &'c Connection,
        work: impl FnOnce(&mut Changes<'c>) -> Result<T, E>,
    ) -> Result<T, E> {
        // Writers of other processes wait meanwhile: that is the price of all or nothing.
        let label = self.options.label();
        let log = WriteAheadLog::new(self.path(), &self.options);
        log.make_room(connection)?;
        begin(connection, self.options.lock_timeout)?;
        let run = || {
            let mut changes = Changes::start(connection, &label)?;
            let result = work(&mut changes)?;
            changes.finish(&label)?;
            // Nothing is visible to others before this.
            connection.execute_batch("COMMIT").map_err(from_sqlite)?;
            if changes.appended {
                Hint::new(self.path()).give();
            }
            Ok(result)
        };
        let result = run();
        if !connection.is_autocommit() {
            // Closing the connection would roll back as well; this frees the lock now. Its own
            // error would hide the reason.
            let _ = connection.execute_batch("ROLLBACK");
        }
        // All of it went through the log.
        log.tidy(connection, true);
        result
    }
}

struct Loading<'l, 'c> {
    connection: &'c Connection,
    limits: StorageLimits,
    changes: &'l mut Changes<'c>,
    there: Contents,
    given: Option<Contents>,
    /// The last position of each log that was taken in.
    last: [Option<u64>; Log::ALL.len()],
    /// How many ends of lanes of each log came, sound and damaged.
    lanes: [u64; Log::ALL.len()],
    done: LoadSummary,
    /// Damaged values and cursors.
    left_out: u64,
}

impl Loading<'_, '_> {
    /// What comes first says how much follows; what follows has to fit.
    fn given(&self) -> Result<Contents, StorageError> {
        self.given.ok_or(StorageError::Import(ImportFault::NoContents))
    }

    fn take(&mut self, item: StoreItem, how: LoadMode) -> Result<(), StorageError> {
        match &item {
            // The limits hold for what comes from a file as well: whoever reads it back has the same.
            StoreItem::Entry(Entry { value, .. }) => self.limits.check_value(value.len())?,
            StoreItem::Record(log, record) => {
                self.limits.check_value(record.size())?;
                log.lanes().check(&[NewRecord::from(record.clone())])?;
            }
            StoreItem::Lane(log, _) => self.lanes[*log as usize] += 1,
            StoreItem::Contents(_) | StoreItem::Cursor(..) | StoreItem::Damaged(_) => {}
        }
        if let StoreItem::Damaged(damaged) = item {
            return self.damaged(&damaged, how);
        }
        match how {
            LoadMode::Restore => self.restore(item),
            LoadMode::Merge => self.merge(item),
        }
    }

    /// Refuses a record that does not follow the one before.
    fn follows(&mut self, log: Log, record: &JournalRecord) -> Result<(), StorageError> {
        // A gap in the records of a copy would become a gap of the journal, which promises to have
        // none.
        let expected = match self.last[log as usize] {
            Some(last) => last + 1,
            None => self.given()?.log(log).bounds.first,
        };
        if record.position != expected {
            return Err(ImportFault::Order { position: record.position, expected }.into());
        }
        self.last[log as usize] = Some(expected);
        Ok(())
    }

    /// Passes over what is damaged. A record keeps its position, so that cursors keep their places.
    fn damaged(&mut self, item: &DamagedItem, how: LoadMode) -> Result<(), StorageError> {
        self.given()?;
        self.done.damaged += 1;
        let (log, position) = match item.place {
            DamagedPlace::Record(log, position) => (log, position),
            DamagedPlace::Lane(log, _) => {
                self.lanes[log as usize] += 1;
                return Ok(());
            }
            DamagedPlace::Entry(_) | DamagedPlace::Cursor(..) => {
                self.left_out += 1;
                return Ok(());
            }
        };
        let empty = StoreItem::Record(log, JournalRecord::new(position, Vec::new()));
        match how {
            LoadMode::Restore => self.restore(empty),
            LoadMode::Merge => self.merge(empty),
        }
    }

    fn restore(&mut self, item: StoreItem) -> Result<(), StorageError> {
        match item {
            StoreItem::Contents(contents) => {
                self.given = Some(contents);
                self.changes.start_behind(contents.revision);
                for log in Log::ALL {
                    self.changes.start_at(log, contents.log(log).bounds.first);
                }
            }
            StoreItem::Entry(entry) => {
                // A revision above the counter would be given a second time later.
                let last = self.given()?.revision;
                if entry.revision > last {
                    let Entry { key, revision, .. } = entry;
                    return Err(ImportFault::Newer { key, revision, last }.into());
                }
                self.changes.insert(&entry.key, entry.revision, &entry.value)?;
                self.done.entries += 1;
            }
            StoreItem::Record(log, record) => {
                self.follows(log, &record)?;
                let record = NewRecord::from(record);
                let appended = self.changes.append(log, std::slice::from_ref(&record), &[])?;
                // A copy has each id of a lane once.
                if let Some((lane, id)) = record.identity().filter(|_| appended.repeated) {
                    let found = Some(appended.positions.start);
                    return Err(StorageError::duplicate_id(lane, id, found));
                }
                self.done.records += 1;
            }
            StoreItem::Lane(log, KeptLane { lane, last, ended }) => {
                let next = self.given()?.log(log).bounds.next;
                let record = self.changes.lane(log, &lane)?.last;
                // Its last records may be gone by a trim, or be damaged and left out, so it may end
                // behind those that came.
                if last >= next || record.is_some_and(|record| last < record) {
                    let record = record.filter(|_| last < next);
                    return Err(ImportFault::Lane { lane, last, record }.into());
                }
                self.done.lanes += u64::from(record.is_none());
                self.changes.move_lane(log, &lane, last, ended)?;
            }
            StoreItem::Cursor(log, cursor) => {
                self.given()?;
                self.changes.set_cursor(log, &cursor.name, cursor.position)?;
                self.done.cursors += 1;
            }
            // Taken before.
            StoreItem::Damaged(_) => {}
        }
        Ok(())
    }

    fn merge(&mut self, item: StoreItem) -> Result<(), StorageError> {
        match item {
            StoreItem::Contents(contents) => {
                self.given = Some(contents);
                for log in Log::ALL {
                    let (there, given) = (self.there.log_mut(log), contents.log(log));
                    // A log that never had a record or a reader goes on as the copy, whose positions
                    // then stay the same.
                    if there.is_untouched() {
                        let first = given.bounds.first;
                        there.bounds = Bounds::new(first, first);
                        self.changes.start_at(log, first);
                    } else if log == Log::Decisions && !given.is_untouched() {
                        return Err(ImportFault::Decisions.into());
                    }
                }
            }
            StoreItem::Entry(entry) => {
                self.given()?;
                let found = match operations::get(self.connection, &entry.key) {
                    // What is there and damaged is not sound because the copy is: see `repair`.
                    Err(StorageError::Damaged { .. }) => {
                        self.keep(false);
                        return Ok(());
                    }
                    found => found?,
                };
                match found {
                    None => {
                        self.changes.put(&entry.key, &entry.value, Expect::Absent)?;
                        self.changes.touch(&entry.key);
                        self.done.entries += 1;
                    }
                    // Merging adds and never overwrites: which of two values is right is not for a
                    // tool to say.
                    Some(there) => self.keep(there.value == entry.value),
                }
            }
            StoreItem::Record(log, record) => {
                self.follows(log, &record)?;
                self.merge_record(log, record.into())?;
                self.done.records += 1;
            }
            StoreItem::Lane(log, kept) => self.merge_lane(log, kept)?,
            StoreItem::Cursor(log, Cursor { name, position }) => {
                let first = self.given()?.log(log).bounds.first;
                let Bounds { first: own, next, .. } = self.there.log(log).bounds;
                // Records of the copy land behind those of the file, so its cursors move by the
                // same distance. One that was left behind by a trim has to learn it here, too: it
                // stands before the first record that is there.
                let position = match position.checked_sub(first) {
                    Some(distance) => next + distance,
                    None => own - 1,
                };
                match operations::cursor(self.connection, log, &name)? {
                    None => {
                        self.changes.set_cursor(log, &name, position)?;
                        self.done.cursors += 1;
                    }
                    Some(there) => self.keep(there == position),
                }
            }
            StoreItem::Damaged(_) => {}
        }
        Ok(())
    }

    fn merge_record(&mut self, log: Log, record: NewRecord) -> Result<(), StorageError> {
        if let Some((lane, id)) = record.identity()
            && operations::position_of(self.connection, log, lane, id)?.is_some()
        {
            // It keeps a place, so that the records around it and the cursors do.
            self.done.repeated += 1;
            return self.changes.append(log, &[NewRecord::new([])], &[]).map(drop);
        }
        self.changes.append(log, &[record], &[]).map(drop)
    }

    /// Takes in where a lane ends whose records were all trimmed; those with records were moved by them.
    fn merge_lane(
        &mut self,
        log: Log,
        KeptLane { lane, last, ended }: KeptLane,
    ) -> Result<(), StorageError> {
        let LogContents { bounds: Bounds { first, next, .. }, .. } = *self.given()?.log(log);
        if last >= next {
            return Err(ImportFault::Lane { lane, last, record: None }.into());
        }
        if self.changes.lane(log, &lane)?.last.is_some() {
            return Ok(());
        }
        let Bounds { first: own, next: behind, .. } = self.there.log(log).bounds;
        let last = match last.checked_sub(first) {
            // All of its records were damaged, and came as empty ones.
            Some(distance) => behind + distance,
            // Where positions stay the same, so do ends. Elsewhere nothing stands for it here, but that
            // the lane had records has to be known: who expects none is refused.
            None if behind == first => last,
            None => last.min(own - 1),
        };
        self.done.lanes += 1;
        self.changes.move_lane(log, &lane, last, ended)
    }

    fn keep(&mut self, same: bool) {
        self.done.kept += 1;
        self.done.differing += u64::from(!same);
    }

    fn finish(self) -> Result<LoadSummary, StorageError> {
        let given = self.given()?;
        let LoadSummary { entries, records, cursors, kept, .. } = self.done;
        // A copy that was cut off at the end looks sound line by line; only the count tells.
        let items = entries + records + cursors + kept + self.left_out;
        let announced = given.items();
        // A lane whose end was lost is told beside those that were counted.
        let expected: u64 = Log::ALL.map(|log| given.log(log).bounds.len()).iter().sum();
        let lanes = Log::ALL.map(|log| given.log(log).lanes);
        let missing = self.lanes.iter().zip(lanes).any(|(came, given)| *came < given);
        if items != announced || records != expected || missing {
            let came: u64 = self.lanes.iter().sum();
            let (items, announced) = (items + came, announced + lanes.iter().sum::<u64>());
            return Err(ImportFault::Count { items, announced }.into());
        }
        Ok(self.done)
    }
}

impl SqliteOptions {
    /// How a writer is named in the file.
    pub(super) fn label(&self) -> String {
        format!("{} (pid {})", self.writer, std::process::id())
    }
}
