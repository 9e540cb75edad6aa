//! The simulated world: it replays, shrinks and finds what is planted; and this crate's machines hold
//! in it.

mod delivery;
mod states;

use crate::support::scaled;
use coordination_protocol::Json;
use coordination_protocol::machine::{
    Backoff, BreakerOptions, Draws, PresenceOptions, RequestOptions, RespondOptions,
};
use coordination_protocol::scalar::{Instant, Now};
use coordination_protocol::sim::scenario::{Hostile, Presences, Requests, Upgrade, all};
use coordination_protocol::sim::{
    Act, Actor, Broken, Check, Conditions, Event, Failed, Fate, Fault, Host, Mishap, Net, Plan,
    Scenario, Stats, What, explore, run, shrink, transcript, try_seed,
};
use std::time::Duration;

fn holds(scenario: &dyn Scenario, seeds: usize) -> Stats {
    let seeds = 0..scaled(seeds) as u64;
    explore(scenario, &scenario.conditions(), seeds).unwrap_or_else(|failed| panic!("{failed}"))
}

/// At least so many of each, so that nothing holds because nothing happens.
fn covers(stats: &Stats, words: &[(&str, u64)]) {
    for (word, least) in words {
        let count = stats.marks.get(word).copied().unwrap_or(0);
        assert!(count >= *least, "{word} {count}:\n{stats}");
    }
    for (what, count) in [
        ("lost", stats.lost),
        ("repeated", stats.repeated),
        ("late", stats.late),
        ("missed", stats.missed),
        ("crashes", stats.crashes),
        ("cuts", stats.cuts),
    ] {
        assert!(count >= stats.runs / 3, "{what} {count}:\n{stats}");
    }
}

#[test]
fn requests_end_exactly_once() {
    let stats = holds(&Requests::new(), 300);
    let more = [("asked", 10_000), ("answers", 5_000), ("abandons", 100), ("queued", 300)];
    covers(&stats, &more);
    covers(&stats, &[("puts-off", 1_000), ("circuit", 100), ("kept-away", 50), ("ignored", 1_000)]);
    assert!(stats.wiped >= 50 && stats.shifts >= 50, "{stats}");
}

#[test]
fn who_is_alive_is_known_in_time() {
    let stats = holds(&Presences::new(), 200);
    covers(&stats, &[("sees", 3_000), ("hangs", 300), ("leaves", 100), ("goes-on", 50)]);
    assert!(stats.wiped >= 50, "{stats}");
}

#[test]
fn hostile_messages_cause_no_reply() {
    let stats = holds(&Hostile::new(), 150);
    covers(&stats, &[("buries", 10_000), ("turned-away", 4_000), ("answers", 800)]);
}

#[test]
fn a_rolling_upgrade_loses_and_misreads_nothing() {
    let stats = holds(&Upgrade::new(), 200);
    covers(&stats, &[("asked", 4_000), ("installs", 400), ("agrees", 400), ("held", 500)]);
    covers(&stats, &[("greets-in-vain", 200), ("cannot-read", 600)]);
}

/// A scenario in which one node runs another program.
struct Planted<S> {
    scenario: S,
    node: &'static str,
    wrap: fn(Box<dyn Actor>) -> Box<dyn Actor>,
}

impl<S: Scenario> Scenario for Planted<S> {
    fn name(&self) -> &str {
        self.scenario.name()
    }

    fn nodes(&self) -> Vec<String> {
        self.scenario.nodes()
    }

    fn boot(&self, host: &Host<'_>) -> Box<dyn Actor> {
        let actor = self.scenario.boot(host);
        if host.name == self.node { (self.wrap)(actor) } else { actor }
    }

    fn check(&self) -> Box<dyn Check> {
        self.scenario.check()
    }

    fn conditions(&self) -> Conditions {
        self.scenario.conditions()
    }

    fn acts(&self, conditions: &Conditions, draws: &mut Draws) -> Vec<Act> {
        self.scenario.acts(conditions, draws)
    }
}

/// A scenario under conditions of its own.
struct Under<S> {
    scenario: S,
    conditions: fn(Conditions) -> Conditions,
}

impl<S: Scenario> Scenario for Under<S> {
    fn name(&self) -> &str {
        self.scenario.name()
    }

    fn nodes(&self) -> Vec<String> {
        self.scenario.nodes()
    }

