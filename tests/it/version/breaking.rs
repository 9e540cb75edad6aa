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
    assert_eq!(lost.len(), 8 + 12 + 6 + 5 + 12 + 8);
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
fn additions_and_wider_values_break_no_reader() {
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

fn pair(old: Value, new: Value) -> Vec<String> {
    let [old, new] = [old, new].map(|schema| Schema::try_from(schema).unwrap());
    let found = breaking(&old, &new);
    found.iter().map(ToString::to_string).collect()
}

/// A type of a user's that holds itself, in another one.
#[derive(schemars::JsonSchema)]
#[allow(dead_code)]
struct Tree {
    name: String,
    parent: Option<Box<Tree>>,
}

#[derive(schemars::JsonSchema)]
#[allow(dead_code)]
struct Forest {
    first: Tree,
    other: Option<Tree>,
}

#[test]
fn recursion_of_any_kind_ends() {
    let forest = schemars::schema_for!(Forest);
    assert_eq!(breaking(&forest, &forest), []);
    let told = |edit: fn(&mut Value)| {
        let mut new = forest.clone().to_value();
        edit(&mut new);
        pair(forest.clone().to_value(), new)
    };
    assert_eq!(told(|forest| forest["description"] = json!("Trees.")), [""; 0]);
    assert_eq!(told(|forest| forest["$defs"]["Tree"]["title"] = json!("Trees.")), [""; 0]);
    let found =
        told(|forest| forest["$defs"]["Tree"]["properties"]["name"]["type"] = json!("integer"));
    assert!(!found.is_empty());
    let found = told(|forest| {
        forest["$defs"]["Tree"]["properties"]["parent"]["anyOf"].as_array_mut().unwrap().pop();
    });
    assert!(!found.is_empty());

    // Circles without a way out, of one and of two, and between old and new.
    let circle = |names: &[&str], last: Value| {
        let mut definitions = serde_json::Map::new();
        for (index, name) in names.iter().enumerate() {
            let next = names[(index + 1) % names.len()];
            definitions.insert((*name).to_owned(), json!({ "$ref": format!("#/$defs/{next}") }));
        }
        json!({ "properties": { "a": { "$ref": "#/$defs/A" } }, "$defs": definitions, "maxProperties": last })
    };
    for (old, new) in
        [(&["A"][..], &["A", "B"][..]), (&["A", "B"], &["A"]), (&["A", "B", "C"], &["A", "C"])]
    {
        let _ = pair(circle(old, json!(3)), circle(new, json!(3)));
        let found = pair(circle(old, json!(3)), circle(new, json!(2)));
        assert!(found.contains(&"/: `maxProperties` 3 became 2".to_owned()), "{found:?}");
    }
    // Chains of thousands of references, and alternatives that nest as deeply.
    for form in [
        (|next: String| json!({ "$ref": next })) as fn(String) -> Value,
        |next| json!({ "properties": { "a": { "$ref": next } } }),
        |next| json!({ "items": { "$ref": next }, "title": "link" }),
        |next| json!({ "anyOf": [{ "type": "null" }, { "$ref": next }] }),
        |next| json!({ "allOf": [{ "$ref": next }] }),
        |next| json!({ "properties": { "a": { "anyOf": [{ "$ref": next }, { "type": "null" }] } } }),
        |next| json!({ "if": { "$ref": next.clone() }, "then": { "$ref": next } }),
    ] {
        let chain = |end: &str| {
            let mut definitions = serde_json::Map::new();
            for link in 0..5_000 {
                definitions.insert(format!("D{link}"), form(format!("#/$defs/D{}", link + 1)));
            }
            definitions.insert("D5000".to_owned(), json!({ "type": end }));
            json!({ "$ref": "#/$defs/D0", "$defs": definitions })
        };
        assert_eq!(pair(chain("string"), chain("string")), [""; 0]);
        assert!(!pair(chain("string"), chain("integer")).is_empty(), "{}", form("x".to_owned()));
    }
}

#[test]
fn references_are_followed_wherever_they_lead() {
    let schema = |value: Value, definitions: Value| json!({ "properties": { "a": value }, "$defs": definitions });
    let text = json!({ "type": "string" });
    let number = json!({ "type": "integer" });
    let to = |name: &str| json!({ "$ref": format!("#/$defs/{name}") });
    let found =
        pair(schema(to("A"), json!({ "A": text })), schema(to("B"), json!({ "B": number })));
    assert_eq!(found, ["/properties/a: a value may be no string any more"]);
    let found = pair(
        schema(to("A"), json!({ "A": text })),
        schema(to("B"), json!({ "B": to("C"), "C": number })),
    );
    assert_eq!(found, ["/properties/a: a value may be no string any more"]);
    let found =
        pair(schema(to("A"), json!({ "A": to("B"), "B": text })), schema(text.clone(), json!({})));
    assert_eq!(found, [""; 0]);
    // Beside a reference, both hold.
    let beside = json!({ "$ref": "#/$defs/A", "minLength": 2 });
    let found =
        pair(schema(to("A"), json!({ "A": text })), schema(beside.clone(), json!({ "A": text })));
    assert_eq!(found, ["/properties/a: `minLength` 2 is new"]);
    assert_eq!(
        pair(schema(beside, json!({ "A": text })), schema(to("A"), json!({ "A": text }))),
        [""; 0]
    );
    // Escapes in names, by the rules of pointers in fragments.
    let odd =
        |kind: &Value| schema(json!({ "$ref": "#/$defs/a~1b%20c" }), json!({ "a/b c": kind }));
    assert_eq!(
        pair(odd(&text), odd(&number)),
        ["/$defs/a~1b%20c: a value may be no string any more"]
    );
    // By the schema's own name, too.
    let named = |kind: &Value| json!({ "$id": "urn:x", "properties": { "a": { "$ref": "urn:x#/$defs/A" } }, "$defs": { "A": kind } });
    assert_eq!(pair(named(&text), named(&number)).len(), 1);
}

#[test]
fn alternatives_that_hold_themselves_are_compared() {
    for key in ["oneOf", "anyOf"] {
        let tree = |leaf: &str| {
            json!({
                "$ref": "#/$defs/Tree",
                "$defs": {
                    "Tree": { key: [
                        { "type": leaf },
                        { "type": "array", "items": { "$ref": "#/$defs/Tree" } },
                    ] },
                },
            })
        };
        assert_eq!(pair(tree("string"), tree("string")), [""; 0]);
        let found = pair(tree("string"), tree("integer"));
        assert!(found.iter().any(|told| told.contains("is gone")), "{key}: {found:?}");
        assert!(pair(tree("integer"), tree("number")).is_empty() == (key == "anyOf"));
    }
}

/// The place that is told is the one of the field, whatever the field is called.
#[test]
fn a_field_may_be_called_like_a_keyword() {
    for (key, new) in
        [("additionalProperties", json!(false)), ("oneOf", json!([{ "type": "object" }]))]
    {
        let schema = |held: Value| json!({ "properties": { key: held } });
        let told = pair(schema(json!({ "type": "object" })), schema(json!({ key: new })));
        assert_eq!(told, [format!("/properties/{key}: `{key}` is new")]);
    }
    // Nor of a map in a map.
    let map = |held: Value| json!({ "additionalProperties": { "additionalProperties": held } });
    let told = pair(
        json!({ "additionalProperties": { "type": "object" } }),
        map(json!({ "type": "string" })),
    );
    assert_eq!(told, ["/additionalProperties: `additionalProperties` is new"]);
}

/// What is not followed is a break unless it is equal.
#[test]
fn what_cannot_be_followed_is_a_break() {
    for (key, one, other) in [
        ("patternProperties", json!({ "^a": {} }), json!({ "^a": false })),
        ("propertyNames", json!({ "maxLength": 3 }), json!({ "maxLength": 4 })),
        ("unevaluatedProperties", json!({ "type": "string" }), json!(false)),
        ("unevaluatedItems", json!({ "type": "string" }), json!(false)),
        ("dependentRequired", json!({ "a": ["b"] }), json!({ "a": ["c"] })),
        ("dependentSchemas", json!({ "a": {} }), json!({ "a": false })),
        ("contains", json!({ "type": "string" }), json!({ "type": "number" })),
        ("prefixItems", json!([{ "type": "string" }]), json!([false])),
        ("not", json!({ "type": "string" }), json!({ "type": "number" })),
        ("multipleOf", json!(2), json!(4)),
        ("uniqueItems", json!("?"), json!(true)),
        ("format", json!("email"), json!("idn-email")),
        ("x-limits", json!(1), json!(2)),
        ("$dynamicRef", json!("#a"), json!("#b")),
    ] {
        let with = |value: &Value| json!({ "type": "object", "title": "x", key: value });
        assert_eq!(pair(with(&one), with(&one)), [""; 0], "{key}");
        for (old, new) in [(with(&one), with(&other)), (json!({ "type": "object" }), with(&other))]
        {
            assert!(!pair(old, new).is_empty(), "{key}");
        }
        if key != "$dynamicRef" {
            let mut remarked = with(&one);
            remarked["title"] = json!("y");
            assert_eq!(pair(with(&one), remarked), [""; 0], "{key}");
        }
    }
    // Of one alternative, what is no object is none that lacks a field.
    let one_of = |more: Value| json!({ "oneOf": [{ "const": "a" }, more] });
    let (few, many) =
        (json!({ "oneOf": [{ "const": "a" }] }), one_of(json!({ "required": ["c"] })));
    assert!(!pair(few.clone(), many).is_empty());
    assert_eq!(pair(few, one_of(json!({ "type": "object", "required": ["c"] }))), [""; 0]);
    // Another document is what it was, as long as it is named alike; anchors here may be elsewhere.
    let to = |reference: &str, title: &str| json!({ "title": title, "properties": { "a": { "$ref": reference } } });
    let there = "https://example.org/a.json#/$defs/A";
    assert_eq!(pair(to(there, "x"), to(there, "y")), [""; 0]);
    assert_eq!(pair(to(there, "x"), to("https://example.org/b.json", "x")).len(), 1);
    for here in ["#anchor", "#/$defs/Nowhere", "a.json", "#/$defs/~2", "#/%zz"] {
        assert_eq!(pair(to(here, "x"), to(here, "x")), [""; 0], "the same");
        assert!(!pair(to(here, "x"), to(here, "y")).is_empty(), "{here}");
    }
    // Another dialect means something else by the same words.
    let draft = |title: &str| json!({ "$schema": "http://json-schema.org/draft-07/schema#", "title": title });
    assert_eq!(pair(draft("x"), draft("y")).len(), 1);
}
