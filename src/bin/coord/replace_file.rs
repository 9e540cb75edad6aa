//! Replacing a file at once: whoever opens it, after a crash too, finds the old content or the new
//! one, whole.
//!
//! A write in place would leave a torn file if the process is killed or the power fails half-way.
//! So the new content is written beside the file and takes its place by a rename. Each step is there
//! for a reason:
//!
//! 1. **Beside it**, in the same folder: a rename is only one step within one file system.
//! 2. **Sync the file** before the rename: otherwise the name can reach the disk before the content,
//!    and a power failure leaves an empty file under the old name.
//! 3. **Rename**: the one moment at which the old content becomes the new one.
//! 4. **Sync the folder**: the rename is a change of the folder, and is not on the disk before that.
//!    Whoever removes a journal or a backup right after must know that it is.
//!
//! What fails before the rename leaves the file as it was, and nothing beside it; so does an
//! interruption.

use crate::interrupt::Unfinished;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// Replaces a file, or makes it, with what `write` writes. It keeps the permissions of the old one. A
/// link is replaced, not what it leads to. What is no regular file, such as a terminal or a pipe, is
/// written to.
pub(crate) fn replace(
    path: &Path,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(meta) if meta.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        Ok(meta) if !meta.is_file() => write(&mut OpenOptions::new().write(true).open(path)?),
        Ok(meta) => replace_by(path, &beside(path), |file| {
            file.set_permissions(meta.permissions())?;
            write(file)
        }),
        Err(_) => replace_by(path, &beside(path), write),
    }
}

/// Who may read a new file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Readers {
    /// Whoever the system lets.
    Usual,
    /// Its owner only, from the moment it is made.
    Owner,
}

/// Makes a file that must not be there. It is there as a whole or not at all, and one that is there is
/// never overwritten, not even by two that make it at the same time.
pub(crate) fn create(
    path: &Path,
    readers: Readers,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> io::Result<()> {
    if fs::symlink_metadata(path).is_ok() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    let beside = beside(path);
    let _unfinished = Unfinished::new(&beside);
    let made = written(&beside, readers, write).and_then(|()| place(&beside, path));
    // Behind a link, this is the other name of the file.
    let _ = fs::remove_file(&beside);
    made?;
    sync_folder(path)
}

/// Gives a complete file its name, unless something has it.
fn place(beside: &Path, path: &Path) -> io::Result<()> {
    // A link, unlike a rename, replaces nothing.
    match fs::hard_link(beside, path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            // Some file systems have no links.
            if fs::symlink_metadata(path).is_ok() {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            fs::rename(beside, path)
        }
        linked => linked,
    }
}

/// The same as [`replace`] with a name of the caller's for the file beside it, so that what a killed
/// process left there can be found.
pub(crate) fn replace_by(
    path: &Path,
    beside: &Path,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> io::Result<()> {
    let _unfinished = Unfinished::new(beside);
    let written = written(beside, Readers::Usual, write);
    let replaced = written.and_then(|()| fs::rename(beside, path));
    if replaced.is_err() {
        // Best effort: the error that matters is the first one.
        let _ = fs::remove_file(beside);
    }
    replaced?;
    sync_folder(path)
}

/// Writes a new file and brings it to the disk. What a killed process left under its name goes first,
/// and is not written into: it could be a link.
fn written(
    path: &Path,
    readers: Readers,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if readers == Readers::Owner {
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    }
    let mut file = options.open(path)?;
    write(&mut file)?;
    file.sync_all()
}

/// Puts a file that is complete and synced in the place of another.
pub(crate) fn put_in_place(complete: &Path, path: &Path) -> io::Result<()> {
    fs::rename(complete, path)?;
    sync_folder(path)
}

/// A name of its own for each process, so that two that replace the same file do not write into one.
fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(path.file_name().unwrap_or_default());
    name.push(format!(".{}.new", std::process::id()));
    path.with_file_name(name)
}

/// Brings the names in the folder of a file to the disk.
#[cfg(unix)]
fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) if folder.as_os_str().is_empty() => File::open(".")?.sync_all(),
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

/// Other systems let no folder be opened; there a rename is written through.
#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Readers, beside, create, put_in_place, replace};
    use std::fs;
    use std::io::{self, Write};
    use std::path::PathBuf;

    /// A folder of its own, which goes when the test is done.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("coord-{}-{name}", std::process::id()));
            fs::create_dir_all(&folder).unwrap();
            Folder(folder)
        }

        fn names(&self) -> Vec<String> {
            let entries = fs::read_dir(&self.0).unwrap();
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_file_is_made_and_replaced_as_a_whole() {
        let folder = Folder::new("whole");
        let path = folder.0.join("state.json");
        for content in ["a longer text", "short", ""] {
            replace(&path, |file| file.write_all(content.as_bytes())).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
            assert_eq!(folder.names(), ["state.json"]);
        }
        let complete = folder.0.join("complete");
        fs::write(&complete, "new").unwrap();
        put_in_place(&complete, &path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(folder.names(), ["state.json"]);
    }

    #[test]
    fn a_write_that_fails_half_way_keeps_the_old_content() {
        let folder = Folder::new("fails");
        let path = folder.0.join("state.json");
        fs::write(&path, "old").unwrap();
        let failed = replace(&path, |file| {
            file.write_all(b"half of the n")?;
            Err(io::Error::other("the disk is full"))
        });
        assert_eq!(failed.unwrap_err().to_string(), "the disk is full");
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(folder.names(), ["state.json"]);
    }

    #[test]
    fn a_process_that_dies_half_way_keeps_the_old_content_and_stops_no_other() {
        let folder = Folder::new("dies");
        let path = folder.0.join("state.json");
        fs::write(&path, "old").unwrap();
        // What a killed process leaves: some of the new content, under the name beside.
        fs::write(beside(&path), "half of the n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        replace(&path, |file| file.write_all(b"new")).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(folder.names(), ["state.json"]);
    }

    #[test]
    fn a_new_file_is_whole_or_not_there_and_replaces_nothing() {
        let folder = Folder::new("create");
        let path = folder.0.join("seed");
        let failed = create(&path, Readers::Owner, |file| {
            file.write_all(b"half")?;
            Err(io::Error::other("the disk is full"))
        });
        assert_eq!(failed.unwrap_err().to_string(), "the disk is full");
        assert_eq!(folder.names(), Vec::<String>::new());
        create(&path, Readers::Owner, |file| file.write_all(b"secret")).unwrap();
        assert_eq!(folder.names(), ["seed"]);
        let again = create(&path, Readers::Usual, |file| file.write_all(b"other"));
        assert_eq!(again.unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&path).unwrap(), "secret");
        #[cfg(unix)]
        {
            use std::os::unix::fs::{PermissionsExt as _, symlink};
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            // Replaced, it is as secret as before.
            replace(&path, |file| file.write_all(b"new")).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            // A link that leads nowhere is something that is there.
            symlink("nowhere", folder.0.join("link")).unwrap();
            assert!(create(&folder.0.join("link"), Readers::Usual, |_| Ok(())).is_err());
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_device_is_written_to_and_stays() {
        replace("/dev/null".as_ref(), |file| file.write_all(b"gone")).unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
    }

    #[test]
    fn what_cannot_be_replaced_is_an_error_and_leaves_nothing_beside_it() {
        let folder = Folder::new("folder");
        let path = folder.0.join("occupied");
        fs::create_dir_all(path.join("by a folder")).unwrap();
        assert!(replace(&path, |file| file.write_all(b"new")).is_err());
        assert_eq!(folder.names(), ["occupied"]);
    }
}
