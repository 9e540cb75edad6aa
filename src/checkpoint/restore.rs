//! Putting a state back: verified first, backed up first, undone on failure.
//!
//! The order is what makes it safe. Whatever can be refused is refused before anything is touched:
//! the checkpoint is loaded and verified, the current state is read and the plan is made. Then:
//!
//! 1. **back up**, so that there is something to go back to even if this process dies;
//! 2. **mark**, so that the next process finds what was under way; not before the backup, because
//!    a mark without one would name nothing to recover from;
//! 3. **write** part by part, the workflow's state last, because readers go by it;
//! 4. **verify** all parts, because a target may keep something else than it was told;
//! 5. on failure **undo** in reverse order, and verify that, too;
//! 6. **unmark**, last: as long as the mark is there, no other restore begins.

use super::Checkpoints;
use super::create::NewCheckpoint;
use super::entry::{Mark, Place, seal, unseal};
use super::error::CheckpointError;
use super::load::LoadedCheckpoint;
use super::part_name::PartName;
use super::parts::Parts;
use super::rollback::{restored, wanted};
use super::target::Target;
use crate::json::{Json, Limits, canonical};
use crate::message::{CheckpointSync, Rollback, ValidationResults};
use crate::scalar::{CheckpointId, CheckpointTrigger, CheckpointType, Digest, WorkflowId, words};
use crate::storage::{Expect, Key, StorageError, Store};

words! {
    /// How a file differs from its checkpoint.
    FileChange {
        /// It was there, and is not any more.
        Missing "missing",
        /// It is there, and was not.
        Added "added",
        /// Its contents are others.
        Changed "changed",
    }
}

/// A file that is not as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileDifference {
    /// Its path.
    pub path: String,
    /// How it differs.
    pub change: FileChange,
}

/// A state that was put back.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Restored {
    /// The checkpoint that it came from.
    pub checkpoint: CheckpointId,
    /// The checkpoint of the state before; `None` if there was no state, or nothing to change.
    pub backup: Option<CheckpointSync>,
    /// The parts that were written or removed, in order.
    pub written: Vec<PartName>,
    /// The version that the state has now.
    pub state_version: u64,
    /// What the validations say of the state that was put back.
    pub validation: ValidationResults,
    /// The files that are not as they were, if the target and the checkpoint have lists of them.
    pub files: Vec<FileDifference>,
}

/// An interrupted restore that was undone.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recovered {
    /// The checkpoint that was being restored.
    pub checkpoint: CheckpointId,
    /// The backup that the state was taken from; `None` if there was no state before.
    pub backup: Option<CheckpointId>,
    /// The parts that had to be put back.
    pub written: Vec<PartName>,
    /// The parts that others have written since, which stay as they are.
    pub kept: Vec<PartName>,
}

/// One part on its way: what it is now, and what it shall be.
struct Step {
    part: PartName,
    old: Option<Json>,
    new: Option<Json>,
}

impl<S: Store> Checkpoints<S> {
    /// Puts a checkpoint back.
    ///
    /// The parts that the checkpoint and the target have are compared, and those that differ are
    /// written or removed, the workflow's state last unless there was none. What the state says is what it
    /// said then, but for what tells that it was put back: its `state_version` is one more than the higher
    /// of both, its `epoch` too, and `restored_version`, `checkpoint_id` and `timestamp` tell of the
    /// restore. So no replica takes it for an old one, and writers that go on from what was current are
    /// refused. If nothing [differs](Parts::says_the_same), nothing is written.
    ///
    /// `new` gives the time, and the identifier of
    /// the backup.
    ///
    /// # Errors
    /// [`CheckpointError`]. Only [`Mixture`](CheckpointError::Mixture) leaves anything but the state
    /// before or the one after.
    pub async fn restore<T: Target>(
        &self,
        workflow: &WorkflowId,
        id: &CheckpointId,
        target: &mut T,
        new: &NewCheckpoint,
    ) -> Result<Restored, CheckpointError> {
        let loaded = self.load(workflow, id).await?;
        let plan = |current: Option<&Parts>| restored(current, &loaded.parts, id, new.now);
        self.switch(workflow, &loaded, target, new, plan).await
    }

