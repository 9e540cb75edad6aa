//! Housekeeping: how long messages, and the places of readers that come no more, are kept.

use super::post::ADDRESS;
use super::progress::{Progress, SUBSCRIPTION};
use super::session::open_places;
use super::{Bus, BusError, Position};
use crate::event::{Event, SystemMaintenance};
use crate::json::Json;
use crate::message::{Envelope, Message};
use crate::scalar::{MessageId, Phase, WallTime, WorkflowId};
use crate::storage::{Entry, Expect, Journal as _, Key, StorageError, Store as _};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How often the time is noted beside the position, so that it is known how old messages are.
const MARK: Duration = Duration::from_secs(600);

/// How many records are looked at to tell how large they are on average.
const SAMPLE: usize = 64;

/// How long what is on a bus is kept.
///
/// ```
/// use coordination_protocol::bus::Retention;
/// use std::time::Duration;
///
/// let short = Retention::new().with_max_age(Duration::from_secs(3_600)).with_max_bytes(64 << 20);
/// assert_eq!(short.idle, Duration::from_secs(7 * 24 * 3_600));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Retention {
    /// How old a message may get, by the wall clock, to within ten minutes. 7 days unless set.
    pub max_age: Duration,
    /// About how many bytes of messages are kept. 1 GiB unless set.
    pub max_bytes: u64,
    /// After how long without a move the place of a durable subscription, or of an address that has no
    /// listener, is forgotten. 7 days unless set.
    pub idle: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        let week = Duration::from_secs(7 * 24 * 3_600);
        Retention { max_age: week, max_bytes: 1 << 30, idle: week }
    }
}

impl Retention {
    /// 7 days and 1 GiB.
    pub fn new() -> Self {
        Retention::default()
    }

    /// Sets how old a message may get.
    pub const fn with_max_age(mut self, age: Duration) -> Self {
        self.max_age = age;
        self
    }

    /// Sets about how many bytes of messages are kept.
    pub const fn with_max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Sets after how long without a move a place is forgotten.
    pub const fn with_idle(mut self, time: Duration) -> Self {
        self.idle = time;
        self
    }
}

/// What housekeeping did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tidied {
    /// How many messages were removed.
    pub trimmed: u64,
    /// The durable subscriptions and addresses whose places were forgotten, by their keys.
    pub forgotten: Vec<Key>,
    /// How many values of members that are gone were removed.
    pub members: u64,
}

/// When the log had reached which position. The oldest marks go with what they tell of.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Marks {
    /// Position by wall clock, in milliseconds since 1970.
    at: BTreeMap<i64, u64>,
}

impl Bus {
    /// Removes what is kept for longer than a retention says. Components do this by themselves every ten
    /// minutes, one for all; to do it more often, or with another retention, is harmless.
    ///
    /// Messages are removed from the front, read or not: a reader that was further behind finds one gap. A
    /// place that is forgotten is told with a `SYSTEM_MAINTENANCE` event; who comes back under its name
    /// begins anew.
    ///
    /// # Errors
    /// [`Storage`](BusError::Storage). What was done until then stays done.
    pub async fn tidy(&self, retention: &Retention) -> Result<Tidied, BusError> {
        let now = self.host().now().wall;
        let mut tidied = Tidied::default();
        let aged = self.mark(now, retention.max_age).await?;
        let bounds = self.history().bounds().await?;
        let large = self.beyond_bytes(retention.max_bytes).await?;
        let before = aged.max(large).clamp(bounds.first, bounds.next);
        if before > bounds.first {
            tidied.trimmed = self.trim(Position::new(before)).await?;
        }
        let (sessions, gone) = self.sessions().await?;
        tidied.members = gone;
        let open = open_places(sessions);
        for kind in [SUBSCRIPTION, ADDRESS] {
            self.forget_idle(kind, now, retention.idle, &open, &mut tidied).await?;
        }
        for key in &tidied.forgotten {
            self.tell_forgotten(key, now).await?;
        }
        Ok(tidied)
    }

