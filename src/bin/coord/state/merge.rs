//! `coord state merge`

use super::FORMATS;
use super::documents::{self, in_file, of_side};
use crate::input;
use crate::limits::{DocumentLimits, parse};
use crate::output::{
    CmdResult, ExitStatus, Failure, Format, Lines, Print, Printer, cannot_write, complain, failure,
    tell,
};
use crate::replace_file::{self, Readers};
use coordination_protocol::json::Json;
use coordination_protocol::merge::{Conflict, MergePolicy, Strategy, merge, merge_json};
use coordination_protocol::message::{Envelope, EnvelopeHeader};
use serde::Serialize;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord state merge base.json ours.json theirs.json -o merged.json
  coord state merge base.json ours.json theirs.json --strategy theirs
  coord state merge base.json ours.json theirs.json --policy rows.json --format json

Three workflow_state messages are merged field by field as `coord state policy` lists; the result is
a bare message, without the headers. Any other JSON documents are merged member by member, by the
rows of --policy: [{\"pointer\":\"/tags\",\"rule\":\"union\"}]. The result holds ours where there is a
conflict. One of the files may be `-`, standard input.

Exit status: 0 if all is settled, 1 if there are conflicts.")]
pub(super) struct Args {
    /// What both sides started from.
    base: PathBuf,

    /// Our version.
    ours: PathBuf,

    /// Their version.
    theirs: PathBuf,

    /// What becomes of what no rule settles.
    #[arg(long, value_parser = parse::<Strategy>, default_value = "merge", value_name = "ours|theirs|merge|manual")]
    strategy: Strategy,

    /// Rows that go before the built-in ones.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,

    /// Where the documents have their timestamps.
    #[arg(long, default_value = "/timestamp", value_name = "POINTER")]
    clock: String,

    /// Write the merged document here and not to standard output, which `-` is; the file must not be
    /// there.
    #[arg(short, long, value_name = "FILE|-")]
    output: Option<PathBuf>,

    /// Replace the file if it is there.
    #[arg(long, requires = "output")]
    force: bool,

    /// How to print: the document, with conflicts on standard error; or one object with both.
    #[arg(long, value_parser = Format::among(FORMATS), default_value = "human")]
    format: Format,

    #[command(flatten)]
    bounds: DocumentLimits,
}

/// Where the body of a state message is.
const BODY: &str = "/workflow_state";

#[derive(Serialize)]
struct Merged<'a> {
    conflicts: &'a [Conflict],
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<&'a Json>,
}

impl Print for Merged<'_> {
    fn human(&self, _: &mut Lines<'_>) -> io::Result<()> {
        Ok(())
    }

    fn record(&self, out: &mut dyn Write) -> io::Result<()> {
        self.value.map_or(Ok(()), |value| writeln!(out, "{value}"))
    }
}

pub(super) fn run(args: &Args) -> CmdResult {
    let (value, conflicts) = combine(args)?;
    let output = args.output.as_deref().filter(|path| !input::is_stdin(path));
    if let Some(path) = output {
        write(path, args.force, &value).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => {
                cannot_write(path.display(), "it is there already; --force replaces it")
            }
            _ => cannot_write(path.display(), error),
        })?;
    }
    // The document goes on to another program: it is a record, also for people.
    let format = if args.format == Format::Human { Format::Records } else { args.format };
    let mut out = Printer::new(format);
    out.row(&Merged { conflicts: &conflicts, value: output.is_none().then_some(&value) })?;
    if args.format == Format::Human {
        // The document may go on to another program; the conflicts are for the person who runs this.
        out.flush()?;
        listing(&conflicts).iter().for_each(tell);
    }
    out.finish(ExitStatus::found(!conflicts.is_empty()))
}

/// Writes the document. One that is there is replaced only if that is wanted, and at once.
fn write(path: &Path, force: bool, value: &Json) -> io::Result<()> {
    let line = |file: &mut File| writeln!(file, "{value}");
    // A terminal or a pipe has no content that could be lost.
    let is_device = fs::metadata(path).is_ok_and(|meta| !meta.is_file() && !meta.is_dir());
    if force || is_device {
        return replace_file::replace(path, line);
    }
    replace_file::create(path, Readers::Usual, line)
}

/// Reads and merges the documents.
fn combine(args: &Args) -> Result<(Json, Vec<Conflict>), Failure> {
    let limits = args.bounds.limits();
    let paths = [args.base.as_path(), args.ours.as_path(), args.theirs.as_path()];
    let texts = documents::texts(paths, &limits)?;
    let states = documents::states(paths, &texts, &limits)?;
    let mut policy = if states.is_some() { MergePolicy::state() } else { MergePolicy::empty() };
    if let Some(path) = &args.policy {
        let rows = MergePolicy::rows_from_json(&input::text(path, limits.bytes)?, &limits);
        policy = policy.with_rows(rows.map_err(|error| in_file(path, error))?);
    }
    let policy = policy.with_strategy(args.strategy).with_clock(&args.clock).map_err(failure)?;
    let Some([base, ours, theirs]) = states else {
        let [base, ours, theirs] = &texts;
        let merged = merge_json(base, ours, theirs, &policy, &limits)
            .map_err(|error| of_side(&error, ["base", "ours", "theirs"], paths))?;
        return Ok((merged.value, merged.conflicts));
    };
    if [&base.0, &ours.0, &theirs.0].iter().any(|header| **header != EnvelopeHeader::new()) {
        complain("the headers of the messages are left out");
    }
    let mut merged = merge(&base.1, ours.1, &theirs.1, &policy);
    for conflict in &mut merged.conflicts {
        conflict.pointer.insert_str(0, BODY);
    }
    Ok((Json::of(&Envelope::from(merged.value)).map_err(failure)?, merged.conflicts))
}

/// The conflicts for people, line by line.
fn listing(conflicts: &[Conflict]) -> Vec<String> {
    let mut lines = Vec::new();
    for conflict in conflicts {
        let pointer = if conflict.pointer.is_empty() { "the document" } else { &conflict.pointer };
        lines.push(format!("conflict at {pointer}"));
        let sides =
            [("base", &conflict.base), ("ours", &conflict.ours), ("theirs", &conflict.theirs)];
        for (side, value) in sides {
            let value = value.as_ref().map_or("nothing", Json::as_str);
            lines.push(format!("  {side:<6} {value}"));
        }
        lines.push(format!("  rule   {}: {}", conflict.rule, conflict.cause.words()));
    }
    match conflicts.len() {
        0 => {}
        1 => lines.push("1 conflict; the document holds ours there".to_owned()),
        count => lines.push(format!("{count} conflicts; the document holds ours there")),
    }
    lines
}
