//! Cutting a stream into records, with bounded memory, and going on behind broken ones.
//!
//! One machine cuts: [`RecordDecoder`], which is fed. [`Records`] feeds it from a [`BufRead`], and
//! [`AsyncRecords`] from whatever is awaited.

mod decoder;
mod shape;

pub use decoder::RecordDecoder;
pub(super) use shape::is_closers;

use super::options::Codec;
use std::io::{self, BufRead};

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
/// [`RecordDecoder`] says what a record is. [`AsyncRecords`] does the same where reading is awaited.
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
    decoder: RecordDecoder,
    /// Whether the input has bytes that can be had without waiting.
    buffered: bool,
}

impl Codec {
    /// Cuts a stream into records; see [`Records`].
    pub fn records<R: BufRead>(&self, input: R) -> Records<R> {
        Records { input, decoder: self.record_decoder(), buffered: false }
    }

    /// Cuts a stream whose pieces are awaited into records; see [`AsyncRecords`].
    pub fn async_records<F, C>(&self, source: F) -> AsyncRecords<F, C>
    where
        F: AsyncFnMut() -> io::Result<C>,
        C: AsRef<[u8]>,
    {
        AsyncRecords { source, decoder: self.record_decoder(), chunk: None, used: 0 }
    }

    /// Cuts what it is fed into records; see [`RecordDecoder`].
    pub fn record_decoder(&self) -> RecordDecoder {
        RecordDecoder::new(self.limits().bytes)
    }
}

impl<R: BufRead> Records<R> {
    /// Hands each record out as soon as it is complete; see [`RecordDecoder::live`].
    pub fn live(mut self) -> Self {
        self.decoder = self.decoder.live();
        self
    }

    /// How many bytes of the stream have been read.
    pub const fn position(&self) -> u64 {
        self.decoder.position()
    }

    /// The next record, or `None` at the end of the stream.
    ///
    /// # Errors
    /// What the stream says; what was read before is kept, so that it may be asked again. An error that is
    /// `Interrupted` was retried.
    pub fn next_record(&mut self) -> io::Result<Option<RawRecord<'_>>> {
        // First by what can be had without waiting, which may be nothing.
        let mut waits = false;
        loop {
            let chunk = if self.buffered || waits {
                match self.input.fill_buf() {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    chunk => chunk?,
                }
            } else {
                &[]
            };
            let ended = waits && chunk.is_empty();
            let mut rest = chunk;
            let complete = if ended { self.decoder.end() } else { self.decoder.advance(&mut rest) };
            let used = chunk.len() - rest.len();
            self.buffered = !rest.is_empty();
            self.input.consume(used);
            if complete {
                return Ok(Some(self.decoder.complete()));
            }
            if ended {
                return Ok(None);
            }
            waits = true;
        }
    }
}

/// Reads records from pieces of a stream that are awaited, whatever the runtime.
///
/// The source returns the next piece, such as what one `read` of a socket brought, and an empty one at the
/// end. It is asked when all that it gave before is used up, and one piece is held at a time. The future
/// of [`next_record`](Self::next_record) may be dropped at any time if that of the source may.
///
/// ```
/// use coordination_protocol::event::Codec;
/// use coordination_protocol::finding::Mode;
/// use coordination_protocol::storage::block_on;
///
/// let mut pieces = ["A:b:c:{\"d\"", ":\n1}\nE:f:g:{}"].into_iter();
/// let source = async || Ok(pieces.next().unwrap_or_default());
/// let mut records = Codec::new(Mode::Strict).async_records(source);
/// block_on(async {
///     let mut lines = Vec::new();
///     while let Some(raw) = records.next_record().await? {
///         lines.push((raw.line, raw.bytes.len()));
///     }
///     assert_eq!(lines, [(1, 14), (3, 8)]);
///     Ok::<(), std::io::Error>(())
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct AsyncRecords<F, C> {
    source: F,
    decoder: RecordDecoder,
    chunk: Option<C>,
    /// How many bytes of the piece are used up.
    used: usize,
}

impl<F, C> AsyncRecords<F, C>
where
    F: AsyncFnMut() -> io::Result<C>,
    C: AsRef<[u8]>,
{
    /// Hands each record out as soon as it is complete; see [`RecordDecoder::live`].
    pub fn live(mut self) -> Self {
        self.decoder = self.decoder.live();
        self
    }

    /// How many bytes of the stream have been read.
    pub const fn position(&self) -> u64 {
        self.decoder.position()
    }

    /// The next record, or `None` at the end of the stream.
    ///
    /// # Errors
    /// What the source says; what was read before is kept, so that it may be asked again.
    pub async fn next_record(&mut self) -> io::Result<Option<RawRecord<'_>>> {
        loop {
            let chunk = self.chunk.as_ref().map_or(&[][..], AsRef::as_ref);
            // A source may give another length each time it is asked.
            let mut rest = chunk.get(self.used..).unwrap_or_default();
            let before = rest.len();
            let complete = self.decoder.advance(&mut rest);
            self.used += before - rest.len();
            if complete {
                return Ok(Some(self.decoder.complete()));
            }
            let next = (self.source)().await?;
            if next.as_ref().is_empty() {
                return Ok(self.decoder.end().then(|| self.decoder.complete()));
            }
            (self.chunk, self.used) = (Some(next), 0);
        }
    }
}
