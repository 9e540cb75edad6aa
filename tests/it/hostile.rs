//! Input made to hurt: each ends with an error at the right place, in bounded memory and in time
//! that grows with the input only.

use coordination_protocol::event::Codec;
use coordination_protocol::finding::{Code, Mode};
use coordination_protocol::json::{self, Dialect, FaultKind, Json, Limits, canonical, pointer};
use std::fmt::Write as _;
use std::io::{BufReader, Read};
use std::ops::Range;

const HEAD: &str = "TASK_COMPLETED:wf_001:build:{\"results\":";

/// The one error of a record, in both modes and by both ways of reading.
fn refused(record: &[u8], limits: Limits, code: Code, range: Range<usize>) {
    for mode in [Mode::Strict, Mode::Interop] {
        let codec = Codec::new(mode).with_limits(limits);
        let error = codec.parse_bytes(record).expect_err("hostile");
        assert_eq!((error.finding().code, error.finding().range.clone()), (code, range.clone()));
        let report = codec.check_bytes(record).report;
        assert!(report.findings().iter().any(|f| f.code == code && f.range == range), "{report:?}");
    }
}

fn roomy() -> Limits {
    Limits::default().with_bytes(usize::MAX)
}

#[test]
fn two_hundred_thousand_brackets() {
    for bracket in ["[", "{\"a\":", "[{\"\":"] {
        let line = format!("{HEAD}{}", bracket.repeat(200_000));
        refused(line.as_bytes(), Limits::default(), Code::TooLong, 65_536..line.len());
        let text = &line[HEAD.len() - "{\"results\":".len()..];
        let fault = json::check(text, Dialect::SingleQuoted, &roomy()).unwrap_err();
        assert_eq!(fault.kind, FaultKind::TooDeep);
        assert!(canonical(text, &roomy()).is_err() && text.parse::<Json>().is_err());
        // The walkers keep no stack.
        assert!(!pointer::locate(text, 0, text.len() - 1).is_empty());
        assert!(pointer::find(text, 0, "/results").is_none());
    }
    let line = format!("{HEAD}{}", "[".repeat(200_000));
    let at = HEAD.len() + 127;
    refused(line.as_bytes(), roomy(), Code::TooDeep, at..at + 1);
    // A limit that the caller raised by hand does not reach the stack either.
    let mut limits = roomy();
    limits.depth = usize::MAX;
    let at = HEAD.len() + 511;
    refused(line.as_bytes(), limits, Code::TooDeep, at..at + 1);
}

/// `head`, then `count` times `piece`, made as it is read.
struct Made {
    head: &'static [u8],
    piece: u8,
    left: u64,
    most_asked: usize,
}

impl Read for Made {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        self.most_asked = self.most_asked.max(out.len());
        if !self.head.is_empty() {
            let count = self.head.len().min(out.len());
            out[..count].copy_from_slice(&self.head[..count]);
            self.head = &self.head[count..];
            return Ok(count);
        }
        let count = out.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        out[..count].fill(self.piece);
        self.left -= count as u64;
        Ok(count)
    }
}

#[test]
fn a_line_without_an_end_is_cut() {
    const LONG: u64 = 64 << 20;
    for (head, piece) in
        [(&b""[..], b'x'), (b"[", b'['), (b"TASK_FAILED:w:p:{\"a\":\"", b'\''), (b"", b' ')]
    {
        let codec = Codec::new(Mode::Interop);
        let made = Made { head, piece, left: LONG, most_asked: 0 };
        let mut records = codec.records(BufReader::new(made));
        let length = head.len() as u64 + LONG;
        if piece == b' ' {
            assert_eq!(records.next_record().unwrap(), None);
        } else {
            let raw = records.next_record().unwrap().unwrap();
            assert_eq!((raw.bytes.len(), raw.line, raw.offset), (65_537, 1, 0));
            assert!(codec.check_bytes(raw.bytes).report.has(Code::TooLong));
            assert_eq!(records.next_record().unwrap(), None);
        }
        assert_eq!(records.position(), length);
    }
}

#[test]
fn a_record_that_never_closes_is_cut() {
    let mut limits = Limits::default().with_bytes(4_096);
    for bytes in [4_096, usize::MAX] {
        limits.bytes = bytes;
        let codec = Codec::new(Mode::Interop).with_limits(limits);
        let stream = format!("{{\n{}", "[1,\n".repeat(20_000));
        let mut records = codec.records(stream.as_bytes());
        let mut count = 0;
        while let Some(raw) = records.next_record().unwrap() {
            assert!(raw.bytes.len() <= bytes.saturating_add(1));
            count += 1;
        }
        assert!(count > 0);
    }
}

