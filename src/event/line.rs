//! Checked lines, borrowed and owned.

use super::extra::ExtraFields;
use super::payload::DataFields;
use crate::codec::{LineShape, ReadError, STRICT};
use crate::json::{Json, JsonError, Limits, Members, Token, canonical, members, write_text};
use crate::scalar::Digest;
use crate::spec::{Category, EventType, MemberSpec};
use smol_str::SmolStr;
use std::fmt;
use std::sync::Arc;

/// A checked event over a borrowed text.
///
/// It prints back byte for byte, whatever the reader had to overlook. Made by
/// [`parse`](Self::parse), or by a [`Codec`](crate::Codec) of other choices.
#[derive(Clone)]
pub struct EventRef<'a> {
    pub(super) text: &'a str,
    pub(super) shape: LineShape,
}

impl<'a> EventRef<'a> {
    /// Reads a line strictly, with the registry of protocol 1.1.0 and the default limits.
    ///
    /// # Errors
    /// The first error of the line. [`Codec::check`](crate::Codec::check) finds all of them.
    #[inline]
    pub fn parse(line: &'a str) -> Result<Self, ReadError> {
        STRICT.parse(line)
    }

    /// The record as it was read.
    pub const fn as_str(&self) -> &'a str {
        self.text
    }

    /// The registered type, or none.
    pub const fn event_type(&self) -> Option<EventType> {
        self.shape.origin.event_type()
    }

    /// The category of the type, if the registry of its reader had it: the protocol's or a
    /// [type of your own](crate::event::Registry::with_type). Its [routing key](crate::route::RouteKey) follows from it.
    pub fn category(&self) -> Option<&Category> {
        self.shape.origin.category()
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
        if let Some(token) = slot.and_then(|slot| *self.shape.fields.get(slot)?) {
            return Some(token.raw(self.text));
        }
        self.members()
            .find(|(name, _)| name.means(self.text, key))
            .map(|(_, value)| value.raw(self.text))
    }

    /// The required fields of a registered type with their values; the value is `None` where
    /// interop mode let a missing one pass. Empty for an unregistered type.
    ///
    /// Nothing is walked again: the positions were noted when the line was checked.
    ///
    /// ```
    /// use coordination_protocol::event::EventRef;
    ///
    /// let line = r#"TASK_TIMEOUT:wf_001:build:{"task_id":"t1","agent_id":"a1","timeout_duration":"15m"}"#;
    /// let event = EventRef::parse(line)?;
    /// let values: Vec<_> = event.fields().map(|(spec, token)| (spec.name, token.unwrap().inner(line))).collect();
    /// assert_eq!(values, [("task_id", "t1"), ("agent_id", "a1"), ("timeout_duration", "15m")]);
    /// # Ok::<(), coordination_protocol::ReadError>(())
    /// ```
    pub fn fields(&self) -> impl Iterator<Item = (&'static MemberSpec, Option<Token>)> + use<> {
        self.required_specs().iter().zip(self.shape.fields)
    }

    fn required_specs(&self) -> &'static [MemberSpec] {
        self.event_type().map_or(&[], |kind| kind.spec().required())
    }

    /// Where the values of the data are.
    pub(super) fn data_fields(&self) -> DataFields<'a> {
        DataFields { text: self.text, required: self.shape.fields, extra: self.extra() }
    }

    /// All of the data, in order.
    pub(super) fn all_fields(&self) -> Vec<(SmolStr, Json)> {
        let text = self.text;
        let members = self.members();
        members
            .map(|(key, value)| (key.decode(text).into(), Json::from_valid(value.raw(text))))
            .collect()
    }

    /// The data beyond what is required; all of it for an unregistered type.
    pub(super) fn extra(&self) -> ExtraFields {
        let mut extra = ExtraFields::default();
        let mut members = self.members();
        members.skip_to(self.shape.extras as usize);
        while let Some((key, start)) = members.next_key() {
            let known = self.shape.fields.iter().flatten().find(|slot| slot.start() == start);
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

    /// Appends the canonical line: the header, the required fields that are there in the registry's
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
            specs.iter().position(|field| key.means(self.text, field.name)).unwrap_or(specs.len())
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
        EventBuf { text: Arc::from(self.text), shape: self.shape.clone() }
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
    type Error = ReadError;

    fn try_from(line: &'a str) -> Result<Self, ReadError> {
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
/// # Ok::<(), coordination_protocol::ReadError>(())
/// ```
#[derive(Clone)]
pub struct EventBuf {
    text: Arc<str>,
    shape: LineShape,
}

impl EventBuf {
    /// Reads a line strictly, as [`EventRef::parse`] does.
    ///
    /// # Errors
    /// The first error of the line.
    pub fn parse(line: &str) -> Result<Self, ReadError> {
        EventRef::parse(line).map(|event| event.to_buf())
    }

    /// The borrowed form, which has all the accessors.
    #[inline]
    pub fn borrow(&self) -> EventRef<'_> {
        EventRef { text: &self.text, shape: self.shape.clone() }
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
    type Err = ReadError;

    fn from_str(line: &str) -> Result<Self, ReadError> {
        EventBuf::parse(line)
    }
}

impl<'a> From<EventRef<'a>> for EventBuf {
    fn from(event: EventRef<'a>) -> Self {
        event.to_buf()
    }
}
