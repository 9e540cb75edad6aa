//! Error reports with capital words or a flat classification.

use crate::json::{self, Edits, Json, Kind, ObjectEdit, Token, pointer, quoted};
use crate::scalar::{ErrorCategory, ErrorScope, ErrorType, ProtocolVersion, Severity};
use crate::version::loss::{Loss, Migrated, Rewrite};
use crate::version::record::Record;

/// The words of a classification, and the lists they come from.
const WORDS: &[(&str, &[&str])] = &[
    ("category", ErrorCategory::KNOWN),
    ("severity", Severity::KNOWN),
    ("type", ErrorType::KNOWN),
    ("scope", ErrorScope::KNOWN),
];

pub(super) fn apply(record: &Record<'_>) -> Option<Migrated> {
    if let Some(report) = record.get("error_report") {
        return match record.inside(report, "classification") {
            Some(classification) => lower(record, classification),
            None if is_flat(record, report) => {
                let mut nested = Nested::default();
                nested.take(record, report, "/error_report");
                let mut edits = Edits::new(record.text);
                edits.replace(report.range(), nested.object());
                nested.migrated.value = Some(edits.finish());
                Some(nested.migrated)
            }
            None => None,
        };
    }
    if record.has_body() {
        return None;
    }
    let root = json::pointer::find(record.text, record.start, "")?;
    let mut nested = Nested::default();
    match record.get("error_classification") {
        Some(inner) if is_flat(record, inner) => {
            nested.take(record, inner, "/error_classification");
            for member in record.members() {
                let key = &*member.key;
                match key {
                    "error_classification" => {}
                    "reported_at" if !nested.has_time => {
                        nested.root("timestamp", record, member.value, "/reported_at");
                    }
                    _ => nested.keep(key, record, member.value, ""),
                }
            }
        }
        None if is_flat(record, root) => nested.take(record, root, ""),
        _ => return None,
    }
    let mut envelope = ObjectEdit::default();
    envelope.push("protocol_version", quoted(&ProtocolVersion::V1_1_0.to_string()));
    envelope.push("error_report", nested.object());
    nested.migrated.value = Some(envelope.finish());
    Some(nested.migrated)
}

/// Whether an object classifies an error by texts that stand beside its other facts.
fn is_flat(record: &Record<'_>, object: Token) -> bool {
    let text = |key| record.inside(object, key).is_some_and(|token| token.kind() == Kind::Text);
    let fact = |key| record.inside(object, key).is_some();
    text("category")
        && text("severity")
        && ["message", "error_code", "recovery_strategy"].into_iter().any(fact)
}

/// The known word that a word in other case stands for.
fn known(key: &str, word: &str) -> Option<String> {
    let (_, words) = WORDS.iter().find(|(name, _)| *name == key)?;
    let lower = word.to_ascii_lowercase();
    (lower != word && words.contains(&lower.as_str())).then_some(lower)
}

/// Lowers the words of a classification where they stand.
fn lower(record: &Record<'_>, classification: Token) -> Option<Migrated> {
    let mut edits = Edits::new(record.text);
    let mut changes = Vec::new();
    for (key, _) in WORDS {
        let Some(token) = record.inside(classification, key) else { continue };
        let Some(word) = record.meaning(token) else { continue };
        if let Some(lower) = known(key, &word) {
            edits.replace(token.range(), quoted(&lower));
            let place = format!("/error_report/classification/{key}");
            changes.push(Rewrite::new(place, format!("`{word}` became `{lower}`")));
        }
    }
    (!changes.is_empty()).then(|| Migrated { changes, ..Migrated::new(edits.finish()) })
}

/// An error report that is being put together.
#[derive(Default)]
struct Nested {
    top: ObjectEdit,
    classification: ObjectEdit,
    context: ObjectEdit,
    context_from: String,
    details: ObjectEdit,
    /// A pointer to the strategy, and the list made of it.
    suggestions: Option<(String, String)>,
    has_time: bool,
    migrated: Migrated,
}

impl Nested {
    /// Says that a value moved, unless it did not.
    fn moved(&mut self, from: &str, to: &str) {
        let to = format!("/error_report{to}");
        if from != to {
            self.migrated.changes.push(Rewrite::new(from, format!("became {to}")));
        }
    }

    fn lost(&mut self, pointer: &str, key: &str) {
        let reason = format!("the error report has a `{key}` of its own");
        self.migrated.losses.push(Loss::new(pointer, format!("`{key}`"), reason));
    }

    /// Puts a value at the top of the report.
    fn root(&mut self, key: &str, record: &Record<'_>, value: Token, from: &str) {
        let reserved = matches!(key, "classification" | "details");
        if !reserved && self.top.push(key, raw(record, value)) {
            let mut to = String::new();
            pointer::push_key(&mut to, key);
            self.moved(from, &to);
        } else {
            self.lost(from, key);
        }
    }

    /// Keeps a value that has no place under its name.
    fn keep(&mut self, key: &str, record: &Record<'_>, value: Token, at: &str) {
        let mut from = at.to_owned();
        pointer::push_key(&mut from, key);
        self.root(key, record, value, &from);
    }

    /// Sorts the facts of a flat object.
    fn take(&mut self, record: &Record<'_>, object: Token, at: &str) {
        for (key, value) in json::members(record.text, object.start()) {
            let key = key.decode(record.text);
            let mut from = at.to_owned();
            pointer::push_key(&mut from, &key);
            let spelled = raw(record, value);
            match (&*key, value.kind()) {
                ("category" | "severity" | "type" | "scope" | "recoverable", _) => {
                    let word = record.meaning(value).and_then(|word| known(&key, &word));
                    let to = format!("/classification/{key}");
                    self.moved(&from, &to);
                    if let Some(lower) = &word {
                        let what = format!("{spelled} became `{lower}`");
                        self.migrated.changes.push(Rewrite::new(&from, what));
                    }
                    self.classification.push(&key, word.map_or(spelled, |word| quoted(&word)));
                }
                ("message", Kind::Text) => {
                    self.details.push("error_message", spelled);
                    self.moved(&from, "/details/error_message");
                }
                ("error_code", _) => {
                    self.details.push("error_code", spelled);
                    self.moved(&from, "/details/error_code");
                }
                ("context", Kind::Text) => {
                    self.context.push("component", spelled);
                    self.moved(&from, "/context/component");
                    self.context_from = from;
                }
                ("recovery_strategy", Kind::Text) => {
                    self.moved(&from, "/recovery_suggestions/0/strategy");
                    self.suggestions = Some((from, format!("[{{\"strategy\":{spelled}}}]")));
                }
                _ => {
                    self.has_time |= key == "timestamp";
                    self.root(&key, record, value, &from);
                }
            }
        }
    }

    /// The report, its parts in the order of the specification.
    fn object(&mut self) -> String {
        let mut report = std::mem::take(&mut self.top);
        report.nest("classification", &self.classification);
        if !report.nest("context", &self.context) {
            self.lost(&self.context_from.clone(), "context");
        }
        report.nest("details", &self.details);
        if let Some((from, suggestions)) = self.suggestions.take()
            && !report.push("recovery_suggestions", suggestions)
        {
            self.lost(&from, "recovery_suggestions");
        }
        report.finish()
    }
}

/// A value as spelled, without white space between its parts.
fn raw(record: &Record<'_>, value: Token) -> String {
    Json::from_valid(value.raw(record.text)).as_str().to_owned()
}
