//! `coord schema`: all of them in files, and the one of the program's own output.

use crate::coord::{out, run};
use crate::support::Folder;
use coordination_protocol::event::Registry;
use coordination_protocol::finding::Code;
use coordination_protocol::schema;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;

#[test]
fn all_schemas_are_written_under_stable_names() {
    let folder = Folder::new();
    let place = folder.path("a/schemas");
    let output = run(&["schema", "--all", "--out", &place], b"");
    assert_eq!(output.status.code(), Some(0));
    let told: Vec<String> = out(&output).lines().map(str::to_owned).collect();
    let registry = Registry::default();
    let names: Vec<&str> = schema::names(&registry).chain(["output"]).collect();
    assert_eq!(told, names.iter().map(|name| format!("{place}/{name}.json")).collect::<Vec<_>>());
    for name in &names {
        let text = fs::read_to_string(format!("{place}/{name}.json")).unwrap();
        assert_eq!(text, out(&run(&["schema", name], b"")), "{name}");
        // Each stands alone.
        let schema: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
        for reference in text.lines().filter(|line| line.contains("\"$ref\"")) {
            assert!(reference.contains("\"#/$defs/"), "{name}: {reference}");
        }
    }
    let files = fs::read_dir(&place).unwrap().count();
    assert_eq!(files, names.len(), "nothing else is left there");
    // Again, over what is there, and for the version before.
    let again = run(&["schema", "--all", "--out", &place, "--protocol", "1.0.0"], b"");
    assert_eq!(out(&again).lines().count(), 1 + 9 + 1 + 33 + 1);
    let text = fs::read_to_string(format!("{place}/envelope.json")).unwrap();
    assert!(text.contains("urn:coordination-protocol:1.0.0:envelope"));
}

#[test]
fn a_folder_that_cannot_be_is_told() {
    let folder = Folder::new();
    let file = folder.write("file", "");
    let output = run(&["schema", "--all", "--out", &file], b"");
    assert_eq!(output.status.code(), Some(4));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("cannot write") && said.contains("file"), "{said}");
    for args in [
        &["schema", "--all"][..],
        &["schema", "--out", "x"],
        &["schema", "vote", "--all", "--out", "x"],
    ] {
        assert_eq!(run(args, b"").status.code(), Some(2), "{args:?}");
    }
}

/// What a value lacks of a schema that has the keywords of the output's schema only. Unlike for other
/// readers, members that the schema does not name are faults.
fn misfits(root: &Value, schema: &Value, value: &Value, at: &str, out: &mut Vec<String>) {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.strip_prefix("#/$defs/").unwrap();
        return misfits(root, &root["$defs"][name], value, at, out);
    }
    if let Some(kinds) = schema["anyOf"].as_array() {
        let fits = |kind: &Value| {
            let mut faults = Vec::new();
            misfits(root, kind, value, at, &mut faults);
            faults.is_empty()
        };
        if !kinds.iter().any(fits) {
            out.push(format!("{at}: {value} is none of {kinds:?}"));
        }
        return;
    }
    let fits = match schema["type"].as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => {
            value.as_u64().is_some_and(|number| number >= schema["minimum"].as_u64().unwrap())
        }
        "null" => value.is_null(),
        other => panic!("{other} in {schema}"),
    };
    if !fits {
        out.push(format!("{at}: {value} does not fit {schema}"));
    }
    if let Some(words) = schema["enum"].as_array()
        && !words.contains(value)
    {
        out.push(format!("{at}: {value} is not among {words:?}"));
    }
    for item in value.as_array().into_iter().flatten() {
        misfits(root, &schema["items"], item, at, out);
    }
    let Some(members) = value.as_object() else { return };
    for name in schema["required"].as_array().into_iter().flatten() {
        if !members.contains_key(name.as_str().unwrap()) {
            out.push(format!("{at}: {name} is missing"));
        }
    }
    for (name, member) in members {
        let at = format!("{at}/{name}");
        match schema["properties"].get(name) {
            Some(known) => misfits(root, known, member, &at, out),
            None => out.push(format!("{at}: not in the schema")),
        }
    }
}

/// Whatever `coord check` prints as JSON fits the schema that it publishes, and every member of the
/// schema is met.
#[test]
fn what_is_printed_fits_the_schema_of_the_output() {
    let schema: Value = serde_json::from_str(&out(&run(&["schema", "output"], b""))).unwrap();
    let folder = Folder::new();
    let mut lines = Vec::new();
    for code in Code::ALL {
        for example in [code.good(), code.bad()] {
            let file = folder.write("record", example.record());
            lines.push(out(&run(&["check", "--format", "json", &file], b"")));
        }
    }
    let guide = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/scan_cases/broken.md");
    for args in [
        &[guide][..],
        &["--format", "json", "--max-findings", "1", guide],
        &["--mode", "interop", guide],
        &["tests/it/scan_cases/templates.md", "tests/it/scan_cases/publish.sh"],
    ] {
        lines.push(out(&run(&[&["check", "--format", "json"], args].concat(), b"")));
    }
    // What a comment suppresses, and what is wrong with one.
    let commented = folder.write(
        "commented.md",
        b"<!-- coord: ignore missing-data -- shown in part -->\n`TASK_TIMEOUT:wf_001:build:{}`\n\n<!-- coord: ignore wrong-kind -->\n",
    );
    lines.push(out(&run(&["check", "--format", "json", &commented], b"")));
    let (mut rows, mut met) = (0, BTreeSet::new());
    for line in lines.iter().flat_map(|text| text.lines()) {
        let row: Value = serde_json::from_str(line).unwrap();
        let mut faults = Vec::new();
        misfits(&schema, &schema, &row, "", &mut faults);
        assert_eq!(faults, [""; 0], "{line}");
        rows += 1;
        met.extend(row.as_object().unwrap().keys().cloned());
        for list in ["findings", "suppressed"] {
            for finding in row[list].as_array().into_iter().flatten() {
                let names = finding.as_object().unwrap().keys();
                met.extend(names.map(|name| format!("{list} {name}")));
            }
        }
    }
    assert!(rows > 2 * Code::ALL.len(), "{rows}");
    let keys =
        |of: &Value| of["properties"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    for name in keys(&schema) {
        assert!(met.contains(&name), "{name} is never printed");
    }
    for (list, of) in [("findings", "Finding"), ("suppressed", "SuppressedFinding")] {
        for name in keys(&schema["$defs"][of]) {
            assert!(met.contains(&format!("{list} {name}")), "{name} is never printed");
        }
    }
}
