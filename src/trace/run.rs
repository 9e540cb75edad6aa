//! One workflow with its phases and tasks, and what is held.

use super::rules::{TracePlace, TraceRule};
use super::span::{SpanKind, TraceSpan};
use super::{TraceStep, number, text, violation};
use crate::event::{EventRef, EventType};
use crate::lifecycle::{PhaseLife, TaskLife, WorkflowLife};
use crate::path::PathPattern;
use crate::scalar::{Fence, WallTime};
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// Resources that are held.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) place: TracePlace,
    pub(super) since: WallTime,
    pub(super) workflow: SmolStr,
    pub(super) fence: Option<Fence>,
    pub(super) paths: Vec<(PathPattern, bool)>,
    pub(super) needs: Option<String>,
}

impl Held {
    pub(super) fn span(
        self,
        id: &str,
        now: WallTime,
        place: TracePlace,
        outcome: &str,
    ) -> TraceSpan {
        TraceSpan {
            kind: SpanKind::Allocation,
            workflow: self.workflow.into(),
            name: id.to_owned(),
            agent: None,
            attempt: None,
            start: self.since,
            end: now,
            outcome: outcome.to_owned(),
            reason: self.needs,
            places: (self.place, place),
        }
    }
}

/// Something that is in a state since a moment.
#[derive(Clone, Debug)]
struct Member<L> {
    life: L,
    since: WallTime,
    /// Where it came into this state.
    place: TracePlace,
}

#[derive(Debug)]
struct Task {
    now: Member<TaskLife>,
    agent: SmolStr,
    attempt: Option<u64>,
    assigned: TracePlace,
}

#[derive(Debug)]
struct Phase {
    now: Member<PhaseLife>,
    progress: Option<(f64, TracePlace)>,
}

/// One workflow.
#[derive(Debug, Default)]
pub(super) struct Run {
    now: Option<Member<WorkflowLife>>,
    begun: Option<(WallTime, TracePlace)>,
    phases: BTreeMap<SmolStr, Phase>,
    tasks: BTreeMap<SmolStr, Task>,
    epoch: Option<(u64, TracePlace)>,
    last: TracePlace,
}

impl Run {
    pub(super) fn is_over(&self) -> bool {
        self.now.as_ref().is_some_and(|now| now.life.is_final())
    }

    pub(super) const fn has_begun(&self) -> bool {
        self.now.is_some()
    }

