//! What is said of decisions: answers to requests, and events.

use super::decide::Ruling;
use super::decision::{Decision, DecisionRecord, Grant};
use super::explain::{BlockingFact, Explanation, Held};
use super::need::{Access, Need};
use super::pool::{Pool, Settled};
use super::timeline::Clocks;
use super::units::{AGENTS, Amounts, CORES, MEMORY, Units};
use crate::event::{
    Event, ResourceAllocated, ResourceConflict, ResourceDeallocated, ResourceOptimized,
    ResourceThreshold,
};
use crate::json::{Json, Map};
use crate::message::{
    AllocatedResources, AllocationResponse, Alternative, Blocker, HeldGrant, Restrictions,
};
use crate::scalar::{
    AllocationStatus, Amount, Count, Instant, Now, Phase, RequestId, ResponseId, Severity, Span,
    Timestamp, WallTime, WorkflowId,
};
use serde_json::json;
use std::time::Duration;

impl Ruling {
    /// The answer to the request.
    ///
    /// ```
    /// use coordination_protocol::coordination::resources::{
    ///     Decider, Inventory, Need, Pool, Submission, Units,
    /// };
    /// use coordination_protocol::scalar::{Instant, Now, RequestId, ResponseId, WorkflowId};
    ///
    /// let now = Now::new(Instant::START, 1_736_942_400_000);
    /// let mut pool = Pool::new();
    /// let mut decider = Decider::new(&mut pool, now);
    /// decider.open(1, "boot");
    /// decider.set_inventory(Inventory::new().with("agents", Units::whole(4)));
    /// let need = Need::new().with("agents", Units::whole(3));
    /// let (id, workflow) = (RequestId::new("req_1")?, WorkflowId::new("wf_001")?);
    /// let ruling = decider.submit(&Submission::new(id.clone(), workflow, "worker", need))?;
    /// let answer = ruling.answer(&id, ResponseId::new("resp_1")?, now);
    /// assert_eq!(answer.status.as_str(), "approved");
    /// assert_eq!(answer.allocated_resources.unwrap().fence.unwrap().as_str(), "\"1-1\"");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn answer(&self, request: &RequestId, id: ResponseId, now: Now) -> AllocationResponse {
        let clocks = Clocks::new(now);
        let time = |at: Instant| Timestamp::from(WallTime::from_unix_millis(clocks.wall(at)));
        let status = match self {
            Ruling::Granted(grant) if grant.partial => AllocationStatus::Partial,
            Ruling::Granted(_) => AllocationStatus::Approved,
            Ruling::Queued { .. } => AllocationStatus::Queued,
            Ruling::Denied(_) | Ruling::Settled(_) => AllocationStatus::Denied,
        };
        let mut answer = AllocationResponse::new(id, request.clone(), status, now.timestamp());
        match self {
            Ruling::Granted(grant) => {
                answer.allocated_resources = Some(grant.allocated());
                answer.restrictions = Some(grant.restrictions());
            }
            Ruling::Queued { waiting, position, blocked } => {
                answer.position = Some(Count::new(*position as u64));
                answer.earliest_start = waiting.promise.map(|promise| time(promise.start));
                answer.latest_start = waiting.promise.map(|promise| time(promise.latest));
                explain(&mut answer, blocked);
            }
            Ruling::Denied(blocked) => explain(&mut answer, blocked),
            Ruling::Settled(settled) => match settled {
                Settled::Denied { blocked } => explain(&mut answer, blocked),
                Settled::Ended { allocation_id, reason, .. } => {
                    let reason = reason.as_str();
                    answer.reason =
                        Some(format!("{allocation_id} was granted and is over: {reason}"));
                }
                Settled::WaitEnded { reason, .. } => {
                    answer.reason =
                        Some(format!("it waited, and no longer does: {}", reason.as_str()));
                }
            },
        }
        answer
    }
}

fn explain(answer: &mut AllocationResponse, blocked: &Explanation) {
    let facts: Vec<String> = blocked.facts.iter().map(ToString::to_string).collect();
    answer.reason = Some(facts.join("; "));
    answer.blocked_by = Some(blocked.facts.iter().map(BlockingFact::to_blocker).collect());
    let changes = blocked.changes.iter().map(ToString::to_string).collect();
    answer.smallest_changes = Some(changes);
    let waits = blocked.changes.iter().filter_map(|change| match change.steps.as_slice() {
        [super::explain::Step::Wait { until }] => Some(*until),
        _ => None,
    });
    let delayed = |until: WallTime| {
        Alternative::new("delayed_allocation")
            .with_available_at(Timestamp::from(until))
            .with_full_resources(true)
    };
    let alternatives: Vec<Alternative> = waits.map(delayed).collect();
    if !alternatives.is_empty() {
        answer.alternatives = Some(alternatives);
    }
}

