//! The crate's one error, and what every error says of itself.
//!
//! An operation fails with a small error of its own: a *leaf*, such as
//! [`StorageError`](crate::storage::StorageError), whose variants a caller can match. Every leaf
//! converts into [`Error`] by `?`, so that a host needs one type for all of them, and keeps what
//! the leaf knew:
//!
//! | question | answer |
//! |---|---|
//! | where did it come from? | [`Error::kind`] |
//! | which error is it, for a program? | [`Error::code`]: a word that never changes, unique within its kind |
//! | may the same call succeed later, without a change? | [`Error::is_transient`] |
//! | how does a component tell it to others? | [`IntoReport`]: an [`error_report`](crate::message::ErrorReport) with at least one recovery suggestion |
//! | what was below it? | [`source`](std::error::Error::source) |
//!
//! ```
//! use coordination_protocol::error::{Error, ErrorKind, IntoReport, Occurrence};
//! use coordination_protocol::scalar::{ErrorId, Timestamp, WorkflowId};
//! use coordination_protocol::storage::StorageError;
//! use std::time::Duration;
//!
//! fn write() -> Result<(), Error> {
//!     Err(StorageError::Busy { waited: Duration::from_secs(5), writer: None })?
//! }
//!
//! let error = write().unwrap_err();
//! assert_eq!((error.kind(), error.code()), (ErrorKind::Storage, "busy"));
//! assert!(error.is_transient());
//! assert!(matches!(error.downcast_ref(), Some(StorageError::Busy { .. })));
//!
//! let report = error.to_report(&Occurrence::new(
//!     ErrorId::new("err_1")?, WorkflowId::global(), Timestamp::new("2025-01-15T12:00:00Z")?,
//! ));
//! assert_eq!(report.classification.error_type.unwrap().as_str(), "timeout");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What each leaf answers is one row of a table beside it: code, classification, whether it passes
//! by itself, and the advice. Nothing restates it.

mod cause;
mod dead_letter;
mod leaf;
mod report;

use crate::scalar::words;
use std::fmt;
use std::sync::Arc;

pub use cause::Cause;
pub(crate) use leaf::{Leaf, leaf_errors, leaf_row};
pub use report::{IntoReport, Occurrence, Problem};

/// Any error of the crate.
///
/// `Display` is the sentence of the leaf; [`source`](std::error::Error::source) is what the leaf
/// itself names as its cause, so a chain of causes says nothing twice. A copy is cheap and shares
/// the leaf.
#[doc(alias = "StdError")]
#[derive(Clone)]
pub struct Error {
    kind: ErrorKind,
    source: Arc<dyn Leaf>,
}

words! {
    /// Which part of the crate an [`Error`] came from, as a word for logs and metrics.
    ErrorKind {
        /// A value cannot be made: identifier, number, duration, time, word.
        Scalar "scalar",
        /// A JSON text is broken, or has no canonical form.
        Json "json",
        /// A record cannot be read, or was refused.
        Read "read",
        /// An event or a message cannot be built or written.
        Build "build",
        /// A routing key, a pattern or a filter is not sound.
        Route "route",
        /// Versions do not agree, or a record cannot be migrated.
        Version "version",
        /// States cannot be merged.
        Merge "merge",
        /// Permission, signature, freshness or replay.
        Security "security",
        /// The store or the journal.
        Storage "storage",
        /// Moving packets.
        Transport "transport",
        /// Checkpoints and restores.
        Checkpoint "checkpoint",
        /// A path is none that a lease could be taken on.
        Path "path",
        /// What a component decides about: resources.
        Coordination "coordination",
        /// The bus: subscriptions, addresses.
        Bus "bus",
        /// Components and clients that run.
        Driver "driver",
        /// A state machine was asked for what it cannot do.
        Machine "machine",
        /// An error of the host, brought by [`Error::new`].
        Other "other",
    }
}

/// One code of an error type, as lists and pages of help tell it: `StorageError::CODES` has those of
/// [`StorageError`](crate::storage::StorageError), and so for every leaf.
///
/// ```
/// use coordination_protocol::storage::StorageError;
///
/// let busy = StorageError::CODES.iter().copied().flatten().find(|row| row.code == "busy").unwrap();
/// assert!(busy.is_transient);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ErrorCode {
    /// The part of the crate.
    pub kind: ErrorKind,
    /// The word for programs, as [`Error::code`] tells it.
    pub code: &'static str,
    /// Whether the same operation may succeed later although nothing was corrected.
    pub is_transient: bool,
    /// What to do, as a word: the strategy of an `error_report`.
    pub strategy: &'static str,
    /// What to do, in a sentence.
    pub advice: &'static str,
}

impl Error {
    /// An error without a leaf: a code for programs, and a sentence for people.
    ///
    /// ```
    /// use coordination_protocol::error::{Error, ErrorKind};
    ///
    /// let error = Error::new(ErrorKind::Other, "no-agent", "no agent is free");
    /// assert_eq!((error.code(), error.to_string().as_str()), ("no-agent", "no agent is free"));
    /// assert!(!error.is_transient());
    /// ```
    pub fn new(kind: ErrorKind, code: &'static str, message: impl Into<String>) -> Self {
        Error::from_leaf(kind, leaf::Plain { code, message: message.into() })
    }

    pub(crate) fn from_leaf(kind: ErrorKind, leaf: impl Leaf) -> Self {
        Error { kind, source: Arc::new(leaf) }
    }

    /// Which part of the crate it came from.
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The word for programs: never changes, and is unique within its kind.
    pub fn code(&self) -> &'static str {
        self.source.code()
    }

    /// Whether the same operation may succeed later although nothing was corrected.
    #[doc(alias = "retry")]
    #[doc(alias = "is_retryable")]
    pub fn is_transient(&self) -> bool {
        self.source.is_transient()
    }

    /// The leaf, if it is of this type.
    pub fn downcast_ref<E: std::error::Error + 'static>(&self) -> Option<&E> {
        self.source.as_error().downcast_ref()
    }
}

impl IntoReport for Error {
    fn problem(&self) -> Problem {
        self.source.problem()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.source, f)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.kind)
            .field("code", &self.code())
            .field("source", &self.source)
            .finish()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.source()
    }
}
