//! Asking, and asking again (specification, Request-Response Pattern).
//!
//! A request ends exactly once for its caller: answered, failed, timed out or cancelled. Between two
//! attempts there is a pause, drawn from an exponential [`Backoff`]. All attempts have the same
//! `request_id` and `correlation_id`, so the responder performs it once; each has its own
//! `message_id` and `timestamp`, so that it is not taken for a replay. The machine does not sign:
//! sign what it asks to send. Write all attempts of a request in one protocol version: 1.0.0 has no
//! `source`, and a [`Responder`](super::Responder) tells requests apart by it.
//!
//! Readings of what the specification leaves open:
//!
//! * An answer that is an error report ends the request unless it says `recoverable: true`; then
//!   there is another attempt, if one is left.
//! * The answer `queued` stops the clock of the attempt. From then on the wait is the queue's: the
//!   request's own `max_wait_time`, or [`RequestOptions::queue_wait`].
//! * A final answer to an earlier attempt is as good as one to the last. But an error report that is
//!   repeated, or answers an earlier attempt (its `causation_id` says so), uses up no attempt.
//! * A final answer after the end that says something else than the end did is told as a
//!   [`Contradiction`](RequestOutput::Contradiction): what was granted late can be given back.

use super::effect::{NotApplied, machine_output};
use super::outbox::{Outbox, bounded_outputs};
use super::settings::{at_least, from_settings};
use super::window::Window;
use super::{
    Backoff, IgnoreReason, Ignored, Machine, Outbound, Purpose, Settings, SplitMix64, Timers,
    snapshot_of,
};
use crate::error::{Error, leaf_errors};
use crate::json::Json;
use crate::message::{Envelope, Message};
use crate::scalar::{
    AllocationStatus, ComponentId, CorrelationId, Digest, ErrorId, Instant, MessageId, Now,
    RequestId, printable,
};
use crate::validate::Checked;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
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

    /// The longest time from the first attempt of a request to the end of its last, pauses included,
    /// unless it waits in a queue. Who answers has to remember its answers for that long, and so does
    /// who keeps out repeated messages.
    pub fn longest(&self) -> Duration {
        let attempts = self.backoff.attempts.max(1);
        // The pause after the last one, too: what is on its way then may still arrive.
        let pause = self.backoff.ceiling(attempts);
        at_least(self.timeout).saturating_add(pause).saturating_mul(attempts)
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

    /// The component that is asked, if only one is.
    pub const fn peer(&self) -> Option<&ComponentId> {
        self.peer.as_ref()
    }

    /// The identifier that answers repeat.
    pub const fn request_id(&self) -> &RequestId {
        &self.id
    }
}

/// What a host wants of a [`Requester`]. Answers are [received](Machine::receive).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum RequestInput {
    /// Make a request.
    Start(Box<OutboundRequest>),
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

/// What a [`Requester`] asks its host to do or to know: its effects. `Display` is one line for logs.
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

/// A request that has not ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Open {
    envelope: Envelope,
    peer: Option<ComponentId>,
    /// The attempts that were made.
    attempt: u32,
    /// The error reports that ended attempts, by which their repetitions are known.
    errors: Vec<ErrorId>,
    /// When it ends at the latest.
    last: Option<Instant>,
    state: State,
}

/// What is remembered of a request that ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Past {
    correlation_id: Option<CorrelationId>,
    peer: Option<ComponentId>,
    end: RequestEnd,
    /// The digests of the answer that ended it and of the last that contradicted that.
    answer: Option<Digest>,
    contradiction: Option<Digest>,
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
    /// The requests that ended.
    ended: Window<RequestId, Past>,
    out: Outbox<RequestOutput>,
}

