//! `coord bus init`

use super::BusArgs;
use crate::output::{CmdResult, ExitStatus, say};

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord bus init --bus sqlite:.claude/data/coord.sqlite

A bus that is there stays as it is.

Exit status: 0 if it is there now.")]
pub(super) struct Args {
    #[command(flatten)]
    place: BusArgs,
}

pub(super) fn run(args: &Args) -> CmdResult {
    let file = args.place.file()?;
    let known = file.is_file();
    args.place.open()?;
    let told = if known { "is there already" } else { "is ready" };
    say(format_args!("{}: the bus {told}", file.display()))?;
    Ok(ExitStatus::Done)
}
