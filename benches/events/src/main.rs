//! Measures event lines: reading, writing and refusing, each against what one would write with
//! `serde_json` alone.
//!
//! Ratios count, nanoseconds only give the scale. Run it with `--features count-alloc` for the
//! allocations, and with a word to measure only the tables whose title has it.

#[path = "../../common/alloc.rs"]
mod alloc;
mod baseline;
mod corpus;
#[path = "../../common/harness.rs"]
mod harness;

use coordination_protocol::Envelope;
use coordination_protocol::event::{Codec, Event, EventBuf, EventHeader, EventRef};
use coordination_protocol::finding::Mode;
use coordination_protocol::json::Kind;
use corpus::{ERRORS, Random, Sample};
use harness::{Row, SHORT, row, table};
use serde::de::IgnoredAny;
use serde_json::Value;

static STRICT: Codec = Codec::new(Mode::Strict);

const LINES: usize = 10_000;

fn main() {
    let wanted = std::env::args().nth(1).unwrap_or_default().to_lowercase();
    let samples = corpus::samples(LINES);
    let lines: Vec<String> = samples.iter().map(Sample::line).collect();
    for line in &lines {
        assert!(EventRef::parse(line).is_ok() && baseline::read(line).is_some(), "{line}");
    }
    let bytes: usize = lines.iter().map(String::len).sum();
    println!("{LINES} lines, {:.0} bytes each on the mean", bytes as f64 / LINES as f64);

    let run = |title: &str, rows: Vec<Row<'_>>| {
        if title.to_lowercase().contains(&wanted) {
            table(title, LINES, SHORT, rows);
        }
    };
    run("Split the header", header(&lines));
    run("Read a line", read(&lines));
    let envelopes: Vec<String> = lines
        .iter()
        .map(|line| Envelope::from_line(&EventRef::parse(line).unwrap()).to_string())
        .collect();
    run("Read an event in an envelope, typed", enveloped(&lines, &envelopes));
    write(&samples, &run);
    refuse(&samples, &lines, &run);
}

fn header(lines: &[String]) -> Vec<Row<'_>> {
    vec![
        row("3 x memchr", lines, |line| baseline::split(line)),
        row("`EventHeader::parse`", lines, |line| EventHeader::parse(line)).at_most(2.0),
    ]
}

fn read(lines: &[String]) -> Vec<Row<'_>> {
    fn json<T: serde::de::DeserializeOwned>(line: &str) -> Option<T> {
        serde_json::from_str(baseline::split(line)?[3]).ok()
    }
    vec![
        row("split + `serde_json`, owned struct of the type", lines, |line| baseline::read(line)),
        row("3 x memchr", lines, |line| baseline::split(line)),
        row("split + `serde_json::IgnoredAny`", lines, |line| json::<IgnoredAny>(line)),
        row("split + `serde_json::Value`", lines, |line| json::<Value>(line)),
        row("`EventRef::parse`", lines, |line| EventRef::parse(line)).at_most(0.55),
        row("`EventBuf::parse`", lines, |line| EventBuf::parse(line)).at_most(0.60),
        row("`EventRef::parse` and every required value read", lines, |line| meaning(line))
            .at_most(1.1),
        row("`EventRef::parse` and `decode`", lines, |line| {
            EventRef::parse(line).ok()?.decode().ok()
        })
        .at_most(1.5),
    ]
}

/// The same events, as lines and as the bodies of envelopes without header keys.
fn enveloped<'a>(lines: &'a [String], envelopes: &'a [String]) -> Vec<Row<'a>> {
    vec![
        row("`line.parse::<Event>()`", lines, |line| line.parse::<Event>()),
        row("`text.parse::<Envelope>()`", envelopes, |text| text.parse::<Envelope>()).at_most(1.4),
        row("`Codec::verify_message`", envelopes, |text| STRICT.verify_message(text)),
    ]
}

/// Reads every required value by its meaning: texts resolved, numbers parsed.
fn meaning(line: &str) -> Option<(usize, f64)> {
    let mut read = (0, 0.0);
    for (_, value) in EventRef::parse(line).ok()?.fields() {
        let value = value?;
        match value.kind() {
            Kind::Text if value.is_escaped() => read.0 += value.decode(line).len(),
            Kind::Number => read.1 += value.raw(line).parse::<f64>().ok()?,
            _ => read.0 += value.inner(line).len(),
        }
    }
    Some(read)
}

fn write(samples: &[Sample], run: &dyn Fn(&str, Vec<Row<'_>>)) {
    use baseline::{Envelope, raw, typed};
    let lines: Vec<String> = samples.iter().map(|sample| sample.bare().line()).collect();
    let events: Vec<Event> = lines.iter().filter_map(|line| line.parse().ok()).collect();
    let envelopes: Vec<_> =
        lines.iter().filter_map(|line| Envelope::read(line, typed::payload)).collect();
    let raw: Vec<_> = lines.iter().filter_map(|line| Envelope::read(line, raw::payload)).collect();
    assert!(events.len() == LINES && envelopes.len() == LINES && raw.len() == LINES);
    let (mut copied, mut json, mut line) = (Vec::new(), Vec::new(), Vec::new());
    let rows = vec![
        row("`serde_json::to_vec` of an envelope", &envelopes, serde_json::to_vec),
        row("copy of the finished line", &lines, move |finished| {
            copied.clear();
            copied.extend_from_slice(finished.as_bytes());
            copied.len()
        }),
        row("`serde_json::to_vec`, objects as `RawValue`", &raw, serde_json::to_vec),
        row("`serde_json::to_writer`, reused buffer", &envelopes, move |envelope| {
            json.clear();
            serde_json::to_writer(&mut json, envelope).map(|()| json.len())
        }),
        row("`Event::write_line`, reused buffer", &events, move |event| {
            line.clear();
            event.write_line(&mut line);
            line.len()
        })
        .at_most(0.50),
    ];
    run("Write a line", rows);
}

fn refuse(samples: &[Sample], lines: &[String], run: &dyn Fn(&str, Vec<Row<'_>>)) {
    let broken: Vec<String> = samples
        .iter()
        .enumerate()
        .map(|(index, sample)| corpus::plant(sample, index % ERRORS))
        .collect();
    let random = &mut Random::new(2);
    let bare: Vec<String> = samples.iter().map(|sample| sample.bare().line()).collect();
    let three: Vec<String> =
        samples.iter().map(|sample| corpus::plant_three(&sample.bare(), random)).collect();
    let codec = Codec::new(Mode::Strict);
    for line in broken.iter().chain(&three) {
        assert!(codec.parse(line).is_err(), "{line}");
    }
    let findings: Vec<usize> =
        three.iter().map(|line| codec.check(line).report.findings().len()).collect();
    let most = findings.iter().max();
    let mean = findings.iter().sum::<usize>() as f64 / LINES as f64;

    run(
        "Refuse at the first error",
        vec![
            row("`EventRef::parse`, accepted", lines, |line| EventRef::parse(line).is_ok()),
            row("`EventRef::parse`, one error", &broken, |line| EventRef::parse(line).is_ok())
                .at_most(1.5),
        ],
    );
    run(
        &format!("Report everything ({mean:.1} findings a line, at most {})", most.unwrap_or(&0)),
        vec![
            row("`EventRef::parse`, accepted", &bare, |line| EventRef::parse(line).is_ok()),
            row("`Codec::check`, accepted", &bare, |line| codec.check(line)),
            row("`Codec::check`, up to 3 errors", &three, |line| codec.check(line)).at_most(10.0),
        ],
    );
}
