//! Deltas.

use super::{evolved, random_state};
use crate::support::{Rng, any_value, scaled};
use coordination_protocol::checkpoint::{CheckpointError, Delta};
use coordination_protocol::json::{Json, Limits};
use serde_json::Value;

const LIMITS: Limits = Limits::DEFAULT.with_bytes(1 << 20);

fn json(text: &str) -> Json {
    text.parse().unwrap()
}

#[test]
fn a_delta_is_what_rfc_6902_says() {
    for (base, target, delta) in [
        (r#"{"a":1}"#, r#"{"a":1}"#, Some("[]")),
        (r#"{"a":1}"#, r#"{"a":1.0}"#, Some(r#"[{"op":"replace","path":"/a","value":1.0}]"#)),
        (
            r#"{"a":1,"b":[1,2,3]}"#,
            r#"{"a":1,"b":[1,4]}"#,
            Some(r#"[{"op":"replace","path":"/b/1","value":4},{"op":"remove","path":"/b/2"}]"#),
        ),
        (
            r#"{"a":{}}"#,
            r#"{"a":{"z":{"y":1,"x":2},"b/~":[]}}"#,
            Some(
                r#"[{"op":"add","path":"/a/z","value":{"y":1,"x":2}},{"op":"add","path":"/a/b~1~0","value":[]}]"#,
            ),
        ),
        ("1", "[]", Some(r#"[{"op":"replace","path":"","value":[]}]"#)),
        // The order of keys differs in a way that a patch cannot tell.
        (r#"{"a":1,"b":2}"#, r#"{"b":2,"a":1}"#, None),
        (r#"{"a":1}"#, r#"{"b":2,"a":1}"#, None),
    ] {
        let made = Delta::between(&json(base), &json(target), &LIMITS);
        assert_eq!(made.as_ref().map(Delta::as_str), delta, "{base} {target}");
    }
}

/// The library on plain values is the judge: what we store is a patch for everybody.
fn everybody_applies(base: &Json, delta: &Delta, target: &Json) {
    let patch: json_patch::Patch = serde_json::from_str(delta.as_str()).unwrap();
    let mut document: Value = serde_json::from_str(base.as_str()).unwrap();
    json_patch::patch(&mut document, &patch).unwrap();
    assert_eq!(document, serde_json::from_str::<Value>(target.as_str()).unwrap());
}

#[test]
fn any_two_values_differ_by_what_makes_one_of_the_other() {
    let rng = &mut Rng::new(11);
    let mut made = 0;
    let cases = scaled(2_000);
    for case in 0..cases {
        let (base, target) = (any_value(rng, 6).to_json(), any_value(rng, 6).to_json());
        let (Ok(base), Ok(target)) = (base.parse::<Json>(), target.parse::<Json>()) else {
            continue;
        };
        let Some(delta) = Delta::between(&base, &target, &LIMITS) else { continue };
        made += 1;
        assert_eq!(delta.apply(&base, &LIMITS).as_ref(), Ok(&target), "case {case}");
        // Numbers beyond a double are no values for others.
        if serde_json::from_str::<Value>(base.as_str()).is_ok()
            && serde_json::from_str::<Value>(target.as_str()).is_ok()
        {
            everybody_applies(&base, &delta, &target);
        }
    }
    assert!(made > cases / 2, "{made} of {cases}");
}

#[test]
fn states_differ_by_small_deltas() {
    let rng = &mut Rng::new(12);
    let (mut deltas, mut smaller) = (0, 0);
    let cases = scaled(500);
    for version in 0..cases as u64 {
        let base = random_state(rng, version);
        let target = json(&evolved(rng, &base));
        let base = json(&base);
        // A key that comes in the middle of others is an order that cannot be told.
        let Some(delta) = Delta::between(&base, &target, &LIMITS) else { continue };
        deltas += 1;
        smaller += usize::from(delta.as_str().len() < target.as_str().len());
        assert_eq!(delta.apply(&base, &LIMITS).unwrap(), target);
        everybody_applies(&base, &delta, &target);
    }
    assert!(deltas > cases / 2 && smaller > cases / 3, "{deltas} deltas, {smaller} smaller");
}

#[test]
fn what_is_no_delta_is_refused() {
    let base = json(r#"{"a":[1,2]}"#);
    let refused = |text: &str, limits: &Limits| -> String {
        Delta::parse(text, limits)
            .and_then(|delta| delta.apply(&base, limits))
            .unwrap_err()
            .to_string()
    };
    let third = "operation 0 of the delta is no add, replace or remove of a value at a path";
    for (text, message) in [
        ("{", "not a delta: the text ends inside a value at byte 1"),
        ("{}", third),
        ("7", third),
        ("[7]", third),
        (r#"[{"op":"add","path":"/a"}]"#, third),
        (r#"[{"op":"add","value":1}]"#, third),
        (r#"[{"op":"move","from":"/a","path":"/b"}]"#, third),
        (r#"[{"op":"remove","path":"a"}]"#, third),
        (r#"[{"op":7,"path":"/a"}]"#, third),
        (
            r#"[{"op":"remove","path":"/b"}]"#,
            "the delta does not fit: operation '/0' failed at path '/b': path is invalid",
        ),
        (
            r#"[{"op":"add","path":"/a/3","value":1}]"#,
            "the delta does not fit: operation '/0' failed at path '/a/3': path is invalid",
        ),
        (
            r#"[{"op":"remove","path":""}]"#,
            "the delta does not fit: operation '/0' failed at path '': path is invalid",
        ),
        (
            r#"[{"op":"add","path":"/a/18446744073709551616","value":1}]"#,
            "the delta does not fit: operation '/0' failed at path '/a/18446744073709551616': path is invalid",
        ),
        (
            r#"[{"op":"add","path":"/a/0/b","value":1}]"#,
            "the delta does not fit: operation '/0' failed at path '/a/0/b': path is invalid",
        ),
    ] {
        assert_eq!(refused(text, &LIMITS), message, "{text}");
    }
    let long = format!(r#"[{{"op":"add","path":"/b","value":"{}"}}]"#, "x".repeat(60));
    let error = Delta::parse(&long, &LIMITS).unwrap().apply(&base, &LIMITS.with_bytes(64));
    assert_eq!(error, Err(CheckpointError::LongDelta { limit: 64 }));
    assert_eq!(error.unwrap_err().to_string(), "the delta makes a text of more than 64 bytes");
    // Deeper than any state: whatever it makes is refused, not overflown.
    let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
    let deep = format!(r#"[{{"op":"add","path":"/a/0","value":{deep}}}]"#);
    let delta = Delta::parse(&deep, &LIMITS).unwrap();
    assert!(delta.apply(&base, &LIMITS.with_depth(50)).is_err());
}

/// Patches of others keep their values, though the order of new keys may be another.
#[test]
fn patches_of_others_are_applied_if_they_are_simple() {
    let base = json(r#"{"b":1,"a":{"x":1}}"#);
    let patch = r#"[
        {"value": {"k": 1.0}, "path": "/a/y", "op": "add"},
        {"op": "add", "path": "/a/y/j", "value": 2},
        {"op": "remove", "path": "/b"},
        {"op": "replace", "path": "/a/x", "value": []}
    ]"#;
    let made = Delta::parse(patch, &LIMITS).unwrap().apply(&base, &LIMITS).unwrap();
    assert_eq!(made.as_str(), r#"{"a":{"x":[],"y":{"k":1.0,"j":2}}}"#);
}

#[test]
fn random_patches_make_no_panic() {
    let rng = &mut Rng::new(13);
    for _ in 0..scaled(3_000) {
        let base = json(&random_state(rng, 1));
        let operations: Vec<String> = (0..=rng.below(4))
            .map(|_| {
                let path = rng.pick(&[
                    "",
                    "/",
                    "/list",
                    "/list/0",
                    "/list/-",
                    "/list/00",
                    "/agent_states/agent_1",
                    "/agent_states/agent_1/status",
                    "/x",
                    "/x/y/z",
                    "/~2",
                    "//",
                    "/list/0/0",
                ]);
                let op = rng.pick(&["add", "remove", "replace", "test"]);
                format!(r#"{{"op":"{op}","path":"{path}","value":{}}}"#, rng.pick(super::SPELLINGS))
            })
            .collect();
        let text = format!("[{}]", operations.join(","));
        if let Ok(made) = Delta::parse(&text, &LIMITS).unwrap().apply(&base, &LIMITS) {
            assert_eq!(made.as_str().parse::<Json>().unwrap(), made);
        }
    }
}
