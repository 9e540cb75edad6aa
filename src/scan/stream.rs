//! Reading a log as it grows, with bounded memory.

use super::{FileKind, Limits, log};
use memchr::{memchr, memrchr};
use std::io::{self, BufRead};

/// How many times as long as a message a part may become before it is cut, and at least how long.
const TIMES: usize = 4;
const LEAST: usize = 64 << 10;

/// Some lines of a log that no message crosses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogPart<'a> {
    /// The lines, with their ends.
    pub bytes: &'a [u8],
    /// The same as text, with a `?` for each byte that is not UTF-8: every other byte is where it was.
    pub text: &'a str,
    /// The number of the first line, from 1.
    pub line: u64,
    /// The offset of the first byte in the stream.
    pub offset: u64,
}

/// Whether a line begins as those of logs do: with a time, a level, a process or the like.
///
/// ```
/// use coordination_protocol::scan::is_log_line;
///
/// assert!(is_log_line("[2026-03-13T11:05:32-07:00] started"));
/// assert!(!is_log_line("# Started"));
/// assert!(!is_log_line("TASK_FAILED:wf_1:build:{}"));
/// ```
pub fn is_log_line(line: &str) -> bool {
    // A list, a quotation, a heading or a table may begin with a date.
    let marked = line.trim_start().starts_with(['-', '*', '+', '>', '#', '|']);
    !marked && log::line(line, 0, line.len()).prefix
}

/// Cuts a log into parts, each to be given to [`scan_as`](super::scan_as) by itself.
///
/// A message may go on over several lines, so a part ends where none is open: what is found does not
/// depend on how the log was cut. A part is handed out as soon as its last line is complete; a log
/// that grows is not held up. Memory is bounded: what is still open after four times
/// [`Limits::bytes`], and at least 64 KiB, is cut, and so is the rest of a longer line.
///
/// ```
/// use coordination_protocol::json::Limits;
/// use coordination_protocol::scan::{FileKind, LogReader, scan_as};
///
/// let log = "12:00:01 INFO started\n12:00:02 INFO TASK_STARTED:wf_1:build:{\n  \"task_id\":\"t1\"}\n";
/// let limits = Limits::default();
/// let mut reader = LogReader::new(log.as_bytes(), &limits);
/// let mut found = Vec::new();
/// while let Some(part) = reader.next_part()? {
///     found.extend(scan_as(part.text, FileKind::Log, &limits).map(|s| s.text.into_owned()));
/// }
/// assert_eq!(found, ["TASK_STARTED:wf_1:build:{\n  \"task_id\":\"t1\"}"]);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct LogReader<R> {
    input: R,
    limits: Limits,
    /// What was read and not handed out, and how much of it was handed out last.
    bytes: Vec<u8>,
    text: String,
    given: usize,
    /// How much of it was looked at: in its first line a message is open.
    looked: usize,
    line: u64,
    offset: u64,
    /// The rest of the line is passed over.
    overlong: bool,
    ended: bool,
}

impl<R: BufRead> LogReader<R> {
    /// Reads from the start of a log.
    pub fn new(input: R, limits: &Limits) -> Self {
        LogReader {
            input,
            limits: *limits,
            bytes: Vec::new(),
            text: String::new(),
            given: 0,
            looked: 0,
            line: 1,
            offset: 0,
            overlong: false,
            ended: false,
        }
    }

    /// The next lines, or `None` at the end of the log.
    ///
    /// # Errors
    /// What the stream says. An error that is `Interrupted` was retried.
    pub fn next_part(&mut self) -> io::Result<Option<LogPart<'_>>> {
        let given = std::mem::take(&mut self.given);
        self.line += memchr::memchr_iter(b'\n', &self.bytes[..given]).count() as u64;
        self.offset += given as u64;
        self.bytes.drain(..given);
        loop {
            if let Some(end) = self.part_end() {
                self.given = end;
                self.looked = 0;
                self.text.clear();
                push_text(&mut self.text, &self.bytes[..end]);
                return Ok(Some(LogPart {
                    bytes: &self.bytes[..end],
                    text: &self.text,
                    line: self.line,
                    offset: self.offset,
                }));
            }
            if self.ended {
                return Ok(None);
            }
            self.read()?;
        }
    }

    /// Where the next part ends, if that is known yet.
    fn part_end(&mut self) -> Option<usize> {
        let most = self.limits.bytes.saturating_mul(TIMES).max(LEAST);
        let length = self.bytes.len();
        if self.ended {
            return (length > 0).then_some(length);
        }
        let lines = memrchr(b'\n', &self.bytes).map_or(0, |at| at + 1);
        if lines > self.looked {
            self.text.clear();
            push_text(&mut self.text, &self.bytes[..lines]);
            let Some(open) = first_open(&self.text, &self.limits) else { return Some(lines) };
            let start = memrchr(b'\n', &self.bytes[..open]).map_or(0, |at| at + 1);
            if start > 0 {
                return Some(start);
            }
            self.looked = lines;
        }
        if lines > most {
            return Some(lines);
        }
        self.overlong = length - lines > most;
        self.overlong.then_some(length)
    }

    /// Reads what there is at once.
    fn read(&mut self) -> io::Result<()> {
        let chunk = loop {
            match self.input.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result?,
            }
        };
        let used = chunk.len();
        let mut from = 0;
        if self.overlong {
            // What is left of it, up to the end of the line.
            let end = memchr(b'\n', chunk).map(|at| at + 1);
            self.overlong = end.is_none() && used > 0;
            from = end.unwrap_or(used);
            self.offset += from as u64;
            self.line += u64::from(end.is_some());
        }
        self.bytes.extend_from_slice(&chunk[from..]);
        self.ended = used == 0;
        self.input.consume(used);
        Ok(())
    }
}

