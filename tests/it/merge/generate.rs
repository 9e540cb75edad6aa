//! States that often agree: every field has few values, so that all cases of a three-way merge come
//! up, and a failing case shrinks to the fields that matter.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

/// Members that are there or not.
fn members(all: Vec<(&'static str, BoxedStrategy<Option<Value>>)>) -> BoxedStrategy<Value> {
    let (names, values): (Vec<_>, Vec<_>) = all.into_iter().unzip();
    values
        .prop_map(move |values| {
            let pairs = names.iter().zip(values);
            let there = pairs.filter_map(|(name, value)| Some(((*name).to_owned(), value?)));
            Value::Object(there.collect::<Map<_, _>>())
        })
        .boxed()
}

fn one_of(values: &[Value]) -> BoxedStrategy<Option<Value>> {
    select(values.to_vec()).prop_map(Some).boxed()
}

fn maybe(values: &[Value]) -> BoxedStrategy<Option<Value>> {
    prop::option::of(select(values.to_vec())).boxed()
}

fn percents() -> Vec<Value> {
    vec![json!(10), json!(10.0), json!(20), json!(30.5)]
}

/// Two are one moment, one differs below the millisecond.
pub(super) const MOMENTS: [&str; 5] = [
    "2025-01-15T12:00:00Z",
    "2025-01-15T13:00:00+01:00",
    "2025-01-15T12:00:01Z",
    "2025-01-15T12:00:01.0001Z",
    "2025-01-15T12:00:02Z",
];

fn moments(readable: bool) -> Vec<Value> {
    let unreadable = if readable { None } else { Some(json!("soon")) };
    MOMENTS.iter().map(|moment| json!(moment)).chain(unreadable).collect()
}

fn unknown() -> BoxedStrategy<Option<Value>> {
    let leaf =
        select(vec![json!(1), json!(1.0), json!("x"), json!(null), json!([1, 2]), json!([2])]);
    let tree = leaf.prop_recursive(2, 6, 2, |inner| {
        prop::collection::btree_map(select(vec!["p", "q", "*", "a/b"]), inner, 0..3)
            .prop_map(|map| json!(map))
    });
    prop::option::of(tree).boxed()
}

fn agent() -> BoxedStrategy<Value> {
    members(vec![
        ("status", one_of(&[json!("active"), json!("idle"), json!("failed")])),
        ("current_task", maybe(&[json!("t1"), json!("t2")])),
        ("progress", maybe(&percents())),
        ("performance_score", maybe(&percents())),
        ("note", unknown()),
    ])
}

fn map_of(values: BoxedStrategy<Value>) -> BoxedStrategy<Option<Value>> {
    let map = prop::collection::btree_map(select(vec!["a1", "a2", "a3"]), values, 0..4);
    prop::option::weighted(0.9, map.prop_map(|map| json!(map))).boxed()
}

fn sets() -> BoxedStrategy<Option<Value>> {
    let names = select(vec!["integrity", "deps", "audit"]);
    let list = prop::collection::vec(names, 0..4).prop_map(|list| json!(list));
    prop::option::of(list).boxed()
}

/// The body of a `workflow_state`; `strict` leaves out what strict mode refuses.
pub(super) fn state(strict: bool) -> BoxedStrategy<Value> {
    let phase = members(vec![
        ("phase_id", one_of(&[json!(3), json!(4), json!("build")])),
        ("name", maybe(&[json!("build"), json!("test")])),
        ("progress", maybe(&percents())),
        ("started_at", maybe(&moments(strict))),
        ("estimated_completion", maybe(&moments(strict))),
        ("lane", unknown()),
    ]);
    let usage = members(vec![
        ("memory_current", maybe(&percents())),
        ("cpu_utilization", maybe(&percents())),
        ("disks", unknown()),
    ]);
    let metadata = members(vec![
        ("last_update_source", maybe(&[json!("hub"), json!("worker")])),
        ("synchronization_confidence", maybe(&[json!(0.5), json!(1), json!(1.0)])),
        ("conflict_detected", maybe(&[json!(true), json!(false)])),
    ]);
    members(vec![
        ("workflow_id", one_of(&[json!("wf_1")])),
        ("state_version", one_of(&[json!(15), json!(16), json!(17)])),
        ("timestamp", one_of(&moments(strict))),
        ("message_type", maybe(&[json!("state_sync")])),
        ("checkpoint_id", maybe(&[json!("ckpt_1"), json!("ckpt_2")])),
        ("current_phase", prop::option::weighted(0.8, phase).boxed()),
        ("agent_states", map_of(agent())),
        ("resource_usage", prop::option::of(usage).boxed()),
        ("validation_required", sets()),
        ("metadata", prop::option::of(metadata).boxed()),
        ("extension", unknown()),
    ])
}
