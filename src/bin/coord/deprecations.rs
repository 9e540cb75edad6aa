//! `coord deprecations`

use crate::{Failure, Outcome, Result2};
use clap::ValueEnum;
use coordination_protocol::finding::FindingSeverity;
use coordination_protocol::version::{Calendar, Date, Notice};
use serde::Serialize;
use std::io::Write;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord deprecations
  coord deprecations --calendar notices.json --on 2025-06-01

A calendar is {\"notices\":[{\"subject\":{\"event_type\":\"...\"},\"since\":\"1.1.0\",
\"announced\":\"2025-01-15\",\"sunset\":\"2025-06-01\",\"replacement\":\"...\"}]}; a subject is also
{\"message\":...}, {\"field\":...}, {\"word\":...,\"of\":...} or {\"version\":...}.

Exit status: 0 if nothing has ended, 1 if something has, 2 for a bad calendar or date.")]
pub(crate) struct Args {
    /// The day to look from, in UTC; today if left out.
    #[arg(long, value_parser = day, value_name = "YYYY-MM-DD")]
    on: Option<Date>,

    /// A calendar of your own instead of the protocol's.
    #[arg(long, value_name = "FILE")]
    calendar: Option<String>,

    /// How to print.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// A line a notice.
    Human,
    /// A JSON array.
    Json,
}

pub(crate) fn day(text: &str) -> Result<Date, String> {
    text.parse().map_err(|error: coordination_protocol::version::VersionError| {
        error.reason().unwrap_or_default().to_owned()
    })
}

pub(crate) fn read(path: &str) -> Result<Calendar, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure(format!("cannot read {path}: {error}")))?;
    Calendar::from_json(&text).map_err(|error| Failure(format!("{path}: {error}")))
}

#[derive(Serialize)]
struct Row<'a> {
    #[serde(flatten)]
    notice: &'a Notice,
    severity: Option<FindingSeverity>,
    days_left: i64,
}

pub(crate) fn run(args: &Args) -> Result2 {
    let calendar = match &args.calendar {
        None => Calendar::current(),
        Some(path) => read(path)?,
    };
    let on = match args.on {
        Some(day) => day,
        None => today()?,
    };
    let rows: Vec<Row<'_>> = calendar
        .notices()
        .iter()
        .map(|notice| Row {
            notice,
            severity: notice.severity_on(on),
            days_left: on.days_until(notice.sunset()),
        })
        .collect();
    let mut out = anstream::stdout();
    match args.format {
        Format::Json => {
            let text =
                serde_json::to_string_pretty(&rows).map_err(|error| Failure(error.to_string()))?;
            writeln!(out, "{text}")?;
        }
        Format::Human if rows.is_empty() => writeln!(out, "no deprecations")?,
        Format::Human => {
            for row in &rows {
                writeln!(out, "{}", line(row))?;
            }
        }
    }
    let ended = rows.iter().any(|row| row.severity == Some(FindingSeverity::Error));
    Ok(if ended { Outcome::Found } else { Outcome::Fine })
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

fn today() -> Result<Date, Failure> {
    Date::from_unix_millis(crate::clock::now().wall)
        .ok_or_else(|| Failure("the clock shows no usable day; give one with --on".to_owned()))
}
