//! A journal in memory.

use super::store::{OVERHEAD, room};
use crate::storage::StorageLimits;
use crate::storage::error::StorageError;
use crate::storage::journal::{Bounds, Cursor, Journal};
use crate::storage::key::Key;
use crate::storage::log::{LaneForm, lanes_open};
use crate::storage::record::{Appended, JournalRecord, LaneEnd, NewRecord};
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

/// A [`Journal`] in memory. A clone is another handle on the same journal.
///
/// All futures but [`wait`](Journal::wait) are ready at once.
#[derive(Clone, Debug)]
pub struct MemoryJournal {
    inner: Arc<Mutex<State>>,
    capacity: usize,
    limits: StorageLimits,
    form: LaneForm,
}

#[derive(Debug)]
pub(super) struct State {
    // Positions are consecutive, so a record is found by subtraction, and trimming takes from the
    // front.
    records: VecDeque<NewRecord>,
    first: u64,
    bytes: usize,
    lanes: HashMap<Key, Lane>,
    /// Where each record with an id stands, lane by lane.
    ids: HashMap<Key, HashMap<Arc<str>, u64>>,
    cursors: BTreeMap<Key, u64>,
    waiting: BTreeMap<u64, Waker>,
    tickets: u64,
}

/// Where a lane stands.
#[derive(Clone, Copy, Debug)]
struct Lane {
    last: u64,
    ended: bool,
}

impl State {
    fn lane_end(&self, lane: &Key) -> Option<u64> {
        self.lanes.get(lane).map(|lane| lane.last)
    }

    /// Refuses records of lanes that ended, before or within the batch.
    fn check_open(&self, records: &[NewRecord]) -> Result<(), StorageError> {
        let mut ending = HashMap::new();
        for (position, record) in (self.bounds().next..).zip(records) {
            let Some(lane) = &record.lane else { continue };
            let before = self.lanes.get(lane).filter(|lane| lane.ended).map(|lane| lane.last);
            if let Some(last) = before.or_else(|| ending.get(lane).copied()) {
                return Err(StorageError::LaneEnded { lane: lane.clone(), last });
            }
            if record.ends_lane {
                ending.insert(lane, position);
            }
        }
        Ok(())
    }

    fn bounds(&self) -> Bounds {
        Bounds::new(self.first, self.first + self.records.len() as u64)
    }

    fn position_of(&self, lane: &Key, id: &str) -> Option<u64> {
        self.ids.get(lane)?.get(id).copied()
    }

    /// Where a batch stands already, if its first record does.
    fn repeated(&self, records: &[NewRecord]) -> Result<Option<Appended>, StorageError> {
        let Some((lane, id)) = records.first().and_then(NewRecord::identity) else {
            return Ok(None);
        };
        let Some(first) = self.position_of(lane, id) else { return Ok(None) };
        let stands = |(position, record): (u64, &NewRecord)| match record.identity() {
            Some((lane, id)) => self.position_of(lane, id) == Some(position),
            None => position < self.bounds().next,
        };
        if (first..).zip(records).all(stands) {
            return Ok(Some(Appended::repeated(first, records.len())));
        }
        // Another batch that has the id of this one.
        Err(StorageError::duplicate_id(lane, id, Some(first)))
    }
}

impl Default for MemoryJournal {
    fn default() -> Self {
        MemoryJournal::new()
    }
}

impl MemoryJournal {
    /// An empty journal for at most 1 GiB.
    pub fn new() -> Self {
        MemoryJournal::with_capacity(1 << 30)
    }

    /// An empty journal for at most a number of bytes of records and of the names of lanes that have an
    /// end, and 64 more for each.
    pub fn with_capacity(bytes: usize) -> Self {
        MemoryJournal {
            inner: Arc::new(Mutex::new(State {
                records: VecDeque::new(),
                first: 1,
                bytes: 0,
                lanes: HashMap::new(),
                ids: HashMap::new(),
                cursors: BTreeMap::new(),
                waiting: BTreeMap::new(),
                tickets: 0,
            })),
            capacity: bytes,
            limits: StorageLimits::default(),
            form: LaneForm::default(),
        }
    }

    /// Sets what becomes of lanes. For a journal that is empty.
    pub const fn with_lanes(mut self, form: LaneForm) -> Self {
        self.form = form;
        self
    }

    /// Sets how much one operation may carry.
    pub const fn with_limits(mut self, limits: StorageLimits) -> Self {
        self.limits = limits;
        self
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The journal while nothing else changes it.
    pub(super) fn writing(&self) -> Writing<'_> {
        Writing {
            records: self.lock(),
            capacity: self.capacity,
            limits: self.limits,
            form: self.form,
        }
    }

