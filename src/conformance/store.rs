//! What a [`Store`] promises. That damage stays local has a list of its own, [`damage_cases`], because
//! a store has no method that damages a value.

mod damage;

pub use damage::damage_cases;

use super::{Failure, cases, once, same, together};
use crate::storage::{Expect, Key, StorageError, Store, StoreScan};

cases! { Store:
    "Values are bytes" {
        absent_keys "a key that was never written reads as absent";
        values "bytes are read as they were written, any bytes, none and many";
    }
    "Keys stay apart" {
        any_key "keys of any text stay apart, up to the longest";
    }
    "Limits" {
        limits "a value at the limit is taken, a larger one is refused and changes nothing";
        page_limits "a page has as many items as the limits allow, and ends behind the one that takes it past their bytes";
    }
    "Revisions grow" {
        revisions_grow "each write takes a revision higher than all before it in the store";
        old_revisions_stay_old "a revision from before a delete never matches again";
    }
    "Expectations hold" {
        expects_absent "a write that expects no value happens only where there is none";
        expects_revision "a write that expects a revision happens only at that revision";
        deletes "a delete tells whether the key was there, and heeds what is expected";
    }
    "Compare and set is atomic" {
        one_winner "of writers that race from one revision, deletes among them, exactly one succeeds";
        one_creator "of writers that race for a key that is not there exactly one succeeds";
        counting "increments by compare and set are never lost, however they interleave";
    }
    "Whole or not at all" {
        refusals_change_nothing "a refused write or delete leaves value and revision alone";
        given_up "an operation that is dropped is done or not, and stops nothing after it";
    }
    "Reads see acknowledged writes" {
        reads_see_writes "what was written, replaced or deleted is so from then on, to get, scan and keys";
    }
    "Scans are ordered" {
        scans "a scan finds exactly the keys with the prefix, ordered by their bytes";
        ranges "a scan begins behind a key and ends before one, whether they are there or not";
        pages "pages of any size put together are the whole scan";
    }
    "A page is one moment" {
        one_moment "a page shows no write without the one before it";
    }
    "Keys can be listed alone" {
        keys_alone "keys are listed with their revisions, within any prefix and range, in pages of any size";
        keys_of_large_values "no size of values ends a page of keys";
    }
}

#[track_caller]
fn conflict(
    what: &str,
    result: Result<impl std::fmt::Debug, StorageError>,
    expected: Expect,
    found: Option<u64>,
) -> Result<(), Failure> {
    match result {
        Err(StorageError::Conflict { expected: e, found: f, .. })
            if e == expected && f == found =>
        {
            Ok(())
        }
        other => Err(Failure::new(format!(
            "{what}: {other:?}, expected a conflict of {expected:?} with {found:?}"
        ))),
    }
}

async fn value<S: Store>(store: &S, key: &Key) -> Result<Option<(Vec<u8>, u64)>, Failure> {
    Ok(store.get(key).await?.map(|entry| (entry.value.to_vec(), entry.revision)))
}

async fn absent_keys<S: Store>(store: &S) -> Result<(), Failure> {
    let key = Key::of(["nothing"])?;
    same("get", store.get(&key).await?, None)?;
    same("delete", store.delete(&key, Expect::Any).await?, false)?;
    same("scan", store.scan(&StoreScan::new("")).await?.entries.len(), 0)
}

async fn values<S: Store>(store: &S) -> Result<(), Failure> {
    // Every byte, because a store that keeps text would pass with text.
    let all: Vec<u8> = (0..=255).collect();
    let many = all.repeat(1 + store.limits().value_bytes.min(1 << 20) / 512);
    for (index, bytes) in [&[][..], b"\0", &all, &many].into_iter().enumerate() {
        let key = Key::of(["value".to_owned(), index.to_string()])?;
        let revision = store.put(&key, bytes, Expect::Any).await?;
        if value(store, &key).await? != Some((bytes.to_vec(), revision)) {
            return Err(Failure::new(format!("{} bytes came back otherwise", bytes.len())));
        }
    }
    Ok(())
}

