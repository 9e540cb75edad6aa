//! What is noted beside a file while it is migrated, so that a killed run can be taken up.

use super::tally::Tally;
use crate::replace_file;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// What tells one state of a file from another: its length, when it was written, and a digest of
/// its two ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Fingerprint {
    length: u64,
    modified: (u64, u32),
    ends: String,
}

/// How much of each end is digested.
const END: u64 = 64 << 10;

impl Fingerprint {
    pub(super) fn of(file: &mut File) -> io::Result<Self> {
        let meta = file.metadata()?;
        let written = meta.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut digest = Sha256::new();
        for start in [0, meta.len().saturating_sub(END)] {
            file.seek(SeekFrom::Start(start))?;
            let mut end = Vec::new();
            file.take(END).read_to_end(&mut end)?;
            digest.update(&end);
        }
        let mut ends = String::new();
        for byte in digest.finalize() {
            let _ = write!(ends, "{byte:02x}");
        }
        let modified = (written.as_secs(), written.subsec_nanos());
        Ok(Fingerprint { length: meta.len(), modified, ends })
    }
}

/// How far a migration is. Written only after the output up to there is safe.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Journal {
    /// The command; another one starts anew.
    pub(super) command: String,
    /// The input; a changed one starts anew.
    pub(super) input: Fingerprint,
    /// Bytes of the input that are done, up to the end of a record.
    pub(super) offset: u64,
    /// The number of the line in which that is, from 1.
    pub(super) line: u64,
    /// Whether the line break that follows belongs to a dropped record.
    pub(super) skip_break: bool,
    /// Bytes of the output.
    pub(super) output: u64,
    /// What happened so far.
    pub(super) tally: Tally,
    /// The whole output, once it is complete and about to take the place of the input.
    pub(super) finished: Option<Fingerprint>,
}

/// The files beside the one that is migrated.
pub(super) struct Beside {
    pub(super) output: PathBuf,
    journal: PathBuf,
    /// The next state of the journal, until it is complete.
    next: PathBuf,
}

impl Beside {
    pub(super) fn new(path: &Path) -> Self {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let beside = |suffix: &str| path.with_file_name(format!(".{name}.migrating{suffix}"));
        Beside { output: beside(""), journal: beside(".journal"), next: beside(".journal.next") }
    }

    /// The output so far, if there is any. A link is none of ours.
    pub(super) fn existing_output(&self) -> Option<File> {
        let meta = fs::symlink_metadata(&self.output).ok()?;
        if meta.is_file() { File::open(&self.output).ok() } else { None }
    }

    /// The output to write on, or a new one that only its owner may read; it gets the permissions of
    /// the input at the end.
    pub(super) fn open_output(&self, new: bool) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.write(true);
        if new {
            remove(&self.output)?;
            options.create_new(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        }
        options.open(&self.output)
    }

    /// The journal; none if there is none that can be read.
    pub(super) fn load(&self) -> Option<Journal> {
        serde_json::from_slice(&fs::read(&self.journal).ok()?).ok()
    }

    /// Replaces the journal at once. What a killed process leaves beside it is removed by `clear`.
    pub(super) fn save(&self, journal: &Journal) -> io::Result<()> {
        let text = serde_json::to_vec(journal)?;
        replace_file::replace_by(&self.journal, &self.next, |file| file.write_all(&text))
    }

    /// Removes everything, the journal last: without it, the rest means nothing.
    pub(super) fn clear(&self) -> io::Result<()> {
        [&self.output, &self.next, &self.journal].into_iter().try_for_each(|path| remove(path))
    }
}

/// Removes a file that need not be there.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
