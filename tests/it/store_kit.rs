//! The cases about stores: each finds a store that breaks its promise, and the promises are those of the
//! trait's page.

use coordination_protocol::conformance::{self, Case, ConformanceSummary, store};
use coordination_protocol::storage::{
    Entry, Expect, Key, KeyPage, KeyRevision, MemoryStore, Page, StorageError, StorageLimits,
    Store, StoreScan, block_on,
};
use std::collections::BTreeSet;
use std::future::poll_fn;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    AbsentIsEmpty,
    ChecksThenWrites,
    CountsSlowly,
    CutsKeys,
    CutsPages,
    EndsKeysByBytes,
    FoldsCase,
    ForgetsDeletes,
    IgnoresAfter,
    IgnoresBefore,
    IgnoresExpectations,
    IgnoresExpectationsOfDeletes,
    KeepsText,
    ListsInReverse,
    ListsTooMuch,
    LocksForEver,
    None,
    ReadsPiecewise,
    RemembersScans,
    ReusesRevisions,
    TakesAnySize,
    WritesThenChecks,
    BrokenKeepsKeys,
    BrokenReadsAsAbsent,
    BrokenStopsAll,
    BrokenStopsScans,
    BrokenStaysForEver,
    BrokenStopsKeys,
    ScansPassDamage,
}

struct Faulty {
    inner: MemoryStore,
    fault: Fault,
    scanned: Mutex<Option<Page>>,
    locked: AtomicBool,
    damaged: Mutex<BTreeSet<Key>>,
}

