//! What there is on a bus: who reads how far, who listens where, who is there.

use super::post::ADDRESS;
use super::progress::{Progress, SUBSCRIPTION};
use super::session::{Shown, open_places};
use super::{Bus, BusError, Position};
use crate::scalar::WallTime;
use crate::storage::{Entry, Journal as _, Key, StorageError, StoreScan, scan_past_damage};

/// A durable subscription, or an address.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReaderStatus {
    /// The durable name, or the address.
    pub name: String,
    /// What a subscription selects; none for an address.
    pub pattern: Option<String>,
    /// Everything before it is settled.
    pub position: Position,
    /// How many messages behind it are not settled, at most: whether they are selected is not known
    /// before they are read.
    pub lag: u64,
    /// How many messages are being worked on.
    pub in_flight: usize,
    /// Whether a member has it open: listens at the address, or reads the subscription.
    pub served: bool,
    /// When it moved last.
    pub moved: WallTime,
}

/// A process that has inboxes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemberStatus {
    /// Its name, made up when it opened its first inbox.
    pub name: String,
    /// What names its process; empty if nothing does.
    pub process: String,
    /// How many durable inboxes and addresses it has.
    pub inboxes: usize,
}

impl Bus {
    /// The durable subscriptions, by name.
    ///
    /// # Errors
    /// [`Storage`](BusError::Storage).
    pub async fn subscriptions(&self) -> Result<Vec<ReaderStatus>, BusError> {
        self.readers(SUBSCRIPTION).await
    }

    /// The addresses that somebody listens at or has listened at, by name.
    ///
    /// # Errors
    /// [`Storage`](BusError::Storage).
    pub async fn addresses(&self) -> Result<Vec<ReaderStatus>, BusError> {
        self.readers(ADDRESS).await
    }

    async fn readers(&self, kind: &str) -> Result<Vec<ReaderStatus>, BusError> {
        let next = self.history().bounds().await?.next;
        let places = open_places(self.sessions().await?.0);
        let mut readers = Vec::new();
        for Entry { key, value, .. } in self.entries(kind).await? {
            let progress: Progress = serde_json::from_slice(&value)
                .map_err(|error| StorageError::damaged(&key, error))?;
            let in_flight = progress.tries.values().filter(|tried| tried.by.is_some()).count();
            let settled = progress.settled.len() as u64;
            readers.push(ReaderStatus {
                name: name_of(&key),
                pattern: progress.pattern,
                position: Position::new(progress.low),
                lag: next.saturating_sub(progress.low).saturating_sub(settled),
                in_flight,
                served: places.contains(key.as_str())
                    && (kind == SUBSCRIPTION || progress.owner.is_some()),
                moved: WallTime::from(progress.moved),
            });
        }
        Ok(readers)
    }

    /// The processes that are there and have durable inboxes or addresses.
    ///
    /// # Errors
    /// [`Storage`](BusError::Storage).
    pub async fn members(&self) -> Result<Vec<MemberStatus>, BusError> {
        let (sessions, _) = self.sessions().await?;
        let status = |(key, shown): (Key, Shown)| MemberStatus {
            name: name_of(&key),
            inboxes: shown.inboxes.len(),
            process: shown.process,
        };
        Ok(sessions.into_iter().map(status).collect())
    }

    /// All values below a key. What is damaged is passed over: `coord store check` tells of it.
    pub(crate) async fn entries(&self, below: &str) -> Result<Vec<Entry>, BusError> {
        let mut scan = StoreScan::new(format!("{below}/"));
        let mut found = Vec::new();
        loop {
            let page = scan_past_damage(self.engine(), &scan).await?;
            found.extend(page.entries);
            match page.next {
                Some(next) => scan = scan.after(next),
                None => return Ok(found),
            }
        }
    }
}

/// The name behind the kind.
fn name_of(key: &Key) -> String {
    key.segments().nth(1).unwrap_or_default().into_owned()
}