    fn read_now(&self, from: u64, limit: usize) -> Result<Vec<JournalRecord>, StorageError> {
        let state = self.lock();
        let bounds = state.bounds();
        let start = bounds.start(from)?;
        let mut bytes = 0;
        let mut found = Vec::new();
        for position in start..bounds.next {
            if found.len() == limit.min(self.limits.page_items) || bytes > self.limits.page_bytes {
                break;
            }
            let record = &state.records[(position - bounds.first) as usize];
            bytes += record.size();
            found.push(record.clone().at(position));
        }
        Ok(found)
    }

    fn trim_now(&self, before: u64) -> Result<u64, StorageError> {
        let mut state = self.lock();
        let bounds = state.bounds();
        // Trimming twice is no error: two processes may do the same housekeeping.
        if before <= bounds.first {
            return Ok(0);
        }
        bounds.check(before)?;
        if self.form == LaneForm::Ended {
            // What a writer has to expect must be told by a record while the lane is open.
            let open = state.lanes.iter().filter(|(_, lane)| !lane.ended && lane.last < before);
            let mut open: Vec<LaneEnd> =
                open.map(|(name, lane)| LaneEnd::new(name.clone(), Some(lane.last))).collect();
            if !open.is_empty() {
                open.sort_unstable_by(|one, other| one.lane.cmp(&other.lane));
                return Err(lanes_open(before, open, self.limits.page_items));
            }
        }
        let count = before - bounds.first;
        let gone: Vec<NewRecord> = state.records.drain(..count as usize).collect();
        for record in &gone {
            state.bytes -= record.size() + OVERHEAD;
            // The horizon of ids is the journal.
            if let Some((lane, id)) = record.identity()
                && let Some(ids) = state.ids.get_mut(lane)
            {
                ids.remove(id);
                if ids.is_empty() {
                    state.ids.remove(lane);
                }
            }
        }
        state.first = before;
        Ok(count)
    }

    fn move_now(&self, name: &Key, expected: Option<u64>, to: u64) -> Result<(), StorageError> {
        let mut state = self.lock();
        let found = state.cursors.get(name).copied();
        // Of two readers with one name, the slower one must not move the cursor back over what was
        // acknowledged.
        if found != expected {
            return Err(StorageError::CursorMoved { name: name.clone(), expected, found });
        }
        state.bounds().check(to)?;
        state.cursors.insert(name.clone(), to);
        Ok(())
    }
}

/// The journal while nothing else changes it.
pub(super) struct Writing<'a> {
    records: MutexGuard<'a, State>,
    capacity: usize,
    limits: StorageLimits,
    form: LaneForm,
}

impl Writing<'_> {
    /// Whether a batch would be appended; says so if it stands there already.
    pub(super) fn check(
        &self,
        records: &[NewRecord],
        expected: &[LaneEnd],
    ) -> Result<Option<Appended>, StorageError> {
        self.limits.check_batch(records.iter().map(NewRecord::size))?;
        self.form.check(records)?;
        let state = &*self.records;
        let moved =
            expected.iter().map(|end| end.check(state.lane_end(&end.lane))).find(Result::is_err);
        // By the writer itself, which did not learn of it?
        if let Some(repeated) = state.repeated(records)? {
            return Ok(Some(repeated));
        }
        state.check_open(records)?;
        moved.transpose()?;
        let mut batch = HashSet::new();
        for (lane, id) in records.iter().filter_map(NewRecord::identity) {
            let found = state.position_of(lane, id);
            if found.is_some() || !batch.insert((lane, id)) {
                return Err(StorageError::duplicate_id(lane, id, found));
            }
        }
        // What the ends of lanes cost stays when their records are trimmed.
        let lanes: HashSet<&Key> = records
            .iter()
            .filter_map(|record| record.lane.as_ref())
            .filter(|lane| !state.lanes.contains_key(*lane))
            .collect();
        let lanes: usize = lanes.into_iter().map(lane_cost).sum();
        let records: usize = records.iter().map(|record| record.size() + OVERHEAD).sum();
        room(state.bytes, records.saturating_add(lanes), self.capacity)?;
        Ok(None)
    }

    /// Appends a batch that was checked, and says whom to wake once the journal is let go.
    pub(super) fn apply(mut self, records: &[NewRecord]) -> (Appended, Woken) {
        let state = &mut *self.records;
        let start = state.bounds().next;
        for (position, record) in (start..).zip(records) {
            state.bytes += record.size() + OVERHEAD;
            if let Some(lane) = &record.lane {
                let moved = Lane { last: position, ended: record.ends_lane };
                if state.lanes.insert(lane.clone(), moved).is_none() {
                    state.bytes += lane_cost(lane);
                }
                if let Some(id) = &record.id {
                    state.ids.entry(lane.clone()).or_default().insert(Arc::clone(id), position);
                }
            }
            state.records.push_back(record.clone());
        }
        let range = start..state.bounds().next;
        // All waiters are woken and look again. Waking only those whose position was reached would
        // need an order by position for a list that is short.
        let woken =
            if range.is_empty() { BTreeMap::new() } else { std::mem::take(&mut state.waiting) };
        (Appended::new(range), Woken(woken))
    }
}

