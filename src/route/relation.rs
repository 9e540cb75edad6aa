//! How patterns relate: whether one selects all that another does, or anything of it.
//!
//! A pattern selects endlessly many keys, nearly all of unregistered types. Yet it looks at few of
//! their properties: which of the tokens that the patterns spell out a key's parts are equal to,
//! and what the registry says of the type. So finitely many keys stand for all, one for each
//! combination of these properties, and a question about all keys is answered by trying those.

use super::key::{RouteKey, names};
use super::message::routed;
use super::pattern::{Pattern, Selector};
use crate::event::Registry;
use crate::scalar::id;
use std::collections::BTreeSet;

/// What a free part of a key is called, unless a pattern spells the same.
// Any name would do that no pattern spells out; see `free`.
const OTHER: &str = "other";

impl Pattern {
    /// Whether this pattern selects every key that `other` selects.
    ///
    /// The answer is exact for keys made under the registry of protocol 1.1.0. They include keys
    /// of types that are not registered, and a type in another case is such a type: so
    /// `resource.*.conflict_detected` does not cover `resource.*.conflict`, which also selects
    /// the unregistered `Resource_Conflict`. A pattern that can select nothing, such as the stream
    /// of a component, is covered by every pattern.
    ///
    /// Several patterns may cover together what none of them covers alone; ask
    /// [`first_outside`](Self::first_outside) for that.
    ///
    /// ```
    /// use coordination_protocol::route::Pattern;
    ///
    /// let resources = Pattern::parse("resource.*")?;
    /// assert!(resources.covers(&Pattern::parse("resource.wf_001.allocated")?));
    /// assert!(resources.covers(&Pattern::parse("RESOURCE_CONFLICT.>")?));
    /// assert!(!resources.covers(&Pattern::parse("*.wf_001.allocated")?));
    /// # Ok::<(), coordination_protocol::route::PatternError>(())
    /// ```
    pub fn covers(&self, other: &Pattern) -> bool {
        self.covers_with(&Registry::default(), other)
    }

    /// As [`covers`](Self::covers), for keys made under a registry of your own.
    pub fn covers_with(&self, registry: &Registry, other: &Pattern) -> bool {
        other.first_outside(registry, [self]).is_none()
    }

    /// Whether some key is selected by both patterns, under the registry of protocol 1.1.0.
    /// Exact, as [`covers`](Self::covers) is.
    ///
    /// ```
    /// use coordination_protocol::route::Pattern;
    ///
    /// let failures = Pattern::parse("*.failed")?;
    /// assert!(failures.overlaps(&Pattern::parse("task.wf_001.*")?));
    /// assert!(!failures.overlaps(&Pattern::parse("TASK_TIMEOUT.>")?));
    /// # Ok::<(), coordination_protocol::route::PatternError>(())
    /// ```
    pub fn overlaps(&self, other: &Pattern) -> bool {
        self.overlaps_with(&Registry::default(), other)
    }

    /// As [`overlaps`](Self::overlaps), for keys made under a registry of your own.
    pub fn overlaps_with(&self, registry: &Registry, other: &Pattern) -> bool {
        self.find(registry, &[other], |key| other.matches(key)).is_some()
    }