    pub(super) fn state(&self) -> &'static str {
        self.now.as_ref().map_or("unknown", |now| now.life.as_str())
    }

    pub(super) const fn seen(&self) -> TracePlace {
        self.last
    }

    #[allow(clippy::too_many_arguments, reason = "one event with its circumstances")]
    pub(super) fn take(
        &mut self,
        place: TracePlace,
        now: WallTime,
        kind: EventType,
        event: &EventRef<'_>,
        workflow: &str,
        limit: usize,
        step: &mut TraceStep,
    ) {
        self.last = place;
        if let Some(epoch) = number(event, "epoch") {
            match self.epoch {
                Some((present, seen)) if epoch < present => {
                    let detail = format!("{kind} is of epoch {epoch}, and {present} began");
                    let rule = TraceRule::StaleEpoch;
                    step.violations.push(violation(rule, place, Some(seen), workflow, detail));
                    return;
                }
                Some((present, _)) if epoch == present => {}
                _ => self.epoch = Some((epoch, place)),
            }
        }
        if kind == EventType::RecoveryCompleted {
            // What was rolled back may run again.
            self.phases.clear();
            self.tasks.clear();
        }
        let name = kind.as_str();
        if name.starts_with("TASK_") {
            self.task(place, now, kind, event, workflow, limit, step);
        } else if name.starts_with("PHASE_") {
            self.phase(place, now, kind, event, workflow, limit, step);
        } else {
            self.own(place, now, kind, workflow, step);
        }
    }

    fn own(
        &mut self,
        place: TracePlace,
        now: WallTime,
        kind: EventType,
        workflow: &str,
        step: &mut TraceStep,
    ) {
        let next = match &self.now {
            Some(present) => present.life.next(kind),
            None => WorkflowLife::begin(kind),
        };
        if let Some(life) = next {
            self.begun.get_or_insert((now, place));
            self.now = Some(Member { life, since: now, place });
            return;
        }
        if !kind.as_str().starts_with("WORKFLOW_") {
            return;
        }
        let (rule, seen, detail) = match &self.now {
            None => {
                // A trace may begin in the middle of a workflow.
                let life = match kind {
                    EventType::WorkflowCompleted => WorkflowLife::Completed,
                    EventType::WorkflowFailed => WorkflowLife::Failed,
                    EventType::WorkflowCancelled => WorkflowLife::Cancelled,
                    EventType::WorkflowPaused => WorkflowLife::Paused,
                    _ => WorkflowLife::Running,
                };
                self.now = Some(Member { life, since: now, place });
                (TraceRule::NotBegun, None, format!("{kind} of {workflow}, which has not begun"))
            }
            Some(present) => {
                let rule = if present.life.is_final() {
                    TraceRule::AfterEnd
                } else {
                    TraceRule::OutOfOrder
                };
                let detail = format!("{kind} of {workflow}, which is {}", present.life);
                (rule, Some(present.place), detail)
            }
        };
        step.violations.push(violation(rule, place, seen, workflow, detail));
    }

    /// Whether work in a workflow that has ended was told as such.
    fn is_late(&self, place: TracePlace, what: &str, workflow: &str, step: &mut TraceStep) -> bool {
        let Some(present) = self.now.as_ref().filter(|now| now.life.is_final()) else {
            return false;
        };
        let detail = format!("{what}, and {workflow} is {}", present.life);
        let (rule, seen) = (TraceRule::AfterWorkflow, Some(present.place));
        step.violations.push(violation(rule, place, seen, workflow, detail));
        true
    }

    #[allow(clippy::too_many_arguments, reason = "one event with its circumstances")]
    fn phase(
        &mut self,
        place: TracePlace,
        now: WallTime,
        kind: EventType,
        event: &EventRef<'_>,
        workflow: &str,
        limit: usize,
        step: &mut TraceStep,
    ) {
        let Some(id) = text(event, "phase_id") else { return };
        if self.is_late(place, &format!("{kind} of phase {id}"), workflow, step) {
            return;
        }
        let mut tell = |rule, seen, detail| {
            step.violations.push(violation(rule, place, seen, workflow, detail));
        };
        let known = self.phases.get(&id);
        let next = match known {
            Some(phase) => phase.now.life.next(kind),
            None => PhaseLife::begin(kind),
        };
        let Some(life) = next else {
            match known {
                None => tell(
                    TraceRule::NotBegun,
                    None,
                    format!("{kind} of phase {id}, which has not begun"),
                ),
                Some(phase) => {
                    let over = phase.now.life.is_final();
                    let rule = if over { TraceRule::AfterEnd } else { TraceRule::OutOfOrder };
                    let detail = format!("{kind} of phase {id}, which is {}", phase.now.life);
                    tell(rule, Some(phase.now.place), detail);
                }
            }
            return;
        };
        if kind == EventType::PhaseProgress {
            let progress = event.get("progress_percentage").and_then(|text| text.parse().ok());
            if let (Some(phase), Some(progress)) = (self.phases.get_mut(&id), progress) {
                match phase.progress {
                    Some((before, seen)) if progress < before => {
                        let detail = format!("phase {id} was at {before} % and is at {progress} %");
                        tell(TraceRule::ProgressBack, Some(seen), detail);
                    }
                    _ => phase.progress = Some((progress, place)),
                }
            }
            return;
        }
        if let Some(phase) = self.phases.get(&id)
            && !phase.now.life.is_final()
        {
            step.spans.push(phase_span(workflow, &id, phase, now, place, life.as_str()));
        }
        if self.phases.len() < limit || self.phases.contains_key(&id) {
            let now = Member { life, since: now, place };
            self.phases.insert(id, Phase { now, progress: None });
        }
    }

    #[allow(clippy::too_many_arguments, reason = "one event with its circumstances")]
    fn task(
        &mut self,
        place: TracePlace,
        now: WallTime,
        kind: EventType,
        event: &EventRef<'_>,
        workflow: &str,
        limit: usize,
        step: &mut TraceStep,
    ) {
        let Some(id) = text(event, "task_id") else { return };
        if self.is_late(place, &format!("{kind} of task {id}"), workflow, step) {
            return;
        }
        let mut tell = |rule, seen, detail| {
            step.violations.push(violation(rule, place, seen, workflow, detail));
        };
        let attempt = number(event, "attempt");
        let speaks = text(event, "old_agent").or_else(|| text(event, "agent_id"));
        let known = self.tasks.get(&id);
        if let Some(task) = known {
            if let (Some(attempt), Some(present)) = (attempt, task.attempt)
                && attempt < present
            {
                let detail =
                    format!("{kind} of task {id} is of attempt {attempt}, and {present} runs");
                tell(TraceRule::StaleAttempt, Some(task.assigned), detail);
                return;
            }
            let newer = attempt.is_some() && attempt > task.attempt;
            if let Some(agent) = speaks.as_ref().filter(|agent| **agent != task.agent)
                && kind != EventType::TaskAssigned
                && !newer
                && !task.now.life.is_final()
            {
                let detail =
                    format!("{kind} of task {id} comes from {agent}, and {} has it", task.agent);
                tell(TraceRule::OtherAgent, Some(task.assigned), detail);
                return;
            }
        }
        let next = match known {
            Some(task) => task.now.life.next(kind),
            None => TaskLife::begin(kind),
        };
        let Some(life) = next else {
            match known {
                None => tell(
                    TraceRule::NotBegun,
                    None,
                    format!("{kind} of task {id}, which was given to nobody"),
                ),
                Some(task) => {
                    let over = task.now.life.is_final();
                    let rule = if over { TraceRule::AfterEnd } else { TraceRule::OutOfOrder };
                    let detail = format!("{kind} of task {id}, which is {}", task.now.life);
                    tell(rule, Some(task.now.place), detail);
                }
            }
            return;
        };
        let reason = ["failure_reason", "reason"].into_iter().find_map(|key| text(event, key));
        if let Some(task) = self.tasks.get(&id) {
            step.spans.extend(task_span(workflow, &id, task, now, place, life.as_str(), reason));
        }
        let given = matches!(kind, EventType::TaskAssigned | EventType::TaskReassigned);
        let agent = text(event, "new_agent").or_else(|| text(event, "agent_id"));
        let state = Member { life, since: now, place };
        let has_room = self.tasks.len() < limit;
        match self.tasks.get_mut(&id) {
            Some(task) => {
                task.now = state;
                if given {
                    task.assigned = place;
                    task.agent = agent.unwrap_or_default();
                }
                task.attempt = attempt.or(task.attempt);
            }
            None if has_room => {
                let agent = agent.unwrap_or_default();
                self.tasks.insert(id, Task { now: state, agent, attempt, assigned: place });
            }
            None => {}
        }
    }

    /// The workflow has ended: what of it has not?
    pub(super) fn end(
        &mut self,
        workflow: &str,
        now: WallTime,
        place: TracePlace,
        well: bool,
        step: &mut TraceStep,
    ) {
        if well {
            let phases = self.phases.iter().filter(|(_, phase)| !phase.now.life.is_final());
            let phases = phases.map(|(id, p)| ("phase", id, p.now.life.as_str(), p.now.place));
            let tasks = self.tasks.iter().filter(|(_, task)| {
                matches!(task.now.life, TaskLife::Assigned | TaskLife::Running)
            });
            let tasks = tasks.map(|(id, t)| ("task", id, t.now.life.as_str(), t.now.place));
            for (noun, id, state, seen) in phases.chain(tasks) {
                let detail = format!("{workflow} is completed, and {noun} {id} is {state}");
                let told = violation(TraceRule::OpenWork, place, Some(seen), workflow, detail);
                step.violations.push(told);
            }
        }
        let outcome = self.state();
        if let Some((since, seen)) = self.begun.take() {
            step.spans.push(workflow_span(workflow, since, now, outcome, (seen, place)));
        }
        self.drain(workflow, now, place, outcome, step);
    }

    /// The trace has ended.
    pub(super) fn close(
        mut self,
        workflow: &str,
        now: WallTime,
        place: TracePlace,
        step: &mut TraceStep,
    ) {
        if let Some((since, seen)) = self.begun.take() {
            step.spans.push(workflow_span(workflow, since, now, "open", (seen, place)));
        }
        self.drain(workflow, now, place, "open", step);
    }

    fn drain(
        &mut self,
        workflow: &str,
        now: WallTime,
        place: TracePlace,
        outcome: &str,
        step: &mut TraceStep,
    ) {
        for (id, phase) in std::mem::take(&mut self.phases) {
            if !phase.now.life.is_final() {
                step.spans.push(phase_span(workflow, &id, &phase, now, place, outcome));
            }
        }
        for (id, task) in std::mem::take(&mut self.tasks) {
            step.spans.extend(task_span(workflow, &id, &task, now, place, outcome, None));
        }
    }
}

