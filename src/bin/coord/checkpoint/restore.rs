//! `coord checkpoint restore` and `rollback`

use super::{Common, files, random, show, state_key, workflow_of};
use crate::clock::now;
use crate::input;
use crate::output::{CmdResult, ExitStatus, Failure, Printer, failure};
use crate::replace_file;
use coordination_protocol::adapter::sqlite::Sqlite;
use coordination_protocol::checkpoint::{
    CheckpointError, CheckpointOptions, Checkpoints, NewCheckpoint, PartName, Parts, Restored,
    StateTarget, Target,
};
use coordination_protocol::json::Json;
use coordination_protocol::message;
use coordination_protocol::scalar::{CheckpointId, Digest, RollbackMode, WorkflowId};
use coordination_protocol::storage::block_on;
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord checkpoint restore ckpt_789
  coord checkpoint restore ckpt_789 --files src Cargo.toml
  coord checkpoint restore ckpt_789 --output state.json

The checkpoint is verified first, and the state before is kept in a checkpoint of its own. What is put
back counts on: its version is higher than any before, in a new epoch, so that writers that read the
state before are refused. If the state says what the checkpoint says, nothing is done. Files are
not restored, for a checkpoint has only their digests; with --files, those that differ are listed.
A current state that cannot be read is not replaced: see what it is, or restore to --output.

Exit status: 0 if the state was put back, 1 if the checkpoint is damaged; the
state is as it was then, unless the message says otherwise.")]
pub(super) struct Restore {
    /// The checkpoint.
    #[arg(value_name = "ID")]
    id: CheckpointId,

    #[command(flatten)]
    goal: Goal,
}

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord checkpoint rollback ckpt_789 --mode full
  coord checkpoint rollback ckpt_789 --mode partial --parts current_phase,resource_usage
  coord checkpoint rollback ckpt_789 --mode selective --agents agent_001 --tasks task_789

As after a restore, the state's version counts on in a new epoch.

Exit status: as of `coord checkpoint restore`.")]
pub(super) struct Rollback {
    /// The checkpoint.
    #[arg(value_name = "ID")]
    id: CheckpointId,

    /// How much to take back.
    #[arg(long, value_name = "full|partial|selective")]
    mode: RollbackMode,

    /// Parts, or members of the state, for `partial`.
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    parts: Vec<String>,

    /// Agents, for `selective`.
    #[arg(long, value_delimiter = ',', value_name = "AGENT")]
    agents: Vec<String>,

    /// Tasks whose agents are taken back, for `selective`.
    #[arg(long, value_delimiter = ',', value_name = "TASK")]
    tasks: Vec<String>,

    #[command(flatten)]
    goal: Goal,
}

/// Where the state is put.
#[derive(clap::Args)]
struct Goal {
    /// The workflow; needed only if several have a checkpoint of this identifier.
    #[arg(long, value_name = "WORKFLOW")]
    workflow: Option<WorkflowId>,

    /// Files and folders to compare with the checkpoint.
    #[arg(long, value_name = "PATH", num_args = 1..)]
    files: Vec<PathBuf>,

    /// The file that holds the current state, instead of the store.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,

    #[command(flatten)]
    common: Common,
}

pub(super) fn restore(args: &Restore) -> CmdResult {
    let (checkpoints, workflow, new) = start(&args.goal, "restore", &args.id)?;
    let result = match target(&args.goal, &checkpoints, &workflow)? {
        Goals::Store(mut target) => {
            block_on(checkpoints.restore(&workflow, &args.id, &mut target, &new))
        }
        Goals::File(mut target) => {
            block_on(checkpoints.restore(&workflow, &args.id, &mut target, &new))
        }
    };
    finish(&args.goal, &workflow, result)
}

