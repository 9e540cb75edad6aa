//! The pass over all levels.

use super::checked::Shared;
use super::embedded::EventData;
use super::history::Step;
use super::judge::Judged;
use super::outcome::ValidationOutcome;
use super::rules::{self, FindingSink, Place, RULES, RuleInput, ValidationRule};
use super::{Context, Security, SecurityPolicy, SourceTrust};
use crate::event::{Codec, EventRef, RecordShape};
use crate::finding::{Code, Finding, FindingSeverity, Hint, Level, Mode, Report};
use crate::json::{self, Limits};
use crate::message::{Envelope, Message, MessageKind};
use crate::scalar::words;
use crate::scan::{self, Snippet};
use std::borrow::Cow;
use std::sync::Arc;

words! {
    /// What kind of record it is.
    RecordKind {
        /// An event line.
        Event "event",
        /// One of the specification's documents alone.
        Document "document",
        /// A message with header keys, or an event as an object.
        Envelope "envelope",
        /// A control message of protocol 1.1.0.
        Control "control",
        /// A text with gaps for a template to fill.
        Template "template",
        /// Nothing that the protocol knows.
        Unknown "unknown",
    }
}

/// Checks records on all four levels at once.
///
/// It never changes: what depends on earlier records stands in a [`History`](super::History), and
/// a [`Gate`](super::Gate) joins the two. So one validator can serve many threads.
///
/// Start from a mode or a [`Codec`]; add rules, switch codes and levels off, change severities.
/// See [the module](super).
#[derive(Clone, Debug)]
pub struct Validator {
    codec: Codec,
    rules: Vec<ValidationRule>,
    silenced: Vec<Code>,
    levels: Vec<Level>,
    policy: SecurityPolicy,
}

impl Validator {
    /// All levels, with the mode's severities, protocol 1.1.0 and the default limits.
    pub fn new(mode: Mode) -> Self {
        Validator::from(Codec::new(mode))
    }

    /// Adds a rule of your own, which runs after the protocol's.
    pub fn with_rule(mut self, rule: ValidationRule) -> Self {
        self.rules.push(rule);
        self
    }

    /// Sets the severity of a code; see [`Codec::with_severity`].
    pub fn with_severity(mut self, code: Code, severity: FindingSeverity) -> Self {
        self.codec = self.codec.with_severity(code, severity);
        self
    }

    /// Leaves findings of a code out. Codes of records that have no sound reading stay
    /// ([`Code::is_fatal`]).
    pub fn without_code(mut self, code: Code) -> Self {
        if !code.is_fatal() {
            self.silenced.push(code);
        }
        self
    }

    /// Leaves a level out. Records that have no sound reading are refused all the same.
    pub fn without_level(mut self, level: Level) -> Self {
        self.levels.retain(|known| *known != level);
        self
    }

