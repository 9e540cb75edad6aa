//! `coord bus init`

use super::BusArgs;
use crate::output::{CmdResult, ExitStatus, say};

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord bus init
  coord bus init --bus sqlite:/srv/coord.sqlite

Without --bus it is the file of the project: .claude/data/coord.sqlite in the working folder or above it,
else at the top of its git repository, else in the working folder. A bus that is there stays as it is.

Exit status: 0 if it is there now.")]
pub(super) struct Args {
    #[command(flatten)]
    place: BusArgs,
}

pub(super) fn run(args: &Args) -> CmdResult {
    let file = args.place.file_to_make()?;
    let known = file.is_file();
    args.place.open_file(&file)?;
    let told = if known { "is there already" } else { "is ready" };
    say(format_args!("{}: the bus {told}", file.display()))?;
    Ok(ExitStatus::Done)
}
