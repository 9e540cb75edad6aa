//! The choices of a reader.

use crate::finding::{Code, FindingSeverity, Mode};
use crate::json::Limits;
use crate::scalar::ProtocolVersion;
use crate::spec::Registry;

/// How records are read: mode, registry, limits and severities.
///
/// The same options read event lines and messages, and events inside messages.
///
/// ```
/// use coordination_protocol::event::Codec;
/// use coordination_protocol::finding::{Code, FindingSeverity, Mode};
///
/// let codec = Codec::new(Mode::Interop).with_severity(Code::MissingData, FindingSeverity::Error);
/// let record = codec.check("PHASE_COMPLETED:wf_001:build:{\"duration\":\"30m\"}");
/// assert!(record.value.is_none());
/// let missing: Vec<_> = record.report.findings().iter()
///     .filter(|finding| finding.code == Code::MissingData)
///     .map(|finding| finding.pointer.as_str())
///     .collect();
/// assert_eq!(missing, ["/phase_id", "/actual_duration", "/success_metrics"]);
/// ```
#[derive(Clone, Debug)]
pub struct Codec {
    mode: Mode,
    limits: Limits,
    registry: Registry,
    overrides: Vec<(Code, FindingSeverity)>,
    lone_types: bool,
}

impl Codec {
    /// A reader of a mode, with protocol 1.1.0 and the default limits.
    pub const fn new(mode: Mode) -> Self {
        Codec {
            mode,
            limits: Limits::DEFAULT,
            registry: Registry::new(ProtocolVersion::DEFAULT),
            overrides: Vec::new(),
            lone_types: false,
        }
    }

    /// Whether an `event_type` alone makes an object an event, its workflow or not: where a command line
    /// names the workflow beside it.
    pub(crate) const fn with_lone_types(mut self, lone_types: bool) -> Self {
        self.lone_types = lone_types;
        self
    }

    pub(crate) const fn has_lone_types(&self) -> bool {
        self.lone_types
    }

    /// Sets the limits.
    pub const fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets the registry: a protocol version, and types of your own.
    pub fn with_registry(mut self, registry: Registry) -> Self {
        self.registry = registry;
        self
    }

    /// Sets the severity of a code, whatever the mode. Codes of records that have no sound reading
    /// stay errors ([`Code::is_fatal`]).
    pub fn with_severity(mut self, code: Code, severity: FindingSeverity) -> Self {
        if code.is_fatal() {
            return self;
        }
        self.overrides.retain(|(known, _)| *known != code);
        self.overrides.push((code, severity));
        self
    }

    /// A strict reader with the same registry and limits: what writers are held to.
    pub(crate) fn strict_twin(&self) -> Self {
        Codec {
            mode: Mode::Strict,
            limits: self.limits,
            registry: self.registry.clone(),
            overrides: Vec::new(),
            lone_types: false,
        }
    }

    /// The mode.
    pub const fn mode(&self) -> Mode {
        self.mode
    }

    /// The limits.
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The registry.
    pub const fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The severity that this reader gives a code.
    #[inline]
    pub fn severity(&self, code: Code) -> FindingSeverity {
        self.overrides
            .iter()
            .find(|(known, _)| *known == code)
            .map_or_else(|| code.severity(self.mode), |(_, severity)| *severity)
    }
}

impl Default for Codec {
    /// A strict reader.
    fn default() -> Self {
        Codec::new(Mode::Strict)
    }
}

/// A strict reader with the default limits.
pub(crate) static STRICT: Codec = Codec::new(Mode::Strict);

/// Reads what serde hands over: what interop mode lets pass, of any length. The data of an event stands
/// one level deeper in its object than in its line.
pub(crate) static LENIENT: Codec = Codec::new(Mode::Interop)
    .with_limits(Limits::DEFAULT.with_bytes(usize::MAX).with_depth(Limits::DEFAULT.depth + 1));
