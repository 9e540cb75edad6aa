//! Reading JSON text without building a tree.
//!
//! Event data and documents are read far more often than they are changed, and a checker has to
//! say *where* something is wrong. So the crate has its own scanner:
//!
//! * [`scan`] walks a text once, allocates nothing, and calls a [`Visit`]or with byte positions.
//! * [`check`] is the plain verdict: `Ok(())` or the first [`JsonFault`].
//! * [`members`] and [`elements`] step through one level of a text that was scanned before.
//! * [`Json`] owns any JSON value as it was spelled: `12` and `12.0` stay apart.
//! * [`canonical`] writes RFC 8785, the form that digests and signatures are made over.
//! * [`mod@pointer`] converts between byte offsets and JSON pointers (RFC 6901).
//!
//! The verdict of [`check`] in [`Dialect::Strict`] equals that of a conforming parser, with four
//! stated differences: duplicate keys are refused, depth and key counts have limits
//! ([`Limits`]), and a number too large for a double is legal text.
//!
//! ```
//! use coordination_protocol::json::{self, Dialect, Limits};
//!
//! let limits = Limits::default();
//! assert!(json::check(r#"{"agents":3}"#, Dialect::Strict, &limits).is_ok());
//! let fault = json::check(r#"{"a":1,"a":2}"#, Dialect::Strict, &limits).unwrap_err();
//! assert_eq!(fault.to_string(), "duplicate key at byte 7");
//! ```

mod brackets;
mod bytes;
mod canonical;
mod edit;
mod error;
mod fault;
mod finder;
mod keys;
mod limits;
mod map;
mod members;
pub mod pointer;
mod raw;
mod scanner;
mod serde;
mod token;
mod tree;

pub(crate) use brackets::{Brackets, closing, string_end};
pub(crate) use bytes::{skip_space, whole_characters};
pub use canonical::canonical;
pub(crate) use edit::{Edits, ObjectEdit, quoted, with_value_at};
pub use error::JsonError;
pub use fault::{FaultKind, JsonFault};
pub(crate) use finder::{Finder, Keyed};
pub use limits::{Dialect, Limits};
pub use map::{Entry, IntoIter, Iter, IterMut, Map, OccupiedEntry, VacantEntry};
pub(crate) use members::value as value_at;
pub use members::{Elements, Members, elements, members};
pub use raw::{Json, write_text};
pub use scanner::{Visit, check, scan};
pub(crate) use serde::{StringMeans, read as read_json, write as write_json};
pub(crate) use token::Stored;
pub use token::{Kind, Token};
pub(crate) use tree::{Node, Tree, form, same};
