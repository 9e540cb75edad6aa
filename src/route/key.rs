//! Routing keys.

use super::escape::{self, EscapeError};
use super::message::{SCOPE, in_message_scope, routed};
use super::text::Text;
use crate::event::{Category, Event, EventBuf, EventRef, EventType, REGISTRY, Registry};
use crate::scalar::{ScalarError, id};
use crate::spec::{Known, custom_word_at};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

/// Where a message goes: the triple of type, workflow and phase, with what the registry says of
/// the type.
///
/// It prints as the canonical key `scope.workflow.word`. The scope is the type's category and the
/// word is the type without it. A type that is not registered has its first part for a scope
/// and the rest for a word, or itself for both if it has one part only. In all tokens `.`, `*`,
/// `>`, `%`, `:`, white space and control characters are percent-encoded.
///
/// The parts are not checked: any text makes a key, and an empty part meets wildcards only.
///
/// ```
/// use coordination_protocol::route::RouteKey;
///
/// let key = RouteKey::new("RESOURCE_ALLOCATED", "wf_001", "build");
/// assert_eq!(key.to_string(), "resource.wf_001.allocated");
/// assert_eq!(key.type_key().as_deref(), Some("RESOURCE_ALLOCATED.wf_001.build"));
///
/// let dotted = RouteKey::new("TEMPLATE_VALIDATION_COMPLETED", "v1.2 beta", "global");
/// assert_eq!(dotted.to_string(), "template.v1%2E2%20beta.validation_completed");
/// ```
#[doc(alias = "subject")]
#[doc(alias = "topic")]
#[doc(alias = "routing key")]
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RouteKey<'a> {
    type_name: Text<'a>,
    workflow: Text<'a>,
    phase: Option<Text<'a>>,
    origin: Origin<'a>,
}

/// Where scope and word come from. A word is always the end of the type's name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Origin<'a> {
    Protocol(EventType),
    Caller { scope: Text<'a>, word_at: usize },
    Unknown { scope_end: usize, word_at: usize },
}

impl<'a> Origin<'a> {
    fn caller(category: &'a Category, name: &str) -> Self {
        let word_at = custom_word_at(name, category);
        Origin::Caller { scope: Text::Borrowed(category.as_str()), word_at }
    }

    fn into_owned<'b>(self) -> Origin<'b> {
        match self {
            Origin::Protocol(kind) => Origin::Protocol(kind),
            Origin::Caller { scope, word_at } => {
                Origin::Caller { scope: scope.into_owned(), word_at }
            }
            Origin::Unknown { scope_end, word_at } => Origin::Unknown { scope_end, word_at },
        }
    }

    fn unknown(name: &str) -> Self {
        if in_message_scope(name) {
            return Origin::Caller { scope: Text::Borrowed(SCOPE), word_at: 0 };
        }
        match name.find('_') {
            // A name that starts or ends with `_` has an empty part, which no pattern can spell;
            // the whole name stands for both then.
            Some(at) if at > 0 && at + 1 < name.len() => {
                Origin::Unknown { scope_end: at, word_at: at + 1 }
            }
            _ => Origin::Unknown { scope_end: name.len(), word_at: 0 },
        }
    }
}

fn lower(text: &str) -> Cow<'_, str> {
    // Categories are lower case already, so nearly every key borrows.
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(text.to_ascii_lowercase())
    } else {
        Cow::Borrowed(text)
    }
}

static DEFAULT: Registry = Registry::new(crate::scalar::ProtocolVersion::DEFAULT);

impl<'a> RouteKey<'a> {
    /// The key of a triple under the registry of protocol 1.1.0.
    pub fn new(type_name: &'a str, workflow: &'a str, phase: &'a str) -> Self {
        RouteKey::with_registry(&DEFAULT, type_name, workflow, phase)
    }

