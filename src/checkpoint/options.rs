//! How checkpoints are stored.

use crate::json::Limits;
use std::time::Duration;

/// Bounds and thresholds.
///
/// ```
/// use coordination_protocol::checkpoint::CheckpointOptions;
///
/// let options = CheckpointOptions::new().with_compress_above(64 << 10).with_chain(8, 1 << 20);
/// assert_eq!(options.chain_length, 8);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckpointOptions {
    /// A part of more bytes than this is compressed. 1 MiB unless set.
    pub compress_above: usize,
    /// The maximum number of deltas on one full checkpoint; the next incremental one is full. 16 unless set.
    pub chain_length: usize,
    /// The maximum total size in bytes of the deltas on one full checkpoint. 16 MiB unless set.
    pub chain_bytes: u64,
    /// The maximum size in bytes of a part's text, when it is made and when it is unpacked. 64 MiB unless
    /// set. The store's own limit holds for what it takes after compression.
    pub part_bytes: usize,
    /// The maximum number of keys of one object in a part, such as files or agents. 1,000,000 unless set.
    pub part_keys: usize,
    /// After how long a checkpoint that is not complete counts as left behind. One hour unless
    /// set. Too short a time costs a slow writer its work, never anybody's data.
    pub abandoned_after: Duration,
    /// What `storage_location` starts with in confirmations. `.claude/data` unless set.
    pub root: String,
}

impl Default for CheckpointOptions {
    fn default() -> Self {
        CheckpointOptions {
            compress_above: 1 << 20,
            chain_length: 16,
            chain_bytes: 16 << 20,
            part_bytes: 64 << 20,
            part_keys: 1_000_000,
            abandoned_after: Duration::from_secs(3_600),
            root: ".claude/data".to_owned(),
        }
    }
}

impl CheckpointOptions {
    /// The defaults.
    pub fn new() -> Self {
        CheckpointOptions::default()
    }

    /// Sets from how many bytes on a part is compressed.
    pub const fn with_compress_above(mut self, bytes: usize) -> Self {
        self.compress_above = bytes;
        self
    }

    /// Sets the maximum number of deltas on one full checkpoint, and their maximum total size in bytes.
    pub const fn with_chain(mut self, length: usize, bytes: u64) -> Self {
        self.chain_length = length;
        self.chain_bytes = bytes;
        self
    }

    /// Sets the maximum size in bytes of a part's text, and the maximum number of keys of one object in it.
    pub const fn with_part(mut self, bytes: usize, keys: usize) -> Self {
        self.part_bytes = bytes;
        self.part_keys = keys;
        self
    }

    /// Sets after how long an incomplete checkpoint counts as left behind.
    pub const fn with_abandoned_after(mut self, duration: Duration) -> Self {
        self.abandoned_after = duration;
        self
    }

    /// Sets what storage locations start with.
    pub fn with_root(mut self, root: impl Into<String>) -> Self {
        self.root = root.into();
        self
    }

    /// The limits of the JSON text of a part.
    pub(super) fn limits(&self) -> Limits {
        Limits::DEFAULT.with_bytes(self.part_bytes).with_keys(self.part_keys)
    }
}
