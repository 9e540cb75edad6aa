//! `coord state`

use crate::{Result2, state_show};
use clap::Subcommand;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Show the states of workflows as the store has them.
    Show(state_show::Show),
}

pub(crate) fn run(args: &Args) -> Result2 {
    match &args.verb {
        Verb::Show(args) => state_show::run(args),
    }
}