    /// The key of a triple under a registry of your own, which may know more types or fewer.
    ///
    /// ```
    /// use coordination_protocol::event::{Category, Registry};
    /// use coordination_protocol::route::RouteKey;
    ///
    /// let registry = Registry::default().with_type("SHIP_DONE", Category::new("deploy")?, [])?;
    /// let key = RouteKey::with_registry(&registry, "SHIP_DONE", "wf_001", "global");
    /// assert_eq!(key.to_string(), "deploy.wf_001.ship_done");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_registry(
        registry: &'a Registry,
        type_name: &'a str,
        workflow: &'a str,
        phase: &'a str,
    ) -> Self {
        RouteKey {
            type_name: Text::Borrowed(type_name),
            workflow: Text::Borrowed(workflow),
            phase: Some(Text::Borrowed(phase)),
            origin: origin(registry, type_name),
        }
    }

    /// The name of the type. For a key read from its canonical form that no registered type has,
    /// it is the scope and the word, joined in upper case.
    pub fn type_name(&self) -> &str {
        &self.type_name
    }

    /// The type, if the registry had it.
    pub fn event_type(&self) -> Option<EventType> {
        match self.origin {
            Origin::Protocol(kind) => Some(kind),
            _ => None,
        }
    }

    /// Whether the type is one of the protocol's or of the caller's.
    pub fn is_registered(&self) -> bool {
        !matches!(self.origin, Origin::Unknown { .. })
    }

    /// The workflow's identifier, or `global`.
    pub fn workflow(&self) -> &str {
        &self.workflow
    }

    /// The phase, or `global`; none if the key was read from its canonical form.
    pub fn phase(&self) -> Option<&str> {
        self.phase.as_deref()
    }

    /// The category in lower case, or the first part of an unregistered type.
    pub fn scope(&self) -> Cow<'_, str> {
        lower(self.raw_scope())
    }

    /// The type without its category, in lower case.
    pub fn word(&self) -> Cow<'_, str> {
        lower(self.raw_word())
    }

    /// The other rendering, `TYPE.workflow.phase`; none if the phase is not known.
    ///
    /// It reads back with [`parse`](Self::parse) if the type is upper case, as all types of the
    /// protocol are.
    pub fn type_key(&self) -> Option<String> {
        let mut out = String::new();
        for (separator, part) in
            [("", &self.type_name), (".", &self.workflow), (".", self.phase.as_ref()?)]
        {
            out.push_str(separator);
            escape::write(&mut out, part).ok()?;
        }
        Some(out)
    }

    /// The key with texts of its own, which its copies share.
    pub fn into_owned(self) -> RouteKey<'static> {
        RouteKey {
            type_name: match self.origin {
                // A registered name is static: owning the key copies no name.
                Origin::Protocol(kind) => Text::Borrowed(kind.as_str()),
                _ => self.type_name.into_owned(),
            },
            workflow: self.workflow.into_owned(),
            phase: self.phase.map(Text::into_owned),
            origin: self.origin.into_owned(),
        }
    }

    /// The scope, in whatever case it is.
    pub(super) fn raw_scope(&self) -> &str {
        match &self.origin {
            Origin::Protocol(kind) => kind.spec().category.as_str(),
            Origin::Caller { scope, .. } => scope,
            Origin::Unknown { scope_end, .. } => &self.type_name[..*scope_end],
        }
    }

    /// The word, in whatever case it is.
    pub(super) fn raw_word(&self) -> &str {
        match self.origin {
            Origin::Protocol(kind) => kind.spec().word,
            Origin::Caller { word_at, .. } | Origin::Unknown { word_at, .. } => {
                &self.type_name[word_at..]
            }
        }
    }

    /// Whether a pattern's scope selects this key.
    pub(super) fn in_scope(&self, scope: &str) -> bool {
        scope.eq_ignore_ascii_case(self.raw_scope())
            || scope.eq_ignore_ascii_case(widening_scope(&self.workflow))
    }

    /// Whether a pattern's word selects this key.
    pub(super) fn has_word(&self, word: &str) -> bool {
        word.eq_ignore_ascii_case(self.raw_word()) || self.has_full_word(word)
    }

    /// Whether a word that does not need its scope selects this key.
    fn has_full_word(&self, word: &str) -> bool {
        word.eq_ignore_ascii_case(&self.type_name)
            || self
                .event_type()
                .and_then(|kind| kind.spec().alias)
                .is_some_and(|alias| word.eq_ignore_ascii_case(alias))
    }
}

/// The scope that selects a key whatever its category is.
pub(super) fn widening_scope(workflow: &str) -> &'static str {
    if workflow == id::GLOBAL { "system" } else { "workflow" }
}

fn origin<'a>(registry: &'a Registry, name: &str) -> Origin<'a> {
    match registry.find(name) {
        Known::Type(kind) => Origin::Protocol(kind),
        Known::Custom(custom) => Origin::caller(&custom.category, name),
        // A type of a later version is unknown to this one, also for routing: its word would
        // otherwise select events that a reader of this version calls unregistered.
        Known::Later(_) | Known::Unknown => Origin::unknown(name),
    }
}

