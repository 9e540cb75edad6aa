//! What a [`Transport`] promises.

use super::{Failure, cases, once, same, together};
use crate::route::{Pattern, RouteKey};
use crate::transport::{
    Address, Gap, Overflow, Packet, Received, Receiver, Subscription, Transport, TransportError,
};
use std::future::{Future, poll_fn};
use std::task::Poll;

cases! { Transport:
    "Order" {
        batches "a batch is split by what each receiver wants, and keeps its order";
    }
    "Accepted is on its way" {
        many_publishers "packets of many publishers all arrive, each publisher's in order";
    }
    "Only what matches" {
        selection "a receiver gets exactly what its pattern selects, once and in order";
        groups "of a queue group one receiver gets each packet, in order, and every other receiver gets all";
        addresses "a packet for an address reaches its listener only";
    }
    "No silence" {
        no_silence "what a slow receiver is due and does not get is in the gaps before what it gets";
        slow_beside_fast "a slow receiver costs a fast one nothing";
        receiving_given_up "a receive that is dropped loses nothing";
    }
    "From then on" {
        from_then_on "a receiver gets nothing from before it was opened";
        closed_receivers "a receiver that was dropped gets nothing and refuses no publisher";
    }
    "Limits" {
        large "what is over a limit is refused, and what is at the limit is carried";
    }
    "bounded_queues" {
        busy if bounded_queues "a full queue refuses the publisher, and room lets it through";
        oversized if bounded_queues "more than a queue ever holds is too large, and waiting would not help";
        gaps if bounded_queues "a queue that may drop keeps the newest, and one gap stands for all that is lost";
        full_members if bounded_queues "a full member of a queue group is passed over; if all are full, the publisher is refused";
        busy_listeners if bounded_queues "a listener that is full refuses senders, and room lets them through";
    }
    "whole_batches" {
        whole_batches if whole_batches_promised "a batch that one receiver has no room for reaches no other";
    }
    "unique_listeners" {
        listeners if unique_listeners "an address has one listener at a time, or none";
    }
}

fn bounded_queues<T: Transport>(transport: &T) -> bool {
    transport.promises().bounded_queues
}

fn whole_batches_promised<T: Transport>(transport: &T) -> bool {
    transport.promises().whole_batches
}

fn unique_listeners<T: Transport>(transport: &T) -> bool {
    transport.promises().unique_listeners
}

fn key<'a>(name: &'a str, workflow: &'a str) -> RouteKey<'a> {
    RouteKey::new(name, workflow, "build")
}

fn failed(body: &str) -> Packet {
    Packet::new(key("TASK_FAILED", "wf_1"), body.as_bytes())
}

fn subscription(pattern: &str) -> Result<Subscription, Failure> {
    let pattern = Pattern::parse(pattern).map_err(|error| Failure::new(error.to_string()))?;
    Ok(Subscription::new(pattern))
}

fn address(text: &str) -> Result<Address, Failure> {
    Address::new(text).map_err(|error| Failure::new(error.to_string()))
}

/// Receives until a number of packets came, and returns their bodies and the gaps before each.
async fn receive<I: Receiver>(
    receiver: &mut I,
    count: usize,
) -> Result<(Vec<String>, Vec<Gap>), Failure> {
    let (mut bodies, mut gaps) = (Vec::new(), Vec::new());
    let mut last = None;
    while bodies.len() < count {
        match receiver.receive().await? {
            Received::Packets(packets) => {
                for (packet, sequence) in packets.iter().zip(packets.sequences()) {
                    // Numbers may have holes, for packets of others, but they grow.
                    if last.is_some_and(|last| last >= sequence) {
                        return Err(Failure::new(format!("sequence {sequence} after {last:?}")));
                    }
                    last = Some(sequence);
                    bodies.push(String::from_utf8_lossy(&packet.body).into_owned());
                }
            }
            Received::Gap(gap) => gaps.push(gap),
        }
    }
    Ok((bodies, gaps))
}

