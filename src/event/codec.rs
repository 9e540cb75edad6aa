//! The choices of a reader, and its two ways to read.

use super::examine::examine;
use super::faults::{not_utf8, too_long};
use super::line::{EventRef, colons};
use super::records::Records;
use super::sink::{Collect, FailFast};
use super::spec::Registry;
use crate::finding::{Code, Finding, FindingSeverity, Mode, Report};
use crate::json::Limits;
use crate::scalar::{ProtocolVersion, id};
use std::fmt;
use std::io::BufRead;

/// A reader of event lines: mode, registry, limits and severities.
///
/// ```
/// use coordination_protocol::event::Codec;
/// use coordination_protocol::finding::{Code, FindingSeverity, Mode};
///
/// let codec = Codec::new(Mode::Interop).with_severity(Code::MissingData, FindingSeverity::Error);
/// let record = codec.check("PHASE_COMPLETED:wf_001:build:{\"duration\":\"30m\"}");
/// assert!(record.event.is_none());
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
}

impl Codec {
    /// A reader of a mode, with protocol 1.1.0 and the default limits.
    pub const fn new(mode: Mode) -> Self {
        Codec {
            mode,
            limits: Limits::DEFAULT,
            registry: Registry::new(ProtocolVersion::DEFAULT),
            overrides: Vec::new(),
        }
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
    pub(super) fn strict_twin(&self) -> Self {
        Codec {
            mode: Mode::Strict,
            limits: self.limits,
            registry: self.registry.clone(),
            overrides: Vec::new(),
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

    /// Reads a line and stops at the first error. In interop mode the event may deviate;
    /// [`check`](Self::check) tells how.
    ///
    /// # Errors
    /// The first error that is met, which need not be the first by position.
    #[inline]
    pub fn parse<'a>(&self, line: &'a str) -> Result<EventRef<'a>, EventError> {
        let mut sink = FailFast::new(self);
        match (examine(self, line, &mut sink), sink.into_finding()) {
            (Some(shape), None) => Ok(EventRef { text: line, shape }),
            (_, Some(finding)) => Err(EventError(finding)),
            // The caller gave the code a lower severity; that does not make the line readable.
            (None, None) => Err(self.unreadable(line)),
        }
    }

    /// The finding that ended an examination, whatever its severity.
    #[cold]
    fn unreadable(&self, line: &str) -> EventError {
        let mut sink = Collect::new(self);
        examine(self, line, &mut sink);
        let last = sink.into_last().unwrap_or_else(|| Finding::new(Code::NotAnEvent, 0..0));
        EventError(Box::new(last))
    }

    /// Like [`parse`](Self::parse), from bytes.
    ///
    /// # Errors
    /// The first error that is met.
    pub fn parse_bytes<'a>(&self, line: &'a [u8]) -> Result<EventRef<'a>, EventError> {
        match std::str::from_utf8(line) {
            Ok(text) => self.parse(text),
            Err(_) => Err(EventError(Box::new(
                self.check_bytes(line)
                    .report
                    .findings()
                    .first()
                    .cloned()
                    .unwrap_or_else(|| Finding::new(Code::NotUtf8, 0..0)),
            ))),
        }
    }

    /// Reads a line and finds everything that is wrong with it.
    pub fn check<'a>(&self, line: &'a str) -> ReadRecord<'a> {
        let mut sink = Collect::new(self);
        let shape = examine(self, line, &mut sink);
        let report = sink.into_report();
        let readable = report.worst() != Some(FindingSeverity::Error);
        let event = shape.filter(|_| readable).map(|shape| EventRef { text: line, shape });
        let type_name = match shape {
            Some(shape) => Some(EventRef { text: line, shape }.type_name()),
            None => type_name(line, &self.registry),
        };
        ReadRecord { event, type_name, report }
    }

    /// Like [`check`](Self::check), from bytes.
    pub fn check_bytes<'a>(&self, line: &'a [u8]) -> ReadRecord<'a> {
        if line.len() <= self.limits.bytes {
            match std::str::from_utf8(line) {
                Ok(text) => return self.check(text),
                Err(error) => {
                    let mut sink = Collect::new(self);
                    sink.add(not_utf8(line, error));
                    return ReadRecord { event: None, type_name: None, report: sink.into_report() };
                }
            }
        }
        let mut sink = Collect::new(self);
        sink.add(too_long(&self.limits, line));
        ReadRecord { event: None, type_name: None, report: sink.into_report() }
    }

    /// Cuts a stream into records; see [`Records`].
    pub fn records<R: BufRead>(&self, input: R) -> Records<R> {
        Records::new(input, self.limits.bytes)
    }
}

impl Default for Codec {
    /// A strict reader.
    fn default() -> Self {
        Codec::new(Mode::Strict)
    }
}

/// What a check yields: everything that was found, and the event if it can be used.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ReadRecord<'a> {
    /// The event, unless a finding is an error.
    pub event: Option<EventRef<'a>>,
    /// The name in the place of the event type, if the record looks like an event at all: it has
    /// three colons, and the name is registered, is spelled as types are, or an object follows.
    pub type_name: Option<&'a str>,
    /// What was found.
    pub report: Report,
}

impl Codec {
    /// The name in the place of the event type, if the text looks like an event at all.
    pub(crate) fn type_name<'a>(&self, line: &'a str) -> Option<&'a str> {
        type_name(line, &self.registry)
    }
}

fn type_name<'a>(line: &'a str, registry: &Registry) -> Option<&'a str> {
    let line = line.trim_start_matches('\u{feff}').trim();
    let line = line.strip_prefix(['"', '\'']).unwrap_or(line);
    if line.starts_with(['{', '[']) {
        return None;
    }
    let at = colons(line.as_bytes(), 0).ok()?;
    let name = &line[..at[0]];
    let spelled = name.starts_with(|c: char| c.is_ascii_uppercase())
        && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
    let object = line[at[2] + 1..].trim_start().starts_with('{');
    (spelled || registry.knows(name) || object && id::check(name).is_ok()).then_some(name)
}

/// The error that a line was refused for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventError(Box<Finding>);

impl EventError {
    /// The finding: its code, place and hint.
    pub fn finding(&self) -> &Finding {
        &self.0
    }
}

impl fmt::Display for EventError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (`{}` at byte {})", self.0, self.0.code, self.0.range.start)?;
        match self.0.hint() {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for EventError {}
