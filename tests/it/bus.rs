//! The bus: order, attempts, members, gaps.

use crate::bus_support::{Done, on_bus};
use coordination_protocol::bus::{
    Arrival, Bus, Delivery, Host as _, Inbox, Interest, Position, Post, Retention, Start,
};
use coordination_protocol::route::RouteKey;
use coordination_protocol::storage::view::DeadLetters;
use coordination_protocol::storage::{
    Commit, Expect, Journal as _, Key, LaneEnd, NewRecord, Store as _,
};
use coordination_protocol::transport::Address;
use std::sync::Arc;
use std::time::Duration;

fn post(workflow: &str, text: &str) -> Post {
    let key = RouteKey::new("TASK_FAILED", workflow, "build");
    Post::raw(&key, text.as_bytes()).unwrap()
}

async fn publish(bus: &Bus, workflow: &str, texts: &[&str]) -> Done {
    let posts: Vec<Post> = texts.iter().map(|text| post(workflow, text)).collect();
    bus.publish(&posts).await?;
    Ok(())
}

fn all() -> Interest {
    Interest::new(">".parse().unwrap()).starting(Start::First)
}

fn text(delivery: &Delivery) -> &str {
    std::str::from_utf8(&delivery.data).unwrap()
}

async fn message(inbox: &Inbox) -> Delivery {
    match inbox.next().await.unwrap() {
        Arrival::Message(delivery) => delivery,
        other => panic!("{other:?}"),
    }
}

/// Whether nothing comes within ten minutes.
async fn is_silent(bus: &Bus, inbox: &Inbox) -> bool {
    let end = bus.host().now().at.after(Duration::from_secs(600)).unwrap();
    tokio::select! {
        biased;
        arrival = inbox.next() => panic!("{arrival:?}"),
        () = bus.host().sleep_until(end) => true,
    }
}

#[test]
fn a_lane_waits_for_its_first_message_and_others_go_on() {
    on_bus(async |bus, _| {
        publish(&bus, "wf_1", &["a1", "a2"]).await?;
        publish(&bus, "wf_2", &["b1"]).await?;
        for interest in [all(), all().durable("reader")] {
            let inbox = bus.subscribe(interest).await?;
            let (a1, b1) = (message(&inbox).await, message(&inbox).await);
            assert_eq!((text(&a1), text(&b1)), ("a1", "b1"));
            assert!(is_silent(&bus, &inbox).await);
            inbox.settle(&b1).await?;
            assert!(is_silent(&bus, &inbox).await);
            inbox.settle(&a1).await?;
            assert_eq!(text(&message(&inbox).await), "a2");
        }
        Ok(())
    });
}

#[test]
fn a_durable_subscription_goes_on_where_it_was() {
    on_bus(async |bus, _| {
        publish(&bus, "wf_1", &["one", "two", "three"]).await?;
        let first = bus.subscribe(all().durable("reader")).await?;
        let one = message(&first).await;
        first.settle(&one).await?;
        let two = message(&first).await;
        assert_eq!((text(&two), two.attempt), ("two", 1));
        // Dropped without a word, as if it was killed: its claim counts as an attempt.
        drop(first);
        let second = bus.subscribe(all().durable("reader")).await?;
        let again = message(&second).await;
        assert_eq!((text(&again), again.attempt), ("two", 2));
        second.settle(&again).await?;
        assert_eq!(text(&message(&second).await), "three");
        Ok(())
    });
}

#[test]
fn what_is_closed_or_given_back_counts_as_no_attempt() {
    on_bus(async |bus, _| {
        publish(&bus, "wf_1", &["one"]).await?;
        publish(&bus, "wf_2", &["two"]).await?;
        let first = bus.subscribe(all().durable("reader")).await?;
        let one = message(&first).await;
        first.give_back(&one).await?;
        // `two` was claimed with it and is not handed out.
        first.close().await?;
        let second = bus.subscribe(all().durable("reader")).await?;
        let attempts = [message(&second).await.attempt, message(&second).await.attempt];
        assert_eq!(attempts, [1, 1]);
        Ok(())
    });
}

