//! `coord route`

use crate::input::open;
use crate::{Failure, Outcome, Result2};
use clap::{Subcommand, ValueEnum};
use coordination_protocol::MessageKind;
use coordination_protocol::event::Registry;
use coordination_protocol::route::{Pattern, PatternError, RouteKey};
use coordination_protocol::scalar::ProtocolVersion;
use serde::Serialize;
use std::io::{self, BufRead, Write};

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord route match 'TASK_FAILED.>' < events.log    which of these events does this pattern select?
  coord route explain '*.failed'                    and which events in general?

Exit status: 0 fine, 1 something was found, 2 usage or I/O error; each verb says more.")]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,

    /// The protocol version whose event types are known.
    #[arg(long, default_value_t = ProtocolVersion::DEFAULT, value_name = "VERSION", value_parser = crate::protocol, global = true)]
    protocol: ProtocolVersion,

    /// How to print.
    #[arg(long, value_enum, default_value_t = Format::Human, global = true)]
    format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Human,
    /// JSON: an object a key for `match`, one object for `explain`.
    Json,
}

#[derive(Subcommand)]
enum Verb {
    /// Try a pattern against routing keys or event lines.
    #[command(after_help = "\
Examples:
  coord route match 'resource.*.allocated' resource.wf_001.allocated
  coord route match 'TASK_FAILED.>' < events.log

Keys are `scope.workflow.word`, `TYPE.workflow.phase`, or event lines; one a line on standard input.

Exit status: 0 if a key matches, 1 if none does, 2 for a bad pattern or key.")]
    Match {
        /// The pattern.
        pattern: String,
        /// Keys or lines; standard input if there are none.
        keys: Vec<String>,
    },
    /// Tell which event types a pattern selects.
    #[command(after_help = "\
Examples:
  coord route explain 'system.*.resource_threshold'
  coord route explain '*.failed'

Exit status: 0 if the pattern is sound, 1 if there is a warning, 2 for a bad pattern.")]
    Explain {
        /// The pattern.
        pattern: String,
    },
}

pub(crate) fn run(args: &Args) -> Result2 {
    let registry = Registry::new(args.protocol.clone());
    match &args.verb {
        Verb::Match { pattern, keys } => try_keys(pattern, keys, &registry, args.format),
        Verb::Explain { pattern } => explain(pattern, &registry, args.format),
    }
}

fn compile(text: &str) -> Result<Pattern, Failure> {
    Pattern::parse(text).map_err(|error: PatternError| {
        let column = text.get(..error.at()).map_or(0, |head| head.chars().count());
        Failure(format!("{error}\n  {text}\n  {}^", " ".repeat(column)))
    })
}

#[derive(Serialize)]
struct Match<'a> {
    key: &'a str,
    matches: bool,
}

fn try_keys(pattern: &str, keys: &[String], registry: &Registry, format: Format) -> Result2 {
    let pattern = compile(pattern)?;
    let mut out = io::BufWriter::new(io::stdout());
    let mut hit = false;
    let mut one = |text: &str| -> Result<(), Failure> {
        let key = RouteKey::parse_with(registry, text)
            .map_err(|error| Failure(format!("`{text}` is no key: {error}")))?;
        let matches = pattern.matches(&key);
        hit |= matches;
        match format {
            Format::Human => {
                writeln!(out, "{:<8} {text}", if matches { "match" } else { "no match" })?;
            }
            Format::Json => {
                let row = serde_json::to_string(&Match { key: text, matches })
                    .map_err(|error| Failure(error.to_string()))?;
                writeln!(out, "{row}")?;
            }
        }
        Ok(())
    };
    if keys.is_empty() {
        for line in open("-")?.reader.lines() {
            let line = line?;
            if !line.trim().is_empty() {
                one(&line)?;
            }
        }
    } else {
        keys.iter().try_for_each(|key| one(key))?;
    }
    out.flush()?;
    Ok(if hit { Outcome::Fine } else { Outcome::Found })
}

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

fn explain(pattern: &str, registry: &Registry, format: Format) -> Result2 {
    let pattern = compile(pattern)?;
    let types = pattern.types(registry);
    let messages: Vec<&str> = pattern.messages().into_iter().map(MessageKind::as_str).collect();
    let warnings: Vec<Warning> = pattern
        .warnings(registry)
        .iter()
        .map(|warning| Warning { code: warning.code(), message: warning.to_string() })
        .collect();
    let mut out = anstream::stdout();
    match format {
        Format::Json => {
            let text = serde_json::to_string(&Explanation {
                pattern: pattern.as_str(),
                types: &types,
                messages: &messages,
                warnings: &warnings,
            })
            .map_err(|error| Failure(error.to_string()))?;
            writeln!(out, "{text}")?;
        }
        Format::Human => {
            for name in &types {
                writeln!(out, "{name}")?;
            }
            for name in &messages {
                writeln!(out, "the {name} message")?;
            }
            for warning in &warnings {
                writeln!(out, "warning[{}]: {}", warning.code, warning.message)?;
            }
        }
    }
    Ok(if warnings.is_empty() { Outcome::Fine } else { Outcome::Found })
}
