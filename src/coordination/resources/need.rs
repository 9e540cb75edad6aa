//! What a request asks for, as it is decided about.

use super::units::{AGENTS, Amounts, CORES, MEMORY, Units};
use crate::error::leaf_errors;
use crate::message::{AllocationRequest, FallbackOptions};
use crate::path::{PathError, PathPattern};
use crate::scalar::{
    ConflictTolerance, IsolationLevel, Priority, RequestId, Timestamp, WallTime, WorkflowId,
    printable,
};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::time::Duration;

/// How a path is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Access {
    /// With others that share it.
    Shared,
    /// Alone.
    Exclusive,
}

impl Access {
    /// Whether two holders exclude each other.
    pub const fn excludes(self, other: Access) -> bool {
        matches!((self, other), (Access::Exclusive, _) | (_, Access::Exclusive))
    }
}

/// A path and how it is held.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PathLease {
    /// The path.
    pub path: PathPattern,
    /// How it is held.
    pub access: Access,
}

impl PathLease {
    /// A path that is held alone.
    pub const fn exclusive(path: PathPattern) -> Self {
        PathLease { path, access: Access::Exclusive }
    }

    /// A path that is held with others.
    pub const fn shared(path: PathPattern) -> Self {
        PathLease { path, access: Access::Shared }
    }
}

/// What is asked for, or granted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Need {
    /// Amounts, by name.
    #[serde(default, skip_serializing_if = "Amounts::is_empty")]
    pub amounts: Amounts,
    /// Paths. One path is there once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<PathLease>,
    /// For how long; `None` if that is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<Duration>,
}

impl Need {
    /// Nothing.
    pub fn new() -> Self {
        Need::default()
    }

    /// Asks for an amount.
    pub fn with(mut self, name: &str, amount: Units) -> Self {
        self.amounts.set(name, amount);
        self
    }

    /// Asks for a path. A path that is asked for twice is held alone if one of the two says so.
    pub fn with_path(mut self, lease: PathLease) -> Self {
        match self.paths.iter_mut().find(|held| held.path == lease.path) {
            Some(held) => held.access = held.access.max(lease.access),
            None => self.paths.push(lease),
        }
        self
    }

    /// Sets the duration.
    pub const fn with_duration(mut self, duration: Duration) -> Self {
        self.duration = Some(duration);
        self
    }

    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        self.amounts.is_empty() && self.paths.is_empty()
    }

    pub(super) fn has_exclusive_path(&self) -> bool {
        self.paths.iter().any(|lease| lease.access == Access::Exclusive)
    }
}

/// How urgent a request is, and by how much it is put ahead of others for that.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Urgency {
    /// Ahead of what was submitted up to 10 minutes before.
    Critical,
    /// 5 minutes.
    High,
    /// 1 minute. What says nothing is so.
    #[default]
    Medium,
    /// Not at all.
    Low,
}

impl Urgency {
    /// By how much a request counts as submitted earlier.
    pub const fn bonus(self) -> Duration {
        Duration::from_secs(match self {
            Urgency::Critical => 600,
            Urgency::High => 300,
            Urgency::Medium => 60,
            Urgency::Low => 0,
        })
    }
}

impl From<&Priority> for Urgency {
    /// An unknown word is as urgent as none.
    fn from(priority: &Priority) -> Self {
        match priority {
            Priority::Critical => Urgency::Critical,
            Priority::High => Urgency::High,
            Priority::Low => Urgency::Low,
            _ => Urgency::Medium,
        }
    }
}

/// What a conflict with another over a path leads to.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Tolerance {
    /// The request is denied.
    None,
    /// It waits for holders, but not behind others that wait for the path as well.
    Low,
    /// It waits if it can be promised when it starts. What says nothing is so.
    #[default]
    Medium,
    /// It waits in any case.
    High,
}

