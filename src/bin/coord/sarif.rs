//! SARIF 2.1.0, written as it goes: results first, then the rules that were met.

use crate::source::Item;
use coordination_protocol::finding::{Code, Finding, FindingSeverity, Mode};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{self, Write};

pub(crate) struct Sarif {
    first: bool,
    met: BTreeSet<Code>,
}

impl Sarif {
    pub(crate) fn new() -> Self {
        Sarif { first: true, met: BTreeSet::new() }
    }

    pub(crate) fn open(out: &mut impl Write) -> io::Result<()> {
        write!(
            out,
            r#"{{"$schema":"https://json.schemastore.org/sarif-2.1.0.json","version":"2.1.0","runs":[{{"columnKind":"unicodeCodePoints","results":["#
        )
    }

    pub(crate) fn record(
        &mut self,
        out: &mut impl Write,
        source: &str,
        item: &Item<'_>,
        verbose: bool,
    ) -> io::Result<()> {
        for finding in item.outcome.report.findings() {
            if finding.severity == FindingSeverity::Note && !verbose {
                continue;
            }
            out.write_all(if self.first { b"\n" } else { b",\n" })?;
            self.first = false;
            self.met.insert(finding.code);
            serde_json::to_writer(&mut *out, &result(source, item, finding))?;
        }
        Ok(())
    }

    pub(crate) fn close(&self, out: &mut impl Write) -> io::Result<()> {
        let rules: Vec<Value> = self.met.iter().map(|code| rule(*code)).collect();
        let driver = json!({
            "name": "coord",
            "version": env!("CARGO_PKG_VERSION"),
            "rules": rules,
        });
        writeln!(out, r#"],"tool":{{"driver":{driver}}}}}]}}"#)
    }
}

fn level(severity: FindingSeverity) -> &'static str {
    match severity {
        FindingSeverity::Error => "error",
        FindingSeverity::Warning => "warning",
        _ => "note",
    }
}

fn rule(code: Code) -> Value {
    json!({
        "id": code.as_str(),
        "fullDescription": { "text": code.explanation() },
        "defaultConfiguration": { "level": level(code.severity(Mode::Interop)) },
        "properties": { "level": code.level().as_str() },
    })
}

fn result(source: &str, item: &Item<'_>, finding: &Finding) -> Value {
    let (line, column) = item.position(finding.range.start);
    let (end_line, end_column) = item.position(finding.range.end);
    let text = match finding.hint() {
        Some(hint) => format!("{finding}; {hint}"),
        None => finding.to_string(),
    };
    json!({
        "ruleId": finding.code.as_str(),
        "level": level(finding.severity),
        "message": { "text": text },
        "locations": [{
            "physicalLocation": {
                "artifactLocation": { "uri": uri(source) },
                "region": {
                    "startLine": line,
                    "startColumn": column,
                    "endLine": end_line,
                    "endColumn": end_column,
                },
            },
            "logicalLocations": [{ "fullyQualifiedName": finding.pointer }],
        }],
    })
}

/// A path as a URI reference.
fn uri(path: &str) -> String {
    let mut uri = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'/' | b'.' | b'_' | b'-' | b'~' => {
                uri.push(char::from(byte));
            }
            other => {
                let _ = write!(uri, "%{other:02X}");
            }
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_a_uri_reference() {
        assert_eq!(uri("docs/a-b_1.~md"), "docs/a-b_1.~md");
        assert_eq!(uri("a b/ü%?#:.md"), "a%20b/%C3%BC%25%3F%23%3A.md");
    }
}
