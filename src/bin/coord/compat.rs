//! `coord compat`

use crate::{Failure, Outcome, Result2};
use clap::ValueEnum;
use coordination_protocol::version::Matrix;
use std::io::Write;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord compat
  coord compat --format json

A row is a reader, a column a writer:
  all           the reader knows everything that can be written
  keeps-rest    it reads what it knows and keeps the rest
  down-level    the writer has to write in the reader's version (coord migrate does)
  incompatible  another major version

Exit status: 0.")]
pub(crate) struct Args {
    /// How to print.
    #[arg(long, value_enum, default_value_t = Format::Markdown)]
    format: Format,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// A Markdown table, and what is unknown to whom.
    Markdown,
    /// A JSON object.
    Json,
}

pub(crate) fn run(args: &Args) -> Result2 {
    let matrix = Matrix::current();
    let text = match args.format {
        Format::Markdown => matrix.to_markdown(),
        Format::Json => {
            serde_json::to_string_pretty(&matrix).map_err(|error| Failure(error.to_string()))?
                + "\n"
        }
    };
    anstream::stdout().write_all(text.as_bytes())?;
    Ok(Outcome::Fine)
}
