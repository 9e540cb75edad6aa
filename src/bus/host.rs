//! Time, entropy and identity of the process that uses a bus.

#![allow(clippy::disallowed_methods, reason = "this is where the clock is read")]

#[cfg(feature = "sqlite")]
use crate::adapter::sqlite::{MachineClock, ProcessIdentity};
use crate::machine::SplitMix64;
use crate::scalar::{Instant, Now, WallTime};
use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

/// A sleep, behind a pointer.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Time, entropy and identity of the process that uses a bus. Everything that waits in this crate waits by
/// it, so that a component under test runs in virtual time.
///
/// All processes that share a bus must see the same clock: their deadlines are compared.
pub trait Host: Send + Sync + fmt::Debug {
    /// The time.
    fn now(&self) -> Now;

    /// Ends when the clock reads `at` or later.
    fn sleep_until(&self, at: Instant) -> Sleep;

    /// Random bytes, for identifiers and seeds.
    fn random(&self) -> [u8; 16];

    /// What names this process, so that others can tell whether it is still there. Empty if nothing
    /// does.
    fn process(&self) -> String {
        String::new()
    }

    /// Whether a process that another host named is certainly gone.
    fn is_gone(&self, process: &str) -> bool {
        let _ = process;
        false
    }
}

/// The clock of this process, and the entropy of its operating system. For buses that no other process
/// shares.
#[derive(Clone, Debug)]
pub struct SystemHost {
    start: std::time::Instant,
}

impl Default for SystemHost {
    fn default() -> Self {
        SystemHost::new()
    }
}

impl SystemHost {
    /// A clock that starts now.
    pub fn new() -> Self {
        SystemHost { start: std::time::Instant::now() }
    }

    fn at(&self) -> Instant {
        let nanos = u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        Instant::from_nanos(nanos)
    }
}

/// The wall clock in milliseconds since 1970; 0 before.
pub(super) fn wall_millis() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Entropy of the operating system.
pub(super) fn entropy() -> [u8; 16] {
    let mut bytes = [0; 16];
    if getrandom::fill(&mut bytes).is_err() {
        // Identifiers must differ, they need not be secret. A process and a moment tell them apart
        // where the system gives nothing.
        static CALLS: AtomicU64 = AtomicU64::new(0);
        let call = CALLS.fetch_add(1, Ordering::Relaxed);
        let moment = wall_millis().cast_unsigned().wrapping_shl(20) ^ call;
        let mut mixed = SplitMix64::new(moment ^ u64::from(std::process::id()).wrapping_shl(44));
        for half in bytes.chunks_mut(8) {
            half.copy_from_slice(&mixed.next_u64().to_le_bytes());
        }
    }
    bytes
}

/// Sleeps by the runtime's timer.
pub(super) fn runtime_sleep(wait: Duration) -> Sleep {
    Box::pin(tokio::time::sleep(wait))
}

impl Host for SystemHost {
    fn now(&self) -> Now {
        Now::new(self.at(), wall_millis())
    }

    fn sleep_until(&self, at: Instant) -> Sleep {
        runtime_sleep(at.since(self.at()))
    }

    fn random(&self) -> [u8; 16] {
        entropy()
    }
}

/// The clock that all processes of a machine share, the entropy of its operating system, and this process.
/// For buses in a file.
#[cfg(feature = "sqlite")]
#[cfg_attr(docsrs, doc(cfg(feature = "sqlite")))]
#[derive(Clone, Copy, Debug, Default)]
pub struct MachineHost {
    clock: MachineClock,
}

#[cfg(feature = "sqlite")]
impl MachineHost {
    /// This process on this machine.
    pub fn new() -> Self {
        MachineHost { clock: MachineClock::new() }
    }
}

#[cfg(feature = "sqlite")]
impl Host for MachineHost {
    fn now(&self) -> Now {
        self.clock.now()
    }

    fn sleep_until(&self, at: Instant) -> Sleep {
        runtime_sleep(at.since(self.clock.at()))
    }

    fn random(&self) -> [u8; 16] {
        entropy()
    }

    fn process(&self) -> String {
        ProcessIdentity::current().to_string()
    }

    fn is_gone(&self, process: &str) -> bool {
        // A name that another program wrote says nothing; its lease tells.
        process.parse::<ProcessIdentity>().is_ok_and(|process| !process.is_alive())
    }
}

