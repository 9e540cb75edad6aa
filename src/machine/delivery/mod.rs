//! Delivering: each message to all who subscribed to it, at least once (specification,
//! Publish-Subscribe Pattern).
//!
//! The machine stands between those who publish and those who subscribe. It keeps a bounded queue for
//! each subscriber, hands its messages over in batches, and forgets a message when the subscriber has
//! acknowledged it. How messages and acknowledgements travel is the host's business.
//!
//! | what happens | what follows |
//! |---|---|
//! | nobody acknowledges in time, or the subscriber fails | the message goes again after a pause, drawn from a [`Backoff`](super::Backoff) |
//! | no attempt is left | a dead letter with the evidence |
//! | the subscriber rejects it, or its `ttl_seconds` are over | a dead letter at once |
//! | the queue is full | the publisher is refused, and nobody gets the message; or, by [`QueueOptions::overflow`], the oldest makes room and the subscriber is told of a [`Gap`](crate::transport::Gap) until it has [heard](DeliveryInput::Heard) of it |
//! | the same message is published again | nothing |
//! | the subscriber is away | its messages wait, and no attempt counts |
//!
//! So every message that was accepted ends as acknowledged, as a dead letter, or in a gap; none is lost
//! in silence. A message that was handled and whose acknowledgement got lost comes again: a subscriber
//! goes by `message_id`, as an [`Inbox`](crate::validate::Inbox) with a replay cache does. And a batch may
//! come so late that its messages were given up: who needs the order leaves out a number below one that
//! it handled of the same order key.
//!
//! **Order.** Messages with one value in the field [`DeliveryOptions::order`] reach a subscriber in the
//! order of publication; as long as one of them is not settled, only the same batch holds later ones.
//! Others go by `priority`, then by age. Of a **queue group** one member receives each message; as long
//! as it has unsettled ones of an order key, the others of that key go to it, too.

mod io;
mod options;
mod parcel;
mod queue;
mod subscribe;

pub use io::{Delivered, DeliveryInput, DeliveryOutput, DeliveryRefused};
pub use options::{DeliveryOptions, QueueOptions};

use super::settings::at_least;
use super::window::Window;
use super::{Draws, Machine, Timers};
use crate::message::{Envelope, Message};
use crate::route::{Choice, Filter, RouteKey, RouteTable, Subject};
use crate::scalar::{ComponentId, Instant, MessageId, Now};
use crate::transport::{Gap, Overflow};
use crate::validate::Checked;
use parcel::Parcel;
use queue::{Entry, Queue, State};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// What a subscriber wants of what its pattern selects.
#[derive(Debug, Serialize, Deserialize)]
struct Interest {
    subscriber: ComponentId,
    group: Option<SmolStr>,
    filter: Option<Filter>,
}

impl Interest {
    fn wants(&self, subject: Option<&Subject<'_>>, now: Now) -> bool {
        self.filter
            .as_ref()
            .is_none_or(|filter| subject.is_some_and(|subject| filter.accepts(subject, now.wall)))
    }
}

/// What is due of a subscriber.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Due {
    /// A batch that waited for more.
    Batch,
    /// The acknowledgement of a gap.
    Gap,
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
/// use coordination_protocol::machine::{Delivery, DeliveryInput, Machine};
/// use coordination_protocol::scalar::{ComponentId, Instant, Now};
/// use coordination_protocol::validate::{Inbox, Validator};
///
/// let mut inbox = Inbox::new(Validator::new(Mode::Strict));
/// let mut delivery = Delivery::new(7);
/// let now = Now::new(Instant::START, 1_736_942_400_000);
/// let mut take = |text: &str| Box::new(inbox.take(text.as_bytes(), now.wall, None).unwrap());
///
/// let subscription = take(r#"{"source":"monitor","subscription":{"subscriber":"monitor",
///     "patterns":["*.failed"],"filter":{"compare":{"field":"/retry_count","op":">=","value":2}}}}"#);
/// delivery.handle(now, DeliveryInput::Subscribe(subscription))?;
/// assert_eq!(delivery.poll().unwrap().to_string(), "subscribed monitor patterns=1");
///
/// for retries in [1, 2] {
///     let event = format!(r#"TASK_FAILED:wf_001:build:{{"task_id":"t1","agent_id":"a1","failure_reason":"x","retry_count":{retries}}}"#);
///     delivery.handle(now, DeliveryInput::Publish(take(&event)))?;
/// }
/// assert_eq!(delivery.poll().unwrap().to_string(), "published to 0");
/// assert_eq!(delivery.poll().unwrap().to_string(), "published to 1");
/// assert_eq!(delivery.poll().unwrap().to_string(), "deliver monitor: 1");
///
/// let monitor = ComponentId::new("monitor")?;
/// delivery.handle(now, DeliveryInput::Acknowledge(monitor, vec![1]))?;
/// assert_eq!(delivery.deadline(), None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Serialize, Deserialize)]
pub struct Delivery {
    options: DeliveryOptions,
    draws: Draws,
    table: RouteTable<Interest>,
    #[serde(with = "super::pairs")]
    queues: BTreeMap<ComponentId, Queue>,
    /// Which member of a group has unsettled messages of an order key, and how many.
    #[serde(with = "super::pairs")]
    holders: BTreeMap<(SmolStr, SmolStr), (ComponentId, usize)>,
    /// What was published, and until when it is remembered.
    seen: Window<(Option<ComponentId>, MessageId), Option<Instant>>,
    timers: Timers<(ComponentId, Due)>,
    out: VecDeque<DeliveryOutput>,
}

