//! The names of parts, apart from how they are refused, so that errors can hold them.

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::fmt;

/// The name of a part. Four are the protocol's; a host adds its own.
///
/// ```
/// use coordination_protocol::checkpoint::PartName;
///
/// assert_eq!(PartName::new("queue")?.as_str(), "queue");
/// assert!(PartName::new("../queue").is_err());
/// # Ok::<(), coordination_protocol::checkpoint::CheckpointError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct PartName(pub(super) SmolStr);

impl PartName {
    /// The state of the workflow. It is always there.
    pub const WORKFLOW_STATE: Self = PartName(SmolStr::new_static("workflow_state"));
    /// Paths and the digests of their contents.
    pub const FILE_SYSTEM: Self = PartName(SmolStr::new_static("file_system"));
    /// The states of the agents; those in the workflow's state unless they are given.
    pub const AGENT_STATES: Self = PartName(SmolStr::new_static("agent_states"));
    /// The resources; the usage in the workflow's state unless they are given.
    pub const RESOURCE_STATE: Self = PartName(SmolStr::new_static("resource_state"));

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The member of the workflow's state that the part is where it is not given.
    pub(super) fn derived_from(&self) -> Option<&'static str> {
        match self.as_str() {
            "agent_states" => Some("agent_states"),
            "resource_state" => Some("resource_usage"),
            _ => None,
        }
    }
}

impl fmt::Display for PartName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
