//! Which version can read what another writes.

use super::addition::{Addition, AdditionKind, additions};
use super::supported::VERSIONS;
use crate::scalar::{ProtocolVersion, words};
use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};
use std::fmt::Write as _;

words! {
    /// What a reader of one version makes of a writer of another.
    Compatibility {
        /// It knows everything that can be written.
        All "all",
        /// It reads what it knows and keeps the rest: only header keys and fields are new.
        KeepsRest "keeps-rest",
        /// There are messages or event types that it does not know; the writer has to down-level.
        DownLevel "down-level",
        /// Another major version: records must be migrated.
        Incompatible "incompatible",
    }
}

/// One pair of versions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct MatrixEntry {
    /// The version of the reader.
    pub reader: ProtocolVersion,
    /// The version of the writer.
    pub writer: ProtocolVersion,
    /// Whether the reader understands the writer.
    #[serde(rename = "reading")]
    pub compatibility: Compatibility,
    /// What the writer may say and the reader does not know.
    pub unknown: Vec<Addition>,
}

/// The compatibility of versions, for every pair of reader and writer (specification, Migration
/// Support). It is computed from the tables; nothing of it is written down.
///
/// ```
/// use coordination_protocol::ProtocolVersion;
/// use coordination_protocol::version::{Matrix, Compatibility};
///
/// let matrix = Matrix::current();
/// let entry = matrix.entry(&ProtocolVersion::V1_0_0, &ProtocolVersion::V1_1_0).unwrap();
/// assert_eq!(entry.compatibility, Compatibility::DownLevel);
/// assert!(entry.unknown.iter().any(|addition| addition.name == "CHECKPOINT_CREATED"));
/// assert!(matrix.to_markdown().starts_with("| reader \\ writer | 1.0.0 | 1.1.0 |\n"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matrix {
    versions: Vec<ProtocolVersion>,
    entries: Vec<MatrixEntry>,
}

impl Matrix {
    /// The matrix of the versions that this crate supports.
    pub fn current() -> Self {
        Matrix::new(VERSIONS, &additions())
    }

    /// The matrix of versions of your own, from what each of them added.
    pub fn new(versions: &[ProtocolVersion], additions: &[Addition]) -> Self {
        let pairs = versions.iter().flat_map(|reader| versions.iter().map(move |w| (reader, w)));
        let entries = pairs.map(|(reader, writer)| entry(reader, writer, additions)).collect();
        Matrix { versions: versions.to_vec(), entries }
    }

    /// The versions, in the order of rows and columns.
    pub fn versions(&self) -> &[ProtocolVersion] {
        &self.versions
    }

    /// All pairs, row by row; a row is a reader.
    pub fn entries(&self) -> &[MatrixEntry] {
        &self.entries
    }

    /// One pair.
    pub fn entry(
        &self,
        reader: &ProtocolVersion,
        writer: &ProtocolVersion,
    ) -> Option<&MatrixEntry> {
        self.entries.iter().find(|entry| entry.reader == *reader && entry.writer == *writer)
    }

    /// The matrix as a Markdown table, and below it what the readers do not know.
    pub fn to_markdown(&self) -> String {
        let mut out = String::from("| reader \\ writer |");
        for version in &self.versions {
            let _ = write!(out, " {version} |");
        }
        let _ = writeln!(out, "\n|---|{}", "---|".repeat(self.versions.len()));
        for row in self.entries.chunks(self.versions.len().max(1)) {
            for (index, entry) in row.iter().enumerate() {
                if index == 0 {
                    let _ = write!(out, "| {} |", entry.reader);
                }
                let _ = write!(out, " {} |", entry.compatibility);
            }
            out.push('\n');
        }
        for entry in self.entries.iter().filter(|entry| !entry.unknown.is_empty()) {
            let _ = writeln!(out, "\nWhat {} does not know of {}:\n", entry.reader, entry.writer);
            for (kind, title) in [
                (AdditionKind::EventType, "event types"),
                (AdditionKind::Body, "messages"),
                (AdditionKind::Header, "header keys"),
                (AdditionKind::Field, "fields"),
            ] {
                let names: Vec<_> = entry
                    .unknown
                    .iter()
                    .filter(|addition| addition.kind == kind)
                    .map(|addition| format!("`{}`", addition.name))
                    .collect();
                if !names.is_empty() {
                    let _ = writeln!(out, "- {title}: {}", names.join(", "));
                }
            }
        }
        out
    }
}

fn entry(
    reader: &ProtocolVersion,
    writer: &ProtocolVersion,
    additions: &[Addition],
) -> MatrixEntry {
    let unknown: Vec<Addition> = additions
        .iter()
        .filter(|addition| *reader < addition.since && addition.since <= *writer)
        .cloned()
        .collect();
    let compatibility = if reader.major() != writer.major() {
        Compatibility::Incompatible
    } else if unknown.is_empty() {
        Compatibility::All
    } else if unknown.iter().all(|addition| addition.kind.is_optional()) {
        Compatibility::KeepsRest
    } else {
        Compatibility::DownLevel
    };
    MatrixEntry { reader: reader.clone(), writer: writer.clone(), compatibility, unknown }
}

impl Serialize for Matrix {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Matrix", 2)?;
        out.serialize_field("versions", &self.versions)?;
        out.serialize_field("cells", &self.entries)?;
        out.end()
    }
}
