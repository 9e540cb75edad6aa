//! `coord checkpoint list` and `verify`

use super::{Common, show, workflow_of, workflows};
use crate::output::{CmdResult, ExitStatus, Format, Printer};
use coordination_protocol::checkpoint::{CheckpointError, Damage};
use coordination_protocol::scalar::{CheckpointId, WorkflowId};
use coordination_protocol::storage::block_on;
use std::io::{self, Write as _};

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord checkpoint list
  coord checkpoint list --workflow wf_001 --format json

Exit status: 0, 1 if an entry is damaged.")]
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

Exit status: 0 if all are sound, 1 if one is damaged.")]
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

pub(super) fn list(args: &List) -> CmdResult {
    let checkpoints = args.common.open("list")?;
    let mut out = Printer::new(args.common.format);
    let mut damaged = Vec::new();
    for workflow in workflows(&checkpoints, args.workflow.as_ref())? {
        let listing = block_on(checkpoints.list(&workflow))?;
        for summary in &listing.checkpoints {
            out.row(&show::SummaryRow::new(summary))?;
        }
        for id in &listing.pending {
            out.note(format_args!("{id} of {workflow}: not complete"))?;
        }
        damaged.extend(listing.damaged);
    }
    // Damage is not what `list` lists, so it is told in words in every format.
    out.flush()?;
    let mut words = Printer::new(Format::Human);
    report(&damaged, &mut words)?;
    words.finish(ExitStatus::found(!damaged.is_empty()))
}

pub(super) fn verify(args: &Verify) -> CmdResult {
    let checkpoints = args.common.open("verify")?;
    let mut damaged = Vec::new();
    let mut count = 0;
    if let Some(id) = &args.id {
        let workflow = workflow_of(&checkpoints, args.workflow.as_ref(), id)?;
        match block_on(checkpoints.load(&workflow, id)) {
            Ok(_) => count = 1,
            Err(CheckpointError::Damaged(damage)) => damaged.push(damage),
            Err(error) => return Err(error.into()),
        }
    } else {
        for workflow in workflows(&checkpoints, args.workflow.as_ref())? {
            count += block_on(checkpoints.list(&workflow))?.checkpoints.len();
            damaged.extend(block_on(checkpoints.verify(&workflow))?);
        }
    }
    let mut out = Printer::new(args.common.format);
    report(&damaged, &mut out)?;
    if damaged.is_empty() {
        out.note(format_args!("{count} sound"))?;
    }
    out.finish(ExitStatus::found(!damaged.is_empty()))
}

fn report(damaged: &[Damage], out: &mut Printer) -> io::Result<()> {
    damaged.iter().try_for_each(|damage| out.row(&show::DamageRow::new(damage)))
}
