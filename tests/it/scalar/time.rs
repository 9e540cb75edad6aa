use std::time::{Duration, UNIX_EPOCH};

use chrono::DateTime;
use coordination_protocol::scalar::{Now, Span, Timestamp, WallTime, Window};
use proptest::prelude::*;

use super::refuses;

#[test]
fn durations_are_read() {
    for (text, millis) in [
        ("45m", 2_700_000),
        ("2h 30m", 9_000_000),
        ("2h30m", 9_000_000),
        ("1.2s", 1_200),
        ("8.5m", 510_000),
        ("60s", 60_000),
        ("0s", 0),
        ("05m", 300_000),
        ("2h 90m", 12_600_000),
        ("1d 1h 1m 1s 1ms", 90_061_001),
        ("1d1ms", 86_400_001),
        ("1.5d 0.5h", 131_400_000),
        ("10m", 600_000),
        ("3h", 10_800_000),
    ] {
        let span = Span::new(text).unwrap();
        assert_eq!(span.value(), Some(Duration::from_millis(millis)), "{text}");
        assert_eq!(span.as_str(), text);
    }
    assert_eq!(Span::from_lenient("0.0000019ms").value(), Some(Duration::from_nanos(1)));
    assert_eq!(
        Span::from_lenient("0.3333333333333333333333333s").value().unwrap().as_nanos(),
        333_333_333
    );
    assert_eq!(
        Span::from_lenient("18446744073709551615s").value(),
        Some(Duration::from_secs(u64::MAX))
    );
}

#[test]
fn other_texts_are_not_durations() {
    let unit = "the unit must be d, h, m, s or ms";
    let order = "units go from large to small and each stands once";
    let digit = "a digit is missing";
    let long = "longer than 2^64 seconds";
    for (text, reason, at) in [
        ("", digit, 0),
        ("soon", digit, 0),
        (" 5m", digit, 0),
        ("5m ", digit, 3),
        ("5m  3s", digit, 3),
        ("-5m", digit, 0),
        ("1.s", digit, 2),
        (".5s", digit, 0),
        ("5h_47m", digit, 2),
        ("5", unit, 1),
        ("5 m", unit, 1),
        ("5M", unit, 1),
        ("5min", unit, 1),
        ("3 minutes", unit, 1),
        ("5ém", unit, 1),
        ("30m 2h", order, 5),
        ("1m 1m", order, 4),
        ("1ms 1s", order, 5),
        ("18446744073709551616s", long, 0),
        ("1s 99999999999999999999999999999999999h", order, 38),
        ("999999999999999999999999999999999999h", long, 0),
        ("213503982334601d 18446744073709551615h", long, 0),
    ] {
        refuses(
            Span::new(text),
            &format!("`{text}` is not a duration: {reason} (byte {at}); write it like `2h 30m`"),
        );
    }
}

#[test]
fn durations_are_spelled_with_the_fewest_units() {
    for (nanos, text) in [
        (0, "0s"),
        (1, "0.000001ms"),
        (1_500_000, "1.5ms"),
        (250_000_000, "250ms"),
        (1_200_000_000, "1.2s"),
        (60_000_000_000, "1m"),
        (90_000_000_000, "1m 30s"),
        (9_000_000_000_000, "2h 30m"),
        (3_600_500_000_000, "1h 0.5s"),
        (86_400_000_000_000, "1d"),
        (90_061_000_000_001, "1d 1h 1m 1.000000001s"),
    ] {
        assert_eq!(Span::from(Duration::from_nanos(nanos)).as_str(), text);
    }
}

#[test]
fn timestamps_are_read() {
    for (text, millis) in [
        ("1970-01-01T00:00:00Z", 0),
        ("2025-01-15T12:00:00Z", 1_736_942_400_000),
        ("2025-01-15T13:30:00+01:30", 1_736_942_400_000),
        ("2025-01-15T12:00:00-00:00", 1_736_942_400_000),
        ("2025-01-15T12:00:00.5Z", 1_736_942_400_500),
        ("2025-01-15T12:00:00.123456789123Z", 1_736_942_400_123),
        ("1969-12-31T23:59:59.999Z", -1),
        ("2024-02-29T00:00:00Z", 1_709_164_800_000),
        ("2016-12-31T23:59:60Z", 1_483_228_800_000),
        ("2017-01-01T05:29:60.5+05:30", 1_483_228_800_500),
        ("0000-01-01T00:00:00Z", -62_167_219_200_000),
        ("9999-12-31T23:59:59Z", 253_402_300_799_000),
    ] {
        assert_eq!(Timestamp::new(text).unwrap().unix_millis(), Some(millis), "{text}");
    }
}

