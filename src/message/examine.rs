//! The examination of a whole message: what surrounds it, its root, one scan, and what only the
//! whole can tell.

use super::MessageKind;
use super::body::{DATA, EVENT_TYPE, MESSAGE, PHASE, WORKFLOW};
use super::document::EnvelopeHeader;
use super::spec::ObjectSpec;
use super::tape::Tape;
use super::visitor::{EventParts, Root, Visitor};
use crate::event::sink::Sink;
use crate::event::{Codec, EventDataIn, faults};
use crate::finding::{Code, Finding, Hint};
use crate::json::{
    Dialect, FaultKind, Json, Kind, Limits, Token, canonical, check, members, pointer, scan,
    skip_space,
};
use crate::scalar::id;
use smol_str::SmolStr;
use std::ops::Range;

/// How the root of a message is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Header and body.
    Envelope,
    /// The field's flat event.
    Flat,
    /// No known body.
    Bare,
}

/// What an examination yields if the message has a shape at all.
pub(super) struct Examined<T> {
    pub(super) kind: MessageKind,
    pub(super) form: Form,
    pub(super) tape: T,
}

/// Examines a message. `None` if it has no shape that could be used, or the sink broke off.
pub(super) fn examine<S: Sink, T: Tape>(
    codec: &Codec,
    text: &str,
    sink: &mut S,
    tape: T,
) -> Option<Examined<T>> {
    let Range { start, end } = surroundings(codec, text, sink)?;
    let body = &text[..end];
    let mut visitor = Visitor::new(body, codec, sink, tape, Root::Message, start);
    let root = scanned(&mut visitor, body, start)?;
    let (form, kind) = visitor.form();
    match form {
        Form::Envelope if kind == MessageKind::Event => {
            event(&mut visitor, body, root, "/event")?;
        }
        Form::Envelope => {}
        Form::Flat => {
            let at = root.start()..root.start() + 1;
            let flow = visitor.push(Code::FlatEvent, || Finding::new(Code::FlatEvent, at));
            if flow.is_break() {
                return None;
            }
            event(&mut visitor, body, root, "")?;
            message_text(&mut visitor, body)?;
        }
        Form::Bare => no_body(&mut visitor, body, root)?,
    }
    Some(Examined { kind, form, tape: visitor.tape })
}

/// Examines one document without an envelope around it, as a part of something else.
pub(super) fn examine_object<S: Sink, T: Tape>(
    codec: &Codec,
    text: &str,
    start: usize,
    spec: &'static ObjectSpec,
    sink: &mut S,
    tape: T,
) -> Option<(Token, T)> {
    let mut visitor = Visitor::new(text, codec, sink, tape, Root::Spec(spec), start);
    let root = scanned(&mut visitor, text, start)?;
    Some((root, visitor.tape))
}

/// White space of JSON.
const BLANK: [char; 4] = [' ', '\t', '\n', '\r'];

/// Where the object that is the message starts, nothing reported; the end if there is none.
pub(super) fn root_of(text: &str) -> usize {
    let inner = text.trim_start_matches('\u{feff}').trim_start_matches(BLANK);
    let inner = inner.strip_prefix('\'').unwrap_or(inner).trim_start_matches(BLANK);
    if inner.starts_with('{') { text.len() - inner.len() } else { text.len() }
}

/// Takes off what may surround a message: mark, white space, shell quotes. `None` if no object
/// follows.
fn surroundings<S: Sink>(codec: &Codec, text: &str, sink: &mut S) -> Option<Range<usize>> {
    let limits = codec.limits();
    if text.len() > limits.bytes {
        let _ = sink.push(Code::TooLong, || faults::too_long(limits, text.as_bytes()));
        return None;
    }
    let mut start = 0;
    let mut end = text.trim_end_matches(BLANK).len();
    if text.starts_with('\u{feff}') {
        start = '\u{feff}'.len_utf8();
        let flow = sink.push(Code::ByteOrderMark, || Finding::new(Code::ByteOrderMark, 0..start));
        if flow.is_break() {
            return None;
        }
    }
    start = skip_space(text.as_bytes(), start);
    let quoted = text.get(start..end).and_then(|all| all.strip_prefix('\'')?.strip_suffix('\''));
    let quoted = quoted.map(|inner| inner.trim_matches(BLANK));
    if let Some(inner) = quoted.filter(|inner| inner.starts_with('{') && inner.ends_with('}')) {
        let range = start..end;
        if sink.push(Code::ShellQuotes, || Finding::new(Code::ShellQuotes, range)).is_break() {
            return None;
        }
        start = skip_space(text.as_bytes(), start + 1);
        end = start + inner.len();
    }
    if text.as_bytes().get(start) == Some(&b'{') {
        return Some(start..end);
    }
    let _ = sink.push(Code::NotAMessage, || {
        let rest = text.get(start..end.max(start)).unwrap_or_default();
        let (detail, hint) = if rest.is_empty() {
            ("it is empty", Hint::None)
        } else if rest.starts_with('[') {
            ("it is an array", Hint::Say("check the messages in it one by one"))
        } else if Codec::default().type_name(rest).is_some() {
            ("it is an event line", Hint::None)
        } else {
            ("it does not start with `{`", Hint::None)
        };
        Finding::new(Code::NotAMessage, start..end.max(start))
            .with_expected("a JSON object")
            .with_actual(rest)
            .with_detail(detail)
            .with_hint(hint)
    });
    None
}