impl Delivery {
    /// Nobody subscribes yet. The seed decides on pauses: give each start a random one.
    pub fn new(seed: u64) -> Self {
        Delivery {
            options: DeliveryOptions::default(),
            draws: Draws::new(seed),
            table: RouteTable::new(),
            queues: BTreeMap::new(),
            holders: BTreeMap::new(),
            seen: Window::new(),
            timers: Timers::new(),
            out: VecDeque::new(),
        }
    }

    /// Sets how it delivers. Subscribers keep the queues that they have.
    pub fn with_options(mut self, options: DeliveryOptions) -> Self {
        self.options = options;
        self
    }

    /// The subscribers, and how many messages each has not acknowledged.
    pub fn subscribers(&self) -> impl Iterator<Item = (&ComponentId, usize)> {
        self.queues.iter().map(|(name, queue)| (name, queue.len()))
    }

    fn publish(&mut self, now: Now, message: Checked<Envelope>) -> Result<(), DeliveryRefused> {
        let header = &message.header;
        let id = header.message_id.clone().map(|id| (header.source.clone(), id));
        if let Some(id) = &id
            && self.seen.get(id).is_some_and(|until| until.is_none_or(|until| until > now.at))
        {
            self.out.push_back(DeliveryOutput::Duplicate(id.1.clone()));
            return Ok(());
        }
        if RouteKey::of(&message).is_none() {
            return Err(DeliveryRefused::NoRoute(message.kind()));
        }
        let text = message.to_string();
        let parcel = Parcel::new(message, &text, self.options.order.as_ref());
        let receivers = self.receivers(now, &parcel, &text, None, None)?;
        let message_id = id.as_ref().map(|(_, id)| id.clone());
        if let Some(id) = id {
            let until = now.at.after(at_least(self.options.remember_for));
            self.seen.put(id, until, until, self.options.remember);
        }
        let count = receivers.len();
        self.out.push_back(DeliveryOutput::Published { message_id, receivers: count });
        self.hand_out(now, &Arc::new(parcel), receivers);
        Ok(())
    }

    /// Who receives a message: all who want it, or one member of a `group`; never who is `not`
    /// meant.
    ///
    /// Refuses it if somebody who must not lose anything has no room for it, and changes nothing then.
    fn receivers(
        &mut self,
        now: Now,
        parcel: &Parcel,
        text: &str,
        group: Option<&SmolStr>,
        not: Option<&ComponentId>,
    ) -> Result<Receivers, DeliveryRefused> {
        let Some(route) = parcel.route() else { return Ok(Receivers::new()) };
        let subject = Subject::read(text);
        let mut wanted = BTreeSet::new();
        let mut groups: BTreeMap<&SmolStr, BTreeSet<&ComponentId>> = BTreeMap::new();
        for (id, interest) in self.table.matches(&route) {
            let asked = group.is_none() || interest.group.as_ref() == group;
            if !asked || not == Some(&interest.subscriber) || !interest.wants(subject.as_ref(), now)
            {
                continue;
            }
            match &interest.group {
                Some(group) => {
                    groups.entry(group).or_default().insert(&interest.subscriber);
                }
                None => self.has_room(&interest.subscriber)?,
            }
            wanted.insert(id);
        }
        let mut members = BTreeMap::new();
        for (group, all) in groups {
            members.insert(group.clone(), self.members(group, parcel, &all)?);
        }
        let choice = parcel.order.as_deref().map_or(Choice::Rotate, Choice::Key);
        let chosen = self.table.receivers_where(&route, choice, |id, interest| {
            let may = |group| members.get(group).is_some_and(|m| m.contains(&interest.subscriber));
            wanted.contains(&id) && interest.group.as_ref().is_none_or(may)
        });
        let mut receivers = Receivers::new();
        let mut own = BTreeSet::new();
        for (_, interest) in chosen {
            let groups = receivers.entry(interest.subscriber.clone()).or_default();
            match &interest.group {
                Some(group) if !groups.contains(group) => groups.push(group.clone()),
                Some(_) => {}
                None => {
                    own.insert(interest.subscriber.clone());
                }
            }
        }
        // What a subscriber wants for itself is not passed on to others of its group.
        for name in own {
            receivers.insert(name, Vec::new());
        }
        Ok(receivers)
    }

