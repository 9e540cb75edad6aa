//! Retention.

use super::Checkpoints;
use super::damage::Damage;
use super::entry::{Entry, PARTS, Place, Stage, seal};
use super::error::CheckpointError;
use super::load::{Found, id_of};
use super::parts::Parts;
use crate::scalar::{CheckpointId, Now, WorkflowId};
use crate::storage::view::{self, States};
use crate::storage::{Expect, KeyRevision, StorageError, Store};
use std::collections::BTreeSet;
use std::time::Duration;

/// Which checkpoints stay.
///
/// A checkpoint goes if it is beyond the count or beyond the age. The newest
/// [`at_least`](Self::at_least) stay whatever their age, and a full one stays while a delta that
/// stays needs it. The backups that a restore or a rollback makes by itself are counted apart: they do
/// not push out what was made on purpose, and the other way round.
///
/// Only what loads is counted, so that damage to the newest never costs the last one that is sound.
/// What the latest state of the workflow names, and what a restore under way needs, stays in any case.
///
/// ```
/// use coordination_protocol::checkpoint::Retention;
/// use std::time::Duration;
///
/// let retention = Retention::new().with_keep(10).with_older_than(Duration::from_secs(7 * 86_400));
/// assert_eq!(retention.at_least, 1);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[doc(alias = "eviction")]
#[doc(alias = "garbage collection")]
pub struct Retention {
    /// The maximum number that stays; no limit unless set.
    pub keep: Option<usize>,
    /// Older ones go; no limit unless set.
    pub older_than: Option<Duration>,
    /// The newest ones, which stay whatever the other two say. 1 unless set.
    pub at_least: usize,
    /// The maximum number of automatic backups that stays; [`keep`](Self::keep) unless set.
    pub keep_backups: Option<usize>,
    /// Checkpoints that stay whatever the others say, such as those that states outside of the store
    /// name.
    pub named: BTreeSet<CheckpointId>,
}

impl Default for Retention {
    fn default() -> Self {
        Retention::new()
    }
}

impl Retention {
    /// All stay.
    pub const fn new() -> Self {
        Retention {
            keep: None,
            older_than: None,
            at_least: 1,
            keep_backups: None,
            named: BTreeSet::new(),
        }
    }

    /// Sets the maximum number that stays.
    pub const fn with_keep(mut self, count: usize) -> Self {
        self.keep = Some(count);
        self
    }

    /// Sets the age beyond which they go.
    pub const fn with_older_than(mut self, age: Duration) -> Self {
        self.older_than = Some(age);
        self
    }

    /// Sets how many stay in any case.
    pub const fn with_at_least(mut self, count: usize) -> Self {
        self.at_least = count;
        self
    }

    /// Sets the maximum number of automatic backups that stays.
    pub const fn with_keep_backups(mut self, count: usize) -> Self {
        self.keep_backups = Some(count);
        self
    }

    /// Adds checkpoints that stay in any case.
    pub fn with_named(mut self, ids: impl IntoIterator<Item = CheckpointId>) -> Self {
        self.named.extend(ids);
        self
    }

    /// Whether one stays of which `newer` of its kind are newer and load, made so long ago.
    fn keeps(&self, newer: usize, backup: bool, age: Duration) -> bool {
        let keep = self.keep_backups.filter(|_| backup).or(self.keep);
        // The newest stay even if they are too old: a workflow that rests must not lose its last
        // checkpoint to the clock.
        newer < self.at_least
            || keep.is_none_or(|keep| newer < keep)
                && self.older_than.is_none_or(|limit| age <= limit)
    }
}

/// What pruning did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pruned {
    /// The checkpoints that went: deltas, then full ones, each oldest first.
    pub removed: Vec<CheckpointId>,
    /// Those that stayed only because something needs them: deltas, the state that names them, or a
    /// restore under way or that died half-way.
    pub needed: Vec<CheckpointId>,
    /// Those that were never complete and were left behind.
    pub swept: Vec<CheckpointId>,
    /// Stored parts without an entry, which went, too.
    pub orphans: usize,
    /// Damage that was met. What is damaged stays, is not counted, and is removed by
    /// [`repair`](Checkpoints::repair).
    pub damaged: Vec<Damage>,
}

/// What has to stay whatever the retention says.
struct Named {
    ids: BTreeSet<CheckpointId>,
    /// All automatic backups.
    backups: bool,
}

impl Named {
    fn holds(&self, id: &CheckpointId, entry: &Entry) -> bool {
        self.ids.contains(id) || self.backups && entry.is_backup()
    }
}

