//! The security level under way: one message against a policy.

use super::checked::{Security, SourceTrust};
use super::{Context, EventLines, SecurityPolicy};
use crate::event::Registry;
use crate::finding::{Code, Finding};
use crate::json::Limits;
use crate::message::Envelope;
use crate::scalar::{ComponentId, WallTime, printable};
use crate::security::freshness::{Freshness, FreshnessError};
use crate::security::permissions::{Evidence, PermissionDenied, speaker};
use crate::security::replay::ReplayError;
use crate::security::signature::{self, SignatureError, Verified};
use smol_str::SmolStr;
use std::time::Duration;

/// A message to be judged.
pub(super) struct Judged<'a> {
    pub(super) envelope: &'a Envelope,
    /// The JSON text of the whole message; none for an event line.
    pub(super) text: Option<&'a str>,
    pub(super) context: &'a Context<'a>,
    pub(super) registry: &'a Registry,
    pub(super) limits: &'a Limits,
}

type Say<'s> = dyn FnMut(Code, &str, String) + 's;

impl Judged<'_> {
    /// What was checked, and what of it was found wrong.
    pub(super) fn by(&self, policy: &SecurityPolicy, push: &mut dyn FnMut(Finding)) -> Security {
        // What is asked and cannot be answered is a finding, never silence: a policy that is set up
        // without a clock must not look like one that was kept.
        let mut done = Security::default();
        let mut say = |code: Code, pointer: &str, detail: String| {
            push(Finding::new(code, 0..0).with_pointer(pointer).with_detail(SmolStr::from(detail)));
        };
        // A line cannot say what a header says.
        let exempt = self.text.is_none() && policy.lines() == EventLines::Accept;
        let foreign = self.foreign();
        let relayed = foreign.is_some_and(|from| policy.is_relay(from));
        let signed = !exempt && self.signature(policy, &mut done, &mut say);
        if !exempt {
            self.age(policy, &mut done, &mut say);
        }
        done.source = self.trust(signed, foreign.is_some());
        if let (Some(from), Some(stated)) = (foreign, &self.envelope.header.source)
            && !relayed
        {
            let (from, stated) = (printable(from), printable(stated));
            let detail = format!(
                "`{from}` sent the message, and it names `{stated}` as its source; send it from \
                 `{stated}`, or name `{from}` as a relay in the policy"
            );
            say(Code::ForeignSource, "/source", detail);
        }
        // Also where the signature did not hold, so that one report says all.
        if let Some(permissions) = policy.permissions() {
            done.permissions = true;
            match self.source() {
                // Whose permissions would count is not known.
                _ if foreign.is_some() && !relayed => {}
                Some(source) => {
                    let mut evidence =
                        Evidence::new().with_registry(self.registry).with_signed(signed);
                    evidence.holder = self.context.holder_of(&self.envelope.message);
                    let message = &self.envelope.message;
                    for (pointer, denied) in permissions.denials(source, message, &evidence) {
                        say(denied_code(&denied), &pointer, denied.to_string());
                    }
                }
                None => say(
                    Code::UnknownSource,
                    "/source",
                    "the message does not say where it comes from".to_owned(),
                ),
            }
        }
        if policy.is_required() {
            let missing = match (done.permissions, done.signature || exempt) {
                (true, true) => return done,
                (true, false) => "its signature was not checked",
                (false, true) => "the permissions of its source were not checked",
                (false, false) => {
                    "neither its signature nor the permissions of its source were checked"
                }
            };
            say(Code::SecurityRequired, "", format!("security is required, and {missing}"));
        }
        done
    }

    /// The source that the message has: the one that it names, else the one that the transport knows.
    fn source(&self) -> Option<&ComponentId> {
        self.context.source_of(self.envelope)
    }

    /// The component that sent the message, if the message names another.
    fn foreign(&self) -> Option<&ComponentId> {
        let stated = self.envelope.header.source.as_ref()?;
        self.context.source.filter(|from| *from != stated)
    }

    fn trust(&self, signed: bool, foreign: bool) -> SourceTrust {
        match (self.source(), self.context.source) {
            (Some(_), _) if signed => SourceTrust::Signed,
            (Some(_), Some(_)) if foreign => SourceTrust::Relayed,
            (Some(_), Some(_)) => SourceTrust::Transport,
            (Some(_), None) => SourceTrust::Stated,
            (None, _) => SourceTrust::Unknown,
        }
    }

    /// Checks the signature if the policy asks for one; whether it proves the source.
    fn signature(&self, policy: &SecurityPolicy, done: &mut Security, say: &mut Say<'_>) -> bool {
        let Some(verifier) = policy.verifier() else { return false };
        let Some(at) = self.context.now else {
            let detail = "the signature cannot be checked without a clock value";
            say(Code::SignatureUnchecked, "/signature", detail.to_owned());
            return false;
        };
        done.signature = true;
        let proof = match self.text {
            Some(text) => signature::verify(text, verifier, at, self.limits),
            None => Err(SignatureError::Unsigned),
        };
        // Without a source of its own, the message has that of the transport, and speaks for no
        // component but the owner of the key.
        let unnamed = self.envelope.header.source.is_none();
        let source = self.source().filter(|_| unnamed).map(ComponentId::as_str);
        let proven = |proof: Verified| {
            let speaker = speaker(&self.envelope.message).map(|(_, name)| name);
            source.into_iter().chain(speaker).try_for_each(|name| proof.check_source(name))
        };
        match proof.and_then(proven) {
            Ok(()) => true,
            Err(error) => {
                say(code_of(&error), "/signature", error.to_string());
                false
            }
        }
    }

    fn age(&self, policy: &SecurityPolicy, done: &mut Security, say: &mut Say<'_>) {
        let Some(freshness) = policy.freshness() else { return };
        let Some(now) = self.context.now else {
            let detail = "the age of the message cannot be told without a clock value";
            return say(Code::NoTimestamp, "/timestamp", detail.to_owned());
        };
        done.freshness = true;
        if let Err(error) = fresh(freshness, self.envelope, now) {
            say(stale_code(error), "/timestamp", error.to_string());
        }
    }
}

