//! What a trace must not show: one row a rule.

use std::fmt;

/// Where something stands: the number of a line, or a position in a log.
pub type TracePlace = u64;

/// Expands the rules.
macro_rules! rules {
    ($($rule:ident $code:literal $summary:literal;)+) => {
        /// What a trace must not show.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum TraceRule {
            $(#[doc = $summary] $rule,)+
        }

        impl TraceRule {
            /// All rules.
            pub const ALL: &'static [TraceRule] = &[$(TraceRule::$rule),+];

            /// The word for programs.
            pub const fn code(self) -> &'static str {
                match self { $(TraceRule::$rule => $code,)+ }
            }

            /// What it says, in a sentence.
            pub const fn summary(self) -> &'static str {
                match self { $(TraceRule::$rule => $summary,)+ }
            }
        }
    };
}

rules! {
    NotBegun "not-begun" "Something goes on, or ends, that never began.";
    AfterEnd "after-end" "Something goes on that has ended.";
    OutOfOrder "out-of-order" "An event does not belong to the state that it meets.";
    AfterWorkflow "after-workflow" "Work goes on in a workflow that has ended.";
    OtherAgent "other-agent" "An agent tells of a task that another one has.";
    StaleAttempt "stale-attempt" "What an attempt did was taken although a later one runs.";
    StaleEpoch "stale-epoch" "An event of before a rollback was taken behind it.";
    StaleFence "stale-fence" "A grant has a token that is no greater than those before it, or is given back with another.";
    DoubleGrant "double-grant" "A grant that is held is granted again.";
    Overlap "overlap" "Two hold paths that overlap, and one of them alone.";
    UnknownGrant "unknown-grant" "Something is given back that was not granted.";
    LeakedGrant "leaked-grant" "A workflow has ended, and holds something.";
    OpenWork "open-work" "A workflow has ended well, and a phase or a task of it has not.";
    NoEnd "no-end" "The trace ends, and a workflow has not.";
    ProgressBack "progress-back" "A phase reports less progress than before.";
    ClockBack "clock-back" "A source tells an earlier time than before.";
    UnaskedAnswer "unasked-answer" "An answer to a request that was not asked.";
}

/// Something in a trace that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TraceViolation {
    /// The rule.
    pub rule: TraceRule,
    /// Where.
    pub place: TracePlace,
    /// What it contradicts, if that has a place.
    pub contradicts: Option<TracePlace>,
    /// The workflow.
    pub workflow: String,
    /// What is wrong, in a sentence.
    pub detail: String,
}

impl fmt::Display for TraceViolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule.code(), crate::scalar::printable(&self.detail))?;
        match self.contradicts {
            Some(place) => write!(f, " (see {place})"),
            None => Ok(()),
        }
    }
}
