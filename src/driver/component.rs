//! Putting a component together.

use super::client::{Client, ClientOptions};
use super::context::Context;
use super::error::{DriverError, HandlerError};
use super::exchange::{Publication, Request};
use super::running::{Running, Stopped};
use crate::bus::{Bus, Interest};
use crate::finding::Finding;
use crate::machine::{CallerOptions, PresenceOptions, RespondOptions, Settings};
use crate::message::{ComponentConfig, Message, MessageKind};
use crate::route::Pattern;
use crate::scalar::ComponentId;
use crate::security::signature::Signer;
use crate::validate::Validator;
use crate::version::SupportedVersions;
use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

type Answer = Pin<Box<dyn Future<Output = Result<Message, HandlerError>> + Send>>;
type Done = Pin<Box<dyn Future<Output = Result<(), HandlerError>> + Send>>;

/// Answers requests of one kind.
pub(super) type OnRequest = Arc<dyn Fn(Context, Message) -> Answer + Send + Sync>;
/// Takes what a subscription is due.
pub(super) type OnMessage = Arc<dyn Fn(Context) -> Done + Send + Sync>;
/// Says how the component is, beside what is counted.
pub(super) type OnHealth =
    Arc<dyn Fn(crate::message::HealthStatus) -> crate::message::HealthStatus + Send + Sync>;

/// A component that is put together; see [the module](super).
///
/// A name, pattern or option that cannot be used is told by [`connect`](Self::connect).
#[must_use = "a component does nothing until it is connected"]
pub struct Component {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) version: Option<String>,
    pub(super) capabilities: Vec<String>,
    pub(super) dependencies: Vec<String>,
    pub(super) publications: Vec<String>,
    pub(super) requests: BTreeMap<MessageKind, OnRequest>,
    pub(super) subscriptions: Vec<(Interest, OnMessage)>,
    pub(super) on_health: Option<OnHealth>,
    pub(super) options: ComponentOptions,
    pub(super) client: ClientOptions,
    pub(super) not_obeyed: Vec<Finding>,
    wrong: Option<String>,
}

impl fmt::Debug for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Component").field("name", &self.name).finish_non_exhaustive()
    }
}

/// How a component behaves: the options of the machines in it, and its own.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ComponentOptions {
    /// How it asks.
    pub caller: CallerOptions,
    /// How it answers.
    pub respond: RespondOptions,
    /// How it shows itself.
    pub presence: PresenceOptions,
    /// The attempts at a message of a subscription, and the pauses between them; of a request, the attempts
    /// before it is given up, if all of them are interrupted.
    pub redelivery: crate::machine::Backoff,
    /// The most messages of one subscription that are handled at a time, each of another lane. Default 50.
    pub concurrent: usize,
    /// The most messages of one subscription that are read ahead, to find those that may be handled. Default
    /// 1000.
    pub queue: usize,
    /// How long one attempt may take. Default: as long as a requester waits, about two minutes.
    pub attempt_timeout: Duration,
    /// How long it waits for handlers when it stops, before it drops them. Default 10 s.
    pub drain_time: Duration,
    /// Which versions it speaks.
    pub versions: SupportedVersions,
    /// How long what is on the bus is kept. Components of one bus should have the same; the shortest holds.
    pub retention: crate::bus::Retention,
}

impl From<&Settings> for ComponentOptions {
    fn from(settings: &Settings) -> Self {
        let respond = RespondOptions::from(settings);
        ComponentOptions {
            caller: CallerOptions::from(settings),
            attempt_timeout: respond.execution_timeout,
            respond,
            presence: PresenceOptions::from(settings),
            redelivery: crate::machine::Backoff::from(settings),
            concurrent: settings.max_concurrent_operations,
            queue: settings.event_queue_size,
            drain_time: Duration::from_secs(10),
            versions: SupportedVersions::current(),
            retention: crate::bus::Retention::default(),
        }
    }
}

impl Default for ComponentOptions {
    fn default() -> Self {
        ComponentOptions::from(&Settings::default())
    }
}

impl ComponentOptions {
    /// The specification's figures.
    pub fn new() -> Self {
        ComponentOptions::default()
    }

