//! Messages of every kind, drawn from the tables of fields.

use crate::support::{Rng, Tree, any_entries, any_value, fitting};
use coordination_protocol::event::{EventSpec, FieldType, REGISTRY};
use coordination_protocol::json::{self, Kind, Limits, Token, pointer};
use coordination_protocol::message::{EnvelopeHeader, MessageKind, ObjectSpec, Requirement, Shape};

/// How free a drawn message is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// What writers may write, without unknown fields.
    Plain,
    /// What writers may write.
    Strict,
    /// What readers in interop mode put up with, and what has a typed form.
    Interop,
}

/// A message without a fault, not yet a text.
pub(crate) struct Drawn {
    pub(crate) kind: MessageKind,
    /// The type of the event, if it is one.
    pub(crate) event: Option<&'static EventSpec>,
    pub(crate) root: Vec<(String, Tree)>,
    /// How many unknown fields there are that a reader tells.
    pub(crate) extras: usize,
}

struct Draw<'r> {
    rng: &'r mut Rng,
    manner: Manner,
    extras: usize,
}

impl Drawn {
    /// Case `number`: the kinds take turns.
    pub(crate) fn new(number: usize, manner: Manner) -> Self {
        let rng = &mut Rng::new(number as u64 + 1);
        let kind = MessageKind::KNOWN[number % MessageKind::KNOWN.len()];
        let mut draw = Draw { rng, manner, extras: 0 };
        let mut root = draw.object(EnvelopeHeader::SPEC);
        let event = (kind == MessageKind::Event).then(|| {
            let spec = &REGISTRY[number / MessageKind::KNOWN.len() % REGISTRY.len()];
            root.push((kind.as_str().to_owned(), draw.event(spec)));
            spec
        });
        if event.is_none() {
            let body = draw.object(kind.spec().unwrap());
            root.push((kind.as_str().to_owned(), Tree::Object(body)));
        }
        draw.rng.shuffle(&mut root);
        Drawn { kind, event, root, extras: draw.extras }
    }

    pub(crate) fn tree(&self) -> Tree {
        Tree::Object(self.root.clone())
    }
}

impl Draw<'_> {
    fn object(&mut self, spec: &ObjectSpec) -> Vec<(String, Tree)> {
        let mut entries = Vec::new();
        for member in spec.members {
            let given = match member.requirement {
                Requirement::Essential => true,
                Requirement::Optional => self.rng.one_in(2),
                _ => self.manner != Manner::Interop || !self.rng.one_in(4),
            };
            if given {
                entries.push((member.name.to_owned(), self.value(member.shape)));
            }
        }
        self.extra(&mut entries, |key| spec.member(key).is_some());
        self.rng.shuffle(&mut entries);
        entries
    }

    fn extra(&mut self, entries: &mut Vec<(String, Tree)>, known: impl Fn(&str) -> bool) {
        if self.manner == Manner::Plain || !self.rng.one_in(3) {
            return;
        }
        for (key, value) in any_entries(self.rng, 40) {
            if !known(&key) {
                self.extras += 1;
                entries.push((key, value));
            }
        }
    }

    fn value(&mut self, shape: Shape) -> Tree {
        match shape {
            Shape::Object(spec) => Tree::Object(self.object(spec)),
            Shape::List(of) => {
                Tree::Array((0..self.rng.below(4)).map(|_| self.value(*of)).collect())
            }
            Shape::Map(of) => {
                let mut keys = vec!["bash", "agent_001", "a/b~c", "😀", "", "0"];
                self.rng.shuffle(&mut keys);
                keys.truncate(self.rng.below(5));
                Tree::Object(keys.iter().map(|key| ((*key).into(), self.value(*of))).collect())
            }
            Shape::Leaf(leaf) => self.leaf(leaf),
            other => panic!("no value for {other:?}; add one"),
        }
    }

    fn leaf(&mut self, leaf: FieldType) -> Tree {
        if self.manner == Manner::Interop && self.rng.one_in(5) {
            let kept = match leaf {
                FieldType::Span
                | FieldType::Timestamp
                | FieldType::Window
                | FieldType::ByteSize
                | FieldType::Digest
                | FieldType::Version => &["soon", "sha256:ghi789...", "5h_47m", "", "a|b"][..],
                // Placeholders in which no character is forbidden.
                FieldType::Id => &["req_<uuid>", "$workflow", "a|b"],
                FieldType::Text => &["$message", "a|b|c", "{{text}}"],
                _ if leaf.words().is_some() => &["severe", "", "${severity}", "ünïque"],
                _ => &[],
            };
            if !kept.is_empty() {
                return Tree::text(self.rng.pick(kept));
            }
        }
        match leaf {
            FieldType::Json => any_value(self.rng, 30),
            _ => fitting(self.rng, leaf),
        }
    }

    fn event(&mut self, spec: &'static EventSpec) -> Tree {
        let workflow = self.rng.pick(&["wf_001", "global", "two words", "ñ"]);
        let mut data: Vec<_> = spec
            .required()
            .iter()
            .map(|field| {
                let value = match field.name {
                    "workflow_id" => Tree::text(workflow),
                    _ => self.leaf(field.field_type().unwrap()),
                };
                (field.name.to_string(), value)
            })
            .collect();
        self.extra(&mut data, |key| key == "workflow_id" || key == "phase");
        let mut parts = vec![
            ("event_type".to_owned(), Tree::text(spec.event_type.as_str())),
            ("workflow_id".to_owned(), Tree::text(workflow)),
            ("phase".to_owned(), Tree::text(self.rng.pick(&["build", "global", "}"]))),
            ("data".to_owned(), Tree::Object(data)),
        ];
        self.extra(&mut parts, |_| false);
        self.rng.shuffle(&mut parts);
        Tree::Object(parts)
    }
}