impl<S: Store> Checkpoints<S> {
    /// Removes the checkpoints of a workflow that need not stay, and what was left behind. Damaged
    /// ones stay, for whoever looks into it.
    ///
    /// # Errors
    /// [`CheckpointError::Escapes`] and [`CheckpointError::Storage`]. What was removed by then stays
    /// removed; run it again.
    pub async fn prune(
        &self,
        workflow: &WorkflowId,
        retention: &Retention,
        now: Now,
    ) -> Result<Pruned, CheckpointError> {
        self.prune_or_plan(workflow, retention, now, false).await
    }

    /// What [`prune`](Self::prune) would do at this moment. Nothing is changed.
    ///
    /// # Errors
    /// Those of [`prune`](Self::prune).
    #[doc(alias = "dry run")]
    pub async fn plan_prune(
        &self,
        workflow: &WorkflowId,
        retention: &Retention,
        now: Now,
    ) -> Result<Pruned, CheckpointError> {
        self.prune_or_plan(workflow, retention, now, true).await
    }

    async fn prune_or_plan(
        &self,
        workflow: &WorkflowId,
        retention: &Retention,
        now: Now,
        dry_run: bool,
    ) -> Result<Pruned, CheckpointError> {
        let place = Place::of(workflow)?;
        let mut pruned = Pruned::default();
        let age = |entry: &Entry| {
            Duration::from_millis(
                u64::try_from(now.wall.unix_millis().saturating_sub(entry.created)).unwrap_or(0),
            )
        };
        let mut ready: Vec<(Found, Entry)> = Vec::new();
        // An entry without a confirmation belongs to a writer that is at work, or died. Only its age
        // tells which; a writer that is slower than that finds its entry gone, and says so.
        for found in self.entries(&place).await? {
            let entry = match found.entry.clone() {
                Ok(entry) => entry,
                Err(damage) => {
                    pruned.damaged.push(damage);
                    continue;
                }
            };
            if entry.stage != Stage::Pending {
                ready.push((found, entry));
            } else if age(&entry) > self.options.abandoned_after
                && (dry_run || self.withdraw(&place, &found.id, found.revision).await?)
            {
                pruned.swept.push(found.id);
            }
        }
        // By time of making, then by identifier, so that every process prunes the same ones.
        ready.sort_by(|(a, x), (b, y)| (x.created, &a.id).cmp(&(y.created, &b.id)));
        let named = self.named(workflow, &place, retention).await?;
        // Loading takes time, so it is done only if one would go that the count may need.
        let mut counts = [0, 0];
        let verify = ready.iter().rev().any(|(_, entry)| {
            let newer = &mut counts[usize::from(entry.is_backup())];
            *newer += 1;
            !retention.keeps(*newer - 1, entry.is_backup(), age(entry))
        });
        counts = [0, 0];
        let (mut going, mut bases) = (Vec::new(), BTreeSet::new());
        for (found, entry) in ready.iter().rev() {
            let newer = &mut counts[usize::from(entry.is_backup())];
            if retention.keeps(*newer, entry.is_backup(), age(entry)) {
                let loaded =
                    if verify { self.load(workflow, &found.id).await.map(drop) } else { Ok(()) };
                match loaded {
                    Ok(()) => *newer += 1,
                    Err(CheckpointError::Damaged(damage)) => pruned.damaged.push(damage),
                    // Removed by another process meanwhile.
                    Err(CheckpointError::NotFound { .. }) => {}
                    Err(error) => return Err(error),
                }
            } else if named.holds(&found.id, entry) {
                pruned.needed.push(found.id.clone());
            } else {
                going.push((found, entry));
                continue;
            }
            bases.extend(entry.base.clone());
            // Left so by a process that died.
            if entry.stage == Stage::Condemned && !dry_run {
                self.set_stage(found, entry, Stage::Ready, found.revision).await?;
            }
        }
        going.reverse();
        let (fulls, deltas): (Vec<_>, Vec<_>) =
            going.into_iter().partition(|(_, entry)| entry.base.is_none());
        // Deltas go before what they refer to: a process that dies between the two leaves no delta
        // without a base.
        for (found, _) in deltas {
            if dry_run || self.withdraw(&place, &found.id, found.revision).await? {
                pruned.removed.push(found.id.clone());
            }
        }
        // A delta that is made at this moment either finds its base condemned, or is found below.
        let mut condemned = Vec::new();
        for (found, entry) in fulls {
            if bases.contains(&found.id) {
                pruned.needed.push(found.id.clone());
            } else if dry_run {
                pruned.removed.push(found.id.clone());
            } else if let Some(revision) =
                self.set_stage(found, entry, Stage::Condemned, found.revision).await?
            {
                condemned.push((found, entry, revision));
            }
        }
        // Looked at again: a delta may have been begun between the first look and the mark.
        if !condemned.is_empty() {
            let all = self.entries(&place).await?;
            bases = all.into_iter().filter_map(|other| other.entry.ok()?.base).collect();
        }
        for (found, entry, revision) in condemned {
            if bases.contains(&found.id) {
                self.set_stage(found, entry, Stage::Ready, revision).await?;
                pruned.needed.push(found.id.clone());
            } else if self.withdraw(&place, &found.id, revision).await? {
                pruned.removed.push(found.id.clone());
            }
        }
        pruned.orphans = self.sweep(&place, dry_run).await?;
        Ok(pruned)
    }