/// How many bytes the end of a lane counts for.
fn lane_cost(lane: &Key) -> usize {
    lane.as_str().len() + OVERHEAD
}

/// Who waited for records; woken when this is dropped, which must be after the locks are let go: a waker
/// may run any code.
pub(super) struct Woken(BTreeMap<u64, Waker>);

impl Drop for Woken {
    fn drop(&mut self) {
        std::mem::take(&mut self.0).into_values().for_each(Waker::wake);
    }
}

/// Forgets the waker of a wait that is over or dropped.
struct Ticket<'a> {
    journal: &'a MemoryJournal,
    number: u64,
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        self.journal.lock().waiting.remove(&self.number);
    }
}

impl Journal for MemoryJournal {
    fn limits(&self) -> StorageLimits {
        self.limits
    }

    fn lanes(&self) -> LaneForm {
        self.form
    }

    async fn append_records(
        &self,
        records: &[NewRecord],
        expected: &[LaneEnd],
    ) -> Result<Appended, StorageError> {
        let journal = self.writing();
        match journal.check(records, expected)? {
            Some(repeated) => Ok(repeated),
            None => Ok(journal.apply(records).0),
        }
    }

    async fn lane_end(&self, lane: &Key) -> Result<Option<u64>, StorageError> {
        Ok(self.lock().lane_end(lane))
    }

    async fn forget_lanes(&self) -> Result<u64, StorageError> {
        if self.form == LaneForm::Ended {
            return Ok(0);
        }
        let mut state = self.lock();
        let State { lanes, first, bytes, .. } = &mut *state;
        let before = lanes.len();
        lanes.retain(|lane, Lane { last, .. }| {
            let stays = *last >= *first;
            if !stays {
                *bytes -= lane_cost(lane);
            }
            stays
        });
        Ok((before - lanes.len()) as u64)
    }

    async fn read(&self, from: u64, limit: usize) -> Result<Vec<JournalRecord>, StorageError> {
        self.read_now(from, limit)
    }

    async fn bounds(&self) -> Result<Bounds, StorageError> {
        Ok(self.lock().bounds())
    }

    async fn wait(&self, from: u64) -> Result<u64, StorageError> {
        let number = {
            let mut state = self.lock();
            // A number of its own for each wait, so that dropping one cannot remove another's
            // waker.
            state.tickets += 1;
            state.tickets
        };
        let ticket = Ticket { journal: self, number };
        poll_fn(|context| {
            let mut state = ticket.journal.lock();
            let next = state.bounds().next;
            // Looked at and entered under one lock, so no append falls in between.
            if next > from.max(1) {
                return Poll::Ready(Ok(next));
            }
            state.waiting.insert(ticket.number, context.waker().clone());
            Poll::Pending
        })
        .await
    }

    async fn trim(&self, before: u64) -> Result<u64, StorageError> {
        self.trim_now(before)
    }

    async fn cursor(&self, name: &Key) -> Result<Option<u64>, StorageError> {
        Ok(self.lock().cursors.get(name).copied())
    }

    async fn move_cursor(
        &self,
        name: &Key,
        expected: Option<u64>,
        to: u64,
    ) -> Result<(), StorageError> {
        self.move_now(name, expected, to)
    }

    async fn remove_cursor(&self, name: &Key) -> Result<bool, StorageError> {
        Ok(self.lock().cursors.remove(name).is_some())
    }

    async fn cursors(&self) -> Result<Vec<Cursor>, StorageError> {
        let state = self.lock();
        let all = state.cursors.iter();
        Ok(all.map(|(name, position)| Cursor::new(name.clone(), *position)).collect())
    }
}
