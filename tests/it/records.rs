//! Cutting streams: records that are too long, and brackets that nothing opened.

use crate::support::scaled;
use coordination_protocol::event::{Codec, RawRecord, RecordDecoder};
use coordination_protocol::finding::{Code, Mode};
use coordination_protocol::storage::block_on;
use coordination_protocol::validate::{Context, Validator};
use coordination_protocol::{Limits, Verdict};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::cell::Cell;
use std::future::poll_fn;
use std::io::{self, BufRead, BufReader, Read};
use std::rc::Rc;
use std::task::{Context as TaskContext, Poll, Waker};

const ALIVE: &str =
    r#"{"heartbeat":{"component_id":"hub","sequence":1,"timestamp":"2025-01-15T12:00:00Z"}}"#;
const STOPS: &str =
    r#"SYSTEM_SHUTDOWN:global:global:{"component_name":"hub","shutdown_reason":"update"}"#;

/// Line, verdict and codes of each record of a stream.
fn judged(stream: &str) -> Vec<(u64, Verdict, Vec<Code>)> {
    judged_within(stream, Limits::DEFAULT)
}

#[allow(clippy::similar_names, reason = "records are recorded")]
fn judged_within(stream: &str, limits: Limits) -> Vec<(u64, Verdict, Vec<Code>)> {
    let mut all = Vec::new();
    // However the bytes arrive, the records are the same.
    for capacity in [stream.len() + 1, 1, 7] {
        let codec = Codec::new(Mode::Interop).with_limits(limits);
        let validator = Validator::from(codec.clone());
        let mut records = codec.records(BufReader::with_capacity(capacity, stream.as_bytes()));
        let mut seen = Vec::new();
        while let Some(raw) = records.next_record().unwrap() {
            assert!(raw.bytes.len() <= limits.bytes + 1);
            let report = validator.check_bytes(raw.bytes, &Context::new()).report;
            let codes = report.counts().into_keys().map(|(code, _)| code).collect();
            seen.push((raw.line, report.verdict(), codes));
        }
        all.push(seen);
    }
    assert!(all.iter().all(|seen| *seen == all[0]), "{all:?}");
    all.swap_remove(0)
}

fn valid(line: u64) -> (u64, Verdict, Vec<Code>) {
    (line, Verdict::Valid, vec![])
}

fn invalid(line: u64, code: Code) -> (u64, Verdict, Vec<Code>) {
    (line, Verdict::Invalid, vec![code])
}

/// A state with many agents, printed over many lines.
fn pretty(agents: usize) -> String {
    let agents: serde_json::Map<_, _> = (0..agents)
        .map(|n| (format!("agent_{n}"), serde_json::json!({"status":"active","note":"}{[\"'"})))
        .collect();
    let state = serde_json::json!({"workflow_state":{"workflow_id":"wf_1","state_version":1,
        "timestamp":"2025-01-15T12:00:00Z","agent_states":agents}});
    serde_json::to_string_pretty(&state).unwrap()
}

#[test]
fn a_record_that_is_too_long_is_told_once_and_read_to_its_end() {
    let state = pretty(1_000);
    assert!(state.len() > 65_536);
    let lines = state.lines().count() as u64;
    let line = state.replacen('{', "TASK_COMPLETED:wf_1:build:{", 1);
    let huge = "x".repeat(70_000);
    for (record, lines) in [
        (state.clone(), lines),
        (line, lines),
        (format!("[\n{state},\n{state}\n]"), 2 * lines + 2),
        (format!("{{\"a\":\"{huge}\"}}"), 1),
        (format!("{{\"a\":\"{huge}\",\n\"b\":[\n1]}}"), 3),
        (format!("{{\"b\":1,\n\"a\":\"{huge}\",\n\"c\":{{}}\n}}"), 4),
        (format!("{{\"b\":[\n\"{huge}\",{{\"a\":\n1}}\n]}}\n"), 5),
        (format!("TASK_COMPLETED:wf_1:build:{{\"a\":\"{huge}\",\n\"b\":1}}"), 2),
        // Cut inside of a character, of an escape, of a word.
        (format!("{{\"a\":\"{}\",\n\"b\":1}}", "é".repeat(40_000)), 2),
        (format!("{{\"a\":\"{}\",\n\"b\":1}}", "\\n".repeat(40_000)), 2),
        (format!("{{\"a\":[true{}],\n\"b\":1}}", ",true".repeat(20_000)), 2),
        (format!("{state}\n}}\n]"), lines + 2),
    ] {
        let stream = format!("{ALIVE}\n{record}\n{STOPS}\n{ALIVE}");
        let start = record.chars().take(60).collect::<String>();
        let end = 2 + lines;
        let expected = [valid(1), invalid(2, Code::TooLong), valid(end), valid(end + 1)];
        assert_eq!(judged(&stream), expected, "{start}");
    }
}

