//! The security level: every refusal has a code of its own, and what was not checked is said.

use coordination_protocol::finding::{Code, Level};
use coordination_protocol::scalar::{ComponentId, Timestamp};
use coordination_protocol::security::freshness::Freshness;
use coordination_protocol::security::permissions::Permissions;
use coordination_protocol::security::replay::ReplayCache;
use coordination_protocol::validate::{Context, Gate, SecurityPolicy, Validator};
use coordination_protocol::{Mode, Verdict};

fn at(time: &str) -> i64 {
    Timestamp::new(time).unwrap().unix_millis().unwrap()
}

fn hub() -> ComponentId {
    ComponentId::new("hub").unwrap()
}

fn permissions() -> Permissions {
    Permissions::new()
        .with_component(&hub(), ["workflow.*.created"], ["workflow.*.created"])
        .unwrap()
}

/// What a policy finds in the bad example of a code, at the time the example tells of.
fn refusal(code: Code) -> Vec<Code> {
    let record = code.bad().record();
    let mut now = at("2025-01-15T12:00:01Z");
    let freshness = Freshness::default();
    let mut policy = SecurityPolicy::new();
    let mut replay = None;
    match code {
        Code::UnknownSource
        | Code::PublicationDenied
        | Code::SubscriptionDenied
        | Code::SenderDenied
        | Code::RegistrationDenied => {
            policy = policy.with_permissions(permissions());
        }
        Code::ForeignSource => {
            let sender = ComponentId::new("worker-1").unwrap();
            let report = Gate::new(Validator::new(Mode::Interop))
                .accept(&record, now, Some(&sender))
                .unwrap_err();
            return report.findings().iter().map(|f| f.code).collect();
        }
        Code::NoTimestamp => policy = policy.with_freshness(freshness),
        Code::FromFuture => {
            now = at("2025-01-15T11:00:00Z");
            policy = policy.with_freshness(freshness);
        }
        Code::Expired => {
            now = at("2025-01-15T12:02:00Z");
            policy = policy.with_freshness(freshness);
        }
        Code::Stale => {
            now = at("2025-01-15T13:00:00Z");
            policy = policy.with_freshness(freshness);
        }
        Code::Replayed | Code::NoMessageId => replay = Some(ReplayCache::new(&freshness)),
        Code::ReplayUnsure => replay = Some(ReplayCache::new(&freshness).with_floor(now)),
        Code::SecurityRequired => policy = policy.required(),
        _ => return signed::refusal(code, now),
    }
    let mut gate = Gate::new(Validator::new(Mode::Interop).with_policy(policy));
    if let Some(cache) = replay {
        gate = gate.with_replay(cache);
    }
    if code == Code::Replayed {
        assert!(gate.accept(&record, now, None).is_ok());
    }
    let report = gate.accept(&record, now, None).unwrap_err();
    report.findings().iter().filter(|f| f.level() == Level::Security).map(|f| f.code).collect()
}

#[test]
fn every_refusal_has_a_code_of_its_own() {
    for code in Code::ALL.iter().filter(|code| code.level() == Level::Security) {
        assert!(!code.bad().circumstances().is_empty(), "{code}");
        if cfg!(not(feature = "signature")) && signed::needs_keys(*code) {
            continue;
        }
        assert_eq!(refusal(*code), [*code]);
        // Without a policy the same record is not judged, and that is said.
        let record = code.bad().record();
        let outcome = Validator::new(Mode::Interop).check_bytes(&record, &Context::new());
        assert_eq!(outcome.security.to_string(), "not checked");
        assert!(outcome.report.findings().iter().all(|f| f.level() != Level::Security));
    }
}

