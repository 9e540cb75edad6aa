//! Permissions: what a component may publish, subscribe to and send.
//!
//! A component registers with patterns of what it publishes and what it subscribes to
//! (specification, Component Registration). These lists are also its permissions: what no pattern of
//! them covers is denied, and so is everything to a component that is not registered.
//!
//! ```
//! use coordination_protocol::route::{Pattern, RouteKey};
//! use coordination_protocol::scalar::ComponentId;
//! use coordination_protocol::security::permissions::Permissions;
//!
//! let manager = ComponentId::new("resource-manager")?;
//! let permissions = Permissions::new().with_component(
//!     &manager,
//!     ["resource.*.allocated", "resource.*.conflict_detected"],
//!     ["workflow.*.resource_request", "system.*.resource_threshold"],
//! )?;
//! assert!(permissions.may_publish(&manager, &RouteKey::new("RESOURCE_CONFLICT", "wf_001", "build")).is_ok());
//!
//! let denied = permissions.may_publish(&manager, &RouteKey::new("RESOURCE_OPTIMIZED", "wf_001", "build"));
//! assert_eq!(
//!     denied.unwrap_err().to_string(),
//!     "`resource-manager` may not publish resource.wf_001.optimized: no pattern of its \
//!      event_publications covers it; the nearest is `resource.*.allocated`",
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Other messages than events
//!
//! Who may send a kind of message that is no event is one row of a table,
//! [`MessageKind::senders`]: a decision takes the capability `coordination`, a vote a voter that the
//! host names, a heartbeat any registered component. A host replaces rows by
//! [`Permissions::with_senders`]. Whatever the row says, a component speaks for itself only.
//!
//! ```
//! use coordination_protocol::message::MessageKind;
//! use coordination_protocol::scalar::ComponentId;
//! use coordination_protocol::security::permissions::{Evidence, Permissions, Sender};
//! use coordination_protocol::Envelope;
//!
//! let worker = ComponentId::new("worker")?;
//! let permissions = Permissions::new().with_component(&worker, [], [])?;
//! let text = r#"{"decision":{"proposal_id":"prop_1","outcome":"rejected"}}"#;
//! let decision = text.parse::<Envelope>()?.message;
//! assert_eq!(
//!     permissions.may_send(&worker, &decision, &Evidence::new()).unwrap_err().to_string(),
//!     "`worker` may not send `decision`: that takes the capability `coordination`; give `worker` \
//!      what it takes, or send from a component that has it",
//! );
//! let permissions = permissions.with_senders(MessageKind::Decision, [Sender::Component(worker.clone())]);
//! assert!(permissions.may_send(&worker, &decision, &Evidence::new()).is_ok());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Registrations
//!
//! Every component may register itself, but a registration does not give rights by itself. What the
//! host lists ([`Permissions::with_component`], [`Permissions::with_capabilities`]) is given. Beyond
//! that,
//!
//! * the patterns of a component that is not registered yet are given only if the policy is
//!   [open](Permissions::open);
//! * a capability that a row of the table names, and whatever widens what a registered component has,
//!   only with an accepted signature.
//!
//! A registration that asks for more is refused. [`Permissions::register`] takes what is given;
//! a [`Gate`](crate::validate::Gate) does that with each registration that it accepts.
//!
//! The source of a message is what its header claims. Permissions are worth as much as that claim, so
//! check its [signature](super::signature) first where components do not trust each other.

mod error;
mod register;
mod send;
mod sender;

pub use error::PermissionDenied;
pub use send::Evidence;
pub(crate) use send::speaker;
pub use sender::Sender;

use crate::event::Registry;
use crate::message::MessageKind;
use crate::route::{Pattern, RouteKey};
use crate::scalar::{ComponentId, nearest, words};
use std::collections::{BTreeMap, BTreeSet};

words! {
    /// Which of a registration's two lists is meant.
    PermissionList {
        /// `event_publications`
        Publications "event_publications",
        /// `event_subscriptions`
        Subscriptions "event_subscriptions",
    }
}

