//! Markdown: prose and fenced blocks.
//!
//! Prose is searched wherever it stands: in paragraphs, lists, quotations, tables, indented code,
//! comments and the front matter alike, since whoever reads a command reads all of it. Only where
//! fences open and close depends on the blocks around them.

use super::blocks::{Blocks, Line};
use super::fence::{Language, language};
use super::lines::{self, Context, Mode};
use super::mapped::{Builder, Mapped};
use super::shape::line_end;
use super::{FileKind, LEVELS, Output, Place, looks_like, shell, yaml};
use std::ops::Range;

/// Reads Markdown.
pub(super) fn read<'a>(
    output: &mut Output<'a>,
    source: &Mapped<'a>,
    context: &Context<'a, '_>,
    level: usize,
) {
    let mut reader = Reader { output, source, context, level };
    let text = &*source.text;
    let bytes = text.as_bytes();
    let mut blocks = Blocks::new();
    let mut at = front_matter(text);
    let mut prose = Prose { from: 0, to: at, rows: Vec::new() };
    let mut fence: Option<(Range<usize>, Builder<'a>)> = None;
    while at < bytes.len() {
        let eol = line_end(bytes, at);
        let next = (eol + 1).min(bytes.len());
        // A byte order mark is no text of the first line.
        let mark = if at == 0 && text.starts_with('\u{feff}') { 3 } else { 0 };
        let line = blocks.line(text, at + mark, eol);
        if let Line::Content { start, columns } = line {
            if let Some((_, body)) = &mut fence {
                for _ in 0..columns {
                    body.push_char(source, start - 1..start, ' ');
                }
                body.push(source, start.min(next)..next);
            }
            at = next;
            continue;
        }
        if let Some((info, body)) = fence.take() {
            reader.fence(info, &body.finish());
            prose = Prose { from: at, to: at, rows: Vec::new() };
        }
        match line {
            Line::Opens { info } => {
                // The prose before a fence is read as one piece: a document may span its lines.
                reader.prose(&prose);
                fence = Some((info, source.builder(next)));
            }
            Line::Closes => prose = Prose { from: next, to: next, rows: Vec::new() },
            Line::Row { head } => {
                prose.rows.extend(head);
                prose.rows.push(at..eol);
            }
            Line::Text | Line::Content { .. } => {}
        }
        prose.to = next;
        at = next;
    }
    match fence {
        Some((info, body)) => reader.fence(info, &body.finish()),
        None => reader.prose(&prose),
    }
}

/// Lines that belong to no fence.
struct Prose {
    from: usize,
    to: usize,
    /// Rows of tables, in order.
    rows: Vec<Range<usize>>,
}

struct Reader<'r, 'a, 'c> {
    output: &'r mut Output<'a>,
    source: &'r Mapped<'a>,
    context: &'r Context<'a, 'c>,
    level: usize,
}

impl<'a> Reader<'_, 'a, '_> {
    fn prose(&mut self, prose: &Prose) {
        if prose.from == prose.to {
            return;
        }
        let piece = self.without_bars(prose);
        lines::read(self.output, &piece, Mode::Prose, self.context, self.level);
    }

    /// The prose as its reader gets it: in a row of a table, `\|` is a bar, even in code.
    fn without_bars(&self, prose: &Prose) -> Mapped<'a> {
        let (source, mut from) = (self.source, prose.from);
        let mut piece = source.builder(from);
        for row in &prose.rows {
            for bar in memchr::memmem::find_iter(&source.text.as_bytes()[row.clone()], b"\\|") {
                let bar = row.start + bar;
                piece.push(source, from..bar);
                piece.push_char(source, bar..bar + 2, '|');
                from = bar + 2;
            }
        }
        piece.push(source, from..prose.to);
        piece.finish()
    }

    fn fence(&mut self, info: Range<usize>, body: &Mapped<'a>) {
        let language = language(&self.source.text[info.clone()]);
        if language == Language::Other || body.text.is_empty() {
            return;
        }
        let mut context = self.context.clone();
        if context.place == Place::Line {
            context.place = Place::Fence { info: self.source.source(info) };
        }
        let level = self.level + 1;
        let nested = level < LEVELS;
        let mode = match language {
            Language::Json => Mode::Json,
            // Also at the last level: the shell reads what is nested deeper as plain words.
            Language::Shell => return shell::read(self.output, body, &context, level),
            Language::Yaml => return yaml::read(self.output, body, &context, level, true),
            Language::Markdown if nested => {
                // The places inside are those of its own fences.
                context.place = Place::Line;
                return read(self.output, body, &context, level);
            }
            Language::Untagged if nested && looks_like(&body.text) == FileKind::Shell => {
                return shell::read(self.output, body, &context, level);
            }
            Language::Untagged | Language::Text if looks_like(&body.text) == FileKind::Log => {
                Mode::Log
            }
            _ => Mode::Text,
        };
        lines::read(self.output, body, mode, &context, level);
    }
}

/// Where the front matter ends: the lines between two lines of three dashes at the start of a file.
/// A fence in it is a text of YAML.
fn front_matter(text: &str) -> usize {
    let mut at = 0;
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let dashes = matches!(line.trim_start_matches('\u{feff}').trim_end(), "---");
        let ends = dashes || line.trim_end() == "...";
        at += line.len();
        match index {
            0 if !dashes => return 0,
            0 => {}
            // An empty line behind the first dashes: those draw a line.
            1 if line.trim().is_empty() => return 0,
            _ if ends => return at,
            _ => {}
        }
    }
    0
}
