//! The resource manager as a component.

use super::{Component, Context, HandlerError};
use crate::bus::Bus;
use crate::coordination::resources::{Amounts, GrantError, Units};
use crate::coordination::resources::{
    BlockingFact, Desk, DeskError, EndReason, Grant, Holder, Ruling, Submission, Witness,
};
use crate::json::Json;
use crate::message::{
    AllocationRequest, AllocationResponse, Conflict, ConflictCheck, Release, Resources,
};
use crate::scalar::{ConflictId, Fence, Instant, Severity, WorkflowId};
use crate::storage::{DynEngine, Expect, Journal as _, Key, Store as _};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// The resource manager: it answers requests for resources, and does what is due when it is due.
///
/// It is one of many who decide about the pool, and no more than they: a process that uses a
/// [`Desk`] on the same engine sees the same pool, whether this runs or not. It only makes things prompter, and
/// lets those ask who do not have the engine.
///
/// ```
/// use coordination_protocol::bus::Bus;
/// use coordination_protocol::coordination::resources::{Inventory, Units};
/// use coordination_protocol::driver::{Client, ResourceManager};
/// use coordination_protocol::message::{AllocationRequest, Resources};
/// use coordination_protocol::scalar::{ComponentId, Count, RequestId, WorkflowId};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let bus = Bus::memory();
/// let manager = ResourceManager::new(&bus, "default");
/// manager.decide(|d| d.set_inventory(Inventory::new().with("agents", Units::whole(4)))).await?;
/// let running = manager.component().connect(&bus).await?;
///
/// let client = Client::open(&bus, ComponentId::new("worker")?).await?;
/// let id: RequestId = client.new_id();
/// let request = AllocationRequest::new(id, WorkflowId::new("wf_001")?, "worker", client.now().timestamp())
///     .with_resources(Resources::new().with_agents(Count::new(3)));
/// let answer = client.request(&ComponentId::new("resource-manager")?, request).await?;
/// assert_eq!(answer.status.as_str(), "approved");
/// running.stop("done").await;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct ResourceManager {
    inner: Arc<Inner>,
}

struct Inner {
    bus: Bus,
    name: String,
    pool: String,
    desk: Mutex<Desk<Arc<dyn DynEngine>>>,
    witness: Arc<dyn Witness>,
}

impl fmt::Debug for ResourceManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResourceManager").field("pool", &self.inner.pool).finish_non_exhaustive()
    }
}

/// How often it looks whether another one took over, if nothing else wakes it.
const LOOKS: Duration = Duration::from_secs(1);

impl ResourceManager {
    /// The manager of a pool on a bus, by the name `resource-manager`.
    pub fn new(bus: &Bus, pool: &str) -> Self {
        ResourceManager::with_witness(bus, pool, "resource-manager", Arc::new(()))
    }

    /// The same by another name, with what it can find out about who holds something.
    pub fn with_witness(bus: &Bus, pool: &str, name: &str, witness: Arc<dyn Witness>) -> Self {
        let desk = Mutex::new(Desk::new(Arc::clone(bus.engine()), pool));
        let (bus, name, pool) = (bus.clone(), name.to_owned(), pool.to_owned());
        ResourceManager { inner: Arc::new(Inner { bus, name, pool, desk, witness }) }
    }