/// What each registered component may publish, subscribe to and send. See [the module](self).
#[doc(alias = "authorization")]
#[doc(alias = "acl")]
#[doc(alias = "rights")]
#[derive(Clone, Debug)]
pub struct Permissions {
    registry: Registry,
    max_patterns: usize,
    max_components: usize,
    open: bool,
    /// What the host lists.
    components: BTreeMap<ComponentId, Granted>,
    /// What registrations gave beside, by component.
    registered: BTreeMap<ComponentId, Granted>,
    /// Rows of the table that the host replaced.
    senders: BTreeMap<MessageKind, Vec<Sender>>,
    replicas: BTreeSet<ComponentId>,
    voters: BTreeSet<ComponentId>,
}

impl Default for Permissions {
    fn default() -> Self {
        Permissions {
            registry: Registry::default(),
            max_patterns: Self::DEFAULT_MAX_PATTERNS,
            max_components: Self::DEFAULT_MAX_COMPONENTS,
            open: false,
            components: BTreeMap::new(),
            registered: BTreeMap::new(),
            senders: BTreeMap::new(),
            replicas: BTreeSet::new(),
            voters: BTreeSet::new(),
        }
    }
}

#[derive(Clone, Debug, Default)]
struct Granted {
    publications: Vec<Pattern>,
    subscriptions: Vec<Pattern>,
    capabilities: BTreeSet<String>,
}

impl Granted {
    fn list(&self, list: PermissionList) -> &[Pattern] {
        match list {
            PermissionList::Publications => &self.publications,
            PermissionList::Subscriptions => &self.subscriptions,
        }
    }
}

impl Permissions {
    /// How many patterns each list of a component may have unless set otherwise. The work of
    /// [`may_subscribe`](Self::may_subscribe) grows with the cube of their number at worst.
    pub const DEFAULT_MAX_PATTERNS: usize = 64;

    /// How many components may register themselves, unless set otherwise.
    pub const DEFAULT_MAX_COMPONENTS: usize = 4096;

    /// No component is registered, so everything is denied. Types are those of protocol 1.1.0.
    pub fn new() -> Self {
        Permissions::default()
    }

    /// Sets the registry that says which types a pattern can select. Keys that are asked about
    /// should be made with the same.
    pub fn with_registry(mut self, registry: Registry) -> Self {
        self.registry = registry;
        self
    }

    /// The registry that says which types a pattern can select.
    pub const fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Sets how many patterns each list of a component that is added from now on may have.
    pub const fn with_max_patterns(mut self, most: usize) -> Self {
        self.max_patterns = most;
        self
    }

    /// Sets how many components may register themselves beside those that the host lists.
    pub const fn with_max_components(mut self, most: usize) -> Self {
        self.max_components = most;
        self
    }

    /// Gives components that register themselves for the first time the patterns that they ask for.
    /// Whoever can reach the receiver can then publish and subscribe, though not widen what is
    /// registered, nor claim a capability that gives rights.
    pub const fn open(mut self) -> Self {
        self.open = true;
        self
    }

    /// Whether components that are not listed get the patterns of their first registration.
    pub const fn is_open(&self) -> bool {
        self.open
    }

    /// Replaces a row of the table: who may send a kind of message. With none, no component may.
    pub fn with_senders(
        mut self,
        kind: MessageKind,
        senders: impl IntoIterator<Item = Sender>,
    ) -> Self {
        self.senders.insert(kind, senders.into_iter().collect());
        self
    }

    /// Who may send a kind of message.
    pub fn senders(&self, kind: MessageKind) -> &[Sender] {
        self.senders.get(&kind).map_or(kind.senders(), Vec::as_slice)
    }

    /// Names a replica of states: [`Sender::Replica`].
    pub fn with_replica(mut self, component: ComponentId) -> Self {
        self.replicas.insert(component);
        self
    }

    /// Names a voter: [`Sender::Voter`].
    pub fn with_voter(mut self, component: ComponentId) -> Self {
        self.voters.insert(component);
        self
    }

