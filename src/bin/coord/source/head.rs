//! What the first bytes of an input tell.

use coordination_protocol::event::{Codec, RecordShape};
use std::borrow::Cow;
use std::io::BufRead;

/// How much of an input is looked at to tell what it is.
const LOOKED_AT: usize = 64 << 10;

/// Where a text starts, behind a byte order mark and white space.
pub(super) fn start_of(text: &str) -> usize {
    text.len() - text.trim_start_matches('\u{feff}').trim_start().len()
}

/// Reads ahead until it is clear what the input is. A stream of records is clear from its first
/// line, so one that grows slowly is not held up.
pub(super) fn look(
    codec: &Codec,
    reader: &mut impl BufRead,
    head: &mut Vec<u8>,
) -> std::io::Result<()> {
    while head.len() < LOOKED_AT {
        let chunk = match reader.fill_buf() {
            Ok(chunk) => chunk,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if chunk.is_empty() {
            break;
        }
        let used = chunk.len();
        head.extend_from_slice(chunk);
        reader.consume(used);
        let text = readable(head);
        let text = &text[start_of(text)..];
        let record = RecordShape::of(text.as_bytes()).is_json()
            || text.split_once('\n').is_some_and(|(line, _)| codec.event_name(line).is_some());
        if record {
            break;
        }
    }
    Ok(())
}

/// The bytes as text, with a `?` for each that is not UTF-8: every other byte stays where it is, and
/// what holds such a byte is refused later.
pub(super) fn same_length(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| '?'));
    }
    Cow::Owned(text)
}

/// As much of the bytes as is UTF-8.
pub(super) fn readable(bytes: &[u8]) -> &str {
    match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default(),
    }
}
