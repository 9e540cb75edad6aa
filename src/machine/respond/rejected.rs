//! What becomes of what the gate refused.

use super::{Asked, Done, Rejected, RequestKey, RespondOutput, Responder};
use crate::finding::{Code, FindingSeverity, Level};
use crate::json;
use crate::message::{DeadLetter, EnvelopeHeader, MessageKind, peek};
use crate::scalar::{Now, RequestId, WorkflowId};

impl Responder {
    /// What becomes of a message that is invalid.
    pub(super) fn rejected(&mut self, now: Now, rejected: &Rejected) {
        let seen = std::str::from_utf8(&rejected.record).ok().map(|text| (text, peek(text)));
        let kind = seen.as_ref().map_or(MessageKind::Unknown, |(_, seen)| seen.kind);
        let answerable =
            seen.and_then(|(text, seen)| self.answerable(text, seen.header?, rejected));
        match (kind, answerable) {
            // A letter about a letter, and one about that, would fill the dead letters by
            // themselves.
            (MessageKind::DeadLetter, _) => {}
            // An error about an error comes back as an error about that one: two components would
            // keep each other busy for ever.
            (MessageKind::ErrorReport, _) | (_, None) => self.dead_letter(now, rejected),
            (_, Some((key, asked))) => {
                self.done.expire(now.at);
                let known = self.done.get(&key);
                match known {
                    // The same rubbish again gets the same answer: no new identifier, no new entry,
                    // so a flood of it moves nothing out of memory.
                    Some(Done { content: None, answer }) => {
                        let answer = answer.clone();
                        self.replay(&key, answer);
                    }
                    // A valid request of this name is known. Its answer is not given out for a text
                    // that could not be read.
                    _ if known.is_some() || self.running.contains_key(&key) => {
                        self.id_reused(now, &key, &asked);
                    }
                    _ => {
                        let mut report = self.report(now, &asked, &rejected.report);
                        // The same message is as invalid the next time.
                        report.classification.recoverable = Some(false);
                        let answer = self.reply(now, &key, &asked, report.into());
                        self.replay(&key, Some(answer.clone()));
                        // Saves an identifier the next time, no more: it takes no place from a
                        // request that would be performed twice.
                        if self.known() < self.options.remembered {
                            self.remember(now, key, None, Some(answer));
                        }
                    }
                }
            }
        }
    }

    /// Whom to answer about an invalid message, if anybody.
    fn answerable(
        &self,
        text: &str,
        header: EnvelopeHeader,
        rejected: &Rejected,
    ) -> Option<(RequestKey, Asked)> {
        let findings = rejected.report.findings();
        let refused = |level| {
            findings.iter().any(|f| f.level() == level && f.severity == FindingSeverity::Error)
        };
        // A header out of a broken text may be anybody's, and who fails the security checks learns
        // nothing from us.
        if findings.iter().any(|finding| unreadable(finding.code)) || refused(Level::Security) {
            return None;
        }
        let source = match (header.source, &rejected.from) {
            // An answer to a source that the transport contradicts would hit a third party.
            (Some(said), Some(known)) if said != *known => return None,
            (Some(said), _) => said,
            (None, known) => known.clone()?,
        };
        // No list, no answer: otherwise forged sources could turn us into a sender of messages to
        // others.
        if header.response_required != Some(true)
            || header.response_to.is_some()
            || !self.options.accepted.contains(&source)
        {
            return None;
        }
        // The text was refused, so nothing is decoded: a pointer fetches what an answer has to
        // name.
        let place = text.bytes().take_while(u8::is_ascii_whitespace).count();
        let body = |key| json::pointer::find(text, place, key).map(|token| token.decode(text));
        let in_body = || {
            let id = body("/allocation_request/request_id");
            RequestId::new(id.or_else(|| body("/conflict_check/request_id"))?).ok()
        };
        let workflow =
            body("/allocation_request/workflow_id").and_then(|id| WorkflowId::new(id).ok());
        let key =
            RequestKey { source: Some(source), request_id: header.request_id.or_else(in_body)? };
        let asked = Asked {
            correlation_id: header.correlation_id,
            causation_id: header.message_id,
            workflow: workflow.unwrap_or_else(WorkflowId::global),
            waits: true,
        };
        Some((key, asked))
    }

    fn dead_letter(&mut self, now: Now, rejected: &Rejected) {
        let mut letter = DeadLetter::of(&rejected.record, &rejected.report, now)
            .with_subscriber(self.own.clone());
        let mut findings = rejected.report.findings().iter();
        if let Some(finding) = findings.find(|finding| unreadable(finding.code)) {
            letter.reason = format!("{finding} ({})", finding.code);
        }
        self.out.push(RespondOutput::DeadLetter(Box::new(letter)));
    }
}

/// Whether nothing of such a record can be relied on, not even its header.
const fn unreadable(code: Code) -> bool {
    matches!(
        code,
        Code::TooLong
            | Code::TooDeep
            | Code::TooManyKeys
            | Code::NotUtf8
            | Code::BrokenJson
            | Code::TrailingText
            | Code::DuplicateKey
            | Code::NotAMessage
            | Code::NotAnEvent
            | Code::SecondBody
    )
}
