//! Proof that nothing works any more with what a grant holds.
//!
//! The command of `coord run` and whatever it starts inherit a descriptor with a lock on a file that is named by the
//! grant. Once that lock can be taken, none of them is left. Who inherited it is found by that file, too.

use super::family::{Process, all, pid_of};
use coordination_protocol::coordination::resources::Grant;
use coordination_protocol::scalar::AllocationId;
use rustix::fs::{FlockOperation, flock};
use rustix::process::Signal;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// How long those that are found may take to end by themselves.
const TERM_WITHIN: Duration = Duration::from_secs(1);
/// How long they may take to be gone after they are killed.
const KILL_WITHIN: Duration = Duration::from_secs(2);
const LOOKS: Duration = Duration::from_millis(10);

/// Where the locks of the pool are that this run of the program decides about.
static FOLDER: OnceLock<PathBuf> = OnceLock::new();

/// Tells which pool of which bus this run of the program decides about.
pub(crate) fn decides_about(bus: &Path, pool: &str) {
    FOLDER.get_or_init(|| folder(bus, pool));
}

/// Whether nothing works any more with what a grant holds. It sees to that.
pub(crate) fn is_proved_over(grant: &Grant) -> bool {
    FOLDER.get().is_none_or(|folder| prove(&lock_file(folder, &grant.allocation_id)))
}

/// The folder of the locks of a pool.
pub(super) fn folder(bus: &Path, pool: &str) -> PathBuf {
    bus.parent().unwrap_or(Path::new(".")).join("leases").join(file_name(pool))
}

/// The lock of a grant.
pub(super) fn lock_file(folder: &Path, allocation: &AllocationId) -> PathBuf {
    folder.join(format!("{}.lock", file_name(allocation.as_str())))
}

/// A name of a file for any name: letters, digits, `-` and `_` stay, every other byte is spelled.
fn file_name(name: &str) -> String {
    name.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-_".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a text does not fail.
            let _ = write!(out, "%{byte:02x}");
        }
        out
    })
}

/// Takes the lock of a grant, on a descriptor that is closed by whoever ends last.
pub(super) fn take(file: &Path) -> io::Result<File> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let lock = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(file)?;
    flock(&lock, FlockOperation::LockExclusive)?;
    Ok(lock)
}

/// Takes the lock of a grant that is over, and ends those that have it.
pub(super) fn prove(file: &Path) -> bool {
    let lock = match File::open(file) {
        Ok(lock) => lock,
        // It never had a command, or was proved before.
        Err(error) => return error.kind() == io::ErrorKind::NotFound,
    };
    let is_free = || flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok();
    let mut proved = is_free();
    for (signal, within) in [(Signal::TERM, TERM_WITHIN), (Signal::KILL, KILL_WITHIN)] {
        let until = Instant::now() + within;
        let mut asked = false;
        while !proved && Instant::now() < until {
            // What is killed may have started others; who was asked to end is asked once.
            if !asked || signal == Signal::KILL {
                strike(&lock, signal);
                asked = true;
            }
            std::thread::sleep(LOOKS);
            proved = is_free();
        }
    }
    if proved {
        // Nobody opens it again: a command that starts late finds its lease to be over.
        let _ = std::fs::remove_file(file);
    }
    proved
}

/// Sends a signal to all that have a file open, but this process.
fn strike(lock: &File, signal: Signal) {
    let Ok(wanted) = lock.metadata() else { return };
    let me = std::process::id();
    for process in all().filter(|process| process.pid != me) {
        if has_open(&process, wanted.dev(), wanted.ino()) {
            process.strike(signal);
        }
    }
}

/// Whether a process has a file open. Of those of other users it is not known.
fn has_open(process: &Process, device: u64, inode: u64) -> bool {
    let Ok(entries) = std::fs::read_dir(format!("/proc/{}/fd", process.pid)) else { return false };
    entries.flatten().any(|entry| {
        pid_of(&entry.file_name()).is_some()
            && std::fs::metadata(entry.path())
                .is_ok_and(|meta| (meta.dev(), meta.ino()) == (device, inode))
    })
}

/// The URL of a bus by its file, as every process sees it.
pub(super) fn url(file: &Path) -> io::Result<std::ffi::OsString> {
    let mut url = std::ffi::OsString::from("sqlite:");
    url.push::<&OsStr>(std::path::absolute(file)?.as_ref());
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_a_file_of_its_own() {
        let names = ["default", "a/b", "a%2fb", "..", "", "ä"];
        let files: Vec<String> = names.iter().map(|name| file_name(name)).collect();
        assert_eq!(files, ["default", "a%2fb", "a%252fb", "%2e%2e", "", "%c3%a4"]);
    }

    #[test]
    fn while_somebody_has_the_lock_nothing_is_proved() {
        let folder = std::env::temp_dir().join(format!("coord-proof-{}", std::process::id()));
        let file = folder.join("a.lock");
        assert!(prove(&file), "there was no command");
        // This process does not end itself.
        let held = take(&file).unwrap();
        assert!(!prove(&file));
        drop(held);
        assert!(prove(&file));
        assert!(!file.exists());
        std::fs::remove_dir(folder).unwrap();
    }
}
