//! What the targets of documents and envelopes assert of arbitrary bytes; shared with the tests
//! like [`bodies`](super::bodies).
#![allow(unreachable_pub, missing_docs, clippy::missing_panics_doc, reason = "shared with tests")]

use super::bodies;
use coordination_protocol::event::{Codec, Registry};
use coordination_protocol::finding::{Code, Finding, FindingSeverity, Mode, Report};
use coordination_protocol::json::{self, Kind, Limits, Token, pointer};
use coordination_protocol::message::{Envelope, Message, MessageKind, MessageRef, peek};
use coordination_protocol::scalar::ProtocolVersion;
use serde_json::Value;

/// The body of a document: the first byte picks its kind, the rest is the body.
pub fn documents(data: &[u8]) {
    let Some((first, body)) = data.split_first() else { return };
    // The event is an envelope's concern.
    let kinds = MessageKind::KNOWN.len() - 1;
    let kind = MessageKind::KNOWN[usize::from(*first) % kinds];
    let text = [b"{\"", kind.as_str().as_bytes(), b"\":", body, b"}"].concat();
    message(&Codec::new(Mode::Strict), &text);
    message(&Codec::new(Mode::Interop), &text);
    if let Ok(text) = std::str::from_utf8(&text) {
        modes_agree(text);
        if let Ok(message) = MessageRef::parse(text) {
            typed_alone(&message);
        }
    }
}

/// A whole message, by several readers.
pub fn envelopes(data: &[u8]) {
    message(&Codec::new(Mode::Strict), data);
    message(&Codec::new(Mode::Interop), data);
    let small = Limits::default().with_bytes(2048).with_depth(9).with_keys(12).with_findings(3);
    message(&Codec::new(Mode::Interop).with_limits(small), data);
    let old = Registry::new(ProtocolVersion::V1_0_0);
    message(&Codec::new(Mode::Strict).with_registry(old), data);
    if let Ok(text) = std::str::from_utf8(data) {
        modes_agree(text);
        let _ = peek(text);
    }
}

/// Every law that holds for any reader and any bytes.
pub fn message(codec: &Codec, data: &[u8]) {
    let record = codec.check_message_bytes(data);
    bodies::report(codec, data, &record.report);
    let refused = record.report.worst() == Some(FindingSeverity::Error);
    assert_eq!(record.value.is_none(), refused, "{:?}", record.report);
    let Ok(text) = std::str::from_utf8(data) else {
        assert!(refused, "not UTF-8, and read");
        return;
    };
    places(text, &record.report);
    match (codec.verify_message(text), codec.parse_message(text)) {
        (Err(error), Err(other)) => {
            assert!(refused, "refused with {error}, though a check finds no error");
            assert_eq!(error, other);
            let finding = error.finding();
            assert_eq!(finding.severity, FindingSeverity::Error);
            let place = |f: &Finding| (f.code, f.pointer.clone(), f.range.clone());
            let mut all = record.report.findings().iter();
            let listed = all.any(|listed| place(listed) == place(finding));
            assert!(listed || record.report.omitted() > 0, "{error}: {:?}", record.report);
            assert!(!error.to_string().is_empty());
        }
        (Ok(kind), Ok(message)) => {
            assert!(!refused, "accepted, though a check finds {:?}", record.report);
            assert_eq!((kind, record.kind()), (message.kind(), kind));
            accepted(codec, &message, &record.report);
        }
        (verified, parsed) => panic!("{verified:?}, but {parsed:?}: {text}"),
    }
}

/// Whether a report says that the text as a whole cannot be walked.
fn unwalkable(report: &Report) -> bool {
    let broken = [
        Code::BrokenJson,
        Code::TooDeep,
        Code::TooManyKeys,
        Code::TooLong,
        Code::NotAMessage,
        Code::NotUtf8,
    ];
    report.omitted() > 0 || broken.iter().any(|code| report.has(*code))
}