    /// Which members of a group may be chosen: who holds the order key; else those with room, and of
    /// these those that can be reached.
    fn members(
        &self,
        group: &SmolStr,
        parcel: &Parcel,
        all: &BTreeSet<&ComponentId>,
    ) -> Result<BTreeSet<ComponentId>, DeliveryRefused> {
        let key = parcel.order.as_ref().map(|key| (group.clone(), key.clone()));
        if let Some((holder, _)) = key.and_then(|key| self.holders.get(&key))
            && all.contains(holder)
        {
            self.has_room(holder)?;
            return Ok(BTreeSet::from([holder.clone()]));
        }
        let mut refused = Ok(());
        let mut free = BTreeSet::new();
        for name in all {
            match self.has_room(name) {
                Ok(()) => {
                    free.insert((*name).clone());
                }
                Err(error) => refused = refused.and(Err(error)),
            }
        }
        if free.is_empty() {
            refused?;
        }
        let away = |name: &ComponentId| self.queues.get(name).is_some_and(|queue| queue.away);
        if free.iter().any(|name| !away(name)) {
            free.retain(|name| !away(name));
        }
        Ok(free)
    }

    fn has_room(&self, name: &ComponentId) -> Result<(), DeliveryRefused> {
        match self.queues.get(name) {
            Some(queue) if queue.is_full() && queue.options.overflow == Overflow::Refuse => {
                let limit = queue.options.limit.max(1);
                Err(DeliveryRefused::Busy { subscriber: name.clone(), limit })
            }
            _ => Ok(()),
        }
    }

    fn hand_out(&mut self, now: Now, parcel: &Arc<Parcel>, receivers: Receivers) {
        for (name, groups) in receivers {
            self.enqueue(now, &name, Arc::clone(parcel), groups);
            self.dispatch(now, &name);
        }
    }

    fn enqueue(&mut self, now: Now, name: &ComponentId, parcel: Arc<Parcel>, groups: Vec<SmolStr>) {
        let oldest = self.queues.get(name).filter(|queue| queue.is_full()).and_then(Queue::oldest);
        if let Some(number) = oldest {
            self.settle(now, name, number);
            let timeout = now.at.after(at_least(self.options.timeout));
            if let Some(queue) = self.queues.get_mut(name) {
                if queue.gap.is_none() {
                    self.timers.set((name.clone(), Due::Gap), timeout);
                }
                queue.lose(number);
            }
        }
        for (group, key) in groups.iter().filter_map(|group| Some((group, parcel.order.as_ref()?)))
        {
            let held = self.holders.entry((group.clone(), key.clone()));
            let (holder, count) = held.or_insert_with(|| (name.clone(), 0));
            if holder != name {
                (*holder, *count) = (name.clone(), 0);
            }
            *count += 1;
        }
        let expires = parcel.expires().and_then(|end| {
            // It lives up to and including its last millisecond.
            match u64::try_from(end.saturating_sub(now.wall)) {
                Ok(left) => now.at.after(Duration::from_millis(left.saturating_add(1))),
                Err(_) => Some(now.at),
            }
        });
        let Some(queue) = self.queues.get_mut(name) else { return };
        let number = queue.push(now, parcel, groups, expires);
        self.timers.set((name.clone(), Due::Expiry(number)), expires);
        self.bury_if_expired(now, name, number);
    }

