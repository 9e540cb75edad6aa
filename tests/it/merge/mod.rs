//! Comparing and merging states and JSON documents.

mod behaviour;
mod functions;
mod generate;
mod laws;
mod oracle;
mod replicas;
mod rows;

use coordination_protocol::json::{Json, Limits, canonical};
use coordination_protocol::merge::{MergePolicy, Merged, merge_json};
use coordination_protocol::message::WorkflowState;

pub(crate) const WIDE: Limits = Limits::DEFAULT.with_bytes(1 << 30).with_keys(1 << 24);

fn json(base: &str, ours: &str, theirs: &str, policy: &MergePolicy) -> Merged<Json> {
    merge_json(base, ours, theirs, policy, &WIDE).unwrap()
}

fn state(text: &str) -> WorkflowState {
    serde_json::from_str(text).unwrap()
}

fn text(state: &WorkflowState) -> String {
    serde_json::to_string(state).unwrap()
}

/// One text for all spellings.
fn form(text: &str) -> String {
    canonical(text, &WIDE).unwrap()
}
