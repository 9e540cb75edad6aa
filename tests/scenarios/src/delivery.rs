//! Publishers, a hub that delivers, and subscribers.

mod check;
mod ends;
mod hub;

use super::{component, names};
use check::Ledger;
use coordination_protocol::machine::{Backoff, DispatcherOptions, QueueOptions, SplitMix64};
use coordination_protocol::sim::{Actor, Check, Conditions, Host, Scenario, Stimulus};
use coordination_protocol::transport::Overflow;
use ends::{Mallory, Publisher, Subscriber};
use hub::{Habit, Hub};
use std::time::Duration;

const PUBLISHERS: [&str; 2] = ["pub-1", "pub-2"];
const HUB: &str = "hub";
const ALL: &str = "all";
const SLOW: &str = "slow";
const PICKY: &str = "picky";
const MEMBERS: [&str; 2] = ["member-1", "member-2"];
const SUBSCRIBERS: [&str; 5] = [ALL, SLOW, PICKY, MEMBERS[0], MEMBERS[1]];
const MALLORY: &str = "mallory";

/// The queue group of the members.
const GROUP: &str = "workers";

/// The lowest number of retries that the picky subscriber's filter accepts.
const RETRIES: u64 = 2;

/// Two components publish, a hub delivers to five: one takes all, one is slow and lets the oldest go,
/// one has a filter, and two are a queue group. A stranger sends whatever may do harm.
///
/// * Every message that was accepted ends for each of its receivers as handled, as a dead letter, or in
///   a gap that the receiver was told of, or the hub's host if it never listened.
/// * First handlings of one workflow come in the order of acceptance, also within the group.
/// * A subscriber never receives what its filter excludes, what was not published, or anything twice.
/// * A message is handed over three times at most, and each hand-over says which one it is.
/// * Queues, windows and batches keep their limits. A dead letter holds the message as it was
///   published and can be replayed.
/// * What a stranger sends is not answered, not delivered, and acknowledges nothing.
///
/// The hosts show what it takes:
///
/// * The hub stores a snapshot taken after it fetched [`Published`](coordination_protocol::machine::DispatcherOutput),
///   and the dead letters fetched so far, before it tells the publisher that a message is accepted and
///   before it stimuli on an acknowledgement's outcome. So only the loss of its disk loses messages, and
///   nothing is promised after that.
/// * A publisher repeats a message under its identifier until it is told, no longer than the hub
///   remembers identifiers.
/// * A subscriber stores what it handled before it acknowledges. It leaves out a message that it
///   handled, and one with a lower number than it handled of that workflow: a batch that was long on
///   its way may come after the hub has given its messages up.
/// * Acknowledgements are the hosts' own messages. They count for who sent them.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Deliveries {
    backoff: Backoff,
    disconnections: u32,
    habit: Habit,
}

/// What the check goes by.
#[derive(Clone, Copy, Debug, Default)]
struct Bounds {
    /// How often a message may be handed over. The figure stands here once more, so that the check does not
    /// go by what it checks.
    hand_overs: u32,
    /// Whether the hub may go back to an older snapshot.
    goes_back: bool,
}

impl Default for Deliveries {
    fn default() -> Self {
        let (backoff, habit) = (Backoff::new(), Habit::default());
        Deliveries { backoff, disconnections: 0, habit }
    }
}

impl Deliveries {
    /// The world.
    pub fn new() -> Self {
        Deliveries::default()
    }

    /// Lets the hub try otherwise; the bound stays that of the specification.
    pub const fn with_backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// Lets the hub forgive disconnections; the bound stays that of the specification.
    pub const fn with_disconnections(mut self, disconnections: u32) -> Self {
        self.disconnections = disconnections;
        self
    }

    /// Lets the hub store now and then only: what it accepts after it went back has to end all the same, and
    /// what subscribers tell of before settles nothing of it.
    pub const fn with_older_snapshots(mut self) -> Self {
        self.habit.stores_seldom = true;
        self
    }

    /// Lets the hub go by the numbers of receipts alone.
    pub const fn with_trust_in_numbers(mut self) -> Self {
        self.habit.trusts_numbers = true;
        self
    }
}

impl Scenario for Deliveries {
    fn name(&self) -> &'static str {
        "delivery"
    }

    fn summary(&self) -> &'static str {
        "publishers, a hub and subscribers: each message is handled, in a dead letter, or in a gap"
    }

    fn nodes(&self) -> Vec<String> {
        [names(&PUBLISHERS), names(&[HUB]), names(&SUBSCRIBERS), names(&[MALLORY])].concat()
    }

    fn boot(&self, host: &Host<'_>) -> Box<dyn Actor> {
        match host.name {
            HUB => {
                let options = options(self.backoff).with_disconnections(self.disconnections);
                Box::new(Hub::new(host, options, self.habit))
            }
            MALLORY => Box::new(Mallory::new(host)),
            name if PUBLISHERS.contains(&name) => Box::new(Publisher::new(host)),
            _ => Box::new(Subscriber::new(host)),
        }
    }

    fn check(&self) -> Box<dyn Check> {
        Box::new(Ledger::new(Bounds { hand_overs: 3, goes_back: self.habit.stores_seldom }))
    }

    fn conditions(&self) -> Conditions {
        Conditions::new().with_stimuli(80)
    }

    /// Of five stimuli three publish, one is the hub's, one is hostile.
    fn stimuli(&self, conditions: &Conditions, draws: &mut SplitMix64) -> Vec<Stimulus> {
        let one = |number: u64| {
            let node = match number % 5 {
                0 => HUB,
                1 => MALLORY,
                _ => PUBLISHERS[draws.below(2) as usize],
            };
            Stimulus::new(node, draws.below(conditions.calm), number)
        };
        (1..=u64::from(conditions.stimuli)).map(one).collect()
    }
}

/// The limits of a subscriber's queue: messages, window, batch.
fn limits(subscriber: &str) -> (usize, usize, usize) {
    if subscriber == SLOW { (5, 2, 2) } else { (12, 4, 3) }
}

fn options(backoff: Backoff) -> DispatcherOptions {
    let queue = |name| {
        let (limit, window, batch) = limits(name);
        let linger = Duration::from_millis(if name == PICKY { 700 } else { 0 });
        QueueOptions::new().with_limit(limit).with_window(window).with_batch(batch, linger)
    };
    DispatcherOptions::new()
        .with_backoff(backoff)
        .with_queue(queue(ALL))
        .with_queue_of(component(PICKY), queue(PICKY))
        .with_queue_of(component(SLOW), queue(SLOW).with_overflow(Overflow::DropOldest))
        // Longer than any publisher repeats itself.
        .with_remember(1_000, Duration::from_secs(3_600))
}
