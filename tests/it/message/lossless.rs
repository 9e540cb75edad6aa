//! Nothing is lost: what is read is written with an equal value, and all forms of it agree.

use super::generate::{Drawn, Manner, difference, render, roomy, tree};
use crate::support::{Rng, Tree, scaled};
use coordination_protocol::finding::{Code, Verdict};
use coordination_protocol::json::pointer;
use coordination_protocol::message::{
    Envelope, EnvelopeHeader, Message, MessageKind, MessageRef, OBJECTS, Part, peek,
};
use coordination_protocol::{Codec, Mode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;
use std::fmt::Debug;

fn equal(a: &str, b: &str) {
    if let Some(difference) = difference(&tree(a), &tree(b)) {
        panic!("{difference}\n{a}\n{b}");
    }
}

/// A value is the same in its serde form, and that form is `text`.
fn serde_form<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T, text: &str) {
    let wire = serde_json::to_string(value).unwrap();
    equal(&wire, text);
    let back: T = serde_json::from_str(&wire).unwrap_or_else(|error| panic!("{error}: {wire}"));
    assert_eq!(&back, value, "{wire}");
}

macro_rules! bodies {
    ($message:expr, |$body:ident| $use:expr; $($name:ident)+) => {
        match $message {
            $(Message::$name($body) => $use,)+
            other => panic!("a kind that is not tested: {}", other.kind()),
        }
    };
}

/// All forms of an accepted message agree.
fn forms_agree(text: &str, message: &MessageRef<'_>) -> Envelope {
    assert_eq!((message.as_str(), message.to_string()), (text, text.to_owned()));
    let envelope = message.decode().unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_eq!((envelope.kind(), message.kind()), (peek(text).kind, envelope.message.kind()));
    let written = envelope.to_string();
    equal(text, &written);
    assert!(!written.contains(['\n', '\r', '\t']), "compact: {written}");
    serde_form(&envelope, text);
    let body = format!("{{\"{}\":{}}}", message.kind(), message.body().unwrap().raw());
    serde_form(&envelope.message, &body);
    if envelope.kind() != MessageKind::Event {
        let body = message.body().unwrap().raw();
        bodies!(&envelope.message, |document| serde_form(&**document, body);
            AllocationRequest AllocationResponse WorkflowState CheckpointSync ErrorReport
            ComponentRegistration HealthStatus ComponentConfig Hello Welcome Release ConflictCheck
            Rollback Heartbeat Subscription DeadLetter Proposal Vote Decision Deregistration);
    }
    serde_form(&envelope.header, &without(text, |key| MessageKind::lookup(key).is_some()));
    peeked(text, &envelope.header);
    envelope
}

/// The root without some of its members.
fn without(text: &str, drop: impl Fn(&str) -> bool) -> String {
    let Tree::Object(mut entries) = tree(text) else { unreachable!() };
    entries.retain(|(key, _)| !drop(key));
    Tree::Object(entries).to_json()
}

/// `peek` tells what the header says, but for the signature and unknown fields.
fn peeked(text: &str, header: &EnvelopeHeader) {
    let seen = serde_json::to_string(&peek(text).header.unwrap()).unwrap();
    let whole = serde_json::to_string(header).unwrap();
    let known = |key: &str| EnvelopeHeader::SPEC.member(key).is_some() && key != "signature";
    equal(&seen, &without(&whole, |key| !known(key)));
}

/// Every part is where a pointer finds it.
fn parts_lie(text: &str, path: &str, part: Part<'_>, depth: usize) {
    let root = text.len() - text.trim_start().len();
    for (place, (name, inner)) in part.members().enumerate() {
        let mut path = path.to_owned();
        if part.raw().starts_with('[') {
            assert_eq!(name, "");
            path.push_str(&format!("/{place}"));
        } else {
            pointer::push_key(&mut path, &name);
            assert_eq!(part.get(&name).unwrap().token(), inner.token());
        }
        let token = pointer::find(text, root, &path).unwrap_or_else(|| panic!("{path}: {text}"));
        assert_eq!(
            (inner.token(), inner.raw(), inner.kind()),
            (token, token.raw(text), token.kind())
        );
        assert_eq!(inner.as_text().is_some(), text[token.start()..].starts_with('"'));
        if depth > 0 {
            parts_lie(text, &path, inner, depth - 1);
        }
    }
    assert!(part.get("no such member").is_none());
}

fn case(number: usize, manner: Manner, codec: &Codec) -> (Drawn, String) {
    let drawn = Drawn::new(number, manner);
    let text = render(&mut Rng::new(number as u64 + 7), &drawn.tree());
    let record = codec.check_message(&text);
    let told = record.report.findings().iter().filter(|f| f.code == Code::UnknownField).count();
    assert_eq!((told, record.report.omitted()), (drawn.extras, 0), "{:?}\n{text}", record.report);
    assert_eq!(record.kind(), drawn.kind);
    let message = record.value.unwrap_or_else(|| panic!("{:?}\n{text}", record.report));
    parts_lie(&text, "", message.root(), 6);
    forms_agree(&text, &message);
    (drawn, text)
}

