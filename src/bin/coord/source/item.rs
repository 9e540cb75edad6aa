//! A checked record, where it stands, and what is drawn of it.

use coordination_protocol::scan::{LineIndex, Position, Snippet};
use coordination_protocol::validate::ValidationOutcome;
use std::ops::Range;

/// One checked record and its place.
pub(crate) struct Item<'a> {
    pub(crate) outcome: ValidationOutcome<'a>,
    /// The bytes that were checked.
    pub(crate) bytes: &'a [u8],
    pub(super) place: Place<'a>,
}

pub(super) enum Place<'a> {
    /// Stands in a record of a stream, which starts at this line, from this byte on; with the byte of
    /// the stream where the record starts.
    Record(u64, &'a [u8], usize, usize),
    /// Stands in a text from this byte on.
    Slice(Text<'a>, usize),
    /// Was found in a text.
    Snippet(Text<'a>, &'a Snippet<'a>),
}

/// A file, or whole lines of one.
#[derive(Clone, Copy)]
pub(super) struct Text<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) index: &'a LineIndex<'a>,
    /// How many lines stand before it in its file.
    pub(super) before: u64,
    /// How many bytes stand before it in its file.
    pub(super) offset: usize,
}

impl Text<'_> {
    fn position(&self, offset: usize) -> (u64, u64) {
        let Position { line, column, .. } = self.index.position(offset);
        (self.before + line as u64, column as u64)
    }
}

impl<'a> Item<'a> {
    /// A record that is all of its source.
    pub(crate) fn whole(outcome: ValidationOutcome<'a>, bytes: &'a [u8]) -> Self {
        Item { outcome, bytes, place: Place::Record(1, bytes, 0, 0) }
    }
}

impl Item<'_> {
    /// Line and column of a byte of the record, from 1.
    pub(crate) fn position(&self, offset: usize) -> (u64, u64) {
        match &self.place {
            Place::Record(line, record, base, _) => {
                let before = &record[..(base + offset).min(record.len())];
                let start = last_break(before).map_or(0, |at| at + 1);
                let lines = line_breaks(before);
                (line + lines as u64, characters(&before[start..]) as u64 + 1)
            }
            Place::Slice(text, base) => text.position(base + offset),
            Place::Snippet(text, snippet) => text.position(snippet.origin(offset)),
        }
    }

    /// The text to draw, the number of its first line, and where in it the ranges are.
    pub(crate) fn drawing(&self) -> (&[u8], u64, impl Fn(&Range<usize>) -> Range<usize>) {
        let (text, first, base) = match &self.place {
            Place::Record(line, record, ..) => (*record, *line, 0),
            Place::Slice(text, base) => {
                let end = base + self.bytes.len();
                let (lines, start) = whole_lines(text.bytes, *base..end);
                (lines, text.position(start).0, start)
            }
            Place::Snippet(text, snippet) => {
                let (lines, start) = whole_lines(text.bytes, snippet.range());
                (lines, text.position(start).0, start)
            }
        };
        let place = &self.place;
        (text, first, move |range: &Range<usize>| match place {
            Place::Record(_, _, offset, _) | Place::Slice(_, offset) => {
                offset + range.start - base..offset + range.end - base
            }
            Place::Snippet(_, snippet) => {
                let start = snippet.origin(range.start);
                let end = snippet.origin(range.end).max(start);
                start - base..end - base
            }
        })
    }
}

/// How many lines end in these bytes.
pub(crate) fn line_breaks(bytes: &[u8]) -> usize {
    bytes.split(|byte| *byte == b'\n').count() - 1
}

/// How many characters these bytes are; what is not UTF-8 counts as readers show it.
fn characters(bytes: &[u8]) -> usize {
    let chunks = bytes.utf8_chunks();
    chunks.map(|c| c.valid().chars().count() + usize::from(!c.invalid().is_empty())).sum()
}

fn last_break(bytes: &[u8]) -> Option<usize> {
    bytes.iter().rposition(|byte| *byte == b'\n')
}

/// The whole lines that hold a range, and where they start.
pub(crate) fn whole_lines(bytes: &[u8], range: Range<usize>) -> (&[u8], usize) {
    let start = last_break(&bytes[..range.start]).map_or(0, |at| at + 1);
    let rest = bytes[range.end..].iter().position(|byte| *byte == b'\n');
    (&bytes[start..rest.map_or(bytes.len(), |at| range.end + at)], start)
}
