//! What happened, from its events: who worked on what when, and what does not fit together.
//!
//! A [`Trace`] takes the messages of a log one after another and folds them into the
//! [lifecycles](crate::lifecycle) of workflows, phases, tasks and allocations. Whatever breaks a
//! [rule](TraceRule) is told at once, with its place and the place that it contradicts; what has ended comes out as a
//! [span](TraceSpan) for a timeline. It keeps what is open, and forgets a workflow some time after its end.
//!
//! ```
//! use coordination_protocol::EventRef;
//! use coordination_protocol::trace::{Trace, TraceOptions};
//!
//! let lines = [
//!     r#"WORKFLOW_STARTED:wf_1:global:{"start_time":"2025-01-15T12:00:00Z","resource_allocation":{}}"#,
//!     r#"TASK_ASSIGNED:wf_1:build:{"task_id":"t1","agent_id":"a1","estimated_duration":"5m"}"#,
//!     r#"TASK_STARTED:wf_1:build:{"task_id":"t1","agent_id":"a2","start_time":"2025-01-15T12:00:01Z"}"#,
//! ];
//! let mut trace = Trace::new(TraceOptions::new());
//! let mut violations = Vec::new();
//! for (line, number) in lines.iter().zip(1..) {
//!     violations.extend(trace.take_event(number, None, "", &EventRef::parse(line)?).violations);
//! }
//! assert_eq!(
//!     violations[0].to_string(),
//!     "other-agent: TASK_STARTED of task t1 comes from a2, and a1 has it (see 2)",
//! );
//! # Ok::<(), coordination_protocol::ReadError>(())
//! ```

mod render;
mod rules;
mod run;
mod span;

pub use render::{ChromeTrace, MERMAID_CHARACTERS, bars, mermaid_gantt};
pub use rules::{TracePlace, TraceRule, TraceViolation};
pub use span::{SpanKind, TraceSpan};

use crate::event::{EventRef, EventType};
use crate::json::Json;
use crate::message::{Envelope, Message};
use crate::path::{PathIndex, PathPattern};
use crate::scalar::id::GLOBAL;
use crate::scalar::{AllocationStatus, Fence, Timestamp, WallTime};
use run::{Held, Run};
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// How much a trace keeps, and what it asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TraceOptions {
    /// How many workflows are kept behind their end, so that what comes late is told. 1,000 unless set.
    pub max_ended: usize,
    /// How many phases and tasks of one workflow are kept. 100,000 unless set.
    pub max_members: usize,
    /// How many requests are kept whose answer was not seen. 10,000 unless set.
    pub max_requests: usize,
    /// Whether a workflow that has not ended with the trace is a violation. Not unless set: a log may go on.
    pub expects_end: bool,
}

impl Default for TraceOptions {
    fn default() -> Self {
        TraceOptions {
            max_ended: 1_000,
            max_members: 100_000,
            max_requests: 10_000,
            expects_end: false,
        }
    }
}

impl TraceOptions {
    /// The usual limits.
    pub fn new() -> Self {
        TraceOptions::default()
    }

    /// Sets how many workflows are kept behind their end.
    pub const fn with_max_ended(mut self, workflows: usize) -> Self {
        self.max_ended = workflows;
        self
    }

    /// Sets how many phases and tasks of one workflow are kept.
    pub const fn with_max_members(mut self, members: usize) -> Self {
        self.max_members = members;
        self
    }

    /// Sets how many requests are kept whose answer was not seen.
    pub const fn with_max_requests(mut self, requests: usize) -> Self {
        self.max_requests = requests;
        self
    }

    /// Demands that every workflow has ended with the trace.
    pub const fn expecting_end(mut self) -> Self {
        self.expects_end = true;
        self
    }
}

/// What one message showed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TraceStep {
    /// What is wrong with it.
    pub violations: Vec<TraceViolation>,
    /// What ended with it.
    pub spans: Vec<TraceSpan>,
}

