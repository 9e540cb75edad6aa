//! Checked lines, borrowed and owned.

use super::codec::{Codec, EventError};
use super::field::Field;
use super::kind::EventType;
use super::payload::ExtraFields;
use super::spec::FieldSpec;
use super::value::{DecodeError, Event};
use crate::finding::Mode;
use crate::json::{Json, JsonError, Limits, Members, Token, canonical, members, write_text};
use crate::scalar::{Digest, ScalarError, id};
use smol_str::SmolStr;
use std::fmt;
use std::ops::RangeFrom;
use std::sync::Arc;

/// The first three parts of a line, and the rest; the data is not looked at.
///
/// ```
/// use coordination_protocol::event::EventHeader;
///
/// let header = EventHeader::parse(r#"TASK_FAILED:wf_001:build:{"task_id":"t:1"}"#)?;
/// assert_eq!(header.type_name, "TASK_FAILED");
/// assert_eq!(header.workflow, "wf_001");
/// assert_eq!(header.data, r#"{"task_id":"t:1"}"#);
/// # Ok::<(), coordination_protocol::event::HeaderError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct EventHeader<'a> {
    /// The event type's name, registered or not.
    pub type_name: &'a str,
    /// The workflow's identifier, or `global`.
    pub workflow: &'a str,
    /// The phase, or `global`.
    pub phase: &'a str,
    /// Everything behind the third colon.
    pub data: &'a str,
}

/// Why a line has no header.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// Fewer than three colons.
    #[error("found {found} of the 3 colons of EVENT_TYPE:workflow:phase:data")]
    Colons {
        /// How many there are.
        found: usize,
    },
    /// A part is no identifier.
    #[error("the {part} is not an identifier: {error}")]
    Identifier {
        /// `event type`, `workflow` or `phase`.
        part: &'static str,
        /// What is wrong with it.
        error: ScalarError,
    },
}

/// Where the three colons of a text are, as far as there are any.
#[inline]
pub(super) fn colons(bytes: &[u8], from: usize) -> Result<[usize; 3], usize> {
    let mut at = [0; 3];
    let mut start = from;
    for (found, slot) in at.iter_mut().enumerate() {
        let Some(offset) = memchr::memchr(b':', bytes.get(start..).unwrap_or_default()) else {
            return Err(found);
        };
        *slot = start + offset;
        start = *slot + 1;
    }
    Ok(at)
}

/// The colons behind three identifiers of recommended characters, found and checked in one go;
/// `None` leaves it to [`colons`] and [`id::check`].
#[inline]
pub(super) fn plain_colons(bytes: &[u8], from: usize) -> Option<[usize; 3]> {
    let mut at = [0; 3];
    let mut start = from;
    for slot in &mut at {
        let end = id::recommended_end(bytes, start);
        if bytes.get(end) != Some(&b':') || !(1..=id::MAX_CHARS).contains(&(end - start)) {
            return None;
        }
        *slot = end;
        start = end + 1;
    }
    Some(at)
}

impl<'a> EventHeader<'a> {
    /// Splits a line and checks the three identifiers.
    ///
    /// # Errors
    /// [`HeaderError`].
    #[inline]
    pub fn parse(line: &'a str) -> Result<Self, HeaderError> {
        if let Some(at) = plain_colons(line.as_bytes(), 0) {
            return Ok(EventHeader::cut(line, at));
        }
        let at = colons(line.as_bytes(), 0).map_err(|found| HeaderError::Colons { found })?;
        let header = EventHeader::cut(line, at);
        for (part, text) in [
            ("event type", header.type_name),
            ("workflow", header.workflow),
            ("phase", header.phase),
        ] {
            if let Err(error) = id::check(text) {
                return Err(HeaderError::Identifier { part, error });
            }
        }
        Ok(header)
    }

    #[inline]
    fn cut(line: &'a str, [a, b, c]: [usize; 3]) -> Self {
        EventHeader {
            type_name: &line[..a],
            workflow: &line[a + 1..b],
            phase: &line[b + 1..c],
            data: &line[c + 1..],
        }
    }

    /// The registered type of the name.
    #[inline]
    pub fn event_type(&self) -> Option<EventType> {
        EventType::lookup(self.type_name)
    }
}

/// Offsets into a checked text: all that is known of it besides its bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) kind: Option<EventType>,
    /// Where the type starts; not 0 behind a byte order mark, a blank or a shell quote.
    pub(super) start: u32,
    pub(super) colons: [u32; 3],
    pub(super) data: Token,
    /// Where the first key that is not required starts; behind the data if there is none.
    pub(super) extras: u32,
    /// Values of the registered type's required data, in the registry's order.
    pub(super) slots: [Option<Token>; Shape::SLOTS],
}

impl Shape {
    /// The registry requires at most this many data of one type.
    pub(super) const SLOTS: usize = 4;
}

