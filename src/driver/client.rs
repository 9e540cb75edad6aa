//! Asking and telling, without being a component.

use super::drive::{Driven, drive};
use super::error::DriverError;
use super::exchange::Request;
use super::trace::TraceParent;
use crate::Mode;
use crate::bus::{Arrival, Bus, Delivery, Inbox, Interest, Position, Post};
use crate::machine::{
    Caller, CallerOptions, CallerOutput, OutboundRequest, RequestInput, RequestOutcome,
    RequestOutput,
};
use crate::message::{Envelope, Message};
use crate::scalar::{Amount, ComponentId, GeneratedId, MessageId, Now, RequestId};
use crate::storage::DynEngine;
use crate::storage::view::States;
use crate::transport::Address;
use crate::validate::{Checked, Context, Validator};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// The field of a header that names where answers go, when that is not the address of the source.
pub(super) const REPLY_TO: &str = "reply_to";

/// How long a reader of the bus pauses after an error.
pub(super) const PAUSE: Duration = Duration::from_millis(200);

/// Publishes, asks, and subscribes over a [`Bus`]. A clone is another handle on the same client.
///
/// ```
/// use coordination_protocol::bus::Bus;
/// use coordination_protocol::driver::{Client, Component, Context};
/// use coordination_protocol::message::ConflictCheck;
/// use coordination_protocol::scalar::{ComponentId, RequestId};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let bus = Bus::memory();
/// let manager = Component::new("resource-manager")
///     .on_request(|_: Context, check: ConflictCheck| async move { Ok(check) })
///     .connect(&bus)
///     .await?;
///
/// let client = Client::open(&bus, ComponentId::new("deploy")?).await?;
/// let check = ConflictCheck::new(RequestId::new("req_1")?);
/// let answer = client.request(&ComponentId::new("resource-manager")?, check).await?;
/// assert!(answer.conflicts.is_none());
/// manager.stop("done").await;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct Client {
    inner: Arc<Inner>,
    /// The trace that what is sent belongs to.
    trace: Option<Arc<TraceParent>>,
}

#[derive(Debug)]
struct Inner {
    common: Arc<Common>,
    caller: Arc<Driven<Caller>>,
    options: CallerOptions,
    listener: JoinHandle<()>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

/// What the parts of a client share.
#[derive(Debug)]
struct Common {
    bus: Bus,
    own: ComponentId,
    reply: Address,
    validator: Validator,
    waiting: Mutex<HashMap<RequestId, oneshot::Sender<RequestOutcome>>>,
}

impl Common {
    fn waiting(&self) -> MutexGuard<'_, HashMap<RequestId, oneshot::Sender<RequestOutcome>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn carry_out(&self, output: CallerOutput) {
        match output {
            CallerOutput::Send(outbound) => {
                for to in &outbound.to {
                    // What could not be sent is sent again as the next attempt, or ends the request.
                    if let Ok(post) = Address::new(to.as_str())
                        .map_err(Into::into)
                        .and_then(|to| Post::to(&to, &outbound.envelope))
                    {
                        let _ = self.bus.publish(&[post]).await;
                    }
                }
            }
            CallerOutput::Request(RequestOutput::Ended { request_id, outcome, .. }) => {
                super::observe::requested(&self.own, outcome.end());
                if let Some(waiting) = self.waiting().remove(&request_id) {
                    // Nobody waits any more, if the future was dropped just now.
                    let _ = waiting.send(outcome);
                }
            }
            CallerOutput::Request(output @ RequestOutput::Contradiction { .. }) => {
                super::observe::contradicted(&self.own, &output);
            }
            _ => {}
        }
    }
}

/// Reads what arrived by the four levels of validation.
pub(super) fn check(
    validator: &Validator,
    record: &[u8],
    now: Now,
) -> Result<Checked<Envelope>, crate::finding::Report> {
    validator.check_bytes(record, &Context::new().with_now(now.wall)).accept()
}

/// Fills in what a message that is sent says of itself, and has not said yet.
pub(super) fn stamp(bus: &Bus, own: &ComponentId, envelope: &mut Envelope) {
    let now = bus.host().now();
    let header = &mut envelope.header;
    header.message_id.get_or_insert_with(|| MessageId::generate(now.id_millis(), bus.ten()));
    header.timestamp.get_or_insert_with(|| now.timestamp());
    header.source.get_or_insert_with(|| own.clone());
}

/// A random seed.
pub(super) fn seed(bus: &Bus) -> u64 {
    let bytes = bus.host().random();
    bytes.iter().take(8).fold(0, |seed, byte| seed << 8 | u64::from(*byte))
}

