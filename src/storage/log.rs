//! Which sequence of records is meant: a log, and a partition of it.

use super::error::StorageError;
use super::record::{LaneEnd, NewRecord};
use std::fmt;
use std::str::FromStr;

/// A log of an [`Engine`](super::Engine). Positions count in each by itself, and trimming one leaves the
/// other alone.
///
/// | log | holds | what becomes of a lane |
/// |---|---|---|
/// | [`History`](Self::History) | what components tell each other: events, messages to addresses | [forgotten](LaneForm::Forgotten) |
/// | [`Decisions`](Self::Decisions) | what whoever decides folds into its state | [ended](LaneForm::Ended) |
///
/// So chatter can be trimmed by age and size, and what is replayed stays.
///
/// ```
/// use coordination_protocol::storage::{LaneForm, Log};
///
/// assert_eq!("decisions".parse(), Ok(Log::Decisions));
/// assert_eq!(Log::Decisions.lanes(), LaneForm::Ended);
/// ```
#[doc(alias = "stream")]
#[doc(alias = "topic")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Log {
    /// What components tell each other.
    #[default]
    History,
    /// What is folded into the state of whoever decides.
    Decisions,
}

impl Log {
    /// All logs, in their order.
    pub const ALL: [Log; 2] = [Log::History, Log::Decisions];

    /// Its name in files and in the output of programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Log::History => "history",
            Log::Decisions => "decisions",
        }
    }

    /// What becomes of its lanes.
    pub const fn lanes(self) -> LaneForm {
        match self {
            // Lanes of chatter are many and have no end that anyone would tell.
            Log::History => LaneForm::Forgotten,
            // A lane that is decided about must not begin anew: what it granted could be granted twice.
            Log::Decisions => LaneForm::Ended,
        }
    }
}

impl fmt::Display for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Log {
    type Err = StorageError;

    fn from_str(text: &str) -> Result<Self, StorageError> {
        Log::ALL.into_iter().find(|log| log.as_str() == text).ok_or_else(|| {
            StorageError::unsupported(format!(
                "there is no log `{text}`; there are history and decisions"
            ))
        })
    }
}

/// What becomes of the lanes of a journal when their records are trimmed.
///
/// Either way a writer that expects the true last position of a lane is accepted after a trim, one that
/// expects none is refused, and so is one that expects a position from before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LaneForm {
    /// Any record may be trimmed. The last position of a lane outlives its records until it is
    /// [forgotten](super::Journal::forget_lanes); then the lane begins anew.
    #[default]
    Forgotten,
    /// The last record of a lane stays while the lane is open: a trim that would remove it is
    /// [refused](StorageError::LanesOpen), until a snapshot was appended behind the cut. A lane is closed by
    /// a record that [ends](super::NewRecord::ending_its_lane) it; all of its records may go then, and it is never
    /// opened again. Nothing is ever forgotten.
    Ended,
}

impl LaneForm {
    /// Refuses records that end a lane where lanes do not end.
    ///
    /// # Errors
    /// [`LaneCannotEnd`](StorageError::LaneCannotEnd).
    pub fn check(self, records: &[NewRecord]) -> Result<(), StorageError> {
        if self == LaneForm::Ended {
            return Ok(());
        }
        let ending = records.iter().find(|record| record.ends_lane);
        match ending.and_then(|record| record.lane.clone()) {
            Some(lane) => Err(StorageError::LaneCannotEnd { lane }),
            None => Ok(()),
        }
    }
}

/// Refuses a trim for the sake of open lanes, ordered by name, of which `limit` are named.
pub(crate) fn lanes_open(before: u64, mut lanes: Vec<LaneEnd>, limit: usize) -> StorageError {
    let more = lanes.len().saturating_sub(limit.max(1)) as u64;
    lanes.truncate(limit.max(1));
    StorageError::LanesOpen { before, lanes, more }
}

/// A sequence of records: one partition of a log. Positions count within it, and a lane lies in one of them
/// ([`Engine::partition_of`](super::Engine::partition_of)).
///
/// ```
/// use coordination_protocol::storage::{Log, Partition};
///
/// let partition = Partition::from(Log::Decisions);
/// assert_eq!((partition.log, partition.number), (Log::Decisions, 0));
/// assert_eq!(partition.to_string(), "decisions/0");
/// ```
#[doc(alias = "shard")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Partition {
    /// The log.
    pub log: Log,
    /// Its number in the log, from 0.
    pub number: u32,
}

impl Partition {
    /// A partition of a log.
    pub const fn new(log: Log, number: u32) -> Self {
        Partition { log, number }
    }

    /// The log, if this is its first partition: the only one of engines that have one of each log.
    ///
    /// # Errors
    /// [`NoPartition`](StorageError::NoPartition).
    pub const fn only(self) -> Result<Log, StorageError> {
        match self.number {
            0 => Ok(self.log),
            _ => Err(StorageError::NoPartition { partition: self }),
        }
    }
}

impl From<Log> for Partition {
    /// The first one of a log.
    fn from(log: Log) -> Self {
        Partition::new(log, 0)
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.log, self.number)
    }
}
