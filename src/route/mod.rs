//! Routing: the key an event is published under, the patterns that select events, and filters.
//!
//! | to | use |
//! |---|---|
//! | say where an event goes | [`RouteKey`] |
//! | select events by type, workflow and phase | [`Pattern`] |
//! | try many patterns at once, and share events out in queue groups | [`RouteTable`] |
//! | narrow further, by header fields and data | [`Filter`] |
//!
//! # Patterns
//!
//! Patterns come in two families, told apart by the first token. It is a type if it is upper
//! case (a letter `A` to `Z`, then such letters, digits and `_`), else a scope.
//!
//! | pattern | family | selects |
//! |---|---|---|
//! | `resource.wf_001.allocated` | scope, workflow, word | that event in that workflow |
//! | `resource.*.allocated` | scope, workflow, word | that event anywhere |
//! | `resource.*`, `*.failed` | scope, word | any workflow: two tokens leave it out |
//! | `resource.>`, `resource.wf_001.>` | scope, rest | any word of that scope |
//! | `TASK_FAILED.wf_001.build` | type, workflow, phase | that type in that place |
//! | `PHASE_COMPLETED.wf_001.*`, `PHASE_COMPLETED.wf_001` | type, workflow | any phase: two tokens leave it out |
//! | `TASK_FAILED.>` | type, rest | that type anywhere |
//! | `>` | either | everything |
//!
//! `*` stands for one whole token, `>` for one or more and only at the end. No other single token
//! is a pattern: `*` could mean a scope, a word or everything, so it is refused. Inside a token
//! `%` and two hexadecimal digits stand for a byte.
//!
//! What a **scope** selects is wider than a category. `workflow` also selects whatever is bound
//! to a workflow, and `system` whatever is `global`. What a **word** selects has up to three
//! spellings: the type without its category (`threshold`), the whole type in lower case
//! (`resource_threshold`) and the registered alias (`conflict_detected`). The two combine freely:
//! `workflow.*.failed` selects the failures of a workflow's tasks and phases as well as its own.
//! Scopes and words compare without ASCII case; types, workflows and phases compare exactly.
//!
//! A pattern is matched with the triple of type, workflow and phase, never with joined text, so
//! an identifier with dots in it is one token like any other.
//!
//! ```
//! use coordination_protocol::route::{Pattern, RouteKey};
//!
//! let key = RouteKey::new("RESOURCE_THRESHOLD", "global", "global");
//! assert_eq!(key.to_string(), "resource.global.threshold");
//! assert!(Pattern::parse("resource.*.threshold")?.matches(&key));
//! assert!(Pattern::parse("system.*.resource_threshold")?.matches(&key));
//! assert!(Pattern::parse("RESOURCE_THRESHOLD.global.*")?.matches(&key));
//! # Ok::<(), coordination_protocol::route::PatternError>(())
//! ```
//!
//! A pattern that no registered type can meet still compiles, and still matches unregistered
//! types; [`Pattern::warnings`] says what is probably wrong with it. Patterns that name the stream
//! of a component (`coordination_hub.workflow_events`) are of that kind and match no event.

mod escape;
mod filter;
mod key;
mod message;
mod pattern;
mod relation;
mod table;
mod text;
mod warning;

pub use filter::{Comparison, Field, Filter, FilterError, FilterFault, FilterInput, Literal};
pub use key::{RouteKey, RouteKeyError};
pub use pattern::{Pattern, PatternError};
pub use table::{GroupChoice, Matches, Receivers, RouteTable, SubscriptionId};
pub use warning::PatternWarning;
