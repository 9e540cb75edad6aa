//! What is probably wrong with a pattern that can select nothing.

use super::key::{RouteKey, names};
use super::message::routed;
use super::pattern::{Pattern, Selector};
use crate::event::{EventType, Registry};
use crate::scalar::{Escaping, ProtocolVersion, ScalarError, id, nearest, printable};
use smol_str::SmolStr;
use std::fmt::{self, Write as _};

/// Why a pattern can select nothing that is registered. It still compiles, and may still select
/// events of unregistered types, unless a token of it is no identifier.
///
/// ```
/// use coordination_protocol::event::Registry;
/// use coordination_protocol::route::Pattern;
///
/// let pattern = Pattern::parse("TASK_FAILD.>")?;
/// let [warning] = &pattern.warnings(&Registry::default())[..] else { panic!() };
/// assert_eq!(warning.code(), "unregistered-type");
/// assert_eq!(
///     warning.to_string(),
///     "`TASK_FAILD` is not a registered event type; did you mean `TASK_FAILED`?",
/// );
/// # Ok::<(), coordination_protocol::route::PatternError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PatternWarning {
    /// The pattern names the stream of a component.
    #[non_exhaustive]
    ComponentStream {
        /// The first token.
        component: String,
        /// The second token.
        stream: String,
    },
    /// No category has the name of the scope.
    #[non_exhaustive]
    UnknownScope {
        /// The scope.
        scope: String,
        /// The scope that was probably meant.
        nearest: Option<String>,
    },
    /// No type has the word; none of the scope, if there is one.
    #[non_exhaustive]
    UnknownWord {
        /// The scope in which others than the meant one have the word.
        scope: Option<String>,
        /// The word.
        word: String,
        /// The word that was probably meant.
        nearest: Option<String>,
    },
    /// Scope and word are known, but nothing has both.
    #[non_exhaustive]
    OutsideScope {
        /// The pattern.
        pattern: String,
        /// The word.
        word: String,
        /// The first type with that word.
        type_name: String,
        /// A pattern that selects the type.
        instead: String,
    },
    /// The type is not registered.
    #[non_exhaustive]
    UnregisteredType {
        /// The type's name.
        name: String,
        /// The type that was probably meant.
        nearest: Option<String>,
    },
    /// A token is no identifier, so no event or message has it.
    #[non_exhaustive]
    NoIdentifier {
        /// `scope`, `type`, `workflow`, `word` or `phase`.
        part: &'static str,
        /// The token, its escapes resolved.
        token: String,
        /// Why it is none.
        reason: String,
    },
    /// Only a later version of the protocol has what the pattern selects.
    #[non_exhaustive]
    LaterVersion {
        /// The first such type.
        name: String,
        /// The version that introduced it.
        since: ProtocolVersion,
        /// The version of the registry.
        version: ProtocolVersion,
    },
}

impl fmt::Display for PatternWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let f = &mut Escaping::sentence(f);
        match self {
            PatternWarning::ComponentStream { component, stream } => write!(
                f,
                "`{component}.{stream}` names the stream of a component and selects no event; \
                 write scope.workflow.word"
            ),
            PatternWarning::UnknownScope { scope, nearest } => {
                write!(f, "no registered type has the scope `{scope}`{}", meant(nearest.as_ref()))
            }
            PatternWarning::UnknownWord { scope, word, nearest } => {
                f.write_str("no registered type")?;
                if let Some(scope) = scope {
                    write!(f, " of the scope `{scope}`")?;
                }
                write!(f, " has the word `{word}`{}", meant(nearest.as_ref()))
            }
            PatternWarning::OutsideScope { pattern, word, type_name, instead } => write!(
                f,
                "`{word}` names {type_name}, which `{pattern}` cannot select; `{instead}` does"
            ),
            PatternWarning::UnregisteredType { name, nearest } => {
                let meant = meant(nearest.as_ref());
                write!(f, "`{name}` is not a registered event type{meant}")
            }
            PatternWarning::NoIdentifier { part, token, reason } => {
                let token = printable(token).within(40);
                write!(
                    f,
                    "the pattern can match nothing: the {part} `{token}` is not an identifier: {reason}"
                )
            }
            PatternWarning::LaterVersion { name, since, version } => write!(
                f,
                "the pattern selects {name} only since protocol {since}, and this is {version}"
            ),
        }
    }
}

fn meant(nearest: Option<&String>) -> String {
    nearest.map_or_else(String::new, |nearest| format!("; did you mean `{nearest}`?"))
}

impl PatternWarning {
    /// The stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            PatternWarning::ComponentStream { .. } => "component-stream",
            PatternWarning::UnknownScope { .. } => "unknown-scope",
            PatternWarning::UnknownWord { .. } => "unknown-word",
            PatternWarning::OutsideScope { .. } => "outside-scope",
            PatternWarning::UnregisteredType { .. } => "unregistered-type",
            PatternWarning::NoIdentifier { .. } => "no-identifier",
            PatternWarning::LaterVersion { .. } => "later-version",
        }
    }
}

