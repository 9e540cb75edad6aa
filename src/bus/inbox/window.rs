//! What an inbox has read, and what of it may be handed out.

use super::interest::Selection;
use super::{Arrival, Delivery, Inbox};
use crate::bus::progress::{Free, MAX_SETTLED};
use crate::bus::{BusError, Position};
use crate::route::{FilterInput, RouteKey};
use crate::scalar::{Instant, Now};
use crate::storage::{
    Commit, DamagedRecord, JournalRecord, Key, SoundRecords, StorageError, read_past_damage,
};
use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::time::Duration;

/// How many records are read at a time.
const PAGE: usize = 256;

/// After how many positions that were passed over a subscription remembers it.
const PASSED: u64 = 1_000;

/// How often a member looks whether another one, whose claim is in its way, is still there.
const LOOK: Duration = Duration::from_secs(1);

/// What a look at the log brought.
pub(super) enum Page {
    Gap(Arrival),
    Read,
    Nothing,
}

/// What was read and is not settled.
#[derive(Debug, Default)]
pub(super) struct Window {
    /// The next position to read.
    pub(super) scanned: u64,
    /// Selected records below it that are not settled.
    pub(super) outstanding: BTreeMap<u64, JournalRecord>,
    /// Those of them that were handed out.
    pub(super) handed: BTreeSet<u64>,
    /// Claimed, and not handed out yet.
    pub(super) ready: VecDeque<Arrival>,
}

impl Window {
    /// The first position that may have something to do, if `done` has not.
    pub(super) fn low(&self, done: u64) -> u64 {
        self.low_without(|position| position == done)
    }

    pub(super) fn low_without(&self, done: impl Fn(u64) -> bool) -> u64 {
        let mut open = self.outstanding.keys().copied().filter(|position| !done(*position));
        open.next().unwrap_or(self.scanned)
    }

    pub(super) fn forget(&mut self, position: u64) {
        self.outstanding.remove(&position);
        self.handed.remove(&position);
    }

    /// Somebody else has it. Until that one has settled it, it is still to be done, and the mark must not
    /// rise above it.
    pub(super) fn give_up(&mut self, position: u64) {
        self.handed.remove(&position);
    }
}

/// What belongs to no lane waits for nothing.
fn hold_back(lanes: &mut HashSet<Option<Key>>, record: &JournalRecord) {
    if record.lane.is_some() {
        lanes.insert(record.lane.clone());
    }
}

