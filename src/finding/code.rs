//! Codes, from the table.

use super::FindingSeverity::{self, Error, Note, Warning};
use super::Level::{self, Business, Content, Schema, Security};
use super::Mode;
use super::table::code_table;
use crate::scalar::{Refusal, ScalarError};
use serde::{Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// A record that shows a code, and the records before it if the code depends on them.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Example {
    before: &'static [u8],
    repeated: &'static [u8],
    times: usize,
    behind: &'static [u8],
    earlier: &'static [&'static str],
    under: &'static str,
}

impl Example {
    const fn new(line: &'static str) -> Self {
        Example::bytes(line.as_bytes())
    }

    const fn bytes(line: &'static [u8]) -> Self {
        Example { before: line, repeated: b"", times: 0, behind: b"", earlier: &[], under: "" }
    }

    const fn long(
        before: &'static str,
        repeated: &'static str,
        times: usize,
        behind: &'static str,
    ) -> Self {
        Example {
            before: before.as_bytes(),
            repeated: repeated.as_bytes(),
            times,
            behind: behind.as_bytes(),
            earlier: &[],
            under: "",
        }
    }

    const fn under(mut self, under: &'static str) -> Self {
        self.under = under;
        self
    }

    /// What else the deviation depends on, such as a policy; empty if nothing.
    pub const fn circumstances(&self) -> &'static str {
        self.under
    }

    const fn after(mut self, earlier: &'static [&'static str]) -> Self {
        self.earlier = earlier;
        self
    }

    /// The records that come before it.
    pub const fn earlier(&self) -> &'static [&'static str] {
        self.earlier
    }

    /// The whole record.
    pub fn record(&self) -> Vec<u8> {
        let mut record = self.before.to_vec();
        for _ in 0..self.times {
            record.extend_from_slice(self.repeated);
        }
        record.extend_from_slice(self.behind);
        record
    }
}

impl fmt::Display for Example {
    /// The record for people: a long repetition is abridged, bytes that are no text are escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |bytes: &[u8]| match std::str::from_utf8(bytes) {
            Ok(text) => text.replace('\r', "\\r").replace('\u{feff}', "\\u{feff}"),
            Err(_) => bytes.escape_ascii().to_string(),
        };
        f.write_str(&text(self.before))?;
        if self.times > 0 {
            write!(f, "{}…({} times)", text(self.repeated), self.times)?;
        }
        f.write_str(&text(self.behind))
    }
}

macro_rules! codes {
    ($(
        $variant:ident $name:literal $level:ident, strict $strict:ident, interop $interop:ident;
        says $sentence:literal;
        because $explanation:literal;
        good $good:expr;
        bad $bad:expr;
    )+) => {
        /// The stable name of a kind of deviation.
        ///
        /// Codes are never renamed and never reused. The table also holds each code's sentence,
        /// its severity in both modes, the page that `coord explain` prints, and two records: one
        /// that has the deviation and one that does not.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Code { $(
            #[doc = concat!("`", $name, "`: ", $explanation)]
            $variant,
        )+
            /// A code of your own, see [`CustomCode`].
            Custom(&'static CustomCode),
        }

        impl Code {
            /// All codes, in the order of the table.
            pub const ALL: &'static [Code] = &[$(Code::$variant),+];

            /// Their names, in the same order.
            const NAMES: &'static [&'static str] = &[$($name),+];

            /// The name, as in reports: `missing-data`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Code::$variant => $name,)+ Code::Custom(custom) => custom.name }
            }

            /// The level of validation.
            pub const fn level(self) -> Level {
                match self { $(Code::$variant => $level,)+ Code::Custom(custom) => custom.level }
            }

            /// The severity in a mode, before any override.
            pub const fn severity(self, mode: Mode) -> FindingSeverity {
                match (self, mode) { $(
                    (Code::$variant, Mode::Strict) => $strict,
                    (Code::$variant, Mode::Interop) => $interop,
                )+
                    (Code::Custom(custom), Mode::Strict) => custom.strict,
                    (Code::Custom(custom), Mode::Interop) => custom.interop,
                }
            }

            /// The sentence with its gaps: `{expected}`, `{actual}` and `{detail}`.
            pub(super) const fn sentence(self) -> &'static str {
                match self { $(Code::$variant => $sentence,)+ Code::Custom(_) => "{detail}" }
            }

            /// Why the protocol minds, and what to do.
            pub const fn explanation(self) -> &'static str {
                match self { $(Code::$variant => $explanation,)+ Code::Custom(custom) => custom.explanation }
            }

            /// A record without this deviation. Codes of your own have no examples here.
            pub const fn good(self) -> Example {
                match self { $(Code::$variant => $good,)+ Code::Custom(_) => GOOD }
            }

            /// A record with this deviation.
            pub const fn bad(self) -> Example {
                match self { $(Code::$variant => $bad,)+ Code::Custom(_) => GOOD }
            }
        }
    };
}

