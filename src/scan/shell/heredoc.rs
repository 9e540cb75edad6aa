//! Here-documents.

use super::super::lines::{self, Context, Mode};
use super::super::mapped::{Builder, Mapped};
use super::super::shape::line_end;
use super::super::{FileKind, LEVELS, Place, looks_like, markdown};
use super::Shell;
use memchr::memchr3;
use std::collections::HashMap;
use std::ops::Range;

/// A here-document whose body follows the line.
pub(super) struct HereDoc<'a> {
    /// The delimiter with its quotes.
    pub(super) spelled: &'a str,
    pub(super) delimiter: String,
    /// `<<-`: tabs before the lines are not part of them.
    pub(super) tabs: bool,
    pub(super) expands: bool,
    /// Whether it is a program in another language.
    pub(super) program: bool,
}

/// What may follow the delimiter on its line.
const CLOSERS: &[u8] = b")\"';";

/// The lines of a script by what they hold, so that a delimiter that no line is costs no search.
pub(super) struct Delimiters<'s> {
    bytes: &'s [u8],
    /// Where the last line starts that is exactly this: with its tabs or without, and without lines
    /// that continue the one before or with them. Made when first asked for.
    exact: [Option<HashMap<&'s [u8], usize>>; 4],
    /// Without white space around it and brackets behind it.
    loose: Option<HashMap<&'s [u8], usize>>,
}

impl<'s> Delimiters<'s> {
    pub(super) fn new(bytes: &'s [u8]) -> Self {
        Delimiters { bytes, exact: [None, None, None, None], loose: None }
    }

    /// Whether a line behind `from` is the delimiter and nothing else.
    fn exact(&mut self, document: &HereDoc<'_>, from: usize) -> bool {
        let index = usize::from(document.tabs) + 2 * usize::from(document.expands);
        let bytes = self.bytes;
        let lines = self.exact[index].get_or_insert_with(|| {
            let lines = lines(bytes).filter(|(at, _)| !document.expands || !continues(bytes, *at));
            lines.map(|(at, line)| (document.bare(line), at)).collect()
        });
        lines.get(document.delimiter.as_bytes()).is_some_and(|last| *last >= from)
    }

    fn loose(&mut self, delimiter: &[u8], from: usize) -> bool {
        let bytes = self.bytes;
        let lines = self.loose.get_or_insert_with(|| {
            lines(bytes).map(|(at, line)| (without_closers(line.trim_ascii()), at)).collect()
        });
        let delimiter = without_closers(delimiter.trim_ascii());
        !delimiter.is_empty() && lines.get(delimiter).is_some_and(|last| *last >= from)
    }
}

impl HereDoc<'_> {
    /// A line as it is compared with the delimiter.
    fn bare<'l>(&self, line: &'l [u8]) -> &'l [u8] {
        let tabs = line.iter().take_while(|b| self.tabs && **b == b'\t').count();
        &line[tabs..]
    }
}

/// Where each line starts, and the line without its end.
fn lines(bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at;
        (start < bytes.len()).then(|| {
            let eol = line_end(bytes, start);
            at = eol + 1;
            (start, bare_line(&bytes[start..eol]))
        })
    })
}

/// Whether the line before the one at `at` ends with a backslash that is not escaped itself.
fn continues(bytes: &[u8], at: usize) -> bool {
    let before = bare_line(bytes[..at].strip_suffix(b"\n").unwrap_or_default());
    before.iter().rev().take_while(|b| **b == b'\\').count() % 2 == 1
}

