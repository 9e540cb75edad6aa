//! `coord schema`

mod output;

use crate::input::name;
use crate::limits::protocol;
use crate::output::{CmdResult, ExitStatus, Format, Printer, cannot_write, failure};
use crate::replace_file::replace;
use coordination_protocol::event::Registry;
use coordination_protocol::scalar::{ProtocolVersion, nearest};
use coordination_protocol::schema;
use schemars::Schema;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord schema                          the names
  coord schema envelope > envelope.json
  coord schema allocation_request
  coord schema TASK_FAILED              the data of an event
  coord schema output                   a line of `coord check --format json`
  coord schema envelope --protocol 1.0.0
  coord schema --all --out schemas      each in a file, such as schemas/envelope.json

Each schema stands alone: what it refers to is among its `$defs`. So `envelope` is all messages in one.
They are JSON Schema 2020-12 and keep to what strict validators take without a warning.

Exit status: 0 if it was printed or written.")]
pub(crate) struct Args {
    /// A document, `envelope`, `event`, `registry`, `output`, or an event type; lists the names if left
    /// out.
    #[arg(conflicts_with = "all")]
    name: Option<String>,

    /// All schemas; needs `--out`.
    #[arg(long, requires = "out")]
    all: bool,

    /// The folder to write into, which is made if need be. A file is called like its schema, with
    /// `.json` behind, whatever version of `coord` writes it.
    #[arg(long, value_name = "DIR", requires = "all")]
    out: Option<PathBuf>,

    /// The protocol version.
    #[arg(long, default_value_t = ProtocolVersion::DEFAULT, value_name = "VERSION", value_parser = protocol)]
    protocol: ProtocolVersion,
}

pub(crate) fn run(args: &Args) -> CmdResult {
    let registry = Registry::new(args.protocol.clone());
    if let Some(folder) = &args.out {
        return write_all(folder, &registry);
    }
    let mut out = Printer::new(Format::Records);
    let Some(wanted) = &args.name else {
        for name in names(&registry) {
            writeln!(out, "{name}")?;
        }
        return out.finish(ExitStatus::Done);
    };
    let Some(schema) = of(wanted, &registry) else {
        let near = nearest(wanted, names(&registry));
        return Err(failure(match near {
            Some(near) => format!("there is no schema `{wanted}`; did you mean `{near}`?"),
            None => format!("there is no schema `{wanted}`; `coord schema` lists the names"),
        }));
    };
    write!(out, "{}", schema::to_text(&schema))?;
    out.finish(ExitStatus::Done)
}

/// The schemas of the protocol, and the one of the program.
fn names(registry: &Registry) -> impl Iterator<Item = &str> {
    schema::names(registry).chain([output::OUTPUT])
}

fn of(name: &str, registry: &Registry) -> Option<Schema> {
    match name {
        output::OUTPUT => Some(output::schema()),
        name => schema::of(name, registry),
    }
}

/// Writes each schema into a file of its name, and prints the paths.
fn write_all(folder: &Path, registry: &Registry) -> CmdResult {
    fs::create_dir_all(folder).map_err(|error| cannot_write(name(folder), error))?;
    let mut out = Printer::new(Format::Records);
    for schema_name in names(registry) {
        let Some(schema) = of(schema_name, registry) else { continue };
        let path = folder.join(format!("{schema_name}.json"));
        replace(&path, |file| file.write_all(schema::to_text(&schema).as_bytes()))
            .map_err(|error| cannot_write(name(&path), error))?;
        writeln!(out, "{}", name(&path))?;
    }
    out.finish(ExitStatus::Done)
}
