//! Findings as one line each: for editors and `grep`, and as commands of a CI host.

use super::judge::Found;
use crate::input::Source;
use crate::output::printable;
use coordination_protocol::finding::{Finding, FindingSeverity};
use std::fmt::{self, Display, Write as _};
use std::io::{self, Write};

/// The sentence of a finding with its advice.
pub(crate) fn sentence(finding: &Finding) -> String {
    match finding.hint() {
        Some(hint) => printable(format_args!("{finding}; {hint}")).to_string(),
        None => printable(finding).to_string(),
    }
}

/// Writes a finding as `path:line:column: severity[code] sentence`.
pub(crate) fn line(out: &mut dyn Write, source: &Source, found: &Found<'_>) -> io::Result<()> {
    let (line, column) = found.start;
    let Finding { severity, code, .. } = found.finding;
    writeln!(out, "{source}:{line}:{column}: {severity}[{code}] {}", sentence(found.finding))
}

/// Writes a finding as a workflow command of GitHub, which shows it beside the line.
pub(crate) fn github(out: &mut dyn Write, source: &Source, found: &Found<'_>) -> io::Result<()> {
    let finding = found.finding;
    let command = match finding.severity {
        FindingSeverity::Error => "error",
        FindingSeverity::Warning => "warning",
        _ => "notice",
    };
    let (line, column) = found.start;
    let (end_line, end_column) = found.end;
    let file = Property(source);
    write!(out, "::{command} file={file},line={line},col={column},endLine={end_line}")?;
    // The host takes columns of one line only.
    if end_line == line {
        write!(out, ",endColumn={end_column}")?;
    }
    let title = Property(finding.code);
    writeln!(out, ",title={title}::{}", Message(sentence(finding)))
}

/// A value of a property of a workflow command.
struct Property<T>(T);

/// The text of a workflow command.
struct Message<T>(T);

impl<T: Display> Display for Property<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escape { out: f, property: true }, "{}", self.0)
    }
}

impl<T: Display> Display for Message<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escape { out: f, property: false }, "{}", self.0)
    }
}

/// Writes what would end a command, or a property of it, as the host's escapes.
struct Escape<W> {
    out: W,
    property: bool,
}

impl<W: fmt::Write> fmt::Write for Escape<W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            match character {
                '%' | '\r' | '\n' => write!(self.out, "%{:02X}", character as u32)?,
                ':' | ',' if self.property => write!(self.out, "%{:02X}", character as u32)?,
                _ => self.out.write_char(character)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_ends_a_command_or_a_property_early() {
        for (text, message, property) in [
            ("plain", "plain", "plain"),
            ("50%", "50%25", "50%25"),
            ("%0A", "%250A", "%250A"),
            ("a\r\n::error::b", "a%0D%0A::error::b", "a%0D%0A%3A%3Aerror%3A%3Ab"),
            ("a,line=1", "a,line=1", "a%2Cline=1"),
            ("ü:é", "ü:é", "ü%3Aé"),
        ] {
            assert_eq!(Message(text).to_string(), message);
            assert_eq!(Property(text).to_string(), property);
        }
    }
}
