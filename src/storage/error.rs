//! What can go wrong.

use super::key::{Key, KeyError};
use super::store::Expect;
use crate::message::{IntoReport, Problem};
use crate::scalar::{ErrorCategory, ErrorScope, ErrorType, Severity};
use std::time::Duration;

/// Why an operation was not done.
///
/// [`reason`](Self::reason) gives a word for programs that never changes; the sentence is for
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
/// assert_eq!(error.reason(), "busy");
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
    Key(#[from] KeyError),
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

impl StorageError {
    /// The kind of error as a word that never changes.
    pub const fn reason(&self) -> &'static str {
        match self {
            StorageError::Key(_) => "key",
            StorageError::Conflict { .. } => "conflict",
            StorageError::CursorMoved { .. } => "cursor-moved",
            StorageError::OutOfRange { .. } => "out-of-range",
            StorageError::Trimmed { .. } => "trimmed",
            StorageError::TooLarge { .. } => "too-large",
            StorageError::Busy { .. } => "busy",
            StorageError::Overloaded { .. } => "overloaded",
            StorageError::Full { .. } => "full",
            StorageError::Corrupt { .. } => "corrupt",
            StorageError::Unsupported { .. } => "unsupported",
            StorageError::Unavailable { .. } => "unavailable",
        }
    }

    /// Whether the same operation may succeed later without anybody's help.
    pub const fn is_transient(&self) -> bool {
        matches!(
            self,
            StorageError::Busy { .. }
                | StorageError::Overloaded { .. }
                | StorageError::Unavailable { .. }
        )
    }
}

impl IntoReport for StorageError {
    fn problem(&self) -> Problem {
        let (category, error_type, strategy, advice) = match self {
            StorageError::Key(error) => return error.problem(),
            StorageError::Conflict { .. } | StorageError::CursorMoved { .. } => (
                ErrorCategory::State,
                ErrorType::Conflict,
                "read_and_retry",
                "Read the current revision, decide anew and write again.",
            ),
            StorageError::OutOfRange { .. } | StorageError::Trimmed { .. } => (
                ErrorCategory::State,
                ErrorType::Conflict,
                "resynchronize",
                "Start from a checkpoint and read on from the first position.",
            ),
            StorageError::TooLarge { .. } => (
                ErrorCategory::Resource,
                ErrorType::LimitExceeded,
                "correct_and_retry",
                "Compress the value or split the batch.",
            ),
            StorageError::Busy { .. } => (
                ErrorCategory::Resource,
                ErrorType::Timeout,
                "retry",
                "Try again; if it persists, look at the process that wrote last.",
            ),
            StorageError::Overloaded { .. } => {
                (ErrorCategory::Resource, ErrorType::LimitExceeded, "retry", "Try again later.")
            }
            StorageError::Full { .. } => (
                ErrorCategory::Resource,
                ErrorType::LimitExceeded,
                "free_space",
                "Free space, trim the journal, or raise the quota.",
            ),
            StorageError::Corrupt { .. } => (
                ErrorCategory::State,
                ErrorType::Corruption,
                "restore_backup",
                "Keep the file for analysis and restore the latest backup.",
            ),
            StorageError::Unsupported { .. } => (
                ErrorCategory::System,
                ErrorType::Conflict,
                "upgrade",
                "Point to another file, or use the version of the program that wrote it.",
            ),
            StorageError::Unavailable { .. } => {
                (ErrorCategory::System, ErrorType::Unavailable, "retry", "Try again later.")
            }
        };
        let problem =
            Problem::new(category, error_type, self.to_string()).with_suggestion(strategy, advice);
        match self {
            StorageError::Corrupt { .. } => {
                problem.with_severity(Severity::Critical).with_scope(ErrorScope::System)
            }
            StorageError::Full { .. } | StorageError::Unsupported { .. } => {
                problem.with_scope(ErrorScope::System)
            }
            _ => problem,
        }
    }
}
