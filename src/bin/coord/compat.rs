//! `coord compat`

use crate::output::{CmdResult, ExitStatus, Format, Lines, Print, Printer};
use coordination_protocol::version::Matrix;
use std::io;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord compat
  coord compat --format markdown
  coord compat --format json

A row is a reader, a column a writer:
  all           the reader knows everything that can be written
  keeps-rest    it reads what it knows and keeps the rest
  down-level    the writer has to write in the reader's version (coord migrate does)
  incompatible  another major version

Exit status: 0.")]
pub(crate) struct Args {
    /// How to print.
    #[arg(long, value_parser = Format::among(FORMATS), default_value = "human")]
    format: Format,
}

const FORMATS: &[(Format, &str)] = &[
    (Format::Human, "A table for people, and what is unknown to whom"),
    (Format::Markdown, "A Markdown table, and what is unknown to whom"),
    (Format::Json, "A JSON object"),
];

impl Print for Matrix {
    fn human(&self, out: &mut Lines<'_>) -> io::Result<()> {
        let head: Vec<String> =
            self.versions().iter().map(|writer| format!("{:<14}", writer.to_string())).collect();
        out.line(
            format_args!("{:<17}{}", "reader \\ writer", head.concat()).to_string().trim_end(),
        )?;
        for row in self.entries().chunks(self.versions().len().max(1)) {
            let words: Vec<String> =
                row.iter().map(|entry| format!("{:<14}", entry.compatibility.as_str())).collect();
            let reader = row[0].reader.to_string();
            out.line(format!("{reader:<17}{}", words.concat()).trim_end())?;
        }
        for entry in self.entries().iter().filter(|entry| !entry.unknown.is_empty()) {
            out.line("")?;
            out.line(format_args!("What {} does not know of {}:", entry.reader, entry.writer))?;
            for addition in &entry.unknown {
                out.line(format_args!("  {addition}"))?;
            }
        }
        Ok(())
    }

    fn markdown(&self, out: &mut Lines<'_>) -> io::Result<()> {
        self.to_markdown().lines().try_for_each(|line| out.line(line))
    }
}

pub(crate) fn run(args: &Args) -> CmdResult {
    let mut out = Printer::new(args.format);
    out.document(&Matrix::current())?;
    out.finish(ExitStatus::Done)
}