    /// Takes a workflow back as a request says.
    ///
    /// | mode | takes from the checkpoint |
    /// |---|---|
    /// | `full` | everything |
    /// | `partial` | the named parts: stored ones, or members of the state such as `current_phase` |
    /// | `selective` | the states of the named agents, and of those that work on the named tasks in either state |
    ///
    /// `state_version` and `epoch` count on as in a [`restore`](Self::restore), and the same members tell
    /// of the rollback.
    ///
    /// # Errors
    /// As those of [`restore`](Self::restore).
    #[doc(alias = "revert")]
    pub async fn rollback<T: Target>(
        &self,
        request: &Rollback,
        target: &mut T,
        new: &NewCheckpoint,
    ) -> Result<Restored, CheckpointError> {
        let workflow = &request.workflow_id;
        let loaded = self.load(workflow, &request.checkpoint_id).await?;
        let plan = |current: Option<&Parts>| wanted(request, current, &loaded.parts, new.now);
        self.switch(workflow, &loaded, target, new, plan).await
    }

    /// Undoes a restore whose process died half-way; `None` if there is none.
    ///
    /// Only what the restore itself has written is put back: what others wrote after it died stays.
    /// It must not be called while a restore of the workflow is alive. A restore that writes one
    /// part only is done or not done, and leaves nothing to recover.
    ///
    /// # Errors
    /// [`CheckpointError`]; the mark stays, so that it can be tried again.
    #[doc(alias = "crash recovery")]
    pub async fn recover<T: Target>(
        &self,
        workflow: &WorkflowId,
        target: &mut T,
    ) -> Result<Option<Recovered>, CheckpointError> {
        let place = Place::of(workflow)?;
        let Some((key, revision, mark)) = self.mark(&place).await? else { return Ok(None) };
        // The backup is read before the target: without it nothing can be put back, and nothing is
        // touched.
        let before = match &mark.backup {
            Some(id) => Some(self.load(workflow, id).await?.parts),
            None => None,
        };
        let now = self.current(workflow, target).await?;
        // Which of its writes the dead process had done is not known; so every part that it meant
        // to write is compared, and put back where it is what was written.
        let step = |part: &PartName| Step {
            part: part.clone(),
            old: before.as_ref().and_then(|parts| parts.stored(part).cloned()),
            new: now.as_ref().and_then(|parts| parts.stored(part).cloned()),
        };
        let differing = mark.parts.iter().map(step).filter(|step| step.old != step.new);
        let (steps, others): (Vec<Step>, Vec<Step>) = differing.partition(|step| {
            let found = step.new.as_ref().map(digest_of);
            mark.written.get(&step.part) == Some(&found)
        });
        let failed = undo(target, &steps).await;
        if !failed.is_empty() {
            let step = "a restore that died".to_owned();
            let detail = format!("of {}", mark.checkpoint);
            // The mark stays, so that the next call tries again.
            return Err(CheckpointError::Mixture { step, detail, failed, backup: mark.backup });
        }
        self.unmark(&key, revision).await.map_err(CheckpointError::Mark)?;
        let written = steps.into_iter().rev().map(|step| step.part).collect();
        let kept = others.into_iter().map(|step| step.part).collect();
        Ok(Some(Recovered { checkpoint: mark.checkpoint, backup: mark.backup, written, kept }))
    }

