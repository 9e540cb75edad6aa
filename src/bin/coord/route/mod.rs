//! `coord route`

mod explain;
mod matching;

use crate::output::{CmdResult, Failure, pointing};
use clap::Subcommand;
use coordination_protocol::route::Pattern;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord route match 'TASK_FAILED.>' events.log    which of these events does this pattern select?
  coord route explain '*.failed'                    and which events in general?")]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Try a pattern on routing keys, events and messages.
    Match(matching::Args),
    /// Tell which event types a pattern selects.
    Explain(explain::Args),
}

pub(crate) fn run(args: &Args) -> CmdResult {
    match &args.verb {
        Verb::Match(verb) => matching::run(verb),
        Verb::Explain(verb) => explain::run(verb),
    }
}

pub(crate) fn compile(text: &str) -> Result<Pattern, Failure> {
    Pattern::parse(text).map_err(|error| pointing(&error, text, error.at()))
}