#[test]
fn other_texts_are_not_timestamps() {
    let shape = "expected YYYY-MM-DDTHH:MM:SS and an offset";
    let offset = "the offset must be `Z` or like `+01:00`";
    let exists = "no such date, time or offset exists";
    for (text, reason, at) in [
        ("", shape, 0),
        ("yesterday", shape, 0),
        ("2025-01-15", shape, 10),
        ("2025-01-15 12:00:00Z", shape, 10),
        ("2025-01-15t12:00:00Z", shape, 10),
        ("2025-01-15T12:00Z", shape, 16),
        ("+2025-01-15T12:00:00Z", shape, 0),
        ("2025-01-15T12:00:00", offset, 19),
        ("2025-01-15T12:00:00z", offset, 19),
        ("2025-01-15T12:00:00+0100", offset, 22),
        ("2025-01-15T12:00:00+01", offset, 22),
        ("2025-01-15T12:00:00\u{2212}01:00", offset, 19),
        ("2025-01-15T12:00:00ZZ", offset, 19),
        ("2025-01-15T12:00:00+01:00Z", offset, 25),
        ("2025-01-15T12:00:00.Z", "a digit is missing", 20),
        ("2025-02-29T12:00:00Z", exists, 0),
        ("2025-13-01T12:00:00Z", exists, 0),
        ("2025-01-15T24:00:00Z", exists, 0),
        ("2025-01-15T12:60:00Z", exists, 0),
        ("2025-01-15T12:00:61Z", exists, 0),
        ("2025-01-15T12:00:00+24:00", exists, 0),
        ("2016-12-31T12:00:60Z", "a leap second is the last one of a day in UTC", 17),
        ("2016-12-31T23:59:60+01:00", "a leap second is the last one of a day in UTC", 17),
    ] {
        let tail = "write it like `2025-01-15T12:00:00Z`";
        refuses(
            Timestamp::new(text),
            &format!("`{text}` is not a timestamp: {reason} (byte {at}); {tail}"),
        );
    }
}

