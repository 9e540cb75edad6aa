//! Stepping through one level of a text that [`scan`](super::scan) accepted.

use super::brackets::{closing, string_end};
use super::bytes::skip_space;
use super::token::{Kind, Token};

/// The members of the object that opens at byte `open` of a scanned text, in order.
///
/// Nothing is checked again: on a text that [`scan`](super::scan) refused, the iterator may end
/// early or give odd tokens, but it ends and stays inside the text.
///
/// ```
/// use coordination_protocol::json;
///
/// let text = r#"{"agents": 3, "files": ["a", "b"]}"#;
/// let keys: Vec<_> = json::members(text, 0).map(|(key, _)| key.inner(text)).collect();
/// assert_eq!(keys, ["agents", "files"]);
/// ```
pub fn members(text: &str, open: usize) -> Members<'_> {
    Members { bytes: in_reach(text), at: open.saturating_add(1) }
}

/// The elements of the array that opens at byte `open` of a scanned text, in order. See
/// [`members`].
pub fn elements(text: &str, open: usize) -> Elements<'_> {
    Elements { bytes: in_reach(text), at: open.saturating_add(1) }
}

/// The bytes of a text that tokens can point into; of a longer one, none.
fn in_reach(text: &str) -> &[u8] {
    if u32::try_from(text.len()).is_ok() { text.as_bytes() } else { &[] }
}

/// Iterator of [`members`].
#[derive(Clone, Debug)]
pub struct Members<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Iterator for Members<'_> {
    type Item = (Token, Token);

    fn next(&mut self) -> Option<Self::Item> {
        let at = next_item(self.bytes, self.at)?;
        let key = string(self.bytes, at)?;
        let at = skip_space(self.bytes, key.end());
        if self.bytes.get(at) != Some(&b':') {
            return None;
        }
        let value = value(self.bytes, skip_space(self.bytes, at + 1))?;
        self.at = value.end();
        Some((key, value))
    }
}

impl Members<'_> {
    /// Goes on behind a value whose end is already known, so that it is not walked again.
    pub(crate) fn skip_to(&mut self, end: usize) {
        self.at = end;
    }

    /// The value that starts at `at`.
    pub(crate) fn value_at(&self, at: usize) -> Option<Token> {
        value(self.bytes, at)
    }

    /// The next key and where its value starts, the value not yet walked.
    pub(crate) fn next_key(&mut self) -> Option<(Token, usize)> {
        let key = string(self.bytes, next_item(self.bytes, self.at)?)?;
        let at = skip_space(self.bytes, key.end());
        if self.bytes.get(at) != Some(&b':') {
            return None;
        }
        Some((key, skip_space(self.bytes, at + 1)))
    }
}

/// Iterator of [`elements`].
#[derive(Clone, Debug)]
pub struct Elements<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Iterator for Elements<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        let token = value(self.bytes, next_item(self.bytes, self.at)?)?;
        self.at = token.end();
        Some(token)
    }
}

/// Where the next member or element starts, a comma passed over; `None` at the closing bracket.
#[inline]
fn next_item(bytes: &[u8], at: usize) -> Option<usize> {
    let mut at = skip_space(bytes, at);
    if bytes.get(at) == Some(&b',') {
        at = skip_space(bytes, at + 1);
    }
    (!matches!(bytes.get(at), None | Some(b'}' | b']'))).then_some(at)
}

#[inline]
fn string(bytes: &[u8], open: usize) -> Option<Token> {
    let quote = *bytes.get(open)?;
    if quote != b'"' && quote != b'\'' {
        return None;
    }
    let (end, escaped) = string_end(bytes, open)?;
    Some(Token::text(open, end, escaped))
}

/// The value at `at`, by its first byte.
#[inline]
pub(crate) fn value(bytes: &[u8], at: usize) -> Option<Token> {
    let kind = match bytes.get(at)? {
        b'"' | b'\'' => return string(bytes, at),
        b'{' => return container(bytes, at, Kind::Object),
        b'[' => return container(bytes, at, Kind::Array),
        b't' | b'f' => Kind::Bool,
        b'n' => Kind::Null,
        _ => Kind::Number,
    };
    let length = bytes[at..]
        .iter()
        .position(|b| matches!(b, b',' | b'}' | b']' | b' ' | b'\t' | b'\n' | b'\r'))
        .unwrap_or(bytes.len() - at);
    (length > 0).then(|| Token::new(kind, at, at + length))
}

fn container(bytes: &[u8], open: usize, kind: Kind) -> Option<Token> {
    closing(bytes, open).map(|end| Token::new(kind, open, end))
}
