//! The types that required data can have.

pub(crate) use super::placeholder::{is_placeholder, is_whole_placeholder};
use crate::json::{Json, Kind, Token, write_text};
#[allow(clippy::wildcard_imports, reason = "the rows name most scalars")]
use crate::scalar::*;
use serde::{Serialize, Serializer};
use smol_str::SmolStr;
use std::borrow::Cow;
use std::fmt;

/// Why a value does not fit its field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Misfit {
    Kind,
    Range,
    Unreadable,
    Word,
    Placeholder,
    Identifier,
}

macro_rules! field_types {
    (
        $($(#[$meta:meta])* $variant:ident $word:literal $noun:literal)+
        ; vocabularies $($name:ident $vocabulary_word:literal $vocabulary_noun:literal)+
    ) => {
        /// The type of one value. The specification names the data of events and gives no types,
        /// so a type is stated only where an example or a sibling message shows one; else any JSON
        /// value will do.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum FieldType {
            $($(#[$meta])* $variant,)+
            $(#[doc = concat!("A word of [`", stringify!($name), "`].")] $name,)+
        }

        impl FieldType {
            /// All types.
            pub const ALL: &'static [FieldType] =
                &[$(FieldType::$variant,)+ $(FieldType::$name,)+];

            /// The word, as `coord registry` prints it.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(FieldType::$variant => $word,)+
                    $(FieldType::$name => $vocabulary_word,)+
                }
            }

            /// What error messages call it.
            pub(crate) const fn noun(self) -> &'static str {
                match self {
                    $(FieldType::$variant => $noun,)+
                    $(FieldType::$name => $vocabulary_noun,)+
                }
            }

            /// The words of a closed list; `None` if the type is none.
            pub const fn words(self) -> Option<&'static [&'static str]> {
                match self {
                    $(FieldType::$name => Some($name::KNOWN),)+
                    _ => None,
                }
            }

            /// Whether a text is a word of the type's closed list.
            fn is_word(self, text: &str) -> bool {
                match self {
                    $(FieldType::$name => $name::is_valid(text),)+
                    _ => true,
                }
            }

            /// The JSON Schema of a closed list, by reference; `None` if the type is none.
            #[cfg(feature = "schema")]
            pub(crate) fn words_schema(
                self,
                generator: &mut schemars::SchemaGenerator,
            ) -> Option<schemars::Schema> {
                match self {
                    $(FieldType::$name => Some(generator.subschema_for::<$name>()),)+
                    _ => None,
                }
            }
        }

        $(
            impl Field for $name {
                const TYPE: FieldType = FieldType::$name;

                fn read(text: &str, token: Token) -> Option<Self> {
                    Some(Self::from_lenient(&*text_of(text, token)?))
                }

                fn write(&self, out: &mut Vec<u8>) {
                    write_text(out, self.as_str());
                }
            }
        )+
    };
}

field_types! {
    /// Any JSON value.
    Json "json" "any JSON value"
    /// A JSON object.
    Object "object" "an object"
    /// `true` or `false`.
    Bool "bool" "true or false"
    /// A string.
    Text "text" "a string"
    /// A list of strings.
    TextList "text_list" "a list of strings"
    /// An identifier, see [`id::check`].
    Id "id" "an identifier"
    /// A phase: its number or its name.
    Phase "phase" "a phase number or name"
    /// A duration such as `2h 30m`, see [`Span`].
    Span "span" "a duration such as `2h 30m`"
    /// An RFC 3339 time, see [`Timestamp`].
    Timestamp "timestamp" "a time such as `2025-01-15T12:00:00Z`"
    /// A daily window such as `12:30-13:00`, see [`Window`].
    Window "window" "a window such as `12:30-13:00`"
    /// A size such as `2.5GB`, see [`ByteSize`].
    ByteSize "byte_size" "a size such as `2.5GB`"
    /// A SHA-256 digest, see [`Digest`].
    Digest "digest" "a digest, `sha256:` and 64 hexadecimal digits"
    /// A semantic version.
    Version "version" "a version such as `1.0.0`"
    /// A protocol version, see [`ProtocolVersion`].
    ProtocolVersion "protocol_version" "a protocol version such as `1.1.0`"
    /// Any number.
    Number "number" "a number"
    /// A number that is not negative.
    Amount "amount" "a number from 0"
    /// A whole number, not negative.
    Count "count" "a whole number from 0 to 18446744073709551615"
    /// A number from 0 to 100.
    Percent "percent" "a percentage from 0 to 100"
    /// A number from 0 to 1.
    Ratio "ratio" "a ratio from 0 to 1"
    ; vocabularies
    Severity "severity" "a severity"
    Priority "priority" "a priority"
    AllocationStatus "allocation_status" "an allocation status"
    ConflictTolerance "conflict_tolerance" "a conflict tolerance"
    IsolationLevel "isolation_level" "an isolation level"
    CheckpointType "checkpoint_type" "a checkpoint type"
    CheckpointTrigger "checkpoint_trigger" "a checkpoint trigger"
    CheckResult "check_result" "a check result"
    ErrorCategory "error_category" "an error category"
    ErrorType "error_type" "an error type"
    ErrorScope "error_scope" "an error scope"
    HealthState "health_state" "a health state"
    StateMessage "state_message" "the type of a state message"
    CheckpointMessage "checkpoint_message" "the type of a checkpoint message"
    RollbackMode "rollback_mode" "a rollback mode"
    TextEncoding "text_encoding" "a text encoding"
    Ballot "ballot" "a vote"
    BallotOutcome "ballot_outcome" "an outcome of a ballot"
}