/// Timestamp and life of a message against the clock.
fn fresh(freshness: &Freshness, envelope: &Envelope, now: WallTime) -> Result<(), FreshnessError> {
    let header = &envelope.header;
    let sent = header.timestamp.as_ref().and_then(|sent| WallTime::try_from(sent).ok());
    let ttl = header.ttl_seconds.as_ref().map(|ttl| Duration::from_millis(ttl.to_millis()));
    freshness.check(sent, ttl, now)
}

const fn denied_code(denied: &PermissionDenied) -> Code {
    match denied {
        PermissionDenied::UnknownComponent { .. } => Code::UnknownSource,
        PermissionDenied::BadPattern { .. } => Code::BadPattern,
        PermissionDenied::Publication { .. } | PermissionDenied::Impersonation { .. } => {
            Code::PublicationDenied
        }
        PermissionDenied::Subscription { .. } | PermissionDenied::NothingSelected { .. } => {
            Code::SubscriptionDenied
        }
        PermissionDenied::Kind { .. } => Code::SenderDenied,
        PermissionDenied::RegisteredPattern { .. }
        | PermissionDenied::RegisteredCapability { .. }
        | PermissionDenied::TooManyPatterns { .. }
        | PermissionDenied::TooManyComponents { .. } => Code::RegistrationDenied,
    }
}

fn code_of(error: &SignatureError) -> Code {
    match error {
        SignatureError::Unsigned => Code::Unsigned,
        SignatureError::Malformed { .. } => Code::MalformedSignature,
        SignatureError::UnknownKey { .. } => Code::UnknownKey,
        SignatureError::NotYetValid { .. }
        | SignatureError::Expired { .. }
        | SignatureError::Revoked { .. } => Code::KeyNotValid,
        SignatureError::WrongOwner { .. } => Code::WrongKeyOwner,
        SignatureError::BadSignature { .. } => Code::BadSignature,
        // Nothing is known of the signature, whatever kept the verifier from deciding.
        _ => Code::SignatureUnchecked,
    }
}

fn stale_code(error: FreshnessError) -> Code {
    match error {
        FreshnessError::NoTimestamp => Code::NoTimestamp,
        FreshnessError::FromFuture { .. } => Code::FromFuture,
        FreshnessError::Expired { .. } => Code::Expired,
        FreshnessError::Stale { .. } => Code::Stale,
    }
}

pub(super) fn replay_code(error: ReplayError) -> Code {
    match error {
        ReplayError::Replayed => Code::Replayed,
        _ => Code::ReplayUnsure,
    }
}