impl Pattern {
    /// What is probably wrong with a pattern that no registered type or message can meet.
    ///
    /// ```
    /// use coordination_protocol::event::Registry;
    /// use coordination_protocol::route::Pattern;
    ///
    /// let warnings = Pattern::parse("task.*.complete")?.warnings(&Registry::default());
    /// assert_eq!(warnings[0].code(), "unknown-word");
    /// assert_eq!(
    ///     warnings[0].to_string(),
    ///     "no registered type has the word `complete`; did you mean `completed`?",
    /// );
    /// # Ok::<(), coordination_protocol::route::PatternError>(())
    /// ```
    pub fn warnings(&self, registry: &Registry) -> Vec<PatternWarning> {
        of(self, registry).into_iter().collect()
    }
}

/// The warning of a pattern under a registry.
fn of(pattern: &Pattern, registry: &Registry) -> Option<PatternWarning> {
    if let Some((part, token, error)) = no_identifier(pattern.selector()) {
        let (token, reason) = (token.clone(), error.to_string());
        return Some(PatternWarning::NoIdentifier { part, token: token.to_string(), reason });
    }
    // A warning is only for patterns that select nothing registered: one that selects too much
    // cannot be told from one that means it.
    if names(registry).any(|name| pattern.can_select(registry, name))
        || !pattern.messages().is_empty()
    {
        return None;
    }
    // Asked before the name is compared with others: a correct name of a later version is no typing
    // error.
    let later = EventType::ALL.iter().find(|kind| {
        kind.spec().since > *registry.version()
            && pattern.can_select(&Registry::new(kind.spec().since.clone()), kind.as_str())
    });
    if let Some(kind) = later {
        return Some(PatternWarning::LaterVersion {
            name: kind.as_str().to_owned(),
            since: kind.spec().since.clone(),
            version: registry.version().clone(),
        });
    }
    let all = || names(registry).chain(routed().map(|(_, name)| name));
    let keys: Vec<RouteKey<'_>> =
        all().map(|name| RouteKey::with_registry(registry, name, id::GLOBAL, id::GLOBAL)).collect();
    let (scope, word) = match pattern.selector() {
        Selector::Typed { name, .. } => {
            let nearest = nearest(name, all()).map(str::to_owned);
            return Some(PatternWarning::UnregisteredType { name: name.to_string(), nearest });
        }
        Selector::Scoped { scope, word, .. } => (scope.as_ref(), word.as_ref()),
    };
    let is_scope = |scope: &str| {
        ["workflow", "system"].iter().any(|wide| scope.eq_ignore_ascii_case(wide))
            || keys.iter().any(|key| scope.eq_ignore_ascii_case(&key.scope()))
    };
    if let Some(scope) = scope.filter(|scope| !is_scope(scope)) {
        // The specification's own examples subscribe to streams such as
        // `coordination_hub.workflow_events`, so these get a sentence of their own.
        let two = pattern.as_str().split('.').count() == 2;
        let stream = word.filter(|word| two && (*word == "events" || word.ends_with("_events")));
        return Some(if let Some(stream) = stream {
            PatternWarning::ComponentStream {
                component: scope.to_string(),
                stream: stream.to_string(),
            }
        } else {
            let scopes: Vec<_> = keys.iter().map(RouteKey::scope).collect();
            let nearest = nearest(scope, scopes.iter().map(AsRef::as_ref)).map(str::to_owned);
            PatternWarning::UnknownScope { scope: scope.to_string(), nearest }
        });
    }
    // A scope that is known selects something unless a word keeps it from that.
    let word = word?;
    let near = keys.iter().filter(|key| scope.is_none_or(|scope| widest(key, scope)));
    let words: Vec<String> = near
        .flat_map(|key| {
            let alias = key.event_type().and_then(|kind| kind.spec().alias);
            let full = key.type_name().to_ascii_lowercase();
            [Some(key.word().into_owned()), alias.map(str::to_owned), Some(full)]
        })
        .flatten()
        .collect();
    let nearest = nearest(word, words.iter().map(String::as_str)).map(str::to_owned);
    if let Some(key) = keys.iter().find(|key| key.has_word(word)) {
        // What the scope calls otherwise is meant, rather than another scope.
        if nearest.as_ref().is_some_and(|nearest| nearest != word) {
            let (scope, word) = (scope.map(SmolStr::to_string), word.to_string());
            return Some(PatternWarning::UnknownWord { scope, word, nearest });
        }
        return Some(PatternWarning::OutsideScope {
            pattern: pattern.as_str().to_owned(),
            word: word.to_string(),
            type_name: key.type_name().to_owned(),
            instead: format!("{}.*.{}", key.scope(), key.word()),
        });
    }
    Some(PatternWarning::UnknownWord { scope: None, word: word.to_string(), nearest })
}

/// The first token that no event or message can have, whatever is registered.
fn no_identifier(selector: &Selector) -> Option<(&'static str, &SmolStr, ScalarError)> {
    let parts = match selector {
        Selector::Scoped { scope, workflow, word } => {
            [("scope", scope.as_ref()), ("workflow", workflow.as_ref()), ("word", word.as_ref())]
        }
        Selector::Typed { name, workflow, phase } => {
            [("type", Some(name)), ("workflow", workflow.as_ref()), ("phase", phase.as_ref())]
        }
    };
    parts.into_iter().find_map(|(part, token)| {
        let token = token?;
        Some((part, token, id::check(token).err()?))
    })
}

/// Whether a scope can select a type in some workflow.
fn widest(key: &RouteKey<'_>, scope: &str) -> bool {
    key.in_scope(scope) || scope.eq_ignore_ascii_case("workflow")
}
