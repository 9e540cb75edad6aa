//! What stands before a receiver: the validator, and what it remembers.

use super::checked::Shared;
use super::judge::replay_code;
use super::{Checked, Context, EventLines, History, ValidationOutcome, Validator};
use crate::finding::{Code, Finding, Level, Report};
use crate::message::{Envelope, EnvelopeHeader};
use crate::scalar::{ComponentId, WallTime};
use crate::scan::Snippet;
use crate::security::replay::ReplayCache;
use crate::version::{Calendar, Date};
use smol_str::SmolStr;

/// The gate in front of every machine: takes records in, one after another: checks each on all four levels, against what came before,
/// and remembers what it accepted.
///
/// ```
/// use coordination_protocol::Mode;
/// use coordination_protocol::security::freshness::Freshness;
/// use coordination_protocol::security::replay::ReplayCache;
/// use coordination_protocol::validate::{Gate, SecurityPolicy, Validator};
///
/// let freshness = Freshness::default();
/// let policy = SecurityPolicy::new().with_freshness(freshness);
/// let mut gate = Gate::new(Validator::new(Mode::Strict).with_policy(policy))
///     .with_replay(ReplayCache::new(&freshness));
///
/// let text = r#"{"message_id":"msg_1","timestamp":"2025-01-15T12:00:00Z","source":"hub",
///     "heartbeat":{"component_id":"hub","sequence":1,"timestamp":"2025-01-15T12:00:00Z"}}"#;
/// let now = 1_736_942_400_500;
/// assert!(gate.accept(text.as_bytes(), now, None).is_ok());
/// let refused = gate.accept(text.as_bytes(), now, None).unwrap_err();
/// assert_eq!(refused.findings()[0].code.as_str(), "replayed");
/// ```
#[doc(alias = "inbox")]
#[doc(alias = "deduplication")]
#[derive(Clone, Debug)]
pub struct Gate {
    validator: Validator,
    history: History,
    replay: Option<ReplayCache>,
    calendar: Option<(Calendar, Option<Date>)>,
    assumed_source: Option<ComponentId>,
}

impl Gate {
    /// A gate that remembers nothing yet.
    pub fn new(validator: Validator) -> Self {
        let history = History::new();
        Gate { validator, history, replay: None, calendar: None, assumed_source: None }
    }

    /// Judges what comes next by another validator. What was accepted before stays known, and so does
    /// what registrations gave.
    pub fn with_validator(mut self, mut validator: Validator) -> Self {
        if let (Some(old), Some(new)) =
            (self.validator.policy().permissions(), validator.policy_mut().permissions_mut())
        {
            new.adopt_registered(old);
        }
        self.validator = validator;
        self
    }

    /// Sets the component that records come from of which neither they nor the transport says; see
    /// [`Context::with_assumed_source`].
    pub fn with_assumed_source(mut self, source: ComponentId) -> Self {
        self.assumed_source = Some(source);
        self
    }

    /// Sets what came before.
    pub fn with_history(mut self, history: History) -> Self {
        self.history = history;
        self
    }

    /// Refuses messages that were accepted before. They need a `message_id`, a `timestamp` and a
    /// source.
    pub fn with_replay(mut self, cache: ReplayCache) -> Self {
        self.replay = Some(cache);
        self
    }

    /// Finds uses of what is announced to end, by the UTC day of each record's arrival or, if one is
    /// given, by that day; see [`Context::with_calendar`].
    pub fn with_calendar(mut self, calendar: Calendar, on: Option<Date>) -> Self {
        self.calendar = Some((calendar, on));
        self
    }

    /// What checks the records.
    pub fn validator(&self) -> &Validator {
        &self.validator
    }

