//! What becomes of each finding of a record: it is reported, or somebody has asked for less.

use crate::input::Source;
use crate::source::Item;
use coordination_protocol::finding::{Finding, FindingSeverity, Verdict};

/// A record and what becomes of its findings.
pub(crate) struct Judged<'a> {
    pub(crate) source: &'a Source,
    pub(crate) item: &'a Item<'a>,
    /// What is reported, in the order of the record.
    pub(crate) reported: Vec<&'a Finding>,
    /// What is not, and why.
    pub(crate) excused: Vec<(&'a Finding, Excuse)>,
    /// What the reported findings amount to, those that a limit left out included.
    pub(crate) verdict: Verdict,
}

/// Why a finding is not reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Excuse {
    /// A comment in the file asks for it, perhaps with a reason.
    Comment(Option<String>),
    /// The baseline holds it.
    Baseline,
}

impl<'a> Judged<'a> {
    /// Judges a record; `excuse` tells of a finding why it is not to be reported.
    pub(crate) fn new(
        source: &'a Source,
        item: &'a Item<'a>,
        mut excuse: impl FnMut(&Finding) -> Option<Excuse>,
    ) -> Self {
        let report = &item.outcome.report;
        let mut reported = Vec::new();
        let mut excused = Vec::new();
        for finding in report.findings() {
            match excuse(finding) {
                None => reported.push(finding),
                Some(why) => excused.push((finding, why)),
            }
        }
        // What a limit left out is excused by nobody. It weighs no more than the lightest finding
        // that was kept, unless none was.
        let left_out = (report.omitted() > 0).then(|| {
            let kept = report.findings().iter().map(|finding| finding.severity);
            kept.min().or(report.worst()).unwrap_or(FindingSeverity::Note)
        });
        let worst = reported.iter().map(|finding| finding.severity).max().max(left_out);
        let verdict = if excused.is_empty() { report.verdict() } else { Verdict::of(worst) };
        Judged { source, item, reported, excused, verdict }
    }

    /// The reported findings that are shown.
    pub(crate) fn shown(&self, verbose: bool) -> impl Iterator<Item = &'a Finding> + '_ {
        let shown = move |finding: &&Finding| verbose || finding.severity > FindingSeverity::Note;
        self.reported.iter().copied().filter(shown)
    }
}
