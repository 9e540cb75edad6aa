//! A transport in memory.

use super::error::TransportError;
use super::packet::{Address, Gap, Overflow, Packet, Packets, Receipt, Received, Subscription};
use super::{Promises, Receiver, Transport, TransportLimits, within};
use crate::route::{GroupChoice, RouteTable, SubscriptionId};
use smol_str::SmolStr;
use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

/// A [`Transport`] between the threads and tasks of one process. A clone is another handle on it.
///
/// All publishers take turns, so all receivers see one order. Publishing and subscribing are done at
/// once; only [`receive`](Receiver::receive) waits. A receiver takes everything that is queued for it in
/// one go, so up to twice its queue may be on the way. When the last handle is dropped, the
/// transport is closed.
#[derive(Clone, Debug)]
pub struct MemoryTransport {
    handle: Arc<Handle>,
    limits: TransportLimits,
}

#[derive(Debug)]
// Counted apart from the hub: receivers hold the hub as well, and they must not keep a transport
// open that has no publisher any more.
struct Handle(Arc<Hub>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.close();
    }
}

#[derive(Debug, Default)]
// One lock for publishers and subscribers is what gives all receivers one order. It is never held
// while a task waits, and a queue's own lock is taken inside it, never around it.
struct Hub(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    closed: bool,
    /// The sequence number of the last published packet.
    sequence: u64,
    subscriptions: RouteTable<Arc<Queue>>,
    /// How many of them are in queue groups.
    // Without groups a batch can be shared as it is; the count says so without a look at the
    // subscriptions.
    grouped: usize,
    listeners: BTreeMap<Address, Arc<Queue>>,
}

/// What waits for one receiver.
#[derive(Debug)]
struct Queue {
    /// The pattern or the address.
    name: SmolStr,
    group: Option<SmolStr>,
    limit: usize,
    overflow: Overflow,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    /// What was lost before the front.
    gap: Option<Gap>,
    parts: VecDeque<Packets>,
    /// How many packets the parts have.
    count: usize,
    /// How many packets were ever sent; numbers those of an address.
    sent: u64,
    waker: Option<Waker>,
    closed: bool,
}

impl Queue {
    fn of_address(address: &Address, limit: usize) -> Self {
        Queue::new(SmolStr::new(address.as_str()), None, limit, Overflow::Refuse)
    }

    fn of_subscription(wanted: &Subscription) -> Self {
        let name = SmolStr::new(wanted.pattern.as_str());
        Queue::new(
            name,
            wanted.group.as_deref().map(SmolStr::new),
            wanted.capacity,
            wanted.overflow,
        )
    }

