//! Leases: which files a grant holds, how, and when.

use crate::message::{AllocationRequest, AllocationResponse, Envelope};
use crate::scalar::{AllocationStatus, Timestamp, Window};
use std::collections::HashSet;

/// How many files of one grant are compared with those of others.
const MAX_FILES: usize = 1024;

const MINUTES_PER_DAY: usize = 24 * 60;
/// The same for times, which may lie before 1970.
#[allow(clippy::cast_possible_wrap, reason = "a day has few minutes")]
const DAY: i64 = MINUTES_PER_DAY as i64;
const MILLIS_PER_MINUTE: i64 = 60_000;
const WORDS: usize = MINUTES_PER_DAY.div_ceil(64);

/// Whether a file is held alone or with others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// No other may touch it meanwhile.
    Exclusive,
    /// Others may hold it so, too.
    Shared,
}

/// A file of a grant.
#[derive(Clone, Copy, Debug)]
pub(super) struct LeasedFile<'a> {
    /// Its place in `exclusive_files`; `None` if it is shared, as only the request names it then.
    pub(super) index: Option<usize>,
    pub(super) spelling: &'a str,
}

impl LeasedFile<'_> {
    pub(super) const fn access(&self) -> Access {
        if self.index.is_some() { Access::Exclusive } else { Access::Shared }
    }
}

pub(super) fn grants(answer: &AllocationResponse) -> bool {
    matches!(answer.status, AllocationStatus::Approved | AllocationStatus::Partial)
}

/// The files that an answer grants. A partial one that leaves out a file of a request which accepts shared
/// ones gives it to be shared.
pub(super) fn files<'a>(
    answer: &'a AllocationResponse,
    request: Option<&'a AllocationRequest>,
) -> Vec<LeasedFile<'a>> {
    let resources = answer.allocated_resources.as_ref();
    let given = resources.and_then(|resources| resources.exclusive_files.as_deref());
    let given = given.unwrap_or_default();
    let accepts = |request: &&AllocationRequest| {
        let fallback = request.fallback_options.as_ref();
        answer.status == AllocationStatus::Partial
            && fallback.and_then(|fallback| fallback.accept_shared_resources) == Some(true)
    };
    let asked = request
        .filter(accepts)
        .and_then(|request| request.resources.as_ref()?.exclusive_files.as_ref());
    let own: HashSet<String> = given.iter().take(MAX_FILES).map(|file| normal(file)).collect();
    let alone = given
        .iter()
        .enumerate()
        .map(|(index, file)| LeasedFile { index: Some(index), spelling: file });
    let shared = asked
        .into_iter()
        .flatten()
        .filter(|file| !own.contains(&normal(file)))
        .map(|file| LeasedFile { index: None, spelling: file });
    alone.chain(shared).take(MAX_FILES).collect()
}

