//! Freshness and replay: whether a message is recent, and whether it was seen before.
//!
//! A signature stays good for ever, so whoever records a signed message can send it again. Two
//! checks together end that. [`Freshness`] refuses a message whose timestamp is not close to the
//! reader's clock, and [`ReplayCache`](super::replay::ReplayCache) remembers the identifiers of those that are.
//!
//! ```
//! use coordination_protocol::scalar::{ComponentId, WallTime};
//! use coordination_protocol::security::freshness::Freshness;
//! use coordination_protocol::security::replay::{ReplayError, ReplayCache};
//! use std::time::Duration;
//!
//! let freshness = Freshness::default();
//! let mut cache = ReplayCache::new(&freshness);
//! let hub = ComponentId::new("coordination-hub")?;
//! let sent = WallTime::from(1_736_942_400_000);
//! let now = sent.after(Duration::from_millis(1_500));
//!
//! freshness.check(Some(sent), Some(Duration::from_secs(60)), now)?;
//! cache.admit(&hub, "msg_1", sent, now)?;
//! assert_eq!(cache.admit(&hub, "msg_1", sent, now.after(Duration::from_secs(5))), Err(ReplayError::Replayed));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! All moments are milliseconds since 1970-01-01T00:00:00Z, as
//! [`Timestamp::unix_millis`](crate::scalar::Timestamp::unix_millis) gives them. The clock is the
//! caller's.

use crate::scalar::WallTime;
use std::time::Duration;

/// How far a message's timestamp may be from the reader's clock.
///
/// ```
/// use coordination_protocol::scalar::WallTime;
/// use coordination_protocol::security::freshness::{Freshness, FreshnessError};
/// use std::time::Duration;
///
/// let freshness = Freshness::default().with_behind(Duration::from_secs(60));
/// assert_eq!(freshness.check(Some(WallTime::EPOCH), None, 60_000), Ok(()));
/// assert_eq!(freshness.check(Some(WallTime::EPOCH), None, 60_001), Err(FreshnessError::Stale { millis: 1 }));
/// ```
#[doc(alias = "ttl")]
#[doc(alias = "clock skew")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Freshness {
    /// How far ahead of the clock it may be, since clocks differ. Default 30 s.
    pub ahead: Duration,
    /// How far behind it may be: the difference of the clocks and the time on the way. Default
    /// 5 min.
    pub behind: Duration,
}

impl Default for Freshness {
    fn default() -> Self {
        Freshness { ahead: Duration::from_secs(30), behind: Duration::from_secs(300) }
    }
}

impl Freshness {
    /// Sets how far ahead a timestamp may be.
    pub const fn with_ahead(mut self, ahead: Duration) -> Self {
        self.ahead = ahead;
        self
    }

    /// Sets how far behind a timestamp may be.
    pub const fn with_behind(mut self, behind: Duration) -> Self {
        self.behind = behind;
        self
    }

    /// Judges a message by its `timestamp`, its time to live and the reader's clock.
    ///
    /// Both bounds belong to the window. A message lives up to and including `ttl` after its
    /// timestamp, in whole milliseconds, rounded up; a longer life than [`behind`](Self::behind) does not widen the window.
    ///
    /// # Errors
    /// [`FreshnessError`]. What the sender says himself, that the message has expired, goes before what
    /// the reader finds, that it is stale.
    pub fn check(
        &self,
        timestamp: Option<WallTime>,
        ttl: Option<Duration>,
        now: impl Into<WallTime>,
    ) -> Result<(), FreshnessError> {
        // In 128 bits nothing overflows, whatever a sender writes.
        let timestamp = i128::from(timestamp.ok_or(FreshnessError::NoTimestamp)?.unix_millis());
        let beyond = |past: i128| u64::try_from(past).ok().filter(|past| *past > 0);
        // How far the clock is past the timestamp; negative if the timestamp is ahead.
        let age = i128::from(now.into().unix_millis()) - timestamp;
        if let Some(millis) = beyond(-age - millis(self.ahead)) {
            return Err(FreshnessError::FromFuture { millis });
        }
        // Before the window: the sender's own word is the stricter one, and the better reason.
        let past_life = ttl.and_then(|ttl| beyond(age - millis(ttl)));
        if let Some(millis) = past_life {
            return Err(FreshnessError::Expired { millis });
        }
        match beyond(age - millis(self.behind)) {
            Some(millis) => Err(FreshnessError::Stale { millis }),
            None => Ok(()),
        }
    }
}

fn millis(duration: Duration) -> i128 {
    i128::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(i128::MAX)
}

/// Why a message is not fresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum FreshnessError {
    /// It has no timestamp, or none that can be read.
    #[error("the message has no timestamp to judge its age by")]
    NoTimestamp,
    /// Its timestamp is too far ahead of the clock.
    #[error("the timestamp is {millis} ms further ahead of the clock than allowed")]
    FromFuture {
        /// Milliseconds beyond what is allowed.
        millis: u64,
    },
    /// The life that the message gives itself is over.
    #[error("the message expired {millis} ms ago")]
    Expired {
        /// Milliseconds since then.
        millis: u64,
    },
    /// Its timestamp is too far behind the clock.
    #[error("the timestamp is {millis} ms further behind the clock than allowed")]
    Stale {
        /// Milliseconds beyond what is allowed.
        millis: u64,
    },
}

crate::error::leaf_errors! {
    FreshnessError, Security {
        Self::NoTimestamp => ["no-timestamp", System, Timeout, lasting,
            "resend", "Send the message anew, with the current time."],
        // The reader's clock comes after it by itself.
        Self::FromFuture { .. } => ["from-future", System, Timeout, transient,
            "resend", "Send the message anew, with the current time."],
        Self::Expired { .. } => ["expired", System, Timeout, lasting,
            "resend", "Send the message anew, with the current time."],
        Self::Stale { .. } => ["stale", System, Timeout, lasting,
            "resend", "Send the message anew, with the current time."],
    }
}
