//! Cutting a stream into records, with bounded memory, and going on behind broken ones.

use super::line::colons;
use crate::json::{Fault, FaultKind, Limits, Visit, scan};
use std::io::{self, BufRead};
use std::ops::ControlFlow;

/// One record of a stream: its bytes and its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RawRecord<'a> {
    /// The bytes, without the line end; a carriage return stays. At most one byte more than the
    /// limit, so that [`Codec::check_bytes`](super::Codec::check_bytes) says `too-long`.
    pub bytes: &'a [u8],
    /// The number of its first line, from 1.
    pub line: u64,
    /// The offset of its first byte in the stream.
    pub offset: u64,
}

impl<'a> RawRecord<'a> {
    /// A record from elsewhere: its bytes, the number of its line from 1, its offset.
    pub const fn new(bytes: &'a [u8], line: u64, offset: u64) -> Self {
        RawRecord { bytes, line, offset }
    }
}

/// Reads records from any [`BufRead`].
///
/// A record is one line. Two things the field writes take several lines, and are read as one
/// record so that they get one finding instead of many: an event whose data goes on over line
/// breaks, and a JSON value that starts a line. A line is only joined with the next if it is sound
/// as far as it goes. Joining ends when the brackets close, and at the latest at a line that starts
/// an event, at a line that opens a value at its very start where none can stand, behind a line that
/// ends inside a string, and at a blank line: for a JSON value, only if the line behind it opens
/// another at its very start. So one broken record does not hide the next.
///
/// Blank lines are skipped. A line longer than the limit is read to its end and cut; memory stays
/// bounded whatever arrives.
///
/// ```
/// use coordination_protocol::event::Codec;
/// use coordination_protocol::finding::{Mode, Verdict};
///
/// let input = "TASK_FAILED:wf_001:build:{\"task_id\":\n\nSYSTEM_SHUTDOWN:global:global:{\"component_name\":\"hub\",\"shutdown_reason\":\"update\"}\n";
/// let codec = Codec::new(Mode::Strict);
/// let mut records = codec.records(input.as_bytes());
/// let mut seen = Vec::new();
/// while let Some(raw) = records.next_record()? {
///     seen.push((raw.line, codec.check_bytes(raw.bytes).report.verdict()));
/// }
/// assert_eq!(seen, [(1, Verdict::Invalid), (3, Verdict::Valid)]);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Records<R> {
    input: R,
    limit: usize,
    record: Vec<u8>,
    /// A line that was read to see whether it goes on with the record, and did not.
    ahead: Option<Line>,
    ahead_bytes: Vec<u8>,
    line: u64,
    offset: u64,
}

#[derive(Clone, Copy, Debug)]
struct Line {
    number: u64,
    offset: u64,
}

impl<R: BufRead> Records<R> {
    pub(super) fn new(input: R, limit: usize) -> Self {
        Records {
            input,
            limit,
            record: Vec::new(),
            ahead: None,
            ahead_bytes: Vec::new(),
            line: 0,
            offset: 0,
        }
    }

    /// How many bytes of the stream have been read.
    pub fn position(&self) -> u64 {
        self.offset
    }

    /// The next record, or `None` at the end of the stream.
    ///
    /// # Errors
    /// What the stream says. An error that is `Interrupted` was retried.
    pub fn next_record(&mut self) -> io::Result<Option<RawRecord<'_>>> {
        let first = loop {
            let line = match self.ahead.take() {
                Some(line) => {
                    std::mem::swap(&mut self.record, &mut self.ahead_bytes);
                    line
                }
                None => match read_line(
                    &mut self.input,
                    &mut self.record,
                    self.limit,
                    &mut self.line,
                    &mut self.offset,
                )? {
                    Some(line) => line,
                    None => return Ok(None),
                },
            };
            if !is_blank(&self.record) {
                break line;
            }
        };
        if let Some(from) = continues_from(&self.record)
            && is_cut_short(&self.record[from..])
        {
            let document = from == 0 || is_blank(&self.record[..from]);
            let mut nesting = Nesting::default();
            nesting.feed(&self.record[from..]);
            let mut behind_blank = false;
            while nesting.goes_on() && self.record.len() <= self.limit {
                let Some(next) = read_line(
                    &mut self.input,
                    &mut self.ahead_bytes,
                    self.limit,
                    &mut self.line,
                    &mut self.offset,
                )?
                else {
                    break;
                };
                let blank = is_blank(&self.ahead_bytes);
                let opens = matches!(self.ahead_bytes.first(), Some(b'{' | b'['));
                // A document may hold blank lines, unless what follows one starts another.
                let ends = if document { behind_blank && opens } else { blank }
                    || opens && !nesting.takes_value();
                if ends || starts_event(&self.ahead_bytes) {
                    self.ahead = Some(next);
                    break;
                }
                behind_blank = blank;
                self.record.push(b'\n');
                let room = self.limit.saturating_add(1).saturating_sub(self.record.len());
                let taken = room.min(self.ahead_bytes.len());
                self.record.extend_from_slice(&self.ahead_bytes[..taken]);
                nesting.feed(&self.ahead_bytes);
            }
        }
        Ok(Some(RawRecord { bytes: &self.record, line: first.number, offset: first.offset }))
    }
}

