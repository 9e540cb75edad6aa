//! `coord state put`

use super::is_failure;
use crate::limits::parse;
use crate::output::{
    CmdResult, ExitStatus, Format, Lines, Print, Printer, complain, draw, status_of,
};
use crate::source::Item;
use crate::store_args::StoreArgs;
use crate::{input, show};
use coordination_protocol::adapter::sqlite::Sqlite;
use coordination_protocol::event::Codec;
use coordination_protocol::finding::{Mode, Verdict};
use coordination_protocol::message::{Message, MessageKind};
use coordination_protocol::storage::view::{LIMITS, States, StoredState, replace};
use coordination_protocol::storage::{Expect, StorageError, Store, block_on};
use coordination_protocol::validate::{Context, Validator};
use serde::Serialize;
use std::io;
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord state put state.json                     the first state of its workflow
  coord state put state.json --replaces 14
  my-command | coord state put --replaces 14 --format json

The input is one workflow_state message. It is checked like by `coord check`, and kept as it is
written. Its state_version has to be higher than the one that it replaces. If another writer was
faster, nothing is written: look at what is there, merge, and put the result.

Exit status: 0 if it was put, 1 if it is invalid, 5 if another version is there.")]
pub(super) struct Args {
    /// The file with the state; `-` or none reads standard input.
    #[arg(value_name = "FILE|-")]
    from: Option<PathBuf>,

    /// The version that the state was made from; without it, the workflow must have no state yet.
    #[arg(long, value_name = "N")]
    replaces: Option<u64>,

    /// Put it in the place of a state that cannot be read any more; of no other.
    #[arg(long, conflicts_with = "replaces")]
    over_damage: bool,

    /// Read as writers must write, or as readers must accept.
    #[arg(long, value_parser = parse::<Mode>, default_value = "interop", value_name = "strict|interop")]
    mode: Mode,

    /// How to print.
    #[arg(long, value_parser = Format::among(FORMATS), default_value = "human")]
    format: Format,

    #[command(flatten)]
    place: StoreArgs,
}

const FORMATS: &[(Format, &str)] =
    &[(Format::Human, "For people"), (Format::Json, "One JSON object: workflow, versions, digest")];

#[derive(Serialize)]
struct Row<'a> {
    workflow_id: &'a str,
    state_version: u64,
    replaced: Option<u64>,
    digest: &'a str,
}

impl Print for Row<'_> {
    fn human(&self, out: &mut Lines<'_>) -> io::Result<()> {
        let Row { workflow_id, state_version, replaced, .. } = self;
        let instead = replaced.map_or_else(String::new, |old| format!(" in the place of {old}"));
        out.line(format_args!("{workflow_id}  version {state_version}{instead}"))
    }
}

pub(super) fn run(args: &Args) -> CmdResult {
    let path = args.from.as_deref().unwrap_or(Path::new("-"));
    let text = input::text(path, LIMITS.bytes)?;
    // A store keeps the message, not the line break behind it.
    let text = text.trim_end();
    if !is_sound(path, text, args.mode) {
        return Ok(ExitStatus::No);
    }
    // What replaces a state needs a store that has one.
    let store = if args.replaces.is_some() || args.over_damage {
        args.place.open_existing("state put")?
    } else {
        args.place.open("state put")?
    };
    let states = States::new(store.clone());
    let put = match block_on(states.put(text, args.replaces)) {
        Err(StorageError::Damaged { .. } | StorageError::Corrupt { .. }) if args.over_damage => {
            over_damage(&store, &states, text)
        }
        put => put,
    };
    match put {
        Ok(stored) => print(args, &stored),
        Err(error) if is_failure(&error) => Err(error.into()),
        Err(error) => {
            complain(format_args!("{error}{}", advice(&error)));
            // It is the state that is refused, or its writer who is late.
            Ok(match status_of(&error) {
                ExitStatus::Conflict => ExitStatus::Conflict,
                _ => ExitStatus::No,
            })
        }
    }
}

/// Writes a state whatever stands there: it was damaged a moment ago, and what is damaged has no version
/// to compare with.
fn over_damage(
    store: &Sqlite,
    states: &States<Sqlite>,
    text: &str,
) -> Result<StoredState, StorageError> {
    let refused = |reason| StorageError::Refused { kind: MessageKind::WorkflowState, reason };
    let codec = Codec::new(Mode::Interop).with_limits(LIMITS);
    let parsed = codec.parse_message(text).map_err(|error| refused(error.to_string()))?;
    let message = parsed.decode().map_err(|error| refused(error.to_string()))?.message;
    let Message::WorkflowState(state) = message else {
        return Err(refused(format!("it is a message of kind {}", message.kind())));
    };
    let workflow = state.workflow_id;
    let key = States::key(&workflow)?;
    let value = replace(&key, None, text)?;
    block_on(store.put(&key, &value, Expect::Any))?;
    let stored = block_on(states.get(&workflow))?;
    stored.ok_or(StorageError::Contended { key, attempts: 1 })
}

/// Draws what is wrong with a state as `coord check` does, and tells whether it can be kept.
fn is_sound(path: &Path, text: &str, mode: Mode) -> bool {
    let validator = Validator::from(Codec::new(mode).with_limits(LIMITS));
    let outcome = validator.check(text, &Context::new());
    let accepted = outcome.is_accepted();
    if outcome.report.verdict() != Verdict::Valid {
        let item = Item::whole(outcome, text.as_bytes());
        draw(&show::record(&input::name(path), &item, false));
    }
    accepted
}

/// What to do about a refusal.
fn advice(error: &StorageError) -> String {
    match error {
        StorageError::VersionConflict { found: Some(found), .. } => {
            format!("; merge with what is there, and put that with --replaces {found}")
        }
        StorageError::VersionConflict { found: None, .. } => "; leave --replaces out".to_owned(),
        StorageError::NotNewer { .. } => "; raise state_version".to_owned(),
        StorageError::Abandoned { .. } => {
            "; see `coord state show`, and make the change again in the state that is there"
                .to_owned()
        }
        StorageError::Contended { .. } => "; try again".to_owned(),
        StorageError::Refused { .. } => "; see `coord schema workflow_state`".to_owned(),
        StorageError::Damaged { .. } | StorageError::Corrupt { .. } => {
            "; put one that is sound with --over-damage, or go back to a backup".to_owned()
        }
        _ => String::new(),
    }
}

fn print(args: &Args, stored: &StoredState) -> CmdResult {
    let mut out = Printer::new(args.format);
    out.row(&Row {
        workflow_id: stored.state.workflow_id.as_str(),
        state_version: stored.version(),
        replaced: args.replaces,
        digest: stored.digest.as_str(),
    })?;
    out.finish(ExitStatus::Done)
}
