//! What a reader accepts: a spelling, and how much.

/// Which spelling of JSON a reader accepts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Dialect {
    /// RFC 8259.
    #[default]
    Strict,
    /// RFC 8259, and strings and keys in single quotes, as the specification's examples and many
    /// shell scripts write them. Inside single quotes `"` is an ordinary character and `\'` a quote.
    SingleQuoted,
}

/// Bounds on what is read before it is looked at any further. All are inclusive.
///
/// ```
/// use coordination_protocol::json::Limits;
///
/// let limits = Limits::default().with_depth(16).with_bytes(4096);
/// assert_eq!(limits.keys, 1024);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of one record. Default 65,536; at most 4 GiB - 1.
    pub bytes: usize,
    /// Nested arrays and objects, the outermost counted. Default 128; at most [`Limits::MAX_DEPTH`].
    pub depth: usize,
    /// Keys of one object. Default 1,024.
    pub keys: usize,
    /// Findings of one report. Default 64; the report counts what it left out.
    pub findings: usize,
}

impl Limits {
    /// The deepest nesting that [`with_depth`](Self::with_depth) grants: the scanner recurses, and
    /// this depth fits a stack of 1 MiB even in a debug build.
    pub const MAX_DEPTH: usize = 512;

    /// The default limits.
    pub const DEFAULT: Limits = Limits { bytes: 64 * 1024, depth: 128, keys: 1024, findings: 64 };

    /// Sets the bytes of one record.
    pub const fn with_bytes(mut self, bytes: usize) -> Self {
        self.bytes = if bytes > u32::MAX as usize { u32::MAX as usize } else { bytes };
        self
    }

    /// Sets the nesting depth, at most [`Limits::MAX_DEPTH`].
    pub const fn with_depth(mut self, depth: usize) -> Self {
        self.depth = if depth > Self::MAX_DEPTH { Self::MAX_DEPTH } else { depth };
        self
    }

    /// Sets the keys of one object.
    pub const fn with_keys(mut self, keys: usize) -> Self {
        self.keys = keys;
        self
    }

    /// Sets the findings of one report.
    pub const fn with_findings(mut self, findings: usize) -> Self {
        self.findings = findings;
        self
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits::DEFAULT
    }
}
