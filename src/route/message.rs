//! Messages that are routed and are no events.

use super::key::RouteKey;
use crate::message::MessageKind;
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
}
