//! What machines promise beyond the laws: bounds of pauses, what attempts and answers carry, no
//! reply to hostile messages. How they do over a bad network, the simulated world shows.

use super::{allocation, ask, asked, checked, corr, id, ignored, name, now, outputs, request};
use crate::support::{Rng, mutate, scaled};
use coordination_protocol::machine::{
    Backoff, Machine, Outbound, OutboundRequest, Purpose, Rejected, RequestInput, RequestOutput,
    Requester, RespondInput, RespondOptions, RespondOutput, Responder, SplitMix64, Timers,
};
use coordination_protocol::message::Message;
use coordination_protocol::scalar::{Instant, Now, RequestId};
use coordination_protocol::validate::{Gate, Validator};
use coordination_protocol::{Envelope, Mode};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

proptest! {
    /// A pause is within 1 ms and its ceiling; ceilings never shrink and never exceed the cap.
    #[test]
    fn pauses_are_bounded(
        base in 0_u64..100_000, cap in 0_u64..200_000, factor in 0_u32..9,
        attempt in 0_u32..2_000, seed: u64,
    ) {
        let (base, cap) = (Duration::from_millis(base), Duration::from_millis(cap));
        let backoff = Backoff::new().with_base(base).with_cap(cap).with_factor(factor);
        let least = Duration::from_millis(1);
        let ceiling = backoff.ceiling(attempt);
        prop_assert!(ceiling >= least && ceiling <= cap.max(least));
        prop_assert!(backoff.ceiling(attempt + 1) >= ceiling);
        if factor >= 2 && attempt < 10 && base >= least {
            let exact = base * factor.pow(attempt.saturating_sub(1));
            prop_assert_eq!(ceiling, exact.min(cap).max(least));
        }
        let pause = backoff.pause(attempt, &mut SplitMix64::new(seed));
        prop_assert!(pause >= least && pause <= ceiling);
        prop_assert_eq!(pause, backoff.pause(attempt, &mut SplitMix64::new(seed)));
    }

    /// Timers are a sorted list of which each key has one.
    #[test]
    fn timers_agree_with_a_list(steps in prop::collection::vec((0_u8..6, prop::option::of(0_u64..9)), 0..60)) {
        let mut timers = Timers::new();
        let mut model: BTreeMap<u8, Instant> = BTreeMap::new();
        for (key, at) in steps {
            if key == 5 {
                let now = Instant::from_nanos(at.unwrap_or(4));
                let due = model.iter().map(|(key, at)| (*at, *key)).min().filter(|(at, _)| *at <= now);
                prop_assert_eq!(timers.due(now), due.map(|(_, key)| key));
                due.map(|(_, key)| model.remove(&key));
            } else {
                timers.set(key, at.map(Instant::from_nanos));
                match at {
                    Some(at) => model.insert(key, Instant::from_nanos(at)),
                    None => model.remove(&key),
                };
            }
            prop_assert_eq!(timers.earliest(), model.values().min().copied());
            prop_assert_eq!(timers.is_empty(), model.is_empty());
        }
    }
}

/// The jitter is full: pauses come from all parts of the range.
#[test]
fn jitter_is_full() {
    let backoff = Backoff::new();
    let mut rng = SplitMix64::new(3);
    let mut tenths = [0_usize; 10];
    for _ in 0..10_000 {
        let pause = backoff.pause(5, &mut rng).as_millis() - 1;
        tenths[usize::try_from(pause).unwrap() * 10 / 16_000] += 1;
    }
    assert!(tenths.iter().all(|count| (850..1_150).contains(count)), "{tenths:?}");
    // The sequence is part of what a seed promises.
    let mut rng = SplitMix64::new(0);
    assert_eq!([rng.next_u64(), rng.next_u64()], [0xE220_A839_7B1D_CDAF, 0x6E78_9E6A_A1B9_65F4]);
}

#[test]
fn moments_end_where_the_clock_does() {
    let last = Instant::from_nanos(u64::MAX);
    assert_eq!(last.after(Duration::from_nanos(1)), None);
    assert_eq!(Instant::START.after(Duration::MAX), None);
    assert_eq!(Instant::from_millis(u64::MAX), last);
    assert_eq!(Now::new(Instant::START, -1).id_millis(), 0);
    assert_eq!(Now::new(Instant::START, -1).timestamp().as_str(), "1969-12-31T23:59:59.999Z");
    // A request at the end of the clock waits for ever rather than for no time.
    let mut machine = Requester::new(name("hub"), 1);
    let end = Now::new(last, 0);
    machine.handle(end, asked("req_1")).unwrap();
    machine.handle_timeout(end);
    assert_eq!(machine.deadline(), None);
    assert_eq!(outputs(&mut machine), ["send allocation_request req_1 attempt=1"]);
}

