//! How long to wait before the next attempt.

use super::{Settings, SplitMix64};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Exponential backoff with full jitter: the pause is drawn evenly from everything up to a ceiling
/// that grows with each attempt, so that many who failed together do not come back together.
///
/// ```
/// use coordination_protocol::machine::{Backoff, SplitMix64};
/// use std::time::Duration;
///
/// let backoff = Backoff::default();
/// assert_eq!(backoff.ceiling(1), Duration::from_secs(1));
/// assert_eq!(backoff.ceiling(3), Duration::from_secs(4));
/// assert_eq!(backoff.ceiling(100), Duration::from_secs(30));
/// assert!(backoff.pause(3, &mut SplitMix64::new(7)) <= backoff.ceiling(3));
/// ```
#[doc(alias = "retry")]
#[doc(alias = "jitter")]
#[doc(alias = "exponential backoff")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Backoff {
    /// The ceiling after the first attempt. Default 1 s.
    pub base: Duration,
    /// What the ceiling is multiplied by after each further attempt. Default 2.
    pub factor: u32,
    /// What the ceiling never exceeds. Default 30 s.
    pub cap: Duration,
    /// How many attempts there are in all, the first among them. Default 3.
    pub attempts: u32,
}

impl Backoff {
    /// The specification's figures.
    pub fn new() -> Self {
        Backoff::from(&Settings::default())
    }

    /// Sets the ceiling after the first attempt.
    pub const fn with_base(mut self, base: Duration) -> Self {
        self.base = base;
        self
    }

    /// Sets what the ceiling is multiplied by.
    pub const fn with_factor(mut self, factor: u32) -> Self {
        self.factor = factor;
        self
    }

    /// Sets what the ceiling never exceeds.
    pub const fn with_cap(mut self, cap: Duration) -> Self {
        self.cap = cap;
        self
    }

    /// Sets how many attempts there are in all.
    pub const fn with_attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts;
        self
    }

    /// Whether another attempt follows this one, counted from 1.
    pub(super) fn allows_after(&self, attempt: u32) -> bool {
        // 0 attempts would never send anything; the first attempt is always made.
        attempt < self.attempts.max(1)
    }

    /// The longest pause after an attempt, counted from 1; at least 1 ms.
    pub fn ceiling(&self, attempt: u32) -> Duration {
        // A pause of zero would be due in the instant that it begins, so that handling what is due
        // never ends.
        let least = Duration::from_millis(1);
        // An overflow means that the cap was passed long ago.
        let growth = self.factor.max(1).checked_pow(attempt.saturating_sub(1));
        let grown = growth.and_then(|growth| self.base.max(least).checked_mul(growth));
        grown.unwrap_or(self.cap).min(self.cap).max(least)
    }

    /// The pause after an attempt: whole milliseconds from 1 up to the ceiling.
    pub fn pause(&self, attempt: u32, rng: &mut SplitMix64) -> Duration {
        // Full jitter, from almost nothing up to the ceiling: what failed together spreads over the
        // whole time. A little jitter around the ceiling would let it come back nearly in step.
        let most = u64::try_from(self.ceiling(attempt).as_millis()).unwrap_or(u64::MAX);
        // At least a millisecond, so the next attempt is later than the failure.
        Duration::from_millis(rng.below(most).saturating_add(1))
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Backoff::new()
    }
}

impl From<&Settings> for Backoff {
    fn from(settings: &Settings) -> Self {
        Backoff {
            base: Duration::from_secs(1),
            factor: 2,
            cap: Duration::from_secs(30),
            attempts: u32::try_from(settings.max_retry_attempts).unwrap_or(u32::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Backoff, SplitMix64};
    use std::time::Duration;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn ceilings_grow_up_to_the_cap() {
        let backoff = Backoff::new();
        let ceilings: Vec<u64> = (0..8).map(|n| backoff.ceiling(n).as_secs()).collect();
        assert_eq!(ceilings, [1, 1, 2, 4, 8, 16, 30, 30]);
        // Far beyond what the numbers hold.
        for attempt in [33, 100, u32::MAX] {
            assert_eq!(backoff.ceiling(attempt), seconds(30));
        }
        let huge = backoff.with_base(Duration::MAX).with_cap(Duration::MAX);
        assert_eq!(huge.ceiling(u32::MAX), Duration::MAX);
    }

    /// Nothing that a host can set makes a pause of no time, or no attempt at all.
    #[test]
    fn zeros_count_as_the_least() {
        let nothing = Backoff { base: Duration::ZERO, factor: 0, cap: Duration::ZERO, attempts: 0 };
        assert_eq!(nothing.ceiling(1), Duration::from_millis(1));
        assert_eq!(nothing.pause(1, &mut SplitMix64::new(1)), Duration::from_millis(1));
        assert!(!nothing.allows_after(1) && nothing.allows_after(0));
    }

    #[test]
    fn attempts_count_the_first() {
        let backoff = Backoff::new().with_attempts(3);
        assert_eq!([1, 2, 3, 4].map(|n| backoff.allows_after(n)), [true, true, false, false]);
    }

    /// From a millisecond up to the ceiling, both included, and evenly.
    #[test]
    fn pauses_take_the_whole_range() {
        let backoff = Backoff::new().with_base(Duration::from_millis(4));
        let mut rng = SplitMix64::new(5);
        let mut seen = [0_u32; 5];
        (0..4_000).for_each(|_| seen[backoff.pause(1, &mut rng).as_millis() as usize] += 1);
        assert!(seen[0] == 0 && seen[1..].iter().all(|n| (850..1_150).contains(n)), "{seen:?}");
    }
}
