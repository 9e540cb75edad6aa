//! What rules know beyond the message: what came before, and the time.

mod bounded;
mod exchange;
mod grants;
mod lease;
mod lifecycle;

pub(super) use exchange::Exchanges;
pub(super) use grants::{End, GrantStatus, Grants, release_id, token};
pub(super) use lifecycle::{Lives, Misstep, Step};

use super::Checked;
use super::checked::Shared;
use crate::event::EventType;
use crate::message::{AllocationRequest, Envelope, Message};
use crate::scalar::{ComponentId, Count, Digest, WallTime};
use crate::version::{Calendar, Date};
use bounded::Bounded;
use smol_str::SmolStr;
use std::collections::VecDeque;
use std::sync::Arc;

/// What a check may use beside the record. Each part is optional; rules that need what is absent
/// say nothing.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Context<'h> {
    /// What came before.
    pub history: Option<&'h History>,
    /// The time.
    pub now: Option<WallTime>,
    /// The component that the transport knows the record to come from.
    pub source: Option<&'h ComponentId>,
    /// The component that records come from of which neither they nor the transport says.
    pub assumed_source: Option<&'h ComponentId>,
    /// What is announced to end, and the day to judge its uses by.
    pub calendar: Option<(&'h Calendar, Date)>,
}

impl<'h> Context<'h> {
    /// Nothing.
    pub const fn new() -> Self {
        Context { history: None, now: None, source: None, assumed_source: None, calendar: None }
    }

    /// Sets what came before.
    pub const fn with_history(mut self, history: &'h History) -> Self {
        self.history = Some(history);
        self
    }

    /// Sets the component that the transport knows the record to come from. A message that names
    /// another source is an error, unless the policy names this component as a
    /// [relay](super::SecurityPolicy::with_relay).
    pub const fn with_source(mut self, source: &'h ComponentId) -> Self {
        self.source = Some(source);
        self
    }

    /// Sets the component that records come from which say nothing of their source, such as the lines
    /// of its log. Unlike [`with_source`](Self::with_source), it contradicts no record that does.
    pub const fn with_assumed_source(mut self, source: &'h ComponentId) -> Self {
        self.assumed_source = Some(source);
        self
    }

    /// The source of a message.
    pub(super) fn source_of<'a>(&self, envelope: &'a Envelope) -> Option<&'a ComponentId>
    where
        'h: 'a,
    {
        envelope.header.source.as_ref().or(self.source).or(self.assumed_source)
    }

    /// The component to which the grant was made that a message gives back, as far as it is known.
    pub(super) fn holder_of(&self, message: &Message) -> Option<&'h ComponentId> {
        let Message::Release(release) = message else { return None };
        self.history?.holder(release.allocation_id.as_str())
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

    /// Sets the time.
    pub fn with_now(mut self, now: impl Into<WallTime>) -> Self {
        self.now = Some(now.into());
        self
    }
}

/// The newest version of a workflow's state that was accepted.
#[derive(Clone, Debug)]
pub(super) struct SeenState {
    pub(super) version: u64,
    /// How often the workflow was taken back before.
    pub(super) epoch: u64,
    content: Content,
}

/// What the contents of a later state are compared with.
#[derive(Clone, Debug)]
enum Content {
    /// The message itself. Most states are followed by a newer one and never compared, so the
    /// digest, which costs more than the validation, waits until it is asked for.
    State(Arc<Shared<Envelope>>),
    Digest(Option<Digest>),
}

impl SeenState {
    fn is_whole(&self) -> bool {
        matches!(self.content, Content::State(_))
    }

    pub(super) fn digest(&self) -> Option<&Digest> {
        match &self.content {
            Content::State(shared) => shared.content_digest(),
            Content::Digest(digest) => digest.as_ref(),
        }
    }
}

/// Accepted messages, as far as later ones are judged by them: requests and answers, grants, state
/// versions, registrations, the lives of workflows, phases and tasks. Bounded; the oldest are
/// forgotten first, and what is not known is never held against a message as more than a note.
///
/// Requests and answers are kept by their source, so that what one component says under the identifier of
/// another changes nothing for that one.
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
#[doc(alias = "eviction")]
#[derive(Clone, Debug)]
pub struct History {
    exchanges: Exchanges,
    grants: Grants,
    lives: Lives,
    states: Bounded<SeenState>,
    /// The workflows whose state is kept itself, the oldest first. A workflow may have got a
    /// digest, or have been forgotten, since it was put here.
    whole: VecDeque<SmolStr>,
    dependencies: Bounded<Vec<String>>,
}

impl History {
    /// How many requests, grants, workflows with their phases and tasks, and components are remembered
    /// unless set otherwise.
    pub const CAPACITY: usize = 4096;

    /// How many states are kept themselves until they are compared. A typed state takes several
    /// times its text, so with more workflows than this the oldest is reduced to its digest.
    const WHOLE: usize = 256;

    /// Nothing came before.
    pub fn new() -> Self {
        History::with_capacity(Self::CAPACITY)
    }

    /// Remembers at most this number of requests, grants, states, lives and components each.
    pub fn with_capacity(most: usize) -> Self {
        History {
            exchanges: Exchanges::new(most),
            grants: Grants::new(most),
            lives: Lives::new(most),
            states: Bounded::new(most),
            whole: VecDeque::new(),
            dependencies: Bounded::new(most),
        }
    }

    /// Remembers an accepted message, which it shares with who holds it.
    ///
    /// What an event tells of a workflow, a phase or a task is known only if it was checked against a
    /// history.
    pub fn note(&mut self, envelope: &Checked<Envelope>) {
        if let Some(step) = envelope.step() {
            self.take(step);
        }
        self.remember(envelope.shared(), envelope.header.source.as_ref());
    }