    fn boot(&self, host: &Host<'_>) -> Box<dyn Actor> {
        self.scenario.boot(host)
    }

    fn check(&self) -> Box<dyn Check> {
        self.scenario.check()
    }

    fn conditions(&self) -> Conditions {
        (self.conditions)(self.scenario.conditions())
    }

    fn acts(&self, conditions: &Conditions, draws: &mut Draws) -> Vec<Act> {
        self.scenario.acts(conditions, draws)
    }
}

/// A program that does all but what its flaw says.
struct Flawed {
    actor: Box<dyn Actor>,
    flaw: Flaw,
}

#[derive(Clone, Copy, PartialEq)]
enum Flaw {
    /// Its timers never ring.
    Sleeps,
    /// A crash costs it its disk.
    Forgets,
    /// It excuses itself to whom it does not know.
    Polite,
    /// It takes agents for gigabytes.
    Misreads,
    /// It is woken too late.
    Slow,
}

impl Actor for Flawed {
    fn receive(&mut self, now: Now, from: &str, bytes: &[u8], net: &mut Net) {
        if self.flaw == Flaw::Polite && from == "mallory" {
            net.send(from, "sorry?");
        }
        if self.flaw == Flaw::Misreads {
            let text = String::from_utf8_lossy(bytes).replace("\"agents\":", "\"memory_gb\":");
            return self.actor.receive(now, from, text.as_bytes(), net);
        }
        self.actor.receive(now, from, bytes, net);
    }

    fn wake(&mut self, now: Now, net: &mut Net) {
        self.actor.wake(now, net);
    }

    fn act(&mut self, now: Now, number: u64, net: &mut Net) {
        self.actor.act(now, number, net);
    }

    fn deadline(&self) -> Option<Instant> {
        match self.flaw {
            Flaw::Sleeps => None,
            Flaw::Slow => self.actor.deadline()?.after(Duration::from_secs(1)),
            _ => self.actor.deadline(),
        }
    }

    fn disk(&self) -> Option<Json> {
        self.actor.disk().filter(|_| self.flaw != Flaw::Forgets)
    }
}

/// The first seed that finds the bug, shrunk; and what holds of every such find.
fn found(scenario: &dyn Scenario, law: &str, most_parts: usize) -> Failed {
    found_any(scenario, &[law], most_parts)
}

/// The same of a bug that breaks one law or another.
fn found_any(scenario: &dyn Scenario, laws: &[&str], most_parts: usize) -> Failed {
    let failed = *explore(scenario, &scenario.conditions(), 0..100).expect_err("it is found");
    let Failed { drawn, plan, broken, .. } = &failed;
    let law = broken.law();
    assert!(laws.contains(&law), "{failed}");
    // It is small: nothing that is left can be left out.
    let parts = plan.acts.len() + plan.faults.len();
    assert!(parts <= most_parts, "{parts} parts:\n{failed}");
    assert!(parts < drawn.acts.len() + drawn.faults.len());
    // It replays from its text, line by line.
    let replayed: Plan = plan.to_string().parse().unwrap();
    assert_eq!(replayed, *plan);
    let (outcome, lines) = transcript(scenario, &replayed);
    assert_eq!(outcome.broken.as_ref(), Some(broken));
    assert!(lines.ends_with(&failed.tail) && !lines.is_empty());
    let text = failed.to_string();
    assert!(text.contains(&plan.to_string()) && text.contains(law), "{text}");
    failed
}

const ONCE: &str = "each request ends exactly once";

#[test]
fn a_requester_that_forgets_to_ask_again_is_found() {
    let wrap: fn(Box<dyn Actor>) -> Box<dyn Actor> =
        |actor| Box::new(Flawed { actor, flaw: Flaw::Sleeps });
    let failed = found(&Planted { scenario: Requests::new(), node: "hub-1", wrap }, ONCE, 2);
    assert!(failed.broken.detail().ends_with("of hub-1 never ends"), "{failed}");
}

#[test]
fn a_requester_that_is_late_is_found() {
    let wrap: fn(Box<dyn Actor>) -> Box<dyn Actor> =
        |actor| Box::new(Flawed { actor, flaw: Flaw::Slow });
    let scenario = Planted { scenario: Requests::new(), node: "hub-1", wrap };
    let failed = explore(&scenario, &scenario.conditions(), 0..100).unwrap_err();
    let bounds = ["attempts keep their bounds", "circuits keep their bounds"];
    assert!(bounds.contains(&failed.broken.law()), "{failed}");
}

