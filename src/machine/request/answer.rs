//! What an answer is about, and what it means.

use crate::machine::IgnoreReason;
use crate::machine::effect::NotApplied;
use crate::message::{Envelope, Message};
use crate::scalar::{AllocationStatus, ComponentId, CorrelationId, Digest, RequestId};

/// Refuses an answer of another exchange, or of another component than the one that was asked.
pub(super) fn belongs(
    id: &RequestId,
    answer: &Envelope,
    correlation: Option<&CorrelationId>,
    peer: Option<&ComponentId>,
) -> Result<(), NotApplied> {
    let said = answer.header.correlation_id.as_ref();
    // Only a contradiction is refused, for not every answer repeats the correlation.
    if said.is_some() && said != correlation {
        let detail = format!("it has another correlation_id than the request `{id}`");
        return Err(NotApplied::new(IgnoreReason::Mismatch, detail));
    }
    // A peer of 1.0.0 cannot say who it is. Then the correlation vouches for it, which only those
    // know who saw the request.
    let anonymous = answer.header.source.is_none() && said.is_some();
    if peer.is_some() && peer != answer.header.source.as_ref() && !anonymous {
        let detail = format!("another component was asked `{id}`");
        return Err(NotApplied::new(IgnoreReason::WrongSender, detail));
    }
    Ok(())
}

/// The digest of what an answer says, whichever message it came in.
pub(super) fn said(answer: &mut Envelope) -> Digest {
    let header = std::mem::take(&mut answer.header);
    let digest = Digest::of(answer.to_string().as_bytes());
    answer.header = header;
    digest
}

/// Whether an answer grants nothing.
pub(super) fn denies(answer: &Envelope) -> bool {
    matches!(&answer.message, Message::AllocationResponse(body)
        if body.status == AllocationStatus::Denied)
}

/// The identifier that the body of a request has.
pub(in crate::machine) fn own_id(message: &Message) -> Option<&RequestId> {
    match message {
        Message::AllocationRequest(body) => Some(&body.request_id),
        Message::ConflictCheck(body) => Some(&body.request_id),
        _ => None,
    }
}

/// What an answer means for its request.
pub(super) enum Verdict {
    Final,
    Queued,
    TryAgain,
    Hopeless,
}

pub(super) fn verdict(answer: &Envelope) -> Verdict {
    match &answer.message {
        Message::ErrorReport(report) if report.classification.recoverable == Some(true) => {
            Verdict::TryAgain
        }
        // No word on `recoverable` counts as no: a retry of what cannot succeed only adds load.
        Message::ErrorReport(_) => Verdict::Hopeless,
        Message::AllocationResponse(body) if body.status == AllocationStatus::Queued => {
            Verdict::Queued
        }
        _ => Verdict::Final,
    }
}

/// The request that a message answers.
pub(super) fn answered(answer: &Envelope) -> Option<&RequestId> {
    let header = &answer.header;
    // A message that asks for an answer is a request itself.
    let asks = header.response_required == Some(true);
    let body = match &answer.message {
        Message::AllocationResponse(body) => Some(&body.request_id),
        Message::ConflictCheck(body) if !asks => Some(&body.request_id),
        _ => None,
    };
    let own = header.request_id.as_ref().filter(|_| !asks);
    // The header's word first: it names what is answered, while a body may just repeat its request.
    header.response_to.as_ref().or(body).or(own)
}
