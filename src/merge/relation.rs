//! How two versions of one state relate.

use super::WITHOUT;
use crate::json::{Json, Limits, canonical, write_text};
use crate::message::WorkflowState;
use crate::scalar::{Digest, Ratio};
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::fmt;

/// The digest of what a state says, without when and by whom: SHA-256 over its RFC 8785 form
/// without `timestamp`, `metadata`, `epoch` and `restored_version`. `None` if it holds a number that
/// has no such form.
///
/// A store may keep it beside the state, for [`relation_by`].
pub fn content_digest(state: &WorkflowState) -> Option<Digest> {
    let json = Json::of(state).ok()?;
    let mut text = vec![b'{'];
    for (key, value) in crate::json::members(json.as_str(), 0) {
        let name = key.decode(json.as_str());
        if WITHOUT.contains(&&*name) {
            continue;
        }
        if text.len() > 1 {
            text.push(b',');
        }
        write_text(&mut text, &name);
        text.push(b':');
        text.extend_from_slice(value.raw(json.as_str()).as_bytes());
    }
    text.push(b'}');
    let limits = Limits::DEFAULT.with_bytes(usize::MAX).with_depth(Limits::MAX_DEPTH);
    let text = String::from_utf8(text).ok()?;
    let canonical = canonical(&text, &limits.with_keys(usize::MAX)).ok()?;
    Some(Digest::of(canonical.as_bytes()))
}

/// What a state that comes in is to the one that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[doc(alias = "fork")]
#[doc(alias = "divergence")]
pub enum Relation {
    /// An earlier version.
    Older {
        /// How many versions it lags behind, at least 1.
        behind: u64,
    },
    /// A later version.
    Newer {
        /// How many versions between the two were never seen; 0 if it is the next one.
        gap: u64,
    },
    /// The same version with the same content.
    Duplicate,
    /// The same version with other content: two writers each made one.
    Fork,
    /// The same version, and content that cannot be compared, because it holds a number that RFC
    /// 8785 cannot write. Treat it as a fork.
    Unknown,
    /// The state of another workflow.
    Unrelated,
}

impl Relation {
    /// Whether the state must be merged and not just taken or dropped.
    pub const fn is_conflict(self) -> bool {
        matches!(self, Relation::Fork | Relation::Unknown)
    }

    /// The word: `older`, `newer`, `gap`, `duplicate`, `fork`, `unknown` or `unrelated`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Relation::Older { .. } => "older",
            Relation::Newer { gap: 0 } => "newer",
            Relation::Newer { .. } => "gap",
            Relation::Duplicate => "duplicate",
            Relation::Fork => "fork",
            Relation::Unknown => "unknown",
            Relation::Unrelated => "unrelated",
        }
    }
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Relation::Older { behind } => write!(f, "older by {behind}"),
            Relation::Newer { gap: 0 } => f.write_str("the next version"),
            Relation::Newer { gap } => write!(f, "newer, {gap} missing between"),
            Relation::Duplicate => f.write_str("a duplicate"),
            Relation::Fork => f.write_str("a fork: the same version with other content"),
            Relation::Unknown => f.write_str("the same version; its content cannot be compared"),
            Relation::Unrelated => f.write_str("of another workflow"),
        }
    }
}

/// Relates a state that comes in to the one that is known. Timestamp and metadata do not count. A state
/// that names an earlier epoch is older, whatever its version, and one of a later epoch newer.
///
/// ```
/// use coordination_protocol::merge::{Relation, relation};
/// use coordination_protocol::message::WorkflowState;
/// use coordination_protocol::scalar::{Timestamp, WorkflowId};
///
/// let at = |version: u64, time| {
///     WorkflowState::new(WorkflowId::new("wf_001").unwrap(), version, Timestamp::from_lenient(time))
/// };
/// let known = at(15, "2025-01-15T12:00:00Z");
/// assert_eq!(relation(&known, &at(16, "2025-01-15T12:00:01Z")), Relation::Newer { gap: 0 });
/// assert_eq!(relation(&known, &at(18, "2025-01-15T12:00:01Z")), Relation::Newer { gap: 2 });
/// assert_eq!(relation(&known, &at(13, "2025-01-15T12:00:01Z")), Relation::Older { behind: 2 });
/// assert_eq!(relation(&known, &at(15, "2025-01-15T12:00:01Z")), Relation::Duplicate);
/// let forked = at(15, "2025-01-15T12:00:01Z").with_validation_required(vec!["audit".to_owned()]);
/// assert_eq!(relation(&known, &forked), Relation::Fork);
/// ```
pub fn relation(known: &WorkflowState, incoming: &WorkflowState) -> Relation {
    // Versions of different workflows count different things.
    if known.workflow_id != incoming.workflow_id {
        return Relation::Unrelated;
    }
    let (old, new) = (known.state_version.get(), incoming.state_version.get());
    let epochs = known.epoch.as_ref().zip(incoming.epoch.as_ref());
    if let Some(relation) = epochs.and_then(|(a, b)| across_epochs(a.get(), b.get(), old, new)) {
        return relation;
    }
    relation_by(old, new, || {
        // Equal values need no digest, and have none if they hold a number that RFC 8785 refuses.
        Some(known == incoming || content_digest(known)? == content_digest(incoming)?)
    })
}

