//! The resource manager: who may use agents, memory, tools and files, and when.
//!
//! A [`Pool`] is the fold of its decisions, and a [`Decider`] makes new ones: it is given the time and a
//! request, and tells what becomes of it. It asks no clock and sends nothing.
//!
//! ```
//! use coordination_protocol::coordination::resources::{
//!     Decider, EndReason, Amounts, Fallback, Inventory, Need, Pool, Ruling, Submission, Units,
//! };
//! use coordination_protocol::scalar::{Instant, Now, RequestId, WorkflowId};
//! use std::time::Duration;
//!
//! let now = |seconds: u64| {
//!     Now::new(Instant::from_millis(seconds * 1_000), 1_736_942_400_000 + seconds as i64 * 1_000)
//! };
//! let ask = |id: &str, agents| {
//!     let need = Need::new().with("agents", Units::whole(agents)).with_duration(Duration::from_secs(600));
//!     let (id, workflow) = (RequestId::new(id).unwrap(), WorkflowId::new("wf_001").unwrap());
//!     Submission::new(id, workflow, "worker", need).with_fallback(Fallback::new().queued())
//! };
//! let mut pool = Pool::new();
//! let mut decider = Decider::new(&mut pool, now(0));
//! decider.open(1, "boot");
//! decider.set_inventory(Inventory::new().with("agents", Units::whole(4)));
//!
//! // Three of four agents are granted; two more have to wait, and are told for how long.
//! let Ruling::Granted(first) = decider.submit(&ask("req_1", 3))? else { panic!() };
//! let Ruling::Queued { waiting, blocked, .. } = decider.submit(&ask("req_2", 2))? else { panic!() };
//! assert_eq!(waiting.promise.unwrap().start, now(600).at);
//! assert_eq!(
//!     blocked.to_string(),
//!     "agents: 2 needed, 1 of 4 free; held by alloc_1-1 of wf_001 until 2025-01-15T12:10:00Z\n\
//!      it would be granted if alloc_1-1 ended\n\
//!      it would be granted if it asked at 2025-01-15T12:10:00Z\n\
//!      it would be granted if it asked for agents=1",
//! );
//!
//! // What is decided is appended to the log; folded again it is the same pool.
//! let mut log = decider.into_records();
//! let mut decider = Decider::new(&mut pool, now(60));
//! decider.release(&first.allocation_id, Some(first.fence), EndReason::Released, Amounts::new())?;
//! log.extend(decider.into_records());
//! assert_eq!((pool.granted(), pool.queued()), (1, 0), "the second one starts at once");
//! assert_eq!(Pool::fold(&log), pool);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What holds
//!
//! - Never more is granted than there is, and a path that is held alone is held by one. Both hold at every moment of
//!   the time that was granted, also for what is planned.
//! - A grant is whole or it is none; less is granted only as the request permits: fewer agents, shared paths.
//! - A request that waits is promised when it starts at the latest, if it is among the first
//!   [`max_promises`](PoolOptions::max_promises) of each resource. What comes later may start before it only if that
//!   breaks no promise, whatever its urgency. A promise moves by [`Decision::PromiseMoved`] only: when there is less
//!   than before, or when a grant lasts longer than it said.
//! - The [order](QueueOrder) of those that wait is fixed when they ask, so nobody is overtaken without end.
//! - Those that need different things are never in each other's way, and what is given back is offered to those
//!   only that wait for it.
//! - A grant ends once, in one way, for one [reason](EndReason). Its [token](crate::scalar::Fence) is greater than that of all grants
//!   before it.
//! - Nothing is taken from who holds it. Who is in the way of others is asked to give it back
//!   ([`Decision::YieldAsked`]).

mod answer;
mod decide;
mod decision;
mod desk;
mod explain;
mod facts;
mod grants;
mod inventory;
mod lease;
mod need;
mod options;
mod pool;
mod sums;
mod timeline;
mod units;
mod waits;

pub use decide::{Decider, GrantError, Ruling};
pub use decision::{
    Charge, Decision, DecisionRecord, EndReason, FOLD_VERSION, Grant, Promise, QueueOrder, WaitEnd,
    Waiting,
};
pub use desk::{Desk, DeskError, Witness};
pub use explain::{BlockingFact, Change, Explanation, Held, HeldBy, Step};
pub use inventory::{Budget, Inventory};
pub use lease::{Lease, LeaseEnd};
pub use need::{
    Access, Fallback, Holder, Isolation, Need, NeedError, PathLease, Submission, Tolerance, Urgency,
};
pub use options::{PoolOptions, RuleError};
pub use pool::{Pool, Settled};
pub use units::{AGENTS, Amounts, CORES, MEMORY, Units};
