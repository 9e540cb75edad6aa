//! Asking, and asking again (specification, Request-Response Pattern).
//!
//! A request ends exactly once for its caller: answered, failed, timed out or cancelled. Between two
//! attempts there is a pause, drawn from an exponential [`Backoff`]. All attempts have the same
//! `request_id` and `correlation_id`, so the responder performs it once; each has its own
//! `message_id` and `timestamp`, so that it is not taken for a replay. The machine does not sign:
//! sign what it asks to send. Write all attempts of a request in one protocol version: 1.0.0 has no
//! `source`, and a [`Responder`](super::Responder) tells requests apart by it.
//!
//! Three readings of what the specification leaves open:
//!
//! * An answer that is an error report ends the request unless it says `recoverable: true`; then
//!   there is another attempt, if one is left.
//! * The answer `queued` stops the clock of the attempt. From then on the wait is the queue's: the
//!   request's own `max_wait_time`, or [`RequestOptions::queue_wait`].
//! * An answer of an earlier attempt is as good as that of the last.

use super::settings::{at_least, from_settings};
use super::window::Window;
use super::{Backoff, IgnoreReason, Machine, Settings, SplitMix64, Timers};
use crate::error::leaf_errors;
use crate::message::{Envelope, Message};
use crate::scalar::{
    AllocationStatus, ComponentId, CorrelationId, Instant, MessageId, Now, RequestId, printable,
};
use crate::validate::Checked;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::time::Duration;

/// How a [`Requester`] asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RequestOptions {
    /// How long one attempt waits for an answer. Default 30 s.
    pub timeout: Duration,
    /// The attempts and the pauses between them.
    pub backoff: Backoff,
    /// How long a queued request waits that has no `max_wait_time`. Default 10 min.
    pub queue_wait: Duration,
    /// How many requests may be open at a time, and how many ended ones are remembered.
    /// Default 1000.
    pub max_open: usize,
}

impl RequestOptions {
    /// The specification's figures.
    pub fn new() -> Self {
        RequestOptions::default()
    }

    /// Sets how long one attempt waits for an answer.
    pub const fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets the attempts and the pauses between them.
    pub const fn with_backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// Sets how long a queued request waits that has no `max_wait_time`.
    pub const fn with_queue_wait(mut self, wait: Duration) -> Self {
        self.queue_wait = wait;
        self
    }

    /// Sets how many requests may be open at a time.
    pub const fn with_max_open(mut self, max_open: usize) -> Self {
        self.max_open = max_open;
        self
    }
}

impl From<&Settings> for RequestOptions {
    fn from(settings: &Settings) -> Self {
        RequestOptions {
            timeout: settings.timeout_default,
            backoff: Backoff::from(settings),
            queue_wait: Duration::from_secs(600),
            max_open: settings.event_queue_size,
        }
    }
}
from_settings!(RequestOptions);

/// A request to be made.
#[derive(Clone, Debug)]
pub struct OutboundRequest {
    envelope: Envelope,
    id: RequestId,
    peer: Option<ComponentId>,
    within: Option<Duration>,
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

    /// The identifier that answers repeat.
    pub const fn request_id(&self) -> &RequestId {
        &self.id
    }
}

/// What goes into a [`Requester`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum RequestInput {
    /// Make a request.
    Start(Box<OutboundRequest>),
    /// Something came that answers a request.
    Answer(Box<Checked<Envelope>>),
    /// The answer is not wanted any more. Nothing is sent: the protocol has no such message.
    Cancel(RequestId),
}

/// Why a [`Requester`] refuses an input.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequesterError {
    /// As many requests are open as may be.
    #[error("{0} requests are open, which is the limit")]
    Busy(usize),
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
    /// The message does not say what it answers.
    #[error("the message answers no request: it has neither `response_to` nor `request_id`")]
    NoRequestId,
    /// It was not asked here, or it is so long ago that it is forgotten.
    #[error("`{}` was not asked", printable(.0))]
    NotAsked(RequestId),
    /// The answer belongs to another exchange.
    #[error("the answer to `{}` has another correlation_id than the request", printable(.0))]
    WrongCorrelation(RequestId),
    /// The answer comes from somebody who was not asked.
    #[error("the answer to `{}` comes from another component than the one that was asked", printable(.0))]
    WrongSource(RequestId),
}