impl fmt::Display for FieldType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for FieldType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl FieldType {
    /// Whether the value `token` of `text` fits, without allocating unless a string is escaped.
    #[inline]
    pub(crate) fn fits(self, text: &str, token: Token) -> Result<(), Misfit> {
        use Misfit::{Identifier, Placeholder, Range, Unreadable, Word};
        let is = |kind| fit(token.kind() == kind, Misfit::Kind);
        match self {
            FieldType::Json => Self::filled_in(text, token),
            FieldType::Object => is(Kind::Object),
            FieldType::TextList => Self::all_texts(text, token),
            FieldType::Bool => is(Kind::Bool),
            FieldType::Number => is(Kind::Number),
            FieldType::Amount => number_fits(text, token, Amount::is_valid),
            FieldType::Ratio => number_fits(text, token, Ratio::is_valid),
            FieldType::Count => number_fits(text, token, Count::is_valid),
            FieldType::Percent => number_fits(text, token, Percent::is_valid),
            FieldType::Span => text_fits(text, token, |text| fit(Span::is_valid(text), Unreadable)),
            FieldType::Timestamp => {
                text_fits(text, token, |text| fit(Timestamp::is_valid(text), Unreadable))
            }
            FieldType::Version => {
                text_fits(text, token, |text| fit(ComponentVersion::is_valid(text), Unreadable))
            }
            FieldType::Window => {
                text_fits(text, token, |text| fit(Window::is_valid(text), Unreadable))
            }
            FieldType::ByteSize => {
                text_fits(text, token, |text| fit(ByteSize::is_valid(text), Unreadable))
            }
            FieldType::Digest => {
                text_fits(text, token, |text| fit(Digest::is_valid(text), Unreadable))
            }
            // Reading one as something else would be worse than not reading the message.
            FieldType::ProtocolVersion => {
                text_fits(text, token, |text| fit(ProtocolVersion::is_valid(text), Range))
            }
            FieldType::Id => text_fits(text, token, |text| match id::check(text) {
                Err(_) => Err(Identifier),
                Ok(id::IdCharset::Recommended) => Ok(()),
                Ok(_) => fit(!is_placeholder(text), Placeholder),
            }),
            FieldType::Text => {
                text_fits(text, token, |text| fit(!is_whole_placeholder(text), Placeholder))
            }
            FieldType::Phase if token.kind() == Kind::Number => Ok(()),
            FieldType::Phase => {
                text_fits(text, token, |text| fit(!is_placeholder(text), Placeholder))
            }
            _ => text_fits(text, token, |text| fit(self.is_word(text), Word)),
        }
    }

    /// A value of any kind may be anything but a placeholder.
    #[inline]
    fn filled_in(text: &str, token: Token) -> Result<(), Misfit> {
        let blank = token.kind() == Kind::Text && is_whole_placeholder(&token.decode(text));
        fit(!blank, Misfit::Placeholder)
    }

    fn all_texts(text: &str, token: Token) -> Result<(), Misfit> {
        if token.kind() != Kind::Array {
            return Err(Misfit::Kind);
        }
        crate::json::elements(text, token.start()).try_for_each(|item| Self::item_fits(text, item))
    }

    /// Whether a value fits a list of strings.
    #[inline]
    pub(crate) fn item_fits(text: &str, item: Token) -> Result<(), Misfit> {
        fit(item.kind() == Kind::Text, Misfit::Kind)?;
        Self::filled_in(text, item)
    }
}

#[inline]
fn fit(fits: bool, misfit: Misfit) -> Result<(), Misfit> {
    if fits { Ok(()) } else { Err(misfit) }
}

#[inline]
fn number_fits(text: &str, token: Token, valid: impl FnOnce(&str) -> bool) -> Result<(), Misfit> {
    fit(token.kind() == Kind::Number, Misfit::Kind)?;
    fit(valid(token.raw(text)), Misfit::Range)
}

/// A text that does not fit may be a placeholder, which says more.
#[inline]
fn text_fits(
    text: &str,
    token: Token,
    reads: impl FnOnce(&str) -> Result<(), Misfit>,
) -> Result<(), Misfit> {
    fit(token.kind() == Kind::Text, Misfit::Kind)?;
    let meaning = token.decode(text);
    reads(&meaning).map_err(
        |misfit| {
            if is_placeholder(&meaning) { Misfit::Placeholder } else { misfit }
        },
    )
}

