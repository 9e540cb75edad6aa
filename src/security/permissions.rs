//! Permissions: what a component may publish and subscribe to.
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
//! The source of a message is what its header claims. Permissions are worth as much as that claim, so
//! check its [signature](super::signature) first where components do not trust each other.

use crate::event::Registry;
use crate::route::{Pattern, PatternError, RouteKey};
use crate::scalar::{ComponentId, nearest, printable, words};
use std::collections::BTreeMap;

words! {
    /// Which of a registration's two lists is meant.
    PermissionList {
        /// `event_publications`
        Publications "event_publications",
        /// `event_subscriptions`
        Subscriptions "event_subscriptions",
    }
}

/// What each registered component may publish and subscribe to. See [the module](self).
#[doc(alias = "authorization")]
#[doc(alias = "acl")]
#[doc(alias = "rights")]
#[derive(Clone, Debug, Default)]
pub struct Permissions {
    registry: Registry,
    max_patterns: MaxPatterns,
    components: BTreeMap<ComponentId, Granted>,
}

#[derive(Clone, Copy, Debug)]
struct MaxPatterns(usize);

impl Default for MaxPatterns {
    fn default() -> Self {
        MaxPatterns(Permissions::DEFAULT_MAX_PATTERNS)
    }
}

#[derive(Clone, Debug)]
struct Granted {
    publications: Vec<Pattern>,
    subscriptions: Vec<Pattern>,
}

impl Permissions {
    /// How many patterns each list of a component may have unless set otherwise. The work of
    /// [`may_subscribe`](Self::may_subscribe) grows with the cube of their number at worst.
    pub const DEFAULT_MAX_PATTERNS: usize = 64;

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
        self.max_patterns = MaxPatterns(most);
        self
    }

    /// Adds a component with the two lists of its registration. A later registration replaces an
    /// earlier one.
    ///
    /// # Errors
    /// [`PermissionDenied`] for the first text that is no pattern, or a list that is too long.
    pub fn with_component<'p>(
        mut self,
        component: &ComponentId,
        publications: impl IntoIterator<Item = &'p str>,
        subscriptions: impl IntoIterator<Item = &'p str>,
    ) -> Result<Self, PermissionDenied> {
        let MaxPatterns(most) = self.max_patterns;
        let granted = Granted {
            publications: compile(component, PermissionList::Publications, publications, most)?,
            subscriptions: compile(component, PermissionList::Subscriptions, subscriptions, most)?,
        };
        // In the place of an earlier one: what is left out of a new registration is given up.
        self.components.insert(component.clone(), granted);
        Ok(self)
    }

    /// The registered components, in the order of their names.
    pub fn components(&self) -> impl Iterator<Item = &ComponentId> {
        self.components.keys()
    }

    /// The patterns of one list of a component; none if it is not registered.
    pub fn patterns(&self, component: &ComponentId, list: PermissionList) -> &[Pattern] {
        match (self.components.get(component), list) {
            (Some(granted), PermissionList::Publications) => &granted.publications,
            (Some(granted), PermissionList::Subscriptions) => &granted.subscriptions,
            (None, _) => &[],
        }
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
        let granted = &self.granted(source)?.publications;
        if granted.iter().any(|pattern| pattern.matches(key)) {
            return Ok(());
        }
        Err(PermissionDenied::Publication {
            component: source.clone(),
            key: key.to_string(),
            nearest: nearest_pattern(granted, key),
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
        let granted = &self.granted(source)?.subscriptions;
        // The same spelling is covered whatever the registry makes of it, and costs no search.
        if granted.contains(asked) {
            return Ok(());
        }
        if let Some(key) = asked.first_outside(&self.registry, granted) {
            return Err(PermissionDenied::Subscription {
                component: source.clone(),
                pattern: asked.as_str().to_owned(),
                outside: key.to_string(),
                nearest: nearest_pattern(granted, &key),
            });
        }
        // Nothing stands outside because nothing is selected. To allow that would let a component
        // subscribe in advance to what a later registry makes of the pattern.
        if asked.first_outside(&self.registry, []).is_none() {
            return Err(PermissionDenied::NothingSelected {
                component: source.clone(),
                pattern: asked.as_str().to_owned(),
            });
        }
        Ok(())
    }

    fn granted(&self, source: &ComponentId) -> Result<&Granted, PermissionDenied> {
        self.components.get(source).ok_or_else(|| {
            let known = self.components.keys().map(ComponentId::as_str);
            let meant =
                nearest(source.as_str(), known).and_then(|name| ComponentId::new(name).ok());
            PermissionDenied::UnknownComponent { component: source.clone(), nearest: meant }
        })
    }
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
fn nearest_pattern(patterns: &[Pattern], key: &RouteKey<'_>) -> Option<String> {
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

/// Why a component may not do something, or why its registration grants it nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PermissionDenied {
    /// A text of its registration is no pattern.
    #[error("component `{component}`, {list}, entry {index}, `{pattern}`: {error}", component = printable(.component), pattern = printable(.pattern))]
    #[non_exhaustive]
    BadPattern {
        /// The component.
        component: ComponentId,
        /// The list.
        list: PermissionList,
        /// Which entry of it, from 0.
        index: usize,
        /// The text.
        pattern: String,
        /// What is wrong with it.
        #[source]
        error: PatternError,
    },
    /// A list of its registration has more patterns than allowed.
    #[error("component `{component}`, {list}: more than {max_patterns} patterns", component = printable(.component))]
    #[non_exhaustive]
    TooManyPatterns {
        /// The component.
        component: ComponentId,
        /// The list.
        list: PermissionList,
        /// How many are allowed.
        max_patterns: usize,
    },
    /// The component is not registered.
    #[error("component `{component}` is not registered{}", meant(nearest.as_ref()), component = printable(.component))]
    #[non_exhaustive]
    UnknownComponent {
        /// The component.
        component: ComponentId,
        /// A registered component with nearly the same name.
        nearest: Option<ComponentId>,
    },
    /// None of its `event_publications` selects the key.
    #[error("`{component}` may not publish {key}: no pattern of its event_publications covers it{}",
        hint(nearest.as_ref()), component = printable(.component), key = printable(.key))]
    #[non_exhaustive]
    Publication {
        /// The component.
        component: ComponentId,
        /// The canonical form of the key.
        key: String,
        /// The pattern that shares most with the key.
        nearest: Option<String>,
    },
    /// Its `event_subscriptions` do not cover the pattern.
    #[error("`{component}` may not subscribe to `{pattern}`: its event_subscriptions do not cover \
         all of it, such as {outside}{}",
        hint(nearest.as_ref()), component = printable(.component), pattern = printable(.pattern), outside = printable(.outside))]
    #[non_exhaustive]
    Subscription {
        /// The component.
        component: ComponentId,
        /// The pattern that was asked for.
        pattern: String,
        /// The canonical form of a key that the pattern selects and no subscription does.
        outside: String,
        /// The subscription that shares most with that key.
        nearest: Option<String>,
    },
    /// The pattern can select nothing and is not among its `event_subscriptions`.
    #[error("`{component}` may not subscribe to `{pattern}`: it selects nothing, and is not among \
         its event_subscriptions", component = printable(.component), pattern = printable(.pattern))]
    #[non_exhaustive]
    NothingSelected {
        /// The component.
        component: ComponentId,
        /// The pattern that was asked for.
        pattern: String,
    },
}

