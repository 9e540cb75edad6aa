//! Records: before they are appended, and as they are read.

use super::error::StorageError;
use super::key::Key;
use std::ops::Range;
use std::sync::Arc;

/// A record that is to be appended.
///
/// A journal interprets none of it but the lane and the id. A lane is a line of records whose order
/// matters, such as those of one workflow or of one address.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewRecord {
    /// The lane that it belongs to, if any.
    pub lane: Option<Key>,
    /// What tells it from others of its lane, so that it is appended once; of no meaning without a
    /// lane.
    #[doc(alias = "idempotency key")]
    pub id: Option<Arc<str>>,
    /// What readers select by.
    #[doc(alias = "topic")]
    #[doc(alias = "routing key")]
    pub subject: Option<Arc<str>>,
    /// Whether it is the last one of its lane, for good; of no meaning without a lane. Only where lanes
    /// [end](super::LaneForm::Ended).
    pub ends_lane: bool,
    /// The bytes, shared.
    pub data: Arc<[u8]>,
}

impl NewRecord {
    /// Bytes that belong to no lane.
    pub fn new(data: impl Into<Arc<[u8]>>) -> Self {
        NewRecord { lane: None, id: None, subject: None, ends_lane: false, data: data.into() }
    }

    /// Sets the lane.
    pub fn in_lane(mut self, lane: Key) -> Self {
        self.lane = Some(lane);
        self
    }

    /// Sets what tells it from others of its lane.
    pub fn with_id(mut self, id: impl Into<Arc<str>>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Sets what readers select by.
    pub fn with_subject(mut self, subject: impl Into<Arc<str>>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    /// Makes it the last one of its lane: every later one is refused.
    #[doc(alias = "tombstone")]
    pub const fn ending_its_lane(mut self) -> Self {
        self.ends_lane = true;
        self
    }

    /// How many bytes it has, its names included.
    pub fn size(&self) -> usize {
        let lane = self.lane.as_ref().map_or(0, |lane| lane.as_str().len());
        let texts = [&self.id, &self.subject].into_iter().flatten();
        self.data.len() + lane + texts.map(|text| text.len()).sum::<usize>()
    }

    /// The record that it becomes.
    pub fn at(self, position: u64) -> JournalRecord {
        let NewRecord { lane, id, subject, ends_lane, data } = self;
        JournalRecord { position, lane, id, subject, ends_lane, data }
    }

    /// Lane and id, which together stand once in a journal.
    pub fn identity(&self) -> Option<(&Key, &str)> {
        Some((self.lane.as_ref()?, self.id.as_deref()?))
    }
}

/// One record of a journal.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct JournalRecord {
    /// Its position.
    pub position: u64,
    /// The lane that it belongs to, if any.
    pub lane: Option<Key>,
    /// What tells it from others of its lane.
    pub id: Option<Arc<str>>,
    /// What readers select by.
    pub subject: Option<Arc<str>>,
    /// Whether its lane ends with it.
    pub ends_lane: bool,
    /// The bytes, shared.
    pub data: Arc<[u8]>,
}

impl JournalRecord {
    /// The bytes at a position, without lane.
    pub fn new(position: u64, data: impl Into<Arc<[u8]>>) -> Self {
        NewRecord::new(data).at(position)
    }

    /// How many bytes it has, its names included.
    pub fn size(&self) -> usize {
        let lane = self.lane.as_ref().map_or(0, |lane| lane.as_str().len());
        let texts = [&self.id, &self.subject].into_iter().flatten();
        self.data.len() + lane + texts.map(|text| text.len()).sum::<usize>()
    }
}

impl From<JournalRecord> for NewRecord {
    /// The same without its position.
    fn from(record: JournalRecord) -> Self {
        let JournalRecord { lane, id, subject, ends_lane, data, .. } = record;
        NewRecord { lane, id, subject, ends_lane, data }
    }
}

/// Where a lane ends: the position of its last record, or none before the first one.
#[doc(alias = "expected last sequence")]
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LaneEnd {
    /// The lane.
    pub lane: Key,
    /// The position of its last record.
    pub last: Option<u64>,
}

impl LaneEnd {
    /// A lane that ends at a position, or that has no record.
    pub const fn new(lane: Key, last: Option<u64>) -> Self {
        LaneEnd { lane, last }
    }

    /// Refuses a lane that ends elsewhere.
    ///
    /// # Errors
    /// [`LaneMoved`](StorageError::LaneMoved).
    pub fn check(&self, found: Option<u64>) -> Result<(), StorageError> {
        if found == self.last {
            return Ok(());
        }
        Err(StorageError::LaneMoved { lane: self.lane.clone(), expected: self.last, found })
    }
}

/// What became of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Appended {
    /// The positions of its records.
    pub positions: Range<u64>,
    /// Whether they stood there already, so that nothing was appended.
    pub repeated: bool,
}

impl Appended {
    /// Records that were appended now.
    pub const fn new(positions: Range<u64>) -> Self {
        Appended { positions, repeated: false }
    }

    /// As many records as `count` that stood there already, from a position on.
    pub const fn repeated(first: u64, count: usize) -> Self {
        Appended { positions: first..first + count as u64, repeated: true }
    }
}
