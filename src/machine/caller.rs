//! Asking those who work: a [`Requester`] and a [`Breaker`] for each component that it asks.
//!
//! The two are easily joined wrongly: a request that is refused before it leaves is no failure of the
//! component, a cancelled one says nothing, a queued one shows that the component works, and a request
//! from before an outage says nothing about the time after it. This machine joins them once.
//!
//! | the request | counts for the circuit of its component as |
//! |---|---|
//! | is refused because too many are open, or its identifier was used | nothing, it is no call |
//! | is answered, or waits in the component's queue | success |
//! | ends with an error report that is not recoverable | success: somebody works there |
//! | ends with one that is recoverable, or without an answer | failure |
//! | is cancelled | nothing |
//!
//! A request without a [peer](OutboundRequest::with_peer) may be answered by anybody; all of them share
//! one circuit.

use super::breaker::{
    Breaker, BreakerError, BreakerInput, BreakerOptions, BreakerOutput, CallResult, Circuit,
};
use super::effect::machine_output;
use super::outbox::{Outbox, bounded_outputs};
use super::request::{
    OutboundRequest, RequestInput, RequestOptions, RequestOutcome, RequestOutput, Requester,
    RequesterError,
};
use super::settings::from_settings;
use super::{Ignored, Machine, Outbound, Settings, Timers, earliest, snapshot_of};
use crate::error::{Error, leaf_errors};
use crate::json::Json;
use crate::message::{Envelope, Message};
use crate::scalar::{ComponentId, Instant, Now, RequestId};
use crate::validate::Checked;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// How a [`Caller`] asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CallerOptions {
    /// How requests are made.
    pub request: RequestOptions,
    /// When circuits open and close.
    pub breaker: BreakerOptions,
}

impl CallerOptions {
    /// The specification's figures.
    pub fn new() -> Self {
        CallerOptions::default()
    }

    /// Sets how requests are made.
    pub const fn with_request(mut self, request: RequestOptions) -> Self {
        self.request = request;
        self
    }

    /// Sets when circuits open and close.
    pub const fn with_breaker(mut self, breaker: BreakerOptions) -> Self {
        self.breaker = breaker;
        self
    }
}

impl From<&Settings> for CallerOptions {
    fn from(settings: &Settings) -> Self {
        let request = RequestOptions::from(settings);
        // A probe is a request with all its attempts. Cut short, its answer would come for nothing.
        let breaker = BreakerOptions::from(settings).with_probe(request.longest());
        CallerOptions { request, breaker }
    }
}
from_settings!(CallerOptions);

/// Why a [`Caller`] refuses an input.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallerError {
    /// The component is left alone: do without it, or ask later.
    #[error(transparent)]
    Circuit(#[from] BreakerError),
    /// The request cannot be made, whoever is asked.
    #[error(transparent)]
    Request(#[from] RequesterError),
}

leaf_errors! {
    CallerError, Machine {
        Self::Circuit(error) => (error),
        Self::Request(error) => (error),
    }
}

/// What a [`Caller`] asks its host to do or to know: its effects. `Display` is one line for logs.
#[doc(alias = "effect")]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum CallerOutput {
    /// Send this attempt of a request, to the component that it names.
    Send(Outbound),
    /// Something about a request: that it is queued, how it ended, or that an answer contradicts that.
    Request(RequestOutput),
    /// The circuit of a component changed.
    Circuit {
        /// The component; `None` for requests that name none.
        peer: Option<ComponentId>,
        /// What it was.
        from: Circuit,
        /// What it is.
        to: Circuit,
    },
    /// A message was not applied.
    Ignored(Ignored),
}

machine_output!(CallerOutput);

impl fmt::Display for CallerOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CallerOutput::Send(outbound) => outbound.fmt(f),
            CallerOutput::Request(output) => output.fmt(f),
            CallerOutput::Circuit { peer: Some(peer), from, to } => {
                write!(f, "circuit of {peer} {from} -> {to}")
            }
            CallerOutput::Circuit { peer: None, from, to } => write!(f, "circuit {from} -> {to}"),
            CallerOutput::Ignored(ignored) => write!(f, "ignore {ignored}"),
        }
    }
}

