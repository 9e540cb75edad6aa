//! What is filtered.

use super::field::{Field, Target};
use crate::event::{EventHeader, EventRef};
use crate::json::pointer::Part;
use crate::json::{Kind, Token, members};
use crate::message::{ENVELOPE, FLAT, MessageKind, MessageRef, ObjectSpec};
use crate::scalar::id;
use std::borrow::Cow;

/// An event or a message as a filter sees it.
///
/// Nothing is decoded when it is made, and of the data only as much is walked as stands before
/// what a test looks at.
///
/// ```
/// use coordination_protocol::EventRef;
/// use coordination_protocol::route::{Filter, FilterInput};
///
/// let line = r#"TASK_TIMEOUT:wf_001:build:{"task_id":"t1","agent_id":"a1","timeout_duration":"15m"}"#;
/// let event = EventRef::parse(line)?;
/// let filter = Filter::parse("workflow prefix wf_ and /task_id = t1")?;
/// assert!(filter.accepts(&FilterInput::from(&event), 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct FilterInput<'a>(Source<'a>);

#[derive(Clone, Copy, Debug)]
enum Source<'a> {
    Event(&'a EventRef<'a>),
    Line(EventHeader<'a>),
    Message {
        text: &'a str,
        root: usize,
        kind: MessageKind,
        /// Where the body starts; the root for a flat event, `None` without a body.
        body: Option<usize>,
        flat: bool,
    },
}

/// A value that was found.
#[derive(Clone, Copy, Debug)]
pub(super) enum Found<'a> {
    Plain(&'a str),
    Json(&'a str, Token),
}

impl<'a> Found<'a> {
    pub(super) fn kind(self) -> Kind {
        match self {
            Found::Plain(_) => Kind::Text,
            Found::Json(_, token) => token.kind(),
        }
    }

    /// The meaning of a text.
    pub(super) fn text(self) -> Option<Cow<'a, str>> {
        match self {
            Found::Plain(text) => Some(Cow::Borrowed(text)),
            Found::Json(text, token) => (token.kind() == Kind::Text).then(|| token.decode(text)),
        }
    }

    /// Whether it is a text with this meaning.
    pub(super) fn means(self, wanted: &str) -> bool {
        match self {
            Found::Plain(text) => text == wanted,
            Found::Json(text, token) => token.kind() == Kind::Text && token.means(text, wanted),
        }
    }

    /// The value as spelled, if it is of the kind.
    pub(super) fn raw(self, kind: Kind) -> Option<&'a str> {
        match self {
            Found::Json(text, token) if token.kind() == kind => Some(token.raw(text)),
            _ => None,
        }
    }
}

impl<'a> FilterInput<'a> {
    /// The event line or the message of a text that was not checked; `None` if it is neither.
    ///
    /// Of a text that a check would refuse, any answer can come. A byte order mark and quotes
    /// around the whole are not taken off here; read the text with a
    /// [`Codec`](crate::Codec) where they are met.
    ///
    /// ```
    /// use coordination_protocol::route::{Filter, FilterInput};
    ///
    /// let text = r#"{"source":"hub","release":{"allocation_id":"alloc_789"}}"#;
    /// let filter = Filter::parse("kind = release and source = hub")?;
    /// assert!(filter.accepts(&FilterInput::read(text).unwrap(), 0));
    /// assert!(FilterInput::read("hello").is_none());
    /// # Ok::<(), coordination_protocol::route::FilterError>(())
    /// ```
    pub fn read(text: &'a str) -> Option<Self> {
        let inner = text.trim_start_matches([' ', '\t', '\n', '\r']);
        // A line cannot start with a brace and a document has to, so one byte decides.
        if !inner.starts_with('{') {
            return EventHeader::parse(text).ok().map(|header| FilterInput(Source::Line(header)));
        }
        let root = text.len() - inner.len();
        let (mut event_type, mut workflow) = (false, false);
        for (key, value) in members(text, root) {
            let key = key.decode(text);
            if let Some(kind) = MessageKind::lookup(&key) {
                let body = Some(value.start());
                return Some(FilterInput(Source::Message { text, root, kind, body, flat: false }));
            }
            // A flat event has no body key. Both fields are asked for, because either alone may be
            // an unknown field of something else.
            event_type |= key == "event_type";
            workflow |= names(&FLAT, "workflow_id", &key).is_some();
        }
        let flat = event_type && workflow;
        let kind = if flat { MessageKind::Event } else { MessageKind::Unknown };
        let body = flat.then_some(root);
        Some(FilterInput(Source::Message { text, root, kind, body, flat }))
    }

