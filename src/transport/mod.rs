//! Transport: packets from one component to one other, or to all that asked for them.
//!
//! | operation | reaches | fails with |
//! |---|---|---|
//! | [`publish`](Transport::publish) | every receiver whose pattern selects the packet's key, and of a queue group one | [`Busy`](TransportError::Busy) if one that must not lose anything is full |
//! | [`send`](Transport::send) | the one receiver that listens at an address | [`NoListener`](TransportError::NoListener), [`Busy`](TransportError::Busy) |
//!
//! Nothing is lost in silence. Every queue is bounded, and its [`Overflow`] says what happens when
//! it is full: the publisher is refused, or the oldest packets make room and their subscriber finds
//! one [`Gap`] in their place.
//!
//! Packets travel in batches: one hand-over, one wake-up and no copy for many of them. A transport
//! moves bytes and does not judge them; whoever receives runs them through a
//! [`Validator`](crate::validate::Validator).
//!
//! ```
//! use coordination_protocol::route::{Pattern, RouteKey};
//! use coordination_protocol::storage::block_on;
//! use coordination_protocol::transport::{
//!     Received, Receiver, MemoryTransport, Overflow, Packet, Subscription, Transport,
//! };
//!
//! block_on(async {
//!     let transport = MemoryTransport::new();
//!     let slow = Subscription::new(Pattern::parse("*.failed")?)
//!         .with_capacity(1)
//!         .with_overflow(Overflow::DropOldest);
//!     let mut receiver = transport.subscribe(&slow).await?;
//!
//!     for body in ["one", "two", "three"] {
//!         let key = RouteKey::new("TASK_FAILED", "wf_001", "build");
//!         transport.publish([Packet::new(key, body.as_bytes())]).await?;
//!     }
//!     let Received::Gap(gap) = receiver.receive().await? else { unreachable!() };
//!     assert_eq!((gap.from, gap.to, gap.dropped), (1, 2, 2));
//!     let Received::Packets(packets) = receiver.receive().await? else { unreachable!() };
//!     assert_eq!(&*packets.iter().next().unwrap().body, b"three");
//!     Ok::<(), Box<dyn std::error::Error>>(())
//! })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # A transport of your own
//!
//! | to | there is |
//! |---|---|
//! | cut a stream of bytes into lines, over pipes and sockets | [`LineDecoder`], [`encode_line`] |
//! | find who is due a packet, queue groups included | [`RouteTable::receivers`](crate::route::RouteTable::receivers) |
//! | hand out of a shared batch what one receiver is due | [`Packets::picked`] |
//! | tell a receiver what it lost | [`Packets::as_gap`], [`Gap::join`] |
//! | refuse what is over a limit | [`TransportLimits::check`], [`TransportLimits::check_receivers`] |
//! | say what it promises beyond what each one does | [`Promises`] |
//! | show that it keeps its promises | the module `conformance` (feature `conformance`) |
//!
//! `examples/transport.rs` is one over a log, under the kit.

mod dynamic;
mod error;
mod frame;
mod memory;
mod packet;

pub use dynamic::{DynReceiver, DynTransport};
pub use error::{AddressFault, FrameFault, TransportError};
pub use frame::{LineDecoder, encode_line};
pub use memory::{MemoryReceiver, MemoryTransport};
pub use packet::{Address, Gap, Overflow, Packet, Packets, Receipt, Received, Subscription};

use std::sync::Arc;

/// Moves packets.
///
/// What every implementation promises:
///
/// - **Order.** Packets of one publisher reach a receiver in the order in which they were published.
/// - **Accepted is on its way.** A batch that is accepted reaches every receiver it is for, or is part of a
///   gap there.
/// - **Only what matches**, and that once for each receiver. Of a queue group one receiver gets a packet.
/// - **No silence.** A packet that a receiver was due and did not get is part of a [`Gap`].
/// - **From then on.** A receiver gets what is published after `subscribe` returned, and nothing
///   after it was dropped.
/// - **Limits.** What is over a [limit](Self::limits) is refused, and a packet at the limit is carried.
///
/// What else an implementation keeps, it declares by [`promises`](Self::promises), a table of which is
/// [`Promises`]. A log that its readers follow, for one, holds more than a reader's capacity, and refuses
/// no publisher because a reader is slow.
#[doc(alias = "broker")]
#[doc(alias = "bus")]
#[doc(alias = "pub-sub")]
#[doc(alias = "publish")]
pub trait Transport: Send + Sync {
    /// Where packets arrive.
    type Receiver: Receiver;

    /// How much one operation may carry.
    fn limits(&self) -> TransportLimits {
        TransportLimits::default()
    }

    /// What it promises beyond what every transport does. Nothing, unless an implementation says so.
    fn promises(&self) -> Promises {
        Promises::NONE
    }

    /// Hands packets to every receiver whose pattern selects their key.
    ///
    /// # Errors
    /// [`Busy`](TransportError::Busy) if a receiver with [`Overflow::Refuse`] has no room for its
    /// part of the batch and the [queues are bounded](Promises::bounded_queues);
    /// [`TooLarge`](TransportError::TooLarge).
    fn publish(
        &self,
        packets: impl Into<Arc<[Packet]>> + Send,
    ) -> impl Future<Output = Result<Receipt, TransportError>> + Send;

    /// Opens a receiver for what a pattern selects.
    ///
    /// # Errors
    /// [`TooLarge`](TransportError::TooLarge) if too many receivers are open.
    fn subscribe(
        &self,
        subscription: &Subscription,
    ) -> impl Future<Output = Result<Self::Receiver, TransportError>> + Send;

