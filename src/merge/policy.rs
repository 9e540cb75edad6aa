//! Policies: rows, and the tree that finds the row of a place.

use super::error::MergeError;
use super::row::Row;
use super::rule::{MergeRule, Strategy};
use super::table::STATE_ROWS;
use crate::json::pointer::parts;
use crate::json::{Json, Kind, Limits};
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// How documents are merged: one table of rows, and what becomes of what they do not settle.
///
/// A place without a row is merged by [`MergeRule::Members`]. Of rows whose pointers match the same
/// place the one with a name before a `*`, from the left, counts; a row replaces an earlier one with
/// the same pointer.
///
/// ```
/// use coordination_protocol::merge::{MergePolicy, Row, MergeRule, Strategy};
///
/// let policy = MergePolicy::state()
///     .with_row(Row::new("/agent_states/*", MergeRule::RemoveWins)?)
///     .with_strategy(Strategy::Ours);
/// let rule = policy.rows().iter().find(|row| row.pointer() == "/agent_states/*").unwrap().rule();
/// assert_eq!(rule, MergeRule::RemoveWins);
/// # Ok::<(), coordination_protocol::merge::MergeError>(())
/// ```
#[derive(Clone, Debug)]
pub struct MergePolicy {
    rows: Vec<Row>,
    strategy: Strategy,
    clock: SmolStr,
    nodes: Vec<Node>,
}

/// One place in the tree of pointers.
#[derive(Clone, Debug, Default)]
pub(super) struct Node {
    row: Option<usize>,
    named: BTreeMap<SmolStr, usize>,
    any: Option<usize>,
    /// Siblings that the values of members belong to.
    siblings: Vec<SmolStr>,
    /// Whether equal changes need looking at, here or further in: counters.
    pub(super) counts: bool,
    /// Whether members need looking at that one side left alone: versions, here or further in, and
    /// those that belong to a sibling.
    pub(super) asks: bool,
}

impl MergePolicy {
    /// No rows: objects are merged member by member, everything else that both sides changed is a
    /// conflict.
    pub fn empty() -> Self {
        MergePolicy {
            rows: Vec::new(),
            strategy: Strategy::Merge,
            clock: SmolStr::new_static("/timestamp"),
            nodes: vec![Node::default()],
        }
    }

    /// The rows of [`STATE_ROWS`], for the state of a workflow.
    pub fn state() -> Self {
        STATE_ROWS.iter().cloned().fold(MergePolicy::empty(), MergePolicy::with_row)
    }

    /// Adds a row, or replaces the one with the same pointer.
    pub fn with_row(mut self, row: Row) -> Self {
        let at = self.node_of(&row.pointer);
        let Some(index) = self.nodes[at].row else {
            self.nodes[at].row = Some(self.rows.len());
            self.rows.push(row);
            self.mark(self.rows.len() - 1);
            return self;
        };
        let old = std::mem::replace(&mut self.rows[index], row);
        if old.of.is_none() && !matches!(old.rule, MergeRule::Sum | MergeRule::Version) {
            self.mark(index);
            return self;
        }
        // What the old row asked for on its way is asked for no more.
        for node in &mut self.nodes {
            (node.counts, node.asks) = (false, false);
            node.siblings.clear();
        }
        (0..self.rows.len()).for_each(|index| self.mark(index));
        self
    }

    /// Notes on the way to a row's place what merging must look at because of it.
    fn mark(&mut self, index: usize) {
        let row = self.rows[index].clone();
        let (sums, versions) = (row.rule == MergeRule::Sum, row.rule == MergeRule::Version);
        if !sums && !versions && row.of.is_none() {
            return;
        }
        // A row has a pointer that was read before.
        let parts = parts(&row.pointer).unwrap_or_default();
        let mut at = 0;
        for (depth, part) in parts.iter().enumerate() {
            let node = &mut self.nodes[at];
            node.counts |= sums || versions;
            node.asks |= versions;
            if depth + 1 == parts.len()
                && let Some(of) = &row.of
            {
                node.asks = true;
                if !node.siblings.contains(of) {
                    node.siblings.push(of.clone());
                }
            }
            at = self.child(at, part.key());
        }
        self.nodes[at].counts |= sums || versions;
    }

    /// Adds all rows of a list.
    pub fn with_rows(self, rows: impl IntoIterator<Item = Row>) -> Self {
        rows.into_iter().fold(self, MergePolicy::with_row)
    }

    /// Sets what becomes of what the rows do not settle.
    pub fn with_strategy(mut self, strategy: Strategy) -> Self {
        self.strategy = strategy;
        self
    }

