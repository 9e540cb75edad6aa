//! What goes in and out.

use super::answer::own_id;
use crate::error::leaf_errors;
use crate::machine::effect::machine_output;
use crate::machine::{Ignored, Outbound};
use crate::message::Envelope;
use crate::scalar::{ComponentId, CorrelationId, Now, RequestId, printable};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// A request to be made.
#[derive(Clone, Debug)]
pub struct OutboundRequest {
    pub(super) envelope: Envelope,
    pub(super) id: RequestId,
    pub(super) peer: Option<ComponentId>,
    pub(super) within: Option<Duration>,
}

impl OutboundRequest {
    /// A request. Its identifiers are those of the header or the body; what is missing is made from
    /// the time and ten random bytes.
    ///
    /// ```
    /// use coordination_protocol::machine::OutboundRequest;
    /// use coordination_protocol::message::{ConflictCheck, Release};
    /// use coordination_protocol::scalar::{AllocationId, Instant, Now, RequestId};
    ///
    /// let now = Now::new(Instant::START, 1_736_942_400_000);
    /// let check = ConflictCheck::new(RequestId::new("req_9")?);
    /// assert_eq!(OutboundRequest::new(check, now, [7; 10]).request_id().as_str(), "req_9");
    /// let release = Release::new(AllocationId::new("alloc_1")?, "done");
    /// let request = OutboundRequest::new(release, now, [7; 10]);
    /// assert_eq!(request.request_id().as_str(), "req_019469d5-b200-7707-8707-070707070707");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(message: impl Into<Envelope>, now: Now, random: [u8; 10]) -> Self {
        let mut envelope = message.into();
        let known = envelope.header.request_id.as_ref().or(own_id(&envelope.message));
        let id = known.cloned().unwrap_or_else(|| RequestId::generate(now.id_millis(), random));
        let header = &mut envelope.header;
        header.request_id = Some(id.clone());
        // Otherwise the responder need not answer, and each request would time out.
        header.response_required = Some(true);
        header
            .correlation_id
            // One for all attempts, so that a late answer to an earlier attempt still belongs to
            // the request.
            .get_or_insert_with(|| CorrelationId::generate(now.id_millis(), random));
        // A signature covers `message_id` and `timestamp`, which differ in each attempt.
        header.signature = None;
        OutboundRequest { envelope, id, peer: None, within: None }
    }

    /// Takes answers from this component only. An answer without `source`, as a peer of protocol 1.0.0
    /// writes it, is taken if it repeats the `correlation_id`.
    pub fn with_peer(mut self, peer: ComponentId) -> Self {
        self.peer = Some(peer);
        self
    }

    /// Ends the request at the latest so long after it was made, whatever is left to try.
    pub const fn with_deadline(mut self, within: Duration) -> Self {
        self.within = Some(within);
        self
    }

    /// The component that is asked, if only one is.
    pub const fn peer(&self) -> Option<&ComponentId> {
        self.peer.as_ref()
    }

    /// The identifier that answers repeat.
    pub const fn request_id(&self) -> &RequestId {
        &self.id
    }
}

/// What a host wants of a [`Requester`](super::Requester). Answers are [received](crate::machine::Machine::receive).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum RequestInput {
    /// Make a request.
    Start(Box<OutboundRequest>),
    /// The answer is not wanted any more. Nothing is sent: the protocol has no such message.
    Cancel(RequestId),
}

/// Why a [`Requester`](super::Requester) refuses an input.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequesterError {
    /// As many requests are open as may be.
    #[error("{0} requests are open, which is the limit")]
    Busy(usize),
    /// As many requests are open, or ended a short while ago, as can be remembered.
    #[error("{0} requests are remembered, which is the limit")]
    TooManyRemembered(usize),
    /// The identifier is in use, or was a short while ago.
    #[error("`{}` was asked before; each request needs an identifier of its own", printable(.0))]
    AskedBefore(RequestId),
    /// Header and body have different identifiers.
    #[error("the header says `{header}` and the body `{body}`", header = printable(.header), body = printable(.body))]
    IdsDiffer {
        /// The identifier of the header.
        header: RequestId,
        /// That of the body.
        body: RequestId,
    },
    /// It was not asked here, it has ended, or it is so long ago that it is forgotten.
    #[error("`{0}` is not open")]
    NotOpen(RequestId),
    /// As many outputs wait to be fetched as may.
    #[error("{0} outputs wait to be fetched, which is the limit")]
    Unpolled(usize),
}

