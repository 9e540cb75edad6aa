//! What each fuzz target asserts of arbitrary bytes. The tests of the crate include this file and
//! run the same functions on the committed corpus and on generated input.
#![allow(unreachable_pub, missing_docs, clippy::missing_panics_doc, reason = "shared with tests")]

use coordination_protocol::event::{Codec, Event, EventRef};
use coordination_protocol::finding::{Code, FindingSeverity, Mode, Report};
use coordination_protocol::json::{
    self, Dialect, FaultKind, Json, JsonFault, Kind, Limits, Token, Visit, pointer,
};
use coordination_protocol::scalar as s;
use coordination_protocol::scan::{self, FileKind, LineIndex, Place, Snippet};
use serde_json::Value;
use std::fmt::Display;
use std::io::{BufReader, Read};
use std::ops::ControlFlow;
use std::str::FromStr;

/// A line in strict mode.
pub fn strict_line(data: &[u8]) {
    line(&Codec::new(Mode::Strict), data);
}

/// A line in interop mode, and the same bytes as a stream.
pub fn interop_line(data: &[u8]) {
    line(&Codec::new(Mode::Interop), data);
    records(data);
}

/// Every law that holds for any codec and any record.
pub fn line(codec: &Codec, data: &[u8]) {
    let record = codec.check_bytes(data);
    report(codec, data, &record.report);
    let refused = record.report.worst() == Some(FindingSeverity::Error);
    assert_eq!(record.value.is_none(), refused, "{:?}", record.report);
    let event = match codec.parse_bytes(data) {
        Ok(event) => event,
        Err(error) => {
            assert!(refused, "parse refuses with {error} what check accepts");
            let code = error.finding().code;
            assert_eq!(error.finding().severity, FindingSeverity::Error);
            assert!(
                record.report.has(code) || record.report.omitted() > 0,
                "parse says {code}, check says {:?}",
                record.report
            );
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    assert!(!refused, "parse accepts what check refuses: {:?}", record.report);
    accepted(codec, &event, &record.report);
}

fn accepted(codec: &Codec, event: &EventRef<'_>, report: &Report) {
    let text = event.as_str();
    assert_eq!(event.to_string(), text);
    let copy = event.to_buf();
    assert_eq!((copy.as_str(), copy.to_string()), (text, text.to_owned()));
    let members: Vec<_> = event.members().map(|(key, value)| (key.decode(text), value)).collect();
    for (key, value) in &members {
        assert_eq!(event.get(key), Some(value.raw(text)), "{key}");
    }
    let _ = event.data_digest();
    let typed = match event.decode() {
        Ok(typed) => typed,
        Err(error) => {
            // Only these are let pass without leaving a value that a type could hold.
            let excused = report.has(Code::MissingData) || report.has(Code::Placeholder);
            assert!(excused || report.omitted() > 0, "{error}: {text}");
            return;
        }
    };
    let unknown = members.len() - event.fields().filter(|(_, token)| token.is_some()).count();
    assert_eq!(typed.data.extra().len(), unknown, "every field is kept once: {text}");
    let line = typed.to_string();
    if line.len() > codec.limits().bytes {
        return; // Single quotes may double in length when they are rewritten.
    }
    assert!(!line.contains(['\n', '\r']), "{line:?}");
    let again = codec.parse(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
    let again = again.decode().unwrap_or_else(|error| panic!("{error}: {line}"));
    assert_eq!(again, typed, "{text}");
    assert_eq!(again.to_string(), line, "a canonical line is written as it was read");
    let deviations = codec.check(&line).report;
    for code in [
        Code::ByteOrderMark,
        Code::CarriageReturn,
        Code::SurroundingSpace,
        Code::ShellQuotes,
        Code::MultiLineData,
        Code::SingleQuotes,
    ] {
        assert!(!deviations.has(code), "{code} in a written line: {line}");
    }
    let wire = serde_json::to_string(&typed).unwrap_or_else(|error| panic!("{error}: {line}"));
    // The body may be longer than the line only by its keys.
    let back: Event = serde_json::from_str(&wire).unwrap_or_else(|error| panic!("{error}: {wire}"));
    assert_eq!(back, typed);
}

/// What holds for the report of any record.
pub fn report(codec: &Codec, data: &[u8], report: &Report) {
    let findings = report.findings();
    assert!(findings.len() <= codec.limits().findings);
    if report.omitted() > 0 {
        assert_eq!(findings.len(), codec.limits().findings);
    }
    let text = std::str::from_utf8(data).ok();
    for finding in findings {
        let range = &finding.range;
        assert!(range.start <= range.end && range.end <= data.len(), "{finding:?}");
        if let Some(text) = text {
            let whole = text.is_char_boundary(range.start) && text.is_char_boundary(range.end);
            assert!(whole, "inside a character: {finding:?}");
        }
        assert!(finding.severity == codec.severity(finding.code), "{finding:?}");
        assert!(finding.actual().len() <= 64, "{finding:?}");
        assert!(finding.pointer.is_empty() || finding.pointer.starts_with('/'), "{finding:?}");
        let _ = (finding.to_string(), finding.hint());
    }
    let key = |at: usize| (findings[at].range.start, findings[at].range.end, findings[at].code);
    for at in 1..findings.len() {
        assert!(key(at - 1) <= key(at), "out of order: {findings:?}");
    }
}

/// A stream gives the same records however it is chopped, each within the limit.
pub fn records(data: &[u8]) {
    let codec = Codec::new(Mode::Interop).with_limits(Limits::default().with_bytes(256));
    let whole = cut(&codec, data, data.len().max(1));
    assert_eq!(cut(&codec, data, 1), whole);
    assert_eq!(cut(&codec, data, 7), whole);
    let mut last = (0, None);
    for (bytes, line, offset) in &whole {
        assert!(bytes.len() <= codec.limits().bytes + 1);
        assert!(*line > last.0 && Some(*offset) > last.1, "records move on");
        last = (*line, Some(*offset));
        let at = usize::try_from(*offset).unwrap_or(usize::MAX);
        assert_eq!(data[at..at + bytes.len()], bytes[..], "a record is a piece of the stream");
        let breaks = data[..at].split(|byte| *byte == b'\n').count() as u64 - 1;
        assert_eq!(breaks + 1, *line, "lines count from 1");
    }
}

/// All records of a stream that arrives `step` bytes at a time.
pub fn cut(codec: &Codec, data: &[u8], step: usize) -> Vec<(Vec<u8>, u64, u64)> {
    struct Steps<'a>(&'a [u8], usize);
    impl Read for Steps<'_> {
        fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
            let count = self.1.min(self.0.len()).min(out.len());
            out[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }
    let mut records = codec.records(BufReader::with_capacity(step, Steps(data, step)));
    let mut out = Vec::new();
    while let Some(raw) = records.next_record().expect("reading from memory") {
        out.push((raw.bytes.to_vec(), raw.line, raw.offset));
    }
    assert_eq!(records.position(), data.len() as u64);
    let mut decoder = codec.record_decoder();
    let mut fed = Vec::new();
    for mut piece in data.chunks(step) {
        while let Some(raw) = decoder.next_record(&mut piece) {
            fed.push((raw.bytes.to_vec(), raw.line, raw.offset));
        }
    }
    while let Some(raw) = decoder.finish() {
        fed.push((raw.bytes.to_vec(), raw.line, raw.offset));
    }
    assert_eq!(fed, out, "what is fed is cut as what is read");
    out
}

/// What is valid is read and shown as it was spelled; what is not is refused with a reason.
fn kept<T: FromStr + Display + PartialEq + std::fmt::Debug>(text: &str, valid: bool)
where
    T::Err: Display,
{
    match text.parse::<T>() {
        Ok(value) => {
            assert!(valid, "{text:?} is read and not valid");
            let shown = value.to_string();
            assert_eq!(shown, text);
        }
        Err(error) => {
            assert!(!valid, "{text:?} is valid and refused: {error}");
            assert!(!error.to_string().is_empty());
        }
    }
}

/// Every scalar reads, refuses or keeps any text, and its judgement agrees with its constructor.
pub fn scalars(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    kept::<s::Span>(text, s::Span::is_valid(text));
    kept::<s::Timestamp>(text, s::Timestamp::is_valid(text));
    kept::<s::Window>(text, s::Window::is_valid(text));
    kept::<s::ByteSize>(text, s::ByteSize::is_valid(text));
    kept::<s::Digest>(text, s::Digest::is_valid(text));
    kept::<s::ComponentVersion>(text, s::ComponentVersion::is_valid(text));
    kept::<s::Severity>(text, s::Severity::is_valid(text));
    kept::<s::CheckpointType>(text, s::CheckpointType::is_valid(text));
    kept::<s::Quantity>(text, s::Quantity::is_valid(text));
    kept::<s::Percent>(text, s::Percent::is_valid(text));
    kept::<s::Ratio>(text, s::Ratio::is_valid(text));
    kept::<s::WorkflowId>(text, s::id::check(text).is_ok());
    // `007` is no JSON number, so what is read shows the same digits.
    kept::<s::Count>(text, s::Count::is_valid(text));
    assert_eq!(s::ProtocolVersion::is_valid(text), text.parse::<s::ProtocolVersion>().is_ok());
    let number = json::check(text, Dialect::Strict, &Limits::default()).is_ok()
        && text.as_bytes().first().is_some_and(|b| *b == b'-' || b.is_ascii_digit())
        && !text.ends_with([' ', '\t', '\n', '\r']);
    assert_eq!(s::Quantity::is_valid(text), number, "{text:?}");
    assert_eq!(s::Span::is_valid(text), s::Span::from_lenient(text).value().is_some());
}

/// The scanner against `serde_json`, and the walkers on whatever it is.
pub fn scanner(data: &[u8]) {
    let parsed = serde_json::from_slice::<Value>(data);
    let Ok(text) = std::str::from_utf8(data) else {
        assert!(parsed.is_err(), "not UTF-8, and read");
        return;
    };
    let verdict = verdict(text);
    match (&verdict, &parsed) {
        (Ok(repeated), Ok(value)) => {
            let fault = json::check(text, Dialect::Strict, &LIMITS).err();
            match fault {
                None => {
                    assert!(!*repeated);
                    agrees(text, value);
                    rewritten(text, value);
                }
                Some(fault) => {
                    assert_eq!(fault.kind, FaultKind::DuplicateKey);
                    assert!(*repeated);
                }
            }
        }
        (Err(fault), Err(_)) => {
            let range = &fault.range;
            assert!(range.start <= range.end && range.end <= text.len(), "{fault:?}");
            assert!(text.is_char_boundary(range.start) && text.is_char_boundary(range.end));
            if fault.kind != FaultKind::BeyondDouble {
                let first = json::check(text, Dialect::Strict, &LIMITS);
                assert!(first.is_err());
            }
        }
        // Without its feature for exact doubles, `serde_json` is off by an ulp now and then, also
        // where the next one up is infinity.
        (Ok(_), Err(error)) if error.to_string().starts_with("number out of range") => {
            assert!(on_the_edge(text), "{text:?}: {error}");
        }
        (Err(fault), Ok(_)) if fault.kind == FaultKind::BeyondDouble => {
            let number: f64 = serde_json::from_str(&text[fault.range.clone()]).unwrap_or(0.0);
            assert!(number.abs() > EDGE, "{text:?}: {fault}");
        }
        _ => panic!("{text:?}: scanner {verdict:?}, serde_json {parsed:?}"),
    }
    wander(text);
}

/// `serde_json` nests at most 127 deep.
pub const LIMITS: Limits = Limits::DEFAULT.with_depth(127).with_keys(1 << 20).with_bytes(1 << 24);

/// A few ulps below the largest double.
const EDGE: f64 = 1.797_693_134_862_31e308;

/// Whether a text has a number that is a double just so.
fn on_the_edge(text: &str) -> bool {
    struct Largest<'a>(&'a str, f64);
    impl Visit for Largest<'_> {
        fn value(&mut self, _: usize, value: Token) -> ControlFlow<()> {
            if value.kind() == Kind::Number {
                self.1 = self.1.max(value.raw(self.0).parse::<f64>().map_or(0.0, f64::abs));
            }
            ControlFlow::Continue(())
        }

        fn fault(&mut self, _: &JsonFault) -> ControlFlow<()> {
            ControlFlow::Continue(())
        }
    }
    let mut visitor = Largest(text, 0.0);
    let _ = json::scan(text, 0, &LIMITS, &mut visitor);
    visitor.1 > EDGE
}