/// The fold of a log; see [the module](self).
#[derive(Debug)]
pub struct Trace {
    options: TraceOptions,
    runs: BTreeMap<SmolStr, Run>,
    ended: VecDeque<SmolStr>,
    grants: BTreeMap<SmolStr, Held>,
    paths: PathIndex<(SmolStr, bool)>,
    last_fence: Option<(Fence, TracePlace)>,
    requests: BTreeMap<SmolStr, (TracePlace, WallTime, SmolStr)>,
    request_order: VecDeque<SmolStr>,
    seen_requests: bool,
    clocks: BTreeMap<(SmolStr, SmolStr), (WallTime, TracePlace)>,
    now: WallTime,
    last: TracePlace,
}

/// The field of an event as a text.
fn text(event: &EventRef<'_>, key: &str) -> Option<SmolStr> {
    let raw = event.get(key)?;
    if raw.starts_with(['"', '\'']) {
        return Json::from_valid(raw).to_text().map(SmolStr::from);
    }
    raw.starts_with(|c: char| c.is_ascii_digit()).then(|| SmolStr::new(raw))
}

fn number(event: &EventRef<'_>, key: &str) -> Option<u64> {
    event.get(key)?.trim_matches('"').parse().ok()
}

impl Trace {
    /// Nothing happened yet.
    pub fn new(options: TraceOptions) -> Self {
        Trace {
            options,
            runs: BTreeMap::new(),
            ended: VecDeque::new(),
            grants: BTreeMap::new(),
            paths: PathIndex::new(),
            last_fence: None,
            requests: BTreeMap::new(),
            request_order: VecDeque::new(),
            seen_requests: false,
            clocks: BTreeMap::new(),
            now: WallTime::EPOCH,
            last: 0,
        }
    }

    /// The time of the last message.
    pub const fn now(&self) -> WallTime {
        self.now
    }

    /// Takes a message. What is neither an event nor a request or answer for resources tells nothing.
    pub fn take(&mut self, place: TracePlace, envelope: &Envelope) -> TraceStep {
        let header = &envelope.header;
        let at = header.timestamp.as_ref().and_then(Timestamp::unix_millis).map(WallTime::from);
        let source = header.source.as_ref().map_or("", |source| source.as_str());
        match &envelope.message {
            Message::Event(body) => {
                let line = body.event.to_string();
                match EventRef::parse(&line) {
                    Ok(event) => self.take_event(place, at, source, &event),
                    // An event of a type that nobody knows, or whose data is not whole, tells nothing here.
                    Err(_) => TraceStep::default(),
                }
            }
            Message::AllocationRequest(request) => {
                let at = at.or_else(|| {
                    request.timestamp.as_ref().and_then(Timestamp::unix_millis).map(WallTime::from)
                });
                self.advance(place, at);
                let id = SmolStr::new(request.request_id.as_str());
                let workflow = SmolStr::new(request.workflow_id.as_str());
                self.seen_requests = true;
                self.requests.insert(id.clone(), (place, self.now, workflow));
                self.request_order.push_back(id);
                while self.request_order.len() > self.options.max_requests {
                    if let Some(oldest) = self.request_order.pop_front() {
                        self.requests.remove(&oldest);
                    }
                }
                TraceStep::default()
            }
            Message::AllocationResponse(answer) => {
                self.advance(place, at);
                let mut step = TraceStep::default();
                let id = answer.request_id.as_str();
                // A log that holds no requests at all is one of answers alone.
                if self.seen_requests && !self.requests.contains_key(id) {
                    let detail = format!("{id} is answered, and was not asked");
                    step.violations.push(violation(
                        TraceRule::UnaskedAnswer,
                        place,
                        None,
                        GLOBAL,
                        detail,
                    ));
                }
                if answer.status != AllocationStatus::Queued {
                    self.no_longer_waits(id, place, answer.reason.as_deref(), &mut step);
                }
                step
            }
            _ => TraceStep::default(),
        }
    }

