//! Who takes part, and who is alive (specification, Component Registration, Health Monitoring).
//!
//! A component registers, sends a heartbeat at each interval and leaves. Whoever watches it counts
//! the heartbeats that are missing:
//!
//! | last sign of life | state |
//! |---|---|
//! | never, only expected | unknown |
//! | in time | healthy, or as it says itself |
//! | one or two heartbeats are missing | degraded |
//! | three or more are missing | unhealthy |
//! | a deregistration | gone |
//!
//! The nth heartbeat is missing when n intervals and the [grace](PresenceOptions::grace) are over. Of
//! what a component says of itself and what its silence says, the worse counts.
//!
//! # Who starts first
//!
//! It does not matter, and no registration has to arrive. Each component says again who it is with
//! every [tenth](PresenceOptions::announce) heartbeat, and whenever it is asked: a watcher that hears of a
//! component which is not registered with it sends an `error_report` whose recovery strategy is
//! `register`, and the component's `Presence` answers with its registration. The host has to do
//! nothing but carry the messages. Neither side asks or answers more than twice a heartbeat, so no flood
//! of names or of questions makes another.
//!
//! # What is late
//!
//! Messages may come late, or again. What is older than what is known changes nothing, so repeated
//! messages keep no peer alive, end no registration and register no peer that has left. What is older is
//! told
//!
//! 1. by `instance`, a mark that each start of a component draws anew and all of its messages bear (since
//!    protocol 1.1.0). A registration with a new mark is taken whatever the clocks say. What bears the mark of
//!    an earlier start, or of one that has left, is late as long as the later one is heard;
//! 2. else by the sender's clock: the timestamps of the body, or else of the header. They count for no more
//!    than [a heartbeat](PresenceOptions::max_ahead) ahead of one's own clock, so a clock that was wrong does
//!    no harm for longer than that;
//! 3. but a heartbeat with a higher number is a sign of life whatever its timestamp, for clocks are set
//!    back; what it says of the component counts if it is not older;
//! 4. and a registration after silence, which is when a heartbeat is missing, is taken whatever the
//!    clocks say. A component that seems silent because its clock was set back is asked for one.
//!
//! So no component that is heard stays unhealthy, however clocks jump and whoever restarts.
//!
//! # Example
//!
//! A worker starts before its hub does:
//!
//! ```
//! use coordination_protocol::Mode;
//! use coordination_protocol::machine::{Machine, Presence, PresenceInput, PresenceOutput};
//! use coordination_protocol::message::ComponentRegistration;
//! use coordination_protocol::scalar::{ComponentId, HealthState, Instant, Now};
//! use coordination_protocol::validate::{Gate, Validator};
//!
//! /// Carries what one sends to the other, as the network would.
//! fn carry(now: Now, from: &mut Presence, to: &mut Presence, gate: &mut Gate) {
//!     while let Some(output) = from.poll() {
//!         if let PresenceOutput::Send(message) = output {
//!             let text = message.envelope.to_string();
//!             to.receive(now, gate.accept(text.as_bytes(), now, None).unwrap());
//!         }
//!     }
//! }
//!
//! let now = |seconds: u64| {
//!     let millis = seconds * 1_000;
//!     Now::new(Instant::from_millis(millis), 1_736_942_400_000 + millis as i64)
//! };
//! let mut gate = Gate::new(Validator::new(Mode::Strict));
//! let name = ComponentId::new("worker")?;
//!
//! // Its registration meets no one.
//! let mut worker = Presence::new(7);
//! let registration = ComponentRegistration::new(name.clone(), "utility");
//! worker.handle(now(0), PresenceInput::Join(Box::new(registration)))?;
//! while worker.poll().is_some() {}
//!
//! // The hub hears a heartbeat, asks who that is, and is told.
//! let mut hub = Presence::new(8);
//! worker.handle_timeout(now(30));
//! carry(now(30), &mut worker, &mut hub, &mut gate);
//! assert!(hub.status(&name).is_none());
//! carry(now(30), &mut hub, &mut worker, &mut gate);
//! carry(now(30), &mut worker, &mut hub, &mut gate);
//! assert_eq!(hub.status(&name).unwrap().state, HealthState::Healthy);
//! assert!(hub.status(&name).unwrap().registration.is_some());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod io;
mod options;
mod own;
mod peer;
mod watch;

pub use io::{PresenceError, PresenceInput, PresenceOutput};
pub use options::PresenceOptions;
pub use peer::PeerStatus;

use super::outbox::{Outbox, bounded_outputs};
use super::window::Window;
use super::{IgnoreReason, Machine, SplitMix64, Timers, earliest, snapshot_of};
use crate::error::Error;
use crate::json::Json;
use crate::message::{Envelope, Message};
use crate::scalar::{ComponentId, Instant, Now};
use crate::validate::Checked;
use own::Own;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use watch::Left;

