//! Members: the inboxes that have claims and addresses, and whether they are there.

use super::{Bus, BusError, Host};
use crate::scalar::Instant;
use crate::storage::{DynEngine, Entry, Expect, Key, StorageError, Store as _};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::OnceCell;
use tokio::task::JoinHandle;

/// This handle's part in a bus: nothing until something needs it.
#[derive(Debug, Default)]
pub(super) struct Session {
    name: OnceCell<String>,
    inboxes: Arc<Inboxes>,
    /// Shows that it is there, in a task of its own: no handler is in its way.
    task: Mutex<Option<JoinHandle<()>>>,
}

/// The inboxes that are open.
#[derive(Debug, Default)]
struct Inboxes(Mutex<Open>);

#[derive(Debug, Default)]
struct Open {
    /// The last number that was given.
    last: u64,
    /// By number, the key of the place that each has.
    places: BTreeMap<u64, String>,
}

impl Inboxes {
    fn lock(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let task = self.task.get_mut().unwrap_or_else(PoisonError::into_inner);
        task.take().inspect(JoinHandle::abort);
    }
}

/// One inbox, by the name that its claims have: the session and a number. While this is there, so is the
/// member.
#[derive(Debug)]
pub(super) struct Member {
    name: String,
    number: u64,
    inboxes: Arc<Inboxes>,
}

impl Deref for Member {
    type Target = str;

    fn deref(&self) -> &str {
        &self.name
    }
}

impl Member {
    /// Is there no more, as others see it with the next time that the session shows itself.
    pub(super) fn end(&self) {
        self.inboxes.lock().places.remove(&self.number);
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.end();
    }
}

/// What stands in the store for a session.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Shown {
    /// Until when it is there, if it shows itself no more.
    until: Instant,
    /// The inboxes that it has, with the keys of their places.
    pub(super) inboxes: BTreeMap<u64, String>,
    /// What its host calls its process.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) process: String,
}

/// Below this each session has its value.
pub(super) const MEMBER: &str = "member";

fn key_of(session: &str) -> Result<Key, StorageError> {
    Key::of([MEMBER, session])
}

impl Bus {
    /// A member for a new inbox of a place, shown to others before it claims anything.
    pub(super) async fn join(&self, place: &Key) -> Result<Member, BusError> {
        let session = &self.inner.session;
        let number = {
            let mut inboxes = session.inboxes.lock();
            inboxes.last += 1;
            let number = inboxes.last;
            inboxes.places.insert(number, place.to_string());
            number
        };
        // Made at once, so that its number is given back whatever happens below.
        let inboxes = Arc::clone(&session.inboxes);
        let mut member = Member { name: String::new(), number, inboxes };
        let name = session.name.get_or_init(|| async { hex(&self.inner.host.random()) }).await;
        self.show(name).await?;
        let mut task = session.task.lock().unwrap_or_else(PoisonError::into_inner);
        if task.is_none() {
            // The task holds the parts, not the bus: the last handle ends it.
            let (engine, host) = (Arc::clone(&self.inner.engine), Arc::clone(&self.inner.host));
            let (lease, inboxes) = (self.inner.lease, Arc::clone(&session.inboxes));
            let name = name.clone();
            *task = Some(tokio::spawn(async move {
                loop {
                    let now = host.now().at;
                    host.sleep_until(now.after(lease / 3).unwrap_or(now)).await;
                    // A failure shows as silence, which the others judge; the next turn tries again.
                    let _ = show(&engine, &*host, lease, &name, &inboxes).await;
                }
            }));
        }
        member.name = format!("{name}.{number}");
        Ok(member)
    }

    async fn show(&self, name: &str) -> Result<(), StorageError> {
        let Self { inner } = self;
        show(&inner.engine, &*inner.host, inner.lease, name, &inner.session.inboxes).await
    }