/// The verdict that `serde_json` must share: duplicate keys pass and are told, numbers beyond a
/// double do not pass.
fn verdict(text: &str) -> Result<bool, JsonFault> {
    struct Lenient(bool);
    impl Visit for Lenient {
        fn fault(&mut self, fault: &JsonFault) -> ControlFlow<()> {
            if fault.kind == FaultKind::DuplicateKey {
                self.0 = true;
                return ControlFlow::Continue(());
            }
            ControlFlow::Break(())
        }
    }
    let mut visitor = Lenient(false);
    let token = json::scan(text, 0, &LIMITS, &mut visitor)?;
    match text[token.end()..].trim_start_matches([' ', '\t', '\n', '\r']) {
        "" => Ok(visitor.0),
        _ => Err(json::check(text, Dialect::Strict, &LIMITS).expect_err("text follows the value")),
    }
}

/// Pointers lead to the same values as those of `serde_json`, and back.
fn agrees(text: &str, value: &Value) {
    let root = text.len() - text.trim_start_matches([' ', '\t', '\n', '\r']).len();
    let mut count = 0;
    let mut stack = vec![(String::new(), value)];
    while let Some((path, value)) = stack.pop() {
        count += 1;
        if count > 64 {
            break;
        }
        let token = pointer::find(text, root, &path).unwrap_or_else(|| panic!("{path} of {text}"));
        let found: Value = serde_json::from_str(token.raw(text)).expect("a part of valid JSON");
        assert_eq!(found, *value, "{path}");
        assert_eq!(pointer::locate(text, root, token.start()), path, "{text}");
        assert_eq!(pointer::locate(text, root, token.end() - 1), path, "{text}");
        match value {
            Value::Array(items) => {
                assert_eq!(json::elements(text, token.start()).count(), items.len());
                for (index, item) in items.iter().enumerate() {
                    stack.push((format!("{path}/{index}"), item));
                }
                assert!(pointer::find(text, root, &format!("{path}/+0")).is_none());
                assert!(pointer::find(text, root, &format!("{path}/-")).is_none());
                assert!(pointer::find(text, root, &format!("{path}/00")).is_none());
            }
            Value::Object(map) => {
                assert_eq!(json::members(text, token.start()).count(), map.len());
                for (key, item) in map {
                    let mut path = path.clone();
                    pointer::push_key(&mut path, key);
                    stack.push((path, item));
                }
            }
            _ => assert!(pointer::find(text, root, &format!("{path}/0")).is_none()),
        }
    }
}

