//! `coord filter test`

use crate::clock::At;
use crate::output::{
    CmdResult, ExitStatus, Failure, Format, Lines, Print, Printer, pointing, showing,
};
use crate::subject::{Records, Subject};
use coordination_protocol::json::Json;
use coordination_protocol::route::{Filter, FilterInput};
use serde::Serialize;
use std::io::{self, Write};
use std::path::PathBuf;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord filter test 'workflow prefix wf_ and /retry_count >= 3' events.log
  coord filter test 'severity(/classification/severity) >= high' errors.jsonl
  coord filter test 'priority >= high and age <= 5m' --at 2025-01-15T12:00:00Z < messages.jsonl
  coord filter test '{\"not\":{\"exact\":{\"field\":\"kind\",\"value\":\"event\"}}}' all.jsonl

A test compares a field with a value: FIELD = VALUE, FIELD < NUMBER (also <=, >, >=),
FIELD prefix TEXT, FIELD suffix TEXT, severity >= WORD, priority >= WORD, age <= DURATION.
A field is kind, type, workflow, phase, a header key such as source, or a JSON pointer into the
data. Tests are joined with and, or, not and brackets. What is absent meets no test. The JSON form
is that of a subscription message.

A record that `coord check` finds invalid is told on standard error and meets no filter.

Exit status: 0 if a record is accepted, 1 if none is.")]
pub(super) struct Args {
    /// The filter, as text or as JSON.
    #[arg(value_name = "EXPR")]
    filter: String,

    /// Files with the records; `-` or none reads standard input.
    #[arg(value_name = "PATH|-")]
    paths: Vec<PathBuf>,

    #[command(flatten)]
    at: At,

    /// How to print.
    #[arg(long, value_parser = Format::among(FORMATS), default_value = "human")]
    format: Format,

    #[command(flatten)]
    records: Records,
}

const FORMATS: &[(Format, &str)] = &[
    (Format::Human, "For people: every record, and whether it is accepted"),
    (Format::Records, "The accepted records as they are, one a line"),
    (Format::Json, "JSON: an object a record"),
];

pub(crate) fn compile(text: &str) -> Result<Filter, Failure> {
    if text.trim_start().starts_with('{') {
        let json: Json = text
            .parse()
            .map_err(|error| showing(format_args!("the filter is no JSON: {error}"), text))?;
        return Filter::from_json(&json).map_err(|error| showing(error, text));
    }
    Filter::parse(text).map_err(|error| pointing(&error, text, error.at().unwrap_or_default()))
}

#[derive(Serialize)]
struct Row<'a> {
    source: &'a str,
    line: u64,
    accepted: bool,
    record: &'a str,
}

impl Print for Row<'_> {
    fn human(&self, out: &mut Lines<'_>) -> io::Result<()> {
        let word = if self.accepted { "match" } else { "no match" };
        out.line(format_args!("{word:<8} {}", Subject::on_one_line(self.record)))
    }

    fn record(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.accepted { writeln!(out, "{}", self.record) } else { Ok(()) }
    }
}

pub(super) fn run(args: &Args) -> CmdResult {
    let filter = compile(&args.filter)?;
    let mut out = Printer::new(args.format);
    let mut hit = false;
    let broken = args.records.each(&args.paths, &mut out, &mut |subject, out| {
        let outcome = &subject.item.outcome;
        let event = outcome.event.as_ref().map(FilterInput::from);
        let Some(input) = event.or_else(|| outcome.message.as_ref().map(FilterInput::from)) else {
            return Ok(());
        };
        let accepted = filter.accepts(&input, args.at.time());
        hit |= accepted;
        let Subject { source, line, .. } = *subject;
        Ok(out.row(&Row { source, line, accepted, record: &subject.text() })?)
    })?;
    out.finish(ExitStatus::found(!hit).or(broken))
}
