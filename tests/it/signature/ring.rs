//! The key ring: which keys it takes, when they are good, and its file.

use super::{LIMITS, NOW, id};
use coordination_protocol::Limits;
use coordination_protocol::json::Kind;
use coordination_protocol::scalar::Timestamp;
use coordination_protocol::security::signature::{
    KeyFileProblem, KeyRing, PublicKey, SignatureClaim, SignatureError, Verifier,
};

use crate::support::{Rng, scaled};

/// A key of an algorithm that no one implements; rings keep it like any other.
fn key(key_id: &str, byte: u8, owner: &str) -> PublicKey {
    PublicKey::new(key_id, "future", [byte; 4], id(owner)).unwrap()
}

fn time(millis: i64) -> Timestamp {
    Timestamp::from_unix_millis(millis)
}

/// What a ring says of a signature that is not looked at any further than the key.
fn judge(ring: &KeyRing, key_id: &str, algorithm: &str, at: i64) -> SignatureError {
    let claim = SignatureClaim::new(key_id, algorithm, []).unwrap();
    let verifier: &dyn Verifier = ring;
    verifier.verify(&claim, b"{}", at.into()).unwrap_err()
}

#[test]
fn a_key_is_good_for_its_time() {
    let ring = KeyRing::new()
        .with_key(key("always", 1, "hub"))
        .and_then(|ring| {
            let limited = key("limited", 2, "hub").with_not_before(time(NOW));
            ring.with_key(limited.with_not_after(time(NOW + 10)).with_revoked_at(time(NOW + 20)))
        })
        .and_then(|ring| ring.with_key(key("revoked", 3, "hub").with_revoked_at(time(NOW + 5))))
        .unwrap();
    let good = "unknown-algorithm";
    for (key_id, at, reason) in [
        ("always", i64::MIN, good),
        ("always", i64::MAX, good),
        ("limited", NOW - 1, "key-not-yet-valid"),
        ("limited", NOW, good),
        ("limited", NOW + 10, good),
        ("limited", NOW + 11, "key-expired"),
        ("limited", NOW + 20, "key-revoked"),
        ("revoked", NOW + 4, good),
        ("revoked", NOW + 5, "key-revoked"),
        ("Always", NOW, "unknown-key"),
    ] {
        assert_eq!(judge(&ring, key_id, "future", at).code(), reason, "{key_id} {at}");
    }
    for (key_id, algorithm, at, message) in [
        ("nobody", "future", NOW, "the key `nobody` is not known"),
        ("always", "future", NOW, "the algorithm `future` of key `always` is not known"),
        ("always", "ed25519", NOW, "key `always` is for future, and the signature claims ed25519"),
        ("limited", "future", NOW - 1, "key `limited` is not valid before 2025-01-15T12:00:00Z"),
        (
            "limited",
            "future",
            NOW + 11,
            "key `limited` is not valid after 2025-01-15T12:00:00.010Z",
        ),
        ("revoked", "future", NOW + 5, "key `revoked` is revoked since 2025-01-15T12:00:00.005Z"),
    ] {
        assert_eq!(judge(&ring, key_id, algorithm, at).to_string(), message);
    }
    assert_eq!(judge(&ring, "always", "ed25519", NOW).code(), "wrong-algorithm");
    assert_eq!(ring.get("limited").unwrap().owner(), &id("hub"));
    assert_eq!(ring.get("nobody"), None);
}

/// Without the feature `signature` even Ed25519 is unknown.
#[cfg(not(feature = "signature"))]
#[test]
fn no_algorithm_is_known() {
    let ring = KeyRing::new().with_key(PublicKey::ed25519("k", [9; 32], id("hub")).unwrap());
    let error = judge(&ring.unwrap(), "k", "ed25519", NOW);
    assert_eq!(error.to_string(), "the algorithm `ed25519` of key `k` is not known");
}

