//! The file form of a policy.

use super::{EventLines, SecurityPolicy};
use crate::json::{self, Dialect, Limits};
use crate::message::MessageKind;
use crate::scalar::{ComponentId, printable};
use crate::security::permissions::{Permissions, Sender};
use serde::Deserialize;
use std::collections::BTreeMap;

/// The members of a file.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Contents {
    senders: BTreeMap<MessageKind, Vec<Sender>>,
    capabilities: BTreeMap<ComponentId, Vec<String>>,
    replicas: Vec<ComponentId>,
    voters: Vec<ComponentId>,
    relays: Vec<ComponentId>,
    open: Option<bool>,
    max_patterns: Option<usize>,
    max_components: Option<usize>,
    lines: Option<EventLines>,
    required: Option<bool>,
}

/// Why a text is no policy file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {problem}", problem = printable(.problem))]
#[non_exhaustive]
pub struct PolicyFileError {
    /// The line, from 1.
    pub line: usize,
    /// The column in bytes, from 1.
    pub column: usize,
    /// What is wrong there.
    pub problem: String,
}

crate::error::leaf_errors! {
    PolicyFileError, Security {
        _ => ["policy-file", System, Corruption, lasting, "correct_and_resend",
            "Write a policy such as `{\"relays\":[\"hub\"],\"senders\":{\"decision\":[\"capability:coordination\"]}}`."],
    }
}

impl SecurityPolicy {
    /// Adds what a policy file says: a JSON object, all of whose members are optional.
    ///
    /// | member | says |
    /// |---|---|
    /// | `senders` | rows of [the table](MessageKind::senders) that are replaced: by kind, a list of [`Sender`]s |
    /// | `capabilities` | by component, capabilities that the host gives it |
    /// | `replicas`, `voters` | the components that the host names as such |
    /// | `relays` | components that [pass on](Self::with_relay) messages of others |
    /// | `open` | whether new components get the patterns that they [register](Permissions::open) |
    /// | `max_patterns`, `max_components` | limits of [`Permissions`] |
    /// | `lines` | `accept` or `refuse`: [event lines](EventLines) where more than permissions is asked |
    /// | `required` | whether what cannot be checked is [refused](Self::required) |
    ///
    /// What is about permissions turns them on.
    ///
    /// ```
    /// use coordination_protocol::message::MessageKind;
    /// use coordination_protocol::validate::SecurityPolicy;
    ///
    /// let policy = SecurityPolicy::new().with_json(
    ///     r#"{"senders":{"rollback":["component:operator"]},"voters":["a","b"],"relays":["hub"]}"#,
    /// )?;
    /// let senders = policy.permissions().unwrap().senders(MessageKind::Rollback);
    /// assert_eq!(senders[0].to_string(), "component:operator");
    ///
    /// let error = SecurityPolicy::new().with_json(r#"{"senders":{"rolback":[]}}"#).unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "line 1, column 21: `rolback` is no kind of message",
    /// );
    /// # Ok::<(), coordination_protocol::validate::PolicyFileError>(())
    /// ```
    ///
    /// # Errors
    /// [`PolicyFileError`] for the first fault, with its position. Nothing of the file is taken then.
    pub fn with_json(self, text: &str) -> Result<Self, PolicyFileError> {
        // Of two equal keys, one would be lost without a word.
        json::check(text, Dialect::Strict, &Limits::DEFAULT.with_bytes(usize::MAX)).map_err(
            |fault| {
                let before = &text.as_bytes()[..fault.range.start.min(text.len())];
                let line_start =
                    before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
                PolicyFileError {
                    line: before.split(|byte| *byte == b'\n').count(),
                    column: before.len() - line_start + 1,
                    problem: fault.to_string(),
                }
            },
        )?;
        let contents: Contents = serde_json::from_str(text).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            let problem = error.to_string();
            let place = format!(" at line {line} column {column}");
            let problem = problem.strip_suffix(&place).unwrap_or(&problem).to_owned();
            PolicyFileError { line, column, problem }
        })?;
        Ok(self.with_contents(contents))
    }

    fn with_contents(mut self, contents: Contents) -> Self {
        let permitting = !contents.senders.is_empty()
            || !contents.capabilities.is_empty()
            || !contents.replicas.is_empty()
            || !contents.voters.is_empty()
            || contents.open.is_some()
            || contents.max_patterns.is_some()
            || contents.max_components.is_some();
        if permitting {
            let mut permissions = self.permissions().cloned().unwrap_or_default();
            if contents.open == Some(true) {
                permissions = permissions.open();
            }
            if let Some(most) = contents.max_patterns {
                permissions = permissions.with_max_patterns(most);
            }
            if let Some(most) = contents.max_components {
                permissions = permissions.with_max_components(most);
            }
            let all = contents.capabilities;
            permissions = all.into_iter().fold(permissions, |permissions, (component, names)| {
                permissions.with_capabilities(&component, names)
            });
            permissions = contents
                .senders
                .into_iter()
                .fold(permissions, |permissions, (kind, row)| permissions.with_senders(kind, row));
            permissions =
                contents.replicas.into_iter().fold(permissions, Permissions::with_replica);
            permissions = contents.voters.into_iter().fold(permissions, Permissions::with_voter);
            self = self.with_permissions(permissions);
        }
        self = contents.relays.into_iter().fold(self, SecurityPolicy::with_relay);
        if let Some(lines) = contents.lines {
            self = self.with_lines(lines);
        }
        if contents.required == Some(true) { self.required() } else { self }
    }
}
