//! Rewriting a record of one version in another, and telling what that costs (specification,
//! Migration Support).

mod adapter;
mod envelope;
mod fault;
mod names;

mod step;

pub use adapter::Adapter;
pub use step::Step;

use super::error::VersionError;
use super::loss::{Loss, Migrated};
use super::record::Record;
use crate::json::{Edits, Kind, Limits};
use crate::scalar::ProtocolVersion;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

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
/// # Ok::<(), coordination_protocol::version::VersionError>(())
/// ```
///
/// # Errors
/// [`VersionError`].
pub fn migrate(
    record: &str,
    from: &ProtocolVersion,
    to: &ProtocolVersion,
) -> Result<Migrated, VersionError> {
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
/// # Ok::<(), coordination_protocol::version::VersionError>(())
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
        // Breadth first, steps in the order of their registration: the first way that arrives is
        // the shortest, and the same one every time.
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
    /// [`VersionError`].
    pub fn migrate(
        &self,
        record: &str,
        from: &ProtocolVersion,
        to: &ProtocolVersion,
    ) -> Result<Migrated, VersionError> {
        let no_path =
            |from: &ProtocolVersion| VersionError::NoPath { from: from.clone(), to: to.clone() };
        let mut route = self.route(from, to).ok_or_else(|| no_path(from))?;
        let mut done = Migrated::new(record);
        for adapter in &self.adapters {
            let Some(text) = done.value.as_deref() else { break };
            if let Some(adapted) = adapter.apply(&Record::read(text, &self.limits)?) {
                done = then(done, adapted);
            }
        }
        // What an adapter wrote is 1.1.0, so the steps start there.
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
            // After each step, so that the error names the loss that ended it and not its sequel.
            if !self.allow_loss && done.losses.iter().any(|loss| loss.required) {
                return Err(VersionError::RequiredLoss { losses: done.losses });
            }
        }
        self.unsigned(record, done)
    }

    /// Leaves out a signature that was made over another text.
    fn unsigned(&self, before: &str, mut done: Migrated) -> Result<Migrated, VersionError> {
        let Some(text) = &done.value else { return Ok(done) };
        let after = Record::read(text, &self.limits)?;
        let Some(claim) = after.get("signature").filter(|claim| claim.kind() == Kind::Object)
        else {
            return Ok(done);
        };
        if Record::read(before, &self.limits)?.means_the_same(&after) {
            return Ok(done);
        }
        let mut edits = Edits::new(text);
        edits.remove(after.start, |value| value.start() == claim.start());
        let value = edits.finish();
        done.value = Some(value);
        let reason = "it was made over another text; sign the message anew";
        let loss = Loss::new("/signature", "the signature", reason);
        // What a step said of it is told by its removal, too.
        match done.losses.iter_mut().find(|told| told.pointer == loss.pointer) {
            Some(told) => *told = loss,
            None => done.losses.push(loss),
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
