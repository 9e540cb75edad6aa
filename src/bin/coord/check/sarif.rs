//! SARIF 2.1.0, written as it goes: the rules first, then the results, then how it went.

use super::annotation::sentence;
use super::codes::PROGRAM_CODES;
use super::judge::{Excuse, Found, Judged};
use super::tally::Tally;
use crate::input::Source;
use coordination_protocol::finding::{Code, FindingSeverity, Level, Mode};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::Path;

/// Code hosts refuse a run with more results.
const RESULTS_OF_A_RUN: usize = 25_000;
/// Code hosts refuse a log with more runs.
const RUNS: usize = 20;
/// What results' paths are relative to: the folder in which the program runs.
const BASE: &str = "%SRCROOT%";
/// The name of the fingerprint, and the version of how it is made.
const FINGERPRINT: &str = "coordFinding/v1";

/// A SARIF log under way. Results come in as lines, each one JSON object.
#[derive(Default)]
pub(crate) struct Log {
    /// Results of the current run.
    results: usize,
    /// Runs that are complete.
    closed: usize,
    /// Results for which the log has no room.
    left_out: u64,
    /// The beginning of a line.
    pending: Vec<u8>,
}

impl Log {
    pub(crate) fn open(&mut self, out: &mut impl Write) -> io::Result<()> {
        let schema = "https://json.schemastore.org/sarif-2.1.0.json";
        write!(out, r#"{{"$schema":"{schema}","version":"2.1.0","runs":["#)?;
        self.open_run(out)
    }

    fn open_run(&mut self, out: &mut impl Write) -> io::Result<()> {
        self.results = 0;
        let rules: Vec<Value> = rules().map(rule).collect();
        let driver = json!({
            "name": "coord",
            "version": env!("CARGO_PKG_VERSION"),
            "semanticVersion": env!("CARGO_PKG_VERSION"),
            "rules": rules,
        });
        let mut base = json!({ "description": { "text": "The folder in which coord was run." } });
        if let Ok(folder) = std::env::current_dir() {
            let path = folder.as_os_str().as_encoded_bytes();
            base["uri"] = format!("{}/", uri(path)).into();
        }
        write!(out, r#"{{"tool":{{"driver":{driver}}},"columnKind":"unicodeCodePoints","#)?;
        // A host takes several runs of one tool for one analysis each if they have names of their own.
        // The first has none, so that the host's own settings name it.
        if self.closed > 0 {
            let id = format!("coord/part-{}/", self.closed + 1);
            write!(out, r#""automationDetails":{{"id":"{id}"}},"#)?;
        }
        write!(out, r#""originalUriBaseIds":{},"results":["#, json!({ BASE: base }))
    }

    fn close_run(
        &mut self,
        out: &mut impl Write,
        notifications: &[Value],
        notices: &[Value],
    ) -> io::Result<()> {
        self.closed += 1;
        let invocation = json!([{
            "executionSuccessful": notifications.iter().all(|told| told["level"] != "error"),
            "toolExecutionNotifications": notifications,
            "toolConfigurationNotifications": notices,
        }]);
        write!(out, r#"],"invocations":{invocation}}}"#)
    }

    /// Adds results: lines, of which the last may still go on.
    pub(crate) fn add(&mut self, out: &mut impl Write, mut bytes: &[u8]) -> io::Result<()> {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let line = std::mem::take(&mut self.pending);
            self.result(out, &[&line, &bytes[..end]])?;
            bytes = &bytes[end + 1..];
        }
        self.pending.extend_from_slice(bytes);
        Ok(())
    }

    fn result(&mut self, out: &mut impl Write, parts: &[&[u8]]) -> io::Result<()> {
        if self.results == RESULTS_OF_A_RUN {
            if self.closed + 1 == RUNS {
                self.left_out += 1;
                return Ok(());
            }
            self.close_run(out, &[], &[])?;
            out.write_all(b",")?;
            self.open_run(out)?;
        }
        out.write_all(if self.results == 0 { b"\n" } else { b",\n" })?;
        self.results += 1;
        parts.iter().try_for_each(|part| out.write_all(part))
    }

    pub(crate) fn close(&mut self, out: &mut impl Write, total: &Tally) -> io::Result<()> {
        let mut notices: Vec<Value> = Vec::new();
        let mut told: Vec<Value> = total
            .unread
            .iter()
            .map(|unread| {
                json!({
                    "level": "error",
                    "message": { "text": unread.problem },
                    "locations": [{
                        "physicalLocation": { "artifactLocation": artifact(&unread.source) },
                    }],
                })
            })
            .collect();
        // What a repository says of its own check is told where the check is read.
        for told in &total.settings {
            notices.push(json!({ "level": "note", "message": { "text": told } }));
        }
        if self.left_out > 0 {
            let most = RUNS * RESULTS_OF_A_RUN;
            let left_out = self.left_out;
            let text = format!("{left_out} results are left out: a log holds at most {most}");
            told.push(json!({ "level": "warning", "message": { "text": text } }));
        }
        self.close_run(out, &told, &notices)?;
        writeln!(out, "]}}")
    }
}

/// Writes the results of a record, a line each.
pub(crate) fn results(out: &mut dyn Write, judged: &Judged<'_>, verbose: bool) -> io::Result<()> {
    let reported = judged.shown(verbose).map(|found| (found, None));
    let excused = judged.excused.iter().map(|(found, why)| (found, Some(why)));
    reported.chain(excused).try_for_each(|(found, why)| {
        let mut result = value(judged.source, found, why);
        if why.is_none() {
            fix(&mut result, judged, found);
        }
        write(out, &result)
    })
}

/// Writes a result as a line.
pub(crate) fn result(
    out: &mut dyn Write,
    source: &Source,
    found: &Found<'_>,
    why: Option<&Excuse>,
) -> io::Result<()> {
    write(out, &value(source, found, why))
}

fn write(out: &mut dyn Write, result: &Value) -> io::Result<()> {
    let mut line = serde_json::to_vec(result)?;
    line.push(b'\n');
    out.write_all(&line)
}

/// All codes, in the order of the rules.
fn rules() -> impl Iterator<Item = Code> {
    Code::ALL.iter().chain(PROGRAM_CODES).copied()
}

fn level(severity: FindingSeverity) -> &'static str {
    match severity {
        FindingSeverity::Error => "error",
        FindingSeverity::Warning => "warning",
        _ => "note",
    }
}

/// Where a path is as a URI; a relative one is a reference.
pub(crate) fn uri(path: &[u8]) -> String {
    let mut uri = String::with_capacity(path.len());
    if path.starts_with(b"/") {
        uri.push_str("file://");
    }
    for byte in path {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'/' | b'.' | b'_' | b'-' | b'~' => {
                uri.push(char::from(*byte));
            }
            other => {
                let _ = write!(uri, "%{other:02X}");
            }
        }
    }
    uri
}

/// The name of a rule, by which hosts list it: `MissingData` for `missing-data`.
fn name(code: Code) -> String {
    let word = |word: &str| {
        let (first, rest) = word.split_at(word.len().min(1));
        first.to_ascii_uppercase() + rest
    };
    code.as_str().split('-').map(word).collect()
}

/// The first sentence of a text.
fn first_sentence(text: &str) -> &str {
    text.split_once(". ").map_or(text, |(first, _)| &text[..=first.len()])
}

fn rule(code: Code) -> Value {
    let why = code.explanation();
    let command = format!("coord explain {code}");
    let mut properties = json!({ "tags": ["coordination-protocol", code.level().as_str()] });
    if code.level() == Level::Security {
        // A host ranks what has a score among its security alerts: these two are high and medium.
        let error = code.severity(Mode::Interop) == FindingSeverity::Error;
        properties["security-severity"] = if error { "7.5" } else { "5.0" }.into();
        properties["tags"] = json!(["coordination-protocol", "security"]);
    } else {
        properties["problem.severity"] = match code.severity(Mode::Interop) {
            FindingSeverity::Error => "error",
            FindingSeverity::Warning => "warning",
            _ => "recommendation",
        }
        .into();
    }
    json!({
        "id": code.as_str(),
        "name": name(code),
        "shortDescription": { "text": first_sentence(why) },
        "fullDescription": { "text": why },
        "help": {
            "text": format!("{why} `{command}` shows an example."),
            "markdown": format!("{why}\n\n`{command}` shows an example."),
        },
        "defaultConfiguration": { "level": level(code.severity(Mode::Interop)) },
        "properties": properties,
    })
}

fn value(source: &Source, found: &Found<'_>, why: Option<&Excuse>) -> Value {
    let finding = found.finding;
    let mut result = json!({
        "ruleId": finding.code.as_str(),
        "ruleIndex": rules().position(|code| code == finding.code),
        "level": level(finding.severity),
        "message": { "text": sentence(finding) },
        "locations": [{
            "physicalLocation": {
                "artifactLocation": artifact(source),
                "region": {
                    "startLine": found.start.0,
                    "startColumn": found.start.1,
                    "endLine": found.end.0,
                    "endColumn": found.end.1,
                },
            },
            "logicalLocations": [{ "fullyQualifiedName": finding.pointer }],
        }],
        // A host that knows lines by their text makes its own fingerprint beside this one.
        "partialFingerprints": { FINGERPRINT: found.fingerprint },
    });
    match why {
        None => {}
        Some(Excuse::Baseline) => result["suppressions"] = json!([{ "kind": "external" }]),
        Some(Excuse::Comment(reason)) => {
            let mut suppression = json!({ "kind": "inSource" });
            if let Some(reason) = reason {
                suppression["justification"] = reason.as_str().into();
            }
            result["suppressions"] = json!([suppression]);
        }
    }
    result
}

/// Adds the changes that take a finding away, where the file has the characters of the record as they
/// are read: whether a shell passes on what it is given then, only the file that is read again can tell.
fn fix(result: &mut Value, judged: &Judged<'_>, found: &Found<'_>) {
    let (item, finding) = (judged.item, found.finding);
    let Ok(record) = std::str::from_utf8(item.bytes) else { return };
    let shell = finding.code == Code::ShellQuotes && !item.is_in_log();
    if shell || !item.is_spelled_as_read() || !item.is_readable() {
        return;
    }
    let edits = finding.fix(record).into_iter().map(|edit| {
        let (line, column) = item.position(edit.range.start);
        let (end_line, end_column) = item.position(edit.range.end);
        json!({
            "deletedRegion": {
                "startLine": line,
                "startColumn": column,
                "endLine": end_line,
                "endColumn": end_column,
            },
            "insertedContent": { "text": edit.replacement },
        })
    });
    let replacements: Vec<Value> = edits.collect();
    if !replacements.is_empty() {
        result["fixes"] = json!([{
            "description": { "text": "What `coord check --fix` writes." },
            "artifactChanges": [{
                "artifactLocation": artifact(judged.source),
                "replacements": replacements,
            }],
        }]);
    }
}

/// Where a file is: a relative path is one below the folder in which the program runs.
fn artifact(source: &Source) -> Value {
    let path = if source.is_stdin() { Path::new(source.name()) } else { source.path() };
    let uri = uri(path.as_os_str().as_encoded_bytes());
    if path.is_absolute() {
        json!({ "uri": uri })
    } else {
        json!({ "uri": uri, "uriBaseId": BASE })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_a_uri_reference() {
        assert_eq!(uri(b"docs/a-b_1.~md"), "docs/a-b_1.~md");
        assert_eq!(uri("a b/ü%?#:.md".as_bytes()), "a%20b/%C3%BC%25%3F%23%3A.md");
        assert_eq!(uri(b"odd\xff\n.log"), "odd%FF%0A.log");
        assert_eq!(uri(b"/a b"), "file:///a%20b");
    }

    #[test]
    fn a_run_holds_no_more_results_than_hosts_take() {
        let mut log = Log::default();
        let mut out = Vec::new();
        log.open(&mut out).unwrap();
        let most = RESULTS_OF_A_RUN * RUNS;
        let lines = b"{}\n".repeat(most + 3);
        // Lines need not come whole.
        for part in lines.chunks(65_537) {
            log.add(&mut out, part).unwrap();
        }
        log.close(&mut out, &Tally::default()).unwrap();
        let log: Value = serde_json::from_slice(&out).unwrap();
        let runs = log["runs"].as_array().unwrap();
        assert_eq!(runs.len(), RUNS);
        for run in runs {
            assert_eq!(run["results"].as_array().unwrap().len(), RESULTS_OF_A_RUN);
        }
        let id = |run: &Value| run["automationDetails"]["id"].as_str().map(str::to_owned);
        assert_eq!((id(&runs[0]), id(&runs[19])), (None, Some("coord/part-20/".to_owned())));
        let told = &runs[19]["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"];
        assert_eq!(told, "3 results are left out: a log holds at most 500000");
    }
}
