//! What a subscriber tells settles the message that it was given, or nothing.

use super::{event, subscription};
use crate::machine::{checked, name, now, outputs};
use coordination_protocol::Json;
use coordination_protocol::machine::{
    Dispatcher, DispatcherInput, DispatcherOptions, DispatcherOutput, Machine, QueueOptions,
    Receipt,
};
use coordination_protocol::transport::Overflow;
use std::time::Duration;

fn subscribe(hub: &mut Dispatcher, millis: u64) {
    let input = DispatcherInput::Subscribe(subscription("a", &["task.>"], ""));
    hub.handle(now(millis), input).unwrap();
    outputs(hub);
}

fn publish(hub: &mut Dispatcher, millis: u64, id: &str) -> Receipt {
    hub.handle(now(millis), DispatcherInput::Publish(event(id, "wf_1", "", 0))).unwrap();
    given(hub).0[0]
}

/// The receipts that were given out, and all else.
fn given(hub: &mut Dispatcher) -> (Vec<Receipt>, Vec<String>) {
    let (mut receipts, mut said) = (Vec::new(), Vec::new());
    while let Some(output) = hub.poll() {
        match output {
            DispatcherOutput::Deliver { batch, .. } => {
                receipts.extend(batch.iter().map(|item| item.receipt));
            }
            other => said.push(other.to_string()),
        }
    }
    (receipts, said)
}

fn acknowledge(hub: &mut Dispatcher, millis: u64, receipts: &[Receipt]) -> Vec<String> {
    let input = DispatcherInput::Acknowledge(name("a"), receipts.to_vec());
    hub.handle(now(millis), input).unwrap();
    given(hub).1
}

fn unsettled(hub: &Dispatcher) -> usize {
    hub.subscribers().map(|(_, count)| count).sum()
}

/// All that can be told of an old receipt settles nothing of the message that has its number now.
fn settles_nothing(hub: &mut Dispatcher, old: Receipt, reason: &str) {
    let (who, why) = (|| name("a"), || "x".to_owned());
    for input in [
        DispatcherInput::Acknowledge(who(), vec![old]),
        DispatcherInput::Extend(who(), vec![old]),
        DispatcherInput::Fail(who(), old, why()),
        DispatcherInput::Reject(who(), old, why()),
    ] {
        let before = hub.deadline();
        hub.handle(now(0), input).unwrap();
        let (receipts, said) = given(hub);
        assert!(receipts.is_empty(), "{receipts:?}");
        assert!(said.len() == 1 && said[0].ends_with(reason), "{said:?}");
        assert_eq!((unsettled(hub), hub.deadline()), (1, before));
    }
}

