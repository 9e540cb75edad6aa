//! Components and clients: what a handler may do, and what holds whatever it does.

use crate::bus_support::{Notes, check, id, letters, on_bus, pass, paused, published, resumed};
use coordination_protocol::bus::{Bus, Interest, Post};
use coordination_protocol::driver::{
    Client, ClientOptions, Component, ComponentOptions, Context, DriverError, HandlerError,
    presence_key,
};
use coordination_protocol::machine::{Backoff, CallerOptions, RequestOptions, RespondOptions};
use coordination_protocol::message::{ConflictCheck, Envelope, Hello, Message, MessageKind};
use coordination_protocol::route::RouteKey;
use coordination_protocol::storage::view::Registrations;
use coordination_protocol::storage::{Expect, Journal as _, Key, Store as _};
use coordination_protocol::transport::Address;
use coordination_protocol::{Event, WorkflowId};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[test]
fn a_request_is_answered_and_performed_once_however_often_it_is_sent() {
    on_bus(async |bus, host| {
        let notes = Notes::default();
        let seen = notes.clone();
        let slow = host.clone();
        let manager = Component::new("manager")
            .on_request(move |context: Context, check: ConflictCheck| {
                let (seen, slow) = (seen.clone(), slow.clone());
                async move {
                    seen.add(format!("{} attempt {}", check.request_id, context.attempt()));
                    // Longer than the requester waits for one attempt.
                    pass(&slow, 45).await;
                    Ok(check)
                }
            })
            .connect(&bus)
            .await?;
        let client = Client::open(&bus, id("hub")).await?;
        let answer = client.request(&id("manager"), check("req_1")).await?;
        assert_eq!(answer.request_id.as_str(), "req_1");
        assert_eq!(notes.take(), ["req_1 attempt 1"]);
        let stopped = manager.stop("done").await;
        assert_eq!((stopped.succeeded, stopped.failed, stopped.abandoned), (1, 0, 0));
        Ok(())
    });
}

#[test]
fn an_answer_is_replayed_after_a_restart() {
    on_bus(async |bus, _| {
        let count = Arc::new(AtomicU32::new(0));
        let component = || {
            let count = Arc::clone(&count);
            Component::new("manager").on_request(move |_: Context, check: ConflictCheck| {
                count.fetch_add(1, Ordering::Relaxed);
                async move { Ok(check) }
            })
        };
        for _ in 0..2 {
            let running = component().connect(&bus).await?;
            // Two clients of one name: the second asks what the first has asked.
            let client = Client::open(&bus, id("hub")).await?;
            let mut envelope = Envelope::from(Message::from(check("req_1")));
            envelope.header.correlation_id = Some("corr_1".parse()?);
            let within = Duration::from_secs(30);
            // Where the answer goes is no part of what is asked: each client has an address of its own.
            let answer = client.exchange(&id("manager"), envelope, within).await?;
            assert_eq!(answer.message, Message::from(check("req_1")));
            running.stop("restart").await;
        }
        assert_eq!(count.load(Ordering::Relaxed), 1);
        Ok(())
    });
}

#[test]
fn more_requests_than_are_remembered_are_answered_and_none_of_them_twice() {
    on_bus(async |bus, _| {
        let count = Arc::new(AtomicU32::new(0));
        let performed = Arc::clone(&count);
        let options =
            ComponentOptions::new().with_respond(RespondOptions::new().with_remembered(2));
        let manager = Component::new("manager")
            .with_options(options)
            .on_request(move |_: Context, check: ConflictCheck| {
                performed.fetch_add(1, Ordering::Relaxed);
                async move { Ok(check) }
            })
            .connect(&bus)
            .await?;
        // Neither side holds more than a few of them, whatever their number.
        let few = RequestOptions::new().with_remembered(2);
        let options = ClientOptions::new().with_caller(CallerOptions::new().with_request(few));
        let asking = async || Client::open_with(&bus, id("hub"), options.clone()).await;
        let client = asking().await?;
        for number in 0..20 {
            let name = format!("req_{number}");
            assert_eq!(
                client.request(&id("manager"), check(&name)).await?.request_id.as_str(),
                name
            );
        }
        assert_eq!(count.load(Ordering::Relaxed), 20);
        // Other clients of that name: what was answered is answered as before, and an identifier that stands
        // for something else is no repetition.
        let ask = async |workflow: &str| {
            let again = asking().await?;
            let body = check("req_20").with_workflow_id(WorkflowId::new(workflow).unwrap());
            let mut envelope = Envelope::from(Message::from(body));
            envelope.header.correlation_id = Some("corr_1".parse().unwrap());
            let within = Duration::from_secs(30);
            again.exchange(&id("manager"), envelope, within).await
        };
        let first = ask("wf_1").await?.message;
        let other = ask("wf_2").await.unwrap_err().to_string();
        assert_eq!(other, "the request was refused: `req_20` was used for another request");
        assert_eq!(ask("wf_1").await?.message, first);
        assert_eq!(count.load(Ordering::Relaxed), 21);
        manager.stop("done").await;
        Ok(())
    });
}

