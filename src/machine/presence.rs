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
//! Messages may come late, or again. What is older than what is known changes nothing, so repeated
//! messages keep no peer alive, end no registration and register no peer that has left. What is
//! older is told by the sender's clock: the timestamps of the body, or else of the header. Only a
//! heartbeat with a higher number counts whatever its timestamp, as a sign of life, for clocks are set
//! back; what it says of the component counts if it is not older. A component that starts to count anew
//! registers first.
//!
//! A registration is sent once, without an acknowledgement. If it is lost, what follows is ignored as
//! [unknown](IgnoreReason::Unknown). A host that knows the component then
//! [expects](PresenceInput::Expect) it, so that the next heartbeat counts, and may ask for the
//! registration.

use super::effect::{NotApplied, machine_output};
use super::outbox::{Outbox, bounded_outputs};
use super::settings::{at_least, from_settings};
use super::window::Window;
use super::{
    IgnoreReason, Ignored, Machine, Outbound, Purpose, Settings, SplitMix64, Timers, earliest,
    snapshot_of,
};
use crate::error::{Error, leaf_errors};
use crate::json::Json;
use crate::message::{
    ComponentRegistration, Deregistration, Envelope, EnvelopeHeader, HealthStatus, Heartbeat,
    Message,
};
use crate::scalar::{
    ComponentId, Count, HealthState, Instant, MessageId, Now, Timestamp, printable,
};
use crate::validate::Checked;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// How a [`Presence`] shows itself and watches others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PresenceOptions {
    /// The time between heartbeats, one's own and expected ones. Default 30 s.
    pub heartbeat: Duration,
    /// How late a heartbeat may be before it is missing, for the way takes time. Default a tenth of
    /// the interval.
    pub grace: Duration,
    /// The time between reports of one's own health. Default 60 s.
    pub health_check: Duration,
    /// How many missing heartbeats make a component degraded. Default 1.
    pub degraded: u32,
    /// How many missing heartbeats make a component unhealthy. Default 3.
    pub unhealthy: u32,
    /// How many components are watched, and how many are remembered to have left. Default
    /// 1000.
    pub max_peers: usize,
}

impl PresenceOptions {
    /// The specification's figures.
    pub fn new() -> Self {
        PresenceOptions::default()
    }

    /// Sets the time between heartbeats, and the grace to a tenth of it.
    pub fn with_heartbeat(mut self, interval: Duration) -> Self {
        self.heartbeat = interval;
        self.grace = interval / 10;
        self
    }

    /// Sets how late a heartbeat may be before it is missing.
    pub const fn with_grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Sets the time between reports of one's own health.
    pub const fn with_health_check(mut self, interval: Duration) -> Self {
        self.health_check = interval;
        self
    }

    /// Sets how many missing heartbeats make a component degraded, and how many unhealthy.
    pub const fn with_missing(mut self, degraded: u32, unhealthy: u32) -> Self {
        self.degraded = degraded;
        self.unhealthy = unhealthy;
        self
    }

    /// Sets how many components are watched.
    pub const fn with_max_peers(mut self, max_peers: usize) -> Self {
        self.max_peers = max_peers;
        self
    }

    /// How long a component is silent when a number of heartbeats is missing.
    fn silence(&self, missing: u32) -> Option<Duration> {
        // The grace is added once, not for each interval: it stands for the way, and the last
        // heartbeat went it once.
        let intervals = at_least(self.heartbeat).checked_mul(missing.max(1))?;
        intervals.checked_add(self.grace)
    }
}

impl From<&Settings> for PresenceOptions {
    fn from(settings: &Settings) -> Self {
        PresenceOptions {
            heartbeat: settings.heartbeat_interval,
            grace: settings.heartbeat_interval / 10,
            health_check: settings.health_check_interval,
            degraded: 1,
            unhealthy: 3,
            max_peers: settings.event_queue_size,
        }
    }
}
from_settings!(PresenceOptions);

