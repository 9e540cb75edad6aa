//! What can be seen of a component from outside: spans and metrics, each behind its feature.

use crate::bus::{BusError, Delivery};
use crate::message::Envelope;
use crate::scalar::ComponentId;
use std::time::Duration;

/// The span of one attempt.
pub(super) struct Span;

impl Span {
    /// The work within the span.
    pub(super) fn enter<F: Future>(self, work: F) -> F {
        work
    }
}

/// The span of an attempt at a message.
pub(super) fn span(_message: &Envelope, _delivery: &Delivery, _what: &'static str) -> Span {
    Span
}

/// An attempt ended.
pub(super) fn handled(
    _component: &ComponentId,
    _what: &'static str,
    _outcome: &'static str,
    _took: Duration,
) {
}

/// A message became a dead letter.
pub(super) fn dead_lettered(_component: &ComponentId) {}

/// The bus did not do what it was asked.
pub(super) fn bus_failed(_component: &ComponentId, _error: &BusError) {}
