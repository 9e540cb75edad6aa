//! Validation on all four levels (specification, Message Validation).
//!
//! | level | asks | needs |
//! |---|---|---|
//! | schema | is it built as the protocol says? | the record |
//! | content | are types, ranges, formats and required fields right? | the record |
//! | business | do the facts agree, within it and with what came before? | a [`History`] for the latter |
//! | security | may its source say this, and did it? | rights, keys, a clock value |
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
//! A receiver keeps an [`Inbox`]: it holds the history and the replay cache that belong to the
//! validator. [`scan`](mod@scan) finds the messages in Markdown and shell files.

mod checked;
pub mod fresh;
mod history;
mod inbox;
mod policy;
pub mod rights;
mod rules;
pub mod scan;
pub mod signature;
mod validator;

pub use checked::{Checked, Security};
pub use history::{Context, History};
pub use inbox::Inbox;
pub use policy::Policy;
pub use rules::{Found, Rule, Subject};
pub use scan::{
    Command, FileKind, Form, LineIndex, Place, Position, Scan, Snippet, looks_like, scan, scan_as,
};
pub use validator::{Outcome, RecordKind, Validator};

crate::error::reports! {
    rights::RightsError, System, Corruption, "correct_and_resend", "Register patterns such as `resource.*.allocated`.";
    rights::Denied, System, Unavailable, "register_rights", "Register the publication or subscription, or send from the component that has it.";
    fresh::NotFresh, System, Timeout, "resend", "Send the message anew, with the current time.";
    fresh::NotAdmitted, System, Conflict, "drop", "Drop it if it is a repetition; else send it anew under a new `message_id`.";
    signature::KeyError, System, Corruption, "correct_and_retry", "Give the key an identifier and 32 bytes.";
    signature::KeyRingError, System, Conflict, "correct_and_retry", "Give each key one identifier and one owner.";
    signature::KeyFileError, System, Corruption, "correct_and_retry", "Correct the key file at the place that is named.";
    signature::InputError, System, Corruption, "correct_and_resend", "Send one sound JSON object whose numbers a double can hold.";
    signature::SignError, System, Unavailable, "retry", "Sign with a key that is at hand.";
    signature::VerifyError, System, Unavailable, "sign_and_resend", "Sign the message with a valid key of its source.";
}

#[cfg(feature = "signature")]
crate::error::reports! {
    signature::SeedError, System, Corruption, "correct_and_retry", "Give a seed of 64 hexadecimal digits or 44 characters of Base64.";
}
