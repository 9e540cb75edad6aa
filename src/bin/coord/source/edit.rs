//! An edit of a record, spelled for the place in the file where the record stands.

use super::Item;
use super::item::Place;
use coordination_protocol::event::RecordShape;
use coordination_protocol::finding::TextEdit;
use coordination_protocol::scan::{self, Snippet};

/// How a replacement is spelled.
#[derive(Clone, Copy)]
enum Spelling {
    AsItIs,
    /// As between double quotes of a shell.
    InDoubleQuotes,
}

/// How much of the file gives way.
#[derive(Clone, Copy)]
enum Reach {
    /// All between the character before the edit and the one behind it, quotes of a shell included.
    Wide,
    /// The characters themselves.
    Narrow,
}

impl Item<'_> {
    /// Where the record starts in the input, in bytes.
    pub(crate) fn start(&self) -> usize {
        match &self.place {
            Place::Record(_, _, base, offset) => offset + base,
            Place::Slice(text, base) => text.offset + base,
            Place::Snippet(text, snippet) => text.offset + snippet.origin(0),
        }
    }

    /// Whether the record stands in the file byte for byte as it is read, outside of any quotes.
    pub(crate) fn is_spelled_as_read(&self) -> bool {
        let Place::Snippet(text, snippet) = &self.place else { return true };
        let quoted = matches!(
            snippet.place,
            scan::Place::Argument { .. } | scan::Place::InlineCode | scan::Place::Words
        );
        !quoted && text.bytes.get(snippet.range()) == Some(self.bytes)
    }

    /// Whether the record is one of a log: a stream of event lines, or lines among others.
    pub(crate) fn is_in_log(&self) -> bool {
        match &self.place {
            Place::Snippet(_, snippet) => snippet.place == scan::Place::LogLine,
            _ => RecordShape::of(self.bytes) == RecordShape::Line,
        }
    }

    /// Whether what it says is certain: else no fix of it is.
    pub(crate) fn is_readable(&self) -> bool {
        !self.outcome.report.findings().iter().any(|finding| finding.code.is_fatal())
    }

    /// The edits of the file that may make these edits of the record, the likeliest first. Which of
    /// them does, tells only the file that is read again.
    pub(crate) fn edits_of_file(&self, edits: &[TextEdit]) -> Vec<Vec<TextEdit>> {
        use Reach::{Narrow, Wide};
        use Spelling::{AsItIs, InDoubleQuotes};
        let Place::Snippet(text, snippet) = &self.place else {
            let start = self.start();
            let moved = |edit: &TextEdit| {
                TextEdit::new(
                    start + edit.range.start..start + edit.range.end,
                    edit.replacement.as_str(),
                )
            };
            return vec![edits.iter().map(moved).collect()];
        };
        let ways: &[(Reach, Spelling)] = match snippet.place {
            scan::Place::Argument { quote: Some('\'') } => &[
                (Wide, AsItIs),
                (Narrow, AsItIs),
                (Wide, InDoubleQuotes),
                (Narrow, InDoubleQuotes),
            ],
            scan::Place::Argument { .. } | scan::Place::InlineCode | scan::Place::Words => &[
                (Wide, InDoubleQuotes),
                (Wide, AsItIs),
                (Narrow, InDoubleQuotes),
                (Narrow, AsItIs),
            ],
            _ => &[(Wide, AsItIs)],
        };
        let spelled = |&(reach, spelling): &(Reach, Spelling)| {
            let edits = edits.iter().map(|edit| {
                let mut edit = in_file(text.bytes, snippet, edit, reach, spelling)?;
                edit.range = text.offset + edit.range.start..text.offset + edit.range.end;
                Some(edit)
            });
            edits.collect::<Option<Vec<_>>>()
        };
        let mut all: Vec<Vec<TextEdit>> = ways.iter().filter_map(spelled).collect();
        all.dedup();
        all
    }
}

/// The edit in the file, if the characters around it stand there as they are read.
fn in_file(
    file: &[u8],
    snippet: &Snippet<'_>,
    edit: &TextEdit,
    reach: Reach,
    spelling: Spelling,
) -> Option<TextEdit> {
    let text = &*snippet.text;
    let (start, end) = (edit.range.start, edit.range.end);
    // Where a character ends in the file.
    let behind = |at: usize| {
        let length = text[..at].chars().next_back()?.len_utf8();
        let origin = snippet.origin(at - length);
        (file.get(origin..origin + length)? == &text.as_bytes()[at - length..at])
            .then_some(origin + length)
    };
    // Where one starts, with the backslash that escapes it.
    let before = |at: usize, least: usize| {
        let origin = snippet.origin(at);
        if at < text.len() && origin > least && file.get(origin - 1) == Some(&b'\\') {
            origin - 1
        } else {
            origin
        }
    };
    let from = if start == 0 { snippet.origin(0) } else { behind(start)? };
    let (from, to) = match reach {
        _ if start == end => (before(start, from), before(start, from)),
        Reach::Wide => (from, before(end, behind(end)?)),
        Reach::Narrow => (before(start, from), behind(end)?),
    };
    let mut replacement = String::new();
    for character in edit.replacement.chars() {
        if matches!(spelling, Spelling::InDoubleQuotes) && "\"\\$`".contains(character) {
            replacement.push('\\');
        }
        replacement.push(character);
    }
    Some(TextEdit::new(from..to, replacement))
}
