//! The business rules: facts across the fields of a message, and across messages.
//!
//! One table says which function looks for which codes; what is known about a code (level,
//! severities, sentence, explanation, examples) stands in the table of [`Code`]s.

mod allocation;
mod component;
mod control;
mod event;
mod exchange;
mod history;
mod state;

pub(super) use event::event;

use super::Context;
use super::checked::Shared;
use crate::event::Registry;
use crate::finding::{Code, Finding};
use crate::json::{Kind, Token, pointer};
use crate::message::Envelope;
use crate::scalar::Digest;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// What a rule looks at.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct RuleInput<'a> {
    /// The message.
    pub envelope: &'a Envelope,
    /// What came before, and the time.
    pub context: Context<'a>,
    /// The event types that the validator knows.
    pub registry: &'a Registry,
    pub(super) place: Place<'a>,
    pub(super) shared: &'a Shared<Envelope>,
}

/// Where the values of a message are in its record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) text: &'a str,
    /// Where the object starts that pointers are relative to.
    pub(super) root: usize,
    /// The pointer of the body, or of an event's data.
    pub(super) body: &'a str,
}

impl Place<'_> {
    /// The bytes of the value at a pointer; where there is none, the closing bracket of the
    /// innermost object on the way.
    pub(super) fn range(&self, path: &str) -> Range<usize> {
        if let Some(token) = pointer::find(self.text, self.root, path) {
            return token.range();
        }
        let mut path = path;
        while let Some(at) = path.rfind('/') {
            path = &path[..at];
            if let Some(token) = pointer::find(self.text, self.root, path) {
                let brackets = matches!(token.kind(), Kind::Object | Kind::Array);
                return if brackets { token.end() - 1..token.end() } else { token.range() };
            }
        }
        0..0
    }
}

impl RuleInput<'_> {
    /// The digest of the state that the message carries, shared with whoever gets the message.
    fn content_digest(&self) -> Option<&Digest> {
        self.shared.content_digest()
    }

    /// The pointer of a path inside the body: `input.body("resources/agents")`. For an event, of
    /// its data.
    pub fn body(&self, path: &str) -> String {
        format!("{}/{path}", self.place.body)
    }

    /// The kind and place of the value at a pointer.
    pub fn token(&self, path: &str) -> Option<Token> {
        pointer::find(self.place.text, self.place.root, path)
    }
}

/// Takes what a rule finds.
pub struct FindingSink<'a> {
    pub(super) place: Place<'a>,
    pub(super) push: &'a mut dyn FnMut(Finding),
}

impl fmt::Debug for FindingSink<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FindingSink").finish_non_exhaustive()
    }
}

impl FindingSink<'_> {
    /// Reports a finding of `code` at a JSON pointer; `fill` sets what the sentence needs.
    pub fn push(
        &mut self,
        code: Code,
        path: impl Into<String>,
        fill: impl FnOnce(Finding) -> Finding,
    ) {
        let path = path.into();
        let finding = Finding::new(code, self.place.range(&path)).with_pointer(path);
        (self.push)(fill(finding));
    }

    /// Reports a finding whose sentence names what is expected and what is there.
    fn differ(
        &mut self,
        code: Code,
        path: impl Into<String>,
        expected: impl AsRef<str>,
        actual: &str,
    ) {
        self.push(code, path, |finding| finding.with_expected(expected).with_actual(actual));
    }
}

type Check = dyn Fn(&RuleInput<'_>, &mut FindingSink<'_>) + Send + Sync;

