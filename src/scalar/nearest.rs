//! The known word that a wrong one was meant to be: by spelling, or by meaning the same.

use super::synonyms::{are_synonyms, is_word};

/// Longer words are not compared, which bounds the work for hostile input.
const MAX_CHARS: usize = 64;

/// The known name that `word` is most likely meant to be; never one of another meaning.
///
/// A name is compared word by word; case and separators (`_`, `-`, `.`, blanks, capitals inside) count
/// for nothing. What both begin and end with aside, the rests must be
///
/// 1. the same, or
/// 2. known to be used for one another, such as `started` and `initiated`, or
/// 3. alike in spelling, if the wrong one is no word itself: `complted` may be `completed`, but
///    `started` is not meant to be `startup`, and `allocated` no misspelt `deallocated`. The measure is the
///    optimal string alignment distance, in which a missing, extra, wrong or swapped character counts one:
///    one, or two in rests of six characters and more.
///
/// In this order, then by distance; of equals the first wins. An empty word, or one longer than 64
/// characters, has no nearest name. Names longer than that are passed over.
///
/// ```
/// use coordination_protocol::scalar::nearest;
///
/// assert_eq!(nearest("hihg", ["critical", "high", "low"]), Some("high"));
/// assert_eq!(nearest("banana", ["critical", "high", "low"]), None);
/// let types = ["RESOURCE_ALLOCATED", "RESOURCE_DEALLOCATED", "RECOVERY_INITIATED"];
/// assert_eq!(nearest("resource.released", types), Some("RESOURCE_DEALLOCATED"));
/// assert_eq!(nearest("RecoveryStarted", types), Some("RECOVERY_INITIATED"));
/// assert_eq!(nearest("RESOURCE_RELOCATED", types), None);
/// ```
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.is_empty() || word.chars().nth(MAX_CHARS).is_some() {
        return None;
    }
    let words = split(word);
    let known: Vec<(&str, Vec<String>)> = known
        .into_iter()
        .filter(|name| name.chars().nth(MAX_CHARS).is_none())
        .map(|name| (name, split(name)))
        .collect();
    let meant = |rest: &str| {
        is_word(rest) || known.iter().any(|(_, words)| words.iter().any(|known| known == rest))
    };
    let mut best: Option<(usize, &str)> = None;
    for (name, candidate) in &known {
        let Some(rank) = rank(&words, candidate, &meant) else { continue };
        if best.is_none_or(|(least, _)| rank < least) {
            best = Some((rank, name));
        }
    }
    best.map(|(_, name)| name)
}

/// How far a candidate is from what was written: 0 the same words, 1 a synonym, above that the distance
/// and one; `None` if it is something else.
fn rank(written: &[String], candidate: &[String], meant: &impl Fn(&str) -> bool) -> Option<usize> {
    if written.concat() == candidate.concat() {
        return Some(0);
    }
    let (whole_written, whole_candidate) = (written.concat(), candidate.concat());
    if are_synonyms(&whole_written, &whole_candidate) {
        return Some(1);
    }
    let same = |pair: &(&String, &String)| pair.0 == pair.1;
    let front = written.iter().zip(candidate).take_while(same).count();
    let (written, candidate) = (&written[front..], &candidate[front..]);
    let back = written.iter().rev().zip(candidate.iter().rev()).take_while(same).count();
    let written = &written[..written.len() - back];
    let candidate = &candidate[..candidate.len() - back];
    // A word more or less is another name.
    if written.is_empty() || candidate.is_empty() || written.len() > 1 && candidate.len() > 1 {
        return None;
    }
    let (written, candidate) = (written.concat(), candidate.concat());
    if are_synonyms(&written, &candidate) {
        return Some(1);
    }
    // `unassigned` is a word because `assigned` is one.
    let turned = FRONT.iter().any(|front| written.strip_prefix(front).is_some_and(meant));
    if turned || meant(&written) || is_opposite(&written, &candidate) {
        return None;
    }
    let (ours, theirs) = (Chars::new(&written)?, Chars::new(&candidate)?);
    let most = if ours.length.min(theirs.length) < 6 { 1 } else { 2 };
    if ours.length.abs_diff(theirs.length) > most || ours.length < 2 {
        return None;
    }
    let distance = distance(ours.as_slice(), theirs.as_slice());
    (distance <= most).then_some(distance + 1)
}

/// Syllables that make another word of a word.
const FRONT: [&str; 9] = ["un", "de", "dis", "non", "re", "in", "im", "mis", "pre"];

/// Whether a syllable in front turns one word into the other.
fn is_opposite(one: &str, other: &str) -> bool {
    let turned = |long: &str, short: &str| {
        FRONT.iter().any(|front| long.strip_prefix(front).is_some_and(|rest| rest == short))
    };
    turned(one, other) || turned(other, one)
}

/// The words of a name, in lower case.
fn split(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let (mut inside, mut lower) = (false, false);
    for character in name.chars() {
        if !character.is_alphanumeric() {
            inside = false;
            continue;
        }
        if !inside || lower && character.is_uppercase() {
            words.push(String::new());
        }
        (inside, lower) = (true, character.is_lowercase());
        if let Some(word) = words.last_mut() {
            word.extend(character.to_lowercase());
        }
    }
    words
}

/// The one known word that is at most `most` away from `word`, measured as by [`nearest`]; none if
/// several are.
pub(crate) fn nearest_within<'a>(
    word: &str,
    known: impl IntoIterator<Item = &'a str>,
    most: usize,
) -> Option<&'a str> {
    let word = Chars::new(word).filter(|word| word.length > most)?;
    let mut near = known.into_iter().filter(|candidate| {
        Chars::new(candidate).is_some_and(|chars| {
            chars.length.abs_diff(word.length) <= most
                && distance(word.as_slice(), chars.as_slice()) <= most
        })
    });
    near.next().filter(|_| near.next().is_none())
}

/// Characters of a short word, on the stack.
struct Chars {
    chars: [char; MAX_CHARS],
    length: usize,
}

impl Chars {
    fn new(text: &str) -> Option<Self> {
        let mut word = Self { chars: ['\0'; MAX_CHARS], length: 0 };
        for char in text.chars() {
            *word.chars.get_mut(word.length)? = char;
            word.length += 1;
        }
        Some(word)
    }

    fn as_slice(&self) -> &[char] {
        &self.chars[..self.length]
    }
}

fn distance(left: &[char], right: &[char]) -> usize {
    // Row `i` holds the distances between the first `i` characters of `left` and every prefix
    // of `right`. A swap looks two rows back.
    let mut above = [0; MAX_CHARS + 1];
    let mut row: [usize; MAX_CHARS + 1] = core::array::from_fn(|column| column);
    for (i, a) in left.iter().enumerate() {
        let before = above;
        above = row;
        row[0] = i + 1;
        for (j, b) in right.iter().enumerate() {
            let changed = above[j] + usize::from(a != b);
            let mut least = changed.min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *a == right[j - 1] && left[i - 1] == *b {
                least = least.min(before[j - 1] + 1);
            }
            row[j + 1] = least;
        }
    }
    row[right.len()]
}
