//! What was decided, as the log of decisions keeps it.

use super::explain::Explanation;
use super::inventory::Inventory;
use super::need::{Holder, Need, Submission};
use super::options::PoolOptions;
use super::units::Units;
use crate::scalar::{
    AgentId, AllocationId, ConflictId, Fence, Instant, Now, RequestId, WallTime, WorkflowId,
};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::time::Duration;

/// The version of the fold: what a decision means. Who meets a newer one stops deciding.
pub const FOLD_VERSION: u32 = 1;

/// Resources that somebody has until they are given back.
#[doc(alias = "lease")]
#[doc(alias = "allocation")]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Grant {
    /// What names it.
    pub allocation_id: AllocationId,
    /// The request that it answers.
    pub request_id: RequestId,
    /// The workflow.
    pub workflow_id: WorkflowId,
    /// Who asked.
    pub requester: String,
    /// What is granted.
    pub need: Need,
    /// The agents by name, if the inventory names any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub agents: Vec<AgentId>,
    /// Its fencing token.
    pub fence: Fence,
    /// Whether it is less than what was asked for.
    #[serde(default, skip_serializing_if = "super::need::is_default")]
    pub partial: bool,
    /// Who holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<Holder>,
    /// When it was granted.
    pub since: WallTime,
    /// When it ends by itself.
    pub end: Instant,
    /// The same by the wall clock, for people, and for a machine that was started again.
    pub end_wall: WallTime,
    /// Until when it has to be claimed: it was granted while no holder waited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim_by: Option<Instant>,
    /// Of which windows its budgets were charged.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub charged: Vec<Charge>,
    /// It should have ended, and it is not proved that nobody works with it any more.
    #[serde(default, skip_serializing_if = "super::need::is_default")]
    pub unproved: bool,
}

/// What of a budget a grant, or a plan, sets aside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Charge {
    /// The budget.
    pub name: SmolStr,
    /// The number of its window since 1970.
    pub window: i64,
    /// How much.
    pub amount: Units,
}

/// When a request that waits is to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Promise {
    /// When it is planned to start.
    pub start: Instant,
    /// When it starts at the latest, unless an event moves this.
    pub latest: Instant,
}

/// The place of a request among those that wait: the time at which it was submitted, less its bonus, in whole
/// minutes; then the share of its workflow; then which came first. Fixed when it is submitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub struct QueueOrder {
    /// Minutes since 1970, less the bonus of the urgency.
    pub minute: i64,
    /// The largest share of any resource that the workflow held, in thousandths.
    pub share: u32,
    /// Which request of the pool it is.
    pub number: u64,
}

/// A request that waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Waiting {
    /// What is asked for. Its need says for how long.
    pub submission: Submission,
    /// Its place.
    pub order: QueueOrder,
    /// When it was submitted.
    pub since: WallTime,
    /// How long it waits.
    pub max_wait: Duration,
    /// When it stops waiting.
    pub give_up: Instant,
    /// When it is to start; `None` if that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promise: Option<Promise>,
    /// What of budgets is set aside for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub charged: Vec<Charge>,
}

/// Why a grant ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EndReason {
    /// Its holder gave it back.
    Released,
    /// Its time was over.
    Expired,
    /// Its holder did not show that it is there.
    NotRenewed,
    /// Its holder is gone for certain.
    HolderGone,
    /// It was not claimed in time.
    NotClaimed,
    /// Its workflow ended.
    WorkflowEnded,
    /// Somebody with the right to do so ended it.
    Revoked,
    /// The machine was started again.
    Restarted,
}

impl EndReason {
    /// The word in messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            EndReason::Released => "released",
            EndReason::Expired => "expired",
            EndReason::NotRenewed => "not_renewed",
            EndReason::HolderGone => "holder_gone",
            EndReason::NotClaimed => "not_claimed",
            EndReason::WorkflowEnded => "workflow_ended",
            EndReason::Revoked => "revoked",
            EndReason::Restarted => "restarted",
        }
    }
}

/// Why a request no longer waits, and was not granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum WaitEnd {
    /// It waited for as long as it may.
    TooLong,
    /// Its requester takes it back.
    Cancelled,
    /// Who waited is gone.
    WaiterGone,
    /// There is no longer as much as it needs.
    NeverFits,
}