#[test]
fn keys_that_do_not_go_together_are_refused() {
    let ring = || KeyRing::new().with_key(key("one", 1, "hub")).unwrap();
    for (added, message) in [
        (key("one", 2, "hub"), "key `one` is there already"),
        (
            key("two", 1, "worker"),
            "key `two` is the same as `one`, which belongs to another component",
        ),
        (
            key("two", 2, "hub").with_not_before(time(1)).with_not_after(time(0)),
            "key `two` ends before it begins",
        ),
        (
            key("two", 2, "hub").with_revoked_at(Timestamp::from_lenient("soon")),
            "key `two`: `soon` is not a timestamp",
        ),
    ] {
        assert_eq!(ring().with_key(added).unwrap_err().to_string(), message);
    }
    // The same key under two names of one owner, and a moment of validity, are odd but sound.
    let odd = key("two", 1, "hub").with_not_before(time(1)).with_not_after(time(1));
    assert_eq!(ring().with_key(odd).unwrap().keys().len(), 2);
    let full = ring().with_max_keys(1).with_key(key("two", 2, "hub")).unwrap_err();
    assert_eq!(full, SignatureError::FullRing { max_keys: 1 });
    assert_eq!(full.to_string(), "a key ring of at most 1 keys is full");
}

const FILE: &str = r#"{
  "keys": [
    { "key_id": "hub-2025", "algorithm": "future", "public_key": "AAEC/w==", "owner": "hub", "not_after": "2026-01-31T23:59:59+01:00", "revoked_at": "2025-06-01T00:00:00Z" },
    { "key_id": "hub-2026", "algorithm": "future", "public_key": "AAED/w==", "owner": "hub", "not_before": "2026-01-01T00:00:00.000Z" }
  ]
}
"#;

#[test]
fn a_file_is_read_and_written_back() {
    let ring = KeyRing::new().with_json(FILE, &LIMITS).unwrap();
    assert_eq!(ring.to_json(), FILE);
    let old = ring.get("hub-2025").unwrap();
    assert_eq!((old.algorithm(), old.bytes()), ("future", &[0, 1, 2, 255][..]));
    assert_eq!(old.not_before(), None);
    assert_eq!(old.not_after().unwrap().as_str(), "2026-01-31T23:59:59+01:00");
    assert_eq!(old.revoked_at().unwrap().as_str(), "2025-06-01T00:00:00Z");
    let empty = KeyRing::new().to_json();
    assert_eq!(empty, "{\n  \"keys\": []\n}\n");
    assert_eq!(KeyRing::new().with_json(&empty, &LIMITS).unwrap().keys().len(), 0);
    // Files add up.
    let more = r#"{"keys":[{"owner":"w","key_id":"w","algorithm":"x","public_key":""}]}"#;
    assert_eq!(ring.with_json(more, &LIMITS).unwrap().keys().len(), 3);
}

