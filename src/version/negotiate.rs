//! Agreeing on one version, or saying why not and what would help.

use super::range::VersionSet;
use super::supported::{Capability, SupportedVersions};
use crate::scalar::{ProtocolVersion, words};
use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};
use std::collections::BTreeSet;
use std::fmt;

/// Finds the version that two sides speak (specification, Migration Support).
///
/// It is the highest version that both implement and that is below neither floor, with the
/// capabilities that both have. Pure and total; the order of ranges and capabilities does not
/// matter, and both sides compute the same answer.
///
/// ```
/// use coordination_protocol::version::{SupportedVersions, negotiate};
///
/// let ours: SupportedVersions = "1.0.0..=1.1.0,capabilities=batching+compression".parse()?;
/// let theirs: SupportedVersions = "1.1.0..=1.4.0,capabilities=compression".parse()?;
/// let agreement = negotiate(&ours, &theirs)?;
/// assert_eq!(agreement.to_string(), "1.1.0 with compression");
///
/// let newer: SupportedVersions = "1.2.0..=1.4.0".parse()?;
/// assert_eq!(
///     negotiate(&ours, &newer).unwrap_err().to_string(),
///     "no version is common to 1.0.0..=1.1.0 (ours) and 1.2.0..=1.4.0 (theirs); \
///      upgrade our side to at least 1.2.0, or let the peer speak 1.1.0 as well"
/// );
/// # Ok::<(), coordination_protocol::error::Error>(())
/// ```
///
/// # Errors
/// [`Refusal`] if no version will do.
#[doc(alias = "handshake")]
pub fn negotiate(
    ours: &SupportedVersions,
    theirs: &SupportedVersions,
) -> Result<Agreement, Refusal> {
    // The higher floor holds: neither side may be talked down by the other, nor by who is between
    // them. What a side only reads does not count, since it would have to answer in it.
    let floor = ours.floor().max(theirs.floor());
    let common = ours.implemented.common(&theirs.implemented);
    match common.at_least(floor).highest() {
        Some(version) => Ok(Agreement {
            version: version.clone(),
            capabilities: ours.capabilities.intersection(&theirs.capabilities).cloned().collect(),
        }),
        None => Err(Refusal {
            highest_common: common.highest().cloned(),
            remedies: remedies(ours, theirs, &common),
            sides: Box::new([ours.clone(), theirs.clone()]),
        }),
    }
}

/// What two sides agreed on.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Agreement {
    /// The version that both speak from now on.
    pub version: ProtocolVersion,
    /// The capabilities that both have.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub capabilities: BTreeSet<Capability>,
}

impl fmt::Display for Agreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.version)?;
        for (index, capability) in self.capabilities.iter().enumerate() {
            write!(f, "{}{capability}", if index == 0 { " with " } else { ", " })?;
        }
        Ok(())
    }
}

words! {
    /// One side of an exchange, or both.
    Side {
        /// The first argument of [`negotiate`].
        Ours "ours",
        /// The second one.
        Theirs "theirs",
        /// Both, together.
        Both "both",
    }
}

impl Side {
    const fn swapped(self) -> Self {
        match self {
            Side::Ours => Side::Theirs,
            Side::Theirs => Side::Ours,
            Side::Both => Side::Both,
        }
    }

    const fn noun(self) -> &'static str {
        match self {
            Side::Ours => "our side",
            Side::Theirs => "the peer",
            Side::Both => "both sides",
        }
    }
}

/// A change to one side, or to both, that by itself would make the negotiation succeed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Remedy {
    /// The side implements a version above all it has.
    Upgrade {
        /// Who.
        side: Side,
        /// The lowest version that helps.
        version: ProtocolVersion,
    },
    /// The side also speaks a version below its highest.
    AlsoSpeak {
        /// Who.
        side: Side,
        /// The highest version that helps.
        version: ProtocolVersion,
    },
    /// The side accepts an older version.
    LowerFloor {
        /// Who.
        side: Side,
        /// The highest floor that helps.
        version: ProtocolVersion,
    },
}

impl Remedy {
    /// Applies the change to the two sides that were refused.
    ///
    /// ```
    /// use coordination_protocol::version::{SupportedVersions, negotiate};
    ///
    /// let (ours, theirs): (SupportedVersions, SupportedVersions) = ("1.0.0".parse()?, "1.1.0".parse()?);
    /// for remedy in negotiate(&ours, &theirs).unwrap_err().remedies() {
    ///     let (ours, theirs) = remedy.apply(&ours, &theirs);
    ///     assert!(negotiate(&ours, &theirs).is_ok());
    /// }
    /// # Ok::<(), coordination_protocol::version::VersionError>(())
    /// ```
    pub fn apply(
        &self,
        ours: &SupportedVersions,
        theirs: &SupportedVersions,
    ) -> (SupportedVersions, SupportedVersions) {
        let (Remedy::Upgrade { side, .. }
        | Remedy::AlsoSpeak { side, .. }
        | Remedy::LowerFloor { side, .. }) = self;
        let change = |supported: &SupportedVersions, except: Side| match self {
            _ if *side == except => supported.clone(),
            Remedy::Upgrade { version, .. } | Remedy::AlsoSpeak { version, .. } => {
                supported.clone().with_implemented(version.clone())
            }
            Remedy::LowerFloor { version, .. } => supported.clone().with_floor(version.clone()),
        };
        (change(ours, Side::Theirs), change(theirs, Side::Ours))
    }