/// Makes requests of components that work.
///
/// ```
/// use coordination_protocol::machine::{
///     BreakerOptions, Caller, CallerOptions, Machine, OutboundRequest, RequestInput,
/// };
/// use coordination_protocol::message::ConflictCheck;
/// use coordination_protocol::scalar::{ComponentId, Instant, Now, RequestId};
/// use std::time::Duration;
///
/// let options = CallerOptions::new().with_breaker(BreakerOptions::new().with_failures(1));
/// let mut hub = Caller::new(ComponentId::new("hub")?, 7).with_options(options);
/// let manager = ComponentId::new("resource-manager")?;
/// let ask = |id: &str, now| -> Result<_, Box<dyn std::error::Error>> {
///     let check = ConflictCheck::new(RequestId::new(id)?);
///     let request = OutboundRequest::new(check, now, [7; 10]).with_peer(manager.clone());
///     Ok(RequestInput::Start(Box::new(request.with_deadline(Duration::from_secs(5)))))
/// };
///
/// // No answer comes within five seconds, so the circuit opens, and the next request is refused.
/// let now = |seconds: u64| Now::new(Instant::from_millis(seconds * 1_000), 1_736_942_400_000);
/// hub.handle(now(0), ask("req_1", now(0))?)?;
/// hub.handle_timeout(now(5));
/// let said: Vec<String> = std::iter::from_fn(|| hub.poll()).map(|said| said.to_string()).collect();
/// assert_eq!(said, [
///     "send conflict_check req_1 attempt=1 to resource-manager",
///     "end req_1 timed out attempts=1",
///     "circuit of resource-manager closed -> open",
/// ]);
/// let refused = hub.handle(now(6), ask("req_2", now(6))?).unwrap_err();
/// assert_eq!(refused.to_string(), "the circuit is open until 35s");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "client")]
#[doc(alias = "circuit breaker")]
#[doc(alias = "retry")]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Caller {
    options: CallerOptions,
    requester: Requester,
    /// The circuits that are not as they were made.
    #[serde(with = "super::pairs")]
    breakers: BTreeMap<Option<ComponentId>, Breaker>,
    /// Which component each open request counts for.
    #[serde(with = "super::pairs")]
    calls: BTreeMap<RequestId, Option<ComponentId>>,
    timers: Timers<Option<ComponentId>>,
    out: Outbox<CallerOutput>,
}

bounded_outputs!(Caller);

impl Caller {
    /// A caller of a component. The seed decides on pauses and message identifiers: give each start of
    /// a component a random one.
    pub fn new(own: ComponentId, seed: u64) -> Self {
        let options = CallerOptions::default();
        Caller {
            options,
            requester: Requester::new(own, seed).with_options(options.request),
            breakers: BTreeMap::new(),
            calls: BTreeMap::new(),
            timers: Timers::new(),
            out: Outbox::new(),
        }
    }

    /// Sets how it asks.
    pub fn with_options(mut self, options: CallerOptions) -> Self {
        self.options = options;
        self.requester = self.requester.with_options(options.request);
        self
    }

    /// The requests that have not ended.
    pub fn open(&self) -> impl Iterator<Item = &RequestId> {
        self.requester.open()
    }

    /// The circuit of a component; `None` is that of requests that name none.
    pub fn circuit(&self, peer: Option<&ComponentId>) -> Circuit {
        let breaker = self.breakers.get(&peer.cloned());
        breaker.map_or(Circuit::Closed, Breaker::circuit)
    }

    fn start(&mut self, now: Now, request: Box<OutboundRequest>) -> Result<(), CallerError> {
        self.out.command(RequesterError::Unpolled)?;
        // Before the circuit is asked: what cannot leave is no call, and must not take the place of
        // the probe.
        self.requester.may_start(now, &request)?;
        let (peer, id) = (request.peer().cloned(), request.request_id().clone());
        let options = self.options.breaker.with_calls(self.options.request.max_open);
        let breaker = self.breakers.entry(peer.clone()).or_insert_with(|| Breaker::new(options));
        let permitted = breaker.handle(now, BreakerInput::Call(id.clone()));
        self.settle(&peer);
        permitted?;
        self.calls.insert(id, peer);
        self.requester.handle(now, RequestInput::Start(request))?;
        self.follow(now);
        Ok(())
    }

