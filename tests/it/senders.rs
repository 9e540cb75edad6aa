//! Who may send which kind of message: each row of the table, with one who may and one who may not.

use coordination_protocol::finding::{Code, Level};
use coordination_protocol::message::{Message, MessageKind};
use coordination_protocol::scalar::{ComponentId, WallTime};
use coordination_protocol::security::permissions::{Permissions, Sender};
use coordination_protocol::security::signature::{
    SignatureClaim, SignatureError, Verified, Verifier,
};
use coordination_protocol::validate::{
    Context, EventLines, Gate, SecurityPolicy, SourceTrust, Validator,
};
use coordination_protocol::{Mode, Report};

const NOW: i64 = 1_736_942_400_000;

fn id(name: &str) -> ComponentId {
    ComponentId::new(name).unwrap()
}

/// The components of a small system. `worker` may do nothing of its own.
fn permissions() -> Permissions {
    let listed = ["worker", "other", "voter", "replica", "rm", "keeper", "hub", "sub"];
    let permissions = listed.iter().fold(Permissions::new(), |permissions, name| {
        let (publish, subscribe): (&[&str], &[&str]) = match *name {
            "hub" => (&["workflow.>", "task.>"], &["task.>"]),
            _ => (&[], &[]),
        };
        permissions
            .with_component(&id(name), publish.iter().copied(), subscribe.iter().copied())
            .unwrap()
    });
    permissions
        .with_capabilities(&id("hub"), ["coordination"])
        .with_capabilities(&id("rm"), ["resource_allocation"])
        .with_capabilities(&id("keeper"), ["checkpointing"])
        .with_replica(id("replica"))
        .with_voter(id("voter"))
}

fn gate(policy: SecurityPolicy) -> Gate {
    Gate::new(Validator::new(Mode::Strict).with_policy(policy))
}

