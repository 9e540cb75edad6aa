//! Requests and their answers, as they were accepted.

use super::bounded::Bounded;
use crate::message::{AllocationRequest, AllocationResponse, Envelope, Message};
use crate::scalar::{AllocationStatus, ComponentId, CorrelationId, RequestId};
use crate::validate::checked::Shared;
use std::sync::Arc;

/// How many components are told apart that use one request identifier.
const MAX_SOURCES: usize = 4;

/// What the requests and answers of one identifier were. Identifiers are the sources' own, so what one
/// component says never stands in for what another says.
#[derive(Clone, Debug, Default)]
pub(super) struct Exchange {
    asked: Vec<(Option<ComponentId>, Arc<Shared<Envelope>>)>,
    answered: Vec<Answered>,
}

/// How a component answered.
#[derive(Clone, Debug)]
pub(in crate::validate) struct Answered {
    source: Option<ComponentId>,
    correlation: Option<CorrelationId>,
    pub(in crate::validate) status: AllocationStatus,
    /// The grant, if it is one.
    pub(in crate::validate) allocation: Option<String>,
}

/// Exchanges by request identifier.
#[derive(Clone, Debug)]
pub(in crate::validate) struct Exchanges(Bounded<Exchange>);

/// The identifier under which a message asks for something.
fn asks(envelope: &Envelope) -> Option<&str> {
    match &envelope.message {
        Message::AllocationRequest(body) => Some(body.request_id.as_str()),
        Message::AllocationResponse(_) => None,
        _ if envelope.header.response_to.is_some() => None,
        _ => envelope.header.request_id.as_ref().map(RequestId::as_str),
    }
}

/// The identifier of the request that a message answers.
fn answers(envelope: &Envelope) -> Option<&str> {
    match &envelope.message {
        Message::AllocationResponse(body) => Some(body.request_id.as_str()),
        _ => envelope.header.response_to.as_ref().map(RequestId::as_str),
    }
}

/// Whether an answer is the last word.
fn is_final(status: &AllocationStatus) -> bool {
    matches!(
        status,
        AllocationStatus::Approved | AllocationStatus::Partial | AllocationStatus::Denied
    )
}

/// Whether two requests ask for the same. Whoever asks again may do so with another time.
fn same_request(a: &Message, b: &Message) -> bool {
    match (a, b) {
        (Message::AllocationRequest(a), Message::AllocationRequest(b)) => {
            let timeless = |request: &AllocationRequest| {
                let mut request = request.clone();
                request.timestamp = None;
                request
            };
            timeless(a) == timeless(b)
        }
        (a, b) => a == b,
    }
}

impl Exchanges {
    pub(super) fn new(most: usize) -> Self {
        Exchanges(Bounded::new(most))
    }

    pub(super) fn remember(
        &mut self,
        shared: &Arc<Shared<Envelope>>,
        source: Option<&ComponentId>,
    ) {
        let envelope = &shared.value;
        if let Some(id) = asks(envelope) {
            let Some(exchange) = self.0.entry(id) else { return };
            // The first of a source stays the measure.
            let known = exchange.asked.iter().any(|(asker, _)| asker.as_ref() == source);
            if !known && exchange.asked.len() < MAX_SOURCES {
                exchange.asked.push((source.cloned(), Arc::clone(shared)));
            }
        } else if let Message::AllocationResponse(answer) = &envelope.message {
            let Some(exchange) = self.0.entry(answer.request_id.as_str()) else { return };
            let correlation = envelope.header.correlation_id.as_ref();
            let known = exchange.of(source, correlation).is_some();
            if is_final(&answer.status) && !known && exchange.answered.len() < MAX_SOURCES {
                exchange.answered.push(Answered {
                    source: source.cloned(),
                    correlation: correlation.cloned(),
                    status: answer.status.clone(),
                    allocation: answer.allocation_id().map(|id| id.to_string()),
                });
            }
        }
    }

    /// The request of an identifier that came first.
    pub(super) fn request(&self, id: &str) -> Option<&AllocationRequest> {
        self.0.get(id)?.requests().next()
    }

    /// The requests that an answer may belong to: those of its identifier, without those that name
    /// another exchange.
    pub(in crate::validate) fn requests_of<'a>(
        &'a self,
        envelope: &'a Envelope,
    ) -> impl Iterator<Item = &'a AllocationRequest> {
        let correlation = envelope.header.correlation_id.as_ref();
        let asked = answers(envelope).and_then(|id| self.0.get(id)).map(|exchange| &exchange.asked);
        let asked = asked.into_iter().flatten().filter(move |(_, shared)| {
            let other = shared.value.header.correlation_id.as_ref();
            correlation.is_none() || other.is_none() || correlation == other
        });
        asked.filter_map(|(_, shared)| as_request(shared))
    }

    /// The request that an answer belongs to; none if that is not certain.
    pub(in crate::validate) fn only_request_of<'a>(
        &'a self,
        envelope: &'a Envelope,
    ) -> Option<&'a AllocationRequest> {
        let mut requests = self.requests_of(envelope);
        requests.next().filter(|_| requests.next().is_none())
    }

    /// The component that asked for what an answer grants; none if that is not certain.
    pub(super) fn asker_of(&self, envelope: &Envelope) -> Option<&ComponentId> {
        match &self.0.get(answers(envelope)?)?.asked[..] {
            [(source, _)] => source.as_ref(),
            _ => None,
        }
    }

    /// Whether a message answers a request that did not come.
    pub(in crate::validate) fn is_unasked(&self, envelope: &Envelope) -> bool {
        answers(envelope)
            .is_some_and(|id| self.0.get(id).is_none_or(|exchange| exchange.asked.is_empty()))
    }

    /// Whether a component asked for something else under the same identifier before.
    pub(in crate::validate) fn is_reused(
        &self,
        envelope: &Envelope,
        source: Option<&ComponentId>,
    ) -> bool {
        let Some(exchange) = asks(envelope).and_then(|id| self.0.get(id)) else { return false };
        let mut asked = exchange.asked.iter();
        let first = asked.find(|(asker, _)| asker.as_ref() == source);
        first.is_some_and(|(_, shared)| !same_request(&shared.value.message, &envelope.message))
    }

    /// The last word that the source of an answer gave before, if it is another one.
    pub(in crate::validate) fn contradicted(
        &self,
        envelope: &Envelope,
        answer: &AllocationResponse,
        source: Option<&ComponentId>,
    ) -> Option<&Answered> {
        let exchange = self.0.get(answer.request_id.as_str())?;
        let before = exchange.of(source, envelope.header.correlation_id.as_ref())?;
        // `queued` after the end comes late and says nothing of the end.
        let differs = before.status != answer.status
            || before.allocation != answer.allocation_id().map(|id| id.to_string());
        (is_final(&answer.status) && differs).then_some(before)
    }
}

fn as_request(shared: &Arc<Shared<Envelope>>) -> Option<&AllocationRequest> {
    match &shared.value.message {
        Message::AllocationRequest(request) => Some(request),
        _ => None,
    }
}

impl Exchange {
    fn requests(&self) -> impl Iterator<Item = &AllocationRequest> {
        self.asked.iter().filter_map(|(_, shared)| as_request(shared))
    }

    fn of(
        &self,
        source: Option<&ComponentId>,
        correlation: Option<&CorrelationId>,
    ) -> Option<&Answered> {
        self.answered.iter().find(|before| {
            let other = before.correlation.as_ref();
            before.source.as_ref() == source
                && (correlation.is_none() || other.is_none() || other == correlation)
        })
    }
}
