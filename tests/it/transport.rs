//! Transport: the in-memory one against the conformance kit, threads, framing.

use crate::support::{Rng, scaled};
use coordination_protocol::error::IntoReport;
use coordination_protocol::route::{Pattern, RouteKey};
use coordination_protocol::storage::block_on;
use coordination_protocol::transport::{
    Address, AddressFault, FrameFault, LineDecoder, MemoryTransport, Overflow, Packet, Packets,
    Received, Receiver, Subscription, Transport, TransportError, TransportLimits, encode_line,
};

fn packet(body: &str) -> Packet {
    Packet::new(RouteKey::new("TASK_FAILED", "wf_1", "build"), body.as_bytes())
}

fn all() -> Subscription {
    Subscription::new(Pattern::parse(">").unwrap())
}

#[cfg(feature = "conformance")]
#[test]
fn memory_passes_the_kit() {
    use coordination_protocol::conformance::{self, transport};
    let summary = block_on(conformance::run(&transport::cases(), MemoryTransport::new));
    assert_eq!(summary.not_declared, [""; 0]);
    summary.into_result().unwrap_or_else(|failures| panic!("{failures}"));
}

/// Each case of the kit finds a transport that breaks its promise, and lets pass what is not promised.
#[cfg(feature = "conformance")]
mod faulty {
    use super::*;
    use coordination_protocol::conformance::{self, ConformanceSummary, transport};
    use coordination_protocol::transport::{MemoryReceiver, Promises, Receipt};
    use std::future::poll_fn;
    use std::sync::{Arc, Mutex};
    use std::task::Poll;
    use std::time::Duration;

    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Fault {
        AcceptsWhatIsRefused,
        BreaksBatches,
        CountsTooMuch,
        ForgetsDropped,
        HoldsLess,
        HoldsMore,
        IgnoresGroups,
        IgnoresPatterns,
        KeepsClosed,
        LosesEverySeventh,
        Replays,
        Reverses,
        RefusesForSlow,
        SendsToAll,
        TwoListeners,
    }

    struct Faulty {
        inner: MemoryTransport,
        fault: Fault,
        promises: Promises,
        published: Mutex<Vec<Packet>>,
        kept: Mutex<Vec<MemoryReceiver>>,
    }

    struct FaultyReceiver(MemoryReceiver, Fault);

    impl Receiver for FaultyReceiver {
        async fn receive(&mut self) -> Result<Received, TransportError> {
            let received = self.0.receive().await;
            if self.1 == Fault::ForgetsDropped {
                // What was taken is lost if the future is dropped here.
                pause().await;
            }
            received
        }
    }