/// Sends one's own heartbeats and watches those of others.
///
/// ```
/// use coordination_protocol::machine::{Machine, Presence, PresenceInput};
/// use coordination_protocol::scalar::{ComponentId, HealthState, Instant, Now};
///
/// let mut presence = Presence::new(7);
/// let hub = ComponentId::new("hub")?;
/// let now = Now::new(Instant::START, 1_736_942_400_000);
/// presence.handle(now, PresenceInput::Expect(hub.clone()))?;
/// assert_eq!(presence.poll().unwrap().to_string(), "hub new -> unknown");
/// assert_eq!(presence.status(&hub).unwrap().state, HealthState::Unknown);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "heartbeat")]
#[doc(alias = "liveness")]
#[doc(alias = "failure detector")]
#[doc(alias = "membership")]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Presence {
    options: PresenceOptions,
    rng: SplitMix64,
    own: Own,
    #[serde(with = "super::pairs")]
    others: BTreeMap<ComponentId, PeerStatus>,
    /// Who left.
    left: Window<ComponentId, Left>,
    /// Who was asked for its registration, and when.
    asks: Window<ComponentId, Instant>,
    /// The marks of one's own starts.
    marks: SplitMix64,
    timers: Timers<ComponentId>,
    out: Outbox<PresenceOutput>,
}

bounded_outputs!(Presence);

impl Presence {
    /// No component takes part yet. The seed decides on identifiers and on the mark of this start: give
    /// each start of a component a random one.
    pub fn new(seed: u64) -> Self {
        Presence {
            options: PresenceOptions::default(),
            rng: SplitMix64::new(seed),
            own: Own::NotJoined,
            others: BTreeMap::new(),
            left: Window::new(),
            asks: Window::new(),
            // A stream of its own, so that it can be told from the identifiers' by no one.
            marks: SplitMix64::new(!seed),
            timers: Timers::new(),
            out: Outbox::new(),
        }
    }

    /// Sets how it shows itself and watches others.
    pub fn with_options(mut self, options: PresenceOptions) -> Self {
        self.options = options;
        self
    }

    /// What is known of a component.
    pub fn status(&self, component: &ComponentId) -> Option<&PeerStatus> {
        self.others.get(component)
    }

    /// All components that are watched.
    pub fn components(&self) -> impl Iterator<Item = (&ComponentId, &PeerStatus)> {
        self.others.iter()
    }
}

impl Machine for Presence {
    type Input = PresenceInput;
    type Output = PresenceOutput;
    type Error = PresenceError;

    fn handle(&mut self, now: Now, input: PresenceInput) -> Result<(), PresenceError> {
        // Whoever leaves has joined, so leaving adds no outputs without end.
        if !matches!(input, PresenceInput::Leave(_)) {
            self.out.command(PresenceError::Unpolled)?;
        }
        match input {
            PresenceInput::Join(registration) => self.join(now, registration),
            PresenceInput::Health(status) => self.health(now, status),
            PresenceInput::Leave(reason) => self.leave(now, reason),
            PresenceInput::Expect(component) => self.expect(component),
        }
    }

    fn wants(&self, message: &Envelope) -> bool {
        match &message.message {
            Message::ComponentRegistration(_)
            | Message::Heartbeat(_)
            | Message::HealthStatus(_)
            | Message::Deregistration(_) => true,
            // What answers a request is for who asked.
            Message::ErrorReport(report) => {
                matches!(self.own, Own::Joined(_)) && own::asks(&message.header, report)
            }
            _ => false,
        }
    }

    fn receive(&mut self, now: Now, message: Checked<Envelope>) {
        let Some(identity) = self.out.room_for(&message) else { return };
        let applied = if self.wants(&message) {
            self.received(now, message.into_inner())
        } else {
            Err(IgnoreReason::Unwanted.into())
        };
        if let Err(why) = applied {
            self.out.ignore(identity, why);
        }
    }

    fn handle_timeout(&mut self, now: Now) {
        if !self.out.is_full() {
            self.show(now);
        }
        while !self.out.is_full()
            && let Some(component) = self.timers.due(now.at)
        {
            self.review(now, component);
        }
    }

    fn poll(&mut self) -> Option<PresenceOutput> {
        self.out.pop()
    }

    fn snapshot(&self) -> Result<Json, Error> {
        snapshot_of(self)
    }

    fn deadline(&self) -> Option<Instant> {
        if self.out.is_full() {
            return None;
        }
        let own = match &self.own {
            Own::Joined(own) => [own.beat, own.check],
            Own::NotJoined => [None, None],
        };
        earliest(own.into_iter().chain([self.timers.earliest()]))
    }
}
