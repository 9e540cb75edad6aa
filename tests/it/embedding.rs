//! What programs that embed the crate write: types of their own, stores behind pointers, errors handed on.

use coordination_protocol::conformance;
use coordination_protocol::event::{CustomEvent, Event, FieldType};
use coordination_protocol::route::{Pattern, RouteKey};
use coordination_protocol::scalar::ComponentId;
use coordination_protocol::security::permissions::Permissions;
use coordination_protocol::storage::view::Events;
use coordination_protocol::storage::{
    DynJournal, DynStore, Journal, MemoryJournal, MemoryStore, Store, block_on,
};
use coordination_protocol::transport::{DynTransport, MemoryTransport, Transport};
use coordination_protocol::{
    Codec, Envelope, EventType, Gate, Message, Mode, Phase, ProtocolVersion, Registry, Validator,
    WorkflowId,
};
use serde::{Deserialize, Serialize};
use std::error::Error;
use std::sync::Arc;
use std::time::SystemTime;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct ShipDone {
    hosts: u32,
    version: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

impl CustomEvent for ShipDone {
    const EVENT_TYPE: &'static str = "SHIP_DONE";
    const CATEGORY: &'static str = "deploy";
    const REQUIRED: &'static [(&'static str, FieldType)] =
        &[("version", FieldType::Text), ("hosts", FieldType::Count)];
}

fn shipped() -> ShipDone {
    ShipDone { hosts: 3, version: "2.1".to_owned(), note: Some("ok".to_owned()) }
}

