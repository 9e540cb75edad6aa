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
mod fix;
mod hint;
mod report;
mod table;

pub use code::{Code, CustomCode, Example};
pub use fix::TextEdit;
pub(crate) use hint::Hint;
pub use report::{Finding, Report};

use crate::scalar::words;

words! {
    /// How a record is read.
    Mode {
        /// What the specification says MUST: for writers, tests and continuous integration.
        Strict "strict",
        /// What real-world input holds: deviations are read, kept as they are, and reported.
        Interop "interop",
    }

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
