//! The Rust types that fields can have: read from a text that fits, written as JSON.

use crate::codec::BuildError;
use crate::json::{Json, Kind, Token, write_text};
#[allow(clippy::wildcard_imports, reason = "every scalar is a field")]
use crate::scalar::*;
use crate::spec::vocabulary_table;
use smol_str::SmolStr;
use std::borrow::Cow;
use std::fmt;

/// A Rust type that one required field can have.
pub(crate) trait Field: Sized {
    /// Reads a scanned value; `None` where the kind or the range is wrong. Unreadable texts and
    /// unknown words are kept.
    fn read(text: &str, token: Token) -> Option<Self>;

    fn write(&self, out: &mut Vec<u8>);
}

fn text_of(text: &str, token: Token) -> Option<Cow<'_, str>> {
    (token.kind() == Kind::Text).then(|| token.decode(text))
}

fn number_of(text: &str, token: Token) -> Option<&str> {
    (token.kind() == Kind::Number).then(|| token.raw(text))
}

macro_rules! fields {
    ($($type:ty, |$text:ident| $read:expr;)+) => { $(
        impl Field for $type {
            fn read(text: &str, token: Token) -> Option<Self> {
                let $text = text_of(text, token)?;
                $read
            }

            fn write(&self, out: &mut Vec<u8>) {
                write_text(out, self.as_str());
            }
        }
    )+ };
}
fields! {
    String, |text| Some(text.into_owned());
    Span, |text| Some(Self::from_lenient(text));
    Timestamp, |text| Some(Self::from_lenient(text));
    ComponentVersion, |text| Some(Self::from_lenient(text));
    Window, |text| Some(Self::from_lenient(text));
    ByteSize, |text| Some(Self::from_lenient(text));
    Digest, |text| Some(Self::from_lenient(text));
}

macro_rules! id_fields {
    ($($type:ident)+) => {
        fields! { $($type, |text| id::check(&text).ok().map(|_| Self::from_valid(&text));)+ }
    };
}
id_fields! {
    TaskId AgentId WorkflowId AllocationId CheckpointId ComponentId
    ConflictId RecoveryId RequestId ResponseId ErrorId MessageId
    CorrelationId ProposalId Phase
}

macro_rules! word_fields {
    (; vocabularies $($name:ident $word:literal $noun:literal)+) => { $(
        impl Field for $name {
            fn read(text: &str, token: Token) -> Option<Self> {
                Some(Self::from_lenient(&*text_of(text, token)?))
            }

            fn write(&self, out: &mut Vec<u8>) {
                write_text(out, self.as_str());
            }
        }
    )+ };
}
vocabulary_table! { word_fields {} }

macro_rules! number_fields {
    ($($type:ty)+) => { $(
        impl Field for $type {
            fn read(text: &str, token: Token) -> Option<Self> {
                Self::read(number_of(text, token)?)
            }

            fn write(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(self.as_str().as_bytes());
            }
        }
    )+ };
}
number_fields! {
    Quantity Amount Count Percent Ratio
}

impl Field for bool {
    fn read(text: &str, token: Token) -> Option<Self> {
        (token.kind() == Kind::Bool).then(|| token.raw(text) == "true")
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(if *self { b"true" } else { b"false" });
    }
}

impl Field for ProtocolVersion {
    fn read(text: &str, token: Token) -> Option<Self> {
        text_of(text, token)?.parse().ok()
    }

    fn write(&self, out: &mut Vec<u8>) {
        write_text(out, &self.to_string());
    }
}

impl Field for Json {
    fn read(text: &str, token: Token) -> Option<Self> {
        Some(Json::from_valid(token.raw(text)))
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_str().as_bytes());
    }
}

/// A JSON object of any content.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct JsonObject(Json);

impl TryFrom<Json> for JsonObject {
    type Error = BuildError;

    fn try_from(value: Json) -> Result<Self, BuildError> {
        match value.kind() {
            Kind::Object => Ok(JsonObject(value)),
            other => Err(BuildError::NotAnObject { found: other }),
        }
    }
}

impl JsonObject {
    /// The object as a JSON value.
    pub fn as_json(&self) -> &Json {
        &self.0
    }
}

impl Field for JsonObject {
    fn read(text: &str, token: Token) -> Option<Self> {
        (token.kind() == Kind::Object).then(|| JsonObject(Json::from_valid(token.raw(text))))
    }

    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
    }
}

/// A list of strings, as `capabilities` and `affected_components` are.
pub type TextList = Vec<String>;

impl Field for TextList {
    fn read(text: &str, token: Token) -> Option<Self> {
        if token.kind() != Kind::Array {
            return None;
        }
        crate::json::elements(text, token.start()).map(|item| String::read(text, item)).collect()
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.push(b'[');
        for (index, item) in self.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            write_text(out, item);
        }
        out.push(b']');
    }
}

/// A phase in an event's data: the number of the specification's state message, or a name. The
/// spelling of a number is kept.
///
/// ```
/// use coordination_protocol::event::PhaseId;
///
/// assert_eq!(PhaseId::from(3).to_string(), "3");
/// assert_eq!(PhaseId::from("testing").to_string(), "testing");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PhaseId {
    /// The number of the phase.
    Number(Quantity),
    /// The name of the phase.
    Name(PhaseName),
}

/// The name in a [`PhaseId`]: any text. Short ones take no allocation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PhaseName(SmolStr);

impl PhaseName {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<T: AsRef<str>> From<T> for PhaseName {
    fn from(name: T) -> Self {
        PhaseName(SmolStr::new(name))
    }
}

impl fmt::Display for PhaseName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

macro_rules! phase_numbers {
    ($($integer:ty)+) => { $(
        impl From<$integer> for PhaseId {
            fn from(number: $integer) -> Self {
                PhaseId::Number(Quantity::from(number))
            }
        }
    )+ };
}
phase_numbers! { u8 u16 u32 u64 i32 i64 usize }

impl From<String> for PhaseId {
    fn from(name: String) -> Self {
        PhaseId::Name(name.into())
    }
}

impl From<&str> for PhaseId {
    fn from(name: &str) -> Self {
        PhaseId::Name(name.into())
    }
}

impl fmt::Display for PhaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PhaseId::Number(number) => number.fmt(f),
            PhaseId::Name(name) => f.write_str(name.as_str()),
        }
    }
}

impl Field for PhaseId {
    fn read(text: &str, token: Token) -> Option<Self> {
        match token.kind() {
            Kind::Number => Quantity::parse(token.raw(text)).ok().map(PhaseId::Number),
            Kind::Text => Some(PhaseId::Name(token.decode(text).into())),
            _ => None,
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            PhaseId::Number(number) => number.write(out),
            PhaseId::Name(name) => write_text(out, name.as_str()),
        }
    }
}
