//! What there is on a bus: who reads how far, who listens where, who is there.

use super::progress::Progress;
use super::session::Shown;
use super::{Bus, BusError, Position};
use crate::scalar::WallTime;
use crate::storage::{Entry, Journal as _, Key, StorageError, Store as _, StoreScan};
use serde::de::DeserializeOwned;

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
    /// Whether somebody listens, at an address; whether somebody works on something, for a subscription.
    pub served: bool,
    /// When it moved last.
    pub moved: WallTime,
}

/// A process that has inboxes, or had when it showed itself last.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemberStatus {
    /// Its name, made up when it opened its first inbox.
    pub name: String,
    /// What names its process; empty if nothing does.
    pub process: String,
    /// How many durable inboxes and addresses it has.
    pub inboxes: usize,
    /// Whether it is there.
    pub present: bool,
}

impl Bus {
    /// The durable subscriptions, by name.
    ///
    /// # Errors
    /// [`Storage`](BusError::Storage).
    pub async fn subscriptions(&self) -> Result<Vec<ReaderStatus>, BusError> {
        self.readers("subscription").await
    }

    /// The addresses that somebody listens at or has listened at, by name.
    ///
    /// # Errors
    /// [`Storage`](BusError::Storage).
    pub async fn addresses(&self) -> Result<Vec<ReaderStatus>, BusError> {
        self.readers("address").await
    }

    async fn readers(&self, kind: &str) -> Result<Vec<ReaderStatus>, BusError> {
        let next = self.engine().bounds().await?.next;
        let mut readers = Vec::new();
        for (key, progress) in self.values::<Progress>(kind).await? {
            let mut served = false;
            let mut in_flight = 0;
            for member in progress.tries.values().filter_map(|tried| tried.by.as_deref()) {
                in_flight += 1;
                served = served || self.is_there(member).await?;
            }
            if let Some(owner) = &progress.owner {
                served = self.is_there(owner).await?;
            }
            let settled = progress.settled.len() as u64;
            readers.push(ReaderStatus {
                name: name_of(&key),
                pattern: progress.pattern,
                position: Position::new(progress.low),
                lag: next.saturating_sub(progress.low).saturating_sub(settled),
                in_flight,
                served,
                moved: WallTime::from(progress.moved),
            });
        }
        Ok(readers)
    }

    /// The processes that have durable inboxes or addresses.
    ///
    /// # Errors
    /// [`Storage`](BusError::Storage).
    pub async fn members(&self) -> Result<Vec<MemberStatus>, BusError> {
        let mut members = Vec::new();
        for (key, shown) in self.values::<Shown>("member").await? {
            let name = name_of(&key);
            // Any of its inboxes will do: that the session is there is what is asked.
            let present = match shown.inboxes.first() {
                Some(inbox) => self.is_there(&format!("{name}.{inbox}")).await?,
                None => false,
            };
            let inboxes = shown.inboxes.len();
            members.push(MemberStatus { name, process: shown.process, inboxes, present });
        }
        Ok(members)
    }

    /// The values below a key, read as what they are.
    async fn values<T: DeserializeOwned>(&self, kind: &str) -> Result<Vec<(Key, T)>, BusError> {
        let mut scan = StoreScan::new(format!("{kind}/"));
        let mut found = Vec::new();
        loop {
            let page = self.engine().scan(&scan).await?;
            for Entry { key, value, .. } in &page.entries {
                let value = serde_json::from_slice(value)
                    .map_err(|error| StorageError::damaged(key, error))?;
                found.push((key.clone(), value));
            }
            match page.entries.last() {
                Some(last) if page.more => scan.after = Some(last.key.clone()),
                _ => return Ok(found),
            }
        }
    }
}

/// The name behind the kind.
fn name_of(key: &Key) -> String {
    key.segments().nth(1).unwrap_or_default().into_owned()
}
