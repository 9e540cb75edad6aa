//! `coord check`

use crate::input::{open, paths};
use crate::{Outcome, Reading, Result2, show};
use clap::ValueEnum;
use coordination_protocol::event::{RawRecord, Record};
use coordination_protocol::finding::{Finding, Verdict};
use serde::Serialize;
use std::io::{self, BufWriter, Write};

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord check events.log
  coord check --mode strict --format json - < events.log
  my-command | coord check

A record is one event line, or one whose data goes on over line breaks.
Exit status: 0 if no record is invalid, 1 if one is, 2 for usage and I/O errors.")]
pub(crate) struct Args {
    /// Files to check; `-` or none reads standard input.
    #[arg(value_name = "PATH|-")]
    paths: Vec<String>,

    #[command(flatten)]
    reading: Reading,

    /// How to print: for people, or one JSON object per record.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,

    /// Show notes too, and valid records with nothing else.
    #[arg(long, short)]
    verbose: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Diagnostics that point into the source, and a summary.
    Human,
    /// One JSON object per record and nothing else.
    Json,
}

/// The JSON form of a checked record.
#[derive(Serialize)]
struct Row<'a> {
    source: &'a str,
    line: u64,
    column: u64,
    kind: &'static str,
    #[serde(rename = "type")]
    type_name: Option<&'a str>,
    verdict: Verdict,
    findings: &'a [Finding],
    #[serde(skip_serializing_if = "is_zero")]
    omitted: usize,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

#[derive(Default)]
struct Counts {
    valid: u64,
    deviating: u64,
    invalid: u64,
}

pub(crate) fn run(args: &Args) -> Result2 {
    let codec = args.reading.codec();
    let mut counts = Counts::default();
    let mut plain = BufWriter::with_capacity(64 << 10, io::stdout());
    let mut styled = anstream::stdout();
    let mut unreadable = false;
    for path in paths(&args.paths) {
        let input = match open(path) {
            Ok(input) => input,
            // The other files are still worth a look; the exit status will tell.
            Err(crate::Failure(message)) => {
                writeln!(anstream::stderr(), "coord: {message}")?;
                unreadable = true;
                continue;
            }
        };
        let mut records = codec.records(input.reader);
        while let Some(raw) = records
            .next_record()
            .map_err(|error| crate::Failure(format!("cannot read {}: {error}", input.name)))?
        {
            let record = codec.check_bytes(raw.bytes);
            let verdict = record.report.verdict();
            match verdict {
                Verdict::Valid => counts.valid += 1,
                Verdict::Deviating => counts.deviating += 1,
                _ => counts.invalid += 1,
            }
            match args.format {
                Format::Json => print_row(&mut plain, &input.name, raw, &record)?,
                Format::Human if verdict == Verdict::Valid && !args.verbose => {}
                Format::Human => {
                    let text = show::record(&input.name, raw, &record, args.verbose);
                    styled.write_all(text.as_bytes())?;
                }
            }
        }
    }
    plain.flush()?;
    if args.format == Format::Human {
        let total = counts.valid + counts.deviating + counts.invalid;
        writeln!(
            styled,
            "{total} record{}: {} valid, {} deviating, {} invalid ({} mode, protocol {})",
            if total == 1 { "" } else { "s" },
            counts.valid,
            counts.deviating,
            counts.invalid,
            args.reading.mode,
            args.reading.protocol,
        )?;
    }
    Ok(match counts.invalid {
        _ if unreadable => Outcome::Unreadable,
        0 => Outcome::Fine,
        _ => Outcome::Found,
    })
}

fn print_row(
    out: &mut impl Write,
    source: &str,
    raw: RawRecord<'_>,
    record: &Record<'_>,
) -> io::Result<()> {
    let row = Row {
        source,
        line: raw.line,
        column: 1,
        kind: if record.type_name.is_some() { "event" } else { "unknown" },
        type_name: record.type_name,
        verdict: record.report.verdict(),
        findings: record.report.findings(),
        omitted: record.report.omitted(),
    };
    serde_json::to_writer(&mut *out, &row)?;
    out.write_all(b"\n")
}