    /// Remembers a message that the host itself sends, such as a request: its answer then answers
    /// something, and is compared with nothing that another component asked under the same identifier.
    ///
    /// ```
    /// use coordination_protocol::validate::{Gate, Validator};
    /// use coordination_protocol::{Envelope, Mode};
    ///
    /// let request: Envelope = r#"{"source":"hub","allocation_request":{"request_id":"req_1","workflow_id":"wf_001",
    ///     "requester":"hub","timestamp":"2025-01-15T12:00:00Z","resources":{"agents":5}}}"#.parse()?;
    /// let answer = r#"{"source":"rm","allocation_response":{"response_id":"resp_1","request_id":"req_1",
    ///     "status":"denied","timestamp":"2025-01-15T12:00:05Z"}}"#;
    /// let mut gate = Gate::new(Validator::new(Mode::Strict));
    /// let now = 1_736_942_405_000;
    /// let outcome = gate.inspect(answer.as_bytes(), now, None);
    /// assert_eq!(outcome.report.findings()[0].code.as_str(), "answer-without-request");
    ///
    /// let mut gate = Gate::new(Validator::new(Mode::Strict));
    /// gate.note_sent(request);
    /// assert!(gate.inspect(answer.as_bytes(), now, None).report.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn note_sent(&mut self, envelope: Envelope) {
        let source = envelope.header.source.clone();
        self.history.remember(&Shared::new(envelope), source.as_ref());
    }

    /// What was accepted so far.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Takes a record that arrived at `now`, from a component if the transport knows it.
    ///
    /// # Errors
    /// The report that refuses it, an error like any other: its sentence is that of the gravest finding.
    /// A refused record changes nothing.
    ///
    /// ```
    /// use coordination_protocol::{Gate, Mode, Validator};
    /// use std::time::SystemTime;
    ///
    /// fn take(gate: &mut Gate, line: &str) -> Result<(), Box<dyn std::error::Error>> {
    ///     gate.accept(line.as_bytes(), SystemTime::now(), None)?;
    ///     Ok(())
    /// }
    ///
    /// let mut gate = Gate::new(Validator::new(Mode::Interop));
    /// let error = take(&mut gate, r#"{"heartbeat":{"component_id":7}}"#).unwrap_err();
    /// assert!(error.to_string().starts_with("expected an identifier, found number 7"));
    /// ```
    pub fn accept(
        &mut self,
        record: &[u8],
        now: impl Into<WallTime>,
        from: Option<&ComponentId>,
    ) -> Result<Checked<Envelope>, Report> {
        self.inspect(record, now, from).accept()
    }

    /// Like [`accept`](Self::accept), with everything that was found.
    pub fn inspect<'a>(
        &mut self,
        record: &'a [u8],
        now: impl Into<WallTime>,
        from: Option<&ComponentId>,
    ) -> ValidationOutcome<'a> {
        let now = now.into();
        let outcome = self.validator.check_bytes(record, &self.context(now, from));
        self.judged(outcome, now, from)
    }

    /// Like [`inspect`](Self::inspect), for a message that was found among other things, such as the
    /// lines of a log. What a template shows was not sent, so it is not remembered.
    pub fn inspect_snippet<'a>(
        &mut self,
        snippet: &'a Snippet<'_>,
        now: impl Into<WallTime>,
        from: Option<&ComponentId>,
    ) -> ValidationOutcome<'a> {
        let now = now.into();
        let outcome = self.validator.check_snippet(snippet, &self.context(now, from));
        if snippet.template { outcome } else { self.judged(outcome, now, from) }
    }

    fn context<'s>(&'s self, now: WallTime, from: Option<&'s ComponentId>) -> Context<'s> {
        let mut context = Context::new().with_history(&self.history).with_now(now);
        context.source = from;
        context.assumed_source = self.assumed_source.as_ref();
        context.calendar = self.calendar.as_ref().and_then(|(calendar, on)| {
            Some((calendar, on.or_else(|| Date::from_unix_millis(now.unix_millis()))?))
        });
        context
    }

    /// Judges what was found by what was accepted before, and remembers it.
    fn judged<'a>(
        &mut self,
        mut outcome: ValidationOutcome<'a>,
        now: WallTime,
        from: Option<&ComponentId>,
    ) -> ValidationOutcome<'a> {
        // Only what everything else accepts is admitted: a refused message must not use up its
        // identifier, or whoever sends garbage under it first could have the good one refused.
        if outcome.is_accepted() && self.validator.has_level(Level::Security) {
            self.admit(&mut outcome, now, from);
        }
        // Last, so that a refused record changes nothing.
        if !outcome.is_accepted() {
            return outcome;
        }
        if let Some(step) = &outcome.step {
            self.history.take(step);
        }
        if outcome.message.is_some()
            && let Some(envelope) = outcome.envelope()
        {
            let source = self.context(now, from).source_of(&envelope.value).cloned();
            self.history.remember(envelope, source.as_ref());
            self.validator.learn(&envelope.value.message, outcome.security.source);
        }
        outcome
    }

    /// Refuses what was accepted before, and what cannot be told apart from it.
    fn admit(
        &mut self,
        outcome: &mut ValidationOutcome<'_>,
        now: WallTime,
        from: Option<&ComponentId>,
    ) {
        let Some(replay) = &mut self.replay else { return };
        let assumed = self.assumed_source.as_ref();
        let lines = self.validator.policy().lines();
        if outcome.message.is_none() && lines == EventLines::Accept {
            return;
        }
        outcome.security.replay = true;
        let line = EnvelopeHeader::new();
        // An event line has no header, so it can never be admitted.
        let header = outcome.envelope().map_or(&line, |envelope| &envelope.value.header);
        let sent = header.timestamp.as_ref().and_then(crate::scalar::Timestamp::unix_millis);
        let (code, pointer, detail) =
            match (&header.message_id, sent, header.source.as_ref().or(from).or(assumed)) {
                (None, _, _) => {
                    (Code::NoMessageId, "/message_id", "the message has no `message_id`".to_owned())
                }
                (_, None, _) => (
                    Code::NoTimestamp,
                    "/timestamp",
                    "the message has no readable `timestamp`".to_owned(),
                ),
                (_, _, None) => (
                    Code::UnknownSource,
                    "/source",
                    "the message does not say where it comes from".to_owned(),
                ),
                (Some(id), Some(sent), Some(source)) => {
                    match replay.admit(source, id.as_str(), sent, now) {
                        Ok(()) => return,
                        Err(error) => (replay_code(error), "/message_id", error.to_string()),
                    }
                }
            };
        // As if the validator had found it: by the mode, and by what the caller set.
        let severity = self.validator.codec().severity(code);
        let range = outcome.place_of(pointer);
        let finding = Finding::new(code, range)
            .with_pointer(pointer)
            .with_detail(SmolStr::from(detail))
            .with_severity(severity);
        let most = self.validator.codec().limits().findings;
        outcome.report.push(finding, most);
        outcome.report.sort();
    }
}

