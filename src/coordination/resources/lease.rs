//! What the holder of a grant writes itself: that it is still there.

use crate::scalar::{AllocationId, Fence, Instant};
use crate::storage::{Entry, Key, StorageError};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// The value of a grant whose holder shows that it is there. The holder renews it by compare-and-set, so it is
/// the truth, and no renewal is a record of a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Lease {
    /// The token of the grant.
    pub fence: Fence,
    /// Until when it lives without another renewal.
    pub until: Instant,
    /// For how long a renewal is good.
    pub ttl: Duration,
    /// The run of the machine that this moment is of.
    pub boot: String,
    /// It was found to be over. The grant ends with the next decision; no renewal revives it.
    #[serde(default, skip_serializing_if = "super::need::is_default")]
    pub ended: bool,
}

impl Lease {
    /// The key of the lease of a grant.
    ///
    /// # Errors
    /// [`Key`](StorageError::Key) if the names are too long together.
    pub fn key(pool: &str, allocation: &AllocationId) -> Result<Key, StorageError> {
        Key::of(["lease", pool, allocation.as_str()])
    }

    pub(super) fn read(entry: &Entry) -> Result<Self, StorageError> {
        serde_json::from_slice(&entry.value)
            .map_err(|error| StorageError::damaged(&entry.key, error))
    }

    pub(super) fn write(&self) -> Vec<u8> {
        // Texts and numbers have a form in JSON.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Whether it is over for who reads the clock of a run of the machine.
    pub(super) fn is_over(&self, now: Instant, boot: &str) -> bool {
        self.ended || self.boot != boot || self.until <= now
    }
}

/// Why a renewal is refused: who asked holds nothing any more.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LeaseEnd {
    /// It is over.
    Ended,
    /// It was found to be over, and ends with the next decision.
    Ending,
    /// The token is that of another grant.
    Fenced(Fence),
}

impl fmt::Display for LeaseEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LeaseEnd::Ended => f.write_str("it is over"),
            LeaseEnd::Ending => f.write_str("it was not renewed in time"),
            LeaseEnd::Fenced(fence) => write!(f, "it has the fence {fence} now"),
        }
    }
}
