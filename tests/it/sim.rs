//! The simulated world: it does what a plan says, replays, and shrinks what is found.

use coordination_protocol::Json;
use coordination_protocol::error::ErrorKind;
use coordination_protocol::scalar::{Instant, Now};
use coordination_protocol::sim::{
    Actor, Check, Conditions, Counterexample, Effects, Host, MessageFate, MessageFault, Plan,
    Scenario, SimEvent, SimEventKind, SimFault, SimStats, Stimulus, Violation, explore, run,
    shrink, transcript, try_seed,
};
use std::time::Duration;

/// Sends the number of each act to all others, and says what it gets.
struct Echo {
    name: String,
    due: Option<Instant>,
    /// Whether it wants to be woken for ever.
    restless: bool,
    total: u64,
}

impl Actor for Echo {
    fn receive(&mut self, _: Now, from: &str, bytes: &[u8], effects: &mut Effects) {
        effects.mark("hears", format!("{} from {from}", String::from_utf8_lossy(bytes)));
    }

    fn wake(&mut self, now: Now, effects: &mut Effects) {
        effects.mark("wakes", format!("{} at {}", self.total, now.timestamp()));
        self.due = None;
    }

    fn stimulus(&mut self, now: Now, number: u64, effects: &mut Effects) {
        match number {
            90 => self.due = now.at.after(Duration::from_millis(500)),
            91 => self.restless = true,
            92 => panic!("number {number} is too much"),
            93 => effects.restart(Duration::from_secs(2)),
            94 => effects.send("unknown", "lost"),
            95 => effects.mark("breaks", ""),
            _ => {
                self.total += number;
                for node in ["a", "b", "c"] {
                    if node != self.name {
                        effects.send(node, number.to_string());
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
            fn observe(&mut self, event: &SimEvent<'_>) -> Result<(), Violation> {
                match event.kind {
                    SimEventKind::Marked { word: "breaks", .. } => {
                        Err(Violation::new("no node breaks", "one"))
                    }
                    _ => Ok(()),
                }
            }

            fn end(&mut self, at: Instant) -> Result<(), Violation> {
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
    let violation = outcome.violation.map(|violation| violation.to_string());
    lines.into_iter().skip(6).chain(violation).collect()
}

#[test]
fn messages_are_lost_repeated_and_late_as_the_plan_says() {
    let told = "\
stimulus a at 1s number 7
stimulus a at 2s number 8
lose a b 1
repeat a b 2 after 1.5s
delay a c 2 by 0.25s
stimulus b at 5s number 94 # to a node that is not there
";
    assert_eq!(
        play(told),
        [
            "1.000s a: stimulus 7",
            "1.000s a -> b #1 `7`, lost",
            "1.000s a -> c #1 `7`",
            "1.001s c <- a #1 `7`",
            "1.001s c: hears 7 from a",
            "2.000s a: stimulus 8",
            "2.000s a -> b #2 `8`, twice",
            "2.000s a -> c #2 `8`, 0.250s late",
            "2.001s b <- a #2 `8`",
            "2.001s b: hears 8 from a",
            "2.251s c <- a #2 `8`",
            "2.251s c: hears 8 from a",
            "3.501s b <- a #2 `8`",
            "3.501s b: hears 8 from a",
            "5.000s b: stimulus 94",
            "5.000s b -> unknown #0 `lost`, cut off",
        ]
    );
}

#[test]
fn nodes_crash_stop_and_start_as_the_plan_says() {
    let told = "\
stimulus a at 1s number 7
crash a at 2s for 1s
stimulus a at 2.5s number 8
crash b at 0.9995s for 1s wiped
";
    // Times are whole milliseconds.
    assert!(told.parse::<Plan>().is_err());
    let told = told.replace("0.9995s", "1s");
    assert_eq!(
        play(&told),
        [
            "1.000s b: crashes and loses its disk",
            "1.000s a: stimulus 7",
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
    let told = "stimulus a at 1s number 7\nstimulus a at 2s number 93\ncrash a at 6s for 1s wiped";
    let lines = play(told);
    assert_eq!(
        lines[7..],
        [
            "2.000s a: stimulus 93",
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
stimulus a at 0.950s number 1
stimulus a at 1.500s number 2
stimulus a at 2.000s number 3
shift c at 3s by -60.5s
stimulus c at 4s number 90
";
    assert_eq!(
        play(told),
        [
            "0.950s a: stimulus 1",
            "0.950s a -> b #1 `1`",
            "0.950s a -> c #1 `1`",
            "1.000s a b cut off",
            "1.050s b <- a #1 `1`",
            "1.050s b: hears 1 from a",
            "1.050s c <- a #1 `1`, missed",
            "1.500s a: stimulus 2",
            "1.500s a -> b #2 `2`",
            "1.500s a -> c #2 `2`, cut off",
            "1.600s b <- a #2 `2`",
            "1.600s b: hears 2 from a",
            "2.000s a: stimulus 3",
            "2.000s a -> b #3 `3`",
            "2.000s a -> c #3 `3`, cut off",
            "2.000s a joined again",
            "2.100s b <- a #3 `3`",
            "2.100s b: hears 3 from a",
            "3.000s c: wall clock jumps by -60500 ms",
            "4.000s c: stimulus 90",
            "4.500s c: wakes 0 at 2025-01-15T11:59:04Z",
        ]
    );
}

#[test]
fn what_breaks_ends_the_run() {
    assert_eq!(
        play("stimulus a at 1s number 95\nstimulus a at 2s number 7"),
        ["1.000s a: stimulus 95", "1.000s a: breaks ", "no node breaks, but 1.000s: one"]
    );
    assert_eq!(
        play("stimulus a at 1s number 92").last().unwrap(),
        "nothing panics, but 1.000s: number 92 is too much"
    );
    assert_eq!(
        play("stimulus b at 1s number 91").last().unwrap(),
        "after a wake the deadline is later than now, but 1.000s: `b` wants to be woken at 0s again"
    );
}

/// What is left after shrinking is what it takes, and a plan that breaks nothing stays.
#[test]
fn shrinking_leaves_what_it_takes() {
    let mut plan = Conditions::new().plan(&Echoes, 5);
    plan.network.lost = 100;
    assert_eq!(shrink(&Echoes, &plan), plan);
    let noisy = plan.clone().with_stimulus(Stimulus::new("b", 250_000, 95));
    let expected = Plan::new("echoes", 5).with_stimulus(Stimulus::new("b", 250_000, 95));
    let mut small = shrink(&Echoes, &noisy);
    (small.calm, small.end) = (expected.calm, expected.end);
    assert_eq!(small, expected);
}

/// The world's own plans are equal for equal seeds, and so are their transcripts, line by line.
#[test]
fn equal_seeds_give_equal_transcripts() {
    let conditions = Conditions::new();
    let mut before = Vec::new();
    for seed in 0..4 {
        let plan = conditions.plan(&Echoes, seed);
        let read: Plan = plan.to_string().parse().unwrap();
        assert_eq!(read, plan);
        let first = transcript(&Echoes, &plan);
        assert_eq!(transcript(&Echoes, &read), first);
        assert_eq!(run(&Echoes, &plan, &mut |_| {}), first.0);
        assert_ne!(first.1, before, "{seed}");
        before = first.1;
    }
    let seeded = try_seed(&Echoes, &conditions, 0).unwrap();
    assert_eq!((seeded.runs, seeded.sent > 0), (1, true));
}

/// One act of three breaks a run; nothing else is left of the first seed that draws one.
#[test]
fn the_first_seed_that_breaks_is_shrunk() {
    let Counterexample { drawn, plan, violation, tail, .. } =
        *explore(&Echoes, &Conditions::new(), 0..100).unwrap_err();
    assert_eq!((plan.stimuli.len(), plan.faults.len()), (1, 0), "{plan}");
    assert!((0..drawn.seed).all(|seed| try_seed(&Echoes, &Conditions::new(), seed).is_ok()));
    let replayed: Plan = plan.to_string().parse().unwrap();
    let (outcome, lines) = transcript(&Echoes, &replayed);
    assert_eq!(outcome.violation, Some(violation));
    assert!(lines.ends_with(&tail) && !lines.is_empty());
}

#[test]
fn fates_follow_the_rates() {
    let mut plan = Plan::new("echoes", 1);
    for index in 0..2_000 {
        plan = plan.with_stimulus(Stimulus::new("a", index, 1));
    }
    plan.calm = 1_000;
    let network = &mut plan.network;
    (network.lost, network.repeated, network.late, network.late_by) = (100, 50, 20, 5_000);
    let mut seen = [0; 4];
    let outcome = run(&Echoes, &plan, &mut |event| {
        let SimEventKind::Sent { fate, .. } = event.kind else { return };
        let index = match fate {
            MessageFate::Lost => 1,
            MessageFate::Repeated(by) | MessageFate::Late(by) => {
                assert!((1..=5_000).contains(&by));
                if matches!(fate, MessageFate::Late(_)) { 3 } else { 2 }
            }
            _ => 0,
        };
        assert!(index == 0 || event.at < Instant::from_millis(1_000));
        seen[index] += 1;
    });
    let SimStats { sent, lost, repeated, late, .. } = outcome.stats;
    assert_eq!((sent, lost, repeated, late), (4_000, seen[1], seen[2], seen[3]));
    assert!((150..250).contains(&lost) && (70..130).contains(&repeated), "{seen:?}");
    assert!((20..60).contains(&late), "{seen:?}");
}

#[test]
fn leaving_one_fault_out_leaves_the_others_alone() {
    let mut plan = Plan::new("echoes", 11);
    for index in 0..40 {
        plan = plan.with_stimulus(Stimulus::new(["a", "b", "c"][index % 3], index as u64 * 100, 1));
    }
    (plan.calm, plan.network.lost, plan.network.latency) = (9_000, 200, (1, 500));
    let fates = |plan: &Plan| {
        let mut fates = Vec::new();
        run(&Echoes, plan, &mut |event| {
            if let SimEventKind::Sent { to, number, fate, .. } = event.kind {
                fates.push((event.node.to_owned(), to.to_owned(), number, fate));
            }
        });
        fates.sort_by(|one, other| (&one.0, &one.1, one.2).cmp(&(&other.0, &other.1, other.2)));
        fates
    };
    let all = fates(&plan);
    assert!(all.iter().any(|fate| fate.3 == MessageFate::Lost));
    let (from, to, number, _) =
        all.iter().find(|fate| fate.3 == MessageFate::Arrives).unwrap().clone();
    let lost = SimFault::Message { from, to, number, fault: MessageFault::Lost };
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
        ("stimulus a at 1s number x", "line 1: `x` is no number"),
        ("crash a at 1s for 1s whipped", "line 1: `wiped` is expected, not `whipped`"),
        ("\n# nothing\ncut a b", "line 3: `at` is missing"),
        ("shift a at 1s by --1s", "line 1: `--1s` is no time such as -12.350s"),
        ("lose a b -3", "line 1: `-3` is no number"),
        ("crash", "line 1: node is missing"),
    ] {
        let refused = text.parse::<Plan>().unwrap_err();
        assert_eq!(refused.to_string(), error);
        assert_eq!((refused.kind(), refused.code()), (ErrorKind::Read, "plan"));
    }
}
