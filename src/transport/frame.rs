//! Lines out of a stream of bytes, without I/O.

use super::error::{FrameFault, TransportError};

/// Cuts a stream into lines, in whatever pieces it comes.
///
/// It holds at most one line within the limit. A line that is longer is passed over up to its end
/// and reported once; the next one is read as usual. Empty lines are skipped, and a carriage
/// return before the line break belongs to the break. What is inside a line is not judged.
///
/// ```
/// use coordination_protocol::transport::{FrameFault, LineDecoder, TransportError};
///
/// let mut decoder = LineDecoder::new(8);
/// let mut lines = Vec::new();
/// let mut errors = Vec::new();
/// for piece in ["one\ntw", "o\r\nfar too ", "long\n\nthree\n"] {
///     let mut input = piece.as_bytes();
///     while let Some(line) = decoder.next_line(&mut input) {
///         match line {
///             Ok(line) => lines.push(String::from_utf8_lossy(line).into_owned()),
///             Err(error) => errors.push(error),
///         }
///     }
/// }
/// assert_eq!(lines, ["one", "two", "three"]);
/// let long = FrameFault::TooLong { at: 9, bytes: 12, limit: 8 };
/// assert_eq!(errors, [TransportError::Frame(long)]);
/// ```
#[doc(alias = "framing")]
#[doc(alias = "codec")]
#[doc(alias = "NDJSON")]
#[derive(Clone, Debug)]
pub struct LineDecoder {
    limit: usize,
    /// The start of a line whose end has not come; empty while a line is passed over.
    held: Vec<u8>,
    /// How many bytes of the current line have been taken.
    taken: u64,
    /// Where the current line starts in the stream.
    at: u64,
    /// The last of them was a carriage return.
    cr: bool,
    /// The line in `held` was handed out and is cleared with the next call.
    spent: bool,
}

impl Default for LineDecoder {
    /// For lines of at most 65,536 bytes, the limit of the reader.
    fn default() -> Self {
        LineDecoder::new(crate::json::Limits::default().bytes)
    }
}

impl LineDecoder {
    /// For lines of at most `limit` bytes, their break not counted.
    pub const fn new(limit: usize) -> Self {
        LineDecoder { limit, held: Vec::new(), taken: 0, at: 0, cr: false, spent: false }
    }

    /// The next line of the input, which is advanced behind it; none when the input is used up.
    ///
    /// # Errors
    /// [`FrameFault::TooLong`], after which the decoder goes on with the next line.
    pub fn next_line<'s, 'i: 's>(
        &'s mut self,
        input: &mut &'i [u8],
    ) -> Option<Result<&'s [u8], TransportError>> {
        // The line was lent to the caller, so it can be cleared only when it is asked for the next
        // one.
        if std::mem::take(&mut self.spent) {
            self.held.clear();
        }
        loop {
            // Only line feeds are looked for. A carriage return may be split from its line feed by
            // the pieces, so whether it belongs to the break is known at the end.
            let Some(end) = memchr::memchr(b'\n', input) else {
                self.hold(input);
                *input = &[];
                return None;
            };
            let (piece, rest) = (&input[..end], &input[end + 1..]);
            *input = rest;
            // A line that lies whole in the input is lent from it; only one that is cut by the
            // pieces is copied.
            let whole = self.taken == 0;
            if whole {
                self.taken = piece.len() as u64;
                self.cr = piece.last() == Some(&b'\r');
            } else {
                self.hold(piece);
            }
            let at = self.at;
            let bytes = self.taken - u64::from(self.cr);
            // Counted in bytes of the stream, so an error says where to look, whatever the pieces
            // were.
            self.at += self.taken + 1;
            self.taken = 0;
            self.cr = false;
            // The line is over here and not earlier: its end had to be found to go on with the next
            // one.
            if bytes > self.limit as u64 {
                self.held.clear();
                return Some(Err(FrameFault::TooLong { at, bytes, limit: self.limit }.into()));
            }
            if bytes == 0 {
                self.held.clear();
                continue;
            }
            if whole {
                return Some(Ok(&piece[..bytes as usize]));
            }
            self.spent = true;
            return Some(Ok(&self.held[..bytes as usize]));
        }
    }

    /// What has come of a line that is not ended yet; empty if it is too long already.
    pub fn partial(&self) -> &[u8] {
        if self.spent { &[] } else { &self.held }
    }

    /// The stream has ended. The decoder is then as new, but for its position.
    ///
    /// # Errors
    /// [`FrameFault::Unterminated`] if the last line has no end: it may have been cut off.
    pub fn finish(&mut self) -> Result<(), TransportError> {
        let (at, bytes) = (self.at, self.taken);
        self.held.clear();
        self.spent = false;
        self.taken = 0;
        self.cr = false;
        self.at += bytes;
        if bytes > 0 {
            return Err(FrameFault::Unterminated { at, bytes }.into());
        }
        Ok(())
    }

    /// Keeps a piece of a line, unless the line is too long already: one byte more than the limit
    /// may be a carriage return.
    fn hold(&mut self, piece: &[u8]) {
        let Some(last) = piece.last() else { return };
        self.cr = *last == b'\r';
        self.taken += piece.len() as u64;
        // Memory is bounded by the limit, not by what a peer sends without a line break.
        if self.taken <= (self.limit as u64).saturating_add(1) {
            self.held.extend_from_slice(piece);
        } else {
            // Freed and not cleared: the buffer of a line that was too long is not kept for the
            // short ones.
            self.held = Vec::new();
        }
    }
}

/// Appends a line and its break.
///
/// ```
/// use coordination_protocol::transport::{FrameFault, TransportError, encode_line};
///
/// let mut out = Vec::new();
/// encode_line(b"one", &mut out)?;
/// assert_eq!(out, b"one\n");
/// let broken = encode_line(b"two\nlines", &mut out).unwrap_err();
/// assert_eq!(broken, TransportError::Frame(FrameFault::LineBreak { at: 3 }));
/// # Ok::<(), TransportError>(())
/// ```
///
/// # Errors
/// [`FrameFault::LineBreak`] and [`FrameFault::Empty`]: the reader would see two lines, or none.
/// Nothing is appended then.
pub fn encode_line(line: &[u8], out: &mut Vec<u8>) -> Result<(), TransportError> {
    if line.is_empty() {
        return Err(FrameFault::Empty.into());
    }
    // A line break inside would let one message write another one into the stream.
    if let Some(at) = memchr::memchr2(b'\n', b'\r', line) {
        return Err(FrameFault::LineBreak { at }.into());
    }
    out.extend_from_slice(line);
    out.push(b'\n');
    Ok(())
}
