//! A checked record as `--format json` prints it: an object on a line.

use super::judge::{Excuse, Found, Judged};
use crate::input::Source;
use coordination_protocol::finding::{Finding, Verdict};
use coordination_protocol::validate::Security;
use serde::Serialize;

/// The kind of a row that is about a comment, beside those of records.
pub(crate) const COMMENT: &str = "comment";

/// A checked record.
#[derive(Serialize)]
pub(crate) struct Row<'a> {
    /// The path as it was given, or `<stdin>`.
    source: &'a str,
    /// Where the record starts, from 1.
    line: u64,
    column: u64,
    kind: &'static str,
    /// The event type, or the body key.
    #[serde(rename = "type")]
    type_name: Option<&'a str>,
    verdict: Verdict,
    /// What of the security level was checked.
    security: String,
    findings: Vec<PlacedFinding<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    suppressed: Vec<SuppressedFinding<'a>>,
    #[serde(skip_serializing_if = "is_zero")]
    omitted: usize,
}

/// A finding and its place in the source.
#[derive(Serialize)]
struct PlacedFinding<'a> {
    #[serde(flatten)]
    finding: &'a Finding,
    line: u64,
    column: u64,
    end_line: u64,
    end_column: u64,
    /// Of path, code, pointer and record; lines may move.
    fingerprint: &'a str,
}

/// A finding that is not reported.
#[derive(Serialize)]
struct SuppressedFinding<'a> {
    #[serde(flatten)]
    finding: PlacedFinding<'a>,
    /// `comment` or `baseline`.
    by: &'static str,
    reason: Option<&'a str>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl<'a> PlacedFinding<'a> {
    fn new(found: &'a Found<'a>) -> Self {
        PlacedFinding {
            finding: found.finding,
            line: found.start.0,
            column: found.start.1,
            end_line: found.end.0,
            end_column: found.end.1,
            fingerprint: &found.fingerprint,
        }
    }
}

impl<'a> Row<'a> {
    pub(crate) fn new(judged: &'a Judged<'a>) -> Self {
        let item = judged.item;
        let outcome = &item.outcome;
        let (line, column) = item.position(0);
        let suppressed = |(found, why): &'a (Found<'a>, Excuse)| {
            let (by, reason) = match why {
                Excuse::Comment(reason) => ("comment", reason.as_deref()),
                Excuse::Baseline => ("baseline", None),
            };
            SuppressedFinding { finding: PlacedFinding::new(found), by, reason }
        };
        Row {
            source: judged.source.name(),
            line,
            column,
            kind: outcome.kind.as_str(),
            type_name: outcome.type_name.as_deref(),
            verdict: judged.verdict(),
            security: outcome.security.to_string(),
            findings: judged.reported.iter().map(PlacedFinding::new).collect(),
            suppressed: judged.excused.iter().map(suppressed).collect(),
            omitted: judged.omitted,
        }
    }

    /// What is wrong with a comment, which is no record.
    pub(crate) fn of_comment(source: &'a Source, found: &'a Found<'a>) -> Self {
        Row {
            source: source.name(),
            line: found.start.0,
            column: found.start.1,
            kind: COMMENT,
            type_name: None,
            verdict: Verdict::of(Some(found.finding.severity)),
            security: Security::default().to_string(),
            findings: vec![PlacedFinding::new(found)],
            suppressed: Vec::new(),
            omitted: 0,
        }
    }
}
