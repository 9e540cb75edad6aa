//! What can go wrong with checkpoints.

use super::damage::Damage;
use super::part_name::PartName;
use crate::error::leaf_errors;
use crate::json::{JsonError, JsonFault};
use crate::scalar::{CheckpointId, Severity, WorkflowId, printable};
use crate::storage::StorageError;

/// Why a checkpoint was not made, loaded, restored or rolled back to.
///
/// Where a restore fails, the variant tells what became of the state: untouched, as it was before,
/// or a mixture.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    // Parts.
    /// A part needs an identifier of recommended characters.
    #[error("`{}` is no name for a part; use letters, digits, `_`, `-` or `.`", printable(.0))]
    PartName(String),
    /// The text of a part is not JSON within the limits.
    #[error("`{part}` is not usable: {error}", part = printable(.part), error = printable(.error))]
    Json {
        /// The part.
        part: PartName,
        /// What is wrong with the text.
        error: JsonFault,
    },
    /// The text is no workflow state.
    #[error("not the state of a workflow: {detail}", detail = printable(.detail))]
    State {
        /// What is wrong.
        detail: String,
    },
    /// Versions, or epochs, are used up: what is put back needs one more.
    #[error("{0} is the last version that there is, and what is put back would need the next one")]
    LastVersion(u64),
    /// The protocol's own parts are objects.
    #[error("`{part}` must be an object", part = printable(.part))]
    NotAnObject {
        /// The part.
        part: PartName,
    },
    /// A list of files has something that is no digest.
    #[error("the file `{path}` has no digest; write `sha256:` and 64 hexadecimal digits", path = printable(.path))]
    File {
        /// Its path.
        path: String,
    },
    /// The part has no RFC 8785 form, so it cannot be digested.
    #[error("`{part}` cannot be digested: {error}", part = printable(.part), error = printable(.error))]
    Digest {
        /// The part.
        part: PartName,
        /// The number that has no such form.
        #[source]
        error: JsonError,
    },

    // Deltas.
    /// A delta is not JSON within the limits.
    #[error("not a delta: {}", printable(.0))]
    DeltaJson(JsonFault),
    /// An operation is not what this crate writes.
    #[error("operation {index} of the delta is no add, replace or remove of a value at a path")]
    DeltaOperation {
        /// Which one, from 0.
        index: usize,
    },
    /// A delta does not fit to what it is applied to.
    #[error("the delta does not fit: {detail}", detail = printable(.detail))]
    DeltaMisfit {
        /// What the library says.
        detail: String,
    },
    /// What comes out of a delta is longer than the limit.
    #[error("the delta makes a text of more than {limit} bytes")]
    LongDelta {
        /// The limit.
        limit: usize,
    },

    // Places.
    /// An identifier would climb out of the folder when it is used as a path.
    #[error("`{id}` cannot name a place: it would leave the root", id = printable(.id))]
    Escapes {
        /// The identifier.
        id: String,
    },

    // Creating and loading.
    /// A checkpoint type or trigger that the protocol does not have.
    #[error("`{word}` is not a word that a checkpoint may be written with", word = printable(.word))]
    Word {
        /// The word.
        word: String,
    },
    /// The state failed `state_integrity`, and the checkpoint is no emergency.
    #[error("the state is not sound: {detail}", detail = printable(.detail))]
    Unsound {
        /// The first thing that is wrong with it.
        detail: String,
    },
    /// There is a checkpoint of this identifier.
    #[error("{} exists already", printable(.0))]
    Exists(CheckpointId),
    /// It took so long that it counted as left behind, and was swept.
    #[error("{} was swept while it was being made; make it anew", printable(.0))]
    Swept(CheckpointId),
    /// There is none, or it is not complete.
    #[error("{workflow} has no checkpoint {checkpoint}", workflow = printable(.workflow), checkpoint = printable(.checkpoint))]
    NotFound {
        /// The workflow.
        workflow: WorkflowId,
        /// The checkpoint.
        checkpoint: CheckpointId,
    },
    /// It is not what was written.
    #[error("{0}")]
    Damaged(Damage),
    /// The store failed, or no key can be made of an identifier. When a checkpoint is made,
    /// [`Unavailable`](StorageError::Unavailable) may hide a success.
    #[error(transparent)]
    Storage(#[from] StorageError),

    // Rolling back. Nothing was touched.
    /// The request has no mode that the protocol knows.
    #[error("a rollback is full, partial or selective, not `{}`", printable(.0))]
    RollbackMode(String),
    /// A partial rollback names no part, or a selective one neither agent nor task.
    #[error("a {mode} rollback must name {what}")]
    RollbackOfNothing {
        /// The mode.
        mode: &'static str,
        /// What it must name.
        what: &'static str,
    },
    /// No part and no member of the state has this name.
    #[error("neither state has a part `{}`", printable(.0))]
    UnknownPart(String),
    /// The part is not one that can be put back.
    #[error("`{}` cannot be rolled back", printable(.0))]
    FixedPart(String),
    /// No agent has this name.
    #[error("neither state has an agent `{}`", printable(.0))]
    UnknownAgent(String),
    /// No agent works on this task.
    #[error("no agent works on the task `{}` in either state", printable(.0))]
    UnknownTask(String),
    /// There is no state that part of the checkpoint could be put into.
    #[error("there is no current state; only a full rollback can make one")]
    NoState,

    // Restoring.
    /// The target of a restore did not do what it was asked for.
    #[error("{detail}", detail = printable(.detail))]
    Target {
        /// What is in the way.
        detail: String,
        /// Whether it is certain that nothing was changed. If not, the part is put back, too.
        unchanged: bool,
    },
    /// The current state could not be read. Nothing was touched.
    #[error("the current state cannot be read, nothing was touched: {}", printable(.0))]
    Read(#[source] Box<CheckpointError>),
    /// The target holds another workflow. Nothing was touched.
    #[error("the target holds {found}, not {expected}", found = printable(.found), expected = printable(.expected))]
    OtherWorkflow {
        /// The workflow that the target holds.
        found: WorkflowId,
        /// The workflow of the checkpoint.
        expected: WorkflowId,
    },
    /// The current state could not be backed up. Nothing was touched.
    #[error("the current state cannot be backed up, nothing was touched: {}", printable(.0))]
    Backup(#[source] Box<CheckpointError>),
    /// Another restore of the workflow is under way, or died half-way. Nothing was touched.
    #[error("a restore of {workflow} is under way since {since}; if it died, `recover` undoes it", workflow = printable(.workflow), since = printable(.since))]
    UnderWay {
        /// The workflow.
        workflow: WorkflowId,
        /// When it began.
        since: String,
    },
    /// It failed half-way, and all that was done is undone.
    #[error("the state is as it was: {step} failed: {detail}", step = printable(.step), detail = printable(.detail))]
    Undone {
        /// What failed.
        step: String,
        /// Why.
        detail: String,
        /// The backup of the state, if there was one.
        backup: Option<CheckpointId>,
    },
    /// It failed half-way, and not everything could be undone: the state is a mixture.
    #[error("THE STATE IS A MIXTURE: {step} failed ({detail}), and undoing failed for {}; the state before is {}",
        failed.iter().map(|(part, why)| format!("`{}` ({})", printable(part), printable(why))).collect::<Vec<_>>().join(", "),
        backup.as_ref().map_or("that there was none".to_owned(), |id| format!("in {}", printable(id))), step = printable(.step), detail = printable(.detail))]
    Mixture {
        /// What failed first.
        step: String,
        /// Why.
        detail: String,
        /// The parts that were not undone, and why.
        failed: Vec<(PartName, String)>,
        /// The backup of the state before, if there was one.
        backup: Option<CheckpointId>,
    },
    /// The state was put back; only the mark of the restore could not be removed.
    #[error("the state was put back, but its mark remains: {}", printable(.0))]
    Mark(#[source] StorageError),
}

impl CheckpointError {
    /// For a [`Target`](super::Target): an error after which it is not known whether the part was
    /// changed.
    pub fn target(detail: impl Into<String>) -> Self {
        CheckpointError::Target { detail: detail.into(), unchanged: false }
    }

    /// For a [`Target`](super::Target): an error that changed nothing for certain.
    pub fn target_refused(detail: impl Into<String>) -> Self {
        CheckpointError::Target { detail: detail.into(), unchanged: true }
    }

    /// Whether it is certain that a target has changed nothing.
    ///
    /// Only a store that cannot be reached, and a target that says so, leave it open: then the part
    /// counts as written, and is put back.
    pub(super) const fn left_unchanged(&self) -> bool {
        match self {
            CheckpointError::Target { unchanged, .. } => *unchanged,
            CheckpointError::Storage(error) => !matches!(error, StorageError::Unavailable { .. }),
            _ => true,
        }
    }
}

impl From<Damage> for CheckpointError {
    fn from(damage: Damage) -> Self {
        CheckpointError::Damaged(damage)
    }
}

leaf_errors! {
    CheckpointError, Checkpoint {
        Self::PartName(_) => ["part-name", State, Corruption, lasting, "correct_and_retry", "Use letters, digits, `_`, `-` or `.`."],
        Self::Json { .. } => ["json", State, Corruption, lasting, "correct_and_retry", "Give sound JSON whose numbers a double can hold."],
        Self::State { .. } => ["state", State, Corruption, lasting, "correct_and_retry", "Give the state of a workflow."],
        Self::LastVersion(_) => ["last-version", State, LimitExceeded, lasting, "correct_and_retry", "Begin another workflow: its versions are used up."],
        Self::NotAnObject { .. } => ["not-an-object", State, Corruption, lasting, "correct_and_retry", "Give a JSON object."],
        Self::File { .. } => ["file", State, Corruption, lasting, "correct_and_retry", "Give each file its digest."],
        Self::Digest { .. } => ["digest", State, Corruption, lasting, "correct_and_retry", "Give sound JSON whose numbers a double can hold."],
        Self::DeltaJson(_) => ["delta-json", State, Corruption, lasting, "full_checkpoint", "Use a full checkpoint."],
        Self::DeltaOperation { .. } => ["delta-operation", State, Corruption, lasting, "full_checkpoint", "Use a full checkpoint."],
        Self::DeltaMisfit { .. } => ["delta-misfit", State, Corruption, lasting, "full_checkpoint", "Use a full checkpoint."],
        Self::LongDelta { .. } => ["long-delta", State, Corruption, lasting, "full_checkpoint", "Use a full checkpoint."],
        Self::Escapes { .. } => ["escapes", State, Conflict, lasting, "correct_and_retry", "Use identifiers of letters, digits, `_`, `-` or `.`."],
        Self::Word { .. } => ["word", State, Conflict, lasting, "correct_and_retry", "Use a word of the protocol."],
        Self::Unsound { .. } => ["unsound", State, Corruption, lasting, "emergency_checkpoint", "Correct the state, or make an emergency checkpoint, which takes any."],
        Self::Exists(_) => ["exists", State, Conflict, lasting, "retry", "Make it again under a new identifier."],
        Self::Swept(_) => ["swept", State, Conflict, lasting, "retry", "Make it again under a new identifier."],
        Self::NotFound { .. } => ["not-found", State, Unavailable, lasting, "list_checkpoints", "Choose one of the checkpoints that are there."],
        Self::Damaged(_) => ["damaged", State, Corruption, lasting, "restore_older", "Restore an older checkpoint, and make a new full one."],
        Self::Storage(error) => (error),
        Self::RollbackMode(_) => ["rollback-mode", State, Conflict, lasting, "correct_and_retry", "Roll back fully, partially or selectively."],
        Self::RollbackOfNothing { .. } => ["rollback-of-nothing", State, Conflict, lasting, "correct_and_retry", "Name parts, agents or tasks that one of the two states has."],
        Self::UnknownPart(_) => ["unknown-part", State, Conflict, lasting, "correct_and_retry", "Name parts, agents or tasks that one of the two states has."],
        Self::FixedPart(_) => ["fixed-part", State, Conflict, lasting, "correct_and_retry", "Name parts, agents or tasks that one of the two states has."],
        Self::UnknownAgent(_) => ["unknown-agent", State, Conflict, lasting, "correct_and_retry", "Name parts, agents or tasks that one of the two states has."],
        Self::UnknownTask(_) => ["unknown-task", State, Conflict, lasting, "correct_and_retry", "Name parts, agents or tasks that one of the two states has."],
        Self::NoState => ["no-state", State, Conflict, lasting, "correct_and_retry", "Roll back fully."],
        Self::Target { .. } => ["target", State, Unavailable, lasting, "retry", "See why the state cannot be read or written, then try again."],
        Self::Read(error) => (&**error),
        Self::OtherWorkflow { .. } => ["other-workflow", State, Conflict, lasting, "correct_and_retry", "Name the target of the workflow."],
        Self::Backup(error) => (&**error),
        Self::UnderWay { .. } => ["under-way", State, Conflict, transient, "recover", "Wait for it, or undo it if it died."],
        Self::Undone { .. } => ["undone", State, Unavailable, lasting, "retry", "Remove the cause, then restore again."],
        Self::Mixture { .. } => ["mixture", State, Corruption, lasting, "recover", "Stop the workflow, remove the cause, then recover from the backup.", with_severity(Severity::Critical)],
        Self::Mark(error) => (error),
    }
}