#[test]
fn an_event_type_of_ones_own_is_typed_everywhere() {
    let registry = Registry::default().with_event::<ShipDone>().unwrap();
    assert!(registry.clone().with_event::<ShipDone>().is_err());
    let (workflow, phase) = (WorkflowId::new("wf").unwrap(), Phase::new("ship").unwrap());
    let event = Event::of_custom(workflow, phase, &shipped()).unwrap();
    // The required fields stand first, in the registry's order.
    let line = r#"SHIP_DONE:wf:ship:{"version":"2.1","hosts":3,"note":"ok"}"#;
    assert_eq!(event.to_string(), line);
    assert_eq!(event.decode_custom::<ShipDone>().unwrap(), Some(shipped()));
    for codec in [Codec::new(Mode::Strict), Codec::new(Mode::Interop)] {
        let codec = codec.with_registry(registry.clone());
        let read = codec.parse(line).unwrap();
        assert_eq!(read.decode_custom::<ShipDone>().unwrap(), Some(shipped()));
        let text = Envelope::from(event.clone()).to_string();
        let envelope = codec.parse_message(&text).unwrap().decode().unwrap();
        let Message::Event(body) = &envelope.message else { unreachable!() };
        assert_eq!(body.event, read.to_event());
        assert_eq!(body.event.decode_custom::<ShipDone>().unwrap(), Some(shipped()));
    }
    let strict = Codec::new(Mode::Strict).with_registry(registry);
    assert!(strict.parse(r#"SHIP_DONE:wf:ship:{"hosts":3}"#).is_err());
    let other: Event = r#"SYSTEM_SHUTDOWN:global:global:{"component_name":"h","shutdown_reason":"x"}"#.parse().unwrap();
    assert_eq!(other.decode_custom::<ShipDone>().unwrap(), None);
    // Data that does not fit is told.
    let odd: Event = serde_json::from_str(
        r#"{"event_type":"SHIP_DONE","workflow_id":"wf","phase":"ship","data":{"hosts":"three"}}"#,
    )
    .unwrap();
    assert!(odd.decode_custom::<ShipDone>().unwrap_err().to_string().contains("three"));
}

/// The type that the reader's registry gives an event, not that of another one.
#[test]
fn an_event_in_an_envelope_equals_its_line_for_every_reader() {
    let late = r#"{"error_type":"x"}"#;
    for registry in [
        Registry::new(ProtocolVersion::new(1, 0, 0)),
        Registry::default(),
        Registry::default().with_event::<ShipDone>().unwrap(),
    ] {
        let codec = Codec::new(Mode::Interop).with_registry(registry);
        for kind in EventType::ALL {
            let line = format!("{kind}:wf:p:{late}");
            let Ok(read) = codec.parse(&line) else { continue };
            let message = format!(
                r#"{{"event":{{"event_type":"{kind}","workflow_id":"wf","phase":"p","data":{late}}}}}"#
            );
            let envelope = codec.parse_message(&message).unwrap().decode().unwrap();
            let Message::Event(body) = envelope.message else { unreachable!() };
            assert_eq!(body.event, read.to_event(), "{kind}");
        }
    }
}

#[test]
fn a_gate_hands_its_refusal_on() {
    fn take(gate: &mut Gate, record: &str) -> Result<(), Box<dyn Error + Send + Sync>> {
        gate.accept(record.as_bytes(), SystemTime::now(), None)?;
        Ok(())
    }
    let mut gate = Gate::new(Validator::new(Mode::Strict));
    let error = take(&mut gate, "TASK_STARTD:wf:p:{}").unwrap_err();
    let shown = format!("{error:?}");
    assert!(error.to_string().contains("TASK_STARTD"), "{error}");
    assert!(shown.len() < 400, "{shown}");
    let unknown = format!("{:?}", "TASK_STARTD".parse::<EventType>().unwrap_err());
    assert!(unknown.contains("words") && unknown.len() < 120, "{unknown}");
}

/// Stores, journals and transports behind pointers, their types known or not, keep every promise.
#[test]
fn pointers_keep_every_promise() {
    fn held<S: Store>(fresh: impl FnMut() -> S) {
        let summary = block_on(conformance::run(&conformance::store::cases(), fresh));
        summary.into_result().unwrap();
    }
    fn kept<J: Journal>(fresh: impl FnMut() -> J) {
        let summary = block_on(conformance::run(&conformance::journal::cases(), fresh));
        summary.into_result().unwrap();
    }
    held(|| Arc::new(MemoryStore::new()) as Arc<dyn DynStore>);
    held(|| Box::new(MemoryStore::new()) as Box<dyn DynStore>);
    held(|| &*Box::leak(Box::new(MemoryStore::new())));
    kept(|| Arc::new(MemoryJournal::new()) as Arc<dyn DynJournal>);
    kept(|| Box::new(MemoryJournal::new()));
    fn moved<T: Transport>(fresh: impl FnMut() -> T) {
        let summary = block_on(conformance::run(&conformance::transport::cases(), fresh));
        summary.into_result().unwrap();
    }
    moved(|| Arc::new(MemoryTransport::new()) as Arc<dyn DynTransport>);
    moved(|| Box::new(MemoryTransport::new()));
}

#[test]
fn keys_of_ones_own_events_go_by_the_category() {
    let registry = Registry::default().with_event::<ShipDone>().unwrap();
    let own = RouteKey::with_registry(&registry, "SHIP_DONE", "wf", "ship");
    assert!(Pattern::parse("deploy.>").unwrap().matches(&own), "{own}");
    let key = RouteKey::parse_with(&registry, "deploy.wf.ship_done").unwrap();
    assert_eq!(key.type_name(), "SHIP_DONE");

    // Every form of the event knows what its reader knew.
    let line = r#"SHIP_DONE:wf:ship:{"version":"2.1","hosts":3}"#;
    let made = Event::of_custom(
        WorkflowId::new("wf").unwrap(),
        Phase::new("ship").unwrap(),
        &ShipDone { note: None, ..shipped() },
    )
    .unwrap();
    let message = Envelope::from(made.clone()).to_string();
    for mode in [Mode::Strict, Mode::Interop] {
        let codec = Codec::new(mode).with_registry(registry.clone());
        let read = codec.parse(line).unwrap();
        assert_eq!(read.category().map(ToString::to_string).as_deref(), Some("deploy"));
        let envelope = codec.parse_message(&message).unwrap().decode().unwrap();
        let (buf, event) = (read.to_buf(), read.to_event());
        let keys = [
            RouteKey::from(&read),
            RouteKey::from(&buf),
            RouteKey::from(&event),
            RouteKey::from(&made),
            RouteKey::of(&envelope).unwrap(),
        ];
        for key in keys {
            assert_eq!(key, own);
            assert_eq!(key.to_string(), "deploy.wf.ship_done");
        }
    }
    // A reader that does not know the type keeps it unregistered, and equal by its meaning.
    let plain = Codec::new(Mode::Interop);
    let read = plain.parse(line).unwrap();
    assert_eq!(RouteKey::from(&read).to_string(), "ship.wf.done");
    assert_eq!(RouteKey::from(&read.to_event()).to_string(), "ship.wf.done");
    assert_eq!(read.to_event(), made);
    // So does one of a version that does not have it yet.
    let late = r#"ERROR_ENCOUNTERED:wf:p:{"error_type":"x"}"#;
    let old = Registry::new(ProtocolVersion::new(1, 0, 0));
    let read = plain.with_registry(old).parse(late).unwrap().to_event();
    assert!(!RouteKey::from(&read).is_registered());
}

/// A monitor of deployments: it may publish and read what its pattern covers, by the registry of the reader.
#[test]
fn permissions_and_journals_go_by_the_category() {
    let registry = Registry::default().with_event::<ShipDone>().unwrap();
    let line = r#"SHIP_DONE:wf:ship:{"version":"2.1","hosts":3}"#;
    let covers: Pattern = "deploy.>".parse().unwrap();
    let monitor = ComponentId::new("shipper").unwrap();
    let permissions =
        Permissions::new().with_component(&monitor, ["deploy.>"], ["deploy.>"]).unwrap();
    let codec = Codec::new(Mode::Strict).with_registry(registry.clone());
    let read = codec.parse(line).unwrap();
    assert!(permissions.may_publish(&monitor, &RouteKey::from(&read)).is_ok());

    let journal = MemoryJournal::new();
    let stored = block_on(async {
        let events = Events::new(journal.clone()).with_registry(registry);
        events.append(&[line]).await?;
        let known = events.read_matching(1, 9, &covers).await?;
        assert_eq!(known.events[0].key().unwrap().to_string(), "deploy.wf.ship_done");
        Events::new(journal).read_matching(1, 9, &covers).await
    });
    assert_eq!(stored.unwrap().events, []);
}

/// A store that forgets what it is given, one that never answers, and one that cannot be opened.
#[test]
fn the_kit_ends_and_names_the_step() {
    use coordination_protocol::storage::{
        Entry, Expect, Key, KeyPage, Page, StorageError, StoreScan,
    };
    use std::future::{pending, ready};
    use std::time::Duration;

    struct Forgetful {
        silent: bool,
    }

    impl Store for Forgetful {
        async fn get(&self, _: &Key) -> Result<Option<Entry>, StorageError> {
            if self.silent { pending().await } else { Ok(None) }
        }

        async fn put(&self, _: &Key, _: &[u8], _: Expect) -> Result<u64, StorageError> {
            Ok(1)
        }

        async fn delete(&self, _: &Key, _: Expect) -> Result<bool, StorageError> {
            Ok(false)
        }

        async fn scan(&self, _: &StoreScan) -> Result<Page, StorageError> {
            Ok(Page::default())
        }

        async fn keys(&self, _: &StoreScan) -> Result<KeyPage, StorageError> {
            Ok(KeyPage::default())
        }
    }

    let cases = conformance::store::cases();
    let limit = Duration::from_secs(1);
    let open = async || Ok::<_, String>(Forgetful { silent: false });
    let summary = block_on(conformance::run_within(&cases, open, limit, |_| pending::<()>()));
    let told = summary.clone().into_result().unwrap_err().to_string();
    assert!(summary.passed.contains(&"absent_keys"), "{told}");
    assert!(told.contains("  step: src") && told.contains("store.rs:"), "{told}");

    let open = async || Ok::<_, String>(Forgetful { silent: true });
    let summary = block_on(conformance::run_within(&cases, open, limit, |_| ready(())));
    let (name, _, failure) = &summary.failed[0];
    assert_eq!(
        (*name, failure.to_string()),
        ("absent_keys", "it did not end within 1s".to_owned())
    );

    let open = async || Err::<Forgetful, _>("no room");
    let summary = block_on(conformance::run_within(&cases, open, limit, |_| pending::<()>()));
    assert_eq!(summary.failed.len(), cases.len());
    assert_eq!(summary.failed[0].2.to_string(), "no instance could be made: no room");
}
