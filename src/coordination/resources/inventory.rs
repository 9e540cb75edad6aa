//! What there is.

use super::units::{AGENTS, Amounts, Units};
use crate::scalar::AgentId;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What there is to grant: amounts that are given back, budgets that are used up, and agents by name.
///
/// Without any, files can be leased, and every other need is denied.
///
/// ```
/// use coordination_protocol::coordination::resources::{Budget, Inventory, Units};
/// use std::time::Duration;
///
/// let inventory = Inventory::new()
///     .with("agents", Units::whole(8))
///     .with("memory_gb", Units::whole(32))
///     .with_budget("tokens", Budget::new(Units::whole(1_000_000), Duration::from_secs(3_600)));
/// assert_eq!(inventory.amounts.get("agents"), Units::whole(8));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Inventory {
    /// What is given back at the end of a grant.
    #[serde(default, skip_serializing_if = "Amounts::is_empty")]
    pub amounts: Amounts,
    /// What is used up, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub budgets: BTreeMap<SmolStr, Budget>,
    /// The agents by name, with what they are capable of. If there are any, they are the agents that there are.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub agents: BTreeMap<AgentId, BTreeSet<String>>,
    /// The words of performance that it offers; `standard` if none is named.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub performance: BTreeSet<SmolStr>,
}

impl Inventory {
    /// Nothing.
    pub fn new() -> Self {
        Inventory::default()
    }

    /// Sets an amount.
    pub fn with(mut self, name: &str, amount: Units) -> Self {
        self.amounts.set(name, amount);
        self
    }

    /// Sets a budget.
    pub fn with_budget(mut self, name: &str, budget: Budget) -> Self {
        self.budgets.insert(SmolStr::new(name), budget);
        self
    }

    /// Adds an agent by name. Agents are counted from then on, whatever [`with`](Self::with) says.
    pub fn with_agent(
        mut self,
        agent: AgentId,
        capabilities: impl IntoIterator<Item = String>,
    ) -> Self {
        self.agents.insert(agent, capabilities.into_iter().collect());
        self
    }

    /// Adds a word of performance that it offers.
    pub fn with_performance(mut self, word: &str) -> Self {
        self.performance.insert(SmolStr::new(word));
        self
    }

    /// How much there is of what is given back.
    pub fn capacity(&self, name: &str) -> Units {
        if name == AGENTS && !self.agents.is_empty() {
            return Units::whole(self.agents.len() as u64);
        }
        self.amounts.get(name)
    }

    /// Whether a word of performance is offered.
    pub fn offers(&self, performance: &str) -> bool {
        if self.performance.is_empty() {
            return performance == "standard";
        }
        self.performance.contains(performance)
    }
}

/// How much of a consumable may be used up in a window of time. Windows begin at multiples of their length since
/// 1970-01-01T00:00:00Z, and what is left of one is not carried over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Budget {
    /// How much of it.
    pub limit: Units,
    /// The length of a window, at least a second.
    pub window: Duration,
}

impl Budget {
    /// A budget; a window shorter than a second is one of a second.
    pub fn new(limit: Units, window: Duration) -> Self {
        Budget { limit, window: window.max(Duration::from_secs(1)) }
    }

    /// The window that a moment lies in, in milliseconds since 1970.
    pub(super) fn window_of(&self, wall: i64) -> i64 {
        wall.div_euclid(self.length())
    }

    /// When the window behind one begins.
    pub(super) fn next(&self, window: i64) -> i64 {
        (window + 1).saturating_mul(self.length())
    }

    fn length(&self) -> i64 {
        i64::try_from(self.window.as_millis()).unwrap_or(i64::MAX).max(1_000)
    }
}
