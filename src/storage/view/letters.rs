//! Dead letters.

use super::{Head, Listed, given, key, keys_below, list, stored};
use crate::message::{DeadLetter, MessageKind, peek};
use crate::scalar::{Digest, TextEncoding, Timestamp};
use crate::storage::{Entry, Expect, Key, StorageError, Store};
use base64ct::{Base64, Encoding as _};
use std::time::Duration;

pub(super) const PREFIX: &str = "dead-letter";

/// Messages that could not be delivered, with the evidence (specification, Publish-Subscribe
/// Pattern: dead letter handling).
///
/// Letters are ordered by when they were added. There are never more than a number of them, and
/// none is older than an age; the oldest go first. To see to that, each addition looks at all of
/// them, so keep their number to thousands. A letter holds the message as it was received,
/// so what is replayed has the ids that it had, and receivers can tell that they know it.
///
/// To replay without losing anything, [`get`](Self::get) a letter, deliver its
/// [`original`](StoredLetter::original), and [`remove`](Self::remove) it; to replay at most once,
/// [`take`](Self::take) it.
///
/// ```
/// use coordination_protocol::scalar::Timestamp;
/// use coordination_protocol::storage::view::DeadLetters;
/// use coordination_protocol::storage::{MemoryStore, StorageError, block_on};
///
/// let text = r#"{"dead_letter":{"reason":"no such phase","original":"PHASE_STARTED:wf:x:{}","attempts":3,"died_at":"2025-01-15T12:00:00Z"}}"#;
/// let now: Timestamp = "2025-01-15T12:00:00Z".parse().unwrap();
/// block_on(async {
///     let letters = DeadLetters::new(MemoryStore::new()).with_max_count(100);
///     let added = letters.add(text, &now).await?;
///     let taken = letters.take(&added.key).await?.unwrap();
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

    /// Sets how many letters are kept.
    pub const fn with_max_count(mut self, letters: usize) -> Self {
        self.max_count = letters;
        self
    }

    /// Sets how old a letter may get.
    pub const fn with_max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    /// Adds a letter at a time, and removes those that are too many or too old by then. The same
    /// letter at the same time is added once.
    ///
    /// # Errors
    /// [`LetterAboutLetter`](StorageError::LetterAboutLetter); [`Refused`](StorageError::Refused).
    pub async fn add(&self, text: &str, now: &Timestamp) -> Result<StoredLetter, StorageError> {
        let letter = given::<DeadLetter>(text)?;
        let millis = millis_of(now)?;
        // The time sorts, the digest tells letters of one millisecond apart and makes adding the
        // same one twice harmless. 16 digits are enough for that.
        let digest = Digest::of(text.as_bytes());
        let digest = digest.as_str().trim_start_matches("sha256:");
        let key = key([PREFIX, &format!("{millis:015}-{}", &digest[..16])])?;
        let new = StoredLetter { key, text: text.to_owned(), letter };
        let about = String::from_utf8_lossy(&new.original()?).into_owned();
        // A letter that cannot be delivered would make a letter about it, and so on without end.
        if peek(&about).kind == MessageKind::DeadLetter {
            return Err(StorageError::LetterAboutLetter);
        }
        self.store.put(&new.key, text.as_bytes(), Expect::Any).await?;
        // After the write: a full box must not refuse the newest, which is the one that is looked
        // for.
        self.prune(now).await?;
        Ok(new)
    }

    /// Removes the letters that are too many or too old, and returns how many there were.
    #[doc(alias = "eviction")]
    #[doc(alias = "retention")]
    pub async fn prune(&self, now: &Timestamp) -> Result<u64, StorageError> {
        let entries = keys_below(&self.store, PREFIX).await?;
        // Keys start with the time, so the surplus is at the front, and age is a comparison of
        // keys. No letter has to be read, so a damaged one goes like the others.
        let surplus = entries.len().saturating_sub(self.max_count);
        let oldest = match self.max_age {
            Some(age) => {
                let age = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
                Some(key([PREFIX, &format!("{:015}", millis_of(now)?.saturating_sub(age))])?)
            }
            None => None,
        };
        let mut gone = 0;
        for (index, entry) in entries.iter().enumerate() {
            if index < surplus || oldest.as_ref().is_some_and(|oldest| entry.key < *oldest) {
                gone += u64::from(self.store.delete(&entry.key, Expect::Any).await?);
            }
        }
        Ok(gone)
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
            Ok(gone) => Ok(gone.then_some(letter)),
            Err(StorageError::Conflict { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Removes a letter and tells whether it was there. It need not be readable.
    pub async fn remove(&self, key: &Key) -> Result<bool, StorageError> {
        self.store.delete(&checked(key)?, Expect::Any).await
    }
}

fn millis_of(now: &Timestamp) -> Result<u64, StorageError> {
    let millis = now.unix_millis().and_then(|millis| u64::try_from(millis).ok());
    millis.ok_or_else(|| StorageError::Refused {
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