    fn new(name: SmolStr, group: Option<SmolStr>, limit: usize, overflow: Overflow) -> Self {
        // A queue of nothing could never hand over a packet.
        Queue { name, group, limit: limit.max(1), overflow, waiting: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // A panic inside the lock is a bug of this file; what is queued is still whole, because it
        // changes in single steps. Refusing it would turn one lost task into all.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_room(&self, waiting: &Waiting, more: usize) -> bool {
        // A queue that may drop always has room: the oldest make way.
        self.overflow == Overflow::DropOldest || waiting.count + more <= self.limit
    }

    /// Refuses `more` packets if there is no room for them.
    fn admits(&self, waiting: &Waiting, more: usize) -> Result<(), TransportError> {
        if self.has_room(waiting, more) {
            return Ok(());
        }
        // More than the queue ever holds is another error than a full queue: trying again would
        // never help.
        within("a batch for one receiver", "packets", more, self.limit)?;
        Err(TransportError::Busy { queue: self.name.to_string(), limit: self.limit })
    }

    /// Adds packets and returns whom to wake.
    fn push(&self, waiting: &mut Waiting, packets: Packets) -> Option<Waker> {
        waiting.count += packets.len();
        waiting.parts.push_back(packets);
        while waiting.count > self.limit {
            let Some(oldest) = waiting.parts.front_mut() else { break };
            // Dropped from the front, packet by packet and not by whole batches: as much of the
            // newest is kept as fits.
            let Some(lost) = oldest.drop_oldest(waiting.count - self.limit) else { break };
            if oldest.is_empty() {
                waiting.parts.pop_front();
            }
            waiting.count -= lost.dropped as usize;
            // Gaps that touch become one, so a receiver that sleeps for long finds one gap, not
            // thousands, and the queue stays bounded.
            waiting.gap = Some(waiting.gap.map_or(lost, |gap| gap.join(lost)));
        }
        waiting.waker.take()
    }
}

impl Hub {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self) -> Result<MutexGuard<'_, State>, TransportError> {
        let state = self.lock();
        if state.closed { Err(TransportError::Closed) } else { Ok(state) }
    }

    fn close(&self) {
        let mut state = self.lock();
        // Set under the lock that publishers take, so nothing is queued behind the end.
        state.closed = true;
        let subscribed = std::mem::take(&mut state.subscriptions);
        let listening = std::mem::take(&mut state.listeners);
        drop(state);
        let subscribed = subscribed.iter().map(|(.., queue)| queue);
        // Outside the hub's lock: a waker may run code that publishes or drops a receiver, which
        // takes it.
        for queue in subscribed.chain(listening.values()) {
            let mut waiting = queue.lock();
            waiting.closed = true;
            let waker = waiting.waker.take();
            drop(waiting);
            waker.into_iter().for_each(Waker::wake);
        }
    }
}

impl Default for MemoryTransport {
    fn default() -> Self {
        MemoryTransport::new()
    }
}

impl MemoryTransport {
    /// A transport without receivers.
    pub fn new() -> Self {
        MemoryTransport {
            handle: Arc::new(Handle(Arc::default())),
            limits: TransportLimits::default(),
        }
    }