    /// Takes an event. One that has no time is taken to come a millisecond after the one before.
    pub fn take_event(
        &mut self,
        place: TracePlace,
        at: Option<WallTime>,
        source: &str,
        event: &EventRef<'_>,
    ) -> TraceStep {
        let mut step = TraceStep::default();
        let workflow = SmolStr::new(event.workflow());
        if let Some(at) = at {
            let key = (workflow.clone(), SmolStr::new(source));
            match self.clocks.get(&key) {
                Some((before, seen)) if at < *before => {
                    let detail = format!(
                        "{} is of {}, and {} was told before",
                        event.type_name(),
                        Timestamp::from(at),
                        Timestamp::from(*before)
                    );
                    let told =
                        violation(TraceRule::ClockBack, place, Some(*seen), &workflow, detail);
                    step.violations.push(told);
                }
                _ => {
                    self.clocks.insert(key, (at, place));
                }
            }
        }
        self.advance(place, at);
        let Some(kind) = event.event_type() else { return step };
        match kind {
            EventType::ResourceAllocated => self.granted(place, event, &mut step),
            EventType::ResourceDeallocated => self.given_back(place, event, &mut step),
            _ if workflow == GLOBAL => {}
            _ => self.work(place, kind, event, &workflow, &mut step),
        }
        step
    }

    /// The trace ends: what is open comes out.
    pub fn finish(mut self) -> TraceStep {
        let mut step = TraceStep::default();
        for (name, run) in std::mem::take(&mut self.runs) {
            if self.options.expects_end && !run.is_over() && run.has_begun() {
                let detail = format!("workflow {name} is {}", run.state());
                let seen = Some(run.seen());
                step.violations.push(violation(TraceRule::NoEnd, self.last, seen, &name, detail));
            }
            run.close(&name, self.now, self.last, &mut step);
        }
        for (id, held) in std::mem::take(&mut self.grants) {
            step.spans.push(held.span(&id, self.now, self.last, "open"));
        }
        for (id, (seen, since, workflow)) in std::mem::take(&mut self.requests) {
            step.spans.push(TraceSpan {
                kind: SpanKind::Queued,
                workflow: workflow.into(),
                name: id.into(),
                agent: None,
                attempt: None,
                start: since,
                end: self.now,
                outcome: "open".to_owned(),
                reason: None,
                places: (seen, self.last),
            });
        }
        step
    }

    fn advance(&mut self, place: TracePlace, at: Option<WallTime>) {
        self.last = place;
        let next = WallTime::from_unix_millis(self.now.unix_millis() + 1);
        // A timeline goes forwards, whatever clocks say.
        self.now = at.map_or(next, |at| at.max(self.now));
    }

    fn work(
        &mut self,
        place: TracePlace,
        kind: EventType,
        event: &EventRef<'_>,
        workflow: &SmolStr,
        step: &mut TraceStep,
    ) {
        let (now, limit) = (self.now, self.options.max_members);
        let run = self.runs.entry(workflow.clone()).or_default();
        let was_over = run.is_over();
        run.take(place, now, kind, event, workflow, limit, step);
        let is_over = run.is_over();
        if is_over && !was_over {
            let ended_well = kind == EventType::WorkflowCompleted;
            run.end(workflow, now, place, ended_well, step);
            let held = self.grants.iter().filter(|(_, held)| held.workflow == *workflow);
            for (id, held) in held {
                let detail = format!("{workflow} has ended and holds {id}");
                let told =
                    violation(TraceRule::LeakedGrant, place, Some(held.place), workflow, detail);
                step.violations.push(told);
            }
            self.ended.push_back(workflow.clone());
            while self.ended.len() > self.options.max_ended {
                let Some(oldest) = self.ended.pop_front() else { break };
                if self.runs.get(&oldest).is_some_and(Run::is_over) {
                    self.runs.remove(&oldest);
                    self.clocks.retain(|(workflow, _), _| *workflow != oldest);
                }
            }
        }
    }

