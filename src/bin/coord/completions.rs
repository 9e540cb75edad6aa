//! `coord completions`

use crate::output::{CmdResult, ExitStatus, Format, Printer};
use crate::usage;
use std::io::Write as _;

#[derive(clap::Args)]
#[command(after_help = "\
Example:
  coord completions bash > ~/.local/share/bash-completion/completions/coord

Exit status: 0.")]
pub(crate) struct Args {
    /// The shell.
    shell: clap_complete::Shell,
}

pub(crate) fn run(args: &Args) -> CmdResult {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut usage::command(), "coord", &mut script);
    let mut out = Printer::new(Format::Records);
    out.write_all(&script)?;
    out.finish(ExitStatus::Done)
}