leaf_errors! {
    RequesterError, Machine {
        Self::Busy(_) => ["busy", Execution, Conflict, transient, "retry", "Ask again when an open request has ended."],
        Self::AskedBefore(_) => ["asked-before", Execution, Conflict, lasting, "correct_and_retry", "Ask under a fresh identifier."],
        Self::IdsDiffer { .. } => ["ids-differ", Execution, Conflict, lasting, "correct_and_retry", "Give header and body one identifier."],
        Self::NoRequestId => ["no-request-id", Execution, Conflict, lasting, "correct_and_retry", "Hand on answers that say what they answer."],
        Self::NotAsked(_) => ["not-asked", Execution, Conflict, lasting, "correct_and_retry", "Hand on answers to what was asked only."],
        Self::WrongCorrelation(_) => ["wrong-correlation", Execution, Conflict, lasting, "correct_and_retry", "Repeat the `correlation_id` of the request."],
        Self::WrongSource(_) => ["wrong-source", Execution, Conflict, lasting, "correct_and_retry", "Hand on answers of the component that was asked only."],
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

impl fmt::Display for RequestOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RequestOutcome::Answered(_) => "answered",
            RequestOutcome::Failed(_) => "failed",
            RequestOutcome::TimedOut => "timed out",
            RequestOutcome::Cancelled => "cancelled",
        })
    }
}

/// What a [`Requester`] asks its host to do or to know: its effects. `Display` is one line for logs.
#[doc(alias = "effect")]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum RequestOutput {
    /// Send this.
    Send {
        /// The request.
        request_id: RequestId,
        /// Which attempt it is, from 1.
        attempt: u32,
        /// Whom to ask; `None` if the request names no component.
        to: Option<ComponentId>,
        /// What to send.
        envelope: Box<Envelope>,
    },
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
    /// An answer came that no request waits for.
    Ignored {
        /// The request that it answers.
        request_id: RequestId,
        /// Why it changes nothing.
        reason: IgnoreReason,
    },
}

impl fmt::Display for RequestOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RequestOutput::Send { request_id, attempt, .. } => {
                write!(f, "send {request_id} attempt={attempt}")
            }
            RequestOutput::Queued { request_id, .. } => write!(f, "queued {request_id}"),
            RequestOutput::Ended { request_id, attempts, outcome } => {
                write!(f, "end {request_id} {outcome} attempts={attempts}")
            }
            RequestOutput::Ignored { request_id, reason } => {
                write!(f, "ignore {request_id} {reason}")
            }
        }
    }
}

/// A request that has not ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Open {
    envelope: Envelope,
    peer: Option<ComponentId>,
    /// The attempts that were made.
    attempt: u32,
    /// When it ends at the latest.
    last: Option<Instant>,
    state: State,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum State {
    Waiting(Waiting),
    Resting(Resting),
    Queued(Queued),
}

/// An attempt was made, and no answer has come.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Waiting {}

/// There is a pause before the next attempt.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Resting {
    /// What the attempt ended with, unless it timed out.
    error: Option<Box<Envelope>>,
}

/// The responder has put it into its queue.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Queued {}

/// Makes requests; see [the module](super) for an example.
#[doc(alias = "retry")]
#[doc(alias = "timeout")]
#[doc(alias = "client")]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Requester {
    own: ComponentId,
    options: RequestOptions,
    rng: SplitMix64,
    #[serde(with = "super::pairs")]
    open: BTreeMap<RequestId, Open>,
    timers: Timers<RequestId>,
    /// The requests that ended, and whether with an answer.
    ended: Window<RequestId, bool>,
    out: VecDeque<RequestOutput>,
}

impl Requester {
    /// A requester of a component. The seed decides on pauses and message identifiers: give each
    /// start of a component a random one.
    pub fn new(own: ComponentId, seed: u64) -> Self {
        Requester {
            own,
            options: RequestOptions::default(),
            rng: SplitMix64::new(seed),
            open: BTreeMap::new(),
            timers: Timers::new(),
            ended: Window::new(),
            out: VecDeque::new(),
        }
    }

    /// Sets how it asks.
    pub fn with_options(mut self, options: RequestOptions) -> Self {
        self.options = options;
        self
    }

    /// The requests that have not ended.
    pub fn open(&self) -> impl Iterator<Item = &RequestId> {
        self.open.keys()
    }

    fn start(&mut self, now: Now, request: OutboundRequest) -> Result<(), RequesterError> {
        let OutboundRequest { mut envelope, id, peer, within } = request;
        // A bound refuses the newest and ends none of the open ones: each of those was promised an
        // end.
        if self.open.len() >= self.options.max_open.max(1) {
            return Err(RequesterError::Busy(self.open.len()));
        }
        // A late answer to the earlier request of that name would end this one.
        if self.open.contains_key(&id) || self.ended.get(&id).is_some() {
            return Err(RequesterError::AskedBefore(id));
        }
        // Answers repeat either of the two. If they differ, half of the answers belong to no
        // request.
        if let Some(body) = own_id(&envelope.message).filter(|body| **body != id) {
            return Err(RequesterError::IdsDiffer { header: id, body: body.clone() });
        }
        // Responders tell requests apart by source and identifier, so a request without a source
        // shares its names with all others of that kind.
        envelope.header.source.get_or_insert_with(|| self.own.clone());
        let last = within.and_then(|within| now.at.after(at_least(within)));
        let state = State::Waiting(Waiting {});
        self.attempt(now, id, Open { envelope, peer, attempt: 0, last, state });
        Ok(())
    }