impl BlockingFact {
    /// The fact as a message tells it.
    fn to_blocker(&self) -> Blocker {
        let resource = match self {
            BlockingFact::Amount { name, .. }
            | BlockingFact::Budget { name, .. }
            | BlockingFact::Never { name, .. } => name.to_string(),
            BlockingFact::Path { wanted: path, .. } | BlockingFact::NotTolerated { path } => {
                path.to_string()
            }
            BlockingFact::Window { .. } => "exclusive_files".to_owned(),
            BlockingFact::Duration { .. } => "duration_hours".to_owned(),
            BlockingFact::MemoryPerAgent { .. } => MEMORY.to_owned(),
            BlockingFact::Performance { .. } => "min_performance".to_owned(),
            BlockingFact::WaitTooLong { .. } => "max_wait_time".to_owned(),
            BlockingFact::Deadlock { .. } => "workflow".to_owned(),
            BlockingFact::QueueFull { .. } => "queue".to_owned(),
        };
        let mut blocker = Blocker::new(resource, self.to_string());
        let amount = |units: &Units| Some(units.to_amount());
        match self {
            BlockingFact::Amount { needed, free, capacity, held, ahead, .. } => {
                (blocker.needed, blocker.free) = (amount(needed), amount(free));
                blocker.capacity = amount(capacity);
                hold(&mut blocker, held, ahead);
            }
            BlockingFact::Path { held, ahead, .. } => hold(&mut blocker, held, ahead),
            BlockingFact::Budget { needed, left, limit, renews, .. } => {
                (blocker.needed, blocker.free) = (amount(needed), amount(left));
                blocker.capacity = amount(limit);
                blocker.available_at = Some(Timestamp::from(*renews));
            }
            BlockingFact::Never { needed, capacity, .. } => {
                (blocker.needed, blocker.capacity) = (amount(needed), amount(capacity));
            }
            BlockingFact::MemoryPerAgent { needed, limit } => {
                (blocker.needed, blocker.capacity) = (amount(needed), amount(limit));
            }
            BlockingFact::Window { opens } => blocker.available_at = Some(Timestamp::from(*opens)),
            BlockingFact::WaitTooLong { start, .. } => {
                blocker.available_at = start.map(Timestamp::from);
            }
            _ => {}
        }
        blocker
    }
}

fn hold(blocker: &mut Blocker, held: &Held, ahead: &[RequestId]) {
    let holds = held.by.iter().map(|held| {
        HeldGrant::new(held.allocation_id.clone())
            .with_workflow_id(held.workflow_id.clone())
            .with_until(Timestamp::from(held.until))
    });
    blocker.held_by = Some(holds.collect());
    if !ahead.is_empty() {
        blocker.ahead = Some(ahead.iter().map(ToString::to_string).collect());
    }
}

impl Grant {
    /// What is granted, as an answer tells it.
    pub fn allocated(&self) -> AllocatedResources {
        let mut allocated = AllocatedResources::new()
            .with_allocation_id(self.allocation_id.clone())
            .with_fence(Json::from(self.fence.to_string()));
        let Spelled { agents, memory, cores, tools } = Spelled::of(&self.need.amounts);
        (allocated.agents, allocated.memory_gb, allocated.cpu_cores) = (agents, memory, cores);
        allocated.tool_instances = tools;
        allocated.duration_hours = self.need.duration.map(hours);
        allocated.exclusive_files = paths(&self.need, Access::Exclusive);
        allocated.shared_files = paths(&self.need, Access::Shared);
        allocated
    }

    /// On which terms.
    fn restrictions(&self) -> Restrictions {
        let lasts = self.need.duration.unwrap_or_default();
        Restrictions::new().with_auto_release_timeout(Span::from(lasts))
    }