impl PermissionDenied {
    /// The component that was denied something.
    pub const fn component(&self) -> &ComponentId {
        match self {
            PermissionDenied::BadPattern { component, .. }
            | PermissionDenied::TooManyPatterns { component, .. }
            | PermissionDenied::UnknownComponent { component, .. }
            | PermissionDenied::Publication { component, .. }
            | PermissionDenied::Subscription { component, .. }
            | PermissionDenied::NothingSelected { component, .. } => component,
        }
    }
}

crate::error::leaf_errors! {
    PermissionDenied, Security {
        Self::BadPattern { .. } => ["bad-pattern", System, Corruption, lasting,
            "correct_and_resend", "Register patterns such as `resource.*.allocated`."],
        Self::TooManyPatterns { .. } => ["too-many-patterns", System, Corruption, lasting,
            "correct_and_resend", "Register fewer patterns, or wider ones."],
        Self::UnknownComponent { .. } => ["unknown-component", System, Unavailable, lasting,
            "register_permissions", "Register the publication or subscription, or send from the component that has it."],
        Self::Publication { .. } => ["publication-not-granted", System, Unavailable, lasting,
            "register_permissions", "Register the publication or subscription, or send from the component that has it."],
        Self::Subscription { .. } | Self::NothingSelected { .. } => ["subscription-not-granted", System, Unavailable, lasting,
            "register_permissions", "Register the publication or subscription, or send from the component that has it."],
    }
}

fn meant(nearest: Option<&ComponentId>) -> String {
    nearest.map_or_else(String::new, |name| format!("; did you mean `{}`?", printable(name)))
}

fn hint(nearest: Option<&String>) -> String {
    nearest.map_or_else(String::new, |pattern| format!("; the nearest is `{}`", printable(pattern)))
}
