//! What is taken in: everything passes the checks, judged by the registrations on the bus where the policy
//! knows permissions.

use crate::bus::{Bus, BusError};
use crate::finding::Report;
use crate::message::{Envelope, peek};
use crate::scalar::ComponentId;
use crate::storage::view::registration_keys;
use crate::storage::{Entry, Store as _};
use crate::validate::{Checked, Context, Validator};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};

/// Checks what arrives. Under a policy with permissions it looks up, for each message, what the source has
/// registered on the bus: whether a registration gives anything, and what, says the policy.
#[derive(Debug)]
pub(super) struct Admission {
    bus: Bus,
    validator: RwLock<Validator>,
    /// What was seen of the registrations, by component.
    seen: Mutex<HashMap<ComponentId, Seen>>,
}

/// The revisions of what a component has registered, and of what it had when it left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Seen {
    present: Option<u64>,
    former: Option<u64>,
}

impl Admission {
    pub(super) fn new(bus: Bus, validator: Validator) -> Self {
        Admission { bus, validator: RwLock::new(validator), seen: Mutex::default() }
    }

    fn seen(&self) -> MutexGuard<'_, HashMap<ComponentId, Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads a record by the four levels of validation.
    ///
    /// # Errors
    /// That of the bus; the record may be checked again.
    pub(super) async fn check(
        &self,
        record: &[u8],
    ) -> Result<Result<Checked<Envelope>, Report>, BusError> {
        let learns = self.validator.read().unwrap_or_else(PoisonError::into_inner).learns();
        if learns && let Some(source) = source(record) {
            self.look_up(&source).await?;
        }
        let validator = self.validator.read().unwrap_or_else(PoisonError::into_inner);
        Ok(validator.check_bytes(record, &self.context()).accept())
    }

    fn context(&self) -> Context<'static> {
        Context::new().with_now(self.bus.host().now().wall)
    }

    /// Takes what the registration of a component gives, if it is another one than before.
    async fn look_up(&self, component: &ComponentId) -> Result<(), BusError> {
        // A name that is too long for a key has registered nothing.
        let Ok([present, former]) = registration_keys(component) else { return Ok(()) };
        let engine = self.bus.engine();
        let (present, former) = (engine.get(&present).await?, engine.get(&former).await?);
        let revision = |entry: &Option<Entry>| entry.as_ref().map(|entry| entry.revision);
        let now = Seen { present: revision(&present), former: revision(&former) };
        let known = self.seen().get(component).copied().unwrap_or_default();
        // Any text may claim any source, so only what stands on the bus is remembered.
        if now == known || now == Seen::default() {
            return Ok(());
        }
        let mut validator = self.validator.write().unwrap_or_else(PoisonError::into_inner);
        // Who has left and comes back begins anew; who has not may not widen what it has.
        if now.former != known.former {
            validator.forget_registration(component);
        }
        // What it had when it left holds for what it sent before.
        if let Some(entry) = present.or(former) {
            validator.learn_stored(component, &entry.value, &self.context());
        }
        drop(validator);
        self.seen().insert(component.clone(), now);
        Ok(())
    }
}

/// The component that a record says it comes from.
fn source(record: &[u8]) -> Option<ComponentId> {
    peek(std::str::from_utf8(record).ok()?).header?.source
}
