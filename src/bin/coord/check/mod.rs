//! `coord check`

mod annotation;
mod judge;
mod output;
mod render;
mod row;
mod sarif;
mod summary;
mod tally;

use crate::deprecations;
use crate::input::paths;
use crate::limits::Reading;
use crate::output::{CmdResult, Failure, Format};
use crate::security::Security;
use crate::source::{As, Checker, WalkArgs, in_order};
use coordination_protocol::validate::Validator;
use output::Output;
use render::Style;
use std::path::PathBuf;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord check events.log
  coord check --mode strict --format json - < messages.json
  coord check commands/*.md scripts/publish.sh
  coord check . --glob '!vendor/**' --require-records
  coord check --permissions registrations.json --keys keys.json --fresh inbox.jsonl
  coord check --calendar notices.json --at 2025-06-01 events.log
  my-command | coord check

A record is an event line, a JSON message (on one line or many), or an element of an array of
messages. In Markdown, shell and YAML files, the messages in fenced blocks, here-documents and quoted
arguments are checked where they stand; in logs, those behind a time, a level and the like. What a
file is, its extension tells, else its content; -v names it.

A folder is walked with the ignore rules of its repository: files with the extensions md, mdx, sh,
bash, zsh, json, jsonl, log, txt, yml and yaml, and shell scripts without one. Symbolic links, binary
files and .git are passed over. What is met there is a message only if it looks like one.

Exit status: 0 if no record is invalid, 1 if one is, or if --require-records finds none, 2 for usage
and I/O errors.")]
pub(crate) struct Args {
    /// Files to check, and folders to walk; `-` or none reads standard input.
    #[arg(value_name = "PATH|-")]
    paths: Vec<PathBuf>,

    #[command(flatten)]
    walk: WalkArgs,

    #[command(flatten)]
    reading: Reading,

    #[command(flatten)]
    security: Security,

    /// Find uses of what a calendar announces to end; `coord deprecations --help` shows its form.
    #[arg(long, value_name = "FILE")]
    calendar: Option<String>,

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

pub(crate) fn run(args: &Args) -> CmdResult {
    let policy = args.security.policy(&args.reading)?;
    let validator = Validator::from(args.reading.codec()).with_policy(policy);
    let mut checker = Checker::new(&validator, &args.reading, args.given);
    checker.now = Some(args.security.at.millis());
    checker.from = args.security.source()?;
    checker.replay = args.security.freshness();
    if let Some(path) = &args.calendar {
        let day = args.security.at.day()?;
        checker.calendar = Some((deprecations::read(path)?, Some(day)));
    }
    let style = Style { format: args.format, verbose: args.verbose, quiet: args.quiet };
    let mut out = Output::open(style, &args.reading)?;
    for path in paths(&args.paths) {
        if path.is_dir() {
            in_order(
                args.walk.threads(),
                args.walk.walk(path)?,
                |entry, sheet| render::entry(&checker, entry, style, sheet),
                &mut out,
                |out, tally| Ok::<_, Failure>(out.count(tally?)?),
            )?;
        } else {
            let tally = render::input(&checker, path, style, &mut out)?;
            out.count(tally)?;
        }
    }
    out.finish(args.require_records)
}
