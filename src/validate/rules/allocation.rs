//! Requests for resources, and their answers.

use super::{FindingSink, RuleInput};
use crate::finding::Code;
use crate::message::{
    AllocatedResources, AllocationRequest, AllocationResponse, FallbackOptions, Message, Resources,
};
use crate::scalar::{AllocationStatus, Amount};
use std::cmp::Ordering;

pub(super) fn asks_for_something(input: &RuleInput<'_>, sink: &mut FindingSink<'_>) {
    let Message::AllocationRequest(request) = &input.envelope.message else { return };
    let none = Resources::new();
    let resources = request.resources.as_ref().unwrap_or(&none);
    let positive = |amount: &Amount| amount.cmp_value(&Amount::from(0)).is_gt();
    let something = resources.agents.as_ref().is_some_and(|agents| agents.get() > 0)
        || resources.memory_gb.as_ref().is_some_and(positive)
        || resources.cpu_cores.as_ref().is_some_and(positive)
        || resources.exclusive_files.as_ref().is_some_and(|files| !files.is_empty())
        || resources
            .tool_instances
            .as_ref()
            .is_some_and(|tools| tools.iter().any(|(_, amount)| positive(amount)))
        // A resource that the protocol does not know is still asked for.
        || !resources.extra().is_empty();
    if !something {
        sink.push(Code::NoResources, input.body("resources"), |finding| finding);
    }
}

pub(super) fn status_and_resources(input: &RuleInput<'_>, sink: &mut FindingSink<'_>) {
    let Message::AllocationResponse(response) = &input.envelope.message else { return };
    let granted = response.allocated_resources.as_ref();
    let empty = granted.is_none_or(|resources| *resources == AllocatedResources::new());
    match response.status {
        AllocationStatus::Approved | AllocationStatus::Partial => {
            let missing = if granted.is_none() {
                "allocated_resources"
            } else if response.allocation_id().is_none() {
                "allocated_resources/allocation_id"
            } else {
                return;
            };
            // The field also writes the identifier one level up.
            if granted.is_none() && response.allocation_id().is_some() {
                return;
            }
            sink.differ(
                Code::GrantWithoutResources,
                input.body(missing),
                missing.rsplit('/').next().unwrap_or_default(),
                response.status.as_str(),
            );
        }
        AllocationStatus::Denied | AllocationStatus::Queued if !empty => {
            sink.push(Code::DenialWithResources, input.body("allocated_resources"), |finding| {
                finding.with_actual(response.status.as_str())
            });
        }
        _ => {}
    }
}

pub(super) fn release(input: &RuleInput<'_>, sink: &mut FindingSink<'_>) {
    let Message::AllocationResponse(response) = &input.envelope.message else { return };
    let hours = response.allocated_resources.as_ref().and_then(|r| r.duration_hours.as_ref());
    let timeout = response.restrictions.as_ref().and_then(|r| r.auto_release_timeout.as_ref());
    let (Some(hours), Some(timeout)) = (hours, timeout) else { return };
    let (Some(value), Some(released)) = (hours.value(), timeout.value()) else { return };
    // Rounded to milliseconds: 0.1 hours are 6 minutes, whatever a double makes of it.
    let granted = (value * 3_600_000.0).round() / 1000.0;
    if released.as_secs_f64() < granted {
        sink.differ(
            Code::EarlyRelease,
            input.body("restrictions/auto_release_timeout"),
            hours.as_str(),
            timeout.as_str(),
        );
    }
}

/// One amount of a request and of its grant.
struct Pair<'a> {
    path: String,
    asked: Option<&'a Amount>,
    granted: Option<&'a Amount>,
    /// Whether the request permits less.
    less: bool,
    /// Whether the request permits more.
    more: bool,
}

pub(super) fn grant_and_request(input: &RuleInput<'_>, sink: &mut FindingSink<'_>) {
    let Message::AllocationResponse(response) = &input.envelope.message else { return };
    let Some(history) = input.context.history else { return };
    // Identifiers are the requesters' own. Where several used this one, the answer has to fit one of
    // their requests, or whoever sends a request under another's identifier could have its answer refused.
    let mut first = None;
    for request in history.exchanges().requests_of(input.envelope) {
        let mut found = Vec::new();
        let mut push = |finding| found.push(finding);
        one(input, &mut FindingSink { place: sink.place, push: &mut push }, request, response);
        if found.is_empty() {
            return;
        }
        first.get_or_insert(found);
    }
    first.into_iter().flatten().for_each(|finding| (sink.push)(finding));
}