#[test]
fn permissions_let_a_component_do_what_it_registered() {
    let validator = Validator::new(Mode::Strict)
        .with_policy(SecurityPolicy::new().with_permissions(permissions()));
    let context = Context::new();
    for (text, accepted) in [
        (
            r#"{"source":"hub","event":{"event_type":"WORKFLOW_CREATED","workflow_id":"w","phase":"global","data":{"workflow_definition":{},"estimated_duration":"1h"}}}"#,
            true,
        ),
        (
            r#"{"source":"hub","subscription":{"subscriber":"hub","patterns":["workflow.*.created"]}}"#,
            true,
        ),
        (
            r#"{"source":"stranger","heartbeat":{"component_id":"stranger","sequence":1,"timestamp":"2025-01-15T12:00:00Z"}}"#,
            false,
        ),
        // Who is not registered yet may say who he is.
        (
            r#"{"source":"stranger","hello":{"component_id":"stranger","versions":[{"min":"1.0.0","max":"1.1.0"}]}}"#,
            true,
        ),
    ] {
        let outcome = validator.check(text, &context);
        assert_eq!(outcome.is_accepted(), accepted, "{text}: {:?}", outcome.report);
        assert!(outcome.security.permissions && !outcome.security.signature);
    }
    // A line has no source; the transport may know it.
    let line = r#"WORKFLOW_CREATED:w:global:{"workflow_definition":{},"estimated_duration":"1h"}"#;
    assert!(validator.check(line, &context).report.has(Code::UnknownSource));
    assert!(validator.check(line, &context.with_source(&hub())).is_accepted());
}

