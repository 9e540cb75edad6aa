//! The table of rows, policies and their files.

use super::{WIDE, json};
use coordination_protocol::merge::{MergeError, MergePolicy, MergeRule, Row, STATE_ROWS, Strategy};
use coordination_protocol::message::{ObjectSpec, Shape, WorkflowState};
use std::collections::BTreeSet;

fn places(spec: &ObjectSpec, at: &str, out: &mut Vec<String>) {
    for member in spec.members {
        let pointer = format!("{at}/{}", member.name);
        match member.shape {
            Shape::Object(inner) => places(inner, &pointer, out),
            Shape::Map(Shape::Object(inner)) => places(inner, &format!("{pointer}/*"), out),
            _ => out.push(pointer),
        }
    }
}

/// Every field of a state has a row, and every row a field.
#[test]
fn rows_cover_the_state() {
    let mut fields = Vec::new();
    places(WorkflowState::SPEC, "", &mut fields);
    assert!(fields.len() > 15, "{fields:?}");
    let covers = |row: &Row, field: &str| {
        let (row, field) = (row.pointer().split('/'), field.split('/'));
        row.clone().count() == field.clone().count()
            && row.zip(field).all(|(row, field)| row == field || row == "*")
    };
    for field in &fields {
        assert_eq!(STATE_ROWS.iter().filter(|row| covers(row, field)).count(), 1, "{field}");
    }
    for row in STATE_ROWS.iter().filter(|row| row.rule() != MergeRule::Members) {
        assert!(fields.iter().any(|field| covers(row, field)), "{}", row.pointer());
    }
    let pointers: BTreeSet<&str> = STATE_ROWS.iter().map(Row::pointer).collect();
    assert_eq!(pointers.len(), STATE_ROWS.len());
    for row in STATE_ROWS {
        assert!(row.summary().ends_with('.'), "{}", row.pointer());
        if let Some(sibling) = row.sibling() {
            let (parent, _) = row.pointer().rsplit_once('/').unwrap();
            assert!(pointers.contains(format!("{parent}/{sibling}").as_str()), "{}", row.pointer());
        }
        // A row is no better than its rule.
        assert!(row.rule().is_join() || !row.is_join(), "{}", row.pointer());
    }
}

#[test]
fn rules_and_strategies_have_words() {
    for rule in MergeRule::ALL {
        assert_eq!(rule.as_str().parse::<MergeRule>().unwrap(), *rule);
        assert!(rule.summary().ends_with('.'), "{rule}");
    }
    assert_eq!(
        "best".parse::<MergeRule>().unwrap_err().to_string(),
        "`best` is no rule of merging"
    );
    for strategy in Strategy::ALL {
        assert_eq!(strategy.as_str().parse::<Strategy>().unwrap(), *strategy);
    }
    assert_eq!(
        "mine".parse::<Strategy>().unwrap_err().to_string(),
        "`mine` is no strategy of merging; merge, ours, theirs and manual are"
    );
}

/// What a policy prints, a policy file says.
#[test]
fn rows_are_read_back() {
    let printed = serde_json::to_string(STATE_ROWS).unwrap();
    let read = MergePolicy::rows_from_json(&printed, &WIDE).unwrap();
    assert_eq!(serde_json::to_string(&read).unwrap(), printed);
    assert_eq!(read.len(), STATE_ROWS.len());
}

