//! Delivering: each message to all who subscribed to it, at least once (specification,
//! Publish-Subscribe Pattern).
//!
//! The machine stands between those who publish and those who subscribe. It keeps a bounded queue for
//! each subscriber, hands its messages over in batches, and forgets a message when the subscriber has
//! acknowledged it. How messages and acknowledgements travel is the host's business.
//!
//! | what happens | what follows |
//! |---|---|
//! | no acknowledgement comes in time, or the subscriber fails | the message goes again after a pause, drawn from a [`Backoff`](super::Backoff) |
//! | the subscriber [extends](DispatcherInput::Extend) its time | it has a whole time-out from then on, up to [`longest`](DispatcherOptions::longest) in all |
//! | the link is lost while messages are under way | they go again when it is back |
//! | no attempt is left | a dead letter with the evidence |
//! | the subscriber rejects it, or its `ttl_seconds` are over | a dead letter at once |
//! | the queue is full | the publisher is refused, and no subscriber gets the message; or, by [`QueueOptions::overflow`], the oldest makes room and the subscriber is told of a [gap](GapNotice) until it [acknowledges](DispatcherInput::AckGap) that |
//! | the same message is published again | nothing |
//! | the subscriber is offline | its messages wait |
//!
//! So every message that was accepted ends as acknowledged, as a dead letter, or in a gap; none is lost
//! in silence. A message that was handled and whose acknowledgement got lost comes again: a subscriber
//! goes by `message_id`, as a [`Gate`](crate::validate::Gate) with a replay cache does. And a batch may
//! come so late that its messages were given up: who needs the order leaves out a number below one that
//! it handled of the same order key.
//!
//! # Laws
//!
//! Whatever a subscriber does, or does not do:
//!
//! 1. **Hand-overs are bounded.** A message is handed over to a subscriber at most
//!    [`attempts`](super::Backoff::attempts) times. Those that a lost link cut off count, unless
//!    [`disconnections`](DispatcherOptions::disconnections) forgives some. What goes from one member of a
//!    queue group to another keeps its count, so the bound holds for the group as a whole.
//!    A [redrive](DispatcherInput::Redrive) is another message.
//! 2. **Attempts are true.** [`Receipt::attempt`] counts the hand-overs of the message, and a dead letter
//!    says how many there were, the first and last time, and why it ended.
//! 3. **Nothing is settled unseen.** What a subscriber tells counts if its [`Receipt`] is that of the last
//!    hand-over of an unsettled message. A receipt of an earlier attempt, of an earlier subscription, of a
//!    message that has ended, or of a message that took its number before the host went back to an older
//!    snapshot comes out as [ignored](DispatcherOutput::ReceiptsIgnored), with the reason, and settles
//!    nothing. An acknowledgement whose attempt ran out of time still counts until the next attempt.
//! 4. **A silent subscriber is drained in bounded time.** If it tells nothing at all, its first *n* messages
//!    are dead letters after at most ⌈*n* / *b*⌉ + 1 rounds, where *b* is the smaller of
//!    [`batch`](QueueOptions::batch) and [`window`](QueueOptions::window), and a round is `attempts` times the
//!    time-out and the linger, and the longest pauses between. By the defaults that is 27 min for
//!    1,000 messages of one workflow, and less if they are of several.
//! 5. **So is any other.** *n* messages take at most *n* times `attempts` times the time-out (or `longest`,
//!    if it extends) with the pauses between.
//!
//! # Order
//!
//! Messages with one value in the field [`DispatcherOptions::order`] reach a subscriber in the
//! order of publication; as long as one of them is not settled, only the same batch holds later ones.
//! Others go by `priority`, then by age: as long as more urgent ones keep coming, the less urgent wait.
//! A message of an order key that is tried or replayed again comes late, not the ones after it early.
//!
//! The time of a message begins when it is handed over and those before it in its batch of its order key are
//! settled. If one fails, those behind it come back and it goes alone from then on; one that never
//! came to its turn is not left without an attempt for that. Only if a subscriber says nothing do all that went
//! together fail together.
//!
//! Of a **queue group** one member receives each message. As long as it wants them and has unsettled
//! ones of an order key, the others of that key go to it, too. If it is offline, others with room for them
//! all take over the messages of a key, in their order. What no member has room for waits for its member
//! to come back, and the others are asked again after each timeout.
//!
//! # Example
//!
//! A task that takes longer than a time-out, a late acknowledgement, and what comes of it:
//!
//! ```
//! use coordination_protocol::Mode;
//! use coordination_protocol::machine::{
//!     Dispatcher, DispatcherInput, DispatcherOutput, Machine, Receipt,
//! };
//! use coordination_protocol::scalar::{ComponentId, Instant, Now};
//! use coordination_protocol::validate::{Gate, Validator};
//!
//! /// The receipts of what is handed over; the rest is for the log.
//! fn outputs(hub: &mut Dispatcher) -> (Vec<Receipt>, Vec<String>) {
//!     let (mut given, mut log) = (Vec::new(), Vec::new());
//!     while let Some(output) = hub.poll() {
//!         match output {
//!             // Send each message with its receipt, as a text.
//!             DispatcherOutput::Deliver { batch, .. } => {
//!                 given.extend(batch.iter().map(|item| item.receipt));
//!             }
//!             other => log.push(other.to_string()),
//!         }
//!     }
//!     (given, log)
//! }
//!
//! let mut gate = Gate::new(Validator::new(Mode::Strict));
//! let now = |seconds: u64| Now::new(Instant::from_millis(seconds * 1_000), 1_736_942_400_000);
//! let mut take = |text: &str| gate.accept(text.as_bytes(), now(0), None).unwrap();
//! let mut hub = Dispatcher::new(7);
//! hub.receive(now(0), take(r#"{"subscription":{"subscriber":"w","patterns":["task.>"]}}"#));
//! hub.receive(now(0), take(r#"TASK_FAILED:wf_1:build:{"task_id":"t","agent_id":"a","failure_reason":"x","retry_count":1}"#));
//! let (first, _) = outputs(&mut hub);
//! let worker = ComponentId::new("w")?;
//!
//! // It is at work still: 30 s more. Then its host is too busy to say so again.
//! hub.handle(now(20), DispatcherInput::Extend(worker.clone(), first.clone()))?;
//! assert_eq!(hub.deadline(), Some(now(50).at));
//! hub.handle_timeout(now(50));
//! hub.handle_timeout(now(52));
//! let (second, _) = outputs(&mut hub);
//! assert_eq!((second[0].number(), second[0].attempt()), (1, 2));
//!
//! // What it says of the first attempt now is told, and settles nothing. Of the second it counts.
//! hub.handle(now(60), DispatcherInput::Acknowledge(worker.clone(), first))?;
//! assert_eq!(outputs(&mut hub).1, ["ignore acknowledgement of w: 1 (attempt 1) stale"]);
//! hub.handle(now(61), DispatcherInput::Acknowledge(worker, second))?;
//! assert_eq!(outputs(&mut hub).1, [""; 0]);
//! assert_eq!(hub.subscribers().map(|(_, unsettled)| unsettled).sum::<usize>(), 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod entry;
mod io;
mod options;
mod publish;
mod queue;
mod queued_message;
mod receipt;
mod subscribe;
mod subscription_index;
mod told;

