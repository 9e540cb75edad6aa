//! Making checkpoints.

use super::stores::{Fault, Faulty};
use super::*;
use crate::support::scaled;
use coordination_protocol::checkpoint::{
    CheckpointError, CheckpointForm, CheckpointOptions, Checks, FullCheckpointReason, PartName,
};
use coordination_protocol::error::IntoReport;
use coordination_protocol::message::Envelope;
use coordination_protocol::scalar::{CheckResult, CheckpointTrigger};
use coordination_protocol::{Codec, Mode};

fn checkpoints() -> Checkpoints<MemoryStore> {
    Checkpoints::new(MemoryStore::new())
}

#[test]
fn the_digests_are_over_canonical_forms() {
    let text = r#" { "state_version" : 15, "workflow_id":"wf_001","timestamp":"2025-01-15T12:00:00Z",
        "resource_usage":{"memory_current":8.70},"agent_states":{"b":{"status":"x"},"a":{"progress":1e1,"status":"y"}}}"#;
    let parts =
        parts(text).with_files(files(&[("b.rs", "1"), ("a.rs", "2"), ("b.rs", "3")])).unwrap();
    let digests = parts.digests().unwrap();
    let of = |text: &str| Some(Digest::of(text.as_bytes()));
    assert_eq!(
        digests.workflow_state_hash,
        of(
            r#"{"agent_states":{"a":{"progress":10,"status":"y"},"b":{"status":"x"}},"resource_usage":{"memory_current":8.7},"state_version":15,"timestamp":"2025-01-15T12:00:00Z","workflow_id":"wf_001"}"#
        )
    );
    assert_eq!(
        digests.agent_state_hash,
        of(r#"{"a":{"progress":10,"status":"y"},"b":{"status":"x"}}"#)
    );
    assert_eq!(digests.resource_state_hash, of(r#"{"memory_current":8.7}"#));
    let list = format!(r#"{{"a.rs":"{}","b.rs":"{}"}}"#, Digest::of(b"2"), Digest::of(b"3"));
    assert_eq!(digests.file_system_hash, of(&list));
    // What is not given is derived, or has no digest.
    let bare = super::parts(r#"{"workflow_id":"w","state_version":1}"#).digests().unwrap();
    assert_eq!(bare.agent_state_hash, of("{}"));
    assert_eq!(bare.resource_state_hash, of("{}"));
    assert_eq!(bare.file_system_hash, None);
}

#[test]
fn the_confirmation_is_strictly_valid() {
    let checkpoints = checkpoints();
    let made = create(&checkpoints, &state(15), &new(1).with_trigger(CheckpointTrigger::Automatic));
    let text = Envelope::from(made.sync.clone()).to_string();
    Codec::new(Mode::Strict).verify_message(&text).unwrap();
    assert!(Codec::new(Mode::Strict).check_message(&text).report.findings().is_empty());
    let storage = made.sync.storage_metadata.unwrap();
    assert_eq!(storage.storage_location.as_deref(), Some(".claude/data/checkpoints/wf_001/ckpt_1"));
    assert_eq!(storage.size_bytes.unwrap().get(), state(15).len() as u64);
    assert_eq!(storage.compression_ratio.unwrap().as_str(), "1");
    assert_eq!(made.sync.state_version.unwrap().get(), 15);
    assert_eq!(made.sync.trigger.unwrap(), CheckpointTrigger::Automatic);
    assert_eq!((made.form, made.why_full), (CheckpointForm::Full, None));
    let listing = block_on(checkpoints.list(&workflow())).unwrap();
    assert_eq!(listing.checkpoints[0].sync.checkpoint_id, id("ckpt_1"));
    assert_eq!(block_on(checkpoints.workflows()).unwrap(), [workflow()]);
    assert_eq!(block_on(checkpoints.find(&id("ckpt_1"))).unwrap(), [workflow()]);
    assert_eq!(block_on(checkpoints.find(&id("ckpt_2"))).unwrap(), []);
}

#[test]
fn chains_give_back_exactly_what_was_checkpointed() {
    let rng = &mut Rng::new(21);
    let (mut deltas, mut full) = (0, 0);
    for case in 0..scaled(25) {
        let options = CheckpointOptions::default()
            .with_chain(rng.below(6), 1 << 20)
            .with_compress_above(rng.below(600));
        let checkpoints = checkpoints().with_options(options);
        let mut texts = Vec::new();
        let mut text = random_state(rng, 0);
        for number in 0..12_u8 {
            // Most steps change little; some change everything.
            text = match rng.below(4) {
                0 => random_state(rng, number.into()),
                _ => evolved(rng, &text),
            };
            let mut whole = parts(&text);
            if rng.one_in(2) {
                whole = whole.with_files(files(&[("a", "1"), ("b", &number.to_string())])).unwrap();
            }
            if rng.one_in(2) {
                let queue = format!("[{}]", rng.pick(SPELLINGS));
                whole = whole.with_part(PartName::new("queue").unwrap(), &queue).unwrap();
            }
            let kind = if rng.one_in(5) { new(number) } else { incremental(number) };
            let made = block_on(checkpoints.create(&whole, &kind)).unwrap();
            match made.form {
                CheckpointForm::Full => full += 1,
                _ => deltas += 1,
            }
            let digests = whole.digests().unwrap();
            assert_eq!(made.sync.state_snapshot, Some(digests));
            texts.push(whole);
        }
        for (number, whole) in texts.iter().enumerate() {
            let found = loaded(&checkpoints, &format!("ckpt_{number}"));
            assert_eq!(&found, whole, "case {case}, {number}");
        }
        assert_eq!(block_on(checkpoints.verify(&workflow())).unwrap(), []);
    }
    assert!(deltas > 50 && full > 50, "{deltas} deltas, {full} full");
}

#[test]
fn incremental_ones_say_why_they_are_full() {
    let checkpoints =
        checkpoints().with_options(CheckpointOptions::default().with_chain(2, 1 << 20));
    let why = |made: Created| (made.form, made.why_full);
    let base = |text: &str| CheckpointForm::Delta { base: id(text) };
    assert_eq!(
        why(create(&checkpoints, &state(1), &incremental(1))),
        (CheckpointForm::Full, Some(FullCheckpointReason::NoBase))
    );
    assert_eq!(why(create(&checkpoints, &state(2), &incremental(2))), (base("ckpt_1"), None));
    assert_eq!(why(create(&checkpoints, &state(3), &incremental(3))), (base("ckpt_1"), None));
    assert_eq!(
        why(create(&checkpoints, &state(4), &incremental(4))),
        (CheckpointForm::Full, Some(FullCheckpointReason::ChainLength))
    );
    assert_eq!(why(create(&checkpoints, &state(5), &incremental(5))), (base("ckpt_4"), None));
    let other = r#"{"timestamp":"2025-01-15T12:00:00Z","state_version":6,"workflow_id":"wf_001"}"#;
    assert_eq!(
        why(create(&checkpoints, other, &incremental(6))),
        (CheckpointForm::Full, Some(FullCheckpointReason::NotSmaller))
    );
    let small = Checkpoints::new(checkpoints.store().clone())
        .with_options(CheckpointOptions::default().with_chain(9, 1));
    assert_eq!(why(create(&small, other, &incremental(7))), (base("ckpt_6"), None));
    assert_eq!(
        why(create(&small, other, &incremental(8))),
        (CheckpointForm::Full, Some(FullCheckpointReason::ChainBytes))
    );
    put(
        checkpoints.store(),
        &key(&["checkpoint-parts", "wf_001", "ckpt_8", "workflow_state"]),
        "x",
    );
    assert_eq!(
        why(create(&small, other, &incremental(9))),
        (CheckpointForm::Full, Some(FullCheckpointReason::BaseUnusable))
    );
    let told: Vec<String> = [
        FullCheckpointReason::NoBase,
        FullCheckpointReason::BaseUnusable,
        FullCheckpointReason::ChainLength,
        FullCheckpointReason::ChainBytes,
        FullCheckpointReason::NotSmaller,
    ]
    .iter()
    .map(ToString::to_string)
    .collect();
    assert_eq!(
        told,
        [
            "there is no full one yet",
            "the last full one cannot be used",
            "the last full one has enough deltas",
            "the deltas on the last full one are large enough",
            "a delta would not be smaller",
        ]
    );
    assert_eq!(base("ckpt_1").to_string(), "delta of ckpt_1");
}

#[test]
fn large_parts_are_compressed() {
    let names: Vec<(String, Digest)> = (0..12_000_u32)
        .map(|number| {
            (format!("src/module_{number}/file.rs"), Digest::of(&number.to_le_bytes()[..1]))
        })
        .collect();
    let whole = parts(&state(1)).with_files(names).unwrap();
    let size = whole.get(&PartName::FILE_SYSTEM).unwrap().as_str().len();
    assert!(size > 1 << 20);
    let checkpoints = checkpoints();
    let made = block_on(checkpoints.create(&whole, &new(1))).unwrap();
    let storage = made.sync.storage_metadata.unwrap();
    let (bytes, ratio) = (storage.size_bytes.unwrap().get(), storage.compression_ratio.unwrap());
    assert!(ratio.value() < 0.5, "{ratio}");
    let total = (size + state(1).len()) as f64;
    assert!((bytes as f64 / total - ratio.value()).abs() < 1e-9);
    assert_eq!(loaded(&checkpoints, "ckpt_1"), whole);
    // Below the threshold nothing is.
    let plain = Checkpoints::new(MemoryStore::new())
        .with_options(CheckpointOptions::default().with_compress_above(size));
    let made = block_on(plain.create(&whole, &new(1))).unwrap();
    assert_eq!(made.sync.storage_metadata.unwrap().compression_ratio.unwrap().as_str(), "1");
}

#[test]
fn validations_are_run_by_name() {
    let text = |more: &str| {
        format!(
            r#"{{"workflow_id":"wf_001","state_version":1,"timestamp":"2025-01-15T12:00:00Z","agent_states":{{"a":{{"status":"active","current_task":"t1"}}}},"resource_usage":{{"memory_current":8}}{more}}}"#
        )
    };
    let (passed, failed, unknown) =
        (CheckResult::Passed, CheckResult::Failed, CheckResult::Unknown);
    let with = |name: &str, value: &str| {
        parts(&text("")).with_part(PartName::new(name).unwrap(), value).unwrap()
    };
    let checks = Checks::new();
    assert_eq!(checks.check("state_integrity", &parts(&text(""))), passed);
    let bad = parts(&text(
        r#","validation_required":["a"],"checkpoint_id":"ckpt_1","metadata":{"conflict_detected":false,"synchronization_confidence":1}"#,
    ));
    assert_eq!(checks.check("state_integrity", &bad), passed);
    assert_eq!(
        checks.check("state_integrity", &parts(r#"{"workflow_id":"w","state_version":1}"#)),
        failed
    );
    assert_eq!(checks.check("nobody_knows", &bad), unknown);
    for (dependencies, result) in [
        (r#"{"t1":[]}"#, &passed),
        (r#"{"t1":["t2","t3"],"t2":["t3"],"t3":[]}"#, &passed),
        (r#"{"t1":["t2"],"t2":["t3"],"t3":["t1"]}"#, &failed),
        (r#"{"t1":["t1"]}"#, &failed),
        (r#"{"t1":["t9"]}"#, &failed),
        (r#"{"t2":[]}"#, &failed),
        (r#"{"t1":"t2","t2":[]}"#, &failed),
        (r#"{"t1":[1]}"#, &failed),
        ("[]", &failed),
    ] {
        let found = checks.check("dependency_consistency", &with("dependencies", dependencies));
        assert_eq!(&found, result, "{dependencies}");
    }
    assert_eq!(checks.check("dependency_consistency", &parts(&text(""))), unknown);
    for (resources, result) in [
        (r#"{"allocations":[]}"#, &failed),
        (r#"{"allocations":[{"allocation_id":"a1","memory_gb":16}]}"#, &passed),
        (
            r#"{"allocations":[{"allocation_id":"a1","memory_gb":4},{"allocation_id":"a2","memory_gb":4}]}"#,
            &passed,
        ),
        (r#"{"allocations":[{"allocation_id":"a1","memory_gb":7.9}]}"#, &failed),
        (r#"{"allocations":[{"allocation_id":"a1"},{"allocation_id":"a1"}]}"#, &failed),
        (r#"{"allocations":[{"exclusive_files":["f"]},{"exclusive_files":["f"]}]}"#, &failed),
        (r#"{"allocations":[{"exclusive_files":["f"]},{"exclusive_files":["g"]}]}"#, &passed),
        (r#"{"allocations":[7]}"#, &failed),
        (r#"{"allocations":7}"#, &failed),
        (r#"{"pool":7}"#, &unknown),
    ] {
        let found = checks.check("resource_consistency", &with("resource_state", resources));
        assert_eq!(&found, result, "{resources}");
    }
    assert_eq!(checks.check("resource_consistency", &parts(&text(""))), unknown);
    // A caller's own takes the place of a built-in one.
    let own = Checks::new().with("state_integrity", |_| CheckResult::Passed);
    let unsound = parts(r#"{"workflow_id":"wf_001","state_version":1}"#);
    let checkpoints = checkpoints().with_checks(own);
    assert!(block_on(checkpoints.create(&unsound, &new(1))).is_ok());
}

#[test]
fn every_refusal_says_why_and_leaves_nothing() {
    let store = MemoryStore::new();
    let checkpoints = Checkpoints::new(store.clone());
    let refused = |text: &str, new: &NewCheckpoint| -> String {
        let error = block_on(checkpoints.create(&parts(text), new)).unwrap_err();
        assert!(!error.problem().suggestions.is_empty());
        assert_eq!(all(&store, ""), [], "{error}");
        error.to_string()
    };
    let unsound = r#"{"workflow_id":"wf_001","state_version":1}"#;
    assert_eq!(
        refused(unsound, &new(1)),
        "the state is not sound: required field `timestamp` is missing (missing-field at /workflow_state/timestamp)"
    );
    assert_eq!(
        refused(&state(1), &new(1).with_type(CheckpointType::from_lenient("daily"))),
        "`daily` is not a word that a checkpoint may be written with"
    );
    assert_eq!(
        refused(&state(1), &new(1).with_trigger(CheckpointTrigger::from_lenient("cron"))),
        "`cron` is not a word that a checkpoint may be written with"
    );
    for escape in ["../../x", "..", ".", "a/b", "a\\b", "/etc"] {
        assert_eq!(
            refused(&state(1), &new(1).with_id(id(escape))),
            format!("`{escape}` cannot name a place: it would leave the root")
        );
        let text = state(1).replace("wf_001", &escape.replace('\\', "\\\\"));
        assert_eq!(
            refused(&text, &new(1)),
            format!("`{escape}` cannot name a place: it would leave the root")
        );
        let elsewhere = WorkflowId::new(escape).unwrap();
        let error = block_on(checkpoints.load(&elsewhere, &id("a"))).unwrap_err();
        assert!(matches!(error, CheckpointError::Escapes { .. }), "{error}");
        assert!(block_on(checkpoints.find(&id(escape))).is_err());
        assert!(block_on(checkpoints.list(&elsewhere)).is_err());
    }
    assert_eq!(
        refused(&state(1), &new(1).with_id(id(&"é".repeat(128)))),
        "a key has at most 512 bytes, this one has 787"
    );
    assert_eq!(
        refused(
            &state(1).replace("\"state_version\":1", "\"x\":9007199254740993,\"state_version\":1"),
            &new(1)
        ),
        "`workflow_state` cannot be digested: the number 9007199254740993 at byte 28 has no exact canonical form; write it as a string"
    );
    // Parts of the host are not digested that way, and may hold any number.
    let large =
        parts(&state(1)).with_part(PartName::new("n").unwrap(), "[9007199254740993, 1e400]");
    block_on(checkpoints.create(&large.clone().unwrap(), &new(5))).unwrap();
    assert_eq!(loaded(&checkpoints, "ckpt_5"), large.unwrap());
    // An emergency takes what there is.
    block_on(checkpoints.create(&parts(unsound), &new(1).with_type(CheckpointType::Emergency)))
        .unwrap();
    let error = block_on(checkpoints.create(&parts(&state(1)), &new(1))).unwrap_err();
    assert_eq!(error, CheckpointError::Exists(id("ckpt_1")));
    assert_eq!(error.to_string(), "ckpt_1 exists already");
    assert_eq!(loaded(&checkpoints, "ckpt_1").state_text().as_str(), unsound);
}

#[test]
fn what_is_no_part_is_refused() {
    let long = format!(r#"{{"workflow_id":"w","state_version":1,"x":"{}"}}"#, "x".repeat(100));
    let options = CheckpointOptions::default().with_part(80, 100);
    let error = |result: Result<Parts, CheckpointError>| {
        let error = result.unwrap_err();
        assert!(!error.problem().suggestions.is_empty());
        error.to_string()
    };
    assert_eq!(
        error(Parts::parse_with(&long, &options)),
        "`workflow_state` is not usable: longer than the limit at byte 80"
    );
    assert_eq!(
        error(Parts::parse("{")),
        "`workflow_state` is not usable: the text ends inside a value at byte 1"
    );
    assert_eq!(
        error(Parts::parse("7")),
        "not the state of a workflow: expected an object, found number 7 (`wrong-kind` at /workflow_state, byte 18)"
    );
    let good = || parts(&state(1));
    let name = |text: &str| PartName::new(text).unwrap();
    assert_eq!(
        error(good().with_part(name("agent_states"), "[]")),
        "`agent_states` must be an object"
    );
    assert_eq!(
        error(good().with_part(name("file_system"), r#"{"a":"sha256:abc"}"#)),
        "the file `a` has no digest; write `sha256:` and 64 hexadecimal digits"
    );
    for bad in ["", "a/b", "..", "a b", "a:b", "é"] {
        let refused = PartName::new(bad).unwrap_err().to_string();
        assert_eq!(
            refused,
            format!("`{bad}` is no name for a part; use letters, digits, `_`, `-` or `.`")
        );
    }
    // A message is as good as its body, and its white space is no one's.
    let message = format!(r#" {{ "source": "hub", "workflow_state": {} }} "#, state(1));
    assert_eq!(parts(&message).state_text().as_str(), state(1));
    let typed = Parts::new(good().state()).unwrap();
    assert_eq!(typed.state(), good().state());
}

/// Whatever operation fails or is the last one, there is the checkpoint as a whole or none, the
/// ones before are sound, and pruning leaves nothing behind.
#[test]
fn a_failure_at_any_operation_leaves_all_or_nothing() {
    let mut cases = 0;
    for fault in [Fault::Refused, Fault::Silent, Fault::Dead, Fault::DeadAfter] {
        for number in 0.. {
            let store = MemoryStore::new();
            let sound = Checkpoints::new(store.clone());
            create(&sound, &state(1), &new(1));
            let faulty = Faulty::new(store.clone(), fault, number);
            let whole = parts(&state(2)).with_files(files(&[("a", "1")])).unwrap();
            let result = block_on(Checkpoints::new(faulty.clone()).create(&whole, &incremental(2)));
            if !faulty.reached() {
                assert!(result.is_ok());
                break;
            }
            cases += 1;
            let listing = block_on(sound.list(&workflow())).unwrap();
            let there = listing.checkpoints.len() == 2;
            assert!(there || result.is_err(), "{fault:?} {number}");
            if there {
                assert_eq!(loaded(&sound, "ckpt_2"), whole);
            } else {
                let error = block_on(sound.load(&workflow(), &id("ckpt_2"))).unwrap_err();
                assert_eq!(error.to_string(), "wf_001 has no checkpoint ckpt_2");
            }
            assert_eq!(block_on(sound.verify(&workflow())).unwrap(), []);
            let keep = super::prune::everything();
            block_on(sound.prune(&workflow(), &keep, at(10_000))).unwrap();
            let known = if there { 3 } else { 1 };
            assert_eq!(all(&store, "checkpoint-parts/").len(), known, "{fault:?} {number}");
            assert_eq!(all(&store, "checkpoints/").len(), 1 + usize::from(there));
            // It can be made again.
            let again = block_on(sound.create(&whole, &incremental(2)));
            assert_eq!(again.is_ok(), !there, "{fault:?} {number}");
        }
    }
    assert!(cases > 20, "{cases}");
}
