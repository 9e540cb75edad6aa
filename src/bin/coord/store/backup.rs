//! `coord store backup`

use super::progress::spinner;
use crate::input;
use crate::output::{CmdResult, ExitStatus, cannot_write, say};
use crate::store_args::StoreArgs;
use coordination_protocol::storage::block_on;
use std::path::PathBuf;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord store backup /backup/coord-2025-01-15.sqlite

The copy is of one moment, and complete or not there. It is a store like any other: to go back to
it, stop all programs and put it in the place of coord.sqlite, without coord.sqlite-wal and -shm.

Exit status: 0 if it was written.")]
pub(super) struct Args {
    /// The file to write. It must not be there.
    #[arg(value_name = "FILE")]
    to: PathBuf,

    #[command(flatten)]
    place: StoreArgs,
}

pub(super) fn run(args: &Args) -> CmdResult {
    let file = args.place.open_existing("store backup")?;
    let cannot = |why: &str| cannot_write(args.to.display(), why);
    if input::is_stdin(&args.to) {
        return Err(cannot("a store needs a file; name one (`./-` is one of that name)"));
    }
    if args.to.exists() {
        return Err(cannot("it is there already; name a new file"));
    }
    if args.to.parent().is_some_and(|folder| !folder.as_os_str().is_empty() && !folder.is_dir()) {
        return Err(cannot("its folder is not there; make it first"));
    }
    let waiting = spinner(file.path(), "copying");
    block_on(file.backup(&args.to))?;
    waiting.finish_and_clear();
    let bytes = std::fs::metadata(&args.to)?.len();
    let to = args.to.display();
    say(format_args!("{to}: {bytes} bytes, a copy of {}", args.place.file().display()))?;
    Ok(ExitStatus::Done)
}
