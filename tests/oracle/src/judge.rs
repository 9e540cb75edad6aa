//! Two judges and what they disagree about.

use coordination_protocol::event::Registry;
use coordination_protocol::finding::{Code, Finding, FindingSeverity, Level, Mode, Report};
use coordination_protocol::json::Limits;
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
pub(crate) fn reader(registry: &Registry) -> Codec {
    let limits = Limits::DEFAULT
        .with_bytes(usize::MAX)
        .with_depth(Limits::MAX_DEPTH)
        .with_keys(usize::MAX)
        .with_findings(usize::MAX);
    Codec::new(Mode::Strict).with_limits(limits).with_registry(registry.clone())
}

/// The errors of the levels schema and content; `None` if an object has a key twice.
fn errors(report: &Report) -> Option<Vec<&Finding>> {
    let errors = report.findings().iter().filter(|finding| {
        finding.severity == FindingSeverity::Error
            && matches!(finding.level(), Level::Schema | Level::Content)
    });
    let errors: Vec<&Finding> = errors.collect();
    errors.iter().all(|finding| finding.code != Code::DuplicateKey).then_some(errors)
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
        if fits == errors.is_empty() {
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
