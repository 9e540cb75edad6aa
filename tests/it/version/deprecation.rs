//! The calendar of deprecations: what can be announced, and what is found on which day.

use crate::support::{Rng, scaled};
use chrono::NaiveDate;
use coordination_protocol::ProtocolVersion;
use coordination_protocol::finding::{Code, FindingSeverity, Level, Mode};
use coordination_protocol::validate::{Context, Gate, Validator};
use coordination_protocol::version::{
    Calendar, Date, DeprecatedItem, FieldPath, Notice, VersionError,
};
use coordination_protocol::{Finding, Verdict};

fn day(text: &str) -> Date {
    text.parse().unwrap()
}

fn event(name: &str) -> DeprecatedItem {
    DeprecatedItem::EventType(name.into())
}

fn notice(subject: DeprecatedItem, announced: &str, sunset: &str) -> Result<Notice, VersionError> {
    Notice::new(subject, ProtocolVersion::V1_1_0, day(announced), day(sunset))
}

#[test]
fn a_notice_runs_ninety_days() {
    assert!(notice(event("A"), "2025-01-15", "2025-04-15").is_ok());
    for (sunset, message) in [
        ("2025-04-14", "from 2025-01-15 to 2025-04-14 are 89 days; a notice runs at least 90"),
        ("2025-01-15", "from 2025-01-15 to 2025-01-15 are 0 days; a notice runs at least 90"),
        ("2024-01-15", "from 2025-01-15 to 2024-01-15 are -366 days; a notice runs at least 90"),
    ] {
        assert_eq!(notice(event("A"), "2025-01-15", sunset).unwrap_err().to_string(), message);
    }
}

#[test]
fn a_sunset_is_put_off_and_never_brought_forward() {
    let first = notice(event("A"), "2025-01-15", "2025-06-01").unwrap();
    let later = first.clone().extend(day("2025-07-01")).unwrap();
    assert_eq!((later.announced(), later.sunset()), (day("2025-01-15"), day("2025-07-01")));
    assert_eq!(later.clone().extend(day("2025-07-01")), Ok(later.clone()));
    assert_eq!(
        later.clone().extend(day("2025-06-30")).unwrap_err().to_string(),
        "the sunset of the event type `A` was announced for 2025-07-01; it cannot come earlier, on \
         2025-06-30"
    );

    let mut calendar = Calendar::new();
    calendar.announce(first.clone().with_replacement("B")).unwrap();
    calendar.announce(notice(event("A"), "2025-03-01", "2025-07-01").unwrap()).unwrap();
    let held = calendar.notice(&event("A")).unwrap().clone();
    assert_eq!((held.announced(), held.sunset()), (day("2025-01-15"), day("2025-07-01")));
    assert_eq!(held.replacement(), Some("B"));
    let before = calendar.clone();
    assert!(calendar.announce(first.clone()).is_err());

    // A newer calendar extends; one that shortens is refused as a whole.
    let mut newer = Calendar::new();
    newer.announce(notice(event("C"), "2025-03-01", "2025-07-01").unwrap()).unwrap();
    newer.announce(first).unwrap();
    assert!(calendar.update(newer.clone()).is_err());
    assert_eq!(calendar, before);
    newer.announce(later).unwrap();
    calendar.update(newer).unwrap();
    assert_eq!(calendar.notices().len(), 2);
    assert_eq!(Calendar::current().notices(), []);
}

/// Whatever is announced in whatever order, sunsets only ever move away.
#[test]
fn no_series_of_announcements_shortens() {
    for case in 0..scaled(500) {
        let rng = &mut Rng::new(case as u64 + 4);
        let mut calendar = Calendar::new();
        for _ in 0..20 {
            let announced = day("2025-01-01").plus_days(rng.below(100) as u32).unwrap();
            let sunset = announced.plus_days(rng.below(400) as u32).unwrap();
            let subject = event(rng.pick(&["A", "B", "C"]));
            let notice = Notice::new(subject.clone(), ProtocolVersion::V1_0_0, announced, sunset);
            assert_eq!(notice.is_ok(), announced.days_until(sunset) >= 90, "case {case}");
            let Ok(notice) = notice else { continue };
            let was = calendar.notice(&subject).map(|held| (held.announced(), held.sunset()));
            let done = calendar.announce(notice);
            let held = calendar.notice(&subject).unwrap();
            match was {
                None => assert_eq!((held.announced(), held.sunset()), (announced, sunset)),
                Some((first, before)) => {
                    assert_eq!(done.is_ok(), sunset >= before, "case {case}");
                    assert_eq!((held.announced(), held.sunset()), (first, before.max(sunset)));
                    assert!(first.days_until(held.sunset()) >= 90);
                }
            }
        }
    }
}

