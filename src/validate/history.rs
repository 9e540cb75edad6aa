//! What rules know beyond the message: what came before, and the time.

use super::Checked;
use crate::merge::content_digest;
use crate::message::{AllocationRequest, Envelope, Message};
use crate::scalar::{ComponentId, Digest};
use crate::version::{Calendar, Date};
use smol_str::SmolStr;
use std::collections::{HashMap, VecDeque};

/// What a check may use beside the record. Each part is optional; rules that need what is absent
/// say nothing.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Context<'h> {
    /// What came before.
    pub history: Option<&'h History>,
    /// The time, in milliseconds since 1970-01-01T00:00:00Z.
    pub now: Option<i64>,
    /// The component that the transport knows the record to come from.
    pub source: Option<&'h ComponentId>,
    /// What is announced to end, and the day to judge its uses by.
    pub calendar: Option<(&'h Calendar, Date)>,
}

impl<'h> Context<'h> {
    /// Nothing.
    pub const fn new() -> Self {
        Context { history: None, now: None, source: None, calendar: None }
    }

    /// Sets what came before.
    pub const fn with_history(mut self, history: &'h History) -> Self {
        self.history = Some(history);
        self
    }

    /// Sets the component that the transport knows the record to come from. A source that the
    /// message names goes before it.
    pub const fn with_source(mut self, source: &'h ComponentId) -> Self {
        self.source = Some(source);
        self
    }

    /// Sets what is announced to end, and the day to judge its uses by: before the sunset they are
    /// `deprecated`, a warning, from then on `sunset-passed`, an error.
    ///
    /// ```
    /// use coordination_protocol::Mode;
    /// use coordination_protocol::validate::{Context, Validator};
    /// use coordination_protocol::version::Calendar;
    ///
    /// let calendar = Calendar::from_json(r#"{"notices":[{"subject":{"event_type":"TASK_REASSIGNED"},
    ///     "since":"1.1.0","announced":"2025-01-15","sunset":"2025-06-01"}]}"#)?;
    /// let line = r#"TASK_REASSIGNED:wf_001:build:{"task_id":"t7","old_agent_id":"a1","new_agent_id":"a2","reason":"load"}"#;
    /// let context = Context::new().with_calendar(&calendar, "2025-03-01".parse()?);
    /// let outcome = Validator::new(Mode::Strict).check(line, &context);
    /// assert_eq!(outcome.report.findings()[0].code.as_str(), "deprecated");
    /// # Ok::<(), coordination_protocol::version::VersionError>(())
    /// ```
    pub const fn with_calendar(mut self, calendar: &'h Calendar, on: Date) -> Self {
        self.calendar = Some((calendar, on));
        self
    }

    /// Sets the time, in milliseconds since 1970-01-01T00:00:00Z.
    pub const fn with_now(mut self, unix_millis: i64) -> Self {
        self.now = Some(unix_millis);
        self
    }
}

/// The newest version of a workflow's state that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SeenState {
    pub(super) version: u64,
    pub(super) digest: Option<Digest>,
}

/// Accepted messages, as far as later ones are judged by them: requests, state versions,
/// registrations. Bounded; the oldest are forgotten first.
///
/// ```
/// use coordination_protocol::Mode;
/// use coordination_protocol::validate::{Context, History, Validator};
///
/// let validator = Validator::new(Mode::Interop);
/// let mut history = History::new();
/// for version in [15, 14] {
///     let text = format!(
///         r#"{{"workflow_state":{{"workflow_id":"wf_001","state_version":{version},"timestamp":"2025-01-15T12:00:00Z"}}}}"#,
///     );
///     let outcome = validator.check(&text, &Context::new().with_history(&history));
///     match version {
///         15 => assert!(outcome.report.is_empty()),
///         _ => assert_eq!(outcome.report.findings()[0].code.as_str(), "stale-version"),
///     }
///     history.note(&outcome.accept().unwrap());
/// }
/// ```
#[derive(Clone, Debug)]
pub struct History {
    requests: Bounded<AllocationRequest>,
    states: Bounded<SeenState>,
    dependencies: Bounded<Vec<String>>,
}

impl History {
    /// How many requests, workflows and components are remembered unless set otherwise.
    pub const CAPACITY: usize = 4096;

    /// Nothing came before.
    pub fn new() -> Self {
        History::with_capacity(Self::CAPACITY)
    }

    /// Remembers at most so many requests, workflows and components each.
    pub fn with_capacity(most: usize) -> Self {
        History {
            requests: Bounded::new(most),
            states: Bounded::new(most),
            dependencies: Bounded::new(most),
        }
    }

    /// Remembers an accepted message.
    pub fn note(&mut self, envelope: &Checked<Envelope>) {
        match &envelope.message {
            Message::AllocationRequest(request) => {
                self.requests.insert(request.request_id.as_str(), (**request).clone());
            }
            Message::WorkflowState(state) => {
                let version = state.state_version.get();
                let workflow = state.workflow_id.as_str();
                if self.states.get(workflow).is_none_or(|seen| seen.version <= version) {
                    self.states
                        .insert(workflow, SeenState { version, digest: content_digest(state) });
                }
            }
            Message::ComponentRegistration(registration) => {
                let dependencies = registration.dependencies.clone().unwrap_or_default();
                self.dependencies.insert(registration.component_id.as_str(), dependencies);
            }
            Message::Deregistration(leaving) => {
                self.dependencies.remove(leaving.component_id.as_str());
            }
            _ => {}
        }
    }

    /// The request of an identifier.
    pub fn request(&self, id: &str) -> Option<&AllocationRequest> {
        self.requests.get(id)
    }

    /// The newest version of a workflow's state.
    pub fn state_version(&self, workflow: &str) -> Option<u64> {
        self.states.get(workflow).map(|seen| seen.version)
    }

    pub(super) fn state(&self, workflow: &str) -> Option<&SeenState> {
        self.states.get(workflow)
    }

    pub(super) fn dependencies(&self, component: &str) -> &[String] {
        self.dependencies.get(component).map_or(&[], Vec::as_slice)
    }
}

impl Default for History {
    fn default() -> Self {
        History::new()
    }
}

/// A map that forgets what was inserted first.
#[derive(Clone, Debug)]
struct Bounded<T> {
    most: usize,
    values: HashMap<SmolStr, T>,
    order: VecDeque<SmolStr>,
}

impl<T> Bounded<T> {
    fn new(most: usize) -> Self {
        Bounded { most, values: HashMap::new(), order: VecDeque::new() }
    }

    fn get(&self, key: &str) -> Option<&T> {
        self.values.get(key)
    }

    fn insert(&mut self, key: &str, value: T) {
        let key = SmolStr::new(key);
        if self.values.insert(key.clone(), value).is_none() {
            self.order.push_back(key);
        }
        while self.values.len() > self.most {
            match self.order.pop_front() {
                Some(oldest) => self.values.remove(&oldest),
                None => break,
            };
        }
    }

    fn remove(&mut self, key: &str) {
        if self.values.remove(key).is_some() {
            self.order.retain(|known| known != key);
        }
    }
}
