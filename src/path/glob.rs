//! Whether what two patterns stand for meets.

/// Whether a row of segments can be chosen that lies at or below what each pattern fits.
///
/// The cells of a table say whether the rest of one pattern from segment i meets the rest of the other from
/// segment j, so it costs the product of the lengths, whatever the wildcards.
pub(super) fn meet(left: &[&str], right: &[&str]) -> bool {
    // Behind the end of a pattern comes anything: it covers what lies below.
    let mut below = vec![true; right.len() + 1];
    for &segment in left.iter().rev() {
        let mut row = vec![true; right.len() + 1];
        for (at, &other) in right.iter().enumerate().rev() {
            row[at] = match (segment, other) {
                // It stands for nothing more, or for one more segment of the other.
                ("**", _) | (_, "**") => below[at] || row[at + 1],
                _ => below[at + 1] && segments_meet(segment, other),
            };
        }
        below = row;
    }
    below[0]
}

/// Whether the pattern fits the path or one above it.
pub(super) fn cover(pattern: &[&str], path: &[&str]) -> bool {
    let mut below = vec![true; path.len() + 1];
    for &segment in pattern.iter().rev() {
        let mut row = vec![false; path.len() + 1];
        // A pattern that has segments left fits no path that has none, unless they stand for nothing.
        row[path.len()] = segment == "**" && below[path.len()];
        for (at, &name) in path.iter().enumerate().rev() {
            row[at] = match segment {
                "**" => below[at] || row[at + 1],
                _ => below[at + 1] && segment_fits(segment, name),
            };
        }
        below = row;
    }
    below[0]
}

/// Whether one text fits both segments.
fn segments_meet(left: &str, right: &str) -> bool {
    let wild = |text: &str| text.contains(['*', '?']);
    match (wild(left), wild(right)) {
        (false, false) => left == right,
        (true, false) => segment_fits(left, right),
        (false, true) => segment_fits(right, left),
        (true, true) => {
            let (left, right): (Vec<char>, Vec<char>) =
                (left.chars().collect(), right.chars().collect());
            let mut below: Vec<bool> = row_of_end(&right);
            for &a in left.iter().rev() {
                let mut row = vec![false; right.len() + 1];
                row[right.len()] = a == '*' && below[right.len()];
                for (at, &b) in right.iter().enumerate().rev() {
                    row[at] = match (a, b) {
                        // A star ends, or stands for one more character of the other.
                        ('*', _) | (_, '*') => below[at] || row[at + 1],
                        ('?', _) | (_, '?') => below[at + 1],
                        _ => a == b && below[at + 1],
                    };
                }
                below = row;
            }
            below[0]
        }
    }
}

/// What meets nothing at all: a rest of stars.
fn row_of_end(pattern: &[char]) -> Vec<bool> {
    let mut row = vec![true; pattern.len() + 1];
    for (at, &c) in pattern.iter().enumerate().rev() {
        row[at] = c == '*' && row[at + 1];
    }
    row
}

/// Whether a name fits a segment. Nothing in the name is a wildcard.
fn segment_fits(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), name.chars().collect());
    let (mut at, mut read) = (0, 0);
    // Where the last star stands, and up to where it stands for the name.
    let mut star: Option<(usize, usize)> = None;
    while read < name.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, read));
                at += 1;
            }
            Some('?') => (at, read) = (at + 1, read + 1),
            Some(c) if *c == name[read] => (at, read) = (at + 1, read + 1),
            _ => match &mut star {
                Some((stands, until)) => {
                    *until += 1;
                    (at, read) = (*stands + 1, *until);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|c| *c == '*')
}
