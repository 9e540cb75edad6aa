//! Diagnostics that point into a record, drawn as rustc draws them.

use crate::clock::now;
use crate::output::{draw, printable};
use crate::source::{Item, line_breaks, whole_lines};
use annotate_snippets::renderer::{AnsiColor, Style};
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use coordination_protocol::finding::{Finding, FindingSeverity, Verdict};
use coordination_protocol::message::Envelope;
use coordination_protocol::scalar::is_printable;
use coordination_protocol::validate::{Context, RecordKind, Validator};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::ops::Range;

/// How much of a long record is drawn around a finding, in bytes to either side.
const WINDOW: usize = 120;
/// Up to this many bytes a record is drawn whole.
const WHOLE: usize = 2_000;

/// The message in a text, if it passes the checks. What is wrong with it is drawn.
pub(crate) fn accepted(validator: &Validator, source: &str, text: &str) -> Option<Envelope> {
    let outcome = validator.check_bytes(text.as_bytes(), &Context::new().with_now(now().wall));
    let item = Item::whole(outcome, text.as_bytes());
    if item.outcome.report.verdict() > Verdict::Valid {
        draw(&record(source, &item, false));
    }
    Some(item.outcome.accept().ok()?.into_inner())
}

/// The diagnostics of one record: a title for each finding, and one frame that they point into.
pub(crate) fn record(source: &str, item: &Item<'_>, verbose: bool) -> String {
    let report = &item.outcome.report;
    let shown = |finding: &&Finding| verbose || finding.severity > FindingSeverity::Note;
    let findings: Vec<&Finding> = report.findings().iter().filter(shown).collect();
    selected(source, item, &findings, report.verdict(), report.omitted())
}

/// The same with the findings and the verdict that the caller chooses.
pub(crate) fn selected(
    source: &str,
    item: &Item<'_>,
    findings: &[&Finding],
    verdict: Verdict,
    omitted: usize,
) -> String {
    let source = &*printable(source).to_string();
    let mut out = String::new();
    if findings.is_empty() {
        let what = item.outcome.type_name.as_deref().unwrap_or(match item.outcome.kind {
            RecordKind::Template => "template",
            _ => "record",
        });
        let what = printable(what);
        let (line, column) = item.position(0);
        let _ = writeln!(out, "{verdict}: {what} at {source}:{line}:{column}");
    }
    let (text, first, map) = item.drawing();
    let mut placed = Vec::with_capacity(findings.len());
    for finding in findings {
        let (line, column) = item.position(finding.range.start);
        placed.push(Placed { finding, range: map(&finding.range), line, column });
    }
    let frame = Frame { source, text, first };
    if text.len() > WHOLE {
        for finding in &placed {
            frame.draw(&mut out, std::slice::from_ref(finding));
        }
    } else if !placed.is_empty() {
        frame.draw(&mut out, &placed);
    }
    if omitted > 0 {
        let plural = if omitted == 1 { "" } else { "s" };
        let _ =
            writeln!(out, "... and {omitted} more finding{plural}; --max-findings shows more\n");
    }
    out
}

/// The line and the column of a byte of a text, from 1; columns are characters.
pub(crate) fn place(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    (1 + before.matches('\n').count(), 1 + before[start..].chars().count())
}

/// The line of a text, with this number, at which a range starts, with a mark below the range.
pub(crate) fn excerpt(text: &str, range: Range<usize>, line: usize) -> String {
    let bytes = text.as_bytes();
    let start = range.start.min(bytes.len());
    let (whole, first) = whole_lines(bytes, start..start);
    let at = start - first;
    let view = View::of(whole, at.saturating_sub(WINDOW)..at + WINDOW);
    let mark = view.map(&(at..range.end.max(start) - first));
    let mark = AnnotationKind::Primary.span(mark);
    let snippet = Snippet::source(view.text.as_str()).line_start(line).annotation(mark);
    let group = Group::with_level(Level::ERROR).element(snippet);
    format!("{}\n", Renderer::styled().render(&[group]))
}

/// A finding, and where it is in what is drawn and in its source.
struct Placed<'a> {
    finding: &'a Finding,
    range: Range<usize>,
    line: u64,
    column: u64,
}

/// What is drawn of a record.
struct Frame<'a> {
    source: &'a str,
    text: &'a [u8],
    /// The number of its first line.
    first: u64,
}

impl Frame<'_> {
    fn draw(&self, out: &mut String, findings: &[Placed<'_>]) {
        let middle = findings.first().map_or(0, |placed| placed.range.start);
        let long = self.text.len() > WHOLE;
        let wanted =
            if long { middle.saturating_sub(WINDOW)..middle + WINDOW } else { 0..self.text.len() };
        let view = View::of(self.text, wanted.clone());
        let before = &self.text[..wanted.start.min(self.text.len())];
        let line = self.first as usize + line_breaks(before);
        let mut snippet = Snippet::source(view.text.as_str()).line_start(line);
        let mut worst = FindingSeverity::Note;
        let mut marked = BTreeSet::new();
        for Placed { finding, range, line, column } in findings {
            let severity = finding.severity;
            title(out, self.source, (*line, *column), finding);
            worst = worst.max(severity);
            let kind = if severity == FindingSeverity::Error {
                AnnotationKind::Primary
            } else {
                AnnotationKind::Context
            };
            let label = finding.code.as_str();
            let span = view.map(range);
            // What is said twice of one place is a title each, and one mark.
            if marked.insert((span.start, span.end, label)) {
                snippet = snippet.annotation(kind.span(span).label(label));
            }
        }
        let level = match worst {
            FindingSeverity::Error => Level::ERROR,
            FindingSeverity::Warning => Level::WARNING,
            _ => Level::NOTE,
        };
        let mut group = Group::with_level(level).element(snippet);
        let hints: Vec<String> = findings
            .iter()
            .filter_map(|placed| Some((placed.finding.code, placed.finding.hint()?)))
            .map(|(code, hint)| format!("{code}: {}", printable(hint)))
            .collect();
        for hint in &hints {
            group = group.element(Level::HELP.message(hint.as_str()));
        }
        let _ = writeln!(out, "{}\n", Renderer::styled().render(&[group]));
    }
}