#[test]
fn moments_are_spelled_in_utc() {
    for (millis, text) in [
        (0, "1970-01-01T00:00:00Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (1_736_942_400_050, "2025-01-15T12:00:00.050Z"),
        (i64::MIN, "0000-01-01T00:00:00Z"),
        (i64::MAX, "9999-12-31T23:59:59.999Z"),
    ] {
        assert_eq!(Timestamp::from_unix_millis(millis).as_str(), text);
    }
}

#[test]
fn windows_are_read() {
    let noon = Window::new("12:30-13:00").unwrap();
    assert_eq!((noon.start(), noon.end()), (Some(750), Some(780)));
    for (minute, inside) in [(749, false), (750, true), (779, true), (780, false), (1_440, false)] {
        assert_eq!(noon.contains_minute(minute), Some(inside), "{minute}");
    }
    let night = Window::new("22:00-00:00").unwrap();
    for (minute, inside) in
        [(1_319, false), (1_320, true), (1_439, true), (1_440, false), (0, false)]
    {
        assert_eq!(night.contains_minute(minute), Some(inside), "{minute}");
    }
    let kept = Window::from_lenient("noon");
    assert_eq!((kept.start(), kept.end(), kept.contains_minute(0)), (None, None, None));
}

#[test]
fn other_texts_are_not_windows() {
    let shape = "expected HH:MM-HH:MM";
    for (text, reason, at) in [
        ("", shape, 0),
        ("noon", shape, 0),
        ("12:30", shape, 5),
        ("12:30-13:00Z", shape, 11),
        ("2:30-13:00", shape, 1),
        ("12:30 - 13:00", shape, 5),
        ("24:00-13:00", "hours go from 00 to 23", 0),
        ("12:30-13:60", "minutes go from 00 to 59", 9),
        ("12:30-12:30", "the end must differ from the start", 6),
    ] {
        refuses(
            Window::new(text),
            &format!(
                "`{text}` is not a daily window: {reason} (byte {at}); write it like `12:30-13:00`"
            ),
        );
    }
}

proptest! {
    #[test]
    fn a_duration_survives(
        seconds in prop_oneof![any::<u64>(), 0..200_000_u64],
        nanos in prop_oneof![Just(0), 0..1_000_000_000_u32, (0..1_000_u32).prop_map(|n| n * 1_000_000)],
    ) {
        let duration = Duration::new(seconds, nanos);
        let span = Span::from(duration);
        prop_assert_eq!(span.value(), Some(duration), "{}", span);
    }

    #[test]
    fn the_calendar_library_agrees(
        text in "(000[0-9]|19[07]0|20[0-9]{2}|9999)-(0[0-9]|1[0-3])-([0-2][0-9]|3[0-2])\
                 T([01][0-9]|2[0-4]):[0-6][05]:([0-5][0-9]|6[01])(\\.[0-9]{1,12})?\
                 (Z|[+-][012][0-9]:[0-6]0)",
    ) {
        // RFC 3339 has leap seconds at the end of a day in UTC only; the library does not mind.
        let leaps = |moment: &DateTime<_>| moment.naive_utc().format("%H:%M").to_string() == "23:59";
        let oracle = DateTime::parse_from_rfc3339(&text)
            .ok()
            .filter(|moment| &text[17..19] != "60" || leaps(moment))
            .map(|moment| moment.timestamp_millis());
        prop_assert_eq!(Timestamp::from_lenient(&text).unix_millis(), oracle, "{}", text);
        prop_assert_eq!(Timestamp::is_valid(&text), oracle.is_some());
    }

    #[test]
    fn nothing_is_read_that_the_calendar_library_refuses(
        at in 0..20_usize,
        byte in 0x20..0x7f_u8,
    ) {
        let mut text = *b"2025-01-15T12:00:00Z";
        text[at] = byte;
        let text = std::str::from_utf8(&text).unwrap();
        if let Some(millis) = Timestamp::from_lenient(text).unix_millis() {
            prop_assert_eq!(DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis(), millis);
        }
    }

    #[test]
    fn a_moment_survives(millis in -62_167_219_200_000..=253_402_300_799_999_i64) {
        let moment = Timestamp::from_unix_millis(millis);
        prop_assert_eq!(moment.unix_millis(), Some(millis));
        prop_assert!(moment.is_readable());
    }

    #[test]
    fn a_window_holds_as_many_minutes_as_it_is_long(start in 0..1_440_u16, end in 0..1_440_u16) {
        prop_assume!(start != end);
        let text =
            format!("{:02}:{:02}-{:02}:{:02}", start / 60, start % 60, end / 60, end % 60);
        let window = Window::new(text).unwrap();
        let inside = (0..2_000).filter(|minute| window.contains_minute(*minute) == Some(true));
        prop_assert_eq!(inside.count(), usize::from((end + 1_440 - start) % 1_440));
    }
}

#[test]
fn a_moment_comes_from_what_hosts_have() {
    let half = UNIX_EPOCH + Duration::from_micros(1_500_900);
    assert_eq!(WallTime::from(half).unix_millis(), 1_500);
    // Before 1970, too, a moment is rounded down.
    let before = UNIX_EPOCH - Duration::from_micros(1_500_900);
    assert_eq!(WallTime::from(before).unix_millis(), -1_501);
    for millis in [i64::MIN, -1, 0, 1_736_942_400_000] {
        let moment = WallTime::from(millis);
        if let Some(system) = moment.to_system_time() {
            assert_eq!(WallTime::from(system), moment);
        }
    }
    let noon = WallTime::from(1_736_942_400_000);
    let now = Now::new(Duration::from_secs(5), noon);
    assert_eq!((WallTime::from(now), Timestamp::from(now)), (noon, noon.into()));
    assert_eq!(Duration::from(now.at), Duration::from_secs(5));
    assert_eq!(noon.to_string(), "2025-01-15T12:00:00Z");
    assert_eq!(WallTime::try_from(&Timestamp::from_lenient("soon")).unwrap_err().to_string(), {
        Timestamp::new("soon").unwrap_err().to_string()
    });
    assert_eq!(WallTime::from(i64::MAX).after(Duration::from_secs(1)).unix_millis(), i64::MAX);
    assert_eq!(noon.since(noon.after(Duration::from_secs(1))), Duration::ZERO);
    let short = Now::from(half);
    assert_eq!((short.at.as_nanos(), short.wall.unix_millis()), (1_500_900_000, 1_500));
}