#[test]
fn every_fault_of_a_file_has_its_place() {
    let id = r#""key_id":"k""#;
    let algorithm = r#""algorithm":"ed25519""#;
    let bytes = r#""public_key":"CQkJCQ==""#;
    let owner = r#""owner":"hub""#;
    let entry = |members: &[&str]| format!("{{\"keys\":[{{{}}}]}}", members.join(","));
    let timed = |time: &str| entry(&[id, r#""algorithm":"x""#, bytes, owner, time]);
    let rows: &[(String, &str)] = &[
        (String::new(), "at byte 0: the text ends inside a value"),
        ("{\"keys\":[}".into(), "at byte 9: expected a value"),
        ("{\"keys\":[],\"keys\":[]}".into(), "at byte 11: duplicate key"),
        (" []".into(), "at byte 1: expected an object, found an array"),
        ("{}".into(), "at byte 0: `keys` is missing"),
        ("{\"keys\":{}}".into(), "/keys at byte 8: expected an array, found an object"),
        (
            "{\"keys\":[],\"version\":1}".into(),
            "/version at byte 11: a key file has no such member",
        ),
        ("{\"keys\":[1]}".into(), "/keys/0 at byte 9: expected an object, found a number"),
        (entry(&[]), "/keys/0 at byte 9: `key_id` is missing"),
        (entry(&[id, algorithm, bytes]), "/keys/0 at byte 9: `owner` is missing"),
        (
            entry(&[id, r#""revoke_at":"2025-01-15T12:00:00Z""#]),
            "/keys/0/revoke_at at byte 23: a key has no such member; did you mean `revoked_at`?",
        ),
        (
            entry(&[r#""private_key":"""#]),
            "/keys/0/private_key at byte 10: a key has no such member",
        ),
        (entry(&[id, r#""x":"""#]), "/keys/0/x at byte 23: a key has no such member"),
        (entry(&[r#""key_id":null"#]), "/keys/0/key_id at byte 19: expected a string, found null"),
        (
            entry(&[r#""key_id":"a:b""#, algorithm, bytes, owner]),
            "/keys/0/key_id at byte 19: the key's identifier: an identifier cannot contain ':' \
             (at byte 1); use letters, digits, `_`, `-` or `.`",
        ),
        (
            entry(&[id, r#""algorithm":"""#, bytes, owner]),
            "/keys/0/algorithm at byte 35: the algorithm's name: an identifier cannot be empty",
        ),
        (
            entry(&[id, algorithm, bytes, owner]),
            "/keys/0/public_key at byte 58: an ed25519 public key has 32 bytes, this one has 4",
        ),
        (
            entry(&[id, algorithm, r#""public_key":"CQ""#, owner]),
            "/keys/0/public_key at byte 58: not base64 in the standard alphabet with padding",
        ),
        (
            entry(&[id, algorithm, bytes, r#""owner":"""#]),
            "/keys/0/owner at byte 77: the owner: an identifier cannot be empty",
        ),
        (
            timed(r#""not_after":"2026-13-01T00:00:00Z""#),
            "/keys/0/not_after at byte 89: `2026-13-01T00:00:00Z` is not a timestamp: no such \
             date, time or offset exists (byte 0); write it like `2025-01-15T12:00:00Z`",
        ),
        (
            timed(r#""not_after":"2025-01-15T12:00:00Z","not_before":"2025-01-15T12:00:01Z""#),
            "/keys/0 at byte 9: key `k` ends before it begins",
        ),
        (
            FILE.replace("hub-2026", "hub-2025"),
            "/keys/1 at byte 193: key `hub-2025` is there already",
        ),
    ];
    for (text, message) in rows {
        let error = KeyRing::new().with_json(text, &LIMITS).unwrap_err();
        assert_eq!(error.to_string(), *message, "{text}");
    }
    let error = KeyRing::new().with_max_keys(1).with_json(FILE, &LIMITS).unwrap_err();
    assert_eq!(error.to_string(), "/keys/1 at byte 193: a key ring of at most 1 keys is full");
    let SignatureError::KeyFile { pointer, at, .. } = error else { panic!("{error}") };
    assert_eq!((pointer.as_str(), at), ("/keys/1", 193));
    let error = KeyRing::new().with_json("[]", &LIMITS).unwrap_err();
    let SignatureError::KeyFile { problem, .. } = error else { panic!("{error}") };
    assert!(matches!(
        *problem,
        KeyFileProblem::Kind { expected: Kind::Object, found: Kind::Array, .. }
    ));
    let short = Limits::default().with_bytes(FILE.len() - 1);
    let error = KeyRing::new().with_json(FILE, &short).unwrap_err();
    assert!(error.to_string().ends_with("longer than the limit"), "{error}");
}

#[test]
fn any_ring_survives_its_file() {
    for case in 0..scaled(300) {
        let rng = &mut Rng::new(case as u64 + 1);
        let mut keys = KeyRing::new();
        for number in 0..rng.below(8) {
            let name = format!("{}{number}", rng.pick(&["k", "two words", "é\"\\", "a.b-"]));
            let owner = rng.pick(&["hub", "wörker", "\"", "a/b~c"]);
            let bytes: Vec<u8> = (0..rng.below(40)).map(|_| (rng.next() & 0xff) as u8).collect();
            let mut key = PublicKey::new(&name, "future", bytes, id(owner)).unwrap();
            let millis = i64::try_from(rng.next() % 253_402_300_799_999).unwrap();
            if rng.one_in(2) {
                key = key.with_not_before(time(millis));
            }
            if rng.one_in(2) {
                key = key.with_not_after(time(millis));
            }
            if rng.one_in(2) {
                key = key.with_revoked_at(time(millis / 2));
            }
            // Short keys may be the same for two owners.
            keys = keys.clone().with_key(key).unwrap_or(keys);
        }
        let text = keys.to_json();
        let read = KeyRing::new().with_json(&text, &LIMITS).unwrap();
        assert!(read.keys().eq(keys.keys()), "{text}");
        assert_eq!(read.to_json(), text);
    }
}
