//! Cutting a stream into records, with bounded memory, and going on behind broken ones.

use super::line::colons;
use super::line_walk::{Depth, LineWalk};
use super::options::Codec;
use super::sniff::starts_event;
use crate::json::{FaultKind, JsonFault, Limits, Visit, scan};
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
/// A record is one line. Three things that are met in real input take several lines, and are read as
/// one record so that they get one finding instead of many: an event whose data goes on over line
/// breaks, a JSON value that starts a line, and closing brackets on lines of their own behind a value
/// that is closed already, which make the record invalid.
///
/// A line is only joined with the next if it is sound as far as it goes. Joining ends when the
/// brackets close, and at the latest at a line that starts an event, at a line that opens a value at
/// its very start where none can stand, behind a line that ends inside a string, and at a blank line:
/// for a JSON value, only if the line behind it opens another at its very start. So one broken record
/// does not hide the next.
///
/// Blank lines are skipped. A record longer than the limit is read to its end and cut, however many
/// lines it has; memory stays bounded whatever arrives.
///
/// To see closing brackets, a record is handed out when the line behind it has come;
/// [`live`](Self::live) does not wait for it.
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
    input: Lines<R>,
    record: Vec<u8>,
    /// The walk over the first line of the record, if it is too long to be kept.
    walk: Option<LineWalk>,
    /// A line that was read to see whether it goes on with the record, and did not.
    ahead: Option<Line>,
    ahead_bytes: Vec<u8>,
    live: bool,
}

#[derive(Clone, Copy, Debug)]
struct Line {
    number: u64,
    offset: u64,
    /// The walk over all of it, if it is longer than what is kept.
    walk: Option<LineWalk>,
}

impl Line {
    fn is_blank(&self, kept: &[u8]) -> bool {
        is_blank(kept) && self.walk.is_none_or(|walk| walk.is_blank())
    }
}

impl Codec {
    /// Cuts a stream into records; see [`Records`].
    pub fn records<R: BufRead>(&self, input: R) -> Records<R> {
        Records {
            input: Lines { input, limit: self.limits().bytes, line: 0, offset: 0, buffered: false },
            record: Vec::new(),
            walk: None,
            ahead: None,
            ahead_bytes: Vec::new(),
            live: false,
        }
    }
}

impl<R: BufRead> Records<R> {
    /// Hands each record out as soon as it is complete, without waiting for more input: for pipes,
    /// sockets and files that grow. Closing brackets behind a record then belong to it only if they
    /// came with it; else they are a broken record of their own.
    pub fn live(mut self) -> Self {
        self.live = true;
        self
    }

    /// How many bytes of the stream have been read.
    pub fn position(&self) -> u64 {
        self.input.offset
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
                None => match self.input.read(&mut self.record)? {
                    Some(line) => line,
                    None => return Ok(None),
                },
            };
            if !line.is_blank(&self.record) {
                break line;
            }
        };
        self.walk = first.walk;
        let from = continues_from(&self.record);
        let mut depth = None;
        if let Some(from) = from
            && is_cut_short(&self.record[from..], first.walk.is_some())
        {
            let document = from == 0 || is_blank(&self.record[..from]);
            depth = Some(self.join(from, document)?);
        }
        if let Some(from) = from {
            self.take_closers(from, depth)?;
        }
        Ok(Some(RawRecord { bytes: &self.record, line: first.number, offset: first.offset }))
    }

    /// Joins the lines of a value that starts at `from` and is not closed on its first line.
    fn join(&mut self, from: usize, document: bool) -> io::Result<Depth> {
        let mut depth = Depth::of(&self.first_walk(from));
        let mut behind_blank = false;
        // Read to its end even if it has grown too long: what follows must not be taken for records.
        while depth.goes_on() {
            let Some(next) = self.input.read(&mut self.ahead_bytes)? else { break };
            let blank = next.is_blank(&self.ahead_bytes);
            let opens = matches!(self.ahead_bytes.first(), Some(b'{' | b'['));
            // A document may hold blank lines, unless what follows one starts another.
            let ends = if document { behind_blank && opens } else { blank }
                || opens && !depth.takes_value();
            if ends || starts_event(&self.ahead_bytes) {
                self.ahead = Some(next);
                break;
            }
            behind_blank = blank;
            depth.add(&next.walk.unwrap_or_else(|| LineWalk::of(&self.ahead_bytes)));
            self.append_ahead();
        }
        Ok(depth)
    }

    /// The walk over the first line, from its value on.
    fn first_walk(&self, from: usize) -> LineWalk {
        // Of a line that was cut, all of it was walked over: what stands before the data of an event
        // are identifiers, and what they could do to the brackets makes the record no worse.
        self.walk.unwrap_or_else(|| LineWalk::of(&self.record[from..]))
    }

    /// Takes lines that hold nothing but closing brackets into a record whose own are closed.
    fn take_closers(&mut self, from: usize, depth: Option<Depth>) -> io::Result<()> {
        let mut kept = self.record.len();
        let mut closed = None;
        loop {
            if self.ahead.is_none() {
                if self.live && !self.input.holds_closer()? {
                    break;
                }
                self.ahead = self.input.read(&mut self.ahead_bytes)?;
            }
            let Some(next) = self.ahead else { break };
            // Kept for now, for the sake of the numbers of the lines behind it.
            let blank = next.is_blank(&self.ahead_bytes);
            if !blank {
                if next.walk.is_some() || !is_closers(&self.ahead_bytes) {
                    break;
                }
                // Looked at only now: such lines are rare.
                let closed = *closed.get_or_insert_with(|| {
                    let of_first = || Depth::of(&self.first_walk(from));
                    depth.unwrap_or_else(of_first).is_closed()
                });
                if !closed {
                    break;
                }
            }
            self.append_ahead();
            self.ahead = None;
            if !blank {
                kept = self.record.len();
            }
        }
        self.record.truncate(kept);
        Ok(())
    }

    fn append_ahead(&mut self) {
        let limit = self.input.limit.saturating_add(1);
        for bytes in [b"\n", self.ahead_bytes.as_slice()] {
            let room = limit.saturating_sub(self.record.len());
            self.record.extend_from_slice(&bytes[..room.min(bytes.len())]);
        }
    }
}

