//! One finding, and the report that collects them.

use super::code::Code;
use super::hint::Hint;
use super::{FindingSeverity, Level, Verdict};
use crate::scalar::Escaping;
use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};
use smol_str::SmolStr;
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
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
    pub(crate) expected: SmolStr,
    /// What stands there, shortened; empty if nothing does.
    pub(crate) actual: SmolStr,
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
    pub fn with_expected(mut self, expected: impl AsRef<str>) -> Self {
        self.expected = SmolStr::new(expected);
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
    pub fn with_detail(mut self, detail: impl AsRef<str>) -> Self {
        self.detail = SmolStr::new(detail);
        self
    }

    /// Sets the advice.
    pub fn with_hint(mut self, advice: &'static str) -> Self {
        self.hint = Hint::Say(advice);
        self
    }

    /// Sets advice that is worked out when it is shown.
    pub(crate) fn hinted(mut self, hint: Hint) -> Self {
        self.hint = hint;
        self
    }

    /// What the protocol asks for here; empty if the code says it all.
    pub fn expected(&self) -> &str {
        &self.expected
    }

    /// What stands there, shortened; empty if nothing does.
    pub fn actual(&self) -> &str {
        &self.actual
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
        let f = &mut Escaping::sentence(f);
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

/// The findings of one record, in the order of their positions; as an error, why it was refused.
///
/// `Display` is one sentence for logs and replies: the gravest finding, its code and its place, and
/// how many others there are.
///
/// ```
/// use coordination_protocol::validate::{Context, Validator};
/// use coordination_protocol::{Mode, Report};
///
/// let line = r#"TASK_TIMEOUT:wf_001:build:{"task_id":7,"agent_id":"a3"}"#;
/// let refused: Report = Validator::new(Mode::Strict).check(line, &Context::new()).accept().unwrap_err();
/// assert_eq!(
///     refused.to_string(),
///     "expected an identifier, found number 7 (`wrong-kind` at /task_id, byte 37), and 1 more finding",
/// );
/// ```
///
/// It keeps at most [`Limits::findings`](crate::json::Limits::findings) and counts the rest by code, so
/// a hostile record cannot make it grow. Whatever is kept, [`worst`](Self::worst),
/// [`verdict`](Self::verdict), [`has`](Self::has) and [`counts`](Self::counts) speak of all findings.
#[derive(Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    findings: Vec<Finding>,
    omitted: usize,
    /// What was left out, by code and severity: as many rows as there are codes, at most.
    #[serde(skip)]
    left_out: Vec<(Code, FindingSeverity, usize)>,
}

impl Report {
    /// An empty report.
    pub const fn new() -> Self {
        Report { findings: Vec::new(), omitted: 0, left_out: Vec::new() }
    }

    /// Adds a finding. If there are `most` already, it takes the place of one that weighs less;
    /// what finds no place is counted. So notes never crowd out an error.
    pub fn push(&mut self, finding: Finding, most: usize) {
        if self.findings.len() < most {
            self.findings.push(finding);
            return;
        }
        let lightest = self.findings.iter().map(|held| held.severity).min();
        if lightest.is_some_and(|held| held < finding.severity)
            && let Some(place) =
                self.findings.iter().rposition(|held| Some(held.severity) == lightest)
        {
            let held = self.findings.remove(place);
            self.omit(held.code, held.severity, 1);
            self.findings.push(finding);
        } else {
            self.omit(finding.code, finding.severity, 1);
        }
    }

    /// Adds what another report holds; `make` adapts what it kept.
    pub(crate) fn absorb(
        &mut self,
        other: Report,
        most: usize,
        mut make: impl FnMut(Finding) -> Finding,
    ) {
        for finding in other.findings {
            self.push(make(finding), most);
        }
        for (code, severity, count) in other.left_out {
            self.omit(code, severity, count);
        }
    }

    /// Keeps at most `most` findings, the gravest; the others are counted.
    pub(crate) fn truncate(&mut self, most: usize) {
        if self.findings.len() <= most {
            return;
        }
        for finding in std::mem::take(&mut self.findings) {
            self.push(finding, most);
        }
    }

    /// Whether a finding of this severity would be kept.
    pub(crate) fn wants(&self, severity: FindingSeverity, most: usize) -> bool {
        self.findings.len() < most || self.findings.iter().any(|held| held.severity < severity)
    }

    /// Counts a finding that is not worth building, as the report is full.
    pub(crate) fn omit(&mut self, code: Code, severity: FindingSeverity, count: usize) {
        self.omitted += count;
        let row = self.left_out.iter_mut().find(|row| (row.0, row.1) == (code, severity));
        match row {
            Some(row) => row.2 += count,
            None => self.left_out.push((code, severity, count)),
        }
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
        let kept = self.findings.iter().map(|finding| finding.severity);
        kept.chain(self.left_out.iter().map(|row| row.1)).max()
    }

    /// How many findings there are of each code and severity, those that were left out included; in
    /// the order of the codes.
    ///
    /// ```
    /// use coordination_protocol::finding::{Code, FindingSeverity};
    /// use coordination_protocol::{Codec, Limits, Mode};
    ///
    /// let codec = Codec::new(Mode::Interop).with_limits(Limits::DEFAULT.with_findings(0));
    /// let report = codec.check("TASK_FAILED:wf_001:build:{}").report;
    /// assert!(report.findings().is_empty());
    /// let counts: Vec<_> = report.counts().into_iter().collect();
    /// assert_eq!(counts, [((Code::MissingData, FindingSeverity::Warning), 4)]);
    /// ```
    pub fn counts(&self) -> BTreeMap<(Code, FindingSeverity), usize> {
        let mut counts = BTreeMap::new();
        for finding in &self.findings {
            *counts.entry((finding.code, finding.severity)).or_default() += 1;
        }
        for (code, severity, count) in &self.left_out {
            *counts.entry((*code, *severity)).or_default() += count;
        }
        counts
    }

    /// Whether a code that this holds for is among the findings, left out or not.
    pub(crate) fn any(&self, mut holds: impl FnMut(Code, FindingSeverity) -> bool) -> bool {
        self.findings.iter().any(|finding| holds(finding.code, finding.severity))
            || self.left_out.iter().any(|row| holds(row.0, row.1))
    }

    /// What the findings amount to.
    pub fn verdict(&self) -> Verdict {
        Verdict::of(self.worst())
    }

    /// Whether there is a finding of this code, left out or not.
    pub fn has(&self, code: Code) -> bool {
        self.any(|found, _| found == code)
    }

    /// The gravest finding; of several, the one that stands first.
    pub fn gravest(&self) -> Option<&Finding> {
        // `max_by_key` takes the last of equals, so the search runs backwards.
        self.findings.iter().rev().max_by_key(|finding| finding.severity)
    }

    /// The findings alone.
    pub fn into_findings(self) -> Vec<Finding> {
        self.findings
    }

    /// Changes what findings say; their codes and severities stay.
    pub(crate) fn amend(&mut self, change: impl FnMut(&mut Finding)) {
        self.findings.iter_mut().for_each(change);
    }

    /// Drops the findings that are not wanted. Of what was left out only the code is known, so
    /// `wanted_code` is asked.
    pub(crate) fn retain(
        &mut self,
        wanted: impl FnMut(&Finding) -> bool,
        mut wanted_code: impl FnMut(Code) -> bool,
    ) {
        self.findings.retain(wanted);
        self.left_out.retain(|row| wanted_code(row.0));
        self.omitted = self.left_out.iter().map(|row| row.2).sum();
    }

    /// Puts the findings into their one order: by position, then by code.
    pub(crate) fn sort(&mut self) {
        self.findings.sort_by(|a, b| {
            (a.range.start, a.range.end, a.code).cmp(&(b.range.start, b.range.end, b.code))
        });
    }
}

/// Short: the findings as their sentences.
impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = f.debug_list();
        for finding in &self.findings {
            let Finding { code, severity, pointer, .. } = finding;
            list.entry(&format_args!("{severity} `{code}` at {pointer:?}: {finding}"));
        }
        if self.omitted > 0 {
            list.entry(&format_args!("{} more", self.omitted));
        }
        list.finish()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let f = &mut Escaping::sentence(f);
        let Some(gravest) = self.gravest() else {
            return match self.omitted {
                0 => f.write_str("nothing was found"),
                1 => f.write_str("1 finding, which was not kept"),
                count => write!(f, "{count} findings, of which none was kept"),
            };
        };
        write!(f, "{gravest} (`{}` at ", gravest.code)?;
        if !gravest.pointer.is_empty() {
            write!(f, "{}, ", gravest.pointer)?;
        }
        write!(f, "byte {})", gravest.range.start)?;
        match self.findings.len() - 1 + self.omitted {
            0 => Ok(()),
            1 => f.write_str(", and 1 more finding"),
            more => write!(f, ", and {more} more findings"),
        }
    }
}

