//! `coord deprecations`

use crate::clock::At;
use crate::input;
use crate::output::{CmdResult, ExitStatus, Failure, Format, Lines, Print, Printer, failure};
use coordination_protocol::finding::FindingSeverity;
use coordination_protocol::version::{Calendar, Notice};
use serde::Serialize;
use std::io;
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord deprecations
  coord deprecations --calendar notices.json --at 2025-06-01

A calendar is {\"notices\":[{\"subject\":{\"event_type\":\"...\"},\"since\":\"1.1.0\",
\"announced\":\"2025-01-15\",\"sunset\":\"2025-06-01\",\"replacement\":\"...\"}]}; a subject is also
{\"message\":...}, {\"field\":...}, {\"word\":...,\"of\":...} or {\"version\":...}.

Exit status: 0 if nothing has ended, 1 if something has.")]
pub(crate) struct Args {
    #[command(flatten)]
    at: At,

    /// A calendar of your own instead of the protocol's; `-` is standard input.
    #[arg(long, value_name = "FILE")]
    calendar: Option<PathBuf>,

    /// How to print.
    #[arg(long, value_parser = Format::among(FORMATS), default_value = "human")]
    format: Format,
}

const FORMATS: &[(Format, &str)] =
    &[(Format::Human, "A line a notice"), (Format::Json, "A JSON array")];

/// No calendar is near this many bytes.
const MOST: usize = 16 << 20;

pub(crate) fn read(path: &Path) -> Result<Calendar, Failure> {
    let text = input::text(path, MOST)?;
    Calendar::from_json(&text)
        .map_err(|error| failure(format_args!("{}: {error}", input::name(path))))
}

#[derive(Serialize)]
struct Row<'a> {
    #[serde(flatten)]
    notice: &'a Notice,
    severity: Option<FindingSeverity>,
    days_left: i64,
}

/// All notices, as of one day.
#[derive(Serialize)]
#[serde(transparent)]
struct Rows<'a>(Vec<Row<'a>>);

impl Print for Rows<'_> {
    fn human(&self, out: &mut Lines<'_>) -> io::Result<()> {
        if self.0.is_empty() {
            return out.line("no deprecations");
        }
        self.0.iter().try_for_each(|row| out.line(line(row)))
    }
}

pub(crate) fn run(args: &Args) -> CmdResult {
    let calendar = match &args.calendar {
        None => Calendar::current(),
        Some(path) => read(path)?,
    };
    let on = args.at.day()?;
    let row = |notice| Row {
        notice,
        severity: Notice::severity_on(notice, on),
        days_left: on.days_until(notice.sunset()),
    };
    let rows = Rows(calendar.notices().iter().map(row).collect());
    let ended = rows.0.iter().any(|row| row.severity == Some(FindingSeverity::Error));
    let mut out = Printer::new(args.format);
    out.document(&rows)?;
    out.finish(ExitStatus::found(ended))
}

fn line(row: &Row<'_>) -> String {
    let notice = row.notice;
    let state = match row.severity {
        None => format!("will be announced on {}, ends on {}", notice.announced(), notice.sunset()),
        Some(FindingSeverity::Error) => format!("error: gone since {}", notice.sunset()),
        Some(_) => {
            let days = if row.days_left == 1 { "day" } else { "days" };
            format!("warning: ends on {}, in {} {days}", notice.sunset(), row.days_left)
        }
    };
    let instead = notice.replacement().map_or(String::new(), |name| format!("; use `{name}`"));
    format!("{}, deprecated since {}: {state}{instead}", notice.subject(), notice.since())
}
