//! What travels, and what arrives.

use super::error::{AddressFault, TransportError};
use crate::route::{Pattern, RouteKey};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::fmt;
use std::ops::Range;
use std::str::FromStr;
use std::sync::Arc;

/// A message on its way: its routing key and its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Packet {
    /// What patterns are matched with.
    pub key: RouteKey<'static>,
    /// The message as text: an event line, or an envelope.
    pub body: Arc<[u8]>,
}

impl Packet {
    /// A message under a key.
    pub fn new(key: RouteKey<'_>, body: impl Into<Arc<[u8]>>) -> Self {
        // Owned, because it outlives the event that it was made from; the body is shared from here
        // on.
        Packet { key: key.into_owned(), body: body.into() }
    }
}

/// The name of one receiver: a component's identifier or endpoint. The transport resolves it.
///
/// 1 to 256 bytes without white space and control characters.
///
/// ```
/// use coordination_protocol::transport::Address;
///
/// let hub: Address = "coordination-hub/health".parse()?;
/// assert_eq!(hub.as_str(), "coordination-hub/health");
/// assert_eq!(
///     Address::new("two words").unwrap_err().to_string(),
///     "an address cannot contain ' ' (at byte 3)",
/// );
/// # Ok::<(), coordination_protocol::transport::TransportError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address(SmolStr);

impl Address {
    /// The maximum number of bytes an address may have.
    // Twice the longest identifier: a component and an endpoint.
    pub const MAX_BYTES: usize = 256;

    /// Checks an address.
    ///
    /// # Errors
    /// [`TransportError::Address`] with the position of the first fault.
    pub fn new(text: &str) -> Result<Self, TransportError> {
        match text.len() {
            0 => return Err(AddressFault::Empty.into()),
            bytes if bytes > Self::MAX_BYTES => return Err(AddressFault::TooLong { bytes }.into()),
            _ => {}
        }
        // An address is written into logs and command lines, where blanks would split it.
        let bad = |c: char| c.is_whitespace() || c.is_control();
        match text.char_indices().find(|(_, c)| bad(*c)) {
            Some((at, found)) => Err(AddressFault::Character { found, at }.into()),
            None => Ok(Address(SmolStr::new(text))),
        }
    }

    /// The address as it was spelled.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for Address {
    type Err = TransportError;

    fn from_str(text: &str) -> Result<Self, TransportError> {
        Address::new(text)
    }
}

/// What a receiver wants, and how much it can hold.
#[doc(alias = "subscribe")]
#[doc(alias = "consumer")]
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Subscription {
    /// Which packets.
    pub pattern: Pattern,
    /// The queue group: each packet goes to one of its receivers that select it.
    pub group: Option<Box<str>>,
    /// The maximum number of packets that wait to be received, at least 1. 1,000 unless set.
    pub capacity: usize,
    /// What happens when more come.
    pub overflow: Overflow,
}

impl Subscription {
    /// What a pattern selects, without a queue group; a full queue refuses the publisher.
    pub const fn new(pattern: Pattern) -> Self {
        // Refusing is the default: a loss has to be decided for. A thousand packets even out short
        // delays without hiding long ones.
        Subscription { pattern, group: None, capacity: 1_000, overflow: Overflow::Refuse }
    }

    /// Makes the receiver a member of a queue group.
    pub fn with_group(mut self, group: &str) -> Self {
        self.group = Some(group.into());
        self
    }

    /// Sets the maximum number of packets that wait.
    pub const fn with_capacity(mut self, packets: usize) -> Self {
        self.capacity = packets;
        self
    }

    /// Sets what happens when more come.
    pub const fn with_overflow(mut self, overflow: Overflow) -> Self {
        self.overflow = overflow;
        self
    }
}

/// What happens when a queue is full.
#[doc(alias = "backpressure")]
#[doc(alias = "drop oldest")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Overflow {
    /// The publisher is refused with `Busy`. No receiver gets the batch.
    #[default]
    Refuse,
    /// The oldest packets make room. The subscriber finds a [`Gap`] in their place.
    DropOldest,
}

/// What comes out of a receiver.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Received {
    /// Packets, in order; at least one.
    Packets(Packets),
    /// Packets that are lost to this receiver.
    Gap(Gap),
}

