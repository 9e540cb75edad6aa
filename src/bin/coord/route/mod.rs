//! `coord route`

mod explain;
mod matching;

use crate::limits::protocol;
use crate::output::{CmdResult, Failure, Format, exit_status, pointing};
use clap::Subcommand;
use coordination_protocol::event::Registry;
use coordination_protocol::route::Pattern;
use coordination_protocol::scalar::ProtocolVersion;

#[derive(clap::Args)]
#[command(after_help = concat!(
    "\
Examples:
  coord route match 'TASK_FAILED.>' < events.log    which of these events does this pattern select?
  coord route explain '*.failed'                    and which events in general?

",
    exit_status!(),
    "; each verb says more."
))]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,

    /// The protocol version whose event types are known.
    #[arg(long, default_value_t = ProtocolVersion::DEFAULT, value_name = "VERSION", value_parser = protocol, global = true)]
    protocol: ProtocolVersion,

    /// How to print.
    #[arg(long, value_parser = Format::among(FORMATS), default_value = "human", global = true)]
    format: Format,
}

const FORMATS: &[(Format, &str)] = &[
    (Format::Human, "For people"),
    (Format::Json, "JSON: an object a key for `match`, one object for `explain`"),
];

#[derive(Subcommand)]
enum Verb {
    /// Try a pattern against routing keys or event lines.
    Match(matching::Args),
    /// Tell which event types a pattern selects.
    Explain(explain::Args),
}

pub(crate) fn run(args: &Args) -> CmdResult {
    let registry = Registry::new(args.protocol.clone());
    match &args.verb {
        Verb::Match(verb) => matching::run(verb, &registry, args.format),
        Verb::Explain(verb) => explain::run(verb, &registry, args.format),
    }
}

fn compile(text: &str) -> Result<Pattern, Failure> {
    Pattern::parse(text).map_err(|error| pointing(&error, text, error.at()))
}
