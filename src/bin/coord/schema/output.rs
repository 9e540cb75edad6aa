//! The schema of what `coord check --format json` prints.

use crate::check::{COMMENT, PROGRAM_CODES};
use coordination_protocol::finding::{Code, FindingSeverity, Level, Verdict};
use coordination_protocol::validate::RecordKind;
use schemars::{Schema, json_schema};
use serde_json::{Value, json};

/// The name of the schema.
pub(super) const OUTPUT: &str = "output";

/// One line of the output, which is one record that was found. It says what there is now; later
/// versions may add members.
pub(super) fn schema() -> Schema {
    let text_or_null = || json!([{ "type": "string" }, { "type": "null" }]);
    let number =
        |description: &str| json!({ "description": description, "type": "integer", "minimum": 1 });
    let offset =
        |description: &str| json!({ "description": description, "type": "integer", "minimum": 0 });
    let said = |description: &str| json!({ "description": description, "type": "string" });
    let said_or_not =
        |description: &str| json!({ "description": description, "anyOf": text_or_null() });
    let severities: Vec<&str> = FindingSeverity::ALL.iter().map(|word| word.as_str()).collect();
    let levels: Vec<&str> = Level::ALL.iter().map(|word| word.as_str()).collect();
    let verdicts: Vec<&str> = Verdict::ALL.iter().map(|word| word.as_str()).collect();
    let kinds = RecordKind::ALL.iter().map(|word| word.as_str());
    let kinds: Vec<&str> = kinds.chain([COMMENT]).collect();
    let codes = Code::ALL.iter().chain(PROGRAM_CODES);
    let codes: Vec<&str> = codes.map(|code| code.as_str()).collect();
    let finding = json!({
        "code": { "description": "What kind of deviation; `coord explain` says more.", "type": "string", "examples": codes },
        "level": { "description": "The level of validation.", "type": "string", "enum": levels },
        "severity": { "description": "How much it weighs here.", "type": "string", "enum": severities },
        "pointer": said("JSON pointer into the record; empty for all of it, or for the header of a line."),
        "range": {
            "description": "Where in the record, in bytes from 0.",
            "type": "object",
            "required": ["start", "end"],
            "properties": { "start": offset("The first byte."), "end": offset("Behind the last byte.") },
        },
        "message": said("The sentence."),
        "expected": said_or_not("What the protocol asks for here."),
        "actual": said_or_not("What stands there, shortened."),
        "hint": said_or_not("What to do about it."),
        "line": number("The line of the source."),
        "column": number("The column, in characters."),
        "end_line": number("The line in which it ends."),
        "end_column": number("The column behind its end."),
        "fingerprint": said("By which it is known again: made of path, code, pointer and record. Lines may move."),
    });
    let mut suppressed = finding.clone();
    if let Value::Object(members) = &mut suppressed {
        let by = json!({ "description": "What keeps it from being reported.", "type": "string", "enum": ["comment", "baseline"] });
        members.insert("by".to_owned(), by);
        members.insert("reason".to_owned(), said_or_not("The reason that the comment gives."));
    }
    json_schema!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:coordination-protocol:coord:output",
        "title": "Output",
        "description": "A line that `coord check --format json` prints: a record, and what was found in it.",
        "type": "object",
        "required": ["source", "line", "column", "kind", "type", "verdict", "security", "findings"],
        "properties": {
            "source": said("The path as it was given, or `<stdin>`."),
            "line": number("The line in which the record starts."),
            "column": number("The column in which it starts."),
            "kind": { "description": "What it is; a comment that suppresses findings is a row if something is wrong with it.", "type": "string", "enum": kinds },
            "type": said_or_not("The event type, or the body key."),
            "verdict": { "description": "The verdict on it.", "type": "string", "enum": verdicts },
            "security": said("What of the security level was checked."),
            "findings": {
                "description": "What was found, in order.",
                "type": "array",
                "items": { "$ref": "#/$defs/Finding" },
            },
            "suppressed": {
                "description": "What was found and is not reported. Left out if there is nothing.",
                "type": "array",
                "items": { "$ref": "#/$defs/SuppressedFinding" },
            },
            "omitted": number("How many more findings there are. Left out if there are none."),
        },
        "$defs": {
            "Finding": object("Finding", "One deviation, and its place.", finding),
            "SuppressedFinding": object("SuppressedFinding", "A deviation that is not reported.", suppressed),
        },
    })
}

/// An object whose members are all there.
#[allow(clippy::needless_pass_by_value, reason = "it goes into the value")]
fn object(title: &str, description: &str, members: Value) -> Value {
    let names: Vec<&String> =
        members.as_object().into_iter().flatten().map(|(name, _)| name).collect();
    json!({
        "title": title,
        "description": description,
        "type": "object",
        "required": names,
        "properties": members,
    })
}