    /// Hands over what is due to a subscriber.
    fn dispatch(&mut self, now: Now, name: &ComponentId) {
        let Some(queue) = self.queues.get_mut(name) else { return };
        let timeout = now.at.after(at_least(self.options.timeout));
        loop {
            let count = queue.due(now);
            if count == 0 {
                break;
            }
            let mut batch = Vec::with_capacity(count);
            for number in queue.take(now, count) {
                let Some(entry) = queue.get(number) else { continue };
                let envelope = Arc::clone(&entry.parcel.envelope);
                batch.push(Delivered::new(number, entry.attempts, envelope));
                self.timers.set((name.clone(), Due::Message(number)), timeout);
            }
            let gap = queue.gap.as_mut().map(|pending| {
                pending.attempts = pending.attempts.saturating_add(1);
                self.timers.set((name.clone(), Due::Gap), timeout);
                pending.gap
            });
            self.out.push_back(DeliveryOutput::Deliver { to: name.clone(), gap, batch });
        }
        self.timers.set((name.clone(), Due::Batch), queue.next(now));
    }

    /// Tells a subscriber of what it lost, as often as it is told anything.
    fn tell(&mut self, now: Now, name: &ComponentId) {
        let Some(queue) = self.queues.get_mut(name).filter(|queue| !queue.away) else { return };
        let Some(pending) = &mut queue.gap else { return };
        let gap = pending.gap;
        if pending.attempts >= self.options.backoff.attempts.max(1) {
            queue.gap = None;
            self.out.push_back(DeliveryOutput::Unheard { subscriber: name.clone(), gap });
            return;
        }
        pending.attempts += 1;
        let timeout = now.at.after(at_least(self.options.timeout));
        self.timers.set((name.clone(), Due::Gap), timeout);
        let (to, gap) = (name.clone(), Some(gap));
        self.out.push_back(DeliveryOutput::Deliver { to, gap, batch: Vec::new() });
    }

    /// Takes a message out of a queue for good.
    fn settle(&mut self, now: Now, name: &ComponentId, number: u64) -> Option<Entry> {
        self.timers.set((name.clone(), Due::Message(number)), None);
        self.timers.set((name.clone(), Due::Expiry(number)), None);
        let entry = self.queues.get_mut(name)?.remove(now, number)?;
        for (group, key) in
            entry.groups.iter().filter_map(|group| Some((group, entry.parcel.order.as_ref()?)))
        {
            let held = (group.clone(), key.clone());
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

    fn bury(&mut self, now: Now, name: &ComponentId, entry: &Entry, reason: &str) {
        if matches!(entry.parcel.envelope.message, Message::DeadLetter(_)) {
            let (subscriber, reason) = (name.clone(), reason.to_owned());
            self.out.push_back(DeliveryOutput::Discard { subscriber, reason });
            return;
        }
        let letter = entry.parcel.letter(now, reason, name, entry.attempts, entry.times);
        self.out.push_back(DeliveryOutput::Bury(letter));
    }

    /// An attempt failed: the message pauses, or is buried if that was the last.
    fn failed(&mut self, now: Now, name: &ComponentId, number: u64, reason: &str, hopeless: bool) {
        let Some(queue) = self.queues.get_mut(name) else { return };
        let Some(entry) = queue.get(number).filter(|entry| entry.state == State::UnderWay) else {
            return;
        };
        let expired = entry.expires.is_some_and(|end| end <= now.at);
        let attempts = entry.attempts;
        let back = queue.fail(now, number);
        if expired || hopeless || !self.options.backoff.allows_after(attempts) {
            if let Some(entry) = self.settle(now, name, number) {
                self.bury(now, name, &entry, if hopeless || !expired { reason } else { EXPIRED });
            }
        } else {
            let pause = self.options.backoff.pause(attempts, &mut self.draws);
            self.timers.set((name.clone(), Due::Message(number)), now.at.after(pause));
        }
        self.returned(now, name, &back);
        self.dispatch(now, name);
    }

    /// Messages that were under way wait again: nothing is due of them, unless their life is over.
    fn returned(&mut self, now: Now, name: &ComponentId, numbers: &[u64]) {
        for number in numbers {
            self.timers.set((name.clone(), Due::Message(*number)), None);
            self.bury_if_expired(now, name, *number);
        }
    }

    fn bury_if_expired(&mut self, now: Now, name: &ComponentId, number: u64) {
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
            self.bury(now, name, &entry, EXPIRED);
        }
        self.dispatch(now, name);
    }

    fn acknowledge(
        &mut self,
        now: Now,
        name: &ComponentId,
        numbers: &[u64],
    ) -> Result<(), DeliveryRefused> {
        for number in numbers {
            self.given(name, *number)?;
        }
        for number in numbers {
            self.settle(now, name, *number);
        }
        self.dispatch(now, name);
        Ok(())
    }

    fn heard(&mut self, name: &ComponentId, gap: Gap) -> Result<(), DeliveryRefused> {
        let queue = self.queues.get_mut(name);
        let queue = queue.ok_or_else(|| DeliveryRefused::NotSubscribed(name.clone()))?;
        // What was lost since is not in it.
        if queue.gap.is_some_and(|pending| pending.gap == gap) {
            queue.gap = None;
            self.timers.set((name.clone(), Due::Gap), None);
        }
        Ok(())
    }

    /// Refuses a number that a subscriber cannot know.
    fn given(&self, name: &ComponentId, number: u64) -> Result<(), DeliveryRefused> {
        let queue = self.queues.get(name);
        let queue = queue.ok_or_else(|| DeliveryRefused::NotSubscribed(name.clone()))?;
        if number == 0 || number > queue.last() {
            return Err(DeliveryRefused::NotGiven { subscriber: name.clone(), number });
        }
        Ok(())
    }

    fn replay(
        &mut self,
        now: Now,
        name: &ComponentId,
        message: Checked<Envelope>,
    ) -> Result<(), DeliveryRefused> {
        if !self.queues.contains_key(name) {
            return Err(DeliveryRefused::NotSubscribed(name.clone()));
        }
        self.has_room(name)?;
        let text = message.to_string();
        let parcel = Parcel::new(message, &text, self.options.order.as_ref());
        self.enqueue(now, name, Arc::new(parcel), Vec::new());
        self.dispatch(now, name);
        Ok(())
    }
}

/// Why a message is buried whose life is over.
const EXPIRED: &str = "its time to live was over before it was acknowledged";

impl Machine for Delivery {
    type Input = DeliveryInput;
    type Output = DeliveryOutput;
    type Refused = DeliveryRefused;

