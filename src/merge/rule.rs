//! The rules: how two changes of one value become one.

use crate::scalar::words;

/// Defines the rules from their table: summary, variant, word, whether it is a join.
macro_rules! rules {
    ($($summary:literal $variant:ident $word:literal $join:literal;)+) => {
        words! {
            /// How a value is merged that both sides changed, each in its own way.
            ///
            /// A rule is a *join* if merging by it is commutative, associative and idempotent, for
            /// any number of replicas that started from one base and for values that it can order:
            /// they converge, in whatever order they meet.
            MergeRule "no rule of merging" {
                $(#[doc = $summary] $variant $word,)+
            }
        }

        impl MergeRule {
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

words! {
    /// What becomes of what the rules do not settle.
    #[derive(Default)]
    Strategy "no strategy of merging; merge, ours, theirs and manual are" {
        /// It is a conflict.
        #[default]
        Merge "merge",
        /// Our value is taken. Rules settle what they can first.
        Ours "ours",
        /// Their value is taken. Rules settle what they can first.
        Theirs "theirs",
        /// No rule is asked: whatever both sides changed, each in its own way, is a conflict.
        /// Objects are still merged member by member, and versions counted.
        Manual "manual",
    }
}
