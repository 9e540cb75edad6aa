//! Identifiers: one table of types over one grammar.
//!
//! The specification separates the parts of an event line with `:` and has no escape
//! (section *Event Message Schema*). So an identifier cannot hold a colon, a line break or any
//! other control character, and a typed identifier fits every position of a line.
//!
//! The specification gives no grammar. Ours: 1 to 128 characters, no `:`, no control character.
//! Recommended are ASCII letters, digits, `_`, `-` and `.`; any other character is legal but
//! unusual, and [`check`] tells which.

use smol_str::SmolStr;

use super::ScalarError;
use super::text::{self, scalar_schema, shows_text};

/// The reserved word for what concerns the whole system instead of one workflow or phase.
pub const GLOBAL: &str = "global";

/// What no identifier holds, as a pattern: a colon, or a control character.
#[cfg(feature = "schema")]
const NOT_IN_ID: &str = r"[:\x00-\x1F\x7F-\x9F]";

/// The maximum length of an identifier, in characters.
pub const MAX_CHARS: usize = 128;

/// Which characters a legal identifier uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum IdCharset {
    /// ASCII letters, digits, `_`, `-` and `.` only.
    Recommended,
    /// At least one other character, such as a space or a letter with an accent.
    Unusual,
}

const UNUSUAL: u8 = 1;
const BAD: u8 = 2;
const WIDE: u8 = 4;

/// What each byte says about an identifier: nothing, or one of the flags above.
const CLASS: [u8; 256] = {
    let mut class = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        class[byte] = match byte as u8 {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' | b'.' => 0,
            0..=31 | 127 | b':' => BAD,
            128..=255 => WIDE,
            _ => UNUSUAL,
        };
        byte += 1;
    }
    class
};

/// Checks a text against the grammar of identifiers without allocating.
///
/// # Errors
///
/// [`ScalarError`], for the first bad character if there is one, else for the length.
///
/// ```
/// use coordination_protocol::scalar::{IdCharset, id};
///
/// assert_eq!(id::check("wf_001"), Ok(IdCharset::Recommended));
/// assert_eq!(id::check("my workflow"), Ok(IdCharset::Unusual));
/// assert!(id::check("wf:001").is_err());
/// ```
#[inline]
pub fn check(text: &str) -> Result<IdCharset, ScalarError> {
    let bytes = text.as_bytes();
    if !bytes.is_empty() && bytes.len() <= MAX_CHARS {
        let plain = recommended_end(bytes, 0);
        if plain == bytes.len() {
            return Ok(IdCharset::Recommended);
        }
        let seen = bytes[plain..].iter().fold(0, |seen, byte| seen | CLASS[usize::from(*byte)]);
        if seen == UNUSUAL {
            return Ok(IdCharset::Unusual);
        }
    }
    check_chars(text)
}

/// Where the recommended characters from `at` on end.
#[inline]
pub(crate) fn recommended_end(bytes: &[u8], mut at: usize) -> usize {
    let mut rest = bytes.get(at..).unwrap_or_default();
    while let Some((chunk, behind)) = rest.split_first_chunk::<8>() {
        let others = others(u64::from_le_bytes(*chunk));
        if others != 0 {
            return at + (others.trailing_zeros() / 8) as usize;
        }
        rest = behind;
        at += 8;
    }
    at + rest.iter().take_while(|byte| CLASS[usize::from(**byte)] == 0).count()
}

/// The high bit of each of eight bytes that is no recommended character.
#[inline]
fn others(word: u64) -> u64 {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGHS: u64 = ONES << 7;
    // Bytes below 0x80 cannot carry into each other, and the others are set aside at the end.
    let from = |low: u64, least: u8| low + ONES * u64::from(0x80 - least);
    let low = word & !HIGHS;
    let lower = low | (ONES * 0x20);
    let letter = from(lower, b'a') ^ from(lower, b'z' + 1);
    // From `-` to `9` there is only `/` too many.
    let digit = (from(low, b'-') ^ from(low, b'9' + 1)) & from(low ^ (ONES * u64::from(b'/')), 1);
    let line = !from(low ^ (ONES * u64::from(b'_')), 1);
    (!(letter | digit | line) | word) & HIGHS
}

#[cold]
fn check_chars(text: &str) -> Result<IdCharset, ScalarError> {
    if text.is_empty() {
        return Err(ScalarError::EmptyId);
    }
    if let Some((at, found)) = text.char_indices().find(|(_, c)| *c == ':' || c.is_control()) {
        return Err(ScalarError::IdCharacter { found, at });
    }
    match text.chars().count() {
        // More bytes than the fast path takes, or some beyond ASCII: unusual either way, because
        // an ASCII text of this many characters was answered there.
        chars if chars <= MAX_CHARS => Ok(IdCharset::Unusual),
        chars => Err(ScalarError::LongId { chars }),
    }
}

/// `PREFIX` and a UUIDv7 of the given moment and bytes.
fn generate(prefix: &str, unix_millis: u64, random: &[u8; 10]) -> SmolStr {
    let uuid = uuid::Builder::from_unix_timestamp_millis(unix_millis, random).into_uuid();
    let mut buffer = uuid::Uuid::encode_buffer();
    SmolStr::from_iter([prefix, uuid.hyphenated().encode_lower(&mut buffer)])
}

/// An identifier of a kind that is made when it is needed, with a prefix and a UUIDv7.
pub trait GeneratedId {
    /// Makes one from a moment, in milliseconds since 1970, and ten random bytes. Equal arguments give
    /// equal identifiers.
    fn generate(unix_millis: u64, random: [u8; 10]) -> Self;
}

