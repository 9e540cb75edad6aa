//! The components that decide: what they know is the fold of their decisions.
//!
//! Whoever decides appends its decisions to the [log of decisions](crate::storage::Log::Decisions), with the
//! expectation that nobody else has decided meanwhile. Only then is anything said or done. Its state is the
//! fold of that log, so a process can load it, decide, append, and leave; and of two that decide at the same
//! moment one is refused, loads what the other one decided, and decides again.
//!
//! | module | decides |
//! |---|---|
//! | [`resources`] | who may use agents, memory, tools and files, and when |

pub mod resources;
