//! Files and standard input, with a progress bar for long files where standard error is a terminal.

use crate::output::{Failure, cannot_read, printable};
use indicatif::{ProgressBar, ProgressStyle};
use std::fmt::Write as _;
use std::fs::{File, Metadata};
use std::io::{self, BufRead, BufReader, IsTerminal, Read};
use std::path::{Path, PathBuf};

/// Where records come from: a path as it was given, and what messages call it.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    path: PathBuf,
    name: String,
}

impl Source {
    /// A path; `-` is standard input.
    pub(crate) fn new(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let name = name(&path);
        Source { path, name }
    }

    pub(crate) fn is_stdin(&self) -> bool {
        is_stdin(&self.path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The path as messages show it, or `<stdin>`.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)
    }
}

/// One place that records come from, opened.
pub(crate) struct Input {
    pub(crate) source: Source,
    pub(crate) reader: Box<dyn BufRead>,
    /// Whether more may come while it is read, as from a pipe.
    pub(crate) live: bool,
}

/// From this size on, reading takes seconds, and a bar tells that the program is at work.
const LONG: u64 = 32 << 20;
const BUFFER: usize = 256 << 10;

/// Whether a path means standard input.
pub(crate) fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// What messages call a path.
pub(crate) fn name(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    if is_stdin(path) { "<stdin>".to_owned() } else { shown(path) }
}

/// A path as text that a terminal or a log can show: a byte that is not UTF-8 is written `\xNN`, a
/// character that is not printable `\u{N}`.
fn shown(path: &Path) -> String {
    let mut text = String::new();
    for chunk in path.as_os_str().as_encoded_bytes().utf8_chunks() {
        let _ = write!(text, "{}", printable(chunk.valid()));
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

/// Opens a path; `-` is standard input.
pub(crate) fn open(path: impl AsRef<Path>) -> Result<Input, Failure> {
    let source = Source::new(path.as_ref());
    if source.is_stdin() {
        let reader = Box::new(BufReader::with_capacity(BUFFER, io::stdin()));
        return Ok(Input { source, reader, live: !stdin_is_file() });
    }
    let (file, meta) = open_file(&source)?;
    Ok(Input { source, reader: reader(file, 0, meta.len()), live: !meta.is_file() })
}

/// Opens one of many files, without a bar.
pub(crate) fn open_quietly(path: &Path) -> Result<Input, Failure> {
    let source = Source::new(path);
    let (file, meta) = open_file(&source)?;
    let size = usize::try_from(meta.len()).unwrap_or(BUFFER).clamp(1, BUFFER);
    let reader = Box::new(BufReader::with_capacity(size, file));
    Ok(Input { source, reader, live: !meta.is_file() })
}

fn open_file(source: &Source) -> Result<(File, Metadata), Failure> {
    let failed = |error: io::Error| cannot_read(source, error);
    let file = File::open(source.path()).map_err(failed)?;
    let meta = file.metadata().map_err(failed)?;
    if meta.is_dir() {
        return Err(cannot_read(source, "it is a directory"));
    }
    Ok((file, meta))
}

/// Whether standard input is a file, which has its end in advance.
fn stdin_is_file() -> bool {
    #[cfg(unix)]
    {
        use std::os::fd::AsFd as _;
        let file = io::stdin().as_fd().try_clone_to_owned().map(File::from);
        file.and_then(|file| file.metadata()).is_ok_and(|meta| meta.is_file())
    }
    #[cfg(not(unix))]
    false
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
pub(crate) fn text(path: impl AsRef<Path>, max: usize) -> Result<String, Failure> {
    let Input { source, reader, .. } = open(path)?;
    let mut bytes = Vec::new();
    let limit = (max as u64).saturating_add(1);
    reader.take(limit).read_to_end(&mut bytes).map_err(|error| cannot_read(&source, error))?;
    if bytes.len() > max {
        // The cut may be in the middle of a character.
        return Ok(String::from_utf8_lossy(&bytes).into_owned());
    }
    String::from_utf8(bytes).map_err(|error| cannot_read(&source, error))
}

/// All inputs of a verb: the paths, or standard input if there are none.
pub(crate) fn paths(given: &[PathBuf]) -> Vec<&Path> {
    if given.is_empty() {
        vec![Path::new("-")]
    } else {
        given.iter().map(PathBuf::as_path).collect()
    }
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
