//! What others say of themselves, and what their silence says.

use super::own::REGISTER;
use super::peer::{PeerStatus, Stamp, Starts};
use super::{Presence, PresenceError, PresenceOutput};
use crate::error::{IntoReport, Occurrence, Problem};
use crate::machine::effect::NotApplied;
use crate::machine::{IgnoreReason, Outbound, Purpose};
use crate::message::{
    ComponentRegistration, Deregistration, Envelope, EnvelopeHeader, ErrorContext, HealthStatus,
    Heartbeat, Message,
};
use crate::scalar::{
    ComponentId, Count, ErrorCategory, ErrorId, ErrorType, HealthState, Instant, Now, Severity,
    Timestamp, WorkflowId, printable,
};
use serde::{Deserialize, Serialize};

/// A component that has left.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Left {
    at: Instant,
    /// The time of its deregistration, by its clock.
    sent: Option<Stamp>,
    starts: Starts,
}

/// What is said to a component whose registration is missing.
struct Unregistered<'a>(&'a ComponentId);

impl IntoReport for Unregistered<'_> {
    fn problem(&self) -> Problem {
        let message = format!("`{}` is not registered here", printable(self.0));
        Problem::new(ErrorCategory::State, ErrorType::Unavailable, message)
            .with_severity(Severity::Low)
            .with_suggestion(REGISTER, "Send the registration of the component again.")
    }
}

/// A message that was not applied; whether its sender is to be asked for its registration.
struct Refused {
    why: NotApplied,
    asks: bool,
}

impl From<IgnoreReason> for Refused {
    fn from(reason: IgnoreReason) -> Self {
        Refused { why: reason.into(), asks: false }
    }
}

