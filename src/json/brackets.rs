//! Brackets and strings, walked without a grammar.
//!
//! Where a value ends must also be told of a text that was scanned before, is broken, or is not all
//! there. So this knows brackets and quotes and nothing else. It never says that a text is sound; that
//! is the scanner's business, which does its own counting because it calls a visitor between brackets.

use super::bytes::plain_run;

/// How deep inside brackets a text is, fed byte by byte with what stands outside of strings.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Brackets {
    depth: usize,
    /// The last byte that is no white space.
    last: u8,
}

impl Brackets {
    /// Takes a byte outside of strings, or the quote of a string that was stepped over. Returns
    /// whether it closed the outermost bracket. A closing bracket too many closes nothing.
    #[inline]
    pub(crate) fn take(&mut self, byte: u8) -> bool {
        match byte {
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => {
                self.last = byte;
                let was = self.depth;
                self.depth = was.saturating_sub(1);
                return was == 1;
            }
            b' ' | b'\t' | b'\n' | b'\r' | 0x0C => return false,
            _ => {}
        }
        self.last = byte;
        false
    }

    /// The last byte that is no white space; NUL before the first.
    pub(crate) fn last(&self) -> u8 {
        self.last
    }
}

/// The string that opens at `at`: one past its closing quote, and whether it holds a backslash. `None`
/// if it does not close on its line.
#[inline]
pub(crate) fn string_end(bytes: &[u8], at: usize) -> Option<(usize, bool)> {
    let quote = *bytes.get(at)?;
    let mut at = plain_run(bytes, at + 1, quote);
    let mut escaped = false;
    loop {
        match *bytes.get(at)? {
            byte if byte == quote => return Some((at + 1, escaped)),
            b'\n' => return None,
            // A backslash at the end of a line escapes nothing.
            b'\\' if bytes.get(at + 1) != Some(&b'\n') => {
                escaped = true;
                at += 2;
            }
            _ => at += 1,
        }
        at = plain_run(bytes, at, quote);
    }
}

/// One past the bracket that closes the one at `open`; strings are stepped over, everything else is not
/// looked at.
pub(crate) fn closing(bytes: &[u8], open: usize) -> Option<usize> {
    let mut brackets = Brackets::default();
    let mut at = open;
    loop {
        let byte = *bytes.get(at)?;
        at = match byte {
            b'"' | b'\'' => string_end(bytes, at)?.0,
            _ => at + 1,
        };
        if brackets.take(byte) {
            return Some(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Brackets, closing, string_end};

    #[test]
    fn brackets_in_strings_do_not_count() {
        let text = br#"{"a":["}",'\'}'],"b\"}":{}} ]"#;
        assert_eq!(closing(text, 0), Some(text.len() - 2));
        assert_eq!(closing(b"[[]", 0), None);
    }

    #[test]
    fn a_string_ends_on_its_line() {
        assert_eq!(string_end(br#""a\"b" c"#, 0), Some((6, true)));
        assert_eq!(string_end(b"'a\tb'", 0), Some((5, false)));
        assert_eq!(string_end(b"\"a\n\"", 0), None);
        assert_eq!(string_end(b"\"a\\\n\"", 0), None);
        assert_eq!(string_end(b"\"a", 0), None);
    }

    #[test]
    fn a_bracket_too_many_closes_nothing() {
        let mut brackets = Brackets::default();
        assert!(!brackets.take(b'}'));
        assert!(!brackets.take(b'['));
        assert!(!brackets.take(b' ') && brackets.last() == b'[');
        assert!(brackets.take(b'}'));
    }
}