    /// Gives a component capabilities, beside those that it has. It is registered from then on.
    pub fn with_capabilities(
        mut self,
        component: &ComponentId,
        capabilities: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        let granted = self.components.entry(component.clone()).or_default();
        granted.capabilities.extend(capabilities.into_iter().map(Into::into));
        self
    }

    /// Lists a component with the two lists of its registration. They replace those of an earlier
    /// call; its capabilities stay.
    ///
    /// # Errors
    /// [`PermissionDenied`] for the first text that is no pattern, or a list that is too long.
    pub fn with_component<'p>(
        mut self,
        component: &ComponentId,
        publications: impl IntoIterator<Item = &'p str>,
        subscriptions: impl IntoIterator<Item = &'p str>,
    ) -> Result<Self, PermissionDenied> {
        let most = self.max_patterns;
        let publications = compile(component, PermissionList::Publications, publications, most)?;
        let subscriptions = compile(component, PermissionList::Subscriptions, subscriptions, most)?;
        // In the place of earlier ones: what is left out of a new list is given up.
        let granted = self.components.entry(component.clone()).or_default();
        (granted.publications, granted.subscriptions) = (publications, subscriptions);
        Ok(self)
    }

    /// The registered components, in the order of their names.
    pub fn components(&self) -> impl Iterator<Item = &ComponentId> {
        let more = self.registered.keys().filter(|name| !self.components.contains_key(*name));
        let mut all: Vec<&ComponentId> = self.components.keys().chain(more).collect();
        all.sort_unstable();
        all.into_iter()
    }

    /// Whether a component is registered: the host lists it, or an open policy took its registration.
    pub fn knows(&self, component: &ComponentId) -> bool {
        self.components.contains_key(component) || self.registered.contains_key(component)
    }

    /// The patterns of one list of a component, those that the host lists first; none if it is not
    /// registered.
    pub fn patterns(
        &self,
        component: &ComponentId,
        list: PermissionList,
    ) -> impl Iterator<Item = &Pattern> {
        self.granted_to(component).flat_map(move |granted| granted.list(list))
    }

    /// Whether a component has a capability.
    pub fn has_capability(&self, component: &ComponentId, capability: &str) -> bool {
        self.granted_to(component).any(|granted| granted.capabilities.contains(capability))
    }

    /// What the host lists of a component, and what its registration gave.
    fn granted_to(&self, component: &ComponentId) -> impl Iterator<Item = &Granted> {
        [self.components.get(component), self.registered.get(component)].into_iter().flatten()
    }

    fn list(&self, component: &ComponentId, list: PermissionList) -> Vec<&Pattern> {
        self.patterns(component, list).collect()
    }

    /// Whether a component may publish under a key: one of its `event_publications` selects it.
    ///
    /// # Errors
    /// [`PermissionDenied`], with the pattern that comes nearest.
    pub fn may_publish(
        &self,
        source: &ComponentId,
        key: &RouteKey<'_>,
    ) -> Result<(), PermissionDenied> {
        self.known(source)?;
        let mut granted = self.patterns(source, PermissionList::Publications);
        if granted.any(|pattern| pattern.matches(key)) {
            return Ok(());
        }
        let granted = self.list(source, PermissionList::Publications);
        Err(PermissionDenied::Publication {
            component: source.clone(),
            key: key.to_string(),
            nearest: nearest_pattern(&granted, key),
        })
    }

    /// Whether a component may subscribe to what a pattern selects: its `event_subscriptions`
    /// cover the pattern, alone or together (see [`Pattern::first_outside`]).
    ///
    /// A pattern that can select nothing under this registry is allowed only in the very
    /// spelling of one of the `event_subscriptions`: another registry may give it a meaning.
    ///
    /// ```
    /// use coordination_protocol::route::Pattern;
    /// use coordination_protocol::scalar::ComponentId;
    /// use coordination_protocol::security::permissions::Permissions;
    ///
    /// let monitor = ComponentId::new("monitor")?;
    /// let permissions = Permissions::new().with_component(&monitor, [], ["task.*", "phase.*"])?;
    /// assert!(permissions.may_subscribe(&monitor, &Pattern::parse("task.wf_001.failed")?).is_ok());
    /// assert_eq!(
    ///     permissions.may_subscribe(&monitor, &Pattern::parse("*.failed")?).unwrap_err().to_string(),
    ///     "`monitor` may not subscribe to `*.failed`: its event_subscriptions do not cover all \
    ///      of it, such as workflow.global.failed",
    /// );
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`PermissionDenied`], with a key that is not covered and the pattern that comes nearest to it.
    pub fn may_subscribe(
        &self,
        source: &ComponentId,
        asked: &Pattern,
    ) -> Result<(), PermissionDenied> {
        self.may_subscribe_with(&self.registry, source, asked)
    }

    /// As [`may_subscribe`](Self::may_subscribe), for keys made under another registry.
    fn may_subscribe_with(
        &self,
        registry: &Registry,
        source: &ComponentId,
        asked: &Pattern,
    ) -> Result<(), PermissionDenied> {
        self.known(source)?;
        let granted = self.list(source, PermissionList::Subscriptions);
        match coverage(registry, &granted, asked) {
            Coverage::Whole => Ok(()),
            Coverage::Part(key) => Err(PermissionDenied::Subscription {
                component: source.clone(),
                pattern: asked.as_str().to_owned(),
                outside: key.to_string(),
                nearest: nearest_pattern(&granted, &key),
            }),
            Coverage::Nothing => Err(PermissionDenied::NothingSelected {
                component: source.clone(),
                pattern: asked.as_str().to_owned(),
            }),
        }
    }

    fn known(&self, source: &ComponentId) -> Result<(), PermissionDenied> {
        if self.knows(source) {
            return Ok(());
        }
        let known = self.components.keys().map(ComponentId::as_str);
        let meant = nearest(source.as_str(), known).and_then(|name| ComponentId::new(name).ok());
        Err(PermissionDenied::UnknownComponent { component: source.clone(), nearest: meant })
    }
}

