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
pub struct Feature(SmolStr);

/// A text is no name of a feature.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a feature name has 1 to 128 letters, digits, `_`, `-` and `.`")]
pub struct FeatureError(());

impl Feature {
    /// Takes a text as a name.
    ///
    /// # Errors
    /// [`FeatureError`] if it is empty, too long or has other characters.
    pub fn new(name: impl AsRef<str>) -> Result<Self, FeatureError> {
        match id::check(name.as_ref()) {
            Ok(IdCharset::Recommended) => Ok(Feature(SmolStr::new(name))),
            _ => Err(FeatureError(())),
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl<'de> Deserialize<'de> for Feature {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Feature::new(SmolStr::deserialize(deserializer)?).map_err(serde::de::Error::custom)
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
/// | text | `1.0.0..=1.1.0,reads=1.0.0..=1.2.0,floor=1.0.0,features=batching+compression` |
/// | JSON | `{"implemented":[{"from":"1.0.0","to":"1.1.0"}],"known":[...],"floor":"1.0.0","features":["batching","compression"]}` |
///
/// Ranges include both ends and are joined by `+`. Everything but the implemented versions may be
/// left out; what is implemented is known. Unknown keys of the JSON form are passed over, because
/// it is read before the versions are known. Either form holds at most 64 ranges a list and 256
/// features.
///
/// ```
/// use coordination_protocol::ProtocolVersion;
/// use coordination_protocol::version::Supported;
///
/// let supported: Supported = "1.0.0+1.1.0,floor=1.1.0,features=batching".parse()?;
/// assert!(supported.implements(&ProtocolVersion::V1_0_0));
/// assert_eq!(supported.floor(), Some(&ProtocolVersion::V1_1_0));
/// assert_eq!(
///     supported.to_json().as_str(),
///     concat!(
///         r#"{"implemented":[{"from":"1.0.0","to":"1.0.0"},{"from":"1.1.0","to":"1.1.0"}],"#,
///         r#""floor":"1.1.0","features":["batching"]}"#
///     )
/// );
/// assert_eq!(Supported::from_json(supported.to_json().as_str())?, supported);
/// # Ok::<(), coordination_protocol::version::FormError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Supported {
    pub(super) implemented: VersionSet,
    /// Holds all that is implemented.
    pub(super) known: VersionSet,
    pub(super) floor: Option<ProtocolVersion>,
    pub(super) features: BTreeSet<Feature>,
}

impl Supported {
    /// Implements the versions of a range, or one version.
    pub fn new(range: impl Into<VersionRange>) -> Self {
        Supported::of(VersionSet::new([range.into()]))
    }

    fn of(implemented: VersionSet) -> Self {
        let known = implemented.clone();
        Supported { implemented, known, floor: None, features: BTreeSet::new() }
    }

    /// What this crate supports: [`VERSIONS`], without features of its own.
    pub fn current() -> Self {
        Supported::of(VersionSet::new(VERSIONS.iter().cloned().map(VersionRange::from)))
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

    /// Adds a feature.
    pub fn with_feature(mut self, feature: Feature) -> Self {
        self.features.insert(feature);
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

    /// The features.
    pub const fn features(&self) -> &BTreeSet<Feature> {
        &self.features
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
        let mut features = BTreeSet::new();
        for (key, value) in root.members()? {
            match key.as_str() {
                "implemented" => implemented = Some(VersionSet::read(&value)?),
                "known" => known = Some(VersionSet::read(&value)?),
                "floor" => floor = Some(value.parse(str::parse)?),
                "features" => {
                    for item in value.items(MOST_FEATURES)? {
                        features.insert(item.parse(|name| Feature::new(name))?);
                    }
                }
                _ => {}
            }
        }
        let implemented = implemented.ok_or_else(|| root.missing("implemented"))?;
        let known = match known {
            Some(known) => known.with(implemented.ranges().iter().cloned()),
            None => implemented.clone(),
        };
        Ok(Supported { implemented, known, floor, features })
    }

    /// The JSON form.
    pub fn to_json(&self) -> Json {
        // The form is made of texts and lists, which JSON can always hold.
        Json::of(self).unwrap_or_else(|_| Json::text(""))
    }
}

const MOST_FEATURES: usize = 256;

impl Default for Supported {
    /// [`Supported::current`].
    fn default() -> Self {
        Supported::current()
    }
}

impl fmt::Display for Supported {
    /// The text form.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.implemented)?;
        if self.known != self.implemented {
            write!(f, ",reads={}", self.known)?;
        }
        if let Some(floor) = &self.floor {
            write!(f, ",floor={floor}")?;
        }
        for (index, feature) in self.features.iter().enumerate() {
            write!(f, "{}{feature}", if index == 0 { ",features=" } else { "+" })?;
        }
        Ok(())
    }
}

impl FromStr for Supported {
    type Err = FormError;

    /// Reads the text form.
    fn from_str(text: &str) -> Result<Self, FormError> {
        let mut parts = text.split(',');
        let first = parts.next().unwrap_or_default();
        let mut supported = Supported::of(VersionSet::parse(first)?);
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
                "features" => supported.features = features(value, inside)?,
                _ => {
                    let reason = format_args!("`{key}` is none of reads=, floor=, features=");
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
fn features(text: &str, mut at: usize) -> Result<BTreeSet<Feature>, FormError> {
    let mut features = BTreeSet::new();
    for (count, name) in text.split('+').enumerate() {
        if count == MOST_FEATURES {
            return Err(FormError::new(at, format_args!("more than {MOST_FEATURES} features")));
        }
        features.insert(Feature::new(name).map_err(|error| FormError::new(at, error))?);
        at += name.len() + 1;
    }
    Ok(features)
}

impl Serialize for Supported {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("implemented", &self.implemented)?;
        if self.known != self.implemented {
            map.serialize_entry("known", &self.known)?;
        }
        if let Some(floor) = &self.floor {
            map.serialize_entry("floor", floor)?;
        }
        if !self.features.is_empty() {
            map.serialize_entry("features", &self.features)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Supported {
    /// Reads the JSON form; through `serde_json` only, like [`Json`].
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Json::deserialize(deserializer)?;
        Supported::from_json(json.as_str()).map_err(serde::de::Error::custom)
    }
}