#[test]
fn members_of_one_name_share_the_messages_and_each_lane_keeps_its_order() {
    on_bus(async |bus, _| {
        for number in 0..30 {
            publish(&bus, &format!("wf_{}", number % 5), &[&number.to_string()]).await?;
        }
        let members = [bus.member(), bus.member(), bus.member()];
        let mut inboxes = Vec::new();
        for member in &members {
            let interest = all().durable("workers").with_max_in_flight(1);
            inboxes.push(Arc::new(member.subscribe(interest).await?));
        }
        let mut done: Vec<u32> = Vec::new();
        while done.len() < 30 {
            for inbox in &inboxes {
                let end = bus.host().now().at.after(Duration::from_secs(2)).unwrap();
                tokio::select! {
                    biased;
                    arrival = inbox.next() => {
                        let Arrival::Message(delivery) = arrival? else { panic!() };
                        assert_eq!(delivery.attempt, 1);
                        done.push(text(&delivery).parse()?);
                        inbox.settle(&delivery).await?;
                    }
                    () = bus.host().sleep_until(end) => {}
                }
            }
        }
        for lane in 0..5 {
            let own: Vec<u32> = done.iter().copied().filter(|number| number % 5 == lane).collect();
            assert!(own.is_sorted(), "{own:?}");
        }
        done.sort_unstable();
        assert_eq!(done, (0..30).collect::<Vec<_>>());
        Ok(())
    });
}

#[test]
fn a_member_that_shows_itself_no_more_loses_its_claims_and_its_late_outcome_is_stale() {
    on_bus(async |bus, _| {
        publish(&bus, "wf_1", &["one"]).await?;
        let slow = bus.member();
        let first = slow.subscribe(all().durable("workers")).await?;
        let late = message(&first).await;
        let second = bus.subscribe(all().durable("workers")).await?;
        // As long as it shows itself, no other takes over, however long it takes.
        assert!(is_silent(&bus, &second).await);
        slow.leave().await?;
        let taken = message(&second).await;
        assert_eq!(taken.attempt, 2);
        let key = Key::of(["effect"])?;
        let effect = Commit::new().put(key.clone(), "late".as_bytes(), Expect::Any);
        let refused = first.settle_with(&late, effect).await.unwrap_err();
        assert_eq!(refused.to_string(), "attempt 1 at the message at 0:1 is not the current one");
        assert_eq!(refused.code(), "stale");
        assert!(bus.engine().get(&key).await?.is_none());
        second.settle(&taken).await?;
        // What is done is done: with nothing to follow from it, saying so again is no error.
        first.settle(&late).await?;
        Ok(())
    });
}

#[test]
fn who_lost_a_message_learns_that_whatever_became_of_its_effects() {
    on_bus(async |bus, _| {
        publish(&bus, "wf_1", &["one"]).await?;
        let slow = bus.member();
        let first = slow.subscribe(all().durable("workers")).await?;
        let late = message(&first).await;
        let second = bus.subscribe(all().durable("workers")).await?;
        slow.leave().await?;
        let taken = message(&second).await;
        let pool = LaneEnd::new(Key::of(["pool"])?, None);
        let effects = || {
            let record = NewRecord::new("x".as_bytes()).in_lane(pool.lane.clone());
            let put = Commit::new().put(Key::of(["done"]).unwrap(), "x".as_bytes(), Expect::Absent);
            put.append(record).expecting(pool.clone())
        };
        second.settle_with(&taken, effects()).await?;
        // Both its value and its lane are not as it expects any more, because the other one did it.
        assert_eq!(first.settle_with(&late, effects()).await.unwrap_err().code(), "stale");
        Ok(())
    });
}