/// The lines of a stream.
#[derive(Debug)]
struct Lines<R> {
    input: R,
    limit: usize,
    line: u64,
    offset: u64,
    /// Whether the stream has bytes that can be had without waiting.
    buffered: bool,
}

impl<R: BufRead> Lines<R> {
    /// Reads a line into `out` without its line feed, at most one byte more than the limit; the rest
    /// of a longer line is walked over.
    fn read(&mut self, out: &mut Vec<u8>) -> io::Result<Option<Line>> {
        out.clear();
        let start = self.offset;
        let mut walk: Option<LineWalk> = None;
        loop {
            let chunk = match self.input.fill_buf() {
                Ok(chunk) => chunk,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if chunk.is_empty() {
                self.buffered = false;
                if self.offset == start {
                    return Ok(None);
                }
                break;
            }
            let end = memchr::memchr(b'\n', chunk);
            let text = &chunk[..end.unwrap_or(chunk.len())];
            let room = self.limit.saturating_add(1).saturating_sub(out.len());
            let (kept, rest) = text.split_at(room.min(text.len()));
            out.extend_from_slice(kept);
            if !rest.is_empty() {
                walk.get_or_insert_with(|| LineWalk::of(out)).feed(rest);
            }
            let used = text.len() + usize::from(end.is_some());
            self.buffered = used < chunk.len();
            self.input.consume(used);
            self.offset += used as u64;
            if end.is_some() {
                break;
            }
        }
        self.line += 1;
        Ok(Some(Line { number: self.line, offset: start, walk }))
    }

    /// Whether what can be had without waiting goes on with a closing bracket.
    fn holds_closer(&mut self) -> io::Result<bool> {
        if !self.buffered {
            return Ok(false);
        }
        let next = self.input.fill_buf()?.iter().find(|byte| !byte.is_ascii_whitespace());
        Ok(matches!(next, Some(b'}' | b']')))
    }
}

fn is_blank(line: &[u8]) -> bool {
    line.iter().all(u8::is_ascii_whitespace)
}

/// Whether a line, or what stands behind a value, is closing brackets and nothing of a value.
pub(super) fn is_closers(line: &[u8]) -> bool {
    let mut any = false;
    line.iter().all(|byte| {
        let closes = matches!(byte, b'}' | b']');
        any |= closes;
        closes || byte.is_ascii_whitespace() || any && matches!(byte, b',' | b';')
    }) && any
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

/// Whether a JSON text is sound as far as it goes, and goes no further than the line. Of a line that
/// was cut, only the first part is there.
fn is_cut_short(text: &[u8], cut: bool) -> bool {
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