/// How much of what a pattern selects others cover.
enum Coverage {
    Whole,
    /// All but such keys as this.
    Part(Box<RouteKey<'static>>),
    /// There is nothing to cover.
    Nothing,
}

fn coverage(registry: &Registry, granted: &[&Pattern], asked: &Pattern) -> Coverage {
    // The same spelling is covered whatever the registry makes of it, and costs no search.
    if granted.contains(&asked) {
        return Coverage::Whole;
    }
    if let Some(key) = asked.first_outside(registry, granted.iter().copied()) {
        return Coverage::Part(Box::new(key));
    }
    // Nothing stands outside because nothing is selected. To allow that would let a component
    // subscribe in advance to what a later registry makes of the pattern.
    if asked.first_outside(registry, []).is_none() { Coverage::Nothing } else { Coverage::Whole }
}

fn compile<'p>(
    component: &ComponentId,
    list: PermissionList,
    texts: impl IntoIterator<Item = &'p str>,
    most: usize,
) -> Result<Vec<Pattern>, PermissionDenied> {
    let mut patterns = Vec::new();
    for text in texts {
        // Counted before it is parsed: the list may be endless.
        if patterns.len() == most {
            return Err(PermissionDenied::TooManyPatterns {
                component: component.clone(),
                list,
                max_patterns: most,
            });
        }
        let pattern = Pattern::parse(text).map_err(|error| PermissionDenied::BadPattern {
            component: component.clone(),
            list,
            index: patterns.len(),
            pattern: text.to_owned(),
            error,
        })?;
        patterns.push(pattern);
    }
    Ok(patterns)
}

/// The pattern that shares most with a key, the first of equals; none if nothing is shared.
fn nearest_pattern(patterns: &[&Pattern], key: &RouteKey<'_>) -> Option<String> {
    let mut best = None;
    let mut most = 0;
    for pattern in patterns {
        let shared = pattern.nearness(key);
        if shared > most {
            (best, most) = (Some(pattern), shared);
        }
    }
    best.map(|pattern| pattern.as_str().to_owned())
}
