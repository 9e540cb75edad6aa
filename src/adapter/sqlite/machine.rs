//! The machine that processes share: its clock, and who of them is alive.

#![allow(clippy::disallowed_methods, reason = "an adapter may read the clock")]

use crate::scalar::{Instant, Now};
use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;
use std::time::SystemTime;

/// The clock that all processes of a machine see alike.
///
/// ```
/// use coordination_protocol::adapter::sqlite::MachineClock;
///
/// let clock = MachineClock::new();
/// let now = clock.now();
/// assert!(clock.now().at >= now.at);
/// ```
///
/// [`Now::at`] counts from a moment near the start of the machine, never goes back, is not set by anybody,
/// and stands still while the machine sleeps (`CLOCK_MONOTONIC`). It starts anew with the machine: what
/// outlives that is kept with the [`boot_id`](Self::boot_id) under which it was read. Containers with a
/// clock of their own (time namespaces) see another one. Where a system has no such clock (Windows), it
/// counts from the start of the process, and no other process can be compared with.
#[doc(alias = "monotonic clock")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MachineClock(());

impl MachineClock {
    /// The clock of this machine.
    pub const fn new() -> Self {
        MachineClock(())
    }

    /// What it shows, and the clock on the wall.
    pub fn now(self) -> Now {
        Now::new(self.at(), SystemTime::now())
    }

    /// What it shows.
    #[cfg(unix)]
    pub fn at(self) -> Instant {
        use rustix::time::{ClockId, clock_gettime};
        let time = clock_gettime(ClockId::Monotonic);
        // Neither is negative.
        let (seconds, nanos) = (time.tv_sec.cast_unsigned(), time.tv_nsec.cast_unsigned());
        Instant::from_nanos(seconds.saturating_mul(1_000_000_000).saturating_add(nanos))
    }

    /// What it shows.
    #[cfg(not(unix))]
    pub fn at(self) -> Instant {
        static START: OnceLock<std::time::Instant> = OnceLock::new();
        START.get_or_init(std::time::Instant::now).elapsed().into()
    }

    /// What names this run of the machine; another one after each start. Empty where the system does
    /// not tell (all but Linux).
    pub fn boot_id(self) -> &'static str {
        static BOOT: OnceLock<String> = OnceLock::new();
        BOOT.get_or_init(|| {
            let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
            id.map(|id| id.trim().to_owned()).unwrap_or_default()
        })
    }
}

/// What tells a process from all others of a machine, those before and behind it included: a number of a
/// process is given again.
///
/// ```
/// use coordination_protocol::adapter::sqlite::ProcessIdentity;
///
/// let me = ProcessIdentity::current();
/// let told: ProcessIdentity = me.to_string().parse().unwrap();
/// assert!(told == me && told.is_alive());
/// ```
#[doc(alias = "pid")]
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ProcessIdentity {
    /// Its number.
    pub pid: u32,
    /// When it was started, in ticks of the kernel since the machine was; 0 where the system does not
    /// tell (all but Linux).
    pub started: u64,
    /// The numbering that its number belongs to: a container may have its own. 0 where there is but one.
    pub namespace: u64,
    /// The run of the machine, as [`MachineClock::boot_id`] names it.
    pub boot_id: String,
}

impl ProcessIdentity {
    /// This process.
    pub fn current() -> Self {
        let pid = std::process::id();
        ProcessIdentity {
            pid,
            started: state_of(pid).map_or(0, |(_, started)| started),
            namespace: own_namespace(),
            boot_id: MachineClock::new().boot_id().to_owned(),
        }
    }

    /// A process of this machine by its number; `None` if the system tells that there is none.
    pub fn of(pid: u32) -> Option<Self> {
        let process = ProcessIdentity {
            pid,
            started: state_of(pid).map_or(0, |(_, started)| started),
            ..ProcessIdentity::current()
        };
        process.is_alive().then_some(process)
    }

    /// Whether it may still run: false only if it is certainly gone. A process that has ended and is not
    /// yet waited for by its parent is gone. Of a process in another container it is not known.
    pub fn is_alive(&self) -> bool {
        let boot_id = MachineClock::new().boot_id();
        self.is_alive_by(boot_id, own_namespace(), state_of, exists)
    }

    fn is_alive_by(
        &self,
        boot_id: &str,
        namespace: u64,
        state_of: impl Fn(u32) -> Option<(u8, u64)>,
        exists: impl Fn(u32) -> bool,
    ) -> bool {
        // The machine was started anew, and nothing that ran before does.
        if !boot_id.is_empty() && !self.boot_id.is_empty() && self.boot_id != boot_id {
            return false;
        }
        if self.namespace != namespace {
            return true;
        }
        match state_of(self.pid) {
            Some((b'Z' | b'X' | b'x', _)) => false,
            // Another process got its number.
            Some((_, started)) => self.started == 0 || self.started == started,
            // What the system does not show may be another user's.
            None => exists(self.pid),
        }
    }
}

