//! The world: nodes, a network, one clock, and a queue of what happens next.
//!
//! Its order is total and depends on the plan alone: by time, then by when it was queued. The deadline of
//! a node comes after everything that is queued for the same time, so that a message which arrives just
//! in time counts; of several nodes with the same deadline the first in the list is woken.

use super::actor::{Actor, Effect, Effects, Host};
use super::event::{MessageFate, SimEvent, SimEventKind, SimStats};
use super::plan::{MessageFault, Plan, SimFault};
use super::{Check, Scenario, Violation};
use crate::json::Json;
use crate::scalar::{Instant, Now};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

/// What the wall clocks show at the start: 2025-01-15T12:00:00Z.
const WALL: i64 = 1_736_942_400_000;

/// The maximum number of steps of one run. Nodes that answer each other for ever would not come to its end.
const STEPS: u64 = 1_000_000;

/// The result of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SimOutcome {
    /// Counts of what happened.
    pub stats: SimStats,
    /// The invariant that was violated, if any was; the run ended there.
    pub violation: Option<Violation>,
    /// The faults of single messages that the rates led to.
    pub(super) message_faults: Vec<SimFault>,
}

/// Runs a plan, and hands each event to `watch`.
///
/// A panic of an actor is a violation like any other.
pub fn run(
    scenario: &dyn Scenario,
    plan: &Plan,
    watch: &mut dyn FnMut(&SimEvent<'_>),
) -> SimOutcome {
    let mut world = World::new(scenario, plan, watch);
    let violation = match catch_unwind(AssertUnwindSafe(|| world.run())) {
        Ok(result) => result.err(),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or(panic.downcast_ref::<&str>().copied());
            Some(Violation::new("nothing panics", text.unwrap_or("a panic without a text")))
        }
    };
    let violation = violation.map(|violation| violation.at(world.now));
    SimOutcome { stats: world.stats, violation, message_faults: world.message_faults }
}

struct Node {
    name: String,
    actor: Option<Box<dyn Actor>>,
    disk: Option<Json>,
    starts: u32,
    shift: i64,
    /// How many messages it sent to each other node.
    sent: BTreeMap<usize, u32>,
}

#[derive(Clone)]
struct Message {
    from: usize,
    to: usize,
    number: u32,
    bytes: Rc<[u8]>,
}

enum Due<'p> {
    Start(usize),
    Arrive(Message),
    Stimulus(usize, u64),
    Crash { node: usize, down: u64, wiped: bool },
    Cut { index: usize, group: &'p [String], lasts: u64 },
    Join { index: usize, group: &'p [String] },
    Shift { node: usize, by: i64 },
}

struct World<'p> {
    scenario: &'p dyn Scenario,
    plan: &'p Plan,
    watch: &'p mut dyn FnMut(&SimEvent<'_>),
    check: Box<dyn Check>,
    nodes: Vec<Node>,
    queue: BTreeMap<(Instant, u64), Due<'p>>,
    queued: u64,
    now: Instant,
    /// The partitions that are in force: which nodes are inside.
    cuts: BTreeMap<usize, Vec<bool>>,
    /// The faults that the plan has for single messages, by sender, receiver and number.
    planned: BTreeMap<(usize, usize, u32), MessageFault>,
    stats: SimStats,
    message_faults: Vec<SimFault>,
}

