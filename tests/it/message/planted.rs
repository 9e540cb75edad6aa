//! Faults planted into valid messages: all of them are found in one run, each at its place, and
//! nothing else.

use super::generate::{Drawn, Manner, render, roomy};
use crate::support::{Rng, Tree, scaled};
use coordination_protocol::event::FieldType;
use coordination_protocol::finding::{Code, FindingSeverity, Report};
use coordination_protocol::json::{self, Token, pointer};
use coordination_protocol::message::{EnvelopeHeader, MessageKind, ObjectSpec, Requirement, Shape};
use coordination_protocol::{Codec, Mode};
use std::collections::BTreeSet;

/// Which bytes a finding covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Covers {
    Value,
    /// The key; of two equal ones, the last.
    Key,
    /// The bracket that ends the object around it.
    End,
}

/// What is expected of a fault.
type Planted = (Code, String, Covers);

/// What each code weighs: strict, interop.
fn weight(code: Code, mode: Mode) -> FindingSeverity {
    use FindingSeverity::{Error, Note, Warning};
    let (strict, interop) = match code {
        Code::UnknownField => (Note, Note),
        Code::AdvisedField => (Warning, Warning),
        Code::FieldAlias
        | Code::MisplacedField
        | Code::MissingField
        | Code::MissingData
        | Code::UnknownWord
        | Code::UnknownEventType
        | Code::UnreadableText
        | Code::Placeholder => (Error, Warning),
        Code::OutOfRange
        | Code::WrongKind
        | Code::MissingIdentity
        | Code::BadIdentifier
        | Code::DuplicateKey
        | Code::SecondBody
        | Code::NumberBeyondDouble => (Error, Error),
        other => panic!("{other} is not planted"),
    };
    if mode == Mode::Strict { strict } else { interop }
}

