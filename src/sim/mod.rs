//! Deterministic simulation of machines: virtual time, fault injection, invariants, and shrinking.
//!
//! Tests that sleep find few bugs, and find none of them again. Here a whole system runs in one thread,
//! without a clock: messages are delayed, reordered, lost and duplicated, nodes crash and restart with
//! or without their disk, the network is partitioned, wall clocks jump. All of it follows from one
//! seed. A seed that violates an invariant violates it again, on any computer; it is then shrunk to the
//! few faults that matter, as a text that replays.
//!
//! | you write | it says |
//! |---|---|
//! | [`Actor`] | what a node does: host code around your machines |
//! | [`Check`] | the invariants: what must never happen (safety), and what must have happened in the end (liveness) |
//! | [`Scenario`] | which nodes there are, how each starts, which stimuli they receive |
//!
//! | you get | it is |
//! |---|---|
//! | [`Conditions`] | bounds of all faults; with a seed, they give a plan |
//! | [`Plan`] | all stimuli and faults of one run, as text |
//! | [`run`](run()), [`transcript`](transcript()) | one run of a plan |
//! | [`explore`], [`shrink`] | many seeds, and a small [`Counterexample`] of the first one that fails |
//!
//! # A world of your own
//!
//! A client sends a number until it is acknowledged; a server adds numbers up. The server does not
//! recognize duplicates, which a perfect network never shows:
//!
//! ```
//! use coordination_protocol::scalar::{Instant, Now};
//! use coordination_protocol::sim::{
//!     Actor, Check, Conditions, Effects, Host, Plan, Scenario, SimEvent, SimEventKind, Violation,
//!     explore, run,
//! };
//! use std::time::Duration;
//!
//! #[derive(Default)]
//! struct Client { open: Option<u64>, again: Option<Instant> }
//! impl Actor for Client {
//!     fn stimulus(&mut self, now: Now, number: u64, effects: &mut Effects) {
//!         self.open = Some(number);
//!         self.wake(now, effects);
//!     }
//!     fn wake(&mut self, now: Now, effects: &mut Effects) {
//!         let Some(number) = self.open else { return };
//!         effects.send("server", number.to_string());
//!         self.again = now.at.after(Duration::from_secs(1));
//!     }
//!     fn receive(&mut self, _: Now, _: &str, _: &[u8], _: &mut Effects) { *self = Client::default(); }
//!     fn deadline(&self) -> Option<Instant> { self.again }
//! }
//!
//! struct Server;
//! impl Actor for Server {
//!     fn receive(&mut self, _: Now, from: &str, bytes: &[u8], effects: &mut Effects) {
//!         effects.mark("added", String::from_utf8_lossy(bytes));
//!         effects.send(from, "done");
//!     }
//! }
//!
//! struct Sums;
//! impl Scenario for Sums {
//!     fn name(&self) -> &str { "sums" }
//!     fn nodes(&self) -> Vec<String> { vec!["client".to_owned(), "server".to_owned()] }
//!     fn boot(&self, host: &Host<'_>) -> Box<dyn Actor> {
//!         if host.name == "server" { Box::new(Server) } else { Box::new(Client::default()) }
//!     }
//!     fn check(&self) -> Box<dyn Check> {
//!         let mut added = Vec::new();
//!         Box::new(move |event: &SimEvent<'_>| {
//!             let SimEventKind::Marked { word: "added", text } = event.kind else { return Ok(()) };
//!             if added.iter().any(|known| known == text) {
//!                 return Err(Violation::new("each number is added once", text));
//!             }
//!             Ok(added.push(text.to_owned()))
//!         })
//!     }
//! }
//!
//! let found = explore(&Sums, &Conditions::new().with_stimuli(1), 0..100).unwrap_err();
//! // One stimulus, and one fault: the request arrived twice, or the answer did not arrive.
//! assert_eq!((found.plan.stimuli.len(), found.plan.faults.len()), (1, 1));
//! let replayed: Plan = found.plan.to_string().parse()?;
//! assert_eq!(run(&Sums, &replayed, &mut |_| {}).violation, Some(found.violation));
//! # Ok::<(), coordination_protocol::Error>(())
//! ```
//!
//! # What it does not do
//!
//! It runs no threads and no async code: it simulates machines and a thin actor around them, not the
//! driver that moves bytes in production. A step is atomic, and so is a write to a disk: a crash comes
//! between two steps. All nodes share one monotonic clock; only their wall clocks differ.

