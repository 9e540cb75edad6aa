//! The compatibility matrix, against the rule stated pair by pair.

use crate::support::{Rng, scaled};
use coordination_protocol::ProtocolVersion;
use coordination_protocol::event::{Codec, EventType, Registry};
use coordination_protocol::finding::{Code, Mode};
use coordination_protocol::version::{
    Addition, AdditionKind, Compatibility, Matrix, VERSIONS, additions, migrate,
};
use std::collections::BTreeSet;

#[test]
fn the_current_matrix_reads_as_it_was_reviewed() {
    insta::assert_snapshot!(Matrix::current().to_markdown(), @r"
    | reader \ writer | 1.0.0 | 1.1.0 |
    |---|---|---|
    | 1.0.0 | all | down-level |
    | 1.1.0 | all | all |

    What 1.0.0 does not know of 1.1.0:

    - event types: `ERROR_ENCOUNTERED`, `RECOVERY_INITIATED`, `RECOVERY_COMPLETED`, `RECOVERY_FAILED`, `CHECKPOINT_CREATED`
    - messages: `hello`, `welcome`, `release`, `conflict_check`, `rollback`, `heartbeat`, `subscription`, `dead_letter`, `proposal`, `vote`, `decision`, `deregistration`
    - header keys: `protocol_version`, `message_id`, `timestamp`, `source`, `causation_id`, `priority`, `ttl_seconds`, `signature`
    - fields: `allocation_request/resources/shared_files`, `allocation_response/allocated_resources/shared_files`, `allocation_response/allocated_resources/fence`, `allocation_response/position`, `allocation_response/earliest_start`, `allocation_response/latest_start`, `allocation_response/blocked_by`, `allocation_response/smallest_changes`, `workflow_state/epoch`, `workflow_state/restored_version`, `workflow_state/metadata/ancestors`, `checkpoint_sync/state_version`, `component_registration/instance`, `health_status/instance`
    ");
}

#[test]
fn the_json_form_has_every_pair() {
    let matrix = Matrix::current();
    let json = serde_json::to_value(&matrix).unwrap();
    assert_eq!(json["versions"], serde_json::json!(["1.0.0", "1.1.0"]));
    let cells = json["cells"].as_array().unwrap();
    let row = |cell: &serde_json::Value| {
        ["reader", "writer", "reading"].map(|key| cell[key].as_str().unwrap().to_owned()).join(" ")
    };
    let rows: Vec<_> = cells.iter().map(row).collect();
    assert_eq!(
        rows,
        ["1.0.0 1.0.0 all", "1.0.0 1.1.0 down-level", "1.1.0 1.0.0 all", "1.1.0 1.1.0 all"]
    );
    let unknown = cells[1]["unknown"].as_array().unwrap();
    assert_eq!(unknown.len(), 39);
    let one =
        serde_json::json!({"since": "1.1.0", "kind": "event_type", "name": "ERROR_ENCOUNTERED"});
    assert_eq!(unknown[0], one);
    assert!(cells[0]["unknown"].as_array().unwrap().is_empty());
}

/// What the matrix says is what the readers do.
#[test]
fn the_matrix_says_what_strict_readers_do() {
    for cell in Matrix::current().entries() {
        let reader = Codec::new(Mode::Strict).with_registry(Registry::new(cell.reader.clone()));
        for kind in EventType::ALL.iter().filter(|kind| kind.spec().since <= cell.writer) {
            let unknown = cell.unknown.iter().any(|addition| addition.name == kind.as_str());
            assert_eq!(reader.registry().knows(kind.as_str()), !unknown, "{kind}");
            let migrated = migrate(&format!("{kind}:w:p:{{}}"), &cell.writer, &cell.reader);
            assert_eq!(migrated.is_ok(), !unknown, "{kind}");
        }
    }
}

/// The fixtures of each version, decoded by every other: what the cell says, record by record.
#[test]
fn each_version_decodes_the_fixtures_of_the_others_as_the_matrix_says() {
    let fixtures = |version: &ProtocolVersion| match version.to_string().as_str() {
        "1.0.0" => include_str!("old.jsonl").lines(),
        "1.1.0" => include_str!("new.jsonl").lines(),
        other => panic!("fixtures of {other}; add them"),
    };
    // What is strange to a reader; the fixtures leave data out, which is another matter.
    let read = |version: &ProtocolVersion, record: &str| -> BTreeSet<(Code, String)> {
        let codec = Codec::new(Mode::Interop).with_registry(Registry::new(version.clone()));
        let report = if record.trim_start().starts_with('{') {
            codec.check_message(record).report
        } else {
            codec.check(record).report
        };
        let strange =
            |code: &Code| [Code::NoBody, Code::UnknownEventType, Code::UnknownField].contains(code);
        let found = report.findings().iter().filter(|finding| strange(&finding.code));
        found.map(|finding| (finding.code, finding.pointer.clone())).collect()
    };
    let mut seen: BTreeSet<Code> = BTreeSet::new();
    for cell in Matrix::current().entries() {
        for record in fixtures(&cell.writer) {
            let own = read(&cell.writer, record);
            let theirs = read(&cell.reader, record);
            let new: Vec<Code> = theirs.difference(&own).map(|(code, _)| *code).collect();
            let only_fields = new.iter().all(|code| *code == Code::UnknownField);
            seen.extend(new.iter().copied());
            match cell.compatibility {
                Compatibility::All => assert_eq!(new, [], "{}: {record}", cell.reader),
                // Down-levelled, it reads like the reader's own; else it cannot be said.
                Compatibility::DownLevel => match migrate(record, &cell.writer, &cell.reader) {
                    Ok(migrated) => {
                        assert!(!new.is_empty() && only_fields, "{record}: {new:?}");
                        assert_eq!(new.len(), migrated.losses.len(), "{record}");
                        assert_eq!(read(&cell.reader, &migrated.value.unwrap()), BTreeSet::new());
                    }
                    Err(_) => assert!(!only_fields, "{record}: {new:?}"),
                },
                other => panic!("{other}"),
            }
        }
    }
    assert_eq!(seen.len(), 3, "every way of being new: {seen:?}");
}

const KINDS: &[AdditionKind] =
    &[AdditionKind::EventType, AdditionKind::Body, AdditionKind::Header, AdditionKind::Field];

#[test]
fn every_cell_follows_from_the_additions() {
    let mut seen = [0; 4];
    for case in 0..scaled(500) {
        let rng = &mut Rng::new(case as u64 + 2);
        let any =
            |rng: &mut Rng| ProtocolVersion::new(1 + rng.below(2) as u64, rng.below(3) as u64, 0);
        let versions: Vec<_> = (0..=rng.below(4)).map(|_| any(rng)).collect();
        let added: Vec<_> = (0..rng.below(4))
            .map(|n| Addition::new(any(rng), KINDS[rng.below(4)], format!("a{n}")))
            .collect();
        let matrix = Matrix::new(&versions, &added);
        assert_eq!(matrix.entries().len(), versions.len() * versions.len());
        for cell in matrix.entries() {
            let (reader, writer) = (&cell.reader, &cell.writer);
            let new: Vec<_> =
                added.iter().filter(|a| a.since > *reader && a.since <= *writer).collect();
            let expected = if reader.major() != writer.major() {
                Compatibility::Incompatible
            } else if new.is_empty() {
                Compatibility::All
            } else if new
                .iter()
                .any(|a| matches!(a.kind, AdditionKind::EventType | AdditionKind::Body))
            {
                Compatibility::DownLevel
            } else {
                Compatibility::KeepsRest
            };
            assert_eq!(cell.compatibility, expected, "case {case}");
            assert!(cell.unknown.iter().eq(new), "case {case}");
            seen[expected as usize] += 1;
            if reader == writer {
                assert_eq!(cell.compatibility, Compatibility::All, "every version reads itself");
            }
            assert_eq!(matrix.entry(reader, writer), Some(cell), "case {case}");
        }
    }
    assert!(seen.iter().all(|count| *count > scaled(50)), "{seen:?}");
    let empty = Matrix::new(&[], &[]);
    assert_eq!(empty.to_markdown(), "| reader \\ writer |\n|---|\n");
    assert_eq!(empty.entry(&VERSIONS[0], &VERSIONS[1]), None);
}

#[test]
fn additions_are_named_and_belong_to_supported_versions() {
    for addition in additions() {
        assert!(VERSIONS.contains(&addition.since), "{addition}");
    }
    let field =
        additions().into_iter().find(|addition| addition.kind == AdditionKind::Field).unwrap();
    assert_eq!(field.to_string(), "the field `allocation_request/resources/shared_files`");
    assert!(field.kind.is_optional() && !AdditionKind::Body.is_optional());
}