#[test]
fn a_record_that_is_too_long_and_never_closes_hides_no_event() {
    let filler = "\"k\": 1,\n".repeat(20_000);
    let stream = format!("{{\n{filler}{STOPS}\n{ALIVE}\n");
    assert_eq!(judged(&stream), [invalid(1, Code::TooLong), valid(20_002), valid(20_003)]);
    let stream = format!("{{\n{filler}\"a\": 1\n{ALIVE}\n{STOPS}");
    assert_eq!(judged(&stream), [invalid(1, Code::TooLong), valid(20_003), valid(20_004)]);
}

#[test]
fn the_limit_names_its_option() {
    let codec = Codec::new(Mode::Strict).with_limits(Limits::DEFAULT.with_bytes(10));
    let report = codec.check_bytes(ALIVE.as_bytes()).report;
    let [finding] = report.findings() else { panic!("{report:?}") };
    assert_eq!(finding.to_string(), "the record is longer than 10 bytes");
    let hint = finding.hint().unwrap();
    assert_eq!(hint, "`--max-bytes`, in code `Limits::with_bytes`, raises the limit");
    for (line, option) in [
        (format!("X:w:p:{}", "{\"a\":".repeat(200)), "--max-depth"),
        (
            format!(
                "X:w:p:{{{}\"a\":1}}",
                (0..1_100).map(|n| format!("\"k{n}\":1,")).collect::<String>()
            ),
            "--max-keys",
        ),
    ] {
        let report = Codec::new(Mode::Interop).check(&line).report;
        let gravest = report.gravest().unwrap();
        assert!(gravest.hint().unwrap().contains(option), "{gravest}");
    }
}

#[test]
fn brackets_alone_behind_a_closed_record_make_it_invalid() {
    let pretty = pretty(2);
    let lines = pretty.lines().count() as u64;
    for record in [ALIVE, STOPS] {
        for closers in [
            "}",
            "]",
            "},",
            "  }",
            "}\n}",
            "}\n]\n},",
            "\n}",
            "}}",
            "] }",
            "};",
            "\t}",
            "\n\n}\n\n]",
        ] {
            let stream = format!("{record}\n{closers}\n{STOPS}\n");
            let behind = 3 + closers.matches('\n').count() as u64;
            let expected = [invalid(1, Code::TrailingText), valid(behind)];
            assert_eq!(judged(&stream), expected, "{stream}");
            // At the end of the stream, too.
            let stream = format!("{STOPS}\n{record}\n{closers}");
            assert_eq!(judged(&stream), [valid(1), invalid(2, Code::TrailingText)], "{stream}");
        }
    }
    let stream = format!("{pretty}\n}}\n{ALIVE}\n");
    let mut found = judged(&stream);
    found[0].2.retain(|code| *code != Code::UnknownField);
    assert_eq!(found, [invalid(1, Code::TrailingText), valid(lines + 2)]);
    let stream = format!("[\n{ALIVE}\n]\n]\n{ALIVE}\n");
    assert_eq!(judged(&stream), [invalid(1, Code::TrailingText), valid(5)]);
    // One that is closed too often as it is takes them, too.
    let stream = format!("{ALIVE}}}\n}}\n{ALIVE}\n");
    assert_eq!(judged(&stream), [invalid(1, Code::TrailingText), valid(3)]);
    // The place is the first bracket.
    let codec = Codec::new(Mode::Interop);
    let stream = format!("{ALIVE}\n\n }}");
    let mut records = codec.records(stream.as_bytes());
    let raw = records.next_record().unwrap().unwrap();
    let report = codec.check_message_bytes(raw.bytes).report;
    assert_eq!(report.findings()[0].range.start, ALIVE.len() + 3);
}