impl From<&ConflictTolerance> for Tolerance {
    /// An unknown word says as little as none.
    fn from(word: &ConflictTolerance) -> Self {
        match word {
            ConflictTolerance::None => Tolerance::None,
            ConflictTolerance::Low => Tolerance::Low,
            ConflictTolerance::High => Tolerance::High,
            _ => Tolerance::Medium,
        }
    }
}

/// When files that are asked for alone are shared, where the requester puts up with that.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Isolation {
    /// Never.
    Strict,
    /// If others hold them. What says nothing is so.
    #[default]
    Moderate,
    /// Right away, so that others can share them.
    Relaxed,
}

impl From<&IsolationLevel> for Isolation {
    /// An unknown word says as little as none.
    fn from(word: &IsolationLevel) -> Self {
        match word {
            IsolationLevel::Strict => Isolation::Strict,
            IsolationLevel::Relaxed => Isolation::Relaxed,
            _ => Isolation::Moderate,
        }
    }
}

/// A request, as it is decided about.
///
/// ```
/// use coordination_protocol::coordination::resources::{Submission, Urgency};
/// use coordination_protocol::message::{AllocationRequest, Resources};
/// use coordination_protocol::scalar::{Count, Priority, RequestId, Timestamp, WorkflowId};
///
/// let resources = Resources::new()
///     .with_agents(Count::new(3))
///     .with_exclusive_files(vec!["src/net".to_owned()]);
/// let request = AllocationRequest::new(
///     RequestId::new("req_1")?, WorkflowId::new("wf_001")?, "worker", Timestamp::new("2025-01-15T12:00:00Z")?,
/// ).with_resources(resources).with_priority(Priority::High);
/// let submission = Submission::read(&request)?;
/// assert_eq!(submission.urgency, Urgency::High);
/// assert_eq!(submission.need.paths[0].path.as_str(), "src/net");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Submission {
    /// The request.
    pub request_id: RequestId,
    /// The workflow that needs the resources.
    pub workflow_id: WorkflowId,
    /// Who asks.
    pub requester: String,
    /// What is asked for.
    pub need: Need,
    /// How urgent it is.
    #[serde(default, skip_serializing_if = "is_default")]
    pub urgency: Urgency,
    /// How long it may wait; `None` leaves that to the pool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_wait: Option<Duration>,
    /// What a conflict over a path leads to.
    #[serde(default, skip_serializing_if = "is_default")]
    pub tolerance: Tolerance,
    /// When files are shared.
    #[serde(default, skip_serializing_if = "is_default")]
    pub isolation: Isolation,
    /// The least performance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_performance: Option<SmolStr>,
    /// What the requester puts up with.
    #[serde(default, skip_serializing_if = "is_default")]
    pub fallback: Fallback,
    /// Who will hold the grant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<Holder>,
    /// Who waits for the answer. Without one that shows that it is there, what is granted later is an offer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiter: Option<Holder>,
}

pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// What a requester puts up with if there is too little.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
#[allow(clippy::struct_excessive_bools, reason = "each is an option of the request")]
pub struct Fallback {
    /// Fewer agents, at least one.
    pub fewer_agents: bool,
    /// A longer duration, in proportion to the agents that are missing.
    pub longer: bool,
    /// Paths with others instead of alone.
    pub shared: bool,
    /// To wait.
    pub queue: bool,
}

impl Fallback {
    /// Nothing: all at once, or not at all.
    pub fn new() -> Self {
        Fallback::default()
    }

    /// The same, and waits.
    pub const fn queued(mut self) -> Self {
        self.queue = true;
        self
    }
}

impl From<&FallbackOptions> for Fallback {
    /// What is not said is not permitted.
    fn from(options: &FallbackOptions) -> Self {
        Fallback {
            fewer_agents: options.reduce_agents == Some(true),
            longer: options.extend_duration == Some(true),
            shared: options.accept_shared_resources == Some(true),
            queue: options.queue_if_unavailable == Some(true),
        }
    }
}