    /// A key that this pattern selects and none of `granted` does: `None` if they cover it
    /// together. With no other pattern, `None` means that it can select nothing.
    ///
    /// The answer is exact for keys made under `registry`. The work grows with the square of the
    /// number of patterns; if this one leaves both scope and word open, with the cube. So bound
    /// that number where it comes from outside.
    ///
    /// ```
    /// use coordination_protocol::event::Registry;
    /// use coordination_protocol::route::Pattern;
    ///
    /// let registry = Registry::default();
    /// let bound = Pattern::parse("workflow.*")?;
    /// let global = Pattern::parse("system.*")?;
    /// let failures = Pattern::parse("*.failed")?;
    /// assert_eq!(failures.first_outside(&registry, [&bound, &global]), None);
    ///
    /// let key = failures.first_outside(&registry, [&bound]).map(|key| key.to_string());
    /// assert_eq!(key.as_deref(), Some("phase.global.failed"));
    /// # Ok::<(), coordination_protocol::route::PatternError>(())
    /// ```
    pub fn first_outside<'p>(
        &self,
        registry: &Registry,
        granted: impl IntoIterator<Item = &'p Pattern>,
    ) -> Option<RouteKey<'static>> {
        let granted: Vec<&Pattern> = granted.into_iter().collect();
        self.find(registry, &granted, |key| !granted.iter().any(|pattern| pattern.matches(key)))
    }

    /// How much of what the pattern spells out a key has: the type counts most, then the word,
    /// the scope, and the rest.
    pub(crate) fn nearness(&self, key: &RouteKey<'_>) -> usize {
        let part = |wanted: &Option<_>, meets: &dyn Fn(&str) -> bool, weight| {
            wanted.as_deref().filter(|wanted| meets(wanted)).map_or(0, |_| weight)
        };
        match self.selector() {
            Selector::Scoped { scope, workflow, word } => {
                part(scope, &|scope| key.in_scope(scope), 2)
                    + part(word, &|word| key.has_word(word), 4)
                    + part(workflow, &|workflow| key.workflow() == workflow, 1)
            }
            Selector::Typed { name, workflow, phase } => {
                let same = if name == key.type_name() { 8 } else { 0 };
                same + part(workflow, &|workflow| key.workflow() == workflow, 1)
                    + part(phase, &|phase| key.phase() == Some(phase), 1)
            }
        }
    }

    /// The first key that this pattern selects and that meets `wanted`, which may depend on
    /// nothing but what `others` select.
    fn find(
        &self,
        registry: &Registry,
        others: &[&Pattern],
        wanted: impl Fn(&RouteKey<'_>) -> bool,
    ) -> Option<RouteKey<'static>> {
        for workflow in workflows(self, others) {
            // Patterns of another workflow select nothing in this one.
            let here = |pattern: &&Pattern| pattern.workflow().is_none_or(|own| own == workflow);
            let tokens = Tokens::of(self, others.iter().copied().filter(here));
            let phases = tokens.phases(self);
            for name in tokens.names(self, registry) {
                // The first key that is found is an example for people, so the order is that of the
                // registry: a known type comes before an invented one.
                for phase in &phases {
                    let key = RouteKey::with_registry(registry, &name, &workflow, phase);
                    if self.matches(&key) && wanted(&key) {
                        return Some(key.into_owned());
                    }
                }
            }
        }
        None
    }

    /// The workflow that the pattern spells out.
    fn workflow(&self) -> Option<&str> {
        let (Selector::Scoped { workflow, .. } | Selector::Typed { workflow, .. }) =
            self.selector();
        workflow.as_deref()
    }
}

/// A workflow for each way in which workflows can differ: the pattern's own, or `global`, any
/// that is spelled out, and one that is not.
fn workflows(pattern: &Pattern, others: &[&Pattern]) -> BTreeSet<String> {
    if let Some(workflow) = pattern.workflow() {
        return BTreeSet::from([workflow.to_owned()]);
    }
    let spelled = others.iter().filter_map(|other| other.workflow());
    let mut all: BTreeSet<String> = spelled.chain([id::GLOBAL]).map(str::to_owned).collect();
    all.insert(free(OTHER, |name| all.contains(name)));
    all
}

/// The tokens that some patterns spell out; scopes and words in lower case.
#[derive(Default)]
struct Tokens {
    scopes: BTreeSet<String>,
    words: BTreeSet<String>,
    types: BTreeSet<String>,
    phases: BTreeSet<String>,
}

