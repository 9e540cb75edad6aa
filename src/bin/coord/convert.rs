//! `coord convert`

use crate::input::{open, paths};
use crate::{Failure, Outcome, Reading, Result2, show};
use clap::ValueEnum;
use coordination_protocol::event::Event;
use coordination_protocol::finding::Verdict;
use coordination_protocol::json::{self, Kind};
use serde::Serialize;
use std::io::{self, BufWriter, Write};

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord convert --to json events.log
  coord convert --to line events.jsonl
  coord convert --to line deviating.log    rewrite deviating lines canonically

The JSON form is {\"event\":{\"event_type\",\"workflow_id\",\"phase\",\"data\"}}; the inner object alone is read, too.
What a deviating record deviates in goes to standard error. Nothing is written for an invalid one.")]
pub(crate) struct Args {
    /// Files to convert; `-` or none reads standard input.
    #[arg(value_name = "PATH|-")]
    paths: Vec<String>,

    /// What to write.
    #[arg(long, value_enum)]
    to: Form,

    #[command(flatten)]
    reading: Reading,
}

#[derive(Clone, Copy, ValueEnum)]
enum Form {
    /// Canonical event lines.
    Line,
    /// One JSON object a line.
    Json,
}

#[derive(Serialize)]
struct Envelope<'a> {
    event: &'a Event,
}

pub(crate) fn run(args: &Args) -> Result2 {
    let codec = args.reading.codec();
    let mut out = BufWriter::with_capacity(64 << 10, io::stdout());
    let mut errors = anstream::stderr();
    let mut failed = false;
    for path in paths(&args.paths) {
        let input = open(path)?;
        let mut records = codec.records(input.reader);
        while let Some(raw) = records
            .next_record()
            .map_err(|error| Failure(format!("cannot read {}: {error}", input.name)))?
        {
            let event = if raw.bytes.trim_ascii_start().starts_with(b"{") {
                from_json(raw.bytes)
                    .map_err(|error| format!("{}:{}: {error}", input.name, raw.line))
            } else {
                let record = codec.check_bytes(raw.bytes);
                if record.report.verdict() > Verdict::Valid {
                    out.flush()?;
                    errors.write_all(show::record(&input.name, raw, &record, false).as_bytes())?;
                }
                match record.event {
                    None => Err(String::new()),
                    Some(event) => event
                        .decode()
                        .map_err(|error| format!("{}:{}: {error}", input.name, raw.line)),
                }
            };
            match event {
                Ok(event) => write(&mut out, args.to, &event)?,
                Err(message) => {
                    failed = true;
                    if !message.is_empty() {
                        writeln!(errors, "coord: {message}")?;
                    }
                }
            }
        }
    }
    out.flush()?;
    Ok(if failed { Outcome::Found } else { Outcome::Fine })
}

/// Reads `{"event":{...}}` or the inner object.
fn from_json(bytes: &[u8]) -> Result<Event, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    json::check(text, json::Dialect::Strict, &json::Limits::default())
        .map_err(|fault| format!("broken JSON: {fault}"))?;
    let root = text.len() - text.trim_start().len();
    let body = match json::pointer::find(text, root, "/event") {
        Some(token) if token.kind() == Kind::Object => token.raw(text),
        _ => text,
    };
    serde_json::from_str(body).map_err(|error| format!("not an event: {error}"))
}

fn write(out: &mut impl Write, form: Form, event: &Event) -> io::Result<()> {
    match form {
        Form::Line => {
            let mut line = Vec::with_capacity(256);
            event.write_line(&mut line);
            out.write_all(&line)?;
        }
        Form::Json => serde_json::to_writer(&mut *out, &Envelope { event })?,
    }
    out.write_all(b"\n")
}
