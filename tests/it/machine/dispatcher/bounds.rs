//! How often a message is handed over, and how long it takes until none is left, whatever a
//! subscriber does.

use super::{event, subscription};
use crate::machine::{name, now};
use crate::support::{Rng, scaled};
use coordination_protocol::machine::{
    Backoff, Dispatcher, DispatcherInput, DispatcherOptions, DispatcherOutput, Machine,
    QueueOptions, Receipt,
};
use std::collections::BTreeMap;
use std::time::Duration;

/// What a world of one hub saw.
#[derive(Default)]
struct Seen {
    /// The attempts of each message at each subscriber, as they were told.
    attempts: BTreeMap<(String, String), Vec<u32>>,
    /// Of each dead letter, what it says of the attempts.
    letters: BTreeMap<(String, String), u64>,
    /// The receipts of what is under way, perhaps.
    open: Vec<(String, Receipt)>,
}

impl Seen {
    fn take(&mut self, hub: &mut Dispatcher) {
        while let Some(output) = hub.poll() {
            match output {
                DispatcherOutput::Deliver { to, batch, .. } => {
                    for item in batch {
                        let id = item.envelope.header.message_id.as_ref().unwrap();
                        let key = (to.to_string(), id.to_string());
                        self.attempts.entry(key).or_default().push(item.receipt.attempt());
                        self.open.push((to.to_string(), item.receipt));
                    }
                }
                DispatcherOutput::DeadLetter(letter) => {
                    let original: serde_json::Value =
                        serde_json::from_str(&letter.original).unwrap();
                    let id = original["message_id"].as_str().unwrap().to_owned();
                    let who = letter.subscriber.as_ref().unwrap().to_string();
                    let attempts = letter.attempts.as_ref().unwrap().get();
                    assert!(self.letters.insert((who, id), attempts).is_none(), "twice a letter");
                }
                _ => {}
            }
        }
    }

    /// The attempts of each message, all subscribers together, are 1, 2, ... up to the limit, and the
    /// letters tell how many there were.
    fn are_true(&self, limit: u32) {
        let mut all: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
        for ((_, id), attempts) in &self.attempts {
            all.entry(id).or_default().extend(attempts);
        }
        for (id, attempts) in &mut all {
            attempts.sort_unstable();
            let count = u32::try_from(attempts.len()).unwrap();
            assert!(count <= limit, "{id} was handed over {count} times");
            assert_eq!(*attempts, (1..=count).collect::<Vec<_>>(), "{id}");
        }
        for ((_, id), told) in &self.letters {
            let made = all.get(id.as_str()).map_or(0, Vec::len) as u64;
            assert_eq!(*told, made, "the letter about {id}");
        }
    }
}

fn hub(options: DispatcherOptions, subscribers: &[&str], group: &str) -> Dispatcher {
    let mut hub = Dispatcher::new(1).with_options(options);
    for who in subscribers {
        let input = DispatcherInput::Subscribe(subscription(who, &["task.>"], group));
        hub.handle(now(0), input).unwrap();
    }
    hub
}

fn publish(hub: &mut Dispatcher, n: usize, workflow: &str, header: &str) {
    let message = event(&format!("m{n}"), workflow, header, 0);
    hub.handle(now(0), DispatcherInput::Publish(message)).unwrap();
}

/// Lets time go by until no message is left; returns when that was.
fn drain(hub: &mut Dispatcher, seen: &mut Seen) -> u64 {
    let mut millis = 0;
    seen.take(hub);
    while hub.subscribers().any(|(_, left)| left > 0) {
        let due = hub.deadline().expect("something is due as long as messages are left");
        millis = due.as_nanos().div_ceil(1_000_000);
        hub.handle_timeout(now(millis));
        seen.take(hub);
    }
    millis
}

/// The bound of the page of the dispatcher, in milliseconds.
fn bound(messages: usize, options: &DispatcherOptions) -> u64 {
    let DispatcherOptions { timeout, backoff, queue, .. } = options;
    let pauses: Duration = (1..backoff.attempts).map(|attempt| backoff.ceiling(attempt)).sum();
    let round = (*timeout + queue.linger) * backoff.attempts + pauses;
    let rounds = messages.div_ceil(queue.batch.min(queue.window)) + 1;
    (round * u32::try_from(rounds).unwrap()).as_millis() as u64
}

/// The default: 1,000 messages of one workflow, to a subscriber that never acknowledges.
#[test]
fn a_silent_subscriber_is_drained_in_time() {
    for workflows in [1, 3, 1_000] {
        let options = DispatcherOptions::new();
        let mut hub = hub(options.clone(), &["a"], "");
        let mut seen = Seen::default();
        for n in 0..1_000 {
            publish(&mut hub, n, &format!("wf_{}", n % workflows), "");
            seen.take(&mut hub);
        }
        let millis = drain(&mut hub, &mut seen);
        let handed_over: usize = seen.attempts.values().map(Vec::len).sum();
        println!("{workflows} workflows: {handed_over} hand-overs, {millis} ms");
        seen.are_true(3);
        assert_eq!((handed_over, seen.letters.len()), (3_000, 1_000));
        assert!(millis <= bound(1_000, &options), "{workflows} workflows: {millis} ms");
        assert!(bound(1_000, &options) <= 27 * 60_000);
    }
}

