//! Going on past values that are damaged.

use super::error::StorageError;
use super::key::Key;
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
