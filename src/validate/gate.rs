//! What stands before a receiver: the validator, and what it remembers.

use super::policy::replay_code;
use super::{Checked, Context, History, ValidationOutcome, Validator};
use crate::finding::{Code, Finding, Level, Report};
use crate::message::Envelope;
use crate::scalar::ComponentId;
use crate::security::replay::ReplayCache;
use crate::version::{Calendar, Date};
use smol_str::SmolStr;

/// Takes records in, one after another: checks each on all four levels, against what came before,
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
#[derive(Clone, Debug)]
pub struct Gate {
    validator: Validator,
    history: History,
    replay: Option<ReplayCache>,
    calendar: Option<(Calendar, Option<Date>)>,
}

impl Gate {
    /// A gate that remembers nothing yet.
    pub fn new(validator: Validator) -> Self {
        Gate { validator, history: History::new(), replay: None, calendar: None }
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

    /// What was accepted so far.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Takes a record that arrived at `now` (milliseconds since 1970-01-01T00:00:00Z), from a
    /// component if the transport knows it.
    ///
    /// # Errors
    /// The report that refuses it. A refused record changes nothing.
    pub fn accept(
        &mut self,
        record: &[u8],
        now: i64,
        from: Option<&ComponentId>,
    ) -> Result<Checked<Envelope>, Report> {
        self.inspect(record, now, from).accept()
    }

    /// Like [`accept`](Self::accept), with everything that was found.
    pub fn inspect<'a>(
        &mut self,
        record: &'a [u8],
        now: i64,
        from: Option<&ComponentId>,
    ) -> ValidationOutcome<'a> {
        let mut context = Context::new().with_history(&self.history).with_now(now);
        context.source = from;
        context.calendar = self.calendar.as_ref().and_then(|(calendar, on)| {
            Some((calendar, on.or_else(|| Date::from_unix_millis(now))?))
        });
        let mut outcome = self.validator.check_bytes(record, &context);
        if outcome.is_accepted() && self.validator.has_level(Level::Security) {
            self.remember(&mut outcome, now, from);
        }
        // Nothing is judged by earlier event lines.
        if outcome.message.is_some()
            && let Ok(checked) = outcome.clone().accept()
        {
            self.history.note(&checked);
        }
        outcome
    }

    /// Refuses what was accepted before.
    fn remember(
        &mut self,
        outcome: &mut ValidationOutcome<'_>,
        now: i64,
        from: Option<&ComponentId>,
    ) {
        let Some(replay) = &mut self.replay else { return };
        let Ok(checked) = outcome.clone().accept() else { return };
        outcome.security.replay = true;
        let header = &checked.header;
        let sent = header.timestamp.as_ref().and_then(crate::scalar::Timestamp::unix_millis);
        let (code, pointer, detail) =
            match (&header.message_id, sent, header.source.as_ref().or(from)) {
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
