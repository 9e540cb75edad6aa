//! Many processes on one file that are killed at any moment.

use crate::coord_bus::Place;
use crate::support::{Rng, scaled};
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const PUBLISHERS: usize = 16;
const READERS: usize = 4;
/// As many messages a reader that prints claims at a time.
const PAGE: usize = 64;

fn reason(message: &Value) -> String {
    message["event"]["data"]["failure_reason"].as_str().unwrap().to_owned()
}

/// Publishes one message after the other in a workflow of its own, and notes those that were acknowledged.
fn publish(place: &Place, number: usize, stop: &AtomicBool, kills: &AtomicUsize) -> Vec<String> {
    let mut rng = Rng::new(number as u64 + 1);
    let mut acknowledged = Vec::new();
    let workflow = format!("wf_{number}");
    for count in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let text = format!("{number}-{count}");
        let reason = format!("failure_reason={text}");
        let args = [
            "publish",
            "TASK_FAILED",
            &workflow,
            "build",
            "task_id=t",
            "agent_id=a",
            "retry_count=1",
            &reason,
        ];
        let mut child = place.command(&args).stdout(Stdio::null()).spawn().unwrap();
        if rng.one_in(4) {
            std::thread::sleep(Duration::from_millis(rng.below(120) as u64));
            if child.try_wait().unwrap().is_none() {
                kills.fetch_add(1, Ordering::Relaxed);
                child.kill().unwrap();
            }
        }
        let output = child.wait_with_output().unwrap();
        match output.status.code() {
            Some(0) => acknowledged.push(text),
            // It was killed: published once or not at all.
            None => {}
            // Nothing else may go wrong, however many others write.
            Some(code) => panic!("{code}: {}", String::from_utf8_lossy(&output.stderr)),
        }
    }
    acknowledged
}

/// Whole lines of a reader; one that was cut by a kill is no line.
fn collect(child: &mut Child, into: &Mutex<Vec<String>>) {
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = Vec::new();
    while stdout.read_until(b'\n', &mut line).unwrap() > 0 {
        if line.pop() == Some(b'\n') {
            let message: Value = serde_json::from_slice(&line).unwrap();
            into.lock().unwrap().push(reason(&message));
        }
        line.clear();
    }
}

/// Reads under one name, is killed, and reads again. Everything that it printed, in order, and how often it
/// was killed.
fn subscribe(place: &Place, number: usize, stop: &AtomicBool) -> (Vec<String>, usize) {
    let mut rng = Rng::new(1_000 + number as u64);
    let name = format!("reader-{number}");
    let printed = Mutex::new(Vec::new());
    let mut kills = 0;
    while !stop.load(Ordering::Relaxed) {
        let args = ["subscribe", "--follow", "*.failed", "--durable", &name];
        let mut child = place.command(&args).spawn().unwrap();
        std::thread::scope(|scope| {
            let (sender, receiver) = std::sync::mpsc::channel();
            let pid = child.id();
            let printed = &printed;
            let reading = scope.spawn(move || {
                collect(&mut child, printed);
                sender.send(()).unwrap();
                child.wait_with_output().unwrap()
            });
            let pause = Duration::from_millis(300 + rng.below(2_000) as u64);
            if receiver.recv_timeout(pause).is_err() {
                kills += 1;
                let killed =
                    std::process::Command::new("kill").args(["-KILL", &pid.to_string()]).status();
                assert!(killed.unwrap().success());
            }
            let output = reading.join().unwrap();
            assert_eq!(output.status.code(), None, "{}", String::from_utf8_lossy(&output.stderr));
        });
    }
    // The rest, undisturbed.
    let (code, rest, errors) = place.all(&["subscribe", "*.failed", "--durable", &name]);
    assert_eq!((code, errors.as_str()), (0, ""), "{name}");
    let mut printed = printed.into_inner().unwrap();
    printed.extend(rest.lines().map(|line| reason(&serde_json::from_str(line).unwrap())));
    (printed, kills)
}

#[test]
fn sixteen_publishers_and_four_readers_that_are_killed_lose_and_double_nothing() {
    let place = Place::new();
    for number in 0..READERS {
        let name = format!("reader-{number}");
        assert_eq!(place.all(&["subscribe", "*.failed", "--durable", &name]).0, 0);
    }
    let time = Duration::from_millis(scaled(20_000) as u64);
    let (stop, drained, kills) =
        (AtomicBool::new(false), AtomicBool::new(false), AtomicUsize::new(0));
    let begun = Instant::now();
    let (acknowledged, read) = std::thread::scope(|scope| {
        let publishers: Vec<_> = (0..PUBLISHERS)
            .map(|number| {
                scope.spawn({
                    let (place, stop, kills) = (&place, &stop, &kills);
                    move || publish(place, number, stop, kills)
                })
            })
            .collect();
        let readers: Vec<_> = (0..READERS)
            .map(|number| {
                scope.spawn({
                    let (place, drained) = (&place, &drained);
                    move || subscribe(place, number, drained)
                })
            })
            .collect();
        while begun.elapsed() < time {
            std::thread::sleep(Duration::from_millis(50));
        }
        stop.store(true, Ordering::Relaxed);
        let acknowledged: Vec<String> =
            publishers.into_iter().flat_map(|one| one.join().unwrap()).collect();
        drained.store(true, Ordering::Relaxed);
        let read: Vec<_> = readers.into_iter().map(|one| one.join().unwrap()).collect();
        (acknowledged, read)
    });

    let checked = place.all(&["store", "check", "--root", &place.0.path("")]);
    assert_eq!(checked.0, 0, "{checked:?}");
    let log: Vec<String> = place
        .all(&["subscribe", "*.failed"])
        .1
        .lines()
        .map(|line| reason(&serde_json::from_str(line).unwrap()))
        .collect();
    let once: HashSet<&String> = log.iter().collect();
    assert_eq!(once.len(), log.len(), "a killed publisher published once or not at all");
    assert!(acknowledged.iter().all(|text| once.contains(text)), "what was acknowledged is there");
    let place_of: HashMap<&String, usize> =
        log.iter().enumerate().map(|(at, text)| (text, at)).collect();
    for (printed, killed) in &read {
        let mut seen = HashSet::new();
        let first: Vec<&String> = printed.iter().filter(|text| seen.insert(*text)).collect();
        assert_eq!(seen, once, "each printed all there is, and nothing else");
        let repeats = printed.len() - first.len();
        assert!(repeats <= killed * PAGE, "{repeats} repeats after {killed} kills");
        for number in 0..PUBLISHERS {
            let own = format!("{number}-");
            let lane: Vec<usize> = first
                .iter()
                .filter(|text| text.starts_with(&own))
                .map(|text| place_of[*text])
                .collect();
            assert!(lane.is_sorted(), "the order of a workflow is kept");
        }
    }
    let killed: usize = read.iter().map(|(_, killed)| killed).sum();
    assert!(
        log.len() > PUBLISHERS && killed > READERS && kills.load(Ordering::Relaxed) > 0,
        "{} messages, {killed} kills",
        log.len()
    );
    eprintln!(
        "{} messages, {} acknowledged, {} publishers and {killed} readers killed",
        log.len(),
        acknowledged.len(),
        kills.load(Ordering::Relaxed)
    );
}
