//! Days of the calendar.

use chrono::{Datelike as _, Days, NaiveDate};
use serde::{Serialize, Serializer};
use std::fmt;

/// The fewest days from the announcement of an end to the sunset.
pub const NOTICE_DAYS: i64 = 90;

/// A day, `YYYY-MM-DD`, in the years 0000 to 9999. Days are UTC days where it matters.
///
/// ```
/// use coordination_protocol::version::Date;
///
/// let announced: Date = "2025-01-15".parse()?;
/// let sunset = announced.plus_days(90).unwrap();
/// assert_eq!(sunset.to_string(), "2025-04-15");
/// assert_eq!(announced.days_until(sunset), 90);
/// assert!("2025-02-29".parse::<Date>().is_err());
/// # Ok::<(), coordination_protocol::version::VersionError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(NaiveDate);

impl Date {
    /// The day of a year, month and day of month; none if there is no such day.
    pub fn new(year: u16, month: u8, day: u8) -> Option<Self> {
        let year = i32::from(year);
        let date = NaiveDate::from_ymd_opt(year, month.into(), day.into())?;
        (year <= 9999).then_some(Date(date))
    }

    /// The UTC day of a moment in milliseconds since 1970-01-01T00:00:00Z; none outside the years.
    pub fn from_unix_millis(millis: i64) -> Option<Self> {
        let date = chrono::DateTime::from_timestamp_millis(millis)?.date_naive();
        (0..=9999).contains(&date.year()).then_some(Date(date))
    }

    /// The day a number of days later; none after the year 9999.
    pub fn plus_days(self, days: u32) -> Option<Self> {
        let date = self.0.checked_add_days(Days::new(days.into()))?;
        (date.year() <= 9999).then_some(Date(date))
    }

    /// How many days later another day is; negative if it is earlier.
    pub fn days_until(self, other: Date) -> i64 {
        other.0.signed_duration_since(self.0).num_days()
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.0.year(), self.0.month(), self.0.day())
    }
}

impl Serialize for Date {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