impl fmt::Display for ProcessIdentity {
    /// `PID/STARTED/NAMESPACE/BOOT_ID`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ProcessIdentity { pid, started, namespace, boot_id } = self;
        write!(f, "{pid}/{started}/{namespace}/{boot_id}")
    }
}

/// A text that names no process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a process is named by PID/STARTED/NAMESPACE/BOOT_ID")]
#[non_exhaustive]
pub struct ProcessIdentityError;

impl FromStr for ProcessIdentity {
    type Err = ProcessIdentityError;

    fn from_str(text: &str) -> Result<Self, ProcessIdentityError> {
        let parts: Vec<&str> = text.splitn(4, '/').collect();
        let [pid, started, namespace, boot_id] = parts[..] else {
            return Err(ProcessIdentityError);
        };
        let number = |text: &str| text.parse().map_err(|_| ProcessIdentityError);
        let pid = pid.parse().map_err(|_| ProcessIdentityError)?;
        let (started, namespace) = (number(started)?, number(namespace)?);
        Ok(ProcessIdentity { pid, started, namespace, boot_id: boot_id.to_owned() })
    }
}

/// The state of a process and when it was started, where the system shows them.
fn state_of(pid: u32) -> Option<(u8, u64)> {
    read_state(&std::fs::read(format!("/proc/{pid}/stat")).ok()?)
}

fn read_state(stat: &[u8]) -> Option<(u8, u64)> {
    // The second field is the name of the program in brackets, which may have any byte in it, also
    // blanks and brackets: what follows starts behind the last one.
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    let mut fields = std::str::from_utf8(&stat[end + 1..]).ok()?.split_ascii_whitespace();
    let state = *fields.next()?.as_bytes().first()?;
    // Field 22 of the line, counted from 1; the state is field 3.
    let started = fields.nth(18)?.parse().ok()?;
    Some((state, started))
}

fn own_namespace() -> u64 {
    let link = std::fs::read_link("/proc/self/ns/pid").ok();
    let number = link.as_ref().and_then(|link| {
        let number = link.to_str()?.strip_prefix("pid:[")?.strip_suffix(']')?;
        number.parse().ok()
    });
    number.unwrap_or(0)
}

/// Whether there is a process with a number, whoever's it is.
#[cfg(unix)]
fn exists(pid: u32) -> bool {
    use rustix::process::{Pid, test_kill_process};
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return false };
    test_kill_process(pid) != Err(rustix::io::Errno::SRCH)
}

#[cfg(not(unix))]
fn exists(_pid: u32) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process() -> ProcessIdentity {
        ProcessIdentity { pid: 7, started: 100, namespace: 1, boot_id: "boot".to_owned() }
    }

    /// Whether it is alive, if its number has this state and start, and exists.
    fn alive(who: &ProcessIdentity, boot: &str, state: Option<(u8, u64)>, exists: bool) -> bool {
        who.is_alive_by(boot, 1, |_| state, |_| exists)
    }

    #[test]
    fn another_start_of_the_machine_means_that_it_is_gone() {
        assert!(alive(&process(), "boot", Some((b'S', 100)), true));
        assert!(!alive(&process(), "another boot", Some((b'S', 100)), true));
        // What is not known tells nothing.
        assert!(alive(&process(), "", Some((b'S', 100)), true));
        let unknown = ProcessIdentity { boot_id: String::new(), ..process() };
        assert!(alive(&unknown, "another boot", Some((b'S', 100)), true));
    }

    #[test]
    fn a_number_that_was_given_again_is_another_process() {
        assert!(!alive(&process(), "boot", Some((b'R', 101)), true));
        let unknown = ProcessIdentity { started: 0, ..process() };
        assert!(alive(&unknown, "boot", Some((b'R', 101)), true));
    }

    #[test]
    fn who_has_ended_or_is_not_there_is_gone() {
        assert!(!alive(&process(), "boot", Some((b'Z', 100)), true));
        assert!(alive(&process(), "boot", Some((b'T', 100)), true), "stopped, not ended");
        assert!(!alive(&process(), "boot", None, false));
        // Of another user, whose processes the system hides.
        assert!(alive(&process(), "boot", None, true));
    }

    #[test]
    fn of_another_container_nothing_is_known() {
        let elsewhere = ProcessIdentity { namespace: 2, ..process() };
        assert!(alive(&elsewhere, "boot", None, false));
        assert!(!alive(&elsewhere, "another boot", None, false));
    }

    #[test]
    fn a_program_may_have_any_name() {
        let line = |name: &str| {
            format!("7 ({name}) S 1 7 7 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 4242 9 9 9\n")
        };
        for name in ["sh", "a b", "x) R 1 2 3", "((", ")"] {
            assert_eq!(read_state(line(name).as_bytes()), Some((b'S', 4242)), "{name}");
        }
        for cut in ["", "7 (sh", "7 (sh) S 1 2"] {
            assert_eq!(read_state(cut.as_bytes()), None, "{cut}");
        }
    }
}
