//! A minor version breaks no one: the schemas of each version against those before it, and edits
//! that would break.

use coordination_protocol::ProtocolVersion;
use coordination_protocol::event::Registry;
use coordination_protocol::schema::{self, Break, BreakKind, breaking};
use coordination_protocol::version::VERSIONS;
use schemars::Schema;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// The schema that was reviewed for a version.
fn reviewed(version: &ProtocolVersion, name: &str) -> Schema {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/schema");
    let file = folder.join(version.to_string()).join(format!("{name}.json"));
    serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap()
}

/// What keeps `new` from being the next minor version of `old`; nothing does between major ones.
fn faults(old: &ProtocolVersion, new: &ProtocolVersion, edit: &dyn Fn(&mut Value)) -> Vec<Break> {
    let registry = Registry::new(old.clone());
    let names = schema::names(&registry).filter(|_| old.major() == new.major());
    names
        .flat_map(|name| {
            let mut edited = reviewed(new, name).to_value();
            edit(&mut edited);
            breaking(&reviewed(old, name), &Schema::try_from(edited).unwrap())
        })
        .collect()
}

#[test]
fn each_minor_version_admits_what_the_ones_before_it_describe() {
    let mut pairs = 0;
    for (index, old) in VERSIONS.iter().enumerate() {
        for new in &VERSIONS[index..] {
            pairs += 1;
            assert_eq!(faults(old, new, &|_| ()), [], "{old} and {new}");
        }
    }
    assert_eq!(pairs, 3);
    // The other way round, what was added is missed.
    let (old, new) = (&VERSIONS[0], &VERSIONS[1]);
    let lost = breaking(&reviewed(new, "envelope"), &reviewed(old, "envelope"));
    let lost: Vec<String> = lost.iter().map(ToString::to_string).collect();
    for told in [
        "/properties/signature: the field `signature` is gone",
        "/properties/hello: the field `hello` is gone",
        "/$defs/CheckpointSync/properties/state_version: the field `state_version` is gone",
        "/$defs/Event/properties/event_type: the word \"CHECKPOINT_CREATED\" is gone",
        "/oneOf: the alternative {\"properties\":{\"deregistration\":true},\"required\":[\"deregistration\"]} is gone",
    ] {
        assert!(lost.iter().any(|found| found == told), "{told}: {lost:#?}");
    }
    assert_eq!(lost.len(), 8 + 12 + 2 + 5 + 12);
}

