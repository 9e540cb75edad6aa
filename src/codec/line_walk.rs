//! What a line does to the brackets around it, told while its bytes pass by.

use memchr::memchr2;

/// How deep inside brackets a text is behind some lines of it.
///
/// Strings hold no line breaks, so every line starts outside of one. What a line closes and opens can
/// therefore be told without its neighbours, and of a line of any length in a few words of memory.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Depth {
    open: usize,
    /// The last byte that is no white space; NUL before the first.
    last: u8,
    /// A string did not close on its line, so the line is broken as it is.
    in_string: bool,
}

impl Depth {
    /// Behind a first line.
    pub(super) fn of(line: &LineWalk) -> Self {
        let mut depth = Depth::default();
        depth.add(line);
        depth
    }

    /// Goes on with a line.
    pub(super) fn add(&mut self, line: &LineWalk) {
        self.open = self.open.saturating_sub(line.closed) + line.opened;
        if line.last != 0 {
            self.last = line.last;
        }
        self.in_string |= line.quote.is_some();
    }

    /// Whether the value may go on in the next line.
    pub(super) fn goes_on(&self) -> bool {
        self.open > 0 && !self.in_string
    }

    /// Whether every bracket is closed.
    pub(super) fn is_closed(&self) -> bool {
        self.open == 0 && !self.in_string
    }

    /// Whether a value can stand here.
    pub(super) fn takes_value(&self) -> bool {
        matches!(self.last, b':' | b',' | b'[')
    }
}

/// One line, fed in pieces.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LineWalk {
    /// Brackets closed that were open before the line.
    closed: usize,
    /// Brackets opened that are open behind it.
    opened: usize,
    last: u8,
    quote: Option<u8>,
    escaped: bool,
}

impl LineWalk {
    /// The walk over a whole line.
    pub(super) fn of(line: &[u8]) -> Self {
        let mut walk = LineWalk::default();
        walk.feed(line);
        walk
    }

    /// Whether there was nothing but white space so far.
    pub(super) fn is_blank(&self) -> bool {
        self.last == 0
    }

    /// Goes on with the next bytes of the line.
    pub(super) fn feed(&mut self, mut bytes: &[u8]) {
        while let Some((&byte, rest)) = bytes.split_first() {
            bytes = rest;
            let Some(quote) = self.quote else {
                match byte {
                    b'{' | b'[' => self.opened += 1,
                    b'}' | b']' if self.opened > 0 => self.opened -= 1,
                    b'}' | b']' => self.closed += 1,
                    b'"' | b'\'' => self.quote = Some(byte),
                    b' ' | b'\t' | b'\r' | 0x0C => continue,
                    _ => {}
                }
                self.last = byte;
                continue;
            };
            if std::mem::take(&mut self.escaped) {
                continue;
            }
            match byte {
                b'\\' => self.escaped = true,
                _ if byte == quote => self.quote = None,
                // Most of a string is plain.
                _ => bytes = &rest[memchr2(quote, b'\\', rest).unwrap_or(rest.len())..],
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Depth, LineWalk};

    fn behind(lines: &[&str]) -> Depth {
        let mut depth = Depth::default();
        for line in lines {
            depth.add(&LineWalk::of(line.as_bytes()));
        }
        depth
    }

    #[test]
    fn brackets_count_outside_of_strings() {
        assert!(behind(&[r#"{"a":["}",'\'}'],"b\"}":{}} "#]).is_closed());
        assert!(behind(&["{\"a\":", "[{", "}"]).goes_on());
        assert!(behind(&["{\"a\":", "[{", "}]}"]).is_closed());
        assert!(behind(&["{\"a\":", ""]).takes_value());
        assert!(!behind(&["{\"a\":1 "]).takes_value());
    }

    #[test]
    fn a_bracket_too_many_closes_nothing() {
        let depth = behind(&["}}", "{"]);
        assert!(depth.goes_on() && !depth.is_closed());
    }

    #[test]
    fn a_string_that_stays_open_ends_the_value() {
        let depth = behind(&["{\"a\":\"x"]);
        assert!(!depth.goes_on() && !depth.is_closed());
        // A backslash at the end of a line escapes nothing.
        assert!(behind(&["{\"a\":\"x\\", "\"}"]).in_string);
    }

    #[test]
    fn pieces_of_any_size_say_the_same() {
        let line = br#"}] {"a":"\"}","b":['\\',{"c":"d"}"#;
        let whole = format!("{:?}", LineWalk::of(line));
        for size in 1..line.len() {
            let mut walk = LineWalk::default();
            line.chunks(size).for_each(|piece| walk.feed(piece));
            assert_eq!(format!("{walk:?}"), whole, "{size}");
        }
    }
}
