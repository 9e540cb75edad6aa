//! Delivery: its laws and transcripts, the sentences of its refusals, and a ledger of what became of
//! every message in random runs.

mod bounds;
mod hosted;
mod ledger;
mod receipts;

use super::laws::all;
use super::{START, checked, ignored, name, now, outputs};
use coordination_protocol::error::{IntoReport, Occurrence};
use coordination_protocol::machine::{
    Backoff, Dispatcher, DispatcherError, DispatcherInput, DispatcherOptions, DispatcherOutput,
    Machine, QueueOptions,
};
use coordination_protocol::message::Message;
use coordination_protocol::scalar::{ErrorId, WorkflowId};
use coordination_protocol::validate::{Context, Validator};
use coordination_protocol::{Checked, Envelope, Mode};
pub(crate) use hosted::{Hosted, of};

/// A task event, with what else its header says.
fn event(id: &str, workflow: &str, header: &str, retries: usize) -> Box<Checked<Envelope>> {
    checked(&format!(
        r#"{{"message_id":"{id}","source":"worker"{header},"event":{{"event_type":"TASK_FAILED","workflow_id":"{workflow}","phase":"build",
            "data":{{"task_id":"t1","agent_id":"a1","failure_reason":"exit 1","retry_count":{retries}}}}}}}"#,
    ))
}

fn subscription(who: &str, patterns: &[&str], more: &str) -> Box<Checked<Envelope>> {
    let patterns: Vec<_> = patterns.iter().map(|pattern| format!("\"{pattern}\"")).collect();
    checked(&format!(
        r#"{{"subscription":{{"subscriber":"{who}","patterns":[{}]{more}}}}}"#,
        patterns.join(",")
    ))
}

#[test]
fn dispatcher_keeps_the_laws() {
    all::<Hosted>(&[
        "Deliver {",
        "gap: Some",
        "attempt: 3",
        "Published",
        "Duplicate",
        "Subscribed",
        "Unsubscribed",
        "DeadLetter",
        "Discard",
        "GapUnacknowledged",
        "not acknowledged in time",
        "time to live was over",
        "crashed",
        "no other member",
        "has no subscription",
        "ReceiptsIgnored",
        "reason: Stale",
        "reason: Duplicate",
        "reason: Late",
        "its link was lost",
        "is full; it holds",
        "at most 5 are allowed",
        "is no pattern",
        "the filter of the subscription",
        "has no pattern",
    ]);
}

