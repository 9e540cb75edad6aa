//! One's own part.

use super::{Presence, PresenceError, PresenceOutput};
use crate::machine::effect::NotApplied;
use crate::machine::settings::at_least;
use crate::machine::{IgnoreReason, Outbound, Purpose};
use crate::message::{
    ComponentRegistration, Deregistration, Envelope, EnvelopeHeader, ErrorReport, HealthStatus,
    Heartbeat, Message,
};
use crate::scalar::{ComponentId, Count, HealthState, Instant, MessageId, Now};
use serde::{Deserialize, Serialize};

/// Whether one takes part.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Own {
    NotJoined,
    Joined(Joined),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Joined {
    /// What is said again to who missed it. It bears the mark of this start.
    registration: Box<ComponentRegistration>,
    announced: Instant,
    sequence: u64,
    health: Option<HealthState>,
    pub(super) beat: Option<Instant>,
    pub(super) check: Option<Instant>,
}

impl Joined {
    fn component(&self) -> &ComponentId {
        &self.registration.component_id
    }
}

/// The strategy of an error report that asks a component for its registration.
pub(super) const REGISTER: &str = "register";

/// Whether a report asks for a registration, and does not answer a request.
pub(super) fn asks(header: &EnvelopeHeader, report: &ErrorReport) -> bool {
    let suggestions = report.recovery_suggestions.as_deref().unwrap_or_default();
    header.response_to.is_none()
        && suggestions.iter().any(|one| one.strategy.as_deref() == Some(REGISTER))
}

impl Presence {
    pub(super) fn header(&mut self, now: Now) -> EnvelopeHeader {
        let header = EnvelopeHeader::new()
            .with_message_id(MessageId::generate(now.id_millis(), self.rng.id_bytes()))
            .with_timestamp(now.timestamp());
        match &self.own {
            Own::Joined(own) => header.with_source(own.component().clone()),
            Own::NotJoined => header,
        }
    }

    fn send(&mut self, now: Now, message: impl Into<Message>) {
        let header = self.header(now);
        self.out.push(Outbound::new(Vec::new(), Envelope::new(header, message), Purpose::Notice));
    }

    pub(super) fn join(
        &mut self,
        now: Now,
        mut registration: Box<ComponentRegistration>,
    ) -> Result<(), PresenceError> {
        if let Own::Joined(_) = self.own {
            return Err(PresenceError::Joined);
        }
        // Drawn in any case, so that what the host sets changes no draw after it.
        let mark = format!("{:016x}", self.marks.next_u64());
        registration.instance.get_or_insert(mark);
        self.own = Own::Joined(Joined {
            registration,
            announced: now.at,
            sequence: 0,
            health: None,
            // The registration is a sign of life itself, so the first heartbeat is an interval
            // away.
            beat: now.at.after(at_least(self.options.heartbeat)),
            check: now.at.after(at_least(self.options.health_check)),
        });
        self.announce(now);
        Ok(())
    }

    /// Says who one is.
    fn announce(&mut self, now: Now) {
        let Own::Joined(own) = &mut self.own else { return };
        own.announced = now.at;
        let registration = own.registration.clone();
        self.send(now, Message::ComponentRegistration(registration));
    }

    /// Somebody who missed the registration asks for it.
    pub(super) fn asked(&mut self, now: Now, report: &ErrorReport) -> Result<(), NotApplied> {
        let Own::Joined(own) = &self.own else { return Err(IgnoreReason::Unwanted.into()) };
        let asked = report.context.as_ref().and_then(|context| context.component.as_deref());
        if asked.is_some_and(|asked| asked != own.component().as_str()) {
            return Err(NotApplied::new(IgnoreReason::Unwanted, "it asks another component"));
        }
        // What it says goes to all who watch, so one is enough however many ask.
        if now.at.since(own.announced) < self.options.ask_pause() {
            return Err(IgnoreReason::Duplicate.into());
        }
        self.announce(now);
        Ok(())
    }

    pub(super) fn health(
        &mut self,
        now: Now,
        mut status: Box<HealthStatus>,
    ) -> Result<(), PresenceError> {
        let Own::Joined(own) = &mut self.own else { return Err(PresenceError::NotJoined) };
        if *own.component() != status.component_id {
            return Err(PresenceError::NotOurs(status.component_id));
        }
        // Heartbeats repeat it: they come more often, so a watcher that missed the report learns it
        // anyway.
        own.health = Some(status.status.clone());
        status.instance.clone_from(&own.registration.instance);
        self.send(now, Message::HealthStatus(status));
        Ok(())
    }

    pub(super) fn leave(&mut self, now: Now, reason: String) -> Result<(), PresenceError> {
        let Own::Joined(own) = &self.own else { return Err(PresenceError::NotJoined) };
        let mut leaving =
            Deregistration::new(own.component().clone(), reason).with_timestamp(now.timestamp());
        leaving.instance.clone_from(&own.registration.instance);
        self.send(now, leaving);
        // No heartbeat may follow the deregistration: watchers would refuse it.
        self.own = Own::NotJoined;
        Ok(())
    }

    /// Does what is due of one's own. A late call sends one heartbeat, not all that were missed.
    pub(super) fn show(&mut self, now: Now) {
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
            let sequence = own.sequence;
            let mut heartbeat =
                Heartbeat::new(own.component().clone(), Count::new(sequence), now.timestamp());
            heartbeat.status.clone_from(&own.health);
            heartbeat.instance.clone_from(&own.registration.instance);
            // Unasked as well: who watches may not be able to ask.
            if sequence.is_multiple_of(u64::from(self.options.announce.max(1))) {
                self.announce(now);
            }
            self.send(now, heartbeat);
        }
        // After the heartbeat, because the host has to work for the report, and the sign of life
        // does not wait for that.
        if check {
            self.out.push(PresenceOutput::HealthDue);
        }
    }
}
