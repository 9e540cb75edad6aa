//! Validations by name.

use super::part_name::PartName;
use super::parts::{Parts, as_message};
use crate::event::Codec;
use crate::finding::{FindingSeverity, Mode};
use crate::json::{Json, Kind, elements, members};
use crate::message::{AllocatedResources, Map, ValidationResults};
use crate::scalar::CheckResult;
use smol_str::SmolStr;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

type Check = Arc<dyn Fn(&Parts) -> CheckResult + Send + Sync>;

/// The validations that a checkpoint can be put to.
///
/// The protocol's three are always run, and besides them what the state names in
/// `validation_required`; a name that is not registered gives `unknown`.
///
/// | name | passes if | unknown without |
/// |---|---|---|
/// | `state_integrity` | the state has no error in strict mode | |
/// | `dependency_consistency` | every dependency and every agent's task is known, and none waits for itself | a part `dependencies`: `{"task": ["task it needs", ...]}` |
/// | `resource_consistency` | no allocation and no exclusive file is listed twice, and memory in use is within what is allocated | a part `resource_state` with `allocations`: a list of allocated resources |
///
/// ```
/// use coordination_protocol::checkpoint::{Checks, Parts};
/// use coordination_protocol::scalar::CheckResult;
///
/// let checks = Checks::new().with("fresh", |parts| match parts.state().state_version.get() {
///     0 => CheckResult::Failed,
///     _ => CheckResult::Passed,
/// });
/// let parts = Parts::parse(r#"{"workflow_id":"wf_001","state_version":15,
///     "timestamp":"2025-01-15T12:00:00Z","validation_required":["fresh","lunar_phase"]}"#)?;
/// let results = checks.run(&parts);
/// assert_eq!(results.integrity_check, Some(CheckResult::Passed));
/// assert_eq!(results.dependency_validation, Some(CheckResult::Unknown));
/// assert_eq!(results.extra().get("fresh").unwrap().as_str(), r#""passed""#);
/// assert_eq!(results.extra().get("lunar_phase").unwrap().as_str(), r#""unknown""#);
/// # Ok::<(), coordination_protocol::checkpoint::CheckpointError>(())
/// ```
#[derive(Clone)]
pub struct Checks(Vec<(SmolStr, Check)>);

const INTEGRITY: &str = "state_integrity";
const DEPENDENCIES: &str = "dependency_consistency";
const RESOURCES: &str = "resource_consistency";

impl Default for Checks {
    fn default() -> Self {
        Checks::new()
    }
}

impl fmt::Debug for Checks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

impl Checks {
    /// The protocol's validations.
    pub fn new() -> Self {
        Checks(Vec::new())
            .with(INTEGRITY, |parts| match unsound(parts) {
                None => CheckResult::Passed,
                Some(_) => CheckResult::Failed,
            })
            .with(DEPENDENCIES, dependencies)
            .with(RESOURCES, resources)
    }

    /// Adds a validation, or puts it in the place of the one of that name.
    pub fn with(
        mut self,
        name: &str,
        check: impl Fn(&Parts) -> CheckResult + Send + Sync + 'static,
    ) -> Self {
        self.0.retain(|(known, _)| known != name);
        self.0.push((SmolStr::new(name), Arc::new(check)));
        self
    }

    /// Runs a validation.
    pub fn check(&self, name: &str, parts: &Parts) -> CheckResult {
        let known = self.0.iter().find(|(known, _)| known == name);
        known.map_or(CheckResult::Unknown, |(_, check)| check(parts))
    }

    /// Runs the protocol's validations and those that the state asks for.
    pub fn run(&self, parts: &Parts) -> ValidationResults {
        let mut results = ValidationResults::new()
            .with_integrity_check(self.check(INTEGRITY, parts))
            .with_dependency_validation(self.check(DEPENDENCIES, parts))
            .with_resource_consistency(self.check(RESOURCES, parts));
        for name in parts.state().validation_required.iter().flatten() {
            if ![INTEGRITY, DEPENDENCIES, RESOURCES].contains(&name.as_str()) {
                let result = Json::text(self.check(name, parts).as_str());
                // A name that is there already was asked for twice.
                if let Ok(more) = results.clone().with_extra(name, result) {
                    results = more;
                }
            }
        }
        results
    }
}

