//! Permissions: what registrations allow, what they deny, and what the denial says.

use coordination_protocol::MessageKind;
use coordination_protocol::event::{Category, Registry};
use coordination_protocol::route::{Pattern, PatternError, RouteKey};
use coordination_protocol::scalar::ComponentId;
use coordination_protocol::security::permissions::{PermissionDenied, PermissionList, Permissions};

use crate::support::{Rng, scaled};

fn id(name: &str) -> ComponentId {
    ComponentId::new(name).unwrap()
}

/// The registration of the specification's example, the hub that answers it, and a monitor.
fn permissions() -> Permissions {
    Permissions::new()
        .with_component(
            &id("resource-manager"),
            ["resource.*.allocated", "resource.*.conflict_detected"],
            ["workflow.*.resource_request", "system.*.resource_threshold"],
        )
        .and_then(|permissions| {
            permissions.with_component(
                &id("hub"),
                ["workflow.*", "system.*"],
                ["workflow.>", "system.>"],
            )
        })
        .and_then(|permissions| {
            permissions.with_component(
                &id("monitor"),
                ["SYSTEM_THRESHOLD.global.*"],
                ["*.wf_001.*", "TASK_FAILED.>", "coordination_hub.workflow_events"],
            )
        })
        .and_then(|permissions| permissions.with_component(&id("silent"), [], []))
        .unwrap()
}

#[test]
fn publications() {
    let permissions = permissions();
    // Component, type, workflow, and the denial.
    let rows: &[(&str, &str, &str, Option<&str>)] = &[
        ("resource-manager", "RESOURCE_ALLOCATED", "wf_001", None),
        ("resource-manager", "RESOURCE_CONFLICT", "global", None),
        (
            "resource-manager",
            "RESOURCE_OPTIMIZED",
            "wf.1",
            Some(
                "`resource-manager` may not publish resource.wf%2E1.optimized: no pattern of its \
                 event_publications covers it; the nearest is `resource.*.allocated`",
            ),
        ),
        (
            "resource-manager",
            "TASK_FAILED",
            "wf_001",
            Some(
                "`resource-manager` may not publish task.wf_001.failed: no pattern of its \
                 event_publications covers it",
            ),
        ),
        ("hub", "TASK_FAILED", "wf_001", None),
        ("hub", "ANYTHING_ELSE", "global", None),
        ("monitor", "SYSTEM_THRESHOLD", "global", None),
        (
            "monitor",
            "SYSTEM_THRESHOLD",
            "wf_001",
            Some(
                "`monitor` may not publish system.wf_001.threshold: no pattern of its \
                 event_publications covers it; the nearest is `SYSTEM_THRESHOLD.global.*`",
            ),
        ),
        (
            "silent",
            "SYSTEM_STARTUP",
            "global",
            Some(
                "`silent` may not publish system.global.startup: no pattern of its \
                 event_publications covers it",
            ),
        ),
        (
            "resource-manger",
            "RESOURCE_ALLOCATED",
            "wf_001",
            Some("component `resource-manger` is not registered; did you mean `resource-manager`?"),
        ),
        ("x", "RESOURCE_ALLOCATED", "wf_001", Some("component `x` is not registered")),
    ];
    for (component, name, workflow, denial) in rows {
        let key = RouteKey::new(name, workflow, "build");
        let denied = permissions.may_publish(&id(component), &key).err();
        assert_eq!(denied.as_ref().map(PermissionDenied::to_string).as_deref(), *denial);
        assert!(denied.is_none_or(|denied| denied.component() == &id(component)));
    }
    let key = RouteKey::parse("system.global.threshold").unwrap();
    assert!(permissions.may_publish(&id("monitor"), &key).is_ok(), "the phase is not known");
    let request = RouteKey::of_message(MessageKind::AllocationRequest, "wf_001").unwrap();
    assert!(permissions.may_publish(&id("hub"), &request).is_ok());
}

