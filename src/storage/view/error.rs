//! What can go wrong in a view.

use crate::error::{IntoReport, Problem};
use crate::message::MessageKind;
use crate::scalar::{ErrorCategory, ErrorScope, ErrorType, Severity};
use crate::storage::{Key, StorageError};
use std::fmt;

/// Why a view did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ViewError {
    /// The store or journal refused.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// What the caller gave is not what the view keeps.
    #[error("not a readable {kind}: {reason}")]
    Refused {
        /// What it should be.
        kind: MessageKind,
        /// What is wrong with it.
        reason: String,
    },
    /// What stands in the store is not what the view wrote there.
    #[error("`{key}` is damaged or not of this protocol: {reason}")]
    Damaged {
        /// The key.
        key: Key,
        /// What is wrong with the value.
        reason: String,
    },
    /// The state is not at the version that the writer expected: another one was faster.
    #[error("`{key}` {}, expected {}", at(*found), version(*expected))]
    Version {
        /// The key of the state.
        key: Key,
        /// The version that the writer expected, none if there should be no state.
        expected: Option<u64>,
        /// The version that is there.
        found: Option<u64>,
    },
    /// A new state has to have a higher version than the one that it replaces.
    #[error("`{key}` is at version {stored}; version {given} is not higher")]
    NotNewer {
        /// The key of the state.
        key: Key,
        /// The version that is there.
        stored: u64,
        /// The version of the new state.
        given: u64,
    },
    /// Other writers were faster each time.
    #[error("`{key}` was changed by others {attempts} times in a row")]
    Contended {
        /// The key.
        key: Key,
        /// How often it was tried.
        attempts: u32,
    },
    /// There is something else under this identifier.
    #[error("`{key}` is there already, with other content")]
    Exists {
        /// The key.
        key: Key,
    },
    /// An answer that grants nothing.
    #[error("this answer grants nothing: {reason}")]
    NotAGrant {
        /// Why not.
        reason: String,
    },
    /// A dead letter cannot be about a dead letter.
    #[error("a dead letter about a dead letter is not kept")]
    LetterAboutLetter,
    /// One of the events is none; nothing was appended.
    #[error("event {index} of the batch: {reason}")]
    Event {
        /// Its place in the batch, from 0.
        index: usize,
        /// What is wrong with it.
        reason: String,
    },
}

fn at(found: Option<u64>) -> String {
    found.map_or_else(|| "is not there".to_owned(), |found| format!("is at version {found}"))
}

fn version(expected: Option<u64>) -> String {
    expected.map_or_else(|| "no state".to_owned(), |version| format!("version {version}"))
}

impl ViewError {
    #[allow(clippy::needless_pass_by_value, reason = "the callers' lines stay short")]
    pub(super) fn damaged(key: &Key, reason: impl fmt::Display) -> Self {
        ViewError::Damaged { key: key.clone(), reason: reason.to_string() }
    }

    /// The kind of error as a word that never changes.
    pub fn reason(&self) -> &'static str {
        match self {
            ViewError::Storage(error) => error.code(),
            ViewError::Refused { .. } => "refused",
            ViewError::Damaged { .. } => "damaged",
            ViewError::Version { .. } => "version",
            ViewError::NotNewer { .. } => "not-newer",
            ViewError::Contended { .. } => "contended",
            ViewError::Exists { .. } => "exists",
            ViewError::NotAGrant { .. } => "not-a-grant",
            ViewError::LetterAboutLetter => "letter-about-letter",
            ViewError::Event { .. } => "event",
        }
    }
}

impl IntoReport for ViewError {
    fn problem(&self) -> Problem {
        let (category, error_type, strategy, advice) = match self {
            ViewError::Storage(error) => return error.problem(),
            ViewError::Refused { .. } | ViewError::NotAGrant { .. } | ViewError::Event { .. } => (
                ErrorCategory::System,
                ErrorType::Corruption,
                "correct_and_resend",
                "Send a message of the kind that is kept here.",
            ),
            ViewError::Damaged { .. } => (
                ErrorCategory::State,
                ErrorType::Corruption,
                "restore_backup",
                "Look at the value with `coord store export`, and restore or remove it.",
            ),
            ViewError::Version { .. } | ViewError::NotNewer { .. } | ViewError::Exists { .. } => (
                ErrorCategory::State,
                ErrorType::Conflict,
                "read_and_retry",
                "Read what is there, decide anew and write again.",
            ),
            ViewError::Contended { .. } => {
                (ErrorCategory::State, ErrorType::Conflict, "retry", "Try again later.")
            }
            ViewError::LetterAboutLetter => (
                ErrorCategory::Execution,
                ErrorType::Conflict,
                "drop",
                "Report it to whoever sends dead letters on.",
            ),
        };
        let problem =
            Problem::new(category, error_type, self.to_string()).with_suggestion(strategy, advice);
        match self {
            ViewError::Damaged { .. } => {
                problem.with_severity(Severity::Critical).with_scope(ErrorScope::System)
            }
            _ => problem,
        }
    }
}