leaf_errors! {
    RequesterError, Machine {
        Self::Busy(_) => ["busy", Execution, Conflict, transient, "retry", "Ask again when an open request has ended."],
        Self::TooManyRemembered(_) => ["too-many-remembered", Execution, LimitExceeded, transient, "retry", "Ask again after a pause, or raise the limit."],
        Self::AskedBefore(_) => ["asked-before", Execution, Conflict, lasting, "correct_and_retry", "Ask under a fresh identifier."],
        Self::IdsDiffer { .. } => ["ids-differ", Execution, Conflict, lasting, "correct_and_retry", "Give header and body one identifier."],
        Self::NotOpen(_) => ["not-open", Execution, Conflict, lasting, "correct_and_retry", "Cancel open requests only."],
        Self::Unpolled(_) => ["unpolled", Execution, LimitExceeded, transient, "retry", "Fetch the outputs, then hand in the same input."],
    }
}

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum RequestOutcome {
    /// With this answer.
    Answered(Box<Envelope>),
    /// With this error report: it says that trying again does not help, or nothing is left to try.
    Failed(Box<Envelope>),
    /// Without an answer.
    TimedOut,
    /// By the caller.
    Cancelled,
}

impl RequestOutcome {
    /// How, without what came.
    pub const fn end(&self) -> RequestEnd {
        match self {
            RequestOutcome::Answered(_) => RequestEnd::Answered,
            RequestOutcome::Failed(_) => RequestEnd::Failed,
            RequestOutcome::TimedOut => RequestEnd::TimedOut,
            RequestOutcome::Cancelled => RequestEnd::Cancelled,
        }
    }
}

impl fmt::Display for RequestOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.end().fmt(f)
    }
}

/// How a request ended, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum RequestEnd {
    /// With an answer.
    Answered,
    /// With an error report.
    Failed,
    /// Without an answer.
    TimedOut,
    /// By the caller.
    Cancelled,
}

impl fmt::Display for RequestEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            RequestEnd::Answered => "answered",
            RequestEnd::Failed => "failed",
            RequestEnd::TimedOut => "timed out",
            RequestEnd::Cancelled => "cancelled",
        })
    }
}

/// What a [`Requester`](super::Requester) asks its host to do or to know: its effects. `Display` is one line for logs.
#[doc(alias = "effect")]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum RequestOutput {
    /// Send this attempt of a request, to the component that it names.
    Send(Outbound),
    /// The request waits in the responder's queue.
    Queued {
        /// The request.
        request_id: RequestId,
        /// The answer that says so.
        answer: Box<Envelope>,
    },
    /// The request ended. There is exactly one for each.
    Ended {
        /// The request.
        request_id: RequestId,
        /// How many attempts there were.
        attempts: u32,
        /// How it ended.
        outcome: RequestOutcome,
    },
    /// After the end of a request an answer came that says something else than the end did: it was
    /// performed although it failed, timed out or was cancelled, or two answers differ. The end stands.
    /// What this answer grants is not used: give it back.
    Contradiction {
        /// The request.
        request_id: RequestId,
        /// How it had ended.
        ended: RequestEnd,
        /// The answer.
        answer: Box<Envelope>,
    },
    /// A message was not applied.
    Ignored(Ignored),
}

machine_output!(RequestOutput);

impl fmt::Display for RequestOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RequestOutput::Send(outbound) => outbound.fmt(f),
            RequestOutput::Queued { request_id, .. } => write!(f, "queued {request_id}"),
            RequestOutput::Ended { request_id, attempts, outcome } => {
                write!(f, "end {request_id} {outcome} attempts={attempts}")
            }
            RequestOutput::Contradiction { request_id, ended, answer } => {
                let kind = answer.kind();
                write!(f, "{request_id} had ended ({ended}), now {kind} contradicts that")
            }
            RequestOutput::Ignored(ignored) => write!(f, "ignore {ignored}"),
        }
    }
}
