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
//! | no attempt is left | a dead letter with the evidence |
//! | the subscriber rejects it, or its `ttl_seconds` are over | a dead letter at once |
//! | the queue is full | the publisher is refused, and no subscriber gets the message; or, by [`QueueOptions::overflow`], the oldest makes room and the subscriber is told of a [`Gap`] until it [acknowledges](DispatcherInput::AckGap) that |
//! | the same message is published again | nothing |
//! | the subscriber is offline | its messages wait, and no attempt counts |
//!
//! So every message that was accepted ends as acknowledged, as a dead letter, or in a gap; none is lost
//! in silence. A message that was handled and whose acknowledgement got lost comes again: a subscriber
//! goes by `message_id`, as a [`Gate`](crate::validate::Gate) with a replay cache does. And a batch may
//! come so late that its messages were given up: who needs the order leaves out a number below one that
//! it handled of the same order key.
//!
//! **Order.** Messages with one value in the field [`DispatcherOptions::order`] reach a subscriber in the
//! order of publication; as long as one of them is not settled, only the same batch holds later ones.
//! Others go by `priority`, then by age: as long as more urgent ones keep coming, the less urgent wait.
//! A message of an order key that is tried or replayed again comes late, not the ones after it early.
//!
//! Of a **queue group** one member receives each message. As long as it wants them and has unsettled
//! ones of an order key, the others of that key go to it, too. If it is offline, others with room for them
//! all take over the messages of a key, in their order. What no member has room for waits for its member
//! to come back, and the others are asked again after each timeout.

mod io;
mod options;
mod publish;
mod queue;
mod queued_message;
mod subscribe;
mod subscription_index;

pub use io::{Delivered, DispatcherError, DispatcherInput, DispatcherOutput};
pub use options::{DispatcherOptions, QueueOptions};

use super::effect::NotApplied;
use super::outbox::{Outbox, bounded_outputs};
use super::settings::at_least;
use super::window::Window;
use super::{Machine, SplitMix64, Timers, earliest, snapshot_of};
use crate::error::Error;
use crate::json::Json;
use crate::message::{Envelope, Message};
use crate::route::RouteKey;
use crate::scalar::{ComponentId, Instant, MessageId, Now};
use crate::transport::Gap;
use crate::validate::Checked;
use queue::{Entry, Queue, State};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::collections::BTreeMap;
use std::sync::Arc;
use subscription_index::SubscriptionIndex;

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
/// use coordination_protocol::machine::{Dispatcher, DispatcherInput, Machine};
/// use coordination_protocol::scalar::{ComponentId, Instant, Now};
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
/// assert_eq!(dispatcher.poll().unwrap().to_string(), "deliver monitor: 1");
///
/// let monitor = ComponentId::new("monitor")?;
/// dispatcher.handle(now, DispatcherInput::Acknowledge(monitor, vec![1]))?;
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
    timers: Timers<(ComponentId, Due)>,
    out: Outbox<DispatcherOutput>,
}

bounded_outputs!(Dispatcher);