#[test]
fn an_outcome_and_what_follows_from_it_are_stored_together() {
    on_bus(async |bus, _| {
        publish(&bus, "wf_1", &["one", "two"]).await?;
        let inbox = bus.subscribe(all().durable("workers")).await?;
        let one = message(&inbox).await;
        let follow = post("wf_1", "followed").with_id("of one").into_record();
        inbox.settle_with(&one, Commit::new().append(follow)).await?;
        let two = message(&inbox).await;
        // Its own puts are refused: the message is not settled, and nothing is appended.
        let key = Key::of(["effect"])?;
        let refused = Commit::new().append(post("wf_1", "never").into_record()).put(
            key,
            "x".as_bytes(),
            Expect::Revision(99),
        );
        let error = inbox.settle_with(&two, refused).await.unwrap_err();
        assert_eq!(error.code(), "conflict");
        inbox.settle(&two).await?;
        let followed = message(&inbox).await;
        assert_eq!((text(&followed), followed.position), ("followed", Position::new(3)));
        assert_eq!(bus.end().await?, Position::new(4));
        Ok(())
    });
}

#[test]
fn a_message_that_keeps_failing_becomes_a_dead_letter() {
    on_bus(async |bus, _| {
        publish(&bus, "wf_1", &["poison", "next"]).await?;
        let inbox = bus.subscribe(all().durable("workers").with_max_attempts(2)).await?;
        for attempt in 1..=2 {
            let before = bus.host().now().at;
            let delivery = message(&inbox).await;
            assert_eq!((text(&delivery), delivery.attempt), ("poison", attempt));
            // After a pause, and not earlier.
            if attempt == 2 {
                assert!(bus.host().now().at.since(before) >= Duration::from_secs(30));
            }
            inbox.put_back(&delivery, Duration::from_secs(30)).await?;
        }
        let Arrival::Exhausted(delivery) = inbox.next().await? else { panic!() };
        let letter = inbox.dead_letter(&delivery, "it fails").await?;
        assert_eq!(
            (letter.original()?, letter.letter.reason.as_str()),
            (b"poison".to_vec(), "it fails")
        );
        assert_eq!(letter.letter.attempts, Some(2_u32.into()));
        let letters = DeadLetters::new(Arc::clone(bus.engine())).list(None, 10).await?;
        assert_eq!(letters.items.len(), 1);
        assert_eq!(text(&message(&inbox).await), "next");
        Ok(())
    });
}

#[test]
fn what_was_trimmed_is_one_gap() {
    on_bus(async |bus, _| {
        publish(&bus, "wf_1", &["1", "2", "3", "4", "5"]).await?;
        for interest in [all().starting(Start::At(Position::new(1))), all().durable("reader")] {
            let inbox = bus.subscribe(interest).await?;
            let one = message(&inbox).await;
            inbox.settle(&one).await?;
            drop(inbox);
        }
        bus.trim(Position::new(4)).await?;
        let inbox = bus.subscribe(all().durable("reader")).await?;
        let gap = Arrival::Gap { from: Position::new(2), to: Position::new(4) };
        assert_eq!(inbox.next().await?, gap);
        for expected in ["4", "5"] {
            let delivery = message(&inbox).await;
            assert_eq!(text(&delivery), expected);
            inbox.settle(&delivery).await?;
        }
        // The gap is told once, also after a restart.
        drop(inbox);
        let inbox = bus.subscribe(all().durable("reader")).await?;
        assert!(is_silent(&bus, &inbox).await);
        Ok(())
    });
}

