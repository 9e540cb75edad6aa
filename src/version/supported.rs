//! What one side supports, in text and in JSON.

use super::form::{FormError, Place};
use super::range::{VersionRange, VersionSet};
use crate::json::Json;
use crate::scalar::{IdCharset, ProtocolVersion, id};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use smol_str::SmolStr;
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// The protocol versions that this crate reads and speaks, lowest first.
pub const VERSIONS: &[ProtocolVersion] = &[ProtocolVersion::V1_0_0, ProtocolVersion::V1_1_0];

/// The name of an optional ability that both sides need for it to be used, such as `compression`.
///
/// 1 to 128 of the characters letters, digits, `_`, `-` and `.`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Capability(SmolStr);

/// A text is no name of a capability.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a capability name has 1 to 128 letters, digits, `_`, `-` and `.`")]
pub struct CapabilityError(());

impl Capability {
    /// Takes a text as a name.
    ///
    /// # Errors
    /// [`CapabilityError`] if it is empty, too long or has other characters.
    pub fn new(name: impl AsRef<str>) -> Result<Self, CapabilityError> {
        match id::check(name.as_ref()) {
            Ok(IdCharset::Recommended) => Ok(Capability(SmolStr::new(name))),
            _ => Err(CapabilityError(())),
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl<'de> Deserialize<'de> for Capability {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Capability::new(SmolStr::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// What one side of an exchange supports.
///
/// Two lists of versions are kept apart: those it *implements*, which it can speak, and those it
/// *knows*, which it can read. Only implemented versions are ever agreed on. A floor keeps an
/// exchange from falling back to a version that this side no longer wants, even if it could.
///
/// | form | example |
/// |---|---|
/// | text | `1.0.0..=1.1.0,reads=1.0.0..=1.2.0,floor=1.0.0,capabilities=batching+compression` |
/// | JSON | `{"versions":[{"min":"1.0.0","max":"1.1.0"}],"known":[...],"floor":"1.0.0","capabilities":["batching","compression"]}` |
///
/// Ranges include both ends and are joined by `+`. Everything but the implemented versions may be
/// left out; what is implemented is known. The JSON form is also how a [`hello`](Self::hello)
/// spells it. Unknown keys of the JSON form are passed over, because
/// it is read before the versions are known. Either form holds at most 64 ranges a list and 256
/// capabilities.
///
/// ```
/// use coordination_protocol::ProtocolVersion;
/// use coordination_protocol::version::SupportedVersions;
///
/// let supported: SupportedVersions = "1.0.0+1.1.0,floor=1.1.0,capabilities=batching".parse()?;
/// assert!(supported.implements(&ProtocolVersion::V1_0_0));
/// assert_eq!(supported.floor(), Some(&ProtocolVersion::V1_1_0));
/// assert_eq!(
///     supported.to_json().as_str(),
///     concat!(
///         r#"{"versions":[{"min":"1.0.0","max":"1.0.0"},{"min":"1.1.0","max":"1.1.0"}],"#,
///         r#""floor":"1.1.0","capabilities":["batching"]}"#
///     )
/// );
/// assert_eq!(SupportedVersions::from_json(supported.to_json().as_str())?, supported);
/// # Ok::<(), coordination_protocol::version::FormError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SupportedVersions {
    pub(super) implemented: VersionSet,
    /// Holds all that is implemented.
    pub(super) known: VersionSet,
    pub(super) floor: Option<ProtocolVersion>,
    pub(super) capabilities: BTreeSet<Capability>,
}

impl SupportedVersions {
    /// Implements the versions of a range, or one version.
    pub fn new(range: impl Into<VersionRange>) -> Self {
        SupportedVersions::of(VersionSet::new([range.into()]))
    }

    fn of(implemented: VersionSet) -> Self {
        let known = implemented.clone();
        SupportedVersions { implemented, known, floor: None, capabilities: BTreeSet::new() }
    }

    /// What this crate supports: [`VERSIONS`], without capabilities of its own.
    pub fn current() -> Self {
        SupportedVersions::of(VersionSet::new(VERSIONS.iter().cloned().map(VersionRange::from)))
    }

    /// Implements more versions.
    pub fn with_implemented(mut self, range: impl Into<VersionRange>) -> Self {
        let range = range.into();
        self.implemented = self.implemented.with([range.clone()]);
        self.with_known(range)
    }

    /// Knows more versions: they can be read, but not spoken.
    pub fn with_known(mut self, range: impl Into<VersionRange>) -> Self {
        self.known = self.known.with([range.into()]);
        self
    }

    /// Accepts no version below this one.
    pub fn with_floor(mut self, floor: ProtocolVersion) -> Self {
        self.floor = Some(floor);
        self
    }

    /// Accepts every version again.
    pub fn without_floor(mut self) -> Self {
        self.floor = None;
        self
    }

    /// Adds a capability.
    pub fn with_capability(mut self, capability: Capability) -> Self {
        self.capabilities.insert(capability);
        self
    }

    /// The versions that can be spoken, as disjoint ranges, lowest first.
    pub fn implemented(&self) -> &[VersionRange] {
        self.implemented.ranges()
    }

    /// The versions that can be read, all implemented ones among them.
    pub fn known(&self) -> &[VersionRange] {
        self.known.ranges()
    }

    /// The lowest version that is accepted.
    pub const fn floor(&self) -> Option<&ProtocolVersion> {
        self.floor.as_ref()
    }

    /// The capabilities.
    pub const fn capabilities(&self) -> &BTreeSet<Capability> {
        &self.capabilities
    }

    /// Whether a version can be spoken, whatever the floor.
    pub fn implements(&self, version: &ProtocolVersion) -> bool {
        self.implemented.contains(version)
    }

    /// Whether a version can be read.
    pub fn knows(&self, version: &ProtocolVersion) -> bool {
        self.known.contains(version)
    }

    /// Reads the JSON form.
    ///
    /// # Errors
    /// [`FormError`] with the pointer and the byte of the first fault.
    pub fn from_json(text: &str) -> Result<Self, FormError> {
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

    /// The JSON form.
    pub fn to_json(&self) -> Json {
        // The form is made of texts and lists, which JSON can always hold.
        Json::of(self).unwrap_or_else(|_| Json::text(""))
    }
}

const MAX_CAPABILITIES: usize = 256;

impl Default for SupportedVersions {
    /// [`SupportedVersions::current`].
    fn default() -> Self {
        SupportedVersions::current()
    }
}

impl fmt::Display for SupportedVersions {
    /// The text form.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.implemented)?;
        if self.known != self.implemented {
            write!(f, ",reads={}", self.known)?;
        }
        if let Some(floor) = &self.floor {
            write!(f, ",floor={floor}")?;
        }
        for (index, capability) in self.capabilities.iter().enumerate() {
            write!(f, "{}{capability}", if index == 0 { ",capabilities=" } else { "+" })?;
        }
        Ok(())
    }
}

impl FromStr for SupportedVersions {
    type Err = FormError;

    /// Reads the text form.
    fn from_str(text: &str) -> Result<Self, FormError> {
        let mut parts = text.split(',');
        let first = parts.next().unwrap_or_default();
        let mut supported = SupportedVersions::of(VersionSet::parse(first)?);
        let mut seen: Vec<&str> = Vec::new();
        let mut at = first.len() + 1;
        for part in parts {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            let inside = at + key.len() + 1;
            if seen.contains(&key) {
                return Err(FormError::new(at, format_args!("`{key}` is given twice")));
            }
            match key {
                "reads" => {
                    let known = VersionSet::parse(value).map_err(|error| error.behind(inside))?;
                    supported.known = supported.known.with(known.ranges().iter().cloned());
                }
                "floor" => {
                    let floor = value.parse().map_err(|error| FormError::new(inside, error))?;
                    supported.floor = Some(floor);
                }
                "capabilities" => supported.capabilities = capabilities(value, inside)?,
                _ => {
                    let reason = format_args!("`{key}` is none of reads=, floor=, capabilities=");
                    return Err(FormError::new(at, reason));
                }
            }
            seen.push(key);
            at += part.len() + 1;
        }
        Ok(supported)
    }
}

/// Reads names joined by `+`.
fn capabilities(text: &str, mut at: usize) -> Result<BTreeSet<Capability>, FormError> {
    let mut capabilities = BTreeSet::new();
    for (count, name) in text.split('+').enumerate() {
        if count == MAX_CAPABILITIES {
            return Err(FormError::new(
                at,
                format_args!("more than {MAX_CAPABILITIES} capabilities"),
            ));
        }
        capabilities.insert(Capability::new(name).map_err(|error| FormError::new(at, error))?);
        at += name.len() + 1;
    }
    Ok(capabilities)
}

impl Serialize for SupportedVersions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("versions", &self.implemented)?;
        if self.known != self.implemented {
            map.serialize_entry("known", &self.known)?;
        }
        if let Some(floor) = &self.floor {
            map.serialize_entry("floor", floor)?;
        }
        if !self.capabilities.is_empty() {
            map.serialize_entry("capabilities", &self.capabilities)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for SupportedVersions {
    /// Reads the JSON form; through `serde_json` only, like [`Json`].
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Json::deserialize(deserializer)?;
        SupportedVersions::from_json(json.as_str()).map_err(serde::de::Error::custom)
    }
}
