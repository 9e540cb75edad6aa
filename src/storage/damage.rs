//! Going on past values and records that are damaged.

use super::error::StorageError;
use super::journal::Journal;
use super::key::Key;
use super::record::JournalRecord;
use super::store::{Entry, Page, Store, StoreScan};
use crate::scalar::printable;
use std::fmt;

/// A value that is not what was written, or not what its key demands.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DamagedValue {
    /// Its key.
    pub key: Key,
    /// What is wrong with it.
    pub reason: String,
    /// The revision of the value, if it is known.
    pub revision: Option<u64>,
}

impl DamagedValue {
    /// Says what is wrong with the value of a key.
    pub fn new(key: Key, reason: impl Into<String>) -> Self {
        DamagedValue { key, reason: reason.into(), revision: None }
    }

    /// Sets the revision.
    pub(crate) const fn at(mut self, revision: u64) -> Self {
        self.revision = Some(revision);
        self
    }

    /// The damage that an error of reading one key tells, or the error.
    ///
    /// # Errors
    /// What says nothing about this value, such as a store that cannot be reached.
    pub(crate) fn from_error(key: &Key, error: StorageError) -> Result<Self, StorageError> {
        match error {
            StorageError::Damaged { key, reason } => Ok(DamagedValue::new(key, reason)),
            StorageError::Corrupt { detail, .. } => Ok(DamagedValue::new(key.clone(), detail)),
            other => Err(other),
        }
    }
}

impl fmt::Display for DamagedValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let DamagedValue { key, reason, .. } = self;
        let (key, reason) = (printable(key), printable(reason));
        write!(f, "`{key}` is damaged or not of this protocol: {reason}")
    }
}

impl From<DamagedValue> for StorageError {
    fn from(DamagedValue { key, reason, .. }: DamagedValue) -> Self {
        StorageError::Damaged { key, reason }
    }
}

/// Some of the entries of a scan, with those that are damaged named instead of in the way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SoundPage {
    /// The entries that can be read, in order.
    pub entries: Vec<Entry>,
    /// Those that cannot, in order.
    pub damaged: Vec<DamagedValue>,
    /// The last key that was looked at, which the next page goes on behind; none if nothing follows.
    pub next: Option<Key>,
}

/// A page of a scan that goes on past damaged values, which it names.
///
/// Costs one [`Store::scan`] where all is sound. Where it is not, the keys are listed and each is
/// read alone.
///
/// ```
/// use coordination_protocol::storage::{
///     Expect, Key, MemoryStore, StorageError, Store, StoreScan, block_on, scan_past_damage,
/// };
///
/// block_on(async {
///     let store = MemoryStore::new();
///     store.put(&Key::of(["state", "wf_001"])?, b"1", Expect::Any).await?;
///     let page = scan_past_damage(&store, &StoreScan::new("state/")).await?;
///     assert_eq!((page.entries.len(), page.damaged.len(), page.next), (1, 0, None));
///     Ok::<(), StorageError>(())
/// })?;
/// # Ok::<(), StorageError>(())
/// ```
///
/// # Errors
/// Those of the store, but for damage to values.
pub async fn scan_past_damage<S: Store>(
    store: &S,
    scan: &StoreScan,
) -> Result<SoundPage, StorageError> {
    match store.scan(scan).await {
        Ok(Page { entries, more }) => {
            let next = entries.last().filter(|_| more).map(|entry| entry.key.clone());
            return Ok(SoundPage { entries, damaged: Vec::new(), next });
        }
        Err(StorageError::Damaged { .. } | StorageError::Corrupt { .. }) => {}
        Err(error) => return Err(error),
    }
    // If the structure itself is broken, this fails as well: then no key can be told from another.
    let found = store.keys(scan).await?;
    let next = found.keys.last().filter(|_| found.more).map(|found| found.key.clone());
    let mut page = SoundPage { next, ..SoundPage::default() };
    let mut bytes = 0;
    for found in found.keys {
        match store.get(&found.key).await {
            Ok(Some(entry)) => {
                bytes += entry.value.len();
                page.entries.push(entry);
            }
            // Removed since the keys were listed.
            Ok(None) => {}
            Err(error) => {
                let damaged = DamagedValue::from_error(&found.key, error)?;
                page.damaged.push(damaged.at(found.revision));
            }
        }
        // As a page of the store: one that is read key by key must not hold more.
        if bytes > store.limits().page_bytes {
            page.next = Some(found.key);
            break;
        }
    }
    Ok(page)
}

/// A record that is not what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DamagedRecord {
    /// Its position.
    pub position: u64,
    /// What is wrong with it.
    pub reason: String,
}

/// Some of the records of a journal, with those that are damaged named instead of in the way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SoundRecords {
    /// The records that can be read, in order.
    pub records: Vec<JournalRecord>,
    /// Those that cannot, in order.
    pub damaged: Vec<DamagedRecord>,
    /// The position to go on at.
    pub next: u64,
}

/// Up to `limit` records from a position on, past those that are damaged, which it names.
///
/// Costs one [`Journal::read`] where all is sound. Where it is not, each record is read alone.
///
/// ```
/// use coordination_protocol::storage::{
///     Journal, MemoryJournal, StorageError, block_on, read_past_damage,
/// };
///
/// block_on(async {
///     let journal = MemoryJournal::new();
///     journal.append(&[b"one", b"two"]).await?;
///     let page = read_past_damage(&journal, 1, 100).await?;
///     assert_eq!((page.records.len(), page.damaged.len(), page.next), (2, 0, 3));
///     Ok::<(), StorageError>(())
/// })?;
/// # Ok::<(), StorageError>(())
/// ```
///
/// # Errors
/// Those of [`Journal::read`], but for damage to records. A journal none of whose records can be read is
/// broken as a whole, and told as that.
pub async fn read_past_damage<J: Journal>(
    journal: &J,
    from: u64,
    limit: usize,
) -> Result<SoundRecords, StorageError> {
    let from = from.max(1);
    let is_damage = |error: &StorageError| {
        matches!(error, StorageError::DamagedRecord { .. } | StorageError::Corrupt { .. })
    };
    let failed = match journal.read(from, limit).await {
        Err(error) if is_damage(&error) => error,
        read => {
            let records = read?;
            let next = records.last().map_or(from, |last| last.position + 1);
            return Ok(SoundRecords { records, damaged: Vec::new(), next });
        }
    };
    let mut page = SoundRecords { next: from, ..SoundRecords::default() };
    let mut bytes = 0;
    let end = journal.bounds().await?.next.min(from.saturating_add(limit as u64));
    for position in from..end {
        match journal.read(position, 1).await {
            Err(error) if is_damage(&error) => {
                let reason = match error {
                    StorageError::DamagedRecord { reason, .. } => reason,
                    other => other.to_string(),
                };
                page.damaged.push(DamagedRecord { position, reason });
            }
            read => {
                let read = read?;
                bytes += read.iter().map(|record| record.data.len()).sum::<usize>();
                page.records.extend(read);
            }
        }
        page.next = position + 1;
        // As a page of the journal: one that is read record by record must not hold more.
        if bytes > journal.limits().page_bytes {
            break;
        }
    }
    // To pass over all of it would lose it.
    let whole = matches!(failed, StorageError::Corrupt { .. }) && page.records.is_empty();
    if whole || page.damaged.is_empty() && page.records.is_empty() {
        return Err(failed);
    }
    Ok(page)
}
