//! `coord store`

mod export;
mod import;
mod line;

use crate::place::Place;
use crate::{Failure, Outcome, Result2};
use clap::Subcommand;
use coordination_protocol::storage::{StorageError, block_on};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord store check                       is everything in the store sound?
  coord store backup coord-backup.sqlite
  coord store export store.jsonl

Exit status: 0 fine, 1 something was found, 2 usage or I/O error; each verb says more.")]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Look at everything in the store: structure, checksums, positions, revisions.
    Check(Check),
    /// Copy the store to a new file, while others use it.
    Backup(Backup),
    /// Write everything in the store as lines of JSON.
    Export(export::Args),
    /// Take in what was exported.
    Import(import::Args),
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

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord store backup /backup/coord-2025-01-15.sqlite

The copy is of one moment, and complete or not there. It is a store like any other: to go back to
it, stop all programs and put it in the place of coord.sqlite, without coord.sqlite-wal and -shm.

Exit status: 0 if it was written, 2 if it was not.")]
struct Backup {
    /// The file to write. It must not be there.
    #[arg(value_name = "FILE")]
    to: PathBuf,

    #[command(flatten)]
    place: Place,
}

pub(crate) fn run(args: &Args) -> Result2 {
    match &args.verb {
        Verb::Check(args) => check(args),
        Verb::Backup(args) => backup(args),
        Verb::Export(args) => export::run(args),
        Verb::Import(args) => import::run(args),
    }
}

impl From<StorageError> for Failure {
    fn from(error: StorageError) -> Self {
        Failure(error.to_string())
    }
}

fn check(args: &Check) -> Result2 {
    let file = args.place.open_existing("store check")?;
    let waiting = spinner(file.path(), "looking at everything");
    let report = block_on(file.check())?;
    waiting.finish_and_clear();
    let mut out = io::stdout().lock();
    for problem in &report.problems {
        let problem = problem.strip_prefix("the store is damaged: ").unwrap_or(problem);
        writeln!(out, "damaged: {problem}")?;
    }
    let (entries, records) = (report.entries, report.records);
    writeln!(
        out,
        "{}: {entries} values and {records} records are sound",
        args.place.file().display()
    )?;
    if !report.problems.is_empty() {
        writeln!(
            anstream::stderr(),
            "coord: go back to a backup, or look with `coord checkpoint verify` for states that are sound"
        )?;
    }
    Ok(if report.problems.is_empty() { Outcome::Fine } else { Outcome::Found })
}

fn backup(args: &Backup) -> Result2 {
    let file = args.place.open_existing("store backup")?;
    let cannot = |why: &str| Failure(format!("cannot write {}: {why}", args.to.display()));
    if args.to.exists() {
        return Err(cannot("it is there already; name a new file"));
    }
    if args.to.parent().is_some_and(|folder| !folder.as_os_str().is_empty() && !folder.is_dir()) {
        return Err(cannot("its folder is not there; make it first"));
    }
    let waiting = spinner(file.path(), "copying");
    block_on(file.backup(&args.to))?;
    waiting.finish_and_clear();
    let bytes = std::fs::metadata(&args.to).map_err(|error| Failure(error.to_string()))?.len();
    let to = args.to.display();
    writeln!(io::stdout(), "{to}: {bytes} bytes, a copy of {}", args.place.file().display())?;
    Ok(Outcome::Fine)
}

/// From this size on a store takes long enough to be worth a sign of life.
const LONG_BYTES: u64 = 32 << 20;
const LONG_ITEMS: u64 = 50_000;

/// A sign of life where nothing can be counted.
fn spinner(path: &Path, what: &'static str) -> ProgressBar {
    let long = std::fs::metadata(path).is_ok_and(|meta| meta.len() >= LONG_BYTES);
    if !long || !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let spinner = ProgressBar::new_spinner().with_message(what);
    spinner.enable_steady_tick(Duration::from_millis(120));
    spinner
}

/// A bar over so many items.
fn bar(items: u64) -> ProgressBar {
    if items < LONG_ITEMS || !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} {per_sec} {eta}");
    ProgressBar::with_draw_target(Some(items), ProgressDrawTarget::stderr())
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
