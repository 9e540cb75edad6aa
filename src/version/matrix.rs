//! Which version can read what another writes.

use super::addition::{Addition, AdditionKind, additions};
use super::supported::VERSIONS;
use crate::scalar::ProtocolVersion;
use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};
use std::fmt::{self, Write as _};

/// What a reader of one version makes of a writer of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Reading {
    /// It knows everything that can be written.
    All,
    /// It reads what it knows and keeps the rest: only header keys and fields are new.
    KeepsRest,
    /// There are messages or event types that it does not know; the writer has to down-level.
    DownLevel,
    /// Another major version: a migration, not a reading.
    Incompatible,
}

impl Reading {
    /// The word, as in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Reading::All => "all",
            Reading::KeepsRest => "keeps-rest",
            Reading::DownLevel => "down-level",
            Reading::Incompatible => "incompatible",
        }
    }
}

impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One pair of versions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Cell {
    /// The version of the reader.
    pub reader: ProtocolVersion,
    /// The version of the writer.
    pub writer: ProtocolVersion,
    /// How they get on.
    pub reading: Reading,
    /// What the writer may say and the reader does not know.
    pub unknown: Vec<Addition>,
}

/// The compatibility of versions, for every pair of reader and writer (specification, Migration
/// Support). It is computed from the tables; nothing of it is written down.
///
/// ```
/// use coordination_protocol::ProtocolVersion;
/// use coordination_protocol::version::{Matrix, Reading};
///
/// let matrix = Matrix::current();
/// let cell = matrix.cell(&ProtocolVersion::V1_0_0, &ProtocolVersion::V1_1_0).unwrap();
/// assert_eq!(cell.reading, Reading::DownLevel);
/// assert!(cell.unknown.iter().any(|addition| addition.name == "CHECKPOINT_CREATED"));
/// assert!(matrix.to_markdown().starts_with("| reader \\ writer | 1.0.0 | 1.1.0 |\n"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matrix {
    versions: Vec<ProtocolVersion>,
    cells: Vec<Cell>,
}

impl Matrix {
    /// The matrix of the versions that this crate supports.
    pub fn current() -> Self {
        Matrix::new(VERSIONS, &additions())
    }

    /// The matrix of versions of your own, from what each of them added.
    pub fn new(versions: &[ProtocolVersion], additions: &[Addition]) -> Self {
        let pairs = versions.iter().flat_map(|reader| versions.iter().map(move |w| (reader, w)));
        let cells = pairs.map(|(reader, writer)| cell(reader, writer, additions)).collect();
        Matrix { versions: versions.to_vec(), cells }
    }

    /// The versions, in the order of rows and columns.
    pub fn versions(&self) -> &[ProtocolVersion] {
        &self.versions
    }

    /// All pairs, row by row; a row is a reader.
    pub fn cells(&self) -> &[Cell] {
        &self.cells
    }

    /// One pair.
    pub fn cell(&self, reader: &ProtocolVersion, writer: &ProtocolVersion) -> Option<&Cell> {
        self.cells.iter().find(|cell| cell.reader == *reader && cell.writer == *writer)
    }

    /// The matrix as a Markdown table, and below it what the readers do not know.
    pub fn to_markdown(&self) -> String {
        let mut out = String::from("| reader \\ writer |");
        for version in &self.versions {
            let _ = write!(out, " {version} |");
        }
        let _ = writeln!(out, "\n|---|{}", "---|".repeat(self.versions.len()));
        for row in self.cells.chunks(self.versions.len().max(1)) {
            for (index, cell) in row.iter().enumerate() {
                if index == 0 {
                    let _ = write!(out, "| {} |", cell.reader);
                }
                let _ = write!(out, " {} |", cell.reading);
            }
            out.push('\n');
        }
        for cell in self.cells.iter().filter(|cell| !cell.unknown.is_empty()) {
            let _ = writeln!(out, "\nWhat {} does not know of {}:\n", cell.reader, cell.writer);
            for (kind, title) in [
                (AdditionKind::EventType, "event types"),
                (AdditionKind::Body, "messages"),
                (AdditionKind::Header, "header keys"),
                (AdditionKind::Field, "fields"),
            ] {
                let names: Vec<_> = cell
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

fn cell(reader: &ProtocolVersion, writer: &ProtocolVersion, additions: &[Addition]) -> Cell {
    let unknown: Vec<Addition> = additions
        .iter()
        .filter(|addition| *reader < addition.since && addition.since <= *writer)
        .cloned()
        .collect();
    let reading = if reader.major() != writer.major() {
        Reading::Incompatible
    } else if unknown.is_empty() {
        Reading::All
    } else if unknown.iter().all(|addition| addition.kind.is_optional()) {
        Reading::KeepsRest
    } else {
        Reading::DownLevel
    };
    Cell { reader: reader.clone(), writer: writer.clone(), reading, unknown }
}

impl Serialize for Matrix {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Matrix", 2)?;
        out.serialize_field("versions", &self.versions)?;
        out.serialize_field("cells", &self.cells)?;
        out.end()
    }
}
