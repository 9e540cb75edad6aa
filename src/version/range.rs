//! Ranges of versions, and sets of them.

use crate::scalar::ProtocolVersion;
use serde::{Serialize, Serializer};
use std::fmt;

/// All versions from one to another, both included; written `1.0.0..=1.1.0`, or `1.1.0` alone.
///
/// Its JSON form is `{"min":"1.0.0","max":"1.1.0"}`.
///
/// ```
/// use coordination_protocol::ProtocolVersion;
/// use coordination_protocol::version::VersionRange;
///
/// let range: VersionRange = "1.0.0..=1.1.0".parse()?;
/// assert!(range.contains(&ProtocolVersion::new(1, 0, 7)));
/// assert_eq!(range.to_string(), "1.0.0..=1.1.0");
/// assert!("1.1.0..=1.0.0".parse::<VersionRange>().is_err());
/// # Ok::<(), coordination_protocol::version::VersionError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct VersionRange {
    #[serde(rename = "min")]
    from: ProtocolVersion,
    #[serde(rename = "max")]
    to: ProtocolVersion,
}

impl VersionRange {
    /// All versions from `from` to `to`; none if `to` is below `from`.
    pub(super) fn between(from: ProtocolVersion, to: ProtocolVersion) -> Option<Self> {
        (from <= to).then_some(VersionRange { from, to })
    }

    /// The lowest version.
    pub const fn lowest(&self) -> &ProtocolVersion {
        &self.from
    }

    /// The highest version.
    pub const fn highest(&self) -> &ProtocolVersion {
        &self.to
    }

    /// Whether a version lies inside.
    pub fn contains(&self, version: &ProtocolVersion) -> bool {
        (&self.from..=&self.to).contains(&version)
    }
}

impl From<ProtocolVersion> for VersionRange {
    /// The range of one version.
    fn from(version: ProtocolVersion) -> Self {
        VersionRange { from: version.clone(), to: version }
    }
}

impl fmt::Display for VersionRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.from == self.to {
            write!(f, "{}", self.from)
        } else {
            write!(f, "{}..={}", self.from, self.to)
        }
    }
}

/// A set of versions as ranges: sorted, disjoint, and none next to another, so that equal sets are
/// equal values.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct VersionSet(Vec<VersionRange>);

impl VersionSet {
    pub(super) fn new(ranges: impl IntoIterator<Item = VersionRange>) -> Self {
        let mut ranges: Vec<_> = ranges.into_iter().collect();
        ranges.sort();
        let mut merged: Vec<VersionRange> = Vec::with_capacity(ranges.len());
        for range in ranges {
            match merged.last_mut() {
                Some(last) if next(&last.to).is_none_or(|behind| range.from <= behind) => {
                    last.to = range.to.max(last.to.clone());
                }
                _ => merged.push(range),
            }
        }
        VersionSet(merged)
    }

    pub(super) fn ranges(&self) -> &[VersionRange] {
        &self.0
    }

    pub(super) fn with(&self, more: impl IntoIterator<Item = VersionRange>) -> Self {
        VersionSet::new(self.0.iter().cloned().chain(more))
    }

    pub(super) fn contains(&self, version: &ProtocolVersion) -> bool {
        self.0.iter().any(|range| range.contains(version))
    }

    pub(super) fn highest(&self) -> Option<&ProtocolVersion> {
        self.0.last().map(VersionRange::highest)
    }

    /// What both sets hold.
    pub(super) fn common(&self, other: &VersionSet) -> Self {
        VersionSet::new(self.0.iter().flat_map(|ours| {
            other.0.iter().filter_map(|theirs| {
                let from = ours.lowest().max(theirs.lowest()).clone();
                VersionRange::between(from, ours.highest().min(theirs.highest()).clone())
            })
        }))
    }

    /// What is not below a floor.
    pub(super) fn at_least(&self, floor: Option<&ProtocolVersion>) -> Self {
        let Some(floor) = floor else { return self.clone() };
        VersionSet::new(self.0.iter().filter_map(|range| {
            VersionRange::between(range.lowest().max(floor).clone(), range.highest().clone())
        }))
    }

    /// The lowest version above another.
    pub(super) fn first_above(&self, version: &ProtocolVersion) -> Option<ProtocolVersion> {
        let range = self.0.iter().find(|range| range.highest() > version)?;
        if range.lowest() > version { Some(range.lowest().clone()) } else { next(version) }
    }
}

impl fmt::Display for VersionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, range) in self.0.iter().enumerate() {
            write!(f, "{}{range}", if index > 0 { "+" } else { "" })?;
        }
        Ok(())
    }
}

impl Serialize for VersionSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

/// The version right behind another; none behind the last.
fn next(version: &ProtocolVersion) -> Option<ProtocolVersion> {
    let (major, minor, patch) = (version.major(), version.minor(), version.patch());
    if let Some(patch) = patch.checked_add(1) {
        return Some(ProtocolVersion::new(major, minor, patch));
    }
    if let Some(minor) = minor.checked_add(1) {
        return Some(ProtocolVersion::new(major, minor, 0));
    }
    major.checked_add(1).map(|major| ProtocolVersion::new(major, 0, 0))
}
