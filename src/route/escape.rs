//! Percent escapes, and what a token may look like.

use smol_str::SmolStr;
use std::fmt::{self, Write};

/// Whether a character cannot stand for itself in a rendered token.
// What has a meaning in a pattern, a key or an event line, and what a terminal or a log would
// garble.
fn is_special(c: char) -> bool {
    matches!(c, '.' | '*' | '>' | '%' | ':') || c.is_whitespace() || c.is_control()
}

/// Writes a token with its special characters escaped, byte by byte.
pub(super) fn write(out: &mut impl Write, token: &str) -> fmt::Result {
    let mut rest = token;
    while let Some((at, c)) = rest.char_indices().find(|(_, c)| is_special(*c)) {
        out.write_str(&rest[..at])?;
        let after = at + c.len_utf8();
        // Byte by byte, as in URLs, so a character of any length needs no second rule.
        for byte in rest[at..after].bytes() {
            write!(out, "%{byte:02X}")?;
        }
        rest = &rest[after..];
    }
    out.write_str(rest)
}

/// What is wrong with the escapes of a token.
#[derive(Clone, Copy)]
pub(super) enum EscapeError {
    /// A `%` without two hexadecimal digits, at this offset in the token.
    Digits(usize),
    /// The bytes are no UTF-8.
    Utf8,
}

/// Undoes [`write`]; accepts escapes of any byte.
pub(super) fn decode(token: &str) -> Result<SmolStr, EscapeError> {
    if !token.contains('%') {
        return Ok(SmolStr::new(token));
    }
    let source = token.as_bytes();
    let mut bytes = Vec::with_capacity(source.len());
    let mut at = 0;
    while let Some(&byte) = source.get(at) {
        if byte == b'%' {
            let digit = |offset| char::from(*source.get(at + offset)?).to_digit(16);
            let (Some(high), Some(low)) = (digit(1), digit(2)) else {
                return Err(EscapeError::Digits(at));
            };
            bytes.push((high * 16 + low) as u8);
            at += 3;
        } else {
            bytes.push(byte);
            at += 1;
        }
    }
    // Checked at the end, because the bytes of one character may be escaped or not.
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(SmolStr::new(text)),
        Err(_) => Err(EscapeError::Utf8),
    }
}

/// The tokens of a text with the offsets where they start.
pub(super) fn tokens(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut start = 0;
    // Offsets are counted along, so that an error can point into the text although tokens are
    // decoded one by one.
    text.split('.').map(move |token| {
        let at = start;
        start += token.len() + 1;
        (at, token)
    })
}

/// Whether a decoded first token is a type rather than a scope.
pub(super) fn is_type(token: &str) -> bool {
    token.starts_with(|c: char| c.is_ascii_uppercase())
        && token.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}
