//! Texts as small integers, counted by use.

use super::hash;
use super::index::Index;
use smol_str::SmolStr;

/// The integer that no text has: any token meets it.
pub(super) const ANY: u32 = 0;

/// How texts are compared.
#[derive(Clone, Copy, Debug)]
enum Case {
    Counts,
    /// ASCII case does not count.
    Folds,
}

/// A set of texts, each with something of its own.
#[derive(Clone, Debug)]
pub(super) struct Tokens<P> {
    case: Case,
    index: Index,
    /// The first stands for no text.
    entries: Vec<Entry<P>>,
    free: Vec<u32>,
}

#[derive(Clone, Debug)]
struct Entry<P> {
    text: SmolStr,
    uses: u32,
    own: P,
}

impl<P: Default> Tokens<P> {
    pub(super) fn exact() -> Self {
        Tokens::new(Case::Counts)
    }

    pub(super) fn folded() -> Self {
        Tokens::new(Case::Folds)
    }

    fn new(case: Case) -> Self {
        // It is used once by the table itself, so no release ever frees it.
        let any = Entry { text: SmolStr::default(), uses: 1, own: P::default() };
        Tokens { case, index: Index::new(), entries: vec![any], free: Vec::new() }
    }

    #[inline]
    fn hash(&self, seed: u64, text: &str) -> u64 {
        match self.case {
            Case::Counts => hash::text(seed, text),
            Case::Folds => hash::folded(seed, text),
        }
    }

    #[inline]
    fn find_hashed(&self, hash: u64, text: &str) -> Option<u32> {
        self.index.find(hash, |at| {
            let known = self.entries[at as usize].text.as_str();
            match self.case {
                Case::Counts => known == text,
                Case::Folds => known.eq_ignore_ascii_case(text),
            }
        })
    }

    /// The integer of a text that is used.
    #[inline]
    pub(super) fn find(&self, seed: u64, text: &str) -> Option<u32> {
        self.find_hashed(self.hash(seed, text), text)
    }

    /// Uses a text once more.
    pub(super) fn take(&mut self, seed: u64, text: &str) -> u32 {
        let hash = self.hash(seed, text);
        if let Some(at) = self.find_hashed(hash, text) {
            self.entries[at as usize].uses += 1;
            return at;
        }
        // Texts are kept once however many patterns have them; patterns of one workflow share its
        // entry and compare integers.
        let entry = Entry { text: SmolStr::new(text), uses: 1, own: P::default() };
        let at = if let Some(at) = self.free.pop() {
            self.entries[at as usize] = entry;
            at
        } else {
            self.entries.push(entry);
            self.entries.len() as u32 - 1
        };
        self.index.add(hash, at);
        at
    }

    /// Undoes one [`take`](Self::take). The last one forgets the text, and its integer may come to
    /// mean another.
    pub(super) fn release(&mut self, seed: u64, at: u32) {
        let entry = &mut self.entries[at as usize];
        entry.uses -= 1;
        if at != ANY && entry.uses == 0 {
            let text = std::mem::take(&mut entry.text);
            // The integer may come to mean another text, which must not find the filter or the
            // contest of this one.
            entry.own = P::default();
            let hash = self.hash(seed, &text);
            self.index.remove(hash, at);
            self.free.push(at);
        }
    }

    pub(super) fn text(&self, at: u32) -> &str {
        &self.entries[at as usize].text
    }

    #[inline]
    pub(super) fn own(&self, at: u32) -> &P {
        &self.entries[at as usize].own
    }

    #[inline]
    pub(super) fn own_mut(&mut self, at: u32) -> &mut P {
        &mut self.entries[at as usize].own
    }

    /// As [`take`](Self::take), and nothing for no text.
    pub(super) fn take_some(&mut self, seed: u64, text: Option<&str>) -> u32 {
        let Some(text) = text else {
            // Counted like the others, so that `release` needs no exception.
            self.entries[ANY as usize].uses += 1;
            return ANY;
        };
        self.take(seed, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_counts_or_not() {
        let mut exact = Tokens::<()>::exact();
        assert_ne!(exact.take(0, "wf_1"), exact.take(0, "WF_1"));
        let mut folded = Tokens::<()>::folded();
        let task = folded.take(0, "task");
        assert_eq!(folded.take(0, "Task"), task);
        assert_eq!(folded.find(0, "TASK"), Some(task));
        // Only ASCII folds, as in keys.
        assert_ne!(folded.take(0, "é"), folded.take(0, "É"));
    }

    #[test]
    fn the_last_release_forgets_the_text_and_what_belongs_to_it() {
        let mut tokens = Tokens::<u32>::exact();
        let first = tokens.take(0, "a");
        assert_eq!(tokens.take(0, "a"), first);
        *tokens.own_mut(first) = 5;
        tokens.release(0, first);
        assert_eq!((tokens.find(0, "a"), *tokens.own(first)), (Some(first), 5));
        tokens.release(0, first);
        assert_eq!(tokens.find(0, "a"), None);
        // The integer comes to mean another text, with nothing of the old one.
        assert_eq!(tokens.take(0, "b"), first);
        assert_eq!((*tokens.own(first), tokens.text(first)), (0, "b"));
    }

    #[test]
    fn no_text_is_any_and_is_never_freed() {
        let mut tokens = Tokens::<()>::exact();
        assert_eq!(tokens.take_some(0, None), ANY);
        tokens.release(0, ANY);
        assert_eq!(tokens.take_some(0, None), ANY);
        // An empty text is a text.
        assert_ne!(tokens.take_some(0, Some("")), ANY);
    }
}
