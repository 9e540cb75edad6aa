//! What is wrong with a text, and where.

use std::fmt;
use std::ops::Range;

/// What is wrong at one place of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FaultKind {
    /// The text ends inside a value.
    UnexpectedEnd,
    /// Something else stands where `expected` must.
    Unexpected {
        /// What the grammar allows here.
        expected: &'static str,
    },
    /// A character below U+0020 inside a string.
    ControlCharacter,
    /// A backslash that starts no escape.
    BadEscape,
    /// A `\u` surrogate without its other half.
    LoneSurrogate,
    /// Text after the end of the value.
    TrailingText,
    /// More nesting than [`Limits::depth`](super::Limits::depth).
    TooDeep,
    /// More keys in one object than [`Limits::keys`](super::Limits::keys).
    TooManyKeys,
    /// A longer text than [`Limits::bytes`](super::Limits::bytes).
    TooLong,
    /// A key that its object already has. The visitor may go on.
    DuplicateKey,
    /// A number that no double can hold, such as `1e999`. The visitor may go on.
    BeyondDouble,
    /// A string in single quotes. The visitor may go on.
    SingleQuoted,
    /// The visitor asked to stop.
    Stopped,
}

/// The first fault of a text, or one that a [`Visit`](super::Visit)or may pass over. It is data;
/// [`JsonError`](super::JsonError) is the error of who gives up because of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct JsonFault {
    /// What is wrong.
    pub kind: FaultKind,
    /// Where, in bytes of the scanned text. Empty at the end of a text that is cut short.
    pub range: Range<usize>,
}

impl JsonFault {
    pub(crate) const fn new(kind: FaultKind, range: Range<usize>) -> Self {
        JsonFault { kind, range }
    }
}

impl FaultKind {
    /// The sentence; for [`Unexpected`](Self::Unexpected), what stands before the expectation.
    pub(crate) const fn words(self) -> &'static str {
        match self {
            FaultKind::UnexpectedEnd => "the text ends inside a value",
            FaultKind::Unexpected { .. } => "expected ",
            FaultKind::ControlCharacter => "unescaped control character in a string",
            FaultKind::BadEscape => "unknown escape in a string",
            FaultKind::LoneSurrogate => "surrogate escape without its other half",
            FaultKind::TrailingText => "text after the end of the value",
            FaultKind::TooDeep => "nested deeper than the limit",
            FaultKind::TooManyKeys => "more keys in one object than the limit",
            FaultKind::TooLong => "longer than the limit",
            FaultKind::DuplicateKey => "duplicate key",
            FaultKind::BeyondDouble => "number beyond the range of a double",
            FaultKind::SingleQuoted => "string in single quotes",
            FaultKind::Stopped => "stopped by the visitor",
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())?;
        match self {
            FaultKind::Unexpected { expected } => f.write_str(expected),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for JsonFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.kind, self.range.start)
    }
}