/// Who holds a grant, or waits for one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Holder {
    /// What names it, such as a process with its start time, or the session of an editor's agent.
    pub id: String,
    /// Whether it shows that it is there, so that the grant ends when it does not for the time to live.
    #[serde(default, skip_serializing_if = "is_default")]
    pub live: bool,
}

impl Holder {
    /// A holder that shows that it is there.
    pub fn live(id: impl Into<String>) -> Self {
        Holder { id: id.into(), live: true }
    }

    /// A holder that is only named.
    pub fn named(id: impl Into<String>) -> Self {
        Holder { id: id.into(), live: false }
    }
}

/// A request asks for what cannot be decided about.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NeedError {
    /// Nothing is asked for.
    #[error("request {request} asks for nothing")]
    Nothing {
        /// The request.
        request: RequestId,
    },
    /// A file is no path below the root.
    #[error("request {request}: {error}")]
    Path {
        /// The request.
        request: RequestId,
        /// The path.
        error: PathError,
    },
    /// Agents come in whole ones.
    #[error("request {request} asks for {amount} agents, and there are whole ones only")]
    PartOfAnAgent {
        /// The request.
        request: RequestId,
        /// The amount.
        amount: Units,
    },
    /// A text that should be a duration is none.
    #[error("request {request}: `{}` is no duration", printable(.text))]
    Duration {
        /// The request.
        request: RequestId,
        /// The text.
        text: String,
    },
    /// A tool has the name of another resource.
    #[error("request {request} asks for a tool named `{name}`, which is another resource")]
    Tool {
        /// The request.
        request: RequestId,
        /// The name.
        name: String,
    },
}

leaf_errors! {
    NeedError, Coordination {
        Self::Nothing { .. } => ["nothing-needed", Resource, Corruption, lasting, "correct_and_retry",
            "Name at least one resource or file."],
        Self::Path { error, .. } => (error),
        Self::PartOfAnAgent { .. } => ["part-of-an-agent", Resource, Corruption, lasting, "correct_and_retry",
            "Ask for a whole number of agents."],
        Self::Duration { .. } => ["no-duration", Resource, Corruption, lasting, "correct_and_retry",
            "Write a duration as in `2h 30m`."],
        Self::Tool { .. } => ["tool-name", Resource, Corruption, lasting, "correct_and_retry",
            "Ask for agents, memory and cores in their own fields."],
    }
}

impl Submission {
    /// A request for something, that takes it as it is or not at all.
    pub fn new(
        request_id: RequestId,
        workflow_id: WorkflowId,
        requester: impl Into<String>,
        need: Need,
    ) -> Self {
        Submission {
            request_id,
            workflow_id,
            requester: requester.into(),
            need,
            urgency: Urgency::default(),
            max_wait: None,
            tolerance: Tolerance::default(),
            isolation: Isolation::default(),
            min_performance: None,
            fallback: Fallback::new(),
            holder: None,
            waiter: None,
        }
    }

    /// Sets how urgent it is.
    pub const fn with_urgency(mut self, urgency: Urgency) -> Self {
        self.urgency = urgency;
        self
    }

    /// Sets how long it may wait.
    pub const fn with_max_wait(mut self, max_wait: Duration) -> Self {
        self.max_wait = Some(max_wait);
        self
    }

    /// Sets what the requester puts up with.
    pub const fn with_fallback(mut self, fallback: Fallback) -> Self {
        self.fallback = fallback;
        self
    }

    /// Sets what a conflict over a path leads to.
    pub const fn with_tolerance(mut self, tolerance: Tolerance) -> Self {
        self.tolerance = tolerance;
        self
    }

    /// Sets when files are shared.
    pub const fn with_isolation(mut self, isolation: Isolation) -> Self {
        self.isolation = isolation;
        self
    }

    /// Sets the least performance.
    pub fn with_min_performance(mut self, word: &str) -> Self {
        self.min_performance = Some(SmolStr::new(word));
        self
    }