impl std::error::Error for Report {}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(code: Code, at: usize, severity: FindingSeverity) -> Finding {
        Finding::new(code, at..at + 1).with_actual("x").with_severity(severity)
    }

    #[test]
    fn a_report_is_one_sentence() {
        let mut report = Report::new();
        assert_eq!(report.to_string(), "nothing was found");
        report.push(finding(Code::TrailingText, 9, FindingSeverity::Warning), 8);
        assert_eq!(
            report.to_string(),
            "text after the end of the data (`trailing-text` at byte 9)"
        );
        // The first of the gravest speaks, wherever it stands.
        let error =
            |at| finding(Code::DuplicateKey, at, FindingSeverity::Error).with_pointer("/a/x");
        report.push(error(20), 8);
        assert_eq!(
            report.to_string(),
            "the key `x` is already in its object (`duplicate-key` at /a/x, byte 20), and 1 more \
             finding"
        );
        report.push(error(30), 8);
        report.omit(Code::UnknownField, FindingSeverity::Note, 1);
        assert_eq!(
            report.to_string(),
            "the key `x` is already in its object (`duplicate-key` at /a/x, byte 20), and 3 more \
             findings"
        );
        let mut none = Report::new();
        none.push(error(1), 0);
        assert_eq!(none.to_string(), "1 finding, which was not kept");
        none.push(error(2), 0);
        assert_eq!(none.to_string(), "2 findings, of which none was kept");
    }

    #[test]
    fn what_is_dropped_no_longer_counts() {
        let mut report = Report::new();
        report.push(finding(Code::DuplicateKey, 1, FindingSeverity::Error), 1);
        report.push(finding(Code::TrailingText, 2, FindingSeverity::Warning), 1);
        report.push(finding(Code::UnknownField, 2, FindingSeverity::Note), 1);
        report.retain(|_| false, |code| code == Code::TrailingText);
        assert_eq!((report.worst(), report.omitted()), (Some(FindingSeverity::Warning), 1));
        report.retain(|_| true, |_| false);
        assert_eq!((report.worst(), report.is_empty()), (None, true));
    }

    #[test]
    fn what_gives_way_is_counted_as_what_it_was() {
        let mut report = Report::new();
        report.push(finding(Code::UnknownField, 1, FindingSeverity::Note), 1);
        report.push(finding(Code::DuplicateKey, 2, FindingSeverity::Error), 1);
        assert_eq!(report.findings()[0].code, Code::DuplicateKey);
        let counts = report.counts();
        assert_eq!(counts[&(Code::UnknownField, FindingSeverity::Note)], 1);
        assert_eq!((counts.len(), report.omitted(), report.has(Code::UnknownField)), (2, 1, true));
        let mut other = Report::new();
        other.absorb(report.clone(), 0, |finding| finding);
        assert_eq!((other.counts(), other.omitted()), (counts, 2));
        report.push(finding(Code::TrailingText, 9, FindingSeverity::Warning), 8);
        report.truncate(1);
        assert_eq!((report.findings()[0].code, report.omitted()), (Code::DuplicateKey, 2));
    }
}