impl<'p> World<'p> {
    fn new(
        scenario: &'p dyn Scenario,
        plan: &'p Plan,
        watch: &'p mut dyn FnMut(&SimEvent<'_>),
    ) -> Self {
        let node = |name| Node {
            name,
            actor: None,
            disk: None,
            starts: 0,
            shift: 0,
            sent: BTreeMap::new(),
        };
        let mut world = World {
            scenario,
            plan,
            watch,
            check: scenario.check(),
            nodes: scenario.nodes().into_iter().map(node).collect(),
            queue: BTreeMap::new(),
            queued: 0,
            now: Instant::START,
            cuts: BTreeMap::new(),
            planned: BTreeMap::new(),
            stats: SimStats { runs: 1, ..SimStats::default() },
            message_faults: Vec::new(),
        };
        for node in 0..world.nodes.len() {
            world.put(0, Due::Start(node));
        }
        for (index, fault) in plan.faults.iter().enumerate() {
            world.arrange(index, fault);
        }
        for stimulus in &plan.stimuli {
            if let Some(node) = world.find(&stimulus.node) {
                world.put(stimulus.at, Due::Stimulus(node, stimulus.number));
            }
        }
        world
    }

    fn arrange(&mut self, index: usize, fault: &'p SimFault) {
        match fault {
            SimFault::Crash { node, at, down, wiped } => {
                if let Some(node) = self.find(node) {
                    self.put(*at, Due::Crash { node, down: *down, wiped: *wiped });
                }
            }
            SimFault::Cut { group, at, lasts } => {
                self.put(*at, Due::Cut { index, group, lasts: *lasts });
            }
            SimFault::Shift { node, at, by } => {
                if let Some(node) = self.find(node) {
                    self.put(*at, Due::Shift { node, by: *by });
                }
            }
            SimFault::Message { from, to, number, fault } => {
                if let (Some(from), Some(to)) = (self.find(from), self.find(to)) {
                    self.planned.insert((from, to, *number), *fault);
                }
            }
        }
    }

    fn find(&self, name: &str) -> Option<usize> {
        self.nodes.iter().position(|node| node.name == name)
    }

    fn put(&mut self, millis: u64, due: Due<'p>) {
        self.put_at(Instant::from_millis(millis), due);
    }

    fn put_at(&mut self, at: Instant, due: Due<'p>) {
        self.queued += 1;
        self.queue.insert((at, self.queued), due);
    }

    /// Queues what happens this many milliseconds from now.
    fn put_after(&mut self, millis: u64, due: Due<'p>) {
        let nanos = millis.saturating_mul(1_000_000);
        self.put_at(Instant::from_nanos(self.now.as_nanos().saturating_add(nanos)), due);
    }

    fn run(&mut self) -> Result<(), Violation> {
        let end = Instant::from_millis(self.plan.end);
        for _ in 0..STEPS {
            let due = self.queue.first_key_value().map(|((at, _), _)| *at);
            let deadline = |node: &Node| node.actor.as_ref()?.deadline();
            let wakes = self.nodes.iter().enumerate();
            let wake = wakes.filter_map(|(node, host)| Some((deadline(host)?, node))).min();
            let next = due.into_iter().chain(wake.map(|(at, _)| at)).min();
            let Some(next) = next.filter(|next| *next <= end) else {
                return self.check.end(self.now.max(end));
            };
            self.now = self.now.max(next);
            match wake {
                Some((at, node)) if due.is_none_or(|due| at < due) => self.wake(node)?,
                _ => {
                    if let Some((_, due)) = self.queue.pop_first() {
                        self.happen(due)?;
                    }
                }
            }
        }
        Err(Violation::new("the world comes to rest", format!("{STEPS} steps were made")))
    }

    fn happen(&mut self, due: Due<'p>) -> Result<(), Violation> {
        match due {
            Due::Start(node) => self.start(node),
            Due::Arrive(message) => self.arrive(&message),
            Due::Stimulus(node, number) => {
                if self.nodes[node].actor.is_none() {
                    return Ok(());
                }
                self.observe(node, SimEventKind::Stimulated(number))?;
                self.step(node, |actor, now, effects| actor.stimulus(now, number, effects))
            }
            Due::Crash { node, down, wiped } => {
                if self.nodes[node].actor.is_none() {
                    return Ok(());
                }
                self.stop(node);
                if wiped {
                    self.nodes[node].disk = None;
                }
                self.put_after(down, Due::Start(node));
                self.observe(node, SimEventKind::Crashed { wiped })
            }
            Due::Cut { index, group, lasts } => {
                let inside = self.nodes.iter().map(|node| group.contains(&node.name)).collect();
                self.cuts.insert(index, inside);
                self.put_after(lasts, Due::Join { index, group });
                self.observe_group(group, SimEventKind::Cut(group))
            }
            Due::Join { index, group } => {
                self.cuts.remove(&index);
                self.observe_group(group, SimEventKind::Joined)
            }
            Due::Shift { node, by } => {
                self.nodes[node].shift = self.nodes[node].shift.saturating_add(by);
                self.observe(node, SimEventKind::Shifted(by))
            }
        }
    }

    fn start(&mut self, node: usize) -> Result<(), Violation> {
        let host = &self.nodes[node];
        if host.actor.is_some() {
            return Ok(());
        }
        let start = host.starts;
        let now = self.clock(node);
        let seed = self.plan.stream(&host.name, &[u64::from(start)]).next_u64();
        let disk = host.disk.as_ref();
        let actor = self.scenario.boot(&Host { name: &host.name, now, start, seed, disk });
        self.nodes[node].starts += 1;
        self.nodes[node].actor = Some(actor);
        self.observe(node, SimEventKind::Started(start))?;
        self.wake(node)
    }

    /// Stops a program. Its disk is read at this moment: steps are atomic, so it is what a crash leaves.
    fn stop(&mut self, node: usize) {
        if let Some(actor) = self.nodes[node].actor.take() {
            self.nodes[node].disk = actor.disk();
        }
    }

    fn arrive(&mut self, message: &Message) -> Result<(), Violation> {
        let Message { from, to, number, bytes } = message;
        let name = self.nodes[*from].name.clone();
        if self.nodes[*to].actor.is_none() || self.is_cut(*from, *to) {
            return self.observe(*to, SimEventKind::Missed { from: &name, number: *number, bytes });
        }
        self.observe(*to, SimEventKind::Received { from: &name, number: *number, bytes })?;
        self.step(*to, |actor, now, effects| actor.receive(now, &name, bytes, effects))
    }

    fn wake(&mut self, node: usize) -> Result<(), Violation> {
        self.step(node, |actor, now, effects| actor.wake(now, effects))?;
        let deadline = self.nodes[node].actor.as_ref().and_then(|actor| actor.deadline());
        match deadline.filter(|deadline| *deadline <= self.now) {
            Some(deadline) => Err(Violation::new(
                "after a wake the deadline is later than now",
                format!("`{}` wants to be woken at {deadline} again", self.nodes[node].name),
            )),
            None => Ok(()),
        }
    }

    fn clock(&self, node: usize) -> Now {
        let millis = i64::try_from(self.now.as_nanos() / 1_000_000).unwrap_or(i64::MAX);
        let wall = WALL.saturating_add(millis).saturating_add(self.nodes[node].shift);
        Now::new(self.now, wall)
    }

    /// One step of a program, and what it leads to.
    fn step(
        &mut self,
        node: usize,
        call: impl FnOnce(&mut dyn Actor, Now, &mut Effects),
    ) -> Result<(), Violation> {
        let now = self.clock(node);
        let Some(actor) = &mut self.nodes[node].actor else { return Ok(()) };
        let mut effects = Effects::default();
        call(actor.as_mut(), now, &mut effects);
        for effect in effects.requested {
            match effect {
                Effect::Send { to, bytes } => self.send(node, &to, &bytes)?,
                Effect::Mark { word, text } => {
                    self.observe(node, SimEventKind::Marked { word, text: &text })?;
                }
                Effect::Restart(after) => {
                    self.stop(node);
                    let millis = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
                    self.put_after(millis, Due::Start(node));
                    self.observe(node, SimEventKind::Stopped)?;
                }
            }
        }
        Ok(())
    }

    fn send(&mut self, from: usize, name: &str, bytes: &[u8]) -> Result<(), Violation> {
        let Some(to) = self.find(name) else {
            let fate = MessageFate::Cut;
            return self.observe(from, SimEventKind::Sent { to: name, number: 0, bytes, fate });
        };
        let number = self.nodes[from].sent.entry(to).or_default();
        *number += 1;
        let number = *number;
        let fate = self.route(Message { from, to, number, bytes: bytes.into() });
        self.observe(from, SimEventKind::Sent { to: name, number, bytes, fate })
    }

    /// Puts a message on its way.
    fn route(&mut self, message: Message) -> MessageFate {
        let Message { from, to, number, .. } = message;
        if self.is_cut(from, to) {
            return MessageFate::Cut;
        }
        let (sender, receiver) = (&self.nodes[from].name, &self.nodes[to].name);
        let link = format!("{sender} {receiver}");
        // A stream for each message: leaving out one fault or stimulus must not move those of other links.
        let mut draws = self.plan.stream(&link, &[u64::from(number)]);
        let time = self.plan.network.time(&mut draws);
        let mut fault = self.planned.get(&(from, to, number)).copied();
        if fault.is_none() && self.now < Instant::from_millis(self.plan.calm) {
            fault = self.plan.network.fault(&mut draws);
            if let Some(fault) = fault {
                let (from, to) = (sender.clone(), receiver.clone());
                self.message_faults.push(SimFault::Message { from, to, number, fault });
            }
        }
        match fault {
            None => {
                self.put_after(time, Due::Arrive(message));
                MessageFate::Arrives
            }
            Some(MessageFault::Lost) => MessageFate::Lost,
            Some(MessageFault::Repeated(by)) => {
                self.put_after(time, Due::Arrive(message.clone()));
                self.put_after(time.saturating_add(by), Due::Arrive(message));
                MessageFate::Repeated(by)
            }
            Some(MessageFault::Late(by)) => {
                self.put_after(time.saturating_add(by), Due::Arrive(message));
                MessageFate::Late(by)
            }
        }
    }

    fn is_cut(&self, from: usize, to: usize) -> bool {
        self.cuts.values().any(|inside| inside[from] != inside[to])
    }

    fn observe(&mut self, node: usize, kind: SimEventKind<'_>) -> Result<(), Violation> {
        let event = SimEvent { at: self.now, node: &self.nodes[node].name, kind };
        self.stats.count(&event.kind);
        (self.watch)(&event);
        self.check.observe(&event)
    }

    /// An event of a group is one event, of its first node.
    fn observe_group(&mut self, group: &[String], kind: SimEventKind<'_>) -> Result<(), Violation> {
        match group.first().and_then(|name| self.find(name)) {
            Some(node) => self.observe(node, kind),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Stimulus;
    use super::*;
    use std::time::Duration;

    /// Marks what it gets. A stimulus sends its number to `b`; 0 asks for a wake 10 ms later.
    struct Node {
        due: Option<Instant>,
    }

    impl Actor for Node {
        fn receive(&mut self, _: Now, _: &str, bytes: &[u8], effects: &mut Effects) {
            effects.mark("got", String::from_utf8_lossy(bytes));
        }

        fn wake(&mut self, _: Now, effects: &mut Effects) {
            if self.due.take().is_some() {
                effects.mark("woke", "");
            }
        }

        fn stimulus(&mut self, now: Now, number: u64, effects: &mut Effects) {
            match number {
                0 => self.due = now.at.after(Duration::from_millis(10)),
                _ => effects.send("b", number.to_string()),
            }
        }

        fn deadline(&self) -> Option<Instant> {
            self.due
        }
    }

    struct Nodes;

    impl Scenario for Nodes {
        fn name(&self) -> &'static str {
            "nodes"
        }

        fn nodes(&self) -> Vec<String> {
            ["a", "b", "c"].map(str::to_owned).to_vec()
        }

        fn boot(&self, _: &Host<'_>) -> Box<dyn Actor> {
            Box::new(Node { due: None })
        }

        fn check(&self) -> Box<dyn Check> {
            Box::new(|_: &SimEvent<'_>| Ok(()))
        }
    }

    /// What happens at a time, in order.
    fn at(plan: &Plan, millis: u64) -> Vec<String> {
        let mut lines = Vec::new();
        let outcome = run(&Nodes, plan, &mut |event| {
            if event.at == Instant::from_millis(millis) {
                lines.push(event.to_string().split_once(' ').unwrap().1.to_owned());
            }
        });
        assert_eq!(outcome.violation, None);
        lines
    }

    fn plan(stimuli: &[(&str, u64, u64)]) -> Plan {
        let plan = Plan::new("nodes", 1);
        stimuli.iter().fold(plan, |plan, (node, at, number)| {
            plan.with_stimulus(Stimulus::new(*node, *at, *number))
        })
    }

    #[test]
    fn a_message_that_arrives_at_the_deadline_is_in_time() {
        // The wake of `b` is due at 15 ms, when the message of `a` arrives.
        let plan = plan(&[("b", 5, 0), ("a", 14, 7)]);
        assert_eq!(at(&plan, 15), ["b <- a #1 `7`", "b: got 7", "b: woke "]);
    }

    #[test]
    fn faults_come_before_stimuli_and_those_in_the_order_of_the_plan() {
        let crash = SimFault::Crash { node: "c".to_owned(), at: 20, down: 100, wiped: false };
        let plan = plan(&[("a", 20, 2), ("c", 20, 3), ("a", 20, 1)]).with_fault(crash);
        // `c` is down, so its stimulus is lost.
        let sent = ["a: stimulus 2", "a -> b #1 `2`", "a: stimulus 1", "a -> b #2 `1`"];
        assert_eq!(at(&plan, 20), [&["c: crashes"][..], &sent].concat());
        // What took equally long arrives in the order in which it was sent.
        assert_eq!(at(&plan, 21)[..2], ["b <- a #1 `2`", "b: got 2"]);
    }

    #[test]
    fn of_equal_deadlines_the_first_node_of_the_list_wakes_first() {
        let plan = plan(&[("c", 5, 0), ("a", 5, 0), ("b", 5, 0)]);
        assert_eq!(at(&plan, 15), ["a: woke ", "b: woke ", "c: woke "]);
    }

    #[test]
    fn partitions_overlap_and_end_on_their_own() {
        let cut = |group: &[&str], at, lasts| SimFault::Cut {
            group: group.iter().map(ToString::to_string).collect(),
            at,
            lasts,
        };
        let stimuli = [("a", 15, 1), ("c", 15, 2), ("a", 25, 3), ("c", 25, 4), ("a", 35, 5)];
        let plan =
            plan(&stimuli).with_fault(cut(&["a"], 10, 10)).with_fault(cut(&["a", "b"], 12, 18));
        // Two partitions part `a` from `b`, and `b` from `c`.
        assert_eq!(at(&plan, 15)[1], "a -> b #1 `1`, cut off");
        assert_eq!(at(&plan, 15)[3], "c -> b #1 `2`, cut off");
        // The first has ended.
        assert_eq!(at(&plan, 25)[1], "a -> b #2 `3`");
        assert_eq!(at(&plan, 25)[3], "c -> b #2 `4`, cut off");
        assert_eq!(at(&plan, 35)[1], "a -> b #3 `5`");
    }
}