#[test]
fn a_requester_that_forgets_what_it_asked_is_found() {
    let wrap: fn(Box<dyn Actor>) -> Box<dyn Actor> =
        |actor| Box::new(Flawed { actor, flaw: Flaw::Forgets });
    found(&Planted { scenario: Requests::new(), node: "hub-2", wrap }, ONCE, 3);
}

#[test]
fn a_responder_that_performs_twice_is_found() {
    let wrap: fn(Box<dyn Actor>) -> Box<dyn Actor> =
        |actor| Box::new(Flawed { actor, flaw: Flaw::Forgets });
    let scenario = Planted { scenario: Requests::new(), node: "rm", wrap };
    found(&scenario, "a request is performed once", 3);
    let forgetful = RespondOptions::new().with_remember(Duration::from_secs(1));
    found(&Requests::new().with_respond(forgetful), "a request is performed once", 3);
}

#[test]
fn a_breaker_that_never_opens_is_found() {
    let law = "circuits keep their bounds";
    let never = BreakerOptions::new().with_failures(u32::MAX);
    let failed = found(&Requests::new().with_breaker(never), law, 40);
    assert!(failed.broken.detail().starts_with("it is closed after 5"), "{failed}");
    let hasty = BreakerOptions::new().with_failures(4);
    found(&Requests::new().with_breaker(hasty), law, 40);
    let eager = BreakerOptions::new().with_open(Duration::from_secs(10));
    found(&Requests::new().with_breaker(eager), law, 40);
}

#[test]
fn pauses_out_of_bounds_are_found() {
    let law = "attempts keep their bounds";
    let one = |backoff| Requests::new().with_request(RequestOptions::new().with_backoff(backoff));
    found(&one(Backoff::new().with_attempts(4)), law, 6);
    found(&one(Backoff::new().with_base(Duration::from_secs(5))), law, 4);
    let hasty = RequestOptions::new().with_timeout(Duration::from_secs(20));
    found(&Requests::new().with_request(hasty), law, 4);
}

#[test]
fn a_watcher_out_of_bounds_is_found() {
    let one = |degraded, unhealthy| {
        let options = PresenceOptions::new().with_missing(degraded, unhealthy);
        Presences::new().with_options(options)
    };
    found(&one(1, 2), "who is heard is what it says", 4);
    found(&one(1, 9), "who is silent is unhealthy", 4);
    let hasty = PresenceOptions::new().with_grace(Duration::ZERO);
    found(&Presences::new().with_options(hasty), "who is heard is what it says", 4);
}

#[test]
fn a_reply_to_a_hostile_message_is_found() {
    let wrap: fn(Box<dyn Actor>) -> Box<dyn Actor> =
        |actor| Box::new(Flawed { actor, flaw: Flaw::Polite });
    let scenario = Planted { scenario: Hostile::new(), node: "rm", wrap };
    found(&scenario, "hostile messages cause no reply", 1);
}

#[test]
fn a_reader_that_misreads_is_found() {
    let wrap: fn(Box<dyn Actor>) -> Box<dyn Actor> =
        |actor| Box::new(Flawed { actor, flaw: Flaw::Misreads });
    let scenario = Planted { scenario: Upgrade::new(), node: "rm", wrap };
    let failed = found(&scenario, "nothing is misread", 1);
    assert!(failed.broken.detail().ends_with("asks for none"), "{failed}");
}

/// An attempt that says more than the one before is another request to the responder.
#[test]
fn attempts_in_two_versions_are_found() {
    let scenario = Upgrade::new().with_version_by_attempt();
    let failed = found(&scenario, "a request is performed once", 4);
    // One request, an upgrade of both sides, and an answer that does not arrive.
    assert_eq!((failed.plan.acts.len(), failed.plan.faults.len()), (3, 1), "{failed}");
}

