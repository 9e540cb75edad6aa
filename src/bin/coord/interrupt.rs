//! What signals do to files that are being written.
//!
//! Without this module, an interrupted run would leave what it wrote beside a file, and a limit on the
//! size of files would end the program in the middle of a write.

use std::path::Path;

/// A file that is removed if the program is interrupted before this is dropped.
pub(crate) struct Unfinished {
    #[cfg(unix)]
    path: std::path::PathBuf,
}

#[cfg(unix)]
mod unix {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
    use signal_hook::iterator::Signals;
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::PathBuf;
    use std::sync::atomic::AtomicBool;
    use std::sync::{Arc, Mutex, Once, PoisonError};

    static FILES: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

    /// Works on the files that are being written.
    pub(super) fn with_files<T>(work: impl FnOnce(&mut BTreeSet<PathBuf>) -> T) -> T {
        work(&mut FILES.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits for signals that end the program. Where that cannot be had, files stay as they always did.
    pub(super) fn watch() {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            let Ok(mut signals) = Signals::new([SIGINT, SIGTERM, SIGHUP]) else { return };
            std::thread::spawn(move || {
                for signal in signals.forever() {
                    with_files(|files| {
                        for file in files.iter() {
                            let _ = fs::remove_file(file);
                        }
                        // It ends as it would have without us, and nothing is made meanwhile.
                        let _ = signal_hook::low_level::emulate_default_handler(signal);
                    });
                }
            });
        });
    }

    pub(super) fn outlive_limits() {
        // Whoever handles the signal gets an error from the write instead.
        let _ = signal_hook::flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)));
    }
}

/// Lets a write behind the size that files may have be an error, as on a full disk.
pub(crate) fn outlive_limits() {
    #[cfg(unix)]
    unix::outlive_limits();
}

impl Unfinished {
    /// Notes a file before it is made.
    pub(crate) fn new(path: &Path) -> Self {
        #[cfg(unix)]
        {
            unix::watch();
            // A relative path is below the folder that the program stays in.
            let path = path.to_owned();
            unix::with_files(|files| files.insert(path.clone()));
            Unfinished { path }
        }
        #[cfg(not(unix))]
        {
            let _ = path;
            Unfinished {}
        }
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        #[cfg(unix)]
        unix::with_files(|files| files.remove(&self.path));
    }
}