#[test]
fn what_a_handler_says_is_wrong_answers_as_an_error_report() {
    on_bus(async |bus, _| {
        let manager = Component::new("manager")
            .on_request(|_: Context, check: ConflictCheck| async move {
                match check.request_id.as_str() {
                    "req_panic" => panic!("no such table"),
                    "req_io" => Err(std::io::Error::other("disk on fire"))?,
                    _ => Err(HandlerError::lasting("never")),
                }
            })
            .connect(&bus)
            .await?;
        let client = Client::open(&bus, id("hub")).await?;
        for (request, text, recoverable) in [
            ("req_panic", "the handler panicked: no such table", true),
            ("req_io", "disk on fire", false),
            ("req_other", "never", false),
        ] {
            let error = client.request(&id("manager"), check(request)).await.unwrap_err();
            let DriverError::Refused(report) = error else { panic!("{error}") };
            assert_eq!(report.details.as_ref().unwrap().error_message.as_deref(), Some(text));
            assert_eq!(report.classification.recoverable, Some(recoverable));
            assert_eq!(report.context.as_ref().unwrap().component.as_deref(), Some("manager"));
        }
        // It lives on.
        assert_eq!(
            client.request(&id("manager"), check("req_4")).await.unwrap_err().to_string(),
            "the request was refused: never",
        );
        // A recoverable one was asked three times.
        assert_eq!(manager.stop("done").await.failed, 3 + 3);
        Ok(())
    });
}

#[test]
fn a_kind_that_nothing_handles_is_refused_and_silence_says_that_nobody_listens() {
    on_bus(async |bus, _| {
        let manager = Component::new("manager").connect(&bus).await?;
        let client = Client::open(&bus, id("hub")).await?;
        let error = client.request(&id("manager"), check("req_1")).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "the request was refused: `manager` does not answer a conflict_check",
        );
        let error = client.request(&id("nobody"), check("req_2")).await.unwrap_err();
        assert_eq!(error.to_string(), "`nobody` did not answer `req_2`; nobody listens there");
        assert_eq!(error.code(), "timed-out");
        manager.stop("done").await;
        Ok(())
    });
}

#[test]
fn a_request_that_waited_for_its_component_is_answered_and_one_that_is_over_is_not_performed() {
    on_bus(async |bus, host| {
        let (client, target) = (Client::open(&bus, id("hub")).await?, id("manager"));
        let late = client.request_within(&target, check("req_old"), Duration::from_secs(5));
        assert_eq!(late.await.unwrap_err().code(), "timed-out");
        let notes = Notes::default();
        let seen = notes.clone();
        let asked = client.request(&target, check("req_new"));
        let begun = async {
            pass(&host, 10).await;
            Component::new("manager")
                .on_request(move |_: Context, check: ConflictCheck| {
                    seen.add(check.request_id.as_str());
                    async move { Ok(check) }
                })
                .connect(&bus)
                .await
        };
        let (answer, running) = tokio::join!(asked, begun);
        assert_eq!(answer?.request_id.as_str(), "req_new");
        assert_eq!(notes.take(), ["req_new"]);
        running?.stop("done").await;
        Ok(())
    });
}

