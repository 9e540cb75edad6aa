//! Damage and malice in the store.

use super::*;
use crate::support::scaled;
use coordination_protocol::checkpoint::{CheckpointError, CheckpointOptions, PartName};
use coordination_protocol::error::IntoReport;

fn checkpoints() -> Checkpoints<MemoryStore> {
    Checkpoints::new(MemoryStore::new())
}

/// Two checkpoints, a full one and a delta of it, with files.
fn pair(options: CheckpointOptions) -> Checkpoints<MemoryStore> {
    let checkpoints = checkpoints().with_options(options);
    for (number, new) in [(1, new(1)), (2, incremental(2))] {
        let whole =
            parts(&state(number)).with_files(files(&[("a.rs", "1"), ("b.rs", "2")])).unwrap();
        block_on(checkpoints.create(&whole, &new)).unwrap();
    }
    checkpoints
}

fn why(checkpoints: &Checkpoints<MemoryStore>, checkpoint: &str) -> String {
    let error = block_on(checkpoints.load(&workflow(), &id(checkpoint))).unwrap_err();
    assert!(matches!(error, CheckpointError::Damaged(_)), "{error}");
    assert_eq!(error.problem().error_type.as_str(), "corruption");
    error.to_string()
}

/// Changes the text of an entry and seals it again: damage that a digest does not show.
fn forge(store: &MemoryStore, checkpoint: &str, from: &str, to: &str) {
    let key = key(&["checkpoints", "wf_001", checkpoint]);
    let text = String::from_utf8(get(store, &key).unwrap()).unwrap();
    let (_, text) = text.split_once('\n').unwrap();
    assert!(text.contains(from), "{text}");
    let text = text.replace(from, to);
    put(store, &key, format!("{}\n{text}", Digest::of(text.as_bytes())));
}

#[test]
fn every_flipped_bit_is_found_and_its_part_named() {
    let rng = &mut Rng::new(41);
    for compress_above in [0, 1 << 20] {
        let options = CheckpointOptions::default().with_compress_above(compress_above);
        let checkpoints = pair(options);
        let stored = all(checkpoints.store(), "checkpoint");
        assert_eq!(stored.len(), 6);
        for (key, value) in stored {
            let mut segments = key.segments();
            let entry = segments.next().unwrap() == "checkpoints";
            let checkpoint = segments.nth(1).unwrap().into_owned();
            let what = match segments.next() {
                Some(part) => format!("`{part}` of {checkpoint} is damaged: "),
                None => format!("the entry of {checkpoint} is damaged: "),
            };
            for _ in 0..scaled(30) {
                let mut flipped = value.clone();
                let at = rng.below(flipped.len());
                flipped[at] ^= 1 << rng.below(8);
                put(checkpoints.store(), &key, &flipped);
                let damaged = block_on(checkpoints.verify(&workflow())).unwrap();
                assert!(!damaged.is_empty(), "{key} byte {at}");
                assert!(
                    damaged.iter().any(|damage| damage.to_string().starts_with(&what)),
                    "{damaged:?}"
                );
                assert!(why(&checkpoints, &checkpoint).starts_with(&what));
                // Others are told only what they depend on.
                if checkpoint == "ckpt_2" || entry {
                    assert!(damaged.iter().all(|damage| damage.checkpoint.as_str() == checkpoint));
                }
            }
            put(checkpoints.store(), &key, &value);
        }
        assert_eq!(block_on(checkpoints.verify(&workflow())).unwrap(), []);
    }
}

#[test]
fn what_is_gone_or_exchanged_is_named() {
    let checkpoints = pair(CheckpointOptions::default());
    let store = checkpoints.store();
    let part =
        |checkpoint: &str, part: &str| key(&["checkpoint-parts", "wf_001", checkpoint, part]);
    let files = get(store, &part("ckpt_1", "file_system")).unwrap();
    block_on(store.delete(&part("ckpt_1", "file_system"), Expect::Any)).unwrap();
    assert_eq!(why(&checkpoints, "ckpt_1"), "`file_system` of ckpt_1 is damaged: it is not there");
    assert_eq!(why(&checkpoints, "ckpt_2"), "`file_system` of ckpt_1 is damaged: it is not there");
    let damaged = block_on(checkpoints.verify(&workflow())).unwrap();
    assert_eq!(damaged.len(), 1, "told once");
    put(store, &part("ckpt_1", "file_system"), &files);

    let state = get(store, &part("ckpt_1", "workflow_state")).unwrap();
    put(store, &part("ckpt_1", "file_system"), state);
    assert_eq!(
        why(&checkpoints, "ckpt_1"),
        "`file_system` of ckpt_1 is damaged: its bytes are not those that were written"
    );
    put(store, &part("ckpt_1", "file_system"), &files);

    block_on(store.delete(&key(&["checkpoints", "wf_001", "ckpt_1"]), Expect::Any)).unwrap();
    assert_eq!(
        why(&checkpoints, "ckpt_2"),
        "the entry of ckpt_1 is damaged: ckpt_2 is a delta of it, and it is not there"
    );
}