/// The same of any options, order keys and priorities.
#[test]
fn any_silent_subscriber_is_drained_in_time() {
    for seed in 0..scaled(60) as u64 {
        let mut rng = Rng::new(seed);
        let messages = 1 + rng.below(80);
        let linger = Duration::from_millis([0, 0, 700][rng.below(3)]);
        let queue = QueueOptions::new()
            .with_batch(1 + rng.below(12), linger)
            .with_window(1 + rng.below(30));
        let attempts = 1 + rng.below(4) as u32;
        let options = DispatcherOptions::new()
            .with_queue(queue)
            .with_timeout(Duration::from_secs(5))
            .with_backoff(Backoff::new().with_attempts(attempts));
        let mut hub = hub(options.clone(), &["a"], "");
        let workflows = 1 + rng.below(12);
        for n in 0..messages {
            let priority = rng.pick(&["", r#","priority":"high""#, r#","priority":"low""#]);
            publish(&mut hub, n, &format!("wf_{}", rng.below(workflows)), priority);
        }
        let mut seen = Seen::default();
        let millis = drain(&mut hub, &mut seen);
        seen.are_true(attempts);
        assert_eq!(seen.letters.len(), messages);
        let most = bound(messages, &options);
        assert!(millis <= most, "seed {seed}: {millis} ms of {most}, {options:?}, {workflows}");
    }
}

/// Disconnected and connected again around each delivery: what is cut off counts.
#[test]
fn a_subscriber_that_comes_and_goes_gets_each_message_a_bounded_number_of_times() {
    for (forgiven, most) in [(0, 3), (2, 5)] {
        let mut hub = hub(DispatcherOptions::new().with_disconnections(forgiven), &["a"], "");
        (0..10).for_each(|n| publish(&mut hub, n, "wf_1", ""));
        let mut seen = Seen::default();
        for round in 0..1_000 {
            seen.take(&mut hub);
            hub.handle(now(round), DispatcherInput::Disconnected(name("a"))).unwrap();
            hub.handle(now(round), DispatcherInput::Reconnected(name("a"))).unwrap();
        }
        seen.take(&mut hub);
        seen.are_true(most);
        assert_eq!(seen.letters.len(), 10);
        assert!(seen.attempts.values().all(|attempts| attempts.len() == most as usize));
    }
}

/// Passed to and fro between members of a group, the attempts go along.
#[test]
fn a_group_hands_over_no_more_often() {
    let mut hub = hub(DispatcherOptions::new(), &["a", "b"], r#","group":"g""#);
    (0..10).for_each(|n| publish(&mut hub, n, &format!("wf_{n}"), ""));
    let mut seen = Seen::default();
    for round in 0..100 {
        seen.take(&mut hub);
        let (here, there) = if round % 2 == 0 { ("a", "b") } else { ("b", "a") };
        hub.handle(now(round), DispatcherInput::Disconnected(name(here))).unwrap();
        // Known already, if it was never away.
        hub.handle(now(round), DispatcherInput::Reconnected(name(there))).unwrap();
    }
    seen.take(&mut hub);
    seen.are_true(3);
    assert_eq!(seen.letters.len(), 10);
}

/// Subscribers that do anything at any time, with every receipt that they ever got.
#[test]
fn whatever_subscribers_do_hand_overs_are_bounded_and_true() {
    const WHO: [&str; 3] = ["a", "b", "c"];
    for seed in 0..scaled(200) as u64 {
        let mut rng = Rng::new(seed);
        let attempts = 1 + rng.below(4) as u32;
        let forgiven = rng.below(3) as u32;
        let queue = QueueOptions::new()
            .with_batch(1 + rng.below(6), Duration::ZERO)
            .with_window(1 + rng.below(9));
        let options = DispatcherOptions::new()
            .with_queue(queue)
            .with_timeout(Duration::from_secs(3))
            .with_longest(Duration::from_secs(10))
            .with_disconnections(forgiven)
            .with_backoff(Backoff::new().with_attempts(attempts));
        let mut hub = hub(options, &WHO, r#","group":"g""#);
        for n in 0..30 {
            publish(&mut hub, n, &format!("wf_{}", rng.below(6)), "");
        }
        let (mut seen, mut millis) = (Seen::default(), 0);
        for _ in 0..300 {
            seen.take(&mut hub);
            millis += rng.below(900) as u64;
            hub.handle_timeout(now(millis));
            seen.take(&mut hub);
            let who = rng.pick(&WHO);
            let input = match (rng.below(8), seen.open.len()) {
                (0, _) | (_, 0) => DispatcherInput::Disconnected(name(who)),
                (1, _) => DispatcherInput::Reconnected(name(who)),
                (act, open) => {
                    let (whose, receipt) = seen.open[rng.below(open)].clone();
                    // One's own, or another's.
                    let whose = if rng.one_in(9) { name(who) } else { name(&whose) };
                    match act {
                        2 => DispatcherInput::Fail(whose, receipt, "no".to_owned()),
                        3 if rng.one_in(4) => {
                            DispatcherInput::Reject(whose, receipt, "no".to_owned())
                        }
                        4 => DispatcherInput::Acknowledge(whose, vec![receipt]),
                        _ => DispatcherInput::Extend(whose, vec![receipt]),
                    }
                }
            };
            hub.handle(now(millis), input).unwrap();
        }
        for who in WHO {
            hub.handle(now(millis), DispatcherInput::Reconnected(name(who))).unwrap();
        }
        drain(&mut hub, &mut seen);
        seen.are_true(attempts + forgiven);
    }
}