/// Receives until a number of packets came to any of several receivers, and returns the bodies by receiver.
async fn receive_any<I: Receiver>(
    receivers: &mut [&mut I],
    count: usize,
) -> Result<Vec<Vec<String>>, Failure> {
    let mut bodies = vec![Vec::new(); receivers.len()];
    while bodies.iter().map(Vec::len).sum::<usize>() < count {
        // A receive that is dropped loses nothing.
        // All receivers are asked at once, because it is not said which member of a group gets a
        // packet. A receive that is dropped loses nothing, which is a promise as well.
        let mut waiting: Vec<_> =
            receivers.iter_mut().map(|receiver| Box::pin(receiver.receive())).collect();
        let (at, delivery) = poll_fn(|context| {
            for (at, receive) in waiting.iter_mut().enumerate() {
                if let Poll::Ready(delivery) = receive.as_mut().poll(context) {
                    return Poll::Ready((at, delivery));
                }
            }
            Poll::Pending
        })
        .await;
        match delivery? {
            Received::Packets(packets) => {
                let text = |packet: &Packet| String::from_utf8_lossy(&packet.body).into_owned();
                bodies[at].extend(packets.iter().map(text));
            }
            Received::Gap(gap) => return Err(Failure::new(format!("unexpected {gap:?}"))),
        }
    }
    Ok(bodies)
}

async fn expect<I: Receiver>(receiver: &mut I, bodies: &[&str]) -> Result<(), Failure> {
    let (found, gaps) = receive(receiver, bodies.len()).await?;
    same("bodies", found, bodies.to_vec())?;
    same("gaps", gaps, Vec::new())
}

async fn selection<T: Transport>(transport: &T) -> Result<(), Failure> {
    let mut all = transport.subscribe(&subscription(">")?).await?;
    let mut failures = transport.subscribe(&subscription("task.*.failed")?).await?;
    let mut one = transport.subscribe(&subscription("*.wf_1.>")?).await?;
    for (name, workflow, body) in [
        ("TASK_FAILED", "wf_1", "a"),
        ("TASK_STARTED", "wf_1", "b"),
        ("TASK_FAILED", "wf_2", "c"),
        ("PHASE_FAILED", "wf_2", "d"),
        ("TASK_FAILED", "wf_1", "e"),
    ] {
        transport.publish([Packet::new(key(name, workflow), body.as_bytes())]).await?;
    }
    expect(&mut all, &["a", "b", "c", "d", "e"]).await?;
    expect(&mut failures, &["a", "c", "e"]).await?;
    expect(&mut one, &["a", "b", "e"]).await?;
    // What follows shows that nothing else was on its way.
    transport.publish([failed("end")]).await?;
    for receiver in [&mut all, &mut failures, &mut one] {
        expect(receiver, &["end"]).await?;
    }
    Ok(())
}

async fn batches<T: Transport>(transport: &T) -> Result<(), Failure> {
    let mut all = transport.subscribe(&subscription(">")?).await?;
    let mut failures = transport.subscribe(&subscription("*.failed")?).await?;
    let packets: Vec<Packet> = ["a", "b", "c", "d"]
        .iter()
        .zip(["TASK_FAILED", "TASK_STARTED", "TASK_STARTED", "PHASE_FAILED"])
        .map(|(body, name)| Packet::new(key(name, "wf_1"), body.as_bytes()))
        .collect();
    transport.publish(packets).await?;
    transport.publish(Vec::new()).await?;
    transport.publish([failed("e")]).await?;
    expect(&mut all, &["a", "b", "c", "d", "e"]).await?;
    expect(&mut failures, &["a", "d", "e"]).await
}

async fn from_then_on<T: Transport>(transport: &T) -> Result<(), Failure> {
    transport.publish([failed("before")]).await?;
    let mut receiver = transport.subscribe(&subscription("*.failed")?).await?;
    transport.publish([failed("after")]).await?;
    expect(&mut receiver, &["after"]).await
}

async fn closed_receivers<T: Transport>(transport: &T) -> Result<(), Failure> {
    let full = transport.subscribe(&subscription(">")?.with_capacity(1)).await?;
    let mut other = transport.subscribe(&subscription(">")?).await?;
    transport.publish([failed("a")]).await?;
    // Full and dropped: a transport that only looks at the queue would go on refusing.
    drop(full);
    for body in ["b", "c"] {
        let receipt = transport.publish([failed(body)]).await?;
        if let Some(receivers) = receipt.receivers {
            same("receivers", receivers, 1)?;
        }
    }
    expect(&mut other, &["a", "b", "c"]).await
}

