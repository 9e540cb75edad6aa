//! `coord filter`

mod test;

pub(crate) use test::compile;

use crate::output::CmdResult;
use clap::Subcommand;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord filter test '/retry_count >= 3' events.log")]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Try a filter against events and messages.
    Test(test::Args),
}

pub(crate) fn run(args: &Args) -> CmdResult {
    match &args.verb {
        Verb::Test(args) => test::run(args),
    }
}
