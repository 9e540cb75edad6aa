//! `coord convert`

use crate::input::{open, paths};
use crate::{Failure, Outcome, Reading, Result2, show};
use clap::ValueEnum;
use coordination_protocol::event::{Codec, EventRef, RawRecord};
use coordination_protocol::finding::Verdict;
use coordination_protocol::json::{self, Dialect, Kind, Token};
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
    event: EventRef<'a>,
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
            let is_json = raw.bytes.trim_ascii_start().starts_with(b"{");
            let line = match is_json.then(|| line_of(raw.bytes, &codec)) {
                Some(Err(message)) => {
                    failed = true;
                    out.flush()?;
                    writeln!(errors, "coord: {}:{}: {message}", input.name, raw.line)?;
                    continue;
                }
                Some(Ok(line)) => Some(line),
                None => None,
            };
            let bytes = line.as_deref().map_or(raw.bytes, str::as_bytes);
            let record = codec.check_bytes(bytes);
            if record.report.verdict() > Verdict::Valid {
                out.flush()?;
                let shown = RawRecord::new(bytes, raw.line, raw.offset);
                errors.write_all(show::record(&input.name, shown, &record, false).as_bytes())?;
            }
            match record.event {
                Some(event) => write(&mut out, args.to, event)?,
                None => failed = true,
            }
        }
    }
    out.flush()?;
    Ok(if failed { Outcome::Found } else { Outcome::Fine })
}

/// The line of `{"event":{...}}` or of the inner object.
fn line_of(bytes: &[u8], codec: &Codec) -> Result<String, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    json::check(text, Dialect::Strict, codec.limits())
        .map_err(|fault| format!("broken JSON: {fault}"))?;
    let root = text.len() - text.trim_start().len();
    let body = match json::pointer::find(text, root, "/event") {
        Some(token) if token.kind() == Kind::Object => token.start(),
        _ => root,
    };
    let member = |key: &str, kind: Kind| -> Result<Token, String> {
        match json::pointer::find(text, body, &format!("/{key}")) {
            Some(token) if token.kind() == kind => Ok(token),
            Some(token) => Err(format!("not an event: `{key}` is {}, not {kind}", token.kind())),
            None => Err(format!("not an event: `{key}` is missing")),
        }
    };
    let mut line = String::new();
    for key in ["event_type", "workflow_id", "phase"] {
        let part = member(key, Kind::Text)?.decode(text);
        if part.contains([':', '\n', '\r']) {
            return Err(format!("not an event: `{key}` would split the line"));
        }
        line.push_str(&part);
        line.push(':');
    }
    let data: json::Json = member("data", Kind::Object)?
        .raw(text)
        .parse()
        .map_err(|fault| format!("broken data: {fault}"))?;
    line.push_str(data.as_str());
    Ok(line)
}

fn write(out: &mut impl Write, form: Form, event: EventRef<'_>) -> io::Result<()> {
    match form {
        Form::Line => {
            let mut line = Vec::with_capacity(256);
            event.write_canonical(&mut line);
            out.write_all(&line)?;
        }
        Form::Json => serde_json::to_writer(&mut *out, &Envelope { event })?,
    }
    out.write_all(b"\n")
}
