//! Queue groups: one member of a group receives each event.

use super::hash;
use super::tokens::{ANY, Tokens};
use super::trie::Hit;

/// Which member of a queue group receives an event.
///
/// Both choices go by what the table holds and by what the caller gives, so the same calls give
/// the same receivers.
#[doc(alias = "queue group")]
#[doc(alias = "consumer group")]
#[doc(alias = "load balancing")]
#[doc(alias = "rendezvous hashing")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GroupChoice<'k> {
    /// The member that was chosen longest ago, and of members never chosen the oldest. Members
    /// that match the same events take turns.
    Rotate,
    /// The member that a key falls to: as long as the same members match, equal keys go to the
    /// same member, such as all events of one task. Keys spread evenly, and when a member leaves,
    /// only its keys move.
    Key(&'k str),
}

/// What a group remembers while one event is handed out.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Contest {
    /// The event.
    round: u64,
    /// Where the best member so far stands among the matches.
    best: usize,
    score: u64,
}

/// Leaves of each group the member that receives the event. `served` holds the round in which a
/// subscription was chosen last, by slot.
pub(super) fn choose(
    hits: &mut Vec<Hit>,
    choice: GroupChoice<'_>,
    round: u64,
    groups: &mut Tokens<Contest>,
    served: &mut [u64],
) {
    let key = match choice {
        // Rotation looks at no key, so none is hashed.
        GroupChoice::Rotate => 0,
        GroupChoice::Key(key) => hash::text(0, key),
    };
    for (at, hit) in hits.iter().enumerate().filter(|(_, hit)| hit.group != ANY) {
        // Rendezvous hashing: every member scores the key and the highest wins. No ring has to be
        // kept, and when a member leaves, only the keys that it had won move.
        let score = match choice {
            GroupChoice::Rotate => u64::MAX - served[hit.slot as usize],
            GroupChoice::Key(_) => hash::score(key, hit.number),
        };
        let contest = groups.own_mut(hit.group);
        // Strictly higher: of equal members the first one met wins, and hits come oldest first, so
        // the choice does not depend on where things stand in memory. The round tells an old
        // contest from this one without clearing all groups for every event.
        if contest.round != round || contest.score < score {
            *contest = Contest { round, best: at, score };
        }
    }
    let mut at = 0;
    hits.retain(|hit| {
        let here = at;
        at += 1;
        let chosen = hit.group == ANY || groups.own(hit.group).best == here;
        if chosen {
            // Noted for members of groups and for others alike; asking would cost more than the
            // write.
            served[hit.slot as usize] = round;
        }
        chosen
    });
}
