//! [`breaking`] against brute force: small schemas of every keyword, edited, and small instances.
//!
//! Whatever fits an old schema and not the new one must be told. Names that the old schema does not
//! describe are left out: an optional field may take a name that was free.

use crate::support::{Rng, scaled};
use coordination_protocol::schema::breaking;
use jsonschema::Validator;
use schemars::Schema;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

const NAMES: &[&str] = &["a", "b", "c"];
const DEFINITIONS: usize = 3;

/// A schema of a value. Deeper ones are plainer.
fn grow(rng: &mut Rng, room: usize) -> Value {
    if rng.one_in(20) {
        return json!(!rng.one_in(3));
    }
    if rng.one_in(5) {
        return json!({ "$ref": format!("#/$defs/D{}", rng.below(DEFINITIONS)) });
    }
    let mut schema = Map::new();
    for _ in 0..1 + rng.below(3) {
        let (key, value) = keyword(rng, room);
        schema.insert(key.to_owned(), value);
    }
    Value::Object(schema)
}

fn several(rng: &mut Rng, room: usize, most: usize) -> Value {
    (0..1 + rng.below(most)).map(|_| grow(rng, room - 1)).collect()
}

fn fields(rng: &mut Rng, room: usize) -> Value {
    let count = 1 + rng.below(2);
    let fields = (0..count).map(|_| (rng.pick(NAMES).to_owned(), grow(rng, room - 1)));
    Value::Object(fields.collect())
}

fn keyword(rng: &mut Rng, room: usize) -> (&'static str, Value) {
    if room > 0 && rng.one_in(2) {
        return match rng.below(19) {
            0..4 => ("properties", fields(rng, room)),
            4 => ("additionalProperties", grow(rng, room - 1)),
            5 => ("items", grow(rng, room - 1)),
            6 => ("prefixItems", several(rng, room, 2)),
            7 | 8 => ("anyOf", several(rng, room, 2)),
            9 | 10 => ("oneOf", several(rng, room, 2)),
            11 => ("allOf", several(rng, room, 2)),
            12 => ("not", grow(rng, room - 1)),
            13 | 14 => ("if", grow(rng, room - 1)),
            15 => ("then", grow(rng, room - 1)),
            16 => ("else", grow(rng, room - 1)),
            17 => ("contains", grow(rng, room - 1)),
            _ => match rng.below(4) {
                0 => ("patternProperties", json!({ "^[ab]$": grow(rng, room - 1) })),
                1 => ("propertyNames", grow(rng, 0)),
                2 => ("unevaluatedProperties", json!(false)),
                _ => ("dependentSchemas", fields(rng, room)),
            },
        };
    }
    let small = rng.below(3);
    match rng.below(17) {
        0..3 => {
            ("type", json!(rng.pick(&["integer", "number", "string", "object", "array", "null"])))
        }
        3 => (
            "type",
            json!([rng.pick(&["integer", "string"]), rng.pick(&["object", "array", "null"])]),
        ),
        4 => ("enum", json!([small, rng.pick(&["", "a", "ab"]), { "a": 1 }])),
        5 => ("const", [json!(small), json!("a"), json!({ "b": 0 })][rng.below(3)].clone()),
        6 => ("minimum", json!(small)),
        7 => ("maximum", json!(small)),
        8 => ("exclusiveMinimum", json!(small)),
        9 => ("minLength", json!(small)),
        10 => ("maxLength", json!(small)),
        11 => ("required", json!([rng.pick(NAMES)])),
        12 => ("minItems", json!(small)),
        13 => ("maxItems", json!(small)),
        14 => ("pattern", json!(rng.pick(&["^a", "b$"]))),
        15 => ("uniqueItems", json!(rng.one_in(2))),
        _ => match rng.below(4) {
            0 => ("minProperties", json!(small)),
            1 => ("maxProperties", json!(small)),
            2 => ("multipleOf", json!(2)),
            _ => ("dependentRequired", json!({ "a": ["b"] })),
        },
    }
}

/// A schema with definitions, which refer to each other and to themselves.
fn whole(rng: &mut Rng) -> Value {
    let mut root = match grow(rng, 2) {
        Value::Object(root) => root,
        other => Map::from_iter([("allOf".to_owned(), json!([other]))]),
    };
    let definitions = (0..DEFINITIONS).map(|at| (format!("D{at}"), grow(rng, 2)));
    let definitions: Map<String, Value> = definitions.collect();
    root.insert("$defs".to_owned(), definitions.into());
    root.into()
}