#[test]
fn what_is_no_closing_bracket_starts_a_record_of_its_own() {
    for (behind, line) in [("x", 2), ("{}", 2), ("\n}x", 3), (",", 2), (";", 2), ("}{", 2)] {
        let found = judged(&format!("{ALIVE}\n{behind}\n"));
        assert_eq!(found.len(), 2, "{behind}");
        assert_eq!((found[0].clone(), found[1].0), (valid(1), line), "{behind}");
    }
    // A record that is not closed has its end elsewhere.
    let found = judged("X:w:p:{\"a\n}\n");
    assert_eq!(found.iter().map(|record| record.0).collect::<Vec<_>>(), [1, 2]);
}

/// A pipe: whoever reads more often than was written would wait for ever.
struct Pipe {
    pieces: Vec<&'static str>,
    granted: Rc<Cell<usize>>,
}

impl Read for Pipe {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let granted = self.granted.get();
        assert!(granted > 0, "the reader waits for input before it hands out what it has");
        self.granted.set(granted - 1);
        let piece = self.pieces.remove(0);
        out[..piece.len()].copy_from_slice(piece.as_bytes());
        Ok(piece.len())
    }
}

#[test]
fn a_live_stream_is_not_waited_for() {
    let pieces = vec!["a:b:c:{}\n", "a:b:c:{}\n\n}\nd:e:f:{}\n", "g:h:i:{}\nj:", "k:l:{}\n", ""];
    let granted = Rc::new(Cell::new(0));
    let pipe = Pipe { pieces, granted: granted.clone() };
    let codec = Codec::new(Mode::Interop);
    let mut records = codec.records(BufReader::new(pipe)).live();
    // How often the pipe may be read for each record.
    for (reads, expected) in [
        (1, Some("a:b:c:{}")),
        (1, Some("a:b:c:{}\n\n}")),
        (0, Some("d:e:f:{}")),
        (1, Some("g:h:i:{}")),
        (1, Some("j:k:l:{}")),
        (1, None),
    ] {
        granted.set(reads);
        let raw = records.next_record().unwrap();
        let text = raw.map(|raw| std::str::from_utf8(raw.bytes).unwrap());
        assert_eq!(text, expected);
    }
}

#[test]
fn a_record_and_its_brackets_fit_in_the_smallest_buffer() {
    let stream = format!("{ALIVE}\n}}");
    let reader = BufReader::with_capacity(1, stream.as_bytes());
    let mut records = Codec::new(Mode::Interop).records(reader);
    assert_eq!(records.next_record().unwrap().unwrap().bytes, stream.as_bytes());
    assert!(records.next_record().unwrap().is_none());
}

/// Bytes, line and offset.
type Cut = (Vec<u8>, u64, u64);

fn cut(raw: RawRecord<'_>) -> Cut {
    (raw.bytes.to_vec(), raw.line, raw.offset)
}

/// What a decoder cuts of pieces.
fn pushed(mut decoder: RecordDecoder, pieces: &[&[u8]]) -> Vec<Cut> {
    let mut all = Vec::new();
    for piece in pieces {
        let mut input = *piece;
        while let Some(raw) = decoder.next_record(&mut input) {
            all.push(cut(raw));
        }
        assert!(input.is_empty(), "the piece is used up");
    }
    while let Some(raw) = decoder.finish() {
        all.push(cut(raw));
    }
    assert!(decoder.finish().is_none());
    assert_eq!(decoder.position(), pieces.iter().map(|piece| piece.len() as u64).sum::<u64>());
    all
}

