//! `coord state policy`

use super::FORMATS;
use crate::output::{CmdResult, ExitStatus, Format, Lines, Print, Printer};
use coordination_protocol::merge::{MergeRule, Row, STATE_ROWS};
use serde::Serialize;
use std::io;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord state policy
  coord state policy --format json > rows.json    to be changed, for `coord state merge --policy`

Exit status: 0.")]
pub(super) struct Args {
    /// How to print; JSON is the form of policy files.
    #[arg(long, value_parser = Format::among(FORMATS), default_value = "human")]
    format: Format,
}

/// The rows that merge a state. Their JSON form is a policy file.
#[derive(Serialize)]
#[serde(transparent)]
struct Rows<'a>(&'a [Row]);

impl Print for Rows<'_> {
    fn human(&self, out: &mut Lines<'_>) -> io::Result<()> {
        for row in self.0 {
            let rule = match row.sibling() {
                Some(sibling) => format!("{} of {sibling}", row.rule()),
                None => row.rule().to_string(),
            };
            let join = if row.is_join() { "join" } else { "" };
            out.line(format_args!("{:<40} {rule:<24} {join:<5} {}", row.pointer(), row.summary()))?;
        }
        out.line("")?;
        out.line("Rules; by those that are joins replicas converge, in whatever order they meet:")?;
        for rule in MergeRule::ALL {
            let join = if rule.is_join() { "join" } else { "" };
            out.line(format_args!("{rule:<12} {join:<5} {}", rule.summary()))?;
        }
        Ok(())
    }
}

pub(super) fn run(args: &Args) -> CmdResult {
    let mut out = Printer::new(args.format);
    out.document(&Rows(STATE_ROWS))?;
    out.finish(ExitStatus::Done)
}