    /// Sends the next attempt.
    fn attempt(&mut self, now: Now, id: RequestId, mut open: Open) {
        open.attempt = open.attempt.saturating_add(1);
        open.state = State::Waiting(Waiting {});
        let header = &mut open.envelope.header;
        header.timestamp = Some(now.timestamp());
        // Each attempt is a message of its own, or a replay cache on the way would drop the
        // repetition. The caller's own identifier is kept for the first.
        if open.attempt > 1 || header.message_id.is_none() {
            let fresh = MessageId::generate(now.id_millis(), self.rng.id_bytes());
            header.message_id = Some(fresh);
        }
        self.out.push_back(RequestOutput::Send {
            request_id: id.clone(),
            attempt: open.attempt,
            to: open.peer.clone(),
            envelope: Box::new(open.envelope.clone()),
        });
        self.wait(now, id, open, self.options.timeout);
    }

    /// Keeps a request open for a while, but not beyond its last moment.
    fn wait(&mut self, now: Now, id: RequestId, open: Open, duration: Duration) {
        let until = now.at.after(at_least(duration));
        // The total deadline cuts every wait short: that of an attempt, of a pause, and of the
        // queue.
        let until = match (until, open.last) {
            (Some(until), Some(last)) => Some(until.min(last)),
            (until, last) => until.or(last),
        };
        self.timers.set(id.clone(), until);
        self.open.insert(id, open);
    }

    /// Pauses before the next attempt, or ends it if there is none.
    fn rest(&mut self, now: Now, id: RequestId, mut open: Open, error: Option<Box<Envelope>>) {
        let over = open.last.is_some_and(|last| last <= now.at);
        // Ends with what the last attempt brought: an error report tells the caller more than a
        // timeout.
        if over || !self.options.backoff.allows_after(open.attempt) {
            return self.end(
                id,
                open.attempt,
                error.map_or(RequestOutcome::TimedOut, RequestOutcome::Failed),
            );
        }
        // Also after an error report that asks for a retry: who is overloaded is not helped by
        // haste.
        let pause = self.options.backoff.pause(open.attempt, &mut self.rng);
        open.state = State::Resting(Resting { error });
        self.wait(now, id, open, pause);
    }

    fn end(&mut self, request_id: RequestId, attempts: u32, outcome: RequestOutcome) {
        self.open.remove(&request_id);
        self.timers.set(request_id.clone(), None);
        // Tells a repeated answer from one that came too late, which hints at a timeout that is too
        // short.
        let answered = matches!(outcome, RequestOutcome::Answered(_) | RequestOutcome::Failed(_));
        self.ended.put(request_id.clone(), answered, None, self.options.max_open);
        self.out.push_back(RequestOutput::Ended { request_id, attempts, outcome });
    }

    fn ignore(&mut self, request_id: RequestId, reason: IgnoreReason) {
        self.out.push_back(RequestOutput::Ignored { request_id, reason });
    }

