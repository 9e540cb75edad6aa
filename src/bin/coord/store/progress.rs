//! Signs of life of what takes long, on standard error and only where it is a terminal: a log or another
//! program has no use for them.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{self, IsTerminal as _};
use std::path::Path;
use std::time::Duration;

/// From this size on a store takes long enough to be worth a sign of life.
const LONG_BYTES: u64 = 32 << 20;
const LONG_ITEMS: u64 = 50_000;

/// A sign of life where nothing can be counted.
pub(super) fn spinner(path: &Path, what: &'static str) -> ProgressBar {
    let long = std::fs::metadata(path).is_ok_and(|meta| meta.len() >= LONG_BYTES);
    if !long || !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let spinner = ProgressBar::new_spinner().with_message(what);
    spinner.enable_steady_tick(Duration::from_millis(120));
    spinner
}

/// A bar over this number of items.
pub(super) fn bar(items: u64) -> ProgressBar {
    if items < LONG_ITEMS || !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} {per_sec} {eta}");
    ProgressBar::with_draw_target(Some(items), ProgressDrawTarget::stderr())
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
