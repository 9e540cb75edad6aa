//! Who sends, and what is believed of who answers: identifier, time, source, signatures.

use crate::output::{Failure, failure};
use crate::security::key_ring;
use crate::sign::signer;
use coordination_protocol::bus::Bus;
use coordination_protocol::driver::ClientOptions;
use coordination_protocol::message::Envelope;
use coordination_protocol::scalar::ComponentId;
use coordination_protocol::security::signature::{Ed25519Signer, sign};
use coordination_protocol::validate::{SecurityPolicy, Validator};
use coordination_protocol::{Limits, Mode};
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
    component: ComponentId,

    #[command(flatten)]
    key: KeyArgs,
}

/// The key of who sends.
#[derive(Clone, clap::Args)]
pub(crate) struct KeyArgs {
    /// Sign with the secret seed in this file, as `coord keygen` writes it.
    #[arg(long, value_name = "FILE", env = "COORD_KEY", hide_env_values = true)]
    key: Option<PathBuf>,

    /// The name of the key; that of the component if left out.
    #[arg(long, value_name = "KEY", env = "COORD_KEY_ID", hide_env_values = true)]
    key_id: Option<String>,
}

/// The keys of the others.
#[derive(Clone, clap::Args)]
pub(crate) struct KeysArgs {
    /// Public keys: what comes from others must be signed by its source.
    #[arg(long, value_name = "FILE", env = "COORD_KEYS", hide_env_values = true)]
    keys: Option<PathBuf>,
}

/// Fills in and signs.
pub(crate) struct Sender {
    pub(crate) component: ComponentId,
    signer: Option<Ed25519Signer>,
}

impl KeyArgs {
    /// What signs for a component, if there is a key.
    pub(crate) fn signer(&self, component: &str) -> Result<Option<Ed25519Signer>, Failure> {
        let id = self.key_id.as_deref().unwrap_or(component);
        self.key.as_deref().map(|file| signer(id, file)).transpose()
    }
}

impl KeysArgs {
    /// What checks what comes from others.
    pub(crate) fn validator(&self) -> Result<Validator, Failure> {
        let validator = Validator::new(Mode::Interop);
        Ok(match &self.keys {
            Some(file) => {
                validator.with_policy(SecurityPolicy::new().with_verifier(key_ring(file)?))
            }
            None => validator,
        })
    }
}

impl SenderArgs {
    /// The sender, its key read.
    pub(crate) fn sender(&self) -> Result<Sender, Failure> {
        let component = self.component.clone();
        let signer = self.key.signer(component.as_str())?;
        Ok(Sender { component, signer })
    }
}

impl Sender {
    /// Fills in what a message does not say of itself.
    pub(crate) fn stamp(&self, bus: &Bus, envelope: &mut Envelope) {
        bus.stamp(envelope, &self.component);
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

    /// How a client of this sender asks.
    pub(crate) fn client(self, keys: &KeysArgs) -> Result<(ComponentId, ClientOptions), Failure> {
        let options = ClientOptions::new().with_validator(keys.validator()?);
        Ok((
            self.component,
            match self.signer {
                Some(signer) => options.with_signer(signer),
                None => options,
            },
        ))
    }
}
