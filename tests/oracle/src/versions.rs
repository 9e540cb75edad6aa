//! Versions of the protocol against each other's schemas.

use crate::grow::{self, Entries};
use crate::judge::validator;
use crate::spoil::{render, spoil};
use crate::support::{Rng, Tree, any_value, scaled};
use coordination_protocol::message::{EnvelopeHeader, MessageKind};
use coordination_protocol::scalar::ProtocolVersion;
use coordination_protocol::schema::breaking;
use coordination_protocol::version::{Migrator, migrate};
use jsonschema::Validator;
use schemars::Schema;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

const OLD: ProtocolVersion = ProtocolVersion::V1_0_0;
const NEW: ProtocolVersion = ProtocolVersion::V1_1_0;
const CASES: usize = 20_000;

/// The schema that was reviewed.
fn reviewed(version: &ProtocolVersion) -> Value {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schema");
    let file = folder.join(version.to_string()).join("envelope.json");
    serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap()
}

fn judges() -> (Validator, Validator) {
    (validator(&reviewed(&OLD)), validator(&reviewed(&NEW)))
}

/// A message of any kind; the kinds take turns.
fn grown(rng: &mut Rng, number: usize) -> Entries {
    grow::message(rng, MessageKind::KNOWN[number % MessageKind::KNOWN.len()])
}

/// What can be said to a peer of the first version, and nothing more: from a message of the second.
fn first(rng: &mut Rng, number: usize) -> Option<String> {
    let text = {
        let message = grown(rng, number);
        render(rng, &message)
    };
    let lossy = Migrator::new().with_allow_loss(true);
    lossy.migrate(&text, &NEW, &OLD).unwrap().value
}

#[test]
fn every_message_of_the_first_version_fits_the_schemas_of_both() {
    let (old, new) = judges();
    let (mut said, mut unsaid, mut bare) = (0, 0, 0);
    for number in 0..scaled(CASES) {
        let rng = &mut Rng::new(number as u64 + 3);
        let Some(text) = first(rng, number) else {
            unsaid += 1;
            continue;
        };
        let value: Value = serde_json::from_str(&text).unwrap();
        assert!(old.is_valid(&value), "{text}");
        assert!(new.is_valid(&value), "{text}");
        assert_eq!(migrate(&text, &OLD, &NEW).unwrap().losses, [], "{text}");
        said += 1;
        bare += usize::from(value.as_object().unwrap().len() == 1);
    }
    assert!(said * 3 > scaled(CASES) && unsaid * 3 > scaled(CASES), "{said} {unsaid}");
    assert!(bare * 10 > said && bare * 2 < said, "{bare} of {said} without header");
    println!("{said} messages of 1.0.0 fit both");
}

/// A name that the second version takes for itself, with whatever a writer of the first one put there.
fn take_a_name(rng: &mut Rng, message: &mut Entries) {
    let later = |since: &ProtocolVersion| *since > OLD;
    let keys = EnvelopeHeader::SPEC.members.iter().filter(|member| later(member.since));
    let kinds = MessageKind::KNOWN.iter().filter(|kind| later(kind.since()));
    let mut names: Vec<&str> = keys.map(|member| member.name).collect();
    names.extend(kinds.map(|kind| kind.as_str()));
    let body = message.iter_mut().find(|(name, _)| name == "checkpoint_sync");
    if let Some((_, Tree::Object(body))) = body
        && rng.one_in(2)
    {
        body.retain(|(name, _)| name != "state_version");
        return body.push(("state_version".to_owned(), any_value(rng, 3)));
    }
    let name = rng.pick(&names);
    message.retain(|(known, _)| known != name);
    message.push((name.to_owned(), any_value(rng, 3)));
}

/// What the first version admits and the second does not uses a name that the second took, and the
/// migration says so.
#[test]
fn whoever_is_refused_by_the_next_version_is_told() {
    let (old, new) = judges();
    let (mut both, mut told) = (0, 0);
    for number in 0..scaled(CASES) {
        let rng = &mut Rng::new(number as u64 + 17);
        let mut message = grown(rng, number);
        for _ in 0..rng.below(3) {
            take_a_name(rng, &mut message);
        }
        if rng.one_in(3) {
            spoil(rng, &mut message);
        }
        let text = render(rng, &message);
        let Ok(value) = serde_json::from_str::<Value>(&text) else { continue };
        if !old.is_valid(&value) {
            continue;
        }
        if new.is_valid(&value) {
            both += 1;
        } else {
            told += 1;
            assert_ne!(migrate(&text, &OLD, &NEW).unwrap().losses, [], "{text}");
        }
    }
    assert!(both > scaled(1_000) && told > scaled(1_000), "{both} {told}");
    println!("{both} fit both, {told} fit 1.0.0 only and are told");
}