/// Plans that are equal give transcripts that are equal, line by line; other seeds give others.
#[test]
fn equal_plans_give_equal_transcripts() {
    for scenario in all() {
        let mut before = Vec::new();
        for seed in 0..scaled(4) as u64 {
            let plan = scenario.conditions().plan(scenario.as_ref(), seed);
            assert_eq!(plan, scenario.conditions().plan(scenario.as_ref(), seed));
            let read: Plan = plan.to_string().parse().unwrap();
            assert_eq!(read, plan);
            let first = transcript(scenario.as_ref(), &plan);
            assert_eq!(transcript(scenario.as_ref(), &read), first);
            assert_eq!(run(scenario.as_ref(), &plan, &mut |_| {}), first.0);
            assert_ne!(first.1, before, "{} {seed}", scenario.name());
            before = first.1;
        }
        let seeded = try_seed(scenario.as_ref(), &scenario.conditions(), 3).unwrap();
        assert_eq!((seeded.runs, seeded.sent > 0), (1, true));
    }
}

/// Sends the number of each act to all others, and says what it gets.
struct Echo {
    name: String,
    due: Option<Instant>,
    /// Whether it wants to be woken for ever.
    restless: bool,
    total: u64,
}

impl Actor for Echo {
    fn receive(&mut self, _: Now, from: &str, bytes: &[u8], net: &mut Net) {
        net.mark("hears", format!("{} from {from}", String::from_utf8_lossy(bytes)));
    }

    fn wake(&mut self, now: Now, net: &mut Net) {
        net.mark("wakes", format!("{} at {}", self.total, now.timestamp()));
        self.due = None;
    }

    fn act(&mut self, now: Now, number: u64, net: &mut Net) {
        match number {
            90 => self.due = now.at.after(Duration::from_millis(500)),
            91 => self.restless = true,
            92 => panic!("number {number} is too much"),
            93 => net.restart(Duration::from_secs(2)),
            94 => net.send("nobody", "lost"),
            95 => net.mark("breaks", ""),
            _ => {
                self.total += number;
                for node in ["a", "b", "c"] {
                    if node != self.name {
                        net.send(node, number.to_string());
                    }
                }
            }
        }
    }

    fn deadline(&self) -> Option<Instant> {
        if self.restless { Some(Instant::START) } else { self.due }
    }

    fn disk(&self) -> Option<Json> {
        Json::of(&self.total).ok()
    }
}

struct Echoes;

impl Scenario for Echoes {
    fn name(&self) -> &'static str {
        "echoes"
    }

    fn nodes(&self) -> Vec<String> {
        ["a", "b", "c"].map(str::to_owned).to_vec()
    }

    fn boot(&self, host: &Host<'_>) -> Box<dyn Actor> {
        let total = host.disk.map_or(0, |disk| disk.decode().unwrap());
        Box::new(Echo { name: host.name.to_owned(), due: None, restless: false, total })
    }

    fn check(&self) -> Box<dyn Check> {
        struct Unbroken;
        impl Check for Unbroken {
            fn see(&mut self, event: &Event<'_>) -> Result<(), Broken> {
                match event.what {
                    What::Marked { word: "breaks", .. } => Err(Broken::new("nobody breaks", "one")),
                    _ => Ok(()),
                }
            }

            fn end(&mut self, at: Instant) -> Result<(), Broken> {
                assert!(at >= Instant::from_millis(9_000));
                Ok(())
            }
        }
        Box::new(Unbroken)
    }
}

/// Plays a plan after its head, and gives the transcript after the three starts and their wakes.
fn play(plan: &str) -> Vec<String> {
    let plan: Plan = format!("scenario echoes\nend 9.000s\n{plan}").parse().unwrap();
    let (outcome, lines) = transcript(&Echoes, &plan);
    let broken = outcome.broken.map(|broken| broken.to_string());
    lines.into_iter().skip(6).chain(broken).collect()
}

#[test]
fn messages_are_lost_repeated_and_late_as_the_plan_says() {
    let told = "\
act a at 1s number 7
act a at 2s number 8
lose a b 1
repeat a b 2 after 1.5s
delay a c 2 by 0.25s
act b at 5s number 94 # to nobody
";
    assert_eq!(
        play(told),
        [
            "1.000s a: act 7",
            "1.000s a -> b #1 `7`, lost",
            "1.000s a -> c #1 `7`",
            "1.001s c <- a #1 `7`",
            "1.001s c: hears 7 from a",
            "2.000s a: act 8",
            "2.000s a -> b #2 `8`, twice",
            "2.000s a -> c #2 `8`, 0.250s late",
            "2.001s b <- a #2 `8`",
            "2.001s b: hears 8 from a",
            "2.251s c <- a #2 `8`",
            "2.251s c: hears 8 from a",
            "3.501s b <- a #2 `8`",
            "3.501s b: hears 8 from a",
            "5.000s b: act 94",
            "5.000s b -> nobody #0 `lost`, cut off",
        ]
    );
}

