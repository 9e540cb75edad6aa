//! The security level: what is asked of a message's source.

use super::Context;
use super::checked::Security;
use super::rules::{key_of, speaker};
use crate::finding::{Code, Finding};
use crate::json::Limits;
use crate::message::{Envelope, Message};
use crate::route::Pattern;
use crate::scalar::{ComponentId, WallTime, words};
use crate::security::freshness::{Freshness, FreshnessError};
use crate::security::permissions::{PermissionDenied, Permissions};
use crate::security::replay::ReplayError;
use crate::security::signature::{self, SignatureError, Verifier};
use smol_str::SmolStr;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

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
}

words! {
    /// What becomes of event lines where a signature, freshness or protection from replay is asked
    /// for. A line has no header, so none of that can be told of it.
    EventLines {
        /// They are refused.
        Refuse "refuse",
        /// They are accepted without; [`Security`] says that it was not checked.
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
        }
    }

    /// Asks that a component publishes and subscribes only what its registration covers.
    pub fn with_permissions(mut self, permissions: Permissions) -> Self {
        self.permissions = Some(permissions);
        self
    }

    /// Asks for a signature of the source. It is checked at [`Context::now`].
    pub fn with_verifier(mut self, verifier: impl Verifier + 'static) -> Self {
        self.verifier = Some(Arc::new(verifier));
        self
    }

    /// Asks that a message is recent at [`Context::now`].
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

    /// Whether anything is asked.
    pub(super) fn asks(&self) -> bool {
        self.required
            || self.permissions.is_some()
            || self.verifier.is_some()
            || self.freshness.is_some()
    }

    /// Judges a message. `text` is the JSON text of the whole message, if it is no event line.
    pub(super) fn judge(
        &self,
        envelope: &Envelope,
        text: Option<&str>,
        context: &Context<'_>,
        limits: &Limits,
        push: &mut dyn FnMut(Finding),
    ) -> Security {
        // What is asked and cannot be answered is a finding, never silence: a policy that is set up
        // without a clock must not look like one that was kept.
        let mut done = Security::default();
        let mut say = |code: Code, pointer: &str, detail: String| {
            push(Finding::new(code, 0..0).with_pointer(pointer).with_detail(SmolStr::from(detail)));
        };
        // A line cannot say what a header says.
        let exempt = text.is_none() && self.lines == EventLines::Accept;
        if let Some(verifier) = self.verifier.as_ref().filter(|_| !exempt) {
            if let Some(at) = context.now {
                done.signature = true;
                let verified = match text {
                    Some(text) => signature::verify(text, verifier.as_ref(), at, limits),
                    None => Err(SignatureError::Unsigned),
                };
                // Without a source of its own, the message has that of the transport, and speaks for
                // no component but the owner of the key.
                let source = context.source.filter(|_| envelope.header.source.is_none());
                let named = source.map(ComponentId::as_str);
                let verified = verified.and_then(|proof| {
                    let speaker = speaker(&envelope.message).map(|(_, name)| name);
                    named.into_iter().chain(speaker).try_for_each(|name| proof.check_source(name))
                });
                if let Err(error) = verified {
                    say(code_of(&error), "/signature", error.to_string());
                }
            } else {
                let detail = "the signature cannot be checked without a clock value";
                say(Code::SignatureUnchecked, "/signature", detail.to_owned());
            }
        }
        if let Some(freshness) = self.freshness.as_ref().filter(|_| !exempt) {
            if let Some(now) = context.now {
                done.freshness = true;
                if let Err(error) = fresh(freshness, envelope, now) {
                    say(stale_code(error), "/timestamp", error.to_string());
                }
            } else {
                let detail = "the age of the message cannot be told without a clock value";
                say(Code::NoTimestamp, "/timestamp", detail.to_owned());
            }
        }
        // Also where the signature did not hold, so that one report says all.
        if let Some(permissions) = &self.permissions {
            done.permissions = true;
            match envelope.header.source.as_ref().or(context.source) {
                Some(source) => granted(permissions, source, envelope, &mut say),
                None => say(
                    Code::UnknownSource,
                    "/source",
                    "the message does not say where it comes from".to_owned(),
                ),
            }
        }
        if self.required {
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
}

impl Default for SecurityPolicy {
    fn default() -> Self {
        SecurityPolicy::new()
    }
}

/// Timestamp and life of a message against the clock.
fn fresh(freshness: &Freshness, envelope: &Envelope, now: WallTime) -> Result<(), FreshnessError> {
    let header = &envelope.header;
    let sent = header.timestamp.as_ref().and_then(|sent| WallTime::try_from(sent).ok());
    let ttl = header.ttl_seconds.as_ref().map(|ttl| Duration::from_millis(ttl.to_millis()));
    freshness.check(sent, ttl, now)
}

fn granted(
    permissions: &Permissions,
    source: &ComponentId,
    envelope: &Envelope,
    say: &mut dyn FnMut(Code, &str, String),
) {
    // A component speaks for itself only, or it could register and vote as another.
    if let Some((key, name)) = speaker(&envelope.message)
        && name != source.as_str()
    {
        let pointer = format!("/{}/{key}", envelope.kind());
        let detail = format!("`{source}` may not speak for `{name}`");
        say(Code::PublicationDenied, &pointer, detail);
    }
    match &envelope.message {
        Message::Event(body) => {
            if let Err(denied) =
                permissions.may_publish(source, &key_of(permissions.registry(), &body.event))
            {
                say(denied_code(&denied), "/source", denied.to_string());
            }
        }
        Message::Subscription(subscription) => {
            for (index, text) in subscription.patterns.iter().enumerate() {
                // One that is no pattern has a finding of its own.
                let Ok(pattern) = Pattern::parse(text) else { continue };
                if let Err(denied) = permissions.may_subscribe(source, &pattern) {
                    let pointer = format!("/subscription/patterns/{index}");
                    say(denied_code(&denied), &pointer, denied.to_string());
                }
            }
        }
        // Who is not yet registered introduces himself.
        Message::Hello(_) | Message::ComponentRegistration(_) => {}
        _ => {
            let known = permissions.components().any(|component| component == source);
            if !known {
                let detail = format!("component `{source}` is not registered");
                say(Code::UnknownSource, "/source", detail);
            }
        }
    }
}

fn denied_code(denied: &PermissionDenied) -> Code {
    match denied {
        PermissionDenied::UnknownComponent { .. } => Code::UnknownSource,
        // Registrations are not judged here.
        PermissionDenied::BadPattern { .. } | PermissionDenied::TooManyPatterns { .. } => {
            Code::BadPattern
        }
        PermissionDenied::Publication { .. } => Code::PublicationDenied,
        PermissionDenied::Subscription { .. } | PermissionDenied::NothingSelected { .. } => {
            Code::SubscriptionDenied
        }
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
