//! Grants that have ended, so that none is given a second time.

use super::{ATTEMPTS, key, keys_below};
use crate::scalar::AllocationId;
use crate::storage::{Expect, Key, StorageError, Store};
use serde::{Deserialize, Serialize};

/// The grant, with the number of its end.
const ENDED: &str = "allocation-ended";
/// The number, with the grant: what is forgotten first.
const ORDER: &str = "allocation-ended-order";
const TALLY: &str = "allocation-ended-tally";

/// How many are forgotten at once, at most, so that no release takes long.
const FORGOTTEN: usize = 16;

/// The numbers that are in use: from the first to before the next.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Tally {
    first: u64,
    next: u64,
}

/// Whether a grant is remembered as ended.
pub(super) async fn has_ended<S: Store>(
    store: &S,
    allocation: &AllocationId,
) -> Result<bool, StorageError> {
    match store.get(&key([ENDED, allocation.as_str()])?).await {
        // That there is one says all.
        Err(StorageError::Damaged { .. }) => Ok(true),
        found => Ok(found?.is_some()),
    }
}

/// Remembers the end of a grant.
pub(super) async fn note<S: Store>(
    store: &S,
    allocation: &AllocationId,
) -> Result<(), StorageError> {
    if has_ended(store, allocation).await? {
        return Ok(());
    }
    let number = change(store, |tally| tally.next += 1).await?.next - 1;
    // The order first: a process that dies in between leaves a number that leads nowhere, and not an
    // end that is never forgotten.
    store.put(&order(number)?, allocation.as_str().as_bytes(), Expect::Any).await?;
    let ended = key([ENDED, allocation.as_str()])?;
    store.put(&ended, number.to_string().as_bytes(), Expect::Any).await.map(drop)
}

/// Forgets the oldest ends beyond a number.
pub(super) async fn forget<S: Store>(store: &S, max: usize) -> Result<(), StorageError> {
    for _ in 0..FORGOTTEN {
        let (Tally { first, next }, _) = read(store).await?;
        if next - first <= max as u64 {
            break;
        }
        let place = order(first)?;
        let named = match store.get(&place).await {
            Err(StorageError::Damaged { .. }) => None,
            found => found?,
        };
        let text = named.and_then(|entry| String::from_utf8(entry.value.to_vec()).ok());
        if let Some(text) = text {
            let ended = key([ENDED, &text])?;
            // Only if it is the end of this number: another one may have noted it again.
            if let Ok(Some(entry)) = store.get(&ended).await
                && *entry.value == *first.to_string().as_bytes()
            {
                match store.delete(&ended, Expect::Revision(entry.revision)).await {
                    Ok(_) | Err(StorageError::Conflict { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        store.delete(&place, Expect::Any).await?;
        // Of two that forget the same one, one moves on.
        change(store, |tally| tally.first = tally.first.max(first + 1)).await?;
    }
    Ok(())
}

async fn read<S: Store>(store: &S) -> Result<(Tally, Expect), StorageError> {
    let (written, expect) = match store.get(&key([TALLY])?).await {
        Ok(None) => (None, Expect::Absent),
        Ok(Some(entry)) => {
            (serde_json::from_slice(&entry.value).ok(), Expect::Revision(entry.revision))
        }
        Err(StorageError::Damaged { .. } | StorageError::Corrupt { .. }) => (None, Expect::Any),
        Err(error) => return Err(error),
    };
    let sound = |tally: &Tally| tally.first <= tally.next;
    if let Some(tally) = written.filter(sound) {
        return Ok((tally, expect));
    }
    let keys = keys_below(store, ORDER).await?;
    let number = |key: &Key| key.segments().nth(1)?.parse::<u64>().ok();
    let first = keys.first().and_then(|found| number(&found.key)).unwrap_or(0);
    let last = keys.last().and_then(|found| number(&found.key));
    Ok((Tally { first, next: last.map_or(first, |last| last + 1) }, expect))
}

async fn change<S: Store>(store: &S, change: impl Fn(&mut Tally)) -> Result<Tally, StorageError> {
    let place = key([TALLY])?;
    for _ in 0..ATTEMPTS {
        let (mut tally, expect) = read(store).await?;
        change(&mut tally);
        let bytes = serde_json::to_vec(&tally).unwrap_or_default();
        match store.put(&place, &bytes, expect).await {
            Err(StorageError::Conflict { .. }) => {}
            written => return written.map(|_| tally),
        }
    }
    Err(StorageError::Contended { key: place, attempts: ATTEMPTS })
}

fn order(number: u64) -> Result<Key, StorageError> {
    key([ORDER, &format!("{number:020}")])
}
