//! Putting states back, whatever fails.

use super::stores::{Fault, Faulty};
use super::*;
use coordination_protocol::checkpoint::{
    CheckpointError, FileChange, PartName, StateTarget, Target,
};
use coordination_protocol::error::IntoReport;
use coordination_protocol::json::Json;

fn state_key() -> Key {
    key(&["current", "wf_001"])
}

fn names() -> [(PartName, Key); 3] {
    [
        (PartName::AGENT_STATES, key(&["agents", "wf_001"])),
        (PartName::RESOURCE_STATE, key(&["resources", "wf_001"])),
        (PartName::new("queue").unwrap(), key(&["queue", "wf_001"])),
    ]
}

fn target<S: Store>(store: &(impl Fn() -> S + ?Sized)) -> StateTarget<S> {
    names().into_iter().fold(StateTarget::new(store(), state_key()), |target, (part, key)| {
        target.with_part(part, key)
    })
}

/// The state in four parts, all of a version.
fn fill(store: &impl Store, version: u64) {
    put(store, &state_key(), state(version));
    for (part, key) in names() {
        put(store, &key, format!(r#"{{"{part}":{version}.0}}"#));
    }
}

fn whole(version: u64) -> Parts {
    names().into_iter().fold(parts(&state(version)), |parts, (part, _)| {
        let text = format!(r#"{{"{part}":{version}.0}}"#);
        parts.with_part(part, &text).unwrap()
    })
}

/// What a reader of the state sees, but for what tells that it was put back.
fn seen(store: &impl Store) -> Vec<Option<Vec<u8>>> {
    let parts = names().into_iter().map(|(_, key)| get(store, &key));
    let state = get(store, &state_key()).map(|state| said(&state).into_bytes());
    parts.chain([state]).collect()
}

/// A checkpoint of version 1, and version 2 in force; what version 1 looks like, and version 2.
fn scene(store: &(impl Store + Clone)) -> [Vec<Option<Vec<u8>>>; 2] {
    fill(store, 1);
    let first = seen(store);
    let checkpoints = Checkpoints::new(store.clone());
    block_on(checkpoints.create(&whole(1), &new(1))).unwrap();
    fill(store, 2);
    [first, seen(store)]
}

/// A target whose operation of some number fails: once, or from there on.
struct Failing<T> {
    inner: T,
    at: usize,
    count: usize,
    forever: bool,
    /// Whether the operation is done all the same.
    done: bool,
    /// Whether it says for certain that nothing was changed.
    certain: bool,
}

impl<T> Failing<T> {
    fn fails(&mut self) -> bool {
        self.count += 1;
        self.count == self.at + 1 || self.forever && self.count > self.at
    }

    fn error(&self) -> CheckpointError {
        if self.certain {
            CheckpointError::target_refused("planted")
        } else {
            CheckpointError::target("planted")
        }
    }
}

impl<T: Target> Target for Failing<T> {
    async fn read(&mut self) -> Result<Option<Parts>, CheckpointError> {
        if self.fails() { Err(self.error()) } else { self.inner.read().await }
    }

    async fn write(
        &mut self,
        part: &PartName,
        value: Option<&Json>,
    ) -> Result<(), CheckpointError> {
        if !self.fails() {
            return self.inner.write(part, value).await;
        }
        if self.done {
            self.inner.write(part, value).await?;
        }
        Err(self.error())
    }

    async fn verify(
        &mut self,
        part: &PartName,
        value: Option<&Json>,
    ) -> Result<(), CheckpointError> {
        if self.fails() { Err(self.error()) } else { self.inner.verify(part, value).await }
    }
}

fn a_failing_target_leaves_the_state<S: Store + Clone>(fresh: &dyn Fn() -> S) {
    let (mut undone, mut mixtures) = (0, 0);
    for (done, certain, forever) in [
        (false, false, false),
        (false, true, false),
        (true, false, false),
        (false, false, true),
        (true, false, true),
    ] {
        for number in 0.. {
            let store = fresh();
            let [first, second] = scene(&store);
            let checkpoints = Checkpoints::new(store.clone());
            let inner = target(&|| store.clone());
            let mut failing = Failing { inner, at: number, count: 0, forever, done, certain };
            let result =
                block_on(checkpoints.restore(&workflow(), &id("ckpt_1"), &mut failing, &new(9)));
            let now = seen(&store);
            let Err(error) = result else {
                assert_eq!(now, first);
                assert_eq!(line(&get(&store, &state_key()).unwrap()), (3, 1, Some(1)));
                assert!(number >= 9, "one read, four writes, four verifications");
                break;
            };
            assert!(!error.problem().suggestions.is_empty());
            let backup = block_on(checkpoints.load(&workflow(), &id("ckpt_9")));
            match &error {
                CheckpointError::Read(_) => assert_eq!((number, now == second), (0, true)),
                CheckpointError::Undone { backup: kept, .. } => {
                    undone += 1;
                    assert_eq!(now, second, "{error}");
                    assert_eq!(kept.as_ref(), Some(&id("ckpt_9")));
                    assert_eq!(backup.unwrap().parts, whole(2));
                    assert_eq!(get(&store, &key(&["checkpoint-restores", "wf_001"])), None);
                }
                // Loud, true, and what was there can be had again.
                CheckpointError::Mixture { failed, .. } => {
                    mixtures += 1;
                    assert!(forever && !failed.is_empty(), "{error}");
                    assert!(error.to_string().starts_with("THE STATE IS A MIXTURE: "), "{error}");
                    assert_eq!(backup.unwrap().parts, whole(2));
                    let recovered =
                        block_on(checkpoints.recover(&workflow(), &mut target(&|| store.clone())));
                    assert!(recovered.unwrap().is_some());
                    assert_eq!(seen(&store), second);
                }
                other => panic!("{other}"),
            }
            assert_eq!(block_on(checkpoints.verify(&workflow())).unwrap(), []);
        }
    }
    assert!(undone > 20 && mixtures > 10, "{undone} undone, {mixtures} mixtures");
}

#[test]
fn a_target_that_fails_at_any_step_leaves_the_state_as_it_was() {
    a_failing_target_leaves_the_state(&MemoryStore::new);
}

#[cfg(feature = "sqlite")]
#[test]
fn and_so_it_does_in_a_file() {
    use coordination_protocol::adapter::sqlite::{Sqlite, SqliteOptions, Synchronous};
    let folder = crate::support::Folder::new();
    let number = std::cell::Cell::new(0);
    a_failing_target_leaves_the_state(&|| {
        number.set(number.get() + 1);
        let options = SqliteOptions::new("test").with_synchronous(Synchronous::Normal);
        Sqlite::open(folder.0.join(format!("{}.sqlite", number.get())), &options).unwrap()
    });
}

/// Store and target die together at any operation, as a killed process does. Recovery makes it the
/// old state or the new one.
#[test]
fn a_restore_that_dies_anywhere_is_undone_or_done() {
    let (mut mixed, mut recovered) = (0, 0);
    for fault in [Fault::Dead, Fault::DeadAfter, Fault::Refused, Fault::Silent] {
        for number in 0.. {
            let store = MemoryStore::new();
            let [first, second] = scene(&store);
            let faulty = Faulty::new(store.clone(), fault, number);
            let checkpoints = Checkpoints::new(faulty.clone());
            let mut dying = target(&|| faulty.clone());
            let result =
                block_on(checkpoints.restore(&workflow(), &id("ckpt_1"), &mut dying, &new(9)));
            let alive = Checkpoints::new(store.clone());
            if !faulty.reached() {
                assert!(result.is_ok());
                break;
            }
            let now = seen(&store);
            let marked = get(&store, &key(&["checkpoint-restores", "wf_001"])).is_some();
            if now != first && now != second {
                mixed += 1;
                assert!(marked, "{fault:?} {number}: a mixture that is not marked");
            }
            if marked {
                let error = block_on(alive.restore(
                    &workflow(),
                    &id("ckpt_1"),
                    &mut target(&|| store.clone()),
                    &new(10),
                ));
                assert_eq!(
                    error.unwrap_err().to_string(),
                    "a restore of wf_001 is under way since 2025-01-15T12:00:09Z; if it died, `recover` undoes it"
                );
            }
            let done =
                block_on(alive.recover(&workflow(), &mut target(&|| store.clone()))).unwrap();
            assert_eq!(done.is_some(), marked);
            let now = seen(&store);
            if let Some(done) = done {
                recovered += 1;
                assert_eq!(done.checkpoint, id("ckpt_1"));
                assert_eq!(now, second, "{fault:?} {number}");
            } else {
                assert!(now == first || now == second, "{fault:?} {number}");
                assert!(result.is_err() || now == first);
            }
            // Where anything was changed, the backup is there.
            if now == first {
                assert_eq!(loaded(&alive, "ckpt_9"), whole(2));
            }
            assert_eq!(block_on(alive.verify(&workflow())).unwrap(), []);
            let again = block_on(alive.recover(&workflow(), &mut target(&|| store.clone())));
            assert_eq!(again.unwrap(), None);
        }
    }
    assert!(mixed > 5 && recovered > 10, "{mixed} mixed, {recovered} recovered");
}

/// The same where there is no state yet: it is all there in the end, or nothing is.
#[test]
fn a_restore_from_nothing_that_dies_anywhere_is_undone_or_done() {
    let nothing = vec![None; 4];
    let mut recovered = 0;
    for fault in [Fault::Dead, Fault::DeadAfter, Fault::Refused, Fault::Silent] {
        for number in 0.. {
            let store = MemoryStore::new();
            block_on(Checkpoints::new(store.clone()).create(&whole(1), &new(1))).unwrap();
            let faulty = Faulty::new(store.clone(), fault, number);
            let mut dying = target(&|| faulty.clone());
            let checkpoints = Checkpoints::new(faulty.clone());
            let result =
                block_on(checkpoints.restore(&workflow(), &id("ckpt_1"), &mut dying, &new(9)));
            if !faulty.reached() {
                assert!(result.is_ok());
                break;
            }
            let alive = Checkpoints::new(store.clone());
            let done =
                block_on(alive.recover(&workflow(), &mut target(&|| store.clone()))).unwrap();
            let now = seen(&store);
            if done.is_some() {
                recovered += 1;
                assert_eq!(now, nothing, "{fault:?} {number}");
            } else {
                assert!(now == nothing || now.iter().all(Option::is_some), "{fault:?} {number}");
            }
        }
    }
    assert!(recovered > 10, "{recovered}");
}

/// What recovery needs is not pruned away.
#[test]
fn the_backup_of_a_restore_that_died_stays() {
    let store = MemoryStore::new();
    let [_, second] = scene(&store);
    let faulty = Faulty::new(store.clone(), Fault::Dead, 18);
    let mut dying = target(&|| faulty.clone());
    block_on(Checkpoints::new(faulty.clone()).restore(
        &workflow(),
        &id("ckpt_1"),
        &mut dying,
        &new(9),
    ))
    .unwrap_err();
    let alive = Checkpoints::new(store.clone());
    assert_ne!(seen(&store), second);
    create(&alive, &state(5), &new(20));
    let none = coordination_protocol::checkpoint::Retention::new().with_keep(1);
    let prune = || block_on(alive.prune(&workflow(), &none, at(99))).unwrap();
    let pruned = prune();
    assert_eq!((pruned.removed, pruned.needed), (vec![], vec![id("ckpt_1")]));
    block_on(alive.recover(&workflow(), &mut target(&|| store.clone()))).unwrap().unwrap();
    assert_eq!(seen(&store), second);
    assert_eq!(prune().removed, [id("ckpt_1")]);
}

/// One write is done or not done: no mark, no mixture.
#[test]
fn a_restore_of_one_part_is_atomic() {
    for fault in [Fault::Dead, Fault::DeadAfter] {
        for number in 0.. {
            let store = MemoryStore::new();
            let sound = Checkpoints::new(store.clone());
            create(&sound, &state(1), &new(1));
            put(&store, &state_key(), state(2));
            let faulty = Faulty::new(store.clone(), fault, number);
            let mut dying = StateTarget::new(faulty.clone(), state_key());
            let result = block_on(Checkpoints::new(faulty.clone()).restore(
                &workflow(),
                &id("ckpt_1"),
                &mut dying,
                &new(9),
            ));
            assert_eq!(get(&store, &key(&["checkpoint-restores", "wf_001"])), None);
            let now = get(&store, &state_key()).unwrap();
            if said(&now) == said(state(1).as_bytes()) {
                assert_eq!(loaded(&sound, "ckpt_9"), parts(&state(2)));
            } else {
                assert_eq!(now, state(2).as_bytes());
                assert!(result.is_err());
            }
            if !faulty.reached() {
                break;
            }
        }
    }
}

#[test]
fn what_another_process_writes_meanwhile_is_never_overwritten() {
    let mut overtaken = 0;
    for number in 0.. {
        let store = MemoryStore::new();
        scene(&store);
        let other = store.clone();
        let hooked =
            Faulty::hooked(store.clone(), number, move || put(&other, &state_key(), state(3)));
        let mut target = target(&|| hooked.clone());
        let checkpoints = Checkpoints::new(store.clone());
        let result =
            block_on(checkpoints.restore(&workflow(), &id("ckpt_1"), &mut target, &new(9)));
        if !hooked.reached() {
            break;
        }
        match result {
            // The other came first or last; its state is in the backup, or in force.
            Ok(done) => {
                let now = get(&store, &state_key()).unwrap();
                let backup = loaded(&checkpoints, done.backup.unwrap().checkpoint_id.as_str());
                let kept = backup.state_text().as_str() == state(3);
                assert!(kept || now == state(3).as_bytes(), "{number}");
            }
            Err(error) => {
                overtaken += 1;
                assert!(matches!(error, CheckpointError::Undone { .. }), "{number}: {error}");
                assert!(
                    error
                        .to_string()
                        .contains("writing `workflow_state` failed: `current/wf_001` has revision")
                );
                assert_eq!(get(&store, &state_key()).unwrap(), state(3).as_bytes());
                assert_eq!(get(&store, &key(&["queue", "wf_001"])).unwrap(), br#"{"queue":2.0}"#);
            }
        }
    }
    assert!(overtaken > 1, "{overtaken}");
}

#[test]
fn nothing_is_touched_unless_all_is_well() {
    let store = MemoryStore::new();
    scene(&store);
    let checkpoints = Checkpoints::new(store.clone());
    let before = all(&store, "");
    let refused = |workflow: &str, id: &str, target: &mut StateTarget<MemoryStore>| -> String {
        let workflow = WorkflowId::new(workflow).unwrap();
        let result = block_on(checkpoints.restore(&workflow, &super::id(id), target, &new(9)));
        assert_eq!(all(&store, ""), before);
        let error = result.unwrap_err();
        assert!(!error.problem().suggestions.is_empty());
        error.to_string()
    };
    let mut here = target(&|| store.clone());
    assert_eq!(refused("wf_001", "ckpt_7", &mut here), "wf_001 has no checkpoint ckpt_7");
    assert_eq!(refused("wf_002", "ckpt_1", &mut here), "wf_002 has no checkpoint ckpt_1");
    assert_eq!(
        refused("wf_001", "../../x", &mut here),
        "`../../x` cannot name a place: it would leave the root"
    );
    let elsewhere = MemoryStore::new();
    put(&elsewhere, &state_key(), state(1).replace("wf_001", "wf_002"));
    let mut other = StateTarget::new(elsewhere.clone(), state_key());
    assert_eq!(refused("wf_001", "ckpt_1", &mut other), "the target holds wf_002, not wf_001");
    put(&elsewhere, &state_key(), "{");
    assert!(refused("wf_001", "ckpt_1", &mut other).starts_with(
        "the current state cannot be read, nothing was touched: `workflow_state` is not usable: "
    ));
    put(&elsewhere, &state_key(), [0xff]);
    assert_eq!(
        refused("wf_001", "ckpt_1", &mut other),
        "the current state cannot be read, nothing was touched: `current/wf_001` is not UTF-8"
    );
    block_on(elsewhere.delete(&state_key(), Expect::Any)).unwrap();
    put(&elsewhere, &key(&["queue", "wf_001"]), "1");
    let mut other = target(&|| elsewhere.clone());
    assert_eq!(
        refused("wf_001", "ckpt_1", &mut other),
        "the current state cannot be read, nothing was touched: there is a `queue` without a state"
    );
    // A target without a place for a part is found out half-way, and put right.
    let mut few = StateTarget::new(store.clone(), state_key());
    let error =
        block_on(checkpoints.restore(&workflow(), &id("ckpt_1"), &mut few, &new(8))).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the state is as it was: writing `agent_states` failed: no key is known for `agent_states`"
    );
    assert_eq!(get(&store, &state_key()).unwrap(), state(2).as_bytes());
    // A backup that cannot be made ends it.
    let error =
        block_on(checkpoints.restore(&workflow(), &id("ckpt_1"), &mut here, &new(1))).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the current state cannot be backed up, nothing was touched: ckpt_1 exists already"
    );
}

#[test]
fn a_restore_says_what_it_did() {
    let store = MemoryStore::new();
    let checkpoints = Checkpoints::new(store.clone());
    let queue = || PartName::new("queue").unwrap();
    let old = parts(&state(1)).with_files(files(&[("a", "1"), ("b", "2"), ("c", "3")])).unwrap();
    block_on(checkpoints.create(&old, &new(1))).unwrap();
    // From nothing: there is no backup.
    let target = || {
        StateTarget::new(store.clone(), state_key())
            .with_part(queue(), key(&["queue", "wf_001"]))
            .with_files(files(&[("a", "1"), ("b", "x"), ("d", "4")]))
    };
    let restore = |number| {
        block_on(checkpoints.restore(&workflow(), &id("ckpt_1"), &mut target(), &new(number)))
            .unwrap()
    };
    let done = restore(2);
    assert_eq!((done.backup, done.written), (None, vec![PartName::WORKFLOW_STATE]));
    let put_back = get(&store, &state_key()).unwrap();
    assert_eq!(said(&put_back), said(state(1).as_bytes()));
    // It may have been lost here only, so it counts on from what the checkpoint knows.
    assert_eq!(line(&put_back), (2, 1, Some(1)));
    // A part that the checkpoint does not have goes; the message around a state stays.
    put(
        &store,
        &state_key(),
        format!(r#"{{"source":"hub","workflow_state":{},"x":1.0}}"#, state(5)),
    );
    put(&store, &key(&["queue", "wf_001"]), "[1]");
    let done = restore(3);
    assert_eq!(done.written, [queue(), PartName::WORKFLOW_STATE]);
    assert_eq!(done.state_version, 6);
    let backup = done.backup.unwrap();
    assert_eq!(backup.checkpoint_type, CheckpointType::Emergency);
    assert_eq!(backup.state_version.unwrap().get(), 5);
    let changes: Vec<(&str, FileChange)> =
        done.files.iter().map(|file| (file.path.as_str(), file.change)).collect();
    assert_eq!(
        changes,
        [("b", FileChange::Changed), ("c", FileChange::Missing), ("d", FileChange::Added)]
    );
    let text = String::from_utf8(get(&store, &state_key()).unwrap()).unwrap();
    let marks = r#","epoch":1,"restored_version":1,"checkpoint_id":"ckpt_1"}"#;
    let expected = state(1)
        .replace("\"state_version\":1,", "\"state_version\":6,")
        .replace("2025-01-15T12:00:00Z", "2025-01-15T12:00:03Z")
        .replace(
            r#""resource_usage":{"memory_current":8.70}}"#,
            &format!(r#""resource_usage":{{"memory_current":8.70}}{marks}"#),
        );
    assert_eq!(text, format!(r#"{{"source":"hub","workflow_state":{expected},"x":1.0}}"#));
    assert_eq!(get(&store, &key(&["queue", "wf_001"])), None);
    // Once more there is nothing to do, and no backup of it.
    let done = restore(4);
    assert_eq!((done.backup, done.written.len()), (None, 0));
    // And back again.
    let done =
        block_on(checkpoints.restore(&workflow(), &id("ckpt_3"), &mut target(), &new(5))).unwrap();
    assert_eq!(done.state_version, 7);
    assert_eq!(line(&get(&store, &state_key()).unwrap()), (7, 2, Some(5)));
    assert_eq!(get(&store, &key(&["queue", "wf_001"])).unwrap(), b"[1]");
}

/// A restore that died is undone, but not what others wrote since.
#[test]
fn recovery_keeps_what_others_wrote() {
    let mut kept = 0;
    for number in 0.. {
        let store = MemoryStore::new();
        let [_, second] = scene(&store);
        let faulty = Faulty::new(store.clone(), Fault::Dead, number);
        let mut dying = target(&|| faulty.clone());
        let checkpoints = Checkpoints::new(faulty.clone());
        let _ = block_on(checkpoints.restore(&workflow(), &id("ckpt_1"), &mut dying, &new(9)));
        if !faulty.reached() {
            break;
        }
        let alive = Checkpoints::new(store.clone());
        // Others go on: with the state, and with one part.
        let queue = key(&["queue", "wf_001"]);
        put(&store, &state_key(), state(7));
        put(&store, &queue, r#"{"queue":7.0}"#);
        let recovered =
            block_on(alive.recover(&workflow(), &mut target(&|| store.clone()))).unwrap();
        assert_eq!(get(&store, &state_key()).unwrap(), state(7).as_bytes(), "{number}");
        assert_eq!(get(&store, &queue).unwrap(), br#"{"queue":7.0}"#, "{number}");
        if let Some(recovered) = recovered {
            kept += 1;
            let queue = PartName::new("queue").unwrap();
            assert_eq!(recovered.kept, [queue, PartName::WORKFLOW_STATE]);
            // What was half done is as it was.
            assert_eq!(seen(&store)[..2], second[..2], "{number}");
            let mark = get(&store, &key(&["checkpoint-restores", "wf_001"]));
            assert_eq!(mark, None);
        }
    }
    assert!(kept > 5, "{kept}");
}

/// A workflow that was taken back goes on under higher numbers: a writer that read the old line cannot
/// write over the new one, and what was kept of the old line is marked.
#[test]
fn writers_of_the_old_line_are_refused() {
    use coordination_protocol::storage::StorageError;
    use coordination_protocol::storage::view::States;
    let store = MemoryStore::new();
    let states = States::new(store.clone());
    let message = |state: &str| format!(r#"{{"workflow_state":{state}}}"#);
    let put = |version: u64, replaces| block_on(states.put(&message(&state(version)), replaces));
    put(1, None).unwrap();
    let checkpoints = Checkpoints::new(store.clone());
    create(&checkpoints, &state(1), &new(1));
    put(2, Some(1)).unwrap();
    put(3, Some(2)).unwrap();
    let mut target = StateTarget::new(store.clone(), States::key(&workflow()).unwrap());
    block_on(checkpoints.restore(&workflow(), &id("ckpt_1"), &mut target, &new(9))).unwrap();

    // Who read version 3 of the old line.
    let late = put(4, Some(3)).unwrap_err().to_string();
    assert_eq!(late, "`state/wf_001` is at version 4, expected version 3");
    // Who says which line it goes on with, though it names the version that is there.
    let old = state(5).replace(r#""workflow_id""#, r#""epoch":0,"workflow_id""#);
    let late = block_on(states.put(&message(&old), Some(4))).unwrap_err();
    assert!(matches!(late, StorageError::Abandoned { stored: 1, given: 0, .. }));
    assert_eq!(
        late.to_string(),
        "`state/wf_001` is in epoch 1; the state is of epoch 0, which was given up"
    );
    // Who knows no epochs goes on with the one that is there.
    let next = put(5, Some(4)).unwrap();
    assert_eq!(next.state.epoch.as_ref().unwrap().get(), 1);
    let kept = block_on(states.kept_versions(&workflow())).unwrap();
    let kept: Vec<_> = kept.iter().map(|one| (one.version, one.epoch, one.abandoned)).collect();
    assert_eq!(kept, [(1, 0, false), (2, 0, true), (3, 0, true), (4, 1, false), (5, 1, false)]);
    assert_eq!(block_on(states.get(&workflow())).unwrap(), Some(next));
}

#[test]
fn recovery_needs_its_backup() {
    let store = MemoryStore::new();
    let [first, _] = scene(&store);
    let faulty = Faulty::new(store.clone(), Fault::Dead, 18);
    let mut dying = target(&|| faulty.clone());
    block_on(Checkpoints::new(faulty.clone()).restore(
        &workflow(),
        &id("ckpt_1"),
        &mut dying,
        &new(9),
    ))
    .unwrap_err();
    let mark = key(&["checkpoint-restores", "wf_001"]);
    let kept = get(&store, &mark).expect("it died after its mark");
    let alive = Checkpoints::new(store.clone());
    let recover = || block_on(alive.recover(&workflow(), &mut target(&|| store.clone())));
    put(&store, &mark, "x");
    assert_eq!(
        recover().unwrap_err().to_string(),
        "the store is damaged: `checkpoint-restores/wf_001`: it is not sealed"
    );
    put(&store, &mark, &kept);
    let part = key(&["checkpoint-parts", "wf_001", "ckpt_9", "queue"]);
    let value = get(&store, &part).unwrap();
    put(&store, &part, "x");
    assert!(recover().unwrap_err().to_string().starts_with("`queue` of ckpt_9 is damaged"));
    assert_ne!(seen(&store), first);
    put(&store, &part, value);
    assert!(recover().unwrap().is_some());
}
