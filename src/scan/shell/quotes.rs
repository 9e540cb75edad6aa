//! Quotes, escapes, and what the shell puts in.

use super::super::shape::{line_end, skip_blanks};
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
                if let Some(frame) = self.frames.last_mut()
                    && let Some((open, mark)) = frame.quote.take()
                {
                    self.suspect(open, mark);
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

    /// One step inside `${...}`. Its quotes are its own, also where double quotes are around it, and
    /// a brace that opens nothing counts for nothing.
    pub(super) fn in_braces(&mut self, byte: u8) -> bool {
        match byte {
            b'}' => {
                self.at += 1;
                self.close_frame();
            }
            b'"' => self.open_double_quotes(),
            b'\'' => return self.single_quotes(),
            b'\\' => self.continuation_or_char(),
            b'$' => self.dollar(false),
            b'`' => self.backquote(),
            _ => self.take_run(b"}\"'\\$`"),
        }
        true
    }

    /// One step inside `((...))` or `$[...]`, where `<<` is a shift and `#` no comment.
    pub(super) fn in_arithmetic(&mut self, byte: u8) -> bool {
        let Some(frame) = self.frames.last_mut() else { return false };
        let (opens, closes, last) = match frame.closer {
            Closer::Bracket => (b'[', b']', 1),
            _ => (b'(', b')', 2),
        };
        match byte {
            b'"' => self.open_double_quotes(),
            b'\'' => return self.single_quotes(),
            b'\\' => self.continuation_or_char(),
            b'$' => self.dollar(false),
            b'`' => self.backquote(),
            _ if byte == opens => {
                frame.parens += 1;
                self.at += 1;
            }
            _ if byte == closes && frame.parens > last => {
                frame.parens -= 1;
                self.at += 1;
            }
            _ if byte == closes && last == 1 => {
                self.at += 1;
                self.close_frame();
            }
            _ if byte == closes && self.peek(1) == Some(closes) => {
                self.at += 2;
                self.close_frame();
            }
            // A subshell that ends alone: `$((` was meant as `$( (`.
            _ if byte == closes => self.no_arithmetic(),
            _ => self.take_run(b"()[]\"'\\$`"),
        }
        true
    }

    /// Goes back to parentheses that were taken for arithmetic. Each pair once, and they are not
    /// nested deeper than frames are.
    fn no_arithmetic(&mut self) {
        let Some(frame) = self.frames.pop() else { return };
        self.output.back_to(frame.mark);
        self.subshells.insert(frame.opened);
        self.at = frame.opened;
    }

    pub(super) fn open_double_quotes(&mut self) {
        self.open_quote(b'"');
        let quote = Some((self.at, self.output.mark()));
        self.at += 1;
        if let Some(frame) = self.frames.last_mut() {
            frame.quote = quote;
        }
    }

    /// A backslash: a line continuation, or itself with the next character outside quotes.
    pub(super) fn continuation_or_char(&mut self) {
        let quoted = self.frames.last().is_some_and(|frame| frame.quote.is_some());
        match (self.peek(1), self.peek(2)) {
            (Some(b'\n'), _) => self.at += 2,
            (Some(b'\r'), Some(b'\n')) => self.at += 3,
            (Some(_), _) => {
                let from = if quoted { self.at } else { self.at + 1 };
                let length = self.text[self.at + 1..].chars().next().map_or(1, char::len_utf8);
                self.take(from..self.at + 1 + length);
                self.at += 1 + length;
                if let Some(word) = self.word() {
                    word.quoted |= !quoted;
                }
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
        if self.is_apostrophe() {
            self.take(at..at + 1);
            self.at += 1;
            return true;
        }
        let close = memchr(b'\'', &self.bytes[at + 1..]).map(|offset| at + 1 + offset);
        if self.extent == (Extent::Command { blank_line: true })
            && let Some(blank) = blank_line(&self.bytes[..close.unwrap_or(self.bytes.len())], at)
        {
            self.open_quote(b'\'');
            self.take(at + 1..blank);
            self.at = blank;
            return false;
        }
        match close {
            Some(close) => {
                self.open_quote(b'\'');
                self.take(at + 1..close);
                self.at = close + 1;
                self.suspect(at, self.output.mark());
                true
            }
            None => self.unclosed_quote(at),
        }
    }

    /// Whether the quote is the apostrophe of a word like `don't`, in text that is not really a
    /// script: no quote closes it on its line.
    fn is_apostrophe(&self) -> bool {
        const ENDINGS: &[&[u8]] = &[b"d", b"ll", b"m", b"re", b"s", b"t", b"ve"];
        let letter = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphabetic);
        let rest = &self.bytes[self.at + 1..];
        // The longest ending, and one byte to see that the word ends.
        let ending = rest[..rest.len().min(3)].iter().take_while(|b| letter(Some(b))).count();
        letter(self.at.checked_sub(1).and_then(|at| self.bytes.get(at)))
            && ENDINGS.contains(&&rest[..ending])
            && memchr::memchr2(b'\'', b'\n', rest).is_none_or(|offset| rest[offset] == b'\n')
    }

    pub(super) fn dollar(&mut self, quoted: bool) {
        let at = self.at;
        match self.peek(1) {
            Some(b'(') if self.may_nest() => {
                let arithmetic = self.peek(2) == Some(b'(') && !self.subshells.contains(&at);
                let (closer, length) =
                    if arithmetic { (Closer::Arithmetic, 3) } else { (Closer::Paren, 2) };
                self.open_frame(closer, length);
            }
            Some(b'[') if self.may_nest() => self.open_frame(Closer::Bracket, 2),
            // An expression of a workflow file, put in before any shell sees it.
            Some(b'{') if self.peek(2) == Some(b'{') => self.braces(b"}}"),
            Some(b'{') if self.may_nest() => self.open_frame(Closer::Brace, 2),
            Some(b'{') => self.braces(b"}"),
            Some(b'\'') if !quoted => self.ansi_quotes(),
            // A translated string; the quotes that follow are ordinary.
            Some(b'"') if !quoted => self.at += 1,
            Some(b) if b.is_ascii_alphanumeric() || b"_@*#?!$-(".contains(&b) => {
                self.ensure_word();
                self.expansion(at..at + 1);
                self.at += 1;
                // `$#` starts no comment, `$$` no other expansion.
                if !b.is_ascii_alphanumeric() && b != b'_' && b != b'(' {
                    self.take(at + 1..at + 2);
                    self.at += 1;
                }
            }
            _ => {
                self.take(at..at + 1);
                self.at += 1;
            }
        }
    }

    /// An expansion that ends on its line, without a look at what is inside.
    fn braces(&mut self, closer: &[u8]) {
        let at = self.at;
        let end = if at < self.no_brace {
            None
        } else {
            let eol = line_end(self.bytes, at);
            let end = memchr::memmem::find(&self.bytes[at..eol], closer);
            self.no_brace = if end.is_some() { self.no_brace } else { eol };
            end.map(|offset| at + offset + closer.len())
        };
        let end = end.unwrap_or(at + 2);
        self.expansion(at..end);
        self.at = end;
    }

    fn open_frame(&mut self, closer: Closer, length: usize) {
        self.ensure_word();
        self.frames.push(Frame::new(closer, self.at, self.output.mark()));
        self.at += length;
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
        let inside = &self.bytes[range.clone()];
        // Quotes inside it would be taken for quotes of the text.
        if range.len() <= SHOWN && !inside.iter().any(|b| b"\n\"'\\".contains(b)) {
            return self.expansion(range);
        }
        let opening = match (inside, frame.closer) {
            ([b'`', ..], _) => 1,
            (_, Closer::Brace) => {
                let name =
                    inside[2..].iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_');
                2 + name.count().min(SHOWN)
            }
            _ => 2,
        };
        self.expansion(range.start..range.start + opening);
        self.take(range.end - 1..range.end);
    }

    /// A backquote closes the innermost that is open, whatever is open inside it.
    pub(super) fn backquote(&mut self) {
        if let Some(open) = self.frames.iter().rposition(|frame| frame.closer == Closer::Backquote)
        {
            while self.frames.len() > open + 1 {
                self.frames.pop();
            }
            if let Some(frame) = self.frames.last_mut() {
                frame.quote = None;
            }
            self.finish_word();
            self.at += 1;
            self.close_frame();
        } else if self.may_nest() {
            self.open_frame(Closer::Backquote, 1);
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
