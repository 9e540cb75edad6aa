//! `coord checkpoint prune`

use super::{Common, show, workflows};
use crate::clock::now;
use crate::output::{CmdResult, ExitStatus, Printer, failure};
use coordination_protocol::checkpoint::Retention;
use coordination_protocol::scalar::{Span, WorkflowId};
use coordination_protocol::storage::block_on;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord checkpoint prune --keep 10
  coord checkpoint prune --workflow wf_001 --keep 50 --older-than 7d

A checkpoint goes if it is beyond the count or beyond the age. The newest one stays in any case, and
a full one stays while an incremental one that stays needs it. What interrupted runs left behind
goes, too.

Exit status: 0, 2 if the store cannot be read or written.")]
pub(super) struct Args {
    /// Only those of a workflow.
    #[arg(long, value_name = "WORKFLOW")]
    workflow: Option<WorkflowId>,

    /// The maximum number that stays of each workflow.
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

pub(super) fn run(args: &Args) -> CmdResult {
    let checkpoints = args.common.open("prune")?;
    let mut retention = Retention::new().with_at_least(args.at_least);
    retention.keep = args.keep;
    if let Some(age) = &args.older_than {
        retention.older_than = Some(
            age.value()
                .ok_or_else(|| failure(format_args!("--older-than: `{age}` is no duration")))?,
        );
    }
    let mut out = Printer::new(args.common.format);
    for workflow in workflows(&checkpoints, args.workflow.as_ref())? {
        let pruned = block_on(checkpoints.prune(&workflow, &retention, now())).map_err(failure)?;
        out.row(&show::PrunedRow::new(&workflow, &pruned))?;
    }
    out.finish(ExitStatus::Fine)
}
