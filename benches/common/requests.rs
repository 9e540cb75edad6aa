//! One request and its answer between two bare machines, each message written and checked.

use coordination_protocol::machine::{
    Machine, OutboundRequest, RequestInput, RequestOutput, Requester, RespondInput, RespondOutput,
    Responder,
};
use coordination_protocol::message::{AllocationRequest, AllocationResponse, Resources};
use coordination_protocol::scalar::{
    AllocationStatus, ComponentId, Count, Instant, Now, RequestId, ResponseId, WallTime, WorkflowId,
};
use coordination_protocol::validate::{Context, Validator};
use coordination_protocol::{Checked, Envelope, Mode};
use std::hint::black_box;

pub const ROUND_TRIPS: usize = 256;
const NOW: Now = Now::of(Instant::START, WallTime::from_unix_millis(1_736_942_400_000));

fn checked(text: &str) -> Box<Checked<Envelope>> {
    let outcome = Validator::new(Mode::Strict).check(text, &Context::new());
    Box::new(outcome.accept().expect("it is valid"))
}

/// A request for resources.
pub fn request(id: RequestId) -> AllocationRequest {
    let workflow = WorkflowId::new("wf_001").expect("an id");
    AllocationRequest::new(id, workflow, "hub", NOW.timestamp())
        .with_resources(Resources::new().with_agents(Count::new(3)))
}

/// Its answer.
pub fn response(id: RequestId) -> AllocationResponse {
    let response = ResponseId::new("resp_1").expect("an id");
    AllocationResponse::new(response, id, AllocationStatus::Denied, NOW.timestamp())
}

fn ids() -> impl Iterator<Item = RequestId> {
    (0..ROUND_TRIPS).map(|n| RequestId::new(format!("req_{n}")).expect("an id"))
}

/// Both messages written and checked.
#[allow(dead_code, reason = "each bench takes what it needs")]
pub fn messages() {
    for id in ids() {
        let asked = checked(&Envelope::from(request(id.clone())).to_string());
        black_box((asked, checked(&Envelope::from(response(id)).to_string())));
    }
}

/// Asked, written, checked, performed, answered, written, checked, ended.
pub fn machines() {
    let mut requester = Requester::new(ComponentId::new("hub").expect("a name"), 1);
    let mut responder = Responder::new(ComponentId::new("rm").expect("a name"), 2);
    for id in ids() {
        let ask = Box::new(OutboundRequest::new(request(id.clone()), NOW, [7; 10]));
        requester.handle(NOW, RequestInput::Start(ask)).expect("there is room");
        let Some(RequestOutput::Send(ask)) = requester.poll() else { panic!("it asks") };
        responder.receive(NOW, *checked(&ask.envelope.to_string()));
        let Some(RespondOutput::Execute { key, .. }) = responder.poll() else {
            panic!("it performs")
        };
        let answer = RespondInput::Answer(key, Box::new(response(id).into()));
        responder.handle(NOW, answer).expect("it is under way");
        let Some(RespondOutput::Send(answer)) = responder.poll() else { panic!("it answers") };
        requester.receive(NOW, *checked(&answer.envelope.to_string()));
        assert!(requester.poll().is_some());
    }
}
