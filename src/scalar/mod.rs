//! The smallest values of the protocol, each with a type of its own.
//!
//! Three promises hold for all of them:
//!
//! 1. **A bad value cannot be constructed.** `new`, `parse` and `FromStr` refuse what the
//!    specification does not allow, with an error that says where and what to write instead.
//! 2. **The spelling survives.** `94.20`, `60s` and `2.5GB` are written as they were read. Values
//!    are computed on demand, and equality goes by the spelling.
//! 3. **Unknown words survive.** A word outside its vocabulary is kept, and tells that it is
//!    unknown.
//!
//! Reading is lossless, judging comes later. So text-shaped scalars and vocabularies have a second
//! way in, for readers: `from_lenient` takes any text, and so does deserializing.
//! The value is then `None`, and validation reports it. Identifiers, numbers and protocol versions
//! have no such way: deserializing refuses what the constructor refuses.
//!
//! | module | types | on the wire | bad value when deserialized |
//! |---|---|---|---|
//! | [`id`] | [`WorkflowId`], [`Phase`], [`RequestId`], ... | text without `:` | refused |
//! | [`number`] | [`Quantity`], [`Percent`], [`Ratio`], [`Amount`], [`Count`] | number | refused |
//! | [`time`] | [`Timestamp`], [`Span`], [`Window`] | text | kept |
//! | [`size`] | [`ByteSize`] | text | kept |
//! | [`digest`] | [`Digest`] | text | kept |
//! | [`version`] | [`ComponentVersion`] | text | kept |
//! | [`version`] | [`ProtocolVersion`] | text | refused |
//! | [`word`] | [`Severity`], [`Priority`], [`AllocationStatus`], ... | text | kept |
//!
//! Every type has `is_valid` or, for identifiers, [`id::check`]: the same judgement on a borrowed
//! text, without an allocation.
//!
//! ```
//! use coordination_protocol::scalar::{Percent, Severity, Span, WorkflowId};
//!
//! assert!(WorkflowId::new("wf:001").is_err());
//! assert!(Percent::new(120.0).is_err());
//!
//! let span: Span = serde_json::from_str(r#""5h_47m""#)?;
//! assert_eq!(span.as_str(), "5h_47m");
//! assert_eq!(span.value(), None);
//!
//! let severity: Severity = serde_json::from_str(r#""warning""#)?;
//! assert!(!severity.is_known());
//! assert_eq!(severity.rank(), Severity::Medium.rank());
//! # Ok::<(), serde_json::Error>(())
//! ```

mod closed;
mod decimal;
pub mod digest;
mod error;
mod fence;
pub mod id;
mod nearest;
pub mod number;
mod printable;
pub mod size;
mod synonyms;
mod text;
pub mod time;
pub mod version;
pub mod word;

pub(crate) use closed::{refusal, words};
pub use digest::Digest;
pub(crate) use error::Refusal;
pub use error::{BadText, BadWord, OutOfRange, ScalarError};
pub use fence::{Fence, NoFence};
pub use id::{
    AgentId, AllocationId, CheckpointId, ComponentId, ConflictId, CorrelationId, ErrorId, EventId,
    GeneratedId, IdCharset, MessageId, Phase, ProposalId, RecoveryId, RequestId, ResponseId,
    TaskId, WorkflowId,
};
pub use nearest::nearest;
pub(crate) use nearest::nearest_within;
pub use number::{Amount, Count, Percent, Quantity, Ratio};
pub(crate) use printable::Escaping;
pub use printable::{Printable, is_printable, printable};
pub use size::ByteSize;
#[cfg(feature = "schema")]
pub(crate) use text::LINE_BREAK_AT_END;
pub use time::{Instant, Now, Span, Timestamp, WallTime, Window};
pub use version::{ComponentVersion, ProtocolVersion};
pub use word::{
    AllocationStatus, Ballot, BallotOutcome, CheckResult, CheckpointMessage, CheckpointTrigger,
    CheckpointType, ConflictTolerance, ErrorCategory, ErrorScope, ErrorType, HealthState,
    IsolationLevel, Priority, RollbackMode, Severity, StateMessage, TextEncoding, UnknownWord,
};