/// A hole in what a receiver was due. It stands where the packets would have been.
///
/// Sequence numbers grow along a receiver. Packets for others may have numbers in between, so
/// `dropped` can be less than the distance.
#[doc(alias = "message loss")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Gap {
    /// The sequence number of the first lost packet.
    pub from: u64,
    /// The sequence number of the last lost packet.
    pub to: u64,
    /// How many packets are lost.
    pub dropped: u64,
}

impl Gap {
    /// A hole.
    pub const fn new(from: u64, to: u64, dropped: u64) -> Self {
        Gap { from, to, dropped }
    }

    /// This hole and a later one that follows without a received packet in between.
    pub const fn join(self, later: Gap) -> Self {
        // The count is added and not computed from the ends: numbers in between may belong to
        // packets of others.
        Gap { from: self.from, to: later.to, dropped: self.dropped + later.dropped }
    }
}

/// Packets of one batch that a receiver was due. Shared: a clone copies no packet.
#[derive(Clone, Debug)]
pub struct Packets {
    batch: Arc<[Packet]>,
    first: u64,
    /// Which of the batch, in order; all if none.
    // Shared with the batch: a receiver that gets all of it needs no list, and one that gets a part
    // copies no packet.
    picks: Option<Arc<[u32]>>,
    /// The part of the picks, or of the batch, that is left.
    range: Range<usize>,
}

impl Packets {
    /// A whole batch, whose first packet has a sequence number and the others the next ones.
    pub fn new(batch: Arc<[Packet]>, first: u64) -> Self {
        let range = 0..batch.len();
        Packets { batch, first, picks: None, range }
    }

    /// Those of a batch at some indices, in order. An index outside of the batch is left out.
    pub fn picked(batch: Arc<[Packet]>, first: u64, picks: impl IntoIterator<Item = u32>) -> Self {
        // Indices may come from another implementation; one outside of the batch must not panic in
        // the receiver.
        let fits = |index: &u32| (*index as usize) < batch.len();
        let picks: Arc<[u32]> = picks.into_iter().filter(fits).collect();
        let range = 0..picks.len();
        Packets { batch, first, picks: Some(picks), range }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.range.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.range.is_empty()
    }

    /// The packets in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Packet> {
        self.range.clone().map(|at| &self.batch[self.index(at)])
    }

    /// Their sequence numbers, in the same order.
    pub fn sequences(&self) -> impl ExactSizeIterator<Item = u64> {
        self.range.clone().map(|at| self.first + self.index(at) as u64)
    }

    /// The gap that a receiver finds in their place if they are lost to it; none if there are none.
    ///
    /// ```
    /// use coordination_protocol::route::RouteKey;
    /// use coordination_protocol::transport::{Gap, Packet, Packets};
    ///
    /// let key = RouteKey::new("TASK_FAILED", "wf_001", "build");
    /// let batch = ["a", "b", "c"].map(|body| Packet::new(key.clone(), body.as_bytes()));
    /// let packets = Packets::picked(batch.into(), 7, [0, 2]);
    /// assert_eq!(packets.as_gap(), Some(Gap::new(7, 9, 2)));
    /// ```
    pub fn as_gap(&self) -> Option<Gap> {
        let last = self.range.end.checked_sub(1).filter(|_| !self.is_empty())?;
        let sequence = |at| self.first + self.index(at) as u64;
        Some(Gap::new(sequence(self.range.start), sequence(last), self.len() as u64))
    }

    fn index(&self, at: usize) -> usize {
        self.picks.as_ref().map_or(at, |picks| picks[at] as usize)
    }

    /// Takes up to `count` of the oldest away and tells what is gone.
    pub(super) fn drop_oldest(&mut self, count: usize) -> Option<Gap> {
        let end = self.range.start + count.min(self.len());
        let oldest = Packets { range: self.range.start..end, ..self.clone() };
        self.range.start = end;
        oldest.as_gap()
    }
}

/// What became of a published batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Receipt {
    /// How many receivers got a part of it; none if the transport cannot know.
    pub receivers: Option<usize>,
}

impl Receipt {
    /// A batch that reached a number of receivers.
    pub const fn new(receivers: Option<usize>) -> Self {
        Receipt { receivers }
    }
}
