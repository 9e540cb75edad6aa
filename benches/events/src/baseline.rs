//! What one would write without the crate: the line split at its colons, and the data through
//! `serde_json` into a struct of its type.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

macro_rules! owned {
    (object $object:ty) => { $object };
    (texts $object:ty) => { Vec<String> };
    (number $object:ty) => { f64 };
    (percent $object:ty) => { f64 };
    (count $object:ty) => { u64 };
    (phase $object:ty) => { u64 };
    ($text:ident $object:ty) => { String };
}

macro_rules! structs {
    ($module:ident $object:ty; $($variant:ident $name:literal { $($field:ident: $kind:ident),+ })+) => {
        pub mod $module {
            #[allow(clippy::wildcard_imports)]
            use super::*;

            $(
                #[derive(Serialize, Deserialize)]
                pub struct $variant { $($field: owned!($kind $object)),+ }
            )+

            #[derive(Serialize)]
            #[serde(untagged)]
            pub enum Payload { $($variant($variant)),+ }

            /// Reads the data of a type.
            pub fn payload(name: &str, data: &str) -> Option<Payload> {
                Some(match name {
                    $($name => Payload::$variant(serde_json::from_str(data).ok()?),)+
                    _ => return None,
                })
            }
        }
    };
}

macro_rules! rows {
    ($($variant:ident $name:literal { $($field:ident: $kind:ident),+ })+) => {
        /// All types: the name, and the required keys with what stands there.
        pub const ROWS: &[(&str, &[(&str, &str)])] =
            &[$(($name, &[$((stringify!($field), stringify!($kind))),+])),+];
    };
}

macro_rules! registry {
    ($($rows:tt)+) => {
        rows!($($rows)+);
        structs!(typed Value; $($rows)+);
        structs!(raw Box<RawValue>; $($rows)+);
    };
}

registry! {
    WorkflowCreated "WORKFLOW_CREATED" { workflow_definition: object, estimated_duration: span }
    WorkflowStarted "WORKFLOW_STARTED" { start_time: time, resource_allocation: object }
    WorkflowPaused "WORKFLOW_PAUSED" { pause_reason: summary, current_state: object }
    WorkflowResumed "WORKFLOW_RESUMED" { resume_time: time, state_validation: object }
    WorkflowCompleted "WORKFLOW_COMPLETED" { completion_time: time, final_metrics: object }
    WorkflowFailed "WORKFLOW_FAILED" { failure_reason: summary, recovery_options: texts }
    WorkflowCancelled "WORKFLOW_CANCELLED" { cancellation_reason: summary, cleanup_status: word }
    PhaseStarted "PHASE_STARTED" { phase_id: phase, estimated_duration: span, resource_allocation: object }
    PhaseCompleted "PHASE_COMPLETED" { phase_id: phase, actual_duration: span, success_metrics: object }
    PhaseFailed "PHASE_FAILED" { phase_id: phase, failure_reason: summary, partial_results: object }
    PhaseSkipped "PHASE_SKIPPED" { phase_id: phase, skip_reason: summary, impact_assessment: object }
    PhaseProgress "PHASE_PROGRESS" { phase_id: phase, progress_percentage: percent, eta_update: time }
    TaskAssigned "TASK_ASSIGNED" { task_id: task, agent_id: agent, estimated_duration: span }
    TaskStarted "TASK_STARTED" { task_id: task, agent_id: agent, start_time: time }
    TaskCompleted "TASK_COMPLETED" { task_id: task, agent_id: agent, duration: span, results: object }
    TaskFailed "TASK_FAILED" { task_id: task, agent_id: agent, failure_reason: summary, retry_count: count }
    TaskTimeout "TASK_TIMEOUT" { task_id: task, agent_id: agent, timeout_duration: span }
    TaskReassigned "TASK_REASSIGNED" { task_id: task, old_agent: agent, new_agent: agent, reason: summary }
    AgentAllocated "AGENT_ALLOCATED" { agent_id: agent, workflow_id: workflow, role: word, capabilities: texts }
    AgentDeallocated "AGENT_DEALLOCATED" { agent_id: agent, workflow_id: workflow, reason: summary }
    AgentPerformanceAlert "AGENT_PERFORMANCE_ALERT" { agent_id: agent, performance_metric: word, threshold: number }
    AgentError "AGENT_ERROR" { agent_id: agent, error_type: word, error_details: summary }
    AgentTimeout "AGENT_TIMEOUT" { agent_id: agent, timeout_duration: span, last_response: time }
    ResourceAllocated "RESOURCE_ALLOCATED" { allocation_id: allocation, resource_details: object, requester: component }
    ResourceDeallocated "RESOURCE_DEALLOCATED" { allocation_id: allocation, release_reason: summary }
    ResourceConflict "RESOURCE_CONFLICT" { conflict_id: conflict, conflicting_requests: texts, severity: severity }
    ResourceThreshold "RESOURCE_THRESHOLD" { resource_type: word, current_usage: number, threshold: number }
    ResourceOptimized "RESOURCE_OPTIMIZED" { optimization_type: word, improvement_metrics: object }
    SystemStartup "SYSTEM_STARTUP" { component_name: component, version: version, capabilities: texts }
    SystemShutdown "SYSTEM_SHUTDOWN" { component_name: component, shutdown_reason: summary }
    SystemThreshold "SYSTEM_THRESHOLD" { metric_name: word, current_value: number, threshold: number }
    SystemError "SYSTEM_ERROR" { error_type: word, affected_components: texts, severity: severity }
    SystemMaintenance "SYSTEM_MAINTENANCE" { operation_type: word, estimated_duration: span, impact: summary }
}

/// The four parts of a line, by three searches for a byte and nothing else.
#[inline]
pub fn split(line: &str) -> Option<[&str; 4]> {
    let a = memchr::memchr(b':', line.as_bytes())?;
    let b = a + 1 + memchr::memchr(b':', &line.as_bytes()[a + 1..])?;
    let c = b + 1 + memchr::memchr(b':', &line.as_bytes()[b + 1..])?;
    Some([&line[..a], &line[a + 1..b], &line[b + 1..c], &line[c + 1..]])
}

/// The baseline of reading.
pub fn read(line: &str) -> Option<typed::Payload> {
    let [name, _, _, data] = split(line)?;
    typed::payload(name, data)
}

/// The baseline of writing: the event as one JSON object.
#[derive(Serialize)]
pub struct Envelope<P> {
    event_type: String,
    workflow_id: String,
    phase: String,
    data: P,
}

impl<P> Envelope<P> {
    /// The envelope of a line.
    pub fn read(line: &str, payload: fn(&str, &str) -> Option<P>) -> Option<Self> {
        let [name, workflow, phase, data] = split(line)?;
        let data = payload(name, data)?;
        Some(Envelope {
            event_type: name.to_owned(),
            workflow_id: workflow.to_owned(),
            phase: phase.to_owned(),
            data,
        })
    }
}
