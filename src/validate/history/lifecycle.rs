//! Workflows, phases and tasks, as far as their events were seen.

use super::bounded::Bounded;
use crate::event::EventType;
use crate::json::{Kind, Token};
use crate::scalar::Fence;
use crate::validate::embedded::EventData;
use smol_str::{SmolStr, ToSmolStr};
use std::hash::{DefaultHasher, Hash, Hasher};

/// What an event tells of the life of a workflow, a phase or a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::validate) struct Step {
    pub(in crate::validate) event_type: EventType,
    pub(in crate::validate) workflow: SmolStr,
    /// The phase, task or allocation; empty for a workflow's own event.
    pub(in crate::validate) subject: SmolStr,
    /// The agent that works, or that gets the task.
    pub(in crate::validate) agent: Option<SmolStr>,
    /// The agent that had the task.
    pub(in crate::validate) old_agent: Option<SmolStr>,
    pub(in crate::validate) attempt: Option<u64>,
    pub(in crate::validate) fence: Option<Fence>,
    /// Tells a repeated event from another one.
    pub(in crate::validate) print: u64,
}

/// What a step means for its subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Move {
    /// It is given to somebody, and may start.
    Assign,
    Start,
    /// It goes on.
    Work,
    /// It ends for good.
    Complete,
    /// It ends, and may be tried again.
    Fail,
    /// It ends without having started.
    Skip,
    /// What ended before may run again.
    Recover,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Noun {
    Workflow,
    Phase,
    Task,
}

const fn meaning(kind: EventType) -> Option<(Noun, Move)> {
    use EventType as E;
    Some(match kind {
        E::WorkflowCreated => (Noun::Workflow, Move::Assign),
        E::WorkflowStarted => (Noun::Workflow, Move::Start),
        E::WorkflowPaused | E::WorkflowResumed => (Noun::Workflow, Move::Work),
        E::WorkflowCompleted => (Noun::Workflow, Move::Complete),
        E::WorkflowFailed | E::WorkflowCancelled => (Noun::Workflow, Move::Fail),
        E::RecoveryInitiated | E::RecoveryCompleted => (Noun::Workflow, Move::Recover),
        E::PhaseStarted => (Noun::Phase, Move::Start),
        E::PhaseProgress => (Noun::Phase, Move::Work),
        E::PhaseCompleted => (Noun::Phase, Move::Complete),
        E::PhaseFailed => (Noun::Phase, Move::Fail),
        E::PhaseSkipped => (Noun::Phase, Move::Skip),
        E::TaskAssigned | E::TaskReassigned => (Noun::Task, Move::Assign),
        E::TaskStarted => (Noun::Task, Move::Start),
        E::TaskCompleted => (Noun::Task, Move::Complete),
        E::TaskFailed | E::TaskTimeout => (Noun::Task, Move::Fail),
        _ => return None,
    })
}

impl Step {
    /// What an event tells; none for one of another kind, or of nothing in particular.
    pub(in crate::validate) fn of(event: &EventData<'_>) -> Option<Step> {
        let event_type = event.event_type?;
        let text = |key: &str| {
            let token = event.get(key).filter(|token| is_name(*token))?;
            Some(token.decode(event.text).to_smolstr())
        };
        let subject = match (meaning(event_type), event_type) {
            (Some((Noun::Workflow, _)), _) => SmolStr::default(),
            (Some((Noun::Phase, _)), _) => text("phase_id")?,
            (Some((Noun::Task, _)), _) => text("task_id")?,
            (None, EventType::ResourceAllocated | EventType::ResourceDeallocated) => {
                text("allocation_id")?
            }
            (None, _) => return None,
        };
        let (old_agent, agent) = match event_type {
            EventType::TaskReassigned => (text("old_agent"), text("new_agent")),
            _ => (None, text("agent_id")),
        };
        let mut print = DefaultHasher::new();
        event.data.raw(event.text).hash(&mut print);
        Some(Step {
            event_type,
            workflow: event.workflow.to_smolstr(),
            subject,
            agent,
            old_agent,
            attempt: text("attempt").and_then(|text| text.parse().ok()),
            fence: text("fence").and_then(|text| text.parse().ok()),
            print: print.finish(),
        })
    }

    /// The phase or task as messages name it.
    pub(in crate::validate) fn noun(&self) -> String {
        let name = crate::scalar::printable(&self.subject);
        match meaning(self.event_type) {
            Some((Noun::Phase, _)) => format!("phase `{name}`"),
            Some((Noun::Task, _)) => format!("task `{name}`"),
            _ => format!("workflow `{}`", crate::scalar::printable(&self.workflow)),
        }
    }

    fn key(&self, noun: Noun) -> String {
        // A colon is in no workflow's identifier, so two keys are equal only if all parts are.
        let kind = match noun {
            Noun::Workflow => "",
            Noun::Phase => "p",
            Noun::Task => "t",
        };
        format!("{}:{kind}:{}", self.workflow, self.subject)
    }
}

fn is_name(token: Token) -> bool {
    matches!(token.kind(), Kind::Text | Kind::Number)
}

/// What is wrong with a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::validate) enum Misstep {
    /// Its beginning was not seen, and may lie before the history.
    Unseen { expected: EventType },
    /// It has not begun, although its workflow has.
    NotBegun { expected: EventType },
    /// It goes on after this.
    AfterEnd { ended: EventType, noun: String },
    /// The agent is not the one that has the task.
    OtherAgent { has: SmolStr },
    /// A later attempt is known.
    StaleAttempt { latest: u64 },
}

