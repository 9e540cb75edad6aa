//! What can go wrong.

use crate::error::{IntoReport, Problem};
use crate::scalar::{ErrorCategory, ErrorType};

/// Why packets were not moved.
///
/// [`reason`](Self::reason) gives a word for programs that never changes; the sentence is for
/// people.
///
/// ```
/// use coordination_protocol::transport::TransportError;
///
/// let error = TransportError::Busy { queue: "resource.*".to_owned(), limit: 1000 };
/// assert_eq!(error.reason(), "busy");
/// assert!(error.is_transient());
/// assert_eq!(error.to_string(), "the queue of `resource.*` is full; it holds 1000 packets");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// A queue that must not lose anything has no room. No receiver got the batch.
    #[error("the queue of `{queue}` is full; it holds {limit} packets")]
    Busy {
        /// The pattern or the address.
        queue: String,
        /// How many packets the queue holds.
        limit: usize,
    },
    /// More than a limit allows, now and later.
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
    /// No receiver listens at the address.
    #[error("no receiver listens at `{address}`")]
    NoListener {
        /// The address.
        address: String,
    },
    /// Another receiver listens at the address.
    #[error("`{address}` has a listener already")]
    AddressTaken {
        /// The address.
        address: String,
    },
    /// The transport was closed.
    #[error("the transport is closed")]
    Closed,
    /// The other side cannot be reached. Whether packets arrived is not known.
    #[error("the transport is not available: {detail}")]
    Unavailable {
        /// What is in the way.
        detail: String,
    },
}

impl TransportError {
    /// The kind of error as a word that never changes.
    pub const fn reason(&self) -> &'static str {
        match self {
            TransportError::Busy { .. } => "busy",
            TransportError::TooLarge { .. } => "too-large",
            TransportError::NoListener { .. } => "no-listener",
            TransportError::AddressTaken { .. } => "address-taken",
            TransportError::Closed => "closed",
            TransportError::Unavailable { .. } => "unavailable",
        }
    }

    /// Whether the same operation may succeed later without anybody's help.
    pub const fn is_transient(&self) -> bool {
        matches!(
            self,
            TransportError::Busy { .. }
                | TransportError::NoListener { .. }
                | TransportError::Unavailable { .. }
        )
    }
}

impl IntoReport for TransportError {
    fn problem(&self) -> Problem {
        let (category, error_type, strategy, advice) = match self {
            TransportError::Busy { .. } => (
                ErrorCategory::Resource,
                ErrorType::LimitExceeded,
                "retry",
                "Try again later, with growing pauses.",
            ),
            TransportError::TooLarge { .. } => (
                ErrorCategory::Resource,
                ErrorType::LimitExceeded,
                "correct_and_retry",
                "Split the batch or shorten the message.",
            ),
            TransportError::AddressTaken { .. } => (
                ErrorCategory::System,
                ErrorType::Conflict,
                "correct_and_retry",
                "Choose another address, or stop the other listener.",
            ),
            TransportError::NoListener { .. }
            | TransportError::Closed
            | TransportError::Unavailable { .. } => (
                ErrorCategory::Dependency,
                ErrorType::Unavailable,
                "retry",
                "Start the other side and try again.",
            ),
        };
        Problem::new(category, error_type, self.to_string()).with_suggestion(strategy, advice)
    }
}

/// Why a text is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// There is no character at all.
    #[error("an address cannot be empty")]
    Empty,
    /// More than 256 bytes.
    #[error("an address has at most 256 bytes, this one has {bytes}")]
    TooLong {
        /// How many bytes it has.
        bytes: usize,
    },
    /// White space or a control character.
    #[error("an address cannot contain {found:?} (at byte {at})")]
    Character {
        /// The character.
        found: char,
        /// Its byte offset.
        at: usize,
    },
}
