//! Why something is no filter.

use super::Filter;
use super::field::Field;
use crate::scalar::{NumberError, SpanError, WordError};
use smol_str::SmolStr;
use std::fmt;

/// Why something is no filter, and where.
///
/// ```
/// use coordination_protocol::route::{Filter, FilterFault};
///
/// let error = Filter::parse("type = TASK_FAILED and retries > 2").unwrap_err();
/// assert!(matches!(error.fault(), FilterFault::UnknownField { .. }));
/// assert_eq!(error.at(), Some(23));
/// assert_eq!(
///     error.to_string(),
///     "`retries` is no field of a header; data is named by a JSON pointer such as `/retries` \
///      (at byte 23)",
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterError {
    pub(super) place: Place,
    pub(super) fault: FilterFault,
}

/// Where a filter is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// It was not read.
    None,
    Byte(usize),
    Pointer(String),
}

impl FilterError {
    /// What is wrong.
    pub fn fault(&self) -> &FilterFault {
        &self.fault
    }

    /// The byte offset in the text form; `None` if it was not read from that.
    pub fn at(&self) -> Option<usize> {
        match self.place {
            Place::Byte(at) => Some(at),
            Place::None | Place::Pointer(_) => None,
        }
    }

    /// The JSON pointer in the JSON form; `None` if it was not read from that.
    pub fn pointer(&self) -> Option<&str> {
        match &self.place {
            Place::Pointer(pointer) => Some(pointer),
            Place::None | Place::Byte(_) => None,
        }
    }

    /// The fault at a place, unless it has one already.
    pub(super) fn or_at(mut self, place: impl FnOnce() -> Place) -> Self {
        if self.place == Place::None {
            self.place = place();
        }
        self
    }
}

impl From<FilterFault> for FilterError {
    fn from(fault: FilterFault) -> Self {
        FilterError { place: Place::None, fault }
    }
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.fault)?;
        match &self.place {
            Place::None => Ok(()),
            Place::Byte(at) => write!(f, " (at byte {at})"),
            Place::Pointer(pointer) if pointer.is_empty() => Ok(()),
            Place::Pointer(pointer) => write!(f, " (at {pointer})"),
        }
    }
}

impl std::error::Error for FilterError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.fault)
    }
}

/// What can be wrong with a filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FilterFault {
    /// The text form is longer than [`Filter::MAX_BYTES`].
    #[error("a filter has at most {} bytes, this one has {bytes}", Filter::MAX_BYTES)]
    TooLong {
        /// How many bytes it has.
        bytes: usize,
    },
    /// It nests deeper than [`Filter::MAX_DEPTH`].
    #[error("a filter nests at most {} levels deep", Filter::MAX_DEPTH)]
    TooDeep,
    /// It has more parts than [`Filter::MAX_PARTS`].
    #[error("a filter has at most {} parts", Filter::MAX_PARTS)]
    TooManyParts,
    /// A text in it is longer than [`Filter::MAX_TEXT`].
    #[error("a text in a filter has at most {} bytes, this one has {bytes}", Filter::MAX_TEXT)]
    TextTooLong {
        /// How many bytes it has.
        bytes: usize,
    },
    /// Something else should stand there.
    #[error("expected {expected}, found {found}")]
    Expected {
        /// What should.
        expected: &'static str,
        /// What does.
        found: SmolStr,
    },
    /// A quoted text is no JSON string.
    #[error("the quoted text is no JSON string: {reason}")]
    Quoted {
        /// Why not.
        reason: String,
    },
    /// Nothing is called so.
    #[error("`{name}` is no field of a header; {}", meant(nearest.as_deref(), name))]
    UnknownField {
        /// The name.
        name: SmolStr,
        /// The field that was probably meant.
        nearest: Option<SmolStr>,
    },
    /// A pointer is none.
    #[error("`{pointer}` is no JSON pointer: behind `~` stands `0` or `1`")]
    Pointer {
        /// The text.
        pointer: SmolStr,
    },
    /// A comparison that other languages have.
    #[error("`{found}` is no comparison; write `{instead}`")]
    Comparison {
        /// What was written.
        found: &'static str,
        /// What to write.
        instead: &'static str,
    },
    /// A value that is neither a number nor quoted.
    #[error("`{found}` is no JSON number; put a text that starts so in quotes")]
    Unquoted {
        /// The value.
        found: SmolStr,
    },
    /// A key that the JSON form does not have.
    #[error("`{key}` is no key here; known keys: {known}")]
    UnknownKey {
        /// The key.
        key: SmolStr,
        /// The keys that can stand there.
        known: String,
    },
    /// A key that the JSON form needs.
    #[error("`{key}` is missing")]
    MissingKey {
        /// The key.
        key: &'static str,
    },
    /// A number that is none.
    #[error(transparent)]
    Number(#[from] NumberError),
    /// A word that its scale does not have.
    #[error(transparent)]
    Word(#[from] WordError),
    /// A duration that is none.
    #[error(transparent)]
    Span(#[from] SpanError),
}

fn meant(nearest: Option<&str>, name: &str) -> String {
    match nearest {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None if Field::is_plain(name) => {
            format!("data is named by a JSON pointer such as `/{name}`")
        }
        None => "data is named by a JSON pointer such as `/task_id`".to_owned(),
    }
}
