//! The types that a field can have, and whether a value fits.

use super::object::Shape;
use super::placeholder::{is_placeholder, is_whole_placeholder};
use crate::json::{Kind, Token};
#[allow(clippy::wildcard_imports, reason = "the rows name most scalars")]
use crate::scalar::*;
use serde::{Serialize, Serializer};
use std::fmt;

/// Hands the closed lists of words to the macro `$expand`, behind other rows: name, word for lists,
/// what error messages call it.
macro_rules! vocabulary_table {
    ($expand:ident { $($rows:tt)* }) => { $expand! { $($rows)*
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
    } };
}
pub(crate) use vocabulary_table;

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

            /// The shape of a value of this type.
            pub(crate) const fn shape(self) -> &'static Shape {
                match self {
                    $(FieldType::$variant => &Shape::Leaf(FieldType::$variant),)+
                    $(FieldType::$name => &Shape::Leaf(FieldType::$name),)+
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
    };
}

vocabulary_table! { field_types {
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
    /// The version of a state. All programs count so far without skipping one, those whose numbers
    /// are doubles among them, and each version has a digest of its own.
    StateVersion "state_version" "a version from 0 to 9007199254740991"
    /// A number from 0 to 100.
    Percent "percent" "a percentage from 0 to 100"
    /// A number from 0 to 1.
    Ratio "ratio" "a ratio from 0 to 1"
} }

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
    /// The last version of a state, 2^53 - 1.
    pub const LAST_STATE_VERSION: u64 = (1 << 53) - 1;

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
            FieldType::StateVersion => number_fits(text, token, |raw| {
                Count::parse(raw).is_ok_and(|version| version.get() <= Self::LAST_STATE_VERSION)
            }),
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