/// Scans the value at `start`, to the end of the text.
fn scanned<S: Sink, T: Tape>(
    visitor: &mut Visitor<'_, '_, S, T>,
    text: &str,
    start: usize,
) -> Option<Token> {
    let codec = visitor.codec();
    match scan(text, start, codec.limits(), visitor) {
        Ok(root) => {
            let end = skip_space(text.as_bytes(), root.end());
            if end < text.len()
                && visitor.push(Code::TrailingText, || faults::trailing(text, end)).is_break()
            {
                return None;
            }
            Some(root)
        }
        Err(fault) => {
            // Those that a visitor may pass over were told when they were met.
            if fault.kind != FaultKind::Stopped && faults::passable(&fault).is_none() {
                let _ = visitor.push(faults::broken_code(&fault), || {
                    faults::broken(text, codec.limits(), &fault)
                });
            }
            None
        }
    }
}

/// What the root holds, from its keys. Stops at the first body key, so a bare document costs
/// nothing; a text that is no JSON may give any answer.
pub(super) fn form_of(text: &str, start: usize, codec: &Codec) -> (Form, MessageKind) {
    let version = codec.registry().version();
    let mut walk = members(text, start);
    let mut event_type = false;
    let mut workflow = false;
    while let Some((key, at)) = walk.next_key() {
        let name = key.decode(text);
        if let Some(kind) = MessageKind::lookup(&name)
            && kind.since() <= version
        {
            return (Form::Envelope, kind);
        }
        event_type |= name == "event_type";
        workflow |= matches!(&*name, "workflow_id" | "workflow_context");
        match walk.value_at(at) {
            Some(value) => walk.skip_to(value.end()),
            None => break,
        }
    }
    if event_type && workflow {
        (Form::Flat, MessageKind::Event)
    } else {
        (Form::Bare, MessageKind::Unknown)
    }
}

#[cold]
fn no_body<S: Sink, T: Tape>(
    visitor: &mut Visitor<'_, '_, S, T>,
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
            if EnvelopeHeader::SPEC.member(&name).is_none() && names.len() < 1024 {
                names.push_str(&name);
                names.push('\n');
            }
        }
        let mut unknown = names.lines().filter(|name| MessageKind::lookup(name).is_none());
        let close = unknown.find_map(|name| {
            let known = MessageKind::KNOWN.iter().filter(|kind| *kind.since() <= version);
            crate::scalar::nearest(name, known.map(|kind| kind.as_str()))
        });
        let hint = match close {
            Some(known) => Hint::Nearly { known: SmolStr::new(known) },
            None => Hint::None,
        };
        Finding::new(Code::NoBody, root.start()..root.start() + 1)
            .with_detail(detail)
            .with_hint(hint)
    });
    if flow.is_break() { None } else { Some(()) }
}

/// What an event in an envelope must hold beyond its four parts: the data of its type.
fn event<S: Sink, T: Tape>(
    visitor: &mut Visitor<'_, '_, S, T>,
    text: &str,
    root: Token,
    base: &str,
) -> Option<()> {
    let EventParts { tokens } = visitor.parts;
    // What is no text has its own finding, and says nothing that could be compared.
    let text_of = |place: usize| tokens[place].filter(|token: &Token| token.kind() == Kind::Text);
    let (workflow, phase) = (text_of(WORKFLOW), text_of(PHASE));
    let (Some(name), Some(data)) = (text_of(EVENT_TYPE), tokens[DATA]) else { return Some(()) };
    let key = |place: usize| if place == DATA { "data" } else { "event_type" };
    // The name that stands there: an alias has its own.
    let path = |place: usize, token: Token| {
        let at = pointer::locate(text, root.start(), token.start());
        if at.is_empty() { format!("{base}/{}", key(place)) } else { at }
    };
    let part = |token: Option<Token>| token.map_or(id::GLOBAL.into(), |token| token.decode(text));
    let (workflow_text, phase_text) = (part(workflow), part(phase));
    let name_text = name.decode(text);
    if data.kind() != Kind::Object {
        return Some(());
    }
    let codec = visitor.codec();
    codec.examine_data(
        EventDataIn {
            text,
            name: &name_text,
            name_range: name.range(),
            name_pointer: &|| path(EVENT_TYPE, name),
            workflow: workflow.map(|_| &*workflow_text),
            phase: phase.map(|_| &*phase_text),
            data,
            data_pointer: &|| path(DATA, data),
        },
        visitor.sink(),
    )
}

/// The text of a flat event must say what its fields say.
#[cold]
fn message_text<S: Sink, T: Tape>(visitor: &mut Visitor<'_, '_, S, T>, text: &str) -> Option<()> {
    let tokens = visitor.parts.tokens;
    let Some(message) = tokens[MESSAGE] else { return Some(()) };
    let line = message.decode(text);
    let Ok(header) = crate::event::EventHeader::parse(&line) else {
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
            // What has no canonical form is compared as it is spelled.
            let meaning = |raw: &str| {
                let json = Json::from_valid(raw);
                canonical(json.as_str(), &limits).unwrap_or_else(|_| json.to_string())
            };
            check(said, Dialect::SingleQuoted, &limits).is_err()
                || meaning(said) != meaning(token.raw(text))
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
