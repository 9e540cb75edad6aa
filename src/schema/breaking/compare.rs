//! Whether all that fits an old schema fits a new one, keyword by keyword.
//!
//! What a schema asks of a value in place is a list of conjuncts: its own keywords, those behind its
//! reference, those of its `allOf`. Each keyword of each new conjunct must follow from one of the old
//! ones. Schemas of fields and elements are compared later, each pair once: a pair that leads back to
//! itself holds unless something else fails.

use super::resolve::{
    Asked, Conjunct, Declared, Document, address, asks_nothing, is_remark, names, only_reference,
};
use super::{Break, BreakKind};
use serde_json::Value;
use std::collections::{HashSet, VecDeque};

/// Bounds from below, and from above.
const LOWER_BOUNDS: &[&str] =
    &["minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"];
const UPPER_BOUNDS: &[&str] =
    &["maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"];

/// Deeper alternatives in alternatives are not followed: each level takes some of the stack.
const DEEPEST: usize = 16;

/// A pair that is compared once: the old schemas that hold together, and the new one.
type Pair = (Vec<usize>, usize);

/// A value of which old schemas hold together, and a new one has to.
pub(super) struct Task<'s> {
    pub(super) old: Vec<&'s Value>,
    pub(super) new: &'s Value,
    pub(super) at: String,
}

/// What is known of a value while its new schema is looked at.
#[derive(Clone, Copy)]
pub(super) struct Known<'k, 's> {
    /// All old conjuncts.
    pub(super) all: &'k [Conjunct<'s>],
    pub(super) declared: &'k Declared<'s>,
}

pub(super) struct Comparison<'s> {
    pub(super) old: Document<'s>,
    pub(super) new: Document<'s>,
    /// Pairs that are compared, or were.
    begun: HashSet<Pair>,
    /// The same in their order, to take back what an attempt has begun.
    order: Vec<Pair>,
    queue: VecDeque<Task<'s>>,
    breaks: Vec<Break>,
    /// Attempts under way; the first break ends one.
    attempts: usize,
    /// The least number of breaks that ends the attempt.
    enough: usize,
    steps: usize,
    most: usize,
    /// Pairs of schemas that say the same, and that do not.
    pub(super) alike: HashSet<(usize, usize)>,
    pub(super) unlike: HashSet<(usize, usize)>,
}

impl<'s> Comparison<'s> {
    pub(super) fn new(old: &'s Value, new: &'s Value, most: usize) -> Self {
        Comparison {
            old: Document::new(old),
            new: Document::new(new),
            begun: HashSet::new(),
            order: Vec::new(),
            queue: VecDeque::new(),
            breaks: Vec::new(),
            attempts: 0,
            enough: usize::MAX,
            steps: 0,
            most,
            alike: HashSet::new(),
            unlike: HashSet::new(),
        }
    }

    /// All breaks.
    pub(super) fn breaks(mut self) -> Vec<Break> {
        let (old, new) = (self.old.root(), self.new.root());
        for (schema, other) in [(old, new), (new, old)] {
            let dialect = schema.get("$schema").and_then(Value::as_str);
            let known = |name: &str| {
                name.trim_end_matches('#').ends_with("json-schema.org/draft/2020-12/schema")
            };
            if let Some(dialect) = dialect.filter(|name| !known(name)) {
                let what =
                    format!("`{dialect}` is not the dialect 2020-12, and cannot be followed");
                self.push("/$schema", BreakKind::Form, what);
                // Said once of both.
                if other.get("$schema").and_then(Value::as_str) == Some(dialect) {
                    break;
                }
            }
        }
        self.later(vec![old], new, String::new());
        self.work();
        if self.steps > self.most {
            let what = format!("the schemas are too large to be compared in {} steps", self.most);
            self.push("", BreakKind::Form, what);
        }
        self.breaks
    }

    pub(super) fn push(&mut self, pointer: &str, kind: BreakKind, what: String) {
        self.breaks.push(Break { pointer: pointer.to_owned(), kind, what });
    }

    /// Counts one step; `false` if there were too many.
    pub(super) fn step(&mut self) -> bool {
        self.spend(1)
    }

    /// Counts steps, before they are taken; `false` if there are too many.
    pub(super) fn spend(&mut self, steps: usize) -> bool {
        self.steps = self.steps.saturating_add(steps);
        self.steps <= self.most
    }

    /// Whether it is only asked whether there is a break, not which.
    pub(super) fn is_attempt(&self) -> bool {
        self.attempts > 0
    }

    /// Whether nothing more need be looked at.
    fn over(&self) -> bool {
        self.steps > self.most || self.breaks.len() >= self.enough
    }

    pub(super) fn later(&mut self, old: Vec<&'s Value>, new: &'s Value, at: String) {
        self.queue.push_back(Task { old, new, at });
    }