#[test]
fn refusals_say_what_is_wrong() {
    let mut machine = Dispatcher::new(1).with_options(
        DispatcherOptions::new()
            .with_subscriptions(2)
            .with_queue(QueueOptions::new().with_limit(1)),
    );
    let mut refused = |input| {
        let error = machine.handle(now(0), input).err().map(|error| error.to_string());
        error.unwrap_or_default()
    };
    let subscribe = |message| DispatcherInput::Subscribe(message);
    assert_eq!(refused(subscribe(event("m", "wf_1", "", 0))), "`event` is no subscription");
    let foreign = r#"{"source":"eve","subscription":{"subscriber":"a","patterns":[">"]}}"#;
    assert_eq!(refused(subscribe(checked(foreign))), "`eve` cannot subscribe for `a`");
    assert_eq!(
        refused(subscribe(subscription("a", &[], ""))),
        "the subscription of `a` has no pattern"
    );
    assert_eq!(
        refused(subscribe(subscription("a", &["task..x"], ""))),
        "`task..x` is no pattern: the token at byte 5 is empty"
    );
    let filter = r#","filter":{"exact":{"field":"sorce","value":1}}"#;
    assert_eq!(
        refused(subscribe(subscription("a", &[">"], filter))),
        "the filter of the subscription is none: `sorce` is no field of a header; did you mean `source`? (at /exact/field)"
    );
    assert_eq!(
        refused(subscribe(subscription("a", &["task.>", "phase.>", "agent.>"], ""))),
        "there would be 3 subscriptions, at most 2 are allowed"
    );
    assert_eq!(
        refused(subscribe(subscription("a", &[">"], r#","cancel":true"#))),
        "`a` has no subscription"
    );
    assert_eq!(refused(DispatcherInput::Disconnected(name("a"))), "`a` has no subscription");
    assert_eq!(refused(DispatcherInput::Reconnected(name("a"))), "`a` has no subscription");
    let replay = || DispatcherInput::Redrive(name("a"), event("m", "wf_1", "", 0));
    assert_eq!(refused(replay()), "`a` has no subscription");
    assert_eq!(refused(subscribe(subscription("a", &[">"], ""))), "");
    // Every kind of message has a key, but not what no reader knows.
    let unknown = Validator::new(Mode::Interop)
        .check(r#"{"operation":"status"}"#, &Context::new())
        .accept()
        .expect("it is read");
    assert_eq!(
        refused(DispatcherInput::Publish(Box::new(unknown))),
        "`unknown` has no routing key"
    );
    assert_eq!(refused(DispatcherInput::Publish(event("m1", "wf_1", "", 0))), "");
    let busy = "the queue of `a` is full; it holds 1 messages";
    assert_eq!(refused(DispatcherInput::Publish(event("m2", "wf_1", "", 0))), busy);
    // What others publish or subscribe to is ignored for the same reason.
    let told = |reason: &str, why: &str| format!("{reason}, {why}");
    assert_eq!(ignored(&mut machine, event("m2", "wf_1", "", 0)), told("full", busy));
    assert_eq!(
        ignored(&mut machine, checked(foreign)),
        told("wrong-sender", "`eve` cannot subscribe for `a`")
    );
    let filtered = ignored(&mut machine, subscription("a", &["task..x"], ""));
    assert!(filtered.starts_with("invalid, `task..x` is no pattern"), "{filtered}");
    let mut refused = |input| {
        let error = machine.handle(now(0), input).err().map(|error| error.to_string());
        error.unwrap_or_default()
    };
    assert_eq!(refused(replay()), busy);
    assert_eq!(machine.subscribers().collect::<Vec<_>>(), [(&name("a"), 1)]);
}

#[test]
fn refusals_become_reports() {
    let occurrence =
        Occurrence::new(ErrorId::new("err_1").unwrap(), WorkflowId::global(), now(0).timestamp());
    let busy = DispatcherError::Busy { subscriber: name("a"), limit: 1 };
    for error in [
        busy,
        DispatcherError::TooMany { count: 2, limit: 1 },
        DispatcherError::NotSubscribed(name("a")),
        DispatcherError::NoPattern(name("a")),
    ] {
        let report = error.to_report(&occurrence);
        let suggestions = report.recovery_suggestions.unwrap();
        assert!(suggestions[0].description.as_ref().is_some_and(|text| text.ends_with('.')));
    }
}

/// A dead letter is evidence: what, for whom, how often, when, and why.
#[test]
fn letters_are_evidence() {
    let mut machine = Dispatcher::new(1);
    let subscribe = DispatcherInput::Subscribe(subscription("a", &[">"], ""));
    machine.handle(now(0), subscribe).unwrap();
    let message = event("msg_1", "wf_1", "", 0);
    let text = message.to_string();
    machine.handle(now(0), DispatcherInput::Publish(message)).unwrap();
    while let Some(at) = machine.deadline().filter(|at| *at < now(200_000).at) {
        machine.handle_timeout(now(at.as_nanos() / 1_000_000));
    }
    let letter = std::iter::from_fn(|| machine.poll())
        .find_map(|output| match output {
            DispatcherOutput::DeadLetter(letter) => Some(letter),
            _ => None,
        })
        .unwrap();
    assert_eq!(letter.original, text);
    assert_eq!(letter.subscriber, Some(name("a")));
    assert_eq!(letter.attempts.as_ref().unwrap().get(), 3);
    assert_eq!(letter.reason, "it was not acknowledged in time");
    let millis = |time: &Option<coordination_protocol::scalar::Timestamp>| {
        time.as_ref().unwrap().unix_millis().unwrap() - START
    };
    assert_eq!(millis(&letter.first_attempt_at), 0);
    assert!(millis(&letter.last_attempt_at) > 60_000);
    assert!(millis(&letter.died_at) >= millis(&letter.last_attempt_at) + 30_000);
    // It is a strictly valid message, and what it holds can be published again.
    checked(&Envelope::from(*letter.clone()).to_string());
    let again = checked(&letter.original);
    machine.handle(now(200_000), DispatcherInput::Redrive(name("a"), again)).unwrap();
    assert_eq!(outputs(&mut machine), ["deliver a: 2"]);
}

/// Members of a group share the work, and one that leaves loses nothing.
#[test]
fn a_group_shares_and_takes_over() {
    let options =
        DispatcherOptions::new().with_order(None).with_backoff(Backoff::new().with_attempts(5));
    let mut machine = Dispatcher::new(1).with_options(options);
    for who in ["one", "two", "three"] {
        let input = DispatcherInput::Subscribe(subscription(who, &["task.>"], r#","group":"g""#));
        machine.handle(now(0), input).unwrap();
    }
    for n in 0..30 {
        let input = DispatcherInput::Publish(event(&format!("msg_{n}"), "wf_1", "", 0));
        machine.handle(now(0), input).unwrap();
    }
    let share: Vec<_> = machine.subscribers().map(|(_, count)| count).collect();
    assert_eq!(share, [10, 10, 10]);
    machine.handle(now(0), DispatcherInput::Disconnected(name("one"))).unwrap();
    let cancel = DispatcherInput::Subscribe(subscription("two", &[], r#","cancel":true"#));
    machine.handle(now(0), cancel).unwrap();
    let share: Vec<_> = machine.subscribers().map(|(who, count)| (who.as_str(), count)).collect();
    assert_eq!(share, [("one", 0), ("three", 30)]);
    outputs(&mut machine);
    // No one is left to take over.
    machine.handle(now(0), DispatcherInput::Disconnected(name("three"))).unwrap();
    machine.handle(now(0), DispatcherInput::Reconnected(name("three"))).unwrap();
    let batches = std::iter::from_fn(|| machine.poll());
    let delivered = batches
        .map(|output| match output {
            DispatcherOutput::Deliver { batch, .. } => {
                // The attempts go along from member to member.
                let attempts = batch.iter().map(|item| item.receipt.attempt());
                assert!(attempts.clone().all(|attempt| (2..=4).contains(&attempt)));
                batch.len()
            }
            other => panic!("{other}"),
        })
        .sum::<usize>();
    assert_eq!(delivered, 30);
}

/// The message itself arrives, as it was published.
#[test]
fn messages_arrive_as_they_were_published() {
    let mut machine = Dispatcher::new(1);
    let subscribe = DispatcherInput::Subscribe(subscription("a", &["*.failed"], ""));
    machine.handle(now(0), subscribe).unwrap();
    let message = event("msg_1", "wf_1", r#","priority":"urgent","x":{"y":8.0}"#, 3);
    let sent = message.to_string();
    machine.handle(now(0), DispatcherInput::Publish(message)).unwrap();
    let batch = std::iter::from_fn(|| machine.poll()).find_map(|output| match output {
        DispatcherOutput::Deliver { batch, .. } => Some(batch),
        _ => None,
    });
    let batch = batch.unwrap();
    assert_eq!(batch[0].envelope.to_string(), sent);
    assert!(matches!(batch[0].envelope.message, Message::Event(_)));
}

/// A subscription may hold as many patterns as a message has room for: it costs no more than they do.
#[test]
fn many_patterns_are_refused_at_once() {
    let patterns: Vec<String> = (0..5_000).map(|n| format!("a{n}.b")).collect();
    let patterns: Vec<&str> = patterns.iter().map(String::as_str).collect();
    let mut machine = Dispatcher::new(1);
    let subscribe = |more| DispatcherInput::Subscribe(subscription("a", &patterns, more));
    assert_eq!(
        machine.handle(now(0), subscribe("")).unwrap_err().to_string(),
        "there would be 5000 subscriptions, at most 1000 are allowed"
    );
    let few = DispatcherInput::Subscribe(subscription("a", &patterns[..1_000], ""));
    machine.handle(now(0), few).unwrap();
    machine.handle(now(0), subscribe(r#","cancel":true"#)).unwrap();
    assert_eq!(outputs(&mut machine), ["subscribed a patterns=1000", "unsubscribed a left=0"]);
}
