//! Machines: the laws that hold for all, what each does, and transcripts of it.
#![allow(clippy::unnecessary_box_returns, reason = "inputs take what was received in a box")]

mod ballot;
mod behaviour;
mod degrade;
mod dispatcher;
mod laws;
mod refusals;
mod settings;
mod strays;
mod sync;
mod transcripts;

use coordination_protocol::machine::{Machine, MachineOutput, OutboundRequest, RequestInput};
use coordination_protocol::message::AllocationRequest;
use coordination_protocol::scalar::{ComponentId, CorrelationId, Instant, Now, RequestId};
use coordination_protocol::validate::{Context, Validator};
use coordination_protocol::{Checked, Envelope, Mode};
use std::fmt::Display;

/// 2025-01-15T12:00:00Z.
const START: i64 = 1_736_942_400_000;

/// Both clocks, this number of milliseconds after the start.
fn now(millis: u64) -> Now {
    Now::new(Instant::from_millis(millis), START + i64::try_from(millis).unwrap())
}

fn name(text: &str) -> ComponentId {
    ComponentId::new(text).unwrap()
}

fn id(text: &str) -> RequestId {
    RequestId::new(text).unwrap()
}

/// A message as it comes out of the gate.
fn checked(text: &str) -> Box<Checked<Envelope>> {
    let outcome = Validator::new(Mode::Interop).check(text, &Context::new());
    Box::new(outcome.accept().unwrap_or_else(|report| panic!("{text}: {report:?}")))
}

/// A request for resources, its correlation named after it.
fn request(id: &str, agents: usize, more: &str) -> Envelope {
    let text = format!(
        r#"{{"source":"hub","correlation_id":"corr_{id}","response_required":true,"allocation_request":
            {{"request_id":"{id}","workflow_id":"wf_001","requester":"hub",
              "timestamp":"2025-01-15T12:00:00Z","resources":{{"agents":{agents}}}{more}}}}}"#,
    );
    checked(&text).into_inner()
}

fn ask(id: &str) -> OutboundRequest {
    OutboundRequest::new(request(id, 3, ""), now(0), [7; 10])
}

/// An answer to such a request.
fn answer(id: &str, header: &str, status: &str) -> Box<Checked<Envelope>> {
    let granted = match status {
        "approved" => r#","allocated_resources":{"allocation_id":"alloc_1","agents":3}"#,
        _ => r#","reason":"none left""#,
    };
    checked(&format!(
        r#"{{"source":"rm","response_to":"{id}","request_id":"{id}"{header},"allocation_response":{{"response_id":"resp_1",
            "request_id":"{id}","status":"{status}","timestamp":"2025-01-15T12:00:00Z"{granted}}}}}"#,
    ))
}

fn error(id: &str, recoverable: &str) -> Box<Checked<Envelope>> {
    checked(&format!(
        r#"{{"source":"rm","response_to":"{id}","request_id":"{id}","correlation_id":"corr_{id}",
            "error_report":{{"error_id":"err_1","workflow_id":"wf_001","timestamp":"2025-01-15T12:00:00Z",
            "classification":{{"category":"resource","severity":"high","type":"unavailable","scope":"workflow"{recoverable}}},
            "recovery_suggestions":[{{"strategy":"retry"}}]}}}}"#,
    ))
}

/// What goes into a machine: what its host wants, or a message from outside.
enum Step<I> {
    Input(I),
    Message(Box<Checked<Envelope>>),
}

/// Hands it in; what is refused comes back as its sentence.
fn hand_in<M: Machine>(machine: &mut M, at: Now, step: Step<M::Input>) -> Result<(), String> {
    match step {
        Step::Input(input) => machine.handle(at, input).map_err(|error| error.to_string()),
        Step::Message(message) => {
            machine.receive(at, *message);
            Ok(())
        }
    }
}

/// Hands in a message that is not applied, and says why not.
#[allow(clippy::boxed_local, reason = "messages are made boxed")]
fn ignored<M: Machine<Output: MachineOutput>>(
    machine: &mut M,
    message: Box<Checked<Envelope>>,
) -> String {
    while machine.poll().is_some() {}
    machine.receive(now(0), *message);
    let output = machine.poll().expect("a message that is not applied is told");
    let ignored = output.as_ignored().unwrap_or_else(|| panic!("applied: {output}")).clone();
    assert!(machine.poll().is_none(), "what is not applied leads to nothing else");
    match ignored.detail.as_str() {
        "" => ignored.reason.to_string(),
        detail => format!("{}, {detail}", ignored.reason),
    }
}

/// Everything that the machine outputs, a line each.
fn outputs<M: Machine<Output: Display>>(machine: &mut M) -> Vec<String> {
    std::iter::from_fn(|| machine.poll()).map(|output| output.to_string()).collect()
}

fn asked(id: &str) -> RequestInput {
    RequestInput::Start(Box::new(ask(id)))
}

fn corr(id: &str) -> CorrelationId {
    CorrelationId::new(format!("corr_{id}")).unwrap()
}

fn allocation(envelope: &Envelope) -> &AllocationRequest {
    match &envelope.message {
        coordination_protocol::Message::AllocationRequest(body) => body,
        other => panic!("{other:?}"),
    }
}
