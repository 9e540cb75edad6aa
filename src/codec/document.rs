//! The examination of a whole message: what surrounds it, one scan, and what only the whole can tell.

use super::faults;
use super::form::Form;
use super::line::EventHeader;
use super::options::Codec;
use super::records::is_closers;
use super::sink::Sink;
use super::surroundings::{BLANK, peel};
use super::tape::Tape;
use super::visitor::{MessageVisitor, Root, scanned};
use crate::finding::{Code, Finding, Hint};
use crate::json::{Dialect, Json, Limits, Token, check, closing, members, same, skip_space};
use crate::scalar::{ProtocolVersion, nearest};
use crate::spec::{
    DATA, EVENT_TYPE, MESSAGE, MessageKind, ObjectSpec, PHASE, Role, TypeOrigin, WORKFLOW, objects,
};
use smol_str::SmolStr;
use std::ops::Range;

/// What an examination yields if the message has a shape at all.
#[derive(Clone)]
pub(crate) struct Examined<T> {
    pub(crate) kind: MessageKind,
    pub(crate) form: Form,
    /// The registered type of the event in it.
    pub(crate) origin: TypeOrigin,
    pub(crate) tape: T,
}

/// Examines a message. `None` if it has no shape that could be used, or the sink broke off.
pub(crate) fn examine_message<S: Sink, T: Tape>(
    codec: &Codec,
    text: &str,
    sink: &mut S,
    tape: T,
) -> Option<Examined<T>> {
    let Range { start, end } = unwrap(codec, text, sink)?;
    let body = &text[..end];
    let mut visitor = MessageVisitor::new(body, codec, sink, tape, Root::Message, start);
    let root = scanned(&mut visitor, body, start)?;
    let (form, kind) = visitor.form();
    match form {
        Form::Envelope if kind == MessageKind::Event => visitor.event_agrees().continue_value()?,
        Form::Envelope => {}
        Form::Flat => {
            let at = root.start()..root.start() + 1;
            let flow = visitor.push(Code::FlatEvent, || Finding::new(Code::FlatEvent, at));
            if flow.is_break() {
                return None;
            }
            visitor.event_agrees().continue_value()?;
            message_text(&mut visitor, body)?;
        }
        Form::Bare => no_body(&mut visitor, body, root)?,
    }
    Some(Examined { kind, form, origin: visitor.origin(), tape: visitor.tape })
}

/// What an examination of one object yields.
pub(crate) struct ExaminedObject<T> {
    pub(crate) origin: TypeOrigin,
    pub(crate) tape: T,
}

/// Examines one document without an envelope around it, as a part of something else.
pub(crate) fn examine_object<S: Sink, T: Tape>(
    codec: &Codec,
    text: &str,
    start: usize,
    spec: &'static ObjectSpec,
    sink: &mut S,
    tape: T,
) -> Option<ExaminedObject<T>> {
    let mut visitor = MessageVisitor::new(text, codec, sink, tape, Root::Spec(spec), start);
    scanned(&mut visitor, text, start)?;
    visitor.event_agrees().continue_value()?;
    Some(ExaminedObject { origin: visitor.origin(), tape: visitor.tape })
}

/// Tells what surrounds a message: mark and shell quotes. White space around it is fine. `None` if no
/// object follows.
fn unwrap<S: Sink>(codec: &Codec, text: &str, sink: &mut S) -> Option<Range<usize>> {
    let limits = codec.limits();
    if text.len() > limits.bytes {
        let _ = sink.push(Code::TooLong, || faults::too_long(limits, text.as_bytes()));
        return None;
    }
    if text.starts_with('{') {
        return Some(0..text.trim_end_matches(BLANK).len());
    }
    let around = peel(text);
    if !around.mark.is_empty() {
        let range = around.mark.clone();
        let flow = sink.push(Code::ByteOrderMark, || Finding::new(Code::ByteOrderMark, range));
        if flow.is_break() {
            return None;
        }
    }
    let mut range = around.quoted;
    if text[range.clone()].trim_matches(BLANK).is_empty() {
        range = text.len()..text.len();
    }
    let inner = around.record.start..text[..around.record.end].trim_end_matches(BLANK).len();
    let whole = text.get(inner.clone()).is_some_and(|it| it.starts_with('{') && it.ends_with('}'));
    if around.quote == Some('\'') && whole {
        let quoted = range;
        if sink.push(Code::ShellQuotes, || Finding::new(Code::ShellQuotes, quoted)).is_break() {
            return None;
        }
        range = inner;
    }
    if text.as_bytes().get(range.start) == Some(&b'{') {
        return Some(range);
    }
    let rest = &text[range.clone()];
    if rest.starts_with('[')
        && let Some(end) = closing(rest.as_bytes(), 0)
        && end < rest.len()
        && is_closers(&rest.as_bytes()[end..])
    {
        // The elements of a sound array are messages; this one is unsound behind its end.
        let at = skip_space(text.as_bytes(), range.start + end);
        let _ = sink.push(Code::TrailingText, || faults::trailing(text, at));
        return None;
    }
    let _ = sink.push(Code::NotAMessage, || {
        let (detail, hint) = if rest.is_empty() {
            ("it is empty", Hint::None)
        } else if rest.starts_with('[') {
            ("it is an array", Hint::Say("check the messages in it one by one"))
        } else if codec.event_name(rest).is_some() {
            ("it is an event line", Hint::None)
        } else {
            ("it does not start with `{`", Hint::None)
        };
        Finding::new(Code::NotAMessage, range)
            .with_expected("a JSON object")
            .with_actual(rest)
            .with_detail(detail)
            .hinted(hint)
    });
    None
}