/// A checked event over a borrowed text.
///
/// It prints back byte for byte, whatever the reader had to overlook. Made by
/// [`parse`](Self::parse), or by a [`Codec`] of other choices.
#[derive(Clone, Copy)]
pub struct EventRef<'a> {
    pub(super) text: &'a str,
    pub(super) shape: Shape,
}

static STRICT: Codec = Codec::new(Mode::Strict);

impl<'a> EventRef<'a> {
    /// Reads a line strictly, with the registry of protocol 1.1.0 and the default limits.
    ///
    /// # Errors
    /// The first error of the line. [`Codec::check`] finds all of them.
    #[inline]
    pub fn parse(line: &'a str) -> Result<Self, EventError> {
        STRICT.parse(line)
    }

    /// The record as it was read.
    pub const fn as_str(&self) -> &'a str {
        self.text
    }

    /// The registered type, or none.
    pub const fn event_type(&self) -> Option<EventType> {
        self.shape.kind
    }

    /// The name of the type, registered or not.
    pub fn type_name(&self) -> &'a str {
        &self.text[self.shape.start as usize..self.shape.colons[0] as usize]
    }

    /// The workflow's identifier, or `global`.
    pub fn workflow(&self) -> &'a str {
        &self.text[self.shape.colons[0] as usize + 1..self.shape.colons[1] as usize]
    }

    /// The phase, or `global`.
    pub fn phase(&self) -> &'a str {
        &self.text[self.shape.colons[1] as usize + 1..self.shape.colons[2] as usize]
    }

    /// The data as spelled: an object, in interop mode perhaps with single quotes.
    pub fn data(&self) -> &'a str {
        self.shape.data.raw(self.text)
    }

    /// Where the data starts in the record, in bytes.
    pub fn data_start(&self) -> usize {
        self.shape.data.start()
    }

    /// The data as a JSON value, single quotes turned into double quotes.
    pub fn data_json(&self) -> Json {
        Json::from_valid(self.data())
    }

    /// Keys and values of the data, in order; positions are those of the record.
    pub fn members(&self) -> Members<'a> {
        members(self.text, self.shape.data.start())
    }

    /// The field of a key, as spelled.
    pub fn get(&self, key: &str) -> Option<&'a str> {
        let slot = self.required_specs().iter().position(|field| field.name == key);
        if let Some(token) = slot.and_then(|slot| *self.shape.slots.get(slot)?) {
            return Some(token.raw(self.text));
        }
        self.members()
            .find(|(name, _)| name.means(self.text, key))
            .map(|(_, value)| value.raw(self.text))
    }

    /// The required data of a registered type with their values; the value is `None` where
    /// interop mode let a missing one pass. Empty for an unregistered type.
    ///
    /// Nothing is walked again: the positions were noted when the line was checked.
    ///
    /// ```
    /// use coordination_protocol::event::EventRef;
    ///
    /// let line = r#"TASK_TIMEOUT:wf_001:build:{"task_id":"t1","agent_id":"a1","timeout_duration":"15m"}"#;
    /// let event = EventRef::parse(line)?;
    /// let values: Vec<_> = event.fields().map(|(spec, token)| (&*spec.name, token.unwrap().inner(line))).collect();
    /// assert_eq!(values, [("task_id", "t1"), ("agent_id", "a1"), ("timeout_duration", "15m")]);
    /// # Ok::<(), coordination_protocol::event::EventError>(())
    /// ```
    pub fn fields(&self) -> impl Iterator<Item = (&'static FieldSpec, Option<Token>)> + use<> {
        self.required_specs().iter().zip(self.shape.slots)
    }

    fn required_specs(&self) -> &'static [FieldSpec] {
        self.shape.kind.map_or(&[], |kind| kind.spec().required)
    }

    /// The typed value of the next required field.
    pub(super) fn required<T: Field>(&self, slot: &mut RangeFrom<usize>) -> Option<T> {
        T::read(self.text, (*self.shape.slots.get(slot.next()?)?)?)
    }

    /// The data beyond what is required; all of it for an unregistered type.
    pub(super) fn extra(&self) -> ExtraFields {
        let mut extra = ExtraFields::default();
        let mut members = self.members();
        members.skip_to(self.shape.extras as usize);
        while let Some((key, start)) = members.next_key() {
            let known = self.shape.slots.iter().flatten().find(|slot| slot.start() == start);
            if let Some(slot) = known {
                members.skip_to(slot.end());
            } else if let Some(value) = members.value_at(start) {
                let name = SmolStr::from(key.decode(self.text));
                extra.push(name, Json::from_valid(value.raw(self.text)));
                members.skip_to(value.end());
            } else {
                break;
            }
        }
        extra
    }

    /// The event with typed, owned data.
    ///
    /// # Errors
    /// [`DecodeError`] if a required field is missing, which only interop mode lets pass.
    pub fn decode(&self) -> Result<Event, DecodeError> {
        Event::read(self)
    }

    /// The event with typed, owned data, or [`Data::Partial`](super::Data::Partial) where typed data
    /// cannot be made of what interop mode let pass.
    ///
    /// ```
    /// use coordination_protocol::event::{Codec, Data};
    /// use coordination_protocol::Mode;
    ///
    /// let line = r#"TASK_TIMEOUT:wf_001:build:{"task_id":"t1"}"#;
    /// let event = Codec::new(Mode::Interop).parse(line)?;
    /// assert!(event.decode().is_err());
    /// assert!(matches!(event.to_event().data, Data::Partial(_)));
    /// assert_eq!(event.to_event().to_string(), line);
    /// # Ok::<(), coordination_protocol::EventError>(())
    /// ```
    pub fn to_event(&self) -> Event {
        Event::keep(self)
    }

    /// Appends the canonical line: the header, the required data that is there in the registry's
    /// order, then the rest as given, no white space, JSON strings. Unlike
    /// [`decode`](Self::decode) it needs no field to be there.
    pub fn write_canonical(&self, out: &mut Vec<u8>) {
        for part in [self.type_name(), self.workflow(), self.phase()] {
            out.extend_from_slice(part.as_bytes());
            out.push(b':');
        }
        self.write_canonical_data(out);
    }

    /// Appends the data of the canonical line alone.
    pub(super) fn write_canonical_data(&self, out: &mut Vec<u8>) {
        let mut members: Vec<_> = self.members().collect();
        let place = |key: Token| {
            let specs = self.required_specs();
            specs.iter().position(|field| key.means(self.text, &field.name)).unwrap_or(specs.len())
        };
        members.sort_by_key(|(key, _)| place(*key));
        out.push(b'{');
        for (index, (key, value)) in members.into_iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            write_text(out, &key.decode(self.text));
            out.push(b':');
            out.extend_from_slice(Json::from_valid(value.raw(self.text)).as_str().as_bytes());
        }
        out.push(b'}');
    }

    /// The line with one shared text of its own.
    pub fn to_buf(&self) -> EventBuf {
        EventBuf { text: Arc::from(self.text), shape: self.shape }
    }

    /// The SHA-256 digest of the data in RFC 8785 form: equal for equal data, however it is spelled.
    ///
    /// # Errors
    /// [`JsonError`] if the data holds a number that a double would change.
    pub fn data_digest(&self) -> Result<Digest, JsonError> {
        let limits = Limits::default().with_bytes(usize::MAX).with_depth(Limits::MAX_DEPTH);
        let text = canonical(self.data_json().as_str(), &limits.with_keys(usize::MAX))?;
        Ok(Digest::of(text.as_bytes()))
    }
}