/// A value keeps its meaning and its spelling; its canonical form is a fixpoint.
fn rewritten(text: &str, value: &Value) {
    let limits = LIMITS.with_depth(126);
    if let Ok(kept) = text.parse::<Json>() {
        let again: Value = kept.decode().expect("a kept value is JSON");
        assert_eq!(again, *value);
        let reread: Json = kept.as_str().parse().expect("a kept value is kept");
        assert_eq!(reread, kept);
        assert_eq!(serde_json::to_string(&kept).expect("raw JSON"), kept.as_str());
    }
    if let Ok(canonical) = json::canonical(text, &limits) {
        let again = json::canonical(&canonical, &limits);
        assert_eq!(again.as_deref(), Ok(canonical.as_str()), "{text}");
        let meant: Value = serde_json::from_str(&canonical).expect("canonical JSON");
        assert!(same(&meant, value), "{canonical} is not {text}");
    }
}

/// Equality of values, numbers by their double.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => {
            let (Some(a), Some(b)) = (a.as_f64(), b.as_f64()) else { return false };
            // Without its feature for exact doubles, `serde_json` is off by an ulp now and then.
            (a - b).abs() <= a.abs() * 1e-14
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(k, a)| b.get(k).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}

/// The walkers never panic and end, even on what the scanner refused.
fn wander(text: &str) {
    let limits = LIMITS;
    let _ = json::check(text, Dialect::SingleQuoted, &limits);
    let root = text.find(['{', '[']).unwrap_or(0);
    if text[root..].starts_with(['{', '[']) {
        let mut seen = 0;
        let mut visit = |token: Token| {
            seen += 1;
            assert!(token.end() <= text.len() && token.start() < token.end());
            let _ = (token.raw(text), token.decode(text), token.means(text, "phase_id"));
            seen < 64
        };
        let _ = json::members(text, root).all(|(key, value)| {
            assert_eq!(key.kind(), Kind::Text);
            visit(key) && visit(value)
        });
        let _ = json::elements(text, root).all(&mut visit);
    }
    for path in ["", "/0", "/a", "/a~1b/0", "x"] {
        let _ = pointer::find(text, root, path);
    }
    for offset in [0, root, text.len() / 2, text.len()] {
        let _ = pointer::locate(text, root, offset);
    }
}