/// What a version of another epoch is to the known one; `None` if it is of the same. A later epoch
/// stands for a decision to go back, so versions that were counted further before it mean nothing.
pub(crate) fn across_epochs(
    known_epoch: u64,
    incoming_epoch: u64,
    known: u64,
    incoming: u64,
) -> Option<Relation> {
    match incoming_epoch.cmp(&known_epoch) {
        Ordering::Equal => None,
        Ordering::Less => Some(Relation::Older { behind: known.saturating_sub(incoming).max(1) }),
        Ordering::Greater => {
            Some(Relation::Newer { gap: incoming.saturating_sub(known).saturating_sub(1) })
        }
    }
}

/// Like [`relation`], from versions of one epoch of a workflow and whatever tells whether the contents are
/// the same. It is asked only where the versions are equal, so that digests are made or fetched
/// only then; `None` is "cannot be told".
///
/// ```
/// use coordination_protocol::merge::{Relation, relation_by};
/// use coordination_protocol::scalar::Digest;
///
/// let (kept, computed) = (Digest::of(b"a"), Digest::of(b"b"));
/// assert_eq!(relation_by(15, 15, || Some(kept == computed)), Relation::Fork);
/// assert_eq!(relation_by(15, 16, || unreachable!()), Relation::Newer { gap: 0 });
/// ```
pub fn relation_by(
    known: u64,
    incoming: u64,
    same_content: impl FnOnce() -> Option<bool>,
) -> Relation {
    if incoming < known {
        return Relation::Older { behind: known - incoming };
    }
    if incoming > known {
        return Relation::Newer { gap: incoming - known - 1 };
    }
    // Only here does the content decide: a later version is newer whatever it says, because its
    // writer has seen what came before.
    match same_content() {
        Some(true) => Relation::Duplicate,
        Some(false) => Relation::Fork,
        None => Relation::Unknown,
    }
}

/// What the metadata of a state say about its peers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StateAgreement {
    /// `synchronization_confidence`.
    pub confidence: Ratio,
    /// `conflict_detected`.
    pub conflict_detected: bool,
}

/// Computes `synchronization_confidence` and `conflict_detected`.
///
/// Each peer is given by what its last known state is to ours, or `None` if its state was never received;
/// `unsettled` is how many conflicts of the last merge are not resolved.
///
/// * The confidence is the mean over all replicas, ourselves included with 1. A duplicate counts 1;
///   a peer that is `n` versions ahead or behind counts 1 / (1 + n); a fork, a peer whose state was never
///   received, and one that cannot be compared count 0. It is rounded to four places.
/// * A conflict is detected if a peer has forked or a conflict is not resolved.
///
/// ```
/// use coordination_protocol::merge::{Relation, agreement};
///
/// let peers = [Some(Relation::Duplicate), Some(Relation::Older { behind: 1 }), None];
/// let told = agreement(peers, 0);
/// // (1 + 1 + 1/2 + 0) / 4
/// assert_eq!(told.confidence.as_str(), "0.625");
/// assert!(!told.conflict_detected);
/// assert!(agreement([Some(Relation::Fork)], 0).conflict_detected);
/// ```
pub fn agreement(
    peers: impl IntoIterator<Item = Option<Relation>>,
    unsettled: usize,
) -> StateAgreement {
    // We count ourselves as agreeing, so that a replica without peers is fully confident.
    let (mut sum, mut count, mut forked) = (1.0, 1.0, false);
    for peer in peers {
        count += 1.0;
        forked |= peer.is_some_and(Relation::is_conflict);
        sum += match peer {
            Some(Relation::Duplicate) => 1.0,
            Some(Relation::Older { behind }) => 1.0 / (1.0 + behind as f64),
            Some(Relation::Newer { gap }) => 1.0 / (2.0 + gap as f64),
            Some(Relation::Fork | Relation::Unknown | Relation::Unrelated) | None => 0.0,
        };
    }
    let share: f64 = sum / count;
    // Four places: replicas that add up in another order must write the same text.
    let rounded = (share * 10_000.0).round() / 10_000.0;
    let confidence = Ratio::new(rounded.clamp(0.0, 1.0)).unwrap_or(Ratio::MIN);
    StateAgreement { confidence, conflict_detected: forked || unsettled > 0 }
}
