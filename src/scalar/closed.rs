//! Closed lists of words: the enums whose words this crate alone chooses.
//!
//! What comes from a peer is an open vocabulary ([`word`](super::word)), which keeps unknown words.

/// Defines closed enums with their words, once: the words in order, `as_str`, `Display`, `FromStr`
/// and serde.
///
/// ```text
/// words! {
///     /// How a record is read.
///     Mode {
///         /// What the specification says MUST.
///         Strict "strict",
///         ...
///     }
/// }
/// ```
///
/// An unknown word is "none of strict, interop"; a literal behind the name says something else:
/// `MergeRule "no rule of merging" { ... }`.
macro_rules! words {
    ($(
        $(#[$meta:meta])*
        $name:ident $($predicate:literal)? {
            $($(#[$word_meta:meta])* $variant:ident $word:literal),+ $(,)?
        }
    )+) => { $(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum $name { $($(#[$word_meta])* $variant),+ }

        impl $name {
            /// All of them, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word for it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl ::core::fmt::Display for $name {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl ::core::str::FromStr for $name {
            type Err = $crate::scalar::ScalarError;

            fn from_str(word: &str) -> Result<Self, Self::Err> {
                match word {
                    $($word => Ok(Self::$variant),)+
                    _ => Err($crate::scalar::ScalarError::bad_word(
                        word,
                        &[$($word),+],
                        $crate::scalar::refusal!($($predicate)?),
                    )),
                }
            }
        }

        impl ::serde::Serialize for $name {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> ::serde::Deserialize<'de> for $name {
            fn deserialize<D: ::serde::Deserializer<'de>>(
                deserializer: D,
            ) -> Result<Self, D::Error> {
                let word = <::std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                word.parse().map_err(::serde::de::Error::custom)
            }
        }
    )+ };
}
pub(crate) use words;

/// How [`words`] refuses a word.
macro_rules! refusal {
    () => {
        $crate::scalar::Refusal::NoneOf
    };
    ($predicate:literal) => {
        $crate::scalar::Refusal::Is($predicate)
    };
}
pub(crate) use refusal;

#[cfg(test)]
mod tests {
    #![allow(unreachable_pub, reason = "the macro makes public types")]

    words! {
        /// A direction.
        Way {
            /// Upwards.
            Up "up",
            /// Downwards.
            #[allow(dead_code, reason = "it is parsed")]
            Down "down",
        }
        /// A colour.
        Colour "no colour of ours" {
            /// Red.
            Red "red",
        }
    }

    #[test]
    fn words_are_read_and_written_alike() {
        for way in Way::ALL {
            assert_eq!(way.as_str().parse(), Ok(*way));
            let json = serde_json::to_string(way).unwrap();
            assert_eq!(serde_json::from_str::<Way>(&json).unwrap(), *way);
        }
        assert_eq!(Colour::ALL, [Colour::Red]);
    }

    #[test]
    fn an_unknown_word_is_refused_with_the_list_or_in_its_own_words() {
        let refused = |error: crate::scalar::ScalarError| error.to_string();
        assert_eq!(
            refused("upp".parse::<Way>().unwrap_err()),
            "`upp` is none of up, down; did you mean `up`?"
        );
        assert_eq!(refused("".parse::<Way>().unwrap_err()), "`` is none of up, down");
        assert_eq!(refused("rde".parse::<Colour>().unwrap_err()), "`rde` is no colour of ours");
    }
}