    /// Sets how much one operation may carry.
    pub const fn with_limits(mut self, limits: TransportLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Refuses everything from now on. Receivers give what they hold, and then
    /// [`Closed`](TransportError::Closed).
    pub fn close(&self) {
        self.handle.0.close();
    }

    fn publish_now(&self, batch: &Arc<[Packet]>) -> Result<Receipt, TransportError> {
        self.limits.check(batch)?;
        let mut state = self.handle.0.open()?;
        // Numbers are used only when the batch was admitted, below: a refused batch must leave no
        // hole that looks like a loss.
        let first = state.sequence + 1;
        let mut wakers = Vec::new();
        let mut receivers = 0;
        // Publishers take turns and receivers only make room, so what is admitted in a first pass
        // is admitted in the second. The usual case: one key, no groups. The subscriptions are
        // matched once and the batch is shared, without a list of picks for each receiver.
        if let (Some(packet), true) = (batch.first(), state.grouped == 0 && is_uniform(batch)) {
            for (_, queue) in state.subscriptions.matches(&packet.key) {
                if queue.overflow == Overflow::Refuse {
                    queue.admits(&queue.lock(), batch.len())?;
                }
            }
            for (_, queue) in state.subscriptions.matches(&packet.key) {
                let packets = Packets::new(Arc::clone(batch), first);
                wakers.extend(queue.push(&mut queue.lock(), packets));
                receivers += 1;
            }
        } else {
            // Each packet is matched for itself and each receiver gets the indices that are its
            // own; the packets stay in the one batch.
            let due = shares(&mut state, batch)?;
            for (queue, picks) in due.values() {
                queue.admits(&queue.lock(), picks.len())?;
            }
            receivers = due.len();
            for (queue, picks) in due.into_values() {
                let packets = Packets::picked(Arc::clone(batch), first, picks);
                wakers.extend(queue.push(&mut queue.lock(), packets));
            }
        }
        // Wakers are called after both locks are free, so a woken task can go on at once.
        state.sequence += batch.len() as u64;
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        Ok(Receipt::new(Some(receivers)))
    }

    fn send_now(&self, to: &Address, batch: Arc<[Packet]>) -> Result<(), TransportError> {
        self.limits.check(&batch)?;
        // The hub's lock is let go before the queue's is taken: sending to one address holds up no
        // publisher.
        let queue = self.handle.0.open()?.listeners.get(to).cloned();
        let queue = queue.ok_or_else(|| TransportError::no_listener(to))?;
        let mut waiting = queue.lock();
        // The receiver may have been dropped in between.
        if waiting.closed {
            return Err(TransportError::no_listener(to));
        }
        queue.admits(&waiting, batch.len())?;
        // Asked after the checks, so that an empty batch still tells whether there is a listener.
        if batch.is_empty() {
            return Ok(());
        }
        let first = waiting.sent + 1;
        waiting.sent += batch.len() as u64;
        let waker = queue.push(&mut waiting, Packets::new(batch, first));
        drop(waiting);
        waker.into_iter().for_each(Waker::wake);
        Ok(())
    }

    fn room(&self, state: &State) -> Result<(), TransportError> {
        self.limits.check_receivers(state.subscriptions.len() + state.listeners.len() + 1)
    }

    fn receiver(&self, queue: Arc<Queue>, endpoint: Endpoint) -> MemoryReceiver {
        MemoryReceiver { hub: Arc::clone(&self.handle.0), queue, endpoint, ready: VecDeque::new() }
    }
}

/// Whether all packets have one key.
fn is_uniform(batch: &[Packet]) -> bool {
    batch.windows(2).all(|pair| pair[0].key == pair[1].key)
}

/// The packets of a batch that each receiver is due.
type Shares = BTreeMap<SubscriptionId, (Arc<Queue>, Vec<u32>)>;

fn shares(state: &mut State, batch: &[Packet]) -> Result<Shares, TransportError> {
    let mut shares = Shares::new();
    for (index, packet) in (0..).zip(batch) {
        let table = &mut state.subscriptions;
        if state.grouped == 0 {
            for (id, queue) in table.matches(&packet.key) {
                share(&mut shares, id, queue, index);
            }
            continue;
        }
        // A member that is full is passed over; if all are, no receiver gets the batch.
        // Ordered by name, so the group that an error names does not depend on hashing.
        let mut full = BTreeMap::new();
        for (_, queue) in table.matches(&packet.key) {
            if let Some(group) = &queue.group {
                full.entry(group.clone()).or_insert_with(|| Arc::clone(queue));
            }
        }
        let chosen = table.receivers_where(&packet.key, GroupChoice::Rotate, |id, queue| {
            // What this batch has given to a member already counts, although it is not queued yet.
            let taken = shares.get(&id).map_or(0, |(_, picks)| picks.len());
            queue.group.is_none() || queue.has_room(&queue.lock(), taken + 1)
        });
        for (id, queue) in chosen {
            if let Some(group) = &queue.group {
                full.remove(group);
            }
            share(&mut shares, id, queue, index);
        }
        // A group none of whose members has room refuses the batch: dropping the packet would lose
        // it for all of them.
        if let Some(queue) = full.into_values().next() {
            let limit = queue.limit;
            return Err(TransportError::Busy { queue: queue.name.to_string(), limit });
        }
    }
    Ok(shares)
}

fn share(shares: &mut Shares, id: SubscriptionId, queue: &Arc<Queue>, index: u32) {
    let (_, picks) = shares.entry(id).or_insert_with(|| (Arc::clone(queue), Vec::new()));
    picks.push(index);
}

impl Transport for MemoryTransport {
    type Receiver = MemoryReceiver;

    fn limits(&self) -> TransportLimits {
        self.limits
    }

    fn promises(&self) -> Promises {
        Promises::ALL
    }

    async fn publish(
        &self,
        packets: impl Into<Arc<[Packet]>> + Send,
    ) -> Result<Receipt, TransportError> {
        self.publish_now(&packets.into())
    }