bounded_outputs!(Requester);

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
            out: Outbox::new(),
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
        self.may_start(&request)?;
        let OutboundRequest { mut envelope, id, peer, within } = request;
        // Responders tell requests apart by source and identifier, so a request without a source
        // shares its names with all others of that kind.
        envelope.header.source.get_or_insert_with(|| self.own.clone());
        let last = within.and_then(|within| now.at.after(at_least(within)));
        let state = State::Waiting(Waiting {});
        let open = Open { envelope, peer, attempt: 0, errors: Vec::new(), last, state };
        self.attempt(now, id, open);
        Ok(())
    }

    /// Whether a request can be made.
    pub(super) fn may_start(&self, request: &OutboundRequest) -> Result<(), RequesterError> {
        let OutboundRequest { envelope, id, .. } = request;
        self.out.command(RequesterError::Unpolled)?;
        // A bound refuses the newest and ends none of the open ones: each of those was promised an
        // end.
        if self.open.len() >= self.options.max_open.max(1) {
            return Err(RequesterError::Busy(self.open.len()));
        }
        // A late answer to the earlier request of that name would end this one.
        if self.open.contains_key(id) || self.ended.get(id).is_some() {
            return Err(RequesterError::AskedBefore(id.clone()));
        }
        // Answers repeat either of the two. If they differ, half of the answers belong to no
        // request.
        if let Some(body) = own_id(&envelope.message).filter(|body| *body != id) {
            return Err(RequesterError::IdsDiffer { header: id.clone(), body: body.clone() });
        }
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
        let to = open.peer.iter().cloned().collect();
        let purpose = Purpose::Request { attempt: open.attempt };
        self.out.push(Outbound::new(to, open.envelope.clone(), purpose));
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
            let outcome = error.map_or(RequestOutcome::TimedOut, RequestOutcome::Failed);
            return self.end(id, open, outcome);
        }
        // Also after an error report that asks for a retry: who is overloaded is not helped by
        // haste.
        let pause = self.options.backoff.pause(open.attempt, &mut self.rng);
        open.state = State::Resting(Resting { error });
        self.wait(now, id, open, pause);
    }

    fn end(&mut self, request_id: RequestId, open: Open, mut outcome: RequestOutcome) {
        self.timers.set(request_id.clone(), None);
        let answer = match &mut outcome {
            RequestOutcome::Answered(answer) | RequestOutcome::Failed(answer) => Some(said(answer)),
            RequestOutcome::TimedOut | RequestOutcome::Cancelled => None,
        };
        let past = Past {
            correlation_id: open.envelope.header.correlation_id,
            peer: open.peer,
            end: outcome.end(),
            answer,
            contradiction: None,
        };
        self.ended.put(request_id.clone(), past, None, self.options.max_open);
        let attempts = open.attempt;
        self.out.push(RequestOutput::Ended { request_id, attempts, outcome });
    }

    fn answer(&mut self, now: Now, answer: Checked<Envelope>) -> Result<(), NotApplied> {
        let id = answered(&answer).ok_or(IgnoreReason::Unwanted)?.clone();
        let Some(open) = self.open.get(&id) else { return self.after_the_end(id, answer) };
        let asked = open.envelope.header.correlation_id.as_ref();
        belongs(&id, &answer, asked, open.peer.as_ref())?;
        let verdict = verdict(&answer);
        if let (Verdict::TryAgain, Message::ErrorReport(report)) = (&verdict, &answer.message) {
            // It ended its attempt before. Counted again, each repetition on the way would cost one,
            // and a request could end as failed while it is performed.
            if open.errors.contains(&report.error_id) {
                return Err(IgnoreReason::Duplicate.into());
            }
            let (caused, sent) = (&answer.header.causation_id, &open.envelope.header.message_id);
            if caused.is_some() && caused != sent {
                let detail = "it is about an earlier attempt";
                return Err(NotApplied::new(IgnoreReason::Stale, detail));
            }
        }
        match (&verdict, &open.state) {
            // The attempt is over already, or the request waits in the queue already.
            (Verdict::TryAgain, State::Resting(_)) => {
                let detail = "the attempt is over";
                return Err(NotApplied::new(IgnoreReason::Late, detail));
            }
            (Verdict::Queued, State::Queued(_)) => return Err(IgnoreReason::Duplicate.into()),
            _ => {}
        }
        // From here on nothing is refused: the request ends, or is entered again.
        let Some(mut open) = self.open.remove(&id) else { return Ok(()) };
        let answer = Box::new(answer.into_inner());
        match verdict {
            Verdict::Final => self.end(id, open, RequestOutcome::Answered(answer)),
            Verdict::Hopeless => self.end(id, open, RequestOutcome::Failed(answer)),
            Verdict::TryAgain => {
                if let Message::ErrorReport(report) = &answer.message {
                    open.errors.push(report.error_id.clone());
                }
                self.rest(now, id, open, Some(answer));
            }
            Verdict::Queued => {
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
                self.out.push(RequestOutput::Queued { request_id: id.clone(), answer });
                self.wait(now, id, open, wait);
            }
        }
        Ok(())
    }

    /// An answer to a request that has ended, or was never made.
    fn after_the_end(
        &mut self,
        id: RequestId,
        answer: Checked<Envelope>,
    ) -> Result<(), NotApplied> {
        // After its end a request is remembered for a while. What was never asked is a stray, or a
        // forgery.
        let past = self.ended.get(&id);
        let past = past.ok_or_else(|| {
            NotApplied::new(IgnoreReason::Unknown, format_args!("`{id}` was not asked"))
        })?;
        belongs(&id, &answer, past.correlation_id.as_ref(), past.peer.as_ref())?;
        let (ended, verdict) = (past.end, verdict(&answer));
        let mut answer = Box::new(answer.into_inner());
        let said = Some(said(&mut answer));
        // A contradiction is told once, too: what it grants is to be given back once.
        if past.answer == said || past.contradiction == said {
            return Err(IgnoreReason::Duplicate.into());
        }
        let contradicts = match (ended, verdict) {
            // It neither did nor undid anything.
            (_, Verdict::TryAgain | Verdict::Queued) => false,
            // Two answers of which only one can be true.
            (RequestEnd::Answered, _) => true,
            // It was not done, as the end has it.
            (_, Verdict::Hopeless) => false,
            (_, Verdict::Final) => !denies(&answer),
        };
        if !contradicts {
            return Err(IgnoreReason::Late.into());
        }
        if let Some(past) = self.ended.get_mut(&id) {
            past.contradiction = said;
        }
        self.out.push(RequestOutput::Contradiction { request_id: id, ended, answer });
        Ok(())
    }
}

