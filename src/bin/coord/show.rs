//! Diagnostics that point into a record, drawn as rustc draws them.

use crate::output::{is_printable, printable};
use crate::source::{Item, line_breaks};
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use coordination_protocol::finding::{Finding, FindingSeverity, Verdict};
use coordination_protocol::validate::RecordKind;
use std::fmt::Write as _;
use std::ops::Range;

/// How much of a long record is drawn around a finding, in bytes to either side.
const WINDOW: usize = 120;
/// Up to this many bytes a record is drawn whole.
const WHOLE: usize = 2_000;

/// The diagnostic of one record: one frame, every finding pointing into it.
pub(crate) fn record(source: &str, item: &Item<'_>, verbose: bool) -> String {
    let report = &item.outcome.report;
    let findings: Vec<&Finding> = report
        .findings()
        .iter()
        .filter(|finding| verbose || finding.severity > FindingSeverity::Note)
        .collect();
    let verdict = report.verdict();
    let what = item.outcome.type_name.as_deref().unwrap_or(match item.outcome.kind {
        RecordKind::Template => "template",
        _ => "record",
    });
    let (source, what) = (&*printable(source).to_string(), &*printable(what).to_string());
    let mut out = String::new();
    if findings.is_empty() {
        let _ = writeln!(out, "{verdict}: {what} at {source}:{}", item.position(0).0);
    }
    let (text, first, map) = item.drawing();
    let placed: Vec<(&Finding, Range<usize>)> =
        findings.iter().map(|finding| (*finding, map(&finding.range))).collect();
    let frame = Frame { source, text, first, verdict, what };
    if text.len() > WHOLE {
        for finding in &placed {
            frame.draw(&mut out, std::slice::from_ref(finding));
        }
    } else if !placed.is_empty() {
        frame.draw(&mut out, &placed);
    }
    if report.omitted() > 0 {
        let _ = writeln!(out, "... and {} more findings\n", report.omitted());
    }
    out
}

/// What is drawn of a record.
struct Frame<'a> {
    source: &'a str,
    text: &'a [u8],
    /// The number of its first line.
    first: u64,
    verdict: Verdict,
    what: &'a str,
}

impl Frame<'_> {
    fn draw(&self, out: &mut String, findings: &[(&Finding, Range<usize>)]) {
        let middle = findings.first().map_or(0, |(_, range)| range.start);
        let long = self.text.len() > WHOLE;
        let wanted =
            if long { middle.saturating_sub(WINDOW)..middle + WINDOW } else { 0..self.text.len() };
        let view = View::of(self.text, wanted.clone());
        let level = match self.verdict {
            Verdict::Invalid => Level::ERROR,
            Verdict::Deviating => Level::WARNING,
            _ => Level::NOTE,
        };
        let before = &self.text[..wanted.start.min(self.text.len())];
        let line = self.first as usize + line_breaks(before);
        let path = if long {
            format!("{} (byte {middle} of the record)", self.source)
        } else {
            self.source.to_owned()
        };
        let labels: Vec<String> = findings
            .iter()
            .map(|(finding, _)| {
                format!("{}[{}]: {}", finding.severity, finding.code, printable(finding))
            })
            .collect();
        let mut snippet = Snippet::source(view.text.as_str()).line_start(line).path(path.as_str());
        for ((finding, range), label) in findings.iter().zip(&labels) {
            let kind = if finding.severity == FindingSeverity::Error {
                AnnotationKind::Primary
            } else {
                AnnotationKind::Context
            };
            snippet = snippet.annotation(kind.span(view.map(range)).label(label.as_str()));
        }
        let title = format!("{} {}", self.verdict, self.what);
        let mut group: Group<'_> = level.primary_title(title.as_str()).element(snippet);
        let hints: Vec<String> = findings
            .iter()
            .filter_map(|(finding, _)| {
                Some(format!("{}: {}", finding.code, printable(finding.hint()?)))
            })
            .collect();
        for hint in &hints {
            group = group.element(Level::HELP.message(hint.as_str()));
        }
        let _ = writeln!(out, "{}\n", Renderer::styled().render(&[group]));
    }
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
