//! `coord route explain`

use super::compile;
use crate::limits::protocol;
use crate::output::{CmdResult, ExitStatus, Format, Lines, Print, Printer};
use coordination_protocol::MessageKind;
use coordination_protocol::event::Registry;
use coordination_protocol::scalar::ProtocolVersion;
use serde::Serialize;
use std::io;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord route explain 'system.*.resource_threshold'
  coord route explain '*.failed'

Exit status: 0 if the pattern is sound, 1 if there is a warning.")]
pub(super) struct Args {
    /// The pattern.
    pattern: String,

    /// The protocol version whose event types are known.
    #[arg(long, default_value_t = ProtocolVersion::DEFAULT, value_name = "VERSION", value_parser = protocol)]
    protocol: ProtocolVersion,

    /// How to print.
    #[arg(long, value_parser = Format::among(FORMATS), default_value = "human")]
    format: Format,
}

const FORMATS: &[(Format, &str)] =
    &[(Format::Human, "For people"), (Format::Json, "One JSON object")];

#[derive(Serialize)]
struct Explanation<'a> {
    pattern: &'a str,
    types: &'a [&'a str],
    messages: &'a [&'static str],
    warnings: &'a [Warning],
}

#[derive(Serialize)]
struct Warning {
    code: &'static str,
    message: String,
}

impl Print for Explanation<'_> {
    fn human(&self, out: &mut Lines<'_>) -> io::Result<()> {
        for name in self.types {
            out.line(name)?;
        }
        for name in self.messages {
            out.line(format_args!("the {name} message"))?;
        }
        for warning in self.warnings {
            out.line(format_args!("warning[{}]: {}", warning.code, warning.message))?;
        }
        Ok(())
    }
}

pub(super) fn run(args: &Args) -> CmdResult {
    let registry = &Registry::new(args.protocol.clone());
    let pattern = compile(&args.pattern)?;
    let types = pattern.types(registry);
    let messages: Vec<&str> = pattern.messages().into_iter().map(MessageKind::as_str).collect();
    let warnings: Vec<Warning> = pattern
        .warnings(registry)
        .iter()
        .map(|warning| Warning { code: warning.code(), message: warning.to_string() })
        .collect();
    let mut out = Printer::new(args.format);
    out.row(&Explanation {
        pattern: pattern.as_str(),
        types: &types,
        messages: &messages,
        warnings: &warnings,
    })?;
    out.finish(ExitStatus::found(!warnings.is_empty()))
}