#[test]
fn a_request_whose_future_is_dropped_is_given_up() {
    on_bus(async |bus, host| {
        let client = Client::open(&bus, id("hub")).await?;
        let target = id("manager");
        {
            let asked = client.request(&target, check("req_1"));
            tokio::select! {
                biased;
                answer = asked => panic!("{answer:?}"),
                () = pass(&host, 1) => {}
            }
        }
        // Its identifier is used up, which shows that it ended.
        let again = client.request(&target, check("req_1")).await.unwrap_err();
        assert_eq!(
            again.to_string(),
            "`req_1` was asked before; each request needs an identifier of its own"
        );
        Ok(())
    });
}

#[test]
fn greetings_are_answered() {
    on_bus(async |bus, _| {
        let manager = Component::new("manager").connect(&bus).await?;
        let client = Client::open(&bus, id("hub")).await?;
        let hello: Envelope =
            r#"{"hello":{"component_id":"hub","versions":[{"min":"1.0.0","max":"1.1.0"}]}}"#
                .parse()?;
        let Message::Hello(hello) = hello.message else { panic!() };
        let hello: Hello = *hello;
        let welcome = client.request(&id("manager"), hello).await?;
        assert_eq!(welcome.component_id, id("manager"));
        assert_eq!(welcome.version.to_string(), "1.1.0");
        manager.stop("done").await;
        Ok(())
    });
}

#[test]
fn effects_are_stored_with_the_outcome_or_not_at_all() {
    on_bus(async |bus, _| {
        let key = Key::of(["own", "value"])?;
        let written = key.clone();
        let worker = Component::new("worker")
            .subscribe("workflow.*.paused", move |context: Context, event: Event| {
                let key = written.clone();
                async move {
                    let wf = event.workflow_id.to_string();
                    context.publish(Message::from(
                        format!(r#"WORKFLOW_RESUMED:{wf}:global:{{"resume_time":"2025-01-15T12:00:00Z","state_validation":{{}}}}"#)
                            .parse::<Event>()?,
                    ))?;
                    context.put(key, context.attempt().to_string().into_bytes(), Expect::Any);
                    // The first attempt fails after it did all this.
                    if context.attempt() == 1 {
                        return Err(HandlerError::transient("not yet"));
                    }
                    Ok(())
                }
            })
            .connect(&bus)
            .await?;
        let client = Client::open(&bus, id("hub")).await?;
        client.publish(Message::from(paused("wf_1", "lunch"))).await?;
        pass_until(&bus, || async { bus.engine().get(&key).await.unwrap().is_some() }).await;
        assert_eq!(&*bus.engine().get(&key).await?.unwrap().value, b"2");
        let resumed = published(&bus, "workflow.*.resumed").await;
        assert_eq!(resumed.len(), 1);
        // It says what caused it, and who wrote it.
        let header = &resumed[0].header;
        assert!(header.causation_id.is_some());
        assert_eq!(header.source, Some(id("worker")));
        worker.stop("done").await;
        Ok(())
    });
}

/// Lets time pass until something is so.
async fn pass_until<F: Future<Output = bool>>(bus: &Bus, mut so: impl FnMut() -> F) {
    for _ in 0..100 {
        if so().await {
            return;
        }
        let host = bus.host();
        host.sleep_until(host.now().at.after(Duration::from_secs(5)).unwrap()).await;
    }
    panic!("it did not become so");
}

#[test]
fn one_of_many_handlers_panics_and_the_others_go_on() {
    on_bus(async |bus, _| {
        let notes = Notes::default();
        let handler = |name: &'static str, notes: &Notes| {
            let notes = notes.clone();
            move |context: Context, event: Event| {
                let notes = notes.clone();
                async move {
                    let poisoned = name == "second" && event.workflow_id.as_str() == "wf_3";
                    assert!(!poisoned, "attempt {}", context.attempt());
                    notes.add(format!("{name} {}", event.workflow_id));
                    Ok(())
                }
            }
        };
        let options = ComponentOptions::new().with_redelivery(Backoff::new().with_attempts(2));
        let worker = Component::new("worker")
            .with_options(options)
            .subscribe("workflow.*.paused", handler("first", &notes))
            .subscribe("*.paused", handler("second", &notes))
            .connect(&bus)
            .await?;
        let client = Client::open(&bus, id("hub")).await?;
        for number in 1..=5 {
            client.publish(Message::from(paused(&format!("wf_{number}"), "x"))).await?;
        }
        pass_until(&bus, || async { !letters(&bus).await.is_empty() }).await;
        let mut seen = notes.take();
        seen.sort_unstable();
        assert_eq!(
            seen,
            [
                "first wf_1",
                "first wf_2",
                "first wf_3",
                "first wf_4",
                "first wf_5",
                "second wf_1",
                "second wf_2",
                "second wf_4",
                "second wf_5",
            ]
        );
        assert_eq!(letters(&bus).await, ["the handler panicked: attempt 2"]);
        // Each failed attempt was told, correlated with the message.
        let reports = published(&bus, "system.*.error_report").await;
        assert_eq!(reports.len(), 2);
        assert!(reports.iter().all(|report| report.header.causation_id.is_some()));
        let stopped = worker.stop("done").await;
        assert_eq!((stopped.dead_lettered, stopped.abandoned), (1, 0));
        Ok(())
    });
}

