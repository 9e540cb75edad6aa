//! Positions of values inside a text.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

/// The six kinds of JSON value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(clippy::exhaustive_enums, reason = "RFC 8259 has six kinds of value and gets no seventh")]
pub enum Kind {
    /// `null`
    Null,
    /// `true` or `false`
    Bool,
    /// A number of any size.
    Number,
    /// A string.
    Text,
    /// A list of values.
    Array,
    /// A set of members.
    Object,
}

impl Kind {
    /// The kind with its article, as error messages name it: `a number`, `an object`.
    pub const fn noun(self) -> &'static str {
        match self {
            Kind::Null => "null",
            Kind::Bool => "a boolean",
            Kind::Number => "a number",
            Kind::Text => "a string",
            Kind::Array => "an array",
            Kind::Object => "an object",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.noun())
    }
}

/// One value or key: its kind and its byte range in the scanned text.
///
/// A token holds positions only. Give it the text it came from to read it.
///
/// ```
/// use coordination_protocol::json;
///
/// let text = r#"{"note":"a\tb"}"#;
/// let (key, value) = json::members(text, 0).next().unwrap();
/// assert_eq!(key.decode(text), "note");
/// assert_eq!(value.raw(text), r#""a\tb""#);
/// assert_eq!(value.decode(text), "a\tb");
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Token {
    // Start and end in 32 bits each, since a scanned text has at most 4 GiB. Two fields travel in
    // registers; three or four would go through memory with every value that is scanned.
    span: u64,
    tag: Tag,
}

/// The kinds, strings with a backslash apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tag {
    Kind(Kind),
    Escaped,
}

impl Token {
    #[inline]
    pub(crate) const fn new(kind: Kind, start: usize, end: usize) -> Self {
        Token { span: Self::span(start, end), tag: Tag::Kind(kind) }
    }

    #[inline]
    pub(crate) const fn text(start: usize, end: usize, escaped: bool) -> Self {
        let tag = if escaped { Tag::Escaped } else { Tag::Kind(Kind::Text) };
        Token { span: Self::span(start, end), tag }
    }

    #[inline]
    const fn span(start: usize, end: usize) -> u64 {
        (start as u64) << 32 | end as u32 as u64
    }

    /// The kind of the value.
    #[inline]
    pub const fn kind(self) -> Kind {
        match self.tag {
            Tag::Kind(kind) => kind,
            Tag::Escaped => Kind::Text,
        }
    }

    /// The first byte of the value; for a string, its opening quote.
    #[inline]
    pub const fn start(self) -> usize {
        (self.span >> 32) as usize
    }

    /// One past the last byte of the value.
    #[inline]
    pub const fn end(self) -> usize {
        self.span as u32 as usize
    }

    /// Both positions.
    #[inline]
    pub const fn range(self) -> Range<usize> {
        self.start()..self.end()
    }

    /// The value as spelled, quotes included.
    #[inline]
    pub fn raw(self, text: &str) -> &str {
        &text[self.range()]
    }

    /// The characters between the quotes, escapes untouched. For other kinds, the value as spelled.
    #[inline]
    pub fn inner(self, text: &str) -> &str {
        if self.kind() == Kind::Text {
            &text[self.start() + 1..self.end() - 1]
        } else {
            self.raw(text)
        }
    }

    /// Whether a string holds a backslash, so that [`inner`](Self::inner) is not yet its meaning.
    #[inline]
    pub const fn is_escaped(self) -> bool {
        matches!(self.tag, Tag::Escaped)
    }

    /// The meaning of a string: escapes resolved, borrowed when there are none.
    #[inline]
    pub fn decode(self, text: &str) -> Cow<'_, str> {
        let inner = self.inner(text);
        if self.is_escaped() { Cow::Owned(unescape(inner)) } else { Cow::Borrowed(inner) }
    }

    /// Whether the string means `word`; resolves escapes without allocating when it can.
    #[inline]
    pub fn means(self, text: &str, word: &str) -> bool {
        if self.is_escaped() {
            unescape(self.inner(text)) == word
        } else {
            self.inner(text).as_bytes() == word.as_bytes()
        }
    }
}

/// A token for storage: three quarters of its size.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stored {
    start: u32,
    end: u32,
    tag: Tag,
}

impl From<Token> for Stored {
    #[inline]
    fn from(token: Token) -> Self {
        Stored { start: token.start() as u32, end: token.end() as u32, tag: token.tag }
    }
}

impl From<Stored> for Token {
    #[inline]
    fn from(Stored { start, end, tag }: Stored) -> Self {
        Token { span: Token::span(start as usize, end as usize), tag }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({:?}, {:?})", self.kind(), self.range())
    }
}

/// Resolves the escapes of a scanned string. Lone surrogates were refused by the scanner, so every
/// escape has a character.
#[cold]
fn unescape(inner: &str) -> String {
    let mut out = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let (character, used) = escape(&rest.as_bytes()[at..]);
        out.push(character);
        rest = &rest[at + used..];
    }
    out.push_str(rest);
    out
}

/// One escape at the start of `bytes`: its character and how many bytes it takes.
fn escape(bytes: &[u8]) -> (char, usize) {
    let simple = match bytes.get(1) {
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(b'u') => {
            let high = hex4(bytes, 2);
            if high == u32::MAX {
                return (char::REPLACEMENT_CHARACTER, 2);
            }
            if let (0xD800..=0xDBFF, low @ 0xDC00..=0xDFFF) = (high, hex4(bytes, 8)) {
                let code = 0x1_0000 + ((high - 0xD800) << 10) + (low - 0xDC00);
                return (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), 12);
            }
            return (char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER), 6);
        }
        Some(&same @ (b'"' | b'\\' | b'/' | b'\'')) => same as char,
        // Only in a text that the scanner refused.
        _ => return ('\\', 1),
    };
    (simple, 2)
}

/// Four hex digits at `at`, or a value that no escape can have.
pub(crate) fn hex4(bytes: &[u8], at: usize) -> u32 {
    let mut code = 0;
    for offset in 0..4 {
        let Some(digit) = bytes.get(at + offset).and_then(|b| (*b as char).to_digit(16)) else {
            return u32::MAX;
        };
        code = code << 4 | digit;
    }
    code
}