#[derive(Clone, Debug, Default)]
struct Life {
    /// What counts as seen: the workflow's runs are numbered by its recoveries.
    run: u64,
    begun: bool,
    started: bool,
    ended: Option<(EventType, u64)>,
    agent: Option<SmolStr>,
    attempt: Option<u64>,
}

/// Lives of workflows, phases and tasks.
#[derive(Clone, Debug)]
pub(in crate::validate) struct Lives(Bounded<Life>);

impl Lives {
    pub(super) fn new(most: usize) -> Self {
        Lives(Bounded::new(most))
    }

    fn workflow(&self, step: &Step) -> Option<&Life> {
        self.0.get(&format!("{}::", step.workflow))
    }

    fn life(&self, step: &Step, noun: Noun) -> Option<&Life> {
        let run = self.workflow(step).map_or(0, |workflow| workflow.run);
        self.0.get(&step.key(noun)).filter(|life| noun == Noun::Workflow || life.run == run)
    }

    /// What is wrong with a step after those that were seen.
    pub(in crate::validate) fn missteps(&self, step: &Step) -> Vec<Misstep> {
        let mut found = Vec::new();
        let Some((noun, moved)) = meaning(step.event_type) else { return found };
        let none = Life::default();
        let life = self.life(step, noun).unwrap_or(&none);
        // An event that comes twice was delivered twice.
        if life.ended == Some((step.event_type, step.print)) {
            return found;
        }
        if let (Some(attempt), Some(latest)) = (step.attempt, life.attempt)
            && attempt < latest
        {
            found.push(Misstep::StaleAttempt { latest });
            return found;
        }
        let newer = step.attempt.is_some() && step.attempt > life.attempt;
        if let Some(has) = life.agent.as_ref().filter(|_| !newer) {
            let speaks = step.old_agent.as_ref().or(step.agent.as_ref());
            let assigns = step.event_type == EventType::TaskAssigned;
            if speaks.is_some_and(|agent| agent != has) && !assigns {
                found.push(Misstep::OtherAgent { has: has.clone() });
                return found;
            }
        }
        if let Some(misstep) = self.after_end(step, noun, moved, life, newer) {
            found.push(misstep);
            return found;
        }
        let expected = match (noun, moved) {
            (Noun::Phase, Move::Work | Move::Complete | Move::Fail) if !life.started => {
                EventType::PhaseStarted
            }
            (Noun::Task, Move::Complete) if !life.started => EventType::TaskStarted,
            (Noun::Task, Move::Start | Move::Fail) if !life.begun => EventType::TaskAssigned,
            (Noun::Workflow, Move::Work | Move::Complete | Move::Fail) if !life.begun => {
                EventType::WorkflowStarted
            }
            _ => return found,
        };
        // Of a workflow of which nothing was seen, nothing is missing.
        let Some(workflow) = self.workflow(step) else { return found };
        let begun = noun != Noun::Workflow && workflow.begun && workflow.run == 0;
        // What comes late or was not written is no contradiction yet; an end without a beginning is.
        found.push(if begun && moved == Move::Complete {
            Misstep::NotBegun { expected }
        } else {
            Misstep::Unseen { expected }
        });
        found
    }

    fn after_end(
        &self,
        step: &Step,
        noun: Noun,
        moved: Move,
        life: &Life,
        newer: bool,
    ) -> Option<Misstep> {
        let after = |ended: EventType, noun: String| Some(Misstep::AfterEnd { ended, noun });
        if let Some((ended, _)) = life.ended.filter(|_| !newer) {
            let failed = meaning(ended).is_some_and(|(_, moved)| moved == Move::Fail);
            let goes_on = match (noun, moved) {
                // What failed is tried again, and fails again.
                (_, Move::Start | Move::Fail) if failed => false,
                (Noun::Phase | Noun::Workflow, Move::Start)
                | (_, Move::Assign | Move::Recover | Move::Skip) => false,
                _ => true,
            };
            if goes_on {
                return after(ended, step.noun());
            }
        }
        // What is cleaned up after the end, or comes late, is no work.
        let works = noun != Noun::Workflow && !matches!(moved, Move::Fail | Move::Skip);
        let ended = self.workflow(step)?.ended.filter(|_| works && step.workflow != "global")?.0;
        after(ended, format!("workflow `{}`", crate::scalar::printable(&step.workflow)))
    }

    /// Takes a step. One that is stale changes nothing.
    pub(super) fn take(&mut self, step: &Step) {
        let Some((noun, moved)) = meaning(step.event_type) else { return };
        let stale = |misstep: &Misstep| {
            matches!(misstep, Misstep::OtherAgent { .. } | Misstep::StaleAttempt { .. })
        };
        if self.missteps(step).iter().any(stale) {
            return;
        }
        let Some(workflow) = self.0.entry(&format!("{}::", step.workflow)) else { return };
        let run = workflow.run;
        let Some(life) = self.0.entry(&step.key(noun)) else { return };
        if noun != Noun::Workflow && life.run != run {
            *life = Life { run, ..Life::default() };
        }
        if let Some(attempt) = step.attempt {
            life.attempt = Some(attempt);
        }
        if noun == Noun::Task && matches!(moved, Move::Assign | Move::Start) {
            life.agent.clone_from(&step.agent);
        }
        match moved {
            Move::Assign => (life.begun, life.started, life.ended) = (true, false, None),
            Move::Start => (life.begun, life.started, life.ended) = (true, true, None),
            Move::Work => {}
            Move::Complete | Move::Fail | Move::Skip => {
                life.ended = Some((step.event_type, step.print));
            }
            Move::Recover => {
                life.ended = None;
                life.run += 1;
            }
        }
    }
}