#[cold]
fn no_body<S: Sink, T: Tape>(
    visitor: &mut MessageVisitor<'_, '_, S, T>,
    text: &str,
    root: Token,
) -> Option<()> {
    let version = visitor.codec().registry().version().clone();
    let flow = visitor.push(Code::NoBody, || {
        let mut names = String::new();
        let mut detail = SmolStr::default();
        for (key, _) in members(text, root.start()) {
            let name = key.decode(text);
            if let Some(kind) = MessageKind::lookup(&name) {
                detail = smol_str::format_smolstr!(
                    "; `{kind}` came with protocol {}, this is {version}",
                    kind.since()
                );
            }
            if objects::EnvelopeHeader::SPEC.member(&name).is_none() && names.len() < 1024 {
                names.push_str(&name);
                names.push('\n');
            }
        }
        let mut unknown = names.lines().filter(|name| MessageKind::lookup(name).is_none());
        let close = unknown.find_map(|name| {
            let known = MessageKind::KNOWN.iter().filter(|kind| *kind.since() <= version);
            nearest(name, known.map(|kind| kind.as_str()))
        });
        let hint = match close {
            Some(known) => Hint::Nearly { known: SmolStr::new(known) },
            None => without_key(text, root, &version),
        };
        Finding::new(Code::NoBody, root.start()..root.start() + 1).with_detail(detail).hinted(hint)
    });
    if flow.is_break() { None } else { Some(()) }
}

/// What a message without a body key would be under one, by its fields: all that identify a document
/// are there, or a workflow asks for amounts.
fn without_key(text: &str, root: Token, version: &ProtocolVersion) -> Hint {
    let has = |name: &str| members(text, root.start()).any(|(key, _)| key.means(text, name));
    let count = |spec: &ObjectSpec| spec.members.iter().filter(|it| has(it.name)).count();
    let mut best: Option<(usize, Hint)> = None;
    for kind in MessageKind::KNOWN.iter().filter(|kind| kind.since() <= version) {
        let Some(spec) = kind
            .spec()
            .filter(|spec| spec.role == Role::Plain || spec.role == Role::AllocationResponse)
        else {
            continue;
        };
        let own = count(spec);
        let mut essential =
            spec.members.iter().enumerate().filter(|(place, _)| spec.essential >> place & 1 == 1);
        let whole = own > 1 && spec.essential != 0 && essential.all(|(_, it)| has(it.name));
        // The amounts of a request stand one level deeper, and commands write them flat.
        let amounts = if *kind == MessageKind::AllocationRequest && !has("resources") && own > 0 {
            count(objects::Resources::SPEC)
        } else {
            0
        };
        let matched = own + amounts;
        if (whole || amounts > 0) && best.as_ref().is_none_or(|(most, _)| matched > *most) {
            let amounts = if amounts > 0 { ", the amounts under its `resources`" } else { "" };
            let text = smol_str::format_smolstr!(
                "these are fields of `{kind}`; put them under that key{amounts}"
            );
            best = Some((matched, Hint::Told(text)));
        }
    }
    best.map_or(Hint::None, |(_, hint)| hint)
}

/// The text of a flat event must say what its fields say.
#[cold]
fn message_text<S: Sink, T: Tape>(
    visitor: &mut MessageVisitor<'_, '_, S, T>,
    text: &str,
) -> Option<()> {
    let tokens = visitor.parts;
    let Some(message) = tokens[MESSAGE] else { return Some(()) };
    let line = message.decode(text);
    let Ok(header) = EventHeader::parse(&line) else {
        // Free text for people is no contradiction.
        return Some(());
    };
    let differs =
        |place: usize, said: &str| tokens[place].is_some_and(|token| !token.means(text, said));
    let data_differs = || {
        tokens[DATA].is_some_and(|token| {
            let said = header.data.trim_matches(BLANK);
            let limits = Limits::DEFAULT
                .with_bytes(usize::MAX)
                .with_depth(Limits::MAX_DEPTH)
                .with_keys(usize::MAX);
            check(said, Dialect::SingleQuoted, &limits).is_err()
                || !same(&Json::from_valid(said), &Json::from_valid(token.raw(text)))
        })
    };
    let part = if differs(EVENT_TYPE, header.type_name) {
        "event type"
    } else if differs(WORKFLOW, header.workflow) {
        "workflow"
    } else if differs(PHASE, header.phase) {
        "phase"
    } else if data_differs() {
        "data"
    } else {
        return Some(());
    };
    let flow = visitor.push(Code::MessageMismatch, || {
        Finding::new(Code::MessageMismatch, message.range())
            .with_pointer("/message")
            .with_actual(&line)
            .with_detail(part)
    });
    if flow.is_break() { None } else { Some(()) }
}
