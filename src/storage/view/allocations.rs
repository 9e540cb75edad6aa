//! Grants of resources.

use super::{Head, Listed, ended, given, join, key, keys_below, list, stored};
use crate::message::AllocationResponse;
use crate::scalar::{AllocationId, AllocationStatus, WorkflowId};
use crate::storage::DamagedValue;
use crate::storage::{Entry, Expect, Key, KeyRevision, StorageError, Store};

pub(super) const PREFIX: &str = "allocation";
const INDEX: &str = "allocation-of";

/// Grants that are not yet released, by identifier and by workflow (specification, Resource
/// Allocation Schema).
///
/// The answer that grants something does not name the workflow, so the caller does.
///
/// ```
/// use coordination_protocol::WorkflowId;
/// use coordination_protocol::scalar::AllocationId;
/// use coordination_protocol::storage::view::Allocations;
/// use coordination_protocol::storage::{MemoryStore, StorageError, block_on};
///
/// let answer = r#"{"allocation_response":{"response_id":"resp_1","request_id":"req_1","status":"approved","allocated_resources":{"allocation_id":"alloc_1","agents":3}}}"#;
/// block_on(async {
///     let allocations = Allocations::new(MemoryStore::new());
///     let workflow = WorkflowId::new("wf_001").unwrap();
///     allocations.grant(&workflow, answer).await?;
///     assert_eq!(allocations.of(&workflow).await?.items[0].text, answer);
///
///     let id = AllocationId::new("alloc_1").unwrap();
///     let released = allocations.release(&id).await?.unwrap();
///     assert_eq!(released.workflow, workflow);
///     // Of two that release it, one gets it.
///     assert!(allocations.release(&id).await?.is_none());
///     // The answer arrives once more: what has ended is not granted again.
///     let late = allocations.grant(&workflow, answer).await.unwrap_err();
///     assert_eq!(late.code(), "ended");
///     Ok::<(), StorageError>(())
/// })?;
/// # Ok::<(), StorageError>(())
/// ```
#[doc(alias = "lease")]
#[derive(Clone, Debug)]
pub struct Allocations<S> {
    store: S,
    max_ended: usize,
}

/// A grant as it stands in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Grant {
    /// The workflow that holds it.
    pub workflow: WorkflowId,
    /// What its release names.
    pub allocation: AllocationId,
    /// The answer that granted it, as it was written.
    pub text: String,
    /// The same, typed.
    pub response: AllocationResponse,
}

impl Grant {
    fn read(entry: &Entry) -> Result<Self, StorageError> {
        let (line, text, response) = stored::<AllocationResponse>(entry, Head::Workflow)?;
        let damaged = |reason: String| StorageError::damaged(&entry.key, reason);
        let workflow = WorkflowId::new(line).map_err(|error| damaged(error.to_string()))?;
        let grant =
            Grant::of(workflow, text, response).map_err(|error| damaged(error.to_string()))?;
        if key_of(&grant.allocation)? != entry.key {
            return Err(damaged(format!("it holds the grant `{}`", grant.allocation)));
        }
        Ok(grant)
    }

    fn of(
        workflow: WorkflowId,
        text: &str,
        response: AllocationResponse,
    ) -> Result<Self, StorageError> {
        // Only what grants something is kept: a denied request holds nothing that could be
        // released.
        let refused = |reason: String| StorageError::NotAGrant { reason };
        if !matches!(response.status, AllocationStatus::Approved | AllocationStatus::Partial) {
            return Err(refused(format!("its status is `{}`", response.status)));
        }
        let allocation = response
            .allocation_id()
            .ok_or_else(|| refused("it has no allocation_id".to_owned()))?;
        Ok(Grant { workflow, allocation, text: text.to_owned(), response })
    }
}

impl<S: Store> Allocations<S> {
    /// Grants in a store, with up to 10,000 that have ended.
    pub const fn new(store: S) -> Self {
        Allocations { store, max_ended: 10_000 }
    }

    /// Sets how many released grants are remembered, so that an answer that is repeated does not grant
    /// again; the oldest are forgotten first. 0 remembers none. The number should cover what is
    /// released while an answer may still be on its way.
    pub const fn with_max_ended(mut self, grants: usize) -> Self {
        self.max_ended = grants;
        self
    }

