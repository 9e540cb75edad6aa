//! Rewriting a record of one version in another, and telling what that costs (specification,
//! Migration Support).

mod adapter;
mod edit;
mod envelope;
mod fault;
mod names;

mod step;

pub use adapter::Adapter;
pub use step::{Step, StepError};

use super::record::Record;
use crate::event::HeaderError;
use crate::json::{Fault, Limits};
use crate::scalar::ProtocolVersion;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;

/// Something that the target version has no place for.
///
/// `Display` is a sentence with the pointer in front.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub struct Loss {
    /// JSON pointer into the record (for an event line, into its data) as the step found it; empty
    /// for the record as a whole.
    pub pointer: String,
    /// What is lost, as a noun: ``the header key `priority` ``.
    pub what: String,
    /// Why.
    pub reason: String,
    /// Whether the record means nothing without it.
    pub required: bool,
}

impl Loss {
    /// A loss that leaves the record meaningful.
    pub fn new(
        pointer: impl Into<String>,
        what: impl Into<String>,
        reason: impl Into<String>,
    ) -> Self {
        Loss { pointer: pointer.into(), what: what.into(), reason: reason.into(), required: false }
    }

    /// Marks the loss as one that the record means nothing without.
    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.pointer.is_empty() {
            write!(f, "{}: ", self.pointer)?;
        }
        write!(f, "{} is lost: {}", self.what, self.reason)
    }
}

/// Something that was said in another way; nothing is lost by it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub struct Rewrite {
    /// JSON pointer into the record as the adapter or step found it.
    pub pointer: String,
    /// What became of it.
    pub what: String,
}

impl Rewrite {
    /// A change at a place.
    pub fn new(pointer: impl Into<String>, what: impl Into<String>) -> Self {
        Rewrite { pointer: pointer.into(), what: what.into() }
    }
}

impl fmt::Display for Rewrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.pointer.is_empty() {
            write!(f, "{}: ", self.pointer)?;
        }
        f.write_str(&self.what)
    }
}

/// A migrated record, and what that cost.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Migrated {
    /// The record; none if it was dropped, which is always a required loss.
    pub value: Option<String>,
    /// What was lost.
    pub losses: Vec<Loss>,
    /// What was said in another way.
    pub changes: Vec<Rewrite>,
}

impl Migrated {
    /// A record without losses and changes.
    pub fn new(value: impl Into<String>) -> Self {
        Migrated { value: Some(value.into()), losses: Vec::new(), changes: Vec::new() }
    }

    /// No record: the target version cannot express it.
    pub fn dropped(loss: Loss) -> Self {
        Migrated { value: None, losses: vec![loss.required()], changes: Vec::new() }
    }

    /// Adds a loss.
    pub fn with_loss(mut self, loss: Loss) -> Self {
        self.losses.push(loss);
        self
    }

    /// Adds a change.
    pub fn with_change(mut self, change: Rewrite) -> Self {
        self.changes.push(change);
        self
    }
}

/// Why a record was not migrated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MigrateError {
    /// The steps do not connect the versions.
    #[error("no steps lead from {from} to {to}")]
    NoPath {
        /// Where the record is.
        from: ProtocolVersion,
        /// Where it should go.
        to: ProtocolVersion,
    },
    /// The record starts like a JSON document and is none.
    #[error("broken JSON: {0}")]
    Json(Fault),
    /// The record is neither a JSON object nor an event line.
    #[error("neither a JSON object nor an event line: {0}")]
    NotARecord(HeaderError),
    /// The target version cannot express the record, and the caller did not allow to drop it.
    #[error("required data would be lost: {}", sentences(.losses))]
    RequiredLoss {
        /// All losses up to there, the required one among them.
        losses: Vec<Loss>,
    },
    /// A step refused the record.
    #[error("the step from {from} to {to} failed: {error}")]
    Step {
        /// Where the step starts.
        from: ProtocolVersion,
        /// Where it leads.
        to: ProtocolVersion,
        /// What it said.
        error: StepError,
    },
}

fn sentences(losses: &[Loss]) -> String {
    let required = losses.iter().filter(|loss| loss.required);
    required.map(Loss::to_string).collect::<Vec<_>>().join("; ")
}

/// Migrates one record between the versions that this crate supports; see [`Migrator::migrate`].
///
/// ```
/// use coordination_protocol::ProtocolVersion;
/// use coordination_protocol::version::migrate;
///
/// let new = r#"{"priority":"high","checkpoint_sync":{"checkpoint_id":"c1", "state_version":3}}"#;
/// let old = migrate(new, &ProtocolVersion::V1_1_0, &ProtocolVersion::V1_0_0)?;
/// assert_eq!(old.value.as_deref(), Some(r#"{"checkpoint_sync":{"checkpoint_id":"c1"}}"#));
/// let lost: Vec<_> = old.losses.iter().map(|loss| loss.pointer.as_str()).collect();
/// assert_eq!(lost, ["/priority", "/checkpoint_sync/state_version"]);
/// # Ok::<(), coordination_protocol::version::MigrateError>(())
/// ```
///
/// # Errors
/// [`MigrateError`].
pub fn migrate(
    record: &str,
    from: &ProtocolVersion,
    to: &ProtocolVersion,
) -> Result<Migrated, MigrateError> {
    Migrator::new().migrate(record, from, to)
}

