//! What tests of the bus and of components share.

use coordination_protocol::bus::{Bus, Host as _, VirtualHost};
use coordination_protocol::message::ConflictCheck;
use coordination_protocol::route::{Pattern, RouteKey};
use coordination_protocol::scalar::{ComponentId, RequestId};
use coordination_protocol::storage::Journal as _;
use coordination_protocol::storage::view::DeadLetters;
use coordination_protocol::{Envelope, Event};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub(crate) type Done = Result<(), Box<dyn std::error::Error>>;

/// Runs a test in virtual time, on a bus in memory.
pub(crate) fn on_bus(test: impl AsyncFnOnce(Bus, VirtualHost) -> Done) {
    let host = VirtualHost::new(7);
    let bus = Bus::memory().with_host(host.clone());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async { host.run(test(bus, host.clone())).await.unwrap() });
}

/// Lets time pass for all others.
pub(crate) async fn pass(host: &VirtualHost, seconds: u64) {
    host.sleep_until(host.now().at.after(Duration::from_secs(seconds)).unwrap()).await;
}

pub(crate) fn id(name: &str) -> ComponentId {
    ComponentId::new(name).unwrap()
}

pub(crate) fn check(name: &str) -> ConflictCheck {
    ConflictCheck::new(RequestId::new(name).unwrap())
}

pub(crate) fn paused(workflow: &str, reason: &str) -> Event {
    format!(
        r#"WORKFLOW_PAUSED:{workflow}:global:{{"pause_reason":"{reason}","current_state":{{}}}}"#
    )
    .parse()
    .unwrap()
}

pub(crate) fn resumed(workflow: &str) -> Event {
    format!(
        r#"WORKFLOW_RESUMED:{workflow}:global:{{"resume_time":"2025-01-15T12:00:00Z","state_validation":{{}}}}"#
    )
    .parse()
    .unwrap()
}

/// What handlers noted.
#[derive(Clone, Default)]
pub(crate) struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    pub(crate) fn add(&self, note: impl Into<String>) {
        self.0.lock().unwrap().push(note.into());
    }

    pub(crate) fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// The reasons of all dead letters.
pub(crate) async fn letters(bus: &Bus) -> Vec<String> {
    let letters = DeadLetters::new(Arc::clone(bus.engine())).list(None, 100).await.unwrap();
    letters.items.into_iter().map(|letter| letter.letter.reason).collect()
}

/// The messages in the log that a pattern selects, in order.
pub(crate) async fn published(bus: &Bus, pattern: &str) -> Vec<Envelope> {
    let pattern: Pattern = pattern.parse().unwrap();
    let mut found = Vec::new();
    let mut from = bus.history().bounds().await.unwrap().first;
    loop {
        let page = bus.history().read(from, 256).await.unwrap();
        let Some(last) = page.last() else { return found };
        from = last.position + 1;
        for record in &page {
            let Some(subject) = &record.subject else { continue };
            if pattern.matches(&RouteKey::parse(subject).unwrap()) {
                found.push(std::str::from_utf8(&record.data).unwrap().parse().unwrap());
            }
        }
    }
}
