//! The reference: what one would write without the crate. `serde_json` makes a value of the text,
//! and a validator of the `jsonschema` crate, compiled once, gives the verdict.
//!
//! There are two. The committed schema of the envelope gives the crate's verdict, so it is what
//! ratios are taken to. The other is the least that one would write for one kind of message: types,
//! required members, ranges, words, patterns, formats of the table. It has no other bodies to look
//! for, finds no placeholders, has nothing behind a `$ref`, and does with linear patterns.

use coordination_protocol::event::{EventType, FieldType};
use coordination_protocol::message::{EnvelopeHeader, MessageKind, ObjectSpec, Requirement, Shape};
use coordination_protocol::scalar;
use jsonschema::{PatternOptions, Validator};
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

/// The least validator of an envelope with a body of a kind; for an event, of a type.
pub fn validator(kind: MessageKind, event_type: Option<EventType>) -> Validator {
    let mut envelope = kind.spec().map_or(Value::Bool(false), object);
    if let Some(event_type) = event_type {
        envelope["properties"]["event_type"] = json!({ "const": event_type.as_str() });
        envelope["properties"]["data"] = event_type.data_schema().to_value();
    }
    let mut schema = object(EnvelopeHeader::SPEC);
    schema["properties"][kind.as_str()] = envelope;
    schema["required"] = json!([kind.as_str()]);
    jsonschema::options()
        .should_validate_formats(true)
        // The linear engine: the patterns need no other.
        .with_pattern_options(PatternOptions::regex())
        .build(&schema)
        .expect("the table makes a schema")
}

/// The validator of any envelope, from the committed schema.
pub fn committed() -> Validator {
    let schema = include_str!("../../../tests/schema/1.1.0/envelope.json");
    let schema: Value = serde_json::from_str(schema).expect("JSON");
    jsonschema::options().should_validate_formats(true).build(&schema).expect("a schema")
}

/// The verdict on a text.
pub fn accepts(validator: &Validator, text: &str) -> bool {
    serde_json::from_str::<Value>(text).is_ok_and(|value| validator.is_valid(&value))
}

fn object(spec: &ObjectSpec) -> Value {
    let properties: Map<String, Value> =
        spec.members.iter().map(|member| (member.name.to_owned(), shape(&member.shape))).collect();
    let required: Vec<&str> = spec
        .members
        .iter()
        .filter(|member| {
            matches!(member.requirement, Requirement::Essential | Requirement::Required)
        })
        .map(|member| member.name)
        .collect();
    json!({ "type": "object", "properties": properties, "required": required })
}

fn shape(of: &Shape) -> Value {
    match of {
        Shape::Leaf(leaf) => field(*leaf),
        Shape::Object(spec) => object(spec),
        Shape::List(items) => json!({ "type": "array", "items": shape(items) }),
        Shape::Map(values) => json!({ "type": "object", "additionalProperties": shape(values) }),
        other => panic!("a shape that the bench does not know: {other:?}"),
    }
}

fn field(field: FieldType) -> Value {
    fn of<T: JsonSchema>() -> Value {
        T::json_schema(&mut SchemaGenerator::default()).to_value()
    }
    match field {
        FieldType::Json => json!(true),
        FieldType::Object => json!({ "type": "object" }),
        FieldType::Bool => json!({ "type": "boolean" }),
        FieldType::Text => json!({ "type": "string" }),
        FieldType::TextList => json!({ "type": "array", "items": { "type": "string" } }),
        FieldType::Phase => json!({ "type": ["number", "string"] }),
        FieldType::Id => of::<scalar::TaskId>(),
        FieldType::Span => of::<scalar::Span>(),
        FieldType::Timestamp => of::<scalar::Timestamp>(),
        FieldType::Window => of::<scalar::Window>(),
        FieldType::ByteSize => of::<scalar::ByteSize>(),
        FieldType::Digest => of::<scalar::Digest>(),
        FieldType::Version => of::<scalar::ComponentVersion>(),
        FieldType::ProtocolVersion => of::<scalar::ProtocolVersion>(),
        FieldType::Number => of::<scalar::Quantity>(),
        FieldType::Amount => of::<scalar::Amount>(),
        FieldType::Count => of::<scalar::Count>(),
        FieldType::Percent => of::<scalar::Percent>(),
        FieldType::StateVersion => of::<scalar::Count>(),
        FieldType::Ratio => of::<scalar::Ratio>(),
        words => json!({ "enum": words.words().expect("the rest are vocabularies") }),
    }
}
