//! What a line says about the record that it is in.

use super::super::line::colons;
use crate::json::{FaultKind, JsonFault, Limits, Visit, scan};
use std::ops::ControlFlow;

pub(super) fn is_blank(line: &[u8]) -> bool {
    line.iter().all(u8::is_ascii_whitespace)
}

/// Whether a line, or what stands behind a value, is closing brackets and nothing of a value.
pub(in super::super) fn is_closers(line: &[u8]) -> bool {
    let mut any = false;
    line.iter().all(|byte| {
        let closes = matches!(byte, b'}' | b']');
        any |= closes;
        closes || byte.is_ascii_whitespace() || any && matches!(byte, b',' | b';')
    }) && any
}

/// Where the JSON of a line starts, if the line is one that may go on in the next.
pub(super) fn continues_from(line: &[u8]) -> Option<usize> {
    let first = line.iter().position(|b| !b.is_ascii_whitespace())?;
    if matches!(line[first], b'{' | b'[') {
        return Some(first);
    }
    let behind = colons(line, 0).ok()?[2] + 1;
    let data = behind + line[behind..].iter().position(|b| !b.is_ascii_whitespace())?;
    (line[data] == b'{').then_some(data)
}

/// Whether a JSON text is sound as far as it goes, and goes no further than the line. Of a line that
/// was cut, only the first part is there.
pub(super) fn is_cut_short(text: &[u8], cut: bool) -> bool {
    struct Lenient;
    impl Visit for Lenient {
        fn fault(&mut self, _: &JsonFault) -> ControlFlow<()> {
            ControlFlow::Continue(())
        }
    }
    let limits = Limits::DEFAULT.with_bytes(usize::MAX).with_depth(Limits::MAX_DEPTH);
    let text = match std::str::from_utf8(text) {
        Ok(text) => text,
        // Cut inside of a character.
        Err(error) if cut && error.error_len().is_none() => {
            std::str::from_utf8(&text[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return false,
    };
    scan(text, 0, &limits.with_keys(usize::MAX), &mut Lenient).is_err_and(|fault| {
        // What is cut in two may look like anything at its end.
        fault.kind == FaultKind::UnexpectedEnd || cut && fault.range.end == text.len()
    })
}
