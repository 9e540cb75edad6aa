//! `coord explain`

use crate::output::{CmdResult, ExitStatus, failure, say};
use crate::registry;
use coordination_protocol::event::{EventType, Registry};
use coordination_protocol::finding::{Code, Example, Mode};
use coordination_protocol::scalar::nearest;
use std::fmt::Write as _;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord explain single-quotes
  coord explain PHASE_COMPLETED
  coord explain

Exit status: 0 if it was explained, 2 if the name is not known.")]
pub(crate) struct Args {
    /// A finding code or an event type; lists the codes if left out.
    #[arg(value_name = "CODE|TYPE")]
    name: Option<String>,
}

pub(crate) fn run(args: &Args) -> CmdResult {
    let text = match &args.name {
        None => list(),
        Some(name) => match (name.parse::<Code>(), EventType::lookup(name)) {
            (Ok(code), _) => code_page(code),
            (_, Some(kind)) => type_page(kind),
            _ => return Err(failure(unknown(name))),
        },
    };
    text.lines().try_for_each(say)?;
    Ok(ExitStatus::Fine)
}

fn unknown(name: &str) -> String {
    if name.starts_with(|c: char| c.is_ascii_uppercase()) || name.contains(['_', '.']) {
        return registry::unknown(name, &Registry::default());
    }
    match nearest(name, Code::ALL.iter().map(|code| code.as_str())) {
        Some(known) => format!("`{name}` is no finding code; did you mean `{known}`?"),
        None => format!(
            "`{name}` is neither a finding code nor an event type; `coord explain` lists the codes"
        ),
    }
}

fn list() -> String {
    let mut out = String::new();
    let _ = writeln!(out, "{:<26} {:<9} {:<8} {:<8}", "code", "level", "strict", "interop");
    for code in Code::ALL {
        let _ = writeln!(
            out,
            "{:<26} {:<9} {:<8} {:<8}",
            code.as_str(),
            code.level(),
            code.severity(Mode::Strict),
            code.severity(Mode::Interop)
        );
    }
    out
}

fn code_page(code: Code) -> String {
    let example = |title: &str, example: Example| {
        let mut out = String::new();
        for earlier in example.earlier() {
            let _ = writeln!(out, "Behind:\n  {earlier}");
        }
        let _ =
            writeln!(out, "{title}:\n  {}", example.to_string().trim_end().replace('\n', "\n  "));
        out
    };
    format!(
        "{code}\n\nlevel: {}   strict: {}   interop: {}\n\n{}\n\n{}{}",
        code.level(),
        code.severity(Mode::Strict),
        code.severity(Mode::Interop),
        wrap(code.explanation()),
        example("With it", code.bad()),
        example("Without it", code.good()),
    )
}

fn type_page(kind: EventType) -> String {
    let spec = kind.spec();
    let mut out = format!(
        "{kind}\n\n{}\n\ncategory: {}   since: {}   routing: {}\n\nRequired data:\n",
        spec.summary,
        spec.category,
        spec.since,
        spec.routing(),
    );
    for field in spec.required() {
        let _ = writeln!(out, "  {:<22} {}", field.name, registry::field_type(field));
    }
    if let Some(alias) = spec.alias {
        let _ = writeln!(out, "\nPatterns may also say: {}.*.{alias}", spec.category);
    }
    out
}

/// Breaks a paragraph into lines of at most 80 characters.
fn wrap(text: &str) -> String {
    let mut out = String::new();
    let mut width = 0;
    for word in text.split(' ') {
        if width > 0 && width + 1 + word.len() > 80 {
            out.push('\n');
            width = 0;
        } else if width > 0 {
            out.push(' ');
            width += 1;
        }
        out.push_str(word);
        width += word.len();
    }
    out
}
