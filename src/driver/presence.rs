//! How a component shows itself, and sees those that it depends on: values in the store of the bus.

use super::PAUSE;
use super::component::{OnHealth, Shared};
use super::drive::{Driven, drive};
use super::error::DriverError;
use super::health::Counts;
use super::serve::Server;
use crate::bus::Inbox;
use crate::machine::{Presence, PresenceInput, PresenceOutput};
use crate::message::{
    ComponentPerformance, ComponentRegistration, Envelope, HealthStatus, MessageKind,
};
use crate::scalar::{ComponentId, HealthState, Instant, Percent};
use crate::storage::view::Registrations;
use crate::storage::{Expect, Key, StorageError, Store as _};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Where the latest health report and the latest heartbeat of a component stand.
///
/// ```
/// use coordination_protocol::driver::presence_key;
/// use coordination_protocol::message::MessageKind;
/// use coordination_protocol::scalar::ComponentId;
///
/// let key = presence_key(&ComponentId::new("hub")?, MessageKind::HealthStatus)?;
/// assert_eq!(key.as_str(), "presence/hub/health_status");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`StorageError::Key`] if the key gets too long.
pub fn presence_key(component: &ComponentId, kind: MessageKind) -> Result<Key, StorageError> {
    Key::of(["presence", component.as_str(), kind.as_str()])
}

/// How often the bus is tidied.
const TIDY: Duration = Duration::from_secs(600);

/// Shows a component until it is dropped, in tasks of their own: no handler is in their way.
pub(super) struct Shown {
    shared: Arc<Shared>,
    presence: Arc<Driven<Presence>>,
    health: tokio::task::JoinHandle<()>,
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.health.abort();
    }
}

impl Shown {
    /// Starts to show the component. Once this is done, it is registered: who receives what it sends knows
    /// it.
    pub(super) async fn start(
        shared: Arc<Shared>,
        registration: ComponentRegistration,
        dependencies: Vec<ComponentId>,
        server: Arc<Server>,
        inboxes: Vec<Arc<Inbox>>,
        on_health: Option<OnHealth>,
    ) -> Result<Self, DriverError> {
        let (due, asked) = mpsc::unbounded_channel();
        let machine = Presence::new(super::outgoing::seed(shared.client.bus()))
            .with_options(shared.options.presence);
        let host = Arc::clone(shared.client.bus().host());
        let (registered, first) = oneshot::channel();
        let mut registered = Some(registered);
        let handler = {
            let shared = Arc::clone(&shared);
            move |output| {
                let (shared, due) = (Arc::clone(&shared), due.clone());
                let registered = match &output {
                    PresenceOutput::Send(outbound)
                        if outbound.envelope.kind() == MessageKind::ComponentRegistration =>
                    {
                        registered.take()
                    }
                    _ => None,
                };
                async move {
                    match output {
                        PresenceOutput::Send(outbound) => {
                            let kept = keep(&shared, *outbound.envelope).await;
                            if let Err(error) = &kept {
                                super::observe::failed(&shared.id, error);
                            }
                            if let Some(registered) = registered {
                                // The start may have been given up.
                                let _ = registered.send(kept);
                            }
                        }
                        // The machine asks at intervals, so few of these ever wait.
                        PresenceOutput::HealthDue => drop(due.send(())),
                        _ => {}
                    }
                }
            }
        };
        let presence = Arc::new(drive(machine, host, handler));
        for dependency in &dependencies {
            let _ = presence.handle(PresenceInput::Expect(dependency.clone()));
        }
        // Nothing is joined yet, so this is accepted.
        let _ = presence.handle(PresenceInput::Join(Box::new(registration)));
        let reporter = Reporter {
            started: presence.now().at,
            shared: Arc::clone(&shared),
            presence: Arc::clone(&presence),
            dependencies,
            seen: BTreeMap::new(),
            server,
            inboxes,
            on_health,
        };
        let health = tokio::spawn(reporter.run(asked));
        let shown = Shown { shared, presence, health };
        // The machine registers as it joins.
        first.await.unwrap_or(Ok(()))?;
        Ok(shown)
    }

    /// Says that the component takes part no more.
    pub(super) async fn leave(&self, reason: &str) {
        if self.presence.handle(PresenceInput::Leave(reason.to_owned())).is_ok() {
            let shared = &self.shared;
            let registrations = Registrations::new(Arc::clone(shared.client.bus().engine()));
            let _ = registrations.retire(&shared.id).await;
            for kind in [MessageKind::Heartbeat, MessageKind::HealthStatus] {
                if let Ok(key) = presence_key(&shared.id, kind) {
                    let _ = shared.client.bus().engine().delete(&key, Expect::Any).await;
                }
            }
        }
    }
}

/// Keeps what a component says of itself where others look for it.
async fn keep(shared: &Shared, mut envelope: Envelope) -> Result<(), DriverError> {
    let engine = shared.client.bus().engine();
    shared.client.bus().stamp(&mut envelope, &shared.id);
    let text = shared.client.seal().text(&envelope)?;
    match envelope.kind() {
        MessageKind::ComponentRegistration => {
            Registrations::new(Arc::clone(engine)).register(&text).await?;
        }
        kind @ (MessageKind::Heartbeat | MessageKind::HealthStatus) => {
            engine.put(&presence_key(&shared.id, kind)?, text.as_bytes(), Expect::Any).await?;
        }
        // A deregistration removes the others; `leave` does that.
        _ => {}
    }
    Ok(())
}