    /// Sets how it asks.
    pub const fn with_caller(mut self, options: CallerOptions) -> Self {
        self.caller = options;
        self
    }

    /// Sets how it answers.
    pub fn with_respond(mut self, options: RespondOptions) -> Self {
        self.respond = options;
        self
    }

    /// Sets how it shows itself.
    pub const fn with_presence(mut self, options: PresenceOptions) -> Self {
        self.presence = options;
        self
    }

    /// Sets the attempts at a message of a subscription, and the pauses between them.
    pub const fn with_redelivery(mut self, backoff: crate::machine::Backoff) -> Self {
        self.redelivery = backoff;
        self
    }

    /// Sets the most messages of one subscription that are handled at a time, at least 1.
    pub const fn with_concurrent(mut self, messages: usize) -> Self {
        self.concurrent = if messages == 0 { 1 } else { messages };
        self
    }

    /// Sets the most messages of one subscription that are read ahead, at least 1.
    pub const fn with_queue(mut self, messages: usize) -> Self {
        self.queue = if messages == 0 { 1 } else { messages };
        self
    }

    /// Sets how long one attempt may take.
    pub const fn with_attempt_timeout(mut self, time: Duration) -> Self {
        self.attempt_timeout = time;
        self
    }

    /// Sets how long it waits for handlers when it stops.
    pub const fn with_drain_time(mut self, time: Duration) -> Self {
        self.drain_time = time;
        self
    }

    /// Sets how long what is on the bus is kept.
    pub const fn with_retention(mut self, retention: crate::bus::Retention) -> Self {
        self.retention = retention;
        self
    }

    /// Sets which versions it speaks.
    pub fn with_versions(mut self, versions: SupportedVersions) -> Self {
        self.versions = versions;
        self
    }
}

/// What [`Component::subscribe`] takes: a pattern, a pattern and a filter, or an [`Interest`].
pub trait IntoInterest {
    /// The interest.
    ///
    /// # Errors
    /// The sentence that says what is wrong.
    fn into_interest(self) -> Result<Interest, String>;
}

impl IntoInterest for Interest {
    fn into_interest(self) -> Result<Interest, String> {
        Ok(self)
    }
}

impl IntoInterest for Pattern {
    fn into_interest(self) -> Result<Interest, String> {
        Ok(Interest::new(self))
    }
}

impl IntoInterest for &str {
    fn into_interest(self) -> Result<Interest, String> {
        let pattern = Pattern::parse(self).map_err(|error| format!("pattern `{self}`: {error}"))?;
        Ok(Interest::new(pattern))
    }
}

impl IntoInterest for (&str, &str) {
    fn into_interest(self) -> Result<Interest, String> {
        let filter = self.1.parse().map_err(|error| format!("filter `{}`: {error}", self.1))?;
        Ok(self.0.into_interest()?.with_filter(filter))
    }
}

impl Component {
    /// A component of a name, which is its address, too.
    pub fn new(name: impl Into<String>) -> Self {
        Component {
            name: name.into(),
            kind: "utility".to_owned(),
            version: None,
            capabilities: Vec::new(),
            dependencies: Vec::new(),
            publications: Vec::new(),
            requests: BTreeMap::new(),
            subscriptions: Vec::new(),
            on_health: None,
            options: ComponentOptions::default(),
            client: ClientOptions::default(),
            not_obeyed: Vec::new(),
            wrong: None,
        }
    }