impl Presence {
    pub(super) fn expect(&mut self, component: ComponentId) -> Result<(), PresenceError> {
        if self.others.contains_key(&component) {
            return Ok(());
        }
        self.room()?;
        self.others.insert(component.clone(), PeerStatus::new());
        let to = Some(HealthState::Unknown);
        self.out.push(PresenceOutput::Changed { component, from: None, to });
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

    pub(super) fn received(&mut self, now: Now, envelope: Envelope) -> Result<(), NotApplied> {
        let Envelope { header, message } = envelope;
        let time = |body: Option<&Timestamp>| {
            body.or(header.timestamp.as_ref()).and_then(Timestamp::unix_millis)
        };
        let (component, applied) = match message {
            Message::ErrorReport(report) => return self.asked(now, &report),
            Message::ComponentRegistration(body) => {
                return self.registered(now, body, time(None));
            }
            Message::Deregistration(body) => {
                return self.left(now, &body, time(body.timestamp.as_ref()));
            }
            Message::Heartbeat(body) => {
                let sent = time(body.timestamp.as_ref());
                (body.component_id.clone(), self.beat(now, &body, sent))
            }
            Message::HealthStatus(body) => {
                let sent = time(body.timestamp.as_ref());
                (body.component_id.clone(), self.reported(now, &body, sent))
            }
            _ => return Err(IgnoreReason::Unwanted.into()),
        };
        match applied {
            Ok(()) => {
                // It was expected, and is alive; who it is, it has not said.
                if self.others.get(&component).is_some_and(|peer| peer.registration.is_none()) {
                    self.ask(now, component, header);
                }
                Ok(())
            }
            Err(Refused { why, asks }) => {
                if asks {
                    self.ask(now, component, header);
                }
                Err(why)
            }
        }
    }

    fn beat(&mut self, now: Now, beat: &Heartbeat, sent: Option<i64>) -> Result<(), Refused> {
        let stamp = sent.map(|sent| Stamp::new(now, &self.options, sent));
        let silent = self.is_silent(&beat.component_id, now.at);
        let peer = self.known(now.at, &beat.component_id, beat.instance.as_deref(), sent)?;
        let sequence = beat.sequence.as_ref().map(Count::get);
        // A higher number is progress whatever the time says, for clocks are set back. With
        // neither number nor time nothing can be told late.
        let counts_on = sequence > peer.sequence || sequence.is_none() && sent.is_none();
        if !counts_on && !peer.is_before(sent) {
            // Either it comes again, or its clock was set back as it started anew. The registration
            // will tell.
            return Err(Refused { why: IgnoreReason::Stale.into(), asks: silent });
        }
        if sequence > peer.sequence {
            peer.next_beat(sent);
        }
        peer.sequence = sequence.or(peer.sequence);
        // It lives. But what it says of itself may be older than what is known.
        let status = beat.status.as_ref().filter(|_| !peer.is_after(sent));
        self.alive(now, &beat.component_id, beat.instance.as_ref(), status, stamp);
        Ok(())
    }

    fn reported(
        &mut self,
        now: Now,
        status: &HealthStatus,
        sent: Option<i64>,
    ) -> Result<(), Refused> {
        let stamp = sent.map(|sent| Stamp::new(now, &self.options, sent));
        let silent = self.is_silent(&status.component_id, now.at);
        let peer = self.known(now.at, &status.component_id, status.instance.as_deref(), sent)?;
        if sent.is_some() && !peer.is_before(sent) {
            return Err(Refused { why: IgnoreReason::Stale.into(), asks: silent });
        }
        let said = Some(&status.status);
        self.alive(now, &status.component_id, status.instance.as_ref(), said, stamp);
        Ok(())
    }

    fn left(
        &mut self,
        now: Now,
        leaving: &Deregistration,
        sent: Option<i64>,
    ) -> Result<(), NotApplied> {
        let component = &leaving.component_id;
        let mark = leaving.instance.as_deref();
        let peer = self.others.get(component).ok_or_else(|| unknown(component))?;
        // A deregistration from before the current registration must not end that one. Of the
        // present start it is the last word, whatever the clock says.
        let starts = &peer.starts;
        let present = starts.current.is_some() && starts.current.as_deref() == mark;
        if starts.differs(mark) || starts.is_past(mark) || !present && peer.is_after(sent) {
            return Err(IgnoreReason::Stale.into());
        }
        let Some(peer) = self.others.remove(component) else { return Ok(()) };
        // Remembered, or a registration from before the leaving that arrives after it would bring the
        // component back.
        let sent = sent.map(|sent| Stamp::new(now, &self.options, sent));
        let mut starts = peer.starts;
        if starts.current.is_none() {
            starts.begin(leaving.instance.clone());
        }
        starts.begin(None);
        let left = Left { at: now.at, sent, starts };
        self.left.put(component.clone(), left, None, self.options.max_peers);
        self.timers.set(component.clone(), None);
        self.changed(component.clone(), Some(peer.state), None);
        Ok(())
    }

    fn registered(
        &mut self,
        now: Now,
        registration: Box<ComponentRegistration>,
        sent: Option<i64>,
    ) -> Result<(), NotApplied> {
        let component = registration.component_id.clone();
        let mark = registration.instance.as_deref();
        let stamp = sent.map(|sent| Stamp::new(now, &self.options, sent));
        let silent = self.is_silent(&component, now.at);
        let Some(peer) = self.others.get_mut(&component) else {
            return self.first_seen(now, registration, stamp);
        };
        // Its own mark says which start it is, better than any clock.
        if peer.starts.is_past(mark) && !silent {
            return Err(IgnoreReason::Stale.into());
        }
        let other = mark.is_some() && peer.starts.current.as_deref() != mark;
        if !other && peer.is_after(sent) && !silent {
            return Err(IgnoreReason::Stale.into());
        }
        // The same start says again who it is. What it said since its registration still counts, unless
        // its clock contradicts that.
        if mark.is_some() && !other && !peer.is_after(sent) {
            peer.registration = Some(registration);
            self.alive(now, &component, None, None, stamp);
            return Ok(());
        }
        let mut starts = std::mem::take(&mut peer.starts);
        starts.begin(registration.instance.clone());
        let from = Some(peer.state.clone());
        self.enter(now, registration, stamp, starts, from);
        Ok(())
    }

    /// The registration of a component that is not watched.
    fn first_seen(
        &mut self,
        now: Now,
        registration: Box<ComponentRegistration>,
        stamp: Option<Stamp>,
    ) -> Result<(), NotApplied> {
        let component = &registration.component_id;
        let mark = registration.instance.as_deref();
        let mut starts = Starts::default();
        if let Some(left) = self.left.get(component) {
            // After silence even a clock that was set back is believed.
            let silence = self.options.silence(self.options.degraded);
            let recent = silence.is_none_or(|longest| now.at.since(left.at) < longest);
            let before = stamp.zip(left.sent).is_some_and(|(stamp, left)| left.is_after(stamp));
            if recent && (left.starts.is_past(mark) || mark.is_none() && before) {
                return Err(IgnoreReason::Stale.into());
            }
            starts = left.starts.clone();
        }
        self.room().map_err(|error| NotApplied::new(IgnoreReason::Full, error))?;
        starts.begin(registration.instance.clone());
        self.enter(now, registration, stamp, starts, None);
        Ok(())
    }

    /// Notes a registration. The component may have started anew: what it said before counts no more.
    fn enter(
        &mut self,
        now: Now,
        registration: Box<ComponentRegistration>,
        registered: Option<Stamp>,
        starts: Starts,
        from: Option<HealthState>,
    ) {
        let component = registration.component_id.clone();
        let peer = PeerStatus {
            last_seen: Some(now.at),
            registration: Some(registration),
            state: HealthState::Healthy,
            registered,
            beat: registered.map(Stamp::stated),
            starts,
            ..PeerStatus::new()
        };
        self.timers.set(component.clone(), peer.next(&self.options, now.at));
        self.others.insert(component.clone(), peer);
        self.changed(component, from, Some(HealthState::Healthy));
    }

    fn is_silent(&self, component: &ComponentId, now: Instant) -> bool {
        self.others.get(component).is_some_and(|peer| peer.is_silent(&self.options, now))
    }

    /// The component that a message of this start is about.
    fn known(
        &mut self,
        now: Instant,
        component: &ComponentId,
        mark: Option<&str>,
        sent: Option<i64>,
    ) -> Result<&mut PeerStatus, Refused> {
        let silent = self.is_silent(component, now);
        let Some(peer) = self.others.get_mut(component) else {
            // What it said before it left is no reason to call it back.
            let late = self.left.get(component).is_some_and(|left| {
                let before = |left: Stamp| sent.is_some_and(|sent| !left.is_before(sent));
                left.starts.is_past(mark) || mark.is_none() && left.sent.is_some_and(before)
            });
            return Err(Refused { why: unknown(component), asks: !late });
        };
        if peer.starts.is_past(mark) {
            return Err(Refused { why: IgnoreReason::Stale.into(), asks: silent });
        }
        if peer.starts.differs(mark) {
            let detail = format!("`{component}` has started anew, and has not registered since");
            let why = NotApplied::new(IgnoreReason::Unknown, detail);
            return Err(Refused { why, asks: true });
        }
        Ok(peer)
    }

    /// Asks a component for its registration.
    fn ask(&mut self, now: Now, component: ComponentId, about: EnvelopeHeader) {
        // Who could not register is not asked to.
        if !self.others.contains_key(&component) && self.room().is_err() {
            return;
        }
        let pause = self.options.ask_pause();
        match self.asks.get_mut(&component) {
            Some(last) if now.at.since(*last) < pause => return,
            Some(last) => *last = now.at,
            None => self.asks.put(component.clone(), now.at, None, self.options.max_peers),
        }
        let id = ErrorId::generate(now.id_millis(), self.rng.id_bytes());
        let context = ErrorContext::new().with_component(component.as_str());
        let occurrence =
            Occurrence::new(id, WorkflowId::global(), now.timestamp()).with_context(context);
        let report = Unregistered(&component).to_report(&occurrence);
        let mut header = self.header(now);
        header.causation_id = about.message_id;
        header.correlation_id = about.correlation_id;
        let envelope = Envelope::new(header, report);
        self.out.push(Outbound::new(vec![component], envelope, Purpose::Notice));
    }

    /// Notes a sign of life.
    fn alive(
        &mut self,
        now: Now,
        component: &ComponentId,
        mark: Option<&String>,
        said: Option<&HealthState>,
        stamp: Option<Stamp>,
    ) {
        if let Some(peer) = self.others.get_mut(component) {
            peer.last_seen = Some(now.at);
            peer.said = said.cloned().or(peer.said.take());
            peer.note(stamp);
            if peer.starts.current.is_none() {
                peer.starts.current = mark.cloned();
            }
            self.review(now, component.clone());
        }
    }

    /// Judges a component anew.
    pub(super) fn review(&mut self, now: Now, component: ComponentId) {
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

fn unknown(component: &ComponentId) -> NotApplied {
    let detail = format!("`{component}` is neither registered nor expected");
    NotApplied::new(IgnoreReason::Unknown, detail)
}