    pub(super) fn may_share(&self) -> bool {
        self.fallback.shared && self.isolation != Isolation::Strict
    }

    /// Sets who waits for the answer.
    pub fn with_waiter(mut self, waiter: Holder) -> Self {
        self.waiter = Some(waiter);
        self
    }

    /// Sets who will hold the grant.
    pub fn with_holder(mut self, holder: Holder) -> Self {
        self.holder = Some(holder);
        self
    }

    /// What a message asks for. Words that the protocol does not know count as absent.
    ///
    /// # Errors
    /// [`NeedError`].
    pub fn read(request: &AllocationRequest) -> Result<Self, NeedError> {
        let id = || request.request_id.clone();
        let mut need = Need::new();
        if let Some(resources) = &request.resources {
            if let Some(agents) = &resources.agents {
                need.amounts.set(AGENTS, Units::whole(agents.get()));
            }
            let spelled = [(MEMORY, &resources.memory_gb), (CORES, &resources.cpu_cores)];
            for (name, amount) in spelled {
                need.amounts.set(name, amount.as_ref().map_or(Units::ZERO, Units::from));
            }
            for (tool, amount) in resources.tool_instances.iter().flatten() {
                if [AGENTS, MEMORY, CORES].contains(&tool) {
                    return Err(NeedError::Tool { request: id(), name: tool.to_string() });
                }
                need.amounts.set(tool, Units::from(amount));
            }
            for file in resources.exclusive_files.iter().flatten() {
                need = need.with_path(PathLease::exclusive(path(request, file)?));
            }
            for file in resources.shared_files.iter().flatten() {
                need = need.with_path(PathLease::shared(path(request, file)?));
            }
            need.duration = resources.duration_hours.as_ref().map(hours);
        }
        if need.is_empty() {
            return Err(NeedError::Nothing { request: id() });
        }
        let mut submission = Submission::new(
            id(),
            request.workflow_id.clone(),
            request.requester.clone().unwrap_or_default(),
            need,
        );
        submission.urgency = request.priority.as_ref().map(Urgency::from).unwrap_or_default();
        if let Some(options) = &request.fallback_options {
            submission.fallback = Fallback::from(options);
        }
        if let Some(constraints) = &request.constraints {
            submission.min_performance = constraints.min_performance.as_deref().map(SmolStr::new);
            if let Some(span) = &constraints.max_wait_time {
                let text = span.as_str();
                let error = || NeedError::Duration { request: id(), text: text.to_owned() };
                submission.max_wait = Some(span.value().ok_or_else(error)?);
            }
            let tolerance = constraints.conflict_tolerance.as_ref().map(Tolerance::from);
            submission.tolerance = tolerance.unwrap_or_default();
            let isolation = constraints.isolation_level.as_ref().map(Isolation::from);
            submission.isolation = isolation.unwrap_or_default();
        }
        Ok(submission)
    }

    /// When the message says that it was asked, for who decides much later.
    pub fn asked_at(request: &AllocationRequest) -> Option<WallTime> {
        request.timestamp.as_ref().and_then(Timestamp::unix_millis).map(WallTime::from)
    }
}

fn path(request: &AllocationRequest, file: &str) -> Result<PathPattern, NeedError> {
    let request = &request.request_id;
    PathPattern::new(file).map_err(|error| NeedError::Path { request: request.clone(), error })
}

/// Hours in whole milliseconds, rounded up: a thousandth of an hour is 3.6 seconds.
fn hours(amount: &crate::scalar::Amount) -> Duration {
    match amount.value() {
        // More than a hundred years is as good as for ever.
        Some(hours) if hours < 876_000.0 => {
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "bounded above, and no amount is below zero"
            )]
            let millis = (hours * 3_600_000.0).ceil() as u64;
            Duration::from_millis(millis.max(1))
        }
        _ => Duration::from_secs(876_000 * 3_600),
    }
}
