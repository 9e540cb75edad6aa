//! What the clock shows.

use coordination_protocol::scalar::{Instant, Now};
use std::time::{SystemTime, UNIX_EPOCH};

/// Both times by the wall: processes are short, so nothing is measured with it for long.
pub(crate) fn now() -> Now {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let nanos = u64::try_from(since.as_nanos()).unwrap_or(u64::MAX);
    Now::new(Instant::from_nanos(nanos), i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
