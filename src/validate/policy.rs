//! The security level: what is asked of a message's source.

use crate::scalar::{ComponentId, words};
use crate::security::freshness::Freshness;
use crate::security::permissions::Permissions;
use crate::security::signature::Verifier;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

/// What must hold of the source of a message. An empty policy asks nothing, and reports say that
/// security was not checked.
///
/// ```
/// use coordination_protocol::scalar::ComponentId;
/// use coordination_protocol::security::permissions::Permissions;
/// use coordination_protocol::validate::{Context, SecurityPolicy, Validator};
/// use coordination_protocol::Mode;
///
/// let hub = ComponentId::new("coordination-hub")?;
/// let permissions = Permissions::new().with_component(&hub, ["workflow.*.created"], [])?;
/// let validator = Validator::new(Mode::Interop).with_policy(SecurityPolicy::new().with_permissions(permissions));
/// let text = r#"{"source":"coordination-hub","event":{"event_type":"SYSTEM_SHUTDOWN","workflow_id":"global",
///     "phase":"global","data":{"component_name":"coordination-hub","shutdown_reason":"update"}}}"#;
/// let outcome = validator.check(text, &Context::new());
/// assert_eq!(outcome.report.findings()[0].code.as_str(), "publication-denied");
/// assert_eq!(outcome.security.to_string(), "permissions checked; signature, freshness, replay not checked");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct SecurityPolicy {
    permissions: Option<Permissions>,
    verifier: Option<Arc<dyn Verifier>>,
    freshness: Option<Freshness>,
    required: bool,
    lines: EventLines,
    relays: BTreeSet<ComponentId>,
}

words! {
    /// What becomes of event lines where a signature, freshness or protection from replay is asked
    /// for. A line has no header, so none of that can be told of it.
    EventLines {
        /// They are refused.
        Refuse "refuse",
        /// They are accepted without; [`Security`](super::Security) says that it was not checked.
        Accept "accept",
    }
}

impl fmt::Debug for SecurityPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecurityPolicy")
            .field("permissions", &self.permissions)
            .field("verifier", &self.verifier.is_some())
            .field("freshness", &self.freshness)
            .field("required", &self.required)
            .field("lines", &self.lines)
            .field("relays", &self.relays)
            .finish()
    }
}

impl SecurityPolicy {
    /// A policy that asks nothing.
    pub fn new() -> Self {
        SecurityPolicy {
            permissions: None,
            verifier: None,
            freshness: None,
            required: false,
            lines: EventLines::Refuse,
            relays: BTreeSet::new(),
        }
    }

    /// Asks that a component publishes, subscribes to and sends only what it may.
    pub fn with_permissions(mut self, permissions: Permissions) -> Self {
        self.permissions = Some(permissions);
        self
    }

    /// Asks for a signature of the source. It is checked at [`Context::now`](super::Context::now).
    pub fn with_verifier(mut self, verifier: impl Verifier + 'static) -> Self {
        self.verifier = Some(Arc::new(verifier));
        self
    }

    /// Asks that a message is recent at [`Context::now`](super::Context::now).
    pub const fn with_freshness(mut self, freshness: Freshness) -> Self {
        self.freshness = Some(freshness);
        self
    }

    /// Refuses what cannot be checked: without permissions and keys, every message.
    pub const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// Sets what becomes of event lines, which cannot be signed and have no time; refused unless set.
    ///
    /// ```
    /// use coordination_protocol::security::freshness::Freshness;
    /// use coordination_protocol::validate::{Context, EventLines, SecurityPolicy, Validator};
    /// use coordination_protocol::Mode;
    ///
    /// let line = r#"SYSTEM_SHUTDOWN:global:global:{"component_name":"hub","shutdown_reason":"update"}"#;
    /// let policy = SecurityPolicy::new().with_freshness(Freshness::default());
    /// let check = |policy| {
    ///     let validator = Validator::new(Mode::Strict).with_policy(policy);
    ///     validator.check(line, &Context::new().with_now(1_736_942_400_000))
    /// };
    /// assert!(!check(policy.clone()).is_accepted());
    /// let outcome = check(policy.with_lines(EventLines::Accept));
    /// assert!(outcome.is_accepted() && !outcome.security.freshness);
    /// ```
    pub const fn with_lines(mut self, lines: EventLines) -> Self {
        self.lines = lines;
        self
    }

    /// What becomes of event lines.
    pub const fn lines(&self) -> EventLines {
        self.lines
    }

    /// Whether what cannot be checked is refused.
    pub const fn is_required(&self) -> bool {
        self.required
    }

    /// Names a component that passes on the messages of others. What a transport knows to come from it
    /// may name another source in its header; without an accepted signature that source is only
    /// [relayed](crate::validate::SourceTrust::Relayed), not verified.
    ///
    /// ```
    /// use coordination_protocol::scalar::ComponentId;
    /// use coordination_protocol::validate::{Gate, SecurityPolicy, SourceTrust, Validator};
    /// use coordination_protocol::Mode;
    ///
    /// let text = r#"{"source":"worker","heartbeat":{"component_id":"worker","sequence":1,"timestamp":"2025-01-15T12:00:00Z"}}"#;
    /// let hub = ComponentId::new("hub")?;
    /// let accept = |policy| {
    ///     let mut gate = Gate::new(Validator::new(Mode::Strict).with_policy(policy));
    ///     gate.accept(text.as_bytes(), 1_736_942_400_000, Some(&hub))
    /// };
    /// let refused = accept(SecurityPolicy::new()).unwrap_err();
    /// assert_eq!(refused.findings()[0].code.as_str(), "foreign-source");
    /// let relayed = accept(SecurityPolicy::new().with_relay(hub.clone())).unwrap();
    /// assert_eq!(relayed.security().source, SourceTrust::Relayed);
    /// assert!(!relayed.security().source.is_verified());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_relay(mut self, component: ComponentId) -> Self {
        self.relays.insert(component);
        self
    }

    /// The components that pass on the messages of others.
    pub fn relays(&self) -> impl Iterator<Item = &ComponentId> {
        self.relays.iter()
    }

    /// What components may do, with what registrations gave so far.
    pub const fn permissions(&self) -> Option<&Permissions> {
        self.permissions.as_ref()
    }

    #[cfg(feature = "tokio")]
    pub(super) const fn take_freshness(&mut self) -> Option<Freshness> {
        self.freshness.take()
    }

    #[cfg(feature = "tokio")]
    pub(super) const fn set_freshness(&mut self, freshness: Option<Freshness>) {
        self.freshness = freshness;
    }

    pub(super) const fn permissions_mut(&mut self) -> Option<&mut Permissions> {
        self.permissions.as_mut()
    }

    pub(super) fn verifier(&self) -> Option<&dyn Verifier> {
        self.verifier.as_deref()
    }

    pub(super) const fn freshness(&self) -> Option<&Freshness> {
        self.freshness.as_ref()
    }

    pub(super) fn is_relay(&self, component: &ComponentId) -> bool {
        self.relays.contains(component)
    }

    /// Whether anything is asked.
    pub(super) fn asks(&self) -> bool {
        self.required
            || self.permissions.is_some()
            || self.verifier.is_some()
            || self.freshness.is_some()
    }
}

impl Default for SecurityPolicy {
    fn default() -> Self {
        SecurityPolicy::new()
    }
}
