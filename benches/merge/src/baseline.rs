//! What merging is measured against.

use coordination_protocol::message::AgentState;
use serde_json::{Map, Value};
use smol_str::SmolStr;
use std::cmp::Ordering;

pub type Agents = Vec<(SmolStr, AgentState)>;

/// The sorted three-way join that one would write by hand for these keys and fields: it asks no
/// table, tells no conflicts, and keeps no unknown fields.
pub fn join(base: &Agents, ours: Agents, theirs: &Agents) -> Agents {
    let mut out = Vec::with_capacity(ours.len() + 8);
    let (mut base, mut theirs) = (base.iter().peekable(), theirs.iter().peekable());
    for (key, mut own) in ours {
        while let Some((other_key, other)) = theirs.next_if(|(other, _)| *other < key) {
            out.push((other_key.clone(), other.clone()));
        }
        while base.next_if(|(was, _)| *was < key).is_some() {}
        let was = base.next_if(|(was, _)| *was == key).map(|(_, was)| was);
        let other = theirs.next_if(|(other, _)| *other == key).map(|(_, other)| other);
        if let (Some(was), Some(other)) = (was, other) {
            if unchanged(other, was) {
            } else if unchanged(&own, was) {
                own = other.clone();
            } else {
                fields(was, &mut own, other);
            }
        }
        out.push((key, own));
    }
    out.extend(theirs.cloned());
    out
}

fn unchanged(a: &AgentState, b: &AgentState) -> bool {
    a.status == b.status
        && a.current_task == b.current_task
        && a.progress == b.progress
        && a.performance_score == b.performance_score
}

fn fields(was: &AgentState, own: &mut AgentState, other: &AgentState) {
    if own.status == was.status {
        own.status.clone_from(&other.status);
    }
    if own.current_task == was.current_task {
        own.current_task.clone_from(&other.current_task);
    }
    if own.performance_score == was.performance_score {
        own.performance_score.clone_from(&other.performance_score);
    }
    let further = match (&own.progress, &other.progress) {
        (Some(own), Some(other)) => own.cmp_value(other) == Ordering::Less,
        _ => own.progress == was.progress,
    };
    if further {
        own.progress.clone_from(&other.progress);
    }
}

/// A recursive three-way merge as it is usually written: it makes a new value, and where both sides
/// changed a value the greater number or ours counts.
pub fn merge(base: Option<&Value>, ours: &Value, theirs: &Value) -> Value {
    if ours == theirs || base == Some(theirs) {
        return ours.clone();
    }
    if base == Some(ours) {
        return theirs.clone();
    }
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => {
            let base = base.and_then(Value::as_object);
            let mut out = Map::new();
            for (key, own) in ours {
                let was = base.and_then(|base| base.get(key));
                match theirs.get(key) {
                    Some(other) => {
                        out.insert(key.clone(), merge(was, own, other));
                    }
                    None if was == Some(own) => {}
                    None => {
                        out.insert(key.clone(), own.clone());
                    }
                }
            }
            for (key, other) in theirs {
                if !ours.contains_key(key) && base.and_then(|base| base.get(key)) != Some(other) {
                    out.insert(key.clone(), other.clone());
                }
            }
            Value::Object(out)
        }
        (Value::Number(own), Value::Number(other)) if own.as_f64() < other.as_f64() => {
            theirs.clone()
        }
        _ => ours.clone(),
    }
}

/// The same in place, so that what only ours has is not copied.
pub fn merge_into(base: Option<&Value>, ours: &mut Value, theirs: &Value) {
    if base == Some(theirs) || *ours == *theirs {
        return;
    }
    if base == Some(&*ours) {
        *ours = theirs.clone();
        return;
    }
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => {
            let base = base.and_then(Value::as_object);
            ours.retain(|key, own| {
                theirs.contains_key(key) || base.and_then(|base| base.get(key)) != Some(&*own)
            });
            for (key, other) in theirs {
                let was = base.and_then(|base| base.get(key));
                match ours.get_mut(key) {
                    Some(own) => merge_into(was, own, other),
                    None if was == Some(other) => {}
                    None => {
                        ours.insert(key.clone(), other.clone());
                    }
                }
            }
        }
        (ours @ Value::Number(_), Value::Number(other)) if ours.as_f64() < other.as_f64() => {
            *ours = theirs.clone();
        }
        _ => {}
    }
}