fn is_busy<V: std::fmt::Debug>(
    result: Result<V, TransportError>,
    name: &str,
    limit: usize,
) -> Result<(), Failure> {
    let busy = TransportError::Busy { queue: name.to_owned(), limit };
    match result {
        Err(error) if error == busy => Ok(()),
        other => Err(Failure::new(format!("{other:?}, expected {busy:?}"))),
    }
}

async fn busy<T: Transport>(transport: &T) -> Result<(), Failure> {
    let mut small = transport.subscribe(&subscription("*.failed")?.with_capacity(2)).await?;
    transport.publish([failed("a")]).await?;
    is_busy(transport.publish([failed("lost"), failed("lost")]).await, "*.failed", 2)?;
    transport.publish([failed("b")]).await?;
    is_busy(transport.publish([failed("lost")]).await, "*.failed", 2)?;
    let other = Packet::new(key("TASK_STARTED", "wf_1"), &b"c"[..]);
    transport.publish([other]).await?;
    expect(&mut small, &["a", "b"]).await?;
    transport.publish([failed("d")]).await?;
    expect(&mut small, &["d"]).await
}

async fn whole_batches<T: Transport>(transport: &T) -> Result<(), Failure> {
    // On both sides of the one that has no room: no order in which receivers are served may matter.
    let mut first = transport.subscribe(&subscription(">")?).await?;
    let mut small = transport.subscribe(&subscription("*.failed")?.with_capacity(2)).await?;
    let mut last = transport.subscribe(&subscription(">")?).await?;
    transport.publish([failed("a")]).await?;
    let refused = transport.publish([failed("b"), failed("c")]).await;
    let came: &[&str] = if refused.is_err() { &["a", "end"] } else { &["a", "b", "c", "end"] };
    let small_came = receive(&mut small, came.len() - 1).await?.0;
    same("the small one's bodies", small_came, came[..came.len() - 1].to_vec())?;
    transport.publish([failed("end")]).await?;
    for receiver in [&mut first, &mut small, &mut last].into_iter().enumerate() {
        match receiver {
            (1, small) => expect(small, &["end"]).await?,
            (_, other) => expect(other, came).await?,
        }
    }
    Ok(())
}

async fn no_silence<T: Transport>(transport: &T) -> Result<(), Failure> {
    let newest = subscription(">")?.with_capacity(3).with_overflow(Overflow::DropOldest);
    let mut receiver = transport.subscribe(&newest).await?;
    let bodies: Vec<String> = (0..9).map(|number| number.to_string()).collect();
    for body in &bodies {
        transport.publish([failed(body)]).await?;
    }
    // Each packet that was due is the next that comes, or one of those that a gap counts.
    let mut due = 0;
    while due < bodies.len() {
        match receiver.receive().await? {
            Received::Gap(gap) => due += usize::try_from(gap.dropped).unwrap_or(usize::MAX),
            Received::Packets(packets) => {
                for packet in packets.iter() {
                    let body = String::from_utf8_lossy(&packet.body);
                    same("the next that was due", Some(&*body), bodies.get(due).map(|it| &**it))?;
                    due += 1;
                }
            }
        }
    }
    same("packets and those in gaps", due, bodies.len())
}

async fn gaps<T: Transport>(transport: &T) -> Result<(), Failure> {
    let newest = subscription(">")?.with_capacity(3).with_overflow(Overflow::DropOldest);
    let mut receiver = transport.subscribe(&newest).await?;
    for body in ["a", "b", "c"] {
        transport.publish([failed(body)]).await?;
    }
    transport.publish([failed("d"), failed("e")]).await?;
    transport.publish(["f", "g", "h", "i"].map(failed)).await?;
    let (bodies, gaps) = receive(&mut receiver, 3).await?;
    same("bodies", bodies, ["g", "h", "i"])?;
    let &[gap] = gaps.as_slice() else {
        return Err(Failure::new(format!("{} gaps: {gaps:?}", gaps.len())));
    };
    same("dropped", gap.dropped, 6)?;
    same("span", gap.to - gap.from, 5)?;
    transport.publish([failed("j")]).await?;
    expect(&mut receiver, &["j"]).await
}

