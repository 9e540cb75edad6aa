//! Lifecycles: which states workflows, phases, tasks, agents, allocations, checkpoints, components and recoveries
//! have, which event tells each transition, and by which clock each state ends that nobody ends.
//!
//! One table says all of it. Whatever restates it (typed states, diagrams, the checks of a
//! [trace](crate::trace)) is derived.
//!
//! ```
//! use coordination_protocol::EventType;
//! use coordination_protocol::lifecycle::{Clock, TaskLife};
//!
//! let task = TaskLife::begin(EventType::TaskAssigned).unwrap();
//! assert_eq!(task, TaskLife::Assigned);
//! let task = task.next(EventType::TaskStarted).unwrap();
//! assert_eq!(task.next(EventType::TaskCompleted), Some(TaskLife::Completed));
//! // No event of its own ends an attempt that hangs: its clock does.
//! assert_eq!(task.expires(), Some((Clock::Attempt, TaskLife::TimedOut)));
//! assert_eq!(TaskLife::Completed.next(EventType::TaskStarted), None);
//! ```

use crate::event::EventType;
use std::fmt::{self, Write as _};

/// What limits how long a state may last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Clock {
    /// How long it may wait to begin.
    Waiting,
    /// How long one attempt may take.
    Attempt,
    /// How long all of it may take.
    Total,
    /// How long it may be silent.
    Heartbeat,
}

impl Clock {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Clock::Waiting => "waiting",
            Clock::Attempt => "attempt",
            Clock::Total => "total",
            Clock::Heartbeat => "heartbeat",
        }
    }
}

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One lifecycle as data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lifecycle {
    /// What lives, such as `task`.
    pub name: &'static str,
    /// What it is, in a sentence.
    pub summary: &'static str,
    /// The events that begin it, and the state that it begins in.
    pub begins: &'static [(EventType, &'static str)],
    /// Its states.
    pub states: &'static [LifeState],
}

/// One state of a lifecycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LifeState {
    /// Its name.
    pub name: &'static str,
    /// The clock that ends it, and the state behind that; `None` if it is final.
    pub expires: Option<(Clock, &'static str)>,
    /// The events that lead out of it, and where to.
    pub on: &'static [(EventType, &'static str)],
}

/// Expands the table: a type of states for each lifecycle, and all of them as data.
macro_rules! transitions {
    ($(
        $summary:literal
        $life:ident $name:literal begins { $($begin:ident => $first:ident)+ }
        {
            $($state:ident $word:literal, $clock:ident => $over:ident { $($event:ident => $to:ident)* })+
        }
        ends { $($end:ident $end_word:literal { $($again:ident => $back:ident)* })+ }
    )+) => {
        $(
            #[doc = $summary]
            ///
            #[doc = concat!("The states of a ", $name, ".")]
            #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
            #[non_exhaustive]
            pub enum $life {
                $(#[doc = concat!("`", $word, "`; ends by the ", stringify!($clock), " clock.")] $state,)+
                $(#[doc = concat!("`", $end_word, "`; final.")] $end,)+
            }

            impl $life {
                /// Its states as data.
                pub const LIFECYCLE: Lifecycle = Lifecycle {
                    name: $name,
                    summary: $summary,
                    begins: &[$((EventType::$begin, $life::$first.as_str())),+],
                    states: &[
                        $(LifeState {
                            name: $word,
                            expires: Some((Clock::$clock, $life::$over.as_str())),
                            on: &[$((EventType::$event, $life::$to.as_str())),*],
                        },)+
                        $(LifeState {
                            name: $end_word,
                            expires: None,
                            on: &[$((EventType::$again, $life::$back.as_str())),*],
                        },)+
                    ],
                };

                /// Its name.
                pub const fn as_str(self) -> &'static str {
                    match self {
                        $($life::$state => $word,)+
                        $($life::$end => $end_word,)+
                    }
                }

                /// The state in which an event begins one; `None` if it begins none.
                pub const fn begin(event: EventType) -> Option<Self> {
                    match event {
                        $(EventType::$begin => Some($life::$first),)+
                        _ => None,
                    }
                }

                /// The state behind an event; `None` if the event does not belong here.
                pub const fn next(self, event: EventType) -> Option<Self> {
                    match (self, event) {
                        $($(($life::$state, EventType::$event) => Some($life::$to),)*)+
                        $($(($life::$end, EventType::$again) => Some($life::$back),)*)+
                        _ => None,
                    }
                }

                /// Whether nothing but a recovery leads out of it.
                pub const fn is_final(self) -> bool {
                    matches!(self, $($life::$end)|+)
                }

                /// The clock that ends it, and the state behind that.
                pub const fn expires(self) -> Option<(Clock, Self)> {
                    match self {
                        $($life::$state => Some((Clock::$clock, $life::$over)),)+
                        $($life::$end => None,)+
                    }
                }
            }

            impl fmt::Display for $life {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str(self.as_str())
                }
            }
        )+

        /// All lifecycles.
        pub const LIFECYCLES: &[Lifecycle] = &[$($life::LIFECYCLE),+];
    };
}

