//! States that the host hands in: those of the component itself, and those that all agreed on.

use super::StateSync;
use super::io::{StateOrigin, SyncError};
use super::replica::Version;
use crate::merge::{Merged, merge};
use crate::message::{StateMetadata, WorkflowState};
use crate::scalar::{Count, Now};
use crate::spec::FieldType;

const LAST: u64 = FieldType::LAST_STATE_VERSION;

impl StateSync {
    /// Whether a state can be one of this workflow.
    fn belongs(&self, state: &WorkflowState) -> Result<(), SyncError> {
        if state.workflow_id != self.workflow {
            let (found, expected) = (state.workflow_id.clone(), self.workflow.clone());
            return Err(SyncError::OtherWorkflow { found, expected });
        }
        let (number, epoch) = (state.state_version.get(), state.epoch.as_ref());
        let highest = epoch.map_or(number, |epoch| epoch.get().max(number));
        if highest > LAST { Err(SyncError::BeyondLastVersion(highest)) } else { Ok(()) }
    }

    pub(super) fn changed(&mut self, now: Now, mut state: WorkflowState) -> Result<(), SyncError> {
        self.belongs(&state)?;
        let mut origin = StateOrigin::First;
        if let Some(current) = &self.current {
            let number = current.number();
            let made_from = self.made_from(current, &state);
            // Compared under the current number: a new number alone is no change.
            let mut same = state.clone();
            same.state_version = current.state.state_version.clone();
            if Version::new(same).digest.is_some_and(|digest| current.digest == Some(digest)) {
                return Err(SyncError::Unchanged);
            }
            if number >= LAST {
                return Err(SyncError::BeyondLastVersion(number.saturating_add(1)));
            }
            // A host that works for a while on a copy, while a peer's state is adopted, would take
            // the peer's change back without having seen it.
            let earlier = state.epoch.as_ref().is_some_and(|epoch| epoch.get() != current.epoch());
            if earlier || made_from != number {
                state = self.rebased(now, current, made_from, state)?;
            }
            state.state_version = number.saturating_add(1).into();
            state.epoch.clone_from(&current.state.epoch);
            state.restored_version.clone_from(&current.state.restored_version);
            origin = StateOrigin::Own;
        // 0 stands for no state at all when states without a common ancestor are merged.
        } else if state.state_version.get() == 0 {
            state.state_version = 1_u64.into();
        }
        // Stamped here, because the time decides which side of a fork comes first, at all replicas
        // alike.
        state.timestamp = Some(now.timestamp());
        let metadata = state.metadata.take().unwrap_or_else(StateMetadata::new);
        state.metadata = Some(metadata.with_last_update_source(self.own.as_str()));
        let version = Version::new(state);
        self.adopt(now, version, origin, None);
        Ok(())
    }

    /// The version that a state was made from.
    fn made_from(&self, current: &Version, state: &WorkflowState) -> u64 {
        // A copy has the ancestors of what it was copied from, whatever was done to its number.
        let named = state.metadata.as_ref().and_then(|metadata| metadata.ancestors.as_deref());
        let copied = named.filter(|named| !named.is_empty()).and_then(|named| {
            let copied = |version: &Version| version.ancestors() == named;
            if copied(current) { Some(current) } else { self.history.latest(copied) }
        });
        match (copied, state.state_version.get()) {
            (Some(version), _) => version.number(),
            (None, 0) => current.number(),
            // The host has counted it on itself.
            (None, next) if next.checked_sub(1) == Some(current.number()) => current.number(),
            (None, stated) => stated,
        }
    }

    /// A state that was made from an earlier version, merged with the current one.
    fn rebased(
        &self,
        now: Now,
        current: &Version,
        made_from: u64,
        mut state: WorkflowState,
    ) -> Result<WorkflowState, SyncError> {
        let refused =
            |conflicts| SyncError::Stale { made_from, current: current.number(), conflicts };
        let epoch = state.epoch.as_ref().map_or(0, Count::get);
        // Of the line that is current: a version of an epoch before is not what it counts on from.
        let known = |version: &Version| {
            version.number() == made_from
                && version.epoch() == current.epoch()
                && epoch == current.epoch()
        };
        let base = self.history.latest(known).ok_or_else(|| refused(Vec::new()))?;
        // What is said now is later than what is current.
        state.timestamp = Some(now.timestamp());
        let state = Version::with_digest(state, None).bare();
        let Merged { value, conflicts, .. } =
            merge(&base.bare(), current.bare(), &state, &self.policy);
        if !conflicts.is_empty() {
            return Err(refused(conflicts.into_iter().map(|conflict| conflict.pointer).collect()));
        }
        if value.state_version.get() == current.number() {
            // All that it says has been said.
            return Err(SyncError::Unchanged);
        }
        Ok(value)
    }

    pub(super) fn decided(&mut self, now: Now, state: WorkflowState) -> Result<(), SyncError> {
        self.belongs(&state)?;
        let stated = state.epoch.as_ref().map(Count::get);
        if let (Some(found), Some(current)) = (stated, self.current.as_ref().map(Version::epoch))
            && found < current
        {
            return Err(SyncError::Abandoned { found, current });
        }
        // It is none of a peer, which alone could be ignored.
        let _ = self.on_state(now, Version::new(state), None, Some(StateOrigin::Decided));
        Ok(())
    }
}