/// A reader that has its bytes in pieces.
struct Pieces<'a>(std::collections::VecDeque<&'a [u8]>);

impl Read for Pieces<'_> {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        unreachable!("records are read out of its buffer")
    }
}

impl BufRead for Pieces<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.0.front().is_some_and(|piece| piece.is_empty()) {
            self.0.pop_front();
        }
        Ok(self.0.front().copied().unwrap_or_default())
    }

    fn consume(&mut self, count: usize) {
        if let Some(piece) = self.0.front_mut() {
            *piece = &piece[count..];
        }
    }
}

/// However a stream is cut into pieces, fed, awaited or read: the records are those of the whole. Live
/// ones depend on the pieces, but not on how they come.
#[test]
fn pieces_make_no_difference() {
    // What records are made of, whole and broken.
    let part = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        "\"",
        "'",
        "\\",
        "\n",
        "\n\n",
        " ",
        "\r\n",
        ":",
        ",",
        ";",
        "1",
        "\u{e9}",
        "\u{1F600}",
        "a:b:c:{",
        "A:b:c:{\"x\":",
        "{\"a\":\n",
        "{\"a\":1}\n",
        "}\n",
        "]\n",
        "\n}\n",
        "{}\n",
        STOPS,
        ALIVE,
    ]);
    let part = prop_oneof![9 => part.prop_map(|text| text.as_bytes().to_vec()), 1 => any::<[u8; 2]>().prop_map(|bytes| bytes.to_vec())];
    let stream = prop::collection::vec(part, 0..40).prop_map(|parts| parts.concat());
    let sizes = prop::collection::vec(1..20_usize, 1..8);
    let limit = prop_oneof![1..40_usize, Just(65_536)];
    let mut runner = TestRunner::new(Config::with_cases(scaled(2_000) as u32));
    runner
        .run(&(stream, sizes, limit, any::<bool>()), |(stream, sizes, limit, live)| {
            let codec = Codec::new(Mode::Interop).with_limits(Limits::DEFAULT.with_bytes(limit));
            let mut pieces = Vec::new();
            let (mut rest, mut sizes) = (&stream[..], sizes.iter().cycle());
            while !rest.is_empty() {
                let (piece, behind) = rest.split_at(rest.len().min(*sizes.next().unwrap()));
                pieces.push(piece);
                rest = behind;
            }
            let (mut whole, mut read) =
                (codec.records(&stream[..]), codec.records(Pieces(pieces.clone().into())));
            let mut source = pieces.clone().into_iter();
            let mut awaited = codec
                .async_records(async || Ok(source.next().map(<[u8]>::to_vec).unwrap_or_default()));
            let mut decoder = codec.record_decoder();
            if live {
                (whole, read) = (whole.live(), read.live());
                (awaited, decoder) = (awaited.live(), decoder.live());
            }
            let mut expected = Vec::new();
            while let Some(raw) = if live { &mut read as &mut dyn Next } else { &mut whole }.next()
            {
                prop_assert!(raw.bytes.len() <= limit + 1);
                expected.push(cut(raw));
            }
            if !live {
                let mut found = Vec::new();
                while let Some(raw) = read.next_record().unwrap() {
                    found.push(cut(raw));
                }
                prop_assert_eq!(&found, &expected);
            }
            prop_assert_eq!(&pushed(decoder, &pieces), &expected);
            let mut found = Vec::new();
            while let Some(raw) = block_on(awaited.next_record()).unwrap() {
                found.push(cut(raw));
            }
            prop_assert_eq!(&found, &expected);
            prop_assert_eq!(awaited.position(), stream.len() as u64);
            Ok(())
        })
        .unwrap();
}

