use coordination_protocol::scalar::{
    AllocationId, ByteSize, ComponentVersion, Count, Digest, HealthState, Percent, ProtocolVersion,
    Quantity, Ratio, Span, Timestamp, Window, WorkflowId, id,
};
use proptest::prelude::*;
use regex::Regex;
use schemars::{JsonSchema, schema_for};
use serde_json::{Value, json};

/// The keywords of a type's schema, without dialect and title.
fn schema<T: JsonSchema>() -> Value {
    let mut schema = schema_for!(T).to_value();
    let keywords = schema.as_object_mut().unwrap();
    assert_eq!(keywords.remove("$schema").unwrap(), "https://json-schema.org/draft/2020-12/schema");
    assert_eq!(keywords.remove("title").unwrap(), T::schema_name().as_ref());
    schema
}

fn pattern<T: JsonSchema>() -> Regex {
    Regex::new(schema::<T>()["pattern"].as_str().unwrap()).unwrap()
}

#[test]
fn identifiers() {
    assert_eq!(
        schema::<WorkflowId>(),
        json!({
            "description":
                "A workflow, the second part of an event line, or the reserved word `global`.",
            "type": "string",
            "minLength": 1,
            "maxLength": 128,
            "not": { "pattern": r"[:\x00-\x1F\x7F-\x9F]" },
        })
    );
    assert_eq!(schema::<AllocationId>()["description"], "A grant of resources.");
}

#[test]
fn numbers() {
    assert_eq!(
        schema::<Quantity>(),
        json!({ "description": "Any number, kept as spelled.", "type": "number" })
    );
    for (schema, maximum) in [(schema::<Percent>(), 100), (schema::<Ratio>(), 1)] {
        assert_eq!(schema["type"], "number");
        assert_eq!((&schema["minimum"], &schema["maximum"]), (&json!(0), &json!(maximum)));
    }
    assert_eq!(
        schema::<Count>(),
        json!({
            "description": "A whole number from 0.",
            "type": "integer",
            "minimum": 0,
            "maximum": u64::MAX,
        })
    );
}

#[test]
fn texts() {
    let span = schema::<Span>();
    assert_eq!(span["type"], "string");
    assert_eq!(span["examples"], json!(["2h 30m"]));
    // In some languages `$` matches in front of a last line break, too.
    assert_eq!(schema::<Window>()["not"]["pattern"], r"\n$");
    for (schema, valid) in [
        (span, "2h 30m"),
        (schema::<Timestamp>(), "2025-01-15T12:00:00Z"),
        (schema::<Timestamp>(), "2016-12-31T23:59:60.5Z"),
        (schema::<Timestamp>(), "2024-02-29T23:59:59.123456789+23:59"),
        (schema::<Window>(), "12:30-13:00"),
        (schema::<ByteSize>(), "2.5GB"),
        (schema::<Digest>(), Digest::of(b"").as_str()),
        (schema::<ComponentVersion>(), "1.0.0-rc.1+b"),
        (schema::<ProtocolVersion>(), "1.1.0"),
    ] {
        assert!(Regex::new(schema["pattern"].as_str().unwrap()).unwrap().is_match(valid));
    }
}

#[test]
fn vocabularies_are_closed() {
    assert_eq!(
        schema::<HealthState>(),
        json!({
            "description": "The health of a component or of something it depends on.",
            "type": "string",
            "enum": ["healthy", "degraded", "unhealthy", "unknown"],
        })
    );
}

proptest! {
    #[test]
    fn the_pattern_of_identifiers_is_their_grammar(text in "[a :é\u{7f}-\u{a1}\n\t]{1,3}") {
        let schema = schema::<WorkflowId>();
        let refused = Regex::new(schema["not"]["pattern"].as_str().unwrap()).unwrap();
        prop_assert_eq!(!refused.is_match(&text), id::check(&text).is_ok());
    }

    #[test]
    fn the_pattern_of_times_is_their_grammar(
        text in r"(0000|1900|2000|2023|2024|20[0-9]{2})-[0-3][0-9]-[0-3][0-9]T[0-3][0-9]:[0-6][0-9]:[0-6][0-9](\.[0-9]{0,3})?(Z|[+-]?[0-3][0-9]:[0-6][0-9]|z)",
        day in 0..400_i64,
        year in 0..9_999_i64,
    ) {
        prop_assume!(!text[16..].starts_with(":60"));
        prop_assert_eq!(pattern::<Timestamp>().is_match(&text), Timestamp::is_valid(&text), "{}", text);
        let real = Timestamp::from_unix_millis(-62_167_219_200_000 + (year * 36_525 / 100 + day) * 86_400_000);
        prop_assert!(pattern::<Timestamp>().is_match(real.as_str()), "{}", real);
        for day in 28..33 {
            let text = format!("{year:04}-02-{day}T00:00:00Z");
            prop_assert_eq!(pattern::<Timestamp>().is_match(&text), Timestamp::is_valid(&text), "{}", text);
        }
    }

    #[test]
    fn the_pattern_of_durations_is_their_grammar(
        text in r"([0-9](\.[0-9]?)?(d|h|m|s|ms) {0,2}){1,4}[0-9]?m?",
    ) {
        prop_assert_eq!(pattern::<Span>().is_match(&text), Span::is_valid(&text), "{}", text);
    }

    #[test]
    fn the_pattern_of_sizes_is_their_grammar(text in r"[0-9](\.[0-9]?)? {0,2}[KMGTPk]?i?B?") {
        prop_assert_eq!(pattern::<ByteSize>().is_match(&text), ByteSize::is_valid(&text), "{}", text);
    }

    #[test]
    fn the_pattern_of_versions_is_their_grammar(
        text in r"[0-9]{1,2}(\.[0-9]{1,2}){1,3}(-[0-9a-]{0,3}(\.[0-9a]{0,2})?)?(\+[0-9a-]{0,3})?",
    ) {
        prop_assert_eq!(
            pattern::<ComponentVersion>().is_match(&text),
            ComponentVersion::is_valid(&text)
        );
        prop_assert_eq!(
            pattern::<ProtocolVersion>().is_match(&text),
            ProtocolVersion::is_valid(&text)
        );
    }

    #[test]
    fn the_pattern_of_windows_is_wider_only_for_equal_times(text in "[0-2][0-9]:[0-6]0-[0-2]0:[06]0") {
        let equal = text[..5] == text[6..];
        prop_assert_eq!(
            pattern::<Window>().is_match(&text) && !equal,
            Window::is_valid(&text)
        );
    }
}
