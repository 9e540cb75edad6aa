//! Where the file of a project is.

#![allow(clippy::disallowed_methods, reason = "an adapter may look at its files")]

use super::FILE_NAME;
use crate::storage::StorageError;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// Where the file is below the top of a project.
pub const PROJECT_FOLDER: &str = ".claude/data";

/// The file of the project that a folder belongs to: the nearest `.claude/data/coord.sqlite` in the folder
/// or above it. If there is none, it is to be made at the top of the git repository, which is the nearest
/// folder with `.git`.
///
/// The search ends where another file system begins, and below `home`: what lies there belongs to no
/// project. In a linked worktree of git the file of the main worktree is used, so that all worktrees
/// share one.
///
/// ```no_run
/// use coordination_protocol::adapter::sqlite::locate;
///
/// let file = locate(&std::env::current_dir()?, std::env::home_dir().as_deref())?;
/// println!("{}", file.display());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`NoProject`](StorageError::NoProject) if there is neither; [`Unavailable`](StorageError::Unavailable)
/// if the folder cannot be read.
pub fn locate(start: &Path, home: Option<&Path>) -> Result<PathBuf, StorageError> {
    // Links are followed first: what is above a folder is above where it really is.
    let begin = fs::canonicalize(start).map_err(|error| {
        let detail = format!("cannot look in {}: {error}", start.display());
        StorageError::unavailable(detail).with_source(error)
    })?;
    let home = home.and_then(|home| fs::canonicalize(home).ok());
    let mut top = None;
    let mut next = Some(begin.clone());
    // A worktree leads elsewhere, and its target may be one as well, by mistake.
    let mut led = 0;
    while let Some(folder) = next {
        let git = folder.join(".git");
        if let Some(main) = main_worktree(&git)
            && led < 8
        {
            led += 1;
            next = Some(main);
            continue;
        }
        let file = folder.join(PROJECT_FOLDER).join(FILE_NAME);
        if file.is_file() {
            return Ok(file);
        }
        if top.is_none() && git.exists() {
            top = Some(file);
        }
        next = folder.parent().map(Path::to_owned).filter(|above| {
            home.as_ref() != Some(above)
                && home.as_ref() != Some(&folder)
                && same_file_system(&folder, above)
        });
    }
    top.ok_or_else(|| StorageError::NoProject { folder: begin.display().to_string() })
}

/// The main worktree, if this is the `.git` of a linked one: a file that names
/// `.../.git/worktrees/NAME`.
fn main_worktree(git: &Path) -> Option<PathBuf> {
    if !git.is_file() {
        return None;
    }
    // A file of a line; nothing longer is one of git's.
    let text = fs::read(git).ok().filter(|bytes| bytes.len() < 1 << 14)?;
    let text = String::from_utf8(text).ok()?;
    let named = Path::new(text.strip_prefix("gitdir:")?.trim());
    let mut parts = named.components().rev();
    let (_name, worktrees, git_folder) = (parts.next()?, parts.next()?, parts.next()?);
    if worktrees != Component::Normal("worktrees".as_ref())
        || git_folder != Component::Normal(".git".as_ref())
    {
        // A submodule, or a worktree of a repository that has no main one.
        return None;
    }
    // It may be relative to the worktree.
    let main = git.parent()?.join(named).join("../../..");
    // A repository that was moved away leaves the worktree on its own.
    fs::canonicalize(main).ok()
}

#[cfg(unix)]
fn same_file_system(folder: &Path, above: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let device = |path: &Path| fs::metadata(path).map(|meta| meta.dev()).ok();
    device(folder) == device(above)
}

#[cfg(not(unix))]
fn same_file_system(_folder: &Path, _above: &Path) -> bool {
    true
}
