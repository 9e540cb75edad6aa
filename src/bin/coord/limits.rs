//! How input is read and how large it may be: the options that several verbs share.

use crate::config::OwnType;
use coordination_protocol::event::{Codec, Registry};
use coordination_protocol::finding::Mode;
use coordination_protocol::json::Limits;
use coordination_protocol::scalar::ProtocolVersion;
use coordination_protocol::version::VERSIONS;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

/// How records are read, and how large each may be.
#[derive(Clone, clap::Args)]
pub(crate) struct Reading {
    /// Read as writers must write, or as readers must accept.
    #[arg(long, value_parser = parse::<Mode>, default_value = "interop", value_name = "strict|interop")]
    pub(crate) mode: Mode,

    /// The protocol version whose event types are known.
    #[arg(long, default_value_t = ProtocolVersion::DEFAULT, value_name = "VERSION", value_parser = protocol)]
    pub(crate) protocol: ProtocolVersion,

    /// The maximum number of bytes of one record.
    #[arg(long, default_value_t = Limits::DEFAULT.bytes, value_name = "N", help_heading = "Limits")]
    pub(crate) max_bytes: usize,

    /// The maximum number of bytes of a file that is read whole: one that holds messages among other
    /// things, or an array. Streams of records have no limit.
    #[arg(long, default_value_t = 256 << 20, value_name = "N", help_heading = "Limits")]
    pub(crate) max_file_bytes: u64,

    /// The deepest nesting, at most 512.
    #[arg(long, default_value_t = Limits::DEFAULT.depth, value_name = "N", help_heading = "Limits")]
    pub(crate) max_depth: usize,

    /// The maximum number of keys of one object.
    #[arg(long, default_value_t = Limits::DEFAULT.keys, value_name = "N", help_heading = "Limits")]
    pub(crate) max_keys: usize,

    /// The maximum number of findings of one record; the rest are counted.
    #[arg(long, default_value_t = Limits::DEFAULT.findings, value_name = "N", help_heading = "Limits")]
    pub(crate) max_findings: usize,

    /// Event types of one's own, by name.
    #[arg(skip)]
    pub(crate) types: BTreeMap<String, OwnType>,
}

impl Reading {
    pub(crate) fn codec(&self) -> Codec {
        let limits = Limits::DEFAULT
            .with_bytes(self.max_bytes)
            .with_depth(self.max_depth)
            .with_keys(self.max_keys)
            .with_findings(self.max_findings);
        let mut registry = Registry::new(self.protocol.clone());
        for (name, own) in &self.types {
            // Each was registered alone when it was read, and no name is there twice.
            registry = own.register(name, registry.clone()).unwrap_or(registry);
        }
        Codec::new(self.mode).with_registry(registry).with_limits(limits)
    }
}

/// How large whole documents may be. They come from the user's own files, one at a time, so they may
/// be far larger than a record of a stream.
#[derive(clap::Args)]
#[allow(clippy::struct_field_names, reason = "they name the options")]
pub(crate) struct DocumentLimits {
    /// The maximum number of bytes of one document.
    #[arg(long, default_value_t = 256 << 20, value_name = "N", help_heading = "Limits")]
    max_bytes: usize,

    /// The deepest nesting, at most 512.
    #[arg(long, default_value_t = Limits::DEFAULT.depth, value_name = "N", help_heading = "Limits")]
    max_depth: usize,

    /// The maximum number of keys of one object.
    #[arg(long, default_value_t = 10_000_000, value_name = "N", help_heading = "Limits")]
    max_keys: usize,
}

impl DocumentLimits {
    pub(crate) fn limits(&self) -> Limits {
        let limits = Limits::DEFAULT.with_bytes(self.max_bytes).with_depth(self.max_depth);
        limits.with_keys(self.max_keys)
    }
}

/// Reads a value of an option, with the error's own sentence.
pub(crate) fn parse<T: FromStr<Err: Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: T::Err| error.to_string())
}

/// Reads a protocol version that this program has a registry for.
pub(crate) fn protocol(text: &str) -> Result<ProtocolVersion, String> {
    let version: ProtocolVersion = parse(text)?;
    if VERSIONS.contains(&version) {
        Ok(version)
    } else {
        Err(format!("{version} is not supported; 1.0.0 and 1.1.0 are"))
    }
}