#[test]
fn a_slow_handler_slows_its_own_subscription_only_and_the_component_shows_itself() {
    on_bus(async |bus, host| {
        let notes = Notes::default();
        let (quick, slow) = (notes.clone(), host.clone());
        let worker = Component::new("worker")
            .subscribe("workflow.*.paused", move |_: Context, _: Event| {
                let slow = slow.clone();
                async move {
                    pass(&slow, 100).await;
                    Ok(())
                }
            })
            .subscribe("*.paused", move |_: Context, event: Event| {
                quick.add(event.workflow_id.as_str());
                async { Ok(()) }
            })
            .connect(&bus)
            .await?;
        let client = Client::open(&bus, id("hub")).await?;
        client.publish(Message::from(paused("wf_1", "x"))).await?;
        client.publish(Message::from(paused("wf_1", "y"))).await?;
        pass(&host, 1).await;
        assert_eq!(notes.take(), ["wf_1", "wf_1"]);
        pass(&host, 90).await;
        let beat = presence_key(&id("worker"), MessageKind::Heartbeat)?;
        let text = bus.engine().get(&beat).await?.unwrap();
        let beat: Envelope = std::str::from_utf8(&text.value)?.parse()?;
        let Message::Heartbeat(beat) = beat.message else { panic!() };
        assert_eq!(beat.sequence, Some(3_u32.into()));
        // What was begun is finished when it stops; the second message waits for the next start.
        let stopped = worker.stop("done").await;
        assert_eq!((stopped.drained, stopped.abandoned), (1, 0));
        Ok(())
    });
}

#[test]
fn what_does_not_end_within_the_drain_time_is_dropped_and_comes_again() {
    on_bus(async |bus, _| {
        let notes = Notes::default();
        let component = |hangs: bool| {
            let notes = notes.clone();
            Component::new("worker").subscribe("*.paused", move |context: Context, _: Event| {
                let notes = notes.clone();
                async move {
                    notes.add(format!("attempt {}", context.attempt()));
                    if hangs {
                        context.cancelled().await;
                        notes.add("told");
                        std::future::pending::<()>().await;
                    }
                    Ok(())
                }
            })
        };
        let client = Client::open(&bus, id("hub")).await?;
        let worker = component(true).connect(&bus).await?;
        client.publish(Message::from(paused("wf_1", "x"))).await?;
        pass_until(&bus, || async { notes.len() > 0 }).await;
        let before = bus.host().now().at;
        let stopped = worker.stop("a signal").await;
        assert_eq!(bus.host().now().at.since(before), Duration::from_secs(10));
        assert_eq!(
            stopped.to_string(),
            "stopped (a signal): 0 succeeded, 1 failed, 0 dead letters, 0 drained, 1 abandoned",
        );
        let worker = component(false).connect(&bus).await?;
        pass_until(&bus, || async { notes.len() == 3 }).await;
        assert_eq!(notes.take(), ["attempt 1", "told", "attempt 2"]);
        worker.stop("done").await;
        Ok(())
    });
}