transitions! {
    "A workflow, from its definition to its end."
    WorkflowLife "workflow" begins { WorkflowCreated => Created WorkflowStarted => Running }
    {
        Created "created", Waiting => Failed {
            WorkflowStarted => Running WorkflowCancelled => Cancelled WorkflowFailed => Failed
        }
        Running "running", Total => Failed {
            WorkflowPaused => Paused WorkflowCompleted => Completed WorkflowFailed => Failed
            WorkflowCancelled => Cancelled RecoveryInitiated => Recovering
        }
        Paused "paused", Total => Cancelled {
            WorkflowResumed => Running WorkflowFailed => Failed WorkflowCancelled => Cancelled
        }
        Recovering "recovering", Attempt => Failed {
            RecoveryCompleted => Running RecoveryFailed => Running WorkflowFailed => Failed
            WorkflowCancelled => Cancelled
        }
    }
    ends {
        Completed "completed" {}
        Failed "failed" { RecoveryInitiated => Recovering WorkflowStarted => Running }
        Cancelled "cancelled" {}
    }

    "A phase of a workflow: its tasks have a barrier behind them."
    PhaseLife "phase" begins { PhaseStarted => Running PhaseSkipped => Skipped }
    {
        Running "running", Total => Failed {
            PhaseProgress => Running PhaseCompleted => Completed PhaseFailed => Failed
            PhaseSkipped => Skipped
        }
    }
    ends {
        Completed "completed" {}
        Failed "failed" { PhaseStarted => Running PhaseSkipped => Skipped }
        Skipped "skipped" {}
    }

    "A task, which one agent at a time works on."
    TaskLife "task" begins { TaskAssigned => Assigned }
    {
        Assigned "assigned", Waiting => TimedOut {
            TaskStarted => Running TaskReassigned => Assigned TaskFailed => Failed
            TaskTimeout => TimedOut
        }
        Running "running", Attempt => TimedOut {
            TaskCompleted => Completed TaskFailed => Failed TaskTimeout => TimedOut
            TaskReassigned => Assigned
        }
        Failed "failed", Total => GivenUp {
            TaskAssigned => Assigned TaskReassigned => Assigned TaskStarted => Running
        }
        TimedOut "timed_out", Total => GivenUp {
            TaskAssigned => Assigned TaskReassigned => Assigned
        }
    }
    ends {
        Completed "completed" {}
        GivenUp "given_up" {}
    }

    "An agent that works for a workflow."
    AgentLife "agent" begins { AgentAllocated => Working }
    {
        Working "working", Heartbeat => Silent {
            AgentPerformanceAlert => Working AgentError => Working AgentTimeout => Silent
            AgentDeallocated => Released
        }
        Silent "silent", Total => Released {
            AgentDeallocated => Released
        }
    }
    ends {
        Released "released" { AgentAllocated => Working }
    }

    "Resources that somebody has until they are given back."
    AllocationLife "allocation" begins { ResourceAllocated => Held }
    {
        Held "held", Total => Released { ResourceDeallocated => Released }
    }
    ends {
        Released "released" {}
    }

    "A state that is kept to go back to."
    CheckpointLife "checkpoint" begins { CheckpointCreated => Kept }
    {
        Kept "kept", Total => Pruned { CheckpointCreated => Kept }
    }
    ends {
        Pruned "pruned" {}
    }

    "A component of the system."
    ComponentLife "component" begins { SystemStartup => Present }
    {
        Present "present", Heartbeat => Absent { SystemShutdown => Absent }
    }
    ends {
        Absent "absent" { SystemStartup => Present }
    }

    "A recovery of a workflow."
    RecoveryLife "recovery" begins { RecoveryInitiated => Running }
    {
        Running "running", Attempt => Failed {
            RecoveryCompleted => Completed RecoveryFailed => Failed
        }
    }
    ends {
        Completed "completed" {}
        Failed "failed" { RecoveryInitiated => Running }
    }
}

impl Lifecycle {
    /// The lifecycle of a name.
    pub fn named(name: &str) -> Option<&'static Lifecycle> {
        LIFECYCLES.iter().find(|life| life.name == name)
    }

    /// Its state diagram as Mermaid. Dashed lines do not exist there, so what a clock ends is told by its label.
    ///
    /// ```
    /// use coordination_protocol::lifecycle::AllocationLife;
    ///
    /// assert_eq!(
    ///     AllocationLife::LIFECYCLE.to_mermaid(),
    ///     "stateDiagram-v2\n    [*] --> held: RESOURCE_ALLOCATED\n    held --> released: RESOURCE_DEALLOCATED\n    \
    ///      held --> released: after total\n    released --> [*]\n",
    /// );
    /// ```
    pub fn to_mermaid(&self) -> String {
        let mut text = String::from("stateDiagram-v2\n");
        // Writing to a text cannot fail.
        for (event, first) in self.begins {
            let _ = writeln!(text, "    [*] --> {first}: {event}");
        }
        for state in self.states {
            for (event, to) in state.on {
                let _ = writeln!(text, "    {} --> {to}: {event}", state.name);
            }
            let _ = match state.expires {
                Some((clock, to)) => writeln!(text, "    {} --> {to}: after {clock}", state.name),
                None => writeln!(text, "    {} --> [*]", state.name),
            };
        }
        text
    }
}
