//! A caller and a responder talk over a transport: no answer comes, so the circuit opens; the other
//! side starts; a probe closes the circuit. Others send what neither side wants, which stops neither.
//!
//! Run it with `cargo run --example exchange`. Time is virtual: it steps by seconds and ends at once.
//! A host with a real clock sleeps until a packet or the nearest `deadline()`.

use coordination_protocol::Mode;
use coordination_protocol::machine::{
    BreakerOptions, Caller, CallerOptions, CallerOutput, Machine, Outbound, OutboundRequest,
    Rejected, RequestInput, RespondInput, RespondOutput, Responder,
};
use coordination_protocol::message::{AllocationRequest, AllocationResponse, Envelope, Resources};
use coordination_protocol::route::RouteKey;
use coordination_protocol::scalar::{
    AllocationStatus, ComponentId, Count, Instant, Now, RequestId, ResponseId, WorkflowId,
};
use coordination_protocol::storage::block_on;
use coordination_protocol::transport::{
    Address, MemoryReceiver, MemoryTransport, Packet, Received, Receiver, Transport,
};
use coordination_protocol::validate::{Checked, Gate, Validator};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

type Failed = Box<dyn std::error::Error>;

/// What one component has: its address, and the checks that everything passes on its way in.
struct Station<'t> {
    transport: &'t MemoryTransport,
    queue: MemoryReceiver,
    checks: Gate,
}
impl<'t> Station<'t> {
    fn open(transport: &'t MemoryTransport, name: &ComponentId) -> Result<Self, Failed> {
        let queue = block_on(transport.listen(&Address::new(name.as_str())?, 100))?;
        Ok(Station { transport, queue, checks: Gate::new(Validator::new(Mode::Strict)) })
    }

    /// What came in: checked messages, for machines take no others, and what was refused.
    fn receive(&mut self, now: Now) -> Vec<Result<Checked<Envelope>, Rejected>> {
        // Virtual time needs no sleep, so the future is asked once whether something is there.
        let received = pin!(self.queue.receive()).poll(&mut Context::from_waker(Waker::noop()));
        let Poll::Ready(Ok(Received::Packets(packets))) = received else { return Vec::new() };
        let mut check = |packet: &Packet| {
            let taken = self.checks.accept(&packet.body, now.wall, None);
            taken.map_err(|report| Rejected::new(&*packet.body, report))
        };
        packets.iter().map(&mut check).collect()
    }

    /// All machines ask in one shape for what is to be sent.
    fn send(&self, message: &Outbound) -> Result<(), Failed> {
        for to in &message.to {
            // What goes to an address needs no key to be found by; the kind says what it is.
            let key = RouteKey::new(message.envelope.kind().as_str(), "global", "global");
            let packet = Packet::new(key, message.envelope.to_string().into_bytes());
            if let Err(error) = block_on(self.transport.send(&Address::new(to.as_str())?, [packet]))
            {
                // No reason to give up: the requester asks again, or ends the request.
                println!("         not sent: {error}");
            }
        }
        Ok(())
    }
}

fn hub(station: &mut Station<'_>, caller: &mut Caller, now: Now) -> Result<(), Failed> {
    for message in station.receive(now).into_iter().flatten() {
        // Nothing that comes from outside is an error. What does not fit comes out as ignored.
        caller.receive(now, message);
    }
    caller.handle_timeout(now);
    while let Some(output) = caller.poll() {
        println!("{} hub: {output}", now.at);
        if let CallerOutput::Send(message) = output {
            station.send(&message)?;
        }
    }
    Ok(())
}

fn manager(station: &mut Station<'_>, responder: &mut Responder, now: Now) -> Result<(), Failed> {
    for record in station.receive(now) {
        match record {
            Ok(message) => responder.receive(now, message),
            // The responder judges what is invalid, too: it answers, or writes a dead letter.
            Err(rejected) => responder.handle(now, RespondInput::Rejected(Box::new(rejected)))?,
        }
    }
    responder.handle_timeout(now);
    while let Some(output) = responder.poll() {
        println!("{} manager: {output}", now.at);
        match output {
            // Once for each request, however often it is sent. This manager denies everything.
            RespondOutput::Execute { key, .. } => {
                let (id, no) = (key.request_id.clone(), AllocationStatus::Denied);
                let own = ResponseId::generate(now.id_millis(), [8; 10]);
                let answer = AllocationResponse::new(own, id, no, now.timestamp());
                responder.handle(now, RespondInput::Answer(key, Box::new(answer.into())))?;
            }
            RespondOutput::Send(message) => station.send(&message)?,
            _ => {}
        }
    }
    Ok(())
}

/// What anybody may send to anybody: an answer to nothing, a heartbeat, and half a message.
const STRAYS: [&str; 3] = [
    r#"{"response_to":"req_x","allocation_response":{"response_id":"resp_x","request_id":"req_x","status":"denied","timestamp":"2025-01-15T12:00:00Z","reason":"none left"}}"#,
    r#"{"heartbeat":{"component_id":"somebody","sequence":1,"timestamp":"2025-01-15T12:00:00Z"}}"#,
    r#"{"heartbeat":{"component_id":"#,
];

pub(crate) fn main() -> Result<(), Failed> {
    run(&STRAYS)
}

/// Runs with these records sent to both components at the seconds 50 and 130.
pub(crate) fn run(strays: &[&str]) -> Result<(), Failed> {
    let names = (ComponentId::new("hub")?, ComponentId::new("manager")?);
    let transport = MemoryTransport::new();
    let mut asking = Station::open(&transport, &names.0)?;
    let mut answering = None;
    // Each start of a component takes a random seed; these print the same each time.
    let options = CallerOptions::new().with_breaker(BreakerOptions::new().with_failures(1));
    let mut caller = Caller::new(names.0.clone(), 7).with_options(options);
    let mut responder = Responder::new(names.1.clone(), 8);
    for second in 0..=200 {
        let now = Now::new(Instant::from_millis(second * 1_000), 1_736_942_400_000);
        if second == 120 {
            answering = Some(Station::open(&transport, &names.1)?);
        }
        if [50, 130].contains(&second) {
            for (to, stray) in [&names.0, &names.1]
                .into_iter()
                .flat_map(|to| strays.iter().map(move |stray| (to, stray)))
            {
                let packet =
                    Packet::new(RouteKey::new("STRAY", "global", "global"), stray.as_bytes());
                // Refused where no socket listens yet.
                let _ = block_on(transport.send(&Address::new(to.as_str())?, [packet]));
            }
        }
        if [0, 100, 150].contains(&second) {
            let id = RequestId::new(format!("req_{second}"))?;
            let workflow = WorkflowId::new("wf_001")?;
            let request = AllocationRequest::new(id.clone(), workflow, "hub", now.timestamp())
                .with_resources(Resources::new().with_agents(Count::new(3)));
            let ask = OutboundRequest::new(request, now, [7; 10]).with_peer(names.1.clone());
            // Who is down is left alone: that is refused here, before anything is sent.
            if let Err(refused) = caller.handle(now, RequestInput::Start(Box::new(ask))) {
                println!("{} hub: {id} is not made, {refused}", now.at);
            }
        }
        hub(&mut asking, &mut caller, now)?;
        answering.iter_mut().try_for_each(|station| manager(station, &mut responder, now))?;
    }
    Ok(())
}
