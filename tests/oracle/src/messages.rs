//! Messages against the schema of the envelope, and bodies against their own.

use crate::grow;
use crate::judge::{Trial, beyond_a_double, reader, validator, validator_of};
use crate::spoil::{rebody, render, spoil};
use crate::support::{Rng, mutate, scaled};
use coordination_protocol::event::Registry;
use coordination_protocol::finding::Code;
use coordination_protocol::message::{Envelope, MessageKind};
use coordination_protocol::scalar::ProtocolVersion;
use schemars::schema_for;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const CASES: usize = 20_000;

fn registry(number: usize) -> Registry {
    if number.is_multiple_of(4) {
        Registry::new(ProtocolVersion::V1_0_0)
    } else {
        Registry::default()
    }
}

/// Case `number`: the kinds take turns, a fifth stays whole.
fn case(number: usize, seed: u64) -> (Rng, String) {
    let mut rng = Rng::new(number as u64 + seed);
    let kind = match number % 3 {
        0 => MessageKind::Event,
        _ => MessageKind::KNOWN[number % MessageKind::KNOWN.len()],
    };
    let mut message = grow::message(&mut rng, kind);
    match rng.below(10) {
        0 | 1 => {}
        2 => rebody(&mut rng, &mut message),
        _ => spoil(&mut rng, &mut message),
    }
    let text = render(&mut rng, &message);
    (rng, text)
}

#[test]
fn vectors_get_the_same_verdict() {
    let reader = reader(&Registry::default());
    let envelope = validator_of("envelope", &Registry::default());
    let mut trial = Trial::default();
    let mut hear = |json: &[u8]| {
        trial.hear(json, &reader.message(json), &envelope);
    };
    let wire: BTreeMap<String, Value> =
        serde_json::from_str(include_str!("../../it/wire_examples.json")).unwrap();
    assert_eq!(wire.len(), 8);
    for (name, body) in wire {
        hear(json!({ name: body }).to_string().as_bytes());
    }
    // The limits are not the schema's.
    let limits = [Code::TooLong, Code::TooDeep, Code::TooManyKeys];
    for code in Code::ALL.iter().filter(|code| !limits.contains(code)) {
        hear(&code.good().record());
        hear(&code.bad().record());
        for around in ["\u{c}", "\u{b}", "\u{a0}", "\u{feff}", " \t\r\n", "\0", "}"] {
            hear(&[&code.good().record(), around.as_bytes()].concat());
            hear(&[around.as_bytes(), &code.good().record()].concat());
        }
    }
    for name in [
        r#"{"source":"a","source_component":"b","error_report":0}"#,
        r#"{"event":{"event_type":"TASK_FAILED","workflow_id":"w","phase":"p","data":{}}}"#,
        r#"{"event":{"event_type":"TASK_SHIPPED","workflow_id":"w","phase":"p","data":{}}}"#,
        r#"{"event":{"workflow_id":"w","phase":"p","data":{}}}"#,
        "{}",
        "[]",
        "null",
        "",
        " ",
        "\u{feff}{}",
        "{}\u{c}",
    ] {
        hear(name.as_bytes());
    }
    for number in 0..MessageKind::KNOWN.len() * 10 {
        let rng = &mut Rng::new(number as u64 + 1);
        let message = grow::message(rng, MessageKind::KNOWN[number % MessageKind::KNOWN.len()]);
        hear(render(rng, &message).as_bytes());
    }
    trial.close();
}

/// Which characters an identifier may have, and which are white space that ends alternatives.
#[test]
fn every_character_is_taken_alike() {
    let reader = reader(&Registry::default());
    let envelope = validator_of("envelope", &Registry::default());
    let mut trial = Trial::default();
    let others = ['\u{d7ff}', '\u{e000}', '\u{ffff}', '\u{10000}', '\u{10ffff}'];
    for c in ('\0'..'\u{3100}').chain(others) {
        for text in [format!("a{c}"), format!("a|b{c}"), format!("{c}<a>")] {
            for (field, value) in
                [("checkpoint_id", json!(text)), ("current_phase", json!({ "phase_id": text }))]
            {
                let body = json!({
                    "workflow_id": "w", "state_version": 1, "timestamp": "2025-01-15T12:00:00Z", field: value,
                });
                let json = json!({ "workflow_state": body }).to_string();
                trial.hear(json.as_bytes(), &reader.message(&json), &envelope);
            }
        }
    }
    trial.close();
}

