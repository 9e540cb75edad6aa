//! Why a JSON text is not taken.

use super::fault::JsonFault;

/// Why a text is not JSON, or has no canonical form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// The text is not JSON within the limits, or repeats a key.
    #[error("{0}")]
    Fault(JsonFault),
    /// The same about a text that should be made canonical.
    #[error("not canonical JSON: {0}")]
    NotCanonical(JsonFault),
    /// A whole number that its RFC 8785 spelling would change, or a number beyond all doubles.
    #[error("the number {text} at byte {at} has no exact canonical form; write it as a string")]
    Inexact {
        /// The number as spelled.
        text: String,
        /// Its first byte.
        at: usize,
    },
}

impl From<JsonFault> for JsonError {
    fn from(fault: JsonFault) -> Self {
        JsonError::Fault(fault)
    }
}
