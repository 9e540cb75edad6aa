//! Reading versions, ranges, capabilities and days from text and JSON, strictly.
//!
//! The types themselves do not know how they can fail to be read, so that errors can hold them.

use super::date::Date;
use super::error::VersionError;
use super::place::Place;
use super::range::{VersionRange, VersionSet};
use super::supported::{Capability, SupportedVersions};
use crate::json::Json;
use crate::scalar::{IdCharset, ProtocolVersion, id};
use serde::{Deserialize, Deserializer};
use smol_str::SmolStr;
use std::collections::BTreeSet;
use std::str::FromStr;

/// The maximum number of ranges in a form.
const MAX_RANGES: usize = 64;

const MAX_CAPABILITIES: usize = 256;

impl VersionRange {
    /// All versions from `from` to `to`.
    ///
    /// # Errors
    /// [`VersionError`] if `to` is below `from`.
    pub fn new(from: ProtocolVersion, to: ProtocolVersion) -> Result<Self, VersionError> {
        VersionRange::between(from.clone(), to.clone()).ok_or(VersionError::Range { from, to })
    }

    /// Reads `{"min":"1.0.0","max":"1.1.0"}`.
    fn read(place: &Place<'_>) -> Result<Self, VersionError> {
        let (mut from, mut to) = (None, None);
        for (key, value) in place.members()? {
            match key.as_str() {
                "min" => from = Some(value.parse(str::parse)?),
                "max" => to = Some(value.parse(str::parse)?),
                _ => {}
            }
        }
        let from = from.ok_or_else(|| place.missing("min"))?;
        let to = to.ok_or_else(|| place.missing("max"))?;
        VersionRange::new(from, to).map_err(|error| place.error(error))
    }
}

impl FromStr for VersionRange {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        let version = |part: &str, at: usize| -> Result<ProtocolVersion, VersionError> {
            part.parse().map_err(|error| VersionError::form(at, error))
        };
        match text.split_once("..") {
            None => Ok(version(text, 0)?.into()),
            Some((from, rest)) => {
                let Some(to) = rest.strip_prefix('=') else {
                    let reason = "ranges include both ends; write `..=`";
                    return Err(VersionError::form(from.len(), reason));
                };
                let (from, to) = (version(from, 0)?, version(to, from.len() + 3)?);
                VersionRange::new(from, to).map_err(|error| VersionError::form(0, error))
            }
        }
    }
}

impl VersionSet {
    /// Reads a JSON array of ranges, at least one.
    pub(super) fn read(place: &Place<'_>) -> Result<Self, VersionError> {
        let ranges: Vec<_> =
            place.items(MAX_RANGES)?.iter().map(VersionRange::read).collect::<Result<_, _>>()?;
        if ranges.is_empty() {
            return Err(place.error("at least one range is needed"));
        }
        Ok(VersionSet::new(ranges))
    }

    /// Reads ranges joined by `+`.
    pub(super) fn parse(text: &str) -> Result<Self, VersionError> {
        let mut ranges = Vec::new();
        let mut at = 0;
        for part in text.split('+') {
            if ranges.len() == MAX_RANGES {
                return Err(VersionError::form(at, format_args!("more than {MAX_RANGES} ranges")));
            }
            ranges.push(part.parse::<VersionRange>().map_err(|error| error.behind(at))?);
            at += part.len() + 1;
        }
        Ok(VersionSet::new(ranges))
    }
}

impl Capability {
    /// Takes a text as a name.
    ///
    /// # Errors
    /// [`VersionError`] if it is empty, too long or has other characters.
    pub fn new(name: impl AsRef<str>) -> Result<Self, VersionError> {
        match id::check(name.as_ref()) {
            Ok(IdCharset::Recommended) => Ok(Capability(SmolStr::new(name))),
            _ => Err(VersionError::Capability),
        }
    }
}

