//! Digests of files.

use crate::input;
use crate::output::{Failure, cannot_read, failure};
use coordination_protocol::scalar::Digest;
use sha2::Digest as _;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The regular files at and below some paths, and the digests of their contents. Links are not
/// followed, and the folder that holds the store is left out.
pub(super) fn digests(
    paths: &[PathBuf],
    root: &Path,
) -> Result<Option<BTreeMap<String, Digest>>, Failure> {
    if paths.is_empty() {
        return Ok(None);
    }
    let root = fs::canonicalize(root).ok();
    let mut found = BTreeMap::new();
    let mut folders = Vec::new();
    for path in paths {
        if input::is_stdin(path) {
            let why = "what is digested needs a name (`./-` is a file of that name)";
            return Err(failure(format_args!("--files -: {why}")));
        }
        visit(path, root.as_deref(), &mut folders, &mut found)?;
    }
    while let Some(folder) = folders.pop() {
        let cannot = |error: io::Error| cannot(&folder, &error);
        for entry in fs::read_dir(&folder).map_err(cannot)? {
            visit(&entry.map_err(cannot)?.path(), root.as_deref(), &mut folders, &mut found)?;
        }
    }
    Ok(Some(found))
}

fn cannot(path: &Path, error: &io::Error) -> Failure {
    cannot_read(path.display(), error)
}

fn visit(
    path: &Path,
    root: Option<&Path>,
    folders: &mut Vec<PathBuf>,
    found: &mut BTreeMap<String, Digest>,
) -> Result<(), Failure> {
    let cannot = |error: io::Error| cannot(path, &error);
    let kind = fs::symlink_metadata(path).map_err(cannot)?.file_type();
    if kind.is_dir() {
        if root.is_none() || fs::canonicalize(path).ok().as_deref() != root {
            folders.push(path.to_owned());
        }
    } else if kind.is_file() {
        let name = path.to_str().ok_or_else(|| {
            failure(format_args!("cannot list {}: its name is not UTF-8", path.display()))
        })?;
        found.insert(name.to_owned(), digest(path).map_err(cannot)?);
    }
    Ok(())
}

/// The digest of a file of any size.
fn digest(path: &Path) -> io::Result<Digest> {
    let mut file = File::open(path)?;
    let mut state = sha2::Sha256::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        state.update(&buffer[..count]);
    }
    let mut text = "sha256:".to_owned();
    for byte in state.finalize() {
        let _ = write!(text, "{byte:02x}");
    }
    Digest::new(text).map_err(io::Error::other)
}