#[test]
fn grown_messages_are_valid() {
    let reader = reader(&Registry::default());
    let envelope = validator_of("envelope", &Registry::default());
    for number in 0..scaled(1_000) {
        let rng = &mut Rng::new(number as u64 + 1);
        let message = grow::message(rng, MessageKind::KNOWN[number % MessageKind::KNOWN.len()]);
        let text = render(rng, &message);
        let value: Value = serde_json::from_str(&text).unwrap();
        assert!(envelope.is_valid(&value), "{text}");
        // What is left over are facts across fields.
        let report = reader.message(&text);
        let found: Vec<&str> = report.findings().iter().map(|f| f.code.as_str()).collect();
        let known = ["unknown-field", "advised-field", "unusual-identifier", "header-mismatch"];
        assert!(found.iter().all(|code| known.contains(code)), "{found:?} {text}");
    }
}

#[test]
fn spoiled_messages_get_the_same_verdict() {
    let mut trial = Trial::default();
    let judges = |number| {
        let registry = registry(number);
        (reader(&registry), validator_of("envelope", &registry))
    };
    let (first, current) = (judges(0), judges(1));
    for number in 0..scaled(CASES) {
        let (_, text) = case(number, 1);
        let (reader, envelope) = if number.is_multiple_of(4) { &first } else { &current };
        trial.hear(text.as_bytes(), &reader.message(&text), envelope);
    }
    trial.close();
}

#[test]
fn spoiled_bytes_get_the_same_verdict() {
    let reader = reader(&Registry::default());
    let envelope = validator_of("envelope", &Registry::default());
    let mut trial = Trial::default();
    for number in 0..scaled(CASES) {
        let mut rng = Rng::new(number as u64 + 7);
        let kind = MessageKind::KNOWN[number % MessageKind::KNOWN.len()];
        let message = grow::message(&mut rng, kind);
        let mut bytes = render(&mut rng, &message).into_bytes();
        if !rng.one_in(8) {
            mutate(&mut rng, &mut bytes);
        }
        if beyond_a_double(&bytes) {
            continue;
        }
        trial.hear(&bytes, &reader.message(&bytes), &envelope);
    }
    trial.close();
}

#[test]
fn a_body_alone_gets_the_verdict_of_its_message() {
    let registry = Registry::default();
    let reader = reader(&registry);
    let bodies: BTreeMap<&str, _> = MessageKind::KNOWN
        .iter()
        .map(|kind| (kind.as_str(), validator_of(kind.as_str(), &registry)))
        .collect();
    let mut trial = Trial::default();
    for number in 0..scaled(CASES) {
        let (_, text) = case(number, 5_000_000);
        let Ok(Value::Object(members)) = serde_json::from_str(&text) else { continue };
        let Some((name, body)) =
            members.iter().find(|(name, _)| bodies.contains_key(name.as_str()))
        else {
            continue;
        };
        let alone = json!({ name: body }).to_string();
        trial.hear(body.to_string().as_bytes(), &reader.message(&alone), &bodies[name.as_str()]);
    }
    trial.close();
}

#[test]
fn an_embedded_schema_says_the_same() {
    let reader = reader(&Registry::default());
    let embedded = validator(schema_for!(Envelope).as_value());
    let mut trial = Trial::default();
    for number in 0..scaled(CASES / 4) {
        let (_, text) = case(number, 11);
        trial.hear(text.as_bytes(), &reader.message(&text), &embedded);
    }
    trial.close();
}
