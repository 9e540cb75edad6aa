//! Amounts of resources by name.

use crate::scalar::Amount;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::collections::BTreeMap;
use std::fmt;

/// An amount of one resource in whole thousandths, so that sums are exact.
///
/// ```
/// use coordination_protocol::coordination::resources::Units;
/// use coordination_protocol::scalar::Amount;
///
/// let memory = Units::from(&Amount::parse("2.5")?);
/// assert_eq!((memory.thousandths(), memory.to_string()), (2_500, "2.5".to_owned()));
/// // What is finer is rounded up: nobody gets more than was counted.
/// assert_eq!(Units::from(&Amount::parse("0.0001")?).to_string(), "0.001");
/// # Ok::<(), coordination_protocol::scalar::ScalarError>(())
/// ```
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Units(u64);

impl Units {
    /// Nothing.
    pub const ZERO: Self = Units(0);

    /// A whole amount; at most 2^64 / 1000.
    pub const fn whole(amount: u64) -> Self {
        Units(amount.saturating_mul(1_000))
    }

    /// An amount in thousandths.
    pub const fn from_thousandths(thousandths: u64) -> Self {
        Units(thousandths)
    }

    /// The amount in thousandths.
    pub const fn thousandths(self) -> u64 {
        self.0
    }

    /// Whether it is nothing.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// Whole ones of it, the rest left out.
    pub const fn floor(self) -> Self {
        Units(self.0 - self.0 % 1_000)
    }

    pub(super) const fn plus(self, other: Units) -> Units {
        Units(self.0.saturating_add(other.0))
    }

    pub(super) const fn minus(self, other: Units) -> Units {
        Units(self.0.saturating_sub(other.0))
    }

    /// The amount as messages spell it.
    pub fn to_amount(self) -> Amount {
        // Digits with at most one point are a number, and none is below zero.
        Amount::parse(&self.to_string()).unwrap_or_else(|_| Amount::from(0))
    }
}

impl From<&Amount> for Units {
    /// Finer than thousandths is rounded up; what cannot be counted is the largest amount.
    fn from(amount: &Amount) -> Self {
        Units(amount.to_millis())
    }
}

impl fmt::Display for Units {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / 1_000, self.0 % 1_000);
        if rest == 0 {
            return write!(f, "{whole}");
        }
        let rest = format!("{rest:03}");
        write!(f, "{whole}.{}", rest.trim_end_matches('0'))
    }
}

/// The name of agents in [`Amounts`]; they are given in whole ones.
pub const AGENTS: &str = "agents";
/// The name of memory in [`Amounts`], in GB of 10^9 bytes.
pub const MEMORY: &str = "memory_gb";
/// The name of processor cores in [`Amounts`].
pub const CORES: &str = "cpu_cores";

/// Amounts by the name of the resource: `agents`, `memory_gb`, `cpu_cores`, and any tool or budget by its own
/// name. What is not named is nothing.
///
/// ```
/// use coordination_protocol::coordination::resources::{Amounts, Units};
///
/// let amounts = Amounts::new().with("agents", Units::whole(3)).with("bash", Units::whole(2));
/// assert_eq!(amounts.get("agents"), Units::whole(3));
/// assert_eq!(amounts.get("web"), Units::ZERO);
/// assert_eq!(amounts.to_string(), "agents=3 bash=2");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Amounts(BTreeMap<SmolStr, Units>);

impl Amounts {
    /// Nothing.
    pub fn new() -> Self {
        Amounts::default()
    }

    /// The same with another amount of a resource.
    pub fn with(mut self, name: &str, amount: Units) -> Self {
        self.set(name, amount);
        self
    }

    /// Sets the amount of a resource.
    pub fn set(&mut self, name: &str, amount: Units) {
        if amount.is_zero() {
            self.0.remove(name);
        } else {
            self.0.insert(SmolStr::new(name), amount);
        }
    }

    /// The amount of a resource.
    pub fn get(&self, name: &str) -> Units {
        self.0.get(name).copied().unwrap_or_default()
    }

    /// Names and amounts, by name. None of the amounts is zero.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Units)> {
        self.0.iter().map(|(name, amount)| (name.as_str(), *amount))
    }

    /// Whether it is nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Amounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (name, amount)) in self.iter().enumerate() {
            write!(f, "{}{name}={amount}", if at == 0 { "" } else { " " })?;
        }
        Ok(())
    }
}
