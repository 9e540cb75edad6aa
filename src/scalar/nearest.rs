//! The known word closest to a misspelled one.

/// Longer words are not compared, which bounds the work for hostile input.
const MAX_CHARS: usize = 64;

/// The known word that `word` is most likely meant to be.
///
/// The measure is the optimal string alignment distance: a missing, extra, wrong or swapped
/// character counts one. ASCII letters compare without case. A candidate is close enough if the
/// distance is at most a third of the word's length in characters, but one for short words. On a
/// tie the first candidate wins.
///
/// An empty word, or one longer than 64 characters, has no nearest word. Candidates longer than
/// 64 characters are passed over.
///
/// ```
/// use coordination_protocol::scalar::nearest;
///
/// assert_eq!(nearest("hihg", ["critical", "high", "low"]), Some("high"));
/// assert_eq!(nearest("banana", ["critical", "high", "low"]), None);
/// ```
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = Chars::new(word).filter(|word| word.length > 0)?;
    let threshold = word.length.max(3) / 3;
    let mut best = None;
    let mut best_distance = threshold + 1;
    for candidate in known {
        let Some(chars) = Chars::new(candidate) else { continue };
        // The distance is at least the difference of the lengths.
        if chars.length.abs_diff(word.length) >= best_distance {
            continue;
        }
        let distance = distance(word.as_slice(), chars.as_slice());
        if distance < best_distance {
            best = Some(candidate);
            best_distance = distance;
        }
    }
    best
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
            *word.chars.get_mut(word.length)? = char.to_ascii_lowercase();
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
