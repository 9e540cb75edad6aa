//! A folder for one unit test.

use std::path::PathBuf;

/// It goes when the test ends, also by a panic.
pub(super) struct Folder(pub(super) PathBuf);

impl Folder {
    /// The process number keeps runs apart that are started at the same time.
    pub(super) fn new(test: &str) -> Self {
        Folder(std::env::temp_dir().join(format!("coord-{test}-{}", std::process::id())))
    }

    pub(super) fn file(&self) -> PathBuf {
        self.0.join("test.sqlite")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
