//! Ed25519: the vectors of RFC 8032, rotation of keys, and tampering.

use super::{LIMITS, NOW, id};
use coordination_protocol::scalar::Timestamp;
use coordination_protocol::security::signature::{
    ED25519, Ed25519Signer, KeyRing, PublicKey, SignatureClaim, Signer, Verifier, sign, verify,
};

use crate::support::{Rng, mutate, scaled};

#[derive(serde::Deserialize)]
struct Vector {
    name: String,
    seed: String,
    public_key: String,
    message: String,
    signature: String,
}

fn bytes(hex: &str) -> Vec<u8> {
    assert!(hex.len().is_multiple_of(2));
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

/// Section 7.1 of the RFC: tests 1, 2, 3, 1024 and SHA(abc).
fn vectors() -> Vec<Vector> {
    serde_json::from_str(include_str!("../rfc8032.json")).unwrap()
}

#[test]
fn rfc_8032() {
    let lengths: Vec<_> = vectors().iter().map(|v| (v.name.clone(), v.message.len() / 2)).collect();
    let expected = [("1", 0), ("2", 1), ("3", 2), ("1024", 1023), ("SHA(abc)", 64)];
    assert!(lengths.iter().map(|(name, length)| (name.as_str(), *length)).eq(expected));
    for vector in vectors() {
        let signer = Ed25519Signer::from_seed_text("k", &vector.seed).unwrap();
        assert_eq!(signer.public_key()[..], bytes(&vector.public_key), "{}", vector.name);
        let (message, signature) = (bytes(&vector.message), bytes(&vector.signature));
        assert_eq!(signer.sign(&message).unwrap(), signature, "{}", vector.name);

        let key = PublicKey::new("k", ED25519, bytes(&vector.public_key), id("hub")).unwrap();
        let ring = KeyRing::new().with_key(key).unwrap();
        let fits = |message: &[u8], signature: &[u8]| {
            let claim = SignatureClaim::new("k", ED25519, signature).unwrap();
            match ring.verify(&claim, message, NOW.into()) {
                Ok(proof) => proof.owner() == &id("hub"),
                Err(error) => {
                    assert_eq!(error.code(), "bad-signature");
                    false
                }
            }
        };
        assert!(fits(&message, &signature), "{}", vector.name);
        for bit in (0..signature.len() * 8).step_by(11) {
            let mut other = signature.clone();
            other[bit / 8] ^= 1 << (bit % 8);
            assert!(!fits(&message, &other), "{} bit {bit}", vector.name);
        }
        for end in [0, 1, 32, 63] {
            assert!(!fits(&message, &signature[..end]), "{} cut at {end}", vector.name);
        }
        assert!(!fits(&message, &[signature.as_slice(), &[0]].concat()), "{}", vector.name);
        assert!(!fits(&[message.as_slice(), &[0]].concat(), &signature), "{}", vector.name);
    }
}

/// The group's order added to the second half gives the same equation: lax verifiers take it.
#[test]
fn a_signature_has_one_form() {
    let order = bytes("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
    let vector = &vectors()[1];
    let mut signature = bytes(&vector.signature);
    let mut carry = 0;
    for (byte, add) in signature[32..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        *byte = (sum & 0xff) as u8;
        carry = sum >> 8;
    }
    assert_eq!(carry, 0);
    // The holder of the key made this one, over the neutral point: lax verifiers take it for
    // good, and others do not.
    let neutral = "0100000000000000000000000000000000000000000000000000000000000000\
                   675d054595fa17cb6a44e3ada6ca385e55667e41a63fdab0ac22d10000354002";
    let key = PublicKey::new("k", ED25519, bytes(&vector.public_key), id("hub")).unwrap();
    let ring = KeyRing::new().with_key(key).unwrap();
    for signature in [signature, bytes(neutral)] {
        let claim = SignatureClaim::new("k", ED25519, signature).unwrap();
        let error = ring.verify(&claim, &bytes(&vector.message), NOW.into()).unwrap_err();
        assert_eq!(error.code(), "bad-signature");
    }
}

#[test]
fn seeds_are_hex_or_base64() {
    let vector = &vectors()[0];
    let base64 = "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=";
    let upper = vector.seed.to_ascii_uppercase();
    for text in [vector.seed.as_str(), &upper, base64, &format!(" {base64}\r\n")] {
        let signer = Ed25519Signer::from_seed_text("k", text).unwrap();
        assert_eq!(signer.public_key()[..], bytes(&vector.public_key), "{text}");
        assert_eq!((signer.key_id(), signer.algorithm()), ("k", "ed25519"));
    }
    let long = vector.seed.clone() + "00";
    let no_digit = vector.seed.replace('9', "g");
    let sign = vector.seed.replacen("9d", "+d", 1);
    let url = base64.replace('/', "_");
    let longer = base64.replace("2A=", "2AA");
    for text in ["", &long, &no_digit, &sign, &url, &longer, &base64[..43], "é"] {
        let error = Ed25519Signer::from_seed_text("k", text).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "a seed is 64 hexadecimal digits or 44 characters of base64; this is neither, in \
                 {} characters",
                text.len()
            )
        );
    }
    let error = Ed25519Signer::from_seed_text("", &vector.seed).unwrap_err();
    assert_eq!(error.to_string(), "the key's identifier: an identifier cannot be empty");
    let signer = Ed25519Signer::from_seed("k", &[7; 32]).unwrap();
    assert_eq!(format!("{signer:?}"), "Ed25519Signer { key_id: \"k\", .. }", "no secret");
}

