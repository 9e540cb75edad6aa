//! The JSON form of a calendar, read strictly.

use super::{Calendar, DeprecatedItem, FieldPath, Notice};
use crate::version::error::VersionError;
use crate::version::place::Place;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

/// The maximum number of notices in a form.
const MAX_NOTICES: usize = 4096;

impl Calendar {
    /// Reads the JSON form.
    ///
    /// # Errors
    /// [`VersionError`] with the pointer and the byte of the first fault, a short notice and a
    /// subject that is announced twice among them.
    pub fn from_json(text: &str) -> Result<Self, VersionError> {
        let root = Place::root(text)?;
        let [notices] = only(&root, ["notices"])?;
        let mut calendar = Calendar::new();
        for place in notices.ok_or_else(|| root.missing("notices"))?.items(MAX_NOTICES)? {
            let notice = notice(&place)?;
            if calendar.notice(notice.subject()).is_some() {
                let reason = format!("{} is announced twice", notice.subject());
                return Err(place.error(reason));
            }
            calendar.notices.push(notice);
        }
        Ok(calendar)
    }
}

/// The members of an object that may have only these.
fn only<'a, const N: usize>(
    place: &Place<'a>,
    names: [&str; N],
) -> Result<[Option<Place<'a>>; N], VersionError> {
    let mut found = [const { None }; N];
    for (key, value) in place.members()? {
        let Some(at) = names.iter().position(|name| *name == key) else {
            return Err(value.error(format_args!("`{key}` is none of {}", names.join(", "))));
        };
        found[at] = Some(value);
    }
    Ok(found)
}

fn notice(place: &Place<'_>) -> Result<Notice, VersionError> {
    const NAMES: [&str; 5] = ["subject", "since", "announced", "sunset", "replacement"];
    let [about, since, announced, sunset, replacement] = only(place, NAMES)?;
    let about = subject(&about.ok_or_else(|| place.missing("subject"))?)?;
    let since = since.ok_or_else(|| place.missing("since"))?.parse(str::parse)?;
    let day = |member: Option<Place<'_>>, name| {
        let member = member.ok_or_else(|| place.missing(name))?;
        member.parse(|text| {
            text.parse()
                .map_err(|error: VersionError| error.reason().unwrap_or_default().to_owned())
        })
    };
    let (announced, sunset) = (day(announced, "announced")?, day(sunset, "sunset")?);
    let notice =
        Notice::new(about, since, announced, sunset).map_err(|error| place.error(error))?;
    Ok(match replacement {
        Some(replacement) => notice.with_replacement(replacement.text()?),
        None => notice,
    })
}

fn subject(place: &Place<'_>) -> Result<DeprecatedItem, VersionError> {
    const NAMES: [&str; 6] = ["event_type", "message", "field", "word", "of", "version"];
    let found = only(place, NAMES)?;
    let name = |place: &Place<'_>| place.text();
    Ok(match found.each_ref().map(Option::as_ref) {
        [Some(event), None, None, None, None, None] => DeprecatedItem::EventType(name(event)?),
        [None, Some(message), None, None, None, None] => DeprecatedItem::Message(name(message)?),
        [None, None, Some(field), None, None, None] => {
            DeprecatedItem::Field(field.parse(FieldPath::new)?)
        }
        [None, None, None, Some(word), Some(of), None] => {
            DeprecatedItem::Word { of: of.parse(FieldPath::new)?, word: name(word)? }
        }
        [None, None, None, None, None, Some(version)] => {
            DeprecatedItem::Version(version.parse(str::parse)?)
        }
        _ => {
            let reason = "a subject is one of `event_type`, `message`, `field`, `version`, or \
                          `word` with `of`";
            return Err(place.error(reason));
        }
    })
}

impl Serialize for DeprecatedItem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self {
            DeprecatedItem::EventType(name) => map.serialize_entry("event_type", name)?,
            DeprecatedItem::Message(name) => map.serialize_entry("message", name)?,
            DeprecatedItem::Field(path) => map.serialize_entry("field", path.as_str())?,
            DeprecatedItem::Word { of, word } => {
                map.serialize_entry("word", word)?;
                map.serialize_entry("of", of.as_str())?;
            }
            DeprecatedItem::Version(version) => map.serialize_entry("version", version)?,
        }
        map.end()
    }
}