pub use io::{
    Delivered, DispatcherError, DispatcherInput, DispatcherOutput, GapNotice, IgnoredReceipt,
    Settlement,
};
pub use options::{DispatcherOptions, QueueOptions};
pub use receipt::Receipt;

use super::effect::NotApplied;
use super::outbox::{Outbox, bounded_outputs};
use super::window::Window;
use super::{Machine, SplitMix64, Timers, earliest, snapshot_of};
use crate::error::Error;
use crate::json::Json;
use crate::message::{Envelope, Message};
use crate::route::RouteKey;
use crate::scalar::{ComponentId, Instant, MessageId, Now};
use crate::validate::Checked;
use entry::{Entry, State, Taken};
use queue::Queue;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::collections::BTreeMap;
use subscription_index::SubscriptionIndex;
use told::Told;

/// What is due of a subscriber.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Due {
    /// A batch that waited for more.
    Batch,
    /// The acknowledgement of a gap.
    Gap,
    /// Another try to give what a member that is offline was to receive for its queue groups to others.
    PassOn,
    /// The acknowledgement of a message, or its next attempt.
    Message(u64),
    /// The end of a message's life.
    Expiry(u64),
}

/// Who receives a message, and through which queue groups.
type Receivers = BTreeMap<ComponentId, Vec<SmolStr>>;

