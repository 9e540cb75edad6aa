//! The time as an input: what the host's clocks show.

use super::Timestamp;
use core::fmt;
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// A moment on a clock that never goes back, in nanoseconds since a start that the host chooses.
///
/// It measures and orders; it is no date. Snapshots hold such moments, so they can be continued
/// only with a clock that has the same start. A host whose processes are short takes the
/// nanoseconds since 1970 and never goes below the last value it used.
///
/// ```
/// use coordination_protocol::scalar::Instant;
/// use std::time::Duration;
///
/// let start = Instant::from_millis(1_500);
/// let later = start.after(Duration::from_secs(30)).unwrap();
/// assert_eq!(later.since(start), Duration::from_secs(30));
/// assert_eq!(start.since(later), Duration::ZERO);
/// assert_eq!(later.to_string(), "31.5s");
/// ```
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Instant(u64);

impl Instant {
    /// The start of the clock.
    pub const START: Self = Instant(0);

    /// A number of nanoseconds after the start.
    pub const fn from_nanos(nanos: u64) -> Self {
        Instant(nanos)
    }

    /// A number of milliseconds after the start, at most 2^64 - 1 nanoseconds (584 years).
    pub const fn from_millis(millis: u64) -> Self {
        Instant(millis.saturating_mul(1_000_000))
    }

    /// Nanoseconds since the start.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The moment after a duration; `None`, which means never, beyond the end of the clock.
    pub fn after(self, duration: Duration) -> Option<Self> {
        let nanos = u64::try_from(duration.as_nanos()).ok()?;
        self.0.checked_add(nanos).map(Instant)
    }

    /// The time since an earlier moment; zero if that is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for Instant {
    /// The time since the start, as a [`Span`](super::Span) spells it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(super::Span::from(Duration::from_nanos(self.0)).as_str())
    }
}

/// What both clocks of the host show: the one that measures, and the one on the wall.
///
/// ```
/// use coordination_protocol::scalar::{Instant, Now};
///
/// let now = Now::new(Instant::from_millis(30_000), 1_736_942_400_000);
/// assert_eq!(now.timestamp().as_str(), "2025-01-15T12:00:00Z");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Now {
    /// What timers and deadlines go by.
    pub at: Instant,
    /// What is written into messages: milliseconds since 1970-01-01T00:00:00Z.
    pub wall: i64,
}

impl Now {
    /// A reading of both clocks.
    pub const fn new(at: Instant, wall: i64) -> Self {
        Now { at, wall }
    }

    /// The time on the wall, as messages spell it.
    pub fn timestamp(self) -> Timestamp {
        Timestamp::from_unix_millis(self.wall)
    }

    /// The time on the wall for identifiers; 0 before 1970.
    pub fn id_millis(self) -> u64 {
        u64::try_from(self.wall).unwrap_or(0)
    }
}
