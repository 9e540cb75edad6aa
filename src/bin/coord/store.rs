//! `coord store`

use crate::place::Place;
use crate::{Failure, Outcome, Result2};
use clap::Subcommand;
use coordination_protocol::storage::block_on;
use std::io::Write;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Look at everything in the store: structure, checksums, positions, revisions.
    Check(Check),
}

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord store check
  coord store check --root /srv/project/.claude/data

Exit status: 0 if the store is sound, 1 if it is damaged, 2 if it cannot be opened.")]
struct Check {
    #[command(flatten)]
    place: Place,
}

pub(crate) fn run(args: &Args) -> Result2 {
    match &args.verb {
        Verb::Check(args) => check(args),
    }
}

fn check(args: &Check) -> Result2 {
    let file = args.place.open_existing("store check")?;
    let report = block_on(file.check()).map_err(|error| Failure(error.to_string()))?;
    let mut out = std::io::stdout().lock();
    for problem in &report.problems {
        writeln!(out, "damaged: {problem}")?;
    }
    let (entries, records) = (report.entries, report.records);
    writeln!(
        out,
        "{}: {entries} values and {records} records are sound",
        args.place.file().display()
    )?;
    Ok(if report.problems.is_empty() { Outcome::Fine } else { Outcome::Found })
}