async fn limits<S: Store>(store: &S) -> Result<(), Failure> {
    let limit = store.limits().value_bytes;
    let key = Key::of(["large"])?;
    let mut bytes = vec![7; limit];
    let revision = store.put(&key, &bytes, Expect::Absent).await?;
    bytes.push(7);
    let refused = store.put(&key, &bytes, Expect::Any).await;
    same("reason", refused.map_err(|error| error.code()), Err("too-large"))?;
    let entry = store.get(&key).await?.map(|entry| (entry.value.len(), entry.revision));
    same("value", entry, Some((limit, revision)))
}

async fn revisions_grow<S: Store>(store: &S) -> Result<(), Failure> {
    let (a, b) = (Key::of(["a"])?, Key::of(["b"])?);
    let mut last = 0;
    for round in 0..20_u8 {
        // Two keys in turns: a counter for each key would pass with one.
        let key = if round % 3 == 0 { &a } else { &b };
        let revision = store.put(key, &[round], Expect::Any).await?;
        if revision <= last {
            return Err(Failure::new(format!("revision {revision} after {last}")));
        }
        last = revision;
        if round % 5 == 4 {
            store.delete(key, Expect::Any).await?;
        }
    }
    Ok(())
}

async fn expects_absent<S: Store>(store: &S) -> Result<(), Failure> {
    let key = Key::of(["once"])?;
    let first = store.put(&key, b"1", Expect::Absent).await?;
    conflict(
        "put on a value",
        store.put(&key, b"2", Expect::Absent).await,
        Expect::Absent,
        Some(first),
    )?;
    store.delete(&key, Expect::Any).await?;
    store.put(&key, b"3", Expect::Absent).await.map(drop).map_err(Failure::from)
}

async fn expects_revision<S: Store>(store: &S) -> Result<(), Failure> {
    let key = Key::of(["versioned"])?;
    let none = Expect::Revision(1);
    conflict("put on nothing", store.put(&key, b"0", none).await, none, None)?;
    let first = store.put(&key, b"1", Expect::Any).await?;
    let second = store.put(&key, b"2", Expect::Revision(first)).await?;
    let stale = Expect::Revision(first);
    conflict("stale put", store.put(&key, b"3", stale).await, stale, Some(second))?;
    let early = Expect::Revision(second + 1);
    conflict("early put", store.put(&key, b"3", early).await, early, Some(second))?;
    same("value", value(store, &key).await?, Some((b"2".to_vec(), second)))
}

async fn refusals_change_nothing<S: Store>(store: &S) -> Result<(), Failure> {
    let key = Key::of(["kept"])?;
    let revision = store.put(&key, b"kept", Expect::Any).await?;
    // Higher than any: a store that compares with `>=` would take it.
    let wrong = Expect::Revision(revision + 7);
    conflict("put", store.put(&key, b"lost", wrong).await, wrong, Some(revision))?;
    conflict("delete", store.delete(&key, wrong).await, wrong, Some(revision))?;
    let absent = Expect::Absent;
    conflict("delete", store.delete(&key, absent).await, absent, Some(revision))?;
    same("value", value(store, &key).await?, Some((b"kept".to_vec(), revision)))
}

async fn deletes<S: Store>(store: &S) -> Result<(), Failure> {
    let key = Key::of(["gone"])?;
    let revision = store.put(&key, b"x", Expect::Any).await?;
    same("delete", store.delete(&key, Expect::Revision(revision)).await?, true)?;
    same("get", store.get(&key).await?, None)?;
    same("again", store.delete(&key, Expect::Any).await?, false)?;
    same("absent", store.delete(&key, Expect::Absent).await?, false)?;
    let stale = Expect::Revision(revision);
    conflict("stale delete", store.delete(&key, stale).await, stale, None)
}

async fn old_revisions_stay_old<S: Store>(store: &S) -> Result<(), Failure> {
    let key = Key::of(["again"])?;
    let old = store.put(&key, b"1", Expect::Any).await?;
    store.delete(&key, Expect::Any).await?;
    let new = store.put(&key, b"1", Expect::Absent).await?;
    let stale = Expect::Revision(old);
    conflict("put", store.put(&key, b"2", stale).await, stale, Some(new))
}

