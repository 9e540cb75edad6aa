//! States, checkpoints and decisions.

use super::{FindingSink, RuleInput};
use crate::finding::Code;
use crate::json::{self, Json, Limits};
use crate::message::Message;
use crate::scalar::{BallotOutcome, Count, Digest};

pub(super) fn versions(input: &RuleInput<'_>, sink: &mut FindingSink<'_>) {
    let Some(history) = input.context.history else { return };
    // A checkpoint may well be of an older version.
    let Message::WorkflowState(state) = &input.envelope.message else { return };
    let Some(seen) = history.state(state.workflow_id.as_str()) else { return };
    let version = state.state_version.get();
    let epoch = state.epoch.as_ref().map_or(0, Count::get);
    if epoch < seen.epoch {
        let (expected, actual) = (seen.epoch.to_string(), epoch.to_string());
        return sink.differ(Code::StaleEpoch, input.body("epoch"), expected, &actual);
    }
    if epoch > seen.epoch {
        return;
    }
    let path = input.body("state_version");
    if version < seen.version {
        sink.differ(Code::StaleVersion, path, seen.version.to_string(), &version.to_string());
    // A newer version needs no comparison, and a digest costs more than all the other checks.
    } else if version == seen.version
        && let (Some(ours), Some(theirs)) = (input.content_digest(), seen.digest())
        && ours != theirs
    {
        sink.push(Code::StateFork, path, |finding| finding.with_actual(&version.to_string()));
    }
}

/// Names of folders, and whether they would leave it.
pub(super) fn folders(input: &RuleInput<'_>, sink: &mut FindingSink<'_>) {
    let names: &[(&str, &str)] = match &input.envelope.message {
        Message::CheckpointSync(sync) => &[
            ("workflow_id", sync.workflow_id.as_str()),
            ("checkpoint_id", sync.checkpoint_id.as_str()),
        ],
        Message::Rollback(rollback) => &[
            ("workflow_id", rollback.workflow_id.as_str()),
            ("checkpoint_id", rollback.checkpoint_id.as_str()),
        ],
        _ => return,
    };
    for (key, name) in names {
        if name.contains(['/', '\\']) || matches!(*name, "." | "..") {
            sink.push(Code::UnsafeIdentifier, input.body(key), |f| f.with_actual(name));
        }
    }
}

pub(super) fn commit(input: &RuleInput<'_>, sink: &mut FindingSink<'_>) {
    let Message::Decision(decision) = &input.envelope.message else { return };
    if decision.outcome == BallotOutcome::Committed && decision.state_version.is_none() {
        sink.push(Code::CommitWithoutVersion, input.body("state_version"), |f| f);
    }
}

/// What a proposal says of the state that it brings along.
pub(super) fn proposed(input: &RuleInput<'_>, sink: &mut FindingSink<'_>) {
    let Message::Proposal(proposal) = &input.envelope.message else { return };
    let Some(state) = &proposal.value else { return };
    // Anything may be decided, also what is no state of a workflow.
    if let Some(of) = state.get("workflow_id").as_ref().and_then(Json::to_text)
        && of != proposal.workflow_id.as_str()
    {
        let path = input.body("value/workflow_id");
        sink.differ(Code::ProposalMismatch, path, proposal.workflow_id.as_str(), &of);
    }
    // In a form that cannot be read, it could be compared with nothing; and what has no canonical form has no
    // digest.
    let stated = proposal.digest.as_ref().filter(|digest| digest.bytes().is_some());
    let text = json::canonical(state.as_str(), &Limits::default());
    if let (Some(stated), Ok(text)) = (stated, text) {
        let found = Digest::of(text.as_bytes());
        if found.bytes() != stated.bytes() {
            let path = input.body("digest");
            sink.differ(Code::ProposalMismatch, path, stated.as_str(), found.as_str());
        }
    }
}