/// Delivers published messages to subscribers.
///
/// ```
/// use coordination_protocol::Mode;
/// use coordination_protocol::machine::{
///     Dispatcher, DispatcherInput, DispatcherOutput, Machine,
/// };
/// use coordination_protocol::scalar::{Instant, Now};
/// use coordination_protocol::validate::{Gate, Validator};
///
/// let mut gate = Gate::new(Validator::new(Mode::Strict));
/// let mut dispatcher = Dispatcher::new(7);
/// let now = Now::new(Instant::START, 1_736_942_400_000);
/// let mut take = |text: &str| gate.accept(text.as_bytes(), now, None).unwrap();
///
/// let subscription = take(r#"{"source":"monitor","subscription":{"subscriber":"monitor",
///     "patterns":["*.failed"],"filter":{"compare":{"field":"/retry_count","op":">=","value":2}}}}"#);
/// dispatcher.receive(now, subscription);
/// assert_eq!(dispatcher.poll().unwrap().to_string(), "subscribed monitor patterns=1");
///
/// for retries in [1, 2] {
///     let event = format!(r#"TASK_FAILED:wf_001:build:{{"task_id":"t1","agent_id":"a1","failure_reason":"x","retry_count":{retries}}}"#);
///     dispatcher.receive(now, take(&event));
/// }
/// assert_eq!(dispatcher.poll().unwrap().to_string(), "published to 0");
/// assert_eq!(dispatcher.poll().unwrap().to_string(), "published to 1");
/// let Some(DispatcherOutput::Deliver { to, batch, .. }) = dispatcher.poll() else { panic!() };
///
/// // Its number, which attempt it is, and which numbering: what the subscriber tells repeats it.
/// let receipt = batch[0].receipt;
/// assert_eq!((to.as_str(), receipt.number(), receipt.attempt()), ("monitor", 1, 1));
/// dispatcher.handle(now, DispatcherInput::Acknowledge(to, vec![receipt]))?;
/// assert_eq!(dispatcher.deadline(), None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "delivery")]
#[doc(alias = "redelivery")]
#[doc(alias = "at least once")]
#[doc(alias = "acknowledgement")]
#[doc(alias = "dead letter")]
#[doc(alias = "queue group")]
#[doc(alias = "backpressure")]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Dispatcher {
    options: DispatcherOptions,
    rng: SplitMix64,
    index: SubscriptionIndex,
    #[serde(with = "super::pairs")]
    queues: BTreeMap<ComponentId, Queue>,
    /// Which member of a group has unsettled messages of an order key, and how many.
    #[serde(with = "super::pairs")]
    holders: BTreeMap<(SmolStr, SmolStr), (ComponentId, usize)>,
    /// What was published, and until when it is remembered.
    seen: Window<(Option<ComponentId>, MessageId), Option<Instant>>,
    /// The messages that ended otherwise than by their subscriber's word, and their marks.
    ended: Window<(ComponentId, u64), (u64, u64)>,
    /// The epochs of numberings.
    epochs: SplitMix64,
    timers: Timers<(ComponentId, Due)>,
    out: Outbox<DispatcherOutput>,
}

bounded_outputs!(Dispatcher);

impl Dispatcher {
    /// There is no subscription yet. The seed decides on pauses, on the epochs of numberings, and on the
    /// hashes by which subscriptions are found: give each start a random one, or strangers who know it
    /// can choose patterns that are slow to find.
    pub fn new(seed: u64) -> Self {
        // Streams of their own, so that a subscription more changes no pause.
        let mut epochs = SplitMix64::new(!seed);
        Dispatcher {
            options: DispatcherOptions::default(),
            rng: SplitMix64::new(seed),
            index: SubscriptionIndex::new(epochs.next_u64()),
            queues: BTreeMap::new(),
            holders: BTreeMap::new(),
            seen: Window::new(),
            ended: Window::new(),
            epochs,
            timers: Timers::new(),
            out: Outbox::new(),
        }
    }