#[test]
fn an_address_has_one_listener_and_keeps_what_came_before() {
    on_bus(async |bus, _| {
        let address = Address::new("hub")?;
        assert!(!bus.has_listener(&address).await?);
        bus.publish(&[Post::raw_to(&address, "early".as_bytes())?]).await?;
        let inbox = bus.listen(&address).await?;
        assert!(bus.has_listener(&address).await?);
        let other = bus.member();
        let taken = other.listen(&address).await.unwrap_err();
        assert_eq!(taken.to_string(), "`hub` has a listener already");
        let early = message(&inbox).await;
        bus.publish(&[Post::raw_to(&address, "late".as_bytes())?]).await?;
        // Messages to an address are not held back by one that takes long.
        let late = message(&inbox).await;
        assert_eq!((text(&early), text(&late)), ("early", "late"));
        inbox.settle(&late).await?;
        inbox.close().await?;
        assert!(!bus.has_listener(&address).await?);
        let inbox = other.listen(&address).await?;
        let again = message(&inbox).await;
        assert_eq!((text(&again), again.attempt), ("early", 2));
        Ok(())
    });
}

#[test]
fn a_future_that_is_dropped_loses_nothing() {
    // A future is dropped after each number of polls, until it ends before.
    for polls in 0.. {
        let ended = std::cell::Cell::new(false);
        on_bus(async |bus, _| {
            publish(&bus, "wf_1", &["one", "two"]).await?;
            let inbox = bus.subscribe(all().durable("workers")).await?;
            {
                let mut next = Box::pin(async {
                    let delivery = message(&inbox).await;
                    tokio::task::yield_now().await;
                    inbox.settle(&delivery).await.unwrap();
                });
                let mut done = false;
                for _ in 0..polls {
                    let mut polled = false;
                    done |= std::future::poll_fn(|context| {
                        polled = true;
                        std::task::Poll::Ready(next.as_mut().poll(context).is_ready())
                    })
                    .await;
                    if done {
                        break;
                    }
                    tokio::task::yield_now().await;
                }
                ended.set(done);
            }
            drop(inbox);
            let inbox = bus.subscribe(all().durable("workers")).await?;
            let delivery = message(&inbox).await;
            let expected = if ended.get() { "two" } else { "one" };
            assert_eq!(text(&delivery), expected, "after {polls} polls");
            inbox.settle(&delivery).await?;
            Ok(())
        });
        if ended.get() {
            assert!(polls > 0);
            return;
        }
    }
}

#[test]
fn what_is_old_is_trimmed_and_idle_places_are_forgotten_and_told() {
    on_bus(async |bus, host| {
        const HOUR: Duration = Duration::from_secs(3_600);
        // Days of showing oneself every five seconds would take the test seconds.
        let bus = bus.with_lease(HOUR);
        let retention = Retention::new().with_max_age(24 * HOUR).with_idle(48 * HOUR);
        let inbox = bus.subscribe(all().durable("idle")).await?;
        let busy = bus.subscribe(all().durable("busy")).await?;
        let address = Address::new("hub")?;
        let listener = bus.listen(&address).await?;
        for hour in 0..72_u64 {
            publish(&bus, "wf_1", &[&hour.to_string()]).await?;
            let delivery = message(&busy).await;
            busy.settle(&delivery).await?;
            if hour == 0 {
                let first = message(&inbox).await;
                inbox.settle(&first).await?;
                inbox.close().await?;
            }
            bus.tidy(&retention).await?;
            if hour < 71 {
                host.sleep_until(host.now().at.after(HOUR).unwrap()).await;
            }
        }
        // To within an hour, which is how often it was tidied here.
        let bounds = bus.history().bounds().await?;
        assert!((48..=50).contains(&bounds.first), "{bounds:?}");
        // The subscription that did not move is gone, and told; what is used is kept.
        let key = |name| Key::of(["subscription", name]).unwrap();
        assert!(bus.engine().get(&key("idle")).await?.is_none());
        assert!(bus.engine().get(&key("busy")).await?.is_some());
        assert!(bus.has_listener(&address).await?);
        let told = bus.history().read(bounds.first, 1_000).await?;
        let told: Vec<String> = told
            .iter()
            .filter(|record| record.subject.as_deref() == Some("SYSTEM_MAINTENANCE.global.global"))
            .map(|record| String::from_utf8_lossy(&record.data).into_owned())
            .collect();
        assert_eq!(told.len(), 1);
        assert!(told[0].contains("subscription/idle"), "{}", told[0]);
        drop(listener);
        Ok(())
    });
}

