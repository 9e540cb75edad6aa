//! Schemas as text.

use schemars::Schema;
use serde::Serialize as _;
use serde_json::ser::{Formatter, PrettyFormatter, Serializer};
use std::io::{self, Write};

/// A schema as JSON over several lines, with a line break at the end.
///
/// All characters are ASCII: patterns hold invisible ones, and a reviewer should see them.
///
/// ```
/// use coordination_protocol::event::Registry;
/// use coordination_protocol::schema;
///
/// let text = schema::to_text(&schema::of("envelope", &Registry::default()).unwrap());
/// assert!(text.is_ascii() && text.contains("\\u2028"));
/// ```
pub fn to_text(schema: &Schema) -> String {
    let mut out = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut out, Ascii(PrettyFormatter::new()));
    // Writing to memory cannot fail, and a schema has keys that are texts.
    let _ = schema.as_value().serialize(&mut serializer);
    out.push(b'\n');
    String::from_utf8(out).unwrap_or_default()
}

struct Ascii<'a>(PrettyFormatter<'a>);

/// Hands the layout to the formatter inside.
macro_rules! laid_out {
    ($($name:ident($($first:ident: bool)?);)+) => { $(
        fn $name<W: ?Sized + Write>(&mut self, out: &mut W $(, $first: bool)?) -> io::Result<()> {
            self.0.$name(out $(, $first)?)
        }
    )+ };
}

impl Formatter for Ascii<'_> {
    laid_out! {
        begin_array();
        end_array();
        begin_array_value(first: bool);
        end_array_value();
        begin_object();
        end_object();
        begin_object_key(first: bool);
        begin_object_value();
        end_object_value();
    }

    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut units = [0; 2];
        for character in fragment.chars() {
            if character.is_ascii() && character != '\x7f' {
                out.write_all(&[character as u8])?;
                continue;
            }
            for unit in character.encode_utf16(&mut units) {
                write!(out, "\\u{unit:04x}")?;
            }
        }
        Ok(())
    }
}
