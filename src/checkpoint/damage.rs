//! What is wrong with a stored checkpoint: data, which a listing and an error carry.

use super::part_name::PartName;
use crate::scalar::{CheckpointId, Escaping};
use std::fmt::{self, Write as _};

/// What is wrong with a stored checkpoint.
///
/// ```
/// use coordination_protocol::checkpoint::{Damage, PartName};
/// use coordination_protocol::scalar::CheckpointId;
///
/// let damage = Damage::new(CheckpointId::new("ckpt_1")?, "its bytes are not those that were written")
///     .with_part(PartName::FILE_SYSTEM);
/// assert_eq!(
///     damage.to_string(),
///     "`file_system` of ckpt_1 is damaged: its bytes are not those that were written",
/// );
/// # Ok::<(), coordination_protocol::scalar::ScalarError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Damage {
    /// The checkpoint that is damaged. It may be the one that the loaded one is a delta of.
    pub checkpoint: CheckpointId,
    /// The part, unless it is the entry that describes the checkpoint.
    pub part: Option<PartName>,
    /// What is wrong.
    pub detail: String,
}

impl Damage {
    /// Damage to the entry of a checkpoint.
    pub fn new(checkpoint: CheckpointId, detail: impl Into<String>) -> Self {
        Damage { checkpoint, part: None, detail: detail.into() }
    }

    /// Sets the part that is damaged.
    pub fn with_part(mut self, part: PartName) -> Self {
        self.part = Some(part);
        self
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let f = &mut Escaping::sentence(f);
        match &self.part {
            Some(part) => write!(f, "`{part}`")?,
            None => f.write_str("the entry")?,
        }
        write!(f, " of {} is damaged: {}", self.checkpoint, self.detail)
    }
}
