//! Decisions that are kept: load, decide, append, leave.

use super::decide::Decider;
use super::decision::{Decision, DecisionRecord, EndReason, FOLD_VERSION, Grant};
use super::lease::{Lease, LeaseEnd};
use super::need::Holder;
use super::pool::Pool;
use super::timeline::ends;
use crate::error::leaf_errors;
use crate::message::Envelope;
use crate::scalar::{AllocationId, ComponentId, Fence, Instant, MessageId, Now};
use crate::storage::{
    Commit, Engine, Expect, Journal, Key, LaneEnd, Log, NewRecord, StorageError, StoreScan,
    published_envelope,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// How many records are read at once.
const PAGE: usize = 1_000;
/// How many holders are asked about in one decision, whether they are there.
const ASKED: usize = 256;

/// What a decider can find out about who holds something. Without any knowledge nobody is gone, and what is over
/// is over.
pub trait Witness: Send + Sync {
    /// What names this run of the machine; empty where moments outlive it.
    fn boot(&self) -> String {
        String::new()
    }

    /// Whether a holder is gone for certain.
    fn is_gone(&self, holder: &Holder) -> bool {
        let _ = holder;
        false
    }

    /// Whether nothing works any more with what a grant holds, whose time is over. It may see to that.
    fn is_proved_over(&self, grant: &Grant) -> bool {
        let _ = grant;
        true
    }
}

impl Witness for () {}

/// Decisions about one pool that are kept in an engine. All who use the same engine and name decide about the
/// same pool; none of them has to stay.
///
/// A decision is appended with the expectation that nobody else decided meanwhile. If somebody did, it is made
/// again upon what was decided.
///
/// ```
/// use coordination_protocol::coordination::resources::{Desk, Inventory, Need, Ruling, Submission, Units};
/// use coordination_protocol::scalar::{Instant, Now, RequestId, WorkflowId};
/// use coordination_protocol::storage::{MemoryEngine, block_on};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let engine = MemoryEngine::new();
/// let now = Now::new(Instant::START, 1_736_942_400_000);
/// let ask = |id: &str| {
///     let need = Need::new().with("agents", Units::whole(3));
///     Submission::new(RequestId::new(id).unwrap(), WorkflowId::new("wf_001").unwrap(), "worker", need)
/// };
/// block_on(async {
///     let mut one = Desk::new(engine.clone(), "default");
///     one.decide(now, &(), |d| d.set_inventory(Inventory::new().with("agents", Units::whole(4)))).await?;
///     let ruling = one.decide(now, &(), |d| d.submit(&ask("req_1"))).await??;
///     assert!(matches!(ruling, Ruling::Granted(_)));
///
///     // Another process finds what the first one decided.
///     let mut other = Desk::new(engine, "default");
///     let ruling = other.decide(now, &(), |d| d.submit(&ask("req_2"))).await??;
///     assert!(matches!(ruling, Ruling::Denied(_)));
///     Ok::<(), Box<dyn std::error::Error>>(())
/// })
/// # }
/// ```
#[derive(Debug)]
pub struct Desk<E> {
    engine: E,
    name: String,
    source: ComponentId,
    snapshot_every: u64,
    max_conflicts: u32,
    loaded: Option<Loaded>,
}

/// The pool as it was folded.
#[derive(Debug, Default)]
struct Loaded {
    pool: Pool,
    /// The position of its last decision.
    last: Option<u64>,
    /// The position from which on the log was not read yet.
    next: u64,
    /// How many decisions the stored snapshot is behind.
    behind: u64,
}

/// The stored form of [`Loaded`].
#[derive(Serialize, Deserialize)]
struct Snapshot<P> {
    v: u32,
    position: u64,
    pool: P,
}

/// Why nothing was decided.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeskError {
    /// The store or the log.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The log has a decision of a newer version of this crate.
    #[error(
        "a decision at {position} is of version {found}, and this program knows {FOLD_VERSION}"
    )]
    Newer {
        /// Where it stands.
        position: u64,
        /// Its version.
        found: u32,
    },
    /// A decision cannot be read.
    #[error("the decision at {position} is damaged: {reason}")]
    Damaged {
        /// Where it stands.
        position: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// Others decided each time before this could be appended.
    #[error("others decided {times} times meanwhile")]
    Contended {
        /// How often it was tried.
        times: u32,
    },
    /// A lease cannot be renewed: what was granted is over.
    #[error("the lease of {allocation} is lost: {end}")]
    Lost {
        /// The grant.
        allocation: AllocationId,
        /// Why.
        end: LeaseEnd,
    },
}

