//! What stands in a queue: messages that are not settled, and what was lost.

use super::options::HandOverLimits;
use super::queued_message::QueuedMessage;
use super::receipt::Receipt;
use crate::message::Envelope;
use crate::scalar::Instant;
use crate::transport::Gap;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::sync::Arc;

/// A message that is not acknowledged.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Entry {
    #[serde(with = "super::shared")]
    pub(super) message: Arc<QueuedMessage>,
    /// The queue groups that it came through; none if it is the subscriber's own.
    pub(super) groups: Vec<SmolStr>,
    pub(super) state: State,
    pub(super) tries: Tries,
    /// Whether an attempt failed for a reason of its own, so that it goes alone.
    pub(super) suspect: bool,
    /// Since when its time runs, and until when: it does if it is the first of its flight.
    pub(super) since: Option<Instant>,
    pub(super) until: Option<Instant>,
    /// How often the subscriber had responded when it was handed over.
    pub(super) responses: u64,
    pub(super) expires: Option<Instant>,
    pub(super) lane: SmolStr,
}

/// How often a message was handed over. It goes along to another member of a queue group, so that the
/// attempts are those of the message, whoever makes them.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Tries {
    pub(super) made: u32,
    /// How many of them a lost link cut off.
    pub(super) cut_off: u32,
    /// When the first and the last were made, on the wall.
    pub(super) times: Option<(i64, i64)>,
}

impl Tries {
    /// How many more there may be.
    pub(super) fn left(&self, limits: HandOverLimits) -> u32 {
        let forgiven = self.cut_off.min(limits.disconnections);
        // 0 attempts would never hand over anything.
        limits.attempts.max(1).saturating_add(forgiven).saturating_sub(self.made)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum State {
    /// It may go when those before it in its lane are gone.
    Waiting,
    UnderWay,
    /// It failed and pauses before the next attempt.
    Resting,
}

/// A message that is handed over.
pub(super) struct Taken {
    pub(super) receipt: Receipt,
    pub(super) envelope: Arc<Envelope>,
    /// Whether its time runs: it is the first of its order key.
    pub(super) runs: bool,
}

/// What was lost and not acknowledged.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct PendingGap {
    pub(super) gap: Gap,
    /// What tells it from another gap of the same numbers.
    pub(super) mark: u64,
    pub(super) attempts: u32,
}

impl PendingGap {
    pub(super) fn with(lost: Option<Self>, number: u64, mark: u64) -> Self {
        let Some(PendingGap { gap: Gap { from, to, dropped }, mark: known, attempts }) = lost
        else {
            return PendingGap { gap: Gap::new(number, number, 1), mark, attempts: 0 };
        };
        // What is lost later may have an earlier number.
        let gap = Gap::new(from.min(number), to.max(number), dropped.saturating_add(1));
        PendingGap { gap, mark: known.rotate_left(1) ^ mark, attempts }
    }
}