/// One edit somewhere in a schema, for better or worse.
fn edit(rng: &mut Rng, schema: &mut Value) -> String {
    let mut places = Vec::new();
    pointers(schema, String::new(), &mut places);
    let at = places[rng.below(places.len())].as_str();
    let node = schema.pointer_mut(at).unwrap();
    match node {
        Value::Object(members) => {
            let keys: Vec<String> = members.keys().cloned().collect();
            let properties = at.ends_with("/properties");
            match rng.below(4) {
                0 | 1 if !keys.is_empty() => {
                    members.remove(&keys[rng.below(keys.len())]);
                }
                _ if properties => {
                    members
                        .insert(rng.pick(&["load", "mood"]).to_owned(), json!({ "type": "null" }));
                }
                2 => {
                    let (key, value) = match rng.below(8) {
                        0 => ("type", json!("string")),
                        1 => ("type", json!(["object", "string", "number", "boolean", "array"])),
                        2 => ("minimum", json!(-1)),
                        3 => ("maximum", json!(3)),
                        4 => ("maxLength", json!(7)),
                        5 => ("required", json!(["timestamp"])),
                        6 => ("additionalProperties", json!(false)),
                        _ => ("not", json!({ "type": "string" })),
                    };
                    members.insert(key.to_owned(), value);
                }
                _ => {
                    let target = rng.pick(&["Count", "Text", "AnyValue", "Quantity", "Amount"]);
                    members.insert("$ref".to_owned(), json!(format!("#/$defs/{target}")));
                }
            }
        }
        Value::Array(items) if !items.is_empty() && rng.one_in(2) => {
            items.remove(rng.below(items.len()));
        }
        Value::Array(items) => items.push(json!(rng.pick(&["source", "a word"]))),
        Value::Number(number) => {
            *node = json!(number.as_f64().unwrap() + [-1.0, 1.0][rng.below(2)])
        }
        Value::String(text) => text.push(rng.pick(&["x", "y"]).chars().next().unwrap()),
        other => *other = json!(rng.one_in(2)),
    }
    let after = schema.pointer(at).unwrap().to_string();
    format!("{at}: {}", &after[..after.len().min(300)])
}

fn pointers(value: &Value, at: String, out: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                pointers(value, format!("{at}/{}", key.replace('~', "~0").replace('/', "~1")), out);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                pointers(item, format!("{at}/{index}"), out);
            }
        }
        _ => {}
    }
    out.push(at);
}

/// An edit that is called no break refuses no message.
#[test]
fn edits_that_pass_refuse_nothing() {
    let before = reviewed(&OLD);
    let schema = |value: &Value| Schema::try_from(value.clone()).unwrap();
    let messages: Vec<Value> = (0..600)
        .filter_map(|number| first(&mut Rng::new(number as u64 + 5), number))
        .map(|text| serde_json::from_str(&text).unwrap())
        .collect();
    let (mut passed, mut refused, mut cautious, mut unusable) = (0, 0, 0, 0);
    for number in 0..scaled(1_500) {
        let rng = &mut Rng::new(number as u64 + 1);
        let mut after = before.clone();
        let edit = edit(rng, &mut after);
        if !after.is_object() || !jsonschema::draft202012::meta::is_valid(&after) {
            unusable += 1;
            continue;
        }
        let options = jsonschema::draft202012::options().should_validate_formats(true);
        let Ok(judge) = options.build(&after) else {
            unusable += 1;
            continue;
        };
        let breaks = breaking(&schema(&before), &schema(&after));
        match (breaks.is_empty(), messages.iter().find(|message| !judge.is_valid(message))) {
            (true, Some(message)) => panic!("passed: {edit}\nrefused: {message}"),
            (true, None) => passed += 1,
            (false, Some(_)) => refused += 1,
            (false, None) => cautious += 1,
        }
    }
    println!(
        "{passed} passed, {refused} refuse and are told, {cautious} told, {unusable} no schema"
    );
    assert!(passed > scaled(100) && refused > scaled(100), "{passed} {refused}");
}
