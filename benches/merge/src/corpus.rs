//! Three states of one workflow: on each side a tenth of the agents has gone on and two are new.

use coordination_protocol::message::{
    AgentState, CurrentPhase, Map, ResourceUsage, StateMetadata, WorkflowState,
};
use coordination_protocol::scalar::{Amount, Percent, TaskId, Timestamp, WorkflowId};

/// Xorshift: the same numbers on every run.
struct Rng(u64);

impl Rng {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }
}

pub struct Corpus {
    pub base: WorkflowState,
    pub ours: WorkflowState,
    pub theirs: WorkflowState,
}

fn percent(tenths: u64) -> Percent {
    Percent::parse(&format!("{}.{}", tenths / 10, tenths % 10)).unwrap()
}

fn agent(rng: &mut Rng) -> AgentState {
    AgentState::new("active")
        .with_current_task(TaskId::new(format!("task_{}", rng.below(1000))).unwrap())
        .with_progress(percent(rng.below(500)))
        .with_performance_score(percent(rng.below(1000)))
}

fn state(version: u64, time: &str, agents: Map<AgentState>) -> WorkflowState {
    let phase = CurrentPhase::new(3)
        .with_name("implementation")
        .with_progress(percent(675))
        .with_started_at(Timestamp::new("2025-01-15T11:30:00Z").unwrap());
    let usage = ResourceUsage::new()
        .with_memory_current(Amount::from(8))
        .with_cpu_utilization(percent(732))
        .with_storage_used(Amount::from(2));
    WorkflowState::new(
        WorkflowId::new("workflow_123").unwrap(),
        version,
        Timestamp::new(time).unwrap(),
    )
    .with_current_phase(phase)
    .with_agent_states(agents)
    .with_resource_usage(usage)
    .with_validation_required(vec!["state_integrity".to_owned()])
    .with_metadata(StateMetadata::new().with_last_update_source("coordination-hub"))
}

impl Corpus {
    pub fn new(count: usize) -> Self {
        let mut rng = Rng(0x9E37_79B9_7F4A_7C15);
        let agents: Vec<(String, AgentState)> =
            (0..count).map(|at| (format!("agent_{at:04}"), agent(&mut rng))).collect();
        let base = state(15, "2025-01-15T12:00:00Z", agents.iter().cloned().collect());
        let mut side = |time: &str, new: &str| {
            let mut agents = agents.clone();
            for (_, agent) in &mut agents {
                if rng.below(10) == 0 {
                    agent.progress = Some(percent(500 + rng.below(500)));
                }
            }
            for number in 0..2 {
                agents.push((format!("agent_{new}_{number}"), agent(&mut rng)));
            }
            state(16, time, agents.into_iter().collect())
        };
        let ours = side("2025-01-15T12:00:05Z", "x");
        let theirs = side("2025-01-15T12:00:04Z", "y");
        Corpus { base, ours, theirs }
    }
}
