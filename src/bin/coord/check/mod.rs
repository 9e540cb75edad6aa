//! `coord check`

mod annotation;
mod baseline;
mod codes;
mod fix;
mod judge;
mod output;
mod render;
mod row;
mod run;
mod sarif;
mod summary;
mod suppress;
mod tally;

pub(crate) use codes::PROGRAM_CODES;
pub(crate) use row::COMMENT;

use crate::config::{Options, Sources};
use crate::deprecations;
use crate::input::{Source, paths};
use crate::output::{CmdResult, Failure, Format};
use crate::source::{As, WalkArgs, in_order};
use baseline::Baseline;
use coordination_protocol::finding::Mode;
use coordination_protocol::security::replay::ReplayCache;
use coordination_protocol::validate::{Gate, Validator};
use fix::FixArgs;
use output::Output;
use render::Style;
use run::Run;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tally::Tally;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord check events.log
  coord check --mode strict --format json - < messages.json
  coord check commands/*.md scripts/publish.sh
  coord check . --glob '!vendor/**' --require-records
  coord check --permissions registrations.json --keys keys.json --fresh inbox.jsonl
  coord check --calendar notices.json --at 2025-06-01 events.log
  coord check --fix commands/*.md
  coord check --diff --fix-logs events.log
  my-command | coord check

A record is an event line, a JSON message (on one line or many), or an element of an array of
messages. In Markdown, shell and YAML files, the messages in fenced blocks, here-documents and quoted
arguments are checked where they stand; in logs, those behind a time, a level and the like. What a
program builds, as jq -n '{event: ...}' does, is not read. What a file is, its extension tells, else its
content; -v names it.

A folder is walked with the ignore rules of its repository: files with the extensions md, mdx, sh,
bash, zsh, json, jsonl, log, txt, yml and yaml, and shell scripts without one. Symbolic links, binary
files and .git are passed over. What is met there is a message only if it looks like one.

A comment excuses a finding: <!-- coord: ignore missing-data -- reason --> in Markdown, and in shell
scripts and YAML # coord: ignore missing-data, wrong-kind. Alone on its line it is about the record that
comes next, else about the one on the line. Findings of the security level, and those with which a record
has no sound reading, are never excused; a comment that excuses nothing is told.

Settings come from options, then from the coord.toml nearest to each file, no higher than the root of its
repository; `coord config --help` shows its form. What a file of settings makes milder is told.

Exit status: 0 if nothing is found that is as grave as --fail-on, 1 if something is, or if
--require-records finds none.")]
pub(crate) struct Args {
    /// Files to check, and folders to walk; `-` or none reads standard input.
    #[arg(value_name = "PATH|-")]
    paths: Vec<PathBuf>,

    #[command(flatten)]
    walk: WalkArgs,

    #[command(flatten)]
    options: Options,

    /// Do not report what this file knows; it is counted.
    #[arg(long, value_name = "FILE", help_heading = "Settings")]
    baseline: Option<PathBuf>,

    /// Write what is found, but for notes, into a file for `--baseline`, and report none of it.
    #[arg(long, value_name = "FILE", help_heading = "Settings", conflicts_with = "baseline")]
    write_baseline: Option<PathBuf>,

    /// Find uses of what a calendar announces to end; `coord deprecations --help` shows its form.
    #[arg(long, value_name = "FILE")]
    calendar: Option<PathBuf>,

    /// What the input is taken for.
    #[arg(long = "as", value_enum, default_value_t = As::Auto)]
    given: As,

    /// How to print.
    #[arg(long, value_parser = Format::among(FORMATS), default_value = "human")]
    format: Format,

    /// Show notes too, valid records with nothing else, and what each input was taken for.
    #[arg(long, short)]
    verbose: bool,

    /// Print nothing but what could not be read; the exit status tells.
    #[arg(long, short, conflicts_with = "verbose")]
    quiet: bool,

    #[command(flatten)]
    fixes: FixArgs,

    /// End with 1 if there is no record at all.
    #[arg(long)]
    require_records: bool,
}

const FORMATS: &[(Format, &str)] = &[
    (Format::Human, "Diagnostics that point into the source, and a summary"),
    (Format::Line, "A line a finding: file:line:column: severity[code] text"),
    (Format::Github, "Workflow commands, which GitHub shows beside the lines, and a summary"),
    (Format::Summary, "The findings by code, and a summary"),
    (Format::Json, "One JSON object per record and nothing else"),
    (Format::Sarif, "One SARIF 2.1.0 log, which code hosts show in place"),
];

/// Checks what is in a folder.
fn walk(run: &Run<'_>, args: &Args, folder: &Path, out: &mut Output<'_>) -> Result<(), Failure> {
    let left_out = Arc::new(Mutex::new(Tally::default()));
    let enters = {
        let (sources, left_out) = (Arc::clone(run.sources), Arc::clone(&left_out));
        move |folder: &Path| {
            let by = sources.leaving_out(folder);
            if let Some(settings) = by {
                let mut tally = left_out.lock().unwrap_or_else(PoisonError::into_inner);
                tally.leave_out_folder(&Source::new(folder), settings);
            }
            by.is_none()
        }
    };
    in_order(
        args.walk.threads(),
        args.walk.walk(folder, enters)?,
        |entry, sheet| render::entry(run, entry, sheet),
        out,
        |out, tally| Ok::<_, Failure>(out.count(tally?)?),
    )?;
    let mut left_out = left_out.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(out.count(std::mem::take(&mut *left_out))?)
}

pub(crate) fn run(args: &Args) -> CmdResult {
    let security = &args.options.security;
    let calendar = match &args.calendar {
        Some(path) => Some((deprecations::read(path)?, Some(security.at.day()?))),
        None => None,
    };
    let fixes = args.fixes.checked()?;
    let quiet = args.quiet || fixes.only_shows();
    let style = Style { format: args.format, verbose: args.verbose, quiet };
    let sources = Arc::new(Sources::new(&args.options));
    // Its validator is that of the settings for each input.
    let seen_before = |freshness| {
        Gate::new(Validator::new(Mode::Interop)).with_replay(ReplayCache::new(&freshness))
    };
    let run = Run {
        sources: &sources,
        style,
        fixes,
        given: args.given,
        now: security.at.time(),
        from: security.source()?,
        replay: security.freshness().map(|fresh| Arc::new(Mutex::new(seen_before(fresh)))),
        calendar,
        baseline: args.baseline.as_deref().map(Baseline::read).transpose()?,
        collects: args.write_baseline.is_some(),
        checkers: Mutex::default(),
    };
    let mut out = if fixes.only_shows() {
        Output::unchanged(style, &args.options.reading)
    } else {
        Output::open(style, &args.options.reading)?
    };
    let given = paths(&args.paths);
    // What is read at once with others must not be about what comes before it.
    let at_once = |path: &Path| run.replay.is_none() && !fixes.rewrites() && path.is_file();
    for paths in given.chunk_by(|one, next| at_once(one) && at_once(next)) {
        match paths {
            [path] if path.is_dir() => walk(&run, args, path, &mut out)?,
            // What it says is written as it comes.
            [path] => {
                let tally = render::input(&run, path, &mut out)?;
                out.count(tally)?;
            }
            several => in_order(
                args.walk.threads(),
                several.iter(),
                |path, sheet| render::input(&run, path, sheet),
                &mut out,
                |out, tally| Ok::<_, Failure>(out.count(tally?)?),
            )?,
        }
    }
    if let Some(baseline) = &run.baseline {
        let root = sources.root();
        let total = out.total();
        // What was not read may still be there; what does not exist is gone.
        total.gone += baseline
            .paths()
            .filter(|(path, _)| !total.known_paths.contains(*path))
            .filter(|(path, _)| baseline::is_gone(&root, path))
            .map(|(_, count)| count)
            .sum::<u64>();
    }
    if let Some(path) = &args.write_baseline {
        baseline::write(path, &out.total().collected)?;
    }
    out.finish(args.require_records)
}
