//! Views: against a model, with writers that race and stores that fail half-way, and what damaged
//! values look like.

use crate::support::{Rng, scaled};
use coordination_protocol::error::IntoReport;
use coordination_protocol::message::DeadLetter;
use coordination_protocol::route::Pattern;
use coordination_protocol::scalar::{AllocationId, ComponentId, Digest, WallTime, WorkflowId};
use coordination_protocol::storage::view::{
    self, Allocations, DeadLetters, Events, Registrations, States,
};
use coordination_protocol::storage::{
    Entry, Expect, Journal, Key, KeyPage, MemoryJournal, MemoryStore, Page, StorageError, Store,
    StoreScan, block_on,
};
use coordination_protocol::{Codec, Envelope, Message, Mode, merge};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

fn key(segments: &[&str]) -> Key {
    Key::of(segments).unwrap()
}

/// The digest of a state's content, from its message.
fn content_digest(text: &str) -> Option<Digest> {
    let codec = Codec::new(Mode::Interop);
    match codec.parse_message(text).unwrap().decode().unwrap().message {
        Message::WorkflowState(state) => merge::content_digest(&state),
        other => panic!("{other:?}"),
    }
}

fn workflow(id: &str) -> WorkflowId {
    WorkflowId::new(id).unwrap()
}

/// A state with what a typed round trip would lose: spacing, spelling, unknown fields.
fn state(id: &str, version: u64, note: &str) -> String {
    format!(
        "{{ \"x-trace\":1.50, \"workflow_state\": {{\"workflow_id\":\"{id}\",\"state_version\":{version},\n \"note\":{note:?}}}}}"
    )
}

#[test]
fn a_typed_state_is_stored_as_its_text_is() {
    let codec = Codec::new(Mode::Interop);
    let typed = |text: &str| match codec.parse_message(text).unwrap().decode().unwrap().message {
        Message::WorkflowState(state) => *state,
        other => panic!("{other:?}"),
    };
    let first = typed(&state("wf_001", 1, "a \"note\""));
    let text = Envelope::from(first.clone()).to_string();
    let (parsed, printed) = (States::new(MemoryStore::new()), States::new(MemoryStore::new()));
    let expected = block_on(parsed.put(&text, None)).unwrap();
    let stored = block_on(printed.put_state(first.clone(), None, None)).unwrap();
    assert_eq!((&stored, &stored.text), (&expected, &text));
    assert_eq!(block_on(printed.get(&workflow("wf_001"))).unwrap(), Some(stored));

    // The digest that is known is taken; unknown fields of the state are still there.
    let second = typed(&state("wf_001", 2, "b"));
    let digest = merge::content_digest(&second);
    let stored = block_on(printed.put_state(second, digest.clone(), Some(1))).unwrap();
    assert_eq!(Some(&stored.digest), digest.as_ref());
    assert!(stored.text.contains(r#""note":"b""#), "{}", stored.text);
    assert_eq!(block_on(printed.versions(&workflow("wf_001"))).unwrap(), [1, 2]);

    // It is refused for the same reasons.
    let late = block_on(printed.put_state(first, None, None)).unwrap_err();
    assert_eq!(late.code(), "version");
    let wide = Codec::new(Mode::Interop).with_limits(view::LIMITS.with_bytes(64 << 20));
    let text = state("wf_002", 1, &"x".repeat(view::LIMITS.bytes));
    let message = wide.parse_message(&text).unwrap().decode().unwrap().message;
    let Message::WorkflowState(large) = message else { panic!("{message:?}") };
    let large = *large;
    assert_eq!(block_on(printed.put_state(large, None, None)).unwrap_err().code(), "refused");
}

fn letter(original: &str) -> String {
    format!(
        r#"{{"dead_letter":{{"reason":"refused","original":{original:?},"attempts":3,"died_at":"2025-01-15T12:00:00Z"}}}}"#
    )
}

fn grant(id: &str, status: &str) -> String {
    format!(
        r#"{{"allocation_response":{{"response_id":"resp_1","request_id":"req_1","status":"{status}","timestamp":"2025-01-15T12:00:00Z","allocated_resources":{{"allocation_id":"{id}","agents":3}}}}}}"#
    )
}

fn registration(id: &str) -> String {
    format!(r#"{{"component_registration":{{"component_id":"{id}","component_type":"utility"}}}}"#)
}

/// A store that fails, or lets somebody in between, at a given operation.
#[derive(Clone, Debug)]
struct Faulty {
    inner: MemoryStore,
    left: Arc<AtomicUsize>,
    /// Refuses each change as if others had been faster.
    contended: bool,
}

impl Faulty {
    fn new(inner: &MemoryStore, left: usize) -> Self {
        Faulty { inner: inner.clone(), left: Arc::new(AtomicUsize::new(left)), contended: false }
    }

    fn step(&self) -> Result<(), StorageError> {
        let left = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
        left.map(drop).map_err(|_| StorageError::full("planted"))
    }
}

impl Store for Faulty {
    async fn get(&self, key: &Key) -> Result<Option<Entry>, StorageError> {
        self.step()?;
        self.inner.get(key).await
    }

    async fn put(&self, key: &Key, value: &[u8], expect: Expect) -> Result<u64, StorageError> {
        self.step()?;
        if self.contended && expect != Expect::Any {
            return Err(StorageError::Conflict { key: key.clone(), expected: expect, found: None });
        }
        self.inner.put(key, value, expect).await
    }

    async fn delete(&self, key: &Key, expect: Expect) -> Result<bool, StorageError> {
        self.step()?;
        self.inner.delete(key, expect).await
    }

    async fn scan(&self, scan: &StoreScan) -> Result<Page, StorageError> {
        self.step()?;
        self.inner.scan(scan).await
    }

    async fn keys(&self, scan: &StoreScan) -> Result<KeyPage, StorageError> {
        self.step()?;
        self.inner.keys(scan).await
    }
}

#[test]
fn states_agree_with_a_model() {
    let mut rng = Rng::new(21);
    for _ in 0..scaled(20) {
        let keep = rng.below(5);
        let states = States::new(MemoryStore::new()).with_keep(keep);
        let mut model: BTreeMap<String, BTreeMap<u64, String>> = BTreeMap::new();
        for step in 0..60 {
            let id = (*rng.pick(&["a", "b/..", "wf é"])).to_owned();
            let known = model.entry(id.clone()).or_default();
            let last = known.last_key_value().map(|(version, _)| *version);
            let replaces = if rng.one_in(4) { Some(rng.below(6) as u64) } else { last };
            let version = last.unwrap_or(0) + rng.below(3) as u64;
            let text = state(&id, version, &step.to_string());
            let result = block_on(states.put(&text, replaces));
            if replaces != last {
                assert!(matches!(result, Err(StorageError::VersionConflict { .. })), "{result:?}");
            } else if last.is_some_and(|last| last >= version) {
                assert!(matches!(result, Err(StorageError::NotNewer { .. })), "{result:?}");
            } else {
                assert_eq!(result.unwrap().text, text);
                known.insert(version, text);
                while known.len() > keep + 1 {
                    known.pop_first();
                }
            }
            if rng.one_in(20)
                && let Some((version, _)) = known.pop_last()
            {
                known.clear();
                assert!(block_on(states.remove(&workflow(&id), version)).unwrap());
            }
            let id = workflow(&id);
            let versions = block_on(states.versions(&id)).unwrap();
            assert!(versions.iter().eq(known.keys()), "{versions:?} {known:?}");
            for (version, text) in known.iter() {
                let stored = block_on(states.version(&id, *version)).unwrap().unwrap();
                assert_eq!((stored.version(), &stored.text), (*version, text));
                assert_eq!(stored.digest, content_digest(text).unwrap());
            }
            assert_eq!(
                block_on(states.get(&id)).unwrap().map(|stored| stored.text),
                known.last_key_value().map(|(_, text)| text.clone())
            );
        }
        let listed: Vec<String> = block_on(states.list(None, 99))
            .unwrap()
            .items
            .into_iter()
            .map(|stored| stored.state.workflow_id.to_string())
            .collect();
        let there = model.iter().filter(|(_, known)| !known.is_empty());
        assert!(listed.iter().collect::<BTreeSet<_>>().into_iter().eq(there.map(|(id, _)| id)));
        if let Some(first) = listed.first() {
            let after = States::key(&workflow(first)).unwrap();
            let rest = block_on(states.list(Some(&after), 1)).unwrap();
            assert_eq!(rest.items.len(), listed.len().min(2) - 1);
        }
    }
}

/// Many writers count one state up; each version is written by one of them.
fn race(states: impl Fn() -> Box<dyn FnMut() -> u64 + Send>) {
    let won = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let mut count = states();
            let won = &won;
            scope.spawn(move || {
                for _ in 0..25 {
                    let version = count();
                    won.lock().unwrap().push(version);
                }
            });
        }
    });
    let mut won = won.into_inner().unwrap();
    won.sort_unstable();
    assert_eq!(won, (1..=100).collect::<Vec<u64>>());
}

