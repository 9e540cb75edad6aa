//! The bounds of all faults. From these and a seed, a plan is drawn.

use super::Scenario;
use super::plan::{Network, Plan, SimFault, Stimulus, stream};
use crate::machine::SplitMix64;

/// Bounds for what is drawn. Times are milliseconds, rates are per thousand.
///
/// Each plan draws its own figures up to these, and often 0: some worlds lose messages and never
/// crash, others crash and lose nothing. If every world had every fault, one fault could hide another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Conditions {
    /// The shortest and the longest usual latency. Default 1 to 200.
    pub latency: (u64, u64),
    /// The highest rate of lost messages. Default 200.
    #[doc(alias = "loss")]
    pub lost: u32,
    /// The highest rate of messages that arrive twice. Default 200.
    #[doc(alias = "duplicate")]
    pub repeated: u32,
    /// The highest rate of messages that take longer than usual. Default 50.
    pub late: u32,
    /// The longest extra delay of those. Default 30 s.
    pub late_by: u64,
    /// The maximum number of crashes. Default 4.
    pub crashes: u32,
    /// The longest downtime. Default 60 s.
    pub down: u64,
    /// The rate of crashes that lose the disk. Default 250.
    pub wiped: u32,
    /// The maximum number of network partitions. Default 2.
    #[doc(alias = "partition")]
    pub cuts: u32,
    /// The longest partition. Default 240 s.
    pub cut: u64,
    /// The maximum number of jumps of wall clocks. Default 1.
    #[doc(alias = "clock skew")]
    pub shifts: u32,
    /// The longest jump, forwards or backwards. Default 1 h.
    pub shift: u64,
    /// The number of stimuli. Default 24.
    pub stimuli: u32,
    /// Faults and stimuli come before this, so that the rest of the run shows whether all recover. Default 300 s.
    pub calm: u64,
    /// The run ends at this time at the latest. Default 1,800 s.
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
            stimuli: 24,
            calm: 300_000,
            end: 1_800_000,
        }
    }
}

/// Setters of fields, one each.
macro_rules! setters {
    ($($with:ident $field:ident: $type:ty, $summary:literal;)+) => {
        impl Conditions {
            /// The usual bounds.
            pub fn new() -> Self {
                Conditions::default()
            }

            $(#[doc = $summary]
            pub const fn $with(mut self, $field: $type) -> Self {
                self.$field = $field;
                self
            })+
        }
    };
}

setters! {
    with_latency latency: (u64, u64), "Sets the shortest and the longest usual latency.";
    with_lost lost: u32, "Sets the highest rate of lost messages.";
    with_repeated repeated: u32, "Sets the highest rate of messages that arrive twice.";
    with_late late: u32, "Sets the highest rate of messages that take longer than usual.";
    with_late_by late_by: u64, "Sets the longest extra delay of those.";
    with_crashes crashes: u32, "Sets the maximum number of crashes.";
    with_down down: u64, "Sets the longest downtime.";
    with_wiped wiped: u32, "Sets the rate of crashes that lose the disk.";
    with_cuts cuts: u32, "Sets the maximum number of partitions.";
    with_cut cut: u64, "Sets the longest partition.";
    with_shifts shifts: u32, "Sets the maximum number of jumps of wall clocks.";
    with_shift shift: u64, "Sets the longest jump of a wall clock.";
    with_stimuli stimuli: u32, "Sets the number of stimuli.";
    with_calm calm: u64, "Sets when faults and stimuli are over.";
    with_end end: u64, "Sets when the run ends at the latest.";
}

impl Conditions {
    /// Draws a plan for a scenario.
    pub fn plan(&self, scenario: &dyn Scenario, seed: u64) -> Plan {
        let mut plan = Plan::new(scenario.name(), seed);
        (plan.calm, plan.end) = (self.calm, self.end.max(self.calm));
        let mut draws = stream(seed, "network", &[]);
        let (min, max) = (self.latency.0, self.latency.1.max(self.latency.0));
        let max = min.saturating_add(draws.below((max - min).saturating_add(1)));
        plan.network = Network {
            latency: (min, max),
            lost: some(&mut draws, self.lost),
            repeated: some(&mut draws, self.repeated),
            late: some(&mut draws, self.late),
            late_by: self.late_by,
        };
        // The name of a stream is part of what a seed means: another name draws another plan.
        plan.stimuli = scenario.stimuli(self, &mut stream(seed, "acts", &[]));
        plan.stimuli.sort_by_key(|stimulus| stimulus.at);
        let nodes = scenario.nodes();
        if nodes.is_empty() {
            return plan;
        }
        let mut draws = stream(seed, "crashes", &[]);
        for _ in 0..some(&mut draws, self.crashes) {
            let node = pick(&mut draws, &nodes);
            let (at, down) = self.while_rough(&mut draws, self.down);
            let wiped = draws.below(1_000) < u64::from(self.wiped);
            plan.faults.push(SimFault::Crash { node, at, down, wiped });
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
            plan.faults.push(SimFault::Cut { group, at, lasts });
        }
        let mut draws = stream(seed, "shifts", &[]);
        for _ in 0..some(&mut draws, self.shifts) {
            let node = pick(&mut draws, &nodes);
            let (at, _) = self.while_rough(&mut draws, 0);
            let reach = i64::try_from(self.shift).unwrap_or(i64::MAX / 4);
            let by = draws.below(reach.unsigned_abs() * 2 + 1).cast_signed() - reach;
            plan.faults.push(SimFault::Shift { node, at, by });
        }
        plan
    }

    /// A start and a length that are over before it is calm.
    fn while_rough(&self, draws: &mut SplitMix64, longest: u64) -> (u64, u64) {
        let at = draws.below(self.calm);
        let lasts = 1 + draws.below(longest);
        (at, lasts.min(self.calm - at))
    }

    /// Stimuli spread over all nodes and over the time until it is calm.
    pub(super) fn spread(&self, nodes: &[String], draws: &mut SplitMix64) -> Vec<Stimulus> {
        let one = |draws: &mut SplitMix64| {
            Stimulus::new(pick(draws, nodes), draws.below(self.calm), draws.below(1_000))
        };
        (0..self.stimuli).filter(|_| !nodes.is_empty()).map(|_| one(draws)).collect()
    }
}

/// From 0 to `max`. A quarter of all plans does without this fault: what breaks there does not need it.
fn some(draws: &mut SplitMix64, max: u32) -> u32 {
    if draws.below(4) == 0 { 0 } else { draws.below(u64::from(max) + 1) as u32 }
}

fn pick(draws: &mut SplitMix64, nodes: &[String]) -> String {
    nodes[draws.below(nodes.len() as u64) as usize].clone()
}