    fn work(&mut self) {
        while !self.over()
            && let Some(task) = self.queue.pop_front()
        {
            self.value(task);
        }
    }

    /// Whether something goes without a break. Whatever it has begun is taken back if not.
    pub(super) fn attempt(&mut self, attempt: impl FnOnce(&mut Self)) -> bool {
        let queue = std::mem::take(&mut self.queue);
        let (breaks, begun, enough) = (self.breaks.len(), self.order.len(), self.enough);
        self.enough = breaks + 1;
        self.attempts += 1;
        attempt(self);
        self.work();
        self.attempts -= 1;
        self.enough = enough;
        let fine = self.breaks.len() == breaks && self.steps <= self.most;
        self.breaks.truncate(breaks);
        self.queue = queue;
        if !fine {
            for pair in self.order.drain(begun..) {
                self.begun.remove(&pair);
            }
        }
        fine
    }

    /// One value: what holds of it, what has to.
    fn value(&mut self, Task { mut old, mut new, mut at }: Task<'s>) {
        // What stands behind one reference is told at its own place, once.
        let mut hops = HashSet::new();
        while let [one] = *old
            && let (Some(was), Some(is)) = (only_reference(one), only_reference(new))
            && was == is
            && let (Some(before), Some(after)) = (self.old.target(was), self.new.target(is))
            && hops.insert(was)
        {
            (old, new) = (vec![before], after);
            at = was.split_once('#').map_or_else(String::new, |(_, path)| path.to_owned());
        }
        let mut pair = (old.iter().map(|schema| address(schema)).collect::<Vec<_>>(), address(new));
        pair.0.sort_unstable();
        pair.0.dedup();
        if !self.step() || !self.begun.insert(pair.clone()) {
            return;
        }
        self.order.push(pair);
        if asks_nothing(new) || old.iter().any(|old| self.same(old, new)) {
            return;
        }
        let known = Asked::of(self.old, old.iter().copied(), &at);
        let asked = Asked::of(self.new, [new], &at);
        let size = known.conjuncts.len() + asked.conjuncts.len();
        if known.refuses || !self.spend(size) {
            return;
        }
        if asked.refuses {
            let was = old.first().map(|old| shown(old)).unwrap_or_default();
            return self.push(&at, BreakKind::Form, format!("`{was}` became `{}`", shown(new)));
        }
        let (declared, size) = Declared::of(self.old, &old);
        if !self.spend(size) {
            return;
        }
        let all: Vec<Conjunct<'s>> = known.all().collect();
        self.in_place(&known, &asked, &at, Known { all: &all, declared: &declared });
    }

    /// What is asked of one value. `was` is what the new schema takes the place of; `known` is that and
    /// whatever else holds.
    pub(super) fn in_place(
        &mut self,
        was: &Asked<'s>,
        is: &Asked<'s>,
        at: &str,
        known: Known<'_, 's>,
    ) {
        if self.attempts > DEEPEST {
            let what = "alternatives are nested too deeply to be followed".to_owned();
            return self.push(at, BreakKind::Form, what);
        }
        for unknown in &is.unknown {
            let elsewhere = |document: Document<'_>| document.leads_elsewhere(unknown);
            let kept = was.unknown.contains(unknown) && elsewhere(self.old) && elsewhere(self.new);
            if !kept {
                self.push(at, BreakKind::Form, format!("`{unknown}` cannot be followed"));
            }
        }
        self.removed(was, is);
        for (conjunct, at) in &is.conjuncts {
            for (key, value) in conjunct.members {
                if self.over() || !self.spend(1 + known.all.len()) {
                    return;
                }
                self.keyword(*conjunct, key, value, at, known);
            }
        }
    }

    fn keyword(
        &mut self,
        conjunct: Conjunct<'s>,
        key: &'s str,
        is: &'s Value,
        at: &str,
        known: Known<'_, 's>,
    ) {
        match key {
            // They are conjuncts of their own.
            "$ref" => {}
            key if is_remark(key) => {}
            "allOf" if is.is_array() => {}
            "type" => self.types(is, at, known),
            "enum" | "const" => self.words(key, is, at, known),
            "required" if is.is_array() => self.required(is, at, known),
            "properties" if is.is_object() => self.properties(conjunct, at, known),
            "additionalProperties" => self.additional(conjunct, is, at, known),
            "items" if !is.is_array() => self.items(conjunct, is, at, known),
            key if LOWER_BOUNDS.contains(&key) => {
                let least = matches!(key, "minLength" | "minItems" | "minProperties");
                if !(least && is.as_f64() == Some(0.0)) {
                    self.bound(key, is, at, known, |was, is| is <= was);
                }
            }
            key if UPPER_BOUNDS.contains(&key) => {
                self.bound(key, is, at, known, |was, is| is >= was);
            }
            "anyOf" if is.is_array() => self.any_of(is, at, known),
            "oneOf" if is.is_array() => self.one_of(is, at, known),
            "if" => self.condition(conjunct, at, known),
            // They ask nothing without what they belong to.
            "then" | "else" | "minContains" | "maxContains" => {}
            "uniqueItems" | "not" if *is == Value::Bool(false) => {}
            key => self.other(conjunct, key, at, known),
        }
    }

