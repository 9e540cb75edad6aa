//! Here-documents.

use super::super::lines::{self, Context, Mode};
use super::super::mapped::{Builder, Mapped};
use super::super::shape::line_end;
use super::super::{FileKind, LEVELS, Place, looks_like, markdown};
use super::Shell;
use memchr::memchr2;
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

impl<'a> Shell<'_, '_, 'a> {
    /// Reads the bodies of the here-documents that the line before opened.
    pub(super) fn here_documents(&mut self) {
        let Some(frame) = self.frames.last_mut() else { return };
        for (index, document) in std::mem::take(&mut frame.pending).into_iter().enumerate() {
            // Several documents of one line follow each other, in the order of their operators.
            if index > 0 && self.bytes.get(self.at) == Some(&b'\n') {
                self.at += 1;
            }
            let (body, after) = self.find_body(&document);
            self.at = after;
            // The objects of a program for `jq` or `awk` are no messages.
            if !document.program {
                self.here_document(&document, body);
            }
        }
    }

    /// The lines up to the delimiter, and where the script goes on. The delimiter may be indented,
    /// and followed by the brackets that close what is around the command: authors do both.
    fn find_body(&self, document: &HereDoc<'_>) -> (Range<usize>, usize) {
        let (start, end) = (self.at.min(self.bytes.len()), self.bytes.len());
        let mut at = start;
        while at < end {
            let eol = line_end(self.bytes, at);
            let line = self.bytes[at..eol].trim_ascii();
            if let Some(rest) = line.strip_prefix(document.delimiter.trim().as_bytes())
                && rest.iter().all(|b| b")\"';".contains(b))
            {
                let indent = self.bytes[at..eol].trim_ascii_start().len();
                let closers = match rest {
                    [] => eol,
                    _ => eol - indent + document.delimiter.trim().len(),
                };
                return (start..at, closers);
            }
            at = eol + 1;
        }
        // Without its delimiter it reaches to the end, as it does in a shell.
        (start..end, end)
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
        while let Some(offset) = memchr2(b'\\', b'$', &bytes[at..]) {
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
