//! The two errors of this floor: a record that is refused, and one that cannot be built.

use crate::finding::{Code, Finding};
use crate::json::Kind;
use crate::scalar::{Escaping, ScalarError, printable};
use crate::spec::{EventType, MessageKind, Registry};
use std::fmt::{self, Write as _};

/// The error that a line or a message was refused for, or has no typed form for.
///
/// `Display` says what is wrong, which code that has, and where; then the advice, if there is any.
///
/// ```
/// use coordination_protocol::MessageRef;
///
/// let error = MessageRef::parse(r#"{"heartbeat":{"component_id":7}}"#).unwrap_err();
/// assert_eq!(error.finding().pointer, "/heartbeat/component_id");
/// assert_eq!(
///     error.to_string(),
///     "expected an identifier, found number 7 (`wrong-kind` at /heartbeat/component_id, byte 29)",
/// );
/// ```
#[doc(alias = "ParseError")]
#[doc(alias = "DecodeError")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadError(Box<Finding>);

impl ReadError {
    pub(crate) fn new(finding: impl Into<Box<Finding>>) -> Self {
        ReadError(finding.into())
    }

    /// A field without a value that its type could hold, in the object at byte `at`.
    #[cold]
    pub(crate) fn no_value(key: &'static str, at: usize) -> Self {
        ReadError::new(Finding::new(Code::NoValue, at..at + 1).with_expected(key))
    }

    /// The finding: its code, place and hint.
    pub fn finding(&self) -> &Finding {
        &self.0
    }

    pub(crate) fn into_finding(self) -> Finding {
        *self.0
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let f = &mut Escaping::sentence(f);
        let finding = &self.0;
        write!(f, "{finding} (`{}` at ", finding.code)?;
        if !finding.pointer.is_empty() {
            write!(f, "{}, ", finding.pointer)?;
        }
        write!(f, "byte {})", finding.range.start)?;
        match finding.hint() {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ReadError {}

/// Why an event, a part of one, or an event type of your own cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// A part of the header holds what would end it.
    #[error("the {part} `{text}` would split the line; identifiers hold no colon or line break", text = printable(.text))]
    Splits {
        /// `event type`, `workflow` or `phase`.
        part: &'static str,
        /// The text.
        text: String,
    },
    /// A strict reader refuses what was built.
    #[error(transparent)]
    Refused(#[from] ReadError),
    /// The key of an extra field is that of a field of its own.
    #[error("`{}` is a field of its own; set it there", printable(.0))]
    Repeated(String),
    /// The data of an event type of the caller's own cannot be written as JSON.
    #[error("the data of `{name}` cannot be written: {reason}", name = printable(.name), reason = printable(.reason))]
    Unwritable {
        /// The event type.
        name: String,
        /// What `serde_json` says.
        reason: String,
    },
    /// A JSON value that should be an object is none.
    #[error("expected an object, found {found}")]
    NotAnObject {
        /// What it is.
        found: Kind,
    },
    /// The name of an event type is no identifier.
    #[error("event type `{name}`: {error}", name = printable(.name))]
    Name {
        /// The name.
        name: String,
        /// What is wrong with it.
        error: ScalarError,
    },
    /// The protocol registers the name, so its data has a type of its own.
    #[error("`{0}` is registered; use its own payload")]
    Registered(EventType),
    /// The name starts with a blank or a byte order mark, which readers take off a line, or with a
    /// bracket, which they take for a JSON text.
    #[error("`{}` starts with a blank, a byte order mark or a bracket, and would not be read back", printable(.0))]
    Start(String),
    /// The protocol has the name, in some version, or it was registered before.
    #[error("event type `{}` is already registered", printable(.0))]
    Taken(String),
    /// More required fields than a reader tracks.
    #[error("event type `{name}` requires {count} keys; at most {max} are supported", max = Registry::MAX_REQUIRED, name = printable(.name))]
    TooManyKeys {
        /// The name.
        name: String,
        /// How many it requires.
        count: usize,
    },
    /// A field is required twice.
    #[error("event type `{name}` requires `{key}` twice", name = printable(.name), key = printable(.key))]
    RepeatedKey {
        /// The name.
        name: String,
        /// The key.
        key: String,
    },
    /// Only events have a line.
    #[error("a message of kind `{0}` has no event line")]
    NotAnEvent(MessageKind),
}