/// A component speaks for itself only: for others it neither registers nor subscribes, in either
/// mode, whatever it may publish.
#[test]
fn no_component_speaks_for_another() {
    let worker = ComponentId::new("worker").unwrap();
    let permissions = permissions().with_component(&worker, [">"], [">"]).unwrap();
    let policy = SecurityPolicy::new().with_permissions(permissions);
    for (body, key) in [
        (
            r#""component_registration":{"component_id":"hub","component_type":"x","version":"1.0.0"}"#,
            "component_id",
        ),
        (r#""subscription":{"subscriber":"hub","patterns":["workflow.*.created"]}"#, "subscriber"),
        (
            r#""heartbeat":{"component_id":"hub","sequence":1,"timestamp":"2025-01-15T12:00:00Z"}"#,
            "component_id",
        ),
        (r#""deregistration":{"component_id":"hub","reason":"update"}"#, "component_id"),
    ] {
        for mode in [Mode::Strict, Mode::Interop] {
            let validator = Validator::new(mode).with_policy(policy.clone());
            let said = |source: &str| format!(r#"{{"source":"{source}",{body}}}"#);
            let own = said("hub");
            assert!(validator.check(&own, &Context::new()).is_accepted(), "{own}");
            let other = said("worker");
            let known = format!("{{{body}}}");
            for (text, context) in [
                (&other, Context::new()),
                // The transport knows better than the body.
                (&known, Context::new().with_source(&worker)),
            ] {
                let outcome = validator.check(text, &context);
                let findings = outcome.report.findings().iter();
                let refused: Vec<_> = findings.filter(|f| f.level() == Level::Security).collect();
                assert_eq!(refused.len(), 1, "{text}");
                assert_eq!(refused[0].code, Code::PublicationDenied);
                assert_eq!(refused[0].to_string(), "`worker` may not speak for `hub`");
                assert!(refused[0].pointer.ends_with(key), "{}", refused[0].pointer);
                assert_eq!(&text[refused[0].range.clone()], "\"hub\"");
            }
        }
    }
}

#[test]
fn a_refused_record_changes_nothing() {
    let freshness = Freshness::default();
    let policy = SecurityPolicy::new().with_freshness(freshness);
    let mut gate = Gate::new(Validator::new(Mode::Strict).with_policy(policy))
        .with_replay(ReplayCache::new(&freshness));
    let text = |version: u32, id: u32| {
        format!(
            r#"{{"message_id":"msg_{id}","source":"hub","timestamp":"2025-01-15T12:00:00Z","workflow_state":{{"workflow_id":"w","state_version":{version},"timestamp":"2025-01-15T12:00:00Z"}}}}"#
        )
    };
    let late = at("2025-01-15T13:00:00Z");
    let now = at("2025-01-15T12:00:01Z");
    assert!(gate.accept(text(9, 1).as_bytes(), late, None).is_err());
    assert_eq!(gate.history().state_version("w"), None);
    // The same message in time: neither its identifier nor its version was remembered.
    assert!(gate.accept(text(9, 1).as_bytes(), now, None).is_ok());
    assert_eq!(gate.history().state_version("w"), Some(9));
    let report = gate.accept(text(8, 2).as_bytes(), now, None).unwrap_err();
    assert!(report.has(Code::StaleVersion));
    assert_eq!(gate.history().state_version("w"), Some(9));
}

#[test]
fn severities_and_levels_hold_for_security_too() {
    let policy = || SecurityPolicy::new().with_permissions(permissions());
    let text =
        r#"{"heartbeat":{"component_id":"hub","sequence":1,"timestamp":"2025-01-15T12:00:00Z"}}"#;
    let strict = Validator::new(Mode::Strict).with_policy(policy());
    assert_eq!(strict.check(text, &Context::new()).report.verdict(), Verdict::Invalid);
    let lenient = Validator::new(Mode::Strict).with_policy(policy()).without_level(Level::Security);
    let outcome = lenient.check(text, &Context::new());
    assert_eq!(outcome.report.verdict(), Verdict::Valid);
    assert_eq!(outcome.security.to_string(), "not checked");
}

/// What needs keys.
mod signed {
    use super::Code;

    pub(super) fn needs_keys(code: Code) -> bool {
        matches!(
            code,
            Code::Unsigned
                | Code::MalformedSignature
                | Code::UnknownKey
                | Code::KeyNotValid
                | Code::WrongKeyOwner
                | Code::BadSignature
                | Code::SignatureUnchecked
        )
    }

    #[cfg(not(feature = "signature"))]
    pub(super) fn refusal(code: Code, _: i64) -> Vec<Code> {
        vec![code]
    }

    #[cfg(feature = "signature")]
    pub(super) fn refusal(code: Code, now: i64) -> Vec<Code> {
        use super::{ComponentId, Context, Level, Mode, SecurityPolicy, Timestamp, Validator, hub};
        use coordination_protocol::Limits;
        use coordination_protocol::security::signature::{
            Ed25519Signer, KeyRing, PublicKey, sign, signing_input,
        };

        let signer = |id: &str| Ed25519Signer::from_seed(id, &[id.len() as u8; 32]).unwrap();
        let key = |id: &str, owner: &ComponentId| {
            PublicKey::ed25519(id, signer(id).public_key(), owner.clone()).unwrap()
        };
        let worker = ComponentId::new("worker-1").unwrap();
        let revoked = Timestamp::new("2025-01-01T00:00:00Z").unwrap();
        let ring = KeyRing::new()
            .with_key(key("hub-1", &hub()))
            .unwrap()
            .with_key(key("hub-old", &hub()).with_revoked_at(revoked))
            .unwrap()
            .with_key(key("worker-1", &worker))
            .unwrap();
        let limits = Limits::default();
        let mut text = String::from_utf8(code.bad().record()).unwrap();
        // Only a good signature tells whose key it is, and only then does the rest matter.
        if matches!(code, Code::WrongKeyOwner | Code::KeyNotValid) {
            let id = if code == Code::WrongKeyOwner { "worker-1" } else { "hub-old" };
            text = sign(&text, &signer(id), &limits).unwrap();
        }
        if code == Code::SignatureUnchecked {
            assert!(signing_input(&text, &limits).is_err());
            text = text.replacen(
                '{',
                r#"{"signature":{"key_id":"hub-1","algorithm":"ed25519","value":"AAAA"},"#,
                1,
            );
        }
        let validator =
            Validator::new(Mode::Interop).with_policy(SecurityPolicy::new().with_verifier(ring));
        let good = sign(
            &String::from_utf8(Code::Stale.bad().record()).unwrap(),
            &signer("hub-1"),
            &limits,
        )
        .unwrap();
        let context = Context::new().with_now(now);
        let outcome = validator.check(&good, &context);
        assert!(outcome.is_accepted(), "{:?}", outcome.report);
        assert!(outcome.security.signature);
        // One byte of what was signed.
        let tampered = good.replace("\"sequence\":1", "\"sequence\":2");
        assert!(validator.check(&tampered, &context).report.has(Code::BadSignature));
        // Without a source, the body must not speak for anybody but the owner of the key.
        let nameless = String::from_utf8(Code::UnknownSource.bad().record()).unwrap();
        let own = sign(&nameless, &signer("hub-1"), &limits).unwrap();
        assert!(validator.check(&own, &context).is_accepted());
        let other = sign(&nameless, &signer("worker-1"), &limits).unwrap();
        assert!(validator.check(&other, &context).report.has(Code::WrongKeyOwner));
        let report = validator.check(&text, &context).report;
        assert!(report.worst() == Some(coordination_protocol::FindingSeverity::Error));
        report.findings().iter().filter(|f| f.level() == Level::Security).map(|f| f.code).collect()
    }
}