/// The steps and adapters that a migration may use.
///
/// ```
/// use coordination_protocol::ProtocolVersion;
/// use coordination_protocol::version::{Adapter, Migrator};
///
/// let migrator = Migrator::new().with_adapter(Adapter::EventNames);
/// let line = r#"phase.failed:wf_001:build:{"phase_id":3}"#;
/// let migrated = migrator.migrate(line, &ProtocolVersion::V1_0_0, &ProtocolVersion::V1_1_0)?;
/// assert_eq!(migrated.value.as_deref(), Some(r#"PHASE_FAILED:wf_001:build:{"phase_id":3}"#));
/// assert_eq!(migrated.changes[0].to_string(), "the event type `phase.failed` became `PHASE_FAILED`");
/// # Ok::<(), coordination_protocol::version::MigrateError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Migrator {
    steps: Vec<Step>,
    adapters: BTreeSet<Adapter>,
    allow_loss: bool,
    limits: Limits,
}

impl Default for Migrator {
    fn default() -> Self {
        Migrator::new()
    }
}

impl Migrator {
    /// The steps between the versions that this crate supports, up and down; no adapters.
    pub fn new() -> Self {
        Migrator {
            steps: step::standard(),
            adapters: BTreeSet::new(),
            allow_loss: false,
            limits: Limits::DEFAULT,
        }
    }

    /// Registers a step.
    pub fn with_step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    /// Uses an adapter. They run in the order of [`Adapter::ALL`].
    pub fn with_adapter(mut self, adapter: Adapter) -> Self {
        self.adapters.insert(adapter);
        self
    }

    /// Whether records that the target version cannot express are dropped instead of refused.
    pub fn with_allow_loss(mut self, allow: bool) -> Self {
        self.allow_loss = allow;
        self
    }

    /// Sets the limits of one record.
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The limits of one record.
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The versions on the shortest path, both ends included. Among paths of equal length it is
    /// the one whose steps were registered first.
    pub fn path(
        &self,
        from: &ProtocolVersion,
        to: &ProtocolVersion,
    ) -> Option<Vec<ProtocolVersion>> {
        let steps = self.route(from, to)?;
        Some(std::iter::once(from).chain(steps.into_iter().map(Step::to)).cloned().collect())
    }

    /// The steps of the shortest path; none are needed where `from` is `to`.
    fn route(&self, from: &ProtocolVersion, to: &ProtocolVersion) -> Option<Vec<&Step>> {
        let mut came_by: BTreeMap<&ProtocolVersion, &Step> = BTreeMap::new();
        let mut open = VecDeque::from([from]);
        while let Some(at) = open.pop_front() {
            if at == to {
                let mut route = Vec::new();
                let mut at = at;
                while at != from {
                    let step = came_by.get(at)?;
                    route.push(*step);
                    at = step.from();
                }
                route.reverse();
                return Some(route);
            }
            for step in self.steps.iter().filter(|step| step.from() == at) {
                if step.to() != from && !came_by.contains_key(step.to()) {
                    came_by.insert(step.to(), step);
                    open.push_back(step.to());
                }
            }
        }
        None
    }

    /// Migrates one record, an event line or a JSON document. It is a dry run as it stands:
    /// nothing but the returned value is made.
    ///
    /// White space and a byte order mark around the record stay. A record that an adapter changed
    /// counts as 1.1.0 from there on, whatever `from` says.
    ///
    /// # Errors
    /// [`MigrateError`].
    pub fn migrate(
        &self,
        record: &str,
        from: &ProtocolVersion,
        to: &ProtocolVersion,
    ) -> Result<Migrated, MigrateError> {
        let no_path =
            |from: &ProtocolVersion| MigrateError::NoPath { from: from.clone(), to: to.clone() };
        let mut route = self.route(from, to).ok_or_else(|| no_path(from))?;
        let mut done = Migrated::new(record);
        for adapter in &self.adapters {
            let Some(text) = done.value.as_deref() else { break };
            if let Some(adapted) = adapter.apply(&Record::read(text, &self.limits)?) {
                done = then(done, adapted);
            }
        }
        if !done.changes.is_empty() {
            let adapted = &ProtocolVersion::V1_1_0;
            route = self.route(adapted, to).ok_or_else(|| no_path(adapted))?;
        }
        if route.is_empty()
            && let Some(text) = done.value.as_deref()
        {
            Record::read(text, &self.limits)?;
        }
        for step in route {
            let Some(text) = done.value.as_deref() else { break };
            let stepped = step.run(text, &self.limits)?;
            done = then(done, stepped);
            if !self.allow_loss && done.losses.iter().any(|loss| loss.required) {
                return Err(MigrateError::RequiredLoss { losses: done.losses });
            }
        }
        Ok(done)
    }
}

/// Appends what came next.
fn then(mut before: Migrated, after: Migrated) -> Migrated {
    before.losses.extend(after.losses);
    before.changes.extend(after.changes);
    Migrated { value: after.value, ..before }
}
