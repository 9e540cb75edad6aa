//! Components under a security policy: what they send is signed, and whom they believe.

use crate::bus_support::{Done, Notes, check, id, letters, on_bus, pass, paused, published};
use coordination_protocol::bus::{Bus, Interest, Start, VirtualHost};
use coordination_protocol::driver::{Client, ClientOptions, Component, Context, DriverError};
use coordination_protocol::message::{ComponentRegistration, ConflictCheck};
use coordination_protocol::security::freshness::Freshness;
use coordination_protocol::security::permissions::Permissions;
use coordination_protocol::security::signature::{
    Ed25519Signer, KeyRing, PublicKey, SignatureError, Signer,
};
use coordination_protocol::storage::view::Registrations;
use coordination_protocol::validate::{SecurityPolicy, Validator};
use coordination_protocol::{Envelope, Event, Message, Mode};
use std::sync::Arc;
use std::time::Duration;

fn signer(name: &str) -> Ed25519Signer {
    Ed25519Signer::from_seed(name, &[name.as_bytes()[0]; 32]).unwrap()
}

fn ring(names: &[&str]) -> KeyRing {
    names.iter().fold(KeyRing::new(), |ring, name| {
        let key = PublicKey::ed25519(name, signer(name).public_key(), id(name)).unwrap();
        ring.with_key(key).unwrap()
    })
}

fn judged_by(policy: SecurityPolicy) -> Validator {
    Validator::new(Mode::Interop).with_policy(policy)
}

/// A reader of pauses under a policy, which notes the workflows.
async fn reader(
    bus: &Bus,
    policy: SecurityPolicy,
    notes: &Notes,
) -> Result<coordination_protocol::driver::Running, DriverError> {
    let notes = notes.clone();
    Component::new("reader")
        .with_validator(judged_by(policy))
        .subscribe(
            Interest::new("*.paused".parse().unwrap()).starting(Start::First),
            move |_: Context, event: Event| {
                notes.add(event.workflow_id.as_str());
                async { Ok(()) }
            },
        )
        .connect(bus)
        .await
}

/// A component that only publishes.
fn worker(pattern: &str) -> Component {
    Component::new("worker").publishes(pattern)
}

/// What the reader takes from a worker that registers a pattern, publishes and stops.
async fn told_by(bus: &Bus, host: &VirtualHost, worker: Component, workflow: &str) -> Done {
    let running = worker.connect(bus).await?;
    running.client().publish(Message::from(paused(workflow, "x"))).await?;
    pass(host, 5).await;
    running.stop("done").await;
    Ok(())
}

const SILENT: [&str; 0] = [];

#[test]
fn who_has_registered_what_it_publishes_is_believed() {
    on_bus(async |bus, host| {
        let notes = Notes::default();
        let open = || SecurityPolicy::new().with_permissions(Permissions::new().open());
        let running = reader(&bus, open(), &notes).await?;
        // A client that is no component has registered nothing.
        let stranger = Client::open(&bus, id("stranger")).await?;
        stranger.publish(Message::from(paused("wf_0", "x"))).await?;
        told_by(&bus, &host, worker("workflow.*.paused"), "wf_1").await?;
        assert_eq!(notes.take(), ["wf_1"]);
        let reasons = letters(&bus).await;
        assert_eq!(reasons.len(), 1);
        assert!(reasons[0].contains("component `stranger` is not registered"), "{reasons:?}");
        running.stop("done").await;
        // What the worker sent before it left is judged by what it had then, also by who comes later.
        let late = Client::open(&bus, id("worker")).await?;
        late.publish(Message::from(paused("wf_2", "x"))).await?;
        let running = reader(&bus, open(), &notes).await?;
        pass(&host, 5).await;
        assert_eq!(notes.take(), ["wf_2"]);
        // Another pattern than it registered is not given.
        late.publish(Message::from(crate::bus_support::resumed("wf_3"))).await?;
        running.stop("done").await;
        Ok(())
    });
}

#[test]
fn where_the_policy_is_not_open_only_what_the_host_lists_counts() {
    on_bus(async |bus, host| {
        let notes = Notes::default();
        let closed = |permissions| SecurityPolicy::new().with_permissions(permissions);
        let running = reader(&bus, closed(Permissions::new()), &notes).await?;
        told_by(&bus, &host, worker("workflow.*.paused"), "wf_1").await?;
        assert_eq!(notes.take(), SILENT);
        running.stop("done").await;
        let listed = Permissions::new().with_component(&id("worker"), ["workflow.*.paused"], [])?;
        let running = reader(&bus, closed(listed), &notes).await?;
        told_by(&bus, &host, worker(">"), "wf_2").await?;
        assert_eq!(notes.take(), ["wf_2"]);
        running.stop("done").await;
        Ok(())
    });
}

/// A registration in the store, as whoever writes to the file may put it there.
async fn register(bus: &Bus, pattern: &str, key: Option<&str>) -> Done {
    let registration = ComponentRegistration::new(id("worker"), "agent")
        .with_event_publications(vec![pattern.to_owned()]);
    let mut envelope = Envelope::from(registration);
    bus.stamp(&mut envelope, &id("worker"));
    let text = envelope.to_string();
    let limits = coordination_protocol::Limits::DEFAULT;
    let text = match key {
        Some(key) => {
            coordination_protocol::security::signature::sign(&text, &signer(key), &limits)?
        }
        None => text,
    };
    Registrations::new(Arc::clone(bus.engine())).register(&text).await?;
    Ok(())
}

