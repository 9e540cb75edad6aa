//! What a test looks at.

use super::Filter;
use super::error::{FilterError, FilterFault};
use crate::json::pointer::Part;
use crate::message::EnvelopeHeader;
use crate::scalar::nearest;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use smol_str::SmolStr;
use std::fmt;
use std::str::FromStr;

/// What a test looks at: a field of the header, or data by JSON pointer.
///
/// | field | an event line | a message |
/// |---|---|---|
/// | `kind` | `event` | its body key |
/// | `type`, `phase` | as the line has them | those of its event, else absent |
/// | `workflow` | as the line has it | that of its event, else `workflow_id` of its body |
/// | `source`, `priority`, `timestamp`, ... | absent | the header key of that name |
/// | `/task_id`, `/usage/0/cpu`, ... | in the data | in the data of its event, else in its body |
///
/// An event without a phase is in the phase `global`. Header keys that the field writes under
/// another name, such as `source_component`, are found, too.
///
/// ```
/// use coordination_protocol::route::Field;
///
/// assert_eq!(Field::parse("workflow")?.as_str(), "workflow");
/// assert_eq!(Field::parse("/usage/a~1b")?.as_str(), "/usage/a~1b");
/// assert_eq!(
///     Field::parse("sorce").unwrap_err().to_string(),
///     "`sorce` is no field of a header; did you mean `source`?",
/// );
/// # Ok::<(), coordination_protocol::route::FilterError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Field(pub(super) Target);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Target {
    Kind,
    Type,
    Workflow,
    Phase,
    /// A key of the message's header.
    Header(&'static str),
    Data(Pointer),
}

/// A JSON pointer and its decoded parts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Pointer {
    text: SmolStr,
    pub(super) parts: Box<[Part]>,
}

const NAMED: [(&str, Target); 4] = [
    ("kind", Target::Kind),
    ("type", Target::Type),
    ("workflow", Target::Workflow),
    ("phase", Target::Phase),
];

/// The keys of a message's header that hold one value.
fn header_keys() -> impl Iterator<Item = &'static str> {
    EnvelopeHeader::SPEC
        .members
        .iter()
        .map(|member| member.name)
        .filter(|name| *name != "signature")
}

impl Field {
    /// The field of a name or a JSON pointer.
    ///
    /// # Errors
    /// [`FilterError`] for an unknown name and for what is no pointer.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        // A pointer is kept decoded, so its length bounds memory and the steps of every test.
        if text.len() > Filter::MAX_TEXT {
            return Err(FilterFault::TextTooLong { bytes: text.len() }.into());
        }
        // A pointer starts with a slash and no header field does, so the two need no mark.
        if let Some(parts) = text.strip_prefix('/') {
            let parts: Option<Box<[Part]>> = parts.split('/').map(Part::parse).collect();
            let parts = parts.ok_or_else(|| FilterFault::Pointer { pointer: text.into() })?;
            return Ok(Field(Target::Data(Pointer { text: text.into(), parts })));
        }
        if let Some((_, target)) = NAMED.iter().find(|(name, _)| *name == text) {
            return Ok(Field(target.clone()));
        }
        if let Some(name) = header_keys().find(|name| *name == text) {
            return Ok(Field(Target::Header(name)));
        }
        let known = NAMED.iter().map(|(name, _)| *name).chain(header_keys());
        let nearest = nearest(text, known).map(str::to_owned);
        Err(FilterFault::UnknownField { name: text.into(), nearest }.into())
    }

    /// The field `workflow`.
    pub const fn workflow() -> Self {
        Field(Target::Workflow)
    }

    /// A data field whose key needs no escape.
    pub(super) fn data_field(key: &'static str) -> Self {
        let text = smol_str::format_smolstr!("/{key}");
        Field(Target::Data(Pointer { text, parts: Box::new([Part::of_member(key)]) }))
    }

    /// The name or the pointer.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Target::Header(name) => name,
            Target::Data(pointer) => &pointer.text,
            named => NAMED.iter().find(|(_, target)| target == named).map_or("", |(name, _)| name),
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Field {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        Field::parse(text)
    }
}

impl Serialize for Field {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Field::parse(&text).map_err(serde::de::Error::custom)
    }
}