/// Virtual time: it stands still until [`advance`](Self::advance) or [`run`](Self::run) moves it. A
/// clone is another handle on the same clock.
///
/// ```
/// use coordination_protocol::bus::{Host, VirtualHost};
/// use coordination_protocol::scalar::Instant;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let host = VirtualHost::new(7);
/// // An hour passes at once, because nothing else is to be done.
/// host.run(host.sleep_until(Instant::from_millis(3_600_000))).await;
/// assert_eq!(host.now().at, Instant::from_millis(3_600_000));
/// # });
/// ```
#[doc(alias = "mock clock")]
#[doc(alias = "test clock")]
#[derive(Clone, Debug)]
pub struct VirtualHost {
    inner: Arc<Mutex<Virtual>>,
}

#[derive(Debug)]
struct Virtual {
    at: Instant,
    wall: WallTime,
    rng: SplitMix64,
    tickets: u64,
    sleepers: BTreeMap<(Instant, u64), Waker>,
    /// Grows whenever somebody uses the clock.
    uses: u64,
}

impl VirtualHost {
    /// A clock at its start, in the middle of January 2025, with entropy from a seed.
    pub fn new(seed: u64) -> Self {
        let wall = WallTime::from_unix_millis(1_736_942_400_000);
        let (at, rng) = (Instant::START, SplitMix64::new(seed));
        let sleepers = BTreeMap::new();
        let inner = Virtual { at, wall, rng, tickets: 0, sleepers, uses: 0 };
        VirtualHost { inner: Arc::new(Mutex::new(inner)) }
    }

    fn lock(&self) -> MutexGuard<'_, Virtual> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets time pass, and wakes who sleeps until then or earlier.
    pub fn advance(&self, by: Duration) {
        let to = self.lock().at.after(by);
        self.advance_to(to.unwrap_or(Instant::from_nanos(u64::MAX)));
    }

    /// Sets the wall clock forward or back. The other clock goes on.
    pub fn set_wall(&self, wall: impl Into<WallTime>) {
        self.lock().wall = wall.into();
    }

    fn advance_to(&self, to: Instant) {
        let mut inner = self.lock();
        let by = to.since(inner.at);
        inner.at = inner.at.max(to);
        inner.wall = inner.wall.after(by);
        let until = (inner.at, u64::MAX);
        let later = inner.sleepers.split_off(&until);
        let woken = std::mem::replace(&mut inner.sleepers, later);
        drop(inner);
        woken.into_values().for_each(Waker::wake);
    }

    /// Runs a future, and lets time jump to the next sleeper's end whenever nothing is left to do now.
    ///
    /// It needs a runtime of one thread, on which everything runs that uses this clock. Nothing is
    /// left to do when neither this future nor any other task used the clock during 64 turns.
    pub async fn run<F: Future>(&self, future: F) -> F::Output {
        const TURNS: u32 = 64;
        let mut future = std::pin::pin!(future);
        let (mut uses, mut quiet) = (0, 0);
        loop {
            // Polled by hand: between two turns every other task has its own.
            let once = std::future::poll_fn(|context| {
                Poll::Ready(match future.as_mut().poll(context) {
                    Poll::Ready(output) => Some(output),
                    Poll::Pending => None,
                })
            });
            if let Some(output) = once.await {
                return output;
            }
            tokio::task::yield_now().await;
            let (now_used, next) = {
                let inner = self.lock();
                (inner.uses, inner.sleepers.keys().next().map(|(at, _)| *at))
            };
            if now_used == uses {
                quiet += 1;
            } else {
                (uses, quiet) = (now_used, 0);
            }
            if quiet >= TURNS
                && let Some(next) = next
            {
                quiet = 0;
                self.advance_to(next);
            }
        }
    }
}

impl Host for VirtualHost {
    fn now(&self) -> Now {
        let mut inner = self.lock();
        inner.uses += 1;
        Now::of(inner.at, inner.wall)
    }

    fn sleep_until(&self, at: Instant) -> Sleep {
        let mut inner = self.lock();
        inner.tickets += 1;
        inner.uses += 1;
        let ticket = inner.tickets;
        Box::pin(VirtualSleep { host: self.clone(), at, ticket })
    }

    fn random(&self) -> [u8; 16] {
        let mut inner = self.lock();
        let mut bytes = [0; 16];
        for half in bytes.chunks_mut(8) {
            half.copy_from_slice(&inner.rng.next_u64().to_le_bytes());
        }
        bytes
    }
}

struct VirtualSleep {
    host: VirtualHost,
    at: Instant,
    ticket: u64,
}

impl Future for VirtualSleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut inner = self.host.lock();
        let key = (self.at, self.ticket);
        if inner.at >= self.at {
            inner.sleepers.remove(&key);
            inner.uses += 1;
            return Poll::Ready(());
        }
        inner.sleepers.insert(key, context.waker().clone());
        Poll::Pending
    }
}

impl Drop for VirtualSleep {
    fn drop(&mut self) {
        self.host.lock().sleepers.remove(&(self.at, self.ticket));
    }
}