trait Next {
    fn next(&mut self) -> Option<RawRecord<'_>>;
}

impl<R: BufRead> Next for coordination_protocol::Records<R> {
    fn next(&mut self) -> Option<RawRecord<'_>> {
        self.next_record().unwrap()
    }
}

/// A stream that grows behind its end goes on with a new line.
#[test]
fn a_decoder_goes_on_behind_the_end() {
    let mut decoder = Codec::new(Mode::Interop).record_decoder();
    let mut input: &[u8] = b"a:b:c:{\"d\":\n";
    assert!(decoder.next_record(&mut input).is_none());
    assert_eq!(decoder.finish().map(cut), Some((b"a:b:c:{\"d\":".to_vec(), 1, 0)));
    assert!(decoder.finish().is_none());
    let mut input: &[u8] = b"1}\nx\n";
    assert_eq!(decoder.next_record(&mut input).map(cut), Some((b"1}".to_vec(), 2, 12)));
    assert_eq!(decoder.next_record(&mut input).map(cut), Some((b"x".to_vec(), 3, 15)));
}

/// An error of the stream, and a future that is dropped, lose nothing of what was read.
#[test]
fn reading_can_be_tried_again() {
    struct Nervous(&'static [u8], bool);
    impl Read for Nervous {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            self.1 = !self.1;
            if self.1 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let (Some((first, rest)), Some(place)) = (self.0.split_first(), out.first_mut()) else {
                return Ok(0);
            };
            (*place, self.0) = (*first, rest);
            Ok(1)
        }
    }
    let stream = b"A:b:c:{\"d\":\n1}\n\n}\nE:f:g:{}";
    let codec = Codec::new(Mode::Interop);
    let expected = pushed(codec.record_decoder(), &[stream]);
    assert_eq!(expected.len(), 2);

    let mut records = codec.records(BufReader::new(Nervous(stream, false)));
    let (mut found, mut errors) = (Vec::new(), 0);
    loop {
        match records.next_record() {
            Ok(Some(raw)) => found.push(cut(raw)),
            Ok(None) => break,
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                errors += 1;
            }
        }
    }
    assert_eq!(found, expected);
    assert!(errors >= stream.len());

    // Every second time that it is asked, the source lets its reader wait.
    let (mut rest, mut waits) = (&stream[..], false);
    let source = async move || {
        poll_fn(|_| {
            waits = !waits;
            if waits { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
        let (piece, behind) = rest.split_at(rest.len().min(1));
        rest = behind;
        Ok(piece)
    };
    let mut records = codec.async_records(source);
    let (mut found, mut dropped) = (Vec::new(), 0);
    loop {
        let next = std::pin::pin!(sendable(records.next_record()));
        match next.poll(&mut TaskContext::from_waker(Waker::noop())) {
            Poll::Ready(Ok(Some(raw))) => found.push(cut(raw)),
            Poll::Ready(end) => break assert!(end.unwrap().is_none()),
            Poll::Pending => dropped += 1,
        }
    }
    assert_eq!(found, expected);
    assert!(dropped >= stream.len());
}

/// Tasks of a runtime with several threads need futures that can be sent.
fn sendable<F: Future + Send>(future: F) -> F {
    future
}

/// Whatever is fed is looked at a fixed number of times: these would take hours otherwise.
#[test]
fn costs_stay_linear() {
    let blank = [b"{}".as_slice(), &b"\n".repeat(1_000_000), b"}"].concat();
    let long = b"x".repeat(1_000_000);
    let codec = Codec::new(Mode::Interop);
    let live = pushed(codec.record_decoder().live(), &[&blank, b"\n"]);
    assert_eq!(live.len(), 1);
    let pieces: Vec<&[u8]> = long.chunks(1).collect();
    assert_eq!(pushed(codec.record_decoder(), &pieces)[0].0.len(), Limits::DEFAULT.bytes + 1);
}
