//! A published message, shared by all who receive it.

use super::entry::Tries;
use super::receipt;
use crate::finding::Report;
use crate::json::Json;
use crate::message::{DeadLetter, Envelope, Message};
use crate::route::{Field, FilterInput, RouteKey};
use crate::scalar::{ComponentId, Count, Now, Timestamp};
use crate::validate::Checked;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::cell::OnceCell;
use std::sync::Arc;

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct QueuedMessage {
    #[serde(with = "super::shared")]
    pub(super) envelope: Arc<Envelope>,
    /// What was found in it although it was accepted.
    findings: Vec<Json>,
    /// What tells it from all others.
    pub(super) mark: u64,
    /// Messages with one value here keep their order.
    pub(super) order: Option<SmolStr>,
    /// How urgent it is; more is more.
    pub(super) rank: u8,
}

impl QueuedMessage {
    /// `text` is the envelope as it is written, if that is needed.
    pub(super) fn new(
        now: Now,
        message: Checked<Envelope>,
        text: &OnceCell<String>,
        order: Option<&Field>,
    ) -> Self {
        let order = order.and_then(|field| match &message.message {
            // The usual case goes without the text.
            Message::Event(body) if *field == Field::workflow() => {
                Some(SmolStr::new(body.event.workflow_id.as_str()))
            }
            _ => {
                let text = text.get_or_init(|| message.to_string());
                Some(SmolStr::from(FilterInput::read(text)?.value(field)?.as_ref()))
            }
        });
        // Kept for the dead letter: what was odd about a message may be why no subscriber could handle it.
        let findings = findings(message.report());
        let envelope = message.into_inner();
        // A message that says nothing is as urgent as one that says `medium`.
        let rank = envelope.header.priority.as_ref().and_then(crate::scalar::Priority::rank);
        let rank = rank.unwrap_or(crate::scalar::Priority::Medium.rank().unwrap_or_default());
        let mark = receipt::mark(now, &envelope);
        QueuedMessage { envelope: Arc::new(envelope), findings, mark, order, rank }
    }

    pub(super) fn route(&self) -> Option<RouteKey<'_>> {
        RouteKey::of(&self.envelope)
    }

    /// The letter about it.
    pub(super) fn letter(
        &self,
        now: Now,
        reason: &str,
        subscriber: &ComponentId,
        tries: &Tries,
    ) -> Box<DeadLetter> {
        // The text as it was published, so that it can be published again.
        let original = self.envelope.to_string();
        let count = Count::new(u64::from(tries.made));
        let mut letter = DeadLetter::new(reason, original, count, now.timestamp());
        letter.subscriber = Some(subscriber.clone());
        if let Some((first, last)) = tries.times {
            letter.first_attempt_at = Some(Timestamp::from_unix_millis(first));
            letter.last_attempt_at = Some(Timestamp::from_unix_millis(last));
        }
        if !self.findings.is_empty() {
            letter.findings = Some(self.findings.clone());
        }
        Box::new(letter)
    }
}

fn findings(report: &Report) -> Vec<Json> {
    report.findings().iter().filter_map(|finding| Json::of(finding).ok()).collect()
}
