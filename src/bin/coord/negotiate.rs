//! `coord negotiate`

use crate::input;
use crate::output::{
    CmdResult, ExitStatus, Failure, Format, Lines, Print, Printer, failure, pointing,
};
use coordination_protocol::version::{SupportedVersions, negotiate};
use serde::Serialize;
use std::fmt::Display;
use std::io;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord negotiate current 1.0.0
  coord negotiate 1.0.0..=1.1.0,capabilities=batching 1.1.0..=1.4.0,floor=1.1.0
  coord negotiate current @peer.json

A side is `current` (this program), the text form
  RANGES[,reads=RANGES][,floor=VERSION][,capabilities=NAME+NAME]
with ranges like 1.0.0..=1.1.0 joined by `+`, or its JSON form (a `hello` body), given or in @FILE (@- is standard
input).

Exit status: 0 if the sides agree, 1 if they do not.")]
pub(crate) struct Args {
    /// What one side supports.
    ours: String,

    /// What the other side supports.
    theirs: String,

    /// How to print.
    #[arg(long, value_parser = Format::among(FORMATS), default_value = "human")]
    format: Format,
}

const FORMATS: &[(Format, &str)] = &[
    (Format::Human, "For people"),
    (Format::Json, "`{\"agreement\":{...}}` or `{\"refusal\":{...}}`"),
];

/// What comes of it.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Answer<A, R> {
    Agreement(A),
    Refusal(R),
}

impl<A: Serialize + Display, R: Serialize + Display> Print for Answer<A, R> {
    fn human(&self, out: &mut Lines<'_>) -> io::Result<()> {
        match self {
            Answer::Agreement(agreement) => out.line(agreement),
            Answer::Refusal(refusal) => out.line(refusal),
        }
    }
}

pub(crate) fn run(args: &Args) -> CmdResult {
    let (ours, theirs) = (side(&args.ours)?, side(&args.theirs)?);
    let answer = match negotiate(&ours, &theirs) {
        Ok(agreement) => Answer::Agreement(agreement),
        Err(refusal) => Answer::Refusal(refusal),
    };
    let mut out = Printer::new(args.format);
    out.row(&answer)?;
    out.finish(ExitStatus::found(matches!(answer, Answer::Refusal(_))))
}

/// No `hello` is near this many bytes.
const MOST: usize = 1 << 20;

fn side(text: &str) -> Result<SupportedVersions, Failure> {
    if text == "current" {
        return Ok(SupportedVersions::current());
    }
    let text = match text.strip_prefix('@') {
        Some(path) => input::text(path, MOST)?,
        None => text.to_owned(),
    };
    let result = if text.trim_start().starts_with('{') {
        SupportedVersions::from_json(&text)
    } else {
        text.trim_end().parse()
    };
    result.map_err(|error| {
        // A mark helps only below a line that is shown whole.
        match text.get(..error.at().unwrap_or_default()).unwrap_or(&text) {
            head if head.contains('\n') => failure(error),
            head => pointing(error, text.lines().next().unwrap_or_default(), head.len()),
        }
    })
}