    /// Sets what is asked of the source of a message.
    pub fn with_policy(mut self, policy: SecurityPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// What is asked of the source of a message.
    pub fn policy(&self) -> &SecurityPolicy {
        &self.policy
    }

    pub(super) const fn policy_mut(&mut self) -> &mut SecurityPolicy {
        &mut self.policy
    }

    /// A record without a sound reading stays refused, whatever is switched off: no caller may get a
    /// value of it.
    fn wants(&self, code: Code) -> bool {
        let asked = self.has_level(code.level()) && !self.silenced.contains(&code);
        asked || code.is_fatal()
    }

    pub(super) fn has_level(&self, level: Level) -> bool {
        self.levels.contains(&level)
    }

    /// What reads the records.
    pub fn codec(&self) -> &Codec {
        &self.codec
    }

    /// Checks a record: an event line, or a message.
    pub fn check<'a>(&self, text: &'a str, context: &Context<'_>) -> ValidationOutcome<'a> {
        self.check_bytes(text.as_bytes(), context)
    }

    /// Checks what [`scan`](crate::scan::scan) found in a file.
    ///
    /// A template is judged as far as it is filled in: if its gaps leave no sound record, nothing is
    /// found in it, and variables that the shell will fill in are no placeholders.
    ///
    /// ```
    /// use coordination_protocol::json::Limits;
    /// use coordination_protocol::scan::scan;
    /// use coordination_protocol::validate::{Context, RecordKind, Validator};
    /// use coordination_protocol::{Mode, Verdict};
    ///
    /// let script = r#"publish "TASK_TIMEOUT:$wf:build:{\"task_id\":\"$task\",\"agent_id\":7}""#;
    /// let snippet = scan(script, &Limits::default()).next().unwrap();
    /// let outcome = Validator::new(Mode::Strict).check_snippet(&snippet, &Context::new());
    /// assert_eq!(outcome.kind, RecordKind::Template);
    /// let codes: Vec<_> = outcome.report.findings().iter().map(|f| f.code.as_str()).collect();
    /// assert_eq!(codes, ["wrong-kind", "missing-data"]);
    /// ```
    pub fn check_snippet<'a>(
        &self,
        snippet: &'a Snippet<'_>,
        context: &Context<'_>,
    ) -> ValidationOutcome<'a> {
        match snippet.implied() {
            None => self.snippet(snippet, context),
            // What its command line says is not in the text, so a reader that asks for less reads it.
            Some(MessageKind::Event) => {
                let mut validator = self.clone();
                validator.codec = validator.codec.with_lone_types(true);
                validator.snippet(snippet, context)
            }
            Some(kind) => {
                let mut outcome = self.snippet(snippet, context);
                outcome.report.amend(|finding| {
                    if finding.code == Code::NoBody {
                        finding.hint = Hint::Body { key: kind.as_str() };
                    }
                });
                outcome
            }
        }
    }

    fn snippet<'a>(
        &self,
        snippet: &'a Snippet<'_>,
        context: &Context<'_>,
    ) -> ValidationOutcome<'a> {
        if !snippet.template {
            return self.check(&snippet.text, context);
        }
        // All findings are asked whether a gap explains them, however few are to be kept.
        let mut outcome = self.check_within(snippet.text.as_bytes(), context, usize::MAX);
        outcome.kind = RecordKind::Template;
        // Without a sound reading nothing can be told apart from a gap.
        let unsound = outcome.report.any(|code, _| code.is_fatal());
        let expands = match snippet.place {
            scan::Place::HereDoc { expands, .. } => expands,
            scan::Place::Argument { quote } => quote != Some('\''),
            scan::Place::Words => true,
            _ => false,
        };
        let filled_in = |finding: &Finding| {
            expands && finding.code == Code::Placeholder && finding.actual.contains('$')
        };
        outcome.report.retain(|finding| !unsound && !filled_in(finding), |_| !unsound);
        outcome.report.truncate(self.codec.limits().findings);
        outcome
    }

    /// Like [`check`](Self::check), from bytes.
    pub fn check_bytes<'a>(&self, bytes: &'a [u8], context: &Context<'_>) -> ValidationOutcome<'a> {
        let limit = self.codec.limits().findings;
        // What is found depends on what was found before, so a few findings are kept while the check
        // is under way, even if the report is to keep none.
        let mut outcome = self.check_within(bytes, context, limit.max(Limits::DEFAULT.findings));
        outcome.report.truncate(limit);
        outcome
    }

    fn check_within<'a>(
        &self,
        bytes: &'a [u8],
        context: &Context<'_>,
        most: usize,
    ) -> ValidationOutcome<'a> {
        if RecordShape::of(bytes).is_json() {
            self.message(bytes, context, most)
        } else {
            self.line(bytes, context, most)
        }
    }

    fn line<'a>(
        &self,
        bytes: &'a [u8],
        context: &Context<'_>,
        most: usize,
    ) -> ValidationOutcome<'a> {
        let record = self.codec.check_bytes_within(bytes, most);
        let mut pass = Pass::new(self, record.report, most);
        let mut envelope = None;
        if let Some(event) = &record.value {
            let text = event.as_str();
            if let Some(data) = json::value_at(text.as_bytes(), event.data_start()) {
                let (workflow, phase) = (event.workflow(), event.phase());
                let event_type = event.event_type();
                let data = EventData { text, data, base: "", event_type, workflow, phase };
                pass.embedded(&data);
                pass.event(&data, context);
            }
            // The protocol's own rules ask nothing more of a line than its reader does, so a
            // line without rules and policy, the most frequent record, is not turned into an envelope.
            if !self.rules.is_empty() || self.policy.asks() {
                let made = Shared::new(Envelope::from_line(event));
                let place = Place { text, root: event.data_start(), body: "" };
                pass.business(&made, context, place);
                pass.security(&made.value, None, context, place);
                envelope = Some(made);
            } else if self.has_level(Level::Security) {
                pass.security.source = match (context.source, context.assumed_source) {
                    (Some(_), _) => SourceTrust::Transport,
                    (None, Some(_)) => SourceTrust::Stated,
                    (None, None) => SourceTrust::Unknown,
                };
            }
        }
        let known = record.name.is_some();
        pass.deprecations(record.value.as_ref().map(EventRef::as_str), bytes, 0, context);
        ValidationOutcome {
            kind: if known { RecordKind::Event } else { RecordKind::Unknown },
            type_name: record.name.map(Cow::Borrowed),
            event: record.value,
            ..pass.outcome(envelope)
        }
    }

    fn message<'a>(
        &self,
        bytes: &'a [u8],
        context: &Context<'_>,
        most: usize,
    ) -> ValidationOutcome<'a> {
        let record = self.codec.check_message_bytes_within(bytes, most);
        let record_kind = record.kind();
        let only_placeholders = only_placeholders(&record.report);
        let mut pass = Pass::new(self, record.report, most);
        let mut envelope = None;
        let mut with_header = false;
        if let Some(message) = record.value.as_ref().or(record.draft.as_ref()) {
            match message.decode() {
                Ok(made) => {
                    let body = match made.kind() {
                        MessageKind::Event if message.is_flat() => "/data".to_owned(),
                        MessageKind::Event => "/event/data".to_owned(),
                        MessageKind::Unknown => String::new(),
                        kind => format!("/{kind}"),
                    };
                    with_header = !made.header.is_empty();
                    let text = message.as_str();
                    let root = message.root().token().start();
                    if let (Message::Event(made), Some(data)) =
                        (&made.message, json::pointer::find(text, root, &body))
                    {
                        let event = &made.event;
                        let data = EventData {
                            text,
                            data,
                            base: &body,
                            event_type: event.event_type(),
                            workflow: event.workflow_id.as_str(),
                            phase: event.phase.as_str(),
                        };
                        pass.embedded(&data);
                        pass.event(&data, context);
                    }
                    let place = Place { text, root, body: &body };
                    let made = Shared::new(made);
                    // Security last: it is asked of every message, and costs the most where there
                    // are signatures. It is asked of refused ones too, so that one report says all.
                    pass.business(&made, context, place);
                    pass.security(&made.value, Some(message.root().raw()), context, place);
                    envelope = Some(made);
                }
                Err(error) if only_placeholders => {
                    pass.push(error.into_finding());
                }
                // The error that costs the value was told; a second one would say the same.
                Err(_) => {}
            }
        }
        // Without what may surround it.
        let object = record.value.as_ref().or(record.draft.as_ref()).map(|message| {
            let range = message.root().token().range();
            (range.start, &message.as_str()[range])
        });
        let start = object.map_or(0, |(start, _)| start);
        pass.deprecations(object.map(|(_, text)| text), bytes, start, context);
        let kind = match record_kind {
            MessageKind::Unknown => RecordKind::Unknown,
            MessageKind::Event => RecordKind::Envelope,
            _ if with_header => RecordKind::Envelope,
            kind if kind.is_extension() => RecordKind::Control,
            _ => RecordKind::Document,
        };
        let type_name = match (envelope.as_ref().map(|made| &made.value.message), record_kind) {
            (Some(Message::Event(body)), _) => Some(Cow::Owned(body.event.type_name().to_owned())),
            (_, MessageKind::Unknown) => None,
            (_, kind) => Some(Cow::Borrowed(kind.as_str())),
        };
        ValidationOutcome { kind, type_name, message: record.value, ..pass.outcome(envelope) }
    }
}

