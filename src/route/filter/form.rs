//! The JSON form.

use super::error::{FilterError, FilterFault, Location};
use super::field::Field;
use super::test::{self, Comparison, Literal, Test};
use super::{Filter, Node};
use crate::json::{Json, Kind, Token, elements, members, pointer};
use crate::scalar::{Priority, Quantity, Severity, Span};
use smol_str::SmolStr;
use std::fmt::Write as _;

/// Every key that says what a filter is, with the keys of its value.
const FORMS: &[(&str, &[&str])] = &[
    ("all", &[]),
    ("any", &[]),
    ("not", &[]),
    ("exact", &["field", "value"]),
    ("prefix", &["field", "value"]),
    ("suffix", &["field", "value"]),
    ("compare", &["field", "op", "value"]),
    ("min_severity", &["field", "value"]),
    ("min_priority", &["field", "value"]),
    ("max_age", &["field", "value"]),
];

struct Reader<'a> {
    text: &'a str,
    parts: usize,
}

pub(super) fn read(json: &Json) -> Result<Filter, FilterError> {
    let text = json.as_str();
    let Some(root) = pointer::find(text, 0, "") else {
        return Err(FilterFault::MissingKey { key: "all" }.into());
    };
    Reader { text, parts: 0 }.filter(root, 1)
}

impl Reader<'_> {
    fn place(&self, token: Token) -> Location {
        Location::Pointer(pointer::locate(self.text, 0, token.start()))
    }

    fn fail<T>(&self, token: Token, fault: impl Into<FilterFault>) -> Result<T, FilterError> {
        Err(FilterError { place: self.place(token), fault: fault.into() })
    }

    fn expected<T>(&self, token: Token, expected: &'static str) -> Result<T, FilterError> {
        let found = SmolStr::new_static(token.kind().noun());
        self.fail(token, FilterFault::Expected { expected, found: found.to_string() })
    }

    fn unknown<'k, T>(
        &self,
        key: Token,
        known: impl Iterator<Item = &'k str>,
    ) -> Result<T, FilterError> {
        let known = known.collect::<Vec<_>>().join(", ");
        let name = SmolStr::from(key.decode(self.text));
        self.fail(key, FilterFault::UnknownKey { key: name.to_string(), known })
    }

    /// Recurses no deeper than [`Filter::MAX_DEPTH`].
    fn filter(&mut self, token: Token, depth: usize) -> Result<Filter, FilterError> {
        // Before the descent, so that recursion is bounded by the same figure as in the text form.
        if depth > Filter::MAX_DEPTH {
            return self.fail(token, FilterFault::TooDeep);
        }
        self.parts += 1;
        if self.parts > Filter::MAX_PARTS {
            return self.fail(token, FilterFault::TooManyParts);
        }
        if token.kind() != Kind::Object {
            return self.expected(token, "an object such as {\"all\":[]}");
        }
        let mut all = members(self.text, token.start());
        // One key says what a filter is. With two, `{"all":[],"any":[]}` would have a meaning that
        // depends on their order.
        let (Some((key, value)), rest) = (all.next(), all.next()) else {
            let found = SmolStr::new_static("an empty one");
            return self.fail(
                token,
                FilterFault::Expected {
                    expected: "an object with one key",
                    found: found.to_string(),
                },
            );
        };
        if let Some((second, _)) = rest {
            let found = SmolStr::new_static("a second key");
            return self.fail(
                second,
                FilterFault::Expected {
                    expected: "an object with one key",
                    found: found.to_string(),
                },
            );
        }
        let form = FORMS.iter().find(|(name, _)| key.means(self.text, name));
        let Some((name, keys)) = form else {
            return self.unknown(key, FORMS.iter().map(|(name, _)| *name));
        };
        let filter = match *name {
            "all" => Filter::all(self.list(value, depth)?),
            "any" => Filter::any(self.list(value, depth)?),
            "not" => Filter::not(self.filter(value, depth + 1)?),
            name => self.test(name, keys, value),
        };
        filter.map_err(|error| error.or_at(|| self.place(value)))
    }

    fn list(&mut self, token: Token, depth: usize) -> Result<Vec<Filter>, FilterError> {
        if token.kind() != Kind::Array {
            return self.expected(token, "an array of filters");
        }
        elements(self.text, token.start()).map(|element| self.filter(element, depth + 1)).collect()
    }

    fn test(&self, name: &str, keys: &[&'static str], token: Token) -> Result<Filter, FilterError> {
        if token.kind() != Kind::Object {
            return self.expected(token, "an object with `value`");
        }
        for (key, _) in members(self.text, token.start()) {
            // An unknown key is refused, unlike in a message: a test that somebody meant and that
            // is not done would select too much.
            if !keys.iter().any(|known| key.means(self.text, known)) {
                return self.unknown(key, keys.iter().copied());
            }
        }
        let get = |wanted: &'static str| {
            members(self.text, token.start())
                .find(|(key, _)| key.means(self.text, wanted))
                .map(|(_, value)| value)
        };
        let need =
            |key| get(key).map_or_else(|| self.fail(token, FilterFault::MissingKey { key }), Ok);
        let default = match name {
            "min_severity" => Some(test::severity()),
            "min_priority" => Some(test::priority()),
            "max_age" => Some(test::timestamp()),
            _ => None,
        };
        let field = match (get("field"), default) {
            (None, Some(default)) => default,
            (None, None) => return self.fail(token, FilterFault::MissingKey { key: "field" }),
            (Some(field), _) => {
                let name = self.string(field)?;
                Field::parse(&name).map_err(|error| error.or_at(|| self.place(field)))?
            }
        };
        let value = need("value")?;
        let at = |fault: FilterFault| FilterError { place: self.place(value), fault };
        let filter = match name {
            "exact" => Filter::exact(field, self.literal(value)?),
            "prefix" => Filter::prefix(field, &self.string(value)?),
            "suffix" => Filter::suffix(field, &self.string(value)?),
            "compare" => {
                let op = need("op")?;
                let sign = self.string(op)?;
                let known = Comparison::ALL.iter().find(|known| known.as_str() == sign);
                let Some(comparison) = known else {
                    let found = smol_str::format_smolstr!("`{sign}`");
                    let expected = "`<`, `<=`, `>` or `>=`";
                    return self
                        .fail(op, FilterFault::Expected { expected, found: found.to_string() });
                };
                // A number in quotes is not compared as a number anywhere else, so it is not here.
                if value.kind() != Kind::Number {
                    return self.expected(value, "a number");
                }
                let number = Quantity::parse(value.raw(self.text)).map_err(|e| at(e.into()))?;
                Filter::compare(field, *comparison, number)
            }
            "min_severity" => {
                let least = self.string(value)?.parse::<Severity>().map_err(|e| at(e.into()))?;
                Filter::min_severity(Some(field), &least)
            }
            "min_priority" => {
                let least = self.string(value)?.parse::<Priority>().map_err(|e| at(e.into()))?;
                Filter::min_priority(Some(field), &least)
            }
            _ => {
                let max_age = self.string(value)?.parse::<Span>().map_err(|e| at(e.into()))?;
                Filter::max_age(Some(field), &max_age)
            }
        };
        filter.map_err(|error| error.or_at(|| self.place(value)))
    }

    fn string(&self, token: Token) -> Result<SmolStr, FilterError> {
        if token.kind() == Kind::Text {
            Ok(token.decode(self.text).into())
        } else {
            self.expected(token, "a string")
        }
    }

    fn literal(&self, token: Token) -> Result<Literal, FilterError> {
        let raw = token.raw(self.text);
        Ok(match token.kind() {
            Kind::Text => Literal::Text(token.decode(self.text).into()),
            Kind::Number => {
                Literal::Number(Quantity::parse(raw).map_err(|error| FilterError {
                    place: self.place(token),
                    fault: error.into(),
                })?)
            }
            Kind::Bool => Literal::Bool(raw == "true"),
            Kind::Null => Literal::Null,
            Kind::Array | Kind::Object => {
                return self.expected(token, "a text, a number, a boolean or null");
            }
        })
    }
}