    /// What is granted, as events tell it.
    fn details(&self) -> Json {
        let mut details = Json::of(&self.allocated())
            .ok()
            .and_then(|json| serde_json::from_str::<serde_json::Value>(json.as_str()).ok());
        if let Some(object) = details.as_mut().and_then(serde_json::Value::as_object_mut) {
            object.remove("allocation_id");
            object.remove("fence");
            if !self.agents.is_empty() {
                object.insert("agent_ids".to_owned(), json!(self.agents));
            }
        }
        details.map_or_else(|| Json::from(json!({})), Json::from)
    }
}

/// Amounts in the fields that messages have for them.
struct Spelled {
    agents: Option<Count>,
    memory: Option<Amount>,
    cores: Option<Amount>,
    tools: Option<Map<Amount>>,
}

impl Spelled {
    fn of(amounts: &Amounts) -> Self {
        let mut spelled = Spelled { agents: None, memory: None, cores: None, tools: None };
        for (name, units) in amounts.iter() {
            let amount = units.to_amount();
            match name {
                AGENTS => spelled.agents = Some(Count::new(units.thousandths() / 1_000)),
                MEMORY => spelled.memory = Some(amount),
                CORES => spelled.cores = Some(amount),
                tool => {
                    spelled.tools.get_or_insert_default().insert(tool, amount);
                }
            }
        }
        spelled
    }
}

/// A duration in hours, as exactly as a double tells it.
fn hours(duration: Duration) -> Amount {
    Amount::new(duration.as_secs_f64() / 3_600.0).unwrap_or_else(|_| Amount::from(0))
}

fn paths(need: &Need, access: Access) -> Option<Vec<String>> {
    let paths = need.paths.iter().filter(|lease| lease.access == access);
    let paths: Vec<String> = paths.map(|lease| lease.path.to_string()).collect();
    (!paths.is_empty()).then_some(paths)
}

impl DecisionRecord {
    /// The events that tell of the decision, with the workflow that each belongs to. `pool` is what it was made
    /// about: that which ends must still be in it.
    pub fn events(&self, pool: &Pool) -> Vec<Event> {
        let event = |workflow: &WorkflowId, data: crate::event::Data| {
            Event::new(workflow.clone(), Phase::global(), data)
        };
        match &self.decision {
            Decision::Granted { grant, .. } => {
                let mut data = ResourceAllocated::new(
                    grant.allocation_id.clone(),
                    grant.details(),
                    grant.requester.clone(),
                );
                let fields = [
                    ("request_id", json!(grant.request_id)),
                    ("fence", json!(grant.fence)),
                    ("end", json!(Timestamp::from(grant.end_wall))),
                ];
                for (key, value) in fields {
                    // None of these is a field of the type.
                    let _ = data.extra_mut().insert(key, Json::from(value));
                }
                vec![event(&grant.workflow_id, data.into())]
            }
            Decision::Ended { allocation_id, reason, used } => {
                let Some(grant) = pool.grant(allocation_id) else { return Vec::new() };
                let mut data = ResourceDeallocated::new(allocation_id.clone(), reason.as_str());
                let _ = data.extra_mut().insert("fence", Json::from(json!(grant.fence)));
                if !used.is_empty() {
                    let used: serde_json::Map<_, _> = used
                        .iter()
                        .map(|(name, units)| (name.to_owned(), json!(units.to_amount())))
                        .collect();
                    let _ = data.extra_mut().insert("used", Json::from(json!(used)));
                }
                vec![event(&grant.workflow_id, data.into())]
            }
            Decision::YieldAsked { conflict_id, request_id, allocations } => {
                let Some(waiting) = pool.waiting_of(request_id) else { return Vec::new() };
                let mut data = ResourceConflict::new(
                    conflict_id.clone(),
                    Json::from(json!([request_id])),
                    Severity::Low,
                );
                let _ = data.extra_mut().insert("yield_asked_of", Json::from(json!(allocations)));
                vec![event(&waiting.submission.workflow_id, data.into())]
            }
            Decision::Threshold { name, percent, threshold, above } => {
                let mut data =
                    ResourceThreshold::new(name.as_str(), *percent, u64::from(*threshold));
                let _ = data.extra_mut().insert("above", Json::from(json!(above)));
                vec![Event::global(data)]
            }
            Decision::Optimized { before, after, started } => {
                let metrics = json!({
                    "wait_ms_before": before, "wait_ms_after": after, "started": started,
                });
                vec![Event::global(ResourceOptimized::new("replanned", Json::from(metrics)))]
            }
            _ => Vec::new(),
        }
    }
}
