//! Who may vote, and how many votes decide.

use crate::scalar::ComponentId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How much weight of all voters has to accept.
///
/// Two quorums that are both more than half share a voter. Smaller ones need not, so two proposals
/// of one version may both be approved; the store still commits one of them only.
///
/// ```
/// use coordination_protocol::machine::Quorum;
///
/// assert_eq!(Quorum::MAJORITY.needed(5), 3);
/// assert_eq!(Quorum::ALL.needed(5), 5);
/// assert_eq!(Quorum::weight(2).needed(5), 2);
/// assert_eq!(Quorum::fraction(2, 3).unwrap().needed(5), 4);
/// assert!(Quorum::fraction(4, 3).is_none());
/// ```
#[doc(alias = "majority")]
#[doc(alias = "consensus")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Quorum(Rule);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
enum Rule {
    MoreThanHalf,
    AtLeast { part: u32, of: u32 },
    Weight(u64),
}

impl Quorum {
    /// More than half of the weight.
    pub const MAJORITY: Self = Quorum(Rule::MoreThanHalf);

    /// All of the weight.
    pub const ALL: Self = Quorum(Rule::AtLeast { part: 1, of: 1 });

    /// At least so much weight.
    pub const fn weight(weight: u64) -> Self {
        Quorum(Rule::Weight(weight))
    }

    /// At least such a fraction of the weight; `None` unless it is above 0 and at most 1.
    pub const fn fraction(part: u32, of: u32) -> Option<Self> {
        if part == 0 || part > of { None } else { Some(Quorum(Rule::AtLeast { part, of })) }
    }

    /// The weight that has to accept, of so much in all. At least 1.
    pub fn needed(self, total: u64) -> u64 {
        let needed = match self.0 {
            // More than half, not half: two halves share no voter, and could accept two states.
            Rule::MoreThanHalf => total / 2 + 1,
            Rule::AtLeast { part, of } => {
                // In 128 bits, since the product of a weight and a part can pass 64. Rounded up:
                // two thirds of five are four.
                let product = u128::from(total) * u128::from(part);
                u64::try_from(product.div_ceil(u128::from(of.max(1)))).unwrap_or(u64::MAX)
            }
            Rule::Weight(weight) => weight,
        };
        // A need of 0 would let an empty set of voters commit.
        needed.max(1)
    }
}

impl Default for Quorum {
    fn default() -> Self {
        Quorum::MAJORITY
    }
}

/// The components whose votes count, each with the most weight that its vote may have.
///
/// ```
/// use coordination_protocol::machine::VoterSet;
/// use coordination_protocol::scalar::ComponentId;
///
/// let name = |text| ComponentId::new(text);
/// let voters = VoterSet::new([name("a")?, name("b")?]).with(name("hub")?, 3);
/// assert_eq!((voters.len(), voters.total()), (3, 5));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoterSet(#[serde(with = "crate::machine::pairs")] BTreeMap<ComponentId, u32>);

impl VoterSet {
    /// Components whose votes count once each.
    pub fn new(voters: impl IntoIterator<Item = ComponentId>) -> Self {
        VoterSet(voters.into_iter().map(|voter| (voter, 1)).collect())
    }

    /// Adds a component, or sets its weight. A vote states its own weight, 1 if it says nothing;
    /// this is the most that it counts for.
    pub fn with(mut self, voter: ComponentId, weight: u32) -> Self {
        self.0.insert(voter, weight);
        self
    }

    /// The most that a component's vote counts for; `None` if it may not vote.
    pub fn weight(&self, voter: &ComponentId) -> Option<u32> {
        self.0.get(voter).copied()
    }

    /// The components with their weights, in order.
    pub fn voters(&self) -> impl Iterator<Item = (&ComponentId, u32)> {
        self.0.iter().map(|(voter, weight)| (voter, *weight))
    }

    /// How many components there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no voter.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The weight of all.
    pub fn total(&self) -> u64 {
        // Cannot overflow: 2^32 voters of the largest weight are below 2^64.
        self.0.values().map(|weight| u64::from(*weight)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::{Quorum, VoterSet};
    use crate::scalar::ComponentId;

    /// Two majorities always share a voter; half of the weight is none.
    #[test]
    fn majorities_meet() {
        for total in 0..=1_000 {
            let needed = Quorum::MAJORITY.needed(total);
            assert!(2 * needed > total && (total == 0 || needed <= total), "{needed} of {total}");
            assert!(2 * (needed - 1) <= total, "{needed} of {total} is more than it takes");
        }
    }

    /// The least weight that is at least the fraction.
    #[test]
    fn fractions_round_up() {
        for (part, of) in [(1, 1), (1, 2), (2, 3), (3, 4), (1, 7), (7, 7)] {
            let quorum = Quorum::fraction(part, of).unwrap();
            for total in 1..=100 {
                let needed = quorum.needed(total);
                let enough = |weight: u64| weight * u64::from(of) >= total * u64::from(part);
                assert!(
                    enough(needed) && (needed == 1 || !enough(needed - 1)),
                    "{part}/{of} of {total}"
                );
            }
        }
        assert_eq!(
            [Quorum::fraction(0, 3), Quorum::fraction(4, 3), Quorum::fraction(0, 0)],
            [None; 3]
        );
    }

    #[test]
    fn nothing_overflows_and_nothing_is_free() {
        assert_eq!(Quorum::MAJORITY.needed(u64::MAX), u64::MAX / 2 + 1);
        assert_eq!(Quorum::ALL.needed(u64::MAX), u64::MAX);
        let most = Quorum::fraction(u32::MAX, u32::MAX).unwrap();
        assert_eq!(most.needed(u64::MAX), u64::MAX);
        for quorum in [Quorum::MAJORITY, Quorum::ALL, Quorum::weight(0)] {
            assert_eq!(quorum.needed(0), 1);
        }
        let name = |text| ComponentId::new(text).unwrap();
        let voters = VoterSet::default().with(name("a"), u32::MAX).with(name("b"), u32::MAX);
        assert_eq!(voters.total(), 2 * u64::from(u32::MAX));
    }
}