/// What a host wants of a [`Presence`]. Registrations, heartbeats, health reports and deregistrations of
/// others are [received](Machine::receive).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum PresenceInput {
    /// Take part: send this registration, and heartbeats from now on.
    Join(Box<ComponentRegistration>),
    /// One's own health, as [`HealthDue`](PresenceOutput::HealthDue) asks for it. Its state goes into
    /// the heartbeats, too.
    Health(Box<HealthStatus>),
    /// Take part no more, for a reason.
    Leave(String),
    /// Watch a component that has not registered.
    Expect(ComponentId),
}

/// Why a [`Presence`] refuses an input.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PresenceError {
    /// As many components are watched as may be.
    #[error("{0} components are watched, which is the limit")]
    Full(usize),
    /// It is about another component than the one that takes part.
    #[error("`{}` is not the component that takes part", printable(.0))]
    NotOurs(ComponentId),
    /// The component does not take part yet.
    #[error("the component has not joined")]
    NotJoined,
    /// The component takes part already.
    #[error("the component has joined already")]
    Joined,
    /// As many outputs wait to be fetched as may.
    #[error("{0} outputs wait to be fetched, which is the limit")]
    Unpolled(usize),
}

leaf_errors! {
    PresenceError, Machine {
        Self::Full(_) => ["full", Execution, Conflict, transient, "retry", "Register again when another component has left."],
        Self::NotOurs(_) => ["not-ours", Execution, Conflict, lasting, "correct_and_retry", "Report the health of the component that has joined."],
        Self::NotJoined => ["not-joined", Execution, Conflict, lasting, "register", "Join first."],
        Self::Joined => ["joined", Execution, Conflict, lasting, "correct_and_retry", "Join once."],
        Self::Unpolled(_) => ["unpolled", Execution, LimitExceeded, transient, "retry", "Fetch the outputs, then hand in the same input."],
    }
}

/// What a [`Presence`] asks its host to do or to know: its effects. `Display` is one line for logs.
#[doc(alias = "effect")]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum PresenceOutput {
    /// Send this to whoever watches.
    Send(Outbound),
    /// One's own health is to be reported: hand it in.
    HealthDue,
    /// The state of a component changed.
    Changed {
        /// The component.
        component: ComponentId,
        /// What it was; `None` if it was not watched.
        from: Option<HealthState>,
        /// What it is; `None` if it has left.
        to: Option<HealthState>,
    },
    /// A message was not applied.
    Ignored(Ignored),
}

machine_output!(PresenceOutput);

impl fmt::Display for PresenceOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PresenceOutput::Send(outbound) => outbound.fmt(f),
            PresenceOutput::Ignored(ignored) => write!(f, "ignore {ignored}"),
            PresenceOutput::HealthDue => f.write_str("health due"),
            PresenceOutput::Changed { component, from, to } => {
                let word = |state: &'_ Option<HealthState>, none: &str| {
                    state.as_ref().map_or_else(|| none.to_owned(), ToString::to_string)
                };
                write!(f, "{component} {} -> {}", word(from, "new"), word(to, "gone"))
            }
        }
    }
}

/// What is known of a component that is watched.
#[doc(alias = "liveness")]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PeerStatus {
    /// How it is.
    pub state: HealthState,
    /// When its last sign of life came.
    pub last_seen: Option<Instant>,
    /// How it registered.
    pub registration: Option<Box<ComponentRegistration>>,
    /// What it last said of itself.
    said: Option<HealthState>,
    sequence: Option<u64>,
    /// The time of its registration and that of what it last said since, by its own clock.
    registered: Option<i64>,
    sent: Option<i64>,
}

impl PeerStatus {
    fn new() -> Self {
        PeerStatus {
            state: HealthState::Unknown,
            last_seen: None,
            registration: None,
            said: None,
            sequence: None,
            registered: None,
            sent: None,
        }
    }

