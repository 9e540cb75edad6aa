//! Quotes, escapes, and what the shell puts in.

use super::super::shape::skip_blanks;
use super::{Closer, Extent, Frame, Shell};
use memchr::memchr;

/// Substitutions up to this length on one line are shown in the text; of any other only `$()`.
const SHOWN: usize = 128;

impl Shell<'_, '_, '_> {
    /// One step inside double quotes.
    pub(super) fn in_double_quotes(&mut self, byte: u8) -> bool {
        match byte {
            b'"' => {
                self.at += 1;
                if let Some(frame) = self.frames.last_mut() {
                    frame.quoted = false;
                }
            }
            b'\\' => match self.peek(1) {
                Some(b'"' | b'\\' | b'$' | b'`') => {
                    self.take(self.at + 1..self.at + 2);
                    self.at += 2;
                }
                _ => self.continuation_or_char(),
            },
            b'$' => self.dollar(true),
            b'`' => self.backquote(),
            b'\n' if self.ends_in_quotes() => return false,
            _ => self.take_run(b"\"\\$`\n"),
        }
        true
    }

    /// A backslash: a line continuation, or itself with the next character outside quotes.
    pub(super) fn continuation_or_char(&mut self) {
        let quoted = self.frames.last().is_some_and(|frame| frame.quoted);
        match (self.peek(1), self.peek(2)) {
            (Some(b'\n'), _) => self.at += 2,
            (Some(b'\r'), Some(b'\n')) => self.at += 3,
            (Some(_), _) => {
                let from = if quoted { self.at } else { self.at + 1 };
                let length = self.text[self.at + 1..].chars().next().map_or(1, char::len_utf8);
                self.take(from..self.at + 1 + length);
                self.at += 1 + length;
            }
            (None, _) => self.at += 1,
        }
    }

    /// Whether the command to be read ends at this line break although a quote is open.
    pub(super) fn ends_in_quotes(&self) -> bool {
        let next = skip_blanks(self.bytes, self.at + 1);
        let blank = matches!(self.bytes.get(next), None | Some(b'\n'));
        self.extent == (Extent::Command { blank_line: true }) && blank
    }

    /// Single quotes: everything up to the next one, no escapes.
    pub(super) fn single_quotes(&mut self) -> bool {
        let at = self.at;
        let rest = &self.bytes[at + 1..];
        let letters = |index: Option<usize>| {
            index.and_then(|index| self.bytes.get(index)).is_some_and(u8::is_ascii_alphabetic)
        };
        if letters(at.checked_sub(1)) && letters(Some(at + 1)) {
            let next = memchr::memchr2(b'\'', b'\n', rest).and_then(|offset| rest.get(offset));
            if next != Some(&b'\'') {
                // The apostrophe of a word like `don't`, in text that is not really a script.
                self.take(at..at + 1);
                self.at += 1;
                return true;
            }
        }
        self.open_quote(b'\'');
        let mut end = memchr(b'\'', rest).map_or(self.bytes.len(), |offset| at + 1 + offset);
        let mut goes_on = end < self.bytes.len();
        if self.extent == (Extent::Command { blank_line: true })
            && let Some(blank) = blank_line(&self.bytes[..end], at)
        {
            (end, goes_on) = (blank, false);
        }
        self.take(at + 1..end);
        self.at = end + usize::from(goes_on);
        goes_on
    }

    pub(super) fn dollar(&mut self, quoted: bool) {
        let at = self.at;
        match self.peek(1) {
            Some(b'(') if self.may_nest() => {
                let arithmetic = self.peek(2) == Some(b'(');
                let (closer, parens, length) =
                    if arithmetic { (Closer::Arithmetic, 2, 3) } else { (Closer::Paren, 0, 2) };
                self.ensure_word();
                self.at += length;
                self.frames.push(Frame::new(closer, at, parens));
            }
            Some(b'{') => {
                self.ensure_word();
                let end = if at < self.no_brace {
                    None
                } else {
                    let stop = memchr::memchr2(b'}', b'\n', &self.bytes[at..])
                        .map_or(self.bytes.len(), |offset| at + offset);
                    let closes = self.bytes.get(stop) == Some(&b'}');
                    self.no_brace = if closes { self.no_brace } else { stop };
                    closes.then_some(stop + 1)
                };
                let end = end.unwrap_or(at + 2);
                self.expansion(at..end);
                self.at = end;
            }
            Some(b'\'') if !quoted => self.ansi_quotes(),
            // A translated string; the quotes that follow are ordinary.
            Some(b'"') if !quoted => self.at += 1,
            Some(b) if b.is_ascii_alphanumeric() || b"_@*#?!$-(".contains(&b) => {
                self.ensure_word();
                self.expansion(at..at + 1);
                self.at += 1;
            }
            _ => {
                self.take(at..at + 1);
                self.at += 1;
            }
        }
    }

    /// Ends a substitution: the word around it gets its text, or `$()` in its place.
    pub(super) fn close_frame(&mut self) {
        let Some(frame) = self.frames.pop() else { return };
        let range = frame.opened..self.at;
        if let Some(outer) = self.frames.last_mut() {
            // Here-documents that are opened before the parenthesis follow its line.
            outer.pending.extend(frame.pending);
        }
        if self.word().is_none() {
            return;
        }
        let shown = range.len() <= SHOWN && memchr(b'\n', &self.bytes[range.clone()]).is_none();
        if shown {
            self.expansion(range);
        } else {
            let opening = if self.bytes[range.start] == b'`' { 1 } else { 2 };
            self.expansion(range.start..range.start + opening);
            self.take(range.end - 1..range.end);
        }
    }

    pub(super) fn backquote(&mut self) {
        let closes = self.frames.last().is_some_and(|frame| frame.closer == Closer::Backquote);
        if closes && !self.frames.last().is_some_and(|frame| frame.quoted) {
            self.finish_word();
            self.at += 1;
            self.close_frame();
        } else if self.may_nest() {
            self.ensure_word();
            self.frames.push(Frame::new(Closer::Backquote, self.at, 0));
            self.at += 1;
        } else {
            self.take(self.at..self.at + 1);
            self.at += 1;
        }
    }
}

/// The line break before the first blank line between `from` and the end.
fn blank_line(bytes: &[u8], from: usize) -> Option<usize> {
    memchr::memchr_iter(b'\n', &bytes[from..])
        .map(|offset| from + offset)
        .find(|at| bytes.get(skip_blanks(bytes, at + 1)) == Some(&b'\n'))
}
