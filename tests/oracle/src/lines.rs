//! The data of event lines against the schemas of the payloads.

use crate::grow;
use crate::judge::{Trial, reader, validator_of};
use crate::spoil::{render, spoil};
use crate::support::{Rng, mutate, scaled};
use coordination_protocol::event::{Category, FieldType, REGISTRY, Registry};
use jsonschema::Validator;

/// What a line asks beyond its data: no line break, no white space around it.
fn fits_a_line(data: &[u8]) -> bool {
    !data.iter().any(|byte| matches!(byte, b'\n' | b'\r'))
        && data.first().is_some_and(|byte| !byte.is_ascii_whitespace())
        && data.last().is_some_and(|byte| !byte.is_ascii_whitespace())
}

#[test]
fn spoiled_data_gets_the_same_verdict() {
    let registry = Registry::default();
    let reader = reader(&registry);
    let payloads: Vec<Validator> =
        REGISTRY.iter().map(|spec| validator_of(spec.event_type.as_str(), &registry)).collect();
    let mut trial = Trial::default();
    for number in 0..scaled(20_000) {
        let mut rng = Rng::new(number as u64 + 3);
        let at = number % REGISTRY.len();
        let mut data = grow::data(&mut rng, &REGISTRY[at]);
        if !rng.one_in(5) {
            spoil(&mut rng, &mut data);
        }
        let mut json = render(&mut rng, &data).into_bytes();
        if rng.one_in(4) {
            mutate(&mut rng, &mut json);
        }
        if !fits_a_line(&json) {
            continue;
        }
        let mut line = format!("{}:wf_001:build:", REGISTRY[at].event_type).into_bytes();
        line.extend_from_slice(&json);
        trial.hear(&json, &reader.line(&line), &payloads[at]);
    }
    trial.close();
}

#[test]
fn data_of_the_callers_types_gets_the_same_verdict() {
    // Every type that a field can have.
    let names: Vec<String> = FieldType::ALL.iter().map(|kind| format!("a_{kind}")).collect();
    let mut registry = Registry::default();
    for (name, kind) in names.iter().zip(FieldType::ALL) {
        let own = [(name.as_str(), *kind)];
        registry = registry.with_type(&name.to_uppercase(), Category::Task, own).unwrap();
    }
    let reader = reader(&registry);
    let envelope = validator_of("envelope", &registry);
    let mut trial = Trial::default();
    for number in 0..scaled(FieldType::ALL.len() * 100) {
        let mut rng = Rng::new(number as u64 + 9);
        let at = number % names.len();
        let mut data = vec![(names[at].clone(), grow::leaf(&mut rng, FieldType::ALL[at]))];
        if !rng.one_in(4) {
            spoil(&mut rng, &mut data);
        }
        let data = render(&mut rng, &data);
        let name = names[at].to_uppercase();
        let text = format!(
            r#"{{"event":{{"event_type":"{name}","workflow_id":"w","phase":"p","data":{data}}}}}"#
        );
        trial.hear(text.as_bytes(), &reader.message(&text), &envelope);
    }
    trial.close();
}
