//! The world: nodes, a network, one clock, and a queue of what happens next.

use super::actor::{Actor, Effect, Host, Net};
use super::event::{Event, Fate, Stats, What};
use super::plan::{Fault, Mishap, Plan};
use super::{Broken, Check, Scenario};
use crate::json::Json;
use crate::scalar::{Instant, Now};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

/// What the wall clocks show at the start: 2025-01-15T12:00:00Z.
const WALL: i64 = 1_736_942_400_000;

/// The most steps of one run. A world that does not come to rest is one that is wrong.
const STEPS: u64 = 1_000_000;

/// What came of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outcome {
    /// What happened, counted.
    pub stats: Stats,
    /// What broke, if anything did.
    pub broken: Option<Broken>,
    /// The mishaps of single messages that the rates led to.
    pub(super) mishaps: Vec<Fault>,
}

/// Runs a plan, and hands on each event.
///
/// A panic of an actor is a failure like any other.
pub fn run(scenario: &dyn Scenario, plan: &Plan, watch: &mut dyn FnMut(&Event<'_>)) -> Outcome {
    let mut world = World::new(scenario, plan, watch);
    let broken = match catch_unwind(AssertUnwindSafe(|| world.run())) {
        Ok(result) => result.err(),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or(panic.downcast_ref::<&str>().copied());
            Some(Broken::new("nothing panics", text.unwrap_or("a panic without a text")))
        }
    };
    let broken = broken.map(|broken| broken.at(world.now));
    Outcome { stats: world.stats, broken, mishaps: world.mishaps }
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
    Act(usize, u64),
    Crash { node: usize, down: u64, wiped: bool },
    Cut { index: usize, group: &'p [String], lasts: u64 },
    Join { index: usize, group: &'p [String] },
    Shift { node: usize, by: i64 },
}

struct World<'p> {
    scenario: &'p dyn Scenario,
    plan: &'p Plan,
    watch: &'p mut dyn FnMut(&Event<'_>),
    check: Box<dyn Check>,
    nodes: Vec<Node>,
    queue: BTreeMap<(Instant, u64), Due<'p>>,
    queued: u64,
    now: Instant,
    /// The cuts that are in force: which nodes are inside.
    cuts: BTreeMap<usize, Vec<bool>>,
    /// What becomes of single messages, by sender, receiver and number.
    fates: BTreeMap<(usize, usize, u32), Mishap>,
    stats: Stats,
    mishaps: Vec<Fault>,
}