#[test]
fn strict_messages_survive() {
    let codec = Codec::new(Mode::Strict).with_limits(roomy());
    let interop = Codec::new(Mode::Interop).with_limits(roomy());
    for number in 0..scaled(1_050) {
        let (drawn, text) = case(number, Manner::Strict, &codec);
        let report = codec.check_message(&text).report;
        // Identifiers of any legal characters are drawn, and the unusual ones told.
        let legal = |code| matches!(code, Code::UnknownField | Code::UnusualIdentifier);
        assert!(report.findings().iter().all(|f| legal(f.code)), "{report:?}\n{text}");
        assert!(report.verdict() < Verdict::Invalid);
        assert_eq!(codec.verify_message(&text).unwrap(), drawn.kind);
        assert_eq!(interop.check_message(&text).report.verdict(), Verdict::Valid);
        let envelope: Envelope = text.parse().unwrap();
        assert_eq!(envelope, codec.parse_message(&text).unwrap().decode().unwrap());
        let again: Envelope = envelope.to_string().parse().unwrap();
        assert_eq!(again.to_string(), envelope.to_string(), "written as it was read");
        if report.is_empty() {
            // Without unknown fields even the order is the table's.
            assert_eq!(again, envelope);
        }
    }
}

#[test]
fn what_interop_lets_pass_survives() {
    let codec = Codec::new(Mode::Interop).with_limits(roomy());
    let mut deviating = 0;
    for number in 0..scaled(1_050) {
        let (_, text) = case(number, Manner::Interop, &codec);
        let report = codec.check_message(&text).report;
        deviating += usize::from(report.verdict() == Verdict::Deviating);
        let strict = Codec::new(Mode::Strict).with_limits(roomy());
        assert_eq!(report.findings().len(), strict.check_message(&text).report.findings().len());
    }
    assert!(deviating > scaled(500), "only {deviating} deviate");
}

/// The generator leaves out no field of any object, and no type.
#[test]
fn every_field_is_drawn() {
    let mut seen = BTreeSet::new();
    fn walk(tree: &Tree, seen: &mut BTreeSet<String>) {
        match tree {
            Tree::Object(entries) => entries.iter().for_each(|(key, value)| {
                seen.insert(key.clone());
                walk(value, seen);
            }),
            Tree::Array(items) => items.iter().for_each(|item| walk(item, seen)),
            _ => {}
        }
    }
    for number in 0..840 {
        walk(&Drawn::new(number, Manner::Plain).tree(), &mut seen);
    }
    for object in OBJECTS {
        for member in object.members {
            assert!(seen.contains(member.name), "{}.{}", object.name, member.name);
        }
    }
}

#[test]
fn numbers_and_words_keep_their_spelling() {
    let text = r#"{"ttl_seconds":3.60e3,"workflow_state":{"workflow_id":"w","state_version":1e1,"timestamp":"2025-01-15T12:00:00.120+02:00","current_phase":{"phase_id":3.0,"progress":67.50},"resource_usage":{"memory_current":8.70,"cpu_utilization":1E2,"storage_used":0.0,"swap":[1.50,-0,{"a":1e5,"b":123456789012345678901234567890}]},"metadata":{"synchronization_confidence":0.970},"agent_states":{"\ud83d\ude00":{"status":"active","progress":4.0}},"note":"caf\u00e9 \/ \"x\""}}"#;
    let written = MessageRef::parse(text).unwrap().decode().unwrap().to_string();
    for kept in [
        "3.60e3",
        ":1e1,",
        "12:00:00.120+02:00",
        "3.0",
        "67.50",
        "8.70",
        "1E2",
        ":0.0,",
        r#"[1.50,-0,{"a":1e5,"b":123456789012345678901234567890}]"#,
        "0.970",
        r#"{"😀":{"status":"active","progress":4.0}}"#,
        // An unknown field keeps even its escapes.
        r#""note":"caf\u00e9 \/ \"x\"""#,
    ] {
        assert!(written.contains(kept), "{kept} in {written}");
    }
    equal(text, &written);
}

#[test]
fn the_comparison_sees_differences() {
    for (a, b) in [
        ("1", "1.0"),
        ("[1,2]", "[2,1]"),
        (r#"{"a":1}"#, r#"{"a":1,"b":2}"#),
        (r#"{"a":{"b":[1]}}"#, r#"{"a":{"b":[2]}}"#),
        (r#""1""#, "1"),
        (r#"{"a":1}"#, r#"{"b":1}"#),
    ] {
        assert!(difference(&tree(a), &tree(b)).is_some(), "{a} {b}");
    }
    for (a, b) in [(r#"{"a":1,"b":[]}"#, r#" {"b":[ ],"\u0061":1}"#), (r#""\/é""#, r#""/\u00e9""#)]
    {
        assert_eq!(difference(&tree(a), &tree(b)), None);
    }
}