    /// Tells what changed about a circuit, and forgets one that is as it was made: how many are kept
    /// is bounded by those that are asked and those that fail.
    #[allow(clippy::ref_option, reason = "it is the key of the maps")]
    fn settle(&mut self, peer: &Option<ComponentId>) {
        let Some(breaker) = self.breakers.get_mut(peer) else { return };
        while let Some(output) = breaker.poll() {
            if let BreakerOutput::Changed { from, to } = output {
                self.out.push(CallerOutput::Circuit { peer: peer.clone(), from, to });
            }
        }
        self.timers.set(peer.clone(), breaker.deadline());
        if breaker.is_idle() {
            self.breakers.remove(peer);
        }
    }

    /// Carries out the outputs of the requester.
    fn follow(&mut self, now: Now) {
        while let Some(output) = self.requester.poll() {
            let result = match output {
                RequestOutput::Send(outbound) => {
                    self.out.push(outbound);
                    continue;
                }
                RequestOutput::Ignored(ignored) => {
                    self.out.push(ignored);
                    continue;
                }
                // The component has answered. What becomes of the request in its queue says nothing
                // about whether it works.
                RequestOutput::Queued { ref request_id, .. } => {
                    Some((request_id.clone(), CallResult::Success))
                }
                RequestOutput::Ended { ref request_id, ref outcome, .. } => {
                    Some((request_id.clone(), says(outcome)))
                }
                RequestOutput::Contradiction { .. } => None,
            };
            let ended = matches!(output, RequestOutput::Ended { .. });
            self.out.push(CallerOutput::Request(output));
            let Some((id, result)) = result else { continue };
            let Some(peer) = self.calls.get(&id).cloned() else { continue };
            if ended {
                self.calls.remove(&id);
            }
            if let Some(breaker) = self.breakers.get_mut(&peer) {
                // A call that has ended for the breaker before is not counted again. And it refuses
                // no end.
                let _ = breaker.handle(now, BreakerInput::Ended(id, result));
            }
            self.settle(&peer);
        }
    }
}

/// What the end of a request says about the component that was asked.
fn says(outcome: &RequestOutcome) -> CallResult {
    match outcome {
        RequestOutcome::Answered(_) => CallResult::Success,
        RequestOutcome::Failed(answer) => match &answer.message {
            // It said in each attempt that it could not, and that it might later.
            Message::ErrorReport(report) if report.classification.recoverable == Some(true) => {
                CallResult::Failure
            }
            _ => CallResult::Success,
        },
        RequestOutcome::TimedOut => CallResult::Failure,
        RequestOutcome::Cancelled => CallResult::Neutral,
    }
}

impl Machine for Caller {
    type Input = RequestInput;
    type Output = CallerOutput;
    type Error = CallerError;

    fn handle(&mut self, now: Now, input: RequestInput) -> Result<(), CallerError> {
        match input {
            RequestInput::Start(request) => return self.start(now, request),
            RequestInput::Cancel(id) => self.requester.handle(now, RequestInput::Cancel(id))?,
        }
        self.follow(now);
        Ok(())
    }

    fn wants(&self, message: &Envelope) -> bool {
        self.requester.wants(message)
    }

    fn receive(&mut self, now: Now, message: Checked<Envelope>) {
        if self.out.room_for(&message).is_some() {
            self.requester.receive(now, message);
            self.follow(now);
        }
    }

    fn handle_timeout(&mut self, now: Now) {
        if self.out.is_full() {
            return;
        }
        self.requester.handle_timeout(now);
        self.follow(now);
        while !self.out.is_full()
            && let Some(peer) = self.timers.due(now.at)
        {
            if let Some(breaker) = self.breakers.get_mut(&peer) {
                breaker.handle_timeout(now);
            }
            self.settle(&peer);
        }
    }

    fn poll(&mut self) -> Option<CallerOutput> {
        self.out.pop()
    }

    fn deadline(&self) -> Option<Instant> {
        if self.out.is_full() {
            return None;
        }
        earliest([self.requester.deadline(), self.timers.earliest()])
    }

    fn snapshot(&self) -> Result<Json, Error> {
        snapshot_of(self)
    }
}
