//! Which settings are in force for which file: found once for a folder, worked out once for a file of
//! settings.

use super::file::{ConfigError, File, nearest, repository};
use super::in_force::InForce;
use super::options::Options;
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

/// All settings of a run.
pub(crate) struct Sources<'o> {
    options: &'o Options,
    /// The working folder, without symbolic links.
    working: PathBuf,
    folders: Mutex<HashMap<PathBuf, Folder>>,
    /// A list that only grows, so that what is in it can be lent for as long as the list lives.
    first: OnceLock<Box<Node>>,
}

/// A folder without symbolic links, and the file of settings for what is in it.
#[derive(Clone)]
struct Folder {
    whole: PathBuf,
    /// What paths are told from: the root of the repository, or the working folder.
    root: PathBuf,
    file: Option<(PathBuf, PathBuf)>,
}

/// Where a path is, whatever it was called.
pub(crate) struct Place {
    /// The path, its folder without symbolic links.
    pub(crate) whole: PathBuf,
    root: PathBuf,
}

impl Place {
    /// The path from the root of its repository, or the whole one if it is nowhere below.
    pub(crate) fn key(&self) -> &[u8] {
        let path = self.whole.strip_prefix(&self.root).unwrap_or(&self.whole);
        path.as_os_str().as_encoded_bytes()
    }
}

struct Node {
    file: Option<PathBuf>,
    settings: Result<InForce, ConfigError>,
    next: OnceLock<Box<Node>>,
}

impl<'o> Sources<'o> {
    pub(crate) fn new(options: &'o Options) -> Self {
        let working = std::env::current_dir().unwrap_or_default();
        let working = fs::canonicalize(&working).unwrap_or(working);
        Sources { options, working, folders: Mutex::default(), first: OnceLock::new() }
    }

    /// The root of the repository that the working folder is in, or that folder.
    pub(crate) fn root(&self) -> PathBuf {
        repository(&self.working).unwrap_or_else(|| self.working.clone())
    }

    /// The settings for a path, and the path without symbolic links in its folder. For `-`, those of
    /// the working folder.
    pub(crate) fn of(&self, path: &Path) -> (Result<&InForce, ConfigError>, Place) {
        let folder = match path.parent() {
            _ if path.is_dir() => path,
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let mut folders = self.folders.lock().unwrap_or_else(PoisonError::into_inner);
        let found = if let Some(found) = folders.get(folder) {
            found.clone()
        } else {
            let found = self.look(folder);
            folders.insert(folder.to_owned(), found.clone());
            found
        };
        // What follows reads a file at most once each, and others wait for it meanwhile.
        let settings = self.settings(found.file);
        drop(folders);
        let whole = match path.file_name() {
            Some(name) if !path.is_dir() => found.whole.join(name),
            _ => found.whole,
        };
        (settings, Place { whole, root: found.root })
    }

    fn look(&self, folder: &Path) -> Folder {
        let whole = fs::canonicalize(folder).unwrap_or_else(|_| self.working.join(folder));
        let settings = &self.options.settings;
        let file = match &settings.config {
            _ if settings.no_config => None,
            Some(path) => Some((path.clone(), PathBuf::new())),
            None => nearest(&whole, &self.working),
        };
        let root = repository(&whole).unwrap_or_else(|| self.working.clone());
        Folder { whole, root, file }
    }

    fn settings(&self, file: Option<(PathBuf, PathBuf)>) -> Result<&InForce, ConfigError> {
        let mut slot = &self.first;
        while let Some(node) = slot.get() {
            if node.file.as_deref() == file.as_ref().map(|(path, _)| path.as_path()) {
                return node.settings.as_ref().map_err(Clone::clone);
            }
            slot = &node.next;
        }
        let settings = match &file {
            None => InForce::new(self.options, None, &self.working),
            Some((path, bound)) => {
                let bound = (!bound.as_os_str().is_empty()).then_some(bound.as_path());
                let read = File::read(&self.shown(path), bound);
                read.and_then(|file| InForce::new(self.options, Some(&file), &self.working))
            }
        };
        let node = Node { file: file.map(|(path, _)| path), settings, next: OnceLock::new() };
        // The lock on the folders is held, so no other thread has filled the slot meanwhile.
        let node = slot.get_or_init(|| Box::new(node));
        node.settings.as_ref().map_err(Clone::clone)
    }

    /// A path as the user would write it.
    fn shown(&self, path: &Path) -> PathBuf {
        path.strip_prefix(&self.working).unwrap_or(path).to_owned()
    }
}
