//! `coord route match`

use super::compile;
use crate::input::open;
use crate::output::{CmdResult, ExitStatus, Failure, Format, Lines, Print, Printer, failure};
use coordination_protocol::event::Registry;
use coordination_protocol::route::RouteKey;
use serde::Serialize;
use std::io::{self, BufRead as _};

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord route match 'resource.*.allocated' resource.wf_001.allocated
  coord route match 'TASK_FAILED.>' < events.log

Keys are `scope.workflow.word`, `TYPE.workflow.phase`, or event lines; one a line on standard input.

Exit status: 0 if a key matches, 1 if none does, 2 for a bad pattern or key.")]
pub(super) struct Args {
    /// The pattern.
    pattern: String,
    /// Keys or lines; standard input if there are none.
    keys: Vec<String>,
}

#[derive(Serialize)]
struct Match<'a> {
    key: &'a str,
    matches: bool,
}

impl Print for Match<'_> {
    fn human(&self, out: &mut Lines<'_>) -> io::Result<()> {
        let word = if self.matches { "match" } else { "no match" };
        out.line(format_args!("{word:<8} {}", self.key))
    }
}

pub(super) fn run(args: &Args, registry: &Registry, format: Format) -> CmdResult {
    let pattern = compile(&args.pattern)?;
    let mut out = Printer::new(format);
    let mut hit = false;
    let mut one = |text: &str| -> Result<(), Failure> {
        let key = RouteKey::parse_with(registry, text)
            .map_err(|error| failure(format_args!("`{text}` is no key: {error}")))?;
        let matches = pattern.matches(&key);
        hit |= matches;
        Ok(out.row(&Match { key: text, matches })?)
    };
    if args.keys.is_empty() {
        for line in open("-")?.reader.lines() {
            let line = line?;
            if !line.trim().is_empty() {
                one(&line)?;
            }
        }
    } else {
        args.keys.iter().try_for_each(|key| one(key))?;
    }
    out.finish(ExitStatus::found(!hit))
}
