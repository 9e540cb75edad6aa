//! Whether a component may send a message.

use super::{PermissionDenied, Permissions, Sender};
use crate::event::{Event, Registry};
use crate::message::Message;
use crate::route::{Pattern, RouteKey};
use crate::scalar::ComponentId;

/// What is known of a message beside what it says.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Evidence<'a> {
    /// The registry that the message was read with, if not that of the permissions: an event's key, and
    /// so what covers it, follows from it.
    pub registry: Option<&'a Registry>,
    /// Whether an accepted signature proves the source.
    pub signed: bool,
    /// The component to which the grant was made that the message gives back, if that is known.
    pub holder: Option<&'a ComponentId>,
}

impl<'a> Evidence<'a> {
    /// Nothing is known.
    pub const fn new() -> Self {
        Evidence { registry: None, signed: false, holder: None }
    }

    /// Sets the registry that the message was read with.
    pub const fn with_registry(mut self, registry: &'a Registry) -> Self {
        self.registry = Some(registry);
        self
    }

    /// Sets whether an accepted signature proves the source.
    pub const fn with_signed(mut self, signed: bool) -> Self {
        self.signed = signed;
        self
    }

    /// Sets the component to which the grant was made that the message gives back.
    pub const fn with_holder(mut self, holder: &'a ComponentId) -> Self {
        self.holder = Some(holder);
        self
    }
}

/// The component that a message speaks for: the key of the body that names it.
pub(crate) fn speaker(message: &Message) -> Option<(&'static str, &str)> {
    Some(match message {
        Message::ComponentRegistration(body) => ("component_id", body.component_id.as_str()),
        Message::HealthStatus(body) => ("component_id", body.component_id.as_str()),
        Message::Hello(body) => ("component_id", body.component_id.as_str()),
        Message::Welcome(body) => ("component_id", body.component_id.as_str()),
        Message::Heartbeat(body) => ("component_id", body.component_id.as_str()),
        Message::Deregistration(body) => ("component_id", body.component_id.as_str()),
        Message::Subscription(body) => ("subscriber", body.subscriber.as_str()),
        Message::Vote(body) => ("voter", body.voter.as_str()),
        Message::Proposal(body) => ("proposer", body.proposer.as_ref()?.as_str()),
        _ => return None,
    })
}

/// Who asks, in an open list: a component, or whatever else.
fn requester(message: &Message) -> Option<&str> {
    match message {
        Message::AllocationRequest(body) => body.requester.as_deref(),
        Message::Release(body) => body.requester.as_deref(),
        _ => None,
    }
}

impl Permissions {
    /// Whether a component may send a message: the row of its kind names it, an event or a
    /// subscription is covered by its patterns, a registration asks for no more than it may have, and
    /// it speaks for itself.
    ///
    /// # Errors
    /// [`PermissionDenied`], the first of what [`denials`](Self::denials) tells.
    pub fn may_send(
        &self,
        source: &ComponentId,
        message: &Message,
        evidence: &Evidence<'_>,
    ) -> Result<(), PermissionDenied> {
        match self.denials(source, message, evidence).into_iter().next() {
            Some((_, denied)) => Err(denied),
            None => Ok(()),
        }
    }

    /// All that keeps a component from sending a message, each with the JSON pointer of the value
    /// that is to blame.
    pub fn denials(
        &self,
        source: &ComponentId,
        message: &Message,
        evidence: &Evidence<'_>,
    ) -> Vec<(String, PermissionDenied)> {
        let mut denied = Vec::new();
        let kind = message.kind();
        // A component speaks for itself only, or it could register and vote as another.
        let other = |name: &str| PermissionDenied::Impersonation {
            component: source.clone(),
            other: name.to_owned(),
        };
        if let Some((key, name)) = speaker(message)
            && name != source.as_str()
        {
            denied.push((format!("/{kind}/{key}"), other(name)));
        }
        if let Some(name) = requester(message)
            && name != source.as_str()
            && ComponentId::new(name).is_ok_and(|named| self.knows(&named))
        {
            denied.push((format!("/{kind}/requester"), other(name)));
        }
        let senders = self.senders(kind);
        if !senders.iter().any(|sender| self.is(source, sender, message, evidence)) {
            self.explain(source, senders, message, evidence, &mut denied);
        }
        // Whoever is not itself could not have what it registers.
        if denied.is_empty()
            && let Message::ComponentRegistration(registration) = message
        {
            self.check_registration(registration, evidence, &mut denied);
        }
        denied
    }

    /// Whether a component is one of those that a sender stands for.
    fn is(
        &self,
        source: &ComponentId,
        sender: &Sender,
        message: &Message,
        evidence: &Evidence<'_>,
    ) -> bool {
        let registry = evidence.registry.unwrap_or(&self.registry);
        match sender {
            Sender::Anyone => true,
            Sender::Registered => self.knows(source),
            Sender::Replica => self.replicas.contains(source),
            Sender::Voter => self.voters.contains(source),
            Sender::Holder => {
                self.knows(source) && evidence.holder.is_none_or(|holder| holder == source)
            }
            Sender::Addressee => match message {
                Message::DeadLetter(letter) => letter.subscriber.as_ref() == Some(source),
                Message::Subscription(subscription) => subscription.subscriber == *source,
                _ => false,
            },
            Sender::Capability(name) => self.has_capability(source, name),
            Sender::Component(name) => name == source,
            Sender::Publications => match message {
                Message::Event(body) => {
                    self.may_publish(source, &key_of(registry, &body.event)).is_ok()
                }
                _ => false,
            },
            Sender::Subscriptions => match message {
                Message::Subscription(subscription) => {
                    self.knows(source)
                        // One that is no pattern has a finding of its own.
                        && subscription.patterns.iter().filter_map(|text| Pattern::parse(text).ok()).all(
                            |pattern| self.may_subscribe_with(registry, source, &pattern).is_ok(),
                        )
                }
                _ => false,
            },
        }
    }

    /// Why a component is none of the senders: what its patterns lack, if patterns would have been
    /// enough, else what it takes.
    fn explain(
        &self,
        source: &ComponentId,
        senders: &[Sender],
        message: &Message,
        evidence: &Evidence<'_>,
        denied: &mut Vec<(String, PermissionDenied)>,
    ) {
        const SOURCE: &str = "/source";
        let registry = evidence.registry.unwrap_or(&self.registry);
        if let Err(unknown) = self.known(source) {
            return denied.push((SOURCE.to_owned(), unknown));
        }
        match (message, senders) {
            (Message::Event(body), [Sender::Publications]) => {
                if let Err(error) = self.may_publish(source, &key_of(registry, &body.event)) {
                    denied.push((SOURCE.to_owned(), error));
                }
            }
            (Message::Subscription(subscription), [Sender::Subscriptions]) => {
                for (index, text) in subscription.patterns.iter().enumerate() {
                    let Ok(pattern) = Pattern::parse(text) else { continue };
                    if let Err(error) = self.may_subscribe_with(registry, source, &pattern) {
                        denied.push((format!("/subscription/patterns/{index}"), error));
                    }
                }
            }
            _ => denied.push((
                SOURCE.to_owned(),
                PermissionDenied::Kind {
                    component: source.clone(),
                    kind: message.kind(),
                    senders: senders.to_vec(),
                },
            )),
        }
    }
}

/// The routing key of an event under the registry that it was read with.
fn key_of<'a>(registry: &'a Registry, event: &'a Event) -> RouteKey<'a> {
    let (workflow, phase) = (event.workflow_id.as_str(), event.phase.as_str());
    RouteKey::with_registry(registry, event.type_name(), workflow, phase)
}
