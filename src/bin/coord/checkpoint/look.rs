//! `coord checkpoint list`, `verify` and `prune`

use super::{Common, Format, failed, found, show, workflow_of};
use crate::clock::now;
use crate::{Failure, Outcome, Result2};
use coordination_protocol::adapter::sqlite::Sqlite;
use coordination_protocol::checkpoint::{CheckpointError, Checkpoints, Damage, Retention};
use coordination_protocol::scalar::{CheckpointId, Span, WorkflowId};
use coordination_protocol::storage::block_on;
use std::io::Write;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord checkpoint list
  coord checkpoint list --workflow wf_001 --format json

Exit status: 0, 1 if an entry is damaged, 2 if the store cannot be read.")]
pub(super) struct List {
    /// Only those of a workflow.
    #[arg(long, value_name = "WORKFLOW")]
    workflow: Option<WorkflowId>,

    #[command(flatten)]
    common: Common,
}

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord checkpoint verify
  coord checkpoint verify ckpt_789

Exit status: 0 if all are sound, 1 if one is damaged, 2 if there is none or the store cannot be read.")]
pub(super) struct Verify {
    /// The checkpoint; all if left out.
    #[arg(value_name = "ID")]
    id: Option<CheckpointId>,

    /// Only those of a workflow.
    #[arg(long, value_name = "WORKFLOW")]
    workflow: Option<WorkflowId>,

    #[command(flatten)]
    common: Common,
}

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord checkpoint prune --keep 10
  coord checkpoint prune --workflow wf_001 --keep 50 --older-than 7d

A checkpoint goes if it is beyond the count or beyond the age. The newest one stays in any case, and
a full one stays while an incremental one that stays needs it. What interrupted runs left behind
goes, too.

Exit status: 0, 2 if the store cannot be read or written.")]
pub(super) struct Prune {
    /// Only those of a workflow.
    #[arg(long, value_name = "WORKFLOW")]
    workflow: Option<WorkflowId>,

    /// The most that stay of each workflow.
    #[arg(long, value_name = "N")]
    keep: Option<usize>,

    /// Remove those that are older, such as `7d` or `12h`.
    #[arg(long, value_name = "AGE")]
    older_than: Option<Span>,

    /// The newest that stay in any case.
    #[arg(long, value_name = "N", default_value_t = 1)]
    at_least: usize,

    #[command(flatten)]
    common: Common,
}

fn workflows(
    checkpoints: &Checkpoints<Sqlite>,
    named: Option<&WorkflowId>,
) -> Result<Vec<WorkflowId>, Failure> {
    match named {
        Some(workflow) => Ok(vec![workflow.clone()]),
        None => block_on(checkpoints.workflows()).map_err(failed),
    }
}

pub(super) fn list(args: &List) -> Result2 {
    let checkpoints = args.common.open("list")?;
    let mut out = anstream::stdout();
    let mut damaged = Vec::new();
    for workflow in workflows(&checkpoints, args.workflow.as_ref())? {
        let listing = block_on(checkpoints.list(&workflow)).map_err(failed)?;
        for summary in &listing.checkpoints {
            match args.common.format {
                Format::Human => writeln!(out, "{}", show::summary(summary))?,
                Format::Json => writeln!(out, "{}", show::summary_json(summary))?,
            }
        }
        for id in &listing.pending {
            if args.common.format == Format::Human {
                writeln!(out, "{id} of {workflow}: not complete")?;
            }
        }
        damaged.extend(listing.damaged);
    }
    report(&damaged, Format::Human)?;
    Ok(if damaged.is_empty() { Outcome::Fine } else { Outcome::Found })
}

pub(super) fn verify(args: &Verify) -> Result2 {
    let checkpoints = args.common.open("verify")?;
    let mut damaged = Vec::new();
    let mut count = 0;
    if let Some(id) = &args.id {
        let workflow = workflow_of(&checkpoints, args.workflow.as_ref(), id)?;
        match block_on(checkpoints.load(&workflow, id)) {
            Ok(_) => count = 1,
            Err(CheckpointError::Damaged(damage)) => damaged.push(damage),
            Err(error) => return found(&error),
        }
    } else {
        for workflow in workflows(&checkpoints, args.workflow.as_ref())? {
            count += block_on(checkpoints.list(&workflow)).map_err(failed)?.checkpoints.len();
            damaged.extend(block_on(checkpoints.verify(&workflow)).map_err(failed)?);
        }
    }
    report(&damaged, args.common.format)?;
    if damaged.is_empty() {
        if args.common.format == Format::Human {
            writeln!(anstream::stdout(), "{count} sound")?;
        }
        return Ok(Outcome::Fine);
    }
    Ok(Outcome::Found)
}

/// Damage is what `verify` prints, and what `list` complains of.
fn report(damaged: &[Damage], format: Format) -> std::io::Result<()> {
    let mut out = anstream::stdout();
    for damage in damaged {
        match format {
            Format::Human => writeln!(out, "damaged: {damage}")?,
            Format::Json => writeln!(out, "{}", show::damage_json(damage))?,
        }
    }
    Ok(())
}

pub(super) fn prune(args: &Prune) -> Result2 {
    let checkpoints = args.common.open("prune")?;
    let mut retention = Retention::new().with_at_least(args.at_least);
    retention.keep = args.keep;
    if let Some(age) = &args.older_than {
        retention.older_than = Some(
            age.value().ok_or_else(|| Failure(format!("--older-than: `{age}` is no duration")))?,
        );
    }
    let mut out = anstream::stdout();
    for workflow in workflows(&checkpoints, args.workflow.as_ref())? {
        let pruned = block_on(checkpoints.prune(&workflow, &retention, now())).map_err(failed)?;
        match args.common.format {
            Format::Human => write!(out, "{}", show::pruned(&workflow, &pruned))?,
            Format::Json => writeln!(out, "{}", show::pruned_json(&workflow, &pruned))?,
        }
    }
    Ok(Outcome::Fine)
}