/// Is ready when it is asked the second time.
async fn pause() {
    let mut asked = false;
    poll_fn(|context| {
        if std::mem::replace(&mut asked, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

impl Faulty {
    fn new(fault: Fault) -> Self {
        // Small, so that the limits are reached soon.
        let limits = StorageLimits::default().with_value_bytes(1 << 12).with_page(120, 1 << 13);
        Faulty {
            inner: MemoryStore::new().with_limits(limits),
            fault,
            scanned: Mutex::default(),
            locked: AtomicBool::new(false),
            damaged: Mutex::default(),
        }
    }

    fn is(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    /// The key that stands for one.
    fn stored(&self, key: &Key) -> Key {
        let text = key.as_str();
        match self.fault {
            Fault::FoldsCase => Key::parse(&text.to_lowercase()).unwrap(),
            Fault::CutsKeys if text.len() > 255 => Key::parse(&text[..255]).unwrap(),
            _ => key.clone(),
        }
    }

    fn damage(&self, key: &Key) {
        self.damaged.lock().unwrap().insert(key.clone());
    }

    /// The damage that stands in the way of reading what `wanted` says.
    fn sound(&self, wanted: impl Fn(&Key) -> bool) -> Result<(), StorageError> {
        let damaged = self.damaged.lock().unwrap();
        match damaged.iter().find(|key| self.is(Fault::BrokenStopsAll) || wanted(key)) {
            Some(key) => Err(StorageError::Damaged { key: key.clone(), reason: "test".to_owned() }),
            None => Ok(()),
        }
    }

    fn replaced(&self, key: &Key) {
        if !self.is(Fault::BrokenStaysForEver) {
            self.damaged.lock().unwrap().remove(key);
        }
    }

    async fn page(&self, scan: &StoreScan) -> Result<Page, StorageError> {
        let mut scan = scan.clone();
        if self.is(Fault::IgnoresAfter) {
            scan.after = None;
        }
        if self.is(Fault::IgnoresBefore) {
            scan.before = None;
        }
        if !self.is(Fault::ReadsPiecewise) {
            return self.inner.scan(&scan).await;
        }
        let found = self.inner.keys(&scan).await?;
        let mut entries = Vec::new();
        for found in found.keys {
            pause().await;
            entries.extend(self.inner.get(&found.key).await?);
        }
        Ok(Page::new(entries, found.more))
    }
}

impl Store for Faulty {
    fn limits(&self) -> StorageLimits {
        let limits = self.inner.limits();
        match self.fault {
            Fault::TakesAnySize => limits.with_value_bytes(limits.value_bytes - 1),
            Fault::ListsTooMuch => limits.with_page(limits.page_items - 1, limits.page_bytes / 2),
            _ => limits,
        }
    }

    async fn get(&self, key: &Key) -> Result<Option<Entry>, StorageError> {
        if self.is(Fault::BrokenReadsAsAbsent) && self.sound(|damaged| damaged == key).is_err() {
            return Ok(None);
        }
        self.sound(|damaged| damaged == key)?;
        let found = self.inner.get(&self.stored(key)).await?;
        if found.is_none() && self.is(Fault::AbsentIsEmpty) {
            return Ok(Some(Entry::new(key.clone(), *b"", 0)));
        }
        Ok(found)
    }

    async fn put(&self, key: &Key, value: &[u8], expect: Expect) -> Result<u64, StorageError> {
        let key = &self.stored(key);
        if self.is(Fault::LocksForEver) {
            // Nothing frees it if the future is dropped in the middle.
            if self.locked.swap(true, Ordering::Relaxed) {
                return Err(StorageError::unavailable("locked"));
            }
            pause().await;
            self.locked.store(false, Ordering::Relaxed);
        }
        if self.is(Fault::ReadsPiecewise) {
            pause().await;
        }
        let expect = if self.is(Fault::IgnoresExpectations) { Expect::Any } else { expect };
        let text = String::from_utf8_lossy(value);
        let value = if self.is(Fault::KeepsText) { text.as_bytes() } else { value };
        if self.is(Fault::WritesThenChecks) {
            let found = self.inner.get(key).await?.map(|entry| entry.revision);
            let revision = self.inner.put(key, value, Expect::Any).await?;
            return expect.check(key, found).map(|()| revision);
        }
        if self.is(Fault::ChecksThenWrites) {
            let found = self.inner.get(key).await?.map(|entry| entry.revision);
            expect.check(key, found)?;
            pause().await;
            return self.inner.put(key, value, Expect::Any).await;
        }
        let revision = self.inner.put(key, value, expect).await?;
        self.replaced(key);
        Ok(match self.fault {
            Fault::ReusesRevisions => 1,
            Fault::CountsSlowly => 1 + revision / 1_000,
            _ => revision,
        })
    }

    async fn delete(&self, key: &Key, expect: Expect) -> Result<bool, StorageError> {
        let key = &self.stored(key);
        if self.is(Fault::ForgetsDeletes) {
            return Ok(self.inner.get(key).await?.is_some());
        }
        let any = self.is(Fault::IgnoresExpectationsOfDeletes);
        let done = self.inner.delete(key, if any { Expect::Any } else { expect }).await?;
        if !self.is(Fault::BrokenKeepsKeys) {
            self.replaced(key);
        }
        Ok(done)
    }

    async fn scan(&self, scan: &StoreScan) -> Result<Page, StorageError> {
        let broken = |key: &Key| {
            let within = key.as_str().starts_with(&scan.prefix)
                && scan.after.as_ref().is_none_or(|after| key > after)
                && scan.before.as_ref().is_none_or(|before| key < before);
            within || self.is(Fault::BrokenStopsScans)
        };
        if !self.is(Fault::ScansPassDamage) {
            self.sound(broken)?;
        }
        let mut page = self.page(scan).await?;
        match self.fault {
            Fault::CutsPages => page.more = false,
            Fault::ListsInReverse => page.entries.reverse(),
            Fault::RemembersScans => {
                return Ok(self.scanned.lock().unwrap().get_or_insert(page).clone());
            }
            _ => {}
        }
        Ok(page)
    }

    async fn keys(&self, scan: &StoreScan) -> Result<KeyPage, StorageError> {
        if self.is(Fault::BrokenStopsKeys) {
            self.sound(|_| true)?;
        }
        if self.is(Fault::EndsKeysByBytes) {
            let page = self.page(scan).await?;
            let of = |entry: Entry| KeyRevision::new(entry.key, entry.revision);
            return Ok(KeyPage::new(page.entries.into_iter().map(of).collect(), page.more));
        }
        let mut scan = scan.clone();
        if self.is(Fault::IgnoresBefore) {
            scan.before = None;
        }
        self.inner.keys(&scan).await
    }
}

fn judge<T>(cases: &[Case<T>], mut open: impl FnMut() -> T) -> ConformanceSummary {
    let open = async || Ok::<_, StorageError>(open());
    let patience = |_| conformance::polls(20_000);
    block_on(conformance::run_within(cases, open, Duration::MAX, patience))
}

/// Each fault is found by the cases that it is planted for, and each case finds one.
fn find_all<T>(cases: &[Case<T>], faults: &[(Fault, &[&str])], open: impl Fn(Fault) -> T) {
    judge(cases, || open(Fault::None)).into_result().unwrap_or_else(|found| panic!("{found}"));
    let mut found = Vec::new();
    for (fault, expected) in faults {
        let summary = judge(cases, || open(*fault));
        let failed: Vec<&str> = summary.failed.iter().map(|(name, ..)| *name).collect();
        for name in *expected {
            assert!(failed.contains(name), "{fault:?}: {name} passed; failed: {failed:?}");
        }
        found.extend_from_slice(expected);
    }
    for case in cases {
        assert!(found.contains(&case.name), "no fault shows that {} can fail", case.name);
    }
}

#[test]
fn the_kit_finds_each_fault() {
    let faults: &[(Fault, &[&str])] = &[
        (Fault::AbsentIsEmpty, &["absent_keys", "reads_see_writes"]),
        (Fault::KeepsText, &["values"]),
        (Fault::FoldsCase, &["any_key"]),
        (Fault::CutsKeys, &["any_key"]),
        (Fault::TakesAnySize, &["limits"]),
        (Fault::ListsTooMuch, &["page_limits"]),
        (Fault::ReusesRevisions, &["revisions_grow", "values"]),
        (Fault::CountsSlowly, &["revisions_grow"]),
        (Fault::ForgetsDeletes, &["deletes", "old_revisions_stay_old", "reads_see_writes"]),
        (Fault::IgnoresExpectations, &["expects_absent", "expects_revision", "one_winner"]),
        (Fault::IgnoresExpectationsOfDeletes, &["refusals_change_nothing", "one_winner"]),
        (Fault::ChecksThenWrites, &["one_winner", "one_creator", "counting"]),
        (Fault::WritesThenChecks, &["refusals_change_nothing", "expects_revision"]),
        (Fault::LocksForEver, &["given_up"]),
        (Fault::RemembersScans, &["reads_see_writes"]),
        (Fault::ListsInReverse, &["scans"]),
        (Fault::IgnoresAfter, &["ranges", "pages"]),
        (Fault::IgnoresBefore, &["ranges", "keys_alone"]),
        (Fault::CutsPages, &["pages", "page_limits"]),
        (Fault::ReadsPiecewise, &["one_moment"]),
        (Fault::EndsKeysByBytes, &["keys_of_large_values"]),
    ];
    find_all(&store::cases(), faults, Faulty::new);
}

#[test]
fn the_kit_finds_each_fault_about_damage() {
    let faults: &[(Fault, &[&str])] = &[
        (Fault::BrokenReadsAsAbsent, &["damage_is_told"]),
        (Fault::ScansPassDamage, &["damage_is_told"]),
        (Fault::BrokenStopsAll, &["damage_is_passed"]),
        (Fault::BrokenStopsScans, &["damage_is_passed"]),
        (Fault::BrokenStopsKeys, &["damage_is_passed"]),
        (Fault::BrokenStaysForEver, &["damage_is_removed"]),
        (Fault::BrokenKeepsKeys, &["damage_is_removed"]),
    ];
    find_all(&store::damage_cases(), faults, |fault| (Faulty::new(fault), Faulty::damage));
}

/// The points of a trait's page, as they begin: what stands in bold.
fn headings(source: &str, of: &str) -> Vec<String> {
    let (before, _) = source.split_once(of).expect("the trait is there");
    let docs =
        before.rsplit_once("What every implementation promises").expect("so do its promises").1;
    let point = |line: &str| {
        let (heading, _) = line.strip_prefix("/// - **")?.split_once("**")?;
        Some(heading.trim_end_matches('.').to_owned())
    };
    docs.lines().filter_map(point).collect()
}

/// What the page of a trait promises is what the kit has cases for, in the same order and words.
#[test]
fn every_promise_of_the_page_has_its_cases() {
    fn of<T>(cases: &[Case<T>]) -> Vec<&'static str> {
        let mut headings: Vec<_> = cases.iter().map(|case| case.heading).collect();
        headings.dedup();
        headings
    }
    let mut found = of(&store::cases::<Faulty>());
    found.extend(of(&store::damage_cases::<Faulty, fn(&Faulty, &Key)>()));
    let source = include_str!("../../src/storage/store.rs");
    assert_eq!(found, headings(source, "pub trait Store:"));

    let cases =
        conformance::transport::cases::<coordination_protocol::transport::MemoryTransport>();
    let source = include_str!("../../src/transport/mod.rs");
    let mut promised = headings(source, "pub trait Transport:");
    let declared =
        source.lines().filter_map(|line| line.strip_prefix("/// | [`")?.split_once("`](Self::"));
    promised.extend(declared.map(|(name, _)| name.to_owned()));
    assert_eq!(of(&cases), promised);
}
