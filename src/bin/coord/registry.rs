//! `coord registry`

use crate::{Failure, Outcome, Result2};
use clap::ValueEnum;
use coordination_protocol::event::{EventSpec, EventType, REGISTRY, Registry};
use coordination_protocol::scalar::{ProtocolVersion, nearest};
use std::fmt::Write as _;
use std::io::Write as _;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord registry
  coord registry TASK_FAILED
  coord registry --format json --protocol 1.0.0

Exit status: 0 if it was listed, 2 if the type is not known.")]
pub(crate) struct Args {
    /// One event type; all if left out.
    name: Option<String>,

    /// The protocol version.
    #[arg(long, default_value_t = ProtocolVersion::DEFAULT, value_name = "VERSION", value_parser = crate::protocol)]
    protocol: ProtocolVersion,

    /// How to print.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// A table for people.
    Human,
    /// A JSON array.
    Json,
    /// Markdown tables by category.
    Markdown,
}

pub(crate) fn run(args: &Args) -> Result2 {
    let registry = Registry::new(args.protocol.clone());
    let rows: Vec<&EventSpec> = REGISTRY
        .iter()
        .filter(|spec| registry.knows(spec.event_type.as_str()))
        .filter(|spec| args.name.as_deref().is_none_or(|name| spec.event_type.as_str() == name))
        .collect();
    if let (Some(name), true) = (&args.name, rows.is_empty()) {
        return Err(Failure(unknown(name, &registry)));
    }
    let text = match args.format {
        Format::Human => human(&rows),
        Format::Markdown => markdown(&rows),
        Format::Json => {
            serde_json::to_string_pretty(&rows).map_err(|e| Failure(e.to_string()))? + "\n"
        }
    };
    anstream::stdout().write_all(text.as_bytes())?;
    Ok(Outcome::Fine)
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

fn human(rows: &[&EventSpec]) -> String {
    let mut out = String::new();
    let mut category = None;
    for spec in rows {
        if category != Some(&spec.category) {
            category = Some(&spec.category);
            let _ = writeln!(out, "{}", spec.category);
        }
        let required: Vec<String> =
            spec.required.iter().map(|f| format!("{}: {}", f.name, f.field_type)).collect();
        let _ = writeln!(
            out,
            "  {:<24} {}  {}",
            spec.event_type.as_str(),
            spec.since,
            required.join(", ")
        );
    }
    out
}

fn markdown(rows: &[&EventSpec]) -> String {
    let mut out = String::new();
    let mut category = None;
    for spec in rows {
        if category != Some(&spec.category) {
            let gap = if category.is_some() { "\n" } else { "" };
            category = Some(&spec.category);
            let _ = writeln!(
                out,
                "{gap}## {}\n\n| Type | Tells | Required data | Routing | Since |\n|---|---|---|---|---|",
                spec.category
            );
        }
        let required: Vec<String> =
            spec.required.iter().map(|f| format!("`{}` ({})", f.name, f.field_type)).collect();
        let _ = writeln!(
            out,
            "| `{}` | {} | {} | `{}` | {} |",
            spec.event_type,
            spec.summary,
            required.join(", "),
            spec.routing(),
            spec.since
        );
    }
    out
}
