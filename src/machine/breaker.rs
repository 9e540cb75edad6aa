//! Keeping calls away from what fails (specification, Error Handling).
//!
//! ```text
//!            failures in a row            time is over
//!   closed ─────────────────────▶ open ─────────────────▶ half-open
//!     ▲                            ▲                        │   │
//!     │                            └── the probe fails ─────┘   │
//!     └──────────────────── the probe succeeds ─────────────────┘
//! ```

use super::settings::{at_least, from_settings};
use super::{Machine, Settings};
use crate::error::leaf_errors;
use crate::scalar::{Instant, Now, RequestId, printable};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
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
}

impl From<&Settings> for BreakerOptions {
    fn from(settings: &Settings) -> Self {
        BreakerOptions {
            failures: 5,
            open: Duration::from_secs(30),
            probe: settings.timeout_default,
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
    /// The call succeeded. An error report that says something useful is a success, too.
    Success(RequestId),
    /// The call failed: the component did not answer or could not work.
    Failure(RequestId),
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
}

leaf_errors! {
    BreakerError, Machine {
        Self::Open { .. } => ["open", Dependency, Unavailable, transient, "retry", "Wait until the circuit lets a call through."],
        Self::Probing { .. } => ["probing", Dependency, Unavailable, transient, "retry", "Wait until the probe has shown whether the component works."],
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum BreakerOutput {
    /// The circuit changed.
    Changed {
        /// What it was.
        from: Circuit,
        /// What it is.
        to: Circuit,
    },
}

impl fmt::Display for BreakerOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let BreakerOutput::Changed { from, to } = self;
        write!(f, "circuit {from} -> {to}")
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
/// use coordination_protocol::machine::{Breaker, BreakerInput, BreakerOptions, Circuit, Machine};
/// use coordination_protocol::scalar::{Instant, Now, RequestId};
///
/// let mut breaker = Breaker::new(BreakerOptions::new().with_failures(1));
/// let call = RequestId::new("req_1")?;
/// let now = Now::new(Instant::START, 1_736_942_400_000);
/// breaker.handle(now, BreakerInput::Call(call.clone()))?;
/// breaker.handle(now, BreakerInput::Failure(call.clone()))?;
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
    out: VecDeque<BreakerOutput>,
}

impl Default for Breaker {
    fn default() -> Self {
        Breaker::new(BreakerOptions::default())
    }
}

impl Breaker {
    /// A closed circuit.
    pub const fn new(options: BreakerOptions) -> Self {
        let state = State::Closed(Closed { failures: 0 });
        Breaker { options, state, out: VecDeque::new() }
    }

    /// The state of the circuit.
    pub const fn circuit(&self) -> Circuit {
        match &self.state {
            State::Closed(_) => Circuit::Closed,
            State::Open(_) => Circuit::Open,
            State::HalfOpen(_) => Circuit::HalfOpen,
        }
    }

    fn turn(&mut self, state: State) {
        let from = self.circuit();
        self.state = state;
        let to = self.circuit();
        // A half-open circuit that gets its probe stays half-open, which is no change to tell.
        if from != to {
            self.out.push_back(BreakerOutput::Changed { from, to });
        }
    }

    fn open(&mut self, now: Now) {
        let until = now.at.after(at_least(self.options.open));
        self.turn(State::Open(Open { until }));
    }

    fn call(&mut self, now: Now, call: RequestId) -> Result<(), BreakerError> {
        match &self.state {
            State::Closed(_) => return Ok(()),
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
        let probe = Probe { call, until: now.at.after(at_least(self.options.probe)) };
        self.turn(State::HalfOpen(HalfOpen { probe: Some(probe) }));
        Ok(())
    }

    fn ended(&mut self, now: Now, call: &RequestId, success: bool) {
        match &mut self.state {
            // Failures count in a row: one success shows that the component works.
            State::Closed(closed) if success => closed.failures = 0,
            State::Closed(closed) => {
                closed.failures = closed.failures.saturating_add(1);
                // 0 would open it although nothing has failed.
                if closed.failures >= self.options.failures.max(1) {
                    self.open(now);
                }
            }
            // Calls from before the circuit opened say nothing about now.
            State::HalfOpen(HalfOpen { probe: Some(probe) }) if probe.call == *call => {
                if success {
                    self.turn(State::Closed(Closed { failures: 0 }));
                } else {
                    self.open(now);
                }
            }
            State::Open(_) | State::HalfOpen(_) => {}
        }
    }
}

impl Machine for Breaker {
    type Input = BreakerInput;
    type Output = BreakerOutput;
    type Error = BreakerError;

    fn handle(&mut self, now: Now, input: BreakerInput) -> Result<(), BreakerError> {
        match input {
            BreakerInput::Call(call) => return self.call(now, call),
            BreakerInput::Success(call) => self.ended(now, &call, true),
            BreakerInput::Failure(call) => self.ended(now, &call, false),
        }
        Ok(())
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
        self.out.pop_front()
    }

    fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Closed(_) => None,
            State::Open(Open { until }) => *until,
            State::HalfOpen(HalfOpen { probe }) => probe.as_ref().and_then(|probe| probe.until),
        }
    }
}