/// All attempts are one exchange; each is a message of its own.
#[test]
fn attempts_carry_what_the_specification_asks_for() {
    let mut machine = Requester::new(name("hub"), 1);
    machine.handle(now(0), asked("req_1")).unwrap();
    let mut sent: Vec<Envelope> = Vec::new();
    while let Some(at) = machine.deadline() {
        machine.handle_timeout(now(at.as_nanos() / 1_000_000));
    }
    while let Some(output) = machine.poll() {
        if let RequestOutput::Send(Outbound { envelope, to, purpose, .. }) = output {
            sent.push(*envelope);
            let attempt = u32::try_from(sent.len()).unwrap();
            assert_eq!((to, purpose), (Vec::new(), Purpose::Request { attempt }));
        }
    }
    assert_eq!(sent.len(), 3);
    for envelope in &sent {
        let header = &envelope.header;
        assert_eq!(header.request_id, Some(id("req_1")));
        assert_eq!(header.correlation_id, Some(corr("req_1")));
        assert_eq!(header.response_required, Some(true));
        assert_eq!(header.source, Some(name("hub")));
        assert_eq!(allocation(envelope), allocation(&sent[0]));
        let strict = Validator::new(Mode::Strict);
        let text = envelope.to_string();
        assert!(Gate::new(strict).accept(text.as_bytes(), 0, None).is_ok(), "{text}");
    }
    let ids: BTreeSet<_> = sent.iter().map(|e| e.header.message_id.clone().unwrap()).collect();
    assert_eq!(ids.len(), 3);
    let time = |e: &Envelope| e.header.timestamp.as_ref().unwrap().unix_millis().unwrap();
    let times: BTreeSet<_> = sent.iter().map(time).collect();
    assert_eq!(times.iter().next(), Some(&now(0).wall.unix_millis()));
    assert_eq!(times.len(), 3);
}

/// Identifiers that are missing are made from the given bytes; given ones stay.
#[test]
fn identifiers_are_made_from_given_bytes() {
    let ask = ask("req_1");
    assert_eq!(ask.request_id(), &id("req_1"));
    let text = r#"{"release":{"allocation_id":"alloc_1","release_reason":"done"}}"#;
    let envelope = checked(text).into_inner();
    let made = |bytes| OutboundRequest::new(envelope.clone(), now(0), bytes).request_id().clone();
    assert_eq!(made([1; 10]), RequestId::generate(now(0).id_millis(), [1; 10]));
    assert_ne!(made([1; 10]), made([2; 10]));
}

/// Answers repeat request, correlation and cause, and pass the strict reader.
#[test]
fn answers_carry_what_the_specification_asks_for() {
    let options = RespondOptions::new().with_concurrent(1);
    let mut machine = Responder::new(name("rm"), 1).with_options(options);
    for which in ["req_1", "req_2"] {
        let mut envelope = request(which, 3, "");
        envelope.header.message_id = Some(format!("msg_{which}").as_str().try_into().unwrap());
        machine.receive(now(5_000), *checked(&envelope.to_string()));
    }
    assert!(matches!(machine.poll(), Some(RespondOutput::Execute { .. })));
    let Some(RespondOutput::Send(Outbound { to, envelope, purpose, .. })) = machine.poll() else {
        panic!("no answer")
    };
    assert_eq!((to, purpose), (vec![name("hub")], Purpose::Answer));
    let header = &envelope.header;
    assert_eq!(header.response_to, Some(id("req_2")));
    assert_eq!(header.request_id, Some(id("req_2")));
    assert_eq!(header.correlation_id, Some(corr("req_2")));
    assert_eq!(header.causation_id.as_ref().unwrap().as_str(), "msg_req_2");
    assert_eq!(header.source, Some(name("rm")));
    let Message::ErrorReport(report) = &envelope.message else { panic!("{envelope}") };
    assert_eq!(report.workflow_id.as_ref().unwrap().as_str(), "wf_001");
    assert_eq!(report.classification.recoverable, Some(true));
    assert_eq!(report.recovery_suggestions.as_ref().unwrap().len(), 1);
    let text = envelope.to_string();
    let mut gate = Gate::new(Validator::new(Mode::Strict));
    assert!(gate.accept(text.as_bytes(), now(5_000).wall, None).is_ok(), "{text}");
}

/// A requester that does not wait is not answered.
#[test]
fn who_does_not_wait_is_not_answered() {
    let mut machine = Responder::new(name("rm"), 1);
    let text = request("req_1", 3, "")
        .to_string()
        .replace("response_required\":true", "response_required\":false");
    for _ in 0..2 {
        machine.receive(now(0), *checked(&text));
    }
    assert_eq!(outputs(&mut machine), ["execute req_1 of hub"]);
    let key = machine.running().next().unwrap().clone();
    let answer = super::answer("req_1", "", "approved").into_inner().message;
    machine.handle(now(1), RespondInput::Answer(key, Box::new(answer))).unwrap();
    machine.receive(now(2), *checked(&text));
    assert!(outputs(&mut machine).is_empty());
}

