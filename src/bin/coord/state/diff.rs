//! `coord state diff`

use super::FORMATS;
use super::documents::{self, of_side};
use crate::limits::DocumentLimits;
use crate::output::{CmdResult, ExitStatus, Format, Lines, Print, Printer};
use coordination_protocol::merge::{Difference, Relation, diff, relation};
use serde::Serialize;
use std::io;
use std::path::PathBuf;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord state diff yesterday.json today.json
  coord state diff a.json b.json --format json

Values are compared by what they mean: 8 and 8.0 do not differ, nor do members in another order.
One of the files may be `-`, standard input.

Exit status: 0 if nothing differs, 1 if something does.")]
pub(super) struct Args {
    /// The first document.
    before: PathBuf,

    /// The second document.
    after: PathBuf,

    /// How to print.
    #[arg(long, value_parser = Format::among(FORMATS), default_value = "human")]
    format: Format,

    #[command(flatten)]
    bounds: DocumentLimits,
}

#[derive(Serialize)]
struct Differences<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    relation: Option<&'static str>,
    changes: &'a [Difference],
    /// The relation in words.
    #[serde(skip)]
    related: Option<Relation>,
}

impl Print for Differences<'_> {
    fn human(&self, out: &mut Lines<'_>) -> io::Result<()> {
        for change in self.changes {
            out.line(change)?;
        }
        self.related
            .map_or(Ok(()), |relation| out.line(format_args!("the second state is {relation}")))
    }
}

pub(super) fn run(args: &Args) -> CmdResult {
    let limits = args.bounds.limits();
    let paths = [args.before.as_path(), args.after.as_path()];
    let texts = documents::texts(paths, &limits)?;
    let related: Option<Relation> = documents::states(paths, &texts, &limits)?
        .map(|[before, after]| relation(&before.1, &after.1));
    let changes = diff(&texts[0], &texts[1], &limits)
        .map_err(|error| of_side(&error, ["before", "after"], paths))?;
    let mut out = Printer::new(args.format);
    let relation = related.map(Relation::as_str);
    out.row(&Differences { relation, changes: &changes, related })?;
    out.finish(ExitStatus::found(!changes.is_empty()))
}
