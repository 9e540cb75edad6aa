//! A component that runs, and how it stops.

use super::client::Client;
use super::component::{Component, Shared};
use super::error::DriverError;
use super::health::Counts;
use super::listen::listen;
use super::presence::Shown;
use super::serve::Server;
use crate::bus::{Bus, Inbox, Interest};
use crate::event::{Data, Event, SystemShutdown, SystemStartup};
use crate::finding::Finding;
use crate::message::ComponentRegistration;
use crate::scalar::{ComponentId, ComponentVersion, Phase, WorkflowId};
use crate::transport::Address;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A component that takes part. Dropping it ends it where it stands: what was not finished comes again. To
/// let it finish, [`stop`](Self::stop) it.
#[must_use = "a component ends when this is dropped"]
pub struct Running {
    shared: Arc<Shared>,
    shown: Shown,
    inboxes: Vec<Arc<Inbox>>,
    tasks: Vec<Task>,
    stop: watch::Sender<bool>,
    not_obeyed: Vec<Finding>,
    drain_time: Duration,
}

/// One task, ended with the component.
struct Task(JoinHandle<(usize, usize)>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("id", &self.shared.id).finish_non_exhaustive()
    }
}

/// How a component stopped. It prints as one line.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stopped {
    /// Why.
    pub reason: String,
    /// How many handlings were under way when it was told to stop, and ended in time.
    pub drained: usize,
    /// How many did not, and were dropped: their messages come again.
    pub abandoned: usize,
    /// How many messages became dead letters while it ran.
    pub dead_lettered: u64,
    /// How many handlings succeeded while it ran.
    pub succeeded: u64,
    /// How many failed.
    pub failed: u64,
    /// How many messages it was due were gone before it could read them.
    pub missed: u64,
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Stopped { reason, drained, abandoned, dead_lettered, succeeded, failed, .. } = self;
        write!(
            f,
            "stopped ({}): {succeeded} succeeded, {failed} failed, {dead_lettered} dead letters, \
             {drained} drained, {abandoned} abandoned",
            crate::scalar::printable(reason),
        )
    }
}

impl Running {
    pub(super) async fn start(
        component: Component,
        id: ComponentId,
        bus: &Bus,
    ) -> Result<Self, DriverError> {
        let setup = |what: &str, error: &dyn fmt::Display| {
            DriverError::Setup(format!("{id}: {what}: {error}"))
        };
        // A member of its own: its claims end with it, whatever else this process does on the bus.
        let bus = bus.member();
        let dependencies = component.dependencies.iter().map(ComponentId::new);
        let dependencies: Vec<ComponentId> = dependencies
            .collect::<Result<_, _>>()
            .map_err(|error| setup("a dependency", &error))?;
        let version = component.version.as_deref().map(ComponentVersion::new).transpose();
        let version = version.map_err(|error| setup("its version", &error))?;
        let told = match &version {
            Some(version) => version.clone(),
            // The event has to name one.
            None => ComponentVersion::new("0.0.0").map_err(|error| setup("its version", &error))?,
        };
        let options = component.options;
        let address = Address::new(id.as_str()).map_err(crate::bus::BusError::from)?;
        // The address first: where another process is this component, nothing else is begun.
        let (concurrent, attempts) = (options.respond.concurrent, options.redelivery.attempts);
        let inbox = Arc::new(bus.listen_with(&address, concurrent, attempts).await?);
        let own = component.client.with_caller(options.caller);
        let client = Client::open_with(&bus, id.clone(), own).await?;
        let drain_time = options.drain_time;
        let shared = Arc::new(Shared {
            id: id.clone(),
            client,
            options,
            counts: Counts::default(),
            fatal: watch::Sender::new(None),
        });
        let mut inboxes = vec![Arc::clone(&inbox)];
        let mut subscribed = Vec::new();
        let mut patterns = Vec::new();
        for (interest, handler) in component.subscriptions {
            let pattern = interest.pattern().map_or_else(String::new, ToOwned::to_owned);
            let interest = named(interest, &id, &pattern, &shared);
            patterns.push(pattern);
            let inbox = Arc::new(bus.subscribe(interest).await?);
            inboxes.push(Arc::clone(&inbox));
            subscribed.push((inbox, handler));
        }
        let registration = registration(
            &id,
            &component.kind,
            version.as_ref(),
            &component.capabilities,
            &dependencies,
            patterns,
            component.publications,
        );
        let (stop, stopped) = watch::channel(false);
        let cancel = Arc::new(watch::Sender::new(false));
        let server = Arc::new(Server::new(Arc::clone(&shared), inbox, component.requests));
        let shown = Shown::start(
            Arc::clone(&shared),
            registration,
            dependencies,
            Arc::clone(&server),
            inboxes.clone(),
            component.on_health,
        )
        .await?;
        let mut tasks = vec![Task(tokio::spawn(server.run(stopped.clone(), Arc::clone(&cancel))))];
        for (inbox, handler) in subscribed {
            let (shared, cancel) = (Arc::clone(&shared), Arc::clone(&cancel));
            let task = listen(shared, inbox, handler, stopped.clone(), cancel);
            tasks.push(Task(tokio::spawn(task)));
        }
        let running = Running {
            shared,
            shown,
            inboxes,
            tasks,
            stop,
            not_obeyed: component.not_obeyed,
            drain_time,
        };
        let startup = SystemStartup::new(id, told, component.capabilities);
        running.tell(startup).await?;
        Ok(running)
    }

