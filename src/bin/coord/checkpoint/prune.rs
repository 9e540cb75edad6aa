//! `coord checkpoint prune`

use super::{Common, show, workflows};
use crate::clock::now;
use crate::output::{CmdResult, ExitStatus, Printer, complain, failure};
use coordination_protocol::checkpoint::Retention;
use coordination_protocol::scalar::{Span, WorkflowId};
use coordination_protocol::storage::block_on;
use std::io::Write as _;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord checkpoint prune --keep 10
  coord checkpoint prune --keep 10 --dry-run
  coord checkpoint prune --workflow wf_001 --keep 50 --keep-backups 5 --older-than 7d

A checkpoint goes if it is beyond the count or beyond the age. The newest one that loads stays in any
case, and so does what something needs: an incremental one that stays, the state that names it, a
restore under way. Backups that a restore made are counted apart. What interrupted runs left behind
goes, too. What is damaged is named, does not count and stays; `coord store repair` removes it.

Exit status: 0, 1 if something is damaged.")]
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

    /// The maximum number of automatic backups that stays of each workflow; as `--keep` if left out.
    #[arg(long, value_name = "N")]
    keep_backups: Option<usize>,

    /// Tell what would go, and change nothing.
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    common: Common,
}

pub(super) fn run(args: &Args) -> CmdResult {
    let checkpoints = args.common.open("prune")?;
    let mut retention = Retention::new().with_at_least(args.at_least);
    retention.keep = args.keep;
    retention.keep_backups = args.keep_backups;
    if let Some(age) = &args.older_than {
        retention.older_than = Some(
            age.value()
                .ok_or_else(|| failure(format_args!("--older-than: `{age}` is no duration")))?,
        );
    }
    let mut out = Printer::new(args.common.format);
    let mut damaged = Vec::new();
    for workflow in workflows(&checkpoints, args.workflow.as_ref())? {
        let pruned = if args.dry_run {
            block_on(checkpoints.plan_prune(&workflow, &retention, now()))
        } else {
            block_on(checkpoints.prune(&workflow, &retention, now()))
        };
        let pruned = pruned?;
        out.row(&show::PrunedRow::new(&workflow, &pruned))?;
        damaged.extend(pruned.damaged);
    }
    // Told in words, as by `list`.
    out.flush()?;
    for damage in &damaged {
        complain(damage);
    }
    if args.dry_run {
        out.note("dry run: nothing was changed")?;
    }
    out.finish(ExitStatus::found(!damaged.is_empty()))
}
