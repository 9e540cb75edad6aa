//! Checkpoints: what is kept comes back, what fails leaves the state as it was, damage shows.

mod create;
mod delta;
mod hostile;
mod prune;
mod restore;
mod rollback;
mod stores;

use crate::support::Rng;
use coordination_protocol::checkpoint::{Checkpoints, Created, NewCheckpoint, Parts};
use coordination_protocol::scalar::{
    CheckpointId, CheckpointType, Digest, Instant, Now, WorkflowId,
};
use coordination_protocol::storage::{Expect, Key, MemoryStore, Store, StoreScan, block_on};

/// The time this number of seconds after a certain moment.
fn at(seconds: i64) -> Now {
    Now::new(Instant::START, 1_736_942_400_000 + seconds * 1_000)
}

fn new(number: u8) -> NewCheckpoint {
    NewCheckpoint::new(at(i64::from(number)), [number; 10]).with_id(id(&format!("ckpt_{number}")))
}

fn incremental(number: u8) -> NewCheckpoint {
    new(number).with_type(CheckpointType::Incremental)
}

fn id(text: &str) -> CheckpointId {
    CheckpointId::new(text).unwrap()
}

fn workflow() -> WorkflowId {
    WorkflowId::new("wf_001").unwrap()
}

fn parts(text: &str) -> Parts {
    Parts::parse(text).unwrap()
}

fn create(checkpoints: &Checkpoints<MemoryStore>, text: &str, new: &NewCheckpoint) -> Created {
    block_on(checkpoints.create(&parts(text), new)).unwrap()
}

fn loaded(checkpoints: &Checkpoints<MemoryStore>, checkpoint: &str) -> Parts {
    block_on(checkpoints.load(&workflow(), &id(checkpoint))).unwrap().parts
}

fn key(segments: &[&str]) -> Key {
    Key::of(segments).unwrap()
}

fn put(store: &impl Store, key: &Key, value: impl AsRef<[u8]>) {
    block_on(store.put(key, value.as_ref(), Expect::Any)).unwrap();
}

fn get(store: &impl Store, key: &Key) -> Option<Vec<u8>> {
    block_on(store.get(key)).unwrap().map(|entry| entry.value.to_vec())
}

/// A state without what tells that it was put back.
fn said(state: &[u8]) -> String {
    let mut state: serde_json::Value = serde_json::from_slice(state).unwrap();
    let body = match state.get_mut("workflow_state") {
        Some(body) => body.as_object_mut().unwrap(),
        None => state.as_object_mut().unwrap(),
    };
    for name in ["state_version", "epoch", "restored_version", "checkpoint_id", "timestamp"] {
        body.remove(name);
    }
    state.to_string()
}

/// Which version of which epoch a state is, and to which it went back.
fn line(state: &[u8]) -> (u64, u64, Option<u64>) {
    let state = parts(std::str::from_utf8(state).unwrap());
    let state = state.state();
    let epoch = state.epoch.as_ref().map_or(0, |epoch| epoch.get());
    let back = state.restored_version.as_ref().map(|version| version.get());
    (state.state_version.get(), epoch, back)
}

/// Everything in a store whose key starts with a text.
fn all(store: &impl Store, prefix: &str) -> Vec<(Key, Vec<u8>)> {
    let page = block_on(store.scan(&StoreScan::new(prefix).with_limit(10_000))).unwrap();
    page.entries.into_iter().map(|entry| (entry.key, entry.value.to_vec())).collect()
}

/// A state of a version, as its writer spelled it.
fn state(version: u64) -> String {
    format!(
        r#"{{"workflow_id":"wf_001","state_version":{version},"timestamp":"2025-01-15T12:00:00Z","current_phase":{{"phase_id":3,"name":"build","progress":67.50}},"agent_states":{{"agent_001":{{"status":"active","current_task":"task_7","progress":{}.0}},"agent_002":{{"status":"idle"}}}},"resource_usage":{{"memory_current":8.70}}}}"#,
        version % 100
    )
}

const SPELLINGS: &[&str] = &[
    "12",
    "12.0",
    "12.50",
    "1.2e1",
    "0.1",
    "-0",
    "18446744073709552000",
    "9007199254740992",
    "1E2",
    "true",
    "null",
    r#""a\u0062""#,
    r#""ab""#,
    r#""é/~\n""#,
    "[]",
    "[1,2.0,[]]",
    "{}",
];

/// A state that differs from one to the next in values, agents, lists and unknown fields.
fn random_state(rng: &mut Rng, version: u64) -> String {
    let mut agents = String::new();
    for agent in 0..8 {
        if rng.one_in(3) {
            continue;
        }
        let comma = if agents.is_empty() { "" } else { "," };
        let status = rng.pick(&["active", "idle", "failed"]);
        let progress = rng.pick(&["45.20", "45.2", "0", "1e2", "99.999"]);
        let extra = rng.pick(SPELLINGS);
        agents.push_str(&format!(
            r#"{comma}"agent_{agent}":{{"status":"{status}","progress":{progress},"note/~{agent}":{extra}}}"#
        ));
    }
    let list: Vec<&str> = (0..rng.below(5)).map(|_| rng.pick(SPELLINGS)).collect();
    let phase = rng.below(4);
    let more = if rng.one_in(2) { r#","x":{"y":{"z":1.0}}"# } else { "" };
    format!(
        r#"{{"workflow_id":"wf_001","state_version":{version},"timestamp":"2025-01-15T12:00:00Z","current_phase":{{"phase_id":{phase}}},"agent_states":{{{agents}}},"list":[{}]{more}}}"#,
        list.join(",")
    )
}

/// A state that differs in few places.
fn evolved(rng: &mut Rng, text: &str) -> String {
    let mut text = text.to_owned();
    for _ in 0..rng.below(4) {
        let (from, to) = [
            (r#""status":"idle""#, r#""status":"active","current_task":"t""#),
            (r#","current_task":"t""#, ""),
            (r#""progress":45.2,"#, r#""progress":45.20,"#),
            (r#""progress":0,"#, r#""progress":0.0,"#),
            (r#""list":["#, r#""list":[],"old":["#),
            (r#"{"phase_id":1}"#, r#"{"phase_id":1,"name":"b/~"}"#),
            (r#"{"phase_id":2}"#, r#"{"phase_id":1.0}"#),
        ][rng.below(7)];
        let next = text.replacen(from, to, 1);
        if !text.contains(r#""old""#) || from != r#""list":["# {
            text = next;
        }
    }
    text
}

fn files(names: &[(&str, &str)]) -> Vec<(String, Digest)> {
    names.iter().map(|(path, text)| ((*path).to_owned(), Digest::of(text.as_bytes()))).collect()
}
