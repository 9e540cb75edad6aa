//! A bus as a transport, for those who move packets and settle nothing themselves.

use super::{Arrival, Bus, BusError, Delivery, Inbox, Interest, Post};
use crate::route::RouteKey;
use crate::storage::StorageError;
use crate::transport::{
    Address, Gap, Packet, Packets, Promises, Receipt, Received, Receiver, Subscription, Transport,
    TransportError, TransportLimits,
};
use std::sync::Arc;

/// Packets as messages of the bus. A packet is settled when its receiver asks for the next one, so who is
/// killed in between gets it again, if it is a member of a queue group or listens at an address.
///
/// | what a transport says | what the bus does |
/// |---|---|
/// | a queue group | a durable subscription of its name: it outlives its members, and keeps what comes while there is none |
/// | [`send`](Transport::send) | is refused while nobody listens; what a listener leaves behind goes to the next one |
/// | capacity, [`Overflow`](crate::transport::Overflow) | the log is the queue: no publisher is refused for a slow reader, and who was away for too long finds a [`Gap`] |
///
/// Of the [`Promises`] beyond those of every transport it keeps whole batches: one is one append.
impl Transport for Bus {
    type Receiver = BusReceiver;

    fn limits(&self) -> TransportLimits {
        let limits = crate::storage::Journal::limits(self.history());
        TransportLimits::default()
            .with_packet_bytes(limits.value_bytes.min(TransportLimits::default().packet_bytes))
            .with_batch_packets(limits.batch_records.min(TransportLimits::default().batch_packets))
    }

    fn promises(&self) -> Promises {
        Promises::NONE.with_whole_batches(true)
    }

    async fn publish(
        &self,
        packets: impl Into<Arc<[Packet]>> + Send,
    ) -> Result<Receipt, TransportError> {
        let packets = packets.into();
        Transport::limits(self).check(&packets)?;
        let post = |packet: &Packet| Post::raw(&packet.key, Arc::clone(&packet.body));
        let posts: Vec<Post> = packets.iter().map(post).collect::<Result<_, _>>()?;
        Bus::publish(self, &posts).await?;
        Ok(Receipt::new(None))
    }

    async fn subscribe(&self, subscription: &Subscription) -> Result<BusReceiver, TransportError> {
        let interest = Interest::new(subscription.pattern.clone())
            .in_sequence()
            .with_max_in_flight(subscription.capacity)
            .with_window(subscription.capacity);
        let interest = match &subscription.group {
            // The pattern is part of the name: members of a group may select differently.
            Some(group) => {
                interest.durable(format!("group/{group}/{}", subscription.pattern.as_str()))
            }
            None => interest,
        };
        Ok(BusReceiver::new(Bus::subscribe(self, interest).await?))
    }

    async fn send(
        &self,
        to: &Address,
        packets: impl Into<Arc<[Packet]>> + Send,
    ) -> Result<(), TransportError> {
        let packets = packets.into();
        Transport::limits(self).check(&packets)?;
        if !self.has_listener(to).await? {
            return Err(TransportError::NoListener { address: to.as_str().to_owned() });
        }
        let post = |packet: &Packet| Post::raw_to(to, Arc::clone(&packet.body));
        let posts: Vec<Post> = packets.iter().map(post).collect::<Result<_, _>>()?;
        Ok(Bus::publish(self, &posts).await.map(drop)?)
    }

    async fn listen(&self, at: &Address, capacity: usize) -> Result<BusReceiver, TransportError> {
        Ok(BusReceiver::new(self.listen_with(at, capacity, Interest::ATTEMPTS).await?))
    }
}

/// Where packets of a bus arrive.
#[derive(Debug)]
pub struct BusReceiver {
    inbox: Inbox,
    /// What was handed out last.
    last: Option<Delivery>,
}

impl BusReceiver {
    const fn new(inbox: Inbox) -> Self {
        BusReceiver { inbox, last: None }
    }
}

impl Receiver for BusReceiver {
    async fn receive(&mut self) -> Result<Received, TransportError> {
        if let Some(last) = &self.last {
            match self.inbox.settle(last).await {
                // Another one has taken over; what comes next is this one's again.
                Ok(()) | Err(BusError::Stale { .. }) => self.last = None,
                Err(error) => return Err(error.into()),
            }
        }
        match self.inbox.next().await? {
            // A transport counts no attempts: who receives judges.
            Arrival::Message(delivery) | Arrival::Exhausted(delivery) => {
                let registry = self.inbox.bus().registry();
                let subject = delivery.subject.as_deref().unwrap_or_default();
                let key = RouteKey::parse_with(registry, subject)
                    .unwrap_or_else(|_| RouteKey::new(subject, "", "").into_owned());
                let packet = Packet::new(key, Arc::clone(&delivery.data));
                let position = delivery.position.offset;
                self.last = Some(delivery);
                Ok(Received::Packets(Packets::new(Arc::from([packet]), position)))
            }
            Arrival::Gap { from, to } => {
                let (from, to) = (from.offset, to.offset);
                // How many of them this receiver was due is not known any more: at most all.
                Ok(Received::Gap(Gap::new(from, to.saturating_sub(1), to.saturating_sub(from))))
            }
        }
    }
}

impl From<BusError> for TransportError {
    fn from(error: BusError) -> Self {
        match error {
            BusError::Address(fault) => TransportError::Address(fault),
            BusError::AddressTaken { address } => {
                TransportError::AddressTaken { address: address.as_str().to_owned() }
            }
            BusError::Storage(StorageError::TooLarge { what, unit, size, limit }) => {
                TransportError::TooLarge { what, unit, size, limit }
            }
            other => TransportError::unavailable(other.to_string()).with_source(other),
        }
    }
}