/// What was sent by no one in particular, or cannot be read, causes no reply, however often.
#[test]
fn hostile_messages_cause_no_reply() {
    let options = RespondOptions::new().with_accepted(name("hub"));
    let mut machine = Responder::new(name("rm"), 1).with_options(options);
    let mut gate = Gate::new(Validator::new(Mode::Strict));
    let mut rng = Rng::new(11);
    let (mut dead_lettered, mut answered) = (0, 0);
    for round in 0..scaled(4_000) {
        // The identifier of the accepted source is the one thing that hostile texts do not have.
        let text = request(&format!("req_{round}"), 3, "").to_string().replace("hub", "h4x0r");
        let mut record = text.into_bytes();
        mutate(&mut rng, &mut record);
        let Err(report) = gate.accept(&record, now(0).wall, None) else { continue };
        let rejected = Rejected::new(record, report);
        machine.handle(now(0), RespondInput::Rejected(Box::new(rejected))).unwrap();
        while let Some(output) = machine.poll() {
            match output {
                RespondOutput::DeadLetter(letter) => {
                    dead_lettered += 1;
                    let text = Envelope::from(*letter).to_string();
                    assert!(gate.accept(text.as_bytes(), now(0).wall, None).is_ok(), "{text}");
                }
                other => {
                    answered += 1;
                    panic!("{answered}: {other}");
                }
            }
        }
    }
    assert!(dead_lettered > 1_000, "{dead_lettered}");
}

/// The source that the transport knows counts if the message names none, and must not differ.
#[test]
fn a_known_source_counts() {
    let options = RespondOptions::new().with_accepted(name("hub"));
    let mut machine = Responder::new(name("rm"), 1).with_options(options);
    let mut play = |source: &str, from: &str| {
        let record = format!(
            r#"{{{source}"request_id":"req_1","correlation_id":"corr_1","response_required":true,"allocation_request":{{}}}}"#,
        );
        let mut gate = Gate::new(Validator::new(Mode::Strict));
        let report = gate.accept(record.as_bytes(), now(0).wall, None).unwrap_err();
        let rejected = Rejected::new(record, report).with_source(name(from));
        machine.handle(now(0), RespondInput::Rejected(Box::new(rejected))).unwrap();
        outputs(&mut machine).remove(0).split(' ').next().unwrap().to_owned()
    };
    assert_eq!(play("", "hub"), "send");
    assert_eq!(play(r#""source":"hub","#, "hub"), "send");
    assert_eq!(play("", "stranger"), "dead");
    assert_eq!(play(r#""source":"hub","#, "stranger"), "dead");
    assert_eq!(play(r#""source":"stranger","#, "hub"), "dead");
}

/// A peer of protocol 1.0.0 has no `source` to write; its answer is told by the correlation.
#[test]
fn an_answer_without_source_is_told_by_its_correlation() {
    let answer = |header: &str| {
        let text = format!(
            r#"{{"request_id":"req_1"{header},"allocation_response":{{"response_id":"resp_1","request_id":"req_1",
                "status":"denied","timestamp":"2025-01-15T12:00:00Z","reason":"none left"}}}}"#,
        );
        checked(&text)
    };
    let mut requester = Requester::new(name("hub"), 1);
    let asked = RequestInput::Start(Box::new(ask("req_1").with_peer(name("rm"))));
    requester.handle(now(0), asked).unwrap();
    let foreign = "wrong-sender, another component was asked `req_1`";
    for header in ["", r#","source":"eve","correlation_id":"corr_req_1""#] {
        assert_eq!(ignored(&mut requester, answer(header)), foreign);
    }
    requester.receive(now(1), *answer(r#","correlation_id":"corr_req_1""#));
    assert_eq!(outputs(&mut requester).last().unwrap(), "end req_1 answered attempts=1");
}

/// The question about conflicts has its identifier in the body, as the request for resources has.
#[test]
fn a_conflict_check_is_asked_under_its_own_identifier() {
    let check = coordination_protocol::message::ConflictCheck::new(id("req_7"));
    let mut requester = Requester::new(name("hub"), 1);
    let mut envelope = Envelope::from(check.clone());
    let input = RequestInput::Start(Box::new(OutboundRequest::new(check, now(0), [7; 10])));
    requester.handle(now(0), input).unwrap();
    assert_eq!(outputs(&mut requester), ["send conflict_check req_7 attempt=1"]);
    envelope.header.request_id = Some(id("req_8"));
    let input =
        RequestInput::Start(Box::new(OutboundRequest::new(envelope.clone(), now(0), [7; 10])));
    let refused = requester.handle(now(0), input).unwrap_err();
    assert_eq!(refused.to_string(), "the header says `req_8` and the body `req_7`");
    envelope.header.request_id = None;
    let mut responder = Responder::new(name("rm"), 1);
    responder.receive(now(0), *checked(&envelope.to_string()));
    assert_eq!(outputs(&mut responder), ["execute req_7"]);
}
