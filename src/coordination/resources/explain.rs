//! Why a request cannot be granted now, and the least that would change that.

use super::need::{Access, Submission};
use super::units::Units;
use crate::path::PathPattern;
use crate::scalar::{AllocationId, RequestId, Timestamp, WallTime, WorkflowId};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::fmt;
use std::time::Duration;

/// Why a request cannot be granted now: every fact, and up to three smallest changes that would have granted it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Explanation {
    /// Each by itself would be enough to refuse the request.
    pub facts: Vec<BlockingFact>,
    /// Each by itself would have been enough to grant it, and no part of one would. Fewest steps first. Empty
    /// if nothing in reach would help.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
}

impl fmt::Display for Explanation {
    /// A sentence a line: the facts, then the changes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, fact) in self.facts.iter().enumerate() {
            write!(f, "{}{fact}", if at == 0 { "" } else { "\n" })?;
        }
        for change in &self.changes {
            write!(f, "\nit would be granted if {change}")?;
        }
        if self.changes.is_empty() {
            write!(f, "\nno small change would grant it")?;
        }
        Ok(())
    }
}

/// One fact that keeps a request from being granted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BlockingFact {
    /// Too little of a resource is free.
    Amount {
        /// The resource.
        name: SmolStr,
        /// How much is needed.
        needed: Units,
        /// How much is free, at the worst moment of the time that it is needed for.
        free: Units,
        /// How much there is.
        capacity: Units,
        /// Who holds it.
        held: Held,
        /// Who is to get it within that time.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        ahead: Vec<RequestId>,
    },
    /// A path is taken.
    Path {
        /// The path that is wanted.
        wanted: PathPattern,
        /// How.
        access: Access,
        /// The path that is taken.
        taken: PathPattern,
        /// Who holds it.
        held: Held,
        /// Who is to get it within that time.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        ahead: Vec<RequestId>,
    },
    /// A budget has too little left in its present window.
    Budget {
        /// The budget.
        name: SmolStr,
        /// How much is needed.
        needed: Units,
        /// How much is left.
        left: Units,
        /// How much a window has.
        limit: Units,
        /// When the next window begins.
        renews: WallTime,
    },
    /// Exclusive files may be taken at certain times only.
    Window {
        /// When that begins next.
        opens: WallTime,
    },
    /// There is less of it in all, or nothing is known of it.
    Never {
        /// The resource.
        name: SmolStr,
        /// How much is needed.
        needed: Units,
        /// How much there is.
        capacity: Units,
    },
    /// A grant may not last so long.
    Duration {
        /// For how long it is needed.
        needed: Duration,
        /// For how long it may last.
        limit: Duration,
    },
    /// An agent may not have so much memory.
    MemoryPerAgent {
        /// How much each would have.
        needed: Units,
        /// How much it may have.
        limit: Units,
    },
    /// The performance is not offered.
    Performance {
        /// The word.
        word: SmolStr,
    },
    /// The request does not wait behind others that want the same path.
    NotTolerated {
        /// The path.
        path: PathPattern,
    },
    /// It would start after it gives up.
    WaitTooLong {
        /// When it could start; `None` if that is not known.
        start: Option<WallTime>,
        /// When it gives up.
        give_up: WallTime,
    },
    /// It would wait for those who wait for what its workflow holds.
    Deadlock {
        /// The others.
        workflows: Vec<WorkflowId>,
    },
    /// As many wait as may.
    QueueFull {
        /// How many.
        limit: usize,
    },
}

/// Who holds something.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Held {
    /// Those that end first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by: Vec<HeldBy>,
    /// How many more there are.
    #[serde(default, skip_serializing_if = "super::need::is_default")]
    pub more: usize,
}

/// A grant that holds something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct HeldBy {
    /// The grant.
    pub allocation_id: AllocationId,
    /// Its workflow.
    pub workflow_id: WorkflowId,
    /// When it ends by itself.
    pub until: WallTime,
    /// Whether it should have ended, and is not proved dead.
    #[serde(default, skip_serializing_if = "super::need::is_default")]
    pub unproved: bool,
}

/// Steps that together would have granted a request. All are needed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
#[non_exhaustive]
pub struct Change {
    /// The steps.
    pub steps: Vec<Step>,
}

/// One step of a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Step {
    /// Less of a resource is asked for; nothing of it if this is zero.
    Less {
        /// The resource.
        name: SmolStr,
        /// How much.
        to: Units,
    },
    /// A path is not asked for.
    Drop {
        /// The path.
        path: PathPattern,
    },
    /// A path is shared instead of held alone.
    Share {
        /// The path.
        path: PathPattern,
    },
    /// It is asked for a shorter time.
    Shorter {
        /// For how long.
        to: Duration,
    },
    /// It is asked for at another time.
    Wait {
        /// When.
        until: WallTime,
    },
    /// A grant ends.
    Ends {
        /// The grant.
        allocation_id: AllocationId,
    },
    /// A budget has more.
    LargerBudget {
        /// The budget.
        name: SmolStr,
        /// How much a window needs to have.
        limit: Units,
    },
    /// Another performance is asked for.
    AnyPerformance,
}