/// The line that a finding begins with. An editor or a terminal opens what begins with a path, a line
/// and a column.
fn title(out: &mut String, source: &str, (line, column): (u64, u64), finding: &Finding) {
    let Finding { severity, code, .. } = finding;
    let style = style(*severity);
    let sentence = printable(finding);
    let _ = writeln!(
        out,
        "{BOLD}{source}:{line}:{column}{BOLD:#}: {style}{severity}[{code}]{style:#}{BOLD}: {sentence}{BOLD:#}",
    );
}

/// The diagnostic of something in a text that is no record; its range is in bytes of the text.
pub(crate) fn in_text(source: &str, text: &str, spot: (u64, u64), finding: &Finding) -> String {
    let mut out = String::new();
    title(&mut out, &printable(source).to_string(), spot, finding);
    out.push_str(&excerpt(text, finding.range.clone(), spot.0 as usize));
    out.push('\n');
    out
}

const BOLD: Style = Style::new().bold();

/// The colour of a severity, as in the frames.
fn style(severity: FindingSeverity) -> Style {
    let colour = match severity {
        FindingSeverity::Error => AnsiColor::BrightRed,
        FindingSeverity::Warning => AnsiColor::Yellow,
        _ => AnsiColor::BrightGreen,
    };
    colour.on_default().bold()
}

/// The part of a record that is drawn, as text that a terminal can show.
struct View {
    text: String,
    /// For each byte of the part, and its end, where it is in `text`.
    map: Vec<usize>,
    start: usize,
}

impl View {
    fn of(bytes: &[u8], wanted: Range<usize>) -> Self {
        let start = wanted.start.min(bytes.len());
        let end = wanted.end.min(bytes.len());
        let mut view = View { text: String::new(), map: Vec::new(), start };
        if start > 0 {
            view.text.push('…');
        }
        for chunk in bytes[start..end].utf8_chunks() {
            let mut characters = chunk.valid().chars().peekable();
            while let Some(character) = characters.next() {
                let at = view.text.len();
                view.map.extend(std::iter::repeat_n(at, character.len_utf8()));
                match character {
                    '\n' | '\t' => view.text.push(character),
                    // The line ends of the file are not what is shown.
                    '\r' if characters.peek() == Some(&'\n') => {}
                    // Control characters would move the terminal's cursor.
                    c if !is_printable(c) => view.text.push('\u{fffd}'),
                    c => view.text.push(c),
                }
            }
            if !chunk.invalid().is_empty() {
                let at = view.text.len();
                view.map.extend(std::iter::repeat_n(at, chunk.invalid().len()));
                view.text.push('\u{fffd}');
            }
        }
        view.map.push(view.text.len());
        if end < bytes.len() {
            view.text.push('…');
        }
        view
    }

    fn map(&self, range: &Range<usize>) -> Range<usize> {
        let place = |at: usize| {
            let index = at.saturating_sub(self.start).min(self.map.len() - 1);
            self.map[index]
        };
        let start = place(range.start);
        let end = place(range.end).max(start);
        // A finding of something long points at its beginning; a frame over lines hides the text.
        match self.text[start..end].find('\n') {
            Some(line) => start..start + line,
            None => start..end,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_move_the_cursor_is_replaced_and_ranges_follow() {
        let view = View::of(b"a\x1b[2J\xff\xc3z", 0..8);
        assert_eq!(view.text, "a\u{fffd}[2J\u{fffd}\u{fffd}z");
        let shown = |range: Range<usize>| &view.text[view.map(&range)];
        assert_eq!((shown(1..2), shown(2..5), shown(7..8)), ("\u{fffd}", "[2J", "z"));
        // A range that ends inside of a character starts where the character does.
        let view = View::of("é!".as_bytes(), 0..3);
        assert_eq!((view.map(&(1..2)), view.map(&(2..3))), (0..2, 2..3));
    }

    #[test]
    fn a_part_is_marked_at_both_ends_and_ranges_outside_are_at_them() {
        let view = View::of(b"0123456789", 3..6);
        assert_eq!(view.text, "…345…");
        assert_eq!(&view.text[view.map(&(4..6))], "45");
        let (start, end) = ("…".len(), "…345".len());
        assert_eq!((view.map(&(0..1)), view.map(&(8..9))), (start..start, end..end));
        assert_eq!(View::of(b"abc", 7..9).text, "…");
    }

    #[test]
    fn a_long_finding_points_at_its_first_line() {
        let view = View::of(b"{\r\n\t1}", 0..6);
        assert_eq!(view.text, "{\n\t1}");
        assert_eq!(view.map(&(0..6)), 0..1);
    }
}