    /// What is needed by something outside of the checkpoints.
    async fn named(
        &self,
        workflow: &WorkflowId,
        place: &Place<'_>,
        retention: &Retention,
    ) -> Result<Named, CheckpointError> {
        let mut named = Named { ids: retention.named.clone(), backups: false };
        match self.mark(place).await {
            // A restore goes on from its checkpoint, and is undone from its backup.
            Ok(mark) => named.ids.extend(
                mark.into_iter()
                    .flat_map(|(.., mark)| mark.backup.into_iter().chain([mark.checkpoint])),
            ),
            // It cannot be told which one it needs, so it may be any.
            Err(CheckpointError::Storage(
                StorageError::Damaged { .. } | StorageError::Corrupt { .. },
            )) => named.backups = true,
            Err(error) => return Err(error),
        }
        named.ids.extend(self.named_by_state(workflow).await?);
        Ok(named)
    }

    /// The checkpoint that the latest state of a workflow in the store says that it was taken from,
    /// if that state can be read.
    pub(super) async fn named_by_state(
        &self,
        workflow: &WorkflowId,
    ) -> Result<Option<CheckpointId>, CheckpointError> {
        let key = States::key(workflow)?;
        let Ok(Some(found)) = self.stored(&key).await? else { return Ok(None) };
        let Ok(Some(text)) = view::message(&key, &found.value) else { return Ok(None) };
        let parts = Parts::parse_with(text, &self.options);
        Ok(parts.ok().and_then(|parts| parts.state().checkpoint_id.clone()))
    }

    /// Sets the stage of a checkpoint; `None` if somebody else changed its entry meanwhile.
    async fn set_stage(
        &self,
        found: &Found,
        entry: &Entry,
        stage: Stage,
        revision: u64,
    ) -> Result<Option<u64>, StorageError> {
        let mut entry = entry.clone();
        entry.stage = stage;
        match self.store.put(&found.key, &seal(&entry), Expect::Revision(revision)).await {
            Err(StorageError::Conflict { .. }) => Ok(None),
            revision => revision.map(Some),
        }
    }

    /// Removes an entry, then its parts; false if somebody else changed it meanwhile.
    pub(super) async fn withdraw(
        &self,
        place: &Place<'_>,
        id: &CheckpointId,
        revision: u64,
    ) -> Result<bool, CheckpointError> {
        // The entry first: without it the parts are orphans, which the next run sweeps; parts that
        // went first would leave a checkpoint that cannot be loaded.
        match self.store.delete(&place.entry(id)?, Expect::Revision(revision)).await {
            Err(StorageError::Conflict { .. }) => return Ok(false),
            deleted => drop(deleted?),
        }
        self.remove_parts(place, id).await?;
        Ok(true)
    }

    /// Whether there is an entry, damaged or not.
    async fn has_entry(
        &self,
        place: &Place<'_>,
        id: &CheckpointId,
    ) -> Result<bool, CheckpointError> {
        Ok(!matches!(self.stored(&place.entry(id)?).await?, Ok(None)))
    }

    /// Removes parts without an entry. A writer has an entry before its first part and until its
    /// last, so none of them can still become a checkpoint.
    pub(super) async fn sweep(
        &self,
        place: &Place<'_>,
        dry_run: bool,
    ) -> Result<usize, CheckpointError> {
        let mut orphans = 0;
        for KeyRevision { key, revision } in self.keys(&place.prefix(PARTS)?).await? {
            let Some(id) = id_of(&key) else { continue };
            if !self.has_entry(place, &id).await? {
                orphans += usize::from(dry_run || self.remove_part(&key, revision).await?);
            }
        }
        Ok(orphans)
    }
}
