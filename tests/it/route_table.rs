//! Many patterns at once, against the patterns one by one.

use coordination_protocol::event::{Category, REGISTRY, Registry};
use coordination_protocol::route::{GroupChoice, Pattern, RouteKey, RouteTable, SubscriptionId};
use coordination_protocol::scalar::ProtocolVersion;

use crate::support::{Rng, scaled};
use std::collections::{BTreeMap, HashMap, HashSet};

fn pattern(text: &str) -> Pattern {
    Pattern::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

const WORKFLOWS: &[&str] = &[
    "global",
    "wf_001",
    "WF_001",
    "wf.1",
    "a",
    "",
    "%2E",
    "workflow_with_a_very_long_name_0001",
    "workflow_with_a_very_long_name_0002",
    "ñandú",
];
const PHASES: &[&str] = &["global", "build", "Build", "wf_001", "phase_with_a_very_long_name_0001"];
const ODD_TYPES: &[&str] = &[
    "PING",
    "RESOURCE_REQUEST",
    "Resource_Conflict",
    "resource_conflict",
    "TEMPLATE_VALIDATION_COMPLETED",
    "WORKFLOW",
    "SYSTEM",
    "_X",
    "X_",
    "SHIP_DONE",
    "TASK_PARKED",
    "",
    "CONFLICT_DETECTED",
    "ÄRGER_ÜBER",
    "A_TYPE_WITH_A_NAME_OF_MORE_THAN_32_BYTES",
];

fn type_name(rng: &mut Rng) -> &'static str {
    if rng.one_in(3) {
        rng.pick(ODD_TYPES)
    } else {
        REGISTRY[rng.below(REGISTRY.len())].event_type.as_str()
    }
}

fn registries() -> [Registry; 3] {
    [
        Registry::default(),
        Registry::new(ProtocolVersion::V1_0_0),
        Registry::default()
            .with_type("SHIP_DONE", Category::new("Deploy").unwrap(), [])
            .and_then(|registry| registry.with_type("TASK_PARKED", Category::Task, []))
            .and_then(|registry| registry.with_type("ping", Category::new("workflow").unwrap(), []))
            .unwrap(),
    ]
}

/// A key of a triple, now and then one whose phase is not known.
fn key<'a>(rng: &mut Rng, registries: &'a [Registry]) -> RouteKey<'a> {
    let registry = &registries[rng.below(registries.len())];
    let key =
        RouteKey::with_registry(registry, type_name(rng), rng.pick(WORKFLOWS), rng.pick(PHASES));
    if rng.one_in(5) {
        RouteKey::parse_with(registry, &key.to_string()).unwrap_or(key)
    } else {
        key
    }
}

/// A pattern out of what keys are made of.
fn any_pattern(rng: &mut Rng) -> Pattern {
    let escaped = |text: &str| -> String {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        text.chars()
            .map(|c| {
                if plain(c) {
                    return c.to_string();
                }
                c.to_string().bytes().map(|byte| format!("%{byte:02X}")).collect()
            })
            .collect()
    };
    loop {
        let name = type_name(rng);
        let key = RouteKey::new(name, rng.pick(WORKFLOWS), rng.pick(PHASES));
        let spec = key.event_type().map(|kind| kind.spec());
        let scope = match rng.below(6) {
            0 => "workflow".to_owned(),
            1 => "SYSTEM".to_owned(),
            2 => key.scope().to_uppercase(),
            _ => key.scope().into_owned(),
        };
        let word = match rng.below(6) {
            0 => name.to_lowercase(),
            1 => spec.and_then(|spec| spec.alias).unwrap_or("failed").to_owned(),
            2 => key.word().to_uppercase(),
            _ => key.word().into_owned(),
        };
        let mut tokens = if rng.one_in(2) {
            vec![escaped(name), escaped(key.workflow()), escaped(key.phase().unwrap())]
        } else if rng.one_in(3) {
            vec![escaped(&scope), escaped(&word)]
        } else {
            vec![escaped(&scope), escaped(key.workflow()), escaped(&word)]
        };
        for token in &mut tokens {
            if rng.one_in(4) {
                "*".clone_into(token);
            }
        }
        if rng.one_in(8) {
            tokens.truncate(rng.below(3));
            tokens.push(">".to_owned());
        }
        if let Ok(pattern) = Pattern::parse(&tokens.join(".")) {
            return pattern;
        }
    }
}

