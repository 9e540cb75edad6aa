//! Policies and conflicts as machines keep them in their snapshots.

use super::Conflict;
use super::apply_rule::Cause;
use super::policy::MergePolicy;
use super::rule::{MergeRule, Strategy};
use crate::json::{Json, Limits};
use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[derive(Serialize)]
struct PolicyRef<'p> {
    clock: &'p str,
    strategy: &'p str,
    rows: Json,
}

#[derive(Deserialize)]
struct PolicyForm {
    clock: String,
    strategy: Strategy,
    rows: Json,
}

impl Serialize for MergePolicy {
    /// The clock, the strategy and the rows.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let strategy = self.strategy().as_str();
        // A value of its own, as it is read.
        let rows = Json::of(self.rows()).map_err(S::Error::custom)?;
        PolicyRef { clock: self.clock(), strategy, rows }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for MergePolicy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let form = PolicyForm::deserialize(deserializer)?;
        let limits = Limits::default().with_bytes(usize::MAX);
        let rows =
            MergePolicy::rows_from_json(form.rows.as_str(), &limits).map_err(D::Error::custom)?;
        let policy = MergePolicy::empty().with_rows(rows).with_strategy(form.strategy);
        policy.with_clock(&form.clock).map_err(D::Error::custom)
    }
}

#[derive(Deserialize)]
struct ConflictForm {
    pointer: String,
    base: Option<Json>,
    ours: Option<Json>,
    theirs: Option<Json>,
    rule: MergeRule,
    cause: Cause,
}

impl<'de> Deserialize<'de> for Conflict {
    /// The object that [`Conflict`] is written as.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let form = ConflictForm::deserialize(deserializer)?;
        let ConflictForm { pointer, base, ours, theirs, rule, cause } = form;
        Ok(Conflict { pointer, base, ours, theirs, rule, cause })
    }
}
