//! Components that run: the machines, a bus, and a runtime (tokio) put together.
//!
//! A component is its name and what it does with what arrives. Everything else comes with it: it registers,
//! listens at its address, shows that it is alive and how it is, greets, answers each request once, tries
//! failed messages again with pauses, keeps what it cannot handle as dead letters, and stops in order.
//!
//! ```
//! use coordination_protocol::bus::Bus;
//! use coordination_protocol::driver::{Client, Component, Context};
//! use coordination_protocol::message::{AllocationRequest, AllocationResponse};
//! use coordination_protocol::scalar::{AllocationStatus, ComponentId, RequestId, ResponseId, WorkflowId};
//! use coordination_protocol::Event;
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
//! let bus = Bus::memory();
//! let manager = Component::new("resource-manager")
//!     .version("1.0.0")
//!     .capability("resource_allocation")
//!     .on_request(|context: Context, request: AllocationRequest| async move {
//!         let now = context.client().bus().host().now();
//!         let id = ResponseId::generate(now.id_millis(), [7; 10]);
//!         Ok(AllocationResponse::new(id, request.request_id, AllocationStatus::Denied, now.timestamp()))
//!     })
//!     .subscribe("workflow.*.completed", |_: Context, event: Event| async move {
//!         println!("{} is done", event.workflow_id);
//!         Ok(())
//!     })
//!     .connect(&bus)
//!     .await?;
//!
//! let hub = Client::open(&bus, ComponentId::new("hub")?).await?;
//! let now = bus.host().now();
//! let id = RequestId::generate(now.id_millis(), [8; 10]);
//! let request = AllocationRequest::new(id, WorkflowId::new("wf_001")?, "hub", now.timestamp());
//! let answer = hub.request(&ComponentId::new("resource-manager")?, request).await?;
//! assert_eq!(answer.status, AllocationStatus::Denied);
//!
//! let stopped = manager.run_until(async {}).await;
//! assert_eq!((stopped.succeeded, stopped.abandoned), (1, 0));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! # What holds
//!
//! 1. A message is settled only after its effects are stored, and both at once: what a handler does through
//!    its [`Context`] happens once. A future that is dropped at any point loses nothing.
//! 2. There is one way to stop ([`Running::stop`]), whatever leads to it: nothing more is taken, what is
//!    under way has the drain time, the rest is dropped and counted, and its messages come again.
//! 3. A handler that panics costs its message an attempt, and nothing else.
//! 4. A slow handler slows its own subscription. Heartbeats and the lease of the member have tasks of
//!    their own. On a runtime of one thread, a handler that blocks that thread stops everything: use
//!    `tokio::task::spawn_blocking` for such work.
//! 5. All time is that of the [`Host`](crate::bus::Host) of the bus, so a component under test runs in
//!    virtual time ([`VirtualHost`](crate::bus::VirtualHost)).
//!
//! `#[tokio::main]` waits for blocking tasks when it ends, however long they take;
//! [`Component::run_blocking`] owns its runtime and ends in bounded time.
//!
//! # Who is believed
//!
//! Everything that arrives passes a validator ([`Component::with_validator`]). Where its policy knows
//! [permissions](crate::security::permissions), a sender is judged by what it has registered on this bus
//! besides: under an open policy a registration gives a newcomer its patterns; wider ones, and capabilities,
//! take an accepted signature. What a component had when it left holds for what it sent before.
//! [`Component::with_signer`] signs all that a component sends.
//!
//! # What can be seen
//!
//! Feature `tracing`: each attempt is a span `attempt` with component, kind, workflow, phase, `message_id` and
//! attempt; dead letters, gaps, contradictions and errors of the bus are events. Feature `metrics`: the table is
//! [`METRICS`]. A message names its trace in the header field `traceparent`, as the W3C's Trace Context writes
//! it; what a handler publishes, asks and answers belongs to the same trace ([`TraceParent`]).
//!
//! # What is kept in the store
//!
//! | key | value |
//! |---|---|
//! | `registration/<component>` | the `component_registration` |
//! | `former-registration/<component>` | the one that it had when it left |
//! | `presence/<component>/heartbeat`, `presence/<component>/health_status` | the latest of either |
//! | `answered/<component>/<source>/<request>` | an answer, for as long as it is remembered |
//!
//! A request names the address for its answer in the header field `reply_to`; a component that does not
//! know the field answers to the address of the source.

mod admission;
mod answered;
mod client;
mod component;
mod context;
mod drive;
mod error;
mod exchange;
mod health;
mod listen;
mod messages;
mod observe;
mod outgoing;
mod presence;
mod reply;
mod resources;
mod running;
mod serve;
mod trace;
mod work;

pub use client::{Client, ClientOptions};
pub use component::{Component, ComponentOptions, IntoInterest, interrupted};
pub use context::Context;
pub use drive::{Driven, OutputHandler, drive};
pub use error::{DriverError, HandlerError};
pub use exchange::{EXCHANGES, Publication, Request};
pub use messages::{Incoming, Messages};
pub use observe::METRICS;
pub use presence::presence_key;
pub use resources::ResourceManager;
pub use running::{Running, Stopped};
pub use trace::TraceParent;

/// How long a reader of the bus pauses after an error.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(200);