    async fn subscribe(
        &self,
        subscription: &Subscription,
    ) -> Result<MemoryReceiver, TransportError> {
        let mut state = self.handle.0.open()?;
        self.room(&state)?;
        let queue = Arc::new(Queue::of_subscription(subscription));
        let (pattern, value) = (subscription.pattern.clone(), Arc::clone(&queue));
        let id = match &subscription.group {
            Some(group) => {
                state.grouped += 1;
                state.subscriptions.insert_in_group(pattern, group, value)
            }
            None => state.subscriptions.insert(pattern, value),
        };
        Ok(self.receiver(queue, Endpoint::Subscription(id)))
    }

    async fn send(
        &self,
        to: &Address,
        packets: impl Into<Arc<[Packet]>> + Send,
    ) -> Result<(), TransportError> {
        self.send_now(to, packets.into())
    }

    async fn listen(
        &self,
        at: &Address,
        capacity: usize,
    ) -> Result<MemoryReceiver, TransportError> {
        let mut state = self.handle.0.open()?;
        self.room(&state)?;
        // A second listener is refused and not put in the place of the first, which may be in the
        // middle of an exchange.
        if state.listeners.contains_key(at) {
            return Err(TransportError::address_taken(at));
        }
        let queue = Arc::new(Queue::of_address(at, capacity));
        state.listeners.insert(at.clone(), Arc::clone(&queue));
        Ok(self.receiver(queue, Endpoint::Address(at.clone())))
    }
}

/// A receiver of a [`MemoryTransport`].
#[derive(Debug)]
pub struct MemoryReceiver {
    hub: Arc<Hub>,
    queue: Arc<Queue>,
    endpoint: Endpoint,
    /// What was taken out of the queue and not received yet.
    ready: VecDeque<Packets>,
}

#[derive(Debug)]
enum Endpoint {
    Subscription(SubscriptionId),
    Address(Address),
}

impl Receiver for MemoryReceiver {
    async fn receive(&mut self) -> Result<Received, TransportError> {
        if let Some(packets) = self.ready.pop_front() {
            return Ok(Received::Packets(packets));
        }
        // What was taken out stays in the receiver, not in the future: a future that is dropped
        // loses nothing.
        let MemoryReceiver { queue, ready, .. } = self;
        poll_fn(|context| {
            let mut waiting = queue.lock();
            // A gap comes before what follows it: it stands where the packets would have been.
            if let Some(gap) = waiting.gap.take() {
                return Poll::Ready(Ok(Received::Gap(gap)));
            }
            // The whole queue is taken with one lock and no copy. So publishers find an empty queue
            // while the receiver works through the old one, which is why up to twice the limit can
            // be on the way.
            waiting.count = 0;
            std::mem::swap(&mut waiting.parts, ready);
            if let Some(packets) = ready.pop_front() {
                return Poll::Ready(Ok(Received::Packets(packets)));
            }
            // Asked last: what was accepted before the end is still handed out.
            if waiting.closed {
                return Poll::Ready(Err(TransportError::Closed));
            }
            // Set under the queue's lock, so no packet can come between the look and the sleep.
            waiting.waker = Some(context.waker().clone());
            Poll::Pending
        })
        .await
    }
}

impl Drop for MemoryReceiver {
    fn drop(&mut self) {
        let mut state = self.hub.lock();
        match &self.endpoint {
            Endpoint::Subscription(id) => {
                if state.subscriptions.remove(*id).is_some_and(|queue| queue.group.is_some()) {
                    state.grouped -= 1;
                }
            }
            // After a close the address may have no receiver, but never another one.
            Endpoint::Address(address) => {
                state.listeners.remove(address);
            }
        }
        drop(state);
        // For a sender that took the queue out of the table just before; see `send_now`.
        self.queue.lock().closed = true;
    }
}
