//! A naive three-way merge over `serde_json::Value`: it looks at everything, remembers nothing, and
//! shares only the rows with the crate.

use coordination_protocol::merge::{MergeRule, Row, Strategy};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

pub(super) struct Oracle<'r> {
    pub(super) rows: &'r [Row],
    pub(super) strategy: Strategy,
    /// Whether ours is the newer document, or theirs, or neither.
    newer: Option<bool>,
    pub(super) conflicts: BTreeSet<String>,
    /// Whether the result differs from ours, and from theirs.
    differs: [bool; 2],
}

type Side<'v> = Option<&'v Value>;

/// Nanoseconds since the epoch, for the spellings that the generator uses.
fn nanos(text: &str) -> Option<i128> {
    let (date, rest) = text.split_once('T')?;
    if date != "2025-01-15" {
        return None;
    }
    let (time, offset) = match rest.split_once('+') {
        Some((time, offset)) => (time, offset.split_once(':')?.0.parse::<i128>().ok()?),
        None => (rest.strip_suffix('Z')?, 0),
    };
    let parts: Vec<&str> = time.split(':').collect();
    let hours: i128 = parts[0].parse().ok()?;
    let minutes: i128 = parts[1].parse().ok()?;
    let (seconds, fraction) = parts[2].split_once('.').unwrap_or((parts[2], ""));
    let seconds: i128 = seconds.parse().ok()?;
    let fraction: i128 = format!("{fraction:0<9}").parse().ok()?;
    Some((((hours - offset) * 60 + minutes) * 60 + seconds) * 1_000_000_000 + fraction)
}

/// Whether two values mean the same.
pub(super) fn same(a: Side<'_>, b: Side<'_>) -> bool {
    match (a, b) {
        (None, None) => true,
        (Some(Value::Number(a)), Some(Value::Number(b))) => a.as_f64() == b.as_f64(),
        (Some(Value::Array(a)), Some(Value::Array(b))) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(Some(a), Some(b)))
        }
        (Some(Value::Object(a)), Some(Value::Object(b))) => {
            a.len() == b.len() && a.iter().all(|(key, value)| same(Some(value), b.get(key)))
        }
        (a, b) => a == b,
    }
}

fn escaped(path: &[String]) -> String {
    path.iter().map(|key| format!("/{}", key.replace('~', "~0").replace('/', "~1"))).collect()
}

impl<'r> Oracle<'r> {
    pub(super) fn new(rows: &'r [Row], strategy: Strategy) -> Self {
        let conflicts = BTreeSet::new();
        Oracle { rows, strategy, newer: None, conflicts, differs: [false; 2] }
    }

