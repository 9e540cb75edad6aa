//! Diagnostics that point into a record, drawn as rustc draws them.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use coordination_protocol::event::{RawRecord, Record};
use coordination_protocol::finding::{Finding, FindingSeverity, Verdict};
use std::fmt::Write as _;
use std::ops::Range;

/// How much of a long record is drawn around a finding, in bytes to either side.
const WINDOW: usize = 120;
/// Up to this many bytes a record is drawn whole.
const WHOLE: usize = 2_000;

/// The diagnostic of one record: one frame, every finding pointing into it.
pub(crate) fn record(
    source: &str,
    raw: RawRecord<'_>,
    record: &Record<'_>,
    verbose: bool,
) -> String {
    let findings: Vec<&Finding> = record
        .report
        .findings()
        .iter()
        .filter(|finding| verbose || finding.severity > FindingSeverity::Note)
        .collect();
    let verdict = record.report.verdict();
    let what = record.type_name.unwrap_or("record");
    let mut out = String::new();
    if findings.is_empty() {
        let _ = writeln!(out, "{verdict}: {what} at {source}:{}", raw.line);
    }
    if raw.bytes.len() > WHOLE {
        for finding in &findings {
            draw(&mut out, source, raw, verdict, what, std::slice::from_ref(finding));
        }
    } else if !findings.is_empty() {
        draw(&mut out, source, raw, verdict, what, &findings);
    }
    if record.report.omitted() > 0 {
        let _ = writeln!(out, "... and {} more findings\n", record.report.omitted());
    }
    out
}

fn draw(
    out: &mut String,
    source: &str,
    raw: RawRecord<'_>,
    verdict: Verdict,
    what: &str,
    findings: &[&Finding],
) {
    let view = if raw.bytes.len() > WHOLE {
        let middle = findings.first().map_or(0, |finding| finding.range.start);
        View::of(raw.bytes, middle.saturating_sub(WINDOW)..middle + WINDOW)
    } else {
        View::of(raw.bytes, 0..raw.bytes.len())
    };
    let level = match verdict {
        Verdict::Invalid => Level::ERROR,
        Verdict::Deviating => Level::WARNING,
        _ => Level::NOTE,
    };
    let path = if raw.bytes.len() > WHOLE {
        format!("{source} (byte {} of the record)", findings.first().map_or(0, |f| f.range.start))
    } else {
        source.to_owned()
    };
    let labels: Vec<String> = findings
        .iter()
        .map(|finding| format!("{}[{}]: {finding}", finding.severity, finding.code))
        .collect();
    let mut snippet =
        Snippet::source(view.text.as_str()).line_start(raw.line as usize).path(path.as_str());
    for (finding, label) in findings.iter().zip(&labels) {
        let kind = if finding.severity == FindingSeverity::Error {
            AnnotationKind::Primary
        } else {
            AnnotationKind::Context
        };
        snippet = snippet.annotation(kind.span(view.map(&finding.range)).label(label.as_str()));
    }
    let title = format!("{verdict} {what}");
    let mut group: Group<'_> = level.primary_title(title.as_str()).element(snippet);
    let hints: Vec<String> = findings
        .iter()
        .filter_map(|finding| Some(format!("{}: {}", finding.code, finding.hint()?)))
        .collect();
    for hint in &hints {
        group = group.element(Level::HELP.message(hint.as_str()));
    }
    let _ = writeln!(out, "{}\n", Renderer::styled().render(&[group]));
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
            for character in chunk.valid().chars() {
                let at = view.text.len();
                view.map.extend(std::iter::repeat_n(at, character.len_utf8()));
                match character {
                    '\n' => view.text.push('\n'),
                    // Control characters would move the terminal's cursor.
                    c if c.is_control() => view.text.push('\u{fffd}'),
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