/// The first error of a state in strict mode.
pub(super) fn unsound(parts: &Parts) -> Option<String> {
    let text = as_message(parts.state_text());
    let limits = parts.limits().with_bytes(text.len());
    let record = Codec::new(Mode::Strict).with_limits(limits).check_message(&text);
    let mut findings = record.report.findings().iter();
    let error = findings.find(|finding| finding.severity == FindingSeverity::Error)?;
    Some(format!("{error} ({} at {})", error.code, error.pointer))
}

fn dependencies(parts: &Parts) -> CheckResult {
    let Some(given) = PartName::new("dependencies").ok().and_then(|name| parts.get(&name)) else {
        return CheckResult::Unknown;
    };
    let text = given.as_str();
    if given.kind() != Kind::Object {
        return CheckResult::Failed;
    }
    let mut needs: HashMap<String, Vec<String>> = HashMap::new();
    for (task, list) in members(text, 0) {
        if list.kind() != Kind::Array {
            return CheckResult::Failed;
        }
        let names = elements(text, list.start()).map(|name| match name.kind() {
            Kind::Text => Some(name.decode(text).into_owned()),
            _ => None,
        });
        let Some(names) = names.collect() else { return CheckResult::Failed };
        needs.insert(task.decode(text).into_owned(), names);
    }
    let agents = parts.state().agent_states.iter().flat_map(Map::iter);
    let mut tasks = agents.filter_map(|(_, agent)| agent.current_task.as_ref());
    let known = |name: &str| needs.contains_key(name);
    let complete =
        needs.values().flatten().all(|name| known(name)) && tasks.all(|task| known(task.as_str()));
    if complete && acyclic(&needs) { CheckResult::Passed } else { CheckResult::Failed }
}

/// Whether no task waits for itself, by taking away what waits for nothing.
fn acyclic(needs: &HashMap<String, Vec<String>>) -> bool {
    let mut waits: HashMap<&str, usize> = HashMap::new();
    let mut needed_by: HashMap<&str, Vec<&str>> = HashMap::new();
    for (task, list) in needs {
        waits.insert(task, list.len());
        for need in list {
            needed_by.entry(need).or_default().push(task);
        }
    }
    let mut free: Vec<&str> =
        waits.iter().filter(|(_, count)| **count == 0).map(|(task, _)| *task).collect();
    let mut done = 0;
    while let Some(task) = free.pop() {
        done += 1;
        for waiting in needed_by.get(task).into_iter().flatten() {
            if let Some(count) = waits.get_mut(waiting) {
                *count -= 1;
                if *count == 0 {
                    free.push(waiting);
                }
            }
        }
    }
    done == needs.len()
}

fn resources(parts: &Parts) -> CheckResult {
    if !parts.has(&PartName::RESOURCE_STATE) {
        return CheckResult::Unknown;
    }
    let Some(allocations) =
        parts.get(&PartName::RESOURCE_STATE).and_then(|state| state.get("allocations"))
    else {
        return CheckResult::Unknown;
    };
    if allocations.kind() != Kind::Array {
        return CheckResult::Failed;
    }
    let (mut ids, mut files) = (HashSet::new(), HashSet::new());
    let mut memory = Some(0.0);
    for allocation in allocations.items() {
        let Ok(granted) = allocation.decode::<AllocatedResources>() else {
            return CheckResult::Failed;
        };
        let fresh = granted.allocation_id.is_none_or(|id| ids.insert(id))
            && granted.exclusive_files.into_iter().flatten().all(|file| files.insert(file));
        if !fresh {
            return CheckResult::Failed;
        }
        let granted = granted.memory_gb.and_then(|amount| amount.value());
        memory = memory.zip(granted).map(|(sum, more)| sum + more);
    }
    let usage = parts.state().resource_usage.as_ref();
    let used = usage.and_then(|usage| usage.memory_current.as_ref()?.value());
    match (memory, used) {
        // An allocation that says nothing of memory bounds nothing.
        (Some(granted), Some(used)) if used > granted => CheckResult::Failed,
        _ => CheckResult::Passed,
    }
}