/// One edit somewhere.
fn edit(rng: &mut Rng, schema: &mut Value) {
    let mut places = Vec::new();
    schemas(schema, String::new(), &mut places);
    let place = places[rng.below(places.len())].clone();
    let new = grow(rng, 2);
    let Some(node) = schema.pointer_mut(&place) else { return };
    match node {
        Value::Object(members) if !rng.one_in(4) => {
            let keys: Vec<String> = members.keys().filter(|key| *key != "$defs").cloned().collect();
            if !keys.is_empty() && rng.one_in(2) {
                let key = &keys[rng.below(keys.len())];
                let value = members.remove(key).unwrap();
                if let (Value::Array(mut items), true) = (value, rng.one_in(2)) {
                    items.push(new);
                    members.insert(key.clone(), items.into());
                }
            } else {
                let (key, value) = keyword(rng, 2);
                members.insert(key.to_owned(), value);
            }
        }
        _ if place.is_empty() => {}
        node => *node = new,
    }
}

/// The pointers of all schemas inside.
fn schemas(schema: &Value, at: String, out: &mut Vec<String>) {
    for (key, value) in schema.as_object().into_iter().flatten() {
        match (key.as_str(), value) {
            (
                "properties" | "patternProperties" | "dependentSchemas" | "$defs",
                Value::Object(fields),
            ) => {
                for (name, field) in fields {
                    schemas(field, format!("{at}/{key}/{name}"), out);
                }
            }
            ("anyOf" | "oneOf" | "allOf" | "prefixItems", Value::Array(items)) => {
                for (index, item) in items.iter().enumerate() {
                    schemas(item, format!("{at}/{key}/{index}"), out);
                }
            }
            (
                "additionalProperties"
                | "items"
                | "not"
                | "if"
                | "then"
                | "else"
                | "contains"
                | "propertyNames",
                value,
            ) => schemas(value, format!("{at}/{key}"), out),
            _ => {}
        }
    }
    out.push(at);
}

/// Whether a schema asks itself of the same value, which has no meaning.
fn goes_in_circles(root: &Value) -> bool {
    fn in_place<'v>(schema: &'v Value, out: &mut Vec<&'v str>) {
        for (key, value) in schema.as_object().into_iter().flatten() {
            match key.as_str() {
                "$ref" => out.push(value.as_str().unwrap().strip_prefix("#/$defs/").unwrap()),
                "anyOf" | "oneOf" | "allOf" => {
                    value.as_array().unwrap().iter().for_each(|part| in_place(part, out));
                }
                "not" | "if" | "then" | "else" => in_place(value, out),
                "dependentSchemas" => {
                    value.as_object().unwrap().values().for_each(|part| in_place(part, out));
                }
                _ => {}
            }
        }
    }
    (0..DEFINITIONS).any(|start| {
        let start = format!("D{start}");
        let (mut met, mut open) = (BTreeSet::new(), vec![start.as_str()]);
        let mut first = true;
        while let Some(name) = open.pop() {
            if !first && name == start {
                return true;
            }
            first = false;
            if met.insert(name) {
                in_place(&root["$defs"][name], &mut open);
            }
        }
        false
    })
}

/// The schema that refuses fields which the schema does not describe.
fn closed(schema: &Value) -> Value {
    fn close(schema: &Value, value: bool) -> Value {
        let Value::Object(members) = schema else { return schema.clone() };
        let mut out = Map::new();
        for (key, held) in members {
            let held = match key.as_str() {
                "additionalProperties" if *held == json!(true) => continue,
                "properties" | "patternProperties" | "$defs" => {
                    let fields = held.as_object().unwrap().iter();
                    fields
                        .map(|(name, field)| (name.clone(), close(field, key != "$defs")))
                        .collect()
                }
                "prefixItems" => {
                    held.as_array().unwrap().iter().map(|item| close(item, true)).collect()
                }
                "anyOf" | "oneOf" | "allOf" => {
                    held.as_array().unwrap().iter().map(|part| close(part, false)).collect()
                }
                "additionalProperties" | "items" => close(held, true),
                "then" | "else" => close(held, false),
                _ => held.clone(),
            };
            out.insert(key.clone(), held);
        }
        if value && !out.contains_key("unevaluatedProperties") {
            out.insert("unevaluatedProperties".to_owned(), json!(false));
        }
        out.into()
    }
    close(schema, true)
}