#[test]
fn a_place_that_is_open_is_kept_however_rare_its_messages_are() {
    on_bus(async |bus, host| {
        let week = Duration::from_secs(7 * 24 * 3_600);
        let bus = bus.with_lease(week);
        let inbox = bus.subscribe(all().durable("rare")).await?;
        // Two handles: what another process tidies.
        let other = bus.member();
        host.sleep_until(host.now().at.after(2 * week).unwrap()).await;
        assert!(other.tidy(&Retention::new()).await?.forgotten.is_empty());
        drop(inbox);
        bus.leave().await?;
        assert_eq!(other.tidy(&Retention::new()).await?.forgotten.len(), 1);
        Ok(())
    });
}

#[test]
fn members_of_one_name_select_the_same() {
    on_bus(async |bus, _| {
        publish(&bus, "wf_1", &["one"]).await?;
        let failed = || Interest::new("*.failed".parse().unwrap()).starting(Start::First);
        let first = bus.subscribe(failed().durable("workers")).await?;
        let error = bus.member().subscribe(all().durable("workers")).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "`workers` is open with the pattern `*.failed`, and members of one name select the same",
        );
        let filtered =
            || failed().with_filter("severity>=high".parse().unwrap()).durable("workers");
        assert_eq!(bus.member().subscribe(filtered()).await.unwrap_err().code(), "other-selection");
        let second = bus.member().subscribe(failed().durable("workers")).await?;
        // Once the others have left, the name may select something else.
        drop((first, second));
        let other = bus.member().with_lease(Duration::from_secs(1));
        bus.leave().await?;
        other
            .host()
            .sleep_until(other.host().now().at.after(Duration::from_secs(60)).unwrap())
            .await;
        other.subscribe(filtered()).await?;
        Ok(())
    });
}

#[test]
fn what_is_too_large_is_trimmed() {
    on_bus(async |bus, _| {
        let text = "x".repeat(1_000);
        for _ in 0..1_000 {
            publish(&bus, "wf_1", &[&text]).await?;
        }
        let tidied = bus.tidy(&Retention::new().with_max_bytes(100_000)).await?;
        assert!((895..=910).contains(&tidied.trimmed), "{tidied:?}");
        assert_eq!(bus.tidy(&Retention::new().with_max_bytes(100_000)).await?.trimmed, 0);
        Ok(())
    });
}

#[test]
fn who_lost_a_message_does_not_count_it_as_done_when_it_settles_another() {
    on_bus(async |bus, _| {
        publish(&bus, "wf_1", &["one"]).await?;
        let slow = bus.member();
        let first = slow.subscribe(all().durable("workers")).await?;
        let late = message(&first).await;
        let interest = || all().durable("workers").with_max_in_flight(1);
        let second = bus.subscribe(interest()).await?;
        slow.leave().await?;
        let taken = message(&second).await;
        publish(&bus, "wf_2", &["two"]).await?;
        assert_eq!(first.settle(&late).await.unwrap_err().code(), "stale");
        let two = message(&first).await;
        assert_eq!(text(&two), "two");
        first.settle_all(&[late, two]).await.unwrap_err();
        // The one who works on it is killed: it comes again.
        let third = bus.member().subscribe(interest()).await?;
        second.put_back(&taken, Duration::ZERO).await?;
        drop(second);
        let again = message(&third).await;
        assert_eq!((text(&again), again.attempt), ("one", 3));
        Ok(())
    });
}

