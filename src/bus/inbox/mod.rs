//! Receiving: what a subscription or an address is due, in order, each attempt counted.

mod interest;
mod outcome;
mod window;

pub(super) use interest::Selection;
pub use interest::{Interest, Start};

use super::progress::{Progress, SUBSCRIPTION};
use super::session::Member;
use super::{Bus, BusError, Position};
use crate::storage::{
    Commit, Engine as _, Expect, Journal as _, JournalRecord, Key, StorageError, Store as _,
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use window::{Page, Window};

/// What comes out of an [`Inbox`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Arrival {
    /// A message, to be [settled](Inbox::settle) or [put back](Inbox::put_back).
    Message(Delivery),
    /// A message at which all attempts failed: it is not to be worked on, but made a
    /// [dead letter](Inbox::dead_letter).
    Exhausted(Delivery),
    /// Messages that this inbox was due and that are gone: they were trimmed, or are damaged.
    Gap {
        /// The first position that is missing.
        from: Position,
        /// The first position that is there again.
        to: Position,
    },
}

/// One message, handed out once.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Delivery {
    /// Where it stands.
    pub position: Position,
    /// Which attempt this is, from 1 on. Always 1 without a durable name.
    pub attempt: u32,
    /// The lane that it belongs to.
    pub lane: Option<Key>,
    /// What tells it from others of its lane.
    pub id: Option<Arc<str>>,
    /// What patterns match; none for what was sent to an address.
    pub subject: Option<Arc<str>>,
    /// The message as it was written.
    pub data: Arc<[u8]>,
}

impl Delivery {
    fn new(record: &JournalRecord, attempt: u32) -> Self {
        Delivery {
            position: Position::new(record.position),
            attempt,
            lane: record.lane.clone(),
            id: record.id.clone(),
            subject: record.subject.clone(),
            data: Arc::clone(&record.data),
        }
    }
}

/// Where messages arrive. Dropping it ends a subscription that has no name; a durable one goes on where it
/// was.
///
/// All methods take `&self`, and every future may be dropped at any time: a message that was not handed
/// out comes with the next call, and one whose outcome was not stored comes again.
#[derive(Debug)]
pub struct Inbox {
    bus: Bus,
    interest: Interest,
    /// Where the progress is kept, and who this is, if it is durable.
    durable: Option<(Key, Member)>,
    window: Mutex<Window>,
    stored: tokio::sync::Mutex<Stored>,
    changed: Notify,
}

/// What is known of the progress in the store.
#[derive(Clone, Debug, Default)]
struct Stored {
    progress: Progress,
    revision: Option<u64>,
}

impl Inbox {
    /// Opens an inbox: finds out where it goes on, and takes the address if it is one.
    pub(super) async fn open(bus: Bus, interest: Interest) -> Result<Self, BusError> {
        let place = match (&interest.selection, &interest.name) {
            (Selection::Lane(lane), Some(_)) => Some(lane.clone()),
            (_, Some(name)) => Some(Key::of([SUBSCRIPTION, name])?),
            (_, None) => None,
        };
        let durable = match place {
            Some(key) => {
                let member = bus.join(&key).await?;
                Some((key, member))
            }
            None => None,
        };
        let inbox = Inbox {
            bus,
            interest,
            durable,
            window: Mutex::default(),
            stored: tokio::sync::Mutex::default(),
            changed: Notify::new(),
        };
        inbox.begin().await?;
        Ok(inbox)
    }

    fn lock(&self) -> MutexGuard<'_, Window> {
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn begin(&self) -> Result<(), BusError> {
        let bounds = self.bus.history().bounds().await?;
        let start = match self.interest.start {
            Start::Now => bounds.next,
            Start::First => bounds.first,
            Start::At(position) => position.offset,
        };
        let Some((key, member)) = &self.durable else {
            self.lock().scanned = start;
            return Ok(());
        };
        let mut stored = self.stored.lock().await;
        loop {
            self.reload(key, &mut stored).await?;
            let mut progress = stored.progress.clone();
            let known = stored.revision.is_some();
            if !known {
                progress.low = start;
            }
            if let Selection::Lane(_) = self.interest.selection {
                if let Some(owner) = progress.owner.clone().filter(|owner| **owner != **member) {
                    if self.bus.is_there(&owner).await? {
                        return Err(self.taken());
                    }
                    progress.release(&owner);
                }
                progress.owner = Some(member.to_string());
            }
            if let Selection::Pattern { pattern, filter } = &self.interest.selection {
                let wanted = (Some(pattern.to_string()), filter.as_ref().map(ToString::to_string));
                let kept = (progress.pattern, progress.filter);
                if known && kept == wanted {
                    self.lock().scanned = progress.low;
                    return Ok(());
                }
                // A member marks what it does not select as passed over, for all of them.
                if known && self.bus.is_shared(key, member).await? {
                    let name = self.interest.name.clone().unwrap_or_default();
                    let pattern = kept.0.unwrap_or_default();
                    return Err(BusError::OtherSelection { name, pattern, filter: kept.1 });
                }
                (progress.pattern, progress.filter) = wanted;
            }
            if self.store(key, &mut stored, progress, Commit::new()).await? {
                self.lock().scanned = stored.progress.low;
                return Ok(());
            }
        }
    }

