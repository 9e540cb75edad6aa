//! What the verbs print.

use crate::output::{Lines, Print};
use coordination_protocol::checkpoint::{
    CheckpointForm, CheckpointSummary, Created, Damage, PartName, Pruned, Restored,
};
use coordination_protocol::message::{CheckpointSync, Envelope, ValidationResults};
use coordination_protocol::scalar::{CheckResult, CheckpointId, Count, Ratio, WorkflowId};
use serde::Serialize;
use std::fmt::Write as _;
use std::io;

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

/// The validations that failed, and those that were asked for and are not known, a line each.
fn validations(results: &ValidationResults) -> Vec<String> {
    let own = [
        ("state_integrity", &results.integrity_check),
        ("dependency_consistency", &results.dependency_validation),
        ("resource_consistency", &results.resource_consistency),
    ];
    let failed = own.into_iter().filter(|(_, result)| **result == Some(CheckResult::Failed));
    let failed = failed.map(|(name, _)| (name, CheckResult::Failed.to_string()));
    let more = results.extra().iter().filter_map(|(name, result)| Some((name, result.to_text()?)));
    let more = more.filter(|(_, result)| result != CheckResult::Passed.as_str());
    failed.chain(more).map(|(name, result)| format!("  {name}: {result}")).collect()
}

/// A checkpoint that was made; its JSON form is the message that announces it.
#[derive(Serialize)]
#[serde(transparent)]
pub(super) struct CreatedRow {
    message: Envelope,
    #[serde(skip)]
    lines: Vec<String>,
}

impl CreatedRow {
    pub(super) fn new(made: Created) -> Self {
        let mut lines = vec![line(&made.sync, &made.form)];
        if let Some(why) = made.why_full {
            lines.push(format!("  in full: {why}"));
        }
        if let Some(results) = &made.sync.validation_results {
            lines.extend(validations(results));
        }
        CreatedRow { message: Envelope::from(made.sync), lines }
    }
}

impl Print for CreatedRow {
    fn human(&self, out: &mut Lines<'_>) -> io::Result<()> {
        self.lines.iter().try_for_each(|line| out.line(line))
    }
}

/// A checkpoint in a list: its message, with one key of ours.
#[derive(Serialize)]
pub(super) struct SummaryRow<'a> {
    checkpoint_sync: &'a CheckpointSync,
    base_checkpoint_id: Option<&'a str>,
    #[serde(skip)]
    form: &'a CheckpointForm,
}

impl<'a> SummaryRow<'a> {
    pub(super) fn new(summary: &'a CheckpointSummary) -> Self {
        let base_checkpoint_id = match &summary.form {
            CheckpointForm::Delta { base } => Some(base.as_str()),
            _ => None,
        };
        SummaryRow { checkpoint_sync: &summary.sync, base_checkpoint_id, form: &summary.form }
    }
}

impl Print for SummaryRow<'_> {
    fn human(&self, out: &mut Lines<'_>) -> io::Result<()> {
        out.line(line(self.checkpoint_sync, self.form))
    }
}

/// What is damaged.
#[derive(Serialize)]
pub(super) struct DamageRow<'a> {
    checkpoint_id: &'a str,
    part: Option<&'a str>,
    detail: &'a str,
    #[serde(skip)]
    damage: &'a Damage,
}

impl<'a> DamageRow<'a> {
    pub(super) fn new(damage: &'a Damage) -> Self {
        DamageRow {
            checkpoint_id: damage.checkpoint.as_str(),
            part: damage.part.as_ref().map(PartName::as_str),
            detail: &damage.detail,
            damage,
        }
    }
}

impl Print for DamageRow<'_> {
    fn human(&self, out: &mut Lines<'_>) -> io::Result<()> {
        out.line(format_args!("damaged: {}", self.damage))
    }
}

/// What was removed of a workflow.
#[derive(Serialize)]
pub(super) struct PrunedRow<'a> {
    workflow_id: &'a str,
    removed: Vec<&'a str>,
    needed: Vec<&'a str>,
    swept: Vec<&'a str>,
    orphans: usize,
}

impl<'a> PrunedRow<'a> {
    pub(super) fn new(workflow: &'a WorkflowId, pruned: &'a Pruned) -> Self {
        let names = |ids: &'a [CheckpointId]| ids.iter().map(CheckpointId::as_str).collect();
        PrunedRow {
            workflow_id: workflow.as_str(),
            removed: names(&pruned.removed),
            needed: names(&pruned.needed),
            swept: names(&pruned.swept),
            orphans: pruned.orphans,
        }
    }
}

impl Print for PrunedRow<'_> {
    fn human(&self, out: &mut Lines<'_>) -> io::Result<()> {
        let PrunedRow { workflow_id, removed, needed, swept, orphans } = self;
        let (removing, needed, swept) = (removed.len(), needed.len(), swept.len());
        let orphans = if *orphans > 0 { format!(", {orphans} orphans") } else { String::new() };
        out.line(format_args!("{workflow_id}: {removing} removed, {needed} kept for others, {swept} incomplete swept{orphans}"))?;
        removed.iter().try_for_each(|id| out.line(format_args!("  removed {id}")))
    }
}

/// A state that was put back.
#[derive(Serialize)]
pub(super) struct RestoredRow<'a> {
    workflow_id: &'a str,
    checkpoint_id: &'a str,
    state_version: u64,
    written: Vec<&'a str>,
    backup: Option<&'a CheckpointSync>,
    validation_results: &'a ValidationResults,
    files: Vec<ChangedFile<'a>>,
}

/// A file that differs from the checkpoint.
#[derive(Serialize)]
struct ChangedFile<'a> {
    path: &'a str,
    change: String,
}

impl<'a> RestoredRow<'a> {
    pub(super) fn new(workflow: &'a WorkflowId, done: &'a Restored) -> Self {
        let files = done.files.iter();
        RestoredRow {
            workflow_id: workflow.as_str(),
            checkpoint_id: done.checkpoint.as_str(),
            state_version: done.state_version,
            written: done.written.iter().map(PartName::as_str).collect(),
            backup: done.backup.as_ref(),
            validation_results: &done.validation,
            files: files
                .map(|file| ChangedFile { path: &file.path, change: file.change.to_string() })
                .collect(),
        }
    }
}

impl Print for RestoredRow<'_> {
    fn human(&self, out: &mut Lines<'_>) -> io::Result<()> {
        let RestoredRow { workflow_id, checkpoint_id, state_version: version, .. } = self;
        if self.written.is_empty() {
            out.line(format_args!(
                "{workflow_id} is as in {checkpoint_id} already, version {version}"
            ))?;
        } else {
            let before = match self.backup {
                Some(sync) => format!("the state before is in {}", sync.checkpoint_id),
                None => "there was no state before".to_owned(),
            };
            out.line(format_args!(
                "{workflow_id} was taken back to {checkpoint_id}, version {version}; {before}"
            ))?;
        }
        validations(self.validation_results).iter().try_for_each(|line| out.line(line))?;
        self.files
            .iter()
            .try_for_each(|file| out.line(format_args!("  {}: {}", file.change, file.path)))
    }
}
