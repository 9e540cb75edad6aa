//! What can be seen of a component from outside: spans and events (feature `tracing`), and metrics (feature
//! `metrics`). Without them nothing here costs anything.

#![cfg_attr(
    not(all(feature = "tracing", feature = "metrics")),
    allow(unused_variables, reason = "there is nothing to tell it to")
)]

use super::error::DriverError;
use super::trace::TraceParent;
use crate::bus::{BusError, Delivery};
use crate::finding::Report;
use crate::message::Envelope;
use crate::scalar::ComponentId;
use std::time::Duration;

/// Expands the table of metrics: constant, name, kind, labels, sentence.
macro_rules! table {
    ($($constant:ident $name:literal, $kind:literal, [$($label:literal),*], $what:literal;)+) => {
        $(#[cfg(feature = "metrics")]
        const $constant: &str = $name;)+

        /// The metrics of components and clients, recorded by the facade `metrics` (feature `metrics`): name, kind,
        /// labels, and what it says. No label has unbounded values.
        ///
        /// | name | kind | labels | says |
        /// |---|---|---|---|
        $(#[doc = concat!("| `", $name, "` | ", $kind, " | ", $("`", $label, "` ",)* "| ", $what, " |")])+
        pub const METRICS: &[(&str, &str, &[&str], &str)] =
            &[$(($name, $kind, &[$($label),*], $what)),+];
    };
}

table! {
    HANDLED "coord_handled_total", "counter", ["component", "kind", "outcome"], "attempts that ended, by what was handled (`event`, `request`) and how (`done`, `failed`, `panicked`, `timed_out`, `dropped`)";
    SECONDS "coord_handling_seconds", "histogram", ["component", "kind"], "how long they took";
    REDELIVERIES "coord_redeliveries_total", "counter", ["component"], "attempts beyond the first";
    DEAD_LETTERS "coord_dead_letters_total", "counter", ["component"], "messages that became dead letters";
    MISSED "coord_missed_total", "counter", ["component"], "positions that were gone before they were read";
    BUS_ERRORS "coord_bus_errors_total", "counter", ["component", "code"], "what the bus did not do";
    REQUESTS "coord_requests_total", "counter", ["component", "outcome"], "requests that ended, by how (`answered`, `failed`, `timed out`, `cancelled`)";
}

/// The span of one attempt.
pub(super) struct Span {
    #[cfg(feature = "tracing")]
    span: tracing::Span,
}

impl Span {
    /// The work within the span.
    #[cfg(feature = "tracing")]
    pub(super) fn enter<F: Future>(self, work: F) -> impl Future<Output = F::Output> {
        tracing::Instrument::instrument(work, self.span)
    }

    /// The work as it is.
    #[cfg(not(feature = "tracing"))]
    pub(super) fn enter<F: Future>(self, work: F) -> F {
        let Span {} = self;
        work
    }
}

/// The span of an attempt at a message: `attempt`, with `component`, `what`, `kind`, `workflow`, `phase`,
/// `message_id`, `attempt` and `traceparent`.
pub(super) fn span(
    component: &ComponentId,
    message: &Envelope,
    delivery: &Delivery,
    what: &'static str,
    trace: Option<&TraceParent>,
) -> Span {
    #[cfg(feature = "metrics")]
    if delivery.attempt > 1 {
        metrics::counter!(REDELIVERIES, "component" => component.to_string()).increment(1);
    }
    #[cfg(feature = "tracing")]
    {
        let (workflow, phase) = match &message.message {
            crate::message::Message::Event(body) => {
                (Some(body.event.workflow_id.as_str()), Some(body.event.phase.as_str()))
            }
            _ => (None, None),
        };
        let span = tracing::info_span!(
            "attempt",
            component = component.as_str(),
            what,
            kind = message.kind().as_str(),
            workflow,
            phase,
            message_id = message.header.message_id.as_ref().map(crate::scalar::MessageId::as_str),
            attempt = delivery.attempt,
            traceparent = trace.map(TraceParent::as_str),
        );
        Span { span }
    }
    #[cfg(not(feature = "tracing"))]
    Span {}
}

/// An attempt ended.
pub(super) fn handled(
    component: &ComponentId,
    what: &'static str,
    outcome: &'static str,
    took: Duration,
) {
    #[cfg(feature = "metrics")]
    {
        let name = component.to_string();
        metrics::counter!(HANDLED, "component" => name.clone(), "kind" => what, "outcome" => outcome)
            .increment(1);
        metrics::histogram!(SECONDS, "component" => name, "kind" => what).record(took);
    }
    #[cfg(feature = "tracing")]
    tracing::debug!(component = component.as_str(), what, outcome, ?took, "an attempt ended");
}

/// A message became a dead letter.
pub(super) fn dead_lettered(component: &ComponentId) {
    #[cfg(feature = "metrics")]
    metrics::counter!(DEAD_LETTERS, "component" => component.to_string()).increment(1);
    #[cfg(feature = "tracing")]
    tracing::warn!(component = component.as_str(), "a message became a dead letter");
}

/// Messages were gone before they were read.
pub(super) fn missed(component: &ComponentId, positions: u64) {
    #[cfg(feature = "metrics")]
    metrics::counter!(MISSED, "component" => component.to_string()).increment(positions);
    #[cfg(feature = "tracing")]
    tracing::warn!(component = component.as_str(), positions, "messages were gone");
}

/// The bus did not do what it was asked.
pub(super) fn bus_failed(component: &ComponentId, error: &BusError) {
    #[cfg(feature = "metrics")]
    metrics::counter!(BUS_ERRORS, "component" => component.to_string(), "code" => error.code())
        .increment(1);
    #[cfg(feature = "tracing")]
    tracing::warn!(component = component.as_str(), code = error.code(), %error, "the bus failed");
}

/// Something was not sent or not read.
pub(super) fn failed(component: &ComponentId, error: &DriverError) {
    if let DriverError::Bus(error) = error {
        bus_failed(component, error);
    } else {
        #[cfg(feature = "tracing")]
        tracing::warn!(component = component.as_str(), code = error.code(), %error, "a message was not sent");
    }
}

/// An answer did not pass the checks.
pub(super) fn refused(component: &ComponentId, report: &Report) {
    #[cfg(feature = "tracing")]
    tracing::warn!(component = component.as_str(), %report, "an answer was refused");
}

/// A request ended.
pub(super) fn requested(component: &ComponentId, end: crate::machine::RequestEnd) {
    #[cfg(feature = "metrics")]
    metrics::counter!(REQUESTS, "component" => component.to_string(), "outcome" => end.to_string())
        .increment(1);
    #[cfg(feature = "tracing")]
    tracing::debug!(component = component.as_str(), outcome = %end, "a request ended");
}

/// An answer contradicts the end that its request had.
pub(super) fn contradicted(component: &ComponentId, output: &crate::machine::RequestOutput) {
    #[cfg(feature = "tracing")]
    tracing::warn!(component = component.as_str(), %output, "a late answer contradicts");
}
