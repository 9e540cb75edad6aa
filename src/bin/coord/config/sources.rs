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
pub(crate) struct Sources {
    options: Options,
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

impl Sources {
    pub(crate) fn new(options: &Options) -> Self {
        let working = std::env::current_dir().unwrap_or_default();
        let working = fs::canonicalize(&working).unwrap_or(working);
        Sources {
            options: options.clone(),
            working,
            folders: Mutex::default(),
            first: OnceLock::new(),
        }
    }

    /// The root of the repository that the working folder is in, or that folder.
    pub(crate) fn root(&self) -> PathBuf {
        repository(&self.working).unwrap_or_else(|| self.working.clone())
    }

    /// The settings for a path, and the path without symbolic links in its folder. For `-`, those of
    /// the working folder.
    pub(crate) fn of(&self, path: &Path) -> (Result<&InForce, ConfigError>, Place) {
        let is_folder = path.is_dir();
        let (settings, found) = self.within(if is_folder { path } else { folder_of(path) });
        let whole = match path.file_name() {
            Some(name) if !is_folder => found.whole.join(name),
            _ => found.whole,
        };
        (settings, Place { whole, root: found.root })
    }

    /// The settings that leave out a folder which is met on a walk, if any do: those for the folder that
    /// it is in. It is not entered then, so what a file of settings in it says does not matter.
    pub(crate) fn leaving_out(&self, folder: &Path) -> Option<&InForce> {
        let (settings, found) = self.within(folder_of(folder));
        let whole = found.whole.join(folder.file_name()?);
        settings.ok().filter(|settings| settings.excludes(&whole, true))
    }

    /// The settings for what is in a folder, which has to be one.
    fn within(&self, folder: &Path) -> (Result<&InForce, ConfigError>, Folder) {
        let mut folders = self.folders.lock().unwrap_or_else(PoisonError::into_inner);
        let found = if let Some(found) = folders.get(folder) {
            found.clone()
        } else {
            let found = self.look(folder);
            folders.insert(folder.to_owned(), found.clone());
            found
        };
        // What follows reads a file at most once each, and others wait for it meanwhile.
        let settings = self.settings(found.file.as_ref());
        drop(folders);
        (settings, found)
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

    fn settings(&self, file: Option<&(PathBuf, PathBuf)>) -> Result<&InForce, ConfigError> {
        let mut slot = &self.first;
        while let Some(node) = slot.get() {
            if node.file.as_ref() == file.map(|(path, _)| path) {
                return node.settings.as_ref().map_err(Clone::clone);
            }
            slot = &node.next;
        }
        let settings = match file {
            None => InForce::new(&self.options, None, &self.working),
            Some((path, bound)) => {
                let bound = (!bound.as_os_str().is_empty()).then_some(bound.as_path());
                let read = File::read(&self.shown(path), bound);
                read.and_then(|file| InForce::new(&self.options, Some(&file), &self.working))
            }
        };
        let node =
            Node { file: file.map(|(path, _)| path.clone()), settings, next: OnceLock::new() };
        // The lock on the folders is held, so no other thread has filled the slot meanwhile.
        let node = slot.get_or_init(|| Box::new(node));
        node.settings.as_ref().map_err(Clone::clone)
    }

    /// A path as the user would write it.
    fn shown(&self, path: &Path) -> PathBuf {
        path.strip_prefix(&self.working).unwrap_or(path).to_owned()
    }
}

/// The folder that a path is in.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
