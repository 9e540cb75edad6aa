//! What registrations give a validator that knows permissions.

use super::{SourceTrust, Validator};
use crate::finding::Level;
use crate::message::Message;

impl Validator {
    /// Whether registrations decide anything: without the level nothing is asked of them.
    pub(crate) fn learns(&self) -> bool {
        self.has_level(Level::Security) && self.policy().permissions().is_some()
    }

    /// Takes what a registration gives, and takes back what one gave whose component leaves.
    pub(super) fn learn(&mut self, message: &Message, source: SourceTrust) {
        if !self.learns() {
            return;
        }
        let Some(permissions) = self.policy_mut().permissions_mut() else { return };
        match message {
            Message::ComponentRegistration(registration) => {
                // One that asks for too much was refused, unless its code is switched off; either way
                // it gives nothing.
                let _ = permissions.register(registration, source == SourceTrust::Signed);
            }
            Message::Deregistration(leaving) => permissions.deregister(&leaving.component_id),
            _ => {}
        }
    }
}

#[cfg(feature = "tokio")]
mod stored {
    use super::{Message, Validator};
    use crate::message::Envelope;
    use crate::scalar::ComponentId;
    use crate::validate::Context;

    impl Validator {
        /// Takes what the registration gives that stands under the name of a component, in place of what it
        /// gave before. One that the policy refuses gives nothing new.
        pub(crate) fn learn_stored(
            &mut self,
            component: &ComponentId,
            text: &[u8],
            context: &Context<'_>,
        ) {
            // It is a state and no message on its way, so it may be old.
            let freshness = self.policy_mut().take_freshness();
            let accepted = self.check_bytes(text, context).accept();
            self.policy_mut().set_freshness(freshness);
            // Of another component it was copied there; it must not give one the rights of another.
            if let Ok(registration) = accepted
                && is_of(&registration, component)
            {
                let source = registration.security().source;
                self.learn(&registration.message, source);
            }
        }

        /// Takes back what the registration of a component gave.
        pub(crate) fn forget_registration(&mut self, component: &ComponentId) {
            if let Some(permissions) = self.policy_mut().permissions_mut() {
                permissions.deregister(component);
            }
        }
    }

    fn is_of(envelope: &Envelope, component: &ComponentId) -> bool {
        match &envelope.message {
            Message::ComponentRegistration(registration) => registration.component_id == *component,
            _ => false,
        }
    }
}
