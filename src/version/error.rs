//! What can go wrong with versions: forms, ranges, agreement, notices, migration.

use super::date::{Date, NOTICE_DAYS};
use super::loss::Loss;
use super::negotiate::Refusal;
use crate::error::leaf_errors;
use crate::event::ReadError;
use crate::json::JsonFault;
use crate::scalar::{Escaping, ProtocolVersion, printable};
use std::fmt::{self, Write as _};

/// Why an operation on versions was not done.
///
/// ```
/// use coordination_protocol::version::SupportedVersions;
///
/// let error = "1.0.0..=1.x.0".parse::<SupportedVersions>().unwrap_err();
/// assert_eq!((error.code(), error.at()), ("form", Some(8)));
/// assert_eq!(
///     error.to_string(),
///     "`1.x.0` is not a protocol version; write MAJOR.MINOR.PATCH like `1.1.0` (byte 8)"
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VersionError {
    /// A text or JSON form is refused: of versions, of dates, of a calendar.
    #[error("{0}")]
    Form(Box<BadForm>),
    /// A range would end before it starts.
    #[error("the range ends at {to}, before it starts at {from}")]
    Range {
        /// Where it starts.
        from: ProtocolVersion,
        /// Where it ends.
        to: ProtocolVersion,
    },
    /// A text is no name of a capability.
    #[error("a capability name has 1 to 128 letters, digits, `_`, `-` and `.`")]
    Capability,
    /// Two sides have no version in common; the refusal says what would help.
    #[error("{0}")]
    Refused(Box<Refusal>),
    /// A `hello` or `welcome` says nothing that can be used.
    #[error("{reason} at {pointer}", reason = printable(.reason), pointer = printable(.pointer))]
    Greeting {
        /// The JSON pointer into the body.
        pointer: String,
        /// What is wrong there.
        reason: String,
    },
    /// A text is no path of a field.
    #[error("`{}` is no field; write it like `error_report/context/agent`", printable(.0))]
    FieldPath(String),
    /// A notice would run less than 90 days.
    #[error("from {announced} to {sunset} are {days} days; a notice runs at least {NOTICE_DAYS}")]
    ShortNotice {
        /// The day of the announcement.
        announced: Date,
        /// The day from which on the thing is gone.
        sunset: Date,
        /// How many days lie between.
        days: i64,
    },
    /// The sunset would come earlier than was announced.
    #[error("the sunset of {subject} was announced for {was}; it cannot come earlier, on {new}", subject = printable(.subject))]
    EarlierSunset {
        /// What ends.
        subject: String,
        /// The day that was announced.
        was: Date,
        /// The day that was asked for.
        new: Date,
    },
    /// The steps do not connect the versions.
    #[error("no steps lead from {from} to {to}")]
    NoPath {
        /// Where the record is.
        from: ProtocolVersion,
        /// Where it should go.
        to: ProtocolVersion,
    },
    /// The record starts like a JSON document and is none.
    #[error("broken JSON: {0}")]
    Json(JsonFault),
    /// The record is neither a JSON object nor an event line.
    #[error("neither a JSON object nor an event line: {0}")]
    NotARecord(#[source] ReadError),
    /// The target version cannot express the record, and the caller did not allow to drop it.
    #[error("required data would be lost: {}", sentences(.losses))]
    RequiredLoss {
        /// All losses up to there, the required one among them.
        losses: Vec<Loss>,
    },
    /// A step of the host refused the record.
    #[error("the step from {from} to {to} failed: {reason}", reason = printable(.reason))]
    Step {
        /// Where the step starts.
        from: ProtocolVersion,
        /// Where it leads.
        to: ProtocolVersion,
        /// What it said.
        reason: String,
    },
    /// The message is not one that writers may send in any version.
    #[error("not fit to be sent: {0}")]
    Message(#[source] ReadError),
    /// The event is not one that writers may send in any version.
    #[error("not fit to be sent: {0}")]
    Event(#[source] ReadError),
}

/// What is wrong with a text or JSON form, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BadForm {
    /// What is wrong.
    pub reason: String,
    /// The JSON pointer of the value; empty in a text form, and for the JSON root.
    pub pointer: String,
    /// The first byte of what is wrong.
    pub at: usize,
}

impl fmt::Display for BadForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let f = &mut Escaping::sentence(f);
        match self.pointer.as_str() {
            "" => write!(f, "{} (byte {})", self.reason, self.at),
            pointer => write!(f, "{} at {pointer} (byte {})", self.reason, self.at),
        }
    }
}

