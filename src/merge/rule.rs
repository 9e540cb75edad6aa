//! The rules: how two changes of one value become one.

use std::fmt;
use std::str::FromStr;

/// Defines the rules from their table: summary, variant, word, whether it is a join.
macro_rules! rules {
    ($($summary:literal $variant:ident $word:literal $join:literal;)+) => {
        /// How a value is merged that both sides changed, each in its own way.
        ///
        /// A rule is a *join* if merging by it is commutative, associative and idempotent, for any
        /// number of replicas that started from one base and for values that it can order: they
        /// converge, in whatever order they meet.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum MergeRule {
            $(#[doc = $summary] $variant,)+
        }

        impl MergeRule {
            /// All rules.
            pub const ALL: &'static [MergeRule] = &[$(MergeRule::$variant),+];

            /// The word in policy files: `remove-wins`.
            pub const fn as_str(self) -> &'static str {
                match self { $(MergeRule::$variant => $word,)+ }
            }

            /// What it does, in a sentence.
            pub const fn summary(self) -> &'static str {
                match self { $(MergeRule::$variant => $summary,)+ }
            }

            /// Whether it is a join.
            pub const fn is_join(self) -> bool {
                match self { $(MergeRule::$variant => $join,)+ }
            }
        }
    };
}

rules! {
    "Objects are merged member by member; a removal against a change, and anything but objects, is a conflict. The default." Members "members" false;
    "Like `members`, but a removal goes before a change." RemoveWins "remove-wins" true;
    "Like `members`, but a change goes before a removal." ChangeWins "change-wins" true;
    "The later moment." Latest "latest" true;
    "The greater number." Highest "highest" true;
    "The smaller number." Lowest "lowest" true;
    "True if either side says so." Either "either" true;
    "Sets: without what either side removed, with what either side added." Union "union" true;
    "Counters: what both sides added, added up. It needs the true common ancestor as base; merging the same change twice counts it twice." Sum "sum" false;
    "The value of the side whose document has the later timestamp." Newer "newer" false;
    "Our value." Ours "ours" false;
    "Their value." Theirs "theirs" false;
    "A version: the greater one if the merged content is that side's, else one more than both." Version "version" false;
    "Always a conflict, objects as a whole." Manual "manual" false;
}

impl MergeRule {
    /// Whether objects are merged member by member.
    pub(super) const fn recurses(self) -> bool {
        matches!(self, MergeRule::Members | MergeRule::RemoveWins | MergeRule::ChangeWins)
    }
}

impl fmt::Display for MergeRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A word that is no rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no rule of merging")]
pub struct UnknownRule(pub(super) String);

impl FromStr for MergeRule {
    type Err = UnknownRule;

    fn from_str(word: &str) -> Result<Self, UnknownRule> {
        let known = MergeRule::ALL.iter().find(|rule| rule.as_str() == word);
        known.copied().ok_or_else(|| UnknownRule(word.to_owned()))
    }
}

impl serde::Serialize for MergeRule {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// What becomes of what the rules do not settle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Strategy {
    /// It is a conflict.
    #[default]
    Merge,
    /// Our value is taken. Rules settle what they can first.
    Ours,
    /// Their value is taken. Rules settle what they can first.
    Theirs,
    /// No rule is asked: whatever both sides changed, each in its own way, is a conflict. Objects
    /// are still merged member by member, and versions counted.
    Manual,
}

impl Strategy {
    /// All strategies.
    pub const ALL: &'static [Strategy] =
        &[Strategy::Merge, Strategy::Ours, Strategy::Theirs, Strategy::Manual];

    /// The word: `merge`, `ours`, `theirs` or `manual`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Strategy::Merge => "merge",
            Strategy::Ours => "ours",
            Strategy::Theirs => "theirs",
            Strategy::Manual => "manual",
        }
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A word that is no strategy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no strategy of merging; merge, ours, theirs and manual are")]
pub struct UnknownStrategy(String);

impl FromStr for Strategy {
    type Err = UnknownStrategy;

    fn from_str(word: &str) -> Result<Self, UnknownStrategy> {
        let known = Strategy::ALL.iter().find(|strategy| strategy.as_str() == word);
        known.copied().ok_or_else(|| UnknownStrategy(word.to_owned()))
    }
}
