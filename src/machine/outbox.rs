//! Outputs that wait to be fetched, of which there is a limited number.

use super::IgnoreReason;
use super::effect::{Ignored, MessageIdentity, NotApplied};
use crate::message::Envelope;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// How many outputs wait at most before a machine takes nothing more in, unless set.
const LIMIT: usize = 1_000;

/// The outputs of a machine in order.
///
/// When there are as many as may be, the machine stands still until its host fetches some: it refuses
/// commands, applies no message and does nothing on time. One step may still go beyond the limit by
/// what it outputs itself; it is never cut in half.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Outbox<O> {
    waiting: VecDeque<O>,
    limit: usize,
    /// The messages that came while it was full: the first, and how many.
    unpolled: Option<Box<Ignored>>,
}

impl<O> Outbox<O> {
    pub(super) const fn new() -> Self {
        Outbox { waiting: VecDeque::new(), limit: LIMIT, unpolled: None }
    }

    pub(super) const fn set_limit(&mut self, limit: usize) {
        // With a limit of 0 nothing would ever be taken in.
        self.limit = if limit == 0 { 1 } else { limit };
    }

    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= self.limit
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn push(&mut self, output: impl Into<O>) {
        self.waiting.push_back(output.into());
    }

    pub(super) fn extend(&mut self, outputs: impl IntoIterator<Item = O>) {
        self.waiting.extend(outputs);
    }

    /// Refuses a command while as many outputs wait as may.
    pub(super) fn command<E>(&self, refused: impl FnOnce(usize) -> E) -> Result<(), E> {
        if self.is_full() { Err(refused(self.waiting.len())) } else { Ok(()) }
    }
}

impl<O: From<Ignored>> Outbox<O> {
    pub(super) fn pop(&mut self) -> Option<O> {
        let next = self.waiting.pop_front();
        next.or_else(|| self.unpolled.take().map(|ignored| O::from(*ignored)))
    }

    /// Notes that a message was not applied.
    pub(super) fn ignore(&mut self, message: MessageIdentity, why: impl Into<NotApplied>) {
        self.push(Ignored::new(message, why.into()));
    }

    /// Whether there is room for a message. If not, it is counted: it is told once the others are
    /// fetched.
    pub(super) fn admits(&mut self, message: impl FnOnce() -> MessageIdentity) -> bool {
        if !self.is_full() {
            return true;
        }
        match &mut self.unpolled {
            // One for all, or those who flood us would decide how much we keep.
            Some(ignored) => ignored.count = ignored.count.saturating_add(1),
            none => {
                let why = NotApplied::from(IgnoreReason::Unpolled);
                *none = Some(Box::new(Ignored::new(message(), why)));
            }
        }
        false
    }

    /// What identifies a message for which there is room; it is needed if the message is not applied.
    pub(super) fn room_for(&mut self, message: &Envelope) -> Option<MessageIdentity> {
        self.admits(|| MessageIdentity::of(message)).then(|| MessageIdentity::of(message))
    }
}

/// How a machine sets how many of its outputs may wait.
macro_rules! bounded_outputs {
    ($machine:ty) => {
        impl $machine {
            /// Sets how many outputs may wait to be fetched before it stands still: then it refuses
            /// inputs, ignores messages as `unpolled` and does nothing on time. Default 1000.
            pub const fn with_max_outputs(mut self, outputs: usize) -> Self {
                self.out.set_limit(outputs);
                self
            }
        }
    };
}
pub(super) use bounded_outputs;

#[cfg(test)]
mod tests {
    use super::Outbox;
    use crate::machine::effect::{Ignored, MessageIdentity};
    use crate::message::{EnvelopeHeader, MessageKind};

    fn identity() -> MessageIdentity {
        MessageIdentity::from_header(MessageKind::Heartbeat, &EnvelopeHeader::new())
    }

    /// What comes while it is full is counted in one output, which comes last.
    #[test]
    fn a_full_one_counts() {
        let mut out = Outbox::<Ignored>::new();
        out.set_limit(2);
        for _ in 0..5 {
            if out.admits(identity) {
                out.ignore(identity(), crate::machine::IgnoreReason::Late);
            }
        }
        assert!(out.is_full());
        let said: Vec<String> =
            std::iter::from_fn(|| out.pop()).map(|ignored| ignored.to_string()).collect();
        assert_eq!(said, ["heartbeat: late", "heartbeat: late", "heartbeat: unpolled, and 2 more"]);
        assert!(out.admits(identity));
    }

    /// It would take nothing in.
    #[test]
    fn no_limit_is_one() {
        let mut out = Outbox::<Ignored>::new();
        out.set_limit(0);
        assert!(out.admits(identity));
    }
}
