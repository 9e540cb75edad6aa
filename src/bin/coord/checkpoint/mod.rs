//! `coord checkpoint`

mod create;
mod files;
mod inspect;
mod prune;
mod restore;
mod show;

use crate::output::{CmdResult, Failure, Format, failure};
use crate::store_args::StoreArgs;
use clap::Subcommand;
use coordination_protocol::adapter::sqlite::Sqlite;
use coordination_protocol::checkpoint::{CheckpointOptions, Checkpoints};
use coordination_protocol::scalar::{CheckpointId, WorkflowId};
use coordination_protocol::storage::view::States;
use coordination_protocol::storage::{Key, block_on};

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord checkpoint create --workflow wf_001   keep the state that the store has
  coord checkpoint list
  coord checkpoint restore ckpt_789           put it back as it was")]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Keep the state of a workflow.
    Create(create::Args),
    /// List what is kept.
    List(inspect::List),
    /// Make sure that what is kept is what was written.
    Verify(inspect::Verify),
    /// Put a state back as it was.
    Restore(restore::Restore),
    /// Take a running workflow back, wholly or in part.
    Rollback(restore::Rollback),
    /// Remove what need not be kept.
    Prune(prune::Args),
}

/// What all verbs take.
#[derive(clap::Args)]
struct Common {
    #[command(flatten)]
    place: StoreArgs,

    /// The maximum number of bytes of one part of a checkpoint.
    #[arg(long, value_name = "N", default_value_t = CheckpointOptions::default().part_bytes, help_heading = "Limits")]
    max_bytes: usize,

    /// How to print.
    #[arg(long, value_parser = Format::among(FORMATS), default_value = "human")]
    format: Format,
}

const FORMATS: &[(Format, &str)] =
    &[(Format::Human, "For people"), (Format::Json, "One JSON object a line")];

pub(crate) fn run(args: &Args) -> CmdResult {
    match &args.verb {
        Verb::Create(args) => create::run(args),
        Verb::List(args) => inspect::list(args),
        Verb::Verify(args) => inspect::verify(args),
        Verb::Restore(args) => restore::restore(args),
        Verb::Rollback(args) => restore::rollback(args),
        Verb::Prune(args) => prune::run(args),
    }
}

impl Common {
    fn options(&self) -> CheckpointOptions {
        let defaults = CheckpointOptions::default();
        let keys = defaults.part_keys;
        defaults.with_part(self.max_bytes, keys).with_root(self.place.root().display().to_string())
    }

    fn checkpoints(&self, store: Sqlite) -> Checkpoints<Sqlite> {
        Checkpoints::new(store).with_options(self.options())
    }

    /// The checkpoints of a store that must be there.
    fn open(&self, verb: &str) -> Result<Checkpoints<Sqlite>, Failure> {
        Ok(self.checkpoints(self.place.open_existing(&format!("checkpoint {verb}"))?))
    }
}

/// The workflow that was named, or all that have checkpoints.
fn workflows(
    checkpoints: &Checkpoints<Sqlite>,
    named: Option<&WorkflowId>,
) -> Result<Vec<WorkflowId>, Failure> {
    match named {
        Some(workflow) => Ok(vec![workflow.clone()]),
        None => Ok(block_on(checkpoints.workflows())?),
    }
}

/// The workflow that was named, or the only one that has the checkpoint.
fn workflow_of(
    checkpoints: &Checkpoints<Sqlite>,
    named: Option<&WorkflowId>,
    id: &CheckpointId,
) -> Result<WorkflowId, Failure> {
    if let Some(workflow) = named {
        return Ok(workflow.clone());
    }
    let found = block_on(checkpoints.find(id))?;
    match found.as_slice() {
        [workflow] => Ok(workflow.clone()),
        [] => Err(failure(format_args!("there is no checkpoint {id}"))),
        _ => Err(failure(format_args!(
            "several workflows have a checkpoint {id}; name one with --workflow"
        ))),
    }
}

/// Where the current state of a workflow is.
fn state_key(workflow: &WorkflowId) -> Result<Key, Failure> {
    Ok(States::key(workflow)?)
}

fn random() -> Result<[u8; 10], Failure> {
    let mut bytes = [0; 10];
    getrandom::fill(&mut bytes)
        .map_err(|error| failure(format_args!("no random bytes: {error}")))?;
    Ok(bytes)
}
