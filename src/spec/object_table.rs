//! The table of documents: one row an object, and nothing about a field is written anywhere else.
//!
//! A row reads: summary, type, and its fields by how much they are required:
//!
//! | group | writers | a reader finds, where it is missing |
//! |---|---|---|
//! | `essential` | give it | an error: the message has lost its identity or the word that tells what it says |
//! | `required` | give it | an error in strict mode, a warning in interop mode |
//! | `recommended` | give it | a warning |
//! | `optional` | choose | nothing |
//!
//! A field has been there since protocol 1.0.0, or since its object if that is younger, unless the
//! row says `since`. Of the header, the specification names what correlates and routes; the rest
//! came with 1.1.0.
//!
//! The rows become specifications for the reader ([`objects`](super::objects)), the structs of
//! [`message`](crate::message), and JSON Schema.

/// Hands all rows to the macro `$expand`.
macro_rules! object_table {
    ($expand:ident) => { $expand! {
        "What stands in an envelope beside its body (Communication Patterns). All of it is optional on read; correlation lives here because bodies have no room for it."
        EnvelopeHeader {
            optional {
                protocol_version with_protocol_version since V1_1_0: ProtocolVersion, "The version that the writer speaks.";
                message_id with_message_id since V1_1_0: MessageId, "This message; what deduplication and replay protection go by.";
                timestamp with_timestamp since V1_1_0: Timestamp, "When it was written.";
                source with_source since V1_1_0: ComponentId, "The component that wrote it.";
                correlation_id with_correlation_id: CorrelationId, "The exchange it belongs to.";
                causation_id with_causation_id since V1_1_0: MessageId, "The message that caused it.";
                request_id with_request_id: RequestId, "The request that this is, or that this answers.";
                response_to with_response_to: RequestId, "The request that this answers.";
                response_required with_response_required: bool, "Whether the writer waits for an answer.";
                priority with_priority since V1_1_0: Priority, "How urgent it is.";
                ttl_seconds with_ttl_seconds since V1_1_0: Amount, "For how many seconds after `timestamp` it may be handled: up to that moment and in it, not later.";
                routing_key with_routing_key: String, "The key it is routed by.";
                signature with_signature since V1_1_0: Signature, "The signature over the rest of the envelope.";
            }
        }
        "A signature over the RFC 8785 form of the envelope without this member. Extension."
        Signature {
            essential {
                key_id: String, "The key that signed.";
                algorithm: String, "How it signed, such as `ed25519`.";
                value: String, "The signature in Base64.";
            }
        }

        "A request for resources (Resource Allocation Schema)."
        AllocationRequest {
            essential {
                request_id: RequestId, "The request; the answer repeats it.";
                workflow_id: WorkflowId, "The workflow that needs the resources.";
            }
            required {
                requester: String, "Who asks, such as `coordination-hub`. An open list.";
                timestamp: Timestamp, "When it was asked.";
            }
            optional {
                resources with_resources: Resources, "What is asked for; at least one resource.";
                priority with_priority: Priority, "How urgent it is.";
                constraints with_constraints: Constraints, "What must hold of an allocation.";
                fallback_options with_fallback_options: FallbackOptions, "What the requester puts up with instead.";
            }
        }
        "Amounts of resources."
        Resources {
            optional {
                agents with_agents: Count, "Agents, whole ones.";
                memory_gb with_memory_gb: Amount, "Memory in GB of 10^9 bytes.";
                cpu_cores with_cpu_cores: Amount, "Processor cores.";
                duration_hours with_duration_hours: Amount, "For how many hours.";
                exclusive_files with_exclusive_files: Vec<String>, "Files that no other holder may touch meanwhile.";
                tool_instances with_tool_instances: Map<Amount>, "Instances by tool. An open list of tools.";
                shared_files with_shared_files since V1_1_0: Vec<String>, "Files that others may share, and that no one may hold alone meanwhile.";
            }
        }
        "What must hold of an allocation."
        Constraints {
            optional {
                max_wait_time with_max_wait_time: Span, "How long the request may stay queued.";
                min_performance with_min_performance: String, "The least performance. An open list.";
                conflict_tolerance with_conflict_tolerance: ConflictTolerance, "How much conflict is accepted.";
                isolation_level with_isolation_level: IsolationLevel, "How far apart from others.";
            }
        }
        "What a requester puts up with if there is too little."
        FallbackOptions {
            optional {
                reduce_agents with_reduce_agents: bool, "Fewer agents.";
                extend_duration with_extend_duration: bool, "A longer duration.";
                accept_shared_resources with_accept_shared_resources: bool, "Resources and files shared with others.";
                queue_if_unavailable with_queue_if_unavailable: bool, "To wait in the queue.";
            }
        }
        "The answer to a request for resources (Resource Allocation Schema)."
        AllocationResponse {
            essential {
                response_id: ResponseId, "The answer.";
                request_id: RequestId, "The request that it answers.";
                status: AllocationStatus, "Whether the resources are granted.";
            }
            required {
                timestamp: Timestamp, "When it was answered.";
            }
            optional {
                allocated_resources with_allocated_resources: AllocatedResources, "What is granted; `approved` and `partial` need it.";
                restrictions with_restrictions: Restrictions, "On which terms.";
                alternatives with_alternatives: Vec<Alternative>, "What else could be had.";
                reason with_reason: String, "Why it is denied or queued.";
                position with_position since V1_1_0: Count, "How many requests wait before it.";
                earliest_start with_earliest_start since V1_1_0: Timestamp, "When it is planned to start; absent if that is not known.";
                latest_start with_latest_start since V1_1_0: Timestamp, "When it starts at the latest, unless a later message moves this; absent if nothing is promised.";
                blocked_by with_blocked_by since V1_1_0: Vec<Blocker>, "Every fact that keeps it from being granted now.";
                smallest_changes with_smallest_changes since V1_1_0: Vec<String>, "Changes of which each would have granted it, in sentences; fewest steps first.";
            }
        }
        "One fact that keeps a request from being granted. Extension."
        Blocker {
            required {
                resource: String, "The resource, such as `agents` or a path.";
                detail: String, "The fact in a sentence.";
            }
            optional {
                needed with_needed: Amount, "How much is needed.";
                free with_free: Amount, "How much is free.";
                capacity with_capacity: Amount, "How much there is.";
                held_by with_held_by: Vec<HeldGrant>, "Who holds it, those that end first at the front.";
                ahead with_ahead: Vec<String>, "The requests that are to have it before.";
                available_at with_available_at: Timestamp, "When the fact no longer stands, if that is known.";
            }
        }
        "A grant that is in the way of a request. Extension."
        HeldGrant {
            essential {
                allocation_id: AllocationId, "The grant.";
            }
            optional {
                workflow_id with_workflow_id: WorkflowId, "Its workflow.";
                until with_until: Timestamp, "When it ends by itself.";
            }
        }
        "Resources that were granted."
        AllocatedResources {
            optional {
                allocation_id with_allocation_id: AllocationId, "The grant; its release names it.";
                agents with_agents: Count, "Agents, whole ones.";
                memory_gb with_memory_gb: Amount, "Memory in GB of 10^9 bytes.";
                cpu_cores with_cpu_cores: Amount, "Processor cores.";
                duration_hours with_duration_hours: Amount, "For how many hours.";
                exclusive_files with_exclusive_files: Vec<String>, "Files that no other holder may touch meanwhile.";
                tool_instances with_tool_instances: Map<Amount>, "Instances by tool.";
                shared_files with_shared_files since V1_1_0: Vec<String>, "Files that others may share, and that no one may hold alone meanwhile.";
                fence with_fence since V1_1_0: Json, "The fencing token, such as `1-42`, or a number: of two grants the later one has the greater.";
            }
        }
        "The terms of a grant."
        Restrictions {
            optional {
                monitoring_required with_monitoring_required: bool, "Whether its use must be watched.";
                performance_limits with_performance_limits: PerformanceLimits, "Bounds on its use.";
                auto_release_timeout with_auto_release_timeout: Span, "When the grant ends by itself.";
                exclusive_access_windows with_exclusive_access_windows: Vec<Window>, "When the exclusive files may be touched.";
            }
        }
        "Bounds on the use of a grant. Other bounds are kept as extra fields."
        PerformanceLimits {
            optional {
                memory_per_agent with_memory_per_agent: ByteSize, "The most memory of one agent.";
            }
        }
        "What could be had instead of what was asked for."
        Alternative {
            required {
                option: String, "The kind of alternative, such as `delayed_allocation`. An open list.";
            }
            optional {
                available_at with_available_at: Timestamp, "From when on.";
                full_resources with_full_resources: bool, "Whether it is all that was asked for.";
            }
        }

        "The state of a workflow (State Synchronization Protocols)."
        WorkflowState {
            essential {
                workflow_id: WorkflowId, "The workflow.";
                state_version: StateVersion, "The version of the state; each change counts it up.";
            }
            required {
                timestamp: Timestamp, "When it was taken.";
            }
            optional {
                message_type with_message_type: StateMessage, "Always `state_sync`; checked if present, the body key decides.";
                checkpoint_id with_checkpoint_id: CheckpointId, "The checkpoint that the state goes back to.";
                epoch with_epoch since V1_1_0: StateVersion, "How often the workflow was taken back; 0 if absent. States of an earlier epoch are of a line that was given up. Extension.";
                restored_version with_restored_version since V1_1_0: StateVersion, "The version that the epoch went back to; later ones of earlier epochs are abandoned. Extension.";
                current_phase with_current_phase: CurrentPhase, "The phase that runs.";
                agent_states with_agent_states: Map<AgentState>, "The agents' states by agent.";
                resource_usage with_resource_usage: ResourceUsage, "What is used.";
                validation_required with_validation_required: Vec<String>, "Names of the validations to run. An open list.";
                metadata with_metadata: StateMetadata, "About the state itself.";
            }
        }
        "The phase that a workflow is in."
        CurrentPhase {
            required {
                phase_id: PhaseId, "Its number or name.";
            }
            optional {
                name with_name: String, "Its name.";
                progress with_progress: Percent, "How far it is, in percent.";
                started_at with_started_at: Timestamp, "When it began.";
                estimated_completion with_estimated_completion: Timestamp, "When it should end.";
            }
        }
        "The state of an agent."
        AgentState {
            required {
                status: String, "What it does, such as `active`. An open list.";
            }
            optional {
                current_task with_current_task: TaskId, "The task it works on.";
                progress with_progress: Percent, "How far it is, in percent.";
                performance_score with_performance_score: Percent, "How well it does, in percent.";
            }
        }
        "The use of resources by a workflow."
        ResourceUsage {
            optional {
                memory_current with_memory_current: Amount, "Memory in GB of 10^9 bytes.";
                cpu_utilization with_cpu_utilization: Percent, "Processor use in percent.";
                storage_used with_storage_used: Amount, "Storage in GB of 10^9 bytes.";
            }
        }
        "What is known about a state."
        StateMetadata {
            optional {
                last_update_source with_last_update_source: String, "The component that changed it last.";
                synchronization_confidence with_synchronization_confidence: Ratio, "How sure it is that all agree, from 0 to 1.";
                conflict_detected with_conflict_detected: bool, "Whether versions were in conflict.";
                ancestors with_ancestors since V1_1_0: Vec<Digest>, "Digests of the contents that it came from, the latest first. Extension.";
            }
        }
        "The notice of a checkpoint (Checkpoint Synchronization)."
        CheckpointSync {
            essential {
                workflow_id: WorkflowId, "The workflow.";
                checkpoint_id: CheckpointId, "The checkpoint.";
                checkpoint_type: CheckpointType, "What it holds.";
            }
            required {
                timestamp: Timestamp, "When it was made.";
            }
            recommended {
                state_version since V1_1_0: StateVersion, "The version of the state it holds. Extension.";
            }
            optional {
                message_type with_message_type: CheckpointMessage, "Always `checkpoint_update`; checked if present, the body key decides.";
                trigger with_trigger: CheckpointTrigger, "What caused it.";
                state_snapshot with_state_snapshot: StateSnapshot, "Digests of its parts.";
                validation_results with_validation_results: ValidationResults, "What its validation found.";
                storage_metadata with_storage_metadata: StorageMetadata, "Where it is.";
            }
        }
        "Digests of the parts of a checkpoint."
        StateSnapshot {
            optional {
                workflow_state_hash with_workflow_state_hash: Digest, "Of the workflow's state.";
                file_system_hash with_file_system_hash: Digest, "Of the files.";
                agent_state_hash with_agent_state_hash: Digest, "Of the agents' states.";
                resource_state_hash with_resource_state_hash: Digest, "Of the resources.";
            }
        }
        "Results of the validations of a checkpoint. Others are kept as extra fields."
        ValidationResults {
            optional {
                integrity_check with_integrity_check: CheckResult, "Whether it is whole.";
                dependency_validation with_dependency_validation: CheckResult, "Whether dependencies hold.";
                resource_consistency with_resource_consistency: CheckResult, "Whether resources agree.";
            }
        }
        "Where a checkpoint is stored."
        StorageMetadata {
            optional {
                size_bytes with_size_bytes: Count, "Its size in bytes.";
                compression_ratio with_compression_ratio: Ratio, "Compressed size by original size, from 0 to 1.";
                storage_location with_storage_location: String, "Its place.";
                backup_locations with_backup_locations: Vec<String>, "Places of its copies. An open list.";
            }
        }

        "The report of an error (Error Reporting Standards)."
        ErrorReport {
            essential {
                error_id: ErrorId, "The error.";
                classification: Classification, "What kind of error it is.";
            }
            required {
                workflow_id: WorkflowId, "The workflow it happened in, or `global`.";
                timestamp: Timestamp, "When it happened.";
            }
            optional {
                context with_context: ErrorContext, "Where it happened.";
                details with_details: ErrorDetails, "What happened.";
                impact_assessment with_impact_assessment: ImpactAssessment, "What it affects.";
                recovery_suggestions with_recovery_suggestions: Vec<RecoverySuggestion>, "What may help.";
            }
        }
        "What kind of error it is."
        Classification {
            essential {
                category: ErrorCategory, "The area it belongs to.";
                severity: Severity, "How bad it is.";
            }
            required {
                error_type as "type": ErrorType, "What went wrong.";
                scope: ErrorScope, "How far it reaches.";
                recoverable: bool, "Whether it can be recovered from.";
            }
        }
        "Where an error happened."
        ErrorContext {
            optional {
                component with_component: String, "The component. An open list.";
                operation with_operation: String, "The operation. An open list.";
                phase with_phase: Phase, "The phase.";
                task with_task: TaskId, "The task.";
                agent with_agent: AgentId, "The agent.";
            }
        }
        "What happened."
        ErrorDetails {
            optional {
                error_message with_error_message: String, "For people.";
                technical_details with_technical_details: String, "For those who look into it.";
                stack_trace with_stack_trace: String, "Where in the program.";
                related_events with_related_events: Vec<String>, "Events that go with it.";
            }
        }
        "What an error affects."
        ImpactAssessment {
            optional {
                affected_tasks with_affected_tasks: Vec<String>, "Tasks.";
                affected_agents with_affected_agents: Vec<String>, "Agents.";
                blocking_dependencies with_blocking_dependencies: Vec<String>, "Tasks that wait for it.";
                estimated_delay with_estimated_delay: Span, "How long it delays the workflow.";
                workflow_risk with_workflow_risk: Severity, "How much the workflow is at risk; the scale of severities.";
            }
        }
        "What may help against an error."
        RecoverySuggestion {
            required {
                strategy: String, "What to do, such as `agent_reallocation`. An open list.";
            }
            optional {
                description with_description: String, "For people.";
                estimated_time with_estimated_time: Span, "How long it takes.";
                success_probability with_success_probability: Ratio, "How likely it helps, from 0 to 1.";
            }
        }

        "The registration of a component (Component Registration)."
        ComponentRegistration {
            essential {
                component_id: ComponentId, "The component.";
            }
            required {
                component_type: String, "What kind of component, such as `utility`. An open list.";
            }
            optional {
                version with_version: ComponentVersion, "Its own version.";
                capabilities with_capabilities: Vec<String>, "What it can do.";
                dependencies with_dependencies: Vec<String>, "Components it cannot do without.";
                event_subscriptions with_event_subscriptions: Vec<String>, "Patterns of the events it receives.";
                event_publications with_event_publications: Vec<String>, "Patterns of the events it sends.";
                health_check_endpoint with_health_check_endpoint: String, "Where its health is asked for; the transport resolves it.";
                performance_metrics with_performance_metrics: Vec<String>, "Names of the metrics it reports.";
                instance with_instance since V1_1_0: String, "Which start of the component it is: another word after each start. Extension.";
            }
        }
        "The health of a component (Health Monitoring)."
        HealthStatus {
            essential {
                component_id: ComponentId, "The component.";
                status: HealthState, "How it is.";
            }
            required {
                timestamp: Timestamp, "When it was so.";
            }
            optional {
                uptime with_uptime: Span, "How long it has run.";
                last_activity with_last_activity: Timestamp, "When it last did something.";
                performance_metrics with_performance_metrics: ComponentPerformance, "How well it does.";
                active_operations with_active_operations: Count, "Operations under way.";
                queue_size with_queue_size: Count, "Operations that wait.";
                dependencies with_dependencies: Map<HealthState>, "The health of what it depends on.";
                instance with_instance since V1_1_0: String, "Which start of the component it is: another word after each start. Extension.";
            }
        }
        "How well a component does."
        ComponentPerformance {
            optional {
                response_time_avg with_response_time_avg: Span, "Mean response time.";
                success_rate with_success_rate: Percent, "Operations that succeed, in percent.";
                error_rate with_error_rate: Percent, "Operations that fail, in percent.";
                resource_usage with_resource_usage: ComponentUsage, "What it uses.";
            }
        }
        "What a component uses."
        ComponentUsage {
            optional {
                memory_mb with_memory_mb: Amount, "Memory in MB of 10^6 bytes.";
                cpu_percent with_cpu_percent: Percent, "Processor use in percent.";
            }
        }
        "The configuration of a component (Configuration Management)."
        ComponentConfig {
            essential {
                component_id: ComponentId, "The component.";
            }
            optional {
                coordination with_coordination: CoordinationConfig, "How it takes part.";
                performance with_performance: PerformanceConfig, "How much it does at once.";
                monitoring with_monitoring: MonitoringConfig, "How it is watched.";
            }
        }
        "How a component takes part in coordination."
        CoordinationConfig {
            optional {
                hub_endpoint with_hub_endpoint: String, "The hub; the transport resolves it.";
                heartbeat_interval with_heartbeat_interval: Span, "Time between heartbeats.";
                event_queue_size with_event_queue_size: Count, "The most events that wait.";
                max_retry_attempts with_max_retry_attempts: Count, "Attempts in all.";
                timeout_default with_timeout_default: Span, "How long one attempt waits for an answer.";
            }
        }
        "How much a component does at once."
        PerformanceConfig {
            optional {
                max_concurrent_operations with_max_concurrent_operations: Count, "The most operations under way.";
                resource_pool_size with_resource_pool_size: Count, "The size of its pool.";
                cache_size_mb with_cache_size_mb: Amount, "Its cache in MB of 10^6 bytes.";
                optimization_interval with_optimization_interval: Span, "Time between optimizations.";
            }
        }
        "How a component is watched."
        MonitoringConfig {
            optional {
                metrics_collection with_metrics_collection: bool, "Whether metrics are collected.";
                performance_tracking with_performance_tracking: bool, "Whether performance is tracked.";
                health_check_interval with_health_check_interval: Span, "Time between health checks.";
                alert_thresholds with_alert_thresholds: AlertThresholds, "From where on there is an alert.";
            }
        }
        "From where on there is an alert. Other thresholds are kept as extra fields."
        AlertThresholds {
            optional {
                response_time with_response_time: Span, "Response time.";
                error_rate with_error_rate: Percent, "Operations that fail, in percent.";
                memory_usage with_memory_usage: Percent, "Memory in percent of what there is.";
            }
        }

        "The greeting of a component: who it is and which protocol versions it speaks. Extension."
        Hello {
            essential {
                component_id: ComponentId, "Who greets.";
                versions: Vec<VersionRange>, "The protocol versions it can speak.";
            }
            optional {
                floor with_floor: ProtocolVersion, "The least version it agrees to.";
                capabilities with_capabilities: Vec<String>, "Features it offers.";
            }
        }
        "Protocol versions from one to another, both included. Extension."
        VersionRange {
            essential {
                min: ProtocolVersion, "The least.";
                max: ProtocolVersion, "The greatest.";
            }
        }
        "The answer to a greeting: the version that both speak from now on. A refusal is an error report. Extension."
        Welcome {
            essential {
                component_id: ComponentId, "Who answers.";
                version: ProtocolVersion, "The version that was agreed.";
            }
            optional {
                capabilities with_capabilities: Vec<String>, "Features that both offer.";
                heartbeat_interval with_heartbeat_interval: Span, "How often a heartbeat is expected.";
            }
        }
        "A request to give back an allocation. Extension."
        Release {
            essential {
                allocation_id: AllocationId, "The allocation.";
            }
            required {
                release_reason: String, "Why, as the event that tells of it repeats.";
            }
            optional {
                workflow_id with_workflow_id: WorkflowId, "The workflow that held it.";
                requester with_requester: String, "Who gives it back.";
                force with_force: bool, "Whether to release it although it is in use.";
                cleanup with_cleanup: bool, "Whether to clean up what it left.";
                fence with_fence: Json, "The fencing token of the grant.";
                used with_used: Map<Amount>, "What was used of budgets, by name; the rest is given back.";
            }
        }
        "The question whether a request is in conflict with others, and its answer. Extension."
        ConflictCheck {
            essential {
                request_id: RequestId, "The request for resources.";
            }
            optional {
                resources with_resources: Resources, "What it asks for.";
                workflow_id with_workflow_id: WorkflowId, "The workflow that asks.";
                conflict_tolerance with_conflict_tolerance: ConflictTolerance, "How much conflict it accepts.";
                conflicts with_conflicts: Vec<Conflict>, "The answer: the conflicts, none if empty.";
            }
        }
        "One conflict between requests. Extension."
        Conflict {
            essential {
                conflict_id: ConflictId, "The conflict.";
            }
            required {
                severity: Severity, "How bad it is.";
            }
            optional {
                resource with_resource: String, "The resource, such as a file or `agents`.";
                allocation_id with_allocation_id: AllocationId, "The allocation that holds it.";
                request_id with_request_id: RequestId, "The other request that wants it.";
            }
        }
        "A request to take a workflow back to a checkpoint. Extension."
        Rollback {
            essential {
                workflow_id: WorkflowId, "The workflow.";
                checkpoint_id: CheckpointId, "The checkpoint.";
            }
            required {
                mode: RollbackMode, "How much is restored.";
            }
            optional {
                recovery_id with_recovery_id: RecoveryId, "The recovery it belongs to.";
                parts with_parts: Vec<String>, "Parts of the state, for `partial`.";
                agents with_agents: Vec<String>, "Agents, for `selective`.";
                tasks with_tasks: Vec<String>, "Tasks, for `selective`.";
                reason with_reason: String, "Why.";
            }
        }
        "The sign that a component is alive. Extension."
        Heartbeat {
            essential {
                component_id: ComponentId, "The component.";
            }
            required {
                sequence: Count, "Counts its heartbeats.";
                timestamp: Timestamp, "When it was sent.";
            }
            optional {
                status with_status: HealthState, "How it is.";
                instance with_instance: String, "Which start of the component it is, as in its registration.";
            }
        }
        "A request to receive events, or to receive them no more. Extension."
        Subscription {
            essential {
                subscriber: ComponentId, "Who wants them.";
                patterns: Vec<String>, "Which ones.";
            }
            optional {
                filter with_filter: Json, "What else must hold of them.";
                group with_group: String, "The queue group: one member of it receives each event.";
                cancel with_cancel: bool, "Whether the subscription ends.";
            }
        }
        "A message that could not be delivered, with the evidence. Extension."
        DeadLetter {
            essential {
                reason: String, "Why it could not.";
                original: String, "The message as it was received.";
            }
            required {
                attempts: Count, "How often delivery was tried.";
                died_at: Timestamp, "When it was given up.";
            }
            optional {
                encoding with_encoding: TextEncoding, "How `original` is written; `utf-8` if absent.";
                findings with_findings: Vec<Json>, "What was found in it.";
                subscriber with_subscriber: ComponentId, "Who should have received it.";
                first_attempt_at with_first_attempt_at: Timestamp, "When delivery was first tried.";
                last_attempt_at with_last_attempt_at: Timestamp, "When delivery was last tried.";
            }
        }
        "The proposal of a new state, to be voted on. Extension."
        Proposal {
            essential {
                proposal_id: ProposalId, "The proposal.";
                workflow_id: WorkflowId, "The workflow.";
                state_version: StateVersion, "The version that the state would have.";
            }
            required {
                proposer: ComponentId, "Who proposes.";
                digest: Digest, "The digest of the proposed state.";
            }
            optional {
                value with_value: Json, "The proposed state.";
                epoch with_epoch: StateVersion, "The epoch of the workflow that the version is of; 0 if absent.";
                deadline with_deadline: Timestamp, "When the ballot ends.";
            }
        }
        "A vote on a proposal. Extension."
        Vote {
            essential {
                proposal_id: ProposalId, "The proposal.";
                voter: ComponentId, "Who votes.";
                vote: Ballot, "What for.";
            }
            optional {
                weight with_weight: Count, "How many votes it counts for; 1 if absent.";
                reason with_reason: String, "Why.";
            }
        }
        "The outcome of a ballot. Extension."
        Decision {
            essential {
                proposal_id: ProposalId, "The proposal.";
                outcome: BallotOutcome, "How the ballot ended.";
            }
            optional {
                workflow_id with_workflow_id: WorkflowId, "The workflow.";
                state_version with_state_version: StateVersion, "The version that was committed.";
                epoch with_epoch: StateVersion, "The epoch of the workflow that the version is of; 0 if absent.";
                digest with_digest: Digest, "The digest of the state that was committed.";
                accepted with_accepted: Count, "Votes for it.";
                rejected with_rejected: Count, "Votes against it.";
            }
        }
        "The notice of a component that it takes part no more. Extension."
        Deregistration {
            essential {
                component_id: ComponentId, "The component.";
            }
            required {
                reason: String, "Why.";
            }
            optional {
                timestamp with_timestamp: Timestamp, "When it leaves.";
                instance with_instance: String, "Which start of the component it is, as in its registration.";
            }
        }
    } };
}

/// Hands all bodies to the macro `$expand`: type, body key, version that introduced it.
macro_rules! body_table {
    ($expand:ident) => {
        $expand! {
            AllocationRequest "allocation_request" V1_0_0
            AllocationResponse "allocation_response" V1_0_0
            WorkflowState "workflow_state" V1_0_0
            CheckpointSync "checkpoint_sync" V1_0_0
            ErrorReport "error_report" V1_0_0
            ComponentRegistration "component_registration" V1_0_0
            HealthStatus "health_status" V1_0_0
            ComponentConfig "component_config" V1_0_0
            Hello "hello" V1_1_0
            Welcome "welcome" V1_1_0
            Release "release" V1_1_0
            ConflictCheck "conflict_check" V1_1_0
            Rollback "rollback" V1_1_0
            Heartbeat "heartbeat" V1_1_0
            Subscription "subscription" V1_1_0
            DeadLetter "dead_letter" V1_1_0
            Proposal "proposal" V1_1_0
            Vote "vote" V1_1_0
            Decision "decision" V1_1_0
            Deregistration "deregistration" V1_1_0
        }
    };
}

pub(crate) use {body_table, object_table};
