//! The command coordination protocol as an embeddable library.
//!
//! Commands of an AI-agent system (a coordination hub, a resource manager, workers, monitors) run
//! as many small processes and have to agree on what they say to each other. The protocol has them
//! write events as lines, `EVENT_TYPE:workflow:phase:data`, and everything else as JSON documents.
//! This crate reads and writes both, says precisely what is wrong with a message, on four levels,
//! routes events to subscribers, and settles which version two components speak.
//!
//! # On one page
//!
//! ```
//! use coordination_protocol::{Codec, EventRef, Mode, Verdict};
//!
//! // Strict is the default, and stops at the first error.
//! let line = r#"TASK_FAILED:wf_001:build:{"task_id":"t7","agent_id":"a3","failure_reason":"exit 1","retry_count":2}"#;
//! let event = EventRef::parse(line)?;
//! assert_eq!((event.workflow(), event.phase()), ("wf_001", "build"));
//!
//! // Interop reads what is met in the field and reports every deviation.
//! let codec = Codec::new(Mode::Interop);
//! let record = codec.check("TASK_FAILED:wf_001:build:{'task_id':'t7','agent':'a3'}");
//! assert_eq!(record.report.verdict(), Verdict::Deviating);
//! let hints: Vec<_> = record.report.findings().iter().filter_map(|f| f.hint()).collect();
//! assert_eq!(hints, ["`agent` is present; did you mean `agent_id`?"]);
//!
//! // Documents are typed, unknown fields kept; a validator asks for more than form and content.
//! use coordination_protocol::validate::{Context, Validator};
//!
//! let text = r#"{"decision":{"proposal_id":"prop_1","outcome":"committed"}}"#;
//! let outcome = Validator::new(Mode::Interop).check(text, &Context::new());
//! assert_eq!(outcome.report.findings()[0].code.as_str(), "commit-without-version");
//! let checked = outcome.accept().expect("a warning refuses nothing");
//! assert_eq!(checked.kind().as_str(), "decision");
//! # Ok::<(), coordination_protocol::ReadError>(())
//! ```
//!
//! # What it is not
//!
//! It opens no sockets and no files, reads no clock, draws no random numbers and starts no threads:
//! values come in, values go out. Files are opened, and threads started for them, only by the
//! adapter of feature `sqlite`; clocks and random numbers are read, and tasks started, only by the bus and
//! the driver of feature `tokio`. It is no broker and no workflow engine. `coord`, the program
//! built with feature `cli`, is a user of the library like any other.
//!
//! # How it reads the protocol
//!
//! The protocol's text contradicts itself in places; each module says how it settles what it
//! touches. Two [modes](Mode) keep the answers apart: [`Mode::Strict`] is what writers must do,
//! [`Mode::Interop`] what readers should accept. Nothing is ever repaired silently, unknown types
//! and data survive, and numbers keep their spelling.
//!
//! # Modules
//!
//! | module | holds |
//! |---|---|
//! | [`scalar`] | identifiers, numbers, durations, times and vocabularies that cannot hold a bad value |
//! | [`json`] | the scanner, raw values, pointers, RFC 8785 |
//! | [`finding`] | findings, reports, and the table of codes |
//! | [`spec`] | the protocol as tables: event types, documents, fields, how much each is required |
//! | [`codec`] | the one reader: options, records and streams of them, `ReadError`, `BuildError` |
//! | [`event`] | the three forms of an event, its builder |
//! | [`error`] | the crate's one error, and its report to other components |
//! | [`message`] | documents, control messages, the envelope |
//! | [`merge`] | versions of a state compared, and merged by policy; any JSON document too |
//! | [`route`] | routing keys, subscription patterns, tables of them, filters |
//! | [`path`] | paths that leases are taken on: what they cover, which overlap |
//! | [`scan`] | where messages stand in Markdown and shell files |
//! | [`security`] | permissions, signatures, freshness, replay |
//! | [`validate`] | all four levels of validation, and the gate before every machine |
//! | [`transport`] | moving packets: the trait, an in-memory version, line framing |
//! | [`storage`] | keeping state: key/value store and journal, as traits and in memory; views of states, dead letters, events |
//! | [`lifecycle`] | the states of workflows, tasks and the like, with the event of each transition, and diagrams |
//! | [`trace`] | what happened, from its events: who worked on what when, and what does not fit together |
//! | [`machine`] | requests, answers, circuit breaker, greeting, presence, delivery, states in step, ballots: state machines without I/O |
//! | [`coordination`] | the components that decide: who may use which resources, and when |
//! | [`version`] | negotiation, compatibility, deprecation, migration |
//! | `schema` | JSON Schema 2020-12 of all that is written (feature `schema`) |
//! | `checkpoint` | states kept, verified, restored, rolled back, pruned (feature `checkpoint`) |
//! | `adapter::sqlite` | store and journal in one `SQLite` file (feature `sqlite`) |
//! | `bus` | one log and one store that components share (feature `tokio`) |
//! | `driver` | components and clients that run (feature `tokio`) |
//! | `conformance` | what a transport, store or journal of your own must do (feature `conformance`) |
//! | `sim` | a deterministic world to simulate machines in (feature `sim`) |
//!
//! # Features
//!
//! | feature | default | adds |
//! |---|---|---|
//! | `schema` | yes | JSON Schema 2020-12 for documents, envelope, event data and registry (`schemars`) |
//! | `signature` | no | Ed25519 signatures (`ed25519-dalek`) |
//! | `checkpoint` | no | checkpoints in any store (`json-patch`, `miniz_oxide`) |
//! | `sqlite` | no | store and journal in one `SQLite` file (`rusqlite`, `SQLite` built in) |
//! | `tokio` | no | components, clients and the bus they share, on the runtime `tokio` |
//! | `tracing` | no | spans and events of what runs (`tracing`) |
//! | `metrics` | no | metrics of what runs (`metrics`) |
//! | `conformance` | no | behavioural cases for transports, stores and journals |
//! | `sim` | no | simulation of machines: virtual time, network faults, crashes; seeds that replay |
//! | `cli` | no | the `coord` program, with all of the above but `conformance` and `sim` |
//!
//! The library alone builds with `--no-default-features`.
//!
//! # Where to start
//!
//! `examples/` has a program for each way to use it: `embed` writes, reads and routes events,
//! `gateway` checks what comes over standard input and keeps what it refuses (60 lines), `component` runs a
//! worker and a manager as two processes on one file, `state` keeps two copies of a state in step and makes a
//! checkpoint, `replica` merges by a rule of one's own and has a ballot decide what that leaves (280 lines), and
//! `store` and `transport` are a store and a transport of one's own under the kit of `conformance` (120 and 270
//! lines). The [`machine`] module states the contract between a state machine and its host on one page.
#![cfg_attr(docsrs, feature(doc_cfg))]

