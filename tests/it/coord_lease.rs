//! `coord allocate` and its siblings: processes that decide about one file, without a server.

use crate::coord_bus::{Place, told};
use crate::support::scaled;
use coordination_protocol::adapter::sqlite::{Sqlite, SqliteOptions};
use coordination_protocol::storage::{Engine as _, Journal as _, Log, block_on};
use serde_json::Value;
use std::process::{Child, Stdio};
use std::time::Duration;

fn done(place: &Place, args: &[&str]) -> String {
    let (code, text, errors) = place.all(args);
    assert_eq!((code, errors.as_str()), (0, ""), "{args:?}: {text}");
    text
}

fn json(place: &Place, args: &[&str], expected: i32) -> Value {
    let (code, text, errors) = place.all(&[args, &["--format", "json"]].concat());
    assert_eq!((code, errors.as_str()), (expected, ""), "{args:?}: {text}");
    serde_json::from_str(&text).unwrap()
}

/// The text without the times, which are those of the wall clock.
fn without_times(text: &str) -> String {
    let time = regex::Regex::new(r"\d{4}-\d\d-\d\dT[0-9:.]+Z").unwrap();
    time.replace_all(text, "TIME").into_owned()
}

#[test]
fn resources_are_granted_explained_queued_and_given_back() {
    let place = Place::new();
    done(&place, &["inventory", "set", "agents=8", "memory_gb=32", "tokens=1000/1h"]);
    let granted =
        done(&place, &["allocate", "--need", "agents=6", "--file", "src/**", "--for", "1m"]);
    assert_eq!(without_times(&granted), "alloc_1-1 granted: agents=6 src\nfence 1-1, until TIME\n");

    let asked = ["allocate", "--need", "agents=4", "--file", "src/net", "--id", "req_2"];
    let (code, text, errors) = place.all(&asked);
    assert_eq!((code, errors.as_str()), (1, ""));
    assert_eq!(
        without_times(&text),
        "req_2 is denied\n  \
           agents: 4 needed, 2 of 8 free; held by alloc_1-1 of global until TIME\n  \
           path src/net: needed alone, and src is taken; held by alloc_1-1 of global until TIME\n  \
           it would be granted if alloc_1-1 ended\n  \
           it would be granted if it asked at TIME\n  \
           it would be granted if it asked for agents=2, and it did not ask for src/net\n"
    );
    let queued = json(&place, &["allocate", "--need", "agents=4", "--queue", "--id", "req_3"], 0);
    let answer = &queued["allocation_response"];
    assert_eq!((&answer["status"], &answer["position"]), (&"queued".into(), &0.into()));
    assert_eq!(answer["blocked_by"][0]["held_by"][0]["allocation_id"], "alloc_1-1");
    let why = done(&place, &["why", "req_3"]);
    assert!(why.starts_with("req_3 of global waits since "), "{why}");
    let (code, text, _) = place.all(&["plan", "--need", "agents=9"]);
    assert_eq!(code, 1);
    assert!(text.contains("agents: 9 needed, and there are 8 in all"), "{text}");

    // What is given back goes to who waits; nobody is there, so it is an offer.
    done(&place, &["release", "alloc_1-1", "--fence", "1-1"]);
    let why = done(&place, &["why", "req_3"]);
    assert!(why.contains("it has to be claimed: coord claim alloc_1-2"), "{why}");
    let pid = std::process::id().to_string();
    done(&place, &["claim", "req_3", "--pid", &pid]);
    let known = json(&place, &["why", "alloc_1-2"], 0);
    assert_eq!(known["granted"]["lease"]["fence"], "1-2");
    done(&place, &["renew", "alloc_1-2", "--fence", "1-2"]);
    done(&place, &["extend", "alloc_1-2", "--by", "10m"]);
    let shown = json(&place, &["inventory"], 0);
    assert_eq!(shown["grants"].as_array().unwrap().len(), 1);
    done(&place, &["release", "alloc_1-2"]);

    let cases: &[(&[&str], i32, &str)] = &[
        (
            &["release", "alloc_1-2"],
            1,
            "coord: there is no grant alloc_1-2; it ended at TIME: released\n",
        ),
        (
            &["renew", "alloc_1-2", "--fence", "1-2"],
            5,
            "coord: the lease of alloc_1-2 is lost: it is over\n",
        ),
        (
            &["renew", "alloc_1-2"],
            2,
            "coord: a renewal needs the fence of the grant: --fence, or COORD_FENCE\n",
        ),
        (
            &["allocate"],
            2,
            "coord: nothing is asked for; say --need NAME=AMOUNT, --file or --share\n",
        ),
        (&["release", "req_9", "--waiting"], 1, "coord: no request req_9 waits\n"),
        (&["why", "req_9"], 1, "coord: nothing is known of `req_9`\n"),
        (
            &["inventory", "rule", "ttl=soon"],
            2,
            "coord: the rule `ttl` cannot be `soon`: it takes a duration such as `30s`\n",
        ),
    ];
    for (args, code, sentence) in cases {
        let (found, _, errors) = place.all(args);
        assert_eq!((found, without_times(&errors).as_str()), (*code, *sentence), "{args:?}");
    }
    let (code, _, errors) = place.all(&["allocate", "--file", "../x"]);
    assert_eq!(code, 2);
    assert!(errors.contains("`../x` is no path below the root: `..` leads out of it"), "{errors}");
}

