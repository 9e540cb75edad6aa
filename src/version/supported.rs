//! What one side supports, in text and in JSON.

use super::range::{VersionRange, VersionSet};
use crate::json::Json;
use crate::scalar::ProtocolVersion;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use smol_str::SmolStr;
use std::collections::BTreeSet;
use std::fmt;

/// The protocol versions that this crate reads and speaks, lowest first.
pub const VERSIONS: &[ProtocolVersion] = &[ProtocolVersion::V1_0_0, ProtocolVersion::V1_1_0];

/// The name of an optional ability that both sides need for it to be used, such as `compression`.
///
/// 1 to 128 of the characters letters, digits, `_`, `-` and `.`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Capability(pub(super) SmolStr);

impl Capability {
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
/// # Ok::<(), coordination_protocol::version::VersionError>(())
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

    pub(super) fn of(implemented: VersionSet) -> Self {
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

    /// The JSON form.
    pub fn to_json(&self) -> Json {
        // The form is made of texts and lists, which JSON can always hold.
        Json::of(self).unwrap_or_else(|_| Json::text(""))
    }
}

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