#[test]
fn subscriptions() {
    let permissions = permissions();
    let rows: &[(&str, &str, Option<&str>)] = &[
        ("resource-manager", "workflow.*.resource_request", None),
        ("resource-manager", "workflow.wf_001.resource_request", None),
        ("resource-manager", "RESOURCE_THRESHOLD.global.build", None),
        (
            "resource-manager",
            "RESOURCE_THRESHOLD.>",
            Some(
                "`resource-manager` may not subscribe to `RESOURCE_THRESHOLD.>`: its \
                 event_subscriptions do not cover all of it, such as resource.other.threshold; \
                 the nearest is `system.*.resource_threshold`",
            ),
        ),
        // Both subscriptions together cover everything.
        ("hub", ">", None),
        ("hub", "*.failed", None),
        ("monitor", "resource.wf_001.allocated", None),
        ("monitor", "TASK_FAILED.wf_002.build", None),
        // What selects nothing has to be spelled alike.
        ("monitor", "coordination_hub.workflow_events", None),
        (
            "monitor",
            "coordination_hub.task_events",
            Some(
                "`monitor` may not subscribe to `coordination_hub.task_events`: it selects \
                 nothing, and is not among its event_subscriptions",
            ),
        ),
        (
            "monitor",
            "*.wf_002.*",
            Some(
                "`monitor` may not subscribe to `*.wf_002.*`: its event_subscriptions do not \
                 cover all of it, such as workflow.wf_002.created",
            ),
        ),
        (
            "silent",
            "task.*",
            Some(
                "`silent` may not subscribe to `task.*`: its event_subscriptions do not cover \
                 all of it, such as task.global.assigned",
            ),
        ),
        ("hubb", "task.*", Some("component `hubb` is not registered; did you mean `hub`?")),
    ];
    for (component, pattern, denial) in rows {
        let pattern = Pattern::parse(pattern).unwrap();
        let denied = permissions.may_subscribe(&id(component), &pattern).err();
        assert_eq!(
            denied.as_ref().map(PermissionDenied::to_string).as_deref(),
            *denial,
            "{pattern}"
        );
        assert!(denied.is_none_or(|denied| denied.component() == &id(component)));
    }
}

#[test]
fn reasons_are_stable() {
    let permissions = permissions();
    let key = RouteKey::new("TASK_FAILED", "wf_001", "build");
    let subscribe = |component: &str, pattern: &str| {
        permissions.may_subscribe(&id(component), &Pattern::parse(pattern).unwrap()).unwrap_err()
    };
    let reasons = [
        permissions.may_publish(&id("nobody"), &key).unwrap_err(),
        permissions.may_publish(&id("silent"), &key).unwrap_err(),
        subscribe("nobody", ">"),
        subscribe("silent", ">"),
        subscribe("silent", "coordination_hub.workflow_events"),
    ];
    assert_eq!(
        reasons.map(|denied| denied.code()),
        [
            "unknown-component",
            "publication-not-granted",
            "unknown-component",
            "subscription-not-granted",
            "subscription-not-granted",
        ]
    );
}

#[test]
fn a_registration_with_a_fault_grants_no_permissions() {
    let monitor = id("monitor");
    let error = Permissions::new().with_component(&monitor, ["task.*", "task"], []).unwrap_err();
    assert!(matches!(
        &error,
        PermissionDenied::BadPattern { list: PermissionList::Publications, index: 1, error, .. }
            if matches!(error, PatternError::OneToken { .. })
    ));
    assert_eq!(
        error.to_string(),
        "component `monitor`, event_publications, entry 1, `task`: `task` is a single token; \
         write scope.word, TYPE.>, or `>` for everything"
    );
    let error = Permissions::new().with_component(&monitor, [], ["a..b"]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "component `monitor`, event_subscriptions, entry 0, `a..b`: the token at byte 2 is empty"
    );
    let few = Permissions::new().with_max_patterns(2);
    assert!(few.clone().with_component(&monitor, ["a.b", "c.d"], ["a.b", "c.d"]).is_ok());
    let error = few.with_component(&monitor, [], ["a.b", "c.d", "e.f"]).unwrap_err();
    assert_eq!(error.to_string(), "component `monitor`, event_subscriptions: more than 2 patterns");
    let many = vec!["a.b"; Permissions::DEFAULT_MAX_PATTERNS + 1];
    assert!(Permissions::new().with_component(&monitor, many[1..].iter().copied(), []).is_ok());
    assert!(Permissions::new().with_component(&monitor, many, []).is_err());
}

