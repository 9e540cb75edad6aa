//! Findings.

use super::{Entry, wrap};
use crate::check::PROGRAM_CODES;
use coordination_protocol::finding::{Code, Example, Mode};
use std::fmt::Write as _;

pub(super) fn entries() -> Vec<Entry> {
    let entry = |code: Code| Entry::new(code.as_str(), "a finding", move || code_page(code));
    all().map(entry).collect()
}

/// The protocol's codes, then the program's own.
fn all() -> impl Iterator<Item = Code> {
    Code::ALL.iter().chain(PROGRAM_CODES).copied()
}

pub(super) fn list() -> String {
    let mut out = String::new();
    let _ = writeln!(out, "{:<26} {:<9} {:<8} {:<8}", "code", "level", "strict", "interop");
    for code in all() {
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
    let mut page = format!(
        "level: {}   strict: {}   interop: {}\n\n{}",
        code.level(),
        code.severity(Mode::Strict),
        code.severity(Mode::Interop),
        wrap(code.explanation()),
    );
    // The program's own are about comments, not records.
    if !matches!(code, Code::Custom(_)) {
        let examples = [example("With it", code.bad()), example("Without it", code.good())];
        let _ = write!(page, "\n\n{}{}", examples[0], examples[1]);
    }
    page
}
