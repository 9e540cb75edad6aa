//! JSON Schemas: the reviewed artefacts, the names, the versions, embedding. Whether they say what
//! the reader says is for `tests/oracle`, which has a validator.

use coordination_protocol::event::{Category, Event, EventType, FieldType, REGISTRY, Registry};
use coordination_protocol::message::{
    self, AllocationResponse, Envelope, MessageKind, OBJECTS, Requirement,
};
use coordination_protocol::scalar::ProtocolVersion;
use coordination_protocol::schema;
use coordination_protocol::version::VERSIONS;
use schemars::{JsonSchema, Schema, schema_for};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn of(name: &str, registry: &Registry) -> Value {
    schema::of(name, registry).unwrap_or_else(|| panic!("no schema {name}")).to_value()
}

fn current(name: &str) -> Value {
    of(name, &Registry::default())
}

fn first(name: &str) -> Value {
    of(name, &Registry::new(ProtocolVersion::V1_0_0))
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().into_iter().flatten().map(|(key, _)| key.as_str()).collect()
}

/// `COORD_UPDATE_SCHEMA=1 cargo test --test it schema` rewrites the files; then review the diff.
#[test]
fn the_reviewed_files_are_up_to_date() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/schema");
    let update = std::env::var_os("COORD_UPDATE_SCHEMA").is_some_and(|value| value == "1");
    let mut stale = Vec::new();
    for version in VERSIONS {
        let registry = Registry::new(version.clone());
        let folder = folder.join(version.to_string());
        let path = |name: &str| folder.join(format!("{name}.json"));
        for name in schema::names(&registry) {
            let text = schema::to_text(&schema::of(name, &registry).unwrap());
            let file = fs::read_to_string(path(name)).unwrap_or_default();
            let same = file == text;
            if let Ok(before) = serde_json::from_str::<Schema>(&file) {
                // Who breaks a version that is in use has to remove its file first.
                let breaks = schema::breaking(&before, &schema::of(name, &registry).unwrap());
                assert!(breaks.is_empty(), "{name} of {version}: {breaks:#?}");
            }
            if update {
                fs::create_dir_all(&folder).unwrap();
                fs::write(path(name), text).unwrap();
            } else if !same {
                stale.push(path(name));
            }
        }
        let files: BTreeSet<PathBuf> =
            fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(files, schema::names(&registry).map(path).collect());
    }
    assert!(stale.is_empty(), "set COORD_UPDATE_SCHEMA=1 and review: {stale:?}");
}

#[test]
fn names_are_the_bodies_and_the_types_of_the_version() {
    let named = |registry: &Registry| -> Vec<String> {
        schema::names(registry).map(str::to_owned).collect()
    };
    let all = named(&Registry::default());
    assert_eq!(
        (all.len(), &*all[0], &*all[1]),
        (1 + 21 + 1 + 38, "envelope", "allocation_request")
    );
    assert_eq!((&*all[21], &*all[22], &*all[23]), ("event", "registry", "WORKFLOW_CREATED"));
    let old = Registry::new(ProtocolVersion::V1_0_0);
    assert_eq!(named(&old).len(), 1 + 9 + 1 + 33);
    for name in &all {
        let known = schema::of(name, &old).is_some();
        assert_eq!(known, named(&old).contains(name), "{name}");
    }
    for name in ["", "Envelope", "task_failed", "unknown", "SHIP_DONE"] {
        assert!(schema::of(name, &Registry::default()).is_none(), "{name}");
    }
}

#[test]
fn every_schema_says_what_it_is() {
    let registry = Registry::default();
    for name in schema::names(&registry) {
        let schema = current(name);
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema", "{name}");
        assert_eq!(schema["$id"], json!(format!("urn:coordination-protocol:1.1.0:{name}")));
        assert!(schema["title"].is_string() && schema["description"].is_string(), "{name}");
        references_are_defined(name, &schema);
    }
    assert_eq!(first("envelope")["$id"], "urn:coordination-protocol:1.0.0:envelope");
}