/// A Rust type that one required field can have.
pub(crate) trait Field: Sized {
    const TYPE: FieldType;

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
    ($($type:ty, $kind:ident, |$text:ident| $read:expr;)+) => { $(
        impl Field for $type {
            const TYPE: FieldType = FieldType::$kind;

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
    String, Text, |text| Some(text.into_owned());
    TaskId, Id, |text| id::check(&text).ok().map(|_| Self::from_valid(&text));
    AgentId, Id, |text| id::check(&text).ok().map(|_| Self::from_valid(&text));
    WorkflowId, Id, |text| id::check(&text).ok().map(|_| Self::from_valid(&text));
    AllocationId, Id, |text| id::check(&text).ok().map(|_| Self::from_valid(&text));
    CheckpointId, Id, |text| id::check(&text).ok().map(|_| Self::from_valid(&text));
    ComponentId, Id, |text| id::check(&text).ok().map(|_| Self::from_valid(&text));
    ConflictId, Id, |text| id::check(&text).ok().map(|_| Self::from_valid(&text));
    RecoveryId, Id, |text| id::check(&text).ok().map(|_| Self::from_valid(&text));
    Span, Span, |text| Some(Self::from_lenient(text));
    Timestamp, Timestamp, |text| Some(Self::from_lenient(text));
    ComponentVersion, Version, |text| Some(Self::from_lenient(text));
    Window, Window, |text| Some(Self::from_lenient(text));
    ByteSize, ByteSize, |text| Some(Self::from_lenient(text));
    Digest, Digest, |text| Some(Self::from_lenient(text));
    RequestId, Id, |text| id::check(&text).ok().map(|_| Self::from_valid(&text));
    ResponseId, Id, |text| id::check(&text).ok().map(|_| Self::from_valid(&text));
    ErrorId, Id, |text| id::check(&text).ok().map(|_| Self::from_valid(&text));
    MessageId, Id, |text| id::check(&text).ok().map(|_| Self::from_valid(&text));
    CorrelationId, Id, |text| id::check(&text).ok().map(|_| Self::from_valid(&text));
    ProposalId, Id, |text| id::check(&text).ok().map(|_| Self::from_valid(&text));
    Phase, Id, |text| id::check(&text).ok().map(|_| Self::from_valid(&text));
}

macro_rules! number_fields {
    ($($type:ty, $kind:ident;)+) => { $(
        impl Field for $type {
            const TYPE: FieldType = FieldType::$kind;

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
    Quantity, Number;
    Amount, Amount;
    Count, Count;
    Percent, Percent;
    Ratio, Ratio;
}

impl Field for bool {
    const TYPE: FieldType = FieldType::Bool;

    fn read(text: &str, token: Token) -> Option<Self> {
        (token.kind() == Kind::Bool).then(|| token.raw(text) == "true")
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(if *self { b"true" } else { b"false" });
    }
}

impl Field for ProtocolVersion {
    const TYPE: FieldType = FieldType::ProtocolVersion;

    fn read(text: &str, token: Token) -> Option<Self> {
        text_of(text, token)?.parse().ok()
    }

    fn write(&self, out: &mut Vec<u8>) {
        write_text(out, &self.to_string());
    }
}

impl Field for Json {
    const TYPE: FieldType = FieldType::Json;

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

/// A JSON value that is no object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected an object, found {0}")]
pub struct NotAnObject(Kind);

impl TryFrom<Json> for JsonObject {
    type Error = NotAnObject;

    fn try_from(value: Json) -> Result<Self, NotAnObject> {
        match value.kind() {
            Kind::Object => Ok(JsonObject(value)),
            other => Err(NotAnObject(other)),
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
    const TYPE: FieldType = FieldType::Object;

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
    const TYPE: FieldType = FieldType::TextList;

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
    Name(SmolStr),
}

impl From<u32> for PhaseId {
    fn from(number: u32) -> Self {
        PhaseId::Number(Quantity::from(number))
    }
}

impl From<&str> for PhaseId {
    fn from(name: &str) -> Self {
        PhaseId::Name(SmolStr::new(name))
    }
}

impl fmt::Display for PhaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PhaseId::Number(number) => number.fmt(f),
            PhaseId::Name(name) => f.write_str(name),
        }
    }
}

impl Field for PhaseId {
    const TYPE: FieldType = FieldType::Phase;

    fn read(text: &str, token: Token) -> Option<Self> {
        match token.kind() {
            Kind::Number => Quantity::parse(token.raw(text)).ok().map(PhaseId::Number),
            Kind::Text => Some(PhaseId::Name(SmolStr::from(token.decode(text)))),
            _ => None,
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            PhaseId::Number(number) => number.write(out),
            PhaseId::Name(name) => write_text(out, name),
        }
    }
}