impl<'de> Deserialize<'de> for Capability {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Capability::new(SmolStr::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl SupportedVersions {
    /// Reads the JSON form.
    ///
    /// # Errors
    /// [`VersionError`] with the pointer and the byte of the first fault.
    pub fn from_json(text: &str) -> Result<Self, VersionError> {
        let root = Place::root(text)?;
        let (mut implemented, mut known, mut floor) = (None, None, None);
        let mut capabilities = BTreeSet::new();
        for (key, value) in root.members()? {
            match key.as_str() {
                "versions" => implemented = Some(VersionSet::read(&value)?),
                "known" => known = Some(VersionSet::read(&value)?),
                "floor" => floor = Some(value.parse(str::parse)?),
                "capabilities" => {
                    for item in value.items(MAX_CAPABILITIES)? {
                        capabilities.insert(item.parse(|name| Capability::new(name))?);
                    }
                }
                _ => {}
            }
        }
        let implemented = implemented.ok_or_else(|| root.missing("versions"))?;
        let known = match known {
            Some(known) => known.with(implemented.ranges().iter().cloned()),
            None => implemented.clone(),
        };
        Ok(SupportedVersions { implemented, known, floor, capabilities })
    }
}

impl FromStr for SupportedVersions {
    type Err = VersionError;

    /// Reads the text form.
    fn from_str(text: &str) -> Result<Self, VersionError> {
        let mut parts = text.split(',');
        let first = parts.next().unwrap_or_default();
        let mut supported = SupportedVersions::of(VersionSet::parse(first)?);
        let mut seen: Vec<&str> = Vec::new();
        let mut at = first.len() + 1;
        for part in parts {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            let inside = at + key.len() + 1;
            if seen.contains(&key) {
                return Err(VersionError::form(at, format_args!("`{key}` is given twice")));
            }
            match key {
                "reads" => {
                    let known = VersionSet::parse(value).map_err(|error| error.behind(inside))?;
                    supported.known = supported.known.with(known.ranges().iter().cloned());
                }
                "floor" => {
                    let floor = value.parse().map_err(|error| VersionError::form(inside, error))?;
                    supported.floor = Some(floor);
                }
                "capabilities" => supported.capabilities = capabilities(value, inside)?,
                _ => {
                    let reason = format_args!("`{key}` is none of reads=, floor=, capabilities=");
                    return Err(VersionError::form(at, reason));
                }
            }
            seen.push(key);
            at += part.len() + 1;
        }
        Ok(supported)
    }
}

/// Reads names joined by `+`.
fn capabilities(text: &str, mut at: usize) -> Result<BTreeSet<Capability>, VersionError> {
    let mut capabilities = BTreeSet::new();
    for (count, name) in text.split('+').enumerate() {
        if count == MAX_CAPABILITIES {
            return Err(VersionError::form(
                at,
                format_args!("more than {MAX_CAPABILITIES} capabilities"),
            ));
        }
        capabilities.insert(Capability::new(name).map_err(|error| VersionError::form(at, error))?);
        at += name.len() + 1;
    }
    Ok(capabilities)
}

impl<'de> Deserialize<'de> for SupportedVersions {
    /// Reads the JSON form; through `serde_json` only, like [`Json`].
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Json::deserialize(deserializer)?;
        SupportedVersions::from_json(json.as_str()).map_err(serde::de::Error::custom)
    }
}

impl FromStr for Date {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        let shaped = text.len() == 10
            && text.bytes().enumerate().all(|(at, byte)| match at {
                4 | 7 => byte == b'-',
                _ => byte.is_ascii_digit(),
            });
        let number = |range| text.get(range).and_then(|digits: &str| digits.parse::<u16>().ok());
        if shaped
            && let (Some(year), Some(month), Some(day)) =
                (number(0..4), number(5..7), number(8..10))
        {
            return Date::new(year, month as u8, day as u8).ok_or_else(|| {
                VersionError::form(0, format_args!("`{text}` is no day of the calendar"))
            });
        }
        Err(VersionError::form(0, "a date is written YYYY-MM-DD, like `2025-01-15`"))
    }
}

impl<'de> Deserialize<'de> for Date {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|error: VersionError| {
            serde::de::Error::custom(error.reason().unwrap_or_default())
        })
    }
}
