//! Taking a record apart without changing it.

use super::error::VersionError;
use crate::codec::peel;
use crate::event::EventHeader;
use crate::json::{self, Dialect, FaultKind, Json, JsonFault, Kind, Limits, Token, same};
use crate::message::MessageKind;
use std::ops::Range;

/// A record, and what it is.
#[derive(Clone, Debug)]
pub(super) struct Record<'a> {
    pub(super) text: &'a str,
    /// Where the line or the object starts.
    pub(super) start: usize,
    pub(super) shape: Shape<'a>,
}

#[derive(Clone, Debug)]
pub(super) enum Shape<'a> {
    /// An event line, and where its type stands. Its data are an object, as readers accept it.
    Line(EventHeader<'a>, Range<usize>),
    /// A JSON object that the scanner accepted; its members in order.
    Document(Vec<Member<'a>>),
}

/// One member of the root object.
#[derive(Clone, Debug)]
pub(super) struct Member<'a> {
    pub(super) name: Token,
    pub(super) key: std::borrow::Cow<'a, str>,
    pub(super) value: Token,
}

impl<'a> Record<'a> {
    /// Whether two documents mean the same.
    pub(super) fn means_the_same(&self, other: &Self) -> bool {
        let parse = |record: &Self| {
            let end = json::value_at(record.text.as_bytes(), record.start)?.end();
            Some(Json::from_valid(&record.text[record.start..end]))
        };
        parse(self).zip(parse(other)).is_some_and(|(a, b)| same(&a, &b))
    }

    pub(super) fn read(text: &'a str, limits: &Limits) -> Result<Self, VersionError> {
        Record::read_as(text, Dialect::Strict, limits)
    }

    pub(super) fn read_as(
        text: &'a str,
        dialect: Dialect,
        limits: &Limits,
    ) -> Result<Self, VersionError> {
        let behind_mark = text.strip_prefix('\u{feff}').unwrap_or(text);
        let core = behind_mark.trim_ascii();
        let start = text.len() - behind_mark.trim_ascii_start().len();
        if core.starts_with('{') {
            // The mark is no JSON; everything else around the object is.
            json::check(core, dialect, limits).map_err(|mut fault| {
                fault.range = fault.range.start + start..fault.range.end + start;
                VersionError::Json(fault)
            })?;
            let members = json::members(text, start)
                .map(|(key, value)| Member { name: key, key: key.decode(text), value })
                .collect();
            return Ok(Record { text, start, shape: Shape::Document(members) });
        }
        // Quotes of a shell around a line stay, too.
        let line = peel(text).record;
        let header = EventHeader::parse(&text[line.clone()]).map_err(VersionError::NotARecord)?;
        let start = line.start;
        check_data(header.data, line.end - header.data.len(), limits)?;
        let place = start..start + header.type_name.len();
        Ok(Record { text, start, shape: Shape::Line(header, place) })
    }

    /// The members of a document; none for a line.
    pub(super) fn members(&self) -> &[Member<'a>] {
        match &self.shape {
            Shape::Document(members) => members,
            Shape::Line(..) => &[],
        }
    }

    /// Whether a root key is the body of an envelope, in any version.
    pub(super) fn has_body(&self) -> bool {
        self.members().iter().any(|member| MessageKind::lookup(&member.key).is_some())
    }

    /// A member of a document.
    pub(super) fn get(&self, key: &str) -> Option<Token> {
        self.members().iter().find(|member| member.key == key).map(|member| member.value)
    }

    /// A member of an object inside the document.
    pub(super) fn inside(&self, object: Token, key: &str) -> Option<Token> {
        if object.kind() != Kind::Object {
            return None;
        }
        let (_, value) = json::members(self.text, object.start())
            .find(|(name, _)| name.means(self.text, key))?;
        Some(value)
    }

    /// The meaning of a string inside the document.
    pub(super) fn meaning(&self, value: Token) -> Option<std::borrow::Cow<'a, str>> {
        (value.kind() == Kind::Text).then(|| value.decode(self.text))
    }
}

/// Whether the data of a line can be read: a broken line has no version that it could be moved to. `at`
/// is where the data stand in the record.
fn check_data(data: &str, at: usize, limits: &Limits) -> Result<(), VersionError> {
    let blank = data.len() - data.trim_ascii_start().len();
    let checked = json::check(data, Dialect::SingleQuoted, limits);
    let fault = match checked {
        Ok(()) if data[blank..].starts_with('{') => return Ok(()),
        Ok(()) => {
            JsonFault::new(FaultKind::Unexpected { expected: "an object" }, blank..data.len())
        }
        Err(fault) => fault,
    };
    let range = fault.range.start + at..fault.range.end + at;
    Err(VersionError::Json(JsonFault { range, ..fault }))
}
