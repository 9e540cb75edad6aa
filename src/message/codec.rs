//! Reading messages: the verdict, the borrowed form, all findings at once.

use super::document::EnvelopeHeader;
use super::envelope::Envelope;
use super::value::Object;
use crate::codec::{
    Codec, Collect, Entry, Examined, Form, NO_PLACE, NoTape, Node, ReadError, ReadRecord, STRICT,
    Tape, Untyped, examine_message, examine_object, form_of, peel,
};
use crate::finding::{Code, FindingSeverity, Report};
use crate::json::{Json, Kind, Token, members, same, skip_space};
use crate::spec::{ENVELOPE, HEADERS, MessageKind, ObjectSpec, Shape};
use std::fmt;

impl Codec {
    /// Whether a message is accepted, without making anything of it: no allocation, and the first
    /// error ends it.
    ///
    /// ```
    /// use coordination_protocol::{Codec, Mode};
    /// use coordination_protocol::message::MessageKind;
    ///
    /// let text = r#"{"heartbeat":{"component_id":"worker-1","sequence":7,"timestamp":"2025-01-15T12:00:00Z"}}"#;
    /// assert_eq!(Codec::new(Mode::Strict).verify_message(text)?, MessageKind::Heartbeat);
    /// # Ok::<(), coordination_protocol::ReadError>(())
    /// ```
    ///
    /// # Errors
    /// The first error that is met.
    pub fn verify_message(&self, text: &str) -> Result<MessageKind, ReadError> {
        let examined = self.read(
            |sink| examine_message(self, text, sink, NoTape),
            |sink| examine_message(self, text, sink, NoTape).is_some(),
        )?;
        Ok(examined.kind)
    }

    /// Reads a message and stops at the first error. In interop mode it may deviate;
    /// [`check_message`](Self::check_message) tells how.
    ///
    /// # Errors
    /// The first error that is met.
    pub fn parse_message<'a>(&self, text: &'a str) -> Result<MessageRef<'a>, ReadError> {
        let examined = self.read(
            |sink| examine_message(self, text, sink, tape_for(text)),
            |sink| examine_message(self, text, sink, NoTape).is_some(),
        )?;
        Ok(MessageRef { text, examined })
    }

    /// Reads a message and finds everything that is wrong with it on the levels of structure and
    /// content.
    ///
    /// ```
    /// use coordination_protocol::{Codec, Mode, Verdict};
    ///
    /// let record = Codec::new(Mode::Strict).check_message(
    ///     r#"{"health_status":{"component_id":"hub","status":"fine","uptime":"2 h"}}"#,
    /// );
    /// assert_eq!(record.report.verdict(), Verdict::Invalid);
    /// let found: Vec<_> = record.report.findings().iter()
    ///     .map(|finding| (finding.code.as_str(), finding.pointer.as_str()))
    ///     .collect();
    /// assert_eq!(found, [
    ///     ("unknown-word", "/health_status/status"),
    ///     ("unreadable-text", "/health_status/uptime"),
    ///     ("missing-field", "/health_status/timestamp"),
    /// ]);
    /// ```
    pub fn check_message<'a>(&self, text: &'a str) -> ReadRecord<'a, MessageRef<'a>> {
        self.check_message_within(text, self.limits().findings)
    }

    fn check_message_within<'a>(
        &self,
        text: &'a str,
        most: usize,
    ) -> ReadRecord<'a, MessageRef<'a>> {
        let mut sink = Collect::within(self, most);
        let examined = examine_message(self, text, &mut sink, tape_for(text));
        let report = sink.into_report();
        let kind = match &examined {
            Some(examined) => examined.kind,
            None => form_of(text, root_of(text), self).1,
        };
        let message = examined.map(|examined| MessageRef { text, examined });
        let readable = report.worst() != Some(FindingSeverity::Error);
        let (value, draft) = if readable { (message, None) } else { (None, message) };
        let name = (kind != MessageKind::Unknown).then_some(kind.as_str());
        ReadRecord { value, draft, name, report }
    }

    /// Like [`check_message`](Self::check_message), from bytes.
    pub fn check_message_bytes<'a>(&self, bytes: &'a [u8]) -> ReadRecord<'a, MessageRef<'a>> {
        self.check_message_bytes_within(bytes, self.limits().findings)
    }

    /// Like [`check_message_bytes`](Self::check_message_bytes); the report keeps at most `most` findings.
    pub(crate) fn check_message_bytes_within<'a>(
        &self,
        bytes: &'a [u8],
        most: usize,
    ) -> ReadRecord<'a, MessageRef<'a>> {
        match self.text(bytes, most) {
            Ok(text) => self.check_message_within(text, most),
            Err(report) => ReadRecord { value: None, draft: None, name: None, report },
        }
    }

    /// Findings of an object inside a record: its place, its specification, its pointer.
    pub(crate) fn check_part(
        &self,
        text: &str,
        object: Token,
        spec: &'static ObjectSpec,
        pointer: &str,
        most: usize,
    ) -> Report {
        let mut sink = Collect::within(self, most);
        examine_object(self, &text[..object.end()], object.start(), spec, &mut sink, NoTape);
        let mut report = sink.into_report();
        // Broken or repeated things were told when the whole was read.
        let told = |code| {
            matches!(code, Code::DuplicateKey | Code::NumberBeyondDouble | Code::SingleQuotes)
        };
        report.retain(|finding| !told(finding.code), |code| !told(code));
        let mut placed = Report::new();
        placed.absorb(report, most, |finding| {
            let pointer = format!("{pointer}{}", finding.pointer);
            finding.with_pointer(pointer)
        });
        placed
    }
}