    fn swapped(&self) -> Self {
        let mut remedy = self.clone();
        let (Remedy::Upgrade { side, .. }
        | Remedy::AlsoSpeak { side, .. }
        | Remedy::LowerFloor { side, .. }) = &mut remedy;
        *side = side.swapped();
        remedy
    }
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Remedy::Upgrade { side, version } => {
                write!(f, "upgrade {} to at least {version}", side.noun())
            }
            Remedy::AlsoSpeak { side, version } => {
                write!(f, "let {} speak {version} as well", side.noun())
            }
            Remedy::LowerFloor { side, version } => {
                write!(f, "lower the floor of {} to {version}", side.noun())
            }
        }
    }
}

/// Each of these suffices, and there is at least one.
fn remedies(
    ours: &SupportedVersions,
    theirs: &SupportedVersions,
    common: &VersionSet,
) -> Vec<Remedy> {
    let floor = ours.floor().max(theirs.floor());
    let mut remedies = Vec::new();
    // A lower floor helps only if there is a common version below it.
    if let Some(version) = common.highest().cloned() {
        let above =
            |supported: &SupportedVersions| supported.floor().is_some_and(|at| *at > version);
        let side = match (above(ours), above(theirs)) {
            (true, true) => Side::Both,
            (true, false) => Side::Ours,
            (false, _) => Side::Theirs,
        };
        remedies.push(Remedy::LowerFloor { side, version });
    }
    let mut learn = |side: Side, pupil: &SupportedVersions, teacher: &SupportedVersions| {
        let offered = teacher.implemented.at_least(floor);
        let above = pupil.implemented.highest().and_then(|top| offered.first_above(top));
        // The lowest version above, or else the highest below: the smallest step for that side.
        match (above, offered.highest().cloned()) {
            (Some(version), _) => remedies.push(Remedy::Upgrade { side, version }),
            (None, Some(version)) => remedies.push(Remedy::AlsoSpeak { side, version }),
            (None, None) => {}
        }
    };
    learn(Side::Ours, ours, theirs);
    learn(Side::Theirs, theirs, ours);
    // Neither side implements anything at the floor: no single side can help.
    if let (true, Some(floor)) = (remedies.is_empty(), floor) {
        remedies.push(Remedy::Upgrade { side: Side::Both, version: floor.clone() });
    }
    // Both sides list them in the same order, so that their refusals can be compared.
    remedies.sort();
    remedies
}

/// Why two sides cannot talk, and what would help.
///
/// `Display` says both. Serialized, it is
/// `{"ours","theirs","highest_common","remedies","message"}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    sides: Box<[SupportedVersions; 2]>,
    highest_common: Option<ProtocolVersion>,
    remedies: Vec<Remedy>,
}

impl Refusal {
    /// What our side supports.
    pub fn ours(&self) -> &SupportedVersions {
        &self.sides[0]
    }

    /// What the peer supports.
    pub fn theirs(&self) -> &SupportedVersions {
        &self.sides[1]
    }

    /// The highest version that both implement, which then is below a floor; none if they share
    /// no version.
    pub const fn highest_common(&self) -> Option<&ProtocolVersion> {
        self.highest_common.as_ref()
    }

    /// What would help; each remedy suffices by itself, and there is at least one.
    pub fn remedies(&self) -> &[Remedy] {
        &self.remedies
    }

    /// The refusal as the other side sees it.
    pub fn swapped(&self) -> Self {
        let mut remedies: Vec<_> = self.remedies.iter().map(Remedy::swapped).collect();
        remedies.sort();
        Refusal {
            sides: Box::new([self.theirs().clone(), self.ours().clone()]),
            highest_common: self.highest_common.clone(),
            remedies,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.highest_common {
            None => write!(
                f,
                "no version is common to {} (ours) and {} (theirs)",
                self.ours().implemented,
                self.theirs().implemented
            )?,
            Some(version) => {
                write!(f, "the highest common version is {version}, below ")?;
                let sides = [("our floor", self.ours()), ("the peer's floor", self.theirs())];
                let mut and = "";
                for (name, supported) in sides {
                    if let Some(floor) = supported.floor().filter(|floor| *floor > version) {
                        write!(f, "{and}{name} {floor}")?;
                        and = " and ";
                    }
                }
            }
        }
        for (index, remedy) in self.remedies.iter().enumerate() {
            write!(f, "{}{remedy}", if index == 0 { "; " } else { ", or " })?;
        }
        Ok(())
    }
}

impl Serialize for Refusal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Refusal", 5)?;
        out.serialize_field("ours", self.ours())?;
        out.serialize_field("theirs", self.theirs())?;
        out.serialize_field("highest_common", &self.highest_common)?;
        out.serialize_field("remedies", &self.remedies)?;
        out.serialize_field("message", &self.to_string())?;
        out.end()
    }
}
