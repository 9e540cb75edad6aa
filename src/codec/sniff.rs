//! What a record is, told by how it starts. Nothing else in the crate guesses it.

use super::line::colons;
use super::options::Codec;
use super::surroundings::peel;
use crate::scalar::id;

/// What a record is. A text that is neither sound nor broken JSON is a line, since every line is
/// examined as an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RecordShape {
    /// An event line, or a text that should be one.
    Line,
    /// A JSON object: a message.
    Object,
    /// A JSON array. Its elements may be messages; it is none itself.
    Array,
}

impl RecordShape {
    /// The shape of a record. What may surround one is passed over.
    ///
    /// ```
    /// use coordination_protocol::event::RecordShape;
    ///
    /// assert_eq!(RecordShape::of(b" {\"heartbeat\":{}}"), RecordShape::Object);
    /// assert_eq!(RecordShape::of(b"[{}]"), RecordShape::Array);
    /// assert_eq!(RecordShape::of(b"TASK_FAILED:wf_001:build:{}"), RecordShape::Line);
    /// ```
    pub fn of(record: &[u8]) -> Self {
        let record = record.strip_prefix("\u{feff}".as_bytes()).unwrap_or(record);
        let record = record.trim_ascii_start();
        // Only single quotes: inside double ones a message would be escaped, and no JSON text.
        match record.strip_prefix(b"'").unwrap_or(record).first() {
            Some(b'{') => RecordShape::Object,
            Some(b'[') => RecordShape::Array,
            _ => RecordShape::Line,
        }
    }

    /// Whether it is JSON, which is read as a message.
    pub fn is_json(self) -> bool {
        self != RecordShape::Line
    }
}

impl Codec {
    /// The name in the place of the event type, if a text looks like an event at all: it has three
    /// colons, and the name is registered, is spelled as types are, or an object follows.
    ///
    /// ```
    /// use coordination_protocol::Codec;
    ///
    /// let codec = Codec::default();
    /// assert_eq!(codec.event_name("TASK_FAILED:wf_001:build:{"), Some("TASK_FAILED"));
    /// assert_eq!(codec.event_name("note: at 12:30:00"), None);
    /// ```
    pub fn event_name<'a>(&self, text: &'a str) -> Option<&'a str> {
        let (name, object) = head(text[peel(text).quoted].as_bytes())?;
        // The cuts are at ASCII characters.
        let name = std::str::from_utf8(name).ok()?;
        let known = is_spelled(name.as_bytes()) || self.registry().knows(name);
        (known || object && id::check(name).is_ok()).then_some(name)
    }
}

/// Whether a line starts an event for certain, whoever reads it: its type is spelled as types are, and
/// an object follows. What may surround a record is passed over.
pub(super) fn starts_event(line: &[u8]) -> bool {
    let line = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line).trim_ascii_start();
    head(line).is_some_and(|(name, object)| object && is_spelled(name))
}

/// The name before the first of three colons, and whether an object follows them. A quote in front
/// belongs to the shell, whether it is closed or not.
fn head(line: &[u8]) -> Option<(&[u8], bool)> {
    let line = line.strip_prefix(b"\"").or_else(|| line.strip_prefix(b"'")).unwrap_or(line);
    if matches!(line.first(), Some(b'{' | b'[')) {
        return None;
    }
    let at = colons(line, 0).ok()?;
    Some((&line[..at[0]], line[at[2] + 1..].trim_ascii_start().first() == Some(&b'{')))
}

/// Whether a name is spelled in upper case, as event types are.
fn is_spelled(name: &[u8]) -> bool {
    name.first().is_some_and(u8::is_ascii_uppercase)
        && name.iter().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || *b == b'_')
}
