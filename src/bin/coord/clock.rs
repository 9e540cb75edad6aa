//! Moments: what the clock shows, and what `--at` names.

use crate::output::{Failure, failure};
use coordination_protocol::scalar::{Instant, Now, Timestamp};
use coordination_protocol::version::Date;
use std::time::{SystemTime, UNIX_EPOCH};

/// Both times by the wall: processes are short, so nothing is measured with it for long.
pub(crate) fn now() -> Now {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let nanos = u64::try_from(since.as_nanos()).unwrap_or(u64::MAX);
    Now::new(Instant::from_nanos(nanos), i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// The moment by which a verb judges: the one name for it in all verbs.
#[derive(Clone, clap::Args)]
pub(crate) struct At {
    /// The moment to judge by: a day (its start in UTC), an RFC 3339 timestamp, or `now`.
    #[arg(long, default_value = "now", value_name = "TIME", value_parser = moment)]
    at: Moment,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    Now,
    /// Milliseconds since 1970-01-01T00:00:00Z.
    Unix(i64),
}

impl At {
    /// In milliseconds since 1970-01-01T00:00:00Z. `now` is looked up at each call.
    pub(crate) fn millis(&self) -> i64 {
        match self.at {
            Moment::Now => now().wall,
            Moment::Unix(millis) => millis,
        }
    }

    /// The day that it is in, in UTC.
    pub(crate) fn day(&self) -> Result<Date, Failure> {
        Date::from_unix_millis(self.millis())
            .ok_or_else(|| failure("the clock shows no usable day; give one with --at"))
    }
}

fn moment(text: &str) -> Result<Moment, String> {
    if text == "now" {
        return Ok(Moment::Now);
    }
    // A day is short for its first moment.
    let whole = if text.parse::<Date>().is_ok() { &format!("{text}T00:00:00Z") } else { text };
    let time = Timestamp::new(whole).map_err(|_| {
        "it is no day like 2025-06-01, no timestamp like 2025-06-01T12:00:00Z, and not `now`"
            .to_owned()
    })?;
    time.unix_millis().map(Moment::Unix).ok_or_else(|| "the time is out of range".to_owned())
}

#[cfg(test)]
mod tests {
    use super::{At, Moment, moment};

    #[test]
    fn a_day_is_its_first_moment() {
        assert_eq!(moment("2025-06-01"), moment("2025-06-01T00:00:00Z"));
        assert_eq!(moment("2025-06-01"), Ok(Moment::Unix(1_748_736_000_000)));
        assert_eq!(moment("2025-06-01T02:30:00+02:30"), moment("2025-06-01"));
        assert_eq!(moment("now"), Ok(Moment::Now));
        let last = At { at: moment("2025-06-01T23:59:59.999Z").unwrap() };
        assert_eq!(last.day().ok(), "2025-06-01".parse().ok());
    }

    #[test]
    fn what_is_no_moment_is_told() {
        for text in ["", "today", "2025-02-30", "2025-6-1", "1748736000", "2025-06-01T25:00:00Z"] {
            assert!(moment(text).unwrap_err().contains("2025-06-01T12:00:00Z"), "{text}");
        }
    }
}