#[test]
fn a_receipt_from_before_a_resubscription_settles_nothing() {
    let mut hub = Dispatcher::new(1);
    subscribe(&mut hub, 0);
    let old = publish(&mut hub, 0, "m1");
    let cancel = DispatcherInput::Subscribe(subscription("a", &[], r#","cancel":true"#));
    hub.handle(now(0), cancel).unwrap();
    outputs(&mut hub);
    let said = acknowledge(&mut hub, 0, &[old]);
    assert_eq!(said, ["ignore acknowledgement of a: 1 (attempt 1) unknown"]);
    subscribe(&mut hub, 0);
    let new = publish(&mut hub, 0, "m2");
    assert_eq!((old.number(), new.number()), (1, 1));
    assert_ne!(old.epoch(), new.epoch());
    settles_nothing(&mut hub, old, "1 (attempt 1) stale");
    assert_eq!(acknowledge(&mut hub, 0, &[new]), [""; 0]);
    assert_eq!(unsettled(&hub), 0);
}

/// The hub goes back to a snapshot from before a message, and another takes its number: in the same
/// moment, with and without identifiers, under the same subscription and under one that is made anew.
#[test]
fn a_receipt_from_before_an_older_snapshot_settles_nothing() {
    let line = |task: &str| {
        checked(&format!(
            r#"TASK_COMPLETED:wf_1:build:{{"task_id":"{task}","agent_id":"a","execution_time":"1s","output_files":[]}}"#
        ))
    };
    let mut fresh = Dispatcher::new(1);
    let unsubscribed = fresh.snapshot().unwrap();
    subscribe(&mut fresh, 0);
    let subscribed = fresh.snapshot().unwrap();
    for snapshot in [unsubscribed, subscribed] {
        let start = |snapshot: &Json| {
            let mut hub = Dispatcher::restore(snapshot).unwrap();
            subscribe(&mut hub, 0);
            hub
        };
        for named in [false, true] {
            let message =
                |which: &str| if named { event(which, "wf_1", "", 0) } else { line(which) };
            let mut hub = start(&snapshot);
            hub.handle(now(0), DispatcherInput::Publish(message("m1"))).unwrap();
            let old = given(&mut hub).0[0];
            let mut hub = start(&snapshot);
            hub.handle(now(0), DispatcherInput::Publish(message("m2"))).unwrap();
            let new = given(&mut hub).0[0];
            assert_eq!((old.number(), old.attempt()), (new.number(), new.attempt()));
            settles_nothing(&mut hub, old, "1 (attempt 1) stale");
            acknowledge(&mut hub, 0, &[new]);
            assert_eq!(unsettled(&hub), 0);
            // Of the message itself, which the snapshot knows, it counts.
            let mut hub = start(&snapshot);
            hub.handle(now(0), DispatcherInput::Publish(message("m1"))).unwrap();
            outputs(&mut hub);
            assert_eq!(acknowledge(&mut hub, 0, &[old]), [""; 0]);
            assert_eq!(unsettled(&hub), 0);
        }
    }
}

#[test]
fn a_receipt_that_was_never_given_settles_nothing() {
    let mut hub = Dispatcher::new(1);
    subscribe(&mut hub, 0);
    let one = publish(&mut hub, 0, "m1");
    let parts: Vec<String> = one.to_string().split('-').map(str::to_owned).collect();
    let made_up = |number: u64, attempt: u32| -> Receipt {
        format!("{}-{}-{number}-{attempt}", parts[0], parts[1]).parse().unwrap()
    };
    settles_nothing(&mut hub, made_up(2, 1), "2 (attempt 1) unknown");
    settles_nothing(&mut hub, made_up(0, 1), "0 (attempt 1) unknown");
    settles_nothing(&mut hub, made_up(1, 2), "1 (attempt 2) stale");
    // It waits behind the first and was not handed over: attempt 0 is none.
    hub.handle(now(0), DispatcherInput::Publish(event("m2", "wf_1", "", 0))).unwrap();
    outputs(&mut hub);
    for attempt in [0, 1] {
        let said = acknowledge(&mut hub, 0, &[made_up(2, attempt)]);
        assert_eq!(said, [format!("ignore acknowledgement of a: 2 (attempt {attempt}) stale")]);
    }
    assert_eq!(unsettled(&hub), 2);
}

/// A message that is given up was perhaps handled: the host learns of it and can take the letter back.
#[test]
fn a_late_acknowledgement_is_told() {
    let mut hub = Dispatcher::new(1);
    subscribe(&mut hub, 0);
    let mut all = vec![publish(&mut hub, 0, "m1")];
    let mut letters = 0;
    while let Some(at) = hub.deadline().filter(|at| *at < now(200_000).at) {
        hub.handle_timeout(now(at.as_nanos() / 1_000_000));
        let (receipts, said) = given(&mut hub);
        all.extend(receipts);
        letters += said.len();
    }
    let attempts: Vec<u32> = all.iter().map(|receipt| receipt.attempt()).collect();
    assert_eq!((attempts, letters), (vec![1, 2, 3], 1));
    let late = "ignore acknowledgement of a: 1 (attempt 3) late";
    assert_eq!(acknowledge(&mut hub, 200_000, &all[2..]), [late]);
    // One that the subscriber settled itself is a repetition.
    let two = publish(&mut hub, 200_000, "m2");
    assert_eq!(acknowledge(&mut hub, 200_000, &[two]), [""; 0]);
    let again = "ignore acknowledgement of a: 2 (attempt 1) duplicate";
    assert_eq!(acknowledge(&mut hub, 200_000, &[two]), [again]);
}

/// Gaps of the same numbers are told apart, too.
#[test]
fn the_receipt_of_an_earlier_gap_hides_nothing() {
    let queue = QueueOptions::new().with_limit(1).with_overflow(Overflow::DropOldest);
    let options = DispatcherOptions::new().with_queue(queue);
    let mut hub = Dispatcher::new(1).with_options(options);
    let mut receipts = Vec::new();
    for round in 0..2 {
        subscribe(&mut hub, round);
        for n in 0..2 {
            let message = event(&format!("m{round}{n}"), "wf_1", "", 0);
            hub.handle(now(round), DispatcherInput::Publish(message)).unwrap();
        }
        while let Some(output) = hub.poll() {
            if let DispatcherOutput::Deliver { gap: Some(notice), .. } = output {
                assert_eq!((notice.gap.from, notice.gap.to), (1, 1));
                receipts.push(notice.receipt);
            }
        }
        if round == 0 {
            let cancel = DispatcherInput::Subscribe(subscription("a", &[], r#","cancel":true"#));
            hub.handle(now(round), cancel).unwrap();
        }
    }
    let mut tell = |receipt| {
        hub.handle(now(2), DispatcherInput::AckGap(name("a"), receipt)).unwrap();
        outputs(&mut hub)
    };
    let stale = "ignore acknowledgement of a gap of a: 1 (attempt 1) stale";
    assert_eq!(tell(receipts[0]), [stale]);
    assert_eq!(tell(receipts[1]), [""; 0]);
    assert_eq!(tell(receipts[1]), [stale]);
}

/// A task of two minutes that says so is performed once. One that says so for ever is not.
#[test]
fn a_long_task_is_handed_over_once() {
    let mut hub = Dispatcher::new(1);
    subscribe(&mut hub, 0);
    let task = publish(&mut hub, 0, "m1");
    let extend = |hub: &mut Dispatcher, millis| {
        hub.handle(now(millis), DispatcherInput::Extend(name("a"), vec![task])).unwrap();
        given(hub).1
    };
    for millis in (20_000..=120_000).step_by(20_000) {
        hub.handle_timeout(now(millis));
        assert_eq!(given(&mut hub), (vec![], vec![]));
        assert_eq!(extend(&mut hub, millis), [""; 0]);
        assert_eq!(hub.deadline(), Some(now(millis + 30_000).at));
    }
    let mut ever = Dispatcher::restore(&hub.snapshot().unwrap()).unwrap();
    assert_eq!(acknowledge(&mut hub, 125_000, &[task]), [""; 0]);
    assert_eq!(unsettled(&hub), 0);
    for millis in (140_000..600_000).step_by(20_000) {
        ever.handle_timeout(now(millis));
        extend(&mut ever, millis);
    }
    assert_eq!(extend(&mut ever, 599_000), ["ignore extension of a: 1 (attempt 1) full"]);
    ever.handle_timeout(now(600_000));
    assert_eq!(extend(&mut ever, 600_000), ["ignore extension of a: 1 (attempt 1) late"]);
    ever.handle_timeout(now(602_000));
    assert_eq!(given(&mut ever).0[0].attempt(), 2);
}

/// The time of what lies behind a long task begins when its turn comes.
#[test]
fn a_batch_has_the_time_of_each_of_its_messages() {
    let options = DispatcherOptions::new()
        .with_queue(QueueOptions::new().with_batch(10, Duration::from_secs(1)));
    let mut hub = Dispatcher::new(1).with_options(options);
    subscribe(&mut hub, 0);
    for n in 0..10 {
        hub.handle(now(0), DispatcherInput::Publish(event(&format!("m{n}"), "wf_1", "", 0)))
            .unwrap();
    }
    let (batch, _) = given(&mut hub);
    assert_eq!(batch.len(), 10);
    // Ten seconds each, a hundred in all.
    for (at, receipt) in (1_u64..).zip(batch) {
        hub.handle_timeout(now(at * 10_000));
        assert_eq!(acknowledge(&mut hub, at * 10_000, &[receipt]), [""; 0]);
    }
    assert_eq!(unsettled(&hub), 0);
}