    /// Sets its own version, such as `1.2.0`.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = Some(version.into());
        self
    }

    /// Sets what kind of component it is. `utility` unless set.
    pub fn component_type(mut self, kind: impl Into<String>) -> Self {
        self.kind = kind.into();
        self
    }

    /// Adds something that it can do.
    pub fn capability(mut self, capability: impl Into<String>) -> Self {
        self.capabilities.push(capability.into());
        self
    }

    /// Adds a component that it cannot do without. Its health is part of the health of this one.
    pub fn depends_on(mut self, component: impl Into<String>) -> Self {
        self.dependencies.push(component.into());
        self
    }

    /// Adds a pattern of what it publishes, for its registration.
    pub fn publishes(mut self, pattern: impl Into<String>) -> Self {
        let pattern = pattern.into();
        if let Err(error) = Pattern::parse(&pattern) {
            self.fault(format!("pattern `{pattern}`: {error}"));
        }
        self.publications.push(pattern);
        self
    }

    /// Answers requests of a kind: each once, however often it is sent. What the handler returns is the
    /// answer; its error, and its panic, become an error report that answers.
    pub fn on_request<R, H, F>(mut self, handler: H) -> Self
    where
        R: Request,
        H: Fn(Context, R) -> F + Send + Sync + 'static,
        F: Future<Output = Result<R::Response, HandlerError>> + Send + 'static,
    {
        let handler = move |context: Context, message: Message| -> Answer {
            match R::try_from(message) {
                Ok(request) => {
                    let answer = handler(context, request);
                    Box::pin(async move { Ok(answer.await?.into()) })
                }
                // The kind was looked up, so this is a bug of the table; the requester is told.
                Err(_) => Box::pin(async { Err(HandlerError::lasting("it is of another kind")) }),
            }
        };
        if self.requests.insert(R::KIND, Arc::new(handler)).is_some() {
            self.fault(format!("{} has two handlers", R::KIND));
        }
        self
    }

    /// Handles what a pattern selects, each message until the handler succeeds or its attempts are used
    /// up. It is durable under the component's name and the pattern, so what is published while the
    /// component is away comes when it is back; give an [`Interest`] with another name, or an own start,
    /// to change that. Messages of one workflow come one after another.
    ///
    /// ```
    /// use coordination_protocol::driver::{Component, Context};
    /// use coordination_protocol::Event;
    ///
    /// let alarms = Component::new("alarms")
    ///     .subscribe("*.failed", |_: Context, event: Event| async move {
    ///         println!("{event}");
    ///         Ok(())
    ///     })
    ///     .subscribe(("resource.*.threshold", "current_usage>90"), |_: Context, _: Event| async { Ok(()) });
    /// # let _ = alarms;
    /// ```
    pub fn subscribe<P, H, F>(mut self, interest: impl IntoInterest, handler: H) -> Self
    where
        P: Publication,
        H: Fn(Context, P) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), HandlerError>> + Send + 'static,
    {
        let interest = match interest.into_interest() {
            Ok(interest) => interest,
            Err(wrong) => {
                self.fault(wrong);
                return self;
            }
        };
        let handler = move |context: Context| -> Done {
            match P::of(&context.message().message) {
                Some(publication) => Box::pin(handler(context, publication)),
                // Another kind of message, which the pattern selects as well.
                None => Box::pin(async { Ok(()) }),
            }
        };
        self.subscriptions.push((interest, Arc::new(handler)));
        self
    }

    /// Says how the component is: takes what was counted and may change it, such as the status.
    pub fn health(
        mut self,
        look: impl Fn(crate::message::HealthStatus) -> crate::message::HealthStatus
        + Send
        + Sync
        + 'static,
    ) -> Self {
        self.on_health = Some(Arc::new(look));
        self
    }

    /// Takes its options from a configuration. What of it nothing here obeys is told when it runs
    /// ([`Running::not_obeyed`]).
    pub fn configured(mut self, config: &ComponentConfig) -> Self {
        let (settings, not_obeyed) = Settings::from_config(config);
        self.options = ComponentOptions::from(&settings);
        self.not_obeyed = not_obeyed;
        if config.component_id.as_str() != self.name {
            self.fault(format!("the configuration is that of `{}`", config.component_id));
        }
        self
    }

    /// Sets its options.
    pub fn with_options(mut self, options: ComponentOptions) -> Self {
        self.options = options;
        self
    }

    /// Checks what arrives by a validator of yours, with a security policy for example. Interop on all
    /// levels unless set.
    ///
    /// Where the policy knows permissions, a sender is judged by what it has registered on the bus, too: a
    /// registration gives what the policy takes of it, and the last one of a component that has left holds
    /// for what that sent before.
    pub fn with_validator(mut self, validator: Validator) -> Self {
        self.client.validator = validator;
        self
    }

    /// Signs all that it sends: its registration, its health, what it publishes, asks and answers.
    pub fn with_signer(mut self, signer: impl Signer + 'static) -> Self {
        self.client = self.client.with_signer(signer);
        self
    }

    fn fault(&mut self, wrong: String) {
        // The first one is the one to correct.
        self.wrong.get_or_insert(wrong);
    }

    /// Takes part: registers, listens, shows itself. From here on it runs in tasks of the current runtime.
    ///
    /// # Errors
    /// [`Setup`](DriverError::Setup) if it was put together wrongly; [`Bus`](DriverError::Bus), among
    /// them [`AddressTaken`](crate::bus::BusError::AddressTaken) while another process is this component.
    pub async fn connect(self, bus: &Bus) -> Result<Running, DriverError> {
        if let Some(wrong) = &self.wrong {
            return Err(DriverError::Setup(format!("{}: {wrong}", self.name)));
        }
        let id = ComponentId::new(&self.name)
            .map_err(|error| DriverError::Setup(format!("`{}`: {error}", self.name)))?;
        Running::start(self, id, bus).await
    }

    /// Runs until a signal, on a runtime of its own, and returns when it has stopped, whatever hangs. For
    /// programs that have no runtime.
    ///
    /// ```no_run
    /// use coordination_protocol::bus::Bus;
    /// use coordination_protocol::driver::{Component, Context, interrupted};
    /// use coordination_protocol::Event;
    ///
    /// let stopped = Component::new("logger")
    ///     .subscribe(">", |_: Context, event: Event| async move {
    ///         println!("{event}");
    ///         Ok(())
    ///     })
    ///     .run_blocking("sqlite:", interrupted())?;
    /// eprintln!("{stopped}");
    /// # Ok::<(), coordination_protocol::driver::DriverError>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`connect`](Self::connect) and of [`Bus::open`]; [`Runtime`](DriverError::Runtime).
    pub fn run_blocking(
        self,
        url: &str,
        signal: impl Future<Output = ()>,
    ) -> Result<Stopped, DriverError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| DriverError::Runtime(error.to_string()))?;
        let drain_time = self.options.drain_time;
        let bus = Bus::open(url)?;
        let told = std::cell::Cell::new(None);
        let signal = async {
            signal.await;
            told.set(Some(bus.host().now().at));
        };
        let stopped =
            runtime.block_on(async { Ok(self.connect(&bus).await?.run_until(signal).await) });
        // A blocking task that hangs must not keep the program from ending: it has what is left of the
        // time that handlers had, and a moment.
        let waited = told.get().map_or(Duration::ZERO, |told| bus.host().now().at.since(told));
        let left = drain_time.saturating_sub(waited).max(Duration::from_millis(100));
        runtime.shutdown_timeout(left);
        stopped
    }
}