fn signer(key_id: &str, byte: u8) -> Ed25519Signer {
    Ed25519Signer::from_seed(key_id, &[byte; 32]).unwrap()
}

fn public(signer: &Ed25519Signer, owner: &str) -> PublicKey {
    PublicKey::ed25519(signer.key_id(), signer.public_key(), id(owner)).unwrap()
}

#[test]
fn keys_rotate_without_a_gap() {
    let (old, new) = (signer("hub-2025", 1), signer("hub-2026", 2));
    let time = |millis| Timestamp::from_unix_millis(millis);
    let ring = KeyRing::new()
        .with_key(public(&old, "hub").with_not_after(time(NOW + 10)))
        .and_then(|ring| ring.with_key(public(&new, "hub").with_not_before(time(NOW))))
        .unwrap();
    let text = r#"{"source":"hub","event":{}}"#;
    let (by_old, by_new) = (sign(text, &old, &LIMITS).unwrap(), sign(text, &new, &LIMITS).unwrap());
    let reason = |text: &str, at| match verify(text, &ring, at, &LIMITS) {
        Ok(proof) => proof.key_id().to_owned(),
        Err(error) => error.code().to_owned(),
    };
    for (at, first, second) in [
        (NOW - 1, "hub-2025", "key-not-yet-valid"),
        (NOW, "hub-2025", "hub-2026"),
        (NOW + 10, "hub-2025", "hub-2026"),
        (NOW + 11, "key-expired", "hub-2026"),
    ] {
        assert_eq!((reason(&by_old, at), reason(&by_new, at)), (first.into(), second.into()));
    }
    let revoked = KeyRing::new().with_key(public(&old, "hub").with_revoked_at(time(NOW))).unwrap();
    let error = verify(&by_old, &revoked, NOW, &LIMITS).unwrap_err();
    assert_eq!(error.code(), "key-revoked");
}

#[test]
fn each_cause_has_its_reason() {
    let (hub, worker) = (signer("hub-2026", 1), signer("worker-2026", 2));
    let ring = KeyRing::new()
        .with_key(public(&hub, "hub"))
        .and_then(|ring| ring.with_key(public(&worker, "worker")))
        .unwrap();
    let text = r#"{"source":"hub","ttl_seconds":60,"event":{"a":[1,2.50]}}"#;
    let signed = sign(text, &hub, &LIMITS).unwrap();
    let by_worker = sign(text, &worker, &LIMITS).unwrap();
    let by_stranger = sign(text, &signer("eve", 3), &LIMITS).unwrap();
    // Same name, another key.
    let by_impostor = sign(text, &signer("hub-2026", 3), &LIMITS).unwrap();
    let cases = [
        (signed.clone(), None),
        // Spelling is not signed.
        (signed.replace("2.50", "2.5"), None),
        (signed.replace("\"hub\"", "\"h\\u0075b\""), None),
        (signed.replace(":60,", " :\t6e1, "), None),
        (text.to_owned(), Some("unsigned")),
        (signed.replace("\"value\"", "\"Value\""), Some("malformed-signature")),
        (signed.replace("[1,", "[1.5,"), Some("bad-signature")),
        (signed.replace(":60,", ":600,"), Some("bad-signature")),
        (signed.replacen('{', "{\"priority\":\"high\",", 1), Some("bad-signature")),
        (signed.replace("\"source\":\"hub\"", "\"source\":\"worker\""), Some("bad-signature")),
        (signed.replace("\"source\":\"hub\",", ""), Some("bad-signature")),
        (signed.replace("hub-2026", "worker-2026"), Some("bad-signature")),
        (signed.replace("hub-2026", "hub-2027"), Some("unknown-key")),
        (signed.replace("ed25519", "Ed25519"), Some("wrong-algorithm")),
        (signed.replace(":60,", ":9007199254740993,"), Some("not-canonical")),
        (by_worker, Some("wrong-owner")),
        (by_stranger, Some("unknown-key")),
        (by_impostor, Some("bad-signature")),
    ];
    for (text, reason) in cases {
        let found = verify(&text, &ring, NOW, &LIMITS).map_err(|error| error.code()).err();
        assert_eq!(found, reason, "{text}");
    }
}

/// Whatever is changed, a signature is accepted only over a text of the same meaning.
#[test]
fn tampering_is_found() {
    let hub = signer("hub-2026", 1);
    let keys = KeyRing::new().with_key(public(&hub, "hub")).unwrap();
    let text = r#"{"message_id":"msg_1","source":"hub","event":{"a":"b","n":[1,2.5,{"x":null}]}}"#;
    let signed = sign(text, &hub, &LIMITS).unwrap();
    let meaning = |text: &str| -> serde_json::Value { serde_json::from_str(text).unwrap() };
    let (mut accepted, mut refused) = (0, 0);
    for case in 0..scaled(1_500) {
        let mut changed = signed.clone().into_bytes();
        let rng = &mut Rng::new(case as u64 + 1);
        if rng.one_in(4) {
            // Between values a blank means nothing.
            changed.insert(rng.below(signed.len()), b' ');
        } else {
            mutate(rng, &mut changed);
        }
        let Ok(changed) = String::from_utf8(changed) else { continue };
        if verify(&changed, &keys, NOW, &LIMITS).is_ok() {
            assert_eq!(meaning(&changed), meaning(&signed), "{changed}");
            accepted += 1;
        } else {
            assert_ne!(changed, signed);
            refused += 1;
        }
    }
    assert!(accepted > 50 && refused > 800, "{accepted} {refused}");
}