/// The README's code is compiled and run with the other examples. It shows a component, too.
#[cfg(all(doctest, feature = "tokio"))]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(feature = "sqlite")]
#[cfg_attr(docsrs, doc(cfg(feature = "sqlite")))]
pub mod adapter;
#[cfg(feature = "tokio")]
#[cfg_attr(docsrs, doc(cfg(feature = "tokio")))]
pub mod bus;
#[cfg(feature = "checkpoint")]
#[cfg_attr(docsrs, doc(cfg(feature = "checkpoint")))]
pub mod checkpoint;
pub mod codec;
#[cfg(feature = "conformance")]
#[cfg_attr(docsrs, doc(cfg(feature = "conformance")))]
pub mod conformance;
pub mod coordination;
#[cfg(feature = "tokio")]
#[cfg_attr(docsrs, doc(cfg(feature = "tokio")))]
pub mod driver;
pub mod error;
pub mod event;
pub mod finding;
pub mod json;
pub mod lifecycle;
pub mod machine;
pub mod merge;
pub mod message;
pub mod path;
pub mod route;
pub mod scalar;
pub mod scan;
#[cfg(feature = "schema")]
#[cfg_attr(docsrs, doc(cfg(feature = "schema")))]
pub mod schema;
pub mod security;
#[cfg(feature = "sim")]
#[cfg_attr(docsrs, doc(cfg(feature = "sim")))]
pub mod sim;
pub mod spec;
mod spelling;
pub mod storage;
pub mod trace;
pub mod transport;
pub mod validate;
pub mod version;

pub use codec::{BuildError, ReadError};
pub use error::{Error, ErrorKind};
pub use event::{
    Category, Codec, Data, Event, EventBuf, EventBuilder, EventHeader, EventRef, EventType,
    REGISTRY, ReadRecord, RecordDecoder, Records, Registry,
};
pub use finding::{Code, Finding, FindingSeverity, Level, Mode, Report, Verdict};
pub use json::{Json, Limits};
pub use machine::Machine;
pub use message::{Envelope, Message, MessageKind, MessageRef};
pub use route::{Filter, Pattern, RouteKey, RouteTable};
pub use scalar::{Instant, Now, Phase, ProtocolVersion, WallTime, WorkflowId};
pub use storage::{Journal, Store};
pub use transport::Transport;
pub use validate::{Checked, Gate, Validator};

#[cfg(feature = "sqlite")]
#[cfg_attr(docsrs, doc(cfg(feature = "sqlite")))]
pub use adapter::sqlite::Sqlite;
#[cfg(feature = "checkpoint")]
#[cfg_attr(docsrs, doc(cfg(feature = "checkpoint")))]
pub use checkpoint::Checkpoints;