fn bare_line(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

fn without_closers(line: &[u8]) -> &[u8] {
    let kept = line.iter().rposition(|b| !CLOSERS.contains(b)).map_or(0, |last| last + 1);
    &line[..kept]
}

impl<'a> Shell<'_, '_, 'a> {
    /// Reads the bodies of the here-documents that the line before opened.
    pub(super) fn here_documents(&mut self) {
        let Some(frame) = self.frames.last_mut() else { return };
        for (index, document) in std::mem::take(&mut frame.pending).into_iter().enumerate() {
            // Several documents of one line follow each other, in the order of their operators.
            if index > 0 && self.bytes.get(self.at) == Some(&b'\n') {
                self.at += 1;
            }
            let Some((body, after)) = self.find_body(&document) else { continue };
            self.at = after;
            // The objects of a program for `jq` or `awk` are no messages.
            if !document.program {
                self.here_document(&document, body);
            }
        }
    }

    /// The lines up to the delimiter, and where the script goes on. Where no line is the delimiter
    /// and nothing else, one will do in which it is indented, or followed by the brackets that close
    /// what is around the command: authors do both. Without any, it is no here-document.
    fn find_body(&mut self, document: &HereDoc<'_>) -> Option<(Range<usize>, usize)> {
        let (start, bytes) = (self.at.min(self.bytes.len()), self.bytes);
        let delimiter = document.delimiter.as_bytes();
        let delimiters = self.delimiters.get_or_insert_with(|| Delimiters::new(bytes));
        let exact = delimiters.exact(document, start);
        if !exact && !delimiters.loose(delimiter, start) {
            return None;
        }
        let mut at = start;
        while at < bytes.len() {
            let eol = line_end(bytes, at);
            let line = bare_line(&bytes[at..eol]);
            if exact && document.bare(line) == delimiter {
                let joined = document.expands && at > start && continues(bytes, at);
                if !joined {
                    return Some((start..at, eol));
                }
            }
            if !exact && let Some(rest) = line.trim_ascii().strip_prefix(delimiter.trim_ascii()) {
                // Only brackets are left, which is why the line is in the list.
                if rest.iter().all(|b| CLOSERS.contains(b)) {
                    let indent = line.len() - line.trim_ascii_start().len();
                    let brackets = line.trim_ascii().len() > delimiter.trim_ascii().len();
                    let end =
                        if brackets { at + indent + delimiter.trim_ascii().len() } else { eol };
                    return Some((start..at, end));
                }
            }
            at = eol + 1;
        }
        None
    }

    fn here_document(&mut self, document: &HereDoc<'a>, body: Range<usize>) {
        let mut expansions = Vec::new();
        let text = self.body(document, body, &mut expansions);
        let place = Place::HereDoc { delimiter: document.spelled, expands: document.expands };
        let mut context = Context::new(place);
        let level = self.level + 1;
        let kind = if level < LEVELS { looks_like(&text.text) } else { FileKind::EventLines };
        match kind {
            FileKind::Shell => super::read(self.output, &text, &context, level),
            FileKind::Markdown => markdown::read(self.output, &text, &context, level),
            _ => {
                context.expansions = &expansions;
                lines::read(self.output, &text, Mode::Container, &context, level);
            }
        }
    }

    /// The text of a body: tabs taken away, escapes resolved.
    fn body(
        &self,
        document: &HereDoc<'_>,
        body: Range<usize>,
        expansions: &mut Vec<usize>,
    ) -> Mapped<'a> {
        if !document.tabs && !document.expands {
            return self.source.slice(body);
        }
        let mut builder = self.source.builder(body.start);
        let mut at = body.start;
        while at < body.end {
            let eol = (line_end(self.bytes, at) + 1).min(body.end);
            let line = &self.bytes[at..eol];
            let tabs = line.iter().take_while(|b| **b == b'\t').count();
            at += if document.tabs { tabs } else { 0 };
            if document.expands {
                self.expanded(at..eol, &mut builder, expansions);
            } else {
                builder.push(self.source, at..eol);
            }
            at = eol;
        }
        builder.finish()
    }

    /// Appends a line whose escapes the shell resolves.
    fn expanded(&self, line: Range<usize>, builder: &mut Builder<'a>, places: &mut Vec<usize>) {
        let (mut from, mut at) = (line.start, line.start);
        let bytes = &self.bytes[..line.end];
        while let Some(offset) = memchr3(b'\\', b'$', b'`', &bytes[at..]) {
            at += offset;
            let next = bytes.get(at + 1).copied();
            match (bytes[at], next) {
                (b'\\', Some(b'$' | b'`' | b'\\')) => {
                    builder.push(self.source, from..at);
                    from = at + 1;
                    at += 2;
                }
                (b'\\', Some(b'\n')) => {
                    builder.push(self.source, from..at);
                    (from, at) = (at + 2, at + 2);
                }
                (b'\\', Some(b'\r')) if bytes.get(at + 2) == Some(&b'\n') => {
                    builder.push(self.source, from..at);
                    (from, at) = (at + 3, at + 3);
                }
                (b'`', _) => {
                    places.push(builder.len() + at - from);
                    at += 1;
                }
                (b'$', Some(b)) if b.is_ascii_alphanumeric() || b"_{(@*#?!".contains(&b) => {
                    places.push(builder.len() + at - from);
                    at += 1;
                }
                _ => at += 1,
            }
        }
        builder.push(self.source, from..line.end);
    }
}
