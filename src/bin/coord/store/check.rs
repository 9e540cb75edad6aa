//! `coord store check`

use super::progress::spinner;
use crate::output::{CmdResult, ExitStatus, complain, say};
use crate::store_args::StoreArgs;
use coordination_protocol::storage::block_on;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord store check
  coord store check --root /srv/project/.claude/data

Exit status: 0 if the store is sound, 1 if it is damaged, 2 if it cannot be opened.")]
pub(super) struct Args {
    #[command(flatten)]
    place: StoreArgs,
}

pub(super) fn run(args: &Args) -> CmdResult {
    let file = args.place.open_existing("store check")?;
    let waiting = spinner(file.path(), "looking at everything");
    let report = block_on(file.check())?;
    waiting.finish_and_clear();
    for problem in &report.problems {
        say(format_args!("damaged: {problem}"))?;
    }
    let (entries, records) = (report.entries, report.records);
    say(format_args!(
        "{}: {entries} values and {records} records are sound",
        args.place.file().display()
    ))?;
    if !report.problems.is_empty() {
        complain(
            "go back to a backup, or look with `coord checkpoint verify` for states that are sound",
        );
    }
    Ok(ExitStatus::found(!report.problems.is_empty()))
}
