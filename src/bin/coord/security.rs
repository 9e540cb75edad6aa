//! What `coord` is told of the sources of messages: registrations, keys, the time.

use crate::clock::At;
use crate::input;
use crate::limits::Reading;
use crate::output::{Failure, failure};
use crate::source::{As, Checker};
use coordination_protocol::json::Limits;
use coordination_protocol::message::{Message, MessageKind};
use coordination_protocol::scalar::{ComponentId, ScalarError};
use coordination_protocol::security::freshness::Freshness;
use coordination_protocol::security::permissions::{Permissions, Sender};
use coordination_protocol::security::signature::KeyRing;
use coordination_protocol::validate::{EventLines, SecurityPolicy, Validator};
use std::path::{Path, PathBuf};

/// The largest file of keys or of a policy.
const MOST: usize = 16 << 20;

#[derive(Clone, clap::Args)]
#[command(next_help_heading = "Security")]
pub(crate) struct Security {
    /// Registrations of components: each may publish, subscribe and send only what its own covers.
    #[arg(long, alias = "rights", value_name = "FILE")]
    pub(crate) permissions: Option<PathBuf>,

    /// A JSON file of who may send which kind of message, of replicas, voters and relays.
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,

    /// Replace who may send a kind of message, such as decision=capability:coordination,component:hub.
    #[arg(long, value_name = "KIND=SENDER,..", value_parser = senders)]
    pub(crate) senders: Vec<(MessageKind, Vec<Sender>)>,

    /// Public keys: each message must be signed by its source.
    #[arg(long, value_name = "FILE")]
    pub(crate) keys: Option<PathBuf>,

    /// Refuse messages that are old, expired, or seen before.
    #[arg(long)]
    fresh: bool,

    /// Refuse messages whose source cannot be checked.
    #[arg(long)]
    require: bool,

    /// The component that records without a source come from.
    #[arg(long, value_name = "COMPONENT")]
    source: Option<String>,

    #[command(flatten)]
    pub(crate) at: At,
}

impl Security {
    pub(crate) fn policy(&self, reading: &Reading) -> Result<SecurityPolicy, Failure> {
        let mut policy = SecurityPolicy::new();
        if let Some(path) = &self.permissions {
            policy = policy.with_permissions(permissions(path, reading)?);
        }
        if let Some(path) = &self.keys {
            policy = policy.with_verifier(key_ring(path)?);
        }
        if self.fresh {
            policy = policy.with_freshness(Freshness::default());
        }
        // Files hold lines, which cannot be signed or dated; only who asks for a source refuses them.
        if self.keys.is_none() && !self.require {
            policy = policy.with_lines(EventLines::Accept);
        }
        if let Some(path) = &self.policy {
            policy = policy
                .with_json(&input::text(path, MOST)?)
                .map_err(|error| failure(format_args!("{}: {error}", input::name(path))))?;
        }
        if !self.senders.is_empty() {
            let permissions = policy.permissions().cloned().unwrap_or_default();
            let replaced = self.senders.iter().cloned();
            policy = policy.with_permissions(
                replaced.fold(permissions, |all, (kind, row)| all.with_senders(kind, row)),
            );
        }
        Ok(if self.require { policy.required() } else { policy })
    }

    pub(crate) fn freshness(&self) -> Option<Freshness> {
        self.fresh.then(Freshness::default)
    }

    pub(crate) fn source(&self) -> Result<Option<ComponentId>, Failure> {
        let parse = |text: &String| {
            ComponentId::new(text)
                .map_err(|error| failure(format_args!("--source {text}: {error}")))
        };
        self.source.as_ref().map(parse).transpose()
    }
}

/// Reads `KIND=SENDER,SENDER`.
fn senders(text: &str) -> Result<(MessageKind, Vec<Sender>), String> {
    let (kind, senders) = text
        .split_once('=')
        .ok_or("write KIND=SENDER, such as decision=capability:coordination")?;
    let kind = kind.parse().map_err(|error: ScalarError| error.to_string())?;
    let senders = senders.split(',').filter(|sender| !sender.is_empty());
    let senders: Result<_, ScalarError> = senders.map(str::parse).collect();
    Ok((kind, senders.map_err(|error| error.to_string())?))
}

pub(crate) fn key_ring(path: &Path) -> Result<KeyRing, Failure> {
    let text = input::text(path, MOST)?;
    KeyRing::new()
        .with_json(&text, &Limits::DEFAULT.with_bytes(MOST))
        .map_err(|error| failure(format_args!("{}: {error}", input::name(path))))
}

/// The permissions of all registrations in a file of any shape that `check` reads.
fn permissions(path: &Path, reading: &Reading) -> Result<Permissions, Failure> {
    let validator = Validator::from(reading.codec());
    let checker = Checker::new(&validator, reading, As::Auto);
    let mut permissions = Permissions::new().with_registry(validator.codec().registry().clone());
    let mut seen = 0;
    checker.path(path, &mut |source, item| {
        let line = item.position(0).0;
        let at = |problem: String| failure(format_args!("{source}:{line}: {problem}"));
        let accepted = match item.outcome.accept() {
            Ok(accepted) => accepted,
            Err(report) => {
                let first = report.findings().first().map(ToString::to_string).unwrap_or_default();
                return Err(at(first));
            }
        };
        let Message::ComponentRegistration(registration) = &accepted.message else {
            return Err(at(format!(
                "`{}` grants no permissions; a registration does",
                accepted.kind()
            )));
        };
        let list = |patterns: &Option<Vec<String>>| patterns.clone().unwrap_or_default();
        let publications = list(&registration.event_publications);
        let subscriptions = list(&registration.event_subscriptions);
        seen += 1;
        permissions = std::mem::take(&mut permissions)
            .with_component(
                &registration.component_id,
                publications.iter().map(String::as_str),
                subscriptions.iter().map(String::as_str),
            )
            .map_err(|error| at(error.to_string()))?
            .with_capabilities(
                &registration.component_id,
                registration.capabilities.iter().flatten().cloned(),
            );
        Ok(())
    })?;
    if seen == 0 {
        return Err(failure(format_args!(
            "{}: there are no registrations in it",
            crate::input::name(path)
        )));
    }
    Ok(permissions)
}