    /// Whether a grant was released and is still remembered.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn has_ended(&self, allocation: &AllocationId) -> Result<bool, StorageError> {
        Ok(self.max_ended > 0 && ended::has_ended(&self.store, allocation).await?)
    }

    /// Notes a grant. Doing so again, with the same answer, changes nothing.
    ///
    /// # Errors
    /// [`NotAGrant`](StorageError::NotAGrant) for an answer that is neither `approved` nor `partial`,
    /// or has no `allocation_id`; [`Exists`](StorageError::Exists) if the identifier is taken;
    /// [`Ended`](StorageError::Ended) if it was released before.
    pub async fn grant(&self, workflow: &WorkflowId, text: &str) -> Result<Grant, StorageError> {
        let response = given::<AllocationResponse>(text)?;
        let grant = Grant::of(workflow.clone(), text, response)?;
        let key = key_of(&grant.allocation)?;
        let value = join(workflow.as_str(), text);
        // The index comes first and goes last: what it does not lead to is passed over.
        let index = index_of(workflow, &grant.allocation)?;
        // A crash in between leaves an index without a grant, which readers pass over. The other
        // order could leave a grant that its workflow does not find.
        self.store.put(&index, b"", Expect::Any).await?;
        match self.store.put(&key, &value, Expect::Absent).await {
            // Looked up behind the write: a release notes the end before it removes the grant, so
            // whoever finds no grant finds its end.
            Ok(revision) if self.has_ended(&grant.allocation).await? => {
                match self.store.delete(&key, Expect::Revision(revision)).await {
                    Ok(_) | Err(StorageError::Conflict { .. }) => {}
                    Err(error) => return Err(error),
                }
                let _ = self.store.delete(&index, Expect::Any).await;
                Err(StorageError::Ended { key })
            }
            Ok(_) => Ok(grant),
            Err(StorageError::Conflict { .. }) => match self.store.get(&key).await? {
                // The writer may repeat after a failure whose outcome it could not know.
                Some(there) if *there.value == *value => Ok(grant),
                _ => Err(StorageError::Exists { key }),
            },
            Err(error) => Err(error),
        }
    }

    /// The grant of an identifier.
    pub async fn get(&self, allocation: &AllocationId) -> Result<Option<Grant>, StorageError> {
        let found = self.store.get(&key_of(allocation)?).await?;
        found.as_ref().map(Grant::read).transpose()
    }

    /// All grants of a workflow, ordered by identifier, on one page.
    pub async fn of(&self, workflow: &WorkflowId) -> Result<Listed<Grant>, StorageError> {
        let prefix = key([INDEX, workflow.as_str()])?;
        let mut listed = Listed { items: Vec::new(), damaged: Vec::new(), next: None };
        for KeyRevision { key, .. } in keys_below(&self.store, prefix.as_str()).await? {
            let allocation = key.segments().nth(2).unwrap_or_default().into_owned();
            let found = match AllocationId::new(allocation) {
                Ok(allocation) => self.get(&allocation).await,
                Err(error) => Err(StorageError::damaged(&key, error)),
            };
            match found {
                // The index is a hint; the grant itself says whose it is.
                Ok(found) => listed.items.extend(found.filter(|grant| grant.workflow == *workflow)),
                Err(error) => listed.damaged.push(DamagedValue::from_error(&key, error)?),
            }
        }
        Ok(listed)
    }

    /// Up to `limit` grants of all workflows, ordered by identifier, behind a key.
    pub async fn list(
        &self,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Listed<Grant>, StorageError> {
        list(&self.store, PREFIX, after, limit, Grant::read).await
    }

    /// Takes a grant out and returns it; none if it is not there, or not any more. Its end is
    /// remembered.
    pub async fn release(&self, allocation: &AllocationId) -> Result<Option<Grant>, StorageError> {
        let key = key_of(allocation)?;
        let Some(entry) = self.store.get(&key).await? else { return Ok(None) };
        let grant = Grant::read(&entry)?;
        if self.max_ended > 0 {
            ended::note(&self.store, allocation).await?;
        }
        // By revision, so that of two that release it at the same time one gets the grant and gives
        // the resources back.
        match self.store.delete(&key, Expect::Revision(entry.revision)).await {
            Ok(true) => {}
            // A grant never changes, so another one released it.
            Ok(false) | Err(StorageError::Conflict { .. }) => return Ok(None),
            Err(error) => return Err(error),
        }
        // It is released, whatever comes now: an index that leads nowhere is passed over.
        let _ = self.store.delete(&index_of(&grant.workflow, allocation)?, Expect::Any).await;
        let _ = ended::forget(&self.store, self.max_ended).await;
        Ok(Some(grant))
    }
}

pub(super) fn check(entry: &Entry) -> Result<(), StorageError> {
    Grant::read(entry).map(drop)
}

fn key_of(allocation: &AllocationId) -> Result<Key, StorageError> {
    key([PREFIX, allocation.as_str()])
}

fn index_of(workflow: &WorkflowId, allocation: &AllocationId) -> Result<Key, StorageError> {
    key([INDEX, workflow.as_str(), allocation.as_str()])
}