    fn granted(&mut self, place: TracePlace, event: &EventRef<'_>, step: &mut TraceStep) {
        let workflow = event.workflow();
        let Some(id) = text(event, "allocation_id") else { return };
        let mut tell = |rule, seen, detail| {
            step.violations.push(violation(rule, place, seen, workflow, detail));
        };
        if let Some(held) = self.grants.get(&id) {
            tell(TraceRule::DoubleGrant, Some(held.place), format!("{id} is granted and was held"));
            return;
        }
        let fence = text(event, "fence").and_then(|fence| fence.parse::<Fence>().ok());
        if let Some(fence) = fence {
            match self.last_fence {
                Some((last, seen)) if fence <= last => {
                    let detail = format!("{id} has the fence {fence}, and {last} was given before");
                    tell(TraceRule::StaleFence, Some(seen), detail);
                }
                _ => self.last_fence = Some((fence, place)),
            }
        }
        let details = event.get("resource_details").map(Json::from_valid);
        let mut paths = Vec::new();
        for (key, alone) in [("exclusive_files", true), ("shared_files", false)] {
            let files = details.as_ref().and_then(|details| details.get(key));
            for file in files.iter().flat_map(Json::items) {
                let path = file.to_text().and_then(|file| PathPattern::new(&file).ok());
                paths.extend(path.map(|path| (path, alone)));
            }
        }
        for (path, alone) in &paths {
            let others = self.paths.overlapping(path).filter(|(_, (_, other))| *alone || *other);
            let others: BTreeSet<SmolStr> = others.map(|(_, (other, _))| other.clone()).collect();
            for other in others {
                let seen = self.grants.get(&other).map(|held| held.place);
                let detail = format!("{id} holds {path}, and {other} holds what it overlaps");
                tell(TraceRule::Overlap, seen, detail);
            }
        }
        for (path, alone) in &paths {
            self.paths.insert(path.clone(), (id.clone(), *alone));
        }
        let needs = details.map(|details| details.as_str().to_owned());
        let held =
            Held { place, since: self.now, workflow: SmolStr::new(workflow), fence, paths, needs };
        self.grants.insert(id, held);
        if let Some(request) = text(event, "request_id") {
            self.no_longer_waits(&request, place, None, step);
        }
    }

    fn given_back(&mut self, place: TracePlace, event: &EventRef<'_>, step: &mut TraceStep) {
        let workflow = event.workflow();
        let Some(id) = text(event, "allocation_id") else { return };
        let mut tell = |rule, seen, detail| {
            step.violations.push(violation(rule, place, seen, workflow, detail));
        };
        let Some(held) = self.grants.remove(&id) else {
            tell(TraceRule::UnknownGrant, None, format!("{id} is given back, and is not held"));
            return;
        };
        let fence = text(event, "fence").and_then(|fence| fence.parse::<Fence>().ok());
        if let (Some(given), Some(own)) = (fence, held.fence)
            && given != own
        {
            let detail = format!("{id} is given back with the fence {given}, and has {own}");
            tell(TraceRule::StaleFence, Some(held.place), detail);
        }
        for (path, alone) in &held.paths {
            self.paths.remove(path, &(id.clone(), *alone));
        }
        let reason = text(event, "release_reason").unwrap_or_default();
        step.spans.push(held.span(&id, self.now, place, &reason));
    }

    fn no_longer_waits(
        &mut self,
        request: &str,
        place: TracePlace,
        reason: Option<&str>,
        step: &mut TraceStep,
    ) {
        let Some((seen, since, workflow)) = self.requests.get(request).cloned() else { return };
        if since < self.now {
            step.spans.push(TraceSpan {
                kind: SpanKind::Queued,
                workflow: workflow.into(),
                name: request.to_owned(),
                agent: None,
                attempt: None,
                start: since,
                end: self.now,
                outcome: "answered".to_owned(),
                reason: reason.map(str::to_owned),
                places: (seen, place),
            });
        }
        // It may be answered again, which is no new wait.
        if let Some(entry) = self.requests.get_mut(request) {
            entry.1 = self.now;
        }
    }
}

fn violation(
    rule: TraceRule,
    place: TracePlace,
    contradicts: Option<TracePlace>,
    workflow: &str,
    detail: String,
) -> TraceViolation {
    TraceViolation { rule, place, contradicts, workflow: workflow.to_owned(), detail }
}