impl Client {
    /// A client that says it is this component, with the specification's figures.
    ///
    /// # Errors
    /// [`Bus`](DriverError::Bus).
    pub async fn open(bus: &Bus, own: ComponentId) -> Result<Self, DriverError> {
        Client::open_with(bus, own, CallerOptions::default(), Validator::new(Mode::Interop)).await
    }

    /// A client with its own time-outs, attempts and circuits, and its own checks of what arrives.
    ///
    /// # Errors
    /// [`Bus`](DriverError::Bus).
    pub async fn open_with(
        bus: &Bus,
        own: ComponentId,
        options: CallerOptions,
        validator: Validator,
    ) -> Result<Self, DriverError> {
        // An address of its own: two clients of one name would read each other's answers otherwise.
        let name = format!("reply/{own}/{:032x}", u128::from_le_bytes(bus.host().random()));
        let reply = Address::new(&name).map_err(crate::bus::BusError::from)?;
        // Opened before anything is asked, so no answer can be missed.
        let inbox = bus.overhear(&reply).await?;
        let waiting = Mutex::default();
        let common =
            Arc::new(Common { bus: bus.clone(), own: own.clone(), reply, validator, waiting });
        let machine = Caller::new(own, seed(bus)).with_options(options);
        let handler = {
            let common = Arc::clone(&common);
            move |output| {
                let common = Arc::clone(&common);
                async move { common.carry_out(output).await }
            }
        };
        let caller = Arc::new(drive(machine, Arc::clone(bus.host()), handler));
        let listener = tokio::spawn(hear(inbox, Arc::clone(&common), Arc::clone(&caller)));
        let inner = Arc::new(Inner { common, caller, options, listener });
        Ok(Client { inner, trace: None })
    }

    /// The same client, whose messages belong to a trace from now on, unless they name another one.
    pub fn within(&self, trace: TraceParent) -> Self {
        Client { inner: Arc::clone(&self.inner), trace: Some(Arc::new(trace)) }
    }

    /// The trace that its messages belong to.
    pub fn trace(&self) -> Option<&TraceParent> {
        self.trace.as_deref()
    }

    /// Fills in what a message says of itself, and the next step of its trace.
    fn stamp(&self, envelope: &mut Envelope) {
        stamp(self.bus(), self.id(), envelope);
        if let Some(trace) = &self.trace {
            trace.child(seed(self.bus())).put(envelope);
        }
    }

    /// The bus that it is on.
    pub fn bus(&self) -> &Bus {
        &self.inner.common.bus
    }

    /// The component that it says it is.
    pub fn id(&self) -> &ComponentId {
        &self.inner.common.own
    }

    /// The time on the bus.
    pub fn now(&self) -> Now {
        self.bus().host().now()
    }