/// Adds bytes as text of the same length.
fn push_text(text: &mut String, bytes: &[u8]) {
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| '?'));
    }
}

/// Where the first message starts that may go on behind the text.
fn first_open(text: &str, limits: &Limits) -> Option<usize> {
    super::read(text, FileKind::Log, limits).open
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::scan_as;
    use std::io::BufReader;

    /// The messages with their offsets and lines, and the lines without one.
    type Found = (Vec<(u64, u64, String)>, usize);

    fn read(log: &[u8], capacity: usize, limits: &Limits) -> Found {
        let mut reader = LogReader::new(BufReader::with_capacity(capacity, log), limits);
        let (mut found, mut passed) = (Vec::new(), 0);
        while let Some(part) = reader.next_part().unwrap() {
            assert_eq!(part.bytes.len(), part.text.len());
            let snippets = scan_as(part.text, FileKind::Log, limits);
            passed += snippets.passed_over().lines;
            for snippet in snippets {
                let at = snippet.origin(0);
                let line = part.line + memchr::memchr_iter(b'\n', &part.bytes[..at]).count() as u64;
                found.push((part.offset + at as u64, line, snippet.text.into_owned()));
            }
        }
        (found, passed)
    }

    const PIECES: &[&str] = &[
        "\n",
        "\n",
        "12:00:01 INFO ",
        "[2026-03-13T11:05:32-07:00] ",
        "TASK_FAILED:wf_1:build:",
        "{\"task_id\":\"t1\"",
        "}",
        "{\n  \"event\": {\"event_type\":\"TASK_FAILED\"",
        "\"TASK_FAILED:w:p:{\\\"a\\\":",
        "some words",
        "{",
        "[",
        "]",
        ",",
        "\"",
        "\\",
        "{\"heartbeat\":{}}",
        "\r\n\r\n",
        "é",
    ];

    #[test]
    fn what_is_found_does_not_depend_on_how_a_log_is_cut() {
        let limits = Limits::default();
        let mut state = 1_u64;
        let mut below = |bound: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as usize % bound
        };
        let mut seen = 0;
        for case in 0..600 {
            let pieces = 1 + below(40);
            let log: String = (0..pieces).map(|_| PIECES[below(PIECES.len())]).collect();
            let whole = read(log.as_bytes(), 1 << 20, &limits);
            for capacity in [1, 7, 64] {
                let cut = read(log.as_bytes(), capacity, &limits);
                assert_eq!(cut, whole, "case {case}, {capacity} bytes at a time: {log:?}");
            }
            seen += whole.0.len();
        }
        assert!(seen > 300, "{seen}");
    }

    /// A stream that has given all it has would wait for more.
    struct Pipe<'a>(&'a [&'a str], usize);

    impl io::Read for Pipe<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let text = self.0.get(self.1).ok_or(io::ErrorKind::WouldBlock)?;
            self.1 += 1;
            buffer[..text.len()].copy_from_slice(text.as_bytes());
            Ok(text.len())
        }
    }

    #[test]
    fn complete_lines_are_not_held_up() {
        let lines = ["12:00 INFO a\n12:01 IN", "FO TASK_FAILED:w:p:{}\n", "12:02 INFO {\n", "}\n"];
        let mut reader = LogReader::new(BufReader::new(Pipe(&lines, 0)), &Limits::default());
        let mut next = || reader.next_part().map(|part| part.map(|part| part.text.to_owned()));
        assert_eq!(next().unwrap().as_deref(), Some("12:00 INFO a\n"));
        assert_eq!(next().unwrap().as_deref(), Some("12:01 INFO TASK_FAILED:w:p:{}\n"));
        // It may be the start of a message, so it waits for the next line and no longer.
        assert_eq!(next().unwrap().as_deref(), Some("12:02 INFO {\n}\n"));
        assert_eq!(next().unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn memory_is_bounded_whatever_comes() {
        let limits = Limits::default();
        let good = "12:01 INFO TASK_FAILED:w:p:{}\n";
        let long_line = format!("{}\n{good}", "x".repeat(1 << 20));
        let never_closed = format!("TASK_FAILED:w:p:{{\n{}\n{good}", "\"a\":\n".repeat(100_000));
        for log in [long_line, never_closed] {
            let mut reader =
                LogReader::new(BufReader::with_capacity(64 << 10, log.as_bytes()), &limits);
            let mut last = (0, 0, String::new());
            while let Some(part) = reader.next_part().unwrap() {
                assert!(part.bytes.len() <= limits.bytes * TIMES + (128 << 10));
                for snippet in scan_as(part.text, FileKind::Log, &limits) {
                    last = (
                        part.line,
                        part.offset as usize + snippet.origin(0),
                        snippet.text.into_owned(),
                    );
                }
            }
            let at = log.len() - good.len() + "12:01 INFO ".len();
            assert_eq!((last.1, last.2.as_str()), (at, "TASK_FAILED:w:p:{}"));
            assert!(last.0 as usize <= log.lines().count());
        }
    }
}
