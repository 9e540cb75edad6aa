//! `coord state`

mod diff;
mod documents;
mod merge;
mod policy;
mod put;
mod show;

use crate::output::{CmdResult, Format};
use clap::Subcommand;
use coordination_protocol::storage::StorageError;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord state put state.json                      keep the first state of a workflow
  coord state put next.json --replaces 1          and the next one, unless another writer was faster
  coord state show workflow_123
  coord state merge base.json ours.json theirs.json -o merged.json")]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Put a state into the store, in the place of the version that it was made from.
    Put(put::Args),
    /// Show the states of workflows as the store has them.
    Show(show::Args),
    /// Merge two versions of a state, or of any JSON document, by what both started from.
    Merge(merge::Args),
    /// Show what changed from one state, or any JSON document, to another.
    Diff(diff::Args),
    /// List how each field of a state is merged, and the rules there are.
    Policy(policy::Args),
}

/// The formats of the verbs that work on documents.
const FORMATS: &[(Format, &str)] = &[(Format::Human, "For people"), (Format::Json, "JSON")];

pub(crate) fn run(args: &Args) -> CmdResult {
    match &args.verb {
        Verb::Put(args) => put::run(args),
        Verb::Show(args) => show::run(args),
        Verb::Merge(args) => merge::run(args),
        Verb::Diff(args) => diff::run(args),
        Verb::Policy(args) => policy::run(args),
    }
}

/// Whether the store could not be used. Damage is a finding, wherever it is met.
fn is_failure(error: &StorageError) -> bool {
    !matches!(
        error,
        StorageError::Corrupt { .. }
            | StorageError::Damaged { .. }
            | StorageError::Refused { .. }
            | StorageError::VersionConflict { .. }
            | StorageError::NotNewer { .. }
            | StorageError::Abandoned { .. }
            | StorageError::Contended { .. }
    )
}
