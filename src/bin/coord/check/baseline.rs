//! A baseline: findings that are known and not reported, so that a check can be made stricter without
//! mending everything at once.
//!
//! A finding is known again by its path, its code, its pointer, and a digest of its record; lines may
//! move. Equal ones are counted. SARIF's fingerprints are made of the same.

use crate::output::{Failure, cannot_read, cannot_write, failure};
use crate::replace_file::replace;
use coordination_protocol::finding::Code;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::path::Path;

/// The version of the file's form.
const VERSION: u32 = 1;
/// The most bytes of a baseline that is read.
const MAX_BYTES: u64 = 256 << 20;

/// What a finding is known by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entry {
    /// From the root of the repository, percent-encoded where a byte is no plain character.
    pub(crate) path: String,
    pub(crate) code: String,
    pub(crate) pointer: String,
    /// Of the record.
    pub(crate) digest: String,
}

impl Entry {
    pub(crate) fn new(path: &str, code: Code, pointer: &str, digest: &str) -> Self {
        let (path, pointer, digest) = (path.to_owned(), pointer.to_owned(), digest.to_owned());
        Entry { path, code: code.as_str().to_owned(), pointer, digest }
    }

    /// One text for all of it: 32 hexadecimal digits.
    pub(crate) fn fingerprint(&self) -> String {
        let parts = [&self.path, &self.code, &self.pointer, &self.digest];
        // No part can hold the separator and so pass for two.
        let whole = parts.map(|part| format!("{}:{part}", part.len())).join("\0");
        digest(whole.as_bytes())
    }
}

/// The first half of a SHA-256 digest, in hexadecimal digits.
pub(crate) fn digest(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(32);
    for byte in &Sha256::digest(bytes)[..16] {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// How often each finding is known, of one path or of all.
pub(crate) type Counts = BTreeMap<Entry, u64>;

/// A baseline, by path.
#[derive(Default)]
pub(crate) struct Baseline {
    paths: BTreeMap<String, Counts>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    version: u32,
    findings: Vec<Row>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    path: String,
    code: String,
    pointer: String,
    digest: String,
    count: u64,
}

impl Baseline {
    pub(crate) fn read(path: &Path) -> Result<Baseline, Failure> {
        let name = crate::input::name(path);
        let mut bytes = Vec::new();
        std::fs::File::open(path)
            .and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes))
            .map_err(|error| cannot_read(&name, error))?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(cannot_read(&name, format_args!("more than {MAX_BYTES} bytes")));
        }
        let form: Form = serde_json::from_slice(&bytes)
            .map_err(|error| failure(format_args!("{name}: this is no baseline: {error}")))?;
        if form.version != VERSION {
            let version = form.version;
            return Err(failure(format_args!(
                "{name}: a baseline of version {version}; this program reads {VERSION}"
            )));
        }
        let mut baseline = Baseline::default();
        for Row { path, code, pointer, digest, count } in form.findings {
            let entry = Entry { path, code, pointer, digest };
            let counts = baseline.paths.entry(entry.path.clone()).or_default();
            *counts.entry(entry).or_default() += count;
        }
        Ok(baseline)
    }

    /// What is known of a path.
    pub(crate) fn of(&self, path: &str) -> Counts {
        self.paths.get(path).cloned().unwrap_or_default()
    }

    /// The paths, and how many findings are known of each.
    pub(crate) fn paths(&self) -> impl Iterator<Item = (&str, u64)> {
        self.paths.iter().map(|(path, counts)| (path.as_str(), counts.values().sum()))
    }
}

/// Whether a path of a baseline leads to no file any more.
pub(crate) fn is_gone(root: &Path, path: &str) -> bool {
    // One that is encoded, or no file at all, is not looked for.
    let plain = !path.contains(['%', '<', ':']);
    plain && !root.join(path).exists()
}

/// Writes a baseline, an entry a line, so that differences can be read.
pub(crate) fn write(path: &Path, counts: &Counts) -> Result<(), Failure> {
    let mut text = format!("{{\"version\":{VERSION},\"findings\":[");
    for (index, (entry, count)) in counts.iter().enumerate() {
        text.push_str(if index == 0 { "\n" } else { ",\n" });
        let Entry { path, code, pointer, digest } = entry.clone();
        let row = Row { path, code, pointer, digest, count: *count };
        text.push_str(&serde_json::to_string(&row).map_err(failure)?);
    }
    text.push_str("\n]}\n");
    replace(path, |file| file.write_all(text.as_bytes()))
        .map_err(|error| cannot_write(crate::input::name(path), error))
}
