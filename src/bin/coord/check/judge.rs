//! What becomes of each finding of a record: it is reported, or somebody has asked for less.

use super::suppress::Spot;
use crate::input::Source;
use crate::source::Item;
use coordination_protocol::finding::{Code, Finding, FindingSeverity, Verdict};

/// A finding and where it is in its source.
pub(crate) struct Found<'a> {
    pub(crate) finding: &'a Finding,
    pub(crate) start: Spot,
    pub(crate) end: Spot,
    /// By which it is known again; see [`baseline`](super::baseline).
    pub(crate) fingerprint: String,
}

impl Found<'_> {
    /// Whether it is shown.
    pub(crate) fn is_shown(&self, verbose: bool) -> bool {
        verbose || self.finding.severity > FindingSeverity::Note
    }
}

/// A record and what becomes of its findings.
pub(crate) struct Judged<'a> {
    pub(crate) source: &'a Source,
    pub(crate) item: &'a Item<'a>,
    /// What is reported, in the order of the record.
    pub(crate) reported: Vec<Found<'a>>,
    /// What is not, and why.
    pub(crate) excused: Vec<(Found<'a>, Excuse)>,
    /// Findings that a limit left out.
    pub(crate) omitted: usize,
    /// The severity of the gravest finding that is not excused, those that a limit left out included.
    pub(crate) worst: Option<FindingSeverity>,
}

/// Why a finding is not reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Excuse {
    /// A comment in the file asks for it, perhaps with a reason.
    Comment(Option<String>),
    /// The baseline holds it.
    Baseline,
}

/// What is known of the file that a record is in.
pub(crate) trait Judge {
    /// Whether findings of a code are left out here.
    fn ignores(&self, code: Code) -> bool;

    /// By what a finding is known again.
    fn fingerprint(&mut self, finding: &Finding) -> String;

    /// Why a finding is not to be reported, if there is a reason.
    fn excuse(&mut self, finding: &Finding) -> Option<Excuse>;
}

impl<'a> Judged<'a> {
    /// Judges a record.
    pub(crate) fn new(source: &'a Source, item: &'a Item<'a>, judge: &mut dyn Judge) -> Self {
        let report = &item.outcome.report;
        let mut reported = Vec::new();
        let mut excused = Vec::new();
        // What a limit left out cannot be excused: only its codes are known.
        let mut left_out = report.counts();
        for finding in report.findings() {
            if let Some(count) = left_out.get_mut(&(finding.code, finding.severity)) {
                *count -= 1;
            }
            if judge.ignores(finding.code) {
                continue;
            }
            let found = Found {
                finding,
                start: item.position(finding.range.start),
                end: item.position(finding.range.end),
                fingerprint: judge.fingerprint(finding),
            };
            match judge.excuse(finding) {
                None => reported.push(found),
                Some(why) => excused.push((found, why)),
            }
        }
        left_out.retain(|(code, _), count| *count > 0 && !judge.ignores(*code));
        let severities = reported.iter().map(|found| found.finding.severity);
        let worst = severities.chain(left_out.keys().map(|(_, severity)| *severity)).max();
        let omitted = left_out.values().sum();
        Judged { source, item, reported, excused, omitted, worst }
    }

    /// What the findings that are not excused amount to.
    pub(crate) fn verdict(&self) -> Verdict {
        Verdict::of(self.worst)
    }

    /// The reported findings that are shown.
    pub(crate) fn shown(&self, verbose: bool) -> impl Iterator<Item = &Found<'a>> + '_ {
        self.reported.iter().filter(move |found| found.is_shown(verbose))
    }
}
