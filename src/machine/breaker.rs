//! Keeping calls away from what fails (specification, Error Handling).
//!
//! ```text
//!            failures in a row            time is over
//!   closed ─────────────────────▶ open ─────────────────▶ half-open
//!     ▲                            ▲                        │   │
//!     │                            └── the probe fails ─────┘   │
//!     └──────────────────── the probe succeeds ─────────────────┘
//! ```
//!
//! Only calls of the present turn count: when the circuit changes, those that were under way before
//! are forgotten, and how they end says nothing about now. A call that says nothing about the
//! component, because it was cancelled or never left, is [neutral](CallResult::Neutral).
//!
//! A [`Caller`](super::Caller) joins it with a [`Requester`](super::Requester), so that neither is
//! forgotten.

use super::effect::machine_output;
use super::outbox::{Outbox, bounded_outputs};
use super::settings::{at_least, from_settings};
use super::window::Window;
use super::{IgnoreReason, Ignored, Machine, Settings, snapshot_of};
use crate::error::{Error, leaf_errors};
use crate::json::Json;
use crate::message::Envelope;
use crate::scalar::{Instant, Now, RequestId, printable};
use crate::validate::Checked;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// When a [`Breaker`] opens and closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BreakerOptions {
    /// How many failures in a row open it. Default 5.
    pub failures: u32,
    /// How long it stays open. Default 30 s.
    pub open: Duration,
    /// How long the probe may take; then it counts as failed. Default 30 s.
    pub probe: Duration,
    /// How many calls under way are known; the end of one that is forgotten does not count. Default
    /// 1000.
    pub calls: usize,
}

impl BreakerOptions {
    /// The usual figures.
    pub fn new() -> Self {
        BreakerOptions::default()
    }

    /// Sets how many failures in a row open it.
    pub const fn with_failures(mut self, failures: u32) -> Self {
        self.failures = failures;
        self
    }

    /// Sets how long it stays open.
    pub const fn with_open(mut self, open: Duration) -> Self {
        self.open = open;
        self
    }

    /// Sets how long the probe may take.
    pub const fn with_probe(mut self, probe: Duration) -> Self {
        self.probe = probe;
        self
    }

    /// Sets how many calls under way are known.
    pub const fn with_calls(mut self, calls: usize) -> Self {
        self.calls = calls;
        self
    }
}

impl From<&Settings> for BreakerOptions {
    fn from(settings: &Settings) -> Self {
        BreakerOptions {
            failures: 5,
            open: Duration::from_secs(30),
            probe: settings.timeout_default,
            calls: settings.event_queue_size,
        }
    }
}
from_settings!(BreakerOptions);

/// What goes into a [`Breaker`]: the calls to one component.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BreakerInput {
    /// May this call be made? It may, unless it is refused.
    Call(RequestId),
    /// A call ended.
    Ended(RequestId, CallResult),
}

/// What the end of a call says about the component that was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum CallResult {
    /// It works. An error report that says something useful is a success, too.
    Success,
    /// It did not answer or could not work.
    Failure,
    /// Nothing: the call was refused before it left, or cancelled.
    Neutral,
}

/// Why a call is not let through.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BreakerError {
    /// The circuit is open.
    #[error("the circuit is open until {until}")]
    Open {
        /// When a probe may be made.
        until: Instant,
    },
    /// Another call probes whether the component works again.
    #[error("the circuit is half-open and `{probe}` is under way", probe = printable(.probe))]
    Probing {
        /// That call.
        probe: RequestId,
    },
    /// As many outputs wait to be fetched as may.
    #[error("{0} outputs wait to be fetched, which is the limit")]
    Unpolled(usize),
}

leaf_errors! {
    BreakerError, Machine {
        Self::Open { .. } => ["open", Dependency, Unavailable, transient, "retry", "Wait until the circuit lets a call through."],
        Self::Probing { .. } => ["probing", Dependency, Unavailable, transient, "retry", "Wait until the probe has shown whether the component works."],
        Self::Unpolled(_) => ["unpolled", Execution, LimitExceeded, transient, "retry", "Fetch the outputs, then hand in the same input."],
    }
}

