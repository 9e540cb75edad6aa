//! `coord run`: a command that holds resources, whatever is killed or stopped.

use crate::coord_bus::{Place, told};
use serde_json::Value;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

fn done(place: &Place, args: &[&str]) -> String {
    let (code, text, errors) = place.all(args);
    assert_eq!((code, errors.as_str()), (0, ""), "{args:?}: {text}");
    text
}

fn signal(name: &str, pid: &str) {
    // It may be gone already.
    let kill = Command::new("kill").args([&format!("-{name}"), pid]).stderr(Stdio::null()).status();
    kill.unwrap();
}

/// Whether a process runs: one that was not yet waited for does not.
fn is_alive(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or("").starts_with(" Z"))
}

fn until(what: &str, mut is: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is() {
        assert!(begun.elapsed() < Duration::from_secs(20), "not within 20 s: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// What a command wrote, once it is a whole line.
fn line(place: &Place, file: &str) -> String {
    let path = place.0.path(file);
    let read = || std::fs::read_to_string(&path).unwrap_or_default();
    until(file, || read().ends_with('\n'));
    read().trim().to_owned()
}

/// A run that holds `src`, and its processes.
struct Run {
    wrapper: Child,
    guard: String,
    child: String,
    /// A process of another session, whose parent is gone, that does not end when it is asked to.
    stray: String,
}

const FAMILY: &str = r#"
    setsid sh -c 'trap "" TERM HUP; echo $$ > stray.new; mv stray.new stray; while :; do sleep 0.1; done' &
    echo $$ $PPID > family.new; mv family.new family
    while :; do sleep 0.1; done"#;

fn start(place: &Place, options: &[&str]) -> Run {
    let args = [&["run", "--file", "src"], options, &["--", "sh", "-c", FAMILY]].concat();
    let wrapper = place.spawn(&args);
    let family = line(place, "family");
    let (child, guard) = family.split_once(' ').unwrap();
    let (guard, child) = (guard.to_owned(), child.to_owned());
    Run { wrapper, guard, child, stray: line(place, "stray") }
}

impl Run {
    fn pid(&self) -> String {
        self.wrapper.id().to_string()
    }

    fn nothing_is_left(&self) {
        for (who, pid) in [("child", &self.child), ("stray", &self.stray), ("guard", &self.guard)] {
            until(who, || !is_alive(pid));
        }
    }

    fn end(self) -> (i32, String) {
        let (code, _, errors) = told(&self.wrapper.wait_with_output().unwrap());
        (code, errors)
    }
}

/// Takes what the run held, and looks at that moment whether anything still works with it.
fn take_over(place: &Place, run: &Run) {
    let begun = Instant::now();
    while place.all(&["allocate", "--file", "src/a"]).0 != 0 {
        assert!(begun.elapsed() < Duration::from_secs(30), "it is never granted");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(!is_alive(&run.child), "the command still works with what another one was granted");
    assert!(!is_alive(&run.stray), "what it started still works with that");
}

#[test]
fn a_command_knows_what_it_holds_and_its_code_is_passed_on() {
    let place = Place::new();
    let script = "echo $COORD_ALLOCATION $COORD_FENCE $COORD_BUS $COORD_POOL; cat; exit 7";
    let output = place.run(&["run", "--file", "src", "--", "sh", "-c", script], b"input\n");
    let expected = format!("alloc_1-1 1-1 {} default\ninput\n", place.url());
    assert_eq!(told(&output), (7, expected, String::new()));
    // What it held is given back.
    done(&place, &["run", "--file", "src", "--", "true"]);
    let inside = ["run", "--file", "src", "--", env!("CARGO_BIN_EXE_coord"), "allocate"];
    assert_eq!(place.all(&[&inside[..], &["--file", "src/a"]].concat()).0, 1);
    let shown: Value =
        serde_json::from_str(&done(&place, &["inventory", "--format", "json"])).unwrap();
    assert_eq!(shown["grants"].as_array().map_or(0, Vec::len), 0, "{shown}");
    // A file that was begun goes on where it was.
    let lines = place.0.path("lines");
    std::fs::write(&lines, "one\ntwo\n").unwrap();
    let coord = env!("CARGO_BIN_EXE_coord");
    let script = format!("{{ read -r first; {coord} run --file src -- cat; }} < {lines}");
    let mut shell = Command::new("sh");
    shell.args(["-c", &script]).env("COORD_BUS", place.url());
    assert_eq!(crate::coord::out(&shell.output().unwrap()), "two\n");
}

#[test]
fn its_own_ends_have_codes_of_their_own() {
    let place = Place::new();
    done(&place, &["inventory", "set", "agents=1"]);
    done(&place, &["allocate", "--need", "agents=1", "--file", "held", "--for", "1h"]);
    let cases: &[(&[&str], u8, &str)] = &[
        (&["--need", "agents=2", "--", "true"], 121, "is denied: agents: 2 needed, "),
        (&["--file", "held/x", "--", "true"], 121, "path held/x: needed alone, "),
        (&["--", "true"], 122, "coord run: nothing is asked for; "),
        (&["--file", "src"], 122, "required arguments were not provided"),
        (&["--file", "src", "--kill-grace", "soon", "--", "true"], 122, "soon"),
        (&["--file", "src", "--kill-grace", "1m", "--", "true"], 122, "raise the rule `ttl`"),
        (
            &["--need", "agents=1", "--wait", "--max-wait", "200ms", "--", "true"],
            123,
            "waited too long",
        ),
        (&["--bus", "sqlite:/dev/null/x", "--file", "src", "--", "true"], 124, "coord run: "),
        (&["--file", "src", "--", "/etc"], 126, "coord run: cannot run `/etc`: "),
        (&["--file", "src", "--", "./nothing"], 127, "coord run: cannot run `./nothing`: "),
    ];
    for (args, code, sentence) in cases {
        let (found, text, errors) = place.all(&[&["run"], *args].concat());
        assert_eq!((found, text.as_str()), (i32::from(*code), ""), "{args:?}: {errors}");
        assert!(errors.contains(sentence), "{args:?}: {errors}");
    }
    // Whatever became of it, nothing is held but what was before.
    let shown = done(&place, &["inventory"]);
    assert!(shown.contains("1 granted") && shown.contains("0 waiting"), "{shown}");
}

#[test]
fn signals_go_to_the_command() {
    let place = Place::new();
    // One process alone: what is stopped in its group would keep a shell waiting.
    let script = r#"
import os, signal
def got(number, _):
    if number == signal.SIGTSTP:
        os._exit(9)
    with open("got", "a") as file:
        print(signal.Signals(number).name[3:], file=file)
for name in "HUP INT QUIT TERM USR1 USR2 WINCH CONT TSTP".split():
    signal.signal(getattr(signal, "SIG" + name), got)
with open("family", "w") as file:
    print("ready", file=file)
while True:
    signal.pause()"#;
    let run = place.spawn(&["run", "--file", "src", "--", "python3", "-c", script]);
    line(&place, "family");
    let pid = run.id().to_string();
    let mut expected = String::new();
    for name in ["HUP", "INT", "QUIT", "TERM", "USR1", "USR2", "WINCH", "CONT"] {
        signal(name, &pid);
        expected.push_str(name);
        expected.push('\n');
        let got = || std::fs::read_to_string(place.0.path("got")).unwrap_or_default();
        until(name, || got() == expected);
    }
    signal("TSTP", &pid);
    assert_eq!(told(&run.wait_with_output().unwrap()), (9, String::new(), String::new()));
}

#[test]
fn when_the_wrapper_is_killed_nothing_is_left() {
    let place = Place::new();
    let mut run = start(&place, &["--kill-grace", "300ms"]);
    run.wrapper.kill().unwrap();
    take_over(&place, &run);
    run.nothing_is_left();
}

#[test]
fn when_the_guard_is_killed_nothing_is_left() {
    let place = Place::new();
    let run = start(&place, &["--kill-grace", "300ms"]);
    signal("KILL", &run.guard);
    take_over(&place, &run);
    run.nothing_is_left();
    let (code, errors) = run.end();
    assert_eq!(code, 137);
    assert_eq!(errors, "coord run: its guard was killed, and so was the command\n");
}

#[test]
fn when_both_are_killed_whoever_is_granted_next_ends_the_rest() {
    let place = Place::new();
    let mut run = start(&place, &[]);
    // Stopped first, so that neither sees the end of the other.
    signal("STOP", &run.guard);
    run.wrapper.kill().unwrap();
    signal("KILL", &run.guard);
    assert!(is_alive(&run.stray), "it must be there for this to tell anything");
    take_over(&place, &run);
    run.nothing_is_left();
}

#[test]
fn when_the_command_or_what_it_started_is_killed_the_rest_is_as_told() {
    let place = Place::new();
    let run = start(&place, &["--kill-grace", "300ms"]);
    signal("KILL", &run.stray);
    until("the stray", || !is_alive(&run.stray));
    std::thread::sleep(Duration::from_millis(200));
    assert!(is_alive(&run.child), "a command goes on without what it started");
    signal("KILL", &run.child);
    run.nothing_is_left();
    assert_eq!(run.end(), (137, String::new()));

    // What the command leaves running is ended before anything is given back.
    let script = "setsid sh -c 'trap \"\" TERM; echo $$ > left; while :; do sleep 0.1; done' & \
                  while ! [ -s left ]; do sleep 0.01; done";
    done(&place, &["run", "--file", "src", "--kill-grace", "200ms", "--", "sh", "-c", script]);
    assert!(!is_alive(&line(&place, "left")));
}

/// A lease that is over soon.
fn short(place: &Place) {
    done(place, &["inventory", "rule", "ttl=3s"]);
}

#[test]
fn a_lease_is_renewed_for_as_long_as_the_command_lives() {
    let place = Place::new();
    short(&place);
    let options = ["run", "--file", "src", "--kill-grace", "100ms"];
    let run = place.spawn(&[&options[..], &["--", "sleep", "5"]].concat());
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!(place.all(&["allocate", "--file", "src"]).0, 1);
    assert_eq!(told(&run.wait_with_output().unwrap()).0, 0);
}

#[test]
fn when_the_wrapper_is_stopped_the_command_is_dead_before_the_lease_is_over() {
    let place = Place::new();
    short(&place);
    let run = start(&place, &["--kill-grace", "100ms"]);
    signal("STOP", &run.pid());
    take_over(&place, &run);
    run.nothing_is_left();
    signal("CONT", &run.pid());
    let (code, errors) = run.end();
    assert_eq!(code, 125, "{errors}");
    assert!(errors.starts_with("coord run: the lease of alloc_1-1 is "), "{errors}");
}

#[test]
fn when_wrapper_and_guard_are_stopped_whoever_is_granted_next_ends_the_command() {
    let place = Place::new();
    short(&place);
    let run = start(&place, &["--kill-grace", "100ms"]);
    signal("STOP", &run.pid());
    signal("STOP", &run.guard);
    take_over(&place, &run);
    signal("CONT", &run.guard);
    signal("CONT", &run.pid());
    run.nothing_is_left();
    assert_eq!(run.end().0, 125);
}

#[test]
fn a_command_that_is_stopped_for_too_long_loses_the_lease() {
    let place = Place::new();
    short(&place);
    let run = start(&place, &["--kill-grace", "100ms", "--stop-time", "4s"]);
    let begun = Instant::now();
    signal("STOP", &run.child);
    until("the end of the command", || !is_alive(&run.child));
    assert!(begun.elapsed() > Duration::from_secs(3), "{:?}", begun.elapsed());
    run.nothing_is_left();
    assert_eq!(run.end().0, 125);
}

#[test]
fn a_command_ends_with_its_grant() {
    let place = Place::new();
    let run = start(&place, &["--kill-grace", "100ms"]);
    done(&place, &["release", "alloc_1-1"]);
    short(&place);
    run.nothing_is_left();
    let (code, errors) = run.end();
    assert_eq!(
        (code, errors.as_str()),
        (125, "coord run: the lease of alloc_1-1 is lost: it is over\n")
    );

    let begun = Instant::now();
    let args =
        ["run", "--file", "src", "--kill-grace", "100ms", "--for", "3s", "--", "sleep", "60"];
    let (code, _, errors) = place.all(&args);
    assert_eq!(code, 125, "{errors}");
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
}

#[test]
fn one_that_waits_runs_when_another_ends() {
    let place = Place::new();
    let run = start(&place, &["--kill-grace", "100ms"]);
    let waits = place.spawn(&["run", "--file", "src", "--wait", "--", "echo", "now"]);
    std::thread::sleep(Duration::from_millis(300));
    signal("KILL", &run.child);
    assert_eq!(told(&waits.wait_with_output().unwrap()), (0, "now\n".to_owned(), String::new()));
    run.nothing_is_left();
}

#[test]
fn what_is_typed_at_a_terminal_goes_to_the_command() {
    let place = Place::new();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/run_at_a_terminal.py");
    let mut python = Command::new("python3");
    python.arg(script).arg(env!("CARGO_BIN_EXE_coord")).current_dir(&place.0.0);
    python.env("COORD_BUS", place.url());
    let output = python.output().unwrap();
    assert_eq!(told(&output), (0, "ok\n".to_owned(), String::new()));
}