    /// The row of a place: the one that has a name where others have `*`, from the left.
    pub(super) fn row(&self, path: &[String]) -> Option<&'r Row> {
        let matching = self.rows.iter().filter(|row| {
            let keys: Vec<&str> = row.pointer().split('/').skip(1).collect();
            keys.len() == path.len()
                && keys.iter().zip(path).all(|(key, own)| {
                    *key == "*" || key.replace("~1", "/").replace("~0", "~") == *own
                })
        });
        matching
            .min_by_key(|row| row.pointer().split('/').map(|key| key == "*").collect::<Vec<_>>())
    }

    pub(super) fn merge(&mut self, base: &Value, ours: &Value, theirs: &Value) -> Value {
        let moment = |value: &Value| value.get("timestamp")?.as_str().and_then(nanos);
        self.newer = moment(ours).zip(moment(theirs)).filter(|(a, b)| a != b).map(|(a, b)| a > b);
        let mut merged = self.value(&mut Vec::new(), Some(base), Some(ours), Some(theirs)).unwrap();
        let whole = !same(Some(base), Some(ours)) && !same(Some(base), Some(theirs));
        let versions = (ours["state_version"].as_u64(), theirs["state_version"].as_u64());
        if let (true, (Some(own), Some(other))) = (whole && ours != theirs, versions)
            && !same(Some(ours), Some(theirs))
        {
            let [not_ours, not_theirs] = self.differs;
            let stays = self.conflicts.is_empty()
                && (own < other || !not_ours)
                && (other < own || !not_theirs);
            merged["state_version"] = Value::from(own.max(other) + u64::from(!stays));
        }
        merged
    }

    fn take(
        &mut self,
        path: &[String],
        result: Side<'_>,
        ours: Side<'_>,
        theirs: Side<'_>,
    ) -> Option<Value> {
        let about = (1..=path.len()).any(|end| self.row(&path[..end]).is_some_and(Row::is_about));
        if !about {
            self.differs[0] |= !same(result, ours);
            self.differs[1] |= !same(result, theirs);
        }
        result.cloned()
    }

    fn conflict<'v>(&mut self, path: &[String], ours: Side<'v>, theirs: Side<'v>) -> Side<'v> {
        match self.strategy {
            Strategy::Ours => ours,
            Strategy::Theirs => theirs,
            _ => {
                self.conflicts.insert(escaped(path));
                ours
            }
        }
    }

    /// The side that the sibling of a value was taken from, where the sides have different ones.
    fn followed<'v>(
        &self,
        path: &[String],
        sibling: &str,
        parents: [Side<'v>; 3],
    ) -> Result<[Side<'v>; 3], Option<bool>> {
        let key = path.last().unwrap();
        let own = parents.map(|parent| parent.and_then(|parent| parent.get(key)));
        let [base, ours, theirs] =
            parents.map(|parent| parent.and_then(|parent| parent.get(sibling)));
        if same(ours, theirs) {
            return Ok(if same(base, ours) { own } else { [None, own[1], own[2]] });
        }
        if same(theirs, base) {
            return Err(Some(true));
        }
        if same(ours, base) {
            return Err(Some(false));
        }
        let mut place = path.to_vec();
        sibling.clone_into(place.last_mut().unwrap());
        // A merge of its own, so that nothing is noted twice.
        let mut other = Oracle { newer: self.newer, ..Oracle::new(self.rows, self.strategy) };
        let result = other.settled(&place, base, ours, theirs);
        if !other.conflicts.is_empty() {
            return Err(None);
        }
        Err(Some(same(result.as_ref(), ours)))
    }

    fn settled(
        &mut self,
        path: &[String],
        base: Side<'_>,
        ours: Side<'_>,
        theirs: Side<'_>,
    ) -> Option<Value> {
        let rule = self.row(path).map_or(MergeRule::Members, Row::rule);
        let manual = self.strategy == Strategy::Manual;
        let number = |value: Side<'_>| value.and_then(Value::as_f64);
        let text = |value: Side<'_>| value.and_then(Value::as_str).and_then(nanos);
        let greater = |left: bool| if left { ours } else { theirs };
        let result = match rule {
            _ if manual => self.conflict(path, ours, theirs),
            MergeRule::Ours => ours,
            MergeRule::Theirs => theirs,
            MergeRule::Newer => match self.newer {
                Some(ours_is) => greater(ours_is),
                None => self.conflict(path, ours, theirs),
            },
            MergeRule::RemoveWins if ours.is_none() || theirs.is_none() => None,
            MergeRule::ChangeWins if ours.is_none() || theirs.is_none() => ours.or(theirs),
            MergeRule::Highest | MergeRule::Lowest => match (number(ours), number(theirs)) {
                (Some(a), Some(b)) => greater((a > b) == (rule == MergeRule::Highest)),
                _ => self.conflict(path, ours, theirs),
            },
            MergeRule::Latest => match (text(ours), text(theirs)) {
                (Some(a), Some(b)) if a == b => ours.max_by_spelling(theirs),
                (Some(a), Some(b)) => greater(a > b),
                _ => self.conflict(path, ours, theirs),
            },
            MergeRule::Either if ours.is_some() && theirs.is_some() => Some(&Value::Bool(true)),
            MergeRule::Union => match (ours, theirs) {
                (Some(Value::Array(ours)), Some(Value::Array(theirs))) => {
                    let base = base.and_then(Value::as_array).cloned().unwrap_or_default();
                    let mut kept: Vec<Value> = Vec::new();
                    for item in &base {
                        if ours.contains(item) && theirs.contains(item) && !kept.contains(item) {
                            kept.push(item.clone());
                        }
                    }
                    let added: BTreeSet<String> = ours
                        .iter()
                        .chain(theirs)
                        .filter(|item| !base.contains(item))
                        .map(Value::to_string)
                        .collect();
                    kept.extend(
                        added.iter().map(|text| serde_json::from_str::<Value>(text).unwrap()),
                    );
                    return Some(Value::Array(kept));
                }
                _ => self.conflict(path, ours, theirs),
            },
            _ => self.conflict(path, ours, theirs),
        };
        result.cloned()
    }

    fn value(
        &mut self,
        path: &mut Vec<String>,
        base: Side<'_>,
        ours: Side<'_>,
        theirs: Side<'_>,
    ) -> Option<Value> {
        if same(theirs, base) {
            return self.take(path, ours, ours, theirs);
        }
        if same(ours, base) {
            return self.take(path, theirs, ours, theirs);
        }
        if same(ours, theirs) {
            return self.take(path, ours, ours, theirs);
        }
        let rule = self.row(path).map_or(MergeRule::Members, Row::rule);
        let recurses =
            matches!(rule, MergeRule::Members | MergeRule::RemoveWins | MergeRule::ChangeWins);
        let (Some(Value::Object(own)), Some(Value::Object(other)), true) = (ours, theirs, recurses)
        else {
            if rule == MergeRule::Version {
                return ours.cloned();
            }
            let result = self.settled(path, base, ours, theirs);
            return self.take(path, result.as_ref(), ours, theirs);
        };
        let keys: BTreeSet<&String> = own.keys().chain(other.keys()).collect();
        let mut out = Map::new();
        let parent = base.filter(|base| base.is_object());
        for key in keys {
            path.push(key.clone());
            let sibling = self.row(path).and_then(Row::sibling);
            let sides = [parent.and_then(|base| base.get(key)), own.get(key), other.get(key)];
            let follow = match sibling {
                Some(sibling) => self.followed(path, sibling, [parent, ours, theirs]),
                None => Ok(sides),
            };
            let merged = match follow {
                Ok([base, ours, theirs]) => self.value(path, base, ours, theirs),
                Err(Some(left)) => {
                    let taken = if left { sides[1] } else { sides[2] };
                    self.take(path, taken, sides[1], sides[2])
                }
                Err(None) if same(sides[1], sides[2]) => sides[1].cloned(),
                Err(None) => {
                    let taken = self.conflict(path, sides[1], sides[2]);
                    self.take(path, taken, sides[1], sides[2])
                }
            };
            if let Some(merged) = merged {
                out.insert(key.clone(), merged);
            }
            path.pop();
        }
        Some(Value::Object(out))
    }
}

trait BySpelling: Sized {
    fn max_by_spelling(self, other: Self) -> Self;
}

impl BySpelling for Side<'_> {
    fn max_by_spelling(self, other: Self) -> Self {
        if self.map(Value::to_string) >= other.map(Value::to_string) { self } else { other }
    }
}