/// What the reader of an event found its type to be.
fn origin_of<'a>(kind: Option<EventType>, category: Option<&Category>, name: &str) -> Origin<'a> {
    match (kind, category) {
        (Some(kind), _) => Origin::Protocol(kind),
        (None, Some(category)) => Origin::caller(category, name).into_owned(),
        (None, None) => Origin::unknown(name),
    }
}

impl RouteKey<'static> {
    /// Reads a key back: the canonical form, `TYPE.workflow.phase`, or the header of an event
    /// line with or without its data.
    ///
    /// The canonical form does not tell the phase. Its type is found by scope and word in the
    /// registry of protocol 1.1.0.
    ///
    /// # Errors
    /// [`RouteKeyError`] for a text that is none of the three.
    ///
    /// ```
    /// use coordination_protocol::route::RouteKey;
    ///
    /// let key = RouteKey::parse("resource.wf%2E1.allocated")?;
    /// assert_eq!((key.type_name(), key.workflow(), key.phase()), ("RESOURCE_ALLOCATED", "wf.1", None));
    /// assert_eq!(RouteKey::parse("TASK_FAILED.wf_001.build")?.phase(), Some("build"));
    /// assert_eq!(RouteKey::parse("TASK_FAILED:wf_001:build:{}")?.phase(), Some("build"));
    /// # Ok::<(), coordination_protocol::route::RouteKeyError>(())
    /// ```
    pub fn parse(text: &str) -> Result<Self, RouteKeyError> {
        RouteKey::parse_with(&DEFAULT, text)
    }

    /// As [`parse`](Self::parse), with a registry of your own.
    ///
    /// # Errors
    /// [`RouteKeyError`].
    pub fn parse_with(registry: &Registry, text: &str) -> Result<Self, RouteKeyError> {
        if text.is_empty() {
            return Err(RouteKeyError::Empty);
        }
        // A colon is escaped in both dotted forms, so it can only be the header of a line.
        if text.contains(':') {
            return header(registry, text);
        }
        let mut parts = Vec::with_capacity(3);
        for (at, token) in escape::tokens(text) {
            if token.is_empty() {
                return Err(RouteKeyError::EmptyToken { at });
            }
            // A wildcard in a key is nearly always a pattern in the wrong place; taken as text, it
            // would select nothing and say nothing.
            let bad = token.char_indices().find(|(_, c)| matches!(c, '*' | '>') || c.is_control());
            if let Some((offset, found)) = bad {
                return Err(RouteKeyError::Character { found, at: at + offset });
            }
            parts.push(escape::decode(token).map_err(|error| match error {
                EscapeError::Digits(offset) => RouteKeyError::Escape { at: at + offset },
                EscapeError::Utf8 => RouteKeyError::NotUtf8 { at },
            })?);
        }
        let [first, second, third] = &parts[..] else {
            return Err(RouteKeyError::Tokens { found: parts.len() });
        };
        if escape::is_type(first) {
            return Ok(RouteKey::with_registry(registry, first, second, third).into_owned());
        }
        let name = type_of(registry, first, second, third);
        let key = RouteKey::with_registry(registry, &name, second, "");
        Ok(RouteKey { phase: None, ..key }.into_owned())
    }
}

fn header(registry: &Registry, text: &str) -> Result<RouteKey<'static>, RouteKeyError> {
    let mut parts = text.splitn(4, ':');
    let mut part = |part| {
        let text = parts.next().ok_or(RouteKeyError::Header)?;
        id::check(text).map_err(|error| RouteKeyError::Identifier { part, error })?;
        Ok(text)
    };
    let (name, workflow, phase) = (part("event type")?, part("workflow")?, part("phase")?);
    Ok(RouteKey::with_registry(registry, name, workflow, phase).into_owned())
}

/// The name of the type that a canonical key stands for.
fn type_of<'r>(registry: &'r Registry, scope: &str, workflow: &str, word: &str) -> Cow<'r, str> {
    let find = |meets: &dyn Fn(&RouteKey<'_>) -> bool| {
        names(registry)
            .chain(routed().map(|(_, name)| name))
            .find(|name| meets(&RouteKey::with_registry(registry, name, workflow, id::GLOBAL)))
    };
    // The type's own scope first: `workflow.*.failed` is the failure of a workflow, although
    // `workflow` also selects those of its tasks.
    let own = find(&|key| scope.eq_ignore_ascii_case(key.raw_scope()) && key.has_word(word));
    match own.or_else(|| find(&|key| key.in_scope(scope) && key.has_full_word(word))) {
        Some(name) => Cow::Borrowed(name),
        None if scope == word => Cow::Owned(word.to_ascii_uppercase()),
        None => Cow::Owned(format!("{scope}_{word}").to_ascii_uppercase()),
    }
}