    /// Remembers a message of `source`.
    pub(super) fn remember(
        &mut self,
        shared: &Arc<Shared<Envelope>>,
        source: Option<&ComponentId>,
    ) {
        self.exchanges.remember(shared, source);
        match &shared.value.message {
            Message::AllocationResponse(answer) => {
                let envelope = &shared.value;
                let request = self.exchanges.only_request_of(envelope);
                let asker = self.exchanges.asker_of(envelope);
                self.grants.granted(envelope, answer, request, asker);
            }
            Message::Release(release) => {
                let end = End::Released(release_id(&shared.value).map(str::to_owned));
                self.grants.ended(release.allocation_id.as_str(), end);
            }
            Message::WorkflowState(state) => {
                let version = state.state_version.get();
                let workflow = state.workflow_id.as_str();
                let seen = self.states.get(workflow);
                // An older one can only be accepted where its code is switched off; what is newest
                // stays the measure. One of the same version replaces it: they are equal, or the
                // host has switched forks off and took the later one.
                let epoch = state.epoch.as_ref().map_or(0, Count::get);
                if seen.is_none_or(|seen| (seen.epoch, seen.version) <= (epoch, version)) {
                    let was_whole = seen.is_some_and(SeenState::is_whole);
                    let content = match shared.known_digest() {
                        // They were compared. The message itself is of no more use.
                        Some(digest) => Content::Digest(digest.clone()),
                        None => Content::State(Arc::clone(shared)),
                    };
                    let whole = matches!(content, Content::State(_));
                    self.states.insert(workflow, SeenState { version, epoch, content });
                    if whole && !was_whole {
                        self.whole.push_back(SmolStr::new(workflow));
                        self.reduce();
                    }
                }
            }
            Message::ComponentRegistration(registration) => {
                let dependencies = registration.dependencies.clone().unwrap_or_default();
                self.dependencies.insert(registration.component_id.as_str(), dependencies);
            }
            // It depends on nothing any more, and must not stand in a cycle that is found later.
            Message::Deregistration(leaving) => {
                self.dependencies.remove(leaving.component_id.as_str());
            }
            _ => {}
        }
    }

    /// Keeps the memory for whole states bounded.
    fn reduce(&mut self) {
        while self.whole.len() > Self::WHOLE {
            let Some(workflow) = self.whole.pop_front() else { break };
            if let Some(seen) = self.states.get_mut(&workflow) {
                seen.content = Content::Digest(seen.digest().cloned());
            }
        }
    }

    /// Remembers what an event tells of a workflow, a phase, a task or a grant.
    pub(super) fn take(&mut self, step: &Step) {
        match step.event_type {
            EventType::ResourceAllocated => self.grants.mentioned(&step.subject),
            EventType::ResourceDeallocated => {
                self.grants.ended(&step.subject, End::Told(step.print));
            }
            _ => self.lives.take(step),
        }
    }

    pub(super) const fn exchanges(&self) -> &Exchanges {
        &self.exchanges
    }

    pub(super) const fn grants(&self) -> &Grants {
        &self.grants
    }

    pub(super) const fn lives(&self) -> &Lives {
        &self.lives
    }

    /// The request of an identifier; the first, where several components use it.
    pub fn request(&self, id: &str) -> Option<&AllocationRequest> {
        self.exchanges.request(id)
    }

    /// The newest version of a workflow's state.
    pub fn state_version(&self, workflow: &str) -> Option<u64> {
        self.states.get(workflow).map(|seen| seen.version)
    }

    /// The component to which a grant was made.
    pub(super) fn holder(&self, allocation: &str) -> Option<&ComponentId> {
        self.grants.holder(allocation)
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

#[cfg(test)]
mod tests {
    use super::super::Validator;
    use super::super::checked::DIGESTS;
    use super::*;
    use crate::finding::{Code, Mode};

    fn state(workflow: usize, version: u64, more: &str) -> String {
        format!(
            r#"{{"workflow_state":{{"workflow_id":"wf_{workflow}","state_version":{version},
                "timestamp":"2025-01-15T12:00:00Z"{more}}}}}"#
        )
    }

    fn note(history: &mut History, text: &str) {
        let outcome = Validator::new(Mode::Strict).check(text, &Context::new());
        history.note(&outcome.accept().expect("it is valid"));
    }

    #[test]
    fn only_so_many_states_are_kept_whole() {
        let mut history = History::new();
        let before = DIGESTS.get();
        for workflow in 0..History::WHOLE {
            note(&mut history, &state(workflow, 1, ""));
            note(&mut history, &state(workflow, 2, ""));
        }
        assert_eq!(DIGESTS.get(), before);
        note(&mut history, &state(History::WHOLE, 1, ""));
        assert_eq!(DIGESTS.get(), before + 1, "the oldest is reduced to its digest");
        assert_eq!(history.whole.len(), History::WHOLE);
        assert!(!history.state("wf_0").unwrap().is_whole());
        assert!(history.state("wf_1").unwrap().is_whole());
        // It is compared all the same.
        let validator = Validator::new(Mode::Strict);
        for (workflow, more, fork) in [
            (0, "", false),
            (0, r#","validation_required":["audit"]"#, true),
            (1, "", false),
            (1, r#","validation_required":["audit"]"#, true),
        ] {
            let text = state(workflow, 2, more);
            let outcome = validator.check(&text, &Context::new().with_history(&history));
            assert_eq!(outcome.report.has(Code::StateFork), fork, "{text}");
        }
    }

    #[test]
    fn an_older_version_does_not_replace_a_newer_one() {
        let mut history = History::new();
        note(&mut history, &state(1, 7, ""));
        note(&mut history, &state(1, 3, ""));
        assert_eq!(history.state_version("wf_1"), Some(7));
    }
}
