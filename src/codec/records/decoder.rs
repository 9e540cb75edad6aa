//! The machine that cuts: it is fed bytes, and knows no input.

use super::super::line_walk::{Depth, LineWalk};
use super::super::sniff::starts_event;
use super::RawRecord;
use super::shape::{continues_from, is_blank, is_closers, is_cut_short};

/// Cuts a stream into records, in whatever pieces it comes. [`Codec::record_decoder`] makes one.
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
/// lines it has. So the memory is bounded whatever arrives: a record and a line, each at most one byte
/// longer than the limit.
///
/// To see closing brackets, a record is handed out when the line behind it has come;
/// [`live`](Self::live) does not wait for it.
///
/// ```
/// use coordination_protocol::event::Codec;
/// use coordination_protocol::finding::Mode;
///
/// let mut decoder = Codec::new(Mode::Strict).record_decoder();
/// let mut seen = Vec::new();
/// for piece in ["A:b:c:{\"d\"", ":\n1}\n\nE:f", ":g:{}"] {
///     let mut input = piece.as_bytes();
///     while let Some(raw) = decoder.next_record(&mut input) {
///         seen.push((raw.line, String::from_utf8_lossy(raw.bytes).into_owned()));
///     }
/// }
/// // The stream has ended: what is left of it is complete, too.
/// while let Some(raw) = decoder.finish() {
///     seen.push((raw.line, String::from_utf8_lossy(raw.bytes).into_owned()));
/// }
/// assert_eq!(seen, [(1, "A:b:c:{\"d\":\n1}".to_owned()), (4, "E:f:g:{}".to_owned())]);
/// ```
///
/// [`Codec::record_decoder`]: super::super::Codec::record_decoder
#[doc(alias = "push")]
#[doc(alias = "framing")]
#[derive(Clone, Debug)]
pub struct RecordDecoder {
    limit: usize,
    live: bool,
    /// The line that is being read, or that was read ahead.
    line: Vec<u8>,
    /// The walk over it, if it is longer than what is kept.
    walk: Option<LineWalk>,
    /// Where it starts in the stream.
    start: u64,
    /// How many bytes were taken.
    position: u64,
    /// How many lines have ended.
    lines: u64,
    /// A line that was read to see whether it goes on with the record, and did not.
    ahead: Option<Line>,
    record: Vec<u8>,
    /// The first line of the record.
    first: Line,
    state: State,
}

#[derive(Clone, Copy, Debug, Default)]
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

/// What the next line may be to the record.
#[derive(Clone, Copy, Debug)]
enum State {
    /// Its first one.
    First,
    /// More of a value that is not closed.
    Value {
        /// Where the value starts in the record.
        from: usize,
        /// Whether it is a JSON text, and no data of an event.
        document: bool,
        depth: Depth,
        behind_blank: bool,
    },
    /// Nothing but closing brackets, behind a value that is closed.
    Closers {
        from: usize,
        /// How deep the value ends, if that is known.
        depth: Option<Depth>,
        /// How much of the record is certain. What is behind it are blank lines, which are kept for the
        /// sake of the numbers of the lines behind them.
        kept: usize,
    },
}

impl RecordDecoder {
    pub(super) const fn new(limit: usize) -> Self {
        let first = Line { number: 0, offset: 0, walk: None };
        RecordDecoder {
            limit,
            live: false,
            line: Vec::new(),
            walk: None,
            start: 0,
            position: 0,
            lines: 0,
            ahead: None,
            record: Vec::new(),
            first,
            state: State::First,
        }
    }

    /// Hands each record out as soon as it is complete, without waiting for more input: for pipes,
    /// sockets and files that grow. Closing brackets behind a record then belong to it only if they
    /// came with it; else they are a broken record of their own. So what is a record depends on how the
    /// stream was cut into pieces, but only in this.
    pub fn live(mut self) -> Self {
        self.live = true;
        self
    }

    /// How many bytes of the stream have been taken.
    pub const fn position(&self) -> u64 {
        self.position
    }

