//! Laws of merging, on generated states: typed and as JSON, against the naive merge.

use super::oracle::{Oracle, same};
use super::{WIDE, form, generate, json, state, text};
use crate::support::scaled;
use coordination_protocol::merge::{
    ConflictChoice, MergePolicy, MergeRule, Merged, Row, Strategy, diff, merge, merge_json,
};
use coordination_protocol::message::WorkflowState;
use coordination_protocol::{Codec, Envelope, Mode};
use proptest::prelude::*;
use serde_json::Value;
use std::collections::BTreeSet;

fn config(cases: usize) -> ProptestConfig {
    ProptestConfig {
        cases: scaled(cases) as u32,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

fn pointers<T>(merged: &Merged<T>) -> BTreeSet<String> {
    merged.conflicts.iter().map(|conflict| conflict.pointer.clone()).collect()
}

fn typed(
    base: &Value,
    ours: &Value,
    theirs: &Value,
    policy: &MergePolicy,
) -> Merged<WorkflowState> {
    let [base, ours, theirs] = [base, ours, theirs].map(|value| state(&value.to_string()));
    merge(&base, ours, &theirs, policy)
}

/// All leaves of a value: what is no object, and empty objects.
fn leaves(value: &Value, path: &mut Vec<String>, out: &mut BTreeSet<Vec<String>>) {
    match value.as_object() {
        Some(members) if !members.is_empty() => {
            for (key, value) in members {
                path.push(key.clone());
                leaves(value, path, out);
                path.pop();
            }
        }
        _ => {
            out.insert(path.clone());
        }
    }
}

fn get<'v>(value: &'v Value, path: &[String]) -> Option<&'v Value> {
    path.iter().try_fold(value, |value, key| value.get(key))
}

fn pointer(path: &[String]) -> String {
    path.iter().map(|key| format!("/{}", key.replace('~', "~0").replace('/', "~1"))).collect()
}

fn strategies() -> impl proptest::strategy::Strategy<Value = Strategy> {
    proptest::sample::select(Strategy::ALL.to_vec())
}