/// Room for as many values as a message of this length mostly has.
fn tape_for(text: &str) -> Vec<Entry> {
    Vec::with_capacity(text.len() / 24 + 8)
}

/// Where the object that is the message starts, nothing reported; the end if there is none.
fn root_of(text: &str) -> usize {
    let around = peel(text);
    let mut root = around.quoted.start;
    if text.as_bytes().get(root) == Some(&b'\'') {
        // Where nothing is checked, the quote need not be closed.
        root = skip_space(text.as_bytes(), root + 1);
    }
    if text.as_bytes().get(root) == Some(&b'{') { root } else { text.len() }
}

impl ReadRecord<'_, MessageRef<'_>> {
    /// The kind of the message, as far as it can be told.
    pub fn kind(&self) -> MessageKind {
        self.name.and_then(MessageKind::lookup).unwrap_or(MessageKind::Unknown)
    }
}

/// A checked message over a borrowed text: prints back byte for byte, whatever the reader had to
/// overlook.
///
/// ```
/// use coordination_protocol::message::{MessageKind, MessageRef};
/// use coordination_protocol::scalar::Count;
///
/// let text = r#"{"workflow_state":{"workflow_id":"wf_001","state_version":15,"timestamp":"2025-01-15T12:00:00Z"}}"#;
/// let message = MessageRef::parse(text)?;
/// assert_eq!(message.kind(), MessageKind::WorkflowState);
/// let body = message.body().unwrap();
/// assert_eq!(body.get("workflow_id").unwrap().as_text().unwrap(), "wf_001");
/// assert_eq!(body.get("state_version").unwrap().raw(), "15");
/// # Ok::<(), coordination_protocol::ReadError>(())
/// ```
#[derive(Clone)]
pub struct MessageRef<'a> {
    text: &'a str,
    examined: Examined<Vec<Entry>>,
}

impl<'a> MessageRef<'a> {
    /// Reads a message strictly, with protocol 1.1.0 and the default limits.
    ///
    /// # Errors
    /// The first error. [`Codec::check_message`] finds all of them.
    pub fn parse(text: &'a str) -> Result<Self, ReadError> {
        STRICT.parse_message(text)
    }