#[test]
fn nodes_crash_stop_and_start_as_the_plan_says() {
    let told = "\
act a at 1s number 7
crash a at 2s for 1s
act a at 2.5s number 8
crash b at 0.9995s for 1s wiped
";
    // Times are whole milliseconds.
    assert!(told.parse::<Plan>().is_err());
    let told = told.replace("0.9995s", "1s");
    assert_eq!(
        play(&told),
        [
            "1.000s b: crashes and loses its disk",
            "1.000s a: act 7",
            "1.000s a -> b #1 `7`",
            "1.000s a -> c #1 `7`",
            "1.001s b <- a #1 `7`, missed",
            "1.001s c <- a #1 `7`",
            "1.001s c: hears 7 from a",
            "2.000s a: crashes",
            "2.000s b: starts again (1)",
            "2.000s b: wakes 0 at 2025-01-15T12:00:02Z",
            "3.000s a: starts again (1)",
            "3.000s a: wakes 7 at 2025-01-15T12:00:03Z",
        ]
    );
    let told = "act a at 1s number 7\nact a at 2s number 93\ncrash a at 6s for 1s wiped";
    let lines = play(told);
    assert_eq!(
        lines[7..],
        [
            "2.000s a: act 93",
            "2.000s a: stops",
            "4.000s a: starts again (1)",
            "4.000s a: wakes 7 at 2025-01-15T12:00:04Z",
            "6.000s a: crashes and loses its disk",
            "7.000s a: starts again (2)",
            "7.000s a: wakes 0 at 2025-01-15T12:00:07Z",
        ]
    );
}

#[test]
fn cuts_and_jumps_are_as_the_plan_says() {
    let told = "\
latency 0.100s to 0.100s
cut a b at 1s for 1s
act a at 0.950s number 1
act a at 1.500s number 2
act a at 2.000s number 3
shift c at 3s by -60.5s
act c at 4s number 90
";
    assert_eq!(
        play(told),
        [
            "0.950s a: act 1",
            "0.950s a -> b #1 `1`",
            "0.950s a -> c #1 `1`",
            "1.000s a b cut off",
            "1.050s b <- a #1 `1`",
            "1.050s b: hears 1 from a",
            "1.050s c <- a #1 `1`, missed",
            "1.500s a: act 2",
            "1.500s a -> b #2 `2`",
            "1.500s a -> c #2 `2`, cut off",
            "1.600s b <- a #2 `2`",
            "1.600s b: hears 2 from a",
            "2.000s a: act 3",
            "2.000s a -> b #3 `3`",
            "2.000s a -> c #3 `3`, cut off",
            "2.000s a joined again",
            "2.100s b <- a #3 `3`",
            "2.100s b: hears 3 from a",
            "3.000s c: wall clock jumps by -60500 ms",
            "4.000s c: act 90",
            "4.500s c: wakes 0 at 2025-01-15T11:59:04Z",
        ]
    );
}

#[test]
fn what_breaks_ends_the_run() {
    assert_eq!(
        play("act a at 1s number 95\nact a at 2s number 7"),
        ["1.000s a: act 95", "1.000s a: breaks ", "nobody breaks, but 1.000s: one"]
    );
    assert_eq!(
        play("act a at 1s number 92").last().unwrap(),
        "nothing panics, but 1.000s: number 92 is too much"
    );
    assert_eq!(
        play("act b at 1s number 91").last().unwrap(),
        "after a wake the deadline is later than now, but 1.000s: `b` wants to be woken at 0s again"
    );
}

/// What is left after shrinking is what it takes, and a plan that breaks nothing stays.
#[test]
fn shrinking_leaves_what_it_takes() {
    let mut plan = Conditions::new().plan(&Echoes, 5);
    plan.network.lost = 100;
    assert_eq!(shrink(&Echoes, &plan), plan);
    let noisy = plan.clone().with_act(Act::new("b", 250_000, 95));
    let expected = Plan::new("echoes", 5).with_act(Act::new("b", 250_000, 95));
    let mut small = shrink(&Echoes, &noisy);
    (small.calm, small.end) = (expected.calm, expected.end);
    assert_eq!(small, expected);
}

