//! A bus: one log and one store that many components share, and everything that is delivered by them.
//!
//! A component needs a way to publish and to be found, a place for its state, and an order of what
//! happened. A bus is all of that in one place, named by one URL:
//!
//! | URL | what it is | who shares it |
//! |---|---|---|
//! | `memory:` | an engine in memory | the tasks of one process |
//! | `sqlite:PATH` | one SQLite file | the processes of one machine (feature `sqlite`) |
//! | `sqlite:` | the file of the project that the working folder belongs to | the same |
//!
//! Any [`Engine`] of your own becomes a bus with [`Bus::of`].
//!
//! ```
//! use coordination_protocol::bus::{Arrival, Bus, Interest, Post};
//! use coordination_protocol::EventRef;
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
//! let bus = Bus::memory();
//! let inbox = bus.subscribe(Interest::new("*.paused".parse()?)).await?;
//!
//! let line = r#"WORKFLOW_PAUSED:wf_001:global:{"pause_reason":"lunch","current_state":{}}"#;
//! bus.publish(&[Post::line(&EventRef::parse(line)?)?]).await?;
//!
//! let Arrival::Message(delivery) = inbox.next().await? else { panic!() };
//! assert_eq!(&*delivery.data, line.as_bytes());
//! inbox.settle(&delivery).await?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! # What is delivered, and how often
//!
//! Every message is a record of the log. A subscriber is a reader of it, so a slow one slows no other,
//! and what was published while it was away is there when it comes back. The log is trimmed from the
//! front ([`Bus::tidy`]); a reader that was further behind finds one [`Gap`](Arrival::Gap).
//!
//! - **Order**: within a lane, which is a workflow or an address, messages come in the order in which they
//!   were appended. A message of a workflow holds back those behind it until it is settled or dead. Other
//!   lanes go on.
//! - **At least once**: a durable subscription forgets a message when its outcome is stored
//!   ([`Inbox::settle_with`] stores both at once). One whose handling was interrupted comes again, with the
//!   next attempt number.
//! - **One of many**: inboxes of one durable name share its messages. A message is claimed by a member
//!   before it is handed out. A member that is killed, or that does not show itself for the
//!   [lease](Bus::with_lease), loses its claims, and its late outcomes are refused as
//!   [`Stale`](BusError::Stale).
//! - **Addresses** have one listener at a time, found out the same way.
//!
//! What whoever decides folds into its state is in a log of its own ([`Bus::decisions`]): no retention
//! touches it, and [`Inbox::settle_with`] appends to it with the outcome of a message.
//!
//! # What is kept in the store
//!
//! | key | value |
//! |---|---|
//! | `subscription/<name>` | how far a durable subscription got, and who works on what |
//! | `address/<address>` | the same of an address, and who listens |
//! | `retention/marks` | when the log had reached which position |
//! | `member/<member>` | until when a process that has either is there, if it shows itself no more |

mod error;
mod host;
mod inbox;
mod open;
mod overview;
mod post;
mod progress;
mod retention;
mod session;
mod transport;

pub use crate::storage::workflow_lane;
pub use error::BusError;
#[cfg(feature = "sqlite")]
pub use host::MachineHost;
pub use host::{Host, Sleep, SystemHost, VirtualHost};
pub use inbox::{Arrival, Delivery, Inbox, Interest, Start};
pub use open::BusUrl;
pub use overview::{MemberStatus, ReaderStatus};
pub use post::Post;
pub use retention::{Retention, Tidied};
pub use transport::BusReceiver;

use crate::event::Registry;
use crate::message::Envelope;
use crate::scalar::{ComponentId, GeneratedId};
use crate::storage::{
    Appended, DynEngine, DynJournal, Engine, Journal as _, Log, MemoryEngine, NewRecord,
    StorageError, Store as _,
};
use crate::transport::Address;
use inbox::Selection;
use progress::Progress;
use session::Session;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

/// A place in the log of a bus: the partition, and the position within it. It prints as `0:17`.
///
/// The buses of this crate have one partition, number 0.
///
/// ```
/// use coordination_protocol::bus::Position;
///
/// let position: Position = "0:17".parse()?;
/// assert_eq!((position.partition, position.offset), (0, 17));
/// assert_eq!(position.to_string(), "0:17");
/// # Ok::<(), coordination_protocol::bus::BusError>(())
/// ```
#[doc(alias = "offset")]
#[doc(alias = "cursor")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Position {
    /// The partition.
    pub partition: u32,
    /// The position of the record in it.
    pub offset: u64,
}

