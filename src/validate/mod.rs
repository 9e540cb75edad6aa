//! Validation on all four levels (specification, Message Validation).
//!
//! | level | asks | needs |
//! |---|---|---|
//! | schema | is it built as the protocol says? | the record |
//! | content | are types, ranges, formats and required fields right? | the record |
//! | business | do the facts agree, within it and with what came before? | a [`History`] for the latter |
//! | security | may its source say this, and did it? | permissions, keys, a clock value |
//!
//! A [`Validator`] runs all of them in one pass and reports every finding at once. What it accepts
//! is a [`Checked`] value, the only thing that protocol machines take.
//!
//! ```
//! use coordination_protocol::validate::{Context, Validator};
//! use coordination_protocol::{Mode, Verdict};
//!
//! let validator = Validator::new(Mode::Strict);
//! let outcome = validator.check(
//!     r#"{"health_status":{"component_id":"hub","status":"healthy","timestamp":"2025-01-15T12:00:00Z",
//!         "performance_metrics":{"success_rate":98.5,"error_rate":4}}}"#,
//!     &Context::new(),
//! );
//! assert_eq!(outcome.report.verdict(), Verdict::Invalid);
//! assert_eq!(
//!     outcome.report.findings()[0].to_string(),
//!     "success rate and error rate add up to 102.5, not to 100",
//! );
//! assert_eq!(outcome.security.to_string(), "not checked");
//! ```
//!
//! A receiver keeps a [`Gate`]: it holds the history and the replay cache that belong to the
//! validator. [`scan`](mod@crate::scan) finds the messages in Markdown and shell files, and
//! [`security`](crate::security) holds what the security level asks.

mod checked;
mod embedded;
mod gate;
mod history;
mod judge;
mod learn;
mod outcome;
mod policy;
mod policy_file;
mod rules;
mod validator;

pub use checked::{Checked, Security, SourceTrust};
pub use gate::Gate;
pub use history::{Context, History};
pub use outcome::ValidationOutcome;
pub use policy::{EventLines, SecurityPolicy};
pub use policy_file::PolicyFileError;
pub use rules::{FindingSink, RuleInput, ValidationRule};
pub use validator::{RecordKind, Validator};
