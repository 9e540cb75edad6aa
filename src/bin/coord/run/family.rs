//! Processes by their number and start, and those that descend from one.

use coordination_protocol::adapter::sqlite::ProcessIdentity;
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions, pidfd_open, pidfd_send_signal, wait};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::time::{Duration, Instant};

/// How long those that were killed may take to be gone.
const KILL_WITHIN: Duration = Duration::from_secs(5);
const LOOKS: Duration = Duration::from_millis(10);

/// A process as it was found.
pub(super) struct Process {
    pub(super) pid: u32,
    parent: u32,
    who: Option<ProcessIdentity>,
}

impl Process {
    /// Sends it a signal, if it is still the same.
    pub(super) fn strike(&self, signal: Signal) {
        let Some(pid) = pid(self.pid) else { return };
        // The descriptor stays with the process that has the number now; if that is the one that was found, the
        // signal goes to it and to no other.
        let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else { return };
        if self.who.as_ref().is_some_and(ProcessIdentity::is_alive) {
            let _ = pidfd_send_signal(handle, signal);
        }
    }
}

pub(super) fn pid(number: u32) -> Option<Pid> {
    i32::try_from(number).ok().and_then(Pid::from_raw)
}

/// The number that a name in `/proc` is.
pub(super) fn pid_of(name: &OsStr) -> Option<u32> {
    name.to_str()?.parse().ok()
}

/// All processes that the system shows.
pub(super) fn all() -> impl Iterator<Item = Process> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| {
        let pid = pid_of(&entry.file_name())?;
        let who = ProcessIdentity::of(pid);
        let stat = std::fs::read(entry.path().join("stat")).ok()?;
        Some(Process { pid, parent: parent(&stat)?, who })
    })
}

/// The parent of a process by its line: the second field behind the name, which stands in brackets and may have any
/// byte in it.
fn parent(stat: &[u8]) -> Option<u32> {
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    std::str::from_utf8(&stat[end + 1..]).ok()?.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// Those that descend from this process.
fn descendants() -> Vec<Process> {
    let mut rest: Vec<Process> = all().collect();
    let mut above = BTreeSet::from([std::process::id()]);
    let mut found = Vec::new();
    loop {
        let (below, others): (Vec<_>, Vec<_>) =
            rest.into_iter().partition(|process| above.contains(&process.parent));
        if below.is_empty() {
            return found;
        }
        above = below.iter().map(|process| process.pid).collect();
        found.extend(below);
        rest = others;
    }
}

/// Ends all that descend from this process, which is the reaper of them all: first with the request to end, then by
/// force. Whether none is left.
pub(super) fn end_all(grace: Duration) -> bool {
    let strike = |signals: &[Signal]| {
        for process in descendants() {
            for signal in signals {
                process.strike(*signal);
            }
        }
    };
    let begun = Instant::now();
    let mut asked = false;
    loop {
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some(_)) => {}
                // Whoever loses its parent becomes a child of this process, so none is left.
                Err(rustix::io::Errno::CHILD) => return true,
                Ok(None) | Err(_) => break,
            }
        }
        match begun.elapsed() {
            after if after >= grace + KILL_WITHIN => return false,
            after if after >= grace => strike(&[Signal::KILL]),
            // Who is stopped could not end.
            _ if !asked => strike(&[Signal::TERM, Signal::CONT]),
            _ => {}
        }
        asked = true;
        std::thread::sleep(LOOKS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parent_stands_behind_the_name_whatever_that_is() {
        assert_eq!(parent(b"7 (a) S 9) S 3 7 7 0"), Some(3));
        assert_eq!(parent(b"7 (sh"), None);
        let me = all().find(|process| process.pid == std::process::id()).unwrap();
        assert_eq!(
            me.parent,
            rustix::process::getppid().unwrap().as_raw_nonzero().get().cast_unsigned()
        );
    }
}