#[test]
fn what_is_invalid_is_a_dead_letter_and_never_reaches_a_handler() {
    on_bus(async |bus, _| {
        let worker = Component::new("worker")
            .subscribe(">", |_: Context, _: Event| async { Ok(()) })
            .connect(&bus)
            .await?;
        let key = RouteKey::new("TASK_FAILED", "wf_1", "build");
        let text = br#"TASK_FAILED:wf_1:build:{"task_id":7"#;
        bus.publish(&[Post::raw(&key, text.as_slice())?]).await?;
        pass_until(&bus, || async { !letters(&bus).await.is_empty() }).await;
        assert_eq!(letters(&bus).await.len(), 1);
        worker.stop("done").await;
        Ok(())
    });
}

#[test]
fn a_component_registers_reports_its_health_and_leaves() {
    on_bus(async |bus, host| {
        let hub = Component::new("hub").connect(&bus).await?;
        let worker = Component::new("worker")
            .version("1.2.0")
            .capability("build")
            .depends_on("hub")
            .depends_on("ghost")
            .publishes("task.*.completed")
            .on_request(|_: Context, check: ConflictCheck| async move { Ok(check) })
            .subscribe(("*.paused", "/pause_reason=lunch"), |_: Context, _: Event| async { Ok(()) })
            .connect(&bus)
            .await?;
        let client = Client::open(&bus, id("someone")).await?;
        client.request(&id("worker"), check("req_1")).await?;
        pass(&host, 125).await;
        let registrations = Registrations::new(Arc::clone(bus.engine()));
        let registration = registrations.get(&id("worker")).await?.unwrap().registration;
        assert_eq!(registration.version.unwrap().as_str(), "1.2.0");
        assert_eq!(registration.event_subscriptions.unwrap(), ["*.paused"]);
        assert_eq!(registration.event_publications.unwrap(), ["task.*.completed"]);
        let at = presence_key(&id("worker"), MessageKind::HealthStatus)?;
        let text = bus.engine().get(&at).await?.unwrap();
        let health: Envelope = std::str::from_utf8(&text.value)?.parse()?;
        let Message::HealthStatus(health) = health.message else { panic!() };
        assert_eq!(health.status.as_str(), "degraded");
        let states: Vec<String> = health
            .dependencies
            .as_ref()
            .unwrap()
            .iter()
            .map(|(name, state)| format!("{name} {state}"))
            .collect();
        assert_eq!(states, ["ghost unknown", "hub healthy"]);
        assert_eq!(health.uptime.unwrap().value(), Some(Duration::from_secs(120)));
        let performance = health.performance_metrics.unwrap();
        assert_eq!(performance.success_rate.unwrap().to_string(), "100.0");
        worker.stop("done").await;
        assert!(registrations.get(&id("worker")).await?.is_none());
        assert!(bus.engine().get(&at).await?.is_none());
        let told = published(&bus, "system.>").await;
        let kinds: Vec<&str> = told
            .iter()
            .filter_map(|envelope| match &envelope.message {
                Message::Event(body) => Some(body.event.type_name()),
                _ => None,
            })
            .collect();
        assert_eq!(kinds, ["SYSTEM_STARTUP", "SYSTEM_STARTUP", "SYSTEM_SHUTDOWN"]);
        hub.stop("done").await;
        Ok(())
    });
}

#[test]
fn a_component_is_one_process_and_a_second_one_is_refused() {
    on_bus(async |bus, _| {
        let first = Component::new("worker").connect(&bus).await?;
        let second = Component::new("worker").connect(&bus).await.unwrap_err();
        assert_eq!(second.to_string(), "`worker` has a listener already");
        first.stop("done").await;
        Component::new("worker").connect(&bus).await?.stop("done").await;
        Ok(())
    });
}

#[test]
fn what_is_put_together_wrongly_is_told_when_it_connects() {
    on_bus(async |bus, _| {
        let wrong = Component::new("worker")
            .subscribe("a..b", |_: Context, _: Event| async { Ok(()) })
            .connect(&bus)
            .await;
        assert_eq!(
            wrong.unwrap_err().to_string(),
            "the component cannot run: worker: pattern `a..b`: the token at byte 2 is empty",
        );
        let wrong = Component::new("two words").connect(&bus).await.unwrap_err();
        assert_eq!(wrong.to_string(), "an address cannot contain ' ' (at byte 3)");
        Ok(())
    });
}

