//! `coord.toml`: what a repository asks of a check of its files.

use super::names::{CodeName, LevelName, ModeName, OwnType, VersionName};
use crate::show;
use coordination_protocol::finding::Code;
use coordination_protocol::message::MessageKind;
use coordination_protocol::security::permissions::Sender;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::{self, Read as _};
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::Spanned;

/// The name of the file.
pub(crate) const NAME: &str = "coord.toml";

/// A file of settings is written by hand; a longer one is a mistake, or hostile.
const MAX_BYTES: u64 = 1 << 20;

/// The settings of a file. A key is spelled like the option that says the same.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Contents {
    pub(crate) mode: Option<Spanned<ModeName>>,
    pub(crate) protocol: Option<Spanned<VersionName>>,
    pub(crate) fail_on: Option<Spanned<LevelName>>,
    pub(crate) select: Option<Spanned<Vec<Spanned<String>>>>,
    #[serde(default)]
    pub(crate) ignore: Vec<Spanned<String>>,
    #[serde(default)]
    pub(crate) severity: BTreeMap<CodeName, Spanned<LevelName>>,
    #[serde(default)]
    pub(crate) exclude: Vec<Spanned<String>>,
    #[serde(default)]
    pub(crate) ignore_in: BTreeMap<String, Spanned<Vec<Spanned<String>>>>,
    #[serde(default)]
    pub(crate) types: BTreeMap<String, Spanned<OwnType>>,
    pub(crate) permissions: Option<Spanned<PathBuf>>,
    pub(crate) keys: Option<Spanned<PathBuf>>,
    pub(crate) policy: Option<Spanned<PathBuf>>,
    #[serde(default)]
    pub(crate) senders: BTreeMap<MessageKind, Spanned<Vec<Sender>>>,
    pub(crate) max_bytes: Option<Spanned<usize>>,
    pub(crate) max_depth: Option<Spanned<usize>>,
    pub(crate) max_keys: Option<Spanned<usize>>,
    pub(crate) max_findings: Option<Spanned<usize>>,
}

/// A file of settings that was read.
pub(crate) struct File {
    /// The file, as the user would name it.
    pub(crate) path: PathBuf,
    /// The folder that its paths are relative to, without symbolic links.
    pub(crate) folder: PathBuf,
    /// The folder that no path of the file may leave, without symbolic links.
    pub(crate) bound: PathBuf,
    pub(crate) text: String,
    pub(crate) contents: Contents,
}

/// What is wrong with a file of settings.
#[derive(Clone, Debug)]
pub(crate) struct ConfigError {
    /// One line, which begins with the path and the place.
    pub(crate) problem: String,
    /// The part of the file, with a mark; empty if the file cannot be read at all.
    pub(crate) drawn: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem)
    }
}

impl File {
    /// Reads a file of settings whose paths must stay in `bound`.
    pub(crate) fn read(path: &Path, bound: Option<&Path>) -> Result<File, ConfigError> {
        let unreadable = |error: io::Error| ConfigError {
            problem: format!("cannot read {}: {error}", crate::input::name(path)),
            drawn: String::new(),
        };
        let whole = fs::canonicalize(path).map_err(unreadable)?;
        // A link would show a line of whatever it leads to where something is wrong with it.
        if bound.is_some_and(|bound| !whole.starts_with(bound)) {
            return Err(unreadable(io::Error::other("it leads out of the repository")));
        }
        let mut text = String::new();
        let mut file = fs::File::open(&whole).map_err(unreadable)?;
        (&mut file).take(MAX_BYTES + 1).read_to_string(&mut text).map_err(unreadable)?;
        if text.len() as u64 > MAX_BYTES {
            return Err(unreadable(io::Error::other(format!("more than {MAX_BYTES} bytes"))));
        }
        let folder = whole.parent().unwrap_or(Path::new("/")).to_owned();
        let bound = match bound {
            Some(bound) => bound.to_owned(),
            None => repository(&folder).unwrap_or_else(|| folder.clone()),
        };
        let contents = toml::from_str(&text).map_err(|error| {
            let span = error.span().unwrap_or(0..0);
            complaint(path, &text, span, error.message().trim())
        })?;
        Ok(File { path: path.to_owned(), folder, bound, text, contents })
    }

    /// What is wrong at a place of the file.
    pub(crate) fn error(&self, span: Range<usize>, problem: impl fmt::Display) -> ConfigError {
        complaint(&self.path, &self.text, span, &problem.to_string())
    }

    /// The number of the line on which a place is, from 1.
    pub(crate) fn line(&self, at: usize) -> usize {
        show::place(&self.text, at).0
    }

    /// A code that the file names; `read` may refuse it.
    pub(crate) fn code(
        &self,
        name: &Spanned<String>,
        read: impl Fn(&str) -> Result<Code, String>,
    ) -> Result<Code, ConfigError> {
        read(name.get_ref()).map_err(|problem| self.error(name.span(), problem))
    }

    /// A path of the file: relative to it, and not outside of its repository.
    pub(crate) fn inside(&self, path: &Spanned<PathBuf>) -> Result<PathBuf, ConfigError> {
        let joined = self.folder.join(path.get_ref());
        let shown = crate::input::name(path.get_ref());
        let whole = fs::canonicalize(&joined).map_err(|error| {
            self.error(path.span(), format_args!("cannot read {shown}: {error}"))
        })?;
        if whole.starts_with(&self.bound) {
            Ok(whole)
        } else {
            let problem = "the path leads out of the repository; name such a file by an option";
            Err(self.error(path.span(), problem))
        }
    }
}

fn complaint(path: &Path, text: &str, span: Range<usize>, problem: &str) -> ConfigError {
    let name = crate::input::name(path);
    let problem = problem.replace('\n', "; ");
    let (line, column) = show::place(text, span.start);
    ConfigError {
        problem: format!("{name}:{line}:{column}: {problem}"),
        drawn: show::excerpt(text, span, line),
    }
}

/// The root of the repository that a folder is in: the nearest that has a `.git`.
pub(crate) fn repository(folder: &Path) -> Option<PathBuf> {
    folder.ancestors().find(|folder| folder.join(".git").exists()).map(Path::to_owned)
}

/// The file of settings that is nearest to a folder, and what its paths must not leave: no higher
/// than the root of the repository. Outside of a repository, no higher than the working folder, if
/// that is above, else the folder itself is the only one.
pub(crate) fn nearest(folder: &Path, working: &Path) -> Option<(PathBuf, PathBuf)> {
    let bound = match repository(folder) {
        Some(root) => root,
        None if folder.starts_with(working) => working.to_owned(),
        None => folder.to_owned(),
    };
    let within = folder.ancestors().take_while(|folder| folder.starts_with(&bound));
    let file = within.map(|folder| folder.join(NAME)).find(|path| path.is_file())?;
    Some((file, bound))
}
