//! Our own copy of a state, and where it came from.

use crate::merge::{Relation, content_digest, relation_by};
use crate::message::{StateMetadata, WorkflowState};
use crate::scalar::{Digest, Timestamp};
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

    /// What an incoming version, known by its number and digest, is to this one.
    pub(super) fn relation(&self, number: u64, digest: Option<&Digest>) -> Relation {
        // Without a digest two states are never called equal; then they are merged, which is safe
        // if they were.
        relation_by(self.number(), number, || Some(self.digest.as_ref()? == digest?))
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

    /// Says of a state that names no ancestors what it came from.
    pub(super) fn came_from(&mut self, before: Option<Digest>) {
        // A repetition is not its own ancestor.
        let Some(before) = before.filter(|before| self.digest.as_ref() != Some(before)) else {
            return;
        };
        let metadata = self.state.metadata.take().unwrap_or_else(StateMetadata::new);
        self.state.metadata = Some(metadata.with_ancestors(vec![before]));
    }

    /// Names what it came from: the contents of these and their ancestors, the latest first. Those of
    /// each take turns, so that no line is cut off by the other.
    pub(super) fn descend(&mut self, from: &[&Version], capacity: usize) {
        let own = self.ancestors().to_vec();
        let lines: Vec<Vec<&Digest>> = from
            .iter()
            .map(|version| version.digest.iter().chain(version.ancestors()).collect())
            // What the state names itself goes last: the lines of both sides say more about who may
            // adopt it.
            .chain([own.iter().collect()])
            .collect();
        let longest = lines.iter().map(Vec::len).max().unwrap_or_default();
        let mut ancestors: Vec<Digest> = Vec::new();
        for digest in (0..longest).flat_map(|at| lines.iter().filter_map(move |line| line.get(at)))
        {
            // Others may name any number of them.
            if ancestors.len() >= capacity.max(1) {
                break;
            }
            // Twice or itself would waste places, of which there are few.
            if Some(*digest) != self.digest.as_ref() && !ancestors.contains(digest) {
                ancestors.push((*digest).clone());
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

    /// The latest that fits.
    pub(super) fn latest(&self, fits: impl Fn(&Version) -> bool) -> Option<&Version> {
        self.0.iter().rev().find(|version| fits(version))
    }
}
