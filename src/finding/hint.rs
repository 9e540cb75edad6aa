//! Hints: what the writer probably meant.

use crate::scalar::{nearest, printable};
use smol_str::SmolStr;
use std::fmt;

/// Advice that goes with a finding. It is worked out when it is shown.
#[derive(Clone, PartialEq, Eq, Default)]
pub(crate) enum Hint {
    /// Nothing to advise.
    #[default]
    None,
    /// A fixed sentence.
    Say(&'static str),
    /// A sentence about this record.
    Told(SmolStr),
    /// The name in the record that was wrong, to be compared with the names that exist (one a
    /// line).
    NearestTo {
        /// The names that exist.
        known: SmolStr,
    },
    /// The name that exists and was probably meant.
    Nearly {
        /// The name that exists.
        known: SmolStr,
    },
    /// The body key that an object stands for without having it.
    Body {
        /// The key.
        key: &'static str,
    },
    /// The name that is missing, to be compared with the names the record has (one a line).
    Among {
        /// The names in the record that nothing asked for.
        present: SmolStr,
    },
}

/// A hint often shares the names of the whole registry: `Debug` shows a few names, or their number.
impl fmt::Debug for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names = |variant: &str, field: &str, names: &str| {
            f.debug_struct(variant).field(field, &Names(names)).finish()
        };
        match self {
            Hint::None => f.write_str("None"),
            Hint::Say(text) => f.debug_tuple("Say").field(text).finish(),
            Hint::Told(text) => f.debug_tuple("Told").field(text).finish(),
            Hint::NearestTo { known } => names("NearestTo", "known", known),
            Hint::Nearly { known } => names("Nearly", "known", known),
            Hint::Body { key } => names("Body", "key", key),
            Hint::Among { present } => names("Among", "present", present),
        }
    }
}

/// Names, one a line.
struct Names<'a>(&'a str);

impl fmt::Debug for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const FEW: usize = 4;
        match self.0.lines().count() {
            count if count > FEW => write!(f, "{count} names"),
            _ => f.debug_list().entries(self.0.lines()).finish(),
        }
    }
}

impl Hint {
    /// The sentence, given what the finding expected and what it found.
    pub(crate) fn sentence(&self, expected: &str, actual: &str) -> Option<String> {
        match self {
            Hint::None => None,
            Hint::Say(text) => Some((*text).to_owned()),
            Hint::Told(text) => Some(text.to_string()),
            // A name that only a later version of the protocol has is not misspelled.
            Hint::NearestTo { known } if known.lines().any(|name| name == actual) => None,
            Hint::NearestTo { known } => {
                let name = nearest(actual, known.lines())?;
                Some(format!("did you mean `{name}`?"))
            }
            Hint::Nearly { known } => Some(format!("did you mean `{known}`?")),
            Hint::Body { key } => Some(format!(
                "its fields are those of `{key}`, without its body key; write `{{\"{key}\":{{...}}}}`"
            )),
            Hint::Among { present } => {
                let name = likely(expected, present)?;
                Some(format!("`{}` is present; did you mean `{expected}`?", printable(name)))
            }
        }
    }
}

/// The present name that most likely stands for the missing one: a part of it (`duration` for
/// `actual_duration`), else a near spelling.
fn likely<'a>(missing: &str, present: &'a str) -> Option<&'a str> {
    let part = |name: &&str| {
        missing.strip_suffix(name).is_some_and(|head| head.ends_with('_'))
            || missing.strip_prefix(name).is_some_and(|tail| tail.starts_with('_'))
            || name.strip_suffix(missing).is_some_and(|head| head.ends_with('_'))
            || name.strip_prefix(missing).is_some_and(|tail| tail.starts_with('_'))
    };
    // What was written is the misspelling, and the missing name what it was meant to be.
    let spelled = |name: &&str| nearest(name, [missing]).is_some();
    present.lines().find(part).or_else(|| present.lines().find(spelled))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_is_short() {
        let many = SmolStr::from(vec!["TASK_TIMEOUT"; 33].join("\n"));
        for (hint, text) in [
            (Hint::None, "None"),
            (Hint::Say("write it bare"), r#"Say("write it bare")"#),
            (Hint::NearestTo { known: many }, "NearestTo { known: 33 names }"),
            (Hint::Nearly { known: "agent_id".into() }, r#"Nearly { known: ["agent_id"] }"#),
            (Hint::Among { present: "a\nb".into() }, r#"Among { present: ["a", "b"] }"#),
            (Hint::Among { present: SmolStr::default() }, "Among { present: [] }"),
        ] {
            assert_eq!(format!("{hint:?}"), text);
        }
    }

    #[test]
    fn the_likely_name_shares_a_part_before_it_is_spelled_alike() {
        assert_eq!(likely("actual_duration", "duratian\nduration"), Some("duration"));
        assert_eq!(likely("agent_id", "agent"), Some("agent"));
        assert_eq!(likely("agent", "old_agent"), Some("old_agent"));
        assert_eq!(likely("duration", "duratoin"), Some("duratoin"));
        assert_eq!(likely("duration", "agent"), None);
    }
}
