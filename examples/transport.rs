//! A transport of one's own, and the proof that it keeps what the trait promises: one log that all
//! receivers read, each from a place of its own. A slow one holds up no other. The log has room for a
//! number of packets, and a receiver that falls out of it finds a gap.
//!
//! Run it with `cargo run --example transport --features conformance`.

use coordination_protocol::conformance::{self, ConformanceSummary};
use coordination_protocol::route::{GroupChoice, RouteTable, SubscriptionId};
use coordination_protocol::storage::block_on;
use coordination_protocol::transport::{
    Address, Gap, Packet, Packets, Promises, Receipt, Received, Receiver, Subscription, Transport,
    TransportError, TransportLimits,
};
use std::collections::{BTreeMap, VecDeque};
use std::error::Error;
use std::future::poll_fn;
use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

/// The number of a reader.
type ReaderId = u64;

#[derive(Default)]
struct Log {
    batches: VecDeque<Batch>,
    /// How many packets the batches have.
    packets: usize,
    /// The sequence number of the last packet.
    last: u64,
    readers: BTreeMap<ReaderId, Reader>,
    opened: ReaderId,
    routes: RouteTable<ReaderId>,
    listeners: BTreeMap<Address, ReaderId>,
    closed: bool,
}

/// A batch: its first number, how many packets it has, and what of it each reader is due.
struct Batch {
    first: u64,
    count: usize,
    due: BTreeMap<ReaderId, Packets>,
}

#[derive(Default)]
struct Reader {
    /// The sequence number up to which it has read.
    read: u64,
    /// What went out of the log before it was read.
    gap: Option<Gap>,
    waker: Option<Waker>,
}

impl Log {
    /// What comes next for a reader.
    fn next(&mut self, id: ReaderId) -> Option<Received> {
        let reader = self.readers.get_mut(&id)?;
        if let Some(gap) = reader.gap.take() {
            return Some(Received::Gap(gap));
        }
        let seen = self.batches.partition_point(|batch| batch.first <= reader.read);
        self.batches.range(seen..).find_map(|batch| {
            reader.read = batch.first;
            batch.due.get(&id).cloned().map(Received::Packets)
        })
    }
}

/// The transport. Every operation is one turn under the lock, so all receivers see one order.
struct OwnTransport {
    log: Arc<Mutex<Log>>,
    /// How many packets the log keeps.
    room: usize,
}

fn lock(log: &Mutex<Log>) -> MutexGuard<'_, Log> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

impl OwnTransport {
    fn with_room(room: usize) -> Self {
        OwnTransport { log: Arc::default(), room }
    }

