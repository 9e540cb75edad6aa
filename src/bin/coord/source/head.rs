//! What the first bytes of an input tell: its encoding, whether it is text at all, and what kind.

use super::summary::Kind;
use coordination_protocol::event::{Codec, RecordShape};
use coordination_protocol::scan::{FileKind, is_log_line, looks_like};
use std::borrow::Cow;
use std::io::{self, BufRead};

/// How much of an input is looked at to tell what it is.
const LOOKED_AT: usize = 64 << 10;
/// A null byte in this number of first bytes tells that a file is binary; `git` looks as far.
const BINARY_AT: usize = 8_000;

/// Reads ahead until it is clear what the input is, at most [`LOOKED_AT`] bytes.
///
/// A `live` input, such as a pipe, is clear from its first line if that is a record or a line of a log,
/// so one that grows slowly is not held up. Where the input has its ends in advance does not change
/// what it is taken for.
pub(super) fn look(
    codec: &Codec,
    reader: &mut impl BufRead,
    live: bool,
    head: &mut Vec<u8>,
) -> io::Result<()> {
    // What was judged already, and at which line end to judge again: at each doubling, so that the time
    // stays linear.
    let (mut judged, mut lines, mut next) = (0, 0_usize, 1_usize);
    while head.len() < LOOKED_AT {
        if !fill(reader, head)? {
            break;
        }
        while live && let Some(end) = head[judged..].iter().position(|byte| *byte == b'\n') {
            judged += end + 1;
            lines += 1;
            if lines == next {
                next *= 2;
                if is_clear(codec, &same_length(&head[..judged])) {
                    return Ok(());
                }
            }
        }
        if live && starts_object(head) {
            break;
        }
    }
    Ok(())
}

/// Reads as much as tells the encoding and what stands first.
pub(super) fn some(reader: &mut impl BufRead, head: &mut Vec<u8>) -> io::Result<()> {
    while head.len() < LOOKED_AT && (head.len() < 4 || head.trim_ascii_start().is_empty()) {
        if !fill(reader, head)? {
            break;
        }
    }
    Ok(())
}

/// Reads what there is at once; whether there was anything.
fn fill(reader: &mut impl BufRead, head: &mut Vec<u8>) -> io::Result<bool> {
    let chunk = loop {
        match reader.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => break result?,
        }
    };
    let used = chunk.len();
    head.extend_from_slice(chunk);
    reader.consume(used);
    Ok(used > 0)
}

/// Whether an object starts here, which a record alone does.
fn starts_object(head: &[u8]) -> bool {
    let text = readable(head);
    let inside = text[start_of(text)..].strip_prefix('{');
    inside.is_some_and(|inside| inside.trim_start().starts_with(['"', '\'']))
}

/// Whether lines tell already that records or a log go on behind them.
fn is_clear(codec: &Codec, text: &str) -> bool {
    matches!(kind(codec, text), Some(Kind::Messages | Kind::File(FileKind::Log)))
}

/// What a text is by its first line, if that tells; else by the look of all of it, unless nothing tells.
fn kind(codec: &Codec, text: &str) -> Option<Kind> {
    let first = text[start_of(text)..].lines().next().unwrap_or_default();
    if is_log_line(first) {
        return Some(Kind::File(FileKind::Log));
    }
    match looks_like(text) {
        FileKind::EventLines | FileKind::Json => {
            let json = RecordShape::of(first.as_bytes()).is_json();
            (json || codec.event_name(first).is_some()).then_some(Kind::Messages)
        }
        kind => Some(Kind::File(kind)),
    }
}

/// What an input is taken for by the look of its head.
pub(super) fn by_content(codec: &Codec, head: &[u8]) -> Kind {
    let text = same_length(head);
    kind(codec, &text).unwrap_or_else(|| {
        // Of a few lines it is told what is wrong with each.
        let (lines, records) = lines(codec, &text);
        if lines > FEW && records * 2 < lines { Kind::File(FileKind::Log) } else { Kind::Messages }
    })
}

/// Whether a stream of records starts here: its first line names an event, and most lines are meant as
/// records.
pub(super) fn is_stream_of_events(codec: &Codec, head: &[u8]) -> bool {
    let text = same_length(head);
    let (lines, records) = lines(codec, &text);
    starts_with_event(codec, head) && records * 2 >= lines
}

/// Up to this number of lines is taken for messages that went wrong.
const FEW: usize = 3;

/// How many lines there are, and how many of them seem to be meant as records.
fn lines(codec: &Codec, text: &str) -> (usize, usize) {
    let meant = |line: &&str| {
        let word = line.find(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'));
        line.starts_with(['{', '[', '"', '\'', '}', ']'])
            || line[..word.unwrap_or(line.len())].contains('_')
            || codec.event_name(line).is_some()
    };
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    (lines.clone().count(), lines.filter(meant).count())
}

/// Whether the first line names an event.
fn starts_with_event(codec: &Codec, head: &[u8]) -> bool {
    let text = same_length(head);
    let first = text[start_of(&text)..].lines().next().unwrap_or_default();
    codec.event_name(first).is_some()
}

/// The encoding of a text that is not UTF-8, by its byte order mark, and the name that `iconv` has for
/// it.
pub(super) fn foreign_encoding(head: &[u8]) -> Option<(&'static str, &'static str)> {
    const MARKS: &[(&[u8], &str, &str)] = &[
        (b"\xff\xfe\0\0", "UTF-32, little endian", "UTF-32"),
        (b"\0\0\xfe\xff", "UTF-32, big endian", "UTF-32"),
        (b"\xff\xfe", "UTF-16, little endian", "UTF-16"),
        (b"\xfe\xff", "UTF-16, big endian", "UTF-16"),
    ];
    let found = MARKS.iter().find(|(mark, ..)| head.starts_with(mark));
    found.map(|(_, name, iconv)| (*name, *iconv))
}

/// Whether an input is no text. What starts as a record is one, so that no byte behind it can hide it
/// from being checked.
pub(super) fn is_binary(codec: &Codec, head: &[u8]) -> bool {
    let head = &head[..head.len().min(BINARY_AT)];
    if !head.contains(&0) && !is_noise(head) {
        return false;
    }
    !starts_object(head) && !starts_with_event(codec, head)
}

/// Whether more than a quarter of the bytes can stand in no text of any encoding that extends ASCII, or
/// are no UTF-8.
fn is_noise(head: &[u8]) -> bool {
    let mut odd = 0;
    for chunk in head.utf8_chunks() {
        let control = |byte: &u8| matches!(byte, 0..=8 | 14..=26 | 28..=31 | 127);
        odd += chunk.valid().bytes().filter(|byte| control(byte)).count();
        odd += chunk.invalid().len();
    }
    odd > head.len() / 4
}

/// Where a text starts, behind a byte order mark and white space.
pub(super) fn start_of(text: &str) -> usize {
    text.len() - text.trim_start_matches('\u{feff}').trim_start().len()
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
