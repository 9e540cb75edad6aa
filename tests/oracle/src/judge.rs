//! Two judges and what they disagree about.

use coordination_protocol::event::Registry;
use coordination_protocol::finding::{Code, Finding, FindingSeverity, Level, Mode, Report};
use coordination_protocol::json::Limits;
use coordination_protocol::scalar::Timestamp;
use coordination_protocol::validate::{Context, Validator as Checker};
use coordination_protocol::{Codec, schema};
use jsonschema::Validator;
use serde_json::Value;

/// The validator of a schema, formats asserted.
pub(crate) fn validator(schema: &Value) -> Validator {
    jsonschema::draft202012::options()
        .should_validate_formats(true)
        .build(schema)
        .unwrap_or_else(|error| panic!("{error}: {schema:#}"))
}

pub(crate) fn validator_of(name: &str, registry: &Registry) -> Validator {
    validator(schema::of(name, registry).unwrap().as_value())
}

/// A strict reader whose limits no case meets.
pub(crate) struct Reader(Checker);

pub(crate) fn reader(registry: &Registry) -> Reader {
    let limits = Limits::DEFAULT
        .with_bytes(usize::MAX)
        .with_depth(Limits::MAX_DEPTH)
        .with_keys(usize::MAX)
        .with_findings(10_000);
    let codec = Codec::new(Mode::Strict).with_limits(limits).with_registry(registry.clone());
    // A line that contradicts itself is refused before its parts are looked at.
    let checker = Checker::from(codec).with_severity(Code::HeaderMismatch, FindingSeverity::Note);
    let checker = checker.without_level(Level::Business);
    Reader(checker.without_level(Level::Security))
}

impl Reader {
    /// What is found in an event line.
    pub(crate) fn line(&self, line: &[u8]) -> Report {
        self.with_parts(line, self.0.codec().check_bytes(line).report)
    }

    /// What is found in a message.
    pub(crate) fn message(&self, message: impl AsRef<[u8]>) -> Report {
        let message = message.as_ref();
        self.with_parts(message, self.0.codec().check_message_bytes(message).report)
    }

    /// The report of a part, such as the error report in the data of an event, is the validator's.
    fn with_parts(&self, record: &[u8], report: Report) -> Report {
        match errors(&report) {
            Some(errors) if errors.is_empty() => {
                self.0.check_bytes(record, &Context::default()).report
            }
            _ => report,
        }
    }
}

/// The errors of the levels schema and content; `None` if an object has a key twice.
pub(crate) fn errors(report: &Report) -> Option<Vec<&Finding>> {
    let errors = report.findings().iter().filter(|finding| {
        finding.severity == FindingSeverity::Error
            && matches!(finding.level(), Level::Schema | Level::Content)
    });
    let errors: Vec<&Finding> = errors.collect();
    errors.iter().all(|finding| finding.code != Code::DuplicateKey).then_some(errors)
}

/// What a schema cannot say of a text: that a window does not end when it starts, and that a second
/// is the last one of a day in UTC, seen from elsewhere.
pub(crate) fn beyond_a_pattern(value: &Value) -> bool {
    match value {
        Value::Object(members) => members.values().any(beyond_a_pattern),
        Value::Array(items) => items.iter().any(beyond_a_pattern),
        Value::String(text) => {
            let window = text.len() == 11 && text.split_once('-').is_some_and(|(a, b)| a == b);
            let leap = text.get(16..19) == Some(":60") && Timestamp::is_valid(text);
            window || leap && !(text.ends_with('Z') || text.ends_with("00:00"))
        }
        _ => false,
    }
}

/// Whether a text has a number with more digits than a double holds; those at the edges of what fields
/// take are exact doubles, or next to one.
pub(crate) fn beyond_a_double(bytes: &[u8]) -> bool {
    const EDGES: [&[u8]; 3] = [b"18446744073709551615", b"9007199254740991", b"9007199254740992"];
    let runs = bytes.split(|byte| !byte.is_ascii_digit() && *byte != b'.');
    runs.filter(|run| run.len() > 15).any(|run| !EDGES.contains(&run))
}

/// Counts verdicts and keeps the cases that the judges disagree about.
#[derive(Default)]
pub(crate) struct Trial {
    pub(crate) valid: usize,
    pub(crate) invalid: usize,
    disputes: Vec<String>,
}

impl Trial {
    /// Both judges on one case: the report of the reader on `json`, or on a record that holds it.
    pub(crate) fn hear(&mut self, json: &[u8], report: &Report, validator: &Validator) {
        let Some(errors) = errors(report) else { return };
        let value: Option<Value> = serde_json::from_slice(json).ok();
        let fits = value.as_ref().is_some_and(|value| validator.is_valid(value));
        if fits {
            self.valid += 1;
        } else {
            self.invalid += 1;
        }
        if fits == errors.is_empty() || value.as_ref().is_some_and(beyond_a_pattern) {
            return;
        }
        let said: Vec<String> =
            errors.iter().map(|f| format!("{} at {}: {f}", f.code, f.pointer)).collect();
        let theirs: Vec<String> = value
            .iter()
            .flat_map(|value| validator.iter_errors(value))
            .map(|error| format!("{error} at {}", error.instance_path()))
            .collect();
        self.disputes.push(format!(
            "{}\n  reader: {said:?}\n  schema: {}{theirs:?}",
            String::from_utf8_lossy(json),
            if value.is_none() { "no JSON " } else { "" },
        ));
    }

    /// Agreement on every case, of which a good part had either verdict.
    pub(crate) fn close(self) {
        let Trial { valid, invalid, disputes } = self;
        let few = &disputes[..disputes.len().min(12)];
        assert!(disputes.is_empty(), "{} disputes\n\n{}", disputes.len(), few.join("\n\n"));
        let all = valid + invalid;
        assert!(valid * 10 > all && invalid * 10 > all, "{valid} valid, {invalid} invalid");
        println!("{valid} valid, {invalid} invalid");
    }
}