fn count<S: Store>(states: &States<S>) -> u64 {
    loop {
        let seen = block_on(states.get(&workflow("wf"))).unwrap();
        let version = seen.map(|seen| seen.version());
        let next = version.unwrap_or(0) + 1;
        match block_on(states.put(&state("wf", next, ""), version)) {
            Ok(_) => return next,
            Err(StorageError::VersionConflict { expected, found, .. }) => {
                assert_eq!(expected, version);
                assert!(found > version);
            }
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn writers_of_one_state_do_not_lose_versions() {
    let store = MemoryStore::new();
    race(|| {
        let states = States::new(store.clone());
        Box::new(move || count(&states))
    });
    let states = States::new(store);
    let versions = block_on(states.versions(&workflow("wf"))).unwrap();
    assert_eq!(*versions.last().unwrap(), 100);
    assert!(versions.len() <= 17, "{versions:?}");
}

#[cfg(feature = "sqlite")]
#[test]
fn writers_of_one_state_in_a_file_do_not_lose_versions() {
    use coordination_protocol::adapter::sqlite::{Sqlite, SqliteOptions, Synchronous};
    let folder = crate::support::Folder::new();
    let options = SqliteOptions::new("race").with_synchronous(Synchronous::Normal);
    race(|| {
        let states = States::new(Sqlite::open_in(&folder.0, &options).unwrap());
        Box::new(move || count(&states))
    });
}

#[test]
fn a_state_survives_a_writer_that_ends_half_way() {
    for keep in [0, 2] {
        let mut completed = 0;
        for steps in 0..40 {
            let store = MemoryStore::new();
            let states = States::new(store.clone()).with_keep(keep);
            for version in 1..=4 {
                let replaces = (version > 1).then(|| version - 1);
                block_on(states.put(&state("wf", version, ""), replaces)).unwrap();
            }
            let failing = States::new(Faulty::new(&store, steps)).with_keep(keep);
            let result = block_on(failing.put(&state("wf", 5, ""), Some(4)));
            let last = block_on(states.get(&workflow("wf"))).unwrap().unwrap().version();
            let versions = block_on(states.versions(&workflow("wf"))).unwrap();
            assert!(versions.contains(&last) && versions.iter().is_sorted(), "{versions:?}");
            if keep > 0 {
                assert!(versions.contains(&4), "{versions:?}");
            }
            match result {
                Ok(_) => {
                    completed += 1;
                    // Written is written; only the thinning out may have failed.
                    assert_eq!(last, 5);
                    assert!(versions.len() - keep <= 2, "{versions:?}");
                }
                Err(error) => {
                    assert_eq!(error.to_string(), "the store is full: planted");
                    assert_eq!(last, 4);
                }
            }
            let again = block_on(states.put(&state("wf", last + 1, ""), Some(last)));
            assert_eq!(again.unwrap().version(), last + 1);
            let versions = block_on(states.versions(&workflow("wf"))).unwrap();
            assert_eq!(versions.len(), keep + 1, "{versions:?}");
            // So is a removal that ended half-way.
            let failing = States::new(Faulty::new(&store, steps));
            let id = workflow("wf");
            if block_on(failing.remove(&id, last + 1)).is_err() {
                let at = block_on(states.get(&id)).unwrap().map_or(0, |state| state.version());
                let _ = block_on(states.remove(&id, at)).unwrap();
            }
            assert!(block_on(store.scan(&StoreScan::new(""))).unwrap().entries.is_empty());
        }
        assert!(completed > 20);
    }
}

#[test]
fn refusals_say_what_is_there() {
    let store = MemoryStore::new();
    let states = States::new(store.clone());
    let put = |text: &str, replaces| block_on(states.put(text, replaces)).unwrap_err();
    assert_eq!(
        put(&state("wf", 1, ""), Some(3)).to_string(),
        "`state/wf` is not there, expected version 3"
    );
    block_on(states.put(&state("wf", 2, ""), None)).unwrap();
    assert_eq!(
        put(&state("wf", 3, ""), None).to_string(),
        "`state/wf` is at version 2, expected no state"
    );
    assert_eq!(
        put(&state("wf", 2, ""), Some(2)).to_string(),
        "`state/wf` is at version 2; version 2 is not higher"
    );
    assert_eq!(
        put(&registration("x"), Some(2)).to_string(),
        "not a readable workflow_state: it is a message of kind component_registration"
    );
    assert_eq!(put("{", Some(2)).code(), "refused");
    assert_eq!(
        block_on(states.remove(&workflow("wf"), 1)).unwrap_err().to_string(),
        "`state/wf` is at version 2, expected version 1"
    );
    let large = state("wf", 3, "")
        .replace("1.50", "1")
        .replace("\"note\"", "\"n\":9007199254740993,\"note\"");
    assert_eq!(
        put(&large, Some(2)).to_string(),
        "not a readable workflow_state: it holds a number without an exact canonical form, so it has no \
         digest"
    );
    let contended = Faulty { contended: true, ..Faulty::new(&store, 1_000) };
    assert_eq!(
        block_on(States::new(contended).put(&state("wf", 3, ""), Some(2))).unwrap_err(),
        StorageError::Contended { key: key(&["state", "wf"]), attempts: 16 }
    );
}

#[test]
fn every_error_has_its_sentence_reason_and_advice() {
    let key = key(&["allocation", "a"]);
    for (error, reason, sentence) in [
        (
            StorageError::Contended { key: key.clone(), attempts: 16 },
            "contended",
            "`allocation/a` was changed by others 16 times in a row",
        ),
        (
            StorageError::Exists { key: key.clone() },
            "exists",
            "`allocation/a` is there already, with other content",
        ),
        (
            StorageError::NotAGrant { reason: "its status is `denied`".to_owned() },
            "not-a-grant",
            "this answer grants nothing: its status is `denied`",
        ),
        (
            StorageError::LetterAboutLetter,
            "letter-about-letter",
            "a dead letter about a dead letter is not kept",
        ),
        (
            StorageError::Event { index: 2, reason: "x".to_owned() },
            "event",
            "event 2 of the batch: x",
        ),
        (
            StorageError::Damaged { key, reason: "x".to_owned() },
            "damaged",
            "`allocation/a` is damaged or not of this protocol: x",
        ),
        (StorageError::Overloaded { limit: 8 }, "overloaded", "8 operations are waiting already"),
    ] {
        assert_eq!((error.code(), error.to_string().as_str()), (reason, sentence));
        let problem = error.problem();
        assert_eq!(problem.message, sentence);
    }
}

/// Values that are not what their keys say.
#[test]
fn damaged_values_name_their_key() {
    let store = MemoryStore::new();
    let put = |segments: &[&str], value: &[u8]| {
        block_on(store.put(&key(segments), value, Expect::Any)).unwrap();
    };
    let damaged = |result: Result<(), StorageError>, key: &str, reason: &str| {
        assert_eq!(
            result.unwrap_err().to_string(),
            format!("`{key}` is damaged or not of this protocol: {reason}")
        );
    };
    let states = States::new(store.clone());
    let get = || block_on(states.get(&workflow("wf"))).map(drop);
    put(&["state", "wf"], b"\xff");
    damaged(get(), "state/wf", "invalid utf-8 sequence of 1 bytes from index 0");
    put(&["state", "wf"], b"{}");
    damaged(get(), "state/wf", "the line before the message is missing");
    let text = state("wf", 1, "");
    put(&["state", "wf"], format!("sha256:00\n{text}").as_bytes());
    damaged(get(), "state/wf", "the state does not match its digest");
    let listed = block_on(states.list(None, 9)).unwrap();
    assert_eq!(listed.items.len(), 0);
    damaged(
        Err(listed.damaged[0].clone().into()),
        "state/wf",
        "the state does not match its digest",
    );
    damaged(
        block_on(states.put(&state("wf", 2, ""), Some(1))).map(drop),
        "state/wf",
        "the state does not match its digest",
    );
    put(&["state", "wf"], format!("\n{}", registration("x")).as_bytes());
    damaged(get(), "state/wf", "it is a message of kind component_registration");
    let other = state("other", 1, "");
    put(&["state", "wf"], format!("{}\n{other}", content_digest(&other).unwrap()).as_bytes());
    damaged(get(), "state/wf", "it holds the state of `other`");
    block_on(store.delete(&key(&["state", "wf"]), Expect::Any)).unwrap();
    block_on(states.put(&text, None)).unwrap();
    put(&["state-version", "wf", "x"], b"");
    assert_eq!(block_on(states.versions(&workflow("wf"))).unwrap(), [1]);

    put(&["registration", "hub"], registration("other").as_bytes());
    damaged(
        block_on(Registrations::new(store.clone()).get(&ComponentId::new("hub").unwrap()))
            .map(drop),
        "registration/hub",
        "it holds the registration of `other`",
    );
    let allocations = Allocations::new(store.clone());
    let get = |id: &str| block_on(allocations.get(&AllocationId::new(id).unwrap())).map(drop);
    put(&["allocation", "a"], format!("wf\n{}", grant("b", "approved")).as_bytes());
    damaged(get("a"), "allocation/a", "it holds the grant `b`");
    put(&["allocation", "a"], format!("w:f\n{}", grant("a", "approved")).as_bytes());
    damaged(
        get("a"),
        "allocation/a",
        "an identifier cannot contain ':' (at byte 1); use letters, digits, `_`, `-` or `.`",
    );
    put(&["allocation", "a"], format!("wf\n{}", grant("a", "denied")).as_bytes());
    damaged(get("a"), "allocation/a", "this answer grants nothing: its status is `denied`");

    let letters = DeadLetters::new(store.clone());
    put(&["dead-letter", "1-a"], b"{}");
    let unreadable = key(&["dead-letter", "1-a"]);
    damaged(
        block_on(letters.get(&unreadable)).map(drop),
        "dead-letter/1-a",
        "it is a message of kind unknown",
    );
    assert!(block_on(letters.remove(&unreadable)).unwrap());
    damaged(
        block_on(letters.take(&key(&["state", "wf"]))).map(drop),
        "state/wf",
        "it is no key of a dead letter",
    );
    // What is not under a view's key is no one's business.
    put(&["states", "wf"], b"\xff");
    put(&["mine"], b"\xff");
    assert_eq!(block_on(states.list(None, 9)).unwrap().items.len(), 1);
}

#[test]
fn dead_letters_are_bounded_by_count_and_age() {
    let store = MemoryStore::new();
    let letters = DeadLetters::new(store.clone()).with_max_count(10);
    for number in 0..30 {
        let text = letter(&format!("PHASE_STARTED:wf:{number}:{{}}"));
        let added = block_on(letters.add(&text, 1_000 + number)).unwrap();
        // At-least-once: the same letter again is the same letter.
        let again = block_on(letters.add(&text, 1_000 + number)).unwrap();
        assert_eq!((&again.letter, again.evicted.len()), (&added.letter, 0));
        assert_eq!(block_on(letters.get(&added.letter.key)).unwrap().unwrap().text, text);
        // What goes for it is told, and is the oldest.
        let gone: Vec<String> =
            added.evicted.iter().map(|gone| gone.letter.as_ref().unwrap().text.clone()).collect();
        let oldest =
            (number >= 10).then(|| letter(&format!("PHASE_STARTED:wf:{}:{{}}", number - 10)));
        assert_eq!(gone, oldest.into_iter().collect::<Vec<_>>());
    }
    let all = block_on(letters.list(None, 99)).unwrap().items;
    let phases: Vec<&str> =
        all.iter().map(|one| one.letter.original.split(':').nth(2).unwrap()).collect();
    assert_eq!(phases, (20..30).map(|n| n.to_string()).collect::<Vec<_>>());
    let page = block_on(letters.list(Some(&all[3].key), 2)).unwrap().items;
    assert_eq!(page[..], all[4..6]);

    let young = DeadLetters::new(store).with_max_age(Duration::from_millis(5));
    assert_eq!(block_on(young.prune(1_029)).unwrap().len(), 4);
    assert_eq!(block_on(young.list(None, 99)).unwrap().items[0], all[4]);
    assert_eq!(block_on(young.prune(9_999)).unwrap().len(), 6);
    let early = block_on(young.add(&letter("x"), -1)).unwrap_err();
    assert_eq!(
        early.to_string(),
        "not a readable dead_letter: `1969-12-31T23:59:59.999Z` is no time since 1970"
    );
}

/// Counts what a store is asked for, and what it gives.
#[derive(Clone, Debug)]
struct Counting(MemoryStore, Arc<AtomicUsize>);

impl Counting {
    fn note(&self, cost: usize) {
        self.1.fetch_add(cost, Ordering::Relaxed);
    }

    fn cost_of(&self, work: impl FnOnce()) -> usize {
        self.1.store(0, Ordering::Relaxed);
        work();
        self.1.load(Ordering::Relaxed)
    }
}

impl Store for Counting {
    async fn get(&self, key: &Key) -> Result<Option<Entry>, StorageError> {
        self.note(1);
        self.0.get(key).await
    }

    async fn put(&self, key: &Key, value: &[u8], expect: Expect) -> Result<u64, StorageError> {
        self.note(1);
        self.0.put(key, value, expect).await
    }

    async fn delete(&self, key: &Key, expect: Expect) -> Result<bool, StorageError> {
        self.note(1);
        self.0.delete(key, expect).await
    }

    async fn scan(&self, scan: &StoreScan) -> Result<Page, StorageError> {
        let page = self.0.scan(scan).await?;
        self.note(1 + page.entries.len());
        Ok(page)
    }

    async fn keys(&self, scan: &StoreScan) -> Result<KeyPage, StorageError> {
        let page = self.0.keys(scan).await?;
        self.note(1 + page.keys.len());
        Ok(page)
    }
}

#[test]
fn a_letter_costs_the_same_at_any_fill() {
    for full in [10, 100, 1_000, 4_000] {
        let store = Counting(MemoryStore::new(), Arc::default());
        let letters = DeadLetters::new(store.clone()).with_max_count(full);
        let add = |number: usize| {
            let text = letter(&format!("PHASE_STARTED:wf:{number}:{{}}"));
            block_on(letters.add(&text, i64::try_from(number).unwrap())).unwrap()
        };
        let filling = store.cost_of(|| drop((0..full).map(add).collect::<Vec<_>>()));
        assert!(filling <= full * 12, "{filling} for {full}");
        // The last hundred of many, so that a count that was due is among them or is not.
        let one = store.cost_of(|| assert_eq!(add(full).evicted.len(), 1));
        assert!(one <= 12 || one <= full + 20, "{one} at {full}");
        let more =
            store.cost_of(|| drop((1..=2 * full).map(|n| add(full + n)).collect::<Vec<_>>()));
        assert!(more <= 2 * full * 16, "{more} for {}", 2 * full);
        let kept = block_on(store.0.keys(&StoreScan::new("dead-letter/").with_limit(9_999)));
        assert_eq!(kept.unwrap().keys.len(), full);
    }
}

#[test]
fn what_was_just_added_stays() {
    let letters = DeadLetters::new(MemoryStore::new()).with_max_count(3);
    let add = |text: &str, now: i64| block_on(letters.add(&letter(text), now)).unwrap();
    for number in 0..3 {
        assert!(add(&number.to_string(), 1_000_000 + number).evicted.is_empty());
    }
    // The clock is set back an hour: the order of arrival decides all the same.
    let mut expected = vec!["0", "1", "2"];
    for (number, text) in ["a", "b", "c", "d"].into_iter().enumerate() {
        let added = add(text, i64::try_from(number).unwrap());
        assert!(block_on(letters.get(&added.letter.key)).unwrap().is_some(), "{text}");
        assert_eq!(added.evicted.len(), 1);
        if number < 3 {
            let gone = added.evicted[0].letter.as_ref().unwrap().letter.original.clone();
            assert_eq!(gone, expected.remove(0));
        }
    }
    // None may be kept: the one that was added is, until the next comes.
    let none = DeadLetters::new(MemoryStore::new()).with_max_count(0);
    for (number, evicted) in [(1, 0), (2, 1)] {
        let added = block_on(none.add(&letter("x"), number)).unwrap();
        assert_eq!(added.evicted.len(), evicted);
        assert_eq!(block_on(none.list(None, 9)).unwrap().items, [added.letter]);
    }
}

#[test]
fn a_damaged_letter_is_named_evicted_and_counted() {
    let store = MemoryStore::new();
    let letters = DeadLetters::new(store.clone()).with_max_count(3);
    for number in 0..3_i64 {
        block_on(letters.add(&letter(&number.to_string()), number)).unwrap();
    }
    let first = block_on(letters.list(None, 1)).unwrap().items.remove(0).key;
    block_on(store.put(&first, b"\xff", Expect::Any)).unwrap();
    let listed = block_on(letters.list(None, 9)).unwrap();
    assert_eq!((listed.items.len(), &listed.damaged[0].key), (2, &first));
    // Page by page as well, also where a page holds nothing but damage.
    let (mut after, mut found) = (None, 0);
    loop {
        let page = block_on(letters.list(after.as_ref(), 1)).unwrap();
        found += page.items.len();
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(found, 2);
    let added = block_on(letters.add(&letter("3"), 3)).unwrap();
    assert_eq!(added.evicted[0].key, first);
    assert_eq!(added.evicted[0].letter.as_ref().unwrap_err().code(), "damaged");
    // A tally that is damaged or gone is made anew.
    for bytes in [&b"\xff"[..], b"{}", b"{\"count\":0,\"newest\":0,\"changes\":9999}"] {
        block_on(store.put(&key(&["dead-letter-tally"]), bytes, Expect::Any)).unwrap();
        let text = letter(&String::from_utf8_lossy(bytes));
        assert_eq!(block_on(letters.add(&text, 5)).unwrap().evicted.len(), 1);
        assert_eq!(block_on(letters.list(None, 9)).unwrap().items.len(), 3);
    }
}

#[test]
fn a_letter_is_made_of_bytes_and_of_a_typed_one() {
    let codec = Codec::new(Mode::Strict);
    let letters = DeadLetters::new(MemoryStore::new());
    for bytes in [&b"PHASE_STARTED:wf:\xff\xfe"[..], b"PHASE_STARTED:wf:x:{}", b""] {
        let report = codec.check_bytes(bytes).report;
        let made = DeadLetter::of(bytes, &report, WallTime::from(1_736_942_400_000));
        let added = block_on(letters.add_letter(made.clone(), 1_736_942_400_000)).unwrap();
        assert_eq!(added.letter.letter, made);
        assert_eq!(added.letter.original().unwrap(), bytes);
        let findings = made.findings.unwrap();
        assert_eq!(findings.len(), report.findings().len());
    }
}

#[test]
fn a_grant_that_has_ended_is_not_given_again() {
    let store = MemoryStore::new();
    let allocations = Allocations::new(store.clone()).with_max_ended(3);
    let id = |name: &str| AllocationId::new(name).unwrap();
    let give = |name: &str| block_on(allocations.grant(&workflow("wf"), &grant(name, "approved")));
    give("a").unwrap();
    // A repetition while it is held changes nothing.
    give("a").unwrap();
    block_on(allocations.release(&id("a"))).unwrap().unwrap();
    let late = give("a").unwrap_err();
    assert_eq!(late.to_string(), "`allocation/a` was released and is not granted again");
    assert!(block_on(allocations.has_ended(&id("a"))).unwrap());
    assert!(block_on(allocations.get(&id("a"))).unwrap().is_none());
    assert!(block_on(allocations.of(&workflow("wf"))).unwrap().items.is_empty());
    // The oldest is forgotten first, and nothing is left of it.
    for name in ["b", "c", "d"] {
        give(name).unwrap();
        block_on(allocations.release(&id(name))).unwrap().unwrap();
    }
    for (name, ended) in [("a", false), ("b", true), ("c", true), ("d", true)] {
        assert_eq!(block_on(allocations.has_ended(&id(name))).unwrap(), ended, "{name}");
        assert_eq!(give(name).is_ok(), !ended, "{name}");
    }
    let keys = block_on(store.keys(&StoreScan::new("allocation-ended").with_limit(99))).unwrap();
    assert_eq!(keys.keys.len(), 7);
    // None is remembered where none shall be.
    let forgetful = Allocations::new(MemoryStore::new()).with_max_ended(0);
    for _ in 0..2 {
        block_on(forgetful.grant(&workflow("wf"), &grant("a", "approved"))).unwrap();
        block_on(forgetful.release(&id("a"))).unwrap().unwrap();
    }
}

/// Whoever dies at any step of a release leaves a grant that is held or has ended, never one that can
/// be given again.
#[test]
fn a_release_that_dies_anywhere_ends_or_holds() {
    let id = AllocationId::new("a").unwrap();
    let text = grant("a", "approved");
    for steps in 0..20 {
        let store = MemoryStore::new();
        let sound = Allocations::new(store.clone());
        block_on(sound.grant(&workflow("wf"), &text)).unwrap();
        let done = block_on(Allocations::new(Faulty::new(&store, steps)).release(&id));
        let held = block_on(sound.get(&id)).unwrap().is_some();
        assert!(held || matches!(&done, Ok(Some(_))) || steps > 0, "{steps}");
        if held {
            assert!(block_on(sound.release(&id)).unwrap().is_some(), "{steps}");
        } else {
            assert_eq!(block_on(sound.grant(&workflow("wf"), &text)).unwrap_err().code(), "ended");
        }
        assert_eq!(block_on(sound.grant(&workflow("wf"), &text)).unwrap_err().code(), "ended");
    }
}

#[test]
fn dead_letters_give_back_what_was_received() {
    let letters = DeadLetters::new(MemoryStore::new());
    let original = r#"{"request_id":"req_7","x":1.0}"#;
    let added = block_on(letters.add(&letter(original), 1)).unwrap();
    assert_eq!(added.letter.original().unwrap(), original.as_bytes());
    let encoded = letter("/wD+").replace("\"attempts\"", "\"encoding\":\"base64\",\"attempts\"");
    let added = block_on(letters.add(&encoded, 2)).unwrap();
    assert_eq!(added.letter.original().unwrap(), [255, 0, 254]);
    let odd = encoded.replace("base64", "rot13");
    let error = block_on(letters.add(&odd, 3)).unwrap_err().to_string();
    assert!(error.ends_with("the encoding `rot13` is not known"), "{error}");
    let error = block_on(letters.add(&letter(&letter("x")), 4)).unwrap_err();
    assert_eq!(error, StorageError::LetterAboutLetter);
    assert_eq!(block_on(letters.list(None, 9)).unwrap().items.len(), 2);
}

#[test]
fn one_of_many_takes_a_letter_or_releases_a_grant() {
    let store = MemoryStore::new();
    let letters = DeadLetters::new(store.clone());
    let allocations = Allocations::new(store);
    for number in 0..i64::try_from(scaled(20)).unwrap() {
        let key = block_on(letters.add(&letter("x"), number)).unwrap().letter.key;
        let id = AllocationId::new(format!("alloc_{number}")).unwrap();
        block_on(allocations.grant(&workflow("wf"), &grant(id.as_str(), "partial"))).unwrap();
        let got: Vec<(bool, bool)> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        let letter = block_on(letters.take(&key)).unwrap().is_some();
                        (letter, block_on(allocations.release(&id)).unwrap().is_some())
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(got.iter().filter(|(letter, _)| *letter).count(), 1);
        assert_eq!(got.iter().filter(|(_, released)| *released).count(), 1);
    }
    assert!(block_on(allocations.of(&workflow("wf"))).unwrap().items.is_empty());
}

#[test]
fn grants_are_found_by_id_and_workflow() {
    let store = MemoryStore::new();
    let allocations = Allocations::new(store.clone());
    for (owner, id) in [("wf/1", "b"), ("wf/1", "a"), ("wf", "c")] {
        block_on(allocations.grant(&workflow(owner), &grant(id, "approved"))).unwrap();
    }
    let ids = |grants: view::Listed<view::Grant>| -> Vec<String> {
        grants.items.into_iter().map(|grant| grant.allocation.to_string()).collect()
    };
    assert_eq!(ids(block_on(allocations.of(&workflow("wf/1"))).unwrap()), ["a", "b"]);
    assert_eq!(ids(block_on(allocations.of(&workflow("wf"))).unwrap()), ["c"]);
    let all = block_on(allocations.list(None, 99)).unwrap();
    let after = block_on(allocations.list(Some(&key(&["allocation", "a"])), 99)).unwrap();
    assert_eq!((ids(all), ids(after).len()), (vec!["a".into(), "b".into(), "c".into()], 2));

    let again = |owner: &str, text: &str| block_on(allocations.grant(&workflow(owner), text));
    assert!(again("wf", &grant("c", "approved")).is_ok());
    let taken = again("other", &grant("c", "approved")).unwrap_err();
    assert_eq!(taken, StorageError::Exists { key: key(&["allocation", "c"]) });
    // The index of the refused one leads to a grant of somebody else.
    assert!(block_on(allocations.of(&workflow("other"))).unwrap().items.is_empty());
    for (text, sentence) in [
        (grant("d", "queued"), "this answer grants nothing: its status is `queued`"),
        (
            grant("d", "approved").replace("\"allocation_id\":\"d\",", ""),
            "this answer grants nothing: it has no allocation_id",
        ),
    ] {
        assert_eq!(again("wf", &text).unwrap_err().to_string(), sentence);
    }
    // The field writes the identifier one level up.
    let up = grant("x", "approved")
        .replace("\"allocation_id\":\"x\",", "")
        .replace("\"status\"", "\"allocation_id\":\"up\",\"status\"");
    assert_eq!(again("wf", &up).unwrap().allocation.as_str(), "up");

    // Whatever ends half-way leaves nothing that cannot be done again.
    for steps in 0..8 {
        let failing = Allocations::new(Faulty::new(&store, steps));
        let _ = block_on(failing.grant(&workflow("half"), &grant("h", "approved")));
        let found = ids(block_on(allocations.of(&workflow("half"))).unwrap());
        let there = block_on(allocations.get(&AllocationId::new("h").unwrap())).unwrap();
        assert_eq!(found.len(), usize::from(there.is_some()));
        let _ = block_on(failing.release(&AllocationId::new("h").unwrap()));
        assert!(again("half", &grant("h", "approved")).is_ok());
        assert_eq!(ids(block_on(allocations.of(&workflow("half"))).unwrap()), ["h"]);
    }
}

#[test]
fn registrations_replace_and_end() {
    let registrations = Registrations::new(MemoryStore::new());
    for id in ["hub", "monitor", "hub"] {
        block_on(registrations.register(&registration(id))).unwrap();
    }
    let newer = registration("hub").replace("utility", "core");
    block_on(registrations.register(&newer)).unwrap();
    let hub = ComponentId::new("hub").unwrap();
    assert_eq!(block_on(registrations.get(&hub)).unwrap().unwrap().text, newer);
    assert_eq!(block_on(registrations.list(None, 9)).unwrap().items.len(), 2);
    assert_eq!(
        block_on(registrations.list(Some(&key(&["registration", "hub"])), 9)).unwrap().items.len(),
        1
    );
    assert!(block_on(registrations.deregister(&hub)).unwrap());
    assert!(!block_on(registrations.deregister(&hub)).unwrap());
    assert!(block_on(registrations.get(&hub)).unwrap().is_none());
    let error = block_on(registrations.register(&letter("x"))).unwrap_err().to_string();
    assert_eq!(error, "not a readable component_registration: it is a message of kind dead_letter");
}

fn timeout(workflow: &str) -> String {
    format!(
        r#"TASK_TIMEOUT:{workflow}:build:{{"task_id":"t1","agent_id":"a1","timeout_duration":"15m"}}"#
    )
}

#[test]
fn events_are_kept_as_written_and_selected_by_pattern() {
    let journal = MemoryJournal::new();
    let events = Events::new(journal.clone());
    let envelope = r#"{"message_id":"m1", "event":{"event_type":"PHASE_SKIPPED","workflow_id":"wf_2","phase":"x","data":{"phase_id":1,"skip_reason":"","impact_assessment":""}}}"#.to_owned();
    let request = r#"{"allocation_request":{"request_id":"r","workflow_id":"wf_1","requester":"hub","timestamp":"2025-01-15T12:00:00Z","resources":{"agents":1}}}"#;
    let batch =
        [timeout("wf_1"), timeout("wf_2"), envelope, request.to_owned(), registration("hub")];
    assert_eq!(block_on(events.append(&batch)).unwrap(), 1..6);
    let all = block_on(events.read(1, 99)).unwrap();
    assert_eq!((all.next, all.unreadable.len()), (6, 0));
    assert!(all.events.iter().map(|event| &*event.text).eq(batch.iter().map(String::as_str)));
    for (pattern, positions) in [
        ("task.*.timeout", &[1, 2][..]),
        ("*.wf_2.*", &[2, 3]),
        ("workflow.*.resource_request", &[4]),
        ("PHASE_SKIPPED.>", &[3]),
    ] {
        let pattern: Pattern = pattern.parse().unwrap();
        let page = block_on(events.read_matching(1, 99, &pattern)).unwrap();
        let found: Vec<u64> = page.events.iter().map(|event| event.position).collect();
        assert_eq!((&found[..], page.next), (positions, 6), "{pattern:?}");
    }
    let broken = block_on(events.append(&[timeout("wf_1"), "TASK_TIMEOUT:wf".to_owned()]));
    let StorageError::Event { index: 1, .. } = broken.unwrap_err() else { panic!() };
    assert_eq!(block_on(journal.bounds()).unwrap().next, 6);
}

/// A record that is no text, and one that is neither event nor message, stop no reader.
#[test]
fn a_consumer_goes_on_past_unreadable_and_foreign_records() {
    let journal = MemoryJournal::new();
    let events = Events::new(journal.clone());
    block_on(events.append(&[timeout("a")])).unwrap();
    block_on(journal.append(&[&b"\xff"[..], b"hello", b""])).unwrap();
    block_on(events.append(&[timeout("b")])).unwrap();
    let page = block_on(events.read(1, 9)).unwrap();
    let positions: Vec<u64> = page.events.iter().map(|event| event.position).collect();
    assert_eq!((positions, page.next), (vec![1, 5], 6));
    let named: Vec<(u64, &str)> =
        page.unreadable.iter().map(|record| (record.position, record.reason.as_str())).collect();
    assert_eq!(named[0], (2, "invalid utf-8 sequence of 1 bytes from index 0"));
    assert_eq!((named[1].0, named.len()), (3, 2));
    assert_eq!(page.unreadable[0].data.as_deref(), Some(&b"\xff"[..]));

    // Both kinds of consumers name them, and pass them with the batch.
    let wanted: Pattern = "*.b.*".parse().unwrap();
    for (name, consumer) in [
        ("all", events.consumer(key(&["all"])).with_limit(2)),
        ("b", events.consumer(key(&["b"])).with_pattern(wanted).with_limit(2)),
    ] {
        let mut seen = (Vec::new(), Vec::new());
        while seen.0.last() != Some(&5) {
            let batch = block_on(consumer.next()).unwrap();
            seen.0.extend(batch.events.iter().map(|event| event.position));
            seen.1.extend(batch.unreadable.iter().map(|record| record.position));
            block_on(consumer.acknowledge(&batch)).unwrap();
        }
        let positions = if name == "all" { vec![1, 5] } else { vec![5] };
        assert_eq!(seen, (positions, vec![2, 3]), "{name}");
    }

    // A part of a batch is acknowledged, and one record skipped.
    let consumer = events.consumer(key(&["c"]));
    let batch = block_on(consumer.next()).unwrap();
    assert_eq!(batch.events.len(), 2);
    let outside = block_on(consumer.acknowledge_through(&batch, 6)).unwrap_err();
    assert_eq!(outside.code(), "out-of-range");
    assert_eq!(block_on(consumer.skip()).unwrap(), 0);
    block_on(consumer.acknowledge_through(&batch, 1)).unwrap();
    assert_eq!(block_on(consumer.skip()).unwrap(), 1);
    assert_eq!(block_on(journal.cursor(&key(&["c"]))).unwrap(), Some(3));
    assert_eq!(block_on(consumer.skip()).unwrap(), 1);
    assert_eq!(block_on(consumer.next()).unwrap().events[0].position, 5);
}

/// A reader of rare events is alive, so trimming what it passed is no loss to it.
#[test]
fn a_consumer_moves_past_what_it_does_not_want() {
    let journal = MemoryJournal::new();
    let events = Events::new(journal.clone());
    let line = [timeout("a")];
    let lines: Vec<&String> = line.iter().cycle().take(1_000).collect();
    block_on(events.append(&lines)).unwrap();
    let name = key(&["rare"]);
    let consumer =
        events.consumer(name.clone()).with_pattern("*.rare.*".parse::<Pattern>().unwrap());
    let thread = std::thread::spawn(move || block_on(consumer.next()));
    let mut waited = 0;
    while block_on(journal.cursor(&name)).unwrap() != Some(1_001) {
        waited += 1;
        assert!(waited < 2_000, "the cursor is at {:?}", block_on(journal.cursor(&name)));
        std::thread::sleep(Duration::from_millis(5));
    }
    block_on(journal.trim(1_001)).unwrap();
    block_on(events.append(&[timeout("rare")])).unwrap();
    let batch = thread.join().unwrap().unwrap();
    assert_eq!(batch.events[0].position, 1_001);

    // One that is behind a long way is moved on the way, too.
    block_on(events.append(&lines)).unwrap();
    let slow = events.consumer(name.clone()).with_pattern("*.never.*".parse::<Pattern>().unwrap());
    block_on(slow.acknowledge(&batch)).unwrap();
    let slow = slow.with_limit(10);
    let mut next = std::pin::pin!(slow.next());
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(next.as_mut().poll(&mut context).is_pending());
    assert_eq!(block_on(journal.cursor(&name)).unwrap(), Some(2_002));
}

#[test]
fn a_consumer_sees_everything_at_least_once() {
    let journal = MemoryJournal::new();
    let events = Events::new(journal.clone());
    let mut rng = Rng::new(5);
    let total = scaled(300) as u64;
    for number in 0..total {
        block_on(events.append(&[timeout(&number.to_string())])).unwrap();
        if rng.one_in(10) {
            block_on(journal.append(&[""])).unwrap();
        }
    }
    let name = key(&["monitor"]);
    let mut seen = Vec::new();
    let last = block_on(journal.bounds()).unwrap().next;
    while block_on(journal.cursor(&name)).unwrap().is_none_or(|at| at < last) {
        // A new one each time, as after a crash; some crash before they acknowledge.
        let consumer = events.consumer(name.clone()).with_limit(1 + rng.below(20));
        if seen.len() as u64 == total {
            break;
        }
        let delivery = block_on(consumer.next()).unwrap();
        let fresh: Vec<String> =
            delivery.events.iter().map(|event| event.text.to_string()).collect();
        assert_eq!(block_on(consumer.next()).unwrap(), delivery);
        if rng.one_in(3) {
            continue;
        }
        block_on(consumer.acknowledge(&delivery)).unwrap();
        seen.extend(fresh);
    }
    assert_eq!(seen, (0..total).map(|n| timeout(&n.to_string())).collect::<Vec<_>>());

    // Two of one name: the slower one learns it.
    let pattern: Pattern = "*.7.*".parse().unwrap();
    let one = events.consumer(key(&["two"])).with_pattern(pattern).with_limit(0);
    let delivery = block_on(one.next()).unwrap();
    assert_eq!(&*delivery.events[0].text, timeout("7"));
    block_on(one.acknowledge(&delivery)).unwrap();
    let to = block_on(journal.cursor(&key(&["two"]))).unwrap().unwrap();
    assert_eq!(
        block_on(one.clone().acknowledge(&delivery)).unwrap_err().to_string(),
        format!("cursor `two` is at {to}, expected not there")
    );

    // One that was left behind learns it, too.
    block_on(journal.trim(to + 5)).unwrap();
    let trimmed = block_on(one.next()).unwrap_err();
    assert_eq!(trimmed, StorageError::Trimmed { from: to, first: to + 5 });
    assert_eq!(block_on(one.skip()).unwrap(), 5);
    assert_eq!(block_on(one.skip()).unwrap(), 0);
    assert!(block_on(one.forget()).unwrap());
    assert_eq!(block_on(one.skip()).unwrap(), 0);
}

#[test]
fn a_consumer_waits_for_what_it_wants() {
    let journal = MemoryJournal::new();
    let events = Events::new(journal);
    let consumer =
        events.consumer(key(&["c"])).with_pattern("*.wanted.*".parse::<Pattern>().unwrap());
    let thread = std::thread::spawn(move || {
        let delivery = block_on(consumer.next()).unwrap();
        block_on(consumer.acknowledge(&delivery)).unwrap();
        delivery.events[0].position
    });
    for id in ["a", "b", "wanted"] {
        std::thread::sleep(Duration::from_millis(5));
        block_on(events.append(&[timeout(id)])).unwrap();
    }
    assert_eq!(thread.join().unwrap(), 3);
}

#[test]
fn messages_are_taken_out_of_values_and_put_back() {
    let store = MemoryStore::new();
    let (old, new) = (state("wf", 1, "old"), state("wf", 1, "new"));
    block_on(States::new(store.clone()).put(&old, None)).unwrap();
    let key = key(&["state", "wf"]);
    let value = block_on(store.get(&key)).unwrap().unwrap().value;
    assert_eq!(view::message(&key, &value).unwrap(), Some(old.as_str()));
    let replaced = view::replace(&key, Some(&value), &new).unwrap();
    block_on(store.put(&key, &replaced, Expect::Any)).unwrap();
    let stored = block_on(States::new(store).get(&workflow("wf"))).unwrap().unwrap();
    assert_eq!((stored.text, stored.digest), (new.clone(), content_digest(&new).unwrap()));
    let refused = view::replace(&key, Some(&value), &registration("x")).unwrap_err();
    assert_eq!(refused.code(), "refused");
}