impl Step {
    /// Changes a request as the step says. What it cannot say, since it is not about the request, is left to the
    /// caller: it waits, ends the grant, or sets the budget.
    pub fn apply_to(&self, submission: &mut Submission) {
        let need = &mut submission.need;
        match self {
            Step::Less { name, to } => need.amounts.set(name, *to),
            Step::Drop { path } => need.paths.retain(|lease| &lease.path != path),
            Step::Share { path } => {
                for lease in need.paths.iter_mut().filter(|lease| &lease.path == path) {
                    lease.access = Access::Shared;
                }
            }
            Step::Shorter { to } => need.duration = Some(*to),
            Step::AnyPerformance => submission.min_performance = None,
            Step::Wait { .. } | Step::Ends { .. } | Step::LargerBudget { .. } => {}
        }
    }
}

fn time(wall: WallTime) -> Timestamp {
    Timestamp::from(wall)
}

fn span(duration: Duration) -> crate::scalar::Span {
    crate::scalar::Span::from(duration)
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, held) in self.by.iter().enumerate() {
            let comma = if at == 0 { "; held by " } else { ", " };
            write!(f, "{comma}{} of {}", held.allocation_id, held.workflow_id)?;
            if held.unproved {
                f.write_str(", which is over and not proved dead")?;
            } else {
                write!(f, " until {}", time(held.until))?;
            }
        }
        match self.more {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

struct Ahead<'a>(&'a [RequestId]);

impl fmt::Display for Ahead<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, request) in self.0.iter().enumerate() {
            write!(f, "{}{request}", if at == 0 { "; promised to " } else { ", " })?;
        }
        Ok(())
    }
}

impl fmt::Display for BlockingFact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BlockingFact::Amount { name, needed, free, capacity, held, ahead } => {
                write!(
                    f,
                    "{name}: {needed} needed, {free} of {capacity} free{held}{}",
                    Ahead(ahead)
                )
            }
            BlockingFact::Path { wanted, access, taken, held, ahead } => {
                let access = match access {
                    Access::Exclusive => "alone",
                    Access::Shared => "with others",
                };
                let ahead = Ahead(ahead);
                write!(f, "path {wanted}: needed {access}, and {taken} is taken{held}{ahead}")
            }
            BlockingFact::Budget { name, needed, left, limit, renews } => write!(
                f,
                "budget {name}: {needed} needed, {left} of {limit} left until {}",
                time(*renews)
            ),
            BlockingFact::Window { opens } => {
                write!(f, "files can be held alone from {} on", time(*opens))
            }
            BlockingFact::Never { name, needed, capacity } if capacity.is_zero() => {
                write!(f, "{name}: {needed} needed, and the inventory has none")
            }
            BlockingFact::Never { name, needed, capacity } => {
                write!(f, "{name}: {needed} needed, and there are {capacity} in all")
            }
            BlockingFact::Duration { needed, limit } => {
                write!(
                    f,
                    "duration: {} needed, at most {} are granted",
                    span(*needed),
                    span(*limit)
                )
            }
            BlockingFact::MemoryPerAgent { needed, limit } => {
                write!(f, "memory of an agent: {needed} GB needed, at most {limit} GB are granted")
            }
            BlockingFact::Performance { word } => {
                write!(f, "performance `{}` is not offered", crate::scalar::printable(word))
            }
            BlockingFact::NotTolerated { path } => {
                write!(f, "path {path}: others want it, and the request tolerates no such conflict")
            }
            BlockingFact::WaitTooLong { start: Some(start), give_up } => {
                write!(f, "it could start at {}, and waits until {}", time(*start), time(*give_up))
            }
            BlockingFact::WaitTooLong { start: None, give_up } => {
                write!(
                    f,
                    "it is not known when it could start, and it waits until {}",
                    time(*give_up)
                )
            }
            BlockingFact::Deadlock { workflows } => {
                f.write_str("deadlock: what it needs is held by ")?;
                for (at, workflow) in workflows.iter().enumerate() {
                    write!(f, "{}{workflow}", if at == 0 { "" } else { ", " })?;
                }
                f.write_str(", waiting for what its workflow holds")
            }
            BlockingFact::QueueFull { limit } => write!(f, "{limit} requests wait already"),
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.steps.iter().enumerate() {
            write!(f, "{}{step}", if at == 0 { "" } else { ", and " })?;
        }
        Ok(())
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Less { name, to } if to.is_zero() => write!(f, "it asked for no {name}"),
            Step::Less { name, to } => write!(f, "it asked for {name}={to}"),
            Step::Drop { path } => write!(f, "it did not ask for {path}"),
            Step::Share { path } => write!(f, "it shared {path}"),
            Step::Shorter { to } => write!(f, "it asked for {}", span(*to)),
            Step::Wait { until } => write!(f, "it asked at {}", time(*until)),
            Step::Ends { allocation_id } => write!(f, "{allocation_id} ended"),
            Step::LargerBudget { name, limit } => write!(f, "the budget {name} were {limit}"),
            Step::AnyPerformance => f.write_str("it asked for no performance"),
        }
    }
}
