//! What a [`Store`] promises.

use super::{Failure, cases, same, together};
use crate::storage::{Expect, Key, StorageError, Store, StoreScan};

cases! { Store:
    absent_keys "a key that was never written reads as absent";
    values "bytes are read as they were written, any bytes, none and many";
    limits "a value at the limit is taken, a larger one is refused and changes nothing";
    revisions_grow "each write takes a revision higher than all before it in the store";
    expects_absent "a write that expects no value happens only where there is none";
    expects_revision "a write that expects a revision happens only at that revision";
    refusals_change_nothing "a refused write or delete leaves value and revision alone";
    deletes "a delete tells whether the key was there, and heeds what is expected";
    old_revisions_stay_old "a revision from before a delete never matches again";
    any_key "keys of any text stay apart";
    scans "a scan finds exactly the keys with the prefix, ordered by their bytes";
    pages "pages of any size put together are the whole scan";
    keys_alone "keys are listed with their revisions, within any prefix and range, in pages of any size";
    one_winner "of writers that race from one revision exactly one succeeds";
    counting "increments by compare and set are never lost, however they interleave";
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
    Ok(())
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
    let start = store.put(&key, b"start", Expect::Any).await?;
    let bids: Vec<[u8; 1]> = (0..16).map(|bid| [bid]).collect();
    let puts = bids.iter().map(|bid| store.put(&key, bid, Expect::Revision(start)));
    // Side by side on one task: the store's own locking decides, not the order of the calls.
    let results = together(puts).await;
    let winners: Vec<(usize, u64)> = results
        .iter()
        .enumerate()
        .filter_map(|(bid, result)| result.as_ref().ok().map(|revision| (bid, *revision)))
        .collect();
    let &[(bid, revision)] = winners.as_slice() else {
        return Err(Failure::new(format!("{} writers succeeded", winners.len())));
    };
    for result in results.into_iter().filter(Result::is_err) {
        conflict("loser", result, Expect::Revision(start), Some(revision))?;
    }
    same("value", value(store, &key).await?, Some((vec![bid as u8], revision)))
}

async fn counting<S: Store>(store: &S) -> Result<(), Failure> {
    let key = Key::of(["count"])?;
    let count = async || -> Result<(), Failure> {
        let mut done = 0;
        while done < 25 {
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
                Err(StorageError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    };
    together((0..8).map(|_| count())).await.into_iter().collect::<Result<(), Failure>>()?;
    same("count", value(store, &key).await?.map(|(bytes, _)| bytes), Some(b"200".to_vec()))
}
