//! What a registration gives.

use super::{
    Coverage, Evidence, Granted, PermissionDenied, PermissionList, Permissions, Sender, coverage,
};
use crate::message::{ComponentRegistration, MessageKind};
use crate::route::Pattern;
use crate::scalar::ComponentId;

impl Permissions {
    /// Takes a registration: its patterns and capabilities are given, as far as
    /// [the module](super) says. One of a component that is not listed, under a policy that is not
    /// open, gives nothing. A later registration replaces an earlier one; what the host lists stays.
    ///
    /// `signed` says whether an accepted signature proves that it comes from the component itself.
    ///
    /// ```
    /// use coordination_protocol::message::ComponentRegistration;
    /// use coordination_protocol::scalar::ComponentId;
    /// use coordination_protocol::security::permissions::Permissions;
    ///
    /// let worker = ComponentId::new("worker")?;
    /// let mut permissions = Permissions::new().with_component(&worker, ["task.*"], [])?;
    /// let wider = ComponentRegistration::new(worker.clone(), "agent")
    ///     .with_event_publications(vec![">".to_owned()]);
    /// assert_eq!(
    ///     permissions.register(&wider, false).unwrap_err().to_string(),
    ///     "the registration of `worker` asks for `>` in its event_publications, which its \
    ///      permissions do not cover; list it in the host's permissions, or sign the registration",
    /// );
    /// permissions.register(&wider, true)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`PermissionDenied`] if it asks for more. Then nothing changes.
    pub fn register(
        &mut self,
        registration: &ComponentRegistration,
        signed: bool,
    ) -> Result<(), PermissionDenied> {
        let mut denied = Vec::new();
        let evidence = Evidence::new().with_signed(signed);
        self.check_registration(registration, &evidence, &mut denied);
        if let Some((_, error)) = denied.into_iter().next() {
            return Err(error);
        }
        let component = &registration.component_id;
        if !self.open && !self.knows(component) {
            return Ok(());
        }
        let patterns = |list| {
            let texts = texts(registration, list).iter();
            texts.filter_map(|text| Pattern::parse(text).ok()).collect()
        };
        let granted = Granted {
            publications: patterns(PermissionList::Publications),
            subscriptions: patterns(PermissionList::Subscriptions),
            capabilities: registration.capabilities.iter().flatten().cloned().collect(),
        };
        self.registered.insert(component.clone(), granted);
        Ok(())
    }

    /// Takes back what the registration of a component gave. What the host lists stays.
    pub fn deregister(&mut self, component: &ComponentId) {
        self.registered.remove(component);
    }

    /// Takes over what registrations gave under other permissions.
    pub(crate) fn adopt_registered(&mut self, from: &Permissions) {
        self.registered.clone_from(&from.registered);
    }

    /// What of a registration cannot be given.
    pub(super) fn check_registration(
        &self,
        registration: &ComponentRegistration,
        evidence: &Evidence<'_>,
        denied: &mut Vec<(String, PermissionDenied)>,
    ) {
        let component = &registration.component_id;
        let known = self.knows(component);
        let most = self.max_components;
        if self.open && !known && self.registered.len() >= most {
            let error = PermissionDenied::TooManyComponents {
                component: component.clone(),
                max_components: most,
            };
            return denied.push(("/component_registration/component_id".to_owned(), error));
        }
        for list in PermissionList::ALL {
            self.check_list(registration, *list, known, evidence, denied);
        }
        for (index, capability) in registration.capabilities.iter().flatten().enumerate() {
            if !evidence.signed
                && self.gives_rights(capability)
                && !self.has_capability(component, capability)
            {
                denied.push((
                    format!("/component_registration/capabilities/{index}"),
                    PermissionDenied::RegisteredCapability {
                        component: component.clone(),
                        index,
                        capability: capability.clone(),
                    },
                ));
            }
        }
    }

    fn check_list(
        &self,
        registration: &ComponentRegistration,
        list: PermissionList,
        known: bool,
        evidence: &Evidence<'_>,
        denied: &mut Vec<(String, PermissionDenied)>,
    ) {
        let component = &registration.component_id;
        let asked = texts(registration, list);
        let at = |index: usize| format!("/component_registration/{list}/{index}");
        // Counted before they are compared: the work grows with the cube of their number.
        if asked.len() > self.max_patterns {
            let error = PermissionDenied::TooManyPatterns {
                component: component.clone(),
                list,
                max_patterns: self.max_patterns,
            };
            return denied.push((at(self.max_patterns), error));
        }
        if (known && evidence.signed) || (!known && self.open) {
            return;
        }
        let registry = evidence.registry.unwrap_or(&self.registry);
        let granted = self.list(component, list);
        for (index, text) in asked.iter().enumerate() {
            // One that is no pattern has a finding of its own, and gives nothing.
            let Ok(pattern) = Pattern::parse(text) else { continue };
            if known && matches!(coverage(registry, &granted, &pattern), Coverage::Whole) {
                continue;
            }
            denied.push((
                at(index),
                PermissionDenied::RegisteredPattern {
                    component: component.clone(),
                    list,
                    index,
                    pattern: text.clone(),
                    known,
                },
            ));
        }
    }

    /// Whether some row of the table in force names a capability.
    fn gives_rights(&self, capability: &str) -> bool {
        let kinds = MessageKind::KNOWN.iter().copied().chain([MessageKind::Unknown]);
        kinds
            .flat_map(|kind| self.senders(kind))
            .any(|sender| matches!(sender, Sender::Capability(name) if name == capability))
    }
}

fn texts(registration: &ComponentRegistration, list: PermissionList) -> &[String] {
    let texts = match list {
        PermissionList::Publications => &registration.event_publications,
        PermissionList::Subscriptions => &registration.event_subscriptions,
    };
    texts.as_deref().unwrap_or_default()
}
