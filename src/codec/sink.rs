//! Where findings go: to a report, or no further than the first error.

use super::options::Codec;
use crate::finding::{Code, Finding, FindingSeverity, Report};
use std::ops::ControlFlow::{self, Break, Continue};

/// Where findings go.
pub(crate) trait Sink {
    /// Whether everything is wanted, or only the first error.
    const ALL: bool;

    /// Takes a finding of `code`; `make` builds it if it is wanted. `Break` ends the examination.
    fn push(&mut self, code: Code, make: impl FnOnce() -> Finding) -> ControlFlow<()>;
}

/// Stops at the first error.
pub(crate) struct FailFast<'c> {
    codec: &'c Codec,
    first: Option<Box<Finding>>,
}

impl<'c> FailFast<'c> {
    pub(crate) fn new(codec: &'c Codec) -> Self {
        FailFast { codec, first: None }
    }

    pub(crate) fn into_finding(self) -> Option<Box<Finding>> {
        self.first
    }
}

impl Sink for FailFast<'_> {
    const ALL: bool = false;

    #[inline]
    fn push(&mut self, code: Code, make: impl FnOnce() -> Finding) -> ControlFlow<()> {
        let severity = self.codec.severity(code);
        if severity < FindingSeverity::Error {
            return Continue(());
        }
        self.first = Some(Box::new(make().with_severity(severity)));
        Break(())
    }
}

/// Keeps everything.
pub(crate) struct Collect<'c> {
    codec: &'c Codec,
    report: Report,
    most: usize,
}

impl<'c> Collect<'c> {
    /// Keeps at most `most` findings, whatever the reader's limit.
    pub(crate) fn within(codec: &'c Codec, most: usize) -> Self {
        Collect { codec, report: Report::new(), most }
    }

    pub(crate) fn add(&mut self, finding: Finding) {
        let severity = self.codec.severity(finding.code);
        self.report.push(finding.with_severity(severity), self.most);
    }

    /// The finding that came last.
    pub(crate) fn into_last(self) -> Option<Finding> {
        self.report.findings().last().cloned()
    }

    pub(crate) fn into_report(mut self) -> Report {
        self.report.sort();
        self.report
    }
}

impl Sink for Collect<'_> {
    const ALL: bool = true;

    fn push(&mut self, code: Code, make: impl FnOnce() -> Finding) -> ControlFlow<()> {
        let severity = self.codec.severity(code);
        if self.report.wants(severity, self.most) {
            self.add(make());
        } else {
            self.report.omit(code, severity, 1);
        }
        Continue(())
    }
}