/// The table holds what a plain list holds, whatever was added and removed before.
#[test]
fn the_table_answers_as_its_patterns_do() {
    let registries = registries();
    let mut asked = 0;
    let mut matched = 0;
    for case in 0..scaled(40) {
        let rng = &mut Rng::new(case as u64 + 1);
        let mut table = RouteTable::with_seed(case as u64);
        let mut list: Vec<(SubscriptionId, Pattern, usize)> = Vec::new();
        let most = [3, 20, 200, 1_000][case % 4];
        for step in 0..most * 3 {
            // Grows to begin with, then shrinks until little is left.
            let grow = if step < most { 4 } else { 1 };
            if rng.below(5) < grow {
                let pattern = any_pattern(rng);
                let id = table.insert(pattern.clone(), step);
                list.push((id, pattern, step));
            } else if !list.is_empty() {
                let at = rng.below(list.len());
                let (id, pattern, value) = list.remove(at);
                assert_eq!(table.pattern(id), Some(&pattern));
                assert_eq!(table.remove(id), Some(value));
                assert_eq!(table.remove(id), None);
            }
            let key = key(rng, &registries);
            let expected: Vec<_> = list
                .iter()
                .filter(|(_, pattern, _)| pattern.matches(&key))
                .map(|(id, _, value)| (*id, *value))
                .collect();
            let found: Vec<_> = table.matches(&key).map(|(id, value)| (id, *value)).collect();
            assert_eq!(found, expected, "case {case}, step {step}: {key:?}");
            let received: Vec<_> = table
                .receivers(&key, GroupChoice::Rotate)
                .map(|(id, value)| (id, *value))
                .collect();
            assert_eq!(received, expected, "case {case}, step {step}: {key:?}");
            asked += 1;
            matched += found.len();
        }
        assert_eq!(table.len(), list.len());
        let all: Vec<_> =
            table.iter().map(|(id, pattern, value)| (id, pattern.clone(), *value)).collect();
        assert_eq!(all, list);
    }
    // The patterns are near the keys: a test whose keys meet nothing would show nothing.
    assert!(matched > asked * 2, "{matched} of {asked}");
}

/// Keys that come again are remembered, and the memory is never older than the table.
#[test]
fn remembered_keys_see_every_change() {
    let registries = registries();
    let rng = &mut Rng::new(7);
    let keys: Vec<RouteKey<'_>> = (0..30).map(|_| key(rng, &registries)).collect();
    let mut table = RouteTable::new();
    let mut list: Vec<(SubscriptionId, Pattern)> = Vec::new();
    for _ in 0..scaled(400) {
        if list.len() < 40 || rng.one_in(2) {
            let pattern = any_pattern(rng);
            list.push((table.insert(pattern.clone(), ()), pattern));
        } else {
            let (id, _) = list.remove(rng.below(list.len()));
            table.remove(id);
        }
        // Twice to be remembered, and from then on.
        for _ in 0..3 {
            for key in &keys {
                let expected: Vec<_> =
                    list.iter().filter(|(_, p)| p.matches(key)).map(|(id, _)| *id).collect();
                let received: Vec<_> =
                    table.receivers(key, GroupChoice::Rotate).map(|(id, ())| id).collect();
                assert_eq!(received, expected, "{key:?}");
            }
        }
    }
}

/// Keys that differ only in what the registry says of them are different keys.
#[test]
fn one_triple_under_two_registries_is_two_keys() {
    let [now, first, own] = registries();
    let mut table = RouteTable::new();
    table.insert(pattern("recovery.*"), "recovery");
    table.insert(pattern("checkpoint.*"), "checkpoint");
    table.insert(pattern("deploy.*"), "deploy");
    table.insert(pattern("ship.*"), "ship");
    for _ in 0..4 {
        for (registry, name, expected) in [
            (&now, "CHECKPOINT_CREATED", "recovery"),
            (&first, "CHECKPOINT_CREATED", "checkpoint"),
            (&own, "SHIP_DONE", "deploy"),
            (&now, "SHIP_DONE", "ship"),
        ] {
            let key = RouteKey::with_registry(registry, name, "wf_001", "global");
            let found: Vec<_> = table.matches(&key).map(|(_, name)| *name).collect();
            assert_eq!(found, [expected]);
            let found: Vec<_> =
                table.receivers(&key, GroupChoice::Rotate).map(|(_, n)| *n).collect();
            assert_eq!(found, [expected]);
        }
    }
}

