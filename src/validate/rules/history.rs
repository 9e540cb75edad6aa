//! Requests, answers and grants against those that came before.

use super::{FindingSink, RuleInput};
use crate::finding::Code;
use crate::message::Message;
use crate::scalar::{AllocationId, RequestId};
use crate::validate::history::{End, GrantStatus, release_id, token};
use smol_str::SmolStr;

/// An answer belongs to a request, and stays the answer.
pub(super) fn answers(input: &RuleInput<'_>, sink: &mut FindingSink<'_>) {
    let Some(history) = input.context.history else { return };
    let envelope = input.envelope;
    let exchanges = history.exchanges();
    let Message::AllocationResponse(answer) = &envelope.message else {
        if exchanges.is_unasked(envelope)
            && let Some(request) = &envelope.header.response_to
        {
            let request = request.as_str();
            sink.push(Code::AnswerWithoutRequest, "/response_to", |f| f.with_actual(request));
        }
        return;
    };
    if exchanges.is_unasked(envelope) {
        let request = answer.request_id.as_str();
        sink.push(Code::AnswerWithoutRequest, input.body("request_id"), |f| f.with_actual(request));
    }
    let source = input.context.source_of(envelope);
    if let Some(before) = exchanges.contradicted(envelope, answer, source) {
        let name = |status: &str, allocation: Option<&str>| match allocation {
            Some(allocation) => format!("{status} with `{allocation}`"),
            None => status.to_owned(),
        };
        let own = answer.allocation_id();
        sink.differ(
            Code::ContradictingAnswer,
            input.body("status"),
            name(before.status.as_str(), before.allocation.as_deref()),
            &name(answer.status.as_str(), own.as_ref().map(AllocationId::as_str)),
        );
    }
}

/// One identifier, one request.
pub(super) fn reuse(input: &RuleInput<'_>, sink: &mut FindingSink<'_>) {
    let Some(history) = input.context.history else { return };
    let source = input.context.source_of(input.envelope);
    if !history.exchanges().is_reused(input.envelope, source) {
        return;
    }
    let (path, id) = if let Message::AllocationRequest(body) = &input.envelope.message {
        (input.body("request_id"), body.request_id.as_str())
    } else {
        let id = input.envelope.header.request_id.as_ref();
        ("/request_id".to_owned(), id.map_or("", RequestId::as_str))
    };
    sink.push(Code::RequestIdReused, path, |finding| finding.with_actual(id));
}

/// A file that one grant holds alone is in no other at the same time.
pub(super) fn files(input: &RuleInput<'_>, sink: &mut FindingSink<'_>) {
    let Some(history) = input.context.history else { return };
    let Message::AllocationResponse(answer) = &input.envelope.message else { return };
    let request = history.exchanges().only_request_of(input.envelope);
    let Some(twice) = history.grants().conflict(input.envelope, answer, request) else { return };
    let place = match twice.index {
        Some(index) => format!("allocated_resources/exclusive_files/{index}"),
        // Only the request names it.
        None => "allocated_resources".to_owned(),
    };
    let how = if twice.index.is_some() { "granted" } else { "granted to be shared" };
    sink.push(Code::FileGrantedTwice, input.body(&place), |finding| {
        finding
            .with_expected(&twice.allocation)
            .with_actual(&twice.file)
            .with_detail(SmolStr::new_static(how))
    });
}

/// What is given back was granted, and is held.
pub(super) fn release(input: &RuleInput<'_>, sink: &mut FindingSink<'_>) {
    let Some(history) = input.context.history else { return };
    let Message::Release(release) = &input.envelope.message else { return };
    let allocation = release.allocation_id.as_str();
    let end = End::Released(release_id(input.envelope).map(str::to_owned));
    let code = match history.grants().status(allocation, &end) {
        GrantStatus::Unknown => Code::ReleaseOfUnknown,
        GrantStatus::Ended => Code::ReleaseOfEnded,
        GrantStatus::Held { fence } => {
            let own = release.fence.as_ref().and_then(token);
            if let (Some(own), Some(fence)) = (own, fence)
                && own < fence
            {
                let path = input.body("fence");
                sink.differ(Code::StaleFence, path, fence.to_string(), &own.to_string());
            }
            return;
        }
    };
    sink.push(code, input.body("allocation_id"), |finding| finding.with_actual(allocation));
}