pub(super) fn write(node: &Node) -> Json {
    let mut out = String::new();
    write_node(&mut out, node);
    Json::from_valid(&out)
}

fn write_node(out: &mut String, node: &Node) {
    match node {
        Node::All(nodes) | Node::Any(nodes) => {
            let all = matches!(node, Node::All(_));
            // Written by hand in one order of keys, so equal filters give equal texts and digests.
            out.push_str(if all { "{\"all\":[" } else { "{\"any\":[" });
            for (index, node) in nodes.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_node(out, node);
            }
            out.push_str("]}");
        }
        Node::Not(node) => {
            out.push_str("{\"not\":");
            write_node(out, node);
            out.push('}');
        }
        Node::Test(test) => write_test(out, test),
    }
}

fn write_test(out: &mut String, test: &Test) {
    let quoted = |value: &str| Json::text(value).to_string();
    let (name, op, value) = match test {
        Test::Exact(_, Literal::Text(value)) => ("exact", None, quoted(value)),
        Test::Exact(_, Literal::Number(number)) => ("exact", None, number.to_string()),
        Test::Exact(_, Literal::Bool(value)) => ("exact", None, value.to_string()),
        Test::Exact(_, Literal::Null) => ("exact", None, "null".to_owned()),
        Test::Prefix(_, value) => ("prefix", None, quoted(value)),
        Test::Suffix(_, value) => ("suffix", None, quoted(value)),
        Test::Compare(_, comparison, number) => ("compare", Some(*comparison), number.to_string()),
        Test::Severity(_, least) => ("min_severity", None, quoted(least.as_str())),
        Test::Priority(_, least) => ("min_priority", None, quoted(least.as_str())),
        Test::Age(_, max_age, _) => ("max_age", None, quoted(max_age.as_str())),
    };
    let field = quoted(test.field().as_str());
    let _ = write!(out, "{{\"{name}\":{{\"field\":{field},");
    if let Some(op) = op {
        let _ = write!(out, "\"op\":\"{op}\",");
    }
    let _ = write!(out, "\"value\":{value}}}}}");
}
