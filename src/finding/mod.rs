//! Findings: what is wrong with a record, where, and how much it weighs.
//!
//! A reader never repairs silently and never stops at the first fault unless asked to. It fills a
//! [`Report`] with one [`Finding`] per deviation. Each has a stable [`Code`], the [`Level`] of
//! validation it belongs to, a [`FindingSeverity`] that depends on the reading [`Mode`], a JSON
//! pointer into the data and a byte range in the record. Sentences and hints are made when a
//! finding is displayed, so that reporting stays cheap.
//!
//! The severities decide the [`Verdict`]: `invalid` with an error, else `deviating` with a warning,
//! else `valid`.
//!
//! ```
//! use coordination_protocol::event::Codec;
//! use coordination_protocol::finding::{Code, Mode, Verdict};
//!
//! let line = "TASK_STARTED:wf_001:build:{'task_id':'t1','agent_id':'a1','start_time':'2025-01-15T12:00:00Z'}";
//! let report = Codec::new(Mode::Interop).check(line).report;
//! assert_eq!(report.verdict(), Verdict::Deviating);
//! assert_eq!(report.findings()[0].code, Code::SingleQuotes);
//! assert_eq!(Codec::new(Mode::Strict).check(line).report.verdict(), Verdict::Invalid);
//! ```

mod code;
mod hint;
mod report;
mod table;

pub use code::{Code, CodeError, CustomCode, Example};
pub use hint::Hint;
pub use report::{Finding, Report};

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Defines a small closed enum with its wire words, once.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident $word:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum $name { $($(#[$vmeta])* #[serde(rename = $word)] $variant),+ }

        impl $name {
            /// All words, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = WordError;

            fn from_str(word: &str) -> Result<Self, WordError> {
                Self::ALL.iter().copied().find(|known| known.as_str() == word).ok_or(WordError {
                    word: word.to_owned(),
                    known: &[$($word),+],
                })
            }
        }
    };
}

/// A word that names no mode, level, severity or verdict.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` is none of {}", known.join(", "))]
pub struct WordError {
    word: String,
    known: &'static [&'static str],
}

words! {
    /// How a record is read.
    Mode {
        /// What the specification says MUST: for writers, tests and continuous integration.
        Strict "strict",
        /// What is met in the field: deviations are read, kept as they are, and reported.
        Interop "interop",
    }
}

words! {
    /// The level of validation that a finding belongs to (specification, Message Validation).
    Level {
        /// The structure of the record.
        Schema "schema",
        /// Types, ranges, formats and required data.
        Content "content",
        /// Facts across fields and messages.
        Business "business",
        /// Source and authorization.
        Security "security",
    }
}

words! {
    /// How much a finding weighs; ordered, an error weighs most. Not the protocol's own
    /// [`Severity`](crate::scalar::Severity), which ranks incidents.
    FindingSeverity {
        /// Worth knowing; the record is as valid without it.
        Note "note",
        /// The record deviates and is still readable.
        Warning "warning",
        /// The record is refused.
        Error "error",
    }
}

words! {
    /// The outcome for one record; ordered, `invalid` is worst.
    Verdict {
        /// Neither errors nor warnings.
        Valid "valid",
        /// Warnings and no error.
        Deviating "deviating",
        /// At least one error.
        Invalid "invalid",
    }
}

impl Verdict {
    /// The verdict for a record whose gravest finding is `worst`.
    pub const fn of(worst: Option<FindingSeverity>) -> Self {
        match worst {
            Some(FindingSeverity::Error) => Verdict::Invalid,
            Some(FindingSeverity::Warning) => Verdict::Deviating,
            _ => Verdict::Valid,
        }
    }
}