    /// Whether a member is there.
    pub(super) async fn is_there(&self, member: &str) -> Result<bool, BusError> {
        let Some((session, number)) = member.rsplit_once('.') else { return Ok(false) };
        let Ok(number) = number.parse::<u64>() else { return Ok(false) };
        if self.inner.session.name.get().is_some_and(|own| own == session) {
            return Ok(self.inner.session.inboxes.lock().places.contains_key(&number));
        }
        let key = key_of(session)?;
        let Some(entry) = self.inner.engine.get(&key).await? else { return Ok(false) };
        let shown = self.present(&entry).await;
        Ok(shown.is_some_and(|shown| shown.inboxes.contains_key(&number)))
    }

    /// What a session shows, if it is there. The value of one that is not is removed.
    pub(super) async fn present(&self, entry: &Entry) -> Option<Shown> {
        let shown: Shown = serde_json::from_slice(&entry.value).ok()?;
        let now = self.inner.host.now().at;
        // A time far ahead is that of another start of the machine. Others may have longer leases.
        let longest = self.inner.lease.max(Bus::LEASE) * 4;
        let there = now < shown.until && shown.until.since(now) <= longest;
        if there && !self.inner.host.is_gone(&shown.process) {
            return Some(shown);
        }
        // Its entry is of no use any more. If it shows itself after all, it makes a new one; whose claims
        // count is decided by the value of the subscription, not by this one.
        let _ = self.inner.engine.delete(&entry.key, Expect::Revision(entry.revision)).await;
        None
    }

    /// Whether another member has a place open, too.
    pub(super) async fn is_shared(&self, place: &Key, own: &Member) -> Result<bool, BusError> {
        let (sessions, _) = self.sessions().await?;
        Ok(sessions.iter().any(|(key, shown)| {
            let session = key.segments().nth(1).unwrap_or_default();
            let mut others = shown.inboxes.iter().filter(|(_, open)| *open == place.as_str());
            others.any(|(number, _)| format!("{session}.{number}") != own.name)
        }))
    }

    /// The sessions that are there, with what they show. `gone` counts those that are not.
    pub(super) async fn sessions(&self) -> Result<(Vec<(Key, Shown)>, u64), BusError> {
        let (mut there, mut gone) = (Vec::new(), 0);
        for entry in self.entries(MEMBER).await? {
            match self.present(&entry).await {
                Some(shown) => there.push((entry.key, shown)),
                None => gone += 1,
            }
        }
        Ok((there, gone))
    }

    /// Says that this handle and its clones leave, so that others need not wait for the lease to end.
    /// Inboxes that are still open lose their claims.
    ///
    /// # Errors
    /// [`Storage`](BusError::Storage).
    pub async fn leave(&self) -> Result<(), BusError> {
        let session = &self.inner.session;
        let task = session.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        task.inspect(JoinHandle::abort);
        if let Some(name) = session.name.get() {
            self.inner.engine.delete(&key_of(name)?, Expect::Any).await?;
        }
        Ok(())
    }
}

/// The keys of the places that sessions have open.
pub(super) fn open_places(sessions: Vec<(Key, Shown)>) -> BTreeSet<String> {
    sessions.into_iter().flat_map(|(_, shown)| shown.inboxes.into_values()).collect()
}

async fn show(
    engine: &Arc<dyn DynEngine>,
    host: &dyn Host,
    lease: Duration,
    name: &str,
    inboxes: &Inboxes,
) -> Result<(), StorageError> {
    let until = host.now().at.after(lease).unwrap_or(Instant::from_nanos(u64::MAX));
    let key = key_of(name)?;
    let inboxes = inboxes.lock().places.clone();
    let shown = Shown { until, inboxes, process: host.process() };
    let value = serde_json::to_vec(&shown).map_err(|error| StorageError::damaged(&key, error))?;
    engine.put(&key, &value, Expect::Any).await.map(drop)
}

/// Bytes as a text that is a plain part of a key.
pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}