/// What is found in a file lies in it, in order, says where each byte comes from, and does not
/// depend on the line ends. So it is whatever kind of file the text is taken for.
pub fn scan(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let told = scan::looks_like(text);
    fn by_kind(text: &str, kind: FileKind) -> Vec<Snippet<'_>> {
        scan::scan_as(text, kind, &SCANNED).collect()
    }
    assert_eq!(scan::scan(text, &SCANNED).collect::<Vec<_>>(), by_kind(text, told));
    for kind in [
        FileKind::EventLines,
        FileKind::Json,
        FileKind::Markdown,
        FileKind::Shell,
        FileKind::Log,
        FileKind::Yaml,
    ] {
        let found = by_kind(text, kind);
        placed(text, &found);
        if !text.contains('\r') {
            let other = text.replace('\n', "\r\n");
            let (index, other_index) = (LineIndex::new(text), LineIndex::new(&other));
            let shown = |found: &[Snippet<'_>], index: &LineIndex<'_>| {
                found.iter().map(|snippet| shown(snippet, index)).collect::<Vec<_>>()
            };
            let again = shown(&by_kind(&other, kind), &other_index);
            assert_eq!(shown(&found, &index), again, "as {kind:?}");
            assert_eq!(scan::looks_like(&other), told);
        }
    }
}

