//! Text that was taken out of a file, and where each byte of it came from.

use std::borrow::Cow;
use std::ops::Range;

/// A run of text with one rule for its origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// Where the run starts in the text.
    at: usize,
    /// Where its first byte stands in the file.
    origin: usize,
    /// Whether the file holds these very bytes; else the run is one resolved escape.
    verbatim: bool,
}

/// Where the bytes of a text stand in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Origins {
    parts: Vec<Part>,
    /// Length of the text.
    len: usize,
    /// Where the text ends in the file.
    end: usize,
}

impl Origins {
    /// Where a byte of the text stands in the file; the end of the text if it has fewer bytes.
    pub(super) fn of(&self, offset: usize) -> usize {
        if offset >= self.len {
            return self.end;
        }
        match self.parts.get(self.part_of(offset)) {
            Some(part) if part.verbatim => part.origin + (offset - part.at),
            Some(part) => part.origin,
            None => self.end,
        }
    }

    fn part_of(&self, offset: usize) -> usize {
        self.parts.partition_point(|part| part.at <= offset).saturating_sub(1)
    }

    /// Where the run at `index` ends in the text.
    fn part_end(&self, index: usize) -> usize {
        self.parts.get(index + 1).map_or(self.len, |next| next.at)
    }
}

/// A text and the origin of its bytes. Borrowed as long as it is one piece of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mapped<'a> {
    file: &'a str,
    pub(super) text: Cow<'a, str>,
    pub(super) origins: Origins,
}

impl<'a> Mapped<'a> {
    /// The whole of a file.
    pub(super) fn file(file: &'a str) -> Self {
        let parts = vec![Part { at: 0, origin: 0, verbatim: true }];
        let origins = Origins { parts, len: file.len(), end: file.len() };
        Mapped { file, text: Cow::Borrowed(file), origins }
    }

    /// Where a byte of the text stands in the file.
    pub(super) fn origin(&self, offset: usize) -> usize {
        self.origins.of(offset)
    }

    /// What the file has in the place of a range, escapes included.
    pub(super) fn source(&self, range: Range<usize>) -> &'a str {
        let end = match range.end.checked_sub(1) {
            Some(last) if range.end > range.start => self.origin(last) + 1,
            _ => self.origin(range.start),
        };
        self.file.get(self.origin(range.start)..end).unwrap_or_default()
    }

    /// A part of the text.
    pub(super) fn slice(&self, range: Range<usize>) -> Mapped<'a> {
        let mut builder = self.builder(range.start);
        builder.push(self, range);
        builder.finish()
    }

    /// An empty text that stands at a byte of this one, to be filled.
    pub(super) fn builder(&self, at: usize) -> Builder<'a> {
        let end = self.origin(at);
        Builder { file: self.file, text: String::new(), len: 0, parts: Vec::new(), end }
    }
}

/// Puts a text together from pieces of another.
#[derive(Debug)]
pub(super) struct Builder<'a> {
    file: &'a str,
    /// Filled from the second piece on; a single piece stays in the file.
    text: String,
    len: usize,
    parts: Vec<Part>,
    end: usize,
}

impl<'a> Builder<'a> {
    /// Bytes so far.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The text so far.
    pub(super) fn text(&self) -> &str {
        match self.parts[..] {
            [only @ Part { verbatim: true, .. }] => {
                self.file.get(only.origin..only.origin + self.len).unwrap_or_default()
            }
            _ => &self.text,
        }
    }

    /// Appends a range of another text.
    pub(super) fn push(&mut self, from: &Mapped<'a>, range: Range<usize>) {
        let mut at = range.start;
        let mut index = from.origins.part_of(at);
        while at < range.end {
            let end = from.origins.part_end(index).min(range.end);
            let verbatim = from.origins.parts.get(index).is_some_and(|part| part.verbatim);
            let after = if verbatim { from.origin(end - 1) + 1 } else { from.origin(end) };
            self.append(&from.text[at..end], from.origin(at), after, verbatim);
            at = end;
            index += 1;
        }
    }

    /// Appends a character that the file spells differently at `range` of `from`.
    pub(super) fn push_char(&mut self, from: &Mapped<'a>, range: Range<usize>, character: char) {
        let mut buffer = [0; 4];
        let text = character.encode_utf8(&mut buffer);
        self.append(text, from.origin(range.start), from.origin(range.end), false);
    }

    /// Appends a text that the file does not hold, where the text before it ends.
    pub(super) fn push_gap(&mut self, text: &str) {
        let end = self.end;
        self.append(text, end, end, false);
    }

    fn append(&mut self, piece: &str, origin: usize, after: usize, verbatim: bool) {
        if piece.is_empty() {
            return;
        }
        let goes_on =
            verbatim && origin == self.end && self.parts.last().is_some_and(|last| last.verbatim);
        if !goes_on {
            self.own();
            self.parts.push(Part { at: self.len, origin, verbatim });
        }
        if self.parts.len() > 1 || !verbatim {
            self.text.push_str(piece);
        }
        self.len += piece.len();
        self.end = after;
    }

    /// Copies the single piece that was left in the file so far.
    fn own(&mut self) {
        if let [only @ Part { verbatim: true, .. }] = self.parts[..] {
            let held = self.file.get(only.origin..only.origin + self.len).unwrap_or_default();
            self.text.push_str(held);
        }
    }

    /// The text.
    pub(super) fn finish(self) -> Mapped<'a> {
        let text = match self.parts[..] {
            [] => Cow::Borrowed(""),
            [only @ Part { verbatim: true, .. }] => {
                let held = self.file.get(only.origin..only.origin + self.len);
                Cow::Borrowed(held.unwrap_or_default())
            }
            _ => Cow::Owned(self.text),
        };
        let origins = Origins { parts: self.parts, len: self.len, end: self.end };
        Mapped { file: self.file, text, origins }
    }
}
