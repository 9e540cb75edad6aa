//! What merging and comparing do, case by case.

use super::{WIDE, form, json, state, text};
use coordination_protocol::error::IntoReport;
use coordination_protocol::json::{Json, Limits};
use coordination_protocol::merge::{
    Cause, ConflictChoice, MergeError, MergePolicy, MergeRule, Relation, Row, Strategy, agreement,
    content_digest, diff, merge, merge_json, relation, relation_by,
};
use coordination_protocol::message::WorkflowState;

/// A state with some members beside those that it must have.
fn with(version: u64, second: u32, members: &str) -> WorkflowState {
    let comma = if members.is_empty() { "" } else { "," };
    state(&format!(
        r#"{{"workflow_id":"wf_1","state_version":{version},"timestamp":"2025-01-15T12:00:{second:02}Z"{comma}{members}}}"#
    ))
}

/// Merges three lists of members, ours the later state, and prints what is merged beyond the
/// header, and the conflicts.
fn merged(base: &str, ours: &str, theirs: &str) -> (String, Vec<String>) {
    merged_by(&MergePolicy::state(), base, ours, theirs)
}

fn merged_by(policy: &MergePolicy, base: &str, ours: &str, theirs: &str) -> (String, Vec<String>) {
    let result = merge(&with(1, 0, base), with(2, 9, ours), &with(2, 5, theirs), policy);
    let text = text(&result.value);
    let members = text.split_once(r#"12:00:09Z""#).unwrap().1;
    let members = members.trim_start_matches(',').strip_suffix('}').unwrap().to_owned();
    (members, result.conflicts.iter().map(ToString::to_string).collect())
}

fn clean(base: &str, ours: &str, theirs: &str) -> String {
    let (members, conflicts) = merged(base, ours, theirs);
    assert!(conflicts.is_empty(), "{conflicts:?}");
    members
}

fn agent(name: &str, members: &str) -> String {
    format!(r#""agent_states":{{"{name}":{{"status":"active"{members}}}}}"#)
}

#[test]
fn progress_of_another_phase_is_no_progress() {
    let phase = |members: &str| format!(r#""current_phase":{{{members}}}"#);
    // They moved on while we went further in the old phase: theirs, whole.
    let base = phase(r#""phase_id":3,"name":"build","progress":0"#);
    let ours = phase(r#""phase_id":3,"name":"build","progress":90"#);
    let theirs = phase(r#""phase_id":4,"name":"test","progress":0"#);
    assert_eq!(clean(&base, &ours, &theirs), theirs);
    assert_eq!(clean(&base, &theirs, &ours), theirs);
    // Both in the same new phase: the old one's progress is no base for it.
    let base = phase(r#""phase_id":3,"progress":67.5"#);
    let (ours, theirs) =
        (phase(r#""phase_id":4,"progress":67.5"#), phase(r#""phase_id":4,"progress":5"#));
    assert_eq!(clean(&base, &ours, &theirs), ours);
    // Back to an earlier phase, on one side only.
    let (base, ours) =
        (phase(r#""phase_id":4,"progress":10"#), phase(r#""phase_id":3,"progress":80"#));
    assert_eq!(clean(&base, &ours, &phase(r#""phase_id":4,"progress":20"#)), ours);
    // Names have no order; what belongs to them is in conflict too.
    let (_, conflicts) = merged(
        &phase(r#""phase_id":"a","progress":1"#),
        &phase(r#""phase_id":"b","progress":2"#),
        &phase(r#""phase_id":"c","progress":3"#),
    );
    assert_eq!(
        conflicts,
        [
            r#"/current_phase/phase_id: base "a", ours "b", theirs "c" (highest: the values have no order)"#,
            "/current_phase/progress: base 1, ours 2, theirs 3 (highest: what it belongs to is in conflict)",
        ]
    );
}

#[test]
fn progress_of_another_task_is_no_progress() {
    let base = agent("a1", r#","current_task":"t1","progress":45,"performance_score":90"#);
    let ours = agent("a1", r#","current_task":"t2","progress":0,"performance_score":90"#);
    let theirs = agent("a1", r#","current_task":"t1","progress":60,"performance_score":95"#);
    let expected = agent("a1", r#","current_task":"t2","progress":0,"performance_score":95"#);
    assert_eq!(clean(&base, &ours, &theirs), expected);
    assert_eq!(clean(&base, &theirs, &ours), expected);
}

#[test]
fn agents_come_and_go() {
    let (one, two) =
        (agent("a1", ""), r#""agent_states":{"a1":{"status":"active"},"a2":{"status":"idle"}}"#);
    // Added on either side, removed on either side.
    assert_eq!(clean(&one, two, &one), two);
    assert_eq!(clean(&one, &one, two), two);
    assert_eq!(clean(two, &one, two), one);
    assert_eq!(clean(two, two, &one), one);
    assert_eq!(
        clean(
            &one,
            &agent("a2", ""),
            r#""agent_states":{"a1":{"status":"active"},"a3":{"status":"idle"}}"#
        ),
        r#""agent_states":{"a2":{"status":"active"},"a3":{"status":"idle"}}"#
    );
    // Removed here, changed there.
    let changed = r#""agent_states":{"a1":{"status":"active"},"a2":{"status":"failed"}}"#;
    let told = |first: &str, second: &str| {
        format!(
            "/agent_states/a2: base {{\"status\":\"idle\"}}, ours {first}, theirs {second} (members: one side removed what the other changed)"
        )
    };
    let (failed, none) = (r#"{"status":"failed"}"#, "nothing");
    assert_eq!(merged(two, &one, changed), (one.clone(), vec![told(none, failed)]));
    assert_eq!(merged(two, changed, &one), (changed.to_owned(), vec![told(failed, none)]));
    for (rule, expected) in
        [(MergeRule::RemoveWins, one.as_str()), (MergeRule::ChangeWins, changed)]
    {
        let policy = MergePolicy::state().with_row(Row::new("/agent_states/*", rule).unwrap());
        for (ours, theirs) in [(one.as_str(), changed), (changed, one.as_str())] {
            assert_eq!(merged_by(&policy, two, ours, theirs), (expected.to_owned(), vec![]));
        }
    }
    // The members of an agent came in another order: no change.
    let base = r#""agent_states":{"a1":{"status":"active"},"a2":{"status":"idle","x":1,"y":[2]}}"#;
    let turned =
        r#""agent_states":{"a1":{"status":"active"},"a2":{"y":[2.0],"x":1.0,"status":"idle"}}"#;
    assert_eq!(clean(base, &one, turned), one);
}

#[test]
fn what_has_no_order_is_not_settled() {
    let usage = |value: &str| format!(r#""resource_usage":{{"memory_current":{value}}}"#);
    // The later state's measurement counts; ours is later here.
    assert_eq!(clean(&usage("1"), &usage("2"), &usage("3")), usage("2"));
    let (base, ours, theirs) = (usage("1"), usage("2"), usage("3"));
    for (first, second, cause) in [
        ("2025-01-15T12:00:05Z", "2025-01-15T13:00:05+01:00", Cause::SameTime),
        ("2025-01-15T12:00:05Z", "soon", Cause::SameTime),
    ] {
        let mut states = [with(1, 0, &base), with(2, 5, &ours), with(2, 5, &theirs)];
        states[1].timestamp = Some(coordination_protocol::scalar::Timestamp::from_lenient(first));
        states[2].timestamp = Some(coordination_protocol::scalar::Timestamp::from_lenient(second));
        let [base, ours, theirs] = states;
        let merged = merge(&base, ours, &theirs, &MergePolicy::state());
        let conflict =
            merged.conflicts.iter().find(|c| c.pointer.ends_with("memory_current")).unwrap();
        assert_eq!((conflict.rule, conflict.cause), (MergeRule::Newer, cause));
        // An unreadable timestamp is a conflict of its own, two spellings of one moment are none.
        assert_eq!(merged.conflicts.iter().any(|c| c.pointer == "/timestamp"), second == "soon");
    }
}

#[test]
fn spelling_is_kept() {
    let base = r#""resource_usage":{"memory_current":8.0,"storage_used":2},"lane":{"a":1.50}"#;
    let ours =
        r#""resource_usage":{"memory_current":8.0,"storage_used":2.50},"lane":{"a":1.50,"b":10e1}"#;
    let theirs = r#""resource_usage":{"memory_current":9.00,"storage_used":2},"lane":{"a":1.50,"c":"\u00e9"}"#;
    assert_eq!(
        clean(base, ours, theirs),
        r#""resource_usage":{"memory_current":9.00,"storage_used":2.50},"lane":{"a":1.50,"b":10e1,"c":"\u00e9"}"#
    );
}

#[test]
fn unknown_fields_merge_too() {
    let deep = |a: &str, b: &str| format!(r#""lane":{{"x":{{"a":{a},"b":{b},"k/~":[1]}}}}"#);
    assert_eq!(clean(&deep("1", "1"), &deep("2", "1"), &deep("1", "3")), deep("2", "3"));
    let (members, conflicts) = merged(&deep("1", "1"), &deep("2", "1"), &deep("4", "3"));
    assert_eq!(members, deep("2", "3"));
    assert_eq!(conflicts, ["/lane/x/a: base 1, ours 2, theirs 4 (members: both sides changed it)"]);
    // Rows reach into them.
    let policy = MergePolicy::state().with_row(Row::new("/lane/*/a", MergeRule::Sum).unwrap());
    assert_eq!(
        merged_by(&policy, &deep("1", "1"), &deep("2", "1"), &deep("4", "3")).0,
        deep("5", "3")
    );
}

#[test]
fn counters_add_up() {
    let policy = MergePolicy::empty().with_row(Row::new("/n", MergeRule::Sum).unwrap());
    let sum = |base: &str, ours: &str, theirs: &str| {
        let [base, ours, theirs] = [base, ours, theirs].map(|n| format!(r#"{{"n":{n}}}"#));
        let merged = json(&base, &ours, &theirs, &policy);
        merged.is_clean().then(|| merged.value.get("n").unwrap().as_str().to_owned())
    };
    // One each, though both read 6.
    assert_eq!(sum("5", "6", "6").unwrap(), "7");
    assert_eq!(sum("5", "3", "6").unwrap(), "4");
    assert_eq!(sum("0.1", "0.3", "-1.25").unwrap(), "-1.05");
    assert_eq!(sum("0.5", "1", "1.50").unwrap(), "2");
    assert_eq!(sum("5", "5", "6").unwrap(), "6");
    assert_eq!(sum("1", "1e400", "2"), None);
    assert_eq!(sum("1", r#""a""#, "2"), None);
    // A result that the field cannot hold is a conflict.
    let policy = MergePolicy::state()
        .with_row(Row::new("/agent_states/*/progress", MergeRule::Sum).unwrap());
    let at = |progress: &str| agent("a1", &format!(r#","progress":{progress}"#));
    let (members, conflicts) = merged_by(&policy, &at("10"), &at("90"), &at("80"));
    assert_eq!(members, at("90"));
    assert_eq!(
        conflicts,
        [
            "/agent_states/a1/progress: base 10, ours 90, theirs 80 (sum: the result is no value of the field)"
        ]
    );
}

#[test]
fn versions_go_on() {
    let version = |base: (u64, &str), ours: (u64, &str), theirs: (u64, &str)| {
        let [base, ours, theirs] =
            [base, ours, theirs].map(|(version, members)| with(version, 0, members));
        merge(&base, ours, &theirs, &MergePolicy::state()).value.state_version.get()
    };
    let (a, b, c) = (r#""a":1"#, r#""b":1"#, r#""a":1,"b":1"#);
    assert_eq!(version((1, ""), (2, a), (1, "")), 2);
    assert_eq!(version((1, ""), (1, ""), (3, b)), 3);
    assert_eq!(version((1, ""), (2, a), (2, b)), 3, "a fork");
    assert_eq!(version((1, ""), (2, a), (5, b)), 6);
    assert_eq!(version((1, ""), (2, a), (3, c)), 3, "theirs has ours already");
    assert_eq!(version((1, ""), (3, c), (2, a)), 3, "ours has theirs already");
    assert_eq!(version((1, ""), (2, c), (3, a)), 4, "ours, though theirs counted further");
    assert_eq!(version((1, ""), (2, a), (1, b)), 3, "a writer that did not count");
    assert_eq!(version((1, ""), (2, a), (2, a)), 2, "a duplicate");
    assert_eq!(version((1, r#""a":0"#), (2, a), (2, r#""a":2"#)), 3, "a conflict");
    // No version is newer than the last one.
    let last = (1 << 53) - 1;
    let merged = merge(&with(1, 0, ""), with(last, 0, a), &with(last, 0, b), &MergePolicy::state());
    assert_eq!(merged.conflicts[0].pointer, "/state_version");
    // Only the metadata differ: the same version.
    let about = |source: &str| format!(r#""a":1,"metadata":{{"last_update_source":"{source}"}}"#);
    let states = [with(1, 0, ""), with(2, 5, &about("hub")), with(2, 6, &about("worker"))];
    let [base, ours, theirs] = states;
    let merged = merge(&base, ours, &theirs, &MergePolicy::state());
    assert!(
        text(&merged.value).contains(r#""state_version":2,"timestamp":"2025-01-15T12:00:06Z""#)
    );
    assert!(text(&merged.value).contains("worker"));
}

#[test]
fn strategies_settle_the_rest() {
    let (base, ours, theirs) = (
        agent("a1", r#","x":1,"progress":1"#),
        agent("a1", r#","x":2,"progress":2"#),
        agent("a1", r#","x":3,"progress":3"#),
    );
    let by =
        |strategy| merged_by(&MergePolicy::state().with_strategy(strategy), &base, &ours, &theirs);
    assert_eq!(by(Strategy::Ours), (agent("a1", r#","progress":3,"x":2"#), vec![]));
    assert_eq!(by(Strategy::Theirs), (agent("a1", r#","progress":3,"x":3"#), vec![]));
    let (members, conflicts) = by(Strategy::Merge);
    assert_eq!((members, conflicts.len()), (agent("a1", r#","progress":3,"x":2"#), 1));
    let (members, conflicts) = by(Strategy::Manual);
    assert_eq!(members, agent("a1", r#","progress":2,"x":2"#));
    assert_eq!(
        conflicts,
        [
            r#"/timestamp: base "2025-01-15T12:00:00Z", ours "2025-01-15T12:00:09Z", theirs "2025-01-15T12:00:05Z" (latest: both sides changed it)"#,
            "/agent_states/a1/progress: base 1, ours 2, theirs 3 (highest: both sides changed it)",
            "/agent_states/a1/x: base 1, ours 2, theirs 3 (members: both sides changed it)",
        ]
    );
}

#[test]
fn conflicts_are_resolved_one_by_one() {
    let base =
        with(1, 0, r#""agent_states":{"a1":{"status":"idle"},"a2":{"status":"idle"}},"x":1,"y":1"#);
    let ours = with(2, 1, r#""agent_states":{"a1":{"status":"failed"}},"x":2"#);
    let theirs = with(
        2,
        1,
        r#""agent_states":{"a1":{"status":"active"},"a2":{"status":"active"}},"x":3,"y":2"#,
    );
    let merged = merge(&base, ours, &theirs, &MergePolicy::state());
    let rows: Vec<String> =
        merged.conflicts.iter().map(|c| serde_json::to_string(c).unwrap()).collect();
    assert_eq!(
        rows,
        [
            r#"{"pointer":"/agent_states/a1/status","base":"idle","ours":"failed","theirs":"active","rule":"newer","cause":"same-time"}"#,
            r#"{"pointer":"/agent_states/a2","base":{"status":"idle"},"theirs":{"status":"active"},"rule":"members","cause":"removed"}"#,
            r#"{"pointer":"/x","base":1,"ours":2,"theirs":3,"rule":"members","cause":"undecided"}"#,
            r#"{"pointer":"/y","base":1,"theirs":2,"rule":"members","cause":"removed"}"#,
        ]
    );
    let mut settled = merged.clone();
    settled.resolve("/agent_states/a1/status", &ConflictChoice::Ours).unwrap();
    settled.resolve("/agent_states/a2", &ConflictChoice::Theirs).unwrap();
    settled.resolve("/x", &ConflictChoice::Value(Json::from(4))).unwrap();
    settled.resolve("/y", &ConflictChoice::Base).unwrap();
    assert!(settled.is_clean());
    assert_eq!(
        text(&settled.value),
        r#"{"workflow_id":"wf_1","state_version":3,"timestamp":"2025-01-15T12:00:01Z","agent_states":{"a1":{"status":"failed"},"a2":{"status":"active"}},"x":4,"y":1}"#
    );
    let mut settled = merged.clone();
    settled.resolve("/x", &ConflictChoice::Nothing).unwrap();
    assert!(!text(&settled.value).contains("\"x\""));
    // What cannot be done changes nothing.
    let unknown = settled.resolve("/x", &ConflictChoice::Ours).unwrap_err();
    assert_eq!(unknown.to_string(), "there is no conflict at `/x`");
    let before = settled.clone();
    let unfit =
        settled.resolve("/agent_states/a2", &ConflictChoice::Value(Json::from(1))).unwrap_err();
    assert_eq!(
        unfit.to_string(),
        "the document cannot hold that at `/agent_states/a2`: expected an object, found number 1 (`wrong-kind` at /agent_states/a2, byte 121)"
    );
    assert_eq!(settled, before);
    assert!(!unfit.problem().suggestions.is_empty());
}

/// Documents without any member to speak of.
#[test]
fn any_document_merges() {
    let empty = MergePolicy::empty();
    assert_eq!(json("1", "1", "2", &empty).value.as_str(), "2");
    assert_eq!(json("[1]", "[2]", "[1.0]", &empty).value.as_str(), "[2]");
    assert_eq!(json(" {} ", "{ \"a\" : 1 }", "{}", &empty).value.as_str(), r#"{"a":1}"#);
    let merged = json("1", "2", "3", &empty);
    assert_eq!(merged.value.as_str(), "2");
    assert_eq!(
        merged.conflicts[0].to_string(),
        "the document: base 1, ours 2, theirs 3 (members: both sides changed it)"
    );
    // A value became an object on both sides.
    let merged = json("1", r#"{"a":1}"#, r#"{"b":{"c":[]}}"#, &empty);
    assert_eq!(merged.value.as_str(), r#"{"a":1,"b":{"c":[]}}"#);
    // Keys that are escaped, empty, or look like pointers.
    let merged =
        json(r#"{"":1,"\u0061":1}"#, r#"{"a":2,"":1}"#, r#"{"":3,"a":1,"b\"/":1}"#, &empty);
    assert_eq!(merged.value.as_str(), r#"{"a":2,"":3,"b\"/":1}"#);
    // Sets of anything.
    let set = MergePolicy::empty().with_row(Row::new("", MergeRule::Union).unwrap());
    let merged = json(
        r#"[1,{"a":1,"b":2}]"#,
        r#"[1.0,{"b":2,"a":1},"x"]"#,
        r#"[{"a":1,"b":2.0},[0]]"#,
        &set,
    );
    assert_eq!(merged.value.as_str(), r#"[{"a":1,"b":2},"x",[0]]"#);
}

#[test]
fn broken_documents_are_refused() {
    let empty = MergePolicy::empty();
    let refused = |base: &str, ours: &str, theirs: &str, limits: &Limits| {
        merge_json(base, ours, theirs, &empty, limits).unwrap_err().to_string()
    };
    assert_eq!(
        refused("{", "{}", "{}", &WIDE),
        "base is no JSON within the limits: the text ends inside a value at byte 1"
    );
    assert_eq!(
        refused("{}", r#"{"a":1,"a":2}"#, "{}", &WIDE),
        "ours is no JSON within the limits: duplicate key at byte 7"
    );
    assert_eq!(
        refused("{}", "{}", "[[1]]", &Limits::DEFAULT.with_depth(1)),
        "theirs is no JSON within the limits: nested deeper than the limit at byte 1"
    );
    let error = merge_json("", "{}", "{}", &empty, &WIDE).unwrap_err();
    assert!(!error.problem().suggestions.is_empty());
    let error = diff("{}", "x", &WIDE).unwrap_err();
    assert!(matches!(error, MergeError::Json { side: "after", .. }));
}

/// As many keys as one likes, in the worst order, and as deep as the limit: no key is compared with
/// all others, and no level is walked for each level.
#[test]
fn hostile_documents_merge_in_time() {
    let count = 20_000;
    let object = |order: &mut dyn Iterator<Item = usize>, value: &str| {
        let members: Vec<String> = order.map(|at| format!(r#""k{at}":{value}"#)).collect();
        format!("{{{}}}", members.join(","))
    };
    let base = object(&mut (0..count), "1");
    let ours = object(&mut (0..count).rev(), "2");
    let theirs = object(&mut (0..count).map(|at| at * 7_919 % count), "3");
    let policy = MergePolicy::empty().with_row(Row::new("/*", MergeRule::Highest).unwrap());
    let merged = json(&base, &ours, &theirs, &policy);
    assert!(merged.is_clean());
    assert_eq!(form(merged.value.as_str()), form(&theirs));
    assert_eq!(json(&base, &ours, &theirs, &MergePolicy::empty()).conflicts.len(), count);

    // Equal but for the innermost value.
    let deep = |value: &str| {
        let open = r#"{"a":{"b":[1,2,3]},"x":"#.repeat(500);
        format!("{open}{value}{}", "}".repeat(500))
    };
    let limits = WIDE.with_depth(512);
    let merged =
        merge_json(&deep("1"), &deep("2"), &deep("3"), &MergePolicy::empty(), &limits).unwrap();
    assert_eq!(merged.conflicts.len(), 1);
    assert_eq!(merged.conflicts[0].pointer, "/x".repeat(500));
    assert_eq!(merged.value.as_str(), deep("2"));
    assert_eq!(diff(&deep("1"), &deep("2"), &limits).unwrap().len(), 1);
}

#[test]
fn relations_are_told_apart() {
    let known = with(15, 0, r#""x":1"#);
    for (version, members, expected, words) in [
        (14, "", Relation::Older { behind: 1 }, "older by 1"),
        (16, "", Relation::Newer { gap: 0 }, "the next version"),
        (18, "", Relation::Newer { gap: 2 }, "newer, 2 missing between"),
        (15, r#""x":1.0"#, Relation::Duplicate, "a duplicate"),
        (15, r#""x":2"#, Relation::Fork, "a fork: the same version with other content"),
        (
            15,
            r#""x":12345678901234567890123"#,
            Relation::Unknown,
            "the same version; its content cannot be compared",
        ),
    ] {
        let told = relation(&known, &with(version, 7, members));
        assert_eq!((told, told.to_string().as_str()), (expected, words));
        assert_eq!(told.is_conflict(), matches!(told, Relation::Fork | Relation::Unknown));
    }
    let words = [
        Relation::Older { behind: 1 },
        Relation::Newer { gap: 0 },
        Relation::Newer { gap: 1 },
        Relation::Duplicate,
        Relation::Fork,
        Relation::Unknown,
        Relation::Unrelated,
    ]
    .map(Relation::as_str);
    assert_eq!(words, ["older", "newer", "gap", "duplicate", "fork", "unknown", "unrelated"]);
    let mut other = known.clone();
    other.workflow_id = coordination_protocol::scalar::WorkflowId::new("wf_2").unwrap();
    assert_eq!(relation(&known, &other), Relation::Unrelated);
    assert_eq!(Relation::Unrelated.to_string(), "of another workflow");
    // The extremes, and digests from a store.
    assert_eq!(relation_by(0, u64::MAX, || None), Relation::Newer { gap: u64::MAX - 1 });
    assert_eq!(relation_by(u64::MAX, 0, || None), Relation::Older { behind: u64::MAX });
    let metadata = with(15, 9, r#""x":1,"metadata":{"conflict_detected":true}"#);
    assert_eq!(content_digest(&known), content_digest(&metadata));
    assert_eq!(relation(&known, &metadata), Relation::Duplicate);
}

#[test]
fn agreement_follows_its_formula() {
    let told = |peers: &[Option<Relation>], unsettled| {
        let told = agreement(peers.iter().copied(), unsettled);
        (told.confidence.to_string(), told.conflict_detected)
    };
    assert_eq!(told(&[], 0), ("1".to_owned(), false));
    assert_eq!(told(&[None], 0), ("0.5".to_owned(), false));
    let all = [Some(Relation::Duplicate), Some(Relation::Newer { gap: 0 })];
    assert_eq!(told(&all, 0), ("0.8333".to_owned(), false));
    assert_eq!(told(&[Some(Relation::Older { behind: 3 })], 0), ("0.625".to_owned(), false));
    assert_eq!(told(&[Some(Relation::Newer { gap: u64::MAX - 1 })], 0), ("0.5".to_owned(), false));
    assert_eq!(told(&[Some(Relation::Fork)], 0), ("0.5".to_owned(), true));
    assert_eq!(told(&[Some(Relation::Duplicate)], 1), ("1".to_owned(), true));
}
