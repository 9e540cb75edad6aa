//! Dead letters.

use super::tally::Tally;
use super::{Head, Listed, PAGE, given, key, list, stored};
use crate::message::{DeadLetter, Envelope, MessageKind, peek};
use crate::scalar::{Digest, TextEncoding, WallTime};
use crate::storage::{Entry, Expect, Key, KeyRevision, StorageError, Store, StoreScan};
use base64ct::{Base64, Encoding as _};
use std::time::Duration;

pub(super) const PREFIX: &str = "dead-letter";

/// Messages that could not be delivered, with the evidence (specification, Publish-Subscribe
/// Pattern: dead letter handling).
///
/// Letters are ordered by when they were added, also if the clock is set back in between. There are
/// no more than a number of them, and none is older than an age; the oldest go first, and
/// [`add`](Self::add) returns what went. What was just added stays. Adding one costs the same however
/// many there are: their number is written beside them, and counted anew now and then. A letter holds
/// the message as it was received, so what is replayed has the ids that it had, and receivers can
/// tell that they know it.
///
/// To replay without losing anything, [`get`](Self::get) a letter, deliver its
/// [`original`](StoredLetter::original), and [`remove`](Self::remove) it; to replay at most once,
/// [`take`](Self::take) it.
///
/// ```
/// use coordination_protocol::scalar::WallTime;
/// use coordination_protocol::storage::view::DeadLetters;
/// use coordination_protocol::storage::{MemoryStore, StorageError, block_on};
///
/// let text = r#"{"dead_letter":{"reason":"no such phase","original":"PHASE_STARTED:wf:x:{}","attempts":3,"died_at":"2025-01-15T12:00:00Z"}}"#;
/// let now = WallTime::from(1_736_942_400_000);
/// block_on(async {
///     let letters = DeadLetters::new(MemoryStore::new()).with_max_count(100);
///     let added = letters.add(text, now).await?;
///     assert!(added.evicted.is_empty());
///     let taken = letters.take(&added.letter.key).await?.unwrap();
///     assert_eq!(taken.original()?, b"PHASE_STARTED:wf:x:{}");
///     assert!(letters.list(None, 10).await?.items.is_empty());
///     Ok::<(), StorageError>(())
/// })?;
/// # Ok::<(), StorageError>(())
/// ```
#[doc(alias = "dead letter")]
#[doc(alias = "DLQ")]
#[doc(alias = "dead letter queue")]
#[derive(Clone, Debug)]
pub struct DeadLetters<S> {
    store: S,
    max_count: usize,
    max_age: Option<Duration>,
}

/// A letter as it stands in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredLetter {
    /// Its key, which names it.
    pub key: Key,
    /// The message as it was written.
    pub text: String,
    /// The letter, typed.
    pub letter: DeadLetter,
}

/// A letter that was added, and those that went for it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AddedLetter {
    /// The letter that was added.
    pub letter: StoredLetter,
    /// The letters that were too many or too old, the oldest first. They are in the store no more.
    pub evicted: Vec<EvictedLetter>,
}

/// A letter that was removed to keep to a bound.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EvictedLetter {
    /// The key that it had.
    pub key: Key,
    /// The letter, or why it could not be read.
    pub letter: Result<StoredLetter, StorageError>,
}

impl StoredLetter {
    fn read(entry: &Entry) -> Result<Self, StorageError> {
        let (_, text, letter) = stored::<DeadLetter>(entry, Head::Nothing)?;
        Ok(StoredLetter { key: entry.key.clone(), text: text.to_owned(), letter })
    }

    /// The bytes that could not be delivered, as they were received.
    ///
    /// # Errors
    /// [`Damaged`](StorageError::Damaged) if they are not written in the encoding that the letter
    /// names.
    pub fn original(&self) -> Result<Vec<u8>, StorageError> {
        let text = &self.letter.original;
        match &self.letter.encoding {
            None | Some(TextEncoding::Utf8) => Ok(text.as_bytes().to_vec()),
            Some(TextEncoding::Base64) => {
                Base64::decode_vec(text).map_err(|error| StorageError::damaged(&self.key, error))
            }
            Some(other) => {
                let reason = format!("the encoding `{other}` is not known");
                Err(StorageError::damaged(&self.key, reason))
            }
        }
    }
}