    /// The message as it was read.
    pub const fn as_str(&self) -> &'a str {
        self.text
    }

    /// The kind.
    pub fn kind(&self) -> MessageKind {
        self.examined.kind
    }

    /// Whether it is the field's flat event, whose parts stand beside the header.
    pub fn is_flat(&self) -> bool {
        self.examined.form == Form::Flat
    }

    /// The JSON object that is the whole message.
    pub fn root(&self) -> Part<'_> {
        Part(self.node())
    }

    /// The value of the body key; `None` for a message without one.
    pub fn body(&self) -> Option<Part<'_>> {
        (self.examined.form == Form::Envelope).then_some(())?;
        // The bodies stand in the order of the kinds, behind the header. One that no type can hold has
        // lost its place.
        let place = HEADERS + self.kind() as usize;
        let body = self.node().member(place as u16).map(Part);
        body.or_else(|| self.root().get(self.kind().as_str()))
    }

    fn node(&self) -> Node<'_> {
        Node { text: self.text, tape: &self.examined.tape, at: 0 }
    }

    /// The message with typed, owned values.
    ///
    /// A message that deviates is not written as it was read: a flat event becomes an `event`, another
    /// name of a field the right one. Its signature was made over the old form, so it is left out
    /// then; [`to_envelope_text`](Self::to_envelope_text) tells.
    ///
    /// # Errors
    /// A placeholder stands where a type needs a value, which only interop mode lets pass.
    pub fn decode(&self) -> Result<Envelope, ReadError> {
        let root = self.node();
        let named = |Untyped(key)| ReadError::no_value(key, root.value().start());
        let header = EnvelopeHeader::read_object(root).map_err(named)?;
        let body = match self.examined.form {
            Form::Envelope => self.body().map(|part| part.0),
            Form::Flat => Some(root),
            Form::Bare => None,
        };
        let origin = &self.examined.origin;
        let mut envelope =
            Envelope::read(self.kind(), header, body, self.is_flat(), origin).map_err(named)?;
        if envelope.header.signature.is_some() && !keeps(root.raw(), &envelope) {
            envelope.header.signature = None;
        }
        Ok(envelope)
    }

    /// The text of the envelope that the message is, and what of the message is not in it.
    ///
    /// ```
    /// use coordination_protocol::{Codec, Mode};
    ///
    /// let flat = r#"{"event_type":"SYSTEM_SHUTDOWN","workflow_id":"global","phase":"global",
    ///     "data":{"component_name":"hub","shutdown_reason":"update"},
    ///     "signature":{"key_id":"hub-1","algorithm":"ed25519","value":"AAAA"}}"#;
    /// let made = Codec::new(Mode::Interop).parse_message(flat)?.to_envelope_text()?;
    /// assert!(made.text.starts_with(r#"{"event":{"event_type":"SYSTEM_SHUTDOWN","#));
    /// // It was made over the flat object, and would not fit this one.
    /// assert_eq!(made.lost, ["/signature"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`decode`](Self::decode).
    pub fn to_envelope_text(&self) -> Result<EnvelopeText, ReadError> {
        let envelope = self.decode()?;
        let signed = self.root().get("signature").is_some_and(|part| part.kind() == Kind::Object);
        let kept = envelope.header.signature.is_some();
        let lost = if signed && !kept { vec!["/signature".to_owned()] } else { Vec::new() };
        Ok(EnvelopeText { text: envelope.to_string(), lost })
    }
}

/// An envelope made of a message that was read, and what it could not keep.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EnvelopeText {
    /// The envelope, compact.
    pub text: String,
    /// JSON pointers of what is in the message and not in the envelope: a signature that does not fit
    /// it.
    pub lost: Vec<String>,
}

impl fmt::Display for MessageRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text)
    }
}

impl fmt::Debug for MessageRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageRef").field("kind", &self.kind()).field("text", &self.text).finish()
    }
}

/// A value inside a checked message, borrowed.
///
/// Only what the protocol knows is noted when a message is checked: `get` finds known and unknown
/// members of known objects, and steps no further into unknown values; use
/// [`raw`](Self::raw) and [`crate::json`] there.
#[derive(Clone, Copy, Debug)]
pub struct Part<'t>(Node<'t>);

