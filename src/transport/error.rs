//! What can go wrong.

use super::packet::Address;
use crate::error::Cause;
use crate::scalar::printable;
use std::fmt;

/// Why packets were not moved.
///
/// [`code`](Self::code) gives a word for programs that never changes; the sentence is for people.
/// Where another library failed, [`source`](std::error::Error::source) is its error.
///
/// ```
/// use coordination_protocol::transport::TransportError;
///
/// let error = TransportError::Busy { queue: "resource.*".to_owned(), limit: 1000 };
/// assert_eq!(error.code(), "busy");
/// assert!(error.is_transient());
/// assert_eq!(error.to_string(), "the queue of `resource.*` is full; it holds 1000 packets");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// A queue that must not lose anything has no room. No receiver got the batch.
    #[doc(alias = "backpressure")]
    #[error("the queue of `{queue}` is full; it holds {limit} packets", queue = printable(.queue))]
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
    #[error("no receiver listens at `{address}`", address = printable(.address))]
    NoListener {
        /// The address.
        address: String,
    },
    /// Another receiver listens at the address.
    #[error("`{address}` has a listener already", address = printable(.address))]
    AddressTaken {
        /// The address.
        address: String,
    },
    /// The transport was closed.
    #[error("the transport is closed")]
    Closed,
    /// The other side cannot be reached. Whether packets arrived is not known.
    #[error("the transport is not available: {detail}", detail = printable(.detail))]
    Unavailable {
        /// What is in the way.
        detail: String,
        /// The error below, if another library reported it.
        source: Option<Cause>,
    },
    /// A text is no address.
    #[error("{0}")]
    Address(AddressFault),
    /// Bytes are no line.
    #[error("{0}")]
    Frame(FrameFault),
}

impl TransportError {
    /// No receiver listens at the address.
    pub fn no_listener(at: &Address) -> Self {
        TransportError::NoListener { address: at.to_string() }
    }

    /// Another receiver listens at the address.
    pub fn address_taken(at: &Address) -> Self {
        TransportError::AddressTaken { address: at.to_string() }
    }

    /// The other side cannot be reached.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        TransportError::Unavailable { detail: detail.into(), source: None }
    }

    /// Keeps the error of the library below. Only variants with a `source` have room for it.
    pub fn with_source(mut self, error: impl std::error::Error + Send + Sync + 'static) -> Self {
        if let TransportError::Unavailable { source, .. } = &mut self {
            *source = Some(Cause::new(error));
        }
        self
    }
}

/// Why a text is no address.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddressFault {
    /// There is no character at all.
    Empty,
    /// More than 256 bytes.
    TooLong {
        /// How many bytes it has.
        bytes: usize,
    },
    /// White space or a control character.
    Character {
        /// The character.
        found: char,
        /// Its byte offset.
        at: usize,
    },
}

impl fmt::Display for AddressFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AddressFault::Empty => f.write_str("an address cannot be empty"),
            AddressFault::TooLong { bytes } => {
                write!(f, "an address has at most 256 bytes, this one has {bytes}")
            }
            AddressFault::Character { found, at } => {
                write!(f, "an address cannot contain {found:?} (at byte {at})")
            }
        }
    }
}

impl From<AddressFault> for TransportError {
    fn from(fault: AddressFault) -> Self {
        TransportError::Address(fault)
    }
}

/// Why bytes are no line.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FrameFault {
    /// Longer than the limit.
    TooLong {
        /// Where the line starts in the stream.
        at: u64,
        /// How many bytes it has.
        bytes: u64,
        /// How many it may have.
        limit: usize,
    },
    /// The stream ended inside a line.
    Unterminated {
        /// Where the line starts in the stream.
        at: u64,
        /// How many bytes of it came.
        bytes: u64,
    },
    /// A break inside of what should become one line.
    LineBreak {
        /// Its byte offset.
        at: usize,
    },
    /// A line without content would be skipped by the reader.
    Empty,
}

impl fmt::Display for FrameFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FrameFault::TooLong { at, bytes, limit } => {
                write!(f, "the line at byte {at} has {bytes} bytes, at most {limit} are allowed")
            }
            FrameFault::Unterminated { at, bytes } => {
                write!(f, "the stream ended in the line at byte {at}, after {bytes} bytes")
            }
            FrameFault::LineBreak { at } => {
                write!(f, "a line cannot contain a line break (at byte {at})")
            }
            FrameFault::Empty => f.write_str("a line cannot be empty"),
        }
    }
}

impl From<FrameFault> for TransportError {
    fn from(fault: FrameFault) -> Self {
        TransportError::Frame(fault)
    }
}

crate::error::leaf_errors! {
    TransportError, Transport {
        Self::Busy { .. } => ["busy", Resource, LimitExceeded, transient, "retry",
            "Try again later, with growing pauses."],
        Self::TooLarge { .. } => ["too-large", Resource, LimitExceeded, lasting,
            "correct_and_retry", "Split the batch or shorten the message."],
        Self::NoListener { .. } => ["no-listener", Dependency, Unavailable, transient, "retry",
            "Start the other side and try again."],
        Self::AddressTaken { .. } => ["address-taken", System, Conflict, lasting,
            "correct_and_retry", "Choose another address, or stop the other listener."],
        Self::Closed => ["closed", Dependency, Unavailable, lasting, "retry",
            "Start the other side and try again."],
        Self::Unavailable { .. } => ["unavailable", Dependency, Unavailable, transient, "retry",
            "Start the other side and try again."],
        Self::Address(_) => ["address", System, Corruption, lasting, "correct_and_retry",
            "Use an address without spaces."],
        Self::Frame(_) => ["frame", System, Corruption, lasting, "correct_and_resend",
            "Send one message a line, within the limit."],
    }
}
