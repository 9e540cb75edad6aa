//! A transport in memory.

use super::error::TransportError;
use super::packet::{Address, Delivery, Gap, Overflow, Packet, Packets, Receipt, Subscription};
use super::{Inbox, Transport, TransportLimits, within};
use crate::route::Pattern;
use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

/// A [`Transport`] between the threads and tasks of one process. A clone is another handle on it.
///
/// All publishers take turns, so all inboxes see one order. Publishing and subscribing are done at
/// once; only [`receive`](Inbox::receive) waits. An inbox takes everything that is queued for it in
/// one go, so up to twice its queue may be on the way. When the last handle is dropped, the
/// transport is closed.
#[derive(Clone, Debug)]
pub struct MemoryTransport {
    handle: Arc<Handle>,
    limits: TransportLimits,
}

#[derive(Debug)]
struct Handle(Arc<Hub>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.close();
    }
}

#[derive(Debug, Default)]
struct Hub(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    closed: bool,
    /// The sequence number of the last published packet.
    sequence: u64,
    /// The number of the last inbox.
    inboxes: u64,
    subscriptions: BTreeMap<u64, (Pattern, Arc<Queue>)>,
    listeners: BTreeMap<Address, Arc<Queue>>,
}

/// What waits for one inbox.
#[derive(Debug)]
struct Queue {
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
    fn new(limit: usize, overflow: Overflow) -> Arc<Self> {
        Arc::new(Queue { limit: limit.max(1), overflow, waiting: Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether so many packets may be added.
    fn admits(
        &self,
        waiting: &Waiting,
        more: usize,
        name: &dyn ToString,
    ) -> Result<(), TransportError> {
        if self.overflow == Overflow::DropOldest || waiting.count + more <= self.limit {
            return Ok(());
        }
        within("a batch for one inbox", "packets", more, self.limit)?;
        Err(TransportError::Busy { queue: name.to_string(), limit: self.limit })
    }

    /// Adds packets and returns whom to wake.
    fn push(&self, waiting: &mut Waiting, packets: Packets) -> Option<Waker> {
        waiting.count += packets.len();
        waiting.parts.push_back(packets);
        while waiting.count > self.limit {
            let Some(oldest) = waiting.parts.front_mut() else { break };
            let Some(lost) = oldest.drop_oldest(waiting.count - self.limit) else { break };
            if oldest.is_empty() {
                waiting.parts.pop_front();
            }
            waiting.count -= lost.dropped as usize;
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
        state.closed = true;
        let subscribed = std::mem::take(&mut state.subscriptions).into_values();
        let listening = std::mem::take(&mut state.listeners).into_values();
        drop(state);
        for queue in subscribed.map(|(_, queue)| queue).chain(listening) {
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
    /// A transport that nobody listens to yet.
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

    /// Refuses everything from now on. Inboxes give what they hold, and then
    /// [`Closed`](TransportError::Closed).
    pub fn close(&self) {
        self.handle.0.close();
    }

    fn publish_now(&self, batch: &Arc<[Packet]>) -> Result<Receipt, TransportError> {
        self.limits.check(batch)?;
        let mut state = self.handle.0.open()?;
        let first = state.sequence + 1;
        let runs = runs(batch);
        let mut due = Vec::new();
        for (pattern, queue) in state.subscriptions.values() {
            let Some(packets) = select(pattern, batch, &runs, first) else { continue };
            // Publishers take turns and receivers only make room, so what is admitted now is
            // admitted below.
            queue.admits(&queue.lock(), packets.len(), pattern)?;
            due.push((Arc::clone(queue), packets));
        }
        state.sequence += batch.len() as u64;
        let inboxes = due.len();
        let mut wakers = Vec::new();
        for (queue, packets) in due {
            let waker = queue.push(&mut queue.lock(), packets);
            wakers.extend(waker);
        }
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        Ok(Receipt::new(Some(inboxes)))
    }

    fn send_now(&self, to: &Address, batch: Arc<[Packet]>) -> Result<(), TransportError> {
        self.limits.check(&batch)?;
        let queue = self.handle.0.open()?.listeners.get(to).cloned();
        let queue = queue.ok_or_else(|| TransportError::NoListener { address: to.to_string() })?;
        let mut waiting = queue.lock();
        // The inbox may have been dropped in between.
        if waiting.closed {
            return Err(TransportError::NoListener { address: to.to_string() });
        }
        queue.admits(&waiting, batch.len(), to)?;
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
        let open = state.subscriptions.len() + state.listeners.len();
        within("the transport", "inboxes", open + 1, self.limits.inboxes)
    }

    fn inbox(&self, queue: Arc<Queue>, place: Place) -> MemoryInbox {
        MemoryInbox { hub: Arc::clone(&self.handle.0), queue, place, ready: VecDeque::new() }
    }
}

/// The ends of the stretches of packets that have the same key: each is matched once.
fn runs(batch: &[Packet]) -> Vec<usize> {
    let mut ends: Vec<usize> =
        (1..batch.len()).filter(|at| batch[*at].key != batch[at - 1].key).collect();
    ends.push(batch.len());
    ends
}

/// What of a batch a pattern selects, if anything.
fn select(pattern: &Pattern, batch: &Arc<[Packet]>, runs: &[usize], first: u64) -> Option<Packets> {
    let mut start = 0;
    let mut picked: Vec<u32> = Vec::new();
    for end in runs.iter().copied() {
        if batch.get(start).is_some_and(|packet| pattern.matches(&packet.key)) {
            if runs.len() == 1 {
                return Some(Packets::new(Arc::clone(batch), first));
            }
            picked.extend(start as u32..end as u32);
        }
        start = end;
    }
    match picked.len() {
        0 => None,
        all if all == batch.len() => Some(Packets::new(Arc::clone(batch), first)),
        _ => Some(Packets::picked(Arc::clone(batch), first, picked)),
    }
}

impl Transport for MemoryTransport {
    type Inbox = MemoryInbox;

    fn limits(&self) -> TransportLimits {
        self.limits
    }

    async fn publish(
        &self,
        packets: impl Into<Arc<[Packet]>> + Send,
    ) -> Result<Receipt, TransportError> {
        self.publish_now(&packets.into())
    }

    async fn subscribe(&self, subscription: &Subscription) -> Result<MemoryInbox, TransportError> {
        let mut state = self.handle.0.open()?;
        self.room(&state)?;
        state.inboxes += 1;
        let number = state.inboxes;
        let queue = Queue::new(subscription.queue, subscription.overflow);
        let entry = (subscription.pattern.clone(), Arc::clone(&queue));
        state.subscriptions.insert(number, entry);
        Ok(self.inbox(queue, Place::Subscription(number)))
    }

    async fn send(
        &self,
        to: &Address,
        packets: impl Into<Arc<[Packet]>> + Send,
    ) -> Result<(), TransportError> {
        self.send_now(to, packets.into())
    }

    async fn listen(&self, at: &Address, queue: usize) -> Result<MemoryInbox, TransportError> {
        let mut state = self.handle.0.open()?;
        self.room(&state)?;
        if state.listeners.contains_key(at) {
            return Err(TransportError::AddressTaken { address: at.to_string() });
        }
        let queue = Queue::new(queue, Overflow::Refuse);
        state.listeners.insert(at.clone(), Arc::clone(&queue));
        Ok(self.inbox(queue, Place::Address(at.clone())))
    }
}

/// An inbox of a [`MemoryTransport`].
#[derive(Debug)]
pub struct MemoryInbox {
    hub: Arc<Hub>,
    queue: Arc<Queue>,
    place: Place,
    /// What was taken out of the queue and not received yet.
    ready: VecDeque<Packets>,
}

#[derive(Debug)]
enum Place {
    Subscription(u64),
    Address(Address),
}

impl Inbox for MemoryInbox {
    async fn receive(&mut self) -> Result<Delivery, TransportError> {
        if let Some(packets) = self.ready.pop_front() {
            return Ok(Delivery::Packets(packets));
        }
        let MemoryInbox { queue, ready, .. } = self;
        poll_fn(|context| {
            let mut waiting = queue.lock();
            if let Some(gap) = waiting.gap.take() {
                return Poll::Ready(Ok(Delivery::Gap(gap)));
            }
            waiting.count = 0;
            std::mem::swap(&mut waiting.parts, ready);
            if let Some(packets) = ready.pop_front() {
                return Poll::Ready(Ok(Delivery::Packets(packets)));
            }
            if waiting.closed {
                return Poll::Ready(Err(TransportError::Closed));
            }
            waiting.waker = Some(context.waker().clone());
            Poll::Pending
        })
        .await
    }
}

impl Drop for MemoryInbox {
    fn drop(&mut self) {
        let mut state = self.hub.lock();
        match &self.place {
            Place::Subscription(number) => {
                state.subscriptions.remove(number);
            }
            // After a close the address may belong to nobody, but never to somebody else.
            Place::Address(address) => {
                state.listeners.remove(address);
            }
        }
        drop(state);
        self.queue.lock().closed = true;
    }
}