fn from(source: &str, body: &str) -> String {
    format!(r#"{{"source":"{source}",{body}}}"#)
}

/// The findings of the security level as `code: sentence`.
fn refusals(report: &Report) -> Vec<String> {
    let findings = report.findings().iter().filter(|finding| finding.level() == Level::Security);
    findings.map(|finding| format!("{}: {finding}", finding.code)).collect()
}

fn judge(policy: &SecurityPolicy, source: &str, body: &str) -> Result<(), Vec<String>> {
    let text = from(source, body);
    match gate(policy.clone()).accept(text.as_bytes(), NOW, None) {
        Ok(_) => Ok(()),
        Err(report) => Err(refusals(&report)),
    }
}

/// A body of each kind, who may send it, and who may not; `@` stands for the source.
const ROWS: &[(MessageKind, &str, &[&str], &[&str])] = &[
    (
        MessageKind::AllocationRequest,
        r#""allocation_request":{"request_id":"r","workflow_id":"w","requester":"@","timestamp":"2025-01-15T12:00:00Z","resources":{"agents":1}}"#,
        &["worker", "hub"],
        &["stranger"],
    ),
    (
        MessageKind::AllocationResponse,
        r#""allocation_response":{"response_id":"a","request_id":"r","status":"denied","timestamp":"2025-01-15T12:00:00Z"}"#,
        &["rm"],
        &["worker", "hub", "stranger"],
    ),
    (
        MessageKind::WorkflowState,
        r#""workflow_state":{"workflow_id":"w","state_version":1,"timestamp":"2025-01-15T12:00:00Z"}"#,
        &["hub", "replica"],
        &["worker", "rm", "stranger"],
    ),
    (
        MessageKind::CheckpointSync,
        r#""checkpoint_sync":{"workflow_id":"w","checkpoint_id":"c","checkpoint_type":"manual","timestamp":"2025-01-15T12:00:00Z","state_version":1}"#,
        &["hub", "keeper"],
        &["worker", "rm", "stranger"],
    ),
    (
        MessageKind::ErrorReport,
        r#""error_report":{"error_id":"e","classification":{"category":"resource","severity":"high","type":"timeout","scope":"task","recoverable":true},"workflow_id":"w","timestamp":"2025-01-15T12:00:00Z"}"#,
        &["worker"],
        &["stranger"],
    ),
    (
        MessageKind::ComponentRegistration,
        r#""component_registration":{"component_id":"@","component_type":"utility","version":"1.0.0"}"#,
        &["worker", "stranger"],
        &[],
    ),
    (
        MessageKind::HealthStatus,
        r#""health_status":{"component_id":"@","status":"healthy","timestamp":"2025-01-15T12:00:00Z"}"#,
        &["worker"],
        &["stranger"],
    ),
    (
        MessageKind::ComponentConfig,
        r#""component_config":{"component_id":"hub","coordination":{"event_queue_size":1}}"#,
        &["hub"],
        &["worker", "rm", "stranger"],
    ),
    (
        MessageKind::Hello,
        r#""hello":{"component_id":"@","versions":[{"min":"1.0.0","max":"1.1.0"}]}"#,
        &["worker", "stranger"],
        &[],
    ),
    (
        MessageKind::Welcome,
        r#""welcome":{"component_id":"@","version":"1.1.0"}"#,
        &["worker"],
        &["stranger"],
    ),
    (
        MessageKind::Release,
        r#""release":{"allocation_id":"a","release_reason":"done"}"#,
        &["worker"],
        &["stranger"],
    ),
    (
        MessageKind::ConflictCheck,
        r#""conflict_check":{"request_id":"r"}"#,
        &["worker"],
        &["stranger"],
    ),
    (
        MessageKind::Rollback,
        r#""rollback":{"workflow_id":"w","checkpoint_id":"c","mode":"full"}"#,
        &["hub", "keeper"],
        &["worker", "rm", "stranger"],
    ),
    (
        MessageKind::Heartbeat,
        r#""heartbeat":{"component_id":"@","sequence":1,"timestamp":"2025-01-15T12:00:00Z"}"#,
        &["worker"],
        &["stranger"],
    ),
    (
        MessageKind::Subscription,
        r#""subscription":{"subscriber":"@","patterns":["task.*.failed"]}"#,
        &["hub"],
        &["worker", "stranger"],
    ),
    (
        MessageKind::DeadLetter,
        r#""dead_letter":{"reason":"no answer","original":"x","attempts":3,"died_at":"2025-01-15T12:00:00Z","subscriber":"sub"}"#,
        &["hub", "sub"],
        &["worker", "stranger"],
    ),
    (
        MessageKind::Proposal,
        r#""proposal":{"proposal_id":"p","workflow_id":"w","state_version":2,"proposer":"@","digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}"#,
        &["hub", "replica"],
        &["worker", "stranger"],
    ),
    (
        MessageKind::Vote,
        r#""vote":{"proposal_id":"p","voter":"@","vote":"accept"}"#,
        &["voter"],
        &["worker", "hub", "stranger"],
    ),
    (
        MessageKind::Decision,
        r#""decision":{"proposal_id":"p","outcome":"rejected"}"#,
        &["hub"],
        &["worker", "voter", "stranger"],
    ),
    (
        MessageKind::Deregistration,
        r#""deregistration":{"component_id":"@","reason":"update"}"#,
        &["worker"],
        &["stranger"],
    ),
    (
        MessageKind::Event,
        r#""event":{"event_type":"TASK_STARTED","workflow_id":"w","phase":"p","data":{"task_id":"t","agent_id":"a","start_time":"2025-01-15T12:00:00Z"}}"#,
        &["hub"],
        &["worker", "stranger"],
    ),
];

#[test]
fn each_row_admits_those_that_it_names_and_no_others() {
    let policy = SecurityPolicy::new().with_permissions(permissions());
    let kinds: Vec<MessageKind> = ROWS.iter().map(|row| row.0).collect();
    assert_eq!(kinds, MessageKind::KNOWN, "a row a kind");
    for (kind, body, may, may_not) in ROWS {
        for source in *may {
            let judged = judge(&policy, source, &body.replace('@', source));
            assert_eq!(judged, Ok(()), "{kind} by {source}");
        }
        for source in *may_not {
            let refused = judge(&policy, source, &body.replace('@', source)).unwrap_err();
            assert!(refused[0].contains(&format!("`{source}`")), "{refused:?}");
            let code = refused[0].split(':').next().unwrap();
            let expected = match (*source, kind) {
                ("stranger", _) => Code::UnknownSource,
                (_, MessageKind::Event) => Code::PublicationDenied,
                (_, MessageKind::Subscription) => Code::SubscriptionDenied,
                _ => Code::SenderDenied,
            };
            assert_eq!(code, expected.as_str(), "{kind} by {source}");
        }
        // Whoever may send it still speaks for itself only.
        if body.contains('@') {
            for source in *may {
                let judged = judge(&policy, source, &body.replace('@', "other"));
                let denied = judged.unwrap_err();
                let sentence = format!("publication-denied: `{source}` may not speak for `other`");
                assert!(denied.contains(&sentence), "{kind}: {denied:?}");
            }
        }
    }
}

#[test]
fn each_row_can_be_replaced() {
    for (kind, body, may, _) in ROWS {
        let none = permissions().with_senders(*kind, []);
        let policy = SecurityPolicy::new().with_permissions(none);
        for source in *may {
            let refused = judge(&policy, source, &body.replace('@', source)).unwrap_err();
            assert!(!refused.is_empty(), "{kind} by {source}");
        }
        let only = permissions().with_senders(*kind, [Sender::Component(id("other"))]);
        assert_eq!(only.senders(*kind), [Sender::Component(id("other"))]);
        let policy = SecurityPolicy::new().with_permissions(only);
        let judged = judge(&policy, "other", &body.replace('@', "other"));
        assert_eq!(judged, Ok(()), "{kind}");
    }
    let body = ROWS[18].1;
    let none = permissions().with_senders(MessageKind::Decision, []);
    assert_eq!(
        judge(&SecurityPolicy::new().with_permissions(none), "hub", body).unwrap_err(),
        [
            "sender-denied: `hub` may not send `decision`: no component may; give `hub` what it takes, \
          or send from a component that has it"
        ],
    );
}

#[test]
fn the_attacks_of_a_worker_without_rights_are_refused() {
    let policy = SecurityPolicy::new().with_permissions(permissions());
    let rows = [
        (
            r#""component_config":{"component_id":"hub","coordination":{"event_queue_size":1}}"#,
            "sender-denied: `worker` may not send `component_config`: that takes the capability \
             `coordination`; give `worker` what it takes, or send from a component that has it",
        ),
        (
            r#""rollback":{"workflow_id":"w","checkpoint_id":"c","mode":"full"}"#,
            "sender-denied: `worker` may not send `rollback`: that takes the capability \
             `coordination` or the capability `checkpointing`; give `worker` what it takes, or send \
             from a component that has it",
        ),
        (
            r#""decision":{"proposal_id":"p","outcome":"rejected"}"#,
            "sender-denied: `worker` may not send `decision`: that takes the capability \
             `coordination`; give `worker` what it takes, or send from a component that has it",
        ),
        (
            r#""health_status":{"component_id":"rm","status":"unhealthy","timestamp":"2025-01-15T12:00:00Z"}"#,
            "publication-denied: `worker` may not speak for `rm`",
        ),
        (
            r#""allocation_request":{"request_id":"r","workflow_id":"w","requester":"hub","timestamp":"2025-01-15T12:00:00Z","resources":{"agents":1}}"#,
            "publication-denied: `worker` may not speak for `hub`",
        ),
        (
            r#""component_registration":{"component_id":"worker","component_type":"utility","version":"1.0.0","event_publications":[">"]}"#,
            "registration-denied: the registration of `worker` asks for `>` in its \
             event_publications, which its permissions do not cover; list it in the host's \
             permissions, or sign the registration",
        ),
        (
            r#""component_registration":{"component_id":"worker","component_type":"utility","version":"1.0.0","capabilities":["coordination"]}"#,
            "registration-denied: the registration of `worker` claims the capability \
             `coordination`, which gives it rights; list it in the host's permissions, or sign the \
             registration",
        ),
    ];
    for (body, refusal) in rows {
        for mode in [Mode::Strict, Mode::Interop] {
            let validator = Validator::new(mode).with_policy(policy.clone());
            let report = Gate::new(validator)
                .accept(from("worker", body).as_bytes(), NOW, None)
                .unwrap_err();
            assert_eq!(refusals(&report), [refusal]);
        }
    }
    // A requester that is no component is a name like any other.
    let body = r#""allocation_request":{"request_id":"r","workflow_id":"w","requester":"nightly build","timestamp":"2025-01-15T12:00:00Z","resources":{"agents":1}}"#;
    assert_eq!(judge(&policy, "worker", body), Ok(()));
}

fn registration(name: &str, more: &str) -> String {
    format!(
        r#""component_registration":{{"component_id":"{name}","component_type":"x","version":"1.0.0"{more}}}"#
    )
}

#[test]
fn registrations_give_what_the_host_lists() {
    let policy = SecurityPolicy::new().with_permissions(permissions());
    for (name, more, accepted) in [
        // Its own patterns, or narrower ones.
        ("hub", r#","event_publications":["workflow.>","task.wf_1.*"]"#, true),
        ("hub", r#","event_subscriptions":["task.>"],"capabilities":["coordination"]"#, true),
        ("hub", r#","event_subscriptions":["phase.>"]"#, false),
        // Capabilities that give no rights are free, and so is a registration that asks for nothing.
        ("worker", r#","capabilities":["compiling"]"#, true),
        ("worker", r#","capabilities":["checkpointing"]"#, false),
        ("stranger", "", true),
        ("stranger", r#","capabilities":["compiling"]"#, true),
        ("stranger", r#","event_subscriptions":["task.*"]"#, false),
        ("stranger", r#","capabilities":["resource_allocation"]"#, false),
    ] {
        let judged = judge(&policy, name, &registration(name, more));
        assert_eq!(judged.is_ok(), accepted, "{name} {more} {judged:?}");
    }
    // The sentence for a component that is not known says what to do.
    let refused = judge(
        &policy,
        "stranger",
        &registration("stranger", r#","event_publications":["task.*"]"#),
    );
    assert_eq!(
        refused.unwrap_err(),
        ["registration-denied: the registration of `stranger` asks for `task.*` in its \
          event_publications, and new components get no patterns here; list it in the host's \
          permissions, or let the policy be open"],
    );
}

#[test]
fn an_open_policy_gives_first_registrations_their_patterns_and_no_later_ones() {
    let policy =
        SecurityPolicy::new().with_permissions(permissions().open().with_max_components(2));
    let mut gate = gate(policy);
    let mut accepted =
        |source: &str, body: &str| gate.accept(from(source, body).as_bytes(), NOW, None).is_ok();
    let event = ROWS[20].1;
    assert!(!accepted("new", event));
    assert!(accepted("new", &registration("new", r#","event_publications":["task.*.started"]"#)));
    assert!(accepted("new", event));
    // It may announce itself again, and ask for less, but not for more.
    assert!(accepted("new", &registration("new", r#","event_publications":["task.w.started"]"#)));
    assert!(!accepted("new", &registration("new", r#","event_publications":[">"]"#)));
    assert!(!accepted("new", &registration("new", r#","capabilities":["coordination"]"#)));
    assert!(!accepted("worker", &registration("worker", r#","event_publications":["task.*"]"#)));
    assert!(accepted("new", event), "a refused registration changes nothing");
    // No other takes it away either, and room is limited.
    assert!(!accepted("worker", r#""deregistration":{"component_id":"new","reason":"x"}"#));
    assert!(accepted("second", &registration("second", "")));
    assert!(!accepted("third", &registration("third", "")));
    assert!(accepted("new", r#""deregistration":{"component_id":"new","reason":"x"}"#));
    assert!(!accepted("new", event));
    assert!(accepted("third", &registration("third", "")));
}

/// Takes the key's name for its owner: who knows the word has the key.
struct Trusting;

impl Verifier for Trusting {
    fn verify(
        &self,
        claim: &SignatureClaim,
        _: &[u8],
        _: WallTime,
    ) -> Result<Verified, SignatureError> {
        Ok(Verified::new(claim.key_id(), id(claim.key_id())))
    }
}

const SIGNED_BY: &str = r#""signature":{"key_id":"@","algorithm":"none","value":"AAAA"},"#;

#[test]
fn a_signed_registration_widens_what_a_known_component_has() {
    let policy = SecurityPolicy::new().with_permissions(permissions()).with_verifier(Trusting);
    let mut gate = gate(policy);
    let mut accept = |source: &str, body: &str| {
        let text = from(source, &(SIGNED_BY.replace('@', source) + body));
        gate.accept(text.as_bytes(), NOW, None).map_err(|report| refusals(&report))
    };
    let config = ROWS[7].1;
    assert!(accept("worker", config).is_err());
    let wider = registration(
        "worker",
        r#","event_publications":["task.>"],"capabilities":["coordination"]"#,
    );
    let checked = accept("worker", &wider).unwrap();
    assert_eq!(checked.security().source, SourceTrust::Signed);
    assert!(accept("worker", config).is_ok());
    assert!(accept("worker", ROWS[20].1).is_ok());
    // The next one replaces it, and what was given by the last is given up.
    assert!(accept("worker", &registration("worker", "")).is_ok());
    assert!(accept("worker", config).is_err());
}

#[test]
fn only_the_holder_of_a_grant_gives_it_back() {
    let mut gate = gate(SecurityPolicy::new().with_permissions(permissions()));
    let mut accept = |source: &str, body: &str| {
        gate.accept(from(source, body).as_bytes(), NOW, None).map_err(|report| refusals(&report))
    };
    accept("worker", &ROWS[0].1.replace('@', "worker")).unwrap();
    let grant = r#""allocation_response":{"response_id":"a","request_id":"r","status":"approved","timestamp":"2025-01-15T12:00:00Z","allocated_resources":{"allocation_id":"alloc_1","agents":1}}"#;
    accept("rm", grant).unwrap();
    let release = r#""release":{"allocation_id":"alloc_1","release_reason":"done"}"#;
    assert_eq!(
        accept("other", release).unwrap_err(),
        [
            "sender-denied: `other` may not send `release`: that takes to be the component to which the \
          grant was made; give `other` what it takes, or send from a component that has it"
        ],
    );
    assert!(accept("worker", release).is_ok());
}

#[test]
fn a_message_of_another_source_than_its_sender_needs_a_relay() {
    let body = ROWS[13].1.replace('@', "worker");
    let text = from("worker", &body);
    let take = |policy: SecurityPolicy, text: &str, sender: &str| {
        gate(policy).accept(text.as_bytes(), NOW, Some(&id(sender)))
    };
    for policy in [
        SecurityPolicy::new(),
        SecurityPolicy::new().with_permissions(permissions()),
        SecurityPolicy::new().with_relay(id("rm")),
    ] {
        assert_eq!(
            refusals(&take(policy.clone(), &text, "hub").unwrap_err()),
            [
                "foreign-source: `hub` sent the message, and it names `worker` as its source; send it \
              from `worker`, or name `hub` as a relay in the policy"
            ],
        );
        let own = take(policy, &text, "worker").unwrap();
        assert_eq!(own.security().source, SourceTrust::Transport);
    }
    let relay = SecurityPolicy::new().with_permissions(permissions()).with_relay(id("hub"));
    let relayed = take(relay.clone(), &text, "hub").unwrap();
    assert_eq!(relayed.security().source, SourceTrust::Relayed);
    assert!(!relayed.security().source.is_verified());
    // What the source may is asked all the same.
    let config = from("worker", ROWS[7].1);
    assert!(take(relay.clone(), &config, "hub").unwrap_err().has(Code::SenderDenied));
    // A signature is better than the relay's word.
    let keys = relay.with_verifier(Trusting);
    let signed = from("worker", &(SIGNED_BY.replace('@', "worker") + &body));
    let proven = take(keys.clone(), &signed, "hub").unwrap();
    assert_eq!(proven.security().source, SourceTrust::Signed);
    let forged = from("worker", &(SIGNED_BY.replace('@', "hub") + &body));
    assert!(take(keys.clone(), &forged, "hub").unwrap_err().has(Code::WrongKeyOwner));
    assert!(take(keys, &text, "hub").unwrap_err().has(Code::Unsigned));

    // Without a transport that knows, a source is stated, and an assumed one contradicts none.
    let validator = Validator::new(Mode::Strict);
    let hub = id("hub");
    let context = Context::new().with_assumed_source(&hub);
    assert_eq!(validator.check(&text, &context).security.source, SourceTrust::Stated);
    assert!(validator.check(&text, &context).is_accepted());
    let nameless = format!("{{{body}}}");
    let outcome = validator.check(&nameless, &Context::new());
    assert_eq!(outcome.security.source, SourceTrust::Unknown);
}

#[test]
fn keys_and_permissions_follow_the_registry_of_the_reader() {
    use coordination_protocol::event::{Category, Codec, Registry};
    let registry =
        Registry::default().with_type("SHIP_DONE", Category::new("deploy").unwrap(), []).unwrap();
    let deployer = id("deployer");
    // The permissions know the default registry only.
    let permissions =
        Permissions::new().with_component(&deployer, ["deploy.>"], ["deploy.>"]).unwrap();
    let codec = Codec::new(Mode::Strict).with_registry(registry);
    let validator =
        Validator::from(codec).with_policy(SecurityPolicy::new().with_permissions(permissions));
    let context = Context::new().with_source(&deployer);
    for (text, accepted) in [
        ("SHIP_DONE:wf:global:{}", true),
        (
            r#"{"event":{"event_type":"SHIP_DONE","workflow_id":"wf","phase":"global","data":{}}}"#,
            true,
        ),
        (r#"{"subscription":{"subscriber":"deployer","patterns":["SHIP_DONE.>"]}}"#, true),
        (
            r#"{"component_registration":{"component_id":"deployer","component_type":"x","version":"1.0.0","event_publications":["SHIP_DONE.>"]}}"#,
            true,
        ),
        (r#"{"subscription":{"subscriber":"deployer","patterns":["ship.>"]}}"#, false),
        (r#"TASK_TIMEOUT:wf:global:{"task_id":"t","agent_id":"a","timeout_duration":"1m"}"#, false),
    ] {
        let outcome = validator.check(text, &context);
        assert_eq!(outcome.is_accepted(), accepted, "{text} {:?}", outcome.report);
    }
}

#[test]
fn a_policy_file_says_all_of_it() {
    let file = r#"{
        "senders": {"decision": ["component:worker"], "vote": ["registered"]},
        "capabilities": {"worker": ["checkpointing"]},
        "replicas": ["other"], "voters": ["hub"], "relays": ["gateway"],
        "open": true, "max_components": 3, "lines": "accept"
    }"#;
    let policy = SecurityPolicy::new().with_permissions(permissions()).with_json(file).unwrap();
    assert_eq!(policy.lines(), EventLines::Accept);
    assert_eq!(policy.relays().collect::<Vec<_>>(), [&id("gateway")]);
    for (row, source, accepted) in [
        (18, "worker", true),
        (18, "hub", false),
        (17, "rm", true),
        (12, "worker", true),
        (2, "other", true),
    ] {
        let judged = judge(&policy, source, &ROWS[row].1.replace('@', source));
        assert_eq!(judged.is_ok(), accepted, "{} by {source}: {judged:?}", ROWS[row].0);
    }
    for (file, problem) in [
        ("{", "line 1, column 2: "),
        (r#"{"lines":"accept","lines":"refuse"}"#, "line 1, column 19: "),
        ("{\n \"relay\":[]}", "line 2, column 8: unknown field `relay`"),
        (r#"{"senders":{"vote":["voters"]}}"#, "line 1, column 29: `voters` is none of"),
        (r#"{"replicas":["a:b"]}"#, "line 1, column 18: "),
    ] {
        let error = SecurityPolicy::new().with_json(file).unwrap_err();
        assert!(error.to_string().starts_with(problem), "{file}: {error}");
    }
    // Nothing about permissions: they stay off.
    let policy = SecurityPolicy::new().with_json(r#"{"relays":["hub"]}"#).unwrap();
    assert!(policy.permissions().is_none());
}

#[test]
fn senders_are_spelled_as_they_are_read() {
    let kinds = MessageKind::KNOWN.iter().copied().chain([MessageKind::Unknown]);
    for sender in kinds.flat_map(MessageKind::senders) {
        assert_eq!(sender.to_string().parse(), Ok(sender.clone()));
    }
    assert!("capability:".parse::<Sender>().is_err());
    assert!("component:a:b".parse::<Sender>().is_err());
    // What no reader knows may come from whoever is registered.
    let policy = SecurityPolicy::new().with_permissions(permissions());
    let validator = Validator::new(Mode::Interop).with_policy(policy);
    for (source, accepted) in [("worker", true), ("stranger", false)] {
        let text = from(source, r#""operation":"status""#);
        let mut gate = Gate::new(validator.clone());
        let judged = gate.accept(text.as_bytes(), NOW, None);
        assert_eq!(judged.is_ok(), accepted, "{source}");
        assert!(judged.is_err() || matches!(judged.unwrap().message, Message::Unknown(_)));
    }
}
