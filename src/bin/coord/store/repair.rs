//! `coord store repair`

use super::line::saved;
use super::progress::spinner;
use crate::clock::now;
use crate::output::{CmdResult, ExitStatus, Failure, cannot_write, complain, say};
use crate::replace_file::{Readers, create};
use crate::store_args::StoreArgs;
use coordination_protocol::adapter::sqlite::{DamagedItem, DamagedPlace, Sqlite};
use coordination_protocol::checkpoint::{Checkpoints, Inspection};
use coordination_protocol::storage::{Store, StoreScan, block_on, scan_past_damage};
use std::collections::BTreeSet;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord store repair --dry-run
  coord store repair --save damaged.jsonl

What is damaged is named and removed: values that are not what was written or not what their key
demands, checkpoints that do not load and what interrupted ones left behind, cursors. A damaged
record, and one that is no text, becomes empty, so that the others keep their positions. What is sound
stays. With --save, what is there of each is kept as a line of JSON before anything is removed.
Others may use the store meanwhile; a run that is interrupted can be repeated.

Exit status: 0 if nothing is damaged or all of it was removed, 1 if something is damaged (--dry-run)
or still there.")]
pub(super) struct Args {
    /// Tell what would be removed, and change nothing.
    #[arg(long)]
    dry_run: bool,

    /// A file for what is removed, which must not be there.
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run")]
    save: Option<PathBuf>,

    #[command(flatten)]
    place: StoreArgs,
}

pub(super) fn run(args: &Args) -> CmdResult {
    let file = args.place.open_existing("store repair")?;
    let waiting = spinner(file.path(), "looking at everything");
    // What the file itself knows to be damaged; then what the values mean.
    let mut items = Vec::new();
    file.repair(true, |item| {
        items.push(item.clone());
        Ok::<(), Failure>(())
    })?;
    let checkpoints = Checkpoints::new(file.clone());
    let mut found = block_on(checkpoints.inspect(now()))?;
    waiting.finish_and_clear();
    let places: BTreeSet<DamagedPlace> = items.iter().map(|item| item.place.clone()).collect();
    let known = |key: &str| places.contains(&DamagedPlace::Entry(key.to_owned()));
    found.damaged.retain(|damaged| !known(damaged.key.as_str()));

    if let Some(to) =
        args.save.as_deref().filter(|_| !items.is_empty() || !found.damaged.is_empty())
    {
        save(to, &file, &items, &found)?;
    }
    let done = if args.dry_run { "would be removed" } else { "removed" };
    for item in &items {
        say(format_args!("{done}: {item}"))?;
    }
    for damaged in &found.damaged {
        say(format_args!("{done}: `{}`: {}", damaged.key, damaged.reason))?;
    }
    let mut gone = 0;
    if !args.dry_run {
        if !items.is_empty() {
            // Only what was told and saved.
            gone += file.repair_only(&places)?;
        }
        gone += block_on(checkpoints.repair(&found))?;
        // Parts whose entry was damaged itself are told apart only now.
        let mut rest = block_on(checkpoints.inspect(now()))?;
        rest.damaged.retain(|damaged| damaged.key.as_str().starts_with("checkpoint-parts/"));
        block_on(checkpoints.repair(&rest))?;
    }
    let told = (items.len() + found.damaged.len()) as u64;
    let name = args.place.file().display().to_string();
    match (told, args.dry_run) {
        (0, _) => say(format_args!("{name}: nothing is damaged"))?,
        (_, true) => say(format_args!("{name}: {told} damaged; dry run: nothing was changed"))?,
        (_, false) => say(format_args!("{name}: {gone} removed"))?,
    }
    if gone < told && !args.dry_run {
        complain("some of it was changed by others meanwhile; look again with --dry-run");
    }
    Ok(ExitStatus::found(told > gone))
}

/// Writes what is there of each, complete and on the disk before anything is removed.
fn save(
    to: &Path,
    file: &Sqlite,
    items: &[DamagedItem],
    found: &Inspection,
) -> Result<(), Failure> {
    let made = create(to, Readers::Usual, |out| {
        let mut out = io::BufWriter::new(out);
        for item in items {
            out.write_all(saved(item.clone()).map_err(io::Error::other)?.as_bytes())?;
        }
        for damaged in &found.damaged {
            let place = DamagedPlace::Entry(damaged.key.to_string());
            let mut item = DamagedItem::new(place, &damaged.reason);
            item.data = block_on(file.get(&damaged.key)).ok().flatten().map(|entry| entry.value);
            out.write_all(saved(item).map_err(io::Error::other)?.as_bytes())?;
            // A checkpoint goes with its parts.
            if let Some(of) = damaged.key.as_str().strip_prefix("checkpoints/") {
                let scan = StoreScan::new(format!("checkpoint-parts/{of}/")).with_limit(1_000);
                let parts = block_on(scan_past_damage(file, &scan)).map_err(io::Error::other)?;
                for part in parts.entries {
                    let place = DamagedPlace::Entry(part.key.to_string());
                    let mut item = DamagedItem::new(place, "its checkpoint is damaged");
                    item.data = Some(part.value);
                    out.write_all(saved(item).map_err(io::Error::other)?.as_bytes())?;
                }
            }
        }
        out.flush()
    });
    made.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => {
            cannot_write(to.display(), "it is there already; name a new file")
        }
        _ => cannot_write(to.display(), error),
    })
}
