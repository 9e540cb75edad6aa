//! `coord state show`

use crate::place::Place;
use crate::{Failure, Outcome, Result2};
use clap::ValueEnum;
use coordination_protocol::adapter::sqlite::Sqlite;
use coordination_protocol::message::WorkflowState;
use coordination_protocol::scalar::WorkflowId;
use coordination_protocol::storage::view::{States, StoredState};
use coordination_protocol::storage::{StorageError, block_on};
use serde::Serialize;
use std::io::{self, BufWriter, Write};

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord state show                          the latest state of every workflow
  coord state show workflow_123
  coord state show workflow_123 --format json
  coord state show workflow_123 --state-version 14 --format records > base.json

Exit status: 0 if there is something to show, 1 if there is no such state or one is damaged, 2 if
the store cannot be opened.")]
pub(crate) struct Show {
    /// The workflow; all of them if it is not given.
    workflow: Option<WorkflowId>,

    /// A version that is still kept, instead of the latest.
    #[arg(long, value_name = "N", requires = "workflow")]
    state_version: Option<u64>,

    /// How to print.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,

    #[command(flatten)]
    place: Place,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// For people.
    Human,
    /// The messages as they were put, for other verbs.
    Records,
    /// One JSON object a line and state: digest, kept versions, state.
    Json,
}

/// How many states are fetched at a time.
const PAGE: usize = 256;

#[derive(Serialize)]
struct Row<'a> {
    digest: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    versions: Option<Vec<u64>>,
    workflow_state: &'a WorkflowState,
}

pub(crate) fn run(args: &Show) -> Result2 {
    let file = args.place.open_existing("state show")?;
    let states = States::new(file);
    let shown = match &args.workflow {
        Some(workflow) => one(args, &states, workflow),
        None => all(args, &states),
    };
    match shown {
        Err(Stop::View(error)) if is_failure(&error) => Err(Failure(error.to_string())),
        Err(Stop::View(error)) => {
            writeln!(anstream::stderr(), "coord: {error}")?;
            Ok(Outcome::Found)
        }
        Err(Stop::Failed(failure)) => Err(failure),
        Ok(outcome) => Ok(outcome),
    }
}

/// Whether the store could not be used. Damage is a finding, whoever finds it.
pub(crate) fn is_failure(error: &StorageError) -> bool {
    !matches!(
        error,
        StorageError::Corrupt { .. }
            | StorageError::Damaged { .. }
            | StorageError::Refused { .. }
            | StorageError::VersionConflict { .. }
            | StorageError::NotNewer { .. }
            | StorageError::Contended { .. }
    )
}

enum Stop {
    View(StorageError),
    Failed(Failure),
}

impl From<StorageError> for Stop {
    fn from(error: StorageError) -> Self {
        Stop::View(error)
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Stop::Failed(error.into())
    }
}

fn json(
    out: &mut impl Write,
    stored: &StoredState,
    versions: Option<Vec<u64>>,
) -> Result<(), Stop> {
    let row = Row { digest: stored.digest.as_str(), versions, workflow_state: &stored.state };
    let text =
        serde_json::to_string(&row).map_err(|error| Stop::Failed(Failure(error.to_string())))?;
    Ok(writeln!(out, "{text}")?)
}

fn all(args: &Show, states: &States<Sqlite>) -> Result<Outcome, Stop> {
    let mut out = BufWriter::new(io::stdout());
    let mut last: Option<WorkflowId> = None;
    loop {
        let page = block_on(states.list(last.as_ref(), PAGE))?;
        for stored in &page {
            match args.format {
                Format::Json => json(&mut out, stored, None)?,
                Format::Records => writeln!(out, "{}", stored.text)?,
                Format::Human => {
                    let StoredState { state, .. } = stored;
                    let id = state.workflow_id.as_str();
                    write!(out, "{id}  version {}{}", stored.version(), phase(state))?;
                    match &state.timestamp {
                        Some(timestamp) => writeln!(out, "  {timestamp}")?,
                        None => writeln!(out)?,
                    }
                }
            }
        }
        match page.into_iter().next_back() {
            Some(stored) => last = Some(stored.state.workflow_id),
            None => break,
        }
    }
    out.flush()?;
    if last.is_none() {
        writeln!(
            anstream::stderr(),
            "coord: there are no states in {}",
            args.place.file().display()
        )?;
        return Ok(Outcome::Found);
    }
    Ok(Outcome::Fine)
}

fn phase(state: &WorkflowState) -> String {
    let Some(phase) = &state.current_phase else { return String::new() };
    let id = phase.phase_id.as_ref().map(ToString::to_string);
    let name = phase.name.clone().or(id).unwrap_or_default();
    match &phase.progress {
        Some(progress) => format!("  {name} {progress} %"),
        None => format!("  {name}"),
    }
}

fn one(args: &Show, states: &States<Sqlite>, workflow: &WorkflowId) -> Result<Outcome, Stop> {
    let found = match args.state_version {
        Some(version) => block_on(states.version(workflow, version))?,
        None => block_on(states.get(workflow))?,
    };
    let versions = block_on(states.versions(workflow))?;
    let Some(stored) = found else {
        let what = args.state_version.map_or_else(
            || "state".to_owned(),
            |version| format!("version {version} of the state"),
        );
        writeln!(anstream::stderr(), "coord: there is no {what} of `{workflow}`")?;
        return Ok(Outcome::Found);
    };
    let mut out = BufWriter::new(io::stdout());
    match args.format {
        Format::Json => json(&mut out, &stored, Some(versions))?,
        Format::Records => writeln!(out, "{}", stored.text)?,
        Format::Human => {
            let state = &stored.state;
            writeln!(out, "{workflow}  version {}{}", stored.version(), phase(state))?;
            let versions: Vec<String> = versions.iter().map(ToString::to_string).collect();
            writeln!(out, "kept    {}", versions.join(" "))?;
            writeln!(out, "digest  {}", stored.digest)?;
            writeln!(out, "{}", stored.text)?;
        }
    }
    out.flush()?;
    Ok(Outcome::Fine)
}
