//! Integration tests.

#![allow(clippy::disallowed_methods, reason = "tests may start threads and read the clock")]
#![allow(
    clippy::format_collect,
    clippy::format_push_string,
    clippy::items_after_statements,
    clippy::naive_bytecount,
    clippy::redundant_closure_for_method_calls,
    reason = "generated input reads better than it allocates"
)]

#[cfg(feature = "tokio")]
mod bus;
#[cfg(all(feature = "sqlite", feature = "tokio", unix))]
mod bus_members;
#[cfg(feature = "tokio")]
mod bus_support;
#[cfg(feature = "checkpoint")]
mod checkpoint;
#[cfg(feature = "cli")]
mod coord;
#[cfg(all(feature = "cli", unix))]
mod coord_bus;
#[cfg(feature = "cli")]
mod coord_check;
#[cfg(feature = "cli")]
mod coord_check_files;
#[cfg(feature = "cli")]
mod coord_checkpoint;
#[cfg(feature = "cli")]
mod coord_documents;
#[cfg(all(feature = "cli", unix))]
mod coord_faults;
#[cfg(all(feature = "cli", unix))]
mod coord_files;
#[cfg(feature = "cli")]
mod coord_fix;
#[cfg(all(feature = "cli", unix))]
mod coord_help;
#[cfg(all(feature = "cli", target_os = "linux"))]
mod coord_hook;
#[cfg(all(feature = "cli", unix))]
mod coord_hostile;
#[cfg(all(feature = "cli", unix))]
mod coord_keys;
#[cfg(all(feature = "cli", unix))]
mod coord_lease;
#[cfg(all(feature = "cli", unix))]
mod coord_pipes;
#[cfg(all(feature = "cli", target_os = "linux"))]
mod coord_run;
#[cfg(feature = "cli")]
mod coord_schema;
#[cfg(feature = "cli")]
mod coord_senders;
#[cfg(feature = "cli")]
mod coord_settings;
#[cfg(feature = "cli")]
mod coord_state;
#[cfg(feature = "cli")]
mod coord_state_put;
#[cfg(feature = "cli")]
mod coord_store;
#[cfg(all(feature = "cli", unix))]
mod coord_subscribe;
#[cfg(all(feature = "cli", unix))]
mod coord_talk;
#[cfg(all(feature = "cli", unix))]
mod coord_tools;
#[cfg(all(feature = "cli", unix))]
mod coord_trace;
#[cfg(all(feature = "cli", unix))]
mod coord_trial;
#[cfg(feature = "cli")]
mod coord_version;
#[cfg(all(feature = "cli", unix))]
mod coord_wait;
#[cfg(all(feature = "cli", unix))]
mod coord_words;
#[cfg(all(feature = "cli", unix))]
mod damage;
#[cfg(all(feature = "sqlite", feature = "tokio"))]
mod decisions;
#[cfg(feature = "tokio")]
mod driver;
#[cfg(feature = "tokio")]
mod driver_drops;
#[cfg(all(feature = "sqlite", feature = "tokio"))]
mod driver_drops_sqlite;
#[cfg(all(feature = "signature", feature = "tokio"))]
mod driver_policy;
#[cfg(feature = "tokio")]
mod driver_requests;
#[cfg(feature = "conformance")]
mod embedding;
mod events;
mod examples;
mod filter;
mod fixes;
mod freshness;
mod fuzz_corpus;
mod history;
mod hostile;
mod json;
mod lanes;
mod layers;
mod machine;
mod merge;
mod message;
#[cfg(all(feature = "metrics", feature = "tracing"))]
mod observe;
mod path;
mod permissions;
mod printable;
mod records;
mod registry;
mod report;
mod resources;
mod route;
mod route_table;
mod scalar;
mod scan;
mod scan_corpus;
mod scan_lexers;
#[cfg(feature = "schema")]
mod schema;
mod security;
mod senders;
mod serde_formats;
mod signature;
#[cfg(feature = "sim")]
mod sim;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(feature = "sqlite")]
mod sqlite_hints;
#[cfg(feature = "sqlite")]
mod sqlite_lanes;
#[cfg(feature = "sqlite")]
mod sqlite_place;
mod storage;
#[cfg(feature = "conformance")]
mod store_kit;
mod support;
mod trace;
mod transport;
mod validate;
mod version;
mod view;
mod wire;
