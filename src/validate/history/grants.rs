//! Grants: who holds what, and whether it has ended.

use super::bounded::Bounded;
use crate::message::{AllocationResponse, Envelope};
use crate::scalar::{AllocationStatus, ComponentId, MessageId, RequestId, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// How many files of one grant are compared with those of others.
const MAX_FILES: usize = 1024;

/// How many grants below a folder are looked at to find one that still runs.
const MAX_PROBES: usize = 64;

/// A grant as far as it was seen.
#[derive(Clone, Debug, Default)]
struct Grant {
    holder: Option<ComponentId>,
    /// When it ends by itself, in milliseconds since 1970-01-01T00:00:00Z.
    until: Option<i64>,
    files: Vec<String>,
    fence: Option<u64>,
    ended: Option<End>,
}

/// What ended a grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::validate) enum End {
    /// Its holder gave it back, by a message of this identifier.
    Released(Option<String>),
    /// An event told that it ended; the number tells it from others.
    Told(u64),
}

/// What is known of a grant that is given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::validate) enum GrantStatus {
    Unknown,
    Held { fence: Option<u64> },
    Ended,
}

/// The identifier by which a release is known that is sent again.
pub(in crate::validate) fn release_id(envelope: &Envelope) -> Option<&str> {
    let header = &envelope.header;
    let request = header.request_id.as_ref().map(RequestId::as_str);
    request.or(header.message_id.as_ref().map(MessageId::as_str))
}

/// Grants by allocation.
#[derive(Clone, Debug)]
pub(in crate::validate) struct Grants {
    known: Bounded<Grant>,
    /// Who holds a file exclusively, by its path. Each path ends in `/`, so that one path is the
    /// beginning of another exactly if it covers it.
    files: BTreeMap<String, BTreeSet<String>>,
}

/// A file or folder that two grants hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::validate) struct SharedFile {
    /// Its place in `exclusive_files`.
    pub(in crate::validate) index: usize,
    /// The other grant.
    pub(in crate::validate) allocation: String,
}

/// The path below the root with `/` at its end. A folder, `*` and `**` cover what lies below.
pub(in crate::validate) fn normal(path: &str) -> String {
    let mut normal = String::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            // What is chosen below is not known, so all of it may be.
            "*" | "**" => break,
            ".." => {
                let kept = normal.trim_end_matches('/').rfind('/').map_or(0, |at| at + 1);
                normal.truncate(kept);
            }
            segment => {
                normal.push_str(segment);
                normal.push('/');
            }
        }
    }
    normal
}

fn grants(answer: &AllocationResponse) -> bool {
    matches!(answer.status, AllocationStatus::Approved | AllocationStatus::Partial)
}

fn files(answer: &AllocationResponse) -> impl Iterator<Item = &String> {
    let resources = answer.allocated_resources.as_ref();
    resources
        .and_then(|resources| resources.exclusive_files.as_ref())
        .into_iter()
        .flatten()
        .take(MAX_FILES)
}

/// When a grant ends by itself: after its hours, and not before its release by the clock.
fn until(answer: &AllocationResponse) -> Option<i64> {
    let hours = answer.allocated_resources.as_ref()?.duration_hours.as_ref()?.value()?;
    let granted = answer.timestamp.as_ref()?.unix_millis()?;
    #[allow(clippy::cast_possible_truncation, reason = "a grant of endless hours never ends")]
    Some(granted.saturating_add((hours * 3_600_000.0) as i64))
}

impl Grants {
    pub(super) fn new(most: usize) -> Self {
        Grants { known: Bounded::new(most), files: BTreeMap::new() }
    }

    /// The component to which a grant was made.
    pub(super) fn holder(&self, allocation: &str) -> Option<&ComponentId> {
        self.known.get(allocation)?.holder.as_ref()
    }