impl fmt::Display for EventRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text)
    }
}

impl fmt::Debug for EventRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("EventRef").field(&self.text).finish()
    }
}

impl PartialEq for EventRef<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for EventRef<'_> {}

impl<'a> TryFrom<&'a str> for EventRef<'a> {
    type Error = EventError;

    fn try_from(line: &'a str) -> Result<Self, EventError> {
        EventRef::parse(line)
    }
}

/// A checked event with one shared text: cheap to clone, to keep and to hand to many.
///
/// ```
/// use coordination_protocol::event::EventBuf;
///
/// let line = r#"TASK_TIMEOUT:wf_001:build:{"task_id":"t1","agent_id":"a1","timeout_duration":"15m"}"#;
/// let event: EventBuf = line.parse()?;
/// let copy = event.clone(); // shares the text
/// assert_eq!(copy.borrow().workflow(), "wf_001");
/// assert_eq!(copy.to_string(), line);
/// # Ok::<(), coordination_protocol::event::EventError>(())
/// ```
#[derive(Clone)]
pub struct EventBuf {
    text: Arc<str>,
    shape: Shape,
}

impl EventBuf {
    /// Reads a line strictly, as [`EventRef::parse`] does.
    ///
    /// # Errors
    /// The first error of the line.
    pub fn parse(line: &str) -> Result<Self, EventError> {
        EventRef::parse(line).map(|event| event.to_buf())
    }

    /// The borrowed form, which has all the accessors.
    #[inline]
    pub fn borrow(&self) -> EventRef<'_> {
        EventRef { text: &self.text, shape: self.shape }
    }

    /// The record as it was read.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for EventBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for EventBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("EventBuf").field(&self.text).finish()
    }
}

impl PartialEq for EventBuf {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for EventBuf {}

impl std::str::FromStr for EventBuf {
    type Err = EventError;

    fn from_str(line: &str) -> Result<Self, EventError> {
        EventBuf::parse(line)
    }
}

impl<'a> From<EventRef<'a>> for EventBuf {
    fn from(event: EventRef<'a>) -> Self {
        event.to_buf()
    }
}