    fn answer(&mut self, now: Now, answer: Checked<Envelope>) -> Result<(), RequesterError> {
        let id = answered(&answer).ok_or(RequesterError::NoRequestId)?.clone();
        // After its end a request is remembered for a while, so that what comes late is ignored
        // with a reason. What was never asked is an error of the host or a forgery.
        let Some(open) = self.open.get(&id) else {
            let Some(answered) = self.ended.get(&id) else {
                return Err(RequesterError::NotAsked(id));
            };
            let reason = if *answered { IgnoreReason::Duplicate } else { IgnoreReason::Late };
            self.ignore(id, reason);
            return Ok(());
        };
        let (said, asked) = (&answer.header.correlation_id, &open.envelope.header.correlation_id);
        // Only a contradiction is refused, for not every answer repeats the correlation.
        if said.is_some() && said != asked {
            return Err(RequesterError::WrongCorrelation(id));
        }
        // A peer of 1.0.0 cannot say who it is. Then the correlation vouches for it, which only
        // those know who saw the request.
        let anonymous = answer.header.source.is_none() && said.is_some();
        if open.peer.is_some() && open.peer != answer.header.source && !anonymous {
            return Err(RequesterError::WrongSource(id));
        }
        // From here on nothing is refused: the request ends, or is entered again.
        let Some(mut open) = self.open.remove(&id) else { return Ok(()) };
        let attempts = open.attempt;
        match (verdict(&answer), &open.state) {
            (Verdict::Final, _) => {
                self.end(id, attempts, RequestOutcome::Answered(Box::new(answer.into_inner())));
            }
            (Verdict::Hopeless, _) => {
                self.end(id, attempts, RequestOutcome::Failed(Box::new(answer.into_inner())));
            }
            // The next attempt is on its way, or it waits in the queue already.
            (Verdict::TryAgain, State::Resting(_)) | (Verdict::Queued, State::Queued(_)) => {
                self.open.insert(id.clone(), open);
                self.ignore(id, IgnoreReason::Duplicate);
            }
            (Verdict::TryAgain, _) => self.rest(now, id, open, Some(Box::new(answer.into_inner()))),
            (Verdict::Queued, _) => {
                let asked = match &open.envelope.message {
                    Message::AllocationRequest(body) => body.constraints.as_ref(),
                    _ => None,
                };
                // The wait is the queue's from now on. The clock of the attempt would end requests
                // that are only waiting their turn, and the retry would put them at the end of the
                // queue.
                let wait = asked
                    .and_then(|constraints| constraints.max_wait_time.as_ref()?.value())
                    .unwrap_or(self.options.queue_wait);
                open.state = State::Queued(Queued {});
                self.out.push_back(RequestOutput::Queued {
                    request_id: id.clone(),
                    answer: Box::new(answer.into_inner()),
                });
                self.wait(now, id, open, wait);
            }
        }
        Ok(())
    }
}

/// The identifier that the body of a request has.
pub(super) fn own_id(message: &Message) -> Option<&RequestId> {
    match message {
        Message::AllocationRequest(body) => Some(&body.request_id),
        Message::ConflictCheck(body) => Some(&body.request_id),
        _ => None,
    }
}

/// What an answer means for its request.
enum Verdict {
    Final,
    Queued,
    TryAgain,
    Hopeless,
}

fn verdict(answer: &Envelope) -> Verdict {
    match &answer.message {
        Message::ErrorReport(report) if report.classification.recoverable == Some(true) => {
            Verdict::TryAgain
        }
        // No word on `recoverable` counts as no: a retry of what cannot succeed only adds load.
        Message::ErrorReport(_) => Verdict::Hopeless,
        Message::AllocationResponse(body) if body.status == AllocationStatus::Queued => {
            Verdict::Queued
        }
        _ => Verdict::Final,
    }
}

/// The request that a message answers.
fn answered(answer: &Envelope) -> Option<&RequestId> {
    let header = &answer.header;
    // A message that asks for an answer is a request itself.
    let asks = header.response_required == Some(true);
    let body = match &answer.message {
        Message::AllocationResponse(body) => Some(&body.request_id),
        Message::ConflictCheck(body) if !asks => Some(&body.request_id),
        _ => None,
    };
    let own = header.request_id.as_ref().filter(|_| !asks);
    // The header's word first: it names what is answered, while a body may just repeat its request.
    header.response_to.as_ref().or(body).or(own)
}

impl Machine for Requester {
    type Input = RequestInput;
    type Output = RequestOutput;
    type Error = RequesterError;

    fn handle(&mut self, now: Now, input: RequestInput) -> Result<(), RequesterError> {
        match input {
            RequestInput::Start(request) => self.start(now, *request),
            RequestInput::Answer(answer) => self.answer(now, *answer),
            RequestInput::Cancel(id) => match self.open.get(&id) {
                Some(open) => {
                    let attempts = open.attempt;
                    self.end(id, attempts, RequestOutcome::Cancelled);
                    Ok(())
                }
                None => Err(RequesterError::NotAsked(id)),
            },
        }
    }

    fn handle_timeout(&mut self, now: Now) {
        while let Some(id) = self.timers.due(now.at) {
            let Some(open) = self.open.remove(&id) else { continue };
            let over = open.last.is_some_and(|last| last <= now.at);
            let attempts = open.attempt;
            match open.state.clone() {
                State::Waiting(Waiting {}) => self.rest(now, id, open, None),
                // Pause and total deadline can be due at the same instant. The end wins, or an
                // attempt would go out whose answer no request waits for.
                State::Resting(Resting { error }) if over => {
                    self.end(
                        id,
                        attempts,
                        error.map_or(RequestOutcome::TimedOut, RequestOutcome::Failed),
                    );
                }
                State::Resting(_) => self.attempt(now, id, open),
                // No further attempt: it would only join the same queue at its end.
                State::Queued(Queued {}) => self.end(id, attempts, RequestOutcome::TimedOut),
            }
        }
    }

    fn poll(&mut self) -> Option<RequestOutput> {
        self.out.pop_front()
    }

    fn deadline(&self) -> Option<Instant> {
        self.timers.earliest()
    }
}