#[test]
fn bytes_that_are_no_text() {
    let head = HEAD.len();
    for (bytes, width) in [
        (&b"\xff"[..], 1),
        (b"\xc0\xaf", 1),
        (b"\xed\xa0\x80", 1),
        (b"\xf4\x90\x80\x80", 1),
        (b"\xe2\x82", 2),
        (b"\x80", 1),
    ] {
        let record = [HEAD.as_bytes(), b"\"", bytes, b"\"}"].concat();
        refused(&record, Limits::default(), Code::NotUtf8, head + 1..head + 1 + width);
        assert!(serde_json::from_slice::<serde_json::Value>(&record[head..]).is_err());
    }
    // Cut inside a character at the end of the record.
    let record = [HEAD.as_bytes(), b"\"\xf0\x9f\x98"].concat();
    refused(&record, Limits::default(), Code::NotUtf8, head + 1..head + 4);
}

#[test]
fn characters_that_do_not_belong() {
    let at = HEAD.len();
    for (value, code, range) in [
        ("\0", Code::BrokenJson, 0..1),
        ("\"\0\"", Code::BrokenJson, 1..2),
        ("\"a\u{1f}\"", Code::BrokenJson, 2..3),
        ("\"\\ud83d\"", Code::BrokenJson, 1..7),
        ("\"\\ude00\\ud83d\"", Code::BrokenJson, 1..7),
        ("\u{a0}1", Code::BrokenJson, 0..2),
        ("1\u{2028}", Code::BrokenJson, 1..4),
        ("\u{feff}1", Code::BrokenJson, 0..3),
        ("NaN", Code::BrokenJson, 0..3),
        ("-Infinity", Code::BrokenJson, 0..9),
        ("0x10", Code::BrokenJson, 0..4),
        ("1e999", Code::NumberBeyondDouble, 0..5),
        ("-1e999", Code::NumberBeyondDouble, 0..6),
        ("{\"a\":1,\"\\u0061\":1}", Code::DuplicateKey, 7..15),
    ] {
        let line = format!("{HEAD}{value}}}");
        refused(line.as_bytes(), Limits::default(), code, at + range.start..at + range.end);
    }
    for header in ["TASK\0X:w:p:{}", "TASK_FAILED:w\n:p:{}", "TASK_FAILED:w:\u{85}:{}"] {
        let report = Codec::new(Mode::Interop).check(header).report;
        assert!(report.has(Code::BadIdentifier), "{header:?}");
    }
}

#[test]
fn digits_without_an_end() {
    let at = HEAD.len();
    let long = "9".repeat(400);
    let line = format!("{HEAD}{long}}}");
    refused(line.as_bytes(), Limits::default(), Code::NumberBeyondDouble, at..at + 400);
    for number in [format!("0.{}", "9".repeat(60_000)), format!("1e-{}", "9".repeat(60_000))] {
        assert_eq!(json::check(&number, Dialect::Strict, &Limits::default()), Ok(()));
        let canonical = canonical(&number, &Limits::default()).unwrap();
        assert!(canonical == "1" || canonical == "0", "{canonical}");
    }
    let exponent = format!("1e{}", "9".repeat(60_000));
    assert!(canonical(&exponent, &Limits::default()).is_err());
}

#[test]
fn ten_million_colons() {
    let line = ":".repeat(10_000_000);
    refused(line.as_bytes(), Limits::default(), Code::TooLong, 65_536..line.len());
    refused(line.as_bytes(), roomy(), Code::BadIdentifier, 0..0);
    let line = format!("TASK_COMPLETED:w:p:{{\"a\":\"{line}\"}}");
    let report = Codec::new(Mode::Strict).with_limits(roomy()).check(&line).report;
    let at = line.len() - 1;
    let missing = report.findings().iter().filter(|f| f.code == Code::MissingData);
    assert!(missing.clone().all(|finding| finding.range == (at..at + 1)));
    assert_eq!((missing.count(), report.findings().len()), (4, 5));
}