    async fn switch<T: Target>(
        &self,
        workflow: &WorkflowId,
        loaded: &LoadedCheckpoint,
        target: &mut T,
        new: &NewCheckpoint,
        plan: impl FnOnce(Option<&Parts>) -> Result<Parts, CheckpointError>,
    ) -> Result<Restored, CheckpointError> {
        let checkpoint = &loaded.sync.checkpoint_id;
        let place = Place::of(workflow)?;
        // Before anything else: a second restore would back up a mixture, and overwrite the mark
        // that tells how to get out of it.
        if let Some((.., mark)) = self.mark(&place).await? {
            return Err(CheckpointError::UnderWay {
                workflow: workflow.clone(),
                since: mark.since,
            });
        }
        let current = self.current(workflow, target).await?;
        let wanted = plan(current.as_ref())?;
        let steps = steps(current.as_ref(), &wanted);
        let mut restored = Restored {
            checkpoint: checkpoint.clone(),
            backup: None,
            written: steps.iter().map(|step| step.part.clone()).collect(),
            state_version: wanted.state().state_version.get(),
            validation: self.checks.run(&wanted),
            files: current.as_ref().map_or(Vec::new(), |now| differences(&loaded.parts, now)),
        };
        if steps.is_empty() {
            // No backup either: an emergency checkpoint of what did not change would only crowd
            // out others when they are pruned.
            return Ok(restored);
        }
        if let Some(current) = &current {
            // An emergency checkpoint takes any state, an unsound one too: it is the one before.
            let backup = new
                .clone()
                .with_type(CheckpointType::Emergency)
                .with_trigger(CheckpointTrigger::FailurePrevention);
            let backup = self
                .create(current, &backup)
                .await
                .map_err(|error| CheckpointError::Backup(Box::new(error)))?;
            restored.backup = Some(backup.sync);
        }
        let backup = restored.backup.as_ref().map(|sync| sync.checkpoint_id.clone());
        // One write is done or not done. Several need a mark, in case this process dies between
        // them and cannot undo them.
        let mark = if steps.len() > 1 {
            let mark = Mark {
                since: new.now.timestamp().to_string(),
                checkpoint: checkpoint.clone(),
                backup: backup.clone(),
                parts: restored.written.clone(),
                written: steps
                    .iter()
                    .map(|step| (step.part.clone(), step.new.as_ref().map(digest_of)))
                    .collect(),
            };
            let key = place.mark()?;
            // `Absent`, because another process may have marked since we looked.
            match self.store.put(&key, &seal(&mark), Expect::Absent).await {
                Err(StorageError::Conflict { .. }) => {
                    let (workflow, since) = (workflow.clone(), mark.since);
                    return Err(CheckpointError::UnderWay { workflow, since });
                }
                revision => Some((key, revision?)),
            }
        } else {
            None
        };
        if let Err((step, error, begun)) = apply(target, &steps).await {
            let failed = undo(target, &steps[..begun]).await;
            if !failed.is_empty() {
                // The mark stays: `recover` goes on from it.
                return Err(CheckpointError::Mixture {
                    step,
                    detail: error.to_string(),
                    failed,
                    backup,
                });
            }
            let unmarked = match mark {
                Some((key, revision)) => self.unmark(&key, revision).await,
                None => Ok(()),
            };
            let detail = match unmarked {
                Ok(()) => error.to_string(),
                Err(mark) => {
                    format!("{error}; and the mark of the restore remains: {mark}")
                }
            };
            return Err(CheckpointError::Undone { step, detail, backup });
        }
        if let Some((key, revision)) = mark {
            self.unmark(&key, revision).await.map_err(CheckpointError::Mark)?;
        }
        Ok(restored)
    }

    async fn current<T: Target>(
        &self,
        workflow: &WorkflowId,
        target: &mut T,
    ) -> Result<Option<Parts>, CheckpointError> {
        let current =
            target.read().await.map_err(|error| CheckpointError::Read(Box::new(error)))?;
        match &current {
            Some(parts) if parts.workflow_id() != workflow => Err(CheckpointError::OtherWorkflow {
                found: parts.workflow_id().clone(),
                expected: workflow.clone(),
            }),
            _ => Ok(current),
        }
    }

    pub(super) async fn mark(
        &self,
        place: &Place<'_>,
    ) -> Result<Option<(Key, u64, Mark)>, CheckpointError> {
        let key = place.mark()?;
        let Some(found) = self.store.get(&key).await? else { return Ok(None) };
        let mark = unseal(&found.value)
            .map_err(|detail| StorageError::corrupt(format!("`{key}`: {detail}")))?;
        Ok(Some((key, found.revision, mark)))
    }

