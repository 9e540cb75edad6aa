//! Storage: keys, the in-memory store and journal against the conformance kit and a model.

use crate::support::{Rng, scaled};
use coordination_protocol::error::IntoReport;
use coordination_protocol::storage::{
    Bounds, Expect, Journal, Key, KeyFault, MemoryJournal, MemoryStore, StorageError,
    StorageLimits, Store, StoreScan, block_on,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::collections::BTreeMap;
use std::sync::{Arc, Barrier};
use std::time::Duration;

#[cfg(feature = "conformance")]
#[test]
fn memory_passes_the_kit() {
    use coordination_protocol::conformance::{self, Failures};
    block_on(async {
        conformance::run(&conformance::store::cases(), MemoryStore::new).await.into_result()?;
        let small = || {
            MemoryStore::new()
                .with_limits(StorageLimits::default().with_value_bytes(1000).with_page(100, 5000))
        };
        conformance::run(&conformance::store::cases(), small).await.into_result()?;
        conformance::run(&conformance::journal::cases(), MemoryJournal::new).await.into_result()
    })
    .unwrap_or_else(|failures: Failures| panic!("{failures}"));
}

#[test]
fn keys_have_one_spelling() {
    for (segments, text) in [
        (&["state", "wf_001"][..], "state/wf_001"),
        (&["a.b-c_D9"], "a.b-c_D9"),
        (&["..", ".", ".a", "a.", "a..b"], "=2E=2E/=2E/=2Ea/a=2E/a=2E=2Eb"),
        (&["a=b", "x y", "é", "*>"], "a=3Db/x=20y/=C3=A9/=2A=3E"),
    ] {
        let key = Key::of(segments).unwrap();
        assert_eq!(key.as_str(), text);
        assert_eq!(key.to_string().parse::<Key>().unwrap(), key);
        assert_eq!(key.segments().collect::<Vec<_>>(), segments);
    }
}

#[test]
fn what_is_no_key_is_refused() {
    let long = "x".repeat(513);
    for (text, error, sentence) in [
        ("", KeyFault::Empty, "a key cannot be empty"),
        (&long, KeyFault::TooLong { bytes: 513 }, "a key has at most 512 bytes, this one has 513"),
        ("/a", KeyFault::EmptySegment { at: 0 }, "the segment at byte 0 is empty"),
        ("a//b", KeyFault::EmptySegment { at: 2 }, "the segment at byte 2 is empty"),
        ("a/", KeyFault::EmptySegment { at: 2 }, "the segment at byte 2 is empty"),
        (
            "ab/c d",
            KeyFault::Character { found: ' ', at: 4 },
            "a key cannot contain ' ' (at byte 4); `Key::of` encodes it",
        ),
        (
            "a/é",
            KeyFault::Character { found: 'é', at: 2 },
            "a key cannot contain 'é' (at byte 2); `Key::of` encodes it",
        ),
        (
            "a/../b",
            KeyFault::Spelling { at: 2 },
            "the segment at byte 2 is not spelled as `Key::of` spells it",
        ),
    ] {
        assert_eq!(Key::parse(text), Err(error.clone().into()), "{text}");
        assert_eq!(error.to_string(), sentence);
        assert_eq!(StorageError::from(error).to_string(), sentence);
    }
    for spelled_otherwise in ["=61", "=2e", "=2", "a=", "=FF", "a=20b=2", ".a", "a/b."] {
        let found = Key::parse(spelled_otherwise);
        assert!(
            matches!(found, Err(StorageError::Key(KeyFault::Spelling { .. }))),
            "{spelled_otherwise}: {found:?}"
        );
    }
    assert!(Key::parse(&long[1..]).is_ok());
    assert_eq!(Key::of([""; 0]), Err(StorageError::Key(KeyFault::Empty)));
    assert_eq!(Key::of(["a", ""]), Err(StorageError::Key(KeyFault::EmptySegment { at: 2 })));
}

#[test]
fn any_segments_make_a_key_that_reads_back() {
    let mut runner = TestRunner::new(Config::with_cases(scaled(500) as u32));
    let segments = prop::collection::vec("[.=/a-c*é ]{1,6}|\\PC{1,8}", 1..4);
    runner
        .run(&segments, |segments| {
            let key = Key::of(&segments).unwrap();
            prop_assert_eq!(Key::parse(key.as_str()).unwrap(), key.clone());
            prop_assert_eq!(key.segments().collect::<Vec<_>>(), segments);
            let path = std::path::Path::new("root").join(key.as_str());
            prop_assert!(path.components().all(|c| matches!(c, std::path::Component::Normal(_))));
            Ok(())
        })
        .unwrap();
}

#[test]
fn every_error_has_its_sentence_reason_and_advice() {
    let key = Key::of(["state", "wf_1"]).unwrap();
    let conflict = |expected, found| StorageError::Conflict { key: key.clone(), expected, found };
    let moved = |expected, found| StorageError::CursorMoved { name: key.clone(), expected, found };
    let detail = || "x".to_owned();
    for (error, reason, transient, sentence) in [
        (KeyFault::Empty.into(), "key", false, "a key cannot be empty"),
        (
            conflict(Expect::Revision(3), Some(4)),
            "conflict",
            false,
            "`state/wf_1` has revision 4, expected revision 3",
        ),
        (
            conflict(Expect::Absent, Some(4)),
            "conflict",
            false,
            "`state/wf_1` has revision 4, expected no value",
        ),
        (
            conflict(Expect::Revision(3), None),
            "conflict",
            false,
            "`state/wf_1` has no value, expected revision 3",
        ),
        (
            moved(Some(1), None),
            "cursor-moved",
            false,
            "cursor `state/wf_1` is not there, expected at 1",
        ),
        (
            moved(None, Some(7)),
            "cursor-moved",
            false,
            "cursor `state/wf_1` is at 7, expected not there",
        ),
        (
            StorageError::OutOfRange { position: 9, first: 2, next: 5 },
            "out-of-range",
            false,
            "position 9 is outside the journal, which spans 2 to 5",
        ),
        (
            StorageError::Trimmed { from: 1, first: 2 },
            "trimmed",
            false,
            "position 1 was trimmed; the journal starts at 2",
        ),
        (
            StorageError::TooLarge { what: "a batch", unit: "records", size: 3, limit: 2 },
            "too-large",
            false,
            "a batch has 3 records, at most 2 are allowed",
        ),
        (
            StorageError::Busy { waited: Duration::from_millis(1500), writer: None },
            "busy",
            true,
            "the store was locked for 1500 ms; who wrote last is not known",
        ),
        (
            StorageError::Overloaded { limit: 8 },
            "overloaded",
            true,
            "8 operations are waiting already",
        ),
        (StorageError::full(detail()), "full", false, "the store is full: x"),
        (StorageError::corrupt(detail()), "corrupt", false, "the store is damaged: x"),
        (
            StorageError::unsupported(detail()),
            "unsupported",
            false,
            "this is not a store that can be used: x",
        ),
        (StorageError::unavailable(detail()), "unavailable", true, "the store is not available: x"),
    ] {
        assert_eq!(error.to_string(), sentence);
        assert_eq!((error.code(), error.is_transient()), (reason, transient));
        let problem = error.problem();
        assert!(!problem.suggestions.is_empty() && problem.message == sentence);
    }
}

#[test]
fn memory_is_bounded() {
    block_on(async {
        let store = MemoryStore::with_capacity(200);
        let key = |id: &str| Key::of([id]).unwrap();
        store.put(&key("a"), &[0; 100], Expect::Any).await?;
        let full = store.put(&key("b"), &[0; 100], Expect::Any).await.unwrap_err();
        assert_eq!(full.to_string(), "the store is full: at most 200 bytes may be kept");
        // Replacing and deleting give their room back.
        store.put(&key("a"), &[0; 135], Expect::Any).await?;
        store.delete(&key("a"), Expect::Any).await?;
        store.put(&key("b"), &[0; 100], Expect::Any).await?;

        let journal = MemoryJournal::with_capacity(300);
        journal.append(&[[0_u8; 36]; 3]).await?;
        let full = journal.append(&[[0_u8; 1]]).await.unwrap_err();
        assert_eq!(full.code(), "full");
        assert_eq!(journal.bounds().await?, Bounds::new(1, 4));
        journal.trim(3).await?;
        assert_eq!(journal.append(&[[0_u8; 36]; 2]).await?, 4..6);
        Ok::<(), StorageError>(())
    })
    .unwrap();
}

#[test]
fn pages_end_by_bytes_too() {
    block_on(async {
        let limits = StorageLimits::default().with_page(3, 10);
        let store = MemoryStore::new().with_limits(limits);
        let journal = MemoryJournal::new().with_limits(limits);
        for id in ["a", "b", "c", "d", "e"] {
            store.put(&Key::of([id])?, &[0; 6], Expect::Any).await?;
            journal.append(&[[0_u8; 6]]).await?;
        }
        let page = store.scan(&StoreScan::new("")).await?;
        assert_eq!((page.entries.len(), page.more), (2, true));
        assert_eq!(journal.read(1, 99).await?.len(), 2);
        let limits = limits.with_page(3, 1000);
        let page = store.clone().with_limits(limits).scan(&StoreScan::new("")).await?;
        assert_eq!((page.entries.len(), page.more), (3, true));
        assert_eq!(journal.clone().with_limits(limits).read(1, 99).await?.len(), 3);
        Ok::<(), StorageError>(())
    })
    .unwrap();
}

#[test]
fn random_operations_agree_with_a_model() {
    let mut rng = Rng::new(6);
    for _ in 0..scaled(50) {
        let store = MemoryStore::new();
        let mut model: BTreeMap<String, (u64, Vec<u8>)> = BTreeMap::new();
        let mut last = 0;
        block_on(async {
            for step in 0..200_u32 {
                let name = format!("k/{}", rng.below(8));
                let key = Key::parse(&name)?;
                let found = model.get(&name).map(|(revision, _)| *revision);
                let expect = match rng.below(4) {
                    0 => Expect::Absent,
                    1 => Expect::Revision(found.unwrap_or(last) + u64::from(rng.one_in(4))),
                    _ => Expect::Any,
                };
                if rng.one_in(4) {
                    let result = store.delete(&key, expect).await;
                    assert_eq!(result.is_ok(), expect.holds(found));
                    if let Ok(there) = result {
                        assert_eq!(there, model.remove(&name).is_some());
                    }
                } else {
                    let value = step.to_le_bytes();
                    let result = store.put(&key, &value, expect).await;
                    assert_eq!(result.is_ok(), expect.holds(found));
                    if let Ok(revision) = result {
                        assert!(revision > last);
                        last = revision;
                        model.insert(name, (revision, value.to_vec()));
                    }
                }
            }
            let page = store.scan(&StoreScan::new("k/")).await?;
            let found: BTreeMap<String, (u64, Vec<u8>)> = page
                .entries
                .into_iter()
                .map(|entry| (entry.key.to_string(), (entry.revision, entry.value.to_vec())))
                .collect();
            assert_eq!(found, model);
            Ok::<(), StorageError>(())
        })
        .unwrap();
    }
}

#[test]
fn threads_share_a_store_and_a_journal() {
    let (store, journal) = (MemoryStore::new(), MemoryJournal::new());
    let key = Key::of(["count"]).unwrap();
    let start = Arc::new(Barrier::new(5));
    let threads: Vec<_> = (0..4_u8)
        .map(|who| {
            let (store, journal, key) = (store.clone(), journal.clone(), key.clone());
            let start = Arc::clone(&start);
            std::thread::spawn(move || {
                start.wait();
                block_on(async {
                    for _ in 0..500 {
                        loop {
                            let found = store.get(&key).await.unwrap();
                            let (count, expect) = found.map_or((0, Expect::Absent), |entry| {
                                let bytes = <[u8; 4]>::try_from(&*entry.value).unwrap();
                                (u32::from_le_bytes(bytes), Expect::Revision(entry.revision))
                            });
                            let next = (count + 1).to_le_bytes();
                            if store.put(&key, &next, expect).await.is_ok() {
                                break;
                            }
                        }
                        journal.append(&[[who], [who]]).await.unwrap();
                    }
                });
            })
        })
        .collect();
    start.wait();
    // A follower sees every record, in pairs, while they are written.
    let mut at = 1;
    while at <= 4000 {
        block_on(journal.wait(at)).unwrap();
        let records = block_on(journal.read(at, 10_000)).unwrap();
        for pair in records.chunks(2) {
            assert_eq!(pair[0].data, pair[1].data);
        }
        at += records.len() as u64;
    }
    for thread in threads {
        thread.join().unwrap();
    }
    let count = block_on(store.get(&key)).unwrap().unwrap();
    assert_eq!(&*count.value, 2000_u32.to_le_bytes());
    assert_eq!(count.revision, 2000);
}
