//! What is no message: the schemas themselves, and the registry.

use crate::judge::{validator, validator_of};
use coordination_protocol::event::{REGISTRY, Registry};
use coordination_protocol::scalar::ProtocolVersion;
use coordination_protocol::schema;
use coordination_protocol::version::VERSIONS;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

#[test]
fn the_reviewed_files_are_schemas() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schema");
    for version in VERSIONS {
        let mut files = 0;
        for entry in fs::read_dir(folder.join(version.to_string())).unwrap() {
            let path = entry.unwrap().path();
            let schema: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
            let name = path.file_stem().unwrap().to_str().unwrap();
            assert_eq!(schema["$id"], json!(schema::id(name, version)));
            meta(name, &schema);
            files += 1;
        }
        assert_eq!(files, schema::names(&Registry::new(version.clone())).count());
    }
}

/// Valid against the metaschema of 2020-12, and every reference and pattern can be used.
fn meta(name: &str, schema: &Value) {
    if let Err(error) = jsonschema::draft202012::meta::validate(schema) {
        panic!("{name}: {error}");
    }
    validator(schema);
}

#[test]
fn the_metaschema_is_asked() {
    assert!(!jsonschema::draft202012::meta::is_valid(&json!({ "type": "text" })));
}

#[test]
fn the_registry_fits_its_schema() {
    let current = validator_of("registry", &Registry::default());
    let rows = serde_json::to_value(REGISTRY).unwrap();
    assert!(current.is_valid(&rows));
    let first = validator_of("registry", &Registry::new(ProtocolVersion::V1_0_0));
    assert!(!first.is_valid(&rows));
    assert!(first.is_valid(&json!(rows.as_array().unwrap()[..33])));
    for (pointer, wrong) in [
        ("/0", json!({})),
        ("/0/type", json!("TASK_SHIPPED")),
        ("/0/category", json!("deploy")),
        ("/0/since", json!("1.0")),
        ("/0/required", json!("task_id")),
        ("/0/required/0", json!({ "name": "task_id" })),
        ("/0/required/0/type", json!("string")),
        ("/0/routing", json!(null)),
    ] {
        let mut rows = rows.clone();
        *rows.pointer_mut(pointer).unwrap() = wrong;
        assert!(!current.is_valid(&rows), "{pointer}");
    }
}
