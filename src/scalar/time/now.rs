//! The time as an input: what the host's clocks show.

use super::Timestamp;
use crate::scalar::ScalarError;
use core::fmt;
use core::time::Duration;
use serde::{Deserialize, Serialize};
use std::time::{SystemTime, UNIX_EPOCH};

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

impl From<Duration> for Instant {
    /// The moment so long after the start; beyond the end of the clock it is the end.
    fn from(since_start: Duration) -> Self {
        Instant(u64::try_from(since_start.as_nanos()).unwrap_or(u64::MAX))
    }
}

impl From<Instant> for Duration {
    /// The time since the start.
    fn from(instant: Instant) -> Self {
        Duration::from_nanos(instant.0)
    }
}

/// A moment on the clock on the wall, in whole milliseconds since 1970-01-01T00:00:00Z.
///
/// Whatever asks for the time takes `impl Into<WallTime>`, so that a host passes what it has: a
/// [`SystemTime`], the [`Now`] that it gives to machines, or the milliseconds themselves. A
/// [`Timestamp`] is the same moment as messages spell it; it may hold a text that is none, so only
/// `TryFrom` reads it.
///
/// ```
/// use coordination_protocol::scalar::{Timestamp, WallTime};
/// use std::time::{Duration, UNIX_EPOCH};
///
/// let noon = WallTime::from(UNIX_EPOCH + Duration::from_secs(1_736_942_400));
/// assert_eq!(noon, WallTime::from(1_736_942_400_000));
/// assert_eq!(Timestamp::from(noon).as_str(), "2025-01-15T12:00:00Z");
/// assert_eq!(WallTime::try_from(&Timestamp::from(noon))?, noon);
/// assert_eq!(noon.to_system_time(), Some(UNIX_EPOCH + Duration::from_secs(1_736_942_400)));
/// assert_eq!(noon.after(Duration::from_secs(30)).since(noon), Duration::from_secs(30));
/// # Ok::<(), coordination_protocol::scalar::ScalarError>(())
/// ```
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct WallTime(i64);

impl WallTime {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = WallTime(0);

    /// A number of milliseconds since 1970-01-01T00:00:00Z.
    pub const fn from_unix_millis(millis: i64) -> Self {
        WallTime(millis)
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub const fn unix_millis(self) -> i64 {
        self.0
    }

    /// The moment after a duration, in whole milliseconds, rounded down; at most the last that can
    /// be counted.
    pub fn after(self, duration: Duration) -> Self {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        WallTime(self.0.saturating_add(millis))
    }

    /// The time since an earlier moment; zero if that is later.
    pub const fn since(self, earlier: Self) -> Duration {
        if self.0 > earlier.0 {
            Duration::from_millis(self.0.abs_diff(earlier.0))
        } else {
            Duration::ZERO
        }
    }

    /// The moment as the operating system counts it; `None` if that cannot count so far.
    pub fn to_system_time(self) -> Option<SystemTime> {
        let distance = Duration::from_millis(self.0.unsigned_abs());
        match self.0 {
            0.. => UNIX_EPOCH.checked_add(distance),
            _ => UNIX_EPOCH.checked_sub(distance),
        }
    }
}

impl fmt::Display for WallTime {
    /// As a [`Timestamp`] spells it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(Timestamp::from(*self).as_str())
    }
}

impl From<i64> for WallTime {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    fn from(unix_millis: i64) -> Self {
        WallTime(unix_millis)
    }
}

impl From<SystemTime> for WallTime {
    /// In whole milliseconds, rounded down.
    fn from(time: SystemTime) -> Self {
        WallTime(match time.duration_since(UNIX_EPOCH) {
            Ok(past) => i64::try_from(past.as_millis()).unwrap_or(i64::MAX),
            Err(before) => {
                let millis = before.duration().as_nanos().div_ceil(1_000_000);
                0_i64
                    .checked_sub_unsigned(u64::try_from(millis).unwrap_or(u64::MAX))
                    .unwrap_or(i64::MIN)
            }
        })
    }
}

impl From<Now> for WallTime {
    fn from(now: Now) -> Self {
        now.wall
    }
}

impl TryFrom<&Timestamp> for WallTime {
    type Error = ScalarError;

    /// # Errors
    /// The timestamp is a text that was kept unreadable.
    fn try_from(timestamp: &Timestamp) -> Result<Self, ScalarError> {
        match timestamp.unix_millis() {
            Some(millis) => Ok(WallTime(millis)),
            // Says where and why.
            None => Timestamp::new(timestamp).map(|_| WallTime::EPOCH),
        }
    }
}

impl From<WallTime> for Timestamp {
    fn from(moment: WallTime) -> Self {
        Timestamp::from_unix_millis(moment.0)
    }
}

impl From<SystemTime> for Timestamp {
    /// In UTC and whole milliseconds.
    fn from(time: SystemTime) -> Self {
        WallTime::from(time).into()
    }
}

impl From<Now> for Timestamp {
    fn from(now: Now) -> Self {
        now.wall.into()
    }
}

/// What both clocks of the host show: the one that measures, and the one on the wall.
///
/// ```
/// use coordination_protocol::scalar::{Instant, Now};
/// use std::time::{Duration, SystemTime};
///
/// let now = Now::new(Instant::from_millis(30_000), 1_736_942_400_000);
/// assert_eq!(now.timestamp().as_str(), "2025-01-15T12:00:00Z");
///
/// // What a host writes that runs on: the time since it began, and the clock on the wall.
/// let begun = std::time::Instant::now();
/// let now = Now::new(begun.elapsed(), SystemTime::now());
/// assert!(now.at < Instant::from(Duration::from_secs(60)));
///
/// // What a short process writes: the clock on the wall for both.
/// let now = Now::from(SystemTime::now());
/// assert_eq!(now.at.as_nanos() / 1_000_000, now.id_millis());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Now {
    /// What timers and deadlines go by.
    pub at: Instant,
    /// What is written into messages.
    pub wall: WallTime,
}

impl Now {
    /// A reading of both clocks.
    pub fn new(at: impl Into<Instant>, wall: impl Into<WallTime>) -> Self {
        Now { at: at.into(), wall: wall.into() }
    }

    /// A reading of both clocks, for constants.
    pub const fn of(at: Instant, wall: WallTime) -> Self {
        Now { at, wall }
    }

    /// The time on the wall, as messages spell it.
    pub fn timestamp(self) -> Timestamp {
        self.wall.into()
    }

    /// The time on the wall for identifiers; 0 before 1970.
    pub fn id_millis(self) -> u64 {
        u64::try_from(self.wall.0).unwrap_or(0)
    }
}

impl From<SystemTime> for Now {
    /// Both clocks by the one on the wall, for processes that are too short to see it set. Who keeps
    /// machines between runs never goes below the last [`at`](Now::at) that they saw.
    fn from(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Now::new(since, time)
    }
}