leaf_errors! {
    DeskError, Coordination {
        Self::Storage(error) => (error),
        Self::Newer { .. } => ["newer-decision", System, Conflict, lasting, "update",
            "Update this program: others that share the bus are newer."],
        Self::Damaged { .. } => ["damaged-decision", State, Corruption, lasting, "restore_backup",
            "Restore the bus from a backup, or open the pool anew."],
        Self::Contended { .. } => ["contended", Resource, Conflict, transient, "retry",
            "Try again; many decide at once."],
        Self::Lost { .. } => ["lease-lost", Resource, Conflict, lasting, "discard",
            "Stop: somebody else may hold what was granted."],
    }
}

impl<E: Engine> Desk<E> {
    /// Decisions about the pool of a name.
    pub fn new(engine: E, name: &str) -> Self {
        Desk {
            engine,
            name: name.to_owned(),
            source: ComponentId::from_valid("resource-manager"),
            snapshot_every: 256,
            max_conflicts: 64,
            loaded: None,
        }
    }

    /// Sets the component in whose name events are published. `resource-manager` unless set.
    pub fn with_source(mut self, source: ComponentId) -> Self {
        self.source = source;
        self
    }

    /// Sets after how many decisions the state is stored, so that the next one who loads it reads few. 256 unless
    /// set, at least 1.
    pub fn with_snapshot_every(mut self, decisions: u64) -> Self {
        self.snapshot_every = decisions.max(1);
        self
    }

    /// Sets how often a decision is made again because somebody else decided meanwhile. 64 unless set.
    pub const fn with_max_conflicts(mut self, times: u32) -> Self {
        self.max_conflicts = times;
        self
    }

    /// The pool as it stands in the log, without what is due.
    ///
    /// # Errors
    /// [`DeskError`].
    pub async fn pool(&mut self) -> Result<&Pool, DeskError> {
        self.load().await?;
        Ok(&self.loaded.get_or_insert_default().pool)
    }

