//! Finding what is damaged among the values of a store, and removing it.

use super::Checkpoints;
use super::entry::{ENTRIES, MARKS, Mark, PARTS, Place, Stage, unseal};
use super::error::CheckpointError;
use super::load::{Found, id_of, workflow_of};
use crate::message::MessageKind;
use crate::scalar::{CheckpointId, WallTime, WorkflowId};
use crate::storage::{
    DamagedValue, Entry, Expect, Key, StorageError, Store, StoreScan, scan_past_damage, view,
};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What is wrong with the values of a store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Inspection {
    /// How many values were looked at.
    pub values: u64,
    /// What cannot be read or loaded, in the order of the keys: values of views, checkpoints by the
    /// keys of their entries, marks of restores, parts that nothing refers to. This is what
    /// [`repair`](Checkpoints::repair) removes.
    pub damaged: Vec<DamagedValue>,
    /// States that name a checkpoint that is not there, in the order of the workflows. They are sound
    /// but for that; a repair leaves them as they are.
    pub dangling: Vec<DanglingCheckpoint>,
}

/// A state that says that it was taken from a checkpoint which is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DanglingCheckpoint {
    /// The workflow.
    pub workflow: WorkflowId,
    /// What its latest state names.
    pub checkpoint: CheckpointId,
}

