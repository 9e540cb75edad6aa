//! Messages that are routed and are no events.

use super::key::RouteKey;
use crate::message::{Envelope, Message, MessageKind};
use crate::scalar::id;

/// What stands where an event has its type, by the kind of message.
pub(super) const ROUTED: &[(MessageKind, &str)] =
    &[(MessageKind::AllocationRequest, "RESOURCE_REQUEST")];

impl<'a> RouteKey<'a> {
    /// The key of a message that is no event, in a workflow or in `global`; its phase is `global`.
    /// `None` for a kind that patterns have no name for: only the request for resources has one.
    ///
    /// ```
    /// use coordination_protocol::MessageKind;
    /// use coordination_protocol::route::{Pattern, RouteKey};
    ///
    /// let key = RouteKey::of_message(MessageKind::AllocationRequest, "wf_001").unwrap();
    /// assert!(Pattern::parse("workflow.*.resource_request")?.matches(&key));
    /// assert!(RouteKey::of_message(MessageKind::Heartbeat, "global").is_none());
    /// # Ok::<(), coordination_protocol::route::PatternError>(())
    /// ```
    pub fn of_message(kind: MessageKind, workflow: &'a str) -> Option<Self> {
        let (_, name) = ROUTED.iter().find(|(routed, _)| *routed == kind)?;
        Some(RouteKey::new(name, workflow, id::GLOBAL))
    }

    /// The key of a message: that of its event or of its kind, else its header's `routing_key`. `None`
    /// if it has none of these, so that no pattern selects it.
    ///
    /// ```
    /// use coordination_protocol::Envelope;
    /// use coordination_protocol::route::RouteKey;
    ///
    /// let text = r#"{"routing_key":"system.global.error","heartbeat":{"component_id":"hub","sequence":1,"timestamp":"2025-01-15T12:00:00Z"}}"#;
    /// let envelope: Envelope = text.parse()?;
    /// assert_eq!(RouteKey::of(&envelope).unwrap().to_string(), "system.global.error");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn of(envelope: &'a Envelope) -> Option<Self> {
        let stated = || RouteKey::parse(envelope.header.routing_key.as_deref()?).ok();
        match &envelope.message {
            Message::Event(body) => {
                let event = &body.event;
                let (workflow, phase) = (event.workflow_id.as_str(), event.phase.as_str());
                Some(RouteKey::new(event.type_name(), workflow, phase))
            }
            Message::AllocationRequest(body) => {
                RouteKey::of_message(envelope.kind(), body.workflow_id.as_str())
            }
            _ => stated(),
        }
    }
}
