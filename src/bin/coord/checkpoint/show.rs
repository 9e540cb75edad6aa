//! What the verbs print.

use coordination_protocol::checkpoint::{
    CheckpointForm, CheckpointSummary, Created, Damage, PartName, Pruned, Restored,
};
use coordination_protocol::message::{CheckpointSync, ValidationResults};
use coordination_protocol::scalar::{CheckResult, CheckpointId, Count, Ratio, WorkflowId};
use serde::Serialize;
use std::fmt::Write as _;

/// Identity, cause, version and size on one line.
fn line(sync: &CheckpointSync, form: &CheckpointForm) -> String {
    let time = sync.timestamp.as_ref().map_or("", |time| time.as_str());
    let version = sync.state_version.as_ref().map_or(0, Count::get);
    let mut out = format!(
        "{} of {}: {} at {time}, version {version}, {form}",
        sync.checkpoint_id, sync.workflow_id, sync.checkpoint_type
    );
    if let Some(storage) = &sync.storage_metadata {
        let size = storage.size_bytes.as_ref().map_or(0, Count::get);
        let ratio = storage.compression_ratio.as_ref().map_or(1.0, Ratio::value);
        let _ = write!(out, ", {size} bytes (ratio {ratio:.2})");
    }
    out
}

/// The validations that failed, and those that were asked for and that nobody knows.
fn validations(results: &ValidationResults) -> String {
    let own = [
        ("state_integrity", &results.integrity_check),
        ("dependency_consistency", &results.dependency_validation),
        ("resource_consistency", &results.resource_consistency),
    ];
    let failed = own.into_iter().filter(|(_, result)| **result == Some(CheckResult::Failed));
    let failed = failed.map(|(name, _)| (name, CheckResult::Failed.to_string()));
    let more = results.extra().iter().filter_map(|(name, result)| Some((name, result.to_text()?)));
    let mut out = String::new();
    for (name, result) in
        failed.chain(more.filter(|(_, result)| result != CheckResult::Passed.as_str()))
    {
        let _ = writeln!(out, "  {name}: {result}");
    }
    out
}

pub(super) fn created(made: &Created) -> String {
    let mut out = format!("{}\n", line(&made.sync, &made.form));
    if let Some(why) = made.why_full {
        let _ = writeln!(out, "  in full: {why}");
    }
    if let Some(results) = &made.sync.validation_results {
        out.push_str(&validations(results));
    }
    out
}

pub(super) fn summary(summary: &CheckpointSummary) -> String {
    line(&summary.sync, &summary.form)
}

/// A message with one key of ours.
pub(super) fn summary_json(summary: &CheckpointSummary) -> String {
    #[derive(Serialize)]
    struct Row<'a> {
        checkpoint_sync: &'a CheckpointSync,
        base_checkpoint_id: Option<&'a str>,
    }
    let base_checkpoint_id = match &summary.form {
        CheckpointForm::Delta { base } => Some(base.as_str()),
        _ => None,
    };
    text(&Row { checkpoint_sync: &summary.sync, base_checkpoint_id })
}

pub(super) fn damage_json(damage: &Damage) -> String {
    #[derive(Serialize)]
    struct Row<'a> {
        checkpoint_id: &'a str,
        part: Option<&'a str>,
        detail: &'a str,
    }
    text(&Row {
        checkpoint_id: damage.checkpoint.as_str(),
        part: damage.part.as_ref().map(PartName::as_str),
        detail: &damage.detail,
    })
}

pub(super) fn pruned(workflow: &WorkflowId, pruned: &Pruned) -> String {
    let mut out = format!(
        "{workflow}: {} removed, {} kept for others, {} incomplete swept",
        pruned.removed.len(),
        pruned.needed.len(),
        pruned.swept.len()
    );
    if pruned.orphans > 0 {
        let _ = write!(out, ", {} orphans", pruned.orphans);
    }
    out.push('\n');
    for id in &pruned.removed {
        let _ = writeln!(out, "  removed {id}");
    }
    out
}

pub(super) fn pruned_json(workflow: &WorkflowId, pruned: &Pruned) -> String {
    #[derive(Serialize)]
    struct Row<'a> {
        workflow_id: &'a str,
        removed: Vec<&'a str>,
        needed: Vec<&'a str>,
        swept: Vec<&'a str>,
        orphans: usize,
    }
    text(&Row {
        workflow_id: workflow.as_str(),
        removed: pruned.removed.iter().map(CheckpointId::as_str).collect(),
        needed: pruned.needed.iter().map(CheckpointId::as_str).collect(),
        swept: pruned.swept.iter().map(CheckpointId::as_str).collect(),
        orphans: pruned.orphans,
    })
}

pub(super) fn restored(workflow: &WorkflowId, done: &Restored) -> String {
    let mut out = if done.written.is_empty() {
        format!("{workflow} is as in {} already, version {}\n", done.checkpoint, done.state_version)
    } else {
        let before = match &done.backup {
            Some(sync) => format!("the state before is in {}", sync.checkpoint_id),
            None => "there was no state before".to_owned(),
        };
        format!(
            "{workflow} was taken back to {}, version {}; {before}\n",
            done.checkpoint, done.state_version
        )
    };
    out.push_str(&validations(&done.validation));
    for file in &done.files {
        let _ = writeln!(out, "  {}: {}", file.change, file.path);
    }
    out
}

pub(super) fn restored_json(workflow: &WorkflowId, done: &Restored) -> String {
    #[derive(Serialize)]
    struct File<'a> {
        path: &'a str,
        change: String,
    }
    #[derive(Serialize)]
    struct Row<'a> {
        workflow_id: &'a str,
        checkpoint_id: &'a str,
        state_version: u64,
        written: Vec<&'a str>,
        backup: Option<&'a CheckpointSync>,
        validation_results: &'a ValidationResults,
        files: Vec<File<'a>>,
    }
    let files = done.files.iter();
    text(&Row {
        workflow_id: workflow.as_str(),
        checkpoint_id: done.checkpoint.as_str(),
        state_version: done.state_version,
        written: done.written.iter().map(PartName::as_str).collect(),
        backup: done.backup.as_ref(),
        validation_results: &done.validation,
        files: files
            .map(|file| File { path: &file.path, change: file.change.to_string() })
            .collect(),
    })
}

/// What is printed are texts and numbers, which JSON can always hold.
fn text(row: &impl Serialize) -> String {
    serde_json::to_string(row).unwrap_or_default()
}
