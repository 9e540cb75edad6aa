//! `coord store import`

use super::line::{Chain, Read};
use crate::input;
use crate::output::{CmdResult, ExitStatus, Failure, cannot_read, complain, say};
use crate::store_args::StoreArgs;
use coordination_protocol::adapter::sqlite::{LoadMode, LoadSummary, StoreItem};
use coordination_protocol::storage::StorageError;
use std::fmt::Write as _;
use std::io::{BufRead, Read as _};
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord store import store.jsonl --root new/data
  coord store export --root old/data | coord store import - --root new/data
  coord store import --merge store.jsonl

The store has to be new or empty, and becomes what was exported: values with their revisions,
records with their positions, cursors. With --merge, what is missing is added: values and cursors
that are there stay, and records are appended behind those that are there, even if they are the
same. Decisions are taken in only by a store that has none.
All of it is taken in, or nothing; what was damaged when it was exported is left out.

Exit status: 0 if all was taken in, 1 if the export is damaged or the store not empty.")]
pub(super) struct Args {
    /// The export; `-` or none is standard input.
    #[arg(value_name = "FILE|-")]
    from: Option<PathBuf>,

    /// Add to a store that is not empty.
    #[arg(long)]
    merge: bool,

    /// The maximum number of bytes of one line.
    #[arg(long, default_value_t = 128 << 20, value_name = "N", help_heading = "Limits")]
    max_bytes: usize,

    #[command(flatten)]
    place: StoreArgs,
}

/// Why nothing was taken in.
enum Stop {
    /// There is something wrong with what was given.
    Found(String),
    Failed(Failure),
}

impl From<StorageError> for Stop {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::NotEmpty { .. } => Stop::Found(format!("{error}; --merge adds to it")),
            StorageError::Import(_) => Stop::Found(error.to_string()),
            other => Stop::Failed(other.into()),
        }
    }
}

pub(super) fn run(args: &Args) -> CmdResult {
    let input = input::open(args.from.as_deref().unwrap_or(Path::new("-")))?;
    let how = if args.merge { LoadMode::Merge } else { LoadMode::Restore };
    let mut lines =
        Lines { input, limit: args.max_bytes, chain: Chain::new(), line: Vec::new(), ended: false }
            .peekable();
    // What does not begin like an export makes no store.
    if lines.peek().is_some_and(Result::is_err)
        && let Some(Err(stop)) = lines.next()
    {
        return stopped(stop);
    }
    let file = args.place.open("store import")?;
    match file.load(how, lines) {
        Ok(done) => {
            say(format_args!("{}: {}", args.place.file().display(), sentence(&done)))?;
            Ok(ExitStatus::Done)
        }
        Err(stop) => stopped(stop),
    }
}

fn stopped(stop: Stop) -> CmdResult {
    match stop {
        Stop::Found(message) => {
            complain(format_args!("{message}; nothing was taken in"));
            Ok(ExitStatus::No)
        }
        Stop::Failed(failure) => Err(failure),
    }
}

fn sentence(done: &LoadSummary) -> String {
    let LoadSummary { entries, records, cursors, kept, differing, repeated, damaged, .. } = done;
    let mut taken = format!("{entries} values, {records} records and {cursors} cursors taken in");
    if *damaged > 0 {
        let _ = write!(taken, "; {damaged} were damaged and are left out or empty");
    }
    if *repeated > 0 {
        let _ = write!(taken, "; {repeated} records stood there already and are empty");
    }
    if *kept == 0 {
        return taken;
    }
    format!("{taken}; {kept} were there and stayed, {differing} of them with other content")
}

/// The items of an export.
struct Lines {
    input: input::Input,
    limit: usize,
    chain: Chain,
    line: Vec<u8>,
    ended: bool,
}

impl Lines {
    /// The next line without its end; none behind the last one.
    fn fill(&mut self) -> Result<Option<&[u8]>, Stop> {
        self.line.clear();
        let limit = self.limit as u64 + 1;
        let mut part = self.input.reader.by_ref().take(limit);
        if let Err(error) = part.read_until(b'\n', &mut self.line) {
            return Err(Stop::Failed(cannot_read(&self.input.source, error)));
        }
        if self.line.is_empty() {
            return Ok(None);
        }
        if self.line.pop_if(|last| *last == b'\n').is_none() {
            if self.line.len() > self.limit {
                return Err(self.wrong(&format!("the line is longer than {} bytes", self.limit)));
            }
            return Err(self.wrong("the line is cut"));
        }
        Ok(Some(&self.line))
    }

    fn wrong(&self, what: &str) -> Stop {
        Stop::Found(format!("{}:{}: {what}", self.input.source, self.chain.lines + 1))
    }

    fn read(&mut self) -> Result<Option<StoreItem>, Stop> {
        let number = self.chain.lines + 1;
        if self.fill()?.is_none() {
            return Err(self.wrong("the export is cut: its last line is missing"));
        }
        match self.chain.read(&self.line) {
            Ok(Read::Item(item)) => Ok(Some(item)),
            Ok(Read::End) => {
                if self.fill()?.is_some() {
                    return Err(self.wrong("there is more behind the end of the export"));
                }
                Ok(None)
            }
            Err(what) => Err(Stop::Found(format!("{}:{number}: {what}", self.input.source))),
        }
    }
}

impl Iterator for Lines {
    type Item = Result<StoreItem, Stop>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let read = self.read().transpose();
        self.ended = !matches!(read, Some(Ok(_)));
        read
    }
}
