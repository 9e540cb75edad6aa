//! `coord hook guard`

use super::files::{above, is_around, is_left, process_of, taken, touches};
use crate::lease::{PoolArgs, Processes};
use crate::output::{CmdResult, ExitStatus, complain, unavailable};
use coordination_protocol::path::PathPattern;
use coordination_protocol::storage::block_on;
use std::process::Command;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord hook install --git               git asks before each commit
  coord hook guard                       are staged files leased by others?

What the editor holds that git runs in, or the command of `coord run`, is not in the way.

Exit status: 0 if nothing is in the way, 1 if a staged file is leased by others.")]
pub(crate) struct Args {
    #[command(flatten)]
    pool: PoolArgs,
}

pub(crate) fn run(args: &Args) -> CmdResult {
    if !args.pool.file().is_ok_and(|file| file.is_file()) {
        return Ok(ExitStatus::Done);
    }
    let staged = Command::new("git")
        .args(["diff", "--cached", "--name-only", "--no-renames", "-z"])
        .output()
        .map_err(|error| unavailable(format_args!("git cannot be run: {error}")))?;
    if !staged.status.success() {
        let why = String::from_utf8_lossy(&staged.stderr);
        return Err(unavailable(format_args!("git does not tell what is staged: {}", why.trim())));
    }
    let (bus, mut desk) = args.pool.open_existing()?;
    let above = above();
    let now = bus.host().now();
    let held: Vec<_> = block_on(desk.preview(now, &Processes, |d| {
        let others = d.pool().grants().filter(|grant| {
            let process = process_of(grant);
            let is_own = process.is_some_and(|process| above.iter().any(|(a, _)| *a == process));
            !is_own && !is_around(grant) && !is_left(grant)
        });
        others.cloned().collect()
    }))?;
    let mut status = ExitStatus::Done;
    for name in staged.stdout.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        // What is no text cannot be leased by name.
        let Ok(path) = PathPattern::new(&String::from_utf8_lossy(name)) else { continue };
        if let Some(grant) = held.iter().find(|grant| touches(grant, &path)) {
            complain(taken(&path, grant));
            status = ExitStatus::No;
        }
    }
    Ok(status)
}