    /// Sets how it delivers. Subscribers keep the queues that they have.
    pub fn with_options(mut self, options: DispatcherOptions) -> Self {
        self.options = options;
        self
    }

    /// The subscribers, and how many messages each has not acknowledged.
    pub fn subscribers(&self) -> impl Iterator<Item = (&ComponentId, usize)> {
        self.queues.iter().map(|(name, queue)| (name, queue.len()))
    }

    /// What names the hand-overs that are under way to a subscriber, in the order of their numbers.
    pub fn under_way(&self, subscriber: &ComponentId) -> impl Iterator<Item = Receipt> {
        let queue = self.queues.get(subscriber);
        queue.into_iter().flat_map(|queue| {
            let under_way = queue.numbered().filter(|(_, entry)| entry.state == State::UnderWay);
            under_way.filter_map(|(number, _)| queue.receipt(number))
        })
    }

    /// Hands over what is due to a subscriber.
    fn dispatch(&mut self, now: Now, name: &ComponentId) {
        let Some(queue) = self.queues.get_mut(name) else { return };
        let (limits, timeout) = (self.options.limits(), self.options.until(now));
        // As long as full batches are ready and the window has room.
        loop {
            let count = queue.due(now);
            if count == 0 {
                break;
            }
            let mut batch = Vec::with_capacity(count);
            for Taken { receipt, envelope, runs } in queue.take(now, count, limits, timeout) {
                // A deadline for each order key, not for the batch: one that is never acknowledged
                // does not bring the others again.
                if runs {
                    self.timers.set((name.clone(), Due::Message(receipt.number())), timeout);
                }
                batch.push(Delivered::new(receipt, envelope));
            }
            // Told with each batch until it is acknowledged, because the batch that told of it may
            // be lost.
            if let Some(pending) = &mut queue.gap {
                pending.attempts = pending.attempts.saturating_add(1);
                self.timers.set((name.clone(), Due::Gap), timeout);
            }
            let gap = GapNotice::of(queue);
            self.out.push(DispatcherOutput::Deliver { to: name.clone(), gap, batch });
        }
        if queue.options.patience().is_some() {
            self.timers.set((name.clone(), Due::Batch), queue.next(now));
        }
    }

    /// Tells a subscriber of what it lost, as often as it is told anything.
    fn tell(&mut self, now: Now, name: &ComponentId) {
        let Some(queue) = self.queues.get_mut(name).filter(|queue| !queue.offline) else { return };
        let Some(pending) = &mut queue.gap else { return };
        let gap = pending.gap;
        // A subscriber that never acknowledges is not told for ever. The host learns that it may
        // not know what it lost.
        if pending.attempts >= self.options.backoff.attempts.max(1) {
            let next = queue.next_gap();
            self.out.push(DispatcherOutput::GapUnacknowledged { subscriber: name.clone(), gap });
            if next {
                self.tell(now, name);
            }
            return;
        }
        pending.attempts += 1;
        self.timers.set((name.clone(), Due::Gap), self.options.until(now));
        let (to, gap) = (name.clone(), GapNotice::of(queue));
        self.out.push(DispatcherOutput::Deliver { to, gap, batch: Vec::new() });
    }

    /// Takes a message out of a queue for good.
    fn settle(&mut self, now: Now, name: &ComponentId, number: u64) -> Option<Entry> {
        let queue = self.queues.get_mut(name)?;
        let (entry, next) = queue.remove(now, number)?;
        // What waits has no deadline of its own.
        if entry.state != State::Waiting {
            self.timers.set((name.clone(), Due::Message(number)), None);
        }
        // The subscriber gets to the next one now, so its time begins.
        if let Some(next) = next {
            let until = self.options.until(now);
            queue.run(next, now.at, until);
            self.timers.set((name.clone(), Due::Message(next)), until);
        }
        if entry.expires.is_some() {
            self.timers.set((name.clone(), Due::Expiry(number)), None);
        }
        for (group, key) in
            entry.groups.iter().filter_map(|group| Some((group, entry.message.order.as_ref()?)))
        {
            let held = (group.clone(), key.clone());
            // The key is free for any member as soon as none of its messages is unsettled at this
            // one.
            if let Some((holder, count)) = self.holders.get_mut(&held)
                && holder == name
            {
                *count -= 1;
                if *count == 0 {
                    self.holders.remove(&held);
                }
            }
        }
        Some(entry)
    }

