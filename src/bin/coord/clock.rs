//! Moments: what the clock shows, and what `--at` names.

use crate::output::{Failure, failure};
use coordination_protocol::scalar::{Now, Timestamp, WallTime};
use coordination_protocol::version::Date;
use std::time::SystemTime;

/// Both times by the wall: processes are short, so nothing is measured with it for long.
pub(crate) fn now() -> Now {
    SystemTime::now().into()
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
    Given(WallTime),
}

impl At {
    /// `now` is looked up at each call.
    pub(crate) fn time(&self) -> WallTime {
        match self.at {
            Moment::Now => now().wall,
            Moment::Given(time) => time,
        }
    }

    /// The day that it is in, in UTC.
    pub(crate) fn day(&self) -> Result<Date, Failure> {
        Date::from_unix_millis(self.time().unix_millis())
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
    WallTime::try_from(&time).map(Moment::Given).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::{At, Moment, moment};

    #[test]
    fn a_day_is_its_first_moment() {
        assert_eq!(moment("2025-06-01"), moment("2025-06-01T00:00:00Z"));
        assert_eq!(moment("2025-06-01"), Ok(Moment::Given(1_748_736_000_000.into())));
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