/// Every `$ref` has its definition, and every definition is referred to.
fn references_are_defined(name: &str, schema: &Value) {
    fn collect<'v>(value: &'v Value, out: &mut BTreeSet<&'v str>) {
        match value {
            Value::Object(members) => {
                for (key, value) in members {
                    match value.as_str() {
                        Some(target) if key == "$ref" => {
                            out.insert(target.strip_prefix("#/$defs/").unwrap());
                        }
                        _ => collect(value, out),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| collect(item, out)),
            _ => {}
        }
    }
    let mut targets = BTreeSet::new();
    collect(schema, &mut targets);
    assert_eq!(targets.into_iter().collect::<Vec<_>>(), keys(&schema["$defs"]), "{name}");
}

#[test]
fn objects_have_the_fields_of_the_table() {
    let envelope = current("envelope");
    for spec in OBJECTS.iter().filter(|spec| spec.name != "EnvelopeHeader") {
        let schema = &envelope["$defs"][spec.name];
        assert_eq!(schema["description"], spec.summary, "{}", spec.name);
        let required: Vec<&str> = spec
            .members
            .iter()
            .filter(|member| {
                matches!(member.requirement, Requirement::Essential | Requirement::Required)
            })
            .map(|member| member.name)
            .collect();
        let stated = schema.get("required").cloned().unwrap_or_else(|| json!([]));
        assert_eq!(stated, json!(required), "{}", spec.name);
        for member in spec.members {
            let property = &schema["properties"][member.name];
            assert_eq!(property["description"], member.summary, "{}/{}", spec.name, member.name);
        }
    }
    // Advised is not required.
    let state_version = &envelope["$defs"]["CheckpointSync"]["properties"]["state_version"];
    assert_eq!(state_version["$ref"], "#/$defs/StateVersion");
    // Where a field is looked for one level too high, it must not stand.
    let response = current("allocation_response");
    assert_eq!(response["properties"]["allocation_id"]["not"], json!({}));
}

#[test]
fn an_envelope_has_one_body_and_an_event_the_data_of_its_type() {
    let envelope = current("envelope");
    let bodies: Vec<&str> = envelope["oneOf"]
        .as_array()
        .unwrap()
        .iter()
        .map(|body| body["required"][0].as_str().unwrap())
        .collect();
    let kinds: Vec<&str> = MessageKind::KNOWN.iter().map(|kind| kind.as_str()).collect();
    assert_eq!(bodies, kinds);
    assert_eq!(envelope["oneOf"][0]["properties"], json!({ "allocation_request": true }));
    assert_eq!(envelope["properties"]["source_component"], json!({ "not": {} }));

    let event = current("event");
    let types: Vec<&str> = EventType::ALL.iter().map(|kind| kind.as_str()).collect();
    assert_eq!(event["properties"]["event_type"]["enum"], json!(types));
    for (branch, spec) in event["allOf"].as_array().unwrap().iter().zip(REGISTRY) {
        let name = spec.event_type.as_str();
        assert_eq!(branch["if"]["properties"]["event_type"]["const"], name);
        let own = current(name);
        let data = &branch["then"]["properties"]["data"];
        for key in ["title", "description", "type", "required", "properties"] {
            assert_eq!(data[key], own[key], "{name}/{key}");
        }
        assert_eq!(spec.event_type.data_schema().to_value(), own);
    }
}

#[test]
fn the_first_version_lacks_the_extension() {
    let envelope = first("envelope");
    assert_eq!(envelope["oneOf"].as_array().unwrap().len(), 9);
    assert!(envelope["properties"].get("heartbeat").is_none());
    assert!(envelope["$defs"].get("Heartbeat").is_none());
    assert_eq!(first("event")["allOf"].as_array().unwrap().len(), 33);
    assert!(envelope["properties"].get("signature").is_none());
    assert!(envelope["properties"].get("correlation_id").is_some());
    assert!(first("checkpoint_sync")["properties"].get("state_version").is_none());
    assert!(current("checkpoint_sync")["properties"].get("state_version").is_some());
    assert_eq!(
        first("registry")["items"]["properties"]["type"]["enum"].as_array().unwrap().len(),
        33
    );
}

#[test]
fn types_of_the_caller_are_described() {
    let registry = Registry::default()
        .with_type("SHIP DONE/é", Category::Task, [("target", FieldType::Text)])
        .unwrap();
    assert_eq!(schema::names(&registry).last(), Some("SHIP DONE/é"));
    let schema = of("SHIP DONE/é", &registry);
    assert_eq!(schema["$id"], "urn:coordination-protocol:1.1.0:SHIP%20DONE%2F%C3%A9");
    assert_eq!(schema["required"], json!(["target"]));
    let event = of("event", &registry);
    assert_eq!(event["allOf"][38]["if"]["properties"]["event_type"]["const"], "SHIP DONE/é");
    assert_eq!(
        event["allOf"][38]["then"]["properties"]["data"]["properties"],
        json!({
            "phase": { "anyOf": [{ "type": "string" }, { "type": "number" }] },
            "target": { "$ref": "#/$defs/Text" },
            "workflow_id": { "type": "string" },
        })
    );
    references_are_defined("event", &event);
}

#[test]
fn the_registry_is_described_as_it_is_printed() {
    let rows = serde_json::to_value(REGISTRY).unwrap();
    let failed = rows.as_array().unwrap().iter().find(|row| row["type"] == "TASK_FAILED").unwrap();
    assert_eq!(
        *failed,
        json!({
            "type": "TASK_FAILED",
            "category": "task",
            "since": "1.0.0",
            "required": [
                { "name": "task_id", "type": "id" },
                { "name": "agent_id", "type": "id" },
                { "name": "failure_reason", "type": "text" },
                { "name": "retry_count", "type": "count" },
            ],
            "routing": "task.*.failed",
        })
    );
    let items = &current("registry")["items"];
    assert_eq!(keys(&items["properties"]), keys(failed));
    assert_eq!(items["properties"]["type"]["enum"][15], "TASK_FAILED");
}

/// A type of a user's, whose parts are called like the protocol's.
mod yours {
    use schemars::JsonSchema;

    #[derive(JsonSchema)]
    #[allow(dead_code)]
    pub(super) struct Resources {
        own: bool,
    }
}

#[derive(JsonSchema)]
#[allow(dead_code)]
struct Inbox {
    own: yours::Resources,
    request: message::AllocationRequest,
    all: Vec<Envelope>,
    events: Vec<Event>,
}

#[test]
fn documents_can_be_embedded() {
    let schema = schema_for!(Inbox).to_value();
    references_are_defined("Inbox", &schema);
    let definitions = &schema["$defs"];
    assert_eq!(schema["properties"]["request"]["$ref"], "#/$defs/AllocationRequest");
    assert_eq!(schema["properties"]["all"]["items"]["$ref"], "#/$defs/Envelope");
    // Equal names are kept apart.
    let own = &schema["properties"]["own"]["$ref"];
    let theirs = &definitions["AllocationRequest"]["properties"]["resources"]["$ref"];
    assert_eq!((own, theirs), (&json!("#/$defs/Resources"), &json!("#/$defs/Resources2")));
    assert_eq!(definitions["Resources2"]["title"], "Resources");

    let envelope = current("envelope");
    assert_eq!(definitions["Envelope"]["oneOf"], envelope["oneOf"]);
    assert_eq!(definitions["Heartbeat"], envelope["$defs"]["Heartbeat"]);
    assert_eq!(definitions["Event"], envelope["$defs"]["Event"]);

    let alone = schema_for!(AllocationResponse).to_value();
    assert_eq!(alone["properties"], current("allocation_response")["properties"]);
    assert_eq!(alone["$defs"], current("allocation_response")["$defs"]);
}

#[test]
fn descriptions_are_prose() {
    let definitions = &current("envelope")["$defs"];
    assert_eq!(
        definitions["Severity"]["description"],
        "How bad something is; one scale for errors, alerts and risks."
    );
    let digest = definitions["Digest"]["description"].as_str().unwrap();
    assert_eq!(
        digest,
        "A SHA-256 digest: `sha256:` and 64 hexadecimal digits in lower case.\n\
         The specification's own samples, such as `sha256:abc123...`, are placeholders and not digests."
    );
    for (name, definition) in definitions.as_object().unwrap() {
        let text = definition["description"].as_str().unwrap();
        assert!(!text.contains("[`") && !text.contains("  "), "{name}: {text}");
    }
}

/// Every schema inside a schema, with its pointer.
fn walk<'v>(
    schema: &'v Value,
    at: &str,
    out: &mut Vec<(String, &'v serde_json::Map<String, Value>)>,
) {
    let Some(members) = schema.as_object() else { return };
    out.push((at.to_owned(), members));
    for (key, value) in members {
        let at = format!("{at}/{key}");
        match (key.as_str(), value) {
            ("properties" | "$defs", Value::Object(parts)) => {
                parts.iter().for_each(|(name, part)| walk(part, &format!("{at}/{name}"), out));
            }
            ("allOf" | "anyOf" | "oneOf", Value::Array(parts)) => {
                for part in parts {
                    walk(part, &at, out);
                }
            }
            ("items" | "additionalProperties" | "not" | "if" | "then" | "else", part) => {
                walk(part, &at, out);
            }
            _ => {}
        }
    }
}

/// What a pattern has that engines read in different ways, or do not have.
fn not_portable(pattern: &str) -> Option<&'static str> {
    let mut chars = pattern.chars().peekable();
    let (mut class, mut before) = (false, ' ');
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                let escaped = chars.next().unwrap_or_default();
                match escaped {
                    '.' | '$' | '{' | '}' | '(' | ')' | '|' | '+' | 'n' => {}
                    'x' => {
                        let digits = [chars.next(), chars.next()];
                        if !digits.iter().all(|digit| digit.is_some_and(|c| c.is_ascii_hexdigit()))
                        {
                            return Some("an escape of another length");
                        }
                    }
                    // Together they are every character, whatever white space is.
                    's' if pattern.contains(r"[\s\S]") && class => {}
                    'S' if class => {}
                    _ => return Some("an escape that depends on the language"),
                }
            }
            '[' if class => return Some("a bracket in a class"),
            '[' => class = true,
            ']' => class = false,
            '&' | '~' if class && chars.peek() == Some(&c) => {
                return Some("an operator in a class");
            }
            '(' if !class && chars.peek() == Some(&'?') => return Some("look-around, or a flag"),
            '?' | '+' if !class && matches!(before, '*' | '+' | '?' | '}') => {
                return Some("a lazy or possessive repetition");
            }
            '.' if !class => return Some("a dot, which is not every character"),
            _ => {}
        }
        before = if c == '\\' { ' ' } else { c };
    }
    None
}

