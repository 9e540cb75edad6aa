//! What can go wrong.

use super::Position;
use crate::error::leaf_errors;
use crate::message::MessageKind;
use crate::scalar::printable;
use crate::storage::StorageError;
use crate::transport::{Address, AddressFault, TransportError};

/// Why a bus did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BusError {
    /// The store or the log below.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A text is no address.
    #[error("{0}")]
    Address(AddressFault),
    /// Another process listens at the address.
    #[error("`{address}` has a listener already", address = printable(.address.as_str()))]
    AddressTaken {
        /// The address.
        address: Address,
    },
    /// Members of a durable subscription have to select the same.
    #[error("`{name}` is open with {}, and members of one name select the same", selection(.pattern, .filter.as_deref()), name = printable(.name))]
    OtherSelection {
        /// The durable name.
        name: String,
        /// The pattern of the others.
        pattern: String,
        /// Their filter.
        filter: Option<String>,
    },
    /// A message of this kind has no routing key, so no pattern selects it.
    #[error("a {0} is not published; send it to an address")]
    NoKey(MessageKind),
    /// A message has another text than the lines that subscribers read.
    #[error("a message has to be UTF-8")]
    NoText,
    /// The delivery was taken over: somebody else works on it, or has finished it.
    #[doc(alias = "fencing")]
    #[error("attempt {attempt} at the message at {position} is not the current one")]
    Stale {
        /// Where the message stands.
        position: Position,
        /// The attempt that is over.
        attempt: u32,
    },
    /// A text is no place of a bus.
    #[error("`{url}` is no place of a bus: {reason}", url = printable(.url), reason = printable(.reason))]
    Url {
        /// The text.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A text is no position.
    #[error("`{text}` is no position; it looks like `0:17`", text = printable(.text))]
    NoPosition {
        /// The text.
        text: String,
    },
}

fn selection(pattern: &str, filter: Option<&str>) -> String {
    let pattern = printable(pattern);
    match filter {
        Some(filter) => format!("the pattern `{pattern}` and the filter `{}`", printable(filter)),
        None => format!("the pattern `{pattern}`"),
    }
}

impl From<AddressFault> for BusError {
    fn from(fault: AddressFault) -> Self {
        BusError::Address(fault)
    }
}

impl From<TransportError> for BusError {
    fn from(error: TransportError) -> Self {
        match error {
            TransportError::Address(fault) => BusError::Address(fault),
            other => BusError::Storage(StorageError::unavailable(other.to_string())),
        }
    }
}

leaf_errors! {
    BusError, Bus {
        Self::Storage(error) => (error),
        Self::Address(_) => ["address", System, Corruption, lasting, "correct_and_retry",
            "Use an address without spaces."],
        Self::AddressTaken { .. } => ["address-taken", System, Conflict, transient, "retry",
            "Stop the other listener, or listen at another address."],
        Self::OtherSelection { .. } => ["other-selection", State, Conflict, transient, "retry",
            "Stop the other members first, or take another name."],
        Self::NoKey(_) => ["no-key", Execution, Conflict, lasting, "correct_and_retry",
            "Send it to the component that it is for."],
        Self::NoText => ["no-text", Execution, Corruption, lasting, "correct_and_retry",
            "Publish event lines and JSON envelopes."],
        Self::Stale { .. } => ["stale", State, Conflict, lasting, "discard",
            "Drop what was done; the attempt that took over does it."],
        Self::Url { .. } => ["url", System, Corruption, lasting, "correct_and_retry",
            "Write `memory:`, `sqlite:` or `sqlite:PATH`."],
        Self::NoPosition { .. } => ["no-position", System, Corruption, lasting, "correct_and_retry",
            "Take the position from what a subscriber printed."],
    }
}