    /// Whether what it last said was sent before what has this time. It may say something as soon as it
    /// registers.
    fn is_before(&self, sent: Option<i64>) -> bool {
        // Strictly later than the last word, for an equal time is the same message again. Equal to
        // the registration is fine: a component may speak in the millisecond of its registration.
        sent.is_some() && self.sent < sent && self.registered <= sent
    }

    /// Whether its last message was sent after one of this time.
    fn is_after(&self, sent: Option<i64>) -> bool {
        // Without a time nothing can be called late; then the message counts.
        sent.is_some() && self.sent.max(self.registered) > sent
    }

    /// How it is, by its silence and its own word.
    fn judge(&self, options: &PresenceOptions, now: Instant) -> HealthState {
        let Some(last) = self.last_seen else { return HealthState::Unknown };
        let silence = now.since(last);
        let missing = |count| options.silence(count).is_some_and(|longest| silence >= longest);
        // The worse of both: silence outweighs a good word, and a bad word outweighs punctual
        // heartbeats.
        if missing(options.unhealthy) || self.said == Some(HealthState::Unhealthy) {
            HealthState::Unhealthy
        } else if missing(options.degraded) || self.said == Some(HealthState::Degraded) {
            HealthState::Degraded
        } else {
            HealthState::Healthy
        }
    }

    /// When its silence says more than it does now.
    fn next(&self, options: &PresenceOptions, now: Instant) -> Option<Instant> {
        let last = self.last_seen?;
        [options.degraded, options.unhealthy]
            .into_iter()
            .filter_map(|missing| last.after(options.silence(missing)?))
            // A threshold that has passed says nothing new, and a timer in the past would fire
            // without end.
            .filter(|at| *at > now)
            .min()
    }
}

/// One's own part.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Own {
    NotJoined,
    Joined(Joined),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Joined {
    component: ComponentId,
    sequence: u64,
    health: Option<HealthState>,
    beat: Option<Instant>,
    check: Option<Instant>,
}

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
    /// Who left, and when by its own clock.
    left: Window<ComponentId, i64>,
    timers: Timers<ComponentId>,
    out: Outbox<PresenceOutput>,
}

bounded_outputs!(Presence);