    /// Is ready when it is asked the second time.
    async fn pause() {
        let mut asked = false;
        poll_fn(|context| {
            if std::mem::replace(&mut asked, true) {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }

    impl Transport for Faulty {
        type Receiver = FaultyReceiver;

        fn limits(&self) -> TransportLimits {
            let limits = self.inner.limits();
            match self.fault {
                Fault::CountsTooMuch => limits.with_packet_bytes(limits.packet_bytes - 1),
                _ => limits,
            }
        }

        fn promises(&self) -> Promises {
            self.promises
        }

        async fn publish(
            &self,
            packets: impl Into<Arc<[Packet]>> + Send,
        ) -> Result<Receipt, TransportError> {
            let mut packets = packets.into().to_vec();
            {
                let mut published = self.published.lock().unwrap();
                let before = published.len();
                published.extend(packets.iter().cloned());
                if self.fault == Fault::LosesEverySeventh {
                    let mut number = before;
                    packets.retain(|_| {
                        number += 1;
                        !number.is_multiple_of(7)
                    });
                }
            }
            match self.fault {
                Fault::Reverses => packets.reverse(),
                Fault::BreaksBatches => {
                    self.inner.limits().check(&packets)?;
                    for packet in packets {
                        self.inner.publish([packet]).await?;
                    }
                    return Ok(Receipt::new(None));
                }
                _ => {}
            }
            match self.inner.publish(packets).await {
                Err(TransportError::Busy { .. }) if self.fault == Fault::AcceptsWhatIsRefused => {
                    Ok(Receipt::new(None))
                }
                other => other,
            }
        }

        async fn subscribe(&self, wanted: &Subscription) -> Result<FaultyReceiver, TransportError> {
            let mut own = wanted.clone();
            match self.fault {
                Fault::IgnoresPatterns => own.pattern = Pattern::parse(">").unwrap(),
                Fault::IgnoresGroups => own.group = None,
                Fault::HoldsMore => own.capacity += 2,
                Fault::HoldsLess => own.capacity = own.capacity.min(1),
                Fault::RefusesForSlow => own.overflow = Overflow::Refuse,
                Fault::KeepsClosed => {
                    let kept = self.inner.subscribe(wanted).await?;
                    self.kept.lock().unwrap().push(kept);
                }
                _ => {}
            }
            let receiver = self.inner.subscribe(&own).await?;
            if self.fault == Fault::Replays {
                let published = self.published.lock().unwrap().clone();
                self.inner.publish(published).await?;
            }
            Ok(FaultyReceiver(receiver, self.fault))
        }

        async fn send(
            &self,
            to: &Address,
            packets: impl Into<Arc<[Packet]>> + Send,
        ) -> Result<(), TransportError> {
            let packets = packets.into();
            if self.fault == Fault::SendsToAll {
                self.inner.publish(Arc::clone(&packets)).await?;
            }
            self.inner.send(to, packets).await
        }

        async fn listen(
            &self,
            at: &Address,
            capacity: usize,
        ) -> Result<FaultyReceiver, TransportError> {
            let more = if self.fault == Fault::HoldsMore { 2 } else { 0 };
            let receiver = match self.inner.listen(at, capacity + more).await {
                Err(TransportError::AddressTaken { .. }) if self.fault == Fault::TwoListeners => {
                    let other = Address::new(&format!("{at}-2")).unwrap();
                    self.inner.listen(&other, capacity).await
                }
                other => other,
            };
            Ok(FaultyReceiver(receiver?, self.fault))
        }
    }

    fn judge(fault: Fault, promises: Promises) -> ConformanceSummary {
        let open = async || {
            Ok::<_, TransportError>(Faulty {
                inner: MemoryTransport::new(),
                fault,
                promises,
                published: Mutex::default(),
                kept: Mutex::default(),
            })
        };
        // A case that waits for what was lost never ends; nothing here takes a thousand polls.
        let patience = |_| conformance::polls(1_000);
        let cases = transport::cases();
        block_on(conformance::run_within(&cases, open, Duration::from_secs(1), patience))
    }

    #[test]
    fn the_kit_finds_each_fault() {
        let expected: &[(Fault, &[&str])] = &[
            (Fault::IgnoresPatterns, &["selection"]),
            (Fault::Reverses, &["batches"]),
            (Fault::Replays, &["from_then_on"]),
            (Fault::KeepsClosed, &["closed_receivers"]),
            (Fault::LosesEverySeventh, &["no_silence", "slow_beside_fast", "many_publishers"]),
            (Fault::IgnoresGroups, &["groups", "full_members"]),
            (Fault::RefusesForSlow, &["slow_beside_fast", "no_silence", "gaps"]),
            (Fault::SendsToAll, &["addresses"]),
            (Fault::CountsTooMuch, &["large"]),
            (Fault::ForgetsDropped, &["receiving_given_up"]),
            (Fault::AcceptsWhatIsRefused, &["busy", "full_members", "whole_batches"]),
            (Fault::HoldsMore, &["busy", "oversized", "gaps", "full_members", "busy_listeners"]),
            (Fault::HoldsLess, &["busy", "gaps", "full_members"]),
            (Fault::BreaksBatches, &["whole_batches"]),
            (Fault::TwoListeners, &["listeners"]),
        ];
        let mut found = Vec::new();
        for (fault, cases) in expected {
            let summary = judge(*fault, Promises::ALL);
            let failed: Vec<&str> = summary.failed.iter().map(|(name, _, _)| *name).collect();
            for case in *cases {
                assert!(failed.contains(case), "{fault:?}: {case} passed; failed: {failed:?}");
            }
            found.extend_from_slice(cases);
        }
        let cases = transport::cases::<MemoryTransport>();
        for case in cases {
            assert!(found.contains(&case.name), "no fault shows that {} can fail", case.name);
        }
    }

    /// What is not declared is not asked for.
    #[test]
    fn the_kit_asks_for_what_is_declared() {
        let rest = Promises::ALL.with_bounded_queues(false);
        let summary = judge(Fault::HoldsMore, rest);
        assert_eq!(
            summary.not_declared,
            ["busy", "oversized", "gaps", "full_members", "busy_listeners"]
        );
        summary.into_result().unwrap();
        let summary = judge(Fault::TwoListeners, Promises::ALL.with_unique_listeners(false));
        assert_eq!(summary.not_declared, ["listeners"]);
        summary.into_result().unwrap();
        let summary = judge(Fault::BreaksBatches, Promises::NONE);
        assert_eq!(summary.not_declared.len(), 7);
        summary.into_result().unwrap();
    }
}

#[test]
fn a_closed_transport_gives_what_it_holds() {
    block_on(async {
        let transport = MemoryTransport::new();
        let hub = Address::new("hub").unwrap();
        let mut receiver = transport.subscribe(&all()).await?;
        let mut listener = transport.listen(&hub, 5).await?;
        transport.publish([packet("a")]).await?;
        transport.send(&hub, [packet("b")]).await?;
        let other = transport.clone();
        drop(transport);
        other.publish([packet("c")]).await?;
        other.close();
        for closed in [
            other.publish([packet("d")]).await.map(drop),
            other.send(&hub, [packet("d")]).await,
            other.subscribe(&all()).await.map(drop),
            other.listen(&hub, 1).await.map(drop),
        ] {
            assert_eq!(closed.unwrap_err(), TransportError::Closed);
        }
        for (receiver, bodies) in [(&mut receiver, &["a", "c"][..]), (&mut listener, &["b"])] {
            for body in bodies {
                let Received::Packets(packets) = receiver.receive().await? else { panic!("a gap") };
                assert_eq!(&*packets.iter().next().unwrap().body, body.as_bytes());
            }
            assert_eq!(receiver.receive().await.unwrap_err(), TransportError::Closed);
        }
        Ok::<(), TransportError>(())
    })
    .unwrap();
}

#[test]
fn dropping_the_last_handle_wakes_those_who_wait() {
    let transport = MemoryTransport::new();
    let mut receiver = block_on(transport.subscribe(&all())).unwrap();
    let waits = std::thread::spawn(move || block_on(receiver.receive()).unwrap_err());
    drop(transport);
    assert_eq!(waits.join().unwrap(), TransportError::Closed);
}

#[test]
fn receivers_are_bounded() {
    block_on(async {
        let limits = TransportLimits::default().with_receivers(2);
        let transport = MemoryTransport::new().with_limits(limits);
        let first = transport.subscribe(&all()).await?;
        let _second = transport.listen(&Address::new("hub").unwrap(), 1).await?;
        let third = transport.subscribe(&all()).await.unwrap_err();
        assert_eq!(third.to_string(), "the transport has 3 receivers, at most 2 are allowed");
        drop(first);
        transport.subscribe(&all()).await.map(drop)
    })
    .unwrap();
}

/// Publishers, fast and slow subscribers on threads of their own: nothing is lost in silence.
#[test]
fn what_was_published_is_received_or_in_a_gap() {
    let transport = MemoryTransport::new();
    let (publishers, each) = (4, scaled(500));
    let total = (publishers * each) as u64;
    let count = |overflow| {
        let wanted = all().with_capacity(16).with_overflow(overflow);
        let mut receiver = block_on(transport.subscribe(&wanted)).unwrap();
        std::thread::spawn(move || {
            let (mut taken, mut dropped, mut last) = (0, 0, 0);
            loop {
                match block_on(receiver.receive()) {
                    Ok(Received::Packets(packets)) => {
                        taken += packets.len() as u64;
                        for sequence in packets.sequences() {
                            assert!(sequence > last);
                            last = sequence;
                        }
                    }
                    Ok(Received::Gap(gap)) => {
                        assert!(gap.from > last && gap.from <= gap.to);
                        assert_eq!(gap.to - gap.from + 1, gap.dropped);
                        dropped += gap.dropped;
                        last = gap.to;
                    }
                    Ok(other) => panic!("{other:?}"),
                    Err(error) => {
                        assert_eq!(error, TransportError::Closed);
                        return (taken, dropped);
                    }
                }
            }
        })
    };
    let (patient, lossy) = (count(Overflow::Refuse), count(Overflow::DropOldest));
    let threads: Vec<_> = (0..publishers)
        .map(|who| {
            let transport = transport.clone();
            std::thread::spawn(move || {
                let mut rng = Rng::new(who as u64);
                let mut left = each;
                while left > 0 {
                    let some = (1 + rng.below(5)).min(left);
                    let batch: Vec<Packet> = (0..some).map(|_| packet("x")).collect();
                    match block_on(transport.publish(batch)) {
                        Ok(receipt) => {
                            assert_eq!(receipt.receivers, Some(2));
                            left -= some;
                        }
                        Err(error) => {
                            assert_eq!(error.code(), "busy");
                            std::thread::yield_now();
                        }
                    }
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    transport.close();
    assert_eq!(patient.join().unwrap(), (total, 0));
    let (received, dropped) = lossy.join().unwrap();
    assert_eq!(received + dropped, total);
}

#[test]
fn picked_packets_keep_their_numbers() {
    let batch: std::sync::Arc<[Packet]> = ["a", "b", "c", "d"].map(packet).into();
    let packets = Packets::picked(batch, 10, [1, 3, 7]);
    assert_eq!(packets.sequences().collect::<Vec<_>>(), [11, 13]);
    let bodies: Vec<&[u8]> = packets.iter().map(|packet| &*packet.body).collect();
    assert_eq!(bodies, [b"b", b"d"]);
    assert_eq!((packets.len(), packets.is_empty()), (2, false));
}

#[test]
fn every_error_has_its_sentence_reason_and_advice() {
    let address = || "hub".to_owned();
    for (error, reason, transient, sentence) in [
        (
            TransportError::Busy { queue: "*.failed".to_owned(), limit: 2 },
            "busy",
            true,
            "the queue of `*.failed` is full; it holds 2 packets",
        ),
        (
            TransportError::TooLarge { what: "a body", unit: "bytes", size: 3, limit: 2 },
            "too-large",
            false,
            "a body has 3 bytes, at most 2 are allowed",
        ),
        (
            TransportError::NoListener { address: address() },
            "no-listener",
            true,
            "no receiver listens at `hub`",
        ),
        (
            TransportError::AddressTaken { address: address() },
            "address-taken",
            false,
            "`hub` has a listener already",
        ),
        (TransportError::Closed, "closed", false, "the transport is closed"),
        (
            TransportError::unavailable("x"),
            "unavailable",
            true,
            "the transport is not available: x",
        ),
    ] {
        assert_eq!(error.to_string(), sentence);
        assert_eq!((error.code(), error.is_transient()), (reason, transient));
        let problem = error.problem();
        assert!(!problem.suggestions.is_empty() && problem.message == sentence);
    }
}

#[test]
fn addresses_are_checked() {
    let long = "x".repeat(257);
    for (text, error, sentence) in [
        ("", AddressFault::Empty, "an address cannot be empty"),
        (
            &long,
            AddressFault::TooLong { bytes: 257 },
            "an address has at most 256 bytes, this one has 257",
        ),
        (
            "a\tb",
            AddressFault::Character { found: '\t', at: 1 },
            "an address cannot contain '\\t' (at byte 1)",
        ),
    ] {
        assert_eq!(text.parse::<Address>(), Err(error.clone().into()));
        assert_eq!(error.to_string(), sentence);
    }
    assert_eq!(Address::new(&long[1..]).unwrap().to_string(), long[1..]);
}

/// Decodes in pieces of these sizes, in turn.
fn decode(limit: usize, stream: &[u8], sizes: &[usize]) -> Vec<Result<Vec<u8>, TransportError>> {
    let mut decoder = LineDecoder::new(limit);
    let mut found = Vec::new();
    let (mut rest, mut sizes) = (stream, sizes.iter().cycle());
    while !rest.is_empty() {
        let size = (*sizes.next().unwrap()).clamp(1, rest.len());
        let (mut piece, later) = rest.split_at(size);
        rest = later;
        while let Some(line) = decoder.next_line(&mut piece) {
            found.push(line.map(<[u8]>::to_vec));
        }
        assert!(piece.is_empty());
        assert!(decoder.partial().len() <= limit + 1);
    }
    found.extend(decoder.finish().err().map(Err));
    assert_eq!(decoder.finish(), Ok(()));
    found
}

#[test]
fn lines_are_cut_however_the_bytes_come() {
    let mut rng = Rng::new(5);
    for _ in 0..scaled(2_000) {
        let limit = 1 + rng.below(12);
        let stream: Vec<u8> = (0..rng.below(80))
            .map(|_| *rng.pick(&[b"a", b"\n", b"\r", b"\xff", b"b", b"c"]).first().unwrap())
            .collect();
        // The model: split, strip, judge.
        let mut expected = Vec::new();
        let mut at = 0;
        let mut lines: Vec<&[u8]> = stream.split(|byte| *byte == b'\n').collect();
        let last = lines.pop().unwrap();
        for line in lines {
            let stripped = line.strip_suffix(b"\r").unwrap_or(line);
            if stripped.len() > limit {
                let bytes = stripped.len() as u64;
                expected.push(Err(FrameFault::TooLong { at, bytes, limit }.into()));
            } else if !stripped.is_empty() {
                expected.push(Ok(stripped.to_vec()));
            }
            at += line.len() as u64 + 1;
        }
        if !last.is_empty() {
            expected.push(Err(FrameFault::Unterminated { at, bytes: last.len() as u64 }.into()));
        }
        let sizes: Vec<usize> = (0..5).map(|_| 1 + rng.below(9)).collect();
        for sizes in [&[usize::MAX][..], &[1], &sizes] {
            assert_eq!(decode(limit, &stream, sizes), expected, "{stream:?} {limit} {sizes:?}");
        }
    }
}

#[test]
fn lines_that_are_written_read_back() {
    let mut out = Vec::new();
    for (line, error, sentence) in [
        (&b""[..], FrameFault::Empty, "a line cannot be empty"),
        (
            b"a\nb",
            FrameFault::LineBreak { at: 1 },
            "a line cannot contain a line break (at byte 1)",
        ),
        (
            b"ab\r",
            FrameFault::LineBreak { at: 2 },
            "a line cannot contain a line break (at byte 2)",
        ),
    ] {
        assert_eq!(encode_line(line, &mut out), Err(error.clone().into()));
        assert_eq!(error.to_string(), sentence);
        assert!(out.is_empty());
    }
    let lines = [&b"one"[..], b"\xff\0", b"three "];
    for line in lines {
        encode_line(line, &mut out).unwrap();
    }
    let found: Vec<Vec<u8>> = decode(10, &out, &[2]).into_iter().collect::<Result<_, _>>().unwrap();
    assert_eq!(found, lines);
    assert_eq!(
        FrameFault::TooLong { at: 3, bytes: 9, limit: 8 }.to_string(),
        "the line at byte 3 has 9 bytes, at most 8 are allowed"
    );
    assert_eq!(
        FrameFault::Unterminated { at: 3, bytes: 9 }.to_string(),
        "the stream ended in the line at byte 3, after 9 bytes"
    );
    let mut input = &*[b"x".repeat(65_536), b"\n".to_vec()].concat();
    assert!(LineDecoder::default().next_line(&mut input).unwrap().is_ok());
}
