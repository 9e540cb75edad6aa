//! What can go wrong.

use super::parts::PartName;
use super::target::TargetError;
use crate::error::{IntoReport, Problem};
use crate::json::{CanonicalError, Fault};
use crate::scalar::{CheckpointId, ErrorCategory, ErrorType, Severity, WorkflowId};
use crate::storage::StorageError;

/// Why something is no part of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PartsError {
    /// A part needs an identifier of recommended characters.
    #[error("`{0}` is no name for a part; use letters, digits, `_`, `-` or `.`")]
    Name(String),
    /// The text is not JSON within the limits.
    #[error("`{part}` is not usable: {error}")]
    Json {
        /// The part.
        part: PartName,
        /// What is wrong with the text.
        error: Fault,
    },
    /// The text is no workflow state.
    #[error("not the state of a workflow: {detail}")]
    State {
        /// What is wrong.
        detail: String,
    },
    /// The protocol's own parts are objects.
    #[error("`{part}` must be an object")]
    NotAnObject {
        /// The part.
        part: PartName,
    },
    /// A list of files has something that is no digest.
    #[error("the file `{path}` has no digest; write `sha256:` and 64 hexadecimal digits")]
    File {
        /// Its path.
        path: String,
    },
    /// The part has no RFC 8785 form, so it cannot be digested.
    #[error("`{part}` cannot be digested: {error}")]
    Digest {
        /// The part.
        part: PartName,
        /// The number that has no such form.
        error: CanonicalError,
    },
}

/// Why an identifier names no place for a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlaceError {
    /// It would climb out of the folder when it is used as a path.
    #[error("`{id}` cannot name a place: it would leave the root")]
    Escapes {
        /// The identifier.
        id: String,
    },
    /// No key can be made of it.
    #[error(transparent)]
    Key(#[from] StorageError),
}

/// What is wrong with a stored checkpoint.
///
/// ```
/// use coordination_protocol::checkpoint::{Damage, PartName};
/// use coordination_protocol::scalar::CheckpointId;
///
/// let damage = Damage::new(CheckpointId::new("ckpt_1")?, "its bytes are not those that were written")
///     .with_part(PartName::FILE_SYSTEM);
/// assert_eq!(
///     damage.to_string(),
///     "`file_system` of ckpt_1 is damaged: its bytes are not those that were written",
/// );
/// # Ok::<(), coordination_protocol::scalar::ScalarError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} of {checkpoint} is damaged: {detail}", part.as_ref().map_or("the entry".to_owned(), |part| format!("`{part}`")))]
#[non_exhaustive]
pub struct Damage {
    /// The checkpoint that is damaged. It may be the one that the loaded one is a delta of.
    pub checkpoint: CheckpointId,
    /// The part, unless it is the entry that describes the checkpoint.
    pub part: Option<PartName>,
    /// What is wrong.
    pub detail: String,
}

impl Damage {
    /// Damage to the entry of a checkpoint.
    pub fn new(checkpoint: CheckpointId, detail: impl Into<String>) -> Self {
        Damage { checkpoint, part: None, detail: detail.into() }
    }

    /// Sets the part that is damaged.
    pub fn with_part(mut self, part: PartName) -> Self {
        self.part = Some(part);
        self
    }
}

/// Why a checkpoint was not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CreateError {
    /// An identifier is refused.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// The parts cannot be digested.
    #[error(transparent)]
    Parts(#[from] PartsError),
    /// A checkpoint type or trigger that the protocol does not have.
    #[error("`{word}` is not a word that a checkpoint may be written with")]
    Word {
        /// The word.
        word: String,
    },
    /// The state failed `state_integrity`, and the checkpoint is no emergency.
    #[error("the state is not sound: {detail}")]
    Unsound {
        /// The first thing that is wrong with it.
        detail: String,
    },
    /// There is a checkpoint of this identifier.
    #[error("{0} exists already")]
    Exists(CheckpointId),
    /// It took so long that it counted as left behind, and was swept.
    #[error("{0} was swept while it was being made; make it anew")]
    Swept(CheckpointId),
    /// The store failed. [`Unavailable`](StorageError::Unavailable) may hide a success.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Why a checkpoint was not loaded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// An identifier is refused.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// There is none, or it is not complete.
    #[error("{workflow} has no checkpoint {checkpoint}")]
    NotFound {
        /// The workflow.
        workflow: WorkflowId,
        /// The checkpoint.
        checkpoint: CheckpointId,
    },
    /// It is not what was written.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// The store failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Why a rollback cannot be done as it was asked for. Nothing was touched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RollbackError {
    /// The request has no mode that the protocol knows.
    #[error("a rollback is full, partial or selective, not `{0}`")]
    Mode(String),
    /// A partial rollback names no part, or a selective one neither agent nor task.
    #[error("a {mode} rollback must name {what}")]
    Nothing {
        /// The mode.
        mode: &'static str,
        /// What it must name.
        what: &'static str,
    },
    /// No part and no member of the state has this name.
    #[error("neither state has a part `{0}`")]
    UnknownPart(String),
    /// The part is not one that can be put back.
    #[error("`{0}` cannot be rolled back")]
    Fixed(String),
    /// No agent has this name.
    #[error("neither state has an agent `{0}`")]
    UnknownAgent(String),
    /// No agent works on this task.
    #[error("no agent works on the task `{0}` in either state")]
    UnknownTask(String),
    /// There is no state that part of the checkpoint could be put into.
    #[error("there is no current state; only a full rollback can make one")]
    NoState,
    /// What would come out is no state.
    #[error(transparent)]
    Parts(#[from] PartsError),
}

/// Why a state was not put back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// The checkpoint cannot be used. Nothing was touched.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The request cannot be carried out. Nothing was touched.
    #[error(transparent)]
    Rollback(#[from] RollbackError),
    /// The current state could not be read. Nothing was touched.
    #[error("the current state cannot be read, nothing was touched: {0}")]
    Read(TargetError),
    /// The target holds another workflow. Nothing was touched.
    #[error("the target holds {found}, not {expected}")]
    OtherWorkflow {
        /// The workflow that the target holds.
        found: WorkflowId,
        /// The workflow of the checkpoint.
        expected: WorkflowId,
    },
    /// The current state could not be backed up. Nothing was touched.
    #[error("the current state cannot be backed up, nothing was touched: {0}")]
    Backup(CreateError),
    /// Another restore of the workflow is under way, or died half-way. Nothing was touched.
    #[error("a restore of {workflow} is under way since {since}; if it died, `recover` undoes it")]
    UnderWay {
        /// The workflow.
        workflow: WorkflowId,
        /// When it began.
        since: String,
    },
    /// It failed half-way, and all that was done is undone.
    #[error("the state is as it was: {step} failed: {detail}")]
    Undone {
        /// What failed.
        step: String,
        /// Why.
        detail: String,
        /// The backup of the state, if there was one.
        backup: Option<CheckpointId>,
    },
    /// It failed half-way, and not everything could be undone: the state is a mixture.
    #[error(
        "THE STATE IS A MIXTURE: {step} failed ({detail}), and undoing failed for {}; the state before is {}",
        failed.iter().map(|(part, why)| format!("`{part}` ({why})")).collect::<Vec<_>>().join(", "),
        backup.as_ref().map_or("that there was none".to_owned(), |id| format!("in {id}")),
    )]
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
    #[error("the state was put back, but its mark remains: {0}")]
    Mark(StorageError),
}

