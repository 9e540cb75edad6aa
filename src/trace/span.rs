//! Pieces of time in which something was in one state.

use super::rules::TracePlace;
use crate::scalar::WallTime;
use std::fmt;

/// What a span is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum SpanKind {
    /// A workflow, from its beginning to its end.
    Workflow,
    /// A phase.
    Phase,
    /// One attempt at a task, by one agent.
    Task,
    /// A task that waits to be started.
    Waiting,
    /// Resources that are held.
    Allocation,
    /// A request that waits for resources.
    Queued,
}

impl SpanKind {
    /// The word for programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            SpanKind::Workflow => "workflow",
            SpanKind::Phase => "phase",
            SpanKind::Task => "task",
            SpanKind::Waiting => "waiting",
            SpanKind::Allocation => "allocation",
            SpanKind::Queued => "queued",
        }
    }
}

impl fmt::Display for SpanKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A piece of time in which something was in one state.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TraceSpan {
    /// What it is about.
    pub kind: SpanKind,
    /// The workflow.
    pub workflow: String,
    /// The phase, task, allocation or request; the workflow itself for one.
    pub name: String,
    /// The agent that worked, or that the task was given to.
    pub agent: Option<String>,
    /// Which attempt it was.
    pub attempt: Option<u64>,
    /// When it began.
    pub start: WallTime,
    /// When it ended; when the trace did if it had not.
    pub end: WallTime,
    /// How it ended: the state behind it, or `open`.
    pub outcome: String,
    /// Why it waited, or what it needed.
    pub reason: Option<String>,
    /// The places at which it began and ended.
    pub places: (TracePlace, TracePlace),
}