/// Expands the table of identifier types.
macro_rules! ids {
    ($(
        $(#[doc = $doc:expr])+
        $name:ident $what:literal $(($kind:ident $($value:literal)?))?;
    )+) => {$(
        $(#[doc = $doc])+
        ///
        /// 1 to 128 characters, no `:`, no control character; see [the module](self).
        ///
        /// ```
        #[doc = concat!("use coordination_protocol::scalar::", stringify!($name), ";")]
        ///
        #[doc = concat!("let id = ", stringify!($name), "::new(\"a.b-1\")?;")]
        /// assert_eq!(id.as_str(), "a.b-1");
        #[doc = concat!("assert!(", stringify!($name), "::new(\"a:b\").is_err());")]
        /// # Ok::<(), coordination_protocol::scalar::ScalarError>(())
        /// ```
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(SmolStr);

        impl $name {
            /// Takes a text as an identifier.
            ///
            /// # Errors
            ///
            /// [`ScalarError`] if the text is empty, too long or holds a forbidden character.
            pub fn new(text: impl AsRef<str>) -> Result<Self, ScalarError> {
                let text = text.as_ref();
                check(text)?;
                Ok(Self(SmolStr::new(text)))
            }

            /// Takes a text that [`check`] let pass before: part of an examined header.
            #[allow(dead_code, reason = "not every identifier stands in a line")]
            pub(crate) fn from_valid(text: &str) -> Self {
                debug_assert!(check(text).is_ok());
                Self(SmolStr::new(text))
            }

            /// Whether all characters are recommended ones.
            pub fn charset(&self) -> IdCharset {
                check(self.as_str()).unwrap_or(IdCharset::Unusual)
            }
        }

        $(ids!(@$kind $name $($value)?);)?

        shows_text!($name);

        impl ::core::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                self.as_str()
            }
        }

        impl TryFrom<&str> for $name {
            type Error = ScalarError;

            fn try_from(text: &str) -> Result<Self, ScalarError> {
                Self::new(text)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(
                deserializer: D,
            ) -> Result<Self, D::Error> {
                text::read(deserializer, $what, |text| Self::new(text))
            }
        }

        scalar_schema!($name, concat!($($doc, "\n"),+), {
            "type": "string",
            "minLength": 1,
            "maxLength": MAX_CHARS,
            "not": { "pattern": NOT_IN_ID },
        });
    )+};

    (@prefix $name:ident $prefix:literal) => {
        impl GeneratedId for $name {
            fn generate(unix_millis: u64, random: [u8; 10]) -> Self {
                Self::generate(unix_millis, random)
            }
        }

        impl $name {
            /// What generated identifiers start with. Others are read as well.
            pub const PREFIX: &'static str = $prefix;

            /// Makes an identifier from a moment and ten random bytes.
            ///
            /// It is the prefix and a UUIDv7. Equal arguments give equal identifiers.
            /// `unix_millis` counts milliseconds since 1970-01-01T00:00:00Z; only its lower 48
            /// bits are used, enough until the year 10889.
            ///
            /// ```
            #[doc = concat!("use coordination_protocol::scalar::", stringify!($name), ";")]
            ///
            #[doc = concat!(
                "let id = ", stringify!($name), "::generate(1_736_942_400_000, [7; 10]);"
            )]
            /// assert_eq!(
            ///     id.as_str(),
            #[doc = concat!("    \"", $prefix, "019469d5-b200-7707-8707-070707070707\",")]
            /// );
            /// ```
            pub fn generate(unix_millis: u64, random: [u8; 10]) -> Self {
                Self(generate(Self::PREFIX, unix_millis, &random))
            }

            /// Whether the identifier starts with [`Self::PREFIX`], which is only a custom.
            pub fn has_prefix(&self) -> bool {
                self.as_str().starts_with(Self::PREFIX)
            }
        }
    };

    (@or_global $name:ident) => {
        impl $name {
            /// The reserved identifier `global`.
            pub const fn global() -> Self {
                Self(SmolStr::new_static(GLOBAL))
            }

            /// Whether this is the reserved identifier `global`.
            pub fn is_global(&self) -> bool {
                self.as_str() == GLOBAL
            }
        }
    };
}

ids! {
    /// A workflow, the second part of an event line, or the reserved word `global`.
    WorkflowId "a workflow identifier" (or_global);
    /// The name of a phase, the third part of an event line, or the reserved word `global`.
    Phase "a phase name" (or_global);
    /// One request, repeated by its answer.
    RequestId "a request identifier" (prefix "req_");
    /// One answer to a request.
    ResponseId "a response identifier" (prefix "resp_");
    /// One error report.
    ErrorId "an error identifier" (prefix "err_");
    /// One event in an envelope; an event line has none.
    EventId "an event identifier" (prefix "evt_");
    /// One message, whatever it says; what deduplication goes by. Extension.
    MessageId "a message identifier" (prefix "msg_");
    /// A proposal that components vote on. Extension.
    ProposalId "a proposal identifier" (prefix "prop_");
    /// An exchange of messages that belong together.
    CorrelationId "a correlation identifier" (prefix "corr_");
    /// A grant of resources.
    AllocationId "an allocation identifier" (prefix "alloc_");
    /// A saved state of a workflow.
    CheckpointId "a checkpoint identifier" (prefix "ckpt_");
    /// A task within a workflow.
    TaskId "a task identifier";
    /// An agent that carries out tasks.
    AgentId "an agent identifier";
    /// A component that takes part in coordination, such as `coordination-hub`.
    ComponentId "a component identifier";
    /// A conflict between requests for resources.
    ConflictId "a conflict identifier";
    /// One attempt to recover from a failure.
    RecoveryId "a recovery identifier";
}
