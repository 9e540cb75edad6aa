//! `coord route match`

use super::compile;
use crate::output::{CmdResult, ExitStatus, Failure, Format, Lines, Print, Printer, failure};
use crate::subject::{Records, Subject};
use coordination_protocol::event::Registry;
use coordination_protocol::message::Message;
use coordination_protocol::route::{Pattern, RouteKey};
use coordination_protocol::validate::ValidationOutcome;
use serde::Serialize;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord route match 'resource.*.allocated' resource.wf_001.allocated
  coord route match 'TASK_FAILED.>' events.log
  my-command | coord route match 'TASK_FAILED.>' --format records

A key is `scope.workflow.word`, `TYPE.workflow.phase`, or the header of an event line. An argument
that is the name of a file stands for the records in it: event lines and JSON messages, as
`coord check` finds them. A record that it finds invalid is told on standard error and matches
nothing.

Exit status: 0 if a key or record matches, 1 if none does.")]
pub(super) struct Args {
    /// The pattern.
    pattern: String,

    /// Keys, and files with records; `-` or none reads records from standard input.
    #[arg(value_name = "KEY|PATH|-")]
    tried: Vec<PathBuf>,

    /// How to print.
    #[arg(long, value_parser = Format::among(FORMATS), default_value = "human")]
    format: Format,

    #[command(flatten)]
    records: Records,
}

const FORMATS: &[(Format, &str)] = &[
    (Format::Human, "For people: every key or record, and whether it matches"),
    (Format::Records, "The matching records as they are, one a line"),
    (Format::Json, "JSON: an object a key or record"),
];

#[derive(Serialize)]
struct Match<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    /// The routing key; none for a message that patterns have no name for.
    key: Option<String>,
    matches: bool,
    #[serde(skip)]
    shown: &'a str,
}

impl Print for Match<'_> {
    fn human(&self, out: &mut Lines<'_>) -> io::Result<()> {
        let word = if self.matches { "match" } else { "no match" };
        out.line(format_args!("{word:<8} {}", Subject::on_one_line(self.shown)))
    }

    fn record(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.matches { writeln!(out, "{}", self.shown) } else { Ok(()) }
    }
}

/// Keys stand for themselves, paths for the records in them.
enum Given {
    Key(String, RouteKey<'static>),
    Path(PathBuf),
}

pub(super) fn run(args: &Args) -> CmdResult {
    let pattern = compile(&args.pattern)?;
    let registry = Registry::new(args.records.reading().protocol.clone());
    let stdin = [PathBuf::from("-")];
    let given = if args.tried.is_empty() { &stdin[..] } else { &args.tried };
    let given: Vec<Given> =
        given.iter().map(|text| read(text, &registry)).collect::<Result<_, _>>()?;
    let mut out = Printer::new(args.format);
    let (mut hit, mut broken) = (false, ExitStatus::Done);
    for one in given {
        match one {
            Given::Key(text, key) => {
                let matches = pattern.matches(&key);
                hit |= matches;
                let key = Some(key.to_string());
                out.row(&Match { source: None, line: None, key, matches, shown: &text })?;
            }
            Given::Path(path) => {
                let read = records(args, path, &registry, &pattern, &mut hit, &mut out)?;
                broken = broken.or(read);
            }
        }
    }
    out.finish(ExitStatus::found(!hit).or(broken))
}

fn read(given: &Path, registry: &Registry) -> Result<Given, Failure> {
    if given.as_os_str() == "-" || given.exists() {
        return Ok(Given::Path(given.to_owned()));
    }
    let text = given.to_string_lossy();
    match RouteKey::parse_with(registry, &text) {
        Ok(key) => Ok(Given::Key(text.into_owned(), key)),
        Err(error) => Err(failure(format_args!("`{text}` is neither a file nor a key: {error}"))),
    }
}

/// Tries the records of a path. Tells whether one was broken.
fn records(
    args: &Args,
    path: PathBuf,
    registry: &Registry,
    pattern: &Pattern,
    hit: &mut bool,
    out: &mut Printer,
) -> CmdResult {
    args.records.each(&[path], out, &mut |subject, out| {
        let (key, matches) = tried(&subject.item.outcome, registry, pattern);
        *hit |= matches;
        let (source, line) = (Some(subject.source), Some(subject.line));
        Ok(out.row(&Match { source, line, key, matches, shown: &subject.text() })?)
    })
}

/// The key of a record, and whether the pattern selects it.
fn tried(
    outcome: &ValidationOutcome<'_>,
    registry: &Registry,
    pattern: &Pattern,
) -> (Option<String>, bool) {
    let answer = |key: RouteKey<'_>| (Some(key.to_string()), pattern.matches(&key));
    if let Some(event) = &outcome.event {
        let (name, workflow, phase) = (event.type_name(), event.workflow(), event.phase());
        return answer(RouteKey::with_registry(registry, name, workflow, phase));
    }
    let Ok(envelope) = outcome.clone().accept() else { return (None, false) };
    if let Message::Event(body) = &envelope.message {
        let event = &body.event;
        let (workflow, phase) = (event.workflow_id.as_str(), event.phase.as_str());
        return answer(RouteKey::with_registry(registry, event.type_name(), workflow, phase));
    }
    RouteKey::of(&envelope).map_or((None, false), answer)
}
