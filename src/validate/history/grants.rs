//! Grants: who holds what, and whether it has ended.

use super::bounded::Bounded;
use super::lease::{Access, Period, files, grants, normal};
use crate::json::Json;
use crate::message::{AllocationRequest, AllocationResponse, Envelope};
use crate::scalar::{ComponentId, Fence, MessageId, RequestId};
use std::collections::BTreeMap;

/// How many grants below a folder are looked at to find one that still runs.
const MAX_PROBES: usize = 64;

/// A grant as far as it was seen.
#[derive(Clone, Debug, Default)]
struct Grant {
    /// Whether its answer was seen, and not only that there is one.
    answered: bool,
    holder: Option<ComponentId>,
    period: Period,
    files: Vec<String>,
    fence: Option<Fence>,
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
    Held { fence: Option<Fence> },
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
    /// Who holds a file, and how, by its path. Each path ends in `/`, so that one path is the
    /// beginning of another exactly if it covers it.
    files: BTreeMap<String, BTreeMap<String, Access>>,
}

/// A file or folder that two grants hold, one of them alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::validate) struct HeldTwice {
    /// Its place in `exclusive_files`; `None` if it is granted to be shared.
    pub(in crate::validate) index: Option<usize>,
    /// Its path as it is written.
    pub(in crate::validate) file: String,
    /// The other grant.
    pub(in crate::validate) allocation: String,
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

    pub(super) fn granted(
        &mut self,
        envelope: &Envelope,
        answer: &AllocationResponse,
        request: Option<&AllocationRequest>,
        asker: Option<&ComponentId>,
    ) {
        let Some(allocation) = answer.allocation_id().filter(|_| grants(answer)) else { return };
        // A repeated answer tells nothing new, least of all that a grant has begun again. An event may
        // have told of the grant before, which did not say what of.
        let known = self.known.get(allocation.as_str());
        if known.is_some_and(|known| known.answered || known.ended.is_some()) {
            return;
        }
        let mut held = Vec::new();
        for file in files(answer, request) {
            let path = normal(file.spelling);
            let holders = self.files.entry(path.clone()).or_default();
            // Those that are held alone come first, and the same path is not shared, too.
            holders.entry(allocation.to_string()).or_insert(file.access());
            held.push(path);
        }
        let grant = Grant {
            answered: true,
            holder: asker.cloned(),
            period: Period::of(envelope, answer),
            files: held,
            fence: fence_of(answer),
            ended: None,
        };
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
                None => holders.retain(|holder, _| self.known.get(holder).is_some()),
            }
            if holders.is_empty() {
                self.files.remove(path);
            }
        }
    }

    /// The first file of a grant that another grant holds at the same time, one of both alone.
    pub(in crate::validate) fn conflict(
        &self,
        envelope: &Envelope,
        answer: &AllocationResponse,
        request: Option<&AllocationRequest>,
    ) -> Option<HeldTwice> {
        let own = answer.allocation_id().filter(|_| grants(answer))?;
        let period = Period::of(envelope, answer);
        for file in files(answer, request) {
            let access = file.access();
            let disturbs = |allocation: &str, held: Access| {
                allocation != own.as_str()
                    && (held, access) != (Access::Shared, Access::Shared)
                    && self.known.get(allocation).is_some_and(|grant| {
                        grant.ended.is_none() && grant.period.meets(held, &period, access)
                    })
            };
            let path = normal(file.spelling);
            let above = std::iter::once(0).chain(path.match_indices('/').map(|(at, _)| at + 1));
            let above = above
                .filter(|end| *end < path.len())
                .filter_map(|end| self.files.get(&path[..end]));
            let below =
                self.files.range(path.clone()..).take_while(|(held, _)| held.starts_with(&path));
            let holders = above.chain(below.map(|(_, holders)| holders)).take(MAX_PROBES).flatten();
            let mut probed = holders.take(MAX_PROBES);
            if let Some((allocation, _)) = probed.find(|(name, held)| disturbs(name, **held)) {
                return Some(HeldTwice {
                    index: file.index,
                    file: file.spelling.to_owned(),
                    allocation: allocation.clone(),
                });
            }
        }
        None
    }
}

/// The token of a grant, which later grants of the same count up.
fn fence_of(answer: &AllocationResponse) -> Option<Fence> {
    token(answer.allocated_resources.as_ref()?.fence.as_ref()?)
}

/// A fencing token, whether it is a text or a number.
pub(in crate::validate) fn token(fence: &Json) -> Option<Fence> {
    fence.to_text().map_or_else(|| fence.as_str().parse().ok(), |text| text.parse().ok())
}
