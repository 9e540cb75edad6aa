//! `coord registry`

use crate::limits::protocol;
use crate::output::{CmdResult, ExitStatus, Format, Lines, Print, Printer, failure};
use coordination_protocol::event::{EventSpec, EventType, FieldType, REGISTRY, Registry};
use coordination_protocol::message::MemberSpec;
use coordination_protocol::scalar::{ProtocolVersion, nearest};
use serde::Serialize;
use std::io;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord registry
  coord registry TASK_FAILED
  coord registry --format json --protocol 1.0.0

Exit status: 0 if it was listed.")]
pub(crate) struct Args {
    /// One event type; all if left out.
    name: Option<String>,

    /// The protocol version.
    #[arg(long, default_value_t = ProtocolVersion::DEFAULT, value_name = "VERSION", value_parser = protocol)]
    protocol: ProtocolVersion,

    /// How to print.
    #[arg(long, value_parser = Format::among(FORMATS), default_value = "human")]
    format: Format,
}

const FORMATS: &[(Format, &str)] = &[
    (Format::Human, "A table for people"),
    (Format::Json, "A JSON array"),
    (Format::Markdown, "Markdown tables by category"),
];

pub(crate) fn run(args: &Args) -> CmdResult {
    let registry = Registry::new(args.protocol.clone());
    let rows: Vec<&EventSpec> = REGISTRY
        .iter()
        .filter(|spec| registry.knows(spec.event_type.as_str()))
        .filter(|spec| args.name.as_deref().is_none_or(|name| spec.event_type.as_str() == name))
        .collect();
    if let (Some(name), true) = (&args.name, rows.is_empty()) {
        return Err(failure(unknown(name, &registry)));
    }
    let mut out = Printer::new(args.format);
    out.document(&Specs(rows))?;
    out.finish(ExitStatus::Done)
}

/// What to say of a name that is not in the registry.
pub(crate) fn unknown(name: &str, registry: &Registry) -> String {
    let names = EventType::ALL.iter().map(|kind| kind.as_str());
    match nearest(&name.to_ascii_uppercase().replace(['.', '-'], "_"), names) {
        Some(known) if known == name => {
            format!("`{name}` is not in protocol {}", registry.version())
        }
        Some(known) => format!("`{name}` is not registered; did you mean `{known}`?"),
        None => format!("`{name}` is not registered; `coord registry` lists the types"),
    }
}

/// The word of a field's type.
pub(crate) fn field_type(field: &MemberSpec) -> &'static str {
    field.field_type().map_or("object", FieldType::as_str)
}

/// Event types, those of a category side by side.
#[derive(Serialize)]
#[serde(transparent)]
struct Specs<'a>(Vec<&'a EventSpec>);

impl Print for Specs<'_> {
    fn human(&self, out: &mut Lines<'_>) -> io::Result<()> {
        let mut category = None;
        for spec in &self.0 {
            if category != Some(&spec.category) {
                category = Some(&spec.category);
                out.line(&spec.category)?;
            }
            let required: Vec<String> =
                spec.required().iter().map(|f| format!("{}: {}", f.name, field_type(f))).collect();
            let name = spec.event_type.as_str();
            out.line(format_args!("  {name:<24} {}  {}", spec.since, required.join(", ")))?;
        }
        Ok(())
    }

    fn markdown(&self, out: &mut Lines<'_>) -> io::Result<()> {
        let mut category = None;
        for spec in &self.0 {
            if category != Some(&spec.category) {
                if category.is_some() {
                    out.line("")?;
                }
                category = Some(&spec.category);
                out.line(format_args!("## {}", spec.category))?;
                out.line("")?;
                out.line("| Type | Tells | Required data | Routing | Since |")?;
                out.line("|---|---|---|---|---|")?;
            }
            let required: Vec<String> = spec
                .required()
                .iter()
                .map(|f| format!("`{}` ({})", f.name, field_type(f)))
                .collect();
            out.line(format_args!(
                "| `{}` | {} | {} | `{}` | {} |",
                spec.event_type,
                spec.summary,
                required.join(", "),
                spec.routing(),
                spec.since
            ))?;
        }
        Ok(())
    }
}
