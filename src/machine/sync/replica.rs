//! Our own copy of a state, and where it came from.

use crate::merge::{Relation, across_epochs, content_digest, relation_by};
use crate::message::{StateMetadata, WorkflowState};
use crate::scalar::{Count, Digest, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// A state with the digest of its content.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Version {
    pub(super) state: WorkflowState,
    /// `None` if it holds a number that RFC 8785 cannot write; such a state equals no other.
    pub(super) digest: Option<Digest>,
}

impl Version {
    pub(super) fn new(state: WorkflowState) -> Self {
        let digest = content_digest(&state);
        Version::with_digest(state, digest)
    }

    /// A state whose digest is known.
    pub(super) const fn with_digest(state: WorkflowState, digest: Option<Digest>) -> Self {
        Version { state, digest }
    }

    pub(super) fn number(&self) -> u64 {
        self.state.state_version.get()
    }

    /// The epoch, 0 before the workflow was taken back for the first time.
    pub(super) fn epoch(&self) -> u64 {
        self.state.epoch.as_ref().map_or(0, Count::get)
    }

    /// What tells it from others.
    pub(super) fn mark(&self) -> VersionMark {
        let epoch = self.state.epoch.as_ref().map(Count::get);
        VersionMark { number: self.number(), epoch, digest: self.digest.clone() }
    }

    /// What another version is to this one.
    pub(super) fn relation(&self, other: &VersionMark) -> Relation {
        // Who states no epoch has its version compared alone: a 1.0.0 writer cannot state one.
        let across = other
            .epoch
            .and_then(|epoch| across_epochs(self.epoch(), epoch, self.number(), other.number));
        // Without a digest two states are never called equal; then they are merged, which is safe
        // if they were.
        let same = || Some(self.digest.as_ref()? == other.digest.as_ref()?);
        across.unwrap_or_else(|| relation_by(self.number(), other.number, same))
    }

    /// The same content under another number.
    pub(super) fn renumbered(&self, number: u64, capacity: usize) -> Self {
        let mut state = self.state.clone();
        state.state_version = number.into();
        let mut renumbered = Version::new(state);
        // So that who has it under the old number sees that nothing of it is missing.
        renumbered.descend(&[self], capacity);
        renumbered
    }

    pub(super) fn ancestors(&self) -> &[Digest] {
        let metadata = self.state.metadata.as_ref();
        metadata.and_then(|metadata| metadata.ancestors.as_deref()).unwrap_or_default()
    }

    /// Whether a content went into this one.
    pub(super) fn comes_from(&self, digest: Option<&Digest>) -> bool {
        digest.is_some_and(|digest| {
            self.digest.as_ref() == Some(digest) || self.ancestors().contains(digest)
        })
    }

    /// Names more contents that went into it.
    pub(super) fn name<'d>(&mut self, more: impl IntoIterator<Item = &'d Digest>) {
        let mut ancestors = self.ancestors().to_vec();
        let known = ancestors.len();
        for digest in more {
            // A state is not its own ancestor.
            if self.digest.as_ref() != Some(digest) && !ancestors.contains(digest) {
                ancestors.push(digest.clone());
            }
        }
        if ancestors.len() > known {
            let metadata = self.state.metadata.take().unwrap_or_else(StateMetadata::new);
            self.state.metadata = Some(metadata.with_ancestors(ancestors));
        }
    }

    /// Names what it came from: the contents of these and their ancestors, the latest first. Those of
    /// each take turns, so that no line is cut off by the other. What it names itself comes behind them: others
    /// had it, and may follow by it.
    pub(super) fn descend(&mut self, from: &[&Version], capacity: usize) {
        let capacity = capacity.max(1);
        let own = self.ancestors().to_vec();
        let lines: Vec<Vec<&Digest>> = from
            .iter()
            .map(|version| version.digest.iter().chain(version.ancestors()).collect())
            .collect();
        let longest = lines.iter().map(Vec::len).max().unwrap_or_default();
        let turns = (0..longest).flat_map(|at| lines.iter().filter_map(move |line| line.get(at)));
        let mut ancestors: Vec<Digest> = Vec::new();
        // Others may name any number of them.
        for (digests, most) in [
            (turns.copied().collect::<Vec<_>>(), capacity),
            (own.iter().collect(), capacity.saturating_mul(2)),
        ] {
            for digest in digests {
                if ancestors.len() >= most {
                    break;
                }
                // Twice or itself would waste places, of which there are few.
                if Some(digest) != self.digest.as_ref() && !ancestors.contains(digest) {
                    ancestors.push(digest.clone());
                }
            }
        }
        let metadata = self.state.metadata.take().unwrap_or_else(StateMetadata::new);
        self.state.metadata = Some(metadata.with_ancestors(ancestors));
    }

    /// The state without what each replica says for itself of its copy, which is nothing to be merged.
    pub(super) fn bare(&self) -> WorkflowState {
        let mut state = self.state.clone();
        if let Some(metadata) = &mut state.metadata {
            metadata.last_update_source = None;
            metadata.synchronization_confidence = None;
            metadata.conflict_detected = None;
            metadata.ancestors = None;
        }
        state
    }

    /// What decides between two that are merged, the same at all replicas: the later time, then the
    /// digest.
    pub(super) fn precedence(&self) -> (Option<i64>, Option<&str>) {
        let time = self.state.timestamp.as_ref().and_then(Timestamp::unix_millis);
        (time, self.digest.as_ref().map(Digest::as_str))
    }
}

/// What tells one version from others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct VersionMark {
    pub(super) number: u64,
    /// `None` if the state names none.
    pub(super) epoch: Option<u64>,
    pub(super) digest: Option<Digest>,
}

/// The states that were current here, the latest last.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct History(VecDeque<Version>);

impl History {
    pub(super) fn push(&mut self, version: Version, capacity: usize) {
        self.0.push_back(version);
        // At least one: without the state before the current one no fork could be merged.
        while self.0.len() > capacity.max(1) {
            self.0.pop_front();
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Version> {
        self.0.iter()
    }

    /// The latest that fits.
    pub(super) fn latest(&self, fits: impl Fn(&Version) -> bool) -> Option<&Version> {
        self.0.iter().rev().find(|version| fits(version))
    }
}
