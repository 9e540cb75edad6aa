//! Asking and telling, without being a component.

mod asking;

use super::admission::Admission;
use super::error::DriverError;
use super::exchange::Request;
use super::messages::Messages;
use super::outgoing::{Seal, address, seed};
use super::trace::TraceParent;
use crate::Mode;
use crate::bus::{Bus, Interest, Position};
use crate::machine::CallerOptions;
use crate::message::{Envelope, Message};
use crate::scalar::{ComponentId, GeneratedId, Now};
use crate::security::signature::Signer;
use crate::storage::DynEngine;
use crate::storage::view::States;
use crate::validate::Validator;
use asking::Asking;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

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
    inner: Arc<Asking>,
    /// The trace that what is sent belongs to.
    trace: Option<Arc<TraceParent>>,
}

/// How a client asks, and what passes.
#[derive(Clone)]
#[non_exhaustive]
pub struct ClientOptions {
    /// Time-outs, attempts and circuits.
    pub caller: CallerOptions,
    /// Checks what arrives. Interop on all levels unless set.
    pub validator: Validator,
    /// Signs what is sent. Nothing is signed unless set.
    pub signer: Option<Arc<dyn Signer>>,
}

impl fmt::Debug for ClientOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let signer = self.signer.as_ref().map(|signer| signer.key_id());
        f.debug_struct("ClientOptions")
            .field("caller", &self.caller)
            .field("signer", &signer)
            .finish_non_exhaustive()
    }
}

impl Default for ClientOptions {
    fn default() -> Self {
        // What is met in the field is read; what is sent is strict.
        let validator = Validator::new(Mode::Interop);
        ClientOptions { caller: CallerOptions::default(), validator, signer: None }
    }
}

impl ClientOptions {
    /// The specification's figures, and no key.
    pub fn new() -> Self {
        ClientOptions::default()
    }

    /// Sets time-outs, attempts and circuits.
    pub const fn with_caller(mut self, options: CallerOptions) -> Self {
        self.caller = options;
        self
    }

    /// Checks what arrives by a validator of yours. Where its policy knows permissions, senders are judged by
    /// what they have registered on the bus, too, as far as the policy takes it.
    pub fn with_validator(mut self, validator: Validator) -> Self {
        self.validator = validator;
        self
    }

    /// Signs what is sent.
    pub fn with_signer(mut self, signer: impl Signer + 'static) -> Self {
        self.signer = Some(Arc::new(signer));
        self
    }
}

impl Client {
    /// A client that says it is this component, with the specification's figures.
    ///
    /// # Errors
    /// [`Bus`](DriverError::Bus).
    pub async fn open(bus: &Bus, own: ComponentId) -> Result<Self, DriverError> {
        Client::open_with(bus, own, ClientOptions::default()).await
    }

    /// A client with its own time-outs, attempts and circuits, its own checks of what arrives, and a key.
    ///
    /// # Errors
    /// [`Bus`](DriverError::Bus).
    pub async fn open_with(
        bus: &Bus,
        own: ComponentId,
        options: ClientOptions,
    ) -> Result<Self, DriverError> {
        let inner = Arc::new(Asking::open(bus, own, options).await?);
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

    /// Fills in what a message says of itself, and the next step of its trace. One that is signed stays as
    /// it is.
    pub(super) fn stamp(&self, envelope: &mut Envelope) {
        if envelope.header.signature.is_some() {
            return;
        }
        self.bus().stamp(envelope, self.id());
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

    pub(super) fn seal(&self) -> &Seal {
        &self.inner.common.seal
    }

    pub(super) fn admission(&self) -> &Arc<Admission> {
        &self.inner.common.admission
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
        self.bus().new_id()
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
        let appended = self.bus().publish(&[self.seal().publish(&envelope)?]).await?;
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
        let post = self.seal().to(&address(to.as_str())?, &envelope)?;
        let appended = self.bus().publish(&[post]).await?;
        Ok(Position::new(appended.positions.start))
    }

    /// Asks a component, and waits for the answer as long as attempts and pauses take: by the
    /// specification's figures about two minutes, if there is no answer.
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

    /// Like [`request`](Self::request), ending after a time of yours at the latest.
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

    /// Asks with any message, and returns the whole answer. Identifier, time and signature are those of each
    /// attempt; a signature that the message has is dropped.
    ///
    /// # Errors
    /// Those of [`request`](Self::request).
    pub async fn exchange(
        &self,
        target: &ComponentId,
        mut envelope: Envelope,
        within: Duration,
    ) -> Result<Envelope, DriverError> {
        if let Some(trace) = &self.trace {
            trace.child(seed(self.bus())).put(&mut envelope);
        }
        self.inner.exchange(target, envelope, within).await
    }

    /// Opens a stream of checked messages.
    ///
    /// # Errors
    /// [`Bus`](DriverError::Bus).
    pub async fn subscribe(&self, interest: Interest) -> Result<Messages, DriverError> {
        let inbox = Arc::new(self.bus().subscribe(interest).await?);
        Ok(Messages::new(inbox, Arc::clone(self.admission())))
    }

    /// The states of workflows on this bus.
    pub fn states(&self) -> States<Arc<dyn DynEngine>> {
        States::new(Arc::clone(self.bus().engine()))
    }
}
