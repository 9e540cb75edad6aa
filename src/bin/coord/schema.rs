//! `coord schema`

use crate::limits::protocol;
use crate::output::{CmdResult, ExitStatus, Format, Printer, failure};
use coordination_protocol::event::Registry;
use coordination_protocol::scalar::{ProtocolVersion, nearest};
use coordination_protocol::schema;
use std::io::Write as _;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord schema                          the names
  coord schema envelope > envelope.json
  coord schema allocation_request
  coord schema TASK_FAILED              the data of an event
  coord schema envelope --protocol 1.0.0

Exit status: 0 if it was printed, 2 if the name is not known.")]
pub(crate) struct Args {
    /// A document, `envelope`, `event`, `registry`, or an event type; lists the names if left out.
    name: Option<String>,

    /// The protocol version.
    #[arg(long, default_value_t = ProtocolVersion::DEFAULT, value_name = "VERSION", value_parser = protocol)]
    protocol: ProtocolVersion,
}

pub(crate) fn run(args: &Args) -> CmdResult {
    let registry = Registry::new(args.protocol.clone());
    let mut out = Printer::new(Format::Records);
    let Some(name) = &args.name else {
        for name in schema::names(&registry) {
            writeln!(out, "{name}")?;
        }
        return out.finish(ExitStatus::Fine);
    };
    let Some(schema) = schema::of(name, &registry) else {
        let near = nearest(name, schema::names(&registry));
        return Err(failure(match near {
            Some(near) => format!("there is no schema `{name}`; did you mean `{near}`?"),
            None => format!("there is no schema `{name}`; `coord schema` lists the names"),
        }));
    };
    serde_json::to_writer_pretty(&mut out, &schema).map_err(std::io::Error::from)?;
    writeln!(out)?;
    out.finish(ExitStatus::Fine)
}
