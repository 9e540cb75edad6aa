//! `coord completions`

use crate::Cli;
use crate::output::{CmdResult, ExitStatus};
use clap::CommandFactory as _;
use std::io::{self, Write as _};

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
    clap_complete::generate(args.shell, &mut Cli::command(), "coord", &mut script);
    io::stdout().write_all(&script)?;
    Ok(ExitStatus::Fine)
}