    fn taken(&self) -> BusError {
        let name = self.interest.name.as_deref().unwrap_or_default();
        match crate::transport::Address::new(name) {
            Ok(address) => BusError::AddressTaken { address },
            Err(error) => error.into(),
        }
    }

    async fn reload(&self, key: &Key, stored: &mut Stored) -> Result<(), BusError> {
        let entry = self.bus.engine().get(key).await?;
        *stored = match entry {
            Some(entry) => Stored {
                progress: serde_json::from_slice(&entry.value)
                    .map_err(|error| StorageError::damaged(key, error))?,
                revision: Some(entry.revision),
            },
            None => Stored::default(),
        };
        // What others settled meanwhile is not outstanding here any more.
        let progress = &stored.progress;
        self.lock().outstanding.retain(|position, _| !progress.is_settled(*position));
        Ok(())
    }

    /// Stores a progress together with other changes. False if somebody else changed it before, which is
    /// loaded then.
    async fn store(
        &self,
        key: &Key,
        stored: &mut Stored,
        mut progress: Progress,
        commit: Commit,
    ) -> Result<bool, BusError> {
        progress.moved = self.bus.host().now().wall.unix_millis();
        let expect = stored.revision.map_or(Expect::Absent, Expect::Revision);
        let value =
            serde_json::to_vec(&progress).map_err(|error| StorageError::damaged(key, error))?;
        // First, so that who lost a message learns that, and not what became of the effects of another.
        let mut first = Commit::new().put(key.clone(), value, expect);
        first.history = commit.history;
        first.decisions = commit.decisions;
        first.puts.extend(commit.puts);
        match self.bus.engine().commit(&first).await {
            Ok(done) => {
                *stored = Stored { progress, revision: done.revisions.first().copied() };
                Ok(true)
            }
            Err(StorageError::Conflict { key: of, .. }) if of == *key => {
                self.reload(key, stored).await?;
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Waits for what comes next.
    ///
    /// Within a lane a message comes only after the one before it was settled or made a dead letter. What
    /// is sent to an address is not held back by others.
    ///
    /// # Errors
    /// [`Storage`](BusError::Storage). After an error it may be asked again.
    pub async fn next(&self) -> Result<Arrival, BusError> {
        loop {
            if let Some(arrival) = self.lock().ready.pop_front() {
                return Ok(arrival);
            }
            let changed = self.changed.notified();
            let due = self.claim().await?;
            if !self.lock().ready.is_empty() {
                continue;
            }
            match self.read().await? {
                Page::Gap(gap) => return Ok(gap),
                Page::Read => continue,
                Page::Nothing => {}
            }
            let scanned = self.lock().scanned;
            let full = self.lock().outstanding.len() >= self.interest.window;
            let pause = async {
                match due {
                    Some(at) => self.bus.host().sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            let arrived = async {
                // A window that is full has to be settled before more is read.
                if full {
                    std::future::pending().await
                } else {
                    self.bus.history().wait(scanned).await
                }
            };
            tokio::select! {
                () = changed => {}
                () = pause => {}
                result = arrived => { result?; }
            }
        }
    }

    /// What is claimed and waits to be handed out, without waiting for more.
    pub fn try_next(&self) -> Option<Arrival> {
        self.lock().ready.pop_front()
    }

    /// Gives back what was claimed and not worked on, and frees the address. What was handed out and not
    /// settled counts as interrupted. After this the inbox hands out nothing.
    ///
    /// # Errors
    /// [`Storage`](BusError::Storage).
    pub async fn close(&self) -> Result<(), BusError> {
        let Some((key, member)) = &self.durable else { return Ok(()) };
        let unused: Vec<Arrival> = self.lock().ready.drain(..).collect();
        let mut stored = self.stored.lock().await;
        loop {
            let mut progress = stored.progress.clone();
            for arrival in &unused {
                if let Arrival::Message(delivery) | Arrival::Exhausted(delivery) = arrival {
                    let position = delivery.position.offset;
                    if progress.holds(position, delivery.attempt, member) {
                        progress.unclaim(position, delivery.attempt);
                    }
                }
            }
            progress.release(member);
            progress.raise(self.lock().low(u64::MAX));
            if progress == stored.progress
                || self.store(key, &mut stored, progress, Commit::new()).await?
            {
                member.end();
                return Ok(());
            }
        }
    }

    /// How many messages were read and wait to be handed out.
    pub fn waiting(&self) -> usize {
        let window = self.lock();
        window.outstanding.len().saturating_sub(window.handed.len())
    }

    /// The first position that may have something to do.
    pub fn position(&self) -> Position {
        Position::new(self.lock().low(u64::MAX))
    }

    /// The bus that it belongs to.
    pub fn bus(&self) -> &Bus {
        &self.bus
    }
}