    /// Decides something, after what is due.
    ///
    /// # Errors
    /// Those of [`Desk::decide`].
    pub async fn decide<T>(
        &self,
        what: impl FnMut(&mut crate::coordination::resources::Decider<'_>) -> T,
    ) -> Result<T, DeskError> {
        let now = self.inner.bus.host().now();
        self.inner.desk.lock().await.decide(now, &*self.inner.witness, what).await
    }

    /// The component: it answers `allocation_request`, `conflict_check` and `release`.
    pub fn component(&self) -> Component {
        let (asked, checked, released) = (self.clone(), self.clone(), self.clone());
        Component::new(&self.inner.name)
            .version(env!("CARGO_PKG_VERSION"))
            .capability("resource_allocation")
            .capability("conflict_detection")
            .publishes("resource.*.*")
            .on_request(move |context: Context, request: AllocationRequest| {
                let manager = asked.clone();
                async move { manager.allocate(&context, &request).await }
            })
            .on_request(move |context: Context, check: ConflictCheck| {
                let manager = checked.clone();
                async move { manager.check(&context, check).await }
            })
            .on_request(move |_: Context, release: Release| {
                let manager = released.clone();
                async move { manager.release(release).await }
            })
    }

    async fn allocate(
        &self,
        context: &Context,
        request: &AllocationRequest,
    ) -> Result<AllocationResponse, HandlerError> {
        let mut submission = Submission::read(request)?;
        let source = context.message().header.source.as_ref().map_or("", |source| source.as_str());
        // A component is told of what it waits for by an event, so nothing is offered to it in vain.
        submission = submission
            .with_holder(Holder::named(source))
            .with_waiter(Holder::live(format!("component {source}")));
        let ruling = self.decide(|d| d.submit(&submission)).await??;
        let now = self.inner.bus.host().now();
        Ok(ruling.answer(&request.request_id, context.client().new_id(), now))
    }

    async fn check(
        &self,
        context: &Context,
        mut check: ConflictCheck,
    ) -> Result<ConflictCheck, HandlerError> {
        let resources = check.resources.clone().unwrap_or_else(Resources::new);
        let workflow = check.workflow_id.clone().unwrap_or_else(WorkflowId::global);
        let request = AllocationRequest::new(
            check.request_id.clone(),
            workflow,
            "",
            context.client().now().timestamp(),
        )
        .with_resources(resources);
        let submission = Submission::read(&request)?;
        let now = self.inner.bus.host().now();
        let mut desk = self.inner.desk.lock().await;
        let ruling = desk.preview(now, &*self.inner.witness, |d| d.plan(&submission)).await??;
        let facts = match &ruling {
            Ruling::Denied(blocked) | Ruling::Queued { blocked, .. } => blocked.facts.as_slice(),
            _ => &[],
        };
        let conflicts =
            facts.iter().enumerate().map(|(number, fact)| conflict(&check, number, fact));
        check.conflicts = Some(conflicts.collect());
        Ok(check)
    }

    async fn release(&self, release: Release) -> Result<Release, HandlerError> {
        let fence = release.fence.as_ref().map(fence).transpose()?;
        let mut used = Amounts::new();
        for (name, amount) in release.used.iter().flatten() {
            used.set(name, Units::from(amount));
        }
        let allocation = &release.allocation_id;
        let released = self
            .decide(|d| d.release(allocation, fence, EndReason::Released, used.clone()))
            .await?;
        match released {
            // It is over, whoever ended it.
            Ok(Grant { .. }) | Err(GrantError::Unknown { settled: Some(_), .. }) => Ok(release),
            Err(error) => Err(error.into()),
        }
    }

    /// Does what is due when it is due, for whomever, until another manager of the same pool takes over.
    ///
    /// Who calls this last is the one who serves; the others' calls end.
    ///
    /// # Errors
    /// Those of [`Desk::decide`].
    pub async fn tend(&self) -> Result<(), DeskError> {
        let Inner { bus, pool, .. } = &*self.inner;
        let key = Key::of(["serve", pool])?;
        let process = bus.host().process();
        let mine = bus.engine().put(&key, process.as_bytes(), Expect::Any).await?;
        let log = bus.decisions();
        loop {
            let present = bus.engine().get(&key).await?;
            if present.is_none_or(|entry| entry.revision != mine) {
                return Ok(());
            }
            self.decide(|_| ()).await?;
            let (due, next) = self.inner.desk.lock().await.next().await?;
            let now = bus.host().now().at;
            let looks = now.after(LOOKS).unwrap_or(Instant::from_nanos(u64::MAX));
            tokio::select! {
                () = bus.host().sleep_until(due.map_or(looks, |due| due.min(looks))) => {}
                appended = log.wait(next) => { appended.map_err(DeskError::from)?; }
            }
        }
    }
}

/// One conflict, as the answer to the question whether there are any tells it.
fn conflict(check: &ConflictCheck, number: usize, fact: &BlockingFact) -> Conflict {
    let id = ConflictId::from_valid(&format!("{}-{number}", check.request_id));
    let (resource, held) = match fact {
        BlockingFact::Amount { name, held, .. } => (name.to_string(), held.by.first()),
        BlockingFact::Path { wanted, held, .. } => (wanted.to_string(), held.by.first()),
        other => (other.to_string(), None),
    };
    let severity = if held.is_some() { Severity::Medium } else { Severity::High };
    let mut conflict = Conflict::new(id, severity).with_resource(resource);
    conflict.allocation_id = held.map(|held| held.allocation_id.clone());
    conflict
}

fn fence(json: &Json) -> Result<Fence, HandlerError> {
    let text = json.to_text().unwrap_or_else(|| json.as_str().to_owned());
    Ok(text.parse::<Fence>()?)
}
