//! Signatures: the wire form, what is signed, the key ring and its file.
//!
//! Most of it needs no cryptography: a signer stands in whose signature is the input itself.

use coordination_protocol::Limits;
use coordination_protocol::json::{JsonError, canonical};
use coordination_protocol::scalar::{ComponentId, WallTime};
use coordination_protocol::security::signature::{
    KeyRing, PublicKey, SignatureClaim, SignatureError, Signer, Verified, Verifier, sign,
    signing_input, verify,
};

use crate::support::{Drawn, Quotes, Rng, Tree, scaled, write_object};

mod ring;
#[cfg(feature = "signature")]
mod vectors;

const LIMITS: Limits = Limits::DEFAULT;
const NOW: i64 = 1_736_942_400_000;

fn id(name: &str) -> ComponentId {
    ComponentId::new(name).unwrap()
}

/// Its signature is the input itself.
struct Mirror;

impl Signer for Mirror {
    fn key_id(&self) -> &'static str {
        "mirror"
    }

    fn algorithm(&self) -> &'static str {
        "none"
    }

    fn sign(&self, input: &[u8]) -> Result<Vec<u8>, SignatureError> {
        Ok(input.to_vec())
    }
}

impl Verifier for Mirror {
    fn verify(
        &self,
        claim: &SignatureClaim,
        input: &[u8],
        _: WallTime,
    ) -> Result<Verified, SignatureError> {
        if claim.value() == input {
            return Ok(Verified::new(claim.key_id(), id("hub")));
        }
        Err(SignatureError::BadSignature { key_id: claim.key_id().into() })
    }
}

/// What [`Mirror`] writes for an input.
fn member(input: &str) -> String {
    let claim = SignatureClaim::new("mirror", "none", input).unwrap();
    format!("\"signature\":{}", claim.to_json())
}