    /// Takes a message out of a queue for good although its subscriber did not say so: what it says
    /// later is late.
    fn give_up(&mut self, now: Now, name: &ComponentId, number: u64) -> Option<Entry> {
        let entry = self.settle(now, name, number)?;
        // What was never handed over, no one can speak of.
        if entry.tries.made > 0 {
            let epoch = self.queues.get(name).map_or(0, Queue::epoch);
            let key = (name.clone(), number);
            self.ended.put(key, (epoch, entry.message.mark), None, self.options.remember);
        }
        Some(entry)
    }

    fn dead_letter(&mut self, now: Now, name: &ComponentId, entry: &Entry, reason: &str) {
        // A subscriber of dead letters that fails would make letters about letters without end.
        if matches!(entry.message.envelope.message, Message::DeadLetter(_)) {
            let (subscriber, reason) = (name.clone(), reason.to_owned());
            self.out.push(DispatcherOutput::Discard { subscriber, reason });
            return;
        }
        let letter = entry.message.letter(now, reason, name, &entry.tries);
        self.out.push(DispatcherOutput::DeadLetter(letter));
    }

    /// The time of a message under way ran out.
    fn timed_out(&mut self, now: Now, name: &ComponentId, number: u64) {
        let Some(queue) = self.queues.get_mut(name) else { return };
        let back = queue.time_out(now, number);
        self.rest(now, name, number, "it was not acknowledged in time");
        self.retire(now, name, &back, "it was not acknowledged in time");
        self.dispatch(now, name);
    }

    /// An attempt failed: the message pauses, or becomes a dead letter if that was the last.
    fn rest(&mut self, now: Now, name: &ComponentId, number: u64, reason: &str) {
        if self.retire(now, name, &[number], reason) > 0 {
            return;
        }
        let entry = self.queues.get(name).and_then(|queue| queue.get(number));
        let Some(made) = entry.map(|entry| entry.tries.made) else { return };
        let pause = self.options.backoff.pause(made, &mut self.rng);
        self.timers.set((name.clone(), Due::Message(number)), now.at.after(pause));
    }

    /// Makes dead letters of those that may not go again: their life is over, or no attempt is left.
    /// Returns how many.
    fn retire(&mut self, now: Now, name: &ComponentId, numbers: &[u64], reason: &str) -> usize {
        let limits = self.options.limits();
        let mut count = 0;
        for number in numbers {
            // What waits again has no deadline.
            self.timers.set((name.clone(), Due::Message(*number)), None);
            let entry = self.queues.get(name).and_then(|queue| queue.get(*number));
            let why = entry.and_then(|entry| {
                // What is past its life gets no further attempt, however many are left.
                let expired = entry.expires.is_some_and(|end| end <= now.at);
                let why = if expired { EXPIRED } else { reason };
                (expired || entry.tries.left(limits) == 0).then_some(why)
            });
            if let Some(why) = why
                && let Some(entry) = self.give_up(now, name, *number)
            {
                self.dead_letter(now, name, &entry, why);
                count += 1;
            }
        }
        count
    }

    fn expire_if_due(&mut self, now: Now, name: &ComponentId, number: u64) {
        let entry = self.queues.get(name).and_then(|queue| queue.get(number));
        if entry.and_then(|entry| entry.expires).is_some_and(|end| end <= now.at) {
            self.expire(now, name, number);
        }
    }

    fn expire(&mut self, now: Now, name: &ComponentId, number: u64) {
        let queue = self.queues.get(name);
        let under_way = |entry: &Entry| entry.state == State::UnderWay;
        // What is under way may still be acknowledged; it just does not go again.
        if queue.and_then(|queue| queue.get(number)).is_some_and(under_way) {
            return;
        }
        if let Some(entry) = self.give_up(now, name, number) {
            self.dead_letter(now, name, &entry, EXPIRED);
        }
        self.dispatch(now, name);
    }

