//! `coord compat`

use crate::output::{CmdResult, ExitStatus, Format, Lines, Print, Printer};
use coordination_protocol::version::Matrix;
use std::io;

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
    #[arg(long, value_parser = Format::among(FORMATS), default_value = "markdown")]
    format: Format,
}

const FORMATS: &[(Format, &str)] = &[
    (Format::Markdown, "A Markdown table, and what is unknown to whom"),
    (Format::Json, "A JSON object"),
];

impl Print for Matrix {
    fn human(&self, out: &mut Lines<'_>) -> io::Result<()> {
        self.to_markdown().lines().try_for_each(|line| out.line(line))
    }
}

pub(crate) fn run(args: &Args) -> CmdResult {
    let mut out = Printer::new(args.format);
    out.document(&Matrix::current())?;
    out.finish(ExitStatus::Fine)
}
