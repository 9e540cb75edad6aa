//! Where a reader starts: a position, a time, or a span before now.

use crate::clock::now;
use crate::output::{Failure, failure};
use coordination_protocol::bus::{Bus, Position, Start};
use coordination_protocol::message::peek;
use coordination_protocol::scalar::{Span, Timestamp, WallTime};
use coordination_protocol::storage::{Journal as _, SoundRecords, StorageError, read_past_damage};
use std::str::FromStr;
use std::time::Duration;

/// How many records are looked at together.
const PAGE: usize = 256;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Since {
    Position(Position),
    Time(WallTime),
    Span(Duration),
}

impl FromStr for Since {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(position) = text.parse() {
            return Ok(Since::Position(position));
        }
        if let Some(span) = Span::from_lenient(text).value() {
            return Ok(Since::Span(span));
        }
        let time = Timestamp::new(text).ok().and_then(|time| WallTime::try_from(&time).ok());
        time.map(Since::Time).ok_or_else(|| {
            "it is no position like 0:17, no time like 2025-06-01T12:00:00Z, and no span like 10m"
                .to_owned()
        })
    }
}

impl Since {
    /// The place in the log.
    pub(crate) async fn start(&self, bus: &Bus) -> Result<Start, Failure> {
        let time = match self {
            Since::Position(position) => {
                let end = bus.end().await?;
                if *position > end {
                    let told = format!("{position} is behind the end of the log, {end}");
                    return Err(failure(told));
                }
                return Ok(Start::At(*position));
            }
            Since::Time(time) => *time,
            Since::Span(span) => {
                let before = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
                WallTime::from(now().wall.unix_millis().saturating_sub(before))
            }
        };
        first_since(bus, time).await.map(Start::At)
    }
}

/// The first message that says it is of this time or later. Messages without a time are passed over with
/// those before them.
async fn first_since(bus: &Bus, time: WallTime) -> Result<Position, Failure> {
    let bounds = bus.history().bounds().await?;
    let mut from = bounds.first;
    loop {
        let page = records(bus, from, PAGE).await?;
        if page.next == from {
            return Ok(Position::new(from));
        }
        let late = page.records.iter().find(|record| {
            let text = std::str::from_utf8(&record.data).unwrap_or_default();
            let stamp = peek(text).header.and_then(|header| header.timestamp);
            stamp.and_then(|stamp| WallTime::try_from(&stamp).ok()).is_some_and(|at| at >= time)
        });
        if let Some(record) = late {
            return Ok(Position::new(record.position));
        }
        from = page.next;
    }
}

/// Records from a position on, past what is gone or damaged.
pub(crate) async fn records(bus: &Bus, from: u64, limit: usize) -> Result<SoundRecords, Failure> {
    let mut from = from;
    loop {
        match read_past_damage(bus.history(), from, limit).await {
            Err(StorageError::Trimmed { first, .. }) => from = first,
            read => return Ok(read?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_position_a_time_or_a_span() {
        assert_eq!("0:17".parse(), Ok(Since::Position(Position::new(17))));
        assert_eq!("90s".parse(), Ok(Since::Span(Duration::from_secs(90))));
        let time = WallTime::from(1_748_779_200_000);
        assert_eq!("2025-06-01T12:00:00Z".parse(), Ok(Since::Time(time)));
        for text in ["", "1:1", "0:017", "soon", "17"] {
            assert!(text.parse::<Since>().is_err(), "{text}");
        }
    }
}