    /// Adds a batch with what of it each reader is due, and lets the oldest ones go when there is no room.
    fn append(
        &self,
        mut log: MutexGuard<'_, Log>,
        batch: &Arc<[Packet]>,
        due: BTreeMap<ReaderId, Vec<u32>>,
    ) {
        let Log { batches, packets, last, readers, .. } = &mut *log;
        let wake = |id| readers.get_mut(id)?.waker.take();
        let wakers: Vec<Waker> = due.keys().filter_map(wake).collect();
        let (first, count) = (*last + 1, batch.len());
        let own = |(id, picks)| (id, Packets::picked(Arc::clone(batch), first, picks));
        batches.push_back(Batch { first, count, due: due.into_iter().map(own).collect() });
        *last += count as u64;
        *packets += count;
        while *packets > self.room
            && let Some(old) = batches.pop_front()
        {
            *packets -= old.count;
            for (id, lost) in &old.due {
                if let Some(reader) = readers.get_mut(id)
                    && reader.read < old.first
                {
                    reader.gap = reader.gap.into_iter().chain(lost.as_gap()).reduce(Gap::join);
                }
            }
        }
        // A waker may run what takes the lock.
        drop(log);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Opens a receiver, which reads what is appended from now on.
    fn open(
        &self,
        mut log: MutexGuard<'_, Log>,
        place: impl FnOnce(&mut Log, ReaderId) -> Place,
    ) -> Result<OwnReceiver, TransportError> {
        self.limits().check_receivers(log.readers.len() + 1)?;
        log.opened += 1;
        let (id, read) = (log.opened, log.last);
        log.readers.insert(id, Reader { read, ..Reader::default() });
        Ok(OwnReceiver { log: Arc::clone(&self.log), id, place: place(&mut log, id) })
    }
}

impl Drop for OwnTransport {
    fn drop(&mut self) {
        let mut log = lock(&self.log);
        log.closed = true;
        let wakers: Vec<_> = log.readers.values_mut().filter_map(|it| it.waker.take()).collect();
        drop(log);
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl Transport for OwnTransport {
    type Receiver = OwnReceiver;

    fn limits(&self) -> TransportLimits {
        // A batch must fit into the log, and one that is full is still a batch.
        let limits = TransportLimits::default();
        limits.with_batch_packets(limits.batch_packets.min(self.room))
    }

    fn promises(&self) -> Promises {
        // A log holds more than a reader's capacity, and refuses no publisher because one is slow.
        Promises::NONE.with_whole_batches(true).with_unique_listeners(true)
    }

    async fn publish(
        &self,
        packets: impl Into<Arc<[Packet]>> + Send,
    ) -> Result<Receipt, TransportError> {
        let packets = packets.into();
        self.limits().check(&packets)?;
        let mut log = lock(&self.log);
        let mut due = BTreeMap::<ReaderId, Vec<u32>>::new();
        for (index, packet) in (0..).zip(&*packets) {
            // Of each queue group the member that has waited longest.
            for (_, id) in log.routes.receivers(&packet.key, GroupChoice::Rotate) {
                due.entry(*id).or_default().push(index);
            }
        }
        let receipt = Receipt::new(Some(due.len()));
        self.append(log, &packets, due);
        Ok(receipt)
    }

    async fn subscribe(&self, wanted: &Subscription) -> Result<OwnReceiver, TransportError> {
        let pattern = wanted.pattern.clone();
        self.open(lock(&self.log), |log, id| {
            Place::Route(match &wanted.group {
                Some(group) => log.routes.insert_in_group(pattern, group, id),
                None => log.routes.insert(pattern, id),
            })
        })
    }

    async fn send(
        &self,
        to: &Address,
        packets: impl Into<Arc<[Packet]>> + Send,
    ) -> Result<(), TransportError> {
        let packets = packets.into();
        self.limits().check(&packets)?;
        let log = lock(&self.log);
        let id = *log.listeners.get(to).ok_or_else(|| TransportError::no_listener(to))?;
        let all = (0..).zip(&*packets).map(|(index, _)| index).collect();
        self.append(log, &packets, BTreeMap::from([(id, all)]));
        Ok(())
    }

    async fn listen(&self, at: &Address, _: usize) -> Result<OwnReceiver, TransportError> {
        let log = lock(&self.log);
        if log.listeners.contains_key(at) {
            return Err(TransportError::address_taken(at));
        }
        self.open(log, |log, id| {
            log.listeners.insert(at.clone(), id);
            Place::Address(at.clone())
        })
    }
}

struct OwnReceiver {
    log: Arc<Mutex<Log>>,
    id: ReaderId,
    place: Place,
}

enum Place {
    Route(SubscriptionId),
    Address(Address),
}

impl Receiver for OwnReceiver {
    async fn receive(&mut self) -> Result<Received, TransportError> {
        poll_fn(|context| {
            let mut log = lock(&self.log);
            if let Some(received) = log.next(self.id) {
                return Poll::Ready(Ok(received));
            }
            if log.closed {
                return Poll::Ready(Err(TransportError::Closed));
            }
            if let Some(reader) = log.readers.get_mut(&self.id) {
                reader.waker = Some(context.waker().clone());
            }
            Poll::Pending
        })
        .await
    }
}

impl Drop for OwnReceiver {
    fn drop(&mut self) {
        let mut log = lock(&self.log);
        log.readers.remove(&self.id);
        match &self.place {
            Place::Route(id) => drop(log.routes.remove(*id)),
            Place::Address(at) => drop(log.listeners.remove(at)),
        }
    }
}

/// Runs the cases of the kit over transports with room for a number of packets, and says what came of each.
pub(crate) fn run(room: usize, mut out: impl Write) -> Result<ConformanceSummary, Box<dyn Error>> {
    let cases = conformance::transport::cases();
    let open = async || Ok::<_, TransportError>(OwnTransport::with_room(room));
    // A case is alone with its transport: one that still waits after a thousand polls waits for ever.
    let patience = |_| conformance::polls(1_000);
    let summary = block_on(conformance::run_within(&cases, open, Duration::MAX, patience));
    for case in &cases {
        let is_in = |names: &[&str]| names.contains(&case.name);
        let kept = if is_in(&summary.not_declared) { "not declared" } else { "kept" };
        let failed = summary.failed.iter().any(|(name, ..)| *name == case.name);
        writeln!(out, "{}: {}", if failed { "BROKEN" } else { kept }, case.promise)?;
    }
    Ok(summary)
}

#[allow(dead_code, reason = "tests call `run`")]
pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    run(100_000, std::io::stdout())?.into_result()?;
    Ok(())
}