#[test]
fn fates_follow_the_rates() {
    let mut plan = Plan::new("echoes", 1);
    for index in 0..2_000 {
        plan = plan.with_act(Act::new("a", index, 1));
    }
    plan.calm = 1_000;
    let network = &mut plan.network;
    (network.lost, network.repeated, network.late, network.late_by) = (100, 50, 20, 5_000);
    let mut seen = [0; 4];
    let outcome = run(&Echoes, &plan, &mut |event| {
        let What::Sent { fate, .. } = event.what else { return };
        let index = match fate {
            Fate::Lost => 1,
            Fate::Repeated(by) | Fate::Late(by) => {
                assert!((1..=5_000).contains(&by));
                if matches!(fate, Fate::Late(_)) { 3 } else { 2 }
            }
            _ => 0,
        };
        assert!(index == 0 || event.at < Instant::from_millis(1_000));
        seen[index] += 1;
    });
    let Stats { sent, lost, repeated, late, .. } = outcome.stats;
    assert_eq!((sent, lost, repeated, late), (4_000, seen[1], seen[2], seen[3]));
    assert!((150..250).contains(&lost) && (70..130).contains(&repeated), "{seen:?}");
    assert!((20..60).contains(&late), "{seen:?}");
}

#[test]
fn leaving_one_fault_out_leaves_the_others_alone() {
    let mut plan = Plan::new("echoes", 11);
    for index in 0..40 {
        plan = plan.with_act(Act::new(["a", "b", "c"][index % 3], index as u64 * 100, 1));
    }
    (plan.calm, plan.network.lost, plan.network.latency) = (9_000, 200, (1, 500));
    let fates = |plan: &Plan| {
        let mut fates = Vec::new();
        run(&Echoes, plan, &mut |event| {
            if let What::Sent { to, number, fate, .. } = event.what {
                fates.push((event.node.to_owned(), to.to_owned(), number, fate));
            }
        });
        fates.sort_by(|one, other| (&one.0, &one.1, one.2).cmp(&(&other.0, &other.1, other.2)));
        fates
    };
    let all = fates(&plan);
    assert!(all.iter().any(|fate| fate.3 == Fate::Lost));
    let (from, to, number, _) = all.iter().find(|fate| fate.3 == Fate::Arrives).unwrap().clone();
    let lost = Fault::Message { from, to, number, mishap: Mishap::Lost };
    let other = fates(&plan.with_fault(lost));
    let differ = all.iter().zip(&other).filter(|(one, other)| one != other).count();
    assert_eq!((differ, all.len()), (1, other.len()));
}

#[test]
fn what_is_no_plan_is_refused() {
    for (text, error) in [
        ("", "line 1: the plan names no scenario"),
        ("scenario x\nmix 3", "line 2: `mix` begins no line of a plan"),
        ("scenario", "line 1: name is missing"),
        ("scenario x y", "line 1: `y` is too much"),
        ("seed -1", "line 1: `-1` is no seed"),
        (
            "mixmixmixmixmixmixmixmixmixmixmixmixmixmix 3",
            "line 1: `mixmixmixmixmixmixmixmixmixmixmixmixmixm` begins no line of a plan",
        ),
        ("latency 1s until 2s", "line 1: `to` is expected, not `until`"),
        ("latency 1s", "line 1: `to` is missing"),
        ("rates lost many", "line 1: `many` is no rate"),
        ("calm 1.2345s", "line 1: `1.2345s` is no time such as 12.350s"),
        ("calm 5", "line 1: `5` is no time such as 12.350s"),
        ("end 99999999999999999999s", "line 1: `99999999999999999999s` is no time such as 12.350s"),
        ("act a at 1s number x", "line 1: `x` is no number"),
        ("crash a at 1s for 1s whipped", "line 1: `wiped` is expected, not `whipped`"),
        ("\n# nothing\ncut a b", "line 3: `at` is missing"),
        ("shift a at 1s by --1s", "line 1: `--1s` is no time such as -12.350s"),
        ("lose a b -3", "line 1: `-3` is no number"),
        ("crash", "line 1: node is missing"),
    ] {
        let refused = text.parse::<Plan>().unwrap_err();
        assert_eq!(refused.to_string(), error);
        assert!(refused.line() > 0);
    }
}