    /// A new identifier of a kind that has such, from the time and the entropy of the bus.
    ///
    /// ```
    /// # use coordination_protocol::{bus::Bus, driver::Client, scalar::{ComponentId, RequestId}};
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// # let client = Client::open(&Bus::memory(), ComponentId::new("deploy")?).await?;
    /// let id: RequestId = client.new_id();
    /// assert!(id.has_prefix());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    pub fn new_id<I: GeneratedId>(&self) -> I {
        I::generate(self.now().id_millis(), self.bus().ten())
    }

    /// Makes a message ready to be published: what is returned has its identifier, and publishing it again
    /// is a duplicate that changes nothing.
    ///
    /// ```
    /// # use coordination_protocol::{bus::Bus, driver::Client, scalar::ComponentId, Event, Phase, WorkflowId};
    /// # use coordination_protocol::event::PhaseStarted;
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// # let client = Client::open(&Bus::memory(), ComponentId::new("deploy")?).await?;
    /// # let event: Event = r#"WORKFLOW_PAUSED:wf_001:global:{"pause_reason":"lunch","current_state":{}}"#.parse()?;
    /// let prepared = client.prepare(event);
    /// let first = client.publish(prepared.clone()).await?;
    /// // The connection broke, say, before the answer came.
    /// assert_eq!(client.publish(prepared).await?, first);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    pub fn prepare(&self, message: impl Into<Message>) -> Envelope {
        let mut envelope = Envelope::from(message.into());
        self.stamp(&mut envelope);
        envelope
    }

    /// Publishes a message: an event, a state, an error report, or an envelope that says more. Returns where
    /// it stands.
    ///
    /// # Errors
    /// [`Bus`](DriverError::Bus), among them [`NoKey`](crate::bus::BusError::NoKey) for kinds that are not
    /// published.
    pub async fn publish(&self, message: impl Into<Envelope>) -> Result<Position, DriverError> {
        let mut envelope = message.into();
        self.stamp(&mut envelope);
        let appended = self.bus().publish(&[Post::publish(&envelope)?]).await?;
        Ok(Position::new(appended.positions.start))
    }

    /// Sends a message to a component without waiting for an answer.
    ///
    /// # Errors
    /// [`Bus`](DriverError::Bus).
    pub async fn send(
        &self,
        to: &ComponentId,
        message: impl Into<Envelope>,
    ) -> Result<Position, DriverError> {
        let mut envelope = message.into();
        self.stamp(&mut envelope);
        let to = Address::new(to.as_str()).map_err(crate::bus::BusError::from)?;
        let appended = self.bus().publish(&[Post::to(&to, &envelope)?]).await?;
        Ok(Position::new(appended.positions.start))
    }

    /// Asks a component, and waits for the answer as long as attempts and pauses take: by the
    /// specification's figures about two minutes, if nobody answers.
    ///
    /// Dropping the future gives the request up; an answer that comes later is told as a contradiction and
    /// used for nothing.
    ///
    /// # Errors
    /// [`Refused`](DriverError::Refused) with the error report that came instead;
    /// [`TimedOut`](DriverError::TimedOut); [`NotSent`](DriverError::NotSent) while the circuit of the
    /// component is open; [`Unexpected`](DriverError::Unexpected).
    pub async fn request<R: Request>(
        &self,
        target: &ComponentId,
        request: R,
    ) -> Result<R::Response, DriverError> {
        self.request_within(target, request, self.inner.options.request.longest()).await
    }

    /// Like [`request`](Self::request), ending after so long at the latest.
    ///
    /// # Errors
    /// Those of [`request`](Self::request).
    pub async fn request_within<R: Request>(
        &self,
        target: &ComponentId,
        request: R,
        within: Duration,
    ) -> Result<R::Response, DriverError> {
        let answer = self.exchange(target, Envelope::from(request.into()), within).await?;
        R::Response::try_from(answer.message)
            .map_err(|other| DriverError::Unexpected { asked: R::KIND, found: other.kind() })
    }

    /// Asks with any message, and returns the whole answer.
    ///
    /// # Errors
    /// Those of [`request`](Self::request).
    pub async fn exchange(
        &self,
        target: &ComponentId,
        mut envelope: Envelope,
        within: Duration,
    ) -> Result<Envelope, DriverError> {
        let Inner { common, caller, .. } = &*self.inner;
        if let Some(trace) = &self.trace {
            trace.child(seed(&common.bus)).put(&mut envelope);
        }
        let now = common.bus.host().now();
        let invalid = |error: &dyn std::fmt::Display| DriverError::Invalid(error.to_string());
        let reply = crate::Json::from(common.reply.as_str());
        envelope.header.extra_mut().insert(REPLY_TO, reply).map_err(|error| invalid(&error))?;
        // Who is away must not do in an hour what nobody waits for any more.
        let seconds = within.as_millis().div_ceil(1_000);
        let seconds = Amount::from(u32::try_from(seconds).unwrap_or(u32::MAX));
        envelope.header.ttl_seconds.get_or_insert(seconds);
        let request = OutboundRequest::new(envelope, now, common.bus.ten());
        let request = request.with_peer(target.clone()).with_deadline(within);
        let id = request.request_id().clone();
        let (sender, receiver) = oneshot::channel();
        common.waiting().insert(id.clone(), sender);
        let mut guard = Asked { inner: &self.inner, id: &id, open: true };
        caller.handle(RequestInput::Start(Box::new(request)))?;
        let outcome = receiver.await;
        guard.open = false;
        match outcome {
            Ok(RequestOutcome::Answered(answer)) => Ok(*answer),
            Ok(RequestOutcome::Failed(answer)) => Err(match answer.message {
                Message::ErrorReport(report) => DriverError::Refused(report),
                other => DriverError::Unexpected {
                    asked: crate::message::MessageKind::Unknown,
                    found: other.kind(),
                },
            }),
            Ok(RequestOutcome::TimedOut) => {
                let address = Address::new(target.as_str()).map_err(crate::bus::BusError::from)?;
                let listened = common.bus.has_listener(&address).await?;
                Err(DriverError::TimedOut {
                    request_id: id.clone(),
                    target: target.clone(),
                    listened,
                })
            }
            Ok(RequestOutcome::Cancelled) | Err(_) => {
                Err(DriverError::Closed { request_id: id.clone() })
            }
        }
    }

    /// Opens a stream of checked messages.
    ///
    /// # Errors
    /// [`Bus`](DriverError::Bus).
    pub async fn subscribe(&self, interest: Interest) -> Result<Messages, DriverError> {
        let inbox = Arc::new(self.bus().subscribe(interest).await?);
        Ok(Messages::new(inbox, self.inner.common.validator.clone()))
    }

    /// The states of workflows on this bus.
    pub fn states(&self) -> States<Arc<dyn DynEngine>> {
        States::new(Arc::clone(self.bus().engine()))
    }
}

