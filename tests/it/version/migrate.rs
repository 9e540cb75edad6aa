//! Migrations: the law of losses, the exact lists, paths, adapters.

use crate::support::{Drawn, Quotes, Rng, Tree, any_value, scaled, write_object};
use coordination_protocol::ProtocolVersion;
use coordination_protocol::event::{Codec, REGISTRY, Registry};
use coordination_protocol::finding::{Code, Mode};
use coordination_protocol::json::Limits;
use coordination_protocol::message::MessageKind;
use coordination_protocol::version::{
    Adapter, AdditionKind, Loss, Migrated, Migrator, Step, VersionError, additions, migrate,
};
use serde_json::Value;
use std::collections::BTreeSet;

const OLD: ProtocolVersion = ProtocolVersion::V1_0_0;
const NEW: ProtocolVersion = ProtocolVersion::V1_1_0;

fn fixtures() -> impl Iterator<Item = &'static str> {
    include_str!("old.jsonl").lines().chain(include_str!("new.jsonl").lines())
}

fn lossy() -> Migrator {
    Migrator::new().with_allow_loss(true)
}

fn pointers(losses: &[Loss]) -> Vec<&str> {
    losses.iter().map(|loss| loss.pointer.as_str()).collect()
}

/// The law: no losses, then the way back restores the original.
fn holds_the_law(record: &str, context: &str) {
    for (from, to) in [(OLD, NEW), (NEW, OLD)] {
        let there = lossy().migrate(record, &from, &to).unwrap();
        if there.losses.is_empty() {
            let value = there.value.expect("a dropped record is a loss");
            let back = migrate(&value, &to, &from).unwrap();
            assert_eq!(back.value.as_deref(), Some(record), "{context}");
        }
        // Migrating what was migrated changes nothing more.
        let there = lossy().migrate(record, &from, &to).unwrap();
        if let Some(value) = &there.value {
            let again = lossy().migrate(value, &from, &to).unwrap();
            assert_eq!(again.value.as_ref(), Some(value), "{context}");
            assert!(to == NEW || again.losses.is_empty(), "{context}: {:?}", again.losses);
        }
    }
}

#[test]
fn old_records_pass_up_and_down_untouched() {
    for record in include_str!("old.jsonl").lines() {
        for (from, to) in [(OLD, NEW), (NEW, OLD), (OLD, OLD)] {
            assert_eq!(migrate(record, &from, &to).unwrap(), Migrated::new(record));
        }
        holds_the_law(record, record);
    }
}

