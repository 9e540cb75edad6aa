//! Versions of the protocol: agreeing on one, knowing what each can say, leaving one behind
//! (specification, Version Management).
//!
//! * [`negotiate`] finds the version that two sides speak; [`Transition`] keeps count while several
//!   are in use.

mod form;
mod negotiate;
mod range;
mod supported;
mod transition;

pub use form::FormError;
pub use negotiate::{Agreement, Refusal, Remedy, Side, negotiate};
pub use range::{RangeError, VersionRange};
pub use supported::{Feature, FeatureError, Supported, VERSIONS};
pub use transition::Transition;