fn sentences(losses: &[Loss]) -> String {
    let required = losses.iter().filter(|loss| loss.required);
    required.map(Loss::to_string).collect::<Vec<_>>().join("; ")
}

impl VersionError {
    /// A fault in a text form.
    pub(super) fn form(at: usize, reason: impl fmt::Display) -> Self {
        Self::form_at(at, String::new(), reason)
    }

    /// A fault in a JSON form.
    pub(super) fn form_at(at: usize, pointer: String, reason: impl fmt::Display) -> Self {
        VersionError::Form(Box::new(BadForm { reason: reason.to_string(), pointer, at }))
    }

    /// Moves the place of a fault in a part of a text into the whole text.
    pub(super) fn behind(mut self, bytes: usize) -> Self {
        if let VersionError::Form(form) = &mut self {
            form.at += bytes;
        }
        self
    }

    pub(super) fn greeting(pointer: impl Into<String>, reason: impl fmt::Display) -> Self {
        VersionError::Greeting { pointer: pointer.into(), reason: reason.to_string() }
    }

    /// The first byte of what is wrong with a form.
    pub fn at(&self) -> Option<usize> {
        match self {
            VersionError::Form(form) => Some(form.at),
            _ => None,
        }
    }

    /// The JSON pointer of what is wrong in a form or a greeting; empty in a text form, and for the
    /// root.
    pub fn pointer(&self) -> &str {
        match self {
            VersionError::Form(form) => &form.pointer,
            VersionError::Greeting { pointer, .. } => pointer,
            _ => "",
        }
    }

    /// What is wrong with a form, without its place.
    pub fn reason(&self) -> Option<&str> {
        match self {
            VersionError::Form(form) => Some(&form.reason),
            _ => None,
        }
    }
}

impl From<Refusal> for VersionError {
    fn from(refusal: Refusal) -> Self {
        VersionError::Refused(Box::new(refusal))
    }
}

impl From<Refusal> for crate::error::Error {
    fn from(refusal: Refusal) -> Self {
        VersionError::from(refusal).into()
    }
}

leaf_errors! {
    VersionError, Version {
        Self::Form(_) => ["form", System, Corruption, lasting, "correct_and_retry", "Write it in the form that the message shows."],
        Self::Range { .. } => ["range", System, Corruption, lasting, "correct_and_retry", "Write ranges from the lower to the higher version."],
        Self::Capability => ["capability", System, Corruption, lasting, "correct_and_retry", "Use letters, digits, `_`, `-` or `.`."],
        Self::Refused(_) => ["refused", System, Conflict, lasting, "upgrade", "Let both sides speak one version; the refusal says which."],
        Self::Greeting { .. } => ["greeting", System, Corruption, lasting, "correct_and_resend", "Greet with at least one sound range of versions."],
        Self::FieldPath(_) => ["field-path", System, Corruption, lasting, "correct_and_retry", "Write a message or an event type, then the path of the field."],
        Self::ShortNotice { .. } => ["short-notice", System, Corruption, lasting, "correct_and_retry", "Announce at least 90 days before the sunset."],
        Self::EarlierSunset { .. } => ["earlier-sunset", System, Corruption, lasting, "correct_and_retry", "Announce at least 90 days before the sunset."],
        Self::NoPath { .. } => ["no-path", System, Conflict, lasting, "correct_and_retry", "Migrate between versions that steps connect, or register the step that is missing."],
        Self::Json(_) => ["json", System, Conflict, lasting, "correct_and_retry", "Migrate with the adapter that the record needs, or allow the loss."],
        Self::NotARecord(_) => ["not-a-record", System, Conflict, lasting, "correct_and_retry", "Migrate with the adapter that the record needs, or allow the loss."],
        Self::RequiredLoss { .. } => ["required-loss", System, Conflict, lasting, "correct_and_retry", "Migrate with the adapter that the record needs, or allow the loss."],
        Self::Step { .. } => ["step", System, Conflict, lasting, "correct_and_retry", "Migrate with the adapter that the record needs, or allow the loss."],
        Self::Message(_) => ["unfit-message", System, Conflict, lasting, "correct_and_retry", "Send what the peer's version has, or agree on a later one."],
        Self::Event(_) => ["unfit-event", System, Conflict, lasting, "correct_and_retry", "Send what the peer's version has, or agree on a later one."],
    }
}