/// Pointers and byte ranges lead to the same places.
fn places(text: &str, report: &Report) {
    if unwalkable(report) {
        return;
    }
    let Some(root) = text.find('{') else { panic!("no object, and not told: {text}") };
    // Of two equal keys, a pointer leads to the first.
    let twice = report.has(Code::DuplicateKey);
    for Finding { code, pointer, range, .. } in report.findings() {
        let located = pointer::locate(text, root, range.start);
        match code {
            Code::MissingIdentity | Code::MissingField | Code::MissingData | Code::AdvisedField => {
                let (parent, _) = pointer.rsplit_once('/').expect("a pointer to a member");
                assert_eq!((located.as_str(), &text[range.clone()]), (parent, "}"), "{text}");
                let there = pointer::find(text, root, pointer).is_some();
                assert!(!there || twice, "{pointer} is there: {text}");
            }
            _ if pointer.is_empty() => {}
            _ => {
                assert_eq!(&located, pointer, "{code}: {text}");
                if twice {
                    continue;
                }
                let token = pointer::find(text, root, pointer);
                let token = token.unwrap_or_else(|| panic!("{code} at {pointer}: {text}"));
                // The value, or the key before it.
                let whole = token.range() == *range || range.end <= token.start();
                assert!(whole, "{code} at {range:?} is a part of {pointer}: {text}");
            }
        }
    }
}

/// What holds for a message that is accepted.
fn accepted(codec: &Codec, message: &MessageRef<'_>, report: &Report) {
    let text = message.as_str();
    assert_eq!(message.to_string(), text);
    let current = *codec.registry().version() == ProtocolVersion::DEFAULT;
    if current {
        assert_eq!(peek(text).kind, message.kind(), "{text}");
    }
    walk(text, message);
    let envelope = match message.decode() {
        Ok(envelope) => envelope,
        Err(error) => {
            // Only these are let pass without leaving a value that a type could hold.
            let excused = [Code::MissingData, Code::Placeholder, Code::UnknownEventType];
            let excused = excused.iter().any(|code| report.has(*code)) || report.omitted() > 0;
            assert!(excused && codec.mode() == Mode::Interop, "{error}: {text}");
            return;
        }
    };
    assert_eq!(envelope.kind(), message.kind());
    let written = envelope.to_string();
    assert!(!written.contains(['\n', '\r']), "{written}");
    let renamed =
        message.is_flat() || report.has(Code::FieldAlias) || report.has(Code::MissingField);
    if !renamed && report.omitted() == 0 {
        let root = text.find('{').expect("an object");
        let (from, to) = (pointer::find(text, root, ""), pointer::find(&written, 0, ""));
        let (from, to) = (from.expect("a root"), to.expect("a root"));
        assert!(same(text, from, &written, to), "{text}\n{written}");
    }
    // Quotes may double in length, and a flat event nests one level deeper.
    let limits = codec.limits();
    let roomy = limits.with_bytes(usize::MAX).with_depth(limits.depth + 1).with_keys(usize::MAX);
    let again = codec.clone().with_limits(roomy);
    let again = again.parse_message(&written).unwrap_or_else(|error| panic!("{error}: {written}"));
    assert!(!again.is_flat());
    let again = again.decode().unwrap_or_else(|error| panic!("{error}: {written}"));
    assert_eq!((&again, again.to_string()), (&envelope, written.clone()), "{text}");
    if current && written.len() <= Limits::DEFAULT.bytes && limits.depth < Limits::DEFAULT.depth {
        serde_form(&envelope, &written);
    }
}

fn serde_form(envelope: &Envelope, written: &str) {
    let wire = serde_json::to_string(envelope).expect("JSON");
    assert_eq!(wire, written);
    let back: Envelope = serde_json::from_str(&wire).unwrap_or_else(|e| panic!("{e}: {wire}"));
    assert_eq!(back, *envelope);
}