impl<'p> World<'p> {
    fn new(
        scenario: &'p dyn Scenario,
        plan: &'p Plan,
        watch: &'p mut dyn FnMut(&Event<'_>),
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
            fates: BTreeMap::new(),
            stats: Stats { runs: 1, ..Stats::default() },
            mishaps: Vec::new(),
        };
        for node in 0..world.nodes.len() {
            world.put(0, Due::Start(node));
        }
        for (index, fault) in plan.faults.iter().enumerate() {
            world.arrange(index, fault);
        }
        for act in &plan.acts {
            if let Some(node) = world.find(&act.node) {
                world.put(act.at, Due::Act(node, act.number));
            }
        }
        world
    }

    fn arrange(&mut self, index: usize, fault: &'p Fault) {
        match fault {
            Fault::Crash { node, at, down, wiped } => {
                if let Some(node) = self.find(node) {
                    self.put(*at, Due::Crash { node, down: *down, wiped: *wiped });
                }
            }
            Fault::Cut { group, at, lasts } => {
                self.put(*at, Due::Cut { index, group, lasts: *lasts });
            }
            Fault::Shift { node, at, by } => {
                if let Some(node) = self.find(node) {
                    self.put(*at, Due::Shift { node, by: *by });
                }
            }
            Fault::Message { from, to, number, mishap } => {
                if let (Some(from), Some(to)) = (self.find(from), self.find(to)) {
                    self.fates.insert((from, to, *number), *mishap);
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

    /// So many milliseconds from now.
    fn put_after(&mut self, millis: u64, due: Due<'p>) {
        let nanos = millis.saturating_mul(1_000_000);
        self.put_at(Instant::from_nanos(self.now.as_nanos().saturating_add(nanos)), due);
    }

    fn run(&mut self) -> Result<(), Broken> {
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
        Err(Broken::new("the world comes to rest", format!("{STEPS} steps were made")))
    }

    fn happen(&mut self, due: Due<'p>) -> Result<(), Broken> {
        match due {
            Due::Start(node) => self.start(node),
            Due::Arrive(message) => self.arrive(&message),
            Due::Act(node, number) => {
                if self.nodes[node].actor.is_none() {
                    return Ok(());
                }
                self.see(node, What::Acted(number))?;
                self.step(node, |actor, now, net| actor.act(now, number, net))
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
                self.see(node, What::Crashed { wiped })
            }
            Due::Cut { index, group, lasts } => {
                let inside = self.nodes.iter().map(|node| group.contains(&node.name)).collect();
                self.cuts.insert(index, inside);
                self.put_after(lasts, Due::Join { index, group });
                self.tell(group, What::Cut(group))
            }
            Due::Join { index, group } => {
                self.cuts.remove(&index);
                self.tell(group, What::Joined)
            }
            Due::Shift { node, by } => {
                self.nodes[node].shift = self.nodes[node].shift.saturating_add(by);
                self.see(node, What::Shifted(by))
            }
        }
    }

    fn start(&mut self, node: usize) -> Result<(), Broken> {
        let host = &self.nodes[node];
        if host.actor.is_some() {
            return Ok(());
        }
        let start = host.starts;
        let now = self.clock(node);
        let seed = self.plan.stream(&host.name, &[u64::from(start)]).bits();
        let disk = host.disk.as_ref();
        let actor = self.scenario.boot(&Host { name: &host.name, now, start, seed, disk });
        self.nodes[node].starts += 1;
        self.nodes[node].actor = Some(actor);
        self.see(node, What::Started(start))?;
        self.wake(node)
    }

    /// Stops a program; what it wrote to its disk stays.
    fn stop(&mut self, node: usize) {
        if let Some(actor) = self.nodes[node].actor.take() {
            self.nodes[node].disk = actor.disk();
        }
    }

    fn arrive(&mut self, message: &Message) -> Result<(), Broken> {
        let Message { from, to, number, bytes } = message;
        let name = self.nodes[*from].name.clone();
        if self.nodes[*to].actor.is_none() || self.is_cut(*from, *to) {
            return self.see(*to, What::Missed { from: &name, number: *number, bytes });
        }
        self.see(*to, What::Received { from: &name, number: *number, bytes })?;
        self.step(*to, |actor, now, net| actor.receive(now, &name, bytes, net))
    }

    fn wake(&mut self, node: usize) -> Result<(), Broken> {
        self.step(node, |actor, now, net| actor.wake(now, net))?;
        let deadline = self.nodes[node].actor.as_ref().and_then(|actor| actor.deadline());
        match deadline.filter(|deadline| *deadline <= self.now) {
            Some(deadline) => Err(Broken::new(
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
        call: impl FnOnce(&mut dyn Actor, Now, &mut Net),
    ) -> Result<(), Broken> {
        let now = self.clock(node);
        let Some(actor) = &mut self.nodes[node].actor else { return Ok(()) };
        let mut net = Net::default();
        call(actor.as_mut(), now, &mut net);
        for effect in net.effects {
            match effect {
                Effect::Send { to, bytes } => self.send(node, &to, &bytes)?,
                Effect::Mark { word, text } => {
                    self.see(node, What::Marked { word, text: &text })?;
                }
                Effect::Restart(after) => {
                    self.stop(node);
                    let millis = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
                    self.put_after(millis, Due::Start(node));
                    self.see(node, What::Stopped)?;
                }
            }
        }
        Ok(())
    }

    fn send(&mut self, from: usize, name: &str, bytes: &[u8]) -> Result<(), Broken> {
        let Some(to) = self.find(name) else {
            let fate = Fate::Cut;
            return self.see(from, What::Sent { to: name, number: 0, bytes, fate });
        };
        let number = self.nodes[from].sent.entry(to).or_default();
        *number += 1;
        let number = *number;
        let fate = self.route(Message { from, to, number, bytes: bytes.into() });
        self.see(from, What::Sent { to: name, number, bytes, fate })
    }

    /// Puts a message on its way.
    fn route(&mut self, message: Message) -> Fate {
        let Message { from, to, number, .. } = message;
        if self.is_cut(from, to) {
            return Fate::Cut;
        }
        let (sender, receiver) = (&self.nodes[from].name, &self.nodes[to].name);
        let link = format!("{sender} {receiver}");
        let mut draws = self.plan.stream(&link, &[u64::from(number)]);
        let time = self.plan.network.time(&mut draws);
        let mut mishap = self.fates.get(&(from, to, number)).copied();
        if mishap.is_none() && self.now < Instant::from_millis(self.plan.calm) {
            mishap = self.plan.network.mishap(&mut draws);
            if let Some(mishap) = mishap {
                let (from, to) = (sender.clone(), receiver.clone());
                self.mishaps.push(Fault::Message { from, to, number, mishap });
            }
        }
        match mishap {
            None => {
                self.put_after(time, Due::Arrive(message));
                Fate::Arrives
            }
            Some(Mishap::Lost) => Fate::Lost,
            Some(Mishap::Repeated(by)) => {
                self.put_after(time, Due::Arrive(message.clone()));
                self.put_after(time.saturating_add(by), Due::Arrive(message));
                Fate::Repeated(by)
            }
            Some(Mishap::Late(by)) => {
                self.put_after(time.saturating_add(by), Due::Arrive(message));
                Fate::Late(by)
            }
        }
    }

    fn is_cut(&self, from: usize, to: usize) -> bool {
        self.cuts.values().any(|inside| inside[from] != inside[to])
    }

    fn see(&mut self, node: usize, what: What<'_>) -> Result<(), Broken> {
        let event = Event { at: self.now, node: &self.nodes[node].name, what };
        self.stats.count(&event.what);
        (self.watch)(&event);
        self.check.see(&event)
    }

    /// What concerns a group is told of its first node.
    fn tell(&mut self, group: &[String], what: What<'_>) -> Result<(), Broken> {
        match group.first().and_then(|name| self.find(name)) {
            Some(node) => self.see(node, what),
            None => Ok(()),
        }
    }
}
