//! `coord convert`

use crate::limits::Reading;
use crate::output::{CmdResult, ExitStatus, Format, Printer};
use crate::show;
use crate::source::{As, Checker, Item};
use clap::ValueEnum;
use coordination_protocol::finding::Verdict;
use coordination_protocol::validate::Validator;
use std::io::{self, Write};
use std::path::PathBuf;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord convert --to json events.log       events and messages as envelopes, one a line
  coord convert --to line envelopes.jsonl  events as lines
  coord convert --to line deviating.log    rewrite deviating lines canonically

Standard error tells what a deviating record deviates in, and what of an envelope has no room in an
event line. Nothing is written for an invalid record, or for a message that is no event and should
become a line.

Exit status: 0 if all records were converted, 1 if some were not.")]
pub(crate) struct Args {
    /// Files to convert; `-` or none reads standard input.
    #[arg(value_name = "PATH|-")]
    paths: Vec<PathBuf>,

    /// What to write.
    #[arg(long, value_enum)]
    to: Form,

    /// What the input is taken for.
    #[arg(long = "as", value_enum, default_value_t = As::Auto)]
    given: As,

    #[command(flatten)]
    reading: Reading,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// Canonical event lines.
    Line,
    /// Envelopes, one JSON object a line.
    Json,
}

pub(crate) fn run(args: &Args) -> CmdResult {
    let validator = Validator::from(args.reading.codec());
    let checker = Checker::new(&validator, &args.reading, args.given);
    let mut out = Printer::new(Format::Records);
    let mut failed = false;
    let all = checker.paths(&args.paths, &mut |source, item| {
        let source = source.name();
        if item.outcome.report.verdict() > Verdict::Valid {
            out.draw(&show::record(source, &item, false))?;
        }
        failed |= !write(&mut out, args.to, source, &item)?;
        Ok(out.settle()?)
    })?;
    out.finish(ExitStatus::found(failed).or(all))
}

/// Writes a record in the form; whether it could.
fn write(out: &mut Printer, form: Form, source: &str, item: &Item<'_>) -> io::Result<bool> {
    let outcome = &item.outcome;
    if !outcome.is_accepted() {
        return Ok(false);
    }
    if let (Form::Line, Some(event)) = (form, &outcome.event) {
        let mut line = Vec::with_capacity(256);
        event.write_canonical(&mut line);
        line.push(b'\n');
        out.write_all(&line)?;
        return Ok(true);
    }
    let Ok(envelope) = outcome.clone().accept() else { return Ok(false) };
    let made = outcome.message.as_ref().and_then(|message| message.to_envelope_text().ok());
    match form {
        Form::Json => {
            if let Some(made) = made.filter(|made| !made.lost.is_empty()) {
                let line = item.position(0).0;
                let lost = made.lost.join(", ");
                out.complain(format_args!(
                    "{source}:{line}: left out {lost}, which was made over another form of the message; sign it anew"
                ))?;
            }
            writeln!(out, "{}", *envelope)?;
        }
        Form::Line => {
            let line = item.position(0).0;
            match envelope.to_line() {
                Ok(converted) => {
                    if !converted.lost.is_empty() {
                        let lost = converted.lost.join(", ");
                        out.complain(format_args!(
                            "{source}:{line}: the line has no room for {lost}"
                        ))?;
                    }
                    writeln!(out, "{}", converted.line)?;
                }
                Err(error) => {
                    out.complain(format_args!("{source}:{line}: {error}"))?;
                    return Ok(false);
                }
            }
        }
    }
    Ok(true)
}