impl<'t> Part<'t> {
    /// The member of a key.
    pub fn get(&self, key: &str) -> Option<Part<'t>> {
        (self.0.kind() == Kind::Object).then_some(())?;
        self.0.children().find(|child| child.has_key(key)).map(Part)
    }

    /// Keys and values of an object that the protocol knows, in order; the elements of a list have
    /// empty keys.
    pub fn members(&self) -> impl Iterator<Item = (String, Part<'t>)> + use<'t> {
        self.0.children().map(|child| (child.name(), Part(child)))
    }

    /// The value as spelled.
    pub fn raw(&self) -> &'t str {
        self.0.raw()
    }

    /// The kind of the value.
    pub fn kind(&self) -> Kind {
        self.0.kind()
    }

    /// The meaning of a string; `None` for other kinds.
    pub fn as_text(&self) -> Option<std::borrow::Cow<'t, str>> {
        (self.kind() == Kind::Text).then(|| self.0.value().decode(self.0.text()))
    }

    /// Kind and byte range of the value.
    pub fn token(&self) -> Token {
        self.0.value()
    }
}

/// What a message says of itself before anything of its body is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Peek {
    /// The header as far as it can be read: keys with a value of a wrong kind or range are left
    /// out, and so are the signature and unknown fields. `None` if the text is no object.
    pub header: Option<EnvelopeHeader>,
    /// The kind.
    pub kind: MessageKind,
}

/// Whether an envelope means what the text means that it was made of.
#[cold]
fn keeps(text: &str, envelope: &Envelope) -> bool {
    let made = envelope.to_string();
    same(&Json::from_valid(text), &Json::from_valid(&made))
}

/// Whether a value that does not fit its header key can be kept all the same, as an unknown word.
#[cold]
fn reads(text: &str, key: Token, value: Token, place: usize) -> bool {
    let mut tape: Vec<Entry> = Vec::new();
    Tape::push(&mut tape, value, value, NO_PLACE);
    Tape::push(&mut tape, key, value, place as u16);
    tape.close(0, value);
    tape.close(1, value);
    EnvelopeHeader::read_object(Node { text, tape: &tape, at: 0 }).is_ok()
}

/// Tells kind and header of a message without decoding its body. Nothing is checked: a text that
/// is no message has the kind [`Unknown`](MessageKind::Unknown).
///
/// ```
/// use coordination_protocol::message::{MessageKind, peek};
///
/// let text = r#"{"release":{"allocation_id":"alloc_789"},"source":"worker-1"}"#;
/// let seen = peek(text);
/// assert_eq!(seen.kind, MessageKind::Release);
/// assert_eq!(seen.header.unwrap().source.unwrap().as_str(), "worker-1");
/// ```
pub fn peek(text: &str) -> Peek {
    let start = root_of(text);
    if start == text.len() {
        return Peek { header: None, kind: MessageKind::Unknown };
    }
    let kind = form_of(text, start, &Codec::default()).1;
    let mut tape: Vec<Entry> = Vec::new();
    let blank = Token::new(Kind::Object, start, text.len());
    Tape::push(&mut tape, blank, blank, NO_PLACE);
    let aliases = ENVELOPE.aliases;
    let has = |name| members(text, start).any(|(key, _)| key.means(text, name));
    let mut seen = Vec::new();
    for (key, value) in members(text, start) {
        let name = key.decode(text);
        let place = EnvelopeHeader::SPEC.members.iter().position(|member| member.name == name);
        let alias = || {
            let (_, place) = aliases.iter().find(|(alias, _)| *alias == name)?;
            // The member itself counts, and of two aliases the first.
            (!seen.contains(place) && !has(EnvelopeHeader::SPEC.members[*place].name))
                .then_some(*place)
        };
        let Some(place) = place.or_else(alias) else { continue };
        seen.push(place);
        // A signature is an object of its own; who wants it decodes the message.
        if let Shape::Leaf(leaf) = EnvelopeHeader::SPEC.members[place].shape
            && (leaf.fits(text, value).is_ok() || reads(text, key, value, place))
        {
            Tape::push(&mut tape, key, value, place as u16);
        }
    }
    tape.close(0, blank);
    let header = EnvelopeHeader::read_object(Node { text, tape: &tape, at: 0 }).ok();
    Peek { header, kind }
}

const _: () = assert!(HEADERS < 64);