#[test]
#[allow(clippy::too_many_lines, reason = "a table")]
fn new_records_lose_exactly_what_the_old_version_lacks() {
    let header = [
        "/protocol_version",
        "/message_id",
        "/timestamp",
        "/source",
        "/causation_id",
        "/priority",
        "/ttl_seconds",
        "/signature",
    ];
    let expected: &[(&[&str], Option<&str>)] = &[
        (
            &header,
            Some(concat!(
                r#"{"correlation_id":"corr_1","request_id":"req_1","response_to":"req_0","#,
                r#""response_required":true,"routing_key":"a.b.c","#,
                r#""health_status":{"component_id":"hub","status":"healthy"}}"#
            )),
        ),
        (
            &["/checkpoint_sync/state_version"],
            Some(r#"{"checkpoint_sync":{"checkpoint_id":"ckpt_1","checkpoint_type":"manual"}}"#),
        ),
        (
            &["/priority", "/checkpoint_sync/state_version", "/ttl_seconds"],
            Some(r#"{ "checkpoint_sync": { "checkpoint_id": "ckpt_1" } }"#),
        ),
        (
            &[
                "/workflow_state/epoch",
                "/workflow_state/restored_version",
                "/workflow_state/metadata/ancestors",
            ],
            Some(concat!(
                r#"{"workflow_state":{"workflow_id":"wf_001","state_version":2,"#,
                r#""metadata":{"conflict_detected":false}}}"#
            )),
        ),
        (
            &["/component_registration/instance"],
            Some(r#"{"component_registration":{"component_id":"hub","component_type":"hub"}}"#),
        ),
        (
            &["/health_status/instance"],
            Some(r#"{"health_status":{"component_id":"hub","status":"healthy"}}"#),
        ),
        (
            &["/allocation_request/resources/shared_files"],
            Some(concat!(
                r#"{"allocation_request":{"request_id":"r","workflow_id":"wf_001","#,
                r#""resources":{"agents":1}}}"#
            )),
        ),
        (
            &[
                "/allocation_response/allocated_resources/shared_files",
                "/allocation_response/allocated_resources/fence",
                "/allocation_response/position",
                "/allocation_response/earliest_start",
                "/allocation_response/latest_start",
                "/allocation_response/blocked_by",
                "/allocation_response/smallest_changes",
            ],
            Some(concat!(
                r#"{"allocation_response":{"response_id":"s","request_id":"r","status":"approved","#,
                r#""allocated_resources":{"allocation_id":"a","agents":1}}}"#
            )),
        ),
        (&["/event/event_type"], None),
        (&["/hello"], None),
        (&["/welcome"], None),
        (&["/release"], None),
        (&["/conflict_check"], None),
        (&["/rollback"], None),
        (&["/heartbeat"], None),
        (&["/subscription"], None),
        (&["/dead_letter"], None),
        (&["/proposal"], None),
        (&["/vote"], None),
        (&["/decision"], None),
        (&["/deregistration"], None),
        (&[""], None),
        (&[""], None),
        (&[""], None),
        (&[""], None),
        (&[""], None),
    ];
    let records: Vec<_> = include_str!("new.jsonl").lines().collect();
    assert_eq!(records.len(), expected.len());
    for (record, (lost, value)) in records.iter().zip(expected) {
        let down = lossy().migrate(record, &NEW, &OLD).unwrap();
        assert_eq!((pointers(&down.losses), down.value.as_deref()), (lost.to_vec(), *value));
        assert_eq!(down.changes, []);
        match migrate(record, &NEW, &OLD) {
            Ok(strict) => assert_eq!(strict, down),
            Err(error) => {
                assert_eq!(*value, None);
                assert_eq!(error, VersionError::RequiredLoss { losses: down.losses });
            }
        }
        holds_the_law(record, record);
    }
}

/// Everything that the tables say is new stands in the fixtures, so that none is forgotten.
#[test]
fn the_fixtures_show_every_addition() {
    let text = include_str!("new.jsonl");
    for addition in additions().into_iter().filter(|addition| addition.since > OLD) {
        let name = addition.name.rsplit('/').next().unwrap();
        let shown = match addition.kind {
            AdditionKind::EventType => text.contains(&format!("\n{name}:")),
            _ => text.contains(&format!("\"{name}\":")),
        };
        assert!(shown, "{addition}");
    }
    assert_eq!(
        additions().into_iter().filter(|addition| addition.since > OLD).count(),
        5 + 12 + 8 + 2 + 2 + 2 + 8
    );
    let old = additions().into_iter().filter(|addition| addition.since == OLD);
    assert_eq!(old.count(), 33 + 9 + 5);
}

#[test]
fn losses_are_sentences() {
    let sentence = |record: &str, from: &ProtocolVersion, to: &ProtocolVersion| {
        lossy().migrate(record, from, to).unwrap().losses[0].to_string()
    };
    assert_eq!(
        sentence(r#"{"priority":"low","health_status":{}}"#, &NEW, &OLD),
        "/priority: the header key `priority` is lost: protocol 1.0.0 does not have it"
    );
    assert_eq!(
        sentence(r#"{"checkpoint_sync":{"state_version":3}}"#, &NEW, &OLD),
        "/checkpoint_sync/state_version: the field `checkpoint_sync/state_version` is lost: \
         protocol 1.0.0 does not have it"
    );
    assert_eq!(
        sentence(r#"{"checkpoint_sync":{"state_version":3}}"#, &OLD, &NEW),
        "/checkpoint_sync/state_version: the free meaning of `state_version` is lost: protocol \
         1.1.0 gives it one"
    );
    assert_eq!(
        migrate("CHECKPOINT_CREATED:w:p:{}", &NEW, &OLD).unwrap_err().to_string(),
        "required data would be lost: the event type `CHECKPOINT_CREATED` is lost: protocol 1.0.0 \
         does not have it"
    );
    assert_eq!(
        migrate(r#"{"hello":{}}"#, &NEW, &OLD).unwrap_err().to_string(),
        "required data would be lost: /hello: the message `hello` is lost: protocol 1.0.0 does \
         not have it"
    );
}

/// A record in the old version may use a name that the new one takes for itself.
#[test]
fn going_up_tells_which_names_gain_a_meaning() {
    let record = r#"{"protocol_version":"1.0.0","priority":9,"health_status":{}}"#;
    let up = migrate(record, &OLD, &NEW).unwrap();
    assert_eq!(pointers(&up.losses), ["/protocol_version", "/priority"]);
    assert!(up.losses.iter().all(|loss| !loss.required));
    let value = r#"{"protocol_version":"1.1.0","priority":9,"health_status":{}}"#;
    assert_eq!(up.value.as_deref(), Some(value), "the record says what it now is");
    let line = "CHECKPOINT_CREATED:w:p:{'mine':1}";
    let up = migrate(line, &OLD, &NEW).unwrap();
    assert_eq!((up.value.as_deref(), up.losses.len()), (Some(line), 1));
}

const KEYS: &[&str] = &[
    "priority",
    "message_id",
    "signature",
    "protocol_version",
    "correlation_id",
    "routing_key",
    "x-extra",
    "schlüssel",
    "a/b~c",
    "",
    "health_status",
    "checkpoint_sync",
    "event",
    "hello",
    "component_config",
    "data",
];

/// A document whose keys may or may not mean something, and which of its pointers are new.
fn any_document(rng: &mut Rng) -> (Vec<(String, Tree)>, Vec<String>, bool) {
    let mut entries: Vec<(String, Tree)> = Vec::new();
    for _ in 0..rng.below(6) {
        let key = rng.pick(KEYS);
        if entries.iter().any(|(known, _)| known == key) {
            continue;
        }
        let value = match key {
            "checkpoint_sync" if !rng.one_in(4) => {
                let mut inner = vec![("checkpoint_id".to_owned(), Tree::text("c"))];
                if rng.one_in(2) {
                    let at = rng.below(2);
                    inner.insert(at, ("state_version".to_owned(), any_value(rng, 2)));
                }
                Tree::Object(inner)
            }
            "event" if !rng.one_in(4) => {
                let spec = &REGISTRY[rng.below(REGISTRY.len())];
                let name = if rng.one_in(2) { spec.event_type.as_str() } else { "UNKNOWN" };
                Tree::Object(vec![("event_type".to_owned(), Tree::text(name))])
            }
            _ => any_value(rng, 3),
        };
        entries.push((key.to_owned(), value));
    }
    let body = |key: &str| {
        ["health_status", "checkpoint_sync", "event", "hello", "component_config"].contains(&key)
    };
    let mut new = Vec::new();
    let mut whole = false;
    if entries.iter().any(|(key, _)| body(key)) {
        for (key, value) in &entries {
            let inner = match value {
                Tree::Object(inner) => inner.as_slice(),
                _ => &[],
            };
            match key.as_str() {
                "priority" | "message_id" | "signature" | "protocol_version" => {
                    new.push(format!("/{key}"));
                }
                "hello" => {
                    whole = true;
                    new.push("/hello".to_owned());
                }
                "checkpoint_sync" if inner.iter().any(|(key, _)| key == "state_version") => {
                    new.push("/checkpoint_sync/state_version".to_owned());
                }
                "event" => {
                    let late = inner.iter().any(|(_, value)| {
                        matches!(value, Tree::Text(name) if REGISTRY
                            .iter()
                            .any(|spec| spec.event_type.as_str() == name && spec.since == NEW))
                    });
                    if late {
                        whole = true;
                        new.push("/event/event_type".to_owned());
                    }
                }
                _ => {}
            }
        }
    }
    (entries, new, whole)
}

/// The entries without what is new.
fn reduced(entries: &[(String, Tree)], new: &[String]) -> Vec<(String, Tree)> {
    let kept = entries.iter().filter(|(key, _)| !new.contains(&format!("/{key}")));
    kept.map(|(key, value)| match value {
        Tree::Object(inner) if key == "checkpoint_sync" => {
            let inner = inner.iter().filter(|(name, _)| name != "state_version");
            (key.clone(), Tree::Object(inner.cloned().collect()))
        }
        other => (key.clone(), other.clone()),
    })
    .collect()
}

/// The object with white space wherever it may stand.
fn spaced(rng: &mut Rng, json: &str) -> String {
    let value: Value = serde_json::from_str(json).unwrap();
    let pretty = serde_json::to_string_pretty(&value).unwrap();
    if rng.one_in(2) { format!(" \r{pretty}\t") } else { format!("\u{feff}{pretty}") }
}

#[test]
fn documents_lose_what_the_oracle_says_and_nothing_else() {
    let (mut dropped, mut cut, mut same) = (0, 0, 0);
    for case in 0..scaled(6_000) {
        let rng = &mut Rng::new(case as u64 + 5);
        let (entries, new, whole) = any_document(rng);
        let mut record = String::new();
        write_object(&entries, Quotes::Double, &mut record);
        let down = lossy().migrate(&record, &NEW, &OLD).unwrap();
        if whole {
            dropped += 1;
            assert_eq!(down.value, None, "case {case}: {record}");
            assert_eq!(down.losses.len(), 1);
            assert!(down.losses[0].required && new.contains(&down.losses[0].pointer));
            assert!(matches!(migrate(&record, &NEW, &OLD), Err(VersionError::RequiredLoss { .. })));
        } else {
            assert_eq!(pointers(&down.losses), new, "case {case}: {record}");
            let mut expected = String::new();
            write_object(&reduced(&entries, &new), Quotes::Double, &mut expected);
            assert_eq!(down.value.as_deref(), Some(expected.as_str()), "case {case}: {record}");
            if new.is_empty() { same += 1 } else { cut += 1 }
        }
        let up = migrate(&record, &OLD, &NEW).unwrap();
        assert_eq!(pointers(&up.losses), new, "case {case}: the same names gain a meaning");
        holds_the_law(&record, &format!("case {case}: {record}"));

        // White space changes where things stand, and not what they are.
        let loose = spaced(rng, &record);
        let down_loose = lossy().migrate(&loose, &NEW, &OLD).unwrap();
        let mut sorted = (pointers(&down.losses), pointers(&down_loose.losses));
        sorted.0.sort_unstable();
        sorted.1.sort_unstable();
        assert!(whole || sorted.0 == sorted.1, "case {case}: {loose}");
        if let (Some(loose), Some(tight)) = (down_loose.value, down.value) {
            let read = |text: &str| {
                serde_json::from_str::<Value>(text.trim_start_matches('\u{feff}').trim()).unwrap()
            };
            assert_eq!(read(&loose), read(&tight), "case {case}");
        }
        holds_the_law(&loose, &format!("case {case}: {loose}"));
    }
    assert!(
        dropped > scaled(300) && cut > scaled(300) && same > scaled(300),
        "{dropped} {cut} {same}"
    );
}

#[test]
fn a_strict_old_reader_accepts_every_line_that_was_written_for_it() {
    let old = Codec::new(Mode::Strict).with_registry(Registry::new(OLD));
    let (mut kept, mut gone) = (0, 0);
    for case in 0..scaled(4_000) {
        let drawn = Drawn::new(case);
        let line = drawn.line();
        let down = lossy().migrate(&line, &NEW, &OLD).unwrap();
        assert_eq!(down.value.is_some(), drawn.spec.since == OLD, "case {case}");
        if let Some(value) = down.value {
            kept += 1;
            assert_eq!(value, line);
            old.parse(&value).unwrap_or_else(|error| panic!("case {case}: {error}"));
        } else {
            gone += 1;
            assert!(old.check(&line).report.has(Code::UnknownEventType));
        }
        holds_the_law(&line, &format!("case {case}"));
    }
    assert!(kept > gone && gone > 0);
}

/// Every document of the specification, in a full envelope, with the new field where it has one.
#[test]
fn a_strict_old_reader_accepts_every_message_that_was_written_for_it() {
    let old = Codec::new(Mode::Strict).with_registry(Registry::new(OLD));
    let header = concat!(
        r#""protocol_version":"1.1.0","message_id":"msg_1","source":"hub","priority":"high","#,
        r#""correlation_id":"corr_1","ttl_seconds":60,"#
    );
    let mut seen = 0;
    for (name, text) in crate::message::examples() {
        seen += 1;
        // An old message stays what it is, and both versions accept it.
        for reader in [&old, &Codec::new(Mode::Strict)] {
            let record = reader.check_message(&text);
            assert!(record.value.is_some(), "{name}: {:?}", record.report);
        }
        assert_eq!(migrate(&text, &OLD, &NEW), Ok(Migrated::new(&text)), "{name}");
        holds_the_law(&text, &name);

        let mut new = text.replacen('{', &format!("{{{header}"), 1);
        if name == "checkpoint_sync" {
            new = new.replacen("\"checkpoint_id\"", "\"state_version\":7,\"checkpoint_id\"", 1);
        }
        let down = migrate(&new, &NEW, &OLD).unwrap();
        let kept = text.replacen('{', r#"{"correlation_id":"corr_1","#, 1);
        assert_eq!(down.value.as_deref(), Some(kept.as_str()), "{name}");
        assert_eq!(down.losses.len(), 5 + usize::from(name == "checkpoint_sync"), "{name}");
        assert!(old.check_message(&kept).report.is_empty(), "{name}");
        holds_the_law(&new, &name);
    }
    assert_eq!(seen, 8);
    for kind in MessageKind::KNOWN.iter().filter(|kind| kind.is_extension()) {
        let message = format!("{{\"{kind}\":{{}}}}");
        assert!(old.check_message(&message).report.has(Code::NoBody), "{kind}");
        assert!(migrate(&message, &NEW, &OLD).is_err(), "{kind}");
    }
}

/// What an adapter wrote is in no dialect any more.
#[test]
fn readers_find_no_dialect_in_what_adapters_wrote() {
    let all =
        Adapter::ALL.iter().fold(Migrator::new(), |with, adapter| with.with_adapter(*adapter));
    let interop = Codec::new(Mode::Interop);
    for record in [
        r#"{"event_type":"phase.progress","workflow_id":"w","phase":"p","timestamp":"2025-01-15T12:00:00Z","source_command":"orchestrate","event_id":"e1","data":{"completed_tasks":3},"metadata":{}}"#,
        r#"{"event_type":"system.startup","workflow_context":"w","payload":{},"timestamp":"2025-01-15T12:00:00Z"}"#,
        r#"{"category":"RESOURCE","severity":"HIGH","message":"killed","timestamp":"2025-01-15T12:00:00Z"}"#,
    ] {
        let dialect = [Code::FlatEvent, Code::FieldAlias, Code::UnknownEventType, Code::NoBody];
        let before = interop.check_message(record).report;
        assert!(dialect.iter().any(|code| before.has(*code)), "{record}: {before:?}");
        let adapted = all.migrate(record, &NEW, &NEW).unwrap().value.unwrap();
        let after = interop.check_message(&adapted).report;
        assert!(!dialect.iter().any(|code| after.has(*code)), "{adapted}: {after:?}");
        assert!(!after.has(Code::UnknownWord), "{adapted}: {after:?}");
    }
}

#[test]
fn records_that_are_none_are_refused() {
    for (record, message) in [
        (
            "",
            "neither a JSON object nor an event line: this is not an event line: it is empty (`not-an-event` at byte 0)",
        ),
        (
            "[1]",
            "neither a JSON object nor an event line: this is not an event line: it is a JSON text (`not-an-event` at byte 0); this looks like a JSON document; this check reads event lines",
        ),
        (
            "A::p:{}",
            "neither a JSON object nor an event line: the workflow is not an identifier: an identifier cannot be empty (`bad-identifier` at byte 2)",
        ),
        (r#" {"a":}"#, "broken JSON: expected a value at byte 6"),
        ("{\"a\":1,\"a\":2}", "broken JSON: duplicate key at byte 7"),
        ("{} {}", "broken JSON: text after the end of the value at byte 3"),
    ] {
        for to in [OLD, NEW] {
            assert_eq!(migrate(record, &OLD, &to).unwrap_err().to_string(), message, "{record}");
        }
    }
    let small = Migrator::new().with_limits(Limits::DEFAULT.with_bytes(8));
    let error = small.migrate(r#"{"event":{}}"#, &OLD, &NEW).unwrap_err();
    assert_eq!(error.to_string(), "broken JSON: longer than the limit at byte 8");
    let away = ProtocolVersion::new(3, 0, 0);
    let error = migrate("A:b:c:{}", &OLD, &away).unwrap_err();
    assert_eq!(error.to_string(), "no steps lead from 1.0.0 to 3.0.0");
    assert!(migrate("A:b:c:{}", &away, &away).is_ok(), "no steps are needed");
}

#[test]
fn hostile_records_are_refused_or_migrated_and_nothing_else() {
    for case in 0..scaled(8_000) {
        let rng = &mut Rng::new(case as u64 + 9);
        let fixtures: Vec<&str> = fixtures().collect();
        let mut bytes = rng.pick(&fixtures).as_bytes().to_vec();
        crate::support::mutate(rng, &mut bytes);
        let Ok(text) = std::str::from_utf8(&bytes) else { continue };
        let all = Adapter::ALL.iter().fold(lossy(), |with, adapter| with.with_adapter(*adapter));
        for (from, to) in [(OLD, NEW), (NEW, OLD)] {
            if lossy().migrate(text, &from, &to).is_ok() {
                holds_the_law(text, &format!("case {case}: {text}"));
            }
            if let Ok(done) = all.migrate(text, &from, &to) {
                assert!(done.value.is_some() || done.losses.iter().any(|loss| loss.required));
                if let Some(value) = &done.value {
                    assert!(migrate(value, &to, &to).is_ok(), "case {case}: {text} gives {value}");
                }
            }
        }
    }
}

fn at(number: usize) -> ProtocolVersion {
    ProtocolVersion::new(10 + number as u64, 0, 0)
}

/// Paths against Floyd and Warshall.
#[allow(clippy::needless_range_loop, reason = "the algorithm is about indices")]
#[test]
fn steps_compose_along_the_shortest_path() {
    for case in 0..scaled(300) {
        let rng = &mut Rng::new(case as u64 + 3);
        let count = 2 + rng.below(6);
        let mut distance = vec![vec![usize::MAX; count]; count];
        let mut migrator = Migrator::new();
        for (number, row) in distance.iter_mut().enumerate() {
            row[number] = 0;
        }
        for _ in 0..rng.below(2 * count) {
            let (a, b) = (rng.below(count), rng.below(count));
            distance[a][b] = distance[a][b].min(1);
            let mark = |record: &str| Ok(Migrated::new(record.replacen('{', "{ ", 1)));
            migrator = migrator.with_step(Step::new(at(a), at(b), mark));
        }
        for middle in 0..count {
            for a in 0..count {
                for b in 0..count {
                    let through = distance[a][middle].saturating_add(distance[middle][b]);
                    distance[a][b] = distance[a][b].min(through);
                }
            }
        }
        for a in 0..count {
            for b in 0..count {
                let path = migrator.path(&at(a), &at(b));
                let line = "A:b:c:{}";
                let migrated = migrator.migrate(line, &at(a), &at(b));
                if distance[a][b] == usize::MAX {
                    assert_eq!(path, None, "case {case}");
                    assert_eq!(migrated, Err(VersionError::NoPath { from: at(a), to: at(b) }));
                } else {
                    let steps = distance[a][b];
                    let value = migrated.unwrap().value.unwrap();
                    assert_eq!(value.len(), line.len() + steps, "case {case}");
                    assert_eq!(path.map(|path| path.len()), Some(steps + 1));
                }
            }
        }
    }
}

/// A version of the future: a field is renamed both ways, one value cannot be expressed.
#[test]
fn steps_of_the_caller_join_the_standard_ones() {
    let future = ProtocolVersion::new(2, 0, 0);
    let up = Step::new(NEW, future.clone(), |record: &str| {
        Ok(Migrated::new(record.replace("\"uptime\"", "\"up\"")))
    });
    let down = Step::new(future.clone(), NEW, |record: &str| {
        if record.contains("\"up\":null") {
            return Err("`up` is null".to_owned());
        }
        let loss =
            record.contains("\"mood\"").then(|| Loss::new("/mood", "`mood`", "1.1.0 has none"));
        let down = Migrated::new(record.replace("\"up\"", "\"uptime\"").replace(",\"mood\":1", ""));
        Ok(match loss {
            Some(loss) => down.with_loss(loss.required()),
            None => down,
        })
    });
    let migrator = Migrator::new().with_step(up).with_step(down);
    let old = r#"{"health_status":{"uptime":"2h"}}"#;
    let there = migrator.migrate(old, &OLD, &future).unwrap();
    assert_eq!(there.value.as_deref(), Some(r#"{"health_status":{"up":"2h"}}"#));
    let back = migrator.migrate(there.value.as_deref().unwrap(), &future, &OLD).unwrap();
    assert_eq!(back, Migrated::new(old));

    let moody = r#"{"priority":"low","health_status":{"up":"2h"},"mood":1}"#;
    let error = migrator.migrate(moody, &future, &OLD).unwrap_err();
    assert_eq!(
        error.to_string(),
        "required data would be lost: /mood: `mood` is lost: 1.1.0 has none"
    );
    let allowed = migrator.clone().with_allow_loss(true).migrate(moody, &future, &OLD).unwrap();
    assert_eq!(allowed.value.as_deref(), Some(old));
    assert_eq!(pointers(&allowed.losses), ["/mood", "/priority"], "of both steps, in their order");
    let error = migrator.migrate(r#"{"up":null}"#, &future, &OLD).unwrap_err();
    assert_eq!(error.to_string(), "the step from 2.0.0 to 1.1.0 failed: `up` is null");
}

fn adapt(adapter: Adapter, record: &str) -> Migrated {
    Migrator::new().with_adapter(adapter).migrate(record, &OLD, &NEW).unwrap()
}

fn changes(migrated: &Migrated) -> Vec<String> {
    migrated.changes.iter().map(ToString::to_string).collect()
}

#[test]
fn event_names_of_the_field_become_registered_ones() {
    for (record, expected) in [
        ("phase.completed:wf:p:{'x': 1}", Some("PHASE_COMPLETED:wf:p:{'x': 1}")),
        ("phase_completed:wf:p:{}", Some("PHASE_COMPLETED:wf:p:{}")),
        (" Task-Failed:wf:p:{}\r", Some(" TASK_FAILED:wf:p:{}\r")),
        ("resource.insufficient:wf:p:{}", None),
        ("PHASE_COMPLETED:wf:p:{}", None),
        (
            r#"{"event":{"event_type":"checkpoint.created", "x":1.0}}"#,
            Some(r#"{"event":{"event_type":"CHECKPOINT_CREATED", "x":1.0}}"#),
        ),
        (r#"{"event_type": "phase.progress" }"#, Some(r#"{"event_type": "PHASE_PROGRESS" }"#)),
        (r#"{"event_type":"phase.progress","health_status":{}}"#, None),
        (r#"{"event_type":["phase.progress"]}"#, None),
    ] {
        let adapted = adapt(Adapter::EventNames, record);
        assert_eq!(adapted.value.as_deref(), Some(expected.unwrap_or(record)));
        assert_eq!(adapted.changes.len(), usize::from(expected.is_some()), "{record}");
        assert_eq!(adapted.losses, []);
    }
    let adapted = adapt(Adapter::EventNames, r#"{"event_type":"phase.progress"}"#);
    assert_eq!(
        changes(&adapted),
        ["/event_type: the event type `phase.progress` became `PHASE_PROGRESS`"]
    );
    // Every registered type is reached from both spellings.
    for spec in REGISTRY {
        let lower = spec.event_type.as_str().to_ascii_lowercase();
        for name in [lower.replace('_', "."), lower] {
            let adapted = adapt(Adapter::EventNames, &format!("{name}:w:p:{{}}"));
            assert_eq!(adapted.value, Some(format!("{}:w:p:{{}}", spec.event_type)));
        }
    }
}

#[test]
fn flat_events_become_envelopes() {
    let record = r#"{
        "event_id": "evt_1", "event_type": "PHASE_PROGRESS", "workflow_id": "wf_001",
        "phase": "implementation", "timestamp": "2025-01-15T12:00:00Z",
        "source_component": "coordination-hub",
        "message": "PHASE_PROGRESS:wf_001:implementation:{\"progress_percentage\": 42.850}",
        "data": { "progress_percentage" : 42.850 },
        "routing_key": "PHASE_PROGRESS.wf_001.implementation", "priority": "critical",
        "ttl_seconds": 3600, "metadata": {}
    }"#;
    let adapted = adapt(Adapter::FlatEnvelope, record);
    assert_eq!(
        adapted.value.as_deref(),
        Some(concat!(
            r#"{"protocol_version":"1.1.0","message_id":"evt_1","timestamp":"2025-01-15T12:00:00Z","#,
            r#""source":"coordination-hub","priority":"critical","ttl_seconds":3600,"#,
            r#""routing_key":"PHASE_PROGRESS.wf_001.implementation","metadata":{},"#,
            r#""event":{"event_type":"PHASE_PROGRESS","workflow_id":"wf_001","#,
            r#""phase":"implementation","data":{"progress_percentage":42.850}}}"#
        ))
    );
    assert_eq!(adapted.losses, []);
    assert_eq!(
        changes(&adapted),
        [
            "/event_id: became /message_id",
            "/source_component: became /source",
            "/event_type: became /event/event_type",
            "/workflow_id: became /event/workflow_id",
            "/phase: became /event/phase",
            "/data: became /event/data",
            "/message: left out, as it repeats the fields",
        ]
    );
    // Once adapted, it is no longer in the dialect.
    let value = adapted.value.unwrap();
    let again = Migrator::new().with_adapter(Adapter::FlatEnvelope).migrate(&value, &NEW, &NEW);
    assert_eq!(again, Ok(Migrated::new(value)));
}

#[test]
fn what_a_flat_event_lacks_or_contradicts_is_told() {
    let record = r#"{"event_type":"SYSTEM_ERROR","workflow_context":"wf_1","payload":{"a":1},"workflow_id":"wf_2","message":"SYSTEM_ERROR:wf_9:p:{}","source_command":"x","source":"y","protocol_version":"0.9"}"#;
    let adapted = adapt(Adapter::FlatEnvelope, record);
    assert_eq!(
        adapted.value.as_deref(),
        Some(concat!(
            r#"{"protocol_version":"1.1.0","source":"x","workflow_context":"wf_1","#,
            r#""event":{"event_type":"SYSTEM_ERROR","workflow_id":"wf_2","phase":"global","data":{"a":1}}}"#
        ))
    );
    let losses: Vec<_> = adapted.losses.iter().map(ToString::to_string).collect();
    assert_eq!(
        losses,
        [
            "/message: `message` is lost: the envelope has no text form of its event, and this \
             one says otherwise",
            "/source: `source` is lost: the envelope has a `source` of its own",
            "/protocol_version: `protocol_version` is lost: the envelope has a `protocol_version` \
             of its own",
        ]
    );
    assert!(
        changes(&adapted).contains(&"/event/phase is `global`, as the event names none".to_owned())
    );
    let bare = adapt(Adapter::FlatEnvelope, r#"{"event_type":"X"}"#);
    assert_eq!(
        bare.value.as_deref(),
        Some(
            r#"{"protocol_version":"1.1.0","event":{"event_type":"X","workflow_id":"global","phase":"global","data":{}}}"#
        )
    );
    assert_eq!(bare.changes.len(), 4);
    for other in [
        r#"{"event_type":1,"data":{}}"#,
        r#"{"event_type":"X","data":[1]}"#,
        r#"{"event_type":"X","health_status":{}}"#,
        r#"{"operation":"x"}"#,
        "X:a:b:{}",
    ] {
        assert_eq!(adapt(Adapter::FlatEnvelope, other), Migrated::new(other));
    }
}

#[test]
fn error_reports_of_the_field_are_nested() {
    let flat = r#"{"category":"RESOURCE","severity":"HIGH","recovery_strategy":"resource_cleanup","error_code":137,"message":"killed","timestamp":"2025-01-15T12:00:00Z","context":"build"}"#;
    let nested = adapt(Adapter::ErrorReports, flat);
    assert_eq!(
        nested.value.as_deref(),
        Some(concat!(
            r#"{"protocol_version":"1.1.0","error_report":{"timestamp":"2025-01-15T12:00:00Z","#,
            r#""classification":{"category":"resource","severity":"high"},"#,
            r#""context":{"component":"build"},"#,
            r#""details":{"error_code":137,"error_message":"killed"},"#,
            r#""recovery_suggestions":[{"strategy":"resource_cleanup"}]}}"#
        ))
    );
    assert_eq!(nested.losses, []);
    assert_eq!(
        changes(&nested)[..3],
        [
            "/category: became /error_report/classification/category",
            "/category: \"RESOURCE\" became `resource`",
            "/severity: became /error_report/classification/severity",
        ]
    );
    let wrapped = adapt(
        Adapter::ErrorReports,
        r#"{"error_classification":{"category":"DEPENDENCY","severity":"CRITICAL","message":"refused"},"operation_context":{"operation_id":"op_1"},"reported_at":"2025-01-15T12:00:00Z","reporter":"bash"}"#,
    );
    assert_eq!(
        wrapped.value.as_deref(),
        Some(concat!(
            r#"{"protocol_version":"1.1.0","error_report":{"operation_context":{"operation_id":"op_1"},"#,
            r#""timestamp":"2025-01-15T12:00:00Z","reporter":"bash","#,
            r#""classification":{"category":"dependency","severity":"critical"},"#,
            r#""details":{"error_message":"refused"}}}"#
        ))
    );
    assert!(changes(&wrapped).contains(&"/reported_at: became /error_report/timestamp".to_owned()));
    let inside = adapt(
        Adapter::ErrorReports,
        r#"{"source":"hub","error_report":{"error_id":"err_1","category":"STATE","severity":"odd","message":"m"}}"#,
    );
    assert_eq!(
        inside.value.as_deref(),
        Some(concat!(
            r#"{"source":"hub","error_report":{"error_id":"err_1","#,
            r#""classification":{"category":"state","severity":"odd"},"details":{"error_message":"m"}}}"#
        ))
    );
    let words = adapt(
        Adapter::ErrorReports,
        r#"{"error_report": {"classification": {"category": "System", "severity":"LOW","type":"TIMEOUT","scope":"Task","x":1.0}}}"#,
    );
    assert_eq!(
        words.value.as_deref(),
        Some(
            r#"{"error_report": {"classification": {"category": "system", "severity":"low","type":"timeout","scope":"task","x":1.0}}}"#
        )
    );
    assert_eq!(words.changes.len(), 4);
    let unknown =
        r#"{"error_report":{"classification":{"category":"USER_ACTION","severity":"high"}}}"#;
    assert_eq!(adapt(Adapter::ErrorReports, unknown), Migrated::new(unknown), "no known word");
}

#[test]
fn colliding_facts_of_an_error_are_losses() {
    let record = r#"{"error_classification":{"category":"STATE","severity":"LOW","message":"m","context":"hub","recovery_strategy":"s","details":"d"},"context":{"phase":"p"},"recovery_suggestions":[],"category":"x"}"#;
    let adapted = adapt(Adapter::ErrorReports, record);
    assert_eq!(
        pointers(&adapted.losses),
        [
            "/error_classification/details",
            "/error_classification/context",
            "/error_classification/recovery_strategy",
        ]
    );
    assert_eq!(
        adapted.value.as_deref(),
        Some(concat!(
            r#"{"protocol_version":"1.1.0","error_report":{"context":{"phase":"p"},"#,
            r#""recovery_suggestions":[],"category":"x","#,
            r#""classification":{"category":"state","severity":"low"},"details":{"error_message":"m"}}}"#
        ))
    );
}

#[test]
fn adapters_run_together_and_lead_to_any_version() {
    let all =
        Adapter::ALL.iter().fold(Migrator::new(), |with, adapter| with.with_adapter(*adapter));
    let flat = r#"{"event_type":"phase.failed","workflow_id":"wf_1","phase":"p","timestamp":"t","data":{}}"#;
    let down = all.migrate(flat, &OLD, &OLD).unwrap();
    assert_eq!(
        down.value.as_deref(),
        Some(
            r#"{"event":{"event_type":"PHASE_FAILED","workflow_id":"wf_1","phase":"p","data":{}}}"#
        )
    );
    assert_eq!(pointers(&down.losses), ["/protocol_version", "/timestamp"]);
    let away = ProtocolVersion::new(3, 0, 0);
    assert_eq!(
        all.migrate("phase.failed:w:p:{}", &away, &away).unwrap_err().to_string(),
        "no steps lead from 1.1.0 to 3.0.0"
    );
    // What is in no dialect passes every adapter.
    for record in fixtures() {
        assert_eq!(all.migrate(record, &NEW, &NEW).unwrap(), Migrated::new(record));
    }
    let names: BTreeSet<_> = Adapter::ALL.iter().map(|adapter| adapter.to_string()).collect();
    assert_eq!(names.len(), Adapter::ALL.len());
    for adapter in Adapter::ALL {
        assert_eq!(adapter.as_str().parse(), Ok(*adapter));
    }
    assert_eq!(
        "event-name".parse::<Adapter>().unwrap_err().to_string(),
        "`event-name` is none of event-names, flat-envelope, error-reports; did you mean \
         `event-names`?"
    );
    assert_eq!(
        "x".parse::<Adapter>().unwrap_err().to_string(),
        "`x` is none of event-names, flat-envelope, error-reports"
    );
}
