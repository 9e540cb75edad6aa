//! `coord bus`, and where the bus is for all verbs that use it.

mod info;
mod init;
mod place;
mod signal;
mod since;

pub(crate) use place::{BusArgs, block_on};
pub(crate) use signal::{Ended, Signals};
pub(crate) use since::{Since, records};

use crate::output::CmdResult;
use clap::Subcommand;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord bus init
  coord bus info
  coord --color never bus info --bus sqlite:/tmp/coord.sqlite --format json

A bus is one SQLite file: the log of all messages, and the store beside it. `--bus` or COORD_BUS name it.")]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Make the file of a bus, if it is not there.
    Init(init::Args),
    /// Show the file, how much is in it, and who reads it how far.
    Info(info::Args),
}

pub(crate) fn run(args: &Args) -> CmdResult {
    match &args.verb {
        Verb::Init(args) => init::run(args),
        Verb::Info(args) => info::run(args),
    }
}