pub(super) fn rollback(args: &Rollback) -> CmdResult {
    let (checkpoints, workflow, new) = start(&args.goal, "rollback", &args.id)?;
    let mut request = message::Rollback::new(workflow.clone(), args.id.clone(), args.mode.clone());
    let some = |names: &[String]| (!names.is_empty()).then(|| names.to_vec());
    request.parts = some(&args.parts);
    request.agents = some(&args.agents);
    request.tasks = some(&args.tasks);
    let result = match target(&args.goal, &checkpoints, &workflow)? {
        Goals::Store(mut target) => block_on(checkpoints.rollback(&request, &mut target, &new)),
        Goals::File(mut target) => block_on(checkpoints.rollback(&request, &mut target, &new)),
    };
    finish(&args.goal, &workflow, result)
}

fn start(
    goal: &Goal,
    verb: &str,
    id: &CheckpointId,
) -> Result<(Checkpoints<Sqlite>, WorkflowId, NewCheckpoint), Failure> {
    let checkpoints = goal.common.open(verb)?;
    let workflow = workflow_of(&checkpoints, goal.workflow.as_ref(), id)?;
    Ok((checkpoints, workflow, NewCheckpoint::new(now(), random()?)))
}

enum Goals {
    Store(StateTarget<Sqlite>),
    File(FileTarget),
}

fn target(
    goal: &Goal,
    checkpoints: &Checkpoints<Sqlite>,
    workflow: &WorkflowId,
) -> Result<Goals, Failure> {
    let options = goal.common.options();
    let files = files::digests(&goal.files, goal.common.place.root())?;
    if let Some(path) = &goal.output {
        if input::is_stdin(path) {
            let why = "the state there is read before it is replaced; name a file";
            return Err(failure(format_args!("--output -: {why}")));
        }
        return Ok(Goals::File(FileTarget { path: path.clone(), files, options }));
    }
    let store = checkpoints.store().clone();
    let target = StateTarget::new(store, state_key(workflow)?).with_options(options);
    Ok(Goals::Store(match files {
        Some(files) => target.with_files(files),
        None => target,
    }))
}

fn finish(
    goal: &Goal,
    workflow: &WorkflowId,
    result: Result<Restored, CheckpointError>,
) -> CmdResult {
    match result {
        Ok(done) => {
            let mut out = Printer::new(goal.common.format);
            out.row(&show::RestoredRow::new(workflow, &done))?;
            out.finish(ExitStatus::Done)
        }
        Err(error) => Err(error.into()),
    }
}

/// A state in a file, which is replaced as a whole.
struct FileTarget {
    path: PathBuf,
    files: Option<BTreeMap<String, Digest>>,
    options: CheckpointOptions,
}

impl FileTarget {
    fn replace(&self, text: &str) -> io::Result<()> {
        replace_file::replace(&self.path, |file| {
            file.write_all(text.as_bytes())?;
            file.write_all(b"\n")
        })
    }
}

impl Target for FileTarget {
    async fn read(&mut self) -> Result<Option<Parts>, CheckpointError> {
        let cannot = |error: io::Error| {
            CheckpointError::target_refused(format!("{}: {error}", self.path.display()))
        };
        let text = match fs::read_to_string(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            text => text.map_err(cannot)?,
        };
        let parts = Parts::parse_with(&text, &self.options)?;
        Ok(Some(match &self.files {
            Some(files) => parts.with_files(files.clone())?,
            None => parts,
        }))
    }

    async fn write(
        &mut self,
        part: &PartName,
        value: Option<&Json>,
    ) -> Result<(), CheckpointError> {
        if *part != PartName::WORKFLOW_STATE {
            return Err(CheckpointError::target_refused(format!(
                "a file has no room for `{part}`"
            )));
        }
        let result = match value {
            Some(value) => self.replace(&format!("{{\"workflow_state\":{value}}}")),
            None => fs::remove_file(&self.path),
        };
        result.map_err(|error| CheckpointError::target(format!("{}: {error}", self.path.display())))
    }
}