#[test]
fn chains_that_bite_their_tail_end() {
    let checkpoints = pair(CheckpointOptions::default());
    let store = checkpoints.store();
    forge(store, "ckpt_2", r#""base":"ckpt_1""#, r#""base":"ckpt_2""#);
    assert_eq!(
        why(&checkpoints, "ckpt_2"),
        "the entry of ckpt_2 is damaged: it is a delta of itself"
    );
    forge(store, "ckpt_2", r#""base":"ckpt_2""#, r#""base":"ckpt_1""#);
    forge(store, "ckpt_1", r#""stage":"ready""#, r#""stage":"ready","base":"ckpt_2""#);
    assert_eq!(
        why(&checkpoints, "ckpt_2"),
        "the entry of ckpt_1 is damaged: ckpt_2 is a delta of it, and it is one itself"
    );
    assert_eq!(
        why(&checkpoints, "ckpt_1"),
        "the entry of ckpt_2 is damaged: ckpt_1 is a delta of it, and it is one itself"
    );
}

#[test]
fn forged_entries_are_refused() {
    for (from, to, message) in [
        (
            r#""format":1"#,
            r#""format":2"#,
            "the entry of ckpt_1 is damaged: it is of form 2, this version reads 1",
        ),
        (r#""sync":"#, r#""sink":"#, "the entry of ckpt_1 is damaged: it has no confirmation"),
        (
            r#""name":"workflow_state""#,
            r#""name":"queue""#,
            "`queue` of ckpt_1 is damaged: it is not there",
        ),
        (
            r#""workflow_state_hash":"sha256:"#,
            r#""workflow_state_hash":"sha257:"#,
            "`workflow_state` of ckpt_1 is damaged: its digest is not the one that was confirmed",
        ),
        (
            r#""delta":false"#,
            r#""delta":true"#,
            "`file_system` of ckpt_1 is damaged: it is a delta of what its base does not have",
        ),
        (
            r#""packing":"plain""#,
            r#""packing":"zip""#,
            "the entry of ckpt_1 is damaged: unknown variant `zip`",
        ),
        (
            r#""name":"file_system""#,
            r#""name":"../x""#,
            "the entry of ckpt_1 is damaged: `../x` is no name for a part",
        ),
    ] {
        let checkpoints = pair(CheckpointOptions::default());
        forge(checkpoints.store(), "ckpt_1", from, to);
        let found = why(&checkpoints, "ckpt_1");
        assert!(found.starts_with(message), "{found}");
    }
}

#[test]
fn bombs_are_not_unpacked() {
    let checkpoints = pair(CheckpointOptions::default().with_part(1 << 20, 1_000));
    let store = checkpoints.store();
    let text = state(1);
    let key = key(&["checkpoint-parts", "wf_001", "ckpt_1", "workflow_state"]);
    let bomb = miniz_oxide::deflate::compress_to_vec(&vec![b' '; 16 << 20], 9);
    assert!(bomb.len() < 1 << 20);
    put(store, &key, &bomb);
    let forged = |bytes: u64| {
        let entry = String::from_utf8(
            get(store, &super::key(&["checkpoints", "wf_001", "ckpt_1"])).unwrap(),
        )
        .unwrap();
        let start = entry.find(r#"{"name":"workflow_state""#).unwrap();
        let end = start + entry[start..].find('}').unwrap() + 1;
        let part = &entry[start..end];
        let new = format!(
            r#"{{"name":"workflow_state","delta":false,"packing":"deflate","stored_digest":"{}","stored_bytes":{},"unpacked_bytes":{bytes},"text_digest":"{}","text_bytes":{bytes}}}"#,
            Digest::of(&bomb),
            bomb.len(),
            Digest::of(text.as_bytes()),
        );
        let part = part.to_owned();
        forge(store, "ckpt_1", &part, &new);
    };
    // It claims to be small, and is not.
    forged(text.len() as u64);
    assert_eq!(
        why(&checkpoints, "ckpt_1"),
        "`workflow_state` of ckpt_1 is damaged: it does not unpack to the recorded size"
    );
    // It admits what it is.
    forged(16 << 20);
    assert_eq!(
        why(&checkpoints, "ckpt_1"),
        "`workflow_state` of ckpt_1 is damaged: it has 16777216 bytes, at most 1048576 are allowed"
    );
    forged(u64::MAX);
    assert!(why(&checkpoints, "ckpt_1").contains("at most 1048576 are allowed"));
}

#[test]
fn a_checkpoint_of_another_workflow_is_none_of_this() {
    let checkpoints = checkpoints();
    create(&checkpoints, &state(1), &new(1));
    let store = checkpoints.store();
    for (key, value) in all(store, "checkpoint") {
        let moved: Vec<String> = key
            .segments()
            .map(
                |segment| {
                    if segment == "wf_001" { "wf_002".to_owned() } else { segment.into_owned() }
                },
            )
            .collect();
        put(store, &Key::of(&moved).unwrap(), value);
    }
    let other = WorkflowId::new("wf_002").unwrap();
    let error = block_on(checkpoints.load(&other, &id("ckpt_1"))).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`workflow_state` of ckpt_1 is damaged: it is the state of wf_001"
    );
    assert_eq!(block_on(checkpoints.find(&id("ckpt_1"))).unwrap(), [workflow(), other]);
}

#[test]
fn random_bytes_in_place_of_entries_make_no_panic() {
    let rng = &mut Rng::new(42);
    let checkpoints = pair(CheckpointOptions::default());
    let stored = all(checkpoints.store(), "checkpoints/");
    for _ in 0..scaled(150) {
        let (key, value) = &stored[rng.below(stored.len())];
        let mut text = value[72..].to_vec();
        crate::support::mutate(rng, &mut text);
        let mut sealed = format!("{}\n", Digest::of(&text)).into_bytes();
        sealed.extend_from_slice(&text);
        put(checkpoints.store(), key, sealed);
        let _ = block_on(checkpoints.verify(&workflow())).unwrap();
        let _ = block_on(checkpoints.create(&parts(&state(3)), &incremental(3)));
        let keep = coordination_protocol::checkpoint::Retention::new().with_keep(2);
        let _ = block_on(checkpoints.prune(&workflow(), &keep, at(0))).unwrap();
        for (key, value) in &stored {
            put(checkpoints.store(), key, value);
        }
    }
    assert_eq!(PartName::WORKFLOW_STATE.to_string(), "workflow_state");
}
