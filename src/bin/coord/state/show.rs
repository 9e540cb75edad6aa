//! `coord state show`

use super::is_failure;
use crate::output::{CmdResult, ExitStatus, Failure, Format, Lines, Print, Printer, complain};
use crate::store_args::StoreArgs;
use coordination_protocol::adapter::sqlite::Sqlite;
use coordination_protocol::message::WorkflowState;
use coordination_protocol::scalar::WorkflowId;
use coordination_protocol::storage::view::{KeptVersion, States, StoredState};
use coordination_protocol::storage::{StorageError, block_on};
use serde::Serialize;
use std::io::{self, Write};

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord state show                          the latest state of every workflow
  coord state show workflow_123
  coord state show workflow_123 --format json
  coord state show workflow_123 --state-version 14 --format records > base.json

A state that is damaged is named, and the others are shown. If the latest of a workflow is damaged,
the versions that are kept are named, too.

Exit status: 0 if there is something to show, 1 if there is no such state or one is damaged.")]
pub(super) struct Args {
    /// The workflow; all of them if it is not given.
    workflow: Option<WorkflowId>,

    /// A version that is still kept, instead of the latest.
    #[arg(long, value_name = "N", requires = "workflow")]
    state_version: Option<u64>,

    /// How to print.
    #[arg(long, value_parser = Format::among(FORMATS), default_value = "human")]
    format: Format,

    #[command(flatten)]
    place: StoreArgs,
}

const FORMATS: &[(Format, &str)] = &[
    (Format::Human, "For people"),
    (Format::Records, "The messages as they were put, for other verbs"),
    (Format::Json, "One JSON object a line and state: digest, kept versions, state"),
];

/// How many states are fetched at a time.
const PAGE: usize = 256;

#[derive(Serialize)]
struct Row<'a> {
    digest: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    versions: Option<Vec<u64>>,
    /// Those that the workflow was taken back to before.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    abandoned: Vec<u64>,
    workflow_state: &'a WorkflowState,
    #[serde(skip)]
    stored: &'a StoredState,
}

impl<'a> Row<'a> {
    /// The versions that are kept are shown with one state, and not in a list of many.
    fn new(stored: &'a StoredState, kept: Option<&[KeptVersion]>) -> Self {
        let versions = kept.map(|kept| kept.iter().map(|one| one.version).collect());
        let abandoned = kept.into_iter().flatten().filter(|one| one.abandoned);
        Row {
            digest: stored.digest.as_str(),
            versions,
            abandoned: abandoned.map(|one| one.version).collect(),
            workflow_state: &stored.state,
            stored,
        }
    }
}

impl Print for Row<'_> {
    fn human(&self, out: &mut Lines<'_>) -> io::Result<()> {
        let Row { stored, workflow_state: state, versions, abandoned, digest } = self;
        let (workflow, version) = (state.workflow_id.as_str(), stored.version());
        let head = format!("{workflow}  version {version}{}", phase(state));
        let Some(versions) = versions else {
            return match &state.timestamp {
                Some(timestamp) => out.line(format_args!("{head}  {timestamp}")),
                None => out.line(head),
            };
        };
        let listed = |versions: &[u64]| {
            let versions: Vec<String> = versions.iter().map(ToString::to_string).collect();
            versions.join(" ")
        };
        out.line(head)?;
        out.line(format_args!("kept    {}", listed(versions)))?;
        if !abandoned.is_empty() {
            // Kept to be looked at: what is current did not come from them.
            out.line(format_args!("given up  {}", listed(abandoned)))?;
        }
        out.line(format_args!("digest  {digest}"))?;
        out.json(&stored.text)
    }

    fn record(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", self.stored.text)
    }
}

pub(super) fn run(args: &Args) -> CmdResult {
    let file = args.place.open_existing("state show")?;
    let states = States::new(file);
    let shown = match &args.workflow {
        Some(workflow) => one(args, &states, workflow),
        None => all(args, &states),
    };
    match shown {
        Err(Stop::View(error)) if is_failure(&error) => Err(error.into()),
        Err(Stop::View(error)) => {
            complain(error);
            Ok(ExitStatus::No)
        }
        Err(Stop::Failed(failed)) => Err(failed),
        Ok(ended) => Ok(ended),
    }
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

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Stop::Failed(failure)
    }
}

fn all(args: &Args, states: &States<Sqlite>) -> Result<ExitStatus, Stop> {
    let mut out = Printer::new(args.format);
    let mut after = None;
    let (mut shown, mut damaged) = (0, 0);
    loop {
        let page = block_on(states.list(after.as_ref(), PAGE))?;
        for stored in &page.items {
            out.row(&Row::new(stored, None))?;
        }
        // One that is damaged does not keep the others from being shown.
        for damage in &page.damaged {
            out.complain(damage)?;
        }
        shown += page.items.len();
        damaged += page.damaged.len();
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    if shown + damaged == 0 {
        out.complain(format_args!("there are no states in {}", args.place.file().display()))?;
    }
    Ok(out.finish(ExitStatus::found(damaged > 0 || shown == 0))?)
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

fn one(args: &Args, states: &States<Sqlite>, workflow: &WorkflowId) -> Result<ExitStatus, Stop> {
    let found = match args.state_version {
        Some(version) => block_on(states.version(workflow, version))?,
        None => match block_on(states.get(workflow)) {
            Err(error) if !is_failure(&error) => return unreadable(states, workflow, &error),
            found => found?,
        },
    };
    let kept = block_on(states.kept_versions(workflow))?;
    let Some(stored) = found else {
        let what = args.state_version.map_or_else(
            || "state".to_owned(),
            |version| format!("version {version} of the state"),
        );
        complain(format_args!("there is no {what} of `{workflow}`"));
        return Ok(ExitStatus::No);
    };
    let mut out = Printer::new(args.format);
    out.row(&Row::new(&stored, Some(&kept)))?;
    Ok(out.finish(ExitStatus::Done)?)
}

/// Says what is wrong with the latest state, and which versions before it there are.
fn unreadable(
    states: &States<Sqlite>,
    workflow: &WorkflowId,
    error: &StorageError,
) -> Result<ExitStatus, Stop> {
    complain(error);
    let versions = block_on(states.versions(workflow))?;
    if let Some(last) = versions.last() {
        let versions: Vec<String> = versions.iter().map(ToString::to_string).collect();
        complain(format_args!(
            "versions that are kept: {}; `--state-version {last}` shows the last of them",
            versions.join(" ")
        ));
    }
    Ok(ExitStatus::No)
}
