//! What every text-shaped scalar shares: one macro, one reader, one shape of error.

use core::fmt;
use core::marker::PhantomData;

use serde::de::{Deserializer, Error, Visitor};

/// Characters of a refused text that an error message repeats.
const EXCERPT_CHARS: usize = 40;

/// Where and why a text cannot be read.
///
/// It borrows nothing and owns nothing, so a check that fails costs no allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// Byte offset into the text.
    pub(super) at: usize,
    /// What is wrong there.
    pub(super) reason: &'static str,
}

impl Fault {
    pub(super) const fn new(at: usize, reason: &'static str) -> Self {
        Self { at, reason }
    }
}

/// The start of a refused text, short enough for a message.
pub(super) fn excerpt(text: &str) -> Box<str> {
    match text.char_indices().nth(EXCERPT_CHARS) {
        None => text.into(),
        Some((end, _)) => [&text[..end], "\u{2026}"].concat().into(),
    }
}

/// Deserializes a text and hands it to `build`; anything that is not a text is refused.
pub(super) fn read<'de, D, T, E>(
    deserializer: D,
    expected: &'static str,
    build: fn(&str) -> Result<T, E>,
) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    E: fmt::Display,
{
    struct Reader<T, E> {
        expected: &'static str,
        build: fn(&str) -> Result<T, E>,
        made: PhantomData<T>,
    }

    impl<T, E: fmt::Display> Visitor<'_> for Reader<T, E> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "{} as a text", self.expected)
        }

        fn visit_str<F: Error>(self, text: &str) -> Result<T, F> {
            (self.build)(text).map_err(F::custom)
        }
    }

    deserializer.deserialize_str(Reader { expected, build, made: PhantomData })
}

/// Writes the trait implementations of a newtype over `SmolStr` that shows its text.
macro_rules! shows_text {
    ($name:ident) => {
        impl $name {
            /// The text, exactly as it was given.
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }
        }

        impl ::core::fmt::Display for $name {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                self.as_str()
            }
        }

        impl ::core::str::FromStr for $name {
            type Err = <Self as TryFrom<&'static str>>::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::try_from(text)
            }
        }

        impl ::serde::Serialize for $name {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }
    };
}
pub(super) use shows_text;

/// What a documentation comment says, one line a paragraph, as a schema describes it.
#[cfg(feature = "schema")]
pub(super) fn description(comment: &str) -> String {
    let mut text = String::with_capacity(comment.len());
    for line in comment.lines().map(str::trim) {
        match text.chars().last() {
            Some('\n') if line.is_empty() => continue,
            None | Some('\n') => {}
            Some(_) => text.push(if line.is_empty() { '\n' } else { ' ' }),
        }
        text.push_str(line);
    }
    text.truncate(text.trim_end().len());
    text
}

/// Implements `JsonSchema` for a scalar from the keywords of its schema.
macro_rules! scalar_schema {
    ($name:ident, $description:expr, { $($schema:tt)* }) => {
        #[cfg(feature = "schema")]
        impl ::schemars::JsonSchema for $name {
            fn schema_name() -> ::std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn schema_id() -> ::std::borrow::Cow<'static, str> {
                concat!(module_path!(), "::", stringify!($name)).into()
            }

            fn json_schema(_: &mut ::schemars::SchemaGenerator) -> ::schemars::Schema {
                let description = $crate::scalar::text::description($description);
                ::schemars::json_schema!({ "description": description, $($schema)* })
            }
        }
    };
}
pub(super) use scalar_schema;

/// What a text must not match that a pattern with `$` is to describe: in some languages `$` also
/// matches in front of a line break at the end.
#[cfg(feature = "schema")]
pub(crate) const LINE_BREAK_AT_END: &str = r"\n$";

/// Defines one text-shaped scalar.
///
/// `parse` takes a `&str` and returns the value or a [`Fault`], without allocating.
macro_rules! text_scalar {
    (
        $(#[doc = $doc:expr])+
        $name:ident {
            what: $what:literal,
            example: $example:literal,
            refused: $refused:literal,
            parse: $parse:path,
            schema: { $($schema:tt)* } $(,)?
        }
    ) => {
        $(#[doc = $doc])+
        ///
        /// Equality, hashing and output go by the spelling, never by the value.
        ///
        /// Deserializing keeps a text that cannot be read, because reading loses nothing; the
        /// value is then `None` and validation reports it. Only a non-text is refused.
        ///
        /// ```
        #[doc = concat!("use coordination_protocol::scalar::", stringify!($name), ";")]
        ///
        #[doc = concat!("let good = ", stringify!($name), "::new(\"", $example, "\")?;")]
        #[doc = concat!("assert_eq!(good.as_str(), \"", $example, "\");")]
        #[doc = concat!("assert!(", stringify!($name), "::new(\"", $refused, "\").is_err());")]
        ///
        #[doc = concat!("let kept = ", stringify!($name), "::from_lenient(\"", $refused, "\");")]
        #[doc = concat!("assert_eq!(kept.as_str(), \"", $refused, "\");")]
        /// assert!(!kept.is_readable());
        #[doc = concat!(
            "# Ok::<(), coordination_protocol::scalar::ScalarError>(())"
        )]
        /// ```
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub struct $name(::smol_str::SmolStr);

        impl $name {
            #[doc = concat!("Reads ", $what, " and keeps its spelling.")]
            ///
            /// # Errors
            ///
            #[doc = concat!("[`ScalarError::Text`](crate::scalar::ScalarError::Text) if the text is not ", $what, ".")]
            pub fn new(text: impl AsRef<str>) -> Result<Self, $crate::scalar::ScalarError> {
                let text = text.as_ref();
                match $parse(text) {
                    Ok(_) => Ok(Self(::smol_str::SmolStr::new(text))),
                    Err(fault) => {
                        Err($crate::scalar::ScalarError::bad_text(text, $what, fault, $example))
                    }
                }
            }

            /// Keeps any text, readable or not. For readers only: a writer uses [`Self::new`].
            pub fn from_lenient(text: impl AsRef<str>) -> Self {
                Self(::smol_str::SmolStr::new(text))
            }

            #[doc = concat!("Whether the text is ", $what, ". Allocates nothing.")]
            pub fn is_valid(text: &str) -> bool {
                $parse(text).is_ok()
            }

            #[doc = concat!("Whether this is ", $what, ", not just a kept text.")]
            pub fn is_readable(&self) -> bool {
                Self::is_valid(self.as_str())
            }
        }

        $crate::scalar::text::shows_text!($name);

        impl TryFrom<&str> for $name {
            type Error = $crate::scalar::ScalarError;

            fn try_from(text: &str) -> Result<Self, Self::Error> {
                Self::new(text)
            }
        }

        impl<'de> ::serde::Deserialize<'de> for $name {
            fn deserialize<D: ::serde::Deserializer<'de>>(
                deserializer: D,
            ) -> Result<Self, D::Error> {
                $crate::scalar::text::read(deserializer, $what, |text| {
                    Ok::<_, ::core::convert::Infallible>(Self::from_lenient(text))
                })
            }
        }

        $crate::scalar::text::scalar_schema!($name, concat!($($doc, "\n"),+), {
            "type": "string",
            "examples": [$example],
            "not": { "pattern": $crate::scalar::text::LINE_BREAK_AT_END },
            $($schema)*
        });

    };
}
pub(super) use text_scalar;
