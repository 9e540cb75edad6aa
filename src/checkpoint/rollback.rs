//! What a rollback makes of two states: pure, so that a request is refused before anything is
//! touched.

use super::error::CheckpointError;
use super::part_name::PartName;
use super::parts::Parts;
use crate::json::{Json, ObjectEdit};
use crate::message::Rollback;
use crate::scalar::{CheckpointId, Count, Now, RollbackMode};
use crate::spec::FieldType;
use std::collections::BTreeSet;

/// Members of a state that tell which one it is. An old value of them would make the rolled back
/// state pass for another workflow, or for an old version.
const FIXED: [&str; 6] =
    ["workflow_id", "state_version", "timestamp", "checkpoint_id", "epoch", "restored_version"];

/// The parts of a checkpoint as they are put back: what they say is the checkpoint's, but for what
/// tells that it was put back. The current ones if those say the same already.
pub(super) fn restored(
    current: Option<&Parts>,
    checkpoint: &Parts,
    id: &CheckpointId,
    now: Now,
) -> Result<Parts, CheckpointError> {
    if let Some(current) = current
        && current.says_the_same(checkpoint)
    {
        return Ok(current.clone());
    }
    counted_on(checkpoint.clone(), current, checkpoint, Back { id, whole: true }, now)
}

/// Where a rollback goes back to.
#[derive(Clone, Copy)]
struct Back<'a> {
    id: &'a CheckpointId,
    /// Whether all of it goes back.
    whole: bool,
}

/// The parts that a rollback asks for: those of the checkpoint, or the current ones with some of
/// the checkpoint's in them. The state counts on from the higher of both versions.
pub(super) fn wanted(
    request: &Rollback,
    current: Option<&Parts>,
    checkpoint: &Parts,
    now: Now,
) -> Result<Parts, CheckpointError> {
    let state = PartName::WORKFLOW_STATE;
    let all = |names: &Vec<String>| names.iter().any(|name| name == state.as_str());
    let whole = match &request.mode {
        Some(RollbackMode::Partial) => request.parts.as_ref().is_some_and(all),
        mode => *mode == Some(RollbackMode::Full),
    };
    let parts = match &request.mode {
        Some(RollbackMode::Full) => checkpoint.clone(),
        Some(RollbackMode::Partial) => {
            let names = request.parts.as_deref().unwrap_or_default();
            if names.is_empty() {
                return Err(CheckpointError::RollbackOfNothing { mode: "partial", what: "parts" });
            }
            partial(names, current.ok_or(CheckpointError::NoState)?, checkpoint)?
        }
        Some(RollbackMode::Selective) => {
            let agents = request.agents.as_deref().unwrap_or_default();
            let tasks = request.tasks.as_deref().unwrap_or_default();
            if agents.is_empty() && tasks.is_empty() {
                return Err(CheckpointError::RollbackOfNothing {
                    mode: "selective",
                    what: "agents or tasks",
                });
            }
            selective(agents, tasks, current.ok_or(CheckpointError::NoState)?, checkpoint)?
        }
        mode => {
            let word = mode.as_ref().map_or("", RollbackMode::as_str);
            return Err(CheckpointError::RollbackMode(word.to_owned()));
        }
    };
    let back = Back { id: &request.checkpoint_id, whole };
    counted_on(parts, current, checkpoint, back, now)
}

fn counted_on(
    parts: Parts,
    current: Option<&Parts>,
    checkpoint: &Parts,
    back: Back<'_>,
    now: Now,
) -> Result<Parts, CheckpointError> {
    // What was put back is a new version of the state, not an old one: replicas drop what is not newer
    // than what they have, and a writer that read the version of an old number would take the new one of
    // that number for it.
    let version = |parts: &Parts| parts.state().state_version.get();
    let epoch = |parts: &Parts| parts.state().epoch.as_ref().map_or(0, Count::get);
    let next = |highest: u64| {
        let next = highest.checked_add(1).filter(|next| *next <= FieldType::LAST_STATE_VERSION);
        next.map(Json::from).ok_or(CheckpointError::LastVersion(highest))
    };
    let highest = current.map_or(0, version).max(version(checkpoint));
    let epoch = current.map_or(0, epoch).max(epoch(checkpoint));
    // Where only a part goes back, the rest goes on from what is current.
    let back_to = if back.whole { version(checkpoint) } else { highest };
    let text = parts.state_text().clone();
    let mut state = ObjectEdit::of(&text);
    state.set("state_version", Some(&next(highest)?));
    // Writers that go on from the line before are told by it, whatever they have counted to.
    state.set("epoch", Some(&next(epoch)?));
    state.set("restored_version", Some(&Json::from(back_to)));
    state.set("timestamp", Some(&Json::text(now.timestamp().as_str())));
    // Who reads the state finds out what it was taken from.
    state.set("checkpoint_id", Some(&Json::text(back.id.as_str())));
    parts.with_part(PartName::WORKFLOW_STATE, state.into_json().as_str())
}