impl From<Codec> for Validator {
    fn from(codec: Codec) -> Self {
        Validator {
            codec,
            rules: Vec::new(),
            silenced: Vec::new(),
            levels: Level::ALL.to_vec(),
            policy: SecurityPolicy::new(),
        }
    }
}

/// Whether nothing worse than a placeholder keeps the message from being decoded.
fn only_placeholders(report: &Report) -> bool {
    !report.any(|code, severity| severity == FindingSeverity::Error && code != Code::Placeholder)
}

/// Whether one of two pointers leads into the value of the other. The root is in no pointer's way: it
/// is where findings stand that are about the record as a whole, and they say nothing of its values.
fn touches(a: &str, b: &str) -> bool {
    let inside = |outer: &str, inner: &str| {
        !outer.is_empty()
            && inner
                .strip_prefix(outer)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    inside(a, b) || inside(b, a)
}

/// One check under way.
struct Pass<'v> {
    validator: &'v Validator,
    report: Report,
    sorted: bool,
    security: Security,
    step: Option<Step>,
    most: usize,
}

impl<'v> Pass<'v> {
    /// Goes on with what the reader found, without what is not asked for.
    fn new(validator: &'v Validator, mut report: Report, most: usize) -> Self {
        if !validator.silenced.is_empty() || validator.levels.len() < Level::ALL.len() {
            let wanted = |code| validator.wants(code);
            report.retain(|finding| wanted(finding.code), wanted);
        }
        // The reader leaves its findings in order.
        Pass { validator, report, sorted: true, security: Security::default(), step: None, most }
    }