impl Position {
    /// A position in the first partition.
    pub const fn new(offset: u64) -> Self {
        Position { partition: 0, offset }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.partition, self.offset)
    }
}

impl FromStr for Position {
    type Err = BusError;

    fn from_str(text: &str) -> Result<Self, BusError> {
        let read = || {
            let (partition, offset) = text.split_once(':')?;
            let (partition, offset) = (partition.parse().ok()?, offset.parse().ok()?);
            // Spelled otherwise it would compare unequal as a text.
            let position = Position { partition, offset };
            (position.to_string() == text && partition == 0).then_some(position)
        };
        read().ok_or_else(|| BusError::NoPosition { text: text.to_owned() })
    }
}

/// A handle on a bus; a clone is another one. [The module](self) has an example.
#[derive(Clone)]
pub struct Bus {
    inner: Arc<Inner>,
}

struct Inner {
    engine: Arc<dyn DynEngine>,
    /// The log that messages are in.
    history: Arc<dyn DynJournal>,
    host: Arc<dyn Host>,
    registry: Registry,
    place: String,
    lease: Duration,
    session: Session,
}

impl fmt::Debug for Bus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bus").field("place", &self.inner.place).finish_non_exhaustive()
    }
}

impl Bus {
    /// How long a member that does not show itself keeps its claims, unless set.
    pub const LEASE: Duration = Duration::from_secs(15);

    /// A bus in memory, for the tasks of one process.
    pub fn memory() -> Self {
        Bus::of(MemoryEngine::new()).at("memory:")
    }

    /// A bus over an engine of your own, with the clock of this process.
    pub fn of(engine: impl Engine + 'static) -> Self {
        Bus::new(Arc::new(engine), Arc::new(SystemHost::new()), "an engine".to_owned())
    }

    fn new(engine: Arc<dyn DynEngine>, host: Arc<dyn Host>, place: String) -> Self {
        let (lease, session) = (Bus::LEASE, Session::default());
        let history = engine.log(Log::History);
        let registry = Registry::default();
        let inner = Inner { engine, history, host, registry, place, lease, session };
        Bus { inner: Arc::new(inner) }
    }

    /// The same with other settings, as a member of its own.
    fn changed(self, change: impl FnOnce(&mut Inner)) -> Self {
        let old = &self.inner;
        let mut inner = Inner {
            engine: Arc::clone(&old.engine),
            history: Arc::clone(&old.history),
            host: Arc::clone(&old.host),
            registry: old.registry.clone(),
            place: old.place.clone(),
            lease: old.lease,
            session: Session::default(),
        };
        change(&mut inner);
        Bus { inner: Arc::new(inner) }
    }

    fn at(self, place: &str) -> Self {
        self.changed(|inner| place.clone_into(&mut inner.place))
    }

    /// Takes time and entropy from a host of yours.
    pub fn with_host(self, host: impl Host + 'static) -> Self {
        self.changed(|inner| inner.host = Arc::new(host))
    }

    /// Knows your event types: patterns match them by their category.
    pub fn with_registry(self, registry: Registry) -> Self {
        self.changed(|inner| inner.registry = registry)
    }

    /// Sets how long a member that does not show itself keeps its claims; it shows itself three times as
    /// often. 15 s unless set. All members of a subscription should have the same.
    pub fn with_lease(self, lease: Duration) -> Self {
        self.changed(|inner| inner.lease = lease.max(Duration::from_millis(30)))
    }

    /// Another member of the same bus in this process: for it, the claims of this one are another's.
    pub fn member(&self) -> Self {
        self.clone().changed(|_| {})
    }

    /// Appends messages, side by side or not at all. A batch whose first message has an identifier that
    /// stands in its lane already is not appended again.
    ///
    /// # Errors
    /// [`Storage`](BusError::Storage).
    pub async fn publish(&self, posts: &[Post]) -> Result<Appended, BusError> {
        let records: Vec<NewRecord> = posts.iter().map(|post| post.record.clone()).collect();
        Ok(self.inner.history.append_records(&records, &[]).await?)
    }

    /// Opens an inbox.
    ///
    /// # Errors
    /// [`Storage`](BusError::Storage).
    pub async fn subscribe(&self, interest: Interest) -> Result<Inbox, BusError> {
        Inbox::open(self.clone(), interest).await
    }

    /// Opens the inbox of an address, which this process has from then on. Messages that were sent while
    /// it had no listener come first, the oldest at the front.
    ///
    /// # Errors
    /// [`AddressTaken`](BusError::AddressTaken) while somebody else listens there.
    pub async fn listen(&self, address: &Address) -> Result<Inbox, BusError> {
        self.listen_with(address, Interest::IN_FLIGHT, Interest::ATTEMPTS).await
    }