#[test]
fn a_reader_in_sequence_gets_a_lane_at_once_and_settles_it_at_once() {
    on_bus(async |bus, _| {
        publish(&bus, "wf_1", &["a1", "a2", "a3"]).await?;
        publish(&bus, "wf_2", &["b1"]).await?;
        let interest = || all().durable("printer").in_sequence().with_max_in_flight(3);
        let reader = bus.subscribe(interest()).await?;
        let mut page = vec![message(&reader).await];
        while let Some(Arrival::Message(delivery)) = reader.try_next() {
            page.push(delivery);
        }
        assert_eq!(page.iter().map(text).collect::<Vec<_>>(), ["a1", "a2", "a3"]);
        // Another member has to wait for the lane, and not for what is not claimed.
        let other = bus.member();
        let second = other.subscribe(interest()).await?;
        let b1 = message(&second).await;
        assert_eq!(text(&b1), "b1");
        publish(&bus, "wf_1", &["a4"]).await?;
        assert!(is_silent(&bus, &second).await);
        let seen = bus.subscriptions().await?;
        assert_eq!((seen[0].name.as_str(), seen[0].lag, seen[0].in_flight), ("printer", 5, 4));
        assert!(seen[0].served);
        reader.settle_all(&page).await?;
        second.settle(&b1).await?;
        assert_eq!(text(&message(&second).await), "a4");
        assert_eq!(bus.subscriptions().await?[0].lag, 1);
        Ok(())
    });
}

#[cfg(feature = "sqlite")]
#[test]
fn two_handles_on_one_file_share_a_bus() {
    let folder = std::env::temp_dir().join(format!("coord-bus-{}", std::process::id()));
    let url = format!("sqlite:{}", folder.join("coord.sqlite").display());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let done: Done = runtime.block_on(async {
        let (here, there) = (Bus::open(&url)?, Bus::open(&url)?);
        assert_eq!(here.place(), url);
        let address = Address::new("hub")?;
        let listener = here.listen(&address).await?;
        assert!(there.has_listener(&address).await?);
        assert_eq!(there.listen(&address).await.unwrap_err().code(), "address-taken");
        let inbox = here.subscribe(all().durable("reader")).await?;
        publish(&there, "wf_1", &["one"]).await?;
        there.publish(&[Post::raw_to(&address, "two".as_bytes())?]).await?;
        let (one, two) = (message(&inbox).await, message(&listener).await);
        assert_eq!((text(&one), text(&two)), ("one", "two"));
        // Of two members in two handles the second one waits, and goes on when the first leaves.
        let second = there.subscribe(all().durable("reader")).await?;
        drop(inbox);
        here.leave().await?;
        let again = message(&second).await;
        assert_eq!((text(&again), again.attempt), ("one", 2));
        second.settle(&again).await?;
        Ok(())
    });
    std::fs::remove_dir_all(folder).unwrap();
    done.unwrap();
}

#[cfg(feature = "conformance")]
mod kit {
    use coordination_protocol::bus::Bus;
    use coordination_protocol::conformance::{run_within, transport::cases};
    use coordination_protocol::storage::StorageError;
    use std::time::Duration;

    fn passes(mut fresh: impl AsyncFnMut() -> Result<Bus, StorageError>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let (cases, limit) = (cases(), Duration::from_secs(60));
        let summary =
            runtime.block_on(run_within(&cases, async || fresh().await, limit, tokio::time::sleep));
        assert_eq!(summary.not_declared.len(), 6);
        summary.into_result().unwrap();
    }

    #[test]
    fn a_bus_in_memory_is_a_transport() {
        passes(async || Ok(Bus::memory()));
    }

    #[cfg(feature = "sqlite")]
    #[test]
    fn a_bus_in_a_file_is_a_transport() {
        use coordination_protocol::adapter::sqlite::{Sqlite, SqliteOptions, Synchronous};
        let folder = std::env::temp_dir().join(format!("coord-kit-{}", std::process::id()));
        let mut number = 0;
        passes(async || {
            number += 1;
            let options = SqliteOptions::new("kit").with_synchronous(Synchronous::Normal);
            Ok(Bus::sqlite(Sqlite::open(folder.join(number.to_string()), &options)?))
        });
        std::fs::remove_dir_all(folder).unwrap();
    }
}