/// The current parts with named ones of the checkpoint: parts that are stored, or members of the
/// workflow's state.
fn partial(
    names: &[String],
    current: &Parts,
    checkpoint: &Parts,
) -> Result<Parts, CheckpointError> {
    let (now, then) = (current.state_text(), checkpoint.state_text());
    let mut parts = current.clone();
    let state = parts.state_text().clone();
    let mut state = ObjectEdit::of(&state);
    let mut whole = None;
    for name in names {
        let part = PartName::new(name).map_err(|_| CheckpointError::UnknownPart(name.clone()))?;
        if part == PartName::FILE_SYSTEM || FIXED.contains(&name.as_str()) {
            return Err(CheckpointError::FixedPart(name.clone()));
        }
        if part == PartName::WORKFLOW_STATE {
            // It holds every member, whatever else the request names.
            whole = Some(then);
        } else if let Some(value) = checkpoint.stored(&part) {
            parts = parts.with_part(part, value.as_str())?;
        } else if current.has(&part) {
            // The checkpoint had none, so going back means to have none.
            parts = parts.without(&part);
        } else {
            let member = part.derived_from().unwrap_or(name);
            let value = then.get(member);
            if value.is_none() && now.get(member).is_none() {
                return Err(CheckpointError::UnknownPart(name.clone()));
            }
            state.set(member, value.as_ref());
        }
    }
    let state = whole.cloned().unwrap_or_else(|| state.into_json());
    parts.with_part(PartName::WORKFLOW_STATE, state.as_str())
}

/// The current parts with the states of some agents from the checkpoint.
fn selective(
    agents: &[String],
    tasks: &[String],
    current: &Parts,
    checkpoint: &Parts,
) -> Result<Parts, CheckpointError> {
    let member = |parts: &Parts| {
        parts.state_text().get("agent_states").unwrap_or_else(|| Json::from_valid("{}"))
    };
    // Agents stand in the state, and in a part of their own if the host gives one.
    let mut places = vec![(member(current), member(checkpoint))];
    if let Some(now) = current.stored(&PartName::AGENT_STATES) {
        let then = checkpoint.get(&PartName::AGENT_STATES);
        places.push((now.clone(), then.unwrap_or_else(|| member(checkpoint))));
    }
    let both = || places.iter().flat_map(|(now, then)| [now, then]);
    let mut names: BTreeSet<String> = BTreeSet::new();
    for agent in agents {
        if both().all(|states| states.get(agent).is_none()) {
            return Err(CheckpointError::UnknownAgent(agent.clone()));
        }
        names.insert(agent.clone());
    }
    // Who works on a task now, and who did then: either may be somebody else, and both states have
    // to go back together.
    for task in tasks {
        let works = |state: &Json| state.get("current_task")?.to_text();
        let on_it: Vec<String> = both()
            .flat_map(|states| {
                let agents = ObjectEdit::of(states);
                let on_it = agents.iter().filter(|(_, state)| works(state).as_ref() == Some(task));
                on_it.map(|(agent, _)| agent.to_owned()).collect::<Vec<_>>()
            })
            .collect();
        if on_it.is_empty() {
            return Err(CheckpointError::UnknownTask(task.clone()));
        }
        names.extend(on_it);
    }
    let mixed = |now: &Json, then: &Json| {
        let mut states = ObjectEdit::of(now);
        for name in &names {
            states.set(name, then.get(name).as_ref());
        }
        states.into_json()
    };
    let text = current.state_text().clone();
    let mut state = ObjectEdit::of(&text);
    let (now, then) = &places[0];
    if state.get("agent_states").is_some() || names.iter().any(|name| then.get(name).is_some()) {
        state.set("agent_states", Some(&mixed(now, then)));
    }
    let parts = current.clone().with_part(PartName::WORKFLOW_STATE, state.into_json().as_str())?;
    match places.get(1) {
        Some((now, then)) => parts.with_part(PartName::AGENT_STATES, mixed(now, then).as_str()),
        None => Ok(parts),
    }
}
