//! What goes in and out.

use crate::error::leaf_errors;
use crate::finding::Report;
use crate::machine::effect::machine_output;
use crate::machine::{Ignored, MessageIdentity, Outbound};
use crate::message::{DeadLetter, Envelope, Message, MessageKind, peek};
use crate::scalar::{ComponentId, Digest, RequestId, printable};
use serde::{Deserialize, Serialize};
use std::fmt;

/// One request of one component, to be handed back with its answer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RequestKey {
    /// Who asked; `None` if the request does not say.
    pub source: Option<ComponentId>,
    /// The request.
    pub request_id: RequestId,
}

impl fmt::Display for RequestKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Some(source) => write!(f, "{} of {source}", self.request_id),
            None => write!(f, "{}", self.request_id),
        }
    }
}

/// A record that the [`Gate`](crate::validate::Gate) refused.
#[derive(Clone, Debug)]
pub struct Rejected {
    pub(super) record: Vec<u8>,
    pub(super) report: Report,
    pub(super) from: Option<ComponentId>,
}

impl Rejected {
    /// A record, and the report that refused it.
    pub fn new(record: impl Into<Vec<u8>>, report: Report) -> Self {
        Rejected { record: record.into(), report, from: None }
    }

    /// What identifies the record, as far as it can be read.
    pub(super) fn identity(&self) -> MessageIdentity {
        let seen = std::str::from_utf8(&self.record).ok().map(peek);
        let kind = seen.as_ref().map_or(MessageKind::Unknown, |seen| seen.kind);
        let header = seen.and_then(|seen| seen.header).unwrap_or_default();
        MessageIdentity::from_header(kind, &header)
    }

    /// Sets the component that the transport knows the record to come from.
    pub fn with_source(mut self, from: ComponentId) -> Self {
        self.from = Some(from);
        self
    }
}

/// What a host wants of a [`Responder`](super::Responder). Requests are [received](crate::machine::Machine::receive).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum RespondInput {
    /// Something came that the gate refused. That is never an error.
    Rejected(Box<Rejected>),
    /// The request of a key has an answer. After an allocation response that says `queued`, there
    /// is one more.
    Answer(RequestKey, Box<Message>),
    /// The host keeps the answer of this request itself from now on, say in a store. It takes no place here any
    /// more, and a repetition comes out as [`Execute`](RespondOutput::Execute): the host compares its `content`
    /// with that of the request that was answered, and answers as before.
    Forget(RequestKey),
}

/// Why a [`Responder`](super::Responder) refuses an input, or answers a request that is valid by itself with an error
/// report.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResponderError {
    /// The request has its answer, ran out of time, or never came.
    #[error("`{}` is not under way", printable(.0))]
    NotUnderWay(RequestKey),
    /// Told to the requester only: its identifier stands for another request.
    #[error("`{}` was used for another request", printable(.0))]
    IdReused(RequestId),
    /// Told to the requester only: too many requests are under way.
    #[error("{0} requests are under way, which is the limit")]
    Busy(usize),
    /// Told to the requester only: more cannot be remembered.
    #[error("{0} requests are remembered, which is the limit")]
    TooManyRemembered(usize),
    /// Told to the requester only: no answer was given in time.
    #[error("the request was not answered in time")]
    TimedOut,
}

leaf_errors! {
    ResponderError, Machine {
        Self::NotUnderWay(_) => ["not-under-way", Execution, Conflict, lasting, "correct_and_retry", "Answer each request once, with the key that came with it."],
        Self::IdReused(_) => ["id-reused", State, Conflict, lasting, "correct_and_resend", "Send the request under an identifier of its own.", unrecoverable()],
        Self::Busy(_) => ["busy", Resource, LimitExceeded, transient, "retry", "Send the request again after a pause."],
        Self::TooManyRemembered(_) => ["too-many-remembered", Resource, LimitExceeded, transient, "retry", "Send the request again after a pause."],
        Self::TimedOut => ["timed-out", Execution, Timeout, transient, "retry", "Send the request again after a pause."],
    }
}

/// What a [`Responder`](super::Responder) asks its host to do or to know: its effects. `Display` is one line for logs.
#[doc(alias = "effect")]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum RespondOutput {
    /// Do what the request asks, and hand in the answer with the key.
    Execute {
        /// The key.
        key: RequestKey,
        /// The request.
        request: Box<Envelope>,
        /// The digest of what all attempts of a request share. Another one under the same key is another
        /// request.
        content: Digest,
    },
    /// Send this answer.
    Send(Outbound),
    /// Stop working on it: its time is over.
    Cancel(RequestKey),
    /// Keep this as evidence. It was not answered.
    DeadLetter(Box<DeadLetter>),
    /// A message was not applied.
    Ignored(Ignored),
}

machine_output!(RespondOutput);

impl fmt::Display for RespondOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RespondOutput::Execute { key, .. } => write!(f, "execute {key}"),
            RespondOutput::Send(outbound) => outbound.fmt(f),
            RespondOutput::Cancel(key) => write!(f, "cancel {key}"),
            RespondOutput::DeadLetter(letter) => write!(f, "dead letter: {}", letter.reason),
            RespondOutput::Ignored(ignored) => write!(f, "ignore {ignored}"),
        }
    }
}
