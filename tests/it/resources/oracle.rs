//! What a look at everything says: lists of what is taken, and every moment at which something changes.

use super::{Desk, at};
use coordination_protocol::coordination::resources::{
    Decision, DecisionRecord, Grant, Inventory, Need, PathLease, Pool, Submission, Units,
};
use coordination_protocol::scalar::{Instant, RequestId};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Something that is taken from one moment to before another.
pub(super) struct Taken<'a> {
    pub(super) who: String,
    pub(super) need: &'a Need,
    pub(super) start: Instant,
    pub(super) end: Instant,
}

/// All that is taken, by grants and by plans.
pub(super) fn taken(pool: &Pool) -> Vec<Taken<'_>> {
    let grants = pool.grants().map(|grant| Taken {
        who: grant.allocation_id.to_string(),
        need: &grant.need,
        start: Instant::START,
        end: grant.end,
    });
    let plans = pool.waiting().filter_map(|waiting| {
        let start = waiting.promise?.start;
        let need = &waiting.submission.need;
        let end = start.after(need.duration.unwrap()).unwrap();
        Some(Taken { who: waiting.submission.request_id.to_string(), need, start, end })
    });
    grants.chain(plans).collect()
}

fn excludes(a: &PathLease, b: &PathLease) -> bool {
    a.access.excludes(b.access) && a.path.overlaps(&b.path)
}

/// Whether a need can start at a moment: it is looked at in every moment at which anything changes.
pub(super) fn fits(pool: &Pool, need: &Need, start: Instant) -> bool {
    let all = taken(pool);
    let end = start.after(need.duration.unwrap()).unwrap();
    let moments = all.iter().map(|taken| taken.start).filter(|s| start < *s && *s < end);
    for moment in moments.chain([start]) {
        let present: Vec<&Taken<'_>> =
            all.iter().filter(|taken| taken.start <= moment && moment < taken.end).collect();
        for (name, amount) in need.amounts.iter() {
            if pool.inventory().budgets.contains_key(name) {
                continue;
            }
            let sum: u64 =
                present.iter().map(|taken| taken.need.amounts.get(name).thousandths()).sum();
            if sum + amount.thousandths() > pool.inventory().capacity(name).thousandths() {
                return false;
            }
        }
        let others = present.iter().flat_map(|taken| &taken.need.paths);
        if others.into_iter().any(|other| need.paths.iter().any(|own| excludes(own, other))) {
            return false;
        }
    }
    budget_fits(pool, need, start)
}

fn budget_fits(pool: &Pool, need: &Need, start: Instant) -> bool {
    let window_of = |moment: Instant, length: Duration| {
        let wall = at(0).wall.unix_millis() + i64::try_from(moment.as_nanos() / 1_000_000).unwrap();
        wall.div_euclid(i64::try_from(length.as_millis()).unwrap())
    };
    need.amounts.iter().all(|(name, amount)| {
        let Some(budget) = pool.inventory().budgets.get(name) else { return true };
        let window = window_of(start, budget.window);
        // What is used up is not in a list of what is taken, so the pool is asked for that window's sum, and
        // the law of budgets holds it to the log.
        let wall = budget.window.as_millis() * u128::try_from(window).unwrap();
        let wall = coordination_protocol::WallTime::from_unix_millis(i64::try_from(wall).unwrap());
        pool.charged(name, wall).thousandths() + amount.thousandths() <= budget.limit.thousandths()
    })
}

/// The first moment at which a need can start, of all at which anything ends, and at which a window begins.
pub(super) fn earliest(pool: &Pool, need: &Need, now: Instant) -> Option<Instant> {
    let mut moments: Vec<Instant> = taken(pool).iter().map(|taken| taken.end).collect();
    moments.push(now);
    for budget in pool.inventory().budgets.values() {
        let length = u64::try_from(budget.window.as_millis()).unwrap();
        let noon = at(0).wall.unix_millis().cast_unsigned();
        for window in 0..40 {
            let begins = (noon / length + window) * length;
            moments.extend(begins.checked_sub(noon).map(Instant::from_millis));
        }
    }
    moments.retain(|moment| *moment >= now);
    moments.sort_unstable();
    moments.into_iter().find(|moment| fits(pool, need, *moment))
}

/// The invariants of a pool and of the log that it is the fold of. The first that is broken is told.
pub(super) fn check(desk: &Desk) -> Result<(), String> {
    state(&desk.pool)?;
    log(&desk.log)?;
    if Pool::fold(&desk.log) != desk.pool {
        return Err("the fold of the log is another pool".to_owned());
    }
    let text = serde_json::to_string(&desk.pool).map_err(|error| error.to_string())?;
    let read: Pool = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    if read != desk.pool || serde_json::to_string(&read).unwrap() != text {
        return Err("the pool that was stored is another one".to_owned());
    }
    Ok(())
}