#[test]
fn patterns_of_other_kinds_are_seen() {
    for pattern in [
        r"^(.*)-\1$",
        r"\d",
        r"\w+",
        r"\bx",
        r"(?=a)",
        r"(?i)a",
        r"a*?",
        r"a++",
        r"\p{L}",
        r"\u0041",
        r"\s",
        r"[a-z&&[^b]]",
        r"a{2}?",
        r".",
    ] {
        assert!(not_portable(pattern).is_some(), "{pattern}");
    }
    for pattern in [r"^a{2,}(b|c)?$", r"[\s\S]*\x1F", r"[^<>(){}]+", r"\n$"] {
        assert_eq!(not_portable(pattern), None, "{pattern}");
    }
}

/// All schemas keep to what validators of every language read alike, in strict modes, too.
#[test]
fn schemas_are_portable() {
    const KNOWN: &[&str] = &[
        "$schema",
        "$id",
        "$defs",
        "$ref",
        "title",
        "description",
        "examples",
        "type",
        "enum",
        "const",
        "minimum",
        "maximum",
        "minLength",
        "maxLength",
        "pattern",
        "required",
        "properties",
        "additionalProperties",
        "items",
        "allOf",
        "anyOf",
        "oneOf",
        "not",
        "if",
        "then",
        "else",
    ];
    let mut patterns = BTreeSet::new();
    for version in VERSIONS {
        let registry = Registry::new(version.clone());
        for name in schema::names(&registry) {
            let schema = of(name, &registry);
            assert!(schema::to_text(&schema::of(name, &registry).unwrap()).is_ascii());
            let mut parts = Vec::new();
            walk(&schema, "", &mut parts);
            for (at, part) in &parts {
                for key in part.keys() {
                    assert!(KNOWN.contains(&key.as_str()), "{name}{at}: {key}");
                    let root_only = matches!(key.as_str(), "$schema" | "$id" | "$defs");
                    assert!(!root_only || at.is_empty(), "{name}{at}: {key}");
                }
                assert!(
                    part.get("type").is_none_or(Value::is_string),
                    "{name}{at}: a list of types"
                );
                for field in part.get("required").and_then(Value::as_array).into_iter().flatten() {
                    let named =
                        part.get("properties").and_then(|all| all.get(field.as_str().unwrap()));
                    assert!(named.is_some(), "{name}{at}: {field} is required and not named");
                }
                if let Some(pattern) = part.get("pattern").and_then(Value::as_str) {
                    patterns.insert(pattern.to_owned());
                    // In some languages `$` matches in front of a line break at the end.
                    let ends = pattern.ends_with('$') && pattern != r"\n$";
                    let guarded = part.get("not").is_some_and(|not| not["pattern"] == r"\n$");
                    assert!(!ends || guarded, "{name}{at}: {pattern}");
                }
            }
        }
    }
    for pattern in &patterns {
        assert_eq!(not_portable(pattern), None, "{pattern}");
        assert!(regex::Regex::new(pattern).is_ok(), "{pattern}");
    }
    assert!(patterns.len() > 10, "{patterns:?}");
}

#[test]
fn an_error_that_was_met_is_a_whole_report() {
    let event = current("ERROR_ENCOUNTERED");
    assert_eq!(event["properties"]["error_report"]["$ref"], "#/$defs/ErrorReport");
    let report = current("error_report");
    assert_eq!(event["$defs"]["ErrorReport"]["properties"], report["properties"]);
    let envelope = current("envelope");
    let data = &envelope["$defs"]["Event"]["allOf"][33]["then"]["properties"]["data"];
    assert_eq!(data["properties"]["error_report"]["$ref"], "#/$defs/ErrorReport");
}
