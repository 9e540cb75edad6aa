//! How bad it may get: from this and a seed, a plan is drawn.

use super::Scenario;
use super::plan::{Act, Fault, Network, Plan, stream};
use crate::machine::Draws;

/// Bounds for what is drawn. Times are milliseconds, rates are per thousand.
///
/// Each plan draws its own figures below these, and often 0: some worlds lose messages and never
/// crash, others the other way round. Mixtures that are always the same would hide bugs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Conditions {
    /// The shortest and the longest usual time on the way. Default 1 to 200.
    pub latency: (u64, u64),
    /// How many messages are lost at most. Default 200.
    pub lost: u32,
    /// How many arrive twice at most. Default 200.
    pub repeated: u32,
    /// How many come late at most. Default 50.
    pub late: u32,
    /// How much later at most. Default 30 s.
    pub late_by: u64,
    /// The most crashes. Default 4.
    pub crashes: u32,
    /// The longest time down. Default 60 s.
    pub down: u64,
    /// How many crashes lose the disk. Default 250.
    pub wiped: u32,
    /// The most cuts. Default 2.
    pub cuts: u32,
    /// How long a cut lasts at most. Default 240 s.
    pub cut: u64,
    /// The most jumps of wall clocks. Default 1.
    pub shifts: u32,
    /// How far they jump at most, either way. Default 1 h.
    pub shift: u64,
    /// How many acts there are. Default 24.
    pub acts: u32,
    /// Faults and acts come before this. Default 300 s.
    pub calm: u64,
    /// The run ends here at the latest. Default 1,800 s.
    pub end: u64,
}

impl Default for Conditions {
    fn default() -> Self {
        Conditions {
            latency: (1, 200),
            lost: 200,
            repeated: 200,
            late: 50,
            late_by: 30_000,
            crashes: 4,
            down: 60_000,
            wiped: 250,
            cuts: 2,
            cut: 240_000,
            shifts: 1,
            shift: 3_600_000,
            acts: 24,
            calm: 300_000,
            end: 1_800_000,
        }
    }
}

/// Setters of fields, one each.
macro_rules! setters {
    ($($with:ident $field:ident: $type:ty, $sentence:literal;)+) => {
        impl Conditions {
            /// The usual bounds.
            pub fn new() -> Self {
                Conditions::default()
            }

            $(#[doc = $sentence]
            pub const fn $with(mut self, $field: $type) -> Self {
                self.$field = $field;
                self
            })+
        }
    };
}

setters! {
    with_latency latency: (u64, u64), "Sets the shortest and the longest usual time on the way.";
    with_lost lost: u32, "Sets how many messages are lost at most.";
    with_repeated repeated: u32, "Sets how many messages arrive twice at most.";
    with_late late: u32, "Sets how many messages come late at most.";
    with_late_by late_by: u64, "Sets how much later they come at most.";
    with_crashes crashes: u32, "Sets the most crashes.";
    with_down down: u64, "Sets the longest time down.";
    with_wiped wiped: u32, "Sets how many crashes lose the disk.";
    with_cuts cuts: u32, "Sets the most cuts.";
    with_cut cut: u64, "Sets how long a cut lasts at most.";
    with_shifts shifts: u32, "Sets the most jumps of wall clocks.";
    with_shift shift: u64, "Sets how far wall clocks jump at most.";
    with_acts acts: u32, "Sets how many acts there are.";
    with_calm calm: u64, "Sets when faults and acts are over.";
    with_end end: u64, "Sets when the run ends at the latest.";
}

impl Conditions {
    /// Draws a plan for a scenario.
    pub fn plan(&self, scenario: &dyn Scenario, seed: u64) -> Plan {
        let mut plan = Plan::new(scenario.name(), seed);
        (plan.calm, plan.end) = (self.calm, self.end.max(self.calm));
        let mut draws = stream(seed, "network", &[]);
        let (least, most) = (self.latency.0, self.latency.1.max(self.latency.0));
        let most = least.saturating_add(draws.below((most - least).saturating_add(1)));
        plan.network = Network {
            latency: (least, most),
            lost: some(&mut draws, self.lost),
            repeated: some(&mut draws, self.repeated),
            late: some(&mut draws, self.late),
            late_by: self.late_by,
        };
        plan.acts = scenario.acts(self, &mut stream(seed, "acts", &[]));
        plan.acts.sort_by_key(|act| act.at);
        let nodes = scenario.nodes();
        if nodes.is_empty() {
            return plan;
        }
        let mut draws = stream(seed, "crashes", &[]);
        for _ in 0..some(&mut draws, self.crashes) {
            let node = pick(&mut draws, &nodes);
            let (at, down) = self.while_rough(&mut draws, self.down);
            let wiped = draws.below(1_000) < u64::from(self.wiped);
            plan.faults.push(Fault::Crash { node, at, down, wiped });
        }
        let mut draws = stream(seed, "cuts", &[]);
        for _ in 0..some(&mut draws, self.cuts) {
            let mut group = vec![pick(&mut draws, &nodes)];
            for node in &nodes {
                if draws.below(3) == 0 && group[0] != *node {
                    group.push(node.clone());
                }
            }
            let (at, lasts) = self.while_rough(&mut draws, self.cut);
            plan.faults.push(Fault::Cut { group, at, lasts });
        }
        let mut draws = stream(seed, "shifts", &[]);
        for _ in 0..some(&mut draws, self.shifts) {
            let node = pick(&mut draws, &nodes);
            let (at, _) = self.while_rough(&mut draws, 0);
            let reach = i64::try_from(self.shift).unwrap_or(i64::MAX / 4);
            let by = draws.below(reach.unsigned_abs() * 2 + 1).cast_signed() - reach;
            plan.faults.push(Fault::Shift { node, at, by });
        }
        plan
    }

    /// A stretch of time that is over before it is calm.
    fn while_rough(&self, draws: &mut Draws, longest: u64) -> (u64, u64) {
        let at = draws.below(self.calm);
        let lasts = 1 + draws.below(longest);
        (at, lasts.min(self.calm - at))
    }

    /// Acts that are spread over all nodes and over the time until it is calm.
    pub(super) fn spread(&self, nodes: &[String], draws: &mut Draws) -> Vec<Act> {
        let one = |draws: &mut Draws| {
            Act::new(pick(draws, nodes), draws.below(self.calm), draws.below(1_000))
        };
        (0..self.acts).filter(|_| !nodes.is_empty()).map(|_| one(draws)).collect()
    }
}

/// From 0 to `most`, and 0 more often than chance would have it.
fn some(draws: &mut Draws, most: u32) -> u32 {
    if draws.below(4) == 0 { 0 } else { draws.below(u64::from(most) + 1) as u32 }
}

fn pick(draws: &mut Draws, nodes: &[String]) -> String {
    nodes[draws.below(nodes.len() as u64) as usize].clone()
}
