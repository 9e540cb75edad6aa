//! Which file of the work tree is meant, and who leases it.

use crate::lease::Processes;
use coordination_protocol::adapter::sqlite::ProcessIdentity;
use coordination_protocol::coordination::resources::{Grant, Witness as _};
use coordination_protocol::path::PathPattern;
use coordination_protocol::scalar::Timestamp;
use std::path::{Component, Path, PathBuf};

/// The path of a file below the top of its work tree; none if it is outside of that.
pub(super) fn resolve(folder: &Path, path: &Path) -> Result<Option<PathPattern>, String> {
    let folder = folder
        .canonicalize()
        .map_err(|error| format!("the working folder `{}`: {error}", folder.display()))?;
    let file = behind_links(&folder.join(path))
        .ok_or_else(|| format!("`{}` cannot be followed", path.display()))?;
    let Ok(below) = file.strip_prefix(top(&folder)) else { return Ok(None) };
    let names: Option<Vec<&str>> = below.iter().map(|name| name.to_str()).collect();
    let text = names.ok_or_else(|| format!("`{}` is no text", path.display()))?.join("/");
    // The top itself is no file.
    if text.is_empty() {
        return Ok(None);
    }
    PathPattern::new(&text).map(Some).map_err(|error| error.to_string())
}

/// The path without symbolic links, as far as there is something; what is to be made follows.
fn behind_links(path: &Path) -> Option<PathBuf> {
    for above in path.ancestors() {
        let Ok(found) = above.canonicalize() else { continue };
        let mut whole = found;
        for part in path.strip_prefix(above).ok()?.components() {
            match part {
                Component::Normal(name) => whole.push(name),
                // Where nothing is there are no links.
                Component::ParentDir => drop(whole.pop()),
                _ => {}
            }
        }
        return Some(whole);
    }
    None
}

/// The top of the work tree, or the folder itself outside of any.
fn top(folder: &Path) -> PathBuf {
    let tops = folder.ancestors().find(|above| above.join(".git").exists());
    tops.unwrap_or(folder).to_owned()
}

/// The process by which the holder of a grant is tied, if it is one.
pub(super) fn process_of(grant: &Grant) -> Option<ProcessIdentity> {
    let id = &grant.holder.as_ref()?.id;
    id.rsplit_once('@').map_or(id.as_str(), |(_, process)| process).parse().ok()
}

/// Whether the process that a grant is tied to is gone.
pub(super) fn is_left(grant: &Grant) -> bool {
    process_of(grant).is_some_and(|process| !process.is_alive())
        || grant.holder.as_ref().is_some_and(|holder| Processes.is_gone(holder))
}

/// Whether a grant is that of the command this process runs in.
pub(super) fn is_around(grant: &Grant) -> bool {
    std::env::var("COORD_ALLOCATION").is_ok_and(|id| id == grant.allocation_id.as_str())
}

/// Whether a grant covers a part of a path.
pub(super) fn touches(grant: &Grant, path: &PathPattern) -> bool {
    grant.need.paths.iter().any(|lease| lease.path.overlaps(path))
}

/// Why a path may not be written.
pub(super) fn taken(path: &PathPattern, grant: &Grant) -> String {
    let id = &grant.allocation_id;
    let until = Timestamp::from(grant.end_wall);
    format!(
        "{path} is leased: {id} of {} holds it until {until} at the latest. Work on something else, or wait until it \
         is given back; `coord why {id}` tells who holds it.",
        grant.requester
    )
}

/// The processes above this one, the nearest first.
pub(super) fn above() -> Vec<(ProcessIdentity, String)> {
    let mut found = Vec::new();
    let mut pid = std::process::id();
    while let Some(parent) = parent(pid).filter(|parent| *parent > 1) {
        let name = std::fs::read_to_string(format!("/proc/{parent}/comm")).unwrap_or_default();
        let Some(process) = ProcessIdentity::of(parent) else { break };
        found.push((process, name.trim().to_owned()));
        pid = parent;
    }
    found
}

fn parent(pid: u32) -> Option<u32> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()
}
