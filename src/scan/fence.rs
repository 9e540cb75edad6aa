//! The line that opens a fence of Markdown.

use super::shape::{line_end, skip_blanks};

/// An opening line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opening<'t> {
    pub(super) mark: u8,
    pub(super) length: usize,
    /// Bytes of white space before it on its line, list marks counted.
    pub(super) indent: usize,
    /// Marks of quotation before it.
    pub(super) quotes: usize,
    pub(super) info: &'t str,
    /// Where the info stands in the text.
    pub(super) info_at: usize,
}

/// The fence that the line opens, if it opens one: three marks or more, behind indentation, list
/// marks and marks of quotation.
pub(super) fn opens_fence(text: &str, at: usize) -> bool {
    opening(text, at, line_end(text.as_bytes(), at)).is_some()
}

pub(super) fn opening(text: &str, start: usize, eol: usize) -> Option<Opening<'_>> {
    let bytes = &text.as_bytes()[..eol];
    let (mut at, mut quotes) = (skip_blanks(bytes, start), 0);
    loop {
        let rest = &bytes[at..];
        let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        at += match rest {
            [b'>', ..] => {
                quotes += 1;
                1
            }
            [b'-' | b'*' | b'+', b' ', ..] => 2,
            _ if digits > 0 && matches!(rest[digits..], [b'.' | b')', b' ', ..]) => digits + 2,
            _ => break,
        };
        at = skip_blanks(bytes, at);
    }
    let mark = *bytes.get(at).filter(|b| matches!(b, b'`' | b'~'))?;
    let length = bytes[at..].iter().take_while(|b| **b == mark).count();
    let info = text[at + length..eol].trim();
    let info_at = eol - text[at + length..eol].trim_start().len();
    let valid = length >= 3 && !(mark == b'`' && info.contains('`'));
    let indent = if quotes > 0 { 0 } else { at - start };
    valid.then_some(Opening { mark, length, indent, quotes, info, info_at })
}