impl<S: Store> DeadLetters<S> {
    /// At most 1,000 letters in a store, of any age.
    pub const fn new(store: S) -> Self {
        DeadLetters { store, max_count: 1_000, max_age: None }
    }

    /// Sets how many letters are kept. The one that is added last always is.
    pub const fn with_max_count(mut self, letters: usize) -> Self {
        self.max_count = letters;
        self
    }

    /// Sets how old a letter may get.
    pub const fn with_max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    /// Adds a letter at a time, removes those that are too many or too old by then, and returns them.
    /// The same letter at the same time is added once. The one that is added stays, even if the clock
    /// was set back or no letter may be kept.
    ///
    /// # Errors
    /// [`LetterAboutLetter`](StorageError::LetterAboutLetter); [`Refused`](StorageError::Refused).
    pub async fn add(
        &self,
        text: &str,
        now: impl Into<WallTime>,
    ) -> Result<AddedLetter, StorageError> {
        let letter = given::<DeadLetter>(text)?;
        let now = millis_of(now.into())?;
        let tally = Tally::ready(&self.store).await?;
        // The time sorts, the digest tells letters of one millisecond apart and makes adding the
        // same one twice harmless. 16 digits are enough for that.
        let digest = Digest::of(text.as_bytes());
        let digest = digest.as_str().trim_start_matches("sha256:");
        let name = |millis: u64| key([PREFIX, &format!("{millis:015}-{}", &digest[..16])]);
        let (mut millis, mut key) = (now, name(now)?);
        if now < tally.newest {
            // A clock that was set back would put the newest in front, where it is the next to go.
            // The last one may be this one, of which the writer does not know that it was added.
            (millis, key) = (tally.newest, name(tally.newest)?);
            if self.store.get(&key).await?.is_none() {
                (millis, key) = (millis + 1, name(millis + 1)?);
            }
        }
        let letter = StoredLetter { key, text: text.to_owned(), letter };
        let about = String::from_utf8_lossy(&letter.original()?).into_owned();
        // A letter that cannot be delivered would make a letter about it, and so on without end.
        if peek(&about).kind == MessageKind::DeadLetter {
            return Err(StorageError::LetterAboutLetter);
        }
        match self.store.put(&letter.key, text.as_bytes(), Expect::Absent).await {
            Ok(_) => {}
            Err(StorageError::Conflict { .. }) => {
                return Ok(AddedLetter { letter, evicted: Vec::new() });
            }
            Err(error) => return Err(error),
        }
        // After the write: a full box must not refuse the newest, which is the one that is looked
        // for.
        let surplus = (tally.count + 1).saturating_sub(self.max_count as u64);
        let evicted = self.evict(surplus, now, Some(&letter.key)).await;
        let went = evicted.as_ref().map_or(0, |evicted| evicted.len() as u64);
        Tally::change(&self.store, 1, went, millis).await?;
        Ok(AddedLetter { letter, evicted: evicted? })
    }

    /// As [`add`](Self::add), for a letter that is typed already, such as one that
    /// [`DeadLetter::of`] made or a machine gave: it is printed as every message is.
    ///
    /// # Errors
    /// Those of [`add`](Self::add).
    pub async fn add_letter(
        &self,
        letter: DeadLetter,
        now: impl Into<WallTime>,
    ) -> Result<AddedLetter, StorageError> {
        self.add(&Envelope::from(letter).to_string(), now).await
    }

    /// Counts the letters, removes those that are too many or too old, and returns them.
    #[doc(alias = "eviction")]
    #[doc(alias = "retention")]
    pub async fn prune(
        &self,
        now: impl Into<WallTime>,
    ) -> Result<Vec<EvictedLetter>, StorageError> {
        let mut tally = Tally::counted(&self.store).await?;
        let surplus = tally.count.saturating_sub(self.max_count as u64);
        let evicted = self.evict(surplus, millis_of(now.into())?, None).await?;
        tally.count -= evicted.len() as u64;
        tally.put(&self.store, Expect::Any).await?;
        Ok(evicted)
    }