/// Reports the health of a component whenever it is due, and looks at those it depends on.
struct Reporter {
    started: Instant,
    shared: Arc<Shared>,
    presence: Arc<Driven<Presence>>,
    dependencies: Vec<ComponentId>,
    /// The revisions of what was seen of them.
    seen: BTreeMap<Key, u64>,
    server: Arc<Server>,
    inboxes: Vec<Arc<Inbox>>,
    on_health: Option<OnHealth>,
}

impl Reporter {
    async fn run(mut self, mut asked: mpsc::UnboundedReceiver<()>) {
        // At once, so that who looks finds something.
        self.report().await;
        let host = Arc::clone(self.shared.client.bus().host());
        let mut tidied = host.now().at;
        loop {
            let now = host.now().at;
            if now.since(tidied) >= TIDY {
                tidied = now;
                let bus = self.shared.client.bus();
                if let Err(error) = bus.tidy(&self.shared.options.retention).await {
                    super::observe::bus_failed(&self.shared.id, &error);
                }
            }
            let next = now.after(self.shared.options.presence.heartbeat).unwrap_or(now);
            tokio::select! {
                due = asked.recv() => match due {
                    Some(()) => self.report().await,
                    None => return,
                },
                () = host.sleep_until(next) => {
                    self.look().await;
                    self.server.forget().await;
                }
            }
        }
    }

    /// Takes in what those that it depends on say of themselves.
    async fn look(&mut self) {
        let bus = self.shared.client.bus();
        for dependency in &self.dependencies {
            let kinds = [MessageKind::Heartbeat, MessageKind::HealthStatus];
            let keys = kinds.iter().filter_map(|kind| presence_key(dependency, *kind).ok());
            let registration = Key::of(["registration", dependency.as_str()]).ok();
            for key in registration.into_iter().chain(keys) {
                let Ok(Some(entry)) = bus.engine().get(&key).await else { continue };
                // What was seen before says nothing new; the machine counts what is missing.
                if self.seen.insert(key, entry.revision) == Some(entry.revision) {
                    continue;
                }
                let checked = self.shared.client.admission().check(&entry.value).await;
                if let Ok(Ok(message)) = checked {
                    self.presence.receive(message);
                }
            }
        }
    }

    async fn report(&mut self) {
        self.look().await;
        let shared = &self.shared;
        let waiting: usize = self.inboxes.iter().map(|inbox| inbox.waiting()).sum();
        let (now, counts) = (shared.client.bus().host().now(), &shared.counts);
        let mut status =
            HealthStatus::new(shared.id.clone(), HealthState::Healthy, now.timestamp())
                .with_uptime(whole_seconds(now.at.since(self.started)))
                .with_active_operations(Counts::get(&counts.active))
                .with_queue_size(waiting as u64);
        if let Some(last) = counts.last_activity() {
            status = status.with_last_activity(last);
        }
        let (well, badly) = (Counts::get(&counts.succeeded), Counts::get(&counts.failed));
        let mut performance = ComponentPerformance::new();
        if let Some(mean) = counts.mean() {
            performance = performance.with_response_time_avg(mean);
        }
        // A share of nothing is not known.
        if well + badly > 0 {
            let share = |part: u64| percent(part, well + badly);
            if let (Some(well), Some(badly)) = (share(well), share(badly)) {
                performance = performance.with_success_rate(well).with_error_rate(badly);
            }
        }
        status = status.with_performance_metrics(performance);
        let mut worst = HealthState::Healthy;
        let mut health: BTreeMap<String, HealthState> = BTreeMap::new();
        for dependency in &self.dependencies {
            let known = self
                .presence
                .with(|presence| presence.status(dependency).map(|status| status.state.clone()));
            let known = known.unwrap_or(HealthState::Unknown);
            // It works on with less: it is not broken itself.
            if known != HealthState::Healthy {
                worst = HealthState::Degraded;
            }
            health.insert(dependency.to_string(), known);
        }
        if !health.is_empty() {
            status = status.with_dependencies(health.into_iter().collect::<crate::json::Map<_>>());
        }
        status.status = worst;
        if let Some(look) = &self.on_health {
            status = look(status);
        }
        if self.presence.handle(PresenceInput::Health(Box::new(status))).is_err() {
            let host = shared.client.bus().host();
            host.sleep_until(now.at.after(PAUSE).unwrap_or(now.at)).await;
        }
    }
}

/// For people, who need no nanoseconds.
fn whole_seconds(time: Duration) -> Duration {
    Duration::from_secs(time.as_secs())
}

fn percent(part: u64, of: u64) -> Option<Percent> {
    let tenths = part.checked_mul(1_000)?.checked_div(of)?;
    format!("{}.{}", tenths / 10, tenths % 10).parse().ok()
}
