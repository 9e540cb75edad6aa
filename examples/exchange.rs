//! A requester and a responder talk over a transport: no answer comes, so the circuit opens; the
//! other side starts; a probe closes the circuit.
//!
//! Run it with `cargo run --example exchange`. Time is virtual: it steps by seconds and ends at once.
//! A host with a real clock sleeps until a packet or the nearest `deadline()`.

use coordination_protocol::Mode;
use coordination_protocol::machine::{
    Breaker, BreakerInput, BreakerOptions, Machine, OutboundRequest, Rejected, RequestInput,
    RequestOutcome, RequestOutput, Requester, RespondInput, RespondOutput, Responder,
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

    fn send(&self, to: &ComponentId, envelope: &Envelope) -> Result<(), Failed> {
        // What goes to an address needs no key to be found by; the kind says what it is.
        let key = RouteKey::new(envelope.kind().as_str(), "global", "global");
        let packet = Packet::new(key, envelope.to_string().into_bytes());
        if let Err(error) = block_on(self.transport.send(&Address::new(to.as_str())?, [packet])) {
            // No reason to give up: the requester asks again, or ends the request.
            println!("         not sent: {error}");
        }
        Ok(())
    }
}

fn hub(
    station: &mut Station<'_>,
    requester: &mut Requester,
    breaker: &mut Breaker,
    now: Now,
) -> Result<(), Failed> {
    for answer in station.receive(now).into_iter().flatten() {
        requester.handle(now, RequestInput::Answer(Box::new(answer)))?;
    }
    requester.handle_timeout(now);
    breaker.handle_timeout(now);
    while let Some(output) = requester.poll() {
        println!("{} hub: {output}", now.at);
        match output {
            RequestOutput::Send { to: Some(to), envelope, .. } => station.send(&to, &envelope)?,
            RequestOutput::Ended { request_id: id, outcome, .. } => {
                // Any answer shows that the other side works, also one that says no.
                let works = matches!(outcome, RequestOutcome::Answered(_));
                let call = if works { BreakerInput::Success } else { BreakerInput::Failure };
                breaker.handle(now, call(id))?;
            }
            _ => {}
        }
    }
    std::iter::from_fn(|| breaker.poll()).for_each(|output| println!("{} hub: {output}", now.at));
    Ok(())
}

fn manager(station: &mut Station<'_>, responder: &mut Responder, now: Now) -> Result<(), Failed> {
    for record in station.receive(now) {
        // The responder judges what is invalid, too: it answers or buries it.
        let input = record.map_or_else(
            |rejected| RespondInput::Rejected(Box::new(rejected)),
            |request| RespondInput::Request(Box::new(request)),
        );
        responder.handle(now, input)?;
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
            RespondOutput::Send { to: Some(to), envelope } => station.send(&to, &envelope)?,
            _ => {}
        }
    }
    Ok(())
}

pub(crate) fn main() -> Result<(), Failed> {
    let names = (ComponentId::new("hub")?, ComponentId::new("manager")?);
    let transport = MemoryTransport::new();
    let mut asking = Station::open(&transport, &names.0)?;
    let mut answering = None;
    // Each start of a component takes a random seed; these print the same each time.
    let mut requester = Requester::new(names.0, 7);
    let mut responder = Responder::new(names.1.clone(), 8);
    let mut breaker = Breaker::new(BreakerOptions::new().with_failures(1));
    for second in 0..=200 {
        let now = Now::new(Instant::from_millis(second * 1_000), 1_736_942_400_000);
        if second == 120 {
            answering = Some(Station::open(&transport, &names.1)?);
        }
        if [0, 100, 150].contains(&second) {
            // The breaker is asked first: who is down is left alone.
            let id = RequestId::new(format!("req_{second}"))?;
            if let Err(refused) = breaker.handle(now, BreakerInput::Call(id.clone())) {
                println!("{} hub: {id} is not made, {refused}", now.at);
                continue;
            }
            let workflow = WorkflowId::new("wf_001")?;
            let request = AllocationRequest::new(id, workflow, "hub", now.timestamp())
                .with_resources(Resources::new().with_agents(Count::new(3)));
            let ask = OutboundRequest::new(request, now, [7; 10]).with_peer(names.1.clone());
            requester.handle(now, RequestInput::Start(Box::new(ask)))?;
        }
        hub(&mut asking, &mut requester, &mut breaker, now)?;
        answering.iter_mut().try_for_each(|station| manager(station, &mut responder, now))?;
    }
    Ok(())
}