/// A record that nothing is said about; rows without a closer neighbour use it.
const GOOD: Example = Example::new(
    r#"TASK_TIMEOUT:wf_001:build:{"task_id":"task_7","agent_id":"agent_003","timeout_duration":"15m"}"#,
);

const GOOD_DOCUMENT: Example = Example::new(
    r#"{"heartbeat":{"component_id":"hub","sequence":1,"timestamp":"2025-01-15T12:00:00Z"}}"#,
);

code_table!(codes);

impl Code {
    /// Whether a record with this deviation has no sound reading at all, so that no caller can make
    /// less than an error of it.
    ///
    /// ```
    /// use coordination_protocol::finding::Code;
    ///
    /// assert!(Code::BrokenJson.is_fatal());
    /// assert!(!Code::MissingData.is_fatal());
    /// ```
    pub const fn is_fatal(self) -> bool {
        matches!(
            self,
            Code::TooLong
                | Code::NotUtf8
                | Code::NotAnEvent
                | Code::NotAMessage
                | Code::SecondBody
                | Code::BadIdentifier
                | Code::DataNotObject
                | Code::BrokenJson
                | Code::TrailingText
                | Code::DuplicateKey
                | Code::TooDeep
                | Code::TooManyKeys
        )
    }
}

/// A code of your own, for rules of your own.
///
/// ```
/// use coordination_protocol::finding::{Code, CustomCode, FindingSeverity, Level};
///
/// static NIGHT: CustomCode = CustomCode::new("night-work", Level::Business)
///     .with_severities(FindingSeverity::Error, FindingSeverity::Warning)
///     .with_explanation("No allocation starts between 22:00 and 06:00.");
/// assert_eq!(Code::Custom(&NIGHT).as_str(), "night-work");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct CustomCode {
    /// The name, as in reports.
    pub name: &'static str,
    /// The level of validation.
    pub level: Level,
    /// The severity in strict mode.
    pub strict: FindingSeverity,
    /// The severity in interop mode.
    pub interop: FindingSeverity,
    /// Why it matters, and what to do.
    pub explanation: &'static str,
}

impl CustomCode {
    /// A code that is an error in both modes.
    pub const fn new(name: &'static str, level: Level) -> Self {
        CustomCode { name, level, strict: Error, interop: Error, explanation: "" }
    }

    /// Sets the severities in strict and in interop mode.
    pub const fn with_severities(
        mut self,
        strict: FindingSeverity,
        interop: FindingSeverity,
    ) -> Self {
        self.strict = strict;
        self.interop = interop;
        self
    }

    /// Sets the explanation.
    pub const fn with_explanation(mut self, explanation: &'static str) -> Self {
        self.explanation = explanation;
        self
    }
}

impl FromStr for Code {
    type Err = ScalarError;

    fn from_str(name: &str) -> Result<Self, ScalarError> {
        let found = Code::ALL.iter().copied().find(|code| code.as_str() == name);
        found.ok_or_else(|| {
            ScalarError::bad_word(name, Code::NAMES, Refusal::Is("not a finding code"))
        })
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