async fn any_key<S: Store>(store: &S) -> Result<(), Failure> {
    // What file systems fold together, what would climb out of a folder, and what queries read as a
    // wildcard.
    let texts = ["a", "A", "a.b", "a b", "a/b", "..", ".", "*", ">", "=20", " ", "é", "日本", "%"];
    for text in texts {
        store.put(&Key::of(["id", text])?, text.as_bytes(), Expect::Absent).await?;
    }
    for text in texts {
        let found = value(store, &Key::of(["id", text])?).await?.map(|(bytes, _)| bytes);
        same(text, found, Some(text.as_bytes().to_vec()))?;
    }
    // A file name is shorter, and the end is what is cut off first.
    let longest = |end: char| Key::parse(&format!("{:x<1$}{end}", "id/", Key::MAX_BYTES - 1));
    let (a, b) = (longest('a')?, longest('b')?);
    store.put(&a, b"a", Expect::Absent).await?;
    store.put(&b, b"b", Expect::Absent).await?;
    same("the longest", value(store, &a).await?.map(|(bytes, _)| bytes), Some(b"a".to_vec()))
}

const NAMES: &[&str] =
    // Names around the slash in ASCII order: `-` sorts before it and `0` behind, where a prefix by
    // segments would differ from one by bytes.
    &["a", "a-b", "a/1", "a/10", "a/2", "a/B", "a/a", "a/b/c", "a0", "ab/1", "b/1"];

async fn fill<S: Store>(store: &S) -> Result<(), Failure> {
    for name in NAMES.iter().rev() {
        store.put(&Key::parse(name)?, name.as_bytes(), Expect::Any).await?;
    }
    Ok(())
}

async fn scans<S: Store>(store: &S) -> Result<(), Failure> {
    fill(store).await?;
    for prefix in ["", "a", "a/", "a/1", "a/b", "ab", "b/", "c", "a/1/"] {
        let page = store.scan(&StoreScan::new(prefix)).await?;
        let found: Vec<&str> = page.entries.iter().map(|entry| entry.key.as_str()).collect();
        let expected: Vec<&str> =
            NAMES.iter().copied().filter(|name| name.starts_with(prefix)).collect();
        same(&format!("keys of `{prefix}`"), found, expected)?;
        same("more", page.more, false)?;
        for entry in page.entries {
            let alone = value(store, &entry.key).await?;
            same("entry", alone, Some((entry.value.to_vec(), entry.revision)))?;
        }
    }
    Ok(())
}

/// Fails if pages go back or stand still: putting them together would not end.
#[track_caller]
fn advancing<T: Ord + std::fmt::Debug>(found: &[T]) -> Result<(), Failure> {
    match found.windows(2).find(|pair| pair[0] >= pair[1]) {
        Some([earlier, later]) => Err(Failure::new(format!("{later:?} comes behind {earlier:?}"))),
        _ => Ok(()),
    }
}

async fn pages<S: Store>(store: &S) -> Result<(), Failure> {
    fill(store).await?;
    let empty = store.scan(&StoreScan::new("a/").with_limit(0)).await?;
    same("page of 0", (empty.entries.len(), empty.more), (0, true))?;
    for limit in 1..=NAMES.len() + 1 {
        let mut scan = StoreScan::new("a").with_limit(limit);
        let mut found = Vec::new();
        loop {
            let page = store.scan(&scan).await?;
            if page.entries.len() > limit {
                return Err(Failure::new(format!("{} entries of {limit}", page.entries.len())));
            }
            found.extend(page.entries.iter().map(|entry| entry.key.to_string()));
            advancing(&found)?;
            match page.entries.last() {
                Some(last) if page.more => scan = scan.after(last.key.clone()),
                _ if page.more => return Err(Failure::new("an empty page says that more follows")),
                _ => break,
            }
        }
        let expected: Vec<&str> =
            NAMES.iter().copied().filter(|name| name.starts_with('a')).collect();
        same(&format!("pages of {limit}"), found, expected)?;
    }
    Ok(())
}