async fn groups<T: Transport>(transport: &T) -> Result<(), Failure> {
    let mut all = transport.subscribe(&subscription(">")?).await?;
    let member = |group| Ok::<_, Failure>(subscription("task.>")?.with_group(group));
    let mut one = transport.subscribe(&member("workers")?).await?;
    let mut two = transport.subscribe(&member("workers")?).await?;
    let mut other = transport.subscribe(&member("auditors")?).await?;
    let bodies: Vec<String> = (0..20).map(|n| format!("{n:02}")).collect();
    let (head, tail) = bodies.split_at(10);
    for body in head {
        transport.publish([failed(body)]).await?;
    }
    let batch: Vec<Packet> = tail.iter().map(|body| failed(body)).collect();
    transport.publish(batch).await?;
    let wanted: Vec<&str> = bodies.iter().map(String::as_str).collect();
    expect(&mut all, &wanted).await?;
    expect(&mut other, &wanted).await?;
    let shared = receive_any(&mut [&mut one, &mut two], bodies.len()).await?;
    for bodies in &shared {
        same("order", bodies.is_sorted(), true)?;
    }
    let mut shared = shared.concat();
    shared.sort();
    same("bodies of both members", shared, bodies)?;
    // What follows shows that nothing else was on its way.
    transport.publish([failed("end")]).await?;
    let last = receive_any(&mut [&mut two, &mut one], 1).await?.concat();
    same("bodies of both members", last, ["end"])
}

async fn full_members<T: Transport>(transport: &T) -> Result<(), Failure> {
    let member = |queue| Ok::<_, Failure>(subscription(">")?.with_group("g").with_capacity(queue));
    let mut small = transport.subscribe(&member(1)?).await?;
    let mut large = transport.subscribe(&member(3)?).await?;
    for n in 0..4 {
        transport.publish([failed(&n.to_string())]).await?;
    }
    match transport.publish([failed("5")]).await {
        Err(TransportError::Busy { .. }) => {}
        other => return Err(Failure::new(format!("expected Busy, got {other:?}"))),
    }
    let mut found = receive_any(&mut [&mut small, &mut large], 4).await?.concat();
    found.sort();
    same("bodies", found, ["0", "1", "2", "3"])?;
    transport.publish([failed("6")]).await?;
    Ok(())
}

async fn slow_beside_fast<T: Transport>(transport: &T) -> Result<(), Failure> {
    let newest = subscription(">")?.with_capacity(1).with_overflow(Overflow::DropOldest);
    let slow = transport.subscribe(&newest).await?;
    let mut fast = transport.subscribe(&subscription(">")?).await?;
    for number in 0..20 {
        transport.publish([failed(&number.to_string())]).await?;
        expect(&mut fast, &[&number.to_string()]).await?;
    }
    drop(slow);
    Ok(())
}

async fn addresses<T: Transport>(transport: &T) -> Result<(), Failure> {
    let (hub, worker) = (address("hub")?, address("worker/1")?);
    let mut at_hub = transport.listen(&hub, 10).await?;
    let mut at_worker = transport.listen(&worker, 10).await?;
    let mut all = transport.subscribe(&subscription(">")?).await?;
    transport.send(&hub, [failed("a"), failed("b")]).await?;
    transport.send(&worker, [failed("c")]).await?;
    transport.publish([failed("d")]).await?;
    transport.send(&hub, [failed("e")]).await?;
    expect(&mut at_hub, &["a", "b", "e"]).await?;
    expect(&mut at_worker, &["c"]).await?;
    expect(&mut all, &["d"]).await
}

async fn listeners<T: Transport>(transport: &T) -> Result<(), Failure> {
    let hub = address("hub")?;
    let no_listener = TransportError::NoListener { address: "hub".to_owned() };
    same("no listener", transport.send(&hub, [failed("a")]).await, Err(no_listener.clone()))?;
    let first = transport.listen(&hub, 10).await?;
    let taken = TransportError::AddressTaken { address: "hub".to_owned() };
    same("second", transport.listen(&hub, 10).await.map(drop), Err(taken))?;
    drop(first);
    same("gone", transport.send(&hub, [failed("b")]).await, Err(no_listener))?;
    let mut again = transport.listen(&hub, 10).await?;
    transport.send(&hub, [failed("c")]).await?;
    expect(&mut again, &["c"]).await
}