    /// The next record of the input, which is advanced behind what was looked at; none when the input is
    /// used up. What has come of a record is kept until the rest comes.
    pub fn next_record(&mut self, input: &mut &[u8]) -> Option<RawRecord<'_>> {
        self.advance(input).then(|| self.complete())
    }

    /// The next record of what is left when the stream has ended; none when nothing is. A last line that
    /// has no end is one, too. A stream that grows afterwards goes on with a new line.
    pub fn finish(&mut self) -> Option<RawRecord<'_>> {
        self.end().then(|| self.complete())
    }

    /// The record that was said to be complete.
    pub(super) fn complete(&self) -> RawRecord<'_> {
        RawRecord { bytes: &self.record, line: self.first.number, offset: self.first.offset }
    }

    /// Takes input until a record is complete, or none is left.
    pub(super) fn advance(&mut self, input: &mut &[u8]) -> bool {
        // How much of the input is left where a closing bracket was seen: not looked for twice.
        let mut seen = None;
        while let Some(line) = self.ahead.take().or_else(|| self.read(input)) {
            if self.add(line) {
                return true;
            }
            if !self.live || !matches!(self.state, State::Closers { .. }) {
                continue;
            }
            if seen.is_none_or(|seen| input.len() < seen) {
                seen = closer(input);
            }
            if seen.is_none() {
                self.close();
                return true;
            }
        }
        false
    }

    /// Takes what is left, until a record is complete.
    pub(super) fn end(&mut self) -> bool {
        while let Some(line) = self.ahead.take().or_else(|| self.cut_line()) {
            if self.add(line) {
                return true;
            }
        }
        let begun = !matches!(self.state, State::First);
        if begun {
            self.close();
        }
        begun
    }

    /// Reads a line without its line feed, at most one byte more than the limit; the rest of a longer
    /// line is walked over.
    fn read(&mut self, input: &mut &[u8]) -> Option<Line> {
        if self.position == self.start {
            self.line.clear();
        }
        let end = memchr::memchr(b'\n', input);
        let (text, rest) = match end {
            Some(end) => (&input[..end], &input[end + 1..]),
            None => (*input, &[][..]),
        };
        let room = self.limit.saturating_add(1).saturating_sub(self.line.len());
        let (kept, passed) = text.split_at(room.min(text.len()));
        self.line.extend_from_slice(kept);
        if !passed.is_empty() {
            self.walk.get_or_insert_with(|| LineWalk::of(&self.line)).feed(passed);
        }
        self.position += (input.len() - rest.len()) as u64;
        *input = rest;
        end.map(|_| self.line_ends())
    }

    /// The line that the end of the stream cuts.
    fn cut_line(&mut self) -> Option<Line> {
        (self.position > self.start).then(|| self.line_ends())
    }

    fn line_ends(&mut self) -> Line {
        self.lines += 1;
        let offset = std::mem::replace(&mut self.start, self.position);
        Line { number: self.lines, offset, walk: self.walk.take() }
    }

    /// Goes on with the line that was read; whether the record is complete.
    fn add(&mut self, line: Line) -> bool {
        match self.state {
            State::First => self.begin(line),
            State::Value { from, document, depth, behind_blank } => {
                let blank = line.is_blank(&self.line);
                let opens = matches!(self.line.first(), Some(b'{' | b'['));
                // A document may hold blank lines, unless what follows one starts another.
                let ends = if document { behind_blank && opens } else { blank }
                    || opens && !depth.takes_value();
                if ends || starts_event(&self.line) {
                    self.expect_closers(from, Some(depth));
                    return self.add(line);
                }
                let mut depth = depth;
                depth.add(&line.walk.unwrap_or_else(|| LineWalk::of(&self.line)));
                self.append_line();
                // Read to its end even if it has grown too long: what follows must not be taken for
                // records.
                if depth.goes_on() {
                    self.state = State::Value { from, document, depth, behind_blank: blank };
                } else {
                    self.expect_closers(from, Some(depth));
                }
                false
            }
            State::Closers { from, depth, kept } => {
                let blank = line.is_blank(&self.line);
                if !blank {
                    // Only then: such lines are rare.
                    let closes =
                        || depth.unwrap_or_else(|| Depth::of(&self.first_walk(from, kept)));
                    if line.walk.is_some() || !is_closers(&self.line) || !closes().is_closed() {
                        self.ahead = Some(line);
                        self.close();
                        return true;
                    }
                    self.append_line();
                    // Known from now on: the value is closed.
                    self.expect_closers(from, Some(Depth::default()));
                    return false;
                }
                self.append_line();
                false
            }
        }
    }

    /// Begins a record with a line; whether it is complete.
    fn begin(&mut self, line: Line) -> bool {
        std::mem::swap(&mut self.record, &mut self.line);
        if line.is_blank(&self.record) {
            return false;
        }
        self.first = line;
        let Some(from) = continues_from(&self.record) else { return true };
        let mut depth = None;
        if is_cut_short(&self.record[from..], line.walk.is_some()) {
            let open = Depth::of(&self.first_walk(from, self.record.len()));
            if open.goes_on() {
                let document = is_blank(&self.record[..from]);
                self.state = State::Value { from, document, depth: open, behind_blank: false };
                return false;
            }
            depth = Some(open);
        }
        self.expect_closers(from, depth);
        false
    }

    /// The walk over the first line, which ends at `end`, from its value on.
    fn first_walk(&self, from: usize, end: usize) -> LineWalk {
        // Of a line that was cut, all of it was walked over: what stands before the data of an event
        // are identifiers, and what they could do to the brackets makes the record no worse.
        self.first.walk.unwrap_or_else(|| LineWalk::of(&self.record[from..end]))
    }

    fn expect_closers(&mut self, from: usize, depth: Option<Depth>) {
        self.state = State::Closers { from, depth, kept: self.record.len() };
    }

    /// The record is complete.
    fn close(&mut self) {
        if let State::Closers { kept, .. } = self.state {
            self.record.truncate(kept);
        }
        self.state = State::First;
    }

    fn append_line(&mut self) {
        let limit = self.limit.saturating_add(1);
        for bytes in [b"\n", self.line.as_slice()] {
            let room = limit.saturating_sub(self.record.len());
            self.record.extend_from_slice(&bytes[..room.min(bytes.len())]);
        }
    }
}

/// How much of the input is left at its first byte that is no white space, if that is a closing bracket.
fn closer(input: &[u8]) -> Option<usize> {
    let at = input.iter().position(|byte| !byte.is_ascii_whitespace())?;
    matches!(input[at], b'}' | b']').then_some(input.len() - at)
}