/// An edit of a schema, at a pointer.
type Edit = (&'static str, fn(&mut Value));

const BREAKING: &[(Edit, BreakKind, &str)] = &[
    (
        ("/$defs/Heartbeat", |heartbeat| push(heartbeat, "required", "status")),
        BreakKind::Required,
        "/$defs/Heartbeat/required: the field `status` could be left out",
    ),
    (
        ("/$defs/Heartbeat/properties", |fields| remove(fields, "status")),
        BreakKind::Removed,
        "/$defs/Heartbeat/properties/status: the field `status` is gone",
    ),
    (
        ("/$defs/Heartbeat/properties", |fields| fields["status"] = json!({ "not": {} })),
        BreakKind::Removed,
        "/$defs/Heartbeat/properties/status: the field `status` is refused",
    ),
    (
        ("/$defs/Heartbeat/properties", |fields| fields["state"] = json!(false)),
        BreakKind::Removed,
        "/$defs/Heartbeat/properties/state: the field `state` was free and is refused",
    ),
    (
        ("/$defs/Percent", |percent| percent["maximum"] = json!(99.9)),
        BreakKind::Range,
        "/$defs/Percent: `maximum` 100 became 99.9",
    ),
    (
        ("/$defs/Percent", |percent| percent["minimum"] = json!(1)),
        BreakKind::Range,
        "/$defs/Percent: `minimum` 0 became 1",
    ),
    (
        ("/$defs/Count", |count| count["maximum"] = json!(18_446_744_073_709_551_614_u64)),
        BreakKind::Range,
        "/$defs/Count: `maximum` 18446744073709551615 became 18446744073709551614",
    ),
    (
        ("/$defs/Amount", |amount| amount["maximum"] = json!(1)),
        BreakKind::Range,
        "/$defs/Amount: `maximum` 1 is new",
    ),
    (
        ("/$defs/Identifier", |id| id["maxLength"] = json!(64)),
        BreakKind::Range,
        "/$defs/Identifier: `maxLength` 128 became 64",
    ),
    (
        ("/$defs/HealthState/enum", |words| drop(words.as_array_mut().unwrap().pop())),
        BreakKind::Word,
        "/$defs/HealthState: the word \"unknown\" is gone",
    ),
    (
        ("/$defs/Text", |text| text["enum"] = json!(["a"])),
        BreakKind::Word,
        "/$defs/Text: the list of words was open",
    ),
    (
        ("/$defs/Count", |count| count["type"] = json!("string")),
        BreakKind::Type,
        "/$defs/Count: a value may be no integer any more",
    ),
    (
        ("/$defs/PhaseId/anyOf", |kinds| drop(kinds.as_array_mut().unwrap().remove(0))),
        BreakKind::Form,
        "/$defs/PhaseId/anyOf: the alternative {\"type\":\"number\"} is gone",
    ),
    (
        ("/$defs/Percent", |percent| percent["type"] = json!("integer")),
        BreakKind::Type,
        "/$defs/Percent: a value may be no number any more",
    ),
    (
        ("/$defs/AnyValue", |any| any["type"] = json!(["string", "object"])),
        BreakKind::Type,
        "/$defs/AnyValue: the kind of value was free",
    ),
    (
        ("/$defs/Digest", |digest| digest["pattern"] = json!("^sha512:")),
        BreakKind::Form,
        "/$defs/Digest: `pattern` is another one",
    ),
    (
        ("/$defs/Text", |text| text["format"] = json!("email")),
        BreakKind::Form,
        "/$defs/Text: `format` is new",
    ),
    (
        ("/$defs/WholePlaceholder", |text| text["pattern"] = json!("^x$")),
        BreakKind::Form,
        "/$defs/Text: other values are excluded",
    ),
    (
        ("/$defs/Heartbeat", |heartbeat| heartbeat["additionalProperties"] = json!(false)),
        BreakKind::Form,
        "/$defs/Heartbeat: `additionalProperties` is new",
    ),
    (
        ("/$defs/Resources/properties/tool_instances", |map| {
            map["additionalProperties"] = json!(false);
        }),
        BreakKind::Form,
        "/$defs/Resources/properties/tool_instances/additionalProperties: \
         `{\"$ref\":\"#/$defs/Amount\"}` became `false`",
    ),
    (
        ("/$defs/Heartbeat/properties", |fields| {
            fields["sequence"] = json!({ "$ref": "#/$defs/Text" });
        }),
        BreakKind::Type,
        "/$defs/Heartbeat/properties/sequence: a value may be no integer any more",
    ),
    (
        ("/$defs/Heartbeat/properties", |fields| {
            fields["sequence"] = json!({ "type": "integer", "minimum": 1 });
        }),
        BreakKind::Range,
        "/$defs/Heartbeat/properties/sequence: `minimum` 0 became 1",
    ),
    (
        ("/$defs/Heartbeat/properties", |fields| {
            fields["sequence"] = json!({ "$ref": "#/$defs/Nowhere" });
        }),
        BreakKind::Form,
        "/$defs/Heartbeat/properties/sequence: `#/$defs/Nowhere` cannot be followed",
    ),
    (
        ("/oneOf", |bodies| drop(bodies.as_array_mut().unwrap().remove(3))),
        BreakKind::Form,
        "/oneOf: the alternative {\"properties\":{\"checkpoint_sync\":true},\"required\":[\"checkpoint_sync\"]} is gone",
    ),
    (
        ("/oneOf", |bodies| bodies.as_array_mut().unwrap().push(json!({ "required": ["source"] }))),
        BreakKind::Form,
        "/oneOf/21: the alternative {\"required\":[\"source\"]} may fit as well",
    ),
    (
        ("/$defs/Event/allOf/15/then/properties/data", |data| push(data, "required", "attempt")),
        BreakKind::Required,
        "/$defs/Event/allOf/15/then/properties/data/required: the field `attempt` could be left \
         out",
    ),
    (
        ("/$defs/Event/allOf/6", |condition| condition["required"] = json!(["x"])),
        BreakKind::Required,
        "/$defs/Event/allOf/6/required: the field `x` could be left out",
    ),
    (
        ("/$defs/Event/allOf", |all| {
            all.as_array_mut().unwrap().push(json!({ "required": ["x"] }));
        }),
        BreakKind::Required,
        "/$defs/Event/allOf/38/required: the field `x` could be left out",
    ),
    (
        ("/$defs/Event/allOf", |all| {
            all.as_array_mut().unwrap().push(json!({
                "if": { "properties": { "phase": { "const": "global" } } },
                "then": { "required": ["x"] },
            }));
        }),
        BreakKind::Form,
        "/$defs/Event/allOf/38: a condition is new",
    ),
    (
        ("/$defs/Event", |event| {
            // Without the field, the condition about its new word holds.
            remove(event, "required");
            event["properties"]["phase"] = json!({ "enum": ["a", "b"] });
            event["allOf"].as_array_mut().unwrap().clear();
        }),
        BreakKind::Word,
        "/$defs/Event/properties/phase: the list of words was open",
    ),
];

const FINE: &[Edit] = &[
    ("", |_| ()),
    ("/$defs/Heartbeat", |heartbeat| heartbeat["description"] = json!("Still alive.")),
    ("/$defs/Heartbeat/properties", |fields| fields["load"] = json!({ "$ref": "#/$defs/Percent" })),
    ("/$defs/Heartbeat", |heartbeat| {
        heartbeat["required"] = json!(["component_id"]);
    }),
    ("/$defs/Percent", |percent| percent["maximum"] = json!(1000)),
    ("/$defs/Percent", |percent| remove(percent, "maximum")),
    ("/$defs/Identifier", |id| id["maxLength"] = json!(256)),
    ("/$defs/HealthState/enum", |words| words.as_array_mut().unwrap().push(json!("asleep"))),
    ("/$defs/HealthState", |words| remove(words, "enum")),
    ("/$defs/Count", |count| count["type"] = json!("number")),
    ("/$defs/Count", |count| count["type"] = json!(["integer", "string"])),
    ("/$defs/Digest", |digest| remove(digest, "pattern")),
    ("/$defs/Text", |text| remove(text, "not")),
    ("/$defs/Heartbeat/properties", |fields| {
        fields["sequence"] = json!({ "type": "number" });
    }),
    ("/$defs/Heartbeat/properties", |fields| fields["sequence"] = json!(true)),
    ("", |envelope| {
        envelope["properties"]["pause"] = json!({ "type": "object" });
        envelope["oneOf"].as_array_mut().unwrap().push(json!({ "required": ["pause"] }));
    }),
    ("/$defs/Event", |event| {
        push(&mut event["properties"]["event_type"], "enum", "TASK_PAUSED");
        let then = json!({ "properties": { "data": { "required": ["task_id"] } } });
        let condition = json!({ "properties": { "event_type": { "const": "TASK_PAUSED" } } });
        let rows = event["allOf"].as_array_mut().unwrap();
        rows.insert(0, json!({ "if": condition, "then": then }));
    }),
];

fn push(object: &mut Value, key: &str, name: &str) {
    object[key].as_array_mut().unwrap().push(name.into());
}

fn remove(object: &mut Value, key: &str) {
    object.as_object_mut().unwrap().remove(key).unwrap();
}

fn edited(schema: &Schema, (pointer, edit): Edit) -> Schema {
    let mut value = schema.clone().to_value();
    edit(value.pointer_mut(pointer).unwrap_or_else(|| panic!("nothing at {pointer}")));
    Schema::try_from(value).unwrap()
}

#[test]
fn every_breaking_edit_is_found_and_named() {
    let now = reviewed(&ProtocolVersion::V1_1_0, "envelope");
    let mut kinds = std::collections::BTreeSet::new();
    for (edit, kind, sentence) in BREAKING {
        let found = breaking(&now, &edited(&now, *edit));
        let told = found.iter().find(|found| found.to_string() == *sentence);
        assert!(told.is_some_and(|found| found.kind == *kind), "{sentence}: {found:#?}");
        kinds.insert(*kind);
    }
    assert_eq!(kinds.len(), 6, "an edit of every kind: {kinds:?}");
}

#[test]
fn additions_and_wider_values_break_nobody() {
    let now = reviewed(&ProtocolVersion::V1_1_0, "envelope");
    for (number, edit) in FINE.iter().enumerate() {
        let found = breaking(&now, &edited(&now, *edit));
        assert_eq!(found, [], "edit {number} at {}", edit.0);
    }
}

/// The check of the versions fails for an edit that would go out as a minor version.
#[test]
fn a_minor_version_that_breaks_is_caught() {
    let (old, new) = (ProtocolVersion::V1_0_0, ProtocolVersion::V1_1_0);
    let narrowed = |schema: &mut Value| {
        if let Some(count) = schema.pointer_mut("/$defs/Count") {
            count["minimum"] = json!(1);
        }
    };
    let found = faults(&old, &new, &narrowed);
    assert_eq!(found.len(), 8, "one in every schema that counts: {found:#?}");
    assert!(found.iter().all(|found| found.kind == BreakKind::Range));
    assert_eq!(faults(&old, &ProtocolVersion::new(2, 0, 0), &narrowed), [], "a major one may");
    // Unlike schemas are as different as can be told.
    let pair = breaking(&reviewed(&new, "heartbeat"), &Schema::try_from(json!(false)).unwrap());
    assert_eq!(pair.len(), 1);
    let root = breaking(&reviewed(&new, "vote"), &reviewed(&new, "release"));
    assert!(root.iter().any(|found| found.kind == BreakKind::Required));
}