    /// Hands over what is due, and if `gap` says so tells of a gap even if nothing is.
    fn dispatch_and_tell(&mut self, now: Now, name: &ComponentId, gap: bool) {
        let before = self.out.len();
        self.dispatch(now, name);
        // A batch tells of the gap, too.
        if gap && self.out.len() == before {
            self.tell(now, name);
        }
    }

    fn is_offline(&self, name: &ComponentId) -> bool {
        self.queues.get(name).is_some_and(|queue| queue.offline)
    }
}

/// Why a message whose life is over becomes a dead letter.
const EXPIRED: &str = "its time to live was over before it was acknowledged";

impl Machine for Dispatcher {
    type Input = DispatcherInput;
    type Output = DispatcherOutput;
    type Error = DispatcherError;

    fn handle(&mut self, now: Now, input: DispatcherInput) -> Result<(), DispatcherError> {
        self.out.command(DispatcherError::Unpolled)?;
        match input {
            DispatcherInput::Subscribe(message) => return self.subscription(now, *message),
            DispatcherInput::Publish(message) => return self.publish(now, *message),
            DispatcherInput::Redrive(name, message) => return self.redrive(now, &name, *message),
            DispatcherInput::Disconnected(name) => return self.disconnected(now, &name),
            DispatcherInput::Reconnected(name) => return self.reconnected(now, &name),
            DispatcherInput::Acknowledge(name, receipts) => {
                self.told(now, &name, Told::Acknowledge(&receipts));
            }
            DispatcherInput::Extend(name, receipts) => {
                self.told(now, &name, Told::Extend(&receipts));
            }
            DispatcherInput::AckGap(name, receipt) => {
                self.told(now, &name, Told::AckGap(receipt));
            }
            DispatcherInput::Fail(name, receipt, reason) => {
                self.told(now, &name, Told::Fail(receipt, &reason));
            }
            DispatcherInput::Reject(name, receipt, reason) => {
                self.told(now, &name, Told::Reject(receipt, &reason));
            }
        }
        Ok(())
    }

    fn wants(&self, message: &Envelope) -> bool {
        matches!(message.message, Message::Subscription(_)) || RouteKey::of(message).is_some()
    }

    /// A subscription is entered, anything else with a routing key is published.
    fn receive(&mut self, now: Now, message: Checked<Envelope>) {
        let Some(identity) = self.out.room_for(&message) else { return };
        let applied = match message.message {
            Message::Subscription(_) => self.subscription(now, message),
            _ => self.publish(now, message),
        };
        if let Err(error) = applied {
            self.out.ignore(identity, NotApplied::new(error.reason(), error));
        }
    }

    fn handle_timeout(&mut self, now: Now) {
        if self.out.is_full() {
            return;
        }
        self.seen.expire(now.at);
        while !self.out.is_full()
            && let Some((name, due)) = self.timers.due(now.at)
        {
            match due {
                Due::Batch => self.dispatch(now, &name),
                Due::Gap => self.tell(now, &name),
                Due::PassOn => self.pass_on(now, &name, true),
                Due::Expiry(number) => self.expire(now, &name, number),
                Due::Message(number) => {
                    let Some(queue) = self.queues.get_mut(&name) else { continue };
                    match queue.get(number).map(|entry| entry.state) {
                        Some(State::UnderWay) => self.timed_out(now, &name, number),
                        Some(State::Resting) => {
                            queue.requeue(now, number);
                            self.dispatch(now, &name);
                        }
                        Some(State::Waiting) | None => {}
                    }
                }
            }
        }
    }

    fn poll(&mut self) -> Option<DispatcherOutput> {
        self.out.pop()
    }

    fn deadline(&self) -> Option<Instant> {
        if self.out.is_full() {
            return None;
        }
        // Forgetting is due work, too: after `handle_timeout` nothing may be left that was due.
        earliest([self.timers.earliest(), self.seen.deadline()])
    }

    fn snapshot(&self) -> Result<Json, Error> {
        snapshot_of(self)
    }
}

/// What many share, on the wire as if it were each one's own.
mod shared {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use std::sync::Arc;

    pub(super) fn serialize<T: Serialize, S: Serializer>(
        value: &Arc<T>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        value.as_ref().serialize(serializer)
    }

    pub(super) fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Arc<T>, D::Error> {
        T::deserialize(deserializer).map(Arc::new)
    }
}
