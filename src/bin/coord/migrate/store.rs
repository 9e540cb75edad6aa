//! Migrating everything in a store, in one transaction.

use super::tally::KINDS;
use super::{Args, TOLD, migrator};
use crate::output::{CmdResult, ExitStatus, Failure, complain, say, tell};
use coordination_protocol::adapter::sqlite::{DamagedPlace, ItemChange, StoreItem};
use coordination_protocol::storage::{Log, StorageError, view};
use coordination_protocol::version::Migrator;
use std::collections::BTreeMap;
use std::io;

/// What came of it, by kind of item.
#[derive(Default)]
struct Tally {
    seen: u64,
    changed: u64,
    dropped: u64,
    refused: u64,
}

struct Job<'a> {
    args: &'a Args,
    migrator: Migrator,
    values: Tally,
    events: Tally,
    /// Values that no view of the protocol keeps.
    others: u64,
    /// How often something was lost, and where first.
    losses: BTreeMap<String, (u64, String)>,
}

/// Nothing is to be committed.
enum Stop {
    Refused,
    Failed(Failure),
}

impl From<StorageError> for Stop {
    fn from(error: StorageError) -> Self {
        Stop::Failed(error.into())
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Stop::Failed(error.into())
    }
}

pub(super) fn run(args: &Args) -> CmdResult {
    let file = args.place.open_existing("migrate")?;
    let mut job = Job {
        args,
        migrator: migrator(args, view::LIMITS),
        values: Tally::default(),
        events: Tally::default(),
        others: 0,
        losses: BTreeMap::new(),
    };
    let (mut items, mut last) = (0, 0);
    let result = file.rewrite(args.dry_run, |item| {
        if let StoreItem::Contents(contents) = item {
            last = contents.items();
        }
        let change = job.item(item)?;
        // What is refused is told to the end, and then nothing is done.
        if items == last && job.refused() > 0 {
            return Err(Stop::Refused);
        }
        items += 1;
        Ok(change)
    });
    match result {
        Ok(()) | Err(Stop::Refused) => {}
        Err(Stop::Failed(failure)) => return Err(failure),
    }
    job.report(&args.place.file().display().to_string())?;
    Ok(ExitStatus::found(job.refused() > 0))
}

impl Job<'_> {
    fn refused(&self) -> u64 {
        self.values.refused + self.events.refused
    }

    fn item(&mut self, item: &StoreItem) -> Result<ItemChange, Stop> {
        match item {
            StoreItem::Entry(entry) => {
                let place = format!("`{}`", entry.key);
                match view::message(&entry.key, &entry.value) {
                    Ok(None) => {
                        self.others += 1;
                        Ok(ItemChange::Keep)
                    }
                    Ok(Some(text)) => {
                        let replaced = |text: &str| {
                            view::replace(&entry.key, Some(&entry.value), text)
                                .map_err(|error| error.to_string())
                        };
                        self.one(text, &place, false, replaced)
                    }
                    Err(error) => {
                        self.values.seen += 1;
                        Ok(self.refuse(&place, &error.to_string(), false))
                    }
                }
            }
            // One that was dropped before.
            StoreItem::Record(_, record) if record.data.is_empty() => Ok(ItemChange::Keep),
            // What is folded into a state is not of the protocol: whoever decides reads its own.
            StoreItem::Record(Log::Decisions, _) => Ok(ItemChange::Keep),
            StoreItem::Record(_, record) => {
                let place = format!("record {}", record.position);
                match std::str::from_utf8(&record.data) {
                    Ok(text) => self.one(text, &place, true, |text| Ok(text.as_bytes().to_vec())),
                    Err(error) => {
                        self.events.seen += 1;
                        Ok(self.refuse(&place, &error.to_string(), true))
                    }
                }
            }
            // A migration must not hide what is wrong.
            StoreItem::Damaged(item) => {
                let event = matches!(item.place, DamagedPlace::Record(..));
                self.tally(event).seen += 1;
                let why = format!("{}; `coord store repair` removes it", item.reason);
                Ok(self.refuse(&item.place.to_string(), &why, event))
            }
            _ => Ok(ItemChange::Keep),
        }
    }

    fn tally(&mut self, event: bool) -> &mut Tally {
        if event { &mut self.events } else { &mut self.values }
    }

    fn refuse(&mut self, place: &str, why: &str, event: bool) -> ItemChange {
        self.tally(event).refused += 1;
        if self.refused() <= TOLD {
            complain(format_args!("{place}: {why}"));
        }
        ItemChange::Keep
    }

    #[allow(clippy::unnecessary_wraps, reason = "the callers pass it on as it is")]
    fn one(
        &mut self,
        text: &str,
        place: &str,
        event: bool,
        replaced: impl Fn(&str) -> Result<Vec<u8>, String>,
    ) -> Result<ItemChange, Stop> {
        self.tally(event).seen += 1;
        let migrated = match self.migrator.migrate(text, &self.args.from, &self.args.to) {
            Ok(migrated) => migrated,
            Err(error) => return Ok(self.refuse(place, &error.to_string(), event)),
        };
        for loss in &migrated.losses {
            let kind = format!("{} is lost: {}", loss.what, loss.reason);
            let room = self.losses.len() < KINDS || self.losses.contains_key(&kind);
            let kind = if room { kind } else { "other losses".to_owned() };
            self.losses.entry(kind).or_insert_with(|| (0, place.to_owned())).0 += 1;
        }
        if self.args.verbose {
            for loss in &migrated.losses {
                tell(format_args!("{place}: {loss}"));
            }
            for change in &migrated.changes {
                tell(format_args!("{place}: {change}"));
            }
        }
        match migrated.value {
            None => {
                self.tally(event).dropped += 1;
                Ok(ItemChange::Remove)
            }
            Some(new) if new == text => Ok(ItemChange::Keep),
            Some(new) => match replaced(&new) {
                Ok(value) => {
                    self.tally(event).changed += 1;
                    Ok(ItemChange::Replace(value))
                }
                Err(why) => Ok(self.refuse(place, &why, event)),
            },
        }
    }

    fn report(&self, name: &str) -> io::Result<()> {
        let refused = self.refused();
        if let Some(more) = refused.checked_sub(TOLD).filter(|more| *more > 0) {
            complain(format_args!("{more} more were not migrated"));
        }
        for (what, Tally { seen, changed, dropped, refused }) in
            [("messages", &self.values), ("records", &self.events)]
        {
            say(format_args!(
                "{name}: {seen} {what}: {changed} changed, {dropped} dropped, {refused} not migrated"
            ))?;
        }
        if self.others > 0 {
            say(format_args!("{name}: {} other values stay as they are", self.others))?;
        }
        for (kind, (times, place)) in &self.losses {
            match times {
                1 => say(format_args!("  once, in {place}: {kind}"))?,
                _ => say(format_args!("  {times} times, first in {place}: {kind}"))?,
            }
        }
        match (refused > 0, self.args.dry_run) {
            (_, true) => say(format_args!("dry run: nothing was changed")),
            (true, false) => say(format_args!("{name} was left as it is")),
            (false, false) => Ok(()),
        }
    }
}
