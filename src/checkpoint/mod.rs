//! Checkpoints: a workflow's state kept, verified, restored, rolled back, and pruned
//! (specification, Checkpoint Synchronization and Recovery Coordination Protocol).
//!
//! The specification's two chains are two calls:
//!
//! | call | chain |
//! |---|---|
//! | [`Checkpoints::create`] | trigger → state collection → validation → storage → confirmation |
//! | [`Checkpoints::rollback`] | request → strategy selection → coordination → execution → validation |
//!
//! What is checkpointed is [`Parts`]: the workflow's state, a list of files with their digests, and
//! whatever else the host adds. Each part is digested over its RFC 8785 form and kept as it was
//! spelled: what is loaded is, byte for byte, what was given, but for white space between values.
//!
//! ```
//! use coordination_protocol::checkpoint::{Checkpoints, NewCheckpoint, Parts, StateTarget};
//! use coordination_protocol::scalar::{Instant, Now, WorkflowId};
//! use coordination_protocol::storage::view::States;
//! use coordination_protocol::storage::{MemoryStore, block_on};
//!
//! block_on(async {
//!     let store = MemoryStore::new();
//!     let states = States::new(store.clone());
//!     let good = r#"{"workflow_state":{"workflow_id":"wf_001","state_version":15,"timestamp":"2025-01-15T12:00:00Z"}}"#;
//!     states.put(good, None).await?;
//!
//!     let checkpoints = Checkpoints::new(store.clone());
//!     let now = Now::new(Instant::START, 1_736_942_400_000);
//!     let made = checkpoints.create(&Parts::parse(good)?, &NewCheckpoint::new(now, [7; 10])).await?;
//!     assert_eq!(made.sync.validation_results.unwrap().integrity_check.unwrap().as_str(), "passed");
//!
//!     // Something goes wrong; the checkpoint puts it right, and what was there is kept, too.
//!     states.put(&good.replace("15,", r#"16,"note":"wrong","#), Some(15)).await?;
//!     let workflow = WorkflowId::new("wf_001")?;
//!     let mut target = StateTarget::new(store.clone(), States::key(&workflow)?);
//!     let done = checkpoints
//!         .restore(&workflow, &made.sync.checkpoint_id, &mut target, &NewCheckpoint::new(now, [8; 10]))
//!         .await?;
//!     let back = states.get(&workflow).await?.unwrap();
//!     assert!(Parts::parse(&back.text)?.says_the_same(&Parts::parse(good)?));
//!     // It counts on, in an epoch of its own: writers that read version 16 are refused.
//!     assert_eq!((back.version(), back.state.epoch), (17, Some(1_u64.into())));
//!     let backup = checkpoints.load(&workflow, &done.backup.unwrap().checkpoint_id).await?;
//!     assert!(backup.parts.state_text().as_str().contains(r#""state_version":16"#));
//!     Ok::<(), Box<dyn std::error::Error>>(())
//! })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What holds at every moment
//!
//! A process may die anywhere. [`create`](Checkpoints::create) writes an entry that says *pending*,
//! then the parts, then the entry again, by compare-and-set: only then is the checkpoint there.
//! [`prune`](Checkpoints::prune) withdraws an entry before its parts, and sweeps what the dead left
//! behind; a writer whose pending entry was swept is told so and leaves nothing. A full checkpoint
//! stays while a delta needs it, also one that is being made at the same time.
//!
//! A [`restore`](Checkpoints::restore) touches nothing before the checkpoint is verified and the
//! current state is backed up. What fails half-way is undone. If the process dies half-way, a mark
//! in the store remains, and [`recover`](Checkpoints::recover) undoes what it had begun; what others
//! wrote since stays.
//!
//! # What is stored
//!
//! | key | holds |
//! |---|---|
//! | `checkpoints/<workflow>/<id>` | the entry: digests, sizes, the confirmation |
//! | `checkpoint-parts/<workflow>/<id>/<part>` | a part: its text or an RFC 6902 delta, plain or deflated |
//! | `checkpoint-restores/<workflow>` | the mark of a restore under way |
//!
//! Identifiers that would climb out of a folder are refused before anything is touched.
//! The contents of files are not in a checkpoint, only their digests; a restore tells which files
//! differ.

mod checks;
mod create;
mod damage;
mod delta;
mod entry;
mod error;
mod load;
mod options;
mod pack;
mod part_name;
mod parts;
mod prune;
mod repair;
mod restore;
mod rollback;
mod target;

pub use checks::Checks;
pub use create::{CheckpointForm, Created, FullCheckpointReason, NewCheckpoint};
pub use damage::Damage;
pub use delta::Delta;
pub use error::CheckpointError;
pub use load::{CheckpointSummary, Listing, LoadedCheckpoint};
pub use options::CheckpointOptions;
pub use part_name::PartName;
pub use parts::Parts;
pub use prune::{Pruned, Retention};
pub use repair::{DanglingCheckpoint, Inspection};
pub use restore::{FileChange, FileDifference, Recovered, Restored};
pub use target::{StateTarget, Target};

use crate::storage::Store;

/// The checkpoints in a [`Store`].
///
/// It keeps nothing in memory, so any number of processes may use one store, and a clone of it is another
/// handle. [The module](self) has an example.
#[doc(alias = "snapshot")]
#[doc(alias = "backup")]
#[derive(Clone, Debug)]
pub struct Checkpoints<S> {
    store: S,
    options: CheckpointOptions,
    checks: Checks,
}

impl<S: Store> Checkpoints<S> {
    /// The checkpoints in a store, with the defaults and the built-in validations.
    pub fn new(store: S) -> Self {
        Checkpoints { store, options: CheckpointOptions::default(), checks: Checks::new() }
    }

    /// Sets how checkpoints are stored.
    pub fn with_options(mut self, options: CheckpointOptions) -> Self {
        self.options = options;
        self
    }

    /// Sets the validations.
    pub fn with_checks(mut self, checks: Checks) -> Self {
        self.checks = checks;
        self
    }

    /// The store.
    pub fn store(&self) -> &S {
        &self.store
    }
}
