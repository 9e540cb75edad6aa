//! `coord checkpoint create`

use super::{Common, files, random, show};
use crate::clock::now;
use crate::input;
use crate::output::{CmdResult, ExitStatus, Printer, complain, failure};
use coordination_protocol::checkpoint::{CheckpointError, CheckpointOptions, NewCheckpoint, Parts};
use coordination_protocol::scalar::{CheckpointId, CheckpointTrigger, CheckpointType, WorkflowId};
use coordination_protocol::storage::block_on;
use coordination_protocol::storage::view::States;
use std::path::PathBuf;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord checkpoint create --workflow wf_001
  coord checkpoint create --state state.json --files src Cargo.toml --kind phase_complete
  my-command | coord checkpoint create --state - --kind incremental --trigger automatic

Without --state, the current state in the store is taken. Only the digests of files are kept.

Exit status: 0 if it was made, 1 if the state is not sound.")]
#[command(group(clap::ArgGroup::new("what").args(["workflow", "state"]).required(true).multiple(true)))]
pub(super) struct Args {
    /// The workflow; that of the state if left out.
    #[arg(long, value_name = "WORKFLOW")]
    workflow: Option<WorkflowId>,

    /// A file with the state, as a message or its body; `-` is standard input.
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,

    /// Files and folders whose contents are digested.
    #[arg(long, value_name = "PATH", num_args = 1..)]
    files: Vec<PathBuf>,

    /// What kind of checkpoint.
    #[arg(
        long,
        default_value = "manual",
        value_name = "phase_complete|incremental|emergency|manual"
    )]
    kind: CheckpointType,

    /// What caused it.
    #[arg(long, default_value = "manual", value_name = "automatic|manual|failure_prevention")]
    trigger: CheckpointTrigger,

    /// Its identifier; a new one if left out.
    #[arg(long, value_name = "ID")]
    id: Option<CheckpointId>,

    /// Compress parts of more bytes than this.
    #[arg(long, value_name = "N", default_value_t = CheckpointOptions::default().compress_above, help_heading = "Limits")]
    compress_above: usize,

    /// The maximum number of incremental checkpoints on one full one.
    #[arg(long, value_name = "N", default_value_t = CheckpointOptions::default().chain_length, help_heading = "Limits")]
    max_deltas: usize,

    #[command(flatten)]
    common: Common,
}

pub(super) fn run(args: &Args) -> CmdResult {
    let mut options = args.common.options();
    options.compress_above = args.compress_above;
    options.chain_length = args.max_deltas;
    // What is given is read before the store is made.
    let given =
        args.state.as_deref().map(|path| input::text(path, args.common.max_bytes)).transpose()?;
    let parse = |text: &str| Parts::parse_with(text, &options);
    let mut parts = match (&args.state, &given) {
        (Some(path), Some(text)) => Some(
            parse(text).map_err(|error| failure(format_args!("{}: {error}", input::name(path))))?,
        ),
        _ => None,
    };
    let files = files::digests(&args.files, args.common.place.root())?;
    let store = match &parts {
        Some(_) => args.common.place.open("checkpoint create")?,
        None => args.common.place.open_existing("checkpoint create")?,
    };
    if parts.is_none()
        && let Some(workflow) = &args.workflow
    {
        let found = block_on(States::new(store.clone()).get(workflow))?;
        let found = found.ok_or_else(|| {
            failure(format_args!("{workflow} has no state in the store; give one with --state"))
        })?;
        parts = Some(parse(&found.text)?);
    }
    let Some(mut parts) = parts else { return Err(failure("there is no state")) };
    if let Some(workflow) = args.workflow.as_ref().filter(|named| *named != parts.workflow_id()) {
        return Err(failure(format_args!(
            "the state is one of {}, not of {workflow}",
            parts.workflow_id()
        )));
    }
    if let Some(files) = files {
        parts = parts.with_files(files)?;
    }
    let mut new = NewCheckpoint::new(now(), random()?)
        .with_type(args.kind.clone())
        .with_trigger(args.trigger.clone());
    if let Some(id) = &args.id {
        new = new.with_id(id.clone());
    }
    let checkpoints = args.common.checkpoints(store).with_options(options);
    match block_on(checkpoints.create(&parts, &new)) {
        Ok(made) => {
            let mut out = Printer::new(args.common.format);
            out.row(&show::CreatedRow::new(made))?;
            out.finish(ExitStatus::Done)
        }
        Err(error @ CheckpointError::Unsound { .. }) => {
            complain(format_args!("{error}; --kind emergency takes it as it is"));
            Ok(ExitStatus::No)
        }
        Err(error) => Err(error.into()),
    }
}