/// Every part lies inside the text, where its parent is.
fn walk(text: &str, message: &MessageRef<'_>) {
    let root = message.root();
    assert_eq!(root.kind(), Kind::Object);
    let mut stack = vec![root];
    let mut left = 256;
    while let Some(part) = stack.pop() {
        left -= 1;
        if left == 0 {
            break;
        }
        assert_eq!(part.raw(), &text[part.token().range()]);
        for (_, inner) in part.members() {
            let (outer, inside) = (part.token().range(), inner.token().range());
            assert!(outer.start < inside.start && inside.end < outer.end, "{text}");
            stack.push(inner);
        }
    }
    let body = message.body().map(|body| body.token());
    assert!(body.is_none() || root.members().any(|(_, part)| Some(part.token()) == body));
}

/// Whether two values are equal: keys in any order, numbers by their spelling.
fn same(a: &str, from: Token, b: &str, to: Token) -> bool {
    match (from.kind(), to.kind()) {
        (Kind::Object, Kind::Object) => {
            let others: Vec<_> = json::members(b, to.start()).collect();
            let mut count = 0;
            let all = json::members(a, from.start()).all(|(key, value)| {
                count += 1;
                let name = key.decode(a);
                let other = others.iter().find(|(key, _)| key.means(b, &name));
                other.is_some_and(|(_, other)| same(a, value, b, *other))
            });
            all && count == others.len()
        }
        (Kind::Array, Kind::Array) => {
            let others: Vec<_> = json::elements(b, to.start()).collect();
            let items: Vec<_> = json::elements(a, from.start()).collect();
            items.len() == others.len()
                && items.iter().zip(&others).all(|(item, other)| same(a, *item, b, *other))
        }
        (Kind::Text, Kind::Text) => from.decode(a) == to.decode(b),
        (kind, other) => kind == other && from.raw(a) == to.raw(b),
    }
}

/// Both modes find the same; interop mode accepts whatever strict mode accepts, with one meaning.
fn modes_agree(text: &str) {
    let [strict, interop] = [Mode::Strict, Mode::Interop].map(Codec::new);
    let told = |codec: &Codec| {
        let report = codec.check_message(text).report;
        let one = |f: &Finding| (f.code, f.pointer.clone(), f.range.clone());
        (report.omitted(), report.findings().iter().map(one).collect::<Vec<_>>())
    };
    let (a, b) = (told(&strict), told(&interop));
    assert!(a == b || a.0 > 0, "{a:?}\n{b:?}");
    if let Ok(message) = strict.parse_message(text) {
        let meaning = message.decode().unwrap_or_else(|error| panic!("{error}: {text}"));
        let other = interop.parse_message(text).unwrap_or_else(|error| panic!("{error}: {text}"));
        assert_eq!(other.decode().as_ref(), Ok(&meaning), "{text}");
        assert!(serde_json::from_str::<Value>(text).is_ok() || text.starts_with('\u{feff}'));
    }
}

macro_rules! alone {
    ($message:expr, $body:expr; $($name:ident)+) => {
        match $message {
            $(Message::$name(document) => {
                let wire = serde_json::to_string(&document).expect("JSON");
                let back = serde_json::from_str::<coordination_protocol::message::$name>(&wire);
                assert_eq!(back.as_ref().ok(), Some(&*document), "{wire}");
                let read = serde_json::from_str::<coordination_protocol::message::$name>($body);
                assert_eq!(read.ok(), back.ok(), "{}", $body);
            })+
            other => panic!("a kind that is not tested: {}", other.kind()),
        }
    };
}

/// A document means the same without the envelope around it.
fn typed_alone(message: &MessageRef<'_>) {
    // Keys may close the body and go on beside it.
    let Some(body) = message.body() else { return };
    let envelope = message.decode().expect("accepted in strict mode");
    if envelope.kind() == MessageKind::Event {
        return;
    }
    alone!(envelope.message, body.raw();
        AllocationRequest AllocationResponse WorkflowState CheckpointSync ErrorReport
        ComponentRegistration HealthStatus ComponentConfig Hello Welcome Release ConflictCheck
        Rollback Heartbeat Subscription DeadLetter Proposal Vote Decision Deregistration);
}
