//! Which file was opened. One that was removed or replaced still takes what is written, and keeps nothing of
//! it: whoever has it open must learn of that.

use crate::storage::StorageError;
use std::fs::Metadata;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

pub(super) struct Identity {
    path: PathBuf,
    /// What tells the file from others; none where that cannot be known.
    file: Option<(u64, u64)>,
}

impl Identity {
    /// That of a file that is open now.
    pub(super) fn of(path: &Path) -> Self {
        Identity { path: path.to_owned(), file: std::fs::metadata(path).ok().map(|file| id(&file)) }
    }

    /// Whether the name still means that file.
    pub(super) fn check(&self) -> Result<(), StorageError> {
        let Some(file) = self.file else { return Ok(()) };
        match std::fs::metadata(&self.path) {
            Ok(found) if id(&found) != file => Err(self.lost("replaced")),
            Err(error) if error.kind() == ErrorKind::NotFound => Err(self.lost("removed")),
            // A folder that cannot be searched any more says nothing of the file.
            Ok(_) | Err(_) => Ok(()),
        }
    }

    fn lost(&self, what: &str) -> StorageError {
        let detail = format!("the file {} was {what} while it was open", self.path.display());
        StorageError::Unsupported { detail, source: None }
    }
}

#[cfg(unix)]
fn id(file: &Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt as _;
    (file.dev(), file.ino())
}

/// Where files have no numbers, only that there is one is known.
#[cfg(not(unix))]
fn id(_: &Metadata) -> (u64, u64) {
    (0, 0)
}
