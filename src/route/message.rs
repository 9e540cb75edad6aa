//! Messages that are routed and are no events.

use super::key::RouteKey;
use crate::message::{Envelope, Message, MessageKind};
use crate::scalar::{WorkflowId, id};
use std::sync::LazyLock;

/// The scope of all of them but the request, whose key has been in use longer.
pub(super) const SCOPE: &str = "system";

/// What stands where an event has its type, by the kind of message: the body key in upper case. The
/// request for resources is called `RESOURCE_REQUEST`, as the specification's own patterns call it.
static ROUTED: LazyLock<Vec<(MessageKind, String)>> = LazyLock::new(|| {
    let kinds = MessageKind::KNOWN.iter().filter(|kind| **kind != MessageKind::Event);
    let name = |kind: MessageKind| match kind {
        MessageKind::AllocationRequest => "RESOURCE_REQUEST".to_owned(),
        kind => kind.as_str().to_ascii_uppercase(),
    };
    kinds.map(|kind| (*kind, name(*kind))).collect()
});

/// The kinds that have a key, with the names of their types.
pub(super) fn routed() -> impl Iterator<Item = (MessageKind, &'static str)> {
    ROUTED.iter().map(|(kind, name)| (*kind, name.as_str()))
}

/// Whether a type's name is that of a kind of message in the scope of those.
pub(super) fn in_message_scope(name: &str) -> bool {
    routed().any(|(kind, routed)| kind != MessageKind::AllocationRequest && routed == name)
}

impl<'a> RouteKey<'a> {
    /// The key of a message that is no event, in a workflow or in `global`. Its type is the body key in
    /// upper case (`RESOURCE_REQUEST` for a request for resources), its scope `system`, its phase
    /// `global`. `None` for an event, whose key follows from its type, and for a message without a
    /// known body.
    ///
    /// ```
    /// use coordination_protocol::MessageKind;
    /// use coordination_protocol::route::{Pattern, RouteKey};
    ///
    /// let key = RouteKey::of_message(MessageKind::AllocationRequest, "wf_001").unwrap();
    /// assert!(Pattern::parse("workflow.*.resource_request")?.matches(&key));
    /// let key = RouteKey::of_message(MessageKind::Heartbeat, "global").unwrap();
    /// assert_eq!(key.to_string(), "system.global.heartbeat");
    /// assert_eq!(key.type_key().as_deref(), Some("HEARTBEAT.global.global"));
    /// # Ok::<(), coordination_protocol::route::PatternError>(())
    /// ```
    pub fn of_message(kind: MessageKind, workflow: &'a str) -> Option<Self> {
        let (_, name) = routed().find(|(routed, _)| *routed == kind)?;
        Some(RouteKey::new(name, workflow, id::GLOBAL))
    }

    /// The key of a message: that of its event or of its kind, whatever its header's `routing_key` says.
    /// Only a message without a known body has the one that its header states. `None` if it has none
    /// of these, so that no pattern selects it.
    ///
    /// ```
    /// use coordination_protocol::Envelope;
    /// use coordination_protocol::route::{Pattern, RouteKey};
    ///
    /// let text = r#"{"checkpoint_sync":{"workflow_id":"wf_001","checkpoint_id":"c","checkpoint_type":"manual",
    ///     "timestamp":"2025-01-15T12:00:00Z","state_version":3}}"#;
    /// let envelope: Envelope = text.parse()?;
    /// let key = RouteKey::of(&envelope).unwrap();
    /// assert_eq!(key.to_string(), "system.wf_001.checkpoint_sync");
    /// assert!(Pattern::parse("workflow.wf_001.checkpoint_sync")?.matches(&key));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn of(envelope: &'a Envelope) -> Option<Self> {
        match &envelope.message {
            Message::Event(body) => Some(RouteKey::from(&body.event)),
            Message::Unknown(_) => RouteKey::parse(envelope.header.routing_key.as_deref()?).ok(),
            message => {
                let workflow = message.workflow().map_or(id::GLOBAL, WorkflowId::as_str);
                RouteKey::of_message(envelope.kind(), workflow)
            }
        }
    }
}