#[cfg(test)]
mod tests {
    use super::super::checked::DIGESTS;
    use super::*;
    use crate::finding::Mode;
    use crate::message::Message;
    use std::ptr;

    fn gate() -> Gate {
        Gate::new(Validator::new(Mode::Strict))
    }

    fn state(version: u64, agents: usize) -> String {
        let agents: Vec<String> =
            (0..agents).map(|n| format!(r#""a{n}":{{"status":"active"}}"#)).collect();
        format!(
            r#"{{"workflow_state":{{"workflow_id":"wf_1","state_version":{version},
                "timestamp":"2025-01-15T12:00:00Z","agent_states":{{{}}}}}}}"#,
            agents.join(",")
        )
    }

    /// Accepts a record and counts the digests that it took.
    fn accept(gate: &mut Gate, record: &str) -> (Checked<Envelope>, usize) {
        let before = DIGESTS.get();
        let checked = gate.accept(record.as_bytes(), 0, None);
        (checked.expect("it is valid"), DIGESTS.get() - before)
    }

    #[test]
    fn states_are_digested_once_and_only_to_be_compared() {
        let mut gate = gate();
        for version in [1, 2, 5] {
            assert_eq!(accept(&mut gate, &state(version, 2)).1, 0, "a new version is not compared");
        }
        assert_eq!(accept(&mut gate, &state(5, 2)).1, 2, "the known one and the new one");
        let (again, digests) = accept(&mut gate, &state(5, 2));
        assert_eq!(digests, 1, "the known one has its digest");
        // Whoever gets the message gets the digest with it.
        let copy = again.clone();
        let before = DIGESTS.get();
        let digest = again.content_digest().expect("a state has one");
        assert!(ptr::eq(digest, copy.content_digest().expect("the same")));
        let Message::WorkflowState(body) = &again.message else { unreachable!() };
        assert_eq!(Some(digest), crate::merge::content_digest(body).as_ref());
        assert_eq!(DIGESTS.get(), before);

        let fork = gate.accept(state(5, 3).as_bytes(), 0, None).unwrap_err();
        assert!(fork.has(Code::StateFork));
        assert_eq!(accept(&mut gate, &state(5, 2)).1, 1, "a refused record changes nothing");
        assert_eq!(accept(&mut gate, &state(6, 3)).1, 0);
    }

    #[test]
    fn what_is_remembered_is_shared_and_the_rest_is_not_kept() {
        let mut gate = gate();
        let request = r#"{"allocation_request":{"request_id":"req_1","workflow_id":"wf_1",
            "requester":"hub","timestamp":"2025-01-15T12:00:00Z","resources":{"agents":3}}}"#;
        let (checked, _) = accept(&mut gate, request);
        let Message::AllocationRequest(body) = &checked.message else { unreachable!() };
        assert!(ptr::eq(gate.history().request("req_1").expect("it came"), body.as_ref()));

        let beat = r#"{"heartbeat":{"component_id":"hub","sequence":1,"timestamp":"2025-01-15T12:00:00Z"}}"#;
        let (checked, digests) = accept(&mut gate, beat);
        assert_eq!(std::sync::Arc::strong_count(checked.shared()), 1);
        assert_eq!((checked.content_digest(), digests), (None, 0));
    }

    #[test]
    fn a_message_that_is_refused_does_not_use_up_its_identifier() {
        let mut gate =
            gate().with_replay(ReplayCache::with_window(std::time::Duration::from_secs(60)));
        let beat = |sequence: &str| {
            format!(
                r#"{{"message_id":"m_1","timestamp":"1970-01-01T00:00:00Z","source":"hub",
                    "heartbeat":{{"component_id":"hub","sequence":{sequence},"timestamp":"1970-01-01T00:00:00Z"}}}}"#
            )
        };
        assert!(gate.accept(beat("-1").as_bytes(), 0, None).is_err());
        assert!(gate.accept(beat("1").as_bytes(), 0, None).is_ok());
        let again = gate.accept(beat("1").as_bytes(), 0, None).unwrap_err();
        assert!(again.has(Code::Replayed));
    }
}
