//! Days of the calendar.

use super::form::FormError;
use chrono::{Datelike as _, Days, NaiveDate};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

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
/// # Ok::<(), coordination_protocol::version::FormError>(())
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

impl FromStr for Date {
    type Err = FormError;

    fn from_str(text: &str) -> Result<Self, FormError> {
        let shaped = text.len() == 10
            && text.bytes().enumerate().all(|(at, byte)| match at {
                4 | 7 => byte == b'-',
                _ => byte.is_ascii_digit(),
            });
        let number = |range| text.get(range).and_then(|digits: &str| digits.parse::<u16>().ok());
        if shaped
            && let (Some(year), Some(month), Some(day)) =
                (number(0..4), number(5..7), number(8..10))
        {
            return Date::new(year, month as u8, day as u8).ok_or_else(|| {
                FormError::new(0, format_args!("`{text}` is no day of the calendar"))
            });
        }
        Err(FormError::new(0, "a date is written YYYY-MM-DD, like `2025-01-15`"))
    }
}

impl Serialize for Date {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Date {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|error: FormError| serde::de::Error::custom(error.reason()))
    }
}
