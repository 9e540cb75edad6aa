//! Waking readers of other processes: a file beside the store that writers open after a commit, and
//! that readers watch.
//!
//! The file is empty and stays so. To open it is what readers are told of; that writes nothing to the
//! disk, which a commit would otherwise have to wait for. The files of `SQLite` itself are no hint:
//! they change before readers can see what was committed. A hint may be lost or come for nothing: readers
//! always look for themselves, and look now and then without a hint.

#![allow(clippy::disallowed_methods, reason = "an adapter may read the clock and start threads")]

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often a process gives a hint at most: what comes faster is read together.
const PAUSE: Duration = Duration::from_millis(1);

fn path_of(store: &Path) -> PathBuf {
    let mut path = store.as_os_str().to_owned();
    path.push("-hint");
    path.into()
}

/// The side of who writes.
pub(super) struct Hint {
    path: PathBuf,
    given: Cell<Option<Instant>>,
    /// Records were appended since.
    due: Cell<bool>,
}

impl Hint {
    pub(super) fn new(store: &Path) -> Self {
        Hint { path: path_of(store), given: Cell::new(None), due: Cell::new(false) }
    }

    /// Records were appended and committed.
    pub(super) fn appended(&self) {
        self.due.set(true);
        if self.pause().is_some_and(|pause| pause.is_zero()) {
            self.give();
        }
    }

    /// How long until a hint has to be given that came too soon behind the last one.
    pub(super) fn pause(&self) -> Option<Duration> {
        let since = || self.given.get().map_or(PAUSE, |given| given.elapsed());
        self.due.get().then(|| PAUSE.saturating_sub(since()))
    }

    pub(super) fn give(&self) {
        self.due.set(false);
        self.given.set(Some(Instant::now()));
        // It is not there as long as no process ever waited: then there is none to wake.
        let _ = std::fs::File::open(&self.path);
    }
}

#[cfg(target_os = "linux")]
pub(super) use watch::Watch;

#[cfg(target_os = "linux")]
mod watch {
    use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
    use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
    use rustix::io::{Errno, Result, write};
    use std::fs::OpenOptions;
    use std::mem::MaybeUninit;
    use std::os::fd::{AsFd, OwnedFd};
    use std::path::{Path, PathBuf};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread::{self, JoinHandle};

    /// The side of who waits: a thread that sleeps until a hint comes.
    pub(in super::super) struct Watch {
        stop: Arc<OwnedFd>,
        thread: Option<JoinHandle<()>>,
    }

    impl Watch {
        /// Calls back at each hint. While `hinted` is set, hints come; they may end, as when the
        /// machine's limit of watches is reached. None if there cannot be any.
        ///
        /// `wanted` says whether a task waits; while none does, the thread sleeps until it is
        /// [woken](Self::wake).
        pub(in super::super) fn start(
            store: &Path,
            hinted: Arc<AtomicBool>,
            wanted: impl Fn() -> bool + Send + 'static,
            hint: impl Fn() + Send + 'static,
        ) -> Option<Self> {
            let stop = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).ok()?);
            let (path, stopped) = (super::path_of(store), Arc::clone(&stop));
            let thread = thread::Builder::new().name("coord-sqlite-hint".to_owned());
            let thread = thread.spawn(move || {
                // Whatever ends it, readers look for themselves more often.
                let _ = watch(&path, &stopped, &hinted, &wanted, &hint);
                hinted.store(false, Ordering::Release);
            });
            Some(Watch { stop, thread: Some(thread.ok()?) })
        }

        /// Makes the thread look whether a task waits.
        pub(in super::super) fn wake(&self) {
            if let Some(thread) = &self.thread {
                thread.thread().unpark();
            }
        }
    }

    impl Drop for Watch {
        fn drop(&mut self) {
            let _ = write(&self.stop, &1_u64.to_ne_bytes());
            if let Some(thread) = self.thread.take() {
                thread.thread().unpark();
                // The last handle may live in what the thread calls.
                if thread.thread().id() != thread::current().id() {
                    let _ = thread.join();
                }
            }
        }
    }

    fn watch(
        path: &PathBuf,
        stop: &OwnedFd,
        hinted: &AtomicBool,
        wanted: &impl Fn() -> bool,
        hint: &impl Fn(),
    ) -> Result<()> {
        let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        loop {
            let made = OpenOptions::new().create(true).append(true).open(path);
            made.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
            // `ATTRIB` comes when the file is unlinked while a writer has it open.
            let events = WatchFlags::OPEN | WatchFlags::ATTRIB | WatchFlags::DELETE_SELF;
            inotify::add_watch(&inotify, path, events | WatchFlags::MOVE_SELF)?;
            hinted.store(true, Ordering::Release);
            // What was appended before the watch gave no hint.
            hint();
            while !stopped(stop)? {
                if !wanted() {
                    thread::park();
                    continue;
                }
                let mut ready =
                    [PollFd::new(&inotify, PollFlags::IN), PollFd::new(stop, PollFlags::IN)];
                match poll(&mut ready, None) {
                    Ok(_) | Err(Errno::INTR) => {}
                    Err(error) => return Err(error),
                }
                let (any, lost) = drain(&inotify)?;
                if any {
                    hint();
                }
                if lost {
                    break;
                }
            }
            if stopped(stop)? {
                return Ok(());
            }
        }
    }

    fn stopped(stop: &OwnedFd) -> Result<bool> {
        let mut ready = [PollFd::new(stop, PollFlags::IN)];
        poll(&mut ready, Some(&rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 })).map(|n| n > 0)
    }

    /// Whether events came, and whether the file went, so that another one has to be watched.
    fn drain(inotify: &OwnedFd) -> Result<(bool, bool)> {
        let mut buffer = [MaybeUninit::uninit(); 1024];
        let mut events = Reader::new(inotify.as_fd(), &mut buffer);
        let (mut any, mut lost) = (false, false);
        loop {
            match events.next() {
                Ok(event) => {
                    any = true;
                    lost |= !event.events().difference(ReadFlags::OPEN).is_empty();
                }
                Err(Errno::WOULDBLOCK) => return Ok((any, lost)),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// Where there are no hints, readers look for themselves.
#[cfg(not(target_os = "linux"))]
pub(super) enum Watch {}

#[cfg(not(target_os = "linux"))]
impl Watch {
    pub(super) fn start(
        _store: &Path,
        _hinted: std::sync::Arc<std::sync::atomic::AtomicBool>,
        _wanted: impl Fn() -> bool + Send + 'static,
        _hint: impl Fn() + Send + 'static,
    ) -> Option<Self> {
        None
    }

    pub(super) fn wake(&self) {
        match *self {}
    }
}