    /// Hands packets to the receiver that listens at an address.
    ///
    /// # Errors
    /// [`NoListener`](TransportError::NoListener); [`Busy`](TransportError::Busy) if it has no
    /// room for the batch; [`TooLarge`](TransportError::TooLarge).
    fn send(
        &self,
        to: &Address,
        packets: impl Into<Arc<[Packet]>> + Send,
    ) -> impl Future<Output = Result<(), TransportError>> + Send;

    /// Opens the receiver of an address, for at most `capacity` packets (at least 1). It refuses
    /// senders when it is full.
    ///
    /// # Errors
    /// [`AddressTaken`](TransportError::AddressTaken) while another receiver listens there;
    /// [`TooLarge`](TransportError::TooLarge) if too many receivers are open.
    fn listen(
        &self,
        at: &Address,
        capacity: usize,
    ) -> impl Future<Output = Result<Self::Receiver, TransportError>> + Send;
}

/// Where packets arrive. Dropping it ends the subscription and frees the address.
#[doc(alias = "inbox")]
#[doc(alias = "mailbox")]
#[doc(alias = "consumer")]
pub trait Receiver: Send {
    /// Waits for what comes next. The future may be dropped at any time; nothing gets lost.
    ///
    /// # Errors
    /// [`Closed`](TransportError::Closed) when the transport is closed and everything queued was
    /// received.
    fn receive(&mut self) -> impl Future<Output = Result<Received, TransportError>> + Send;
}

/// What a transport promises beyond what each one does.
///
/// | promise | kept | not declared |
/// |---|---|---|
/// | [`bounded_queues`](Self::bounded_queues) | a queue holds its capacity: a full one refuses the publisher ([`Busy`](TransportError::Busy)) or drops its oldest packets, as its [`Overflow`] says; a full member of a group is passed over | a queue may hold more, never refuses a publisher, and what it loses is a [`Gap`] |
/// | [`whole_batches`](Self::whole_batches) | a batch that is refused reached no receiver | a batch that is refused may have reached some |
/// | [`unique_listeners`](Self::unique_listeners) | an address has one listener ([`AddressTaken`](TransportError::AddressTaken)) or none ([`NoListener`](TransportError::NoListener)) | an address may have several, and what is sent to one without a listener may wait for it |
///
/// The kit of `conformance` tests those that are declared. Of the implementations here,
/// [`MemoryTransport`] declares all, and a `Bus` (feature `tokio`) whole batches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Promises {
    /// A queue holds as many packets as its capacity, and heeds its [`Overflow`].
    pub bounded_queues: bool,
    /// A batch that is refused reached no receiver.
    pub whole_batches: bool,
    /// An address has one listener or none.
    pub unique_listeners: bool,
}

impl Promises {
    /// Only what every transport promises.
    pub const NONE: Promises =
        Promises { bounded_queues: false, whole_batches: false, unique_listeners: false };

    /// Everything.
    pub const ALL: Promises =
        Promises { bounded_queues: true, whole_batches: true, unique_listeners: true };

    /// Sets whether a queue holds as many packets as its capacity, and heeds its [`Overflow`].
    pub const fn with_bounded_queues(mut self, kept: bool) -> Self {
        self.bounded_queues = kept;
        self
    }

    /// Sets whether a batch that is refused reached no receiver.
    pub const fn with_whole_batches(mut self, kept: bool) -> Self {
        self.whole_batches = kept;
        self
    }

    /// Sets whether an address has one listener or none.
    pub const fn with_unique_listeners(mut self, kept: bool) -> Self {
        self.unique_listeners = kept;
        self
    }
}

/// How much one operation may carry. An implementation states its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TransportLimits {
    /// The maximum number of bytes of a packet's body. 1 MiB unless set.
    pub packet_bytes: usize,
    /// The maximum number of packets of a batch. 10,000 unless set.
    pub batch_packets: usize,
    /// The maximum number of receivers that are open at a time. 100,000 unless set.
    pub receivers: usize,
}

impl Default for TransportLimits {
    fn default() -> Self {
        // Bounds for what one caller can demand: a message of this protocol is a few kilobytes, and
        // indices of a batch are 32 bits.
        TransportLimits { packet_bytes: 1 << 20, batch_packets: 10_000, receivers: 100_000 }
    }
}

impl TransportLimits {
    /// Sets the maximum number of bytes of a packet's body.
    pub const fn with_packet_bytes(mut self, bytes: usize) -> Self {
        self.packet_bytes = bytes;
        self
    }

    /// Sets the maximum number of packets of a batch.
    pub const fn with_batch_packets(mut self, packets: usize) -> Self {
        self.batch_packets = packets;
        self
    }

    /// Sets the maximum number of open receivers.
    pub const fn with_receivers(mut self, receivers: usize) -> Self {
        self.receivers = receivers;
        self
    }

    /// Refuses to open another receiver when there would be too many, that one counted.
    ///
    /// # Errors
    /// [`TooLarge`](TransportError::TooLarge).
    pub const fn check_receivers(&self, open: usize) -> Result<(), TransportError> {
        within("the transport", "receivers", open, self.receivers)
    }

    /// Refuses a batch that has too many or too large packets.
    ///
    /// # Errors
    /// [`TooLarge`](TransportError::TooLarge).
    pub fn check(&self, packets: &[Packet]) -> Result<(), TransportError> {
        // The count first: it bounds the loop below.
        within("a batch", "packets", packets.len(), self.batch_packets)?;
        packets
            .iter()
            .try_for_each(|packet| within("a body", "bytes", packet.body.len(), self.packet_bytes))
    }
}

const fn within(
    what: &'static str,
    unit: &'static str,
    size: usize,
    limit: usize,
) -> Result<(), TransportError> {
    if size > limit {
        return Err(TransportError::TooLarge { what, unit, size, limit });
    }
    Ok(())
}