fn workflow_span(
    workflow: &str,
    start: WallTime,
    end: WallTime,
    outcome: &str,
    places: (TracePlace, TracePlace),
) -> TraceSpan {
    TraceSpan {
        kind: SpanKind::Workflow,
        workflow: workflow.to_owned(),
        name: workflow.to_owned(),
        agent: None,
        attempt: None,
        start,
        end,
        outcome: outcome.to_owned(),
        reason: None,
        places,
    }
}

fn phase_span(
    workflow: &str,
    id: &str,
    phase: &Phase,
    end: WallTime,
    place: TracePlace,
    outcome: &str,
) -> TraceSpan {
    TraceSpan {
        kind: SpanKind::Phase,
        name: id.to_owned(),
        start: phase.now.since,
        places: (phase.now.place, place),
        ..workflow_span(workflow, phase.now.since, end, outcome, (place, place))
    }
}

/// A wait or an attempt; `None` for what is between two attempts.
fn task_span(
    workflow: &str,
    id: &str,
    task: &Task,
    end: WallTime,
    place: TracePlace,
    outcome: &str,
    reason: Option<SmolStr>,
) -> Option<TraceSpan> {
    let kind = match task.now.life {
        TaskLife::Assigned => SpanKind::Waiting,
        TaskLife::Running => SpanKind::Task,
        _ => return None,
    };
    Some(TraceSpan {
        kind,
        name: id.to_owned(),
        agent: Some(task.agent.to_string()),
        attempt: task.attempt,
        reason: reason.map(String::from),
        places: (task.now.place, place),
        ..workflow_span(workflow, task.now.since, end, outcome, (place, place))
    })
}