mod actor;
mod conditions;
mod event;
mod explore;
mod plan;
mod world;

pub use actor::{Actor, Effects, Host};
pub use conditions::Conditions;
pub use event::{MessageFate, SimEvent, SimEventKind, SimStats};
pub use explore::{Counterexample, explore, shrink, transcript, try_seed};
pub use plan::{MessageFault, Network, Plan, SimFault, Stimulus};
pub use world::{SimOutcome, run};

use crate::machine::SplitMix64;
use crate::scalar::Instant;
use std::fmt;

/// A world: which nodes there are, how they start, which stimuli they receive, and which invariants hold.
pub trait Scenario: Sync {
    /// The name, which a plan refers to.
    fn name(&self) -> &str;

    /// A one-line description.
    #[allow(clippy::unnecessary_literal_bound, reason = "others may put it together")]
    fn summary(&self) -> &str {
        ""
    }

    /// The names of the nodes. They contain no white space, and none is `at`, so that a plan is text.
    fn nodes(&self) -> Vec<String>;

    /// Starts the program of a node. Its first [`wake`](Actor::wake) follows at once.
    fn boot(&self, host: &Host<'_>) -> Box<dyn Actor>;

    /// The invariants of one run.
    fn check(&self) -> Box<dyn Check>;

    /// The bounds of faults that the scenario is made for. Callers may replace them.
    fn conditions(&self) -> Conditions {
        Conditions::default()
    }

    /// Draws the stimuli. By default [`Conditions::stimuli`] of them, for any node, with numbers below 1000,
    /// at any time before [`Conditions::calm`].
    fn stimuli(&self, conditions: &Conditions, draws: &mut SplitMix64) -> Vec<Stimulus> {
        conditions.spread(&self.nodes(), draws)
    }
}

/// Checks the invariants of one run. A closure over events is a check, too.
#[doc(alias = "invariant")]
pub trait Check {
    /// Observes an event, and checks what must always hold.
    ///
    /// # Errors
    /// A [`Violation`] ends the run.
    fn observe(&mut self, event: &SimEvent<'_>) -> Result<(), Violation>;

    /// Checks at the end of the run what must have happened by then.
    ///
    /// # Errors
    /// A [`Violation`], as above.
    fn end(&mut self, at: Instant) -> Result<(), Violation> {
        let _ = at;
        Ok(())
    }
}

impl<F: FnMut(&SimEvent<'_>) -> Result<(), Violation>> Check for F {
    fn observe(&mut self, event: &SimEvent<'_>) -> Result<(), Violation> {
        self(event)
    }
}

/// An invariant that does not hold. It is what a simulation looks for, not an error of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    invariant: &'static str,
    detail: String,
    at: Instant,
}

impl Violation {
    /// The invariant, and what happened instead.
    pub fn new(invariant: &'static str, detail: impl Into<String>) -> Self {
        Violation { invariant, detail: detail.into(), at: Instant::START }
    }

    /// The invariant. Shrinking looks for plans that violate the same one.
    pub const fn invariant(&self) -> &'static str {
        self.invariant
    }

    /// What happened instead.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    fn at(mut self, at: Instant) -> Self {
        self.at = at;
        self
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Violation { invariant, detail, at } = self;
        write!(f, "{invariant}, but {}: {detail}", plan::Seconds(at.as_nanos() / 1_000_000))
    }
}
