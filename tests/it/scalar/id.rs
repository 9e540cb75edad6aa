use std::collections::{BTreeMap, HashMap};

use coordination_protocol::scalar::{
    AllocationId, CheckpointId, CorrelationId, ErrorId, EventId, IdCharset, Phase, RequestId,
    ResponseId, ScalarError, WorkflowId, id,
};
use proptest::prelude::*;
use regex::Regex;

use super::{keeps, read, refuses};

#[test]
fn recommended_texts_are_told_from_unusual_ones() {
    for text in ["wf_001", "a", "A-b.c_9", "coordination-hub", &"x".repeat(128)] {
        assert_eq!(id::check(text), Ok(IdCharset::Recommended), "{text}");
    }
    for text in ["my workflow", "a/b", "ä", "工作流", "\u{2028}", "{'a'}", &"é".repeat(128)] {
        assert_eq!(id::check(text), Ok(IdCharset::Unusual), "{text}");
    }
}

#[test]
fn bad_texts_are_refused_with_a_reason() {
    let hint = "; use letters, digits, `_`, `-` or `.`";
    refuses(WorkflowId::new(""), "an identifier cannot be empty");
    refuses(
        WorkflowId::new("x".repeat(129)),
        "an identifier has at most 128 characters, this one has 129",
    );
    refuses(
        WorkflowId::new("é".repeat(300)),
        "an identifier has at most 128 characters, this one has 300",
    );
    for (text, fault) in [
        ("wf:001", "':' (at byte 2)"),
        ("wf\n", r"'\n' (at byte 2)"),
        ("\r", r"'\r' (at byte 0)"),
        ("é\u{85}", r"'\u{85}' (at byte 2)"),
        ("a\u{7f}", r"'\u{7f}' (at byte 1)"),
        ("a\0:", r"'\0' (at byte 1)"),
    ] {
        refuses(WorkflowId::new(text), &format!("an identifier cannot contain {fault}{hint}"));
    }
    assert_eq!(
        WorkflowId::new(format!("{}:", "x".repeat(1_000))),
        Err(ScalarError::IdCharacter { found: ':', at: 1_000 }),
    );
}

#[test]
fn global_is_reserved_for_workflow_and_phase() {
    assert!(WorkflowId::global().is_global());
    assert_eq!(WorkflowId::global(), WorkflowId::new("global").unwrap());
    assert_eq!(Phase::global().as_str(), id::GLOBAL);
    assert!(!Phase::new("Global").unwrap().is_global());
}

#[test]
fn json_is_checked_like_the_constructor() {
    assert_eq!(keeps::<WorkflowId>(r#""wf_001""#).as_str(), "wf_001");
    refuses(
        read::<WorkflowId>(r#""a:b""#),
        "an identifier cannot contain ':' (at byte 1); use letters, digits, `_`, `-` or `.` \
         at line 1 column 5",
    );
    refuses(
        read::<RequestId>("7"),
        "invalid type: integer `7`, expected a request identifier as a text at line 1 column 1",
    );
    let keys: BTreeMap<WorkflowId, u8> = read(r#"{"b":1,"a":2}"#).unwrap();
    assert_eq!(serde_json::to_string(&keys).unwrap(), r#"{"a":2,"b":1}"#);
}

#[test]
fn maps_are_searched_by_text() {
    let map = HashMap::from([(WorkflowId::new("wf_001").unwrap(), 1)]);
    assert_eq!(map.get("wf_001"), Some(&1));
    assert_eq!(format!("{map:?}"), r#"{WorkflowId("wf_001"): 1}"#);
}

#[test]
fn prefixes_are_those_of_the_specification() {
    assert_eq!(RequestId::PREFIX, "req_");
    assert_eq!(ResponseId::PREFIX, "resp_");
    assert_eq!(ErrorId::PREFIX, "err_");
    assert_eq!(EventId::PREFIX, "evt_");
    assert_eq!(CorrelationId::PREFIX, "corr_");
    assert_eq!(AllocationId::PREFIX, "alloc_");
    assert_eq!(CheckpointId::PREFIX, "ckpt_");
    assert!(CheckpointId::new("ckpt_456").unwrap().has_prefix());
    assert!(!CheckpointId::new("456").unwrap().has_prefix());
}

#[test]
fn generated_identifiers_sort_by_time() {
    let early = EventId::generate(1_000, [255; 10]);
    let late = EventId::generate(1_001, [0; 10]);
    assert!(early < late);
    // Only 48 bits of the moment are used.
    assert_eq!(EventId::generate(1 << 48 | 5, [1; 10]), EventId::generate(5, [1; 10]));
}

/// The grammar, written down a second time.
fn oracle(text: &str) -> Option<IdCharset> {
    let legal = Regex::new(r"^[^:\p{Cc}]{1,128}$").unwrap();
    let recommended = Regex::new(r"^[A-Za-z0-9_.-]+$").unwrap();
    match (legal.is_match(text), recommended.is_match(text)) {
        (false, _) => None,
        (true, false) => Some(IdCharset::Unusual),
        (true, true) => Some(IdCharset::Recommended),
    }
}

proptest! {
    #[test]
    fn the_check_agrees_with_a_regular_expression(
        text in prop_oneof![
            "[a-c_.-]{0,140}",
            "[a-c :é\u{80}-\u{a0}\n]{0,140}",
            "[éa]{100,140}",
            any::<String>(),
        ],
    ) {
        prop_assert_eq!(id::check(&text).ok(), oracle(&text));
        match WorkflowId::new(&text) {
            Ok(id) => {
                prop_assert_eq!(id.as_str(), &text);
                prop_assert_eq!(&id.to_string().parse::<WorkflowId>().unwrap(), &id);
                prop_assert_eq!(&keeps::<WorkflowId>(&serde_json::to_string(&id).unwrap()), &id);
            }
            Err(error) => {
                prop_assert_eq!(id::check(&text), Err(error));
                prop_assert!(read::<WorkflowId>(&serde_json::to_string(&text).unwrap()).is_err());
            }
        }
    }

    #[test]
    fn a_bad_character_is_where_the_error_says(text in "[a-cé]{0,9}[:\n\u{85}][a-c:\n]{0,9}") {
        let Err(ScalarError::IdCharacter { found, at }) = id::check(&text) else {
            return Err(TestCaseError::fail("accepted"));
        };
        prop_assert!(text[at..].starts_with(found));
        prop_assert!(id::check(&text[..at]).is_ok() || at == 0);
    }

    #[test]
    fn generated_identifiers_are_recommended(millis: u64, random: [u8; 10]) {
        let id = AllocationId::generate(millis, random);
        prop_assert_eq!(id.charset(), IdCharset::Recommended);
        prop_assert!(id.has_prefix());
        prop_assert_eq!(&AllocationId::generate(millis, random), &id);

        let uuid: uuid::Uuid = id.as_str()[AllocationId::PREFIX.len()..].parse().unwrap();
        prop_assert_eq!(uuid.get_version_num(), 7);
        prop_assert_eq!(uuid.get_variant(), uuid::Variant::RFC4122);
        prop_assert_eq!(uuid.as_u128() >> 80, u128::from(millis & 0xffff_ffff_ffff));
    }
}