const CALENDAR: &str = r#"{"notices":[
    {"subject":{"event_type":"TASK_REASSIGNED"},"since":"1.1.0","announced":"2025-01-15","sunset":"2025-06-01"},
    {"subject":{"message":"health_status"},"since":"1.1.0","announced":"2025-01-15","sunset":"2025-06-01","replacement":"heartbeat"},
    {"subject":{"field":"TASK_FAILED/retries"},"since":"1.1.0","announced":"2025-01-15","sunset":"2025-06-01","replacement":"retry_count"},
    {"subject":{"field":"error_report/context/a~1b"},"since":"1.1.0","announced":"2025-01-15","sunset":"2025-06-01"},
    {"subject":{"word":"warning","of":"SYSTEM_ERROR/severity"},"since":"1.1.0","announced":"2025-01-15","sunset":"2025-06-01","replacement":"medium"},
    {"subject":{"version":"1.0.0"},"since":"1.1.0","announced":"2025-01-15","sunset":"2025-06-01","replacement":"1.1.0"}
]}"#;

fn found(record: &str, on: &str) -> Vec<Finding> {
    let calendar = Calendar::from_json(CALENDAR).unwrap();
    calendar.check(record, day(on)).findings().to_vec()
}

#[test]
fn the_day_decides_what_a_use_weighs() {
    let line = r#"TASK_REASSIGNED:w:p:{"task_id":"t"}"#;
    for (on, expected) in [
        ("2025-01-14", None),
        ("2025-01-15", Some((Code::Deprecated, FindingSeverity::Warning))),
        ("2025-05-31", Some((Code::Deprecated, FindingSeverity::Warning))),
        ("2025-06-01", Some((Code::SunsetPassed, FindingSeverity::Error))),
        ("2099-01-01", Some((Code::SunsetPassed, FindingSeverity::Error))),
    ] {
        let findings = found(line, on);
        let seen = findings.first().map(|finding| (finding.code, finding.severity));
        assert_eq!((seen, findings.len()), (expected, usize::from(expected.is_some())), "{on}");
    }
}

#[test]
fn every_kind_of_subject_is_found_where_it_stands() {
    for (record, pointer, text, sentence) in [
        (
            "TASK_REASSIGNED:w:p:{}",
            "",
            "TASK_REASSIGNED",
            "the event type `TASK_REASSIGNED` is deprecated and ends on 2025-06-01",
        ),
        (
            "\u{feff} TASK_FAILED:w:p: {'retries':1}",
            "/retries",
            "'retries'",
            "the field `TASK_FAILED/retries` is deprecated and ends on 2025-06-01; use `retry_count`",
        ),
        (
            r#"SYSTEM_ERROR:w:p:{"severity":"warning"}"#,
            "/severity",
            "\"warning\"",
            "the word `warning` of `SYSTEM_ERROR/severity` is deprecated and ends on 2025-06-01; \
             use `medium`",
        ),
        (
            r#"{"event":{"event_type":"TASK_REASSIGNED","data":{}}}"#,
            "/event/event_type",
            "\"TASK_REASSIGNED\"",
            "the event type `TASK_REASSIGNED` is deprecated and ends on 2025-06-01",
        ),
        (
            r#"{"event":{"data":{"retries":1},"event_type":"TASK_FAILED"}}"#,
            "/event/data/retries",
            "\"retries\"",
            "the field `TASK_FAILED/retries` is deprecated and ends on 2025-06-01; use `retry_count`",
        ),
        (
            r#"{"health_status" : {}}"#,
            "/health_status",
            "\"health_status\"",
            "the message `health_status` is deprecated and ends on 2025-06-01; use `heartbeat`",
        ),
        (
            r#"{"error_report":{"context":{"a\/b":1}}}"#,
            "/error_report/context/a~1b",
            r#""a\/b""#,
            "the field `error_report/context/a~1b` is deprecated and ends on 2025-06-01",
        ),
        (
            r#"{"protocol_version":"1.0.0","error_report":{}}"#,
            "/protocol_version",
            "\"1.0.0\"",
            "protocol 1.0.0 is deprecated and ends on 2025-06-01; use `1.1.0`",
        ),
    ] {
        let findings = found(record, "2025-05-31");
        let [finding] = findings.as_slice() else { panic!("{record}: {findings:?}") };
        assert_eq!(finding.pointer, pointer, "{record}");
        assert_eq!(&record[finding.range.clone()], text, "{record}");
        assert_eq!(finding.to_string(), sentence, "{record}");
        let gone = found(record, "2025-06-01")[0].to_string();
        assert_eq!(gone, sentence.replace("deprecated and ends on", "gone since"));
    }
}