/// Room for whatever is drawn.
pub(crate) fn roomy() -> Limits {
    Limits::default().with_bytes(1 << 24).with_findings(10_000)
}

/// A text that means the tree, with odd white space and odd escapes.
pub(crate) fn render(rng: &mut Rng, tree: &Tree) -> String {
    let mut out = String::new();
    odd(rng, tree, &mut out);
    out
}

fn blank(rng: &mut Rng, out: &mut String) {
    if rng.one_in(4) {
        out.push_str(rng.pick(&[" ", "\n", "\t", "\r\n  ", "   "]));
    }
}

fn odd(rng: &mut Rng, tree: &Tree, out: &mut String) {
    match tree {
        Tree::Plain(text) => out.push_str(text),
        Tree::Text(text) => odd_text(rng, text, out),
        Tree::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index > 0 { "," } else { "" });
                blank(rng, out);
                odd(rng, item, out);
                blank(rng, out);
            }
            out.push(']');
        }
        Tree::Object(entries) => {
            out.push('{');
            for (index, (key, value)) in entries.iter().enumerate() {
                out.push_str(if index > 0 { "," } else { "" });
                blank(rng, out);
                odd_text(rng, key, out);
                blank(rng, out);
                out.push(':');
                blank(rng, out);
                odd(rng, value, out);
                blank(rng, out);
            }
            out.push('}');
        }
    }
}

fn odd_text(rng: &mut Rng, text: &str, out: &mut String) {
    if !rng.one_in(4) {
        return out.push_str(&serde_json::to_string(text).unwrap());
    }
    out.push('"');
    for character in text.chars() {
        if character == '/' {
            out.push_str("\\/");
        } else if character < ' ' || matches!(character, '"' | '\\') || rng.one_in(3) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                out.push_str(&match rng.below(2) {
                    0 => format!("\\u{unit:04x}"),
                    _ => format!("\\u{unit:04X}"),
                });
            }
        } else {
            out.push(character);
        }
    }
    out.push('"');
}

/// The tree that a text means, numbers as spelled.
pub(crate) fn tree(text: &str) -> Tree {
    let start = text.len() - text.trim_start().len();
    node(text, pointer::find(text, start, "").unwrap_or_else(|| panic!("no value: {text}")))
}

fn node(text: &str, token: Token) -> Tree {
    match token.kind() {
        Kind::Text => Tree::Text(token.decode(text).into_owned()),
        Kind::Array => Tree::Array(
            json::elements(text, token.start()).map(|element| node(text, element)).collect(),
        ),
        Kind::Object => Tree::Object(
            json::members(text, token.start())
                .map(|(key, value)| (key.decode(text).into_owned(), node(text, value)))
                .collect(),
        ),
        _ => Tree::Plain(token.raw(text).to_owned()),
    }
}

/// Where two values differ: the pointer. Keys may have any order, numbers must have one spelling.
pub(crate) fn difference(a: &Tree, b: &Tree) -> Option<String> {
    match (a, b) {
        (Tree::Plain(a), Tree::Plain(b)) | (Tree::Text(a), Tree::Text(b)) => {
            (a != b).then(|| format!(": {a:?} is not {b:?}"))
        }
        (Tree::Array(a), Tree::Array(b)) if a.len() == b.len() => a
            .iter()
            .zip(b)
            .enumerate()
            .find_map(|(at, (a, b))| Some(format!("/{at}{}", difference(a, b)?))),
        (Tree::Object(a), Tree::Object(b)) if a.len() == b.len() => {
            a.iter().find_map(|(key, a)| match b.iter().find(|(name, _)| name == key) {
                Some((_, b)) => Some(format!("/{key}{}", difference(a, b)?)),
                None => Some(format!("/{key} is missing")),
            })
        }
        _ => Some(format!(": {} is not {}", a.to_json(), b.to_json())),
    }
}