#[test]
fn bad_policies_are_refused() {
    let refused = |text: &str| MergePolicy::rows_from_json(text, &WIDE).unwrap_err().to_string();
    let list = "a policy is a list of rows like {\"pointer\":\"/a/*\",\"rule\":\"highest\"}; row ";
    for (text, message) in [
        ("[", "the policy is no JSON: the text ends inside a value at byte 1".to_owned()),
        ("{}", format!("{list}0: this is no list")),
        ("[1]", format!("{list}1: it is no object")),
        (
            r#"[{"pointer":"/a","rule":"ours"},{"rule":"ours"}]"#,
            format!("{list}2: `pointer` is missing"),
        ),
        (r#"[{"pointer":"/a"}]"#, format!("{list}1: `rule` is missing")),
        (r#"[{"pointer":"/a","rule":"best"}]"#, format!("{list}1: `best` is no rule of merging")),
        (r#"[{"pointer":1,"rule":"ours"}]"#, format!("{list}1: `pointer` is no string")),
        (
            r#"[{"pointer":"/a","rule":"ours","about":1}]"#,
            format!("{list}1: `about` is no boolean"),
        ),
        (r#"[{"pointer":"/a","rule":"ours","why":1}]"#, format!("{list}1: `why` is not known")),
        (
            r#"[{"pointer":"a","rule":"ours"}]"#,
            format!("{list}1: `a` is no JSON pointer; write it like `/agent_states/*/progress`"),
        ),
    ] {
        assert_eq!(refused(text), message, "{text}");
    }
    assert_eq!(
        Row::new("/a/*", MergeRule::Version).unwrap_err().to_string(),
        "`/a/*` cannot have the rule `version`: a document has one version"
    );
    assert!(matches!(MergePolicy::state().with_clock("at"), Err(MergeError::Pointer(_))));
}

/// Of rows for one place the one with the names counts, whatever their order; a repeated one
/// replaces.
#[test]
fn the_more_precise_row_counts() {
    let row = |pointer: &str, rule| Row::new(pointer, rule).unwrap();
    let rows = [
        row("/*/*", MergeRule::Ours),
        row("/a/*", MergeRule::Theirs),
        row("/*/b", MergeRule::Highest),
        row("/a/c", MergeRule::Lowest),
        row("/a~1b/~0", MergeRule::Highest),
    ];
    let settled = |rows: &[Row], key: &str| {
        let policy = MergePolicy::empty().with_rows(rows.iter().cloned());
        let document = |value| format!("{{{}}}", key.replace("{}", value));
        let merged = json(&document("5"), &document("7"), &document("9"), &policy);
        assert!(merged.is_clean());
        merged.value.as_str().to_owned()
    };
    let mut reversed = rows.to_vec();
    reversed.reverse();
    for rows in [&rows[..], &reversed] {
        for (key, expected) in [
            (r#""x":{"y":{}}"#, r#"{"x":{"y":7}}"#),
            (r#""a":{"y":{}}"#, r#"{"a":{"y":9}}"#),
            (r#""x":{"b":{}}"#, r#"{"x":{"b":9}}"#),
            // `/a/*` goes before `/*/b`.
            (r#""a":{"b":{}}"#, r#"{"a":{"b":9}}"#),
            (r#""a":{"c":{}}"#, r#"{"a":{"c":7}}"#),
            (r#""a/b":{"~":{}}"#, r#"{"a/b":{"~":9}}"#),
        ] {
            let (open, close) = key.split_at(key.find("{}").unwrap());
            let key = format!("{open}{close}");
            assert_eq!(settled(rows, &key), expected);
        }
    }
    let replaced = MergePolicy::empty()
        .with_row(row("/v", MergeRule::Ours))
        .with_row(row("/v", MergeRule::Theirs));
    assert_eq!(replaced.rows().len(), 1);
    assert_eq!(
        json(r#"{"v":1}"#, r#"{"v":2}"#, r#"{"v":3}"#, &replaced).value.as_str(),
        r#"{"v":3}"#
    );

    // Nothing of a replaced row is left: equal changes add up no more, and nothing follows.
    let counted = MergePolicy::empty()
        .with_row(row("/v", MergeRule::Sum))
        .with_row(row("/w", MergeRule::Ours).of("v"));
    assert_eq!(
        json(r#"{"v":1}"#, r#"{"v":2}"#, r#"{"v":2}"#, &counted).value.as_str(),
        r#"{"v":3}"#
    );
    let replaced =
        counted.with_row(row("/v", MergeRule::Manual)).with_row(row("/w", MergeRule::Highest));
    let merged = json(r#"{"v":1,"w":1}"#, r#"{"v":2,"w":2}"#, r#"{"v":2,"w":3}"#, &replaced);
    assert!(merged.is_clean());
    assert_eq!(merged.value.as_str(), r#"{"v":2,"w":3}"#);
}