#[test]
fn who_waits_starts_when_others_give_back() {
    let place = Place::new();
    done(&place, &["inventory", "set", "agents=1"]);
    done(&place, &["allocate", "--need", "agents=1"]);
    let waits = place.spawn(&["allocate", "--need", "agents=1", "--wait", "--id", "req_2"]);
    waiting(&place, "req_2");
    done(&place, &["release", "alloc_1-1"]);
    let (code, text, errors) = told(&waits.wait_with_output().unwrap());
    assert_eq!((code, errors.as_str()), (0, ""));
    assert!(text.starts_with("alloc_1-2 granted: agents=1\n"), "{text}");

    // One that is cut off no longer waits; one that waits too long says so.
    let waits = place.spawn(&["allocate", "--need", "agents=1", "--wait", "--id", "req_3"]);
    waiting(&place, "req_3");
    crate::coord_talk::end(&waits);
    waits.wait_with_output().unwrap();
    let over = done(&place, &["why", "req_3"]);
    assert!(over.contains("cancelled"), "{over}");
    let late = ["allocate", "--need", "agents=1", "--wait", "--max-wait", "200ms"];
    assert_eq!(place.all(&late).0, 3);
    // One that is killed is found to be gone by whoever decides next.
    let mut waits = place.spawn(&["allocate", "--need", "agents=1", "--wait", "--id", "req_4"]);
    waiting(&place, "req_4");
    waits.kill().unwrap();
    waits.wait().unwrap();
    done(&place, &["release", "alloc_1-2"]);
    let over = done(&place, &["why", "req_4"]);
    assert!(over.contains("waiter_gone"), "{over}");
}

fn waiting(place: &Place, request: &str) {
    for _ in 0..400 {
        let (_, text, _) = place.all(&["why", request, "--format", "json"]);
        if text.contains("\"waiting\"") {
            return;
        }
        std::thread::sleep(Duration::from_millis(25));
    }
    panic!("{request} does not wait");
}

#[test]
fn a_grant_ends_with_the_process_that_holds_it() {
    let place = Place::new();
    let mut holder = std::process::Command::new("sleep").arg("600").spawn().unwrap();
    let pid = holder.id().to_string();
    done(&place, &["allocate", "--file", "src", "--pid", &pid]);
    assert_eq!(place.all(&["allocate", "--file", "src/a"]).0, 1);
    holder.kill().unwrap();
    holder.wait().unwrap();
    done(&place, &["allocate", "--file", "src/a"]);
    let over = done(&place, &["why", "alloc_1-1"]);
    assert!(over.contains("holder_gone"), "{over}");
}