#[test]
fn what_is_not_used_is_not_found() {
    for record in [
        "",
        "no record",
        "{\"broken\":",
        "TASK_ASSIGNED:w:p:{\"retries\":1}",
        "TASK_FAILED:w:p:{\"nested\":{\"retries\":1}}",
        "TASK_FAILED:w:p:[\"retries\"]",
        "TASK_FAILED:w:p:",
        "SYSTEM_ERROR:w:p:{\"severity\":\"high\"}",
        "SYSTEM_ERROR:w:p:{\"severity\":[\"warning\"]}",
        "SYSTEM_ERROR:w:p:{\"severity\":{\"warning\":1}}",
        "{\"nested\":{\"health_status\":{}}}",
        "{\"error_report\":{\"context\":\"a/b\"}}",
        "{\"protocol_version\":\"1.1.0\",\"error_report\":{}}",
        "{\"protocol_version\":\"1.0.0\",\"note\":1}",
        "{\"event\":[]}",
    ] {
        assert_eq!(found(record, "2025-06-01"), [], "{record}");
    }
    let both = found(r#"{"protocol_version":"1.0.0","health_status":{}}"#, "2025-06-01");
    let ranges: Vec<_> = both.iter().map(|finding| finding.range.start).collect();
    assert_eq!(ranges, [20, 28], "in the order of the record");
    let calendar = Calendar::from_json(CALENDAR).unwrap();
    let report = calendar.check("TASK_REASSIGNED:w:p:{}", day("2025-03-01"));
    assert_eq!(report.verdict(), Verdict::Deviating);
}

#[test]
fn calendars_read_back() {
    let calendar = Calendar::from_json(CALENDAR).unwrap();
    assert_eq!(calendar.notices().len(), 6);
    let text = serde_json::to_string(&calendar).unwrap();
    assert_eq!(Calendar::from_json(&text).unwrap(), calendar);
    let value: serde_json::Value = serde_json::from_str(CALENDAR).unwrap();
    assert_eq!(serde_json::to_value(&calendar).unwrap(), value);
    assert_eq!(calendar.notices()[1].since(), &ProtocolVersion::V1_1_0);
}

#[test]
fn bad_calendars_are_refused_with_their_place() {
    let with = |notice: &str| format!("{{\"notices\":[{notice}]}}");
    let sound = r#""since":"1.1.0","announced":"2025-01-15","sunset":"2025-06-01""#;
    let subject = r#""subject":{"event_type":"A"}"#;
    for (json, message) in [
        ("[]".to_owned(), "expected an object, found an array (byte 0)"),
        ("{}".to_owned(), "`notices` is missing (byte 0)"),
        (r#"{"notices":[],"x":1}"#.to_owned(), "`x` is none of notices at /x (byte 18)"),
        (with("{}"), "`subject` is missing at /notices/0 (byte 12)"),
        (with(&format!("{{{subject}}}")), "`since` is missing at /notices/0 (byte 12)"),
        (
            with(&format!("{{{subject},{sound},\"sunst\":1}}")),
            "`sunst` is none of subject, since, announced, sunset, replacement at /notices/0/sunst \
             (byte 113)",
        ),
        (
            with(&format!("{{{subject},{sound}}},{{{subject},{sound}}}")),
            "the event type `A` is announced twice at /notices/1 (byte 106)",
        ),
        (
            with(&format!("{{{subject},{}}}", sound.replace("2025-06-01", "2025-02-01"))),
            "from 2025-01-15 to 2025-02-01 are 17 days; a notice runs at least 90 at /notices/0 \
             (byte 12)",
        ),
        (
            with(&format!("{{{subject},{}}}", sound.replace("2025-06-01", "2025-06-31"))),
            "`2025-06-31` is no day of the calendar at /notices/0/sunset (byte 92)",
        ),
        (
            with(&format!("{{\"subject\":{{\"event_type\":\"A\",\"message\":\"b\"}},{sound}}}")),
            "a subject is one of `event_type`, `message`, `field`, `version`, or `word` with `of` \
             at /notices/0/subject (byte 23)",
        ),
        (
            with(&format!("{{\"subject\":{{\"word\":\"A\"}},{sound}}}")),
            "a subject is one of `event_type`, `message`, `field`, `version`, or `word` with `of` \
             at /notices/0/subject (byte 23)",
        ),
        (
            with(&format!("{{\"subject\":{{\"field\":\"TASK_FAILED\"}},{sound}}}")),
            "`TASK_FAILED` is no field; write it like `error_report/context/agent` at \
             /notices/0/subject/field (byte 32)",
        ),
        (
            with(&format!("{{\"subject\":{{\"version\":\"1\"}},{sound}}}")),
            "`1` is not a protocol version; write MAJOR.MINOR.PATCH like `1.1.0` at \
             /notices/0/subject/version (byte 34)",
        ),
    ] {
        assert_eq!(Calendar::from_json(&json).unwrap_err().to_string(), message, "{json}");
    }
    assert!(FieldPath::new("/a").is_err() && FieldPath::new("a/b").is_ok());
}

/// Dates against the calendar library.
#[test]
fn dates_are_days_of_the_calendar() {
    for case in 0..scaled(3_000) {
        let rng = &mut Rng::new(case as u64 + 6);
        let (year, month, of) =
            (rng.below(10_000) as u16, rng.below(14) as u8, rng.below(33) as u8);
        let oracle = NaiveDate::from_ymd_opt(year.into(), month.into(), of.into());
        let date = Date::new(year, month, of);
        assert_eq!(date.is_some(), oracle.is_some(), "{year}-{month}-{of}");
        let text = format!("{year:04}-{month:02}-{of:02}");
        assert_eq!(text.parse::<Date>().ok(), date, "{text}");
        if let (Some(date), Some(oracle)) = (date, oracle) {
            assert_eq!(date.to_string(), text);
            let days = rng.below(4_000) as u32;
            let later = oracle.checked_add_days(chrono::Days::new(days.into())).unwrap();
            let expected = later.format("%Y-%m-%d").to_string();
            let after = date.plus_days(days);
            assert_eq!(
                after.map(|date| date.to_string()),
                (expected.len() == 10).then_some(expected)
            );
            if let Some(after) = after {
                assert_eq!(date.days_until(after), i64::from(days));
                assert_eq!(after.days_until(date), -i64::from(days));
            }
        }
    }
    for text in
        ["", "2025-1-15", "2025/01/15", "20250115xx", "2025-01-15T00", "٢٠٢٥-01", "+025-01-15"]
    {
        let message = "a date is written YYYY-MM-DD, like `2025-01-15` (byte 0)";
        assert_eq!(text.parse::<Date>().unwrap_err().to_string(), message, "{text}");
    }
    let error = "2025-02-29".parse::<Date>().unwrap_err();
    assert_eq!(error.to_string(), "`2025-02-29` is no day of the calendar (byte 0)");
    assert_eq!(Date::new(10_000, 1, 1), None);
    assert_eq!(day("9999-12-31").plus_days(1), None);
    assert_eq!(Date::from_unix_millis(1_736_942_400_000), Some(day("2025-01-15")));
    assert_eq!(Date::from_unix_millis(-1), Some(day("1969-12-31")));
    assert_eq!(Date::from_unix_millis(i64::MAX), None);
    assert_eq!(serde_json::to_string(&day("2025-01-15")).unwrap(), "\"2025-01-15\"");
    assert!(serde_json::from_str::<Date>("\"2025-02-29\"").is_err());
}

/// Code and pointer of what a validator finds of the calendar, and the text of the place.
fn judged(validator: &Validator, record: &str, calendar: &Calendar, on: &str) -> Vec<String> {
    let context = Context::new().with_calendar(calendar, day(on));
    let outcome = validator.check(record, &context);
    let about = |finding: &&Finding| matches!(finding.code, Code::Deprecated | Code::SunsetPassed);
    let findings = outcome.report.findings().iter().filter(about);
    findings.map(|f| format!("{} {} {}", f.code, f.pointer, &record[f.range.clone()])).collect()
}

#[test]
fn a_validator_judges_by_the_calendar_of_its_context() {
    let path = |path: &str| FieldPath::new(path).unwrap();
    let mut calendar = Calendar::new();
    for subject in [
        event("TASK_TIMEOUT"),
        DeprecatedItem::Field(path("TASK_TIMEOUT/attempts")),
        DeprecatedItem::Word { of: path("health_status/status"), word: "degraded".into() },
        DeprecatedItem::Version(ProtocolVersion::V1_0_0),
    ] {
        calendar.announce(notice(subject, "2025-01-15", "2025-06-01").unwrap()).unwrap();
    }
    let health = r#"{"protocol_version":"1.0.0","health_status":{"component_id":"hub","status":"degraded","timestamp":"2025-01-15T12:00:00Z"}}"#;
    let line = r#"TASK_TIMEOUT:wf_001:build:{"task_id":"t1","agent_id":"a1","timeout_duration":"15m","attempts":2}"#;
    let quoted = r"TASK_TIMEOUT:wf_001:build:{'task_id':'t1','agent_id':'a1','timeout_duration':'15m','attempts':2}";
    let flat = r#"{"event_type":"TASK_TIMEOUT","workflow_id":"w","phase":"p","data":{"task_id":"t1","agent_id":"a1","timeout_duration":"15m","attempts":2}}"#;
    let document = [" /protocol_version \"1.0.0\"", " /health_status/status \"degraded\""];
    let shell = format!("\u{feff} '{health}'\n");
    let single = health.replace('"', "'");
    let in_single = [" /protocol_version '1.0.0'", " /health_status/status 'degraded'"];
    let events = ["  TASK_TIMEOUT", " /attempts \"attempts\""];
    let events_single = ["  TASK_TIMEOUT", " /attempts 'attempts'"];
    let in_flat = [" /event_type \"TASK_TIMEOUT\"", " /data/attempts \"attempts\""];
    let interop = Validator::new(Mode::Interop);
    for (record, expected) in [
        (health, &document),
        (&*shell, &document),
        (&*single, &in_single),
        (line, &events),
        (quoted, &events_single),
        (flat, &in_flat),
    ] {
        for (on, code) in
            [("2025-01-14", ""), ("2025-05-31", "deprecated"), ("2025-06-01", "sunset-passed")]
        {
            let expected: Vec<_> = expected.iter().map(|place| format!("{code}{place}")).collect();
            let expected = if code.is_empty() { Vec::new() } else { expected };
            assert_eq!(judged(&interop, record, &calendar, on), expected, "{record}");
        }
        assert_eq!(
            interop
                .check(record, &Context::new())
                .report
                .findings()
                .iter()
                .filter(|f| f.code == Code::Deprecated)
                .count(),
            0
        );
    }
    // Severities, switches and verdicts are those of any other finding.
    let strict = Validator::new(Mode::Strict);
    let on = |text: &str| Context::new().with_calendar(&calendar, day(text));
    assert!(strict.check(line, &on("2025-05-31")).is_accepted());
    assert!(!strict.check(line, &on("2025-06-01")).is_accepted());
    let mild = strict.clone().with_severity(Code::SunsetPassed, FindingSeverity::Warning);
    assert!(mild.check(line, &on("2025-06-01")).is_accepted());
    let deaf = strict.clone().without_level(Level::Business);
    assert_eq!(judged(&deaf, line, &calendar, "2025-06-01"), [""; 0]);
    // A record that is refused for something else is judged all the same.
    let broken = r#"TASK_TIMEOUT:wf_001:build:{"task_id":7}"#;
    assert_eq!(judged(&strict, broken, &calendar, "2025-06-01"), ["sunset-passed  TASK_TIMEOUT"]);
}

#[test]
fn a_gate_goes_by_the_day_of_arrival_or_by_a_day_that_is_set() {
    let ends =
        notice(DeprecatedItem::Message("heartbeat".into()), "2025-01-15", "2025-06-01").unwrap();
    let mut calendar = Calendar::new();
    calendar.announce(ends).unwrap();
    let record =
        r#"{"heartbeat":{"component_id":"hub","sequence":1,"timestamp":"2025-01-15T12:00:00Z"}}"#;
    // 2025-06-01T00:00:00Z.
    let sunset = 1_748_736_000_000;
    let gate = || Gate::new(Validator::new(Mode::Strict));
    let mut by_arrival = gate().with_calendar(calendar.clone(), None);
    assert!(by_arrival.accept(record.as_bytes(), sunset - 1, None).is_ok());
    let refused = by_arrival.accept(record.as_bytes(), sunset, None).unwrap_err();
    assert_eq!(
        refused.findings()[0].to_string(),
        "the message `heartbeat` is gone since 2025-06-01"
    );
    let mut by_day = gate().with_calendar(calendar, Some(day("2025-05-31")));
    assert!(by_day.accept(record.as_bytes(), sunset, None).is_ok());
    assert!(gate().accept(record.as_bytes(), sunset, None).is_ok());
}
