//! One finding, and the report that collects them.

use super::code::Code;
use super::hint::Hint;
use super::{FindingSeverity, Level, Verdict};
use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};
use smol_str::SmolStr;
use std::fmt;
use std::ops::Range;

/// One deviation of a record.
///
/// `Display` gives the sentence, [`hint`](Self::hint) the advice. Serialized, a finding is
/// `{"code","level","severity","pointer","range","message","expected","actual","hint"}`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// What kind of deviation.
    pub code: Code,
    /// How much it weighs here: by mode, unless the caller set another severity.
    pub severity: FindingSeverity,
    /// JSON pointer into the record's data; empty for the record as a whole or its header.
    pub pointer: String,
    /// Where in the record, in bytes. For something that is missing, the bracket before which it
    /// would stand; empty at the end of a record that is cut short.
    pub range: Range<usize>,
    /// What the protocol asks for here; empty if the code says it all.
    pub expected: SmolStr,
    /// What stands there, shortened; empty if nothing does.
    pub actual: SmolStr,
    /// The part of the sentence that neither of the two holds.
    pub(crate) detail: SmolStr,
    pub(crate) hint: Hint,
}

impl Finding {
    /// A finding of `code` at `range`, its severity still that of the strict mode.
    pub fn new(code: Code, range: Range<usize>) -> Self {
        Finding {
            code,
            severity: code.severity(super::Mode::Strict),
            pointer: String::new(),
            range,
            expected: SmolStr::default(),
            actual: SmolStr::default(),
            detail: SmolStr::default(),
            hint: Hint::None,
        }
    }

    /// Sets the severity.
    pub fn with_severity(mut self, severity: FindingSeverity) -> Self {
        self.severity = severity;
        self
    }

    /// Sets the JSON pointer.
    pub fn with_pointer(mut self, pointer: impl Into<String>) -> Self {
        self.pointer = pointer.into();
        self
    }

    /// Sets what the protocol asks for.
    pub fn with_expected(mut self, expected: impl Into<SmolStr>) -> Self {
        self.expected = expected.into();
        self
    }

    /// Sets what stands there; longer texts are cut to 64 bytes with an ellipsis.
    pub fn with_actual(mut self, actual: &str) -> Self {
        const MOST: usize = 64;
        self.actual = if actual.len() <= MOST {
            SmolStr::new(actual)
        } else {
            let end = (0..=MOST - 3).rev().find(|at| actual.is_char_boundary(*at)).unwrap_or(0);
            smol_str::format_smolstr!("{}…", &actual[..end])
        };
        self
    }

    /// Sets what the sentence of the code says beside the two.
    pub fn with_detail(mut self, detail: impl Into<SmolStr>) -> Self {
        self.detail = detail.into();
        self
    }

    /// Sets the hint.
    pub fn with_hint(mut self, hint: Hint) -> Self {
        self.hint = hint;
        self
    }

    /// The level of validation.
    pub fn level(&self) -> Level {
        self.code.level()
    }

    /// The advice, if there is any.
    pub fn hint(&self) -> Option<String> {
        self.hint.sentence(&self.expected, &self.actual)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.code.sentence();
        while let Some(at) = rest.find('{') {
            f.write_str(&rest[..at])?;
            rest = &rest[at..];
            if let Some(tail) = rest.strip_prefix("{expected}") {
                f.write_str(&self.expected)?;
                rest = tail;
            } else if let Some(tail) = rest.strip_prefix("{detail}") {
                f.write_str(&self.detail)?;
                rest = tail;
            } else if let Some(tail) = rest.strip_prefix("{actual}") {
                f.write_str(&self.actual)?;
                rest = tail;
            } else {
                f.write_str("{")?;
                rest = &rest[1..];
            }
        }
        f.write_str(rest)
    }
}

impl Serialize for Finding {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Finding", 9)?;
        out.serialize_field("code", &self.code)?;
        out.serialize_field("level", &self.level())?;
        out.serialize_field("severity", &self.severity)?;
        out.serialize_field("pointer", &self.pointer)?;
        out.serialize_field("range", &self.range)?;
        out.serialize_field("message", &self.to_string())?;
        out.serialize_field("expected", &some(&self.expected))?;
        out.serialize_field("actual", &some(&self.actual))?;
        out.serialize_field("hint", &self.hint())?;
        out.end()
    }
}

fn some(text: &SmolStr) -> Option<&str> {
    (!text.is_empty()).then_some(text.as_str())
}

/// The findings of one record, in the order of their positions.
///
/// It keeps at most [`Limits::findings`](crate::json::Limits::findings) and counts the rest, so a
/// hostile record cannot make it grow. The verdict always counts all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    findings: Vec<Finding>,
    omitted: usize,
    #[serde(skip)]
    worst: Option<FindingSeverity>,
}

impl Report {
    /// An empty report.
    pub const fn new() -> Self {
        Report { findings: Vec::new(), omitted: 0, worst: None }
    }

    /// Adds a finding. If there are `most` already, it takes the place of one that weighs less;
    /// what finds no place is counted. So notes never crowd out an error.
    pub fn push(&mut self, finding: Finding, most: usize) {
        self.worst = self.worst.max(Some(finding.severity));
        if self.findings.len() < most {
            self.findings.push(finding);
            return;
        }
        self.omitted += 1;
        let lightest = self.findings.iter().map(|held| held.severity).min();
        if lightest.is_some_and(|held| held < finding.severity)
            && let Some(place) =
                self.findings.iter().rposition(|held| Some(held.severity) == lightest)
        {
            self.findings.remove(place);
            self.findings.push(finding);
        }
    }

    /// Whether a finding of this severity would be kept.
    pub(crate) fn wants(&self, severity: FindingSeverity, most: usize) -> bool {
        self.findings.len() < most || self.findings.iter().any(|held| held.severity < severity)
    }

    /// Counts a finding that is not worth building, as the report is full.
    pub(crate) fn omit(&mut self, severity: FindingSeverity) {
        self.worst = self.worst.max(Some(severity));
        self.omitted += 1;
    }

    /// The findings.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// How many findings were left out by the limit.
    pub fn omitted(&self) -> usize {
        self.omitted
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.findings.is_empty() && self.omitted == 0
    }

    /// The severity of the gravest finding.
    pub fn worst(&self) -> Option<FindingSeverity> {
        self.worst
    }

    /// What the findings amount to.
    pub fn verdict(&self) -> Verdict {
        Verdict::of(self.worst)
    }

    /// Whether a finding of this code is in the report.
    pub fn has(&self, code: Code) -> bool {
        self.findings.iter().any(|finding| finding.code == code)
    }

    /// Puts the findings into their one order: by position, then by code.
    pub(crate) fn sort(&mut self) {
        self.findings.sort_by(|a, b| {
            (a.range.start, a.range.end, a.code).cmp(&(b.range.start, b.range.end, b.code))
        });
    }
}
