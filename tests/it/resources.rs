//! The resource manager against a look at everything, over random sequences.

mod desk;
mod laws;
mod oracle;
mod rules;

use coordination_protocol::coordination::resources::{
    Amounts, Budget, Decider, DecisionRecord, Fallback, Inventory, Need, PathLease, Pool,
    PoolOptions, Ruling, Submission, Units,
};
use coordination_protocol::path::PathPattern;
use coordination_protocol::scalar::{Instant, Now, RequestId, WorkflowId};
use std::time::Duration;

/// 2025-01-15T12:00:00Z.
const NOON: i64 = 1_736_942_400_000;

/// A second, on both clocks.
fn at(seconds: u64) -> Now {
    Now::new(Instant::from_millis(seconds * 1_000), NOON + seconds.cast_signed() * 1_000)
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn agents(count: u64, lasts: u64) -> Need {
    Need::new().with("agents", Units::whole(count)).with_duration(seconds(lasts))
}

fn file(path: &str, lasts: u64) -> Need {
    let path = PathPattern::new(path).unwrap();
    Need::new().with_path(PathLease::exclusive(path)).with_duration(seconds(lasts))
}

fn with_file(need: Need, path: &str) -> Need {
    need.with_path(PathLease::exclusive(PathPattern::new(path).unwrap()))
}

fn ask(id: &str, workflow: &str, need: Need) -> Submission {
    let (id, workflow) = (RequestId::new(id).unwrap(), WorkflowId::new(workflow).unwrap());
    Submission::new(id, workflow, "worker", need)
}

fn waits(id: &str, workflow: &str, need: Need) -> Submission {
    ask(id, workflow, need).with_fallback(Fallback::new().queued())
}

/// A pool with its log and its rules.
struct Desk {
    pool: Pool,
    log: Vec<DecisionRecord>,
    now: Now,
}

impl Desk {
    fn new(inventory: Inventory) -> Self {
        Desk::with(inventory, PoolOptions::new().with_promise_slack(Duration::ZERO))
    }

    fn with(inventory: Inventory, options: PoolOptions) -> Self {
        let mut desk = Desk { pool: Pool::new(), log: Vec::new(), now: at(0) };
        desk.decide(|decider| {
            decider.open(1, "boot");
            decider.set_rules(options);
            decider.set_inventory(inventory);
        });
        desk
    }

    /// Decides something now, after what is due.
    fn decide<T>(&mut self, what: impl FnOnce(&mut Decider<'_>) -> T) -> T {
        let mut decider = Decider::new(&mut self.pool, self.now);
        decider.due(|_| true);
        let result = what(&mut decider);
        self.log.extend(decider.into_records());
        result
    }

    #[allow(clippy::needless_pass_by_value, reason = "requests are made where they are used")]
    fn submit(&mut self, submission: Submission) -> Ruling {
        self.decide(|decider| decider.submit(&submission)).unwrap()
    }

    /// Goes on to a second, and does on the way what is due when it is due.
    fn go_to(&mut self, second: u64) {
        let end = at(second);
        while let Some(due) = self.pool.due().filter(|due| *due <= end.at) {
            let later = i64::try_from(due.since(self.now.at).as_millis()).unwrap();
            let wall = self.now.wall.unix_millis() + later;
            self.now = Now::new(due.max(self.now.at), wall);
            self.decide(|_| ());
        }
        self.now = end;
        self.decide(|_| ());
    }
}

fn eight_agents() -> Inventory {
    Inventory::new().with("agents", Units::whole(8)).with("memory_gb", Units::whole(16))
}

fn with_tokens() -> Inventory {
    eight_agents().with_budget("tokens", Budget::new(Units::whole(100), seconds(600)))
}

fn nothing() -> Amounts {
    Amounts::new()
}
