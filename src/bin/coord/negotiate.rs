//! `coord negotiate`

use crate::{Failure, Outcome, Result2};
use clap::ValueEnum;
use coordination_protocol::version::{SupportedVersions, VersionError, negotiate};
use serde::Serialize;
use std::io::Write;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord negotiate current 1.0.0
  coord negotiate 1.0.0..=1.1.0,capabilities=batching 1.1.0..=1.4.0,floor=1.1.0
  coord negotiate current @peer.json

A side is `current` (this program), the text form
  RANGES[,reads=RANGES][,floor=VERSION][,capabilities=NAME+NAME]
with ranges like 1.0.0..=1.1.0 joined by `+`, or its JSON form (a `hello` body), given or in @FILE.

Exit status: 0 if the sides agree, 1 if they do not, 2 if a side cannot be read.")]
pub(crate) struct Args {
    /// What one side supports.
    ours: String,

    /// What the other side supports.
    theirs: String,

    /// How to print.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// For people.
    Human,
    /// `{"agreement":{...}}` or `{"refusal":{...}}`.
    Json,
}

pub(crate) fn run(args: &Args) -> Result2 {
    let (ours, theirs) = (side(&args.ours)?, side(&args.theirs)?);
    let outcome = negotiate(&ours, &theirs);
    let text = match (&outcome, args.format) {
        (Ok(agreement), Format::Human) => agreement.to_string(),
        (Ok(agreement), Format::Json) => json("agreement", agreement)?,
        (Err(refusal), Format::Human) => refusal.to_string(),
        (Err(refusal), Format::Json) => json("refusal", refusal)?,
    };
    writeln!(anstream::stdout(), "{text}")?;
    Ok(if outcome.is_ok() { Outcome::Fine } else { Outcome::Found })
}

fn json(key: &str, value: &impl Serialize) -> Result<String, Failure> {
    let value = serde_json::to_string(value).map_err(|error| Failure(error.to_string()))?;
    Ok(format!("{{\"{key}\":{value}}}"))
}

fn side(text: &str) -> Result<SupportedVersions, Failure> {
    if text == "current" {
        return Ok(SupportedVersions::current());
    }
    let text = match text.strip_prefix('@') {
        Some(path) => std::fs::read_to_string(path)
            .map_err(|error| Failure(format!("cannot read {path}: {error}")))?,
        None => text.to_owned(),
    };
    let result = if text.trim_start().starts_with('{') {
        SupportedVersions::from_json(&text)
    } else {
        text.trim_end().parse()
    };
    result.map_err(|error| pointing(&text, &error))
}

/// The error with a mark below the place, if that is on the first line.
fn pointing(text: &str, error: &VersionError) -> Failure {
    let head = text.get(..error.at().unwrap_or_default()).unwrap_or(text);
    if head.contains('\n') {
        return Failure(error.to_string());
    }
    let line = text.lines().next().unwrap_or_default();
    Failure(format!("{error}\n  {line}\n  {}^", " ".repeat(head.chars().count())))
}
