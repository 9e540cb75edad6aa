//! Why something is no filter.

use super::{Filter, is_plain};
use crate::scalar::{Escaping, ScalarError};
use std::fmt::{self, Write as _};

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
    pub(super) place: Location,
    pub(super) fault: FilterFault,
}

/// Where a filter is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Location {
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
            Location::Byte(at) => Some(at),
            Location::None | Location::Pointer(_) => None,
        }
    }

    /// The JSON pointer in the JSON form; `None` if it was not read from that.
    pub fn pointer(&self) -> Option<&str> {
        match &self.place {
            Location::Pointer(pointer) => Some(pointer),
            Location::None | Location::Byte(_) => None,
        }
    }

    /// The fault at a place, unless it has one already.
    pub(super) fn or_at(mut self, place: impl FnOnce() -> Location) -> Self {
        if self.place == Location::None {
            self.place = place();
        }
        self
    }
}

impl From<FilterFault> for FilterError {
    fn from(fault: FilterFault) -> Self {
        FilterError { place: Location::None, fault }
    }
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let f = &mut Escaping::sentence(f);
        write!(f, "{}", self.fault)?;
        match &self.place {
            Location::None => Ok(()),
            Location::Byte(at) => write!(f, " (at byte {at})"),
            Location::Pointer(pointer) if pointer.is_empty() => Ok(()),
            Location::Pointer(pointer) => write!(f, " (at {pointer})"),
        }
    }
}

// Its sentence says the whole fault already, so there is no source to add.
impl std::error::Error for FilterError {}

/// What can be wrong with a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FilterFault {
    /// The text form is longer than [`Filter::MAX_BYTES`].
    TooLong {
        /// How many bytes it has.
        bytes: usize,
    },
    /// It nests deeper than [`Filter::MAX_DEPTH`].
    TooDeep,
    /// It has more parts than [`Filter::MAX_PARTS`].
    TooManyParts,
    /// A text in it is longer than [`Filter::MAX_TEXT`].
    TextTooLong {
        /// How many bytes it has.
        bytes: usize,
    },
    /// Something else should stand there.
    Expected {
        /// What should.
        expected: &'static str,
        /// What does.
        found: String,
    },
    /// A quoted text is no JSON string.
    Quoted {
        /// Why not.
        reason: String,
    },
    /// Nothing is called so.
    UnknownField {
        /// The name.
        name: String,
        /// The field that was probably meant.
        nearest: Option<String>,
    },
    /// A pointer is none.
    Pointer {
        /// The text.
        pointer: String,
    },
    /// A comparison that other languages have.
    Comparison {
        /// What was written.
        found: &'static str,
        /// What to write.
        instead: &'static str,
    },
    /// A value that is neither a number nor quoted.
    Unquoted {
        /// The value.
        found: String,
    },
    /// A key that the JSON form does not have.
    UnknownKey {
        /// The key.
        key: String,
        /// The keys that can stand there.
        known: String,
    },
    /// A key that the JSON form needs.
    MissingKey {
        /// The key.
        key: &'static str,
    },
    /// A number, a duration or a word that is none.
    Scalar(ScalarError),
}

impl fmt::Display for FilterFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let f = &mut Escaping::sentence(f);
        match self {
            FilterFault::TooLong { bytes } => {
                write!(f, "a filter has at most {} bytes, this one has {bytes}", Filter::MAX_BYTES)
            }
            FilterFault::TooDeep => {
                write!(f, "a filter nests at most {} levels deep", Filter::MAX_DEPTH)
            }
            FilterFault::TooManyParts => {
                write!(f, "a filter has at most {} parts", Filter::MAX_PARTS)
            }
            FilterFault::TextTooLong { bytes } => {
                let limit = Filter::MAX_TEXT;
                write!(f, "a text in a filter has at most {limit} bytes, this one has {bytes}")
            }
            FilterFault::Expected { expected, found } => {
                write!(f, "expected {expected}, found {found}")
            }
            FilterFault::Quoted { reason } => {
                write!(f, "the quoted text is no JSON string: {reason}")
            }
            FilterFault::UnknownField { name, nearest } => {
                let meant = meant(nearest.as_deref(), name);
                write!(f, "`{name}` is no field of a header; {meant}")
            }
            FilterFault::Pointer { pointer } => {
                write!(f, "`{pointer}` is no JSON pointer: behind `~` stands `0` or `1`")
            }
            FilterFault::Comparison { found, instead } => {
                write!(f, "`{found}` is no comparison; write `{instead}`")
            }
            FilterFault::Unquoted { found } => {
                write!(f, "`{found}` is no JSON number; put a text that starts so in quotes")
            }
            FilterFault::UnknownKey { key, known } => {
                write!(f, "`{key}` is no key here; known keys: {known}")
            }
            FilterFault::MissingKey { key } => write!(f, "`{key}` is missing"),
            FilterFault::Scalar(error) => write!(f, "{error}"),
        }
    }
}

impl From<ScalarError> for FilterFault {
    fn from(error: ScalarError) -> Self {
        FilterFault::Scalar(error)
    }
}

fn meant(nearest: Option<&str>, name: &str) -> String {
    match nearest {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None if is_plain(name) => {
            format!("data is named by a JSON pointer such as `/{name}`")
        }
        None => "data is named by a JSON pointer such as `/task_id`".to_owned(),
    }
}

crate::error::leaf_errors! {
    FilterError, Route {
        _ => ["filter", System, Corruption, lasting, "correct_and_resend",
            "Write a filter such as `/retry_count >= 3 and severity >= high`."],
    }
}
