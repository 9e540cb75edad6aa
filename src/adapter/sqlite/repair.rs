//! Removing what is damaged.

use super::Sqlite;
use super::item::{DamagedItem, DamagedPlace, ItemChange, StoreItem};
use crate::storage::{Log, StorageError};
use std::collections::BTreeSet;
use std::sync::Arc;

impl Sqlite {
    /// Removes the values, records and cursors that are damaged, in one transaction, and tells each
    /// before it goes. Blocks, and keeps other writers waiting. A dry run tells the same and changes
    /// nothing.
    ///
    /// A value or cursor is removed; a record becomes empty, so that the others keep their positions,
    /// and one that is missing gets its place back. A record of the history that is no UTF-8 counts as
    /// damaged: it holds text. What the bytes of a sound value mean is not looked at: see
    /// [`Checkpoints::inspect`](crate::checkpoint::Checkpoints::inspect).
    ///
    /// ```
    /// use coordination_protocol::adapter::sqlite::{Sqlite, SqliteOptions};
    /// use coordination_protocol::storage::{Journal, StorageError, block_on};
    ///
    /// # let root = std::env::temp_dir().join(format!("coord-doc-repair-{}", std::process::id()));
    /// let file = Sqlite::open_in(&root, &SqliteOptions::new("repair"))?;
    /// block_on(file.append(&[&b"\xff"[..], b"WORKFLOW_RESUMED:wf:x:{}"]))?;
    /// let mut told = Vec::new();
    /// let gone = file.repair(false, |item| {
    ///     told.push(item.to_string());
    ///     Ok::<(), StorageError>(())
    /// })?;
    /// assert_eq!((gone, told[0].as_str()), (1, "record 1: it is no UTF-8"));
    /// assert!(block_on(file.read(1, 1))?[0].data.is_empty());
    /// # drop(file);
    /// # std::fs::remove_dir_all(root).unwrap();
    /// # Ok::<(), StorageError>(())
    /// ```
    ///
    /// # Errors
    /// Those of the visitor, after which nothing is changed, and [`StorageError`]s.
    pub fn repair<E: From<StorageError>>(
        &self,
        dry_run: bool,
        mut each: impl FnMut(&DamagedItem) -> Result<(), E>,
    ) -> Result<u64, E> {
        self.repair_where(dry_run, |item| each(item).map(|()| true))
    }

    /// Removes what is damaged in some places, and nothing else that may have been damaged since they
    /// were told. Returns how much it was.
    ///
    /// # Errors
    /// [`StorageError`]s, after which nothing is changed.
    pub fn repair_only(&self, places: &BTreeSet<DamagedPlace>) -> Result<u64, StorageError> {
        self.repair_where(false, |item| Ok(places.contains(&item.place)))
    }

    fn repair_where<E: From<StorageError>>(
        &self,
        dry_run: bool,
        mut goes: impl FnMut(&DamagedItem) -> Result<bool, E>,
    ) -> Result<u64, E> {
        let mut gone = 0;
        self.rewrite(dry_run, |item| {
            let damaged = match item {
                StoreItem::Damaged(damaged) => damaged,
                // Decisions are text or not as whoever decides has it.
                StoreItem::Record(log @ Log::History, record)
                    if std::str::from_utf8(&record.data).is_err() =>
                {
                    &DamagedItem {
                        place: DamagedPlace::Record(*log, record.position),
                        reason: "it is no UTF-8".to_owned(),
                        data: Some(Arc::clone(&record.data)),
                        row: None,
                    }
                }
                _ => return Ok(ItemChange::Keep),
            };
            if !goes(damaged)? {
                return Ok(ItemChange::Keep);
            }
            gone += 1;
            Ok::<_, E>(ItemChange::Remove)
        })?;
        Ok(gone)
    }
}
