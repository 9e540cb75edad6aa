//! `coord checkpoint`

mod create;
mod files;
mod look;
mod put;
mod show;

use crate::place::Place;
use crate::{Failure, Outcome, Result2};
use clap::{Subcommand, ValueEnum};
use coordination_protocol::adapter::sqlite::Sqlite;
use coordination_protocol::checkpoint::{CheckpointError, CheckpointOptions, Checkpoints};
use coordination_protocol::scalar::{CheckpointId, WorkflowId};
use coordination_protocol::storage::view::States;
use coordination_protocol::storage::{Key, block_on};
use std::io::Write;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord checkpoint create --workflow wf_001   keep the state that the store has
  coord checkpoint list
  coord checkpoint restore ckpt_789           put it back as it was

Exit status: 0 fine, 1 something was found, 2 usage or I/O error; each verb says more.")]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Keep the state of a workflow.
    Create(create::Args),
    /// List what is kept.
    List(look::List),
    /// Make sure that what is kept is what was written.
    Verify(look::Verify),
    /// Put a state back as it was.
    Restore(put::Restore),
    /// Take a running workflow back, wholly or in part.
    Rollback(put::Rollback),
    /// Remove what need not be kept.
    Prune(look::Prune),
}

/// What all verbs take.
#[derive(clap::Args)]
struct Common {
    #[command(flatten)]
    place: Place,

    /// The most bytes of one part of a checkpoint.
    #[arg(long, value_name = "N", default_value_t = CheckpointOptions::default().part_bytes, help_heading = "Limits")]
    max_bytes: usize,

    /// How to print.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

pub(crate) fn run(args: &Args) -> Result2 {
    match &args.verb {
        Verb::Create(args) => create::run(args),
        Verb::List(args) => look::list(args),
        Verb::Verify(args) => look::verify(args),
        Verb::Restore(args) => put::restore(args),
        Verb::Rollback(args) => put::rollback(args),
        Verb::Prune(args) => look::prune(args),
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

/// The workflow that was named, or the only one that has the checkpoint.
fn workflow_of(
    checkpoints: &Checkpoints<Sqlite>,
    named: Option<&WorkflowId>,
    id: &CheckpointId,
) -> Result<WorkflowId, Failure> {
    if let Some(workflow) = named {
        return Ok(workflow.clone());
    }
    let found = block_on(checkpoints.find(id)).map_err(failed)?;
    match found.as_slice() {
        [workflow] => Ok(workflow.clone()),
        [] => Err(Failure(format!("there is no checkpoint {id}"))),
        _ => Err(Failure(format!(
            "several workflows have a checkpoint {id}; name one with --workflow"
        ))),
    }
}

/// Where the current state of a workflow is.
fn state_key(workflow: &WorkflowId) -> Result<Key, Failure> {
    States::key(workflow).map_err(failed)
}

fn random() -> Result<[u8; 10], Failure> {
    let mut bytes = [0; 10];
    getrandom::fill(&mut bytes).map_err(|error| Failure(format!("no random bytes: {error}")))?;
    Ok(bytes)
}

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure(error.to_string())
}

/// Damage is a finding; everything else ends the program.
fn found(error: &CheckpointError) -> Result2 {
    if matches!(error, CheckpointError::Damaged(_)) {
        writeln!(anstream::stderr(), "coord: {error}")?;
        return Ok(Outcome::Found);
    }
    Err(failed(error))
}