    /// Removes a number of the oldest, and all that are too old. If the store fails on the way, what
    /// went by then is still told.
    async fn evict(
        &self,
        surplus: u64,
        now: u64,
        stays: Option<&Key>,
    ) -> Result<Vec<EvictedLetter>, StorageError> {
        // Keys start with the time, so the surplus is at the front, and age is a comparison of keys.
        let oldest = match self.max_age {
            Some(age) => {
                let age = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
                Some(key([PREFIX, &format!("{:015}", now.saturating_sub(age))])?)
            }
            None => None,
        };
        let mut evicted = Vec::new();
        let mut scan = StoreScan::new(format!("{PREFIX}/"));
        loop {
            // Mostly one goes for one that came, so few keys are asked for.
            let left = surplus.saturating_sub(evicted.len() as u64);
            scan.limit = usize::try_from(left).unwrap_or(PAGE).clamp(1, PAGE) + 1;
            let page = match self.store.keys(&scan).await {
                Ok(page) => page,
                Err(error) if evicted.is_empty() => return Err(error),
                Err(_) => return Ok(evicted),
            };
            for KeyRevision { key, .. } in &page.keys {
                if Some(key) == stays {
                    continue;
                }
                let too_old = oldest.as_ref().is_some_and(|oldest| key < oldest);
                if evicted.len() as u64 >= surplus && !too_old {
                    return Ok(evicted);
                }
                // Read before it goes, so that it can be told; a damaged one goes like the others.
                let letter = match self.get(key).await {
                    Ok(None) => continue,
                    Ok(Some(letter)) => Ok(letter),
                    Err(error) => Err(error),
                };
                match self.store.delete(key, Expect::Any).await {
                    Ok(true) => evicted.push(EvictedLetter { key: key.clone(), letter }),
                    // Another one evicted it; then the next is the oldest.
                    Ok(false) => {}
                    Err(error) if evicted.is_empty() => return Err(error),
                    Err(_) => return Ok(evicted),
                }
            }
            if !page.more || page.keys.is_empty() {
                return Ok(evicted);
            }
            scan.after = page.keys.last().map(|last| last.key.clone());
        }
    }

    /// A letter by its key.
    pub async fn get(&self, key: &Key) -> Result<Option<StoredLetter>, StorageError> {
        let found = self.store.get(&checked(key)?).await?;
        found.as_ref().map(StoredLetter::read).transpose()
    }

    /// Up to `limit` letters, the oldest first, behind one of them.
    pub async fn list(
        &self,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Listed<StoredLetter>, StorageError> {
        list(&self.store, PREFIX, after, limit, StoredLetter::read).await
    }

    /// Takes a letter out; none if it is not there, or another one took it.
    pub async fn take(&self, key: &Key) -> Result<Option<StoredLetter>, StorageError> {
        let key = checked(key)?;
        let Some(entry) = self.store.get(&key).await? else { return Ok(None) };
        // Read before it is removed: a letter that cannot be read stays, so that a person can look
        // at it.
        let letter = StoredLetter::read(&entry)?;
        match self.store.delete(&key, Expect::Revision(entry.revision)).await {
            Ok(gone) => {
                self.went(gone).await;
                Ok(gone.then_some(letter))
            }
            Err(StorageError::Conflict { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Removes a letter and tells whether it was there. It need not be readable.
    pub async fn remove(&self, key: &Key) -> Result<bool, StorageError> {
        let gone = self.store.delete(&checked(key)?, Expect::Any).await?;
        self.went(gone).await;
        Ok(gone)
    }

    /// Notes that a letter was removed. It is, whatever comes now; the next count puts it right.
    async fn went(&self, gone: bool) {
        let _ = Tally::change(&self.store, 0, u64::from(gone), 0).await;
    }
}

pub(super) fn check(entry: &Entry) -> Result<(), StorageError> {
    StoredLetter::read(entry)?.original().map(drop)
}

/// The time in a key, in milliseconds since 1970.
pub(super) fn millis_in(key: &Key) -> Option<u64> {
    key.segments().nth(1)?.split('-').next()?.parse().ok()
}

fn millis_of(now: WallTime) -> Result<u64, StorageError> {
    u64::try_from(now.unix_millis()).map_err(|_| StorageError::Refused {
        kind: MessageKind::DeadLetter,
        reason: format!("`{now}` is no time since 1970"),
    })
}

/// A key of a letter; another view's entries are out of reach.
fn checked(key: &Key) -> Result<Key, StorageError> {
    // A key may come from a command line; it must not remove a state.
    match key.segments().next().as_deref() {
        Some(PREFIX) => Ok(key.clone()),
        _ => Err(StorageError::damaged(key, "it is no key of a dead letter")),
    }
}