impl<S: Store> Checkpoints<S> {
    /// Looks at every value in the store: whether it can be read, whether it is what its key demands,
    /// and whether each checkpoint loads. A checkpoint that was never completed counts as damaged once
    /// it is [left behind](super::CheckpointOptions::abandoned_after). Values under keys of others are
    /// only read. Nothing is changed.
    ///
    /// ```
    /// use coordination_protocol::checkpoint::Checkpoints;
    /// use coordination_protocol::storage::{Expect, Key, MemoryStore, Store, block_on};
    ///
    /// block_on(async {
    ///     let store = MemoryStore::new();
    ///     store.put(&Key::of(["state", "wf_001"])?, b"\xff", Expect::Any).await?;
    ///     let checkpoints = Checkpoints::new(store.clone());
    ///     let found = checkpoints.inspect(1_736_942_400_000).await?;
    ///     assert_eq!(found.damaged[0].key.as_str(), "state/wf_001");
    ///     assert_eq!(checkpoints.repair(&found).await?, 1);
    ///     assert!(store.get(&Key::of(["state", "wf_001"])?).await?.is_none());
    ///     Ok::<(), Box<dyn std::error::Error>>(())
    /// })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Those of the store, but for damage to values.
    #[doc(alias = "fsck")]
    pub async fn inspect(&self, now: impl Into<WallTime>) -> Result<Inspection, CheckpointError> {
        let now = now.into();
        let mut found = Inspection::default();
        let mut seen = Seen::default();
        let mut scan = StoreScan::new("").with_limit(256);
        loop {
            let page = scan_past_damage(&self.store, &scan).await?;
            found.values += (page.entries.len() + page.damaged.len()) as u64;
            for entry in &page.entries {
                if let Some(reason) = self.judge(entry, now, &mut seen) {
                    let damaged = DamagedValue::new(entry.key.clone(), reason);
                    found.damaged.push(damaged.at(entry.revision));
                }
            }
            for damaged in page.damaged {
                // A part that cannot be read is told with its checkpoint.
                if first(&damaged.key) == PARTS {
                    seen.parts.push((damaged.key, damaged.revision.unwrap_or(0)));
                } else {
                    found.damaged.push(damaged);
                }
            }
            if page.next.is_none() {
                break;
            }
            scan.after = page.next;
        }
        for (key, revision) in &seen.ready {
            let (Some(workflow), Some(id)) = (workflow_of(key), id_of(key)) else { continue };
            // A running restore goes on from it or is undone from it: what is wrong is told there.
            if seen.in_use.contains(&(workflow.clone(), id.clone())) {
                continue;
            }
            match self.load(&workflow, &id).await {
                Err(CheckpointError::Damaged(damage)) => {
                    let damaged = DamagedValue::new(key.clone(), damage.to_string());
                    found.damaged.push(damaged.at(*revision));
                }
                // Removed meanwhile.
                Ok(_) | Err(CheckpointError::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        for (key, revision) in seen.parts {
            let (Some(workflow), Some(id)) = (workflow_of(&key), id_of(&key)) else { continue };
            if self.is_absent(&workflow, &id).await? {
                let reason = "it is a part of a checkpoint that is not there";
                found.damaged.push(DamagedValue::new(key, reason).at(revision));
            }
        }
        for workflow in seen.states {
            if let Some(checkpoint) = self.named_by_state(&workflow).await?
                && self.is_absent(&workflow, &checkpoint).await?
            {
                found.dangling.push(DanglingCheckpoint { workflow, checkpoint });
            }
        }
        found.damaged.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(found)
    }

    /// Removes what was found to be damaged, a checkpoint with its parts, and returns how much it was.
    /// What was written anew since then stays. It may be repeated, also after a process died in it.
    ///
    /// # Errors
    /// Those of the store. What was removed by then stays removed.
    pub async fn repair(&self, found: &Inspection) -> Result<u64, CheckpointError> {
        let mut gone = 0;
        let mut letters = false;
        for damaged in &found.damaged {
            let key = &damaged.key;
            let expect = damaged.revision.map_or(Expect::Any, Expect::Revision);
            // As by `prune`: the entry goes before its parts.
            let removed = match self.store.delete(key, expect).await {
                Err(StorageError::Conflict { .. }) => false,
                removed => removed?,
            };
            if removed
                && first(key) == ENTRIES
                && let (Some(workflow), Some(id)) = (workflow_of(key), id_of(key))
            {
                self.remove_parts(&Place::of(&workflow)?, &id).await?;
            }
            letters |= removed && view::kind(key) == Some(MessageKind::DeadLetter);
            gone += u64::from(removed);
        }
        if letters {
            self.store.delete(&view::letters_tally()?, Expect::Any).await?;
        }
        Ok(gone)
    }

    async fn is_absent(
        &self,
        workflow: &WorkflowId,
        id: &CheckpointId,
    ) -> Result<bool, CheckpointError> {
        let Ok(place) = Place::of(workflow) else { return Ok(true) };
        let Ok(key) = place.entry(id) else { return Ok(true) };
        Ok(matches!(self.stored(&key).await?, Ok(None)))
    }

    /// What is wrong with a value by itself. What can only be told beside others is noted.
    fn judge(&self, entry: &Entry, now: WallTime, seen: &mut Seen) -> Option<String> {
        if let Err(error) = view::check(entry) {
            let damaged = DamagedValue::from_error(&entry.key, error);
            return Some(damaged.map_or_else(|error| error.to_string(), |damaged| damaged.reason));
        }
        match first(&entry.key) {
            ENTRIES => match Found::read(entry)?.entry {
                Err(damage) => return Some(damage.detail),
                Ok(found) if found.stage == Stage::Pending => {
                    let age = now.unix_millis().saturating_sub(found.created);
                    let age = Duration::from_millis(u64::try_from(age).unwrap_or(0));
                    let left = age > self.options.abandoned_after;
                    return left.then(|| "it was never completed and was left behind".to_owned());
                }
                Ok(_) => drop(seen.ready.insert(entry.key.clone(), entry.revision)),
            },
            MARKS => match unseal::<Mark>(&entry.value) {
                Err(reason) => return Some(reason),
                Ok(mark) => {
                    let workflow = workflow_of(&entry.key)?;
                    let ids = mark.backup.into_iter().chain([mark.checkpoint]);
                    seen.in_use.extend(ids.map(|id| (workflow.clone(), id)));
                }
            },
            PARTS => seen.parts.push((entry.key.clone(), entry.revision)),
            "state" => seen.states.extend(workflow_of(&entry.key)),
            _ => {}
        }
        None
    }
}

/// What is looked at when all values were seen.
#[derive(Default)]
struct Seen {
    /// Entries of checkpoints that are there.
    ready: BTreeMap<Key, u64>,
    /// Checkpoints that a restore needs.
    in_use: BTreeSet<(WorkflowId, CheckpointId)>,
    parts: Vec<(Key, u64)>,
    states: BTreeSet<WorkflowId>,
}

fn first(key: &Key) -> &str {
    key.as_str().split('/').next().unwrap_or_default()
}
