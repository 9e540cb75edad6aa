//! The bodies of the fuzz targets on the committed corpus, and on mutations of it.

#[path = "../../fuzz/src/bodies.rs"]
pub(crate) mod bodies;
#[path = "../../fuzz/src/machines.rs"]
pub(crate) mod machines;
#[path = "../../fuzz/src/messages.rs"]
pub(crate) mod messages;

use crate::support::{Rng, mutate, scaled};
use std::path::Path;

fn run(target: &str, body: fn(&[u8]), mutations: usize) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut paths: Vec<_> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("a folder entry").path())
        .collect();
    paths.sort();
    assert!(paths.len() >= 4, "{target} has a corpus");
    let inputs: Vec<Vec<u8>> =
        paths.iter().map(|path| std::fs::read(path).expect("a corpus file")).collect();
    for input in &inputs {
        body(input);
    }
    let rng = &mut Rng::new(0xF022);
    for _ in 0..scaled(mutations) {
        let mut input = inputs[rng.below(inputs.len())].clone();
        mutate(rng, &mut input);
        body(&input);
    }
}

#[test]
fn strict_line() {
    run("strict_line", bodies::strict_line, 20_000);
}

#[test]
fn interop_line() {
    run("interop_line", bodies::interop_line, 10_000);
}

#[test]
fn scalars() {
    run("scalars", bodies::scalars, 20_000);
}

#[test]
fn scanner() {
    run("scanner", bodies::scanner, 10_000);
}

#[test]
fn scan() {
    run("scan", bodies::scan, 2_000);
}

#[test]
fn documents() {
    run("documents", messages::documents, 4_000);
}

#[test]
fn envelopes() {
    run("envelopes", messages::envelopes, 4_000);
}

#[test]
fn machines() {
    run("machines", machines::machines, 1_000);
}
