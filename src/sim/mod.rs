//! A deterministic world of machines: virtual time, and a network as bad as you like.
//!
//! Tests that sleep and hope find few bugs, and none twice. Here a whole system runs in one thread,
//! without a clock: messages are delayed, reordered, lost and repeated, nodes crash and start again
//! with what their disk holds or without it, parts of the network are cut off, wall clocks jump. All
//! of it follows from one seed. A seed that breaks a law breaks it again, on any computer; it is then
//! shrunk to the few faults that matter, as a text that replays.
//!
//! | you write | it says |
//! |---|---|
//! | [`Actor`] | what a node does: host code around your machines |
//! | [`Check`] | what must never happen, and what must have happened in the end |
//! | [`Scenario`] | which nodes there are, how each starts, what is wanted of them |
//!
//! | you get | it is |
//! |---|---|
//! | [`Conditions`] | bounds of how bad it gets; with a seed, they give a plan |
//! | [`Plan`] | all acts and faults of one run, as text |
//! | [`run`](run()), [`transcript`](transcript()) | one run of a plan |
//! | [`explore`], [`shrink`] | many seeds, and the small plan of the first one that fails |
//!
//! # A world of your own
//!
//! A client sends a number until it is acknowledged; a server adds numbers up. The server forgets to
//! tell repetitions apart, which a perfect network never shows:
//!
//! ```
//! use coordination_protocol::scalar::{Instant, Now};
//! use coordination_protocol::sim::{
//!     Actor, Broken, Check, Conditions, Event, Host, Net, Plan, Scenario, What, explore, run,
//! };
//! use std::time::Duration;
//!
//! #[derive(Default)]
//! struct Client { open: Option<u64>, again: Option<Instant> }
//! impl Actor for Client {
//!     fn act(&mut self, now: Now, number: u64, net: &mut Net) {
//!         self.open = Some(number);
//!         self.wake(now, net);
//!     }
//!     fn wake(&mut self, now: Now, net: &mut Net) {
//!         let Some(number) = self.open else { return };
//!         net.send("server", number.to_string());
//!         self.again = now.at.after(Duration::from_secs(1));
//!     }
//!     fn receive(&mut self, _: Now, _: &str, _: &[u8], _: &mut Net) { *self = Client::default(); }
//!     fn deadline(&self) -> Option<Instant> { self.again }
//! }
//!
//! struct Server;
//! impl Actor for Server {
//!     fn receive(&mut self, _: Now, from: &str, bytes: &[u8], net: &mut Net) {
//!         net.mark("added", String::from_utf8_lossy(bytes));
//!         net.send(from, "done");
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
//!         Box::new(move |event: &Event<'_>| {
//!             let What::Marked { word: "added", text } = event.what else { return Ok(()) };
//!             if added.iter().any(|known| known == text) {
//!                 return Err(Broken::new("each number is added once", text));
//!             }
//!             Ok(added.push(text.to_owned()))
//!         })
//!     }
//! }
//!
//! let failed = explore(&Sums, &Conditions::new().with_acts(1), 0..100).unwrap_err();
//! // One act, and one fault: the request arrived twice, or the answer did not arrive.
//! assert_eq!((failed.plan.acts.len(), failed.plan.faults.len()), (1, 1));
//! let replayed: Plan = failed.plan.to_string().parse()?;
//! assert_eq!(run(&Sums, &replayed, &mut |_| {}).broken, Some(failed.broken));
//! # Ok::<(), coordination_protocol::sim::PlanError>(())
//! ```
//!
//! # What it does not do
//!
//! It runs no threads and no async code: machines are simulated, and a thin actor around them, not the
//! driver that moves bytes in production. A step is atomic, and so is a disk: a crash comes between
//! two steps. All nodes share the clock that measures; only their wall clocks differ.

mod actor;
mod conditions;
mod event;
mod explore;
mod plan;
mod world;

pub use actor::{Actor, Host, Net};
pub use conditions::Conditions;
pub use event::{Event, Fate, Stats, What};
pub use explore::{Failed, explore, shrink, transcript, try_seed};
pub use plan::{Act, Fault, Mishap, Network, Plan, PlanError};
pub use world::{Outcome, run};

use crate::machine::Draws;
use crate::scalar::Instant;
use std::fmt;

/// A world: which nodes there are, how they start, what is wanted of them, and what must hold.
pub trait Scenario: Sync {
    /// The name, which plans repeat.
    fn name(&self) -> &str;

    /// What it is about, in a sentence.
    #[allow(clippy::unnecessary_literal_bound, reason = "others may put it together")]
    fn sentence(&self) -> &str {
        ""
    }

    /// The names of the nodes: no white space, and none is `at`.
    fn nodes(&self) -> Vec<String>;

    /// Starts the program of a node. It may do nothing yet: its first [`wake`](Actor::wake) follows.
    fn boot(&self, host: &Host<'_>) -> Box<dyn Actor>;

    /// What one run is held to.
    fn check(&self) -> Box<dyn Check>;

    /// How bad it gets, unless the caller says otherwise.
    fn conditions(&self) -> Conditions {
        Conditions::default()
    }

    /// Draws what is wanted of the nodes; by default, [`Conditions::acts`] numbers below 1000 for any
    /// of them, at any time until it is calm.
    fn acts(&self, conditions: &Conditions, draws: &mut Draws) -> Vec<Act> {
        conditions.spread(&self.nodes(), draws)
    }
}

/// Holds a run to its laws. A closure that judges events is a check, too.
pub trait Check {
    /// Judges an event.
    ///
    /// # Errors
    /// [`Broken`] ends the run.
    fn see(&mut self, event: &Event<'_>) -> Result<(), Broken>;

    /// Judges the end: all that was to happen must have happened.
    ///
    /// # Errors
    /// [`Broken`].
    fn end(&mut self, at: Instant) -> Result<(), Broken> {
        let _ = at;
        Ok(())
    }
}

impl<F: FnMut(&Event<'_>) -> Result<(), Broken>> Check for F {
    fn see(&mut self, event: &Event<'_>) -> Result<(), Broken> {
        self(event)
    }
}

/// A law that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    law: &'static str,
    detail: String,
    at: Instant,
}

impl Broken {
    /// A law, and what happened instead.
    pub fn new(law: &'static str, detail: impl Into<String>) -> Self {
        Broken { law, detail: detail.into(), at: Instant::START }
    }

    /// The law. Shrinking looks for plans that break the same.
    pub const fn law(&self) -> &'static str {
        self.law
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

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Broken { law, detail, at } = self;
        write!(f, "{law}, but {}: {detail}", plan::Seconds(at.as_nanos() / 1_000_000))
    }
}

impl std::error::Error for Broken {}