crate::error::reports! {
    PartsError, State, Corruption, "correct_and_retry", "Give sound JSON whose numbers a double can hold.";
    PlaceError, State, Conflict, "correct_and_retry", "Use identifiers of letters, digits, `_`, `-` or `.`.";
    Damage, State, Corruption, "restore_older", "Restore an older checkpoint, and make a new full one.";
    RollbackError, State, Conflict, "correct_and_retry", "Name parts, agents or tasks that one of the two states has.";
    super::delta::DeltaError, State, Corruption, "full_checkpoint", "Use a full checkpoint.";
    TargetError, State, Unavailable, "retry", "See why the state cannot be read or written, then try again.";
}

impl IntoReport for CreateError {
    fn problem(&self) -> Problem {
        match self {
            CreateError::Place(error) => error.problem(),
            CreateError::Parts(error) => error.problem(),
            CreateError::Storage(error) => error.problem(),
            CreateError::Word { .. } => {
                Problem::new(ErrorCategory::State, ErrorType::Conflict, self.to_string())
                    .with_suggestion("correct_and_retry", "Use a word of the protocol.")
            }
            CreateError::Unsound { .. } => {
                Problem::new(ErrorCategory::State, ErrorType::Corruption, self.to_string())
                    .with_suggestion(
                        "emergency_checkpoint",
                        "Correct the state, or make an emergency checkpoint, which takes any.",
                    )
            }
            CreateError::Exists(_) | CreateError::Swept(_) => {
                Problem::new(ErrorCategory::State, ErrorType::Conflict, self.to_string())
                    .with_suggestion("retry", "Make it again under a new identifier.")
            }
        }
    }
}

impl IntoReport for LoadError {
    fn problem(&self) -> Problem {
        match self {
            LoadError::Place(error) => error.problem(),
            LoadError::Damaged(error) => error.problem(),
            LoadError::Storage(error) => error.problem(),
            LoadError::NotFound { .. } => {
                Problem::new(ErrorCategory::State, ErrorType::Unavailable, self.to_string())
                    .with_suggestion(
                        "list_checkpoints",
                        "Choose one of the checkpoints that are there.",
                    )
            }
        }
    }
}

impl IntoReport for RestoreError {
    fn problem(&self) -> Problem {
        let state = |error_type| Problem::new(ErrorCategory::State, error_type, self.to_string());
        match self {
            RestoreError::Load(error) => error.problem(),
            RestoreError::Rollback(error) => error.problem(),
            RestoreError::Mark(error) => error.problem(),
            RestoreError::Read(error) => error.problem(),
            RestoreError::Backup(error) => error.problem(),
            RestoreError::OtherWorkflow { .. } => state(ErrorType::Conflict)
                .with_suggestion("correct_and_retry", "Name the target of the workflow."),
            RestoreError::UnderWay { .. } => state(ErrorType::Conflict)
                .with_suggestion("recover", "Wait for it, or undo it if it died."),
            RestoreError::Undone { .. } => state(ErrorType::Unavailable)
                .with_suggestion("retry", "Remove the cause, then restore again."),
            RestoreError::Mixture { .. } => {
                state(ErrorType::Corruption).with_severity(Severity::Critical).with_suggestion(
                    "recover",
                    "Stop the workflow, remove the cause, then recover from the backup.",
                )
            }
        }
    }
}
