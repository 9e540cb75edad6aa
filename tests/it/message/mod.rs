//! Messages: the documents, the envelope, what is found in them.

mod editing;
mod envelope;
mod event_forms;
mod field;
mod fields;
pub(crate) mod generate;
mod hostile;
mod lossless;
mod planted;
mod writing;

use coordination_protocol::message::Envelope;
use coordination_protocol::{Codec, Mode, Verdict};

/// What a reader finds: `code /pointer`, in the order of the report.
fn found(mode: Mode, text: &str) -> Vec<String> {
    let report = Codec::new(mode).check_message(text).report;
    report.findings().iter().map(|f| format!("{} {}", f.code, f.pointer)).collect()
}

/// What both modes find; they differ in the severity only.
fn told(text: &str) -> Vec<String> {
    let strict = found(Mode::Strict, text);
    assert_eq!(strict, found(Mode::Interop, text), "{text}");
    strict
}

/// What a message says once it was read in interop mode, written again.
fn rewritten(text: &str) -> String {
    let message = Codec::new(Mode::Interop).parse_message(text);
    message.unwrap_or_else(|error| panic!("{error}: {text}")).decode().unwrap().to_string()
}

/// The wire examples of the eight documents, placeholders filled in.
const WIRE: &str = include_str!("../wire_examples.json");

pub(crate) fn examples() -> Vec<(String, String)> {
    let all: serde_json::Map<String, serde_json::Value> = serde_json::from_str(WIRE).unwrap();
    let wrapped = |(name, body): (String, serde_json::Value)| {
        let text = serde_json::json!({ name.clone(): body }).to_string();
        (name, text)
    };
    all.into_iter().map(wrapped).collect()
}

#[test]
fn examples_decode_and_encode_to_an_equal_value() {
    for (name, text) in examples() {
        let record = Codec::new(Mode::Strict).check_message(&text);
        assert!(record.report.verdict() < Verdict::Invalid, "{name}: {:?}", record.report);
        assert_eq!(record.kind().as_str(), name);
        let envelope: Envelope = text.parse().unwrap_or_else(|error| panic!("{name}: {error}"));
        let again: serde_json::Value = serde_json::from_str(&envelope.to_string()).unwrap();
        let first: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(first, again, "{name}");
    }
}

#[test]
fn placeholders_are_told_by_meaning_not_by_spelling() {
    let letter = |value: &str| {
        format!(
            r#"{{"subscription":{{"subscriber":"hub","patterns":[{value}],"filter":{value},"group":{value}}}}}"#
        )
    };
    let everywhere =
        ["/filter", "/group", "/patterns/0"].map(|key| format!("placeholder /subscription{key}"));
    for value in [r#""$name""#, r#""\u0024name""#] {
        let mut told = found(Mode::Strict, &letter(value));
        told.sort();
        assert_eq!(told, everywhere, "{value}");
    }
    // A brace inside keeps it from being one.
    assert!(found(Mode::Strict, &letter(r#""${a\u007bb}""#)).is_empty());
}

#[test]
fn only_white_space_of_json_may_follow() {
    let text = format!("{} \t\r\n", examples()[0].1);
    assert!(found(Mode::Strict, &text).is_empty());
    assert_eq!(found(Mode::Strict, &format!("{text}\u{c}")), ["trailing-text "]);
}

/// What was expected somewhere deep must not be expected of an unknown value beside it.
#[test]
fn nothing_is_asked_of_unknown_values_at_any_depth() {
    let known = r#""allocation_request":{"request_id":"r","workflow_id":"w","requester":"hub","timestamp":"2025-01-15T12:00:00Z","resources":{"tool_instances":{"bash":3},"exclusive_files":["a"]}}"#;
    let mut value = r#"{"agents":"$x"}"#.to_owned();
    for depth in 0..24 {
        let text = format!(r#"{{{known},"x":{value}}}"#);
        assert_eq!(found(Mode::Strict, &text), ["unknown-field /x"], "{text}");
        let envelope: Envelope = text.parse().unwrap();
        assert_eq!(envelope.header.extra().get("x").unwrap().as_str(), value);
        value = match depth % 3 {
            0 | 1 => format!("[{value}]"),
            _ => format!(r#"{{"resources":{value}}}"#),
        };
    }
}

#[test]
fn identifiers_of_unusual_characters_are_told() {
    let beat = |name: &str| {
        format!(
            r#"{{"heartbeat":{{"component_id":"{name}","sequence":1,"timestamp":"2025-01-15T12:00:00Z"}}}}"#
        )
    };
    for mode in [Mode::Strict, Mode::Interop] {
        assert!(found(mode, &beat("hub-1.a_b")).is_empty());
        assert_eq!(found(mode, &beat("my hub")), ["unusual-identifier /heartbeat/component_id"]);
    }
    let verdict = |mode| Codec::new(mode).check_message(&beat("my hub")).report.verdict();
    assert_eq!(
        (verdict(Mode::Strict), verdict(Mode::Interop)),
        (Verdict::Deviating, Verdict::Valid)
    );
}
