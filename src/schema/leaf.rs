//! The schemas of values without fields of their own.

use crate::event::{FieldType, PhaseId};
use crate::scalar::LINE_BREAK_AT_END;
#[allow(clippy::wildcard_imports, reason = "most scalars are values")]
use crate::scalar::*;
use crate::spec::placeholder::{PLACEHOLDER_BEGINS, PLACEHOLDER_ENDS, WHOLE_PLACEHOLDER};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::json;
use std::borrow::Cow;

/// The schema of a type, by reference where it has a name.
pub(super) fn schema(leaf: FieldType, generator: &mut SchemaGenerator) -> Schema {
    match leaf {
        FieldType::Json => generator.subschema_for::<AnyValue>(),
        FieldType::Object => json_schema!({ "type": "object" }),
        FieldType::Bool => json_schema!({ "type": "boolean" }),
        FieldType::Text => generator.subschema_for::<Text>(),
        FieldType::TextList => {
            let text = generator.subschema_for::<Text>();
            json_schema!({ "type": "array", "items": text })
        }
        FieldType::Id => generator.subschema_for::<Identifier>(),
        FieldType::Phase => generator.subschema_for::<PhaseId>(),
        FieldType::Span => generator.subschema_for::<Span>(),
        FieldType::Timestamp => generator.subschema_for::<Timestamp>(),
        FieldType::Window => generator.subschema_for::<Window>(),
        FieldType::ByteSize => generator.subschema_for::<ByteSize>(),
        FieldType::Digest => generator.subschema_for::<Digest>(),
        FieldType::Version => generator.subschema_for::<ComponentVersion>(),
        FieldType::ProtocolVersion => generator.subschema_for::<ProtocolVersion>(),
        FieldType::Number => generator.subschema_for::<Quantity>(),
        FieldType::Amount => generator.subschema_for::<Amount>(),
        FieldType::Count => generator.subschema_for::<Count>(),
        FieldType::StateVersion => generator.subschema_for::<StateVersion>(),
        FieldType::Percent => generator.subschema_for::<Percent>(),
        FieldType::Ratio => generator.subschema_for::<Ratio>(),
        // Closed lists; a type that is neither fits nothing, so that it is noticed.
        _ => leaf.words_schema(generator).unwrap_or_else(|| json_schema!({ "not": {} })),
    }
}

macro_rules! leaves {
    ($($type:ty, $name:literal, |$generator:ident| $schema:expr;)+) => { $(
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn schema_id() -> Cow<'static, str> {
                concat!(module_path!(), "::", $name).into()
            }

            fn json_schema($generator: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    )+ };
}

/// A text that stands for a value wherever it stands.
struct Placeholder;
/// A free text that is nothing but a placeholder; prose may mention one.
struct WholePlaceholder;
/// Any value but a placeholder.
struct AnyValue;
/// A text that is more than a placeholder.
struct Text;
/// The version of a state.
struct StateVersion;
/// What every identifier is, and no placeholder.
struct Identifier;

leaves! {
    Placeholder, "Placeholder", |_generator| json_schema!({
        "description": "Stands for a value: `$var`, `{{x}}`, `<x>`, `a|b`, `req_<uuid>`, `wf_${id}`.",
        "type": "string",
        "anyOf": [
            { "pattern": PLACEHOLDER_BEGINS },
            { "pattern": PLACEHOLDER_ENDS, "not": { "pattern": LINE_BREAK_AT_END } },
        ],
    });
    WholePlaceholder, "WholePlaceholder", |_generator| json_schema!({
        "description": "A text that is nothing but `$var`, `${var}`, `$(var)`, `<x>`, `{{x}}` or `a|b|c`.",
        "type": "string",
        "pattern": WHOLE_PLACEHOLDER,
        "not": { "pattern": LINE_BREAK_AT_END },
    });
    AnyValue, "AnyValue", |generator| json_schema!({
        "description": "Any value but a text that is nothing but a placeholder.",
        "not": generator.subschema_for::<WholePlaceholder>(),
    });
    Text, "Text", |generator| json_schema!({
        "description": "A text that is not just a placeholder.",
        "type": "string",
        "not": generator.subschema_for::<WholePlaceholder>(),
    });
    Identifier, "Identifier", |generator| {
        let mut schema = WorkflowId::json_schema(generator);
        let said = "An identifier: no colon, no control character, no placeholder.";
        schema.insert("description".to_owned(), said.into());
        let characters = schema.remove("not");
        let refused = json!({ "anyOf": [characters, generator.subschema_for::<Placeholder>()] });
        schema.insert("not".to_owned(), refused);
        schema
    };
    StateVersion, "StateVersion", |_generator| json_schema!({
        "description": "The version of a state, a whole number that every double holds exactly.",
        "type": "integer",
        "minimum": 0,
        "maximum": FieldType::LAST_STATE_VERSION,
    });
    PhaseId, "PhaseId", |generator| json_schema!({
        "description": "A phase: its number or its name.",
        "anyOf": [
            { "type": "number" },
            { "type": "string", "not": generator.subschema_for::<Placeholder>() },
        ],
    });
}