fn object(keys: usize) -> String {
    let mut text = String::from("{");
    for key in 0..keys {
        if key > 0 {
            text.push(',');
        }
        let _ = write!(text, "\"k{key}\":0");
    }
    text.push('}');
    text
}

#[test]
fn a_million_keys() {
    let text = object(1_000_000);
    let line = format!("{HEAD}{text}}}");
    let over = HEAD.len() + object(1_024).len();
    refused(line.as_bytes(), roomy(), Code::TooManyKeys, over..over + 7);
    let limits = roomy().with_keys(usize::MAX);
    assert_eq!(json::check(&text, Dialect::Strict, &limits), Ok(()));
    let mut twice = text;
    twice.truncate(twice.len() - 1);
    let at = twice.len() + 1;
    twice.push_str(",\"k\\u0030\":1}");
    let fault = json::check(&twice, Dialect::Strict, &limits).unwrap_err();
    assert_eq!((fault.kind, fault.range), (FaultKind::DuplicateKey, at..at + 9));
}

/// Each level has `keys` keys; the last holds the next level.
fn nested(depth: usize, keys: usize) -> String {
    let mut text = String::from("0");
    for _ in 0..depth {
        let keys = (0..keys).fold(String::new(), |keys, key| keys + &format!("\"k{key}\":1,"));
        text = format!("{{{keys}\"n\":{text}}}");
    }
    text
}

#[test]
fn many_keys_on_every_level() {
    let limits = roomy();
    for keys in [10, 40, 200] {
        let text = nested(127, keys);
        assert_eq!(json::check(&text, Dialect::Strict, &limits), Ok(()));
        let path = "/n".repeat(127);
        let token = pointer::find(&text, 0, &path).unwrap();
        assert_eq!(token.raw(&text), "0");
        assert_eq!(pointer::locate(&text, 0, token.start()), path);
        assert!(canonical(&text, &limits).is_ok());
        let codec = Codec::new(Mode::Strict).with_limits(limits);
        let line = format!("{HEAD}{text}}}");
        assert!(codec.check(&line).report.has(Code::MissingData));
    }
}

#[test]
fn duplicates_on_every_level_cost_no_more_than_the_report_holds() {
    // Each finding needs its pointer; the report keeps 64 and counts the rest.
    let pairs = vec!["{\"\":0,\"\":0}"; 100_000].join(",");
    let line = format!("{HEAD}{}{pairs}{}}}", "[".repeat(120), "]".repeat(120));
    let report = Codec::new(Mode::Interop).with_limits(roomy()).check(&line).report;
    assert_eq!(
        (report.findings().len(), report.findings().len() + report.omitted()),
        (64, 100_003)
    );
    let path = format!("/results{}/63/", "/0".repeat(119));
    assert!(report.findings().iter().any(|finding| finding.pointer == path), "{report:?}");
}

#[test]
fn a_pointer_is_right_even_where_the_rest_is_broken() {
    let line = "TASK_COMPLETED:w:p:{\"results\":[0,{\"a\":[{\"k\":1,\"k\":1e999}";
    let report = Codec::new(Mode::Interop).check(line).report;
    let found: Vec<_> = report
        .findings()
        .iter()
        .map(|finding| (finding.code, finding.pointer.as_str()))
        .filter(|(code, _)| *code != Code::UnknownField)
        .collect();
    assert_eq!(
        found,
        [
            (Code::DuplicateKey, "/results/1/a/0/k"),
            (Code::NumberBeyondDouble, "/results/1/a/0/k"),
            (Code::BrokenJson, ""),
        ]
    );
}

#[test]
fn the_deepest_nesting_fits_one_mebibyte_of_stack() {
    let text = format!("{}{}", "{\"a\":[".repeat(255), "]}".repeat(255));
    let line = format!("{HEAD}{text}}}");
    let limits = Limits::default().with_depth(Limits::MAX_DEPTH);
    let run = move || {
        assert_eq!(json::check(&text, Dialect::SingleQuoted, &limits), Ok(()));
        assert_eq!(canonical(&text, &limits).unwrap(), text);
        let codec = Codec::new(Mode::Interop).with_limits(limits);
        let record = codec.check(&line);
        let event = record.value.expect("read");
        assert!(event.data_digest().is_ok());
        assert_eq!(event.data_json().as_str(), &line[line.find('{').unwrap()..]);
    };
    let thread = std::thread::Builder::new().stack_size(1 << 20).spawn(run).unwrap();
    thread.join().unwrap();
}
