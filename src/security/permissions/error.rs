//! Why something is denied.

use super::{PermissionList, Sender};
use crate::message::MessageKind;
use crate::route::PatternError;
use crate::scalar::{ComponentId, printable};

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
    /// It is none of those that may send a message of this kind.
    #[error("`{component}` may not send `{kind}`: {}; give `{component}` what it takes, or send from a component that has it",
        needs(senders), component = printable(.component))]
    #[non_exhaustive]
    Kind {
        /// The component.
        component: ComponentId,
        /// The kind of the message.
        kind: MessageKind,
        /// Who may.
        senders: Vec<Sender>,
    },
    /// It speaks in the name of another component.
    #[error("`{component}` may not speak for `{other}`", component = printable(.component), other = printable(.other))]
    #[non_exhaustive]
    Impersonation {
        /// The component.
        component: ComponentId,
        /// The component that the message names.
        other: String,
    },
    /// Its registration asks for a pattern that it has not got.
    #[error("the registration of `{component}` asks for `{pattern}` in its {list}, {}; \
         list it in the host's permissions, or {}",
        if *known { "which its permissions do not cover" } else { "and new components get no patterns here" },
        if *known { "sign the registration" } else { "let the policy be open" },
        component = printable(.component), pattern = printable(.pattern))]
    #[non_exhaustive]
    RegisteredPattern {
        /// The component.
        component: ComponentId,
        /// The list.
        list: PermissionList,
        /// Which entry of it, from 0.
        index: usize,
        /// The pattern.
        pattern: String,
        /// Whether the component is registered already.
        known: bool,
    },
    /// Its registration claims a capability that decides who may send a kind of message.
    #[error("the registration of `{component}` claims the capability `{capability}`, which gives it \
         rights; list it in the host's permissions, or sign the registration",
        component = printable(.component), capability = printable(.capability))]
    #[non_exhaustive]
    RegisteredCapability {
        /// The component.
        component: ComponentId,
        /// Which entry of `capabilities`, from 0.
        index: usize,
        /// The capability.
        capability: String,
    },
    /// As many components registered themselves as are allowed.
    #[error("no room for the registration of `{component}`: {max_components} components have \
         registered themselves", component = printable(.component))]
    #[non_exhaustive]
    TooManyComponents {
        /// The component.
        component: ComponentId,
        /// How many are allowed.
        max_components: usize,
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
            | PermissionDenied::Kind { component, .. }
            | PermissionDenied::Impersonation { component, .. }
            | PermissionDenied::RegisteredPattern { component, .. }
            | PermissionDenied::RegisteredCapability { component, .. }
            | PermissionDenied::TooManyComponents { component, .. }
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
        Self::Kind { .. } => ["kind-not-granted", System, Unavailable, lasting,
            "register_permissions", "Give the component what the kind of message takes, or send from a component that has it."],
        Self::Impersonation { .. } => ["impersonation", System, Unavailable, lasting,
            "correct_and_resend", "Name the sender itself; a relay is named in the policy of the receiver."],
        Self::RegisteredPattern { .. } | Self::RegisteredCapability { .. } => ["registration-not-granted", System, Unavailable, lasting,
            "register_permissions", "List what it asks for in the host's permissions, or sign the registration."],
        Self::TooManyComponents { .. } => ["too-many-components", System, Unavailable, lasting,
            "register_permissions", "List the component in the host's permissions, or raise the limit."],
    }
}

fn meant(nearest: Option<&ComponentId>) -> String {
    nearest.map_or_else(String::new, |name| format!("; did you mean `{}`?", printable(name)))
}

fn hint(nearest: Option<&String>) -> String {
    nearest.map_or_else(String::new, |pattern| format!("; the nearest is `{}`", printable(pattern)))
}

/// Who may, as the end of a sentence.
fn needs(senders: &[Sender]) -> String {
    match senders {
        [] => "no component may".to_owned(),
        senders => {
            let texts: Vec<String> = senders.iter().map(Sender::noun).collect();
            format!("that takes {}", texts.join(" or "))
        }
    }
}
