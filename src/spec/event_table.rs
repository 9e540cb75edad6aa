//! The registry: one row an event type, and nothing about a type is written anywhere else.
//!
//! A row reads: summary, variant, wire name, category, routing word (and, behind a slash, the
//! irregular word that the specification's own patterns use), the version that introduced it, its
//! required fields with their types. [`event_type`](super::event_type), [`registry`](super::registry)
//! and the payloads of [`event`](crate::event) each expand the rows into what they own.

/// Hands all rows to the macro `$expand`.
macro_rules! event_table {
    ($expand:ident) => { $expand! {
        "A workflow was created from its definition."
        WorkflowCreated "WORKFLOW_CREATED" Workflow "created" V1_0_0 { workflow_definition: Json, estimated_duration: Span }
        "A workflow began to run."
        WorkflowStarted "WORKFLOW_STARTED" Workflow "started" V1_0_0 { start_time: Timestamp, resource_allocation: Json }
        "A workflow was paused."
        WorkflowPaused "WORKFLOW_PAUSED" Workflow "paused" V1_0_0 { pause_reason: String, current_state: Json }
        "A paused workflow runs again."
        WorkflowResumed "WORKFLOW_RESUMED" Workflow "resumed" V1_0_0 { resume_time: Timestamp, state_validation: Json }
        "A workflow ended well."
        WorkflowCompleted "WORKFLOW_COMPLETED" Workflow "completed" V1_0_0 { completion_time: Timestamp, final_metrics: Json }
        "A workflow failed and stopped."
        WorkflowFailed "WORKFLOW_FAILED" Workflow "failed" V1_0_0 { failure_reason: String, recovery_options: Json }
        "A user cancelled a workflow."
        WorkflowCancelled "WORKFLOW_CANCELLED" Workflow "cancelled" V1_0_0 { cancellation_reason: String, cleanup_status: Json }

        "A phase began."
        PhaseStarted "PHASE_STARTED" Phase "started" V1_0_0 { phase_id: PhaseId, estimated_duration: Span, resource_allocation: Json }
        "A phase ended well."
        PhaseCompleted "PHASE_COMPLETED" Phase "completed" V1_0_0 { phase_id: PhaseId, actual_duration: Span, success_metrics: Json }
        "A phase failed."
        PhaseFailed "PHASE_FAILED" Phase "failed" V1_0_0 { phase_id: PhaseId, failure_reason: String, partial_results: Json }
        "A phase was left out."
        PhaseSkipped "PHASE_SKIPPED" Phase "skipped" V1_0_0 { phase_id: PhaseId, skip_reason: String, impact_assessment: Json }
        "A phase reports how far it is."
        PhaseProgress "PHASE_PROGRESS" Phase "progress" V1_0_0 { phase_id: PhaseId, progress_percentage: Percent, eta_update: Json }

        "A task was given to an agent."
        TaskAssigned "TASK_ASSIGNED" Task "assigned" V1_0_0 { task_id: TaskId, agent_id: AgentId, estimated_duration: Span }
        "An agent began a task."
        TaskStarted "TASK_STARTED" Task "started" V1_0_0 { task_id: TaskId, agent_id: AgentId, start_time: Timestamp }
        "A task ended well."
        TaskCompleted "TASK_COMPLETED" Task "completed" V1_0_0 { task_id: TaskId, agent_id: AgentId, duration: Span, results: Json }
        "A task failed."
        TaskFailed "TASK_FAILED" Task "failed" V1_0_0 { task_id: TaskId, agent_id: AgentId, failure_reason: String, retry_count: Count }
        "A task ran longer than it may."
        TaskTimeout "TASK_TIMEOUT" Task "timeout" V1_0_0 { task_id: TaskId, agent_id: AgentId, timeout_duration: Span }
        "A task moved to another agent."
        TaskReassigned "TASK_REASSIGNED" Task "reassigned" V1_0_0 { task_id: TaskId, old_agent: AgentId, new_agent: AgentId, reason: String }

        "An agent was assigned to a workflow."
        AgentAllocated "AGENT_ALLOCATED" Agent "allocated" V1_0_0 { agent_id: AgentId, workflow_id: WorkflowId, role: String, capabilities: TextList }
        "An agent was released from a workflow."
        AgentDeallocated "AGENT_DEALLOCATED" Agent "deallocated" V1_0_0 { agent_id: AgentId, workflow_id: WorkflowId, reason: String }
        "An agent performs worse than it should."
        AgentPerformanceAlert "AGENT_PERFORMANCE_ALERT" Agent "performance_alert" V1_0_0 { agent_id: AgentId, performance_metric: String, threshold: Quantity }
        "An agent met an error."
        AgentError "AGENT_ERROR" Agent "error" V1_0_0 { agent_id: AgentId, error_type: String, error_details: Json }
        "An agent does not answer."
        AgentTimeout "AGENT_TIMEOUT" Agent "timeout" V1_0_0 { agent_id: AgentId, timeout_duration: Span, last_response: Json }

        "Resources were assigned."
        ResourceAllocated "RESOURCE_ALLOCATED" Resource "allocated" V1_0_0 { allocation_id: AllocationId, resource_details: Json, requester: String }
        "Resources were given back."
        ResourceDeallocated "RESOURCE_DEALLOCATED" Resource "deallocated" V1_0_0 { allocation_id: AllocationId, release_reason: String }
        "Requests for resources exclude each other."
        ResourceConflict "RESOURCE_CONFLICT" Resource "conflict" / "conflict_detected" V1_0_0 { conflict_id: ConflictId, conflicting_requests: Json, severity: Severity }
        "The use of a resource crossed a threshold."
        ResourceThreshold "RESOURCE_THRESHOLD" Resource "threshold" V1_0_0 { resource_type: String, current_usage: Quantity, threshold: Quantity }
        "An allocation was improved."
        ResourceOptimized "RESOURCE_OPTIMIZED" Resource "optimized" V1_0_0 { optimization_type: String, improvement_metrics: Json }

        "A component started."
        SystemStartup "SYSTEM_STARTUP" System "startup" V1_0_0 { component_name: ComponentId, version: ComponentVersion, capabilities: TextList }
        "A component stopped."
        SystemShutdown "SYSTEM_SHUTDOWN" System "shutdown" V1_0_0 { component_name: ComponentId, shutdown_reason: String }
        "A system metric crossed its threshold."
        SystemThreshold "SYSTEM_THRESHOLD" System "threshold" V1_0_0 { metric_name: String, current_value: Quantity, threshold: Quantity }
        "The system met an error."
        SystemError "SYSTEM_ERROR" System "error" V1_0_0 { error_type: String, affected_components: TextList, severity: Severity }
        "Maintenance takes place."
        SystemMaintenance "SYSTEM_MAINTENANCE" System "maintenance" V1_0_0 { operation_type: String, estimated_duration: Span, impact: Json }

        "An error was met; the data is an error report. Extension."
        ErrorEncountered "ERROR_ENCOUNTERED" Error "encountered" V1_1_0 { error_report: JsonObject }
        "A recovery began. Extension."
        RecoveryInitiated "RECOVERY_INITIATED" Recovery "initiated" V1_1_0 { recovery_id: RecoveryId, failure_type: String, strategy: String }
        "A recovery ended well. Extension."
        RecoveryCompleted "RECOVERY_COMPLETED" Recovery "completed" V1_1_0 { recovery_id: RecoveryId, duration: Span, results: Json }
        "A recovery failed. Extension."
        RecoveryFailed "RECOVERY_FAILED" Recovery "failed" V1_1_0 { recovery_id: RecoveryId, failure_reason: String, retry_count: Count }
        "A checkpoint was created. Extension."
        CheckpointCreated "CHECKPOINT_CREATED" Recovery "checkpoint_created" V1_1_0 { checkpoint_id: CheckpointId, checkpoint_type: CheckpointType, state_version: StateVersion }
    } };
}

pub(crate) use event_table;