impl WaitEnd {
    /// The word in messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            WaitEnd::TooLong => "waited_too_long",
            WaitEnd::Cancelled => "cancelled",
            WaitEnd::WaiterGone => "waiter_gone",
            WaitEnd::NeverFits => "never_fits",
        }
    }
}

/// One decision: what the fold is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Decision {
    /// The pool begins, or begins anew: everything before is void.
    Opened {
        /// The incarnation of its log.
        incarnation: u64,
        /// What names this run of the machine.
        boot: String,
    },
    /// There is this from now on. What is granted stays granted.
    Inventory {
        /// What there is.
        inventory: Inventory,
    },
    /// These rules hold from now on.
    Rules {
        /// The rules.
        rules: Box<PoolOptions>,
    },
    /// Resources are granted.
    Granted {
        /// The grant.
        grant: Box<Grant>,
        /// Whether the request waited before.
        #[serde(default, skip_serializing_if = "super::need::is_default")]
        waited: bool,
    },
    /// A request waits.
    Queued {
        /// The request and its place.
        waiting: Box<Waiting>,
        /// What it waits for.
        blocked: Box<Explanation>,
    },
    /// A request is not granted, and does not wait.
    Denied {
        /// The request.
        request_id: RequestId,
        /// The workflow.
        workflow_id: WorkflowId,
        /// Why.
        blocked: Box<Explanation>,
    },
    /// A request that waits is planned to start at another time, or for the first time. This breaks no promise.
    Planned {
        /// The request.
        request_id: RequestId,
        /// When it is to start.
        promise: Promise,
        /// What of budgets is set aside for it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        charged: Vec<Charge>,
    },
    /// A promise is moved.
    PromiseMoved {
        /// The request.
        request_id: RequestId,
        /// Until when it was to start at the latest.
        from: Instant,
        /// What is planned now; `None` if nothing can be.
        to: Option<Promise>,
        /// What moved it.
        cause: SmolStr,
        /// What of budgets is set aside for it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        charged: Vec<Charge>,
    },
    /// A request no longer waits, and was not granted.
    WaitEnded {
        /// The request.
        request_id: RequestId,
        /// Why.
        reason: WaitEnd,
    },
    /// A grant that was offered has a holder.
    Claimed {
        /// The grant.
        allocation_id: AllocationId,
        /// The holder.
        holder: Option<Holder>,
    },
    /// A grant ends later.
    Extended {
        /// The grant.
        allocation_id: AllocationId,
        /// When.
        end: Instant,
        /// The same by the wall clock.
        end_wall: WallTime,
    },
    /// A grant is over.
    Ended {
        /// The grant.
        allocation_id: AllocationId,
        /// Why.
        reason: EndReason,
        /// What was used of budgets; the rest of what was set aside is given back.
        #[serde(default, skip_serializing_if = "super::units::Amounts::is_empty")]
        used: super::units::Amounts,
    },
    /// A grant is over, but something may still work with what it holds.
    NotProved {
        /// The grant.
        allocation_id: AllocationId,
        /// When that is looked at again.
        again: Instant,
    },
    /// Somebody who needs what others hold asks them to give it back. Nothing is taken.
    YieldAsked {
        /// The conflict.
        conflict_id: ConflictId,
        /// Who asks.
        request_id: RequestId,
        /// The grants that are in the way.
        allocations: Vec<AllocationId>,
    },
    /// A resource is held above its threshold, or no longer.
    Threshold {
        /// The resource.
        name: SmolStr,
        /// How much of it is held, in percent.
        percent: u64,
        /// Above which it is told.
        threshold: u8,
        /// Whether it is above.
        above: bool,
    },
    /// What waits was planned anew.
    Optimized {
        /// How long those with a promise would have waited together before, in milliseconds.
        before: u64,
        /// And after.
        after: u64,
        /// How many start now.
        started: u32,
    },
    /// The machine was started again: moments of before mean nothing.
    Restarted {
        /// What names this run of the machine.
        boot: String,
    },
}

/// A decision with the time at which it was made, as it stands in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DecisionRecord {
    /// The version of the fold.
    pub v: u32,
    /// When it was made.
    pub at: Instant,
    /// The same by the wall clock.
    pub wall: WallTime,
    /// What was decided.
    pub decision: Decision,
}

impl DecisionRecord {
    /// A decision of now.
    pub const fn new(now: Now, decision: Decision) -> Self {
        DecisionRecord { v: FOLD_VERSION, at: now.at, wall: now.wall, decision }
    }
}