#[test]
fn of_sixteen_processes_one_wins_each_round() {
    let place = Place::new();
    done(&place, &["inventory", "set", "slot=1"]);
    for round in 0..scaled(50) {
        let ask = |number: usize| -> Child {
            let id = format!("req_{round}_{number}");
            let mut command =
                place.command(&["allocate", "--need", "slot=1", "--id", &id, "--format", "json"]);
            command.stdin(Stdio::null()).spawn().unwrap()
        };
        let mut asked: Vec<Child> = (0..16).map(ask).collect();
        if round % 3 == 1 {
            // One of them may be killed at any moment: it has the slot, or nothing happened.
            let _ = asked[round % 16].kill();
        }
        let answers: Vec<(i32, String)> = asked
            .into_iter()
            .map(|child| {
                let output = child.wait_with_output().unwrap();
                (output.status.code().unwrap_or(-1), String::from_utf8(output.stdout).unwrap())
            })
            .collect();
        let won = answers.iter().filter(|answer| answer.0 == 0).count();
        let shown = json(&place, &["inventory"], 0);
        let grants = shown["grants"].as_array().unwrap();
        assert_eq!(grants.len(), 1, "{answers:?}");
        assert!(won == 1 || (round % 3 == 1 && won == 0), "{answers:?}");
        let others = answers.iter().filter(|answer| answer.0 == 1).count();
        assert!(others + won >= 15, "{answers:?}");
        let allocation = grants[0]["allocation_id"].as_str().unwrap();
        // Each grant has a greater token than the one before.
        assert_eq!(grants[0]["fence"], format!("1-{}", round + 1));
        done(&place, &["release", allocation]);
    }
}

/// Waits until a line of standard error has a text.
fn says(child: &mut Child, text: &str) {
    use std::io::{BufRead as _, BufReader};
    let lines = BufReader::new(child.stderr.as_mut().unwrap()).lines();
    for line in lines {
        if line.unwrap().contains(text) {
            return;
        }
    }
    panic!("it never says `{text}`");
}

#[test]
fn of_two_that_serve_the_older_ends_and_each_request_is_decided_once() {
    let place = Place::new();
    done(&place, &["inventory", "set", "agents=6"]);
    let serve = ["serve", "resource-manager"];
    let mut older = place.spawn(&serve);
    says(&mut older, "serves the pool default");
    let request = r#"{"allocation_request":{"request_id":"req_m","workflow_id":"wf_m","requester":"me","timestamp":"2025-01-15T12:00:00Z","resources":{"agents":1}}}"#;
    let answer = done(&place, &["request", "resource-manager", request, "--as", "me"]);
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["allocation_response"]["status"], "approved");
    assert_eq!(answer["allocation_response"]["allocated_resources"]["fence"], "1-1");

    let asks: Vec<_> = (0..8)
        .map(|number| {
            let command = |args: &[&str]| place.command(args);
            let mut commands: Vec<_> = (0..4)
                .map(|round| {
                    let id = format!("req_{number}_{round}");
                    command(&[
                        "allocate", "--need", "agents=1", "--queue", "--for", "1s", "--id", &id,
                    ])
                })
                .collect();
            std::thread::spawn(move || {
                for command in &mut commands {
                    let output = command.stdin(Stdio::null()).output().unwrap();
                    assert!(output.status.success(), "{output:?}");
                }
            })
        })
        .collect();
    let mut newer = place.spawn(&serve);
    says(&mut newer, "serves the pool default");
    let (code, _, errors) = told(&older.wait_with_output().unwrap());
    assert_eq!((code, errors.as_str()), (5, "coord: another one took over\n"));
    for asked in asks {
        asked.join().unwrap();
    }
    let release =
        r#"{"release":{"allocation_id":"alloc_1-1","release_reason":"done","fence":"1-1"}}"#;
    done(&place, &["request", "resource-manager", release, "--as", "me"]);
    // The one that serves does what is due: short grants end, offers lapse, those that wait start.
    let file = place.0.path("coord.sqlite");
    let history = Sqlite::open(&file, &SqliteOptions::new("test")).unwrap().log(Log::History);
    let mut granted: Vec<String> = Vec::new();
    for _ in 0..200 {
        let records = block_on(history.read(0, 1_000)).unwrap();
        granted = records
            .iter()
            .map(|record| String::from_utf8_lossy(&record.data))
            .filter(|text| text.contains("RESOURCE_ALLOCATED"))
            .filter_map(|text| Some(text.split("\"req_").nth(1)?.split('"').next()?.to_owned()))
            .collect();
        if granted.len() >= 8 {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let unique: std::collections::BTreeSet<_> = granted.iter().collect();
    assert_eq!(unique.len(), granted.len(), "{granted:?}");
    assert!(granted.len() >= 8, "{granted:?}");
    crate::coord_talk::end(&newer);
    newer.wait_with_output().unwrap();
}