proptest! {
    #![proptest_config(config(400))]

    /// Typed, as JSON and naively: one result, and the same conflicts.
    #[test]
    fn all_three_merges_agree(
        base in generate::state(false),
        ours in generate::state(false),
        theirs in generate::state(false),
        strategy in strategies(),
        agents in proptest::sample::select(vec![MergeRule::Members, MergeRule::RemoveWins, MergeRule::ChangeWins]),
    ) {
        let policy = MergePolicy::state()
            .with_row(Row::new("/agent_states/*", agents).unwrap())
            .with_strategy(strategy);
        let mut oracle = Oracle::new(policy.rows(), strategy);
        let naive = oracle.merge(&base, &ours, &theirs);
        let own = typed(&base, &ours, &theirs, &policy);
        prop_assert_eq!(form(&text(&own.value)), form(&naive.to_string()));
        prop_assert_eq!(&pointers(&own), &oracle.conflicts);
        let plain = json(&base.to_string(), &ours.to_string(), &theirs.to_string(), &policy);
        prop_assert_eq!(form(plain.value.as_str()), form(&naive.to_string()));
        prop_assert_eq!(&pointers(&plain), &oracle.conflicts);
        for conflict in own.conflicts.iter().chain(&plain.conflicts) {
            let path: Vec<String> = conflict.pointer.split('/').skip(1)
                .map(|key| key.replace("~1", "/").replace("~0", "~")).collect();
            for (side, told) in [(&ours, &conflict.ours), (&theirs, &conflict.theirs)] {
                let told: Option<Value> = told.as_ref().map(|json| json.decode().unwrap());
                prop_assert!(same(get(side, &path), told.as_ref()), "{}", conflict);
            }
        }
    }

    /// A side that did nothing yields, and equal changes are no conflict, to the last character.
    #[test]
    fn unchanged_sides_yield(base in generate::state(false), other in generate::state(false)) {
        let policy = MergePolicy::state();
        let (b, x) = (state(&base.to_string()), state(&other.to_string()));
        for (base, ours, theirs) in [(&b, &b, &x), (&b, &x, &b), (&b, &x, &x), (&b, &b, &b)] {
            let expected = if ours == base { theirs } else { ours };
            let merged = merge(base, ours.clone(), theirs, &policy);
            prop_assert!(merged.is_clean());
            prop_assert_eq!(&merged.value, expected);
            let expected = text(expected);
            let merged = json(&text(base), &text(ours), &text(theirs), &policy);
            prop_assert_eq!(merged.value.as_str(), expected);
        }
    }

    /// Who is who decides nothing but which value stands at a conflict.
    #[test]
    fn sides_are_symmetric(
        base in generate::state(false),
        ours in generate::state(false),
        theirs in generate::state(false),
    ) {
        let policy = MergePolicy::state();
        let there = typed(&base, &ours, &theirs, &policy);
        let mut back = typed(&base, &theirs, &ours, &policy);
        prop_assert_eq!(pointers(&there), pointers(&back));
        for conflict in &there.conflicts {
            let other = back.conflicts.iter().find(|c| c.pointer == conflict.pointer).unwrap();
            prop_assert_eq!(&conflict.ours, &other.theirs);
            prop_assert_eq!(&conflict.theirs, &other.ours);
            prop_assert_eq!((&conflict.base, conflict.rule, conflict.cause), (&other.base, other.rule, other.cause));
        }
        // Resolved the other way, they are one.
        for pointer in pointers(&back) {
            back.resolve(&pointer, &ConflictChoice::Theirs).unwrap();
        }
        prop_assert_eq!(form(&text(&there.value)), form(&text(&back.value)));
    }

    /// What one side changed alone is in the result, or under a conflict; or it belonged to a
    /// sibling that was not taken.
    #[test]
    fn no_update_is_lost(
        base in generate::state(false),
        ours in generate::state(false),
        theirs in generate::state(false),
    ) {
        let policy = MergePolicy::state();
        let merged = typed(&base, &ours, &theirs, &policy);
        let value: Value = serde_json::from_str(&text(&merged.value)).unwrap();
        let oracle = Oracle::new(policy.rows(), Strategy::Merge);
        let mut paths = BTreeSet::new();
        for side in [&base, &ours, &theirs] {
            leaves(side, &mut Vec::new(), &mut paths);
        }
        for path in paths {
            if path == ["state_version"] {
                continue;
            }
            let place = pointer(&path);
            let named = merged.conflicts.iter().any(|c| {
                c.pointer == place || place.starts_with(&format!("{}/", c.pointer))
            });
            let sibling = (1..=path.len()).find_map(|end| {
                let sibling = oracle.row(&path[..end])?.sibling()?;
                let mut other = path[..end].to_vec();
                *other.last_mut()? = sibling.to_owned();
                Some(!same(get(&ours, &other), get(&theirs, &other)) || !same(get(&ours, &other), get(&base, &other)))
            });
            if named || sibling == Some(true) {
                continue;
            }
            let [b, o, t] = [&base, &ours, &theirs].map(|side| get(side, &path));
            // Both changed what it is in, which is one value: that was settled.
            let within = (0..path.len()).any(|end| {
                let [b, o, t] = [&base, &ours, &theirs].map(|side| get(side, &path[..end]));
                let rule = oracle.row(&path[..end]).map_or(MergeRule::Members, Row::rule);
                let object = |side: Option<&Value>| side.is_some_and(Value::is_object);
                let apart = !same(o, b) && !same(t, b);
                apart && (rule != MergeRule::Members || !object(o) || !object(t))
            });
            if within {
                continue;
            }
            let changed = match (same(o, b), same(t, b)) {
                (false, true) => o,
                (true, false) => t,
                _ => continue,
            };
            prop_assert!(same(changed, get(&value, &path)), "{} is lost: {}", place, value);
        }
    }

    /// Sound states merge to a sound state, whatever the strategy.
    #[test]
    fn sound_states_stay_sound(
        base in generate::state(true),
        ours in generate::state(true),
        theirs in generate::state(true),
        strategy in strategies(),
    ) {
        let strict = Codec::new(Mode::Strict);
        for side in [&base, &ours, &theirs] {
            let message = format!(r#"{{"workflow_state":{side}}}"#);
            prop_assume!(strict.verify_message(&message).is_ok());
        }
        let merged = typed(&base, &ours, &theirs, &MergePolicy::state().with_strategy(strategy));
        if matches!(strategy, Strategy::Ours | Strategy::Theirs) {
            prop_assert!(merged.is_clean());
        }
        let message = Envelope::from(merged.value).to_string();
        prop_assert!(strict.verify_message(&message).is_ok(), "{}", message);
    }

    /// The merged version tells the others that it is newer, unless it is what they have.
    #[test]
    fn the_merged_version_is_the_next(
        base in generate::state(false),
        ours in generate::state(false),
        theirs in generate::state(false),
    ) {
        use coordination_protocol::merge::{Relation, relation};
        let [b, o, t] = [&base, &ours, &theirs].map(|value| state(&value.to_string()));
        let both = form(&text(&o)) != form(&text(&b)) && form(&text(&t)) != form(&text(&b));
        prop_assume!(both && form(&text(&o)) != form(&text(&t)));
        let merged = merge(&b, o.clone(), &t, &MergePolicy::state());
        for side in [&o, &t] {
            let told = relation(side, &merged.value);
            prop_assert!(matches!(told, Relation::Newer { .. } | Relation::Duplicate), "{}", told);
        }
        // Merging it again with either side brings nothing new.
        if merged.is_clean() {
            let again = merge(&b, merged.value.clone(), &merged.value, &MergePolicy::state());
            prop_assert_eq!(again.value, merged.value);
        }
    }

    /// A diff names what a merge would take over.
    #[test]
    fn diffs_are_complete(before in generate::state(false), after in generate::state(false)) {
        let (before, after) = (before.to_string(), after.to_string());
        let changes = diff(&before, &after, &WIDE).unwrap();
        prop_assert_eq!(changes.is_empty(), form(&before) == form(&after));
        let mut merged = merge_json("{}", &before, "{}", &MergePolicy::empty(), &WIDE).unwrap();
        // Through the editor of conflicts, change by change.
        for change in &changes {
            merged.conflicts.clear();
            let manual = MergePolicy::empty().with_strategy(Strategy::Manual);
            merged.conflicts.extend(json("1", "2", "3", &manual).conflicts);
            merged.conflicts[0].pointer.clone_from(&change.pointer);
            let choice = change.after.clone().map_or(ConflictChoice::Nothing, ConflictChoice::Value);
            merged.resolve(&change.pointer, &choice).unwrap();
        }
        prop_assert_eq!(form(merged.value.as_str()), form(&after));
    }
}

/// Whether merging by a rule is commutative, associative and idempotent on all of these documents.
fn is_join(policy: &MergePolicy, base: &str, pool: &[&str]) -> bool {
    let join = |a: &str, b: &str| {
        let merged = json(base, a, b, policy);
        merged.is_clean().then(|| form(merged.value.as_str()))
    };
    let all = |a: &str, b: &str, c: &str| -> Option<bool> {
        let (ab, bc) = (join(a, b)?, join(b, c)?);
        let commutes = ab == join(b, a)?;
        let associates = join(&ab, c)? == join(a, &bc)?;
        let idempotent = join(&ab, b)? == ab && join(a, a)? == form(a);
        Some(commutes && associates && idempotent)
    };
    pool.iter().all(|a| pool.iter().all(|b| pool.iter().all(|c| all(a, b, c).unwrap_or(false))))
}

/// What the table of rules says of joins holds on all combinations of a few documents; and what it
/// denies has a counterexample, so the check can fail.
#[test]
fn rules_are_the_joins_they_claim_to_be() {
    let numbers = ["1", "1.0", "2", "2.0", "3", "-1"];
    let moments = super::generate::MOMENTS.map(|moment| format!("{moment:?}"));
    let moments: Vec<&str> = moments.iter().map(String::as_str).collect();
    let lists = ["[]", r#"["a"]"#, r#"["b","a"]"#, r#"["a","b"]"#, r#"["c"]"#, r#"["a","c","c"]"#];
    let objects =
        ["{}", r#"{"k":1}"#, r#"{"k":1,"l":2}"#, r#"{"l":2,"k":1.0}"#, r#"{"k":1,"m":3}"#];
    for rule in MergeRule::ALL {
        let pool: &[&str] = match rule {
            MergeRule::Latest => &moments,
            MergeRule::Either => &["true", "false"],
            MergeRule::Union => &lists,
            MergeRule::RemoveWins | MergeRule::ChangeWins => &objects,
            _ => &numbers,
        };
        let mut join = true;
        for base in pool {
            let document = |at: usize, value: &str| {
                format!(r#"{{"timestamp":"2025-01-15T12:00:0{}Z","v":{value}}}"#, at % 3)
            };
            let base = document(0, base);
            let mut texts: Vec<String> =
                pool.iter().enumerate().map(|(at, value)| document(at, value)).collect();
            if matches!(rule, MergeRule::RemoveWins | MergeRule::ChangeWins) {
                texts.push(r#"{"timestamp":"2025-01-15T12:00:00Z"}"#.to_owned());
            }
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let mut policy = MergePolicy::empty()
                .with_row(Row::new("/timestamp", MergeRule::Latest).unwrap())
                .with_row(Row::new("/v", *rule).unwrap());
            if matches!(rule, MergeRule::RemoveWins | MergeRule::ChangeWins) {
                policy = policy.with_row(Row::new("/v/*", *rule).unwrap());
            }
            join &= is_join(&policy, &base, &texts);
        }
        assert_eq!(join, rule.is_join(), "{rule}");
    }
}

/// The rows of a state that are joins: replicas that change nothing else converge. Rows of siblings
/// come with the sibling.
#[test]
fn rows_are_the_joins_they_claim_to_be() {
    let bodies: &[(&str, &[&str])] = &[
        (
            "/timestamp",
            &[
                r#""2025-01-15T12:00:00Z""#,
                r#""2025-01-15T12:00:01.0001Z""#,
                r#""2025-01-15T12:00:01.0002Z""#,
            ],
        ),
        ("/validation_required", &[r#"["a"]"#, r#"["b","a"]"#, "[]", r#"["c","b"]"#]),
        ("/metadata/synchronization_confidence", &["0.5", "0.50", "0.7", "1"]),
        ("/metadata/conflict_detected", &["true", "false"]),
        ("/metadata/ancestors", &[r#"["a"]"#, r#"["b"]"#, r#"["a","c"]"#, "[]"]),
        ("/current_phase/phase_id", &["3", "4", "5", "3.0"]),
        ("/epoch", &["1", "2", "2.0", "7"]),
    ];
    // Whole phases, for the rows that belong to their number.
    let phase = |id, progress, started, end| {
        format!(
            r#"{{"phase_id":{id},"progress":{progress},"started_at":"2025-01-15T12:00:0{started}Z","estimated_completion":"2025-01-15T13:00:0{end}Z"}}"#
        )
    };
    let phases = [
        phase("3", "0", 0, 0),
        phase("3", "50", 1, 0),
        phase("4", "0", 1, 1),
        phase("4", "10.5", 0, 2),
        phase("5", "10.50", 2, 0),
    ];
    let phases: Vec<&str> = phases.iter().map(String::as_str).collect();
    let policy = MergePolicy::state();
    let mut told = BTreeSet::new();
    let check = |pointer: &str, values: &[&str]| {
        let documents: Vec<String> = values
            .iter()
            .map(|value| match pointer.strip_prefix('/').unwrap().split_once('/') {
                Some((outer, inner)) => format!(r#"{{"{outer}":{{"{inner}":{value}}}}}"#),
                None => format!(r#"{{"{}":{value}}}"#, &pointer[1..]),
            })
            .collect();
        let documents: Vec<&str> = documents.iter().map(String::as_str).collect();
        for base in &documents {
            assert!(is_join(&policy, base, &documents), "{pointer}");
        }
    };
    for (pointer, values) in bodies {
        check(pointer, values);
        told.insert((*pointer).to_owned());
    }
    check("/current_phase", &phases);
    for row in policy.rows().iter().filter(|row| row.sibling() == Some("phase_id") && row.is_join())
    {
        told.insert(row.pointer().to_owned());
    }
    let declared: BTreeSet<String> = policy
        .rows()
        .iter()
        .filter(|row| row.is_join())
        .map(|row| row.pointer().to_owned())
        .collect();
    assert_eq!(told, declared);
}