    async fn unmark(&self, key: &Key, revision: u64) -> Result<(), StorageError> {
        self.store.delete(key, Expect::Revision(revision)).await.map(drop)
    }
}

/// The digest of a part, whoever spelled it; of one that has no canonical form as it is spelled.
fn digest_of(value: &Json) -> Digest {
    let limits = Limits::DEFAULT.with_bytes(usize::MAX).with_depth(Limits::MAX_DEPTH);
    let text = canonical(value.as_str(), &limits.with_keys(usize::MAX));
    Digest::of(text.as_deref().unwrap_or(value.as_str()).as_bytes())
}

/// The parts that differ, the workflow's state last: whoever reads it finds the others done. Where
/// there is none yet, it comes first, so that no part is ever there without a state.
fn steps(current: Option<&Parts>, wanted: &Parts) -> Vec<Step> {
    let names = wanted.given().chain(current.into_iter().flat_map(Parts::given));
    let mut names: Vec<&PartName> = names.map(|(name, _)| name).collect();
    let last = current.is_some();
    names.sort_by_key(|name| ((**name == PartName::WORKFLOW_STATE) == last, *name));
    names.dedup();
    let step = |part: &PartName| Step {
        part: part.clone(),
        old: current.and_then(|parts| parts.stored(part).cloned()),
        new: wanted.stored(part).cloned(),
    };
    // A checkpoint has digests of files, not their contents, so there is nothing to write.
    let names = names.into_iter().filter(|name| **name != PartName::FILE_SYSTEM);
    names.map(step).filter(|step| step.old != step.new).collect()
}

/// Writes and verifies; on failure tells what failed, and how many steps may have changed
/// something.
async fn apply<T: Target>(
    target: &mut T,
    steps: &[Step],
) -> Result<(), (String, CheckpointError, usize)> {
    for (index, step) in steps.iter().enumerate() {
        if let Err(error) = target.write(&step.part, step.new.as_ref()).await {
            // A write whose end is not known counts as done, and is undone with the others.
            let begun = index + usize::from(!error.left_unchanged());
            return Err((format!("writing `{}`", step.part), error, begun));
        }
    }
    // All writes first: a part may depend on another, and is only right when all are there.
    for step in steps {
        if let Err(error) = target.verify(&step.part, step.new.as_ref()).await {
            return Err((format!("verifying `{}`", step.part), error, steps.len()));
        }
    }
    Ok(())
}

/// Puts back what was there, the last first; tells what could not be.
async fn undo<T: Target>(target: &mut T, steps: &[Step]) -> Vec<(PartName, String)> {
    let mut failed = Vec::new();
    // A part that cannot be put back does not keep the others from it: the fewer are wrong, the
    // less is left to mend by hand.
    for step in steps.iter().rev() {
        let mut result = target.write(&step.part, step.old.as_ref()).await;
        if result.is_ok() {
            result = target.verify(&step.part, step.old.as_ref()).await;
        }
        if let Err(error) = result {
            failed.push((step.part.clone(), error.to_string()));
        }
    }
    failed
}

/// The files that are not as they were; none if one side has no list.
fn differences(then: &Parts, now: &Parts) -> Vec<FileDifference> {
    if !then.has(&PartName::FILE_SYSTEM) || !now.has(&PartName::FILE_SYSTEM) {
        return Vec::new();
    }
    let (then, now) = (then.files(), now.files());
    let gone = then.iter().filter_map(|(path, digest)| match now.get(path) {
        None => Some((path, FileChange::Missing)),
        Some(found) if found != digest => Some((path, FileChange::Changed)),
        Some(_) => None,
    });
    let added =
        now.keys().filter(|path| !then.contains_key(*path)).map(|path| (path, FileChange::Added));
    let mut all: Vec<FileDifference> = gone
        .chain(added)
        .map(|(path, change)| FileDifference { path: path.clone(), change })
        .collect();
    all.sort_by(|a, b| a.path.cmp(&b.path));
    all
}