#[test]
fn publishing_what_was_prepared_again_changes_nothing() {
    on_bus(async |bus, _| {
        let client = Client::open(&bus, id("deploy")).await?;
        let prepared = client.prepare(paused("wf_1", "x"));
        let first = client.publish(prepared.clone()).await?;
        client.publish(Message::from(paused("wf_1", "y"))).await?;
        assert_eq!(client.publish(prepared).await?, first);
        assert_eq!(published(&bus, "*.paused").await.len(), 2);
        assert!(client.states().get(&WorkflowId::new("wf_1")?).await?.is_none());
        Ok(())
    });
}

#[cfg(feature = "sqlite")]
#[test]
fn a_component_stops_in_order_when_a_newer_program_has_migrated_its_file() {
    let folder = std::env::temp_dir().join(format!("coord-driver-{}", std::process::id()));
    let file = folder.join("coord.sqlite");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let stopped = runtime.block_on(async {
        let bus = Bus::open(&format!("sqlite:{}", file.display())).unwrap();
        let worker = Component::new("worker")
            .subscribe("*.paused", |_: Context, _: Event| async { Ok(()) })
            .connect(&bus)
            .await
            .unwrap();
        let client = Client::open(&bus, id("hub")).await.unwrap();
        let newer = rusqlite::Connection::open(&file).unwrap();
        newer.busy_timeout(Duration::from_secs(5)).unwrap();
        client.publish(Message::from(paused("wf_1", "x"))).await.unwrap();
        newer.pragma_update(None, "user_version", 99).unwrap();
        // It cannot claim the message any more.
        worker.run_until(std::future::pending()).await
    });
    // With it end the tasks that hold the file open.
    drop(runtime);
    std::fs::remove_dir_all(folder).unwrap();
    assert!(stopped.reason.contains("schema version"), "{stopped}");
    assert_eq!(stopped.abandoned, 0);
}

