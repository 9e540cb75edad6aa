//! `coord check`

use crate::deprecations::{self, day};
use crate::input::paths;
use crate::limits::Reading;
use crate::output::{CmdResult, ExitStatus, Failure, Format, Print, Printer};
use crate::sarif::Sarif;
use crate::security::Security;
use crate::show;
use crate::source::{As, Checker, Item};
use coordination_protocol::finding::{Finding, Verdict};
use coordination_protocol::validate::{Security as Checks, Validator};
use coordination_protocol::version::Date;
use serde::Serialize;
use std::io::{self, Write};
use std::path::PathBuf;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord check events.log
  coord check --mode strict --format json - < messages.json
  coord check commands/*.md scripts/publish.sh
  coord check --permissions registrations.json --keys keys.json --fresh inbox.jsonl
  coord check --calendar notices.json --on 2025-06-01 events.log
  my-command | coord check

A record is an event line, a JSON message (on one line or many), or an element of an array of
messages. In Markdown and shell files, the messages in fenced blocks, here-documents and quoted
arguments are checked where they stand. What an input holds is told by its content.

Exit status: 0 if no record is invalid, 1 if one is, 2 for usage and I/O errors.")]
pub(crate) struct Args {
    /// Files to check; `-` or none reads standard input.
    #[arg(value_name = "PATH|-")]
    paths: Vec<PathBuf>,

    #[command(flatten)]
    reading: Reading,

    #[command(flatten)]
    security: Security,

    /// Find uses of what a calendar announces to end; `coord deprecations --help` shows its form.
    #[arg(long, value_name = "FILE")]
    calendar: Option<String>,

    /// The day to judge them by, in UTC; that of `--at` if left out.
    #[arg(long, value_parser = day, value_name = "YYYY-MM-DD", requires = "calendar")]
    on: Option<Date>,

    /// What the input is taken for.
    #[arg(long = "as", value_enum, default_value_t = As::Auto)]
    given: As,

    /// How to print.
    #[arg(long, value_parser = Format::among(FORMATS), default_value = "human")]
    format: Format,

    /// Show notes too, and valid records with nothing else.
    #[arg(long, short)]
    verbose: bool,
}

const FORMATS: &[(Format, &str)] = &[
    (Format::Human, "Diagnostics that point into the source, and a summary"),
    (Format::Json, "One JSON object per record and nothing else"),
    (Format::Sarif, "One SARIF 2.1.0 log, which code hosts show in place"),
];

/// A checked record.
#[derive(Serialize)]
struct Row<'a> {
    source: &'a str,
    line: u64,
    column: u64,
    kind: &'static str,
    #[serde(rename = "type")]
    type_name: Option<&'a str>,
    verdict: Verdict,
    security: String,
    findings: Vec<Sited<'a>>,
    #[serde(skip_serializing_if = "is_zero")]
    omitted: usize,
    /// The diagnostics, drawn.
    #[serde(skip)]
    drawn: String,
}

/// A finding and its place in the source.
#[derive(Serialize)]
struct Sited<'a> {
    #[serde(flatten)]
    finding: &'a Finding,
    line: u64,
    column: u64,
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

pub(crate) fn run(args: &Args) -> CmdResult {
    let policy = args.security.policy(&args.reading)?;
    let validator = Validator::from(args.reading.codec()).with_policy(policy);
    let mut checker = Checker::new(&validator, &args.reading, args.given);
    checker.now = Some(args.security.now()?);
    checker.from = args.security.source()?;
    checker.replay = args.security.freshness();
    if let Some(path) = &args.calendar {
        checker.calendar = Some((deprecations::read(path)?, args.on));
    }
    let mut counts = Counts::default();
    let mut out = Printer::styled(args.format);
    let mut sarif = Sarif::new();
    let mut security = Checks::default();
    let mut unreadable = false;
    if args.format == Format::Sarif {
        Sarif::open(&mut out)?;
    }
    for path in paths(&args.paths) {
        let result = checker.path(path, &mut |source, item| {
            let verdict = item.outcome.report.verdict();
            match verdict {
                Verdict::Valid => counts.valid += 1,
                Verdict::Deviating => counts.deviating += 1,
                _ => counts.invalid += 1,
            }
            let done = item.outcome.security;
            security.permissions |= done.permissions;
            security.signature |= done.signature;
            security.freshness |= done.freshness;
            security.replay |= done.replay;
            match args.format {
                Format::Sarif => sarif.record(&mut out, source.name(), &item, args.verbose)?,
                Format::Human if verdict == Verdict::Valid && !args.verbose => {}
                format => out.row(&Row::new(source.name(), &item, format, args.verbose))?,
            }
            Ok(())
        });
        // The other files are still checked; the exit status will tell.
        if let Err(Failure(message)) = result {
            out.complain(message)?;
            unreadable = true;
        }
    }
    if args.format == Format::Sarif {
        sarif.close(&mut out)?;
    }
    if args.format == Format::Human {
        let total = counts.valid + counts.deviating + counts.invalid;
        out.note(format_args!(
            "{total} record{}: {} valid, {} deviating, {} invalid ({} mode, protocol {}, security {security})",
            if total == 1 { "" } else { "s" },
            counts.valid,
            counts.deviating,
            counts.invalid,
            args.reading.mode,
            args.reading.protocol,
        ))?;
    }
    out.finish(match counts.invalid {
        _ if unreadable => ExitStatus::Failed,
        invalid => ExitStatus::found(invalid > 0),
    })
}

impl<'a> Row<'a> {
    /// Only what the format needs is made: drawing costs more than checking.
    fn new(source: &'a str, item: &'a Item<'_>, format: Format, verbose: bool) -> Self {
        let outcome = &item.outcome;
        let (line, column) = item.position(0);
        let mut findings = Vec::new();
        let mut drawn = String::new();
        if format == Format::Human {
            drawn = show::record(source, item, verbose);
        } else {
            for finding in outcome.report.findings() {
                let (line, column) = item.position(finding.range.start);
                findings.push(Sited { finding, line, column });
            }
        }
        Row {
            source,
            line,
            column,
            kind: outcome.kind.as_str(),
            type_name: outcome.type_name.as_deref(),
            verdict: outcome.report.verdict(),
            security: outcome.security.to_string(),
            findings,
            omitted: outcome.report.omitted(),
            drawn,
        }
    }
}

impl Print for Row<'_> {
    fn human(&self, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(self.drawn.as_bytes())
    }
}