    /// A keyword that is not followed, and has to be what it was.
    fn other(&mut self, conjunct: Conjunct<'s>, key: &'s str, at: &str, known: Known<'_, 's>) {
        let mut before = known.all.iter().filter(|old| old.get(key).is_some()).peekable();
        let was = before.peek().is_some();
        // These mean what stands beside them makes of them.
        let kept = before.any(|old| match key {
            "contains" => ["contains", "minContains", "maxContains"]
                .iter()
                .all(|key| self.agree_on(key, *old, conjunct)),
            "unevaluatedProperties" | "unevaluatedItems" => self.same(old.node, conjunct.node),
            _ => self.agree_on(key, *old, conjunct),
        });
        if kept {
            return;
        }
        let what = match key {
            "not" => "other values are excluded".to_owned(),
            _ if was => format!("`{key}` is another one"),
            _ => format!("`{key}` is new"),
        };
        self.push(at, BreakKind::Form, what);
    }

    fn types(&mut self, is: &Value, at: &str, known: Known<'_, 's>) {
        let accepted = names(is);
        let missing = |old: &Conjunct<'s>| -> Option<Vec<&str>> {
            let mut names = match old.get("type") {
                Some(types) => names(types),
                // A list of words says what they are.
                None => words(old)?.iter().map(|word| kind(word)).collect(),
            };
            let accepts = |name: &str| {
                accepted.contains(&name) || name == "integer" && accepted.contains(&"number")
            };
            names.retain(|name| !accepts(name));
            Some(names)
        };
        let mut least: Option<Vec<&str>> = None;
        for old in known.all {
            match missing(old) {
                Some(names) if names.is_empty() => return,
                Some(names) => drop(least.get_or_insert(names)),
                None => {}
            }
        }
        match least {
            None => self.push(at, BreakKind::Type, "the kind of value was free".to_owned()),
            Some(names) => {
                for name in names {
                    let what = format!("a value may be no {name} any more");
                    self.push(at, BreakKind::Type, what);
                }
            }
        }
    }

    fn words(&mut self, key: &str, is: &Value, at: &str, known: Known<'_, 's>) {
        let new: &[Value] = match is {
            Value::Array(words) if key == "enum" => words,
            word => std::slice::from_ref(word),
        };
        let mut lost: Option<Vec<&Value>> = None;
        for old in known.all.iter().filter_map(words) {
            if !self.spend(old.len().saturating_mul(new.len())) {
                return;
            }
            let gone: Vec<&Value> = old.iter().filter(|word| !new.contains(word)).collect();
            if gone.is_empty() {
                return;
            }
            lost.get_or_insert(gone);
        }
        match lost {
            None => self.push(at, BreakKind::Word, "the list of words was open".to_owned()),
            Some(words) => {
                for word in words {
                    self.push(at, BreakKind::Word, format!("the word {word} is gone"));
                }
            }
        }
    }

    fn bound(
        &mut self,
        key: &str,
        is: &Value,
        at: &str,
        known: Known<'_, 's>,
        wider: impl Fn(f64, f64) -> bool,
    ) {
        let mut first = None;
        for was in known.all.iter().filter_map(|old| old.get(key)) {
            first = first.or(Some(was));
            // Equal doubles of different numbers were rounded, and tell nothing.
            let told = match (was.as_f64(), is.as_f64()) {
                (Some(old), Some(new)) => old.total_cmp(&new).is_ne() && wider(old, new),
                _ => false,
            };
            if told || was == is {
                return;
            }
        }
        let what = match first {
            Some(was) => format!("`{key}` {was} became {is}"),
            None => format!("`{key}` {is} is new"),
        };
        self.push(at, BreakKind::Range, what);
    }
}

/// The words that a conjunct admits; `None` if it has no list of them.
fn words<'s>(conjunct: &Conjunct<'s>) -> Option<&'s [Value]> {
    match (conjunct.get("const"), conjunct.get("enum")) {
        (Some(word), _) => Some(std::slice::from_ref(word)),
        (None, words) => words?.as_array().map(Vec::as_slice),
    }
}

/// The type of a value.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// A schema in a sentence.
pub(super) fn shown(schema: &Value) -> String {
    const MOST: usize = 200;
    let text = schema.to_string();
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}