    /// Notes where the log is now, and tells up to where it is too old.
    async fn mark(&self, now: WallTime, max_age: Duration) -> Result<u64, BusError> {
        let key = Key::of(["retention", "marks"])?;
        let entry = self.engine().get(&key).await?;
        let expect =
            entry.as_ref().map_or(Expect::Absent, |entry| Expect::Revision(entry.revision));
        // Marks that cannot be read are begun anew: messages are kept longer then, never shorter.
        let mut marks: Marks =
            entry.and_then(|entry| serde_json::from_slice(&entry.value).ok()).unwrap_or_default();
        let now = now.unix_millis();
        // A clock that was ahead left marks of the future, by which nothing would ever be too old.
        marks.at.retain(|at, _| *at <= now);
        let age = i64::try_from(max_age.as_millis()).unwrap_or(i64::MAX);
        let old = now.saturating_sub(age);
        let aged = marks.at.range(..=old).next_back().map_or(0, |(_, position)| *position);
        // The newest of the old ones stays: what lies before it is too old from now on.
        let first = marks.at.range(..=old).next_back().map(|(at, _)| *at);
        if let Some(first) = first {
            marks.at = marks.at.split_off(&first);
        }
        let due = marks
            .at
            .keys()
            .next_back()
            .is_none_or(|last| u128::from(now.abs_diff(*last)) >= MARK.as_millis());
        if due {
            marks.at.insert(now, self.history().bounds().await?.next);
            let value =
                serde_json::to_vec(&marks).map_err(|error| StorageError::damaged(&key, error))?;
            // Somebody else noted it at the same time.
            match self.engine().put(&key, &value, expect).await {
                Ok(_) | Err(StorageError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(aged)
    }

    /// Up to where the log is too large, by the mean size of some of its records.
    async fn beyond_bytes(&self, max_bytes: u64) -> Result<u64, BusError> {
        let bounds = self.history().bounds().await?;
        if bounds.is_empty() {
            return Ok(bounds.first);
        }
        let (mut records, mut bytes) = (0_u64, 0_u64);
        for part in 0..4 {
            let from = bounds.first + bounds.len() / 4 * part;
            let page = match self.history().read(from, SAMPLE).await {
                Ok(page) => page,
                // Trimmed meanwhile, or damaged: the other parts tell enough.
                Err(StorageError::Trimmed { .. } | StorageError::DamagedRecord { .. }) => continue,
                Err(error) => return Err(error.into()),
            };
            for record in page {
                records += 1;
                bytes += record.data.len() as u64 + 64;
            }
        }
        let Some(mean) = bytes.checked_div(records) else { return Ok(bounds.first) };
        let kept = max_bytes / mean.max(1);
        Ok(bounds.next.saturating_sub(kept.max(1)))
    }

    /// Forgets places that have not moved for long and that no member has open. One that is open and idle
    /// stays: its messages are rare, and who restarts must not miss those that come meanwhile.
    async fn forget_idle(
        &self,
        kind: &str,
        now: WallTime,
        idle: Duration,
        open: &BTreeSet<String>,
        tidied: &mut Tidied,
    ) -> Result<(), BusError> {
        for Entry { key, value, revision, .. } in self.entries(kind).await? {
            // What cannot be read is evidence; `coord store check` tells of it.
            let Ok(progress) = serde_json::from_slice::<Progress>(&value) else { continue };
            let moved = WallTime::from_unix_millis(progress.moved);
            if open.contains(key.as_str()) || now.since(moved) < idle {
                continue;
            }
            // Compared and removed: whoever moved it meanwhile keeps it.
            if self.engine().delete(&key, Expect::Revision(revision)).await.is_ok() {
                tidied.forgotten.push(key);
            }
        }
        Ok(())
    }

    async fn tell_forgotten(&self, key: &Key, now: WallTime) -> Result<(), BusError> {
        let impact = Json::text(key.as_str());
        let data = SystemMaintenance::new("subscription_forgotten", Duration::ZERO, impact);
        let event = Event::new(WorkflowId::global(), Phase::global(), data);
        let mut envelope = Envelope::from(Message::from(event));
        envelope.header.timestamp = Some(now.into());
        let millis = self.host().now().id_millis();
        envelope.header.message_id = Some(MessageId::generate(millis, self.ten()));
        self.publish(&[super::Post::publish(&envelope)?]).await.map(drop)
    }
}
