//! Cutting a stream into records, with bounded memory, and going on behind broken ones.

use super::line::colons;
use super::options::Codec;
use super::sniff::starts_event;
use crate::json::{Brackets, FaultKind, JsonFault, Limits, Visit, scan, string_end};
use std::io::{self, BufRead};
use std::ops::ControlFlow;

/// One record of a stream: its bytes and its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RawRecord<'a> {
    /// The bytes, without the line end; a carriage return stays. At most one byte more than the
    /// limit, so that [`Codec::check_bytes`] says `too-long`.
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

impl Codec {
    /// Cuts a stream into records; see [`Records`].
    pub fn records<R: BufRead>(&self, input: R) -> Records<R> {
        Records::new(input, self.limits().bytes)
    }
}

impl<R: BufRead> Records<R> {
    fn new(input: R, limit: usize) -> Self {
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
            let mut value = Unfinished::default();
            value.feed(&self.record[from..]);
            let mut behind_blank = false;
            while value.goes_on() && self.record.len() <= self.limit {
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
                    || opens && !value.takes_value();
                if ends || starts_event(&self.ahead_bytes) {
                    self.ahead = Some(next);
                    break;
                }
                behind_blank = blank;
                self.record.push(b'\n');
                let room = self.limit.saturating_add(1).saturating_sub(self.record.len());
                let taken = room.min(self.ahead_bytes.len());
                self.record.extend_from_slice(&self.ahead_bytes[..taken]);
                value.feed(&self.ahead_bytes);
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
        fn fault(&mut self, _: &JsonFault) -> ControlFlow<()> {
            ControlFlow::Continue(())
        }
    }
    let limits = Limits::DEFAULT.with_bytes(usize::MAX).with_depth(Limits::MAX_DEPTH);
    let Ok(text) = std::str::from_utf8(text) else { return false };
    scan(text, 0, &limits.with_keys(usize::MAX), &mut Lenient)
        .is_err_and(|fault| fault.kind == FaultKind::UnexpectedEnd)
}

/// A value that may go on in the next line, fed line by line.
#[derive(Default)]
struct Unfinished {
    brackets: Brackets,
    /// A string did not close on its line. Strings hold no line breaks, so the line is broken as it is.
    in_string: bool,
}

impl Unfinished {
    /// Whether the value may go on in the next line.
    fn goes_on(&self) -> bool {
        self.brackets.is_open() && !self.in_string
    }

    /// Whether a value can stand here.
    fn takes_value(&self) -> bool {
        matches!(self.brackets.last(), b':' | b',' | b'[')
    }

    fn feed(&mut self, text: &[u8]) {
        let mut at = 0;
        while let Some(&byte) = text.get(at) {
            self.brackets.take(byte);
            at = match byte {
                b'"' | b'\'' => {
                    let Some((end, _)) = string_end(text, at) else {
                        self.in_string = true;
                        return;
                    };
                    end
                }
                _ => at + 1,
            };
        }
    }
}