fn state(pool: &Pool) -> Result<(), String> {
    let all = taken(pool);
    for moment in all.iter().map(|taken| taken.start) {
        let present: Vec<&Taken<'_>> =
            all.iter().filter(|taken| taken.start <= moment && moment < taken.end).collect();
        let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
        for (name, amount) in present.iter().flat_map(|taken| taken.need.amounts.iter()) {
            *sums.entry(name).or_default() += amount.thousandths();
        }
        sums.retain(|name, _| !pool.inventory().budgets.contains_key(*name));
        for (name, sum) in sums {
            if sum > pool.inventory().capacity(name).thousandths() {
                return Err(format!("at {moment} more of {name} is taken than there is"));
            }
        }
        for (at, one) in present.iter().enumerate() {
            for other in &present[at + 1..] {
                let pairs = one
                    .need
                    .paths
                    .iter()
                    .flat_map(|a| other.need.paths.iter().map(move |b| (a, b)));
                if let Some((a, b)) = pairs.into_iter().find(|(a, b)| excludes(a, b)) {
                    return Err(format!(
                        "at {moment} {} holds {} and {} holds {}",
                        one.who, a.path, other.who, b.path
                    ));
                }
            }
        }
    }
    let orders: Vec<_> = pool.waiting().map(|waiting| waiting.order).collect();
    if !orders.is_sorted() {
        return Err("those that wait are out of order".to_owned());
    }
    Ok(())
}

/// What the log must not hold, whoever wrote it.
pub(super) fn log(records: &[DecisionRecord]) -> Result<(), String> {
    let mut asked: BTreeMap<RequestId, Submission> = BTreeMap::new();
    let mut promised: BTreeMap<RequestId, Instant> = BTreeMap::new();
    let mut open: BTreeMap<String, Grant> = BTreeMap::new();
    let mut ended: BTreeSet<String> = BTreeSet::new();
    let mut charged: BTreeMap<(String, i64), u64> = BTreeMap::new();
    let mut inventory = Inventory::new();
    let mut fence = None;
    for record in records {
        match &record.decision {
            Decision::Inventory { inventory: new } => inventory = new.clone(),
            Decision::Queued { waiting, .. } => {
                let request = &waiting.submission.request_id;
                asked.insert(request.clone(), waiting.submission.clone());
                if let Some(promise) = waiting.promise {
                    promised.insert(request.clone(), promise.latest);
                }
            }
            Decision::Planned { request_id, promise, .. } => {
                match promised.get(request_id) {
                    Some(latest) if promise.start > *latest || promise.latest > *latest => {
                        return Err(format!("{request_id} is planned behind its promise"));
                    }
                    _ => promised.insert(request_id.clone(), promise.latest),
                };
            }
            Decision::PromiseMoved { request_id, to, .. } => {
                match to {
                    Some(promise) => promised.insert(request_id.clone(), promise.latest),
                    None => promised.remove(request_id),
                };
            }
            Decision::WaitEnded { request_id, .. } => {
                promised.remove(request_id);
                if asked.remove(request_id).is_none() {
                    return Err(format!("{request_id} stops to wait and did not"));
                }
            }
            Decision::Granted { grant, .. } => {
                if fence.is_some_and(|last| grant.fence <= last) {
                    return Err(format!("the fence {} does not grow", grant.fence));
                }
                fence = Some(grant.fence);
                if let Some(latest) = promised.remove(&grant.request_id)
                    && record.at > latest
                {
                    return Err(format!("{} starts later than promised", grant.request_id));
                }
                if let Some(asked) = asked.remove(&grant.request_id)
                    && asked.need != grant.need
                {
                    return Err(format!("{} waited and got something else", grant.request_id));
                }
                for charge in &grant.charged {
                    let key = (charge.name.to_string(), charge.window);
                    let sum = charged.entry(key).or_default();
                    *sum += charge.amount.thousandths();
                    let limit = inventory.budgets.get(&charge.name).map(|budget| budget.limit);
                    if limit.is_some_and(|limit| *sum > limit.thousandths()) {
                        return Err(format!("more of {} is charged than there is", charge.name));
                    }
                }
                let id = grant.allocation_id.to_string();
                if ended.contains(&id) || open.insert(id.clone(), (**grant).clone()).is_some() {
                    return Err(format!("{id} is granted twice"));
                }
            }
            Decision::Ended { allocation_id, used, .. } => {
                let id = allocation_id.to_string();
                let Some(grant) = open.remove(&id) else {
                    return Err(format!("{id} ends and was not granted"));
                };
                for charge in &grant.charged {
                    let used = used.get(&charge.name).min(charge.amount);
                    let back = charge.amount.thousandths() - used.thousandths();
                    let key = (charge.name.to_string(), charge.window);
                    *charged.entry(key).or_default() -= back;
                }
                ended.insert(id);
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether a grant is no less than what was asked for but as the request permits.
pub(super) fn permitted(asked: &Submission, grant: &Grant) -> Result<(), String> {
    for (name, amount) in asked.need.amounts.iter() {
        let granted = grant.need.amounts.get(name);
        let fewer = name == "agents" && asked.fallback.fewer_agents && granted > Units::ZERO;
        if granted > amount || (granted < amount && !fewer) {
            return Err(format!("{name}: {amount} asked for and {granted} granted"));
        }
    }
    if grant.need.paths.len() != asked.need.paths.len() {
        return Err("other paths are granted".to_owned());
    }
    for (own, given) in asked.need.paths.iter().zip(&grant.need.paths) {
        if own != given && !(asked.fallback.shared && own.path == given.path) {
            return Err(format!("{} is granted as {given:?}", own.path));
        }
    }
    let (wanted, given) = (asked.need.duration, grant.need.duration);
    if given < wanted || (given > wanted && !asked.fallback.longer) {
        return Err(format!("{wanted:?} asked for and {given:?} granted"));
    }
    Ok(())
}