impl Tokens {
    fn of<'p>(pattern: &'p Pattern, others: impl Iterator<Item = &'p Pattern>) -> Self {
        let mut tokens = Tokens::default();
        for pattern in others.chain([pattern]) {
            match pattern.selector() {
                Selector::Scoped { scope, word, .. } => {
                    tokens.scopes.extend(scope.as_deref().map(str::to_ascii_lowercase));
                    tokens.words.extend(word.as_deref().map(str::to_ascii_lowercase));
                }
                Selector::Typed { name, phase, .. } => {
                    tokens.types.insert(name.to_string());
                    tokens.phases.extend(phase.as_deref().map(str::to_owned));
                }
            }
        }
        tokens
    }

    /// A phase for each way in which phases can differ. A key that does not know its phase is
    /// selected like one with a phase that no pattern spells out.
    fn phases(&self, pattern: &Pattern) -> Vec<String> {
        if let Selector::Typed { phase: Some(phase), .. } = pattern.selector() {
            return vec![phase.to_string()];
        }
        let mut all = self.phases.clone();
        all.insert(free(id::GLOBAL, |name| self.phases.contains(name)));
        all.into_iter().collect()
    }

    /// A type for each way in which types can differ that the pattern may select.
    ///
    /// Registered types and those spelled out stand for themselves. Of any other type, case
    /// aside, only this counts: its scope, its word, and the whole name, which is a word too.
    /// Scope and word are what stands before and behind the first `_`, or both are the whole.
    fn names(&self, pattern: &Pattern, registry: &Registry) -> Vec<String> {
        let (scope, word) = match pattern.selector() {
            Selector::Typed { name, .. } => return vec![name.to_string()],
            Selector::Scoped { scope, word, .. } => {
                (scope.as_deref().map(str::to_ascii_lowercase), word.as_deref())
            }
        };
        // No token has it inside, so that it makes no token together with another one.
        let tokens = || self.scopes.iter().chain(&self.words);
        let other = free(OTHER, |name| tokens().any(|token| token.contains(name)));
        // A type has a scope of its own or one that its workflow gives it.
        let heads: Vec<&str> = match &scope {
            Some(scope) if scope != "workflow" && scope != "system" => vec![scope],
            _ => self.scopes.iter().map(String::as_str).chain([other.as_str()]).collect(),
        };
        let word = word.map(str::to_ascii_lowercase);
        let tails: Vec<&str> = match &word {
            Some(word) => vec![word],
            None => self.words.iter().map(String::as_str).chain([other.as_str()]).collect(),
        };
        let joined = heads.iter().flat_map(|head| tails.iter().map(move |tail| [head, "_", tail]));
        let unregistered: BTreeSet<String> =
            tokens().cloned().chain(joined.map(|name| name.concat())).collect();
        let messages = routed().map(|(_, name)| name.to_owned());
        let known = names(registry).map(str::to_owned).chain(messages);
        let known = known.chain(self.types.iter().cloned());
        let spelled = unregistered.iter().filter_map(|name| self.unregistered(name, registry));
        known.chain(spelled).collect()
    }

    /// A spelling of a name that is neither registered nor spelled out as a type: upper case, or
    /// with the letters of some bit mask in lower case. `None` if there is no such spelling.
    fn unregistered(&self, name: &str, registry: &Registry) -> Option<String> {
        let letters = name.bytes().filter(u8::is_ascii_alphabetic).count() as u32;
        // One spelling more than could be taken.
        let taken = names(registry).count() + routed().count() + self.types.len();
        // With one spelling more than names that could take one, at least one is free, unless the
        // letters do not give as many.
        let spellings = 1_usize.checked_shl(letters).unwrap_or(usize::MAX).min(taken + 1);
        let spell = |mask: usize| {
            let mut letter = 0;
            let spelled = name.chars().map(|c| {
                if !c.is_ascii_alphabetic() {
                    return c;
                }
                let lower = mask.checked_shr(letter).is_some_and(|mask| mask & 1 == 1);
                letter += 1;
                if lower { c.to_ascii_lowercase() } else { c.to_ascii_uppercase() }
            });
            spelled.collect::<String>()
        };
        let is_taken = |name: &str| {
            registry.knows(name)
                || self.types.contains(name)
                || routed().any(|(_, routed)| routed == name)
        };
        (0..spellings).map(spell).find(|name| !is_taken(name))
    }
}

/// `name`, made longer until it is not taken.
fn free(name: &str, taken: impl Fn(&str) -> bool) -> String {
    let mut name = name.to_owned();
    while taken(&name) {
        name.push('x');
    }
    name
}