    /// Appends what is due, and what `what` decides, or nothing. It may be called several times, upon newer states.
    ///
    /// # Errors
    /// [`DeskError`]. Then nothing of this was decided, or, after [`Storage`](DeskError::Storage), it may have been: a
    /// request that is submitted again gets the same answer.
    pub async fn decide<T>(
        &mut self,
        now: Now,
        witness: &dyn Witness,
        mut what: impl FnMut(&mut Decider<'_>) -> T,
    ) -> Result<T, DeskError> {
        for _ in 0..=self.max_conflicts {
            self.load().await?;
            let lost = self.lost(now, witness).await?;
            let loaded = self.loaded.get_or_insert_default();
            let boot = witness.boot();
            let mut decider = Decider::new(&mut loaded.pool, now).telling();
            if !decider.pool().is_open() {
                decider.open(1, &boot);
            }
            decider.boot(&boot);
            // First those who wait: what is given back must not go to who is gone.
            decider.waiters_gone(ASKED, |holder| witness.is_gone(holder));
            for (allocation, reason) in lost {
                let over = decider.pool().grant(&allocation).map(|g| witness.is_proved_over(g));
                decider.expire(&allocation, reason, over.unwrap_or(true));
            }
            decider.due(|grant| witness.is_proved_over(grant));
            let result = what(&mut decider);
            let events = decider.take_events();
            let records = decider.into_records();
            if records.is_empty() {
                return Ok(result);
            }
            match self.append(now, &boot, &records, events).await {
                Ok(()) => return Ok(result),
                Err(error) => {
                    // The pool has what was not appended.
                    self.loaded = None;
                    match error {
                        // Somebody decided meanwhile. The identifiers of events derive from the position
                        // that was expected, so theirs may be what is in the way.
                        DeskError::Storage(
                            StorageError::LaneMoved { .. }
                            | StorageError::Conflict { .. }
                            | StorageError::DuplicateId { .. },
                        ) => {}
                        error => return Err(error),
                    }
                }
            }
        }
        Err(DeskError::Contended { times: self.max_conflicts + 1 })
    }

    /// What `what` would decide, and what is due, without appending any of it.
    ///
    /// # Errors
    /// [`DeskError`].
    pub async fn preview<T>(
        &mut self,
        now: Now,
        witness: &dyn Witness,
        what: impl FnOnce(&mut Decider<'_>) -> T,
    ) -> Result<T, DeskError> {
        self.load().await?;
        // A copy of many grants costs more than all else, so the pool itself is tried upon.
        let mut loaded = self.loaded.take().unwrap_or_default();
        let mut decider = Decider::new(&mut loaded.pool, now);
        if !decider.pool().is_open() {
            decider.open(1, &witness.boot());
        }
        // What is over is not proved here: that may mean to end processes.
        decider.due(|_| true);
        let result = what(&mut decider);
        // If nothing was decided, it is as it was; else it is to be loaded again.
        if decider.records().is_empty() {
            self.loaded = Some(loaded);
        }
        Ok(result)
    }

    /// When something is due next by itself, and the position that the next decision of any lane gets.
    ///
    /// # Errors
    /// [`DeskError`].
    pub async fn next(&mut self) -> Result<(Option<Instant>, u64), DeskError> {
        self.load().await?;
        let leases = self.leases().await?;
        let loaded = self.loaded.get_or_insert_default();
        let lapses = leases.into_values().map(|(lease, _)| lease.until);
        Ok((loaded.pool.due().into_iter().chain(lapses).min(), loaded.next.max(1)))
    }

    /// The lease of a grant, if its holder shows that it is there.
    ///
    /// # Errors
    /// [`DeskError`].
    pub async fn lease(&self, allocation: &AllocationId) -> Result<Option<Lease>, DeskError> {
        let entry = self.engine.get(&Lease::key(&self.name, allocation)?).await?;
        Ok(entry.as_ref().map(Lease::read).transpose()?)
    }

    /// Shows that the holder of a grant is there, and returns until when that holds. It is no decision, and
    /// nobody else has to be asked.
    ///
    /// # Errors
    /// [`Lost`](DeskError::Lost) if the grant is over; [`Storage`](DeskError::Storage).
    pub async fn renew(
        &self,
        now: Now,
        witness: &dyn Witness,
        allocation: &AllocationId,
        fence: Fence,
    ) -> Result<Lease, DeskError> {
        let key = Lease::key(&self.name, allocation)?;
        let lost = |end| DeskError::Lost { allocation: allocation.clone(), end };
        loop {
            let Some(entry) = self.engine.get(&key).await? else {
                return Err(lost(LeaseEnd::Ended));
            };
            let mut lease = Lease::read(&entry)?;
            if lease.fence != fence {
                return Err(lost(LeaseEnd::Fenced(lease.fence)));
            }
            // Late, but before anybody found out: what it holds is still its own.
            if lease.ended || lease.boot != witness.boot() {
                return Err(lost(LeaseEnd::Ending));
            }
            lease.until = ends(now.at, lease.ttl);
            let expect = Expect::Revision(entry.revision);
            match self.engine.put(&key, &lease.write(), expect).await {
                Ok(_) => return Ok(lease),
                // Somebody found it to be over, or renewed it as well.
                Err(StorageError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn lane(&self) -> Result<Key, StorageError> {
        Key::of(["pool", &self.name])
    }

    /// Reads what was decided since the last time.
    async fn load(&mut self) -> Result<(), DeskError> {
        let lane = self.lane()?;
        if self.loaded.is_none() {
            self.loaded = Some(self.stored().await?.unwrap_or_default());
        }
        let loaded = self.loaded.get_or_insert_default();
        let log = self.engine.log(Log::Decisions);
        loop {
            let page = log.read(loaded.next, PAGE).await?;
            let full = page.len() == PAGE;
            for record in page {
                loaded.next = record.position + 1;
                if record.lane.as_ref() != Some(&lane) {
                    continue;
                }
                let decided = read(record.position, &record.data)?;
                loaded.pool.apply(&decided);
                loaded.last = Some(record.position);
                loaded.behind += 1;
            }
            if !full {
                return Ok(());
            }
        }
    }

    /// The stored snapshot. One that cannot be used is passed over: the log tells the same.
    async fn stored(&self) -> Result<Option<Loaded>, DeskError> {
        let entry = match self.engine.get(&self.lane()?).await {
            Ok(Some(entry)) => entry,
            Ok(None) | Err(StorageError::Damaged { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let snapshot = serde_json::from_slice::<Snapshot<Pool>>(&entry.value);
        let snapshot = snapshot.ok().filter(|snapshot| snapshot.v == FOLD_VERSION);
        Ok(snapshot.map(|Snapshot { position, pool, .. }| Loaded {
            pool,
            last: Some(position),
            next: position + 1,
            behind: 0,
        }))
    }

    /// The grants whose holders do not show themselves, or are gone. What is found to be over is marked before
    /// it is decided about, so that no renewal comes in between.
    async fn lost(
        &self,
        now: Now,
        witness: &dyn Witness,
    ) -> Result<Vec<(AllocationId, EndReason)>, DeskError> {
        let Some(loaded) = &self.loaded else { return Ok(Vec::new()) };
        let mut lost = Vec::new();
        if loaded.pool.live().next().is_none() {
            return Ok(lost);
        }
        let leases = self.leases().await?;
        let boot = witness.boot();
        let mut asked = 0;
        for grant in loaded.pool.live() {
            let id = &grant.allocation_id;
            let (reason, lease) = match leases.get(id) {
                Some((lease, revision)) if lease.is_over(now.at, &boot) => {
                    (EndReason::NotRenewed, Some((lease, *revision)))
                }
                // Its value was removed: nobody can renew it.
                None => (EndReason::NotRenewed, None),
                Some((lease, revision)) => {
                    asked += 1;
                    let gone = asked <= ASKED
                        && grant.holder.as_ref().is_some_and(|holder| witness.is_gone(holder));
                    if !gone {
                        continue;
                    }
                    (EndReason::HolderGone, Some((lease, *revision)))
                }
            };
            if let Some((lease, revision)) = lease.filter(|(lease, _)| !lease.ended) {
                let over = Lease { ended: true, ..lease.clone() };
                let key = Lease::key(&self.name, id)?;
                match self.engine.put(&key, &over.write(), Expect::Revision(revision)).await {
                    Ok(_) => {}
                    // It was renewed in this moment, or somebody else found the same.
                    Err(StorageError::Conflict { .. }) => continue,
                    Err(error) => return Err(error.into()),
                }
            }
            lost.push((id.clone(), reason));
        }
        Ok(lost)
    }

    /// All leases of the pool.
    async fn leases(&self) -> Result<BTreeMap<AllocationId, (Lease, u64)>, DeskError> {
        let mut scan =
            StoreScan::new(format!("{}/", Key::of(["lease", &self.name])?)).with_limit(PAGE);
        let mut leases = BTreeMap::new();
        loop {
            let page = self.engine.scan(&scan).await?;
            let Some(last) = page.entries.last() else { return Ok(leases) };
            scan = scan.after(last.key.clone());
            for entry in &page.entries {
                let name = entry.key.segments().last();
                let id = name.and_then(|name| AllocationId::new(&*name).ok());
                if let (Some(id), Ok(lease)) = (id, Lease::read(entry)) {
                    leases.insert(id, (lease, entry.revision));
                }
            }
            if !page.more {
                return Ok(leases);
            }
        }
    }

    async fn append(
        &mut self,
        now: Now,
        boot: &str,
        records: &[DecisionRecord],
        events: Vec<crate::event::Event>,
    ) -> Result<(), DeskError> {
        let lane = self.lane()?;
        let Some(loaded) = &mut self.loaded else { return Ok(()) };
        let limit = self.engine.limits().batch_records.max(2) / 2;
        let mut events = events.into_iter().enumerate();
        let chunks: Vec<&[DecisionRecord]> = records.chunks(limit).collect();
        let first = loaded.last.unwrap_or_default();
        for (at, chunk) in chunks.iter().enumerate() {
            let mut commit =
                Commit::new().expecting_in(Log::Decisions, LaneEnd::new(lane.clone(), loaded.last));
            for record in *chunk {
                // A value whose keys are texts has a form in JSON.
                let data = serde_json::to_vec(record)
                    .map_err(|error| StorageError::unsupported(error.to_string()))?;
                commit =
                    commit.append_to(Log::Decisions, NewRecord::new(data).in_lane(lane.clone()));
                let pool = &loaded.pool;
                let fence = |id: &AllocationId| pool.grant(id).map(|grant| grant.fence);
                commit = lease_of(commit, &self.name, record, now, boot, pool.rules().ttl, fence)?;
            }
            // Events go with the last part, or the next one to decide would tell them again.
            let last = at + 1 == chunks.len();
            for (number, event) in events.by_ref().take(if last { usize::MAX } else { limit }) {
                let mut envelope = Envelope::from(event);
                let id =
                    format!("evt_{}-{}-{first}-{number}", self.name, loaded.pool.incarnation());
                envelope.header.message_id = Some(MessageId::from_valid(&id));
                envelope.header.timestamp = Some(now.timestamp());
                envelope.header.source = Some(self.source.clone());
                if let Some(record) = published_envelope(&envelope)? {
                    commit = commit.append(record);
                }
            }
            let done = self.engine.commit(&commit).await?;
            let end = done.decided.positions.end;
            (loaded.last, loaded.next) = (Some(end - 1), end);
            loaded.behind += chunk.len() as u64;
        }
        self.keep().await
    }

    /// Stores the pool as it is, if many decisions were made since that was done. It only spares the next one
    /// some reading, so nothing is lost if this is cut off, or if an older one is stored over it.
    async fn keep(&mut self) -> Result<(), DeskError> {
        let key = self.lane()?;
        let Some(loaded) = self.loaded.as_mut().filter(|l| l.behind >= self.snapshot_every) else {
            return Ok(());
        };
        let Some(position) = loaded.last else { return Ok(()) };
        let value = Snapshot { v: FOLD_VERSION, position, pool: &loaded.pool };
        let value = serde_json::to_vec(&value)
            .map_err(|error| StorageError::unsupported(error.to_string()))?;
        loaded.behind = 0;
        // A pool that has outgrown a value is folded from its log.
        if value.len() <= self.engine.limits().value_bytes {
            self.engine.put(&key, &value, Expect::Any).await?;
        }
        Ok(())
    }
}

fn read(position: u64, data: &[u8]) -> Result<DecisionRecord, DeskError> {
    #[derive(Deserialize)]
    struct Version {
        v: u32,
    }
    let damaged =
        |error: serde_json::Error| DeskError::Damaged { position, reason: error.to_string() };
    match serde_json::from_slice::<DecisionRecord>(data) {
        Ok(record) if record.v <= FOLD_VERSION => Ok(record),
        Ok(record) => Err(DeskError::Newer { position, found: record.v }),
        // What a newer version writes may have another form.
        Err(error) => match serde_json::from_slice::<Version>(data) {
            Ok(Version { v }) if v > FOLD_VERSION => Err(DeskError::Newer { position, found: v }),
            _ => Err(damaged(error)),
        },
    }
}

/// What a decision changes of the values that holders renew.
fn lease_of(
    commit: Commit,
    pool: &str,
    record: &DecisionRecord,
    now: Now,
    boot: &str,
    ttl: Duration,
    fence_of: impl Fn(&AllocationId) -> Option<Fence>,
) -> Result<Commit, StorageError> {
    let live = |holder: &Option<Holder>| holder.as_ref().is_some_and(|holder| holder.live);
    Ok(match &record.decision {
        Decision::Granted { grant, .. } if live(&grant.holder) => {
            let lease = Lease {
                fence: grant.fence,
                until: ends(now.at, ttl),
                ttl,
                boot: boot.to_owned(),
                ended: false,
            };
            commit.put(Lease::key(pool, &grant.allocation_id)?, lease.write(), Expect::Any)
        }
        Decision::Claimed { allocation_id, holder } if live(holder) => {
            let Some(fence) = fence_of(allocation_id) else { return Ok(commit) };
            let lease =
                Lease { fence, until: ends(now.at, ttl), ttl, boot: boot.to_owned(), ended: false };
            commit.put(Lease::key(pool, allocation_id)?, lease.write(), Expect::Any)
        }
        Decision::Ended { allocation_id, .. } => {
            commit.delete(Lease::key(pool, allocation_id)?, Expect::Any)
        }
        _ => commit,
    })
}
