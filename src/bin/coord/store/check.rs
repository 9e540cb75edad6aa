//! `coord store check`

use super::progress::spinner;
use crate::clock::now;
use crate::output::{CmdResult, ExitStatus, complain, say};
use crate::store_args::StoreArgs;
use coordination_protocol::adapter::sqlite::CheckReport;
use coordination_protocol::checkpoint::{Checkpoints, DanglingCheckpoint};
use coordination_protocol::storage::block_on;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord store check
  coord store check --root /srv/project/.claude/data

Besides the file, the values are looked at: whether each is what its key demands, whether checkpoints
load, and whether the checkpoint is there that a state says it was taken from.

Exit status: 0 if the store is sound, 1 if it is damaged.")]
pub(super) struct Args {
    #[command(flatten)]
    place: StoreArgs,
}

pub(super) fn run(args: &Args) -> CmdResult {
    let file = args.place.open_existing("store check")?;
    let waiting = spinner(file.path(), "looking at everything");
    let report = block_on(file.check())?;
    let found = block_on(Checkpoints::new(file.clone()).inspect(now()));
    waiting.finish_and_clear();
    for problem in &report.problems {
        say(format_args!("damaged: {problem}"))?;
    }
    // A store whose structure is broken cannot be looked at value by value; that is told above.
    let mut wrong = report.problems.len();
    match found {
        Ok(found) => {
            for damaged in &found.damaged {
                let sentence = format!("`{}`: {}", damaged.key, damaged.reason);
                if !report.problems.contains(&sentence) {
                    wrong += 1;
                    say(format_args!("damaged: {sentence}"))?;
                }
            }
            for DanglingCheckpoint { workflow, checkpoint, .. } in &found.dangling {
                wrong += 1;
                say(format_args!(
                    "dangling: the state of {workflow} names the checkpoint {checkpoint}, which is \
                     not there"
                ))?;
            }
        }
        Err(error) if report.problems.is_empty() => return Err(error.into()),
        Err(_) => {}
    }
    let CheckReport { entries, records, decisions, .. } = report;
    // A store without decisions says what it always said.
    let decided = if decisions > 0 { format!(", {decisions} decisions") } else { String::new() };
    say(format_args!(
        "{}: {entries} values and {records} records{decided} are sound",
        args.place.file().display()
    ))?;
    if wrong > 0 {
        complain(
            "go back to a backup, or remove what is damaged with `coord store repair`; look with \
             `coord checkpoint verify` for states that are sound",
        );
    }
    Ok(ExitStatus::found(wrong > 0))
}
