//! What a message that is sent says of itself: identifier, time, source, signature.

use crate::output::{Failure, failure};
use crate::sign::signer;
use coordination_protocol::Limits;
use coordination_protocol::bus::Bus;
use coordination_protocol::message::Envelope;
use coordination_protocol::scalar::{ComponentId, MessageId};
use coordination_protocol::security::signature::{Ed25519Signer, sign};
use std::path::PathBuf;

/// Who sends, as verbs take it.
#[derive(Clone, clap::Args)]
pub(crate) struct SenderArgs {
    /// The component that the message comes from.
    #[arg(
        long = "as",
        value_name = "COMPONENT",
        default_value = "coord",
        env = "COORD_COMPONENT",
        hide_env_values = true
    )]
    pub(crate) component: ComponentId,

    /// Sign with the secret seed in this file, as `coord keygen` writes it.
    #[arg(long, value_name = "FILE", env = "COORD_KEY", hide_env_values = true)]
    key: Option<PathBuf>,

    /// The name of the key; that of the component if left out.
    #[arg(long, value_name = "KEY", env = "COORD_KEY_ID", hide_env_values = true)]
    key_id: Option<String>,
}

/// Fills in and signs.
pub(crate) struct Sender {
    pub(crate) component: ComponentId,
    signer: Option<Ed25519Signer>,
}

impl SenderArgs {
    /// The sender, its key read.
    pub(crate) fn sender(&self) -> Result<Sender, Failure> {
        let id = self.key_id.as_deref().unwrap_or(self.component.as_str());
        let signer = self.key.as_deref().map(|file| signer(id, file)).transpose()?;
        Ok(Sender { component: self.component.clone(), signer })
    }
}

/// Ten random bytes, as identifiers take them.
pub(crate) fn ten(bus: &Bus) -> [u8; 10] {
    let mut ten = [0; 10];
    ten.copy_from_slice(&bus.host().random()[..10]);
    ten
}

impl Sender {
    /// Fills in what a message does not say of itself.
    pub(crate) fn stamp(&self, bus: &Bus, envelope: &mut Envelope) {
        let now = bus.host().now();
        let header = &mut envelope.header;
        header.message_id.get_or_insert_with(|| MessageId::generate(now.id_millis(), ten(bus)));
        header.timestamp.get_or_insert_with(|| now.timestamp());
        header.source.get_or_insert_with(|| self.component.clone());
    }

    /// The text of a message, signed if there is a key.
    pub(crate) fn text(&self, envelope: &Envelope) -> Result<String, Failure> {
        let text = envelope.to_string();
        match &self.signer {
            Some(signer) => sign(&text, signer, &Limits::DEFAULT)
                .map_err(|error| failure(format_args!("the message cannot be signed: {error}"))),
            None => Ok(text),
        }
    }
}