/// Small values of every kind.
fn instances() -> Vec<Value> {
    let mut all: Vec<Value> = vec![
        json!(null),
        json!(true),
        json!(0),
        json!(1),
        json!(2),
        json!(3),
        json!(-1),
        json!(1.5),
    ];
    all.extend(["", "a", "b", "ab", "ba", "abc"].map(Value::from));
    let plain = all.clone();
    let some =
        [json!(null), json!(0), json!(2), json!("a"), json!("ab"), json!({ "a": 1 }), json!([0])];
    all.extend([
        json!([]),
        json!({}),
        json!([0, 0]),
        json!([0, 1]),
        json!([0, 1, 2]),
        json!(["a", 1, {}]),
    ]);
    all.extend(some.iter().map(|value| json!([value])));
    for name in NAMES {
        all.extend(some.iter().map(|value| json!({ *name: value })));
    }
    for first in &plain[..10] {
        all.push(json!({ "a": first, "b": 1 }));
        all.push(json!({ "a": "a", "c": first }));
        all.push(json!({ "b": { "a": first }, "c": [first] }));
        all.push(json!({ "a": { "a": { "a": first } } }));
        all.push(json!([[first], { "b": first }]));
    }
    all.push(json!({ "a": 1, "b": 1, "c": 1 }));
    all.push(json!({ "a": {}, "b": {}, "c": {} }));
    all
}

fn validator(schema: &Value) -> Option<Validator> {
    jsonschema::draft202012::meta::is_valid(schema)
        .then(|| jsonschema::draft202012::options().build(schema).ok())
        .flatten()
}

fn schema(value: &Value) -> Schema {
    Schema::try_from(value.clone()).unwrap()
}

#[test]
fn whatever_refuses_a_value_is_told() {
    let instances = instances();
    let (mut passed, mut refused, mut cautious) = (0, 0, 0);
    for number in 0..scaled(40_000) {
        let rng = &mut Rng::new(number as u64 + 1);
        let old = whole(rng);
        let mut new = old.clone();
        for _ in 0..1 + rng.below(2) {
            edit(rng, &mut new);
        }
        if rng.one_in(30) {
            new = whole(rng);
        }
        if goes_in_circles(&old) || goes_in_circles(&new) {
            continue;
        }
        let (Some(before), Some(after)) = (validator(&old), validator(&new)) else { continue };
        let Some(described) = validator(&closed(&old)) else { continue };
        let breaks = breaking(&schema(&old), &schema(&new));
        let lost = instances.iter().find(|value| {
            before.is_valid(value) && described.is_valid(value) && !after.is_valid(value)
        });
        match (breaks.is_empty(), lost) {
            (true, Some(value)) => panic!("case {number}\n{old}\n{new}\nrefuses {value}"),
            (true, None) => passed += 1,
            (false, Some(_)) => refused += 1,
            (false, None) => cautious += 1,
        }
    }
    println!("{passed} passed, {refused} refuse and are told, {cautious} told");
    assert!(passed > scaled(3_000) && refused > scaled(2_000), "{passed} {refused}");
}

/// Whatever a schema is, it breaks no writer for it, with whatever remarks.
#[test]
fn a_schema_breaks_nothing_for_itself() {
    for number in 0..scaled(4_000) {
        let rng = &mut Rng::new(number as u64 + 1);
        let old = whole(rng);
        assert_eq!(breaking(&schema(&old), &schema(&old)), [], "{old}");
        let mut new = old.clone();
        let mut places = Vec::new();
        schemas(&new, String::new(), &mut places);
        for _ in 0..3 {
            let place = &places[rng.below(places.len())];
            if let Some(Value::Object(members)) = new.pointer_mut(place) {
                members.insert("description".to_owned(), json!("said otherwise"));
            }
        }
        assert_eq!(breaking(&schema(&old), &schema(&new)), [], "{old}\n{new}");
    }
}