async fn keys_alone<S: Store>(store: &S) -> Result<(), Failure> {
    fill(store).await?;
    for prefix in ["", "a", "a/", "a/1", "c"] {
        for before in [None, Some("a/2"), Some("a0"), Some("A")] {
            for limit in 1..=NAMES.len() + 1 {
                let mut scan = StoreScan::new(prefix).with_limit(limit);
                scan.before = before.map(Key::parse).transpose()?;
                // What the values say of the same range.
                let mut expected = Vec::new();
                for name in NAMES.iter().filter(|name| name.starts_with(prefix)) {
                    if before.is_none_or(|before| *name < before) {
                        let revision = value(store, &Key::parse(name)?).await?;
                        expected
                            .extend(revision.map(|(_, revision)| ((*name).to_owned(), revision)));
                    }
                }
                let mut found = Vec::new();
                loop {
                    let page = store.keys(&scan).await?;
                    if page.keys.len() > limit || page.keys.is_empty() && page.more {
                        let keys = page.keys.len();
                        return Err(Failure::new(format!(
                            "{keys} keys of {limit}, more {}",
                            page.more
                        )));
                    }
                    found.extend(page.keys.iter().map(|key| (key.key.to_string(), key.revision)));
                    advancing(&found)?;
                    match page.keys.last() {
                        Some(last) if page.more => scan = scan.after(last.key.clone()),
                        _ => break,
                    }
                }
                same(
                    &format!("keys of `{prefix}` before {before:?}, {limit} a page"),
                    found,
                    expected,
                )?;
            }
        }
    }
    let empty = store.keys(&StoreScan::new("a/").with_limit(0)).await?;
    same("page of 0", (empty.keys.len(), empty.more), (0, true))
}

async fn one_winner<S: Store>(store: &S) -> Result<(), Failure> {
    let key = Key::of(["race"])?;
    // Also where those that delete come first.
    for deletes in [0, 1] {
        let start = store.put(&key, b"start", Expect::Any).await?;
        let expect = Expect::Revision(start);
        let race = async |who: u8| {
            if who % 3 == 2 - deletes {
                return store.delete(&key, expect).await.map(|_| None);
            }
            store.put(&key, &[who], expect).await.map(|revision| Some((vec![who], revision)))
        };
        // Side by side on one task: the store's own locking decides, not the order of the calls.
        let (done, refused): (Vec<_>, Vec<_>) =
            together((0..16).map(race)).await.into_iter().partition(Result::is_ok);
        let [Ok(left)] = done.as_slice() else {
            return Err(Failure::new(format!("{} writers succeeded", done.len())));
        };
        for result in refused {
            let found = left.as_ref().map(|(_, revision)| *revision);
            conflict("loser", result, expect, found)?;
        }
        same("value", value(store, &key).await?, left.clone())?;
    }
    Ok(())
}

async fn one_creator<S: Store>(store: &S) -> Result<(), Failure> {
    let key = Key::of(["first"])?;
    let bids: Vec<[u8; 1]> = (0..16).map(|bid| [bid]).collect();
    let puts = bids.iter().map(|bid| store.put(&key, bid, Expect::Absent));
    let (done, refused): (Vec<_>, Vec<_>) =
        together(puts).await.into_iter().zip(&bids).partition(|(result, _)| result.is_ok());
    let [(Ok(revision), bid)] = done.as_slice() else {
        return Err(Failure::new(format!("{} writers succeeded", done.len())));
    };
    for (result, _) in refused {
        conflict("loser", result, Expect::Absent, Some(*revision))?;
    }
    same("value", value(store, &key).await?, Some((bid.to_vec(), *revision)))
}

