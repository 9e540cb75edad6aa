//! Walking a folder: which of its files are checked, in the order of their paths.

use crate::input::Source;
use crate::output::{Failure, failure};
use coordination_protocol::scan::FileKind;
use ignore::overrides::{Override, OverrideBuilder};
use ignore::{DirEntry, WalkBuilder};
use std::ffi::OsStr;
use std::fs::{File, FileType};
use std::io::Read as _;
use std::num::NonZero;
use std::path::{Path, PathBuf};

/// Which files of a folder are checked.
#[derive(clap::Args)]
#[command(next_help_heading = "Folders")]
pub(crate) struct WalkArgs {
    /// Of a folder, check only files that match; `!GLOB` leaves files out. Later ones win, and they win
    /// over ignore rules.
    #[arg(long, short, value_name = "GLOB")]
    glob: Vec<String>,

    /// Check what `.gitignore`, `.ignore` and `.git/info/exclude` leave out, too.
    #[arg(long)]
    no_ignore: bool,

    /// Leave out hidden files and folders, such as `.claude` and `.github`.
    #[arg(long)]
    no_hidden: bool,

    /// How many files are read at once; as many as there are cores unless given.
    #[arg(long, value_name = "N")]
    threads: Option<NonZero<usize>>,
}

/// What is met on a walk.
pub(crate) enum Entry {
    /// A file to check; its name tells the kind, unless it is one that its content has to tell.
    File(PathBuf, Option<FileKind>),
    /// What is no file, and why it is passed over.
    Skipped(Source, &'static str),
    /// What could not be read, in a whole sentence.
    Unreadable(Source, String),
}

impl WalkArgs {
    pub(crate) fn threads(&self) -> NonZero<usize> {
        self.threads
            .or_else(|| std::thread::available_parallelism().ok())
            .unwrap_or(NonZero::<usize>::MIN)
    }

    /// Walks a folder, without the folders in it that `enters` refuses.
    ///
    /// # Errors
    /// A glob that cannot be read.
    pub(crate) fn walk(
        &self,
        folder: &Path,
        enters: impl Fn(&Path) -> bool + Send + Sync + 'static,
    ) -> Result<impl Iterator<Item = Entry> + Send, Failure> {
        let globs = self.globs(folder)?;
        let mut builder = WalkBuilder::new(folder);
        builder
            .hidden(self.no_hidden)
            .parents(!self.no_ignore)
            .ignore(!self.no_ignore)
            .git_ignore(!self.no_ignore)
            .git_exclude(!self.no_ignore)
            // What is checked depends on the folder and not on whose machine it lies on.
            .git_global(false)
            // A copy of a repository without its history has the same rules.
            .require_git(false)
            .follow_links(false)
            .overrides(globs.clone())
            .sort_by_file_name(OsStr::cmp)
            .filter_entry(move |entry| {
                let is_folder = entry.file_type().is_some_and(|kind| kind.is_dir());
                // What is named is entered.
                entry.depth() == 0
                    || entry.file_name() != ".git" && (!is_folder || enters(path_of(entry)))
            });
        let folder = folder.to_owned();
        Ok(builder.build().filter_map(move |entry| match entry {
            Ok(entry) => met(&entry, &globs),
            Err(error) => Some(unreadable(&folder, &error)),
        }))
    }

    /// The globs, which are read from the current folder and from the one that is walked alike.
    fn globs(&self, folder: &Path) -> Result<Override, Failure> {
        let here = std::env::current_dir().unwrap_or_default();
        let below = match folder.strip_prefix(&here) {
            Ok(below) => Some(below),
            Err(_) if folder.is_absolute() || folder.starts_with("..") => None,
            Err(_) => Some(folder.strip_prefix(".").unwrap_or(folder)),
        };
        let root = if below.is_some() { &here } else { folder };
        let prefix = below.and_then(Path::to_str).map(escaped).filter(|text| !text.is_empty());
        let mut globs = OverrideBuilder::new(root);
        for glob in &self.glob {
            let bad = |error| failure(format_args!("--glob {glob}: {error}"));
            globs.add(glob).map_err(bad)?;
            let (not, pattern) = match glob.strip_prefix('!') {
                Some(pattern) => ("!", pattern),
                None => ("", glob.as_str()),
            };
            // A slash that is not the last byte ties a glob to a folder: to either of them.
            if let Some(prefix) = &prefix
                && pattern.trim_end_matches('/').contains('/')
            {
                let pattern = pattern.trim_start_matches('/');
                globs.add(&format!("{not}/{prefix}/{pattern}")).map_err(bad)?;
            }
        }
        globs.build().map_err(|error| failure(format_args!("--glob: {error}")))
    }
}

/// A path as a glob that matches nothing else.
fn escaped(path: &str) -> String {
    let mut glob = String::with_capacity(path.len());
    for character in path.chars() {
        if "\\*?[]{}!".contains(character) {
            glob.push('\\');
        }
        glob.push(character);
    }
    glob
}

/// The path of an entry as it is told.
fn path_of(entry: &DirEntry) -> &Path {
    let path = entry.path();
    path.strip_prefix(".").unwrap_or(path)
}

/// What an entry of a folder is; `None` for what is not looked at.
fn met(entry: &DirEntry, globs: &Override) -> Option<Entry> {
    let path = path_of(entry);
    let kind = entry.file_type()?;
    if kind.is_dir() {
        return None;
    }
    if !kind.is_file() {
        return Some(Entry::Skipped(Source::new(path), special(kind)));
    }
    let kind = FileKind::from_path(path);
    let wanted = kind.is_some()
        || globs.matched(path, false).is_whitelist()
        || path.extension().is_none() && is_script(path);
    wanted.then(|| Entry::File(path.to_owned(), kind))
}

/// Whether a file says of itself that a shell runs it. One that cannot be read says nothing.
fn is_script(path: &Path) -> bool {
    let mut line = [0; 64];
    let Ok(count) = File::open(path).and_then(|mut file| file.read(&mut line)) else {
        return false;
    };
    let line = line[..count].split(|byte| *byte == b'\n').next().unwrap_or_default();
    std::str::from_utf8(line).ok().and_then(FileKind::from_shebang).is_some()
}

fn special(kind: FileType) -> &'static str {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt as _;
        if kind.is_fifo() {
            return "a named pipe";
        }
        if kind.is_socket() {
            return "a socket";
        }
        if kind.is_block_device() || kind.is_char_device() {
            return "a device";
        }
    }
    if kind.is_symlink() { "a symbolic link" } else { "no file" }
}

fn unreadable(folder: &Path, error: &ignore::Error) -> Entry {
    let source = Source::new(place(error).unwrap_or(folder));
    let problem = match error.io_error() {
        Some(error) => format!("cannot read {source}: {error}"),
        None => format!("cannot read {source}: {error}"),
    };
    Entry::Unreadable(source, problem)
}

/// The path that an error names.
fn place(error: &ignore::Error) -> Option<&Path> {
    match error {
        ignore::Error::WithPath { path, .. } => Some(path),
        ignore::Error::WithDepth { err, .. } | ignore::Error::WithLineNumber { err, .. } => {
            place(err)
        }
        _ => None,
    }
}
