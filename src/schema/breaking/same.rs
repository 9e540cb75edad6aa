//! Whether two schemas say the same.

use super::compare::Comparison;
use super::resolve::{Conjunct, address, is_remark};
use serde_json::Value;

/// What stands behind a keyword.
enum Holds {
    Schema,
    List,
    Map,
    Data,
}

fn holds(key: &str) -> Holds {
    match key {
        "not"
        | "if"
        | "then"
        | "else"
        | "items"
        | "additionalProperties"
        | "contains"
        | "propertyNames"
        | "unevaluatedProperties"
        | "unevaluatedItems" => Holds::Schema,
        "allOf" | "anyOf" | "oneOf" | "prefixItems" => Holds::List,
        "properties" | "patternProperties" | "dependentSchemas" => Holds::Map,
        _ => Holds::Data,
    }
}

/// Whether a reference stands anywhere inside; equal texts may mean different things then.
fn refers(value: &Value) -> bool {
    match value {
        Value::Object(members) => {
            members.keys().any(|key| key.starts_with('$')) || members.values().any(refers)
        }
        Value::Array(items) => items.iter().any(refers),
        _ => false,
    }
}

/// Pairs of schemas that are still to be compared.
type Open<'s> = Vec<(&'s Value, &'s Value)>;

impl<'s> Comparison<'s> {
    /// Whether two schemas say the same, remarks aside, wherever their references lead. Pairs that
    /// lead back to themselves do unless something else differs.
    pub(super) fn same(&mut self, old: &'s Value, new: &'s Value) -> bool {
        let first = (address(old), address(new));
        if !self.step() || self.unlike.contains(&first) {
            return false;
        }
        // Each pair that was met, and the one that led to it.
        let mut met: Vec<((usize, usize), usize)> = Vec::new();
        let (mut open, mut parents) = (vec![(old, new)], vec![0]);
        while let (Some((old, new)), Some(parent)) = (open.pop(), parents.pop()) {
            let pair = (address(old), address(new));
            if !self.alike.insert(pair) {
                continue;
            }
            let mut at = met.len();
            met.push((pair, parent));
            let like = self.step() && !self.unlike.contains(&pair);
            if like && self.level(old, new, &mut open) {
                parents.resize(open.len(), at);
                continue;
            }
            // What leads to what differs differs, too. The rest was taken for granted.
            for (pair, _) in &met {
                self.alike.remove(pair);
            }
            while at > 0 {
                self.unlike.insert(met[at].0);
                at = met[at].1;
            }
            self.unlike.insert(first);
            return false;
        }
        true
    }

    /// Whether what two schemas hold under a keyword is the same.
    fn same_under(&mut self, key: &str, old: &'s Value, new: &'s Value) -> bool {
        let mut open = Vec::new();
        self.same_keyword(key, old, new, &mut open)
            && open.into_iter().all(|(old, new)| self.same(old, new))
    }

    /// Whether two conjuncts hold the same under a keyword, or neither has it.
    pub(super) fn agree_on(&mut self, key: &str, old: Conjunct<'s>, new: Conjunct<'s>) -> bool {
        match (old.get(key), new.get(key)) {
            (None, None) => true,
            (Some(was), Some(is)) => self.same_under(key, was, is),
            _ => false,
        }
    }

    /// One level of two schemas; what they hold is left open.
    fn level(&self, old: &'s Value, new: &'s Value, open: &mut Open<'s>) -> bool {
        let (old, new) = (self.old.behind(old), self.new.behind(new));
        let (Value::Object(was), Value::Object(is)) = (old, new) else { return old == new };
        let asked = |key: &&String| !is_remark(key);
        if was.keys().filter(asked).count() != is.keys().filter(asked).count() {
            return false;
        }
        is.iter()
            .filter(|(key, _)| !is_remark(key))
            .all(|(key, is)| was.get(key).is_some_and(|was| self.same_keyword(key, was, is, open)))
    }

    fn same_keyword(&self, key: &str, old: &'s Value, new: &'s Value, open: &mut Open<'s>) -> bool {
        match (holds(key), old, new) {
            _ if matches!(key, "$dynamicRef" | "$recursiveRef") => false,
            (Holds::Data, Value::String(was), Value::String(is)) if key == "$ref" => {
                match (self.old.target(was), self.new.target(is)) {
                    (Some(old), Some(new)) => {
                        open.push((old, new));
                        true
                    }
                    (None, None) => {
                        was == is && self.old.leads_elsewhere(was) && self.new.leads_elsewhere(is)
                    }
                    _ => false,
                }
            }
            (
                Holds::Schema,
                Value::Object(_) | Value::Bool(_),
                Value::Object(_) | Value::Bool(_),
            ) => {
                open.push((old, new));
                true
            }
            (Holds::List, Value::Array(was), Value::Array(is)) => {
                open.extend(was.iter().zip(is));
                was.len() == is.len()
            }
            (Holds::Map, Value::Object(was), Value::Object(is)) => {
                was.len() == is.len()
                    && is.iter().all(|(name, is)| {
                        let was = was.get(name);
                        open.extend(was.map(|was| (was, is)));
                        was.is_some()
                    })
            }
            _ => old == new && !refers(new),
        }
    }
}