/// Refuses an answer of another exchange, or of another component than the one that was asked.
fn belongs(
    id: &RequestId,
    answer: &Envelope,
    correlation: Option<&CorrelationId>,
    peer: Option<&ComponentId>,
) -> Result<(), NotApplied> {
    let said = answer.header.correlation_id.as_ref();
    // Only a contradiction is refused, for not every answer repeats the correlation.
    if said.is_some() && said != correlation {
        let detail = format!("it has another correlation_id than the request `{id}`");
        return Err(NotApplied::new(IgnoreReason::Mismatch, detail));
    }
    // A peer of 1.0.0 cannot say who it is. Then the correlation vouches for it, which only those
    // know who saw the request.
    let anonymous = answer.header.source.is_none() && said.is_some();
    if peer.is_some() && peer != answer.header.source.as_ref() && !anonymous {
        let detail = format!("another component was asked `{id}`");
        return Err(NotApplied::new(IgnoreReason::WrongSender, detail));
    }
    Ok(())
}

/// The digest of what an answer says, whichever message it came in.
fn said(answer: &mut Envelope) -> Digest {
    let header = std::mem::take(&mut answer.header);
    let digest = Digest::of(answer.to_string().as_bytes());
    answer.header = header;
    digest
}

/// Whether an answer grants nothing.
fn denies(answer: &Envelope) -> bool {
    matches!(&answer.message, Message::AllocationResponse(body)
        if body.status == AllocationStatus::Denied)
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
            RequestInput::Cancel(id) => match self.open.remove(&id) {
                Some(open) => {
                    self.end(id, open, RequestOutcome::Cancelled);
                    Ok(())
                }
                None => Err(RequesterError::NotOpen(id)),
            },
        }
    }

    fn wants(&self, message: &Envelope) -> bool {
        answered(message)
            .is_some_and(|id| self.open.contains_key(id) || self.ended.get(id).is_some())
    }

    fn receive(&mut self, now: Now, message: Checked<Envelope>) {
        let Some(identity) = self.out.room_for(&message) else { return };
        if let Err(why) = self.answer(now, message) {
            self.out.ignore(identity, why);
        }
    }

    fn handle_timeout(&mut self, now: Now) {
        while !self.out.is_full()
            && let Some(id) = self.timers.due(now.at)
        {
            let Some(open) = self.open.remove(&id) else { continue };
            let over = open.last.is_some_and(|last| last <= now.at);
            match open.state.clone() {
                State::Waiting(Waiting {}) => self.rest(now, id, open, None),
                // Pause and total deadline can be due at the same instant. The end wins, or an
                // attempt would go out whose answer no request waits for.
                State::Resting(Resting { error }) if over => {
                    let outcome = error.map_or(RequestOutcome::TimedOut, RequestOutcome::Failed);
                    self.end(id, open, outcome);
                }
                State::Resting(_) => self.attempt(now, id, open),
                // No further attempt: it would only join the same queue at its end.
                State::Queued(Queued {}) => self.end(id, open, RequestOutcome::TimedOut),
            }
        }
    }

    fn poll(&mut self) -> Option<RequestOutput> {
        self.out.pop()
    }

    fn deadline(&self) -> Option<Instant> {
        if self.out.is_full() { None } else { self.timers.earliest() }
    }

    fn snapshot(&self) -> Result<Json, Error> {
        snapshot_of(self)
    }
}