/// A place where a fault can be planted.
#[derive(Clone, Debug)]
enum Site {
    /// A value of a shape, in an object where it is required or not.
    Value(Shape, Requirement),
    /// A required field of an event.
    Field(FieldType),
    /// An object whose fields are known.
    Object(&'static ObjectSpec),
}

/// All places in a value, with their pointers.
fn sites(
    shape: Shape,
    requirement: Requirement,
    at: &str,
    tree: &Tree,
    out: &mut Vec<(String, Site)>,
) {
    out.push((at.to_owned(), Site::Value(shape, requirement)));
    match (shape, tree) {
        (Shape::Object(spec), Tree::Object(entries)) => inside(spec, at, entries, out),
        (Shape::List(of), Tree::Array(items)) => {
            for (index, item) in items.iter().enumerate() {
                sites(*of, Requirement::Optional, &format!("{at}/{index}"), item, out);
            }
        }
        (Shape::Map(of), Tree::Object(entries)) => {
            for (key, value) in entries {
                sites(*of, Requirement::Optional, &under(at, key), value, out);
            }
        }
        _ => {}
    }
}

fn inside(
    spec: &'static ObjectSpec,
    at: &str,
    entries: &[(String, Tree)],
    out: &mut Vec<(String, Site)>,
) {
    out.push((at.to_owned(), Site::Object(spec)));
    for (key, value) in entries {
        if let Some(member) = spec.member(key) {
            sites(member.shape, member.requirement, &under(at, key), value, out);
        }
    }
}

fn under(at: &str, key: &str) -> String {
    let mut pointer = at.to_owned();
    pointer::push_key(&mut pointer, key);
    pointer
}

/// Does `edit` to the value at a pointer.
fn at_pointer(tree: &mut Tree, pointer: &str, edit: impl FnOnce(&mut Tree)) {
    let mut tree = tree;
    for part in pointer.split('/').skip(1) {
        let name = part.replace("~1", "/").replace("~0", "~");
        tree = match tree {
            Tree::Object(entries) => {
                &mut entries.iter_mut().find(|(key, _)| *key == name).unwrap().1
            }
            Tree::Array(items) => &mut items[part.parse::<usize>().unwrap()],
            _ => panic!("{pointer}"),
        };
    }
    edit(tree);
}

/// A value that does not fit a type, and what is found.
fn misfit(rng: &mut Rng, leaf: FieldType) -> (Tree, Code) {
    let placeholder = |rng: &mut Rng| {
        let text = rng.pick(&["a|b|c", "${name}", "<name>", "{{name}}", "$name"]);
        (Tree::text(text), Code::Placeholder)
    };
    let wrong_kind =
        |rng: &mut Rng, kinds: &[&str]| (Tree::plain(rng.pick(kinds)), Code::WrongKind);
    let numbers = ["\"12\"", "null", "[]", "{}", "true"];
    let texts = ["12", "null", "[]", "{}", "false"];
    let out = |rng: &mut Rng, values: &[&str]| match rng.below(2) {
        0 => (Tree::plain(rng.pick(values)), Code::OutOfRange),
        _ => wrong_kind(rng, &numbers),
    };
    let text = |rng: &mut Rng, values: &[&str], code| match rng.below(3) {
        0 => placeholder(rng),
        1 => wrong_kind(rng, &texts),
        _ => (Tree::text(rng.pick(values)), code),
    };
    let unreadable = Code::UnreadableText;
    match leaf {
        FieldType::Json => placeholder(rng),
        FieldType::Object => wrong_kind(rng, &["[]", "null", "7", "\"{}\""]),
        FieldType::Bool => wrong_kind(rng, &["\"true\"", "1", "null", "{}"]),
        FieldType::TextList => wrong_kind(rng, &["\"a\"", "{}", "null", "1"]),
        FieldType::Phase => match rng.below(2) {
            0 => placeholder(rng),
            _ => wrong_kind(rng, &["true", "null", "[3]"]),
        },
        FieldType::Number => wrong_kind(rng, &numbers),
        FieldType::Amount => out(rng, &["-1", "-0.001", "-1e2"]),
        FieldType::Count => out(rng, &["-1", "1.5", "18446744073709551616", "1e-1", "1e20"]),
        FieldType::Percent => out(rng, &["-1", "100.01", "1e3"]),
        FieldType::StateVersion => out(rng, &["-1", "1.5", "9007199254740992", "1e16"]),
        FieldType::Ratio => out(rng, &["-0.1", "1.0000001", "97"]),
        FieldType::Text => match rng.below(2) {
            0 => placeholder(rng),
            _ => wrong_kind(rng, &texts),
        },
        FieldType::Id => {
            let long = "x".repeat(129);
            text(rng, &["", "a:b", "a\nb", "\u{7f}", &long], Code::BadIdentifier)
        }
        FieldType::Span => text(rng, &["5h_47m", "2 hours", "30m 2h", "-5m", ""], unreadable),
        FieldType::Timestamp => {
            text(rng, &["2025-02-30T12:00:00Z", "2025-01-15", "now", ""], unreadable)
        }
        FieldType::Window => text(rng, &["25:00-26:00", "12:30", "12:30-13:00Z"], unreadable),
        FieldType::ByteSize => text(rng, &["2.5", "2.5GiB!", "GB", "-1GB"], unreadable),
        FieldType::Digest => text(rng, &["sha256:abc", "md5:00", ""], unreadable),
        FieldType::Version => text(rng, &["1.0", "v1.0.0", ""], unreadable),
        FieldType::ProtocolVersion => text(rng, &["1", "1.0", "one"], Code::OutOfRange),
        word if word.words().is_some() => {
            text(rng, &["Severe", "", "HIGH", "none at all"], Code::UnknownWord)
        }
        other => panic!("no misfit for {other}"),
    }
}

/// Plants a fault; `None` if the place has no room for one.
fn plant(rng: &mut Rng, root: &mut Tree, at: &str, site: &Site) -> Option<Vec<Planted>> {
    let here = |code| vec![(code, at.to_owned(), Covers::Value)];
    match site {
        Site::Field(leaf) if rng.one_in(3) => {
            let missing = remove(root, at);
            assert!(missing, "{at} {leaf}");
            Some(vec![(Code::MissingData, at.to_owned(), Covers::End)])
        }
        Site::Field(leaf) | Site::Value(Shape::Leaf(leaf), _) if rng.one_in(2) => {
            // The data of an event has one finding a field.
            let member = matches!(site, Site::Value(..));
            if member && *leaf == FieldType::TextList && rng.one_in(2) {
                return Some(list_item(rng, root, at));
            }
            let (value, code) = misfit(rng, *leaf);
            at_pointer(root, at, |tree| *tree = value);
            Some(here(code))
        }
        Site::Value(shape @ (Shape::Object(_) | Shape::List(_) | Shape::Map(_)), _)
            if rng.one_in(3) =>
        {
            let wrong: &[&str] = match shape {
                Shape::List(_) => &["{}", "null", "\"x\"", "0"],
                _ => &["[]", "null", "\"x\"", "[{}]"],
            };
            let value = Tree::plain(rng.pick(wrong));
            at_pointer(root, at, |tree| *tree = value);
            Some(here(Code::WrongKind))
        }
        Site::Value(shape, requirement) => {
            let (parent, key) = at.rsplit_once('/')?;
            if is_element(root, parent) {
                return None;
            }
            let code = match requirement {
                Requirement::Essential => Code::MissingIdentity,
                Requirement::Required => Code::MissingField,
                Requirement::Recommended => Code::AdvisedField,
                _ if matches!(shape, Shape::Leaf(_)) => {
                    // A field that may be missing is rather there twice.
                    duplicate(root, parent, key);
                    return Some(vec![(Code::DuplicateKey, at.to_owned(), Covers::Key)]);
                }
                _ => return None,
            };
            remove(root, at);
            Some(vec![(code, at.to_owned(), Covers::End)])
        }
        Site::Field(_) => None,
        Site::Object(spec) => Some(into_object(rng, root, at, spec)),
    }
}

fn list_item(rng: &mut Rng, root: &mut Tree, at: &str) -> Vec<Planted> {
    let mut planted = Vec::new();
    at_pointer(root, at, |tree| {
        let Tree::Array(items) = tree else { panic!("{at}") };
        for _ in 0..=rng.below(3) {
            let (item, code) = misfit(rng, FieldType::Text);
            planted.push((code, format!("{at}/{}", items.len()), Covers::Value));
            items.push(item);
        }
    });
    planted
}

/// A fault of an object as a whole.
fn into_object(rng: &mut Rng, root: &mut Tree, at: &str, spec: &ObjectSpec) -> Vec<Planted> {
    let (key, value, mut planted) = match rng.below(4) {
        0 if spec.name == "AllocationResponse" => {
            let key = "allocation_id";
            let planted = vec![(Code::MisplacedField, under(at, key), Covers::Key)];
            (key, Tree::text("alloc_1"), planted)
        }
        1 => {
            let key = "b~y/nd";
            let planted = vec![
                (Code::UnknownField, under(at, key), Covers::Key),
                (Code::NumberBeyondDouble, under(at, key), Covers::Value),
            ];
            (key, Tree::plain("-1e400"), planted)
        }
        2 => {
            // Whatever is in an unknown value is unknown; twice is twice there too.
            let key = "tw\"ice";
            let inner = under(&under(at, key), "1");
            let planted = vec![
                (Code::UnknownField, under(at, key), Covers::Key),
                (Code::DuplicateKey, under(&inner, "ä"), Covers::Key),
            ];
            let twice = vec![("ä".to_owned(), Tree::plain("1")); 2];
            (key, Tree::Array(vec![Tree::plain("[[\"x\"]]"), Tree::Object(twice)]), planted)
        }
        _ => {
            let key = rng.pick(&["extra", "wörkflow", "", "a/b", "component"]);
            (key, Tree::plain("{\"status\":7}"), Vec::new())
        }
    };
    if planted.is_empty() {
        planted.push((Code::UnknownField, under(at, key), Covers::Key));
    }
    at_pointer(root, at, |tree| {
        let Tree::Object(entries) = tree else { panic!("{at}") };
        if entries.iter().any(|(known, _)| known == key) || spec.member(key).is_some() {
            planted.clear();
            return;
        }
        let place = rng.below(entries.len() + 1);
        entries.insert(place, (key.to_owned(), value));
    });
    planted
}

/// Faults that only the root can have.
fn into_root(rng: &mut Rng, root: &mut Tree, kind: MessageKind) -> Vec<Planted> {
    let Tree::Object(entries) = root else { unreachable!() };
    if rng.one_in(2) {
        let (real, alias) = *[
            ("source", "source_component"),
            ("source", "source_command"),
            ("message_id", "event_id"),
        ]
        .get(rng.below(3))
        .unwrap();
        return match entries.iter_mut().find(|(key, _)| key == real) {
            Some(entry) => {
                alias.clone_into(&mut entry.0);
                vec![(Code::FieldAlias, format!("/{alias}"), Covers::Key)]
            }
            None => Vec::new(),
        };
    }
    let second = if kind == MessageKind::Release { "heartbeat" } else { "release" };
    let body = match second {
        "release" => "{\"allocation_id\":\"a\",\"release_reason\":\"r\"}",
        _ => "{\"component_id\":\"a\",\"sequence\":1,\"timestamp\":\"2025-01-15T12:00:00Z\"}",
    };
    entries.push((second.to_owned(), Tree::plain(body)));
    vec![(Code::SecondBody, format!("/{second}"), Covers::Key)]
}

fn is_element(root: &mut Tree, parent: &str) -> bool {
    let mut array = false;
    at_pointer(root, parent, |tree| array = matches!(tree, Tree::Array(_)));
    array
}

fn remove(root: &mut Tree, at: &str) -> bool {
    let (parent, key) = at.rsplit_once('/').unwrap();
    let mut removed = false;
    at_pointer(root, parent, |tree| {
        let Tree::Object(entries) = tree else { panic!("{at}") };
        let before = entries.len();
        entries.retain(|(name, _)| name != key);
        removed = entries.len() + 1 == before;
    });
    removed
}

fn duplicate(root: &mut Tree, parent: &str, key: &str) {
    let name = key.replace("~1", "/").replace("~0", "~");
    at_pointer(root, parent, |tree| {
        let Tree::Object(entries) = tree else { panic!("{parent}") };
        let entry = entries.iter().find(|(known, _)| *known == name).unwrap().clone();
        entries.push(entry);
    });
}

/// The bytes that a finding must cover.
fn covered(text: &str, start: usize, pointer: &str, covers: Covers) -> Token {
    if covers == Covers::Value {
        return pointer::find(text, start, pointer).unwrap_or_else(|| panic!("{pointer}: {text}"));
    }
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let parent = pointer::find(text, start, parent).unwrap();
    if covers == Covers::End {
        return parent;
    }
    let name = key.replace("~1", "/").replace("~0", "~");
    let keys = json::members(text, parent.start()).filter(|(key, _)| key.means(text, &name));
    keys.last().unwrap().0
}

/// What is told but for the unusual identifiers that any drawn message may hold.
fn told(report: &Report) -> Vec<String> {
    let mut told: Vec<_> = report
        .findings()
        .iter()
        .filter(|finding| finding.code != Code::UnusualIdentifier)
        .map(|f| format!("{} {} {:?} {}", f.code, f.pointer, f.range, f.severity))
        .collect();
    told.sort();
    told
}

#[test]
fn n_faults_are_n_findings() {
    let mut planted_codes = BTreeSet::new();
    let mut most = 0;
    for number in 0..scaled(4_200) {
        let rng = &mut Rng::new(number as u64 + 3);
        let drawn = Drawn::new(number, Manner::Plain);
        let mut root = drawn.tree();
        let mut all = Vec::new();
        inside(EnvelopeHeader::SPEC, "", &drawn.root, &mut all);
        let body = drawn.root.iter().find(|(key, _)| key == drawn.kind.as_str()).unwrap();
        match (drawn.event, &body.1) {
            (Some(event), _) => {
                // Its type decides what else is asked, and the workflow must agree with the data.
                all.push((
                    "/event/phase".to_owned(),
                    Site::Value(Shape::Leaf(FieldType::Id), Requirement::Required),
                ));
                for field in event.required().iter().filter(|field| field.name != "workflow_id") {
                    let at = format!("/event/data/{}", field.name);
                    all.push((at, Site::Field(field.field_type().unwrap())));
                }
            }
            (None, Tree::Object(entries)) => {
                inside(drawn.kind.spec().unwrap(), &format!("/{}", drawn.kind), entries, &mut all);
            }
            _ => unreachable!(),
        }
        rng.shuffle(&mut all);
        let mut used: Vec<String> = Vec::new();
        let mut expected: Vec<Planted> = Vec::new();
        let wanted = rng.below(12);
        for (at, site) in all {
            // No fault hides another: none stands inside the value of another.
            let object = matches!(site, Site::Object(_));
            let apart = used.iter().all(|other| {
                let within = |a: &str, b: &str| a == b || a.starts_with(&format!("{b}/"));
                !within(&at, other) && (object || !within(other, &at))
            });
            if expected.len() >= wanted || !apart {
                continue;
            }
            let planted = plant(rng, &mut root, &at, &site).unwrap_or_default();
            if !planted.is_empty() {
                // An object as such stands in no one's way.
                used.extend(if object {
                    planted.iter().map(|p| p.1.clone()).collect()
                } else {
                    vec![at]
                });
                expected.extend(planted);
            }
        }
        if rng.one_in(8) && used.iter().all(|at| at.starts_with(&format!("/{}/", drawn.kind))) {
            expected.extend(into_root(rng, &mut root, drawn.kind));
        }
        planted_codes.extend(expected.iter().map(|(code, ..)| *code));
        most = most.max(expected.len());

        let text = render(rng, &root);
        let start = text.find('{').unwrap();
        for mode in [Mode::Strict, Mode::Interop] {
            let codec = Codec::new(mode).with_limits(roomy());
            let record = codec.check_message(&text);
            let mut expected: Vec<_> = expected
                .iter()
                .map(|(code, pointer, covers)| {
                    let token = covered(&text, start, pointer, *covers);
                    let range = match covers {
                        Covers::End => token.end() - 1..token.end(),
                        _ => token.range(),
                    };
                    format!("{code} {pointer} {range:?} {}", weight(*code, mode))
                })
                .collect();
            expected.sort();
            assert_eq!(told(&record.report), expected, "case {number}: {text}");
            agrees(&codec, &text, &record.report);
        }
    }
    assert!(most >= 12 && planted_codes.len() >= 15, "{most} {planted_codes:?}");
}

/// Reading refuses what checking has an error for, with one of its errors.
fn agrees(codec: &Codec, text: &str, report: &Report) {
    let refused = report.worst() == Some(FindingSeverity::Error);
    let errors = [codec.verify_message(text).err(), codec.parse_message(text).err()];
    for error in errors {
        assert_eq!(error.is_some(), refused, "{error:?} {report:?}");
        if let Some(error) = error {
            assert!(report.findings().contains(error.finding()), "{error} {report:?}");
        }
    }
    let order = |f: &coordination_protocol::Finding| (f.range.start, f.range.end, f.code);
    assert!(report.findings().is_sorted_by_key(order), "{report:?}");
}

/// Each code of a message weighs what the table of readings says.
#[test]
fn codes_weigh_what_the_readings_say() {
    for &code in Code::ALL {
        let planted = matches!(
            code,
            Code::UnknownField
                | Code::AdvisedField
                | Code::FieldAlias
                | Code::MisplacedField
                | Code::MissingField
                | Code::MissingData
                | Code::UnknownWord
                | Code::UnreadableText
                | Code::Placeholder
                | Code::OutOfRange
                | Code::WrongKind
                | Code::MissingIdentity
                | Code::BadIdentifier
                | Code::DuplicateKey
                | Code::SecondBody
                | Code::NumberBeyondDouble
        );
        for mode in [Mode::Strict, Mode::Interop] {
            if planted {
                assert_eq!(code.severity(mode), weight(code, mode), "{code}");
            }
        }
    }
}
