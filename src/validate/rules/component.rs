//! Registrations, health and configuration.

use super::{FindingSink, RuleInput};
use crate::finding::Code;
use crate::message::Message;
use crate::route::Pattern;
use crate::scalar::{Count, Span};
use smol_str::SmolStr;

pub(super) fn patterns(input: &RuleInput<'_>, sink: &mut FindingSink<'_>) {
    let none = Vec::new();
    let lists = match &input.envelope.message {
        Message::ComponentRegistration(registration) => vec![
            ("event_subscriptions", registration.event_subscriptions.as_ref().unwrap_or(&none)),
            ("event_publications", registration.event_publications.as_ref().unwrap_or(&none)),
        ],
        Message::Subscription(subscription) => vec![("patterns", &subscription.patterns)],
        _ => return,
    };
    for (key, patterns) in lists {
        for (index, text) in patterns.iter().enumerate() {
            let path = input.body(&format!("{key}/{index}"));
            match Pattern::parse(text) {
                Err(error) => sink.push(Code::BadPattern, path, |finding| {
                    finding.with_actual(text).with_detail(SmolStr::from(error.to_string()))
                }),
                Ok(pattern) => {
                    if let Some(warning) = pattern.warnings(input.registry).first() {
                        sink.push(Code::DeadPattern, path, |finding| {
                            finding
                                .with_actual(text)
                                .with_detail(SmolStr::from(warning.to_string()))
                        });
                    }
                }
            }
        }
    }
}

pub(super) fn dependencies(input: &RuleInput<'_>, sink: &mut FindingSink<'_>) {
    let Message::ComponentRegistration(registration) = &input.envelope.message else { return };
    let own = registration.component_id.as_str();
    let Some(dependencies) = &registration.dependencies else { return };
    for (index, dependency) in dependencies.iter().enumerate() {
        let path = input.body(&format!("dependencies/{index}"));
        if dependency == own {
            sink.push(Code::SelfDependency, path, |finding| finding.with_actual(own));
            continue;
        }
        if let Some(cycle) = way_back(input, dependency, own) {
            sink.push(Code::DependencyCycle, path, |finding| {
                finding.with_actual(dependency).with_detail(SmolStr::from(cycle))
            });
        }
    }
}

/// The way from a component back to another along the known dependencies, as a sentence.
fn way_back(input: &RuleInput<'_>, from: &str, to: &str) -> Option<String> {
    let history = input.context.history?;
    let mut ways: Vec<Vec<&str>> = vec![vec![from]];
    let mut seen = vec![from];
    while let Some(way) = ways.pop() {
        let last = *way.last()?;
        for next in history.dependencies(last) {
            if next == to {
                return Some([&[to], &way[..], &[to]].concat().join(" needs "));
            }
            if !seen.contains(&next.as_str()) {
                seen.push(next);
                ways.push([&way[..], &[next]].concat());
            }
        }
    }
    None
}

/// How much the two rates may miss 100 by, for rounding.
const ROUNDING: f64 = 0.1;

pub(super) fn rates(input: &RuleInput<'_>, sink: &mut FindingSink<'_>) {
    let Message::HealthStatus(health) = &input.envelope.message else { return };
    let Some(metrics) = &health.performance_metrics else { return };
    let (Some(success), Some(error)) = (&metrics.success_rate, &metrics.error_rate) else { return };
    let sum = success.value() + error.value();
    if (sum - 100.0).abs() > ROUNDING + 1e-9 {
        // Twelve digits hide what doubles add of their own.
        let sum = (sum * 1e9).round() / 1e9;
        sink.differ(
            Code::RatesDisagree,
            input.body("performance_metrics/error_rate"),
            "100",
            &sum.to_string(),
        );
    }
}

pub(super) fn options(input: &RuleInput<'_>, sink: &mut FindingSink<'_>) {
    let Message::ComponentConfig(config) = &input.envelope.message else { return };
    let mut count = |path: &str, count: Option<&Count>| {
        if let Some(count) = count.filter(|count| count.get() == 0) {
            sink.differ(Code::ZeroOption, input.body(path), "1", count.as_str());
        }
    };
    if let Some(options) = &config.coordination {
        count("coordination/event_queue_size", options.event_queue_size.as_ref());
        count("coordination/max_retry_attempts", options.max_retry_attempts.as_ref());
    }
    if let Some(options) = &config.performance {
        let path = "performance/max_concurrent_operations";
        count(path, options.max_concurrent_operations.as_ref());
        count("performance/resource_pool_size", options.resource_pool_size.as_ref());
    }
    let mut span = |path: &str, span: Option<&Span>| {
        let zero = |span: &&Span| span.value().is_some_and(|value| value.is_zero());
        if let Some(span) = span.filter(zero) {
            sink.differ(Code::ZeroOption, input.body(path), "1ms", span.as_str());
        }
    };
    if let Some(options) = &config.coordination {
        span("coordination/heartbeat_interval", options.heartbeat_interval.as_ref());
        span("coordination/timeout_default", options.timeout_default.as_ref());
    }
    if let Some(options) = &config.performance {
        span("performance/optimization_interval", options.optimization_interval.as_ref());
    }
    if let Some(options) = &config.monitoring {
        span("monitoring/health_check_interval", options.health_check_interval.as_ref());
    }
}
