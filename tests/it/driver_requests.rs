//! Requests whose component ends while it handles them.

use crate::bus_support::{check, id, letters, on_bus, pass, published};
use coordination_protocol::bus::{Bus, VirtualHost};
use coordination_protocol::driver::{Client, Component, Context, DriverError};
use coordination_protocol::message::{ConflictCheck, ErrorReport};
use coordination_protocol::{Event, Message};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;

/// A component that says when it works, and never ends by itself.
fn endless(tell: mpsc::UnboundedSender<u32>) -> Component {
    Component::new("manager").on_request(move |context: Context, _: ConflictCheck| {
        let tell = tell.clone();
        async move {
            tell.send(context.attempt())?;
            std::future::pending().await
        }
    })
}

/// Runs the component until it works, and ends it there, as often as there are attempts.
async fn die_of_it(bus: &Bus, host: &VirtualHost) -> Result<(), Box<dyn std::error::Error>> {
    let (tell, mut told) = mpsc::unbounded_channel();
    for attempt in 1..=3 {
        let running = endless(tell.clone()).connect(bus).await?;
        assert_eq!(told.recv().await, Some(attempt));
        // Dropped without a word, as if it was killed.
        drop(running);
        pass(host, 20).await;
    }
    Ok(())
}

fn said(report: &ErrorReport) -> &str {
    report.details.as_ref().unwrap().error_message.as_deref().unwrap()
}

const REASON: &str = "the component ended while it handled the message, 3 times";

#[test]
fn a_request_that_ends_its_component_each_time_is_answered_by_the_next_one() {
    on_bus(async |bus, host| {
        let client = Client::open(&bus, id("hub")).await?;
        let asking = tokio::spawn({
            let client = client.clone();
            async move { client.request(&id("manager"), check("req_1")).await }
        });
        die_of_it(&bus, &host).await?;
        let handled = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&handled);
        let next = Component::new("manager")
            .on_request(move |_: Context, check: ConflictCheck| {
                count.fetch_add(1, Ordering::Relaxed);
                async move { Ok(check) }
            })
            .connect(&bus)
            .await?;
        // It is correlated: it reaches the one who asked, as the answer.
        let DriverError::Refused(report) = asking.await?.unwrap_err() else { panic!() };
        assert_eq!(said(&report), REASON);
        assert_eq!(report.classification.recoverable, Some(false));
        assert_eq!(report.context.as_ref().unwrap().component.as_deref(), Some("manager"));
        assert_eq!(letters(&bus).await, [REASON]);
        // Copies that the requester sent meanwhile do not end the component once more.
        pass(&host, 60).await;
        assert_eq!((handled.load(Ordering::Relaxed), letters(&bus).await.len()), (0, 1));
        // It works on.
        client.request(&id("manager"), check("req_2")).await?;
        let stopped = next.stop("done").await;
        assert_eq!((stopped.dead_lettered, stopped.succeeded), (1, 1));
        Ok(())
    });
}

#[test]
fn a_request_that_was_given_up_meanwhile_is_kept_and_not_answered() {
    on_bus(async |bus, host| {
        let client = Client::open(&bus, id("hub")).await?;
        let within = Duration::from_secs(50);
        let asking = tokio::spawn({
            let client = client.clone();
            async move { client.request_within(&id("manager"), check("req_1"), within).await }
        });
        die_of_it(&bus, &host).await?;
        assert!(matches!(asking.await?, Err(DriverError::TimedOut { .. })));
        pass(&host, 10).await;
        let before = bus.end().await?;
        let next = Component::new("manager").connect(&bus).await?;
        pass(&host, 60).await;
        assert_eq!(letters(&bus).await, [REASON]);
        let stopped = next.stop("done").await;
        assert_eq!((stopped.dead_lettered, stopped.failed), (1, 0));
        // Its start and its end are all that it said.
        assert_eq!(bus.end().await?.offset - before.offset, 2);
        Ok(())
    });
}

#[test]
fn a_message_that_ends_its_subscriber_each_time_is_told_and_kept() {
    on_bus(async |bus, host| {
        let client = Client::open(&bus, id("hub")).await?;
        let (tell, mut told) = mpsc::unbounded_channel();
        let component = || {
            let tell = tell.clone();
            Component::new("worker").subscribe("*.paused", move |context: Context, _: Event| {
                let tell = tell.clone();
                async move {
                    tell.send(context.attempt())?;
                    std::future::pending().await
                }
            })
        };
        for attempt in 1..=3 {
            let running = component().connect(&bus).await?;
            if attempt == 1 {
                client.publish(Message::from(crate::bus_support::paused("wf_1", "x"))).await?;
            }
            assert_eq!(told.recv().await, Some(attempt));
            drop(running);
            pass(&host, 20).await;
        }
        let next = component().connect(&bus).await?;
        pass(&host, 60).await;
        let reason = "all attempts were interrupted or failed";
        assert_eq!(letters(&bus).await, [reason]);
        let reports = published(&bus, "system.*.error_report").await;
        let Message::ErrorReport(report) = &reports[0].message else { panic!("{reports:?}") };
        assert_eq!((reports.len(), said(report)), (1, reason));
        assert_eq!(report.workflow_id.as_ref().unwrap().as_str(), "wf_1");
        next.stop("done").await;
        Ok(())
    });
}

/// A bus that takes nothing any more is no component that is silent.
#[cfg(feature = "sqlite")]
#[test]
fn a_request_that_could_not_be_sent_says_why() {
    let folder = crate::support::Folder::new();
    let url = format!("sqlite:{}", folder.path("coord.sqlite"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let error = runtime.block_on(async {
        let bus = Bus::open(&url).unwrap();
        let client = Client::open(&bus, id("hub")).await.unwrap();
        for suffix in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(folder.path(&format!("coord.sqlite{suffix}")));
        }
        let within = Duration::from_millis(200);
        client.request_within(&id("manager"), check("req_1"), within).await.unwrap_err()
    });
    assert!(matches!(&error, DriverError::Bus(_)), "{error}");
    assert!(error.to_string().ends_with("coord.sqlite was removed while it was open"), "{error}");
}
