//! A checked record as `--format json` prints it.

use crate::source::Item;
use coordination_protocol::finding::{Finding, Verdict};
use serde::Serialize;

/// A checked record.
#[derive(Serialize)]
pub(crate) struct Row<'a> {
    source: &'a str,
    line: u64,
    column: u64,
    kind: &'static str,
    #[serde(rename = "type")]
    type_name: Option<&'a str>,
    verdict: Verdict,
    security: String,
    findings: Vec<Sited<'a>>,
    #[serde(skip_serializing_if = "is_zero")]
    omitted: usize,
}

/// A finding and its place in the source.
#[derive(Serialize)]
struct Sited<'a> {
    #[serde(flatten)]
    finding: &'a Finding,
    line: u64,
    column: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl<'a> Row<'a> {
    pub(crate) fn new(source: &'a str, item: &'a Item<'_>) -> Self {
        let outcome = &item.outcome;
        let (line, column) = item.position(0);
        let sited = |finding: &'a Finding| {
            let (line, column) = item.position(finding.range.start);
            Sited { finding, line, column }
        };
        Row {
            source,
            line,
            column,
            kind: outcome.kind.as_str(),
            type_name: outcome.type_name.as_deref(),
            verdict: outcome.report.verdict(),
            security: outcome.security.to_string(),
            findings: outcome.report.findings().iter().map(sited).collect(),
            omitted: outcome.report.omitted(),
        }
    }
}