/// The names that a registry knows: the protocol's in order, then the caller's.
pub(super) fn names(registry: &Registry) -> impl Iterator<Item = &str> {
    REGISTRY
        .iter()
        .filter(|spec| spec.since <= *registry.version())
        .map(|spec| spec.event_type.as_str())
        .chain(registry.custom().map(|custom| custom.name.as_str()))
}

impl fmt::Display for RouteKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        escape::write(f, &self.scope())?;
        f.write_str(".")?;
        escape::write(f, &self.workflow)?;
        f.write_str(".")?;
        escape::write(f, &self.word())
    }
}

impl FromStr for RouteKey<'static> {
    type Err = RouteKeyError;

    fn from_str(text: &str) -> Result<Self, RouteKeyError> {
        RouteKey::parse(text)
    }
}

impl<'a> From<&EventRef<'a>> for RouteKey<'a> {
    /// Its key under the registry that it was read with: a type that its reader did not have is not
    /// registered here either.
    fn from(event: &EventRef<'a>) -> Self {
        let name = event.type_name();
        RouteKey {
            type_name: Text::Borrowed(name),
            workflow: Text::Borrowed(event.workflow()),
            phase: Some(Text::Borrowed(event.phase())),
            origin: origin_of(event.event_type(), event.category(), name),
        }
    }
}

impl<'a> From<&'a EventBuf> for RouteKey<'a> {
    /// Its key under the registry that it was read with.
    fn from(event: &'a EventBuf) -> Self {
        RouteKey::from(&event.borrow())
    }
}

impl<'a> From<&'a Event> for RouteKey<'a> {
    /// Its key under the registry that it was read with. Of an event that no reader made, the data
    /// tells: a [type of your own](crate::event::CustomEvent) has its category, other
    /// [untyped data](crate::event::UntypedData) that of
    /// [`in_category`](crate::event::UntypedData::in_category), if any.
    fn from(event: &'a Event) -> Self {
        let name = event.type_name();
        RouteKey {
            type_name: Text::Borrowed(name),
            workflow: Text::Borrowed(event.workflow_id.as_str()),
            phase: Some(Text::Borrowed(event.phase.as_str())),
            origin: origin_of(event.event_type(), event.data.category(), name),
        }
    }
}

/// Why a text is no routing key.
///
/// ```
/// use coordination_protocol::route::{RouteKeyError, RouteKey};
///
/// assert_eq!(RouteKey::parse("resource.*.allocated"), Err(RouteKeyError::Character { found: '*', at: 9 }));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RouteKeyError {
    /// There is no character at all.
    #[error("a routing key cannot be empty")]
    Empty,
    /// Not three tokens.
    #[error("a routing key has 3 tokens, this one has {found}; a dot inside a token is `%2E`")]
    Tokens {
        /// How many it has.
        found: usize,
    },
    /// Two dots in a row, or one at an end.
    #[error("the token at byte {at} is empty")]
    EmptyToken {
        /// Where the token would start.
        at: usize,
    },
    /// A wildcard or a control character.
    #[error("a routing key cannot contain {found:?} (at byte {at}) unless it is percent-encoded")]
    Character {
        /// The character.
        found: char,
        /// Its byte offset.
        at: usize,
    },
    /// A `%` that starts no escape.
    #[error("`%` at byte {at} is not followed by two hexadecimal digits")]
    Escape {
        /// The byte offset of the `%`.
        at: usize,
    },
    /// Escaped bytes that are no text.
    #[error("the escapes in the token at byte {at} do not make UTF-8")]
    NotUtf8 {
        /// Where the token starts.
        at: usize,
    },
    /// A colon, but not the header of an event line.
    #[error("a key with colons starts with TYPE:workflow:phase")]
    Header,
    /// A part of the header is no identifier.
    #[error("the {part} is not an identifier: {error}")]
    Identifier {
        /// `event type`, `workflow` or `phase`.
        part: &'static str,
        /// What is wrong with it.
        error: ScalarError,
    },
}

crate::error::leaf_errors! {
    RouteKeyError, Route {
        _ => ["route-key", System, Corruption, lasting, "correct_and_resend",
            "Write `scope.workflow.word` or `TYPE.workflow.phase`."],
    }
}
