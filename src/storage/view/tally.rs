//! How many letters there are, without counting them for each one that is added.

use super::letters::{PREFIX, millis_in};
use super::{ATTEMPTS, keys_below};
use crate::storage::{Expect, Key, StorageError, Store};
use serde::{Deserialize, Serialize};

/// Where it stands: beside the letters, not among them.
const KEY: &str = "dead-letter-tally";

/// How many letters may come and go on one count, besides as many as there are.
const CHANGES: u64 = 256;

/// What is known of the letters. A process that dies between a letter and its tally leaves it one off;
/// so letters are counted anew after as many changes as there are letters, which costs each of them a
/// constant share.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Tally {
    pub(super) count: u64,
    /// The time of the newest key, in milliseconds since 1970.
    pub(super) newest: u64,
    /// How many letters came and went since they were counted.
    changes: u64,
}

impl Tally {
    /// What is written; counted first if nothing is, or a count is due.
    pub(super) async fn ready<S: Store>(store: &S) -> Result<Self, StorageError> {
        let (tally, expect, counted) = Tally::read(store).await?;
        if counted {
            match tally.put(store, expect).await {
                // Another one counted meanwhile.
                Ok(()) | Err(StorageError::Conflict { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(tally)
    }

    /// The third value says that it was counted just now.
    async fn read<S: Store>(store: &S) -> Result<(Self, Expect, bool), StorageError> {
        let (written, expect) = match store.get(&key()?).await {
            Ok(None) => (None, Expect::Absent),
            Ok(Some(entry)) => {
                (serde_json::from_slice(&entry.value).ok(), Expect::Revision(entry.revision))
            }
            // It is only a count; it is counted again.
            Err(StorageError::Damaged { .. } | StorageError::Corrupt { .. }) => (None, Expect::Any),
            Err(error) => return Err(error),
        };
        let sound = |tally: &Tally| tally.changes <= tally.count.max(CHANGES);
        match written.filter(sound) {
            Some(tally) => Ok((tally, expect, false)),
            None => Ok((Tally::counted(store).await?, expect, true)),
        }
    }

    /// Counts the keys.
    pub(super) async fn counted<S: Store>(store: &S) -> Result<Self, StorageError> {
        let keys = keys_below(store, PREFIX).await?;
        let newest = keys.last().and_then(|last| millis_in(&last.key)).unwrap_or(0);
        Ok(Tally { count: keys.len() as u64, newest, changes: 0 })
    }

    /// Writes what is known.
    pub(super) async fn put<S: Store>(
        &self,
        store: &S,
        expect: Expect,
    ) -> Result<(), StorageError> {
        let bytes = serde_json::to_vec(self).unwrap_or_default();
        store.put(&key()?, &bytes, expect).await.map(drop)
    }

    /// Notes that letters came and went.
    pub(super) async fn change<S: Store>(
        store: &S,
        came: u64,
        went: u64,
        newest: u64,
    ) -> Result<(), StorageError> {
        if came + went == 0 {
            return Ok(());
        }
        for _ in 0..ATTEMPTS {
            let (mut tally, expect, counted) = Tally::read(store).await?;
            // What was counted just now counts them already.
            if !counted {
                tally.count = (tally.count + came).saturating_sub(went);
                tally.changes += came + went;
                tally.newest = tally.newest.max(newest);
            }
            match tally.put(store, expect).await {
                Err(StorageError::Conflict { .. }) => {}
                written => return written,
            }
        }
        // Others were faster each time: it is taken away, and the next one counts.
        store.delete(&key()?, Expect::Any).await.map(drop)
    }
}

pub(super) fn key() -> Result<Key, StorageError> {
    Key::of([KEY])
}