    fn handle(&mut self, now: Now, input: DeliveryInput) -> Result<(), DeliveryRefused> {
        match input {
            DeliveryInput::Subscribe(message) => self.subscription(now, *message),
            DeliveryInput::Publish(message) => self.publish(now, *message),
            DeliveryInput::Replay(name, message) => self.replay(now, &name, *message),
            DeliveryInput::Acknowledge(name, numbers) => self.acknowledge(now, &name, &numbers),
            DeliveryInput::Heard(name, gap) => self.heard(&name, gap),
            DeliveryInput::Fail(name, number, reason) => {
                self.given(&name, number)?;
                self.failed(now, &name, number, &reason, false);
                Ok(())
            }
            DeliveryInput::Reject(name, number, reason) => {
                self.given(&name, number)?;
                self.failed(now, &name, number, &reason, true);
                Ok(())
            }
            DeliveryInput::Away(name) => self.leave(now, &name),
            DeliveryInput::Back(name) => self.come_back(now, &name),
        }
    }

    fn handle_timeout(&mut self, now: Now) {
        self.seen.expire(now.at);
        while let Some((name, due)) = self.timers.due(now.at) {
            match due {
                Due::Batch => self.dispatch(now, &name),
                Due::Gap => self.tell(now, &name),
                Due::Expiry(number) => self.expire(now, &name, number),
                Due::Message(number) => {
                    let Some(queue) = self.queues.get_mut(&name) else { continue };
                    match queue.get(number).map(|entry| entry.state) {
                        Some(State::UnderWay) => {
                            let reason = "it was not acknowledged in time";
                            self.failed(now, &name, number, reason, false);
                        }
                        Some(State::Resting) => {
                            queue.rise(now, number);
                            self.dispatch(now, &name);
                        }
                        Some(State::Waiting) | None => {}
                    }
                }
            }
        }
    }

    fn poll(&mut self) -> Option<DeliveryOutput> {
        self.out.pop_front()
    }

    fn deadline(&self) -> Option<Instant> {
        match (self.timers.earliest(), self.seen.deadline()) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        }
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
