//! Registrations of components.

use super::{Head, Listed, given, key, list, stored};
use crate::message::ComponentRegistration;
use crate::scalar::ComponentId;
use crate::storage::{Entry, Expect, Key, StorageError, Store};

pub(super) const PREFIX: &str = "registration";

/// What those had registered that have left.
pub(super) const FORMER: &str = "former-registration";

/// Who takes part (specification, Component Registration).
///
/// A component that registers again replaces its registration.
///
/// ```
/// use coordination_protocol::storage::view::Registrations;
/// use coordination_protocol::storage::{MemoryStore, StorageError, block_on};
///
/// let text = r#"{"component_registration":{"component_id":"monitor","component_type":"utility","team":"red"}}"#;
/// block_on(async {
///     let registrations = Registrations::new(MemoryStore::new());
///     registrations.register(text).await?;
///     let all = registrations.list(None, 100).await?;
///     let first = &all.items[0];
///     assert_eq!(first.registration.component_type.as_deref(), Some("utility"));
///     assert_eq!(first.text, text);
///     assert!(registrations.deregister(&first.registration.component_id).await?);
///     Ok::<(), StorageError>(())
/// })?;
/// # Ok::<(), StorageError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Registrations<S> {
    store: S,
}

/// A registration as it stands in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredRegistration {
    /// The message as it was written.
    pub text: String,
    /// The registration, typed.
    pub registration: ComponentRegistration,
}

impl StoredRegistration {
    fn read(entry: &Entry) -> Result<Self, StorageError> {
        let (_, text, registration) = stored::<ComponentRegistration>(entry, Head::Nothing)?;
        // A value under another key was copied there or damaged; using it would give one component
        // the rights of another.
        let [present, former] = registration_keys(&registration.component_id)?;
        if entry.key != present && entry.key != former {
            let reason = format!("it holds the registration of `{}`", registration.component_id);
            return Err(StorageError::damaged(&entry.key, reason));
        }
        Ok(StoredRegistration { text: text.to_owned(), registration })
    }
}

impl<S: Store> Registrations<S> {
    /// Registrations in a store.
    pub const fn new(store: S) -> Self {
        Registrations { store }
    }

    /// Registers a component.
    ///
    /// # Errors
    /// [`Refused`](StorageError::Refused) if the message is no registration.
    pub async fn register(&self, text: &str) -> Result<StoredRegistration, StorageError> {
        let registration = given::<ComponentRegistration>(text)?;
        let key = key_of(&registration.component_id)?;
        // The last registration holds: only the component itself writes it, and it may have lost
        // count after a crash.
        self.store.put(&key, text.as_bytes(), Expect::Any).await?;
        Ok(StoredRegistration { text: text.to_owned(), registration })
    }

    /// The registration of a component.
    pub async fn get(
        &self,
        component: &ComponentId,
    ) -> Result<Option<StoredRegistration>, StorageError> {
        let found = self.store.get(&key_of(component)?).await?;
        found.as_ref().map(StoredRegistration::read).transpose()
    }

    /// Up to `limit` registrations, ordered by component, behind a key.
    pub async fn list(
        &self,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Listed<StoredRegistration>, StorageError> {
        list(&self.store, PREFIX, after, limit, StoredRegistration::read).await
    }

    /// Removes the registration of a component that leaves, and keeps it as the one that it had: what the
    /// component sent before may be read later. Tells whether it was there.
    pub async fn retire(&self, component: &ComponentId) -> Result<bool, StorageError> {
        let [present, former] = registration_keys(component)?;
        let Some(entry) = self.store.get(&present).await? else { return Ok(false) };
        // First, so that who looks in between finds one of both.
        self.store.put(&former, &entry.value, Expect::Any).await?;
        match self.store.delete(&present, Expect::Revision(entry.revision)).await {
            // It has registered again meanwhile.
            Err(StorageError::Conflict { .. }) => Ok(false),
            gone => gone,
        }
    }

    /// The registration that a component had when it left last.
    pub async fn former(
        &self,
        component: &ComponentId,
    ) -> Result<Option<StoredRegistration>, StorageError> {
        let [_, former] = registration_keys(component)?;
        let found = self.store.get(&former).await?;
        found.as_ref().map(StoredRegistration::read).transpose()
    }

    /// Removes a registration and tells whether it was there.
    pub async fn deregister(&self, component: &ComponentId) -> Result<bool, StorageError> {
        self.store.delete(&key_of(component)?, Expect::Any).await
    }
}

pub(super) fn check(entry: &Entry) -> Result<(), StorageError> {
    StoredRegistration::read(entry).map(drop)
}

fn key_of(component: &ComponentId) -> Result<Key, StorageError> {
    key([PREFIX, component.as_str()])
}

/// Where the registration of a component stands, and the one that it had when it left.
pub(crate) fn registration_keys(component: &ComponentId) -> Result<[Key; 2], StorageError> {
    Ok([key_of(component)?, key([FORMER, component.as_str()])?])
}