    /// What a grant is to who would end it by `end`. What only repeats its end, or tells of it, is
    /// no second one.
    pub(in crate::validate) fn status(&self, allocation: &str, end: &End) -> GrantStatus {
        let Some(grant) = self.known.get(allocation) else { return GrantStatus::Unknown };
        let repeats = |before: &End| match (before, end) {
            (End::Released(Some(before)), End::Released(Some(again))) => before == again,
            (End::Released(_), End::Told(_)) => true,
            (End::Told(before), End::Told(again)) => before == again,
            (_, End::Released(_)) => false,
        };
        match &grant.ended {
            Some(before) if !repeats(before) => GrantStatus::Ended,
            _ => GrantStatus::Held { fence: grant.fence },
        }
    }

    pub(super) fn granted(&mut self, answer: &AllocationResponse, asker: Option<&ComponentId>) {
        let Some(allocation) = answer.allocation_id().filter(|_| grants(answer)) else { return };
        // A repeated answer tells nothing new, least of all that a grant has begun again.
        if self.known.get(allocation.as_str()).is_some() {
            return;
        }
        let grant = Grant {
            holder: asker.cloned(),
            until: until(answer),
            files: files(answer).map(|path| normal(path)).collect(),
            fence: fence_of(answer),
            ended: None,
        };
        for path in &grant.files {
            self.files.entry(path.clone()).or_default().insert(allocation.to_string());
        }
        let dropped = self.known.insert(allocation.as_str(), grant);
        // The oldest made room, and its name is not told: what points to no grant is cleared as it is met.
        if let Some(dropped) = dropped {
            self.forget(&dropped.files, None);
        }
    }

    /// A grant was made, as an event tells that does not say what.
    pub(super) fn mentioned(&mut self, allocation: &str) {
        if self.known.get(allocation).is_none()
            && let Some(dropped) = self.known.insert(allocation, Grant::default())
        {
            self.forget(&dropped.files, None);
        }
    }

    pub(super) fn ended(&mut self, allocation: &str, end: End) {
        let Some(grant) = self.known.entry(allocation) else { return };
        grant.ended = Some(end);
        let files = std::mem::take(&mut grant.files);
        self.forget(&files, Some(allocation));
    }

    /// Takes a grant, or whatever is known no longer, off its files.
    fn forget(&mut self, files: &[String], allocation: Option<&str>) {
        for path in files {
            let Some(holders) = self.files.get_mut(path) else { continue };
            match allocation {
                Some(allocation) => {
                    holders.remove(allocation);
                }
                None => holders.retain(|holder| self.known.get(holder).is_some()),
            }
            if holders.is_empty() {
                self.files.remove(path);
            }
        }
    }

    /// The first file of a grant that another grant holds which has not ended.
    pub(in crate::validate) fn conflict(
        &self,
        envelope: &Envelope,
        answer: &AllocationResponse,
    ) -> Option<SharedFile> {
        let own = answer.allocation_id().filter(|_| grants(answer))?;
        let at = answer.timestamp.as_ref().or(envelope.header.timestamp.as_ref());
        let at = at.and_then(Timestamp::unix_millis);
        let runs = |allocation: &String| {
            allocation != own.as_str()
                && self.known.get(allocation).is_some_and(|grant| {
                    // Where one of the times is not known, one that was to end may have ended.
                    let over = grant.until.is_some_and(|until| at.is_none_or(|at| until <= at));
                    grant.ended.is_none() && !over
                })
        };
        for (index, path) in files(answer).enumerate() {
            let path = normal(path);
            let above = std::iter::once(0).chain(path.match_indices('/').map(|(at, _)| at + 1));
            let above = above
                .filter(|end| *end < path.len())
                .filter_map(|end| self.files.get(&path[..end]));
            let below =
                self.files.range(path.clone()..).take_while(|(held, _)| held.starts_with(&path));
            let holders = above.chain(below.map(|(_, holders)| holders)).take(MAX_PROBES).flatten();
            if let Some(allocation) = holders.take(MAX_PROBES).find(|holder| runs(holder)) {
                return Some(SharedFile { index, allocation: allocation.clone() });
            }
        }
        None
    }
}

/// The token of a grant, which later grants of the same count up.
fn fence_of(answer: &AllocationResponse) -> Option<u64> {
    let fence = answer.allocated_resources.as_ref()?.extra().get("fence")?;
    fence.as_str().parse().ok()
}