    fn push(&mut self, finding: Finding) {
        let severity = self.validator.codec.severity(finding.code);
        self.keep(finding.with_severity(severity));
    }

    fn keep(&mut self, finding: Finding) {
        if self.validator.wants(finding.code) {
            self.sorted = false;
            self.report.push(finding, self.most);
        }
    }

    /// Takes what was found in a part of the record.
    fn absorb(&mut self, mut part: Report, mut make: impl FnMut(Finding) -> Finding) {
        let validator = self.validator;
        part.retain(|finding| validator.wants(finding.code), |code| validator.wants(code));
        self.sorted &= part.is_empty();
        self.report.absorb(part, self.most, |finding| {
            let severity = validator.codec.severity(finding.code);
            make(finding).with_severity(severity)
        });
    }

    /// What a record uses of what is announced to end. `text` stands in it from `start` on; without
    /// it, the record is looked at as it is.
    fn deprecations(
        &mut self,
        text: Option<&str>,
        bytes: &[u8],
        start: usize,
        context: &Context<'_>,
    ) {
        let Some((calendar, on)) = context.calendar else { return };
        let Some(text) = text.or_else(|| std::str::from_utf8(bytes).ok()) else { return };
        let codec = &self.validator.codec;
        let limits = codec.limits().with_findings(self.most);
        self.absorb(calendar.check_within(text, on, &limits), |mut finding| {
            finding.range = finding.range.start + start..finding.range.end + start;
            finding
        });
    }

    /// The documents in the data of an event. The event's row says only that they are objects, and
    /// nothing else looks into them.
    fn embedded(&mut self, data: &EventData<'_>) {
        let validator = self.validator;
        data.check(&validator.codec, self.most, &mut |found| self.absorb(found, |finding| finding));
    }

    /// What an event says of itself, and what came before it.
    fn event(&mut self, data: &EventData<'_>, context: &Context<'_>) {
        if !self.validator.has_level(Level::Business) {
            return;
        }
        self.step = context.history.and_then(|_| Step::of(data));
        let step = self.step.take();
        rules::event(data, step.as_ref(), context.history, &mut |finding| self.push(finding));
        self.step = step;
    }

    fn business(&mut self, shared: &Shared<Envelope>, context: &Context<'_>, place: Place<'_>) {
        let validator = self.validator;
        if !validator.levels.contains(&Level::Business) {
            return;
        }
        let registry = validator.codec.registry();
        let envelope = &shared.value;
        let input = RuleInput { envelope, context: *context, registry, place, shared };
        // A value that was refused counts as absent here; nothing is concluded from that. Else one
        // misspelled number would be told twice: as what it is, and as what it seems to leave out.
        let refused: Vec<String> = self
            .report
            .findings()
            .iter()
            .filter(|finding| finding.severity == FindingSeverity::Error)
            .map(|finding| finding.pointer.clone())
            .collect();
        let mut push = |finding: Finding| {
            if !refused.iter().any(|pointer| touches(pointer, &finding.pointer)) {
                self.push(finding);
            }
        };
        let mut sink = FindingSink { place, push: &mut push };
        for (_, check) in RULES {
            check(&input, &mut sink);
        }
        for rule in &validator.rules {
            rule.run(&input, &mut sink);
        }
    }

    fn security(
        &mut self,
        envelope: &Envelope,
        text: Option<&str>,
        context: &Context<'_>,
        place: Place<'_>,
    ) {
        let validator = self.validator;
        if !validator.levels.contains(&Level::Security) {
            return;
        }
        let (limits, registry) = (validator.codec.limits(), validator.codec.registry());
        let mut push = |finding: Finding| {
            if text.is_some() {
                let range = place.range(&finding.pointer);
                self.push(Finding { range, ..finding });
            } else {
                // A line has no header to point into but what stands before its data.
                let range = 0..place.root.saturating_sub(1);
                self.push(Finding { range, pointer: String::new(), ..finding });
            }
        };
        let judged = Judged { envelope, text, context, registry, limits };
        self.security = judged.by(&validator.policy, &mut push);
    }

    fn outcome<'a>(mut self, envelope: Option<Arc<Shared<Envelope>>>) -> ValidationOutcome<'a> {
        if !self.sorted {
            self.report.sort();
        }
        ValidationOutcome {
            report: self.report,
            security: self.security,
            kind: RecordKind::Unknown,
            type_name: None,
            event: None,
            message: None,
            envelope,
            step: self.step,
        }
    }
}
