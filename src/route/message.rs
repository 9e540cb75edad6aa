//! Messages that are routed and are no events.

use super::key::RouteKey;
use crate::scalar::id;
use std::fmt;

/// A message that is a document rather than an event and that patterns can name.
///
/// ```
/// use coordination_protocol::route::{MessageKind, Pattern};
///
/// let key = MessageKind::AllocationRequest.key("wf_001");
/// assert!(Pattern::parse("workflow.*.resource_request")?.matches(&key));
/// # Ok::<(), coordination_protocol::route::PatternError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum MessageKind {
    /// The request for resources, which patterns call `resource_request`.
    AllocationRequest,
}

impl MessageKind {
    /// All kinds.
    pub const ALL: &'static [MessageKind] = &[MessageKind::AllocationRequest];

    /// The name of the document.
    pub const fn as_str(self) -> &'static str {
        match self {
            MessageKind::AllocationRequest => "allocation_request",
        }
    }

    /// The name that stands where an event has its type.
    pub const fn type_name(self) -> &'static str {
        match self {
            MessageKind::AllocationRequest => "RESOURCE_REQUEST",
        }
    }

    /// The key of such a message in a workflow, or in `global`; its phase is `global`.
    pub fn key(self, workflow: &str) -> RouteKey<'_> {
        RouteKey::new(self.type_name(), workflow, id::GLOBAL)
    }
}

impl fmt::Display for MessageKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
