//! Files and standard input, with a progress bar for long files where standard error is a terminal.

use crate::output::{Failure, cannot_read};
use indicatif::{ProgressBar, ProgressStyle};
use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Read};
use std::path::Path;

/// One place that records come from.
pub(crate) struct Input {
    /// The name for messages: the path as given, or `<stdin>`.
    pub(crate) name: String,
    pub(crate) reader: Box<dyn BufRead>,
}

/// From this size on, reading takes seconds, and a bar tells that the program is at work.
const LONG: u64 = 32 << 20;
const BUFFER: usize = 256 << 10;

/// What messages call a path.
pub(crate) fn name(path: &str) -> &str {
    if path == "-" { "<stdin>" } else { path }
}

/// Opens a path; `-` is standard input.
pub(crate) fn open(path: &str) -> Result<Input, Failure> {
    if path == "-" {
        let reader = Box::new(BufReader::with_capacity(BUFFER, io::stdin()));
        return Ok(Input { name: name(path).to_owned(), reader });
    }
    let failed = |error: io::Error| cannot_read(path, error);
    let file = File::open(Path::new(path)).map_err(failed)?;
    let meta = file.metadata().map_err(failed)?;
    if meta.is_dir() {
        return Err(cannot_read(path, "it is a directory"));
    }
    Ok(Input { name: path.to_owned(), reader: reader(file, 0, meta.len()) })
}

/// Reads a file that stands at byte `from` of `length`, with a bar if that takes long enough.
pub(crate) fn reader(file: File, from: u64, length: u64) -> Box<dyn BufRead> {
    if length >= LONG && io::stderr().is_terminal() {
        let bar = ProgressBar::new(length).with_position(from);
        let style = "{wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}";
        bar.set_style(
            ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        return Box::new(BufReader::with_capacity(BUFFER, Watched { file, bar }));
    }
    Box::new(BufReader::with_capacity(BUFFER, file))
}

/// Reads a whole text. One that is longer than `max` bytes is cut behind the byte that shows it, so that
/// the reader of the text reports the limit and memory stays bounded.
pub(crate) fn text(path: &str, max: usize) -> Result<String, Failure> {
    let input = open(path)?;
    let mut bytes = Vec::new();
    let limit = (max as u64).saturating_add(1);
    input
        .reader
        .take(limit)
        .read_to_end(&mut bytes)
        .map_err(|error| cannot_read(&input.name, error))?;
    if bytes.len() > max {
        // The cut may be in the middle of a character.
        return Ok(String::from_utf8_lossy(&bytes).into_owned());
    }
    String::from_utf8(bytes).map_err(|error| cannot_read(&input.name, error))
}

/// All inputs of a verb: the paths, or standard input if there are none.
pub(crate) fn paths(given: &[String]) -> Vec<&str> {
    if given.is_empty() { vec!["-"] } else { given.iter().map(String::as_str).collect() }
}

/// A file that moves a bar.
struct Watched {
    file: File,
    bar: ProgressBar,
}

impl Read for Watched {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.bar.inc(count as u64);
        if count == 0 {
            self.bar.finish_and_clear();
        }
        Ok(count)
    }
}
