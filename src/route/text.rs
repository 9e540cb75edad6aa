//! Parts of a key: borrowed, or shared so that a copy costs nothing.

use smol_str::SmolStr;
use std::hash::{Hash, Hasher};
use std::ops::Deref;

#[derive(Clone, Debug)]
pub(super) enum Text<'a> {
    Borrowed(&'a str),
    Shared(SmolStr),
}

impl Text<'_> {
    pub(super) fn into_owned(self) -> Text<'static> {
        Text::Shared(match self {
            Text::Borrowed(text) => SmolStr::new(text),
            Text::Shared(text) => text,
        })
    }
}

impl Deref for Text<'_> {
    type Target = str;

    #[inline]
    fn deref(&self) -> &str {
        match self {
            Text::Borrowed(text) => text,
            Text::Shared(text) => text,
        }
    }
}

// What it says counts, not how it is held.

impl PartialEq for Text<'_> {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Text<'_> {}

impl Hash for Text<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}