/// Ends when the program is asked to: by SIGINT or SIGTERM, or what serves for them.
pub async fn interrupted() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        // Without a handler for one of them the other still ends it.
        let Ok(mut terminate) = signal(SignalKind::terminate()) else {
            let _ = tokio::signal::ctrl_c().await;
            return;
        };
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
    }
    #[cfg(not(unix))]
    {
        let _ = tokio::signal::ctrl_c().await;
    }
}

impl Shared {
    /// The client for one message: what is sent belongs to the trace of the message. Where tracing is on and
    /// the message names none, one begins.
    pub(super) fn client_within(&self, trace: Option<super::trace::TraceParent>) -> Client {
        let begin = || {
            let host = self.client.bus().host();
            let span = super::outgoing::seed(self.client.bus());
            super::trace::TraceParent::begin(host.random(), span)
        };
        match trace.or_else(|| cfg!(feature = "tracing").then(begin)) {
            Some(trace) => self.client.within(trace),
            None => self.client.clone(),
        }
    }
}

/// What the parts of a running component share.
pub(super) struct Shared {
    pub(super) id: ComponentId,
    pub(super) client: Client,
    pub(super) options: ComponentOptions,
    pub(super) counts: super::health::Counts,
    /// Why the component cannot go on, once that is so.
    pub(super) fatal: tokio::sync::watch::Sender<Option<String>>,
}