async fn busy_listeners<T: Transport>(transport: &T) -> Result<(), Failure> {
    let hub = address("hub")?;
    let mut receiver = transport.listen(&hub, 2).await?;
    transport.send(&hub, [failed("a"), failed("b")]).await?;
    is_busy(transport.send(&hub, [failed("lost")]).await, "hub", 2)?;
    expect(&mut receiver, &["a", "b"]).await?;
    transport.send(&hub, [failed("c")]).await?;
    expect(&mut receiver, &["c"]).await
}

async fn large<T: Transport>(transport: &T) -> Result<(), Failure> {
    let limits = transport.limits();
    let hub = address("hub")?;
    let mut receiver = transport.subscribe(&subscription(">")?.with_capacity(1)).await?;
    let mut listener = transport.listen(&hub, 1).await?;
    let body = vec![b'x'; limits.packet_bytes + 1];
    let key = || key("TASK_FAILED", "wf_1");
    // One more than the limit that the transport itself states, so the case fits any limits.
    let batch: Vec<Packet> = (0..=limits.batch_packets).map(|_| failed("x")).collect();
    for refused in [
        transport.publish([Packet::new(key(), body.as_slice())]).await.map(drop),
        transport.send(&hub, [Packet::new(key(), body.as_slice())]).await,
        transport.publish(batch.clone()).await.map(drop),
        transport.send(&hub, batch).await,
    ] {
        same("reason", refused.map_err(|error| error.code()), Err("too-large"))?;
    }
    let largest = Packet::new(key(), &body[1..]);
    transport.publish([largest.clone()]).await?;
    transport.send(&hub, [largest]).await?;
    for delivery in [receiver.receive().await?, listener.receive().await?] {
        let Received::Packets(packets) = delivery else {
            return Err(Failure::new(format!("{delivery:?}")));
        };
        let sizes: Vec<usize> = packets.iter().map(|packet| packet.body.len()).collect();
        same("sizes", sizes, [limits.packet_bytes])?;
    }
    Ok(())
}

async fn oversized<T: Transport>(transport: &T) -> Result<(), Failure> {
    let hub = address("hub")?;
    let _receiver = transport.subscribe(&subscription(">")?.with_capacity(1)).await?;
    let _listener = transport.listen(&hub, 1).await?;
    for refused in [
        transport.publish([failed("x"), failed("y")]).await.map(drop),
        transport.send(&hub, [failed("x"), failed("y")]).await,
    ] {
        same("reason", refused.map_err(|error| error.code()), Err("too-large"))?;
    }
    Ok(())
}

async fn many_publishers<T: Transport>(transport: &T) -> Result<(), Failure> {
    let mut receivers = Vec::new();
    for _ in 0..3 {
        receivers.push(transport.subscribe(&subscription(">")?).await?);
    }
    let publish = async |who: usize| -> Result<(), Failure> {
        for number in 0..40 {
            transport.publish([failed(&format!("{who} {number}"))]).await?;
        }
        Ok(())
    };
    together((0..8).map(publish)).await.into_iter().collect::<Result<(), Failure>>()?;
    let mut orders = Vec::new();
    for receiver in &mut receivers {
        let (bodies, gaps) = receive(receiver, 320).await?;
        same("gaps", gaps, Vec::new())?;
        for who in 0..8 {
            let own: Vec<&String> =
                bodies.iter().filter(|body| body.starts_with(&format!("{who} "))).collect();
            let expected: Vec<String> = (0..40).map(|number| format!("{who} {number}")).collect();
            same("order", own, expected.iter().collect::<Vec<_>>())?;
        }
        orders.push(bodies);
    }
    Ok(())
}

async fn receiving_given_up<T: Transport>(transport: &T) -> Result<(), Failure> {
    let mut receiver = transport.subscribe(&subscription(">")?).await?;
    for _ in 0..3 {
        if let Some(delivery) = once(receiver.receive()).await {
            return Err(Failure::new(format!("something came from nowhere: {delivery:?}")));
        }
    }
    transport.publish([failed("a"), failed("b")]).await?;
    // Also one that has begun to take what is there.
    let mut bodies = Vec::new();
    for _ in 0..3 {
        if let Some(Received::Packets(packets)) = once(receiver.receive()).await.transpose()? {
            let text = |packet: &Packet| String::from_utf8_lossy(&packet.body).into_owned();
            bodies.extend(packets.iter().map(text));
        }
    }
    bodies.extend(receive(&mut receiver, 2_usize.saturating_sub(bodies.len())).await?.0);
    same("bodies", bodies, ["a", "b"])
}
