//! Damage to values, which a test does behind the back of a store.

use super::super::{Case, Failure, same};
use crate::storage::{Expect, Key, StorageError, Store, StoreScan};

/// The cases about damage. An instance is a store and what damages the value of a key in it, so that it
/// is not what was written: by another connection to the same file, for example.
///
/// | promise of [`Store`] | case | what it holds to |
/// |---|---|---|
/// | Damage stays local | `damage_is_told` | a value that is not what was written is an error when it is read, and for a scan over it |
/// | Damage stays local | `damage_is_passed` | everything beside a damaged value can be read, and its key be listed |
/// | Damage stays local | `damage_is_removed` | a damaged value can be replaced or deleted, and is gone then |
///
/// ```
/// use coordination_protocol::conformance;
/// use coordination_protocol::storage::{Key, Store};
///
/// /// How many of the cases a store of one's own passes.
/// async fn passed<S: Store>(open: impl Fn() -> S, damage: impl Fn(&S, &Key) + Copy + Sync) -> usize {
///     let cases = conformance::store::damage_cases();
///     conformance::run(&cases, || (open(), damage)).await.passed.len()
/// }
/// ```
pub fn damage_cases<S: Store, F: Fn(&S, &Key) + Sync>() -> Vec<Case<(S, F)>> {
    let cases = [
        Case::<(S, F)>::new(
            "damage_is_told",
            "a value that is not what was written is an error when it is read, and for a scan over it",
            |(store, damage)| Box::pin(damage_is_told(store, damage)),
        ),
        Case::new(
            "damage_is_passed",
            "everything beside a damaged value can be read, and its key be listed",
            |(store, damage)| Box::pin(damage_is_passed(store, damage)),
        ),
        Case::new(
            "damage_is_removed",
            "a damaged value can be replaced or deleted, and is gone then",
            |(store, damage)| Box::pin(damage_is_removed(store, damage)),
        ),
    ];
    cases.into_iter().map(|case| case.with_heading("Damage stays local")).collect()
}

/// Three values, of which the middle one is damaged, and the revision of that one.
async fn damaged<S: Store>(
    store: &S,
    damage: &impl Fn(&S, &Key),
) -> Result<([Key; 3], u64), Failure> {
    let keys = [Key::of(["v", "a"])?, Key::of(["v", "b"])?, Key::of(["v", "c"])?];
    let mut revision = 0;
    for key in &keys {
        let written = store.put(key, key.as_str().as_bytes(), Expect::Absent).await?;
        if *key == keys[1] {
            revision = written;
        }
    }
    damage(store, &keys[1]);
    Ok((keys, revision))
}

fn told<T: std::fmt::Debug>(
    what: &str,
    result: Result<T, StorageError>,
    key: &Key,
) -> Result<(), Failure> {
    match result {
        Err(StorageError::Damaged { key: named, .. }) if named == *key => Ok(()),
        other => Err(Failure::new(format!("{what}: {other:?}, expected that `{key}` is damaged"))),
    }
}

async fn damage_is_told<S: Store>(store: &S, damage: &impl Fn(&S, &Key)) -> Result<(), Failure> {
    let (keys, _) = damaged(store, damage).await?;
    told("get", store.get(&keys[1]).await, &keys[1])?;
    told("scan", store.scan(&StoreScan::new("")).await, &keys[1])?;
    // Reading it has not made it sound.
    told("get", store.get(&keys[1]).await, &keys[1])
}

async fn damage_is_passed<S: Store>(store: &S, damage: &impl Fn(&S, &Key)) -> Result<(), Failure> {
    let (keys, revision) = damaged(store, damage).await?;
    for key in [&keys[0], &keys[2]] {
        let found = store.get(key).await?.map(|entry| entry.value.to_vec());
        same(key.as_str(), found, Some(key.as_str().as_bytes().to_vec()))?;
    }
    let [first, middle, last] = keys;
    for (scan, expected) in [
        (StoreScan::new("v/").before(middle.clone()), &first),
        (StoreScan::new("v/").after(middle.clone()), &last),
        (StoreScan::new("v/c"), &last),
    ] {
        let page = store.scan(&scan).await?;
        let found: Vec<_> = page.entries.into_iter().map(|entry| entry.key).collect();
        same("a scan beside it", found, vec![expected.clone()])?;
    }
    let page = store.keys(&StoreScan::new("")).await?;
    let found: Vec<_> = page.keys.iter().map(|found| found.key.clone()).collect();
    same("keys", found, vec![first, middle, last])?;
    same("its revision", page.keys.get(1).map(|found| found.revision), Some(revision))?;
    // Writing beside it goes on as well.
    store.put(&Key::of(["v", "d"])?, b"d", Expect::Absent).await.map(drop).map_err(Failure::from)
}

async fn damage_is_removed<S: Store>(store: &S, damage: &impl Fn(&S, &Key)) -> Result<(), Failure> {
    let (keys, _) = damaged(store, damage).await?;
    let revision = store.put(&keys[1], b"new", Expect::Any).await?;
    let found = store.get(&keys[1]).await?.map(|entry| (entry.value.to_vec(), entry.revision));
    same("replaced", found, Some((b"new".to_vec(), revision)))?;
    same("scan", store.scan(&StoreScan::new("")).await?.entries.len(), 3)?;
    damage(store, &keys[1]);
    same("delete", store.delete(&keys[1], Expect::Any).await?, true)?;
    same("deleted", store.get(&keys[1]).await?, None)?;
    same("scan", store.scan(&StoreScan::new("")).await?.entries.len(), 2)
}