/// An answer against one request.
fn one(
    input: &RuleInput<'_>,
    sink: &mut FindingSink<'_>,
    request: &AllocationRequest,
    response: &AllocationResponse,
) {
    let nothing = FallbackOptions::new();
    let fallback = request.fallback_options.as_ref().unwrap_or(&nothing);
    match response.status {
        AllocationStatus::Queued if fallback.queue_if_unavailable == Some(false) => {
            sink.push(Code::QueueingNotPermitted, input.body("status"), |finding| finding);
        }
        AllocationStatus::Approved | AllocationStatus::Partial => {
            let Some(granted) = &response.allocated_resources else { return };
            let partial = response.status == AllocationStatus::Partial;
            compare(input, sink, request, granted, partial, fallback);
        }
        _ => {}
    }
}

fn compare(
    input: &RuleInput<'_>,
    sink: &mut FindingSink<'_>,
    request: &AllocationRequest,
    granted: &AllocatedResources,
    partial: bool,
    fallback: &FallbackOptions,
) {
    let none = Resources::new();
    let asked = request.resources.as_ref().unwrap_or(&none);
    let permits = |option: Option<bool>| partial && option == Some(true);
    let agents = |count: &Option<crate::scalar::Count>| count.clone().map(Amount::from);
    let (asked_agents, granted_agents) = (agents(&asked.agents), agents(&granted.agents));
    let pair = |name: &str, asked, granted| Pair {
        path: name.to_owned(),
        asked,
        granted,
        less: false,
        more: false,
    };
    let mut pairs = vec![
        Pair {
            less: permits(fallback.reduce_agents),
            ..pair("agents", asked_agents.as_ref(), granted_agents.as_ref())
        },
        pair("memory_gb", asked.memory_gb.as_ref(), granted.memory_gb.as_ref()),
        pair("cpu_cores", asked.cpu_cores.as_ref(), granted.cpu_cores.as_ref()),
        Pair {
            more: fallback.extend_duration == Some(true),
            ..pair("duration_hours", asked.duration_hours.as_ref(), granted.duration_hours.as_ref())
        },
    ];
    let tools = |map: &'_ Option<crate::message::Map<Amount>>| map.clone().unwrap_or_default();
    let (asked_tools, granted_tools) =
        (tools(&asked.tool_instances), tools(&granted.tool_instances));
    for (tool, amount) in &asked_tools {
        pairs.push(pair(&tool_path(tool), Some(amount), granted_tools.get(tool)));
    }
    for (tool, amount) in granted_tools.iter().filter(|(tool, _)| asked_tools.get(tool).is_none()) {
        pairs.push(pair(&tool_path(tool), None, Some(amount)));
    }
    for Pair { path, asked, granted, less, more } in &pairs {
        let zero = Amount::from(0);
        let order = granted.unwrap_or(&zero).cmp_value(asked.unwrap_or(&zero));
        let code = match order {
            Ordering::Greater if !more => Code::GrantExceedsRequest,
            Ordering::Less if !less => Code::ReductionNotPermitted,
            _ => continue,
        };
        let name = |amount: Option<&Amount>| amount.map_or("nothing", Amount::as_str).to_owned();
        let path = input.body(&format!("allocated_resources/{path}"));
        sink.differ(code, path, name(*asked), &name(*granted));
    }
    files(input, sink, asked, granted, permits(fallback.accept_shared_resources));
}

fn files(
    input: &RuleInput<'_>,
    sink: &mut FindingSink<'_>,
    asked: &Resources,
    granted: &AllocatedResources,
    less: bool,
) {
    let nothing = Vec::new();
    let wanted = asked.exclusive_files.as_ref().unwrap_or(&nothing);
    let given = granted.exclusive_files.as_ref().unwrap_or(&nothing);
    for (index, file) in given.iter().enumerate().filter(|(_, file)| !wanted.contains(file)) {
        let path = input.body(&format!("allocated_resources/exclusive_files/{index}"));
        sink.differ(Code::GrantExceedsRequest, path, "nothing", &format!("`{file}`"));
    }
    let kept = wanted.iter().filter(|file| given.contains(file)).count();
    if kept < wanted.len() && !less {
        let path = input.body("allocated_resources/exclusive_files");
        let (expected, actual) = (format!("{} files", wanted.len()), format!("{kept}"));
        sink.differ(Code::ReductionNotPermitted, path, expected, &actual);
    }
}

fn tool_path(tool: &str) -> String {
    let mut path = "tool_instances".to_owned();
    crate::json::pointer::push_key(&mut path, tool);
    path
}
