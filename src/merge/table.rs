//! The table of merging: one row a field of a workflow's state, and no rule for a field is written
//! anywhere else.
//!
//! A row reads: pointer, rule, the sibling whose value it belongs to if there is one, whether it is
//! a join, and why. `about` marks what is said about the state and not by it: it makes no two
//! states different.

use super::row::Row;
use super::rule::MergeRule;

macro_rules! sibling {
    () => {
        None
    };
    ($key:literal) => {
        Some($key)
    };
}

macro_rules! policy_table {
    ($($pointer:literal $rule:ident $(of $key:literal)? $(, $flag:ident)* ; $summary:literal)+) => {
        /// How the fields of a [`WorkflowState`](crate::message::WorkflowState) are merged unless
        /// told otherwise. Pointers start at the state; `*` stands for any key.
        ///
        /// | pointer | rule | | why |
        /// |---|---|---|---|
        $(#[doc = concat!(
            "| `", $pointer, "` | [`", stringify!($rule), "`](MergeRule::", stringify!($rule), ")",
            $(" of `", $key, "`",)? " |", $(" ", stringify!($flag),)* " | ", $summary, " |",
        )])+
        pub static STATE_ROWS: &[Row] = &[$({
            #[allow(unused_mut)]
            let mut row = Row::fixed($pointer, MergeRule::$rule, sibling!($($key)?), $summary);
            $(row = row.$flag();)*
            row
        }),+];
    };
}

policy_table! {
    "/workflow_id" Manual; "Two workflows have no common state."
    "/state_version" Version, about; "A merged state is newer than both, unless it is one of them."
    "/timestamp" Latest, join, about; "A state is as young as the youngest it was made of."
    "/message_type" Manual; "There is only one word."
    "/epoch" Highest, join, about; "Nothing brings a line back that was given up."
    "/restored_version" Highest of "epoch", about; "It belongs to the epoch."
    "/checkpoint_id" Newer; "The later state knows the later checkpoint."
    "/current_phase" Members; "Field by field."
    "/current_phase/phase_id" Highest, join; "The phase that is further on; names have no order."
    "/current_phase/name" Newer of "phase_id"; "A renamed phase has the later name."
    "/current_phase/progress" Highest of "phase_id", join; "The progress of one phase only grows."
    "/current_phase/started_at" Latest of "phase_id", join; "A phase that was started again began later."
    "/current_phase/estimated_completion" Latest of "phase_id", join; "The later estimate is the safer one."
    "/agent_states" Members; "Agent by agent."
    "/agent_states/*" Members; "Field by field. An agent that one side removed and the other changed is a conflict."
    "/agent_states/*/status" Newer; "What it does now."
    "/agent_states/*/current_task" Newer; "What it works on now."
    "/agent_states/*/progress" Highest of "current_task"; "The progress of one task only grows."
    "/agent_states/*/performance_score" Newer; "The later measurement."
    "/resource_usage" Members; "Measurement by measurement."
    "/resource_usage/*" Newer; "The later measurement."
    "/validation_required" Union, join; "What either side needs checked, less what either side had checked."
    "/metadata" Members, about; "Field by field."
    "/metadata/last_update_source" Newer, about; "Who changed it last."
    "/metadata/synchronization_confidence" Lowest, join, about; "As sure as the least sure; `agreement` computes it anew."
    "/metadata/ancestors" Union, join, about; "What either side came from; `StateSync` keeps them."
    "/metadata/conflict_detected" Either, join, about; "A conflict that either side saw; `agreement` computes it anew."
}