    /// The value of a field: what a text means, and anything else as it is spelled. `None` if it is
    /// absent.
    ///
    /// ```
    /// use coordination_protocol::route::{Field, FilterInput};
    ///
    /// let subject = FilterInput::read(r#"TASK_FAILED:wf_001:build:{"retry_count":2}"#).unwrap();
    /// assert_eq!(subject.value(&Field::parse("workflow")?).as_deref(), Some("wf_001"));
    /// assert_eq!(subject.value(&Field::parse("/retry_count")?).as_deref(), Some("2"));
    /// # Ok::<(), coordination_protocol::route::FilterError>(())
    /// ```
    pub fn value(&self, field: &'a Field) -> Option<Cow<'a, str>> {
        let found = self.find(field)?;
        found.text().or_else(|| found.raw(found.kind()).map(Cow::Borrowed))
    }

    /// The value of a field; `None` if it is absent.
    pub(super) fn find(&self, field: &'a Field) -> Option<Found<'a>> {
        match (self.0, &field.0) {
            (Source::Event(_) | Source::Line(_), Target::Kind) => {
                Some(Found::Plain(MessageKind::Event.as_str()))
            }
            (Source::Event(event), Target::Type) => Some(Found::Plain(event.type_name())),
            (Source::Event(event), Target::Workflow) => Some(Found::Plain(event.workflow())),
            (Source::Event(event), Target::Phase) => Some(Found::Plain(event.phase())),
            (Source::Line(line), Target::Type) => Some(Found::Plain(line.type_name)),
            (Source::Line(line), Target::Workflow) => Some(Found::Plain(line.workflow)),
            (Source::Line(line), Target::Phase) => Some(Found::Plain(line.phase)),
            (Source::Event(_) | Source::Line(_), Target::Header(_)) => None,
            (Source::Event(event), Target::Data(pointer)) => {
                let (first, rest) = pointer.parts.split_first()?;
                // The positions of required data were noted when the line was checked.
                let noted = event.fields().find(|(spec, _)| spec.name == first.key());
                let text = event.as_str();
                // A pointer into a required field starts where the check has found it, and skips
                // all data before.
                match noted.and_then(|(_, token)| token) {
                    Some(token) => descend(text, token, rest),
                    None => walk(text, event.data_start(), &pointer.parts),
                }
            }
            (Source::Line(line), Target::Data(pointer)) => {
                let data = line.data;
                walk(data, data.len() - data.trim_start().len(), &pointer.parts)
            }
            (Source::Message { text, root, kind, body, flat }, target) => {
                message(text, root, kind, body, flat, target)
            }
        }
    }
}

fn message<'a>(
    text: &'a str,
    root: usize,
    kind: MessageKind,
    body: Option<usize>,
    flat: bool,
    target: &'a Target,
) -> Option<Found<'a>> {
    let event = kind == MessageKind::Event;
    let spec = if flat { &FLAT } else { &ENVELOPE };
    // The parts of an event stand in its body, and those of a flat event in the root.
    let part = |name| member(text, body?, flat.then_some(spec), name);
    let token = match target {
        Target::Kind => return body.map(|_| Found::Plain(kind.as_str())),
        Target::Header(name) => member(text, root, Some(spec), name),
        Target::Workflow => part("workflow_id").filter(|token| token.kind() == Kind::Text),
        Target::Type if event => part("event_type"),
        Target::Phase if event => match part("phase") {
            None => return Some(Found::Plain(id::GLOBAL)),
            some => some,
        },
        Target::Type | Target::Phase => None,
        Target::Data(pointer) if event => {
            return descend(text, part("data")?, &pointer.parts);
        }
        Target::Data(pointer) => return walk(text, body?, &pointer.parts),
    };
    token.map(|token| Found::Json(text, token))
}

/// How a key names a member: 0 as itself, 1 by an alias.
fn names(spec: &ObjectSpec, name: &str, key: &str) -> Option<u8> {
    if key == name {
        return Some(0);
    }
    let stands_for = |place: usize| spec.members.get(place).is_some_and(|own| own.name == name);
    let alias = spec.aliases.iter().any(|(alias, place)| *alias == key && stands_for(*place));
    alias.then_some(1)
}

/// The member of a name. Where a specification has aliases, the member itself counts, and else the
/// first alias.
fn member(text: &str, open: usize, spec: Option<&ObjectSpec>, name: &str) -> Option<Token> {
    if text.as_bytes().get(open) != Some(&b'{') {
        return None;
    }
    let mut alias = None;
    for (key, value) in members(text, open) {
        // The member itself wins over an alias, wherever each stands: the reader of messages does
        // the same.
        if key.means(text, name) {
            return Some(value);
        }
        if let Some(spec) = spec
            && alias.is_none()
            && names(spec, name, &key.decode(text)).is_some()
        {
            alias = Some(value);
        }
    }
    alias
}

/// What the parts of a pointer name below the value that starts at a byte.
fn walk<'a>(text: &'a str, start: usize, parts: &[Part]) -> Option<Found<'a>> {
    let (first, rest) = parts.split_first()?;
    descend(text, first.child(text, start)?, rest)
}

/// What the parts of a pointer name below a value.
fn descend<'a>(text: &'a str, token: Token, parts: &[Part]) -> Option<Found<'a>> {
    let mut parts = parts.iter();
    let token = parts.try_fold(token, |token, part| part.child(text, token.start()))?;
    Some(Found::Json(text, token))
}

impl<'a> From<&'a EventRef<'a>> for FilterInput<'a> {
    fn from(event: &'a EventRef<'a>) -> Self {
        FilterInput(Source::Event(event))
    }
}

impl<'a> From<&'a MessageRef<'a>> for FilterInput<'a> {
    fn from(message: &'a MessageRef<'a>) -> Self {
        let root = message.root().token().start();
        let flat = message.is_flat();
        let body = if flat { Some(root) } else { message.body().map(|body| body.token().start()) };
        FilterInput(Source::Message {
            text: message.as_str(),
            root,
            kind: message.kind(),
            body,
            flat,
        })
    }
}