/// What stands on a bus, lane by lane, with identifiers and times as ranks: the first of a kind is 1.
async fn transcript(bus: &Bus) -> String {
    let patterns = [
        (r#""(?:msg|corr|resp|err)_[0-9a-f-]{36}""#, "id"),
        (r#""20[0-9-]{8}T[0-9:.]+Z""#, "time"),
        (r#""00-[0-9a-f]{32}-[0-9a-f]{16}-01""#, "trace"),
        (r"reply/[a-z]+/[0-9a-f]{32}", "reply"),
        (r"reply=2F[a-z]+=2F[0-9a-f]{32}", "reply"),
    ];
    let mut lanes: std::collections::BTreeMap<String, Vec<String>> =
        std::collections::BTreeMap::new();
    for record in bus.history().read(1, 10_000).await.unwrap() {
        let lane = record.lane.map(|lane| lane.to_string()).unwrap_or_default();
        let lane = regex::Regex::new(patterns[4].0).unwrap().replace(&lane, "reply").into_owned();
        lanes.entry(lane).or_default().push(String::from_utf8(record.data.to_vec()).unwrap());
    }
    let mut out = String::new();
    for (lane, texts) in lanes {
        let mut text = format!("{lane}\n{}\n", texts.join("\n"));
        for (pattern, name) in patterns {
            let mut ranks: Vec<String> = Vec::new();
            let pattern = regex::Regex::new(pattern).unwrap();
            text = pattern
                .replace_all(&text, |found: &regex::Captures<'_>| {
                    // Times are only told apart from other things: equal ones may differ elsewhere.
                    if name == "time" {
                        return name.to_owned();
                    }
                    let at = ranks.iter().position(|known| known == &found[0]);
                    let at = at.unwrap_or_else(|| {
                        ranks.push(found[0].to_owned());
                        ranks.len() - 1
                    });
                    format!("{name}{}", at + 1)
                })
                .into_owned();
        }
        out.push_str(&text);
    }
    out
}

/// A worker that asks a manager for leave before it says that a workflow goes on.
async fn story(bus: &Bus) -> Result<String, Box<dyn std::error::Error>> {
    let manager = Component::new("manager")
        .on_request(|_: Context, check: ConflictCheck| async move {
            if check.request_id.as_str() == "req_wf_2" {
                return Err(HandlerError::lasting("never on a Tuesday"));
            }
            Ok(check)
        })
        .connect(bus)
        .await?;
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let worker = Component::new("worker")
        .version("2.0.0")
        .subscribe("workflow.*.paused", move |context: Context, event: Event| {
            let tell = tell.clone();
            async move {
                let asked = check(&format!("req_{}", event.workflow_id));
                let answer = context.client().request(&id("manager"), asked).await;
                tell.send(())?;
                answer.map_err(|error| HandlerError::lasting(error.to_string()))?;
                Ok(context.publish(Message::from(resumed(event.workflow_id.as_str())))?)
            }
        })
        .connect(bus)
        .await?;
    let client = Client::open(bus, id("hub")).await?;
    for workflow in ["wf_1", "wf_2"] {
        client.publish(Message::from(paused(workflow, "x"))).await?;
        told.recv().await;
    }
    worker.stop("done").await;
    manager.stop("done").await;
    Ok(transcript(bus).await)
}

#[test]
fn one_component_does_the_same_in_memory_in_a_file_and_in_virtual_time() {
    let stories = Arc::new(Mutex::new(Vec::new()));
    let tell = Arc::clone(&stories);
    on_bus(async move |bus, _| {
        let story = story(&bus).await?;
        tell.lock().unwrap().push(story);
        Ok(())
    });
    let mut stories = std::mem::take(&mut *stories.lock().unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    stories.push(runtime.block_on(async { story(&Bus::memory()).await.unwrap() }));
    #[cfg(feature = "sqlite")]
    {
        let folder = std::env::temp_dir().join(format!("coord-story-{}", std::process::id()));
        let url = format!("sqlite:{}", folder.join("coord.sqlite").display());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        stories.push(runtime.block_on(async { story(&Bus::open(&url).unwrap()).await.unwrap() }));
        drop(runtime);
        std::fs::remove_dir_all(folder).unwrap();
    }
    assert!(stories[0].contains("WORKFLOW_RESUMED") && stories[0].contains("never on a Tuesday"));
    for other in &stories[1..] {
        assert_eq!(&stories[0], other);
    }
}

#[test]
fn whatever_others_send_a_component_lives_on() {
    on_bus(async |bus, host| {
        let worker = Component::new("worker")
            .on_request(|_: Context, check: ConflictCheck| async move { Ok(check) })
            .subscribe(">", |_: Context, _: Message| async { Ok(()) })
            .connect(&bus)
            .await?;
        let client = Client::open(&bus, id("hub")).await?;
        let address = Address::new("worker")?;
        let key = RouteKey::new("STRAY", "wf_1", "build");
        for text in
            crate::support::every_kind().into_iter().chain(["", "{", "\u{0}", "a:b:c:d", "[1]"])
        {
            let posts =
                [Post::raw_to(&address, text.as_bytes())?, Post::raw(&key, text.as_bytes())?];
            bus.publish(&posts).await?;
        }
        pass(&host, 600).await;
        let answer = client.request(&id("worker"), check("req_last")).await?;
        assert_eq!(answer.request_id.as_str(), "req_last");
        let stopped = worker.stop("done").await;
        assert_eq!(stopped.abandoned, 0, "{stopped}");
        // Each is settled: as handled, answered, ignored, or kept as evidence. Behind them stands the event
        // about its own stop.
        let place =
            bus.subscribe(Interest::new(">".parse()?).durable("worker:>")).await?.position();
        assert_eq!(place.offset + 1, bus.end().await?.offset);
        Ok(())
    });
}

#[test]
fn a_program_ends_in_time_although_a_blocking_task_hangs() {
    let options = ComponentOptions::new().with_drain_time(Duration::from_millis(300));
    let begun = std::time::Instant::now();
    let (tell, told) = tokio::sync::oneshot::channel();
    let stopped = Component::new("worker")
        .with_options(options)
        .run_blocking("memory:", async {
            // It never ends: only the end of the process does that.
            tokio::task::spawn_blocking(|| std::thread::sleep(Duration::from_secs(3_600)));
            tell.send(()).unwrap();
            told.await.unwrap();
        })
        .unwrap();
    assert_eq!(stopped.abandoned, 0);
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[test]
fn a_component_that_is_dropped_is_gone_and_what_it_had_comes_again() {
    on_bus(async |bus, host| {
        let notes = Notes::default();
        let component = || {
            let notes = notes.clone();
            Component::new("worker").subscribe("*.paused", move |context: Context, _: Event| {
                notes.add(format!("attempt {}", context.attempt()));
                let hangs = context.attempt() == 1;
                async move {
                    if hangs {
                        std::future::pending::<()>().await;
                    }
                    Ok(())
                }
            })
        };
        let client = Client::open(&bus, id("hub")).await?;
        let running = component().connect(&bus).await?;
        client.publish(Message::from(paused("wf_1", "x"))).await?;
        pass(&host, 1).await;
        drop(running);
        // Its name is free once its lease has ended.
        pass(&host, 30).await;
        let running = component().connect(&bus).await?;
        pass(&host, 30).await;
        assert_eq!(notes.take(), ["attempt 1", "attempt 2"]);
        running.stop("done").await;
        Ok(())
    });
}

#[test]
fn an_answer_whose_effects_cannot_be_stored_is_not_given() {
    on_bus(async |bus, _| {
        let key = Key::of(["own", "value"])?;
        bus.engine().put(&key, b"there", Expect::Absent).await?;
        let written = key.clone();
        let manager = Component::new("manager")
            .on_request(move |context: Context, check: ConflictCheck| {
                context.put(written.clone(), "mine".as_bytes(), Expect::Absent);
                async move { Ok(check) }
            })
            .connect(&bus)
            .await?;
        let client = Client::open(&bus, id("hub")).await?;
        let error = client.request(&id("manager"), check("req_1")).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "the request was refused: `own/value` has revision 1, expected no value",
        );
        assert_eq!(&*bus.engine().get(&key).await?.unwrap().value, b"there");
        manager.stop("done").await;
        Ok(())
    });
}

#[test]
fn a_machine_of_ones_own_is_driven() {
    use coordination_protocol::driver::drive;
    use coordination_protocol::machine::{Machine, snapshot_of};
    use coordination_protocol::scalar::{Instant, Now};
    use coordination_protocol::validate::Checked;

    /// Says a word three times, ten seconds apart.
    #[derive(serde::Serialize, serde::Deserialize)]
    struct Echo {
        word: String,
        left: u32,
        due: Option<Instant>,
        said: Vec<String>,
    }

    impl Machine for Echo {
        type Input = String;
        type Output = String;
        type Error = std::fmt::Error;

        fn handle(&mut self, now: Now, word: String) -> Result<(), std::fmt::Error> {
            (self.word, self.left, self.due) = (word, 3, Some(now.at));
            Ok(())
        }

        fn wants(&self, _: &Envelope) -> bool {
            false
        }

        fn receive(&mut self, _: Now, _: Checked<Envelope>) {}

        fn handle_timeout(&mut self, now: Now) {
            if self.due.is_some_and(|due| due <= now.at) {
                self.said.push(format!("{} {}", self.word, now.at));
                self.left -= 1;
                let next = now.at.after(Duration::from_secs(10));
                self.due = next.filter(|_| self.left > 0);
            }
        }

        fn poll(&mut self) -> Option<String> {
            self.said.pop()
        }

        fn deadline(&self) -> Option<Instant> {
            self.due
        }

        fn snapshot(&self) -> Result<coordination_protocol::Json, coordination_protocol::Error> {
            snapshot_of(self)
        }
    }

    on_bus(async |_, host| {
        let notes = Notes::default();
        let heard = notes.clone();
        let echo = Echo { word: String::new(), left: 0, due: None, said: Vec::new() };
        let driven = drive(echo, Arc::new(host.clone()), move |word: String| {
            heard.add(word);
            async {}
        });
        driven.handle("hello".to_owned())?;
        pass(&host, 60).await;
        assert_eq!(notes.take(), ["hello 0s", "hello 10s", "hello 20s"]);
        Ok(())
    });
}
