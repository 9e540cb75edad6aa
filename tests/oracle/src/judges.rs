//! One verdict on each of 20,000 documents, from the reader and from validators of several authors.

use crate::grow;
use crate::judge::{beyond_a_double, beyond_a_pattern, errors, reader, validator};
use crate::spoil::{rebody, render, spoil};
use crate::support::{Rng, mutate, scaled};
use boon::{Compiler, SchemaIndex, Schemas};
use coordination_protocol::event::{REGISTRY, Registry};
use coordination_protocol::message::MessageKind;
use coordination_protocol::schema;
use coordination_protocol::version::VERSIONS;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// A document, the schema that is asked, such as `1.1.0/envelope`, and whether the reader takes it.
struct Case {
    schema: String,
    document: String,
    valid: bool,
}

/// Messages, bodies and data of both versions, sound and spoiled. What is no JSON, or says a key
/// twice, is no document to other readers.
fn cases() -> Vec<Case> {
    let registries: Vec<Registry> = VERSIONS.iter().cloned().map(Registry::new).collect();
    let readers: Vec<_> = registries.iter().map(reader).collect();
    let mut cases = Vec::new();
    for number in 0.. {
        if cases.len() == scaled(20_000) {
            break;
        }
        let rng = &mut Rng::new(number as u64 + 23);
        let version = usize::from(!rng.one_in(4));
        let (registry, reader) = (&registries[version], &readers[version]);
        let (name, document, record);
        if rng.one_in(3) {
            let spec = &REGISTRY[number % REGISTRY.len()];
            name = spec.event_type.as_str();
            let mut data = grow::data(rng, spec);
            if !rng.one_in(4) {
                spoil(rng, &mut data);
            }
            document = spelled(rng, &data);
            let trimmed = document.trim_matches([' ', '\t', '\n', '\r']);
            if trimmed.contains(['\n', '\r']) {
                continue;
            }
            record = format!("{name}:wf_001:build:{trimmed}");
        } else {
            let kind = MessageKind::KNOWN[number % MessageKind::KNOWN.len()];
            let mut message = grow::message(rng, kind);
            match rng.below(8) {
                0 | 1 => {}
                2 => rebody(rng, &mut message),
                _ => spoil(rng, &mut message),
            }
            name = if rng.one_in(3) { kind.as_str() } else { "envelope" };
            let whole = spelled(rng, &message);
            if name == "envelope" {
                (document, record) = (whole.clone(), whole);
            } else {
                let Ok(Value::Object(members)) = serde_json::from_str(&whole) else { continue };
                let Some(body) = members.get(name) else { continue };
                (document, record) = (body.to_string(), json!({ name: body }).to_string());
            }
        }
        if schema::of(name, registry).is_none() || beyond_a_double(document.as_bytes()) {
            continue;
        }
        let Ok(value) = serde_json::from_str::<Value>(&document) else { continue };
        if beyond_a_pattern(&value) {
            continue;
        }
        let report = match name.as_bytes()[0] {
            b'A'..=b'Z' => reader.line(record.as_bytes()),
            _ => reader.message(&record),
        };
        // `None` for a key that is there twice.
        let Some(errors) = errors(&report) else { continue };
        let schema = format!("{}/{name}", registry.version());
        cases.push(Case { schema, document, valid: errors.is_empty() });
    }
    cases
}

/// As text, with some bytes changed in some.
fn spelled(rng: &mut Rng, entries: &grow::Entries) -> String {
    let text = render(rng, entries);
    if !rng.one_in(4) {
        return text;
    }
    let mut bytes = text.clone().into_bytes();
    mutate(rng, &mut bytes);
    String::from_utf8(bytes).unwrap_or(text)
}

/// All schemas, by version and name.
fn texts() -> BTreeMap<String, String> {
    let mut texts = BTreeMap::new();
    for version in VERSIONS {
        let registry = Registry::new(version.clone());
        for name in schema::names(&registry) {
            let text = schema::to_text(&schema::of(name, &registry).unwrap());
            texts.insert(format!("{version}/{name}"), text);
        }
    }
    texts
}

/// A validator of another author.
struct Boon {
    schemas: Schemas,
    indexes: BTreeMap<String, SchemaIndex>,
}

impl Boon {
    fn new(texts: &BTreeMap<String, String>) -> Self {
        let mut schemas = Schemas::new();
        let mut indexes = BTreeMap::new();
        for (name, text) in texts {
            let mut compiler = Compiler::new();
            let at = format!("http://localhost/{name}.json");
            compiler.add_resource(&at, serde_json::from_str(text).unwrap()).unwrap();
            let index = compiler.compile(&at, &mut schemas);
            indexes.insert(name.clone(), index.unwrap_or_else(|error| panic!("{name}: {error:#}")));
        }
        Boon { schemas, indexes }
    }

    fn fits(&self, name: &str, value: &Value) -> bool {
        self.schemas.validate(value, self.indexes[name]).is_ok()
    }
}

#[test]
fn validators_of_two_authors_and_the_reader_agree() {
    let texts = texts();
    let first: BTreeMap<&str, jsonschema::Validator> = texts
        .iter()
        .map(|(name, text)| (name.as_str(), validator(&serde_json::from_str(text).unwrap())))
        .collect();
    let second = Boon::new(&texts);
    let cases = cases();
    let (mut valid, mut disputes) = (0, Vec::new());
    for Case { schema, document, valid: taken } in &cases {
        let value: Value = serde_json::from_str(document).unwrap();
        let told = [first[schema.as_str()].is_valid(&value), second.fits(schema, &value)];
        valid += usize::from(*taken);
        if told != [*taken; 2] {
            disputes.push(format!("{schema}: reader {taken}, validators {told:?}: {document}"));
        }
    }
    let few = &disputes[..disputes.len().min(12)];
    assert!(disputes.is_empty(), "{} disputes\n{}", disputes.len(), few.join("\n"));
    assert!(valid * 5 > cases.len() && valid * 5 < cases.len() * 4, "{valid} of {}", cases.len());
    println!("{} documents, {valid} of them valid", cases.len());
    if let Some(folder) = std::env::var_os("COORD_CASES_DIR") {
        write(Path::new(&folder), &texts, &cases);
    }
}

/// For validators of other languages: each schema in a file, each case on a line.
fn write(folder: &Path, texts: &BTreeMap<String, String>, cases: &[Case]) {
    for (name, text) in texts {
        let path = folder.join(format!("schemas/{name}.json"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let mut lines = String::new();
    for Case { schema, document, valid } in cases {
        let case = json!({ "schema": schema, "document": document, "valid": valid });
        writeln!(lines, "{case}").unwrap();
    }
    fs::write(folder.join("cases.jsonl"), lines).unwrap();
}