    /// Like [`listen`](Self::listen), with limits of your own: how many messages may be handed out and not
    /// settled, and how many attempts at one there are, each at least 1.
    ///
    /// # Errors
    /// Those of [`listen`](Self::listen).
    pub async fn listen_with(
        &self,
        address: &Address,
        max_in_flight: usize,
        max_attempts: u32,
    ) -> Result<Inbox, BusError> {
        let interest = Interest::of(Selection::Lane(post::address_lane(address)?))
            .durable(address.as_str())
            .starting(Start::First)
            .with_max_in_flight(max_in_flight)
            .with_max_attempts(max_attempts);
        Inbox::open(self.clone(), interest).await
    }

    /// Opens an inbox for what is sent to an address from now on, without taking it. For addresses that
    /// only their owner knows, such as those for answers.
    ///
    /// # Errors
    /// [`Storage`](BusError::Storage).
    pub async fn overhear(&self, address: &Address) -> Result<Inbox, BusError> {
        Inbox::open(self.clone(), Interest::of(Selection::Lane(post::address_lane(address)?))).await
    }

    /// Whether somebody listens at an address. A hint: it may change at any time.
    ///
    /// # Errors
    /// [`Storage`](BusError::Storage).
    pub async fn has_listener(&self, address: &Address) -> Result<bool, BusError> {
        let key = post::address_lane(address)?;
        let Some(entry) = self.inner.engine.get(&key).await? else { return Ok(false) };
        let progress: Progress = serde_json::from_slice(&entry.value)
            .map_err(|error| StorageError::damaged(&key, error))?;
        match progress.owner {
            Some(owner) => self.is_there(&owner).await,
            None => Ok(false),
        }
    }

    /// Removes the messages before a position. Readers that were further behind find a gap. Decisions
    /// stay: they are in a log of their own.
    ///
    /// # Errors
    /// [`Storage`](BusError::Storage).
    pub async fn trim(&self, before: Position) -> Result<u64, BusError> {
        let gone = self.inner.history.trim(before.offset).await?;
        // Chatter is appended without an expectation, so its lanes need not be remembered.
        self.inner.history.forget_lanes().await?;
        Ok(gone)
    }

    /// The position that the next message gets.
    ///
    /// # Errors
    /// [`Storage`](BusError::Storage).
    pub async fn end(&self) -> Result<Position, BusError> {
        Ok(Position::new(self.inner.history.bounds().await?.next))
    }

    /// The store and the logs below.
    pub fn engine(&self) -> &Arc<dyn DynEngine> {
        &self.inner.engine
    }

    /// The log that its messages are in.
    pub fn history(&self) -> &Arc<dyn DynJournal> {
        &self.inner.history
    }

    /// The log of decisions, which no retention touches.
    pub fn decisions(&self) -> Arc<dyn DynJournal> {
        self.inner.engine.log(Log::Decisions)
    }

    /// Time and entropy.
    pub fn host(&self) -> &Arc<dyn Host> {
        &self.inner.host
    }

    /// The event types that it knows.
    pub fn registry(&self) -> &Registry {
        &self.inner.registry
    }

    /// A new identifier of a kind that has such, from the time and the entropy of the host.
    ///
    /// ```
    /// use coordination_protocol::{bus::Bus, scalar::RequestId};
    ///
    /// let id: RequestId = Bus::memory().new_id();
    /// assert!(id.has_prefix());
    /// ```
    pub fn new_id<I: GeneratedId>(&self) -> I {
        I::generate(self.inner.host.now().id_millis(), self.ten())
    }

    /// Fills in what a message that is sent says of itself, and has not said yet: identifier, time, source.
    /// One that is signed says what it says.
    pub fn stamp(&self, envelope: &mut Envelope, source: &ComponentId) {
        let header = &mut envelope.header;
        if header.signature.is_some() {
            return;
        }
        header.message_id.get_or_insert_with(|| self.new_id());
        header.timestamp.get_or_insert_with(|| self.inner.host.now().timestamp());
        header.source.get_or_insert_with(|| source.clone());
    }

    /// Ten random bytes, as identifiers take them.
    pub(crate) fn ten(&self) -> [u8; 10] {
        let mut ten = [0; 10];
        ten.copy_from_slice(&self.inner.host.random()[..10]);
        ten
    }

    /// Where it is, as a URL if it has one.
    pub fn place(&self) -> &str {
        &self.inner.place
    }
}