    /// Sets where a document has the timestamp that [`MergeRule::Newer`] goes by; `/timestamp` unless
    /// set.
    ///
    /// # Errors
    /// [`MergeError::Pointer`].
    pub fn with_clock(mut self, pointer: &str) -> Result<Self, MergeError> {
        if pointer.is_empty() || parts(pointer).is_none() {
            return Err(MergeError::Pointer(pointer.to_owned()));
        }
        self.clock = SmolStr::new(pointer);
        Ok(self)
    }

    /// Reads the rows of a policy file: a JSON list of
    /// `{"pointer":"/agent_states/*/progress","rule":"highest","of":"current_task","about":true}`,
    /// of which the last two may be missing. A row prints so through serde.
    ///
    /// # Errors
    /// [`MergeError`].
    pub fn rows_from_json(text: &str, limits: &Limits) -> Result<Vec<Row>, MergeError> {
        crate::json::check(text, crate::json::Dialect::Strict, limits)
            .map_err(MergeError::PolicyJson)?;
        let json = Json::from_valid(text.trim_matches([' ', '\t', '\n', '\r']));
        let form = |row, reason: &str| MergeError::PolicyRow { row, reason: reason.to_owned() };
        if json.kind() != Kind::Array {
            return Err(form(0, "this is no list"));
        }
        json.items()
            .enumerate()
            .map(|(index, item)| row_from_json(&item).map_err(|error| error.in_row(index + 1)))
            .collect()
    }

    /// The rows, in the order in which they were added.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// What becomes of what the rows do not settle.
    pub const fn strategy(&self) -> Strategy {
        self.strategy
    }

    /// Where a document has its timestamp.
    pub fn clock(&self) -> &str {
        &self.clock
    }

    fn node_of(&mut self, pointer: &str) -> usize {
        let mut at = 0;
        for part in parts(pointer).unwrap_or_default() {
            at = self.child(at, part.key());
        }
        at
    }

    /// The node below another, which is made if there is none.
    fn child(&mut self, at: usize, key: &str) -> usize {
        let new = self.nodes.len();
        let node = &mut self.nodes[at];
        let child = if key == "*" {
            *node.any.get_or_insert(new)
        } else {
            *node.named.entry(SmolStr::new(key)).or_insert(new)
        };
        if child == new {
            self.nodes.push(Node::default());
        }
        child
    }

    pub(super) fn node(&self, at: usize) -> &Node {
        &self.nodes[at]
    }

    pub(super) fn row_at(&self, at: usize) -> Option<&Row> {
        self.nodes[at].row.map(|row| &self.rows[row])
    }
}

impl Node {
    /// The places of a member, the more precise first.
    pub(super) fn below(&self, key: &str) -> impl Iterator<Item = usize> {
        self.named.get(key).copied().into_iter().chain(self.any)
    }

    pub(super) fn siblings(&self) -> &[SmolStr] {
        &self.siblings
    }
}

impl Default for MergePolicy {
    /// [`MergePolicy::state`].
    fn default() -> Self {
        MergePolicy::state()
    }
}

fn row_from_json(item: &Json) -> Result<Row, MergeError> {
    let form = |reason: String| MergeError::PolicyRow { row: 0, reason };
    if item.kind() != Kind::Object {
        return Err(form("it is no object".to_owned()));
    }
    let (mut pointer, mut rule, mut of, mut about) = (None, None, None, false);
    for (key, value) in crate::json::members(item.as_str(), 0) {
        let name = key.decode(item.as_str());
        let text = || {
            let text = (value.kind() == Kind::Text).then(|| value.decode(item.as_str()));
            text.ok_or_else(|| form(format!("`{name}` is no string")))
        };
        match &*name {
            "pointer" => pointer = Some(text()?),
            "rule" => rule = Some(text()?.parse::<MergeRule>().map_err(|e| form(e.to_string()))?),
            "of" => of = Some(text()?),
            "about" => {
                about = match value.raw(item.as_str()) {
                    "true" => true,
                    "false" => false,
                    _ => return Err(form("`about` is no boolean".to_owned())),
                }
            }
            other => return Err(form(format!("`{other}` is not known"))),
        }
    }
    let missing = |key: &str| form(format!("`{key}` is missing"));
    let pointer = pointer.ok_or_else(|| missing("pointer"))?;
    let mut row = Row::new(&pointer, rule.ok_or_else(|| missing("rule"))?)?;
    if let Some(of) = of {
        row = row.of(&of);
    }
    Ok(if about { row.about() } else { row })
}