/// Reads a line into `out` without its line feed, at most one byte more than `limit`; the rest of
/// a longer line is passed over.
fn read_line<R: BufRead>(
    input: &mut R,
    out: &mut Vec<u8>,
    limit: usize,
    line: &mut u64,
    offset: &mut u64,
) -> io::Result<Option<Line>> {
    out.clear();
    let start = *offset;
    loop {
        let chunk = match input.fill_buf() {
            Ok(chunk) => chunk,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if chunk.is_empty() {
            if *offset == start {
                return Ok(None);
            }
            break;
        }
        let end = memchr::memchr(b'\n', chunk);
        let text = &chunk[..end.unwrap_or(chunk.len())];
        let room = limit.saturating_add(1).saturating_sub(out.len());
        out.extend_from_slice(&text[..room.min(text.len())]);
        let used = text.len() + usize::from(end.is_some());
        input.consume(used);
        *offset += used as u64;
        if end.is_some() {
            break;
        }
    }
    *line += 1;
    Ok(Some(Line { number: *line, offset: start }))
}

fn is_blank(line: &[u8]) -> bool {
    line.iter().all(u8::is_ascii_whitespace)
}

/// Where the JSON of a line starts, if the line is one that may go on in the next.
fn continues_from(line: &[u8]) -> Option<usize> {
    let first = line.iter().position(|b| !b.is_ascii_whitespace())?;
    if matches!(line[first], b'{' | b'[') {
        return Some(first);
    }
    let behind = colons(line, 0).ok()?[2] + 1;
    let data = behind + line[behind..].iter().position(|b| !b.is_ascii_whitespace())?;
    (line[data] == b'{').then_some(data)
}

/// Whether a JSON text is sound as far as it goes, and goes no further than the line.
fn is_cut_short(text: &[u8]) -> bool {
    struct Lenient;
    impl Visit for Lenient {
        fn fault(&mut self, _: &Fault) -> ControlFlow<()> {
            ControlFlow::Continue(())
        }
    }
    let limits = Limits::DEFAULT.with_bytes(usize::MAX).with_depth(Limits::MAX_DEPTH);
    let Ok(text) = std::str::from_utf8(text) else { return false };
    scan(text, 0, &limits.with_keys(usize::MAX), &mut Lenient)
        .is_err_and(|fault| fault.kind == FaultKind::UnexpectedEnd)
}

/// Whether a line starts an event: `UPPER_SNAKE:`, two more colons, an object. What may surround a
/// record is passed over.
fn starts_event(line: &[u8]) -> bool {
    let line = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line).trim_ascii_start();
    let line = line.strip_prefix(b"\"").or_else(|| line.strip_prefix(b"'")).unwrap_or(line);
    let Ok(at) = colons(line, 0) else { return false };
    let name = &line[..at[0]];
    name.first().is_some_and(u8::is_ascii_uppercase)
        && name.iter().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || *b == b'_')
        && line[at[2] + 1..].trim_ascii_start().first() == Some(&b'{')
}

/// How deep inside brackets and strings a text is, fed piece by piece.
#[derive(Default)]
struct Nesting {
    depth: usize,
    quote: Option<u8>,
    escaped: bool,
    /// The last byte that is no white space.
    last: u8,
}

impl Nesting {
    /// Whether the value may go on in the next line. Not from inside a string: strings hold no line
    /// breaks, so the line is broken as it is.
    fn goes_on(&self) -> bool {
        self.depth > 0 && self.quote.is_none()
    }

    /// Whether a value can stand here.
    fn takes_value(&self) -> bool {
        matches!(self.last, b':' | b',' | b'[')
    }

    fn feed(&mut self, text: &[u8]) {
        for &byte in text {
            if !byte.is_ascii_whitespace() {
                self.last = byte;
            }
            match (self.quote, byte) {
                (Some(_), _) if self.escaped => self.escaped = false,
                (Some(_), b'\\') => self.escaped = true,
                (Some(quote), byte) if byte == quote => self.quote = None,
                (None, b'"' | b'\'') => self.quote = Some(byte),
                (None, b'{' | b'[') => self.depth += 1,
                (None, b'}' | b']') => {
                    self.depth = self.depth.saturating_sub(1);
                }
                _ => {}
            }
        }
    }
}
