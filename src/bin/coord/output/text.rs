//! Texts of others made harmless.
//!
//! What stands in a checked file, a store or a file name may hold characters that act on a terminal
//! or make a line look like another one: control characters, line breaks, marks that turn the
//! direction of writing, characters without a width. Three functions make them visible:
//!
//! * [`printable`] for what is told in words: no character of these is left, no line break either;
//! * [`Json`] for JSON texts: each becomes the `\u` escape of the same value;
//! * [`drawn`] for what was laid out over several lines and coloured by this program.

use coordination_protocol::scalar::{self, is_printable};
use std::borrow::Cow;
use std::fmt::{self, Display, Write as _};

/// Shows a value in one line, without anything that acts on a terminal: each such character becomes
/// a `\u{..}` escape.
pub(crate) fn printable<T: Display>(value: T) -> impl Display {
    Printable(value)
}

struct Printable<T>(T);

impl<T: Display> Display for Printable<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A line may be as long as what it shows; who wants less says so.
        write!(f, "{}", scalar::printable(&self.0).within(usize::MAX))
    }
}

/// A part of a text.
enum Part<'a> {
    Plain(&'a str),
    /// Must not be printed as it is.
    Other(char),
}

/// The parts of a text, each stretch that can be printed at once.
fn parts(text: &str) -> impl Iterator<Item = Part<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        if !is_printable(first) {
            rest = &rest[first.len_utf8()..];
            return Some(Part::Other(first));
        }
        let end = rest.find(|c| !is_printable(c)).unwrap_or(rest.len());
        let (plain, behind) = rest.split_at(end);
        rest = behind;
        Some(Part::Plain(plain))
    })
}

/// Makes JSON texts harmless, however they are cut: line breaks and tabs between values stay, and
/// every other character that must not be printed becomes the `\u` escape of the same value. Such a
/// character can only stand in a string, so the JSON stays the same.
#[derive(Default)]
pub(crate) struct Json {
    /// The bytes of a character that is not complete yet.
    begun: Vec<u8>,
}

impl Json {
    /// The next part of the text.
    pub(crate) fn part<'b>(&mut self, bytes: &'b [u8]) -> Cow<'b, [u8]> {
        let plain = |byte: &u8| matches!(byte, b' '..=b'~' | b'\n' | b'\t');
        if self.begun.is_empty() && bytes.iter().all(plain) {
            return Cow::Borrowed(bytes);
        }
        self.begun.extend_from_slice(bytes);
        let bytes = std::mem::take(&mut self.begun);
        let mut out = String::with_capacity(bytes.len() + 16);
        let mut chunks = bytes.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            push_json(&mut out, chunk.valid());
            let invalid = chunk.invalid();
            if chunks.peek().is_none() && is_begun(invalid) {
                self.begun = invalid.to_vec();
            } else if !invalid.is_empty() {
                out.push('\u{fffd}');
            }
        }
        Cow::Owned(out.into_bytes())
    }

    /// What is left when the text ends: a character that never was completed.
    pub(crate) fn end(&mut self) -> &'static str {
        let cut = !std::mem::take(&mut self.begun).is_empty();
        if cut { "\u{fffd}" } else { "" }
    }

    /// A whole text.
    pub(crate) fn text(text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        push_json(&mut out, text);
        out
    }
}

fn push_json(out: &mut String, text: &str) {
    for part in parts(text) {
        match part {
            Part::Plain(plain) => out.push_str(plain),
            Part::Other(character @ ('\n' | '\t')) => out.push(character),
            // White space, too, but it would move the cursor to the start of the line.
            Part::Other('\r') => out.push(' '),
            Part::Other(character) => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
}

/// Whether these bytes may be the start of a character.
fn is_begun(bytes: &[u8]) -> bool {
    let length = match bytes.first() {
        Some(0xc2..=0xdf) => 2,
        Some(0xe0..=0xef) => 3,
        Some(0xf0..=0xf4) => 4,
        _ => return false,
    };
    bytes.len() < length
}

/// Lets line breaks and this program's own colours through, and nothing else that acts on a
/// terminal. It is for what was laid out, after each value in it was made [`printable`].
pub(crate) fn drawn(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(|c| !is_printable(c) && c != '\n') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(length) = colour(rest) {
            out.push_str(&rest[..length]);
            rest = &rest[length..];
        } else if let Some(character) = rest.chars().next() {
            match character {
                '\t' => out.push(' '),
                other => {
                    let _ = write!(out, "{}", other.escape_unicode());
                }
            }
            rest = &rest[character.len_utf8()..];
        }
    }
    out.push_str(rest);
    out
}

/// The length of the colour sequence that a text begins with: `ESC [`, numbers, `m`.
fn colour(text: &str) -> Option<usize> {
    let numbers = text.strip_prefix("\u{1b}[")?;
    let end = numbers.find(|c: char| !c.is_ascii_digit() && c != ';')?;
    numbers[end..].starts_with('m').then_some("\u{1b}[".len() + end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "a\u{1b}[2J\r\n::error::x\u{202e}\u{9b}1m\u{2028}\u{e0041}\u{0}z";

    #[test]
    fn what_acts_is_shown_and_all_else_stays() {
        let shown = printable(HOSTILE).to_string();
        assert_eq!(
            shown,
            "a\\u{1b}[2J\\u{d}\\u{a}::error::x\\u{202e}\\u{9b}1m\\u{2028}\\u{e0041}\\u{0}z"
        );
        // To show it twice is harmless.
        assert_eq!(printable(&shown).to_string(), shown);
        assert_eq!(printable("größer 漢字 😀 \\u").to_string(), "größer 漢字 😀 \\u");
    }

    #[test]
    fn json_keeps_its_value_however_it_is_cut() {
        let text = "{\"a\":\"\u{202e}é\u{9b}\u{7f}\u{e0041}😀\",\n\t\"b\":1}";
        let safe = "{\"a\":\"\\u202eé\\u009b\\u007f\\udb40\\udc41😀\",\n\t\"b\":1}";
        assert_eq!(Json::text(text), safe);
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(value(safe), value(text));
        for at in 0..=text.len() {
            let (mut json, mut out) = (Json::default(), Vec::new());
            for part in [&text.as_bytes()[..at], &text.as_bytes()[at..]] {
                out.extend_from_slice(&json.part(part));
            }
            out.extend_from_slice(json.end().as_bytes());
            assert_eq!(String::from_utf8(out).unwrap(), safe, "cut at {at}");
        }
        // What is no UTF-8 is shown as such.
        let mut json = Json::default();
        assert_eq!(&*json.part(b"a\xff\xc3(\xe2\x80"), "a\u{fffd}\u{fffd}(".as_bytes());
        assert_eq!((json.end(), json.end()), ("\u{fffd}", ""));
    }

    #[test]
    fn only_line_breaks_and_colours_pass_what_was_drawn() {
        let text = "\u{1b}[1;31merror\u{1b}[0m\n\u{1b}[2J\u{1b}]0;x\u{7}\u{1b}[31\tm\r\u{202e}";
        assert_eq!(
            drawn(text),
            "\u{1b}[1;31merror\u{1b}[0m\n\\u{1b}[2J\\u{1b}]0;x\\u{7}\\u{1b}[31 m\\u{d}\\u{202e}"
        );
    }
}