#[test]
fn the_input_is_the_canonical_root_without_its_signature() {
    for (text, input) in [
        ("{}", "{}"),
        (r#" { "signature" : {} } "#, "{}"),
        (r#"{"b":1,"a":2}"#, r#"{"a":2,"b":1}"#),
        (r#"{"signature":{},"b":1}"#, r#"{"b":1}"#),
        (r#"{"b":1,"signature":{}}"#, r#"{"b":1}"#),
        (r#"{"b":1 , "signature":{} , "a":2}"#, r#"{"a":2,"b":1}"#),
        // Whatever the value is, and however the name is spelled.
        (r#"{"b":1,"signature":[1e999]}"#, r#"{"b":1}"#),
        (r#"{"b":1,"sign\u0061ture":null}"#, r#"{"b":1}"#),
        // Only the root's own.
        (r#"{"b":{"signature":1}}"#, r#"{"b":{"signature":1}}"#),
        (r#"{"b":[{"signature":1}],"signature":2}"#, r#"{"b":[{"signature":1}]}"#),
        (r#"{"signatures":1,"Signature":2}"#, r#"{"Signature":2,"signatures":1}"#),
        // The example of RFC 8785.
        (
            r#"{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],
                "string":"\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
                "signature":"x","literals":[null,true,false]}"#,
            "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,1e+30,4.5,0.002,1e-27],\
             \"string\":\"\u{20ac}$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}",
        ),
    ] {
        assert_eq!(signing_input(text, &LIMITS).unwrap(), input, "{text}");
    }
}

#[test]
fn texts_without_an_input() {
    for (text, message) in [
        ("", "not canonical JSON: the text ends inside a value at byte 0"),
        ("[1]", "an envelope is a JSON object, found an array"),
        (" \"signature\"", "an envelope is a JSON object, found a string"),
        ("{} {}", "not canonical JSON: text after the end of the value at byte 3"),
        // Every spelling of a name counts, and every place.
        (r#"{"signature":{},"signature":{}}"#, "not canonical JSON: duplicate key at byte 16"),
        (r#"{"signature":{},"\u0073ignature":{}}"#, "not canonical JSON: duplicate key at byte 16"),
        (
            r#"{"signature":{"value":"","value":""}}"#,
            "not canonical JSON: duplicate key at byte 25",
        ),
        (r#"{"a":1,"signature":{},"\u0061":2}"#, "not canonical JSON: duplicate key at byte 22"),
        // Positions are those of the whole text.
        (
            r#"{"signature":{"ä":1},"a":9007199254740993}"#,
            "the number 9007199254740993 at byte 26 has no exact canonical form; write it as a string",
        ),
        (
            r#"{"a":1e400}"#,
            "the number 1e400 at byte 5 has no exact canonical form; write it as a string",
        ),
        ("{'a':1}", "not canonical JSON: string in single quotes at byte 1"),
    ] {
        let error = signing_input(text, &LIMITS).unwrap_err();
        assert_eq!(error.to_string(), message, "{text}");
        let sign_error = sign(text, &Mirror, &LIMITS).unwrap_err();
        assert_eq!(sign_error, SignatureError::Unsignable(Box::new(error.clone())), "{text}");
        assert_eq!(sign_error.to_string(), format!("cannot sign: {message}"));
        if !text.contains("signature") {
            continue;
        }
        let verify_error = verify(text, &Mirror, NOW, &LIMITS).unwrap_err();
        if let SignatureError::Uncheckable(found) = &verify_error {
            assert_eq!(**found, error);
            let expected = format!("the signature cannot be checked: {message}");
            assert_eq!(
                (verify_error.code(), verify_error.to_string()),
                ("not-canonical", expected)
            );
        } else {
            // The faulty number is in a text whose signature is no signature either.
            assert_eq!(verify_error.code(), "malformed-signature", "{text}");
        }
    }
}

#[test]
fn signing_appends_and_replaces() {
    let sig = |input: &str| member(input);
    for (text, expected) in [
        ("{}", format!("{{{}}}", sig("{}"))),
        (" { } \n", format!(" {{{} }} \n", sig("{}"))),
        (r#"{"a":1.0}"#, format!(r#"{{"a":1.0,{}}}"#, sig(r#"{"a":1}"#))),
        (
            "{\n  \"b\": 1.50,\n  \"a\": \"\\u0041\"\n}\n",
            format!(
                "{{\n  \"b\": 1.50,\n  \"a\": \"\\u0041\",{}\n}}\n",
                sig(r#"{"a":"A","b":1.5}"#)
            ),
        ),
        (r#"{ "signature" : 1 }"#, format!("{{ {} }}", sig("{}"))),
        (r#"{ "signature":1, "a":2 }"#, format!(r#"{{ "a":2,{} }}"#, sig(r#"{"a":2}"#))),
        (r#"{"a":2 , "signature":1 }"#, format!(r#"{{"a":2,{} }}"#, sig(r#"{"a":2}"#))),
        (
            r#"{"a":2, "\u0073ignature":1, "b":3 }"#,
            format!(r#"{{"a":2, "b":3,{} }}"#, sig(r#"{"a":2,"b":3}"#)),
        ),
    ] {
        let signed = sign(text, &Mirror, &LIMITS).unwrap();
        assert_eq!(signed, expected, "{text}");
        assert_eq!(sign(&signed, &Mirror, &LIMITS).unwrap(), signed, "{text}");
        assert_eq!(verify(&signed, &Mirror, NOW, &LIMITS).unwrap().key_id(), "mirror");
    }
}

#[test]
fn a_signed_text_stays_within_the_limits() {
    let text = r#"{"a":1}"#;
    let signed = sign(text, &Mirror, &LIMITS).unwrap();
    let fits = LIMITS.with_bytes(signed.len()).with_keys(3).with_depth(2);
    assert_eq!(sign(text, &Mirror, &fits).unwrap(), signed);
    for (limits, message) in [
        (fits.with_bytes(signed.len() - 1), "longer than the limit"),
        (fits.with_keys(1), "more keys in one object than the limit"),
        (fits.with_depth(1), "nested deeper than the limit"),
    ] {
        let error = sign(text, &Mirror, &limits).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
        assert!(signing_input(text, &limits).is_ok(), "only the signature is too much");
        let refused = verify(&signed, &Mirror, NOW, &limits).unwrap_err();
        assert!(matches!(
            refused,
            SignatureError::Uncheckable(cause)
                if matches!(*cause, SignatureError::Canonical(JsonError::NotCanonical(_)))
        ));
    }
}

#[test]
fn signatures_of_another_form_are_refused() {
    for (signature, message) in [
        ("null", "/signature at byte 13: expected an object, found null"),
        (r#""c2ln""#, "/signature at byte 13: expected an object, found a string"),
        ("{}", "/signature at byte 13: `key_id` is missing"),
        (r#"{"value":"","key_id":"k"}"#, "/signature at byte 13: `algorithm` is missing"),
        (r#"{"key_id":"k","algorithm":"a"}"#, "/signature at byte 13: `value` is missing"),
        (
            r#"{"key_id":7,"algorithm":"a","value":""}"#,
            "/signature/key_id at byte 23: expected a string, found a number",
        ),
        (
            r#"{"key_id":"k","algorithm":"a","value":["x"]}"#,
            "/signature/value at byte 51: expected a string, found an array",
        ),
        (
            r#"{"key_id":"k","created/at":1,"algorithm":"a","value":""}"#,
            "/signature/created~1at at byte 27: a signature has no such member, and nothing would \
             protect it",
        ),
        (
            r#"{"key_id":"a:b","algorithm":"a","value":""}"#,
            "/signature/key_id at byte 23: the key's identifier: an identifier cannot contain ':' \
             (at byte 1); use letters, digits, `_`, `-` or `.`",
        ),
        (
            r#"{"key_id":"k","algorithm":"","value":""}"#,
            "/signature/algorithm at byte 39: the algorithm's name: an identifier cannot be empty",
        ),
    ] {
        let text = format!("{{\"signature\":{signature},\"a\":1}}");
        let error = verify(&text, &Mirror, NOW, &LIMITS).unwrap_err();
        assert_eq!((error.code(), &*error.to_string()), ("malformed-signature", message));
    }
    let error = verify("{\"a\":{\"signature\":{}}}", &Mirror, NOW, &LIMITS).unwrap_err();
    assert_eq!((error.code(), &*error.to_string()), ("unsigned", "the message is not signed"));
}

#[test]
fn base64_has_one_spelling() {
    let text = |value: &str| {
        format!(r#"{{"signature":{{"key_id":"k","algorithm":"a","value":"{value}"}}}}"#)
    };
    // `{}` is the input of all of them.
    assert!(verify(&text("e30="), &Mirror, NOW, &LIMITS).is_ok());
    assert!(verify(&text(r"e3\u0030="), &Mirror, NOW, &LIMITS).is_ok(), "JSON escapes are JSON's");
    for bad in ["e30", "e30==", "e31=", "e30=\\n", " e30=", "e3-_", "e30=e30=", "=", "e", "é"] {
        let error = verify(&text(bad), &Mirror, NOW, &LIMITS).unwrap_err();
        assert_eq!(
            error.to_string(),
            "/signature/value at byte 51: not base64 in the standard alphabet with padding",
            "{bad}"
        );
    }
    // The empty text is base64 of nothing, which fits nothing.
    let error = verify(&text(""), &Mirror, NOW, &LIMITS).unwrap_err();
    assert_eq!(
        (error.code(), &*error.to_string()),
        ("bad-signature", "the signature does not fit the message and key `k`")
    );
}

#[test]
fn the_key_must_belong_to_the_source() {
    // The owner of the mirror's key is `hub`.
    for (header, claimed) in [
        (r#""source":"hub""#, None),
        (r#""source":"\u0068ub""#, None),
        (r#""source_component":"hub""#, None),
        (r#""source":"hub","source_component":"hub""#, None),
        (r#""event":{"source":"worker"}"#, None),
        (r#""source":"worker""#, Some("worker")),
        (r#""source":"Hub""#, Some("Hub")),
        (r#""source":"hub","source_component":"worker""#, Some("worker")),
        (r#""source_component":"worker""#, Some("worker")),
        (r#""s\u006furce":"worker""#, Some("worker")),
        (r#""source":null"#, Some("null")),
        (r#""source":["hub"]"#, Some("[\"hub\"]")),
    ] {
        let signed = sign(&format!("{{{header}}}"), &Mirror, &LIMITS).unwrap();
        let result = verify(&signed, &Mirror, NOW, &LIMITS);
        let Some(claimed) = claimed else {
            assert_eq!(result.unwrap().owner(), &id("hub"), "{header}");
            continue;
        };
        let error = result.unwrap_err();
        assert_eq!(error.code(), "wrong-owner");
        assert_eq!(
            error.to_string(),
            format!(
                "key `mirror` belongs to `hub`, and the message claims to come from `{claimed}`"
            )
        );
    }
}

#[test]
fn signers_and_verifiers_may_fail() {
    struct Locked;
    impl Signer for Locked {
        fn key_id(&self) -> &'static str {
            "a:b"
        }
        fn algorithm(&self) -> &'static str {
            "none"
        }
        fn sign(&self, input: &[u8]) -> Result<Vec<u8>, SignatureError> {
            match input {
                b"{}" => Ok(Vec::new()),
                _ => Err(SignatureError::SignerFailed("the agent does not answer".to_owned())),
            }
        }
    }
    impl Verifier for Locked {
        fn verify(
            &self,
            _: &SignatureClaim,
            _: &[u8],
            at: WallTime,
        ) -> Result<Verified, SignatureError> {
            Err(SignatureError::Unavailable(format!("no answer at {}", at.unix_millis())))
        }
    }
    let error = sign(r#"{"a":1}"#, &Locked, &LIMITS).unwrap_err();
    assert_eq!(error.to_string(), "the signer failed: the agent does not answer");
    let error = sign("{}", &Locked, &LIMITS).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the signer failed: the key's identifier: an identifier cannot contain ':' (at byte 1); \
         use letters, digits, `_`, `-` or `.`"
    );
    let signed = sign("{}", &Mirror, &LIMITS).unwrap();
    let error = verify(&signed, &Locked, 7, &LIMITS).unwrap_err();
    assert_eq!(error.code(), "verifier-unavailable");
    assert_eq!(error.to_string(), "the signature could not be checked: no answer at 7");
}

/// A whole number is signed only if no other has its canonical form.
#[test]
fn no_whole_number_can_take_the_place_of_another() {
    let message = |number: &str| {
        format!(
            r#"{{"heartbeat":{{"component_id":"a","sequence":{number},"timestamp":"2025-01-15T12:00:00Z"}}}}"#
        )
    };
    for number in
        ["9223372036854775808", "9223372036854775300e0", "170141183460469231731687303715884105727"]
    {
        let error = sign(&message(number), &Mirror, &LIMITS).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "cannot sign: the number {number} at byte 44 has no exact canonical form; write it as a string"
            )
        );
    }
    let signed = sign(&message("9223372036854776000"), &Mirror, &LIMITS).unwrap();
    for (number, same) in [
        ("9223372036854776000", true),
        ("9223372036854776e3", true),
        ("9223372036854776000.0", true),
        ("9223372036854775808", false),
        ("9223372036854775300e0", false),
        ("9223372036854775999", false),
        ("9223372036854778000", false),
    ] {
        let changed =
            signed.replace("\"sequence\":9223372036854776000", &format!("\"sequence\":{number}"));
        assert_eq!(verify(&changed, &Mirror, NOW, &LIMITS).is_ok(), same, "{number}");
    }
}

/// Envelopes of all shapes: signing keeps every byte, checks again, and takes nothing else.
#[test]
fn signing_changes_nothing_else() {
    let mut signed_texts = 0;
    for case in 0..scaled(2_000) {
        let rng = &mut Rng::new(case as u64 + 3);
        let mut entries = Drawn::new(case).entries();
        entries.retain(|(name, _)| name != "source");
        if rng.one_in(2) {
            let at = rng.below(entries.len() + 1);
            entries.insert(at, ("signature".to_owned(), Tree::plain("7")));
        }
        let mut text = String::from(rng.pick(&["", " ", "\n\t"]));
        write_object(&entries, Quotes::Double, &mut text);
        entries.retain(|(name, _)| name != "signature");
        let mut bare = String::new();
        write_object(&entries, Quotes::Double, &mut bare);
        let Ok(input) = canonical(&bare, &LIMITS) else {
            assert!(sign(&text, &Mirror, &LIMITS).is_err());
            continue;
        };
        signed_texts += 1;
        assert_eq!(signing_input(&text, &LIMITS).unwrap(), input);
        let signed = sign(&text, &Mirror, &LIMITS).unwrap();
        let rest = signed.replace(&format!(",{}", member(&input)), "");
        let rest = rest.replace(&member(&input), "");
        assert_eq!(rest.trim_start(), bare, "{text}");
        assert_eq!(sign(&signed, &Mirror, &LIMITS).unwrap(), signed);
        assert!(verify(&signed, &Mirror, NOW, &LIMITS).is_ok());
        // Another order of members is the same message.
        entries.push(("signature".to_owned(), Tree::plain("0")));
        rng.shuffle(&mut entries);
        let mut other = String::new();
        write_object(&entries, Quotes::Double, &mut other);
        let claim = SignatureClaim::new("mirror", "none", input).unwrap().to_json();
        let other = other.replacen("\"signature\":0", &format!("\"signature\":{claim}"), 1);
        assert!(verify(&other, &Mirror, NOW, &LIMITS).is_ok(), "{other}");
    }
    assert!(signed_texts > 1_000, "{signed_texts}");
}

#[test]
fn keys_are_checked_when_they_are_made() {
    let long = "k".repeat(129);
    for (key_id, algorithm, bytes, message) in [
        ("", "ed25519", 32, "the key's identifier: an identifier cannot be empty"),
        (
            &long,
            "ed25519",
            32,
            "the key's identifier: an identifier has at most 128 characters, this one has 129",
        ),
        ("k", "", 32, "the algorithm's name: an identifier cannot be empty"),
        ("k", "ed25519", 31, "an ed25519 public key has 32 bytes, this one has 31"),
        ("k", "ed25519", 64, "an ed25519 public key has 32 bytes, this one has 64"),
    ] {
        let error = PublicKey::new(key_id, algorithm, vec![9; bytes], id("hub")).unwrap_err();
        assert_eq!(error.to_string(), message);
    }
    assert!(PublicKey::new("k", "ml-dsa-44", vec![9; 1312], id("hub")).is_ok());
    assert!(matches!(SignatureClaim::new("", "a", []), Err(SignatureError::KeyId(_))));
    let zero = PublicKey::ed25519("k", [0; 32], id("hub"));
    if cfg!(feature = "signature") {
        // The point of order four: a signature under it proves nothing.
        let message = "these 32 bytes are no usable ed25519 public key";
        assert_eq!(zero.unwrap_err().to_string(), message);
        assert_eq!(PublicKey::ed25519("k", [2; 32], id("hub")), Err(SignatureError::UnusableKey));
    } else {
        assert!(zero.is_ok());
    }
    assert_eq!(KeyRing::new().keys().len(), 0);
}
