//! What can go wrong.

use super::key::{Key, StoreKeyError};
use super::store::Expect;
use crate::error::leaf_errors;
use crate::scalar::{ErrorScope, Severity};
use std::time::Duration;

/// Why an operation was not done.
///
/// [`code`](Self::code) gives a word for programs that never changes; the sentence is for
/// people.
///
/// ```
/// use coordination_protocol::storage::StorageError;
/// use std::time::Duration;
///
/// let error = StorageError::Busy {
///     waited: Duration::from_millis(5020),
///     writer: Some("resource-manager (pid 4242)".to_owned()),
/// };
/// assert_eq!(error.code(), "busy");
/// assert!(error.is_transient());
/// assert_eq!(
///     error.to_string(),
///     "the store was locked for 5020 ms; `resource-manager (pid 4242)` wrote last",
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// No key can be made of what was given.
    #[error(transparent)]
    Key(#[from] StoreKeyError),
    /// The key is not as the writer expected: another one was faster.
    #[error("`{key}` has {}, expected {expected}", revision(*found))]
    Conflict {
        /// The key.
        key: Key,
        /// What the writer expected.
        expected: Expect,
        /// The revision that the key has, if it is there.
        found: Option<u64>,
    },
    /// The cursor is not where the reader expected: another one moved it.
    #[error("cursor `{name}` is {}, expected {}", place(*found), place(*expected))]
    CursorMoved {
        /// The cursor.
        name: Key,
        /// Where the reader expected it, if anywhere.
        expected: Option<u64>,
        /// Where it is, if it is there.
        found: Option<u64>,
    },
    /// A cursor cannot stand outside the journal.
    #[error("position {position} is outside the journal, which spans {first} to {next}")]
    OutOfRange {
        /// The position that was asked for.
        position: u64,
        /// The first position that is still there.
        first: u64,
        /// The position that the next record gets.
        next: u64,
    },
    /// The records were trimmed away.
    #[error("position {from} was trimmed; the journal starts at {first}")]
    Trimmed {
        /// The position that was asked for.
        from: u64,
        /// The first position that is still there.
        first: u64,
    },
    /// More than a limit allows.
    #[error("{what} has {size} {unit}, at most {limit} are allowed")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// What is counted.
        unit: &'static str,
        /// How many there are.
        size: usize,
        /// How many may be.
        limit: usize,
    },
    /// Others held the lock for too long.
    #[error(
        "the store was locked for {} ms; {}", waited.as_millis(),
        writer.as_ref().map_or_else(|| "who wrote last is not known".to_owned(), |writer| format!("`{writer}` wrote last"))
    )]
    Busy {
        /// How long the operation waited.
        waited: Duration,
        /// Who wrote last, if that is known. It need not be who holds the lock.
        writer: Option<String>,
    },
    /// Too many operations of this process are waiting.
    #[error("{limit} operations are waiting already")]
    Overloaded {
        /// How many may wait.
        limit: usize,
    },
    /// There is no room left, on the disk or within a quota.
    #[error("the store is full: {detail}")]
    Full {
        /// What ran out.
        detail: String,
    },
    /// The stored bytes are not what was written.
    #[error("the store is damaged: {detail}")]
    Corrupt {
        /// Where, as far as it is known.
        detail: String,
    },
    /// The file is no store of this crate, or one of a later version of it.
    #[error("this is not a store that can be used: {detail}")]
    Unsupported {
        /// What it is instead.
        detail: String,
    },
    /// The store cannot be reached. Whether the operation was done is not known.
    #[error("the store is not available: {detail}")]
    Unavailable {
        /// What is in the way.
        detail: String,
    },
}

fn revision(found: Option<u64>) -> String {
    found.map_or_else(|| "no value".to_owned(), |found| format!("revision {found}"))
}

fn place(position: Option<u64>) -> String {
    position.map_or_else(|| "not there".to_owned(), |position| format!("at {position}"))
}

leaf_errors! {
    StorageError, Storage {
        Self::Key(_) => ["key", System, Corruption, lasting, "correct_and_retry", "Build keys with `Key::of` from identifiers."],
        Self::Conflict { .. } => ["conflict", State, Conflict, lasting, "read_and_retry", "Read the current revision, decide anew and write again."],
        Self::CursorMoved { .. } => ["cursor-moved", State, Conflict, lasting, "read_and_retry", "Read the current revision, decide anew and write again."],
        Self::OutOfRange { .. } => ["out-of-range", State, Conflict, lasting, "resynchronize", "Start from a checkpoint and read on from the first position."],
        Self::Trimmed { .. } => ["trimmed", State, Conflict, lasting, "resynchronize", "Start from a checkpoint and read on from the first position."],
        Self::TooLarge { .. } => ["too-large", Resource, LimitExceeded, lasting, "correct_and_retry", "Compress the value or split the batch."],
        Self::Busy { .. } => ["busy", Resource, Timeout, transient, "retry", "Try again; if it persists, look at the process that wrote last."],
        Self::Overloaded { .. } => ["overloaded", Resource, LimitExceeded, transient, "retry", "Try again later."],
        Self::Full { .. } => ["full", Resource, LimitExceeded, lasting, "free_space", "Free space, trim the journal, or raise the quota.", with_scope(ErrorScope::System)],
        Self::Corrupt { .. } => ["corrupt", State, Corruption, lasting, "restore_backup", "Keep the file for analysis and restore the latest backup.", with_severity(Severity::Critical), with_scope(ErrorScope::System)],
        Self::Unsupported { .. } => ["unsupported", System, Conflict, lasting, "upgrade", "Point to another file, or use the version of the program that wrote it.", with_scope(ErrorScope::System)],
        Self::Unavailable { .. } => ["unavailable", System, Unavailable, transient, "retry", "Try again later."],
    }
}