    /// Publishes an event about the component itself.
    async fn tell(&self, data: impl Into<Data>) -> Result<(), DriverError> {
        let event = Event::new(WorkflowId::global(), Phase::global(), data);
        self.shared.client.publish(crate::message::Message::from(event)).await.map(drop)
    }

    /// The component.
    pub fn id(&self) -> &ComponentId {
        &self.shared.id
    }

    /// Asks and tells as this component.
    pub fn client(&self) -> &Client {
        &self.shared.client
    }

    /// What of its configuration nothing obeys.
    pub fn not_obeyed(&self) -> &[Finding] {
        &self.not_obeyed
    }

    /// Runs until a signal, or until the bus cannot be used any more, such as after a newer program has
    /// migrated its file; then stops. A bus that is away for a time is waited for.
    pub async fn run_until(self, signal: impl Future<Output = ()>) -> Stopped {
        let mut fatal = self.shared.fatal.subscribe();
        let reason = tokio::select! {
            biased;
            () = signal => "it was asked to stop".to_owned(),
            reason = broken(&mut fatal) => reason,
        };
        self.stop(reason).await
    }

    /// Stops: takes nothing more, waits for what is under way as long as the drain time, drops the rest, and
    /// leaves. All ways to stop go through this.
    pub async fn stop(mut self, reason: impl Into<String>) -> Stopped {
        let reason = reason.into();
        self.stop.send_replace(true);
        let host = Arc::clone(self.shared.client.bus().host());
        // The tasks drain by themselves, all at once; a handler that blocks its thread must not keep
        // this from ending, so there is an end here as well.
        let grace = self.drain_time + Duration::from_secs(1);
        let end = host.now().at.after(grace);
        let (mut drained, mut abandoned) = (0, 0);
        for task in &mut self.tasks {
            let over = async {
                match end {
                    Some(at) => host.sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                ended = &mut task.0 => {
                    let (well, badly) = ended.unwrap_or((0, 1));
                    drained += well;
                    abandoned += badly;
                }
                () = over => abandoned += 1,
            }
        }
        let left = async {
            let _ = self.tell(SystemShutdown::new(self.shared.id.clone(), reason.clone())).await;
            for inbox in &self.inboxes {
                let _ = inbox.close().await;
            }
            self.shown.leave(&reason).await;
            let _ = self.shared.client.bus().leave().await;
        };
        // The bus may be away for good.
        let over = host.sleep_until(host.now().at.after(grace).unwrap_or(host.now().at));
        tokio::select! {
            biased;
            () = left => {}
            () = over => {}
        }
        let counts = &self.shared.counts;
        Stopped {
            reason,
            drained,
            abandoned,
            dead_lettered: Counts::get(&counts.dead_lettered),
            succeeded: Counts::get(&counts.succeeded),
            failed: Counts::get(&counts.failed),
            missed: Counts::get(&counts.missed),
        }
    }
}

/// Why the component cannot go on; as long as it can, this does not end.
async fn broken(fatal: &mut watch::Receiver<Option<String>>) -> String {
    match fatal.wait_for(Option::is_some).await {
        Ok(reason) => reason.clone().unwrap_or_default(),
        Err(_) => std::future::pending().await,
    }
}

/// A subscription is durable under the component's name, unless it has a name of its own.
fn named(interest: Interest, id: &ComponentId, pattern: &str, shared: &Shared) -> Interest {
    let attempts = shared.options.redelivery.attempts;
    let interest = interest
        .with_max_attempts(attempts)
        .with_max_in_flight(shared.options.concurrent)
        .with_window(shared.options.queue);
    match interest.name() {
        Some(_) => interest,
        None => interest.durable(format!("{id}:{pattern}")),
    }
}

fn registration(
    id: &ComponentId,
    component_type: &str,
    version: Option<&ComponentVersion>,
    capabilities: &[String],
    dependencies: &[ComponentId],
    subscriptions: Vec<String>,
    publications: Vec<String>,
) -> ComponentRegistration {
    let mut registration = ComponentRegistration::new(id.clone(), component_type)
        .with_health_check_endpoint(id.as_str());
    if let Some(version) = version {
        registration = registration.with_version(version.clone());
    }
    // A list that is empty says nothing.
    if !capabilities.is_empty() {
        registration = registration.with_capabilities(capabilities.to_vec());
    }
    if !dependencies.is_empty() {
        let names: Vec<String> = dependencies.iter().map(ToString::to_string).collect();
        registration = registration.with_dependencies(names);
    }
    if !subscriptions.is_empty() {
        registration = registration.with_event_subscriptions(subscriptions);
    }
    if !publications.is_empty() {
        registration = registration.with_event_publications(publications);
    }
    registration
}