async fn counting<S: Store>(store: &S) -> Result<(), Failure> {
    let key = Key::of(["count"])?;
    let count = async || -> Result<(), Failure> {
        let (mut done, mut conflicts) = (0, 0);
        while done < 25 {
            // A conflict is the success of another writer, of which there are 175.
            if conflicts > 175 {
                return Err(Failure::new("a writer is in conflict with nothing"));
            }
            // Read, add, write by revision: any lost update shows in the sum.
            let (number, expect) = match store.get(&key).await? {
                Some(entry) => (
                    String::from_utf8_lossy(&entry.value).parse::<u32>().unwrap_or(0),
                    Expect::Revision(entry.revision),
                ),
                None => (0, Expect::Absent),
            };
            match store.put(&key, (number + 1).to_string().as_bytes(), expect).await {
                Ok(_) => done += 1,
                Err(StorageError::Conflict { .. }) => conflicts += 1,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    };
    together((0..8).map(|_| count())).await.into_iter().collect::<Result<(), Failure>>()?;
    same("count", value(store, &key).await?.map(|(bytes, _)| bytes), Some(b"200".to_vec()))
}

async fn page_limits<S: Store>(store: &S) -> Result<(), Failure> {
    let limits = store.limits();
    // Two of these, or as many more as it takes, are past the bytes of a page.
    let size = limits.value_bytes.min(limits.page_bytes / 2 + 1).max(1);
    let large = (limits.page_bytes / size + 2).min(limits.page_items);
    let bytes = vec![7; size];
    for index in 0..large {
        store
            .put(&Key::of(["large".to_owned(), format!("{index:06}")])?, &bytes, Expect::Any)
            .await?;
    }
    let all = StoreScan::new("large/").with_limit(usize::MAX);
    let page = store.scan(&all).await?;
    let before = page.entries.len().saturating_sub(1) * size;
    let past = before + size > limits.page_bytes;
    same("bytes before the last of a page", before <= limits.page_bytes, true)?;
    same("more", page.more, page.entries.len() < large)?;
    same("a page ends only past its bytes", past || !page.more, true)?;

    let many = limits.page_items + 1;
    for index in 0..many {
        store.put(&Key::of(["many".to_owned(), format!("{index:09}")])?, b"", Expect::Any).await?;
    }
    let all = StoreScan::new("many/").with_limit(usize::MAX);
    let page = store.scan(&all).await?;
    same("a page of entries", (page.entries.len(), page.more), (limits.page_items, true))?;
    let page = store.keys(&all).await?;
    same("a page of keys", (page.keys.len(), page.more), (limits.page_items, true))
}

async fn keys_of_large_values<S: Store>(store: &S) -> Result<(), Failure> {
    let limits = store.limits();
    let size = limits.value_bytes.min(limits.page_bytes / 2 + 1).max(1);
    let count = (limits.page_bytes / size + 2).min(limits.page_items);
    let bytes = vec![7; size];
    let mut written = Vec::new();
    for index in 0..count {
        let key = Key::of(["large".to_owned(), format!("{index:06}")])?;
        let revision = store.put(&key, &bytes, Expect::Any).await?;
        written.push((key, revision));
    }
    let page = store.keys(&StoreScan::new("large/").with_limit(count)).await?;
    let found: Vec<_> = page.keys.into_iter().map(|found| (found.key, found.revision)).collect();
    same("keys", (found, page.more), (written, false))
}

/// What a scan and a list of keys say of all keys.
async fn listed<S: Store>(store: &S) -> Result<Vec<(String, Vec<u8>, u64)>, Failure> {
    let page = store.scan(&StoreScan::new("")).await?;
    let keys = store.keys(&StoreScan::new("")).await?;
    let found: Vec<_> =
        keys.keys.into_iter().map(|found| (found.key.to_string(), found.revision)).collect();
    let entries: Vec<_> =
        page.entries.iter().map(|entry| (entry.key.to_string(), entry.revision)).collect();
    same("keys beside the scan", found, entries)?;
    let of = |entry: crate::storage::Entry| {
        (entry.key.to_string(), entry.value.to_vec(), entry.revision)
    };
    Ok(page.entries.into_iter().map(of).collect())
}

async fn reads_see_writes<S: Store>(store: &S) -> Result<(), Failure> {
    let (a, b) = (Key::of(["a"])?, Key::of(["b"])?);
    // Everything is read after each step: what a read remembers is out of date with the next.
    same("at first", listed(store).await?, Vec::new())?;
    let mut expected: Vec<(String, Vec<u8>, u64)> = Vec::new();
    for (key, text) in [(&a, "1"), (&b, "2"), (&a, "3"), (&b, ""), (&a, "5"), (&b, ""), (&a, "")] {
        expected.retain(|(name, ..)| name != key.as_str());
        if text.is_empty() {
            store.delete(key, Expect::Any).await?;
        } else {
            let revision = store.put(key, text.as_bytes(), Expect::Any).await?;
            expected.push((key.to_string(), text.as_bytes().to_vec(), revision));
            expected.sort();
        }
        let alone = value(store, key).await?;
        let entry = expected.iter().find(|(name, ..)| name == key.as_str());
        same("get", alone, entry.map(|(_, bytes, revision)| (bytes.clone(), *revision)))?;
        same("scan", listed(store).await?, expected.clone())?;
    }
    Ok(())
}

async fn given_up<S: Store>(store: &S) -> Result<(), Failure> {
    let (key, other) = (Key::of(["cut"])?, Key::of(["other"])?);
    let first = store.put(&key, b"0", Expect::Any).await?;
    store.put(&other, b"kept", Expect::Any).await?;
    let mut last = (b"0".to_vec(), first);
    for round in 1..6_u8 {
        // Dropped after its first step, if it takes more than one.
        let _ = once(store.put(&key, &[round], Expect::Any)).await;
        let _ = once(store.get(&key)).await;
        let _ = once(store.scan(&StoreScan::new(""))).await;
        let _ = once(store.keys(&StoreScan::new(""))).await;
        let _ = once(store.delete(&other, Expect::Absent)).await;
        let found = value(store, &key).await?;
        let Some((bytes, revision)) = found else {
            return Err(Failure::new("a write that was dropped removed the value"));
        };
        // What was dropped earlier may have been done by now, but nothing else.
        let whole = bytes == last.0 && revision == last.1
            || bytes.len() == 1 && (1..=round).contains(&bytes[0]) && revision > last.1;
        if !whole {
            return Err(Failure::new(format!("{bytes:?} at {revision} after {last:?}")));
        }
        last = (bytes, revision);
        same("other", value(store, &other).await?.map(|(bytes, _)| bytes), Some(b"kept".to_vec()))?;
    }
    let revision = store.put(&other, b"after", Expect::Any).await?;
    same("after", value(store, &other).await?, Some((b"after".to_vec(), revision)))
}

async fn ranges<S: Store>(store: &S) -> Result<(), Failure> {
    fill(store).await?;
    let bounds = ["A", "a", "a/1", "a/11", "a/b/c", "a0", "b/1", "c"];
    let ends = || [None].into_iter().chain(bounds.map(Some));
    for prefix in ["", "a", "a/"] {
        for after in ends() {
            for before in ends() {
                let mut scan = StoreScan::new(prefix);
                scan.after = after.map(Key::parse).transpose()?;
                scan.before = before.map(Key::parse).transpose()?;
                let within = |name: &&str| {
                    name.starts_with(prefix)
                        && after.is_none_or(|after| **name > *after)
                        && before.is_none_or(|before| **name < *before)
                };
                let expected: Vec<&str> = NAMES.iter().copied().filter(within).collect();
                let page = store.scan(&scan).await?;
                let found: Vec<&str> = page.entries.iter().map(|it| it.key.as_str()).collect();
                let what = format!("`{prefix}` after {after:?} before {before:?}");
                same(&format!("entries of {what}"), (found, page.more), (expected.clone(), false))?;
                let page = store.keys(&scan).await?;
                let found: Vec<&str> = page.keys.iter().map(|it| it.key.as_str()).collect();
                same(&format!("keys of {what}"), (found, page.more), (expected, false))?;
            }
        }
    }
    Ok(())
}

async fn one_moment<S: Store>(store: &S) -> Result<(), Failure> {
    let (ahead, behind) = (Key::of(["pair", "a"])?, Key::of(["pair", "z"])?);
    // What lies between gives a store that reads bit by bit the time to be overtaken.
    for between in 0..20_u8 {
        store
            .put(&Key::of(["pair".to_owned(), format!("between-{between:02}")])?, b"", Expect::Any)
            .await?;
    }
    let part = async |writes: bool| -> Result<(), Failure> {
        for round in 1..40_u8 {
            if writes {
                store.put(&ahead, &[round], Expect::Any).await?;
                store.put(&behind, &[round], Expect::Any).await?;
                continue;
            }
            let page = store.scan(&StoreScan::new("pair/")).await?;
            let round =
                |key: &Key| page.entries.iter().find(|it| it.key == *key)?.value.first().copied();
            let (ahead, behind) = (round(&ahead).unwrap_or(0), round(&behind).unwrap_or(0));
            // A page that is read bit by bit shows the second of a pair that it has not seen the
            // first of.
            if ahead != behind && Some(ahead) != behind.checked_add(1) {
                return Err(Failure::new(format!("{ahead} was written before {behind}")));
            }
        }
        Ok(())
    };
    together([true, false].map(part)).await.into_iter().collect()
}