#[test]
fn a_registration_cannot_widen_itself_unless_it_is_signed() {
    on_bus(async |bus, host| {
        let notes = Notes::default();
        let policy = SecurityPolicy::new().with_permissions(Permissions::new().open());
        let running = reader(&bus, policy, &notes).await?;
        let worker = Client::open(&bus, id("worker")).await?;
        let say = async |workflow: &str| -> Done {
            worker.publish(Message::from(paused(workflow, "x"))).await?;
            pass(&host, 5).await;
            Ok(())
        };
        register(&bus, "task.*.failed", None).await?;
        say("wf_1").await?;
        register(&bus, ">", None).await?;
        say("wf_2").await?;
        assert_eq!(notes.take(), SILENT);
        let reasons = letters(&bus).await;
        assert!(reasons.iter().all(|reason| reason.contains("may not publish")), "{reasons:?}");
        // Who leaves and comes back begins anew.
        Registrations::new(Arc::clone(bus.engine())).retire(&id("worker")).await?;
        register(&bus, "workflow.>", None).await?;
        say("wf_3").await?;
        assert_eq!(notes.take(), ["wf_3"]);
        running.stop("done").await;
        Ok(())
    });
}

#[test]
fn signatures_hold_for_registrations_messages_requests_and_answers() {
    on_bus(async |bus, host| {
        let notes = Notes::default();
        // A registration is a state: it may be older than a message may be.
        let policy = || {
            SecurityPolicy::new()
                .with_verifier(ring(&["worker", "manager", "hub", "reader"]))
                .with_freshness(Freshness::default())
                .with_permissions(Permissions::new().open())
        };
        let running = reader(&bus, policy(), &notes).await?;
        let worker =
            worker("workflow.*.paused").with_signer(signer("worker")).connect(&bus).await?;
        pass(&host, 7_200).await;
        worker.client().publish(Message::from(paused("wf_1", "x"))).await?;
        // The same component without its key.
        let forger = Client::open(&bus, id("worker")).await?;
        forger.publish(Message::from(paused("wf_2", "x"))).await?;
        pass(&host, 5).await;
        assert_eq!(notes.take(), ["wf_1"]);
        // All that it publishes is signed, the events about itself, too.
        for envelope in published(&bus, "system.>").await {
            let signed = envelope.header.signature.is_some();
            assert_eq!(signed, envelope.header.source == Some(id("worker")), "{envelope}");
        }
        worker.stop("done").await;
        running.stop("done").await;

        let answering = |signed: bool| {
            let manager = Component::new("manager")
                .with_validator(judged_by(SecurityPolicy::new().with_verifier(ring(&["hub"]))))
                .on_request(|_: Context, check: ConflictCheck| async move { Ok(check) });
            if signed { manager.with_signer(signer("manager")) } else { manager }
        };
        let options = ClientOptions::new()
            .with_signer(signer("hub"))
            .with_validator(judged_by(SecurityPolicy::new().with_verifier(ring(&["manager"]))));
        let client = Client::open_with(&bus, id("hub"), options).await?;
        let manager = answering(true).connect(&bus).await?;
        client.request(&id("manager"), check("req_1")).await?;
        manager.stop("done").await;
        let manager = answering(false).connect(&bus).await?;
        let within = Duration::from_secs(20);
        let error = client.request_within(&id("manager"), check("req_2"), within).await;
        let error = error.unwrap_err().to_string();
        let start = "`manager` did not answer `req_2`; an answer was refused: ";
        assert!(error.starts_with(start) && error.contains("is not signed"), "{error}");
        // A request that is not signed is not answered, either.
        let other = Client::open(&bus, id("hub")).await?;
        let error = other.request_within(&id("manager"), check("req_3"), within).await;
        assert_eq!(error.unwrap_err().to_string(), "`manager` did not answer `req_3`");
        manager.stop("done").await;
        Ok(())
    });
}

/// A key that is kept elsewhere, and cannot be had.
struct Locked;

impl Signer for Locked {
    fn key_id(&self) -> &'static str {
        "locked"
    }

    fn algorithm(&self) -> &'static str {
        "ed25519"
    }

    fn sign(&self, _: &[u8]) -> Result<Vec<u8>, SignatureError> {
        Err(SignatureError::SignerFailed("the agent is locked".to_owned()))
    }
}

#[test]
fn what_cannot_be_signed_is_not_sent() {
    on_bus(async |bus, _| {
        let options = ClientOptions::new().with_signer(Locked);
        let client = Client::open_with(&bus, id("hub"), options).await?;
        let error = client.publish(Message::from(paused("wf_1", "x"))).await.unwrap_err();
        assert!(matches!(&error, DriverError::NotSigned(_)), "{error}");
        assert!(error.to_string().contains("the agent is locked"), "{error}");
        assert_eq!(bus.end().await?.offset, 1);
        // A component has to register, so it is told at once.
        let error = worker(">").with_signer(Locked).connect(&bus).await.unwrap_err();
        assert!(matches!(error, DriverError::NotSigned(_)), "{error}");
        Ok(())
    });
}
