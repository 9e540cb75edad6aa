//! Where an answer goes.

use super::component::Shared;
use super::outgoing::address;
use super::trace::TraceParent;
use crate::json::Json;
use crate::machine::Outbound;
use crate::machine::respond::REPLY_TO;
use crate::message::Envelope;
use crate::storage::Commit;
use crate::transport::Address;

/// Where an answer goes, and the trace that it belongs to.
#[derive(Clone)]
pub(super) struct Reply {
    address: Address,
    trace: Option<TraceParent>,
}

impl Reply {
    /// What a message says of it: the address that it names, or that of its source.
    pub(super) fn to(message: &Envelope) -> Option<Self> {
        let named = message.header.extra().get(REPLY_TO).and_then(Json::to_text);
        let named = named.and_then(|text| address(&text).ok());
        let source = || address(message.header.source.as_ref()?.as_str()).ok();
        let address = named.or_else(source)?;
        Some(Reply { address, trace: TraceParent::of(message) })
    }
}

/// Adds an answer to what is stored.
pub(super) fn answer(
    shared: &Shared,
    commit: &mut Commit,
    outbound: &Outbound,
    reply: Option<&Reply>,
) {
    let named = outbound.to.first().and_then(|to| address(to.as_str()).ok());
    let Some(to) = reply.map(|reply| reply.address.clone()).or(named) else { return };
    let seal = shared.client.seal();
    let post = match reply.and_then(|reply| reply.trace.as_ref()) {
        Some(trace) => {
            let mut envelope = (*outbound.envelope).clone();
            trace.put(&mut envelope);
            seal.to(&to, &envelope)
        }
        None => seal.to(&to, &outbound.envelope),
    };
    match post {
        Ok(post) => commit.history.records.push(post.into_record()),
        Err(error) => super::observe::failed(&shared.id, &error),
    }
}