#[test]
fn identifiers_are_stable_and_never_given_again() {
    let mut table = RouteTable::new();
    let key = RouteKey::new("TASK_FAILED", "wf_001", "build");
    let first = table.insert(pattern("task.>"), "a");
    let second = table.insert(pattern("task.>"), "b");
    assert_eq!(table.remove(first), Some("a"));
    let third = table.insert(pattern("TASK_FAILED.>"), "c");
    assert!(first < second && second < third);
    assert_eq!((first.to_string(), third.number()), ("0".to_owned(), 2));
    assert_eq!((table.get(first), table.get(third)), (None, Some(&"c")));
    assert_eq!((table.pattern(first), table.group(first)), (None, None));
    assert_eq!(table.remove(first), None);
    assert_eq!(table.get_mut(first), None);
    *table.get_mut(second).unwrap() = "B";
    let all: Vec<_> = table.matches(&key).collect();
    assert_eq!(all, [(second, &"B"), (third, &"c")]);
    assert_eq!(format!("{:?}", table.matches(&key)), format!("[{second:?}, {third:?}]"));
    assert_eq!(table.len(), 2);
    assert_eq!(format!("{table:?}"), r#"{(1, "task.>"): "B", (2, "TASK_FAILED.>"): "c"}"#);
    table.remove(second);
    table.remove(third);
    assert!(table.is_empty() && table.matches(&key).next().is_none());
    let other: RouteTable<&str> = RouteTable::default();
    assert_eq!(other.get(third), None);
}

/// A copy goes its own way.
#[test]
fn a_clone_is_apart() {
    let mut table = RouteTable::new();
    let id = table.insert(pattern(">"), 1);
    let mut copy = table.clone();
    copy.insert(pattern(">"), 2);
    copy.remove(id);
    let key = RouteKey::new("TASK_FAILED", "wf_001", "build");
    assert_eq!(table.matches(&key).map(|(_, value)| *value).collect::<Vec<_>>(), [1]);
    assert_eq!(copy.matches(&key).map(|(_, value)| *value).collect::<Vec<_>>(), [2]);
}

/// Many subscriptions of one pattern come and go in linear time; in quadratic time this test
/// would take minutes.
#[test]
fn many_of_one_pattern_come_and_go() {
    let count = 200_000;
    let mut table = RouteTable::new();
    let ids: Vec<_> = (0..count).map(|value| table.insert(pattern("task.*"), value)).collect();
    let key = RouteKey::new("TASK_FAILED", "wf_001", "build");
    for (at, id) in ids.iter().enumerate().filter(|(at, _)| at % 3 != 0) {
        assert_eq!(table.remove(*id), Some(at));
    }
    let left: Vec<usize> = table.matches(&key).map(|(_, value)| *value).collect();
    assert_eq!(left, (0..count).step_by(3).collect::<Vec<_>>());
    assert_eq!(table.receivers(&key, GroupChoice::Rotate).len(), left.len());
    for id in &ids {
        table.remove(*id);
    }
    assert!(table.is_empty() && table.matches(&key).next().is_none());
}

/// The workers of one group, by name.
fn workers(
    table: &mut RouteTable<String>,
    group: &str,
    count: usize,
    text: &str,
) -> Vec<SubscriptionId> {
    (0..count)
        .map(|at| table.insert_in_group(pattern(text), group, format!("{group}-{at}")))
        .collect()
}

#[test]
fn members_of_a_group_take_turns() {
    let mut table = RouteTable::new();
    let ids = workers(&mut table, "workers", 3, "task.>");
    workers(&mut table, "loggers", 2, "*.*");
    table.insert(pattern("*.failed"), "alone".to_owned());
    assert_eq!(table.group(ids[0]), Some("workers"));
    let key = RouteKey::new("TASK_FAILED", "wf_001", "build");
    let turn = |table: &mut RouteTable<String>| -> String {
        let names: Vec<_> =
            table.receivers(&key, GroupChoice::Rotate).map(|(_, name)| name.clone()).collect();
        names.join(" ")
    };
    let turns: Vec<String> = (0..6).map(|_| turn(&mut table)).collect();
    assert_eq!(
        turns,
        [
            "workers-0 loggers-0 alone",
            "workers-1 loggers-1 alone",
            "workers-2 loggers-0 alone",
            "workers-0 loggers-1 alone",
            "workers-1 loggers-0 alone",
            "workers-2 loggers-1 alone",
        ]
    );
    // Who joins is served next; who leaves is left out.
    table.insert_in_group(pattern("TASK_FAILED.>"), "workers", "workers-3".to_owned());
    table.remove(ids[1]);
    let turns: Vec<String> = (0..4).map(|_| turn(&mut table)).collect();
    assert_eq!(
        turns,
        [
            "loggers-0 alone workers-3",
            "workers-0 loggers-1 alone",
            "workers-2 loggers-0 alone",
            "loggers-1 alone workers-3",
        ]
    );
}

/// In every sequence of events, each group that an event matches has exactly one receiver, a
/// member that matches, and members of the same patterns are served equally often.
#[test]
fn one_member_of_each_group_receives() {
    for case in 0..scaled(60) {
        let rng = &mut Rng::new(case as u64 + 100);
        let registries = registries();
        let mut table = RouteTable::new();
        let mut members: BTreeMap<SubscriptionId, (Pattern, Option<String>)> = BTreeMap::new();
        for _ in 0..=rng.below(6) {
            let shared = any_pattern(rng);
            let group = rng.pick(&["", "a", "b", "workers"]);
            for _ in 0..=rng.below(4) {
                let (id, group) = if rng.one_in(4) {
                    (table.insert(shared.clone(), ()), None)
                } else {
                    (table.insert_in_group(shared.clone(), group, ()), Some(group.to_owned()))
                };
                assert_eq!(table.group(id), group.as_deref());
                members.insert(id, (shared.clone(), group));
            }
        }
        for event in 0..100 {
            let key = key(rng, &registries);
            let text = format!("task_{}", event % 7);
            let choice = if rng.one_in(2) { GroupChoice::Rotate } else { GroupChoice::Key(&text) };
            let matching: BTreeMap<_, _> =
                members.iter().filter(|(_, (pattern, _))| pattern.matches(&key)).collect();
            let received: Vec<_> = table.receivers(&key, choice).map(|(id, ())| id).collect();
            assert!(received.is_sorted());
            let mut served = HashSet::new();
            for id in &received {
                let (_, group) = matching[id];
                assert!(group.is_none() || served.insert(group.clone()), "{group:?} twice");
            }
            for (id, (_, group)) in &matching {
                assert!(group.is_none() && received.contains(id) || served.contains(group));
            }
        }
        // Members of one group with one pattern: in each round, each of them once.
        let mut table = RouteTable::new();
        let size = rng.below(7) + 1;
        workers(&mut table, "even", size, "*.*");
        let mut counts: HashMap<SubscriptionId, usize> = HashMap::new();
        for _ in 0..size * 5 {
            let key = key(rng, &registries);
            let [(id, _)] = table.receivers(&key, GroupChoice::Rotate).collect::<Vec<_>>()[..]
            else {
                panic!("one of them receives")
            };
            *counts.entry(id).or_default() += 1;
        }
        assert!(counts.len() == size && counts.values().all(|count| *count == 5), "{counts:?}");
    }
}

/// Members whose patterns differ are still served as evenly as the events allow.
#[test]
fn turns_are_fair_among_different_patterns() {
    let mut table = RouteTable::new();
    table.insert_in_group(pattern("*.failed"), "g", "both");
    table.insert_in_group(pattern("task.failed"), "g", "task only");
    let [task, phase] = ["TASK_FAILED", "PHASE_FAILED"].map(|name| RouteKey::new(name, "w", "p"));
    let mut served: HashMap<&str, usize> = HashMap::new();
    for at in 0..100 {
        let key = if at % 2 == 1 { &task } else { &phase };
        for (_, name) in table.receivers(key, GroupChoice::Rotate) {
            *served.entry(name).or_default() += 1;
        }
    }
    // Only one of them can take the failed phases, so the other takes all failed tasks.
    assert_eq!((served["both"], served["task only"]), (50, 50));
}

#[test]
fn keys_stay_with_their_member() {
    let mut table = RouteTable::new();
    let ids = workers(&mut table, "workers", 5, "task.>");
    let key = RouteKey::new("TASK_FAILED", "wf_001", "build");
    let texts: Vec<String> = (0..5_000).map(|at| format!("task_{at}")).collect();
    let owners = |table: &mut RouteTable<String>| -> Vec<SubscriptionId> {
        texts
            .iter()
            .map(|text| {
                let owner = table.receivers(&key, GroupChoice::Key(text)).next().unwrap().0;
                let again = table.receivers(&key, GroupChoice::Key(text)).next().unwrap().0;
                assert_eq!(owner, again);
                owner
            })
            .collect()
    };
    let before = owners(&mut table);
    for id in &ids {
        let share = before.iter().filter(|owner| *owner == id).count();
        // A fifth each; six standard deviations of 28 aside.
        assert!((830..1_170).contains(&share), "{share}");
    }
    table.remove(ids[2]);
    for (owner, after) in before.iter().zip(owners(&mut table)) {
        assert_eq!(*owner == after, *owner != ids[2]);
    }
}

/// What a filter leaves is asked before a group chooses; the others are as ever.
#[test]
fn receivers_are_chosen_among_those_that_accept() {
    let mut rng = Rng::new(21);
    for _ in 0..scaled(200) {
        let mut table = RouteTable::new();
        for n in 0..12_usize {
            match rng.below(3) {
                0 => table.insert(pattern("task.>"), n),
                1 => table.insert_in_group(pattern("task.>"), "a", n),
                _ => table.insert_in_group(pattern("*.failed"), "b", n),
            };
        }
        let groups: Vec<_> =
            table.iter().map(|(id, _, n)| (*n, table.group(id).map(str::to_owned))).collect();
        let key = RouteKey::new("TASK_FAILED", "wf_001", "build");
        for _ in 0..10 {
            let wanted: HashSet<usize> = (0..12).filter(|_| rng.one_in(2)).collect();
            let chosen: Vec<usize> = table
                .receivers_where(&key, GroupChoice::Rotate, |_, n| wanted.contains(n))
                .map(|(_, n)| *n)
                .collect();
            assert!(chosen.iter().all(|n| wanted.contains(n)));
            for (n, group) in &groups {
                let members = || groups.iter().filter(|(_, other)| other == group);
                let of_group = |n: &&usize| members().any(|(member, _)| member == *n);
                let count = match group {
                    None => chosen.iter().filter(|chosen| *chosen == n).count(),
                    Some(_) => chosen.iter().filter(of_group).count(),
                };
                let due = match group {
                    None => wanted.contains(n),
                    Some(_) => members().any(|(member, _)| wanted.contains(member)),
                };
                assert_eq!(count, usize::from(due), "{n} {group:?} {wanted:?} {chosen:?}");
            }
        }
    }
}

/// A table that is written and read goes on as if nothing had happened: answers, turns, identifiers.
#[test]
fn a_table_survives_its_json_form() {
    let mut rng = Rng::new(5);
    let registries = registries();
    for _ in 0..scaled(60) {
        let mut table = RouteTable::with_seed(rng.next());
        let mut ids = Vec::new();
        for n in 0..rng.below(40) {
            let pattern = any_pattern(&mut rng);
            ids.push(match rng.below(3) {
                0 => table.insert(pattern, n),
                other => table.insert_in_group(pattern, ["x", "y"][other - 1], n),
            });
            if rng.one_in(4) {
                table.remove(ids.swap_remove(rng.below(ids.len())));
            }
            table.receivers(&key(&mut rng, &registries), GroupChoice::Rotate);
        }
        let text = serde_json::to_string(&table).unwrap();
        let mut again: RouteTable<usize> = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&again).unwrap(), text);
        for _ in 0..30 {
            let key = key(&mut rng, &registries);
            let one: Vec<_> =
                table.receivers(&key, GroupChoice::Rotate).map(|(id, n)| (id, *n)).collect();
            let other: Vec<_> =
                again.receivers(&key, GroupChoice::Rotate).map(|(id, n)| (id, *n)).collect();
            assert_eq!(one, other);
        }
        assert_eq!(table.insert(pattern(">"), 99), again.insert(pattern(">"), 99));
    }
    let wrong = r#"{"seed":0,"next":1,"round":0,"subscriptions":[{"number":1,"pattern":">","group":null,"served":0,"value":1}]}"#;
    let error = serde_json::from_str::<RouteTable<usize>>(wrong).unwrap_err().to_string();
    assert!(error.starts_with("the numbers of the subscriptions do not grow"), "{error}");
}