impl Inbox {
    /// The records that may be handed out, in order: of each lane the first one, unless they come in
    /// sequence.
    fn picks<'w>(&self, window: &'w Window) -> impl Iterator<Item = &'w JournalRecord> {
        let ordered = matches!(self.interest.selection, Selection::Pattern { .. })
            && !self.interest.in_sequence;
        let mut lanes = HashSet::new();
        window.outstanding.values().filter(move |record| {
            let first = !ordered || lanes.insert(record.lane.as_ref());
            first && !window.handed.contains(&record.position)
        })
    }

    /// Claims what may be handed out, and says when to look again if something is in the way.
    pub(super) async fn claim(&self) -> Result<Option<Instant>, BusError> {
        let room =
            |window: &Window| self.interest.max_in_flight.saturating_sub(window.handed.len());
        let Some((key, member)) = &self.durable else {
            let mut window = self.lock();
            let room = room(&window);
            let picked: Vec<Delivery> =
                self.picks(&window).take(room).map(|record| Delivery::new(record, 1)).collect();
            for delivery in picked {
                window.handed.insert(delivery.position.offset);
                window.ready.push_back(Arrival::Message(delivery));
            }
            return Ok(None);
        };
        {
            let window = self.lock();
            if room(&window) == 0 || self.picks(&window).next().is_none() {
                return Ok(None);
            }
        }
        let mut stored = self.stored.lock().await;
        loop {
            let now = self.bus.host().now().at;
            let mut progress = stored.progress.clone();
            let (mut claimed, mut due, mut others) = (Vec::new(), None, BTreeSet::new());
            {
                // Lanes whose earlier message cannot be had now: those behind it wait.
                let mut held_back = HashSet::new();
                let mut window = self.lock();
                // Others settled it, which this one learnt while the record was being read.
                window.outstanding.retain(|position, _| !progress.is_settled(*position));
                let narrow = progress.settled.len() >= MAX_SETTLED;
                let limit = if narrow { 1 } else { usize::MAX };
                let first = window.outstanding.keys().next().copied();
                for record in self.picks(&window).take(limit) {
                    if claimed.len() >= room(&window) {
                        break;
                    }
                    // Only the first one lowers the number of those that are settled above it.
                    if narrow && Some(record.position) != first {
                        break;
                    }
                    if held_back.contains(&record.lane) {
                        continue;
                    }
                    match progress.free(record.position, member, now) {
                        Free::Now(attempt) => {
                            progress.claim(record.position, attempt, member);
                            claimed.push(self.arrival(Delivery::new(record, attempt)));
                        }
                        Free::At(at) => {
                            due = crate::machine::earliest([due, Some(at)]);
                            hold_back(&mut held_back, record);
                        }
                        Free::Claimed(by) => {
                            others.insert(by);
                            hold_back(&mut held_back, record);
                        }
                        Free::Settled => {}
                    }
                }
            }
            let mut gone = false;
            for other in others {
                if self.bus.is_there(&other).await? {
                    due = crate::machine::earliest([due, now.after(LOOK)]);
                } else {
                    progress.release(&other);
                    gone = true;
                }
            }
            if claimed.is_empty() && !gone {
                return Ok(due);
            }
            if self.store(key, &mut stored, progress, Commit::new()).await? && !claimed.is_empty() {
                self.hand_out(claimed);
                return Ok(due);
            }
        }
    }

    fn arrival(&self, delivery: Delivery) -> Arrival {
        if delivery.attempt > self.interest.max_attempts {
            Arrival::Exhausted(delivery)
        } else {
            Arrival::Message(delivery)
        }
    }

    fn hand_out(&self, claimed: Vec<Arrival>) {
        let mut window = self.lock();
        for arrival in claimed {
            if let Arrival::Message(delivery) | Arrival::Exhausted(delivery) = &arrival {
                window.handed.insert(delivery.position.offset);
            }
            window.ready.push_back(arrival);
        }
    }

    /// Reads a page into the window, or finds a gap.
    pub(super) async fn read(&self) -> Result<Page, BusError> {
        let (from, room) = {
            let window = self.lock();
            (window.scanned, self.interest.window.saturating_sub(window.outstanding.len()))
        };
        if room == 0 {
            return Ok(Page::Nothing);
        }
        let SoundRecords { records: mut page, damaged, .. } =
            match read_past_damage(self.bus.history(), from, room.min(PAGE)).await {
                Ok(page) => page,
                Err(StorageError::Trimmed { first, .. }) => {
                    return self.skip(from, first).await.map(Page::Gap);
                }
                Err(error) => return Err(error.into()),
            };
        if let Some(DamagedRecord { position, .. }) = damaged.first() {
            // Those before it first; then it is told, and those behind it are read.
            page.retain(|record| record.position < *position);
            if page.is_empty() {
                let beside =
                    damaged.iter().zip(*position..).take_while(|(d, at)| d.position == *at);
                let behind = position + beside.count() as u64;
                return self.skip(*position, behind).await.map(Page::Gap);
            }
        }
        let Some(last) = page.last().map(|record| record.position) else {
            return Ok(Page::Nothing);
        };
        let now = self.bus.host().now();
        let settled = match &self.durable {
            Some(_) => Some(self.stored.lock().await.progress.clone()),
            None => None,
        };
        let low = {
            let mut window = self.lock();
            // Another call read the same page while this one waited.
            if window.scanned != from {
                return Ok(Page::Read);
            }
            for record in page {
                let done =
                    settled.as_ref().is_some_and(|progress| progress.is_settled(record.position));
                if !done && self.selects(&record, now) {
                    window.outstanding.insert(record.position, record);
                }
            }
            window.scanned = last + 1;
            window.low(u64::MAX)
        };
        self.pass(low).await?;
        Ok(Page::Read)
    }

    /// Remembers what was passed over now and then, so that a reader of rare messages does not look like one
    /// that was left behind.
    async fn pass(&self, low: u64) -> Result<(), BusError> {
        let Some((key, _)) = &self.durable else { return Ok(()) };
        let mut stored = self.stored.lock().await;
        while low.saturating_sub(stored.progress.low) > PASSED {
            let mut progress = stored.progress.clone();
            progress.raise(low);
            self.store(key, &mut stored, progress, Commit::new()).await?;
        }
        Ok(())
    }

    async fn skip(&self, from: u64, to: u64) -> Result<Arrival, BusError> {
        if let Some((key, _)) = &self.durable {
            let mut stored = self.stored.lock().await;
            loop {
                let mut progress = stored.progress.clone();
                let low = self.lock().low(u64::MAX);
                // What waits before a damaged record is still to be done.
                progress.raise(if low < from { low } else { to });
                if self.store(key, &mut stored, progress, Commit::new()).await? {
                    break;
                }
            }
        }
        let mut window = self.lock();
        window.scanned = window.scanned.max(to);
        Ok(Arrival::Gap { from: Position::new(from.max(1)), to: Position::new(to) })
    }

    fn selects(&self, record: &JournalRecord, now: Now) -> bool {
        match &self.interest.selection {
            Selection::Lane(lane) => record.lane.as_ref() == Some(lane),
            Selection::Pattern { pattern, filter } => {
                let Some(subject) = &record.subject else { return false };
                let Ok(key) = RouteKey::parse_with(self.bus.registry(), subject) else {
                    return false;
                };
                if !pattern.matches(&key) {
                    return false;
                }
                let Some(filter) = filter else { return true };
                let text = std::str::from_utf8(&record.data).unwrap_or_default();
                FilterInput::read(text).is_some_and(|input| filter.accepts(&input, now.wall))
            }
        }
    }
}