impl Dispatcher {
    /// There is no subscription yet. The seed decides on pauses: give each start a random one.
    pub fn new(seed: u64) -> Self {
        Dispatcher {
            options: DispatcherOptions::default(),
            rng: SplitMix64::new(seed),
            index: SubscriptionIndex::new(),
            queues: BTreeMap::new(),
            holders: BTreeMap::new(),
            seen: Window::new(),
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

    /// Hands over what is due to a subscriber.
    fn dispatch(&mut self, now: Now, name: &ComponentId) {
        let Some(queue) = self.queues.get_mut(name) else { return };
        let timeout = now.at.after(at_least(self.options.timeout));
        // As long as full batches are ready and the window has room.
        loop {
            let count = queue.due(now);
            if count == 0 {
                break;
            }
            let mut batch = Vec::with_capacity(count);
            for number in queue.take(now, count) {
                let Some(entry) = queue.get(number) else { continue };
                let envelope = Arc::clone(&entry.message.envelope);
                batch.push(Delivered::new(number, entry.attempts, envelope));
                // A deadline for each message, not for the batch: one that is never acknowledged
                // does not bring the others again.
                self.timers.set((name.clone(), Due::Message(number)), timeout);
            }
            // Told with each batch until it is acknowledged, because the batch that told of it may
            // be lost.
            let gap = queue.gap.as_mut().map(|pending| {
                pending.attempts = pending.attempts.saturating_add(1);
                self.timers.set((name.clone(), Due::Gap), timeout);
                pending.gap
            });
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
        let timeout = now.at.after(at_least(self.options.timeout));
        self.timers.set((name.clone(), Due::Gap), timeout);
        let (to, gap) = (name.clone(), Some(gap));
        self.out.push(DispatcherOutput::Deliver { to, gap, batch: Vec::new() });
    }

    /// Takes a message out of a queue for good.
    fn settle(&mut self, now: Now, name: &ComponentId, number: u64) -> Option<Entry> {
        let entry = self.queues.get_mut(name)?.remove(now, number)?;
        // What waits has no deadline of its own.
        if entry.state != State::Waiting {
            self.timers.set((name.clone(), Due::Message(number)), None);
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

    fn dead_letter(&mut self, now: Now, name: &ComponentId, entry: &Entry, reason: &str) {
        // A subscriber of dead letters that fails would make letters about letters without end.
        if matches!(entry.message.envelope.message, Message::DeadLetter(_)) {
            let (subscriber, reason) = (name.clone(), reason.to_owned());
            self.out.push(DispatcherOutput::Discard { subscriber, reason });
            return;
        }
        let letter = entry.message.letter(now, reason, name, entry.attempts, entry.times);
        self.out.push(DispatcherOutput::DeadLetter(letter));
    }

    /// An attempt failed: the message pauses, or becomes a dead letter if that was the last.
    fn failed(&mut self, now: Now, name: &ComponentId, number: u64, reason: &str, hopeless: bool) {
        let Some(queue) = self.queues.get_mut(name) else { return };
        // Acknowledged, failed or returned meanwhile: then this is late, and changes nothing.
        let Some(entry) = queue.get(number).filter(|entry| entry.state == State::UnderWay) else {
            return;
        };
        // What is past its life gets no further attempt, however many are left.
        let expired = entry.expires.is_some_and(|end| end <= now.at);
        let attempts = entry.attempts;
        // Those of the same key that went after it come back, or they would overtake it.
        let back = queue.fail(now, number);
        if expired || hopeless || !self.options.backoff.allows_after(attempts) {
            if let Some(entry) = self.settle(now, name, number) {
                self.dead_letter(
                    now,
                    name,
                    &entry,
                    if hopeless || !expired { reason } else { EXPIRED },
                );
            }
        } else {
            let pause = self.options.backoff.pause(attempts, &mut self.rng);
            self.timers.set((name.clone(), Due::Message(number)), now.at.after(pause));
        }
        self.returned(now, name, &back);
        self.dispatch(now, name);
    }

    /// Messages that were under way wait again: nothing is due of them, unless their life is over.
    fn returned(&mut self, now: Now, name: &ComponentId, numbers: &[u64]) {
        for number in numbers {
            self.timers.set((name.clone(), Due::Message(*number)), None);
            self.expire_if_due(now, name, *number);
        }
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
        if let Some(entry) = self.settle(now, name, number) {
            self.dead_letter(now, name, &entry, EXPIRED);
        }
        self.dispatch(now, name);
    }

    fn acknowledge(
        &mut self,
        now: Now,
        name: &ComponentId,
        numbers: &[u64],
    ) -> Result<(), DispatcherError> {
        for number in numbers {
            // All are checked before one is settled, for a refused input changes nothing.
            self.given(name, *number)?;
        }
        for number in numbers {
            self.settle(now, name, *number);
        }
        self.dispatch(now, name);
        Ok(())
    }

    fn ack_gap(&mut self, now: Now, name: &ComponentId, gap: Gap) -> Result<(), DispatcherError> {
        let queue = self.queues.get_mut(name);
        let queue = queue.ok_or_else(|| DispatcherError::NotSubscribed(name.clone()))?;
        // Only the gap exactly as it was told. An acknowledgement that is late, of an earlier gap,
        // must not hide what was lost since.
        if queue.gap.is_some_and(|told| told.attempts > 0 && told.gap == gap) {
            let another = queue.next_gap();
            self.timers.set((name.clone(), Due::Gap), None);
            self.dispatch_and_tell(now, name, another);
        }
        Ok(())
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

    /// Refuses a number that a subscriber cannot know.
    fn given(&self, name: &ComponentId, number: u64) -> Result<(), DispatcherError> {
        let queue = self.queues.get(name);
        let queue = queue.ok_or_else(|| DispatcherError::NotSubscribed(name.clone()))?;
        // What was never handed over cannot have been handled: to accept that would lose the
        // message without a trace.
        let not_sent = queue.get(number).is_some_and(|entry| entry.times.is_none());
        if number == 0 || number > queue.last() || not_sent {
            return Err(DispatcherError::NotGiven { subscriber: name.clone(), number });
        }
        Ok(())
    }
}

/// Why a message whose life is over becomes a dead letter.
const EXPIRED: &str = "its time to live was over before it was acknowledged";

impl Machine for Dispatcher {
    type Input = DispatcherInput;
    type Output = DispatcherOutput;
    type Error = DispatcherError;

    fn handle(&mut self, now: Now, input: DispatcherInput) -> Result<(), DispatcherError> {
        // What would lead to deliveries waits until there is room for them. What settles messages
        // frees more than it adds.
        if matches!(
            input,
            DispatcherInput::Subscribe(_)
                | DispatcherInput::Publish(_)
                | DispatcherInput::Redrive(..)
                | DispatcherInput::Reconnected(_)
        ) {
            self.out.command(DispatcherError::Unpolled)?;
        }
        match input {
            DispatcherInput::Subscribe(message) => self.subscription(now, *message),
            DispatcherInput::Publish(message) => self.publish(now, *message),
            DispatcherInput::Redrive(name, message) => self.redrive(now, &name, *message),
            DispatcherInput::Acknowledge(name, numbers) => self.acknowledge(now, &name, &numbers),
            DispatcherInput::AckGap(name, gap) => self.ack_gap(now, &name, gap),
            DispatcherInput::Fail(name, number, reason) => {
                self.given(&name, number)?;
                self.failed(now, &name, number, &reason, false);
                Ok(())
            }
            DispatcherInput::Reject(name, number, reason) => {
                self.given(&name, number)?;
                self.failed(now, &name, number, &reason, true);
                Ok(())
            }
            DispatcherInput::Disconnected(name) => self.disconnected(now, &name),
            DispatcherInput::Reconnected(name) => self.reconnected(now, &name),
        }
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
                        Some(State::UnderWay) => {
                            let reason = "it was not acknowledged in time";
                            self.failed(now, &name, number, reason, false);
                        }
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
