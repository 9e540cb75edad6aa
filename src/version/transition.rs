//! Several versions at once, while peers move from one to the next.

use super::negotiate::{Agreement, Refusal, negotiate};
use super::supported::SupportedVersions;
use crate::scalar::ProtocolVersion;
use std::collections::{BTreeMap, BTreeSet};

/// The peers of a component, and the versions that it has to speak for them (specification,
/// Migration Support).
///
/// ```
/// use coordination_protocol::ProtocolVersion;
/// use coordination_protocol::version::{SupportedVersions, Transition};
///
/// let mut transition = Transition::new(SupportedVersions::current());
/// transition.meet("resource-manager", "1.0.0".parse()?);
/// transition.meet("monitor", "1.0.0..=1.1.0".parse()?);
/// assert_eq!(transition.versions().len(), 2);
///
/// // Who keeps us from giving up 1.0.0?
/// let waiting: Vec<_> = transition.blockers(&ProtocolVersion::V1_1_0).collect();
/// assert_eq!(waiting, ["resource-manager"]);
///
/// transition.meet("resource-manager", "1.1.0".parse()?);
/// assert_eq!(transition.blockers(&ProtocolVersion::V1_1_0).count(), 0);
/// # Ok::<(), coordination_protocol::version::VersionError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    ours: SupportedVersions,
    peers: BTreeMap<String, (SupportedVersions, Result<Agreement, Refusal>)>,
}

impl Transition {
    /// A component without peers yet.
    pub const fn new(ours: SupportedVersions) -> Self {
        Transition { ours, peers: BTreeMap::new() }
    }

    /// Negotiates with a peer, again if it was met before, and gives the outcome.
    pub fn meet(&mut self, peer: &str, theirs: SupportedVersions) -> &Result<Agreement, Refusal> {
        let outcome = negotiate(&self.ours, &theirs);
        self.leave(peer);
        let entry = self.peers.entry(peer.to_owned()).or_insert((theirs, outcome));
        &entry.1
    }

    /// Forgets a peer. Tells whether it was there.
    pub fn leave(&mut self, peer: &str) -> bool {
        self.peers.remove(peer).is_some()
    }

    /// The outcome for a peer; none if it was not met.
    pub fn outcome(&self, peer: &str) -> Option<&Result<Agreement, Refusal>> {
        self.peers.get(peer).map(|(_, outcome)| outcome)
    }

    /// All outcomes, by the peers' names.
    pub fn outcomes(&self) -> impl Iterator<Item = (&str, &Result<Agreement, Refusal>)> {
        self.peers.iter().map(|(peer, (_, outcome))| (peer.as_str(), outcome))
    }

    /// The versions that must still be spoken: those agreed on with some peer.
    pub fn versions(&self) -> BTreeSet<&ProtocolVersion> {
        let agreements = self.peers.values().filter_map(|(_, outcome)| outcome.as_ref().ok());
        agreements.map(|agreement| &agreement.version).collect()
    }

    /// The peers that are served now and would be refused if our floor rose to `floor`.
    pub fn blockers(&self, floor: &ProtocolVersion) -> impl Iterator<Item = &str> {
        let raised = self.ours.clone().with_floor(floor.clone());
        self.peers.iter().filter_map(move |(peer, (theirs, outcome))| {
            (outcome.is_ok() && negotiate(&raised, theirs).is_err()).then_some(peer.as_str())
        })
    }
}
