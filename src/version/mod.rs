//! Versions of the protocol: agreeing on one, knowing what each can say, leaving one behind
//! (specification, Version Management).
//!
//! * [`negotiate`] finds the version that two sides speak; [`Transition`] keeps count while several
//!   are in use.
//! * [`Matrix`] shows which version reads what another writes, computed from [`additions`].
//! * [`Envelope::encode_for`](crate::Envelope::encode_for) and
//!   [`Event::encode_for`](crate::Event::encode_for) write for a peer of another version.
//! * [`Calendar`] holds what is announced to end, and finds its uses.
//! * [`Migrator`] rewrites a record of one version in another and lists what is lost.
//!
//! # Migration
//!
//! A record is an event line or a JSON document. A [`Step`] leads from one version to a
//! neighbouring one; a [`Migrator`] composes steps along the shortest path. Text that no step
//! touches keeps its spelling byte for byte.
//!
//! Nothing is lost silently. What a version has no word for is a [`Loss`] with its JSON pointer.
//! The law: **if there are no losses, migrating back gives the original.** That is why going up
//! may lose something, too: a name that was free in 1.0.0 has a fixed meaning in 1.1.0.
//!
//! | loss | happens to | allowed |
//! |---|---|---|
//! | optional | header keys, fields: left out | always |
//! | required | event types, messages: the whole record is dropped | if the caller says so |
//!
//! [`Adapter`]s read dialects of real-world input and write protocol 1.1.0. They are used
//! only when named, lead one way, and list what they changed.

mod addition;
mod date;
mod deprecation;
mod encode;
mod error;
mod form;
mod greeting;
mod loss;
mod matrix;
mod migrate;
mod negotiate;
mod place;
mod range;
mod record;
mod supported;
mod transition;

pub use addition::{Addition, AdditionKind, additions};
pub use date::{Date, NOTICE_DAYS};
pub use deprecation::{Calendar, DeprecatedItem, FieldPath, Notice};
pub use encode::Encoded;
pub use error::{BadForm, VersionError};
pub use loss::{Loss, Migrated, Rewrite};
pub use matrix::{Compatibility, Matrix, MatrixEntry};
pub use migrate::{Adapter, Migrator, Step, migrate};
pub use negotiate::{Agreement, Refusal, Remedy, Side, negotiate};
pub use range::VersionRange;
pub use supported::{Capability, SupportedVersions, VERSIONS};
pub use transition::Transition;
