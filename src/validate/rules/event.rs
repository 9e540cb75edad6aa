//! What holds of an event, on a line or in an envelope, by itself and after those before it.

use crate::event::EventType;
use crate::finding::{Code, Finding};
use crate::json::{Kind, Token, pointer};
use crate::scalar::Quantity;
use crate::validate::History;
use crate::validate::embedded::EventData;
use crate::validate::history::{End, GrantStatus, Misstep, Step};
use smol_str::SmolStr;
use std::cmp::Ordering;

/// Tells what is wrong with an event.
pub(in crate::validate) fn event(
    data: &EventData<'_>,
    step: Option<&Step>,
    history: Option<&History>,
    tell: &mut dyn FnMut(Finding),
) {
    match data.event_type {
        Some(EventType::ResourceThreshold) => threshold(data, tell),
        Some(EventType::TaskReassigned) => reassigned(data, tell),
        _ => {}
    }
    if let (Some(step), Some(history)) = (step, history) {
        grants(data, step, history, tell);
        for misstep in history.lives().missteps(step) {
            tell(finding(data, step, misstep));
        }
    }
}

/// A finding about a value of the data; about all of it where the value is not there.
fn at(data: &EventData<'_>, code: Code, key: &str) -> Finding {
    let mut path = data.base.to_owned();
    let token = data.get(key);
    if token.is_some() {
        pointer::push_key(&mut path, key);
    }
    Finding::new(code, token.unwrap_or(data.data).range()).with_pointer(path)
}

/// A threshold that was crossed is reached.
fn threshold(data: &EventData<'_>, tell: &mut dyn FnMut(Finding)) {
    let number = |key: &str| {
        let token = data.get(key).filter(|token| token.kind() == Kind::Number)?;
        Quantity::parse(token.raw(data.text)).ok()
    };
    let (Some(usage), Some(threshold)) = (number("current_usage"), number("threshold")) else {
        return;
    };
    if usage.cmp_value(&threshold) == Ordering::Less {
        tell(
            at(data, Code::ThresholdNotReached, "current_usage")
                .with_expected(threshold.as_str())
                .with_actual(usage.as_str()),
        );
    }
}

/// A task moves to another agent.
fn reassigned(data: &EventData<'_>, tell: &mut dyn FnMut(Finding)) {
    let text =
        |key: &str| -> Option<Token> { data.get(key).filter(|token| token.kind() == Kind::Text) };
    let (Some(old), Some(new)) = (text("old_agent"), text("new_agent")) else { return };
    let new = new.decode(data.text);
    if old.means(data.text, &new) {
        tell(at(data, Code::SameAgent, "new_agent").with_actual(&new));
    }
}

fn grants(data: &EventData<'_>, step: &Step, history: &History, tell: &mut dyn FnMut(Finding)) {
    if step.event_type != EventType::ResourceDeallocated {
        return;
    }
    let told = |code| at(data, code, "allocation_id").with_actual(&step.subject);
    match history.grants().status(&step.subject, &End::Told(step.print)) {
        GrantStatus::Unknown => tell(told(Code::ReleaseOfUnknown)),
        GrantStatus::Ended => tell(told(Code::ReleaseOfEnded)),
        GrantStatus::Held { fence } => {
            if let (Some(own), Some(fence)) = (step.fence, fence)
                && own < fence
            {
                tell(
                    at(data, Code::StaleFence, "fence")
                        .with_expected(fence.to_string())
                        .with_actual(&own.to_string()),
                );
            }
        }
    }
}

fn finding(data: &EventData<'_>, step: &Step, misstep: Misstep) -> Finding {
    let name = step.event_type.as_str();
    let subject = match step.event_type.as_str() {
        name if name.starts_with("PHASE") => "phase_id",
        name if name.starts_with("TASK") => "task_id",
        _ => "",
    };
    match misstep {
        Misstep::Unseen { expected } => at(data, Code::StartNotSeen, subject)
            .with_actual(name)
            .with_expected(expected.as_str())
            .with_detail(SmolStr::from(step.noun())),
        Misstep::NotBegun { expected } => at(data, Code::NotBegun, subject)
            .with_actual(name)
            .with_expected(expected.as_str())
            .with_detail(SmolStr::from(step.noun())),
        Misstep::AfterEnd { ended, noun } => at(data, Code::AfterEnd, subject)
            .with_actual(name)
            .with_expected(ended.as_str())
            .with_detail(SmolStr::from(noun)),
        Misstep::OtherAgent { has } => {
            let (key, agent) = match &step.old_agent {
                Some(old) => ("old_agent", Some(old)),
                None => ("agent_id", step.agent.as_ref()),
            };
            at(data, Code::OtherAgent, key)
                .with_actual(agent.map_or("", SmolStr::as_str))
                .with_expected(has.as_str())
                .with_detail(SmolStr::from(step.noun()))
        }
        Misstep::StaleAttempt { latest } => at(data, Code::StaleAttempt, "attempt")
            .with_actual(&step.attempt.unwrap_or_default().to_string())
            .with_expected(latest.to_string())
            .with_detail(SmolStr::from(step.noun())),
    }
}