/// The state of a circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Circuit {
    /// Calls are made.
    Closed,
    /// No calls are made.
    Open,
    /// One call is made, to see.
    HalfOpen,
}

impl fmt::Display for Circuit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Circuit::Closed => "closed",
            Circuit::Open => "open",
            Circuit::HalfOpen => "half-open",
        })
    }
}

/// What a [`Breaker`] tells its host. `Display` is one line for logs.
#[doc(alias = "effect")]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum BreakerOutput {
    /// The circuit changed.
    Changed {
        /// What it was.
        from: Circuit,
        /// What it is.
        to: Circuit,
    },
    /// A message was not applied. A breaker takes none.
    Ignored(Ignored),
}

machine_output!(BreakerOutput sends nothing);

impl fmt::Display for BreakerOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BreakerOutput::Changed { from, to } => write!(f, "circuit {from} -> {to}"),
            BreakerOutput::Ignored(ignored) => write!(f, "ignore {ignored}"),
        }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum State {
    Closed(Closed),
    Open(Open),
    HalfOpen(HalfOpen),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Closed {
    /// Failures in a row.
    failures: u32,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Open {
    /// `None` beyond the end of the clock.
    until: Option<Instant>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct HalfOpen {
    probe: Option<Probe>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Probe {
    call: RequestId,
    until: Option<Instant>,
}

/// A circuit breaker for the calls to one component. Keep one for each.
///
/// ```
/// use coordination_protocol::machine::{Breaker, BreakerInput, BreakerOptions, CallResult, Machine};
/// use coordination_protocol::scalar::{Instant, Now, RequestId};
///
/// let mut breaker = Breaker::new(BreakerOptions::new().with_failures(1));
/// let call = RequestId::new("req_1")?;
/// let now = Now::new(Instant::START, 1_736_942_400_000);
/// breaker.handle(now, BreakerInput::Call(call.clone()))?;
/// breaker.handle(now, BreakerInput::Ended(call.clone(), CallResult::Failure))?;
/// assert_eq!(breaker.poll().unwrap().to_string(), "circuit closed -> open");
/// assert_eq!(
///     breaker.handle(now, BreakerInput::Call(call)).unwrap_err().to_string(),
///     "the circuit is open until 30s",
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "circuit breaker")]
#[doc(alias = "fail fast")]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Breaker {
    options: BreakerOptions,
    state: State,
    /// The calls under way that were let through in this turn: since the circuit changed.
    calls: Window<RequestId, ()>,
    out: Outbox<BreakerOutput>,
}

bounded_outputs!(Breaker);

impl Default for Breaker {
    fn default() -> Self {
        Breaker::new(BreakerOptions::default())
    }
}

impl Breaker {
    /// A closed circuit.
    pub const fn new(options: BreakerOptions) -> Self {
        let state = State::Closed(Closed { failures: 0 });
        Breaker { options, state, calls: Window::new(), out: Outbox::new() }
    }

    /// The state of the circuit.
    pub const fn circuit(&self) -> Circuit {
        match &self.state {
            State::Closed(_) => Circuit::Closed,
            State::Open(_) => Circuit::Open,
            State::HalfOpen(_) => Circuit::HalfOpen,
        }
    }

    /// Whether nothing would be lost if it were forgotten.
    pub(super) fn is_idle(&self) -> bool {
        matches!(self.state, State::Closed(Closed { failures: 0 })) && self.calls.is_empty()
    }

    fn turn(&mut self, state: State) {
        let from = self.circuit();
        self.state = state;
        let to = self.circuit();
        // A half-open circuit that gets its probe stays half-open, which is no change to tell.
        if from != to {
            // How those end that were let through before says how the component was, not how it is.
            self.calls = Window::new();
            self.out.push(BreakerOutput::Changed { from, to });
        }
    }

    fn open(&mut self, now: Now) {
        let until = now.at.after(at_least(self.options.open));
        self.turn(State::Open(Open { until }));
    }

    fn call(&mut self, now: Now, call: RequestId) -> Result<(), BreakerError> {
        match &self.state {
            State::Closed(_) => {
                self.calls.put(call, (), None, self.options.calls);
                return Ok(());
            }
            State::Open(Open { until }) => {
                // Beyond the end of the clock it stays open.
                let until = until.unwrap_or(Instant::from_nanos(u64::MAX));
                // By the time, not by whether the host has called `handle_timeout`: a host that is
                // late must not keep the circuit open for longer.
                if until > now.at {
                    return Err(BreakerError::Open { until });
                }
            }
            // One at a time: a component that is just coming back would fall again under all that
            // waited.
            State::HalfOpen(HalfOpen { probe: Some(probe) }) => {
                return Err(BreakerError::Probing { probe: probe.call.clone() });
            }
            State::HalfOpen(HalfOpen { probe: None }) => {}
        }
        // The probe has a deadline: if its end is never reported, no call would get through any
        // more.
        let probe = Probe { call: call.clone(), until: now.at.after(at_least(self.options.probe)) };
        self.turn(State::HalfOpen(HalfOpen { probe: Some(probe) }));
        self.calls.put(call, (), None, self.options.calls);
        Ok(())
    }

    fn ended(&mut self, now: Now, call: &RequestId, result: CallResult) {
        // Of an earlier turn, or told twice.
        if self.calls.remove(call).is_none() {
            return;
        }
        match (&mut self.state, result) {
            // Failures count in a row: one success shows that the component works.
            (State::Closed(closed), CallResult::Success) => closed.failures = 0,
            (State::Closed(closed), CallResult::Failure) => {
                closed.failures = closed.failures.saturating_add(1);
                // 0 would open it although nothing has failed.
                if closed.failures >= self.options.failures.max(1) {
                    self.open(now);
                }
            }
            (State::HalfOpen(_), CallResult::Success) => {
                self.turn(State::Closed(Closed { failures: 0 }));
            }
            (State::HalfOpen(_), CallResult::Failure) => self.open(now),
            // The probe showed nothing, so another call may be it.
            (State::HalfOpen(half), CallResult::Neutral) => half.probe = None,
            (State::Closed(_), CallResult::Neutral) | (State::Open(_), _) => {}
        }
    }
}

impl Machine for Breaker {
    type Input = BreakerInput;
    type Output = BreakerOutput;
    type Error = BreakerError;

    fn handle(&mut self, now: Now, input: BreakerInput) -> Result<(), BreakerError> {
        match input {
            BreakerInput::Call(call) => {
                self.out.command(BreakerError::Unpolled)?;
                self.call(now, call)
            }
            BreakerInput::Ended(call, result) => {
                self.ended(now, &call, result);
                Ok(())
            }
        }
    }

    /// None: it hears of calls from its host.
    fn wants(&self, _: &Envelope) -> bool {
        false
    }

    fn receive(&mut self, _: Now, message: Checked<Envelope>) {
        if let Some(identity) = self.out.room_for(&message) {
            self.out.ignore(identity, IgnoreReason::Unwanted);
        }
    }

    fn handle_timeout(&mut self, now: Now) {
        if self.deadline().is_none_or(|deadline| deadline > now.at) {
            return;
        }
        match &self.state {
            State::Open(_) => self.turn(State::HalfOpen(HalfOpen { probe: None })),
            // No word of the probe in time is a failure: callers would not have waited longer
            // either.
            State::HalfOpen(_) => self.open(now),
            State::Closed(_) => {}
        }
    }

    fn poll(&mut self) -> Option<BreakerOutput> {
        self.out.pop()
    }

    fn snapshot(&self) -> Result<Json, Error> {
        snapshot_of(self)
    }

    fn deadline(&self) -> Option<Instant> {
        match &self.state {
            _ if self.out.is_full() => None,
            State::Closed(_) => None,
            State::Open(Open { until }) => *until,
            State::HalfOpen(HalfOpen { probe }) => probe.as_ref().and_then(|probe| probe.until),
        }
    }
}
