//! What the field writes: for each kind of message a verdict, the findings and the reason, and for
//! broken JSON the byte and the usual cause. The table is reviewed, not generated.

use coordination_protocol::finding::{Code, Finding};
use coordination_protocol::message::MessageKind;
use coordination_protocol::{Codec, Mode};
use serde::Deserialize;
use std::collections::BTreeSet;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    /// What it is read as.
    kind: String,
    text: String,
    reason: String,
    interop: String,
    strict: String,
    /// Code and pointer.
    findings: BTreeSet<(String, String)>,
    /// Where its JSON breaks.
    at: Option<usize>,
    /// What the author probably did there.
    hint: Option<String>,
}

#[test]
fn what_the_field_writes_is_read_as_the_table_says() {
    let rows: Vec<Row> = serde_json::from_str(include_str!("../field_documents.json")).unwrap();
    let mut wrong = Vec::new();
    for row in &rows {
        assert!(row.reason.len() > 8, "{} has no reason", row.name);
        let mut said = |what: &str, is: String, should: String| {
            if is != should {
                wrong.push(format!("{} {what}:\n    {is}\n    {should}", row.name));
            }
        };
        for (mode, verdict) in [(Mode::Interop, &row.interop), (Mode::Strict, &row.strict)] {
            let record = Codec::new(mode).check_message(&row.text);
            let findings = record.report.findings();
            said(mode.as_str(), record.report.verdict().to_string(), verdict.clone());
            said("kind", record.kind().to_string(), row.kind.clone());
            let pair = |f: &Finding| (f.code.to_string(), f.pointer.clone());
            let found: BTreeSet<_> = findings.iter().map(pair).collect();
            assert_eq!(found.len(), findings.len(), "{}: a finding twice", row.name);
            said("findings", format!("{found:?}"), format!("{:?}", row.findings));
            let stops = [Code::BrokenJson, Code::TrailingText];
            let broken = findings.iter().find(|f| stops.contains(&f.code));
            said("at", format!("{:?}", broken.map(|f| f.range.start)), format!("{:?}", row.at));
            said(
                "hint",
                format!("{:?}", broken.and_then(Finding::hint)),
                format!("{:?}", row.hint),
            );
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The table shows each of the eight documents, events, and messages without a body.
#[test]
fn the_table_has_every_kind_that_the_field_writes() {
    let rows: Vec<Row> = serde_json::from_str(include_str!("../field_documents.json")).unwrap();
    assert!(rows.len() >= 60);
    let kinds: BTreeSet<&str> = rows.iter().map(|row| row.kind.as_str()).collect();
    let documents = MessageKind::KNOWN.iter().filter(|kind| !kind.is_extension());
    for kind in documents.map(|kind| kind.as_str()).chain(["unknown"]) {
        assert!(kinds.contains(kind), "{kind}");
    }
    for verdict in ["valid", "deviating", "invalid"] {
        assert!(rows.iter().any(|row| row.interop == verdict && !row.findings.is_empty()));
    }
}