#[test]
fn a_later_registration_replaces_an_earlier_one() {
    let monitor = id("monitor");
    let permissions = permissions().with_component(&monitor, [], ["phase.*"]).unwrap();
    let names: Vec<_> = permissions.components().map(ComponentId::as_str).collect();
    assert_eq!(names, ["hub", "monitor", "resource-manager", "silent"]);
    let patterns = |list| permissions.patterns(&monitor, list).map(Pattern::as_str);
    assert_eq!(patterns(PermissionList::Subscriptions).collect::<Vec<_>>(), ["phase.*"]);
    assert_eq!(patterns(PermissionList::Publications).count(), 0);
    assert_eq!(permissions.patterns(&id("nobody"), PermissionList::Subscriptions).count(), 0);
    let earlier = Pattern::parse("*.wf_001.*").unwrap();
    assert!(permissions.may_subscribe(&monitor, &earlier).is_err());
}

#[test]
fn types_of_the_caller_are_covered_by_their_category() {
    let registry =
        Registry::default().with_type("SHIP_DONE", Category::new("deploy").unwrap(), []).unwrap();
    let monitor = id("monitor");
    let asked = Pattern::parse("SHIP_DONE.>").unwrap();
    let permissions = Permissions::new().with_component(&monitor, [], ["deploy.*"]).unwrap();
    assert!(permissions.may_subscribe(&monitor, &asked).is_err());
    assert!(permissions.with_registry(registry).may_subscribe(&monitor, &asked).is_ok());
}

/// What a component may subscribe to brings it no key that its subscriptions do not select.
#[test]
fn a_subscription_that_is_allowed_brings_nothing_else() {
    let tokens = ["*", "task", "workflow", "system", "failed", "wf_001", "global", "TASK_FAILED"];
    let names = ["TASK_FAILED", "task_failed", "TASK_TIMEOUT", "FAILED", "X_TASK", "PHASE_FAILED"];
    let monitor = id("monitor");
    let mut allowed = 0;
    for case in 0..scaled(3_000) {
        let rng = &mut Rng::new(case as u64 + 1);
        let mut draw = || {
            let tokens: Vec<&str> = (0..2 + rng.below(2)).map(|_| rng.pick(&tokens)).collect();
            tokens.join(".")
        };
        let (asked, granted) = (draw(), [draw(), draw(), draw()]);
        let permissions = Permissions::new()
            .with_component(&monitor, [], granted.iter().map(String::as_str))
            .unwrap();
        let asked = Pattern::parse(&asked).unwrap();
        if permissions.may_subscribe(&monitor, &asked).is_err() {
            continue;
        }
        allowed += 1;
        for name in names {
            for workflow in ["global", "wf_001", "task", "failed", "system", "workflow", "y"] {
                for phase in ["global", "wf_001", "task", "failed", "y"] {
                    let key = RouteKey::new(name, workflow, phase);
                    let mut own = permissions.patterns(&monitor, PermissionList::Subscriptions);
                    assert!(
                        !asked.matches(&key) || own.any(|pattern| pattern.matches(&key)),
                        "{asked} {granted:?} {key}"
                    );
                }
            }
        }
    }
    assert!(allowed > 200, "{allowed}");
}