/// Shallow enough to be reached by small inputs.
const SCANNED: Limits = Limits::DEFAULT.with_depth(4);

/// Everything about a snippet that line ends do not change.
fn shown(snippet: &Snippet<'_>, index: &LineIndex<'_>) -> String {
    let at = index.position(snippet.origin(0));
    let (form, place, command) = (snippet.form, snippet.place, &snippet.command);
    let (template, text) = (snippet.template, snippet.text.replace('\r', ""));
    let around = format!("{form:?} {place:?} {command:?}").replace("\\r", "");
    format!("{}:{} {around} {template} {text}", at.line, at.column)
}

fn placed(file: &str, found: &[Snippet<'_>]) {
    let mut last = 0;
    for snippet in found {
        let range = snippet.range();
        assert!(last <= range.start && range.end <= file.len(), "{snippet:?}");
        assert!(range.start < range.end && !snippet.text.is_empty(), "{snippet:?}");
        last = range.end;
        let mut before = 0;
        for (at, character) in snippet.text.char_indices() {
            let origin = snippet.origin(at);
            assert!(before <= origin && range.contains(&origin), "byte {at} of {snippet:?}");
            before = origin;
            let rest = &file[origin..];
            // An escape like `$'\n'` is the one thing that the file spells otherwise, but for what
            // stands between the parts of an event that a command puts together.
            let escape = rest.starts_with('\\')
                && matches!(snippet.place, Place::Argument { .. } | Place::InlineCode);
            let between = snippet.place == Place::Words;
            assert!(rest.starts_with(character) || escape || between, "byte {at} of {snippet:?}");
        }
        assert_eq!(snippet.origin(snippet.text.len()), range.end);
        if snippet.text.len() == range.len() {
            assert_eq!(snippet.text, file[range]);
        }
    }
}
