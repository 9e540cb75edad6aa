//! Findings.

use super::{Entry, wrap};
use coordination_protocol::finding::{Code, Example, Mode};
use std::fmt::Write as _;

pub(super) fn entries() -> Vec<Entry> {
    let entry = |code: &Code| {
        let code = *code;
        Entry::new(code.as_str(), "a finding", move || code_page(code))
    };
    Code::ALL.iter().map(entry).collect()
}

pub(super) fn list() -> String {
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
        "level: {}   strict: {}   interop: {}\n\n{}\n\n{}{}",
        code.level(),
        code.severity(Mode::Strict),
        code.severity(Mode::Interop),
        wrap(code.explanation()),
        example("With it", code.bad()),
        example("Without it", code.good()),
    )
}
