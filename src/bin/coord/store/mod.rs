//! `coord store`

mod backup;
mod check;
mod export;
mod import;
mod line;
mod progress;
mod repair;

use crate::output::CmdResult;
use clap::Subcommand;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord store check                       is everything in the store sound?
  coord store backup coord-backup.sqlite
  coord store export store.jsonl
  coord store repair --dry-run            what is damaged, and would go?")]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Look at everything in the store: structure, checksums, positions, revisions.
    Check(check::Args),
    /// Remove what is damaged: values, records, cursors, checkpoints that do not load.
    Repair(repair::Args),
    /// Copy the store to a new file, while others use it.
    Backup(backup::Args),
    /// Write everything in the store as lines of JSON.
    Export(export::Args),
    /// Take in what was exported.
    Import(import::Args),
}

pub(crate) fn run(args: &Args) -> CmdResult {
    match &args.verb {
        Verb::Check(args) => check::run(args),
        Verb::Repair(args) => repair::run(args),
        Verb::Backup(args) => backup::run(args),
        Verb::Export(args) => export::run(args),
        Verb::Import(args) => import::run(args),
    }
}