/// The path below the root with `/` at its end. A folder, `*` and `**` cover what lies below.
pub(super) fn normal(path: &str) -> String {
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

/// When the files of a grant are held. Times are in milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Debug, Default)]
pub(super) struct Period {
    /// `None` if it is not known.
    from: Option<i64>,
    /// When it ends by itself; `None` if it does not, or if that is not known.
    until: Option<i64>,
    /// The daily windows of the files that are held alone; `None` for the whole day.
    hours: Option<Box<Hours>>,
}

impl Period {
    /// The period of an answer, which begins when it is given, and ends after its hours or, where it
    /// names none, when it is released by the clock.
    pub(super) fn of(envelope: &Envelope, answer: &AllocationResponse) -> Self {
        let from = answer.timestamp.as_ref().or(envelope.header.timestamp.as_ref());
        let from = from.and_then(Timestamp::unix_millis);
        let restrictions = answer.restrictions.as_ref();
        let hours = answer.allocated_resources.as_ref().and_then(|r| r.duration_hours.as_ref());
        #[allow(clippy::cast_possible_truncation, reason = "a grant of endless hours never ends")]
        let stated = hours.map(|hours| hours.value().map(|hours| (hours * 3_600_000.0) as i64));
        let lasts = stated.unwrap_or_else(|| {
            let span = restrictions?.auto_release_timeout.as_ref()?.value()?;
            Some(i64::try_from(span.as_millis()).unwrap_or(i64::MAX))
        });
        let windows = restrictions.and_then(|r| r.exclusive_access_windows.as_deref());
        Period {
            from,
            until: from.zip(lasts).map(|(from, lasts)| from.saturating_add(lasts)),
            hours: windows.and_then(Hours::of).map(Box::new),
        }
    }

    /// Whether a file is held in this period, which began first, and in a later one at once.
    pub(super) fn meets(&self, access: Access, later: &Period, later_access: Access) -> bool {
        // Where the present is not known, what was to end may have ended.
        if self.until.is_some() && later.from.is_none() {
            return false;
        }
        let from = self.from.max(later.from);
        let until = match (self.until, later.until) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        if from.zip(until).is_some_and(|(from, until)| until <= from) {
            return false;
        }
        // Windows are about the exclusive files. What is shared may be touched at any time.
        let hours = |period: &Period, access| match access {
            Access::Exclusive => period.hours.as_deref().copied().unwrap_or(Hours::ALL),
            Access::Shared => Hours::ALL,
        };
        hours(self, access).and(hours(later, later_access)).any_between(from, until)
    }
}

/// Minutes of the day in UTC, a bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Hours([u64; WORDS]);

impl Hours {
    const ALL: Hours = Hours([u64::MAX; WORDS]);

    /// The minutes that lie in one of the windows; `None` if there is none, or if one cannot be read.
    fn of(windows: &[Window]) -> Option<Hours> {
        if windows.is_empty() {
            return None;
        }
        let mut hours = Hours([0; WORDS]);
        for window in windows {
            let (start, end) = (usize::from(window.start()?), usize::from(window.end()?));
            if start < end {
                hours.fill(start, end);
            } else {
                hours.fill(start, MINUTES_PER_DAY);
                hours.fill(0, end);
            }
        }
        Some(hours)
    }

    /// The words of the minutes from `start` to before `end`, with those minutes as bits.
    fn words(start: usize, end: usize) -> impl Iterator<Item = (usize, u64)> {
        (start / 64..end.div_ceil(64)).map(move |word| {
            let first = start.saturating_sub(word * 64);
            let behind = (end - word * 64).min(64);
            (word, (u64::MAX << first) & (u64::MAX >> (64 - behind)))
        })
    }

    fn fill(&mut self, start: usize, end: usize) {
        for (word, bits) in Hours::words(start, end) {
            self.0[word] |= bits;
        }
    }

    fn and(self, other: Hours) -> Hours {
        Hours(std::array::from_fn(|word| self.0[word] & other.0[word]))
    }

    fn any(&self, start: usize, end: usize) -> bool {
        Hours::words(start, end).any(|(word, bits)| self.0[word] & bits != 0)
    }

    /// Whether one of the minutes comes from one moment to before another. If one of them is not known,
    /// every minute of the day comes.
    fn any_between(&self, from: Option<i64>, until: Option<i64>) -> bool {
        let minute = |at: i64| at.div_euclid(MILLIS_PER_MINUTE);
        let of_day = |minute: i64| usize::try_from(minute.rem_euclid(DAY)).unwrap_or_default();
        match from.zip(until) {
            Some((from, until)) if minute(until - 1) - minute(from) < DAY - 1 => {
                let (first, last) = (of_day(minute(from)), of_day(minute(until - 1)));
                if first <= last {
                    self.any(first, last + 1)
                } else {
                    self.any(first, MINUTES_PER_DAY) || self.any(0, last + 1)
                }
            }
            _ => self.any(0, MINUTES_PER_DAY),
        }
    }
}