impl Presence {
    /// No component takes part yet. The seed decides on identifiers: give each start of a component a
    /// random one.
    pub fn new(seed: u64) -> Self {
        Presence {
            options: PresenceOptions::default(),
            rng: SplitMix64::new(seed),
            own: Own::NotJoined,
            others: BTreeMap::new(),
            left: Window::new(),
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

    fn send(&mut self, now: Now, source: ComponentId, message: impl Into<Message>) {
        let header = EnvelopeHeader::new()
            .with_message_id(MessageId::generate(now.id_millis(), self.rng.id_bytes()))
            .with_timestamp(now.timestamp())
            .with_source(source);
        self.out.push(Outbound::new(Vec::new(), Envelope::new(header, message), Purpose::Notice));
    }

    fn join(&mut self, now: Now, registration: ComponentRegistration) -> Result<(), PresenceError> {
        if let Own::Joined(_) = self.own {
            return Err(PresenceError::Joined);
        }
        let component = registration.component_id.clone();
        self.own = Own::Joined(Joined {
            component: component.clone(),
            sequence: 0,
            health: None,
            // The registration is a sign of life itself, so the first heartbeat is an interval
            // away.
            beat: now.at.after(at_least(self.options.heartbeat)),
            check: now.at.after(at_least(self.options.health_check)),
        });
        self.send(now, component, registration);
        Ok(())
    }

    fn health(&mut self, now: Now, status: HealthStatus) -> Result<(), PresenceError> {
        let Own::Joined(own) = &mut self.own else { return Err(PresenceError::NotJoined) };
        if own.component != status.component_id {
            return Err(PresenceError::NotOurs(status.component_id));
        }
        // Heartbeats repeat it: they come more often, so a watcher that missed the report learns it
        // anyway.
        own.health = Some(status.status.clone());
        self.send(now, status.component_id.clone(), status);
        Ok(())
    }

    fn leave(&mut self, now: Now, reason: String) -> Result<(), PresenceError> {
        let Own::Joined(own) = &self.own else { return Err(PresenceError::NotJoined) };
        let component = own.component.clone();
        // No heartbeat may follow the deregistration: watchers would refuse it.
        self.own = Own::NotJoined;
        let leaving =
            Deregistration::new(component.clone(), reason).with_timestamp(now.timestamp());
        self.send(now, component, leaving);
        Ok(())
    }

    /// Does what is due of one's own. A late call sends one heartbeat, not all that were missed.
    fn show(&mut self, now: Now) {
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= now.at);
        let Own::Joined(own) = &mut self.own else { return };
        let (beat, check) = (due(own.beat), due(own.check));
        if check {
            own.check = now.at.after(at_least(self.options.health_check));
        }
        if beat {
            // Counted from now, not from when it was due: after a long sleep one heartbeat says all
            // that the missed ones would have said.
            own.beat = now.at.after(at_least(self.options.heartbeat));
            own.sequence += 1;
            let mut heartbeat =
                Heartbeat::new(own.component.clone(), Count::new(own.sequence), now.timestamp());
            heartbeat.status.clone_from(&own.health);
            let component = own.component.clone();
            self.send(now, component, heartbeat);
        }
        // After the heartbeat, because the host has to work for the report, and the sign of life
        // does not wait for that.
        if check {
            self.out.push(PresenceOutput::HealthDue);
        }
    }

    fn expect(&mut self, component: ComponentId) -> Result<(), PresenceError> {
        if self.others.contains_key(&component) {
            return Ok(());
        }
        self.room()?;
        self.others.insert(component.clone(), PeerStatus::new());
        self.out.push(PresenceOutput::Changed {
            component,
            from: None,
            to: Some(HealthState::Unknown),
        });
        Ok(())
    }

    fn room(&self) -> Result<(), PresenceError> {
        // A bound refuses a new peer and drops none that is watched: a flood of names must not
        // hide a component that fails.
        if self.others.len() >= self.options.max_peers.max(1) {
            return Err(PresenceError::Full(self.others.len()));
        }
        Ok(())
    }

    fn received(&mut self, now: Now, envelope: Envelope) -> Result<(), NotApplied> {
        let Envelope { header, message } = envelope;
        let sent = |body: Option<&Timestamp>| {
            body.or(header.timestamp.as_ref()).and_then(Timestamp::unix_millis)
        };
        match message {
            Message::ComponentRegistration(registration) => {
                self.registered(now, registration, sent(None))
            }
            Message::Heartbeat(beat) => {
                let peer = self.known(&beat.component_id)?;
                let sequence = beat.sequence.as_ref().map(Count::get);
                let sent = sent(beat.timestamp.as_ref());
                // A higher number is progress whatever the time says, for clocks are set back. With
                // neither number nor time nothing can be told late.
                let counts_on = sequence > peer.sequence || sequence.is_none() && sent.is_none();
                if !counts_on && !peer.is_before(sent) {
                    return Err(IgnoreReason::Stale.into());
                }
                peer.sequence = sequence.or(peer.sequence);
                // It lives. But what it says of itself may be older than what is known.
                let status = beat.status.as_ref().filter(|_| !peer.is_after(sent));
                self.alive(now, &beat.component_id, status, sent);
                Ok(())
            }
            Message::HealthStatus(status) => {
                let peer = self.known(&status.component_id)?;
                let sent = sent(status.timestamp.as_ref());
                if sent.is_some() && !peer.is_before(sent) {
                    return Err(IgnoreReason::Stale.into());
                }
                self.alive(now, &status.component_id, Some(&status.status), sent);
                Ok(())
            }
            Message::Deregistration(leaving) => {
                let component = &leaving.component_id;
                let sent = sent(leaving.timestamp.as_ref());
                // A deregistration from before the current registration must not end that one.
                if self.known(component)?.is_after(sent) {
                    return Err(IgnoreReason::Stale.into());
                }
                if let Some(sent) = sent {
                    // Remembered, or a registration from before the leaving that arrives after it
                    // would bring the component back.
                    self.left.put(component.clone(), sent, None, self.options.max_peers);
                }
                if let Some(peer) = self.others.remove(component) {
                    self.timers.set(component.clone(), None);
                    self.changed(component.clone(), Some(peer.state), None);
                }
                Ok(())
            }
            _ => Err(IgnoreReason::Unwanted.into()),
        }
    }

    fn registered(
        &mut self,
        now: Now,
        registration: Box<ComponentRegistration>,
        sent: Option<i64>,
    ) -> Result<(), NotApplied> {
        let component = registration.component_id.clone();
        let known = self.others.get(&component);
        let left = self.left.get(&component).copied();
        // Of who is watched, only what is older is late. Of who has left, also the registration
        // that it left behind.
        let late = known.is_some_and(|peer| peer.is_after(sent))
            || sent.is_some() && known.is_none() && sent < left;
        if late {
            return Err(IgnoreReason::Stale.into());
        }
        if known.is_none() {
            self.room().map_err(|error| NotApplied::new(IgnoreReason::Full, error))?;
        }
        let from = known.map(|peer| peer.state.clone());
        // It may have started anew: what it said before counts no more.
        let peer = PeerStatus {
            last_seen: Some(now.at),
            registration: Some(registration),
            state: HealthState::Healthy,
            registered: sent,
            ..PeerStatus::new()
        };
        self.timers.set(component.clone(), peer.next(&self.options, now.at));
        self.others.insert(component.clone(), peer);
        self.changed(component, from, Some(HealthState::Healthy));
        Ok(())
    }

    fn known(&mut self, component: &ComponentId) -> Result<&mut PeerStatus, NotApplied> {
        self.others.get_mut(component).ok_or_else(|| {
            let detail = format!("`{component}` is neither registered nor expected");
            NotApplied::new(IgnoreReason::Unknown, detail)
        })
    }

    /// Notes a sign of life.
    fn alive(
        &mut self,
        now: Now,
        component: &ComponentId,
        said: Option<&HealthState>,
        sent: Option<i64>,
    ) {
        if let Some(peer) = self.others.get_mut(component) {
            peer.last_seen = Some(now.at);
            peer.said = said.cloned().or(peer.said.take());
            // Never back: a heartbeat that counts by its number may have an older time.
            peer.sent = sent.max(peer.sent);
            self.review(now, component.clone());
        }
    }

    /// Judges a component anew.
    fn review(&mut self, now: Now, component: ComponentId) {
        let Some(peer) = self.others.get_mut(&component) else { return };
        let to = peer.judge(&self.options, now.at);
        let from = std::mem::replace(&mut peer.state, to.clone());
        self.timers.set(component.clone(), peer.next(&self.options, now.at));
        self.changed(component, Some(from), Some(to));
    }

    fn changed(
        &mut self,
        component: ComponentId,
        from: Option<HealthState>,
        to: Option<HealthState>,
    ) {
        // Only changes are told. Heartbeats come all the time, and most say what was known.
        if from != to {
            self.out.push(PresenceOutput::Changed { component, from, to });
        }
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
            PresenceInput::Join(registration) => self.join(now, *registration),
            PresenceInput::Health(status) => self.health(now, *status),
            PresenceInput::Leave(reason) => self.leave(now, reason),
            PresenceInput::Expect(component) => self.expect(component),
        }
    }

    fn wants(&self, message: &Envelope) -> bool {
        matches!(
            message.message,
            Message::ComponentRegistration(_)
                | Message::Heartbeat(_)
                | Message::HealthStatus(_)
                | Message::Deregistration(_)
        )
    }

    fn receive(&mut self, now: Now, message: Checked<Envelope>) {
        let Some(identity) = self.out.room_for(&message) else { return };
        if let Err(why) = self.received(now, message.into_inner()) {
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
