//! `coord filter`

use crate::clock;
use crate::input::paths;
use crate::source::{As, Checker};
use crate::{Failure, Outcome, Reading, Result2};
use clap::{Subcommand, ValueEnum};
use coordination_protocol::json::Json;
use coordination_protocol::route::{Filter, FilterInput};
use coordination_protocol::scalar::Timestamp;
use coordination_protocol::validate::Validator;
use serde::Serialize;
use std::io::{self, BufWriter, Write};

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord filter test '/retry_count >= 3' events.log

Exit status: 0 fine, 1 something was found, 2 usage or I/O error; each verb says more.")]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Try a filter against events and messages.
    Test(Test),
}

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord filter test 'workflow prefix wf_ and /retry_count >= 3' events.log
  coord filter test 'severity(/classification/severity) >= high' errors.jsonl
  coord filter test 'priority >= high and age <= 5m' --now 2025-01-15T12:00:00Z < messages.jsonl
  coord filter test '{\"not\":{\"exact\":{\"field\":\"kind\",\"value\":\"event\"}}}' all.jsonl

A test compares a field with a value: FIELD = VALUE, FIELD < NUMBER (also <=, >, >=),
FIELD prefix TEXT, FIELD suffix TEXT, severity >= WORD, priority >= WORD, age <= DURATION.
A field is kind, type, workflow, phase, a header key such as source, or a JSON pointer into the
data. Tests are joined with and, or, not and brackets. What is absent meets no test. The JSON form
is that of a subscription message.

Exit status: 0 if a record is accepted, 1 if none is, 2 for a bad filter or input.")]
struct Test {
    /// The filter, as text or as JSON.
    #[arg(value_name = "EXPR")]
    filter: String,

    /// Files with the records; `-` or none reads standard input.
    #[arg(value_name = "PATH|-")]
    paths: Vec<String>,

    /// What the input is taken for.
    #[arg(long = "as", value_enum, default_value_t = As::Auto)]
    given: As,

    /// The time that ages are measured from; the clock's unless given.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    now: Option<i64>,

    /// How to print.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,

    #[command(flatten)]
    reading: Reading,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people: every record, and whether it is accepted.
    Human,
    /// The accepted records as they are, one a line.
    Records,
    /// JSON: an object a record.
    Json,
}

fn moment(text: &str) -> Result<i64, String> {
    let time = Timestamp::new(text).map_err(|error| error.to_string())?;
    time.unix_millis().ok_or_else(|| format!("`{text}` is no time"))
}

pub(crate) fn run(args: &Args) -> Result2 {
    match &args.verb {
        Verb::Test(args) => test(args),
    }
}

fn compile(text: &str) -> Result<Filter, Failure> {
    if text.trim_start().starts_with('{') {
        let json: Json = text
            .parse()
            .map_err(|error| Failure(format!("the filter is no JSON: {error}\n  {text}")))?;
        return Filter::from_json(&json).map_err(|error| Failure(format!("{error}\n  {text}")));
    }
    Filter::parse(text).map_err(|error| {
        let at = error.at().unwrap_or_default();
        let column = text.get(..at).map_or(0, |head| head.chars().count());
        Failure(format!("{error}\n  {text}\n  {}^", " ".repeat(column)))
    })
}

#[derive(Serialize)]
struct Row<'a> {
    source: &'a str,
    line: u64,
    accepted: bool,
    record: &'a str,
}

fn test(args: &Test) -> Result2 {
    let filter = compile(&args.filter)?;
    let now = args.now.unwrap_or_else(|| clock::now().wall);
    let validator = Validator::from(args.reading.codec());
    let checker = Checker::new(&validator, &args.reading, args.given);
    let mut out = BufWriter::with_capacity(64 << 10, io::stdout());
    let (mut hit, mut unreadable) = (false, false);
    for path in paths(&args.paths) {
        checker.path(path, &mut |source, item| {
            let outcome = &item.outcome;
            let line = item.position(0).0;
            let event = outcome.event.as_ref().map(FilterInput::from);
            let subject = event.or_else(|| outcome.message.as_ref().map(FilterInput::from));
            let Some(subject) = subject else {
                unreadable = true;
                out.flush()?;
                writeln!(
                    anstream::stderr(),
                    "coord: {source}:{line}: neither an event nor a message; `coord check` tells why"
                )?;
                return Ok(());
            };
            let accepted = filter.accepts(&subject, now);
            hit |= accepted;
            let record = String::from_utf8_lossy(item.bytes);
            let record = record.trim();
            match args.format {
                Format::Human => {
                    let word = if accepted { "match" } else { "no match" };
                    writeln!(out, "{word:<8} {record}")?;
                }
                Format::Records if accepted => writeln!(out, "{record}")?,
                Format::Records => {}
                Format::Json => {
                    let row = Row { source, line, accepted, record };
                    let row = serde_json::to_string(&row)
                        .map_err(|error| Failure(error.to_string()))?;
                    writeln!(out, "{row}")?;
                }
            }
            Ok(())
        })?;
    }
    out.flush()?;
    Ok(match (unreadable, hit) {
        (true, _) => Outcome::Unreadable,
        (false, true) => Outcome::Fine,
        (false, false) => Outcome::Found,
    })
}
