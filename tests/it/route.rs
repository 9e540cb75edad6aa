//! Routing: what the patterns of the specification and of the field mean, and the matcher against
//! regular expressions.

use coordination_protocol::MessageKind;
use coordination_protocol::event::{Category, Codec, EventRef, REGISTRY, Registry};
use coordination_protocol::finding::Mode;
use coordination_protocol::route::{Pattern, PatternError, RouteKey, RouteKeyError};
use coordination_protocol::scalar::ProtocolVersion;

use crate::support::{Rng, scaled};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use regex::Regex;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// What a pattern means, in the form of the table's rows.
fn meaning(pattern: &str, registry: &Registry) -> Value {
    let pattern = Pattern::parse(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"));
    let mut row = json!({ "pattern": pattern, "types": pattern.types(registry) });
    let messages: Vec<&str> = pattern.messages().into_iter().map(MessageKind::as_str).collect();
    if !messages.is_empty() {
        row["messages"] = json!(messages);
    }
    for warning in pattern.warnings(registry) {
        row["warning"] = json!([warning.code(), warning.to_string()]);
    }
    row
}

#[test]
fn patterns_mean_what_the_table_says() {
    let rows: Vec<Value> = serde_json::from_str(include_str!("route_patterns.json")).unwrap();
    let registry = Registry::default();
    for row in rows {
        assert_eq!(meaning(row["pattern"].as_str().unwrap(), &registry), row);
    }
}

#[test]
fn the_first_version_lacks_the_extension() {
    let registry = Registry::new(ProtocolVersion::V1_0_0);
    for pattern in ["workflow.*.checkpoint_created", "CHECKPOINT_CREATED.>", "recovery.*"] {
        let row = meaning(pattern, &registry);
        assert_eq!(row["types"], json!([]), "{pattern}");
    }
    assert_eq!(
        meaning("workflow.*.checkpoint_created", &registry)["warning"],
        json!([
            "later-version",
            "the pattern selects CHECKPOINT_CREATED only since protocol 1.1.0, and this is 1.0.0"
        ])
    );
    assert_eq!(meaning(">", &registry)["types"].as_array().unwrap().len(), 33);
    let key = RouteKey::with_registry(&registry, "CHECKPOINT_CREATED", "wf_001", "global");
    assert_eq!(key.to_string(), "checkpoint.wf_001.created");
    assert_eq!(
        RouteKey::parse_with(&registry, "checkpoint.wf_001.created").unwrap().type_name(),
        "CHECKPOINT_CREATED"
    );
    assert!(!key.is_registered());
    assert!(Pattern::parse("workflow.*.checkpoint_created").unwrap().matches(&key));
}

#[test]
fn types_of_the_caller_route_like_any_other() {
    let registry = Registry::default()
        .with_type("SHIP_DONE", Category::new("deploy").unwrap(), [])
        .and_then(|registry| registry.with_type("TASK_PARKED", Category::Task, []))
        .unwrap();
    let parked = RouteKey::with_registry(&registry, "TASK_PARKED", "wf_001", "build");
    assert_eq!(parked.to_string(), "task.wf_001.parked");
    let read = RouteKey::parse_with(&registry, "deploy.wf_001.ship_done").unwrap();
    assert_eq!((read.type_name(), read.is_registered()), ("SHIP_DONE", true));
    assert_eq!(meaning("deploy.*", &registry)["types"], json!(["SHIP_DONE"]));
    assert_eq!(meaning("task.*.parked", &registry)["types"], json!(["TASK_PARKED"]));
    assert_eq!(meaning("task.*.parked", &Registry::default())["warning"][0], json!("unknown-word"));
}

#[test]
fn unregistered_types_are_matched() {
    let key = RouteKey::new("TEMPLATE_VALIDATION_COMPLETED", "global", "global");
    for pattern in [
        "TEMPLATE_VALIDATION_COMPLETED.global.global",
        "template.*.validation_completed",
        "system.*.template_validation_completed",
        "*.validation_completed",
        "template.>",
        "*.*",
        "*.*.*",
        ">",
    ] {
        assert!(Pattern::parse(pattern).unwrap().matches(&key), "{pattern}");
    }
    for pattern in ["workflow.*", "TEMPLATE_VALIDATION_COMPLETED.global.build", "*.completed"] {
        assert!(!Pattern::parse(pattern).unwrap().matches(&key), "{pattern}");
    }
    let single = RouteKey::new("PING", "wf_001", "global");
    assert_eq!(single.to_string(), "ping.wf_001.ping");
    assert_eq!(RouteKey::parse("ping.wf_001.ping").unwrap().type_name(), "PING");
}

#[test]
fn events_have_keys() {
    let line =
        r#"TASK_TIMEOUT:wf.1:build:{"task_id":"t1","agent_id":"a1","timeout_duration":"15m"}"#;
    let key = RouteKey::from(&EventRef::parse(line).unwrap());
    assert_eq!(key.to_string(), "task.wf%2E1.timeout");
    assert_eq!(key, RouteKey::new("TASK_TIMEOUT", "wf.1", "build"));
    assert_eq!(key, RouteKey::parse(line).unwrap());
    let codec = Codec::new(Mode::Interop);
    let unknown = codec.parse("PING_SENT:global:global:{}").unwrap();
    assert!(!RouteKey::from(&unknown).is_registered());
}

#[test]
fn every_rendering_of_a_type_reads_back() {
    for spec in REGISTRY {
        let name = spec.event_type.as_str();
        let key = RouteKey::new(name, "wf_001", "build");
        assert_eq!(key.event_type(), Some(spec.event_type));
        let text = key.to_string();
        let read = RouteKey::parse(&text).unwrap();
        assert_eq!((read.type_name(), read.phase(), read.to_string()), (name, None, text.clone()));
        assert_eq!(RouteKey::parse(&key.type_key().unwrap()).unwrap(), key);
        assert_eq!(RouteKey::parse(&format!("{name}:wf_001:build")).unwrap(), key);
        assert!(Pattern::parse(&text).unwrap().matches(&key));
        assert_eq!(read.type_key(), None);
    }
    let alias = RouteKey::parse("resource.wf_001.conflict_detected").unwrap();
    assert_eq!(alias.type_name(), "RESOURCE_CONFLICT");
    let widened = RouteKey::parse("system.global.resource_threshold").unwrap();
    assert_eq!(widened.type_name(), "RESOURCE_THRESHOLD");
}

#[test]
fn key_errors() {
    let cases: &[(&str, &str)] = &[
        ("", "a routing key cannot be empty"),
        ("a.b", "a routing key has 3 tokens, this one has 2; a dot inside a token is `%2E`"),
        ("a.b.c.d", "a routing key has 3 tokens, this one has 4; a dot inside a token is `%2E`"),
        ("a..c", "the token at byte 2 is empty"),
        ("a.*.c", "a routing key cannot contain '*' (at byte 2) unless it is percent-encoded"),
        ("a.b.x%2", "`%` at byte 5 is not followed by two hexadecimal digits"),
        ("a.b.%ff", "the escapes in the token at byte 4 do not make UTF-8"),
        ("A:b", "a key with colons starts with TYPE:workflow:phase"),
        ("A::c", "the workflow is not an identifier: an identifier cannot be empty"),
    ];
    for (text, message) in cases {
        assert_eq!(RouteKey::parse(text).unwrap_err().to_string(), *message, "{text}");
    }
    assert_eq!("a.b.".parse::<RouteKey<'_>>(), Err(RouteKeyError::EmptyToken { at: 4 }));
}

#[test]
fn pattern_errors() {
    let long = "a".repeat(1025);
    let cases: &[(&str, usize, &str)] = &[
        ("", 0, "a pattern cannot be empty"),
        (&long, 1024, "a pattern has at most 1024 bytes, this one has 1025"),
        ("a.b\n", 3, "a pattern cannot contain '\\n' (at byte 3)"),
        ("a..b", 2, "the token at byte 2 is empty"),
        (".a", 0, "the token at byte 0 is empty"),
        ("a.b.", 4, "the token at byte 4 is empty"),
        ("a.>.b", 2, "`>` at byte 2 is not the last token"),
        (">.>", 0, "`>` at byte 0 is not the last token"),
        (
            "a.fail*",
            6,
            "`*` at byte 6 is part of a token; a wildcard is a token of its own, \
             and the character itself is `%2A`",
        ),
        (
            "é.>>",
            3,
            "`>` at byte 3 is part of a token; a wildcard is a token of its own, \
             and the character itself is `%3E`",
        ),
        ("a.%4", 2, "`%` at byte 2 is not followed by two hexadecimal digits"),
        ("a.x%+1", 3, "`%` at byte 3 is not followed by two hexadecimal digits"),
        ("a.x%é", 3, "`%` at byte 3 is not followed by two hexadecimal digits"),
        ("a.x%C3", 2, "the escapes in the token at byte 2 do not make UTF-8"),
        ("a.b.c.d", 6, "the token at byte 6 is one too many; a pattern has at most 3"),
        ("a.b.c.>", 6, "the token at byte 6 is one too many; a pattern has at most 3"),
        ("*", 0, "`*` is a single token; write scope.word, TYPE.>, or `>` for everything"),
        (
            "TASK_FAILED",
            0,
            "`TASK_FAILED` is a single token; write scope.word, TYPE.>, or `>` for everything",
        ),
    ];
    for (text, at, message) in cases {
        let error = Pattern::parse(text).unwrap_err();
        assert_eq!((error.at(), error.to_string().as_str()), (*at, *message), "{text}");
    }
    assert_eq!("".parse::<Pattern>(), Err(PatternError::Empty));
    assert!(Pattern::parse(&format!("a.{}", "b".repeat(1022))).is_ok());
}

#[test]
fn patterns_are_text_in_json() {
    let pattern: Pattern = serde_json::from_str(r#""resource.wf%2e1.allocated""#).unwrap();
    assert_eq!(serde_json::to_string(&pattern).unwrap(), r#""resource.wf%2e1.allocated""#);
    assert!(pattern.matches(&RouteKey::new("RESOURCE_ALLOCATED", "wf.1", "global")));
    let error = serde_json::from_str::<Pattern>(r#""*""#).unwrap_err().to_string();
    assert!(error.starts_with("`*` is a single token"), "{error}");
}

/// The bytes of a token in hexadecimal; ASCII letters in lower case if case does not count.
fn hex(bytes: impl IntoIterator<Item = u8>, lower: bool) -> String {
    let lowered = |byte: u8| if lower { byte.to_ascii_lowercase() } else { byte };
    bytes.into_iter().fold(String::new(), |out, byte| format!("{out}{:02x}", lowered(byte)))
}

/// A pattern as a regular expression over hexadecimal tokens joined by dots.
fn oracle(pattern: &str) -> Regex {
    let escape = Regex::new("%([0-9A-Fa-f]{2})|(?s:(.))").unwrap();
    let by_type = Regex::new(r"^[A-Z][A-Z0-9_]*\.").unwrap().is_match(pattern);
    let tokens: Vec<&str> = pattern.split('.').collect();
    let mut out = String::from(if by_type { "^t:" } else { "^s:" });
    if !by_type && tokens.len() == 2 && tokens[1] != ">" {
        out = String::from("^w:");
    }
    for (index, token) in tokens.iter().enumerate() {
        let joint = if index == 0 { "" } else { r"\." };
        let part = match *token {
            "*" => "[^.]*".to_owned(),
            ">" => ".+".to_owned(),
            _ => {
                let bytes = escape.captures_iter(token).flat_map(|found| match found.get(1) {
                    Some(digits) => vec![u8::from_str_radix(digits.as_str(), 16).unwrap()],
                    None => found[2].as_bytes().to_vec(),
                });
                // The middle one of three tokens is an identifier.
                let exact = by_type || (tokens.len() == 3 && index == 1);
                hex(bytes, !exact)
            }
        };
        out = format!("{out}{joint}{part}");
    }
    if by_type && tokens.len() == 2 {
        out.push_str(r"(\..*)?");
    }
    Regex::new(&format!("{out}$")).unwrap()
}

/// All texts that a triple can be selected by.
fn renderings(name: &str, workflow: &str, phase: &str) -> Vec<String> {
    let lower = name.to_lowercase();
    let spec = REGISTRY.iter().find(|spec| spec.event_type.as_str() == name);
    let (head, tail) = lower.split_once('_').unwrap_or((&lower, &lower));
    let scopes = [
        spec.map_or(head, |spec| spec.category.as_str()),
        if workflow == "global" { "system" } else { "workflow" },
    ];
    let words = [
        spec.map_or(tail, |spec| spec.word),
        spec.and_then(|spec| spec.alias).unwrap_or(&lower),
        &lower,
    ];
    let [workflow, phase] = [workflow, phase].map(|id| hex(id.bytes(), false));
    let mut all = vec![format!("t:{}.{workflow}.{phase}", hex(name.bytes(), false))];
    for scope in scopes.map(|scope| hex(scope.bytes(), true)) {
        for word in words.map(|word| hex(word.bytes(), true)) {
            all.push(format!("s:{scope}.{workflow}.{word}"));
            all.push(format!("w:{scope}.{word}"));
        }
    }
    all
}

/// A literal token: the special bytes escaped, in either case, and now and then any byte.
fn spelled(text: &str, extra: usize) -> String {
    let special = |byte: u8| b".*>% :".contains(&byte) || !(b' '..=126).contains(&byte);
    text.bytes().enumerate().fold(String::new(), |out, (index, byte)| match byte {
        _ if !special(byte) && index + 1 != extra => format!("{out}{}", char::from(byte)),
        _ if extra.is_multiple_of(2) => format!("{out}%{byte:02X}"),
        _ => format!("{out}%{byte:02x}"),
    })
}

const IDS: &[&str] = &[
    "global",
    "wf_001",
    "WF_001",
    "build",
    "v1.2",
    "*",
    ">",
    "50%",
    "%2E",
    "a b",
    "𝄞.x",
    "ä\u{3000}",
];

fn names() -> impl Strategy<Value = String> {
    let unknown = ["PING", "RESOURCE_REQUEST", "TEMPLATE_VALIDATION_COMPLETED", "TASK_DONE"];
    let known = REGISTRY.iter().map(|spec| spec.event_type.as_str());
    prop::sample::select(known.chain(unknown).map(str::to_owned).collect::<Vec<_>>())
}

fn ids() -> impl Strategy<Value = String> {
    prop_oneof![8 => prop::sample::select(IDS).prop_map(str::to_owned), 1 => "[a-c.*>% 𝄞]{1,3}"]
}

fn keys() -> impl Strategy<Value = (String, String, String)> {
    (names(), ids(), ids())
}

/// Patterns near a key, so that many of them match it or almost do.
fn patterns() -> impl Strategy<Value = String> {
    let cut = (any::<bool>(), 0..8_usize, 0..8_usize, 0..8_usize, 0..6_usize);
    (keys(), names(), cut).prop_map(|((name, workflow, phase), other, cut)| {
        let (by_type, first, second, third, extra) = cut;
        let spec = REGISTRY.iter().find(|spec| spec.event_type.as_str() == name);
        let lower = name.to_lowercase();
        let word = match third {
            1 => lower.clone(),
            2 => other.to_lowercase(),
            3 => spec.and_then(|spec| spec.alias).unwrap_or("conflict_detected").to_owned(),
            _ => spec.map_or("done".to_owned(), |spec| spec.word.to_owned()),
        };
        let scope = match first {
            1 => "workflow".to_owned(),
            2 => "system".to_owned(),
            3 => "Task".to_owned(),
            _ => lower.split('_').next().unwrap_or_default().to_owned(),
        };
        let any = |pick: usize, text: &str| match pick {
            6 | 7 => "*".to_owned(),
            _ => spelled(text, extra),
        };
        let mut tokens = if by_type {
            vec![name.clone(), any(second, &workflow), any(third, &phase)]
        } else {
            vec![any(first, &scope), any(second, &workflow), any(third, &word)]
        };
        match second {
            1 | 2 => drop(tokens.remove(1)),
            3 => ">".clone_into(&mut tokens[2]),
            4 => tokens.splice(1.., [">".to_owned()]).for_each(drop),
            5 if first == 7 => tokens = vec![">".to_owned()],
            _ => {}
        }
        tokens.join(".")
    })
}

/// The law's cases; `COORD_TEST_SCALE` multiplies them.
fn cases(base: u32) -> Config {
    Config {
        cases: crate::support::scaled(base as usize) as u32,
        failure_persistence: None,
        ..Config::default()
    }
}

#[test]
fn the_matcher_agrees_with_regular_expressions() {
    let matched = std::cell::Cell::new(0_u32);
    let strategy = (patterns(), prop::collection::vec(keys(), 40));
    // 250 patterns with 40 keys each make 10,000 pairs.
    TestRunner::new(cases(250))
        .run(&strategy, |(text, keys)| {
            let pattern = Pattern::parse(&text).map_err(|e| TestCaseError::fail(e.to_string()))?;
            let regex = oracle(&text);
            for (name, workflow, phase) in &keys {
                let expected = renderings(name, workflow, phase).iter().any(|t| regex.is_match(t));
                let key = RouteKey::new(name, workflow, phase);
                prop_assert_eq!(pattern.matches(&key), expected, "{} {}", text, key);
                matched.set(matched.get() + u32::from(expected));
            }
            Ok(())
        })
        .unwrap();
    // The law would be empty if hardly anything matched; some 900 do, give or take 150.
    assert!(matched.get() > 200, "{}", matched.get());
}

#[test]
fn escapes_read_back() {
    TestRunner::new(cases(1000))
        .run(&keys(), |(name, workflow, phase)| {
            let key = RouteKey::new(&name, &workflow, &phase);
            let canonical = key.to_string();
            prop_assert_eq!(canonical.split('.').count(), 3);
            let read = RouteKey::parse(&canonical).unwrap();
            prop_assert_eq!((read.type_name(), read.workflow()), (&*name, &*workflow));
            prop_assert_eq!(read.to_string(), &*canonical);
            let typed = key.type_key().unwrap();
            prop_assert_eq!(&RouteKey::parse(&typed).unwrap(), &key);
            for text in [canonical, typed] {
                let pattern = Pattern::parse(&text).unwrap();
                prop_assert!(pattern.matches(&key), "{}", text);
            }
            Ok(())
        })
        .unwrap();
}

fn pattern(text: &str) -> Pattern {
    Pattern::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn covering_is_as_the_table_says() {
    // The first covers the second; the witness is a key that only the second selects.
    let rows: &[(&str, &str, Option<&str>)] = &[
        (">", "*.*", None),
        ("*.*", ">", None),
        ("*.*.*", "TASK_FAILED.>", None),
        ("resource.*", "resource.wf_001.allocated", None),
        ("resource.>", "RESOURCE.wf_001.allocated", None),
        ("RESOURCE.>", "resource.wf_001.>", Some("resource.wf_001.allocated")),
        ("Resource.*.ALLOCATED", "resource.allocated", None),
        ("resource.*", "RESOURCE_CONFLICT.wf_001.build", None),
        ("*.conflict_detected", "RESOURCE_CONFLICT.>", None),
        ("resource.*.resource_conflict", "RESOURCE_CONFLICT.>", None),
        ("recovery.*", "CHECKPOINT_CREATED.>", None),
        // A word may be spelled in three ways, and other types have some of them only.
        ("*.conflict", "*.conflict_detected", Some("conflict.global.detected")),
        ("resource.*.conflict_detected", "resource.*.conflict", Some("resource.global.conflict")),
        ("*.threshold", "*.*.resource_threshold", Some("other.global.resource_threshold")),
        ("*.*.resource_threshold", "*.threshold", Some("system.global.threshold")),
        // `workflow` and `system` also select by the workflow.
        ("workflow.*", "*.wf_001.*", None),
        ("workflow.*", "*.global.*", Some("phase.global.started")),
        ("workflow.*", "workflow.global.*", None),
        ("system.*", "*.global.*", None),
        ("system.*", "TASK_FAILED.global.build", None),
        ("system.*", "TASK_FAILED.>", Some("task.other.failed")),
        ("workflow.*", "TASK_FAILED.>", Some("task.global.failed")),
        ("task.*", "workflow.*.task_failed", Some("workflow.global.task_failed")),
        ("system.global.*", "system.*", Some("system.other.startup")),
        // Identifiers and types compare with case, scopes and words without.
        ("*.wf_001.*", "*.WF_001.*", Some("workflow.WF_001.created")),
        ("*.wf%2E1.*", "*.wf%2e1.failed", None),
        // The second family leaves out the phase.
        ("PHASE_COMPLETED.wf_001", "PHASE_COMPLETED.wf_001.>", None),
        ("PHASE_COMPLETED.wf_001.*", "PHASE_COMPLETED.wf_001.build", None),
        ("PHASE_COMPLETED.*.build", "PHASE_COMPLETED.wf_001", Some("phase.wf_001.completed")),
        ("PHASE_COMPLETED.>", "phase.wf_001.completed", Some("phase.wf_001.completed")),
        ("TASK_FAILED.>", "TASK_TIMEOUT.>", Some("task.global.timeout")),
        ("TEMPLATE_DONE.>", "TEMPLATE_DONE.global.build", None),
        ("template.*", "TEMPLATE_DONE.>", None),
        // What selects nothing is covered by everything.
        ("TASK_FAILED.>", "coordination_hub.workflow_events", None),
        ("coordination_hub.workflow_events", "TASK_FAILED.>", Some("task.global.failed")),
    ];
    let registry = Registry::default();
    for (covering, covered, witness) in rows {
        let (covering, covered) = (pattern(covering), pattern(covered));
        let found = covered.first_outside(&registry, [&covering]).map(|key| key.to_string());
        assert_eq!(found.as_deref(), *witness, "{covering} {covered}");
        assert_eq!(covering.covers(&covered), witness.is_none(), "{covering} {covered}");
    }
}

#[test]
fn patterns_cover_together_what_none_covers_alone() {
    let registry = Registry::default();
    let rows: &[(&str, &[&str], Option<&str>)] = &[
        (">", &["workflow.*", "system.*"], None),
        ("*.failed", &["workflow.*.failed", "system.*.failed"], None),
        ("*.failed", &["workflow.*.failed", "*.global.*"], None),
        ("*.failed", &["workflow.*.failed", "TASK_FAILED.>"], Some("phase.global.failed")),
        ("*.failed", &["task.*", "phase.*", "workflow.*"], Some("recovery.global.failed")),
        ("TASK_FAILED.>", &["TASK_FAILED.global.*", "workflow.*.task_failed"], None),
        ("task.*", &["TASK_FAILED.>", "TASK_TIMEOUT.>"], Some("task.global.assigned")),
        // Types in another case are other types.
        ("ab.*.ab", &["AB.>", "AB_AB.>"], Some("ab.global.ab")),
        ("coordination_hub.events", &[], None),
        ("*.events", &[], Some("events.global.events")),
    ];
    for (asked, granted, witness) in rows {
        let granted: Vec<Pattern> = granted.iter().map(|text| pattern(text)).collect();
        let found = pattern(asked).first_outside(&registry, &granted).map(|key| key.to_string());
        assert_eq!(found.as_deref(), *witness, "{asked}");
    }
}

#[test]
fn overlapping_is_as_the_table_says() {
    for (one, other, expected) in [
        ("*.failed", "task.*", true),
        ("*.failed", "TASK_FAILED.wf_001.build", true),
        ("*.failed", "TASK_TIMEOUT.>", false),
        ("*.conflict", "*.conflict_detected", true),
        ("*.conflict", "*.threshold", false),
        // A word and the whole type: TASK_FAILED, and nothing has both words without it.
        ("task.*.failed", "*.task_failed", true),
        ("agent.*.failed", "*.task_failed", false),
        ("*.wf_001.*", "*.wf_002.*", false),
        ("workflow.*", "system.*", true),
        ("system.*", "TASK_FAILED.wf_001.*", false),
        ("TASK_FAILED.*.build", "TASK_FAILED.wf_001", true),
        ("TASK_FAILED.*.build", "TASK_FAILED.*.test", false),
        ("coordination_hub.workflow_events", ">", false),
    ] {
        let (one, other) = (pattern(one), pattern(other));
        assert_eq!(one.overlaps(&other), expected, "{one} {other}");
        assert_eq!(other.overlaps(&one), expected, "{other} {one}");
    }
}

const HEADS: &[&str] = &[
    "resource",
    "task",
    "Task",
    "workflow",
    "system",
    "recovery",
    "checkpoint",
    "ping",
    "deploy",
    "other",
    "a_b",
    "ä",
];
const TAILS: &[&str] = &[
    "failed",
    "FAILED",
    "conflict",
    "conflict_detected",
    "resource_conflict",
    "task_failed",
    "parked",
    "created",
    "checkpoint_created",
    "ping",
    "other",
    "b",
    "_b",
    "ä",
];
const PLACES: &[&str] = &["global", "wf_001", "WF_001", "other", "otherx"];
const TYPES: &[&str] = &[
    "TASK_FAILED",
    "RESOURCE_CONFLICT",
    "CHECKPOINT_CREATED",
    "TASK_PARKED",
    "PING",
    "OTHER_OTHER",
    "SHIP",
    "A_B",
];

/// A pattern of few tokens, so that patterns relate often.
fn related(rng: &mut Rng) -> Pattern {
    let mut part = |from: &[&str]| {
        if rng.one_in(2) { "*".to_owned() } else { rng.pick(from).to_owned() }
    };
    let (scope, workflow, phase, word) = (part(HEADS), part(PLACES), part(PLACES), part(TAILS));
    let name = rng.pick(TYPES);
    pattern(&match rng.below(8) {
        0 => format!("{name}.{workflow}.{phase}"),
        1 => format!("{name}.{workflow}"),
        2 => format!("{scope}.{word}"),
        3 => format!("{scope}.{workflow}.>"),
        4 => ">".to_owned(),
        _ => format!("{scope}.{workflow}.{word}"),
    })
}

/// Every key of the tokens above, in three spellings, and the registered types.
fn all_keys(registry: &Registry) -> Vec<RouteKey<'static>> {
    let mut names: Vec<String> = REGISTRY.iter().map(|s| s.event_type.to_string()).collect();
    names.extend(HEADS.iter().chain(TAILS).map(|&part| part.to_owned()));
    names.extend(HEADS.iter().flat_map(|head| TAILS.iter().map(move |t| format!("{head}_{t}"))));
    names.extend(HEADS.iter().map(|head| format!("{head}_unheard")));
    names.extend(TAILS.iter().map(|tail| format!("unheard_{tail}")));
    names.extend(["", "unheard", "un_heard", "task_", "_task", "_"].map(str::to_owned));
    let mixed = |name: &String| {
        let letter = |(at, c): (usize, char)| if at % 2 == 0 { c.to_ascii_uppercase() } else { c };
        name.to_ascii_lowercase().char_indices().map(letter).collect()
    };
    let cased = |name: &String| [name.to_ascii_uppercase(), name.to_ascii_lowercase(), mixed(name)];
    let names: BTreeSet<String> =
        names.iter().flat_map(cased).chain(TYPES.iter().map(|&name| name.to_owned())).collect();
    let mut keys = Vec::new();
    for name in &names {
        for workflow in PLACES.iter().chain(&["unheard"]) {
            for phase in PLACES.iter().chain(&["unheard"]) {
                let key = RouteKey::with_registry(registry, name, workflow, phase);
                keys.push(key.into_owned());
            }
        }
    }
    keys
}

#[test]
fn relations_agree_with_enumeration() {
    let custom = Registry::new(ProtocolVersion::V1_0_0)
        .with_type("TASK_PARKED", Category::Task, [])
        .and_then(|registry| registry.with_type("SHIP", Category::new("deploy").unwrap(), []))
        .and_then(|registry| registry.with_type("task_other", Category::new("A_b").unwrap(), []))
        .and_then(|registry| registry.with_type("PING", Category::new("ping").unwrap(), []))
        .unwrap();
    for (seed, registry) in [(1, Registry::default()), (2, custom)] {
        let keys = all_keys(&registry);
        let rng = &mut Rng::new(seed);
        let (mut covered, mut outside, mut overlapping, mut apart) = (0, 0, 0, 0);
        for _ in 0..scaled(500) {
            let asked = related(rng);
            let granted: Vec<Pattern> = (0..=rng.below(4)).map(|_| related(rng)).collect();
            let selected: Vec<_> = keys.iter().filter(|key| asked.matches(key)).collect();
            let free = |key: &RouteKey<'_>| !granted.iter().any(|pattern| pattern.matches(key));
            if let Some(key) = asked.first_outside(&registry, &granted) {
                assert!(asked.matches(&key) && free(&key), "{asked} {granted:?} {key}");
                let (workflow, phase) = (key.workflow(), key.phase().unwrap());
                let made = RouteKey::with_registry(&registry, key.type_name(), workflow, phase);
                assert_eq!(key, made, "the witness is a key of this registry");
                outside += 1;
            } else {
                let missed = selected.iter().find(|key| free(key));
                assert!(missed.is_none(), "{asked} {granted:?} {missed:?}");
                covered += 1;
            }
            for pattern in &granted {
                let meets = selected.iter().any(|key| pattern.matches(key));
                assert_eq!(asked.overlaps_with(&registry, pattern), meets, "{asked} {pattern}");
                overlapping += u32::from(meets);
                apart += u32::from(!meets);
                let covers = pattern.covers_with(&registry, &asked);
                assert!(!covers || selected.iter().all(|key| pattern.matches(key)));
                assert!(!covers || meets || selected.is_empty());
            }
            assert!(asked.covers_with(&registry, &asked));
        }
        // Neither answer is rare.
        for count in [covered, outside, overlapping, apart] {
            assert!(count > 50, "{covered} {outside} {overlapping} {apart}");
        }
    }
}

/// Equal, covering and overlapping patterns are found whatever the caller registered: here all
/// spellings of a name, so that no unregistered type has it.
#[test]
fn a_name_can_be_taken_in_every_spelling() {
    let deploy = || Category::new("deploy").unwrap();
    let mut registry = Registry::default();
    for name in ["AB", "Ab", "aB", "ab"] {
        registry = registry.with_type(name, deploy(), []).unwrap();
    }
    let (own, whole) = (pattern("deploy.*.ab"), pattern("*.*.ab"));
    // Types like X_AB remain.
    let key = whole.first_outside(&registry, [&own]).unwrap();
    assert_eq!(key.type_name(), "OTHER_AB");
    assert!(!pattern("ab.*.ab").covers(&pattern("deploy.*.ab")));
    assert_eq!(pattern("ab.*.ab").first_outside(&registry, []).unwrap().type_name(), "AB_AB");
}