/// Gives a request up when its future is dropped.
struct Asked<'a> {
    inner: &'a Inner,
    id: &'a RequestId,
    open: bool,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        if self.open {
            self.inner.common.waiting().remove(self.id);
            // It may have ended just now.
            let _ = self.inner.caller.handle(RequestInput::Cancel(self.id.clone()));
        }
    }
}

/// Takes in answers.
async fn hear(inbox: Inbox, common: Arc<Common>, caller: Arc<Driven<Caller>>) {
    loop {
        match inbox.next().await {
            Ok(Arrival::Message(delivery) | Arrival::Exhausted(delivery)) => {
                let now = common.bus.host().now();
                // What is no message, and what answers nothing, ends here: nobody waits for it.
                if let Ok(message) = check(&common.validator, &delivery.data, now) {
                    caller.receive(message);
                }
                let _ = inbox.settle(&delivery).await;
            }
            Ok(Arrival::Gap { .. }) => {}
            // The bus may be away for a moment. Requests have deadlines of their own.
            Err(_) => {
                let host = common.bus.host();
                host.sleep_until(host.now().at.after(PAUSE).unwrap_or(host.now().at)).await;
            }
        }
    }
}

/// A message that was read, or could not be, and where it stands.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Incoming {
    /// A message that passed the checks.
    Message(Checked<Envelope>, Delivery),
    /// One that did not, with what is wrong with it.
    Invalid(crate::finding::Report, Delivery),
    /// One at which all attempts failed.
    Exhausted(Delivery),
    /// Messages that are gone.
    Gap {
        /// The first position that is missing.
        from: Position,
        /// The first position that is there again.
        to: Position,
    },
}

impl Incoming {
    /// Where it stands, to be [settled](Messages::settle); none for a gap.
    pub const fn delivery(&self) -> Option<&Delivery> {
        match self {
            Incoming::Message(_, delivery)
            | Incoming::Invalid(_, delivery)
            | Incoming::Exhausted(delivery) => Some(delivery),
            Incoming::Gap { .. } => None,
        }
    }
}

type Next = std::pin::Pin<Box<dyn Future<Output = Result<Arrival, crate::bus::BusError>> + Send>>;

/// A stream of messages; also a [`Stream`](futures_core::Stream). It ends never by itself: an error is an
/// item, after which it goes on.
pub struct Messages {
    inbox: Arc<Inbox>,
    validator: Validator,
    next: Option<Next>,
}

impl std::fmt::Debug for Messages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Messages").field("inbox", &self.inbox).finish_non_exhaustive()
    }
}

impl Messages {
    pub(super) const fn new(inbox: Arc<Inbox>, validator: Validator) -> Self {
        Messages { inbox, validator, next: None }
    }

    /// The next message. It may be dropped at any time.
    ///
    /// # Errors
    /// [`Bus`](DriverError::Bus).
    pub async fn next(&mut self) -> Result<Incoming, DriverError> {
        std::future::poll_fn(|context| self.poll(context)).await
    }

    fn poll(
        &mut self,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<Incoming, DriverError>> {
        let next = self.next.get_or_insert_with(|| {
            let inbox = Arc::clone(&self.inbox);
            Box::pin(async move { inbox.next().await })
        });
        let arrival = std::task::ready!(next.as_mut().poll(context));
        self.next = None;
        let incoming = arrival.map_err(DriverError::from).map(|arrival| match arrival {
            Arrival::Message(delivery) => {
                let now = self.inbox.bus().host().now();
                match check(&self.validator, &delivery.data, now) {
                    Ok(message) => Incoming::Message(message, delivery),
                    Err(report) => Incoming::Invalid(report, delivery),
                }
            }
            Arrival::Exhausted(delivery) => Incoming::Exhausted(delivery),
            Arrival::Gap { from, to } => Incoming::Gap { from, to },
        });
        std::task::Poll::Ready(incoming)
    }

    /// Marks a message as done.
    ///
    /// # Errors
    /// [`Bus`](DriverError::Bus).
    pub async fn settle(&self, incoming: &Incoming) -> Result<(), DriverError> {
        match incoming.delivery() {
            Some(delivery) => Ok(self.inbox.settle(delivery).await?),
            None => Ok(()),
        }
    }

    /// The inbox below, to put messages back and to close it.
    pub fn inbox(&self) -> &Inbox {
        &self.inbox
    }
}

impl futures_core::Stream for Messages {
    type Item = Result<Incoming, DriverError>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        self.poll(context).map(Some)
    }
}