/// A business rule of your own.
///
/// ```
/// use coordination_protocol::finding::{Code, CustomCode, Level};
/// use coordination_protocol::message::Message;
/// use coordination_protocol::validate::{Context, ValidationRule, Validator};
/// use coordination_protocol::Mode;
///
/// static TOO_MANY: CustomCode = CustomCode::new("too-many-agents", Level::Business);
///
/// let rule = ValidationRule::new(&[Code::Custom(&TOO_MANY)], |input, sink| {
///     let Message::AllocationRequest(request) = &input.envelope.message else { return };
///     let agents = request.resources.as_ref().and_then(|resources| resources.agents.as_ref());
///     if agents.is_some_and(|agents| agents.get() > 8) {
///         sink.push(Code::Custom(&TOO_MANY), input.body("resources/agents"), |finding| {
///             finding.with_detail("this machine has room for 8 agents")
///         });
///     }
/// });
/// let validator = Validator::new(Mode::Strict).with_rule(rule);
/// let text = r#"{"allocation_request":{"request_id":"req_1","workflow_id":"wf_001","requester":"hub",
///     "timestamp":"2025-01-15T12:00:00Z","resources":{"agents":9}}}"#;
/// let outcome = validator.check(text, &Context::new());
/// assert_eq!(outcome.report.findings()[0].to_string(), "this machine has room for 8 agents");
/// assert_eq!(outcome.report.findings()[0].pointer, "/allocation_request/resources/agents");
/// ```
#[derive(Clone)]
pub struct ValidationRule {
    codes: Arc<[Code]>,
    check: Arc<Check>,
}

impl fmt::Debug for ValidationRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ValidationRule").field("codes", &self.codes).finish_non_exhaustive()
    }
}

impl ValidationRule {
    /// A rule that reports these codes.
    pub fn new(
        codes: &[Code],
        check: impl Fn(&RuleInput<'_>, &mut FindingSink<'_>) + Send + Sync + 'static,
    ) -> Self {
        ValidationRule { codes: codes.into(), check: Arc::new(check) }
    }

    /// The codes it reports.
    pub fn codes(&self) -> &[Code] {
        &self.codes
    }

    pub(super) fn run(&self, input: &RuleInput<'_>, sink: &mut FindingSink<'_>) {
        (self.check)(input, sink);
    }
}

/// One row: the codes that a function reports.
pub(super) type Row = (&'static [Code], fn(&RuleInput<'_>, &mut FindingSink<'_>));

/// The table.
pub(super) const RULES: &[Row] = &[
    (&[Code::NoResources], allocation::asks_for_something),
    (&[Code::GrantWithoutResources, Code::DenialWithResources], allocation::status_and_resources),
    (&[Code::EarlyRelease], allocation::release),
    (
        &[Code::GrantExceedsRequest, Code::ReductionNotPermitted, Code::QueueingNotPermitted],
        allocation::grant_and_request,
    ),
    (&[Code::TimeOrder], exchange::times),
    (&[Code::StaleVersion, Code::StaleEpoch, Code::StateFork], state::versions),
    (&[Code::UnsafeIdentifier], state::folders),
    (&[Code::CommitWithoutVersion], state::commit),
    (&[Code::ProposalMismatch], state::proposed),
    (&[Code::BadPattern, Code::DeadPattern], component::patterns),
    (&[Code::SelfDependency, Code::DependencyCycle], component::dependencies),
    (&[Code::RatesDisagree], component::rates),
    (&[Code::ZeroOption], component::options),
    (&[Code::RequestWithoutId, Code::AnswerMismatch], exchange::identity),
    (&[Code::AnswerWithoutSuggestion], exchange::suggestions),
    (&[Code::HeaderMismatch], exchange::repeated),
    (&[Code::SourceMismatch], exchange::source),
    (&[Code::RoutingMismatch], exchange::routing),
    (&[Code::OtherMajor, Code::UnknownVersion, Code::YoungerThanVersion], exchange::version),
    (&[Code::EmptyRange], control::ranges),
    (&[Code::RollbackWithoutTarget], control::rollback),
    (&[Code::LetterAboutLetter], control::letter),
    (&[Code::AnswerWithoutRequest, Code::ContradictingAnswer], history::answers),
    (&[Code::RequestIdReused], history::reuse),
    (&[Code::FileGrantedTwice], history::files),
    (&[Code::ReleaseOfUnknown, Code::ReleaseOfEnded, Code::StaleFence], history::release),
];
